/* The channel and the hard disk behind it (ide.c, ata.c). */
#include "tests/unit/ide_fixture.h"

#define LBA    0xe0 /* device register: drive 0, LBA */
#define CHS    0xa0
#define SLAVE  0xf0
#define TABLE  0x1000
#define BUFFER 0x20000

static uint8_t big[IDE_BUF_BYTES + 4096], back[IDE_BUF_BYTES + 4096];

static void absent_drives_read_zero(void **state)
{
    struct fixture *f = *state;

    f->ch.drive[1].ops = NULL;
    out8(f->b.ports, DEVICE, SLAVE);
    assert_int_equal(in8(f->b.ports, COMMAND), 0);
    out8(f->b.ports, COUNT, 0x55);
    assert_int_equal(in8(f->b.ports, COUNT), 0);
    out8(f->b.ports, COMMAND, 0xec);
    assert_int_equal(f->irq.rises, 0);
}

static void srst_shows_bsy_then_signatures(void **state)
{
    struct fixture *f = *state;

    out8(f->b.ports, DEVICE, SLAVE);
    out8(f->b.ports, CONTROL, 0x04);
    assert_int_equal(alt_status(f), BSY);
    out8(f->b.ports, CONTROL, 0x00);
    assert_int_equal(alt_status(f), BSY);
    clock_advance(f->b.clock, MS);
    assert_int_equal(alt_status(f), DRDY | DSC);
    assert_int_equal(in8(f->b.ports, FEATURE), 1);
    assert_int_equal(in8(f->b.ports, COUNT), 1);
    assert_int_equal(in8(f->b.ports, LBA_LOW), 1);
    assert_int_equal(in8(f->b.ports, LBA_MID), 0);
    assert_int_equal(in8(f->b.ports, DEVICE) & 0x10, 0);
    out8(f->b.ports, DEVICE, SLAVE);
    assert_int_equal(alt_status(f), 0);
    assert_int_equal(in8(f->b.ports, LBA_MID), 0x14);
    assert_int_equal(in8(f->b.ports, LBA_HIGH), 0xeb);
}

static void identify_names_the_disk(void **state)
{
    struct fixture *f = *state;
    uint8_t id[512];

    command(f, LBA, 0xec, 0, 0);
    assert_int_equal(f->irq.rises, 1);
    assert_true(in8(f->b.ports, COMMAND) & DRQ);
    assert_int_equal(f->irq.falls, 1);
    pio_read(f, id, 512);
    assert_int_equal(alt_status(f), DRDY | DSC);
    assert_memory_equal(id + 54, "IRGNREH RADDSI K", 16);
    assert_int_equal(load_le(id + 120, 4), DISK_SECTORS);
    assert_int_equal(load_le(id + 200, 8), DISK_SECTORS);
    assert_int_equal(load_le(id + 2, 2), DISK_SECTORS / (16 * 63));
}

static void nien_holds_the_line(void **state)
{
    struct fixture *f = *state;

    out8(f->b.ports, CONTROL, 0x02);
    command(f, LBA, 0xec, 0, 0);
    assert_int_equal(f->irq.rises, 0);
    out8(f->b.ports, CONTROL, 0x00);
    assert_int_equal(f->irq.rises, 1);
}

static void pio_read_interrupts_for_each_sector(void **state)
{
    struct fixture *f = *state;

    fill_pattern(big, 3 * 512, 9);
    disk_write(&f->b, f->disk, 100 * 512, big, 3 * 512);
    command(f, LBA, 0x20, 100, 3);
    assert_int_equal(alt_status(f), BSY);
    assert_int_equal(f->irq.rises, 0);
    mailbox_run(f->b.mail);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(f->irq.rises, i + 1);
        assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC | DRQ);
        pio_read(f, back + i * 512, 512);
    }
    assert_int_equal(f->irq.rises, 3);
    assert_int_equal(alt_status(f), DRDY | DSC);
    assert_memory_equal(back, big, 3 * 512);
    assert_int_equal(in8(f->b.ports, LBA_LOW), 102);
}

