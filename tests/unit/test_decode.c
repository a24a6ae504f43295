/* The decoder: the fields of struct insn, by example.  Lengths and opcodes are compared with other decoders by tests/decode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/ops.h"

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Whatever its length says, it needs exactly so many bytes. */
static void truncated_instructions_want_more(void **state)
{
    uint64_t seed = 0x0123456789abcdef;
    uint64_t words[2];
    struct insn in, part;

    for (unsigned n = 0; n < 20000; n++) {
        const uint8_t *bytes = (const uint8_t *)words;
        unsigned code_size = 2u << n % 3;

        words[0] = next_random(&seed);
        words[1] = next_random(&seed);
        if (insn_decode(&in, bytes, 15, code_size) != DECODE_OK)
            continue;
        for (unsigned avail = 0; avail < in.len; avail++)
            assert_int_equal(insn_decode(&part, bytes, avail, code_size), DECODE_MORE);
        assert_int_equal(insn_decode(&part, bytes, in.len, code_size), DECODE_OK);
        assert_memory_equal(&in, &part, sizeof(in));
        assert_memory_equal(in.bytes, bytes, in.len);
    }
}

/* --- fields, by example --- */

static struct insn decode(unsigned code_size, const char *hex)
{
    uint8_t bytes[32];
    unsigned n = 0, byte;
    int used;
    struct insn in;

    for (; sscanf(hex, "%x%n", &byte, &used) == 1; hex += used)
        bytes[n++] = byte;
    assert_int_equal(insn_decode(&in, bytes, n, code_size), DECODE_OK);
    assert_int_equal(in.len, n);
    return in;
}

static void expect_mem(unsigned code_size, const char *hex, int base, int index, unsigned scale, int64_t disp,
                       unsigned seg)
{
    struct insn in = decode(code_size, hex);

    assert_true(in.is_mem);
    assert_int_equal(in.base, base);
    assert_int_equal(in.index, index);
    assert_int_equal(in.scale, scale);
    assert_true(in.disp == disp);
    assert_int_equal(in.seg, seg);
}

static void memory_operands(void **state)
{
    const int none = INSN_NO_REG;

    /* 16-bit addresses */
    expect_mem(2, "8b 00", REG_BX, REG_SI, 0, 0, SEG_DS);
    expect_mem(2, "8b 43 fe", REG_BP, REG_DI, 0, -2, SEG_SS);
    expect_mem(2, "8b 06 34 12", none, none, 0, 0x1234, SEG_DS);
    expect_mem(2, "8b 46 00", REG_BP, none, 0, 0, SEG_SS);
    expect_mem(2, "8b 87 00 80", REG_BX, none, 0, -0x8000, SEG_DS);
    expect_mem(2, "26 8b 46 01", REG_BP, none, 0, 1, SEG_ES);
    expect_mem(4, "67 8b 42 01", REG_BP, REG_SI, 0, 1, SEG_SS);
    /* 32-bit addresses */
    expect_mem(4, "8b 05 78 56 34 12", none, none, 0, 0x12345678, SEG_DS);
    expect_mem(4, "8b 45 fc", REG_BP, none, 0, -4, SEG_SS);
    expect_mem(4, "8b 04 24", REG_SP, none, 0, 0, SEG_SS);
    expect_mem(4, "8b 84 b5 00 00 00 80", REG_BP, REG_SI, 2, -0x80000000ll, SEG_SS);
    expect_mem(4, "8b 04 ad 04 00 00 00", none, REG_BP, 2, 4, SEG_DS); /* EBP as index: DS */
    expect_mem(4, "8b 04 e3", REG_BX, none, 3, 0, SEG_DS);             /* index 4: none */
    expect_mem(2, "67 66 8b 44 88 7f", REG_AX, REG_CX, 2, 127, SEG_DS);
    expect_mem(4, "2e 64 8b 00", REG_AX, none, 0, 0, SEG_FS); /* the last override counts */
    /* 64-bit mode */
    expect_mem(8, "43 8b 44 a5 08", 13, 12, 2, 8, SEG_DS);
    expect_mem(8, "36 8b 00", REG_AX, none, 0, 0, SEG_DS); /* SS: ignored */
    expect_mem(8, "65 48 8b 04 25 28 00 00 00", none, none, 0, 0x28, SEG_GS);
    assert_true(decode(8, "48 8d 05 10 00 00 00").is_rip_relative);
    assert_false(decode(4, "8d 05 10 00 00 00").is_rip_relative);
    assert_false(decode(8, "8b 04 25 10 00 00 00").is_rip_relative);
}

