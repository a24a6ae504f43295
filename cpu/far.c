/* Far JMP, CALL, RET and IRET: code segments, call gates, task gates and TSSs.
 * SDM 2 "Operation" of each, SDM 3A 5.8; virtual-8086 forms: SDM 3B 20.2.  Checks come in the SDM's order, state changes last. */
#include "cpu/segment.h"

#include "cpu/mem.h"
#include "cpu/protect.h"

/* --- stacks in the TSS --- */

bool tss_stack(struct cpu *cpu, unsigned cpl, unsigned ext, uint16_t *ss, uint32_t *esp)
{
    bool is_32 = (cpu->tr.attr & SEG_ATTR_TYPE) >= SYS_TSS32;
    unsigned size = is_32 ? 4 : 2;
    uint32_t off = is_32 ? 4 + cpl * 8 : 2 + cpl * 4;
    uint64_t v;

    if (off + size + 1 > cpu->tr.limit || cpu->tr.is_null)
        return raise_selector(cpu, VEC_TS, cpu->tr.sel, ext);
    if (!mem_read_linear(cpu, cpu->tr.base + off, size, ACCESS_READ, &v))
        return false;
    *esp = (uint32_t)v;
    if (!mem_read_linear(cpu, cpu->tr.base + off + size, 2, ACCESS_READ, &v))
        return false;
    *ss = (uint16_t)v;
    return true;
}

/* --- jumps and calls --- */

/* The target of a direct transfer, or of a call gate (is_gate: more privileged code is fine for calls). */
static bool check_code(struct cpu *cpu, const struct segment *cs, bool is_gate, bool is_call)
{
    unsigned dpl = segment_dpl(cs);
    bool is_ok;

    if (!segment_is_code(cs))
        is_ok = false;
    else if (segment_is_conforming(cs))
        is_ok = dpl <= cpu->cpl;
    else if (is_gate)
        is_ok = is_call ? dpl <= cpu->cpl : dpl == cpu->cpl;
    else
        is_ok = (cs->sel & 3u) <= cpu->cpl && dpl == cpu->cpl;
    if (!is_ok)
        return raise_selector(cpu, VEC_GP, cs->sel, 0);
    if (!(cs->attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_NP, cs->sel, 0);
    return true;
}

static bool check_gate(struct cpu *cpu, uint16_t sel, uint64_t d)
{
    unsigned dpl = d >> 45 & 3;

    if (dpl < cpu->cpl || dpl < (sel & 3u))
        return raise_selector(cpu, VEC_GP, sel, 0);
    if (!(d >> 47 & 1))
        return raise_selector(cpu, VEC_NP, sel, 0);
    return true;
}

/* CALL through a gate to more privileged code: new stack from the TSS, parameters copied.
 *   old SS, old ESP, parameters.., old CS, return EIP */
static bool call_inner(struct cpu *cpu, struct segment *cs, uint32_t off, unsigned size, unsigned params, uint32_t ret_rip)
{
    struct stack from = stack_current(cpu), st;
    unsigned cpl = segment_dpl(cs);
    uint32_t esp, param[31];
    struct segment ss;
    uint16_t ss_sel;

    if (!tss_stack(cpu, cpl, 0, &ss_sel, &esp) || !segment_check_ss(cpu, ss_sel, cpl, VEC_TS, 0, &ss))
        return false;
    if (off > cs->limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    for (unsigned i = 0; i < params; i++)
        if (!stack_pop(cpu, &from, size, &param[i]))
            return false;
    st = (struct stack){.ss = ss, .sp = esp, .error = ss_sel & 0xfffcu};
    if (!stack_push(cpu, &st, size, cpu->seg[SEG_SS].sel) || !stack_push(cpu, &st, size, (uint32_t)cpu->gpr[REG_SP]))
        return false;
    for (unsigned i = params; i-- > 0;)
        if (!stack_push(cpu, &st, size, param[i]))
            return false;
    if (!stack_push(cpu, &st, size, cpu->seg[SEG_CS].sel) || !stack_push(cpu, &st, size, ret_rip) ||
        !descriptor_set_accessed(cpu, cs))
        return false;
    cpu->seg[SEG_SS] = ss;
    cpu->gpr[REG_SP] = stack_esp(&st, esp);
    segment_commit_cs(cpu, cs, cpl);
    cpu->next_rip = off;
    return true;
}

static bool call_same(struct cpu *cpu, struct segment *cs, uint32_t off, unsigned size, uint32_t ret_rip)
{
    struct stack st = stack_current(cpu);

    if (off > cs->limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!stack_push(cpu, &st, size, cpu->seg[SEG_CS].sel) || !stack_push(cpu, &st, size, ret_rip) ||
        !descriptor_set_accessed(cpu, cs))
        return false;
    stack_commit(cpu, &st);
    segment_commit_cs(cpu, cs, cpu->cpl);
    cpu->next_rip = off;
    return true;
}

static bool jump_same(struct cpu *cpu, struct segment *cs, uint32_t off)
{
    if (off > cs->limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_set_accessed(cpu, cs))
        return false;
    segment_commit_cs(cpu, cs, cpu->cpl);
    cpu->next_rip = off;
    return true;
}

static bool through_call_gate(struct cpu *cpu, uint64_t gate, bool is_call, uint32_t ret_rip)
{
    bool is_32 = (gate >> 40 & 15) == SYS_CALL32;
    uint32_t off = is_32 ? (gate & 0xffff) | (gate >> 32 & 0xffff0000) : gate & 0xffff;
    uint16_t sel = gate >> 16 & 0xffff;
    unsigned size = is_32 ? 4 : 2;
    struct segment cs;
    uint64_t d;

    if (selector_is_null(sel))
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, sel, VEC_GP, 0, &d))
        return false;
    segment_unpack(&cs, sel, d);
    if (!check_code(cpu, &cs, true, is_call))
        return false;
    if (!is_call)
        return jump_same(cpu, &cs, off);
    if (!segment_is_conforming(&cs) && segment_dpl(&cs) < cpu->cpl)
        return call_inner(cpu, &cs, off, size, gate >> 32 & 31, ret_rip);
    return call_same(cpu, &cs, off, size, ret_rip);
}

