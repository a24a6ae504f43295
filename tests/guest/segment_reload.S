/* Segment registers loaded again and again at the same places, while what the selector means changes: the descriptor in memory, its table,
 * the ring.  Each load looks at the descriptor as it is now.  SDM 2B, MOV, POP, LDS; 3A 3.4.3, 3.5, 5.4, 5.6. */
#include "guest.inc"
#define SEL_A SEL_FREE
#define SEL_B (SEL_FREE + 8)
#define SEL_STACK (SEL_FREE + 16)
#define SEL_LDT_ONE (SEL_FREE + 24)
#define SEL_LDT_TWO (SEL_FREE + 32)
#define SEL_LDT_SHORT (SEL_FREE + 40)
#define AREA FREE_PAGES
#define OTHER_GDT (FREE_PAGES + 0x10000)
#define GDT_BYTES (GDT_LAST + 8)
#define SPLIT_GDT (FREE_PAGES + 0x21000 - SEL_A) /* SEL_A and those behind it lie in the second page */

        .macro  a_is base, limit=0xfffff, access=0x93, flags=0xc
        set_desc SEL_A, \base, \limit, \access, \flags
        .endm
        .macro  load_es sel
        movl    $(\sel), %ecx
        call    site_es
        .endm
        .macro  es_is value                             /* at ES:0 */
        expect  %es:0, $(\value)
        .endm
        .macro  load_refused vector, error
        try     RING0
        call    site_es
        done
        expect_fault \vector, (\error), site_es
        .endm

        movl    $0x11111111, AREA
        movl    $0x22222222, AREA + 0x1000
        movl    $0x33333333, AREA + 0x2000
        movl    $0, round
again:
        a_is    AREA
        set_desc SEL_B, AREA + 0x1000, 0xfff, 0x93, 4
        set_desc SEL_STACK, 0, 0xfffff, 0x93, 0xc

        /* the same; two by turns, of different kinds; null */
        movl    $10, %ebp
1:      load_es SEL_A
        es_is   0x11111111
        load_es SEL_A
        es_is   0x11111111
        load_es SEL_B
        es_is   0x22222222
        load_es SEL_DATA0
        expect  %es:AREA + 0x2000, $0x33333333
        load_es 0
        movl    %es, %eax
        expect  %eax, $0
        load_es 3
        movl    %es, %eax
        expect  %eax, $3
        load_es SEL_A
        decl    %ebp
        jnz     1b
        .irp    sel, 0, 2
        try     RING0
        movl    $\sel, %ecx
        call    site_es
1:      movl    %es:0, %eax
        done
        expect_fault VEC_GP, 0, 1b
        .endr

        /* base, limit and type in memory change: seen by the next load, not before */
        load_es SEL_A
        a_is    AREA + 0x1000
        es_is   0x11111111
        load_es SEL_A
        es_is   0x22222222
        a_is    AREA + 0x2000
        es_is   0x22222222
        load_es SEL_A
        es_is   0x33333333
        a_is    AREA, 3, 0x93, 4
        load_es SEL_A
        es_is   0x11111111
        try     RING0
        movl    $SEL_A, %ecx
        call    site_es
1:      movl    %es:1, %eax
        done
        expect_fault VEC_GP, 0, 1b
        a_is    AREA, 3, 0x91, 4                        /* read-only */
        try     RING0
        movl    $SEL_A, %ecx
        call    site_es
