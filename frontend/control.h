/* The control socket: one JSON object per line, shaped like QMP.
 *
 *   greeting   {"QMP": {"version": {"ringer": {"major":…,"minor":…,"micro":…}, "package": "ringer …"}, "capabilities": []}}
 *   command    {"execute": "send-key", "arguments": {"keys": ["ctrl", "alt", "delete"]}, "id": 7}
 *   answer     {"return": {…}, "id": 7}   or   {"error": {"class": "…", "desc": "…"}, "id": 7}
 *   event      {"event": "STOP", "timestamp": {"seconds": …, "microseconds": …}, "data": {…}}
 *
 * Threads: the loop thread reads lines and writes answers; commands run on the machine thread, in the order they were
 * read.  Between the two lie the mailbox on the way in and the outbox (one mutex) on the way out. */
#ifndef FRONTEND_CONTROL_H
#define FRONTEND_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include "host/loop.h"
#include "host/mailbox.h"

#define CONTROL_MAX_LINE (1u << 20)   /* longer lines are answered with an error */
#define CONTROL_MAX_OUTPUT (8u << 20) /* a client that does not read is dropped beyond this */
#define CONTROL_WHY_BYTES 512
#define CONTROL_MAX_KEYS 16           /* pressed together by one send-key */

/* What commands act upon.  Called on the machine thread. */
struct control_target {
    bool (*is_running)(void *opaque);
    void (*stop)(void *opaque);
    void (*cont)(void *opaque);
    void (*power_button)(void *opaque);
    void (*reset)(void *opaque);
    void (*quit)(void *opaque);
    /* Press keycodes (devices/keycodes.h) in order and release them after hold_ms.  False: too many waiting. */
    bool (*send_keys)(void *opaque, const uint16_t *keycodes, unsigned count, unsigned hold_ms);
    /* 0, or -errno with why (a sentence); format "png", "ppm", "txt", or NULL: by the file name. */
    int (*screendump)(void *opaque, const char *path, const char *format, char why[CONTROL_WHY_BYTES]);
    /* Lines separated by newlines, malloc'ed; NULL in a graphics mode. */
    char *(*screen_text)(void *opaque);
};

struct control;

/* Listen at path.  0 or -errno. */
int control_create(struct control **out, const char *path, struct loop *loop, struct mailbox *mail,
                   const struct control_target *target, void *opaque);
/* Tell all clients.  data: JSON object text or NULL.  Any thread. */
void control_event(struct control *c, const char *event, const char *data);
/* Writes what still waits, closes, removes the socket.  After the machine thread has ended; c may be NULL. */
void control_destroy(struct control *c);

#endif
