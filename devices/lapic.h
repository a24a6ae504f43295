/* The processor's local APIC: 4 KiB at FEE00000h, or wherever IA32_APIC_BASE says. */
#ifndef DEVICES_LAPIC_H
#define DEVICES_LAPIC_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/apicbus.h"
#include "devices/device.h"
#include "devices/wire.h"
#include "host/clock.h"
#include "mmu/space.h"

enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

struct lapic {
    struct device dev;
    struct space *memory;
    struct clock *clock;
    struct apicbus *bus;
    struct wire *intr, *nmi, *init, *smi;
    uint64_t apic_base;   /* IA32_APIC_BASE */
    uint64_t mapped_base; /* 0: not mapped */
    uint8_t id, tpr, ldr;
    uint32_t dfr, svr, esr, icr_low, icr_high;
    uint32_t new_errors; /* since ESR was written last */
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t lvt[LVT_COUNT];
    bool lint[2];           /* the pins */
    bool is_extint_latched; /* an ExtINT message waits for its INTA cycle */
    uint32_t initial_count;
    uint8_t divide;        /* divide configuration register */
    uint64_t expiry_tick;  /* bus clock at which the count gets to 0; 0: the timer does not run */
    uint64_t owed_expiries; /* of a periodic timer, that the host was too late for */
    struct timer timer;
};

/* Maps itself and connects to the bus.  intr: the processor's INTR; nmi, init and smi: pulsed for NMI, INIT (in the middle of a
 * guest's write) and SMI.  0 or -errno of space_map_io(). */
int lapic_init(struct lapic *l, struct space *memory, struct clock *clock, struct apicbus *bus, struct wire *intr,
               struct wire *nmi, struct wire *init, struct wire *smi);

/* The processor wrote IA32_APIC_BASE. */
void lapic_set_apic_base(struct lapic *l, uint64_t value);

/* Wire target: pins LINT0 (the 8259s' INTR) and LINT1 (NMI). */
void lapic_set_lint(void *opaque, unsigned pin, bool level);

/* The processor answers INTR: a vector, or LAPIC_EXTINT when the 8259s must give it. */
#define LAPIC_EXTINT (-1)
int lapic_intr_ack(struct lapic *l);

#endif
