/* Raw images, snapshots, and the disk in memory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "host/block.h"

struct fixture {
    char dir[64];
    char path[128];
    struct mailbox *mail;
    unsigned done_count;
    int last_error;
};

static struct fixture fixture_;

static int setup(void **state)
{
    struct fixture *f = &fixture_;

    *f = (struct fixture){.mail = mailbox_create(NULL, NULL)};
    strcpy(f->dir, "/tmp/ringer-test-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof f->path, "%.60s/image", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    unlink(fixture_.path);
    rmdir(fixture_.path);
    mailbox_destroy(fixture_.mail);
    return rmdir(fixture_.dir); /* fails if a temporary file was left */
}

static void make_image(struct fixture *f, size_t size)
{
    FILE *file = fopen(f->path, "w");

    for (size_t i = 0; i < size; i++)
        fputc((int)(i / 512 + i) & 0xff, file);
    fclose(file);
}

static uint8_t image_byte(size_t i)
{
    return (uint8_t)(i / 512 + i);
}

static struct block *open_image(struct fixture *f, unsigned flags)
{
    const char *why = NULL;
    struct block *b;

    if (block_open_raw(f->path, flags, f->mail, &b, &why) != 0)
        fail_msg("image %s", why);
    return b;
}

static void on_done(void *opaque, int error)
{
    struct fixture *f = opaque;

    f->done_count++;
    f->last_error = error;
}

/* Run mail until count requests are done; the last one's error. */
static int wait_done(struct fixture *f, unsigned count)
{
    while (f->done_count < count) {
        mailbox_wait(f->mail, 5000000000);
        assert_true(mailbox_run(f->mail));
    }
    assert_int_equal(f->done_count, count);
    f->done_count = 0;
    return f->last_error;
}

static int read_now(struct fixture *f, struct block *b, uint64_t offset, void *buf, uint32_t len)
{
    block_read(b, offset, buf, len, on_done, f);
    assert_int_equal(f->done_count, 0);
    return wait_done(f, 1);
}

static int write_now(struct fixture *f, struct block *b, uint64_t offset, const void *buf, uint32_t len)
{
    block_write(b, offset, buf, len, on_done, f);
    assert_int_equal(f->done_count, 0);
    return wait_done(f, 1);
}

/* What the file itself holds at offset, -1 after its end. */
static int file_byte(struct fixture *f, long offset)
{
    FILE *file = fopen(f->path, "r");
    int byte;

    fseek(file, offset, SEEK_SET);
    byte = fgetc(file);
    fclose(file);
    return byte;
}

static void bytes_come_and_go(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[1024];
    struct block *b;

    make_image(f, 4096);
    b = open_image(f, 0);
    assert_int_equal(b->size_bytes, 4096);
    assert_false(b->is_read_only);
    assert_int_equal(read_now(f, b, 512, buf, 1024), 0);
    for (size_t i = 0; i < sizeof buf; i++)
        assert_int_equal(buf[i], image_byte(512 + i));
    memset(buf, 0xa5, sizeof buf);
    assert_int_equal(write_now(f, b, 3072, buf, 1024), 0);
    block_flush(b, on_done, f);
    assert_int_equal(wait_done(f, 1), 0);
    assert_int_equal(file_byte(f, 3071), image_byte(3071));
    assert_int_equal(file_byte(f, 3072), 0xa5);
    assert_int_equal(file_byte(f, 4096), -1);
    block_close(b);
}

static void requests_are_done_in_order(void **state)
{
    struct fixture *f = *state;
    static uint8_t sectors[64][512], back[512];
    struct block *b;

    make_image(f, 512);
    b = open_image(f, 0);
    for (unsigned i = 0; i < 64; i++) {
        memset(sectors[i], (int)i + 1, 512);
        block_write(b, 0, sectors[i], 512, on_done, f);
    }
    block_read(b, 0, back, 512, on_done, f);
    assert_int_equal(wait_done(f, 65), 0);
    assert_int_equal(back[511], 64);
    block_close(b);
}

static void requests_outside_fail(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[1024] = {0};
    struct block *b;

    make_image(f, 1024);
    b = open_image(f, 0);
    assert_int_equal(read_now(f, b, 512, buf, 1024), -EINVAL);
    assert_int_equal(write_now(f, b, 1024, buf, 512), -EINVAL);
    assert_int_equal(read_now(f, b, UINT64_MAX - 511, buf, 1024), -EINVAL);
    assert_int_equal(read_now(f, b, 1024, buf, 0), 0);
    assert_int_equal(file_byte(f, 1024), -1);
    block_close(b);
}

