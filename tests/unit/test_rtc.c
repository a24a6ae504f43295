#include "tests/unit/chip_fixture.h"
#include "devices/rtc.h"

#define WALL_2024_02_28_23_59_50 1709164790ll /* a Wednesday */

struct fixture {
    struct space *ports;
    struct clock *clock;
    struct rtc rtc;
    struct recorder irq8, nmi_mask;
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.ports = space_create(0x10000, NULL), .clock = clock_create_manual()};
    recorder_init(&f.irq8);
    recorder_init(&f.nmi_mask);
    clock_set_wall_base_s(f.clock, WALL_2024_02_28_23_59_50);
    assert_int_equal(rtc_init(&f.rtc, f.ports, f.clock, &f.irq8.wire, &f.nmi_mask.wire), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_disarm(&f->rtc.second_timer);
    timer_disarm(&f->rtc.periodic_timer);
    clock_destroy(f->clock);
    space_destroy(f->ports);
    return 0;
}

static uint8_t get(struct fixture *f, uint8_t index)
{
    out8(f->ports, 0x70, index);
    return in8(f->ports, 0x71);
}

static void set(struct fixture *f, uint8_t index, uint8_t value)
{
    out8(f->ports, 0x70, index);
    out8(f->ports, 0x71, value);
}

static void expect_time(struct fixture *f, const uint8_t time[8]) /* century year month day weekday h m s */
{
    static const uint8_t index[8] = {0x32, 9, 8, 7, 6, 4, 2, 0};

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(f, index[i]), time[i]);
}

static void time_follows_the_clock_over_a_leap_day(void **state)
{
    struct fixture *f = *state;

    expect_time(f, (const uint8_t[]){0x20, 0x24, 0x02, 0x28, 4, 0x23, 0x59, 0x50});
    clock_advance(f->clock, 10 * CLOCK_NS_PER_S);
    expect_time(f, (const uint8_t[]){0x20, 0x24, 0x02, 0x29, 5, 0x00, 0x00, 0x00});
    clock_advance(f->clock, 86400 * CLOCK_NS_PER_S);
    expect_time(f, (const uint8_t[]){0x20, 0x24, 0x03, 0x01, 6, 0x00, 0x00, 0x00});
}

static void binary_and_12_hour_formats(void **state)
{
    struct fixture *f = *state;

    set(f, 0x0b, 0x04);
    expect_time(f, (const uint8_t[]){20, 24, 2, 28, 4, 0x80 | 11, 59, 50});
    clock_advance(f->clock, 10 * CLOCK_NS_PER_S);
    assert_int_equal(get(f, 4), 12); /* midnight is 12 AM */
    set(f, 0x0b, 0x00);
    assert_int_equal(get(f, 4), 0x12);
}

static void guest_sets_the_clock(void **state)
{
    struct fixture *f = *state;
    static const uint8_t regs[8][2] = {{0x32, 0x19}, {9, 0x99}, {8, 0x12}, {7, 0x31},
                                       {6, 6},       {4, 0x23}, {2, 0x59}, {0, 0x59}};

    set(f, 0x0b, 0x82);
    for (unsigned i = 0; i < 8; i++)
        set(f, regs[i][0], regs[i][1]);
    clock_advance(f->clock, 3 * CLOCK_NS_PER_S); /* SET: time stands */
    assert_int_equal(get(f, 0), 0x59);
    assert_int_equal(get(f, 0x0a) & 0x80, 0);
    set(f, 0x0b, 0x02);
    expect_time(f, (const uint8_t[]){0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x59});
    clock_advance(f->clock, 1 * CLOCK_NS_PER_S);
    expect_time(f, (const uint8_t[]){0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00});
}

static void nonsense_dates_are_survived(void **state)
{
    struct fixture *f = *state;

    for (unsigned v = 0; v < 256; v += 5) {
        for (unsigned i = 0; i < 10; i++)
            set(f, i, v);
        set(f, 0x32, v);
        set(f, 0x0b, v);
        clock_advance(f->clock, CLOCK_NS_PER_S);
        get(f, 0x0c);
        get(f, 0x07);
    }
}

static void divider_restart_delays_the_second_by_half(void **state)
{
    struct fixture *f = *state;

    clock_advance(f->clock, 900 * MS);
    set(f, 0x0b, 0x82);
    set(f, 0x0a, 0x76);
    set(f, 0x00, 0x10);
    set(f, 0x0a, 0x26);
    set(f, 0x0b, 0x02);
    clock_advance(f->clock, 499 * MS);
    assert_int_equal(get(f, 0), 0x10);
    clock_advance(f->clock, 1 * MS);
    assert_int_equal(get(f, 0), 0x11);
}

static void uip_warns_before_the_update(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, 0x0a), 0x26);
    clock_advance(f->clock, CLOCK_NS_PER_S - 2228 * US - 1);
    assert_int_equal(get(f, 0x0a) & 0x80, 0);
    clock_advance(f->clock, 1);
    assert_int_equal(get(f, 0x0a) & 0x80, 0x80);
    assert_int_equal(get(f, 0), 0x50);
    clock_advance(f->clock, 2228 * US);
    assert_int_equal(get(f, 0x0a) & 0x80, 0);
    assert_int_equal(get(f, 0), 0x51);
}

static void update_interrupt_once_a_second(void **state)
{
    struct fixture *f = *state;

    set(f, 0x0b, 0x12);
    clock_advance(f->clock, 5 * CLOCK_NS_PER_S + MS);
    assert_int_equal(f->irq8.rises, 1); /* not acknowledged: one edge only */
    assert_int_equal(get(f, 0x0c) & 0x90, 0x90);
    assert_false(f->irq8.wire.level);
    assert_int_equal(get(f, 0x0c), 0);
    for (unsigned i = 0; i < 5; i++) {
        clock_advance(f->clock, CLOCK_NS_PER_S);
        assert_int_equal(get(f, 0x0c) & 0x90, 0x90);
    }
    assert_int_equal(f->irq8.rises, 6);
}

