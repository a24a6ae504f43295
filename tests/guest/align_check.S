/* Alignment checks: with CR0.AM and EFLAGS.AC, in ring 3 only; bytes and aligned accesses pass.  SDM 3A 6.15, #AC. */
#include "guest.inc"
        movl    %cr0, %eax
        orl     $CR0_AM, %eax
        movl    %eax, %cr0
        try     RING3, EFLAGS_AC
1:      movl    FREE_PAGES + 1, %eax
        done
        expect_fault VEC_AC, 0, 1b
        try     RING3, EFLAGS_AC
1:      movw    %ax, FREE_PAGES + 1
        done
        expect_fault VEC_AC, 0, 1b
        try     RING3, EFLAGS_AC
        movl    FREE_PAGES + 4, %eax
        movb    FREE_PAGES + 1, %al
        done
        expect_done
        try     RING0, EFLAGS_AC
        movl    FREE_PAGES + 1, %eax
        done
        expect_done
        try     RING3
        movl    FREE_PAGES + 1, %eax
        done
        expect_done
        pass
