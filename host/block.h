/* Block backends: what a disk, CD-ROM or floppy drive reads and writes.  512-byte units at this interface.
 * Requests complete by callback on the machine thread, never before the call that made them returns.
 * Thread: machine thread. */
#ifndef HOST_BLOCK_H
#define HOST_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include "host/mailbox.h"

struct block;
/* error: 0 or -errno. */
typedef void block_done_fn(void *opaque, int error);

struct block_ops {
    const char *name;
    void (*read)(void *opaque, uint64_t offset_bytes, void *buf, uint32_t len_bytes, block_done_fn *done, void *done_opaque);
    void (*write)(void *opaque, uint64_t offset_bytes, const void *buf, uint32_t len_bytes, block_done_fn *done, void *done_opaque);
    void (*flush)(void *opaque, block_done_fn *done, void *done_opaque); /* data reaches stable storage */
    void (*close)(void *opaque); /* waits for requests under way; their callbacks are dropped */
};

struct block {
    const struct block_ops *ops;
    void *opaque;
    uint64_t size_bytes;
    bool is_read_only;
};

/* Owner of buf: the caller, until done runs.  buf is host memory (never a guest page). */
static inline void block_read(struct block *b, uint64_t offset, void *buf, uint32_t len, block_done_fn *done, void *o)
{
    b->ops->read(b->opaque, offset, buf, len, done, o);
}
static inline void block_write(struct block *b, uint64_t offset, const void *buf, uint32_t len, block_done_fn *done, void *o)
{
    b->ops->write(b->opaque, offset, buf, len, done, o);
}
static inline void block_flush(struct block *b, block_done_fn *done, void *o)
{
    b->ops->flush(b->opaque, done, o);
}
void block_close(struct block *b); /* frees b */

enum block_open_flags {
    BLOCK_READ_ONLY = 1, /* open read-only */
    BLOCK_SNAPSHOT = 2   /* writes go to an unlinked temporary file and are lost at close */
};
/* A raw image file or block device, served by a worker thread.  0, or -errno with *why a static or strdup'ed
 * sentence fragment ("is empty", "is a directory", …).  A writable image is locked (flock) against a second user. */
int block_open_raw(const char *path, unsigned flags, struct mailbox *mail, struct block **out, const char **why);
/* len_bytes of zeroed memory, completing by mail like a file: for tests. */
struct block *block_create_memory(uint64_t len_bytes, struct mailbox *mail);

#endif
