/* System Control Port A, I/O port 92h: fast A20 gate and CPU INIT.
 * Intel ICH datasheet, "PORT92 - Fast A20 and Init Register".  Bits 7:2 read as written. */
#include "devices/port92.h"

#define PORT92_INIT 0x01 /* 0 -> 1 pulses INIT# */
#define PORT92_A20  0x02 /* ORed with the keyboard controller's A20 line by the board */

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct port92 *p = opaque;

    return p->reg;
}

static void port92_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct port92 *p = opaque;
    uint8_t rising = value & ~p->reg;

    p->reg = value;
    wire_set(p->a20, value & PORT92_A20);
    if (rising & PORT92_INIT)
        wire_pulse(p->init); /* last: the CPU leaves its block at the next exit check */
}

static void port92_reset(struct device *dev)
{
    struct port92 *p = container_of(dev, struct port92, dev);

    p->reg = 0;
    wire_set(p->a20, false);
}

static void port92_loaded(struct device *dev)
{
    struct port92 *p = container_of(dev, struct port92, dev);

    wire_set(p->a20, p->reg & PORT92_A20);
}

static const struct field port92_state[] = {FIELD(struct port92, reg), FIELD_END};
static const struct device_ops port92_ops = {
    .name = "port92", .reset = port92_reset, .state = port92_state, .loaded = port92_loaded};
static const struct io_ops port92_io = {
    .name = "port92", .read = port92_read, .write = port92_write, .min_size = 1, .max_size = 1};

int port92_init(struct port92 *p, struct space *ports, struct wire *a20, struct wire *init)
{
    *p = (struct port92){.dev.ops = &port92_ops, .a20 = a20, .init = init};
    return space_map_io(ports, 0x92, 1, &port92_io, p);
}
