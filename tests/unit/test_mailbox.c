/* Mail to the machine thread. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>
#include "host/mailbox.h"

#define LETTERS 1000

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct letter {
    unsigned *log, *count;
    unsigned number;
    struct mailbox *repost;
};

static void arrive(void *opaque)
{
    struct letter *l = opaque;

    l->log[(*l->count)++] = l->number;
    if (l->repost)
        mailbox_post(l->repost, arrive, l);
}

static void kick(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void letters_run_in_order(void **state)
{
    static struct letter letters[LETTERS];
    static unsigned log[LETTERS];
    unsigned kicks = 0, count = 0;
    struct mailbox *m = mailbox_create(kick, &kicks);

    assert_false(mailbox_run(m));
    for (unsigned i = 0; i < LETTERS; i++) {
        letters[i] = (struct letter){log, &count, i, NULL};
        mailbox_post(m, arrive, &letters[i]);
    }
    assert_int_equal(kicks, LETTERS);
    assert_int_equal(count, 0);
    assert_true(mailbox_run(m));
    assert_int_equal(count, LETTERS);
    for (unsigned i = 0; i < LETTERS; i++)
        assert_int_equal(log[i], i);
    assert_false(mailbox_run(m));
    mailbox_destroy(m);
}

static void what_a_letter_posts_waits_for_the_next_run(void **state)
{
    struct mailbox *m = mailbox_create(NULL, NULL);
    unsigned log[4], count = 0;
    struct letter l = {log, &count, 7, m};

    mailbox_post(m, arrive, &l);
    assert_true(mailbox_run(m));
    assert_int_equal(count, 1);
    assert_true(mailbox_run(m));
    assert_int_equal(count, 2);
    mailbox_destroy(m);
}

static void dropped_letters_do_not_run(void **state)
{
    struct mailbox *m = mailbox_create(NULL, NULL);
    unsigned log[4], count = 0;
    struct letter gone = {log, &count, 1, NULL}, stays = {log, &count, 2, NULL};

    mailbox_post(m, arrive, &gone);
    mailbox_post(m, arrive, &stays);
    mailbox_post(m, arrive, &gone);
    mailbox_drop(m, &gone);
    mailbox_run(m);
    assert_int_equal(count, 1);
    assert_int_equal(log[0], 2);
    mailbox_destroy(m);
}

static void *post_soon(void *opaque)
{
    struct letter *l = opaque;
    struct timespec ms5 = {.tv_nsec = 5000000};

    nanosleep(&ms5, NULL);
    mailbox_post(l->repost, arrive, l);
    return NULL;
}

static void wait_ends_with_a_letter_or_the_time(void **state)
{
    struct mailbox *m = mailbox_create(NULL, NULL);
    unsigned log[4], count = 0;
    struct letter l = {log, &count, 1, m};
    uint64_t before = now_ns();
    pthread_t thread;

    mailbox_wait(m, 3000000);
    assert_true(now_ns() - before >= 3000000);
    mailbox_wait(m, 0);
    pthread_create(&thread, NULL, post_soon, &l);
    mailbox_wait(m, UINT64_MAX); /* a lost wake-up hangs here, until the test's time limit */
    assert_int_equal(count, 0);
    assert_true(mailbox_run(m));
    pthread_join(thread, NULL);
    mailbox_wait(m, UINT64_MAX); /* it posted itself again: no sleep */
    mailbox_destroy(m);
    mailbox_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_run_in_order),
        cmocka_unit_test(what_a_letter_posts_waits_for_the_next_run),
        cmocka_unit_test(dropped_letters_do_not_run),
        cmocka_unit_test(wait_ends_with_a_letter_or_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
