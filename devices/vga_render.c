/* What a monitor on the VGA shows: text, planar, CGA-like, 256-colour and VBE pictures as RGB, and the text screen as text.
 * IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem".  Reads the registers, changes nothing.
 *
 * Shortcuts: scan lines that the hardware only repeats (200-line modes) are shown once; blinking is not animated: cursor
 * and blinking characters are always drawn; the top line's preset row scan is ignored. */
#include "devices/vga.h"

#include <errno.h>
#include <string.h>

#define MAX_SIZE 4096

#define ATTR_MODE     0x10
#define ATTR10_GRAPHICS 0x01
#define ATTR10_9_DOT_LINES 0x04 /* C0h-DFh repeat column 8 in column 9 */
#define ATTR10_BLINK  0x08
#define ATTR10_PAN_TOP 0x20 /* panning stops at the line compare */
#define ATTR10_P54    0x80
#define ATTR_PLANE_ENABLE 0x12
#define ATTR_PAN      0x13
#define ATTR_COLOR_SELECT 0x14
#define ATTR_INDEX_ON 0x20

#define SEQ1_8_DOT      0x01
#define SEQ1_SCREEN_OFF 0x20
#define SEQ4_CHAIN4     0x08
#define GFX5_INTERLEAVE 0x20
#define GFX5_256        0x40
#define GFX6_GRAPHICS   0x01
#define CRTC9_DOUBLE    0x80
#define CRTC14_DWORD    0x40
#define CRTC17_BYTE     0x40
#define CRTC17_A15      0x20 /* word mode: bit 15, not 13, becomes bit 0 */
#define CRTC17_NO_ROW0  0x01 /* clear: address bit 13 is row scan bit 0 (CGA banks) */
#define CRTC17_NO_ROW1  0x02 /* clear: address bit 14 is row scan bit 1 */

static unsigned plane_byte(const struct vga *v, uint32_t offset, unsigned plane)
{
    return v->vram[((offset & 0xffff) << 2 | plane) & (VGA_VRAM_BYTES - 1)];
}

static bool is_text_mode(const struct vga *v)
{
    return !vga_is_vbe(v) && !(v->gfx[6] & GFX6_GRAPHICS) && !(v->attr[ATTR_MODE] & ATTR10_GRAPHICS);
}

static unsigned crtc_shown_lines(const struct vga *v)
{
    return (v->crtc[0x12] | (v->crtc[7] & 0x02) << 7 | (v->crtc[7] & 0x40) << 3) + 1;
}

static unsigned crtc_start(const struct vga *v)
{
    return v->crtc[0x0c] << 8 | v->crtc[0x0d];
}

static unsigned crtc_line_compare(const struct vga *v)
{
    return v->crtc[0x18] | (v->crtc[7] & 0x10) << 4 | (v->crtc[9] & 0x40) << 3;
}

static unsigned char_height(const struct vga *v)
{
    return (v->crtc[9] & 0x1f) + 1;
}

static unsigned scan_repeat(const struct vga *v)
{
    return v->crtc[9] & CRTC9_DOUBLE ? 2 : 1;
}

static unsigned char_width(const struct vga *v)
{
    return v->seq[1] & SEQ1_8_DOT ? 8 : 9;
}

static unsigned text_cols(const struct vga *v)
{
    return v->crtc[1] + 1; /* at most 256 */
}

static unsigned text_rows(const struct vga *v)
{
    unsigned rows = crtc_shown_lines(v) / scan_repeat(v) / char_height(v);

    if (rows > VGA_TEXT_MAX_ROWS)
        rows = VGA_TEXT_MAX_ROWS;
    return rows ? rows : 1;
}

/* Graphics: how many scan lines show the same bytes. */
static unsigned graphics_repeat(const struct vga *v)
{
    unsigned both = CRTC17_NO_ROW0 | CRTC17_NO_ROW1;

    return scan_repeat(v) * ((v->crtc[0x17] & both) == both ? char_height(v) : 1);
}

