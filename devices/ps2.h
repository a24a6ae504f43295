/* PS/2 keyboard and mouse: the devices at the two plugs of the keyboard controller (i8042.h). */
#ifndef DEVICES_PS2_H
#define DEVICES_PS2_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "devices/keycodes.h"

#define PS2_QUEUE_SIZE 16u
#define PS2_REPLY_SIZE 8u

/* Bytes on their way to the host: answers to commands go ahead of keys and movements. */
struct ps2_queue {
    uint8_t data[PS2_QUEUE_SIZE], reply[PS2_REPLY_SIZE];
    uint8_t head, count;             /* of data */
    uint8_t reply_head, reply_count; /* of reply */
    uint8_t last;                    /* byte sent last, for the Resend command */
    void (*ready)(void *opaque);     /* called when bytes were added; set by the controller */
    void *opaque;
};

struct ps2_keyboard {
    struct device dev;
    struct ps2_queue queue;
    uint8_t command;      /* command that waits for its argument, 0: none */
    uint8_t scan_set;     /* 1, 2, 3 */
    uint8_t leds;         /* bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock */
    uint8_t typematic;    /* kept, not used: front ends repeat keys */
    bool is_scanning;
    bool is_overrun;      /* the overrun code stands in the queue */
    uint8_t keys_down[(KEY_COUNT + 7) / 8];
};

struct ps2_mouse {
    struct device dev;
    struct ps2_queue queue;
    uint8_t command;
    uint8_t id;           /* 0 standard, 3 wheel, 4 five buttons */
    uint8_t knock[3];     /* last three sample rates: 200,100,80 and 200,200,80 change the id */
    uint8_t rate, resolution;
    bool is_reporting, is_remote, is_wrapping, is_scaling_2_1;
    uint8_t buttons;      /* as they are */
    uint8_t sent_buttons; /* as the host knows them */
    int32_t dx, dy, dz;   /* movement the host does not know yet */
};

void ps2_keyboard_init(struct ps2_keyboard *k);
void ps2_mouse_init(struct ps2_mouse *m);

/* Input from a front end.  A key that is down already repeats; unknown keycodes are ignored. */
void ps2_keyboard_key(struct ps2_keyboard *k, unsigned keycode, bool is_down);
/* dx to the right, dy down, dz wheel towards the user.  buttons: bit 0 left, 1 right, 2 middle, 3 and 4 the side ones;
 * their state after the event. */
void ps2_mouse_event(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons);

/* What the controller's translation makes of a scan code set 2 byte (F0h, the break prefix, is the caller's business). */
uint8_t ps2_translate(uint8_t set2);

/* The controller's side: a byte from the host; is there a byte for the host; take it (only if there is one). */
void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t value);
void ps2_mouse_write(struct ps2_mouse *m, uint8_t value);
bool ps2_queue_has_data(const struct ps2_queue *q);
uint8_t ps2_keyboard_read(struct ps2_keyboard *k);
uint8_t ps2_mouse_read(struct ps2_mouse *m);

#endif
