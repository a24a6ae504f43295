#include "tests/unit/ide_fixture.h"

#define TABLE  0x1000
#define BUFFER 0x20000
#define CD     0xb0

static uint8_t data[64 * 2048], back[DISC_BLOCKS * 2352 + 2];

static void write_packet(struct fixture *f, const uint8_t *cdb, unsigned limit, bool uses_dma)
{
    out8(f->b.ports, DEVICE, CD);
    out8(f->b.ports, FEATURE, uses_dma);
    out8(f->b.ports, LBA_MID, limit);
    out8(f->b.ports, LBA_HIGH, limit >> 8);
    out8(f->b.ports, COMMAND, 0xa0);
    assert_int_equal(alt_status(f) & (BSY | DRQ), DRQ);
    assert_int_equal(in8(f->b.ports, COUNT), 1); /* C/D */
    pio_write(f, cdb, 12);
    run_mail(f);
}

/* Run a packet; its data go to back.  The length, or minus the sense key. */
static int packet(struct fixture *f, const uint8_t *cdb, unsigned limit)
{
    int len = 0;

    write_packet(f, cdb, limit, false);
    for (unsigned round = 0; round < 1000; round++) {
        uint8_t status = in8(f->b.ports, COMMAND);
        unsigned n = in8(f->b.ports, LBA_MID) | in8(f->b.ports, LBA_HIGH) << 8;

        if (status & ERR)
            return -(in8(f->b.ports, FEATURE) >> 4);
        if (!(status & DRQ))
            break;
        assert_int_equal(in8(f->b.ports, COUNT), 2); /* I/O: data to the host */
        assert_true(n <= limit);
        pio_read(f, back + len, n);
        len += n;
        run_mail(f);
    }
    assert_int_equal(in8(f->b.ports, COUNT), 3);
    return len;
}

#define PACKET(f, limit, ...) packet(f, (const uint8_t[12]){__VA_ARGS__}, limit)

/* Key, code, qualifier in one number. */
static unsigned sense(struct fixture *f)
{
    assert_int_equal(PACKET(f, 18, 0x03, 0, 0, 0, 18), 18);
    return (back[2] & 15) << 16 | back[12] << 8 | back[13];
}

static int atapi_setup(void **state)
{
    struct fixture *f;

    ide_setup(state);
    f = *state;
    fill_pattern(data, sizeof(data), 11);
    disk_write(&f->b, f->disc, 16 * 2048, data, sizeof(data));
    f->ch.drive[1].s.attention_asc = 0; /* power-on told already */
    return 0;
}

static void power_on_is_told_once(void **state)
{
    struct fixture *f = *state;

    f->ch.dev.ops->reset(&f->ch.dev);
    assert_true(PACKET(f, 36, 0x12, 0, 0, 0, 36) == 36); /* INQUIRY is answered anyway */
    assert_int_equal(PACKET(f, 18, 0x00), -6);
    assert_int_equal(sense(f), 0x062900);
    assert_int_equal(PACKET(f, 18, 0x00), 0);
    assert_int_equal(sense(f), 0);
}

static void identify_packet_device_and_signature(void **state)
{
    struct fixture *f = *state;
    uint8_t id[512];

    command(f, CD, 0xec, 0, 0);
    assert_int_equal(in8(f->b.ports, COMMAND) & ERR, ERR);
    assert_int_equal(in8(f->b.ports, LBA_MID), 0x14);
    assert_int_equal(in8(f->b.ports, LBA_HIGH), 0xeb);
    command(f, CD, 0xa1, 0, 0);
    pio_read(f, id, 512);
    assert_int_equal(load_le(id, 2), 0x85c0);
    assert_memory_equal(id + 54, "IRGNREC -DOR M", 14);
}

static void read_10_by_pio(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 2048, 0x28, 0, 0, 0, 0, 16, 0, 0, 3), 3 * 2048);
    assert_memory_equal(back, data, 3 * 2048);
}

static void read_12_by_pio_with_an_odd_limit(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 1001, 0xa8, 0, 0, 0, 0, 16, 0, 0, 0, 2), 2 * 2048);
    assert_memory_equal(back, data, 2 * 2048);
    assert_int_equal(PACKET(f, 1, 0xa8, 0, 0, 0, 0, 16, 0, 0, 0, 0), 0); /* nothing asked for */
}

static void read_longer_than_the_buffer(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 0xfffe, 0x28, 0, 0, 0, 0, 14, 0, 0, 68), 68 * 2048);
    assert_memory_equal(back + 2 * 2048, data, sizeof(data));
}

