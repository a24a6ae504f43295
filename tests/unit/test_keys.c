/* Key names, characters, terminal sequences, and the queue's order and pace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "frontend/keys.h"
#include "host/util.h"

struct log {
    char text[1024];
    struct clock *clock;
    struct key_queue queue;
};

static void log_event(void *opaque, uint16_t keycode, bool is_down)
{
    struct log *l = opaque;
    size_t n = strlen(l->text);

    snprintf(l->text + n, sizeof(l->text) - n, "%c%u ", is_down ? '+' : '-', keycode);
}

static void log_stroke(void *opaque, const struct key_stroke *s)
{
    struct log *l = opaque;
    size_t n = strlen(l->text);

    snprintf(l->text + n, sizeof(l->text) - n, "%s%s%s%u ", s->has_ctrl ? "C-" : "", s->has_alt ? "A-" : "",
             s->has_shift ? "S-" : "", s->keycode);
}

static void names(void **state)
{
    assert_int_equal(keys_from_name("ret"), KEY_ENTER);
    assert_int_equal(keys_from_name("ctrl"), KEY_LEFT_CTRL);
    assert_int_equal(keys_from_name("alt_r"), KEY_RIGHT_ALT);
    assert_int_equal(keys_from_name("kp_9"), KEY_KP_9);
    assert_int_equal(keys_from_name("spc"), KEY_SPACE);
    assert_int_equal(keys_from_name("pgdn"), KEY_PAGE_DOWN);
    assert_int_equal(keys_from_name("0"), KEY_0);
    assert_int_equal(keys_from_name(""), -1);
    assert_int_equal(keys_from_name("RET"), -1);
    assert_int_equal(keys_from_number(0x1c), KEY_ENTER);
    assert_int_equal(keys_from_number(0x9c), KEY_KP_ENTER);
    assert_int_equal(keys_from_number(0xd3), KEY_DELETE);
    assert_int_equal(keys_from_number(0), -1);
    assert_int_equal(keys_from_number(-1), -1);
    assert_int_equal(keys_from_number(1LL << 40), -1);
}

static void characters(void **state)
{
    struct key_stroke s;

    assert_true(keys_from_char('a', &s));
    assert_int_equal(s.keycode, KEY_A);
    assert_false(s.has_shift);
    assert_true(keys_from_char('A', &s));
    assert_int_equal(s.keycode, KEY_A);
    assert_true(s.has_shift);
    assert_true(keys_from_char('|', &s));
    assert_int_equal(s.keycode, KEY_BACKSLASH);
    assert_true(s.has_shift);
    assert_true(keys_from_char(3, &s));
    assert_int_equal(s.keycode, KEY_C);
    assert_true(s.has_ctrl);
    assert_false(s.has_shift);
    assert_true(keys_from_char('\r', &s));
    assert_int_equal(s.keycode, KEY_ENTER);
    assert_false(s.has_ctrl);
    assert_true(keys_from_char(0x7f, &s));
    assert_int_equal(s.keycode, KEY_BACKSPACE);
    assert_true(keys_from_char(0x1c, &s)); /* Ctrl-\ */
    assert_int_equal(s.keycode, KEY_BACKSLASH);
    assert_true(s.has_ctrl);
    assert_false(keys_from_char(0xe4, &s));
    for (unsigned c = 0x20; c < 0x7f; c++)
        assert_true(keys_from_char((uint8_t)c, &s));
}

static void assert_decodes(const char *bytes, const char *expected_fmt, unsigned a, unsigned b)
{
    struct key_decoder d = {.len = 0};
    struct log l = {.text = ""};
    char expected[64];

    snprintf(expected, sizeof(expected), expected_fmt, a, b);
    key_decoder_feed(&d, (const uint8_t *)bytes, strlen(bytes), log_stroke, &l);
    assert_string_equal(l.text, expected);
}

