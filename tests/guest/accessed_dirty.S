/* A and D bits: of pages, exactly for the accesses that happen, over page borders too; of segment descriptors.  SDM 3A 4.8, 3.4.5.1. */
#include "guest.inc"
#define A (FREE_PAGES + 0x0000)
#define B (FREE_PAGES + 0x1000)
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define AD (PTE_A | PTE_D)
        .macro  pages a, b
        movl    $(A | \a), PTE(A)
        movl    $(B | \b), PTE(B)
        invlpg  A
        invlpg  B
        .endm
        .macro  bits a, b
        expect_bits PTE(A), AD, \a
        expect_bits PTE(B), AD, \b
        .endm
        .macro  does a, b, insn:vararg
        pages   RIGHTS, RIGHTS
        try     RING3
        \insn
        done
        expect_done
        bits    \a, \b
        .endm
        .macro  faults b_rights, a, b, insn:vararg
        pages   RIGHTS, \b_rights
        try     RING3
1:      \insn
        done
        expect  trap_vector, $VEC_PF
        expect  trap_eip, $1b
        expect  trap_cr2, $B
        bits    \a, \b
        .endm
        set_cr4 CR4_OSFXSR
        paging_on
        does    0, 0, nop
        does    PTE_A, 0, movl A, %eax
        does    AD, 0, movl %eax, A
        does    PTE_A, PTE_A, movl B - 2, %eax
        does    AD, AD, movl %eax, B - 2
        does    AD, AD, addl %eax, B - 1
        does    AD, AD, lock incl B - 3
        does    PTE_A, PTE_A, cmpl %eax, B - 3
        does    AD, AD, movups %xmm0, B - 8
        movl    $1, %eax
        movl    $0, A
        does    AD, 0, lock cmpxchgl %ecx, A    /* writes even where they differ */
        does    AD, 0, btsl $0, A
        does    PTE_A, 0, btl $0, A
        /* a store that the second page refuses: no byte of the first changes, and no D where nothing is written (that of the
         * first page a processor may set) */
        faults  PTE_P | PTE_US, 0, 0, movl %eax, B
        pages   RIGHTS, RIGHTS
        movl    $0x55555555, A + 0xffc
        .irp    rights, 0, PTE_P | PTE_US
        pages   RIGHTS, \rights
        try     RING3
1:      movl    %eax, B - 2
        done
        expect  trap_vector, $VEC_PF
        expect_bits trap_error, ~1, 6
        expect  trap_cr2, $B
        expect_bits PTE(B), PTE_D, 0
        expect  A + 0xffc, $0x55555555
        .endr
        /* pushes, in ring 3 and by an interrupt on the stack of ring 0 */
        pages   RIGHTS, RIGHTS
        movl    %esp, %ebx
        movl    $(B + 2), %esp
        pushl   %eax
        movl    %ebx, %esp
        bits    AD, AD
        movl    tss_esp0, %ebx
        movl    $(B + 8), tss_esp0
        set_gate VEC_USER, back, 0xee
        pages   PTE_P | PTE_RW, PTE_P | PTE_RW
        try     RING3
        int     $VEC_USER
        done
        movl    %ebx, tss_esp0
        expect_done
        bits    AD, AD
        /* REP: page after page */
        cld
        pages   RIGHTS, RIGHTS
        movl    $A, %edi
        movl    $0x1000, %ecx
        try     RING3
        rep stosb
        done
        bits    AD, 0
        movl    $A, %esi
        movl    $0x1001, %ecx
        pages   RIGHTS, RIGHTS
        try     RING3
        rep lodsb
        done
        bits    PTE_A, PTE_A
        /* CR0.WP = 0: the kernel writes to read-only pages, and D tells */
        pages   PTE_P, PTE_P
        movl    %cr0, %eax
        andl    $~CR0_WP, %eax
        movl    %eax, %cr0
        movl    %eax, B - 2
        bits    AD, AD
        orl     $CR0_WP, %eax
        movl    %eax, %cr0
        pages   PTE_P, PTE_P
        try     RING0
1:      movl    %eax, A
        done
        expect_fault VEC_PF, 3, 1b
        bits    0, 0

        /* descriptors: A is set by a load that succeeds, wherever the table lies, and not by LAR, LSL, VERR */
        set_desc SEL_FREE, 0, 0xfffff, 0x92, 0xc
        movl    $SEL_FREE, %ecx
        lar     %ecx, %eax
        lsl     %ecx, %eax
        verr    %cx
        expect_bits (gdt + SEL_FREE + 4), 0x100, 0
        movl    %ecx, %fs
        expect_bits (gdt + SEL_FREE + 4), 0x100, 0x100
        set_desc SEL_FREE, 0, 0xfffff, 0x12, 0xc        /* absent: refused, and not touched */
        try     RING0
1:      movl    %ecx, %fs
        done
        expect_fault VEC_NP, SEL_FREE, 1b
        expect_bits (gdt + SEL_FREE + 4), 0x100, 0
        set_desc SEL_FREE, 0, 0xfffff, 0x9a, 0xc
        ljmp    $SEL_FREE, $1f
1:      expect_bits (gdt + SEL_FREE + 4), 0x100, 0x100
        pass
back:   iret
