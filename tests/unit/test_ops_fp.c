/* FP instructions: exceptions, availability rules, alignment, stores that fault, and state images. */
#define REG_R8 UCONTEXT_R8 /* <ucontext.h> has names like enum gpr */
#define REG_R15 UCONTEXT_R15
#include <signal.h>
#include <ucontext.h>
#undef REG_R8
#undef REG_R15
#include "tests/unit/ops_fixture.h"

#include "cpu/hostfp.h"

#define DATA 0x10000u
#define READ_ONLY 0x20000u

static uint32_t fsw(struct fixture *f)
{
    return (uint32_t)load_le(f->cpu->fpu + FX_FSW, 2);
}

static unsigned top(struct fixture *f)
{
    return fsw(f) >> 11 & 7;
}

static void start(struct fixture *f)
{
    assert_true(EXEC(f, "\xdb\xe3")); /* fninit */
    f->cpu->gpr[REG_DI] = DATA;
    f->cpu->gpr[REG_SI] = READ_ONLY;
    fixture_set_pte(f, READ_ONLY, 5);
}

/* 1 / 0 with #Z unmasked. */
static void make_pending_error(struct fixture *f)
{
    store_le(f->ram + DATA, 2, 0x037b);
    assert_true(EXEC(f, "\xd9\x2f")); /* fldcw [edi] */
    assert_true(EXEC(f, "\xd9\xe8")); /* fld1 */
    assert_true(EXEC(f, "\xd9\xee")); /* fldz */
    assert_true(EXEC(f, "\xde\xf9")); /* fdivp: leaves it pending */
    assert_true(fsw(f) & FSW_ES);
}

static void arithmetic_in_80_bits(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_true(EXEC(f, "\xd9\xeb")); /* fldpi */
    assert_true(EXEC(f, "\xdb\x3f")); /* fstp tbyte [edi] */
    assert_int_equal(load_le(f->ram + DATA, 8), 0xc90fdaa22168c235);
    assert_int_equal(load_le(f->ram + DATA + 8, 4), 0x4000);
    assert_int_equal(top(f), 0);
}

static void pointers_never_show_the_host(void **state)
{
    static const uint8_t zero[FX_MXCSR - FX_FOP];
    struct fixture *f = *state;

    start(f);
    assert_true(EXEC(f, "\xd9\x07")); /* fld dword [edi] */
    assert_memory_equal(f->cpu->fpu + FX_FOP, zero, sizeof(zero));
    make_pending_error(f);
    assert_memory_equal(f->cpu->fpu + FX_FOP, zero, sizeof(zero));
    assert_true(EXEC(f, "\xd9\x37")); /* fnstenv [edi] */
    for (unsigned i = 12; i < 26; i++)
        assert_int_equal(f->ram[DATA + i], 0);
}

static void availability_follows_cr0_and_cr4(void **state)
{
    struct fixture *f = *state;

    start(f);
    f->cpu->paging.cr0 |= CR0_TS;
    assert_false(EXEC(f, "\xd9\xe8"));
    assert_fault(f, VEC_NM);
    assert_false(EXEC(f, "\x0f\x57\xc0")); /* xorps */
    assert_fault(f, VEC_NM);
    assert_true(EXEC(f, "\x9b")); /* fwait without MP */
    f->cpu->paging.cr0 |= CR0_MP;
    assert_false(EXEC(f, "\x9b"));
    assert_fault(f, VEC_NM);
    f->cpu->paging.cr0 = (f->cpu->paging.cr0 & ~(uint64_t)CR0_TS) | CR0_EM;
    assert_false(EXEC(f, "\xd9\xe8"));
    assert_fault(f, VEC_NM);
    assert_false(EXEC(f, "\x0f\xef\xc0")); /* pxor mm */
    assert_fault(f, VEC_UD);
    f->cpu->paging.cr0 &= ~(uint64_t)CR0_EM;
    f->cpu->paging.cr4 = 0;
    assert_true(EXEC(f, "\x0f\xef\xc0"));
    assert_false(EXEC(f, "\x0f\x57\xc0"));
    assert_fault(f, VEC_UD);
}

static void pending_error_is_mf_at_the_next_waiting_instruction(void **state)
{
    struct fixture *f = *state;

    start(f);
    make_pending_error(f);
    assert_true(EXEC(f, "\xdf\xe0")); /* fnstsw ax */
    assert_int_equal(f->cpu->gpr[REG_AX], fsw(f));
    assert_false(EXEC(f, "\xd9\xe8"));
    assert_fault(f, VEC_MF);
    assert_false(EXEC(f, "\x9b"));
    assert_fault(f, VEC_MF);
    assert_false(EXEC(f, "\x0f\xef\xc0")); /* MMX too */
    assert_fault(f, VEC_MF);
    assert_true(EXEC(f, "\x0f\x57\xc0")); /* not SSE */
    assert_true(EXEC(f, "\xdb\xe2"));     /* fnclex */
    assert_true(EXEC(f, "\xd9\xe8"));
}

