/* The machine thread.
 *
 * The order in the loop below is what keeps kicks from being lost: first clear the kick, then look at mail and timers,
 * then run.  A kick that comes after the clearing makes the engine return at once; whoever kicked before it finds his
 * mail or timer handled by the same turn.
 *
 * Time while the guest runs: the earliest timer of the virtual clock is armed as a host timer, whose signal kicks the CPU.
 * While the guest is halted the thread sleeps in mailbox_wait() until then instead. */
#include "frontend/machine.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "bt/bt.h"
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "frontend/pc.h"
#include "frontend/screenshot.h"
#include "frontend/symbols.h"
#include "host/chardev.h"
#include "host/clock.h"
#include "host/deadline.h"
#include "host/fault.h"
#include "host/log.h"

#define INTERP_TURN_INSNS 1000000 /* instructions between two looks at the mail, kicks aside */
#define TIMER_SLACK_NS    1000    /* the kernel's default of 50 us is a tick's worth of error to a PIT */
#define WATCHDOG_NS       (10 * CLOCK_NS_PER_S)

struct machine {
    const struct options *options;
    struct loop *loop;
    struct mailbox *mail;
    struct clock *clock;
    struct pc *pc;
    struct cpu *cpu;
    struct bt *bt;
    struct symbols *symbols; /* NULL: none */
    pthread_t thread;
    bool is_started, is_paused, is_ending;
    bool is_reset_wanted, is_reset_by_guest;
    atomic_bool is_in_engine; /* as far as other threads may believe: before it looks at exit_request for the first time, and after the last */
    int status;
    char *last_words; /* what --no-reboot prints: taken when the reset was asked for */
    struct deadline *deadline; /* the host timer; NULL until the thread runs */
    uint64_t armed_ns;         /* what it is armed for; CLOCK_NEVER: none */
    atomic_bool has_fired;     /* it is not armed any more */
    atomic_bool is_end_asked, is_finished;
    int asked_status;  /* of the first machine_request_end() */
    double started_s, ended_s;
    void (*listener)(void *opaque, const char *event, const char *data);
    void *listener_opaque;
};

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(struct machine *m, const char *event, const char *data)
{
    log_at(LOG_DEV, "machine: %s %s", event, data ? data : "");
    if (m->listener)
        m->listener(m->listener_opaque, event, data);
}

static void end(struct machine *m, int status, bool is_guest, const char *reason)
{
    char data[96];

    if (m->is_ending)
        return;
    m->is_ending = true;
    m->status = status;
    snprintf(data, sizeof(data), "{\"guest\": %s, \"reason\": \"%s\"}", is_guest ? "true" : "false", reason);
    tell(m, "SHUTDOWN", data);
    cpu_kick(m->cpu);
}

/* --- last words: the guest's state when it reset itself, for --no-reboot --- */

#define CODE_BEFORE  64 /* bytes before CS:RIP that are looked at */
#define CODE_AFTER   16
#define INSNS_BEFORE 8  /* instructions before it that are shown */

/* x86 code cannot be read backwards: of the places from which instructions meet CS:RIP take the earliest.  The first few
 * may be wrong, but decoding falls into step soon; so only the last INSNS_BEFORE of them are kept in starts. */
static unsigned find_starts(const uint8_t *code, unsigned target, unsigned code_size, uint8_t starts[CODE_BEFORE])
{
    char text[128];

    for (unsigned first = 0; first < target; first++) {
        unsigned at = first, count = 0, n;

        while (at < target && (n = disasm(text, sizeof(text), code + at, target - at, 0, code_size))) {
            starts[count++] = (uint8_t)at;
            at += n;
        }
        if (at != target)
            continue;
        if (count > INSNS_BEFORE)
            memmove(starts, starts + count - INSNS_BEFORE, INSNS_BEFORE);
        return count > INSNS_BEFORE ? INSNS_BEFORE : count;
    }
    return 0;
}

