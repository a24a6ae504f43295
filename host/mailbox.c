/* The mailbox: a ring of (function, argument) pairs that grows when it must, and a semaphore to sleep on.
 * The lock is never held while a function or the kick runs. */
#include "host/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
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
    sem_t posted; /* wakes the sleeper; no count of what is in the ring */
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
    sem_init(&m->posted, 0, 0);
    return m;
}

void mailbox_destroy(struct mailbox *m)
{
    if (!m)
        return;
    sem_destroy(&m->posted);
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
    sem_post(&m->posted);
    pthread_mutex_unlock(&m->lock);
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
    while (sem_trywait(&m->posted) == 0)
        ;
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
    struct timespec until;
    uint64_t ns;

    clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ns > FOREVER_NS)
        timeout_ns = FOREVER_NS;
    ns = (uint64_t)until.tv_nsec + timeout_ns;
    until.tv_sec += (time_t)(ns / CLOCK_NS_PER_S);
    until.tv_nsec = (long)(ns % CLOCK_NS_PER_S);
    while (is_empty(m)) {
        if (sem_clockwait(&m->posted, CLOCK_MONOTONIC, &until) < 0 && errno == ETIMEDOUT)
            break;
    }
}
