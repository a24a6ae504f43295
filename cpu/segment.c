/* Segment registers and descriptors.  SDM 3A 3.4, 3.5 and 5.6. */
#include "cpu/segment.h"

#include "cpu/mem.h"
#include "cpu/protect.h"

#define SELECTOR_TI 4u

bool raise_selector(struct cpu *cpu, uint8_t vector, uint16_t sel, unsigned ext)
{
    return cpu_raise_error(cpu, vector, (sel & 0xfffcu) | ext);
}

void segment_unpack(struct segment *s, uint16_t sel, uint64_t d)
{
    *s = (struct segment){
        .base = (d >> 16 & 0xffffff) | (d >> 56 & 0xff) << 24,
        .limit = (d & 0xffff) | (d >> 32 & 0xf0000),
        .sel = sel,
        .attr = d >> 40 & 0xf0ff,
    };
    if (s->attr & SEG_ATTR_G)
        s->limit = s->limit << 12 | 0xfff;
}

bool descriptor_address(const struct cpu *cpu, uint16_t sel, gla_t *gla)
{
    uint32_t index = sel & 0xfff8u;

    if (sel & SELECTOR_TI) {
        if (cpu->ldtr.is_null || index + 7 > cpu->ldtr.limit)
            return false;
        *gla = (uint32_t)(cpu->ldtr.base + index);
        return true;
    }
    if (index + 7 > cpu->gdtr.limit)
        return false;
    *gla = (uint32_t)(cpu->gdtr.base + index);
    return true;
}

bool descriptor_read(struct cpu *cpu, uint16_t sel, uint8_t vector, unsigned ext, uint64_t *descriptor)
{
    gla_t gla = 0;

    if (!descriptor_address(cpu, sel, &gla))
        return raise_selector(cpu, vector, sel, ext);
    return mem_read_linear(cpu, gla, 8, ACCESS_READ, descriptor);
}

/* The access-rights byte is the descriptor's sixth. */
bool descriptor_set_accessed(struct cpu *cpu, struct segment *s)
{
    gla_t gla = 0;

    if (s->attr & SEG_ATTR_ACCESSED)
        return true;
    if (!descriptor_address(cpu, s->sel, &gla))
        return raise_selector(cpu, VEC_GP, s->sel, 0);
    if (!mem_write_linear(cpu, gla + 5, 1, ACCESS_WRITE, (s->attr & 0xff) | SEG_ATTR_ACCESSED))
        return false;
    s->attr |= SEG_ATTR_ACCESSED;
    return true;
}

void segment_load_real(struct cpu *cpu, enum sreg seg, uint16_t sel)
{
    struct segment *s = &cpu->seg[seg];

    s->sel = sel;
    s->base = (uint64_t)sel << 4;
    if (cpu->eflags & EFLAGS_VM) {
        s->limit = 0xffff;
        s->attr = SEG_ATTR_P | 3 << SEG_ATTR_DPL_SHIFT | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED;
    } else if (s->is_null) {
        /* Null in protected mode, used again in real mode: there is no cached limit worth keeping. */
        s->limit = 0xffff;
        s->attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED;
    }
    s->is_null = 0;
    cpu->is_mode_stale = true;
}

static bool load_data(struct cpu *cpu, enum sreg seg, uint16_t sel)
{
    struct segment s;
    uint64_t d;

    if (selector_is_null(sel)) {
        segment_set_null(&cpu->seg[seg], sel);
        cpu->is_mode_stale = true;
        return true;
    }
    if (!descriptor_read(cpu, sel, VEC_GP, 0, &d))
        return false;
    segment_unpack(&s, sel, d);
    if (!(s.attr & SEG_ATTR_S) || (segment_is_code(&s) && !(s.attr & SEG_ATTR_RW)))
        return raise_selector(cpu, VEC_GP, sel, 0);
    if (!segment_is_conforming(&s) && ((sel & 3u) > segment_dpl(&s) || cpu->cpl > segment_dpl(&s)))
        return raise_selector(cpu, VEC_GP, sel, 0);
    if (!(s.attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_NP, sel, 0);
    if (!descriptor_set_accessed(cpu, &s))
        return false;
    cpu->seg[seg] = s;
    cpu->is_mode_stale = true;
    return true;
}

bool segment_check_ss(struct cpu *cpu, uint16_t sel, unsigned cpl, uint8_t vector, unsigned ext, struct segment *ss)
{
    uint64_t d;

    if (selector_is_null(sel))
        return cpu_raise_error(cpu, vector, ext);
    if (!descriptor_read(cpu, sel, vector, ext, &d))
        return false;
    segment_unpack(ss, sel, d);
    if ((sel & 3u) != cpl || !segment_is_writable_data(ss) || segment_dpl(ss) != cpl)
        return raise_selector(cpu, vector, sel, ext);
    if (!(ss->attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_SS, sel, ext);
    return descriptor_set_accessed(cpu, ss);
}

bool segment_load(struct cpu *cpu, enum sreg seg, uint16_t sel)
{
    struct segment ss;

    if (!cpu_is_protected(cpu)) {
        segment_load_real(cpu, seg, sel);
        return true;
    }
    if (seg != SEG_SS)
        return load_data(cpu, seg, sel);
    if (!segment_check_ss(cpu, sel, cpu->cpl, VEC_GP, 0, &ss))
        return false;
    cpu->seg[SEG_SS] = ss;
    cpu->is_mode_stale = true;
    return true;
}

void segment_commit_cs(struct cpu *cpu, const struct segment *cs, unsigned cpl)
{
    cpu->seg[SEG_CS] = *cs;
    cpu->seg[SEG_CS].sel = (cs->sel & 0xfffcu) | cpl;
    cpu->cpl = cpl;
    cpu->is_mode_stale = true;
}

void segment_drop_privileged(struct cpu *cpu)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        struct segment *s = &cpu->seg[data[i]];

        if (!s->is_null && !segment_is_conforming(s) && segment_dpl(s) < cpu->cpl)
            segment_set_null(s, 0);
    }
    cpu->is_mode_stale = true;
}
