/* IRET: to outer rings and to virtual-8086 mode, refusals, flags it may change, nested tasks aside.  SDM 2A, IRET. */
#include "guest.inc"
        .irp    ring, 1, 2, 3
        try     RING0
        pushl   try_data+4*\ring
        pushl   $user_stack_top - 32
        pushl   $(EFLAGS_IF | EFLAGS_CF | IOPL1)
        pushl   try_code+4*\ring
        pushl   $1f
        iret
1:      movl    %esp, %eax
        movl    %ss, %ebx
        movl    %ds, %ecx                       /* inner data segment: nulled */
        movl    %cs, %edx
        done
        expect_done
        expect  %eax, $(user_stack_top - 32)
        expect  %ebx, try_data+4*\ring
        expect  %ecx, $0
        expect  %edx, try_code+4*\ring
        expect_bits trap_eflags, EFLAGS_IF | EFLAGS_CF | IOPL3, EFLAGS_IF | EFLAGS_CF | IOPL1

        /* within the ring: IOPL stays, IF stays unless CPL <= IOPL */
        try     \ring, EFLAGS_IF
        pushl   $(EFLAGS_ZF | IOPL3)
        pushl   try_code+4*\ring
        pushl   $1f
        iret
1:      done
        expect_done
        expect_bits trap_eflags, EFLAGS_ZF | IOPL3 | EFLAGS_IF, EFLAGS_ZF | EFLAGS_IF
        try     \ring, EFLAGS_IF | IOPL3
        pushl   $EFLAGS_ZF
        pushl   try_code+4*\ring
        pushl   $1f
        iret
1:      done
        expect_done
        expect_bits trap_eflags, EFLAGS_ZF | IOPL3 | EFLAGS_IF, EFLAGS_ZF | IOPL3

        try     \ring                           /* inward */
        pushl   $2
        pushl   $SEL_CODE0
        pushl   $0
1:      iret
        done
        expect_fault VEC_GP, SEL_CODE0, 1b
        try     \ring                           /* VM from an outer ring is ignored */
        pushl   $EFLAGS_VM
        pushl   try_code+4*\ring
        pushl   $1f
        iret
1:      done
        expect_done
        expect_bits trap_eflags, EFLAGS_VM, 0
        .endr

        try     RING0                           /* SS must have the ring of CS */
        pushl   $SEL_DATA0
        pushl   $user_stack_top
        pushl   $2
        pushl   $SEL_CODE3
        pushl   $0
1:      iret
        done
        expect_fault VEC_GP, SEL_DATA0, 1b
        try     RING0
        pushl   $2
        pushl   $0
        pushl   $0
1:      iret
        done
        expect_fault VEC_GP, 0, 1b

        /* 16-bit IRET in virtual-8086 mode needs IOPL 3 and cannot change IOPL */
        try_v86 IOPL3
        pushw   $(EFLAGS_IF | EFLAGS_CF)
        pushw   $(SEG16 + 1)
        pushw   $(OFF16(1f) - 16)
        iretw
1:      movw    %cs, %bx
        done_v86
        expect_done
        movzwl  %bx, %ebx
        expect  %ebx, $(SEG16 + 1)
        expect_bits trap_eflags, EFLAGS_IF | EFLAGS_CF | IOPL3, EFLAGS_IF | EFLAGS_CF | IOPL3
        try_v86 IOPL2
1:      iretw
        done_v86
        expect_fault VEC_GP, 0, 1b
        pass
