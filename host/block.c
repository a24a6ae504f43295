/* Requests under way, for all block backends: each is one piece of mail, and closing a backend withdraws them. */
#include "host/block_priv.h"

#include <errno.h>
#include <stdlib.h>
#include "host/log.h"

void block_close(struct block *b)
{
    if (b)
        b->ops->close(b->opaque);
}

struct block_request *block_request_start(struct block_pending *pending, const struct block_request *template)
{
    struct block_request *r = malloc(sizeof *r);

    if (!r)
        BUG("out of memory for a disk request");
    *r = *template;
    r->pending = pending;
    r->prev = NULL;
    r->next = pending->first;
    if (r->next)
        r->next->prev = r;
    pending->first = r;
    return r;
}

static void unlink_request(struct block_request *r)
{
    if (r->next)
        r->next->prev = r->prev;
    if (r->prev)
        r->prev->next = r->next;
    else
        r->pending->first = r->next;
}

static void deliver(void *opaque)
{
    struct block_request r = *(struct block_request *)opaque;

    unlink_request(opaque);
    free(opaque);
    if (r.done)
        r.done(r.done_opaque, r.error); /* last: it may close the backend */
}

void block_request_finish(struct block_request *r, int error)
{
    r->error = error;
    mailbox_post(r->pending->mail, deliver, r);
}

void block_pending_drop(struct block_pending *pending)
{
    while (pending->first) {
        struct block_request *r = pending->first;

        mailbox_drop(pending->mail, r);
        unlink_request(r);
        free(r);
    }
}

int block_request_check(const struct block *b, const struct block_request *r)
{
    if (r->op == BLOCK_OP_FLUSH)
        return 0;
    if (r->offset > b->size_bytes || r->len > b->size_bytes - r->offset)
        return -EINVAL;
    return r->op == BLOCK_OP_WRITE && b->is_read_only ? -EROFS : 0;
}
