/* Standard VGA with the Bochs display interface (VBE "dispi"), as PCI function 1234:1111.
 *
 * Legacy ports 3B4h-3DFh, the window A0000h-BFFFFh, dispi at 1CEh/1CFh; BAR 0 is the linear framebuffer (the video memory
 * itself, mapped as memory).  IBM VGA Technical Reference (1992); Bochs VBE display API.
 *
 * Video memory holds the four planes interleaved: byte n of plane p is vram[4n + p].
 * Thread: machine thread, the renderer too. */
#ifndef DEVICES_VGA_H
#define DEVICES_VGA_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "devices/pci.h"
#include "host/clock.h"
#include "host/guestmem.h"
#include "mmu/space.h"

#define VGA_VRAM_BYTES (16u << 20)

/* Registers of the dispi interface, by index. */
enum {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_BANK,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X_OFFSET,
    DISPI_Y_OFFSET,
    DISPI_VIDEO_MEMORY_64K,
    DISPI_NUM
};
#define DISPI_ENABLED    0x01
#define DISPI_GETCAPS    0x02
#define DISPI_8BIT_DAC   0x20
#define DISPI_LFB        0x40
#define DISPI_NOCLEARMEM 0x80
#define DISPI_MAX_XRES   2560
#define DISPI_MAX_YRES   1600

struct vga {
    struct device dev;
    struct pci_function pci;
    struct clock *clock;
    struct space *memory;
    struct guestmem *mem;
    uint64_t vram_off; /* in guest memory */
    uint8_t *vram;

    uint8_t misc, feature;
    uint8_t seq_index, seq[8];
    uint8_t crtc_index, crtc[0x20];
    uint8_t gfx_index, gfx[16];
    uint8_t attr_index, attr[0x20];
    bool attr_is_data; /* the flip-flop: the next write to 3C0h is data */
    uint8_t dac_mask, dac_read_index, dac_write_index, dac_component, dac_is_reading;
    uint8_t dac_latch[2]; /* red and green wait for blue */
    uint8_t palette[256][3];
    uint8_t latch[4];
    uint16_t dispi_index, dispi[DISPI_NUM];
    uint8_t dispi_low; /* low byte of a data write under way */
};

/* Takes the legacy ports and the window A0000h-BFFFFh, and 16 MiB of guest memory.  0 or -errno. */
int vga_init(struct vga *v, struct guestmem *mem, struct space *memory, struct space *ports, struct clock *clock);
/* Join the bus, with rom (the VGA BIOS; NULL: none) copied to the expansion ROM.  0 or -errno. */
int vga_add_pci(struct vga *v, struct pci_bus *bus, unsigned devfn, const void *rom, uint32_t rom_len);

static inline bool vga_is_vbe(const struct vga *v)
{
    return v->dispi[DISPI_ENABLE] & DISPI_ENABLED;
}

/* ---- vga_render.c: what a monitor would show ---- */

struct vga_geometry {
    unsigned width, height; /* pixels; at least 1 each, at most 4096 */
    bool is_text;           /* alphanumeric mode: vga_text*() have something to say */
    bool is_blank;          /* the guest switched the picture off, or no mode is set: black */
};
void vga_get_geometry(const struct vga *v, struct vga_geometry *g);
/* Paint the picture: geometry's height rows of stride_pixels (>= width) pixels 00RRGGBBh. */
void vga_render(const struct vga *v, const struct vga_geometry *g, uint32_t *xrgb, unsigned stride_pixels);

#define VGA_TEXT_MAX_COLS 256
#define VGA_TEXT_MAX_ROWS 128
struct vga_text_view {
    unsigned cols, rows;
    bool is_cursor_visible;
    unsigned cursor_col, cursor_row; /* inside the screen while visible */
    bool is_blink_enabled;           /* bit 15 of a cell blinks, else it is the background's intensity */
    uint16_t cells[VGA_TEXT_MAX_COLS * VGA_TEXT_MAX_ROWS]; /* row by row, cols each: attribute << 8 | character */
};
/* The cells of the text screen; false in a graphics mode. */
bool vga_text_cells(const struct vga *v, struct vga_text_view *view);
/* The text screen as UTF-8 lines without trailing blanks, each ending in '\n', then a NUL.
 * Length without the NUL; -EINVAL in a graphics mode, -ENOSPC if size is too small. */
int vga_text(const struct vga *v, char *utf8, size_t size);
/* Code page 437 (all 256 glyphs) to Unicode. */
uint16_t vga_cp437_to_unicode(uint8_t c);

#endif
