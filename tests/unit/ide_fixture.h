/* One IDE channel at 1F0h with a disk and a CD-ROM drive, bus master at C000h. */
#ifndef TESTS_UNIT_IDE_FIXTURE_H
#define TESTS_UNIT_IDE_FIXTURE_H

#include "tests/unit/board_fixture.h"
#include "devices/ide.h"

enum { DATA = 0x1f0, FEATURE, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, COMMAND, CONTROL = 0x3f6 };
enum { BM_COMMAND = 0xc000, BM_STATUS = 0xc002, BM_TABLE = 0xc004 };
enum { BSY = 0x80, DRDY = 0x40, DSC = 0x10, DRQ = 0x08, ERR = 0x01 };

#define DISK_SECTORS 20000u
#define DISC_BLOCKS  400u

struct fixture {
    struct board b;
    struct ide_channel ch;
    struct recorder irq;
    struct block *disk, *disc;
};

static inline int ide_setup(void **state)
{
    static struct fixture f;
    struct ide_config cfg;

    memset(&f, 0, sizeof(f));
    board_init(&f.b);
    recorder_init(&f.irq);
    cfg = (struct ide_config){.mem = f.b.mem,
                              .ports = f.b.ports,
                              .clock = f.b.clock,
                              .irq = &f.irq.wire,
                              .command_base = 0x1f0,
                              .control_port = 0x3f6};
    assert_int_equal(ide_init(&f.ch, &cfg), 0);
    assert_int_equal(space_map_io(f.b.ports, 0xc000, 8, &ide_bus_master_io, &f.ch), 0);
    f.disk = block_create_memory(DISK_SECTORS * 512ull, f.b.mail);
    f.disc = block_create_memory(DISC_BLOCKS * 2048ull, f.b.mail);
    ide_attach_disk(&f.ch, 0, f.disk, "RN0001");
    ide_attach_cdrom(&f.ch, 1, f.disc, "RN0002");
    *state = &f;
    return 0;
}

static inline int ide_teardown(void **state)
{
    struct fixture *f = *state;

    timer_disarm(&f->ch.reset_timer);
    block_close(f->disk);
    block_close(f->disc);
    board_free(&f->b);
    return 0;
}

static inline uint8_t alt_status(struct fixture *f)
{
    return in8(f->b.ports, CONTROL);
}

/* LBA28 task file and command. */
static inline void command(struct fixture *f, uint8_t device, uint8_t cmd, uint32_t lba, uint8_t count)
{
    out8(f->b.ports, DEVICE, device | (lba >> 24 & 0x0f));
    out8(f->b.ports, COUNT, count);
    out8(f->b.ports, LBA_LOW, lba);
    out8(f->b.ports, LBA_MID, lba >> 8);
    out8(f->b.ports, LBA_HIGH, lba >> 16);
    out8(f->b.ports, COMMAND, cmd);
}

static inline void pio_read(struct fixture *f, void *buf, unsigned len)
{
    for (unsigned i = 0; i < len; i += 2)
        store_le((uint8_t *)buf + i, 2, space_read(f->b.ports, DATA, 2));
}

static inline void pio_write(struct fixture *f, const void *buf, unsigned len)
{
    for (unsigned i = 0; i < len; i += 2)
        space_write(f->b.ports, DATA, 2, load_le((const uint8_t *)buf + i, 2));
}

/* Physical region descriptors at gpa. */
static inline void put_prd(struct fixture *f, uint32_t gpa, uint32_t addr, uint32_t len, bool is_last)
{
    space_write(f->b.mem, gpa, 4, addr);
    space_write(f->b.mem, gpa + 4, 4, (len & 0xffff) | (is_last ? 0x80000000u : 0));
}

static inline void start_bus_master(struct fixture *f, uint32_t table, bool is_to_memory)
{
    space_write(f->b.ports, BM_TABLE, 4, table);
    out8(f->b.ports, BM_STATUS, 0x66);
    out8(f->b.ports, BM_COMMAND, is_to_memory ? 8 : 0);
    out8(f->b.ports, BM_COMMAND, (is_to_memory ? 8 : 0) | 1);
}

/* Let block requests complete, one round after another. */
static inline void run_mail(struct fixture *f)
{
    for (unsigned i = 0; i < 1000 && mailbox_run(f->b.mail); i++)
        ;
}

#endif