static void expect_imm(unsigned code_size, const char *hex, unsigned opsize, uint64_t imm, unsigned imm_len)
{
    struct insn in = decode(code_size, hex);

    assert_int_equal(in.opsize, opsize);
    assert_true(in.imm == imm);
    assert_int_equal(in.imm_len, imm_len);
}

static void immediates(void **state)
{
    struct insn in;

    expect_imm(4, "83 c0 ff", 4, 0xffffffff, 1); /* Ibs: sign-extended to the operand size */
    expect_imm(2, "83 c0 ff", 2, 0xffff, 1);
    expect_imm(8, "48 83 c0 ff", 8, UINT64_MAX, 1);
    expect_imm(4, "04 ff", 1, 0xff, 1);
    expect_imm(4, "05 00 00 00 80", 4, 0x80000000, 4);
    expect_imm(4, "66 05 34 12", 2, 0x1234, 2);
    expect_imm(8, "48 05 00 00 00 80", 8, 0xffffffff80000000, 4);
    expect_imm(8, "48 b8 01 02 03 04 05 06 07 08", 8, 0x0807060504030201, 8);
    expect_imm(4, "6a fe", 4, 0xfffffffe, 1);
    expect_imm(4, "cd 80", 4, 0x80, 1);
    expect_imm(4, "c2 f0 ff", 4, 0xfff0, 2);
    expect_imm(4, "74 fe", 4, (uint64_t)-2, 1);
    expect_imm(2, "e8 fd ff", 2, (uint64_t)-3, 2);
    expect_imm(8, "66 e8 fb ff ff ff", 8, (uint64_t)-5, 4); /* 66 does not shorten near branches there */
    expect_imm(4, "f6 40 01 55", 1, 0x55, 1);
    expect_imm(4, "0f a4 c8 1f", 4, 0x1f, 1);

    in = decode(4, "9a 78 56 34 12 08 00");
    assert_true(in.imm == 0x12345678 && in.imm2 == 8 && in.imm_len == 6);
    in = decode(2, "ea 5b e0 00 f0");
    assert_true(in.imm == 0xe05b && in.imm2 == 0xf000 && in.imm_len == 4);
    in = decode(4, "c8 10 00 02");
    assert_true(in.imm == 0x10 && in.imm2 == 2 && in.imm_len == 3);
    in = decode(4, "a1 f0 ff ff ff");
    assert_true(in.disp == 0xfffffff0 && in.disp_len == 4 && in.seg == SEG_DS && insn_mem_size(&in) == 4);
    in = decode(4, "67 2e a2 f0 ff");
    assert_true(in.disp == 0xfff0 && in.disp_len == 2 && in.seg == SEG_CS && insn_mem_size(&in) == 1);
}

static void prefixes(void **state)
{
    struct insn in = decode(4, "f3 66 f2 67 a5");

    assert_int_equal(in.rep, 0xf2);
    assert_true(in.has_opsize_prefix && in.has_addrsize_prefix);
    assert_int_equal(in.opsize, 2);
    assert_int_equal(in.addrsize, 2);
    assert_int_equal(decode(2, "66 66 01 c0").opsize, 4); /* repeated: no toggling */
    assert_int_equal(decode(2, "66 67 a5").addrsize, 4);
    assert_int_equal(decode(8, "66 50").opsize, 2);
    assert_int_equal(decode(8, "50").opsize, 8);
    assert_int_equal(decode(8, "01 c0").opsize, 4);
    assert_int_equal(decode(8, "49 89 c0").rm, 8);
    assert_int_equal(decode(8, "48 66 89 c0").rex, 0); /* not next to the opcode */
    assert_int_equal(decode(4, "48").rex, 0);
    assert_true(insn_is(&(struct insn){.desc = decode(8, "41 90").desc}, op_xchg));
    assert_true(insn_is(&(struct insn){.desc = decode(4, "f3 90").desc}, op_nop));
    assert_true(insn_is(&(struct insn){.desc = decode(8, "63 c0").desc}, op_movsx));
    assert_true(insn_is(&(struct insn){.desc = decode(4, "63 c0").desc}, op_arpl));
}

static void expect_name(unsigned code_size, const char *hex, const char *name)
{
    assert_string_equal(decode(code_size, hex).desc->name, name);
}

