/* The code cache: blocks, how they are found by guest address and by host address, how they die, and the jump tables of the
 * contexts that lead to them.
 *
 * A dead block's entry is overwritten by a jump through the jump table, so nothing that leads to it need be known.  Host memory
 * is not reused until the cache is full: then everything is dropped at once. */
#include "bt/segments.h"

#include <stdlib.h>
#include <string.h>
#include "host/log.h"
#include "host/util.h"

#define CTX_PER_WINDOW 8
#define POPULATE_STEP 65536u
#define POLLS_HOT 8 /* a piece of 2 MiB where so many polls were taken runs often */
#define POLLS_LONG 2 /* so does a block */
#define BLOCK_TABLES 4096 /* bytes of tables one block may take at most, about */
#define SITE_PATIENCE 64
#define SITE_PATIENCE_MAX 9 /* 64 << 9 fits 16 bits */
#define SOFT_FILLS 4
#define SOFT_CREDIT_MAX 32 /* times what one miss gives */

/* The hash table is open: a slot holds an index + 1 and, above it, bits of the hash that are not in the slot's number, so that blocks that
 * are not meant are not looked at.  Blocks that are near each other in a page are in the same line, as they are looked for one after
 * the other. */
#define SLOT_INDEX_BITS 24
#define SLOT_GONE (1u << SLOT_INDEX_BITS) /* of a dead block; look on */
#define HASH_BLOCKS(bt) (((bt)->hash_mask + 1) / 4 * 3) /* at most, lest one look long */

static uint32_t index_1(const struct bt *bt, const struct block *b)
{
    return b ? (uint32_t)(b - bt->blocks) + 1 : 0;
}

static struct block *block_or_null(const struct bt *bt, uint32_t index_1)
{
    return index_1 ? &bt->blocks[index_1 - 1] : NULL;
}

/* The first slot to look at; *tag: what slots of such blocks have above the index, never that of SLOT_GONE. */
static uint32_t hash_slot(const struct bt *bt, uint64_t code, uint32_t rip, uint32_t kind, uint32_t *tag)
{
    uint64_t page = (code >> GUEST_PAGE_SHIFT ^ (uint64_t)(rip >> GUEST_PAGE_SHIFT) << 21 ^ (uint64_t)kind << 41) * 0x9e3779b97f4a7c15ull;

    *tag = (uint32_t)(((page >> 8 ^ code) & 0x7f) | 0x80) << SLOT_INDEX_BITS;
    return ((uint32_t)(page >> 32) + (uint32_t)(code & GUEST_PAGE_MASK) / 4) & bt->hash_mask;
}

struct block *tcache_find(struct bt *bt, uint64_t code, uint32_t kind, uint32_t guest_rip)
{
    uint32_t tag, at = hash_slot(bt, code, guest_rip, kind, &tag), slot;

    for (; (slot = bt->hash[at]) != 0; at = (at + 1) & bt->hash_mask) {
        struct block *b = &bt->blocks[(slot ^ tag) - 1];

        if ((slot ^ tag) >> SLOT_INDEX_BITS == 0 && b->code == code && b->guest_rip == guest_rip && b->kind == kind)
            return b;
    }
    return NULL;
}

static void hash_insert(struct bt *bt, const struct block *b)
{
    uint32_t tag, at = hash_slot(bt, b->code, b->guest_rip, b->kind, &tag);

    while (bt->hash[at] != 0 && bt->hash[at] != SLOT_GONE)
        at = (at + 1) & bt->hash_mask;
    bt->hash[at] = tag | index_1(bt, b);
}

static void hash_remove(struct bt *bt, const struct block *b)
{
    uint32_t tag, at = hash_slot(bt, b->code, b->guest_rip, b->kind, &tag);

    for (; bt->hash[at] != 0; at = (at + 1) & bt->hash_mask) {
        if (bt->hash[at] == (tag | index_1(bt, b))) {
            bt->hash[at] = SLOT_GONE;
            return;
        }
    }
}

struct block *tcache_new(struct bt *bt)
{
    struct block *b = &bt->blocks[bt->n_blocks];

