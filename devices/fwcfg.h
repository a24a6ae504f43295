/* Firmware configuration: named blobs that the board hands to the firmware.
 * The interface QEMU's documentation "fw_cfg" (docs/specs) describes: selector at port 510h, data at 511h, DMA at 514h.
 * Thread: machine thread; items are added while the machine is built. */
#ifndef DEVICES_FWCFG_H
#define DEVICES_FWCFG_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "mmu/space.h"

/* Keys of the fixed items. */
enum {
    FWCFG_SIGNATURE = 0x00,
    FWCFG_ID = 0x01, /* bit 0: port interface, bit 1: DMA */
    FWCFG_UUID = 0x02,
    FWCFG_RAM_SIZE = 0x03, /* u64 */
    FWCFG_NOGRAPHIC = 0x04,
    FWCFG_NB_CPUS = 0x05, /* u16 */
    FWCFG_MACHINE_ID = 0x06,
    FWCFG_BOOT_DEVICE = 0x0c,
    FWCFG_NUMA = 0x0d,
    FWCFG_BOOT_MENU = 0x0e, /* u16 */
    FWCFG_MAX_CPUS = 0x0f,  /* u16 */
    FWCFG_FILE_DIR = 0x19,
    FWCFG_FILE_FIRST = 0x20,
    FWCFG_ACPI_TABLES = 0x8000,
    FWCFG_SMBIOS_ENTRIES = 0x8001,
    FWCFG_IRQ0_OVERRIDE = 0x8002, /* u8 */
    FWCFG_E820_TABLE = 0x8003
};
#define FWCFG_MAX_FILES   64
#define FWCFG_NAME_BYTES  56 /* with its NUL */
#define FWCFG_E820_RAM    1
#define FWCFG_E820_RESERVED 2

struct fwcfg_item {
    uint8_t *data; /* owned */
    uint32_t len;
};

struct fwcfg_file {
    char name[FWCFG_NAME_BYTES];
    struct fwcfg_item item;
};

struct fwcfg {
    struct device dev;
    struct space *memory; /* where DMA goes */
    struct fwcfg_item legacy[FWCFG_FILE_FIRST], arch[FWCFG_FILE_FIRST]; /* keys from 0 and from 8000h */
    struct fwcfg_file file[FWCFG_MAX_FILES];                            /* sorted by name; key FILE_FIRST + index */
    unsigned num_files;
    uint16_t selector;
    uint32_t offset;        /* in the selected item */
    uint8_t dma_address[8]; /* big-endian, as written */
};

/* Takes ports 510h-51Bh, fills in SIGNATURE and ID.  0 or -errno. */
int fwcfg_init(struct fwcfg *f, struct space *ports, struct space *memory);
void fwcfg_free(struct fwcfg *f); /* the items; f itself is the caller's */

/* Set (or replace) a fixed item.  Data is copied.  0, -ENOMEM, -EINVAL for a key that is no fixed item. */
int fwcfg_add_bytes(struct fwcfg *f, uint16_t key, const void *data, uint32_t len);
int fwcfg_add_u16(struct fwcfg *f, uint16_t key, uint16_t value);
int fwcfg_add_u64(struct fwcfg *f, uint16_t key, uint64_t value);
/* Add (or replace) a named file.  0, -ENOMEM, -EINVAL for an empty or overlong name, -ENOSPC after FWCFG_MAX_FILES. */
int fwcfg_add_file(struct fwcfg *f, const char *name, const void *data, uint32_t len); /* copies */
int fwcfg_give_file(struct fwcfg *f, const char *name, void *data, uint32_t len); /* takes malloc'ed data, freed on error too */
/* Append an entry to the memory map "etc/e820". */
int fwcfg_add_e820(struct fwcfg *f, uint64_t base, uint64_t len, uint32_t type);
/* NULL if there is no such file. */
const struct fwcfg_item *fwcfg_find_file(const struct fwcfg *f, const char *name);

#endif
