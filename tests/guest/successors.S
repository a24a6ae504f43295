/* Code that others jump to directly changes again and again, with them still leading to what was there: by a jump, a call, with FP
 * instructions, in two address spaces that have different code there, and at the end of a page. */
#include "guest.inc"
#define FRAME_A (FREE_PAGES + 0x10000)
#define FRAME_B (FREE_PAGES + 0x11000)
#define NEXT    (FREE_PAGES + 0x12000)
#define PAGE    (FREE_PAGES)
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define TURNS 60
#define START  0x100                    /* in the page: jumps to TARGET, calls TARGET2 */
#define TARGET 0x200
#define TARGET2 0x300
#define CROSSING 0xffd                  /* mov eax, imm32 over the end of the page */
        .macro  show frame
        movl    $(\frame | RIGHTS), PTE(PAGE)
        movl    %cr3, %eax
        movl    %eax, %cr3
        .endm
        .macro  run want, want2
        movl    $PAGE + START, %edx
        call    *%edx
        expect  %eax, \want
        expect  %ecx, \want2
        movd    %xmm0, %eax
        expect  %eax, \want2
        .endm

        set_cr4 CR4_OSFXSR
        paging_on
        cld
        .irp    frame, FRAME_A, FRAME_B
        movl    $template, %esi
        movl    $\frame, %edi
        movl    $0x1000, %ecx
        rep movsb
        .endr
        movl    $(NEXT | RIGHTS), PTE(PAGE + 0x1000)
        invlpg  PAGE + 0x1000
        movl    $0x90c30000, NEXT               /* the rest of the immediate, and ret */
        movl    $0x11, FRAME_A + TARGET + 1
        movl    $0x22, FRAME_B + TARGET + 1
        movl    $TURNS, %ebp
again:  show    FRAME_A
        run     $0x11, %ebp
        run     $0x11, %ebp
        movl    $0x12, FRAME_A + TARGET + 1
        run     $0x12, %ebp
        show    FRAME_B
        run     $0x22, %ebp
        movl    %ebp, FRAME_B + TARGET + 1
        run     %ebp, %ebp
        movl    $0x22, FRAME_B + TARGET + 1
        show    FRAME_A
        run     $0x12, %ebp
        movl    $0x11, FRAME_A + TARGET + 1
        run     $0x11, %ebp
        leal    -1(%ebp), %eax
        movl    %eax, FRAME_A + TARGET2 + 1     /* what they must find in the next turn */
        movl    %eax, FRAME_B + TARGET2 + 1
        movl    $PAGE + CROSSING - 5, %edx      /* jumps over the page's end, where it changes too */
        call    *%edx
        expect  %eax, $0x0000beef
        movb    $0x77, NEXT
        call    *%edx
        expect  %eax, $0x0077beef
        movb    $0, NEXT
        call    *%edx
        expect  %eax, $0x0000beef
        decl    %ebp
        jnz     again
        pass

        .balign 4096
template:
        .skip   START
        call    . + (TARGET2 - START)
        jmp     . + (TARGET - START - 5)
        .org    template + TARGET
        movl    $0, %eax
        ret
        .org    template + TARGET2
        movl    $TURNS, %ecx
        movd    %ecx, %xmm0                     /* behind an FP gate */
        ret
        .org    template + CROSSING - 5
        jmp     . + 5
        .org    template + CROSSING
        .byte   0xb8, 0xef, 0xbe
