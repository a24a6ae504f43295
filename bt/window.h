/* Windows: guest linear address spaces built of host mappings.
 *
 * A window is 4 GiB of reserved host addresses with guards before and after it, into which guest pages are mapped from the memfd on
 * demand: a shadow page table made of mmap().  One window exists for each (page-table root, paging bits, privilege class) in
 * use; the least recently used ones are recycled.  One supervisor window serves all address spaces that have come seldom so far: what their
 * page tables have in common, the kernel, stays mapped in it.  What a window maps may be as stale as a TLB entry may be: INVLPG
 * drops pages, CR3 loads and other flushes start a new *epoch*, and a window that is used in a new epoch first compares the
 * guest page tables it was filled from with the copies taken then, and drops what changed (SDM 3A 4.10).
 *
 * Isolation: translated code reaches guest memory only as gs:[32-bit address], gs:[register + displacement], at most 64 bytes an
 * access, or through base + 32-bit register for string instructions; all stay within the window and its guards.
 *
 * Thread: machine thread, its fault handler included (it interrupts translated code only, never this file). */
#ifndef BT_WINDOW_H
#define BT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>
#include "bt/pagemap.h"
#include "bt/ptables.h"
#include "bt/soft.h"
#include "cpu/cpu.h"

#define WINDOW_BYTES (1ull << 32)
#define WINDOW_GUARD (1ull << 32)
#define WINDOW_PAGES PAGEMAP_PAGES

struct windows; /* all windows of a CPU */

/* Page-table root and paging bits a window belongs to. */
struct window_key {
    uint64_t cr3;
    uint64_t pdpte[4];
    uint32_t flags; /* paging-related CR0, CR4, EFER bits and A20, packed */
    bool is_user;
};

struct window {
    uint8_t *base;      /* host address of linear 0, 4 GiB-aligned, so that cutting a host address to 32 bits gives the linear one */
    struct pagemap map; /* what is mapped, and may be fetched.  Read by translated code */
    unsigned index;
    bool is_used;
    struct window_key key;
    /* private to window.c */
    uint64_t last_use, synced_epoch, maps;
    struct window *peer; /* same key but for is_user, or NULL */
    uint64_t soft_key;   /* of linear page 0 in the software TLB */
    bool has_soft;       /* there may be entries */
    struct ptable *dir[4];
    struct window_leaf {
        uint32_t base; /* linear address of entry 0 */
        struct ptable *table;
    } *leaf; /* by address */
    unsigned n_leaf, cap_leaf;
};

/* Told when translations of a linear page can no longer be trusted: page == WINDOW_PAGES means all of the window.
 * window_code() still says what they were. */
typedef void window_code_fn(void *opaque, struct window *w, uint32_t page);

/* Frame + 1 that a linear page is fetched from, if that was verified; else 0. */
static inline uint32_t window_code(const struct window *w, uint32_t page)
{
    return pagemap_code(&w->map, page);
}

/* 0: the linear page is not mapped; else (frame + 1) << 1 | writable. */
static inline uint32_t window_page(const struct window *w, uint32_t page)
{
    return pagemap_page(&w->map, page);
}

struct window_stats {
    uint64_t fills, user_fills, fill_pages, upgrades, drops, drop_pages, rmap_nodes, resets, rebases, protects, map_calls, windows;
    struct ptables_stats tables;
};

/* soft: what window_soft_fill() fills, or NULL.  may_share: one supervisor window serves address spaces that are used seldom.
 * may_be_quiet: page tables that do not change are write-protected and not compared any more.  NULL: no address space. */
struct windows *windows_create(struct cpu *cpu, struct soft *soft, bool may_share, bool may_be_quiet, window_code_fn *code_gone,
                               void *opaque);
void windows_destroy(struct windows *ws);
const struct window_stats *windows_stats(const struct windows *ws);

/* The window for the CPU's present paging state and privilege (user: CPL 3), synchronised with the guest's tables. */
struct window *window_current(struct windows *ws, bool is_user);
/* The window of the same address space for the other privilege, if it is there and synchronised; else NULL. */
struct window *windows_peer(const struct windows *ws, const struct window *w);
/* Synchronise the window that windows_peer() would find then. */
void windows_sync_peer(struct windows *ws, const struct window *w);
void windows_new_epoch(struct windows *ws);           /* CR3 load or other non-selective flush */
void windows_flush_page(struct windows *ws, gla_t gla); /* INVLPG, for the present CR3 */
void window_flush_page(struct windows *ws, struct window *w, gla_t gla); /* the same, where w is a window of the present CR3 */
void windows_flush_all(struct windows *ws);           /* the memory space changed */

enum window_fault { WINDOW_RETRY, WINDOW_GUEST_FAULT, WINDOW_DEVICE, WINDOW_CODE_WRITE };
/* A translated access at gla faulted in w: map the page if the guest's tables allow it.  WINDOW_RETRY: run the access again;
 * otherwise the interpreter must execute the instruction.  Sets A and D as the access does.  WINDOW_CODE_WRITE: *frame is the page. */
enum window_fault window_fill(struct windows *ws, struct window *w, gla_t gla, bool is_write, uint64_t *frame);

/* The same for the software TLB: nothing is mapped. */
enum window_fault window_soft_fill(struct windows *ws, struct window *w, gla_t gla, bool is_write, uint64_t *frame);

/* Would a write at gla leave its page's D as it is? */
bool window_is_dirty(const struct windows *ws, const struct window *w, gla_t gla);

/* Is this page a device's?  *gpa is where gla is.  Sets A and D. */
bool window_device(struct windows *ws, struct window *w, gla_t gla, bool is_write, gpa_t *gpa);

/* Error code of the #PF that was the last WINDOW_GUEST_FAULT. */
uint32_t windows_fault_error(const struct windows *ws);

/* Frame of the code at gla, walking as a fetch; notes it for window_code().  -1: not fetchable, or not memory.  Not is_fetched, nothing
 * is fetched now: A stays as it is, and -1 if it is clear. */
int64_t window_code_frame(struct windows *ws, struct window *w, gla_t gla, bool is_fetched);
bool windows_fetch(const struct windows *ws, uint32_t page, uint32_t frame, const struct window *but); /* does any, but this, page from frame? */
/* Does every window that fetches page from frame also fetch other_page from other_frame?  (All frames + 1, as window_code().) */
bool windows_agree(const struct windows *ws, uint32_t page, uint32_t frame, uint32_t other_page, uint32_t other_frame);
/* Somebody wants to hear of writes to the frame from now on: make it read-only in every window. */
void windows_protect_frame(struct windows *ws, uint64_t frame);
/* Bytes [off, off+len) of the guest's memory, were or are about to be written. */
void windows_written(struct windows *ws, uint64_t off, uint64_t len);

#endif
