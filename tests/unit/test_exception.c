/* Delivery of exceptions and interrupts: frames, error codes, double and triple faults, shadows, debug traps. */
#include "tests/unit/sys_fixture.h"

static uint32_t esp(struct fixture *f)
{
    return (uint32_t)f->cpu->gpr[REG_SP];
}

static void real_mode_int_uses_the_ivt(void **state)
{
    struct fixture *f = *state;

    put32(f, 0x21 * 4, 0x12345678);
    PUT(f, CODE, 0xcd, 0x21);
    f->cpu->eflags |= EFLAGS_IF | EFLAGS_CF;
    steps(f, 1);
    assert_int_equal(f->cpu->seg[SEG_CS].sel, 0x1234);
    assert_int_equal(f->cpu->seg[SEG_CS].base, 0x12340);
    assert_int_equal(f->cpu->rip, 0x5678);
    assert_int_equal(esp(f), STACK0 - 6);
    assert_int_equal(get16(f, STACK0 - 6), 2); /* after INT */
    assert_int_equal(get16(f, STACK0 - 4), 0x1000);
    assert_int_equal(get16(f, STACK0 - 2), EFLAGS_IF | EFLAGS_CF | EFLAGS_1);
    assert_int_equal(f->cpu->eflags & (EFLAGS_IF | EFLAGS_CF), EFLAGS_CF);
}

static void real_mode_fault_returns_to_the_instruction(void **state)
{
    struct fixture *f = *state;

    put32(f, 6 * 4, 0x20000100);
    PUT(f, CODE, 0x90, 0x0f, 0x0b);
    steps(f, 2);
    assert_int_equal(f->cpu->rip, 0x100);
    assert_int_equal(esp(f), STACK0 - 6); /* no error code */
    assert_int_equal(get16(f, STACK0 - 6), 1);
}

static void fault_pushes_rf_and_error_code(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x8e, 0xd8); /* mov ds, ax */
    f->cpu->gpr[REG_AX] = 0x1000 | 3;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    assert_int_equal(get32(f, STACK0 - 16), 0x1000); /* selector without RPL */
    assert_int_equal(get32(f, STACK0 - 12), CODE);
    assert_int_equal(get32(f, STACK0 - 8), S_CODE0);
    assert_int_equal(get32(f, STACK0 - 4), EFLAGS_RF | EFLAGS_1);
    assert_false(f->cpu->eflags & EFLAGS_RF);
    assert_int_equal(f->cpu->seg[SEG_DS].sel, S_DATA0);
}

static void int_n_obeys_gate_dpl(void **state)
{
    struct fixture *f = *state;

    enter_ring(f, 3);
    PUT(f, CODE, 0xcd, 0x40);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    assert_int_equal(get32(f, STACK0 - 24), 0x40 * 8 + 2);

    enter_ring(f, 3);
    PUT(f, CODE, 0xcd, 0x80);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(0x80));
    assert_int_equal(get32(f, STACK0 - 20), CODE + 2);
}

static void inner_ring_takes_its_stack_from_the_tss(void **state)
{
    struct fixture *f = *state;

    enter_ring(f, 3);
    f->cpu->eflags |= EFLAGS_IF;
    PUT(f, CODE, 0x0f, 0x0b);
    steps(f, 1);
    assert_int_equal(f->cpu->cpl, 0);
    assert_int_equal(f->cpu->seg[SEG_SS].sel, S_DATA0);
    assert_int_equal(esp(f), STACK0 - 20);
    assert_int_equal(get32(f, STACK0 - 4), S_DATA3);
    assert_int_equal(get32(f, STACK0 - 8), STACK3);
    assert_int_equal(get32(f, STACK0 - 16), S_CODE3);
    assert_false(f->cpu->eflags & EFLAGS_IF);
    assert_int_equal(f->cpu->seg[SEG_DS].sel, S_DATA3);
}

static void external_interrupt_sets_ext_in_error_codes(void **state)
{
    struct fixture *f = *state;

    put64(f, IDT + 0x30 * 8, gate(S_CODE0, 0, 14, 0, 0) & ~(0x80ull << 40)); /* not present */
    f->vector = 0x30;
    f->cpu->eflags |= EFLAGS_IF;
    cpu_set_intr(f->cpu, true);
    assert_true(cpu_has_work(f->cpu));
    cpu_take_work(f->cpu);
    assert_int_equal(f->cpu->rip, handler(VEC_NP));
    assert_int_equal(get32(f, STACK0 - 16), 0x30 * 8 + 3);
}

