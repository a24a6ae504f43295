/* Standard VGA: registers, planar memory, Bochs dispi.  IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"
 * (1992); "VBE Display API" of the Bochs project, version B0C5.  The picture itself is vga_render.c's.
 *
 * Shortcuts: chain-4 addresses video memory linearly (plane offset = address / 4, not address & ~3), as the linear
 * framebuffer does; nothing that sets up its mode consistently can tell. */
#include "devices/vga.h"

#include <errno.h>
#include <string.h>
#include "host/log.h"

#define WINDOW_BASE 0xa0000
#define WINDOW_LEN  0x20000

#define MISC_COLOR 0x01 /* CRTC at 3Dxh, else 3Bxh */
#define MISC_CLOCK 0x0c

#define SEQ_MAP_MASK    2
#define SEQ_MEMORY_MODE 4
#define SEQ4_SEQUENTIAL 0x04 /* clear: even addresses go to planes 0 and 2, odd ones to 1 and 3 */
#define SEQ4_CHAIN4     0x08

#define CRTC_VRETRACE_END     0x11
#define CRTC11_PROTECT        0x80
#define CRTC_OVERFLOW         0x07
#define CRTC7_LINE_COMPARE    0x10

#define GFX_SET_RESET        0
#define GFX_ENABLE_SET_RESET 1
#define GFX_COLOR_COMPARE    2
#define GFX_ROTATE           3
#define GFX_READ_MAP         4
#define GFX_MODE             5
#define GFX_MISC             6
#define GFX_COLOR_DONT_CARE  7
#define GFX_BIT_MASK         8
#define GFX5_READ_MODE1      0x08
#define GFX5_ODD_EVEN        0x10
#define GFX6_CHAIN_ODD_EVEN  0x02

#define DISPI_ID_OLDEST 0xb0c0
#define DISPI_ID_NEWEST 0xb0c5

#define STATUS1_DISPLAY_OFF 0x01 /* in horizontal or vertical blanking */
#define STATUS1_VRETRACE    0x08

#define DAC_STATE_READ  3
#define DAC_STATE_WRITE 0

/* Bits of each register that exist. */
static const uint8_t seq_mask[8] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0x00};
static const uint8_t gfx_mask[16] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const uint8_t attr_mask[32] = {0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                      0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};

/* ---- time ---- */

/* Input status 1 from the virtual clock and the programmed timing. */
static uint8_t vga_status1(const struct vga *v)
{
    static const uint32_t dot_hz[4] = {25175000, 28322000, 25175000, 25175000};
    uint64_t dots = (v->crtc[0] + 5) * (v->seq[1] & 1 ? 8u : 9u) << (v->seq[1] >> 3 & 1);
    uint64_t line_ns = dots * 1000000000 / dot_hz[(v->misc & MISC_CLOCK) >> 2];
    unsigned over = v->crtc[CRTC_OVERFLOW];
    unsigned total = (v->crtc[6] | (over & 0x01) << 8 | (over & 0x20) << 4) + 2;
    unsigned shown = (v->crtc[0x12] | (over & 0x02) << 7 | (over & 0x40) << 3) + 1;
    unsigned retrace = v->crtc[0x10] | (over & 0x04) << 6 | (over & 0x80) << 2;
    unsigned retrace_len = ((v->crtc[CRTC_VRETRACE_END] & 0x0f) - (retrace & 0x0f)) & 0x0f;
    uint64_t now = clock_now_ns(v->clock), line, in_line;
    uint8_t status = 0;

    if (vga_is_vbe(v) || total < 100 || retrace >= total) { /* 60 Hz of 525 lines, 480 shown */
        line_ns = 31746;
        total = 525, shown = 480, retrace = 490, retrace_len = 2;
    }
    line = now / line_ns % total;
    in_line = now % line_ns;
    if (line >= shown || in_line >= line_ns * 4 / 5)
        status |= STATUS1_DISPLAY_OFF;
    if (line >= retrace && line < retrace + (retrace_len ? retrace_len : 16))
        status |= STATUS1_VRETRACE;
    return status;
}

