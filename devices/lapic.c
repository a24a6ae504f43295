/* The local APIC in xAPIC mode, version 14h with six LVT entries.  SDM 3A, chapter 11.
 *
 *     020 ID        080 TPR  0A0 PPR  0B0 EOI      100-170 ISR  180-1F0 TMR  200-270 IRR     280 ESR
 *     030 version   0D0 LDR  0E0 DFR  0F0 SVR      300 310 ICR  320-370 LVT  380 390 3E0 timer
 *
 * Decisions:
 * - Reset leaves LINT0 as ExtINT and LINT1 as NMI, both open: virtual wire mode, in which the 8259s work as if there were
 *   no APIC.  On real boards firmware sets this up; so even firmware that knows no APIC gets its interrupts here.
 * - Switched off in IA32_APIC_BASE, the pins are INTR and NMI of the processor again, and the registers are reset.
 * - The timer counts CLOCK_BUS_HZ.  While its LVT entry is masked no host timer runs: counts follow from the clock.
 * - A periodic timer that the host served late is owed the expiries missed, up to a second's worth, which come at twice
 *   the rate; none come closer than MIN_PERIOD_TICKS.
 * - The polarity of LINT pins is ignored: the board drives "active".
 * - STARTUP goes nowhere; INIT to this processor resets the machine (the board's wire).
 * - Not modelled: TPR shadow in CR8, focus processor, arbitration, TSC deadlines, x2APIC, a page over RAM. */
#include "devices/lapic.h"

#include "devices/muldiv.h"
#include "host/log.h"

#define LAPIC_BYTES   0x1000
#define LAPIC_VERSION (0x14u | (LVT_COUNT - 1u) << 16)

#define APIC_BASE_RESET 0xfee00900ull
#define APIC_BASE_EN    0x800u
#define APIC_BASE_ADDR  0xffffff000ull

/* Register numbers: offset / 16. */
enum {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_APR = 0x09, /* arbitration priority and remote read: 0 since the Pentium 4 */
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_RRD = 0x0c,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR_LOW = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT = 0x32,
    REG_LVT_LAST = REG_LVT + LVT_COUNT - 1,
    REG_INITIAL_COUNT = 0x38,
    REG_CURRENT_COUNT = 0x39,
    REG_DIVIDE = 0x3e
};

#define SVR_ENABLE   0x100u
#define SVR_WRITABLE 0x3ffu
#define SVR_RESET    0xffu

#define DFR_RESERVED 0x0fffffffu /* read as ones */
#define DFR_FLAT     0xfu        /* bits 31:28 */
#define BROADCAST    0xff

#define LVT_VECTOR         0xffu
#define LVT_DELIVERY_SHIFT 8
#define LVT_REMOTE_IRR     0x4000u
#define LVT_LEVEL          0x8000u
#define LVT_MASKED         0x10000u
#define LVT_PERIODIC       0x20000u

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = LVT_PERIODIC | LVT_MASKED | LVT_VECTOR,
    [LVT_THERMAL] = LVT_MASKED | 0x7ff,
    [LVT_PERF] = LVT_MASKED | 0x7ff,
    [LVT_LINT0] = LVT_MASKED | 0xa7ff,
    [LVT_LINT1] = LVT_MASKED | 0xa7ff,
    [LVT_ERROR] = LVT_MASKED | LVT_VECTOR,
};

#define ICR_LOGICAL         0x800u
#define ICR_ASSERT          0x4000u
#define ICR_LEVEL           0x8000u
#define ICR_SHORTHAND_SHIFT 18
#define ICR_WRITABLE        0xccfffu
enum icr_shorthand { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };

#define ESR_SEND_ILLEGAL_VECTOR    0x20u
#define ESR_RECEIVE_ILLEGAL_VECTOR 0x40u
#define ESR_ILLEGAL_REGISTER       0x80u
#define FIRST_LEGAL_VECTOR         16

#define DIVIDE_WRITABLE  0x0b
#define MIN_PERIOD_TICKS (CLOCK_BUS_HZ / 100000) /* 10 us */

static bool is_on(const struct lapic *l)
{
    return l->apic_base & APIC_BASE_EN;
}

static enum apic_delivery lvt_delivery(uint32_t lvt)
{
    return lvt >> LVT_DELIVERY_SHIFT & 7;
}