1:      movl    %eax, %es:0
        done
        expect_fault VEC_GP, 0, 1b
        load_es SEL_A
        es_is   0x11111111
        a_is    AREA, 0xfff, 0x97, 4                    /* expand-down */
        load_es SEL_A
        expect  %es:0x1000, $0x22222222
        a_is    AREA, 0xfffff, 0x9b                     /* readable code */
        load_es SEL_A
        es_is   0x11111111
        a_is    AREA, 0xfffff, 0x99                     /* not readable */
        movl    $SEL_A, %ecx
        load_refused VEC_GP, SEL_A
        a_is    AREA, 0xfffff, 0x82                     /* an LDT */
        load_refused VEC_GP, SEL_A
        a_is    AREA, 0xfffff, 0x13                     /* absent */
        load_refused VEC_NP, SEL_A
        a_is    AREA
        load_es SEL_A
        es_is   0x11111111

        /* privilege: DPL, RPL, CPL */
        movl    $(SEL_A + 3), %ecx
        load_refused VEC_GP, SEL_A
        a_is    AREA, 0xfffff, 0xb3                     /* DPL 1 */
        load_refused VEC_GP, SEL_A
        movl    $(SEL_A + 1), %ecx
        load_es SEL_A + 1
        es_is   0x11111111
        load_es SEL_A
        .irp    ring, 0, 1
        try     \ring
        movl    $SEL_A, %ecx
        call    site_es
        movl    %es:0, %eax
        done
        expect_done
        expect  %eax, $0x11111111
        .endr
        .irp    base, AREA, 0                           /* 0: like the segment that is there */
        a_is    \base, 0xfffff, 0xb3
        try     RING1
        movl    $SEL_A, %ecx
        call    site_es
        done
        expect_done
        .irp    ring, 2, 3
        movl    $SEL_A, %ecx
        try     \ring
        call    site_es
        done
        expect_fault VEC_GP, SEL_A, site_es
        .endr
        .endr
        a_is    AREA, 0xfffff, 0xf3
        .irp    ring, 0, 1, 2, 3
        movl    $(SEL_A + 3), %ecx
        try     \ring
        call    site_es
        movl    %es:0, %eax
        done
        expect_done
        expect  %eax, $0x11111111
        .endr

        /* a load sets the accessed bit again */
        a_is    AREA, 0xfffff, 0x92
        expect_bits gdt + SEL_A + 4, 0x100, 0
        load_es SEL_A
        expect_bits gdt + SEL_A + 4, 0x100, 0x100
        andb    $0xfe, gdt + SEL_A + 5
        load_es SEL_A
        expect_bits gdt + SEL_A + 4, 0x100, 0x100
        es_is   0x11111111

        /* another GDT, a shorter one, and back */
        movl    $gdt, %esi
        movl    $OTHER_GDT, %edi
        movl    $GDT_BYTES, %ecx
        cld
        movl    $SEL_DATA0, %eax
        movl    %eax, %es
        rep movsb
        movb    $0x10, OTHER_GDT + SEL_A + 3            /* base + 1000h */
        lgdt    other_gdt
        load_es SEL_A
        es_is   0x22222222
        movl    $SEL_B, %ecx
        lgdt    short_gdt
        load_es SEL_A
        es_is   0x22222222
        movl    $SEL_B, %ecx
        load_refused VEC_GP, SEL_B
        lgdt    gdt_pointer
        load_es SEL_A
        es_is   0x11111111
        load_es SEL_B
        es_is   0x22222222

        /* LDT: the same selector in two of them, a short one, and none */
        movl    gdt + SEL_A, %eax
        movl    gdt + SEL_A + 4, %edx
        movl    %eax, ldt_one + 8
        movl    %edx, ldt_one + 12
        movl    gdt + SEL_B, %eax
        movl    gdt + SEL_B + 4, %edx
        movl    %eax, ldt_two + 8
        movl    %edx, ldt_two + 12
        set_desc SEL_LDT_ONE, 0, 0xf, 0x82, 0
        set_desc SEL_LDT_TWO, 0, 0xf, 0x82, 0
        set_desc SEL_LDT_SHORT, 0, 0xe, 0x82, 0
        movl    $ldt_one, %eax
        movw    %ax, gdt + SEL_LDT_ONE + 2
        movw    %ax, gdt + SEL_LDT_SHORT + 2
        shrl    $16, %eax
        movb    %al, gdt + SEL_LDT_ONE + 4
        movb    %al, gdt + SEL_LDT_SHORT + 4
        movl    $ldt_two, %eax
        movw    %ax, gdt + SEL_LDT_TWO + 2
        shrl    $16, %eax
        movb    %al, gdt + SEL_LDT_TWO + 4
        movl    $3, %ebp