/* ---- video memory ---- */

static void vram_written(struct vga *v, uint64_t at, uint64_t len)
{
    const uint8_t *flags = guestmem_code_flags(v->mem);
    uint64_t first = (v->vram_off + at) >> GUEST_PAGE_SHIFT;
    uint64_t last = (v->vram_off + at + len - 1) >> GUEST_PAGE_SHIFT;

    for (; first <= last; first++)
        if (flags[first]) {
            guestmem_written(v->mem, v->vram_off + at, len);
            return;
        }
}

/* Where the window's byte lies in the memory map that GFX_MISC selects, or false if the window is elsewhere. */
static bool window_address(const struct vga *v, uint64_t offset, uint32_t *addr)
{
    static const struct { uint32_t base, len; } map[4] = {
        {0x00000, 0x20000}, {0x00000, 0x10000}, {0x10000, 0x08000}, {0x18000, 0x08000}};
    unsigned m = v->gfx[GFX_MISC] >> 2 & 3;

    if (vga_is_vbe(v)) /* one 64 KiB bank at A0000h */
        m = 1;
    *addr = offset - map[m].base;
    return offset >= map[m].base && *addr < map[m].len;
}

static bool is_linear(const struct vga *v)
{
    return v->seq[SEQ_MEMORY_MODE] & SEQ4_CHAIN4 || (vga_is_vbe(v) && v->dispi[DISPI_BPP] >= 8);
}

static uint32_t bank_base(const struct vga *v)
{
    return vga_is_vbe(v) ? (uint32_t)v->dispi[DISPI_BANK] << 16 : 0;
}

/* Index of plane 0's byte for a planar access; *odd is the address bit that picks between even and odd planes. */
static uint32_t planar_index(const struct vga *v, uint32_t addr, unsigned *odd)
{
    *odd = addr & 1;
    if (v->gfx[GFX_MISC] & GFX6_CHAIN_ODD_EVEN) {
        addr &= ~1u;
        if ((v->gfx[GFX_MISC] >> 2 & 3) == 0) /* 128 KiB window: bit 16 stands in for bit 0 */
            addr |= addr >> 16 & 1;
    }
    addr &= 0xffff;
    return ((bank_base(v) + addr) << 2) & (VGA_VRAM_BYTES - 1);
}

static uint8_t planar_read(struct vga *v, uint32_t addr)
{
    unsigned odd, plane, i;
    uint32_t at = planar_index(v, addr, &odd);
    uint8_t same = 0xff;

    memcpy(v->latch, v->vram + at, 4);
    if (v->gfx[GFX_MODE] & GFX5_READ_MODE1) {
        for (i = 0; i < 4; i++)
            if (v->gfx[GFX_COLOR_DONT_CARE] >> i & 1)
                same &= v->latch[i] ^ (v->gfx[GFX_COLOR_COMPARE] >> i & 1 ? 0x00 : 0xff);
        return same;
    }
    plane = v->gfx[GFX_READ_MAP] & 3;
    if (v->gfx[GFX_MODE] & GFX5_ODD_EVEN)
        plane = (plane & 2) | odd;
    return v->latch[plane];
}

static uint8_t rotate(const struct vga *v, uint8_t value)
{
    unsigned n = v->gfx[GFX_ROTATE] & 7;

    return (value >> n | value << (8 - n)) & 0xff;
}

static uint8_t logical(const struct vga *v, uint8_t value, uint8_t latch)
{
    switch (v->gfx[GFX_ROTATE] >> 3 & 3) {
    case 1:
        return value & latch;
    case 2:
        return value | latch;
    case 3:
        return value ^ latch;
    default:
        return value;
    }
}

