/* Whole files into memory, with errors a user can act on. */
#include "frontend/loadfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int loadfile_refuse(int fd, int err, const char *what, const char *path, const char *reason, char why[WHY_BYTES])
{
    snprintf(why, WHY_BYTES, "%s %s: %s", what, path, reason);
    if (fd >= 0)
        close(fd);
    return err;
}

int loadfile_open(const char *what, const char *path, uint64_t max_bytes, uint64_t *size, char why[WHY_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not hang */
    struct stat st;

    if (fd < 0)
        return loadfile_refuse(fd, -errno, what, path, strerror(errno), why);
    if (fstat(fd, &st) < 0)
        return loadfile_refuse(fd, -errno, what, path, strerror(errno), why);
    if (S_ISDIR(st.st_mode))
        return loadfile_refuse(fd, -EISDIR, what, path, "is a directory", why);
    if (!S_ISREG(st.st_mode))
        return loadfile_refuse(fd, -EINVAL, what, path, "is not a regular file", why);
    if (st.st_size == 0)
        return loadfile_refuse(fd, -EINVAL, what, path, "is empty", why);
    if ((uint64_t)st.st_size > max_bytes)
        return loadfile_refuse(fd, -EFBIG, what, path, "is too large", why);
    *size = st.st_size;
    return fd;
}

int loadfile_read(int fd, const char *what, const char *path, void *buf, uint64_t len, char why[WHY_BYTES])
{
    uint64_t done = 0;
    ssize_t n;

    while (done < len) {
        n = pread(fd, (char *)buf + done, len - done, done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return loadfile_refuse(-1, -errno, what, path, strerror(errno), why);
        if (n == 0)
            return loadfile_refuse(-1, -EIO, what, path, "became shorter while it was read", why);
        done += n;
    }
    return 0;
}

int loadfile(const char *what, const char *path, uint64_t max_bytes, uint8_t **data, uint64_t *len, char why[WHY_BYTES])
{
    int err, fd = loadfile_open(what, path, max_bytes, len, why);

    if (fd < 0)
        return fd;
    *data = malloc(*len);
    err = *data ? loadfile_read(fd, what, path, *data, *len, why)
                : loadfile_refuse(-1, -ENOMEM, what, path, strerror(ENOMEM), why);
    close(fd);
    if (err) {
        free(*data);
        *data = NULL;
    }
    return err;
}