static void terminal_sequences(void **state)
{
    assert_decodes("ab", "%u %u ", KEY_A, KEY_B);
    assert_decodes("\033", "%u ", KEY_ESC, 0);
    assert_decodes("\033\033", "%u %u ", KEY_ESC, KEY_ESC);
    assert_decodes("\033[A", "%u ", KEY_UP, 0);
    assert_decodes("\033OB\033[C", "%u %u ", KEY_DOWN, KEY_RIGHT);
    assert_decodes("\033[3~", "%u ", KEY_DELETE, 0);
    assert_decodes("\033[24~x", "%u %u ", KEY_F12, KEY_X);
    assert_decodes("\033[[A", "%u ", KEY_F1, 0);
    assert_decodes("\033OP", "%u ", KEY_F1, 0);
    assert_decodes("\033[1;5D", "C-%u ", KEY_LEFT, 0);
    assert_decodes("\033[Z", "S-%u ", KEY_TAB, 0);
    assert_decodes("\033x", "A-%u ", KEY_X, 0);
    assert_decodes("\033[99~x", "%u ", KEY_X, 0);
    assert_decodes("\033[99999999999999x", "%u ", KEY_X, 0); /* too long: given up after 16 bytes */
}

static void any_bytes_are_harmless(void **state)
{
    struct key_decoder d = {.len = 0};
    struct log l;
    uint8_t buf[7];
    uint32_t seed = 1;

    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned j = 0; j < sizeof(buf); j++) {
            seed = seed * 1103515245 + 12345;
            buf[j] = (seed >> 16) % 5 ? (uint8_t)(seed >> 20) : 0x1b;
        }
        l.text[0] = 0;
        key_decoder_feed(&d, buf, 1 + i % sizeof(buf), log_stroke, &l);
    }
}

static int queue_setup(void **state)
{
    static struct log l;

    memset(&l, 0, sizeof(l));
    l.clock = clock_create_manual();
    key_queue_init(&l.queue, l.clock, log_event, &l);
    *state = &l;
    return 0;
}

static int queue_teardown(void **state)
{
    struct log *l = *state;

    key_queue_clear(&l->queue);
    clock_destroy(l->clock);
    return 0;
}

static void chord_is_held_and_released_backwards(void **state)
{
    const uint16_t keys[] = {KEY_LEFT_CTRL, KEY_LEFT_ALT, KEY_DELETE};
    struct log *l = *state;
    char expected[64];

    assert_true(key_queue_chord(&l->queue, keys, 3, 100));
    clock_advance(l->clock, 50 * 1000000);
    snprintf(expected, sizeof(expected), "+%u +%u +%u ", KEY_LEFT_CTRL, KEY_LEFT_ALT, KEY_DELETE);
    assert_string_equal(l->text, expected);
    l->text[0] = 0;
    clock_advance(l->clock, 100 * 1000000);
    snprintf(expected, sizeof(expected), "-%u -%u -%u ", KEY_DELETE, KEY_LEFT_ALT, KEY_LEFT_CTRL);
    assert_string_equal(l->text, expected);
}

static void chords_follow_one_another(void **state)
{
    struct log *l = *state;
    struct key_stroke s;
    char expected[64];

    keys_from_char('A', &s);
    assert_true(key_queue_stroke(&l->queue, &s, 10));
    keys_from_char('b', &s);
    assert_true(key_queue_stroke(&l->queue, &s, 10));
    clock_advance(l->clock, 1000 * 1000000);
    snprintf(expected, sizeof(expected), "+%u +%u -%u -%u +%u -%u ", KEY_LEFT_SHIFT, KEY_A, KEY_A, KEY_LEFT_SHIFT,
             KEY_B, KEY_B);
    assert_string_equal(l->text, expected);
}

static void full_queue_refuses_whole_chords(void **state)
{
    struct log *l = *state;
    const uint16_t key = KEY_A;
    unsigned n = 0;

    while (key_queue_chord(&l->queue, &key, 1, 10))
        assert_in_range(++n, 1, KEY_QUEUE_SIZE);
    assert_int_equal(n, KEY_QUEUE_SIZE / 2);
    assert_int_equal(l->queue.count % 2, 0);
    clock_advance(l->clock, 20000ull * 1000000); /* fits again once typed */
    assert_int_equal(l->queue.count, 0);
    assert_true(key_queue_chord(&l->queue, &key, 1, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(characters),
        cmocka_unit_test(terminal_sequences),
        cmocka_unit_test(any_bytes_are_harmless),
        cmocka_unit_test_setup_teardown(chord_is_held_and_released_backwards, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(chords_follow_one_another, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(full_queue_refuses_whole_chords, queue_setup, queue_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
