/* SMSW shows the guest's CR0 in every ring and in virtual-8086 mode, TS and all.  SDM 2B, SMSW. */
#include "guest.inc"
        movl    %cr0, %eax
        orl     $(CR0_MP | CR0_TS), %eax
        movl    %eax, %cr0
        movl    %cr0, %eax
        movl    %eax, cr0
        each_iopl
        .irp    ring, 0, 1, 2, 3
        movl    $0xffffffff, %eax
        movl    $0xffffffff, word
        try     \ring
        smsw    %ax
        smsw    word
        done
        expect_done
        movl    cr0, %ebx
        orl     $0xffff0000, %ebx
        expect  %eax, %ebx
        expect  word, %ebx
        .endr
        end_each_iopl
        .irp    iopl, 0, IOPL3
        movl    $0, %eax
        try_v86 \iopl
        smsw    %ax
        done_v86
        expect_done
        movzwl  cr0, %ebx
        expect  %eax, %ebx
        .endr
        clts
        try     RING3
        smsw    %ax
        done
        expect_bits %eax, CR0_TS, 0
        pass

        .text   1
cr0:    .long   0
word:   .long   0
