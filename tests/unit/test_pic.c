#include "tests/unit/chip_fixture.h"
#include "devices/pic.h"

struct fixture {
    struct space *ports;
    struct pic pic;
    struct recorder intr;
};

static void program(struct fixture *f, uint8_t icw4)
{
    out8(f->ports, 0x20, 0x11);
    out8(f->ports, 0x21, 0x20);
    out8(f->ports, 0x21, 0x04);
    out8(f->ports, 0x21, icw4);
    out8(f->ports, 0xa0, 0x11);
    out8(f->ports, 0xa1, 0x28);
    out8(f->ports, 0xa1, 0x02);
    out8(f->ports, 0xa1, 0x01);
}

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.ports = space_create(0x10000, NULL)};
    recorder_init(&f.intr);
    assert_int_equal(pic_init(&f.pic, f.ports, &f.intr.wire), 0);
    program(&f, 0x01);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    space_destroy(f->ports);
    return 0;
}

static uint8_t isr(struct fixture *f, uint16_t port)
{
    out8(f->ports, port, 0x0b);
    return in8(f->ports, port);
}

static uint8_t irr(struct fixture *f, uint16_t port)
{
    out8(f->ports, port, 0x0a);
    return in8(f->ports, port);
}

static void edge_request_is_acknowledged_once(void **state)
{
    struct fixture *f = *state;

    pic_set_irq(&f->pic, 3, true);
    assert_true(f->intr.wire.level);
    assert_int_equal(irr(f, 0x20), 0x08);
    assert_int_equal(pic_intr_ack(&f->pic), 0x23);
    assert_int_equal(isr(f, 0x20), 0x08);
    assert_int_equal(irr(f, 0x20), 0x00);
    assert_false(f->intr.wire.level);
    out8(f->ports, 0x20, 0x20);
    assert_false(f->intr.wire.level); /* the line is still up: no edge, no request */
    pic_set_irq(&f->pic, 3, false);
    pic_set_irq(&f->pic, 3, true);
    assert_true(f->intr.wire.level);
}

static void level_request_stays_until_the_line_falls(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x4d1, 0x08); /* IRQ 11 */
    pic_set_irq(&f->pic, 11, true);
    assert_int_equal(pic_intr_ack(&f->pic), 0x2b);
    out8(f->ports, 0xa0, 0x20);
    out8(f->ports, 0x20, 0x20);
    assert_true(f->intr.wire.level);
    assert_int_equal(pic_intr_ack(&f->pic), 0x2b);
    pic_set_irq(&f->pic, 11, false);
    out8(f->ports, 0xa0, 0x20);
    out8(f->ports, 0x20, 0x20);
    assert_false(f->intr.wire.level);
}

static void elcr_keeps_system_lines_edge_triggered(void **state)
{
    struct fixture *f = *state;

    space_write(f->ports, 0x4d0, 2, 0xffff);
    assert_int_equal(space_read(f->ports, 0x4d0, 2), 0xdef8);
}

static void priorities_nest(void **state)
{
    struct fixture *f = *state;

    pic_set_irq(&f->pic, 5, true);
    assert_int_equal(pic_intr_ack(&f->pic), 0x25);
    pic_set_irq(&f->pic, 6, true);
    assert_false(f->intr.wire.level);
    pic_set_irq(&f->pic, 1, true);
    assert_true(f->intr.wire.level);
    assert_int_equal(pic_intr_ack(&f->pic), 0x21);
    assert_int_equal(isr(f, 0x20), 0x22);
    out8(f->ports, 0x20, 0x20); /* ends 1, the highest */
    assert_int_equal(isr(f, 0x20), 0x20);
    out8(f->ports, 0x20, 0x65); /* specific EOI of 5 */
    assert_int_equal(pic_intr_ack(&f->pic), 0x26);
}

static void mask_holds_back_but_remembers(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x21, 0x10);
    pic_set_irq(&f->pic, 4, true);
    assert_false(f->intr.wire.level);
    assert_int_equal(irr(f, 0x20), 0x10);
    out8(f->ports, 0x21, 0x00);
    assert_true(f->intr.wire.level);
}

static void slave_goes_through_line_2(void **state)
{
    struct fixture *f = *state;

    pic_set_irq(&f->pic, 14, true);
    assert_int_equal(irr(f, 0x20), 0x04);
    assert_int_equal(pic_intr_ack(&f->pic), 0x2e);
    assert_int_equal(isr(f, 0x20), 0x04);
    assert_int_equal(isr(f, 0xa0), 0x40);
    /* A more urgent slave request waits for the master's EOI, but is not lost. */
    pic_set_irq(&f->pic, 8, true);
    assert_false(f->intr.wire.level);
    out8(f->ports, 0x20, 0x20);
    assert_true(f->intr.wire.level);
    assert_int_equal(pic_intr_ack(&f->pic), 0x28);
}

