/* Segment loads and their checks, far transfers between privilege levels, IRET's variants, unreal mode. */
#include "tests/unit/sys_fixture.h"

static void expect_fault(struct fixture *f, unsigned vector, uint32_t error)
{
    uint32_t sp = (uint32_t)f->cpu->gpr[REG_SP];

    assert_int_equal(f->cpu->rip, handler(vector));
    assert_int_equal(get32(f, sp), error);
}

static void load_ds(struct fixture *f, unsigned cpl, uint16_t sel)
{
    enter_ring(f, cpl);
    PUT(f, CODE, 0x8e, 0xd8); /* mov ds, ax */
    f->cpu->gpr[REG_AX] = sel;
    steps(f, 1);
}

static void data_segment_rights(void **state)
{
    struct fixture *f = *state;

    load_ds(f, 0, S_DATA3); /* RPL 3, DPL 3 */
    assert_int_equal(f->cpu->rip, CODE + 2);
    load_ds(f, 3, S_DATA0);
    expect_fault(f, VEC_GP, S_DATA0);
    load_ds(f, 0, S_DATA0 | 3);
    expect_fault(f, VEC_GP, S_DATA0);
    load_ds(f, 0, S_XONLY);
    expect_fault(f, VEC_GP, S_XONLY);
    load_ds(f, 0, S_TSS);
    expect_fault(f, VEC_GP, S_TSS);
    load_ds(f, 3, S_ABSENT | 3);
    expect_fault(f, VEC_NP, S_ABSENT);
    load_ds(f, 3, S_CONFORMING); /* readable conforming code: no privilege check */
    assert_int_equal(f->cpu->rip, CODE + 2);
    load_ds(f, 0, GDT_BYTES);
    expect_fault(f, VEC_GP, GDT_BYTES);
}

static void null_selector_loads_but_cannot_be_used(void **state)
{
    struct fixture *f = *state;

    load_ds(f, 0, 3);
    assert_int_equal(f->cpu->rip, CODE + 2);
    PUT(f, CODE + 2, 0xa1, 0, 0, 2, 0);
    steps(f, 1);
    expect_fault(f, VEC_GP, 0);
}

static void stack_segment_rights(void **state)
{
    static const struct {
        uint16_t sel;
        unsigned vector, error;
    } cases[] = {
        {0, VEC_GP, 0}, {S_DATA3, VEC_GP, S_DATA3 & ~3}, {S_CODE0, VEC_GP, S_CODE0}, {S_ABSENT, VEC_GP, S_ABSENT},
    };
    struct fixture *f = *state;

    PUT(f, CODE, 0x8e, 0xd0); /* mov ss, ax */
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        enter_ring(f, 0);
        f->cpu->gpr[REG_AX] = cases[i].sel;
        steps(f, 1);
        expect_fault(f, cases[i].vector, cases[i].error);
    }
    put64(f, GDT + S_ABSENT, descriptor(0, 0xfffff, 0xc013)); /* DPL 0, not present: #SS, not #NP */
    enter_ring(f, 0);
    f->cpu->gpr[REG_AX] = S_ABSENT;
    steps(f, 1);
    expect_fault(f, VEC_SS, S_ABSENT);
}

static void load_sets_the_accessed_bit(void **state)
{
    struct fixture *f = *state;

    put64(f, GDT + S_SMALL, descriptor(DATA, 0xf, 0x4092));
    load_ds(f, 0, S_SMALL);
    assert_int_equal(f->ram[GDT + S_SMALL + 5], 0x93);
    assert_int_equal(f->cpu->seg[SEG_DS].attr & 1, 1);
}

static void limits_are_checked_to_the_last_byte(void **state)
{
    struct fixture *f = *state;

    load_ds(f, 0, S_SMALL);
    PUT(f, CODE + 2, 0xa1, 12, 0, 0, 0, 0xa1, 13, 0, 0, 0); /* mov eax, [12]; mov eax, [13] */
    put32(f, DATA + 12, 0x11223344);
    steps(f, 1);
    assert_int_equal(f->cpu->gpr[REG_AX], 0x11223344);
    steps(f, 1);
    expect_fault(f, VEC_GP, 0);
}

