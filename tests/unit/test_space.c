/* Address spaces. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "host/log.h"
#include "mmu/space.h"

#define SPACE_SIZE GIB(64)

/* A device that records what it is asked and answers with bytes that tell their offset. */
struct recorder {
    char calls[512]; /* "r0.4 w2.1=7f " … */
    struct space *space;
    struct recorder *other;
};

static uint64_t recorder_read(void *opaque, uint64_t offset, unsigned size)
{
    struct recorder *r = opaque;
    size_t n = strlen(r->calls);
    uint64_t value = 0;

    snprintf(r->calls + n, sizeof r->calls - n, "r%x.%u ", (unsigned)offset, size);
    for (unsigned i = 0; i < size; i++)
        value |= (0x10 + offset + i) << (i * 8);
    return value | (size < 8 ? UINT64_MAX << (size * 8) : 0); /* dirt above, to be masked */
}

static void recorder_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct recorder *r = opaque;
    size_t n = strlen(r->calls);

    snprintf(r->calls + n, sizeof r->calls - n, "w%x.%u=%llx ", (unsigned)offset, size, (unsigned long long)value);
}

static const struct io_ops any_ops = {.name = "any", .read = recorder_read, .write = recorder_write};
static const struct io_ops byte_ops = {
    .name = "byte", .read = recorder_read, .write = recorder_write, .min_size = 1, .max_size = 1};
static const struct io_ops dword_ops = {
    .name = "dword", .read = recorder_read, .write = recorder_write, .min_size = 4, .max_size = 4};
static const struct io_ops qword_ops = {
    .name = "qword", .read = recorder_read, .write = recorder_write, .min_size = 1, .max_size = 8};

struct fixture {
    struct guestmem *mem;
    struct space *space;
    uint8_t *view;
    struct recorder dev, dev2;
    unsigned changes;
    char written[256]; /* "off+len " */
};

static struct fixture fixture_;

static void on_change(void *opaque)
{
    ((struct fixture *)opaque)->changes++;
}

static void on_written(void *opaque, uint64_t off, uint64_t len)
{
    struct fixture *f = opaque;
    size_t n = strlen(f->written);

    snprintf(f->written + n, sizeof f->written - n, "%llx+%llu ", (unsigned long long)off, (unsigned long long)len);
}

