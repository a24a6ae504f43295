/* Two 8259A programmable interrupt controllers, cascaded as in a PC/AT, with the edge/level control registers
 * (ELCR) of the PIIX.  Intel 8259A data sheet (231468); 82371AB data sheet 4.2.5 and 8.5 (ELCR).
 *
 * Decisions:
 * - A request is the line AND (its edge latch OR level mode).  A line that falls before INTA takes its request along.
 * - The slave's INT output is a level at the master's IR2, so that a second slave request is never missed.
 * - ICW1.LTIM is ignored, as in the PIIX: ELCR decides.  MCS-80 mode (ICW4.uPM = 0) answers with vectors too. */
#include "devices/pic.h"
#include "host/log.h"

#define ICW1_IC4   0x01 /* ICW4 follows */
#define ICW1_SNGL  0x02 /* no ICW3 */
#define ICW1_INIT  0x10 /* D4 = 1: this is an ICW1 */
#define ICW4_AEOI  0x02
#define ICW4_SFNM  0x10
#define OCW3_IS    0x08 /* D4 = 0, D3 = 1: this is an OCW3 */
#define OCW3_RIS   0x01
#define OCW3_RR    0x02
#define OCW3_POLL  0x04
#define OCW3_SMM   0x20
#define OCW3_ESMM  0x40
#define POLL_VALID 0x80

#define CASCADE         2
#define SPURIOUS        7
#define ELCR_FIXED_LOW  0x07 /* IRQ 0, 1, 2 are always edge-triggered ... */
#define ELCR_FIXED_HIGH 0x21 /* ... and IRQ 8 and 13 */

/* OCW2 D7:5 */
enum ocw2_command {
    OCW2_ROTATE_AEOI_OFF,
    OCW2_EOI,
    OCW2_NOP,
    OCW2_SPECIFIC_EOI,
    OCW2_ROTATE_AEOI_ON,
    OCW2_ROTATE_EOI,
    OCW2_SET_PRIORITY,
    OCW2_ROTATE_SPECIFIC_EOI
};

static bool is_master(const struct pic *p, const struct pic_chip *c)
{
    return c == &p->chip[0];
}

/* IRR as software reads it. */
static uint8_t chip_irr(const struct pic_chip *c)
{
    return c->lines & (c->edges | c->elcr);
}

/* The line to be serviced next, or -1.  Looks from the highest priority down until something in service is met. */
static int chip_next(const struct pic *p, const struct pic_chip *c)
{
    uint8_t requests = chip_irr(c) & ~c->imr;
    uint8_t blocking = c->is_special_mask ? c->isr & ~c->imr : c->isr;

    if (is_master(p, c) && !(c->imr & (1u << CASCADE)) && (c->lines & (1u << CASCADE)))
        requests |= 1u << CASCADE;
    if (c->icw_expected || !requests)
        return -1;
    for (unsigned i = 1; i <= 8; i++) {
        unsigned line = (c->lowest + i) & 7, bit = 1u << line;
        /* Special fully nested mode: a slave's more urgent request gets past its own bit in service. */
        bool is_nested = is_master(p, c) && line == CASCADE && (c->icw4 & ICW4_SFNM);

        if ((requests & bit) && (!(blocking & bit) || is_nested))
            return (int)line;
        if (blocking & bit)
            return -1;
    }
    return -1;
}

static void pic_update_irq(struct pic *p)
{
    struct pic_chip *master = &p->chip[0];

    if (chip_next(p, &p->chip[1]) >= 0)
        master->lines |= 1u << CASCADE;
    else
        master->lines &= ~(1u << CASCADE);
    wire_set(p->intr, chip_next(p, master) >= 0);
}

void pic_set_irq(void *opaque, unsigned irq, bool level)
{
    struct pic *p = opaque;
    struct pic_chip *c = &p->chip[(irq >> 3) & 1];
    uint8_t bit = 1u << (irq & 7);

    if (irq == CASCADE)
        return;
    log_at(LOG_IRQ, "pic: irq %u %s", irq & 15, level ? "up" : "down");
    if (level) {
        c->edges |= bit & ~c->lines;
        c->lines |= bit;
    } else {
        c->edges &= ~bit;
        c->lines &= ~bit;
    }
    pic_update_irq(p);
}

