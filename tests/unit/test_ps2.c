#include "tests/unit/chip_fixture.h"
#include "devices/ps2.h"

struct fixture {
    struct ps2_keyboard k;
    struct ps2_mouse m;
    unsigned notices;
};

static void notice(void *opaque)
{
    ((struct fixture *)opaque)->notices++;
}

static int setup(void **state)
{
    static struct fixture f;

    f.notices = 0;
    ps2_keyboard_init(&f.k);
    ps2_mouse_init(&f.m);
    f.k.queue.ready = f.m.queue.ready = notice;
    f.k.queue.opaque = f.m.queue.opaque = &f;
    *state = &f;
    return 0;
}

static void expect_keyboard(struct fixture *f, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_true(ps2_queue_has_data(&f->k.queue));
        assert_int_equal(ps2_keyboard_read(&f->k), bytes[i]);
    }
    assert_false(ps2_queue_has_data(&f->k.queue));
}
#define EXPECT_KEYBOARD(...)                                                                                           \
    expect_keyboard(f, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void expect_mouse(struct fixture *f, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_true(ps2_queue_has_data(&f->m.queue));
        assert_int_equal(ps2_mouse_read(&f->m), bytes[i]);
    }
    assert_false(ps2_queue_has_data(&f->m.queue));
}
#define EXPECT_MOUSE(...) expect_mouse(f, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void mouse_send(struct fixture *f, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ps2_mouse_write(&f->m, bytes[i]);
        EXPECT_MOUSE(0xfa);
    }
}
#define MOUSE_SEND(...) mouse_send(f, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void press_and_release(struct fixture *f, unsigned key)
{
    ps2_keyboard_key(&f->k, key, true);
    ps2_keyboard_key(&f->k, key, false);
}

static void keyboard_set(struct fixture *f, uint8_t set)
{
    ps2_keyboard_write(&f->k, 0xf0);
    ps2_keyboard_write(&f->k, set);
    EXPECT_KEYBOARD(0xfa, 0xfa);
}

static void scan_code_sets(void **state)
{
    struct fixture *f = *state;

    press_and_release(f, KEY_A);
    EXPECT_KEYBOARD(0x1c, 0xf0, 0x1c);
    press_and_release(f, KEY_RIGHT_CTRL);
    EXPECT_KEYBOARD(0xe0, 0x14, 0xe0, 0xf0, 0x14);
    keyboard_set(f, 1);
    press_and_release(f, KEY_A);
    EXPECT_KEYBOARD(0x1e, 0x9e);
    press_and_release(f, KEY_UP);
    EXPECT_KEYBOARD(0xe0, 0x48, 0xe0, 0xc8);
    press_and_release(f, KEY_F7);
    EXPECT_KEYBOARD(0x41, 0xc1);
    keyboard_set(f, 3);
    press_and_release(f, KEY_LEFT_CTRL);
    EXPECT_KEYBOARD(0x11, 0xf0, 0x11);
    ps2_keyboard_write(&f->k, 0xf0);
    ps2_keyboard_write(&f->k, 0);
    EXPECT_KEYBOARD(0xfa, 0xfa, 3);
}

