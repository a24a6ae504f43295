/* Conversions between SSE and MMX registers that raise #XM, in a loop: at the instruction, the flag set, neither register changed.  What the
 * processor has done to TOP and tags by then is its affair, and lock-step must not mind it; the physical registers keep their place.
 * SDM 1 11.5, SDM 2 CVTPS2PI. */
#include "guest.inc"
        movl    %cr0, %eax
        andl    $~(CR0_EM | CR0_TS), %eax
        orl     $(CR0_NE | CR0_MP), %eax
        movl    %eax, %cr0
        set_cr4 CR4_OSFXSR | CR4_OSXMMEXCPT
        movl    $20, rounds
round:
        .irp    insn, cvtps2pi, cvttps2pi
        fninit
        fldpi
        fld1                                    /* TOP = 6: 1.0 is R6, also MM6 */
        movl    $0x1f00, word                   /* IM clear */
        movups  numbers, %xmm1
        try     RING3
        ldmxcsr word
1:      \insn   %xmm1, %mm2
        done
        expect_fault VEC_XM, 0, 1b
        stmxcsr word
        expect  word, $0x1f01
        movq    %mm6, result
        expect  result + 4, $0x80000000         /* the mantissa of 1.0 */
        movq    %mm7, result
        expect  result + 4, $0xc90fdaa2         /* and of pi */
        movups  %xmm1, result
        expect  result, $0x7fc00000
        .endr
        .irp    insn, cvtpd2pi, cvttpd2pi
        fninit
        fld1
        movl    $0x1f00, word
        movups  doubles, %xmm1
        try     RING0
        ldmxcsr word
1:      \insn   %xmm1, %mm2
        done
        expect_fault VEC_XM, 0, 1b
        .endr
        fninit
        fld1
        movl    $0x0f80, word                   /* PM clear */
        movl    $0x7fffffff, result             /* inexact as a single */
        movl    $1, result + 4
        movq    result, %mm0
        try     RING3
        ldmxcsr word
1:      cvtpi2ps %mm0, %xmm0
        done
        expect_fault VEC_XM, 0, 1b
        decl    rounds
        jnz     round
        pass

        .balign 16
numbers: .long  0x7fc00000, 0x3f800000, 0, 0
doubles: .long  0, 0x7ff80000, 0, 0x3ff00000
result: .long   0, 0, 0, 0
word:   .long   0
rounds: .long   0
