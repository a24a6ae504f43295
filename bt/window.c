/* See window.h. */
#include "bt/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "bt/emit.h"
#include "bt/grow.h"
#include "host/log.h"
#include "mmu/paging.h"

#define MAX_WINDOWS (FEW_WINDOWS + 128 * MORE_WINDOWS)
#define FEW_WINDOWS 96     /* at first; more when address spaces come back whose windows were taken away */
#define MORE_WINDOWS 8
#define RECENT_BITS 12
#define FETCH_BITS 8
#define MAX_OWN 32         /* supervisor windows of one address space */
#define OWN_VISITS 8       /* an address space that comes so often, with fewer than MAX_OWN others in between, gets one */
#define LOW_GUARD 65536 /* string instructions that count down stop here, at their first byte below */
_Static_assert(LOW_GUARD >= HMEM_GUARD_BELOW && WINDOW_GUARD > 1ull << 31, "sums with a displacement end in the window or a guard");
#define WINDOW_STRIDE (WINDOW_BYTES + WINDOW_GUARD)
/* Host addresses far below those the kernel chooses by itself: from the stack downwards or, in the layout of an unlimited stack, upwards
 * from a third of 47 bits. */
#define FIRST_WINDOW 0x180000000000ull
#define LAST_WINDOW  0x280000000000ull
#define MAX_MAPS 40000     /* when another window is taken up, of vm.max_map_count's usual 65530 */
#define MOST_MAPS 56000    /* at any time: the rest of the process needs some, too */
#define CHUNK_PAGES 64     /* of physically contiguous memory mapped around a fault */
#define AROUND_PAGES 16    /* neighbours looked at on each side for 4 KiB pages */
#define PRUNE_BITS 3        /* of 2^3 additions to the reverse map one looks for stale nodes */
#define DROP_GAP 64        /* unmapped pages between two that are dropped in one go */
#define PAGE_MAPPED(frame, w) ((uint32_t)(((frame) + 1) << 1 | (w)))

struct rmap_node {
    uint32_t page, next;
    uint16_t window;
};

struct windows {
    struct cpu *cpu;
    struct space *mem;
    struct guestmem *guestmem;
    int fd;
    uint8_t *code_flags;
    struct soft *soft;
    uint64_t n_soft_keys;
    uint32_t fault_error;
    window_code_fn *code_gone;
    void *opaque;
    uint64_t epoch, clock, maps;
    struct window *win[MAX_WINDOWS];
    struct window *recent[1 << RECENT_BITS]; /* by CR3 and privilege: where to look first */
    uint32_t evicted[1 << RECENT_BITS];      /* CR3 >> 5 of windows taken away, by the same index */
    bool may_share;
    struct window *shared;                   /* supervisor window of whatever address space without its own was last; or NULL */
    struct { uint32_t last, visits; } seldom[1 << RECENT_BITS]; /* by the index of recent; last in rebases */
    uint64_t fetchers[1 << FETCH_BITS][(MAX_WINDOWS + 63) / 64]; /* by page and frame: a bit for each window that may fetch the one from the other */
    unsigned max_win;
    unsigned n_win;
    uint64_t next_base;                      /* host address of the next window */
    struct pagemap_pool pool;
    struct ptables *tables;
    bool is_comparing;
    struct { /* pages that have no window_page() any more, but are still to be unmapped, while is_comparing */
        struct window *w;
        uint32_t first, n; /* n 0: none */
    } dropped;
    uint32_t *rmap_head; /* per frame: node + 1 */
    uint64_t n_frames;
    struct rmap_node *nodes;
    uint32_t n_nodes, cap_nodes, free_node, chance;
    struct window_stats stats;
};

/* --- host mappings --- */

/* A window whose guards are mapped without rights.  What lies between is free: to map a page there and to unmap it costs half of what
 * it does in a mapping, which must be split.  NULL: no room. */
