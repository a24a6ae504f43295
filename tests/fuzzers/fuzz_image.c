/* Disk images: opening any file as one, then reads, writes and flushes anywhere, inside and outside of it.
 * Input: flags, then requests of 8 bytes (kind, offset 4, length 3), then the file from byte 81 on. */
#include "host/block.h"
#include "host/mailbox.h"
#include "tests/fuzzers/target.h"

#define REQUESTS 10
#define MAX_LEN  0x20000

static void done(void *opaque, int error)
{
    int *waiting = opaque;

    MUST(error <= 0);
    --*waiting;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[REQUESTS][MAX_LEN];
    struct input in = {data, size};
    unsigned flags = (unsigned)input_take(&in, 1) & (BLOCK_READ_ONLY | BLOCK_SNAPSHOT);
    struct input requests = {in.data, in.left < 80 ? in.left : 80};
    struct mailbox *mail = mailbox_create(NULL, NULL);
    struct block *block = NULL;
    const char *why = NULL, *path;
    int waiting = 0;

    MUST(mail);
    path = in.left > 80 ? input_file(0, in.data + 80, in.left - 80) : input_file(0, "", 0);
    if (block_open_raw(path, flags, mail, &block, &why) < 0) {
        MUST(why && why[0]);
        mailbox_destroy(mail);
        return 0;
    }
    MUST(block && block->size_bytes);
    for (unsigned n = 0; n < REQUESTS; n++) {
        unsigned kind = (unsigned)input_take(&requests, 1);
        uint64_t offset = input_take(&requests, 4) * 512;
        uint32_t len = (uint32_t)input_take(&requests, 3) % (MAX_LEN / 512 + 1) * 512;

        waiting++;
        if (kind % 3 == 0)
            block_read(block, offset, buf[n], len, done, &waiting);
        else if (kind % 3 == 1)
            block_write(block, offset, buf[n], len, done, &waiting);
        else
            block_flush(block, done, &waiting);
    }
    while (waiting && !(data[0] & 0x80)) { /* or close with requests under way */
        mailbox_wait(mail, UINT64_MAX);
        mailbox_run(mail);
    }
    block_close(block);
    MUST((data[0] & 0x80) || !waiting);
    mailbox_destroy(mail);
    return 0;
}