static void without_ne_ferr_is_raised_and_the_processor_waits(void **state)
{
    struct fixture *f = *state;

    start(f);
    make_pending_error(f);
    f->cpu->paging.cr0 &= ~(uint64_t)CR0_NE;
    assert_true(EXEC(f, "\xd9\xe8"));
    assert_int_equal(f->ferr_level, 1);
    assert_int_equal(f->cpu->next_rip, RIP);
    assert_true(f->cpu->is_halted); /* no spinning */
    assert_true(EXEC(f, "\xdb\xe2")); /* fnclex */
    assert_int_equal(f->ferr_level, 0);
    assert_true(EXEC(f, "\xd9\xe8"));
    assert_int_equal(f->cpu->next_rip, RIP + 2);
}

static void unmasked_overflow_suppresses_the_store(void **state)
{
    struct fixture *f = *state;

    start(f);
    store_le(f->ram + DATA, 8, 0x7fe0000000000000); /* too large for single precision */
    assert_true(EXEC(f, "\xdd\x07"));
    store_le(f->ram + DATA, 2, 0x0377);
    assert_true(EXEC(f, "\xd9\x2f"));
    store_le(f->ram + DATA, 4, 0x12345678);
    assert_true(EXEC(f, "\xd9\x1f")); /* fstp dword [edi] */
    assert_int_equal(load_le(f->ram + DATA, 4), 0x12345678);
    assert_int_equal(top(f), 7);
    assert_true(fsw(f) & FSW_ES);
}

static void faulting_store_does_not_pop(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_true(EXEC(f, "\xd9\xe8"));
    assert_false(EXEC(f, "\xdd\x1e")); /* fstp qword [esi] */
    assert_fault(f, VEC_PF);
    assert_int_equal(f->cpu->cr2, READ_ONLY);
    assert_int_equal(top(f), 7);
    assert_false(EXEC(f, "\xdd\x36")); /* fnsave [esi] */
    assert_fault(f, VEC_PF);
    assert_int_equal(top(f), 7);
}

static void compare_instructions_set_eflags(void **state)
{
    struct fixture *f = *state;

    start(f);
    f->cpu->eflags |= EFLAGS_OF | EFLAGS_DF;
    assert_true(EXEC(f, "\xd9\xe8"));
    assert_true(EXEC(f, "\xd9\xee"));
    assert_true(EXEC(f, "\xdb\xf1")); /* fcomi st0, st1: 0 < 1 */
    assert_true(f->cpu->eflags & EFLAGS_CF);
    assert_true(f->cpu->eflags & EFLAGS_DF);
    assert_true(EXEC(f, "\xda\xc1")); /* fcmovb st0, st1 */
    assert_true(EXEC(f, "\xdb\xf1"));
    assert_int_equal(f->cpu->eflags & (EFLAGS_ZF | EFLAGS_CF | EFLAGS_PF), EFLAGS_ZF);
}

static void general_registers_are_operands(void **state)
{
    struct fixture *f = *state;

    start(f);
    f->cpu->gpr[REG_SP] = 0x12345678;
    assert_true(EXEC(f, "\x66\x0f\x6e\xdc")); /* movd xmm3, esp */
    assert_true(EXEC(f, "\x66\x0f\x7e\xdf")); /* movd edi, xmm3 */
    assert_int_equal(f->cpu->gpr[REG_DI], 0x12345678);
    assert_true(EXEC(f, "\x66\x0f\xc5\xe3\x01")); /* pextrw esp, xmm3, 1 */
    assert_int_equal(f->cpu->gpr[REG_SP], 0x1234);
    assert_int_equal(f->cpu->gpr[REG_SI], READ_ONLY);
}

static void misaligned_operands_are_gp(void **state)
{
    struct fixture *f = *state;

    start(f);
    f->cpu->gpr[REG_DI] = DATA + 8;
    assert_false(EXEC(f, "\x0f\x28\x07")); /* movaps xmm0, [edi] */
    assert_fault(f, VEC_GP);
    assert_false(EXEC(f, "\x66\x0f\xfe\x07")); /* paddd xmm0, [edi] */
    assert_fault(f, VEC_GP);
    assert_false(EXEC(f, "\x0f\xae\x07")); /* fxsave */
    assert_fault(f, VEC_GP);
    assert_true(EXEC(f, "\x0f\x10\x07"));     /* movups */
    assert_true(EXEC(f, "\xf3\x0f\x7f\x07")); /* movdqu */
    assert_true(EXEC(f, "\xf3\x0f\x58\x07")); /* addss: four bytes */
}

