/* Sensitive instructions that systems execute all the time, without the way back to the dispatcher: segment loads, SYSENTER,
 * SYSEXIT, INT n, IRET, RDTSC; and indirect jumps that the jump table does not know.  The stub has saved the guest's integer state, but the guest's FP state may still be in the host's
 * registers, so nothing here may touch those: this file is compiled for general registers only and calls nothing that is not.
 *
 * Each function does the plain case and declines everything else before it has changed anything; then the interpreter takes the
 * instruction.  SDM 2, the instructions' "Operation". */
#include "bt/fast.h"

#include <string.h>
#include "bt/segments.h"
#include "cpu/cpuid.h"
#include "cpu/insn.h"
#include "cpu/ops.h"
#include "cpu/protect.h"
#include "host/log.h"

/* --- guest memory: what a window maps, or not at all --- */

static const uint8_t *peek(struct bt *bt, uint32_t gla, unsigned len)
{
    return reach(bt, bt->ctx->w, gla, len, false);
}

/* What the processor reads by itself it reads as a supervisor.  NULL: no such window now. */
static struct window *system_window(struct bt *bt)
{
    struct window *w = bt->ctx->w;

    return w->key.is_user ? windows_peer(bt->windows, w) : w;
}

/* Descriptors are looked at as they lie in memory, and unpacked into the segment register only: copying what was just stored in
 * pieces would stall. */
enum { D_ACCESSED = 1, D_RW = 2, D_DOWN_OR_CONFORMING = 4, D_CODE = 8, D_S = 0x10, D_P = 0x80 }; /* access byte */

static unsigned access_of(uint64_t d)
{
    return d >> 40 & 0xff;
}

static unsigned dpl_of(uint64_t d)
{
    return d >> 45 & 3;
}

static bool is_32bit(uint64_t d)
{
    return d >> 54 & 1;
}

static uint32_t limit_of(uint64_t d)
{
    uint32_t limit = (uint32_t)(d & 0xffff) | (d >> 32 & 0xf0000);

    return d >> 55 & 1 ? limit << 12 | 0xfff : limit;
}

/* The code that may be entered at eip in ring cpl. */
static bool is_code_for(uint64_t d, unsigned cpl, uint32_t eip)
{
    return (access_of(d) & (D_CODE | D_DOWN_OR_CONFORMING)) == D_CODE && dpl_of(d) == cpl && is_32bit(d) && eip <= limit_of(d);
}

/* Data to be written, of ring cpl, 32 bits. */
static bool is_stack_for(uint64_t d, unsigned cpl)
{
    return (access_of(d) & (D_CODE | D_RW)) == D_RW && dpl_of(d) == cpl && is_32bit(d);
}

bool fast_descriptor(struct bt *bt, uint16_t sel, uint64_t *d)
{
    struct window *w = system_window(bt);
    const uint8_t *p;
    gla_t gla = 0;

    if (!w || !descriptor_address(bt->cpu, sel, &gla) || !(p = reach(bt, w, (uint32_t)gla, 8, false)))
        return false;
    *d = load_le(p, 8);
    return (access_of(*d) & (D_P | D_S | D_ACCESSED)) == (D_P | D_S | D_ACCESSED);
}

/* --- going on --- */

static const uint8_t *resume(const struct callout_site *site)
{
    return (const uint8_t *)(site + 1);
}

/* Instructions of the block that were counted, but will not be executed in it. */
static void uncount_rest(struct bt *bt, const struct callout_site *site)
{
    const uint8_t *pc = (const uint8_t *)site;

    if (bt->is_counting)
        hot_of(bt->cpu)->icount -= tcache_recover(bt, tcache_by_host(bt, pc), pc)->rest;
}

/* The block at EIP, if it is translated and its page known. */
static const struct block *find_block(struct bt *bt, const struct ctx *c, uint32_t rip)
{
    uint32_t linear = c->cs_base + rip, frame = window_code(c->w, linear >> GUEST_PAGE_SHIFT);
    const struct block *b;

    if (!frame || rip > c->cs_limit)
        return NULL;
    b = tcache_find(bt, (uint64_t)(frame - 1) << GUEST_PAGE_SHIFT | (linear & GUEST_PAGE_MASK), c->kind, rip);
    return b && !b->second_frame ? b : NULL;
}

