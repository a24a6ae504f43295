/* All memory a guest can see: one memfd with one permanent read-write view for the VMM.
 *
 * RAM, ROM images and video memory are ranges of it, so a page is named everywhere by its *frame*:
 * its offset in the memfd divided by 4096.  A frame may appear at several guest physical addresses (shadowed
 * ROM, A20 alias) but has one frame number: translated code and page watches are keyed by it.
 * Thread: create and allocate while the machine is built; the view may be used by any thread. */
#ifndef HOST_GUESTMEM_H
#define HOST_GUESTMEM_H

#include "host/util.h"

struct guestmem;

struct guestmem *guestmem_create(uint64_t capacity_bytes); /* NULL with errno; capacity is reserved, not touched */
void guestmem_destroy(struct guestmem *m);
/* Offset in the memfd of a fresh zeroed range, len rounded up to pages; -ENOMEM when capacity is used up. */
int64_t guestmem_alloc(struct guestmem *m, uint64_t len_bytes);
uint8_t *guestmem_view(const struct guestmem *m); /* host address of offset 0 */
int guestmem_fd(const struct guestmem *m);
uint64_t guestmem_size(const struct guestmem *m); /* bytes allocated so far */

enum {
    FRAME_TRANSLATED = 1, /* translated code */
    FRAME_DECODED = 2,    /* what the interpreter has decoded */
    FRAME_TABLE = 4       /* page tables that windows are filled from; translated code may write to them as to any other frame */
};
/* One byte per frame, nonzero while somebody wants to hear of writes: a bit for each of them.  Whoever writes guest memory by the
 * view must test it, and call guestmem_written() if set.  Owned by m. */
uint8_t *guestmem_code_flags(struct guestmem *m);
/* Called after bytes [off, off+len) of a flagged frame were changed.  Machine thread. */
typedef void guestmem_watch_fn(void *opaque, uint64_t off, uint64_t len);
int guestmem_add_watch(struct guestmem *m, guestmem_watch_fn *fn, void *opaque); /* at most 4 watchers */
void guestmem_written(struct guestmem *m, uint64_t off, uint64_t len); /* calls the watchers */

#endif
