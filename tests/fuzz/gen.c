/* Random start states and code for insn_fuzz.
 *
 * Code grows while it runs: each instruction is chosen knowing the registers at its place, so that most memory operands
 * hit memory, and is then executed by the interpreter to know the next place.  Forms come from the opcode table itself:
 * every row that decodes is found by decoding all opcodes with all ModRM bytes once. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "cpu/cpuid.h"
#include "cpu/hostfp.h"
#include "cpu/insn.h"
#include "cpu/ops.h"

#define MAX_FORMS  4096
#define FREE_BYTES 24 /* of untouched code memory that a new unit wants */
#define MAX_STEPS  600
#define MAX_COUNT  0x20000 /* of a REP */
#define UNIT_BYTES 64
#define HLT        0xf4
#define NO_MODRM   (-1)

enum category { CAT_ALU, CAT_BRANCH, CAT_STRING, CAT_STACK, CAT_X87, CAT_MMX, CAT_SSE, CAT_SYSTEM, CAT_COUNT };
static const uint8_t weights[CAT_COUNT] = {50, 12, 6, 9, 7, 4, 7, 5};

const char *const fuzz_mode_names[FUZZ_MODES] = {"real", "prot16", "flat", "segmented", "v86"};

struct form {
    const struct insn_desc *desc;
    uint8_t prefix, map, opcode; /* prefix: mandatory one or 0 */
    bool has_modrm;
    uint8_t n_modrm, modrm[255]; /* those that select the row */
};

struct gen {
    const struct cpu *features;
    const char *without;
    struct form *forms;
    unsigned n_forms;
    uint16_t by_cat[CAT_COUNT][MAX_FORMS];
    unsigned n_cat[CAT_COUNT];
    uint8_t base_image[MEMORY_BYTES];
    uint64_t base_seed;
    struct rng rng;
    uint32_t alias_delta; /* linear distance from the code's page to another mapping of it, or 0 */

    /* the unit being made: some instructions that go to memory together */
    uint8_t unit[UNIT_BYTES];
    uint8_t lens[16];
    unsigned n_unit, unit_len;
    bool is_unit_kept;
};

uint32_t rng_interesting(struct rng *r)
{
    static const uint32_t values[] = {0,      1,      2,      0x7f,       0x80,       0xff,
                                      0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};

    switch (rng_below(r, 4)) {
    case 0:
        return values[rng_below(r, ARRAY_SIZE(values))];
    case 1:
        return rng_below(r, 64);
    default:
        return (uint32_t)rng_next(r);
    }
}

/* --- forms --- */

static enum category category_of(const struct insn_desc *d)
{
    static insn_fn *const stack[] = {op_push, op_pop, op_pusha, op_popa, op_enter, op_leave, op_pushf, op_popf};

    for (size_t i = 0; i < ARRAY_SIZE(stack); i++)
        if (d->exec == stack[i])
            return CAT_STACK;
    if (d->iclass == SENSITIVE || d->iclass == PRIVILEGED)
        return CAT_SYSTEM;
    if (d->iclass == BRANCH)
        return CAT_BRANCH;
    if (d->attr & ATTR_REP)
        return CAT_STRING;
    if (d->attr & ATTR_SSE)
        return CAT_SSE;
    if (d->attr & ATTR_MMX)
        return CAT_MMX;
    if (d->attr & ATTR_X87)
        return CAT_X87;
    return CAT_ALU;
}

static unsigned put_opcode(uint8_t *p, uint8_t prefix, unsigned map, unsigned opcode)
{
    unsigned n = 0;

    if (prefix)
        p[n++] = prefix;
    if (map != MAP_1B)
        p[n++] = 0x0f;
    if (map == MAP_0F38 || map == MAP_0F3A)
        p[n++] = map == MAP_0F38 ? 0x38 : 0x3a;
    p[n++] = (uint8_t)opcode;
    return n;
}

static void add_form(struct gen *g, const struct insn *in, uint8_t prefix, unsigned first, int modrm)
{
    struct form *f;

    for (unsigned i = first; i < g->n_forms; i++) {
        if (g->forms[i].desc == in->desc && modrm != NO_MODRM && g->forms[i].n_modrm < 255) {
            g->forms[i].modrm[g->forms[i].n_modrm++] = (uint8_t)modrm;
            return;
        }
    }
    if (g->n_forms == MAX_FORMS)
        return;
    f = &g->forms[g->n_forms++];
    *f = (struct form){
        .desc = in->desc, .prefix = prefix, .map = in->map, .opcode = in->opcode, .has_modrm = modrm != NO_MODRM};
    if (f->has_modrm)
        f->modrm[f->n_modrm++] = (uint8_t)modrm;
}

/* Is name in the comma-separated list? */
static bool is_unwanted(const struct gen *g, const char *name)
{
    size_t len = strlen(name);

    for (const char *s = g->without; s && *s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
        if (!strncmp(s, name, len) && (s[len] == ',' || !s[len]))
            return true;
    return false;
}

static void find_forms_of(struct gen *g, unsigned map, unsigned opcode)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    const struct insn_desc *plain[256] = {0};

    for (size_t k = 0; k < ARRAY_SIZE(prefixes); k++) {
        unsigned first = g->n_forms;

        for (unsigned modrm = 0; modrm < 256; modrm++) {
            uint8_t bytes[15] = {0};
            struct insn in;
            unsigned n = put_opcode(bytes, prefixes[k], map, opcode);

            bytes[n] = (uint8_t)modrm;
            if (insn_decode(&in, bytes, sizeof(bytes), 4) != DECODE_OK || in.map != map || in.opcode != opcode ||
                !in.desc->name || insn_is(&in, op_ud) || insn_is(&in, op_rdrand) || insn_is(&in, op_rdseed) ||
                is_unwanted(g, in.desc->name) || !cpu_has_feature(g->features, in.desc->feature))
                continue;
            if (k == 0)
                plain[modrm] = in.desc;
            else if (plain[modrm] == in.desc)
                continue; /* not a mandatory prefix */
            add_form(g, &in, prefixes[k], first, in.has_modrm ? (int)modrm : NO_MODRM);
            if (!in.has_modrm)
                break;
        }
    }
}

