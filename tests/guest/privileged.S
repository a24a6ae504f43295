/* Privileged instructions fault outside ring 0, CLI, STI, IN and OUT outside IOPL, and work inside.
 * SDM 3A 5.9; 1 19.5 (I/O privilege and the bit map). */
#include "guest.inc"
        .macro  refused_outside text:vararg
        .irp    ring, 1, 2, 3
        try     \ring, IOPL3
1:      \text
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        try_v86 IOPL3
1:      \text
        done_v86
        expect_fault VEC_GP, 0, 1b
        .endm
        refused_outside hlt
        refused_outside clts
        refused_outside movl %cr0, %eax
        refused_outside movl %eax, %cr3
        refused_outside movl %cr2, %eax
        refused_outside movl %eax, %dr7
        refused_outside movl %dr6, %eax
        refused_outside invd
        refused_outside wbinvd
        refused_outside rdmsr
        refused_outside wrmsr
        refused_outside lmsw %ax
        refused_outside invlpg (%ebx)
        .irp    ring, 1, 2, 3
        .irp    insn, lgdt, lidt
        try     \ring, IOPL3
1:      \insn   gdt_pointer
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        .irp    insn, lldt, ltr
        try     \ring, IOPL3
1:      \insn   %ax
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        .endr

        /* IOPL */
        .irp    ring, 1, 2, 3
        .irp    insn, cli, sti
        try     \ring, 0
1:      \insn
        done
        expect_fault VEC_GP, 0, 1b
        try     \ring, IOPL3
        \insn
        done
        expect_done
        .endr
        try     \ring, 0                        /* the bit map says no */
1:      inb     $0x21, %al
        done
        expect_fault VEC_GP, 0, 1b
        movw    $0x21, %dx
        try     \ring, IOPL3
        inb     %dx, %al
        done
        expect_done
        movzbl  %al, %eax
        expect  %eax, $0xff
        .endr

        /* the bit map says yes, for all bytes of the port or not at all; virtual-8086 mode asks it whatever IOPL */
        movb    $0xfd, tss + 104 + 0x21 / 8     /* port 21h */
        .irp    iopl, 0, IOPL3
        try     RING3, 0
        inb     $0x21, %al
        done
        expect_done
        try     RING3, 0
1:      inw     $0x21, %ax
        done
        expect_fault VEC_GP, 0, 1b
        try_v86 \iopl
        inb     $0x21, %al
        done_v86
        expect_done
        try_v86 \iopl
1:      inb     $0x22, %al
        done_v86
        expect_fault VEC_GP, 0, 1b
        .endr
        movw    $0xffff, tss + 102              /* no bit map at all */
        try     RING3, 0
1:      inb     $0x21, %al
        done
        expect_fault VEC_GP, 0, 1b

        /* virtual-8086 mode: CLI and STI ask IOPL */
        try_v86 IOPL3 | EFLAGS_IF
        cli
        done_v86
        expect_done
        expect_bits trap_eflags, EFLAGS_IF, 0
        .irp    insn, cli, sti
        try_v86 0
1:      \insn
        done_v86
        expect_fault VEC_GP, 0, 1b
        .endr
        pass
