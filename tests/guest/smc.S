/* Code that changes itself: the next instruction, further on in the block, an earlier block, across a page border, through
 * an alias, by REP MOVS, by a stack push, and many times over.  SDM 3A 8.1.3. */
#include "guest.inc"
#define CODE  (FREE_PAGES + 0x2000)
#define ALIAS (FREE_PAGES + 0x8000)
#define RET   0xc3
        jmp     1f                              /* next instruction */
1:      movb    $0x42, 2f + 1
2:      movb    $0x11, %al
        movzbl  %al, %eax
        expect  %eax, $0x42

        movl    $2, %ecx                        /* the same again, now that the page is known to hold code */
3:      movl    %ecx, 4f + 1
4:      movl    $0, %eax
        expect  %eax, %ecx
        loop    3b

        movl    $0, %eax                        /* turning an instruction into others */
        movl    $0x90404040, 5f                 /* inc %eax three times, nop */
        jmp     5f
5:      int3
        int3
        int3
        int3
        expect  %eax, $3

        movl    $200, %ecx                      /* a function rewritten over and over */
6:      movb    $0xb8, CODE                     /* mov $ecx, %eax; ret */
        movl    %ecx, CODE + 1
        movb    $RET, CODE + 5
        movl    $CODE, %edx
        call    *%edx
        expect  %eax, %ecx
        movl    $CODE, %edx
        notl    CODE + 1
        call    *%edx
        notl    %eax
        expect  %eax, %ecx
        loop    6b

        /* an instruction over a page border, its second half rewritten */
        movb    $0xb8, CODE + 0xffd
        movl    $0x11223344, CODE + 0xffe
        movb    $RET, CODE + 0x1002
        call    CODE + 0xffd
        expect  %eax, $0x11223344
        movb    $0x99, CODE + 0x1001
        call    CODE + 0xffd
        expect  %eax, $0x99223344
        movb    $0x88, CODE + 0xffe
        call    CODE + 0xffd
        expect  %eax, $0x99223388

        /* by REP MOVSB */
        movl    $template, %esi
        movl    $CODE, %edi
        movl    $6, %ecx
        rep movsb
        call    CODE
        expect  %eax, $0x01020304

        /* by a push: ESP within the page of code */
        movl    $CODE, %edx
        movl    %esp, %ebx
        movl    $(CODE + 5), %esp
        pushl   $0x0a0b0c0d
        movl    %ebx, %esp
        call    *%edx
        expect  %eax, $0x0a0b0c0d

        /* data beside code, in a loop that is itself code of that page */
        movl    $1000, %ecx
        movl    $0, %eax
7:      incl    counter
        addl    counter, %eax
        loop    7b
        expect  %eax, $500500

        /* paging: write through an alias */
        paging_on
        movl    $(CODE | PTE_P | PTE_RW | PTE_US), PTE(ALIAS)
        invlpg  ALIAS
        call    CODE
        expect  %eax, $0x0a0b0c0d
        movl    $50, %ecx
8:      movl    %ecx, ALIAS + 1
        call    CODE
        expect  %eax, %ecx
        movl    %ecx, CODE + 1
        notl    CODE + 1
        call    ALIAS
        notl    %eax
        expect  %eax, %ecx
        loop    8b

        /* remap the page of code to another frame */
        movb    $0xb8, FREE_PAGES + 0x20000
        movl    $0x77777777, FREE_PAGES + 0x20001
        movb    $RET, FREE_PAGES + 0x20005
        movl    $(FREE_PAGES + 0x20000 + (PTE_P | PTE_RW | PTE_US)), PTE(ALIAS)
        invlpg  ALIAS
        call    ALIAS
        expect  %eax, $0x77777777
        call    CODE
        expect  %eax, $-2

        /* and an indirect jump to it, before and after */
        movl    $ALIAS, %edx
        movl    $20, %ecx
9:      movl    $(CODE | PTE_P | PTE_RW | PTE_US), PTE(ALIAS)
        invlpg  (%edx)
        call    *%edx
        expect  %eax, $-2
        movl    $(FREE_PAGES + 0x20000 + (PTE_P | PTE_RW | PTE_US)), PTE(ALIAS)
        movl    %cr3, %ebx
        movl    %ebx, %cr3
        call    *%edx
        expect  %eax, $0x77777777
        loop    9b
        pass

template:
        movl    $0x01020304, %eax
        ret
counter: .long  0
