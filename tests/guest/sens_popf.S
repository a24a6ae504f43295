/* POPF: IF changes where CPL <= IOPL, IOPL only in ring 0, and nothing faults; virtual-8086 mode needs IOPL 3.
 * SDM 2B, POPF, "Operation" and table "Effect of POPF/POPFD on the EFLAGS Register". */
#include "guest.inc"
#define ALL (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_DF | EFLAGS_OF)

/* POPF of \value in \ring with \flags gives \want. */
        .macro  check_popf ring, flags, value, want
        try     \ring, \flags
        pushl   $(\value)
        popfl
        pushfl
        popl    %eax
        cld
        done
        expect_done
        expect  %eax, $(\want | 2)
        .endm

        /* ring 0 sets everything */
        check_popf 0, 0, ALL | EFLAGS_IF | IOPL2 | EFLAGS_NT, ALL | EFLAGS_IF | IOPL2 | EFLAGS_NT
        check_popf 0, IOPL3 | EFLAGS_IF, 0, 0
        /* CPL > IOPL: IF and IOPL kept */
        check_popf 1, EFLAGS_IF, IOPL3, EFLAGS_IF
        check_popf 2, EFLAGS_IF | IOPL1, ALL, ALL | EFLAGS_IF | IOPL1
        check_popf 3, EFLAGS_IF | IOPL2, 0, EFLAGS_IF | IOPL2
        check_popf 3, 0, ALL | EFLAGS_IF | IOPL3, ALL
        /* CPL <= IOPL: IF changes, IOPL does not */
        check_popf 1, EFLAGS_IF | IOPL1, 0, IOPL1
        check_popf 2, IOPL2, EFLAGS_IF | IOPL3, IOPL2 | EFLAGS_IF
        check_popf 3, IOPL3 | EFLAGS_IF, EFLAGS_CF, IOPL3 | EFLAGS_CF
        check_popf 3, IOPL3, EFLAGS_IF | EFLAGS_NT, IOPL3 | EFLAGS_IF | EFLAGS_NT
        /* VM and RF cannot be set */
        check_popf 0, 0, EFLAGS_VM | EFLAGS_RF | EFLAGS_CF, EFLAGS_CF
        check_popf 3, 0, EFLAGS_VM | EFLAGS_RF | EFLAGS_CF, EFLAGS_CF

        /* the 16-bit form leaves AC */
        try     RING3, EFLAGS_AC
        pushw   $EFLAGS_CF
        popfw
        pushfl
        popl    %eax
        done
        expect_done
        expect  %eax, $(EFLAGS_AC | EFLAGS_CF | 2)

        movl    $0, %eax
        try_v86 IOPL3
        pushw   $(EFLAGS_IF | EFLAGS_ZF)
        popfw
        pushfw
        popw    %ax
        pushl   $EFLAGS_SF
        popfl
        pushfl
        popl    %ebx
        done_v86
        expect_done
        expect  %eax, $(EFLAGS_IF | EFLAGS_ZF | IOPL3 | 2)
        expect  %ebx, $(EFLAGS_SF | IOPL3 | 2)
        expect_bits trap_eflags, EFLAGS_VM, EFLAGS_VM

        .irp    iopl, 0, IOPL1, IOPL2
        try_v86 \iopl | EFLAGS_IF
        pushw   $0
1:      popfw
        done_v86
        expect_fault VEC_GP, 0, 1b
        expect_bits trap_eflags, EFLAGS_IF, EFLAGS_IF
        .endr
        pass