    *b = (struct block){0};
    return b;
}

uint64_t tcache_table_bytes(const struct bt *bt)
{
    return bt->n_blocks * sizeof(*bt->blocks) + bt->n_recover * sizeof(*bt->recover) + bt->n_relocs * sizeof(*bt->relocs);
}

static uint64_t bytes_used(const struct bt *bt)
{
    return (uint64_t)(bt->e.p - bt->codemem.write) + (uint64_t)(bt->codemem.write + bt->codemem.size - bt->e.end) + tcache_table_bytes(bt);
}

/* Memory for what comes next. */
static void populate(struct bt *bt)
{
    size_t used = (size_t)(bt->e.p - bt->codemem.write);

    if (used + GUEST_PAGE_SIZE <= bt->populated)
        return;
    codemem_populate(&bt->codemem, bt->populated, POPULATE_STEP);
    bt->populated += POPULATE_STEP;
}

static unsigned long_bit(uint64_t code)
{
    return (unsigned)(code * 0x9e3779b97f4a7c15ull >> 32) % LONG_CODE_BITS;
}

bool tcache_is_long(const struct bt *bt, uint64_t code)
{
    unsigned bit = long_bit(code);

    return bt->long_code[bit / 64] >> bit % 64 & 1;
}

/* A loop of joined blocks has a jump more for each.  That another block has the same code then matters little. */
static void lengthen(struct bt *bt, struct block *b)
{
    struct sample *s = &bt->samples[block_number(bt, b) % ARRAY_SIZE(bt->samples)];
    unsigned bit = long_bit(b->code);

    if (s->block != block_number(bt, b))
        *s = (struct sample){.block = block_number(bt, b)};
    if (++s->count < POLLS_LONG)
        return;
    bt->long_code[bit / 64] |= 1ull << bit % 64;
    bt->stats.lengthened++;
    tcache_kill(bt, b);
}

/* One entry of the TLB in place of many, for code that runs often. */
static void make_huge(struct bt *bt)
{
    uint32_t piece = bt->polled_at / CODEMEM_HUGE;

    if (bt->polls_in[piece] == POLLS_HOT || (piece + 1) * CODEMEM_HUGE > bt->populated)
        return;
    if (++bt->polls_in[piece] == POLLS_HOT && codemem_make_huge(&bt->codemem, piece * CODEMEM_HUGE))
        bt->stats.huge_pages++;
}

void tcache_note_poll(struct bt *bt)
{
    struct block *b = bt_has(bt, BT_LONG) ? tcache_by_host(bt, bt->codemem.exec + bt->polled_at) : NULL;

    make_huge(bt);
    if (b && b->is_joined && !b->is_dead)
        lengthen(bt, b);
}

bool tcache_has_room(struct bt *bt)
{
    bool needs_cold = bt->cold.end - bt->cold.p < COLD_ROOM;

    if (bytes_used(bt) + BLOCK_ROOM + (needs_cold ? COLD_CHUNK : 0) + BLOCK_TABLES > bt->cache_bytes ||
        bt->n_blocks + 2 > HASH_BLOCKS(bt))
        return false;
    if (needs_cold) {
        bt->e.end -= COLD_CHUNK;
        bt->cold = bt->e;
        bt->cold.p = bt->e.end;
        bt->cold.end = bt->e.end + COLD_CHUNK;
        bt->cold.relocs = NULL;
        codemem_populate(&bt->codemem, (size_t)(bt->e.end - bt->codemem.write), COLD_CHUNK);
    }
    populate(bt);
    return true;
}

void tcache_add_recover(struct bt *bt, struct block *b, uint32_t guest_rip, struct recover r)
{
    r.host_off = (uint16_t)(cache_off(bt, emit_here(&bt->e)) - b->direct);
    r.rip_off = (uint16_t)(guest_rip - b->guest_rip);
    bt->recover[bt->n_recover++] = r;
    b->n_recover++;
}

