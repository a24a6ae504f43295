/* What tests of chips that do DMA share: chip_fixture.h plus guest RAM, a mailbox, and a PCI bus. */
#ifndef TESTS_UNIT_BOARD_FIXTURE_H
#define TESTS_UNIT_BOARD_FIXTURE_H

#include "tests/unit/chip_fixture.h"
#include <string.h>
#include "devices/pci.h"
#include "host/block.h"
#include "host/guestmem.h"
#include "host/mailbox.h"

#define RAM_BYTES MIB(4)

struct board {
    struct guestmem *gm;
    struct space *mem, *ports;
    struct clock *clock;
    struct mailbox *mail;
    struct pci_bus pci;
    uint64_t ram_off;
};

/* RAM at 0-9FFFFh and from 1 MiB on. */
static inline void board_init(struct board *b)
{
    memset(b, 0, sizeof(*b));
    b->gm = guestmem_create(MIB(32));
    assert_non_null(b->gm);
    b->ram_off = guestmem_alloc(b->gm, RAM_BYTES);
    b->mem = space_create(1ull << 32, b->gm);
    b->ports = space_create(0x10000, NULL);
    b->clock = clock_create_manual();
    b->mail = mailbox_create(NULL, NULL);
    assert_int_equal(space_map_mem(b->mem, 0, 0xa0000, b->ram_off, b->ram_off, SPACE_R | SPACE_W), 0);
    assert_int_equal(space_map_mem(b->mem, MIB(1), RAM_BYTES - MIB(1), b->ram_off + MIB(1), b->ram_off + MIB(1),
                                   SPACE_R | SPACE_W),
                     0);
    assert_int_equal(pci_init(&b->pci, b->mem, b->ports), 0);
}

static inline void board_free(struct board *b)
{
    space_destroy(b->mem);
    space_destroy(b->ports);
    mailbox_destroy(b->mail);
    clock_destroy(b->clock);
    guestmem_destroy(b->gm);
}

/* Configuration mechanism #1. */
static inline uint32_t cfg_read(struct board *b, unsigned devfn, unsigned reg, unsigned size)
{
    space_write(b->ports, 0xcf8, 4, 0x80000000u | devfn << 8 | (reg & 0xfc));
    return space_read(b->ports, 0xcfc + (reg & 3), size);
}

static inline void cfg_write(struct board *b, unsigned devfn, unsigned reg, unsigned size, uint32_t value)
{
    space_write(b->ports, 0xcf8, 4, 0x80000000u | devfn << 8 | (reg & 0xfc));
    space_write(b->ports, 0xcfc + (reg & 3), size, value);
}

/* Straight into (out of) a memory disk, past the chip. */
static inline void board_ignore_done(void *opaque, int error)
{
    *(int *)opaque = error;
}

static inline void disk_write(struct board *b, struct block *d, uint64_t offset, const void *buf, uint32_t len)
{
    int error = 1;

    block_write(d, offset, buf, len, board_ignore_done, &error);
    mailbox_run(b->mail);
    assert_int_equal(error, 0);
}

static inline void disk_read(struct board *b, struct block *d, uint64_t offset, void *buf, uint32_t len)
{
    int error = 1;

    block_read(d, offset, buf, len, board_ignore_done, &error);
    mailbox_run(b->mail);
    assert_int_equal(error, 0);
}

/* len bytes that differ from sector to sector. */
static inline void fill_pattern(uint8_t *buf, uint32_t len, uint32_t seed)
{
    for (uint32_t i = 0; i < len; i++)
        buf[i] = (seed + i / 512) * 7 + i * 3;
}

#endif