static void unmasked_simd_exception_is_xm_with_state_unchanged(void **state)
{
    struct fixture *f = *state;

    start(f);
    store_le(f->ram + DATA, 4, 0x1d80); /* #Z unmasked */
    assert_true(EXEC(f, "\x0f\xae\x17")); /* ldmxcsr */
    store_le(f->cpu->fpu + FX_XMM, 4, 0x3f800000);
    store_le(f->cpu->fpu + FX_XMM + 16, 4, 0);
    assert_false(EXEC(f, "\xf3\x0f\x5e\xc1")); /* divss xmm0, xmm1 */
    assert_fault(f, VEC_XM);
    assert_int_equal(load_le(f->cpu->fpu + FX_XMM, 4), 0x3f800000);
    assert_int_equal(load_le(f->cpu->fpu + FX_MXCSR, 4), 0x1d84);
    f->cpu->paging.cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
    assert_false(EXEC(f, "\xf3\x0f\x5e\xc1"));
    assert_fault(f, VEC_UD);
    store_le(f->cpu->fpu + FX_XMM + 16, 4, 0x40400000);
    assert_true(EXEC(f, "\xf3\x0f\x5e\xc1")); /* 1 / 3: only inexact, masked */
    assert_int_equal(load_le(f->cpu->fpu + FX_MXCSR, 4), 0x1da4);
}

static void unmasked_underflow_is_raised_for_exact_results(void **state)
{
    struct fixture *f = *state;

    start(f);
    store_le(f->cpu->fpu + FX_MXCSR, 4, 0x1780);
    store_le(f->cpu->fpu + FX_XMM, 4, 0x00800000);      /* smallest normal number */
    store_le(f->cpu->fpu + FX_XMM + 16, 4, 0x3f000000); /* 0.5 */
    assert_false(EXEC(f, "\xf3\x0f\x59\xc1"));          /* mulss */
    assert_fault(f, VEC_XM);
    assert_int_equal(load_le(f->cpu->fpu + FX_MXCSR, 4), 0x1790);
}

static void reserved_mxcsr_bits_are_gp(void **state)
{
    struct fixture *f = *state;

    start(f);
    store_le(f->ram + DATA, 4, 0x11f80);
    assert_false(EXEC(f, "\x0f\xae\x17"));
    assert_fault(f, VEC_GP);
    assert_true(EXEC(f, "\x0f\xae\x1f")); /* stmxcsr */
    assert_int_equal(load_le(f->ram + DATA, 4), 0x1f80);
    store_le(f->ram + DATA + FX_MXCSR, 4, 0x20000);
    assert_false(EXEC(f, "\x0f\xae\x0f")); /* fxrstor */
    assert_fault(f, VEC_GP);
}

static void environment_has_full_tags_in_both_sizes(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_true(EXEC(f, "\xd9\xe8"));
    assert_true(EXEC(f, "\xd9\xee"));
    assert_true(EXEC(f, "\xd9\x37")); /* fnstenv [edi]: ST1 = 1 in R7, ST0 = 0 in R6 */
    assert_int_equal(load_le(f->ram + DATA, 4), 0xffff037f);
    assert_int_equal(load_le(f->ram + DATA + 4, 4), 0xffff3000);
    assert_int_equal(load_le(f->ram + DATA + 8, 4), 0xffff1fff);
    memset(f->ram + DATA, 0xcc, 32);
    assert_true(EXEC(f, "\x66\xd9\x37"));
    assert_int_equal(load_le(f->ram + DATA, 8), 0x1fff3000037f);
    assert_int_equal(f->ram[DATA + 13], 0);
    assert_int_equal(f->ram[DATA + 14], 0xcc);
}