/* Go to EIP; the mode is up to date. */
static const uint8_t *go_to(struct bt *bt, uint32_t rip)
{
    struct cpu *cpu = bt->cpu;
    const struct ctx *old = bt->ctx;
    uint32_t cs_base = (uint32_t)cpu->seg[SEG_CS].base, cs_limit = cpu->seg[SEG_CS].limit;
    struct window *w = old->w;
    struct ctx *c;

    cpu->rip = rip;
    if (atomic_load_explicit(&cpu->exit_request, memory_order_relaxed) || cpu_has_work(cpu) || bt_must_interpret(cpu))
        return FAST_DONE;
    if ((cpu->paging.cr0 & CR0_PG) && w->key.is_user != (cpu->cpl == 3))
        w = windows_peer(bt->windows, w);
    c = w ? ctx_find(bt, w, cpu->mode, cs_base, cs_limit) : NULL;
    if (!c || rip > cs_limit)
        return FAST_DONE;
    if (c != old)
        ctx_enter(bt, c);
    if (cpu->eflags & EFLAGS_RF) {
        const struct block *b = bt->lockstep ? NULL : find_block(bt, c, rip);
        const uint8_t *to = b ? bt_resume_with_rf(bt, b) : NULL;

        return to ? to : FAST_DONE;
    }
    return ctx_jump(c, rip);
}

/* --- the instructions --- */

static const uint8_t *load_segment(struct bt *bt, const struct callout_site *site, unsigned seg, uint16_t sel, unsigned pop_bytes)
{
    struct cpu *cpu = bt->cpu;
    uint32_t mode = cpu->mode;
    uint64_t d;

    if (selector_is_null(sel)) {
        segment_set_null(&cpu->seg[seg], sel);
    } else {
        if (!fast_descriptor(bt, sel, &d) || (access_of(d) & (D_CODE | D_RW)) == D_CODE)
            return FAST_DECLINED;
        if ((access_of(d) & (D_CODE | D_DOWN_OR_CONFORMING)) != (D_CODE | D_DOWN_OR_CONFORMING) &&
            ((sel & 3u) > dpl_of(d) || cpu->cpl > dpl_of(d)))
            return FAST_DECLINED;
        segment_unpack(&cpu->seg[seg], sel, d);
    }
    cpu->gpr[REG_SP] = (uint32_t)(cpu->gpr[REG_SP] + pop_bytes);
    cpu_update_mode_of_data(cpu, seg);
    if (cpu->mode == mode)
        return resume(site);
    uncount_rest(bt, site);
    return go_to(bt, (site->guest_rip + site->insn_len) & (mode & MODE_CS32 ? 0xffffffffu : 0xffffu));
}

static const uint8_t *pop_segment(struct bt *bt, const struct callout_site *site)
{
    const uint8_t *top = peek(bt, (uint32_t)bt->cpu->gpr[REG_SP], 4);

    return top ? load_segment(bt, site, site->arg, (uint16_t)load_le(top, 2), 4) : FAST_DECLINED;
}

static const uint8_t *rdtsc(struct bt *bt, const struct callout_site *site)
{
    struct cpu *cpu = bt->cpu;
    uint64_t tsc;

    if ((cpu->paging.cr4 & CR4_TSD) && cpu->cpl)
        return FAST_DECLINED;
    tsc = cpu_tsc(cpu);
    cpu->gpr[REG_AX] = (uint32_t)tsc;
    cpu->gpr[REG_DX] = tsc >> 32;
    return resume(site);
}

/* CS and SS as SYSENTER and SYSEXIT make them, without looking at a descriptor. */
static void load_flat(struct cpu *cpu, unsigned cs, unsigned ss, unsigned cpl)
{
    const uint32_t classes = 3u << (MODE_SEG_SHIFT + 2 * SEG_CS) | 3u << (MODE_SEG_SHIFT + 2 * SEG_SS) | 1u << (MODE_64K_SHIFT + SEG_CS) |
                             1u << (MODE_64K_SHIFT + SEG_SS); /* SEGC_FLAT is 0 */
    const uint16_t common = (uint16_t)(SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED | SEG_ATTR_DB | SEG_ATTR_G |
                                       cpl << SEG_ATTR_DPL_SHIFT);

    cpu->seg[SEG_CS] = (struct segment){.limit = 0xffffffff, .sel = (uint16_t)cs, .attr = common | SEG_ATTR_CODE};
    cpu->seg[SEG_SS] = (struct segment){.limit = 0xffffffff, .sel = (uint16_t)ss, .attr = common};
    cpu->seg_check[SEG_CS] = cpu->seg_check[SEG_SS] = (struct seg_check){.minus_limit = -(int64_t)0xffffffff - 1, .poison = SEG_POISON};
    cpu->cpl = (uint8_t)cpl;
    cpu->mode = (cpu->mode & ~(classes | 3u << MODE_CPL_SHIFT | MODE_IOPL_OK)) | MODE_CS32 | MODE_SS32 | MODE_FLAT_CS |
                cpl << MODE_CPL_SHIFT | (cpl <= cpu_iopl(cpu) ? MODE_IOPL_OK : 0); /* what cpu_update_mode() would find */
}

