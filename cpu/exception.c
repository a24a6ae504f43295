/* Raising and delivering exceptions and interrupts.  SDM 3A chapter 6, SDM 2 "INT n" operation, SDM 3B 20 (real, v86).
 *
 * A semantics function that faults leaves the event in cpu->event; event_deliver() turns it into a handler's first
 * instruction.  Nothing but memory below the stack pointer changes before the last check of a delivery has passed, so a
 * fault in the middle simply becomes the next event. */
#include "cpu/segment.h"

#include "cpu/mem.h"
#include "cpu/protect.h"
#include "host/log.h"

#define ERROR_EXT 1u
#define ERROR_IDT 2u

bool cpu_raise(struct cpu *cpu, uint8_t vector)
{
    cpu->event = (struct event){.is_pending = true, .vector = vector, .kind = EVENT_FAULT};
    return false;
}

bool cpu_raise_error(struct cpu *cpu, uint8_t vector, uint32_t error)
{
    cpu->event =
        (struct event){.is_pending = true, .vector = vector, .kind = EVENT_FAULT, .has_error = true, .error = error};
    return false;
}

bool cpu_raise_pf(struct cpu *cpu, gla_t gla, uint32_t error)
{
    cpu->cr2 = gla;
    return cpu_raise_error(cpu, VEC_PF, error);
}

bool cpu_raise_debug(struct cpu *cpu, uint32_t dr6, bool is_trap)
{
    cpu->dr[6] = (cpu->dr[6] & ~0xfull) | DR6_FIXED | dr6;
    cpu->event = (struct event){.is_pending = true, .vector = VEC_DB, .kind = is_trap ? EVENT_TRAP : EVENT_FAULT};
    return false;
}

/* --- real mode: the IVT --- */

static bool deliver_real(struct cpu *cpu, const struct event *ev)
{
    struct stack st = stack_current(cpu);
    uint64_t vector;

    if (ev->vector * 4u + 3 > cpu->idtr.limit)
        return cpu_raise_error(cpu, VEC_GP, ev->vector * 8u + ERROR_IDT);
    if (!mem_read_linear(cpu, cpu->idtr.base + ev->vector * 4u, 4, ACCESS_READ, &vector) ||
        !stack_push(cpu, &st, 2, cpu->eflags & 0xffff) || !stack_push(cpu, &st, 2, cpu->seg[SEG_CS].sel) ||
        !stack_push(cpu, &st, 2, cpu->next_rip & 0xffff))
        return false;
    if ((vector & 0xffff) > cpu->seg[SEG_CS].limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    stack_commit(cpu, &st);
    segment_load_real(cpu, SEG_CS, (uint16_t)(vector >> 16));
    cpu->next_rip = vector & 0xffff;
    cpu_set_eflags(cpu, cpu->eflags & ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF));
    return true;
}

/* --- protected mode: the IDT --- */

struct gate {
    uint16_t sel;
    uint32_t off;
    unsigned type, dpl;
    bool is_present, is_system;
};

static struct gate gate_unpack(uint64_t d)
{
    struct gate g = {
        .sel = d >> 16 & 0xffff,
        .off = (d & 0xffff) | (d >> 32 & 0xffff0000),
        .type = d >> 40 & 15,
        .dpl = d >> 45 & 3,
        .is_present = d >> 47 & 1,
        .is_system = !(d >> 44 & 1),
    };

    if (g.type == SYS_INT16 || g.type == SYS_TRAP16)
        g.off &= 0xffff;
    return g;
}

