/* What the block backends share: requests under way.  Private to host/block*.c. */
#ifndef HOST_BLOCK_PRIV_H
#define HOST_BLOCK_PRIV_H

#include "host/block.h"

/* All requests of one backend that were started and whose callback has not run.  Machine thread. */
struct block_pending {
    struct mailbox *mail;
    struct block_request *first;
};

enum block_op { BLOCK_OP_READ, BLOCK_OP_WRITE, BLOCK_OP_FLUSH };

struct block_request {
    struct block_pending *pending;
    struct block_request *prev, *next; /* in pending */
    struct block_request *next_queued; /* the backend's own */
    enum block_op op;
    uint64_t offset;
    void *buf;
    uint32_t len;
    int error;
    block_done_fn *done;
    void *done_opaque;
};

/* A copy of *template, in pending.  Machine thread. */
struct block_request *block_request_start(struct block_pending *pending, const struct block_request *template);
/* Post its callback.  Any thread; the request belongs to the mailbox afterwards. */
void block_request_finish(struct block_request *r, int error);
/* Free all requests, which must be finished or never will be, and forget their mail.  Machine thread. */
void block_pending_drop(struct block_pending *pending);
/* 0, or -EINVAL if the request reaches outside b, -EROFS if it writes to a read-only one. */
int block_request_check(const struct block *b, const struct block_request *r);

#endif