static int setup(void **state)
{
    struct fixture *f = &fixture_;

    *f = (struct fixture){.mem = guestmem_create(MIB(1))};
    guestmem_alloc(f->mem, KIB(64));
    guestmem_add_watch(f->mem, on_written, f);
    f->view = guestmem_view(f->mem);
    f->space = space_create(SPACE_SIZE, f->mem);
    f->dev.space = f->dev2.space = f->space;
    f->dev.other = &f->dev2;
    space_add_listener(f->space, on_change, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    space_destroy(fixture_.space);
    guestmem_destroy(fixture_.mem);
    return 0;
}

static void map_ram(struct fixture *f, uint64_t base, uint64_t len, uint64_t off)
{
    assert_int_equal(space_map_mem(f->space, base, len, off, off, SPACE_R | SPACE_W), 0);
}

static void nobody_answers_with_ones(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[16] = {0};

    assert_int_equal(space_read(f->space, 0x1234, 1), 0xff);
    assert_int_equal(space_read(f->space, 0xffffffff, 2), 0xffff);
    assert_int_equal(space_read(f->space, 0x1234, 4), 0xffffffff);
    assert_true(space_read(f->space, SPACE_SIZE - 4, 8) == UINT64_MAX);
    assert_true(space_read(f->space, UINT64_MAX, 8) == UINT64_MAX);
    space_write(f->space, UINT64_MAX - 2, 8, 0);
    space_write_buf(f->space, 5, buf, sizeof buf);
    space_read_buf(f->space, UINT64_MAX - 3, buf, sizeof buf);
    for (size_t i = 0; i < sizeof buf; i++)
        assert_int_equal(buf[i], 0xff);
}

static void memory_is_little_endian_at_any_alignment(void **state)
{
    struct fixture *f = *state;

    map_ram(f, 0, KIB(8), 0);
    space_write(f->space, 0xfff, 4, 0x44332211);
    assert_int_equal(f->view[0xfff], 0x11);
    assert_int_equal(f->view[0x1002], 0x44);
    assert_int_equal(space_read(f->space, 0xfff, 4), 0x44332211);
    assert_int_equal(space_read(f->space, 0x1001, 2), 0x4433);
    space_write(f->space, 0x10, 8, 0x8877665544332211);
    assert_true(space_read(f->space, 0x10, 8) == 0x8877665544332211);
    space_write(f->space, 0x10, 1, 0xfab);
    assert_int_equal(space_read(f->space, 0x10, 2), 0x22ab);
}

static void bad_maps_are_refused(void **state)
{
    struct fixture *f = *state;
    struct space *s = f->space;

    assert_int_equal(space_map_io(s, 0x100, 0x10, &any_ops, &f->dev), 0);
    assert_int_equal(f->changes, 1);
    assert_int_equal(space_map_io(s, 0x10f, 1, &any_ops, &f->dev), -EEXIST);
    assert_int_equal(space_map_io(s, 0xff, 2, &any_ops, &f->dev), -EEXIST);
    assert_int_equal(space_map_io(s, 0xf0, 0x1000, &any_ops, &f->dev), -EEXIST);
    assert_int_equal(space_map_mem(s, 0, 4096, 0, 0, SPACE_R), -EEXIST);
    assert_int_equal(space_map_io(s, 0x110, 0, &any_ops, &f->dev), -EINVAL);
    assert_int_equal(space_map_io(s, SPACE_SIZE, 1, &any_ops, &f->dev), -EINVAL);
    assert_int_equal(space_map_io(s, SPACE_SIZE - 1, 2, &any_ops, &f->dev), -EINVAL);
    assert_int_equal(space_map_io(s, 0x200, UINT64_MAX, &any_ops, &f->dev), -EINVAL);
    assert_int_equal(space_map_mem(s, 0x1800, 4096, 0, 0, SPACE_R), -EINVAL);
    assert_int_equal(space_map_mem(s, 0x1000, 100, 0, 0, SPACE_R), -EINVAL);
    assert_int_equal(space_map_mem(s, 0x1000, 4096, 100, 0, SPACE_R), -EINVAL);
    assert_int_equal(space_map_mem(s, 0x1000, 4096, KIB(64), 0, SPACE_R), -EINVAL);
    assert_int_equal(space_map_mem(s, 0x1000, 4096, 0, KIB(64), SPACE_R | SPACE_W), -EINVAL);
    assert_int_equal(f->changes, 1);
    assert_int_equal(space_map_io(s, 0x110, 1, &any_ops, &f->dev), 0);
    assert_int_equal(space_map_io(s, 0xff, 1, &any_ops, &f->dev), 0);
    assert_int_equal(space_map_io(s, SPACE_SIZE - 1, 1, &any_ops, &f->dev), 0);
}

static void many_ranges_are_found(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 200; i++) /* in a scrambled order */
        assert_int_equal(space_map_io(f->space, (i * 77 % 200) * 0x20, 0x10, &byte_ops, &f->dev), 0);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(space_read(f->space, i * 0x20 + 0xf, 1), 0x1f);
        assert_int_equal(space_read(f->space, i * 0x20 + 0x10, 1), 0xff);
        f->dev.calls[0] = '\0';
    }
}

static void wide_accesses_are_split(void **state)
{
    struct fixture *f = *state;

    space_map_io(f->space, 0x60, 8, &byte_ops, &f->dev);
    assert_int_equal(space_read(f->space, 0x61, 2), 0x1211);
    assert_string_equal(f->dev.calls, "r1.1 r2.1 ");
    f->dev.calls[0] = '\0';
    space_write(f->space, 0x64, 4, 0xaabbccdd);
    assert_string_equal(f->dev.calls, "w4.1=dd w5.1=cc w6.1=bb w7.1=aa ");
}

