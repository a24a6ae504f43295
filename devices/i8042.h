/* Keyboard controller: ports 60h and 64h, between the processor and a PS/2 keyboard and mouse. */
#ifndef DEVICES_I8042_H
#define DEVICES_I8042_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "devices/ps2.h"
#include "devices/wire.h"
#include "host/clock.h"
#include "mmu/space.h"

struct i8042 {
    struct device dev;
    struct ps2_keyboard *keyboard;
    struct ps2_mouse *mouse;
    struct clock *clock;
    struct wire *irq1, *irq12, *a20, *reset;
    uint8_t ram[32];       /* internal RAM; byte 0 is the command byte */
    uint8_t output_port;
    uint8_t command;       /* command that waits for its data byte at 60h, 0: none */
    bool is_last_command;  /* status A2: the last write went to 64h */
    uint8_t data;          /* output buffer */
    uint8_t data_source;   /* 0: the buffer is empty; 1: keyboard or controller; 2: mouse */
    uint8_t reply[8];      /* the controller's own answers that wait for the buffer */
    uint8_t reply_source[8];
    uint8_t reply_head, reply_count;
    bool is_device_byte;   /* data came over a cable, not from the controller itself */
    bool is_break;         /* translation: the keyboard sent F0h, the next code is a break code */
    struct timer gap;      /* armed: the next byte is still on its cable */
};

/* Ports 60h and 64h.  keyboard and mouse are initialised, and connected here.
 * a20: high while the output port lets address line 20 through (it does after reset).  reset: pulsed to restart the
 * processor.  0 or -errno of space_map_io(). */
int i8042_init(struct i8042 *c, struct space *ports, struct clock *clock, struct ps2_keyboard *keyboard,
               struct ps2_mouse *mouse, struct wire *irq1, struct wire *irq12, struct wire *a20, struct wire *reset);

#endif
