/* A block that begins with a call-out and then copies to fresh pages, until the copy looks its pages up in software: the block is dead when
 * control leaves it next, which is by that call-out at its start.  The place of the call-out was overwritten before it was read. */
#include "guest.inc"
#define RAM     0x400000
#define STEP    0x41000         /* what one fill maps, and more */
#define STEPS   60

        movl    $3, %edx
again:  movl    $RAM, %edi
        movl    $STEPS, %ebx
        xorl    %ebp, %ebp
        movl    $0x12345678, words
        movl    $0x9abcdef0, words + 4
        jmp     top
        .balign 64
top:    daa
        movl    $words, %esi
        movl    $2, %ecx
        rep movsl
        incl    %ebp
        jmp     1f
        .balign 64
1:      expect  -8(%edi), $0x12345678
        expect  -4(%edi), $0x9abcdef0
        addl    $(STEP - 8), %edi
        decl    %ebx
        jnz     top
        expect  %ebp, $STEPS
        expect  %edi, $(RAM + STEPS * STEP)
        decl    %edx
        jnz     again
        pass
        .balign 4
words:  .long   0, 0