static void unaligned_accesses_are_split_naturally(void **state)
{
    struct fixture *f = *state;

    space_map_io(f->space, 0x1000, 16, &any_ops, &f->dev);
    assert_int_equal(space_read(f->space, 0x1001, 4), 0x14131211);
    assert_string_equal(f->dev.calls, "r1.1 r2.2 r4.1 ");
    f->dev.calls[0] = '\0';
    assert_true(space_read(f->space, 0x1000, 8) == 0x1716151413121110);
    assert_string_equal(f->dev.calls, "r0.4 r4.4 ");
    f->dev.calls[0] = '\0';
    space_map_io(f->space, 0x2000, 16, &qword_ops, &f->dev);
    assert_true(space_read(f->space, 0x2008, 8) == 0x1f1e1d1c1b1a1918);
    assert_string_equal(f->dev.calls, "r8.8 ");
}

static void narrow_accesses_are_widened(void **state)
{
    struct fixture *f = *state;

    space_map_io(f->space, 0xfec00000, 0x20, &dword_ops, &f->dev);
    assert_int_equal(space_read(f->space, 0xfec00012, 1), 0x22);
    assert_string_equal(f->dev.calls, "r10.4 ");
    f->dev.calls[0] = '\0';
    assert_int_equal(space_read(f->space, 0xfec00003, 2), 0x1413);
    assert_string_equal(f->dev.calls, "r0.4 r4.4 ");
    f->dev.calls[0] = '\0';
    space_write(f->space, 0xfec00005, 2, 0xaabb);
    assert_string_equal(f->dev.calls, "r4.4 w4.4=1716bb14 r4.4 w4.4=17aa1514 ");
}

static void accesses_may_cross_ranges(void **state)
{
    struct fixture *f = *state;

    map_ram(f, 0, KIB(4), 0);
    space_map_io(f->space, 0x1000, 1, &byte_ops, &f->dev);
    map_ram(f, 0x2000, KIB(4), 0x1000);
    f->view[0xfff] = 0xaa;
    assert_int_equal(space_read(f->space, 0xfff, 4), 0xffff10aa);
    assert_string_equal(f->dev.calls, "r0.1 ");
    f->dev.calls[0] = '\0';
    space_write(f->space, 0xffe, 8, 0x8877665544332211);
    assert_int_equal(f->view[0xffe], 0x11);
    assert_int_equal(f->view[0xfff], 0x22);
    assert_string_equal(f->dev.calls, "w0.1=33 ");
    space_write(f->space, 0x1ffe, 4, 0x04030201);
    assert_int_equal(f->view[0x1000], 3);
    assert_int_equal(f->view[0x1001], 4);
}

static void buffers_cross_everything(void **state)
{
    struct fixture *f = *state;
    uint8_t out[0x1020], in[0x1020];

    map_ram(f, 0, KIB(4), 0x2000);
    space_map_io(f->space, 0x1000, 0x14, &qword_ops, &f->dev);
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)(i * 7);
    space_write_buf(f->space, 0, out, sizeof out);
    assert_memory_equal(f->view + 0x2000, out, 0x1000);
    assert_non_null(strstr(f->dev.calls, "w10.4="));
    space_read_buf(f->space, 0, in, sizeof in);
    assert_memory_equal(in, out, 0x1000);
    for (unsigned i = 0; i < 0x14; i++)
        assert_int_equal(in[0x1000 + i], 0x10 + i);
    for (unsigned i = 0x14; i < 0x20; i++)
        assert_int_equal(in[0x1000 + i], 0xff);
}

static void rom_ignores_writes(void **state)
{
    struct fixture *f = *state;
    struct space_run run;

    f->view[0x3000] = 0x55;
    assert_int_equal(space_map_mem(f->space, 0xf0000, KIB(4), 0x3000, 0x3000, SPACE_R), 0);
    space_write(f->space, 0xf0000, 1, 1);
    space_set_bits(f->space, 0xf0000, 4, 0x80);
    assert_int_equal(space_read(f->space, 0xf0000, 1), 0x55);
    space_lookup(f->space, 0xf0010, &run);
    assert_ptr_equal(run.host, f->view + 0x3010);
    assert_false(run.is_writable);
}

