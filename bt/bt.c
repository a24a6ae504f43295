/* The dispatcher: finds the block for the guest's EIP, enters it, and deals with whatever brought control back; and the fault
 * handler that maps guest memory or recovers the guest's exact state. */
#include "bt/check.h"
#include "bt/fast.h"
#include "bt/segments.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "cpu/avx.h"
#include "host/log.h"

#define DEFAULT_CACHE_BYTES MIB(128)
#define HWCAP2_FSGSBASE 2
#define SEEN_BITS 20
#define SEEN_PERIOD (1u << (SEEN_BITS - 1)) /* cold runs until they are forgotten, lest all code seem to have run before */
#define ARITHMETIC_FAULTS 4 /* of an instruction; then it is called out */
#define COLD_INSNS_MAX 64 /* interpreted in one go */
#define FRAME_KILLS_MAX 16
#define FRAME_KILLS_PERIOD_NS 100000000ull

const char *const bt_technique_names[BT_TECHNIQUES] = {
    [BT_TIERS] = "tiers",
    [BT_FAST] = "fast",
    [BT_DECAY] = "decay",
    [BT_FOLD] = "fold",
    [BT_LINKS] = "links",
    [BT_FAR] = "far",
    [BT_SOFT] = "soft",
    [BT_SEGMENTS] = "segments",
    [BT_RINGS] = "rings",
    [BT_SHARE] = "share",
    [BT_RELOC] = "reloc",
    [BT_JOIN] = "join",
    [BT_ENTRIES] = "entries",
    [BT_UNLOCK] = "unlock",
    [BT_QUIET] = "quiet",
    [BT_FORWARD] = "forward",
    [BT_PREDICT] = "predict",
    [BT_ASYNC] = "async",
    [BT_LONG] = "long",
};

/* --- entering --- */

static void set_gs_base(struct bt *bt, uint64_t base)
{
    struct bt_hot *hot = hot_of(bt->cpu);

    if (hot->gs_base == base)
        return;
    if (bt->has_fsgsbase)
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    else
        syscall(SYS_arch_prctl, ARCH_SET_GS, base);
    hot->gs_base = base;
}

void bt_set_gates(struct bt *bt)
{
    const struct cpu *cpu = bt->cpu;
    struct bt_hot *hot = hot_of(bt->cpu);
    bool may_fp = !(cpu->paging.cr0 & (CR0_TS | CR0_EM));
    bool may_sse = may_fp && (cpu->paging.cr4 & CR4_OSFXSR);
    /* where AVX may run and SSE may not, the interpreter runs it */
    bool may_avx = may_sse && (cpu->paging.cr4 & CR4_OSXSAVE) && (cpu->xcr0 & XCR0_AVX) && bt->has_avx;

    hot->fp_gate = (uint64_t)(uintptr_t)(may_fp ? bt->gate_load : bt->gate_block);
    hot->sse_gate = (uint64_t)(uintptr_t)(may_sse ? bt->gate_load : bt->gate_block);
    hot->avx_gate = (uint64_t)(uintptr_t)(may_avx ? bt->gate_load_avx : bt->gate_block);
    hot->fp_gate_loaded = (uint64_t)(uintptr_t)bt->gate_ok;
    hot->sse_gate_loaded = (uint64_t)(uintptr_t)(may_sse ? bt->gate_ok : bt->gate_block);
    hot->avx_gate_loaded = (uint64_t)(uintptr_t)(may_avx ? bt->gate_load_upper : bt->gate_block);
}

static void kill_stale(struct bt *bt)
{
    if (!bt->stale)
        return;
    tcache_kill(bt, bt->stale);
    bt->stale = NULL;
}

static enum exit_reason enter(struct bt *bt, const uint8_t *host_pc)
{
    int reason;

    bt_set_gates(bt);
    bt->is_fp_fault = false;
    bt->stats.enters++;
    bt->is_running = true;
    reason = bt->enter(bt->cpu, host_pc);
    bt->is_running = false;
    bt->dead_at_exit = bt->stats.dead_blocks + bt->stats.cache_flushes;
    if (reason != EXIT_CALLOUT)
        kill_stale(bt);
    if (bt->ctx)
        bt->ctx = (struct ctx *)(uintptr_t)hot_of(bt->cpu)->ctx;
    return (enum exit_reason)reason;
}

static bool ctx_is_current(struct bt *bt)
{
    struct cpu *cpu = bt->cpu;
    const struct ctx *c = bt->ctx;

    if (cpu->is_mode_stale)
        cpu_update_mode(cpu);
    return c && c->mode == cpu->mode && c->cs_base == (uint32_t)cpu->seg[SEG_CS].base && c->cs_limit == cpu->seg[SEG_CS].limit;
}

void ctx_enter(struct bt *bt, struct ctx *c)
{
    const struct window *system = c->w->key.is_user ? windows_peer(bt->windows, c->w) : c->w;
    struct bt_hot *hot = hot_of(bt->cpu);

    bt->ctx = c;
    hot->ctx = (uint64_t)(uintptr_t)c;
    hot->window_base = (uint64_t)(uintptr_t)bt->ctx->w->base;
    hot->code_map = (uint64_t)(uintptr_t)&bt->ctx->w->map;
    hot->jump_table = (uint64_t)(uintptr_t)bt->ctx->jump_table;
    hot->soft_key = bt->ctx->w->soft_key;
    hot->system_base = system ? (uint64_t)(uintptr_t)system->base : SEG_POISON;
    hot->minus_epoch = -bt->ctx->w->synced_epoch;
    set_gs_base(bt, hot->window_base);
    bt_reset_return_stack(bt);
}

static void ctx_select(struct bt *bt)
{
    struct ctx *to = ctx_current(bt), *from = bt->ctx; /* which is NULL if making room took it away */

    ctx_enter(bt, to);
    if (from)
        ctx_note(from, to);
}

/* --- finding --- */

bool bt_may_go_on(struct bt *bt)
{
    const struct cpu *cpu = bt->cpu;

    return !atomic_load_explicit(&cpu->exit_request, memory_order_relaxed) && !bt_needs_interpreter(cpu) && !cpu_has_work(cpu) &&
           !cpu->is_halted && !cpu->is_shutdown && ctx_is_current(bt);
}