static void pause_and_print_screen(void **state)
{
    struct fixture *f = *state;

    press_and_release(f, KEY_PAUSE);
    EXPECT_KEYBOARD(0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
    press_and_release(f, KEY_PRINT_SCREEN);
    EXPECT_KEYBOARD(0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12);
    keyboard_set(f, 1);
    press_and_release(f, KEY_PAUSE);
    EXPECT_KEYBOARD(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    ps2_keyboard_key(&f->k, KEY_LEFT_ALT, true);
    EXPECT_KEYBOARD(0x38);
    press_and_release(f, KEY_PRINT_SCREEN);
    EXPECT_KEYBOARD(0x54, 0xd4);
}

/* Every key has its own code in sets 1 and 2. */
static void codes_are_distinct(void **state)
{
    struct fixture *f = *state;
    uint64_t seen[KEY_COUNT] = {0};

    for (unsigned key = 1; key < KEY_COUNT; key++) {
        ps2_keyboard_key(&f->k, key, true);
        assert_true(ps2_queue_has_data(&f->k.queue));
        while (ps2_queue_has_data(&f->k.queue))
            seen[key] = seen[key] << 8 | ps2_keyboard_read(&f->k);
        ps2_keyboard_key(&f->k, key, false);
        while (ps2_queue_has_data(&f->k.queue))
            ps2_keyboard_read(&f->k);
        for (unsigned other = 1; other < key; other++)
            assert_true(seen[other] != seen[key]);
    }
}

static void full_queue_ends_in_one_overrun_code(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 30; i++)
        ps2_keyboard_key(&f->k, KEY_A, true);
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(ps2_keyboard_read(&f->k), 0x1c);
    EXPECT_KEYBOARD(0x00);
    ps2_keyboard_key(&f->k, KEY_A, true);
    EXPECT_KEYBOARD(0x1c);
}

static void keyboard_commands(void **state)
{
    struct fixture *f = *state;

    ps2_keyboard_write(&f->k, 0xff);
    EXPECT_KEYBOARD(0xfa, 0xaa);
    ps2_keyboard_write(&f->k, 0xf2);
    EXPECT_KEYBOARD(0xfa, 0xab, 0x83);
    ps2_keyboard_write(&f->k, 0xfe);
    EXPECT_KEYBOARD(0x83);
    ps2_keyboard_write(&f->k, 0xee);
    EXPECT_KEYBOARD(0xee);
    ps2_keyboard_write(&f->k, 0xed);
    EXPECT_KEYBOARD(0xfa);
    ps2_keyboard_write(&f->k, 0x02);
    EXPECT_KEYBOARD(0xfa);
    assert_int_equal(f->k.leds, 2);
    ps2_keyboard_write(&f->k, 0xf1);
    EXPECT_KEYBOARD(0xfe);
    ps2_keyboard_write(&f->k, 0xf3);
    ps2_keyboard_write(&f->k, 0xf4); /* a command instead of the argument */
    EXPECT_KEYBOARD(0xfa);           /* F4h empties the queue */
}

static void scanning_can_be_switched_off(void **state)
{
    struct fixture *f = *state;

    ps2_keyboard_write(&f->k, 0xf5);
    EXPECT_KEYBOARD(0xfa);
    press_and_release(f, KEY_A);
    assert_false(ps2_queue_has_data(&f->k.queue));
    ps2_keyboard_write(&f->k, 0xf4);
    EXPECT_KEYBOARD(0xfa);
    ps2_keyboard_key(&f->k, KEY_A, true);
    EXPECT_KEYBOARD(0x1c);
}

static void answers_overtake_keys(void **state)
{
    struct fixture *f = *state;

    ps2_keyboard_key(&f->k, KEY_A, true);
    ps2_keyboard_write(&f->k, 0xed);
    EXPECT_KEYBOARD(0xfa, 0x1c);
    assert_int_equal(f->notices, 2);
}

static void any_bytes_and_keys_are_survived(void **state)
{
    struct fixture *f = *state;

    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            ps2_keyboard_write(&f->k, a);
            ps2_keyboard_write(&f->k, b);
            ps2_keyboard_key(&f->k, a * b, b & 1);
            ps2_mouse_write(&f->m, a);
            ps2_mouse_write(&f->m, b);
            ps2_mouse_event(&f->m, INT32_MAX, INT32_MIN, INT32_MIN, b);
        }
        ps2_keyboard_read(&f->k);
        ps2_mouse_read(&f->m);
    }
    assert_true(f->k.queue.count <= PS2_QUEUE_SIZE && f->m.queue.count <= PS2_QUEUE_SIZE);
}

static void mouse_streams_movement_and_buttons(void **state)
{
    struct fixture *f = *state;

    ps2_mouse_event(&f->m, 5, 5, 0, 0);
    assert_false(ps2_queue_has_data(&f->m.queue)); /* reporting is off */
    MOUSE_SEND(0xf4);
    ps2_mouse_event(&f->m, 5, -3, 0, 1);
    EXPECT_MOUSE(0x09, 5, 3);
    ps2_mouse_event(&f->m, -1, 1, 0, 0);
    EXPECT_MOUSE(0x38, 0xff, 0xff);
    ps2_mouse_event(&f->m, 0, 0, 0, 0);
    assert_false(ps2_queue_has_data(&f->m.queue));
    ps2_mouse_event(&f->m, 300, 0, 0, 0);
    EXPECT_MOUSE(0x08, 255, 0, 0x08, 45, 0);
}

