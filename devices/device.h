/* What every chip has: a name, a reset, and one table of its state for save, load and "info". */
#ifndef DEVICES_DEVICE_H
#define DEVICES_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include "host/util.h"

struct device;

enum field_kind {
    FIELD_KIND_END,
    FIELD_KIND_BYTES, /* size bytes at offset: integers (little-endian host), bools, arrays of them */
    FIELD_KIND_TIMER  /* a struct timer: its deadline is the state */
};

struct field {
    const char *name;
    uint32_t offset, size; /* in the chip's struct */
    uint8_t kind;          /* enum field_kind */
};
#define FIELD(type, member)                                                                        \
    {#member, offsetof(type, member), sizeof(((type *)0)->member), FIELD_KIND_BYTES}
#define FIELD_TIMER(type, member)                                                                  \
    {#member, offsetof(type, member), sizeof(((type *)0)->member), FIELD_KIND_TIMER}
#define FIELD_END {NULL, 0, 0, FIELD_KIND_END}

struct device_ops {
    const char *name;
    void (*reset)(struct device *dev);   /* power-on state; also sets its output wires */
    const struct field *state;           /* everything that must survive save and load */
    void (*loaded)(struct device *dev);  /* after load: re-derive lines and mappings; may be NULL */
};

/* First member (named dev) of every chip's struct; state offsets are from the start of that struct. */
struct device {
    const struct device_ops *ops;
};

#endif
