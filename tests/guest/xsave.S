/* XSAVE, XSAVEOPT, XRSTOR, XGETBV, XSETBV: what CPUID says, #UD, #NM and #GP, which parts of an area are touched, initial
 * configurations, a fault in the middle, contexts switched, upper halves beside FXSAVE.  SDM 1 chapter 13. */
#include "guest.inc"
#define CR4_OSXSAVE 0x40000
#define XSTATE_BV 512
#define YMM_HIGH 576
#define AREA 832
        .macro  cpuid_is leaf, subleaf, eax, ebx, ecx
        movl    $\leaf, %eax
        movl    $\subleaf, %ecx
        cpuid
        .ifnb   \eax
        expect  %eax, $\eax
        .endif
        .ifnb   \ebx
        expect  %ebx, $\ebx
        .endif
        .ifnb   \ecx
        expect  %ecx, $\ecx
        .endif
        .endm
        .macro  regs eax, ecx=0, edx=0
        movl    $\eax, %eax
        movl    $\ecx, %ecx
        movl    $\edx, %edx
        .endm
        .macro  fails_in ring, vector, insn:vararg
        try     \ring
1:      \insn
        nop
        done
        expect_fault \vector, 0, 1b
        .endm
        .macro  works_in ring, insn:vararg
        try     \ring
        \insn
        done
        expect_done
        .endm
        .macro  fill where, value               /* an area of bytes */
        movl    $\where, %edi
        movl    $AREA, %ecx
        movb    $\value, %al
        rep stosb
        .endm
        .macro  expect_bytes where, len, value
        movl    $\where, %edi
        movl    $\len, %ecx
        movb    $\value, %al
        repe scasb
        je      779f
        fail
