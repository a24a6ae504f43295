/* VEX prefixes: where they are LES and LDS, their fields in every code size, what they forbid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/ops.h"
#include "cpu/optable.h"

static struct insn decode(unsigned code_size, const char *bytes, unsigned n)
{
    uint8_t padded[15] = {0};
    struct insn in;

    memcpy(padded, bytes, n);
    assert_int_equal(insn_decode(&in, padded, sizeof(padded), code_size), DECODE_OK);
    return in;
}
#define DECODE(code_size, bytes) decode(code_size, bytes, sizeof(bytes) - 1)

static void expect(const struct insn *in, const char *name, unsigned len)
{
    assert_string_equal(in->desc->name, name);
    assert_int_equal(in->len, len);
}

static bool is_undefined(unsigned code_size, const char *bytes, unsigned n)
{
    struct insn in = decode(code_size, bytes, n);

    return insn_is(&in, op_ud);
}
#define UNDEFINED(code_size, bytes) assert_true(is_undefined(code_size, bytes, sizeof(bytes) - 1))

static void les_and_lds_are_memory_forms(void **state)
{
    struct insn in = DECODE(4, "\xc4\x07");

    expect(&in, "les", 2);
    assert_int_equal(in.vex, 0);
    in = DECODE(2, "\xc5\x46\x10");
    expect(&in, "lds", 3);
    in = DECODE(4, "\xc5\xf0\x58\xc2");
    expect(&in, "vaddps", 4);
    in = DECODE(2, "\xc5\xf0\x58\xc2");
    expect(&in, "vaddps", 4);
    in = DECODE(8, "\xc5\x70\x58\xc2"); /* in 64-bit mode R may be anything */
    expect(&in, "vaddps", 4);
    assert_int_equal(in.reg, 8);
}

static void fields(void **state)
{
    struct insn in = DECODE(4, "\xc4\xe3\x5d\x4a\x4c\x88\x04\xf0"); /* vblendvps ymm1, ymm4, [eax + ecx * 4 + 4], ymm7 */

    expect(&in, "vblendvps", 8);
    assert_int_equal(in.vex, 3);
    assert_int_equal(in.map, MAP_0F3A);
    assert_int_equal(in.vex_pp, PFX_66);
    assert_int_equal(in.vex_l, 1);
    assert_int_equal(in.vvvv, 4);
    assert_int_equal(in.reg, 1);
    assert_int_equal(in.imm, 0x70); /* bit 7 does not count */
    assert_int_equal(insn_mem_size(&in), 32);
    in = DECODE(8, "\xc4\x63\x1d\x4a\x4c\x88\x04\xf0");
    assert_int_equal(in.vvvv, 12);
    assert_int_equal(in.reg, 9);
    assert_int_equal(in.imm, 0xf0);
    in = DECODE(4, "\xc4\xc1\x30\x58\x07"); /* B and vvvv[3] do not count */
    expect(&in, "vaddps", 5);
    assert_int_equal(in.vvvv, 1);
    assert_int_equal(in.base, REG_DI);
    in = DECODE(2, "\xc5\xf8\x28\x40\x10"); /* vmovaps xmm0, [bx + si + 16] */
    assert_int_equal(in.addrsize, 2);
    assert_int_equal(in.index, REG_SI);
    in = DECODE(4, "\xc4\xe2\x71\x90\x14\xb5\x10\x00\x00\x00"); /* vpgatherdd xmm2, [xmm6 * 4 + 16], xmm1 */
    expect(&in, "vpgatherdd", 10);
    assert_int_equal(in.vindex, 6);
    assert_int_equal(in.index, INSN_NO_REG);
    assert_int_equal(in.base, INSN_NO_REG);
    assert_int_equal(in.disp, 16);
    in = DECODE(4, "\xc4\xe2\x71\x90\x14\x20"); /* XMM4 may be an index */
    assert_int_equal(in.vindex, 4);
}

static void w_is_no_operand_size_outside_64_bit_mode(void **state)
{
    struct insn in = DECODE(2, "\xc4\xe2\xf0\xf2\xc2"); /* andn eax, ecx, edx */

    expect(&in, "andn", 5);
    assert_int_equal(in.opsize, 4);
    assert_int_equal(insn_vex_w(&in), 0);
    in = DECODE(8, "\xc4\xe2\xf0\xf2\xc2");
    assert_int_equal(in.opsize, 8);
    assert_int_equal(insn_vex_w(&in), 1);
    in = DECODE(4, "\xc4\xe2\xf5\x98\xc2"); /* where it tells instructions apart it stays */
    expect(&in, "vfmadd132pd", 5);
    assert_int_equal(insn_vex_w(&in), 1);
    in = DECODE(4, "\xc4\xe2\x75\x98\xc2");
    expect(&in, "vfmadd132ps", 5);
    UNDEFINED(4, "\xc4\xe3\xf9\x16\xc0\x00"); /* vpextrq */
    assert_false(is_undefined(8, "\xc4\xe3\xf9\x16\xc0\x00", 6));
}

