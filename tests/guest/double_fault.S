/* Two exceptions at once: which pairs make a double fault, and which are delivered one after the other.  SDM 3A 6.15, table 6-5. */
#include "guest.inc"
#define IDT_LOW FREE_PAGES                      /* vectors 0 to 7 end this page, 8 and up begin the next */
#define NEW_IDT (IDT_LOW + 0x1000 - 8 * 8)
        /* gates of vectors 0-7 can be made to fault: #NP by their presence bit, #PF by their page */
        cld
        movl    $idt, %esi
        movl    $NEW_IDT, %edi
        movl    $512, %ecx
        rep movsl
        paging_on
        lidt    new_idt_pointer
        movl    $SEL_DATA0, %ebx

        .macro  provoke vector
        .if     \vector == VEC_DE
        movl    $0, %ecx
1:      divl    %ecx
        .elseif \vector == VEC_UD
1:      ud2
        .elseif \vector == VEC_BR
1:      boundl  %ecx, no_bounds
        .elseif \vector == VEC_GP
1:      movl    %fs:0, %eax                     /* FS is null */
        .elseif \vector == VEC_SS
1:      movl    %ss:16(, %edi), %eax            /* beyond the limit */
        .elseif \vector == VEC_NP
1:      movl    %esi, %gs
        .elseif \vector == VEC_PF
1:      movl    0x1000000, %eax
        .endif
        .endm

        .macro  absent vector, want, error
        movb    $0x0e, NEW_IDT + \vector * 8 + 5
        movl    $0, %ecx
        movl    $(SEL_FREE), %esi
        try     RING0
        xorl    %eax, %eax
        movl    %eax, %fs
        provoke \vector
        done
        movb    $0x8e, NEW_IDT + \vector * 8 + 5
        expect_fault \want, \error, 1b
        .endm
        set_desc SEL_FREE, 0, 0xffff, 0x13, 4   /* a data segment that is absent */

        /* contributory or page fault, then #NP: double fault; benign, then #NP: #NP of that gate, EXT and IDT set */
        absent  VEC_DE, VEC_DF, 0
        absent  VEC_GP, VEC_DF, 0
        absent  VEC_NP, VEC_DF, 0
        absent  VEC_PF, VEC_DF, 0
        absent  VEC_UD, VEC_NP, VEC_UD*8+3
        absent  VEC_BR, VEC_NP, VEC_BR*8+3

        /* INT n is benign, and not external */
        movb    $0x6e, NEW_IDT + VEC_USER * 8 + 5
        try     RING3
1:      int     $VEC_USER
        done
        expect_fault VEC_NP, VEC_USER*8+2, 1b
        movb    $0x6e, NEW_IDT + VEC_BP * 8 + 5
        try     RING3
1:      int3
        done
        expect_fault VEC_NP, VEC_BP*8+2, 1b
        movb    $0xee, NEW_IDT + VEC_BP * 8 + 5

        /* contributory, then #PF: the page fault, which returns to the instruction */
        .irp    vector, VEC_DE, VEC_UD, VEC_BR
        movl    $0, PTE(IDT_LOW)
        invlpg  IDT_LOW
        movl    $0, %ecx
        try     RING3
        provoke \vector
        done
        movl    $(IDT_LOW | PTE_P | PTE_RW | PTE_US), PTE(IDT_LOW)
        expect_fault VEC_PF, 0, 1b
        expect  trap_cr2, $(NEW_IDT + \vector * 8)
        .endr

        /* #PF, then #PF: its gate's page is absent.  Ring 3, and the stack of ring 0 is absent too: #DF needs a task */
        movl    $tss2, %eax
        movl    $103, gdt + SEL_TSS2
        movw    %ax, gdt + SEL_TSS2 + 2
        shrl    $16, %eax
        movb    %al, gdt + SEL_TSS2 + 4
        movb    $0x89, gdt + SEL_TSS2 + 5
        movl    %cr3, %eax
        movl    %eax, tss2_cr3
        movl    $0x0000e500, NEW_IDT + VEC_DF * 8 + 4
        movl    $(SEL_TSS2 << 16), NEW_IDT + VEC_DF * 8
        movl    tss_esp0, %eax
        movl    %eax, saved_esp0
        movl    $0x1000800, tss_esp0            /* page 1000000h is not there */
        try     RING3
faulting:
        movl    0x1000000, %eax
        done
        fail
double_fault:
        popl    %eax
        expect  %eax, $0
        expect  tss + 32, $faulting             /* the outer task's EIP, and RF */
        expect_bits (tss + 36), EFLAGS_RF, EFLAGS_RF
        expect  tss2, $SEL_TSS
        movl    %cr2, %eax
        expect  %eax, $0x10007fc                /* the second one's address */
        pass

        .text   1
        .balign 4
no_bounds: .long 1, 2
saved_esp0: .long 0
new_idt_pointer:
        .word   256 * 8 - 1
        .long   NEW_IDT
        .balign 4
tss2:   .fill   7, 4, 0
tss2_cr3: .long 0
        .long   double_fault, 2
        .fill   4, 4, 0
        .long   task_stack_top, 0, 0, 0
        .long   SEL_DATA0, SEL_CODE0, SEL_DATA0, SEL_DATA0, SEL_DATA0, SEL_DATA0, 0, 0
        .text   2
        .skip   512
task_stack_top:
