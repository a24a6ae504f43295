#include "tests/unit/board_fixture.h"
#include "devices/fdc.h"

enum { DOR = 0x3f2, MSR = 0x3f4, DSR = 0x3f4, FIFO = 0x3f5, DIR = 0x3f7, CCR = 0x3f7 };
#define DISK_BYTES 1474560u
#define BUFFER     0x20000u

struct fixture {
    struct board b;
    struct dma8237 dma;
    struct fdc fdc;
    struct recorder irq;
    struct block *disk;
};

static void settle(struct fixture *f)
{
    for (unsigned i = 0; i < 100; i++) {
        clock_advance(f->b.clock, MS);
        if (!mailbox_run(f->b.mail))
            break;
    }
}

static void send(struct fixture *f, unsigned len, const uint8_t *bytes)
{
    for (unsigned i = 0; i < len; i++) {
        assert_int_equal(in8(f->b.ports, MSR) & 0xc0, 0x80);
        out8(f->b.ports, FIFO, bytes[i]);
    }
}

/* Result bytes while the chip has some. */
static unsigned result(struct fixture *f, uint8_t *bytes)
{
    unsigned n = 0;

    while (n < 16 && (in8(f->b.ports, MSR) & 0xd0) == 0xd0)
        bytes[n++] = in8(f->b.ports, FIFO);
    return n;
}

#define SEND(f, ...) send(f, sizeof((const uint8_t[]){__VA_ARGS__}), (const uint8_t[]){__VA_ARGS__})

static void program_dma(struct fixture *f, uint32_t count, uint8_t mode)
{
    out8(f->b.ports, 0x0a, 0x06);
    out8(f->b.ports, 0x0c, 0);
    out8(f->b.ports, 0x0b, mode | 2);
    out8(f->b.ports, 0x04, BUFFER & 0xff);
    out8(f->b.ports, 0x04, BUFFER >> 8 & 0xff);
    out8(f->b.ports, 0x81, BUFFER >> 16);
    out8(f->b.ports, 0x05, count - 1);
    out8(f->b.ports, 0x05, (count - 1) >> 8);
    out8(f->b.ports, 0x0a, 0x02);
}

static void release_reset(struct fixture *f)
{
    uint8_t r[16];

    out8(f->b.ports, DOR, 0x08);
    out8(f->b.ports, DOR, 0x1c);
    settle(f);
    for (unsigned i = 0; i < 4; i++) {
        SEND(f, 0x08);
        assert_int_equal(result(f, r), 2);
        assert_int_equal(r[0], 0xc0 | i);
    }
    out8(f->b.ports, CCR, 0);
    SEND(f, 0x03, 0xaf, 0x02); /* SPECIFY, DMA */
}

static int setup(void **state)
{
    static struct fixture f;
    static uint8_t image[DISK_BYTES];

    memset(&f, 0, sizeof(f));
    board_init(&f.b);
    recorder_init(&f.irq);
    assert_int_equal(dma8237_init(&f.dma, f.b.mem, f.b.ports), 0);
    assert_int_equal(fdc_init(&f.fdc, f.b.ports, f.b.clock, &f.irq.wire, &f.dma), 0);
    f.disk = block_create_memory(DISK_BYTES, f.b.mail);
    fill_pattern(image, sizeof(image), 3);
    disk_write(&f.b, f.disk, 0, image, sizeof(image));
    assert_int_equal(fdc_attach(&f.fdc, 0, f.disk), 0);
    release_reset(&f);
    f.irq.rises = f.irq.falls = 0;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_disarm(&f->fdc.timer);
    block_close(f->disk);
    board_free(&f->b);
    return 0;
}

static void expect_sectors(struct fixture *f, unsigned first, unsigned count)
{
    static uint8_t want[36 * 512], got[36 * 512];

    disk_read(&f->b, f->disk, first * 512, want, count * 512);
    space_read_buf(f->b.mem, BUFFER, got, count * 512);
    assert_memory_equal(got, want, count * 512);
}

static void size_tells_the_format(void **state)
{
    assert_int_equal(fdc_find_geometry(163840)->heads, 1);
    assert_int_equal(fdc_find_geometry(368640)->sectors, 9);
    assert_int_equal(fdc_find_geometry(737280)->rate, 2);
    assert_int_equal(fdc_find_geometry(1228800)->sectors, 15);
    assert_int_equal(fdc_find_geometry(1474560)->sectors, 18);
    assert_int_equal(fdc_find_geometry(2949120)->sectors, 36);
    assert_int_equal(fdc_find_geometry(1474000)->sectors, 18); /* cut short */
    assert_null(fdc_find_geometry(0));
    assert_null(fdc_find_geometry(2949121));
}