/* --- what the processor sees --- */

static void set_bit(uint32_t map[8], uint8_t vector)
{
    map[vector >> 5] |= 1u << (vector & 31);
}

static void clear_bit(uint32_t map[8], uint8_t vector)
{
    map[vector >> 5] &= ~(1u << (vector & 31));
}

static bool test_bit(const uint32_t map[8], uint8_t vector)
{
    return map[vector >> 5] >> (vector & 31) & 1;
}

/* Highest vector in the map, or -1. */
static int highest(const uint32_t map[8])
{
    for (int i = 7; i >= 0; i--)
        if (map[i])
            return i * 32 + 31 - __builtin_clz(map[i]);
    return -1;
}

static uint8_t lapic_ppr(const struct lapic *l)
{
    int in_service = highest(l->isr);

    if (in_service < 0 || l->tpr >> 4 >= in_service >> 4)
        return l->tpr;
    return in_service & 0xf0;
}

/* The vector to be served next, or -1. */
static int lapic_next(const struct lapic *l)
{
    int vector = highest(l->irr);

    return vector >= 0 && vector >> 4 > lapic_ppr(l) >> 4 ? vector : -1;
}

static bool is_pin_extint(const struct lapic *l, unsigned pin)
{
    uint32_t lvt = l->lvt[LVT_LINT0 + pin];

    return l->lint[pin] && !(lvt & LVT_MASKED) && lvt_delivery(lvt) == APIC_EXTINT;
}

static bool has_extint(const struct lapic *l)
{
    return l->is_extint_latched || is_pin_extint(l, 0) || is_pin_extint(l, 1);
}

static void lapic_update_irq(struct lapic *l)
{
    wire_set(l->intr, is_on(l) ? lapic_next(l) >= 0 || has_extint(l) : l->lint[0]);
}

int lapic_intr_ack(struct lapic *l)
{
    int vector = lapic_next(l);

    if (!is_on(l))
        return LAPIC_EXTINT;
    if (vector >= 0) {
        clear_bit(l->irr, (uint8_t)vector);
        set_bit(l->isr, (uint8_t)vector);
    } else if (has_extint(l)) {
        l->is_extint_latched = false;
        vector = LAPIC_EXTINT;
    } else {
        vector = l->svr & LVT_VECTOR; /* spurious: nothing comes into service */
    }
    lapic_update_irq(l);
    log_at(LOG_IRQ, "lapic: vector %#x", (unsigned)vector);
    return vector;
}

/* --- interrupts come in --- */

static void raise_local(struct lapic *l, enum lapic_lvt entry);

/* The error interrupt may itself have an illegal vector: each error is raised once until ESR is written. */
static void raise_error(struct lapic *l, uint32_t error)
{
    uint32_t fresh = error & ~l->new_errors;

    l->new_errors |= error;
    if (fresh)
        raise_local(l, LVT_ERROR);
}

static void accept_vector(struct lapic *l, uint8_t vector, bool is_level)
{
    if (vector < FIRST_LEGAL_VECTOR) {
        raise_error(l, ESR_RECEIVE_ILLEGAL_VECTOR);
        return;
    }
    set_bit(l->irr, vector);
    if (is_level)
        set_bit(l->tmr, vector);
    else
        clear_bit(l->tmr, vector);
}

/* An event of an LVT entry's source, or a rising edge of its pin.  ExtINT follows the pin: see has_extint(). */
static void raise_local(struct lapic *l, enum lapic_lvt entry)
{
    uint32_t lvt = l->lvt[entry];

    if (lvt & LVT_MASKED)
        return;
    switch (lvt_delivery(lvt)) {
    case APIC_FIXED:
        if (entry != LVT_LINT0 || !(lvt & LVT_LEVEL))
            accept_vector(l, lvt & LVT_VECTOR, false);
        break;
    case APIC_SMI:
        wire_pulse(l->smi);
        break;
    case APIC_NMI:
        wire_pulse(l->nmi);
        break;
    case APIC_INIT:
        wire_pulse(l->init);
        break;
    default:
        break;
    }
}

