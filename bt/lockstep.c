/* Lock-step: before a block runs as host code, the interpreter runs it, instruction by instruction, and is rolled back; afterwards
 * registers, flags, segments, FP state and every byte of memory the interpreter wrote are compared.  The first difference ends the
 * program with a report.
 *
 * The interpreter's look-ahead must leave no trace: guest RAM writes are journalled through cpu->probe, and an instruction that
 * wants a device or a page with code stops it.  Call-outs are not compared: they are the interpreter.  What bt/fast.c and bt/xlat_far.c
 * do is: the look-ahead executes those instructions too.  Should they decline, the state before is compared. */
#include "bt/priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/hostfp.h"
#include "cpu/ops.h"
#include "cpu/tlb.h"
#include "host/log.h"

#define FSW_TOP_SHIFT 11
#define MAX_STEPS (BLOCK_MAX_INSNS + 1)
#define MAX_REP_ROUNDS (1u << 24)

struct regs {
    uint64_t gpr[8], base[SEG_COUNT];
    uint32_t limit[SEG_COUNT];
    uint16_t sel[SEG_COUNT], attr[SEG_COUNT];
    bool is_null[SEG_COUNT];
    uint8_t cpl;
    uint64_t rip;
    uint32_t eflags;
};

struct journal_entry {
    uint8_t *host;
    unsigned len, step, old_at, new_at; /* places of the bytes in data[] */
};

struct lockstep {
    struct bt *bt;
    struct cpu_probe probe;
    struct cpu *saved; /* image of struct cpu before the look-ahead */
    struct regs states[MAX_STEPS + 1];
    uint8_t fpu[MAX_STEPS + 1][XSAVE_SIZE]; /* of a block without FP instructions [0] and the last only */
    unsigned n_states, step; /* states[i]: after i instructions */
    struct journal_entry *entries; /* both grow: a REP MOVS may write megabytes */
    unsigned n_entries, cap_entries;
    uint8_t *data;
    unsigned data_len, cap_data;
    unsigned spoiled; /* bytes below SP that an instruction has pushed in place before it faulted */
};

static unsigned keep(struct lockstep *ls, const uint8_t *bytes, unsigned len)
{
    unsigned at = ls->data_len;

    if (at + len > ls->cap_data) {
        ls->cap_data = (at + len) * 2;
        ls->data = realloc(ls->data, ls->cap_data);
        if (!ls->data)
            BUG("out of memory for the lock-step journal");
    }
    memcpy(ls->data + at, bytes, len);
    ls->data_len += len;
    return at;
}

static void before_write(void *opaque, uint8_t *host, unsigned len)
{
    struct lockstep *ls = opaque;

    ls->entries = bt_grow(ls->entries, ls->n_entries, &ls->cap_entries, sizeof(*ls->entries));
    ls->entries[ls->n_entries++] = (struct journal_entry){.host = host, .len = len, .step = ls->step,
                                                          .old_at = keep(ls, host, len)};
}

/* A call of memcpy(), which is faster than what the compiler makes of known sizes. */
static __attribute__((noinline)) void copy_bytes(void *to, const void *from, size_t len)
{
    memcpy(to, from, len);
}

/* The parts of struct cpu that a look-ahead may change.  None of its instructions loads LDTR or TR or writes an MSR, no fault is
 * delivered, and the kick flags belong to other threads. */
static void copy_cpu(struct cpu *to, const struct cpu *from)
{
    static const struct {
        size_t from, to;
    } part[] = {{0, offsetof(struct cpu, poll)},
                {offsetof(struct cpu, seg), offsetof(struct cpu, gdtr)},
                {offsetof(struct cpu, cpl), offsetof(struct cpu, exit_request)},
                {offsetof(struct cpu, stats.insns_interp), offsetof(struct cpu, stats.sens_sites)},
                {offsetof(struct cpu, stats.soft_interrupts), offsetof(struct cpu, stats.task_switches)},
                {offsetof(struct cpu, fpu), offsetof(struct cpu, fpu) + XSAVE_SIZE}};

    for (size_t i = 0; i < ARRAY_SIZE(part); i++)
        copy_bytes((char *)to + part[i].from, (const char *)from + part[i].from, part[i].to - part[i].from);
}