/* After SYSENTER and SYSEXIT. */
static const uint8_t *go_to_ring(struct bt *bt, uint32_t rip)
{
    struct ctx *from = bt->ctx;
    const uint8_t *to = go_to(bt, rip);

    if (bt->ctx != from)
        rings_note(bt->cpu, from, bt->ctx);
    return to;
}

static const uint8_t *sysenter(struct bt *bt)
{
    struct cpu *cpu = bt->cpu;
    unsigned cs = cpu->sysenter_cs & 0xfffc;

    if (!cs)
        return FAST_DECLINED;
    cpu->eflags &= ~(EFLAGS_IF | EFLAGS_RF);
    load_flat(cpu, cs, cs + 8, 0);
    cpu->gpr[REG_SP] = (uint32_t)cpu->sysenter_esp;
    return go_to_ring(bt, (uint32_t)cpu->sysenter_eip);
}

static const uint8_t *sysexit_(struct bt *bt)
{
    struct cpu *cpu = bt->cpu;
    unsigned cs = cpu->sysenter_cs & 0xfffc;

    if (!cs || cpu->cpl)
        return FAST_DECLINED;
    load_flat(cpu, (cs + 16) | 3, (cs + 24) | 3, 3);
    cpu->gpr[REG_SP] = (uint32_t)cpu->gpr[REG_CX];
    return go_to_ring(bt, (uint32_t)cpu->gpr[REG_DX]);
}

/* Would a return to ring cpl make a data segment null? */
static bool drops_segments(const struct cpu *cpu, unsigned cpl)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        const struct segment *s = &cpu->seg[data[i]];

        if (!s->is_null && !segment_is_conforming(s) && segment_dpl(s) < cpl)
            return true;
    }
    return false;
}

/* IRETD in ring 0, within it or outward, to 32-bit code and stack, changing no system flag but IF and RF, which handlers of faults return. */
static const uint8_t *iret(struct bt *bt)
{
    const uint32_t may_change = EFLAGS_NATIVE | EFLAGS_IF | EFLAGS_1 | EFLAGS_RF;
    struct cpu *cpu = bt->cpu;
    uint32_t esp = (uint32_t)cpu->gpr[REG_SP], eip, flags;
    const uint8_t *frame = peek(bt, esp, 12);
    uint64_t cs, ss;
    unsigned cpl, cs_sel;

    if (!frame || cpu->cpl || cpu->is_nmi_blocked || (cpu->eflags & EFLAGS_NT))
        return FAST_DECLINED;
    eip = (uint32_t)load_le(frame, 4);
    flags = (uint32_t)load_le(frame + 8, 4);
    if (((flags ^ cpu->eflags) & cpu->eflags_mask & ~may_change) || !fast_descriptor(bt, (uint16_t)load_le(frame + 4, 2), &cs))
        return FAST_DECLINED;
    cs_sel = (uint16_t)load_le(frame + 4, 2);
    cpl = cs_sel & 3;
    if (selector_is_null((uint16_t)cs_sel) || !is_code_for(cs, cpl, eip))
        return FAST_DECLINED;
    if (cpl == 0) {
        esp += 12;
    } else {
        uint16_t ss_sel;

        frame = peek(bt, esp, 20);
        if (!frame)
            return FAST_DECLINED;
        ss_sel = (uint16_t)load_le(frame + 16, 2);
        if (selector_is_null(ss_sel) || !fast_descriptor(bt, ss_sel, &ss) || (ss_sel & 3u) != cpl || !is_stack_for(ss, cpl) || drops_segments(cpu, cpl))
            return FAST_DECLINED;
        esp = (uint32_t)load_le(frame + 12, 4);
        segment_unpack(&cpu->seg[SEG_SS], ss_sel, ss);
    }
    segment_unpack(&cpu->seg[SEG_CS], (uint16_t)cs_sel, cs);
    cpu->cpl = (uint8_t)cpl;
    cpu->gpr[REG_SP] = esp;
    cpu->eflags = (cpu->eflags & ~may_change) | (flags & may_change) | EFLAGS_1;
    cpu_update_mode_for(cpu, 1u << SEG_CS | 1u << SEG_SS);
    return go_to(bt, eip);
}