/* LINT0 as a level-triggered interrupt is the only local one that has a remote IRR. */
static void lapic_check_lint0(struct lapic *l)
{
    uint32_t *lvt = &l->lvt[LVT_LINT0];

    if (lvt_delivery(*lvt) != APIC_FIXED || !(*lvt & LVT_LEVEL) || !l->lint[0])
        return;
    if (*lvt & (LVT_MASKED | LVT_REMOTE_IRR))
        return;
    *lvt |= LVT_REMOTE_IRR;
    accept_vector(l, *lvt & LVT_VECTOR, true);
}

void lapic_set_lint(void *opaque, unsigned pin, bool level)
{
    struct lapic *l = opaque;
    bool is_rising;

    pin &= 1;
    is_rising = level && !l->lint[pin];
    l->lint[pin] = level;
    if (is_on(l)) {
        if (is_rising)
            raise_local(l, LVT_LINT0 + pin);
        lapic_check_lint0(l);
    } else if (is_rising && pin == 1) {
        wire_pulse(l->nmi);
    }
    lapic_update_irq(l);
}

static bool is_destination(const struct lapic *l, const struct apic_message *m)
{
    if (m->destination == BROADCAST)
        return true;
    if (!m->is_logical)
        return m->destination == l->id;
    if (l->dfr >> 28 == DFR_FLAT)
        return m->destination & l->ldr;
    return m->destination >> 4 == l->ldr >> 4 && (m->destination & l->ldr & 0xf); /* cluster model */
}

/* A message addressed to this processor.  False: it cannot be taken now. */
static bool take_message(struct lapic *l, const struct apic_message *m)
{
    switch (m->delivery) {
    case APIC_FIXED:
    case APIC_LOWEST_PRIORITY:
        if (!(l->svr & SVR_ENABLE))
            return false;
        accept_vector(l, m->vector, m->is_level);
        break;
    case APIC_EXTINT:
        l->is_extint_latched = true;
        break;
    case APIC_SMI:
        wire_pulse(l->smi);
        break;
    case APIC_NMI:
        wire_pulse(l->nmi);
        break;
    case APIC_INIT:
        wire_pulse(l->init);
        break;
    default: /* STARTUP: only for a processor that waits for it */
        break;
    }
    lapic_update_irq(l);
    return true;
}

static bool lapic_accept(void *opaque, const struct apic_message *m)
{
    struct lapic *l = opaque;

    return is_on(l) && is_destination(l, m) && take_message(l, m);
}

/* --- interrupts go out --- */

static void lapic_send(struct lapic *l)
{
    struct apic_message m = {
        .destination = l->icr_high >> 24,
        .is_logical = l->icr_low & ICR_LOGICAL,
        .delivery = l->icr_low >> LVT_DELIVERY_SHIFT & 7,
        .vector = l->icr_low & LVT_VECTOR,
    };

    if (m.delivery <= APIC_LOWEST_PRIORITY && m.vector < FIRST_LEGAL_VECTOR) {
        raise_error(l, ESR_SEND_ILLEGAL_VECTOR);
        return;
    }
    if (m.delivery == APIC_INIT && (l->icr_low & ICR_LEVEL) && !(l->icr_low & ICR_ASSERT))
        return; /* INIT level de-assert synchronized arbitration once */
    switch ((enum icr_shorthand)(l->icr_low >> ICR_SHORTHAND_SHIFT & 3)) {
    case TO_DESTINATION:
        apicbus_send(l->bus, &m);
        break;
    case TO_SELF:
    case TO_ALL:
        take_message(l, &m);
        break;
    case TO_OTHERS: /* there are none */
        break;
    }
}

static void lapic_eoi(struct lapic *l)
{
    uint32_t *lint0 = &l->lvt[LVT_LINT0];
    int vector = highest(l->isr);

    if (vector < 0)
        return;
    clear_bit(l->isr, (uint8_t)vector);
    if (!test_bit(l->tmr, (uint8_t)vector))
        return;
    if ((*lint0 & LVT_REMOTE_IRR) && (*lint0 & LVT_VECTOR) == (uint32_t)vector) {
        *lint0 &= ~LVT_REMOTE_IRR;
        lapic_check_lint0(l);
    }
    apicbus_eoi(l->bus, (uint8_t)vector);
}

/* --- the timer --- */

static uint64_t lapic_now(const struct lapic *l)
{
    return muldiv_floor(clock_now_ns(l->clock), CLOCK_BUS_HZ, CLOCK_NS_PER_S);
}

