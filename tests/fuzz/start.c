/* Random start states: control registers, segments, page tables, registers. */
#include "tests/fuzz/gen.h"

#include <string.h>
#include "cpu/avx.h"
#include "tests/fuzz/native.h"

static void load_seg(struct fuzz_case *c, unsigned s, unsigned index, unsigned rpl)
{
    uint64_t d = load_le(c->image + GDT_GPA + 8 * index, 8);
    uint32_t limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));
    struct segment *seg = &c->seg[s];

    memset(seg, 0, sizeof(*seg)); /* padding too */
    if (index == 0) {
        seg->sel = (uint16_t)rpl;
        seg->is_null = 1;
        return;
    }
    d |= (uint64_t)SEG_ATTR_ACCESSED << 40;
    store_le(c->image + GDT_GPA + 8 * index, 8, d);
    c->is_touched[GDT_GPA >> GUEST_PAGE_SHIFT] = 1;
    seg->sel = (uint16_t)(index * 8 | rpl);
    seg->base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
    seg->attr = (uint16_t)(d >> 40 & 0xf0ff);
    seg->limit = seg->attr & SEG_ATTR_G ? limit << 12 | 0xfff : limit;
}

static void load_real_seg(struct fuzz_case *c, unsigned s, uint16_t sel, uint16_t attr)
{
    memset(&c->seg[s], 0, sizeof(c->seg[s]));
    c->seg[s].sel = sel;
    c->seg[s].base = (uint32_t)sel << 4;
    c->seg[s].limit = 0xffff;
    c->seg[s].attr = attr;
}

static void choose_real_segments(struct gen *g, struct fuzz_case *c)
{
    struct rng *r = &g->rng;
    uint16_t attr = c->mode == FUZZ_V86 ? 0xf3 : 0x93;

    load_real_seg(c, SEG_CS, rng_percent(r, 30) ? 0 : CODE_GPA >> 4, attr);
    load_real_seg(c, SEG_SS, rng_percent(r, 50) ? STACK_GPA >> 4 : 0x1c00 + rng_below(r, 0x300), attr);
    load_real_seg(c, SEG_DS, rng_percent(r, 20) ? c->seg[SEG_CS].sel : 0x0800 + rng_below(r, 0x1800), attr);
    load_real_seg(c, SEG_ES, 0x1000 + rng_below(r, 0x1000), attr);
    load_real_seg(c, SEG_FS, 0x0000 + rng_below(r, 0x2000), attr);
    load_real_seg(c, SEG_GS, (uint16_t)rng_next(r), attr);
    for (unsigned s = 0; s < SEG_COUNT; s++) {
        if (c->mode == FUZZ_REAL && s != SEG_CS && rng_percent(r, 10)) { /* as protected mode left it */
            c->seg[s].limit = 0xffffffff;
            c->seg[s].attr |= SEG_ATTR_G;
        }
    }
}

static unsigned any_data_segment(struct rng *r)
{
    static const uint8_t all[] = {D_UDATA32, D_BIG,     D_BIG, D_LIMITED, D_LIMITED, D_DOWN,   D_READONLY,
                                  D_ODD16,   D_BIGDOWN, 0,     D_UCODE32, D_UDATA32, D_LIMITED};

    return all[rng_below(r, ARRAY_SIZE(all))];
}