static void mandatory_prefixes(void **state)
{
    expect_name(4, "0f 58 c0", "addps");
    expect_name(4, "66 0f 58 c0", "addpd");
    expect_name(4, "f3 0f 58 c0", "addss");
    expect_name(4, "f2 0f 58 c0", "addsd");
    expect_name(4, "66 f2 0f 58 c0", "addsd"); /* F2 and F3 win over 66 */
    expect_name(4, "f3 66 0f 58 c0", "addss");
    expect_name(4, "f3 0f 60 c0", "ud");
    expect_name(4, "f3 0f af c1", "imul"); /* no SSE: ignored */
    expect_name(4, "f3 0f b8 c1", "popcnt");
    expect_name(4, "0f b8", "ud");
    expect_name(4, "66 f2 0f 38 f1 c0", "crc32");
    expect_name(4, "0f 38 f0 00", "movbe");
    expect_name(4, "66 0f 38 f0 00", "movbe");
    expect_name(4, "0f 71 d0 01", "psrlw");
    expect_name(4, "0f 73 d8", "ud");
    expect_name(4, "66 0f 73 d8 01", "psrldq");
    expect_name(4, "0f ae e8", "lfence");
    expect_name(4, "0f ae ef", "lfence");
    expect_name(4, "f3 0f c7 f0", "ud");
    expect_name(4, "66 0f c7 f0", "rdrand");
    assert_int_equal(decode(2, "0f 6e c0").opsize, 4);
    assert_int_equal(decode(4, "66 0f 6e c0").opsize, 4); /* 66 is part of the opcode */
    assert_int_equal(decode(4, "66 f3 0f b8 c1").opsize, 2);
    assert_int_equal(decode(4, "66 f2 0f 38 f1 c0").opsize, 2);
}

static void undefined_forms(void **state)
{
    static const char *const forms[] = {
        "f0 01 c0", "f0 03 00", "f0 39 00", "f0 89 00", "f0 90",    "f0 0f a3 00", "f0 c1 20 01", /* LOCK */
        "8d c0",    "c4 c0 78 58", "c5 f8 00", "62 c0",    "0f 01 c0", "0f c7 c8",    "0f b2 c0",
        "0f c3 c0",                         /* memory only */
        "0f 50 00", "0f d7 00", "0f c7 30", /* register only */
        "8e c8",    "8e f0",    "8c f0",    "8e 38",    "8f 08",    "fe d0",       "ff f8",
        "0f 00 f0", "0f ba c0",                                              /* holes in groups */
        "d9 d1",    "d9 08",    "db e5",    "dd e0",    "df e1",    "da e8", /* and x87 */
    };

    for (unsigned n = 0; n < ARRAY_SIZE(forms); n++)
        expect_name(4, forms[n], strcmp(forms[n], "dd e0") ? "ud" : "fucom");
    expect_name(8, "06", "ud");
    expect_name(8, "27", "ud");
    expect_name(8, "82 c0 01", "ud");
    expect_name(4, "0f 0b", "ud2");
    assert_true(insn_is(&(struct insn){.desc = decode(4, "0f 0b").desc}, op_ud));
}

/* MOV to and from control registers: mod does not matter, so no SIB and no displacement follow. */
static void mov_cr_ignores_mod(void **state)
{
    struct insn in = decode(4, "0f 20 04");

    assert_true(insn_is(&in, op_mov_from_cr));
    assert_int_equal(in.mod, 3);
    assert_int_equal(in.rm, REG_SP);
    assert_false(in.is_mem);
    assert_true(insn_is(&(struct insn){.desc = decode(2, "0f 23 86").desc}, op_mov_to_dr));
}

static void fifteen_bytes_are_the_limit(void **state)
{
    uint8_t bytes[20];
    struct insn in;

    memset(bytes, 0x66, sizeof(bytes));
    bytes[14] = 0x90;
    assert_int_equal(insn_decode(&in, bytes, 20, 4), DECODE_OK);
    assert_int_equal(in.len, 15);
    bytes[14] = 0x05; /* ADD AX, Iz: two bytes too many */
    assert_int_equal(insn_decode(&in, bytes, 20, 4), DECODE_LONG);
    assert_int_equal(insn_decode(&in, bytes, 15, 4), DECODE_LONG);
    assert_int_equal(insn_decode(&in, bytes, 14, 4), DECODE_MORE);
    bytes[14] = 0x66;
    assert_int_equal(insn_decode(&in, bytes, 20, 4), DECODE_LONG);
    assert_int_equal(insn_decode(&in, bytes, 0, 4), DECODE_MORE);
    bytes[13] = 0x0f;
    bytes[14] = 0x38;
    assert_int_equal(insn_decode(&in, bytes, 20, 4), DECODE_LONG);
}

