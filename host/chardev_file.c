/* Output into a file; no input. */
#include "host/chardev_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct file {
    struct chardev dev;
    struct char_output out;
};

static size_t file_write(struct chardev *c, const uint8_t *buf, size_t n)
{
    return char_output_write(&((struct file *)c)->out, buf, n);
}

static void file_close(struct chardev *c)
{
    struct file *f = (struct file *)c;

    char_output_destroy(&f->out);
    close(f->out.fd);
    free(f);
}

static const struct chardev_ops file_ops = {.name = "file", .write = file_write, .close = file_close};

static int open_for_writing(const char *path, const char **why)
{
    /* O_NONBLOCK: a FIFO nobody reads is refused (ENXIO) instead of waited for */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);

    if (fd < 0) {
        int err = errno;

        *why = err == ENXIO ? "has no reader" : strerrordesc_np(err);
        return -err;
    }
    fcntl(fd, F_SETFL, O_WRONLY);
    return fd;
}

int chardev_open_file(const char *path, struct chardev **out, const char **why)
{
    struct file *f;
    int fd, err;

    if (!*path) {
        *why = "names no file";
        return -EINVAL;
    }
    fd = open_for_writing(path, why);
    if (fd < 0)
        return fd;
    f = calloc(1, sizeof *f);
    err = f ? char_output_init(&f->out, fd) : -ENOMEM;
    if (err) {
        *why = strerrordesc_np(-err);
        free(f);
        close(fd);
        return err;
    }
    f->dev.ops = &file_ops;
    *out = &f->dev;
    return 0;
}
