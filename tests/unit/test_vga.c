/* VGA: registers, planar memory, dispi, timing, and the rendered picture of the standard modes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "devices/vga.h"
#include "tests/unit/vga_modes.h"

#define LFB 0xe0000000u

struct fixture {
    struct guestmem *mem;
    struct space *memory, *ports;
    struct clock *clock;
    struct pci_bus bus;
    struct vga v;
    uint32_t *xrgb;
    struct vga_geometry g;
};

static int setup(void **state)
{
    struct fixture *t = calloc(1, sizeof(*t));
    static const uint8_t rom[1024] = {0x55, 0xaa, 2};

    t->mem = guestmem_create(MIB(32));
    t->memory = space_create(GIB(4), t->mem);
    t->ports = space_create(0x10000, NULL);
    t->clock = clock_create_manual();
    assert_int_equal(pci_init(&t->bus, t->memory, t->ports), 0);
    assert_int_equal(vga_init(&t->v, t->mem, t->memory, t->ports, t->clock), 0);
    assert_int_equal(vga_add_pci(&t->v, &t->bus, PCI_DEVFN(2, 0), rom, sizeof(rom)), 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *t = *state;

    free(t->xrgb);
    space_destroy(t->ports);
    space_destroy(t->memory);
    clock_destroy(t->clock);
    guestmem_destroy(t->mem);
    free(t);
    return 0;
}

static void dispi(struct fixture *t, unsigned index, uint16_t value)
{
    space_write(t->ports, 0x1ce, 2, index);
    space_write(t->ports, 0x1cf, 2, value);
}

static uint16_t dispi_get(struct fixture *t, unsigned index)
{
    space_write(t->ports, 0x1ce, 2, index);
    return space_read(t->ports, 0x1cf, 2);
}

static void seq(struct fixture *t, unsigned index, uint8_t value)
{
    space_write(t->ports, 0x3c4, 2, index | value << 8);
}

static void gfx(struct fixture *t, unsigned index, uint8_t value)
{
    space_write(t->ports, 0x3ce, 2, index | value << 8);
}

static void crtc(struct fixture *t, unsigned index, uint8_t value)
{
    space_write(t->ports, 0x3d4, 2, index | value << 8);
}

static void map_bars(struct fixture *t)
{
    pci_config_write(&t->bus, PCI_DEVFN(2, 0), 0x10, 4, LFB);
    pci_config_write(&t->bus, PCI_DEVFN(2, 0), PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

/* Paint into exactly as many pixels as promised, so that ASan sees a pixel too many. */
static void render(struct fixture *t)
{
    free(t->xrgb);
    vga_get_geometry(&t->v, &t->g);
    t->xrgb = malloc((size_t)t->g.width * t->g.height * 4);
    memset(t->xrgb, 0xcc, (size_t)t->g.width * t->g.height * 4);
    vga_render(&t->v, &t->g, t->xrgb, t->g.width);
}

static uint32_t pixel(struct fixture *t, unsigned x, unsigned y)
{
    assert_true(x < t->g.width && y < t->g.height);
    return t->xrgb[y * t->g.width + x];
}

static void assert_size(struct fixture *t, unsigned width, unsigned height)
{
    render(t);
    assert_int_equal(t->g.width, width);
    assert_int_equal(t->g.height, height);
}

static void registers_keep_the_bits_that_exist(void **state)
{
    struct fixture *t = *state;

    seq(t, 2, 0xff);
    assert_int_equal(space_read(t->ports, 0x3c5, 1), 0x0f);
    gfx(t, 5, 0xff);
    assert_int_equal(space_read(t->ports, 0x3cf, 1), 0x7b);
    space_write(t->ports, 0x3c2, 1, 0x67);
    assert_int_equal(space_read(t->ports, 0x3cc, 1), 0x67);
    space_write(t->ports, 0x3ce, 1, 0xff); /* an index too large reaches nothing outside */
    space_write(t->ports, 0x3cf, 1, 0xff);
    assert_int_equal(space_read(t->ports, 0x3cf, 1), 0);
}