/* A block, or what stands for its second frame, in the list of its frame. */
static void link_frame(struct bt *bt, struct block *b)
{
    uint64_t frame = b->code >> 12;
    struct block *first = block_or_null(bt, bt->frame_blocks[frame]);
    uint8_t *flags = guestmem_code_flags(bt->cpu->board.guestmem);

    b->in_frame_next = index_1(bt, first);
    b->in_frame_prev = 0;
    if (first)
        first->in_frame_prev = index_1(bt, b);
    bt->frame_blocks[frame] = index_1(bt, b);
    if (!(flags[frame] & FRAME_TRANSLATED)) {
        flags[frame] |= FRAME_TRANSLATED;
        windows_protect_frame(bt->windows, frame);
    }
}

static void unlink_frame(struct bt *bt, const struct block *b)
{
    uint64_t frame = b->code >> 12;

    if (b->in_frame_next)
        block_or_null(bt, b->in_frame_next)->in_frame_prev = b->in_frame_prev;
    if (b->in_frame_prev)
        block_or_null(bt, b->in_frame_prev)->in_frame_next = b->in_frame_next;
    else
        bt->frame_blocks[frame] = b->in_frame_next;
    if (!bt->frame_blocks[frame])
        guestmem_code_flags(bt->cpu->board.guestmem)[frame] &= (uint8_t)~FRAME_TRANSLATED;
}

static bool has_second(const struct block *b)
{
    return b->second_frame && b->second_frame - 1 != b->code >> 12;
}

void tcache_insert(struct bt *bt, struct block *b)
{
    for (; bt->n_by_host * BY_HOST_STEP < block_end(b); bt->n_by_host++)
        bt->by_host[bt->n_by_host] = bt->n_blocks;
    template_note(bt, bt->n_blocks++);
    hash_insert(bt, b);
    link_frame(bt, b);
    if (has_second(b)) {
        struct block *second = tcache_new(bt);

        second->code = (uint64_t)(b->second_frame - 1) << 12;
        second->direct = block_end(b);
        second->is_second = second->is_dead = true;
        bt->n_blocks++;
        link_frame(bt, second);
    }
    bt->stats.blocks++;
}

struct block *tcache_by_host(const struct bt *bt, const uint8_t *host_pc)
{
    uint32_t off, i;

    if (!is_in_cache(bt, host_pc))
        return NULL;
    off = cache_off(bt, host_pc);
    if (off / BY_HOST_STEP >= bt->n_by_host)
        return NULL;
    for (i = bt->by_host[off / BY_HOST_STEP]; i < bt->n_blocks && block_end(&bt->blocks[i]) <= off; i++)
        ;
    return i < bt->n_blocks && bt->blocks[i].direct <= off ? &bt->blocks[i] : NULL;
}

const struct recover *tcache_recover(const struct bt *bt, const struct block *b, const uint8_t *host_pc)
{
    uint32_t off = cache_off(bt, host_pc) - b->direct;
    const struct recover *r = &bt->recover[b->recover_first];
    uint32_t lo = 0, hi = b->n_recover;

    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;

        if (r[mid].host_off <= off)
            lo = mid;
        else
            hi = mid;
    }
    return &r[lo];
}

void tcache_set_jump(struct bt *bt, const struct block *b, uint32_t jump_end, uint32_t to)
{
    int32_t rel = (int32_t)(to - jump_end);

    if (b && !b->is_dead)
        memcpy(bt->codemem.write + jump_end - 4, &rel, 4);
}

/* What chained jumps that still lead to a dead block come to: a chain site, to become a jump to the block's successor.  When too many have
 * died here one after the other, mov r8d, guest_rip; jmp stub_indirect, which finds it by the jump table. */
static void emit_dead_entry(struct bt *bt, struct emit *e, const struct block *b)
{
    struct chain_site site = {.target_rip = b->guest_rip, .jump_end = cache_off(bt, emit_here(e)) + CHAIN_CALL_BYTES};

    if (bt_has(bt, BT_FORWARD) && b->generation < MAX_GENERATION) {
        emit_call(e, bt->stub_chain);
        emit_bytes(e, &site, sizeof(site));
    } else {
        emit_mov_ri32(e, H_R8, b->guest_rip);
        emit_jmp(e, bt->stub_indirect);
    }
}

