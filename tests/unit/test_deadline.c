/* The timer that interrupts its own thread. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "host/deadline.h"

#define MS 1000000ull

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct called {
    atomic_uint count;
    atomic_int tid;
};

static void note(void *opaque)
{
    struct called *c = opaque;

    c->count++;
    c->tid = gettid();
}

/* The thread computes and makes no system call: only a signal can come in between. */
static void *wait_for_two(void *opaque)
{
    struct called *c = opaque;
    struct deadline *d;

    assert_int_equal(deadline_create(&d, note, c), 0);
    for (unsigned i = 1; i <= 2; i++) {
        uint64_t start = now_ns();

        deadline_arm(d, 2 * MS);
        while (c->count < i)
            ;
        assert_true(now_ns() - start >= 2 * MS);
        assert_int_equal(c->tid, gettid());
    }
    return d;
}

static void it_interrupts_its_own_thread(void **state)
{
    struct called c[2] = {0};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_two, &c[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *d;

        pthread_join(threads[i], &d);
        assert_int_equal(c[i].count, 2); /* once for each time it was armed */
        deadline_destroy(d);
    }
    assert_int_not_equal(c[0].tid, c[1].tid);
}

static void a_new_time_replaces_the_old_and_disarming_cancels(void **state)
{
    struct called c = {0};
    struct deadline *d;
    uint64_t start = now_ns();

    assert_int_equal(deadline_create(&d, note, &c), 0);
    deadline_arm(d, UINT64_MAX);
    deadline_arm(d, 1000000 * MS);
    deadline_arm(d, 0); /* at once */
    while (c.count < 1)
        ;
    assert_true(now_ns() - start < 100000 * MS);
    deadline_arm(d, 20 * MS);
    deadline_disarm(d);
    start = now_ns();
    while (now_ns() - start < 40 * MS)
        ;
    assert_int_equal(c.count, 1);
    deadline_destroy(d);
    deadline_destroy(NULL);
}

static void a_blocked_or_foreign_alarm_is_none(void **state)
{
    struct called c = {0};
    struct deadline *d;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* as a parent may have left it */
    assert_int_equal(deadline_create(&d, note, &c), 0);
    raise(SIGALRM);
    assert_int_equal(c.count, 0);
    deadline_arm(d, MS);
    while (c.count < 1)
        ;
    deadline_destroy(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_interrupts_its_own_thread),
        cmocka_unit_test(a_new_time_replaces_the_old_and_disarming_cancels),
        cmocka_unit_test(a_blocked_or_foreign_alarm_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
