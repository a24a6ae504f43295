/* String instructions: faults in the middle, overlaps, page and segment borders, stopping and resuming, port strings. */
#include "tests/unit/ops_fixture.h"

#define SRC 0x10000u
#define DST 0x20000u

static void set_string_registers(struct fixture *f, uint32_t si, uint32_t di, uint32_t cx)
{
    f->cpu->gpr[REG_SI] = si;
    f->cpu->gpr[REG_DI] = di;
    f->cpu->gpr[REG_CX] = cx;
}

static void fill_pattern(uint8_t *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + (i >> 8));
}

static void movs_crosses_pages(void **state)
{
    struct fixture *f = *state;

    fill_pattern(f->ram + SRC, 0x3000);
    set_string_registers(f, SRC + 1, DST + 3, 0xa00);
    assert_true(EXEC(f, "\xf3\xa5"));
    assert_memory_equal(f->ram + DST + 3, f->ram + SRC + 1, 0x2800);
    assert_int_equal(f->ram[DST + 2], 0);
    assert_int_equal(f->ram[DST + 3 + 0x2800], 0);
    assert_int_equal(f->cpu->gpr[REG_SI], SRC + 1 + 0x2800);
    assert_int_equal(f->cpu->gpr[REG_DI], DST + 3 + 0x2800);
    assert_int_equal(f->cpu->gpr[REG_CX], 0);
}

/* The result of copying element by element, for any distance. */
static void check_overlap(struct fixture *f, int distance, bool is_down)
{
    static uint8_t want[0x400];
    uint32_t si = SRC + 0x100 + (is_down ? 0xff : 0), di = si + (uint32_t)distance;

    fill_pattern(f->ram + SRC, sizeof(want));
    memcpy(want, f->ram + SRC, sizeof(want));
    for (unsigned i = 0; i < 0x100; i++) {
        int k = is_down ? -(int)i : (int)i;

        want[(int)(di - SRC) + k] = want[(int)(si - SRC) + k];
    }
    set_string_registers(f, si, di, 0x100);
    f->cpu->eflags = EFLAGS_1 | (is_down ? EFLAGS_DF : 0);
    assert_true(EXEC(f, "\xf3\xa4"));
    assert_memory_equal(f->ram + SRC, want, sizeof(want));
}

static void overlapping_copies_go_element_by_element(void **state)
{
    static const int distances[] = {0, 1, 2, 3, 8, 200, 255, 256};

    for (unsigned i = 0; i < ARRAY_SIZE(distances); i++) {
        check_overlap(*state, distances[i], false);
        check_overlap(*state, -distances[i], false);
        check_overlap(*state, distances[i], true);
        check_overlap(*state, -distances[i], true);
    }
}

static void movs_fault_keeps_finished_iterations(void **state)
{
    struct fixture *f = *state;

    fill_pattern(f->ram + SRC, 0x100);
    fixture_set_pte(f, DST + 0x1000, 0);
    set_string_registers(f, SRC, DST + 0x1000 - 18, 10);
    assert_false(EXEC(f, "\xf3\xa5")); /* four fit, the fifth straddles */
    assert_fault(f, VEC_PF);
    assert_int_equal(f->cpu->cr2, DST + 0x1000);
    assert_int_equal(f->cpu->gpr[REG_CX], 6);
    assert_int_equal(f->cpu->gpr[REG_SI], SRC + 16);
    assert_int_equal(f->cpu->gpr[REG_DI], DST + 0x1000 - 2);
    assert_int_equal(f->cpu->rip, RIP);
    assert_memory_equal(f->ram + DST + 0x1000 - 18, f->ram + SRC, 16);
    assert_int_equal(f->ram[DST + 0x1000 - 2], 0);
}

static void faulting_comparison_leaves_flags(void **state)
{
    struct fixture *f = *state;

    fixture_set_pte(f, DST + 0x1000, 0);
    f->cpu->eflags = EFLAGS_1 | EFLAGS_CF | EFLAGS_OF;
    set_string_registers(f, SRC, DST + 0x1000 - 4, 100);
    assert_false(EXEC(f, "\xf3\xa6")); /* repe cmpsb: zeros are equal up to the hole */
    assert_fault(f, VEC_PF);
    assert_int_equal(f->cpu->eflags, EFLAGS_1 | EFLAGS_CF | EFLAGS_OF);
    assert_int_equal(f->cpu->gpr[REG_CX], 96);
}