/* It has the same key, so whoever came for the one may come to the other; by the direct entry, as some have not passed a gate. */
void tcache_forward(struct bt *bt, uint32_t jump_end, struct block *to)
{
    const struct block *dead = tcache_by_host(bt, bt->codemem.exec + jump_end - 1);
    struct emit e = bt->e;

    if (!dead || !dead->is_dead || dead->code != to->code || dead->guest_rip != to->guest_rip || dead->kind != to->kind)
        return;
    e.end = bt->codemem.write + bt->codemem.size;
    e.p = bt->codemem.write + jump_end - CHAIN_CALL_BYTES;
    emit_jmp(&e, bt->codemem.exec + to->direct);
    if (to->generation <= dead->generation)
        to->generation = dead->generation + 1u;
}

/* Direct (and gated) entry: see above.  Indirect entry: jmp stub_miss, so that jump tables forget it. */
static void overwrite_entries(struct bt *bt, const struct block *b)
{
    struct emit e = bt->e;

    e.end = bt->codemem.write + bt->codemem.size;
    if (b->before) {
        e.p = bt->codemem.write + block_start(b);
        emit_jmp(&e, bt->stub_miss);
    }
    e.p = bt->codemem.write + b->direct;
    if (b->gated) {
        uint8_t *over = emit_short(&e, CC_JMP); /* the gate's call is shorter than what follows */

        e.p = bt->codemem.write + b->direct + b->gated;
        emit_patch8(&e, over);
    }
    emit_dead_entry(bt, &e, b);
}

/* Too many have died here one after the other: the jumps that may still lead to the first of them go to their stubs again, and find the
 * one that comes next. */
static void unchain(struct bt *bt, const struct block *b)
{
    for (const struct block *x = block_or_null(bt, bt->frame_blocks[b->code >> 12]); x; x = block_or_null(bt, x->in_frame_next)) {
        const struct block *from = x->is_second ? x - 1 : x;

        for (unsigned i = 0; i < from->n_exits; i++) {
            uint32_t exit = block_exit(from, i);
            const struct chain_site *site = exit_site(bt, exit);

            if (site->target_rip == b->guest_rip && !(site->jump_end & CHAIN_CROSSES_PAGE) && !block_predicts(bt, from, i))
                tcache_set_jump(bt, from, site->jump_end & CHAIN_OFFSET, exit);
        }
    }
    links_unchain(bt, b);
}

static void kill_block(struct bt *bt, struct block *b)
{
    if (b->is_dead) /* by its other page, which may be the same frame */
        return;
    hash_remove(bt, b);
    unlink_frame(bt, b);
    if (has_second(b))
        unlink_frame(bt, b + 1);
    b->is_dead = true;
    overwrite_entries(bt, b);
    bt->stats.dead_blocks++;
    bt_reset_return_stack(bt);
}

void tcache_kill(struct bt *bt, struct block *b)
{
    if (bt_has(bt, BT_FORWARD) && b->generation == MAX_GENERATION && !b->is_dead)
        unchain(bt, b);
    kill_block(bt, b);
}

void tcache_invalidate(struct bt *bt, uint64_t off, uint64_t len)
{
    uint64_t end = off + len;

    for (uint64_t frame = off >> 12; frame <= (end - 1) >> 12 && frame < bt->n_frames; frame++) {
        struct block *b = block_or_null(bt, bt->frame_blocks[frame]), *next;

        for (; b; b = next) {
            uint64_t b_end = b->code + b->guest_len;

            next = block_or_null(bt, b->in_frame_next);
            if (b->is_second)
                kill_block(bt, b - 1);
            else if (b->second_frame || (b->code < end && b_end > off))
                kill_block(bt, b);
        }
    }
}

