/* The writer thread of a character backend.  It blocks in write(2) so that nobody else has to, and leaves the flags
 * of the descriptor alone: a terminal or pipe is shared with the processes that started us. */
#include "host/chardev_priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define CLOSE_PATIENCE_S 2

/* write(2), the only place where the thread may be cancelled. */
static ssize_t write_blocking(int fd, const uint8_t *buf, size_t n)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    ssize_t done;
    int err, ignored;

    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &ignored);
    done = write(fd, buf, n);
    err = errno;
    if (done < 0 && err == EAGAIN) /* somebody else made it non-blocking */
        poll(&writable, 1, 1000);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ignored);
    errno = err;
    return done;
}

/* After a write of the bytes at head.  Lock held. */
static void account(struct char_output *out, ssize_t done, int err)
{
    if (done >= 0) {
        out->head = (out->head + (size_t)done) % sizeof out->ring;
        out->count -= (size_t)done;
    } else if (err != EINTR && err != EAGAIN) {
        out->has_failed = true;
        out->count = 0;
    }
}

static void *writer_main(void *opaque)
{
    struct char_output *out = opaque;
    int ignored;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ignored);
    pthread_mutex_lock(&out->lock);
    for (;;) {
        size_t n = out->count;
        ssize_t done;
        int err;

        if (n == 0 && out->is_closing)
            break;
        if (n == 0) {
            pthread_cond_wait(&out->changed, &out->lock);
            continue;
        }
        if (n > sizeof out->ring - out->head)
            n = sizeof out->ring - out->head;
        pthread_mutex_unlock(&out->lock);
        done = write_blocking(out->fd, out->ring + out->head, n); /* only this thread moves head */
        err = errno;
        pthread_mutex_lock(&out->lock);
        account(out, done, err);
    }
    out->is_done = true;
    pthread_cond_broadcast(&out->changed);
    pthread_mutex_unlock(&out->lock);
    return NULL;
}

int char_output_init(struct char_output *out, int fd)
{
    pthread_condattr_t attr;
    sigset_t all, old;
    int err;

    out->fd = fd;
    pthread_mutex_init(&out->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&out->changed, &attr);
    pthread_condattr_destroy(&attr);
    sigfillset(&all); /* SIGPIPE becomes EPIPE; the others belong to other threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&out->thread, NULL, writer_main, out);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) {
        pthread_cond_destroy(&out->changed);
        pthread_mutex_destroy(&out->lock);
    }
    return -err;
}

size_t char_output_write(struct char_output *out, const uint8_t *buf, size_t n)
{
    size_t taken = 0;

    pthread_mutex_lock(&out->lock);
    if (out->has_failed)
        taken = n;
    for (; taken < n && out->count < sizeof out->ring; taken++)
        out->ring[(out->head + out->count++) % sizeof out->ring] = buf[taken];
    pthread_cond_broadcast(&out->changed);
    pthread_mutex_unlock(&out->lock);
    return taken;
}

void char_output_destroy(struct char_output *out)
{
    struct timespec until;
    bool is_done;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CLOSE_PATIENCE_S;
    pthread_mutex_lock(&out->lock);
    out->is_closing = true;
    pthread_cond_broadcast(&out->changed);
    while (!out->is_done) {
        if (pthread_cond_timedwait(&out->changed, &out->lock, &until) != 0)
            break;
    }
    is_done = out->is_done;
    pthread_mutex_unlock(&out->lock);
    if (!is_done)
        pthread_cancel(out->thread);
    pthread_join(out->thread, NULL);
    pthread_cond_destroy(&out->changed);
    pthread_mutex_destroy(&out->lock);
}