/* What the graphics controller sends to one plane. */
static uint8_t plane_value(const struct vga *v, unsigned plane, uint8_t value)
{
    uint8_t set = v->gfx[GFX_SET_RESET] >> plane & 1 ? 0xff : 0x00;
    uint8_t mask = v->gfx[GFX_BIT_MASK], latch = v->latch[plane];

    switch (v->gfx[GFX_MODE] & 3) {
    case 0:
        value = v->gfx[GFX_ENABLE_SET_RESET] >> plane & 1 ? set : rotate(v, value);
        break;
    case 1:
        return latch;
    case 2:
        value = value >> plane & 1 ? 0xff : 0x00;
        break;
    case 3:
        mask &= rotate(v, value);
        value = set;
        break;
    }
    return (logical(v, value, latch) & mask) | (latch & ~mask);
}

static void planar_write(struct vga *v, uint32_t addr, uint8_t value)
{
    unsigned odd, plane, enabled = v->seq[SEQ_MAP_MASK];
    uint32_t at = planar_index(v, addr, &odd);

    if (!(v->seq[SEQ_MEMORY_MODE] & SEQ4_SEQUENTIAL))
        enabled &= odd ? 0x0a : 0x05;
    for (plane = 0; plane < 4; plane++)
        if (enabled >> plane & 1)
            v->vram[at + plane] = plane_value(v, plane, value);
    vram_written(v, at, 4);
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga *v = opaque;
    uint64_t value = 0;
    uint32_t addr;
    unsigned i;

    for (i = 0; i < size; i++) {
        uint8_t byte = 0xff;

        if (window_address(v, offset + i, &addr))
            byte = is_linear(v) ? v->vram[(bank_base(v) + addr) & (VGA_VRAM_BYTES - 1)] : planar_read(v, addr);
        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void linear_write(struct vga *v, uint32_t addr, uint8_t value)
{
    uint32_t at = (bank_base(v) + addr) & (VGA_VRAM_BYTES - 1);

    if (!vga_is_vbe(v) && !(v->seq[SEQ_MAP_MASK] >> (addr & 3) & 1))
        return;
    v->vram[at] = value;
    vram_written(v, at, 1);
}

static void window_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *v = opaque;
    uint32_t addr;
    unsigned i;

    for (i = 0; i < size; i++) {
        if (!window_address(v, offset + i, &addr))
            continue;
        if (is_linear(v))
            linear_write(v, addr, value >> (8 * i));
        else
            planar_write(v, addr, value >> (8 * i));
    }
}

/* ---- dispi ---- */

static uint32_t dispi_line_bytes(const struct vga *v)
{
    unsigned bpp = v->dispi[DISPI_BPP];

    return v->dispi[DISPI_VIRT_WIDTH] * (bpp == 15 ? 16u : bpp) / 8;
}

/* The virtual height is what memory holds at this width. */
static void dispi_update_height(struct vga *v)
{
    uint32_t line = dispi_line_bytes(v), height;

    height = line ? VGA_VRAM_BYTES / line : 0;
    v->dispi[DISPI_VIRT_HEIGHT] = height > 0xffff ? 0xffff : height;
}

static void dispi_clear_screen(struct vga *v)
{
    uint32_t len = dispi_line_bytes(v) * v->dispi[DISPI_YRES];

    if (len > VGA_VRAM_BYTES)
        len = VGA_VRAM_BYTES;
    if (!len)
        return;
    memset(v->vram, 0, len);
    vram_written(v, 0, len);
}

/* The mode being switched on: make impossible sizes possible. */
static void dispi_set_mode(struct vga *v)
{
    v->dispi[DISPI_VIRT_WIDTH] = v->dispi[DISPI_XRES];
    v->dispi[DISPI_X_OFFSET] = 0;
    v->dispi[DISPI_Y_OFFSET] = 0;
    dispi_update_height(v);
    if (v->dispi[DISPI_YRES] > v->dispi[DISPI_VIRT_HEIGHT])
        v->dispi[DISPI_YRES] = v->dispi[DISPI_VIRT_HEIGHT];
    log_at(LOG_DEV, "vga: vbe mode %ux%ux%u", v->dispi[DISPI_XRES], v->dispi[DISPI_YRES], v->dispi[DISPI_BPP]);
}

static void dispi_write_enable(struct vga *v, uint16_t value)
{
    bool was_enabled = vga_is_vbe(v);

    v->dispi[DISPI_ENABLE] = value & (DISPI_ENABLED | DISPI_GETCAPS | DISPI_8BIT_DAC | DISPI_LFB | DISPI_NOCLEARMEM);
    if (value & DISPI_ENABLED && !was_enabled) {
        dispi_set_mode(v);
        if (!(value & DISPI_NOCLEARMEM))
            dispi_clear_screen(v);
    }
    if (!(value & DISPI_ENABLED))
        v->dispi[DISPI_BANK] = 0;
}

static bool dispi_is_valid_bpp(uint16_t bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

static void dispi_write(struct vga *v, unsigned index, uint16_t value)
{
    switch (index) {
    case DISPI_ID:
        if (value >= DISPI_ID_OLDEST && value <= DISPI_ID_NEWEST)
            v->dispi[DISPI_ID] = value;
        break;
    case DISPI_XRES:
        if (value && value <= DISPI_MAX_XRES && !vga_is_vbe(v))
            v->dispi[index] = value & ~7u ? value & ~7u : 8;
        break;
    case DISPI_YRES:
        if (value && value <= DISPI_MAX_YRES && !vga_is_vbe(v))
            v->dispi[index] = value;
        break;
    case DISPI_BPP:
        if (!vga_is_vbe(v) && dispi_is_valid_bpp(value ? value : 8))
            v->dispi[index] = value ? value : 8;
        break;
    case DISPI_ENABLE:
        dispi_write_enable(v, value);
        break;
    case DISPI_BANK:
        v->dispi[index] = value & ((VGA_VRAM_BYTES >> 16) - 1);
        break;
    case DISPI_VIRT_WIDTH:
        v->dispi[index] = value < v->dispi[DISPI_XRES] ? v->dispi[DISPI_XRES] : value & ~7u;
        dispi_update_height(v);
        break;
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        v->dispi[index] = value;
        break;
    }
}

static uint16_t dispi_read(const struct vga *v, unsigned index)
{
    if (index >= DISPI_NUM)
        return 0;
    if (v->dispi[DISPI_ENABLE] & DISPI_GETCAPS)
        switch (index) {
        case DISPI_XRES:
            return DISPI_MAX_XRES;
        case DISPI_YRES:
            return DISPI_MAX_YRES;
        case DISPI_BPP:
            return 32;
        }
    return v->dispi[index];
}

/* Port 1CEh: index.  1CFh: data, 16 bits at an odd address, so the space hands them over as two bytes: the low one waits for
 * the high one at 1D0h. */
enum { DISPI_PORT_INDEX, DISPI_PORT_LOW, DISPI_PORT_HIGH, DISPI_NUM_PORTS };

static uint64_t dispi_port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga *v = opaque;

    if (offset == DISPI_PORT_INDEX)
        return v->dispi_index;
    return dispi_read(v, v->dispi_index) >> (offset == DISPI_PORT_HIGH ? 8 : 0);
}

static void dispi_port_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *v = opaque;

    if (offset == DISPI_PORT_INDEX)
        v->dispi_index = value;
    else if (offset == DISPI_PORT_LOW)
        v->dispi_low = value;
    else
        dispi_write(v, v->dispi_index, v->dispi_low | (value & 0xff) << 8);
}

