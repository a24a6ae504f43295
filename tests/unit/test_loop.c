/* The event loop. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "host/loop.h"

#define MS 1000000u

struct fixture {
    struct loop *loop;
    int a[2], b[2]; /* pipes */
    unsigned calls;
    volatile int is_busy;
};

static struct fixture fixture_;

static int setup(void **state)
{
    fixture_ = (struct fixture){.loop = loop_create()};
    assert_int_equal(pipe(fixture_.a), 0);
    assert_int_equal(pipe(fixture_.b), 0);
    *state = &fixture_;
    return fixture_.loop ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    loop_destroy(f->loop);
    for (int i = 0; i < 2; i++) {
        close(f->a[i]);
        close(f->b[i]);
    }
    return 0;
}

static void read_byte_and_quit(void *opaque, int fd, uint32_t events)
{
    struct fixture *f = opaque;
    char byte;

    f->calls++;
    assert_true(events & EPOLLIN);
    assert_int_equal(read(fd, &byte, 1), 1);
    loop_quit(f->loop, byte);
}

static void readable_descriptor_calls(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_add_fd(f->loop, f->a[0], EPOLLIN, read_byte_and_quit, f), 0);
    assert_int_equal(write(f->a[1], "\5", 1), 1);
    assert_int_equal(loop_run(f->loop), 5);
    assert_int_equal(write(f->a[1], "\6", 1), 1);
    assert_int_equal(loop_run(f->loop), 6);
}

static void bad_descriptors_are_refused(void **state)
{
    struct fixture *f = *state;
    int file = fileno(tmpfile());

    assert_int_equal(loop_add_fd(f->loop, -1, EPOLLIN, read_byte_and_quit, f), -EBADF);
    assert_int_equal(loop_add_fd(f->loop, file, EPOLLIN, read_byte_and_quit, f), -EPERM);
    assert_int_equal(loop_add_fd(f->loop, f->a[0], EPOLLIN, read_byte_and_quit, f), 0);
    assert_int_equal(loop_add_fd(f->loop, f->a[0], EPOLLIN, read_byte_and_quit, f), -EEXIST);
    assert_int_equal(loop_modify_fd(f->loop, f->b[0], EPOLLIN), -ENOENT);
    loop_remove_fd(f->loop, f->b[0]);
}

/* Whichever of two ready descriptors comes first removes the other. */
static void remove_other(void *opaque, int fd, uint32_t events)
{
    struct fixture *f = opaque;

    f->calls++;
    loop_remove_fd(f->loop, f->a[0]);
    loop_remove_fd(f->loop, f->b[0]);
    loop_quit(f->loop, 0);
}

static void removed_descriptor_is_not_called_for_a_pending_event(void **state)
{
    struct fixture *f = *state;

    loop_add_fd(f->loop, f->a[0], EPOLLIN, remove_other, f);
    loop_add_fd(f->loop, f->b[0], EPOLLIN, remove_other, f);
    assert_int_equal(write(f->a[1], "x", 1), 1);
    assert_int_equal(write(f->b[1], "x", 1), 1);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
}

static void quit_timer(void *opaque)
{
    loop_quit(opaque, 9);
}

static void count_timer(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void timers_run_once_and_can_be_cancelled(void **state)
{
    struct fixture *f = *state;
    unsigned runs = 0, cancelled = 0, out_of_range = 0;

    loop_set_timer(f->loop, 0, 1 * MS, count_timer, &runs);
    loop_set_timer(f->loop, 1, 2 * MS, count_timer, &cancelled);
    loop_set_timer(f->loop, 1, 0, NULL, NULL);
    loop_set_timer(f->loop, 2, UINT64_MAX, count_timer, &cancelled);
    loop_set_timer(f->loop, 99, 1, count_timer, &out_of_range);
    loop_set_timer(f->loop, 7, 10 * MS, quit_timer, f->loop);
    assert_int_equal(loop_run(f->loop), 9);
    assert_int_equal(runs, 1);
    assert_int_equal(cancelled, 0);
    assert_int_equal(out_of_range, 0);
}

static void quit_before_run_counts(void **state)
{
    struct fixture *f = *state;

    loop_quit(f->loop, 3);
    assert_int_equal(loop_run(f->loop), 3);
}

static void *run_loop(void *opaque)
{
    struct fixture *f = opaque;

    return (void *)(intptr_t)loop_run(f->loop);
}

static void quit_and_add_work_from_another_thread(void **state)
{
    struct fixture *f = *state;
    struct timespec ms = {.tv_nsec = 2 * MS};
    pthread_t thread;
    void *value;

    pthread_create(&thread, NULL, run_loop, f);
    nanosleep(&ms, NULL);
    assert_int_equal(write(f->a[1], "\7", 1), 1);
    assert_int_equal(loop_add_fd(f->loop, f->a[0], EPOLLIN, read_byte_and_quit, f), 0);
    pthread_join(thread, &value);
    assert_int_equal((intptr_t)value, 7);
}

static void be_busy(void *opaque, int fd, uint32_t events)
{
    struct fixture *f = opaque;
    struct timespec ms = {.tv_nsec = 20 * MS};
    char byte;

    assert_int_equal(read(fd, &byte, 1), 1);
    __atomic_store_n(&f->is_busy, 1, __ATOMIC_SEQ_CST);
    nanosleep(&ms, NULL);
    __atomic_store_n(&f->is_busy, 2, __ATOMIC_SEQ_CST);
}

static void remove_waits_for_a_running_callback(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    loop_add_fd(f->loop, f->a[0], EPOLLIN, be_busy, f);
    assert_int_equal(write(f->a[1], "x", 1), 1);
    pthread_create(&thread, NULL, run_loop, f);
    while (__atomic_load_n(&f->is_busy, __ATOMIC_SEQ_CST) == 0)
        ;
    loop_remove_fd(f->loop, f->a[0]);
    assert_int_equal(__atomic_load_n(&f->is_busy, __ATOMIC_SEQ_CST), 2);
    loop_quit(f->loop, 0);
    pthread_join(thread, NULL);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(readable_descriptor_calls),
        test(bad_descriptors_are_refused),
        test(removed_descriptor_is_not_called_for_a_pending_event),
        test(timers_run_once_and_can_be_cancelled),
        test(quit_before_run_counts),
        test(quit_and_add_work_from_another_thread),
        test(remove_waits_for_a_running_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
