/* Differential fuzzing: random instruction sequences in random machine states run on the interpreter, as translated code (cold,
 * then again warm) and, where they are unprivileged, natively on the host, and must leave the same registers, flags, segments, FP state and
 * memory.  Exceptions go to handlers that halt, or repair something and return, so what they push is compared too.
 *
 *   insn_fuzz [--seed S | --random-seed] [--insns N | --long | --count N | --seconds T] [--from N]
 *             [--mode real|prot16|flat|segmented|v86] [--lockstep] [--bugs N] [--without insn,insn] [--privileged] [--unchecked]
 *             [--no-native] [--unreduced] [--interrupt] [--guests DIR]
 *   insn_fuzz --seed S --case N        runs one case and prints it, reduced if there is a difference
 *
 * --long: 10^8 instructions.  --bugs N goes on after differences.  Addresses of translated code are checked
 * (bt/check.h) unless --unchecked.
 *
 * A case depends on seed and number alone.  Machines live for EPOCH cases, so that blocks of earlier cases are still in
 * the code cache; a difference that needs those is reported with the numbers of the cases to run before it.
 * --lockstep also compares after each block.  --interrupt stops translated code again and again where it happens to be, and lets it go on.
 * The cases run in a child: a crash or a hang is a finding like any other.  A watchdog thread counts CPU time. */
#include "tests/fuzz/native.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#define REG_R8  UCONTEXT_R8 /* <ucontext.h>, below <sys/wait.h>, has names like enum gpr */
#define REG_R15 UCONTEXT_R15
#include <sys/wait.h>
#undef REG_R8
#undef REG_R15
#include <time.h>
#include <unistd.h>
#include "bt/priv.h"
#include "cpu/hostfp.h"
#include "cpu/insn.h"
#include "host/fault.h"
#include "tests/fuzz/guest_out.h"

#define EPOCH           256 /* a multiple of CASES_PER_SETTING */
#define CHILD_EPOCHS    64
#define REFERENCE_INSNS 3000 /* longer cases are given up */
#define KICK_REFERENCE  0.2  /* seconds of CPU time */
#define KICK_TRANSLATED 1.0
#define GIVE_UP         2.5
#define STATUS_HANG     3
#define WHAT_BYTES      256
#define LONG_INSNS      100000000
#define PROGRESS_INSNS  10000000

struct options {
    uint64_t seed, first, count, one_case, insns; /* insns: stop when that many were compared */
    double seconds;
    unsigned bugs;
    int mode;
    bool is_one_case, is_lockstep, is_unchecked, is_native_off, is_unreduced, is_privileged, is_interrupting;
    const char *without, *guest_dir; /* guest_dir: where differences are written as guests, or NULL */
};

/* In memory shared with the children. */
struct findings {
    uint64_t case_number, next, run, native_run, skipped, insns, native_insns, interrupted, exceptions[32];
    bool is_different, is_over; /* is_over: no cases or no time left */
    bool is_without_native;
    bool has_stray_writes;      /* the epoch from next on must be run again with */
    bool is_all_compared;       /* all memory compared after each case */
    char what[WHAT_BYTES];
    struct guest_end want; /* of the last difference */
    struct fuzz_case c;
};

/* Watched by the watchdog thread. */
struct watch {
    _Atomic(struct cpu *) reference, translated; /* running now, or NULL */
    pthread_mutex_t lock;                        /* held while one is kicked, and when it stops running */
    atomic_uint runs;                            /* how many have begun: the same CPU again is no long run */
    atomic_bool is_given_up; /* it shall end */
    pthread_t thread; /* that runs them */
    clockid_t clock;
};

struct runner {
    const struct options *opt;
    struct findings *found;
    struct fuzz_machine *reference, *translated;
    struct native *native; /* NULL: not possible or not wanted */
    struct gen *gen;
    uint64_t case_insns;
    struct watch watch;
};

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- running, in a child --- */

/* If it is still running. */
static void kick(struct watch *w, struct cpu *cpu)
{
    pthread_mutex_lock(&w->lock);
    if (cpu == atomic_load(&w->reference) || cpu == atomic_load(&w->translated)) {
        cpu_kick(cpu);
        fault_poke(w->thread);
    }
    pthread_mutex_unlock(&w->lock);
}