/* ---- attribute controller and DAC ---- */

static void attr_write(struct vga *v, uint8_t value)
{
    unsigned index = v->attr_index & 0x1f;

    if (!v->attr_is_data)
        v->attr_index = value & 0x3f;
    else if (index >= 0x10 || !(v->attr_index & 0x20)) /* the palette is locked while it is displayed */
        v->attr[index] = value & attr_mask[index];
    v->attr_is_data = !v->attr_is_data;
}

static uint8_t dac_width_mask(const struct vga *v)
{
    return v->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC ? 0xff : 0x3f;
}

/* The palette holds 8-bit values; the guest sees their upper six bits unless the DAC is in 8-bit mode. */
static uint8_t dac_read(struct vga *v)
{
    uint8_t value = v->palette[v->dac_read_index][v->dac_component];

    if (dac_width_mask(v) == 0x3f)
        value >>= 2;
    if (++v->dac_component == 3) {
        v->dac_component = 0;
        v->dac_read_index++;
    }
    return value;
}

static void dac_write(struct vga *v, uint8_t value)
{
    if (dac_width_mask(v) == 0x3f)
        value = (value & 0x3f) << 2 | (value & 0x3f) >> 4;
    if (v->dac_component < 2) {
        v->dac_latch[v->dac_component++] = value;
        return;
    }
    v->palette[v->dac_write_index][0] = v->dac_latch[0];
    v->palette[v->dac_write_index][1] = v->dac_latch[1];
    v->palette[v->dac_write_index][2] = value;
    v->dac_component = 0;
    v->dac_write_index++;
}