static void crtc_moves_with_misc_bit_0(void **state)
{
    struct fixture *t = *state;

    space_write(t->ports, 0x3c2, 1, 0x01);
    crtc(t, 0x0e, 0x12);
    assert_int_equal(space_read(t->ports, 0x3d5, 1), 0x12);
    assert_int_equal(space_read(t->ports, 0x3b5, 1), 0xff);
    space_write(t->ports, 0x3c2, 1, 0x00);
    assert_int_equal(space_read(t->ports, 0x3b5, 1), 0x12);
    assert_int_equal(space_read(t->ports, 0x3d5, 1), 0xff);
}

static void crtc_protection_spares_line_compare(void **state)
{
    struct fixture *t = *state;

    space_write(t->ports, 0x3c2, 1, 0x01);
    crtc(t, 0x11, 0x80);
    crtc(t, 0x00, 0x55);
    crtc(t, 0x07, 0xff);
    assert_int_equal(t->v.crtc[0], 0);
    assert_int_equal(t->v.crtc[7], 0x10);
    crtc(t, 0x11, 0x00);
    crtc(t, 0x00, 0x55);
    assert_int_equal(t->v.crtc[0], 0x55);
}

static void attribute_flip_flop_is_reset_by_status(void **state)
{
    struct fixture *t = *state;

    space_write(t->ports, 0x3c2, 1, 0x01);
    space_write(t->ports, 0x3c0, 1, 0x05);
    space_read(t->ports, 0x3da, 1);
    space_write(t->ports, 0x3c0, 1, 0x06); /* index again, not data */
    space_write(t->ports, 0x3c0, 1, 0x14);
    assert_int_equal(t->v.attr[6], 0x14);
    assert_int_equal(t->v.attr[5], 0);
    space_write(t->ports, 0x3c0, 1, 0x26); /* palette is locked while displayed */
    space_write(t->ports, 0x3c0, 1, 0x3f);
    assert_int_equal(t->v.attr[6], 0x14);
}

static void dac_has_six_or_eight_bits(void **state)
{
    struct fixture *t = *state;

    space_write(t->ports, 0x3c8, 1, 0xff);
    space_write(t->ports, 0x3c9, 1, 0x3f);
    space_write(t->ports, 0x3c9, 1, 0x20);
    space_write(t->ports, 0x3c9, 1, 0x01);
    assert_int_equal(t->v.palette[255][0], 0xff);
    assert_int_equal(t->v.palette[255][1], 0x82);
    space_write(t->ports, 0x3c7, 1, 0xff);
    assert_int_equal(space_read(t->ports, 0x3c9, 1), 0x3f);
    assert_int_equal(space_read(t->ports, 0x3c9, 1), 0x20);
    assert_int_equal(space_read(t->ports, 0x3c9, 1), 0x01);
    assert_int_equal(space_read(t->ports, 0x3c7, 1), 3);
    dispi(t, DISPI_ENABLE, DISPI_8BIT_DAC);
    space_write(t->ports, 0x3c8, 1, 7);
    space_write(t->ports, 0x3c9, 1, 0xfe);
    space_write(t->ports, 0x3c9, 1, 0xdc);
    space_write(t->ports, 0x3c9, 1, 0xba);
    space_write(t->ports, 0x3c7, 1, 7);
    assert_int_equal(space_read(t->ports, 0x3c9, 1), 0xfe);
}

static void status_shows_retrace_at_60_to_75_hz(void **state)
{
    struct fixture *t = *state;
    unsigned retraces = 0, display = 0, i;
    uint8_t last = 0, s;

    vga_set_mode(t->ports, &mode_12);
    for (i = 0; i < 100000; i++, clock_advance(t->clock, 10000)) { /* one second */
        s = space_read(t->ports, 0x3da, 1);
        retraces += (s & 8) && !(last & 8);
        display += !(s & 1);
        if (s & 8)
            assert_true(s & 1);
        last = s;
    }
    assert_in_range(retraces, 59, 61);
    assert_in_range(display, 65000, 80000);
}