static void choose_segments(struct gen *g, struct fuzz_case *c)
{
    struct rng *r = &g->rng;
    unsigned user = c->is_user, cs, ss;

    switch (c->mode) {
    case FUZZ_REAL:
    case FUZZ_V86:
        choose_real_segments(g, c);
        return;
    case FUZZ_PROT16:
        cs = user ? D_UCODE16 : D_CODE16;
        ss = rng_percent(r, 60) ? D_STACK16 : rng_percent(r, 50) ? D_STACK32 : D_DATA32;
        break;
    case FUZZ_SEGMENTED:
        cs = rng_percent(r, 50) ? D_CODE32 : D_BCODE32;
        if (user)
            cs = cs == D_CODE32 ? D_UCODE32 : D_UBCODE32;
        ss = rng_percent(r, 40) ? D_STACK32 : rng_percent(r, 50) ? D_STACK16 : D_DATA32;
        break;
    default:
        cs = user ? D_UCODE32 : D_CODE32;
        ss = D_DATA32;
    }
    if (user)
        ss = ss == D_STACK16 ? D_USTACK16 : ss == D_STACK32 ? D_USTACK32 : D_UDATA32;
    load_seg(c, SEG_CS, cs, user * 3);
    load_seg(c, SEG_SS, ss, user * 3);
    load_seg(c, SEG_DS,
             c->mode == FUZZ_FLAT ? (rng_percent(r, 50) || user ? D_UDATA32 : D_DATA32) : any_data_segment(r),
             user * 3);
    load_seg(c, SEG_ES, c->mode == FUZZ_FLAT || rng_percent(r, 40) ? D_UDATA32 : any_data_segment(r), user * 3);
    load_seg(c, SEG_FS, any_data_segment(r), user * 3);
    load_seg(c, SEG_GS, any_data_segment(r), user * 3);
}

/* Attributes of the entry for a linear page. */
static uint64_t page_entry(struct gen *g, const struct fuzz_case *c, unsigned page, unsigned frame, unsigned start_page)
{
    struct rng *r = &g->rng;
    uint64_t e = (uint64_t)frame << 12;

    if (!c->has_clear_a || rng_percent(r, 50))
        e |= 0x20;
    if (rng_percent(r, 50))
        e |= 0x40;
    if (rng_percent(r, 10))
        e |= 0x100;
    if (page < CODE_GPA >> 12 || (page >= STACK_END >> 12 && page < RING0_STACK >> 12))
        return e | 3;
    if (page >= TABLES_GPA >> 12 && page < RAM_BYTES >> 12)
        return e | 3;
    if (page < CODE_END >> 12) {
        if (page != start_page && rng_percent(r, 6))
            return e;
        return e | (rng_percent(r, 85) ? 7 : 5);
    }
    if (page >= DATA_END >> 12)
        return e | (rng_percent(r, 95) ? 7 : 5);
    if (c->is_pae && (c->efer & EFER_NXE) && rng_percent(r, 20))
        e |= 1ull << 63;
    switch (rng_below(r, 12)) {
    case 0:
        return e & ~0x60ull;
    case 1:
        return e | 5;
    case 2:
        return e | 3;
    default:
        return e | 7;
    }
}

static void put_page_tables(struct gen *g, struct fuzz_case *c, unsigned start_page)
{
    struct rng *r = &g->rng;
    uint32_t pd = TABLES_GPA, pt = TABLES_GPA + 0x1000, pdpt = TABLES_GPA + 0x2000;
    unsigned frame[RAM_BYTES >> 12], size = c->is_pae ? 8 : 4;
    unsigned a = c->has_clear_a ? 0 : 0x20;

    for (unsigned i = 0; i < 3; i++)
        c->is_touched[(TABLES_GPA >> GUEST_PAGE_SHIFT) + i] = 1;
    c->is_touched[TSS_GPA >> GUEST_PAGE_SHIFT] = 1;
    for (unsigned i = 0; i < ARRAY_SIZE(frame); i++)
        frame[i] = i;
    if (rng_percent(r, 50)) {
        for (unsigned i = 0; i < 16; i++) {
            unsigned x = (DATA_GPA >> 12) + rng_below(r, 16), y = (DATA_GPA >> 12) + rng_below(r, 16), t = frame[x];

            frame[x] = frame[y];
            frame[y] = t;
        }
    }
    if (rng_percent(r, 25)) {
        unsigned x = (DATA_GPA >> 12) + rng_below(r, 16);

        frame[x] = start_page;
        g->alias_delta = (x - start_page) << 12;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(frame) + 2; i++)
        store_le(c->image + pt + i * size, size, page_entry(g, c, i, i < ARRAY_SIZE(frame) ? frame[i] : i, start_page));
    store_le(c->image + pd, size, pt | 7 | a);
    if ((c->cr4 & (CR4_PSE | CR4_PAE)) && !c->has_clear_a)
        store_le(c->image + pd + size, size, 0xe7); /* a large page of all */
    store_le(c->image + pd + 2 * size, size, pt | 7 | a);
    c->cr3 = pd;
    if (c->is_pae) {
        c->cr3 = pdpt;
        c->pdpte[0] = pd | 1;
        store_le(c->image + pdpt, 8, c->pdpte[0]);
    }
    store_le(c->image + TSS_GPA + 0x1c, 4, c->cr3);
    store_le(c->image + TSS2_GPA + 0x1c, 4, c->cr3);
}

