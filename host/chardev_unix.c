/* A listening Unix socket.  One client at a time is the other end of the line; a second one waits until the first has
 * gone.  Without a client output is thrown away.
 *
 * Lock: `lock` guards client, which the loop thread opens and closes and the machine thread writes to. */
#include "host/chardev_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ONE_SHOT (EPOLLIN | EPOLLONESHOT)

struct unix_port {
    struct chardev dev;
    struct loop *loop;
    struct sockaddr_un address;
    int listener;
    pthread_mutex_t lock;
    int client; /* -1: none */
    struct char_input in;
};

static size_t unix_write(struct chardev *c, const uint8_t *buf, size_t n)
{
    struct unix_port *u = (struct unix_port *)c;
    ssize_t done = (ssize_t)n;

    pthread_mutex_lock(&u->lock);
    if (u->client >= 0) {
        done = send(u->client, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done < 0) /* a client that has gone is noticed by the loop thread */
            done = errno == EAGAIN || errno == EINTR ? 0 : (ssize_t)n;
    }
    pthread_mutex_unlock(&u->lock);
    return (size_t)done;
}

static void unix_accept_input(struct chardev *c)
{
    char_input_deliver(&((struct unix_port *)c)->in);
}

static void listen_again(void *opaque)
{
    struct unix_port *u = opaque;

    pthread_mutex_lock(&u->lock);
    if (u->client >= 0)
        loop_modify_fd(u->loop, u->client, ONE_SHOT);
    pthread_mutex_unlock(&u->lock);
}

static void set_client(struct unix_port *u, int fd)
{
    pthread_mutex_lock(&u->lock);
    u->client = fd;
    pthread_mutex_unlock(&u->lock);
}

static void drop_client(struct unix_port *u, int fd)
{
    loop_remove_fd(u->loop, fd);
    loop_modify_fd(u->loop, u->listener, ONE_SHOT); /* the next, please */
    pthread_mutex_lock(&u->lock);
    close(fd);
    u->client = -1;
    pthread_mutex_unlock(&u->lock); /* last: unix_close() may be waiting */
}

static void on_client(void *opaque, int fd, uint32_t events)
{
    struct unix_port *u = opaque;
    uint8_t buf[4096];
    size_t room = char_input_room(&u->in);
    ssize_t n;

    if (room == 0)
        return; /* listen_again() follows */
    n = recv(fd, buf, room < sizeof buf ? room : sizeof buf, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        drop_client(u, fd);
        return;
    }
    if (n > 0)
        char_input_put(&u->in, buf, (size_t)n);
    listen_again(u);
}

static void on_connect(void *opaque, int listener, uint32_t events)
{
    struct unix_port *u = opaque;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        set_client(u, fd);
        if (loop_add_fd(u->loop, fd, ONE_SHOT, on_client, u) == 0)
            return; /* the listener rests */
        set_client(u, -1);
        close(fd);
    }
    loop_modify_fd(u->loop, listener, ONE_SHOT);
}

static void unix_close(struct chardev *c)
{
    struct unix_port *u = (struct unix_port *)c;
    int fd;

    loop_remove_fd(u->loop, u->listener); /* from here on nobody connects */
    unlink(u->address.sun_path);
    pthread_mutex_lock(&u->lock);
    fd = u->client;
    pthread_mutex_unlock(&u->lock);
    if (fd >= 0)
        loop_remove_fd(u->loop, fd);
    if (u->client >= 0) /* not dropped while we waited */
        close(u->client);
    close(u->listener);
    char_input_destroy(&u->in);
    pthread_mutex_destroy(&u->lock);
    free(u);
}

static const struct chardev_ops unix_ops = {
    .name = "unix", .write = unix_write, .accept_input = unix_accept_input, .close = unix_close};

/* A socket file whose process has died goes away; anything else stays. */
static int remove_stale(const struct sockaddr_un *address, const char **why)
{
    struct stat st;
    int fd, err;

    if (lstat(address->sun_path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode)) {
        *why = "exists and is not a socket";
        return -EEXIST;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return 0; /* bind() will tell */
    err = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
    close(fd);
    if (err == 0 || err == EAGAIN) {
        *why = "is in use by another process";
        return -EADDRINUSE;
    }
    if (err == ECONNREFUSED)
        unlink(address->sun_path);
    return 0;
}

static int set_address(struct sockaddr_un *address, const char *path, const char **why)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!*path) {
        *why = "names no socket";
        return -EINVAL;
    }
    if (strlen(path) >= sizeof address->sun_path) {
        *why = "is too long a path for a socket";
        return -ENAMETOOLONG;
    }
    strcpy(address->sun_path, path);
    return remove_stale(address, why);
}

static int open_listener(const struct sockaddr_un *address, const char **why)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err;

    if (fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0) {
        if (listen(fd, 1) == 0)
            return fd;
        err = errno;
        unlink(address->sun_path);
        errno = err;
    }
    err = errno;
    if (fd >= 0)
        close(fd);
    *why = strerrordesc_np(err);
    return -err;
}

int chardev_open_unix(const char *path, struct loop *loop, struct mailbox *mail, struct chardev **out, const char **why)
{
    struct unix_port *u = calloc(1, sizeof *u);
    int err = -ENOMEM;

    *why = "takes more memory than there is";
    if (!u)
        return err;
    u->dev.ops = &unix_ops;
    u->loop = loop;
    u->client = -1;
    err = set_address(&u->address, path, why);
    if (err)
        goto out_free;
    u->listener = open_listener(&u->address, why);
    if (u->listener < 0) {
        err = u->listener;
        goto out_free;
    }
    pthread_mutex_init(&u->lock, NULL);
    char_input_init(&u->in, &u->dev, mail, listen_again, u);
    err = loop_add_fd(loop, u->listener, ONE_SHOT, on_connect, u);
    if (err) {
        *why = strerrordesc_np(-err);
        goto out_close;
    }
    *out = &u->dev;
    return 0;

out_close:
    char_input_destroy(&u->in);
    pthread_mutex_destroy(&u->lock);
    close(u->listener);
    unlink(u->address.sun_path);
out_free:
    free(u);
    return err;
}
