/* #AC of AVX: operands of 32 bytes raise it when they are not 16-byte aligned, as AMD processors do (the SDM leaves it open), masked moves
 * and gathers never (SDM 2C, VMASKMOV, VPGATHER).  Found by running the same code on a real processor. */
#include "guest.inc"
#define CR4_OSXSAVE 0x40000
        .macro  raises_ac insn:vararg
        try     RING3, EFLAGS_AC
1:      \insn
        done
        expect_fault VEC_AC, 0, 1b
        .endm
        .macro  is_fine insn:vararg
        try     RING3, EFLAGS_AC
        \insn
        done
        expect_done
        .endm
        movl    $1, %eax
        cpuid
        btl     $28, %ecx
        jnc     no_avx
        movl    $7, %eax
        xorl    %ecx, %ecx
        cpuid
        btl     $5, %ebx
        jnc     no_avx
        set_cr4 CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE
        movl    %cr0, %eax
        orl     $CR0_AM | CR0_NE, %eax
        movl    %eax, %cr0
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    $7, %eax
        xsetbv
        vpcmpeqd %ymm1, %ymm1, %ymm1
        vpxor   %ymm2, %ymm2, %ymm2
        raises_ac vmovups FREE_PAGES + 8, %ymm0
        raises_ac vmovups %ymm0, FREE_PAGES + 8
        raises_ac vpaddd FREE_PAGES + 20, %ymm0, %ymm0
        raises_ac vmovups FREE_PAGES + 8, %xmm0
        raises_ac vcvtps2pd FREE_PAGES + 4, %xmm0
        is_fine vmovups FREE_PAGES + 16, %ymm0
        is_fine vmovups %ymm0, FREE_PAGES + 16
        is_fine vmaskmovps FREE_PAGES + 1, %ymm1, %ymm0
        is_fine vmaskmovps %ymm0, %ymm1, FREE_PAGES + 3
        is_fine vpmaskmovq FREE_PAGES + 1, %xmm1, %xmm0
        is_fine vpgatherdd %ymm1, FREE_PAGES + 1(, %ymm2, 4), %ymm0
        movl    $FREE_PAGES, %ebx               /* the flag is still there */
        raises_ac movl 1(%ebx), %eax
no_avx: pass