static void pio_read_longer_than_the_buffer(void **state)
{
    struct fixture *f = *state;
    uint32_t lba = 300;

    fill_pattern(big, sizeof(big), 1);
    disk_write(&f->b, f->disk, lba * 512, big, sizeof(big));
    /* READ SECTORS EXT, 260 sectors, in dwords */
    out8(f->b.ports, DEVICE, LBA);
    out8(f->b.ports, COUNT, 260 >> 8);
    out8(f->b.ports, COUNT, 260 & 0xff);
    out8(f->b.ports, LBA_LOW, 0);
    out8(f->b.ports, LBA_LOW, lba);
    out8(f->b.ports, LBA_MID, 0);
    out8(f->b.ports, LBA_MID, lba >> 8);
    out8(f->b.ports, LBA_HIGH, 0);
    out8(f->b.ports, LBA_HIGH, 0);
    out8(f->b.ports, COMMAND, 0x24);
    for (unsigned i = 0; i < 260 * 128; i++) {
        run_mail(f);
        store_le(back + 4 * i, 4, space_read(f->b.ports, DATA, 4));
    }
    assert_int_equal(alt_status(f), DRDY | DSC);
    assert_memory_equal(back, big, 260 * 512);
}

static void pio_write_reaches_the_disk(void **state)
{
    struct fixture *f = *state;

    fill_pattern(big, 2 * 512, 5);
    command(f, LBA, 0x30, 7, 2);
    assert_int_equal(alt_status(f), DRDY | DSC | DRQ);
    assert_int_equal(f->irq.rises, 0); /* none before the first block */
    pio_write(f, big, 512);
    assert_int_equal(f->irq.rises, 1);
    pio_write(f, big + 512, 512);
    assert_int_equal(alt_status(f), BSY);
    mailbox_run(f->b.mail);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC);
    disk_read(&f->b, f->disk, 7 * 512, back, 1024);
    assert_memory_equal(back, big, 1024);
}

static void multiple_moves_blocks(void **state)
{
    struct fixture *f = *state;

    command(f, LBA, 0xc4, 0, 4); /* not set: aborts */
    assert_int_equal(in8(f->b.ports, COMMAND) & ERR, ERR);
    command(f, LBA, 0xc6, 0, 3); /* no power of two */
    assert_int_equal(in8(f->b.ports, COMMAND) & ERR, ERR);
    command(f, LBA, 0xc6, 0, 4);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC);
    fill_pattern(big, 6 * 512, 2);
    disk_write(&f->b, f->disk, 0, big, 6 * 512);
    f->irq.rises = 0;
    command(f, LBA, 0xc4, 0, 6);
    mailbox_run(f->b.mail);
    in8(f->b.ports, COMMAND);
    pio_read(f, back, 4 * 512);
    assert_int_equal(f->irq.rises, 2);
    in8(f->b.ports, COMMAND);
    pio_read(f, back + 4 * 512, 2 * 512);
    assert_int_equal(f->irq.rises, 2);
    assert_memory_equal(back, big, 6 * 512);
}

static void chs_follows_the_translation(void **state)
{
    struct fixture *f = *state;
    uint8_t sector[512];

    command(f, CHS | 3, 0x91, 0, 17); /* 4 heads, 17 sectors */
    memset(sector, 0xc5, 512);
    disk_write(&f->b, f->disk, ((2 * 4 + 1) * 17 + 4) * 512, sector, 512); /* C 2, H 1, S 5 */
    command(f, CHS | 1, 0x20, 2 << 8 | 5, 1);
    mailbox_run(f->b.mail);
    pio_read(f, back, 512);
    assert_memory_equal(back, sector, 512);
    assert_int_equal(in8(f->b.ports, LBA_LOW), 5);
    assert_int_equal(in8(f->b.ports, DEVICE) & 0x0f, 1);
    command(f, CHS | 1, 0x20, 2 << 8 | 0, 1); /* sectors count from 1 */
    assert_int_equal(in8(f->b.ports, COMMAND) & ERR, ERR);
    assert_int_equal(in8(f->b.ports, FEATURE), 0x10);
}

static void beyond_the_end_is_id_not_found(void **state)
{
    struct fixture *f = *state;

    command(f, LBA, 0x20, DISK_SECTORS - 1, 2);
    assert_int_equal(in8(f->b.ports, COMMAND) & (ERR | DRQ | BSY), ERR);
    assert_int_equal(in8(f->b.ports, FEATURE), 0x10);
    command(f, LBA, 0x40, DISK_SECTORS - 1, 1);
    assert_int_equal(in8(f->b.ports, COMMAND) & ERR, 0);
}