static void write_mode_0_uses_all_of_the_graphics_controller(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_12);
    space_write(t->memory, 0xa0010, 1, 0x5a);
    assert_int_equal(load_le(t->v.vram + 0x40, 4), 0x5a5a5a5a);
    seq(t, 2, 0x05); /* map mask */
    gfx(t, 3, 0x01); /* rotate by one */
    space_write(t->memory, 0xa0010, 1, 0x81);
    assert_int_equal(load_le(t->v.vram + 0x40, 4), 0x5ac05ac0);
    seq(t, 2, 0x0f);
    gfx(t, 0, 0x03); /* set/reset: planes 0 and 1 to ones … */
    gfx(t, 1, 0x07); /* … where enabled; plane 2 to zeros */
    gfx(t, 3, 0x18); /* XOR with the latches */
    gfx(t, 8, 0xf0); /* only the upper nibble */
    space_read(t->memory, 0xa0010, 1);
    space_write(t->memory, 0xa0010, 1, 0xff);
    assert_int_equal(load_le(t->v.vram + 0x40, 4), 0xaac0aa30);
}

static void write_modes_1_2_3(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_12);
    store_le(t->v.vram, 4, 0x44332211);
    gfx(t, 5, 1);
    space_read(t->memory, 0xa0000, 1);
    space_write(t->memory, 0xa0001, 1, 0);
    assert_int_equal(load_le(t->v.vram + 4, 4), 0x44332211);
    gfx(t, 5, 2);
    space_write(t->memory, 0xa0002, 1, 0x0a);
    assert_int_equal(load_le(t->v.vram + 8, 4), 0xff00ff00);
    gfx(t, 5, 3);
    gfx(t, 0, 0x0c);
    space_write(t->memory, 0xa0001, 1, 0x0f); /* data is the mask, latches fill the rest */
    assert_int_equal(load_le(t->v.vram + 4, 4), 0x4f3f2010);
}

static void read_modes(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_12);
    store_le(t->v.vram, 4, 0x0f33550f);
    gfx(t, 4, 1);
    assert_int_equal(space_read(t->memory, 0xa0000, 1), 0x55);
    gfx(t, 4, 2);
    assert_int_equal(space_read(t->memory, 0xa0000, 2), 0x0033);
    gfx(t, 5, 8); /* colour compare: where is colour 9? */
    gfx(t, 2, 9);
    gfx(t, 7, 0x0f);
    assert_int_equal(space_read(t->memory, 0xa0000, 1), 0x08);
    gfx(t, 7, 0); /* all planes ignored: everywhere */
    assert_int_equal(space_read(t->memory, 0xa0000, 1), 0xff);
}

static void windows_answer_where_mapped(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_03);
    space_write(t->memory, 0xa0000, 1, 0x12);
    assert_int_equal(space_read(t->memory, 0xa0000, 1), 0xff);
    space_write(t->memory, 0xb8000, 4, 0x1f421e41);
    assert_int_equal(space_read(t->memory, 0xb8000, 4), 0x1f421e41);
    assert_int_equal(t->v.vram[0], 0x41);
    assert_int_equal(t->v.vram[1], 0x1e);
    assert_int_equal(t->v.vram[8], 0x42);
}

static void text_is_read_as_utf8(void **state)
{
    struct fixture *t = *state;
    char text[8192];

    vga_set_mode(t->ports, &mode_03);
    vga_put_text(t->memory, 0, 0, 7, "Hello  ");
    vga_put_text(t->memory, 2, 78, 7, "\xc9\x81");
    assert_true(vga_text(&t->v, text, sizeof(text)) > 0);
    assert_int_equal(strncmp(text, "Hello\n\n", 7), 0);
    assert_non_null(strstr(text, " ╔ü\n"));
    assert_int_equal(vga_text(&t->v, text, 20), -ENOSPC);
    vga_set_mode(t->ports, &mode_13);
    assert_int_equal(vga_text(&t->v, text, sizeof(text)), -EINVAL);
}

