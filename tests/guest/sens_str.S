/* STR reads the guest's selector in every ring; virtual-8086 mode does not know it (#UD).  SDM 2B, STR. */
#include "guest.inc"
        each_iopl
        .irp    ring, 0, 1, 2, 3
        movl    $-1, %eax
        movl    $-1, word
        try     \ring
        str    %ax
        str    word
        str    %ebx
        done
        expect_done
        expect  %eax, $(0xffff0000 | SEL_TSS)
        expect  word, $(0xffff0000 | SEL_TSS)      /* memory: 16 bits, whatever the operand size */
        expect  %ebx, $SEL_TSS
        .endr
        end_each_iopl

        .irp    iopl, 0, IOPL3
        try_v86 \iopl
1:      .byte   0x0f, 0x00, 0xc8
        done_v86
        expect_fault VEC_UD, 0, 1b
        .endr
        pass

        .text   1
word:   .long   0