static void expand_down_is_valid_above_its_limit(void **state)
{
    struct fixture *f = *state;

    load_ds(f, 0, S_DOWN);
    PUT(f, CODE + 2, 0xa1, 0x00, 0x10, 0x02, 0x00, 0xa1, 0xff, 0x0f, 0x02, 0x00); /* [21000h], [20fffh] */
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 7);
    steps(f, 1);
    expect_fault(f, VEC_GP, 0);
}

static void code_is_not_writable(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x2e, 0xa1, 0, 0, 2, 0, 0x2e, 0xa3, 0, 0, 2, 0); /* mov eax, cs:[..]; mov cs:[..], eax */
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 6);
    steps(f, 1);
    expect_fault(f, VEC_GP, 0);
}

static void lar_lsl_verr_verw(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    PUT(f, CODE, 0x0f, 0x02, 0xc1, 0x0f, 0x03, 0xd1, 0x0f, 0x00, 0xe1, 0x0f, 0x00, 0xe9); /* of ecx, to eax, edx */
    cpu->gpr[REG_CX] = S_SMALL;
    steps(f, 1);
    assert_true(cpu->eflags & EFLAGS_ZF);
    assert_int_equal(cpu->gpr[REG_AX], 0x409300);
    steps(f, 1);
    assert_int_equal(cpu->gpr[REG_DX], 0xf);
    steps(f, 1);
    assert_true(cpu->eflags & EFLAGS_ZF);
    steps(f, 1);
    assert_true(cpu->eflags & EFLAGS_ZF);

    enter_ring(f, 3); /* out of reach: ZF clear, register kept */
    cpu->gpr[REG_AX] = 77;
    steps(f, 1);
    assert_false(cpu->eflags & EFLAGS_ZF);
    assert_int_equal(cpu->gpr[REG_AX], 77);

    enter_ring(f, 0);
    cpu->gpr[REG_CX] = S_CODE0;
    cpu->rip = CODE + 9; /* verw */
    steps(f, 1);
    assert_false(cpu->eflags & EFLAGS_ZF);
    cpu->gpr[REG_CX] = S_GATE; /* LAR knows call gates, LSL does not */
    cpu->rip = CODE;
    steps(f, 1);
    assert_true(cpu->eflags & EFLAGS_ZF);
    steps(f, 1);
    assert_false(cpu->eflags & EFLAGS_ZF);
}

static void call_gate_copies_parameters_and_retf_returns(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    enter_ring(f, 3);
    PUT(f, CODE, 0x9a, 0, 0, 0, 0, S_GATE, 0);
    PUT(f, handler(0xf0), 0xca, 8, 0); /* retf 8 */
    cpu->gpr[REG_SP] = STACK3 - 8;
    put32(f, STACK3 - 8, 0x1111);
    put32(f, STACK3 - 4, 0x2222);
    steps(f, 1);
    assert_int_equal(cpu->rip, handler(0xf0));
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->seg[SEG_CS].sel, S_CODE0);
    assert_int_equal(cpu->gpr[REG_SP], STACK0 - 24);
    assert_int_equal(get32(f, STACK0 - 24), CODE + 7);
    assert_int_equal(get32(f, STACK0 - 16), 0x1111);
    assert_int_equal(get32(f, STACK0 - 12), 0x2222);
    assert_int_equal(get32(f, STACK0 - 8), STACK3 - 8);
    set_segment(cpu, SEG_ES, S_DATA0, 0, false);
    steps(f, 1);
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->rip, CODE + 7);
    assert_int_equal(cpu->gpr[REG_SP], STACK3); /* parameters released on the outer stack too */
    assert_int_equal(cpu->seg[SEG_SS].sel, S_DATA3);
    assert_true(cpu->seg[SEG_ES].is_null); /* ring 0 data does not leak */
    assert_false(cpu->seg[SEG_DS].is_null);
}

