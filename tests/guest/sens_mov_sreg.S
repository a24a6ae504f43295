/* MOV to and from segment registers: CS shows the real privilege level, loads check type, DPL and presence.
 * SDM 2B, MOV; 3A 5.5-5.7. */
#include "guest.inc"
#define SEL_ABSENT    (SEL_FREE + 0)
#define SEL_READ_ONLY (SEL_FREE + 8)
#define SEL_EXEC_ONLY (SEL_FREE + 16)
#define SEL_CONFORMING (SEL_FREE + 24)
#define SEL_FRESH     (SEL_FREE + 32)

        .macro  loads ring, reg, sel
        movl    $(\sel), %ecx
        try     \ring
        movw    %cx, %\reg
        movl    %\reg, %eax
        done
        expect_done
        expect  %eax, $(\sel)
        .endm
        .macro  refuses ring, reg, sel, vector, error
        movl    $(\sel), %ecx
        try     \ring
1:      movw    %cx, %\reg
        done
        expect_fault \vector, (\error), 1b
        .endm

        set_desc SEL_ABSENT, 0, 0xfffff, 0x72, 0xc
        set_desc SEL_READ_ONLY, 0, 0xfffff, 0xf0, 0xc
        set_desc SEL_EXEC_ONLY, 0, 0xfffff, 0xf8, 0xc
        set_desc SEL_CONFORMING, 0, 0xfffff, 0x9e, 0xc
        set_desc SEL_FRESH, 0, 0xfffff, 0xf2, 0xc

        each_iopl
        .irp    ring, 0, 1, 2, 3
        movl    $-1, %eax
        movl    $-1, word
        try     \ring
        movl    %cs, %eax               /* zero-extended */
        movw    %cs, word
        movl    %ss, %ebx
        done
        expect_done
        expect  %eax, try_code+4*\ring
        expect  %ebx, try_data+4*\ring
        movl    try_code+4*\ring, %ecx
        orl     $0xffff0000, %ecx
        expect  word, %ecx

        .irp    reg, ds, es, fs, gs
        loads   \ring, \reg, SEL_DATA3
        loads   \ring, \reg, SEL_READ_ONLY | 3
        loads   \ring, \reg, SEL_CODE3
        loads   \ring, \reg, SEL_CONFORMING | 3
        loads   \ring, \reg, 0
        loads   \ring, \reg, 3
        refuses \ring, \reg, SEL_EXEC_ONLY | 3, VEC_GP, SEL_EXEC_ONLY
        refuses \ring, \reg, SEL_ABSENT | 3, VEC_NP, SEL_ABSENT
        refuses \ring, \reg, SEL_TSS, VEC_GP, SEL_TSS
        refuses \ring, \reg, (GDT_LAST+8), VEC_GP, (GDT_LAST+8)
        refuses \ring, \reg, 0x47, VEC_GP, 0x44         /* LDT, beyond its limit */
        .endr
        refuses \ring, ss, 0, VEC_GP, 0
        refuses \ring, ss, SEL_CODE0 | \ring, VEC_GP, SEL_CODE0
        refuses \ring, ss, (GDT_LAST+8), VEC_GP, (GDT_LAST+8)

        try     \ring                                   /* MOV CS, AX */
1:      .byte   0x8e, 0xc8
        done
        expect_fault VEC_UD, 0, 1b
        .endr
        end_each_iopl

        refuses RING1, ds, SEL_DATA0, VEC_GP, SEL_DATA0
        refuses RING3, gs, SEL_DATA2, VEC_GP, (SEL_DATA2&~3)
        refuses RING3, ss, SEL_DATA0, VEC_GP, SEL_DATA0
        refuses RING0, ss, SEL_DATA3, VEC_GP, (SEL_DATA3&~3)
        refuses RING0, ds, SEL_DATA0 | 3, VEC_GP, SEL_DATA0
        refuses RING3, ss, SEL_ABSENT | 3, VEC_SS, SEL_ABSENT
        refuses RING3, ss, SEL_READ_ONLY | 3, VEC_GP, SEL_READ_ONLY

        /* a load sets the accessed bit; a null register faults when used, not before */
        expect_bits gdt + SEL_FRESH + 4, 0x100, 0
        loads   RING3, fs, SEL_FRESH | 3
        expect_bits gdt + SEL_FRESH + 4, 0x100, 0x100
        movl    $0, %ecx
        try     RING3
        movl    %ecx, %es
1:      movl    %es:word, %eax
        done
        expect_fault VEC_GP, 0, 1b

        /* virtual-8086 mode: any selector */
        .irp    iopl, 0, IOPL3
        movl    $0, %eax
        movl    $0, %ebx
        try_v86 \iopl
        movw    %cs, %ax
        movw    $0x1001, %cx
        movw    %cx, %es
        movw    %es, %bx
        movw    %es:(OFF16(word) - 16), %dx
        done_v86
        expect_done
        expect  %eax, $SEG16
        expect  %ebx, $0x1001
        movzwl  %dx, %edx
        movzwl  word, %eax
        expect  %edx, %eax
        .endr
        pass

        .text   1
word:   .long   0
