/* Debug console at port E9h, as Bochs introduced it: a write is a byte of output, a read gives E9h to say
 * "somebody listens".  Bytes the backend does not take at once are lost: a log must not hold up the guest. */
#include "devices/debugcon.h"

static uint64_t debugcon_read(void *opaque, uint64_t offset, unsigned size)
{
    return DEBUGCON_PORT;
}

static void debugcon_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct debugcon *d = opaque;
    uint8_t byte = value;

    chardev_write(d->chr, &byte, 1);
}

static void debugcon_reset(struct device *dev)
{
}

static const struct field debugcon_state[] = {FIELD_END};
static const struct device_ops debugcon_ops = {
    .name = "debugcon", .reset = debugcon_reset, .state = debugcon_state};
static const struct io_ops debugcon_io = {
    .name = "debugcon", .read = debugcon_read, .write = debugcon_write, .min_size = 1, .max_size = 1};

int debugcon_init(struct debugcon *d, struct space *ports, struct chardev *chr)
{
    *d = (struct debugcon){.dev.ops = &debugcon_ops, .chr = chr};
    return space_map_io(ports, DEBUGCON_PORT, 1, &debugcon_io, d);
}