static void cells_and_cursor_follow_the_start_address(void **state)
{
    struct fixture *t = *state;
    struct vga_text_view *view = malloc(sizeof(*view));

    vga_set_mode(t->ports, &mode_03);
    vga_put_text(t->memory, 1, 0, 0x4f, "X");
    crtc(t, 0x0d, 80); /* scrolled by one row */
    crtc(t, 0x0f, 80 + 82);
    assert_true(vga_text_cells(&t->v, view));
    assert_int_equal(view->cols, 80);
    assert_int_equal(view->rows, 25);
    assert_int_equal(view->cells[0], 0x4f58);
    assert_true(view->is_cursor_visible);
    assert_int_equal(view->cursor_row, 1);
    assert_int_equal(view->cursor_col, 2);
    crtc(t, 0x0a, 0x2d);
    vga_text_cells(&t->v, view);
    assert_false(view->is_cursor_visible);
    vga_set_mode(t->ports, &mode_12);
    assert_false(vga_text_cells(&t->v, view));
    free(view);
}

static void text_is_painted_with_font_and_colors(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_03);
    t->v.vram[(0xc4 * 32 + 3) * 4 + 2] = 0x81; /* font line 3 of a line-drawing character */
    t->v.vram[('A' * 32 + 0) * 4 + 2] = 0x81;
    vga_put_text(t->memory, 0, 0, 0x1e, "\xc4");
    vga_put_text(t->memory, 1, 1, 0x1e, "A");
    crtc(t, 0x0f, 2); /* cursor at row 0, column 2, lines 0dh-0eh */
    vga_put_text(t->memory, 0, 2, 0x02, " ");
    assert_size(t, 720, 400);
    assert_true(t->g.is_text);
    assert_int_equal(pixel(t, 0, 3), vga_test_color(0x3e));
    assert_int_equal(pixel(t, 1, 3), vga_test_color(0x01));
    assert_int_equal(pixel(t, 7, 3), vga_test_color(0x3e));
    assert_int_equal(pixel(t, 8, 3), vga_test_color(0x3e)); /* ninth dot repeated */
    assert_int_equal(pixel(t, 9 + 7, 16), vga_test_color(0x3e));
    assert_int_equal(pixel(t, 9 + 8, 16), vga_test_color(0x01)); /* not for letters */
    assert_int_equal(pixel(t, 18, 13), vga_test_color(2));
    assert_int_equal(pixel(t, 18, 12), vga_test_color(0));
}

static void mode_13_is_linear(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_13);
    space_write(t->memory, 0xa0000, 4, 0x04030201);
    space_write(t->memory, 0xa0000 + 320 * 199 + 319, 1, 0x77);
    space_write(t->memory, 0xa0000 + 320, 1, 0x55);
    assert_int_equal(space_read(t->memory, 0xa0002, 1), 0x03);
    assert_size(t, 320, 200);
    assert_int_equal(pixel(t, 2, 0), vga_test_color(3));
    assert_int_equal(pixel(t, 0, 1), vga_test_color(0x55));
    assert_int_equal(pixel(t, 319, 199), vga_test_color(0x77));
}

static void mode_x_is_unchained(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_13);
    seq(t, 4, 0x06);
    crtc(t, 0x14, 0x00);
    crtc(t, 0x17, 0xe3);
    seq(t, 2, 0x02); /* every fourth pixel, from the second on */
    space_write(t->memory, 0xa0000 + 80 * 3 + 2, 1, 0x99);
    assert_size(t, 320, 200);
    assert_int_equal(pixel(t, 9, 3), vga_test_color(0x99));
    assert_int_equal(pixel(t, 8, 3), vga_test_color(0));
    crtc(t, 0x0d, 80); /* one line on */
    assert_size(t, 320, 200);
    assert_int_equal(pixel(t, 9, 2), vga_test_color(0x99));
}

