/* Between ide.c and the two kinds of drive; nobody else includes this. */
#ifndef DEVICES_IDE_PRIV_H
#define DEVICES_IDE_PRIV_H

#include "devices/ide.h"

enum {
    ATA_BSY = 0x80,
    ATA_DRDY = 0x40,
    ATA_DF = 0x20,
    ATA_DSC = 0x10,
    ATA_DRQ = 0x08,
    ATA_ERR = 0x01
};
enum { ATA_ERROR_UNC = 0x40, ATA_ERROR_IDNF = 0x10, ATA_ERROR_ABRT = 0x04 };
enum { ATA_DEVICE_LBA = 0x40, ATA_DEVICE_DEV = 0x10 };

enum ide_phase {
    IDE_PHASE_NONE,
    IDE_PHASE_PIO_IN,  /* DRQ: the guest reads the window */
    IDE_PHASE_PIO_OUT, /* DRQ: the guest fills the window */
    IDE_PHASE_DMA      /* the drive waits for the bus master */
};

struct ide_drive_ops {
    const char *name;
    void (*reset)(struct ide_drive *d, bool is_power_on); /* registers with signature, settings; not the data phase */
    void (*command)(struct ide_drive *d, uint8_t command);
    void (*request_done)(struct ide_drive *d, int error); /* the block request came back */
    void (*pio_done)(struct ide_drive *d);                /* the guest moved the whole window */
    void (*dma_ready)(struct ide_drive *d);               /* the bus master was started */
};

extern const struct ide_drive_ops ata_drive_ops, atapi_drive_ops;

void ide_raise_irq(struct ide_drive *d);
/* Open a DRQ window of len bytes at buf[pos]. */
void ide_pio_begin(struct ide_drive *d, uint32_t pos, uint32_t len, bool is_in);
/* Let dma_ready() be called: at once if the bus master runs, else when it is started. */
void ide_dma_begin(struct ide_drive *d);
/* Move bytes between buf and the PRD regions; fewer than len if the bus master stopped or its table ended. */
uint32_t ide_dma_move(struct ide_channel *ch, uint8_t *buf, uint32_t len, bool is_to_guest);
/* Start a block request on the channel's buffer; request_done() follows.  len <= IDE_BUF_BYTES. */
void ide_block_read(struct ide_drive *d, uint64_t offset, uint32_t buf_pos, uint32_t len);
void ide_block_write(struct ide_drive *d, uint64_t offset, uint32_t len);
void ide_block_flush(struct ide_drive *d);

/* SET FEATURES 03h: select a PIO, multiword DMA or Ultra DMA mode.  False: there is no such mode. */
bool ide_set_transfer_mode(struct ide_drive *d, uint8_t mode);
/* EXECUTE DEVICE DIAGNOSTIC: both drives show their signatures, drive 0 answers. */
void ide_diagnose(struct ide_drive *d);

/* IDENTIFY helpers. */
void ide_put_word(uint8_t *id, unsigned word, uint16_t value);
void ide_put_string(uint8_t *id, unsigned word, unsigned words, const char *text);

#endif
