/* The smallest program: says where it is, what DOS this is, and ends by RET. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  say     "HELLO from"
        movw    %cs, %ax
        say_hex
        movw    $-1, %ax
        movb    $0x30, %ah
        int     $0x21
        say_hex
        movw    %es:0, %ax                      /* its PSP */
        say_hex
        movw    %sp, %ax
        say_hex
        new_line
        retw
        library