/* Does control come there for the first time?  Much code of a boot runs only once.  Places that share a bit are translated at once, no more. */
static bool is_cold(struct bt *bt, uint64_t code)
{
    uint64_t h = code * 0x9e3779b97f4a7c15ull >> (64 - SEEN_BITS);

    if (!bt_has(bt, BT_TIERS) || (bt->seen[h / 64] >> (h % 64) & 1))
        return false;
    bt->seen[h / 64] |= 1ull << (h % 64);
    if (bt->stats.cold_runs % SEEN_PERIOD == SEEN_PERIOD - 1)
        memset(bt->seen, 0, (1u << SEEN_BITS) / 8);
    return true;
}

/* Interpret up to where control goes elsewhere. */
static void run_cold(struct bt *bt)
{
    struct cpu *cpu = bt->cpu;
    const struct ctx *c = bt->ctx;
    unsigned n = 0;
    uint32_t rip;

    do {
        rip = (uint32_t)cpu->rip;
        cpu_step(cpu);
        n++;
    } while ((uint32_t)cpu->rip - rip - 1 < 15 && n < COLD_INSNS_MAX && bt->ctx == c && bt_may_go_on(bt));
    bt->stats.cold_runs++;
    bt->stats.cold_insns += n;
}

/* Frame of the code at a linear address; -1: not fetchable, or not memory. */
static int64_t code_frame(struct bt *bt, struct window *w, uint32_t linear)
{
    uint32_t page = linear >> GUEST_PAGE_SHIFT;
    bool is_known = window_code(w, page) != 0;
    int64_t frame = window_code_frame(bt->windows, w, linear, true);

    if (is_known || frame < 0)
        return frame;
    links_check(bt, w, page);
    return (int64_t)window_code(w, page) - 1; /* which may be gone again */
}

static void set_jump(struct bt *bt, struct ctx *c, uint32_t guest_rip, const struct block *b)
{
    if (ctx_is_crowded(c)) {
        jump_table_grow(bt, c);
        hot_of(bt->cpu)->jump_table = (uint64_t)(uintptr_t)c->jump_table;
    }
    ctx_set_jump(c, guest_rip, bt->codemem.exec + block_start(b), bt->stub_miss);
}

/* The block at EIP in the current context, translated if need be, and noted in the jump table if it has an entry for that; wants_entry: it
 * shall have one.  NULL: let the interpreter take the instruction (fetch fault, segment limit), or, with bt->ctx NULL, look again. */
static struct block *lookup(struct bt *bt, uint32_t guest_rip, bool wants_entry, bool *is_left_cold)
{
    struct ctx *c = bt->ctx;
    uint32_t linear = c->cs_base + guest_rip;
    int64_t frame, second = -1;
    uint64_t code;
    struct block *b;

    bt->stats.lookups++;
    if (guest_rip > c->cs_limit)
        return NULL;
    frame = code_frame(bt, c->w, linear);
    if (frame < 0)
        return NULL;
    code = (uint64_t)frame << 12 | (linear & GUEST_PAGE_MASK);
    template_prefetch(bt, code, c);
    b = tcache_find(bt, code, c->kind, guest_rip);
    if (b && b->second_frame && code_frame(bt, c->w, (uint32_t)(linear + GUEST_PAGE_SIZE)) + 1 != b->second_frame) {
        tcache_kill(bt, b);
        b = NULL;
    }
    if (!b || (wants_entry && !b->before)) {
        unsigned avail = GUEST_PAGE_SIZE - (linear & GUEST_PAGE_MASK);
        const struct block *t = bt_has(bt, BT_RELOC) ? template_find(bt, code, c) : NULL;

        if (!b && !t && is_cold(bt, code)) {
            *is_left_cold = true;
            return NULL;
        }
        bt->stats.lookup_misses++;
        if (!tcache_has_room(bt)) {
            tcache_flush(bt);
            return NULL;
        }
        if (avail < 15) {
            const uint8_t *bytes = guestmem_view(bt->cpu->board.guestmem) + code;
            struct insn in;

            if (insn_decode(&in, bytes, avail, c->mode & MODE_CS32 ? 4 : 2) == DECODE_MORE) {
                second = code_frame(bt, c->w, (uint32_t)(linear + avail));
                if (second < 0)
                    return NULL;
                bt->stats.two_page++;
            }
        }
        uint64_t start_ns = bt->opt.want_counts ? clock_now_ns(bt->cpu->board.clock) : 0;

        b = translate_block(bt, c, guest_rip, code, second, t, wants_entry || !bt_has(bt, BT_ENTRIES));
        if (bt->opt.want_counts)
            bt->stats.translate_ns += clock_now_ns(bt->cpu->board.clock) - start_ns;
        if (!b)
            return NULL;
    }
    if (!bt->lockstep && b->before)
        set_jump(bt, c, guest_rip, b);
    return b;
}

/* NULL: the instruction at guest_rip (= cpu->rip) was interpreted, or must be looked up again. */
static struct block *lookup_or_step(struct bt *bt, uint32_t guest_rip, bool wants_entry)
{
    bool is_left_cold = false;
    struct block *b = lookup(bt, guest_rip, wants_entry, &is_left_cold);

    if (is_left_cold)
        run_cold(bt);
    else if (!b && bt->ctx)
        cpu_step(bt->cpu);
    return b;
}

static void chain(struct bt *bt, const struct chain_site *site, struct block *b)
{
    uint32_t stub = cache_off(bt, (const uint8_t *)site) - CHAIN_CALL_BYTES; /* site follows the call of stub_chain */
    uint32_t end = site->jump_end & CHAIN_OFFSET;
    unsigned gated = site->jump_end >> CHAIN_GATED_SHIFT & 3;
    uint32_t entry = b->direct + (gated >= b->gate ? b->gated : 0), to = entry;
    const struct block *from;

    if (end == stub + CHAIN_CALL_BYTES) {
        tcache_forward(bt, end, b);
        return;
    }
    from = tcache_by_jump(bt, end);
    if ((site->jump_end & CHAIN_CROSSES_PAGE) && !(bt_has(bt, BT_LINKS) && links_add(bt, bt->ctx->w, from, b, end, stub))) {
        if (bt->e.end - bt->e.p < BLOCK_ROOM)
            return;
        to = cache_off(bt, xlat_emit_guard(bt, bt->ctx, b, entry));
        bt->stats.guards++;
    }
    tcache_set_jump(bt, from, end, to);
    bt->stats.chains++;
}

