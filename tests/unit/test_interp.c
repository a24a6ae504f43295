/* The interpreter loop and the system instructions: fetching, decode cache, privilege rules, virtual-8086 and VME. */
#include "tests/unit/sys_fixture.h"

static void loop_runs_until_hlt(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xb9, 10, 0, 0, 0, 0x40, 0xe2, 0xfd, 0xf4); /* mov ecx,10; l: inc eax; loop l; hlt */
    assert_int_equal(cpu_interpret(f->cpu, 1000), 22);
    assert_true(f->cpu->is_halted);
    assert_int_equal(f->cpu->gpr[REG_AX], 10);
    assert_int_equal(f->cpu->stats.insns_interp, 22);
    assert_int_equal(cpu_interpret(f->cpu, 1000), 0);
    f->vector = 0x21;
    f->cpu->eflags |= EFLAGS_IF;
    cpu_set_intr(f->cpu, true);
    PUT(f, handler(0x21), 0x43); /* inc ebx */
    assert_int_equal(cpu_interpret(f->cpu, 1), 1);
    assert_int_equal(f->cpu->gpr[REG_BX], 1);
    assert_int_equal(get32(f, STACK0 - 12), CODE + 9);
}

static void exit_request_stops_the_loop(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xeb, 0xfe);
    assert_int_equal(cpu_interpret(f->cpu, 50), 50);
    cpu_kick(f->cpu);
    assert_int_equal(cpu_interpret(f->cpu, 50), 0);
}

static void self_modifying_code_is_seen(void **state)
{
    struct fixture *f = *state;

    /* l: mov eax,1; mov byte [CODE+1],2; jmp l */
    PUT(f, CODE, 0xb8, 1, 0, 0, 0, 0xc6, 0x05, 0x01, 0x00, 0x01, 0x00, 2, 0xeb, 0xf2);
    steps(f, 1);
    assert_int_equal(f->cpu->gpr[REG_AX], 1);
    steps(f, 3);
    assert_int_equal(f->cpu->gpr[REG_AX], 2);
    f->cpu->rip = CODE; /* a device writes the frame: DMA */
    PUT(f, CODE + 1, 3);
    steps(f, 1);
    assert_int_equal(f->cpu->gpr[REG_AX], 3);
}

static void many_writes_beside_code_lose_no_change(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 1000; i++) {
        PUT(f, CODE, 0xb0, (uint8_t)i);
        PUT(f, CODE + 0x800, (uint8_t)i);
        f->cpu->rip = CODE;
        steps(f, 1);
        assert_int_equal(f->cpu->gpr[REG_AX] & 0xff, i & 0xff);
    }
}

static void same_bytes_decode_by_code_size(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xb8, 0x34, 0x12, 0x78, 0x56);
    steps(f, 1);
    assert_int_equal(f->cpu->gpr[REG_AX], 0x56781234);
    segment_unpack(&f->cpu->seg[SEG_CS], S_CODE16, descriptor(CODE, 0xffff, 0x9b));
    f->cpu->rip = 0;
    f->cpu->gpr[REG_AX] = 0xffffffff;
    cpu_update_mode(f->cpu);
    steps(f, 1);
    assert_int_equal(f->cpu->gpr[REG_AX], 0xffff1234);
    assert_int_equal(f->cpu->rip, 3);
}

static void instruction_across_pages(void **state)
{
    struct fixture *f = *state;

    enable_paging(f);
    PUT(f, 0x10ffe, 0xb8, 0x11, 0x22, 0x33, 0x44);
    f->cpu->rip = 0x10ffe;
    steps(f, 1);
    assert_int_equal(f->cpu->gpr[REG_AX], 0x44332211);
    set_pte(f, 0x11000, 0);
    tlb_flush_all(f->cpu);
    f->cpu->rip = 0x10ffe;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_PF));
    assert_int_equal(f->cpu->cr2, 0x11000);
    assert_int_equal(get32(f, STACK0 - 12), 0x10ffe);
}