static void put_native_page_table(struct fuzz_case *c)
{
    uint32_t pd = TABLES_GPA, pt = TABLES_GPA + 0x1000;

    c->is_touched[pd >> GUEST_PAGE_SHIFT] = c->is_touched[pt >> GUEST_PAGE_SHIFT] = 1;
    for (unsigned page = 0; page < MEMORY_PAGES; page++)
        store_le(c->image + pt + 4 * page, 4, native_page_entry(page));
    store_le(c->image + pd, 4, pt | 0x67);
    c->cr3 = pd;
}

static void randomize_fpu(struct gen *g, struct fuzz_case *c)
{
    static const uint64_t mantissas[] = {0, 1, 1ull << 63, 3ull << 62, 0xa000000000000000};
    struct rng *r = &g->rng;
    uint8_t *fx = c->fpu;
    uint32_t fcw = 0x40 | rng_below(r, 16) << 8 | (rng_below(r, 5) ? 0x3f : rng_below(r, 64));
    uint32_t fsw = (uint32_t)rng_next(r) & 0x7f00;

    fsw |= rng_below(r, 128) & fcw & 0x7f; /* flags of masked exceptions only: nothing pending */
    memset(fx, 0, sizeof(c->fpu));
    store_le(fx + FX_FCW, 2, fcw);
    store_le(fx + FX_FSW, 2, fsw);
    store_le(fx + FX_FTW, 1, rng_below(r, 3) ? rng_below(r, 256) : 0xff);
    store_le(fx + FX_MXCSR, 4,
             (rng_below(r, 5) ? 0x1f80 : rng_below(r, 64) << 7) | rng_below(r, 4) << 13 | rng_below(r, 64));
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa = rng_next(r) | 1ull << 63,
                 exponent = rng_below(r, 4) ? 0x3ff0 + rng_below(r, 32) : rng_next(r) & 0x7fff;

        if (rng_percent(r, 20)) {
            mantissa = mantissas[rng_below(r, ARRAY_SIZE(mantissas))];
            exponent = rng_below(r, 2) ? 0x7fff : rng_below(r, 2) ? 0 : 0x3fff;
        }
        store_le(fx + FX_ST + 16 * i, 8, mantissa);
        store_le(fx + FX_ST + 16 * i + 8, 2, exponent ^ (rng_below(r, 2) ? 0x8000 : 0));
        for (unsigned k = 0; k < 4; k++) {
            uint64_t v = (uint64_t)rng_interesting(r) << 32 | rng_interesting(r);

            if (rng_percent(r, 40))
                v = (v & 0x8fffffff8fffffff) | 0x3000000030000000;
            store_le(fx + (k < 2 ? FX_XMM : FX_YMM) + 16 * i + 8 * (k & 1), 8, v);
        }
    }
}

