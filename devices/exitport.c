/* Exit port, compatible with the "isa-debug-exit" that kernel test suites know: writing v ends the program with
 * status (v << 1) | 1, so that success (0) cannot be reported by accident.  Reads give 0. */
#include "devices/exitport.h"

static uint64_t exitport_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void exitport_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct exitport *e = opaque;

    e->fn(e->opaque, ((uint32_t)value << 1) | 1);
}

static void exitport_reset(struct device *dev)
{
}

static const struct field exitport_state[] = {FIELD_END};
static const struct device_ops exitport_ops = {
    .name = "exitport", .reset = exitport_reset, .state = exitport_state};
static const struct io_ops exitport_io = {
    .name = "exitport", .read = exitport_read, .write = exitport_write, .min_size = 1, .max_size = 4};

int exitport_init(struct exitport *e, struct space *ports, uint16_t port, void (*fn)(void *opaque, unsigned status),
                  void *opaque)
{
    *e = (struct exitport){.dev.ops = &exitport_ops, .fn = fn, .opaque = opaque};
    return space_map_io(ports, port, 4, &exitport_io, e);
}
