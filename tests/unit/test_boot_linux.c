/* Linux boot protocol: header checks, placement, patched fields; the option ROM and boot order that go with it. */
#include "tests/unit/bootfile.h"
#include "frontend/boot_linux.h"

#define SETUP_SECTS 2
#define SETUP_LEN ((SETUP_SECTS + 1) * 512)
#define KERNEL_LEN 4000
#define RAM MIB(64)

static uint8_t image[SETUP_LEN + KERNEL_LEN];

/* A bzImage of the protocol version; its contents are recognizable. */
static void make_image(unsigned version)
{
    unsigned i;

    memset(image, 0, sizeof(image));
    for (i = SETUP_LEN; i < sizeof(image); i++)
        image[i] = i * 7;
    image[0x1f1] = SETUP_SECTS;
    store_le(image + 0x1f4, 4, KERNEL_LEN / 16);
    store_le(image + 0x1fe, 2, 0xaa55);
    memcpy(image + 0x202, "HdrS", 4);
    store_le(image + 0x206, 2, version);
    image[0x211] = 1;
    store_le(image + 0x22c, 4, 0x37ffffff);
    store_le(image + 0x238, 4, 2047);
    store_le(image + 0x258, 8, 0x1000000);
    store_le(image + 0x260, 4, 0x800000);
}

static int prepare(struct boot_fixture *t, const char *initrd, const char *cmdline, uint64_t ram)
{
    write_file(t->path, image, sizeof(image));
    return boot_kernel_prepare(&t->f, t->path, initrd, cmdline, ram, t->why);
}

static void kernel_and_command_line_are_placed(void **state)
{
    struct boot_fixture *t = *state;
    const uint8_t *setup, *p;
    uint32_t len;

    make_image(0x20f);
    assert_int_equal(prepare(t, NULL, "console=ttyS0 quiet", RAM), 0);
    boot_result(t);
    assert_int_equal(t->h->kind, BOOTROM_LINUX);
    assert_int_equal(t->h->entry, 0x1000);
    setup = boot_segment(t, 0x10000, &len);
    assert_int_equal(len, SETUP_LEN);
    assert_int_equal(setup[0x210], 0xff);
    assert_int_equal(setup[0x211], 0x81);
    assert_int_equal(load_le(setup + 0x224, 2), 0xfe00);
    assert_int_equal(load_le(setup + 0x228, 4), 0x20000);
    assert_int_equal(load_le(setup + 0x21c, 4), 0);
    assert_true(t->h->param <= 0x10000 && t->h->param > load_le(setup + 0x224, 2));
    assert_string_equal(boot_segment(t, 0x20000, &len), "console=ttyS0 quiet");
    p = boot_segment(t, 0x100000, &len);
    assert_int_equal(len, KERNEL_LEN);
    assert_memory_equal(p, image + SETUP_LEN, KERNEL_LEN);
}

static void rom_and_boot_order_are_valid(void **state)
{
    struct boot_fixture *t = *state;
    const struct fwcfg_item *item;
    uint8_t sum = 0;
    uint32_t i, pnp;

    make_image(0x20f);
    assert_int_equal(prepare(t, NULL, NULL, RAM), 0);
    item = fwcfg_find_file(&t->f, "genroms/ringer-boot.rom");
    assert_non_null(item);
    assert_int_equal(load_le(item->data, 2), 0xaa55);
    assert_int_equal(item->data[2] * 512, item->len);
    for (i = 0; i < item->len; i++)
        sum += item->data[i];
    assert_int_equal(sum, 0);
    pnp = load_le(item->data + 0x1a, 2);
    assert_memory_equal(item->data + pnp, "$PnP", 4);
    for (i = 0; i < 32; i++)
        sum += item->data[pnp + i];
    assert_int_equal(sum, 0);
    assert_in_range(load_le(item->data + pnp + 0x1a, 2), 0x20, item->len - 1);
    item = fwcfg_find_file(&t->f, "bootorder");
    assert_non_null(item);
    assert_string_equal(item->data, "/rom@genroms/ringer-boot.rom\nHALT");
}