static void choose_control(struct gen *g, struct fuzz_case *c)
{
    struct rng *r = &g->rng;

    c->cr0 = CR0_ET | (rng_percent(r, 90) ? CR0_NE : 0) | (rng_percent(r, 50) ? CR0_WP : 0) |
             (rng_percent(r, 50) ? CR0_MP : 0) | (rng_percent(r, 8) ? CR0_TS : 0) | (rng_percent(r, 2) ? CR0_EM : 0) |
             (rng_percent(r, 10) ? CR0_AM : 0);
    if (c->mode != FUZZ_REAL)
        c->cr0 |= CR0_PE;
    c->cr4 = (rng_percent(r, 93) ? CR4_OSFXSR : 0) | (rng_percent(r, 90) ? CR4_OSXMMEXCPT : 0) |
             (rng_percent(r, 8) ? CR4_TSD : 0) | (rng_percent(r, 10) ? CR4_VME : 0) |
             (rng_percent(r, 5) ? CR4_PVI : 0) | (rng_percent(r, 50) ? CR4_PGE : 0) |
             (rng_percent(r, 50) ? CR4_PSE : 0) | (rng_percent(r, 50) ? CR4_DE : 0);
    c->xcr0 = XCR0_X87;
    if (cpu_has_feature(g->features, FEAT_XSAVE) && rng_percent(r, 95)) {
        c->cr4 |= CR4_OSXSAVE;
        c->xcr0 = rng_percent(r, 95) ? xcr0_supported(g->features) : XCR0_X87 | XCR0_SSE;
    }
    c->is_paged = c->mode != FUZZ_REAL && rng_percent(r, 60);
    c->is_pae = c->is_paged && rng_percent(r, 40);
    if (c->is_paged)
        c->cr0 |= CR0_PG;
    if (c->is_pae) {
        c->cr4 |= CR4_PAE;
        c->efer = rng_percent(r, 50) ? EFER_NXE : 0;
    }
    if (c->is_native) { /* as the host's kernel has it */
        c->cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP | CR0_MP | CR0_AM;
        c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
        c->xcr0 = xcr0_supported(g->features);
        if (c->xcr0 & XCR0_AVX)
            c->cr4 |= CR4_OSXSAVE;
        c->is_paged = true;
        c->is_pae = false;
        c->efer = 0;
        return;
    }
    c->has_clear_a = c->is_paged && rng_percent(r, 30);
}

static void choose_flags(struct gen *g, struct fuzz_case *c)
{
    struct rng *r = &g->rng;

    c->eflags = EFLAGS_1 | ((uint32_t)rng_next(r) & (EFLAGS_STATUS | EFLAGS_ID)) |
                (rng_percent(r, 70) ? EFLAGS_IF : 0) | (rng_percent(r, 15) ? EFLAGS_DF : 0) |
                (rng_percent(r, 2) ? EFLAGS_NT : 0) | (rng_percent(r, 5) ? EFLAGS_AC : 0) |
                (rng_percent(r, 2) ? EFLAGS_TF : 0) | rng_below(r, 4) << EFLAGS_IOPL_SHIFT;
    if (c->is_native)
        c->eflags &= ~(EFLAGS_TF | EFLAGS_NT);
    if (c->mode == FUZZ_V86)
        c->eflags |= EFLAGS_VM;
}

static void choose_registers(struct gen *g, struct fuzz_case *c, uint32_t start)
{
    struct rng *r = &g->rng;
    const struct segment *ss = &c->seg[SEG_SS];
    uint32_t sp;

    for (unsigned i = 0; i < 8; i++) {
        if (rng_percent(r, 55))
            c->gpr[i] = pick_offset(g, c, &c->seg[rng_percent(r, 70) ? SEG_DS : SEG_ES], start, 4);
        else if (rng_percent(r, 50))
            c->gpr[i] = rng_below(r, 64);
        else
            c->gpr[i] = rng_interesting(r);
        if (c->code_size == 2 && rng_percent(r, 50))
            c->gpr[i] &= 0xffff;
    }
    sp = STACK_GPA + (rng_percent(r, 85) ? 0x1000 + rng_below(r, 0x4000) : (1 + rng_below(r, 5)) << 12);
    if (rng_percent(r, 85))
        sp &= ~3u;
    sp -= (uint32_t)ss->base;
    if (rng_percent(r, 4))
        sp = rng_below(r, 8);
    if (rng_percent(r, 3))
        sp = ss->limit + rng_below(r, 8);
    if (!(ss->attr & SEG_ATTR_DB))
        sp = (sp & 0xffff) | (rng_percent(r, 30) ? (uint32_t)rng_next(r) << 16 : 0);
    c->gpr[REG_SP] = sp;
    if (rng_percent(r, 60))
        c->gpr[REG_BP] = sp + rng_below(r, 256) - 64;
}

