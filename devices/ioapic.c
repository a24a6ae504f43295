/* I/O APIC with 24 pins.  Intel 82093AA data sheet (290566); the EOI register is that of ICH2 and later (version 20h),
 * where systems use it instead of flipping an entry to edge mode and back.  Both ways work.
 *
 *     redirection entry:  63:56 destination  16 mask  15 trigger  14 remote IRR  13 polarity  12 delivery status
 *                         11 destination mode  10:8 delivery mode  7:0 vector
 *
 * Decisions:
 * - Messages arrive at once, so the delivery status is always idle.  What the local APIC does not take is lost if it
 *   was an edge; a level is offered again when its pin or its entry changes.
 * - An edge on a masked pin is lost, as the data sheet says.
 * - Polarity is stored and ignored: the board drives "active". */
#include "devices/ioapic.h"

#include "host/log.h"

#define IOAPIC_BASE  0xfec00000u
#define IOAPIC_BYTES 0x1000

#define IOREGSEL 0x00
#define IOWIN    0x10
#define IOEOI    0x40

/* Register numbers in IOREGSEL. */
#define REG_ID          0x00
#define REG_VERSION     0x01
#define REG_ARBITRATION 0x02
#define REG_ENTRIES     0x10 /* two for each pin: low and high half */

#define ID_SHIFT       24
#define ID_MASK        0xf
#define IOAPIC_VERSION (0x20u | (IOAPIC_LINES - 1u) << 16)

#define ENTRY_VECTOR            0xffull
#define ENTRY_DELIVERY_SHIFT    8
#define ENTRY_LOGICAL           0x800ull
#define ENTRY_REMOTE_IRR        0x4000ull
#define ENTRY_LEVEL             0x8000ull
#define ENTRY_MASKED            0x10000ull
#define ENTRY_DESTINATION_SHIFT 56
#define ENTRY_WRITABLE          0xff0000000001afffull

static bool entry_send(struct ioapic *io, unsigned pin)
{
    uint64_t entry = io->entry[pin];
    struct apic_message m = {
        .destination = entry >> ENTRY_DESTINATION_SHIFT,
        .is_logical = entry & ENTRY_LOGICAL,
        .is_level = entry & ENTRY_LEVEL,
        .delivery = entry >> ENTRY_DELIVERY_SHIFT & 7,
        .vector = entry & ENTRY_VECTOR,
    };

    log_at(LOG_IRQ, "ioapic: pin %u -> vector %#x", pin, m.vector);
    return apicbus_send(io->bus, &m);
}

/* A level pin asks until its message is taken, then waits for the EOI. */
static void check_level(struct ioapic *io, unsigned pin)
{
    uint64_t *entry = &io->entry[pin];

    if (!(io->lines >> pin & 1) || !(*entry & ENTRY_LEVEL) || (*entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)))
        return;
    if (entry_send(io, pin))
        *entry |= ENTRY_REMOTE_IRR;
}

void ioapic_set_irq(void *opaque, unsigned pin, bool level)
{
    struct ioapic *io = opaque;
    bool is_rising;

    if (pin >= IOAPIC_LINES)
        return;
    is_rising = level && !(io->lines >> pin & 1);
    if (level)
        io->lines |= 1u << pin;
    else
        io->lines &= ~(1u << pin);
    if (is_rising && !(io->entry[pin] & (ENTRY_LEVEL | ENTRY_MASKED)))
        entry_send(io, pin);
    check_level(io, pin);
}

static void ioapic_eoi(void *opaque, uint8_t vector)
{
    struct ioapic *io = opaque;

    for (unsigned pin = 0; pin < IOAPIC_LINES; pin++) {
        uint64_t *entry = &io->entry[pin];

        if ((*entry & ENTRY_VECTOR) != vector || !(*entry & ENTRY_REMOTE_IRR))
            continue;
        *entry &= ~ENTRY_REMOTE_IRR;
        check_level(io, pin);
    }
}

static void write_entry(struct ioapic *io, unsigned pin, bool is_high, uint32_t value)
{
    uint64_t *entry = &io->entry[pin];
    unsigned shift = is_high ? 32 : 0;
    uint64_t mask = 0xffffffffull << shift & ENTRY_WRITABLE;

    *entry = (*entry & ~mask) | ((uint64_t)value << shift & mask);
    if (!(*entry & ENTRY_LEVEL))
        *entry &= ~ENTRY_REMOTE_IRR;
    check_level(io, pin);
}

static void write_register(struct ioapic *io, uint32_t value)
{
    unsigned half = io->index - REG_ENTRIES;

    if (io->index == REG_ID)
        io->id = value >> ID_SHIFT & ID_MASK;
    else if (io->index >= REG_ENTRIES && half < 2 * IOAPIC_LINES)
        write_entry(io, half / 2, half & 1, value);
}

static uint32_t read_register(const struct ioapic *io)
{
    unsigned half = io->index - REG_ENTRIES;

    if (io->index == REG_ID || io->index == REG_ARBITRATION)
        return (uint32_t)io->id << ID_SHIFT;
    if (io->index == REG_VERSION)
        return IOAPIC_VERSION;
    if (io->index >= REG_ENTRIES && half < 2 * IOAPIC_LINES)
        return (uint32_t)(io->entry[half / 2] >> (half & 1 ? 32 : 0));
    return 0;
}

static uint64_t ioapic_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct ioapic *io = opaque;

    if (offset == IOREGSEL)
        return io->index;
    return offset == IOWIN ? read_register(io) : 0;
}

static void ioapic_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct ioapic *io = opaque;

    if (offset == IOREGSEL)
        io->index = (uint8_t)value;
    else if (offset == IOWIN)
        write_register(io, (uint32_t)value);
    else if (offset == IOEOI)
        ioapic_eoi(io, (uint8_t)value);
}

/* The pins keep their levels: other chips drive them. */
static void ioapic_reset(struct device *dev)
{
    struct ioapic *io = container_of(dev, struct ioapic, dev);

    io->index = io->id = 0;
    for (unsigned pin = 0; pin < IOAPIC_LINES; pin++)
        io->entry[pin] = ENTRY_MASKED;
}

static const struct field ioapic_state[] = {FIELD(struct ioapic, index), FIELD(struct ioapic, id),
                                            FIELD(struct ioapic, lines), FIELD(struct ioapic, entry), FIELD_END};
static const struct device_ops ioapic_ops = {.name = "ioapic", .reset = ioapic_reset, .state = ioapic_state};
static const struct io_ops ioapic_io = {
    .name = "ioapic", .read = ioapic_read, .write = ioapic_write, .min_size = 4, .max_size = 4};

int ioapic_init(struct ioapic *io, struct space *memory, struct apicbus *bus)
{
    *io = (struct ioapic){.dev.ops = &ioapic_ops, .bus = bus};
    ioapic_reset(&io->dev);
    bus->eoi = ioapic_eoi;
    bus->io = io;
    return space_map_io(memory, IOAPIC_BASE, IOAPIC_BYTES, &ioapic_io, io);
}