void tcache_flush(struct bt *bt)
{
    uint8_t *flags = guestmem_code_flags(bt->cpu->board.guestmem);

    for (uint32_t i = 0; i < bt->n_blocks; i++) {
        uint64_t frame = bt->blocks[i].code >> 12;

        bt->frame_blocks[frame] = 0;
        flags[frame] &= (uint8_t)~FRAME_TRANSLATED;
    }
    bt->first_number += bt->n_blocks;
    memset(bt->hash, 0, (bt->hash_mask + 1) * sizeof(*bt->hash));
    bt->n_blocks = bt->n_by_host = 0;
    bt->n_recover = bt->n_relocs = bt->n_kinds = 0;
    memset(bt->templates, 0, sizeof(*bt->templates) << TEMPLATE_BITS);
    bt->e.p = bt->codemem.write + bt->code_start;
    bt->e.end = bt->codemem.write + bt->codemem.size;
    bt->cold.p = bt->cold.end = NULL;
    bt->e.is_full = false;
    links_forget(bt->links);
    ctx_drop_all(bt);
    bt_reset_return_stack(bt);
    bt->stats.cache_flushes++;
}

void bt_reset_return_stack(struct bt *bt)
{
    struct bt_hot *hot = hot_of(bt->cpu);

    hot->ret_rsp = hot->ret_top;
}

/* --- contexts --- */

static unsigned ctx_hash_of(const struct window *w, uint32_t mode, uint32_t cs_base, uint32_t cs_limit)
{
    uint64_t h = ((uint64_t)w->index << 40 ^ (uint64_t)cs_base << 12 ^ mode ^ (uint64_t)cs_limit << 24) * 0x9e3779b97f4a7c15ull;

    return (unsigned)(h >> 56);
}

static struct far_entry no_far[FAR_ENTRIES]; /* of all contexts that have none: it stays empty */

/* Far entries, and contexts for segment loads, that lead here belong to contexts of the same window: all of those die together. */
static void ctx_free(struct ctx *c)
{
    jump_table_free(c);
    if (!c->far_is_shared)
        free(c->far);
    free(c);
}

static void note_far(struct ctx *from, struct ctx *to)
{
    uint32_t sel = to->cs_base >> 4;

    if (!from->far_is_shared && from->w == to->w && from->mode == to->mode && from->cs_limit == to->cs_limit && !(to->cs_base & 15) && sel <= 0xffff)
        from->far[FAR_INDEX(sel)] = (struct far_entry){.minus_key = -(int32_t)sel, .to = to};
}

void ctx_note(struct ctx *from, struct ctx *to)
{
    if (mode_is_protected(from->mode))
        segments_note(from, to);
    else
        note_far(from, to);
}

static void clear_far(struct far_entry *far)
{
    for (unsigned i = 0; i < FAR_ENTRIES; i++)
        far[i].minus_key = 1;
}

void ctx_make_far(struct ctx *c)
{
    struct far_entry *far = c->far_is_shared ? calloc(FAR_ENTRIES, sizeof(*far)) : NULL;

    if (!far)
        return;
    clear_far(far);
    c->far = far;
    c->far_is_shared = false;
}

static void init_far(struct ctx *c)
{
    c->far = no_far;
    c->far_is_shared = true;
    if (!no_far[0].minus_key)
        clear_far(no_far);
    if (!mode_is_protected(c->mode))
        ctx_make_far(c);
}

void ctx_drop_all(struct bt *bt)
{
    for (unsigned i = 0; i < ARRAY_SIZE(bt->ctx_hash); i++) {
        struct ctx *c = bt->ctx_hash[i], *next;

        for (; c; c = next) {
            next = c->hash_next;
            ctx_free(c);
        }
        bt->ctx_hash[i] = NULL;
    }
    for (uint32_t i = 0; i < bt->n_window_ctxs; i++)
        bt->window_ctxs[i] = NULL;
    bt->n_ctx = 0;
    bt->ctx = NULL;
}