/* --- exits --- */

/* Translated code stopped at an instruction: take back the count of those that were not executed. */
static void uncount(struct bt *bt, const struct recover *r)
{
    if (bt->is_counting)
        hot_of(bt->cpu)->icount -= r->rest;
}

static const uint8_t *on_chain(struct bt *bt)
{
    struct bt_hot *hot = hot_of(bt->cpu);
    const struct chain_site *site = (const struct chain_site *)hot->resume;
    uint64_t generation = bt->stats.cache_flushes;
    const struct ctx *c = bt->ctx;
    struct block *b;

    bt->cpu->rip = site->target_rip;
    if (bt->lockstep)
        return NULL;
    b = lookup_or_step(bt, site->target_rip, false);
    if (!b)
        return NULL;
    if (bt->stats.cache_flushes == generation && bt->ctx == c)
        chain(bt, site, b);
    return bt->codemem.exec + b->direct;
}

/* Counts what call-out sites are for: devices, pages with code, #DE and what FP instructions raise. */
static uint64_t needs_of(const struct cpu *cpu)
{
    const uint64_t *e = cpu->stats.exceptions;

    return cpu->stats.indirect_accesses + e[VEC_DE] + e[VEC_MF] + e[VEC_XM];
}

/* Would the window fault there? */
static bool is_unmapped(const struct bt *bt, uint64_t gla, bool is_write)
{
    uint32_t page = window_page(bt->ctx->w, (uint32_t)gla >> GUEST_PAGE_SHIFT);

    return !page || (is_write && !(page & 1));
}

/* The budget of a site is spent.  Hits may have been other sites' misses: if the page is not in the window, it is mapped there and the
 * site has one more chance.  True: it had. */
static bool is_spent(struct bt *bt, uint32_t index, uint64_t gla, bool is_write)
{
    uint64_t frame;

    if (bt->soft->budget[index] != 0)
        return false;
    if (!is_unmapped(bt, gla, is_write))
        return true;
    (void)window_fill(bt->windows, bt->ctx->w, (uint32_t)gla, is_write, &frame);
    site_note_miss(bt, index, SOFT_CREDIT);
    return false;
}

/* The same for a string instruction that is called out. */
static bool is_string_spent(struct bt *bt, const struct callout_site *site)
{
    uint32_t si = (uint32_t)bt->cpu->gpr[REG_SI], di = (uint32_t)bt->cpu->gpr[REG_DI], *budget = &bt->soft->budget[site->site];
    bool is_write = site->arg & SOFT_WRITES, needs_si = (site->arg & SOFT_SI) && is_unmapped(bt, si, false),
         needs_di = (site->arg & SOFT_DI) && is_unmapped(bt, di, is_write);
    uint64_t frame;

    if (!needs_si && !needs_di) {
        *budget -= *budget != 0;
        return *budget == 0;
    }
    if (*budget == 0 && needs_si)
        (void)window_fill(bt->windows, bt->ctx->w, si, false, &frame);
    if (*budget == 0 && needs_di && bt->ctx) /* D is the interpreter's to set: the source may fault */
        (void)window_fill(bt->windows, bt->ctx->w, di, is_write && window_is_dirty(bt->windows, bt->ctx->w, di), &frame);
    site_note_miss(bt, site->site, SOFT_CREDIT_STRING);
    return false;
}

/* A page that fast.c wanted to look at; by now the interpreter has done what sets D there. */
static void fill_missing(struct bt *bt)
{
    struct window *w = bt->missing_in;
    uint64_t frame;

    bt->missing_in = NULL;
    if (w && w->is_used && bt->soft)
        (void)window_soft_fill(bt->windows, w, bt->missing, false, &frame);
    else if (w && w->is_used)
        (void)window_fill(bt->windows, w, bt->missing, false, &frame);
}

/* Interpret the instruction of a call-out; returns where to go on in the same block, or NULL. */
static const uint8_t *on_callout(struct bt *bt)
{
    struct cpu *cpu = bt->cpu;
    const uint8_t *resume = (const uint8_t *)hot_of(cpu)->resume;
    struct callout_site site;
    uint64_t dead = bt->dead_at_exit, indirect; /* a block that was killed since then must not go on */
    uint32_t next;

    memcpy(&site, resume, sizeof(site));
    resume += sizeof(site);
    kill_stale(bt); /* not before: it may overwrite the site */
    cpu->rip = site.guest_rip;
    if (bt->wants_far && bt->ctx)
        ctx_make_far(bt->ctx);
    bt->wants_far = false;
    bt->stats.callouts++;
    bt->causes[site.cause].count++;
    const struct block *b = NULL;
    uint64_t rest = 0;
    if (bt->is_counting) {
        b = tcache_by_host(bt, resume - 1);
        rest = tcache_recover(bt, b, resume - 1)->rest;
    }
    if (bt->lockstep) {
        hot_of(cpu)->icount -= rest;
        lockstep_after(bt->lockstep, b, (unsigned)hot_of(cpu)->icount);
        cpu_step(cpu);
        fill_missing(bt);
        return NULL;
    }
    indirect = needs_of(cpu);
    bool is_string = (site.fast == FAST_NONE || site.fast == FAST_STRING) && (site.arg & SOFT_STRING), is_unworthy = is_string && is_string_spent(bt, &site);
    cpu_step(cpu);
    fill_missing(bt);
    if (is_unworthy) {
        struct block *spent = tcache_by_host(bt, resume - 1);

        bt->stats.soft_released++;
        site_release_soft(bt, site.site, spent->code + (site.guest_rip - spent->guest_rip));
        tcache_kill(bt, spent);
    } else if (site.site != SITE_NONE && !is_string && bt_has(bt, BT_DECAY) &&
        site_note_execution(bt, site.site, needs_of(cpu) != indirect)) {
        bt->stats.sites_released++;
        tcache_kill(bt, tcache_by_host(bt, resume - 1));
    }
    next = site.guest_rip + site.insn_len;
    if (!(cpu->mode & MODE_CS32))
        next &= 0xffff;
    if (site.may_resume && (uint32_t)cpu->rip == next && dead == bt->stats.dead_blocks + bt->stats.cache_flushes && bt_may_go_on(bt)) {
        if (bt->opt.want_counts)
            hot_of(cpu)->icount -= site.is_counted; /* the interpreter counted it */
        return resume; /* (a stale mode was updated by cpu_step) */
    }
    bt->stats.callouts_ended++;
    hot_of(cpu)->icount -= rest;
    return NULL;
}

