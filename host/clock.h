/* Virtual time, and timers on it.  Every device takes its time from here and nowhere else.
 *
 * Virtual time is nanoseconds since the machine was switched on; it stands still while the machine is
 * paused.  A manual clock (tests, and later deterministic runs) moves only by clock_advance().
 * The guest's time-stamp counter counts virtual time at CLOCK_TSC_HZ, so that TSC, PIT, PM timer and RTC agree.
 *
 * Thread: clock_now_ns() on any thread; everything else on the machine thread. */
#ifndef HOST_CLOCK_H
#define HOST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_TSC_HZ 1000000000ull
#define CLOCK_BUS_HZ 100000000ull /* the processor's bus: what its local APIC timer counts */
#define CLOCK_NS_PER_S 1000000000ull
#define CLOCK_NEVER UINT64_MAX

struct clock;

typedef void timer_fn(void *opaque);

/* Owned by the user (embedded in a device); linked into the clock while armed. */
struct timer {
    struct clock *clock;
    timer_fn *fn;
    void *opaque;
    uint64_t deadline_ns; /* CLOCK_NEVER: not armed */
    struct timer *next;   /* private to clock.c */
};

struct clock *clock_create(void);        /* follows the host's monotonic clock; NULL: no memory */
struct clock *clock_create_manual(void); /* moves by clock_advance() only */
void clock_destroy(struct clock *c);     /* timers must be disarmed or forgotten */

uint64_t clock_now_ns(const struct clock *c);
void clock_pause(struct clock *c);
void clock_resume(struct clock *c);
/* Manual clock: move forward by ns, running the timers that become due in order of their deadlines. */
void clock_advance(struct clock *c, uint64_t ns);

/* Wall-clock time for the RTC: seconds since 1970-01-01 UTC that the guest should believe when virtual time is 0. */
int64_t clock_wall_base_s(const struct clock *c);
void clock_set_wall_base_s(struct clock *c, int64_t seconds);

void timer_init(struct timer *t, struct clock *c, timer_fn *fn, void *opaque);
void timer_arm(struct timer *t, uint64_t deadline_ns); /* absolute virtual time; re-arming moves it */
void timer_disarm(struct timer *t);
static inline bool timer_is_armed(const struct timer *t)
{
    return t->deadline_ns != CLOCK_NEVER;
}

/* Run every timer that is due.  Callbacks may arm and disarm timers. */
void clock_run_timers(struct clock *c);
/* Earliest deadline, CLOCK_NEVER if none. */
uint64_t clock_next_deadline_ns(const struct clock *c);
/* Called on the machine thread whenever the earliest deadline becomes earlier (to re-arm a host timer). */
void clock_set_deadline_hook(struct clock *c, void (*fn)(void *opaque, uint64_t deadline_ns), void *opaque);

#endif
