/* The same code at another EIP: libraries lie elsewhere in each process.  A translation holds its EIP in few places, which are noted
 * while it is made (emit_note()); so the block is copied, and these places are put right, in a tenth of the time.
 *
 * A copy equals what translating today would make: blocks where a site changed since are no templates (struct bt.site_changed).  With checked addresses that is verified for each copy. */
#include "bt/priv.h"

#include <stdlib.h>
#include <string.h>
#include "host/log.h"

/* Displacements and immediates made of an EIP outside these have another length, or wrap. */
#define EIP_MIN 0x1000
#define EIP_MAX 0xffffdfffu

static uint32_t *slot_of(const struct bt *bt, uint64_t code, uint32_t mode)
{
    return &bt->templates[((code ^ (uint64_t)mode << 32) * 0x9e3779b97f4a7c15ull) >> (64 - TEMPLATE_BITS)];
}

void template_note(struct bt *bt, uint32_t index)
{
    const struct block *b = block_at(bt, index);

    if (b->is_relocatable)
        *slot_of(bt, b->code, b->mode) = index + 1;
}

/* Did a site in the block change since it was translated? */
static bool is_outdated(const struct bt *bt, const struct block *b)
{
    uint64_t sites = bt->frame_sites[b->code >> GUEST_PAGE_SHIFT], end = b->code + b->guest_len;

    for (uint64_t line = b->code & ~63ull; line < end; line += 64)
        if ((sites & site_bit(line)) && b->number < bt->site_changed[site_line(line)])
            return true;
    return false;
}

const struct block *template_find(const struct bt *bt, uint64_t code, const struct ctx *ctx)
{
    uint32_t index = *slot_of(bt, code, ctx->mode);
    const struct block *b;

    if (index == 0)
        return NULL;
    b = block_at(bt, index - 1);
    if (b->code != code || b->mode != ctx->mode || b->cs_base != ctx->cs_base || b->cs_limit != ctx->cs_limit || b->is_dead)
        return NULL;
    return is_outdated(bt, b) ? NULL : b;
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

/* The host code of t, for guest_rip and the place `to` in the cache, to p. */
static bool copy_code(const struct bt *bt, const struct block *t, uint32_t guest_rip, uint32_t to, uint8_t *p)
{
    uint32_t host_delta = to - t->indirect, v;

    memcpy(p, bt->codemem.write + t->indirect, t->host_end - t->indirect);
    for (unsigned i = 0; i < t->n_relocs; i++) {
        uint16_t r = bt->relocs[t->reloc_first + i];
        uint8_t *at = p + (r & ((1u << RELOC_KIND_SHIFT) - 1));
        struct chain_site *site = (struct chain_site *)at;
        uint32_t jump_end;

        switch ((enum reloc)(r >> RELOC_KIND_SHIFT)) {
        case RELOC_HOST:
            put32(at, get32(at) - host_delta);
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
        case RELOC_CHAIN:
            if (!moved(t, guest_rip, site->target_rip, &v))
                return false;
            site->target_rip = v;
            jump_end = (site->jump_end & CHAIN_OFFSET) - t->indirect;
            put32(p + jump_end - 4, (uint32_t)(at - CHAIN_CALL_BYTES - p) - jump_end); /* perhaps chained in t: to its stub again */
            site->jump_end += host_delta;
            break;
        }
    }
    return true;
}

struct block *relocate_block(struct bt *bt, const struct block *t, uint32_t guest_rip)
{
    uint32_t to = cache_off(bt, emit_here(&bt->e)), delta = to - t->indirect, last;
    struct block *b;

    if (!moved(t, guest_rip, t->guest_rip, &last) || !moved(t, guest_rip, t->guest_rip + t->guest_len, &last) ||
        !copy_code(bt, t, guest_rip, to, bt->e.p))
        return NULL;
    b = tcache_new(bt);
    *b = *t;
    b->guest_rip = guest_rip;
    b->hash_next = NULL;
    b->indirect += delta;
    b->direct += delta;
    b->gated += delta;
    b->resumed += b->resumed ? delta : 0;
    b->host_end += delta;
    bt->e.p = bt->codemem.write + b->host_end;
    return b;
}

bool relocated_equals(const struct bt *bt, const struct block *b, const struct block *fresh)
{
    uint32_t size = b->host_end - b->indirect;
    uint8_t *bytes = malloc(size);
    bool is_equal;

    if (!bytes)
        BUG("out of memory for blocks");
    is_equal = fresh->host_end - fresh->indirect == size && fresh->n_relocs == b->n_relocs && fresh->n_recover == b->n_recover &&
               fresh->direct - fresh->indirect == b->direct - b->indirect && fresh->gated - fresh->indirect == b->gated - b->indirect &&
               (fresh->resumed ? fresh->resumed - fresh->indirect : 0) == (b->resumed ? b->resumed - b->indirect : 0) &&
               fresh->guest_len == b->guest_len && fresh->n_insns == b->n_insns && fresh->gate == b->gate && fresh->is_relocatable &&
               !memcmp(bt->relocs + fresh->reloc_first, bt->relocs + b->reloc_first, b->n_relocs * sizeof(*bt->relocs)) &&
               !memcmp(bt->recover + fresh->recover_first, bt->recover + b->recover_first, b->n_recover * sizeof(*bt->recover)) &&
               copy_code(bt, fresh, fresh->guest_rip, b->indirect, bytes) && !memcmp(bytes, bt->codemem.write + b->indirect, size);
    free(bytes);
    return is_equal;
}
