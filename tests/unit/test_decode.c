/* The decoder against Capstone: every opcode with every ModRM byte and mandatory prefix, and random bytes, in 16- and
 * 32-bit mode.  Lengths must agree, and what is defined; where Capstone 4 deviates from the SDM, or knows extensions we
 * do not have, stands in one list below.  Then the fields of struct insn, by example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/ops.h"

#define RANDOM_INSNS 600000

/* --- comparing with Capstone --- */

struct fixture {
    csh capstone[2]; /* 16, 32 bits */
    cs_insn *text;
    unsigned long compared, undefined, mismatches;
};

enum deviation {
    BEYOND, /* an extension Capstone knows and the table leaves out */
    LAX,    /* Capstone accepts what the SDM reserves */
    STRICT  /* Capstone rejects what the SDM (or every processor) defines */
};

/* By map, opcode and ModRM; ops 16 apart are common, so opcode ranges. */
static const struct {
    uint8_t map, first, last, modrm_first, modrm_last;
    enum deviation kind;
} deviations[] = {
    {MAP_1B, 0x62, 0x62, 0xc0, 0xff, BEYOND}, /* EVEX */
    {MAP_1B, 0xc4, 0xc5, 0xc0, 0xff, BEYOND}, /* VEX */
    {MAP_1B, 0x8f, 0x8f, 0x08, 0xff, BEYOND}, /* XOP */
    {MAP_1B, 0xc6, 0xc7, 0xf8, 0xf8, BEYOND}, /* XABORT, XBEGIN */
    {MAP_1B, 0x8e, 0x8e, 0x00, 0xff, LAX},    /* MOV CS */
    {MAP_0F, 0x01, 0x01, 0xc1, 0xc4, BEYOND}, /* VMX */
    {MAP_0F, 0x01, 0x01, 0xca, 0xcf, BEYOND}, /* CLAC, STAC, ENCLS */
    {MAP_0F, 0x01, 0x01, 0xd4, 0xdf, BEYOND}, /* VMFUNC, XEND, XTEST, SVM */
    {MAP_0F, 0x01, 0x01, 0xf8, 0xf8, LAX},    /* SWAPGS outside 64-bit mode */
    {MAP_0F, 0x0d, 0x0d, 0x00, 0xff, STRICT}, /* prefetch hints other than /1, register forms */
    {MAP_0F, 0x0e, 0x0f, 0x00, 0xff, BEYOND}, /* 3DNow! */
    {MAP_0F, 0x12, 0x12, 0xc0, 0xff, LAX},    /* 66 0F 12 and 16, register forms */
    {MAP_0F, 0x16, 0x16, 0xc0, 0xff, LAX},
    {MAP_0F, 0x18, 0x1f, 0xc0, 0xff, STRICT},   /* hint NOPs, register forms */
    {MAP_0F, 0x37, 0x37, 0x00, 0xff, BEYOND},   /* GETSEC */
    {MAP_0F, 0x78, 0x79, 0x00, 0xff, BEYOND},   /* VMREAD, VMWRITE, SSE4A */
    {MAP_0F, 0xa6, 0xa7, 0xc0, 0xff, BEYOND},   /* VIA PadLock */
    {MAP_0F, 0xae, 0xae, 0xe8, 0xff, STRICT},   /* fences with an r/m other than 0 */
    {MAP_0F, 0xc7, 0xc7, 0x18, 0xff, BEYOND},   /* XRSTORS, XSAVEC, XSAVES, VMX, RDPID */
    {MAP_0F38, 0x80, 0x82, 0x00, 0xff, BEYOND}, /* INVEPT, INVVPID, INVPCID */
    {MAP_0F38, 0xf0, 0xf1, 0x00, 0xff, LAX},    /* MOVBE with F3 */
    {MAP_0F38, 0xf6, 0xf6, 0x00, 0xff, BEYOND}, /* ADX */
};

static bool is_listed(const struct insn *in, uint8_t modrm, bool is_ours_defined)
{
    for (unsigned n = 0; n < ARRAY_SIZE(deviations); n++)
        if (in->map == deviations[n].map && in->opcode >= deviations[n].first && in->opcode <= deviations[n].last &&
            modrm >= deviations[n].modrm_first && modrm <= deviations[n].modrm_last &&
            is_ours_defined == (deviations[n].kind == STRICT))
            return true;
    return false;
}

static unsigned count_prefixes(const uint8_t *bytes, unsigned avail)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};
    unsigned n = 0;

    while (n < avail && memchr(prefixes, bytes[n], sizeof(prefixes)))
        n++;
    return n;
}

static bool is_defined(const uint8_t *bytes, unsigned avail, unsigned code_size)
{
    struct insn in;

    return insn_decode(&in, bytes, avail, code_size) == DECODE_OK && !insn_is(&in, op_ud);
}

/* We say #UD, Capstone does not: may it? */
static bool may_be_undefined(const struct insn *in, const uint8_t *bytes, unsigned avail)
{
    unsigned prefixes = count_prefixes(bytes, avail);
    uint8_t modrm = in->has_modrm ? in->modrm : in->len < avail ? bytes[in->len] : 0;

    /* LOCK: Capstone allows it with memory sources, and forgets it where F2 or F3 are. */
    if (in->has_lock)
        return true;
    /* Capstone ignores 66, F2 and F3 where the SDM has an empty column.  Only believed if the unprefixed opcode exists
     * (it has no column, so it is one of SSE, MMX or "NP"). */
    if ((in->rep || in->has_opsize_prefix) && in->map != MAP_1B &&
        is_defined(bytes + prefixes, avail - prefixes, in->code_size))
        return true;
    /* With both 66 and F2 or F3: the same, but Capstone takes the column of 66. */
    if (in->rep && in->has_opsize_prefix && in->map != MAP_1B)
        return true;
    return is_listed(in, modrm, false);
}

