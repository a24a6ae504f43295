/* LAR and LSL: ZF and result depend on type, DPL, RPL and CPL and never fault on a bad selector; virtual-8086 mode: #UD.
 * SDM 2A, LAR, LSL. */
#include "guest.inc"
#define RIGHTS(access) (0x00c00000 | (access) << 8) /* the limit's bits are left out: "& 00F0FF00h" */
#define SEL_CONFORMING (SEL_FREE + 0)
#define SEL_GATE       (SEL_FREE + 8)
#define SEL_INT_GATE   (SEL_FREE + 16)
#define SEL_ABSENT     (SEL_FREE + 24)
#define SEL_SMALL      (SEL_FREE + 32)

/* \insn of \sel in \ring: ZF and EAX, or EAX unchanged. */
        .macro  sees insn, ring, sel, value
        movl    $(\sel), %ecx
        movl    $0x12345678, %eax
        try     \ring, EFLAGS_CF
        \insn   %ecx, %eax
        done
        expect_done
        expect  %eax, $(\value)
        expect_bits trap_eflags, EFLAGS_ZF | EFLAGS_CF, EFLAGS_ZF | EFLAGS_CF
        .endm
        .macro  blind insn, ring, sel
        movl    $(\sel), %ecx
        movl    $0x12345678, %eax
        try     \ring, EFLAGS_ZF | EFLAGS_CF
        \insn   %ecx, %eax
        done
        expect_done
        expect  %eax, $0x12345678
        expect_bits trap_eflags, EFLAGS_ZF | EFLAGS_CF, EFLAGS_CF
        .endm

        set_desc SEL_CONFORMING, 0, 0xfffff, 0x9e, 0xc
        set_desc SEL_ABSENT, 0, 0xfffff, 0x72, 0xc
        set_desc SEL_SMALL, 0x1000, 0x123, 0xf2, 0
        movl    $(SEL_CODE0 << 16), gdt + SEL_GATE
        movl    $0xec00, gdt + SEL_GATE + 4
        movl    $(SEL_CODE0 << 16), gdt + SEL_INT_GATE
        movl    $0xee00, gdt + SEL_INT_GATE + 4

        each_iopl
        .irp    ring, 0, 1, 2, 3
        sees    lar, \ring, SEL_CODE3, RIGHTS(0xfb)
        sees    lar, \ring, SEL_DATA3, RIGHTS(0xf3)
        sees    lsl, \ring, SEL_CODE3, 0xffffffff
        sees    lsl, \ring, SEL_SMALL | 3, 0x123
        sees    lar, \ring, SEL_SMALL | 3, 0x0000f200
        sees    lar, \ring, SEL_CONFORMING | 3, RIGHTS(0x9e)
        sees    lsl, \ring, SEL_CONFORMING | 3, 0xffffffff
        sees    lar, \ring, SEL_GATE | 3, 0x0000ec00    /* a call gate has rights and no limit */
        blind   lsl, \ring, SEL_GATE | 3
        blind   lar, \ring, SEL_INT_GATE
        blind   lsl, \ring, SEL_INT_GATE
        sees    lar, \ring, SEL_ABSENT | 3, RIGHTS(0x72)  /* presence is not asked */
        blind   lar, \ring, 0
        blind   lsl, \ring, 3
        blind   lar, \ring, GDT_LAST + 8                /* beyond the GDT */
        blind   lsl, \ring, 0xfffc
        blind   lar, \ring, SEL_TSS2                    /* a null descriptor is a bad type */
        .endr
        end_each_iopl
        sees    lar, RING0, SEL_CODE0, RIGHTS(0x9b)
        sees    lsl, RING0, SEL_TSS, 0x2068
        sees    lar, RING0, SEL_TSS, 0x00008b00         /* busy */
        sees    lsl, RING0, SEL_LDT, 0x3f
        sees    lar, RING0, SEL_LDT, 0x00008200
        sees    lar, RING1, SEL_DATA1, RIGHTS(0xb3)
        blind   lar, RING1, SEL_DATA0
        blind   lsl, RING2, SEL_DATA1
        blind   lar, RING3, SEL_CODE0
        blind   lsl, RING3, SEL_TSS
        blind   lar, RING0, SEL_CODE0 | 3               /* RPL counts */
        blind   lsl, RING0, SEL_DATA2 & ~3 | 3

        movw    $SEL_SMALL, word
        movl    $0xaaaaaaaa, %eax
        try     RING0
        larw    word, %ax                               /* 16-bit: rights masked by FF00h, upper half kept */
        done
        expect  %eax, $0xaaaaf200

        .irp    iopl, 0, IOPL3
        try_v86 \iopl
1:      larw    %cx, %ax
        done_v86
        expect_fault VEC_UD, 0, 1b
        try_v86 \iopl
1:      lslw    %cx, %ax
        done_v86
        expect_fault VEC_UD, 0, 1b
        .endr
        pass

        .text   1
word:   .long   0