static unsigned at_least_1(unsigned n)
{
    return n ? n : 1;
}

void vga_get_geometry(const struct vga *v, struct vga_geometry *g)
{
    *g = (struct vga_geometry){.is_text = is_text_mode(v)};
    g->is_blank = !(v->attr_index & ATTR_INDEX_ON) || v->seq[1] & SEQ1_SCREEN_OFF || !v->crtc[1];
    if (vga_is_vbe(v)) {
        g->width = at_least_1(v->dispi[DISPI_XRES]);
        g->height = at_least_1(v->dispi[DISPI_YRES]);
        g->is_blank = !(v->attr_index & ATTR_INDEX_ON) || !v->dispi[DISPI_XRES] || !v->dispi[DISPI_YRES];
    } else if (!v->crtc[1]) {
        g->width = 640;
        g->height = 400;
        g->is_text = false;
    } else if (g->is_text) {
        g->width = text_cols(v) * char_width(v);
        g->height = text_rows(v) * char_height(v);
    } else {
        g->width = (v->crtc[1] + 1) * 8 / (v->gfx[5] & GFX5_256 ? 2 : 1);
        g->height = at_least_1(crtc_shown_lines(v) / graphics_repeat(v));
    }
}

/* ---- colours ---- */

static uint32_t dac_color(const struct vga *v, uint8_t index)
{
    const uint8_t *c = v->palette[index & v->dac_mask];

    return (uint32_t)c[0] << 16 | c[1] << 8 | c[2];
}

/* Four bits through the attribute controller's palette and colour select to the DAC. */
static uint32_t attr_color(const struct vga *v, unsigned pixel)
{
    unsigned index = v->attr[pixel & v->attr[ATTR_PLANE_ENABLE] & 0x0f] & 0x3f;

    if (v->attr[ATTR_MODE] & ATTR10_P54)
        index = (index & 0x0f) | (v->attr[ATTR_COLOR_SELECT] & 0x03) << 4;
    return dac_color(v, index | (v->attr[ATTR_COLOR_SELECT] & 0x0c) << 4);
}

static void attr_colors(const struct vga *v, uint32_t color[16])
{
    unsigned i;

    for (i = 0; i < 16; i++)
        color[i] = attr_color(v, i);
}

/* ---- text ---- */

/* Counter of the first cell of a row.  The line compare restarts at 0 (split screen). */
static unsigned text_row_start(const struct vga *v, unsigned row)
{
    unsigned split = crtc_line_compare(v) / scan_repeat(v) / char_height(v) + 1;

    if (crtc_line_compare(v) < crtc_shown_lines(v) && row >= split)
        return (row - split) * v->crtc[0x13] * 2;
    return crtc_start(v) + row * v->crtc[0x13] * 2;
}

/* Text is addressed in words: character in plane 0, attribute in plane 1, both at an even offset. */
static uint32_t text_offset(const struct vga *v, unsigned counter)
{
    return v->crtc[0x17] & CRTC17_BYTE ? counter : counter << 1;
}

static uint16_t text_cell(const struct vga *v, unsigned counter)
{
    uint32_t at = text_offset(v, counter);

    return plane_byte(v, at, 0) | plane_byte(v, at, 1) << 8;
}

bool vga_text_cells(const struct vga *v, struct vga_text_view *view)
{
    struct vga_geometry g;
    unsigned row, col, cursor = v->crtc[0x0e] << 8 | v->crtc[0x0f];

    vga_get_geometry(v, &g);
    if (!g.is_text)
        return false;
    view->cols = text_cols(v);
    view->rows = text_rows(v);
    view->is_cursor_visible = false;
    view->is_blink_enabled = v->attr[ATTR_MODE] & ATTR10_BLINK;
    for (row = 0; row < view->rows; row++) {
        unsigned start = text_row_start(v, row);

        for (col = 0; col < view->cols; col++)
            view->cells[row * view->cols + col] = text_cell(v, start + col);
        if (!(v->crtc[0x0a] & 0x20) && cursor >= start && cursor < start + view->cols) {
            view->is_cursor_visible = true;
            view->cursor_row = row;
            view->cursor_col = cursor - start;
        }
    }
    return true;
}

