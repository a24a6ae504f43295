/* System management mode: what tests/guest/smm.S cannot reach, since its SMIs come from its own instructions. */
#include "tests/unit/sys_fixture.h"

#define MAP 0x38000 /* SMBASE 30000h + 8000h */

/* An SMI while the CPU waits at CODE + 1 behind a HLT; the handler is the bytes. */
static void smi_in_hlt(struct fixture *f)
{
    PUT(f, CODE, 0xf4, 0x90);
    steps(f, 1);
    assert_true(f->cpu->is_halted);
    cpu_pulse_smi(f->cpu);
    assert_true(cpu_has_work(f->cpu));
    cpu_take_work(f->cpu);
    assert_true(f->cpu->is_smm && !f->cpu->is_halted);
    assert_int_equal(f->cpu->rip, 0x8000);
    assert_int_equal(get32(f, MAP + 0x7ff0), CODE + 1);
    assert_int_equal(get16(f, MAP + 0x7f02), 1);
    PUT(f, MAP, 0x0f, 0xaa);
}

static void hlt_goes_on_after_rsm(void **state)
{
    struct fixture *f = *state;

    smi_in_hlt(f);
    steps(f, 1);
    assert_false(f->cpu->is_smm);
    assert_true(f->cpu->is_halted);
    assert_int_equal(f->cpu->rip, CODE + 1);
    assert_int_equal(f->cpu->seg[SEG_CS].sel, S_CODE0);
}

static void the_handler_may_end_hlt(void **state)
{
    struct fixture *f = *state;

    smi_in_hlt(f);
    space_write(f->mem, MAP + 0x7f02, 2, 0);
    steps(f, 1);
    assert_false(f->cpu->is_halted);
}

static void all_interrupts_wait_for_rsm(void **state)
{
    struct fixture *f = *state;

    smi_in_hlt(f);
    cpu_pulse_smi(f->cpu);
    cpu_pulse_nmi(f->cpu);
    cpu_pulse_init(f->cpu);
    cpu_set_intr(f->cpu, true);
    assert_false(cpu_has_work(f->cpu));
    steps(f, 1);
    assert_true(cpu_has_work(f->cpu));
    cpu_take_work(f->cpu); /* the second SMI first */
    assert_true(f->cpu->is_smm);
    steps(f, 1);
    cpu_take_work(f->cpu); /* then INIT */
    assert_int_equal(f->cpu->rip, 0xfff0);
    assert_int_equal(f->cpu->smbase, 0x30000);
}

static void a_shadow_holds_an_smi_off(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xfb, 0x90);
    steps(f, 1);
    cpu_pulse_smi(f->cpu);
    assert_false(cpu_has_work(f->cpu));
    steps(f, 1);
    assert_true(cpu_has_work(f->cpu));
}

static void impossible_control_registers_shut_down(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint16_t at;
        uint32_t value;
    } bad[] = {{0x7ffc, CR0_PG}, {0x7ffc, CR0_NW}, {0x7f74, 0x80000000}};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        smi_in_hlt(f);
        put32(f, MAP + bad[i].at, bad[i].value);
        steps(f, 1);
        assert_true(f->cpu->is_shutdown);
        assert_int_equal(f->triple_faults, i + 1);
        cpu_reset(f->cpu, true);
        enter_protected(f);
    }
}

static void tasks_descriptor_caches_and_paging_come_back(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;
    struct segment fs;

    enable_paging(f);
    cpu->dr[7] = 0x700;
    cpu->seg[SEG_FS].limit = 0x1234; /* in no descriptor table */
    cpu->seg[SEG_GS] = (struct segment){.sel = 3, .is_null = 1};
    fs = cpu->seg[SEG_FS];
    smi_in_hlt(f);
    assert_int_equal(cpu->paging.cr0 & (CR0_PE | CR0_PG), 0);
    assert_int_equal(cpu->seg[SEG_FS].limit, 0xffffffff);
    assert_int_equal(cpu->dr[7], 0x400);
    steps(f, 1);
    assert_int_equal(cpu->seg[SEG_FS].limit, fs.limit);
    assert_int_equal(cpu->seg[SEG_FS].attr, fs.attr);
    assert_int_equal(cpu->seg[SEG_FS].sel, fs.sel);
    assert_true(cpu->seg[SEG_GS].is_null);
    assert_int_equal(cpu->paging.cr0 & (CR0_PE | CR0_PG), CR0_PE | CR0_PG);
    assert_int_equal(cpu->paging.cr3, PAGE_DIR);
    assert_int_equal(cpu->dr[7], 0x700);
    assert_int_equal(cpu->tr.sel, S_TSS);
    assert_int_equal(cpu->gdtr.limit, GDT_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROT(hlt_goes_on_after_rsm),
        PROT(the_handler_may_end_hlt),
        PROT(all_interrupts_wait_for_rsm),
        PROT(a_shadow_holds_an_smi_off),
        PROT(impossible_control_registers_shut_down),
        PROT(tasks_descriptor_caches_and_paging_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
