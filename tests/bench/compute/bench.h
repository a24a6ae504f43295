/* What the compute programs share: a generator whose numbers are the same everywhere, and the line that ends a program. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* argv[1] scales the work. */
static inline unsigned scale_of(int argc, char **argv)
{
    return argc > 1 ? (unsigned)atoi(argv[1]) : 1;
}

static inline int report(uint64_t sum)
{
    printf("SUM %016llx\n", (unsigned long long)sum);
    return 0;
}

#endif
