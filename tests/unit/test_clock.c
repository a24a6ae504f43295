/* Virtual time and timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "host/clock.h"
#include "host/util.h"

struct fixture {
    struct clock *clock;
    struct timer a, b, c;
    char ran[64]; /* names of the timers that ran, in order */
    uint64_t at[64];
    uint64_t rearm_at; /* timer b re-arms itself or arms c there */
    uint64_t hooked_ns;
    unsigned hook_calls;
};

static void note(struct fixture *f, char name)
{
    size_t n = strlen(f->ran);

    assert_true(n < sizeof f->ran - 1);
    f->ran[n] = name;
    f->at[n] = clock_now_ns(f->clock);
}

static void run_a(void *opaque)
{
    note(opaque, 'a');
}

static void run_b(void *opaque)
{
    struct fixture *f = opaque;

    note(f, 'b');
    timer_disarm(&f->c);
    if (f->rearm_at)
        timer_arm(&f->b, f->rearm_at);
}

static void run_c(void *opaque)
{
    note(opaque, 'c');
}

static void init(struct fixture *f, struct clock *clock)
{
    *f = (struct fixture){.clock = clock};
    timer_init(&f->a, clock, run_a, f);
    timer_init(&f->b, clock, run_b, f);
    timer_init(&f->c, clock, run_c, f);
}

static struct fixture fixture_;

static int setup(void **state)
{
    init(&fixture_, clock_create_manual());
    *state = &fixture_;
    return 0;
}

static int teardown(void **state)
{
    clock_destroy(fixture_.clock);
    return 0;
}

static void manual_clock_moves_by_advance_only(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(clock_now_ns(f->clock), 0);
    clock_advance(f->clock, 1234);
    assert_int_equal(clock_now_ns(f->clock), 1234);
    clock_pause(f->clock);
    clock_resume(f->clock);
    assert_int_equal(clock_now_ns(f->clock), 1234);
}

static void timers_run_in_order_at_their_time(void **state)
{
    struct fixture *f = *state;

    timer_arm(&f->c, 50);
    timer_arm(&f->a, 100);
    timer_arm(&f->b, 75);
    assert_int_equal(clock_next_deadline_ns(f->clock), 50);
    clock_advance(f->clock, 99);
    assert_string_equal(f->ran, "cb");
    assert_int_equal(f->at[0], 50);
    assert_int_equal(f->at[1], 75);
    assert_int_equal(clock_now_ns(f->clock), 99);
    clock_advance(f->clock, 1);
    assert_string_equal(f->ran, "cba");
    assert_int_equal(clock_next_deadline_ns(f->clock), CLOCK_NEVER);
    assert_false(timer_is_armed(&f->a));
}

static void same_deadline_runs_in_order_of_arming(void **state)
{
    struct fixture *f = *state;

    timer_arm(&f->a, 10);
    timer_arm(&f->c, 10);
    clock_advance(f->clock, 10);
    assert_string_equal(f->ran, "ac");
}

static void rearming_moves_a_timer(void **state)
{
    struct fixture *f = *state;

    timer_arm(&f->a, 10);
    timer_arm(&f->a, 20);
    clock_advance(f->clock, 15);
    assert_string_equal(f->ran, "");
    timer_arm(&f->a, CLOCK_NEVER);
    assert_false(timer_is_armed(&f->a));
    clock_advance(f->clock, 100);
    assert_string_equal(f->ran, "");
}

static void callback_may_disarm_another_due_timer(void **state)
{
    struct fixture *f = *state;

    timer_arm(&f->b, 10);
    timer_arm(&f->c, 10); /* due at the same moment; b takes it back */
    timer_arm(&f->a, 10);
    clock_advance(f->clock, 10);
    assert_string_equal(f->ran, "ba");
    assert_false(timer_is_armed(&f->c));
}