static bool through_system_descriptor(struct cpu *cpu, uint16_t sel, uint64_t d, bool is_call, uint32_t ret_rip)
{
    enum task_switch_reason reason = is_call ? TASK_CALL : TASK_JMP;
    unsigned dpl = d >> 45 & 3;

    switch (d >> 40 & 15) {
    case SYS_CALL16:
    case SYS_CALL32:
        return check_gate(cpu, sel, d) && through_call_gate(cpu, d, is_call, ret_rip);
    case SYS_TASK_GATE:
        return check_gate(cpu, sel, d) && task_switch(cpu, d >> 16 & 0xffff, reason, false, 0);
    case SYS_TSS16:
    case SYS_TSS32:
        if (dpl < cpu->cpl || dpl < (sel & 3u))
            return raise_selector(cpu, VEC_GP, sel, 0);
        return task_switch(cpu, sel, reason, false, 0);
    default:
        return raise_selector(cpu, VEC_GP, sel, 0);
    }
}

static bool far_transfer(struct cpu *cpu, uint16_t sel, uint32_t off, unsigned size, bool is_call, uint32_t ret_rip)
{
    struct segment cs;
    uint64_t d;

    if (selector_is_null(sel))
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, sel, VEC_GP, 0, &d))
        return false;
    segment_unpack(&cs, sel, d);
    if (!(cs.attr & SEG_ATTR_S))
        return through_system_descriptor(cpu, sel, d, is_call, ret_rip);
    if (!check_code(cpu, &cs, false, is_call))
        return false;
    return is_call ? call_same(cpu, &cs, off, size, ret_rip) : jump_same(cpu, &cs, off);
}

