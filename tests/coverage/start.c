/* See start.h. */
#include "tests/coverage/start.h"

#include <string.h>
#include "cpu/avx.h"
#include "tests/coverage/reasons.h"
#include "tests/fuzz/native.h"

static void put_desc(uint8_t *image, unsigned index, uint32_t base, uint32_t limit, unsigned attr)
{
    store_le(image + GDT_GPA + 8 * index, 8,
             (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xff) << 40 |
                 (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attr >> 12 & 15) << 52 | (uint64_t)(base >> 24) << 56);
}

/* machine_load() sets the table registers; selectors are those of fuzz.h.  Descriptors are accessed already. */
void start_image(uint8_t im[MEMORY_BYTES])
{
    memset(im, 0, MEMORY_BYTES);
    memset(im + REAL_HANDLERS, 0xf4, 0x100);
    memset(im + HANDLERS_GPA, 0xf4, 0x1000);
    memset(im + CODE_GPA, END_OF_CODE, CODE_END - CODE_GPA);
    for (unsigned v = 0; v < 256; v++) {
        store_le(im + 4 * v, 4, REAL_HANDLERS + v);
        store_le(im + IDT_GPA + 8 * v, 8, (HANDLERS_GPA + v) | (uint64_t)(D_CODE32 * 8) << 16 | (uint64_t)0xee << 40);
    }
    put_desc(im, D_CODE32, 0, 0xfffff, 0xc09b);
    put_desc(im, D_DATA32, 0, 0xfffff, 0xc093);
    put_desc(im, D_UCODE32, 0, 0xfffff, 0xc0fb); /* SYSEXIT's */
    put_desc(im, D_UDATA32, 0, 0xfffff, 0xc0f3);
    put_desc(im, D_CODE16, CODE_GPA, 0x7fff, 0x009b);
    put_desc(im, D_DATA16, DATA_GPA, 0xffff, 0x0093);
    put_desc(im, D_STACK16, STACK_GPA, 0xffff, 0x0093);
    put_desc(im, D_TSS, TSS_GPA, 0x1ff, 0x008b);
    put_desc(im, D_TSS2, TSS2_GPA, 0x1ff, 0x0089);
    put_desc(im, D_LDT, LDT_GPA, 0x1f, 0x0082);
    store_le(im + TSS_GPA + 4, 4, RING0_STACK - 0x40);
    store_le(im + TSS_GPA + 8, 2, D_DATA32 * 8);
    store_le(im + TSS_GPA + 0x66, 2, 0x68); /* all ports of the bitmap allowed */
}

static void load_sreg(struct fuzz_case *c, unsigned s, uint16_t sel, uint32_t base, uint32_t limit, uint16_t attr)
{
    c->seg[s] = (struct segment){.sel = sel, .base = base, .limit = limit, .attr = attr};
}

static void load_segments(struct fuzz_case *c, unsigned mode)
{
    for (unsigned s = 0; s < SEG_COUNT; s++) {
        uint32_t base = s == SEG_CS ? CODE_GPA : s == SEG_SS ? STACK_GPA : DATA_GPA;

        if (mode == ROW_PROT32)
            load_sreg(c, s, (s == SEG_CS ? D_CODE32 : D_DATA32) * 8, 0, 0xffffffff, s == SEG_CS ? 0xc09b : 0xc093);
        else if (mode == ROW_PROT16)
            load_sreg(c, s, (s == SEG_CS ? D_CODE16 : s == SEG_SS ? D_STACK16 : D_DATA16) * 8, base,
                      s == SEG_CS ? 0x7fff : 0xffff, s == SEG_CS ? 0x9b : 0x93);
        else
            load_sreg(c, s, (uint16_t)(base >> 4), base, 0xffff, mode == ROW_V86 ? 0xf3 : 0x93);
    }
}

void start_mode(struct fuzz_case *c, unsigned mode)
{
    static const enum fuzz_mode fuzz_modes[ROW_MODES] = {FUZZ_REAL, FUZZ_PROT16, FUZZ_FLAT, FUZZ_V86};

    memset(c->is_touched, 1, sizeof(c->is_touched)); /* machine_load() must look at every page */
    c->mode = fuzz_modes[mode];
    c->code_size = mode == ROW_PROT32 ? 4 : 2;
    c->cpl = mode == ROW_V86 ? 3 : 0;
    c->cr0 = CR0_ET | CR0_NE | (mode == ROW_REAL ? 0 : CR0_PE);
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PCE | (c->xcr0 ? CR4_OSXSAVE : 0);
    c->eflags = EFLAGS_1 | EFLAGS_IOPL | (mode == ROW_V86 ? EFLAGS_VM : 0);
    c->gdt_limit = D_COUNT * 8 - 1;
    c->ldt_limit = 0x1f;
    c->idt_limit = 0x7ff;
    load_segments(c, mode);
    c->rip = CODE_AT - (uint32_t)c->seg[SEG_CS].base;
}

void start_native(struct fuzz_case *c)
{
    c->is_native = true;
    c->cpl = 3;
    c->cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP | CR0_MP | CR0_AM;
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (c->xcr0 & XCR0_AVX ? CR4_OSXSAVE : 0);
    c->cr3 = TABLES_GPA;
    c->eflags = EFLAGS_1 | EFLAGS_IF;
    for (unsigned s = 0; s < SEG_COUNT; s++) {
        c->seg[s].sel |= 3;
        c->seg[s].attr |= 3u << SEG_ATTR_DPL_SHIFT;
    }
    store_le(c->image + TABLES_GPA, 4, (TABLES_GPA + 0x1000) | 0x67);
    for (unsigned page = 0; page < MEMORY_PAGES; page++)
        store_le(c->image + TABLES_GPA + 0x1000 + 4 * page, 4, native_page_entry(page));
}