static void movement_adds_up_while_the_host_is_busy(void **state)
{
    struct fixture *f = *state;

    MOUSE_SEND(0xf4);
    for (unsigned i = 0; i < 100; i++)
        ps2_mouse_event(&f->m, 1, 0, 0, 0);
    EXPECT_MOUSE(0x08, 1, 0, 0x08, 99, 0);
}

static void clicks_are_not_merged(void **state)
{
    struct fixture *f = *state;

    MOUSE_SEND(0xf4);
    ps2_mouse_event(&f->m, 1, 0, 0, 0);
    ps2_mouse_event(&f->m, 0, 0, 0, 2);
    ps2_mouse_event(&f->m, 0, 0, 0, 0);
    EXPECT_MOUSE(0x08, 1, 0, 0x0a, 0, 0, 0x08, 0, 0);
}

static void wheel_and_five_buttons_by_knocking(void **state)
{
    struct fixture *f = *state;

    ps2_mouse_write(&f->m, 0xf2);
    EXPECT_MOUSE(0xfa, 0);
    MOUSE_SEND(0xf3, 200, 0xf3, 100, 0xf3, 80);
    ps2_mouse_write(&f->m, 0xf2);
    EXPECT_MOUSE(0xfa, 3);
    MOUSE_SEND(0xf4);
    ps2_mouse_event(&f->m, 0, 0, -1, 0);
    EXPECT_MOUSE(0x08, 0, 0, 0xff);
    MOUSE_SEND(0xf3, 200, 0xf3, 200, 0xf3, 80);
    ps2_mouse_write(&f->m, 0xf2);
    EXPECT_MOUSE(0xfa, 4);
    ps2_mouse_event(&f->m, 0, 0, 1, 0x10);
    EXPECT_MOUSE(0x08, 0, 0, 0x21);
    ps2_mouse_write(&f->m, 0xff);
    EXPECT_MOUSE(0xfa, 0xaa, 0);
    ps2_mouse_write(&f->m, 0xf2);
    EXPECT_MOUSE(0xfa, 0);
}

static void status_remote_and_wrap_modes(void **state)
{
    struct fixture *f = *state;

    MOUSE_SEND(0xe8, 3, 0xf3, 40, 0xe7, 0xf4);
    ps2_mouse_event(&f->m, 0, 0, 0, 1);
    EXPECT_MOUSE(0x09, 0, 0);
    ps2_mouse_write(&f->m, 0xe9);
    EXPECT_MOUSE(0xfa, 0x34, 3, 40);
    MOUSE_SEND(0xf0);
    ps2_mouse_event(&f->m, 7, 0, 0, 1);
    assert_false(ps2_queue_has_data(&f->m.queue));
    ps2_mouse_write(&f->m, 0xeb);
    EXPECT_MOUSE(0xfa, 0x09, 7, 0);
    MOUSE_SEND(0xee);
    ps2_mouse_write(&f->m, 0xf4);
    EXPECT_MOUSE(0xf4);
    MOUSE_SEND(0xec);
    ps2_mouse_write(&f->m, 0x12);
    EXPECT_MOUSE(0xfe);
}

#define T(name) cmocka_unit_test_setup(name, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(scan_code_sets), T(pause_and_print_screen), T(codes_are_distinct), T(full_queue_ends_in_one_overrun_code),
        T(keyboard_commands), T(scanning_can_be_switched_off), T(answers_overtake_keys),
        T(any_bytes_and_keys_are_survived), T(mouse_streams_movement_and_buttons),
        T(movement_adds_up_while_the_host_is_busy), T(clicks_are_not_merged), T(wheel_and_five_buttons_by_knocking),
        T(status_remote_and_wrap_modes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