/* --interrupt: every few microseconds. */
static void *interrupter(void *opaque)
{
    struct watch *w = opaque;

    for (unsigned random = 1;; random = random * 1103515245 + 12345) {
        struct cpu *cpu = atomic_load(&w->translated);

        for (volatile unsigned i = random >> 20; i; i--)
            ;
        if (cpu)
            kick(w, cpu);
    }
    return NULL;
}

static void *watchdog(void *opaque)
{
    struct watch *w = opaque;
    unsigned last = 0;
    double since = 0;

    for (;;) {
        struct cpu *reference = atomic_load(&w->reference), *translated = atomic_load(&w->translated);
        struct cpu *now = reference ? reference : translated;
        unsigned run = atomic_load(&w->runs);
        double t = seconds_of(w->clock);

        if (run != last || !now)
            since = t;
        last = run;
        if (now && t - since > (reference ? KICK_REFERENCE : KICK_TRANSLATED)) {
            atomic_store(&w->is_given_up, true);
            kick(w, now);
        }
        if (now && t - since > GIVE_UP)
            _exit(STATUS_HANG);
        usleep(50000);
    }
    return NULL;
}

static void watch(struct watch *w, _Atomic(struct cpu *) *which, struct cpu *cpu)
{
    atomic_fetch_add(&w->runs, 1);
    atomic_store(&w->is_given_up, false);
    atomic_store(which, cpu);
}

static void unwatch(struct watch *w, _Atomic(struct cpu *) *which)
{
    pthread_mutex_lock(&w->lock);
    atomic_store(which, NULL);
    pthread_mutex_unlock(&w->lock);
}

static void runner_start(struct runner *r, const struct options *opt, struct findings *found)
{
    pthread_t thread;

    *r = (struct runner){.opt = opt, .found = found};
    pthread_mutex_init(&r->watch.lock, NULL);
    r->watch.thread = pthread_self();
    pthread_getcpuclockid(r->watch.thread, &r->watch.clock);
    if (pthread_create(&thread, NULL, watchdog, &r->watch) != 0)
        exit(3);
    pthread_detach(thread);
    if (!opt->is_interrupting)
        return;
    if (pthread_create(&thread, NULL, interrupter, &r->watch) != 0)
        exit(3);
    pthread_detach(thread);
}

/* number: the first case it runs.  One epoch in four interprets cold code first, as the program does. */
static void runner_renew(struct runner *r, uint64_t number)
{
    struct bt_options options = {
        .cache_bytes = MIB(8), .is_lockstep = r->opt->is_lockstep, .is_checked = !r->opt->is_unchecked,
        .want_tiers = number / EPOCH % 4 == 0};

    machine_destroy(r->reference);
    machine_destroy(r->translated);
    r->reference = machine_create(false, NULL);
    r->translated = machine_create(true, &options);
    if (r->native)
        (void)native_take_signals(r->native);
    if (!r->native && !r->opt->is_lockstep && !r->opt->is_native_off) {
        const char *why;

        r->native = native_create(&why);
        if (!r->native && !r->found->is_without_native)
            fprintf(stderr, "insn_fuzz: nothing is run natively: %s\n", why);
        r->found->is_without_native = !r->native;
    }
    if (!r->gen)
        r->gen = gen_create(r->reference->cpu, r->opt->without, r->opt->is_privileged);
    gen_set_features(r->gen, r->reference->cpu);
}

enum outcome { NO_USE, EQUAL, DIFFERENT };

/* False: the case is no use. */
static bool run_reference(struct runner *r, struct fuzz_case *c)
{
    struct cpu *cpu = r->reference->cpu;
    bool is_usable = true;

    c->broken = NULL;
    machine_load(r->reference, c);
    watch(&r->watch, &r->watch.reference, cpu);
    for (unsigned n = 0; is_usable && n < REFERENCE_INSNS && !cpu->is_halted && !cpu->is_shutdown && !cpu->exit_request; n++)
        is_usable = gen_step(r->reference, c);
    unwatch(&r->watch, &r->watch.reference);
    return is_usable && (cpu->is_halted || cpu->is_shutdown);
}

/* *is_grown: the reference's end state is that of the case being made, when some code was not there yet; it is run again
 * before a difference is believed. */
static enum outcome run_translated(struct runner *r, struct fuzz_case *c, const char *round, bool *is_grown)
{
    char what[WHAT_BYTES - 64];
    uint64_t interrupted = r->translated->bt->stats.interrupted;
    bool is_ended, is_all = r->found->is_all_compared;

