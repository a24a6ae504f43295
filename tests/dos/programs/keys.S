/* Asks for three keys, and that the resident program has seen at least six keyboard interrupts (make and break). */
#include "dos.inc"
        .code16
        .globl  entry
entry:  int     $INT_TSR
        movw    %bx, %di
        say     "KEYS? "
        movw    $3, %cx
1:      movb    $8, %ah
        int     $0x21
        say_hex
        loop    1b
2:      int     $INT_TSR
        subw    %di, %bx
        cmpw    $6, %bx
        jae     3f
        hlt
        jmp     2b
3:      say     " seen"
        new_line
        exit
        library