static void chip_ack(struct pic_chip *c, unsigned line)
{
    uint8_t bit = 1u << line;

    c->edges &= ~bit;
    if (!(c->icw4 & ICW4_AEOI))
        c->isr |= bit;
    else if (c->is_rotating_aeoi)
        c->lowest = line;
}

uint8_t pic_intr_ack(void *opaque)
{
    struct pic *p = opaque;
    struct pic_chip *c = &p->chip[0];
    int line = chip_next(p, c);

    if (line >= 0)
        chip_ack(c, line);
    if (line == CASCADE) {
        c = &p->chip[1];
        line = chip_next(p, c);
        if (line >= 0)
            chip_ack(c, line);
    }
    if (line < 0)
        line = SPURIOUS; /* no bit in service: the handler must not send an EOI to this chip */
    pic_update_irq(p);
    log_at(LOG_IRQ, "pic: irq %d -> vector %#x", line + (c == &p->chip[1] ? 8 : 0), c->vector_base + (unsigned)line);
    return c->vector_base + line;
}

/* The non-specific EOI's target: the highest in service; special mask mode spares masked levels. */
static int chip_highest_in_service(const struct pic_chip *c)
{
    uint8_t isr = c->is_special_mask ? c->isr & ~c->imr : c->isr;

    for (unsigned i = 1; i <= 8; i++) {
        unsigned line = (c->lowest + i) & 7;

        if (isr & (1u << line))
            return (int)line;
    }
    return -1;
}

static void chip_write_ocw2(struct pic_chip *c, uint8_t value)
{
    enum ocw2_command command = value >> 5;
    int line = value & 7;

    switch (command) {
    case OCW2_ROTATE_AEOI_OFF:
    case OCW2_ROTATE_AEOI_ON:
        c->is_rotating_aeoi = command == OCW2_ROTATE_AEOI_ON;
        break;
    case OCW2_EOI:
    case OCW2_ROTATE_EOI:
        line = chip_highest_in_service(c);
        if (line < 0)
            break;
        /* fall through */
    case OCW2_SPECIFIC_EOI:
    case OCW2_ROTATE_SPECIFIC_EOI:
        c->isr &= ~(1u << line);
        if (command == OCW2_ROTATE_EOI || command == OCW2_ROTATE_SPECIFIC_EOI)
            c->lowest = line;
        break;
    case OCW2_SET_PRIORITY:
        c->lowest = line;
        break;
    case OCW2_NOP:
        break;
    }
}

static void chip_write_ocw3(struct pic_chip *c, uint8_t value)
{
    if (value & OCW3_ESMM)
        c->is_special_mask = value & OCW3_SMM;
    if (value & OCW3_POLL)
        c->is_polled = true; /* excludes a register read, says the data sheet */
    else if (value & OCW3_RR)
        c->is_reading_isr = value & OCW3_RIS;
}

static void chip_write_icw1(struct pic_chip *c, uint8_t value)
{
    *c = (struct pic_chip){
        .lines = c->lines, .elcr = c->elcr, .vector_base = c->vector_base, .icw1 = value, .icw_expected = 2, .lowest = 7};
}

static void chip_write_odd(struct pic_chip *c, uint8_t value)
{
    switch (c->icw_expected) {
    case 2:
        c->vector_base = value & 0xf8;
        c->icw_expected = !(c->icw1 & ICW1_SNGL) ? 3 : (c->icw1 & ICW1_IC4) ? 4 : 0;
        break;
    case 3:
        c->icw3 = value;
        c->icw_expected = (c->icw1 & ICW1_IC4) ? 4 : 0;
        break;
    case 4:
        c->icw4 = value;
        c->icw_expected = 0;
        break;
    default:
        c->imr = value;
        break;
    }
}

static void chip_write(struct pic *p, struct pic_chip *c, uint64_t offset, uint8_t value)
{
    if (offset & 1)
        chip_write_odd(c, value);
    else if (value & ICW1_INIT)
        chip_write_icw1(c, value);
    else if (value & OCW3_IS)
        chip_write_ocw3(c, value);
    else
        chip_write_ocw2(c, value);
    pic_update_irq(p);
}