static void half_sector_ends_in_zeros(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[512];
    struct block *b;

    make_image(f, 700);
    b = open_image(f, 0);
    assert_int_equal(b->size_bytes, 1024);
    memset(buf, 0xee, sizeof buf);
    assert_int_equal(read_now(f, b, 512, buf, 512), 0);
    assert_int_equal(buf[187], image_byte(699));
    for (size_t i = 188; i < 512; i++)
        assert_int_equal(buf[i], 0);
    assert_int_equal(write_now(f, b, 512, buf, 512), 0);
    assert_int_equal(file_byte(f, 1023), 0);
    assert_int_equal(file_byte(f, 1024), -1);
    block_close(b);
}

static void file_that_shrank_fails(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[512];
    struct block *b;

    make_image(f, 4096);
    b = open_image(f, 0);
    assert_int_equal(truncate(f->path, 1024), 0);
    assert_int_equal(read_now(f, b, 2048, buf, 512), -EIO);
    assert_int_equal(read_now(f, b, 512, buf, 512), 0);
    block_close(b);
}

static void read_only_refuses_writes(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[512] = {0};
    struct block *b;

    make_image(f, 512);
    chmod(f->path, 0444);
    b = open_image(f, BLOCK_READ_ONLY);
    assert_true(b->is_read_only);
    assert_int_equal(write_now(f, b, 0, buf, 512), -EROFS);
    assert_int_equal(read_now(f, b, 0, buf, 512), 0);
    assert_int_equal(buf[1], 1);
    block_flush(b, NULL, NULL);
    block_flush(b, on_done, f);
    assert_int_equal(wait_done(f, 1), 0);
    block_close(b);
}

static void expect_refusal(struct fixture *f, const char *path, unsigned flags, int error, const char *reason)
{
    const char *why = NULL;
    struct block *b = (void *)f;

    assert_int_equal(block_open_raw(path, flags, f->mail, &b, &why), error);
    assert_null(b);
    assert_string_equal(why, reason);
}

static void what_cannot_be_a_disk_is_refused(void **state)
{
    struct fixture *f = *state;

    expect_refusal(f, f->path, 0, -ENOENT, "does not exist");
    expect_refusal(f, f->path, BLOCK_READ_ONLY, -ENOENT, "does not exist");
    expect_refusal(f, f->dir, 0, -EISDIR, "is a directory");
    expect_refusal(f, f->dir, BLOCK_READ_ONLY, -EISDIR, "is a directory");
    expect_refusal(f, "/dev/null", BLOCK_READ_ONLY, -EINVAL, "is neither a file nor a block device");
    make_image(f, 0);
    expect_refusal(f, f->path, 0, -EINVAL, "is empty");
    unlink(f->path);
    mkfifo(f->path, 0600);
    expect_refusal(f, f->path, BLOCK_READ_ONLY, -EINVAL, "is neither a file nor a block device");
}

static void permissions_are_explained(void **state)
{
    struct fixture *f = *state;

    if (geteuid() == 0)
        skip(); /* root may do anything */
    make_image(f, 512);
    chmod(f->path, 0444);
    expect_refusal(f, f->path, 0, -EACCES, "may not be written to");
    chmod(f->path, 0);
    expect_refusal(f, f->path, BLOCK_SNAPSHOT, -EACCES, "may not be read");
}

static void writable_image_has_one_user(void **state)
{
    struct fixture *f = *state;
    struct block *b, *reader;

    make_image(f, 512);
    b = open_image(f, 0);
    expect_refusal(f, f->path, 0, -EWOULDBLOCK, "is in use by another process");
    reader = open_image(f, BLOCK_READ_ONLY);
    block_close(reader);
    block_close(b);
    b = open_image(f, 0);
    block_close(b);
}