struct gen *gen_create(const struct cpu *features, const char *without)
{
    struct gen *g = calloc(1, sizeof(*g));

    if (!g)
        exit(3);
    g->features = features;
    g->without = without;
    g->forms = calloc(MAX_FORMS, sizeof(*g->forms));
    if (!g->forms)
        exit(3);
    for (unsigned map = MAP_1B; map <= MAP_0F3A; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            find_forms_of(g, map, opcode);
    for (unsigned i = 0; i < g->n_forms; i++) {
        enum category cat = category_of(g->forms[i].desc);

        g->by_cat[cat][g->n_cat[cat]++] = (uint16_t)i;
    }
    return g;
}

void gen_destroy(struct gen *g)
{
    free(g->forms);
    free(g);
}

/* --- memory contents --- */

static void put_desc(uint8_t *image, uint32_t table, unsigned index, uint32_t base, uint32_t limit, unsigned attr)
{
    uint64_t d = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xff) << 40 |
                 (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attr >> 12 & 15) << 52 | (uint64_t)(base >> 24) << 56;

    store_le(image + table + 8 * index, 8, d);
}

static void put_gate(uint8_t *image, uint32_t table, unsigned index, unsigned sel, uint32_t off, unsigned attr)
{
    store_le(image + table + 8 * index, 8,
             (off & 0xffff) | (uint64_t)sel << 16 | (uint64_t)attr << 40 | (uint64_t)(off >> 16) << 48);
}

/* attr as in struct segment: 93h data, 9Bh code, +60h DPL 3, 4000h D/B, 8000h G. */
static void put_gdt(uint8_t *im)
{
    put_desc(im, GDT_GPA, D_CODE32, 0, 0xfffff, 0xc09b);
    put_desc(im, GDT_GPA, D_DATA32, 0, 0xfffff, 0xc093);
    put_desc(im, GDT_GPA, D_UCODE32, 0, 0xfffff, 0xc0fb);
    put_desc(im, GDT_GPA, D_UDATA32, 0, 0xfffff, 0xc0f3);
    put_desc(im, GDT_GPA, D_CODE16, CODE_GPA, 0x7fff, 0x009b);
    put_desc(im, GDT_GPA, D_UCODE16, CODE_GPA, 0x7fff, 0x00fb);
    put_desc(im, GDT_GPA, D_DATA16, DATA_GPA, 0xffff, 0x0093);
    put_desc(im, GDT_GPA, D_STACK16, STACK_GPA, 0x5fff, 0x0093);
    put_desc(im, GDT_GPA, D_USTACK16, STACK_GPA, 0x5fff, 0x00f3);
    put_desc(im, GDT_GPA, D_STACK32, STACK_GPA, 0x5fff, 0x4093);
    put_desc(im, GDT_GPA, D_USTACK32, STACK_GPA, 0x5fff, 0x40f3);
    put_desc(im, GDT_GPA, D_BIG, DATA_GPA + 0x34, 0xfffff, 0xc0f3);
    put_desc(im, GDT_GPA, D_LIMITED, 0x11000, 0x5ffa, 0x40f3);
    put_desc(im, GDT_GPA, D_DOWN, DATA_GPA, 0x7fff, 0x40f7);
    put_desc(im, GDT_GPA, D_READONLY, 0, 0xfffff, 0xc0f1);
    put_desc(im, GDT_GPA, D_CONFORMING, 0, 0xfffff, 0xc09e);
    put_desc(im, GDT_GPA, D_ABSENT, 0, 0xfffff, 0xc073);
    put_desc(im, GDT_GPA, D_TSS, TSS_GPA, 0x1ff, 0x008b);
    put_desc(im, GDT_GPA, D_LDT, LDT_GPA, 0x1f, 0x0082);
    put_gate(im, GDT_GPA, D_CALLGATE, D_CODE32 * 8, HANDLERS_GPA + 0x310, 0xec);
    put_desc(im, GDT_GPA, D_TSS2, TSS2_GPA, 0x1ff, 0x0089);
    put_gate(im, GDT_GPA, D_TASKGATE, D_TSS2 * 8, 0, 0xe5);
    put_desc(im, GDT_GPA, D_BCODE32, CODE_GPA, 0x7fff, 0x409a);
    put_desc(im, GDT_GPA, D_UBCODE32, CODE_GPA, 0x7fff, 0x40fa);
    put_desc(im, GDT_GPA, D_ODD16, DATA_GPA + 0x2345, 0xfff0, 0x00f2);
    put_desc(im, GDT_GPA, D_EXECONLY, 0, 0xfffff, 0xc0f8);
    put_gate(im, GDT_GPA, D_CALLGATE16, D_CODE32 * 8, HANDLERS_GPA + 0x318, 0xe4);
    put_desc(im, GDT_GPA, D_BIGDOWN, 0, 0x8, 0xc0f7);
    put_desc(im, LDT_GPA, 0, 0, 0xfffff, 0xc0f3);
    put_desc(im, LDT_GPA, 1, DATA_GPA, 0xffff, 0x40f2);
    put_desc(im, LDT_GPA, 2, 0, 0xfffff, 0xc0fb);
}