static bool is_flat_stack(const struct segment *s)
{
    return segment_is_writable_data(s) && !segment_is_expand_down(s) && !s->base && s->limit == 0xffffffff && (s->attr & SEG_ATTR_DB);
}

/* SS:ESP of ring 0 from a 32-bit TSS. */
static bool ring0_stack(struct bt *bt, struct window *w, uint16_t *sel, uint64_t *ss, uint32_t *esp)
{
    const struct segment *tr = &bt->cpu->tr;
    const uint8_t *p;

    if ((tr->attr & 0xf) != SYS_TSS32_BUSY || tr->limit < 9 || !(p = reach(bt, w, (uint32_t)tr->base + 4, 6, false)))
        return false;
    *esp = (uint32_t)load_le(p, 4);
    *sel = (uint16_t)load_le(p + 4, 2);
    return !selector_is_null(*sel) && !(*sel & 3) && fast_descriptor(bt, *sel, ss) && is_stack_for(*ss, 0) &&
           !(access_of(*ss) & D_DOWN_OR_CONFORMING) && !(*ss >> 16 & 0xffffff) && !(*ss >> 56) && limit_of(*ss) == 0xffffffff;
}

/* INT n, or a fault of the instruction at return_eip. */
struct interrupt {
    uint8_t vector;
    bool is_fault, has_error;
    uint32_t return_eip, error;
};

/* Through a 32-bit gate, within ring 0 or from outside into it, between flat stacks. */
static const uint8_t *interrupt(struct bt *bt, const struct interrupt *in)
{
    struct cpu *cpu = bt->cpu;
    uint32_t entry = (uint32_t)cpu->idtr.base + in->vector * 8u, esp = (uint32_t)cpu->gpr[REG_SP], eip;
    struct window *w = system_window(bt);
    bool is_inner = cpu->cpl != 0;
    uint16_t cs_sel, ss_sel = 0;
    uint64_t cs, ss = 0;
    const uint8_t *gate;
    unsigned type, size;
    uint8_t *frame;

    if (!w || in->vector * 8u + 7 > cpu->idtr.limit || !(gate = reach(bt, w, entry, 8, false)))
        return FAST_DECLINED;
    type = gate[5] & 0x1f;
    if ((type != SYS_INT32 && type != SYS_TRAP32) || !(gate[5] & 0x80) || (!in->is_fault && (gate[5] >> 5 & 3u) < cpu->cpl) ||
        selector_is_null(cs_sel = (uint16_t)load_le(gate + 2, 2)) || !fast_descriptor(bt, cs_sel, &cs))
        return FAST_DECLINED;
    eip = (uint32_t)load_le(gate, 2) | (uint32_t)load_le(gate + 6, 2) << 16;
    if (!is_code_for(cs, 0, eip))
        return FAST_DECLINED;
    if (is_inner ? !ring0_stack(bt, w, &ss_sel, &ss, &esp) : !is_flat_stack(&cpu->seg[SEG_SS]))
        return FAST_DECLINED;
    size = (is_inner ? 20 : 12) + (in->has_error ? 4 : 0);
    frame = reach(bt, w, esp - size, size, true);
    if (!frame)
        return FAST_DECLINED;
    esp -= size;
    if (in->has_error) {
        store_le(frame, 4, in->error);
        frame += 4;
    }
    store_le(frame, 4, in->return_eip);
    store_le(frame + 4, 4, cpu->seg[SEG_CS].sel);
    store_le(frame + 8, 4, cpu->eflags | (in->is_fault ? EFLAGS_RF : 0));
    if (is_inner) {
        store_le(frame + 12, 4, cpu->gpr[REG_SP]);
        store_le(frame + 16, 4, cpu->seg[SEG_SS].sel);
        segment_unpack(&cpu->seg[SEG_SS], ss_sel, ss);
    }
    segment_unpack(&cpu->seg[SEG_CS], cs_sel & 0xfffc, cs);
    cpu->cpl = 0;
    cpu->gpr[REG_SP] = esp;
    cpu->eflags &= ~(EFLAGS_NT | (type == SYS_INT32 ? EFLAGS_IF : 0));
    if (in->is_fault)
        cpu->stats.exceptions[in->vector & 31]++;
    else
        cpu->stats.soft_interrupts++;
    cpu_update_mode_for(cpu, 1u << SEG_CS | (is_inner ? 1u << SEG_SS : 0));
    return go_to(bt, eip);
}

