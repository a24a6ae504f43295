/* When a changed paging entry counts: at once when it was not present, after INVLPG or a CR3 load otherwise, global pages
 * only after INVLPG or a change of CR4.PGE; also large pages.  SDM 3A 4.10. */
#include "guest.inc"
#define PAGE_A (FREE_PAGES + 0x0000)
#define FRAME0 (FREE_PAGES + 0x10000)
#define FRAME1 (FREE_PAGES + 0x11000)
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define LARGE 0x800000
        movl    $0x10101010, FRAME0
        movl    $0x20202020, FRAME1
        movl    $0x30303030, FREE_PAGES + 0x80000
        paging_on

        /* from absent to present needs no flush */
        movl    $0, PTE(PAGE_A)
        invlpg  PAGE_A
        try     RING3
        movl    PAGE_A, %eax
        done
        expect  trap_vector, $VEC_PF
        movl    $(FRAME0 | RIGHTS), PTE(PAGE_A)
        expect  PAGE_A, $0x10101010

        movl    $(FRAME1 | RIGHTS), PTE(PAGE_A)
        invlpg  PAGE_A
        expect  PAGE_A, $0x20202020
        movl    $(FRAME0 | RIGHTS), PTE(PAGE_A)
        movl    %cr3, %eax
        movl    %eax, %cr3
        expect  PAGE_A, $0x10101010

        /* many times, written in between: the table page becomes one that keeps changing */
        movl    $100, %ecx
1:
        movl    $(FRAME1 | RIGHTS), PTE(PAGE_A)
        movl    %cr3, %eax
        movl    %eax, %cr3
        expect  PAGE_A, $0x20202020
        movl    $(FRAME0 | RIGHTS), PTE(PAGE_A)
        invlpg  PAGE_A
        expect  PAGE_A, $0x10101010
        movl    $0, PTE(PAGE_A)
        movl    %eax, %cr3
        pushl   %ecx
        try     RING3
        movl    PAGE_A, %eax
        done
        popl    %ecx
        expect  trap_vector, $VEC_PF
        movl    $(FRAME0 | RIGHTS), PTE(PAGE_A)
        decl    %ecx
        jnz     1b

        /* rights taken away; a write to the table through another mapping of it */
        movl    PAGE_A, %eax
        movl    %eax, PAGE_A
        movl    $(PAGE_TABLE | RIGHTS), PTE(FREE_PAGES + 0x5000)
        invlpg  FREE_PAGES + 0x5000
        movl    $(FRAME0 | PTE_P | PTE_US), FREE_PAGES + 0x5000 + ((PAGE_A) >> 12) * 4
        invlpg  PAGE_A
        try     RING3
        movl    %eax, PAGE_A
        done
        expect_fault VEC_PF, 7

        /* another directory altogether, and back */
        movl    $0x400000, %edi
        movl    $PAGE_DIR, %esi
        movl    $2048, %ecx                     /* directory and first table */
        rep movsl
        movl    $(0x401000 | RIGHTS), 0x400000
        movl    $(FRAME1 | RIGHTS), 0x401000 + ((PAGE_A) >> 12) * 4
        movl    $20, %ecx
2:      movl    $0x400000, %eax
        movl    %eax, %cr3
        expect  PAGE_A, $0x20202020
        movl    $PAGE_DIR, %eax
        movl    %eax, %cr3
        expect  PAGE_A, $0x10101010
        loop    2b

        /* PSE: 4 MiB at once, A and D in the directory entry, then a table again */
        movl    %cr4, %eax
        orl     $CR4_PSE, %eax
        movl    %eax, %cr4
        movl    $(0 | RIGHTS | PDE_PS), PAGE_DIR + LARGE / 0x400000 * 4
        invlpg  LARGE
        expect  (LARGE + FREE_PAGES + 0x80000), $0x30303030
        expect_bits (PAGE_DIR + LARGE / 0x400000 * 4), PTE_A | PTE_D, PTE_A
        movl    $0x31313131, LARGE + FREE_PAGES + 0x80000
        expect  (FREE_PAGES + 0x80000), $0x31313131
        expect_bits (PAGE_DIR + LARGE / 0x400000 * 4), PTE_A | PTE_D, PTE_A | PTE_D
        movl    $(PAGE_TABLE + 0x2000 + RIGHTS), PAGE_DIR + LARGE / 0x400000 * 4
        invlpg  LARGE
        movl    $0x32323232, LARGE
        movl    LARGE, %eax
        expect  %eax, $0x32323232

        /* global pages outlive a CR3 load, not INVLPG: this shows only that nothing older comes back */
        movl    %cr4, %eax
        orl     $CR4_PGE, %eax
        movl    %eax, %cr4
        movl    $(FRAME1 | RIGHTS | PTE_G), PTE(PAGE_A)
        invlpg  PAGE_A
        expect  PAGE_A, $0x20202020
        movl    $(FRAME0 | RIGHTS | PTE_G), PTE(PAGE_A)
        movl    %cr4, %eax
        andl    $~CR4_PGE, %eax
        movl    %eax, %cr4
        expect  PAGE_A, $0x10101010
        pass