static void on_gate(struct bt *bt)
{
    struct cpu *cpu = bt->cpu;
    const uint8_t *pc = (const uint8_t *)hot_of(cpu)->resume - 1;
    const struct block *b = tcache_by_host(bt, pc);
    const struct recover *r = tcache_recover(bt, b, pc);

    cpu->rip = recover_rip(b, r);
    uncount(bt, r);
    bt->stats.gates++;
    if (bt->lockstep)
        lockstep_after(bt->lockstep, b, (unsigned)hot_of(cpu)->icount);
    cpu_step(cpu);
}

/* A page with code was written to.  Mostly it held code once and is data now: give its code up, so that the next write is free.  A page
 * where that happens often in a short time really mixes code and data: then its writers shall become call-outs. */
static bool give_up_code(struct bt *bt)
{
    uint64_t now = clock_now_ns(bt->cpu->board.clock), frame = bt->fault_frame;

    if (now - bt->kills_since_ns > FRAME_KILLS_PERIOD_NS) {
        memset(bt->frame_kills, 0, bt->n_frames);
        bt->kills_since_ns = now;
    }
    if (bt->frame_kills[frame] >= FRAME_KILLS_MAX)
        return false;
    bt->frame_kills[frame]++;
    bt->stats.frames_given_up++;
    guestmem_written(bt->cpu->board.guestmem, frame << 12, GUEST_PAGE_SIZE);
    return true;
}

static void on_fault_exit(struct bt *bt)
{
    if (bt->lockstep)
        lockstep_after(bt->lockstep, bt->fault_block,
                       (unsigned)(hot_of(bt->cpu)->icount & 0xffffffff));
    if (bt->is_fp_fault && site_note_fault(bt, bt->fault_code, ARITHMETIC_FAULTS)) {
        bt->stats.retranslated_sites++;
        if (!bt->fault_block->is_dead)
            tcache_kill(bt, (struct block *)bt->fault_block);
    }
    if (bt->fault_kind == WINDOW_GUEST_FAULT && !bt->is_fp_fault && !bt->fault_block->is_dead && site_note_fill(bt, bt->fault_block, bt->fault_code)) {
        bt->stats.soft_sites++;
        tcache_kill(bt, (struct block *)bt->fault_block);
    }
    if (bt->fault_kind != WINDOW_GUEST_FAULT && !(bt->fault_kind == WINDOW_CODE_WRITE && give_up_code(bt)) &&
        site_note_fault(bt, bt->fault_code, bt->fault_kind == WINDOW_CODE_WRITE ? 1 : 2)) {
        bt->stats.retranslated_sites++;
        if (!bt->fault_block->is_dead)
            tcache_kill(bt, (struct block *)bt->fault_block);
    }
    cpu_step(bt->cpu);
    fill_missing(bt);
}

/* Translated again, the instruction will be another kind of access.  Now it is interpreted: it has begun, and no interrupt comes before it. */
static void on_site_exit(struct bt *bt)
{
    if (bt->lockstep)
        lockstep_after(bt->lockstep, bt->fault_block, (unsigned)(hot_of(bt->cpu)->icount & 0xffffffff));
    if (!bt->fault_block->is_dead)
        tcache_kill(bt, (struct block *)bt->fault_block);
    cpu_step(bt->cpu);
}

/* Stopped in host code at pc, of the instruction that r is about. */
static void stopped_at(struct bt *bt, const struct block *b, const struct recover *r)
{
    uncount(bt, r);
    bt->fault_block = b;
    bt->fault_code = b->code + r->rip_off;
}

const uint8_t *soft_miss(struct bt *bt)
{
    struct bt_hot *hot = hot_of(bt->cpu);
    const struct soft_site *site = (const struct soft_site *)hot->resume;
    const uint8_t *pc = (const uint8_t *)site - 1;
    const struct block *b = tcache_by_host(bt, pc);
    const struct recover *r = tcache_recover(bt, b, pc);
    uint64_t code = b->code + r->rip_off;

    bt->ctx = (struct ctx *)(uintptr_t)hot->ctx;
    bt->cpu->rip = recover_rip(b, r);
    /* What may yet fault for another reason must not set D before: the interpreter does. */
    bool sets_dirty = site->is_write && !site->is_plain && !window_is_dirty(bt->windows, bt->ctx->w, hot->soft_gla);
    if (is_spent(bt, site->index, hot->soft_gla, site->is_write && !sets_dirty)) {
        bt->stats.soft_released++;
        site_release_soft(bt, site->index, code);
        stopped_at(bt, b, r);
        return (const uint8_t *)(uintptr_t)EXIT_SITE;
    }
    if (!bt->ctx) { /* the window had to be emptied, as in on_fault() */
        stopped_at(bt, b, r);
        bt_reset_return_stack(bt);
        return (const uint8_t *)(uintptr_t)EXIT_DONE;
    }
    bt->stats.soft_misses++;
    site_note_miss(bt, site->index, SOFT_CREDIT);
    bool is_inside = (hot->soft_gla & GUEST_PAGE_MASK) + site->size <= GUEST_PAGE_SIZE;
    bt->fault_kind = WINDOW_GUEST_FAULT; /* for the interpreter, in any case, if it reaches into the next page */
    if (is_inside && !sets_dirty)
        bt->fault_kind = window_soft_fill(bt->windows, bt->ctx->w, hot->soft_gla, site->is_write, &bt->fault_frame);
    if (bt->fault_kind == WINDOW_RETRY)
        return bt->codemem.exec + b->direct + r->host_off;
    if (is_inside && bt->fault_kind == WINDOW_GUEST_FAULT && site->is_plain) {
        const uint8_t *to = fast_page_fault(bt, recover_rip(b, r), (uint32_t)hot->soft_gla, windows_fault_error(bt->windows));

        if (to != FAST_DECLINED) {
            uncount(bt, r);
            return to;
        }
    }
    stopped_at(bt, b, r);
    return (const uint8_t *)(uintptr_t)EXIT_FAULT;
}

/* --- the fault handler: runs on the signal stack, interrupting translated code only --- */

