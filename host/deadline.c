/* See deadline.h: a POSIX timer with SIGEV_THREAD_ID (timer_create(2)). */
#include "host/deadline.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "host/clock.h"
#include "host/fault.h"
#include "host/util.h"

struct deadline {
    timer_t timer;
    void (*fn)(void *opaque);
    void *opaque;
};

static void on_alarm(int signo, siginfo_t *info, void *context)
{
    int saved_errno = errno;

    (void)signo;
    if (info->si_code == SI_TIMER) { /* not somebody's kill(1) */
        struct deadline *d = info->si_value.sival_ptr;

        d->fn(d->opaque);
        fault_interrupt(context);
    }
    errno = saved_errno;
}

int deadline_create(struct deadline **out, void (*fn)(void *opaque), void *opaque)
{
    struct deadline *d = malloc(sizeof(*d));
    struct sigaction sa = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM, .sigev_value.sival_ptr = d};
    sigset_t alarm;
    int err;

    if (!d)
        return -ENOMEM;
    *d = (struct deadline){.fn = fn, .opaque = opaque};
    event._sigev_un._tid = gettid();
    sigfillset(&sa.sa_mask);
    /* the synchronous ones must reach their handler at once */
    for (const int *s = (const int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, 0}; *s; s++)
        sigdelset(&sa.sa_mask, *s);
    if (sigaction(SIGALRM, &sa, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &event, &d->timer) < 0) {
        err = errno;
        free(d);
        return -err;
    }
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    *out = d;
    return 0;
}

static void set(struct deadline *d, uint64_t delay_ns)
{
    struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(delay_ns / CLOCK_NS_PER_S), .tv_nsec = (long)(delay_ns % CLOCK_NS_PER_S)}};

    timer_settime(d->timer, 0, &spec, NULL);
}

void deadline_arm(struct deadline *d, uint64_t delay_ns)
{
    set(d, delay_ns == 0 ? 1 : delay_ns > FOREVER_NS ? FOREVER_NS : delay_ns);
}

void deadline_disarm(struct deadline *d)
{
    set(d, 0);
}

void deadline_destroy(struct deadline *d)
{
    if (!d)
        return;
    timer_delete(d->timer);
    free(d);
}
