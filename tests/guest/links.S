/* Code that jumps from page to page, while the pages it jumps to are mapped otherwise: in another address space, after INVLPG, after
 * a CR3 load, and not at all.  SDM 3A 4.10. */
#include "guest.inc"
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define START  (FREE_PAGES + 0x20000)   /* calls NEXT, returns */
#define NEXT   (FREE_PAGES + 0x21000)   /* %eax = 1 (at A) or 2 (at B); goes on in LAST */
#define LAST   (FREE_PAGES + 0x24000)   /* adds 10h (at C) or 20h (at D); returns */
#define A      (FREE_PAGES + 0x30000)
#define B      (FREE_PAGES + 0x31000)
#define C      (FREE_PAGES + 0x32000)
#define D      (FREE_PAGES + 0x33000)
#define SPACE2 (FREE_PAGES + 0x40000)   /* a directory and its table, */
#define TABLE2 (FREE_PAGES + 0x41000)
#define PTE2(linear) (TABLE2 + ((linear) >> 12) * 4)

        /* often enough to be translated and linked */
        .macro  runs want
        movl    $12, %ecx
9:      pushl   %ecx
        movl    $START, %eax
        call    *%eax
        popl    %ecx
        expect  %eax, $(\want)
        loop    9b
        .endm
        .macro  space dir
        movl    $\dir, %eax
        movl    %eax, %cr3
        .endm
        .macro  map table, linear, frame
        movl    $((\frame) | RIGHTS), \table + ((\linear) >> 12) * 4
        .endm
        .macro  code at, jump, bytes:vararg
        movl    $\at, %edi
        movl    $900f, %esi
        movl    $(901f - 900f), %ecx
        rep movsb
        jmp     901f
900:    .byte   \bytes
        .long   \jump
        .byte   0xc3
901:
        .endm

        code    START, (NEXT-(START+5)), 0xe8                           /* call NEXT; ret */
        code    A, (LAST-(NEXT+10)), 0xb8, 1, 0, 0, 0, 0xe9             /* movl $1, %eax; jmp LAST */
        code    B, (LAST-(NEXT+10)), 0xb8, 2, 0, 0, 0, 0xe9
        code    C, 0x10, 0x05                                           /* addl $10h, %eax; ret */
        code    D, 0x20, 0x05
        paging_on
        movl    $PAGE_TABLE, %esi
        movl    $TABLE2, %edi
        movl    $1024, %ecx
1:      lodsl
        orl     $(PTE_A | PTE_D), %eax          /* which may be set in one of them any time */
        stosl
        loop    1b
        movl    $(TABLE2 | RIGHTS), SPACE2
        map     PAGE_TABLE, NEXT, A
        map     PAGE_TABLE, LAST, C
        map     TABLE2, NEXT, B
        map     TABLE2, LAST, D
        space   PAGE_DIR

        /* two address spaces by turns, the first of which has linked all */
        runs    0x11
        movl    $8, %ebx
1:      space   SPACE2
        runs    0x22
        space   PAGE_DIR
        runs    0x11
        decl    %ebx
        jnz     1b

        /* another page in the same one, again and again; the links are made anew in between */
        movl    $8, %ebx
2:      map     PAGE_TABLE, LAST, D
        invlpg  LAST
        runs    0x21
        map     PAGE_TABLE, NEXT, B
        space   PAGE_DIR
        runs    0x22
        map     PAGE_TABLE, LAST, C
        invlpg  LAST
        runs    0x12
        map     PAGE_TABLE, NEXT, A
        invlpg  NEXT
        runs    0x11
        decl    %ebx
        jnz     2b

        /* no page: the jump faults, with its target's address */
        .irp    linear, NEXT, LAST
        movl    PTE(\linear), %ebx
        movl    $0, PTE(\linear)
        invlpg  \linear
        movl    $START, %edx
        try     RING3
        call    *%edx
        done
        expect_fault VEC_PF, 4, \linear
        expect  trap_cr2, $\linear
        movl    %ebx, PTE(\linear)
        runs    0x11
        .endr

        /* the second address space sees the page that was not there when it first came by */
        map     TABLE2, NEXT, A
        movl    $0, PTE2(LAST)
        space   SPACE2
        movl    $START, %edx
        try     RING3
        call    *%edx
        done
        expect_fault VEC_PF, 4, LAST
        map     TABLE2, LAST, D
        runs    0x21
        space   PAGE_DIR
        runs    0x11
        pass
