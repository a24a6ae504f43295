#include "tests/unit/chip_fixture.h"
#include "devices/exitport.h"

static void exit_fn(void *opaque, unsigned status)
{
    *(unsigned *)opaque = status;
}

static void status_is_shifted_and_odd(void **state)
{
    struct space *ports = space_create(0x10000, NULL);
    struct exitport e;
    unsigned status = 0;

    assert_int_equal(exitport_init(&e, ports, 0xf4, exit_fn, &status), 0);
    assert_int_equal(in8(ports, 0xf4), 0);
    out8(ports, 0xf4, 0x10);
    assert_int_equal(status, 0x21);
    space_write(ports, 0xf4, 4, 0);
    assert_int_equal(status, 1);
    space_destroy(ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(status_is_shifted_and_odd)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