static uint8_t *reserve(struct windows *ws)
{
    for (; ws->next_base < LAST_WINDOW; ws->next_base += WINDOW_STRIDE) {
        uint8_t *base = (uint8_t *)ws->next_base, *low = base - LOW_GUARD;
        void *p = mmap(low, WINDOW_STRIDE, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

        if (p == low) {
            munmap(base, WINDOW_BYTES);
            ws->next_base += WINDOW_STRIDE;
            return base;
        }
        if (p != MAP_FAILED)
            munmap(p, WINDOW_STRIDE); /* a kernel before 4.17 takes the address for a hint */
    }
    return NULL;
}

static void unreserve(uint8_t *base)
{
    munmap(base - LOW_GUARD, WINDOW_STRIDE);
}

static void *zeroed(uint64_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void unmap_pages(struct window *w, uint32_t first, uint32_t n)
{
    if (munmap(w->base + ((uint64_t)first << 12), (uint64_t)n << 12) != 0)
        BUG("cannot unmap guest pages: %s", strerror(errno));
}

/* --- reverse map: frame -> window pages.  Stale nodes are recognised by window_page(), and freed when met. --- */

static bool node_is_live(const struct windows *ws, const struct rmap_node *n, uint64_t frame)
{
    return window_page(ws->win[n->window], n->page) >> 1 == frame + 1;
}

#define NOTED_SEEN 0xffffffffu

/* Where noted says something of the node's page. */
static uint32_t *node_noted(const struct windows *ws, const struct rmap_node *n)
{
    return &pagemap_chunk(&ws->win[n->window]->map, n->page)->noted[n->page % PAGEMAP_CHUNK];
}

/* Free the nodes of frame's list that are no longer true, or say what another one says: a page that had other frames in between. */
static void rmap_prune(struct windows *ws, uint64_t frame)
{
    uint32_t *link = &ws->rmap_head[frame];
    uint32_t id;

    while ((id = *link) != 0) {
        struct rmap_node *n = &ws->nodes[id - 1];
        uint32_t *noted = node_noted(ws, n);

        if (node_is_live(ws, n, frame) && *noted != NOTED_SEEN) {
            *noted = NOTED_SEEN;
            link = &n->next;
            continue;
        }
        if (*noted == frame + 1)
            *noted = 0;
        *link = n->next;
        n->next = ws->free_node;
        ws->free_node = id;
    }
    for (id = ws->rmap_head[frame]; id; id = ws->nodes[id - 1].next)
        *node_noted(ws, &ws->nodes[id - 1]) = (uint32_t)frame + 1;
}

static void rmap_add(struct windows *ws, uint64_t frame, struct window *w, uint32_t page)
{
    uint32_t *noted = &pagemap_touch(&w->map, &ws->pool, page)->noted[page % PAGEMAP_CHUNK];
    uint32_t id;

    if (*noted == frame + 1)
        return; /* its node is still there */
    ws->chance = ws->chance * 1664525u + 1013904223u; /* not a counter, which pages that take turns might dodge */
    if (ws->chance >> (32 - PRUNE_BITS) == 0) {
        rmap_prune(ws, frame);
        if (*noted == frame + 1)
            return; /* from an earlier time */
    }
    *noted = (uint32_t)frame + 1;
    if (ws->free_node) {
        id = ws->free_node;
        ws->free_node = ws->nodes[id - 1].next;
    } else {
        ws->nodes = bt_grow(ws->nodes, ws->n_nodes, &ws->cap_nodes, sizeof(*ws->nodes));
        id = ++ws->n_nodes;
        ws->stats.rmap_nodes++;
    }
    ws->nodes[id - 1] = (struct rmap_node){.page = page, .window = (uint16_t)w->index, .next = ws->rmap_head[frame]};
    ws->rmap_head[frame] = id;
}

void windows_protect_frame(struct windows *ws, uint64_t frame)
{
    if (frame >= ws->n_frames)
        return;
    if (ws->soft)
        soft_protect(ws->soft, (uint32_t)frame);
    for (uint32_t id = ws->rmap_head[frame]; id; id = ws->nodes[id - 1].next) {
        const struct rmap_node *n = &ws->nodes[id - 1];
        struct window *w = ws->win[n->window];
        uint32_t *mapped = &pagemap_chunk(&w->map, n->page)->page[n->page % PAGEMAP_CHUNK];

        if (*mapped != PAGE_MAPPED(frame, 1))
            continue;
        if (mprotect(w->base + ((uint64_t)n->page << 12), GUEST_PAGE_SIZE, PROT_READ) != 0) {
            unmap_pages(w, n->page, 1); /* out of mappings: a dropped page is protected too */
            *mapped = 0;
        } else {
            *mapped &= ~1u;
        }
        ws->maps += 2;
        w->maps += 2;
        ws->stats.protects++;
    }
}

/* --- dropping --- */

static void unmap_dropped(struct windows *ws)
{
    if (ws->dropped.n == 0)
        return;
    unmap_pages(ws->dropped.w, ws->dropped.first, ws->dropped.n);
    ws->stats.drops++;
    ws->dropped.n = 0;
}

/* Are all pages from first up to end unmapped? */
static bool is_gap(const struct window *w, uint32_t first, uint32_t end)
{
    while ((first = pagemap_next(&w->map, first, end)) < end && !window_page(w, first))
        first++;
    return first == end;
}

/* These pages have no window_page() any more: unmap them, but while tables are compared together with what follows. */
static void drop_run(struct windows *ws, struct window *w, uint32_t first, uint32_t n)
{
    uint32_t end = ws->dropped.first + ws->dropped.n;
    bool is_near = ws->dropped.n && ws->dropped.w == w && first >= end && first - end <= DROP_GAP && is_gap(w, end, first);

    ws->stats.drop_pages += n;
    if (!is_near) {
        unmap_dropped(ws);
        ws->dropped.w = w;
        ws->dropped.first = first;
    }
    ws->dropped.n = first + n - ws->dropped.first;
    if (!ws->is_comparing)
        unmap_dropped(ws);
}

/* Pages to be dropped together. */
struct run {
    uint32_t first, n; /* n 0: none */
};

static void end_run(struct windows *ws, struct window *w, struct run *run)
{
    if (run->n)
        drop_run(ws, w, run->first, run->n);
    run->n = 0;
}

/* What there is from first up to end, in one chunk, goes; mapped pages are added to the run. */
static void drop_in_chunk(struct windows *ws, struct window *w, struct page_chunk *c, uint32_t first, uint32_t end, struct run *run)
{
    for (uint32_t p = first, i = p % PAGEMAP_CHUNK; p < end; p++, i++) {
        if (c->code[i]) {
            ws->code_gone(ws->opaque, w, p);
            c->code[i] = 0;
        }
        if (!c->page[i])
            continue;
        c->page[i] = 0;
        if (run->n && run->first + run->n != p)
            end_run(ws, w, run);
        if (!run->n++)
            run->first = p;
    }
}

static void drop_range(struct windows *ws, struct window *w, uint32_t first, uint32_t n)
{
    uint32_t end = first + n, p = first, stop;
    struct run run = {0};

    if (w->has_soft)
        soft_drop(ws->soft, w->soft_key + first, n);
    for (; (p = pagemap_next(&w->map, p, end)) < end; p = stop) {
        stop = (p | (PAGEMAP_CHUNK - 1)) + 1;
        if (stop > end)
            stop = end;
        drop_in_chunk(ws, w, pagemap_chunk(&w->map, p), p, stop, &run);
        if (stop - p == PAGEMAP_CHUNK)
            pagemap_forget(&w->map, &ws->pool, p);
    }
    end_run(ws, w, &run);
}

static void window_reset(struct windows *ws, struct window *w)
{
    ws->code_gone(ws->opaque, w, WINDOW_PAGES);
    for (unsigned i = 0; i < w->n_leaf; i++)
        ptable_remove_user(ws->tables, w->leaf[i].table, w, w->leaf[i].base);
    w->n_leaf = 0;
    for (unsigned i = 0; i < 4; i++) {
        struct ptable *t = w->dir[i];

        w->dir[i] = NULL;
        if (t)
            ptable_remove_user(ws->tables, t, w, i << 30);
    }
    unmap_pages(w, 0, WINDOW_PAGES);
    pagemap_clear(&w->map, &ws->pool);
    for (unsigned i = 0; i < ARRAY_SIZE(ws->fetchers); i++)
        ws->fetchers[i][w->index / 64] &= ~(1ull << (w->index % 64));
    ws->maps -= w->maps;
    w->maps = 0;
    if (ws->shared == w)
        ws->shared = NULL;
    w->is_used = false;
    w->has_soft = false;
    if (w->peer)
        w->peer->peer = NULL;
    w->peer = NULL;
    ws->stats.resets++;
}

/* --- page tables --- */

/* Index of the first leaf at base or above. */
static unsigned leaf_index(const struct window *w, uint32_t base)
{
    unsigned low = 0, high = w->n_leaf;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (w->leaf[middle].base < base)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The leaf table whose entry 0 is for base; NULL: none yet. */
static struct ptable *leaf_find(const struct window *w, uint32_t base)
{
    unsigned i = leaf_index(w, base);

    return i < w->n_leaf && w->leaf[i].base == base ? w->leaf[i].table : NULL;
}

static void leaf_add(struct window *w, uint32_t base, struct ptable *t)
{
    unsigned i = leaf_index(w, base);

    w->leaf = bt_grow(w->leaf, w->n_leaf, &w->cap_leaf, sizeof(*w->leaf));
    memmove(w->leaf + i + 1, w->leaf + i, (w->n_leaf - i) * sizeof(*w->leaf));
    w->leaf[i] = (struct window_leaf){.base = base, .table = t};
    w->n_leaf++;
    ptable_add_user(t, w, base);
}

static void leaf_remove(struct windows *ws, struct window *w, uint32_t base)
{
    unsigned i = leaf_index(w, base);
    struct ptable *t = w->leaf[i].table;

    w->n_leaf--;
    memmove(w->leaf + i, w->leaf + i + 1, (w->n_leaf - i) * sizeof(*w->leaf));
    ptable_remove_user(ws->tables, t, w, base);
}

/* What w mapped through the entry goes; see ptables.h. */
static void entry_gone(void *opaque, struct window *w, const struct ptable *t, uint32_t base, unsigned i, uint64_t old)
{
    struct windows *ws = opaque;
    uint32_t gla = base + (uint32_t)((uint64_t)i << t->span_shift);
    bool has_leaf = t->is_dir && leaf_find(w, gla);

    if (t->is_dir && !has_leaf && !(old & PTE_PS))
        return; /* nothing was */
    drop_range(ws, w, gla >> 12, 1u << (t->span_shift - 12));
    if (has_leaf)
        leaf_remove(ws, w, gla);
}

static void protect_frame(void *opaque, uint64_t frame)
{
    windows_protect_frame(opaque, frame);
}

/* Compare; what is gone is unmapped together. */
static void sync_table(struct windows *ws, struct ptable *t)
{
    ws->is_comparing = true;
    ptable_sync(ws->tables, t, ws->epoch);
    ws->is_comparing = false;
    unmap_dropped(ws);
}

void windows_written(struct windows *ws, uint64_t off, uint64_t len)
{
    ptables_written(ws->tables, off, len);
}

/* Remember the tables of a successful walk.  False: they lie where no copy can be taken (device, hole). */
static bool note_tables(struct windows *ws, struct window *w, gla_t gla, const struct paging_result *r)
{
    bool is_pae = (ws->cpu->paging.cr4 & CR4_PAE) != 0;
    uint8_t esz = is_pae ? 8 : 4;
    uint8_t dir_shift = is_pae ? 21 : 22;
    bool is_large = r->page_shift > 12;
    unsigned di = is_pae ? (unsigned)(gla >> 30) & 3 : 0;
    gpa_t dir_gpa = r->table_gpa[r->levels - (is_large ? 1 : 2)] & ~(gpa_t)GUEST_PAGE_MASK;
    unsigned dir_entry = (unsigned)(gla >> dir_shift) & (4096u / esz - 1);

    if (!w->dir[di] || w->dir[di]->gpa != dir_gpa) {
        struct ptable *t;

        if (w->dir[di]) { /* cannot happen while keys hold the root; be safe */
            ptable_remove_user(ws->tables, w->dir[di], w, di << 30);
            w->dir[di] = NULL;
        }
        t = ptables_get(ws->tables, dir_gpa, esz, dir_shift, true, ws->epoch);
        if (!t)
            return false;
        ptable_add_user(t, w, di << 30);
        w->dir[di] = t;
    }
    ptable_sync_entry(ws->tables, w->dir[di], dir_entry);
    if (is_large)
        return true;
    gpa_t leaf_gpa = r->table_gpa[r->levels - 1] & ~(gpa_t)GUEST_PAGE_MASK;
    unsigned leaf_entry = (unsigned)(gla >> 12) & (4096u / esz - 1);
    uint32_t base = (uint32_t)(gla >> dir_shift) << dir_shift;
    struct ptable *leaf = leaf_find(w, base);

    if (!leaf) {
        leaf = ptables_get(ws->tables, leaf_gpa, esz, 12, false, ws->epoch);
        if (!leaf)
            return false;
        leaf_add(w, base, leaf);
    } else if (leaf->gpa != leaf_gpa) {
        return false; /* the directory entry's A/D-only change hid nothing: cannot happen */
    }
    ptable_sync_entry(ws->tables, leaf, leaf_entry);
    return true;
}

static void window_sync(struct windows *ws, struct window *w)
{
    w->synced_epoch = ws->epoch;
    for (unsigned i = 0; i < 4; i++)
        if (w->dir[i] && w->dir[i]->epoch != ws->epoch)
            sync_table(ws, w->dir[i]);
    for (unsigned i = 0; i < w->n_leaf; i++) {
        struct ptable *t = w->leaf[i].table;

        if (t->epoch != ws->epoch)
            sync_table(ws, t);
    }
}

/* --- finding --- */

static struct window_key current_key(const struct cpu *cpu, bool is_user)
{
    const struct paging_regs *p = &cpu->paging;
    struct window_key k = {0};

    if (p->cr0 & CR0_PG) {
        k.flags = 1u | (p->cr0 & CR0_WP ? 2u : 0) | (uint32_t)(p->cr4 & (CR4_PSE | CR4_PAE)) << 4 |
                  (p->efer & EFER_NXE ? 4u : 0);
        if (p->cr4 & CR4_PAE) {
            k.cr3 = p->cr3 & 0xffffffe0u;
            memcpy(k.pdpte, p->pdpte, sizeof(k.pdpte));
        } else {
            k.cr3 = p->cr3 & 0xfffff000u;
        }
        k.is_user = is_user;
    }
    if (!(p->a20_mask & (1u << 20)))
        k.flags |= 8u;
    return k;
}

static unsigned recent_index(const struct window_key *k)
{
    return (unsigned)(k->cr3 >> 11 ^ k->is_user) & ((1 << RECENT_BITS) - 1);
}

static struct window *window_alloc(struct windows *ws)
{
    struct window *w = NULL;

    for (unsigned i = 0; i < ws->n_win; i++)
        if (!ws->win[i]->is_used)
            return ws->win[i];
    if (ws->n_win < ws->max_win) {
        uint8_t *base = reserve(ws);

        w = calloc(1, sizeof(*w));
        if (w && base) {
            pagemap_init(&w->map);
            w->base = base;
            w->index = ws->n_win;
            ws->win[ws->n_win++] = w;
            ws->stats.windows++;
            return w;
        }
        if (base)
            unreserve(base);
        free(w);
        w = NULL;
    }
    for (unsigned i = 0; i < ws->n_win; i++)
        if (!w || ws->win[i]->last_use < w->last_use)
            w = ws->win[i];
    if (!w)
        BUG("no address space for a window");
    ws->evicted[recent_index(&w->key)] = (uint32_t)(w->key.cr3 >> 5);
    window_reset(ws, w);
    return w;
}

static bool is_same_space(const struct window_key *a, const struct window_key *b)
{
    return a->cr3 == b->cr3 && a->flags == b->flags && a->is_user != b->is_user && !memcmp(a->pdpte, b->pdpte, sizeof(a->pdpte));
}

/* An empty window comes into use, paired with the other half of its address space if that has one. */
static void window_begin(struct windows *ws, struct window *w, const struct window_key *key)
{
    w->key = *key;
    w->is_used = true;
    w->soft_key = ++ws->n_soft_keys * SOFT_KEY_STEP;
    w->synced_epoch = ws->epoch;
    for (unsigned i = 0; i < ws->n_win; i++) {
        struct window *other = ws->win[i];

        if (other->is_used && is_same_space(&other->key, &w->key)) {
            w->peer = other;
            other->peer = w;
        }
    }
}

static struct window *find_window(const struct windows *ws, const struct window_key *k)
{
    struct window *w = ws->recent[recent_index(k)];

    if (w && w->is_used && memcmp(&w->key, k, sizeof(*k)) == 0)
        return w;
    for (unsigned i = 0; i < ws->n_win; i++) {
        w = ws->win[i];
        if (w->is_used && w->key.cr3 == k->cr3 && w->key.is_user == k->is_user && memcmp(&w->key, k, sizeof(*k)) == 0)
            return w;
    }
    return NULL;
}

/* --- one supervisor window for many address spaces --- */

/* The directory di of an address space as a table; NULL: it has none. */
static struct ptable *directory(struct windows *ws, const struct window_key *k, unsigned di, const struct ptable *like)
{
    bool is_pae = (k->flags >> 4 & CR4_PAE) != 0;
    gpa_t gpa = (is_pae ? k->pdpte[di] & 0x000ffffffffff000ull : k->cr3) & ws->cpu->paging.a20_mask;

    return is_pae && !(k->pdpte[di] & PTE_P) ? NULL : ptables_get(ws->tables, gpa, like->entry_size, like->span_shift, true, ws->epoch);
}

/* Hand the window to the address space of key: what both map in the same way stays. */
static void window_rebase(struct windows *ws, struct window *w, const struct window_key *key)
{
    struct window_key user = *key;

    for (unsigned di = 0; di < 4; di++) {
        struct ptable *from = w->dir[di], *to;
        uint32_t base = di << 30;

        if (!from || (to = directory(ws, key, di, from)) == from)
            continue;
        if (to && to->epoch != ws->epoch)
            sync_table(ws, to);
        ptable_replace(ws->tables, from, to, w, base);
        w->dir[di] = to;
    }
    if (w->peer)
        w->peer->peer = NULL;
    w->key = *key;
    user.is_user = true;
    w->peer = find_window(ws, &user);
    if (w->peer)
        w->peer->peer = w;
    ws->stats.rebases++;
}

/* Room for one more supervisor window of one address space. */
static void limit_own(struct windows *ws)
{
    struct window *old = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < ws->n_win; i++) {
        struct window *w = ws->win[i];

        if (!w->is_used || w->key.is_user || !(w->key.flags & 1) || w == ws->shared)
            continue;
        n++;
        if (!old || w->last_use < old->last_use)
            old = w;
    }
    if (n < MAX_OWN)
        return;
    window_reset(ws, old);
}

/* The shared window, for an address space that comes seldom.  NULL: it has come so often that it shall have its own. */
static struct window *share_window(struct windows *ws, const struct window_key *k)
{
    unsigned i = recent_index(k);
    uint32_t now = (uint32_t)ws->stats.rebases;

    ws->seldom[i].visits = now - ws->seldom[i].last < MAX_OWN ? ws->seldom[i].visits + 1 : 0;
    ws->seldom[i].last = now;
    if (ws->seldom[i].visits >= OWN_VISITS) {
        ws->seldom[i].visits = 0;
        limit_own(ws);
        return NULL;
    }
    if (ws->shared && ws->shared->key.flags == k->flags) {
        window_rebase(ws, ws->shared, k);
    } else {
        ws->shared = window_alloc(ws); /* the one of other paging bits, if there is, is its last address space's own */
        window_begin(ws, ws->shared, k);
    }
    return ws->shared;
}

struct window *windows_peer(const struct windows *ws, const struct window *w)
{
    struct window *peer = w->peer;

    if (!peer || !peer->is_used || peer->synced_epoch != ws->epoch)
        return NULL;
    peer->last_use = w->last_use;
    return peer;
}

void windows_sync_peer(struct windows *ws, const struct window *w)
{
    if (w->peer && w->peer->is_used && w->peer->synced_epoch != ws->epoch)
        window_sync(ws, w->peer);
}

struct window *window_current(struct windows *ws, bool is_user)
{
    struct window_key k = current_key(ws->cpu, is_user);
    struct window *w = find_window(ws, &k);

    if (!w && ws->may_share && !k.is_user && (k.flags & 1))
        w = share_window(ws, &k);
    if (!w) {
        if (k.cr3 && ws->evicted[recent_index(&k)] == (uint32_t)(k.cr3 >> 5) && ws->max_win < MAX_WINDOWS)
            ws->max_win += MORE_WINDOWS;
        w = window_alloc(ws);
        window_begin(ws, w, &k);
    }
    ws->recent[recent_index(&k)] = w;
    w->last_use = ++ws->clock;
    while (ws->maps > MAX_MAPS) {
        struct window *old = NULL;

        for (unsigned i = 0; i < ws->n_win; i++)
            if (ws->win[i]->is_used && ws->win[i]->maps && (!old || ws->win[i]->last_use < old->last_use))
                old = ws->win[i];
        if (!old)
            break;
        window_reset(ws, old);
        if (old == w)
            window_begin(ws, w, &k);
    }
    if (w->synced_epoch != ws->epoch)
        window_sync(ws, w);
    return w;
}

void windows_new_epoch(struct windows *ws)
{
    ws->epoch++;
}

static void flush_page(struct windows *ws, struct window *w, uint32_t gla)
{
    bool is_pae = (w->key.flags >> 4 & CR4_PAE) != 0;
    unsigned shift = is_pae ? 21 : 22, e;
    struct ptable *dir = w->dir[is_pae ? gla >> 30 : 0], *leaf;

    if (!dir)
        return;
    e = gla >> shift & (ptable_entries(dir) - 1);
    bool was_large = (ptable_copied(dir, e) & PTE_PS) != 0;

    ptable_sync_entry(ws->tables, dir, e);
    leaf = leaf_find(w, gla >> shift << shift);
    if (leaf)
        ptable_sync_entry(ws->tables, leaf, gla >> 12 & (ptable_entries(leaf) - 1));
    if (was_large)
        drop_range(ws, w, gla >> shift << (shift - 12), 1u << (shift - 12));
    else
        drop_range(ws, w, gla >> 12, 1);
}

void window_flush_page(struct windows *ws, struct window *w, gla_t gla)
{
    flush_page(ws, w, (uint32_t)gla);
    if (w->peer)
        flush_page(ws, w->peer, (uint32_t)gla);
}

void windows_flush_page(struct windows *ws, gla_t gla)
{
    struct window_key k = current_key(ws->cpu, false);
    struct window *w = find_window(ws, &k), *user;

    k.is_user = (k.flags & 1) != 0;
    user = w ? w->peer : find_window(ws, &k);
    if (w)
        flush_page(ws, w, (uint32_t)gla);
    if (user && user != w)
        flush_page(ws, user, (uint32_t)gla);
}

void windows_flush_all(struct windows *ws)
{
    for (unsigned i = 0; i < ws->n_win; i++)
        if (ws->win[i]->is_used)
            window_reset(ws, ws->win[i]);
    ws->epoch++;
}

/* --- filling --- */

static bool frame_is_writable(const struct windows *ws, uint64_t frame)
{
    return ws->code_flags[frame] == 0;
}

/* Map n pages from page on, of consecutive frames; all writable or none. */
static bool map_run(struct windows *ws, struct window *w, uint32_t page, uint64_t frame, uint32_t n, bool is_writable)
{
    int prot = PROT_READ | (is_writable ? PROT_WRITE : 0);
    int flags = MAP_SHARED | MAP_FIXED | (n <= 2 * AROUND_PAGES + 1 ? MAP_POPULATE : 0);

    ws->stats.map_calls++;
    if (mmap(w->base + ((uint64_t)page << 12), (uint64_t)n << 12, prot, flags, ws->fd, (off_t)(frame << 12)) == MAP_FAILED)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        pagemap_touch(&w->map, &ws->pool, page + i)->page[(page + i) % PAGEMAP_CHUNK] = PAGE_MAPPED(frame + i, is_writable);
        rmap_add(ws, frame + i, w, page + i);
    }
    ws->maps++;
    w->maps++;
    ws->stats.fill_pages += n;
    return true;
}

/* Pages on either side of one that are mapped together with it. */
struct extent {
    uint32_t before, after;
};

/* Is the n-th page of memory before the walked one what its run would begin with, had it begun there? */
static bool run_reaches_back(const struct windows *ws, const struct paging_result *r, const struct space_run *run, uint32_t n)
{
    uint64_t bytes = (uint64_t)n << 12;
    struct space_run low;

    if (run->mem_off < bytes || r->gpa < bytes)
        return false;
    space_lookup(ws->mem, r->gpa - bytes, &low);
    return low.host && low.mem_off == run->mem_off - bytes && low.is_writable == run->is_writable;
}

/* Memory contiguous by nature (no paging, large pages): the rest of the chunk, as far as memory and code flags are alike. */
static struct extent extent_in_chunk(const struct windows *ws, const struct window *w, uint32_t page,
                                     const struct paging_result *r, const struct space_run *run, bool is_writable)
{
    bool may_write = r->may_write && (r->is_dirty || r->levels == 0) && run->is_writable;
    uint32_t max_after = CHUNK_PAGES - 1 - page % CHUNK_PAGES, max_before = page % CHUNK_PAGES;
    uint64_t frame = run->mem_off >> 12;
    struct extent x = {0};

    while (x.after < max_after && (uint64_t)(x.after + 2) << 12 <= run->len && frame + x.after + 1 < ws->n_frames &&
           !window_page(w, page + x.after + 1) && (may_write && frame_is_writable(ws, frame + x.after + 1)) == is_writable)
        x.after++;
    while (x.before < max_before && !window_page(w, page - x.before - 1) && run_reaches_back(ws, r, run, x.before + 1) &&
           (may_write && frame_is_writable(ws, frame - x.before - 1)) == is_writable)
        x.before++;
    return x;
}

/* Can page p (at offset delta pages from the walked one) be mapped together with it?  Same leaf table, same rights, already
 * accessed (the SDM lets a processor set A speculatively; we only use what is set), frame consecutive, and as writable.
 * may_write: what the tables say of the walked one, and so of all with its rights. */
static bool neighbour_fits(const struct windows *ws, const struct window *w, const struct ptable *leaf, uint32_t page,
                           uint64_t frame, uint64_t center, int delta, bool may_write, bool is_writable)
{
    uint32_t p = page + (uint32_t)delta;
    unsigned n = ptable_entries(leaf);
    uint64_t e, c, same = PTE_P | PTE_RW | PTE_US | 0xfffull << 52 | 1ull << 7; /* reserved bits too */
    uint64_t f = frame + (uint64_t)(int64_t)delta;

    if (p >= WINDOW_PAGES || p / n != page / n || window_page(w, p) || f >= ws->n_frames)
        return false;
    e = ptable_present(leaf, p % n);
    c = center + (uint64_t)((int64_t)delta * GUEST_PAGE_SIZE);
    if (leaf->entry_size == 4)
        c &= 0xffffffffu;
    return ((e ^ c) & ~(uint64_t)0xfffull & 0x000ffffffffff000ull) == 0 && ((e ^ c) & same) == 0 && (e & PTE_A) &&
           (may_write && (e & PTE_D) && frame_is_writable(ws, f)) == is_writable;
}

/* 4 KiB pages: those on either side whose entries fit. */
static struct extent extent_by_table(struct windows *ws, struct window *w, uint32_t page, const struct paging_result *r,
                                     const struct space_run *run, bool is_writable)
{
    bool is_pae = (ws->cpu->paging.cr4 & CR4_PAE) != 0;
    struct ptable *leaf = leaf_find(w, page >> (is_pae ? 9 : 10) << (is_pae ? 21 : 22));
    unsigned n = ptable_entries(leaf);
    uint64_t center = ptable_present(leaf, page % n), frame = run->mem_off >> 12;
    struct extent x = {0};

    while (x.after < AROUND_PAGES && (uint64_t)(x.after + 2) << 12 <= run->len &&
           neighbour_fits(ws, w, leaf, page, frame, center, (int)x.after + 1, r->may_write, is_writable))
        ptable_sync_entry(ws->tables, leaf, (page + ++x.after) % n);
    while (x.before < AROUND_PAGES && run_reaches_back(ws, r, run, x.before + 1) &&
           neighbour_fits(ws, w, leaf, page, frame, center, -(int)x.before - 1, r->may_write, is_writable))
        ptable_sync_entry(ws->tables, leaf, (page - ++x.before) % n);
    return x;
}

/* Where an access to the page at gla goes. */
struct landing {
    struct paging_result r;
    struct space_run run;
    uint64_t frame;
    bool is_writable; /* without more ado */
};

/* WINDOW_RETRY: the page may be filled.  Sets A and D, and remembers the tables. */
static enum window_fault land(struct windows *ws, struct window *w, gla_t gla, bool is_write, struct landing *l)
{
    unsigned access = (is_write ? ACCESS_WRITE : ACCESS_READ) | (w->key.is_user ? ACCESS_USER : 0);

    if (!paging_walk(ws->mem, &ws->cpu->paging, gla, access, true, &l->r, &ws->fault_error))
        return WINDOW_GUEST_FAULT;
    space_lookup(ws->mem, l->r.gpa, &l->run);
    if (!l->run.host || (l->run.mem_off & GUEST_PAGE_MASK) || l->run.len < GUEST_PAGE_SIZE)
        return WINDOW_DEVICE;
    l->frame = l->run.mem_off >> 12;
    if (l->frame >= ws->n_frames)
        return WINDOW_DEVICE;
    if (is_write)
        windows_written(ws, l->run.mem_off, 1);
    l->is_writable = l->r.may_write && (l->r.is_dirty || l->r.levels == 0) && l->run.is_writable && frame_is_writable(ws, l->frame);
    if (is_write && !l->is_writable)
        return l->run.is_writable ? WINDOW_CODE_WRITE : WINDOW_DEVICE;
    return l->r.levels && !note_tables(ws, w, gla, &l->r) ? WINDOW_DEVICE : WINDOW_RETRY;
}

/* Map the page, and what lies around it. */
static bool map_landing(struct windows *ws, struct window *w, uint32_t gla, const struct landing *l)
{
    uint32_t page = gla >> 12;
    struct extent around = l->r.levels && l->r.page_shift == 12 ? extent_by_table(ws, w, page, &l->r, &l->run, l->is_writable)
                                                                : extent_in_chunk(ws, w, page, &l->r, &l->run, l->is_writable);

    return map_run(ws, w, page - around.before, l->frame - around.before, around.before + around.after + 1, l->is_writable);
}

enum window_fault window_soft_fill(struct windows *ws, struct window *w, gla_t gla, bool is_write, uint64_t *code_frame)
{
    struct landing l = {0};
    enum window_fault fault;

    gla &= 0xfffff000u;
    fault = land(ws, w, gla, is_write, &l);
    *code_frame = l.frame;
    if (fault != WINDOW_RETRY)
        return fault;
    w->has_soft = true;
    soft_fill(ws->soft, w->soft_key + (gla >> 12), l.run.host, (uint32_t)gla, (uint32_t)l.frame, l.is_writable);
    return WINDOW_RETRY;
}

bool window_is_dirty(const struct windows *ws, const struct window *w, gla_t gla)
{
    struct paging_result r;
    uint32_t error;

    return paging_walk(ws->mem, &ws->cpu->paging, gla & 0xfffff000u, ACCESS_READ | (w->key.is_user ? ACCESS_USER : 0), false, &r, &error) &&
           (r.is_dirty || r.levels == 0);
}

bool window_device(struct windows *ws, struct window *w, gla_t gla, bool is_write, gpa_t *gpa)
{
    uint64_t key = w->soft_key + ((uint32_t)gla >> 12);
    unsigned i = key & (SOFT_ENTRIES - 1);
    struct landing l = {0};

    if (ws->soft->device_key[i] + key == 0) {
        *gpa = ws->soft->device_gpa[i] | (gla & GUEST_PAGE_MASK);
        return true;
    }
    if (land(ws, w, gla & 0xfffff000u, is_write, &l) != WINDOW_DEVICE || l.run.host || (l.r.levels && !note_tables(ws, w, gla, &l.r)))
        return false;
    *gpa = l.r.gpa | (gla & GUEST_PAGE_MASK);
    if (!l.r.may_write || !(l.r.is_dirty || l.r.levels == 0))
        return true; /* a write will have more to do */
    w->has_soft = true;
    ws->soft->device_key[i] = -key;
    ws->soft->device_gpa[i] = l.r.gpa;
    return true;
}

/* Out of mappings while w is in use: it, or the other half of its address space, starts anew. */
static void make_room(struct windows *ws, struct window *w)
{
    struct window *full = w->peer && w->peer->maps > w->maps ? w->peer : w;
    struct window_key k = full->key;

    window_reset(ws, full);
    if (full == w)
        window_begin(ws, w, &k);
}

enum window_fault window_fill(struct windows *ws, struct window *w, gla_t gla, bool is_write, uint64_t *code_frame)
{
    uint32_t page = (uint32_t)gla >> 12, mapped;
    struct landing l = {0};
    enum window_fault fault;
    uint64_t frame;
    bool is_writable;

    gla &= 0xfffff000u;
    fault = land(ws, w, gla, is_write, &l);
    *code_frame = frame = l.frame;
    is_writable = l.is_writable;
    if (fault != WINDOW_RETRY)
        return fault;
    ws->stats.fills++;
    if (w->key.is_user)
        ws->stats.user_fills++;
    mapped = window_page(w, page);
    if (mapped == PAGE_MAPPED(frame, is_writable))
        return WINDOW_DEVICE; /* mapped as it should be, and still faults: not ours to solve here */
    if (mapped == PAGE_MAPPED(frame, 0) && is_writable &&
        mprotect(w->base + ((uint64_t)page << 12), GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE) == 0) {
        pagemap_chunk(&w->map, page)->page[page % PAGEMAP_CHUNK] |= 1;
        w->maps += 2;
        ws->maps += 2;
        ws->stats.upgrades++;
        return WINDOW_RETRY;
    }

    if (ws->maps >= MOST_MAPS) {
        make_room(ws, w);
    } else if (!map_landing(ws, w, (uint32_t)gla, &l)) {
        if (errno != ENOMEM)
            BUG("cannot map guest memory: %s", strerror(errno));
        make_room(ws, w);
    }
    return WINDOW_RETRY;
}

/* Of ws->fetchers; frame + 1. */
static unsigned fetch_index(uint32_t page, uint32_t frame)
{
    return ((page ^ frame * 0x9e3779b9u) * 0x85ebca6bu) >> (32 - FETCH_BITS);
}

int64_t window_code_frame(struct windows *ws, struct window *w, gla_t gla, bool is_fetched)
{
    struct paging_result r;
    struct space_run run;
    uint32_t error, frame, page = (uint32_t)gla >> 12;
    unsigned access = ACCESS_FETCH | (w->key.is_user ? ACCESS_USER : 0);

    if (window_code(w, page))
        return (int64_t)window_code(w, page) - 1;
    gla &= 0xfffff000u;
    if (!paging_walk(ws->mem, &ws->cpu->paging, gla, access, is_fetched, &r, &error) || (r.levels && !r.is_accessed))
        return -1;
    space_lookup(ws->mem, r.gpa, &run);
    if (!run.host || (run.mem_off & GUEST_PAGE_MASK) || run.len < GUEST_PAGE_SIZE || run.mem_off >> 12 >= ws->n_frames)
        return -1;
    if (r.levels && !note_tables(ws, w, gla, &r))
        return -1;
    frame = (uint32_t)(run.mem_off >> 12);
    pagemap_touch(&w->map, &ws->pool, page)->code[page % PAGEMAP_CHUNK] = frame + 1;
    ws->fetchers[fetch_index(page, frame + 1)][w->index / 64] |= 1ull << (w->index % 64);
    return frame;
}

/* The next window that fetches page from frame (+ 1), from number *i on; NULL: no more. */
static const struct window *next_fetcher(const struct windows *ws, uint32_t page, uint32_t frame, unsigned *i)
{
    const uint64_t *fetchers = ws->fetchers[fetch_index(page, frame)];

    while (*i < ws->n_win) {
        uint64_t bits = fetchers[*i / 64] >> *i % 64;
        const struct window *w;

        if (!bits) {
            *i = (*i | 63) + 1;
            continue;
        }
        *i += (unsigned)__builtin_ctzll(bits);
        w = ws->win[(*i)++];
        if (window_code(w, page) == frame)
            return w;
    }
    return NULL;
}

bool windows_agree(const struct windows *ws, uint32_t page, uint32_t frame, uint32_t other_page, uint32_t other_frame)
{
    const struct window *w;

    for (unsigned i = 0; (w = next_fetcher(ws, page, frame, &i));)
        if (window_code(w, other_page) != other_frame)
            return false;
    return true;
}

bool windows_fetch(const struct windows *ws, uint32_t page, uint32_t frame, const struct window *but)
{
    const struct window *w;

    for (unsigned i = 0; (w = next_fetcher(ws, page, frame, &i));)
        if (w != but)
            return true;
    return false;
}

/* --- life --- */

struct windows *windows_create(struct cpu *cpu, struct soft *soft, bool may_share, bool may_be_quiet, window_code_fn *code_gone,
                               void *opaque)
{
    struct windows *ws = calloc(1, sizeof(*ws));

    if (!ws)
        return NULL;
    ws->cpu = cpu;
    ws->mem = cpu->board.mem;
    ws->guestmem = cpu->board.guestmem;
    ws->fd = guestmem_fd(ws->guestmem);
    ws->code_flags = guestmem_code_flags(ws->guestmem);
    ws->code_gone = code_gone;
    ws->soft = soft;
    ws->may_share = may_share;
    ws->opaque = opaque;
    ws->epoch = 1;
    ws->max_win = FEW_WINDOWS;
    ws->next_base = FIRST_WINDOW;
    ws->n_frames = guestmem_size(ws->guestmem) >> 12;
    ws->rmap_head = zeroed(ws->n_frames * sizeof(*ws->rmap_head) + 4096);
    pagemap_pool_init(&ws->pool);
    ws->tables = ptables_create(ws->mem, ws->guestmem, may_be_quiet,
                                &(struct ptables_client){.entry_gone = entry_gone, .protect_frame = protect_frame, .opaque = ws},
                                &ws->stats.tables);
    if (!ws->rmap_head || !ws->tables) {
        windows_destroy(ws);
        return NULL;
    }
    return ws;
}

void windows_destroy(struct windows *ws)
{
    if (!ws)
        return;
    for (unsigned i = 0; i < ws->n_win; i++) {
        struct window *w = ws->win[i];

        window_reset(ws, w);
        unreserve(w->base);
        free(w->leaf);
        free(w);
    }
    pagemap_pool_destroy(&ws->pool);
    ptables_destroy(ws->tables);
    if (ws->rmap_head)
        munmap(ws->rmap_head, ws->n_frames * sizeof(*ws->rmap_head) + 4096);
    free(ws->nodes);
    free(ws);
}

uint32_t windows_fault_error(const struct windows *ws)
{
    return ws->fault_error;
}

const struct window_stats *windows_stats(const struct windows *ws)
{
    return &ws->stats;
}