static struct ctx **of_window(struct bt *bt, const struct window *w)
{
    while (bt->n_window_ctxs <= w->index) {
        bt->window_ctxs = bt_grow(bt->window_ctxs, bt->n_window_ctxs, &bt->cap_window_ctxs, sizeof(struct ctx *));
        bt->window_ctxs[bt->n_window_ctxs++] = NULL;
    }
    return &bt->window_ctxs[w->index];
}

/* SYSENTER and SYSEXIT lead to contexts of other windows. */
static void forget_rings(struct bt *bt, const struct window *to)
{
    for (unsigned i = 0; i < ARRAY_SIZE(bt->ctx_hash); i++)
        for (struct ctx *c = bt->ctx_hash[i]; c; c = c->hash_next)
            for (unsigned k = 0; k < ARRAY_SIZE(c->ring); k++)
                if (c->ring[k] && c->ring[k]->w == to)
                    c->ring[k] = NULL;
}

static void unlink_ctx(struct bt *bt, const struct ctx *c)
{
    struct ctx **link = &bt->ctx_hash[ctx_hash_of(c->w, c->mode, c->cs_base, c->cs_limit)];

    while (*link != c)
        link = &(*link)->hash_next;
    *link = c->hash_next;
    bt->n_ctx--;
    if (bt->ctx == c)
        bt->ctx = NULL;
}

/* Called by windows: fetch translations of page (or all) are gone; forget what led there. */
void ctx_code_gone(void *opaque, struct window *w, uint32_t page)
{
    struct bt *bt = opaque;

    bt_reset_return_stack(bt);
    if (page != WINDOW_PAGES)
        links_cut_page(bt, w, page);
    else
        forget_rings(bt, w);
    for (struct ctx *c = *of_window(bt, w), *next; c; c = next) {
        next = c->next_of_window;
        if (page != WINDOW_PAGES) {
            jump_table_clear(c, (page << 12) - c->cs_base, GUEST_PAGE_SIZE, bt->stub_miss);
            continue;
        }
        unlink_ctx(bt, c);
        ctx_free(c);
    }
    if (page == WINDOW_PAGES)
        *of_window(bt, w) = NULL;
}

struct ctx *ctx_find(struct bt *bt, const struct window *w, uint32_t mode, uint32_t cs_base, uint32_t cs_limit)
{
    struct ctx *c = bt->ctx_hash[ctx_hash_of(w, mode, cs_base, cs_limit)];

    while (c && (c->w != w || c->mode != mode || c->cs_base != cs_base || c->cs_limit != cs_limit))
        c = c->hash_next;
    return c;
}

static uint32_t kind_of(struct bt *bt, struct kind k)
{
    for (uint32_t i = 0; i < bt->n_kinds; i++)
        if (bt->kinds[i].mode == k.mode && bt->kinds[i].cs_base == k.cs_base && bt->kinds[i].cs_limit == k.cs_limit)
            return i;
    bt->kinds = bt_grow(bt->kinds, bt->n_kinds, &bt->cap_kinds, sizeof(*bt->kinds));
    bt->kinds[bt->n_kinds] = k;
    return bt->n_kinds++;
}

struct ctx *ctx_current(struct bt *bt)
{
    const struct cpu *cpu = bt->cpu;
    struct window *w = window_current(bt->windows, cpu->cpl == 3);
    uint32_t cs_base = (uint32_t)cpu->seg[SEG_CS].base, cs_limit = cpu->seg[SEG_CS].limit;
    struct ctx **head = &bt->ctx_hash[ctx_hash_of(w, cpu->mode, cs_base, cs_limit)];
    struct ctx *c = ctx_find(bt, w, cpu->mode, cs_base, cs_limit);

    if (c)
        return c;
    if (bt->n_ctx >= 1024 && bt->n_ctx >= CTX_PER_WINDOW * windows_stats(bt->windows)->windows)
        ctx_drop_all(bt);
    c = calloc(1, sizeof(*c));
    if (!c)
        BUG("out of memory for contexts");
    *c = (struct ctx){.hash_next = *head, .w = w, .mode = cpu->mode, .cs_base = cs_base, .cs_limit = cs_limit,
                      .kind = kind_of(bt, (struct kind){cpu->mode, cs_base, cs_limit})};
    jump_table_create(bt, c);
    init_far(c);
    ctx_note(c, c);
    *head = c;
    c->next_of_window = *of_window(bt, w);
    *of_window(bt, w) = c;
    bt->n_ctx++;
    bt->stats.ctxs++;
    return c;
}