static void read_by_dma(void **state)
{
    struct fixture *f = *state;
    const uint8_t cdb[12] = {0x28, 0, 0, 0, 0, 16, 0, 0, 4};

    put_prd(f, TABLE, BUFFER, 4 * 2048, true);
    write_packet(f, cdb, 0, true);
    assert_int_equal(f->irq.rises, 0);
    start_bus_master(f, TABLE, true);
    run_mail(f);
    assert_int_equal(in8(f->b.ports, BM_STATUS) & 7, 4);
    assert_int_equal(in8(f->b.ports, COMMAND), DRDY | DSC);
    space_read_buf(f->b.mem, BUFFER, back, 4 * 2048);
    assert_memory_equal(back, data, 4 * 2048);
}

static void read_cd_raw_frames(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 2352, 0xbe, 0, 0, 0, 0, 16, 0, 0, 2, 0xf8), 2 * 2352);
    assert_int_equal(back[0], 0);
    assert_int_equal(back[1], 0xff);
    assert_int_equal(back[2352 + 12], 0x00);
    assert_int_equal(back[2352 + 13], 0x02); /* 00:02:17 is block 17 */
    assert_int_equal(back[2352 + 14], 0x17);
    assert_memory_equal(back + 16, data, 2048);
    assert_memory_equal(back + 2352 + 16, data + 2048, 2048);
    assert_int_equal(PACKET(f, 2048, 0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0x10), 2048);
    assert_int_equal(PACKET(f, 2048, 0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0x50), -5);
}

static void beyond_the_end_is_out_of_range(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 2048, 0x28, 0, 0, 0, DISC_BLOCKS >> 8, DISC_BLOCKS & 255, 0, 0, 1), -5);
    assert_int_equal(sense(f), 0x052100);
    assert_int_equal(PACKET(f, 2048, 0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff), -5);
}

static void capacity_and_toc(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 8, 0x25), 8);
    assert_int_equal(back[2] << 8 | back[3], DISC_BLOCKS - 1);
    assert_int_equal(back[6] << 8 | back[7], 2048);
    assert_int_equal(PACKET(f, 255, 0x43, 0, 0, 0, 0, 0, 0, 0, 255), 20);
    assert_int_equal(back[1], 18);
    assert_int_equal(back[6], 1);
    assert_int_equal(back[14], 0xaa);
    assert_int_equal(back[18] << 8 | back[19], DISC_BLOCKS);
    assert_int_equal(PACKET(f, 255, 0x43, 2, 0, 0, 0, 0, 0xaa, 0, 255), 12); /* MSF: 550 frames */
    assert_int_equal(back[9], 0);
    assert_int_equal(back[10], 7);
    assert_int_equal(back[11], 25);
    assert_int_equal(PACKET(f, 255, 0x43, 0, 1, 0, 0, 0, 0, 0, 255), 12);
    assert_int_equal(PACKET(f, 255, 0x43, 0, 2, 0, 0, 0, 0, 0, 255), 48);
    assert_int_equal(PACKET(f, 255, 0x43, 0, 0, 0, 0, 0, 0, 0, 4), 4); /* allocation length */
    assert_int_equal(PACKET(f, 255, 0x43, 0, 0, 0, 0, 0, 7, 0, 255), -5);
}

static void mode_sense_pages(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 255, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128), 28);
    assert_int_equal(back[1], 26);
    assert_int_equal(back[8], 0x2a);
    assert_int_equal(PACKET(f, 255, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255), 8 + 8 + 8 + 16 + 20);
    assert_int_equal(PACKET(f, 255, 0x1a, 0, 0x01, 0, 255), 12);
    assert_int_equal(PACKET(f, 255, 0x5a, 0, 0xea, 0, 0, 0, 0, 0, 128), -5); /* saved values */
    assert_int_equal(sense(f), 0x053900);
    assert_int_equal(PACKET(f, 255, 0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128), -5);
    assert_int_equal(sense(f), 0x052400);
}

static void configuration_has_the_cd_profile(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 255, 0x46, 0, 0, 0, 0, 0, 0, 0, 255), 8 + 12 + 8 + 8 + 12 + 8);
    assert_int_equal(back[7], 0x08);
    assert_int_equal(PACKET(f, 255, 0x46, 2, 0, 0x1e, 0, 0, 0, 0, 255), 8 + 8);
}

