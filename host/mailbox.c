/* The mailbox: a ring of (function, argument) pairs that grows when it must, and a futex(2) to sleep on: an idle guest does so 250 times a
 * second, and a semaphore of libc's took twice the time around the system call.
 * The lock is never held while a function or the kick runs. */
#include "host/mailbox.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "host/clock.h"
#include "host/log.h"
#include "host/util.h"

#define FIRST_LENGTH 16

struct mail {
    mail_fn *fn; /* NULL: dropped */
    void *opaque;
};

struct mailbox {
    pthread_mutex_t lock;
    _Atomic uint32_t posted; /* changes with each mail: what the sleeper waits for */
    atomic_bool is_waiting;  /* posted is to be followed by a wake-up */
    struct mail *ring;
    size_t length, head;
    atomic_size_t count; /* changed with the lock held; looked at without: mostly there is nothing */
    void (*kick)(void *opaque);
    void *kick_opaque;
};

struct mailbox *mailbox_create(void (*kick)(void *opaque), void *opaque)
{
    struct mailbox *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->ring = calloc(FIRST_LENGTH, sizeof *m->ring);
    if (!m->ring) {
        free(m);
        return NULL;
    }
    m->length = FIRST_LENGTH;
    m->kick = kick;
    m->kick_opaque = opaque;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void mailbox_destroy(struct mailbox *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->lock);
    free(m->ring);
    free(m);
}

static struct mail *slot(struct mailbox *m, size_t i)
{
    return &m->ring[(m->head + i) % m->length];
}

static void grow(struct mailbox *m)
{
    struct mail *ring = calloc(m->length * 2, sizeof *ring);

    if (!ring)
        BUG("out of memory for mail to the machine thread");
    for (size_t i = 0; i < m->count; i++)
        ring[i] = *slot(m, i);
    free(m->ring);
    m->ring = ring;
    m->head = 0;
    m->length *= 2;
}

void mailbox_post(struct mailbox *m, mail_fn *fn, void *opaque)
{
    pthread_mutex_lock(&m->lock);
    if (m->count == m->length)
        grow(m);
    *slot(m, m->count++) = (struct mail){fn, opaque};
    pthread_mutex_unlock(&m->lock);
    atomic_fetch_add(&m->posted, 1);
    if (atomic_load(&m->is_waiting))
        syscall(SYS_futex, &m->posted, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    if (m->kick)
        m->kick(m->kick_opaque);
}

static struct mail take(struct mailbox *m)
{
    struct mail mail = *slot(m, 0);

    m->head = (m->head + 1) % m->length;
    m->count--;
    return mail;
}

static bool is_empty(struct mailbox *m)
{
    return atomic_load(&m->count) == 0;
}

bool mailbox_run(struct mailbox *m)
{
    bool has_run = false;
    size_t left;

    if (is_empty(m))
        return false;
    pthread_mutex_lock(&m->lock);
    /* what the functions post themselves waits for the next call */
    for (left = m->count; left > 0 && m->count > 0; left--) {
        struct mail mail = take(m);

        if (!mail.fn)
            continue;
        pthread_mutex_unlock(&m->lock);
        mail.fn(mail.opaque);
        has_run = true;
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return has_run;
}

void mailbox_drop(struct mailbox *m, const void *opaque)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->count; i++) {
        if (slot(m, i)->opaque == opaque)
            slot(m, i)->fn = NULL;
    }
    pthread_mutex_unlock(&m->lock);
}

void mailbox_wait(struct mailbox *m, uint64_t timeout_ns)
{
    struct timespec until; /* of CLOCK_MONOTONIC, as futex(2) has it */
    uint64_t ns;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ns > FOREVER_NS)
        timeout_ns = FOREVER_NS;
    ns = (uint64_t)until.tv_nsec + timeout_ns;
    until.tv_sec += (time_t)(ns / CLOCK_NS_PER_S);
    until.tv_nsec = (long)(ns % CLOCK_NS_PER_S);
    atomic_store(&m->is_waiting, true);
    do {
        uint32_t seen = atomic_load(&m->posted);

        if (!is_empty(m))
            break;
        if (syscall(SYS_futex, &m->posted, FUTEX_WAIT_BITSET_PRIVATE, seen, &until, NULL, FUTEX_BITSET_MATCH_ANY) < 0)
            error = errno;
    } while (error != ETIMEDOUT);
    atomic_store(&m->is_waiting, false);
}
