/* A pseudo-terminal: `screen /dev/pts/N` on the host is the other end of the serial line.
 *
 * While no program has the slave open the master reports a hang-up, and goes on doing so; it is then left alone and
 * looked at again four times a second.  Output is thrown away meanwhile. */
#include "host/chardev_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>
#include "host/log.h"

#define RETRY_NS      250000000
#define MASTER_EVENTS (EPOLLIN | EPOLLONESHOT)

struct pty {
    struct chardev dev;
    struct loop *loop;
    int master, retry_fd;
    struct char_input in;
};

static size_t pty_write(struct chardev *c, const uint8_t *buf, size_t n)
{
    struct pty *p = (struct pty *)c;
    struct pollfd state = {.fd = p->master, .events = POLLOUT};
    ssize_t done;

    if (poll(&state, 1, 0) == 1 && (state.revents & POLLHUP))
        return n;
    done = write(p->master, buf, n);
    if (done >= 0)
        return (size_t)done;
    return errno == EAGAIN || errno == EINTR ? 0 : n;
}

static void pty_accept_input(struct chardev *c)
{
    char_input_deliver(&((struct pty *)c)->in);
}

static void listen_again(void *opaque)
{
    struct pty *p = opaque;

    loop_modify_fd(p->loop, p->master, MASTER_EVENTS);
}

static void on_master(void *opaque, int fd, uint32_t events)
{
    struct itimerspec soon = {.it_value.tv_nsec = RETRY_NS};
    struct pty *p = opaque;
    uint8_t buf[1024];
    size_t room = char_input_room(&p->in);
    ssize_t n;

    if (room == 0)
        return; /* listen_again() follows */
    n = read(fd, buf, room < sizeof buf ? room : sizeof buf);
    if (n > 0)
        char_input_put(&p->in, buf, (size_t)n);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        timerfd_settime(p->retry_fd, 0, &soon, NULL);
    else
        listen_again(p);
}

static void on_retry(void *opaque, int fd, uint32_t events)
{
    uint64_t count;

    if (read(fd, &count, sizeof count) > 0)
        listen_again(opaque);
}

static void free_pty(struct pty *p)
{
    if (p->retry_fd >= 0)
        close(p->retry_fd);
    if (p->master >= 0)
        close(p->master);
    free(p);
}

static void pty_close(struct chardev *c)
{
    struct pty *p = (struct pty *)c;

    loop_remove_fd(p->loop, p->master);
    loop_remove_fd(p->loop, p->retry_fd);
    char_input_destroy(&p->in);
    free_pty(p);
}

static const struct chardev_ops pty_ops = {
    .name = "pty", .write = pty_write, .accept_input = pty_accept_input, .close = pty_close};

/* Raw, once and for all: the settings belong to the pair and stay while the master is open. */
static int make_raw(const char *slave_name)
{
    struct termios t;
    int fd = open(slave_name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    int err = 0;

    if (fd < 0)
        return -errno;
    if (tcgetattr(fd, &t) < 0) {
        err = -errno;
    } else {
        cfmakeraw(&t);
        if (tcsetattr(fd, TCSANOW, &t) < 0)
            err = -errno;
    }
    close(fd);
    return err;
}

static int open_pair(struct pty *p, char *slave_name, size_t size)
{
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (p->master < 0 || grantpt(p->master) < 0 || unlockpt(p->master) < 0 ||
        ptsname_r(p->master, slave_name, size) != 0)
        return -errno;
    p->retry_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->retry_fd < 0)
        return -errno;
    return make_raw(slave_name);
}

int chardev_open_pty(struct loop *loop, struct mailbox *mail, struct chardev **out, const char **why)
{
    struct pty *p = calloc(1, sizeof *p);
    char slave_name[128];
    int err;

    *why = "cannot have a pseudo-terminal";
    if (!p)
        return -ENOMEM;
    p->dev.ops = &pty_ops;
    p->loop = loop;
    p->master = p->retry_fd = -1;
    err = open_pair(p, slave_name, sizeof slave_name);
    if (err)
        goto out_free;
    char_input_init(&p->in, &p->dev, mail, listen_again, p);
    err = loop_add_fd(loop, p->retry_fd, EPOLLIN, on_retry, p);
    if (err)
        goto out_input;
    err = loop_add_fd(loop, p->master, MASTER_EVENTS, on_master, p);
    if (err)
        goto out_retry;
    log_error("serial port on %s", slave_name);
    *out = &p->dev;
    return 0;

out_retry:
    loop_remove_fd(loop, p->retry_fd);
out_input:
    char_input_destroy(&p->in);
out_free:
    free_pty(p);
    return err;
}
