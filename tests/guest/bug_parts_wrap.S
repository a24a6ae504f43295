/* Operands that the host accesses in parts, over offset FFFFFFFFh: #GP where the base is 0, on at 0 elsewhere, like all others.  The host's
 * parts wrapped to address 0.  SDM 3A 5.3. */
#include "guest.inc"
#define CR4_OSXSAVE 0x40000
#define SEL_FS SEL_FREE
#define BUF FREE_PAGES
        set_desc SEL_FS, BUF + 0x100, 0xfffff, 0xf2, 0xc
        set_cr4 CR4_OSFXSR
        movl    $SEL_FS, %edi
        fninit
        fldpi
        fstpt   BUF + 0xfa
        movl    $0xfffffffa, %ebx
        .irp    insn, "fldt (%ebx)", "fstpt (%ebx)", "fldt 0xfffffffa", "fstpt (, %ebx)"
        fninit
        fldz
        try     RING0
1:      \insn
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        .irp    insn, "fldt %fs:(%ebx)", "fldt %fs:0xfffffffa", "fldt %fs:(, %ebx)"
        fninit
        try     RING0
        movl    %edi, %fs
        \insn
        fstpt   BUF + 0x200
        done
        expect_done
        expect  BUF + 0x200, $0x2168c235
        expect  BUF + 0x204, $0xc90fdaa2
        expect_bits BUF + 0x208, 0xffff, 0x4000
        .endr

        movl    $1, %eax
        cpuid
        btl     $28, %ecx
        jnc     no_avx
        set_cr4 CR4_OSXSAVE
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    $7, %eax
        xsetbv
        movl    $0x55555555, BUF + 0x10e
        movl    $0xfffffff2, %ebx
        vmovups last, %ymm2                     /* the last element, 28 bytes on */
        .irp    insn, "vmaskmovps (%ebx), %ymm2, %ymm1", "vmaskmovps %ymm1, %ymm2, (%ebx)", "vmaskmovps (, %ebx), %ymm2, %ymm1"
        try     RING0
1:      \insn
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        try     RING0
        movl    %edi, %fs
        vmaskmovps %fs:(%ebx), %ymm2, %ymm1
        vmaskmovps %ymm1, %ymm2, %fs:0x12(%ebx)
        vmaskmovps %ymm1, %ymm2, %fs:(%ebx, %ebx)       /* from FFFFFFE4h, to 0 */
        done
        expect_done
        expect  BUF + 0x120, $0x55555555
        expect  BUF + 0x100, $0x55555555
        vpxor   %xmm2, %xmm2, %xmm2             /* none */
        try     RING0
        vmaskmovps (%ebx), %ymm2, %ymm1
        vmaskmovps %ymm1, %ymm2, (%ebx)
        done
        expect_done
no_avx: pass
        .balign 4
last:   .long   0, 0, 0, 0, 0, 0, 0, -1
