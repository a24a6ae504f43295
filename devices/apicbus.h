/* The APIC bus: interrupt messages to the local APIC, from I/O APICs and other local ones, and end-of-interrupt
 * messages back.  SDM 3A 11.1 to 11.6.  Owned by the board; one local APIC and one I/O APIC connect themselves.
 * Thread: machine thread. */
#ifndef DEVICES_APICBUS_H
#define DEVICES_APICBUS_H

#include <stdbool.h>
#include <stdint.h>

/* Bits 10:8 of redirection entries, LVT entries and the ICR. */
enum apic_delivery {
    APIC_FIXED,
    APIC_LOWEST_PRIORITY,
    APIC_SMI,
    APIC_NMI = 4,
    APIC_INIT,
    APIC_STARTUP,
    APIC_EXTINT
};

struct apic_message {
    uint8_t destination; /* APIC ID or, if is_logical, a logical destination */
    bool is_logical, is_level;
    uint8_t delivery; /* enum apic_delivery */
    uint8_t vector;
};

struct apicbus {
    bool (*accept)(void *local, const struct apic_message *m);
    void *local;
    void (*eoi)(void *io, uint8_t vector);
    void *io;
};

/* False: nobody took it. */
static inline bool apicbus_send(const struct apicbus *bus, const struct apic_message *m)
{
    return bus->accept && bus->accept(bus->local, m);
}

static inline void apicbus_eoi(const struct apicbus *bus, uint8_t vector)
{
    if (bus->eoi)
        bus->eoi(bus->io, vector);
}

#endif
