/* A serial line whose other end is the test: output is kept, input comes by call. */
#include "host/chardev_priv.h"

#include <stdlib.h>
#include <string.h>
#include "host/log.h"

struct memory {
    struct chardev dev;
    uint8_t *output;
    size_t len, capacity;
    struct char_input in;
};

static size_t memory_write(struct chardev *c, const uint8_t *buf, size_t n)
{
    struct memory *m = (struct memory *)c;

    if (n == 0)
        return 0;
    if (m->capacity - m->len < n) {
        size_t capacity = (m->capacity + n) * 2;
        uint8_t *output = realloc(m->output, capacity);

        if (!output)
            BUG("out of memory for captured output");
        m->output = output;
        m->capacity = capacity;
    }
    memcpy(m->output + m->len, buf, n);
    m->len += n;
    return n;
}

static void memory_accept_input(struct chardev *c)
{
    char_input_deliver(&((struct memory *)c)->in);
}

static void memory_close(struct chardev *c)
{
    struct memory *m = (struct memory *)c;

    char_input_destroy(&m->in);
    free(m->output);
    free(m);
}

static const struct chardev_ops memory_ops = {
    .name = "memory", .write = memory_write, .accept_input = memory_accept_input, .close = memory_close};

struct chardev *chardev_create_memory(void)
{
    struct memory *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->dev.ops = &memory_ops;
    char_input_init(&m->in, &m->dev, NULL, NULL, NULL);
    return &m->dev;
}

const uint8_t *chardev_memory_output(struct chardev *c, size_t *len)
{
    struct memory *m = (struct memory *)c;

    *len = m->len;
    return m->output;
}

void chardev_memory_input(struct chardev *c, const uint8_t *buf, size_t n)
{
    char_input_put(&((struct memory *)c)->in, buf, n);
    memory_accept_input(c);
}
