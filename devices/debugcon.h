/* Debug console: bytes written to one port go to a character backend (SeaBIOS and many kernels use E9h). */
#ifndef DEVICES_DEBUGCON_H
#define DEVICES_DEBUGCON_H

#include <stdint.h>
#include "devices/device.h"
#include "host/chardev.h"
#include "mmu/space.h"

#define DEBUGCON_PORT 0xe9

struct debugcon {
    struct device dev;
    struct chardev *chr;
};

/* chr may be NULL: output is discarded, the port still answers.  0 or -errno of space_map_io(). */
int debugcon_init(struct debugcon *d, struct space *ports, struct chardev *chr);

#endif
