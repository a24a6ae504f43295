/* CR4.VME: in virtual-8086 mode with IOPL < 3, CLI, STI, PUSHF, POPF, INT n and IRET work on VIF, VIP makes them fault, and a bit
 * map below the I/O map tells which INT n stay inside.  SDM 3B 20.3, table 20-2. */
#include "guest.inc"
#define MAP (vtss + 104)                /* redirection, then I/O */
#define BOTH (EFLAGS_VIF | EFLAGS_IF)
        movl    $vtss, %eax
        movl    $(104 + 32), gdt + SEL_TSS2
        movw    %ax, gdt + SEL_TSS2 + 2
        shrl    $16, %eax
        movb    %al, gdt + SEL_TSS2 + 4
        movb    $0x89, gdt + SEL_TSS2 + 5
        movl    tss_esp0, %eax
        movl    %eax, vtss + 4
        movl    $SEL_DATA0, vtss + 8
        movw    $(104 + 32), vtss + 102
        movw    $SEL_TSS2, %ax
        ltr     %ax
        set_cr4 CR4_VME
        movw    $OFF16(kept), 0x60 * 4
        movw    $SEG16, 0x60 * 4 + 2
        movw    $OFF16(kept), 0x61 * 4
        movw    $SEG16, 0x61 * 4 + 2
        set_gate 0x61, protected_61, 0xee
        movb    $0x02, MAP + 0x60 / 8           /* 60h stays inside, 61h does not */

        /* CLI and STI: VIF alone; IF stays */
        .irp    iopl, 0, IOPL1, IOPL2
        try_v86 \iopl | BOTH
        cli
        done_v86
        expect_done
        expect_bits trap_eflags, BOTH, EFLAGS_IF
        try_v86 \iopl
        sti
        done_v86
        expect_done
        expect_bits trap_eflags, BOTH, EFLAGS_VIF
        try_v86 \iopl | EFLAGS_VIP              /* an interrupt waits: the monitor must know */
1:      sti
        done_v86
        expect_fault VEC_GP, 0, 1b
        expect_bits trap_eflags, EFLAGS_VIF, 0
        try_v86 \iopl | EFLAGS_VIP | EFLAGS_VIF
        cli
        done_v86
        expect_done
        expect_bits trap_eflags, EFLAGS_VIF | EFLAGS_VIP, EFLAGS_VIP

        /* PUSHF: IF shows VIF, IOPL shows 3; 32 bits are #GP */
        try_v86 \iopl | EFLAGS_VIF
        pushfw
        popw    %ax
        done_v86
        expect_done
        expect_bits %eax, 0xffff, EFLAGS_IF | IOPL3 | 2
        try_v86 \iopl | EFLAGS_IF
        pushfw
        popw    %ax
        done_v86
        expect_bits %eax, 0xffff, IOPL3 | 2
        try_v86 \iopl
1:      pushfl
        done_v86
        expect_fault VEC_GP, 0, 1b
        try_v86 \iopl
1:      popfl
        done_v86
        expect_fault VEC_GP, 0, 1b

        /* POPF: IF goes to VIF, IOPL and IF stay; not with TF, nor IF while VIP */
        try_v86 \iopl
        pushw   $(EFLAGS_IF | EFLAGS_CF | IOPL3)
        popfw
        done_v86
        expect_done
        expect_bits trap_eflags, BOTH | IOPL3 | EFLAGS_CF, EFLAGS_VIF | \iopl | EFLAGS_CF
        try_v86 \iopl | BOTH
        pushw   $EFLAGS_DF
        popfw
        done_v86
        expect_done
        expect_bits trap_eflags, BOTH | IOPL3 | EFLAGS_DF, EFLAGS_IF | \iopl | EFLAGS_DF
        try_v86 \iopl | EFLAGS_VIP
        pushw   $EFLAGS_CF
        popfw
        done_v86
        expect_done
        try_v86 \iopl | EFLAGS_VIP
        pushw   $EFLAGS_IF
1:      popfw
        done_v86
        expect_fault VEC_GP, 0, 1b
        try_v86 \iopl
        pushw   $EFLAGS_TF
1:      popfw
        done_v86
        expect_fault VEC_GP, 0, 1b

        /* IRET the same */
        try_v86 \iopl
        pushw   $(EFLAGS_IF | EFLAGS_CF)
        pushw   $SEG16
        pushw   $OFF16(1f)
        iretw
1:      nop
        done_v86
        expect_done
        expect_bits trap_eflags, BOTH | IOPL3 | EFLAGS_CF, EFLAGS_VIF | \iopl | EFLAGS_CF
        try_v86 \iopl | EFLAGS_VIP
        pushw   $EFLAGS_IF
        pushw   $SEG16
        pushw   $OFF16(1f)
1:      iretw
        done_v86
        expect_fault VEC_GP, 0, 1b
        try_v86 \iopl
        pushw   $EFLAGS_TF
        pushw   $SEG16
        pushw   $OFF16(1f)
1:      iretw
        done_v86
        expect_fault VEC_GP, 0, 1b
        try_v86 \iopl
1:      iretl
        done_v86
        expect_fault VEC_GP, 0, 1b

        /* INT n that stays inside: pushes VIF as IF, IOPL 3, clears VIF */
        try_v86 \iopl | EFLAGS_VIF | EFLAGS_CF
        int     $0x60
        done_v86
        expect_done
        expect_bits %ebx, 0xffff, EFLAGS_IF | IOPL3 | EFLAGS_CF | 2
        expect_bits %ecx, 0xffff, IOPL3 | EFLAGS_CF | 2
        expect_bits trap_eflags, BOTH, EFLAGS_VIF       /* IRET brought it back */
        try_v86 \iopl                           /* one that does not: the monitor's, by #GP */
1:      int     $0x61
        done_v86
        expect_fault VEC_GP, 0, 1b
        try_v86 \iopl                           /* INT3 goes to the IDT whatever the map says */
        int3
1:      nop
        done_v86
        expect_fault VEC_BP, 0, 1b
        .endr

        /* IOPL 3: IF is IF; the map still decides */
        try_v86 IOPL3 | EFLAGS_IF | EFLAGS_VIP
        cli
        pushfw
        popw    %ax
        sti
        done_v86
        expect_done
        expect_bits %eax, 0xffff, IOPL3 | 2
        expect_bits trap_eflags, BOTH, EFLAGS_IF
        try_v86 IOPL3 | BOTH
        int     $0x60
        done_v86
        expect_done
        expect_bits %ebx, 0xffff, EFLAGS_IF | IOPL3 | 2
        expect_bits %ecx, 0xffff, IOPL3 | 2
        expect_bits trap_eflags, BOTH, BOTH
        movl    $0, %ebx
        try_v86 IOPL3
        int     $0x61
        done_v86
        expect_done
        expect  %ebx, $0x61

        /* without VME all of it is #GP */
        movl    %cr4, %eax
        andl    $~CR4_VME, %eax
        movl    %eax, %cr4
        .irp    insn, cli, sti, pushfw, popfw, iretw, "int $0x60"
        try_v86 EFLAGS_VIF
1:      \insn
        done_v86
        expect_fault VEC_GP, 0, 1b
        .endr
        pass

        .code16
kept:   movw    %sp, %bp
        movw    4(%bp), %bx                     /* the flags pushed */
        pushfw
        popw    %cx                             /* those in the handler */
        iretw
        .code32
protected_61:
        movl    $0x61, %ebx
        iret

        .text   1
        .balign 4
vtss:   .fill   104 + 32 + 8, 1, 0
