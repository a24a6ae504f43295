/* System Control Port A, I/O port 92h: fast A20 gate and CPU INIT. */
#ifndef DEVICES_PORT92_H
#define DEVICES_PORT92_H

#include <stdint.h>
#include "devices/device.h"
#include "devices/wire.h"
#include "mmu/space.h"

struct port92 {
    struct device dev;
    uint8_t reg;
    struct wire *a20, *init;
};

/* a20: high while the port lets address line 20 through.  init: pulsed to restart the processor.
 * 0 or -errno of space_map_io(). */
int port92_init(struct port92 *p, struct space *ports, struct wire *a20, struct wire *init);

#endif
