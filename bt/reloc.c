/* The same code at another EIP: libraries lie elsewhere in each process.  A translation holds its EIP in few places, which are noted
 * while it is made (emit_note()); so the block is copied, and these places are put right, in a tenth of the time.
 *
 * A copy equals what translating today would make: blocks where a site changed since are no templates (struct bt.site_changed).  With
 * checked addresses that is verified for each copy. */
#include "bt/priv.h"

#include <stdlib.h>
#include <string.h>
#include "host/log.h"

/* Displacements and immediates made of an EIP outside these have another length, or wrap. */
#define EIP_MIN 0x1000
#define EIP_MAX 0xffffdfffu

static uint32_t *slot_of(const struct bt *bt, uint64_t code, uint32_t kind)
{
    uint64_t page = (code >> GUEST_PAGE_SHIFT ^ (uint64_t)kind << 32) * 0x9e3779b97f4a7c15ull;

    return &bt->templates[((page >> (64 - TEMPLATE_BITS)) + (code & GUEST_PAGE_MASK) / 2) & ((1u << TEMPLATE_BITS) - 1)];
}

void template_note(struct bt *bt, uint32_t index)
{
    const struct block *b = &bt->blocks[index];

    if (b->is_relocatable)
        *slot_of(bt, b->code, b->kind) = index + 1;
}

/* Did a site in the block change since it was translated? */
static bool is_outdated(const struct bt *bt, const struct block *b)
{
    uint64_t sites = bt->frame_sites[b->code >> GUEST_PAGE_SHIFT], end = b->code + b->guest_len;

    for (uint64_t line = b->code & ~63ull; line < end; line += 64)
        if ((sites & site_bit(line)) && block_number(bt, b) < bt->site_changed[site_line(line)])
            return true;
    return false;
}

/* The dispatcher waits for memory more than for anything else: what is needed is asked for as soon as its place is known. */
void template_prefetch(const struct bt *bt, uint64_t code, const struct ctx *ctx)
{
    __builtin_prefetch(slot_of(bt, code, ctx->kind));
}