/* We decode, Capstone does not: may we? */
static bool may_be_defined(const struct insn *in)
{
    if (is_listed(in, in->modrm, true))
        return true;
    /* Capstone in 16-bit mode misses most rows with a 66, F2 or F3 column; 32-bit mode checks them. */
    if (in->code_size == 2 && (in->rep || in->has_opsize_prefix) && in->map != MAP_1B)
        return true;
    /* Prefixes Capstone cannot combine: F2 or F3 with 66, or several different ones of a group. */
    return count_prefixes(in->bytes, in->len) > 1;
}

/* Near CALL with 66 and F2 or F3: Capstone forgets the 66. */
static bool is_capstone_call(const struct insn *in)
{
    return insn_is(in, op_call_rel) && in->rep && in->has_opsize_prefix;
}

static void report(struct fixture *f, const char *what, const struct insn *in, const uint8_t *bytes,
                   unsigned capstone_len)
{
    char hex[3 * 15 + 1] = "";

    if (f->mismatches++ > 20)
        return;
    for (unsigned n = 0; n < 15; n++)
        snprintf(hex + 3 * n, 4, "%02x ", bytes[n]);
    print_error("%s: %u-bit %s: %s, %u bytes; Capstone: %s %s, %u bytes\n", what, in->code_size * 8, hex,
                in->desc->name ? in->desc->name : "?", in->len, capstone_len ? f->text->mnemonic : "(bad)",
                capstone_len ? f->text->op_str : "", capstone_len);
}

static void compare(struct fixture *f, const uint8_t bytes[15], unsigned code_size)
{
    const uint8_t *code = bytes;
    size_t left = 15;
    uint64_t address = 0x1000;
    struct insn in;
    enum decode_result r = insn_decode(&in, bytes, 15, code_size);
    bool is_ours = r == DECODE_OK && !insn_is(&in, op_ud);
    unsigned len = cs_disasm_iter(f->capstone[code_size == 4], &code, &left, &address, f->text) ? f->text->size : 0;
    bool is_theirs = len && strncmp(f->text->mnemonic, "ud", 2);

    f->compared++;
    f->undefined += !is_ours;
    assert_int_not_equal(r, DECODE_MORE);
    if (is_ours && is_theirs && in.len != len && !is_capstone_call(&in))
        report(f, "length", &in, bytes, len);
    else if (is_ours && !is_theirs && !may_be_defined(&in))
        report(f, "defined", &in, bytes, len);
    else if (!is_ours && is_theirs && !may_be_undefined(&in, bytes, 15))
        report(f, "undefined", &in, bytes, len);
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    if (cs_open(CS_ARCH_X86, CS_MODE_16, &f.capstone[0]) || cs_open(CS_ARCH_X86, CS_MODE_32, &f.capstone[1]))
        return -1;
    f.text = cs_malloc(f.capstone[1]);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    cs_free(f->text, 1);
    cs_close(&f->capstone[0]);
    cs_close(&f->capstone[1]);
    return 0;
}

static unsigned put_opcode(uint8_t *bytes, uint8_t prefix, unsigned map, uint8_t opcode)
{
    unsigned n = 0;

    if (prefix)
        bytes[n++] = prefix;
    if (map != MAP_1B)
        bytes[n++] = 0x0f;
    if (map >= MAP_0F38)
        bytes[n++] = map == MAP_0F38 ? 0x38 : 0x3a;
    bytes[n++] = opcode;
    return n;
}

static void every_opcode_agrees_with_capstone(void **state)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2, 0xf0, 0x67};
    struct fixture *f = *state;
    uint8_t bytes[15 + 4];

    for (unsigned code_size = 2; code_size <= 4; code_size += 2)
        for (unsigned p = 0; p < ARRAY_SIZE(prefixes); p++)
            for (unsigned map = MAP_1B; map <= MAP_0F3A; map++)
                for (unsigned opcode = 0; opcode < 256; opcode++)
                    for (unsigned modrm = 0; modrm < 256; modrm++) {
                        memset(bytes, 0x11, sizeof(bytes));
                        bytes[put_opcode(bytes, prefixes[p], map, opcode)] = modrm;
                        compare(f, bytes, code_size);
                    }
    assert_true(f->compared > 3000000);
    assert_true(f->undefined < f->compared / 2 + f->compared / 4); /* the sweep is not vacuous */
    assert_int_equal(f->mismatches, 0);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void random_bytes_agree_with_capstone(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 0x9e3779b97f4a7c15;
    uint64_t words[2];

    for (unsigned n = 0; n < RANDOM_INSNS; n++) {
        words[0] = next_random(&seed);
        words[1] = next_random(&seed);
        compare(f, (const uint8_t *)words, n & 1 ? 4 : 2);
    }
    assert_int_equal(f->mismatches, 0);
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
        cmocka_unit_test_setup_teardown(every_opcode_agrees_with_capstone, setup, teardown),
        cmocka_unit_test_setup_teardown(random_bytes_agree_with_capstone, setup, teardown),
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