static void interrupt_from_v86_saves_all_segments(void **state)
{
    struct fixture *f = *state;

    enter_v86(f, 0);
    PUT(f, 0x10000, 0x0f, 0x0b);
    segment_load_real(f->cpu, SEG_GS, 0x1111);
    segment_load_real(f->cpu, SEG_ES, 0x2222);
    cpu_update_mode(f->cpu);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_UD));
    assert_int_equal(f->cpu->cpl, 0);
    assert_false(f->cpu->eflags & EFLAGS_VM);
    assert_int_equal(get32(f, STACK0 - 4), 0x1111);
    assert_int_equal(get32(f, STACK0 - 16), 0x2222);
    assert_int_equal(get32(f, STACK0 - 20), 0x2000);
    assert_int_equal(get32(f, STACK0 - 24), 0x1000);
    assert_true(get32(f, STACK0 - 28) & EFLAGS_VM);
    assert_int_equal(f->cpu->seg[SEG_DS].sel, 0);
    assert_true(f->cpu->seg[SEG_DS].is_null);
}

static void contributory_faults_make_a_double_fault(void **state)
{
    struct fixture *f = *state;

    put64(f, IDT + VEC_GP * 8, 0);
    PUT(f, CODE, 0x8e, 0xd8);
    f->cpu->gpr[REG_AX] = 0x1000;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_DF));
    assert_int_equal(get32(f, STACK0 - 16), 0);
    assert_int_equal(get32(f, STACK0 - 12), CODE);
}

static void benign_then_contributory_is_served_in_turn(void **state)
{
    struct fixture *f = *state;

    put64(f, IDT + VEC_UD * 8, 0);
    PUT(f, CODE, 0x0f, 0x0b);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    assert_int_equal(get32(f, STACK0 - 16), VEC_UD * 8 + 3);
}

static void third_fault_shuts_down(void **state)
{
    struct fixture *f = *state;

    f->cpu->idtr.limit = 0;
    PUT(f, CODE, 0x0f, 0x0b);
    steps(f, 1);
    assert_true(f->cpu->is_shutdown);
    assert_int_equal(f->triple_faults, 1);
    steps(f, 1);
    assert_int_equal(f->triple_faults, 1);
    assert_int_equal(cpu_interpret(f->cpu, 100), 0);
}

static void page_fault_reports_address_and_cause(void **state)
{
    struct fixture *f = *state;

    enable_paging(f);
    set_pte(f, DATA, 5); /* user, read-only */
    enter_ring(f, 3);
    PUT(f, CODE, 0xa3, 0x04, 0x00, 0x02, 0x00); /* mov [20004h], eax */
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_PF));
    assert_int_equal(f->cpu->cr2, DATA + 4);
    assert_int_equal(get32(f, STACK0 - 24), PF_P | PF_WR | PF_US);
}

static void page_fault_while_delivering_one_is_a_double_fault(void **state)
{
    struct fixture *f = *state;

    enable_paging(f);
    set_pte(f, DATA, 0);
    f->cpu->gpr[REG_SP] = DATA + 0x100; /* push faults, and so does the frame */
    PUT(f, CODE, 0x50);
    put64(f, IDT + VEC_DF * 8, gate(S_TSS_B, 0, 5, 0, 0));
    put32(f, TSS_B + 0x1c, PAGE_DIR);
    put32(f, TSS_B + 0x20, handler(VEC_DF));
    put32(f, TSS_B + 0x38, STACK0);
    put32(f, TSS_B + 0x4c, S_CODE0);
    put32(f, TSS_B + 0x50, S_DATA0);
    steps(f, 1);
    assert_int_equal(f->cpu->tr.sel, S_TSS_B);
    assert_int_equal(f->cpu->rip, handler(VEC_DF));
    assert_int_equal(get32(f, STACK0 - 4), 0); /* #DF's error code, on the new stack */
    assert_int_equal(get32(f, TSS + 0x20), CODE);
}

static void single_step_traps_after_the_next_instruction(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x9d, 0x90, 0x90); /* popf; nop; nop */
    f->cpu->gpr[REG_SP] -= 4;
    put32(f, STACK0 - 4, EFLAGS_TF);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 1);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_DB));
    assert_int_equal(get32(f, STACK0 - 12), CODE + 2);
    assert_true(f->cpu->dr[6] & 0x4000);
    assert_false(f->cpu->eflags & EFLAGS_TF);
}

static void loading_ss_holds_the_trap_off(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x8e, 0xd0, 0x90); /* mov ss, ax; nop */
    f->cpu->gpr[REG_AX] = S_DATA0;
    f->cpu->eflags |= EFLAGS_TF;
    cpu_update_mode(f->cpu);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 2);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_DB));
    assert_int_equal(get32(f, STACK0 - 12), CODE + 3);
}