static void cmos_types_and_wrong_sizes(void **state)
{
    struct fixture *f = *state;
    struct block huge = {.size_bytes = MIB(5)};

    assert_int_equal(fdc_cmos_types(&f->fdc), 0x40);
    assert_int_equal(fdc_attach(&f->fdc, 1, &huge), -22);
    assert_int_equal(fdc_cmos_types(&f->fdc), 0x40);
    assert_int_equal(fdc_attach(&f->fdc, 1, NULL), 0);
    assert_int_equal(fdc_cmos_types(&f->fdc), 0x44);
}

static void reset_interrupts_once_and_tells_four_drives(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    out8(f->b.ports, DOR, 0x08);
    assert_int_equal(in8(f->b.ports, MSR), 0);
    out8(f->b.ports, DOR, 0x0c);
    assert_int_equal(f->irq.rises, 0);
    settle(f);
    assert_int_equal(f->irq.rises, 1);
    for (unsigned i = 0; i < 4; i++) {
        SEND(f, 0x08);
        assert_int_equal(result(f, r), 2);
    }
    SEND(f, 0x08);
    assert_int_equal(result(f, r), 1);
    assert_int_equal(r[0], 0x80);
    assert_int_equal(f->irq.rises, 1);
}

static void software_reset_by_dsr(void **state)
{
    struct fixture *f = *state;

    out8(f->b.ports, DSR, 0x80);
    assert_int_equal(in8(f->b.ports, MSR), 0);
    settle(f);
    assert_int_equal(f->irq.rises, 1);
    assert_int_equal(in8(f->b.ports, MSR), 0x80);
}

static void no_interrupt_without_the_gate(void **state)
{
    struct fixture *f = *state;

    out8(f->b.ports, DOR, 0x14);
    SEND(f, 0x07, 0);
    settle(f);
    assert_int_equal(f->irq.rises, 0);
    out8(f->b.ports, DOR, 0x1c);
    assert_int_equal(f->irq.rises, 1);
}

static void seek_and_recalibrate(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    SEND(f, 0x0f, 0x04, 35);
    assert_int_equal(in8(f->b.ports, MSR), 0x81); /* drive 0 steps */
    settle(f);
    assert_int_equal(f->irq.rises, 1);
    assert_int_equal(in8(f->b.ports, MSR), 0x80);
    SEND(f, 0x08);
    assert_int_equal(result(f, r), 2);
    assert_int_equal(r[0], 0x24);
    assert_int_equal(r[1], 35);
    assert_false(f->irq.wire.level);
    SEND(f, 0x07, 0x00);
    settle(f);
    SEND(f, 0x08);
    assert_int_equal(result(f, r), 2);
    assert_int_equal(r[0], 0x20);
    assert_int_equal(r[1], 0);
    SEND(f, 0x07, 0x02); /* no such drive */
    settle(f);
    SEND(f, 0x08);
    result(f, r);
    assert_int_equal(r[0], 0x72);
}

static void disk_change_goes_with_a_step(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in8(f->b.ports, DIR), 0x80);
    SEND(f, 0x0f, 0, 1);
    settle(f);
    assert_int_equal(in8(f->b.ports, DIR), 0x00);
    assert_int_equal(fdc_change_disk(&f->fdc, 0, NULL), 0);
    assert_int_equal(in8(f->b.ports, DIR), 0x80);
    SEND(f, 0x0f, 0, 5);
    settle(f);
    assert_int_equal(in8(f->b.ports, DIR), 0x80); /* still no disk */
}

static void read_sectors_by_dma(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    program_dma(f, 3 * 512, 0x44);
    SEND(f, 0xe6, 0x00, 0, 0, 5, 2, 18, 0x1b, 0xff);
    assert_int_equal(in8(f->b.ports, MSR), 0x10);
    assert_int_equal(f->irq.rises, 0);
    settle(f);
    assert_int_equal(f->irq.rises, 1);
    assert_int_equal(result(f, r), 7);
    assert_memory_equal(r, ((uint8_t[]){0, 0, 0, 0, 0, 8, 2}), 7);
    assert_false(f->irq.wire.level);
    expect_sectors(f, 4, 3);
}

static void multi_track_goes_on_with_the_other_side(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    SEND(f, 0x0f, 0, 2);
    settle(f);
    SEND(f, 0x08);
    result(f, r);
    program_dma(f, 36 * 512, 0x44);
    SEND(f, 0xe6, 0x00, 2, 0, 1, 2, 18, 0x1b, 0xff);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_memory_equal(r, ((uint8_t[]){0x04, 0, 0, 3, 0, 1, 2}), 7);
    expect_sectors(f, 72, 36);
}