static void mode_12_is_planar_with_palette_and_split(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_12);
    gfx(t, 5, 2);
    gfx(t, 8, 0x40);
    space_write(t->memory, 0xa0000 + 80 * 479 + 79, 1, 0x06);
    assert_size(t, 640, 480);
    assert_int_equal(pixel(t, 639 - 6, 479), vga_test_color(0x14));
    assert_int_equal(pixel(t, 639 - 7, 479), vga_test_color(0x00));
    crtc(t, 0x18, 239 & 0xff); /* line compare at 239: below, memory starts over */
    crtc(t, 0x07, 0x2e);
    crtc(t, 0x09, 0x00);
    gfx(t, 8, 0x80);
    space_write(t->memory, 0xa0000, 1, 0x07);
    assert_size(t, 640, 480);
    assert_int_equal(pixel(t, 0, 0), vga_test_color(7));
    assert_int_equal(pixel(t, 0, 240), vga_test_color(7));
    assert_int_equal(pixel(t, 0, 239), vga_test_color(0));
}

static void cga_modes_interleave_rows(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_04);
    space_write(t->memory, 0xb8000, 1, 0x1b);      /* row 0: colours 0 1 2 3 */
    space_write(t->memory, 0xb8001, 1, 0xc0);      /* pixels 4-7: 3 0 0 0 */
    space_write(t->memory, 0xba000 + 79, 1, 0x03); /* row 1, last pixel */
    assert_size(t, 320, 200);
    assert_int_equal(pixel(t, 1, 0), vga_test_color(0x13));
    assert_int_equal(pixel(t, 2, 0), vga_test_color(0x15));
    assert_int_equal(pixel(t, 3, 0), vga_test_color(0x17));
    assert_int_equal(pixel(t, 4, 0), vga_test_color(0x17));
    assert_int_equal(pixel(t, 319, 1), vga_test_color(0x17));
    vga_set_mode(t->ports, &mode_06);
    memset(t->v.vram, 0, 0x40000);
    space_write(t->memory, 0xba000 + 80 + 79, 1, 0x01); /* row 3 */
    assert_size(t, 640, 200);
    assert_int_equal(pixel(t, 639, 3), vga_test_color(0x17));
    assert_int_equal(pixel(t, 639, 1), vga_test_color(0));
}

static void set_vbe(struct fixture *t, unsigned width, unsigned height, unsigned bpp)
{
    dispi(t, DISPI_ENABLE, 0);
    dispi(t, DISPI_XRES, width);
    dispi(t, DISPI_YRES, height);
    dispi(t, DISPI_BPP, bpp);
    dispi(t, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB);
    space_write(t->ports, 0x3c2, 1, 0x67);
    space_read(t->ports, 0x3da, 1);
    space_write(t->ports, 0x3c0, 1, 0x20);
}

static void dispi_identifies_itself(void **state)
{
    struct fixture *t = *state;

    assert_int_equal(dispi_get(t, DISPI_ID), 0xb0c5);
    dispi(t, DISPI_ID, 0xb0c2);
    assert_int_equal(dispi_get(t, DISPI_ID), 0xb0c2);
    dispi(t, DISPI_ID, 0xb0d0);
    assert_int_equal(dispi_get(t, DISPI_ID), 0xb0c2);
    assert_int_equal(dispi_get(t, DISPI_VIDEO_MEMORY_64K), 256);
    dispi(t, DISPI_ENABLE, DISPI_GETCAPS);
    assert_int_equal(dispi_get(t, DISPI_XRES), DISPI_MAX_XRES);
    assert_int_equal(dispi_get(t, DISPI_BPP), 32);
    assert_int_equal(dispi_get(t, 0x1234), 0);
}