1:      movl    $SEL_LDT_ONE, %eax
        lldt    %ax
        load_es 12
        es_is   0x11111111
        movl    $SEL_LDT_TWO, %eax
        lldt    %ax
        load_es 12
        es_is   0x22222222
        movl    $SEL_LDT_SHORT, %eax
        lldt    %ax
        movl    $12, %ecx
        load_refused VEC_GP, 12
        xorl    %eax, %eax
        lldt    %ax
        load_refused VEC_GP, 12
        decl    %ebp
        jnz     1b
        movl    $SEL_LDT, %eax
        lldt    %ax

        /* flags and registers stay; POP moves ESP, LES and LFS load a register */
        a_is    AREA
        load_es SEL_A
        .irp    flags, 0xad7, 0x246, 0x202
        pushl   $(\flags & ~EFLAGS_IF)
        popfl
        movl    $SEL_A, %ecx
        movl    $0x89abcdef, %eax
        movl    %ecx, %es
        movl    %ecx, %fs
        pushfl
        popl    %edx
        expect  %edx, $(\flags & ~EFLAGS_IF | 2)
        expect  %ecx, $SEL_A
        expect  %eax, $0x89abcdef
        .endr
        cld
        movl    %esp, %ebp
        .irp    sel, SEL_A, SEL_B, 0, SEL_A, SEL_DATA0
        .irp    reg, es, fs, gs
        pushl   $(0x12340000 | \sel)
        popl    %\reg
        movl    %\reg, %eax
        expect  %eax, $\sel
        movl    %esp, %eax
        expect  %eax, %ebp
        pushw   $\sel
        popw    %\reg
        movl    %\reg, %eax
        expect  %eax, $\sel
        movl    %esp, %eax
        expect  %eax, %ebp
        .endr
        .endr
        movl    $4, %edi
1:      movl    $SEL_A, far_pointer + 4
        movl    $0xabcd1234, far_pointer
        les     far_pointer, %ebx
        expect  %ebx, $0xabcd1234
        es_is   0x11111111
        movl    $SEL_B, far_pointer + 4
        lfs     far_pointer, %ebx
        expect  %fs:0, $0x22222222
        movw    $SEL_B, far_pointer + 2
        movl    $-1, %ebx
        lgsw    far_pointer, %bx
        expect  %ebx, $0xffff1234
        expect  %gs:0, $0x22222222
        movl    $0, far_pointer + 4
        les     far_pointer, %esi
        movl    %es, %eax
        expect  %eax, $0
        decl    %edi
        jnz     1b

        /* SS: with the next instruction; its own rules */
        movl    $4, %edi
1:      movl    %esp, %esi
        movl    $SEL_STACK, %eax
        movl    %eax, %ss
        movl    $(AREA + 0x800), %esp
        pushl   $0x1234
        movl    %ss, %ebx
        movl    $SEL_DATA0, %eax
        movl    %eax, %ss
        movl    %esi, %esp
        expect  AREA + 0x7fc, $0x1234
        expect  %ebx, $SEL_STACK
        decl    %edi
        jnz     1b
        .irp    bad, 0xb3, 0x91, 0x9b, 0x82             /* DPL 1, read-only, code, system */
        set_desc SEL_STACK, 0, 0xfffff, \bad, 0xc
        try     RING0
        movl    $SEL_STACK, %eax
1:      movl    %eax, %ss
        movl    %esp, %ebx
        done
        expect_fault VEC_GP, SEL_STACK, 1b
        .endr
        set_desc SEL_STACK, 0, 0xfffff, 0x13, 0xc
        try     RING0
        movl    $SEL_STACK, %eax
1:      movl    %eax, %ss
        movl    %esp, %ebx
        done
        expect_fault VEC_SS, SEL_STACK, 1b

        /* predicted returns over a load that changes the mode, and code that is called in several */
        movl    $20, %ebp
