/* Pages that the same instructions find remapped, read-only, absent or full of code again and again: what these read and write, the
 * flags, faults, A and D are as the first time.  Whoever makes such instructions look their pages up in another way shows here. */
#include "guest.inc"
#define PAGE_A (FREE_PAGES + 0x0000)
#define PAGE_B (FREE_PAGES + 0x1000)            /* behind it */
#define FRAME0 (FREE_PAGES + 0x10000)
#define FRAME1 (FREE_PAGES + 0x11000)
#define FRAME2 (FREE_PAGES + 0x12000)
#define CODE   (FREE_PAGES + 0x20000)
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define ROUNDS 200
#define RET    0xc3

        .macro  map page, entry
        movl    $(\entry), PTE(\page)
        invlpg  \page
        .endm

        .macro  rounds
        movl    $ROUNDS, %ebp
775:
        .endm
        .macro  end_rounds
        decl    %ebp
        jnz     775b
        .endm

        paging_on
        movl    $0x10101010, FRAME0 + 0x10
        movl    $0x20202020, FRAME1 + 0x10

        rounds                                  /* to one frame and another */
        map     PAGE_A, FRAME0 | RIGHTS
        movl    PAGE_A + 0x10, %ecx             /* the register that lookups use */
        expect  %ecx, $0x10101010
        map     PAGE_A, FRAME1 | RIGHTS
        movl    PAGE_A + 0x10, %ecx
        expect  %ecx, $0x20202020
        movl    $PAGE_A - 0x30, %ecx
        movl    0x40(%ecx), %ecx
        expect  %ecx, $0x20202020
        movl    $0, PTE(PAGE_A)
        movl    %cr3, %eax
        movl    %eax, %cr3
        end_rounds

        rounds                                  /* reads set A, writes A and D */
        map     PAGE_A, FRAME0 | RIGHTS
        movl    PAGE_A, %eax
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, PTE_A
        movl    %ebp, PAGE_A
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, PTE_A | PTE_D
        expect  FRAME0, %ebp
        map     PAGE_A, FRAME1 | RIGHTS
        movl    %ebp, PAGE_A
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, PTE_A | PTE_D
        expect  FRAME1, %ebp
        andl    $~PTE_D, PTE(PAGE_A)
        invlpg  PAGE_A
        incl    PAGE_A
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, PTE_A | PTE_D
        end_rounds

        rounds                                  /* flags live through the access, carry and all */
        map     PAGE_A, FRAME0 | RIGHTS
        movl    $0xfffffff0, FRAME0
        movl    $0x20, %eax
        addl    %eax, PAGE_A                    /* CF */
        movb    PAGE_A, %cl
        adcl    $0, %eax
        expect  %eax, $0x21
        stc
        movl    %ebp, PAGE_A + 4
        movb    %ch, PAGE_A + 9
        movb    PAGE_A + 4, %dh
        movl    $0, %eax
        rcll    $1, %eax
        expect  %eax, $1
        end_rounds

        rounds                                  /* over two pages that change places */
        map     PAGE_A, FRAME0 | RIGHTS
        map     PAGE_B, FRAME2 | RIGHTS
        movl    $0x11223344, PAGE_A + 0xffe
        expect  (PAGE_A + 0xffe), $0x11223344
        movl    FRAME0 + 0xffc, %eax
        shrl    $16, %eax
        expect  %eax, $0x3344
        movzwl  FRAME2, %eax
        expect  %eax, $0x1122
        map     PAGE_B, FRAME1 | RIGHTS
        movw    $0x5566, FRAME1
        movl    PAGE_A + 0xffe, %eax
        expect  %eax, $0x55663344
        map     PAGE_B, 0
        try     RING3
1:      movl    PAGE_A + 0xffe, %eax
        done
        expect_fault VEC_PF, 4, 1b
        end_rounds

        rounds                                  /* rights, in both rings */
        map     PAGE_A, FRAME0 | PTE_P | PTE_US
        movl    PAGE_A + 0x10, %eax
        expect  %eax, $0x10101010
        try     RING3
1:      orl     $3, PAGE_A + 0x10
        done
        expect_fault VEC_PF, 7, 1b
        expect_bits PTE(PAGE_A), PTE_D, 0
        movl    %cr2, %eax
        expect  %eax, $PAGE_A + 0x10
        map     PAGE_A, FRAME0 | PTE_P | PTE_RW
        try     RING3
1:      movl    PAGE_A + 0x14, %eax
        done
        expect_fault VEC_PF, 5, 1b
        map     PAGE_A, 0
        try     0
1:      movl    %eax, PAGE_A + 0x18
        done
        expect_fault VEC_PF, 2, 1b
        movl    %cr2, %eax
        expect  %eax, $PAGE_A + 0x18
        end_rounds

        rounds                                  /* a stack that moves */
        map     PAGE_A, FRAME0 | RIGHTS
        movl    %esp, %esi
        movl    $PAGE_A + 0x800, %esp
        pushl   %ebp
        pushl   $7
        pushl   FRAME1 + 0x10
        call    2f
        popl    %eax
        popl    %ebx
        popl    %ecx
        movl    %esi, %esp
        expect  %eax, $0x20202020
        expect  %ebx, $7
        expect  %ecx, %ebp
        map     PAGE_A, FRAME1 | RIGHTS
        jmp     3f