static void sizes_of_memory_operands(void **state)
{
    static const struct {
        const char *bytes;
        unsigned size;
    } rows[] = {
        {"\xc5\xf0\x58\x07", 16}, {"\xc5\xf4\x58\x07", 32},         /* vaddps */
        {"\xc5\xf2\x58\x07", 4},  {"\xc5\xf7\x58\x07", 8},          /* vaddss, vaddsd whatever L is */
        {"\xc5\xf5\xd1\x07", 16},                                   /* vpsrlw ymm: the count has 128 bits */
        {"\xc5\xfc\x5a\x07", 16}, {"\xc5\xf8\x5a\x07", 8},          /* vcvtps2pd */
        {"\xc5\xfb\x12\x07", 8},  {"\xc5\xff\x12\x07", 32},         /* vmovddup */
        {"\xc4\xe2\x7d\x22\x07", 4}, {"\xc4\xe2\x79\x22\x07", 2},   /* vpmovsxbq */
        {"\xc4\xe2\x7d\x1a\x07", 16}, {"\xc4\xe2\x7d\x79\x07", 2},  /* vbroadcastf128, vpbroadcastw */
        {"\xc4\xe3\x7d\x19\x07\x01", 16}, {"\xc4\xe3\x7d\x1d\x07", 16}, {"\xc4\xe3\x79\x14\x07", 1},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct insn in = decode(4, rows[i].bytes, (unsigned)strlen(rows[i].bytes));

        assert_false(insn_is(&in, op_ud));
        assert_int_equal(insn_mem_size(&in), rows[i].size);
    }
}

static void forbidden(void **state)
{
    for (unsigned code_size = 2; code_size <= 8; code_size *= 2) {
        UNDEFINED(code_size, "\x66\xc5\xf0\x58\xc2");
        UNDEFINED(code_size, "\xf3\xc5\xf0\x58\xc2");
        UNDEFINED(code_size, "\xf2\xc5\xf0\x58\xc2");
        UNDEFINED(code_size, "\xf0\xc5\xf0\x58\x02");
        UNDEFINED(code_size, "\xc4\xe0\x70\x58\xc2");         /* map 0 */
        UNDEFINED(code_size, "\xc4\xe4\x70\x58\xc2");         /* map 4 */
        UNDEFINED(code_size, "\xc5\xf0\x28\xc2");             /* vvvv of vmovaps */
        UNDEFINED(code_size, "\xc5\xfd\x6e\xc0");             /* L of vmovd */
        UNDEFINED(code_size, "\xc4\xe2\x79\x16\xc0");         /* no L: vpermps */
        UNDEFINED(code_size, "\xc4\xe2\xfd\x18\xc0");         /* W of vbroadcastss */
        UNDEFINED(code_size, "\xc5\xf8\x13\xc1");             /* memory only */
        UNDEFINED(code_size, "\xc5\xf8\x50\x01");             /* register only */
        UNDEFINED(code_size, "\xc4\xe2\x71\x90\x0c\x10");     /* gathers: a register twice, */
        UNDEFINED(code_size, "\xc4\xe2\x69\x90\x0c\x10");
        UNDEFINED(code_size, "\xc4\xe2\x71\x90\x14\x08");
        UNDEFINED(code_size, "\xc4\xe2\x71\x90\x10");         /* no SIB byte */
    }
    UNDEFINED(2, "\xc4\xe2\x71\x90\x14\x20"); /* 16-bit addresses have none */
    UNDEFINED(8, "\x48\xc5\xf0\x58\xc2");     /* REX */
    assert_false(is_undefined(8, "\x48\x3e\xc5\xf0\x58\xc2", 6));
    assert_false(is_undefined(4, "\x3e\x67\xc5\xf0\x58\xc2", 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(les_and_lds_are_memory_forms),
        cmocka_unit_test(fields),
        cmocka_unit_test(w_is_no_operand_size_outside_64_bit_mode),
        cmocka_unit_test(sizes_of_memory_operands),
        cmocka_unit_test(forbidden),
    };

    return cmocka_run_group_tests_name("decode_vex", tests, NULL, NULL);
}