static void dac_set_index(struct vga *v, uint8_t index, bool is_reading)
{
    v->dac_is_reading = is_reading;
    v->dac_component = 0;
    *(is_reading ? &v->dac_read_index : &v->dac_write_index) = index;
}

/* ---- ports ---- */

static void crtc_write(struct vga *v, uint8_t value)
{
    unsigned index = v->crtc_index & 0x1f;

    if (index <= 7 && v->crtc[CRTC_VRETRACE_END] & CRTC11_PROTECT) {
        if (index == CRTC_OVERFLOW)
            v->crtc[index] = (v->crtc[index] & ~CRTC7_LINE_COMPARE) | (value & CRTC7_LINE_COMPARE);
        return;
    }
    v->crtc[index] = value;
}

/* Ports that move with MISC_COLOR, as in 3D0h-3DFh. */
static uint8_t vga_read_moving(struct vga *v, unsigned port)
{
    switch (port) {
    case 0x3d4:
        return v->crtc_index;
    case 0x3d5:
        return v->crtc[v->crtc_index & 0x1f];
    case 0x3da:
        v->attr_is_data = false;
        return vga_status1(v);
    }
    return 0xff;
}

static void vga_write_moving(struct vga *v, unsigned port, uint8_t value)
{
    switch (port) {
    case 0x3d4:
        v->crtc_index = value & 0x3f;
        break;
    case 0x3d5:
        crtc_write(v, value);
        break;
    case 0x3da:
        v->feature = value;
        break;
    }
}

static uint8_t vga_read_port(struct vga *v, unsigned port)
{
    switch (port) {
    case 0x3c0:
        return v->attr_index;
    case 0x3c1:
        return v->attr[v->attr_index & 0x1f];
    case 0x3c2:
        return 0x10; /* input status 0: switch sense, a colour monitor */
    case 0x3c4:
        return v->seq_index;
    case 0x3c5:
        return v->seq[v->seq_index & 7];
    case 0x3c6:
        return v->dac_mask;
    case 0x3c7:
        return v->dac_is_reading ? DAC_STATE_READ : DAC_STATE_WRITE;
    case 0x3c8:
        return v->dac_write_index;
    case 0x3c9:
        return dac_read(v);
    case 0x3ca:
        return v->feature;
    case 0x3cc:
        return v->misc;
    case 0x3ce:
        return v->gfx_index;
    case 0x3cf:
        return v->gfx[v->gfx_index & 0xf];
    }
    return 0xff;
}