static void unknown_commands_abort(void **state)
{
    struct fixture *f = *state;

    for (unsigned cmd = 0; cmd < 256; cmd++) {
        if (cmd != 0x00 && cmd != 0xa1 && cmd != 0xb0 && cmd != 0xff)
            continue;
        command(f, LBA, cmd, 0, 0);
        assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC | ERR);
        assert_int_equal(in8(f->b.ports, FEATURE), 0x04);
    }
}

static void dma_read_scatters_by_the_table(void **state)
{
    struct fixture *f = *state;

    fill_pattern(big, 8 * 512, 3);
    disk_write(&f->b, f->disk, 50 * 512, big, 8 * 512);
    put_prd(f, TABLE, BUFFER, 1000, false);
    put_prd(f, TABLE + 8, 0x40000, 8 * 512 - 1000, true);
    command(f, LBA, 0xc8, 50, 8);
    start_bus_master(f, TABLE, true);
    assert_int_equal(in8(f->b.ports, BM_STATUS) & 5, 1);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, BM_STATUS) & 7, 4); /* interrupt, not active */
    assert_int_equal(f->irq.rises, 1);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC);
    space_read_buf(f->b.mem, BUFFER, back, 1000);
    space_read_buf(f->b.mem, 0x40000, back + 1000, 8 * 512 - 1000);
    assert_memory_equal(back, big, 8 * 512);
    out8(f->b.ports, BM_STATUS, 0x04);
    assert_int_equal(in8(f->b.ports, BM_STATUS) & 4, 0);
}

static void dma_write_gathers(void **state)
{
    struct fixture *f = *state;

    fill_pattern(big, 4 * 512, 4);
    space_write_buf(f->b.mem, BUFFER, big, 4 * 512);
    put_prd(f, TABLE, BUFFER, 512, false);
    put_prd(f, TABLE + 8, BUFFER + 512, 3 * 512, true);
    start_bus_master(f, TABLE, false); /* before the command: allowed too */
    command(f, LBA, 0xca, 60, 4);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC);
    disk_read(&f->b, f->disk, 60 * 512, back, 4 * 512);
    assert_memory_equal(back, big, 4 * 512);
}

static void dma_longer_than_the_buffer(void **state)
{
    struct fixture *f = *state;

    fill_pattern(big, sizeof(big), 8);
    disk_write(&f->b, f->disk, 1000 * 512, big, sizeof(big));
    for (unsigned i = 0; i < 3; i++)
        put_prd(f, TABLE + 8 * i, MIB(1) + i * 0x10000, i == 2 ? 4096 : 0 /* 64 KiB */, i == 2);
    out8(f->b.ports, DEVICE, LBA);
    out8(f->b.ports, COUNT, 264 >> 8);
    out8(f->b.ports, LBA_LOW, 0);
    out8(f->b.ports, LBA_MID, 0);
    out8(f->b.ports, LBA_HIGH, 0);
    command(f, LBA, 0x25, 1000, 264 & 0xff);
    start_bus_master(f, TABLE, true);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, BM_STATUS) & 7, 4);
    space_read_buf(f->b.mem, MIB(1), back, 264 * 512);
    assert_memory_equal(back, big, 264 * 512);
}

static void short_table_leaves_the_drive_waiting(void **state)
{
    struct fixture *f = *state;

    put_prd(f, TABLE, BUFFER, 512, true);
    command(f, LBA, 0xc8, 0, 2);
    start_bus_master(f, TABLE, true);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, BM_STATUS) & 7, 0);
    assert_true(alt_status(f) & DRQ);
    assert_int_equal(f->irq.rises, 0);
    /* SRST gets it out of there. */
    out8(f->b.ports, CONTROL, 4);
    out8(f->b.ports, CONTROL, 0);
    clock_advance(f->b.clock, MS);
    assert_int_equal(alt_status(f), DRDY | DSC);
}

static void long_table_interrupts_while_active(void **state)
{
    struct fixture *f = *state;

    put_prd(f, TABLE, BUFFER, 4096, true);
    command(f, LBA, 0xc8, 0, 1);
    start_bus_master(f, TABLE, true);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, BM_STATUS) & 7, 5);
    out8(f->b.ports, BM_COMMAND, 0);
    assert_int_equal(in8(f->b.ports, BM_STATUS) & 7, 4);
}

