/* Standard input and output.  A terminal is put into raw mode; anything else is plain bytes, and its end is no event:
 * a serial line has none.  The first one opened gets the input, others (a debug console, say) only write. */
#include "host/chardev_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct stdio {
    struct chardev dev;
    struct loop *loop;
    bool has_input;
    struct char_input in;
    struct char_output out;
};

static size_t stdio_write(struct chardev *c, const uint8_t *buf, size_t n)
{
    return char_output_write(&((struct stdio *)c)->out, buf, n);
}

static void stdio_accept_input(struct chardev *c)
{
    char_input_deliver(&((struct stdio *)c)->in);
}

static void on_input(void *opaque, const uint8_t *buf, size_t n)
{
    struct stdio *s = opaque;

    char_input_put(&s->in, buf, n);
}

static size_t input_room(void *opaque)
{
    struct stdio *s = opaque;

    return char_input_room(&s->in);
}

static void input_resume(void *opaque)
{
    tty_resume_input();
}

static void stdio_close(struct chardev *c)
{
    struct stdio *s = (struct stdio *)c;

    if (s->has_input)
        tty_set_input(s->loop, NULL, NULL);
    char_output_destroy(&s->out);
    if (s->has_input)
        tty_raw_leave(); /* last: output still goes to the terminal as the guest meant it */
    char_input_destroy(&s->in);
    free(s);
}

static const struct chardev_ops stdio_ops = {
    .name = "stdio", .write = stdio_write, .accept_input = stdio_accept_input, .close = stdio_close};

int chardev_open_stdio(struct loop *loop, struct mailbox *mail, struct chardev **out, const char **why)
{
    struct stdio *s = calloc(1, sizeof *s);
    int err;

    if (!s) {
        *why = "takes more memory than there is";
        return -ENOMEM;
    }
    s->dev.ops = &stdio_ops;
    s->loop = loop;
    s->has_input = !tty_has_input();
    if (s->has_input)
        tty_raw_enter(); /* before the first thread, as it forks; -ENOTTY is fine */
    err = char_output_init(&s->out, STDOUT_FILENO);
    if (err) {
        *why = "cannot have a thread";
        if (s->has_input)
            tty_raw_leave();
        free(s);
        return err;
    }
    char_input_init(&s->in, &s->dev, mail, input_resume, s);
    if (s->has_input)
        tty_set_paced_input(loop, on_input, input_room, s);
    *out = &s->dev;
    return 0;
}