static void end_of_track_without_terminal_count(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    program_dma(f, 4 * 512, 0x44);
    SEND(f, 0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[0], 0x40);
    assert_int_equal(r[1], 0x80);
    expect_sectors(f, 16, 2);
}

static void write_sectors_by_dma(void **state)
{
    struct fixture *f = *state;
    uint8_t data[1024], back[1024], r[16];

    fill_pattern(data, sizeof(data), 77);
    space_write_buf(f->b.mem, BUFFER, data, sizeof(data));
    program_dma(f, 1024, 0x48);
    SEND(f, 0xc5, 0x04, 0, 1, 2, 2, 18, 0x1b, 0xff);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[0], 0x04);
    disk_read(&f->b, f->disk, (18 + 1) * 512, back, 1024);
    assert_memory_equal(back, data, 1024);
}

static void write_protected(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    f->disk->is_read_only = true;
    program_dma(f, 512, 0x48);
    SEND(f, 0xc5, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[0], 0x40);
    assert_int_equal(r[1], 0x02);
    SEND(f, 0x04, 0x00);
    assert_int_equal(result(f, r), 1);
    assert_int_equal(r[0], 0x78);
}

static void programmed_io_read(void **state)
{
    struct fixture *f = *state;
    uint8_t got[512], want[512], r[16];

    SEND(f, 0x03, 0xaf, 0x03);
    SEND(f, 0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    settle(f);
    assert_int_equal(f->irq.rises, 1);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(in8(f->b.ports, MSR), 0xf0);
        got[i] = in8(f->b.ports, FIFO);
    }
    settle(f);
    assert_int_equal(f->irq.rises, 2);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[1], 0x80); /* nobody gave terminal count */
    disk_read(&f->b, f->disk, 17 * 512, want, 512);
    assert_memory_equal(got, want, 512);
}

static void programmed_io_write(void **state)
{
    struct fixture *f = *state;
    uint8_t want[512], got[512], r[16];

    fill_pattern(want, 512, 5);
    SEND(f, 0x03, 0xaf, 0x03);
    SEND(f, 0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(in8(f->b.ports, MSR), 0xb0);
        out8(f->b.ports, FIFO, want[i]);
    }
    settle(f);
    assert_int_equal(result(f, r), 7);
    disk_read(&f->b, f->disk, 17 * 512, got, 512);
    assert_memory_equal(got, want, 512);
}

static void wrong_addresses(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    program_dma(f, 512, 0x44);
    SEND(f, 0x46, 0x00, 0, 0, 19, 2, 20, 0x1b, 0xff);
    settle(f);
    result(f, r);
    assert_int_equal(r[1], 0x04);
    SEND(f, 0x46, 0x00, 7, 0, 1, 2, 18, 0x1b, 0xff); /* the head is over cylinder 0 */
    settle(f);
    result(f, r);
    assert_int_equal(r[1], 0x04);
    assert_int_equal(r[2], 0x10);
    SEND(f, 0x46, 0x01, 0, 0, 1, 2, 18, 0x1b, 0xff); /* no drive 1 */
    settle(f);
    result(f, r);
    assert_int_equal(r[0], 0x41);
    assert_int_equal(r[1], 0x01);
}

static void other_data_rate_finds_no_address_mark(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    out8(f->b.ports, CCR, 2);
    SEND(f, 0x4a, 0x00);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[1], 0x01);
    out8(f->b.ports, CCR, 0);
    SEND(f, 0x4a, 0x04);
    assert_int_equal(in8(f->b.ports, MSR), 0x10);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_memory_equal(r, ((uint8_t[]){0x04, 0, 0, 0, 1, 1, 2}), 7);
}

static void format_fills_the_track(void **state)
{
    struct fixture *f = *state;
    uint8_t sector[512], want[512], r[16];

    for (unsigned i = 0; i < 18; i++)
        space_write(f->b.mem, BUFFER + 4 * i, 4, 0x02000000 | (i + 1) << 16 | 1 << 8);
    program_dma(f, 18 * 4, 0x48);
    SEND(f, 0x4d, 0x04, 2, 18, 0x54, 0xf6);
    for (unsigned i = 0; i < 20; i++)
        settle(f);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[0], 0x04);
    memset(want, 0xf6, 512);
    for (unsigned i = 18; i < 36; i++) {
        disk_read(&f->b, f->disk, i * 512, sector, 512);
        assert_memory_equal(sector, want, 512);
    }
}