static void expect_size(unsigned code_size, const char *hex, unsigned size)
{
    struct insn in = decode(code_size, hex);

    if (insn_mem_size(&in) != size)
        print_error("%s\n", hex);
    assert_int_equal(insn_mem_size(&in), size);
}

static void sizes_of_memory_operands(void **state)
{
    expect_size(4, "01 00", 4);
    expect_size(4, "66 01 00", 2);
    expect_size(4, "00 00", 1);
    expect_size(4, "01 c0", 0); /* no memory */
    expect_size(4, "8d 00", 0); /* LEA */
    expect_size(4, "0f 1f 00", 0);
    expect_size(4, "0f 01 38", 0); /* INVLPG */
    expect_size(4, "62 00", 8);    /* BOUND */
    expect_size(2, "62 00", 4);
    expect_size(4, "c4 00", 6); /* LES */
    expect_size(2, "ff 28", 4); /* JMP FAR */
    expect_size(4, "0f 01 10", 6);
    expect_size(8, "0f 01 10", 10);
    expect_size(4, "8c 00", 2); /* MOV from sreg: always a word */
    expect_size(4, "0f b6 00", 1);
    expect_size(4, "0f b7 00", 2);
    expect_size(4, "0f c7 08", 8);
    expect_size(4, "0f 02 00", 2); /* LAR */
    expect_size(4, "a5", 4);
    expect_size(4, "aa", 1);
    expect_size(4, "d7", 1);
    expect_size(4, "d8 00", 4);
    expect_size(4, "dc 00", 8);
    expect_size(4, "db 28", 10);
    expect_size(4, "df 20", 10);
    expect_size(4, "df 00", 2);
    expect_size(4, "d9 30", 28);
    expect_size(2, "d9 30", 14);
    expect_size(4, "66 dd 30", 94);
    expect_size(4, "dd 20", 108);
    expect_size(4, "dd 38", 2);
    expect_size(4, "0f ae 00", 512);
    expect_size(4, "0f 28 00", 16);
    expect_size(4, "f3 0f 10 00", 4);
    expect_size(4, "f2 0f 10 00", 8);
    expect_size(4, "66 0f d6 00", 8);
    expect_size(4, "0f 60 00", 4);
    expect_size(4, "0f c4 00 01", 2);
    expect_size(4, "66 0f 3a 14 00 01", 1);
    expect_size(4, "66 f2 0f 38 f1 00", 2);
    expect_size(4, "f2 0f 38 f0 00", 1);
    expect_size(4, "0f f7 c1", 8); /* MASKMOVQ: DS:[EDI] */
}

static void disasm_names_the_instruction(void **state)
{
    static const uint8_t xadd[] = {0xf0, 0x0f, 0xc1, 0x08}, bad[] = {0x0f, 0xff}; /* UD0 without its ModRM */
    char buf[64];

    assert_int_equal(disasm(buf, sizeof(buf), xadd, sizeof(xadd), 0, 4), 4);
    assert_string_equal(buf, "lock xadd dword ptr [eax], ecx");
    assert_int_equal(disasm(buf, sizeof(buf), xadd, sizeof(xadd), 0, 2), 4);
    assert_string_equal(buf, "lock xadd word ptr [bx + si], cx");
    assert_int_equal(disasm(buf, sizeof(buf), xadd, 2, 0, 4), 0);
    assert_string_equal(buf, "(bad)");
    assert_int_equal(disasm(buf, 4, bad, 1, 0, 4), 0); /* short buffer */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_instructions_want_more),
        cmocka_unit_test(memory_operands),
        cmocka_unit_test(immediates),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(mandatory_prefixes),
        cmocka_unit_test(undefined_forms),
        cmocka_unit_test(mov_cr_ignores_mod),
        cmocka_unit_test(fifteen_bytes_are_the_limit),
        cmocka_unit_test(sizes_of_memory_operands),
        cmocka_unit_test(disasm_names_the_instruction),
    };

    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
