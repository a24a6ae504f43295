/* A block of nothing but a jump to another page dies by a store to its code; then the page it jumped to is mapped elsewhere, which takes
 * the jump back.  The way from the dead block to its successor had been written over that jump, and is still taken. */
#include "guest.inc"
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define START  (FREE_PAGES + 0x20000)   /* jumps to SHORT; all jumps go up, so that no block polls */
#define SHORT  (FREE_PAGES + 0x21000)   /* jumps to NEXT */
#define NEXT   (FREE_PAGES + 0x22000)   /* %eax = 1 (at A) or 2 (at B); returns */
#define A      (FREE_PAGES + 0x30000)
#define B      (FREE_PAGES + 0x31000)

        .macro  runs want
        movl    $12, %ecx
9:      xorl    %eax, %eax
        movl    $START, %edx
        call    *%edx
        expect  %eax, $\want
        loop    9b
        .endm
        .macro  next frame
        movl    $(\frame | RIGHTS), PTE(NEXT)
        invlpg  NEXT
        .endm

        movb    $0xe9, START
        movl    $(SHORT - (START + 5)), START + 1
        movb    $0xe9, SHORT
        movl    $(NEXT - (SHORT + 5)), SHORT + 1
        movb    $0xb8, A                        /* movl $1, %eax; ret */
        movl    $1, A + 1
        movb    $0xc3, A + 5
        movb    $0xb8, B
        movl    $2, B + 1
        movb    $0xc3, B + 5
        paging_on
        movl    $8, %ebx
1:      next    A
        runs    1
        movb    $0xe9, SHORT
        next    B
        runs    2
        decl    %ebx
        jnz     1b
        pass
