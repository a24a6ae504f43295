/* Address spaces: which RAM, ROM or device answers at a guest physical address or an I/O port.
 *
 * One space for memory, one for ports.  A space splits and widens accesses to each device's min_size..max_size, answers
 * all-ones where nobody lives, ignores writes to ROM, and refuses overlaps.
 * Thread: machine thread.  Addresses: guest physical (memory space) or port numbers (port space). */
#ifndef MMU_SPACE_H
#define MMU_SPACE_H

#include <stdbool.h>
#include "host/guestmem.h"
#include "host/util.h"

struct space;

struct io_ops {
    const char *name;
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size); /* offset from the range's base; size 1, 2, 4 (8) */
    void (*write)(void *opaque, uint64_t offset, unsigned size, uint64_t value);
    uint8_t min_size, max_size; /* accesses are split or widened to these; 0 means 1 and 4 */
};

/* What may be done to memory-backed ranges without asking a device. */
enum space_rights { SPACE_R = 1, SPACE_W = 2 };

struct space *space_create(uint64_t size, struct guestmem *mem); /* mem may be NULL for the port space */
/* A view of below that shows its own ranges first: what only some may see.  Its memory is below's.  Changes of either call the
 * listeners of that one only.  NULL: no memory. */
struct space *space_create_overlay(struct space *below);
void space_destroy(struct space *s);

/* Let ops answer for [base, base + len).  opaque outlives s.
 * 0, -EEXIST if someone lives there, -EINVAL if len is 0 or the end is outside the space. */
int space_map_io(struct space *s, uint64_t base, uint64_t len, const struct io_ops *ops, void *opaque);
/* Guest memory at [base, base+len): reads come from memfd offset read_off.  Writes go to write_off, or are ignored when
 * rights lacks SPACE_W.  read_off != write_off models PAM's "read ROM, write RAM"; such ranges are never mapped into windows.
 * Page-aligned.  0, -EEXIST, -EINVAL. */
int space_map_mem(struct space *s, uint64_t base, uint64_t len, uint64_t read_off, uint64_t write_off, unsigned rights);
/* Remove whatever lies in [base, base+len), splitting ranges at the borders. */
void space_unmap(struct space *s, uint64_t base, uint64_t len);
/* Batches of map/unmap between begin and commit reach the listener once. */
void space_begin(struct space *s);
void space_commit(struct space *s);
/* fn runs after every change (or commit): windows, TLBs and pointers into the space are stale.  At most 4 listeners. */
int space_add_listener(struct space *s, void (*fn)(void *opaque), void *opaque);

/* A run of directly usable memory. */
struct space_run {
    uint8_t *host;    /* permanent view; NULL: not memory (device or hole) */
    uint64_t mem_off; /* memfd offset of the address asked for */
    uint64_t len;     /* bytes from that address to the end of the run */
    bool is_writable; /* writes may go to host directly (after the code-flag test) */
};
/* Describe the memory at addr. */
void space_lookup(struct space *s, uint64_t addr, struct space_run *run);

/* Device, memory or hole; size 1, 2, 4, 8; may cross ranges. */
uint64_t space_read(struct space *s, uint64_t addr, unsigned size);
void space_write(struct space *s, uint64_t addr, unsigned size, uint64_t value);
/* DMA: bytes to and from anything; tells code watches. */
void space_read_buf(struct space *s, uint64_t addr, void *buf, uint64_t len);
void space_write_buf(struct space *s, uint64_t addr, const void *buf, uint64_t len);
/* OR bits into a naturally aligned value of size 4 or 8, as a locked read-modify-write where memory is: A and D bits of
 * paging entries, descriptors' accessed bits.  ROM ignores it, devices see a read and a write; tells code watches. */
void space_set_bits(struct space *s, uint64_t addr, unsigned size, uint64_t bits);

#endif
