#include "tests/unit/chip_fixture.h"
#include "devices/muldiv.h"
#include "devices/pit.h"

struct fixture {
    struct space *ports;
    struct clock *clock;
    struct pit pit;
    struct recorder irq0;
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.ports = space_create(0x10000, NULL), .clock = clock_create_manual()};
    recorder_init(&f.irq0);
    assert_int_equal(pit_init(&f.pit, f.ports, f.clock, &f.irq0.wire), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_disarm(&f->pit.timer);
    clock_destroy(f->clock);
    space_destroy(f->ports);
    return 0;
}

/* Move to the nanosecond at which PIT clock number tick begins. */
static void go_to(struct fixture *f, uint64_t tick)
{
    clock_advance(f->clock, muldiv_ceil(tick, CLOCK_NS_PER_S, PIT_HZ) - clock_now_ns(f->clock));
}

static void program(struct fixture *f, unsigned channel, unsigned mode, uint16_t count)
{
    out8(f->ports, 0x43, channel << 6 | 0x30 | mode << 1);
    out8(f->ports, 0x40 + channel, count & 0xff);
    out8(f->ports, 0x40 + channel, count >> 8);
}

static uint16_t latch(struct fixture *f, unsigned channel)
{
    uint8_t lsb;

    out8(f->ports, 0x43, channel << 6);
    lsb = in8(f->ports, 0x40 + channel);
    return lsb | in8(f->ports, 0x40 + channel) << 8;
}

static uint8_t status(struct fixture *f, unsigned channel)
{
    out8(f->ports, 0x43, 0xe0 | 2u << channel);
    return in8(f->ports, 0x40 + channel);
}

static void mode2_counts_down_and_reloads(void **state)
{
    struct fixture *f = *state;

    program(f, 0, 2, 1000);
    go_to(f, 1);
    assert_int_equal(latch(f, 0), 1000);
    go_to(f, 1 + 400);
    assert_int_equal(latch(f, 0), 600);
    assert_int_equal(status(f, 0), 0x80 | 0x30 | 2 << 1);
    go_to(f, 1 + 999);
    assert_int_equal(latch(f, 0), 1);
    assert_int_equal(status(f, 0) & 0x80, 0);
    go_to(f, 1 + 1000);
    assert_int_equal(latch(f, 0), 1000);
}

static void mode2_interrupts_at_the_exact_average_rate(void **state)
{
    struct fixture *f = *state;

    program(f, 0, 2, 11932);
    f->irq0.rises = 0;
    clock_advance(f->clock, 10 * CLOCK_NS_PER_S);
    assert_int_equal(f->irq0.rises, 10ull * PIT_HZ / 11932);
}

static void count_0_means_65536(void **state)
{
    struct fixture *f = *state;

    program(f, 0, 3, 0);
    f->irq0.rises = 0;
    go_to(f, 65536);
    assert_int_equal(f->irq0.rises, 0);
    go_to(f, 65537);
    assert_int_equal(f->irq0.rises, 1);
}

static void mode0_raises_out_once(void **state)
{
    struct fixture *f = *state;

    program(f, 0, 0, 500);
    assert_false(f->irq0.wire.level);
    f->irq0.rises = 0;
    go_to(f, 500);
    assert_int_equal(f->irq0.rises, 0);
    go_to(f, 501);
    assert_int_equal(f->irq0.rises, 1);
    assert_int_equal(latch(f, 0), 0);
    go_to(f, 502);
    assert_int_equal(latch(f, 0), 0xffff);
    clock_advance(f->clock, CLOCK_NS_PER_S);
    assert_int_equal(f->irq0.rises, 1);
    out8(f->ports, 0x40, 10); /* the first byte of a new count lowers OUT */
    assert_false(f->irq0.wire.level);
}

static void mode4_strobes_after_the_count(void **state)
{
    struct fixture *f = *state;

    program(f, 0, 4, 100);
    f->irq0.rises = 0;
    go_to(f, 1 + 100);
    assert_int_equal(status(f, 0) & 0x80, 0);
    assert_int_equal(f->irq0.rises, 0);
    go_to(f, 1 + 101);
    assert_int_equal(status(f, 0) & 0x80, 0x80);
    assert_int_equal(f->irq0.rises, 1);
    clock_advance(f->clock, CLOCK_NS_PER_S);
    assert_int_equal(f->irq0.rises, 1);
    out8(f->ports, 0x40, 100); /* one-shots are started again by their count alone */
    out8(f->ports, 0x40, 0);
    clock_advance(f->clock, CLOCK_NS_PER_S);
    assert_int_equal(f->irq0.rises, 2);
}

static void mode3_is_a_square_wave(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x61, 1);
    program(f, 2, 3, 5); /* odd: three high, two low */
    for (unsigned i = 0; i < 20; i++) {
        go_to(f, 1 + i);
        assert_int_equal(in8(f->ports, 0x61) >> 5 & 1, i % 5 < 3);
    }
    program(f, 2, 3, 1000);
    go_to(f, 21 + 100);
    assert_int_equal(latch(f, 2), 1000 - 200); /* by two */
}

static void mode3_takes_a_new_count_at_the_half_period(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x61, 1);
    program(f, 2, 3, 100);
    go_to(f, 11);
    out8(f->ports, 0x42, 20);
    out8(f->ports, 0x42, 0);
    assert_int_equal(status(f, 2) & 0x40, 0x40);
    go_to(f, 1 + 49);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0x20);
    go_to(f, 1 + 50);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0);
    assert_int_equal(status(f, 2) & 0x40, 0);
    go_to(f, 1 + 59);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0);
    go_to(f, 1 + 60);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0x20);
}

