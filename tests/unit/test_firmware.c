/* BIOS images: placement at the top of 4 GiB and below 1 MiB, and what the user is told when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "frontend/firmware.h"

struct fixture {
    char path[32], why[WHY_BYTES];
    struct guestmem *mem;
    struct space *memory;
    struct firmware fw;
};

static int setup(void **state)
{
    struct fixture *t = calloc(1, sizeof(*t));
    int fd;

    strcpy(t->path, "/tmp/ringer-test-XXXXXX");
    fd = mkstemp(t->path);
    assert_true(fd >= 0);
    close(fd);
    t->mem = guestmem_create(MIB(4));
    t->memory = space_create(GIB(4), t->mem);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *t = *state;

    unlink(t->path);
    space_destroy(t->memory);
    guestmem_destroy(t->mem);
    free(t);
    return 0;
}

/* A file of len bytes whose last 16 are the reset vector's line; first byte 5ah. */
static void make_file(struct fixture *t, size_t len)
{
    uint8_t *data = calloc(1, len);
    FILE *to = fopen(t->path, "wb");

    data[0] = 0x5a;
    if (len >= 16)
        memcpy(data + len - 16, "reset vector....", 16);
    assert_int_equal(fwrite(data, 1, len, to), len);
    fclose(to);
    free(data);
}

static void image_ends_at_4_gib_and_1_mib(void **state)
{
    struct fixture *t = *state;

    make_file(t, KIB(256));
    assert_int_equal(firmware_load_bios(t->mem, t->memory, t->path, &t->fw, t->why), 0);
    assert_int_equal(firmware_map_low(t->memory, &t->fw), 0);
    assert_int_equal(space_read(t->memory, 0xfffffff0, 4), 0x65736572);
    assert_int_equal(space_read(t->memory, 0xfffc0000, 1), 0x5a);
    assert_int_equal(space_read(t->memory, 0xffff0, 4), 0x65736572);
    assert_int_equal(space_read(t->memory, 0xdffff, 1), 0xff);
    space_write(t->memory, 0xfffffff0, 4, 0);
    assert_int_equal(space_read(t->memory, 0xfffffff0, 4), 0x65736572); /* it is ROM */
}

static void short_images_are_filled_up_at_the_front(void **state)
{
    struct fixture *t = *state;

    make_file(t, 100);
    assert_int_equal(firmware_load_bios(t->mem, t->memory, t->path, &t->fw, t->why), 0);
    assert_int_equal(firmware_map_low(t->memory, &t->fw), 0);
    assert_int_equal(t->fw.len, KIB(64));
    assert_int_equal(space_read(t->memory, GIB(4) - 100, 1), 0x5a);
    assert_int_equal(space_read(t->memory, GIB(4) - 101, 1), 0xff);
    assert_int_equal(space_read(t->memory, MIB(1) - 16, 4), 0x65736572);
}

static void bad_files_are_named(void **state)
{
    struct fixture *t = *state;
    uint8_t *data;
    uint32_t len;

    assert_int_equal(firmware_load_bios(t->mem, t->memory, "/nonexistent/bios", &t->fw, t->why), -ENOENT);
    assert_non_null(strstr(t->why, "BIOS /nonexistent/bios: No such file"));
    assert_null(strstr(t->why, "package"));
    assert_int_equal(firmware_load_bios(t->mem, t->memory, t->path, &t->fw, t->why), -EINVAL);
    assert_non_null(strstr(t->why, "is empty"));
    make_file(t, 15);
    assert_int_equal(firmware_load_bios(t->mem, t->memory, t->path, &t->fw, t->why), -EINVAL);
    assert_non_null(strstr(t->why, "reset vector"));
    make_file(t, MIB(17));
    assert_int_equal(firmware_load_bios(t->mem, t->memory, t->path, &t->fw, t->why), -EFBIG);
    make_file(t, 2048);
    assert_int_equal(firmware_load_vgabios(t->path, &data, &len, t->why), -EINVAL);
    assert_non_null(strstr(t->why, "option ROM"));
}

static void missing_seabios_names_its_package(void **state)
{
    struct fixture *t = *state;

    if (access(FIRMWARE_BIOS, R_OK) == 0) {
        uint8_t *data;
        uint32_t len;

        assert_int_equal(firmware_check(FIRMWARE_BIOS, t->why), 0);
        assert_int_equal(firmware_load_bios(t->mem, t->memory, NULL, &t->fw, t->why), 0);
        assert_int_equal(firmware_load_vgabios(NULL, &data, &len, t->why), 0);
        assert_int_equal(len % 512, 0);
        free(data);
    } else {
        assert_int_equal(firmware_check(FIRMWARE_BIOS, t->why), -ENOENT);
        assert_non_null(strstr(t->why, "; install the package seabios"));
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(image_ends_at_4_gib_and_1_mib),
        T(short_images_are_filled_up_at_the_front),
        T(bad_files_are_named),
        T(missing_seabios_names_its_package),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