static void callback_may_rearm_itself(void **state)
{
    struct fixture *f = *state;

    timer_arm(&f->b, 10);
    f->rearm_at = 30;
    clock_advance(f->clock, 29);
    assert_string_equal(f->ran, "b");
    assert_true(timer_is_armed(&f->b));
}

static void rearming_in_the_past_ends(void **state)
{
    struct fixture *f = *state;
    struct timespec ts = {.tv_nsec = 1000};
    struct clock *c = clock_create();
    struct fixture g;

    (void)f;
    init(&g, c);
    timer_arm(&g.b, 1);
    g.rearm_at = 1;
    nanosleep(&ts, NULL);
    clock_run_timers(c);
    assert_string_equal(g.ran, "b");
    clock_run_timers(c);
    assert_string_equal(g.ran, "bb");
    clock_destroy(c);
}

static void count_only(void *opaque)
{
    struct fixture *f = opaque;

    f->hook_calls++;
    timer_arm(&f->a, 1);
}

static void advance_past_a_timer_that_rearms_in_the_past_ends(void **state)
{
    struct fixture *f = *state;

    timer_init(&f->a, f->clock, count_only, f);
    timer_arm(&f->a, 1);
    clock_advance(f->clock, 100);
    assert_int_equal(clock_now_ns(f->clock), 100);
    assert_true(f->hook_calls > 1);
}

static void hook(void *opaque, uint64_t deadline_ns)
{
    struct fixture *f = opaque;

    f->hooked_ns = deadline_ns;
    f->hook_calls++;
}

static void hook_hears_of_earlier_deadlines_only(void **state)
{
    struct fixture *f = *state;

    clock_set_deadline_hook(f->clock, hook, f);
    timer_arm(&f->a, 100);
    assert_int_equal(f->hooked_ns, 100);
    timer_arm(&f->b, 200);
    assert_int_equal(f->hook_calls, 1);
    timer_arm(&f->c, 50);
    assert_int_equal(f->hook_calls, 2);
    assert_int_equal(f->hooked_ns, 50);
}

static uint64_t host_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void host_clock_runs_and_pauses(void **state)
{
    struct timespec ms2 = {.tv_nsec = 2000000};
    uint64_t host_start = host_ns();
    struct clock *c = clock_create();
    uint64_t start = clock_now_ns(c), paused;

    nanosleep(&ms2, NULL);
    assert_true(clock_now_ns(c) >= start + 2000000);
    clock_pause(c);
    clock_pause(c);
    paused = clock_now_ns(c);
    nanosleep(&ms2, NULL);
    assert_int_equal(clock_now_ns(c), paused);
    clock_resume(c);
    assert_true(clock_now_ns(c) >= paused);
    nanosleep(&ms2, NULL);
    assert_true(clock_now_ns(c) >= paused + 2000000);
    /* no catch-up: at least the 2 ms of the pause are missing */
    assert_true(clock_now_ns(c) + 2000000 <= host_ns() - host_start);
    clock_destroy(c);
}

static void wall_base(void **state)
{
    struct fixture *f = *state;
    struct clock *c = clock_create();
    int64_t now = time(NULL);

    assert_in_range(clock_wall_base_s(c), now - 2, now + 2);
    clock_destroy(c);
    assert_int_equal(clock_wall_base_s(f->clock), 946684800);
    clock_set_wall_base_s(f->clock, -5);
    assert_true(clock_wall_base_s(f->clock) == -5);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(manual_clock_moves_by_advance_only),
        test(timers_run_in_order_at_their_time),
        test(same_deadline_runs_in_order_of_arming),
        test(rearming_moves_a_timer),
        test(callback_may_disarm_another_due_timer),
        test(callback_may_rearm_itself),
        test(rearming_in_the_past_ends),
        test(advance_past_a_timer_that_rearms_in_the_past_ends),
        test(hook_hears_of_earlier_deadlines_only),
        test(host_clock_runs_and_pauses),
        test(wall_base),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