static void print_insn(const struct cpu *cpu, FILE *out, const char *mark, uint64_t rip, const uint8_t *bytes,
                       unsigned avail, unsigned code_size)
{
    char text[128], hex[2 * CODE_AFTER + 1] = "";
    unsigned n = disasm(text, sizeof(text), bytes, avail, rip, code_size);

    for (unsigned i = 0; i < (n ? n : 1) && i < CODE_AFTER; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    fprintf(out, "%s %04x:%08llx  %-20s  %s\n", mark, cpu->seg[SEG_CS].sel, (unsigned long long)rip, hex, text);
}

static void print_code(struct machine *m, FILE *out)
{
    struct cpu *cpu = m->cpu;
    unsigned code_size = cpu->mode & MODE_CS64 ? 8 : cpu->mode & MODE_CS32 ? 4 : 2;
    unsigned before = cpu->rip < CODE_BEFORE ? (unsigned)cpu->rip : CODE_BEFORE, len, count;
    gla_t gla = cpu->seg[SEG_CS].base + cpu->rip;
    uint8_t code[CODE_BEFORE + CODE_AFTER], starts[CODE_BEFORE];

    if (!(cpu->mode & MODE_CS64))
        gla = (uint32_t)gla;
    if (gla < before || cpu_peek(cpu, gla - before, code, before) != before)
        before = 0; /* the page before is not there */
    len = cpu_peek(cpu, gla, code + before, CODE_AFTER);
    if (!len) {
        fprintf(out, "   %04x:%08llx  (nothing can be read here)\n", cpu->seg[SEG_CS].sel,
                (unsigned long long)cpu->rip);
        return;
    }
    count = find_starts(code, before, code_size, starts);
    for (unsigned i = 0; i < count; i++)
        print_insn(cpu, out, "  ", cpu->rip - before + starts[i], code + starts[i], before - starts[i], code_size);
    print_insn(cpu, out, "=>", cpu->rip, code + before, len, code_size);
}

static char *take_last_words(struct machine *m, const char *cause)
{
    char *text = NULL, registers[4096];
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    cpu_format(m->cpu, registers, sizeof(registers));
    fprintf(out, "ringer: the guest reset itself: %s\n", cause);
    print_code(m, out);
    fprintf(out, "%s%s", registers, *registers && registers[strlen(registers) - 1] == '\n' ? "" : "\n");
    fclose(out);
    return text;
}

/* --- what the board asks for, in the middle of an instruction --- */

static void board_reset(void *opaque, const char *cause)
{
    struct machine *m = opaque;

    if (m->is_ending)
        return;
    log_at(LOG_DEV, "machine: reset by %s", cause);
    if (m->options->is_no_reboot) {
        if (!m->last_words)
            m->last_words = take_last_words(m, cause);
        end(m, EXIT_RESET, true, "guest-reset");
    }
    m->is_reset_wanted = m->is_reset_by_guest = true;
    cpu_kick(m->cpu);
}

static void board_power_off(void *opaque)
{
    end(opaque, EXIT_POWEROFF, true, "guest-shutdown");
}

static void board_exit(void *opaque, unsigned status)
{
    end(opaque, (int)(status & 0xff), true, "exit-port");
}

/* --- timers --- */

/* In a signal handler. */
static void deadline_passed(void *opaque)
{
    struct machine *m = opaque;

    atomic_store(&m->has_fired, true);
    cpu_kick(m->cpu);
}

static void arm_host_timer(struct machine *m, uint64_t deadline_ns)
{
    uint64_t now;

    m->armed_ns = deadline_ns;
    if (deadline_ns == CLOCK_NEVER) {
        deadline_disarm(m->deadline);
        return;
    }
    now = clock_now_ns(m->clock);
    deadline_arm(m->deadline, deadline_ns > now ? deadline_ns - now : 0);
}

/* The earliest deadline moved forward.  Only while the guest runs does that need the host timer: see run_turn(). */
static void deadline_moved(void *opaque, uint64_t deadline_ns)
{
    struct machine *m = opaque;

    if (m->is_in_engine && deadline_ns < m->armed_ns)
        arm_host_timer(m, deadline_ns);
}

/* --- the loop --- */

static void run_engine(struct machine *m)
{
    m->is_in_engine = true;
    if (m->bt)
        bt_run(m->bt);
    else
        cpu_interpret(m->cpu, INTERP_TURN_INSNS);
    m->is_in_engine = false;
}

/* Without the host timer: a timed wait costs less than its signal. */
static void sleep_until_deadline(struct machine *m, uint64_t deadline_ns)
{
    uint64_t now = clock_now_ns(m->clock);

    if (m->armed_ns != CLOCK_NEVER)
        arm_host_timer(m, CLOCK_NEVER);
    if (deadline_ns == CLOCK_NEVER)
        mailbox_wait(m->mail, UINT64_MAX);
    else if (deadline_ns > now)
        mailbox_wait(m->mail, deadline_ns - now);
}

static void do_reset(struct machine *m)
{
    m->is_reset_wanted = false;
    pc_reset(m->pc);
    tell(m, "RESET", m->is_reset_by_guest ? "{\"guest\": true, \"reason\": \"guest-reset\"}"
                                          : "{\"guest\": false, \"reason\": \"host-reset\"}");
}

static void run_turn(struct machine *m)
{
    struct cpu *cpu = m->cpu;
    uint64_t deadline_ns;

    cpu_clear_kick(cpu);
    mailbox_run(m->mail);
    clock_run_timers(m->clock);
    if (m->is_ending)
        return;
    if (m->is_reset_wanted)
        do_reset(m);
    if (m->is_paused) {
        mailbox_wait(m->mail, UINT64_MAX);
        return;
    }
    if (atomic_exchange(&m->has_fired, false))
        m->armed_ns = CLOCK_NEVER;
    deadline_ns = clock_next_deadline_ns(m->clock);
    /* A shut-down processor that nobody reset waits for ever, as the real one does. */
    if ((cpu->is_halted && !cpu_has_work(cpu)) || cpu->is_shutdown) {
        sleep_until_deadline(m, deadline_ns);
        return;
    }
    if (deadline_ns != m->armed_ns)
        arm_host_timer(m, deadline_ns);
    run_engine(m);
}

/* Disks first: nothing after this may lose data. */
static void finish(struct machine *m)
{
    char why[WHY_BYTES] = "";
    int r = pc_flush_disks(m->pc);

    if (r < 0) {
        log_error("a disk image could not be written: %s", strerror(-r));
        m->status = EXIT_HOST;
    }
    if (m->options->screenshot && screenshot_write(pc_vga(m->pc), m->options->screenshot, why) < 0) {
        log_error("%s", why);
        if (m->status == EXIT_POWEROFF)
            m->status = EXIT_HOST;
    }
}

static void *machine_thread(void *opaque)
{
    struct machine *m = opaque;
    int r;

    pthread_setname_np(pthread_self(), "machine");
    r = deadline_create(&m->deadline, deadline_passed, m);
    if (r < 0) {
        log_error("no timer for the machine: %s", strerror(-r));
        m->status = EXIT_HOST;
        m->is_ending = true;
    }
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    clock_resume(m->clock);
    while (!m->is_ending)
        run_turn(m);
    if (m->deadline)
        deadline_disarm(m->deadline);
    atomic_store(&m->is_finished, true);
    finish(m);
    m->ended_s = seconds_now();
    loop_quit(m->loop, m->status);
    return NULL;
}

/* --- life --- */

static void kick(void *opaque)
{
    struct machine *m = opaque;

    if (!m->cpu)
        return;
    cpu_kick(m->cpu);
    if (atomic_load(&m->is_in_engine) && !pthread_equal(pthread_self(), m->thread))
        fault_poke(m->thread);
}

static void dump_for_bug(void *opaque)
{
    struct machine *m = opaque;
    char registers[4096];

    cpu_format(m->cpu, registers, sizeof(registers));
    fprintf(stderr, "%s\n", registers);
    print_code(m, stderr);
}

static const char *find_symbol(const void *opaque, uint32_t linear, uint32_t *offset)
{
    return symbols_find(opaque, linear, offset);
}

/* Those of --symbols, or else of the kernel if it has any and they will be shown. */
static int load_symbols(struct machine *m)
{
    const struct options *o = m->options;
    char why[WHY_BYTES];

    if (o->symbols) {
        if (symbols_load(o->symbols, &m->symbols, why) != 0) {
            log_error("%s", why);
            return EXIT_HOST;
        }
        if (m->symbols)
            return 0;
        log_error("symbols %s: neither an ELF file with symbols nor a System.map", o->symbols);
        return EXIT_HOST;
    }
    if (o->kernel && (o->want_perf_map || (log_mask & LOG_CODE)))
        (void)symbols_load(o->kernel, &m->symbols, why);
    return 0;
}

static int create_engine(struct machine *m)
{
    struct bt_options opt = {
        .is_lockstep = m->options->engine == ENGINE_LOCKSTEP,
        .want_counts = m->options->want_stats,
        .is_checked = m->options->is_checked,
        .want_perf_map = m->options->want_perf_map,
        .symbol = m->symbols ? find_symbol : NULL,
        .symbol_opaque = m->symbols,
        .cache_bytes = m->options->code_cache_bytes,
        .want_tiers = true,
        .without = m->options->without,
    };
    const char *why = "";

    if (m->options->engine == ENGINE_INTERP)
        return 0;
    m->bt = bt_create(m->cpu, &opt, &why);
    if (m->bt)
        return 0;
    log_error("the translator cannot run on this host: %s (--engine interp can)", why);
    return EXIT_HOST;
}

int machine_create(struct machine **out, const struct options *o, struct loop *loop)
{
    struct machine *m = calloc(1, sizeof(*m));
    struct pc_events events = {board_reset, board_power_off, board_exit, m};
    int status = EXIT_HOST;

    if (!m) {
        log_error("no memory");
        return EXIT_HOST;
    }
    *m = (struct machine){.options = o, .loop = loop, .armed_ns = CLOCK_NEVER};
    m->clock = clock_create();
    m->mail = mailbox_create(kick, m);
    if (!m->clock || !m->mail) {
        log_error("no memory");
        goto out_destroy;
    }
    clock_pause(m->clock); /* until the thread runs */
    clock_set_deadline_hook(m->clock, deadline_moved, m);
    status = pc_create(&m->pc, o, m->clock, m->mail, loop, &events);
    if (status)
        goto out_destroy;
    m->cpu = pc_cpu(m->pc);
    status = load_symbols(m);
    if (!status)
        status = create_engine(m);
    if (status)
        goto out_destroy;
    pc_reset(m->pc);
    bug_set_dump(dump_for_bug, m);
    *out = m;
    return 0;

out_destroy:
    machine_destroy(m);
    return status;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    bug_set_dump(NULL, NULL);
    if (m->bt)
        bt_destroy(m->bt);
    symbols_destroy(m->symbols);
    deadline_destroy(m->deadline);
    pc_destroy(m->pc);
    if (m->mail)
        mailbox_destroy(m->mail);
    if (m->clock)
        clock_destroy(m->clock);
    free(m->last_words);
    free(m);
}

static void timeout_passed(void *opaque)
{
    machine_request_end(opaque, EXIT_TIMEOUT);
}

int machine_start(struct machine *m)
{
    int r;

    m->started_s = seconds_now();
    m->is_started = true;
    r = pthread_create(&m->thread, NULL, machine_thread, m);
    if (r) {
        m->is_started = false;
        log_error("cannot start a thread: %s", strerror(r));
        return EXIT_HOST;
    }
    if (m->options->timeout_ns)
        loop_set_timer(m->loop, LOOP_TIMER_TIMEOUT, m->options->timeout_ns, timeout_passed, m);
    return 0;
}

int machine_join(struct machine *m)
{
    pthread_join(m->thread, NULL);
    m->is_started = false;
    loop_set_timer(m->loop, LOOP_TIMER_TIMEOUT, 0, timeout_passed, m);
    if (m->last_words)
        fputs(m->last_words, stderr);
    return m->status;
}

void machine_post(struct machine *m, mail_fn *fn, void *opaque)
{
    mailbox_post(m->mail, fn, opaque);
}

/* --- ending from outside --- */

static void end_by_request(void *opaque)
{
    struct machine *m = opaque;

    end(m, m->asked_status, false,
        m->asked_status == EXIT_TIMEOUT   ? "timeout"
        : m->asked_status >= EXIT_SIGNAL ? "host-signal"
                                          : "host-quit");
}

/* Loop thread: the machine thread did not come out of the guest. */
static void watchdog_bit(void *opaque)
{
    struct machine *m = opaque;

    if (atomic_load(&m->is_finished)) /* it is writing to a slow disk */
        return;
    tty_raw_leave();
    log_error("bug: the machine thread does not answer");
    _exit(EXIT_BUG);
}

void machine_request_end(struct machine *m, int status)
{
    if (atomic_exchange(&m->is_end_asked, true))
        return;
    m->asked_status = status;
    loop_set_timer(m->loop, LOOP_TIMER_WATCHDOG, WATCHDOG_NS, watchdog_bit, m);
    mailbox_post(m->mail, end_by_request, m);
}

/* --- machine thread --- */

void machine_pause(struct machine *m)
{
    if (m->is_paused)
        return;
    m->is_paused = true;
    clock_pause(m->clock);
    tell(m, "STOP", NULL);
    cpu_kick(m->cpu);
}

void machine_resume(struct machine *m)
{
    if (!m->is_paused)
        return;
    m->is_paused = false;
    clock_resume(m->clock);
    m->armed_ns = CLOCK_NEVER; /* the host timer ran on: arm it anew */
    tell(m, "RESUME", NULL);
}

bool machine_is_paused(const struct machine *m)
{
    return m->is_paused;
}

void machine_reset(struct machine *m)
{
    m->is_reset_wanted = true;
    m->is_reset_by_guest = false;
    cpu_kick(m->cpu);
}

void machine_power_button(struct machine *m)
{
    tell(m, "POWERDOWN", NULL);
    pc_press_power_button(m->pc);
}

struct mailbox *machine_mailbox(struct machine *m)
{
    return m->mail;
}

struct clock *machine_clock(struct machine *m)
{
    return m->clock;
}

struct pc *machine_pc(struct machine *m)
{
    return m->pc;
}

void machine_set_listener(struct machine *m, void (*fn)(void *opaque, const char *event, const char *data), void *opaque)
{
    m->listener = fn;
    m->listener_opaque = opaque;
}

struct bt *machine_bt(struct machine *m)
{
    return m->bt;
}

double machine_seconds(const struct machine *m)
{
    return (m->ended_s ? m->ended_s : seconds_now()) - m->started_s;
}