static void put_tss(uint8_t *im)
{
    memset(im + TSS_GPA, 0, 0x1000);
    store_le(im + TSS_GPA + 4, 4, RING0_STACK - 0x40);
    store_le(im + TSS_GPA + 8, 2, D_DATA32 * 8);
    store_le(im + TSS_GPA + 0x66, 2, 0x68);
    memset(im + TSS_GPA + 0x68 + 16, 0xff, 0x198 - 16); /* ports 0..7Fh allowed */
    store_le(im + TSS2_GPA + 0x20, 4, HANDLERS_GPA + 0x330);
    store_le(im + TSS2_GPA + 0x24, 4, EFLAGS_1);
    store_le(im + TSS2_GPA + 0x38, 4, RING0_STACK - 0x800);
    store_le(im + TSS2_GPA + 0x48, 2, D_UDATA32 * 8);
    store_le(im + TSS2_GPA + 0x4c, 2, D_CODE32 * 8);
    store_le(im + TSS2_GPA + 0x50, 2, D_DATA32 * 8);
    store_le(im + TSS2_GPA + 0x54, 2, D_UDATA32 * 8);
}

static void put_idt(uint8_t *im)
{
    for (unsigned v = 0; v < 256; v++)
        put_gate(im, IDT_GPA, v, D_CODE32 * 8, HANDLERS_GPA + 2 * v,
                 (v & 1 ? 0x8f : 0x8e) | (v == 3 || v == 4 || v >= 64 ? 0x60 : 0));
    put_gate(im, IDT_GPA, 0x70, D_TSS2 * 8, 0, 0xe5);
    put_gate(im, IDT_GPA, 0x71, D_CODE32 * 8, HANDLERS_GPA + 2 * 0x71, 0xe6); /* 16-bit */
}

/* Handlers that return instead of halting: the instruction runs again, or the next one does. */
static void put_returning_handlers(struct fuzz_case *c)
{
    /* push eax; push ds; push D_DATA32 * 8; pop ds; mov eax, cr2; shr eax, 12; cmp eax, 31h; jae 1f; or dword [PT + eax
     * * 4], 7; mov eax, cr2; invlpg [eax]; pop ds; pop eax; add esp, 4; iretd; 1: hlt */
    static const uint8_t map_page[] = {0x50, 0x1e, 0x6a, 0x10, 0x1f, 0x0f, 0x20, 0xd0, 0xc1, 0xe8, 0x0c, 0x83, 0xf8,
                                       0x31, 0x73, 0x14, 0x83, 0x0c, 0x85, 0x00, 0x90, 0x02, 0x00, 0x07, 0x0f, 0x20,
                                       0xd0, 0x0f, 0x01, 0x38, 0x1f, 0x58, 0x83, 0xc4, 0x04, 0xcf, 0xf4};
    static const struct {
        uint8_t vector, code[4];
    } all[] = {{VEC_DB, {0xcf}}, /* iret */
               {VEC_BP, {0xcf}},
               {VEC_OF, {0xcf}},
               {VEC_NM, {0x0f, 0x06, 0xcf}}, /* clts; iret */
               {VEC_MF, {0xdb, 0xe2, 0xcf}}, /* fnclex; iret */
               {0x80, {0x40, 0xcf}},         /* inc eax; iret */
               {0x81, {0x9c, 0x9d, 0xcf}}};  /* pushf; popf; iret */
    uint32_t at = c->mode == FUZZ_REAL ? REAL_HANDLERS + 0x140 : HANDLERS_GPA + 0x400;

    for (size_t i = 0; i < ARRAY_SIZE(all); i++, at += 4) {
        memcpy(c->image + at, all[i].code, sizeof(all[i].code));
        if (c->mode == FUZZ_REAL)
            store_le(c->image + 4 * all[i].vector, 4, at);
        else
            put_gate(c->image, IDT_GPA, all[i].vector, D_CODE32 * 8, at, 0xef);
    }
    if (!c->is_paged)
        return;
    memcpy(c->image + at, map_page, sizeof(map_page));
    c->image[at + 18] = c->is_pae ? 0xc5 : 0x85; /* entries of 8 or 4 bytes */
    put_gate(c->image, IDT_GPA, VEC_PF, D_CODE32 * 8, at, 0x8e);
}

/* All that does not depend on the case. */
static void make_base_image(struct gen *g, uint64_t seed)
{
    struct rng r = {seed};
    uint8_t *im = g->base_image;

    for (uint32_t i = DATA_GPA; i < MEMORY_BYTES; i += 4) {
        uint32_t v = rng_interesting(&r);

        if (rng_percent(&r, 30))
            v = CODE_GPA + rng_below(&r, CODE_END - CODE_GPA); /* somewhere to jump and return to */
        else if (rng_percent(&r, 15))
            v = (v & 0x807fffff) | 0x3f800000; /* ordinary single-precision numbers */
        store_le(im + i, 4, v);
    }
    for (unsigned v = 0; v < 256; v++)
        store_le(im + 4 * v, 4, REAL_HANDLERS + v);
    memset(im + REAL_HANDLERS, HLT, GDT_GPA - REAL_HANDLERS);
    memset(im + HANDLERS_GPA, HLT, TSS_GPA - HANDLERS_GPA);
    memset(im + CODE_GPA, HLT, CODE_END - CODE_GPA);
    memset(im + TABLES_GPA, 0, RAM_BYTES - TABLES_GPA);
    put_gdt(im);
    put_tss(im);
    put_idt(im);
    g->base_seed = seed;
}

/* --- start states --- */

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
        for (unsigned k = 0; k < 2; k++) {
            uint64_t v = (uint64_t)rng_interesting(r) << 32 | rng_interesting(r);

            if (rng_percent(r, 40))
                v = (v & 0x8fffffff8fffffff) | 0x3000000030000000;
            store_le(fx + FX_XMM + 16 * i + 8 * k, 8, v);
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
    c->is_paged = c->mode != FUZZ_REAL && rng_percent(r, 60);
    c->is_pae = c->is_paged && rng_percent(r, 40);
    if (c->is_paged)
        c->cr0 |= CR0_PG;
    if (c->is_pae) {
        c->cr4 |= CR4_PAE;
        c->efer = rng_percent(r, 50) ? EFER_NXE : 0;
    }
    c->has_clear_a = c->is_paged && rng_percent(r, 50);
    c->eflags = EFLAGS_1 | ((uint32_t)rng_next(r) & (EFLAGS_STATUS | EFLAGS_ID)) |
                (rng_percent(r, 70) ? EFLAGS_IF : 0) | (rng_percent(r, 15) ? EFLAGS_DF : 0) |
                (rng_percent(r, 2) ? EFLAGS_NT : 0) | (rng_percent(r, 5) ? EFLAGS_AC : 0) |
                (rng_percent(r, 2) ? EFLAGS_TF : 0) | rng_below(r, 4) << EFLAGS_IOPL_SHIFT;
    if (c->mode == FUZZ_V86)
        c->eflags |= EFLAGS_VM;
}