/* Guest registers that wait elsewhere while an instruction uses their host registers.  A REP that came beyond 64 KiB, or past an element
 * that wraps there, begins anew. */
static void fix_string(struct cpu *cpu, const struct fault *f, unsigned fix)
{
    uint32_t si = (uint32_t)f->regs[FAULT_R10], di = (uint32_t)f->regs[FAULT_R11], cx = (uint32_t)f->regs[FAULT_R8];

    if (fix & FIX_REP16) {
        uint32_t si_now = (uint32_t)(f->regs[FAULT_RSI] - cpu->seg[(fix & ~FIX_SHADOW) >> FIX_SEG_SHIFT].base);
        uint32_t di_now = (uint32_t)(f->regs[FAULT_RDI] - cpu->seg[SEG_ES].base);

        if ((!(fix & FIX_RSI_R10) || si_now <= 0xffff) && (!(fix & FIX_RDI_R11) || di_now <= 0xffff)) {
            si = (si & 0xffff0000) | si_now;
            di = (di & 0xffff0000) | di_now;
            cx = (cx & 0xffff0000) | (uint16_t)f->regs[FAULT_RCX];
        }
        cpu->gpr[REG_CX] = cx;
    }
    if (fix & FIX_FLAGS)
        cpu->eflags = (cpu->eflags & ~EFLAGS_NATIVE) | ((uint32_t)hot_of(cpu)->flags_before & EFLAGS_NATIVE);
    if (fix & FIX_RSI_R10)
        cpu->gpr[REG_SI] = si;
    if (fix & FIX_RDI_R11)
        cpu->gpr[REG_DI] = di;
}

static void save_state(struct bt *bt, struct fault *f, uint32_t guest_rip, unsigned fix)
{
    static const int reg[8] = {FAULT_RAX, FAULT_RCX, FAULT_RDX, FAULT_RBX, FAULT_R13, FAULT_RBP, FAULT_RSI, FAULT_RDI};
    struct cpu *cpu = bt->cpu;

    for (unsigned i = 0; i < 8; i++)
        cpu->gpr[i] = (uint32_t)f->regs[reg[i]];
    cpu->eflags = (cpu->eflags & ~EFLAGS_NATIVE) | ((uint32_t)f->regs[FAULT_EFL] & EFLAGS_NATIVE);
    fix_string(cpu, f, fix);
    cpu->rip = guest_rip;
    if (bt->is_counting)
        hot_of(cpu)->icount = (uint64_t)f->regs[FAULT_R12];
    hot_of(cpu)->ret_rsp = (uint64_t)f->regs[FAULT_RSP];
}

bool bt_leave(struct bt *bt, struct fault *f, enum exit_reason reason)
{
    const uint8_t *pc = (const uint8_t *)f->regs[FAULT_RIP];

    bt->polled_at = cache_off(bt, pc);
    if (pc >= bt->stub_indirect && pc < bt->stub_indirect_end && reason == EXIT_POLL) {
        save_state(bt, f, (uint32_t)f->regs[FAULT_R8], FIX_NONE);
    } else {
        const struct block *b = tcache_by_host(bt, pc);
        const struct recover *r;

        if (!b)
            return false;
        r = tcache_recover(bt, b, pc);
        save_state(bt, f, recover_rip(b, r), r->fix);
        bt->cpu->gpr[REG_SP] = (uint32_t)(bt->cpu->gpr[REG_SP] + (uint64_t)(int64_t)(4 * r->sp_words));
        stopped_at(bt, b, r);
    }
    f->regs[FAULT_R10] = reason;
    f->regs[FAULT_RIP] = (long long)(uintptr_t)bt->stub_signal;
    f->regs[FAULT_EFL] &= ~(long long)EFLAGS_TF;
    return true;
}

static bool is_string_op(const uint8_t *pc)
{
    while (*pc == 0x66 || *pc == 0xf2 || *pc == 0xf3)
        pc++;
    return host_is_string_op(pc);
}

/* The page was mapped.  Does this happen so often here that the instruction shall look pages up in software? */
static bool notes_fill(struct bt *bt, const struct fault *f)
{
    const uint8_t *pc = (const uint8_t *)f->regs[FAULT_RIP];
    const struct block *b = tcache_by_host(bt, pc);

    if (!b || !site_note_fill(bt, b, b->code + tcache_recover(bt, b, pc)->rip_off))
        return false;
    bt->stats.soft_sites++;
    if (!is_string_op(pc))
        return true;
    bt->soft->budget[site_soft(bt, b->code + tcache_recover(bt, b, pc)->rip_off)] = SOFT_CREDIT_STRING;
    bt->stale = (struct block *)b; /* it goes on where it is, which may be in the middle of a REP */
    return false;
}

/* Descriptors that are read in user mode (xlat_segment.c) lie in the other window. */
static struct window *faulting_window(struct bt *bt, const struct fault *f, uint64_t *linear)
{
    const struct bt_hot *hot = hot_of(bt->cpu);
    struct window *peer;

    *linear = f->address - hot->window_base;
    if (!f->has_address || !bt->ctx)
        return NULL;
    if (*linear < WINDOW_BYTES)
        return bt->ctx->w;
    *linear = f->address - hot->system_base;
    peer = bt->ctx->w->key.is_user && *linear < WINDOW_BYTES ? windows_peer(bt->windows, bt->ctx->w) : NULL;
    return peer && (uint64_t)(uintptr_t)peer->base == hot->system_base ? peer : NULL;
}

/* A kick that crossed the machine thread's clearing of exit_request may leave poll NULL alone. */
static void rearm_poll(struct cpu *cpu)
{
    if (atomic_load(&cpu->exit_request))
        return;
    atomic_store(&cpu->poll, &cpu->poll_word);
    if (atomic_load(&cpu->exit_request))
        atomic_store(&cpu->poll, NULL);
}