static void take_regs(struct regs *r, const struct cpu *cpu)
{
    memcpy(r->gpr, cpu->gpr, sizeof(r->gpr));
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        r->base[i] = cpu->seg[i].base;
        r->limit[i] = cpu->seg[i].limit;
        r->sel[i] = cpu->seg[i].sel;
        r->attr[i] = cpu->seg[i].attr;
        r->is_null[i] = cpu->seg[i].is_null;
    }
    r->cpl = cpu->cpl;
    r->rip = cpu->rip;
    r->eflags = cpu->eflags & ~EFLAGS_RF;
}

static bool may_look_ahead(const struct insn *in)
{
    return in->desc->iclass == INNOCUOUS || in->desc->iclass == BRANCH ||
           (insn_is(in, op_mov_from_sreg) && !in->is_mem) || insn_is(in, op_push_sreg) || insn_is(in, op_pushf) ||
           insn_is(in, op_popf) || insn_is(in, op_cli) || insn_is(in, op_sti) || insn_is(in, op_mov_from_cr) ||
           insn_is(in, op_xsave) || insn_is(in, op_xrstor);
}

/* Segment loads, far transfers and interrupts that are done in place or fast: those of bt/xlat_real.c, bt/xlat_far.c, bt/fast.c. */
static bool may_change_segments(const struct cpu *cpu, const struct insn *in)
{
    bool is_protected = mode_is_protected(cpu->mode);

    if (insn_is(in, op_mov_to_sreg) || insn_is(in, op_pop_sreg) || insn_is(in, op_int) || insn_is(in, op_iret))
        return true;
    if (is_protected && (insn_is(in, op_sysenter) || insn_is(in, op_sysexit)))
        return true;
    return insn_is(in, op_lseg_ptr) || insn_is(in, op_jmp_far_ptr) || insn_is(in, op_jmp_far_ind) || insn_is(in, op_call_far_ptr) ||
           insn_is(in, op_call_far_ind) || insn_is(in, op_ret_far);
}

static bool is_rep_string(const struct insn *in)
{
    return in->rep && (in->desc->attr & ATTR_REP);
}

/* One instruction of the look-ahead, a REP string instruction with all its rounds.  False: it belongs to what is not compared. */
static bool step_ahead(struct lockstep *ls, const struct block *b)
{
    struct cpu *cpu = ls->bt->cpu;
    const struct insn *in = cpu_probe_fetch(cpu);
    uint32_t rip = (uint32_t)cpu->rip, next;
    unsigned rounds = 0;

    if (!in || (!may_look_ahead(in) && !may_change_segments(cpu, in)))
        return false;
    next = (rip + in->len) & (block_kind(ls->bt, b)->mode & MODE_CS32 ? 0xffffffffu : 0xffffu);
    do {
        cpu_probe_execute(cpu, in);
    } while (is_rep_string(in) && (uint32_t)cpu->rip == rip && !ls->probe.is_stopped && ++rounds < MAX_REP_ROUNDS);
    if (ls->probe.is_stopped)
        return false;
    ls->step++;
    if (b->gate)
        copy_bytes(ls->fpu[ls->n_states], cpu->fpu, XSAVE_SIZE);
    take_regs(&ls->states[ls->n_states++], cpu);
    if (cpu->is_mode_stale)
        cpu_update_mode(cpu);
    if (cpu->mode != block_kind(ls->bt, b)->mode)
        return false;
    return (uint32_t)cpu->rip == next; /* a branch taken leaves the block */
}

