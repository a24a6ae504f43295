/* See ptables.h. */
#include "bt/ptables.h"

#include <stdlib.h>
#include <string.h>
#include "bt/grow.h"

#define GROUP_BYTES 256u
#define PATIENCE 64        /* comparisons that find nothing; then a table is quiet */
#define MAX_PATIENCE 8192
#define MAX_QUIET 1024

struct ptables {
    struct space *mem;
    struct guestmem *guestmem;
    uint8_t *code_flags;
    uint64_t n_frames;
    struct ptables_client client;
    struct ptables_stats *stats;
    bool may_be_quiet;
    unsigned n_quiet;
    struct ptable *quiet[MAX_QUIET];
    struct ptable *hash[4096];
};

/* --- quiet tables --- */

static uint64_t table_frame(const struct ptables *ts, const struct ptable *t)
{
    return (uint64_t)(t->host - guestmem_view(ts->guestmem)) >> 12;
}

static void table_rest(struct ptables *ts, struct ptable *t)
{
    uint64_t frame = table_frame(ts, t);

    if (!ts->may_be_quiet || ts->n_quiet == MAX_QUIET || frame >= ts->n_frames)
        return;
    ts->code_flags[frame] |= FRAME_TABLE;
    ts->client.protect_frame(ts->client.opaque, frame);
    t->is_quiet = true;
    ts->quiet[ts->n_quiet++] = t;
    ts->stats->quiet++;
}

/* The tables in frame, which is written to or no longer used, are compared again. */
static void tables_wake(struct ptables *ts, uint64_t frame)
{
    for (unsigned i = 0; i < ts->n_quiet;) {
        struct ptable *t = ts->quiet[i];

        if (table_frame(ts, t) != frame) {
            i++;
            continue;
        }
        t->is_quiet = false;
        t->unchanged = 0;
        if (t->patience < MAX_PATIENCE)
            t->patience *= 2;
        ts->quiet[i] = ts->quiet[--ts->n_quiet];
    }
    ts->code_flags[frame] &= (uint8_t)~FRAME_TABLE;
}

void ptables_written(struct ptables *ts, uint64_t off, uint64_t len)
{
    for (uint64_t frame = off >> 12; frame <= (off + len - 1) >> 12 && frame < ts->n_frames; frame++) {
        if (!(ts->code_flags[frame] & FRAME_TABLE))
            continue;
        tables_wake(ts, frame);
        ts->stats->woken++;
    }
}

/* --- users --- */

static struct ptable **hash_slot(struct ptables *ts, gpa_t gpa)
{
    return &ts->hash[(gpa >> 12) % ARRAY_SIZE(ts->hash)];
}

struct ptable *ptables_get(struct ptables *ts, gpa_t gpa, uint8_t entry_size, uint8_t span_shift, bool is_dir, uint64_t epoch)
{
    struct ptable **head = hash_slot(ts, gpa);
    struct space_run run;
    struct ptable *t;

    for (t = *head; t; t = t->next)
        if (t->gpa == gpa && t->entry_size == entry_size && t->span_shift == span_shift && t->is_dir == is_dir)
            return t;
    space_lookup(ts->mem, gpa, &run);
    if (!run.host || run.len < 4096)
        return NULL;
    t = calloc(1, sizeof(*t));
    if (!t)
        BUG("out of memory for page-table copies");
    *t = (struct ptable){.next = *head, .gpa = gpa, .host = run.host, .entry_size = entry_size, .span_shift = span_shift,
                         .is_dir = is_dir, .epoch = epoch, .patience = PATIENCE};
    *head = t;
    return t;
}

void ptable_add_user(struct ptable *t, struct window *w, uint32_t base)
{
    t->users = bt_grow(t->users, t->n_users, &t->cap_users, sizeof(*t->users));
    t->users[t->n_users++] = (struct ptable_user){.w = w, .base = base};
}

static void table_free(struct ptables *ts, struct ptable *t)
{
    struct ptable **link = hash_slot(ts, t->gpa);

    if (t->is_quiet)
        tables_wake(ts, table_frame(ts, t));
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    free(t->users);
    free(t->copy);
    free(t);
}

void ptable_remove_user(struct ptables *ts, struct ptable *t, const struct window *w, uint32_t base)
{
    for (unsigned i = 0; i < t->n_users; i++) {
        if (t->users[i].w == w && t->users[i].base == base) {
            t->users[i] = t->users[--t->n_users];
            break;
        }
    }
    if (t->n_users == 0)
        table_free(ts, t);
}

/* --- comparing --- */

/* Does what was mapped through an entry still hold?  A and D may be set since. */
static bool entry_holds(uint64_t old, uint64_t new)
{
    return !(old & PTE_P) || (((old ^ new) & ~(uint64_t)(PTE_A | PTE_D)) == 0 && (old & ~new) == 0);
}

static bool has_group(const struct ptable *t, unsigned group)
{
    return t->groups >> group & 1;
}