static void comparison_stops_at_the_difference(void **state)
{
    struct fixture *f = *state;

    f->ram[DST + 0x1234] = 9;
    f->cpu->gpr[REG_AX] = 9;
    set_string_registers(f, 0, DST, 0x10000);
    assert_true(EXEC(f, "\xf2\xae")); /* repne scasb */
    assert_int_equal(f->cpu->gpr[REG_DI], DST + 0x1235);
    assert_true(f->cpu->eflags & EFLAGS_ZF);
    assert_int_equal(f->cpu->gpr[REG_CX], 0x10000 - 0x1235);
    set_string_registers(f, SRC, DST, 0x1000);
    assert_true(EXEC(f, "\xf3\xa7")); /* repe cmpsd */
    assert_false(f->cpu->eflags & EFLAGS_ZF);
    assert_true(f->cpu->eflags & EFLAGS_CF);
    assert_int_equal(f->cpu->gpr[REG_DI], DST + 0x1238);
}

static void count_of_zero_does_nothing(void **state)
{
    struct fixture *f = *state;

    fixture_set_pte(f, DST, 0);
    f->cpu->eflags = EFLAGS_1 | EFLAGS_CF;
    set_string_registers(f, DST, DST, 0);
    assert_true(EXEC(f, "\xf3\xa6"));
    assert_int_equal(f->cpu->eflags, EFLAGS_1 | EFLAGS_CF);
    assert_int_equal(f->cpu->next_rip, RIP + 2);
}

static void stos_down_fills_the_right_bytes(void **state)
{
    struct fixture *f = *state;

    f->cpu->eflags |= EFLAGS_DF;
    f->cpu->gpr[REG_AX] = 0x11223344;
    set_string_registers(f, 0, DST + 0x1002, 0x500);
    assert_true(EXEC(f, "\xf3\xab"));
    assert_int_equal(f->cpu->gpr[REG_DI], DST + 0x1002 - 0x1400);
    assert_int_equal(f->ram[DST + 0x1006], 0);
    for (uint32_t a = DST + 0x1002; a != f->cpu->gpr[REG_DI]; a -= 4)
        assert_int_equal(load_le(f->ram + a, 4), 0x11223344);
    assert_int_equal(load_le(f->ram + DST + 0x1002 - 0x1400, 4), 0);
}

static void addresses_of_16_bits_wrap(void **state)
{
    struct fixture *f = *state;

    f->cpu->seg[SEG_ES].base = 0x100000;
    f->cpu->seg[SEG_ES].limit = 0xffff;
    cpu_update_mode(f->cpu);
    f->cpu->gpr[REG_AX] = 0xee;
    set_string_registers(f, 0, 0xabcdfff0, 0x12340020);
    assert_true(EXEC16(f, "\xf3\xaa"));
    assert_int_equal(f->ram[0x10ffff], 0xee);
    assert_int_equal(f->ram[0x10000f], 0xee);
    assert_int_equal(f->ram[0x110000], 0);
    assert_int_equal(f->cpu->gpr[REG_DI], 0xabcd0010);
    assert_int_equal(f->cpu->gpr[REG_CX], 0x12340000);
    set_string_registers(f, 0, 0xffff, 2);
    assert_false(EXEC16(f, "\xf3\xab")); /* stosw at FFFFh: beyond the limit */
    assert_fault(f, VEC_GP);
    assert_int_equal(f->cpu->gpr[REG_CX], 2);
}

