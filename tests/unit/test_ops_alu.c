/* Integer instructions: what comparing with the host (test_hostcpu.c) does not show, that is faults, the order of effects,
 * partial registers, 16-bit addressing, and the stack. */
#include "tests/unit/ops_fixture.h"

#define DATA 0x10000u
#define UNMAPPED 0x20000u

static void partial_registers_keep_the_rest(void **state)
{
    struct fixture *f = *state;
    uint64_t *r = f->cpu->gpr;

    r[REG_AX] = 0x11223344;
    assert_true(EXEC(f, "\xb4\x55")); /* mov ah, 55h */
    assert_int_equal(r[REG_AX], 0x11225544);
    assert_true(EXEC(f, "\x66\xb8\x77\x66")); /* mov ax, 6677h */
    assert_int_equal(r[REG_AX], 0x11226677);
    r[REG_CX] = 0xffffffff;
    assert_true(EXEC(f, "\x41")); /* inc ecx: no carry into bit 32 */
    assert_int_equal(r[REG_CX], 0);
    assert_true(f->cpu->eflags & EFLAGS_ZF);
}

static void effective_addresses_of_16_bits_wrap(void **state)
{
    struct fixture *f = *state;
    uint64_t *r = f->cpu->gpr;

    r[REG_BX] = 0xdead8000;
    r[REG_SI] = 0xbeef9000;
    assert_true(EXEC16(f, "\x8d\x40\xff")); /* lea ax, [bx+si-1] */
    assert_int_equal(r[REG_AX] & 0xffff, 0x0fff);
    f->ram[0x0fff] = 0x5a;
    assert_true(EXEC16(f, "\x8a\x60\xff")); /* mov ah, [bx+si-1] */
    assert_int_equal(r[REG_AX] & 0xff00, 0x5a00);
}

static void effective_addresses_of_32_bits_scale_and_wrap(void **state)
{
    struct fixture *f = *state;
    uint64_t *r = f->cpu->gpr;

    r[REG_BX] = 0xfffffff0;
    r[REG_CX] = 0x10;
    assert_true(EXEC(f, "\x8d\x44\xcb\x05")); /* lea eax, [ebx+ecx*8+5] */
    assert_int_equal(r[REG_AX], 0x75);
    r[REG_SP] = 0x1234;
    assert_true(EXEC(f, "\x8d\x04\x24")); /* lea eax, [esp] */
    assert_int_equal(r[REG_AX], 0x1234);
}

static void division_overflow_is_de_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t *r = f->cpu->gpr;

    r[REG_AX] = 7;
    r[REG_DX] = 3;
    r[REG_CX] = 3;
    f->cpu->eflags |= EFLAGS_CF;
    assert_false(EXEC(f, "\xf7\xf1")); /* div ecx: quotient is 2^32 */
    assert_fault(f, VEC_DE);
    assert_int_equal(r[REG_AX], 7);
    assert_int_equal(f->cpu->eflags, EFLAGS_1 | EFLAGS_CF);
    r[REG_CX] = 0;
    assert_false(EXEC(f, "\xf7\xf9")); /* idiv ecx */
    assert_fault(f, VEC_DE);
    assert_false(EXEC(f, "\xf6\xf1")); /* div cl */
    assert_fault(f, VEC_DE);
    assert_false(EXEC(f, "\xd4\x00")); /* aam 0 */
    assert_fault(f, VEC_DE);
}

static void idiv_takes_the_most_negative_quotient_only(void **state)
{
    struct fixture *f = *state;
    uint64_t *r = f->cpu->gpr;

    r[REG_DX] = 0xffffffff;
    r[REG_AX] = 0x80000000;
    r[REG_CX] = 1;
    assert_true(EXEC(f, "\xf7\xf9")); /* -2^31 / 1 */
    assert_int_equal(r[REG_AX], 0x80000000);
    assert_int_equal(r[REG_DX], 0);
    r[REG_DX] = 0xffffffff;
    r[REG_CX] = 0xffffffff;
    assert_false(EXEC(f, "\xf7\xf9")); /* -2^31 / -1 = 2^31 */
    assert_fault(f, VEC_DE);
    r[REG_AX] = 0x8000;
    r[REG_CX] = 0xff;
    assert_false(EXEC(f, "\xf6\xf9")); /* -32768 / -1, bytes */
    assert_fault(f, VEC_DE);
    r[REG_DX] = 0x80000000;
    r[REG_AX] = 0;
    assert_false(EXEC(f, "\xf7\xf9"));
    assert_fault(f, VEC_DE);
}

static void aaa_and_daa_set_undefined_flags_too(void **state)
{
    struct fixture *f = *state;

    f->cpu->gpr[REG_AX] = 0x7f0f;
    assert_true(EXEC(f, "\x37")); /* aaa: 7F0Fh + 106h overflows as a word */
    assert_int_equal(f->cpu->gpr[REG_AX], 0x8005);
    assert_int_equal(f->cpu->eflags & EFLAGS_STATUS, EFLAGS_CF | EFLAGS_AF | EFLAGS_SF | EFLAGS_OF);
}