/* Divide configuration bits 3, 1, 0: 000 divides by 2, 001 by 4, … 110 by 128, 111 by 1. */
static unsigned timer_shift(const struct lapic *l)
{
    return ((l->divide & 3) + (l->divide >> 1 & 4) + 1) & 7;
}

static bool is_periodic(const struct lapic *l)
{
    return l->lvt[LVT_TIMER] & LVT_PERIODIC;
}

static uint64_t timer_period(const struct lapic *l)
{
    return (uint64_t)l->initial_count << timer_shift(l);
}

static uint32_t timer_count(const struct lapic *l, uint64_t now)
{
    uint64_t left, period = timer_period(l);
    unsigned shift = timer_shift(l);

    if (!l->expiry_tick || (now >= l->expiry_tick && !is_periodic(l)))
        return 0;
    left = now < l->expiry_tick ? l->expiry_tick - now : period - (now - l->expiry_tick) % period;
    return (uint32_t)((left + (1u << shift) - 1) >> shift);
}

static void timer_start(struct lapic *l, uint64_t now, uint32_t count)
{
    l->expiry_tick = count ? now + ((uint64_t)count << timer_shift(l)) : 0;
    l->owed_expiries = 0;
}

/* How often the count got to 0 until now. */
static uint64_t timer_settle(struct lapic *l, uint64_t now)
{
    uint64_t expiries;

    if (!l->expiry_tick || now < l->expiry_tick)
        return 0;
    if (!is_periodic(l)) {
        l->expiry_tick = 0;
        return 1;
    }
    expiries = (now - l->expiry_tick) / timer_period(l) + 1;
    l->expiry_tick += expiries * timer_period(l);
    return expiries;
}

static void timer_rearm(struct lapic *l, uint64_t now)
{
    uint64_t at = l->expiry_tick;

    if (!at || (l->lvt[LVT_TIMER] & LVT_MASKED)) {
        timer_disarm(&l->timer);
        return;
    }
    if (l->owed_expiries && now + timer_period(l) / 2 < at)
        at = now + timer_period(l) / 2;
    if (is_periodic(l) && at < now + MIN_PERIOD_TICKS)
        at = now + MIN_PERIOD_TICKS;
    timer_arm(&l->timer, muldiv_ceil(at, CLOCK_NS_PER_S, CLOCK_BUS_HZ));
}

static void lapic_timer(void *opaque)
{
    struct lapic *l = opaque;
    uint64_t now = lapic_now(l), expiries = timer_settle(l, now);

    if (l->lvt[LVT_TIMER] & LVT_MASKED) {
        l->owed_expiries = 0;
    } else {
        uint64_t owed = l->owed_expiries + expiries;
        uint64_t limit = is_periodic(l) ? CLOCK_BUS_HZ / timer_period(l) + 1 : 1;

        l->owed_expiries = owed < limit ? owed : limit;
    }
    if (l->owed_expiries) {
        l->owed_expiries--;
        raise_local(l, LVT_TIMER);
        lapic_update_irq(l);
    }
    timer_rearm(l, now);
}

/* Before the timer's registers change: an expiry that is due must not be forgotten because the host was late. */
static uint64_t timer_catch_up(struct lapic *l)
{
    uint64_t now = lapic_now(l);

    if (l->expiry_tick && now >= l->expiry_tick)
        lapic_timer(l);
    return now;
}

static void write_initial_count(struct lapic *l, uint32_t value)
{
    uint64_t now = timer_catch_up(l);

    l->initial_count = value;
    timer_start(l, now, value);
    timer_rearm(l, now);
}

static void write_divide(struct lapic *l, uint32_t value)
{
    uint64_t now = timer_catch_up(l);
    uint32_t count = timer_count(l, now);

    l->divide = value & DIVIDE_WRITABLE;
    timer_start(l, now, count); /* the rest of the count at the new rate */
    timer_rearm(l, now);
}

static void write_lvt_timer(struct lapic *l, uint32_t value)
{
    uint64_t now = timer_catch_up(l);

    if ((value ^ l->lvt[LVT_TIMER]) & LVT_PERIODIC)
        l->owed_expiries = 0;
    l->lvt[LVT_TIMER] = value;
    timer_rearm(l, now);
}

/* --- registers --- */

