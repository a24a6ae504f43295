/* See segments.h.  Called while the guest's FP state is in the host's registers, as fast.c is.  SDM 2, MOV, CALL, JMP, RET, "Operation". */
#include "bt/segments.h"

#include "bt/fast.h"

#include <stdlib.h>
#include "cpu/protect.h"

static void clear(struct seg_entry *e, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        e[i].minus_id = 1;
}

struct segments *segments_create(void)
{
    struct segments *s = aligned_alloc(sizeof(struct seg_entry), sizeof(*s));

    if (!s)
        return NULL;
    *s = (struct segments){.serial = 0};
    clear(s->data, SEG_ENTRIES);
    clear(s->stack, SEG_ENTRIES);
    clear(s->code, SEG_ENTRIES);
    for (unsigned rpl = 0; rpl < 4; rpl++) {
        struct seg_entry *e = &s->null[rpl];

        segment_set_null(&e->seg, (uint16_t)rpl);
        e->check = (struct seg_check){.minus_limit = -1, .poison = SEG_POISON};
        e->kind = SEGC_ODD;
        e->minus_kind = -SEGC_ODD;
    }
    return s;
}

void segments_destroy(struct segments *s)
{
    free(s);
}

static uint32_t bits_of(unsigned seg)
{
    return 3u << (MODE_SEG_SHIFT + 2 * seg) | 1u << (MODE_64K_SHIFT + seg);
}

void segments_note(struct ctx *from, struct ctx *to)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    if (from == to || from->w != to->w || from->cs_base != to->cs_base || from->cs_limit != to->cs_limit || !mode_is_protected(to->mode))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++)
        if (!((from->mode ^ to->mode) & ~bits_of(data[i])))
            from->next[data[i]][segment_kind(to->mode, data[i])] = to;
}

/* The instruction from its beginning. */
static const uint8_t *again(struct bt *bt, const struct callout_site *site)
{
    const uint8_t *pc = (const uint8_t *)site;
    const struct block *b = tcache_by_host(bt, pc);

    bt->stats.resolved++;
    return bt->codemem.exec + b->direct + tcache_recover(bt, b, pc)->host_off;
}

/* Fill *e with descriptor d.  Returns the mode there would be with it. */
static uint32_t fill(struct bt *bt, struct seg_entry *e, unsigned seg, uint16_t sel, uint64_t d)
{
    struct cpu *cpu = bt->cpu;
    struct segment old = cpu->seg[seg];
    struct seg_check old_check = cpu->seg_check[seg];
    uint32_t old_mode = cpu->mode, mode;

    segment_unpack(&cpu->seg[seg], sel, d);
    cpu_update_mode_for(cpu, 1u << seg);
    mode = cpu->mode;
    *e = (struct seg_entry){.minus_id = -(int32_t)(sel | (uint32_t)cpu->cpl << SEG_ID_CPL_SHIFT),
                            .table = sel & 4 ? offsetof(struct cpu, ldtr) - offsetof(struct cpu, gdtr) : 0,
                            .index = sel & 0xfff8u, .minus_last = -(int64_t)((sel & 0xfff8u) + 7), .minus_raw = -d, .seg = cpu->seg[seg],
                            .check = cpu->seg_check[seg], .kind = segment_kind(mode, seg), .minus_kind = -(int32_t)segment_kind(mode, seg),
                            .minus_serial = -++bt->segments->serial};
    cpu->seg[seg] = old;
    cpu->seg_check[seg] = old_check;
    cpu->mode = old_mode;
    return mode;
}

static bool may_load(const struct cpu *cpu, unsigned seg, uint16_t sel, uint64_t d)
{
    struct segment s;

    segment_unpack(&s, sel, d);
    if (seg == SEG_SS)
        return (sel & 3u) == cpu->cpl && segment_is_writable_data(&s) && segment_dpl(&s) == cpu->cpl;
    if (segment_is_code(&s) && !(s.attr & SEG_ATTR_RW))
        return false;
    return segment_is_conforming(&s) || ((sel & 3u) <= segment_dpl(&s) && cpu->cpl <= segment_dpl(&s));
}

const uint8_t *segments_resolve_load(struct bt *bt, const struct callout_site *site)
{
    unsigned seg = site->arg;
    uint16_t sel = (uint16_t)hot_of(bt->cpu)->fast_operand;
    struct segments *s = bt->segments;
    struct ctx *from = bt->ctx, *to = from;
    uint32_t mode;
    uint64_t d;

    if (selector_is_null(sel)) { /* what is missing is the context */
        if (seg == SEG_SS)
            return FAST_DECLINED;
        mode = (from->mode & ~bits_of(seg)) | (uint32_t)SEGC_ODD << (MODE_SEG_SHIFT + 2 * seg);
    } else {
        if (!fast_descriptor(bt, sel, &d) || !may_load(bt->cpu, seg, sel, d))
            return FAST_DECLINED;
        mode = fill(bt, &(seg == SEG_SS ? s->stack : s->data)[SEG_INDEX(sel)], seg, sel, d);
    }
    if (mode != from->mode) {
        to = seg == SEG_SS ? NULL : ctx_find(bt, from->w, mode, from->cs_base, from->cs_limit);
        if (!to)
            return FAST_DECLINED;
        segments_note(from, to);
        if (from->next[seg][segment_kind(mode, seg)] != to)
            return FAST_DECLINED;
    }
    return again(bt, site);
}

const uint8_t *segments_resolve_far(struct bt *bt, const struct callout_site *site)
{
    struct bt_hot *hot = hot_of(bt->cpu);
    uint16_t sel = (uint16_t)hot->far_sel;
    struct seg_entry *e = &bt->segments->code[SEG_INDEX(sel)];
    struct ctx *from = bt->ctx, *to;
    unsigned cpl = bt->cpu->cpl;
    struct segment cs;
    uint32_t mode;
    uint64_t d;

    if (selector_is_null(sel) || (sel & 3u) != cpl || !fast_descriptor(bt, sel, &d))
        return FAST_DECLINED;
    segment_unpack(&cs, sel, d);
    if (!segment_is_code(&cs) || (segment_is_conforming(&cs) ? segment_dpl(&cs) > cpl : segment_dpl(&cs) != cpl) ||
        (uint32_t)hot->far_ip > cs.limit)
        return FAST_DECLINED;
    mode = fill(bt, e, SEG_CS, sel, d);
    e->far = SEG_INDEX(sel) * (uint32_t)sizeof(struct far_entry);
    to = ctx_find(bt, from->w, mode, (uint32_t)e->seg.base, e->seg.limit);
    if (from->far_is_shared)
        bt->wants_far = true; /* no memory is allocated from here */
    if (!to || from->far_is_shared)
        return FAST_DECLINED;
    from->far[SEG_INDEX(sel)] = (struct far_entry){.minus_key = e->minus_serial, .to = to};
    return again(bt, site);
}