static void direct_far_calls_do_not_change_privilege(void **state)
{
    struct fixture *f = *state;

    enter_ring(f, 3);
    PUT(f, CODE, 0x9a, 0, 0, 3, 0, S_CODE0, 0);
    steps(f, 1);
    expect_fault(f, VEC_GP, S_CODE0);

    enter_ring(f, 3);
    PUT(f, CODE, 0xea, 0, 0, 3, 0, S_CONFORMING, 0);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, HANDLERS);
    assert_int_equal(f->cpu->cpl, 3);
    assert_int_equal(f->cpu->seg[SEG_CS].sel, S_CONFORMING | 3);
}

static void far_jump_checks_the_new_limit(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xea, 0, 0, 1, 0, S_CODE16, 0);
    steps(f, 1);
    expect_fault(f, VEC_GP, 0);
    enter_ring(f, 0);
    PUT(f, CODE, 0xea, 0x00, 0x10, 0, 0, S_CODE16, 0);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, 0x1000);
    assert_false(f->cpu->mode & MODE_CS32);
}

static void push_iret_frame(struct fixture *f, uint32_t eip, uint16_t cs, uint32_t eflags, uint32_t sp, uint16_t ss)
{
    PUT(f, CODE, 0xcf);
    f->cpu->gpr[REG_SP] = STACK0 - 20;
    put32(f, STACK0 - 20, eip);
    put32(f, STACK0 - 16, cs);
    put32(f, STACK0 - 12, eflags);
    put32(f, STACK0 - 8, sp);
    put32(f, STACK0 - 4, ss);
}

static void iret_to_ring3(void **state)
{
    struct fixture *f = *state;

    push_iret_frame(f, 0x12345, S_CODE3, EFLAGS_IF | 3u << EFLAGS_IOPL_SHIFT, STACK3, S_DATA3);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, 0x12345);
    assert_int_equal(f->cpu->cpl, 3);
    assert_int_equal(f->cpu->gpr[REG_SP], STACK3);
    assert_int_equal(f->cpu->eflags, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_1);
    assert_true(f->cpu->seg[SEG_DS].is_null);
}

static void iret_in_ring3_cannot_raise_itself(void **state)
{
    struct fixture *f = *state;

    enter_ring(f, 3);
    PUT(f, CODE, 0xcf);
    f->cpu->gpr[REG_SP] = STACK3 - 12;
    put32(f, STACK3 - 12, CODE + 0x100);
    put32(f, STACK3 - 8, S_CODE3);
    put32(f, STACK3 - 4, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VM | EFLAGS_CF);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 0x100);
    assert_int_equal(f->cpu->eflags, EFLAGS_CF | EFLAGS_1);

    enter_ring(f, 3);
    f->cpu->gpr[REG_SP] = STACK3 - 12;
    put32(f, STACK3 - 8, S_CODE0);
    steps(f, 1);
    expect_fault(f, VEC_GP, S_CODE0);
}

static void iret_to_v86(void **state)
{
    struct fixture *f = *state;
    uint32_t sp = STACK0 - 36;
    const uint32_t frame[9] = {0x100, 0x1234, EFLAGS_VM | EFLAGS_IF, 0x800, 0x5678, 1, 2, 3, 4};

    PUT(f, CODE, 0xcf);
    f->cpu->gpr[REG_SP] = sp;
    for (unsigned i = 0; i < 9; i++)
        put32(f, sp + i * 4, frame[i]);
    steps(f, 1);
    assert_int_equal(f->cpu->cpl, 3);
    assert_int_equal(f->cpu->rip, 0x100);
    assert_int_equal(f->cpu->seg[SEG_CS].base, 0x12340);
    assert_int_equal(f->cpu->seg[SEG_SS].sel, 0x5678);
    assert_int_equal(f->cpu->seg[SEG_GS].sel, 4);
    assert_int_equal(f->cpu->seg[SEG_DS].limit, 0xffff);
    assert_true(f->cpu->mode & MODE_VM);
    assert_false(f->cpu->mode & MODE_CS32);
}

