/* What the character backends share: a queue of input on its way to the machine thread, a writer thread for output
 * that may block, and standard input.  Private to host/. */
#ifndef HOST_CHARDEV_PRIV_H
#define HOST_CHARDEV_PRIV_H

#include <pthread.h>
#include "host/chardev.h"

#define CHAR_QUEUE_BYTES 65536u

/* Bytes received on the loop thread, waiting until the device takes them on the machine thread.
 * Backpressure: a backend reads no more than char_input_room() says, and pauses when that is 0; resume() is called
 * (machine thread) when there is room again. */
struct char_input {
    struct chardev *dev;
    struct mailbox *mail; /* NULL: deliver on the thread that puts */
    void (*resume)(void *opaque);
    void *opaque;
    bool is_delivering; /* machine thread */

    pthread_mutex_t lock; /* guards the rest; not held during callbacks */
    uint8_t ring[CHAR_QUEUE_BYTES];
    size_t head, count;
    bool is_posted, is_paused;
};

void char_input_init(struct char_input *in, struct chardev *dev, struct mailbox *mail, void (*resume)(void *opaque),
                     void *opaque);
void char_input_destroy(struct char_input *in);                           /* nobody may put any more */
size_t char_input_room(struct char_input *in);                            /* any thread; 0 pauses */
void char_input_put(struct char_input *in, const uint8_t *buf, size_t n); /* any thread; what has no room is lost */
void char_input_deliver(struct char_input *in);                           /* machine thread */

/* Output through a thread of its own, so that a slow reader never stops the machine. */
struct char_output {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest; not held during write(2) */
    pthread_cond_t changed;
    uint8_t ring[CHAR_QUEUE_BYTES];
    size_t head, count;
    bool is_closing, is_done;
    bool has_failed; /* nobody reads any more: output is thrown away */
};

int char_output_init(struct char_output *out, int fd); /* 0 or -errno; fd stays the caller's */
size_t char_output_write(struct char_output *out, const uint8_t *buf, size_t n); /* bytes taken */
/* Wait until everything is written, but at most two seconds for a reader that has stopped. */
void char_output_destroy(struct char_output *out);

/* Standard input beyond chardev.h.  room: how much the receiver takes now; asked only if there is no terminal, where
 * the escape key must always be seen.  After it was 0, tty_resume_input() reads on. */
bool tty_has_input(void);
void tty_set_paced_input(struct loop *loop, void (*fn)(void *opaque, const uint8_t *buf, size_t n),
                         size_t (*room)(void *opaque), void *opaque);
void tty_resume_input(void);

/* The backends.  path is what follows the colon. */
int chardev_open_stdio(struct loop *loop, struct mailbox *mail, struct chardev **out, const char **why);
int chardev_open_file(const char *path, struct chardev **out, const char **why);
int chardev_open_pty(struct loop *loop, struct mailbox *mail, struct chardev **out, const char **why);
int chardev_open_unix(const char *path, struct loop *loop, struct mailbox *mail, struct chardev **out,
                      const char **why);

#endif
