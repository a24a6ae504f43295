/* Signals that end the program in order, read from a signalfd. */
#include "frontend/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signal_arrived(void *opaque, int fd, uint32_t events)
{
    struct signals *s = opaque;
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) == sizeof(info))
        s->fn(s->opaque, (int)info.ssi_signo);
}

int signals_catch(struct signals *s, struct loop *loop, signals_fn *fn, void *opaque)
{
    sigset_t set;
    int r;

    *s = (struct signals){.loop = loop, .fn = fn, .opaque = opaque};
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->fd < 0)
        return -errno;
    r = loop_add_fd(loop, s->fd, EPOLLIN, signal_arrived, s);
    if (r < 0)
        close(s->fd);
    return r;
}

void signals_release(struct signals *s)
{
    loop_remove_fd(s->loop, s->fd);
    close(s->fd);
}