/* Font lines of a character in plane 2; attribute bit 3 picks one of two of eight fonts of 8 KiB. */
static uint32_t font_offset(const struct vga *v, uint16_t cell)
{
    static const uint16_t base[8] = {0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000};
    unsigned map_b = (v->seq[3] & 0x03) | (v->seq[3] & 0x10) >> 2; /* attribute bit 3 clear */
    unsigned map_a = (v->seq[3] & 0x0c) >> 2 | (v->seq[3] & 0x20) >> 3;

    return base[cell & 0x0800 ? map_a : map_b] + (cell & 0xff) * 32;
}

/* Nine dots of one line of a character, leftmost in bit 8. */
static unsigned glyph_line(const struct vga *v, uint16_t cell, unsigned line)
{
    unsigned dots = plane_byte(v, font_offset(v, cell) + line, 2) << 1;

    if (v->attr[ATTR_MODE] & ATTR10_9_DOT_LINES && (cell & 0xe0) == 0xc0)
        dots |= dots >> 1 & 1;
    return dots;
}

static void text_draw_cell(const struct vga *v, const uint32_t color[16], uint16_t cell, uint32_t *to, unsigned stride)
{
    unsigned width = char_width(v), height = char_height(v), x, y;
    uint32_t fg = color[cell >> 8 & 0x0f];
    uint32_t bg = color[cell >> 12 & (v->attr[ATTR_MODE] & ATTR10_BLINK ? 0x07 : 0x0f)];

    for (y = 0; y < height; y++, to += stride) {
        unsigned dots = glyph_line(v, cell, y);

        for (x = 0; x < width; x++)
            to[x] = dots >> (8 - x) & 1 ? fg : bg;
    }
}

static void text_draw_cursor(const struct vga *v, uint32_t color, uint32_t *to, unsigned stride)
{
    unsigned height = char_height(v), first = v->crtc[0x0a] & 0x1f, last = v->crtc[0x0b] & 0x1f, x, y;

    for (y = first; y <= last && y < height; y++)
        for (x = 0; x < char_width(v); x++)
            to[(size_t)y * stride + x] = color;
}

static void render_text(const struct vga *v, uint32_t *xrgb, unsigned stride)
{
    unsigned cols = text_cols(v), rows = text_rows(v), row, col;
    unsigned cursor = v->crtc[0x0a] & 0x20 ? ~0u : (unsigned)(v->crtc[0x0e] << 8 | v->crtc[0x0f]);
    uint32_t color[16];

    attr_colors(v, color);
    for (row = 0; row < rows; row++) {
        unsigned counter = text_row_start(v, row);
        uint32_t *to = xrgb + (size_t)row * char_height(v) * stride;

        for (col = 0; col < cols; col++, counter++, to += char_width(v)) {
            uint16_t cell = text_cell(v, counter);

            text_draw_cell(v, color, cell, to, stride);
            if (counter == cursor)
                text_draw_cursor(v, color[cell >> 8 & 0x0f], to, stride);
        }
    }
}

/* ---- VGA graphics ---- */

/* Plane offset that the CRTC fetches for a memory counter. */
static uint32_t graphics_offset(const struct vga *v, unsigned counter, unsigned row_scan)
{
    unsigned mode = v->crtc[0x17];
    uint32_t at = counter;

    if (v->crtc[0x14] & CRTC14_DWORD) {
        if (!(v->seq[4] & SEQ4_CHAIN4)) /* chain-4 memory is linear here: see vga.c */
            at = counter << 2 | (counter >> 14 & 3);
    } else if (!(mode & CRTC17_BYTE)) {
        at = counter << 1 | (counter >> (mode & CRTC17_A15 ? 15 : 13) & 1);
    }
    if (!(mode & CRTC17_NO_ROW0))
        at = (at & ~0x2000u) | (row_scan & 1) << 13;
    if (!(mode & CRTC17_NO_ROW1))
        at = (at & ~0x4000u) | (row_scan >> 1 & 1) << 14;
    return at;
}