static void sti_delays_interrupts_by_one_instruction(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xfb, 0xfb, 0x90); /* sti; sti; nop */
    cpu_set_intr(f->cpu, true);
    steps(f, 1);
    assert_false(cpu_has_work(f->cpu));
    steps(f, 1); /* IF was set already: no new shadow */
    assert_true(cpu_has_work(f->cpu));
    f->vector = 0x20;
    cpu_interpret(f->cpu, 0);
    cpu_take_work(f->cpu);
    assert_int_equal(f->cpu->rip, handler(0x20));
    assert_int_equal(get32(f, STACK0 - 12), CODE + 2);
}

static void nmi_is_blocked_until_iret(void **state)
{
    struct fixture *f = *state;

    PUT(f, handler(VEC_NMI), 0xcf);
    cpu_pulse_nmi(f->cpu);
    cpu_take_work(f->cpu);
    assert_int_equal(f->cpu->rip, handler(VEC_NMI));
    cpu_pulse_nmi(f->cpu);
    assert_false(cpu_has_work(f->cpu));
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE);
    assert_true(cpu_has_work(f->cpu));
}

static void code_breakpoint_faults_unless_rf(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x90, 0x90);
    f->cpu->dr[0] = CODE;
    f->cpu->dr[7] |= 1;
    cpu_update_mode(f->cpu);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_DB));
    assert_int_equal(get32(f, STACK0 - 12), CODE);
    assert_true(f->cpu->dr[6] & 1);

    enter_ring(f, 0);
    f->cpu->eflags |= EFLAGS_RF;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 1);
    assert_false(f->cpu->eflags & EFLAGS_RF);
}

static void data_breakpoint_traps_after_the_write(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xa1, 0, 0, 2, 0, 0xa3, 2, 0, 2, 0); /* mov eax,[20000h]; mov [20002h],eax */
    f->cpu->dr[2] = DATA + 4;
    f->cpu->dr[7] |= 1u << 5 | 1u << 24 | 3u << 26; /* G2, writes, 4 bytes */
    cpu_update_mode(f->cpu);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 5);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_DB));
    assert_int_equal(get32(f, STACK0 - 12), CODE + 10);
    assert_int_equal(f->cpu->dr[6] & 15, 4);
}

/* The frame of an exception has met it; the trap is still to come. */
static void reset_forgets_a_data_breakpoint(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x0f, 0x0b);
    f->cpu->dr[0] = STACK0 - 4;
    f->cpu->dr[7] |= 1u << 1 | 1u << 16 | 3u << 18;
    cpu_update_mode(f->cpu);
    steps(f, 1);
    cpu_reset(f->cpu, true);
    segment_load_real(f->cpu, SEG_CS, 0);
    PUT(f, 0x100, 0x8e, 0xd0, 0x90); /* mov ss, ax; nop */
    f->cpu->rip = 0x100;
    steps(f, 2);
    assert_int_equal(f->cpu->rip, 0x103);
    assert_false(f->cpu->dr[6] & 15);
}

static void general_detect_guards_debug_registers(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x0f, 0x21, 0xc0); /* mov eax, dr0 */
    f->cpu->dr[7] |= 0x2000;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_DB));
    assert_true(f->cpu->dr[6] & 0x2000);
    assert_false(f->cpu->dr[7] & 0x2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL(real_mode_int_uses_the_ivt),
        REAL(real_mode_fault_returns_to_the_instruction),
        PROT(fault_pushes_rf_and_error_code),
        PROT(int_n_obeys_gate_dpl),
        PROT(inner_ring_takes_its_stack_from_the_tss),
        PROT(external_interrupt_sets_ext_in_error_codes),
        PROT(interrupt_from_v86_saves_all_segments),
        PROT(contributory_faults_make_a_double_fault),
        PROT(benign_then_contributory_is_served_in_turn),
        PROT(third_fault_shuts_down),
        PROT(page_fault_reports_address_and_cause),
        PROT(page_fault_while_delivering_one_is_a_double_fault),
        PROT(single_step_traps_after_the_next_instruction),
        PROT(loading_ss_holds_the_trap_off),
        PROT(sti_delays_interrupts_by_one_instruction),
        PROT(nmi_is_blocked_until_iret),
        PROT(code_breakpoint_faults_unless_rf),
        PROT(data_breakpoint_traps_after_the_write),
        PROT(reset_forgets_a_data_breakpoint),
        PROT(general_detect_guards_debug_registers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
