/* See guest_out.h.  The guest moves itself out of the way, fills the first 31000h bytes with the case's memory, sets up the
 * processor and jumps.  It ends where the case does, in a handler, which compares the registers. */
#include "tests/fuzz/guest_out.h"

#include <string.h>
#include "cpu/insn.h"

#define END_AT     0x2600u /* in the handlers' page: code that ends, code that starts, tables */
#define START_AT   0x2700u
#define FPU_AT     0x2a00u
#define POINTER_AT 0x29f0u
#define ROW        16
#define END_FLAGS  (EFLAGS_STATUS | EFLAGS_DF)

static bool is_zero(const uint8_t *p, unsigned n)
{
    while (n > 0 && !p[n - 1])
        n--;
    return n == 0;
}

static void print_bytes(FILE *f, uint32_t at, const uint8_t *p, unsigned n)
{
    fprintf(f, "        .long   %#x, %u\n", at, n);
    for (unsigned i = 0; i < n; i++)
        fprintf(f, "%s%#x%s", i % ROW ? ", " : "        .byte   ", p[i], i % ROW == ROW - 1 || i == n - 1 ? "\n" : "");
}

/* Runs of rows that are not zero. */
static void print_memory(FILE *f, const uint8_t *image)
{
    for (uint32_t at = 0; at < MEMORY_BYTES;) {
        uint32_t end = at;

        while (end < MEMORY_BYTES && !is_zero(image + end, ROW))
            end += ROW;
        if (end > at)
            print_bytes(f, at, image + at, end - at);
        at = end > at ? end : at + ROW;
    }
}

/* Handlers that halt lead to the end; the task is not busy before LTR; filling that nobody reads goes. */
static void patch(uint8_t *image, const struct fuzz_case *c)
{
    for (unsigned v = 0; v < 256; v++) {
        uint8_t *gate = image + IDT_GPA + 8 * v;
        uint32_t off = (uint32_t)(load_le(gate, 2) | load_le(gate + 6, 2) << 16);

        if (off == HANDLERS_GPA + 2 * v)
            store_le(gate, 2, END_AT);
    }
    image[GDT_GPA + 8 * D_TSS + 5] &= (uint8_t)~2;
    memset(image + 0x400, 0, GDT_GPA - 0x400);
    memset(image, 0, 0x400);
    memset(image + HANDLERS_GPA, 0, 0x300);
    memset(image + END_AT, 0, TSS_GPA - END_AT);
    for (uint32_t at = CODE_GPA; at < CODE_END; at += ROW) { /* INT3 is needed only where the case may come */
        bool is_filling = true;

        for (int i = -(int)ROW; i < 3 * ROW && is_filling; i++)
            is_filling = at + (uint32_t)i >= CODE_END || at + (uint32_t)i < CODE_GPA || image[at + (uint32_t)i] == 0xcc || !image[at + (uint32_t)i];
        if (is_filling)
            memset(image + at, 0, ROW);
    }
    store_le(image + POINTER_AT, 2, c->gdt_limit);
    store_le(image + POINTER_AT + 2, 4, GDT_GPA);
    store_le(image + POINTER_AT + 8, 2, c->idt_limit);
    store_le(image + POINTER_AT + 10, 4, IDT_GPA);
    memcpy(image + FPU_AT, c->fpu, sizeof(c->fpu));
    memset(image + FPU_AT + XSAVE_BV, 0, 64);
    image[FPU_AT + XSAVE_BV] = (uint8_t)c->xcr0;
}

static void print_end(FILE *f, const struct guest_end *want)
{
    static const char *const gpr[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};

    fprintf(f, "        .long   %#x, end_stop - end_code\nend_code:\n        pushfl\n", END_AT);
    for (unsigned i = 0; i < 8; i++)
        if (i != REG_SP)
            fprintf(f, "        cmpl    $%#x, %%%s\n        jne     wrong\n", want->gpr[i], gpr[i]);
    fprintf(f,
            "        popl    %%eax\n        andl    $%#x, %%eax\n        cmpl    $%#x, %%eax\n        jne     wrong\n"
            "        xorb    %%al, %%al              /* pass */\n        outb    %%al, $0xf4\n"
            "wrong:  movb    $1, %%al\n        outb    %%al, $0xf4\n        hlt\nend_stop:\n",
            END_FLAGS, want->eflags & END_FLAGS);
}

static void print_gprs(FILE *f, const struct fuzz_case *c)
{
    static const char *const gpr[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};

    for (unsigned i = 0; i < 8; i++)
        if (i != REG_SP)
            fprintf(f, "        movl    $%#x, %%%s\n", (unsigned)c->gpr[i], gpr[i]);
}