static void mode1_is_triggered_by_the_gate(void **state)
{
    struct fixture *f = *state;

    program(f, 2, 1, 50);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0x20);
    out8(f->ports, 0x61, 1);
    go_to(f, 2);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0);
    go_to(f, 1 + 49);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0);
    go_to(f, 1 + 50);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0x20);
}

static void mode5_strobes_after_the_trigger(void **state)
{
    struct fixture *f = *state;

    program(f, 2, 5, 50);
    go_to(f, 100);
    out8(f->ports, 0x61, 1);
    go_to(f, 101 + 50);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0);
    go_to(f, 101 + 51);
    assert_int_equal(in8(f->ports, 0x61) & 0x20, 0x20);
}

static void gate_suspends_mode0(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x61, 1);
    program(f, 2, 0, 1000);
    go_to(f, 101);
    out8(f->ports, 0x61, 0);
    go_to(f, 5000);
    assert_int_equal(latch(f, 2), 900);
    out8(f->ports, 0x61, 1);
    go_to(f, 5100);
    assert_int_equal(latch(f, 2), 800);
}

static void bcd_counts_in_decimal(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x43, 0x35);
    out8(f->ports, 0x40, 0x00);
    out8(f->ports, 0x40, 0x10); /* 1000 */
    go_to(f, 1 + 1);
    assert_int_equal(latch(f, 0), 0x0999);
    go_to(f, 1 + 1000);
    assert_int_equal(latch(f, 0), 0x1000);
}

static void read_back_latches_status_then_count(void **state)
{
    struct fixture *f = *state;

    program(f, 0, 2, 1000);
    go_to(f, 101);
    out8(f->ports, 0x43, 0xc2);
    go_to(f, 301);
    assert_int_equal(in8(f->ports, 0x40), 0xb4);
    assert_int_equal(in8(f->ports, 0x40), 900 & 0xff);
    assert_int_equal(in8(f->ports, 0x40), 900 >> 8);
    assert_int_equal(in8(f->ports, 0x40), 700 & 0xff);
}

static void lsb_and_msb_only_access(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x43, 0x24); /* MSB only, mode 2 */
    out8(f->ports, 0x40, 0x12);
    go_to(f, 2);
    assert_int_equal(in8(f->ports, 0x40), 0x11);
    assert_int_equal(in8(f->ports, 0x40), 0x11);
    out8(f->ports, 0x43, 0x14); /* LSB only */
    out8(f->ports, 0x40, 0x34);
    go_to(f, 4);
    assert_int_equal(in8(f->ports, 0x40), 0x33);
}

/* The machine thread slept through 50 ticks: they come afterwards, at twice the rate at most. */
static void late_ticks_are_paid_back_gently(void **state)
{
    struct fixture *f = *state;
    uint64_t late = 0;

    program(f, 0, 2, 11932);
    f->irq0.rises = 0;
    /* A timer that moves time while it runs cannot be had here; so let the pending deadline lie in the past. */
    timer_disarm(&f->pit.timer);
    clock_advance(f->clock, 500 * MS);
    timer_arm(&f->pit.timer, 0);
    clock_advance(f->clock, 1);
    late = f->irq0.rises;
    assert_int_equal(late, 1);
    clock_advance(f->clock, 100 * MS);
    assert_in_range(f->irq0.rises - late, 18, 20);
    clock_advance(f->clock, 900 * MS);
    assert_in_range(f->irq0.rises, 148, 150); /* 1.5 s of 100 Hz */
}

static void at_most_a_second_is_owed(void **state)
{
    struct fixture *f = *state;

    program(f, 0, 2, 11932);
    timer_disarm(&f->pit.timer);
    clock_advance(f->clock, 3600 * CLOCK_NS_PER_S);
    timer_arm(&f->pit.timer, 0);
    f->irq0.rises = 0;
    clock_advance(f->clock, 5 * CLOCK_NS_PER_S);
    assert_in_range(f->irq0.rises, 598, 602);
}

static void tiny_counts_make_no_storm(void **state)
{
    struct fixture *f = *state;

    program(f, 0, 2, 1);
    f->irq0.rises = 0;
    clock_advance(f->clock, 10 * MS);
    assert_in_range(f->irq0.rises, 500, 1001);
}

static void port61_refresh_bit_toggles(void **state)
{
    struct fixture *f = *state;
    unsigned toggles = 0;
    uint8_t last = in8(f->ports, 0x61) & 0x10;

    for (unsigned i = 0; i < 1000; i++) {
        uint8_t now;

        clock_advance(f->clock, 1 * US);
        now = in8(f->ports, 0x61) & 0x10;
        toggles += now != last;
        last = now;
    }
    assert_in_range(toggles, 65, 67); /* every 15.09 us */
}

static void speaker_frequency(void **state)
{
    struct fixture *f = *state;

    program(f, 2, 3, 1193);
    assert_int_equal(pit_speaker_hz(&f->pit), 0);
    out8(f->ports, 0x61, 3);
    assert_int_equal(pit_speaker_hz(&f->pit), 1000);
    assert_int_equal(in8(f->ports, 0x61) & 0x0f, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(mode2_counts_down_and_reloads), T(mode2_interrupts_at_the_exact_average_rate), T(count_0_means_65536),
        T(mode0_raises_out_once), T(mode4_strobes_after_the_count), T(mode3_is_a_square_wave),
        T(mode3_takes_a_new_count_at_the_half_period), T(mode1_is_triggered_by_the_gate),
        T(mode5_strobes_after_the_trigger), T(gate_suspends_mode0), T(bcd_counts_in_decimal),
        T(read_back_latches_status_then_count), T(lsb_and_msb_only_access), T(late_ticks_are_paid_back_gently),
        T(at_most_a_second_is_owed), T(tiny_counts_make_no_storm), T(port61_refresh_bit_toggles),
        T(speaker_frequency),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
