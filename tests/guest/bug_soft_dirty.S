/* Stores that look their page up in software, and fault for another reason than the page: D stays clear.  It was set before
 * the alignment was checked.  SDM 3A 4.8. */
#include "guest.inc"
#define A (FREE_PAGES + 0x0000)
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
        .macro  fresh
        movl    $(A | RIGHTS), PTE(A)
        invlpg  A
        .endm

        set_cr4 CR4_OSFXSR
        paging_on
        movl    $40, %ecx
1:      movl    $A, %esi
        fresh
        call    store
        expect_bits PTE(A), PTE_A | PTE_D, PTE_A | PTE_D
        fresh
        movl    $(A + 4), %esi
        try     RING0
        call    store
        done
        expect_fault VEC_GP, 0, store
        expect_bits PTE(A), PTE_D, 0
        movl    (%esi), %eax                    /* the page is known, but for writing */
        try     RING0
        call    store
        done
        expect_fault VEC_GP, 0, store
        expect_bits PTE(A), PTE_D, 0
        movl    $(A + 16), %esi
        call    store
        expect_bits PTE(A), PTE_A | PTE_D, PTE_A | PTE_D
        decl    %ecx
        jnz     1b
        pass
store:  movaps  %xmm0, (%esi)
        ret