static void print_start(FILE *f, const struct fuzz_case *c)
{
    static const char *const sreg[] = {"es", NULL, NULL, "ds", "fs", "gs"};
    static const unsigned v86_frame[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES, SEG_SS};
    bool is_v86 = c->mode == FUZZ_V86;

    fprintf(f, "        .long   %#x, start_stop - start_code\nstart_code:\n", START_AT);
    fprintf(f, "        lgdt    %#x\n        lidt    %#x\n        ljmp    $%u, $%#x + 1f - start_code\n", POINTER_AT,
            POINTER_AT + 8, D_CODE32 * 8, START_AT);
    fprintf(f, "1:      movl    $%u, %%eax\n        movl    %%eax, %%ss\n        movl    %%eax, %%ds\n        movl    $%#x, %%esp\n",
            D_DATA32 * 8, RING0_STACK - 0x200);
    fprintf(f, "        movl    $%u, %%eax\n        lldt    %%ax\n        movl    $%u, %%eax\n        ltr     %%ax\n", D_LDT * 8,
            D_TSS * 8);
    fprintf(f, "        movl    $0x200, %%eax\n        movl    %%eax, %%cr4\n        fxrstor %#x\n", FPU_AT);
    if (c->efer)
        fprintf(f, "        movl    $0xc0000080, %%ecx\n        movl    $%#x, %%eax\n        xorl    %%edx, %%edx\n        wrmsr\n", c->efer);
    fprintf(f, "        movl    $%#x, %%eax\n        movl    %%eax, %%cr4\n        movl    $%#x, %%eax\n        movl    %%eax, %%cr3\n", c->cr4,
            c->cr3);
    if (c->cr4 & CR4_OSXSAVE)
        fprintf(f, "        xorl    %%ecx, %%ecx\n        xorl    %%edx, %%edx\n        movl    $%u, %%eax\n        xsetbv\n        xrstor  %#x\n",
                (unsigned)c->xcr0, FPU_AT);
    fprintf(f, "        movl    $%#x, %%eax\n        movl    %%eax, %%cr0\n", c->cr0);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        if (sreg[i] && !is_v86 && i != SEG_DS)
            fprintf(f, "        movl    $%#x, %%eax\n        movl    %%eax, %%%s\n", c->seg[i].sel, sreg[i]);
    if (is_v86)
        for (unsigned i = 0; i < ARRAY_SIZE(v86_frame) - 1; i++)
            fprintf(f, "        pushl   $%#x\n", c->seg[v86_frame[i]].sel);
    if (c->cpl == 3)
        fprintf(f, "        pushl   $%#x\n        pushl   $%#x\n", c->seg[SEG_SS].sel, (unsigned)c->gpr[REG_SP]);
    fprintf(f, "        pushl   $%#x\n", c->eflags & ~EFLAGS_TF);
    if (c->cpl == 3) {
        fprintf(f, "        pushl   $%#x\n        pushl   $%#x\n", c->seg[SEG_CS].sel, c->rip);
        if (!is_v86)
            fprintf(f, "        movl    $%#x, %%eax\n        movl    %%eax, %%ds\n", c->seg[SEG_DS].sel);
        print_gprs(f, c);
        fprintf(f, "        iretl\nstart_stop:\n");
        return;
    }
    fprintf(f, "        popfl\n        movl    $%#x, %%eax\n        movl    %%eax, %%ds\n        movl    $%#x, %%eax\n        movl    %%eax, %%ss\n"
               "        movl    $%#x, %%esp\n",
            c->seg[SEG_DS].sel, c->seg[SEG_SS].sel, (unsigned)c->gpr[REG_SP]);
    print_gprs(f, c);
    fprintf(f, "        ljmp    $%#x, $%#x\nstart_stop:\n", c->seg[SEG_CS].sel, c->rip);
}

static void print_code_comment(FILE *f, const struct fuzz_case *c)
{
    for (unsigned i = 0; i < c->n_insns; i++) {
        const uint8_t *b = c->image + c->insns[i].gpa;
        char text[80];

        if (b[0] == 0x90 && (c->insns[i].len == 1 || b[1] == 0x90))
            continue;
        disasm(text, sizeof(text), b, c->insns[i].len, c->insns[i].gpa - c->seg[SEG_CS].base, c->code_size);
        fprintf(f, " *   %#x  %s\n", (unsigned)(c->insns[i].gpa - c->seg[SEG_CS].base), text);
    }
}

bool guest_print(FILE *f, const struct fuzz_case *c, const struct guest_end *want, const char *title)
{
    static uint8_t image[MEMORY_BYTES];

    if (c->mode == FUZZ_REAL)
        return false;
    memcpy(image, c->image, sizeof(image));
    patch(image, c);
    fprintf(f, "/* %s\n", title);
    print_code_comment(f, c);
    fprintf(f, " * Made by insn_fuzz.  Alone: run-guest ringer bt|interp|lockstep THIS.elf */\n"
               "        .globl  guest_entry\n        .text\n        .balign 4\n        .long   0x1badb002, 0, -0x1badb002\n"
               "#define MOVED 0x1f0000\n"
               "guest_entry:\n        cli\n        cld\n        movl    $0x10000, %%esi\n        movl    $0x10000 + MOVED, %%edi\n"
               "        movl    $0x4000, %%ecx\n        rep movsl\n        movl    $1f + MOVED, %%eax\n        jmp     *%%eax\n"
               "1:      xorl    %%edi, %%edi\n        xorl    %%eax, %%eax\n        movl    $%#x, %%ecx\n        rep stosb\n"
               "        movl    $rows + MOVED, %%esi\n"
               "2:      lodsl\n        cmpl    $-1, %%eax\n        je      3f\n        movl    %%eax, %%edi\n        lodsl\n"
               "        movl    %%eax, %%ecx\n        rep movsb\n        jmp     2b\n"
               "3:      movl    $%#x, %%eax\n        jmp     *%%eax\nrows:\n",
            RAM_BYTES, START_AT);
    print_memory(f, image);
    print_end(f, want);
    print_start(f, c);
    fprintf(f, "        .long   -1\n");
    return !ferror(f);
}