static uint32_t initrd_address(struct boot_fixture *t)
{
    uint32_t len;
    const uint8_t *setup;

    boot_result(t);
    setup = boot_segment(t, 0x10000, &len);
    assert_int_equal(load_le(setup + 0x21c, 4), 10);
    assert_memory_equal(boot_segment(t, load_le(setup + 0x218, 4), &len), "ten bytes!", 10);
    return load_le(setup + 0x218, 4);
}

static void initrd_goes_high_but_not_too_high(void **state)
{
    struct boot_fixture *t = *state;
    uint32_t at;

    write_file(t->other, "ten bytes!", 10);
    make_image(0x20f);
    assert_int_equal(prepare(t, t->other, "", RAM), 0);
    at = initrd_address(t);
    assert_true(at % 4096 == 0 && at + 10 <= RAM - KIB(256) && at >= RAM - MIB(1));
    assert_int_equal(prepare(t, t->other, "", GIB(2)), 0);
    assert_int_equal(initrd_address(t), 0x37fff000);
    store_le(image + 0x22c, 4, 0xffffffff);
    assert_int_equal(prepare(t, t->other, "", GIB(3)), 0);
    assert_true(initrd_address(t) > GIB(3) - MIB(1));
    make_image(0x200); /* no initrd_addr_max yet */
    store_le(image + 0x22c, 4, 0);
    assert_int_equal(prepare(t, t->other, "", GIB(2)), 0);
    assert_int_equal(initrd_address(t), 0x37fff000);
}

static void initrd_must_not_meet_the_kernel(void **state)
{
    struct boot_fixture *t = *state;

    write_file(t->other, "ten bytes!", 10);
    make_image(0x20f);
    assert_int_equal(prepare(t, t->other, "", MIB(24)), -ENOMEM); /* decompressed up to 24 MiB */
    assert_why(t, "do not fit");
    make_image(0x209);
    assert_int_equal(prepare(t, t->other, "", MIB(24)), 0);
}

static void old_protocols_have_the_old_command_line(void **state)
{
    struct boot_fixture *t = *state;
    const uint8_t *setup;
    uint32_t len;

    make_image(0x201);
    assert_int_equal(prepare(t, NULL, "root=/dev/hda1", RAM), 0);
    boot_result(t);
    setup = boot_segment(t, 0x10000, &len);
    assert_int_equal(load_le(setup + 0x20, 2), 0xa33f);
    assert_string_equal(boot_segment(t, 0x10000 + load_le(setup + 0x22, 2), &len), "root=/dev/hda1");
    assert_true(t->h->param < load_le(setup + 0x22, 2));
}

static void no_setup_sectors_means_four(void **state)
{
    struct boot_fixture *t = *state;
    uint32_t len;

    make_image(0x200);
    image[0x1f1] = 0;
    assert_int_equal(prepare(t, NULL, NULL, RAM), 0);
    boot_result(t);
    boot_segment(t, 0x10000, &len);
    assert_int_equal(len, 5 * 512);
}

static void vga_option_sets_the_video_mode(void **state)
{
    static const struct { const char *cmdline; uint16_t mode; } cases[] = {
        {"vga=788", 788}, {"quiet vga=0x317 x", 0x317}, {"vga=ask", 0xfffd}, {"vga=normal", 0xffff},
        {"novga=3", 0}, {"vga=1 vga=2", 2}};
    struct boot_fixture *t = *state;
    uint32_t len;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        make_image(0x20f);
        assert_int_equal(prepare(t, NULL, cases[i].cmdline, RAM), 0);
        boot_result(t);
        assert_int_equal(load_le(boot_segment(t, 0x10000, &len) + 0x1fa, 2), cases[i].mode);
    }
}

