#include "tests/unit/chip_fixture.h"
#include "devices/uart.h"
#include <string.h>

#define COM1 0x3f8

/* A backend that takes as many bytes as it is allowed to. */
struct slow_chardev {
    struct chardev chr;
    uint8_t out[256];
    size_t len, allowed;
    unsigned accepts;
};

struct fixture {
    struct space *ports;
    struct clock *clock;
    struct slow_chardev back;
    struct uart uart;
    struct recorder irq;
};

static size_t slow_write(struct chardev *c, const uint8_t *buf, size_t n)
{
    struct slow_chardev *s = (struct slow_chardev *)c;

    if (n > s->allowed)
        n = s->allowed;
    memcpy(s->out + s->len, buf, n);
    s->len += n;
    s->allowed -= n;
    return n;
}

static void slow_accept_input(struct chardev *c)
{
    ((struct slow_chardev *)c)->accepts++;
}

static const struct chardev_ops slow_ops = {
    .name = "slow", .write = slow_write, .accept_input = slow_accept_input};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.ports = space_create(0x10000, NULL), .clock = clock_create_manual()};
    f.back = (struct slow_chardev){.chr.ops = &slow_ops, .allowed = sizeof(f.back.out)};
    recorder_init(&f.irq);
    assert_int_equal(uart_init(&f.uart, f.ports, COM1, &f.irq.wire, &f.back.chr, f.clock), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_disarm(&f->uart.rx_timer);
    timer_disarm(&f->uart.tx_timer);
    clock_destroy(f->clock);
    space_destroy(f->ports);
    return 0;
}

static uint8_t in(struct fixture *f, unsigned reg)
{
    return in8(f->ports, COM1 + reg);
}

static void out(struct fixture *f, unsigned reg, uint8_t value)
{
    out8(f->ports, COM1 + reg, value);
}

static void input(struct fixture *f, const char *text)
{
    assert_true(f->back.chr.front->can_receive(f->back.chr.front_opaque) >= strlen(text));
    f->back.chr.front->receive(f->back.chr.front_opaque, (const uint8_t *)text, strlen(text));
}

static void output_is_immediate(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in(f, 5), 0x60);
    out(f, 0, 'h');
    assert_int_equal(in(f, 5), 0x60);
    out(f, 0, 'i');
    assert_int_equal(f->back.len, 2);
    assert_memory_equal(f->back.out, "hi", 2);
}

static void backpressure_fills_the_fifo_and_drains_later(void **state)
{
    struct fixture *f = *state;

    out(f, 2, 0x01);
    f->back.allowed = 0;
    for (unsigned i = 0; i < 20; i++)
        out(f, 0, 'a' + i);
    assert_int_equal(in(f, 5) & 0x60, 0);
    f->back.allowed = 5;
    clock_advance(f->clock, 2 * MS);
    assert_int_equal(f->back.len, 5);
    assert_int_equal(in(f, 5) & 0x60, 0);
    f->back.allowed = 100;
    clock_advance(f->clock, 2 * MS);
    assert_int_equal(in(f, 5) & 0x60, 0x60);
    assert_int_equal(f->back.len, 16);
    assert_memory_equal(f->back.out, "abcdefghijklmnop", 16);
}

static void thre_interrupt_is_an_edge_per_byte(void **state)
{
    struct fixture *f = *state;

    out(f, 4, 0x0b);
    out(f, 1, 0x02); /* enabling with an empty transmitter interrupts at once */
    assert_int_equal(f->irq.rises, 1);
    assert_int_equal(in(f, 2), 0x02);
    assert_false(f->irq.wire.level);
    assert_int_equal(in(f, 2), 0x01);
    out(f, 0, 'x');
    assert_int_equal(f->irq.rises, 2);
    out(f, 0, 'y');
    assert_int_equal(f->irq.rises, 3);
    out(f, 1, 0x00);
    assert_false(f->irq.wire.level);
    out(f, 1, 0x02);
    assert_int_equal(f->irq.rises, 4);
}

static void receive_trigger_and_timeout(void **state)
{
    struct fixture *f = *state;

    out(f, 4, 0x0b);
    out(f, 2, 0x81); /* trigger 8 */
    out(f, 1, 0x01);
    input(f, "1234567");
    assert_false(f->irq.wire.level);
    assert_int_equal(in(f, 5) & 0x01, 0x01);
    input(f, "8");
    assert_int_equal(in(f, 2), 0xc4);
    assert_int_equal(in(f, 0), '1');
    assert_int_equal(in(f, 2), 0xc1);
    clock_advance(f->clock, 1 * MS);
    assert_int_equal(in(f, 2), 0xcc);
    assert_true(f->irq.wire.level);
    assert_int_equal(in(f, 0), '2');
    assert_false(f->irq.wire.level);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(in(f, 0), '3' + i);
    assert_int_equal(in(f, 5) & 0x01, 0);
    clock_advance(f->clock, 1 * MS);
    assert_false(f->irq.wire.level);
    assert_int_equal(in(f, 0), 0);
}

