/* Exit port: a guest (a test, usually) ends the whole program by one OUT. */
#ifndef DEVICES_EXITPORT_H
#define DEVICES_EXITPORT_H

#include <stdint.h>
#include "devices/device.h"
#include "mmu/space.h"

struct exitport {
    struct device dev;
    void (*fn)(void *opaque, unsigned status);
    void *opaque;
};

/* Four ports from port on.  A write of v calls fn with (v << 1) | 1.  0 or -errno of space_map_io(). */
int exitport_init(struct exitport *e, struct space *ports, uint16_t port, void (*fn)(void *opaque, unsigned status),
                  void *opaque);

#endif
