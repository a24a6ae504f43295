/* SIDT stores the guest's own limit and base in every ring and in virtual-8086 mode.  SDM 2B, SIDT. */
#include "guest.inc"
        each_iopl
        .irp    ring, 0, 1, 2, 3
        movl    $0xffffffff, image
        movl    $0xffffffff, image + 4
        try     \ring
        sidt    image
        done
        expect_done
        movzwl  image, %eax
        movzwl  idt_pointer, %ebx
        expect  %eax, %ebx
        expect  image + 2, $idt
        movzwl  image + 6, %eax
        expect  %eax, $0xffff                   /* six bytes, no more */
        .endr
        end_each_iopl

        .irp    iopl, 0, IOPL3
        movl    $0, image
        movl    $0, image + 4
        try_v86 \iopl
        sidtw   OFF16(image)
        done_v86
        expect_done
        movzwl  image, %eax
        movzwl  idt_pointer, %ebx
        expect  %eax, %ebx
        movl    image + 2, %eax                 /* below 16 MiB: both forms agree */
        expect  %eax, $idt
        .endr

        /* a destination that cannot be written */
        movl    $0, %ecx
        try     RING3
        movl    %ecx, %ds
1:      sidt    image
        done
        expect_fault VEC_GP, 0, 1b
        pass

        .text   1
image:  .quad   0