static void room_is_one_byte_or_sixteen(void **state)
{
    struct fixture *f = *state;
    const struct chardev_frontend *front = f->back.chr.front;
    unsigned accepts;

    assert_int_equal(front->can_receive(&f->uart), 1);
    input(f, "a");
    assert_int_equal(front->can_receive(&f->uart), 0);
    accepts = f->back.accepts;
    in(f, 0);
    assert_int_equal(f->back.accepts, accepts + 1); /* more may come */
    out(f, 2, 0x01);
    assert_int_equal(front->can_receive(&f->uart), 16);
    out(f, 4, 0x10);
    assert_int_equal(front->can_receive(&f->uart), 0);
}

static void loopback_returns_bytes_and_modem_lines(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in(f, 6), 0xb0);
    out(f, 4, 0x1a); /* RTS, OUT2: Linux's probe */
    assert_int_equal(in(f, 6) & 0xf0, 0x90);
    assert_int_equal(in(f, 6) & 0x0f, 0x00); /* deltas are gone after one read */
    out(f, 0, 0x5a);
    assert_int_equal(f->back.len, 0);
    assert_int_equal(in(f, 0), 0x5a);
    out(f, 0, 1);
    out(f, 0, 2);
    assert_int_equal(in(f, 5) & 0x03, 0x03); /* overrun */
    assert_int_equal(in(f, 5) & 0x02, 0x00);
    assert_int_equal(in(f, 0), 2);
    out(f, 4, 0x14);
    in(f, 6);
    out(f, 4, 0x10);
    assert_int_equal(in(f, 6) & 0x04, 0x04); /* TERI */
}

static void interrupts_need_out2(void **state)
{
    struct fixture *f = *state;

    out(f, 1, 0x01);
    input(f, "a");
    assert_int_equal(in(f, 2), 0x04);
    assert_int_equal(f->irq.rises, 0);
    out(f, 4, 0x08);
    assert_int_equal(f->irq.rises, 1);
}

static void interrupt_priorities(void **state)
{
    struct fixture *f = *state;

    out(f, 4, 0x1f);
    out(f, 1, 0x0f);
    in(f, 6);
    out(f, 0, 1);
    out(f, 0, 2); /* overrun */
    out(f, 4, 0x10);
    assert_int_equal(in(f, 2), 0x06);
    in(f, 5);
    assert_int_equal(in(f, 2), 0x04);
    in(f, 0);
    assert_int_equal(in(f, 2), 0x02);
    assert_int_equal(in(f, 2), 0x00);
    in(f, 6);
    assert_int_equal(in(f, 2), 0x01);
}

static void divisor_and_scratch_are_kept(void **state)
{
    struct fixture *f = *state;

    out(f, 3, 0x83);
    out(f, 0, 0x01);
    out(f, 1, 0x02);
    assert_int_equal(in(f, 0), 0x01);
    assert_int_equal(in(f, 1), 0x02);
    out(f, 3, 0x03);
    assert_int_equal(in(f, 1), 0x00);
    assert_int_equal(in(f, 3), 0x03);
    out(f, 7, 0xa5);
    assert_int_equal(in(f, 7), 0xa5);
    out(f, 2, 0xc1);
    assert_int_equal(in(f, 2), 0xc1); /* 16550A */
    assert_int_equal(f->back.len, 0);
}

static void without_backend_output_vanishes(void **state)
{
    struct space *ports = space_create(0x10000, NULL);
    struct fixture *f = *state;
    struct uart u;

    assert_int_equal(uart_init(&u, ports, COM1, NULL, NULL, f->clock), 0);
    for (unsigned i = 0; i < 100; i++)
        out8(ports, COM1, 'x');
    assert_int_equal(in8(ports, COM1 + 5), 0x60);
    space_destroy(ports);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(output_is_immediate), T(backpressure_fills_the_fifo_and_drains_later), T(thre_interrupt_is_an_edge_per_byte),
        T(receive_trigger_and_timeout), T(room_is_one_byte_or_sixteen), T(loopback_returns_bytes_and_modem_lines),
        T(interrupts_need_out2), T(interrupt_priorities), T(divisor_and_scratch_are_kept),
        T(without_backend_output_vanishes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
