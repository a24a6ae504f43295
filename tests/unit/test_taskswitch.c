/* Hardware task switches: what is saved and loaded, links, busy bits, faults in the new task. */
#include "tests/unit/sys_fixture.h"

/* A 32-bit TSS at TSS_B that runs at eip with its own stack. */
static void make_task(struct fixture *f, uint32_t eip)
{
    put32(f, TSS_B + 0x20, eip);
    put32(f, TSS_B + 0x24, EFLAGS_1 | EFLAGS_CF);
    put32(f, TSS_B + 0x28, 0xaaaa);
    put32(f, TSS_B + 0x38, 0x8000);
    put32(f, TSS_B + 0x48, S_DATA0);
    put32(f, TSS_B + 0x4c, S_CODE0);
    put32(f, TSS_B + 0x50, S_DATA0);
    put32(f, TSS_B + 0x54, S_DATA3);
    put32(f, TSS_B + 0x60, S_LDT);
}

static void jmp_saves_one_task_and_loads_the_other(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    make_task(f, 0x11000);
    PUT(f, CODE, 0xea, 0, 0, 0, 0, S_TSS_B, 0);
    cpu->gpr[REG_AX] = 0x12345678;
    cpu->eflags |= EFLAGS_ZF;
    steps(f, 1);
    assert_int_equal(cpu->rip, 0x11000);
    assert_int_equal(cpu->gpr[REG_AX], 0xaaaa);
    assert_int_equal(cpu->gpr[REG_SP], 0x8000);
    assert_int_equal(cpu->eflags, EFLAGS_1 | EFLAGS_CF);
    assert_int_equal(cpu->seg[SEG_DS].sel, S_DATA3);
    assert_true(cpu->seg[SEG_FS].is_null);
    assert_int_equal(cpu->ldtr.base, LDT);
    assert_int_equal(cpu->tr.sel, S_TSS_B);
    assert_true(cpu->paging.cr0 & CR0_TS);
    assert_int_equal(get32(f, TSS + 0x20), CODE + 7);
    assert_int_equal(get32(f, TSS + 0x24), EFLAGS_1 | EFLAGS_ZF);
    assert_int_equal(get32(f, TSS + 0x28), 0x12345678);
    assert_int_equal(get16(f, TSS + 0x4c), S_CODE0);
    assert_int_equal(f->ram[GDT + S_TSS + 5], 0x89); /* free again */
    assert_int_equal(f->ram[GDT + S_TSS_B + 5], 0x8b);
    assert_int_equal(cpu->stats.task_switches, 1);
}

static void call_nests_and_iret_returns(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    make_task(f, 0x11000);
    PUT(f, CODE, 0x9a, 0, 0, 0, 0, S_TASK_GATE, 0);
    PUT(f, 0x11000, 0xcf, 0x90);
    steps(f, 1);
    assert_int_equal(cpu->rip, 0x11000);
    assert_true(cpu->eflags & EFLAGS_NT);
    assert_int_equal(get16(f, TSS_B), S_TSS);
    assert_int_equal(f->ram[GDT + S_TSS + 5], 0x8b); /* still busy */
    steps(f, 1);
    assert_int_equal(cpu->rip, CODE + 7);
    assert_int_equal(cpu->tr.sel, S_TSS);
    assert_false(cpu->eflags & EFLAGS_NT);
    assert_int_equal(f->ram[GDT + S_TSS_B + 5], 0x89);
    assert_false(get32(f, TSS_B + 0x24) & EFLAGS_NT);
    assert_int_equal(get32(f, TSS_B + 0x20), 0x11001); /* next time it goes on behind IRET */
}

static void busy_task_is_refused(void **state)
{
    struct fixture *f = *state;

    f->ram[GDT + S_TSS_B + 5] = 0x8b;
    PUT(f, CODE, 0xea, 0, 0, 0, 0, S_TSS_B, 0);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    assert_int_equal(get32(f, STACK0 - 16), S_TSS_B);
    assert_int_equal(f->cpu->tr.sel, S_TSS);
}

static void short_tss_is_invalid(void **state)
{
    struct fixture *f = *state;

    put64(f, GDT + S_TSS_B, descriptor(TSS_B, 0x66, 0x89));
    PUT(f, CODE, 0xea, 0, 0, 0, 0, S_TSS_B, 0);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_TS));
    assert_int_equal(get32(f, STACK0 - 16), S_TSS_B);
    assert_int_equal(f->cpu->tr.sel, S_TSS);
}