static bool on_fault(void *opaque, struct fault *f)
{
    struct bt *bt = opaque;
    struct window *w;
    uint64_t linear;

    if (f->kind == FAULT_STEP || f->kind == FAULT_INTERRUPT) {
        bt_interrupted(bt, f);
        return true;
    }
    if (!bt->is_running || !is_in_cache(bt, (const uint8_t *)f->regs[FAULT_RIP]))
        return false;
    if (check_is_failure(bt, (const uint8_t *)f->regs[FAULT_RIP]))
        check_report(bt, f);
    if (f->kind == FAULT_ARITHMETIC) {
        bt->is_fp_fault = true;
        bt->stats.sig_fpe++;
        bt->fault_kind = WINDOW_GUEST_FAULT;
        return bt_leave(bt, f, EXIT_FAULT);
    }
    if (f->kind != FAULT_MEMORY) {
        /* The host cannot run what we copied (an instruction set we believed it had): the interpreter decides, and again each time. */
        log_unimp("host signal %d in translated code", f->signo);
        bt->stats.sig_other++;
        bt->fault_kind = WINDOW_DEVICE;
        return bt_leave(bt, f, EXIT_FAULT);
    }
    if (f->has_address && f->address < 4096) {
        bt->stats.sig_poll++;
        if (bt_has(bt, BT_ASYNC)) { /* in gen_load() of stubs.c, about to jump to R11 */
            rearm_poll(bt->cpu);
            f->regs[FAULT_RIP] = f->regs[FAULT_R11];
            f->regs[FAULT_R9] = f->regs[FAULT_RCX];
            bt_interrupted(bt, f);
            return true;
        }
        return bt_leave(bt, f, EXIT_POLL);
    }
    if (f->has_address && f->address >= (uintptr_t)bt->return_stack &&
        f->address < (uintptr_t)bt->return_stack + RETURN_STACK_GUARD) {
        bt->stats.sig_stack++;
        f->regs[FAULT_RSP] = (long long)hot_of(bt->cpu)->ret_top; /* forget all predictions; run the push again */
        return true;
    }
    if (bt->ctx)
        bt->ctx = (struct ctx *)(uintptr_t)hot_of(bt->cpu)->ctx;
    w = faulting_window(bt, f, &linear);
    if (w) {
        bt->fault_kind = window_fill(bt->windows, w, linear, f->is_write, &bt->fault_frame);
        switch (bt->fault_kind) {
        case WINDOW_RETRY:
            bt->stats.sig_fill++;
            if (bt->ctx)
                return !notes_fill(bt, f) || bt_leave(bt, f, EXIT_SITE);
            /* The window had to be emptied, and the contexts with their jump tables went with it. */
            if (!bt_leave(bt, f, EXIT_SITE))
                return false;
            bt_reset_return_stack(bt);
            return true;
        case WINDOW_GUEST_FAULT:
            bt->stats.sig_guest_fault++;
            break;
        case WINDOW_DEVICE:
            bt->stats.sig_device++;
            break;
        case WINDOW_CODE_WRITE:
            bt->stats.sig_code_write++;
            break;
        }
    } else {
        bt->stats.sig_guest_fault++; /* beyond a segment limit, or wrapping at 4 GiB */
        bt->fault_kind = WINDOW_GUEST_FAULT;
    }
    return bt_leave(bt, f, EXIT_FAULT);
}

/* --- the loop --- */

const uint8_t *bt_resume_with_rf(struct bt *bt, const struct block *b)
{
    if (b->resumed == NO_RESUMED)
        return NULL;
    bt->cpu->eflags &= ~EFLAGS_RF;
    bt->resumed_at = bt->codemem.exec + b->direct + b->resumed;
    return bt->resumed_at;
}

/* wants_entry: control will come here again in the same way. */
static void run_block(struct bt *bt, bool wants_entry)
{
    struct cpu *cpu = bt->cpu;
    uint32_t rip = (uint32_t)cpu->rip;
    const uint8_t *pc = ctx_jump(bt->ctx, rip);
    struct block *b = NULL;

    if (cpu->eflags & EFLAGS_RF) {
        b = lookup_or_step(bt, rip, false);
        if (!b)
            return;
        pc = bt_resume_with_rf(bt, b);
        if (!pc) {
            cpu_step(cpu);
            return;
        }
    } else if (pc == bt->stub_miss) {
        b = lookup_or_step(bt, rip, wants_entry);
        if (!b)
            return;
        pc = bt->codemem.exec + b->direct;
    }
    if (bt->lockstep) {
        bt_reset_return_stack(bt);
        hot_of(cpu)->icount = 0;
        lockstep_before(bt->lockstep, b);
        atomic_store(&cpu->poll, &cpu->poll_word); /* no poll: exit_request is seen after the block */
    }
    while (pc) {
        enum exit_reason reason = enter(bt, pc);

        pc = NULL;
        switch (reason) {
        case EXIT_CHAIN:
            pc = on_chain(bt);
            break;
        case EXIT_CALLOUT:
            pc = on_callout(bt);
            continue; /* compared there */
        case EXIT_GATE:
            on_gate(bt);
            continue;
        case EXIT_FAULT:
            on_fault_exit(bt);
            continue;
        case EXIT_SITE:
            on_site_exit(bt);
            continue;
        case EXIT_POLL:
            bt->stats.polls++;
            tcache_note_poll(bt);
            rearm_poll(cpu);
            break;
        case EXIT_DONE:
            break;
        case EXIT_REASONS:
            break;
        case EXIT_LOOKUP:
            if (!bt->lockstep && (b = lookup_or_step(bt, (uint32_t)cpu->rip, true)) != NULL)
                pc = bt->codemem.exec + b->direct;
            break;
        }
        if (bt->lockstep)
            lockstep_after(bt->lockstep, b, (unsigned)hot_of(cpu)->icount);
        if (pc && atomic_load_explicit(&cpu->exit_request, memory_order_relaxed))
            return; /* cpu->rip is the target */
    }
}

void bt_run(struct bt *bt)
{
    struct cpu *cpu = bt->cpu;

    fault_set_client(&bt->fault_client);
    while (!atomic_load_explicit(&cpu->exit_request, memory_order_relaxed)) {
        bool is_interrupted = cpu_has_work(cpu);

        if (is_interrupted)
            cpu_take_work(cpu);
        cpu->is_mid_rep = false;
        if (cpu->is_halted || cpu->is_shutdown)
            break;
        if (cpu->is_mode_stale)
            cpu_update_mode(cpu);
        if (bt->lockstep ? bt_needs_interpreter(cpu) : bt_must_interpret(cpu)) {
            bt->stats.interp_shadow++;
            cpu_step(cpu);
            continue;
        }
        if (!ctx_is_current(bt))
            ctx_select(bt);
        run_block(bt, is_interrupted && !bt->lockstep);
    }
    cpu->stats.insns_bt = bt->lockstep ? bt->stats.lockstep_insns : hot_of(cpu)->icount;
    fault_set_client(NULL);
}

