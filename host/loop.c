/* The event loop: one epoll instance, one eventfd that wakes it, one timerfd for the earliest of its timers.
 *
 * Lock: `lock` guards the watches and timers, and is not held while a callback runs.  An event names its watch by a
 * serial number, so that one for a descriptor that was removed (and its number perhaps used again) in the meantime
 * finds nobody.  loop_remove_fd() on another thread waits for a running callback of that descriptor. */
#include "host/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "host/clock.h"
#include "host/util.h"

#define TIMERS     8
#define NEVER      UINT64_MAX
#define MAX_EVENTS 16

enum { SERIAL_WAKE = 1, SERIAL_TIMER, SERIAL_FIRST };

struct watch {
    uint64_t serial;
    int fd;
    loop_fd_fn *fn;
    void *opaque;
    struct watch *next;
};

struct loop {
    pthread_mutex_t lock;
    pthread_cond_t callback_done;
    int epoll_fd, wake_fd, timer_fd;
    struct watch *watches;
    uint64_t next_serial;
    int running_fd;   /* whose callback is being run, -1: none */
    pthread_t thread; /* in loop_run() */
    struct {
        uint64_t deadline_ns; /* CLOCK_MONOTONIC */
        loop_timer_fn *fn;
        void *opaque;
    } timers[TIMERS];
    bool must_quit;
    int quit_value;
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int epoll_set(struct loop *l, int op, int fd, uint32_t events, uint64_t serial)
{
    struct epoll_event event = {.events = events, .data.u64 = serial};

    return epoll_ctl(l->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

struct loop *loop_create(void)
{
    struct loop *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    l->next_serial = SERIAL_FIRST;
    l->running_fd = -1;
    for (unsigned i = 0; i < TIMERS; i++)
        l->timers[i].deadline_ns = NEVER;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->callback_done, NULL);
    if (l->epoll_fd < 0 || l->wake_fd < 0 || l->timer_fd < 0 ||
        epoll_set(l, EPOLL_CTL_ADD, l->wake_fd, EPOLLIN, SERIAL_WAKE) < 0 ||
        epoll_set(l, EPOLL_CTL_ADD, l->timer_fd, EPOLLIN, SERIAL_TIMER) < 0) {
        loop_destroy(l);
        return NULL;
    }
    return l;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    while (l->watches) {
        struct watch *w = l->watches;

        l->watches = w->next;
        free(w);
    }
    close_fd(l->timer_fd);
    close_fd(l->wake_fd);
    close_fd(l->epoll_fd);
    pthread_cond_destroy(&l->callback_done);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static struct watch **find_fd(struct loop *l, int fd)
{
    struct watch **p = &l->watches;

    while (*p && (*p)->fd != fd)
        p = &(*p)->next;
    return p;
}

int loop_add_fd(struct loop *l, int fd, uint32_t epoll_events, loop_fd_fn *fn, void *opaque)
{
    struct watch *w = malloc(sizeof *w);
    int err;

    if (!w)
        return -ENOMEM;
    pthread_mutex_lock(&l->lock);
    *w = (struct watch){.serial = l->next_serial++, .fd = fd, .fn = fn, .opaque = opaque, .next = l->watches};
    err = epoll_set(l, EPOLL_CTL_ADD, fd, epoll_events, w->serial);
    if (!err)
        l->watches = w;
    pthread_mutex_unlock(&l->lock);
    if (err)
        free(w);
    return err;
}

int loop_modify_fd(struct loop *l, int fd, uint32_t epoll_events)
{
    struct watch *w;
    int err;

    pthread_mutex_lock(&l->lock);
    w = *find_fd(l, fd);
    err = w ? epoll_set(l, EPOLL_CTL_MOD, fd, epoll_events, w->serial) : -ENOENT;
    pthread_mutex_unlock(&l->lock);
    return err;
}

void loop_remove_fd(struct loop *l, int fd)
{
    struct watch **p, *w;

    pthread_mutex_lock(&l->lock);
    p = find_fd(l, fd);
    w = *p;
    if (w) {
        *p = w->next;
        epoll_set(l, EPOLL_CTL_DEL, fd, 0, 0);
        free(w);
    }
    while (l->running_fd == fd && !pthread_equal(l->thread, pthread_self()))
        pthread_cond_wait(&l->callback_done, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

static void wake(struct loop *l)
{
    uint64_t one = 1;

    while (write(l->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void drain(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

/* Program the timerfd with the earliest deadline.  Lock held. */
static void program_timer(struct loop *l)
{
    struct itimerspec spec = {0};
    uint64_t earliest = NEVER;

    for (unsigned i = 0; i < TIMERS; i++) {
        if (l->timers[i].deadline_ns < earliest)
            earliest = l->timers[i].deadline_ns;
    }
    if (earliest != NEVER) {
        spec.it_value.tv_sec = (time_t)(earliest / CLOCK_NS_PER_S);
        spec.it_value.tv_nsec = (long)(earliest % CLOCK_NS_PER_S);
    }
    timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void loop_set_timer(struct loop *l, unsigned id, uint64_t delay_ns, loop_timer_fn *fn, void *opaque)
{
    uint64_t now = now_ns();

    if (id >= TIMERS)
        return;
    pthread_mutex_lock(&l->lock);
    l->timers[id].deadline_ns = delay_ns == 0 ? NEVER : delay_ns > INT64_MAX - now ? INT64_MAX : now + delay_ns;
    l->timers[id].fn = fn;
    l->timers[id].opaque = opaque;
    program_timer(l);
    pthread_mutex_unlock(&l->lock);
}

static void run_timers(struct loop *l)
{
    uint64_t now = now_ns();

    drain(l->timer_fd);
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < TIMERS; i++) {
        loop_timer_fn *fn = l->timers[i].fn;
        void *opaque = l->timers[i].opaque;

        if (l->timers[i].deadline_ns > now)
            continue;
        l->timers[i].deadline_ns = NEVER;
        pthread_mutex_unlock(&l->lock);
        fn(opaque);
        pthread_mutex_lock(&l->lock);
    }
    program_timer(l);
    pthread_mutex_unlock(&l->lock);
}

static void run_watch(struct loop *l, uint64_t serial, uint32_t events)
{
    struct watch found, *w;

    pthread_mutex_lock(&l->lock);
    for (w = l->watches; w && w->serial != serial; w = w->next)
        ;
    if (w) {
        found = *w; /* the callback may remove itself */
        l->running_fd = found.fd;
        pthread_mutex_unlock(&l->lock);
        found.fn(found.opaque, found.fd, events);
        pthread_mutex_lock(&l->lock);
        l->running_fd = -1;
        pthread_cond_broadcast(&l->callback_done);
    }
    pthread_mutex_unlock(&l->lock);
}

static void dispatch(struct loop *l, const struct epoll_event *event)
{
    if (event->data.u64 == SERIAL_WAKE)
        drain(l->wake_fd);
    else if (event->data.u64 == SERIAL_TIMER)
        run_timers(l);
    else
        run_watch(l, event->data.u64, event->events);
}

/* True once: loop_quit() was called. */
static bool take_quit(struct loop *l, int *value)
{
    bool must_quit;

    pthread_mutex_lock(&l->lock);
    must_quit = l->must_quit;
    *value = l->quit_value;
    l->must_quit = false;
    pthread_mutex_unlock(&l->lock);
    return must_quit;
}

int loop_run(struct loop *l)
{
    struct epoll_event events[MAX_EVENTS];
    int value;

    pthread_mutex_lock(&l->lock);
    l->thread = pthread_self();
    pthread_mutex_unlock(&l->lock);
    while (!take_quit(l, &value)) {
        int n = epoll_wait(l->epoll_fd, events, MAX_EVENTS, -1);

        for (int i = 0; i < n; i++)
            dispatch(l, &events[i]);
    }
    return value;
}

void loop_quit(struct loop *l, int value)
{
    pthread_mutex_lock(&l->lock);
    l->must_quit = true;
    l->quit_value = value;
    pthread_mutex_unlock(&l->lock);
    wake(l);
}
