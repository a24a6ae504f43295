/* Raw images and block devices: byte n of the disk is byte n of the file.
 *
 * One worker thread a file, started by the first request, does the system calls in the order of the requests; so a
 * flush covers the writes before it.  Its callbacks travel by mail.
 * Lock: `lock` guards the queue and is_closing; descriptors and overlay are the worker's alone once it runs.
 *
 * A file whose size is not a multiple of 512 has a last sector that ends in zeros; writing that sector makes the
 * file whole.
 *
 * A snapshot leaves the file alone and keeps written clusters of 4 KiB, with a bit for each, in a nameless file. */
#include "host/block_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host/util.h"

#define SECTOR_BYTES  512u
#define CLUSTER_BYTES 4096u

struct raw {
    struct block block;
    struct block_pending pending;
    int fd;
    uint64_t file_bytes;  /* at opening; block.size_bytes is this rounded up to sectors */
    int overlay_fd;       /* -1: no snapshot */
    uint8_t *overlay_has; /* bit per cluster */
    pthread_t worker;
    bool has_worker;
    pthread_mutex_t lock;
    pthread_cond_t queued;
    struct block_request *queue, **queue_tail;
    bool is_closing;
};

/* All of [offset, offset+len), zeros after the end of the file. */
static int read_full(int fd, uint8_t *buf, uint64_t len, uint64_t offset, uint64_t file_bytes)
{
    while (len > 0) {
        ssize_t n = pread(fd, buf, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0 && offset < file_bytes)
            return -EIO; /* somebody made the file shorter */
        if (n == 0) {
            memset(buf, 0, len);
            return 0;
        }
        buf += n;
        len -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static int write_full(int fd, const uint8_t *buf, uint64_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, buf, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        buf += n;
        len -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static bool is_in_overlay(const struct raw *r, uint64_t cluster)
{
    return r->overlay_has[cluster / 8] >> (cluster % 8) & 1;
}

/* Bytes from offset to the end of its cluster, at most len. */
static uint64_t in_cluster(uint64_t offset, uint64_t len)
{
    uint64_t n = CLUSTER_BYTES - offset % CLUSTER_BYTES;

    return n < len ? n : len;
}

static int overlay_read(struct raw *r, uint8_t *buf, uint64_t len, uint64_t offset)
{
    while (len > 0) {
        bool has = is_in_overlay(r, offset / CLUSTER_BYTES);
        uint64_t n = in_cluster(offset, len);
        int err;

        while (n < len && is_in_overlay(r, (offset + n) / CLUSTER_BYTES) == has)
            n += in_cluster(offset + n, len - n);
        err = has ? read_full(r->overlay_fd, buf, n, offset, offset + n)
                  : read_full(r->fd, buf, n, offset, r->file_bytes);
        if (err)
            return err;
        buf += n;
        len -= n;
        offset += n;
    }
    return 0;
}

/* Write a piece of one cluster, which is completed from the file the first time. */
static int overlay_write_cluster(struct raw *r, const uint8_t *buf, uint64_t len, uint64_t offset)
{
    uint64_t cluster = offset / CLUSTER_BYTES;
    uint8_t whole[CLUSTER_BYTES];
    int err;

    if (is_in_overlay(r, cluster))
        return write_full(r->overlay_fd, buf, len, offset);
    err = read_full(r->fd, whole, sizeof whole, cluster * CLUSTER_BYTES, r->file_bytes);
    if (err)
        return err;
    memcpy(whole + offset % CLUSTER_BYTES, buf, len);
    err = write_full(r->overlay_fd, whole, sizeof whole, cluster * CLUSTER_BYTES);
    if (!err)
        r->overlay_has[cluster / 8] |= 1u << (cluster % 8);
    return err;
}

static int overlay_write(struct raw *r, const uint8_t *buf, uint64_t len, uint64_t offset)
{
    while (len > 0) {
        uint64_t n = in_cluster(offset, len);
        int err = overlay_write_cluster(r, buf, n, offset);

        if (err)
            return err;
        buf += n;
        len -= n;
        offset += n;
    }
    return 0;
}

static int perform(struct raw *r, const struct block_request *request)
{
    bool has_overlay = r->overlay_fd >= 0;

    switch (request->op) {
    case BLOCK_OP_READ:
        return has_overlay ? overlay_read(r, request->buf, request->len, request->offset)
                           : read_full(r->fd, request->buf, request->len, request->offset, r->file_bytes);
    case BLOCK_OP_WRITE:
        return has_overlay ? overlay_write(r, request->buf, request->len, request->offset)
                           : write_full(r->fd, request->buf, request->len, request->offset);
    case BLOCK_OP_FLUSH:
        return has_overlay || r->block.is_read_only || fdatasync(r->fd) == 0 ? 0 : -errno;
    }
    return -EINVAL;
}

/* The next request, NULL when closing and nothing is left to do. */
static struct block_request *take_request(struct raw *r)
{
    struct block_request *request;

    pthread_mutex_lock(&r->lock);
    while (!r->queue && !r->is_closing)
        pthread_cond_wait(&r->queued, &r->lock);
    request = r->queue;
    if (request) {
        r->queue = request->next_queued;
        if (!r->queue)
            r->queue_tail = &r->queue;
    }
    pthread_mutex_unlock(&r->lock);
    return request;
}

static void *worker_main(void *opaque)
{
    struct raw *r = opaque;
    struct block_request *request;

    while ((request = take_request(r)))
        block_request_finish(request, perform(r, request));
    return NULL;
}

/* Signals are the other threads' business. */
static int start_worker(struct raw *r)
{
    sigset_t all, old;
    int err;

    if (r->has_worker)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&r->worker, NULL, worker_main, r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    r->has_worker = err == 0;
    return -err;
}

static void submit(struct raw *r, const struct block_request *template)
{
    struct block_request *request = block_request_start(&r->pending, template);
    int err = block_request_check(&r->block, request);

    if (!err)
        err = start_worker(r);
    if (err) {
        block_request_finish(request, err);
        return;
    }
    pthread_mutex_lock(&r->lock);
    request->next_queued = NULL;
    *r->queue_tail = request;
    r->queue_tail = &request->next_queued;
    pthread_cond_signal(&r->queued);
    pthread_mutex_unlock(&r->lock);
}

static void raw_read(void *opaque, uint64_t offset, void *buf, uint32_t len, block_done_fn *done, void *o)
{
    submit(opaque, &(struct block_request){
                       .op = BLOCK_OP_READ, .offset = offset, .buf = buf, .len = len, .done = done, .done_opaque = o});
}

static void raw_write(void *opaque, uint64_t offset, const void *buf, uint32_t len, block_done_fn *done, void *o)
{
    submit(opaque,
           &(struct block_request){
               .op = BLOCK_OP_WRITE, .offset = offset, .buf = (void *)buf, .len = len, .done = done, .done_opaque = o});
}

static void raw_flush(void *opaque, block_done_fn *done, void *o)
{
    submit(opaque, &(struct block_request){.op = BLOCK_OP_FLUSH, .done = done, .done_opaque = o});
}

static void free_raw(struct raw *r)
{
    if (r->overlay_fd >= 0)
        close(r->overlay_fd);
    if (r->fd >= 0)
        close(r->fd); /* gives the lock back, too */
    free(r->overlay_has);
    pthread_cond_destroy(&r->queued);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void raw_close(void *opaque)
{
    struct raw *r = opaque;

    pthread_mutex_lock(&r->lock);
    r->is_closing = true;
    pthread_cond_signal(&r->queued);
    pthread_mutex_unlock(&r->lock);
    if (r->has_worker)
        pthread_join(r->worker, NULL); /* does what is still queued first */
    block_pending_drop(&r->pending);
    free_raw(r);
}

static const struct block_ops raw_ops = {
    .name = "raw", .read = raw_read, .write = raw_write, .flush = raw_flush, .close = raw_close};

/* -err, with the words for it. */
static int explain(int err, const char *path, const char **why)
{
    switch (err) {
    case ENOENT:
    case ENOTDIR:
        *why = "does not exist";
        break;
    case EACCES:
    case EPERM:
        *why = access(path, R_OK) == 0 ? "may not be written to" : "may not be read";
        break;
    case EROFS:
        *why = "is on a read-only file system";
        break;
    case EISDIR:
        *why = "is a directory";
        break;
    case EWOULDBLOCK:
        *why = "is in use by another process";
        break;
    default:
        *why = strerrordesc_np(err);
        if (!*why)
            *why = "cannot be opened";
        break;
    }
    return -err;
}

static int find_size(struct raw *r, const char *path, const char **why)
{
    struct stat st;

    if (fstat(r->fd, &st) < 0)
        return explain(errno, path, why);
    if (S_ISDIR(st.st_mode))
        return explain(EISDIR, path, why);
    if (S_ISREG(st.st_mode)) {
        r->file_bytes = (uint64_t)st.st_size;
    } else if (!S_ISBLK(st.st_mode)) {
        *why = "is neither a file nor a block device";
        return -EINVAL;
    } else if (ioctl(r->fd, BLKGETSIZE64, &r->file_bytes) < 0) {
        return explain(errno, path, why);
    }
    if (r->file_bytes == 0) {
        *why = "is empty";
        return -EINVAL;
    }
    r->block.size_bytes = (r->file_bytes + SECTOR_BYTES - 1) & ~(uint64_t)(SECTOR_BYTES - 1);
    return 0;
}

/* A file without a name in dir, -1 if it cannot be. */
static int open_nameless_in(const char *dir)
{
    char path[4096];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0)
        return fd;
    if (snprintf(path, sizeof path, "%s/ringer-XXXXXX", dir) >= (int)sizeof path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC); /* file systems without O_TMPFILE */
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int open_overlay(struct raw *r, const char **why)
{
    const char *dirs[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    uint64_t clusters = (r->block.size_bytes + CLUSTER_BYTES - 1) / CLUSTER_BYTES;

    r->overlay_has = calloc(clusters / 8 + 1, 1);
    if (!r->overlay_has) {
        *why = "is too large for a snapshot";
        return -ENOMEM;
    }
    for (size_t i = 0; i < ARRAY_SIZE(dirs) && r->overlay_fd < 0; i++) {
        if (dirs[i] && dirs[i][0])
            r->overlay_fd = open_nameless_in(dirs[i]);
    }
    if (r->overlay_fd < 0) {
        *why = "needs a temporary file, and neither $TMPDIR nor /var/tmp nor /tmp takes one";
        return -ENOSPC;
    }
    return 0;
}

static int open_file(struct raw *r, const char *path, unsigned flags, const char **why)
{
    bool may_write = !(flags & (BLOCK_READ_ONLY | BLOCK_SNAPSHOT));
    int err;

    /* O_NONBLOCK: a FIFO must not keep us waiting before it is refused */
    r->fd = open(path, (may_write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (r->fd < 0)
        return explain(errno == ENXIO ? ENODEV : errno, path, why);
    err = find_size(r, path, why);
    if (err)
        return err;
    if (may_write && flock(r->fd, LOCK_EX | LOCK_NB) < 0)
        return explain(errno, path, why);
    r->block.is_read_only = flags & BLOCK_READ_ONLY;
    return flags & BLOCK_SNAPSHOT && !(flags & BLOCK_READ_ONLY) ? open_overlay(r, why) : 0;
}

int block_open_raw(const char *path, unsigned flags, struct mailbox *mail, struct block **out, const char **why)
{
    struct raw *r = calloc(1, sizeof *r);
    int err;

    *out = NULL;
    if (!r)
        return explain(ENOMEM, path, why);
    r->block.ops = &raw_ops;
    r->block.opaque = r;
    r->pending.mail = mail;
    r->fd = r->overlay_fd = -1;
    r->queue_tail = &r->queue;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->queued, NULL);
    err = open_file(r, path, flags, why);
    if (err) {
        free_raw(r);
        return err;
    }
    *out = &r->block;
    return 0;
}
