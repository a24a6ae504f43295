/* The signals that end the program, as events of the loop; and that other signals leave the loop's thread asleep. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include "frontend/signals.h"

#define FAULTS 2000

struct fixture {
    struct loop *loop;
    struct signals signals;
    int seen[8];
    unsigned count, want;
};

static void signal_seen(void *opaque, int signo)
{
    struct fixture *f = opaque;

    f->seen[f->count++] = signo;
    if (f->count == f->want)
        loop_quit(f->loop, 7);
}

static void ending_signals_arrive_on_the_loop(void **state)
{
    struct fixture f = {.loop = loop_create(), .want = 3};

    assert_int_equal(signals_catch(&f.signals, f.loop, signal_seen, &f), 0);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGINT);
    kill(getpid(), SIGTERM);
    assert_int_equal(loop_run(f.loop), 7);
    for (int want = 0; want < 3; want++) {
        static const int all[] = {SIGHUP, SIGINT, SIGTERM};
        bool is_there = false;

        for (unsigned i = 0; i < f.count; i++)
            is_there |= f.seen[i] == all[want];
        assert_true(is_there);
    }
    signals_release(&f.signals);
    loop_destroy(f.loop);
}

static atomic_uint faults;

static void on_fault(int signo)
{
    faults++;
}

/* As translated code faults, then as a user ends the program. */
static void *fault_often(void *opaque)
{
    for (int i = 0; i < FAULTS; i++)
        raise(SIGUSR1);
    kill(getpid(), SIGTERM);
    return NULL;
}

static long voluntary_switches(void)
{
    struct rusage use;

    getrusage(RUSAGE_THREAD, &use);
    return use.ru_nvcsw;
}

static void faults_do_not_wake_the_loop(void **state)
{
    struct fixture f = {.loop = loop_create(), .want = 1};
    pthread_t thread;
    long before;

    signal(SIGUSR1, on_fault);
    assert_int_equal(signals_catch(&f.signals, f.loop, signal_seen, &f), 0);
    before = voluntary_switches();
    assert_int_equal(pthread_create(&thread, NULL, fault_often, NULL), 0);
    assert_int_equal(loop_run(f.loop), 7);
    assert_true(voluntary_switches() - before < FAULTS / 20);
    assert_int_equal(faults, FAULTS);
    pthread_join(thread, NULL);
    signals_release(&f.signals);
    loop_destroy(f.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ending_signals_arrive_on_the_loop),
        cmocka_unit_test(faults_do_not_wake_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
