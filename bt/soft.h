/* The software TLB of translated code: for access sites whose pages come and go too fast for mappings and signals (xlat_soft.c).
 *
 * One direct-mapped array for all windows.  A key is a linear page and the number of the window's present contents, which
 * changes when the window is emptied; delta turns a linear address of the page into a host address in the permanent view of guest
 * memory.  An entry is as stale as a page of a window may be, and dropped whenever that is.  Keys are stored negated, so that
 * generated code compares by an addition that sets no flags; a write key is there only if a write needs no more than storing.
 *
 * Isolation: a hit gives an address in the page the entry was made for, as accesses that reach into the next one are misses.
 *
 * Thread: machine thread. */
#ifndef BT_SOFT_H
#define BT_SOFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOFT_ENTRIES 65536u /* indexed by the low 16 bits of a key */
#define SOFT_SITES 65536u
#define SOFT_KEY_STEP 0x100339ull /* more than the pages of a window, so that keys differ; odd, so that windows spread */

struct soft {
    uint64_t read_key[SOFT_ENTRIES], write_key[SOFT_ENTRIES]; /* 0: empty */
    uint64_t delta[SOFT_ENTRIES];
    uint64_t device_key[SOFT_ENTRIES], device_gpa[SOFT_ENTRIES]; /* pages of device memory, for C only */
    uint32_t budget[SOFT_SITES]; /* per site (struct site): executions until it is translated for the window again */
    uint32_t frame[SOFT_ENTRIES];
    uint64_t n_frames;
    struct soft_writers *writers; /* per frame */
};

/* Entries that allow writes to a frame, each + 1.  Stale ones are recognised by the entry; ALL: too many to name. */
struct soft_writers {
    uint32_t entry[2];
};
#define SOFT_ALL UINT32_MAX

/* Within 2 GiB of an address, from where generated code reaches it by a displacement.  NULL: no room there. */
struct soft *soft_create(uint64_t n_frames, const void *from);
void soft_destroy(struct soft *s);

void soft_fill(struct soft *s, uint64_t key, uint8_t *host_page, uint32_t gla, uint32_t frame, bool is_writable);
void soft_drop(struct soft *s, uint64_t key, unsigned n); /* n pages from this key on */
void soft_protect(struct soft *s, uint32_t frame); /* no writes to this frame any more */

/* Host address of gla, whose page has this key; NULL: not known. */
static inline uint8_t *soft_find(const struct soft *s, uint64_t key, uint32_t gla, bool is_write)
{
    unsigned i = key & (SOFT_ENTRIES - 1);

    return (is_write ? s->write_key : s->read_key)[i] + key == 0 ? (uint8_t *)(uintptr_t)(s->delta[i] + gla) : NULL;
}

#endif