static void pam_reads_rom_and_writes_ram(void **state)
{
    struct fixture *f = *state;
    struct space_run run;

    f->view[0x1234] = 0xaa;
    assert_int_equal(space_map_mem(f->space, 0xe0000, KIB(8), 0x1000, 0x4000, SPACE_R | SPACE_W), 0);
    space_write(f->space, 0xe0234, 1, 0x77);
    assert_int_equal(f->view[0x4234], 0x77);
    assert_int_equal(space_read(f->space, 0xe0234, 1), 0xaa);
    space_lookup(f->space, 0xe0234, &run);
    assert_ptr_equal(run.host, f->view + 0x1234);
    assert_int_equal(run.mem_off, 0x1234);
    assert_false(run.is_writable);
    assert_int_equal(run.len, KIB(8) - 0x234);
}

static void write_only_memory_reads_ones(void **state)
{
    struct fixture *f = *state;
    struct space_run run;

    assert_int_equal(space_map_mem(f->space, 0xe0000, KIB(4), 0, 0x4000, SPACE_W), 0);
    space_write(f->space, 0xe0000, 2, 0x1234);
    assert_int_equal(f->view[0x4000], 0x34);
    assert_int_equal(space_read(f->space, 0xe0000, 2), 0xffff);
    space_lookup(f->space, 0xe0000, &run);
    assert_null(run.host);
    assert_false(run.is_writable);
}

static void lookup_describes_runs(void **state)
{
    struct fixture *f = *state;
    struct space_run run;

    map_ram(f, 0x10000, KIB(8), 0x2000);
    space_map_io(f->space, 0x20000, 0x100, &any_ops, &f->dev);
    space_lookup(f->space, 0x11004, &run);
    assert_ptr_equal(run.host, f->view + 0x3004);
    assert_int_equal(run.mem_off, 0x3004);
    assert_int_equal(run.len, 0xffc);
    assert_true(run.is_writable);
    space_lookup(f->space, 0x20010, &run);
    assert_null(run.host);
    assert_int_equal(run.len, 0xf0);
    space_lookup(f->space, 0x12000, &run);
    assert_null(run.host);
    assert_int_equal(run.len, 0xe000);
    space_lookup(f->space, UINT64_MAX, &run);
    assert_null(run.host);
}

static void unmap_splits_ranges(void **state)
{
    struct fixture *f = *state;

    map_ram(f, 0, KIB(64), 0);
    f->view[0x2fff] = 1;
    f->view[0x4000] = 2;
    space_unmap(f->space, 0x3000, 0x1000);
    assert_int_equal(space_read(f->space, 0x2fff, 1), 1);
    assert_int_equal(space_read(f->space, 0x3000, 1), 0xff);
    assert_int_equal(space_read(f->space, 0x4000, 1), 2);
    space_map_io(f->space, 0x3000, 0x100, &byte_ops, &f->dev);
    space_unmap(f->space, 0x3000, 0x10);
    assert_int_equal(space_read(f->space, 0x300f, 1), 0xff);
    assert_int_equal(space_read(f->space, 0x3010, 1), 0x20); /* offsets stay those of the device */
    assert_string_equal(f->dev.calls, "r10.1 ");
    space_unmap(f->space, 0x2000, 0x3000); /* back of one, all of one, front of one */
    assert_int_equal(space_read(f->space, 0x2fff, 1), 0xff);
    assert_int_equal(space_read(f->space, 0x3010, 1), 0xff);
    assert_int_equal(space_read(f->space, 0x4000, 1), 0xff);
    f->view[0x1fff] = 7;
    f->view[0x5000] = 8;
    assert_int_equal(space_read(f->space, 0x1fff, 1), 7);
    assert_int_equal(space_read(f->space, 0x5000, 1), 8);
    space_unmap(f->space, 0, UINT64_MAX);
    assert_int_equal(space_read(f->space, 0, 1), 0xff);
    assert_int_equal(space_read(f->space, 0xffff, 1), 0xff);
    space_unmap(f->space, SPACE_SIZE + 5, 1);
    space_unmap(f->space, 0, 0);
}

