#include "tests/unit/chip_fixture.h"
#include "devices/port92.h"

struct fixture {
    struct space *ports;
    struct port92 chip;
    struct recorder a20, init;
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.ports = space_create(0x10000, NULL)};
    recorder_init(&f.a20);
    recorder_init(&f.init);
    assert_int_equal(port92_init(&f.chip, f.ports, &f.a20.wire, &f.init.wire), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    space_destroy(f->ports);
    return 0;
}

static void init_pulses_only_on_rising_edge(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x92, 0x01);
    out8(f->ports, 0x92, 0x01);
    assert_int_equal(f->init.rises, 1);
    assert_int_equal(f->init.falls, 1);
    out8(f->ports, 0x92, 0x00);
    out8(f->ports, 0x92, 0x01);
    assert_int_equal(f->init.rises, 2);
}

static void a20_follows_bit_1(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x92, 0x02);
    assert_true(f->a20.wire.level);
    assert_int_equal(in8(f->ports, 0x92), 0x02);
    f->chip.dev.ops->reset(&f->chip.dev);
    assert_false(f->a20.wire.level);
    assert_int_equal(f->init.rises, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(init_pulses_only_on_rising_edge, setup, teardown),
        cmocka_unit_test_setup_teardown(a20_follows_bit_1, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
