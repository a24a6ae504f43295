/* Character backends: choosing one, and the way of input from the loop thread to the device. */
#include "host/chardev_priv.h"

#include <errno.h>
#include <string.h>

void chardev_attach(struct chardev *c, const struct chardev_frontend *front, void *opaque)
{
    if (!c)
        return;
    c->front = front;
    c->front_opaque = opaque;
}

void chardev_close(struct chardev *c)
{
    if (c)
        c->ops->close(c);
}

/* What follows prefix in spec, NULL if it does not begin so. */
static const char *after(const char *spec, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(spec, prefix, n) == 0 ? spec + n : NULL;
}

int chardev_open(const char *spec, struct loop *loop, struct mailbox *mail, struct chardev **out, const char **why)
{
    const char *path;

    *out = NULL;
    if (strcmp(spec, "none") == 0)
        return 0;
    if (strcmp(spec, "stdio") == 0)
        return chardev_open_stdio(loop, mail, out, why);
    if (strcmp(spec, "pty") == 0)
        return chardev_open_pty(loop, mail, out, why);
    if ((path = after(spec, "file:")))
        return chardev_open_file(path, out, why);
    if ((path = after(spec, "unix:")))
        return chardev_open_unix(path, loop, mail, out, why);
    *why = "is not one of stdio, none, file:PATH, pty, unix:PATH";
    return -EINVAL;
}

void char_input_init(struct char_input *in, struct chardev *dev, struct mailbox *mail, void (*resume)(void *opaque),
                     void *opaque)
{
    in->dev = dev;
    in->mail = mail;
    in->resume = resume;
    in->opaque = opaque;
    pthread_mutex_init(&in->lock, NULL);
}

void char_input_destroy(struct char_input *in)
{
    if (in->mail)
        mailbox_drop(in->mail, in);
    pthread_mutex_destroy(&in->lock);
}

size_t char_input_room(struct char_input *in)
{
    size_t room;

    pthread_mutex_lock(&in->lock);
    room = sizeof in->ring - in->count;
    in->is_paused = room == 0;
    pthread_mutex_unlock(&in->lock);
    return room;
}

static void deliver_mail(void *opaque)
{
    char_input_deliver(opaque);
}

void char_input_put(struct char_input *in, const uint8_t *buf, size_t n)
{
    bool must_post;

    pthread_mutex_lock(&in->lock);
    for (size_t i = 0; i < n && in->count < sizeof in->ring; i++)
        in->ring[(in->head + in->count++) % sizeof in->ring] = buf[i];
    must_post = !in->is_posted;
    in->is_posted = true;
    pthread_mutex_unlock(&in->lock);
    if (!must_post)
        return;
    if (in->mail)
        mailbox_post(in->mail, deliver_mail, in);
    else
        char_input_deliver(in);
}

/* Up to max bytes out of the ring; *must_resume if a paused reader may go on. */
static size_t take(struct char_input *in, uint8_t *buf, size_t max, bool *must_resume)
{
    size_t n = 0;

    pthread_mutex_lock(&in->lock);
    for (; n < max && in->count > 0; n++, in->count--) {
        buf[n] = in->ring[in->head];
        in->head = (in->head + 1) % sizeof in->ring;
    }
    *must_resume = n > 0 && in->is_paused;
    if (*must_resume)
        in->is_paused = false;
    pthread_mutex_unlock(&in->lock);
    return n;
}

/* How much waits now: an upper limit for one delivery, as more may arrive all the time. */
static size_t begin_delivery(struct char_input *in)
{
    size_t count;

    pthread_mutex_lock(&in->lock);
    in->is_posted = false;
    count = in->count;
    pthread_mutex_unlock(&in->lock);
    return count;
}

void char_input_deliver(struct char_input *in)
{
    const struct chardev *dev = in->dev;
    uint8_t buf[256];
    size_t left, n;

    left = begin_delivery(in);
    if (in->is_delivering || !dev->front || !dev->front->receive)
        return;
    in->is_delivering = true; /* receive() may end in accept_input() */
    for (; left > 0; left -= n) {
        size_t max = dev->front->can_receive(dev->front_opaque);
        bool must_resume;

        max = max < sizeof buf ? max : sizeof buf;
        n = take(in, buf, max < left ? max : left, &must_resume);
        if (n == 0)
            break;
        dev->front->receive(dev->front_opaque, buf, n);
        if (must_resume && in->resume)
            in->resume(in->opaque);
    }
    in->is_delivering = false;
}
