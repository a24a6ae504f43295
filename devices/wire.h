/* A wire from one chip's output to another chip's input.  Owned by the board; level-triggered by nature, edges are the
 * receiver's business.  Thread: machine thread. */
#ifndef DEVICES_WIRE_H
#define DEVICES_WIRE_H

#include <stdbool.h>

struct wire {
    void (*fn)(void *opaque, unsigned line, bool level); /* NULL: nothing connected */
    void *opaque;
    unsigned line; /* passed to fn, so that one function serves many lines */
    bool level;
};

static inline void wire_connect(struct wire *w, void (*fn)(void *, unsigned, bool), void *opaque, unsigned line)
{
    *w = (struct wire){.fn = fn, .opaque = opaque, .line = line};
}
/* Tells the receiver only when the level changes.  w may be NULL. */
static inline void wire_set(struct wire *w, bool level)
{
    if (!w || w->level == level)
        return;
    w->level = level;
    if (w->fn)
        w->fn(w->opaque, w->line, level);
}
static inline void wire_pulse(struct wire *w)
{
    wire_set(w, true);
    wire_set(w, false);
}

#endif
