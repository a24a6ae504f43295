/* CLFLUSH faults as a byte load does.  SDM 2A, CLFLUSH.  Found by running the same code on a real processor. */
#include "guest.inc"
        paging_on
        movl    $0, PTE(FREE_PAGES)
        invlpg  FREE_PAGES
        try     RING0
1:      clflush FREE_PAGES
        done
        expect_fault VEC_PF, 0, 1b
        expect  trap_cr2, $FREE_PAGES
        try     RING0
        clflush FREE_PAGES + 0x1000
        done
        expect_done
        pass
