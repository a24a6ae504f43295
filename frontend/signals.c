/* Signals that end the program in order: a thread waits for them and writes their numbers to a pipe of the loop.
 *
 * Not a signalfd: whoever polls one is woken by every signal of the process, also by the faults of translated code, of
 * which there are thousands a second; a guest's fork took a third longer. */
#include "frontend/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

static void ending_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

static void *wait_for_signals(void *opaque)
{
    struct signals *s = opaque;
    sigset_t set;
    int signo;

    pthread_setname_np(pthread_self(), "signals");
    ending_signals(&set);
    while (sigwait(&set, &signo) == 0 && !atomic_load(&s->is_released)) {
        uint8_t number = (uint8_t)signo;

        if (write(s->write_fd, &number, 1) < 0) {
            /* the pipe is full of signals nobody has looked at yet */
        }
    }
    return NULL;
}

static void signal_arrived(void *opaque, int fd, uint32_t events)
{
    struct signals *s = opaque;
    uint8_t signo;

    if (read(fd, &signo, 1) == 1)
        s->fn(s->opaque, signo);
}

int signals_catch(struct signals *s, struct loop *loop, signals_fn *fn, void *opaque)
{
    int fds[2], r;
    sigset_t set;

    *s = (struct signals){.loop = loop, .fn = fn, .opaque = opaque};
    signal(SIGPIPE, SIG_IGN);
    ending_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    s->read_fd = fds[0];
    s->write_fd = fds[1];
    r = loop_add_fd(loop, s->read_fd, EPOLLIN, signal_arrived, s);
    if (r < 0)
        goto out_close;
    r = -pthread_create(&s->thread, NULL, wait_for_signals, s);
    if (!r)
        return 0;
    loop_remove_fd(loop, s->read_fd);

out_close:
    close(fds[0]);
    close(fds[1]);
    return r;
}

void signals_release(struct signals *s)
{
    atomic_store(&s->is_released, true);
    pthread_kill(s->thread, SIGTERM); /* not pthread_cancel(), which loads a library */
    pthread_join(s->thread, NULL);
    loop_remove_fd(s->loop, s->read_fd);
    close(s->read_fd);
    close(s->write_fd);
}
