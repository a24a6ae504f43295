/* The option ROM that starts a directly booted kernel, and the blob that tells it what to do.
 *
 * SeaBIOS runs first, finds the ROM as "genroms/ringer-boot.rom" and, as "bootorder" says, boots from it.  The ROM reads the
 * fw_cfg file BOOTROM_BLOB by DMA: one header, then the contents of the segments one after the other, each straight to
 * its place; then it enters the kernel.  All decisions are made here on the host; the ROM only copies and jumps. */
#ifndef FRONTEND_BOOTROM_H
#define FRONTEND_BOOTROM_H

#include <stdint.h>
#include "devices/fwcfg.h"
#include "frontend/loadfile.h"

#define BOOTROM_BLOB "opt/ringer/boot"

/* Below 1 MiB the ROM needs these for itself while it loads (linear addresses; bootrom.S knows them too):
 * stack, descriptors and header up to 9000h; from 9000h a multiboot information area. */
#define BOOTROM_WORK_BASE 0x7000
#define BOOTROM_INFO_BASE 0x9000
#define BOOTROM_WORK_END  0x10000
#define BOOTROM_MMAP      0xf000 /* memory map of the firmware, for multiboot; 32 entries of 24 bytes */

enum bootrom_kind { BOOTROM_LINUX = 1, BOOTROM_MULTIBOOT = 2 };

#define BOOTROM_MAGIC        0x31544252 /* "RBT1" */
#define BOOTROM_MAX_SEGMENTS 40

struct bootrom_segment {
    uint32_t dest;     /* guest physical */
    uint32_t file_len; /* bytes from the blob */
    uint32_t mem_len;  /* bytes after those up to mem_len are zeroed (multiboot) */
};

/* The blob's first 512 bytes, little-endian. */
struct bootrom_header {
    uint32_t magic, kind;
    uint32_t entry; /* Linux: segment of the real-mode part; multiboot: physical address */
    uint32_t param; /* Linux: SP; multiboot: address of the information structure */
    uint32_t num_segments, reserved[3];
    struct bootrom_segment segment[BOOTROM_MAX_SEGMENTS];
};

/* A blob being put together. */
struct bootblob {
    uint8_t *data;
    uint64_t len, capacity;
};
/* Room for capacity bytes of contents.  0 or -ENOMEM. */
int bootblob_create(struct bootblob *b, uint64_t capacity);
void bootblob_destroy(struct bootblob *b);
/* The header, to be filled in: valid until bootrom_install(). */
struct bootrom_header *bootblob_header(struct bootblob *b);
/* Append a segment; returns where its file_len bytes are to be put (zeroed).  The caller stays within capacity. */
uint8_t *bootblob_add(struct bootblob *b, uint32_t dest, uint32_t file_len, uint32_t mem_len);

/* Give ROM, blob and boot order to the firmware; takes b's data.  0 or -errno. */
int bootrom_install(struct fwcfg *f, struct bootblob *b);

#endif