static void alarm_rings_at_its_time(void **state)
{
    struct fixture *f = *state;

    set(f, 0x05, 0x00);
    set(f, 0x03, 0x01);
    set(f, 0x01, 0x30);
    set(f, 0x0b, 0x22);
    get(f, 0x0c);
    clock_advance(f->clock, 99 * CLOCK_NS_PER_S + 999 * MS);
    assert_int_equal(f->irq8.rises, 0);
    clock_advance(f->clock, 1 * MS); /* 00:01:30 */
    assert_int_equal(f->irq8.rises, 1);
    assert_int_equal(get(f, 0x0c) & 0xa0, 0xa0);
    clock_advance(f->clock, 86400 * CLOCK_NS_PER_S);
    assert_int_equal(f->irq8.rises, 2);
}

static void alarm_wildcards(void **state)
{
    struct fixture *f = *state;

    set(f, 0x05, 0xff);
    set(f, 0x03, 0xc0);
    set(f, 0x01, 0x05);
    set(f, 0x0b, 0x22);
    get(f, 0x0c);
    for (unsigned i = 0; i < 3; i++) {
        clock_advance(f->clock, 60 * CLOCK_NS_PER_S);
        get(f, 0x0c);
    }
    assert_int_equal(f->irq8.rises, 3); /* once a minute */
    set(f, 0x01, 0x99);                 /* never */
    clock_advance(f->clock, 3600 * CLOCK_NS_PER_S);
    assert_int_equal(f->irq8.rises, 3);
}

static void flags_can_be_polled_without_interrupts(void **state)
{
    struct fixture *f = *state;

    get(f, 0x0c);
    clock_advance(f->clock, CLOCK_NS_PER_S);
    assert_int_equal(get(f, 0x0c), 0x50);
    assert_int_equal(f->irq8.rises, 0);
}

static unsigned count_periodic(struct fixture *f, uint64_t ns)
{
    unsigned rises = f->irq8.rises;

    for (uint64_t t = 0; t < ns; t += 50 * US) {
        clock_advance(f->clock, 50 * US);
        if (f->irq8.wire.level)
            get(f, 0x0c);
    }
    return f->irq8.rises - rises;
}

static void periodic_rates(void **state)
{
    struct fixture *f = *state;

    set(f, 0x0a, 0x26);
    get(f, 0x0c);
    set(f, 0x0b, 0x42);
    assert_in_range(count_periodic(f, CLOCK_NS_PER_S), 1023, 1025);
    set(f, 0x0a, 0x2f);
    assert_in_range(count_periodic(f, CLOCK_NS_PER_S), 1, 3);
    set(f, 0x0a, 0x21); /* as rate 8 */
    assert_in_range(count_periodic(f, CLOCK_NS_PER_S), 255, 257);
    set(f, 0x0a, 0x20);
    assert_int_equal(count_periodic(f, CLOCK_NS_PER_S), 0);
}

static void late_periods_are_paid_back_gently(void **state)
{
    struct fixture *f = *state;

    set(f, 0x0a, 0x2a); /* 64 Hz */
    get(f, 0x0c);
    set(f, 0x0b, 0x42);
    timer_disarm(&f->rtc.periodic_timer);
    clock_advance(f->clock, 500 * MS);
    timer_arm(&f->rtc.periodic_timer, 0);
    assert_in_range(count_periodic(f, 1500 * MS), 126, 130); /* 2 s of 64 Hz */
    assert_in_range(count_periodic(f, CLOCK_NS_PER_S), 63, 65);
}

static void reset_keeps_memory_and_time(void **state)
{
    struct fixture *f = *state;

    rtc_set_cmos(&f->rtc, 0x15, 0x80);
    rtc_set_cmos(&f->rtc, 0x0d, 0x00); /* not for the board */
    rtc_set_cmos(&f->rtc, 500, 0x00);
    set(f, 0x7f, 0x5a);
    set(f, 0x0b, 0x72);
    clock_advance(f->clock, 2 * CLOCK_NS_PER_S);
    f->rtc.dev.ops->reset(&f->rtc.dev);
    assert_false(f->irq8.wire.level);
    assert_int_equal(get(f, 0x0b), 0x02);
    assert_int_equal(get(f, 0x15), 0x80);
    assert_int_equal(get(f, 0x7f), 0x5a);
    assert_int_equal(get(f, 0x0d), 0x80);
    assert_int_equal(get(f, 0x00), 0x52);
}

static void port_70h_masks_nmi(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x70, 0x8f);
    assert_true(f->nmi_mask.wire.level);
    out8(f->ports, 0x71, 0x77);
    out8(f->ports, 0x70, 0x0f);
    assert_false(f->nmi_mask.wire.level);
    assert_int_equal(in8(f->ports, 0x71), 0x77);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(time_follows_the_clock_over_a_leap_day), T(binary_and_12_hour_formats), T(guest_sets_the_clock),
        T(nonsense_dates_are_survived), T(divider_restart_delays_the_second_by_half), T(uip_warns_before_the_update),
        T(update_interrupt_once_a_second), T(alarm_rings_at_its_time), T(alarm_wildcards),
        T(flags_can_be_polled_without_interrupts), T(periodic_rates), T(late_periods_are_paid_back_gently),
        T(reset_keeps_memory_and_time), T(port_70h_masks_nmi),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
