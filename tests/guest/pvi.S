/* CR4.PVI: at CPL 3 with IOPL < 3, CLI and STI work on VIF instead of faulting; nothing else changes.  SDM 3B 20.4. */
#include "guest.inc"
#define BOTH (EFLAGS_VIF | EFLAGS_IF)
        .irp    iopl, 0, IOPL1, IOPL2
        try     RING3, \iopl
1:      sti
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        set_cr4 CR4_PVI
        .irp    iopl, 0, IOPL1, IOPL2
        try     RING3, \iopl | BOTH
        cli
        pushfl                                  /* shows IF, IOPL and VIF as they are */
        popl    %eax
        done
        expect_done
        expect_bits trap_eflags, BOTH, EFLAGS_IF
        expect  %eax, $(EFLAGS_IF | \iopl | 2)
        try     RING3, \iopl
        sti
        done
        expect_done
        expect_bits trap_eflags, BOTH, EFLAGS_VIF
        try     RING3, \iopl | EFLAGS_VIP
1:      sti
        done
        expect_fault VEC_GP, 0, 1b
        try     RING3, \iopl | EFLAGS_VIP | EFLAGS_VIF
        cli
        done
        expect_done
        expect_bits trap_eflags, EFLAGS_VIP | EFLAGS_VIF, EFLAGS_VIP
        try     RING3, \iopl                    /* POPF: neither IF nor VIF */
        pushl   $(BOTH | EFLAGS_VIP | EFLAGS_CF)
        popfl
        done
        expect_done
        expect_bits trap_eflags, BOTH | EFLAGS_VIP | EFLAGS_CF, EFLAGS_CF
        .endr
        try     RING3, IOPL3 | EFLAGS_VIF       /* IOPL 3: IF itself */
        sti
        done
        expect_done
        expect_bits trap_eflags, BOTH, BOTH
        try     RING3, IOPL3 | BOTH
        cli
        done
        expect_bits trap_eflags, BOTH, EFLAGS_VIF
        .irp    insn, cli, sti                  /* rings 1 and 2 fault as ever */
        try     RING1
1:      \insn
        done
        expect_fault VEC_GP, 0, 1b
        try     RING2, IOPL1
1:      \insn
        done
        expect_fault VEC_GP, 0, 1b
        try_v86                                 /* and virtual-8086 mode asks VME, not PVI */
1:      \insn
        done_v86
        expect_fault VEC_GP, 0, 1b
        .endr
        pass
