/* The 8254 interval timer of a PC and System Control Port B (61h), which gates its channel 2. */
#ifndef DEVICES_PIT_H
#define DEVICES_PIT_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "devices/wire.h"
#include "host/clock.h"
#include "mmu/space.h"

#define PIT_HZ 1193182u

/* Times are PIT clocks since virtual time 0. */
struct pit_channel {
    uint8_t mode;       /* 0..5 */
    uint8_t access;     /* RW1:0 of the control word: 1 LSB, 2 MSB, 3 LSB then MSB */
    bool is_bcd;
    bool gate;
    bool is_loaded;     /* a count was written since the control word */
    bool is_triggered;  /* modes 1, 5: the gate has risen since */
    bool has_lsb;       /* write flip-flop: written_lsb waits for its MSB */
    uint8_t written_lsb;
    bool is_msb_next;   /* read flip-flop */
    uint8_t latched_bytes; /* bytes of latched_count still to be read */
    uint16_t latched_count;
    bool is_status_latched;
    uint8_t latched_status;
    uint16_t idle_count; /* what the counter shows while it does not count */
    uint32_t count;      /* initial count in force, 1..65536 */
    uint32_t next_count; /* modes 2, 3: count to be taken over at switch_tick; 0: none */
    int64_t switch_tick;
    int64_t start_tick;  /* the counter held count at this tick */
    int64_t held_ticks;  /* gate low: how far it had counted; -1: it counts */
};

struct pit {
    struct device dev;
    struct clock *clock;
    struct wire *irq0;
    struct pit_channel channel[3];
    uint8_t port61;      /* bits 3:0 as written */
    struct timer timer;  /* next rising edge of OUT0 */
    int64_t next_edge;   /* tick of the first edge not yet counted; -1: none */
    uint32_t owed_edges; /* edges that passed while the machine thread was late */
};

/* Ports 40h-43h and 61h.  irq0: OUT of channel 0.  0 or -errno of space_map_io(). */
int pit_init(struct pit *p, struct space *ports, struct clock *clock, struct wire *irq0);

/* What the speaker plays: frequency in Hz, 0 if silent. */
unsigned pit_speaker_hz(struct pit *p);

#endif
