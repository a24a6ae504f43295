/* Stays resident: counts timer ticks (INT 1Ch) and keyboard interrupts (INT 9), and answers INT 60h with both. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  jmp     install
old_1c: .long   0
old_9:  .long   0
ticks:  .word   0
keys:   .word   0
tick:   incw    %cs:ticks
        ljmpw   *%cs:old_1c
key:    incw    %cs:keys
        pushfw
        lcallw  *%cs:old_9
        iretw
answer: movw    %cs:ticks, %ax
        movw    %cs:keys, %bx
        iretw
resident_end:
install:
        hook    0x1c, tick, old_1c
        hook    9, key, old_9
        movw    $(0x2500 | INT_TSR), %ax
        movw    $answer, %dx
        int     $0x21
        say     "TSR stays\r\n"
        movw    $0x3100, %ax
        movw    $(resident_end - entry + 0x10f) / 16, %dx
        int     $0x21
        library