static void read_modify_write_needs_write_rights_first(void **state)
{
    struct fixture *f = *state;

    fixture_set_pte(f, DATA, 5); /* read-only */
    f->cpu->gpr[REG_DI] = DATA;
    f->cpu->gpr[REG_AX] = 1;
    assert_false(EXEC(f, "\x01\x07")); /* add [edi], eax */
    assert_fault(f, VEC_PF);
    assert_int_equal(f->cpu->event.error, PF_P | PF_WR);
    assert_int_equal(f->cpu->cr2, DATA);
    assert_int_equal(f->cpu->eflags, EFLAGS_1);
    assert_true(EXEC(f, "\x39\x07")); /* cmp only reads */
}

static void cmpxchg_writes_even_when_unequal(void **state)
{
    struct fixture *f = *state;

    store_le(f->ram + DATA, 4, 5);
    f->cpu->gpr[REG_DI] = DATA;
    f->cpu->gpr[REG_AX] = 6;
    f->cpu->gpr[REG_CX] = 7;
    fixture_set_pte(f, DATA, 5);
    assert_false(EXEC(f, "\x0f\xb1\x0f")); /* cmpxchg [edi], ecx */
    assert_fault(f, VEC_PF);
    assert_int_equal(f->cpu->gpr[REG_AX], 6);
    fixture_set_pte(f, DATA, 7);
    assert_true(EXEC(f, "\x0f\xb1\x0f"));
    assert_int_equal(f->cpu->gpr[REG_AX], 5);
    assert_true(EXEC(f, "\x0f\xb1\x0f"));
    assert_int_equal(load_le(f->ram + DATA, 4), 7);
    assert_true(f->cpu->eflags & EFLAGS_ZF);
}

static void xadd_and_xchg_use_the_old_address(void **state)
{
    struct fixture *f = *state;

    store_le(f->ram + DATA, 4, 0x100);
    f->cpu->gpr[REG_DI] = DATA;
    assert_true(EXEC(f, "\x0f\xc1\x3f")); /* xadd [edi], edi */
    assert_int_equal(f->cpu->gpr[REG_DI], 0x100);
    assert_int_equal(load_le(f->ram + DATA, 4), DATA + 0x100);
    f->cpu->gpr[REG_DI] = DATA;
    assert_true(EXEC(f, "\x87\x3f")); /* xchg [edi], edi */
    assert_int_equal(f->cpu->gpr[REG_DI], DATA + 0x100);
    assert_int_equal(load_le(f->ram + DATA, 4), DATA);
}

static void bit_offsets_are_signed_and_wrap_at_the_address_size(void **state)
{
    struct fixture *f = *state;

    f->cpu->gpr[REG_DI] = DATA;
    f->cpu->gpr[REG_AX] = (uint32_t)-1;
    f->ram[DATA - 1] = 0x80;
    assert_true(EXEC(f, "\x0f\xb3\x07")); /* btr [edi], eax: bit -1 */
    assert_true(f->cpu->eflags & EFLAGS_CF);
    assert_int_equal(f->ram[DATA - 1], 0);
    f->cpu->gpr[REG_BX] = 0x8000;
    f->cpu->gpr[REG_AX] = 0x8000; /* -32768 bits: 4 KiB down */
    assert_true(EXEC16(f, "\x0f\xab\x07")); /* bts [bx], ax */
    assert_int_equal(f->ram[0x7000], 1);
}

static void pop_to_memory_uses_the_incremented_pointer(void **state)
{
    struct fixture *f = *state;

    f->cpu->gpr[REG_SP] = DATA;
    store_le(f->ram + DATA, 4, 0xcafe);
    assert_true(EXEC(f, "\x8f\x04\x24")); /* pop dword [esp] */
    assert_int_equal(f->cpu->gpr[REG_SP], DATA + 4);
    assert_int_equal(load_le(f->ram + DATA + 4, 4), 0xcafe);
    fixture_set_pte(f, UNMAPPED, 0);
    f->cpu->gpr[REG_DI] = UNMAPPED;
    assert_false(EXEC(f, "\x8f\x07")); /* pop dword [edi] */
    assert_fault(f, VEC_PF);
    assert_int_equal(f->cpu->gpr[REG_SP], DATA + 4);
}

static void pusha_faults_without_moving_sp(void **state)
{
    struct fixture *f = *state;

    fixture_set_pte(f, UNMAPPED - 0x1000, 0);
    memset(f->ram + UNMAPPED, 0x11, 64);
    f->cpu->gpr[REG_SP] = UNMAPPED + 16;
    assert_false(EXEC(f, "\x60"));
    assert_fault(f, VEC_PF);
    assert_int_equal(f->cpu->cr2, UNMAPPED - 4);
    assert_int_equal(f->cpu->gpr[REG_SP], UNMAPPED + 16);
    assert_int_equal(f->ram[UNMAPPED], 0x11);
}