    machine_load(r->translated, c);
    watch(&r->watch, &r->watch.translated, r->translated->cpu);
    is_ended = machine_run(r->translated, 0);
    while (!is_ended && r->opt->is_interrupting && !atomic_load(&r->watch.is_given_up)) {
        cpu_clear_kick(r->translated->cpu);
        is_ended = machine_run(r->translated, 0);
    }
    unwatch(&r->watch, &r->watch.translated);
    r->found->interrupted += r->translated->bt->stats.interrupted - interrupted;
    if (is_ended && !machine_differ(r->reference, r->translated, c, is_all, what, sizeof(what)))
        return EQUAL;
    if (*is_grown) {
        *is_grown = false;
        memset(r->translated->differs, 1, sizeof(r->translated->differs)); /* it may have gone another way than the case being made */
        if (!run_reference(r, c))
            return NO_USE;
        if (is_ended && !machine_differ(r->reference, r->translated, c, true, what, sizeof(what)))
            return EQUAL;
    }
    if (!is_ended)
        snprintf(what, sizeof(what), "translated code does not end (EIP %#x)", (unsigned)r->translated->cpu->rip);
    snprintf(r->found->what, sizeof(r->found->what), "%s: %s", round, what);
    return DIFFERENT;
}

/* Natively, a case reaches everything in the lower 4 GiB; the code cache must not be there. */
static void hide_code(const struct bt *bt, bool is_hidden)
{
    if (mprotect((void *)bt->codemem.exec, bt->codemem.size, is_hidden ? PROT_NONE : PROT_READ | PROT_EXEC) != 0)
        exit(3);
}

static enum outcome run_native(struct runner *r, struct fuzz_case *c, bool *is_grown)
{
    char what[WHAT_BYTES - 64];
    bool is_equal;

    if (!r->native || !c->is_native || !r->reference->n_events)
        return EQUAL;
    watch(&r->watch, &r->watch.translated, r->translated->cpu);
    hide_code(r->translated->bt, true);
    is_equal = native_run(r->native, c, r->reference, what, sizeof(what));
    hide_code(r->translated->bt, false);
    unwatch(&r->watch, &r->watch.translated);
    if (!is_equal && *is_grown) {
        *is_grown = false;
        if (!run_reference(r, c))
            return NO_USE;
        return run_native(r, c, is_grown);
    }
    r->found->native_run++;
    r->found->native_insns += r->case_insns;
    if (is_equal)
        return EQUAL;
    snprintf(r->found->what, sizeof(r->found->what), "native: %s", what);
    return DIFFERENT;
}

static enum outcome compare(struct runner *r, struct fuzz_case *c, bool is_grown)
{
    enum outcome o;

    if (!is_grown && !run_reference(r, c))
        return NO_USE;
    if (c->broken) {
        snprintf(r->found->what, sizeof(r->found->what), "interpreter, after the instruction at %#x: %s", c->broken_at, c->broken);
        return DIFFERENT;
    }
    o = run_translated(r, c, "cold", &is_grown);
    if (o == EQUAL)
        o = run_translated(r, c, "warm", &is_grown);
    return o == EQUAL ? run_native(r, c, &is_grown) : o;
}

static bool is_case_different(struct runner *r, struct fuzz_case *c, bool is_grown)
{
    enum outcome o = compare(r, c, is_grown && !c->reads_code);

    if (o == DIFFERENT) {
        for (unsigned i = 0; i < 8; i++)
            r->found->want.gpr[i] = (uint32_t)r->reference->cpu->gpr[i];
        r->found->want.eflags = (uint32_t)r->reference->cpu->eflags;
        if (!strncmp(r->found->what, "native", 6))
            native_end(r->native, &r->found->want);
    }
    r->found->run += o != NO_USE;
    r->found->skipped += o == NO_USE;
    return o == DIFFERENT;
}

static bool make_case(struct runner *r, uint64_t number)
{
    struct cpu *cpu = r->reference->cpu;
    uint64_t before = cpu->stats.insns_interp;
    bool is_made;

    r->found->case_number = number;
    watch(&r->watch, &r->watch.reference, cpu);
    is_made = gen_case(r->gen, r->reference, &r->found->c, r->opt->seed, number, r->opt->mode);
    unwatch(&r->watch, &r->watch.reference);
    if (!is_made) {
        r->found->skipped++;
        return false;
    }
    r->case_insns = cpu->stats.insns_interp - before;
    r->found->insns += r->case_insns;
    for (unsigned i = 0; i < 32; i++)
        r->found->exceptions[i] += cpu->stats.exceptions[i];
    return true;
}

