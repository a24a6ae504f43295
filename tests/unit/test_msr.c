/* MSRs and control registers: what exists, what is refused. */
#include "tests/unit/sys_fixture.h"
#include "cpu/cpuid.h"

static bool wrmsr(struct fixture *f, uint32_t msr, uint64_t value)
{
    PUT(f, CODE, 0x0f, 0x30);
    enter_ring(f, 0);
    f->cpu->gpr[REG_CX] = msr;
    f->cpu->gpr[REG_AX] = (uint32_t)value;
    f->cpu->gpr[REG_DX] = value >> 32;
    steps(f, 1);
    return f->cpu->rip == CODE + 2;
}

static bool rdmsr(struct fixture *f, uint32_t msr, uint64_t *value)
{
    PUT(f, CODE, 0x0f, 0x32);
    enter_ring(f, 0);
    f->cpu->gpr[REG_CX] = msr;
    steps(f, 1);
    *value = (uint32_t)f->cpu->gpr[REG_AX] | f->cpu->gpr[REG_DX] << 32;
    return f->cpu->rip == CODE + 2;
}

static void plain_registers_hold_what_is_written(void **state)
{
    static const uint32_t msrs[] = {0x174, 0x175, 0x176, 0x200, 0x20e, 0x250, 0x258, 0x259, 0x268, 0x26f, 0x2ff, 0x1a0};
    struct fixture *f = *state;
    uint64_t v;

    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        assert_true(wrmsr(f, msrs[i], i + 1));
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        assert_true(rdmsr(f, msrs[i], &v));
        assert_int_equal(v, i + 1);
    }
}

static void registers_systems_expect_exist(void **state)
{
    static const uint32_t msrs[] = {0x0, 0x1, 0x10, 0x17, 0x1b, 0x2a, 0x3a, 0x8b, 0xfe, 0x10a, 0x179, 0x17a, 0x198,
                                    0x19a, 0x1a0, 0x1d9, 0x277, 0x2ff, 0x400, 0x401, 0xc0000080};
    struct fixture *f = *state;
    uint64_t v;

    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        assert_true(rdmsr(f, msrs[i], &v));
    assert_true(rdmsr(f, 0xfe, &v));
    assert_int_equal(v & 0xff, 8);
}

static void unknown_registers_are_gp(void **state)
{
    struct fixture *f = *state;
    uint64_t v;

    assert_false(rdmsr(f, 0x12345, &v));
    assert_false(wrmsr(f, 0x12345, 0));
    assert_false(rdmsr(f, 0xc0000081, &v)); /* no SYSCALL */
    assert_false(wrmsr(f, 0x10a, 0));       /* read-only */
    assert_false(wrmsr(f, 0xfe, 0));
}

static void bad_values_are_gp(void **state)
{
    struct fixture *f = *state;

    assert_false(wrmsr(f, 0x277, 0x02));                 /* reserved memory type */
    assert_false(wrmsr(f, 0xc0000080, EFER_LME));        /* no long mode */
    assert_true(wrmsr(f, 0xc0000080, EFER_NXE));
    assert_int_equal(f->cpu->paging.efer, EFER_NXE);
    assert_false(wrmsr(f, 0x200, 1ull << 40));           /* beyond the physical address width */
}

static void tsc_can_be_set(void **state)
{
    struct fixture *f = *state;
    uint64_t v;

    clock_advance(f->clock, 1000);
    assert_true(wrmsr(f, 0x10, 50));
    clock_advance(f->clock, 7);
    assert_true(rdmsr(f, 0x10, &v));
    assert_int_equal(v, 57);
    assert_true(rdmsr(f, 0x3b, &v)); /* TSC_ADJUST */
    assert_true(v == (uint64_t)-950);
    assert_true(wrmsr(f, 0x3b, 0));
    assert_true(rdmsr(f, 0x10, &v));
    assert_int_equal(v, 1007);
}

static void apic_base_changed(void *opaque, uint64_t value)
{
    ((struct fixture *)opaque)->device_value = value;
}

