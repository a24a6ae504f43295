#include "tests/unit/chip_fixture.h"
#include "devices/lapic.h"

#define BASE 0xfee00000ull

#define ID 0x020
#define VERSION 0x030
#define TPR 0x080
#define PPR 0x0a0
#define EOI 0x0b0
#define LDR 0x0d0
#define DFR 0x0e0
#define SVR 0x0f0
#define ISR(v) (0x100 + (v) / 32 * 16)
#define TMR(v) (0x180 + (v) / 32 * 16)
#define IRR(v) (0x200 + (v) / 32 * 16)
#define ESR 0x280
#define ICR_LOW 0x300
#define ICR_HIGH 0x310
#define LVT(n) (0x320 + (n) * 16)
#define INITIAL 0x380
#define CURRENT 0x390
#define DIVIDE 0x3e0

#define MASKED 0x10000
#define PERIODIC 0x20000
#define LEVEL 0x8000
#define BY_1 0x0b
#define BY_16 0x03
#define TICK_NS (CLOCK_NS_PER_S / CLOCK_BUS_HZ)

struct fixture {
    struct space *memory;
    struct clock *clock;
    struct apicbus bus;
    struct lapic apic;
    struct recorder intr, nmi, init, smi;
    unsigned eois;
    uint8_t eoi_vector;
};

static void eoi_seen(void *opaque, uint8_t vector)
{
    struct fixture *f = opaque;

    f->eois++;
    f->eoi_vector = vector;
}

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.memory = space_create(1ull << 36, NULL), .clock = clock_create_manual()};
    recorder_init(&f.intr);
    recorder_init(&f.nmi);
    recorder_init(&f.smi);
    recorder_init(&f.init);
    f.bus.eoi = eoi_seen;
    f.bus.io = &f;
    assert_int_equal(lapic_init(&f.apic, f.memory, f.clock, &f.bus, &f.intr.wire, &f.nmi.wire, &f.init.wire, &f.smi.wire), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_disarm(&f->apic.timer);
    clock_destroy(f->clock);
    space_destroy(f->memory);
    return 0;
}

static uint32_t get(struct fixture *f, unsigned reg)
{
    return (uint32_t)space_read(f->memory, BASE + reg, 4);
}

static void put(struct fixture *f, unsigned reg, uint32_t value)
{
    space_write(f->memory, BASE + reg, 4, value);
}

static bool has(struct fixture *f, unsigned map, uint8_t vector)
{
    return get(f, map) >> (vector & 31) & 1;
}

/* As a system does it. */
static void enable(struct fixture *f)
{
    put(f, SVR, 0x1ef);
}

static bool message(struct fixture *f, uint8_t vector, bool is_level)
{
    struct apic_message m = {.destination = 0, .delivery = APIC_FIXED, .vector = vector, .is_level = is_level};

    return apicbus_send(&f->bus, &m);
}

static void registers_after_reset(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, ID), 0);
    assert_int_equal(get(f, VERSION), 0x50014);
    assert_int_equal(get(f, SVR), 0xff);
    assert_int_equal(get(f, DFR), 0xffffffff);
    assert_int_equal(get(f, LVT(LVT_TIMER)), MASKED);
    assert_int_equal(get(f, LVT(LVT_ERROR)), MASKED);
    assert_int_equal(get(f, CURRENT), 0);
    enable(f);
    put(f, TPR, 0x55);
    put(f, ID, 0x07000000);
    f->apic.dev.ops->reset(&f->apic.dev);
    assert_int_equal(get(f, TPR), 0);
    assert_int_equal(get(f, ID), 0);
    assert_int_equal(get(f, SVR), 0xff);
}

static void virtual_wire_from_reset_on(void **state)
{
    struct fixture *f = *state;

    lapic_set_lint(&f->apic, 0, true);
    assert_true(f->intr.wire.level);
    assert_int_equal(lapic_intr_ack(&f->apic), LAPIC_EXTINT);
    lapic_set_lint(&f->apic, 0, false);
    assert_false(f->intr.wire.level);
    lapic_set_lint(&f->apic, 1, true);
    assert_int_equal(f->nmi.rises, 1);
    lapic_set_lint(&f->apic, 1, false);
    assert_int_equal(f->nmi.rises, 1);
    put(f, LVT(LVT_LINT0), MASKED | 0x700);
    lapic_set_lint(&f->apic, 0, true);
    assert_false(f->intr.wire.level);
    enable(f);
    put(f, LVT(LVT_LINT0), 0x8700); /* as SeaBIOS writes it; the pin is a level */
    assert_true(f->intr.wire.level);
}