static void listeners_hear_of_changes_once_a_batch(void **state)
{
    struct fixture *f = *state;

    space_begin(f->space);
    map_ram(f, 0, KIB(4), 0);
    space_begin(f->space);
    space_unmap(f->space, 0, KIB(4));
    space_commit(f->space);
    assert_int_equal(f->changes, 0);
    space_commit(f->space);
    assert_int_equal(f->changes, 1);
    space_begin(f->space);
    space_commit(f->space);
    space_unmap(f->space, 0, KIB(4)); /* nothing there */
    assert_int_equal(f->changes, 1);
    space_commit(f->space); /* one too many */
    map_ram(f, 0, KIB(4), 0);
    assert_int_equal(f->changes, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(space_add_listener(f->space, on_change, f), 0);
    assert_int_equal(space_add_listener(f->space, on_change, f), -ENOSPC);
}

static void code_watches_hear_of_writes_to_flagged_frames(void **state)
{
    struct fixture *f = *state;
    uint8_t page[0x3000] = {0};

    map_ram(f, 0x10000, KIB(64), 0);
    guestmem_code_flags(f->mem)[2] = 1;
    space_write(f->space, 0x11ffc, 4, 0);
    assert_string_equal(f->written, "");
    space_write(f->space, 0x11fff, 4, 0);
    assert_string_equal(f->written, "2000+3 ");
    f->written[0] = '\0';
    space_write_buf(f->space, 0x11800, page, sizeof page);
    assert_string_equal(f->written, "2000+4096 ");
    f->written[0] = '\0';
    space_set_bits(f->space, 0x12010, 8, 0x20);
    assert_string_equal(f->written, "2010+8 ");
    assert_int_equal(f->view[0x2010], 0x20);
    f->written[0] = '\0';
    (void)space_read(f->space, 0x12000, 4);
    assert_string_equal(f->written, "");
}

static void set_bits_keeps_the_others(void **state)
{
    struct fixture *f = *state;

    map_ram(f, 0, KIB(4), 0);
    space_write(f->space, 0x100, 8, 0xffffffff00000001);
    space_set_bits(f->space, 0x100, 4, 0x60);
    assert_true(space_read(f->space, 0x100, 8) == 0xffffffff00000061);
    space_set_bits(f->space, 0xffe, 4, 0x61); /* unaligned, leaving the range: no locked access, no harm */
    assert_int_equal(f->view[0xffe], 0x61);
    space_map_io(f->space, 0x2000, 4, &dword_ops, &f->dev);
    space_set_bits(f->space, 0x2000, 4, 0x80);
    assert_string_equal(f->dev.calls, "r0.4 w0.4=13121190 ");
}

/* A device whose write handler moves itself away and puts another in its place. */
static void moving_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct recorder *r = opaque;

    recorder_write(r, offset, size, value);
    if (offset == 1) {
        space_unmap(r->space, 0x500, 4);
        for (unsigned i = 0; i < 100; i++) /* makes the array of ranges move, too */
            space_map_io(r->space, 0x10000 + i * 2, 1, &byte_ops, r->other);
        space_map_io(r->space, 0x500, 8, &byte_ops, r->other);
    }
}

static void callbacks_may_remap_the_space(void **state)
{
    static const struct io_ops moving = {
        .name = "moving", .read = recorder_read, .write = moving_write, .min_size = 1, .max_size = 1};
    struct fixture *f = *state;
    uint8_t bytes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

    space_map_io(f->space, 0x500, 4, &moving, &f->dev);
    space_write_buf(f->space, 0x500, bytes, sizeof bytes);
    /* the piece under way stays with the old device, the next ones go to the new */
    assert_string_equal(f->dev.calls, "w0.1=0 w1.1=1 w2.1=2 w3.1=3 ");
    assert_string_equal(f->dev2.calls, "w4.1=4 w5.1=5 w6.1=6 w7.1=7 ");
}