static void vbe_pictures_of_all_depths(void **state)
{
    struct fixture *t = *state;
    static const struct { unsigned bpp, bytes; uint32_t raw, color; } depth[] = {
        {8, 1, 0x55, 0}, {15, 2, 0x7fff & ~0x1f, 0xffff00}, {16, 2, 0xf81f, 0xff00ff},
        {24, 3, 0x123456, 0x123456}, {32, 4, 0xff654321, 0x654321}};
    unsigned i;

    map_bars(t);
    vga_set_mode(t->ports, &mode_13);
    for (i = 0; i < ARRAY_SIZE(depth); i++) {
        unsigned at = (5 * 640 + 7) * depth[i].bytes, k;

        set_vbe(t, 640, 480, depth[i].bpp);
        for (k = 0; k < depth[i].bytes; k++)
            space_write(t->memory, LFB + at + k, 1, depth[i].raw >> (8 * k));
        assert_size(t, 640, 480);
        assert_false(t->g.is_text);
        assert_int_equal(pixel(t, 7, 5), depth[i].color ? depth[i].color : vga_test_color(0x55));
        assert_int_equal(pixel(t, 8, 5), depth[i].bpp == 8 ? vga_test_color(0) : 0);
    }
}

static void vbe_4_bpp_is_planar(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_12);
    set_vbe(t, 800, 600, 4);
    seq(t, 2, 0x05);
    space_write(t->memory, 0xa0000 + 100 * 599 + 99, 1, 0x01);
    assert_size(t, 800, 600);
    assert_int_equal(pixel(t, 799, 599), vga_test_color(5));
}

static void vbe_banks_offsets_and_clearing(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_13);
    set_vbe(t, 1024, 768, 8);
    assert_int_equal(dispi_get(t, DISPI_VIRT_HEIGHT), 16384);
    dispi(t, DISPI_BANK, 2);
    space_write(t->memory, 0xa0010, 1, 0x42);
    assert_int_equal(t->v.vram[0x20010], 0x42);
    dispi(t, DISPI_Y_OFFSET, 100);
    assert_size(t, 1024, 768);
    assert_int_equal(pixel(t, 0x10, 28), vga_test_color(0x42));
    dispi(t, DISPI_VIRT_WIDTH, 2048);
    assert_int_equal(dispi_get(t, DISPI_VIRT_HEIGHT), 8192);
    dispi(t, DISPI_X_OFFSET, 8);
    dispi(t, DISPI_Y_OFFSET, 64);
    assert_size(t, 1024, 768);
    assert_int_equal(pixel(t, 8, 0), vga_test_color(0x42));
    dispi(t, DISPI_ENABLE, 0);
    dispi(t, DISPI_ENABLE, DISPI_ENABLED | DISPI_NOCLEARMEM);
    assert_int_equal(t->v.vram[0x20010], 0x42);
    dispi(t, DISPI_ENABLE, 0);
    dispi(t, DISPI_ENABLE, DISPI_ENABLED);
    assert_int_equal(t->v.vram[0x20010], 0);
}

static void hostile_dispi_values_stay_inside(void **state)
{
    struct fixture *t = *state;

    set_vbe(t, 2560, 1600, 32);
    dispi(t, DISPI_VIRT_WIDTH, 0xffff);
    dispi(t, DISPI_X_OFFSET, 0xffff);
    dispi(t, DISPI_Y_OFFSET, 0xffff);
    dispi(t, DISPI_BANK, 0xffff);
    render(t);
    space_write(t->memory, 0xaffff, 1, 1);
    dispi(t, DISPI_BPP, 4);
    set_vbe(t, 0, 0, 7);
    render(t);
    set_vbe(t, 0xffff, 0xffff, 4);
    dispi(t, DISPI_BANK, 0xff);
    space_write(t->memory, 0xaffff, 8, 1);
    render(t);
}

