/* Character backends: where a serial port's or the debug console's bytes go, and come from.
 * Thread: machine thread, callbacks too (the backend's own threads post by mailbox). */
#ifndef HOST_CHARDEV_H
#define HOST_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "host/loop.h"
#include "host/mailbox.h"

struct chardev;

struct chardev_frontend {
    size_t (*can_receive)(void *opaque);                         /* bytes the device takes now */
    void (*receive)(void *opaque, const uint8_t *buf, size_t n); /* n <= can_receive() */
};

struct chardev_ops {
    const char *name;
    size_t (*write)(struct chardev *c, const uint8_t *buf, size_t n); /* bytes taken; the rest may be retried */
    void (*accept_input)(struct chardev *c); /* can_receive() grew: deliver what waits */
    void (*close)(struct chardev *c);        /* restores the terminal, frees c */
};

struct chardev {
    const struct chardev_ops *ops;
    const struct chardev_frontend *front; /* set by the device */
    void *front_opaque;
};

static inline size_t chardev_write(struct chardev *c, const uint8_t *buf, size_t n)
{
    return c ? c->ops->write(c, buf, n) : n;
}
static inline void chardev_accept_input(struct chardev *c)
{
    if (c && c->ops->accept_input)
        c->ops->accept_input(c);
}
void chardev_attach(struct chardev *c, const struct chardev_frontend *front, void *opaque); /* c may be NULL */
void chardev_close(struct chardev *c);                                                      /* c may be NULL */

/* Open "stdio", "none", "file:PATH", "pty", "unix:PATH".  0 or -errno with *why (static text).  "none" gives *out = NULL.
 * pty prints its slave's name on stderr.  unix listens; one client at a time, and waits for none. */
int chardev_open(const char *spec, struct loop *loop, struct mailbox *mail, struct chardev **out, const char **why);
/* Bytes kept in memory, for tests. */
struct chardev *chardev_create_memory(void);
const uint8_t *chardev_memory_output(struct chardev *c, size_t *len);
void chardev_memory_input(struct chardev *c, const uint8_t *buf, size_t n); /* delivered as the front can receive */

/* The controlling terminal in raw mode, shared by stdio chardev, text display and the escape key (Ctrl-A).
 * Restored at exit, on fatal signals, and by a watching child process if we are killed. */
int tty_raw_enter(void); /* 0, -ENOTTY */
void tty_raw_leave(void);
/* Ctrl-A x / Ctrl-A h / Ctrl-A b …: called on the loop thread with the key after Ctrl-A. */
void tty_set_escape(void (*fn)(void *opaque, char key), void *opaque);
/* Who receives terminal input (bytes with escapes removed), on the loop thread. */
void tty_set_input(struct loop *loop, void (*fn)(void *opaque, const uint8_t *buf, size_t n), void *opaque);

#endif