static void port_space_needs_no_memory(void **state)
{
    struct fixture *f = *state;
    struct space *ports = space_create(0x10000, NULL);
    struct space_run run;

    assert_int_equal(space_map_mem(ports, 0, 4096, 0, 0, SPACE_R), -EINVAL);
    assert_int_equal(space_map_io(ports, 0xffff, 1, &byte_ops, &f->dev), 0);
    assert_int_equal(space_map_io(ports, 0x3f6, 1, &byte_ops, &f->dev), 0);
    assert_int_equal(space_read(ports, 0xffff, 4), 0xffffff10);
    space_write(ports, 0x3f5, 4, 0x04030201);
    assert_string_equal(f->dev.calls, "r0.1 w0.1=2 ");
    space_lookup(ports, 0x3f6, &run);
    assert_null(run.host);
    space_destroy(ports);
    space_destroy(NULL);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void an_overlay_shows_its_own_first(void **state)
{
    struct guestmem *mem = guestmem_create(MIB(1));
    struct space *below = space_create(SPACE_SIZE, mem), *over = space_create_overlay(below);
    uint64_t off = (uint64_t)guestmem_alloc(mem, 0x8000);
    struct recorder r = {.space = below};
    const struct io_ops ops = {"recorder", recorder_read, recorder_write, 1, 4};
    struct space_run run;

    assert_int_equal(space_map_mem(below, 0, 0x4000, off, off, SPACE_R | SPACE_W), 0);
    assert_int_equal(space_map_io(below, 0x4000, 0x1000, &ops, &r), 0);
    assert_int_equal(space_map_mem(over, 0x2000, 0x1000, off + 0x5000, off + 0x5000, SPACE_R | SPACE_W), 0);
    space_write(below, 0x2000, 4, 0x11111111);
    space_write(over, 0x2000, 4, 0x22222222);
    assert_int_equal(space_read(below, 0x2000, 4), 0x11111111);
    assert_int_equal(space_read(over, 0x2000, 4), 0x22222222);
    space_write(over, 0x1ffe, 4, 0x33334444); /* half here, half there */
    assert_int_equal(space_read(below, 0x1ffe, 4), 0x11114444);
    space_lookup(over, 0x1000, &run);
    assert_int_equal(run.len, 0x1000);
    space_lookup(below, 0x1000, &run);
    assert_int_equal(run.len, 0x3000);
    assert_int_equal(space_read(over, 0x4001, 1), 0x11); /* devices below, and changes there */
    space_unmap(below, 0x4000, 0x1000);
    assert_int_equal(space_read(over, 0x4001, 1), 0xff);
    space_lookup(over, 0x3000, &run);
    assert_ptr_equal(run.host, guestmem_view(mem) + off + 0x3000);
    space_destroy(over);
    space_destroy(below);
    guestmem_destroy(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(nobody_answers_with_ones),
        test(memory_is_little_endian_at_any_alignment),
        test(bad_maps_are_refused),
        test(many_ranges_are_found),
        test(wide_accesses_are_split),
        test(unaligned_accesses_are_split_naturally),
        test(narrow_accesses_are_widened),
        test(accesses_may_cross_ranges),
        test(buffers_cross_everything),
        test(rom_ignores_writes),
        test(pam_reads_rom_and_writes_ram),
        test(write_only_memory_reads_ones),
        test(lookup_describes_runs),
        test(unmap_splits_ranges),
        test(listeners_hear_of_changes_once_a_batch),
        test(code_watches_hear_of_writes_to_flagged_frames),
        test(set_bits_keeps_the_others),
        test(callbacks_may_remap_the_space),
        test(port_space_needs_no_memory),
        test(an_overlay_shows_its_own_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