static void endless_table_of_tiny_regions_ends_with_the_data(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 0x10000; i += 8)
        put_prd(f, 0x10000 + i, 0xf0000000, 2, false); /* nobody lives there */
    command(f, LBA, 0xc8, 0, 0); /* 256 sectors: 65536 regions, the table wraps */
    start_bus_master(f, 0x10000, true);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC);
}

static void stopping_the_bus_master_stalls_the_drive(void **state)
{
    struct fixture *f = *state;

    memset(big, 0x77, 512);
    disk_write(&f->b, f->disk, 0, big, 512);
    put_prd(f, TABLE, BUFFER, 512, true);
    command(f, LBA, 0xc8, 0, 1);
    start_bus_master(f, TABLE, true);
    out8(f->b.ports, BM_COMMAND, 8);
    run_mail(f);
    assert_int_equal(f->irq.rises, 0);
    assert_int_equal(space_read(f->b.mem, BUFFER, 1), 0);
    start_bus_master(f, TABLE, true);
    run_mail(f);
    assert_int_equal(f->irq.rises, 1);
    assert_int_equal(space_read(f->b.mem, BUFFER, 1), 0x77);
}

static void reset_during_a_request_drops_its_result(void **state)
{
    struct fixture *f = *state;

    command(f, LBA, 0x20, 0, 1);
    out8(f->b.ports, CONTROL, 4);
    out8(f->b.ports, CONTROL, 0);
    clock_advance(f->b.clock, MS);
    assert_int_equal(alt_status(f), BSY);
    assert_false(ide_is_idle(&f->ch));
    run_mail(f);
    assert_int_equal(alt_status(f), DRDY | DSC);
    assert_int_equal(f->irq.rises, 0);
    assert_true(ide_is_idle(&f->ch));
    command(f, LBA, 0x20, 0, 1);
    f->ch.dev.ops->reset(&f->ch.dev); /* the machine is reset */
    assert_int_equal(alt_status(f), BSY);
    run_mail(f);
    assert_int_equal(alt_status(f), DRDY | DSC);
}

static void commands_while_busy_are_ignored(void **state)
{
    struct fixture *f = *state;

    command(f, LBA, 0x20, 0, 1);
    out8(f->b.ports, COMMAND, 0xec);
    out8(f->b.ports, DEVICE, SLAVE);
    out8(f->b.ports, COMMAND, 0xa1);
    out8(f->b.ports, COMMAND, 0x08); /* DEVICE RESET of the other drive waits */
    assert_int_equal(alt_status(f), BSY);
    run_mail(f);
    assert_int_equal(alt_status(f), 0);
    out8(f->b.ports, DEVICE, LBA);
    assert_int_equal(alt_status(f), DRDY | DSC | DRQ);
}

struct late_error {
    block_done_fn *done;
    void *opaque;
};

static void deliver_error(void *opaque)
{
    struct late_error *e = opaque;

    e->done(e->opaque, -5 /* EIO */);
}

static void bad_read(void *opaque, uint64_t offset, void *buf, uint32_t len, block_done_fn *done, void *o)
{
    static struct late_error e;

    e = (struct late_error){done, o};
    mailbox_post(opaque, deliver_error, &e);
}

static void unreadable_sector_is_uncorrectable(void **state)
{
    static const struct block_ops bad_ops = {.name = "bad", .read = bad_read};
    struct fixture *f = *state;
    struct block bad = {.ops = &bad_ops, .opaque = f->b.mail, .size_bytes = MIB(1)};

    f->ch.drive[0].block = &bad;
    command(f, LBA, 0x20, 1234, 1);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC | ERR);
    assert_int_equal(in8(f->b.ports, FEATURE), 0x40);
    assert_int_equal(in8(f->b.ports, LBA_LOW) | in8(f->b.ports, LBA_MID) << 8, 1234);
}

static void read_only_disk_aborts_writes(void **state)
{
    struct fixture *f = *state;

    f->disk->is_read_only = true;
    command(f, LBA, 0x30, 0, 1);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC | ERR);
}