static void write_lvt(struct lapic *l, enum lapic_lvt entry, uint32_t value)
{
    value &= lvt_writable[entry];
    if (!(l->svr & SVR_ENABLE))
        value |= LVT_MASKED;
    if (entry == LVT_TIMER) {
        write_lvt_timer(l, value);
        return;
    }
    if (entry == LVT_LINT0 && (value & LVT_LEVEL) && lvt_delivery(value) == APIC_FIXED)
        value |= l->lvt[entry] & LVT_REMOTE_IRR;
    l->lvt[entry] = value;
    lapic_check_lint0(l);
}

/* Disabled by software, every LVT entry is masked; what was requested before is still served. */
static void write_svr(struct lapic *l, uint32_t value)
{
    bool is_going_off = (l->svr & ~value) & SVR_ENABLE;

    l->svr = value & SVR_WRITABLE;
    for (unsigned i = 0; i < LVT_COUNT && is_going_off; i++)
        write_lvt(l, i, l->lvt[i] | LVT_MASKED);
}

static void lapic_write_register(struct lapic *l, unsigned reg, uint32_t value)
{
    switch (reg) {
    case REG_ID:
        l->id = value >> 24;
        break;
    case REG_TPR:
        l->tpr = value & 0xff;
        break;
    case REG_EOI:
        lapic_eoi(l);
        break;
    case REG_LDR:
        l->ldr = value >> 24;
        break;
    case REG_DFR:
        l->dfr = value | DFR_RESERVED;
        break;
    case REG_SVR:
        write_svr(l, value);
        break;
    case REG_ESR: /* any write shows what happened since the last */
        l->esr = l->new_errors;
        l->new_errors = 0;
        break;
    case REG_ICR_LOW:
        l->icr_low = value & ICR_WRITABLE;
        lapic_send(l);
        break;
    case REG_ICR_HIGH:
        l->icr_high = value & 0xff000000;
        break;
    case REG_LVT ... REG_LVT_LAST:
        write_lvt(l, reg - REG_LVT, value);
        break;
    case REG_INITIAL_COUNT:
        write_initial_count(l, value);
        break;
    case REG_DIVIDE:
        write_divide(l, value);
        break;
    case REG_VERSION: /* read-only */
    case REG_APR:
    case REG_PPR:
    case REG_RRD:
    case REG_ISR ... REG_IRR + 7:
    case REG_CURRENT_COUNT:
        break;
    default:
        raise_error(l, ESR_ILLEGAL_REGISTER);
        break;
    }
    lapic_update_irq(l);
}

static uint32_t lapic_read_register(struct lapic *l, unsigned reg)
{
    switch (reg) {
    case REG_ID:
        return (uint32_t)l->id << 24;
    case REG_VERSION:
        return LAPIC_VERSION;
    case REG_TPR:
        return l->tpr;
    case REG_PPR:
        return lapic_ppr(l);
    case REG_APR:
    case REG_RRD:
    case REG_EOI: /* write-only */
        return 0;
    case REG_LDR:
        return (uint32_t)l->ldr << 24;
    case REG_DFR:
        return l->dfr;
    case REG_SVR:
        return l->svr;
    case REG_ISR ... REG_ISR + 7:
        return l->isr[reg - REG_ISR];
    case REG_TMR ... REG_TMR + 7:
        return l->tmr[reg - REG_TMR];
    case REG_IRR ... REG_IRR + 7:
        return l->irr[reg - REG_IRR];
    case REG_ESR:
        return l->esr;
    case REG_ICR_LOW: /* delivery status: always idle */
        return l->icr_low;
    case REG_ICR_HIGH:
        return l->icr_high;
    case REG_LVT ... REG_LVT_LAST:
        return l->lvt[reg - REG_LVT];
    case REG_INITIAL_COUNT:
        return l->initial_count;
    case REG_CURRENT_COUNT:
        return timer_count(l, lapic_now(l));
    case REG_DIVIDE:
        return l->divide;
    default:
        raise_error(l, ESR_ILLEGAL_REGISTER);
        lapic_update_irq(l);
        return 0;
    }
}

/* Registers are the first four bytes of each sixteen. */
static uint64_t lapic_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset & 0xf ? 0 : lapic_read_register(opaque, (unsigned)(offset >> 4));
}

static void lapic_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    if (!(offset & 0xf))
        lapic_write_register(opaque, (unsigned)(offset >> 4), (uint32_t)value);
}

