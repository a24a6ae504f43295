/* Code that writes itself: the next instruction, an immediate in a loop, a routine generated and called again and again, and
 * the same bytes by another segment. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  say     "SMC"
        movb    $0x48, 1f                       /* INC AX becomes DEC AX */
        movw    $5, %ax
        jmp     1f
1:      incw    %ax
        say_hex                                 /* 4 */

        xorw    %ax, %ax                        /* sum of 0 to 999 */
        movw    $1000, %cx
2:      .byte   0x05                            /* addw $imm16, %ax */
3:      .word   0
        incw    3b
        loop    2b
        say_hex                                 /* 499500 & FFFF = 9f2c */

        movw    %cs, %ax                        /* the same by a segment one lower */
        decw    %ax
        movw    %ax, %es
        movw    $500, %cx
        xorw    %bx, %bx
4:      movb    %cl, %es:5f + 16 + 1
        jmp     5f
5:      movb    $0, %al                         /* AL = low byte of CX */
        cbtw
        addw    %ax, %bx
        loop    4b
        movw    %bx, %ax
        say_hex

        movw    $routine, %di                   /* ADD $n, AX eight times; RET; with other n each time */
        pushw   %ds
        popw    %es
        xorw    %dx, %dx
        movw    $200, %cx
6:      pushw   %cx
        movw    $routine, %di
        movw    $8, %bx
7:      movb    $0x05, %al
        stosb
        movw    %cx, %ax
        stosw
        decw    %bx
        jnz     7b
        movb    $0xc3, %al
        stosb
        xorw    %ax, %ax
        movw    $routine, %bp
        callw   *%bp
        addw    %ax, %dx
        popw    %cx
        loop    6b
        movw    %dx, %ax
        say_hex                                 /* 8 * 20100 & FFFF = 7420 */
        new_line
        exit
        library
routine: .skip  32
