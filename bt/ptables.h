/* Copies of the guest page tables that windows were filled from.
 *
 * A window may be as stale as a TLB (window.h).  To find out what is, each page-table page that something was mapped through is kept as a
 * *table*: a copy of what it held then, and its *users*, the windows and where in them it counts.  Only those *groups* of entries that something
 * was mapped through are copied and compared.  An entry that no longer says what its copy says is *gone*, and each user is told; A and D
 * that were newly set do not count.
 *
 * A table that was compared many times in vain is *quiet*: its frame is read-only in all windows, like frames with code, and it is not compared until
 * somebody writes to the frame and says so.
 *
 * Thread: machine thread, its fault handler included (it interrupts translated code only). */
#ifndef BT_PTABLES_H
#define BT_PTABLES_H

#include <stdbool.h>
#include <stdint.h>
#include "host/util.h"
#include "mmu/space.h"

#define PTE_P 0x001u
#define PTE_RW 0x002u
#define PTE_US 0x004u
#define PTE_A 0x020u
#define PTE_D 0x040u
#define PTE_PS 0x080u

struct ptables; /* all tables of a CPU */
struct window;

struct ptable {
    gpa_t gpa;
    const uint8_t *host; /* what the guest has there now */
    uint8_t entry_size;  /* 4 or 8 */
    uint8_t span_shift;  /* bytes of linear space an entry covers, as a shift */
    bool is_dir;         /* a directory: its entries lead to tables, or are large pages */
    uint64_t epoch;      /* compared in this epoch */
    /* private to ptables.c */
    bool is_quiet;
    uint16_t groups;     /* a bit for each that is copied */
    uint16_t unchanged, patience; /* comparisons in a row that found nothing; how many of them make it quiet */
    struct ptable *next; /* hash chain */
    unsigned n_users, cap_users;
    struct ptable_user {
        struct window *w;
        uint32_t base; /* linear address of entry 0 */
    } *users;
    uint8_t *copy;       /* of these groups, one after the other */
};

struct ptables_client {
    /* What w mapped through entry i of t, which was old, does not hold any more.  t covers w's linear addresses from base on.  Other tables
     * may lose users meanwhile. */
    void (*entry_gone)(void *opaque, struct window *w, const struct ptable *t, uint32_t base, unsigned i, uint64_t old);
    void (*protect_frame)(void *opaque, uint64_t frame); /* make it read-only in every window */
    void *opaque;
};

struct ptables_stats {
    uint64_t syncs, quiet, woken;
};

/* Tables lie in mem, with frames of guestmem.  may_be_quiet: as above; else all are compared always.  NULL: no memory. */
struct ptables *ptables_create(struct space *mem, struct guestmem *guestmem, bool may_be_quiet, const struct ptables_client *client,
                               struct ptables_stats *stats);
void ptables_destroy(struct ptables *ts); /* no table has users */

/* The table at gpa, page-aligned; a new one has no users yet and belongs to one soon.  NULL: no copy can be taken there (device, hole). */
struct ptable *ptables_get(struct ptables *ts, gpa_t gpa, uint8_t entry_size, uint8_t span_shift, bool is_dir, uint64_t epoch);
void ptable_add_user(struct ptable *t, struct window *w, uint32_t base);
/* A table without users goes. */
void ptable_remove_user(struct ptables *ts, struct ptable *t, const struct window *w, uint32_t base);
/* In w, at base, `to` takes the place of `from`, both of one kind; NULL: none does.  Entries that differ, but for A and D, are gone for w. */
void ptable_replace(struct ptables *ts, struct ptable *from, struct ptable *to, struct window *w, uint32_t base);

/* Something is or will be mapped through entry i, or it must be looked at: copy and compare it. */
void ptable_sync_entry(struct ptables *ts, struct ptable *t, unsigned i);
/* Compare all that was copied. */
void ptable_sync(struct ptables *ts, struct ptable *t, uint64_t epoch);
/* Entry i when it was last compared; 0: it was not. */
uint64_t ptable_copied(const struct ptable *t, unsigned i);

/* Bytes [off, off+len) of the guest's memory, were or are about to be written: tables there are not quiet any more. */
void ptables_written(struct ptables *ts, uint64_t off, uint64_t len);

static inline unsigned ptable_entries(const struct ptable *t)
{
    return 4096u / t->entry_size;
}

/* Entry i as the guest has it now. */
static inline uint64_t ptable_present(const struct ptable *t, unsigned i)
{
    return load_sized(t->host + i * t->entry_size, t->entry_size);
}

#endif