/* --- hooks from the CPU --- */

/* CR3 was loaded, or CR0, CR4, EFER or A20 changed.  Windows are keyed by the paging bits: only their contents may be stale. */
static void on_flush(void *opaque)
{
    struct bt *bt = opaque;

    windows_new_epoch(bt->windows);
    bt->ctx = NULL;
}

static void on_flush_page(void *opaque, gla_t gla)
{
    struct bt *bt = opaque;

    if (bt->ctx)
        window_flush_page(bt->windows, bt->ctx->w, gla);
    else
        windows_flush_page(bt->windows, gla);
}

static void on_written(void *opaque, uint64_t off, uint64_t len)
{
    struct bt *bt = opaque;

    windows_written(bt->windows, off, len);
    tcache_invalidate(bt, off, len);
}

static void on_space_changed(void *opaque)
{
    struct bt *bt = opaque;

    windows_flush_all(bt->windows);
    bt->ctx = NULL;
}

/* --- life --- */

static bool make_return_stack(struct bt *bt)
{
    struct bt_hot *hot = hot_of(bt->cpu);
    uint8_t *p = mmap(NULL, RETURN_STACK_GUARD + RETURN_STACK_BYTES + 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || mprotect(p, RETURN_STACK_GUARD, PROT_NONE) != 0)
        return false;
    bt->return_stack = p;
    hot->ret_top = (uint64_t)(uintptr_t)p + RETURN_STACK_GUARD + RETURN_STACK_BYTES;
    *(uint64_t *)hot->ret_top = (uint64_t)(uintptr_t)bt->stub_underflow;
    hot->ret_rsp = hot->ret_top;
    return true;
}

/* Of a memfd, so that /proc/PID/smaps says what the memory is for. */
static void *make_table(const struct bt *bt)
{
    int fd = memfd_create("ringer-code-tables", MFD_CLOEXEC);
    void *p = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, (off_t)bt->cache_bytes) == 0)
        p = mmap(NULL, bt->cache_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (fd >= 0)
        close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static void free_table(const struct bt *bt, void *p)
{
    if (p)
        munmap(p, bt->cache_bytes);
}

static void free_tables(struct bt *bt)
{
    free_table(bt, bt->blocks);
    free_table(bt, bt->recover);
    free_table(bt, bt->relocs);
    free(bt->by_host);
    free(bt->kinds);
    free(bt->window_ctxs);
    free(bt->templates);
    free(bt->frame_blocks);
    free(bt->frame_kills);
    free(bt->frame_sites);
    free(bt->seen);
    free(bt->hash);
    free(bt);
}

struct bt *bt_create(struct cpu *cpu, const struct bt_options *opt, const char **why)
{
    struct bt *bt = aligned_alloc(64, (sizeof(*bt) + 63) & ~(size_t)63);
    unsigned eax, ebx, ecx, edx;
    int error;

    if (!bt) {
        *why = "out of memory";
        return NULL;
    }
    memset(bt, 0, sizeof(*bt));
    bt->cpu = cpu;
    bt->opt = *opt;
    bt->is_counting = opt->want_counts || opt->is_lockstep;
    bt->table_fd = -1;
    bt->cache_bytes = opt->cache_bytes ? opt->cache_bytes : DEFAULT_CACHE_BYTES;
    bt->n_frames = guestmem_size(cpu->board.guestmem) >> 12;
    bt->has_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
    __builtin_cpu_init();
    bt->has_bmi2 = __builtin_cpu_supports("bmi2");
    bt->has_sahf = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & 1); /* LAHF, SAHF in 64-bit mode */
    bt->has_avx = __builtin_cpu_supports("avx");
    bt->hash_mask = 1;
    while ((bt->hash_mask + 1) * (uint64_t)CACHE_PER_HASH < bt->cache_bytes)
        bt->hash_mask = bt->hash_mask * 2 + 1;
    bt->hash = calloc(bt->hash_mask + 1, sizeof(*bt->hash));
    bt->frame_kills = calloc(bt->n_frames + 1, 1);
    bt->frame_sites = calloc(bt->n_frames + 1, sizeof(*bt->frame_sites));
    bt->seen = calloc((1u << SEEN_BITS) / 64, sizeof(*bt->seen));
    bt->templates = calloc(1u << TEMPLATE_BITS, sizeof(*bt->templates));
    if (opt->is_lockstep || !opt->want_tiers)
        bt->opt.without |= 1u << BT_TIERS;
    bt->frame_blocks = calloc(bt->n_frames + 1, sizeof(*bt->frame_blocks));
    bt->by_host = calloc(bt->cache_bytes / BY_HOST_STEP + 2, sizeof(*bt->by_host));
    bt->blocks = make_table(bt);
    bt->recover = make_table(bt);
    bt->relocs = make_table(bt);
    error = codemem_create(&bt->codemem, bt->cache_bytes, true);
    if (error || !bt->blocks || !bt->recover || !bt->relocs || !bt->frame_blocks || !bt->frame_kills || !bt->frame_sites || !bt->seen ||
        !bt->by_host || !bt->templates || !bt->hash) {
        *why = error ? "cannot map the code cache (does the host forbid generated code?)" : "out of memory";
        goto out_free;
    }
    bt->e = (struct emit){.p = bt->codemem.write, .write_base = bt->codemem.write, .exec_base = bt->codemem.exec,
                          .end = bt->codemem.write + bt->codemem.size};
    hot_of(cpu)->mxcsr_default = 0x1f80;
    hot_of(cpu)->bt = bt;
    if (bt_has(bt, BT_SOFT) && bt->has_bmi2)
        bt->soft = soft_create(bt->n_frames, cpu);
    if (bt_has(bt, BT_SEGMENTS) && bt_has(bt, BT_FAST) && bt->has_bmi2)
        bt->segments = segments_create();
    hot_of(cpu)->segments = (uint64_t)(uintptr_t)bt->segments;
    stubs_generate(bt);
    if (opt->is_checked)
        check_generate(bt);
    bt->code_start = (uint32_t)(bt->e.p - bt->codemem.write);
    bt->table_fd = jump_table_template(bt->stub_miss);
    if (bt->table_fd < 0 || !make_return_stack(bt)) {
        *why = "out of memory";
        goto out_codemem;
    }
    bt->links = links_create();
    bt->windows = bt->links ? windows_create(cpu, bt->soft, bt_has(bt, BT_SHARE), bt_has(bt, BT_QUIET), ctx_code_gone, bt) : NULL;
    if (!bt->windows) {
        links_destroy(bt->links);
        *why = "cannot reserve address space for guest windows";
        goto out_codemem;
    }
    if (opt->is_lockstep)
        bt->lockstep = lockstep_create(bt);
    if (opt->want_perf_map)
        perf_map_open(bt);
    fault_install();
    bt->fault_client = (struct fault_client){.fn = on_fault, .opaque = bt};
    cpu->mmu_hooks = (struct cpu_mmu_hooks){.flush_all = on_flush, .load_cr3 = on_flush, .flush_page = on_flush_page,
                                            .opaque = bt};
    guestmem_add_watch(cpu->board.guestmem, on_written, bt);
    space_add_listener(cpu->board.mem, on_space_changed, bt);
    return bt;

out_codemem:
    soft_destroy(bt->soft);
    segments_destroy(bt->segments);
    if (bt->table_fd >= 0)
        close(bt->table_fd);
    codemem_destroy(&bt->codemem);
out_free:
    free_tables(bt);
    return NULL;
}

