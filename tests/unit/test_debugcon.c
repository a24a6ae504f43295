#include "tests/unit/chip_fixture.h"
#include "devices/debugcon.h"

static void writes_reach_the_backend_and_reads_identify(void **state)
{
    struct space *ports = space_create(0x10000, NULL);
    struct chardev *chr = chardev_create_memory();
    struct debugcon d;
    const uint8_t *out;
    size_t len;

    assert_int_equal(debugcon_init(&d, ports, chr), 0);
    assert_int_equal(in8(ports, 0xe9), 0xe9);
    out8(ports, 0xe9, 'o');
    out8(ports, 0xe9, 'k');
    out = chardev_memory_output(chr, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(out, "ok", 2);
    chardev_close(chr);
    space_destroy(ports);
}

static void without_backend_output_is_dropped(void **state)
{
    struct space *ports = space_create(0x10000, NULL);
    struct debugcon d;

    assert_int_equal(debugcon_init(&d, ports, NULL), 0);
    out8(ports, 0xe9, 'x');
    assert_int_equal(in8(ports, 0xe9), 0xe9);
    space_destroy(ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_reach_the_backend_and_reads_identify),
        cmocka_unit_test(without_backend_output_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