static void unreal_mode_keeps_big_limits(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    PUT(f, CODE, 0x0f, 0x22, 0xc0, 0x8e, 0xd9); /* mov cr0, eax; mov ds, cx */
    cpu->gpr[REG_AX] = cpu->paging.cr0 & ~(uint64_t)CR0_PE;
    cpu->gpr[REG_CX] = 0x1000;
    steps(f, 2);
    assert_int_equal(cpu->seg[SEG_DS].base, 0x10000);
    assert_int_equal(cpu->seg[SEG_DS].limit, 0xffffffff);
    assert_int_equal(cpu->mode >> (MODE_SEG_SHIFT + 2 * SEG_DS) & 3, SEGC_BIG);
    assert_int_equal(cpu->mode >> (MODE_SEG_SHIFT + 2 * SEG_SS) & 3, SEGC_FLAT);
    /* code still 32-bit: the cached D bit counts */
    PUT(f, CODE + 5, 0xa1, 0x00, 0x00, 0x05, 0x00);
    put32(f, 0x60000, 0xcafe);
    steps(f, 1);
    assert_int_equal(cpu->gpr[REG_AX], 0xcafe);
}

static void ldt_selectors(void **state)
{
    struct fixture *f = *state;

    put64(f, LDT + 8, descriptor(0x500, 0xff, 0x4093));
    load_ds(f, 0, 8 | 4);
    assert_int_equal(f->cpu->seg[SEG_DS].base, 0x500);
    load_ds(f, 0, 0x20 | 4);
    expect_fault(f, VEC_GP, 0x24);
    PUT(f, CODE, 0x0f, 0x00, 0xd0); /* lldt ax */
    enter_ring(f, 0);
    f->cpu->gpr[REG_AX] = 0;
    steps(f, 1);
    load_ds(f, 0, 8 | 4);
    expect_fault(f, VEC_GP, 0xc);
}

static void ltr_marks_the_tss_busy(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x0f, 0x00, 0xd8, 0x0f, 0x00, 0xd8); /* ltr ax, twice */
    f->cpu->gpr[REG_AX] = S_TSS_B;
    steps(f, 1);
    assert_int_equal(f->cpu->tr.base, TSS_B);
    assert_int_equal(f->ram[GDT + S_TSS_B + 5], 0x8b);
    steps(f, 1);
    expect_fault(f, VEC_GP, S_TSS_B);
}

static void stack16_uses_sp(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x8e, 0xd0, 0x6a, 0x55); /* mov ss, ax; push 55h */
    f->cpu->gpr[REG_AX] = S_STACK16;
    f->cpu->gpr[REG_SP] = 0x12340000;
    steps(f, 2);
    assert_int_equal(f->cpu->gpr[REG_SP], 0x1234fffc);
    assert_int_equal(get32(f, 0xfffc), 0x55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROT(data_segment_rights),
        PROT(null_selector_loads_but_cannot_be_used),
        PROT(stack_segment_rights),
        PROT(load_sets_the_accessed_bit),
        PROT(limits_are_checked_to_the_last_byte),
        PROT(expand_down_is_valid_above_its_limit),
        PROT(code_is_not_writable),
        PROT(lar_lsl_verr_verw),
        PROT(call_gate_copies_parameters_and_retf_returns),
        PROT(direct_far_calls_do_not_change_privilege),
        PROT(far_jump_checks_the_new_limit),
        PROT(iret_to_ring3),
        PROT(iret_in_ring3_cannot_raise_itself),
        PROT(iret_to_v86),
        PROT(unreal_mode_keeps_big_limits),
        PROT(ldt_selectors),
        PROT(ltr_marks_the_tss_busy),
        PROT(stack16_uses_sp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
