/* AVX and BMI: #UD without CR4.OSXSAVE and XCR0, with legacy prefixes, with vvvv, L or W that mean nothing, in real and
 * virtual-8086 mode; #NM; alignment; elements that a mask leaves out do not fault; gathers go on where they faulted.
 * SDM 2, 2.3 and tables 2-18 to 2-29. */
#include "guest.inc"
#define CR4_OSXSAVE 0x40000
        .macro  cpuid_bit leaf, reg, bit, absent
        movl    $\leaf, %eax
        xorl    %ecx, %ecx
        cpuid
        btl     $\bit, \reg
        jnc     \absent
        .endm
        .macro  is_ud insn:vararg
        try     RING3
1:      \insn
        nop
        done
        expect_fault VEC_UD, 0, 1b
        .endm
        .macro  is_fine insn:vararg
        try     RING3
        \insn
        done
        expect_done
        .endm
        .macro  xsetbv0 value
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    $\value, %eax
        xsetbv
        .endm
        paging_on
        movl    %cr4, %eax
        orl     $(CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
        movl    %eax, %cr4
        fninit
        cpuid_bit 1, %ecx, 28, no_avx
        cpuid_bit 7, %ebx, 5, no_avx

        /* who may run it */
        is_ud vaddps %ymm1, %ymm2, %ymm3
        is_ud xgetbv
        movl    %cr4, %eax
        orl     $CR4_OSXSAVE, %eax
        movl    %eax, %cr4
        is_ud vaddps %ymm1, %ymm2, %ymm3
        xsetbv0 3
        is_ud vaddps %xmm1, %xmm2, %xmm3
        is_ud vzeroupper
        xsetbv0 7
        is_fine vaddps %ymm1, %ymm2, %ymm3
        movl    %cr0, %eax
        orl     $CR0_EM, %eax                   /* does not matter */
        movl    %eax, %cr0
        is_fine vaddps %ymm1, %ymm2, %ymm3
        is_ud addps %xmm1, %xmm2
        xorl    $(CR0_EM | CR0_TS), %eax
        movl    %eax, %cr0
        try     RING3
1:      vaddps  %ymm1, %ymm2, %ymm3
        done
        expect_fault VEC_NM, 0, 1b
        is_ud .byte 0xc4, 0xe2, 0x79, 0xff, 0xc0 /* undefined is before #NM */
        clts

        /* prefixes and fields */
        is_ud .byte 0x66, 0xc5, 0xf0, 0x58, 0xc1
        is_ud .byte 0xf2, 0xc5, 0xf0, 0x58, 0xc1
        is_ud .byte 0xf3, 0xc5, 0xf0, 0x58, 0xc1
        is_ud .byte 0xf0, 0xc5, 0xf0, 0x58, 0x01
        is_fine .byte 0x3e, 0xc5, 0xf0, 0x58, 0xc1
        is_fine .byte 0xc4, 0xc1, 0xb0, 0x58, 0xc1 /* B, W and vvvv[3] */
        is_ud .byte 0xc4, 0xe0, 0x70, 0x58, 0xc1 /* map 0 */
        is_ud .byte 0xc4, 0xe4, 0x70, 0x58, 0xc1 /* map 4 */
        is_ud .byte 0xc5, 0xf0, 0x28, 0xc1   /* vmovaps with vvvv */
        is_ud .byte 0xc5, 0xfd, 0x6e, 0xc0   /* vmovd with L */
        is_ud .byte 0xc4, 0xe2, 0xf9, 0x18, 0xc0 /* vbroadcastss with W */
        is_ud .byte 0xc4, 0xe2, 0x69, 0x90, 0x0c, 0x10 /* vpgatherdd: index = mask */
        is_ud .byte 0xc4, 0xe2, 0x69, 0x90, 0x08 /* no SIB */
        is_ud .byte 0x67, 0xc4, 0xe2, 0x61, 0x90, 0x04 /* 16-bit addresses */
        lesl    pointer, %eax                   /* C4 and C5 as they were */
        movl    %ds, %ecx
        movl    %ecx, %es
        try_v86
1:      .byte   0xc5, 0xf0, 0x58, 0xc1
        done_v86
        expect_fault VEC_UD, 0, 1b
        try_v86
1:      .byte   0xc4, 0xe2, 0x70, 0xf2, 0xc1    /* andn */
        done_v86
        expect_fault VEC_UD, 0, 1b

        /* alignment */
        vxorps  %ymm0, %ymm0, %ymm0
        is_fine vmovups FREE_PAGES + 1, %ymm0
        is_fine vaddps FREE_PAGES + 1, %ymm0, %ymm0
        is_fine vmovaps FREE_PAGES + 32, %ymm0
        .irp    insn, vmovaps, vmovapd, vmovdqa, vmovntdqa
        try     RING3
1:      \insn   FREE_PAGES + 16, %ymm0
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        is_fine vmovaps FREE_PAGES + 16, %xmm0
        try     RING3
1:      vmovntps %ymm0, FREE_PAGES + 16
        done
        expect_fault VEC_GP, 0, 1b

        /* 256 bits over two pages, the second of which is not there */
        .set    HOLE, FREE_PAGES + 0x1000
        movl    $0, PTE(HOLE)
        invlpg  HOLE
        movl    $0x11111111, HOLE - 32
        .irp    ring, RING0, RING3
        try     \ring
1:      vmovups HOLE - 31, %ymm1
        done
        expect  trap_vector, $VEC_PF
        expect  trap_eip, $1b
        expect  trap_cr2, $HOLE
        try     \ring
1:      vmovups %ymm1, HOLE - 4
        done
        expect  trap_vector, $VEC_PF
        expect  trap_cr2, $HOLE
        .endr
        movl    $0x22222222, HOLE - 4
        vpcmpeqd %xmm2, %xmm2, %xmm2
        vpsrldq $12, %xmm2, %xmm2               /* first element only */
        try     RING3
        vmaskmovps HOLE - 4, %ymm2, %ymm1
        vmovd   %xmm1, %eax
        vmaskmovps %ymm1, %ymm2, HOLE - 4
        vpmaskmovd %ymm1, %ymm2, HOLE - 4
        vpxor   %xmm3, %xmm3, %xmm3
        vmaskmovpd %ymm1, %ymm3, HOLE
        done
        expect_done
        expect  %eax, $0x22222222
        vpcmpeqd %xmm2, %xmm2, %xmm2
        movl    $0x33333333, %eax
        vmovd   %eax, %xmm1
        try     RING3
1:      vmaskmovps %xmm1, %xmm2, HOLE - 4       /* nothing is written */
        done
        expect  trap_vector, $VEC_PF
        expect  HOLE-4, $0x22222222

        /* the second element faults: the first is there, its mask cleared */
        movl    $(HOLE - 4), %ebx
        vpcmpeqd %xmm2, %xmm2, %xmm2
        vmovdqa indices, %xmm3
        vpxor   %xmm4, %xmm4, %xmm4
        try     RING3
1:      vpgatherdd %xmm2, (%ebx, %xmm3, 4), %xmm4
        done
        expect  trap_vector, $VEC_PF
        expect  trap_eip, $1b
        expect  trap_cr2, $HOLE
        vmovd   %xmm4, %eax
        expect  %eax, $0x22222222
        vpextrd $1, %xmm4, %eax
        expect  %eax, $0
        vmovd   %xmm2, %eax
        expect  %eax, $0
        vpextrd $1, %xmm2, %eax
        expect  %eax, $0xffffffff
        movl    $(HOLE + PTE_P + PTE_RW + PTE_US), PTE(HOLE)
        invlpg  HOLE
        movl    $0x44444444, HOLE
        try     RING3
        vpgatherdd %xmm2, (%ebx, %xmm3, 4), %xmm4
        done
        expect_done
        vpextrd $1, %xmm4, %eax
        expect  %eax, $0x44444444
        vptest  %xmm2, %xmm2
        jz      1f
        fail
1:
        /* unmasked exceptions, and the flags that stay */
        movl    $0x1f80, mxcsr
        vldmxcsr mxcsr
        vmovaps ones, %ymm1
        vxorps  %ymm2, %ymm2, %ymm2
        is_fine vdivps %ymm2, %ymm1, %ymm3
        vstmxcsr mxcsr
        expect  mxcsr, $0x1f84
        movl    $0x1d80, mxcsr
        vldmxcsr mxcsr
        vmovaps %ymm1, %ymm3
        try     RING3
1:      vdivps  %ymm2, %ymm1, %ymm3
        done
        expect_fault VEC_XM, 0, 1b
        vextractf128 $1, %ymm3, %xmm3
        vmovd   %xmm3, %eax
        expect  %eax, $0x3f800000
        movl    $0x1f80, mxcsr
        vldmxcsr mxcsr

        /* upper halves: SSE keeps them, VEX.128 clears them */
        vmovaps ones, %ymm1
        try     RING3
        vmovaps %ymm1, %ymm4
        addps   %xmm1, %xmm4
        vextractf128 $1, %ymm4, %xmm5
        vmovd   %xmm5, %eax
        vmovd   %xmm4, %ecx
        vmovaps %ymm1, %ymm4
        vaddps  %xmm1, %xmm4, %xmm4
        vextractf128 $1, %ymm4, %xmm5
        vmovd   %xmm5, %edx
        vzeroupper
        vextractf128 $1, %ymm1, %xmm5
        vmovd   %xmm5, %ebx
        vmovd   %xmm1, %esi
        vzeroall
        vmovd   %xmm1, %edi
        done
        expect_done
        expect  %eax, $0x3f800000
        expect  %ecx, $0x40000000
        expect  %edx, $0
        expect  %ebx, $0
        expect  %esi, $0x3f800000
        expect  %edi, $0

        /* general registers, ESP too (which the host keeps elsewhere) */
        cpuid_bit 7, %ebx, 8, no_bmi
        movl    $0xff00ff00, %eax
        movl    $0x12345678, %ecx
        movl    $0x80000001, %edx
        try     RING3
        movl    %esp, %ebx
        movl    $0xffff, %esp
        andnl   %ecx, %esp, %esi
        movl    %esi, %esp
        blsrl   %esp, %esp
        pextl   %eax, %ecx, %edi
        pdepl   %eax, %edi, %ebp
        mulxl   %ecx, %eax, %esi
        rorxl   $4, %ecx, %ecx
        xchgl   %ebx, %esp
        done
        expect_done
        expect  %ebx, $0x12300000               /* 12340000h without its lowest bit */
        expect  %edi, $0x1256
        expect  %ebp, $0x12005600
        expect  %eax, $0x12345678
        expect  %esi, $0x091a2b3c
        expect  %ecx, $0x81234567
        movl    $0x10, %eax
        movl    $0x1f, %ecx
        try     RING3, EFLAGS_CF | EFLAGS_OF
        sarxl   %ecx, %eax, %edx                /* no flags */
        setc    %bl
        seto    %bh
        blsil   %eax, %esi
        setc    %dl
        bzhil   %ecx, %eax, %edi
        done
        expect_done
        expect_bits %ebx, 0xffff, 0x101
        expect_bits %edx, 0xff, 1
        expect  %esi, $0x10
        expect  %edi, $0x10
        is_ud .byte 0xc4, 0xe2, 0x7c, 0xf2, 0xc1 /* andn with L */
no_bmi: enter_real_mode
        pushw   %es
        pushw   $0
        popw    %es
        movw    $OFF16(2f), %es:(VEC_UD * 4)
        movw    $SEG16, %es:(VEC_UD * 4 + 2)
        popw    %es
1:      .byte   0xc5, 0xf0, 0x58, 0xc1
        fail16
2:      movw    %sp, %bp
        expect16 (%bp), $OFF16(1b)
        pass16
        .code32
no_avx: try     RING3
1:      .byte   0xc5, 0xf0, 0x58, 0xc1
        done
        expect_fault VEC_UD, 0, 1b
        pass
        .text   1
        .balign 32
ones:   .fill   8, 4, 0x3f800000
indices: .long  0, 1, 0, 0
pointer: .long  0
        .word   SEL_DATA0
        .balign 4
mxcsr:  .long   0