static void fnsave_initializes_and_frstor_brings_back(void **state)
{
    uint8_t before[FX_XMM];
    struct fixture *f = *state;

    for (unsigned is_16 = 0; is_16 < 2; is_16++) {
        start(f);
        assert_true(EXEC(f, "\xd9\xeb"));
        assert_true(EXEC(f, "\xd9\xe8"));
        memcpy(before, f->cpu->fpu, sizeof(before));
        memset(f->ram + DATA, 0xcc, 128);
        assert_true(is_16 ? EXEC(f, "\x66\xdd\x37") : EXEC(f, "\xdd\x37"));
        assert_int_equal(f->ram[DATA + (is_16 ? 94 : 108)], 0xcc);
        assert_int_not_equal(f->ram[DATA + (is_16 ? 93 : 107)], 0xcc);
        assert_int_equal(f->cpu->fpu[FX_FTW], 0);
        assert_int_equal(top(f), 0);
        assert_true(is_16 ? EXEC(f, "\x66\xdd\x27") : EXEC(f, "\xdd\x27"));
        assert_memory_equal(before, f->cpu->fpu, FX_FOP);
        assert_memory_equal(before + FX_ST, f->cpu->fpu + FX_ST, 128);
    }
}

static void fxsave_writes_its_part_only(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_true(EXEC(f, "\xd9\xe8"));
    memset(f->cpu->fpu + FX_XMM, 0x42, 128);
    memset(f->ram + DATA, 0xcc, 512);
    assert_true(EXEC(f, "\x0f\xae\x07"));
    assert_int_equal(load_le(f->ram + DATA + FX_MXCSR_MASK, 4), 0xffff);
    assert_int_equal(f->ram[DATA + 287], 0x42);
    for (unsigned i = 288; i < 512; i++)
        assert_int_equal(f->ram[DATA + i], 0xcc);
    start(f);
    memset(f->cpu->fpu + FX_XMM, 0, 128);
    assert_true(EXEC(f, "\x0f\xae\x0f"));
    assert_int_equal(top(f), 7);
    assert_int_equal(f->cpu->fpu[FX_XMM + 127], 0x42);
}

static void maskmov_writes_selected_bytes_only(void **state)
{
    struct fixture *f = *state;

    start(f);
    memset(f->ram + DATA, 0xcc, 32);
    memset(f->cpu->fpu + FX_XMM, 0x11, 16);
    memset(f->cpu->fpu + FX_XMM + 16, 0, 16);
    f->cpu->fpu[FX_XMM + 16 + 3] = 0x80;
    assert_true(EXEC(f, "\x66\x0f\xf7\xc1")); /* maskmovdqu xmm0, xmm1 */
    assert_int_equal(load_le(f->ram + DATA, 8), 0xcccccccc11cccccc);
    f->cpu->gpr[REG_DI] = READ_ONLY;
    assert_false(EXEC(f, "\x66\x0f\xf7\xc1"));
    assert_fault(f, VEC_PF);
}

/* More encodings (5376) than stubs: old ones are replaced, and come back right. */
static void stub_table_overflows_quietly(void **state)
{
    static const uint16_t words[4] = {0, 0, 0x1111, 0x1111};
    static const char prefixes[3] = {'\x66', '\xf3', '\xf2'};
    struct fixture *f = *state;
    char code[5] = "\x66\x0f\x70"; /* pshufd, pshufhw, pshuflw xmm, xmm0, imm8 */

    start(f);
    store_le(f->cpu->fpu + FX_XMM, 8, 0x1111111100000000);
    store_le(f->cpu->fpu + FX_XMM + 8, 8, 0x3333333322222222);
    for (unsigned i = 0; i < 2 * 3 * 7 * 256; i++) {
        unsigned imm = i & 0xff, dst = (i >> 8) % 7 + 1, kind = (i >> 8) / 7 % 3;
        uint32_t want[3] = {0x11111111u * (imm & 3), 0, words[imm & 3] | (uint32_t)words[imm >> 2 & 3] << 16};

        code[0] = prefixes[kind];
        code[3] = (char)(0xc0 | dst << 3);
        code[4] = (char)imm;
        assert_true(fixture_exec_sized(f, 4, code, 5));
        assert_int_equal(load_le(f->cpu->fpu + FX_XMM + 16 * dst, 4), want[kind]);
    }
}

/* --- DPPS and DPPD stop at the step whose unmasked exception the host would raise, with the same flags --- */

static sigjmp_buf native_fault;

static volatile uint32_t native_mxcsr;

static void on_sigfpe(int signo, siginfo_t *info, void *context)
{
    native_mxcsr = ((ucontext_t *)context)->uc_mcontext.fpregs->mxcsr;
    siglongjmp(native_fault, 1);
}

