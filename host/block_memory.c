/* A disk in memory, for tests: the bytes move at once, the callback comes by mail like a file's. */
#include "host/block_priv.h"

#include <stdlib.h>
#include <string.h>

struct memory {
    struct block block;
    struct block_pending pending;
    uint8_t bytes[];
};

static void submit(struct memory *m, const struct block_request *request)
{
    struct block_request *r = block_request_start(&m->pending, request);
    int error = block_request_check(&m->block, r);

    if (!error && r->op == BLOCK_OP_READ)
        memcpy(r->buf, m->bytes + r->offset, r->len);
    else if (!error && r->op == BLOCK_OP_WRITE)
        memcpy(m->bytes + r->offset, r->buf, r->len);
    block_request_finish(r, error);
}

static void memory_read(void *opaque, uint64_t offset, void *buf, uint32_t len, block_done_fn *done, void *o)
{
    submit(opaque, &(struct block_request){
                       .op = BLOCK_OP_READ, .offset = offset, .buf = buf, .len = len, .done = done, .done_opaque = o});
}

static void memory_write(void *opaque, uint64_t offset, const void *buf, uint32_t len, block_done_fn *done, void *o)
{
    submit(opaque,
           &(struct block_request){
               .op = BLOCK_OP_WRITE, .offset = offset, .buf = (void *)buf, .len = len, .done = done, .done_opaque = o});
}

static void memory_flush(void *opaque, block_done_fn *done, void *o)
{
    submit(opaque, &(struct block_request){.op = BLOCK_OP_FLUSH, .done = done, .done_opaque = o});
}

static void memory_close(void *opaque)
{
    struct memory *m = opaque;

    block_pending_drop(&m->pending);
    free(m);
}

static const struct block_ops memory_ops = {
    .name = "memory", .read = memory_read, .write = memory_write, .flush = memory_flush, .close = memory_close};

struct block *block_create_memory(uint64_t len_bytes, struct mailbox *mail)
{
    struct memory *m;

    if (len_bytes > SIZE_MAX / 2)
        return NULL;
    m = calloc(1, sizeof *m + len_bytes);
    if (!m)
        return NULL;
    m->block = (struct block){.ops = &memory_ops, .opaque = m, .size_bytes = len_bytes};
    m->pending.mail = mail;
    return &m->block;
}