static void special_fully_nested_lets_slave_requests_nest(void **state)
{
    struct fixture *f = *state;

    program(f, 0x11);
    pic_set_irq(&f->pic, 14, true);
    pic_intr_ack(&f->pic);
    pic_set_irq(&f->pic, 8, true);
    assert_int_equal(pic_intr_ack(&f->pic), 0x28);
}

static void withdrawn_request_is_spurious(void **state)
{
    struct fixture *f = *state;

    pic_set_irq(&f->pic, 3, true);
    pic_set_irq(&f->pic, 3, false);
    assert_false(f->intr.wire.level);
    assert_int_equal(pic_intr_ack(&f->pic), 0x27);
    assert_int_equal(isr(f, 0x20), 0x00);
}

static void special_mask_mode_opens_lower_levels(void **state)
{
    struct fixture *f = *state;

    pic_set_irq(&f->pic, 1, true);
    pic_intr_ack(&f->pic);
    pic_set_irq(&f->pic, 6, true);
    assert_false(f->intr.wire.level);
    out8(f->ports, 0x21, 0x02);
    assert_false(f->intr.wire.level);
    out8(f->ports, 0x20, 0x68);
    assert_true(f->intr.wire.level);
    assert_int_equal(pic_intr_ack(&f->pic), 0x26);
    out8(f->ports, 0x20, 0x20); /* non-specific EOI spares the masked level */
    assert_int_equal(isr(f, 0x20), 0x02);
    out8(f->ports, 0x20, 0x48);
    assert_int_equal(isr(f, 0x20), 0x02);
}

static void rotation_moves_the_lowest_priority(void **state)
{
    struct fixture *f = *state;

    pic_set_irq(&f->pic, 3, true);
    pic_set_irq(&f->pic, 4, true);
    pic_intr_ack(&f->pic);
    out8(f->ports, 0x20, 0xa0); /* rotate on non-specific EOI: 3 becomes lowest */
    pic_set_irq(&f->pic, 3, false);
    pic_set_irq(&f->pic, 3, true);
    assert_int_equal(pic_intr_ack(&f->pic), 0x24);
    out8(f->ports, 0x20, 0x20);
    out8(f->ports, 0x20, 0xc2); /* lowest 2: now 3 is highest */
    pic_set_irq(&f->pic, 1, true);
    assert_int_equal(pic_intr_ack(&f->pic), 0x23);
}

static void automatic_eoi_leaves_nothing_in_service(void **state)
{
    struct fixture *f = *state;

    program(f, 0x03);
    out8(f->ports, 0x20, 0x80); /* rotate in automatic EOI mode */
    pic_set_irq(&f->pic, 0, true);
    pic_set_irq(&f->pic, 1, true);
    assert_int_equal(pic_intr_ack(&f->pic), 0x20);
    assert_int_equal(isr(f, 0x20), 0x00);
    pic_set_irq(&f->pic, 0, false);
    pic_set_irq(&f->pic, 0, true);
    assert_int_equal(pic_intr_ack(&f->pic), 0x21);
}

static void poll_acknowledges(void **state)
{
    struct fixture *f = *state;

    pic_set_irq(&f->pic, 5, true);
    out8(f->ports, 0x20, 0x0c);
    assert_int_equal(in8(f->ports, 0x20), 0x85);
    assert_int_equal(isr(f, 0x20), 0x20);
    out8(f->ports, 0x20, 0x0c);
    assert_int_equal(in8(f->ports, 0x20), 0x00);
    assert_int_equal(in8(f->ports, 0x21), 0x00); /* one read only: this is the mask again */
}

static void icw1_forgets_edges_and_masks(void **state)
{
    struct fixture *f = *state;

    out8(f->ports, 0x21, 0xff);
    pic_set_irq(&f->pic, 3, true);
    program(f, 0x01);
    assert_int_equal(in8(f->ports, 0x21), 0);
    assert_false(f->intr.wire.level);
    pic_set_irq(&f->pic, 3, false);
    pic_set_irq(&f->pic, 3, true);
    assert_true(f->intr.wire.level);
}

static void any_line_number_is_safe(void **state)
{
    struct fixture *f = *state;

    pic_set_irq(&f->pic, 2, true);
    assert_false(f->intr.wire.level);
    pic_set_irq(&f->pic, 1000, true);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(edge_request_is_acknowledged_once), T(level_request_stays_until_the_line_falls),
        T(elcr_keeps_system_lines_edge_triggered), T(priorities_nest), T(mask_holds_back_but_remembers),
        T(slave_goes_through_line_2), T(special_fully_nested_lets_slave_requests_nest),
        T(withdrawn_request_is_spurious), T(special_mask_mode_opens_lower_levels),
        T(rotation_moves_the_lowest_priority), T(automatic_eoi_leaves_nothing_in_service), T(poll_acknowledges),
        T(icw1_forgets_edges_and_masks), T(any_line_number_is_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
