/* VERR and VERW: ZF says whether this ring may read or write a segment; virtual-8086 mode: #UD.  SDM 2B, VERR/VERW. */
#include "guest.inc"
#define SEL_CONFORMING (SEL_FREE + 0)
#define SEL_READ_ONLY  (SEL_FREE + 8)
#define SEL_EXEC_ONLY  (SEL_FREE + 16)

        .macro  may insn, ring, sel, zf
        movl    $(\sel), %ecx
        try     \ring, EFLAGS_CF | (EFLAGS_ZF - \zf)
        \insn   %cx
        done
        expect_done
        expect_bits trap_eflags, EFLAGS_ZF | EFLAGS_CF, \zf | EFLAGS_CF
        .endm
        .macro  yes insn, ring, sel
        may     \insn, \ring, \sel, EFLAGS_ZF
        .endm
        .macro  no insn, ring, sel
        may     \insn, \ring, \sel, 0
        .endm

        set_desc SEL_CONFORMING, 0, 0xfffff, 0x9e, 0xc
        set_desc SEL_READ_ONLY, 0, 0xfffff, 0xf0, 0xc
        set_desc SEL_EXEC_ONLY, 0, 0xfffff, 0xf8, 0xc
        each_iopl
        .irp    ring, 0, 1, 2, 3
        yes     verr, \ring, SEL_DATA3
        yes     verw, \ring, SEL_DATA3
        yes     verr, \ring, SEL_CODE3
        no      verw, \ring, SEL_CODE3
        yes     verr, \ring, SEL_CONFORMING | 3
        no      verw, \ring, SEL_CONFORMING | 3
        yes     verr, \ring, SEL_READ_ONLY | 3
        no      verw, \ring, SEL_READ_ONLY | 3
        no      verr, \ring, SEL_EXEC_ONLY | 3
        no      verr, \ring, SEL_TSS
        no      verw, \ring, SEL_LDT
        no      verr, \ring, 0
        no      verw, \ring, 2
        no      verr, \ring, GDT_LAST + 8
        .endr
        end_each_iopl
        yes     verw, RING0, SEL_DATA0
        yes     verr, RING1, SEL_DATA1
        no      verw, RING1, SEL_DATA0
        no      verr, RING2, SEL_DATA1
        no      verw, RING3, SEL_DATA2
        no      verr, RING3, SEL_CODE0
        no      verr, RING0, SEL_DATA0 | 3

        .irp    iopl, 0, IOPL3
        try_v86 \iopl
1:      verr    %cx
        done_v86
        expect_fault VEC_UD, 0, 1b
        try_v86 \iopl
1:      verw    %cx
        done_v86
        expect_fault VEC_UD, 0, 1b
        .endr
        pass