static void software_disable_masks(void **state)
{
    struct fixture *f = *state;

    assert_false(message(f, 0x40, false));
    enable(f);
    put(f, LVT(LVT_LINT0), 0x700);
    put(f, LVT(LVT_TIMER), 0x31);
    put(f, SVR, 0xff);
    assert_int_equal(get(f, LVT(LVT_LINT0)), MASKED | 0x700);
    assert_int_equal(get(f, LVT(LVT_TIMER)), MASKED | 0x31);
    put(f, LVT(LVT_TIMER), 0x31); /* the mask cannot be opened now */
    assert_int_equal(get(f, LVT(LVT_TIMER)), MASKED | 0x31);
    assert_false(message(f, 0x40, false));
    assert_false(f->intr.wire.level);
}

static void base_moves_and_switches(void **state)
{
    struct fixture *f = *state;

    enable(f);
    lapic_set_apic_base(&f->apic, 0xfed10900);
    assert_int_equal(get(f, VERSION), 0xffffffff);
    assert_int_equal(space_read(f->memory, 0xfed10000 + SVR, 4), 0x1ef);
    put(f, LVT(LVT_LINT0), 0); /* nobody there */
    lapic_set_apic_base(&f->apic, 0xfee00100);
    assert_int_equal(get(f, VERSION), 0xffffffff);
    assert_int_equal(space_read(f->memory, 0xfed10000 + SVR, 4), 0xffffffff);
    lapic_set_lint(&f->apic, 0, true); /* INTR */
    assert_true(f->intr.wire.level);
    assert_int_equal(lapic_intr_ack(&f->apic), LAPIC_EXTINT);
    lapic_set_lint(&f->apic, 1, true);
    assert_int_equal(f->nmi.rises, 1);
    assert_false(message(f, 0x40, false));
    lapic_set_apic_base(&f->apic, 0xfee00900);
    assert_int_equal(get(f, SVR), 0xff);
}

static void priorities(void **state)
{
    struct fixture *f = *state;

    enable(f);
    assert_true(message(f, 0x41, false));
    assert_true(message(f, 0x53, false));
    assert_true(message(f, 0x5a, false));
    assert_int_equal(lapic_intr_ack(&f->apic), 0x5a);
    assert_false(f->intr.wire.level); /* 53h is of the same class */
    assert_int_equal(get(f, PPR), 0x50);
    assert_true(has(f, ISR(0x5a), 0x5a));
    assert_true(has(f, IRR(0x53), 0x53));
    assert_true(message(f, 0x61, false));
    assert_int_equal(lapic_intr_ack(&f->apic), 0x61);
    put(f, EOI, 0);
    assert_int_equal(get(f, PPR), 0x50);
    assert_false(f->intr.wire.level);
    put(f, EOI, 0);
    assert_int_equal(lapic_intr_ack(&f->apic), 0x53);
    put(f, EOI, 0);
    assert_int_equal(lapic_intr_ack(&f->apic), 0x41);
    put(f, EOI, 0);
    assert_false(f->intr.wire.level);
    put(f, EOI, 0); /* one too many */
    assert_int_equal(f->eois, 0);
}

static void task_priority_holds_back(void **state)
{
    struct fixture *f = *state;

    enable(f);
    put(f, TPR, 0x40);
    message(f, 0x4f, false);
    assert_false(f->intr.wire.level);
    assert_int_equal(lapic_intr_ack(&f->apic), 0xef); /* spurious */
    assert_int_equal(get(f, ISR(0xef)), 0);
    put(f, TPR, 0x3f);
    assert_true(f->intr.wire.level);
    assert_int_equal(lapic_intr_ack(&f->apic), 0x4f);
    assert_int_equal(get(f, PPR), 0x40);
    put(f, TPR, 0x45);
    assert_int_equal(get(f, PPR), 0x45);
}