static void code_beyond_the_limit_is_gp(void **state)
{
    struct fixture *f = *state;

    f->cpu->seg[SEG_CS].limit = CODE + 2;
    cpu_update_mode(f->cpu);
    PUT(f, CODE, 0x90, 0xb8, 1, 2, 3, 4);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 1);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    enter_ring(f, 0);
    f->cpu->seg[SEG_CS].limit = CODE + 0x10;
    cpu_update_mode(f->cpu);
    PUT(f, CODE, 0xeb, 0x40); /* jump beyond: #GP at the jump */
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    assert_int_equal(get32(f, STACK0 - 12), CODE);
}

static void real_mode_ip_wraps(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE + 0xffff, 0x90);
    f->cpu->rip = 0xffff;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, 0);
}

static void port_access_obeys_iopl_and_bitmap(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xe6, 0x80, 0xe4, 0x81); /* out 80h, al; in al, 81h */
    f->cpu->gpr[REG_AX] = 0x42;
    enter_ring(f, 3);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    assert_int_equal(f->device_writes, 0);

    enter_ring(f, 3);
    f->cpu->eflags |= EFLAGS_IOPL;
    cpu_update_mode(f->cpu);
    steps(f, 1);
    assert_int_equal(f->device_writes, 1);
    assert_int_equal(f->device_value, 0x42);

    /* bitmap at 68h: port 80h is bit 0 of byte 10h */
    f->cpu->eflags &= ~EFLAGS_IOPL;
    f->cpu->tr.limit = 0x88;
    PUT(f, TSS + 0x68 + 0x10, 0xfe, 0xff);
    enter_ring(f, 3);
    steps(f, 1);
    assert_int_equal(f->device_writes, 2);
    steps(f, 1); /* 81h is barred */
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    assert_int_equal(f->device_reads, 0);
    enter_ring(f, 3);
    f->cpu->tr.limit = 0x78; /* no byte behind the one needed */
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
}

static void flags_instructions_by_privilege(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0xfb, 0xfa); /* sti; cli */
    enter_ring(f, 3);
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
    enter_ring(f, 3);
    f->cpu->eflags |= EFLAGS_IOPL;
    cpu_update_mode(f->cpu);
    steps(f, 1);
    assert_true(f->cpu->eflags & EFLAGS_IF);

    PUT(f, CODE, 0x9d); /* popf at CPL 3, IOPL 0: IF and IOPL stay, no fault */
    enter_ring(f, 3);
    f->cpu->eflags = EFLAGS_1 | EFLAGS_IF;
    cpu_update_mode(f->cpu);
    f->cpu->gpr[REG_SP] = STACK3 - 4;
    put32(f, STACK3 - 4, EFLAGS_IOPL | EFLAGS_CF | EFLAGS_AC);
    steps(f, 1);
    assert_int_equal(f->cpu->eflags, EFLAGS_1 | EFLAGS_IF | EFLAGS_CF | EFLAGS_AC);
}

static void v86_needs_iopl_3(void **state)
{
    static const uint8_t barred[] = {0xfa, 0xfb, 0x9c, 0x9d, 0xcf, 0xcd};
    struct fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_SIZE(barred); i++) {
        f->cpu->eflags = EFLAGS_1;
        enter_v86(f, 0);
        PUT(f, 0x10000, barred[i], 0x80);
        steps(f, 1);
        assert_int_equal(f->cpu->rip, handler(VEC_GP));
        assert_int_equal(get32(f, (uint32_t)f->cpu->gpr[REG_SP]), 0);
    }
    f->cpu->eflags = EFLAGS_1;
    enter_v86(f, 3);
    steps(f, 1); /* int 80h */
    assert_int_equal(f->cpu->rip, handler(0x80));
    assert_int_equal(get32(f, (uint32_t)f->cpu->gpr[REG_SP]), 2);
}

