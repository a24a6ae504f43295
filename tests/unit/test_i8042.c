#include "tests/unit/chip_fixture.h"
#include "devices/i8042.h"

struct fixture {
    struct space *ports;
    struct clock *clock;
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
    struct i8042 chip;
    struct recorder irq1, irq12, a20, reset;
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.ports = space_create(0x10000, NULL), .clock = clock_create_manual()};
    recorder_init(&f.irq1);
    recorder_init(&f.irq12);
    recorder_init(&f.a20);
    recorder_init(&f.reset);
    ps2_keyboard_init(&f.keyboard);
    ps2_mouse_init(&f.mouse);
    assert_int_equal(i8042_init(&f.chip, f.ports, f.clock, &f.keyboard, &f.mouse, &f.irq1.wire, &f.irq12.wire,
                                &f.a20.wire, &f.reset.wire),
                     0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_disarm(&f->chip.gap);
    clock_destroy(f->clock);
    space_destroy(f->ports);
    return 0;
}

static uint8_t status(struct fixture *f)
{
    return in8(f->ports, 0x64);
}

static void command(struct fixture *f, uint8_t value)
{
    out8(f->ports, 0x64, value);
}

static void data(struct fixture *f, uint8_t value)
{
    out8(f->ports, 0x60, value);
}

/* Wait as a driver would, and read; source is 0x01 or 0x21 (status OBF, AUX). */
static uint8_t expect(struct fixture *f, uint8_t source)
{
    clock_advance(f->clock, 1 * MS);
    assert_int_equal(status(f) & 0x21, source);
    return in8(f->ports, 0x60);
}
#define KBD 0x01
#define AUX 0x21

static void expect_nothing(struct fixture *f)
{
    clock_advance(f->clock, 1 * MS);
    assert_int_equal(status(f) & 0x01, 0);
}

/* What Linux's i8042 driver does when it probes. */
static void linux_probe(void **state)
{
    struct fixture *f = *state;

    expect_nothing(f);
    command(f, 0x20);
    assert_int_equal(expect(f, KBD), 0x41);
    command(f, 0x60);
    data(f, 0x74);
    command(f, 0xd3); /* loop test */
    data(f, 0x5a);
    assert_int_equal(expect(f, AUX), 0x5a);
    command(f, 0xa8);
    command(f, 0x20);
    assert_int_equal(expect(f, KBD) & 0x20, 0);
    command(f, 0xa7);
    command(f, 0x20);
    assert_int_equal(expect(f, KBD) & 0x20, 0x20);
    command(f, 0x60);
    data(f, 0x56); /* AUX interrupt on, keyboard off */
    command(f, 0xd3);
    data(f, 0xa5);
    assert_int_equal(f->irq12.rises, 1);
    assert_int_equal(expect(f, AUX), 0xa5);
    assert_false(f->irq12.wire.level);
    command(f, 0xaa);
    assert_int_equal(expect(f, KBD), 0x55);
    assert_int_equal(status(f) & 0x04, 0x04);
    command(f, 0xab);
    assert_int_equal(expect(f, KBD), 0x00);
    command(f, 0xa9);
    assert_int_equal(expect(f, KBD), 0x00);
}

static void keys_are_translated(void **state)
{
    struct fixture *f = *state;

    ps2_keyboard_key(&f->keyboard, KEY_A, true);
    assert_true(f->irq1.wire.level);
    assert_int_equal(expect(f, KBD), 0x1e);
    ps2_keyboard_key(&f->keyboard, KEY_A, false);
    assert_int_equal(expect(f, KBD), 0x9e);
    expect_nothing(f);
    ps2_keyboard_key(&f->keyboard, KEY_DELETE, true);
    ps2_keyboard_key(&f->keyboard, KEY_DELETE, false);
    assert_int_equal(expect(f, KBD), 0xe0);
    assert_int_equal(expect(f, KBD), 0x53);
    assert_int_equal(expect(f, KBD), 0xe0);
    assert_int_equal(expect(f, KBD), 0xd3);
    assert_int_equal(f->irq1.rises, 6);
    command(f, 0x60);
    data(f, 0x01);
    ps2_keyboard_key(&f->keyboard, KEY_A, false);
    assert_int_equal(expect(f, KBD), 0xf0);
    assert_int_equal(expect(f, KBD), 0x1c);
}

/* A hook reads port 60h and chains to the BIOS, which reads it again. */
static void second_read_sees_the_same_byte(void **state)
{
    struct fixture *f = *state;

    ps2_keyboard_key(&f->keyboard, KEY_A, true);
    ps2_keyboard_key(&f->keyboard, KEY_B, true);
    assert_int_equal(in8(f->ports, 0x60), 0x1e);
    clock_advance(f->clock, 100 * US);
    assert_int_equal(in8(f->ports, 0x60), 0x1e);
    assert_int_equal(status(f) & 1, 0);
    assert_int_equal(f->irq1.rises, 1);
    clock_advance(f->clock, 800 * US);
    assert_int_equal(f->irq1.rises, 2);
    assert_int_equal(in8(f->ports, 0x60), 0x30);
}