void lockstep_before(struct lockstep *ls, const struct block *b)
{
    struct bt *bt = ls->bt;
    struct cpu *cpu = bt->cpu;

    /* A REP string instruction would stop for it; the kick is given again below. */
    bool was_kicked = atomic_exchange(&cpu->exit_request, false);

    copy_cpu(ls->saved, cpu);
    ls->n_states = ls->n_entries = ls->data_len = ls->step = 0;
    ls->probe.is_stopped = false;
    cpu->probe = &ls->probe;
    copy_bytes(ls->fpu[0], cpu->fpu, XSAVE_SIZE);
    take_regs(&ls->states[ls->n_states++], cpu);
    while (ls->n_states <= b->n_insns && step_ahead(ls, b))
        ;
    cpu->probe = NULL;
    if (!b->gate && ls->n_states > 1)
        copy_bytes(ls->fpu[ls->n_states - 1], cpu->fpu, XSAVE_SIZE);
    for (unsigned i = ls->n_entries; i-- > 0;) {
        struct journal_entry *e = &ls->entries[i];

        e->new_at = keep(ls, e->host, e->len);
        memcpy(e->host, ls->data + e->old_at, e->len);
    }
    copy_cpu(cpu, ls->saved);
    if (was_kicked)
        cpu_kick(cpu);
    ls->bt->stats.lockstep_blocks++;
}

/* --- comparing --- */

static bool fpu_differs(const uint8_t *a, const uint8_t *b)
{
    if (memcmp(a, b, 6) != 0 || memcmp(a + 24, b + 24, 4) != 0)
        return true;
    for (unsigned i = 0; i < 8; i++)
        if (memcmp(a + 32 + 16 * i, b + 32 + 16 * i, 10) != 0)
            return true;
    return memcmp(a + FX_XMM, b + FX_XMM, 128) != 0 || memcmp(a + FX_YMM, b + FX_YMM, 128) != 0;
}

/* Is fpu[n] there? */
static bool has_fpu(const struct lockstep *ls, const struct block *b, unsigned n)
{
    return b->gate || n == 0 || n == ls->n_states - 1;
}

static void print_regs(const char *who, const struct regs *r)
{
    fprintf(stderr, "%-11s eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi %08x eip %08x flags %06x\n", who,
            (unsigned)r->gpr[0], (unsigned)r->gpr[1], (unsigned)r->gpr[2], (unsigned)r->gpr[3], (unsigned)r->gpr[4],
            (unsigned)r->gpr[5], (unsigned)r->gpr[6], (unsigned)r->gpr[7], (unsigned)r->rip, r->eflags);
}

static void print_fpu(const char *who, const uint8_t *f)
{
    fprintf(stderr, "%-11s fcw %04x fsw %04x ftw %02x mxcsr %08x\n", who, (unsigned)load_le(f, 2), (unsigned)load_le(f + 2, 2), f[4],
            (unsigned)load_le(f + 24, 4));
    for (unsigned i = 0; i < 8; i++)
        fprintf(stderr, "   st%u %04x%016llx  ymm%u %016llx%016llx %016llx%016llx\n", i,
                (unsigned)load_le(f + FX_ST + 8 + 16 * i, 2), (unsigned long long)load_le(f + FX_ST + 16 * i, 8), i,
                (unsigned long long)load_le(f + FX_YMM + 8 + 16 * i, 8), (unsigned long long)load_le(f + FX_YMM + 16 * i, 8),
                (unsigned long long)load_le(f + FX_XMM + 8 + 16 * i, 8), (unsigned long long)load_le(f + FX_XMM + 16 * i, 8));
}

_Noreturn static void report(struct lockstep *ls, const struct block *b, unsigned n, const struct regs *got, const uint8_t *fpu,
                             const char *what)
{
    unsigned last = n < ls->n_states ? n : ls->n_states - 1;
    const struct regs *want = &ls->states[last];

    fprintf(stderr, "ringer: lock-step difference in %s after %u of %u instructions of the block at %#x (mode %#x, cs base %#x)\n",
            what, n, b->n_insns, b->guest_rip, block_kind(ls->bt, b)->mode, block_kind(ls->bt, b)->cs_base);
    print_regs("before", &ls->states[0]);
    print_regs("interpreter", want);
    print_regs("translated", got);
    if (has_fpu(ls, b, last) && fpu_differs(ls->fpu[last], fpu)) {
        print_fpu("interpreter", ls->fpu[last]);
        print_fpu("translated", fpu);
    }
    block_dump(ls->bt, b, stderr);
    fflush(stderr);
    exit(70);
}

