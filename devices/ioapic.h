/* The I/O APIC: 24 interrupt lines to messages on the APIC bus. */
#ifndef DEVICES_IOAPIC_H
#define DEVICES_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/apicbus.h"
#include "devices/device.h"
#include "mmu/space.h"

#define IOAPIC_LINES 24

struct ioapic {
    struct device dev;
    struct apicbus *bus;
    uint8_t index; /* IOREGSEL */
    uint8_t id;
    uint32_t lines; /* input pins */
    uint64_t entry[IOAPIC_LINES];
};

/* At FEC00000h; connects to the bus.  0 or -errno of space_map_io(). */
int ioapic_init(struct ioapic *io, struct space *memory, struct apicbus *bus);

/* Wire target: INTIN0..23.  level: the pin is active, whatever polarity its entry names. */
void ioapic_set_irq(void *opaque, unsigned pin, bool level);

#endif