static void eject_lock_and_events(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    assert_int_equal(back[4], 0);
    assert_int_equal(back[5], 2);
    assert_int_equal(PACKET(f, 8, 0x1e, 0, 0, 0, 1), 0);
    assert_int_equal(PACKET(f, 8, 0x1b, 0, 0, 0, 2), -5);
    assert_int_equal(sense(f), 0x055302);
    assert_int_equal(PACKET(f, 8, 0x1e, 0, 0, 0, 0), 0);
    assert_int_equal(PACKET(f, 8, 0x1b, 0, 0, 0, 2), 0);
    assert_int_equal(PACKET(f, 8, 0x00), -2);
    assert_int_equal(sense(f), 0x023a02);
    assert_int_equal(PACKET(f, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    assert_int_equal(back[4], 3);
    assert_int_equal(back[5], 1);
    assert_int_equal(PACKET(f, 8, 0x1b, 0, 0, 0, 3), 0);
    assert_int_equal(PACKET(f, 8, 0x00), -6);
    assert_int_equal(sense(f), 0x062800);
}

static void changed_disc_raises_attention(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ide_change_disc(&f->ch, 0, NULL), -19 /* ENODEV */);
    assert_int_equal(ide_change_disc(&f->ch, 1, NULL), 0);
    assert_int_equal(PACKET(f, 8, 0x25), -6);
    assert_int_equal(PACKET(f, 8, 0x25), -2);
    assert_int_equal(sense(f), 0x023a01);
}

static void disc_changed_half_way_fails_the_read(void **state)
{
    struct fixture *f = *state;
    const uint8_t cdb[12] = {0x28, 0, 0, 0, 0, 0, 0, 0, 100};

    write_packet(f, cdb, 0xfffe, false);
    assert_int_equal(ide_change_disc(&f->ch, 1, NULL), 0);
    for (unsigned i = 0; i < 200000 && !(alt_status(f) & ERR); i++)
        space_read(f->b.ports, DATA, 2);
    assert_true(alt_status(f) & ERR);
}

static void unknown_packets_are_illegal(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PACKET(f, 8, 0xff), -5);
    assert_int_equal(sense(f), 0x052000);
    assert_int_equal(PACKET(f, 8, 0x4b), -5); /* nothing to pause */
    assert_int_equal(PACKET(f, 64, 0x51, 0, 0, 0, 0, 0, 0, 0, 64), 34);
    assert_int_equal(PACKET(f, 64, 0xbd, 0, 0, 0, 0, 0, 0, 0, 64), 8);
}

static void device_reset_works_while_busy(void **state)
{
    struct fixture *f = *state;
    const uint8_t cdb[12] = {0x28, 0, 0, 0, 0, 16, 0, 0, 1};

    out8(f->b.ports, DEVICE, CD);
    out8(f->b.ports, COMMAND, 0xa0);
    pio_write(f, cdb, 12);
    assert_int_equal(alt_status(f), BSY);
    out8(f->b.ports, COMMAND, 0x08);
    assert_int_equal(alt_status(f), BSY);
    run_mail(f);
    assert_int_equal(alt_status(f), 0);
    assert_int_equal(in8(f->b.ports, LBA_MID), 0x14);
}

static void every_packet_with_odd_arguments_ends(void **state)
{
    struct fixture *f = *state;
    uint32_t x = 99;

    for (unsigned i = 0; i < 3000; i++) {
        uint8_t cdb[12];

        for (unsigned k = 0; k < 12; k++) {
            x = x * 1664525 + 1013904223;
            cdb[k] = x >> 24;
        }
        cdb[0] = i;
        if (cdb[0] == 0x28 || cdb[0] == 0xa8 || cdb[0] == 0xbe)
            memset(cdb + 2, 0, 6);
        packet(f, cdb, 0x7fe);
    }
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, atapi_setup, ide_teardown)
    const struct CMUnitTest tests[] = {
        TEST(power_on_is_told_once),
        TEST(identify_packet_device_and_signature),
        TEST(read_10_by_pio),
        TEST(read_12_by_pio_with_an_odd_limit),
        TEST(read_longer_than_the_buffer),
        TEST(read_by_dma),
        TEST(read_cd_raw_frames),
        TEST(beyond_the_end_is_out_of_range),
        TEST(capacity_and_toc),
        TEST(mode_sense_pages),
        TEST(configuration_has_the_cd_profile),
        TEST(eject_lock_and_events),
        TEST(changed_disc_raises_attention),
        TEST(disc_changed_half_way_fails_the_read),
        TEST(unknown_packets_are_illegal),
        TEST(device_reset_works_while_busy),
        TEST(every_packet_with_odd_arguments_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