static void bad_kernels_are_refused_in_one_sentence(void **state)
{
    struct boot_fixture *t = *state;

    make_image(0x20f);
    write_file(t->path, image, sizeof(image) - 100);
    assert_int_equal(boot_kernel_prepare(&t->f, t->path, NULL, NULL, RAM, t->why), -ENOEXEC);
    assert_why(t, "truncated");
    assert_why(t, t->path);
    write_file(t->path, image, SETUP_LEN - 1);
    assert_int_equal(boot_kernel_prepare(&t->f, t->path, NULL, NULL, RAM, t->why), -ENOEXEC);
    assert_why(t, "truncated");
    write_file(t->path, image, 100);
    assert_int_equal(boot_kernel_prepare(&t->f, t->path, NULL, NULL, RAM, t->why), -ENOEXEC);
    assert_why(t, "neither a Linux bzImage nor a multiboot kernel");
    write_file(t->path, "", 0);
    assert_int_equal(boot_kernel_prepare(&t->f, t->path, NULL, NULL, RAM, t->why), -EINVAL);
    assert_why(t, "is empty");
    assert_int_equal(boot_kernel_prepare(&t->f, t->dir, NULL, NULL, RAM, t->why), -EISDIR);
    assert_why(t, "is a directory");
    assert_int_equal(boot_kernel_prepare(&t->f, "/nonexistent/k", NULL, NULL, RAM, t->why), -ENOENT);
    assert_why(t, "/nonexistent/k: No such file");
    image[0x211] = 0;
    assert_int_equal(prepare(t, NULL, NULL, RAM), -ENOEXEC);
    assert_why(t, "zImage");
    assert_null(fwcfg_find_file(&t->f, BOOTROM_BLOB));
}

static void bad_initrds_and_command_lines_are_refused(void **state)
{
    struct boot_fixture *t = *state;
    char line[4096];

    make_image(0x20f);
    assert_int_equal(prepare(t, "/nonexistent/i", NULL, RAM), -ENOENT);
    assert_why(t, "initrd /nonexistent/i");
    write_file(t->other, "", 0);
    assert_int_equal(prepare(t, t->other, NULL, RAM), -EINVAL);
    assert_why(t, "is empty");
    unlink(t->other);
    assert_int_equal(mkfifo(t->other, 0600), 0);
    assert_int_equal(prepare(t, t->other, NULL, RAM), -EINVAL);
    assert_why(t, "not a regular file");
    memset(line, 'x', sizeof(line));
    line[2047] = '\0';
    assert_int_equal(prepare(t, NULL, line, RAM), 0);
    line[2047] = 'x', line[2048] = '\0';
    assert_int_equal(prepare(t, NULL, line, RAM), -E2BIG);
    assert_why(t, "2048 characters");
    assert_int_equal(prepare(t, NULL, NULL, MIB(1)), -ENOMEM);
    assert_why(t, "memory");
}

/* Every prefix and many damaged headers: refused or accepted, never out of bounds. */
static void damaged_headers_never_hurt(void **state)
{
    struct boot_fixture *t = *state;
    unsigned i, j;

    srandom(2);
    for (i = 0; i < 200; i++) {
        make_image(0x20f);
        for (j = 0; j < 8; j++)
            image[0x1f1 + random() % 0x73] = random();
        memcpy(image + 0x202, "HdrS", 4);
        store_le(image + 0x1fe, 2, 0xaa55);
        prepare(t, NULL, "x", RAM);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, boot_setup, boot_teardown)
    const struct CMUnitTest tests[] = {
        T(kernel_and_command_line_are_placed),
        T(rom_and_boot_order_are_valid),
        T(initrd_goes_high_but_not_too_high),
        T(initrd_must_not_meet_the_kernel),
        T(old_protocols_have_the_old_command_line),
        T(no_setup_sectors_means_four),
        T(vga_option_sets_the_video_mode),
        T(bad_kernels_are_refused_in_one_sentence),
        T(bad_initrds_and_command_lines_are_refused),
        T(damaged_headers_never_hurt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
