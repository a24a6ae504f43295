/* AH, CH, DH, BH with addresses based on ESP, on other registers, and in every kind of operand.  SDM 2A 2.1. */
#include "guest.inc"
        movl    $0x44332211, %ecx
        pushl   $0x88776655
        pushl   $0x0d0c0b0a
        movl    $0xaabbccdd, %eax
        movl    $0x11223344, %ebx
        movl    $0x55667788, %edx
        .macro  value reg, want
        movl    %\reg, saved
        expect  saved, $\want
        .endm
        movb    4(%esp), %ah
        value   eax, 0xaabb55dd
        movb    5(%esp), %bh
        value   ebx, 0x11226644
        addb    %ah, %bh
        value   ebx, 0x1122bb44
        movb    %dh, 6(%esp)
        movl    4(%esp), %esi
        value   esi, 0x88776655
        movb    %ch, 7(%esp)
        movl    4(%esp), %esi
        value   esi, 0x22776655
        xchgb   %dh, (%esp)
        value   edx, 0x55660a88
        addb    %bh, 1(%esp)
        addb    2(%esp), %ch
        value   ecx, 0x44332e11
        movzbl  %dh, %esi
        value   esi, 0x0a
        movsbl  %bh, %edi
        value   edi, 0xffffffbb
        cmpb    %ah, 5(%esp)
        seta    %ah
        value   eax, 0xaabb01dd
        movl    $1, %esi
        movb    (%esp, %esi), %ch
        value   ecx, 0x4433c611
        movb    $0x99, %bh
        shlb    %bh
        value   ebx, 0x11223244
        negb    %dh
        value   edx, 0x5566f688
        movb    %ah, %al
        value   eax, 0xaabb0101
        xchgb   %ah, %bl
        value   eax, 0xaabb4401
        value   ebx, 0x11223201
        incb    %ch
        value   ecx, 0x4433c711
        movl    $saved, %edi
        movb    %ch, (%edi)
        movb    (%edi), %dh
        value   edx, 0x5566c788
        testb   $0x80, %dh
        jnz     1f
        fail
1:      movb    $3, %ah
        mulb    %ah
        value   eax, 0xaabb0003
        movb    $0x7f, %ch
        cmpxchgb %ch, 2(%esp)
        value   eax, 0xaabb000c
        xaddb   %dh, (%esp)
        value   edx, 0x55667788
        lock xaddb %bh, (%esp)
        lahf
        movw    %ax, saved
        addl    $8, %esp
        pass
        .text   1
        .balign 4
saved:  .long   0