/* The handler's CS, and whether the stack must be switched. */
static bool check_handler_cs(struct cpu *cpu, const struct gate *g, unsigned ext, struct segment *cs, bool *is_inner)
{
    uint64_t d;

    if (selector_is_null(g->sel))
        return cpu_raise_error(cpu, VEC_GP, ext);
    if (!descriptor_read(cpu, g->sel, VEC_GP, ext, &d))
        return false;
    segment_unpack(cs, g->sel, d);
    if (!segment_is_code(cs) || segment_dpl(cs) > cpu->cpl)
        return raise_selector(cpu, VEC_GP, g->sel, ext);
    if (!(cs->attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_NP, g->sel, ext);
    *is_inner = !segment_is_conforming(cs) && segment_dpl(cs) < cpu->cpl;
    /* From virtual-8086 mode only ring 0 can be entered. */
    if ((cpu->eflags & EFLAGS_VM) && (!*is_inner || segment_dpl(cs) != 0))
        return raise_selector(cpu, VEC_GP, g->sel, ext);
    if (g->off > cs->limit)
        return cpu_raise_error(cpu, VEC_GP, ext);
    return descriptor_set_accessed(cpu, cs);
}

/* The frame, highest address first: [GS FS DS ES] [SS ESP] EFLAGS CS EIP [error]. */
static bool push_frame(struct cpu *cpu, struct stack *st, unsigned size, bool is_inner, const struct event *ev)
{
    static const uint8_t v86_segments[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};

    if (cpu->eflags & EFLAGS_VM) {
        for (unsigned i = 0; i < ARRAY_SIZE(v86_segments); i++)
            if (!stack_push(cpu, st, size, cpu->seg[v86_segments[i]].sel))
                return false;
    }
    if (is_inner) {
        if (!stack_push(cpu, st, size, cpu->seg[SEG_SS].sel) ||
            !stack_push(cpu, st, size, (uint32_t)cpu->gpr[REG_SP]))
            return false;
    }
    return stack_push(cpu, st, size, cpu->eflags) && stack_push(cpu, st, size, cpu->seg[SEG_CS].sel) &&
           stack_push(cpu, st, size, (uint32_t)cpu->next_rip) &&
           (!ev->has_error || stack_push(cpu, st, size, ev->error));
}

static bool deliver_through_gate(struct cpu *cpu, const struct event *ev, const struct gate *g, unsigned ext)
{
    struct stack st = stack_current(cpu);
    struct segment cs, ss;
    uint32_t clear = EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM;
    bool is_inner = false, is_v86 = cpu->eflags & EFLAGS_VM;
    uint16_t ss_sel;
    uint32_t esp = 0;
    unsigned cpl;

    if (!check_handler_cs(cpu, g, ext, &cs, &is_inner))
        return false;
    cpl = is_inner ? segment_dpl(&cs) : cpu->cpl;
    st.error = ext;
    if (is_inner) {
        if (!tss_stack(cpu, cpl, ext, &ss_sel, &esp) || !segment_check_ss(cpu, ss_sel, cpl, VEC_TS, ext, &ss))
            return false;
        st = (struct stack){.ss = ss, .sp = esp, .error = (ss_sel & 0xfffcu) | ext};
    }
    if (!push_frame(cpu, &st, g->type >= SYS_TSS32 ? 4 : 2, is_inner, ev))
        return false;

    cpu->gpr[REG_SP] = stack_esp(&st, is_inner ? esp : (uint32_t)cpu->gpr[REG_SP]);
    if (is_inner)
        cpu->seg[SEG_SS] = ss;
    if (is_v86) {
        segment_set_null(&cpu->seg[SEG_GS], 0);
        segment_set_null(&cpu->seg[SEG_FS], 0);
        segment_set_null(&cpu->seg[SEG_DS], 0);
        segment_set_null(&cpu->seg[SEG_ES], 0);
    }
    segment_commit_cs(cpu, &cs, cpl);
    cpu->next_rip = g->off;
    if (g->type == SYS_INT16 || g->type == SYS_INT32)
        clear |= EFLAGS_IF;
    cpu_set_eflags(cpu, cpu->eflags & ~clear);
    return true;
}

static bool deliver_protected(struct cpu *cpu, const struct event *ev)
{
    unsigned ext = ev->kind == EVENT_SOFT_INT ? 0 : ERROR_EXT;
    uint32_t idt_error = ev->vector * 8u + ERROR_IDT + ext;
    struct gate g;
    uint64_t d;

    if (ev->vector * 8u + 7 > cpu->idtr.limit)
        return cpu_raise_error(cpu, VEC_GP, idt_error);
    if (!mem_read_linear(cpu, cpu->idtr.base + ev->vector * 8u, 8, ACCESS_READ, &d))
        return false;
    g = gate_unpack(d);
    if (!g.is_system || !(g.type == SYS_TASK_GATE || g.type == SYS_INT16 || g.type == SYS_TRAP16 ||
                          g.type == SYS_INT32 || g.type == SYS_TRAP32))
        return cpu_raise_error(cpu, VEC_GP, idt_error);
    if (ev->kind == EVENT_SOFT_INT && g.dpl < cpu->cpl)
        return cpu_raise_error(cpu, VEC_GP, idt_error);
    if (!g.is_present)
        return cpu_raise_error(cpu, VEC_NP, idt_error);
    if (g.type == SYS_TASK_GATE)
        return task_switch(cpu, g.sel, ev->kind == EVENT_SOFT_INT ? TASK_INT : TASK_EVENT, ev->has_error, ev->error);
    return deliver_through_gate(cpu, ev, &g, ext);
}

/* RF of the flags that are pushed or saved in the TSS (SDM 3B, "Instruction-Breakpoint Exception Condition"): set by faults, so
 * that the restarted instruction does not meet its breakpoint again, but not by the breakpoint itself; and by whatever comes
 * between two iterations of a string instruction.  Software interrupts had it cleared when they began. */
static void update_rf(struct cpu *cpu, const struct event *ev)
{
    if ((ev->kind == EVENT_FAULT && ev->vector != VEC_DB) || (ev->kind != EVENT_FAULT && cpu->is_mid_rep))
        cpu->eflags |= EFLAGS_RF;
    else if (ev->kind == EVENT_SOFT_INT)
        cpu->eflags &= ~EFLAGS_RF;
}

/* --- double faults --- */

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

/* SDM 3A table 6-4.  Only what the processor itself raises has a class. */
static enum fault_class fault_class(const struct event *ev)
{
    if (ev->kind != EVENT_FAULT && ev->kind != EVENT_TRAP)
        return BENIGN;
    switch (ev->vector) {
    case VEC_DE:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP:
        return CONTRIBUTORY;
    case VEC_PF:
        return PAGE_FAULT;
    default:
        return BENIGN;
    }
}

/* The event that follows from second having happened while first was delivered; SDM 3A table 6-5. */
static struct event combine(const struct event *first, const struct event *second)
{
    enum fault_class a = fault_class(first), b = fault_class(second);

    if ((a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN))
        return (struct event){.is_pending = true, .vector = VEC_DF, .kind = EVENT_FAULT, .has_error = true};
    return *second;
}

void cpu_shut_down(struct cpu *cpu, const char *why)
{
    cpu->event.is_pending = false;
    cpu->is_shutdown = true;
    log_at(LOG_EXC, "cpu: %s at %04x:%08x", why, cpu->seg[SEG_CS].sel, (unsigned)cpu->rip);
    if (cpu->board.triple_fault)
        cpu->board.triple_fault(cpu->board.opaque);
}

static void count(struct cpu *cpu, const struct event *ev)
{
    if (ev->kind == EVENT_EXT_INT)
        cpu->stats.ext_interrupts++;
    else if (ev->kind == EVENT_SOFT_INT)
        cpu->stats.soft_interrupts++;
    else
        cpu->stats.exceptions[ev->vector & 31]++;
    log_at(LOG_EXC, "cpu: %s %02x error %x at %04x:%08x cr2 %08x",
           ev->kind == EVENT_EXT_INT    ? "irq"
           : ev->kind == EVENT_SOFT_INT ? "int"
                                        : "exception",
           ev->vector, ev->error, cpu->seg[SEG_CS].sel, (unsigned)cpu->rip, (unsigned)cpu->cr2);
}

void event_deliver(struct cpu *cpu)
{
    struct event ev = cpu->event;

    if (!ev.is_pending)
        return;
    cpu->has_shadow = false;
    cpu->is_halted = false;
    cpu->event.is_pending = false;
    cpu->is_mid_rep = cpu->is_mid_rep && ev.kind != EVENT_FAULT;
    for (;;) {
        bool is_delivered;

        count(cpu, &ev);
        /* Deliveries push next_rip; a fault returns to the instruction itself. */
        if (ev.kind == EVENT_FAULT)
            cpu->next_rip = cpu->rip;
        update_rf(cpu, &ev);
        if (cpu->is_mode_stale)
            cpu_update_mode(cpu);
        is_delivered = cpu->paging.cr0 & CR0_PE ? deliver_protected(cpu, &ev) : deliver_real(cpu, &ev);
        if (is_delivered)
            break;
        if (ev.vector == VEC_DF && ev.kind == EVENT_FAULT) {
            cpu_shut_down(cpu, "triple fault");
            return;
        }
        ev = combine(&ev, &cpu->event);
        cpu->event.is_pending = false;
    }
    if (ev.vector == VEC_DB && ev.kind != EVENT_SOFT_INT)
        cpu->dr[7] &= ~(uint64_t)DR7_GD;
    cpu->is_mid_rep = false;
    cpu->rip = cpu->next_rip;
    if (cpu->is_mode_stale)
        cpu_update_mode(cpu);
}

bool event_deliver_ahead(struct cpu *cpu)
{
    struct event ev = cpu->event;
    bool is_delivered;

    cpu->event.is_pending = false;
    update_rf(cpu, &ev);
    is_delivered = cpu->paging.cr0 & CR0_PE ? deliver_protected(cpu, &ev) : deliver_real(cpu, &ev);
    cpu->event.is_pending = false;
    if (is_delivered)
        cpu->rip = cpu->next_rip;
    if (cpu->is_mode_stale)
        cpu_update_mode(cpu);
    return is_delivered;
}

void cpu_take_work(struct cpu *cpu)
{
    struct event ev = {.is_pending = true};

    if (cpu->smi_pending && !cpu->is_smm && !cpu->has_shadow && !cpu->is_shutdown) {
        smm_enter(cpu);
        return;
    }
    if (cpu->init_pending && !cpu->is_smm && !cpu->has_shadow) {
        cpu_reset(cpu, false);
        return;
    }
    if (cpu->is_shutdown)
        return;
    if (cpu->nmi_pending && !cpu->is_nmi_blocked && !cpu->has_shadow) {
        cpu->nmi_pending = false;
        cpu->is_nmi_blocked = true;
        ev.vector = VEC_NMI;
        ev.kind = EVENT_NMI;
    } else if (cpu->intr && (cpu->eflags & EFLAGS_IF) && !cpu->has_shadow && cpu->board.intr_ack) {
        ev.vector = cpu->board.intr_ack(cpu->board.opaque);
        ev.kind = EVENT_EXT_INT;
    } else {
        return;
    }
    cpu->is_halted = false;
    cpu->next_rip = cpu->rip;
    cpu->event = ev;
    event_deliver(cpu);
}