/* Is it one of the spoiled bytes below SP? */
static bool is_spoiled(const struct lockstep *ls, const uint8_t *host)
{
    struct cpu *cpu = ls->bt->cpu;
    struct tlb_target t;
    uint32_t error;

    for (unsigned i = 1; i <= ls->spoiled; i++) {
        uint32_t sp = (uint32_t)cpu->gpr[REG_SP] - i;
        gla_t gla = (uint32_t)(cpu->seg[SEG_SS].base + (cpu->mode & MODE_SS32 ? sp : (uint16_t)sp));

        if (tlb_probe(cpu, gla, cpu->cpl == 3 ? ACCESS_USER : 0, &t, &error) && t.host == host)
            return true;
    }
    return false;
}

/* Bytes of entry i not overwritten by a later write among the first n steps must be in memory now. */
static bool memory_differs(const struct lockstep *ls, unsigned n, uint8_t **at)
{
    for (unsigned i = 0; i < ls->n_entries; i++) {
        const struct journal_entry *e = &ls->entries[i];

        if (e->step >= n)
            break;
        if (memcmp(e->host, ls->data + e->new_at, e->len) == 0)
            continue;
        for (unsigned k = 0; k < e->len; k++) {
            bool is_covered = false;

            if (e->host[k] == ls->data[e->new_at + k])
                continue;
            for (unsigned j = i + 1; j < ls->n_entries && ls->entries[j].step < n && !is_covered; j++)
                is_covered = e->host + k >= ls->entries[j].host && e->host + k < ls->entries[j].host + ls->entries[j].len;
            if (!is_covered && !is_spoiled(ls, e->host + k)) {
                *at = e->host + k;
                return true;
            }
        }
    }
    return false;
}

/* What differs after n instructions, or NULL. */
static const char *difference(const struct lockstep *ls, const struct block *b, unsigned n, const struct regs *got,
                              const uint8_t *fpu, uint8_t **at)
{
    const struct regs *want = &ls->states[n];

    if (n >= ls->n_states)
        return "progress (the interpreter stopped earlier)";
    if (memcmp(got->gpr, want->gpr, sizeof(got->gpr)) != 0)
        return "registers";
    if (memcmp(got->sel, want->sel, sizeof(got->sel)) != 0 || memcmp(got->base, want->base, sizeof(got->base)) != 0 ||
        memcmp(got->limit, want->limit, sizeof(got->limit)) != 0 || memcmp(got->attr, want->attr, sizeof(got->attr)) != 0 ||
        memcmp(got->is_null, want->is_null, sizeof(got->is_null)) != 0 || got->cpl != want->cpl)
        return "segment registers";
    if (got->rip != want->rip)
        return "eip";
    if (got->eflags != want->eflags)
        return "flags";
    if (has_fpu(ls, b, n) && fpu_differs(fpu, ls->fpu[n]))
        return "FP state";
    return memory_differs(ls, n, at) ? "memory" : NULL;
}

/* An SSE instruction with an MMX operand (CVTPS2PI and kin) has set TOP and tags when it raises #XM, and they stay so: the interpreter, which
 * executes it again, leaves them as the host does (run_unmasked() of cpu/ops_fp.c).  Here: as they were before. */
static void restore_top(uint8_t *fpu, const uint8_t *before)
{
    unsigned top = (unsigned)load_le(before + FX_FSW, 2) >> FSW_TOP_SHIFT & 7, now = (unsigned)load_le(fpu + FX_FSW, 2) >> FSW_TOP_SHIFT & 7;
    uint8_t st[8 * 16];

    memcpy(st, fpu + FX_ST, sizeof(st));
    for (unsigned i = 0; i < 8; i++)
        memcpy(fpu + FX_ST + 16 * i, st + 16 * ((i + top - now) & 7), 16);
    fpu[FX_FSW + 1] = (uint8_t)((fpu[FX_FSW + 1] & ~(7u << (FSW_TOP_SHIFT - 8))) | top << (FSW_TOP_SHIFT - 8));
    fpu[FX_FTW] = before[FX_FTW];
}