/* Did translated code change memory that no case of the machine's life was to change? */
static bool has_stray_writes(struct runner *r)
{
    const uint8_t *a, *b;

    if (!r->reference)
        return false;
    a = guestmem_view(r->reference->mem);
    b = guestmem_view(r->translated->mem);
    for (unsigned page = 0; page < MEMORY_PAGES; page++)
        if (!r->reference->differs[page] && !r->translated->differs[page] &&
            memcmp(a + (page << GUEST_PAGE_SHIFT), b + (page << GUEST_PAGE_SHIFT), GUEST_PAGE_SIZE) != 0)
            return true;
    return false;
}

/* The child that runs case after case; comes back at a difference, at the end, and now and then for a fresh process.
 * found->next is the first case of the machines in use. */
static void run_cases(const struct options *opt, struct findings *found, double end_time)
{
    unsigned epochs = 0;
    struct runner r;

    runner_start(&r, opt, found);
    for (uint64_t n = found->next, first = n; n < opt->first + opt->count; n++) {
        if (n % EPOCH == 0 || n == first) {
            if (has_stray_writes(&r)) {
                found->has_stray_writes = true;
                return;
            }
            found->next = n;
            if (seconds_of(CLOCK_MONOTONIC) > end_time || found->insns >= opt->insns)
                break;
            if (epochs++ == CHILD_EPOCHS)
                return;
            runner_renew(&r, n);
        }
        if (!make_case(&r, n))
            continue;
        if (is_case_different(&r, &found->c, true)) {
            found->is_different = true;
            return;
        }
    }
    found->is_over = true;
}

/* --- trying a case in a child of its own --- */

struct trial {
    const struct options *opt;
    struct findings *found;     /* shared */
    uint64_t history_from;      /* the cases before it that run first */
    bool is_dropped[EPOCH + 1]; /* of those */
    unsigned n_history;
};

static bool end_of_child(int status, char *what)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_HANG)
        snprintf(what, WHAT_BYTES, "hang: translated code does not stop");
    else if (WIFEXITED(status))
        snprintf(what, WHAT_BYTES, "exit status %d", WEXITSTATUS(status));
    else
        snprintf(what, WHAT_BYTES, "killed by signal %d", WTERMSIG(status));
    return true;
}

static void quiet(void)
{
    if (!freopen("/dev/null", "w", stderr))
        exit(3);
}

static void try_in_child(const struct trial *t, struct fuzz_case *c, bool want_states)
{
    struct runner r;

    if (!want_states)
        quiet();
    runner_start(&r, t->opt, t->found);
    runner_renew(&r, c->number);
    for (unsigned i = 0; i < t->n_history; i++)
        if (!t->is_dropped[i] && make_case(&r, t->history_from + i))
            (void)is_case_different(&r, &t->found->c, true);
    t->found->is_different = is_case_different(&r, c, false);
    if (want_states) {
        for (unsigned i = 0; i < r.reference->n_events; i++) {
            const struct fuzz_event *e = &r.reference->events[i];
            char text[80];

            disasm(text, sizeof(text), guestmem_view(r.reference->mem) + ((c->seg[SEG_CS].base + e->eip) & 0x3ffff), 15, e->eip,
                   c->code_size);
            printf("exception %u at eip %#x (%s) error %#x cr2 %#x\n", e->vector, e->eip, text, e->error, e->cr2);
        }
        machine_print(r.reference, "interpreter");
        machine_print(r.translated, "translator");
        if (r.native && c->is_native)
            native_print(r.native);
        fflush(stdout);
    }
}

static bool try_case(const struct trial *t, struct fuzz_case *c, bool want_states)
{
    int status;
    pid_t child;

    t->found->is_different = false;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        try_in_child(t, c, want_states);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        exit(3);
    return end_of_child(status, t->found->what) || t->found->is_different;
}

/* --- reducing --- */

