/* Paging: error codes and CR2 of page faults, accessed and dirty bits, CR0.WP, user rights, and off again.  SDM 3A 4.3-4.7. */
#include "guest.inc"
#define PAGE_A (FREE_PAGES + 0x0000)
#define PAGE_B (FREE_PAGES + 0x1000)
#define PF_P 1
#define PF_W 2
#define PF_U 4

        .macro  remap linear, flags
        movl    $((\linear) | \flags), PTE(\linear)
        invlpg  \linear
        .endm
        .macro  access ring, insn:vararg
        try     \ring
1:      \insn
        done
        .endm

        movl    $0x12345678, PAGE_A
        paging_on
        expect  PAGE_A, $0x12345678

        /* A is set by a read, D only by a write */
        remap   PAGE_A, (PTE_P | PTE_RW | PTE_US)
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, 0
        movl    PAGE_A, %eax
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, PTE_A
        movl    %eax, PAGE_A
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, PTE_A | PTE_D
        expect_bits PAGE_DIR, PTE_A, PTE_A
        remap   PAGE_A, (PTE_P | PTE_RW | PTE_US)
        addl    $0, PAGE_A
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, PTE_A | PTE_D
        remap   PAGE_A, (PTE_P | PTE_RW | PTE_US)
        cmpl    $0, PAGE_A
        expect_bits PTE(PAGE_A), PTE_D, 0

        /* not present */
        remap   PAGE_A, 0
        .irp    ring, 0, 1, 2
        access  \ring, movl PAGE_A + 8, %eax
        expect_fault VEC_PF, 0, 1b
        expect  trap_cr2, $(PAGE_A + 8)
        access  \ring, movb %al, PAGE_A + 0xfff
        expect_fault VEC_PF, PF_W, 1b
        expect  trap_cr2, $(PAGE_A + 0xfff)
        .endr
        access  RING3, movl PAGE_A, %eax
        expect_fault VEC_PF, PF_U, 1b
        access  RING3, incl PAGE_A
        expect_fault VEC_PF, PF_U | PF_W, 1b
        access  RING3, cmpl %eax, PAGE_A
        expect_fault VEC_PF, PF_U, 1b
        access  RING3, jmp PAGE_A
        expect_fault VEC_PF, PF_U, PAGE_A
        expect  trap_cr2, $PAGE_A
        expect_bits PTE(PAGE_A), PTE_A | PTE_D, 0

        /* read-only: user writes fault; supervisor writes when CR0.WP */
        remap   PAGE_A, (PTE_P | PTE_US)
        access  RING3, movl PAGE_A, %eax
        expect_done
        access  RING3, movl %eax, PAGE_A
        expect_fault VEC_PF, PF_P | PF_U | PF_W, 1b
        access  RING0, movl $0x5a5a5a5a, PAGE_A
        expect_done
        expect_bits PTE(PAGE_A), PTE_D, PTE_D
        expect  PAGE_A, $0x5a5a5a5a
        movl    %cr0, %eax
        orl     $CR0_WP, %eax
        movl    %eax, %cr0
        access  RING0, movl $0, PAGE_A
        expect_fault VEC_PF, PF_P | PF_W, 1b
        access  RING2, xchgl %eax, PAGE_A
        expect_fault VEC_PF, PF_P | PF_W, 1b
        expect  PAGE_A, $0x5a5a5a5a
        movl    %cr0, %eax
        andl    $~CR0_WP, %eax
        movl    %eax, %cr0
        access  RING0, movl $1, PAGE_A
        expect_done

        /* supervisor page */
        remap   PAGE_A, (PTE_P | PTE_RW)
        access  RING3, movl PAGE_A, %eax
        expect_fault VEC_PF, PF_P | PF_U, 1b
        access  RING3, movl %eax, PAGE_A
        expect_fault VEC_PF, PF_P | PF_U | PF_W, 1b
        access  RING2, movl PAGE_A, %eax
        expect_done
        /* the directory entry's rights count as well */
        remap   PAGE_A, (PTE_P | PTE_RW | PTE_US)
        movl    %cr3, %ebx
        andl    $~PTE_US, PAGE_DIR
        movl    %ebx, %cr3
        access  RING3, nop
        expect_fault VEC_PF, PF_P | PF_U, 1b
        orl     $PTE_US, PAGE_DIR
        movl    %ebx, %cr3

        /* accesses across a border: the second page decides, nothing is written */
        movl    $0x11111111, PAGE_A + 0xffc
        remap   PAGE_B, 0
        access  RING0, movl $0, PAGE_B - 2
        expect_fault VEC_PF, PF_W, 1b
        expect  trap_cr2, $PAGE_B
        expect  PAGE_A + 0xffc, $0x11111111
        access  RING3, movl PAGE_B - 1, %eax
        expect_fault VEC_PF, PF_U, 1b
        expect  trap_cr2, $PAGE_B
        movl    $(PAGE_B + 2), %esi
        try     RING3
        movl    %esi, %esp
1:      popl    %eax
        done
        expect_fault VEC_PF, PF_U, 1b
        expect  trap_esp, $(PAGE_B + 2)
        movl    $PAGE_B + 0x1000, %esi
        try     RING3
        movl    %esi, %esp
1:      pushl   %eax
        done
        expect_fault VEC_PF, PF_U | PF_W, 1b
        expect  trap_cr2, $(PAGE_B + 0xffc)
        expect  trap_esp, $(PAGE_B + 0x1000)
        try     RING3
        movl    %esi, %esp
1:      call    pass_by
        done
        expect_fault VEC_PF, PF_U | PF_W, 1b
        expect  trap_esp, $(PAGE_B + 0x1000)
        try     RING3
        movl    %esi, %esp
1:      pushal
        done
        expect_fault VEC_PF, PF_U | PF_W, 1b
        expect  trap_esp, $(PAGE_B + 0x1000)

        /* off again: the tables no longer count */
        movl    %cr0, %eax
        andl    $~CR0_PG, %eax
        movl    %eax, %cr0
        movl    $0x77777777, PAGE_B
        expect  PAGE_B, $0x77777777
        movl    %cr0, %eax
        orl     $CR0_PG, %eax
        movl    %eax, %cr0
        access  RING0, movl PAGE_B, %eax
        expect_fault VEC_PF, 0, 1b
pass_by:
        pass
