/* PUSHF shows IF and IOPL as they are in every ring; in virtual-8086 mode it needs IOPL 3.  SDM 2B, PUSHF. */
#include "guest.inc"
        .irp    ring, 0, 1, 2, 3
        .irp    iopl, 0, IOPL3
        try     \ring, EFLAGS_IF | EFLAGS_CF | \iopl
        pushfl
        popl    %eax
        done
        expect_done
        expect  %eax, $(EFLAGS_IF | EFLAGS_CF | \iopl | 2)

        try     \ring, EFLAGS_ZF | \iopl
        movl    $0xaaaa5555, %eax
        pushl   %eax
        leal    4(%esp), %esp
        pushfw
        popw    %ax
        done
        expect_done
        expect  %eax, $(0xaaaa0000 | EFLAGS_ZF | \iopl | 2)
        .endr
        .endr

        movl    $0, %eax
        try_v86 EFLAGS_IF | EFLAGS_SF | IOPL3
        pushfw
        popw    %ax
        pushfl                          /* the 32-bit form does not show VM */
        popl    %ebx
        done_v86
        expect_done
        expect  %eax, $(EFLAGS_IF | EFLAGS_SF | IOPL3 | 2)
        expect  %ebx, $(EFLAGS_IF | EFLAGS_SF | IOPL3 | 2)
        expect_bits trap_eflags, EFLAGS_VM, EFLAGS_VM

        .irp    iopl, 0, IOPL1, IOPL2
        try_v86 \iopl
1:      pushfw
        done_v86
        expect_fault VEC_GP, 0, 1b
        .endr
        pass