/* A read after a poll command stands in for the INTA cycle. */
static uint8_t chip_poll(struct pic *p, struct pic_chip *c)
{
    int line = chip_next(p, c);

    c->is_polled = false;
    if (line < 0)
        return 0;
    chip_ack(c, line);
    pic_update_irq(p);
    return POLL_VALID | line;
}

static uint8_t chip_read(struct pic *p, struct pic_chip *c, uint64_t offset)
{
    uint8_t irr;

    if (c->is_polled)
        return chip_poll(p, c);
    if (offset & 1)
        return c->imr;
    if (c->is_reading_isr)
        return c->isr;
    irr = chip_irr(c);
    if (is_master(p, c))
        irr |= c->lines & (1u << CASCADE);
    return irr;
}

static uint64_t master_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pic *p = opaque;

    return chip_read(p, &p->chip[0], offset);
}

static void master_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic *p = opaque;

    chip_write(p, &p->chip[0], offset, value);
}

static uint64_t slave_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pic *p = opaque;

    return chip_read(p, &p->chip[1], offset);
}

static void slave_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic *p = opaque;

    chip_write(p, &p->chip[1], offset, value);
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct pic *p = opaque;

    return p->chip[offset & 1].elcr;
}

static void elcr_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic *p = opaque;

    p->chip[offset & 1].elcr = value & ~((offset & 1) ? ELCR_FIXED_HIGH : ELCR_FIXED_LOW);
    pic_update_irq(p);
}

/* Lines keep their levels: other chips drive them, and drive them again in their own reset. */
static void pic_reset(struct device *dev)
{
    struct pic *p = container_of(dev, struct pic, dev);

    for (unsigned i = 0; i < 2; i++)
        p->chip[i] = (struct pic_chip){.lines = p->chip[i].lines, .imr = 0xff, .lowest = 7};
    pic_update_irq(p);
}

static void pic_loaded(struct device *dev)
{
    pic_update_irq(container_of(dev, struct pic, dev));
}

#define CHIP_FIELDS(n)                                                                                                 \
    FIELD(struct pic, chip[n].lines), FIELD(struct pic, chip[n].edges), FIELD(struct pic, chip[n].imr),                \
        FIELD(struct pic, chip[n].isr), FIELD(struct pic, chip[n].elcr), FIELD(struct pic, chip[n].vector_base),       \
        FIELD(struct pic, chip[n].icw1), FIELD(struct pic, chip[n].icw3), FIELD(struct pic, chip[n].icw4),             \
        FIELD(struct pic, chip[n].icw_expected), FIELD(struct pic, chip[n].lowest),                                    \
        FIELD(struct pic, chip[n].is_special_mask), FIELD(struct pic, chip[n].is_reading_isr),                         \
        FIELD(struct pic, chip[n].is_polled), FIELD(struct pic, chip[n].is_rotating_aeoi)

static const struct field pic_state[] = {CHIP_FIELDS(0), CHIP_FIELDS(1), FIELD_END};
static const struct device_ops pic_ops = {
    .name = "pic", .reset = pic_reset, .state = pic_state, .loaded = pic_loaded};
static const struct io_ops master_io = {
    .name = "pic master", .read = master_read, .write = master_write, .min_size = 1, .max_size = 1};
static const struct io_ops slave_io = {
    .name = "pic slave", .read = slave_read, .write = slave_write, .min_size = 1, .max_size = 1};
static const struct io_ops elcr_io = {
    .name = "pic elcr", .read = elcr_read, .write = elcr_write, .min_size = 1, .max_size = 1};

int pic_init(struct pic *p, struct space *ports, struct wire *intr)
{
    int err;

    *p = (struct pic){.dev.ops = &pic_ops, .intr = intr};
    pic_reset(&p->dev);
    err = space_map_io(ports, 0x20, 2, &master_io, p);
    if (!err)
        err = space_map_io(ports, 0xa0, 2, &slave_io, p);
    if (!err)
        err = space_map_io(ports, 0x4d0, 2, &elcr_io, p);
    return err;
}