static void vga_write_port(struct vga *v, unsigned port, uint8_t value)
{
    switch (port) {
    case 0x3c0:
        attr_write(v, value);
        break;
    case 0x3c2:
        v->misc = value;
        break;
    case 0x3c4:
        v->seq_index = value & 7;
        break;
    case 0x3c5:
        v->seq[v->seq_index & 7] = value & seq_mask[v->seq_index & 7];
        break;
    case 0x3c6:
        v->dac_mask = value;
        break;
    case 0x3c7:
        dac_set_index(v, value, true);
        break;
    case 0x3c8:
        dac_set_index(v, value, false);
        break;
    case 0x3c9:
        dac_write(v, value);
        break;
    case 0x3ce:
        v->gfx_index = value & 0xf;
        break;
    case 0x3cf:
        v->gfx[v->gfx_index & 0xf] = value & gfx_mask[v->gfx_index & 0xf];
        break;
    }
}

static uint64_t port_3b0_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga *v = opaque;

    return v->misc & MISC_COLOR ? 0xff : vga_read_moving(v, 0x3d4 + offset);
}

static void port_3b0_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *v = opaque;

    if (!(v->misc & MISC_COLOR))
        vga_write_moving(v, 0x3d4 + offset, value);
}

static uint64_t port_3c0_read(void *opaque, uint64_t offset, unsigned size)
{
    return vga_read_port(opaque, 0x3c0 + offset);
}

static void port_3c0_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    vga_write_port(opaque, 0x3c0 + offset, value);
}

static uint64_t port_3d0_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga *v = opaque;

    return v->misc & MISC_COLOR ? vga_read_moving(v, 0x3d4 + offset) : 0xff;
}

static void port_3d0_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *v = opaque;

    if (v->misc & MISC_COLOR)
        vga_write_moving(v, 0x3d4 + offset, value);
}

static const struct io_ops window_io = {
    .name = "vga window", .read = window_read, .write = window_write, .min_size = 1, .max_size = 8};
static const struct io_ops dispi_io = {
    .name = "vga dispi", .read = dispi_port_read, .write = dispi_port_write, .min_size = 1, .max_size = 2};
static const struct io_ops port_3b0_io = {
    .name = "vga crtc (mono)", .read = port_3b0_read, .write = port_3b0_write, .min_size = 1, .max_size = 1};
static const struct io_ops port_3c0_io = {
    .name = "vga", .read = port_3c0_read, .write = port_3c0_write, .min_size = 1, .max_size = 1};
static const struct io_ops port_3d0_io = {
    .name = "vga crtc", .read = port_3d0_read, .write = port_3d0_write, .min_size = 1, .max_size = 1};

/* ---- PCI ---- */

static int vga_map_lfb(void *opaque, uint32_t base, bool is_enabled)
{
    struct vga *v = opaque;

    if (is_enabled)
        return space_map_mem(v->memory, base, VGA_VRAM_BYTES, v->vram_off, v->vram_off, SPACE_R | SPACE_W);
    space_unmap(v->memory, base, VGA_VRAM_BYTES);
    return 0;
}

/* No BAR 2 with memory-mapped registers: SeaBIOS's VGA BIOS would read a monitor's EDID there through addresses beyond 64 KiB, which
 * faults for callers in plain real mode, such as U-Boot's. */
int vga_add_pci(struct vga *v, struct pci_bus *bus, unsigned devfn, const void *rom, uint32_t rom_len)
{
    int err = 0;

    pci_init_function(&v->pci, "vga", 0x1234, 0x1111, PCI_CLASS_VGA, 2);
    v->pci.bar[0] = (struct pci_bar){.size = VGA_VRAM_BYTES, .is_prefetchable = true, .map = vga_map_lfb, .opaque = v};
    if (rom)
        err = pci_set_rom(&v->pci, v->mem, rom, rom_len);
    return err ? err : pci_add(bus, &v->pci, devfn);
}

