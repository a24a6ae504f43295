/* An IDE channel: two drives behind one set of task-file ports, and half of a bus-master IDE controller.
 * ANSI INCITS 361 (ATA/ATAPI-6); Intel 82371SB (PIIX3) data sheet, 2.5 and 2.9; SFF-8038i (bus-master IDE).
 *
 *     ide.c     ports, drive selection, SRST, INTRQ, the PIO window, PRD tables, block requests under way
 *     ata.c     what a hard disk does with a command
 *     atapi.c   what a CD-ROM drive does with a packet
 *
 * A drive runs one command at a time, and a channel one drive.  While a block request is under way the drive shows BSY; its
 * completion continues the command from the mailbox.  A reset meanwhile lets the request finish, drops its result, and
 * shows BSY until then.
 *
 * Save: the state is complete only when no request is under way.  Run the mailbox until ide_is_idle() first.
 * Thread: machine thread. */
#ifndef DEVICES_IDE_H
#define DEVICES_IDE_H

#include "devices/device.h"
#include "devices/pci.h"
#include "devices/wire.h"
#include "host/block.h"
#include "host/clock.h"

#define IDE_BUF_BYTES 131072u /* one block request at most: 256 disk sectors, 64 CD sectors */

struct ide_channel;
struct ide_drive_ops; /* ide_priv.h */

/* What survives save and load.  [0] of a register pair is the latest value written, [1] the one before (HOB). */
struct ide_drive_state {
    uint8_t feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2];
    uint8_t device, status, error;
    bool is_irq_pending;
    bool is_resetting; /* SRST or DEVICE RESET not over */

    /* Hard disk. */
    uint16_t heads, sectors_per_track; /* current translation: INITIALIZE DEVICE PARAMETERS */
    uint8_t multiple;                  /* sectors per DRQ block of READ/WRITE MULTIPLE; 0: off */
    uint8_t mwdma_mode, udma_mode;     /* selected: bit n for mode n, 0 if the other kind is selected */
    bool has_write_cache, is_standby;

    /* The data command in progress. */
    uint64_t next_sector;   /* of the medium, in its own sectors */
    uint32_t sectors_left;  /* not yet asked of the block backend */
    uint32_t chunk_pos;     /* bytes of the buffer given to (taken from) the guest */
    uint32_t chunk_len;     /* bytes in the buffer (write: at which it is written out) */
    uint32_t drq_bytes;     /* most that one DRQ block carries */
    uint8_t request;        /* enum of ata.c or atapi.c: what the block request was for */
    bool is_write, uses_dma, is_lba48;

    /* CD-ROM. */
    uint8_t cdb[12];
    uint8_t sense_key, asc, ascq;         /* of the last command */
    uint8_t attention_asc;                /* unit attention not told yet; 0: none */
    uint16_t sector_bytes;                /* 2048, or 2352 for raw READ CD */
    bool is_tray_open, is_tray_locked, has_media_event;
};

struct ide_drive {
    struct ide_channel *channel;
    const struct ide_drive_ops *ops; /* NULL: no drive */
    struct block *block;             /* NULL: CD-ROM drive without a disc */
    char serial[21];
    struct ide_drive_state s;
};

struct ide_channel {
    struct device dev;
    struct space *mem;
    struct wire *irq;
    const struct pci_function *pci; /* for its bus master bit; NULL: always allowed */
    struct ide_drive drive[2];
    struct timer reset_timer;

    uint8_t selected; /* 0 or 1 */
    uint8_t control;  /* device control register: HOB, SRST, nIEN */
    uint8_t active;   /* drive that owns the data phase and the request under way */
    uint8_t phase;    /* enum ide_phase */
    bool is_in_flight, is_stale;

    /* Bus master. */
    uint8_t bm_command, bm_status;
    uint32_t bm_table;             /* as written */
    uint32_t prd_next;             /* where the next descriptor is */
    uint32_t prd_addr, prd_left;   /* what is left of the current one */
    bool prd_is_last;

    uint32_t buf_pos, buf_end; /* the DRQ block the guest is moving: [buf_pos, buf_end) of buf */
    uint8_t buf[IDE_BUF_BYTES];
};

struct ide_config {
    struct space *mem, *ports;
    struct clock *clock;
    struct wire *irq;
    const struct pci_function *pci;
    uint16_t command_base; /* 1F0h: 8 ports */
    uint16_t control_port; /* 3F6h: 1 port */
};

int ide_init(struct ide_channel *ch, const struct ide_config *cfg); /* 0 or -errno */
/* Plug a drive in, while the machine is built.  block: owned by the caller, outlives ch; for a CD-ROM NULL is an empty
 * drive.  serial (up to 20 characters) is what IDENTIFY tells. */
void ide_attach_disk(struct ide_channel *ch, unsigned drive, struct block *block, const char *serial);
void ide_attach_cdrom(struct ide_channel *ch, unsigned drive, struct block *block, const char *serial);
/* Put another disc (or NULL) in.  -EBUSY while a request is under way, -ENODEV if that is no CD-ROM drive. */
int ide_change_disc(struct ide_channel *ch, unsigned drive, struct block *block);
bool ide_is_idle(const struct ide_channel *ch); /* no block request under way */

/* Eight bus-master registers; opaque is the channel. */
extern const struct io_ops ide_bus_master_io;

#endif
