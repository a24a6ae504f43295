#include "tests/unit/chip_fixture.h"
#include "devices/acpipm.h"

#define BASE 0xb000

struct fixture {
    struct space *ports;
    struct clock *clock;
    struct acpipm pm;
    struct recorder sci;
    unsigned power_offs, smis;
};

static void power_off(void *opaque)
{
    ((struct fixture *)opaque)->power_offs++;
}

static void smi(void *opaque)
{
    ((struct fixture *)opaque)->smis++;
}

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.ports = space_create(0x10000, NULL), .clock = clock_create_manual()};
    recorder_init(&f.sci);
    assert_int_equal(acpipm_init(&f.pm, f.ports, f.clock, &f.sci.wire,
                                 &(struct acpipm_callbacks){.power_off = power_off, .smi = smi, .opaque = &f}),
                     0);
    acpipm_set_base(&f.pm, BASE | 1, true);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_disarm(&f->pm.timer);
    clock_destroy(f->clock);
    space_destroy(f->ports);
    return 0;
}

static uint64_t in(struct fixture *f, unsigned offset, unsigned size)
{
    return space_read(f->ports, BASE + offset, size);
}

static void out(struct fixture *f, unsigned offset, unsigned size, uint32_t value)
{
    space_write(f->ports, BASE + offset, size, value);
}

static void timer_counts_at_its_rate(void **state)
{
    struct fixture *f = *state;

    clock_advance(f->clock, CLOCK_NS_PER_S);
    assert_int_equal(in(f, 8, 4), 3579545);
    assert_int_equal(in(f, 8, 2), 3579545 & 0xffff);
    assert_int_equal(in(f, 9, 1), 3579545 >> 8 & 0xff);
    clock_advance(f->clock, 4 * CLOCK_NS_PER_S);
    assert_int_equal(in(f, 8, 4), 5 * 3579545 & 0xffffff);
}

static void timer_overflow_interrupts(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0xb2, 0xf1);
    out(f, 2, 2, 0x0001);
    clock_advance(f->clock, 2343 * MS);
    assert_int_equal(f->sci.rises, 0);
    clock_advance(f->clock, 1 * MS);
    assert_int_equal(f->sci.rises, 1);
    assert_int_equal(in(f, 0, 2), 0x0001);
    out(f, 0, 2, 0x0001);
    assert_false(f->sci.wire.level);
    clock_advance(f->clock, 2344 * MS);
    assert_int_equal(f->sci.rises, 2);
}

static void smi_command_switches_acpi(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in(f, 4, 2) & 1, 0);
    out8(f->ports, 0xb2, 0xf1);
    assert_int_equal(in(f, 4, 2) & 1, 1);
    out(f, 4, 2, 0); /* the guest cannot clear SCI_EN itself */
    assert_int_equal(in(f, 4, 2) & 1, 1);
    out8(f->ports, 0xb2, 0xf0);
    assert_int_equal(in(f, 4, 2) & 1, 0);
    assert_int_equal(in8(f->ports, 0xb2), 0xf0);
    out8(f->ports, 0xb3, 0x12);
    assert_int_equal(in8(f->ports, 0xb3), 0x12);
}

static void power_button_raises_sci_when_enabled(void **state)
{
    struct fixture *f = *state;

    assert_false(acpipm_power_button(&f->pm));
    assert_int_equal(in(f, 0, 2), 0x0100);
    out(f, 0, 2, 0x0100);
    out8(f->ports, 0xb2, 0xf1);
    out(f, 2, 2, 0x0120);
    assert_true(acpipm_power_button(&f->pm));
    assert_true(f->sci.wire.level);
    out(f, 1, 1, 0x01); /* by bytes, too */
    assert_false(f->sci.wire.level);
    assert_int_equal(in(f, 0, 4), 0x01200000);
}

static void sleep_enable_powers_off(void **state)
{
    struct fixture *f = *state;

    out(f, 4, 2, 1 << 10 | 0x2000);
    assert_int_equal(f->power_offs, 0);
    assert_int_equal(in(f, 0, 2), 0x8000); /* came back at once */
    out(f, 4, 2, 0 << 10);
    assert_int_equal(f->power_offs, 0);
    out(f, 4, 2, 0 << 10 | 0x2000);
    assert_int_equal(f->power_offs, 1);
    assert_int_equal(in(f, 4, 2) & 0x2000, 0);
}

static void gpe_block_answers_at_both_places(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0xb2, 0xf1);
    space_write(f->ports, 0xafe2, 1, 0x02);
    acpipm_set_gpe(&f->pm, 1, true);
    assert_true(f->sci.wire.level);
    assert_int_equal(in(f, 0x0c, 2), 0x02);
    assert_int_equal(space_read(f->ports, 0xafe0, 1), 0x02);
    acpipm_set_gpe(&f->pm, 1, false);
    space_write(f->ports, 0xafe0, 1, 0x02);
    assert_false(f->sci.wire.level);
}

static void rtc_event(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0xb2, 0xf1);
    out(f, 2, 2, 0x0400);
    acpipm_set_rtc(&f->pm, 0, true);
    assert_true(f->sci.wire.level);
    assert_int_equal(in(f, 0, 2), 0x0400);
}

static void base_moves_and_disappears(void **state)
{
    struct fixture *f = *state;

    acpipm_set_base(&f->pm, 0x600, true);
    assert_int_equal(space_read(f->ports, BASE, 2), 0xffff);
    assert_int_equal(space_read(f->ports, 0x604, 2), 0);
    acpipm_set_base(&f->pm, 0x600, false);
    assert_int_equal(space_read(f->ports, 0x604, 2), 0xffff);
    acpipm_set_base(&f->pm, 0x80, true); /* collides with nothing, or B2h: never fatal */
    acpipm_set_base(&f->pm, 0, true);
}

static void unaligned_and_wide_accesses_are_safe(void **state)
{
    struct fixture *f = *state;

    for (unsigned offset = 0; offset < 64; offset++) {
        for (unsigned size = 1; size <= 4; size *= 2) {
            in(f, offset, size);
            out(f, offset, size, 0xdfdfdfdf);
        }
    }
    assert_true(true);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static void other_commands_are_smis(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0xb2, 0x12);
    assert_int_equal(f->smis, 0);
    acpipm_set_apmc_smi(&f->pm, true);
    out8(f->ports, 0xb2, 0x12); /* noted, but SMI_EN is clear */
    assert_int_equal(f->smis, 0);
    assert_int_equal(in(f, 0x18, 2), 0x20);
    out(f, 0x18, 2, 0x20);
    assert_int_equal(in(f, 0x18, 2), 0);
    out(f, 0x28, 4, 1);
    out8(f->ports, 0xb2, 0x12);
    out8(f->ports, 0xb2, 0x13);
    assert_int_equal(f->smis, 2);
    out8(f->ports, 0xb2, 0xf1); /* ACPI on: ours */
    assert_int_equal(f->smis, 2);
    f->pm.dev.ops->reset(&f->pm.dev);
    assert_int_equal(in(f, 0x28, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(timer_counts_at_its_rate), T(timer_overflow_interrupts), T(smi_command_switches_acpi), T(other_commands_are_smis),
        T(power_button_raises_sci_when_enabled), T(sleep_enable_powers_off), T(gpe_block_answers_at_both_places),
        T(rtc_event), T(base_moves_and_disappears), T(unaligned_and_wide_accesses_are_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
