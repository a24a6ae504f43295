/* Reserved bits of page-table entries, as the processor's features have them, also in the middle of pages that are already
 * accessed and good to map together.  SDM 3A 4.3, 4.4, 4.6. */
#include "guest.inc"
#define PF_P 1
#define PF_RSVD 8
#define PF_ID 16
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_NXE 0x800
#define PDPT 0x202000
#define PAE_DIR 0x203000        /* four tables follow */
#define PAE_TABLE 0x207000      /* of the first 16 MiB */
#define RUN FREE_PAGES          /* sixteen pages; the ninth is the odd one */
#define ODD (RUN + 8 * 0x1000)
#define PAE_PTE(linear) (PAE_TABLE + ((linear) >> 12) * 8)

/* All pages but the odd one can be read; that one faults with \error, or with 0 can be read too.  The entries change first,
 * so that nothing of them is known. */
        .macro  walk_run error
        movl    $PTE(RUN), %edi
        movl    entry_size, %eax
        cmpl    $4, %eax
        je      760f
        movl    $PAE_PTE(RUN), %edi
760:    movl    $16, %ecx
764:    xorl    $0x200, (%edi)                  /* a bit for the system's use */
        addl    %eax, %edi
        loop    764b
        movl    %cr3, %eax
        movl    %eax, %cr3
        movl    $RUN, %esi
761:    try     RING0
        movl    (%esi), %eax
        done
        cmpl    $ODD, %esi
        jne     762f
        .if     \error
        expect_fault VEC_PF, \error, 771b
        expect  trap_cr2, $ODD
        jmp     763f
        .endif
762:    expect_done
763:    addl    $0x1000, %esi
        cmpl    $(RUN + 0x10000), %esi
        jne     761b
        .endm

        .macro  unless_feature reg, bit, label
        testl   $(1 << \bit), features_\reg
        jz      \label
        .endm

        movl    $1, %eax
        cpuid
        movl    %edx, features_1
        movl    $0x80000000, %eax
        cpuid
        cmpl    $0x80000001, %eax
        jb      1f
        movl    $0x80000001, %eax
        cpuid
        movl    %edx, features_8
1:
        /* bit 7 of a 4 KiB entry is the PAT's; nothing is reserved without CR4.PSE */
        paging_on
        orl     $0x80, PTE(ODD)
        walk_run 0
        unless_feature 1, 3, no_pse
        movl    %cr4, %eax
        orl     $CR4_PSE, %eax
        movl    %eax, %cr4
        testl   $(1 << 16), features_1
        jnz     1f
        walk_run (PF_P | PF_RSVD)
        jmp     2f
1:      walk_run 0
2:      andl    $~0x80, PTE(ODD)
        /* address bits above 31 of a 4 MiB page; bit 21 is always reserved */
        movl    $(0x00000083 | 1 << 21), PAGE_DIR + 4 * 4
        try     RING0
        movl    0x1000000, %eax
        done
        expect_fault VEC_PF, (PF_P | PF_RSVD), 771b
        movl    $(0x00000083 | 1 << 13), PAGE_DIR + 4 * 5 /* at 4 GiB: nobody there */
        try     RING0
        movl    0x1400000, %eax
        done
        testl   $(1 << 17), features_1
        jnz     1f
        expect_fault VEC_PF, (PF_P | PF_RSVD), 771b
        jmp     no_pse
1:      expect_done
        expect  %eax, $-1
no_pse:
        unless_feature 1, 6, end
        /* PAE: bits 62:36 */
        movl    %cr0, %eax
        andl    $~CR0_PG, %eax
        movl    %eax, %cr0
        movl    $PDPT, %edi
        xorl    %eax, %eax
        movl    $(0x5000 / 4), %ecx
        rep stosl
        movl    $(PAE_DIR | PTE_P), PDPT
        movl    $PAE_DIR, %edi
        movl    $(PAE_TABLE | PTE_P | PTE_RW | PTE_US), %eax
        movl    $8, %ecx
1:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $0x1000, %eax
        loop    1b
        movl    $PAE_TABLE, %edi
        movl    $(PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D), %eax
        movl    $4096, %ecx
1:      movl    %eax, (%edi)
        movl    $0, 4(%edi)
        addl    $8, %edi
        addl    $0x1000, %eax
        loop    1b
        movl    %cr4, %eax
        orl     $CR4_PAE, %eax
        movl    %eax, %cr4
        movl    $PDPT, %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $CR0_PG, %eax
        movl    %eax, %cr0
        movl    $8, entry_size
        walk_run 0
        .irp    bit, 4, 19, 20, 30, 31
        movl    $(1 << \bit), PAE_PTE(ODD) + 4
        walk_run (PF_P | PF_RSVD)
        .endr
        /* bit 63 with NXE: data yes, instructions no */
        unless_feature 8, 20, end
        movl    $EFER, %ecx
        rdmsr
        orl     $EFER_NXE, %eax
        wrmsr
        movb    $0xc3, ODD + 4
        movl    %cr3, %eax
        movl    %eax, %cr3
        walk_run 0
        try     RING0
        call    ODD + 4
        done
        expect_fault VEC_PF, (PF_P | PF_ID), ODD+4
        movl    $0, PAE_PTE(ODD) + 4
        invlpg  ODD
        try     RING0
        call    ODD + 4
        done
        expect_done
end:    pass

        .balign 4
entry_size: .long 4
features_1: .long 0
features_8: .long 0
