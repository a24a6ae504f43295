/* The memory that all cases of a seed start from: descriptor tables, task segments, handlers, data. */
#include "tests/fuzz/gen.h"

#include <string.h>

static void put_desc(uint8_t *image, uint32_t table, unsigned index, uint32_t base, uint32_t limit, unsigned attr)
{
    uint64_t d = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xff) << 40 |
                 (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attr >> 12 & 15) << 52 | (uint64_t)(base >> 24) << 56;

    store_le(image + table + 8 * index, 8, d);
}

void put_gate(uint8_t *image, uint32_t table, unsigned index, unsigned sel, uint32_t off, unsigned attr)
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
void put_returning_handlers(struct fuzz_case *c)
{
    /* push eax; push ds; push D_DATA32 * 8; pop ds; mov eax, cr2; shr eax, 12; cmp eax, 31h; jae 1f; or dword [PT + eax
     * * 4], 7; mov eax, cr2; invlpg [eax]; pop ds; pop eax; add esp, 4; iretd; 1: hlt */
    static const uint8_t map_page[] = {0x50, 0x1e, 0x6a, 0x10, 0x1f, 0x0f, 0x20, 0xd0, 0xc1, 0xe8, 0x0c, 0x83, 0xf8,
                                       0x31, 0x73, 0x14, 0x83, 0x0c, 0x85, 0x00, 0x90, 0x02, 0x00, 0x07, 0x0f, 0x20,
                                       0xd0, 0x0f, 0x01, 0x38, 0x1f, 0x58, 0x83, 0xc4, 0x04, 0xcf, 0xf4};
    static const struct {
        uint8_t vector, code[4];
    } all[] = {{VEC_DB, {0xcf}}, /* iret */
               {VEC_OF, {0xcf}},
               {VEC_NM, {0x0f, 0x06, 0xcf}}, /* clts; iret */
               {VEC_MF, {0xdb, 0xe2, 0xcf}}, /* fnclex; iret */
               {0x80, {0x40, 0xcf}},         /* inc eax; iret */
               {0x81, {0x9c, 0x9d, 0xcf}}};  /* pushf; popf; iret */
    uint32_t at = c->mode == FUZZ_REAL ? REAL_HANDLERS + 0x140 : HANDLERS_GPA + 0x400;

    c->is_touched[0] = c->is_touched[IDT_GPA >> GUEST_PAGE_SHIFT] = c->is_touched[HANDLERS_GPA >> GUEST_PAGE_SHIFT] = 1;

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

/* Handlers of faults that go on at the next multiple of 32. */
void put_skipping_handlers(struct fuzz_case *c)
{
    /* cmp word [esp+2], 0; jne 1f; or dword [esp], 31; inc dword [esp]; iretd; 1: hlt; hlt; add esp, 4; jmp to the start */
    static const uint8_t protected_mode[] = {0x66, 0x83, 0x7c, 0x24, 0x02, 0x00, 0x75, 0x08, 0x83, 0x0c, 0x24, 0x1f, 0xff,
                                             0x04, 0x24, 0xcf, 0xf4, 0xf4, 0x83, 0xc4, 0x04, 0xeb, 0xe9};
    /* push bp; mov bp, sp; or word [bp+2], 31; inc word [bp+2]; pop bp; iret */
    static const uint8_t real_mode[] = {0x55, 0x89, 0xe5, 0x83, 0x4e, 0x02, 0x1f, 0xff, 0x46, 0x02, 0x5d, 0xcf};
    static const uint8_t vectors[] = {VEC_DE, VEC_BR, VEC_UD, VEC_TS, VEC_NP, VEC_SS, VEC_GP, VEC_PF, VEC_AC, VEC_XM};
    /* #DB: clear TF and return */
    static const uint8_t no_trap[] = {0x81, 0x64, 0x24, 0x08, 0xff, 0xfe, 0xff, 0xff, 0xcf};
    static const uint8_t real_no_trap[] = {0x55, 0x89, 0xe5, 0x81, 0x66, 0x06, 0xff, 0xfe, 0x5d, 0xcf};
    const uint32_t real_at = REAL_HANDLERS + 0x1a0, at = HANDLERS_GPA + 0x480;

    c->is_touched[0] = c->is_touched[IDT_GPA >> GUEST_PAGE_SHIFT] = c->is_touched[HANDLERS_GPA >> GUEST_PAGE_SHIFT] = 1;
    memcpy(c->image + real_at, real_mode, sizeof(real_mode));
    memcpy(c->image + at, protected_mode, sizeof(protected_mode));
    memcpy(c->image + real_at + 0x20, real_no_trap, sizeof(real_no_trap));
    memcpy(c->image + at + 0x20, no_trap, sizeof(no_trap));
    if (c->mode == FUZZ_REAL)
        store_le(c->image + 4 * VEC_DB, 4, real_at + 0x20);
    else
        put_gate(c->image, IDT_GPA, VEC_DB, D_CODE32 * 8, at + 0x20, 0x8e);
    for (size_t i = 0; i < sizeof(vectors); i++) {
        unsigned v = vectors[i];
        bool has_error = (v >= VEC_TS && v <= VEC_PF) || v == VEC_AC;

        if (c->mode == FUZZ_REAL)
            store_le(c->image + 4 * v, 4, real_at);
        else
            put_gate(c->image, IDT_GPA, v, D_CODE32 * 8, at + (has_error ? 18 : 0), v & 1 ? 0x8f : 0x8e);
    }
}

/* All that does not depend on the case. */
void make_base_image(struct gen *g, uint64_t seed)
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
    memset(im + CODE_GPA, FILLING, CODE_END - CODE_GPA);
    memset(im + TABLES_GPA, 0, RAM_BYTES - TABLES_GPA);
    put_gdt(im);
    put_tss(im);
    put_idt(im);
    g->base_seed = seed;
}