static const struct io_ops lapic_io = {
    .name = "lapic", .read = lapic_read, .write = lapic_write, .min_size = 4, .max_size = 4};

/* --- life --- */

static int lapic_remap(struct lapic *l)
{
    uint64_t wanted = is_on(l) ? l->apic_base & APIC_BASE_ADDR : 0;
    int err = 0;

    if (wanted == l->mapped_base)
        return 0;
    if (l->mapped_base)
        space_unmap(l->memory, l->mapped_base, LAPIC_BYTES);
    l->mapped_base = 0;
    if (wanted)
        err = space_map_io(l->memory, wanted, LAPIC_BYTES, &lapic_io, l);
    if (err)
        log_unimp("lapic: at %#llx, where something else is", (unsigned long long)wanted);
    else
        l->mapped_base = wanted;
    return err;
}

/* The registers of table 11-1 after RESET; the pins are what they are. */
static void reset_registers(struct lapic *l)
{
    l->id = l->tpr = l->ldr = 0;
    l->dfr = ~0u;
    l->svr = SVR_RESET;
    l->esr = l->new_errors = l->icr_low = l->icr_high = 0;
    for (unsigned i = 0; i < 8; i++)
        l->isr[i] = l->tmr[i] = l->irr[i] = 0;
    for (unsigned i = 0; i < LVT_COUNT; i++)
        l->lvt[i] = LVT_MASKED;
    l->lvt[LVT_LINT0] = APIC_EXTINT << LVT_DELIVERY_SHIFT;
    l->lvt[LVT_LINT1] = APIC_NMI << LVT_DELIVERY_SHIFT;
    l->is_extint_latched = false;
    l->initial_count = 0;
    l->divide = 0;
    l->expiry_tick = l->owed_expiries = 0;
    timer_disarm(&l->timer);
}

void lapic_set_apic_base(struct lapic *l, uint64_t value)
{
    if (is_on(l) && !(value & APIC_BASE_EN))
        reset_registers(l);
    l->apic_base = value;
    lapic_remap(l);
    lapic_update_irq(l);
}

static void lapic_reset(struct device *dev)
{
    struct lapic *l = container_of(dev, struct lapic, dev);

    reset_registers(l);
    lapic_set_apic_base(l, APIC_BASE_RESET);
}

static void lapic_loaded(struct device *dev)
{
    struct lapic *l = container_of(dev, struct lapic, dev);

    lapic_remap(l);
    if (!l->initial_count)
        l->expiry_tick = 0;
    timer_rearm(l, lapic_now(l)); /* expiry_tick as saved: expiries that passed since are counted */
    lapic_update_irq(l);
}

static const struct field lapic_state[] = {
    FIELD(struct lapic, apic_base), FIELD(struct lapic, id), FIELD(struct lapic, tpr), FIELD(struct lapic, ldr),
    FIELD(struct lapic, dfr), FIELD(struct lapic, svr), FIELD(struct lapic, esr), FIELD(struct lapic, icr_low),
    FIELD(struct lapic, icr_high), FIELD(struct lapic, new_errors), FIELD(struct lapic, isr),
    FIELD(struct lapic, tmr), FIELD(struct lapic, irr), FIELD(struct lapic, lvt), FIELD(struct lapic, lint),
    FIELD(struct lapic, is_extint_latched), FIELD(struct lapic, initial_count), FIELD(struct lapic, divide),
    FIELD(struct lapic, expiry_tick), FIELD(struct lapic, owed_expiries), FIELD_TIMER(struct lapic, timer), FIELD_END};
static const struct device_ops lapic_ops = {
    .name = "lapic", .reset = lapic_reset, .state = lapic_state, .loaded = lapic_loaded};

int lapic_init(struct lapic *l, struct space *memory, struct clock *clock, struct apicbus *bus, struct wire *intr,
               struct wire *nmi, struct wire *init, struct wire *smi)
{
    *l = (struct lapic){.dev.ops = &lapic_ops, .memory = memory, .clock = clock, .bus = bus, .intr = intr, .nmi = nmi,
                        .init = init, .smi = smi, .apic_base = APIC_BASE_RESET};
    timer_init(&l->timer, clock, lapic_timer, l);
    reset_registers(l);
    bus->accept = lapic_accept;
    bus->local = l;
    return lapic_remap(l);
}