static void level_messages_broadcast_their_eoi(void **state)
{
    struct fixture *f = *state;

    enable(f);
    message(f, 0x71, true);
    assert_true(has(f, TMR(0x71), 0x71));
    lapic_intr_ack(&f->apic);
    put(f, EOI, 0);
    assert_int_equal(f->eois, 1);
    assert_int_equal(f->eoi_vector, 0x71);
    message(f, 0x71, false);
    assert_false(has(f, TMR(0x71), 0x71));
    lapic_intr_ack(&f->apic);
    put(f, EOI, 0);
    assert_int_equal(f->eois, 1);
}

static void destinations(void **state)
{
    static const struct {
        uint32_t dfr, ldr;
        struct apic_message m;
        bool is_taken;
    } cases[] = {
        {0xffffffff, 0x02000000, {.destination = 5}, true},
        {0xffffffff, 0x02000000, {.destination = 4}, false},
        {0xffffffff, 0x02000000, {.destination = 0xff}, true},
        {0xffffffff, 0x02000000, {.destination = 0x06, .is_logical = true}, true},
        {0xffffffff, 0x02000000, {.destination = 0x05, .is_logical = true}, false},
        {0x0fffffff, 0x32000000, {.destination = 0x36, .is_logical = true}, true},
        {0x0fffffff, 0x32000000, {.destination = 0x26, .is_logical = true}, false},
        {0x0fffffff, 0x32000000, {.destination = 0x35, .is_logical = true}, false},
        {0x0fffffff, 0x32000000, {.destination = 0xff, .is_logical = true}, true},
    };
    struct fixture *f = *state;

    enable(f);
    put(f, ID, 0x05000000);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct apic_message m = cases[i].m;

        m.vector = 0x80;
        put(f, DFR, cases[i].dfr);
        put(f, LDR, cases[i].ldr);
        assert_int_equal(apicbus_send(&f->bus, &m), cases[i].is_taken);
    }
}

static void messages_of_other_kinds(void **state)
{
    struct fixture *f = *state;
    struct apic_message m = {.delivery = APIC_NMI};

    assert_true(apicbus_send(&f->bus, &m)); /* even while disabled by software */
    assert_int_equal(f->nmi.rises, 1);
    m.delivery = APIC_INIT;
    apicbus_send(&f->bus, &m);
    assert_int_equal(f->init.rises, 1);
    m.delivery = APIC_SMI;
    apicbus_send(&f->bus, &m);
    assert_int_equal(f->smi.rises, 1);
    m.delivery = APIC_STARTUP;
    apicbus_send(&f->bus, &m);
    assert_false(f->intr.wire.level);
    m.delivery = APIC_EXTINT;
    apicbus_send(&f->bus, &m);
    assert_true(f->intr.wire.level);
    assert_int_equal(lapic_intr_ack(&f->apic), LAPIC_EXTINT);
    assert_false(f->intr.wire.level);
}

static void interprocessor_interrupts(void **state)
{
    struct fixture *f = *state;

    enable(f);
    put(f, ICR_LOW, 0x40000 | 0x90); /* self */
    assert_int_equal(lapic_intr_ack(&f->apic), 0x90);
    put(f, EOI, 0);
    put(f, ICR_LOW, 0x91); /* physical destination 0 */
    assert_int_equal(lapic_intr_ack(&f->apic), 0x91);
    put(f, EOI, 0);
    put(f, ICR_HIGH, 0x01000000);
    put(f, ICR_LOW, 0x92); /* an absent processor */
    assert_false(f->intr.wire.level);
    assert_int_equal(get(f, ICR_LOW), 0x92); /* and not pending */
    put(f, ICR_LOW, 0xc4500); /* SeaBIOS: INIT and STARTUP to all others */
    put(f, ICR_LOW, 0xc4609);
    assert_int_equal(f->init.rises, 0);
    put(f, ICR_LOW, 0x88500); /* INIT level de-assert to all */
    assert_int_equal(f->init.rises, 0);
    put(f, ICR_LOW, 0x40400);
    assert_int_equal(f->nmi.rises, 1);
    put(f, ICR_LOW, 0x4200);
    assert_int_equal(f->smi.rises, 0); /* destination 1: nobody */
    put(f, ICR_HIGH, 0);
    put(f, ICR_LOW, 0x4200);
    assert_int_equal(f->smi.rises, 1);
    assert_false(f->intr.wire.level);
}