/* Drop as many of the cases before it as possible, halves first. */
static void reduce_history(struct trial *t, struct fuzz_case *c)
{
    for (unsigned size = (t->n_history + 1) / 2; size > 0; size /= 2) {
        for (unsigned from = 0; from < t->n_history; from += size) {
            bool saved[EPOCH + 1];
            unsigned n = t->n_history - from < size ? t->n_history - from : size;

            memcpy(saved, t->is_dropped, sizeof(saved));
            memset(t->is_dropped + from, 1, n);
            if (!memcmp(saved, t->is_dropped, sizeof(saved)))
                continue;
            if (!try_case(t, c, false))
                memcpy(t->is_dropped, saved, sizeof(saved));
        }
    }
}

/* Instructions that are not needed become NOPs: addresses stay. */
static void reduce_insns(struct trial *t, struct fuzz_case *c)
{
    for (unsigned i = c->n_insns; i-- > 0;) {
        uint8_t saved[16];
        unsigned len = c->insns[i].len;

        if (c->insns[i].is_kept)
            continue;
        memcpy(saved, c->image + c->insns[i].gpa, len);
        memset(c->image + c->insns[i].gpa, 0x90, len);
        if (!try_case(t, c, false))
            memcpy(c->image + c->insns[i].gpa, saved, len);
    }
}

static void reduce_state(struct trial *t, struct fuzz_case *c)
{
    struct fuzz_case *simpler = malloc(sizeof(*c));

    if (!simpler)
        return;
    for (unsigned what = 0; what < (c->is_native ? 10u : 12u); what++) { /* natively, CR0 is the host's */
        *simpler = *c;
        switch (what) {
        case 8:
            simpler->eflags &= ~(EFLAGS_STATUS | EFLAGS_ID | EFLAGS_DF | EFLAGS_AC | EFLAGS_NT);
            break;
        case 9:
            memset(simpler->fpu, 0, sizeof(simpler->fpu));
            store_le(simpler->fpu + FX_FCW, 2, 0x37f);
            store_le(simpler->fpu + FX_MXCSR, 4, 0x1f80);
            break;
        case 10:
            if (c->mode != FUZZ_REAL)
                simpler->cr0 &= ~CR0_PG;
            break;
        case 11:
            simpler->eflags &= ~EFLAGS_TF;
            simpler->cr0 &= ~(CR0_AM | CR0_TS | CR0_EM);
            break;
        default:
            simpler->gpr[what] = 0;
        }
        if (memcmp(simpler, c, sizeof(*c)) != 0 && try_case(t, simpler, false))
            *c = *simpler;
    }
    for (unsigned page = DATA_GPA >> GUEST_PAGE_SHIFT; page < STACK_END >> GUEST_PAGE_SHIFT; page++) {
        uint8_t *at = simpler->image + (page << GUEST_PAGE_SHIFT);

        *simpler = *c;
        memset(at, 0, GUEST_PAGE_SIZE);
        simpler->is_touched[page] = 1;
        if (try_case(t, simpler, false))
            *c = *simpler;
    }
    free(simpler);
}

/* --- telling --- */

static void print_insns(const struct fuzz_case *c)
{
    for (unsigned i = 0; i < c->n_insns; i++) {
        const uint8_t *b = c->image + c->insns[i].gpa;
        unsigned len = c->insns[i].len;
        char text[80];

        if (b[0] == 0x90 && (len == 1 || b[1] == 0x90))
            continue;
        disasm(text, sizeof(text), b, len, c->insns[i].gpa - c->seg[SEG_CS].base, c->code_size);
        printf("  %08x  %-40s ", (unsigned)(c->insns[i].gpa - c->seg[SEG_CS].base), text);
        for (unsigned k = 0; k < len; k++)
            printf(" %02x", b[k]);
        printf("\n");
    }
}

