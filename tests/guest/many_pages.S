/* More pages in use than Ringer keeps mappings for (MOST_MAPS), in one address space: two frames by turns, so that no two pages make one
 * mapping.  Most are mapped as instructions fault there that do so seldom; the last by instructions that have come to look pages up in
 * software, when they have done so for long enough. */
#include "guest.inc"
#define RIGHTS  (PTE_P | PTE_RW | PTE_US)
#define TABLE   (FREE_PAGES + 0x10000)
#define FRAME_A (FREE_PAGES + 0x20000)
#define FRAME_B (FREE_PAGES + 0x22000)
#define CODE    (FREE_PAGES + 0x30000)
#define START   0x40000000
#define TABLES  56                      /* the same one, again and again: 57,344 pages */
#define HARD    14000                   /* instructions, with three pages for each */
#define SOFT    3000                    /* with four, then with one */
#define PASSES  1200
#define INSN    8                       /* bytes of each, with its addition */
#define CODE2   (CODE + HARD * INSN + INSN)

/* n instructions to read a page each and go on to the next, at %edi. */
        .macro  reads n
        movl    $\n, %ecx
1:      movl    $0xc281028b, (%edi)     /* movl (%edx), %eax; addl $0x1000, %edx */
        movl    $0x1000, 4(%edi)
        addl    $INSN, %edi
        loop    1b
        movb    $0xc3, (%edi)           /* ret */
        addl    $INSN, %edi
        .endm
        .macro  read_pages code
        movl    $\code, %edi
        call    *%edi
        expect  %eax, $0x22222222       /* each reads an even number */
        .endm

        paging_on
        xorl    %ecx, %ecx
1:      movl    $(FRAME_A | RIGHTS), TABLE(, %ecx, 4)
        movl    $(FRAME_B | RIGHTS), TABLE + 4(, %ecx, 4)
        addl    $2, %ecx
        cmpl    $1024, %ecx
        jb      1b
        xorl    %ecx, %ecx
2:      movl    $(TABLE | RIGHTS), PAGE_DIR + (START >> 22) * 4(, %ecx, 4)
        incl    %ecx
        cmpl    $TABLES, %ecx
        jb      2b
        movl    %cr3, %eax
        movl    %eax, %cr3
        movl    $0x11111111, FRAME_A
        movl    $0x22222222, FRAME_B
        movl    $CODE, %edi
        reads   HARD
        reads   SOFT
        movl    $START, %edx
        .rept   3
        read_pages CODE
        .endr
        .rept   4
        read_pages CODE2
        .endr
        movl    %edx, %esi
        movl    $PASSES, %ebp
3:      movl    %esi, %edx
        read_pages CODE2
        decl    %ebp
        jnz     3b
        pass
