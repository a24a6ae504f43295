/* Screenshots: PNG read back, PPM and text byte for byte, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "frontend/screenshot.h"
#include "tests/unit/vga_modes.h"

struct fixture {
    char dir[32], path[64], why[WHY_BYTES];
    struct guestmem *mem;
    struct space *memory, *ports;
    struct clock *clock;
    struct vga v;
};

static int setup(void **state)
{
    struct fixture *t = calloc(1, sizeof(*t));

    strcpy(t->dir, "/tmp/ringer-test-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    t->mem = guestmem_create(MIB(32));
    t->memory = space_create(GIB(4), t->mem);
    t->ports = space_create(0x10000, NULL);
    t->clock = clock_create_manual();
    assert_int_equal(vga_init(&t->v, t->mem, t->memory, t->ports, t->clock), 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *t = *state;

    unlink(t->path);
    assert_int_equal(rmdir(t->dir), 0); /* nothing else was left behind */
    space_destroy(t->ports);
    space_destroy(t->memory);
    clock_destroy(t->clock);
    guestmem_destroy(t->mem);
    free(t);
    return 0;
}

static int shoot(struct fixture *t, const char *name)
{
    snprintf(t->path, sizeof(t->path), "%s/%s", t->dir, name);
    return screenshot_write(&t->v, t->path, t->why);
}

static void png_shows_the_picture(void **state)
{
    struct fixture *t = *state;
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t *rgb;
    uint32_t c = vga_test_color(0x2a);

    vga_set_mode(t->ports, &mode_13);
    space_write(t->memory, 0xa0000 + 320 * 7 + 5, 1, 0x2a);
    assert_int_equal(shoot(t, "a.png"), 0);
    assert_true(png_image_begin_read_from_file(&image, t->path));
    assert_int_equal(image.width, 320);
    assert_int_equal(image.height, 200);
    image.format = PNG_FORMAT_RGB;
    rgb = malloc(PNG_IMAGE_SIZE(image));
    assert_true(png_image_finish_read(&image, NULL, rgb, 0, NULL));
    assert_int_equal(rgb[(320 * 7 + 5) * 3 + 0], c >> 16);
    assert_int_equal(rgb[(320 * 7 + 5) * 3 + 1], c >> 8 & 0xff);
    assert_int_equal(rgb[(320 * 7 + 5) * 3 + 2], c & 0xff);
    assert_int_equal(rgb[(320 * 7 + 6) * 3], vga_test_color(0) >> 16);
    free(rgb);
}

static size_t read_back(struct fixture *t, char *buf, size_t size)
{
    FILE *from = fopen(t->path, "rb");
    size_t n;

    assert_non_null(from);
    n = fread(buf, 1, size - 1, from);
    fclose(from);
    buf[n] = '\0';
    return n;
}

static void ppm_has_header_and_pixels(void **state)
{
    struct fixture *t = *state;
    char *buf = malloc(1 << 20);

    vga_set_mode(t->ports, &mode_13);
    assert_int_equal(shoot(t, "a.PPM"), 0);
    assert_int_equal(read_back(t, buf, 1 << 20), 15 + 320 * 200 * 3);
    assert_memory_equal(buf, "P6\n320 200\n255\n", 15);
    free(buf);
}

static void txt_shows_text_mode_only(void **state)
{
    struct fixture *t = *state;
    char buf[8192];

    vga_set_mode(t->ports, &mode_03);
    vga_put_text(t->memory, 1, 2, 7, "login:");
    assert_int_equal(shoot(t, "a.txt"), 0);
    read_back(t, buf, sizeof(buf));
    assert_int_equal(strncmp(buf, "\n  login:\n\n", 11), 0);
    unlink(t->path);
    vga_set_mode(t->ports, &mode_12);
    assert_int_equal(shoot(t, "a.txt"), -EINVAL);
    assert_non_null(strstr(t->why, "graphics mode"));
    assert_int_equal(access(t->path, F_OK), -1);
}

static void bad_names_are_refused(void **state)
{
    struct fixture *t = *state;

    assert_int_equal(shoot(t, "a.gif"), -EINVAL);
    assert_non_null(strstr(t->why, "must end in"));
    assert_int_equal(screenshot_check_name("noext", t->why), -EINVAL);
    assert_int_equal(screenshot_check_name("x.png", t->why), 0);
    assert_int_equal(shoot(t, "no/such/dir.png"), -ENOENT);
    assert_non_null(strstr(t->why, "No such file"));
}

static void full_disk_leaves_nothing_behind(void **state)
{
    struct fixture *t = *state;

    if (access("/dev/full", W_OK) != 0)
        skip();
    snprintf(t->path, sizeof(t->path), "%s/a.ppm.part", t->dir); /* the name it writes to first */
    assert_int_equal(symlink("/dev/full", t->path), 0);
    assert_int_equal(shoot(t, "a.ppm"), -ENOSPC);
    assert_non_null(strstr(t->why, "No space"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(png_shows_the_picture),
        T(ppm_has_header_and_pixels),
        T(txt_shows_text_mode_only),
        T(bad_names_are_refused),
        T(full_disk_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