/* Faults have the plain case only: 32-bit protected mode, and nobody who wants to read about exceptions or to compare. */
static const uint8_t *fault(struct bt *bt, const struct interrupt *in)
{
    return bt->lockstep || (bt->cpu->eflags & EFLAGS_VM) || !mode_is_protected(bt->cpu->mode) || (log_mask & LOG_EXC) ? FAST_DECLINED : interrupt(bt, in);
}

const uint8_t *fast_page_fault(struct bt *bt, uint32_t guest_rip, uint32_t cr2, uint32_t error)
{
    const struct interrupt in = {.vector = VEC_PF, .is_fault = true, .has_error = true, .return_eip = guest_rip, .error = error};
    const uint8_t *to;

    if (!bt_has(bt, BT_FAST))
        return FAST_DECLINED;
    to = fault(bt, &in);
    if (to != FAST_DECLINED)
        bt->cpu->cr2 = cr2;
    return to;
}

static const uint8_t *int_n(struct bt *bt, const struct callout_site *site)
{
    const struct interrupt in = {.vector = site->arg, .return_eip = site->guest_rip + site->insn_len};

    return interrupt(bt, &in);
}

/* DIV and IDIV by a register; #DE or not. */
static const uint8_t *divide(struct bt *bt, const struct callout_site *site)
{
    const struct interrupt in = {.vector = VEC_DE, .is_fault = true, .return_eip = site->guest_rip};
    uint64_t *gpr = bt->cpu->gpr;
    uint32_t mask = site->arg & DIV_16 ? 0xffff : 0xffffffff;
    uint64_t by = gpr[site->arg & 7] & mask;
    const uint8_t *to;

    if (!(site->arg & DIV_SIGNED) && (gpr[REG_DX] & mask) < by)
        return FAST_DECLINED; /* what it leaves in the flags is the processor's business */
    if ((site->arg & DIV_SIGNED) && by != 0)
        return FAST_DECLINED;
    to = fault(bt, &in);
    if (to != FAST_DECLINED) {
        uncount_rest(bt, site);
        if (bt->opt.want_counts)
            hot_of(bt->cpu)->icount--;
    }
    return to;
}

const uint8_t *fast_miss(struct bt *bt, uint32_t guest_rip)
{
    struct ctx *c = (struct ctx *)(uintptr_t)hot_of(bt->cpu)->ctx;
    const struct block *b;

    bt->ctx = c;
    if (bt->lockstep || !bt_has(bt, BT_FAST) || atomic_load_explicit(&bt->cpu->exit_request, memory_order_relaxed))
        return FAST_LOOKUP;
    b = find_block(bt, c, guest_rip);
    if (!b || !b->before || ctx_is_crowded(c))
        return FAST_LOOKUP;
    bt->stats.fast_lookups++;
    ctx_set_jump(c, guest_rip, bt->codemem.exec + block_start(b), bt->stub_miss);
    return bt->codemem.exec + b->direct;
}

/* What follows the jump is no prediction: a PLT entry goes there until it is bound. */
const uint8_t *fast_predict(struct bt *bt, const struct chain_site *site)
{
    static const uint8_t lea[3] = {0x41, 0x8d, 0x88}; /* lea ecx, [r8 + disp32] */
    uint32_t target = (uint32_t)bt->cpu->rip, minus_target = 0u - target, at = site->jump_end - PREDICT_JUMP;
    struct chain_site *jump = (struct chain_site *)(bt->codemem.write + cache_off(bt, (const uint8_t *)site) - CHAIN_EXIT_BYTES);
    const struct block *b = tcache_by_jump(bt, site->jump_end);

    if (target == site->target_rip || b->is_dead)
        return bt->codemem.exec + at + PREDICT_MISS;
    jump->target_rip = target;
    if (((target + block_kind(bt, b)->cs_base) ^ block_linear(bt, b)) >> GUEST_PAGE_SHIFT || b->second_frame)
        jump->jump_end |= CHAIN_CROSSES_PAGE;
    memcpy(bt->codemem.write + at, lea, sizeof(lea));
    memcpy(bt->codemem.write + at + sizeof(lea), &minus_target, 4);
    bt->stats.predicted++;
    return bt->codemem.exec + at;
}

