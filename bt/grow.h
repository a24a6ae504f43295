/* Arrays that grow. */
#ifndef BT_GROW_H
#define BT_GROW_H

#include <stdint.h>
#include <stdlib.h>
#include "host/log.h"

/* The array p of *cap elements, or NULL, where it has room for more than n; ends the program if there is no memory.  The caller's, by free(). */
static inline void *bt_grow(void *p, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 4;
    p = realloc(p, *cap * size);
    if (!p)
        BUG("out of memory for the translator's tables");
    return p;
}

#endif