/* Eight dots (four of 256 colours) of one memory fetch, as colours.  Returns how many. */
static unsigned graphics_fetch(const struct vga *v, const uint32_t color[16], uint32_t at, uint32_t out[8])
{
    unsigned b[4], i;

    for (i = 0; i < 4; i++)
        b[i] = plane_byte(v, at, i);
    if (v->gfx[5] & GFX5_256) {
        for (i = 0; i < 4; i++)
            out[i] = dac_color(v, b[i]);
        return 4;
    }
    for (i = 0; i < 8; i++) {
        unsigned half = i >> 2, shift = 6 - 2 * (i & 3); /* two bits each, planes 0 and 2, then 1 and 3 */

        if (v->gfx[5] & GFX5_INTERLEAVE)
            out[i] = color[(b[half] >> shift & 3) | (b[half + 2] >> shift & 3) << 2];
        else
            out[i] = color[(b[0] >> (7 - i) & 1) | (b[1] >> (7 - i) & 1) << 1 | (b[2] >> (7 - i) & 1) << 2 |
                           (b[3] >> (7 - i) & 1) << 3];
    }
    return 8;
}

static void render_graphics_line(const struct vga *v, const uint32_t color[16], unsigned counter, unsigned row_scan,
                                 unsigned pan, uint32_t *to, unsigned width)
{
    uint32_t dots[8];
    unsigned x = 0, i, n;

    while (x < width) {
        n = graphics_fetch(v, color, graphics_offset(v, counter++, row_scan), dots);
        for (i = pan < n ? pan : 0; i < n && x < width; i++)
            to[x++] = dots[i];
        pan = 0;
    }
}

static void render_graphics(const struct vga *v, const struct vga_geometry *g, uint32_t *xrgb, unsigned stride)
{
    unsigned repeat = graphics_repeat(v), line, counter = crtc_start(v), row_scan = 0;
    unsigned rows_per_step = repeat / scan_repeat(v) > 1 ? 1 : char_height(v); /* rows until the counter moves on */
    unsigned pan = v->attr[ATTR_PAN] & 7;
    uint32_t color[16];

    attr_colors(v, color);
    if (v->gfx[5] & GFX5_256)
        pan >>= 1;
    for (line = 0; line < g->height; line++) {
        render_graphics_line(v, color, counter, row_scan, pan, xrgb + (size_t)line * stride, g->width);
        if (++row_scan >= rows_per_step) {
            row_scan = 0;
            counter += v->crtc[0x13] * 2;
        }
        if ((line + 1) * repeat > crtc_line_compare(v) && line * repeat <= crtc_line_compare(v)) {
            counter = row_scan = 0;
            if (v->attr[ATTR_MODE] & ATTR10_PAN_TOP)
                pan = 0;
        }
    }
}

/* ---- VBE ---- */

static uint32_t vbe_pixel(const struct vga *v, uint64_t at, unsigned x, unsigned bpp)
{
    unsigned bytes = (bpp + 7) / 8;
    uint32_t p;

    at += (uint64_t)x * bytes;
    if (at + bytes > VGA_VRAM_BYTES)
        return 0;
    p = load_le(v->vram + at, bytes);
    switch (bpp) {
    case 8:
        return dac_color(v, p);
    case 15:
        return (p & 0x7c00) << 9 | (p & 0x7000) << 4 | (p & 0x03e0) << 6 | (p & 0x0380) << 1 | (p & 0x1f) << 3 |
               (p & 0x1c) >> 2;
    case 16:
        return (p & 0xf800) << 8 | (p & 0xe000) << 3 | (p & 0x07e0) << 5 | (p & 0x0600) >> 1 | (p & 0x1f) << 3 |
               (p & 0x1c) >> 2;
    default:
        return p & 0xffffff;
    }
}