1:      load_es SEL_A
        call    outer
        load_es 0
        call    outer
        load_es SEL_DATA0
        call    outer
        decl    %ebp
        jnz     1b

        cmpl    $0, round
        jne     paged
        movl    $1, round
        paging_on
        jmp     again

        /* the descriptor's page is absent: #PF of the supervisor, in any ring; nothing has changed; then it is another page's */
paged:  movl    $SEL_DATA0, %eax
        movl    %eax, %es
        a_is    AREA, 0xfffff, 0xf3
        set_desc SEL_B, AREA + 0x1000, 0xfffff, 0xf3, 0xc
        movl    $gdt, %esi
        movl    $SPLIT_GDT, %edi
        movl    $GDT_BYTES, %ecx
        rep movsb
        movl    $(SPLIT_GDT + SEL_A), %esi              /* the other page has them the other way round */
        movl    $(FREE_PAGES + 0x31000), %edi
        movl    SPLIT_GDT + SEL_B, %eax
        movl    %eax, (%edi)
        movl    SPLIT_GDT + SEL_B + 4, %eax
        movl    %eax, 4(%edi)
        lgdt    split_gdt
        .irp    ring, 0, 1, 2, 3
        movl    $(FREE_PAGES + 0x21000 | PTE_P | PTE_RW), PTE(FREE_PAGES + 0x21000)
        invlpg  FREE_PAGES + 0x21000
        try     \ring
        movl    $(SEL_A + 3), %ecx
        call    site_es
        movl    %es:0, %eax
        done
        expect_done
        expect  %eax, $0x11111111
        movl    $(FREE_PAGES + 0x21000 | PTE_RW), PTE(FREE_PAGES + 0x21000)
        invlpg  FREE_PAGES + 0x21000
        movl    $0xc0ffee00, %ebx
        try     \ring
        movl    $(SEL_A + 3), %ecx
        call    site_es
        done
        expect_fault VEC_PF, 0, site_es
        expect  trap_cr2, $(SPLIT_GDT + SEL_A)
        movl    $(SEL_A + 3), far_pointer + 4
        try     \ring
1:      lfs     far_pointer, %ebx
        done
        expect_fault VEC_PF, 0, 1b
        expect  %ebx, $0xc0ffee00
        try     \ring
        movl    %esp, %ebx
        pushl   $(SEL_A + 3)
1:      popl    %gs
        done
        expect_fault VEC_PF, 0, 1b
        .if     \ring
        subl    $4, %ebx
        expect  trap_esp, %ebx
        .endif
        movl    $(FREE_PAGES + 0x31000 | PTE_P | PTE_RW), PTE(FREE_PAGES + 0x21000)
        invlpg  FREE_PAGES + 0x21000
        try     \ring
        movl    $(SEL_A + 3), %ecx
        call    site_es
        movl    %es:0, %eax
        done
        expect_done
        expect  %eax, $0x22222222
        .endr
        lgdt    gdt_pointer

        /* after real mode, whose loads leave other hidden parts with the same selectors */
        movl    %cr0, %eax
        andl    $~CR0_PG, %eax
        movl    %eax, %cr0
        a_is    AREA
        movl    $0x44444444, 16 * SEL_A
        load_es SEL_A
        es_is   0x11111111
        enter_real_mode
        movw    $SEL_A, %cx
        movw    %cx, %es
        lgdtl   OFF16(gdt_pointer)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE0, $1f
        .code32
1:      movl    $SEL_DATA0, %eax
        movl    %eax, %ds
        movl    %eax, %ss
        movl    $stack_top, %esp
        es_is   0x44444444
        load_es SEL_A
        es_is   0x11111111
        pass

site_es:
        movl    %ecx, %es
        ret
outer:  call    inner
        call    inner
        ret
inner:  incl    count
        ret

        .text   1
        .balign 8
round:  .long   0
count:  .long   0
far_pointer: .long 0, 0
other_gdt: .word GDT_BYTES - 1
        .long   OTHER_GDT
short_gdt: .word SEL_A + 7
        .long   OTHER_GDT
split_gdt: .word GDT_BYTES - 1
        .long   SPLIT_GDT
        .balign 8
ldt_one: .quad  0, 0
ldt_two: .quad  0, 0
