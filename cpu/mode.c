/* cpu->mode: all that a translation, or the interpreter's fast paths, depend on.  Recomputed only when something changed. */
#include "cpu/cpu.h"

#include "cpu/protect.h"
#include "cpu/tlb.h"

#define DR7_ENABLES 0xffu /* L0 G0 .. L3 G3 */

static enum seg_class classify(const struct cpu *cpu, enum sreg seg)
{
    const struct segment *s = &cpu->seg[seg];

    if (s->is_null)
        return SEGC_ODD;
    if (cpu_is_protected(cpu)) {
        if (seg == SEG_CS ? !(s->attr & SEG_ATTR_RW) : !segment_is_writable_data(s))
            return SEGC_ODD;
    }
    if (segment_is_expand_down(s))
        return SEGC_ODD;
    if (s->limit != 0xffffffffu)
        return s->base + s->limit <= 0xffffffffu ? SEGC_LIMITED : SEGC_ODD;
    return s->base ? SEGC_BIG : SEGC_FLAT;
}

/* All but the segments' classes. */
static uint32_t mode_of_state(const struct cpu *cpu)
{
    const struct segment *cs = &cpu->seg[SEG_CS];
    uint32_t mode = 0;

    if (cs->attr & SEG_ATTR_DB)
        mode |= MODE_CS32;
    if (cpu->seg[SEG_SS].attr & SEG_ATTR_DB)
        mode |= MODE_SS32;
    if (cpu->paging.cr0 & CR0_PE)
        mode |= MODE_PE;
    if (cpu->eflags & EFLAGS_VM)
        mode |= MODE_VM;
    if (cpu->paging.cr0 & CR0_PG)
        mode |= MODE_PG;
    if (cpu->eflags & EFLAGS_TF)
        mode |= MODE_TF;
    if (cpu->cpl <= cpu_iopl(cpu))
        mode |= MODE_IOPL_OK;
    if (cs->base == 0 && cs->limit == 0xffffffffu)
        mode |= MODE_FLAT_CS;
    if (cpu->dr[7] & DR7_ENABLES)
        mode |= MODE_DEBUG;
    return mode | (uint32_t)(cpu->cpl & 3) << MODE_CPL_SHIFT;
}

static uint32_t segment_bits(unsigned seg)
{
    return 3u << (MODE_SEG_SHIFT + 2 * seg) | 1u << (MODE_64K_SHIFT + seg);
}

static uint32_t mode_of_segment(struct cpu *cpu, unsigned seg)
{
    const struct segment *s = &cpu->seg[seg];
    enum seg_class class = classify(cpu, seg);

    cpu->seg_check[seg] = (struct seg_check){.minus_limit = -(int64_t)s->limit - 1, .base = s->base, .poison = SEG_POISON,
                                             .minus_base = -s->base};
    return (uint32_t)class << (MODE_SEG_SHIFT + 2 * seg) |
           (class == SEGC_LIMITED && s->limit == 0xffff ? 1u << (MODE_64K_SHIFT + seg) : 0);
}

void cpu_update_mode(struct cpu *cpu)
{
    uint32_t mode = mode_of_state(cpu);

    for (unsigned seg = 0; seg < SEG_COUNT; seg++)
        mode |= mode_of_segment(cpu, seg);
    cpu->mode = mode;
    cpu->is_mode_stale = false;
    /* Data breakpoints are seen by the slow access functions only. */
    cpu->tlb->fast_generation = mode & MODE_DEBUG ? TLB_NEVER : cpu->tlb->generation;
}

void cpu_update_mode_for(struct cpu *cpu, unsigned segments)
{
    uint32_t mode = mode_of_state(cpu);

    for (unsigned seg = 0; seg < SEG_COUNT; seg++)
        mode |= segments >> seg & 1 ? mode_of_segment(cpu, seg)
                                    : cpu->mode & segment_bits(seg);
    cpu->mode = mode;
    cpu->is_mode_stale = false;
}

void cpu_update_mode_of_data(struct cpu *cpu, unsigned seg)
{
    cpu->mode = (cpu->mode & ~segment_bits(seg)) | mode_of_segment(cpu, seg);
}