static void hob_reads_the_older_bytes(void **state)
{
    struct fixture *f = *state;

    out8(f->b.ports, COUNT, 0x12);
    out8(f->b.ports, COUNT, 0x34);
    assert_int_equal(in8(f->b.ports, COUNT), 0x34);
    out8(f->b.ports, CONTROL, 0x80);
    assert_int_equal(in8(f->b.ports, COUNT), 0x12);
    out8(f->b.ports, LBA_LOW, 0);
    assert_int_equal(in8(f->b.ports, COUNT), 0x34);
}

static void flush_and_small_commands_complete(void **state)
{
    struct fixture *f = *state;

    command(f, LBA, 0xe7, 0, 0);
    assert_int_equal(alt_status(f), BSY);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC);
    command(f, LBA, 0xf8, 0, 0);
    assert_int_equal(in8(f->b.ports, LBA_LOW) | in8(f->b.ports, LBA_MID) << 8, DISK_SECTORS - 1);
    command(f, LBA, 0xe5, 0, 0);
    assert_int_equal(in8(f->b.ports, COUNT), 0xff);
    command(f, LBA, 0xe0, 0, 0);
    command(f, LBA, 0xe5, 0, 0);
    assert_int_equal(in8(f->b.ports, COUNT), 0x00);
}

static void selected_transfer_mode_shows_in_identify(void **state)
{
    struct fixture *f = *state;
    uint8_t id[512];

    out8(f->b.ports, FEATURE, 0x03);
    command(f, LBA, 0xef, 0, 0x45); /* Ultra DMA mode 5 */
    assert_int_equal(in8(f->b.ports, COMMAND) & ERR, 0);
    command(f, LBA, 0xec, 0, 0);
    pio_read(f, id, 512);
    assert_int_equal(load_le(id + 2 * 88, 2), 0x203f);
    assert_int_equal(load_le(id + 2 * 63, 2), 0x0007);
    out8(f->b.ports, FEATURE, 0x03);
    command(f, LBA, 0xef, 0, 0x47);
    assert_int_equal(in8(f->b.ports, COMMAND) & ERR, ERR);
}

static void random_port_accesses_do_no_harm(void **state)
{
    struct fixture *f = *state;
    uint32_t x = 12345;

    for (unsigned i = 0; i < 200000; i++) {
        uint16_t port;

        x = x * 1664525 + 1013904223;
        port = x >> 28 < 12 ? 0x1f0 + (x >> 8) % 8 : x >> 28 < 14 ? 0x3f6 : 0xc000 + (x >> 8) % 8;
        if (x >> 20 & 1)
            space_write(f->b.ports, port, 1 << (x >> 21 & 1), x >> 12 & 0xff);
        else
            space_read(f->b.ports, port, 1 << (x >> 21) % 3);
        if (!(i & 7))
            mailbox_run(f->b.mail);
        if (!(i & 15))
            clock_advance(f->b.clock, 10 * US);
    }
    run_mail(f);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, ide_setup, ide_teardown)
    const struct CMUnitTest tests[] = {
        TEST(absent_drives_read_zero),
        TEST(srst_shows_bsy_then_signatures),
        TEST(identify_names_the_disk),
        TEST(nien_holds_the_line),
        TEST(pio_read_interrupts_for_each_sector),
        TEST(pio_read_longer_than_the_buffer),
        TEST(pio_write_reaches_the_disk),
        TEST(multiple_moves_blocks),
        TEST(chs_follows_the_translation),
        TEST(beyond_the_end_is_id_not_found),
        TEST(unknown_commands_abort),
        TEST(dma_read_scatters_by_the_table),
        TEST(dma_write_gathers),
        TEST(dma_longer_than_the_buffer),
        TEST(short_table_leaves_the_drive_waiting),
        TEST(long_table_interrupts_while_active),
        TEST(endless_table_of_tiny_regions_ends_with_the_data),
        TEST(stopping_the_bus_master_stalls_the_drive),
        TEST(reset_during_a_request_drops_its_result),
        TEST(commands_while_busy_are_ignored),
        TEST(unreadable_sector_is_uncorrectable),
        TEST(read_only_disk_aborts_writes),
        TEST(hob_reads_the_older_bytes),
        TEST(flush_and_small_commands_complete),
        TEST(selected_transfer_mode_shows_in_identify),
        TEST(random_port_accesses_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
