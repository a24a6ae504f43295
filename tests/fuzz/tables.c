/* Random descriptor tables: what no system would set up. */
#include "tests/fuzz/gen.h"

#define RANDOM_GDT 64 /* descriptors, behind the known ones */
#define RANDOM_LDT 24

static uint32_t any_base(struct gen *g)
{
    static const uint32_t bases[] = {0, 0, 0, CODE_GPA, CODE_GPA, DATA_GPA, STACK_GPA, TSS_GPA, TSS2_GPA, LDT_GPA};

    return rng_percent(&g->rng, 92) ? bases[rng_below(&g->rng, ARRAY_SIZE(bases))] : rng_interesting(&g->rng);
}

/* A selector of anything: known or random, GDT or LDT, any RPL. */
unsigned any_selector(struct gen *g, const struct fuzz_case *c, unsigned cpl)
{
    struct rng *r = &g->rng;
    unsigned n = c->has_random_tables ? D_COUNT + RANDOM_GDT + 2 : D_COUNT;
    unsigned rpl = rng_below(r, 8) ? cpl : rng_below(r, 4);

    if (c->has_random_tables && rng_percent(r, 15))
        return rng_below(r, RANDOM_LDT + 2) * 8 | 4 | rpl;
    return rng_below(r, n) * 8 | rpl;
}

/* Code, data or a system descriptor of any type, DPL and size; near: a place where code may grow. */
static uint64_t any_descriptor(struct gen *g, const struct fuzz_case *c, uint32_t near)
{
    static const uint32_t limits[] = {0xfffff, 0xfffff, 0x7fff, 0xffff, 0x5fff, 0x67, 0x66, 0x2b, 0x1ff, 0};
    struct rng *r = &g->rng;
    unsigned type = rng_below(r, 16), dpl = rng_percent(r, 60) ? 3 * rng_below(r, 2) : rng_below(r, 4);
    bool is_segment = rng_percent(r, 55);
    uint64_t attr = type | (is_segment ? SEG_ATTR_S : 0) | dpl << 5 | (rng_percent(r, 90) ? SEG_ATTR_P : 0);

    if (is_segment || (type != 4 && type != 5 && type != 6 && type != 7 && type != 12 && type != 14 && type != 15)) {
        uint32_t base = any_base(g), limit = limits[rng_below(r, ARRAY_SIZE(limits))];

        if (!is_segment && (type & 5) == 1) {
            base = rng_percent(r, 80) ? TSS2_GPA : base;
            limit = rng_percent(r, 80) ? 0x1ff : limit;
        }
        attr |= (uint64_t)rng_below(r, 16) << 12; /* G, D/B, L, AVL */
        if (rng_percent(r, 80))
            attr &= ~(uint64_t)SEG_ATTR_L;
        return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (attr & 0xff) << 40 | (uint64_t)(limit >> 16 & 15) << 48 |
               (attr >> 12 & 15) << 52 | (uint64_t)(base >> 24) << 56;
    }
    return (near & 0xffff) | (uint64_t)any_selector(g, c, rng_below(r, 4)) << 16 | (uint64_t)rng_below(r, 4) << 32 |
           (attr & 0xff) << 40 | (uint64_t)(rng_percent(r, 95) ? near >> 16 : rng_below(r, 0x10000)) << 48;
}

void put_random_tables(struct gen *g, struct fuzz_case *c, uint32_t page)
{
    struct rng *r = &g->rng;
    uint8_t *im = c->image;

    c->has_random_tables = true;
    c->is_touched[GDT_GPA >> GUEST_PAGE_SHIFT] = c->is_touched[TSS_GPA >> GUEST_PAGE_SHIFT] = 1;
    c->gdt_limit = (uint16_t)(rng_percent(r, 70) ? (D_COUNT + RANDOM_GDT) * 8 - 1 : D_COUNT * 8 + rng_below(r, RANDOM_GDT * 8));
    c->ldt_limit = (uint16_t)(rng_percent(r, 70) ? RANDOM_LDT * 8 - 1 : rng_below(r, RANDOM_LDT * 8));
    c->idt_limit = (uint16_t)(rng_percent(r, 80) ? 0x7ff : 0x97 + rng_below(r, 0x700));
    for (unsigned i = 0; i < RANDOM_GDT + RANDOM_LDT; i++) {
        uint32_t near = (page << GUEST_PAGE_SHIFT) + rng_below(r, 0xf00), at = GDT_GPA + 8 * (D_COUNT + i);

        if (i >= RANDOM_GDT)
            at = LDT_GPA + 8 * (i - RANDOM_GDT);
        store_le(im + at, 8, any_descriptor(g, c, rng_percent(r, 50) ? near : near - CODE_GPA));
    }
    for (unsigned i = 0; i < 24; i++) /* gates by INT n; now and then of exceptions */
        store_le(im + IDT_GPA + 8 * (rng_percent(r, 92) ? 0x20 + rng_below(r, 0x60) : rng_below(r, 0x20)), 8,
                 any_descriptor(g, c, (page << GUEST_PAGE_SHIFT) + rng_below(r, 0xf00)));
    /* stacks of rings 1 and 2, and the second task's selectors and flags */
    for (unsigned ring = 1; ring < 3; ring++) {
        store_le(im + TSS_GPA + 4 + 8 * ring, 4, STACK_GPA + 0x1000 + rng_below(r, 0x4000));
        store_le(im + TSS_GPA + 8 + 8 * ring, 2, rng_percent(r, 40) ? any_selector(g, c, ring) : D_DATA32 * 8);
    }
    for (unsigned i = 0; i < 4; i++)
        if (rng_percent(r, 50))
            store_le(im + TSS2_GPA + 0x48 + 4 * rng_below(r, 7), 2, any_selector(g, c, rng_below(r, 4)));
    if (rng_percent(r, 40))
        store_le(im + TSS2_GPA + 0x24, 4, rng_interesting(r));
    if (rng_percent(r, 40))
        store_le(im + TSS2_GPA + 0x20, 4, (page << GUEST_PAGE_SHIFT) + rng_below(r, 0xf00));
    store_le(im + TSS_GPA, 2, any_selector(g, c, 0)); /* back link */
}