static void long_runs_stop_and_resume(void **state)
{
    struct fixture *f = *state;
    unsigned calls = 0;

    f->cpu->gpr[REG_AX] = 0x5a;
    set_string_registers(f, 0, 0x100000, 0x100000);
    do {
        assert_true(EXEC(f, "\xf3\xaa"));
        calls++;
    } while (f->cpu->next_rip == RIP);
    assert_in_range(calls, 2, 64);
    assert_int_equal(f->ram[0x1fffff], 0x5a);
    assert_int_equal(f->cpu->gpr[REG_DI], 0x200000);

    atomic_store(&f->cpu->exit_request, true);
    set_string_registers(f, 0, 0x100000, 0x4000);
    assert_true(EXEC(f, "\xf3\xaa"));
    assert_int_equal(f->cpu->next_rip, RIP);
    assert_in_range(f->cpu->gpr[REG_CX], 1, 0x3fff);
}

/* What is left may fault, and then the flags of before are wanted. */
static void an_interrupted_comparison_leaves_the_flags(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->cpu->exit_request, true);
    f->cpu->eflags |= EFLAGS_CF;
    set_string_registers(f, 0x100000, 0x100000, 0x4000);
    assert_true(EXEC(f, "\xf3\xa6"));
    assert_int_equal(f->cpu->next_rip, RIP);
    assert_int_equal(f->cpu->eflags & EFLAGS_STATUS, EFLAGS_CF);
    atomic_store(&f->cpu->exit_request, false);
    set_string_registers(f, 0x100000, 0x100000, 4);
    assert_true(EXEC(f, "\xf3\xa6"));
    assert_int_equal(f->cpu->eflags & EFLAGS_STATUS, EFLAGS_ZF | EFLAGS_PF);
}

static void single_step_does_one_iteration(void **state)
{
    struct fixture *f = *state;

    f->cpu->eflags |= EFLAGS_TF;
    set_string_registers(f, SRC, DST, 3);
    assert_true(EXEC(f, "\xf3\xa4"));
    assert_int_equal(f->cpu->gpr[REG_CX], 2);
    assert_int_equal(f->cpu->next_rip, RIP);
}

static void source_segment_can_be_overridden(void **state)
{
    struct fixture *f = *state;

    f->cpu->seg[SEG_FS].base = 0x1000;
    cpu_update_mode(f->cpu);
    f->ram[SRC + 0x1000] = 0x77;
    set_string_registers(f, SRC, DST, 1);
    assert_true(EXEC(f, "\x64\xa4")); /* movsb from fs */
    assert_int_equal(f->ram[DST], 0x77);
}

static void ins_checks_memory_before_the_port(void **state)
{
    struct fixture *f = *state;

    fixture_set_pte(f, DST + 0x1000, 5);
    f->cpu->gpr[REG_DX] = 0x300;
    f->port_value = 0x10;
    set_string_registers(f, 0, DST + 0xffe, 5);
    assert_false(EXEC(f, "\xf3\x6c")); /* rep insb */
    assert_fault(f, VEC_PF);
    assert_int_equal(f->port_reads, 2);
    assert_int_equal(f->cpu->gpr[REG_CX], 3);
    assert_int_equal(f->ram[DST + 0xffe], 0x10);
    assert_int_equal(f->ram[DST + 0xfff], 0x11);
}

static void outs_writes_the_port(void **state)
{
    struct fixture *f = *state;

    store_le(f->ram + SRC, 4, 0x01020304);
    f->cpu->gpr[REG_DX] = 0x300;
    set_string_registers(f, SRC, 0, 1);
    assert_true(EXEC(f, "\xf3\x6f"));
    assert_int_equal(f->port_value, 0x01020304);
    assert_int_equal(f->port_writes, 1);
    assert_int_equal(f->cpu->gpr[REG_SI], SRC + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(movs_crosses_pages),
        TEST(overlapping_copies_go_element_by_element),
        TEST(movs_fault_keeps_finished_iterations),
        TEST(faulting_comparison_leaves_flags),
        TEST(comparison_stops_at_the_difference),
        TEST(count_of_zero_does_nothing),
        TEST(stos_down_fills_the_right_bytes),
        TEST(addresses_of_16_bits_wrap),
        TEST(long_runs_stop_and_resume),
        TEST(an_interrupted_comparison_leaves_the_flags),
        TEST(single_step_does_one_iteration),
        TEST(source_segment_can_be_overridden),
        TEST(ins_checks_memory_before_the_port),
        TEST(outs_writes_the_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