/* --- addresses --- */

/* A linear address worth touching.  end: where code grows. */
static uint32_t pick_linear(struct gen *g, const struct fuzz_case *c, uint32_t end, unsigned size)
{
    struct rng *r = &g->rng;
    unsigned what = rng_below(r, 100);
    uint32_t at;

    if (what < 60)
        at = DATA_GPA + rng_below(r, DATA_END - DATA_GPA);
    else if (what < 78)
        at = DATA_GPA + (rng_below(r, 18) << 12) - rng_below(r, size + 4);
    else if (what < 90)
        at = STACK_GPA + rng_below(r, STACK_END - STACK_GPA);
    else if (what < 95)
        at = end + rng_below(r, 96) - 48 + (rng_below(r, 2) ? g->alias_delta : 0);
    else if (what < 96)
        at = rng_below(r, CODE_GPA);
    else if (what < 98)
        at = c->is_paged ? RAM_BYTES + rng_below(r, 0x2000) : TABLES_GPA + rng_below(r, 0xa000);
    else
        at = rng_interesting(r);
    if (c->is_paged && what < 95 && rng_percent(r, 4))
        at += 0x400000 << rng_below(r, 2);
    return size >= 8 && rng_percent(r, 70) ? at & ~15u : at;
}

/* An offset in a segment that most often may be accessed. */
static uint32_t pick_offset(struct gen *g, const struct fuzz_case *c, const struct segment *s, uint32_t end,
                            unsigned size)
{
    struct rng *r = &g->rng;
    bool is_down = (s->attr & (SEG_ATTR_CODE | SEG_ATTR_EC)) == SEG_ATTR_EC && (s->attr & SEG_ATTR_S);
    uint32_t off = pick_linear(g, c, end, size) - (uint32_t)s->base;

    /* Around FFFFFFFFh a processor may fault or wrap as it likes (SDM 3A 5.3). */
    if (s->limit != 0xffffffff && rng_percent(r, 6))
        return s->limit + (is_down ? 1 : 0) + rng_below(r, 16) - size - 4;
    if (is_down && s->limit >= 0x8000)
        return off;
    if (is_down ? off <= s->limit : off > s->limit) {
        if (is_down)
            return s->limit + 1 + rng_below(r, 0x7f00);
        return rng_below(r, s->limit < 0xfffffff ? s->limit + 1 : 0x10000);
    }
    return off;
}