static uint32_t vbe_planar_pixel(const struct vga *v, uint64_t line_bits, unsigned x)
{
    uint64_t bit = line_bits + x;
    uint64_t at = bit / 8 * 4;
    unsigned shift = 7 - bit % 8, i, pixel = 0;

    if (at + 4 > VGA_VRAM_BYTES)
        return 0;
    for (i = 0; i < 4; i++)
        pixel |= (v->vram[at + i] >> shift & 1u) << i;
    return attr_color(v, pixel);
}

static void render_vbe(const struct vga *v, const struct vga_geometry *g, uint32_t *xrgb, unsigned stride)
{
    unsigned bpp = v->dispi[DISPI_BPP], x, y;
    uint64_t first = v->dispi[DISPI_X_OFFSET], virt = v->dispi[DISPI_VIRT_WIDTH];

    for (y = 0; y < g->height; y++, xrgb += stride) {
        uint64_t pixel = first + (y + (uint64_t)v->dispi[DISPI_Y_OFFSET]) * virt;

        for (x = 0; x < g->width; x++)
            xrgb[x] = bpp == 4 ? vbe_planar_pixel(v, pixel, x) : vbe_pixel(v, pixel * ((bpp + 7) / 8), x, bpp);
    }
}

void vga_render(const struct vga *v, const struct vga_geometry *g, uint32_t *xrgb, unsigned stride_pixels)
{
    unsigned y;

    _Static_assert(DISPI_MAX_XRES <= MAX_SIZE && DISPI_MAX_YRES <= MAX_SIZE, "struct vga_geometry promises it");
    if (g->is_blank)
        for (y = 0; y < g->height; y++)
            memset(xrgb + (size_t)y * stride_pixels, 0, g->width * sizeof(*xrgb));
    else if (vga_is_vbe(v))
        render_vbe(v, g, xrgb, stride_pixels);
    else if (g->is_text)
        render_text(v, xrgb, stride_pixels);
    else
        render_graphics(v, g, xrgb, stride_pixels);
}

/* ---- text as text ---- */

uint16_t vga_cp437_to_unicode(uint8_t c)
{
    static const uint16_t low[32] = {
        0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9,
        0x2642, 0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7,
        0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc};
    static const uint16_t high[129] = {
        0x2302, 0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef,
        0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff,
        0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1,
        0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593,
        0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
        0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560,
        0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518,
        0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5,
        0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264,
        0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0};

    if (c < 0x20)
        return low[c];
    return c < 0x7f ? c : high[c - 0x7f];
}

/* One to three bytes. */
static unsigned utf8_encode(uint16_t u, char out[3])
{
    if (u < 0x80) {
        out[0] = u;
        return 1;
    }
    if (u < 0x800) {
        out[0] = 0xc0 | u >> 6;
        out[1] = 0x80 | (u & 0x3f);
        return 2;
    }
    out[0] = 0xe0 | u >> 12;
    out[1] = 0x80 | (u >> 6 & 0x3f);
    out[2] = 0x80 | (u & 0x3f);
    return 3;
}

static unsigned text_row_length(const struct vga *v, unsigned start)
{
    unsigned len = text_cols(v);

    while (len && strchr(" \xff", text_cell(v, start + len - 1) & 0xff)) /* NUL counts as blank */
        len--;
    return len;
}

int vga_text(const struct vga *v, char *utf8, size_t size)
{
    struct vga_geometry g;
    unsigned row, col;
    size_t n = 0;

    vga_get_geometry(v, &g);
    if (!g.is_text)
        return -EINVAL;
    for (row = 0; row < text_rows(v); row++) {
        unsigned start = text_row_start(v, row), len = text_row_length(v, start);

        if (n + 3 * len + 2 > size)
            return -ENOSPC;
        for (col = 0; col < len; col++)
            n += utf8_encode(vga_cp437_to_unicode(text_cell(v, start + col)), utf8 + n);
        utf8[n++] = '\n';
    }
    utf8[n] = '\0';
    return n;
}