/* The copy of a group, where there is one or would be. */
static uint8_t *group_copy(const struct ptable *t, unsigned group)
{
    return t->copy + (unsigned)__builtin_popcount(t->groups & ((1u << group) - 1)) * GROUP_BYTES;
}

static uint8_t *entry_copy(const struct ptable *t, unsigned i)
{
    unsigned at = i * t->entry_size;

    return group_copy(t, at / GROUP_BYTES) + at % GROUP_BYTES;
}

uint64_t ptable_copied(const struct ptable *t, unsigned i)
{
    return has_group(t, i * t->entry_size / GROUP_BYTES) ? load_sized(entry_copy(t, i), t->entry_size) : 0;
}

/* True: it was not copied yet. */
static bool table_use_group(struct ptable *t, unsigned group)
{
    unsigned n;
    uint8_t *p;

    if (has_group(t, group))
        return false;
    n = (unsigned)__builtin_popcount(t->groups);
    p = realloc(t->copy, (n + 1) * GROUP_BYTES);
    if (!p)
        BUG("out of memory for page-table copies");
    t->copy = p;
    p = group_copy(t, group);
    memmove(p + GROUP_BYTES, p, (size_t)(t->copy + n * GROUP_BYTES - p));
    memcpy(p, t->host + group * GROUP_BYTES, GROUP_BYTES);
    t->groups |= (uint16_t)(1u << group);
    return true;
}

void ptable_sync_entry(struct ptables *ts, struct ptable *t, unsigned i)
{
    uint64_t old, new;

    if (table_use_group(t, i * t->entry_size / GROUP_BYTES))
        return;
    old = load_sized(entry_copy(t, i), t->entry_size);
    new = ptable_present(t, i);
    if (old == new)
        return;
    store_sized(entry_copy(t, i), t->entry_size, new);
    if (entry_holds(old, new))
        return;
    for (unsigned u = 0; u < t->n_users; u++)
        ts->client.entry_gone(ts->client.opaque, t->users[u].w, t, t->users[u].base, i, old);
}

void ptable_sync(struct ptables *ts, struct ptable *t, uint64_t epoch)
{
    bool is_changed = false;

    t->epoch = epoch;
    if (t->is_quiet)
        return;
    ts->stats->syncs++;
    for (unsigned groups = t->groups, n, first; groups; groups &= ~0u << (first + n)) {
        first = (unsigned)__builtin_ctz(groups);
        n = (unsigned)__builtin_ctz(~(groups >> first));
        if (memcmp(group_copy(t, first), t->host + first * GROUP_BYTES, n * GROUP_BYTES) == 0)
            continue;
        is_changed = true;
        for (unsigned at = first * GROUP_BYTES; at < (first + n) * GROUP_BYTES; at += t->entry_size)
            ptable_sync_entry(ts, t, at / t->entry_size);
    }
    t->unchanged = is_changed ? 0 : t->unchanged + 1;
    if (t->unchanged >= t->patience)
        table_rest(ts, t);
}

/* A group of `from` against that of `to`. */
static void replace_group(struct ptables *ts, struct ptable *from, struct ptable *to, struct window *w, uint32_t base, unsigned group)
{
    unsigned first = group * GROUP_BYTES / from->entry_size, n = GROUP_BYTES / from->entry_size;

    if (to) {
        (void)table_use_group(to, group);
        if (memcmp(group_copy(from, group), group_copy(to, group), GROUP_BYTES) == 0)
            return;
    }
    for (unsigned i = first; i < first + n; i++) {
        uint64_t old = ptable_copied(from, i), new = to ? ptable_copied(to, i) : 0;

        if (old != new && !entry_holds(old, new))
            ts->client.entry_gone(ts->client.opaque, w, from, base, i, old);
    }
}

void ptable_replace(struct ptables *ts, struct ptable *from, struct ptable *to, struct window *w, uint32_t base)
{
    for (unsigned groups = from->groups; groups; groups &= groups - 1)
        replace_group(ts, from, to, w, base, (unsigned)__builtin_ctz(groups));
    ptable_remove_user(ts, from, w, base);
    if (to)
        ptable_add_user(to, w, base);
}

/* --- life --- */

struct ptables *ptables_create(struct space *mem, struct guestmem *guestmem, bool may_be_quiet, const struct ptables_client *client,
                               struct ptables_stats *stats)
{
    struct ptables *ts = calloc(1, sizeof(*ts));

    if (!ts)
        return NULL;
    ts->mem = mem;
    ts->guestmem = guestmem;
    ts->code_flags = guestmem_code_flags(guestmem);
    ts->n_frames = guestmem_size(guestmem) >> 12;
    ts->may_be_quiet = may_be_quiet;
    ts->client = *client;
    ts->stats = stats;
    return ts;
}

void ptables_destroy(struct ptables *ts)
{
    free(ts);
}
