/* INT n obeys the gate's DPL in protected mode and IOPL in virtual-8086 mode; INT3 and INTO do not ask for IOPL.
 * SDM 2A, INT n/INTO/INT3; 3A 6.12, 20.3. */
#include "guest.inc"
        each_iopl
        .irp    ring, 0, 1, 2, 3
        try     \ring, EFLAGS_CF
        int     $VEC_USER
1:      nop
        done
        expect_fault VEC_USER, 0, 1b
        expect  trap_cs, try_code+4*\ring
        expect_bits trap_eflags, EFLAGS_CF, EFLAGS_CF

        try     \ring
        int3
1:      nop
        done
        expect_fault VEC_BP, 0, 1b

        try     \ring, EFLAGS_OF
        into
1:      nop
        done
        expect_fault VEC_OF, 0, 1b
        try     \ring
        into
        done
        expect_done
        .endr
        end_each_iopl

        .irp    ring, 1, 2, 3           /* DPL 0: #GP(vector * 8 + IDT) */
        try     \ring
1:      int     $0x41
        done
        expect_fault VEC_GP, (0x41*8+2), 1b
        try     \ring
1:      int     $VEC_PF
        done
        expect_fault VEC_GP, (VEC_PF*8+2), 1b
        .endr
        movb    $0x6e, idt + VEC_USER * 8 + 5   /* not present */
        try     RING3
1:      int     $VEC_USER
        done
        expect_fault VEC_NP, (VEC_USER*8+2), 1b
        movb    $0xee, idt + VEC_USER * 8 + 5

        /* an interrupt gate clears IF, a trap gate does not */
        set_gate 0x42, read_flags, 0xee
        set_gate 0x43, read_flags, 0xef
        try     RING3, EFLAGS_IF
        int     $0x42
        movl    %eax, %ebx
        int     $0x43
        done
        expect_done
        expect_bits %ebx, EFLAGS_IF, 0
        expect_bits %eax, EFLAGS_IF, EFLAGS_IF

        try_v86 IOPL3
        int     $VEC_USER
1:      nop
        done_v86
        expect_fault VEC_USER, 0, 1b
        expect_bits trap_eflags, EFLAGS_VM, EFLAGS_VM
        movzwl  trap_ds, %eax
        expect  %eax, $SEG16
        .irp    iopl, 0, IOPL1, IOPL2
        try_v86 \iopl
1:      int     $VEC_USER
        done_v86
        expect_fault VEC_GP, 0, 1b
        try_v86 \iopl
        int3
1:      nop
        done_v86
        expect_fault VEC_BP, 0, 1b
        try_v86 \iopl | EFLAGS_OF
        into
1:      nop
        done_v86
        expect_fault VEC_OF, 0, 1b
        .endr
        try_v86 IOPL3
1:      int     $0x41                   /* the gate's DPL counts as well */
        done_v86
        expect_fault VEC_GP, (0x41*8+2), 1b
        pass

read_flags:
        pushfl
        popl    %eax
        iret
