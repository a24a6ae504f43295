/* #DE, #BR, #UD: registers as before, EIP at the instruction.  SDM 3A 6.15. */
#include "guest.inc"
        .macro  divides eax, edx, divisor, insn:vararg
        movl    $\eax, %eax
        movl    $\edx, %edx
        movl    $\divisor, %ecx
        .endm
        .irp    ring, 0, 3
        .irp    size, b, w, l
        .irp    insn, div, idiv
        divides 0x1234, 0, 0
        try     \ring
        .ifc    \size, b
1:      \insn   %cl
        .endif
        .ifc    \size, w
1:      \insn   %cx
        .endif
        .ifc    \size, l
1:      \insn   %ecx
        .endif
        done
        expect_fault VEC_DE, 0, 1b
        expect  %eax, $0x1234
        expect  %edx, $0
        .endr
        .endr
        divides 5, 2, 2                         /* quotient too large */
        try     \ring
1:      divl    %ecx
        done
        expect_fault VEC_DE, 0, 1b
        divides 0x80000000, -1, -1
        try     \ring
1:      idivl   %ecx
        done
        expect_fault VEC_DE, 0, 1b
        divides 0x80000000, -1, 1
        try     \ring
        idivl   %ecx
        done
        expect_done
        expect  %eax, $0x80000000
        divides 0xff80, 0, 1
        try     \ring
        idivb   %cl
        done
        expect_done
        expect  %eax, $0x0080
        try     \ring
1:      aam     $0
        done
        expect_fault VEC_DE, 0, 1b
        movl    $0, FREE_PAGES
        try     \ring
1:      divl    FREE_PAGES
        done
        expect_fault VEC_DE, 0, 1b

        movl    $-5, bounds
        movl    $5, bounds + 4
        .irp    value, -6, 6, 0x7fffffff
        movl    $\value, %eax
        try     \ring
1:      bound   %eax, bounds
        done
        expect_fault VEC_BR, 0, 1b
        .endr
        .irp    value, -5, 0, 5
        movl    $\value, %eax
        try     \ring
        bound   %eax, bounds
        done
        expect_done
        .endr

        try     \ring
1:      .byte   0x0f, 0xb9, 0xc0                /* UD1 */
        done
        expect_fault VEC_UD, 0, 1b
        try     \ring
1:      .byte   0xf0, 0x90                      /* LOCK NOP */
        done
        expect_fault VEC_UD, 0, 1b
        try     \ring
1:      .byte   0xf0, 0x01, 0xc0                /* LOCK ADD to a register */
        done
        expect_fault VEC_UD, 0, 1b
        try     \ring
1:      .byte   0x8d, 0xc0                      /* LEA of a register */
        done
        expect_fault VEC_UD, 0, 1b
        try     \ring
1:      .byte   0xc5, 0xc0                      /* LDS of a register; VEX without AVX */
        done
        expect_fault VEC_UD, 0, 1b
        .endr

        pass
        .text   1
        .balign 4
bounds: .long   0, 0