static void vme_virtualizes_if_and_redirects(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    cpu->paging.cr4 |= CR4_VME;
    cpu->tr.limit = 0x2000;
    space_write(f->mem, TSS + 102, 2, 0x400); /* redirection bits at 3E0h: all zero */
    PUT(f, TSS + 0x3e0 + 0x81 / 8, 1 << (0x81 & 7));
    put32(f, 0x80 * 4, 0x30000123);
    enter_v86(f, 0);
    PUT(f, 0x10000, 0xfb, 0x9c, 0xcd, 0x80); /* sti; pushf; int 80h */
    steps(f, 2);
    assert_true(cpu->eflags & EFLAGS_VIF);
    assert_false(cpu->eflags & EFLAGS_IF);
    assert_int_equal(get16(f, 0x20000 + 0xffe), EFLAGS_1 | EFLAGS_IF | EFLAGS_IOPL);
    steps(f, 1);
    assert_int_equal(cpu->seg[SEG_CS].sel, 0x3000);
    assert_int_equal(cpu->rip, 0x123);
    assert_false(cpu->eflags & EFLAGS_VIF);
    assert_int_equal(get16(f, 0x20000 + 0xffc), EFLAGS_1 | EFLAGS_IF | EFLAGS_IOPL);
    PUT(f, 0x30123, 0xcf, 0xcd, 0x81); /* iret */
    steps(f, 1);
    assert_int_equal(cpu->rip, 4);
    assert_true(cpu->eflags & EFLAGS_VIF);
    PUT(f, 0x10004, 0xcd, 0x81); /* not redirected, IOPL 0 */
    steps(f, 1);
    assert_int_equal(cpu->rip, handler(VEC_GP));
    cpu->eflags |= EFLAGS_VIP;
    enter_v86(f, 0);
    steps(f, 1); /* sti with an interrupt waiting */
    assert_int_equal(cpu->rip, handler(VEC_GP));
}

static void sysenter_and_sysexit(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    PUT(f, CODE, 0x0f, 0x34);
    PUT(f, 0x18000, 0x0f, 0x35);
    enter_ring(f, 3);
    steps(f, 1);
    assert_int_equal(cpu->rip, handler(VEC_GP)); /* SYSENTER_CS is null */
    cpu->sysenter_cs = S_CODE0;
    cpu->sysenter_eip = 0x18000;
    cpu->sysenter_esp = 0x8800;
    enter_ring(f, 3);
    cpu->eflags |= EFLAGS_IF;
    steps(f, 1);
    assert_int_equal(cpu->rip, 0x18000);
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->gpr[REG_SP], 0x8800);
    assert_int_equal(cpu->seg[SEG_SS].sel, S_DATA0);
    assert_false(cpu->eflags & EFLAGS_IF);
    cpu->gpr[REG_CX] = STACK3;
    cpu->gpr[REG_DX] = CODE + 2;
    steps(f, 1);
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->rip, CODE + 2);
    assert_int_equal(cpu->seg[SEG_CS].sel, S_CODE3);
    assert_int_equal(cpu->seg[SEG_SS].sel, S_DATA3);
    assert_int_equal(cpu->gpr[REG_SP], STACK3);
}

static void cpuid_identifies_itself(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = f->cpu;

    PUT(f, CODE, 0x0f, 0xa2, 0xeb, 0xfc);
    steps(f, 2);
    assert_int_equal(cpu->gpr[REG_BX], 0x756e6547);
    cpu->gpr[REG_AX] = 0x40000000;
    steps(f, 2);
    assert_int_equal(cpu->gpr[REG_BX], 0x676e6952);
    cpu->gpr[REG_AX] = 1;
    steps(f, 2);
    assert_true(cpu->gpr[REG_CX] >> 31);
    assert_true(cpu->gpr[REG_DX] >> 9 & 1); /* a local APIC */
}