static void scan_finds_the_sector(void **state)
{
    struct fixture *f = *state;
    uint8_t sector[512], r[16];

    disk_read(&f->b, f->disk, 2 * 512, sector, 512);
    for (unsigned i = 0; i < 3; i++)
        space_write_buf(f->b.mem, BUFFER + i * 512, sector, 512);
    program_dma(f, 3 * 512, 0x48);
    SEND(f, 0x51, 0x00, 0, 0, 1, 2, 18, 0x1b, 1);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[2], 0x08);
    assert_int_equal(r[5], 3);
}

static void verify_checks_the_range(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    SEND(f, 0x56, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[0], 0);
    SEND(f, 0x56, 0x00, 0, 0, 1, 2, 19, 0x1b, 0xff);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[0], 0x40);
}

static void linux_takes_it_for_a_82077(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    SEND(f, 0x0e);
    assert_int_equal(result(f, r), 10);
    SEND(f, 0x13, 0, 0x1a, 0);
    SEND(f, 0x0e);
    result(f, r);
    assert_int_equal(r[8], 0x1a);
    SEND(f, 0x14);
    assert_int_equal(result(f, r), 1);
    assert_int_equal(r[0], 0x00);
    SEND(f, 0x94);
    result(f, r);
    assert_int_equal(r[0], 0x10);
    SEND(f, 0x18); /* PART ID: a 82078's */
    assert_int_equal(result(f, r), 1);
    assert_int_equal(r[0], 0x80);
    SEND(f, 0x10);
    result(f, r);
    assert_int_equal(r[0], 0x90);
}

static void reset_while_a_request_is_under_way(void **state)
{
    struct fixture *f = *state;

    program_dma(f, 512, 0x44);
    SEND(f, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_false(fdc_is_idle(&f->fdc));
    out8(f->b.ports, DOR, 0x08);
    out8(f->b.ports, DOR, 0x1c);
    clock_advance(f->b.clock, MS);
    assert_int_equal(in8(f->b.ports, MSR), 0);
    assert_int_equal(f->irq.rises, 0);
    mailbox_run(f->b.mail);
    assert_int_equal(in8(f->b.ports, MSR), 0x80);
    assert_int_equal(f->irq.rises, 1);
    assert_int_equal(space_read(f->b.mem, BUFFER, 4), 0);
}

static void short_image_reads_zeros_at_its_end(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    f->disk->size_bytes = 512 + 100;
    space_write(f->b.mem, BUFFER + 600, 4, 0xffffffff);
    space_write(f->b.mem, BUFFER + 1030, 4, 0xffffffff);
    program_dma(f, 3 * 512, 0x44);
    SEND(f, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[0], 0);
    assert_int_equal(space_read(f->b.mem, BUFFER + 612, 4), 0);
    assert_int_equal(space_read(f->b.mem, BUFFER + 1030, 4), 0);
    f->disk->size_bytes = DISK_BYTES;
}

static void masked_dma_is_an_overrun(void **state)
{
    struct fixture *f = *state;
    uint8_t r[16];

    SEND(f, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    settle(f);
    assert_int_equal(result(f, r), 7);
    assert_int_equal(r[1], 0x10);
}

static void random_port_accesses_do_no_harm(void **state)
{
    struct fixture *f = *state;
    uint32_t x = 4711;

    for (unsigned i = 0; i < 200000; i++) {
        uint16_t port;

        x = x * 1664525 + 1013904223;
        port = x >> 28 < 12 ? FIFO : 0x3f0 + (x >> 8) % 6;
        if (x >> 20 & 3)
            out8(f->b.ports, port, x >> 12);
        else
            in8(f->b.ports, port);
        if (!(i & 31))
            settle(f);
    }
    settle(f);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(size_tells_the_format),
        TEST(cmos_types_and_wrong_sizes),
        TEST(reset_interrupts_once_and_tells_four_drives),
        TEST(software_reset_by_dsr),
        TEST(no_interrupt_without_the_gate),
        TEST(seek_and_recalibrate),
        TEST(disk_change_goes_with_a_step),
        TEST(read_sectors_by_dma),
        TEST(multi_track_goes_on_with_the_other_side),
        TEST(end_of_track_without_terminal_count),
        TEST(write_sectors_by_dma),
        TEST(write_protected),
        TEST(programmed_io_read),
        TEST(programmed_io_write),
        TEST(wrong_addresses),
        TEST(other_data_rate_finds_no_address_mark),
        TEST(format_fills_the_track),
        TEST(scan_finds_the_sector),
        TEST(verify_checks_the_range),
        TEST(linux_takes_it_for_a_82077),
        TEST(reset_while_a_request_is_under_way),
        TEST(short_image_reads_zeros_at_its_end),
        TEST(masked_dma_is_an_overrun),
        TEST(random_port_accesses_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
