/* Virtual time: the host's CLOCK_MONOTONIC minus whatever was spent before power-on and in pauses.
 *
 * One word holds all that clock_now_ns() needs, so any thread may read it while the machine thread pauses or resumes:
 *
 *     63                                1   0
 *    +-----------------------------------+---+
 *    | standing: virtual ns              | 1 |
 *    | running:  host ns minus virtual   | 0 |
 *    +-----------------------------------+---+
 *
 * A manual clock always stands, and clock_advance() replaces the word.
 *
 * Timers: two lists sorted by deadline.  clock_run_timers() moves what is due from `armed` to `due` and empties that;
 * a callback that arms a timer in the past waits for the next call, so the loop ends whatever a guest programs. */
#include "host/clock.h"

#include <stdlib.h>
#include <time.h>

#define STANDING                 1u
#define MANUAL_WALL_BASE_S       946684800 /* 2000-01-01 00:00:00 UTC: runs on a manual clock are repeatable */
#define ADVANCE_ROUNDS_AT_A_TIME 1000

struct clock {
    uint64_t word; /* atomic, see above */
    bool is_manual;
    struct timer *armed, *due;
    int64_t wall_base_s;
    void (*hook)(void *opaque, uint64_t deadline_ns);
    void *hook_opaque;
};

static uint64_t host_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void stand_at(struct clock *c, uint64_t virtual_ns)
{
    __atomic_store_n(&c->word, virtual_ns << 1 | STANDING, __ATOMIC_RELEASE);
}

static void run_from(struct clock *c, uint64_t virtual_ns)
{
    __atomic_store_n(&c->word, (host_now_ns() - virtual_ns) << 1, __ATOMIC_RELEASE);
}

struct clock *clock_create(void)
{
    struct clock *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->wall_base_s = time(NULL);
    run_from(c, 0);
    return c;
}

struct clock *clock_create_manual(void)
{
    struct clock *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->is_manual = true;
    c->wall_base_s = MANUAL_WALL_BASE_S;
    stand_at(c, 0);
    return c;
}

void clock_destroy(struct clock *c)
{
    free(c);
}

uint64_t clock_now_ns(const struct clock *c)
{
    uint64_t word = __atomic_load_n(&c->word, __ATOMIC_ACQUIRE);

    return word & STANDING ? word >> 1 : host_now_ns() - (word >> 1);
}

static bool is_standing(const struct clock *c)
{
    return __atomic_load_n(&c->word, __ATOMIC_RELAXED) & STANDING;
}

void clock_pause(struct clock *c)
{
    if (!is_standing(c))
        stand_at(c, clock_now_ns(c));
}

void clock_resume(struct clock *c)
{
    if (!c->is_manual && is_standing(c))
        run_from(c, clock_now_ns(c));
}

int64_t clock_wall_base_s(const struct clock *c)
{
    return c->wall_base_s;
}

void clock_set_wall_base_s(struct clock *c, int64_t seconds)
{
    c->wall_base_s = seconds;
}

void timer_init(struct timer *t, struct clock *c, timer_fn *fn, void *opaque)
{
    *t = (struct timer){.clock = c, .fn = fn, .opaque = opaque, .deadline_ns = CLOCK_NEVER};
}

static bool unlink_timer(struct timer **list, struct timer *t)
{
    for (struct timer **p = list; *p; p = &(*p)->next) {
        if (*p == t) {
            *p = t->next;
            t->next = NULL;
            return true;
        }
    }
    return false;
}

void timer_disarm(struct timer *t)
{
    if (!timer_is_armed(t))
        return;
    if (!unlink_timer(&t->clock->armed, t))
        unlink_timer(&t->clock->due, t);
    t->deadline_ns = CLOCK_NEVER;
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
    struct clock *c = t->clock;
    uint64_t earliest_before = c->armed ? c->armed->deadline_ns : CLOCK_NEVER;
    struct timer **p;

    timer_disarm(t);
    if (deadline_ns == CLOCK_NEVER)
        return;
    for (p = &c->armed; *p && (*p)->deadline_ns <= deadline_ns; p = &(*p)->next)
        ;
    t->deadline_ns = deadline_ns;
    t->next = *p;
    *p = t;
    if (c->hook && deadline_ns < earliest_before)
        c->hook(c->hook_opaque, deadline_ns);
}

/* Move the armed timers whose deadline has come to the end of the due list. */
static void collect_due(struct clock *c, uint64_t now_ns)
{
    struct timer **tail = &c->due;
    struct timer *first = c->armed;
    struct timer **end = &c->armed;

    while (*end && (*end)->deadline_ns <= now_ns)
        end = &(*end)->next;
    if (end == &c->armed)
        return;
    c->armed = *end;
    *end = NULL;
    while (*tail)
        tail = &(*tail)->next;
    *tail = first;
}

void clock_run_timers(struct clock *c)
{
    struct timer *t;

    if (!c->due && (!c->armed || c->armed->deadline_ns > clock_now_ns(c)))
        return;
    collect_due(c, clock_now_ns(c));
    while ((t = c->due)) {
        c->due = t->next;
        t->next = NULL;
        t->deadline_ns = CLOCK_NEVER;
        t->fn(t->opaque);
    }
}

void clock_advance(struct clock *c, uint64_t ns)
{
    uint64_t now_ns = clock_now_ns(c);
    uint64_t target_ns = now_ns + ns;
    unsigned rounds = 0;

    if (!c->is_manual)
        return;
    while (clock_next_deadline_ns(c) <= target_ns) {
        uint64_t deadline_ns = clock_next_deadline_ns(c);

        if (deadline_ns > now_ns) {
            now_ns = deadline_ns;
            stand_at(c, now_ns);
            rounds = 0;
        } else if (++rounds > ADVANCE_ROUNDS_AT_A_TIME) {
            break; /* somebody keeps arming a timer in the past */
        }
        clock_run_timers(c);
    }
    stand_at(c, target_ns);
}

uint64_t clock_next_deadline_ns(const struct clock *c)
{
    const struct timer *first = c->due ? c->due : c->armed;

    return first ? first->deadline_ns : CLOCK_NEVER;
}

void clock_set_deadline_hook(struct clock *c, void (*fn)(void *opaque, uint64_t deadline_ns), void *opaque)
{
    c->hook = fn;
    c->hook_opaque = opaque;
}