2:      movl    $4f, %edx
        call    *%edx
        ret
4:      leal    (%esp), %edx
        ret
3:
        end_rounds

        rounds                                  /* strings to fresh pages */
        map     PAGE_A, FRAME0 | RIGHTS
        map     PAGE_B, FRAME2 | RIGHTS
        movl    $PAGE_A + 0x20, %edi
        movl    $(0x2000 - 0x20) / 4, %ecx
        movl    %ebp, %eax
        cld
        rep stosl
        expect  %ecx, $0
        expect  %edi, $(PAGE_B + 0x1000)
        expect  FRAME0 + 0x20, %ebp
        expect  FRAME2 + 0xffc, %ebp
        map     PAGE_B, 0
        movl    $PAGE_A + 0x100, %esi
        movl    $PAGE_B - 8, %edi
        movl    $5, %ecx
        try     RING3
1:      rep movsl
        done
        expect_fault VEC_PF, 6, 1b
        expect  %ecx, $3
        expect  %edi, $PAGE_B
        expect  %esi, $(PAGE_A + 0x108)
        end_rounds

        rounds                                  /* strings within and across fresh pages, to themselves, and backwards */
        map     PAGE_A, FRAME0 | RIGHTS
        map     PAGE_B, FRAME2 | RIGHTS
        movl    $0x44332211, PAGE_A + 0xff0
        movl    $PAGE_A + 0xff0, %esi
        leal    1(%esi), %edi
        movl    $0x20, %ecx
        rep movsb                               /* one byte is copied over all */
        expect  PAGE_B + 0xc, $0x11111111
        expect  %edi, $(PAGE_B + 0x11)
        expect  %esi, $(PAGE_B + 0x10)
        map     PAGE_B, FRAME0 | RIGHTS         /* so that source and destination are one page */
        movl    $0x88776655, FRAME0 + 0x10
        movl    $PAGE_A + 0x10, %esi
        movl    $PAGE_B + 0x12, %edi
        movl    $5, %ecx
        rep movsw
        expect  FRAME0 + 0x18, $0x66556655
        map     PAGE_B, FRAME2 | RIGHTS
        movl    %ebp, PAGE_A + 0xffe            /* elements in both pages */
        movl    $PAGE_A + 0xff6, %esi
        movl    $PAGE_B + 0x7fe, %edi
        movl    $3, %ecx
        rep movsl
        expect  FRAME2 + 0x806, %ebp
        expect  %esi, $(PAGE_B + 2)
        leal    0xa5a5(%ebp), %eax
        movl    $PAGE_A + 0xffb, %edi
        movl    $4, %ecx
        rep stosw
        expect  %edi, $(PAGE_B + 3)
        movl    %eax, %edx
        movb    %ah, %dl
        movb    %al, %dh
        cmpw    %dx, PAGE_A + 0xffe             /* its bytes the other way round: the elements are not aligned */
        je      5f
        fail
5:      movl    $PAGE_A + 0x100, %esi
        movl    $PAGE_B + 0x200, %edi
        movl    %ebp, (%esi)
        std
        movsl
        movl    $2, %ecx
        rep movsl
        cld
        expect  FRAME2 + 0x200, %ebp
        expect  %edi, $(PAGE_B + 0x1f4)
        expect  %esi, $(PAGE_A + 0xf4)
        xorl    %ecx, %ecx                      /* no element: no page is needed */
        movl    $PAGE_B, %edi
        map     PAGE_B, 0
        rep stosl
        expect  %edi, $PAGE_B
        end_rounds

        rounds                                  /* code there, written through a page that comes and goes */
        map     PAGE_A, CODE | RIGHTS
        movb    $0xb8, PAGE_A                   /* mov $ebp, %eax; ret */
        movl    %ebp, PAGE_A + 1
        movb    $RET, PAGE_A + 5
        movl    $CODE, %edx
        call    *%edx
        expect  %eax, %ebp
        notl    PAGE_A + 1
        call    *%edx
        notl    %eax
        expect  %eax, %ebp
        end_rounds

        movl    $20000, %ebp                    /* often enough to be like any other access again */
        map     PAGE_A, FRAME0 | RIGHTS
        movl    $0, FRAME0
5:      incl    PAGE_A
        decl    %ebp
        jnz     5b
        expect  FRAME0, $20000

        set_gate VEC_DE, 7f                     /* divisions that fail by turns */
        xorl    %ebx, %ebx
        rounds
        movl    $100, %eax
        xorl    %edx, %edx
        movl    %ebp, %ecx
        andl    $1, %ecx
        divl    %ecx
6:      expect  %eax, $100
        end_rounds
        expect  %ebx, $(ROUNDS / 2)
        pass
7:      incl    %ebx
        popl    %edx
        expect  %edx, $(6b - 2)
        pushl   $6b
        iret