/* In the page of the setting, near its end now and then. */
static uint32_t choose_start(struct gen *g, struct fuzz_case *c, uint32_t page)
{
    struct rng *r = &g->rng;
    uint32_t start = (page << GUEST_PAGE_SHIFT) + 0x20 + rng_below(r, 0xe00);

    if (rng_percent(r, 20))
        start = (start | GUEST_PAGE_MASK) - rng_below(r, 40);
    if (rng_percent(r, 1))
        start = CODE_END - 1 - rng_below(r, 40);
    c->rip = start - (uint32_t)c->seg[SEG_CS].base;
    return start;
}

/* What CASES_PER_SETTING cases share.  Returns the page their code starts in. */
static uint32_t make_setting(struct gen *g, struct fuzz_case *c, int mode_filter)
{
    static const uint8_t modes[] = {FUZZ_FLAT, FUZZ_FLAT, FUZZ_FLAT,   FUZZ_SEGMENTED, FUZZ_SEGMENTED,
                                    FUZZ_REAL, FUZZ_REAL, FUZZ_PROT16, FUZZ_V86};
    uint32_t page = (CODE_GPA >> GUEST_PAGE_SHIFT) + rng_below(&g->rng, (CODE_END - CODE_GPA) >> GUEST_PAGE_SHIFT);

    c->mode = mode_filter >= 0 ? (enum fuzz_mode)mode_filter : modes[rng_below(&g->rng, ARRAY_SIZE(modes))];
    c->is_user = c->mode == FUZZ_V86 || (c->mode != FUZZ_REAL && rng_percent(&g->rng, 50));
    c->cpl = c->is_user ? 3 : 0;
    c->code_size = c->mode == FUZZ_FLAT || c->mode == FUZZ_SEGMENTED ? 4 : 2;
    c->is_native = c->is_user && !g->is_privileged && rng_percent(&g->rng, 60);
    g->alias_delta = 0;
    choose_control(g, c);
    choose_segments(g, c);
    c->gdt_limit = D_COUNT * 8 - 1;
    c->ldt_limit = 0x1f;
    c->idt_limit = 0x7ff;
    if (!c->is_native && c->mode != FUZZ_REAL && (g->is_privileged || rng_percent(&g->rng, 25)))
        put_random_tables(g, c, page);
    c->is_skipping = c->is_native ? c->mode == FUZZ_V86 || (c->seg[SEG_SS].attr & SEG_ATTR_DB) : rng_percent(&g->rng, 90);
    if (c->is_skipping)
        put_skipping_handlers(c);
    if (!c->is_native && rng_percent(&g->rng, 40))
        put_returning_handlers(c);
    if (c->is_native)
        put_native_page_table(c);
    else if (c->is_paged)
        put_page_tables(g, c, page);
    return page;
}

uint32_t make_start_state(struct gen *g, struct fuzz_case *c, uint64_t seed, int mode_filter)
{
    uint64_t number = c->number;
    uint32_t start, page;

    g->rng.state = (seed + 1) * 0xd1342543de82ef95ull ^ (number / CASES_PER_SETTING + 1) * 0x9fb21c651e98df25ull;
    page = make_setting(g, c, mode_filter);
    g->rng.state = (seed + 1) * 0xd1342543de82ef95ull ^ number * 0x2545f4914f6cdd1dull;
    choose_flags(g, c);
    start = choose_start(g, c, page);
    choose_registers(g, c, start);
    randomize_fpu(g, c);
    return start;
}