static void print_start(const struct fuzz_case *c)
{
    static const char *const gpr[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const char *const sreg[] = {"es", "cs", "ss", "ds", "fs", "gs"};

    printf("mode %s%s%s, CPL %u, CR0 %08x CR4 %08x, eip %08x eflags %06x\n ", fuzz_mode_names[c->mode],
           c->cr0 & CR0_PG ? ", paging" : "", c->is_pae ? " (PAE)" : "", c->cpl, c->cr0, c->cr4, c->rip, c->eflags);
    for (unsigned i = 0; i < 8; i++)
        printf(" %s %08x", gpr[i], (unsigned)c->gpr[i]);
    printf("\n ");
    for (unsigned i = 0; i < SEG_COUNT; i++)
        printf(" %s %04x base %x limit %x attr %04x;", sreg[i], c->seg[i].sel, (unsigned)c->seg[i].base,
               c->seg[i].limit, c->seg[i].attr);
    printf("\n");
    if (!(c->cr0 & CR0_PG))
        return;
    for (unsigned page = 0; page < MEMORY_BYTES >> GUEST_PAGE_SHIFT; page++) {
        unsigned size = c->is_pae ? 8 : 4;
        uint64_t e = load_le(c->image + TABLES_GPA + 0x1000 + page * size, size);

        if (page >= CODE_GPA >> 12 && page < DATA_END >> 12 && e != ((uint64_t)page << 12 | 0x67))
            printf("  page %x: %llx", page, (unsigned long long)e);
    }
    printf("\n");
}

static void write_guest(const struct options *opt, const struct findings *found, const struct fuzz_case *c)
{
    char title[WHAT_BYTES + 64], path[4096];
    FILE *f;

    if (!opt->guest_dir || snprintf(path, sizeof(path), "%s/fuzz_%llu_%llu.S", opt->guest_dir, (unsigned long long)opt->seed,
                                    (unsigned long long)c->number) >= (int)sizeof(path))
        return;
    f = fopen(path, "w");
    snprintf(title, sizeof(title), "insn_fuzz, seed %llu, case %llu: %s.", (unsigned long long)opt->seed,
             (unsigned long long)c->number, found->what);
    if (f && guest_print(f, c, &found->want, title))
        printf("as a guest: %s\n", path);
    if (f)
        fclose(f);
}

static void report(const struct options *opt, struct findings *found, uint64_t epoch_start)
{
    struct trial t = {.opt = opt, .found = found};
    struct fuzz_case *c = malloc(sizeof(*c));
    bool is_reproduced;

    if (!c)
        exit(3);
    *c = found->c;
    printf("\n=== case %llu: %s\n", (unsigned long long)c->number, found->what);
    is_reproduced = try_case(&t, c, false);
    if (!is_reproduced) {
        t.history_from = epoch_start;
        t.n_history = (unsigned)(c->number - epoch_start);
        is_reproduced = try_case(&t, c, false);
        if (is_reproduced)
            reduce_history(&t, c);
    }
    if (!is_reproduced) {
        printf("not reproduced\n");
        print_start(c);
        print_insns(c);
        free(c);
        return;
    }
    if (!opt->is_unreduced) {
        reduce_insns(&t, c);
        reduce_state(&t, c);
    }
    print_start(c);
    print_insns(c);
    for (unsigned i = 0; i < t.n_history; i++)
        if (!t.is_dropped[i])
            printf("after case %llu\n", (unsigned long long)(t.history_from + i));
    (void)try_case(&t, c, true);
    write_guest(opt, found, c);
    printf("=== %s\n=== insn_fuzz --seed %llu --case %llu%s%s\n", found->what, (unsigned long long)opt->seed,
           (unsigned long long)c->number, opt->mode >= 0 ? " --mode " : "",
           opt->mode >= 0 ? fuzz_mode_names[opt->mode] : "");
    fflush(stdout);
    free(c);
}

/* --- main --- */

static void print_summary(const struct findings *found, unsigned bugs)
{
    printf("%llu cases run (%llu natively too), %llu skipped, %llu instructions (%llu natively too), %llu times interrupted, %u differences; exceptions",
           (unsigned long long)found->run, (unsigned long long)found->native_run, (unsigned long long)found->skipped, (unsigned long long)found->insns,
           (unsigned long long)found->native_insns, (unsigned long long)found->interrupted, bugs);
    for (unsigned i = 0; i < 32; i++)
        if (found->exceptions[i])
            printf(" %u:%llu", i, (unsigned long long)found->exceptions[i]);
    printf("\n");
}

static unsigned hunt(const struct options *opt, struct findings *found)
{
    double end_time = seconds_of(CLOCK_MONOTONIC) + opt->seconds;
    unsigned bugs = 0;

    found->next = opt->first;
    while (!found->is_over && bugs < opt->bugs) {
        uint64_t number, before = found->insns;
        int status;
        pid_t child;

        found->is_different = false;
        fflush(stdout);
        child = fork();
        if (child == 0) {
            run_cases(opt, found, end_time);
            _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child)
            exit(3);
        if (!end_of_child(status, found->what) && !found->is_different) {
            found->is_all_compared = found->has_stray_writes;
            found->has_stray_writes = false;
            if (found->insns / PROGRESS_INSNS != before / PROGRESS_INSNS)
                print_summary(found, bugs);
            continue;
        }
        bugs++;
        number = found->case_number;
        report(opt, found, found->next);
        found->next = number + 1;
    }
    return bugs;
}

static void one_case(const struct options *opt, struct findings *found)
{
    struct trial t = {.opt = opt, .found = found};
    struct options making = *opt;
    struct runner r;

    making.is_native_off = true; /* that is for the children */
    runner_start(&r, &making, found);
    runner_renew(&r, opt->one_case);
    if (!make_case(&r, opt->one_case))
        printf("case %llu is one that is skipped\n", (unsigned long long)opt->one_case);
    if (try_case(&t, &found->c, false)) {
        report(opt, found, opt->one_case);
        exit(1);
    }
    print_start(&found->c);
    print_insns(&found->c);
    printf("no difference\n");
}

static int find_mode(const char *name)
{
    for (int i = 0; i < FUZZ_MODES; i++)
        if (!strcmp(name, fuzz_mode_names[i]))
            return i;
    fprintf(stderr, "insn_fuzz: unknown mode '%s'\n", name);
    exit(2);
}

static void parse(int argc, char **argv, struct options *opt)
{
    static const struct option longs[] = {{"seed", 1, NULL, 's'},     {"count", 1, NULL, 'n'},
                                          {"seconds", 1, NULL, 't'},  {"case", 1, NULL, 'c'},
                                          {"from", 1, NULL, 'f'},     {"mode", 1, NULL, 'm'},
                                          {"lockstep", 0, NULL, 'l'}, {"bugs", 1, NULL, 'b'},
                                          {"without", 1, NULL, 'w'},  {"insns", 1, NULL, 'i'},
                                          {"long", 0, NULL, 'L'},     {"random-seed", 0, NULL, 'r'},
                                          {"unreduced", 0, NULL, 'R'}, {"guests", 1, NULL, 'g'}, {"privileged", 0, NULL, 'p'},  {"unchecked", 0, NULL, 'u'},
                                          {"no-native", 0, NULL, 'x'}, {"interrupt", 0, NULL, 'I'},
                                          {0}};
    int o;

    while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (o) {
        case 's':
            opt->seed = strtoull(optarg, NULL, 0);
            break;
        case 'n':
            opt->count = strtoull(optarg, NULL, 0);
            break;
        case 't':
            opt->seconds = strtod(optarg, NULL);
            break;
        case 'c':
            opt->one_case = strtoull(optarg, NULL, 0);
            opt->is_one_case = true;
            break;
        case 'f':
            opt->first = strtoull(optarg, NULL, 0);
            break;
        case 'm':
            opt->mode = find_mode(optarg);
            break;
        case 'l':
            opt->is_lockstep = true;
            break;
        case 'r':
            if (getrandom(&opt->seed, sizeof(opt->seed), 0) != sizeof(opt->seed))
                exit(3);
            opt->seed >>= 32;
            printf("seed %llu\n", (unsigned long long)opt->seed);
            break;
        case 'i':
            opt->insns = strtoull(optarg, NULL, 0);
            break;
        case 'L':
            opt->insns = LONG_INSNS;
            break;
        case 'p':
            opt->is_privileged = true;
            break;
        case 'g':
            opt->guest_dir = optarg;
            break;
        case 'R':
            opt->is_unreduced = true;
            break;
        case 'x':
            opt->is_native_off = true;
            break;
        case 'I':
            opt->is_interrupting = true;
            break;
        case 'u':
            opt->is_unchecked = true;
            break;
        case 'b':
            opt->bugs = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case 'w':
            opt->without = optarg;
            break;
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct options opt = {.seed = 1, .count = UINT32_MAX, .seconds = 1e9, .insns = UINT64_MAX, .bugs = 1, .mode = -1};
    struct findings *found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned bugs;

    if (found == MAP_FAILED)
        return 3;
    parse(argc, argv, &opt);
    if (opt.is_one_case) {
        one_case(&opt, found);
        return 0;
    }
    bugs = hunt(&opt, found);
    print_summary(found, bugs);
    return bugs ? 1 : 0;
}