static void random_registers_never_hurt(void **state)
{
    struct fixture *t = *state;
    struct vga_text_view *view = malloc(sizeof(*view));
    char *text = malloc(200000);
    unsigned i, j;

    srandom(1);
    for (i = 0; i < 40; i++) {
        for (j = 0; j < sizeof(t->v.crtc); j++)
            t->v.crtc[j] = random();
        for (j = 0; j < 5; j++)
            t->v.seq[j] = random();
        for (j = 0; j < 9; j++)
            t->v.gfx[j] = random();
        for (j = 0; j < sizeof(t->v.attr); j++)
            t->v.attr[j] = random();
        t->v.attr_index = 0x20;
        if (i & 1)
            t->v.gfx[6] &= ~1, t->v.attr[0x10] &= ~1;
        for (j = 0; j < 64; j++)
            space_write(t->memory, 0xa0000 + random() % 0x1fff8, 8, random());
        space_read(t->ports, 0x3da, 1);
        render(t);
        vga_text_cells(&t->v, view);
        vga_text(&t->v, text, 200000);
    }
    free(text);
    free(view);
}

static void bar_0_is_video_memory(void **state)
{
    struct fixture *t = *state;

    map_bars(t);
    space_write(t->memory, LFB + VGA_VRAM_BYTES - 4, 4, 0x11223344);
    assert_int_equal(load_le(t->v.vram + VGA_VRAM_BYTES - 4, 4), 0x11223344);
}

static void count_watch(void *opaque, uint64_t off, uint64_t len)
{
    ++*(unsigned *)opaque;
}

static void code_in_video_memory_is_watched(void **state)
{
    struct fixture *t = *state;
    unsigned hits = 0;

    guestmem_add_watch(t->mem, count_watch, &hits);
    vga_set_mode(t->ports, &mode_13);
    space_write(t->memory, 0xa1000, 1, 1);
    assert_int_equal(hits, 0);
    guestmem_code_flags(t->mem)[(t->v.vram_off + 0x1000) / 4096] = 1;
    space_write(t->memory, 0xa1000, 1, 1);
    assert_int_equal(hits, 1);
    set_vbe(t, 640, 480, 32);
    assert_true(hits > 1);
}

static void reset_blanks_the_screen(void **state)
{
    struct fixture *t = *state;

    vga_set_mode(t->ports, &mode_03);
    render(t);
    assert_false(t->g.is_blank);
    t->v.dev.ops->reset(&t->v.dev);
    render(t);
    assert_true(t->g.is_blank);
    assert_int_equal(pixel(t, 0, 0), 0);
    assert_int_equal(dispi_get(t, DISPI_ID), 0xb0c5);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(registers_keep_the_bits_that_exist),
        T(crtc_moves_with_misc_bit_0),
        T(crtc_protection_spares_line_compare),
        T(attribute_flip_flop_is_reset_by_status),
        T(dac_has_six_or_eight_bits),
        T(status_shows_retrace_at_60_to_75_hz),
        T(write_mode_0_uses_all_of_the_graphics_controller),
        T(write_modes_1_2_3),
        T(read_modes),
        T(windows_answer_where_mapped),
        T(text_is_read_as_utf8),
        T(cells_and_cursor_follow_the_start_address),
        T(text_is_painted_with_font_and_colors),
        T(mode_13_is_linear),
        T(mode_x_is_unchained),
        T(mode_12_is_planar_with_palette_and_split),
        T(cga_modes_interleave_rows),
        T(dispi_identifies_itself),
        T(vbe_pictures_of_all_depths),
        T(vbe_4_bpp_is_planar),
        T(vbe_banks_offsets_and_clearing),
        T(hostile_dispi_values_stay_inside),
        T(random_registers_never_hurt),
        T(bar_0_is_video_memory),
        T(code_in_video_memory_is_watched),
        T(reset_blanks_the_screen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
