/* The two cascaded 8259A interrupt controllers of a PC/AT. */
#ifndef DEVICES_PIC_H
#define DEVICES_PIC_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "devices/wire.h"
#include "mmu/space.h"

struct pic_chip {
    uint8_t lines;       /* input pins as they are now */
    uint8_t edges;       /* edge latches: a low-to-high transition not yet acknowledged */
    uint8_t imr, isr;    /* interrupt mask, in service */
    uint8_t elcr;        /* level-triggered lines */
    uint8_t vector_base; /* ICW2 */
    uint8_t icw1, icw3, icw4;
    uint8_t icw_expected; /* 2, 3, 4: the next write to the odd port is this ICW; 0: OCW1 */
    uint8_t lowest;       /* line of lowest priority: 7 unless rotated */
    bool is_special_mask, is_reading_isr, is_polled, is_rotating_aeoi;
};

struct pic {
    struct device dev;
    struct pic_chip chip[2]; /* master, slave */
    struct wire *intr;
};

/* Ports 20h, 21h, A0h, A1h, 4D0h, 4D1h.  intr: to the processor's INTR.  0 or -errno of space_map_io(). */
int pic_init(struct pic *p, struct space *ports, struct wire *intr);

/* Wire target: IR lines 0..15.  Line 2 belongs to the cascade and is ignored.
 * As on the real chip a request is withdrawn when its line falls before it was acknowledged: hold lines, do not pulse. */
void pic_set_irq(void *opaque, unsigned irq, bool level);

/* INTA cycle: the vector of the most urgent request, or of IRQ 7 / 15 when it has gone (spurious). */
uint8_t pic_intr_ack(void *opaque);

#endif