static void bad_segment_faults_in_the_new_task(void **state)
{
    struct fixture *f = *state;

    make_task(f, 0x11000);
    put32(f, TSS_B + 0x54, S_XONLY); /* DS */
    PUT(f, CODE, 0xea, 0, 0, 0, 0, S_TSS_B, 0);
    steps(f, 1);
    assert_int_equal(f->cpu->tr.sel, S_TSS_B);
    assert_int_equal(f->cpu->rip, handler(VEC_TS));
    assert_int_equal(get32(f, 0x8000 - 16), S_XONLY);
    assert_int_equal(get32(f, 0x8000 - 12), 0x11000);
}

static void interrupt_gate_to_a_task(void **state)
{
    struct fixture *f = *state;

    make_task(f, 0x11000);
    put64(f, IDT + VEC_GP * 8, gate(S_TSS_B, 0, 5, 0, 0));
    PUT(f, CODE, 0x8e, 0xd8); /* mov ds, ax */
    f->cpu->gpr[REG_AX] = 0x1000;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, 0x11000);
    assert_true(f->cpu->eflags & EFLAGS_NT);
    assert_int_equal(f->cpu->gpr[REG_SP], 0x8000 - 4);
    assert_int_equal(get32(f, 0x8000 - 4), 0x1000); /* the error code */
    assert_int_equal(get32(f, TSS + 0x20), CODE);   /* the faulting instruction */
}

static void task_of_16_bits(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    space_write(f->mem, TSS_16 + 0x0e, 2, 0x1000);
    space_write(f->mem, TSS_16 + 0x10, 2, EFLAGS_1);
    space_write(f->mem, TSS_16 + 0x12, 2, 0xbeef);
    space_write(f->mem, TSS_16 + 0x1a, 2, 0x7000);
    space_write(f->mem, TSS_16 + 0x22, 2, S_DATA0);
    space_write(f->mem, TSS_16 + 0x24, 2, S_CODE16);
    space_write(f->mem, TSS_16 + 0x26, 2, S_STACK16);
    space_write(f->mem, TSS_16 + 0x28, 2, S_DATA0);
    PUT(f, CODE, 0x9a, 0, 0, 0, 0, S_TSS_16, 0);
    PUT(f, CODE + 0x1000, 0xcf); /* CS.base is CODE */
    steps(f, 1);
    assert_int_equal(cpu->rip, 0x1000);
    assert_int_equal(cpu->gpr[REG_AX] & 0xffff, 0xbeef);
    assert_false(cpu->mode & (MODE_CS32 | MODE_SS32));
    assert_int_equal(get16(f, TSS_16), S_TSS);
    cpu->gpr[REG_AX] = 0x1111;
    steps(f, 1);
    assert_int_equal(cpu->rip, CODE + 7);
    assert_int_equal(get16(f, TSS_16 + 0x12), 0x1111);
    assert_true(cpu->mode & MODE_CS32);
}

static void task_switch_to_v86(void **state)
{
    struct fixture *f = *state;

    make_task(f, 0x200);
    put32(f, TSS_B + 0x24, EFLAGS_1 | EFLAGS_VM);
    put32(f, TSS_B + 0x4c, 0x1234);
    PUT(f, CODE, 0xea, 0, 0, 0, 0, S_TSS_B, 0);
    steps(f, 1);
    assert_int_equal(f->cpu->cpl, 3);
    assert_int_equal(f->cpu->seg[SEG_CS].base, 0x12340);
    assert_int_equal(f->cpu->rip, 0x200);
}

static void switch_loads_cr3(void **state)
{
    struct fixture *f = *state;

    enable_paging(f);
    make_task(f, 0x11000);
    put32(f, 0x102000, PAGE_TABLE | 7);
    put32(f, TSS_B + 0x1c, 0x102000);
    put32(f, TSS_B + 0x64, 1); /* T bit: #DB on entry */
    PUT(f, CODE, 0xea, 0, 0, 0, 0, S_TSS_B, 0);
    steps(f, 1);
    assert_int_equal(f->cpu->paging.cr3, 0x102000);
    assert_int_equal(f->cpu->rip, handler(VEC_DB));
    assert_true(f->cpu->dr[6] & 0x8000);
    assert_int_equal(get32(f, 0x8000 - 12), 0x11000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROT(jmp_saves_one_task_and_loads_the_other),
        PROT(call_nests_and_iret_returns),
        PROT(busy_task_is_refused),
        PROT(short_tss_is_invalid),
        PROT(bad_segment_faults_in_the_new_task),
        PROT(interrupt_gate_to_a_task),
        PROT(task_of_16_bits),
        PROT(task_switch_to_v86),
        PROT(switch_loads_cr3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
