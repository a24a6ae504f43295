#include "tests/unit/chip_fixture.h"
#include "devices/ioapic.h"

#define BASE 0xfec00000ull
#define LOGICAL 0x800
#define REMOTE_IRR 0x4000
#define LEVEL 0x8000
#define MASKED 0x10000

struct fixture {
    struct space *memory;
    struct apicbus bus;
    struct ioapic io;
    struct apic_message last;
    unsigned messages;
    bool is_refusing;
};

static bool record(void *opaque, const struct apic_message *m)
{
    struct fixture *f = opaque;

    if (f->is_refusing)
        return false;
    f->last = *m;
    f->messages++;
    return true;
}

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.memory = space_create(1ull << 36, NULL)};
    f.bus.accept = record;
    f.bus.local = &f;
    assert_int_equal(ioapic_init(&f.io, f.memory, &f.bus), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    space_destroy(((struct fixture *)*state)->memory);
    return 0;
}

static uint32_t get(struct fixture *f, uint8_t reg)
{
    space_write(f->memory, BASE, 4, reg);
    return (uint32_t)space_read(f->memory, BASE + 0x10, 4);
}

static void put(struct fixture *f, uint8_t reg, uint32_t value)
{
    space_write(f->memory, BASE, 4, reg);
    space_write(f->memory, BASE + 0x10, 4, value);
}

static void put_entry(struct fixture *f, unsigned pin, uint32_t low)
{
    put(f, 0x10 + 2 * pin, low);
}

static void registers_after_reset(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, 0), 0);
    assert_int_equal(get(f, 1), 0x170020);
    for (unsigned pin = 0; pin < IOAPIC_LINES; pin++) {
        assert_int_equal(get(f, 0x10 + 2 * pin), MASKED);
        assert_int_equal(get(f, 0x11 + 2 * pin), 0);
    }
    assert_int_equal(get(f, 0x40), 0); /* behind the last */
    put(f, 0x40, ~0u);
    put(f, 0, 0xffffffff);
    assert_int_equal(get(f, 0), 0x0f000000);
    assert_int_equal(get(f, 2), 0x0f000000);
    put_entry(f, 3, 0xffffffff);
    put(f, 0x17, 0xffffffff);
    assert_int_equal(get(f, 0x16), 0x1afff); /* status bits and what is reserved stay 0 */
    assert_int_equal(get(f, 0x17), 0xff000000);
    f->io.dev.ops->reset(&f->io.dev);
    assert_int_equal(get(f, 0x16), MASKED);
}

static void edges(void **state)
{
    struct fixture *f = *state;

    put(f, 0x10 + 2 * 4 + 1, 0x03000000);
    put_entry(f, 4, LOGICAL | 0x134); /* lowest priority */
    ioapic_set_irq(&f->io, 4, true);
    assert_int_equal(f->messages, 1);
    assert_int_equal(f->last.vector, 0x34);
    assert_int_equal(f->last.delivery, APIC_LOWEST_PRIORITY);
    assert_int_equal(f->last.destination, 3);
    assert_true(f->last.is_logical);
    assert_false(f->last.is_level);
    ioapic_set_irq(&f->io, 4, true);
    assert_int_equal(f->messages, 1);
    ioapic_set_irq(&f->io, 4, false);
    ioapic_set_irq(&f->io, 4, true);
    assert_int_equal(f->messages, 2);
    assert_int_equal(get(f, 0x18) & REMOTE_IRR, 0);
}

static void masked_edges_are_lost(void **state)
{
    struct fixture *f = *state;

    put_entry(f, 4, MASKED | 0x34);
    ioapic_set_irq(&f->io, 4, true);
    put_entry(f, 4, 0x34);
    assert_int_equal(f->messages, 0);
}

static void levels_wait_for_the_eoi(void **state)
{
    struct fixture *f = *state;

    put_entry(f, 11, LEVEL | 0x61);
    ioapic_set_irq(&f->io, 11, true);
    assert_int_equal(f->messages, 1);
    assert_true(f->last.is_level);
    assert_int_equal(get(f, 0x26), REMOTE_IRR | LEVEL | 0x61);
    ioapic_set_irq(&f->io, 11, false);
    ioapic_set_irq(&f->io, 11, true);
    assert_int_equal(f->messages, 1);
    apicbus_eoi(&f->bus, 0x62);
    assert_int_equal(f->messages, 1);
    apicbus_eoi(&f->bus, 0x61);
    assert_int_equal(f->messages, 2); /* still active */
    ioapic_set_irq(&f->io, 11, false);
    apicbus_eoi(&f->bus, 0x61);
    assert_int_equal(f->messages, 2);
    assert_int_equal(get(f, 0x26), LEVEL | 0x61);
}

static void masked_levels_come_later(void **state)
{
    struct fixture *f = *state;

    put_entry(f, 11, MASKED | LEVEL | 0x61);
    ioapic_set_irq(&f->io, 11, true);
    assert_int_equal(f->messages, 0);
    put_entry(f, 11, LEVEL | 0x61);
    assert_int_equal(f->messages, 1);
    put_entry(f, 11, MASKED | LEVEL | 0x61);
    put_entry(f, 11, LEVEL | 0x61); /* remote IRR holds it back */
    assert_int_equal(f->messages, 1);
}

static void refused_levels_are_offered_again(void **state)
{
    struct fixture *f = *state;

    f->is_refusing = true;
    put_entry(f, 11, LEVEL | 0x61);
    ioapic_set_irq(&f->io, 11, true);
    assert_int_equal(get(f, 0x26), LEVEL | 0x61);
    f->is_refusing = false;
    put_entry(f, 11, LEVEL | 0x61);
    assert_int_equal(f->messages, 1);
}

static void eoi_by_register_and_by_edge_mode(void **state)
{
    struct fixture *f = *state;

    put_entry(f, 5, LEVEL | 0x51);
    ioapic_set_irq(&f->io, 5, true);
    ioapic_set_irq(&f->io, 5, false);
    space_write(f->memory, BASE + 0x40, 4, 0x51);
    assert_int_equal(get(f, 0x1a), LEVEL | 0x51);
    ioapic_set_irq(&f->io, 5, true);
    ioapic_set_irq(&f->io, 5, false);
    put_entry(f, 5, MASKED | 0x51);
    put_entry(f, 5, LEVEL | 0x51);
    assert_int_equal(get(f, 0x1a), LEVEL | 0x51);
    assert_int_equal(f->messages, 2);
}

static void lines_that_do_not_exist(void **state)
{
    struct fixture *f = *state;

    ioapic_set_irq(&f->io, IOAPIC_LINES, true);
    ioapic_set_irq(&f->io, 77, true);
    assert_int_equal(f->io.lines, 0);
    assert_int_equal(space_read(f->memory, BASE + 0x20, 4), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(registers_after_reset), T(edges), T(masked_edges_are_lost), T(levels_wait_for_the_eoi),
        T(masked_levels_come_later), T(refused_levels_are_offered_again), T(eoi_by_register_and_by_edge_mode),
        T(lines_that_do_not_exist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
