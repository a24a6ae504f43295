/* Keys by QEMU's names, by characters and by what terminals send; and keys waiting to be typed.
 * Thread: machine thread; the functions without a queue are pure. */
#ifndef FRONTEND_KEYS_H
#define FRONTEND_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "devices/keycodes.h"
#include "host/clock.h"

/* Keycode of a QEMU key name ("ret", "ctrl", "kp_7"), or -1. */
int keys_from_name(const char *name);
/* Keycode of a set-1 scan code, bit 7 set for those after E0h (QEMU's "number"), or -1. */
int keys_from_number(long long number);

/* A key with what must be held to make it mean something. */
struct key_stroke {
    uint16_t keycode;
    bool has_shift, has_ctrl, has_alt;
};
/* Key for an ASCII character on a US keyboard, control characters included.  False: there is none. */
bool keys_from_char(uint8_t c, struct key_stroke *stroke);

/* Decodes what a terminal in raw mode sends: characters, and escape sequences for the other keys. */
struct key_decoder {
    uint8_t seq[16]; /* an escape sequence that has begun */
    unsigned len;
};
typedef void key_stroke_fn(void *opaque, const struct key_stroke *stroke);
/* buf is what one read() returned: an ESC at its end is the Esc key. */
void key_decoder_feed(struct key_decoder *d, const uint8_t *buf, size_t n, key_stroke_fn *fn, void *opaque);

/* Keys on their way to the keyboard, at a pace the guest can follow. */
#define KEY_QUEUE_SIZE 1024u
struct key_queue {
    struct timer timer;
    struct clock *clock;
    void (*sink)(void *opaque, uint16_t keycode, bool is_down);
    void *opaque;
    struct {
        uint32_t delay_ms; /* after the event before */
        uint16_t keycode;
        bool is_down;
    } event[KEY_QUEUE_SIZE];
    unsigned head, count;
};
void key_queue_init(struct key_queue *q, struct clock *clock, void (*sink)(void *opaque, uint16_t keycode, bool is_down),
                    void *opaque);
/* Press the keys in order, release them in reverse order hold_ms later.  False (and nothing done): no room. */
bool key_queue_chord(struct key_queue *q, const uint16_t *keycodes, unsigned count, unsigned hold_ms);
bool key_queue_stroke(struct key_queue *q, const struct key_stroke *stroke, unsigned hold_ms);
void key_queue_clear(struct key_queue *q); /* before the clock goes */

#endif
