/* SIGINT, SIGTERM and SIGHUP as events of the loop.  A file of its own since <signal.h> and cpu/cpu.h name registers alike.
 * Thread: main; before other threads are started, which inherit the signal mask. */
#ifndef FRONTEND_SIGNALS_H
#define FRONTEND_SIGNALS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "host/loop.h"

typedef void signals_fn(void *opaque, int signo);

/* fn runs on the loop thread. */
struct signals {
    struct loop *loop;
    int read_fd, write_fd;
    pthread_t thread;
    atomic_bool is_released;
    signals_fn *fn;
    void *opaque;
};
int signals_catch(struct signals *s, struct loop *loop, signals_fn *fn, void *opaque); /* 0 or -errno */
void signals_release(struct signals *s); /* they stay blocked */

#endif
