/* x87 and SSE: #MF at the next waiting instruction, #XM at once, #UD without OSXMMEXCPT,
 * #NM by TS, EM and MP; state kept across traps.  SDM 1 8.7, 11.5; 3A 2.5. */
#include "guest.inc"
        .macro  cr0_is set, clear
        movl    %cr0, %eax
        andl    $~(\clear), %eax
        orl     $(\set), %eax
        movl    %eax, %cr0
        .endm
        cr0_is  CR0_NE | CR0_MP, CR0_EM | CR0_TS
        movl    %cr4, %eax
        orl     $(CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
        movl    %eax, %cr4

        .irp    ring, 0, 3
        fninit                                  /* masked: no exception, infinity */
        movw    $0x37f, word
        try     \ring
        fld1
        fldz
        fdivrp  %st, %st(1)
        fstps   result
        fnstsw  %ax
        done
        expect_done
        expect  result, $0x7f800000
        expect_bits %eax, 0x4, 0x4              /* ZE */

        movw    $0x37b, word                    /* ZM clear */
        fninit
        try     \ring
        fldcw   word
        fld1
        fldz
        fdivrp  %st, %st(1)                     /* pending from here on */
        fnstsw  %ax                             /* does not wait */
        movl    $1, %ecx
1:      fld1                                    /* waits */
        movl    $2, %ecx
        done
        expect_fault VEC_MF, 0, 1b
        expect  %ecx, $1
        expect_bits %eax, 0x8084, 0x8084
        try     \ring
1:      fwait
        done
        expect_fault VEC_MF, 0, 1b
        try     \ring
1:      fstpl   (FREE_PAGES)
        done
        expect_fault VEC_MF, 0, 1b
        fnclex
        try     \ring                           /* the operands are still there */
        fstp    %st(0)
        fstps   result
        done
        expect_done
        expect  result, $0x3f800000

        /* SSE: a fault, nothing changed */
        movl    $0x1f80, mxcsr
        ldmxcsr mxcsr
        movl    $0x3f800000, %eax
        movd    %eax, %xmm1
        xorps   %xmm2, %xmm2
        try     \ring
        movaps  %xmm1, %xmm3
        divss   %xmm2, %xmm3
        movd    %xmm3, %eax
        done
        expect_done
        expect  %eax, $0x7f800000
        movl    $0x1d80, mxcsr
        ldmxcsr mxcsr
        try     \ring
        movaps  %xmm1, %xmm3
1:      divss   %xmm2, %xmm3
        done
        expect_fault VEC_XM, 0, 1b
        movd    %xmm3, %eax
        expect  %eax, $0x3f800000
        stmxcsr mxcsr
        expect_bits mxcsr, 0x4, 0x4
        movl    %cr4, %eax
        andl    $~CR4_OSXMMEXCPT, %eax
        movl    %eax, %cr4
        try     \ring
1:      divss   %xmm2, %xmm3
        done
        expect_fault VEC_UD, 0, 1b
        orl     $CR4_OSXMMEXCPT, %eax
        movl    %cr4, %eax
        orl     $CR4_OSXMMEXCPT, %eax
        movl    %eax, %cr4

        /* misaligned and reserved bits: #GP */
        try     \ring
1:      movaps  FREE_PAGES + 8, %xmm0
        done
        expect_fault VEC_GP, 0, 1b
        movl    $0xffff0000, mxcsr
        try     \ring
1:      ldmxcsr mxcsr
        done
        expect_fault VEC_GP, 0, 1b

        /* #NM */
        cr0_is  CR0_TS, 0
        .irp    insn, fnop, fwait, emms, "movaps %xmm0, %xmm1", fninit
        try     \ring
1:      \insn
        done
        expect_fault VEC_NM, 0, 1b
        .endr
        cr0_is  0, CR0_MP
        try     \ring                           /* WAIT asks for MP too */
        fwait
        done
        expect_done
        clts
        cr0_is  CR0_EM | CR0_MP, 0
        try     \ring
1:      fld1
        done
        expect_fault VEC_NM, 0, 1b
        .irp    insn, emms, "movaps %xmm0, %xmm1"
        try     \ring
1:      \insn
        done
        expect_fault VEC_UD, 0, 1b
        .endr
        cr0_is  0, CR0_EM
        movl    %cr4, %eax
        andl    $~CR4_OSFXSR, %eax
        movl    %eax, %cr4
        try     \ring
1:      movaps  %xmm0, %xmm1
        done
        expect_fault VEC_UD, 0, 1b
        orl     $CR4_OSFXSR, %eax
        movl    %cr4, %eax
        orl     $CR4_OSFXSR, %eax
        movl    %eax, %cr4
        .endr

        /* state through FNSAVE, FRSTOR and FXSAVE, with a trap in between */
        fninit
        fldpi
        fldl2e
        movl    $0x11223344, %eax
        movd    %eax, %xmm5
        fxsave  area
        try     RING3
        fninit
        fldz
        xorps   %xmm5, %xmm5
        done
        fxrstor area
        movd    %xmm5, %eax
        expect  %eax, $0x11223344
        fnsave  area
        fnstsw  %ax
        expect_bits %eax, 0xffff, 0
        frstor  area
        fstpl   area
        fstpl   area + 8
        expect  area + 8, $0x54442d18
        expect  area + 12, $0x400921fb
        pass
        .text   1
        .balign 16
area:   .skip   512
word:   .long   0
result: .long   0
mxcsr:  .long   0
