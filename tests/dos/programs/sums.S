/* Reads a file by pieces of 1000 bytes and sums it up, with x87 and 32-bit instructions where there are any to be used. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  say     "SUMS"
        movw    $name, %dx
        movb    $0x3d, %ah
        int     $0x21
        jc      failed
        xorl    %ebx, %ebx
        xorl    %ebp, %ebp
1:      movw    $1008, %cx
        movw    $buffer, %dx
        movb    $0x3f, %ah
        int     $0x21
        movw    %ax, %cx
        addw    %ax, %bp
        jcxz    3f
        movw    $buffer, %si
        xorl    %eax, %eax
2:      lodsb
        roll    $1, %ebx
        addl    %eax, %ebx
        loop    2b
        jmp     1b
3:      movw    %bp, %ax
        say_hex
        movl    %ebx, %eax
        shrl    $16, %eax
        say_hex
        movw    %bx, %ax
        say_hex
        fninit                                  /* 1 + 1/2 + 1/3 + ... + 1/100, times 10000 */
        fldz
        movw    $100, %cx
4:      movw    %cx, word
        fld1
        fidivs  word
        faddp
        loop    4b
        movw    $10000, word
        fimuls  word
        fistps  word
        movw    word, %ax
        say_hex                                 /* 51874 = caa2: too large for 16 bits with sign: 8000 */
        new_line
        exit
failed: say     " no file\r\n"
        exit    1
        library
name:   .ascii  "DATA    "
        .balign 2
word:   .word   0
        .balign 16
buffer: .skip   1008
