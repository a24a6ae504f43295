/* 82077AA floppy disk controller with two drives. */
#ifndef DEVICES_FDC_H
#define DEVICES_FDC_H

#include "devices/device.h"
#include "devices/dma8237.h"
#include "devices/wire.h"
#include "host/block.h"
#include "host/clock.h"

#define FDC_SECTOR_BYTES 512u

/* Drive types as CMOS register 10h has them: high nibble drive A, low nibble drive B. */
enum fdc_drive_type { FDC_NO_DRIVE = 0, FDC_360K = 1, FDC_1200K = 2, FDC_720K = 3, FDC_1440K = 4, FDC_2880K = 5 };

struct fdc_geometry {
    uint32_t bytes;
    uint8_t cylinders, heads, sectors;
    uint8_t rate; /* as in the DSR: 0 500 kbit/s, 1 300, 2 250, 3 1000 */
    uint8_t type; /* enum fdc_drive_type that takes such a disk */
};

struct fdc_drive {
    struct block *block; /* NULL: no disk in the drive */
    uint8_t type;        /* enum fdc_drive_type */
    uint8_t cylinder;    /* where the head really is */
    bool is_disk_changed;
    struct fdc_geometry geometry; /* of the disk; all 0 if none */
};

struct fdc {
    struct device dev;
    struct wire *irq;
    struct dma8237 *dma; /* channel 2; NULL: programmed I/O only */
    struct timer timer;  /* reset, seek and command delays */
    struct fdc_drive drive[2];

    uint8_t dor, dsr, tdr;
    uint8_t phase; /* enum in fdc.c */
    uint8_t fifo[16], fifo_len, fifo_pos; /* command bytes, then result bytes */
    bool is_irq_pending;
    bool is_resetting;                    /* from the end of the reset signal until the chip is ready */
    bool is_id_due;                       /* READ ID waits for the next sector to come by */
    uint8_t polls_due;                    /* drive states the reset left to be told by SENSE INTERRUPT STATUS */
    uint8_t seeking;                      /* bit n: drive n steps */
    uint8_t sense_due, sense_st0[4];      /* bit n: a seek of drive n ended with that ST0 */
    uint8_t track[4];                     /* where the chip believes each head is */
    uint8_t specify[2], configure, precomp_track, perpendicular;
    bool is_locked;

    /* The data command under way. */
    uint8_t exec; /* enum in fdc.c */
    uint8_t unit, head, id_cylinder, id_head, id_sector, size_code, eot;
    uint8_t format_left, format_fill;
    bool is_multi_track, is_tc, is_scan_met;
    uint16_t buf_pos, buf_len;
    uint8_t buf[FDC_SECTOR_BYTES];
    bool is_in_flight, is_stale; /* a block request; save waits for fdc_is_idle() */
};

/* Ports 3F0h-3F5h and 3F7h (3F6h is the IDE channel's).  dma: channel 2 is the floppy's; NULL: programmed I/O only.
 * 0 or -errno. */
int fdc_init(struct fdc *f, struct space *ports, struct clock *clock, struct wire *irq6, struct dma8237 *dma);
/* Connect a drive while the machine is built; its type follows the disk, 1.44 MB without one.
 * block: owned by the caller, outlives f; NULL: no disk.  -EINVAL if no disk format has that size: no drive then. */
int fdc_attach(struct fdc *f, unsigned drive, struct block *block);
/* -EBUSY while a request is under way, -EINVAL as above. */
int fdc_change_disk(struct fdc *f, unsigned drive, struct block *block);
uint8_t fdc_cmos_types(const struct fdc *f); /* CMOS register 10h */
bool fdc_is_idle(const struct fdc *f);
/* Disk format of an image of that size, NULL if there is none. */
const struct fdc_geometry *fdc_find_geometry(uint64_t bytes);

#endif