779:
        .endm

        paging_on
        movl    %cr4, %eax
        orl     $(CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
        movl    %eax, %cr4
        fninit
        regs    1
        cpuid
        btl     $26, %ecx
        jnc     no_xsave
        btl     $28, %ecx
        jnc     no_avx
        expect_bits %ecx, 1 << 27, 0
        fails_in RING0, VEC_UD, xsave area
        fails_in RING0, VEC_UD, xrstor area
        fails_in RING0, VEC_UD, xgetbv
        fails_in RING0, VEC_UD, xsetbv
        movl    %cr4, %eax
        orl     $CR4_OSXSAVE, %eax
        movl    %eax, %cr4
        regs    1
        cpuid
        expect_bits %ecx, 1 << 27, 1 << 27
        cpuid_is 0xd, 0, 7, 576, AREA
        cpuid_is 0xd, 2, 256, YMM_HIGH, 0
        cpuid_is 0xd, 3, 0, 0, 0

        /* XCR0 */
        regs    0xffffffff, 0, 0xffffffff
        works_in RING3, xgetbv
        expect  %eax, $1
        expect  %edx, $0
        regs    0, 1
        fails_in RING3, VEC_GP, xgetbv
        regs    7
        fails_in RING3, VEC_GP, xsetbv
        fails_in RING1, VEC_GP, xsetbv
        .irp    value, 0, 2, 4, 5, 6, 9, 0xff, 0x80000007
        regs    \value
        fails_in RING0, VEC_GP, xsetbv
        .endr
        regs    7, 0, 1
        fails_in RING0, VEC_GP, xsetbv
        regs    7, 1
        fails_in RING0, VEC_GP, xsetbv
        regs    7
        works_in RING0, xsetbv
        cpuid_is 0xd, 0, 7, AREA, AREA

        /* who may, and where */
        regs    7
        fails_in RING3, VEC_GP, xsave area + 32
        fails_in RING3, VEC_GP, xrstor area + 8
        fails_in RING3, VEC_UD, .byte 0xf0, 0x0f, 0xae, 0x20
        fails_in RING3, VEC_UD, .byte 0x66, 0x0f, 0xae, 0x20
        fails_in RING3, VEC_UD, .byte 0x0f, 0xae, 0xe0
        movl    %cr0, %eax
        orl     $(CR0_TS | CR0_EM), %eax
        movl    %eax, %cr0
        regs    7
        fails_in RING3, VEC_NM, xsave area
        fails_in RING3, VEC_NM, xsave area + 1  /* before alignment */
        movl    %cr0, %eax
        andl    $~CR0_TS, %eax
        movl    %eax, %cr0
        regs    7
        works_in RING3, xsave area
        movl    %cr0, %eax
        andl    $~CR0_EM, %eax
        movl    %eax, %cr0

        /* components asked for, and no other byte */
        fill    area, 0x5a
        vmovaps pattern, %ymm1
        vzeroupper
        movl    $0x1fa0, mxcsr
        ldmxcsr mxcsr
        regs    4, 0, 0x80000000
        works_in RING3, xsave area
        expect  area + XSTATE_BV, $0x5a5a5a5a & ~4
        expect  area + XSTATE_BV + 4, $0x5a5a5a5a
        expect  area + 24, $0x1fa0
        expect_bytes area, 24, 0x5a
        expect_bytes area + 32, 480, 0x5a
        expect_bytes area + 520, 56, 0x5a
        expect_bytes area + YMM_HIGH, 128, 0
        expect_bytes area + YMM_HIGH + 128, 128, 0x5a
        vmovaps pattern, %ymm1
        fill    area, 0
        regs    6
        works_in RING3, xsave area
        expect  area + XSTATE_BV, $6
        expect  area + 160 + 16, $0x01010101
        expect  area + YMM_HIGH + 16, $0x02020202
        expect_bytes area, 24, 0

        /* what XRSTOR refuses, and then leaves alone */
        vmovaps pattern + 32, %ymm1
        movl    $0xf, area + XSTATE_BV
        regs    7
        fails_in RING3, VEC_GP, xrstor area
        movl    $6, area + XSTATE_BV
        movl    $1, area + XSTATE_BV + 8
        fails_in RING3, VEC_GP, xrstor area
        movl    $0, area + XSTATE_BV + 8
        movl    $0x80000000, area + XSTATE_BV + 12
        fails_in RING3, VEC_GP, xrstor area
        movl    $0, area + XSTATE_BV + 12
        movl    $0x80000000, area + XSTATE_BV + 20
        fails_in RING3, VEC_GP, xrstor area
        movl    $0, area + XSTATE_BV + 20
        movl    $0x10000, area + 24
        fails_in RING3, VEC_GP, xrstor area
        regs    4
        fails_in RING3, VEC_GP, xrstor area
        regs    1                               /* MXCSR is not looked at */
        works_in RING3, xrstor area
        movl    $0x1f80, area + 24
        vextractf128 $1, %ymm1, %xmm2
        vmovd   %xmm2, %eax
        expect  %eax, $0x04040404

        /* one component; then the initial configuration, but MXCSR */
        regs    4
        works_in RING3, xrstor area
        vextractf128 $1, %ymm1, %xmm2
        vmovd   %xmm2, %eax
        expect  %eax, $0x02020202
        vmovd   %xmm1, %eax
        expect  %eax, $0x03030303
        fld1
        movl    $0, area + XSTATE_BV
        movl    $0x1fc0, area + 24
        regs    7
        works_in RING3, xrstor area
        vextractf128 $1, %ymm1, %xmm2
        vptest  %ymm1, %ymm1
        jz      1f
        fail
1:      stmxcsr mxcsr
        expect  mxcsr, $0x1fc0
        fnstenv area
        expect  area, $0xffff037f
        expect  area + 8, $0xffffffff
        regs    7
        works_in RING3, xsave area
        expect  area + XSTATE_BV, $0            /* MXCSR does not count */
        fill    area, 0x77
        regs    7
        works_in RING3, xsaveopt area
        expect_bytes area, 24, 0x77
        expect_bytes area + YMM_HIGH, 256, 0x77
        expect  area + XSTATE_BV, $0x77777770

        /* the upper halves lie on a page that is not there */
        .set    HOLE, FREE_PAGES + 0x1000
        movl    $0, PTE(HOLE)
        invlpg  HOLE
        movl    $(HOLE - 576), %edi
        movl    $576, %ecx
        movb    $0x66, %al
        rep stosb
        vmovaps pattern, %ymm1
        regs    7
        try     RING3
1:      xsave   HOLE - 576
        done
        expect  trap_vector, $VEC_PF
        expect  trap_cr2, $HOLE
        expect  trap_eip, $1b
        expect_bytes HOLE-576, 576, 0x66
        movl    $(HOLE - 576), %edi
        movl    $576, %ecx
        xorl    %eax, %eax
        rep stosb
        regs    3
        works_in RING3, xsave HOLE - 576
        regs    7
        works_in RING3, xrstor HOLE - 576       /* not there: not read */
        vextractf128 $1, %ymm1, %xmm2
        vmovd   %xmm2, %eax
        expect  %eax, $0

        /* FXSAVE and FXRSTOR know nothing of it */
        vmovaps pattern, %ymm1
        fxsave  area
        vmovaps pattern + 32, %ymm1
        fxrstor area
        vmovd   %xmm1, %eax
        expect  %eax, $0x01010101
        vextractf128 $1, %ymm1, %xmm2
        vmovd   %xmm2, %eax
        expect  %eax, $0x04040404

        /* two contexts, each counting in both halves of ymm7 and in an x87 register */
        .irp    where, context0, context1
        vzeroall
        fninit
        fldz
        regs    7
        xsave   \where
        .endr
        movl    $400, %esi
2:      movl    $context0, %edi
        testl   $1, %esi
        jz      3f
        movl    $context1, %edi
3:      regs    7
        xrstor  (%edi)
        try     RING3, EFLAGS_IF
        vpcmpeqd %ymm0, %ymm0, %ymm0
        vpsubd  %ymm0, %ymm7, %ymm7
        fld1
        faddp   %st, %st(1)
        paddd   %xmm0, %xmm6                    /* legacy: the upper half stays zero */
        done
        expect_done
        regs    7
        xsaveopt (%edi)
        vzeroall
        decl    %esi
        jnz     2b
        .irp    where, context0, context1
        regs    7
        xrstor  \where
        fistpl  word
        expect  word, $200
        vextracti128 $1, %ymm7, %xmm1
        vmovd   %xmm1, %eax
        expect  %eax, $200
        vmovd   %xmm7, %eax
        expect  %eax, $200
        vmovd   %xmm6, %eax
        expect  %eax, $-200
        vextracti128 $1, %ymm6, %xmm1
        vptest  %xmm1, %xmm1
        jz      1f
        fail
1:
        .endr

        /* off and on again */
        vmovaps pattern, %ymm1
        movl    %cr4, %eax
        andl    $~CR4_OSXSAVE, %eax
        movl    %eax, %cr4
        fails_in RING3, VEC_UD, vaddps %ymm1, %ymm1, %ymm1
        works_in RING3, addps %xmm2, %xmm2
        movl    %cr4, %eax
        orl     $CR4_OSXSAVE, %eax
        movl    %eax, %cr4
        xorl    %ecx, %ecx
        works_in RING3, xgetbv
        expect  %eax, $7
        vextractf128 $1, %ymm1, %xmm2
        vmovd   %xmm2, %eax
        expect  %eax, $0x02020202
no_avx: pass
no_xsave:
        fails_in RING0, VEC_UD, xgetbv
        fails_in RING0, VEC_UD, xsave area
        cpuid_is 0xd, 0, 0, 0, 0
        pass
        .text   1
        .balign 64
area:   .skip   AREA
        .balign 64
context0: .skip AREA
        .balign 64
context1: .skip AREA
        .balign 32
pattern: .fill  16, 1, 1
        .fill   16, 1, 2
        .fill   16, 1, 3
        .fill   16, 1, 4
mxcsr:  .long   0
word:   .long   0