static void errors(void **state)
{
    struct fixture *f = *state;

    enable(f);
    put(f, LVT(LVT_ERROR), 0xfe);
    put(f, ICR_LOW, 0x40005); /* illegal vector */
    assert_int_equal(lapic_intr_ack(&f->apic), 0xfe);
    assert_int_equal(get(f, ESR), 0); /* shown after a write only */
    put(f, ESR, 0);
    assert_int_equal(get(f, ESR), 0x20);
    put(f, EOI, 0);
    message(f, 0x0f, false);
    get(f, 0x3f0); /* no such register */
    put(f, ESR, 0);
    assert_int_equal(get(f, ESR), 0xc0);
    put(f, ESR, 0);
    assert_int_equal(get(f, ESR), 0);
    lapic_intr_ack(&f->apic);
    put(f, EOI, 0);
    put(f, LVT(LVT_ERROR), 3); /* the error interrupt is an error itself */
    put(f, ICR_LOW, 0x40005);
    put(f, ESR, 0);
    assert_int_equal(get(f, ESR), 0x60);
    assert_false(f->intr.wire.level);
}

static void lint0_as_fixed_interrupt(void **state)
{
    struct fixture *f = *state;

    enable(f);
    put(f, LVT(LVT_LINT0), 0x35);
    lapic_set_lint(&f->apic, 0, true);
    assert_int_equal(lapic_intr_ack(&f->apic), 0x35);
    put(f, EOI, 0);
    assert_false(f->intr.wire.level); /* an edge */
    put(f, LVT(LVT_LINT0), LEVEL | 0x35);
    assert_int_equal(get(f, LVT(LVT_LINT0)), LEVEL | 0x4000 | 0x35);
    assert_int_equal(lapic_intr_ack(&f->apic), 0x35);
    assert_false(f->intr.wire.level);
    put(f, EOI, 0);
    assert_true(f->intr.wire.level); /* still there */
    lapic_intr_ack(&f->apic);
    lapic_set_lint(&f->apic, 0, false);
    put(f, EOI, 0);
    assert_false(f->intr.wire.level);
    assert_int_equal(get(f, LVT(LVT_LINT0)), LEVEL | 0x35);
}

static void timer_one_shot(void **state)
{
    struct fixture *f = *state;

    enable(f);
    put(f, LVT(LVT_TIMER), 0x31);
    put(f, DIVIDE, BY_16);
    put(f, INITIAL, 1000);
    assert_int_equal(get(f, CURRENT), 1000);
    clock_advance(f->clock, 16 * TICK_NS);
    assert_int_equal(get(f, CURRENT), 999);
    clock_advance(f->clock, 16 * 998 * TICK_NS);
    assert_int_equal(get(f, CURRENT), 1);
    assert_false(f->intr.wire.level);
    clock_advance(f->clock, 16 * TICK_NS);
    assert_int_equal(get(f, CURRENT), 0);
    assert_int_equal(lapic_intr_ack(&f->apic), 0x31);
    put(f, EOI, 0);
    clock_advance(f->clock, CLOCK_NS_PER_S);
    assert_false(f->intr.wire.level);
    assert_false(timer_is_armed(&f->apic.timer));
}

static void timer_divisors(void **state)
{
    static const uint8_t code[] = {0x0b, 0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a}; /* by 1, 2, 4 … 128 */
    struct fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_SIZE(code); i++) {
        put(f, DIVIDE, code[i]);
        put(f, INITIAL, 0xffffffff);
        clock_advance(f->clock, 1280 * TICK_NS);
        assert_int_equal(get(f, CURRENT), 0xffffffff - (1280u >> i));
    }
}

static void timer_divisor_changes_in_flight(void **state)
{
    struct fixture *f = *state;

    enable(f);
    put(f, LVT(LVT_TIMER), 0x31);
    put(f, DIVIDE, BY_1);
    put(f, INITIAL, 1000);
    clock_advance(f->clock, 400 * TICK_NS);
    put(f, DIVIDE, BY_16);
    assert_int_equal(get(f, CURRENT), 600);
    clock_advance(f->clock, 599 * 16 * TICK_NS);
    assert_false(f->intr.wire.level);
    clock_advance(f->clock, 16 * TICK_NS);
    assert_true(f->intr.wire.level);
}

