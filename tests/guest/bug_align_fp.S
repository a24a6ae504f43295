/* #AC of FP stores comes before the FPU has changed; unaligned 128-bit and 80-bit operands and ENTER's last slot raise it too.
 * SDM 3A 6.15, #AC.  Found by running the same code on a real processor. */
#include "guest.inc"
        movl    %cr4, %eax
        orl     $CR4_OSFXSR, %eax
        movl    %eax, %cr4
        movl    %cr0, %eax
        orl     $CR0_AM | CR0_NE, %eax
        movl    %eax, %cr0
        fninit
        fldpi
        fnstsw  %ax
        movl    %eax, %ebx
        try     RING3, EFLAGS_AC
1:      fstpl   FREE_PAGES + 4
        done
        expect_fault VEC_AC, 0, 1b
        fnstsw  %ax
        expect  %eax, %ebx                      /* nothing was popped, no inexact result noted */
        try     RING3, EFLAGS_AC
1:      fstpt   FREE_PAGES + 4
        done
        expect_fault VEC_AC, 0, 1b
        try     RING3, EFLAGS_AC
1:      movups  FREE_PAGES + 8, %xmm0
        done
        expect_fault VEC_AC, 0, 1b
        try     RING3, EFLAGS_AC
        movups  FREE_PAGES + 16, %xmm0
        fstpt   FREE_PAGES + 8
        done
        expect_done
        try     RING3, EFLAGS_AC
1:      enter   $2, $0                          /* ESP ends unaligned: the slot there is checked */
        done
        expect_fault VEC_AC, 0, 1b
        pass