static bool is_good_offset(const struct segment *s, uint32_t off)
{
    uint32_t at = (uint32_t)s->base + off;

    return at >= CODE_GPA && at < STACK_END && off <= s->limit;
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

static uint32_t choose_start(struct gen *g, struct fuzz_case *c)
{
    struct rng *r = &g->rng;
    uint32_t start = CODE_GPA + 0x40 + rng_below(r, CODE_END - CODE_GPA - 0x200);

    if (rng_percent(r, 30))
        start = (start | GUEST_PAGE_MASK) - rng_below(r, 40);
    if (rng_percent(r, 2))
        start = CODE_END - 1 - rng_below(r, 40);
    c->rip = start - (uint32_t)c->seg[SEG_CS].base;
    return start;
}

static uint32_t make_start_state(struct gen *g, struct fuzz_case *c, int mode_filter)
{
    static const uint8_t modes[] = {FUZZ_FLAT, FUZZ_FLAT, FUZZ_FLAT,   FUZZ_SEGMENTED, FUZZ_SEGMENTED,
                                    FUZZ_REAL, FUZZ_REAL, FUZZ_PROT16, FUZZ_V86};
    uint32_t start;

    c->mode = mode_filter >= 0 ? (enum fuzz_mode)mode_filter : modes[rng_below(&g->rng, ARRAY_SIZE(modes))];
    c->is_user = c->mode == FUZZ_V86 || (c->mode != FUZZ_REAL && rng_percent(&g->rng, 50));
    c->cpl = c->is_user ? 3 : 0;
    c->code_size = c->mode == FUZZ_FLAT || c->mode == FUZZ_SEGMENTED ? 4 : 2;
    g->alias_delta = 0;
    choose_control(g, c);
    choose_segments(g, c);
    start = choose_start(g, c);
    if (rng_percent(&g->rng, 60))
        put_returning_handlers(c);
    if (c->is_paged)
        put_page_tables(g, c, start >> 12);
    choose_registers(g, c, start);
    randomize_fpu(g, c);
    return start;
}

/* --- code --- */

/* The place a unit is made for. */
struct place {
    const struct fuzz_case *c;
    const struct cpu *cpu;
    uint32_t linear; /* of the instruction being made */
    unsigned code_size;
};

static void add_insn(struct gen *g, struct place *p, const uint8_t *bytes, unsigned len)
{
    if (g->unit_len + len > UNIT_BYTES || g->n_unit == ARRAY_SIZE(g->lens))
        return;
    memcpy(g->unit + g->unit_len, bytes, len);
    g->lens[g->n_unit++] = (uint8_t)len;
    g->unit_len += len;
    p->linear += len;
}

/* mov r32, imm32 */
static void add_mov(struct gen *g, struct place *p, unsigned reg, uint32_t value)
{
    uint8_t b[6];
    unsigned n = 0;

    if (p->code_size == 2)
        b[n++] = 0x66;
    b[n++] = (uint8_t)(0xb8 | reg);
    store_le(b + n, 4, value);
    add_insn(g, p, b, n + 4);
}

static unsigned put_prefixes(struct gen *g, const struct form *f, uint8_t *b)
{
    static const uint8_t segs[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    struct rng *r = &g->rng;
    bool is_simd = f->desc->attr & (ATTR_MMX | ATTR_SSE | ATTR_NP);
    unsigned n = 0;

    if (rng_percent(r, f->has_modrm || (f->desc->attr & ATTR_REP) ? 14 : 2))
        b[n++] = segs[rng_below(r, ARRAY_SIZE(segs))];
    if (rng_percent(r, 8))
        b[n++] = 0x67;
    if (rng_percent(r, is_simd ? 1 : 15))
        b[n++] = 0x66;
    if (rng_percent(r, f->desc->attr & ATTR_LOCK ? 15 : 1))
        b[n++] = 0xf0;
    if (rng_percent(r, f->desc->attr & ATTR_REP ? 60 : is_simd ? 0 : 1))
        b[n++] = 0xf2 | rng_below(r, 2);
    if (n > 1 && rng_percent(r, 30)) {
        uint8_t t = b[0];

        b[0] = b[n - 1];
        b[n - 1] = t;
    }
    return n;
}

static uint32_t effective(const struct cpu *cpu, const struct insn *in)
{
    uint32_t ea = (uint32_t)in->disp;

    if (in->base >= 0)
        ea += (uint32_t)cpu->gpr[in->base];
    if (in->index >= 0)
        ea += (uint32_t)cpu->gpr[in->index] << in->scale;
    return in->addrsize == 2 ? ea & 0xffff : ea;
}

static bool has_moffs(const struct insn *in) { return in->map == MAP_1B && in->opcode >= 0xa0 && in->opcode <= 0xa3; }

/* Make the memory operand hit something, by its displacement. */
static void aim(struct gen *g, const struct place *p, struct insn *in, uint8_t *b)
{
    unsigned size = insn_mem_size(in);
    const struct segment *s = &p->cpu->seg[in->seg];
    uint8_t *disp = b + in->len - in->imm_len - in->disp_len;
    uint32_t want;

    if (!in->disp_len || rng_percent(&g->rng, 3))
        return;
    want = pick_offset(g, p->c, s, p->linear, size ? size : 4) - (effective(p->cpu, in) - (uint32_t)in->disp);
    if (in->disp_len > 1 || (int32_t)want == (int8_t)want)
        store_le(disp, in->disp_len > 4 ? 4 : in->disp_len, want);
}

static void aim_branch(struct gen *g, const struct place *p, const struct insn *in, uint8_t *b)
{
    struct rng *r = &g->rng;
    const struct fuzz_case *c = p->c;
    int32_t rel = (int32_t)rng_below(r, 24);

    if (rng_percent(r, 25) && c->n_insns)
        rel = (int32_t)(c->insns[rng_below(r, c->n_insns)].gpa - (p->linear + in->len));
    else if (rng_percent(r, 8))
        rel = -(int32_t)rng_below(r, 32);
    else if (rng_percent(r, 10) && in->imm_len > 1)
        rel = (int32_t)rng_below(r, 0x3000) - 0x1800;
    else if (rng_percent(r, 2))
        return;
    store_le(b + in->len - in->imm_len, in->imm_len, (uint32_t)rel);
}

static void aim_immediate(struct gen *g, const struct insn *in, uint8_t *b)
{
    struct rng *r = &g->rng;
    uint32_t v = rng_interesting(r);

    if (insn_is(in, op_call_far_ptr) || insn_is(in, op_jmp_far_ptr)) {
        store_le(b + in->len - 2, 2, rng_below(r, D_COUNT) * 8 + rng_below(r, 4));
        store_le(b + in->len - in->imm_len, in->imm_len - 2, CODE_GPA + rng_below(r, 0x7000));
        return;
    }
    if (insn_is(in, op_enter)) {
        store_le(b + in->len - 3, 2, rng_below(r, 64));
        b[in->len - 1] = (uint8_t)(rng_percent(r, 70) ? rng_below(r, 3) : rng_below(r, 256));
        return;
    }
    if (in->imm_len <= 4)
        store_le(b + in->len - in->imm_len, in->imm_len, v);
}

/* What must be in registers before: counts, string pointers, jump targets, selectors. */
static void prepare(struct gen *g, struct place *p, const struct form *f, const uint8_t *b, const struct insn *in)
{
    struct rng *r = &g->rng;
    const struct cpu *cpu = p->cpu;

    if (in->desc->attr & ATTR_REP) {
        uint32_t mask = in->addrsize == 2 ? 0xffff : 0xffffffff;

        if (in->rep && (cpu->gpr[REG_CX] & mask) > 300)
            add_mov(g, p, REG_CX, rng_percent(r, 85) ? rng_below(r, 40) : rng_below(r, 5000));
        if (!is_good_offset(&cpu->seg[in->seg], (uint32_t)cpu->gpr[REG_SI] & mask) || rng_percent(r, 20))
            add_mov(g, p, REG_SI, pick_offset(g, p->c, &cpu->seg[in->seg], p->linear, 4));
        if (!is_good_offset(&cpu->seg[SEG_ES], (uint32_t)cpu->gpr[REG_DI] & mask) || rng_percent(r, 20))
            add_mov(g, p, REG_DI, pick_offset(g, p->c, &cpu->seg[SEG_ES], p->linear, 4));
        return;
    }
    if ((insn_is(in, op_jmp_ind) || insn_is(in, op_call_ind)) && !in->is_mem) {
        add_mov(g, p, in->rm & 7, p->linear + 8 + rng_below(r, 24) - (uint32_t)cpu->seg[SEG_CS].base);
        return;
    }
    if (insn_is(in, op_mov_to_sreg) && !in->is_mem && rng_percent(r, 85)) {
        add_mov(g, p, in->rm & 7, rng_below(r, D_COUNT) * 8 + (rng_below(r, 8) ? p->cpu->cpl : rng_below(r, 8)));
        return;
    }
    if (insn_is(in, op_xlat))
        add_mov(g, p, REG_BX, pick_offset(g, p->c, &cpu->seg[in->seg], p->linear, 1));
    if ((in->desc->exec == op_div || in->desc->exec == op_idiv) && rng_percent(r, 70))
        add_mov(g, p, REG_DX, 0);
}

/* One instruction of form f at p->linear into b; *in is it decoded. */
static bool encode(struct gen *g, const struct place *p, const struct form *f, uint8_t *b, struct insn *in)
{
    struct rng *r = &g->rng;
    unsigned n = put_prefixes(g, f, b), modrm_at;
    uint8_t modrm = 0;

    n += put_opcode(b + n, f->prefix, f->map, f->opcode);
    modrm_at = n;
    if (f->has_modrm) {
        modrm = f->modrm[rng_below(r, f->n_modrm)];
        if (rng_percent(r, 35) && f->n_modrm > 150) /* memory forms as often as others */
            modrm = f->modrm[rng_below(r, f->n_modrm * 3 / 4)];
        b[n++] = modrm;
    }
    for (unsigned i = n; i < 24; i++)
        b[i] = (uint8_t)rng_next(r);
    if (insn_decode(in, b, 15, p->code_size) != DECODE_OK)
        return false;
    if (in->is_mem && !is_good_offset(&p->cpu->seg[in->seg], effective(p->cpu, in)) && modrm < 0x80 &&
        rng_percent(r, 80)) {
        b[modrm_at] = (uint8_t)((modrm & 0x3f) | 0x80);
        if (insn_decode(in, b, 15, p->code_size) != DECODE_OK)
            return false;
    }
    return true;
}

static void make_insn(struct gen *g, struct place *p)
{
    struct rng *r = &g->rng;
    unsigned pick = rng_below(r, 100), cat = 0;
    const struct form *f;
    uint8_t b[32];
    struct insn in;

    while (pick >= weights[cat])
        pick -= weights[cat++];
    f = &g->forms[g->by_cat[cat][rng_below(r, g->n_cat[cat])]];
    if (f->desc->exec == op_hlt && rng_percent(r, 90))
        return;
    if (!encode(g, p, f, b, &in))
        return;
    prepare(g, p, f, b, &in);
    if (in.is_mem || has_moffs(&in))
        aim(g, p, &in, b);
    if (in.desc->operands[0] == Jb || in.desc->operands[0] == Jz || in.desc->operands[1] == Jb)
        aim_branch(g, p, &in, b);
    else if (in.imm_len && rng_percent(r, 60))
        aim_immediate(g, &in, b);
    if (insn_decode(&in, b, 15, p->code_size) == DECODE_OK)
        add_insn(g, p, b, in.len);
}

/* A store that changes an instruction to come: inc eax; mov ecx, imm, a few instructions ahead. */
static void make_self_modification(struct gen *g, struct place *p)
{
    struct rng *r = &g->rng;
    const struct segment *ds = &p->cpu->seg[SEG_DS];
    unsigned fillers = rng_below(r, 4), n = 0;
    bool is_opcode = rng_percent(r, 50), is_alias = g->alias_delta && rng_percent(r, 50);
    uint8_t b[16], filler = (uint8_t)(0x40 | rng_below(r, 4));
    uint32_t target;

    if (p->code_size == 2)
        b[n++] = 0x66; /* operand size, and below address size */
    if (p->code_size == 2)
        b[n++] = 0x67;
    b[n++] = is_opcode ? 0xc6 : 0xc7;
    b[n++] = 0x05;
    target = p->linear + n + 4 + (is_opcode ? 1 : 4) + fillers;
    if (!is_opcode)
        target += p->code_size == 2 ? 2 : 1; /* the immediate of mov r32, imm32 */
    store_le(b + n, 4, target + (is_alias ? g->alias_delta : 0) - (uint32_t)ds->base);
    n += 4;
    store_le(b + n, is_opcode ? 1 : 4, is_opcode ? 0x48 | rng_below(r, 4) : rng_interesting(r));
    add_insn(g, p, b, n + (is_opcode ? 1 : 4));
    for (unsigned i = 0; i < fillers; i++)
        add_insn(g, p, &filler, 1);
    if (is_opcode)
        add_insn(g, p, &filler, 1);
    else
        add_mov(g, p, rng_below(r, 4), 0x12345678);
}

/* A data page's table entry gets another frame or other rights; INVLPG or a CR3 load makes it known. */
static void make_remapping(struct gen *g, struct place *p)
{
    struct rng *r = &g->rng;
    unsigned page = (DATA_GPA >> 12) + rng_below(r, 16), frame = (DATA_GPA >> 12) + rng_below(r, 16), n = 0;
    static const uint8_t rights[] = {0x67, 0x67, 0x07, 0x05, 0x65, 0x00, 0x27};
    uint8_t b[16];

    g->is_unit_kept = true;
    if (p->code_size == 2)
        b[n++] = 0x66;
    if (p->code_size == 2)
        b[n++] = 0x67;
    b[n++] = 0xc7; /* mov dword [entry], imm32 */
    b[n++] = 0x05;
    store_le(b + n, 4, TABLES_GPA + 0x1000 + page * (p->c->is_pae ? 8 : 4) - (uint32_t)p->cpu->seg[SEG_DS].base);
    store_le(b + n + 4, 4, frame << 12 | rights[rng_below(r, ARRAY_SIZE(rights))] | (p->c->has_clear_a ? 0 : 0x20));
    add_insn(g, p, b, n + 8);
    if (rng_percent(r, 50)) {
        static const uint8_t reload[] = {0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8}; /* mov eax, cr3; mov cr3, eax */

        add_insn(g, p, reload, 3);
        add_insn(g, p, reload + 3, 3);
        add_mov(g, p, REG_AX, DATA_GPA + rng_below(r, DATA_END - DATA_GPA)); /* not the tables' address */
        return;
    }
    n = 0;
    if (p->code_size == 2)
        b[n++] = 0x67;
    b[n++] = 0x0f; /* invlpg [page] */
    b[n++] = 0x01;
    b[n++] = 0x3d;
    store_le(b + n, 4, (page << 12) + rng_below(r, 0x1000) - (uint32_t)p->cpu->seg[SEG_DS].base);
    add_insn(g, p, b, n + 4);
}

/* A byte with an operand-size prefix where one is needed for 32 bits. */
static void add_op32(struct gen *g, struct place *p, uint8_t opcode)
{
    const uint8_t b[2] = {0x66, opcode};

    add_insn(g, p, p->code_size == 2 ? b : b + 1, p->code_size == 2 ? 2 : 1);
}

static void add_push(struct gen *g, struct place *p, uint32_t value)
{
    uint8_t b[6] = {0x66, 0x68};
    unsigned at = p->code_size == 2 ? 0 : 1;

    store_le(b + 2, 4, value);
    add_insn(g, p, b + at, 6 - at);
}

/* mov eax, cr0; xor eax, bit; mov cr0, eax; or cr4 */
static void make_control_change(struct gen *g, struct place *p)
{
    static const uint32_t cr0_bits[] = {CR0_WP, CR0_WP, CR0_TS, CR0_EM, CR0_MP, CR0_AM, CR0_NE, CR0_PE, CR0_PG};
    static const uint32_t cr4_bits[] = {CR4_OSFXSR,     CR4_TSD, CR4_PGE, CR4_PSE,
                                        CR4_OSXMMEXCPT, CR4_DE,  CR4_PAE, CR4_PVI};
    struct rng *r = &g->rng;
    bool is_cr4 = rng_percent(r, 35);
    uint32_t bit = is_cr4 ? cr4_bits[rng_below(r, ARRAY_SIZE(cr4_bits))] : cr0_bits[rng_below(r, ARRAY_SIZE(cr0_bits))];
    const uint8_t get[] = {0x0f, 0x20, is_cr4 ? 0xe0 : 0xc0}, put[] = {0x0f, 0x22, is_cr4 ? 0xe0 : 0xc0};
    uint8_t b[6] = {0x66, 0x35};
    unsigned at = p->code_size == 2 ? 0 : 1;

    store_le(b + 2, 4, bit);
    add_insn(g, p, get, 3);
    add_insn(g, p, b + at, 6 - at);
    add_insn(g, p, put, 3);
}

/* A far jump, call or IRET to just behind, perhaps in code of another size or less privilege. */
static void make_far_transfer(struct gen *g, struct place *p)
{
    static const uint8_t codes[] = {D_CODE32, D_UCODE32, D_CODE16, D_UCODE16, D_BCODE32, D_UBCODE32, D_CONFORMING};
    struct rng *r = &g->rng;
    unsigned index = codes[rng_below(r, ARRAY_SIZE(codes))];
    bool is_user = index == D_UCODE32 || index == D_UCODE16 || index == D_UBCODE32,
         is_protected = p->cpu->mode & MODE_PE;
    uint32_t base = index == D_CODE32 || index == D_UCODE32 || index == D_CONFORMING ? 0 : CODE_GPA, target;
    unsigned sel = index * 8 | (is_user ? 3 : 0);

    if (!is_protected || (p->cpu->eflags & EFLAGS_VM)) {
        base = rng_percent(r, 50) ? CODE_GPA : 0;
        sel = base >> 4;
    }
    target = p->linear + 48 + rng_below(r, 16) - base;
    if (rng_percent(r, 50)) {
        add_push(g, p, (is_user ? D_UDATA32 : D_DATA32) * 8 | (is_user ? 3 : 0));
        add_push(g, p, (uint32_t)p->cpu->gpr[REG_SP]);
        add_push(g, p,
                 ((uint32_t)p->cpu->eflags & (rng_percent(r, 90) ? ~EFLAGS_NT : ~0u)) ^
                     (rng_below(r, 8) ? 0 : EFLAGS_IF));
        add_push(g, p, sel);
        add_push(g, p, target);
        add_op32(g, p, 0xcf);
    } else {
        uint8_t b[8] = {0x66, rng_percent(r, 60) ? 0xea : 0x9a};
        unsigned at = p->code_size == 2 ? 0 : 1;

        store_le(b + 2, 4, target);
        memcpy(b + 6, (uint8_t[]){(uint8_t)sel, (uint8_t)(sel >> 8)}, 2);
        add_insn(g, p, b + at, 8 - at);
    }
}

/* int 80h or 81h, which may return */
static void make_int(struct gen *g, struct place *p)
{
    const uint8_t b[2] = {0xcd, (uint8_t)(0x80 + rng_below(&g->rng, 2))};

    add_insn(g, p, b, 2);
}

/* push imm; ret */
static void make_push_ret(struct gen *g, struct place *p)
{
    uint8_t b[6] = {0x68}, ret = 0xc3;
    unsigned size = p->code_size;

    store_le(b + 1, size, p->linear + 1 + size + 1 + rng_below(&g->rng, 16) - (uint32_t)p->cpu->seg[SEG_CS].base);
    add_insn(g, p, b, 1 + size);
    add_insn(g, p, &ret, 1);
}

static void make_unit(struct gen *g, struct place *p)
{
    unsigned pick = rng_below(&g->rng, 1000);
    bool is_kernel = !p->cpu->cpl;

    g->unit_len = g->n_unit = 0;
    g->is_unit_kept = false;
    if (pick < 30)
        make_self_modification(g, p);
    else if (pick < 50)
        make_push_ret(g, p);
    else if (pick < 65)
        make_int(g, p);
    else if (pick < 80)
        make_far_transfer(g, p);
    else if (pick < 95 && is_kernel)
        make_control_change(g, p);
    else if (pick < 160 && is_kernel && p->c->is_paged && !g->alias_delta)
        make_remapping(g, p);
    else
        make_insn(g, p);
}

static bool is_untouched(const struct fuzz_machine *m, const struct fuzz_case *c, uint32_t linear)
{
    const uint8_t *mem = guestmem_view(m->mem);

    if (linear < CODE_GPA || linear > CODE_END - FREE_BYTES)
        return false;
    for (unsigned i = 0; i < FREE_BYTES; i++)
        if (c->image[linear + i] != HLT || mem[linear + i] != HLT)
            return false;
    return true;
}

static void place_unit(struct gen *g, struct fuzz_machine *m, struct fuzz_case *c, uint32_t linear)
{
    unsigned at = 0;

    if (linear + g->unit_len > CODE_END)
        return;
    memcpy(c->image + linear, g->unit, g->unit_len);
    machine_poke(m, linear, g->unit, g->unit_len);
    for (unsigned i = 0; i < g->n_unit && c->n_insns < CASE_MAX_INSNS; i++) {
        c->insns[c->n_insns].gpa = linear + at;
        c->insns[c->n_insns].is_kept = g->is_unit_kept;
        c->insns[c->n_insns++].len = g->lens[i];
        at += g->lens[i];
    }
}

/* Does the memory operand reach over offset FFFFFFFFh of a segment without a limit?  Processors may fault or wrap (SDM
 * 3A 5.3). */
static bool wraps_around(const struct cpu *cpu, const struct insn *in)
{
    unsigned size = insn_mem_size(in);

    return (in->is_mem || has_moffs(in)) && size && cpu->seg[in->seg].limit == 0xffffffff &&
           effective(cpu, in) > 0xffffffff - (size - 1);
}

/* May it write to page tables, which make_remapping() alone does with a flush?  What the engines still know of the old
 * entries then differs, as it may. */
static bool writes_tables(const struct fuzz_case *c, const struct cpu *cpu, const struct insn *in)
{
    uint32_t at = (uint32_t)cpu->seg[in->is_mem ? in->seg : SEG_ES].base;

    if (!c->is_paged || (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip) < CODE_GPA) /* a handler */
        return false;
    if (in->is_mem && (in->desc->attr & ATTR_MEM_W) && in->opcode != 0xc7)
        at += effective(cpu, in);
    else if ((in->desc->attr & ATTR_REP) && in->rep)
        at += (uint32_t)cpu->gpr[REG_DI];
    else
        return false;
    at &= 0x3fffff;
    return at > TABLES_GPA - 0x5000 && at < RAM_BYTES + (in->is_mem ? 0 : 0x5000);
}

/* What different processors may do differently; translated code runs on the host's. */
static bool is_host_specific(const struct cpu *cpu, const struct insn *in)
{
    uint8_t mxcsr[4];

    if (in->map == MAP_0F && in->opcode == 0xae && in->is_mem && in->reg == 2) /* LDMXCSR: AMD's bit 17 */
        return cpu_peek((struct cpu *)cpu, (uint32_t)cpu->seg[in->seg].base + effective(cpu, in), mxcsr, 4) == 4 &&
               (mxcsr[2] & 2);
    if (in->map == MAP_0F3A &&
        (in->opcode == 0x40 || in->opcode == 0x41)) /* DPPS, DPPD: order of unmasked exceptions */
        return (~load_le(cpu->fpu + FX_MXCSR, 2) & 0x1f80) != 0;
    return wraps_around(cpu, in);
}

/* False: the case is no use. */
static bool step(const struct fuzz_case *c, struct cpu *cpu)
{
    uint8_t bytes[15];
    struct insn in;
    unsigned n = cpu_peek(cpu, (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip), bytes, sizeof(bytes));
    bool is_known = insn_decode(&in, bytes, n, cpu->mode & MODE_CS32 ? 4 : 2) == DECODE_OK;

    if (is_known && (is_host_specific(cpu, &in) || writes_tables(c, cpu, &in)))
        return false;
    if (is_known && (in.desc->attr & ATTR_REP) && in.rep && in.addrsize == 4 && cpu->gpr[REG_CX] > MAX_COUNT)
        return false;
    cpu_step(cpu);
    return true;
}

bool gen_case(struct gen *g, struct fuzz_machine *m, struct fuzz_case *c, uint64_t seed, uint64_t number,
              int mode_filter)
{
    struct cpu *cpu = m->cpu;
    unsigned want, steps = 0;

    if (g->base_seed != seed || !g->base_image[HANDLERS_GPA])
        make_base_image(g, seed);
    g->rng.state = (seed + 1) * 0xd1342543de82ef95ull ^ number * 0x2545f4914f6cdd1dull;
    memset(c, 0, offsetof(struct fuzz_case, image));
    memcpy(c->image, g->base_image, sizeof(c->image));
    c->number = number;
    make_start_state(g, c, mode_filter);
    want = rng_percent(&g->rng, 85) ? 1 + rng_below(&g->rng, 12) : 8 + rng_below(&g->rng, 30);
    machine_load(m, c);
    memset(cpu->stats.exceptions, 0, sizeof(cpu->stats.exceptions));
    while (steps++ < MAX_STEPS && !cpu->is_halted && !cpu->is_shutdown && !cpu->exit_request) {
        uint32_t linear = (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip);

        if (c->n_insns < want && is_untouched(m, c, linear) && cpu->rip <= cpu->seg[SEG_CS].limit) {
            struct place p = {.c = c, .cpu = cpu, .linear = linear, .code_size = cpu->mode & MODE_CS32 ? 4 : 2};

            make_unit(g, &p);
            place_unit(g, m, c, linear);
            if (!g->unit_len)
                continue;
        }
        if (!step(c, cpu))
            return false;
    }
    return c->n_insns > 0 && steps < MAX_STEPS && !cpu->exit_request;
}