/* MXCSR after `dpps xmm0, xmm1, imm` (dppd) on the host. */
static uint32_t native_dot_product(bool is_double, const uint8_t a[16], const uint8_t b[16], unsigned imm, uint32_t mxcsr,
                                   bool *is_fault)
{
    static const uint32_t host_mxcsr = 0x1f80;
    static volatile uint32_t after;
    uint32_t now;

    *is_fault = sigsetjmp(native_fault, 0) != 0;
    if (!*is_fault) {
#define RUN(insn, n)                                                                                                   \
    __asm__ volatile("movups %1, %%xmm0; movups %2, %%xmm1; ldmxcsr %3; " insn " $" #n ", %%xmm1, %%xmm0; stmxcsr %0; " \
                     "ldmxcsr %4" : "=m"(now) : "m"(*(const char(*)[16])a), "m"(*(const char(*)[16])b), "m"(mxcsr),     \
                     "m"(host_mxcsr) : "xmm0", "xmm1")
        if (is_double && imm == 0x33)
            RUN("dppd", 0x33);
        else if (is_double)
            RUN("dppd", 0x13);
        else if (imm == 0xff)
            RUN("dpps", 0xff);
        else
            RUN("dpps", 0x71);
#undef RUN
        after = now;
    } else {
        after = native_mxcsr;
    }
    return after;
}

static void dot_products_stop_where_the_host_does(void **state)
{
    static const uint32_t singles[] = {0, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0x00000001,
                                       0x00800000, 0x7f7fffff, 0xff7fffff, 0x3eaaaaab, 0x1f800000, 0x5f800000};
    static const uint64_t doubles[] = {0, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000,
                                       0x7ff8000000000000, 0x7ff0000000000001, 1, 0x0010000000000000, 0x7fefffffffffffff,
                                       0xffefffffffffffff, 0x3fd5555555555555, 0x1ff0000000000000, 0x5ff0000000000000};
    struct sigaction action = {.sa_sigaction = on_sigfpe, .sa_flags = SA_NODEFER | SA_SIGINFO}, old;
    uint64_t seed = 12345;
    struct fixture *f = *state;

    if (!__builtin_cpu_supports("sse4.1"))
        skip();
    start(f);
    sigaction(SIGFPE, &action, &old);
    for (unsigned round = 0; round < 20000; round++) {
        char code[] = "\x66\x0f\x3a\x40\xc1\x00";
        bool is_double = round & 1, is_native_fault;
        uint32_t mxcsr, native;
        uint8_t x[2][16];

        for (unsigned i = 0; i < 8; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            if (is_double)
                store_le(x[i / 4] + i % 2 * 8, 8, doubles[(seed >> 33) % ARRAY_SIZE(doubles)]);
            else
                store_le(x[i / 4] + i % 4 * 4, 4, singles[(seed >> 33) % ARRAY_SIZE(singles)]);
        }
        mxcsr = (uint32_t)(seed >> 40 & 0x1f80) | (seed >> 60 & 1 ? 0x8040 & (uint32_t)(seed >> 20) : 0) | (uint32_t)(seed >> 50 & 0x6000);
        code[3] = is_double ? 0x41 : 0x40;
        code[5] = (char)(is_double ? (seed >> 59 & 1 ? 0x33 : 0x13) : seed >> 59 & 1 ? 0xff : 0x71);
        native = native_dot_product(is_double, x[0], x[1], (uint8_t)code[5], mxcsr, &is_native_fault);
        memcpy(f->cpu->fpu + FX_XMM, x[0], 16);
        memcpy(f->cpu->fpu + FX_XMM + 16, x[1], 16);
        store_le(f->cpu->fpu + FX_MXCSR, 4, mxcsr);
        assert_int_equal(fixture_exec_sized(f, 4, code, 6), !is_native_fault);
        assert_int_equal(load_le(f->cpu->fpu + FX_MXCSR, 4), native);
    }
    sigaction(SIGFPE, &old, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(arithmetic_in_80_bits),
        TEST(pointers_never_show_the_host),
        TEST(availability_follows_cr0_and_cr4),
        TEST(pending_error_is_mf_at_the_next_waiting_instruction),
        TEST(without_ne_ferr_is_raised_and_the_processor_waits),
        TEST(unmasked_overflow_suppresses_the_store),
        TEST(faulting_store_does_not_pop),
        TEST(compare_instructions_set_eflags),
        TEST(general_registers_are_operands),
        TEST(misaligned_operands_are_gp),
        TEST(unmasked_simd_exception_is_xm_with_state_unchanged),
        TEST(unmasked_underflow_is_raised_for_exact_results),
        TEST(reserved_mxcsr_bits_are_gp),
        TEST(environment_has_full_tags_in_both_sizes),
        TEST(fnsave_initializes_and_frstor_brings_back),
        TEST(fxsave_writes_its_part_only),
        TEST(maskmov_writes_selected_bytes_only),
        TEST(stub_table_overflows_quietly),
        TEST(dot_products_stop_where_the_host_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
