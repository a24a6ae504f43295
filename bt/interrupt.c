/* Stopping translated code when somebody wants the CPU: it does not look for that itself.
 *
 * Whoever calls cpu_kick() also interrupts the machine thread by a signal (host/fault.h).  If that finds translated code between two guest
 * instructions, it leaves there, as a fault would; else it runs one host instruction after the other (EFLAGS.TF) until that is so, mostly
 * one or two.  While C code runs, the signal does nothing: bt_run() looks at exit_request, and gen_load() of stubs.c, which all ways
 * from C code back to translated code go through, polls. */
#include "bt/priv.h"

#define PUSHFQ 0x9c
#define POPFQ  0x9d

/* The host instruction to be run next saves or loads EFLAGS: TF is ours, and nobody else must see or lose it. */
static void hide_step(const struct bt *bt, struct fault *f)
{
    while (*(const uint8_t *)f->regs[FAULT_RIP] == PUSHFQ) {
        if ((uintptr_t)f->regs[FAULT_RSP] - 8 - (uintptr_t)bt->return_stack < RETURN_STACK_GUARD)
            f->regs[FAULT_RSP] = (long long)hot_of(bt->cpu)->ret_top;
        f->regs[FAULT_RSP] -= 8;
        *(uint64_t *)f->regs[FAULT_RSP] = (uint64_t)f->regs[FAULT_EFL] & ~(uint64_t)EFLAGS_TF;
        f->regs[FAULT_RIP]++;
    }
    if (*(const uint8_t *)f->regs[FAULT_RIP] == POPFQ)
        *(uint64_t *)f->regs[FAULT_RSP] |= EFLAGS_TF;
}

/* A repeated string instruction, at its prefixes. */
static bool is_rep(const uint8_t *pc)
{
    bool has_rep = false;

    for (; *pc == 0x66 || *pc == 0xf2 || *pc == 0xf3; pc++)
        has_rep |= *pc != 0x66;
    return has_rep && host_is_string_op(pc);
}

/* Between two instructions, or two iterations of one, where an interrupt may be taken? */
static bool may_leave(struct bt *bt, const uint8_t *pc, bool is_step)
{
    const struct block *b = tcache_by_host(bt, pc);
    const struct recover *r = b ? tcache_recover(bt, b, pc) : NULL;
    bool is_begun = bt->stepped_at == pc; /* and not for the first time: a REP */

    bt->stepped_at = pc;
    if (!b)
        return false;
    if (pc == bt->resumed_at && !is_step)
        return false; /* perhaps entered just now, with RF, which is gone */
    if (r->host_off == cache_off(bt, pc) - b->direct && r->fix == FIX_NONE)
        return true;
    if (!is_begun || !is_rep(pc))
        return false;
    bt->cpu->is_mid_rep = true;
    return true;
}

/* Of kind FAULT_MEMORY, at where gen_load() is about to jump to: at least one host instruction runs, which is progress. */
void bt_interrupted(struct bt *bt, struct fault *f)
{
    const uint8_t *pc = (const uint8_t *)f->regs[FAULT_RIP];

    f->regs[FAULT_EFL] &= ~(long long)EFLAGS_TF;
    if (!bt->is_running || !is_in_cache(bt, pc) || bt->lockstep || !bt_has(bt, BT_ASYNC) || !atomic_load(&bt->cpu->exit_request))
        return;
    if (f->kind != FAULT_STEP)
        bt->stepped_at = NULL;
    if (f->kind != FAULT_MEMORY && may_leave(bt, pc, f->kind == FAULT_STEP)) {
        bt->stats.interrupted++;
        bt_leave(bt, f, EXIT_POLL);
        return;
    }
    bt->stats.steps++;
    hide_step(bt, f);
    f->regs[FAULT_EFL] |= EFLAGS_TF;
}
