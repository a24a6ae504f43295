/* RF in the flags IRET loads, at places that are executed often: it ends with the next instruction, whatever that is, a fault of that
 * instruction pushes it, INT n does not, and an interrupt between the two does.  SDM 3B 17.3.1.1. */
#include "guest.inc"
#define ROUNDS 30
        .set    B, FREE_PAGES + 0x5000
        /* an IRET of one place to another with RF, within ring 0 or to ring 3; what happens there pushes flags to "pushed" */
        .macro  back_to where, flags=0, ring=0
        .if     \ring
        pushl   $SEL_DATA3
        pushl   $user_stack_top
        .endif
        pushl   $(EFLAGS_RF | 2 | \flags)
        pushl   $(SEL_CODE0 + (SEL_CODE1 - SEL_CODE0) * \ring)
        pushl   $\where
        iret
        .endm
        .macro  rounds
        movl    $ROUNDS, rounds_left
770:
        .endm
        .macro  end_rounds
        decl    rounds_left
        jnz     770b
        .endm
        .macro  expect_rf want
        expect_bits pushed, EFLAGS_RF, \want
        .endm

        set_cr4 CR4_OSFXSR
        paging_on
        fninit
        movl    $SEL_DATA3, %eax                /* for every ring */
        movl    %eax, %ds
        movl    %eax, %es
        movl    %esp, stack
        set_gate VEC_USER, noted, 0xee
        set_gate VEC_PF, page_fault
        set_gate VEC_UD, noted
        set_gate VEC_GP, noted_error
        set_gate VEC_DE, noted
        set_gate 0x20, interrupted

        rounds                                  /* faults of the next instruction: RF = 1 */
        .irp    ring, 0, 3
        .irp    insn, "ud2", "movl %eax, %cs:0", "divl %ecx", "movaps %xmm0, B + 4"
        movl    $2f, resume
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        back_to 1f, 0, \ring
1:      \insn
2:      expect_rf EFLAGS_RF
        .endr
        .endr
        end_rounds

        rounds                                  /* INT n: 0; and 0 behind whatever comes first: also a jump, PUSHF, an access by the FPU */
        .irp    ring, 0, 3
        .irp    insn, "", "nop", "incl %eax", "jmp 3f", "pushl %eax", "call 3f", "loop 3f", "flds B", "bound %eax, bounds", "rep lodsb", "lahf"
        movl    $2f, resume
        movl    $3, %ecx
        movl    $4, %eax
        movl    $B, %esi
        back_to 1f, 0, \ring
1:      \insn
3:      int     $VEC_USER
2:      expect_rf 0
        .endr
        movl    $2f, resume
        movl    $3, %ecx
        back_to 1f, 0, \ring
1:      flds    B                               /* a loop, which polls, with a gate for the FPU before it */
        fstps   B
        loop    1b
        int     $VEC_USER
2:      expect_rf 0
        movl    $2f, resume
        movl    $3, %ecx
        back_to 1f, 0, \ring
1:      movl    B, %eax
        loop    1b
        int     $VEC_USER
2:      expect_rf 0
        .endr
        movl    $2f, resume
        back_to 1f
1:      pushfl
        popl    %eax
        int     $VEC_USER
2:      expect_bits %eax, EFLAGS_RF, 0
        end_rounds

        rounds                                  /* a handler that mends a page: its frame has RF, later ones have not */
        movl    $0, PTE(B)
        invlpg  B
        movl    $2f, resume
        movl    $0, pushed
        movl    $3, %ecx
1:      movl    B, %eax
        incl    B
        loop    1b
        expect_rf EFLAGS_RF
        int     $VEC_USER
2:      expect_rf 0
        movl    $0, PTE(B)                      /* in ring 3, by an x87 store and a push */
        invlpg  B
        movl    $2f, resume
        back_to 1f, 0, 3
1:      fstps   B
        movl    $(B + 8), %esp
        pushl   %eax
        int     $VEC_USER
2:      expect_rf 0
        end_rounds

        /* an interrupt that waits for IF comes before the next instruction: RF = 1, and once more with its own IRET */
        movb    $0x11, %al                      /* 8259: vectors from 20h, all masked but IRQ 0 */
        outb    %al, $0x20
        movb    $0x20, %al
        outb    %al, $0x21
        movb    $0x04, %al
        outb    %al, $0x21
        movb    $0x01, %al
        outb    %al, $0x21
        movb    $0xfe, %al
        outb    %al, $0x21
        rounds
        .irp    ring, 0, 3
        movb    $0x30, %al                      /* PIT counter 0, mode 0, a short count */
        outb    %al, $0x43
        movb    $16, %al
        outb    %al, $0x40
        movb    $0, %al
        outb    %al, $0x40
1:      movb    $0x0a, %al                      /* IRR */
        outb    %al, $0x20
        inb     $0x20, %al
        testb   $1, %al
        jz      1b
        movl    $2f, resume
        movl    $0, interrupted_at
        xorl    %ebx, %ebx
        back_to 1f, EFLAGS_IF, \ring
1:      incl    %ebx
        int     $VEC_USER
2:      cli
        expect  interrupted_at, $1b
        expect_bits interrupted_flags, EFLAGS_RF, EFLAGS_RF
        expect  %ebx, $1
        expect_rf 0
        .endr
        end_rounds
        pass

page_fault:
        addl    $4, %esp
        movl    $(B | PTE_P | PTE_RW | PTE_US), PTE(B)
        pushl   %eax
        movl    12(%esp), %eax
        movl    %eax, pushed
        popl    %eax
        iret
noted_error:
        addl    $4, %esp
noted:  pushl   8(%esp)
        popl    pushed
        movl    stack, %esp
        fninit
        jmp     *resume
interrupted:
        pushl   %eax
        movb    $0x20, %al
        outb    %al, $0x20
        movl    4(%esp), %eax
        movl    %eax, interrupted_at
        movl    12(%esp), %eax
        movl    %eax, interrupted_flags
        popl    %eax
        iret

        .balign 4
resume: .long   0
pushed: .long   0
stack:  .long   0
bounds: .long   0, 10
rounds_left: .long 0
interrupted_at: .long 0
interrupted_flags: .long 0