static void snapshot_leaves_the_file_alone(void **state)
{
    struct fixture *f = *state;
    static uint8_t buf[16384];
    struct block *b;

    make_image(f, 20000);
    b = open_image(f, BLOCK_SNAPSHOT);
    assert_false(b->is_read_only);
    assert_int_equal(b->size_bytes, 20480);
    memset(buf, 0xc3, sizeof buf);
    assert_int_equal(write_now(f, b, 3584, buf, 1024), 0);    /* end of cluster 0, front of 1 */
    assert_int_equal(write_now(f, b, 19968, buf, 512), 0);    /* beyond the end of the file */
    assert_int_equal(write_now(f, b, 4096 + 512, buf, 5), 0); /* a cluster that is there already */
    block_flush(b, on_done, f);
    assert_int_equal(wait_done(f, 1), 0);
    assert_int_equal(read_now(f, b, 0, buf, 16384), 0);
    for (size_t i = 0; i < 16384; i++)
        assert_int_equal(buf[i], i >= 3584 && i < 4613 ? 0xc3 : image_byte(i));
    assert_int_equal(read_now(f, b, 19456, buf, 1024), 0);
    assert_int_equal(buf[0], image_byte(19456));
    assert_int_equal(buf[511], image_byte(19967));
    assert_int_equal(buf[1023], 0xc3);
    block_close(b);
    for (long i = 0; i < 20000; i += 123)
        assert_int_equal(file_byte(f, i), image_byte((size_t)i));
    assert_int_equal(file_byte(f, 20000), -1);
    b = open_image(f, 0);
    assert_int_equal(read_now(f, b, 3584, buf, 512), 0);
    assert_int_equal(buf[0], image_byte(3584)); /* lost, as it should */
    block_close(b);
}

static void snapshot_needs_a_place(void **state)
{
    struct fixture *f = *state;
    struct block *b;

    make_image(f, 512);
    setenv("TMPDIR", "/nonexistent/nowhere", 1); /* then the next place is taken */
    b = open_image(f, BLOCK_SNAPSHOT);
    block_close(b);
    setenv("TMPDIR", f->dir, 1);
    b = open_image(f, BLOCK_SNAPSHOT);
    block_close(b);
    unsetenv("TMPDIR");
}

static void close_finishes_writes_and_drops_callbacks(void **state)
{
    struct fixture *f = *state;
    static uint8_t buf[65536];
    struct block *b;

    make_image(f, 65536);
    memset(buf, 0x99, sizeof buf);
    b = open_image(f, 0);
    for (unsigned i = 0; i < 128; i++)
        block_write(b, i * 512, buf, 512, on_done, f);
    block_close(b);
    mailbox_run(f->mail);
    assert_int_equal(f->done_count, 0);
    for (long i = 0; i < 65536; i += 512)
        assert_int_equal(file_byte(f, i), 0x99);
    block_close(NULL);
}

static struct block *to_close;

static void close_it(void *opaque, int error)
{
    on_done(opaque, error);
    block_close(to_close);
}

static void callback_may_close(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[512];

    make_image(f, 512);
    to_close = open_image(f, 0);
    block_read(to_close, 0, buf, 512, close_it, f);
    block_read(to_close, 0, buf, 512, on_done, f);
    assert_int_equal(wait_done(f, 1), 0);
    mailbox_run(f->mail);
    assert_int_equal(f->done_count, 0);
}

static void memory_disk_works_like_a_file(void **state)
{
    struct fixture *f = *state;
    struct block *b = block_create_memory(2048, f->mail);
    uint8_t buf[512];

    memset(buf, 0x42, sizeof buf);
    assert_int_equal(write_now(f, b, 1024, buf, 512), 0);
    assert_int_equal(read_now(f, b, 512, buf, 512), 0);
    assert_int_equal(buf[0], 0);
    assert_int_equal(read_now(f, b, 1024, buf, 512), 0);
    assert_int_equal(buf[511], 0x42);
    assert_int_equal(read_now(f, b, 2048, buf, 512), -EINVAL);
    b->is_read_only = true;
    assert_int_equal(write_now(f, b, 0, buf, 512), -EROFS);
    block_flush(b, on_done, f);
    assert_int_equal(wait_done(f, 1), 0);
    block_read(b, 0, buf, 512, on_done, f);
    block_close(b);
    mailbox_run(f->mail);
    assert_int_equal(f->done_count, 0);
    assert_null(block_create_memory(UINT64_MAX, f->mail));
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(bytes_come_and_go),
        test(requests_are_done_in_order),
        test(requests_outside_fail),
        test(half_sector_ends_in_zeros),
        test(file_that_shrank_fails),
        test(read_only_refuses_writes),
        test(what_cannot_be_a_disk_is_refused),
        test(permissions_are_explained),
        test(writable_image_has_one_user),
        test(snapshot_leaves_the_file_alone),
        test(snapshot_needs_a_place),
        test(close_finishes_writes_and_drops_callbacks),
        test(callback_may_close),
        test(memory_disk_works_like_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
