/* PUSH and POP of segment registers: PUSH CS shows the real ring; a POP that faults leaves ESP.  SDM 2B, PUSH, POP. */
#include "guest.inc"
        each_iopl
        .irp    ring, 0, 1, 2, 3
        movl    try_data+4*\ring, %esi
        movl    try_code+4*\ring, %edi
        try     \ring
        pushl   %cs
        popl    %eax
        pushl   %ss
        popl    %ebx
        pushl   %ds
        popl    %es
        pushl   %fs
        popl    %gs
        done
        expect_done
        movzwl  %ax, %eax               /* the upper half of the slot may be written or not */
        movzwl  %bx, %ebx
        expect  %eax, %edi
        expect  %ebx, %esi

        .irp    reg, ds, es, fs, gs     /* 32-bit slots */
        try     \ring
        movl    %esp, %ecx
        pushl   %\reg
        movl    %esp, %edx
        popl    %\reg
        movl    %esp, %ebx
        subl    %edx, %ecx
        subl    %edx, %ebx
        done
        expect_done
        expect  %ecx, $4
        expect  %ebx, $4
        try     \ring                   /* beyond the GDT: ESP as before */
        pushl   $(GDT_LAST + 8)
        movl    %esp, %ecx
1:      popl    %\reg
        done
        expect_fault VEC_GP, (GDT_LAST+8), 1b
        expect  trap_esp, %ecx
        .endr

        try     \ring
        pushl   $0
        movl    %esp, %ecx
1:      popl    %ss
        done
        expect_fault VEC_GP, 0, 1b
        expect  trap_esp, %ecx

        try     \ring                   /* 16-bit operand size: two bytes */
        movl    %esp, %ecx
        pushw   %ds
        subl    %esp, %ecx
        popw    %es
        done
        expect_done
        expect  %ecx, $2
        .endr
        end_each_iopl
        .irp    ring, 1, 2, 3
        try     \ring
        pushl   $SEL_DATA0
1:      popl    %ds
        done
        expect_fault VEC_GP, SEL_DATA0, 1b
        .endr

        .irp    iopl, 0, IOPL3
        movl    $0, %eax
        movl    $0, %ebx
        try_v86 \iopl
        pushw   %cs
        popw    %ax
        pushw   $0x4321
        popw    %ds
        movw    %ds, %bx
        done_v86
        expect_done
        expect  %eax, $SEG16
        expect  %ebx, $0x4321
        .endr
        pass