static void stack_of_16_bits_wraps(void **state)
{
    struct fixture *f = *state;

    f->cpu->seg[SEG_SS].attr &= ~SEG_ATTR_DB;
    cpu_update_mode(f->cpu);
    f->cpu->gpr[REG_SP] = 0x12340002;
    f->cpu->gpr[REG_AX] = 0xabcd;
    assert_true(EXEC(f, "\x66\x50")); /* push ax */
    assert_true(EXEC(f, "\x66\x50"));
    assert_int_equal(f->cpu->gpr[REG_SP], 0x1234fffe);
    assert_int_equal(load_le(f->ram + 0xfffe, 2), 0xabcd);
    assert_true(EXEC(f, "\x66\x61")); /* popa: from FFFEh round to 000Eh */
    assert_int_equal(f->cpu->gpr[REG_DI], 0xabcd);
    assert_int_equal(f->cpu->gpr[REG_SP], 0x1234000e);
}

static void enter_copies_outer_frames(void **state)
{
    struct fixture *f = *state;
    uint64_t *r = f->cpu->gpr;

    r[REG_SP] = DATA;
    r[REG_BP] = DATA + 0x100;
    store_le(f->ram + DATA + 0x100 - 4, 4, 0x1111);
    assert_true(EXEC(f, "\xc8\x10\x00\x22")); /* enter 16, 34: level modulo 32 is 2 */
    assert_int_equal(load_le(f->ram + DATA - 4, 4), DATA + 0x100);
    assert_int_equal(load_le(f->ram + DATA - 8, 4), 0x1111);
    assert_int_equal(load_le(f->ram + DATA - 12, 4), DATA - 4);
    assert_int_equal(r[REG_BP], DATA - 4);
    assert_int_equal(r[REG_SP], DATA - 12 - 16);
    assert_true(EXEC(f, "\xc9")); /* leave */
    assert_int_equal(r[REG_SP], DATA);
    assert_int_equal(r[REG_BP], DATA + 0x100);
}

static void enter_probes_the_final_stack_pointer(void **state)
{
    struct fixture *f = *state;

    fixture_set_pte(f, DATA - 0x1000, 0);
    f->cpu->gpr[REG_SP] = DATA + 16;
    f->cpu->gpr[REG_BP] = 0x77;
    assert_false(EXEC(f, "\xc8\x20\x00\x00")); /* enter 32, 0 */
    assert_fault(f, VEC_PF);
    assert_int_equal(f->cpu->gpr[REG_SP], DATA + 16);
    assert_int_equal(f->cpu->gpr[REG_BP], 0x77);
}

static void segment_limit_faults(void **state)
{
    struct fixture *f = *state;

    f->cpu->seg[SEG_DS].limit = 0xfff;
    f->cpu->seg[SEG_SS].limit = 0xfff;
    cpu_update_mode(f->cpu);
    f->cpu->gpr[REG_DI] = 0xffd;
    assert_false(EXEC(f, "\x8b\x07")); /* mov eax, [edi] */
    assert_fault(f, VEC_GP);
    f->cpu->gpr[REG_SP] = 0x1002;
    assert_false(EXEC(f, "\x50")); /* push eax */
    assert_fault(f, VEC_SS);
}

static void xlat_honours_override_and_address_size(void **state)
{
    struct fixture *f = *state;

    f->cpu->seg[SEG_ES].base = DATA;
    cpu_update_mode(f->cpu);
    f->cpu->gpr[REG_BX] = 0xffff;
    f->cpu->gpr[REG_AX] = 0x1105;
    f->ram[DATA + 4] = 0x42;
    assert_true(EXEC16(f, "\x26\xd7")); /* es xlat: offset 0004h */
    assert_int_equal(f->cpu->gpr[REG_AX], 0x1142);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(partial_registers_keep_the_rest),
        TEST(effective_addresses_of_16_bits_wrap),
        TEST(effective_addresses_of_32_bits_scale_and_wrap),
        TEST(division_overflow_is_de_and_changes_nothing),
        TEST(idiv_takes_the_most_negative_quotient_only),
        TEST(aaa_and_daa_set_undefined_flags_too),
        TEST(read_modify_write_needs_write_rights_first),
        TEST(cmpxchg_writes_even_when_unequal),
        TEST(xadd_and_xchg_use_the_old_address),
        TEST(bit_offsets_are_signed_and_wrap_at_the_address_size),
        TEST(pop_to_memory_uses_the_incremented_pointer),
        TEST(pusha_faults_without_moving_sp),
        TEST(stack_of_16_bits_wraps),
        TEST(enter_copies_outer_frames),
        TEST(enter_probes_the_final_stack_pointer),
        TEST(segment_limit_faults),
        TEST(xlat_honours_override_and_address_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