/* ---- the device ---- */

/* Video memory keeps its contents, as a real card's does. */
static void vga_reset(struct device *dev)
{
    struct vga *v = container_of(dev, struct vga, dev);

    v->misc = v->feature = 0;
    v->seq_index = v->crtc_index = v->gfx_index = v->attr_index = 0;
    memset(v->seq, 0, sizeof(v->seq));
    memset(v->crtc, 0, sizeof(v->crtc));
    memset(v->gfx, 0, sizeof(v->gfx));
    memset(v->attr, 0, sizeof(v->attr));
    memset(v->palette, 0, sizeof(v->palette));
    memset(v->latch, 0, sizeof(v->latch));
    memset(v->dispi, 0, sizeof(v->dispi));
    v->attr_is_data = false;
    v->dac_mask = 0xff;
    v->dac_read_index = v->dac_write_index = v->dac_component = v->dac_is_reading = 0;
    v->dispi_index = v->dispi_low = 0;
    v->dispi[DISPI_ID] = DISPI_ID_NEWEST;
    v->dispi[DISPI_BPP] = 8;
    v->dispi[DISPI_VIDEO_MEMORY_64K] = VGA_VRAM_BYTES >> 16;
    if (v->pci.bus)
        pci_reset_function(&v->pci);
}

static void vga_loaded(struct device *dev)
{
    struct vga *v = container_of(dev, struct vga, dev);

    if (v->dac_component > 2)
        v->dac_component = 0;
    if (v->pci.bus)
        pci_loaded_function(&v->pci);
}

static const struct field vga_state[] = {
    FIELD(struct vga, misc),
    FIELD(struct vga, feature),
    FIELD(struct vga, seq_index),
    FIELD(struct vga, seq),
    FIELD(struct vga, crtc_index),
    FIELD(struct vga, crtc),
    FIELD(struct vga, gfx_index),
    FIELD(struct vga, gfx),
    FIELD(struct vga, attr_index),
    FIELD(struct vga, attr),
    FIELD(struct vga, attr_is_data),
    FIELD(struct vga, dac_mask),
    FIELD(struct vga, dac_read_index),
    FIELD(struct vga, dac_write_index),
    FIELD(struct vga, dac_component),
    FIELD(struct vga, dac_is_reading),
    FIELD(struct vga, dac_latch),
    FIELD(struct vga, palette),
    FIELD(struct vga, latch),
    FIELD(struct vga, dispi_index),
    FIELD(struct vga, dispi_low),
    FIELD(struct vga, dispi),
    FIELD(struct vga, pci.config),
    FIELD(struct vga, pci.intx_level),
    FIELD_END};
static const struct device_ops vga_device_ops = {
    .name = "vga", .reset = vga_reset, .state = vga_state, .loaded = vga_loaded};

int vga_init(struct vga *v, struct guestmem *mem, struct space *memory, struct space *ports, struct clock *clock)
{
    static const struct {
        uint16_t port, len;
        const struct io_ops *ops;
    } map[] = {
        {0x1ce, DISPI_NUM_PORTS, &dispi_io},
        {0x3b4, 8, &port_3b0_io},
        {0x3c0, 16, &port_3c0_io},
        {0x3d4, 12, &port_3d0_io},
    };
    int64_t off = guestmem_alloc(mem, VGA_VRAM_BYTES);
    unsigned i;
    int err;

    if (off < 0)
        return off;
    *v = (struct vga){.dev.ops = &vga_device_ops, .mem = mem, .memory = memory, .clock = clock, .vram_off = off};
    v->vram = guestmem_view(mem) + off;
    vga_reset(&v->dev);
    err = space_map_io(memory, WINDOW_BASE, WINDOW_LEN, &window_io, v);
    for (i = 0; !err && i < ARRAY_SIZE(map); i++)
        err = space_map_io(ports, map[i].port, map[i].len, map[i].ops, v);
    return err;
}