/* Differences that translated code is allowed before an instruction that the interpreter executes again.  True: they explain
 * everything; else got and fpu, copies of the state, are corrected by them. */
static bool is_excused(struct lockstep *ls, const struct block *b, unsigned n, struct regs *got, uint8_t *fpu)
{
    const struct regs *want = &ls->states[n < ls->n_states ? n : ls->n_states - 1];
    uint8_t bytes[16];
    struct insn in;
    unsigned avail = block_bytes(ls->bt, b, (uint32_t)got->rip, bytes);

    /* An SSE instruction that raises an unmasked exception sets the sticky flags first (SDM 1 11.5.2); the look-ahead took them back. */
    if (ls->bt->is_fp_fault && n < ls->n_states && has_fpu(ls, b, n))
        fpu[FX_MXCSR] = (uint8_t)((fpu[FX_MXCSR] & ~0x3f) | (ls->fpu[n][FX_MXCSR] & 0x3f));
    if (!avail || insn_decode(&in, bytes, avail, block_kind(ls->bt, b)->mode & MODE_CS32 ? 4 : 2) != DECODE_OK)
        return false;
    if (ls->bt->is_fp_fault && (in.desc->attr & ATTR_MMX) && (in.desc->attr & ATTR_SSE) && n < ls->n_states && has_fpu(ls, b, n))
        restore_top(fpu, ls->fpu[n]);
    /* A REP string instruction that faulted in the middle has progress that the look-ahead took back. */
    if (n == ls->n_states - 1 && is_rep_string(&in) && got->rip == want->rip)
        return true;
    /* The slow path of POPF, and of IRET in real mode, is called out after its own tests spoiled flags that the instruction replaces. */
    if ((insn_is(&in, op_popf) || (insn_is(&in, op_iret) && !mode_is_protected(block_kind(ls->bt, b)->mode))) && n < ls->n_states)
        got->eflags = (got->eflags & ~EFLAGS_NATIVE) | (want->eflags & EFLAGS_NATIVE);
    /* INT and far CALL in place may have pushed a part of their frame when they fault; the interpreter pushes the same again. */
    if ((!mode_is_protected(block_kind(ls->bt, b)->mode) && insn_is(&in, op_int)) || insn_is(&in, op_call_far_ptr) || insn_is(&in, op_call_far_ind))
        ls->spoiled = 8;
    return false;
}

void lockstep_after(struct lockstep *ls, const struct block *b, unsigned n)
{
    struct cpu *cpu = ls->bt->cpu;
    struct regs got;
    uint8_t fpu[XSAVE_SIZE], *at = NULL;
    const char *what;

    if (!b)
        return;
    take_regs(&got, cpu);
    ls->bt->stats.lockstep_insns += n;
    ls->spoiled = 0;
    if (!difference(ls, b, n, &got, cpu->fpu, &at))
        return;
    memcpy(fpu, cpu->fpu, sizeof(fpu));
    if (is_excused(ls, b, n, &got, fpu) || !(what = difference(ls, b, n, &got, fpu, &at)))
        return;
    if (at)
        fprintf(stderr, "ringer: memory at frame offset %#lx\n", (unsigned long)(at - guestmem_view(cpu->board.guestmem)));
    report(ls, b, n, &got, fpu, what);
}

struct lockstep *lockstep_create(struct bt *bt)
{
    struct lockstep *ls = calloc(1, sizeof(*ls));

    if (!ls)
        BUG("out of memory for lock-step");
    ls->bt = bt;
    ls->saved = aligned_alloc(64, (sizeof(struct cpu) + 63) & ~(size_t)63);
    if (!ls->saved)
        BUG("out of memory for lock-step");
    ls->probe = (struct cpu_probe){.before_write = before_write, .opaque = ls};
    return ls;
}

void lockstep_destroy(struct lockstep *ls)
{
    if (!ls)
        return;
    free(ls->saved);
    free(ls->data);
    free(ls->entries);
    free(ls);
}