static void keyboard_identifies_through_the_controller(void **state)
{
    struct fixture *f = *state;

    data(f, 0xf2);
    assert_int_equal(expect(f, KBD), 0xfa);
    assert_int_equal(expect(f, KBD), 0xab);
    assert_int_equal(expect(f, KBD), 0x41); /* 83h, translated */
    data(f, 0xff);
    assert_int_equal(expect(f, KBD), 0xfa);
    assert_int_equal(expect(f, KBD), 0xaa);
}

static void disabled_keyboard_waits(void **state)
{
    struct fixture *f = *state;

    command(f, 0xad);
    ps2_keyboard_key(&f->keyboard, KEY_A, true);
    expect_nothing(f);
    command(f, 0xae);
    assert_int_equal(expect(f, KBD), 0x1e);
}

static void mouse_bytes_raise_irq12(void **state)
{
    struct fixture *f = *state;

    command(f, 0x60);
    data(f, 0x43);
    command(f, 0xd4);
    data(f, 0xf4);
    assert_true(f->irq12.wire.level);
    assert_int_equal(expect(f, AUX), 0xfa);
    ps2_mouse_event(&f->mouse, 1, 0, 0, 0);
    assert_int_equal(expect(f, AUX), 0x08);
    assert_int_equal(expect(f, AUX), 1);
    assert_int_equal(expect(f, AUX), 0);
    assert_int_equal(f->irq12.rises, 4);
    assert_int_equal(f->irq1.rises, 0);
    command(f, 0xa7);
    ps2_mouse_event(&f->mouse, 1, 0, 0, 0);
    expect_nothing(f);
}

static void masked_interrupts_leave_the_byte_to_polling(void **state)
{
    struct fixture *f = *state;

    command(f, 0x60);
    data(f, 0x40);
    ps2_keyboard_key(&f->keyboard, KEY_A, true);
    assert_int_equal(f->irq1.rises, 0);
    assert_int_equal(expect(f, KBD), 0x1e);
}

static void a20_and_reset(void **state)
{
    struct fixture *f = *state;

    assert_true(f->a20.wire.level);
    command(f, 0xd1);
    data(f, 0xdd);
    assert_false(f->a20.wire.level);
    command(f, 0xd0);
    assert_int_equal(expect(f, KBD) & 0x03, 0x01);
    command(f, 0xdf);
    assert_true(f->a20.wire.level);
    command(f, 0xdd);
    assert_false(f->a20.wire.level);
    assert_int_equal(f->reset.rises, 0);
    command(f, 0xff);
    assert_int_equal(f->reset.rises, 0);
    command(f, 0xfe);
    assert_int_equal(f->reset.rises, 1);
    command(f, 0xd1);
    data(f, 0xfe);
    assert_int_equal(f->reset.rises, 2);
    f->chip.dev.ops->reset(&f->chip.dev);
    assert_true(f->a20.wire.level);
}

static void controller_answers_do_not_wait_for_cables(void **state)
{
    struct fixture *f = *state;

    ps2_keyboard_key(&f->keyboard, KEY_A, true);
    in8(f->ports, 0x60);
    command(f, 0x20);
    assert_int_equal(status(f) & 0x01, 0x01);
    assert_int_equal(in8(f->ports, 0x60), 0x41);
}

static void polling_needs_no_timer(void **state)
{
    struct fixture *f = *state;

    ps2_keyboard_key(&f->keyboard, KEY_A, true);
    ps2_keyboard_key(&f->keyboard, KEY_B, true);
    in8(f->ports, 0x60);
    assert_int_equal(status(f) & 1, 0);
    f->chip.gap.deadline_ns = clock_now_ns(f->clock); /* as if the timer were late */
    assert_int_equal(status(f) & 1, 1);
}

static void any_bytes_are_survived(void **state)
{
    struct fixture *f = *state;

    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b += 7) {
            command(f, a);
            data(f, b);
            ps2_keyboard_key(&f->keyboard, b, a & 1);
            if (b & 1)
                in8(f->ports, 0x60);
        }
        clock_advance(f->clock, 1 * MS);
    }
    assert_true(f->chip.reply_count <= sizeof(f->chip.reply));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(linux_probe), T(keys_are_translated), T(second_read_sees_the_same_byte),
        T(keyboard_identifies_through_the_controller), T(disabled_keyboard_waits), T(mouse_bytes_raise_irq12),
        T(masked_interrupts_leave_the_byte_to_polling), T(a20_and_reset), T(controller_answers_do_not_wait_for_cables),
        T(polling_needs_no_timer), T(any_bytes_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