const struct block *template_find(const struct bt *bt, uint64_t code, const struct ctx *ctx)
{
    uint32_t index = *slot_of(bt, code, ctx->kind);
    const struct block *b;

    if (index == 0)
        return NULL;
    b = &bt->blocks[index - 1];
    if (b->code != code || b->kind != ctx->kind || b->is_dead)
        return NULL;
    return is_outdated(bt, b) || (b->is_joined && tcache_is_long(bt, code)) ? NULL : b;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

/* Where address v of block t is for a copy that lies at guest_rip.  False: it cannot be said like that. */
static bool moved(const struct block *t, uint32_t guest_rip, uint32_t v, uint32_t *to)
{
    int64_t there = (int64_t)v - t->guest_rip + guest_rip;

    *to = (uint32_t)there;
    return v >= EIP_MIN && v <= EIP_MAX && there >= EIP_MIN && there <= EIP_MAX;
}

static struct chain_site *exit_of(const struct bt *bt, const struct block *b, unsigned i)
{
    return exit_site(bt, block_exit(b, i));
}

/* In a new block: what a predicted jump went to when its template ran does not count. */
static uint32_t new_target(const struct bt *bt, const struct block *t, unsigned i)
{
    return exit_of(bt, t, block_predicts(bt, t, i + 1) ? i + 1 : i)->target_rip;
}

/* Around a rel32 that ends at p: the jump to stub_predict's exit, and padding. */
static void put_predict_jump(uint8_t *p)
{
    p[-PREDICT_JUMP] = 0xe9;
    p[0] = p[1] = 0xcc;
}

/* The host code of t, for guest_rip and the place `to` in the cache, to p.  Its jumps to other blocks go anywhere. */
static bool copy_code(const struct bt *bt, const struct block *t, uint32_t guest_rip, uint32_t to, uint8_t *p)
{
    uint32_t v;

    memcpy(p, bt->codemem.write + t->direct, t->host_len);
    for (unsigned i = 0; i < t->n_relocs; i++) {
        uint16_t r = bt->relocs[t->reloc_first + i];
        uint8_t *at = p + (r & ((1u << RELOC_KIND_SHIFT) - 1));

        switch ((enum reloc)(r >> RELOC_KIND_SHIFT)) {
        case RELOC_HOST:
            put32(at, get32(at) - (to - t->direct));
            break;
        case RELOC_EIP:
            if (!moved(t, guest_rip, get32(at), &v))
                return false;
            put32(at, v);
            break;
        case RELOC_MINUS_EIP:
            if (!moved(t, guest_rip, 0u - get32(at), &v))
                return false;
            put32(at, 0u - v);
            break;
        }
    }
    return true;
}

static bool may_move_exits(const struct bt *bt, const struct block *t, uint32_t guest_rip)
{
    uint32_t v;

    for (unsigned i = 0; i < t->n_exits; i++)
        if (!moved(t, guest_rip, new_target(bt, t, i), &v))
            return false;
    return true;
}

struct block *relocate_block(struct bt *bt, const struct block *t, uint32_t guest_rip, bool has_entry)
{
    uint8_t *start = bt->e.p;
    uint32_t delta, v;
    struct block *b;

    for (const uint8_t *p = bt->codemem.write + t->direct; p < bt->codemem.write + block_end(t); p += 64)
        __builtin_prefetch(p);
    __builtin_prefetch(bt->codemem.write + t->exits);
    __builtin_prefetch(bt->relocs + t->reloc_first);
    if (!moved(t, guest_rip, t->guest_rip, &v) || !moved(t, guest_rip, t->guest_rip + t->guest_len, &v) || !may_move_exits(bt, t, guest_rip))
        return NULL;
    b = tcache_new(bt);
    *b = *t;
    b->guest_rip = guest_rip;
    b->generation = 0;
    emit_entries(bt, b, has_entry);
    if (!copy_code(bt, t, guest_rip, b->direct, bt->e.p)) {
        bt->e.p = start;
        return NULL;
    }
    delta = b->direct - t->direct;
    bt->e.p = bt->codemem.write + block_end(b);
    b->exits = cache_off(bt, emit_here(&bt->cold));
    for (unsigned i = 0; i < t->n_exits; i++) {
        const struct chain_site *site = exit_of(bt, t, i);

        (void)moved(t, guest_rip, new_target(bt, t, i), &v);
        if (block_predicts(bt, t, i)) {
            emit_exit(bt, bt->stub_predict, v, site->jump_end + delta);
            put_predict_jump(bt->codemem.write + site->jump_end + delta);
        } else {
            emit_exit(bt, bt->stub_chain, v, (block_predicts(bt, t, i + 1) ? site->jump_end & ~CHAIN_CROSSES_PAGE : site->jump_end) + delta);
        }
    }
    return b;
}

static bool exits_equal(const struct bt *bt, const struct block *a, const struct block *b)
{
    for (unsigned i = 0; i < a->n_exits && i < b->n_exits; i++) {
        const struct chain_site *x = exit_of(bt, a, i), *y = exit_of(bt, b, i);

        if (x->target_rip != y->target_rip || x->jump_end - a->direct != y->jump_end - b->direct)
            return false;
    }
    return a->n_exits == b->n_exits;
}

/* The rel32 of its jumps to other blocks, in code that lies at p, to 0. */
static void clear_jumps(const struct bt *bt, const struct block *b, uint8_t *p)
{
    for (unsigned i = 0; i < b->n_exits; i++)
        put32(p + (exit_of(bt, b, i)->jump_end & CHAIN_OFFSET) - b->direct - 4, 0);
}

bool relocated_equals(const struct bt *bt, const struct block *b, const struct block *fresh)
{
    uint32_t size = b->host_len;
    uint8_t *bytes = malloc(2 * size);
    bool is_equal;

    if (!bytes)
        BUG("out of memory for blocks");
    is_equal = fresh->host_len == size && fresh->n_relocs == b->n_relocs && fresh->n_recover == b->n_recover &&
               fresh->gated == b->gated && fresh->resumed == b->resumed && fresh->guest_len == b->guest_len && fresh->n_insns == b->n_insns &&
               fresh->gate == b->gate && fresh->is_relocatable && exits_equal(bt, b, fresh) &&
               (!b->n_relocs || !memcmp(bt->relocs + fresh->reloc_first, bt->relocs + b->reloc_first, b->n_relocs * sizeof(*bt->relocs))) &&
               !memcmp(bt->recover + fresh->recover_first, bt->recover + b->recover_first, b->n_recover * sizeof(*bt->recover)) &&
               copy_code(bt, fresh, fresh->guest_rip, b->direct, bytes);
    if (is_equal) {
        memcpy(bytes + size, bt->codemem.write + b->direct, size);
        clear_jumps(bt, fresh, bytes);
        clear_jumps(bt, b, bytes + size);
        is_equal = !memcmp(bytes, bytes + size, size);
    }
    free(bytes);
    return is_equal;
}