static void unoffered_instructions_are_ud(void **state)
{
    static const uint8_t code[][4] = {
        {0x0f, 0x01, 0xc8}, /* monitor */ {0x0f, 0x01, 0xd0}, /* xgetbv */ {0x0f, 0xaa}, /* rsm */
        {0x0f, 0x05},       /* syscall */ {0x0f, 0x20, 0xc8}, /* mov eax, cr1 */
    };
    struct fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_SIZE(code); i++) {
        enter_ring(f, 0);
        put(f, CODE, code[i], 4);
        steps(f, 1);
        assert_int_equal(f->cpu->rip, handler(VEC_UD));
    }
}

static void privileged_instructions_need_ring_0(void **state)
{
    static const uint8_t code[][4] = {
        {0xf4}, {0x0f, 0x06}, {0x0f, 0x08}, {0x0f, 0x09}, {0x0f, 0x20, 0xc0}, {0x0f, 0x22, 0xc0}, {0x0f, 0x21, 0xc0},
        {0x0f, 0x01, 0x10}, {0x0f, 0x01, 0x18}, {0x0f, 0x00, 0xd0}, {0x0f, 0x00, 0xd8}, {0x0f, 0x01, 0xf0},
        {0x0f, 0x01, 0x38}, {0x0f, 0x32}, {0x0f, 0x30}, {0x0f, 0x35}, {0x0f, 0x33},
    };
    struct fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_SIZE(code); i++) {
        enter_ring(f, 3);
        put(f, CODE, code[i], 4);
        steps(f, 1);
        assert_int_equal(f->cpu->rip, handler(VEC_GP));
        assert_int_equal(get32(f, STACK0 - 24), 0);
    }
}

static void rdtsc_follows_the_clock(void **state)
{
    struct fixture *f = *state;

    PUT(f, CODE, 0x0f, 0x31);
    clock_advance(f->clock, 0x100000005);
    steps(f, 1);
    assert_int_equal(f->cpu->gpr[REG_AX], 5);
    assert_int_equal(f->cpu->gpr[REG_DX], 1);
    enter_ring(f, 3);
    f->cpu->paging.cr4 |= CR4_TSD;
    steps(f, 1);
    assert_int_equal(f->cpu->rip, handler(VEC_GP));
}

static void init_restarts_at_the_reset_vector(void **state)
{
    struct fixture *f = *state;

    f->cpu->pat = 0x0101010101010101;
    cpu_pulse_init(f->cpu);
    assert_true(cpu_has_work(f->cpu));
    cpu_take_work(f->cpu);
    assert_int_equal(f->cpu->seg[SEG_CS].base + f->cpu->rip, 0xfffffff0);
    assert_int_equal(f->cpu->paging.cr0 & (CR0_PE | CR0_PG), 0);
    assert_int_equal(f->cpu->gpr[REG_DX], 0x6fb);
    assert_true(f->cpu->pat == 0x0101010101010101); /* INIT keeps MSRs */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROT(loop_runs_until_hlt),
        PROT(exit_request_stops_the_loop),
        PROT(self_modifying_code_is_seen),
        PROT(many_writes_beside_code_lose_no_change),
        PROT(same_bytes_decode_by_code_size),
        PROT(instruction_across_pages),
        PROT(code_beyond_the_limit_is_gp),
        REAL(real_mode_ip_wraps),
        PROT(port_access_obeys_iopl_and_bitmap),
        PROT(flags_instructions_by_privilege),
        PROT(v86_needs_iopl_3),
        PROT(vme_virtualizes_if_and_redirects),
        PROT(sysenter_and_sysexit),
        PROT(cpuid_identifies_itself),
        PROT(unoffered_instructions_are_ud),
        PROT(privileged_instructions_need_ring_0),
        PROT(rdtsc_follows_the_clock),
        PROT(init_restarts_at_the_reset_vector),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