/* --- sites --- */

/* Blocks translated by now may hold it as it was: none shall be copied. */
static void site_changed(struct bt *bt, uint64_t code)
{
    bt->site_changed[site_line(code)] = bt->first_number + bt->n_blocks;
}

static struct site *site_slot(const struct bt *bt, uint64_t code)
{
    return (struct site *)&bt->sites[(code * 0x9e3779b97f4a7c15ull) >> (64 - SITE_HASH_BITS)];
}

/* Made, perhaps in the place of another one, if it is not there yet. */
static struct site *site_take(struct bt *bt, uint64_t code)
{
    struct site *s = site_slot(bt, code);

    if (s->code != code) {
        if (s->is_callout || s->is_soft)
            site_changed(bt, s->code);
        *s = (struct site){.code = code};
    }
    bt->frame_sites[code >> 12] |= site_bit(code);
    return s;
}

uint32_t site_index(const struct bt *bt, uint64_t code)
{
    const struct site *s;

    if (!(bt->frame_sites[code >> 12] & site_bit(code)))
        return SITE_NONE;
    s = site_slot(bt, code);
    return s->code == code && s->is_callout ? (uint32_t)(s - bt->sites) : SITE_NONE;
}

bool site_is_callout(const struct bt *bt, uint64_t code)
{
    return site_index(bt, code) != SITE_NONE;
}

bool site_note_execution(struct bt *bt, uint32_t index, bool was_needed)
{
    struct site *s = &bt->sites[index];

    if (was_needed) {
        s->ordinary = 0;
        return false;
    }
    if (++s->ordinary < SITE_PATIENCE << s->patience || s->patience >= SITE_PATIENCE_MAX)
        return false;
    s->patience++;
    s->ordinary = 0;
    s->count = 0;
    s->is_callout = false;
    site_changed(bt, s->code);
    return true;
}

bool site_note_fault(struct bt *bt, uint64_t code, unsigned faults)
{
    struct site *s = site_take(bt, code);

    if (s->is_callout || ++s->count < faults)
        return false;
    site_changed(bt, code);
    return s->is_callout = true;
}

bool site_note_fill(struct bt *bt, const struct block *b, uint64_t code)
{
    struct site *s;

    if (!bt->soft)
        return false;
    s = site_take(bt, code);
    if (s->is_soft)
        return block_number(bt, b) < s->soft_since; /* translated before */
    if (s->is_callout || ++s->fills < SOFT_FILLS << s->soft_patience)
        return false;
    bt->soft->budget[s - bt->sites] = SOFT_CREDIT;
    s->soft_since = bt->first_number + bt->n_blocks;
    site_changed(bt, code);
    return s->is_soft = true;
}

uint32_t site_soft(const struct bt *bt, uint64_t code)
{
    const struct site *s;

    if (!bt->soft || !(bt->frame_sites[code >> 12] & site_bit(code)))
        return SITE_NONE;
    s = site_slot(bt, code);
    return s->code == code && s->is_soft ? (uint32_t)(s - bt->sites) : SITE_NONE;
}

void site_note_miss(struct bt *bt, uint32_t index, unsigned credit)
{
    uint32_t *budget = &bt->soft->budget[index];

    *budget = *budget < credit * SOFT_CREDIT_MAX ? *budget + credit : *budget;
}

void site_release_soft(struct bt *bt, uint32_t index, uint64_t code)
{
    struct site *s = &bt->sites[index];

    bt->soft->budget[index] = SOFT_CREDIT; /* for what still runs */
    if (s->code != code)
        return; /* another site by now */
    s->is_soft = false;
    s->fills = 0;
    site_changed(bt, code);
    if (s->soft_patience < SITE_PATIENCE_MAX)
        s->soft_patience++;
}
