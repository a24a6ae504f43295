/* What tests of single chips share: a manual clock, a port space, and wires that count their edges. */
#ifndef TESTS_UNIT_CHIP_FIXTURE_H
#define TESTS_UNIT_CHIP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devices/wire.h"
#include "host/clock.h"
#include "mmu/space.h"

#define MS 1000000ull
#define US 1000ull

struct recorder {
    struct wire wire;
    unsigned rises, falls;
};

static inline void recorder_fn(void *opaque, unsigned line, bool level)
{
    struct recorder *r = opaque;

    if (level)
        r->rises++;
    else
        r->falls++;
}

static inline void recorder_init(struct recorder *r)
{
    *r = (struct recorder){.rises = 0};
    wire_connect(&r->wire, recorder_fn, r, 0);
}

static inline uint8_t in8(struct space *ports, uint16_t port)
{
    return space_read(ports, port, 1);
}

static inline void out8(struct space *ports, uint16_t port, uint8_t value)
{
    space_write(ports, port, 1, value);
}

#endif