void bt_destroy(struct bt *bt)
{
    if (!bt)
        return;
    bt->cpu->mmu_hooks = (struct cpu_mmu_hooks){0};
    tcache_flush(bt);
    lockstep_destroy(bt->lockstep);
    windows_destroy(bt->windows);
    links_destroy(bt->links);
    soft_destroy(bt->soft);
    segments_destroy(bt->segments);
    if (bt->perf_map)
        fclose(bt->perf_map);
    munmap(bt->return_stack, RETURN_STACK_GUARD + RETURN_STACK_BYTES + 4096);
    close(bt->table_fd);
    codemem_destroy(&bt->codemem);
    free_tables(bt);
}

unsigned bt_counters(const struct bt *bt, struct bt_counter *out, unsigned max)
{
    const struct bt_stats *s = &bt->stats;
    const struct window_stats *w = windows_stats(bt->windows);
    uint64_t signals = s->sig_fill + s->sig_guest_fault + s->sig_device + s->sig_code_write + s->sig_poll + s->interrupted + s->steps + s->sig_fpe + s->sig_stack + s->sig_other;
    const struct bt_counter all[] = {
        {"blocks", s->blocks},
        {"guest bytes translated", s->guest_bytes},
        {"host bytes emitted", s->host_bytes},
        {"bytes of block tables", tcache_table_bytes(bt)},
        {"nanoseconds of translation", s->translate_ns},
        {"chains", s->chains},
        {"chains with a guard", s->guards},
        {"chains between pages without", s->links},
        {"of them cut", s->links_cut},
        {"entries from the dispatcher", s->enters},
        {"lookups", s->lookups},
        {"lookup misses", s->lookup_misses},
        {"call-outs", s->callouts},
        {"call-outs that ended the block", s->callouts_ended},
        {"floating-point gates closed", s->gates},
        {"polls taken", s->polls},
        {"blocks made longer where they were taken", s->lengthened},
        {"code cache, large pages", s->huge_pages},
        {"interpreted for shadows and traps", s->interp_shadow},
        {"blocks killed", s->dead_blocks},
        {"sites retranslated as call-outs", s->retranslated_sites},
        {"sites translated in full again", s->sites_released},
        {"call-outs done in place", s->fast},
        {"lookups done in place", s->fast_lookups},
        {"indirect jumps predicted", s->predicted},
        {"segment descriptors made known", s->resolved},
        {"sites with software lookup", s->soft_sites},
        {"of them given up", s->soft_released},
        {"software lookups that missed", s->soft_misses},
        {"copied from another address", s->relocated},
        {"runs of cold code", s->cold_runs},
        {"instructions in them", s->cold_insns},
        {"pages of code given up", s->frames_given_up},
        {"blocks over two pages", s->two_page},
        {"code cache flushes", s->cache_flushes},
        {"contexts", s->ctxs},
        {"signals", signals},
        {"signals: window fill", s->sig_fill},
        {"signals: guest fault", s->sig_guest_fault},
        {"signals: device access", s->sig_device},
        {"signals: write to a page with code", s->sig_code_write},
        {"signals: poll", s->sig_poll},
        {"signals: interrupted between instructions", s->interrupted},
        {"signals: steps of host instructions", s->steps},
        {"signals: divide or FP error", s->sig_fpe},
        {"signals: return stack full", s->sig_stack},
        {"signals: other", s->sig_other},
        {"windows", w->windows},
        {"window fills", w->fills},
        {"window fills, user", w->user_fills},
        {"window map calls", w->map_calls},
        {"window drops", w->drops},
        {"window resets", w->resets},
        {"window handed to another address space", w->rebases},
        {"window pages mapped", w->fill_pages},
        {"window write upgrades", w->upgrades},
        {"window pages dropped", w->drop_pages},
        {"page-table pages compared", w->tables.syncs},
        {"of them write-protected", w->tables.quiet},
        {"write-protected ones written to", w->tables.woken},
        {"code pages protected", w->protects},
        {"blocks compared in lock-step", s->lockstep_blocks},
    };
    unsigned n = 0;

    for (; n < ARRAY_SIZE(all) && n < max; n++)
        out[n] = all[n];
    return n;
}

static int by_count(const void *a, const void *b)
{
    const struct callout_cause *x = a, *y = b;

    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

unsigned bt_callouts(const struct bt *bt, struct bt_callout *out, unsigned max)
{
    struct callout_cause sorted[MAX_CAUSES];
    unsigned n = 0;

    memcpy(sorted, bt->causes, sizeof(sorted));
    qsort(sorted, bt->n_causes, sizeof(sorted[0]), by_count);
    for (; n < bt->n_causes && n < max && sorted[n].count; n++)
        out[n] = (struct bt_callout){.name = sorted[n].desc->name ? sorted[n].desc->name : "(undefined)",
                                     .is_site = sorted[n].is_site, .count = sorted[n].count};
    return n;
}
