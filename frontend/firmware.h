/* BIOS and VGA BIOS images: finding them on the host and placing them in the machine.
 * Thread: main, while the machine is built. */
#ifndef FRONTEND_FIRMWARE_H
#define FRONTEND_FIRMWARE_H

#include "frontend/loadfile.h"
#include "host/guestmem.h"
#include "mmu/space.h"

#define FIRMWARE_BIOS    "/usr/share/seabios/bios-256k.bin"
#define FIRMWARE_VGABIOS "/usr/share/seabios/vgabios-stdvga.bin"

struct firmware {
    uint64_t mem_off; /* in guest memory */
    uint64_t len;     /* a multiple of 64 KiB; the file's last byte is the last */
};

/* Read a BIOS image (path NULL: SeaBIOS as installed) into guest memory and map it, read-only, to end at 4 GiB.
 * 0, or -errno with why. */
int firmware_load_bios(struct guestmem *mem, struct space *memory, const char *path, struct firmware *out,
                       char why[WHY_BYTES]);
/* The part of it that also answers below 1 MiB: E0000h-FFFFFh, or F0000h-FFFFFh if the image is only 64 KiB. */
static inline uint64_t firmware_low_len(const struct firmware *fw)
{
    return fw->len < KIB(128) ? fw->len : KIB(128);
}
static inline uint64_t firmware_low_off(const struct firmware *fw)
{
    return fw->mem_off + fw->len - firmware_low_len(fw);
}
/* Map that part (boards without a PAM do it themselves).  0 or -errno. */
int firmware_map_low(struct space *memory, const struct firmware *fw);

/* Read a VGA BIOS (path NULL: SeaBIOS's) to malloc'ed *data, for vga_add_pci().  0, or -errno with why. */
int firmware_load_vgabios(const char *path, uint8_t **data, uint32_t *len, char why[WHY_BYTES]);

/* For "doctor": is this file there?  0, or -errno with why. */
int firmware_check(const char *path, char why[WHY_BYTES]);

#endif