bool far_jump(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned size)
{
    if (cpu_is_protected(cpu))
        return far_transfer(cpu, sel, (uint32_t)off, size, false, 0);
    if (off > cpu->seg[SEG_CS].limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    segment_load_real(cpu, SEG_CS, sel);
    cpu->next_rip = off;
    return true;
}

bool far_call(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned size, uint64_t ret_rip)
{
    struct stack st = stack_current(cpu);

    if (cpu_is_protected(cpu))
        return far_transfer(cpu, sel, (uint32_t)off, size, true, (uint32_t)ret_rip);
    if (off > cpu->seg[SEG_CS].limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!stack_push(cpu, &st, size, cpu->seg[SEG_CS].sel) || !stack_push(cpu, &st, size, (uint32_t)ret_rip))
        return false;
    stack_commit(cpu, &st);
    segment_load_real(cpu, SEG_CS, sel);
    cpu->next_rip = off;
    return true;
}

/* --- returns --- */

/* The CS a RET or IRET goes back to. */
static bool check_return_cs(struct cpu *cpu, uint16_t sel, struct segment *cs)
{
    unsigned rpl = sel & 3;
    uint64_t d;

    if (selector_is_null(sel))
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_read(cpu, sel, VEC_GP, 0, &d))
        return false;
    segment_unpack(cs, sel, d);
    if (!segment_is_code(cs) || rpl < cpu->cpl ||
        (segment_is_conforming(cs) ? segment_dpl(cs) > rpl : segment_dpl(cs) != rpl))
        return raise_selector(cpu, VEC_GP, sel, 0);
    if (!(cs->attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_NP, sel, 0);
    return true;
}

/* Finish a RET or IRET whose CS:EIP (and flags) have been popped from st: pops SS:ESP if privilege is lost. */
static bool return_to(struct cpu *cpu, struct stack *st, struct segment *cs, uint32_t eip, unsigned size, uint16_t release)
{
    unsigned rpl = cs->sel & 3;
    uint32_t esp, ss_sel;
    struct segment ss;

    st->sp += release;
    if (rpl == cpu->cpl) {
        if (eip > cs->limit)
            return cpu_raise_error(cpu, VEC_GP, 0);
        if (!descriptor_set_accessed(cpu, cs))
            return false;
        stack_commit(cpu, st);
        segment_commit_cs(cpu, cs, rpl);
        cpu->next_rip = eip;
        return true;
    }
    if (!stack_pop(cpu, st, size, &esp) || !stack_pop(cpu, st, size, &ss_sel) ||
        !segment_check_ss(cpu, (uint16_t)ss_sel, rpl, VEC_GP, 0, &ss))
        return false;
    if (eip > cs->limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!descriptor_set_accessed(cpu, cs))
        return false;
    cpu->seg[SEG_SS] = ss;
    /* A 16-bit stack takes SP only: the rest of ESP keeps the inner stack's bits. */
    if (ss.attr & SEG_ATTR_DB)
        cpu->gpr[REG_SP] = (uint32_t)(esp + release);
    else
        cpu->gpr[REG_SP] = (cpu->gpr[REG_SP] & 0xffff0000u) | ((esp + release) & 0xffff);
    segment_commit_cs(cpu, cs, rpl);
    segment_drop_privileged(cpu);
    cpu->next_rip = eip;
    return true;
}

bool far_return(struct cpu *cpu, unsigned size, uint16_t release_bytes)
{
    struct stack st = stack_current(cpu);
    uint32_t eip, sel;
    struct segment cs;

    if (!stack_pop(cpu, &st, size, &eip) || !stack_pop(cpu, &st, size, &sel))
        return false;
    if (cpu_is_protected(cpu))
        return check_return_cs(cpu, (uint16_t)sel, &cs) && return_to(cpu, &st, &cs, eip, size, release_bytes);
    if (eip > cpu->seg[SEG_CS].limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    st.sp += release_bytes;
    stack_commit(cpu, &st);
    segment_load_real(cpu, SEG_CS, (uint16_t)sel);
    cpu->next_rip = eip;
    return true;
}

/* --- IRET --- */

#define EFLAGS_LOW16                                                                                                   \
    (EFLAGS_STATUS | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT)
#define EFLAGS_HIGH16 (EFLAGS_RF | EFLAGS_AC | EFLAGS_ID)
#define EFLAGS_VIRTUAL (EFLAGS_VIF | EFLAGS_VIP)

static void merge_eflags(struct cpu *cpu, uint32_t image, uint32_t mask, unsigned size)
{
    if (size == 2)
        mask &= 0xffff;
    cpu_set_eflags(cpu, (cpu->eflags & ~mask) | (image & mask));
}

static bool iret_real(struct cpu *cpu, unsigned size, uint32_t mask)
{
    struct stack st = stack_current(cpu);
    uint32_t eip, sel, flags;

    if (!stack_pop(cpu, &st, size, &eip) || !stack_pop(cpu, &st, size, &sel) || !stack_pop(cpu, &st, size, &flags))
        return false;
    if (eip > cpu->seg[SEG_CS].limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    stack_commit(cpu, &st);
    segment_load_real(cpu, SEG_CS, (uint16_t)sel);
    cpu->next_rip = eip;
    merge_eflags(cpu, flags, mask, size);
    return true;
}

/* IOPL < 3 with VME: the program's IF is VIF.  SDM 3B 20.3.3.4. */
static bool iret_vme(struct cpu *cpu)
{
    struct stack st = stack_current(cpu);
    uint32_t eip, sel, flags;

    if (!stack_pop(cpu, &st, 2, &eip) || !stack_pop(cpu, &st, 2, &sel) || !stack_pop(cpu, &st, 2, &flags))
        return false;
    if ((flags & EFLAGS_TF) || ((flags & EFLAGS_IF) && (cpu->eflags & EFLAGS_VIP)) || eip > cpu->seg[SEG_CS].limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    stack_commit(cpu, &st);
    segment_load_real(cpu, SEG_CS, (uint16_t)sel);
    cpu->next_rip = eip;
    flags |= flags & EFLAGS_IF ? EFLAGS_VIF : 0;
    merge_eflags(cpu, flags, (EFLAGS_LOW16 & ~(EFLAGS_IF | EFLAGS_IOPL)) | EFLAGS_VIF, 4);
    return true;
}

static bool iret_v86(struct cpu *cpu, unsigned size)
{
    if (cpu_iopl(cpu) == 3)
        return iret_real(cpu, size, (EFLAGS_LOW16 & ~EFLAGS_IOPL) | EFLAGS_HIGH16);
    if ((cpu->paging.cr4 & CR4_VME) && size == 2)
        return iret_vme(cpu);
    return cpu_raise_error(cpu, VEC_GP, 0);
}

static bool iret_task(struct cpu *cpu)
{
    uint64_t link;

    if (cpu->tr.is_null || cpu->tr.limit < 1)
        return raise_selector(cpu, VEC_TS, cpu->tr.sel, 0);
    if (!mem_read_linear(cpu, cpu->tr.base, 2, ACCESS_READ, &link))
        return false;
    return task_switch(cpu, (uint16_t)link, TASK_IRET, false, 0);
}

/* EIP CS EFLAGS have been popped; ESP SS ES DS FS GS follow. */
static bool iret_to_v86(struct cpu *cpu, struct stack *st, uint32_t eip, uint16_t cs, uint32_t flags)
{
    static const uint8_t order[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint32_t esp, ss, sel[ARRAY_SIZE(order)];

    if (!stack_pop(cpu, st, 4, &esp) || !stack_pop(cpu, st, 4, &ss))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        if (!stack_pop(cpu, st, 4, &sel[i]))
            return false;
    if (eip > 0xffff)
        return cpu_raise_error(cpu, VEC_GP, 0);
    merge_eflags(cpu, flags, EFLAGS_LOW16 | EFLAGS_HIGH16 | EFLAGS_VIRTUAL | EFLAGS_VM, 4);
    cpu->cpl = 3;
    segment_load_real(cpu, SEG_CS, cs);
    segment_load_real(cpu, SEG_SS, (uint16_t)ss);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        segment_load_real(cpu, order[i], (uint16_t)sel[i]);
    cpu->gpr[REG_SP] = esp;
    cpu->next_rip = eip;
    return true;
}

static bool iret_protected(struct cpu *cpu, unsigned size)
{
    uint32_t mask = (EFLAGS_LOW16 & ~(EFLAGS_IF | EFLAGS_IOPL)) | EFLAGS_HIGH16;
    struct stack st = stack_current(cpu);
    uint32_t eip, sel, flags;
    struct segment cs;

    if (cpu->eflags & EFLAGS_NT)
        return iret_task(cpu);
    if (!stack_pop(cpu, &st, size, &eip) || !stack_pop(cpu, &st, size, &sel) || !stack_pop(cpu, &st, size, &flags))
        return false;
    if (size == 4 && (flags & EFLAGS_VM) && cpu->cpl == 0)
        return iret_to_v86(cpu, &st, eip, (uint16_t)sel, flags);
    if (cpu->cpl <= cpu_iopl(cpu))
        mask |= EFLAGS_IF;
    if (cpu->cpl == 0)
        mask |= EFLAGS_IOPL | EFLAGS_VIRTUAL;
    if (!check_return_cs(cpu, (uint16_t)sel, &cs) || !return_to(cpu, &st, &cs, eip, size, 0))
        return false;
    merge_eflags(cpu, flags, mask, size);
    return true;
}

bool far_iret(struct cpu *cpu, unsigned size)
{
    cpu->is_nmi_blocked = false; /* also by one that faults: SDM 3A 6.7.1 */
    if (!(cpu->paging.cr0 & CR0_PE))
        return iret_real(cpu, size, EFLAGS_LOW16 | EFLAGS_HIGH16);
    if (cpu->eflags & EFLAGS_VM)
        return iret_v86(cpu, size);
    return iret_protected(cpu, size);
}