static void apic_base_is_told_to_the_board(void **state)
{
    struct fixture *f = *state;
    uint64_t v;

    f->cpu->board.apic_base = apic_base_changed;
    assert_true(rdmsr(f, 0x1b, &v));
    assert_int_equal(v, 0xfee00900);
    assert_true(cpuid_query(f->cpu, 1, 0).edx & 1u << 9);
    assert_true(wrmsr(f, 0x1b, 0xfed00100));
    assert_int_equal(f->device_value, 0xfed00100);
    assert_false(cpuid_query(f->cpu, 1, 0).edx & 1u << 9); /* switched off */
    assert_false(wrmsr(f, 0x1b, 0xfee00d00)); /* no x2APIC */
    assert_false(wrmsr(f, 0x1b, 1ull << 36 | 0x900));
    assert_int_equal(f->device_value, 0xfed00100);
}

static bool mov_to_cr(struct fixture *f, unsigned number, uint32_t value)
{
    PUT(f, CODE, 0x0f, 0x22, (uint8_t)(0xc0 | number << 3));
    enter_ring(f, 0);
    f->cpu->gpr[REG_AX] = value;
    steps(f, 1);
    return f->cpu->rip == CODE + 3;
}

static void control_register_rules(void **state)
{
    struct fixture *f = *state;

    assert_false(mov_to_cr(f, 0, CR0_PG));            /* PG without PE */
    assert_false(mov_to_cr(f, 0, CR0_PE | CR0_NW));   /* NW without CD */
    assert_true(mov_to_cr(f, 0, CR0_PE | 0x8000));    /* reserved bits are ignored.. */
    assert_int_equal(f->cpu->paging.cr0, CR0_PE | CR0_ET);
    assert_true(mov_to_cr(f, 4, CR4_PSE | CR4_PGE));
    assert_false(mov_to_cr(f, 4, 0x2000));            /* ..but not in CR4: VMXE */
    assert_false(mov_to_cr(f, 4, CR4_UMIP));
    assert_int_equal(f->cpu->paging.cr4, CR4_PSE | CR4_PGE);
}

static void pae_checks_its_top_entries(void **state)
{
    struct fixture *f = *state;

    put64(f, PAGE_DIR, 1 | 2); /* R/W is reserved in a PDPTE */
    assert_true(mov_to_cr(f, 4, CR4_PAE));
    assert_true(mov_to_cr(f, 3, PAGE_DIR)); /* not loaded while paging is off */
    assert_false(mov_to_cr(f, 0, CR0_PE | CR0_PG));
    assert_false(f->cpu->paging.cr0 & CR0_PG);
    put64(f, PAGE_DIR, PAGE_TABLE | 1);
    put64(f, PAGE_TABLE, 0x83); /* 2 MiB page */
    assert_true(mov_to_cr(f, 0, CR0_PE | CR0_PG));
    assert_int_equal(f->cpu->paging.pdpte[0], PAGE_TABLE | 1);
    assert_true(f->cpu->mode & MODE_PG);
    put64(f, PAGE_DIR, PAGE_TABLE | 1 | 0x20);
    assert_false(mov_to_cr(f, 3, PAGE_DIR));
}

static void lmsw_cannot_clear_pe(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x0f, 0x01, 0xf0); /* lmsw ax */
    f->cpu->gpr[REG_AX] = CR0_TS | CR0_MP;
    steps(f, 1);
    assert_int_equal(f->cpu->paging.cr0 & 0xf, CR0_TS | CR0_MP | CR0_PE);
    PUT(f, CODE + 3, 0x0f, 0x06); /* clts */
    steps(f, 1);
    assert_int_equal(f->cpu->paging.cr0 & 0xf, CR0_MP | CR0_PE);
}

static void debug_register_aliases(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x0f, 0x23, 0xe8, 0x0f, 0x21, 0xfb, 0x0f, 0x21, 0xe3); /* dr5 = eax; ebx = dr7; ebx = dr4 */
    f->cpu->gpr[REG_AX] = 0x10;
    steps(f, 2);
    assert_int_equal(f->cpu->gpr[REG_BX], 0x410);
    f->cpu->paging.cr4 |= CR4_DE;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_UD));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROT(plain_registers_hold_what_is_written),
        PROT(registers_systems_expect_exist),
        PROT(unknown_registers_are_gp),
        PROT(bad_values_are_gp),
        PROT(tsc_can_be_set),
        PROT(apic_base_is_told_to_the_board),
        PROT(control_register_rules),
        PROT(pae_checks_its_top_entries),
        PROT(lmsw_cannot_clear_pe),
        PROT(debug_register_aliases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
