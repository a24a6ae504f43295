/* x * num / den without losing bits: nanoseconds to clock ticks of a chip, and back. */
#ifndef DEVICES_MULDIV_H
#define DEVICES_MULDIV_H

#include <stdint.h>

static inline uint64_t muldiv_floor(uint64_t x, uint32_t num, uint32_t den)
{
    return (uint64_t)((unsigned __int128)x * num / den);
}

/* muldiv_ceil(n, 1e9, hz) is the first nanosecond at which muldiv_floor(ns, hz, 1e9) reaches n. */
static inline uint64_t muldiv_ceil(uint64_t x, uint32_t num, uint32_t den)
{
    return (uint64_t)(((unsigned __int128)x * num + den - 1) / den);
}

#endif