static unsigned serve_timer(struct fixture *f)
{
    unsigned n = 0;

    for (; f->intr.wire.level; n++) {
        assert_int_equal(lapic_intr_ack(&f->apic), 0x31);
        put(f, EOI, 0);
    }
    return n;
}

static void timer_periodic(void **state)
{
    struct fixture *f = *state;

    enable(f);
    put(f, DIVIDE, BY_1);
    put(f, LVT(LVT_TIMER), PERIODIC | 0x31);
    put(f, INITIAL, 100000); /* 1 ms */
    for (unsigned i = 0; i < 10; i++) {
        clock_advance(f->clock, MS);
        assert_int_equal(serve_timer(f), 1);
    }
    clock_advance(f->clock, MS / 4);
    assert_int_equal(get(f, CURRENT), 75000);
    put(f, LVT(LVT_TIMER), PERIODIC | MASKED | 0x31);
    assert_false(timer_is_armed(&f->apic.timer));
    clock_advance(f->clock, 10 * MS);
    assert_int_equal(get(f, CURRENT), 75000); /* it counts on */
    put(f, LVT(LVT_TIMER), PERIODIC | 0x31);
    assert_false(f->intr.wire.level);
    clock_advance(f->clock, MS * 3 / 4);
    assert_int_equal(serve_timer(f), 1);
    put(f, INITIAL, 0);
    clock_advance(f->clock, 10 * MS);
    assert_int_equal(serve_timer(f), 0);
    assert_int_equal(get(f, CURRENT), 0);
}

/* The host comes late: what it missed is made up for, one at a time. */
static void timer_pays_what_it_owes(void **state)
{
    struct fixture *f = *state;
    unsigned served = 0;

    enable(f);
    put(f, DIVIDE, BY_1);
    put(f, LVT(LVT_TIMER), PERIODIC | 0x31);
    put(f, INITIAL, 100000);
    timer_disarm(&f->apic.timer);
    clock_advance(f->clock, 5 * MS + MS / 10);
    timer_arm(&f->apic.timer, clock_now_ns(f->clock));
    clock_run_timers(f->clock);
    served += serve_timer(f);
    assert_int_equal(served, 1);
    for (unsigned i = 0; i < 49; i++) {
        clock_advance(f->clock, MS / 10);
        served += serve_timer(f);
    }
    assert_int_equal(served, 10);
}

static void tiny_periods_do_not_storm(void **state)
{
    struct fixture *f = *state;

    enable(f);
    put(f, DIVIDE, BY_1);
    put(f, LVT(LVT_TIMER), PERIODIC | 0x31);
    put(f, INITIAL, 1);
    for (unsigned i = 0; i < 100; i++) {
        clock_advance(f->clock, 10 * US);
        assert_in_range(serve_timer(f), 0, 1);
    }
}

static void narrow_and_odd_accesses(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(space_read(f->memory, BASE + VERSION, 1), 0x14);
    assert_int_equal(space_read(f->memory, BASE + VERSION + 2, 1), 5);
    assert_int_equal(space_read(f->memory, BASE + VERSION + 4, 4), 0);
    space_write(f->memory, BASE + TPR + 4, 4, 0x77);
    assert_int_equal(get(f, TPR), 0);
    space_write(f->memory, BASE + TPR, 1, 0x77);
    assert_int_equal(get(f, TPR), 0x77);
}

static void survives_any_write(void **state)
{
    struct fixture *f = *state;
    uint32_t seed = 12345;

    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        put(f, seed >> 8 & 0xff0, seed ^ seed << 13);
        get(f, seed >> 16 & 0xff0);
        if (i % 4 == 0)
            clock_advance(f->clock, seed >> 20);
        if (f->intr.wire.level)
            assert_in_range(lapic_intr_ack(&f->apic) + 1, 0, 256);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(registers_after_reset), T(virtual_wire_from_reset_on), T(software_disable_masks), T(base_moves_and_switches),
        T(priorities), T(task_priority_holds_back), T(level_messages_broadcast_their_eoi), T(destinations),
        T(messages_of_other_kinds), T(interprocessor_interrupts), T(errors), T(lint0_as_fixed_interrupt),
        T(timer_one_shot), T(timer_divisors), T(timer_divisor_changes_in_flight), T(timer_periodic),
        T(timer_pays_what_it_owes), T(tiny_periods_do_not_storm), T(narrow_and_odd_accesses), T(survives_any_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