const uint8_t *fast_callout(struct bt *bt, const struct callout_site *site)
{
    const uint8_t *to = FAST_DECLINED;
    struct cpu *cpu = bt->cpu;

    bt->ctx = (struct ctx *)(uintptr_t)hot_of(cpu)->ctx;
    switch (site->fast) {
    case FAST_SEGMENT:
        return segments_resolve_load(bt, site);
    case FAST_FAR:
        return segments_resolve_far(bt, site);
    case FAST_MOV_SREG:
        to = load_segment(bt, site, site->arg & 7, (uint16_t)cpu->gpr[site->arg >> 3], 0);
        break;
    case FAST_MOV_SREG_MEM:
        to = load_segment(bt, site, site->arg, (uint16_t)hot_of(cpu)->fast_operand, 0);
        break;
    case FAST_POP_SREG:
        to = pop_segment(bt, site);
        break;
    case FAST_RDTSC:
        to = rdtsc(bt, site);
        break;
    case FAST_SYSENTER:
        to = sysenter(bt);
        break;
    case FAST_SYSEXIT:
        to = sysexit_(bt);
        break;
    case FAST_IRET:
        to = iret(bt);
        break;
    case FAST_INT:
        to = int_n(bt, site);
        break;
    case FAST_DIV:
        to = divide(bt, site);
        break;
    case FAST_STRING:
        to = fast_string(bt, site);
        break;
    }
    if (to != FAST_DECLINED) {
        cpu->stats.insns_interp += site->fast != FAST_DIV && !site->is_counted;
        hot_of(cpu)->icount += bt->lockstep && !site->is_counted; /* of the block; call-outs are not in its count */
        cpu->stats.sens_executed[bt->causes[site->cause].desc->sens]++;
        bt->stats.fast++;
    }
    return to;
}

/* --- which instructions --- */

bool fast_fits(const struct bt *bt, const struct insn *in, uint32_t mode, uint8_t *kind, uint8_t *arg)
{
    *kind = FAST_NONE;
    *arg = 0;
    if (!bt_has(bt, BT_FAST) || !mode_is_protected(mode) ||
        !cpu_has_feature(bt->cpu, in->desc->feature))
        return false;
    if (insn_is(in, op_mov_to_sreg) && in->reg < SEG_COUNT && in->reg != SEG_CS && in->reg != SEG_SS) {
        *kind = in->is_mem ? FAST_MOV_SREG_MEM : FAST_MOV_SREG;
        *arg = (uint8_t)(in->is_mem ? in->reg : in->reg | in->rm << 3);
    } else if (!(mode & MODE_CS32)) {
        return false;
    } else if (insn_is(in, op_pop_sreg) && in->opsize == 4 && (mode & MODE_SS32) && !(mode >> (MODE_SEG_SHIFT + 2 * SEG_SS) & 3)) {
        *arg = in->opcode >> 3 & 7;
        if (*arg < SEG_COUNT && *arg != SEG_SS && *arg != SEG_CS)
            *kind = FAST_POP_SREG;
    } else if ((insn_is(in, op_div) || insn_is(in, op_idiv)) && !in->is_mem && (in->opsize == 4 || in->opsize == 2) && !(in->desc->attr & ATTR_BYTE)) {
        *kind = FAST_DIV;
        *arg = (uint8_t)(in->rm | (in->opsize == 2 ? DIV_16 : 0) | (insn_is(in, op_idiv) ? DIV_SIGNED : 0));
    } else if (insn_is(in, op_rdtsc) && !bt->lockstep) { /* the interpreter would read another time */
        *kind = FAST_RDTSC;
    } else if (insn_is(in, op_sysenter)) {
        *kind = FAST_SYSENTER;
    } else if (insn_is(in, op_sysexit)) {
        *kind = FAST_SYSEXIT;
    } else if (insn_is(in, op_iret) && in->opsize == 4 && (mode & MODE_SS32) && !(mode >> (MODE_SEG_SHIFT + 2 * SEG_SS) & 3)) {
        *kind = FAST_IRET;
    } else if (insn_is(in, op_int)) {
        *kind = FAST_INT;
        *arg = (uint8_t)in->imm;
    }
    return *kind != FAST_NONE;
}
