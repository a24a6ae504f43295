/* One instruction that reads fresh pages again and again, so that it looks them up in software, and then a device, which makes it
 * a call-out: a call-out's operand was looked up in software too, missed for ever, and the guest stood still. */
#include "guest.inc"
#define RAM     0x400000
#define STEP    0x41000         /* what one fill maps, and more */
#define STEPS   60
#define VERSION 0xfee00030      /* of the local APIC */

        movl    VERSION, %ebp
        movl    $3, %edx
again:  movl    $RAM, %esi
        movl    $STEPS, %ecx
        movl    $0, %ebx
1:      movl    %esi, (%esi)
        call    read
        expect  %eax, %esi
        addl    $STEP, %esi
        loop    1b
        movl    $VERSION, %esi
        movl    $20, %ecx
2:      call    read
        expect  %eax, %ebp
        loop    2b
        movl    $RAM, %esi
        movl    $STEPS, %ecx
3:      call    read
        expect  %eax, %esi
        call    push
        expect  %eax, %esi
        addl    $STEP, %esi
        loop    3b
        movl    $VERSION, %esi
        movl    $20, %ecx
4:      call    push
        expect  %eax, %ebp
        call    segment
        loop    4b
        decl    %edx
        jnz     again
        pass

read:   movl    (%esi), %eax
        ret
push:   pushl   (%esi)
        popl    %eax
        ret
segment:
        movl    %esi, %edi      /* a selector from memory, which has a fast call-out */
        movl    $RAM, %esi
        movw    %ds, RAM
        movl    (%esi), %eax
        movw    (%esi), %fs
        movl    %edi, %esi
        ret
