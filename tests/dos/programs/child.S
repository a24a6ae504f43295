/* Runs HELLO.COM and a program that does not exist by function 4Bh, and goes on. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  say     "CHILD runs "
        movw    $name, %dx
        movb    $0x4b, %ah
        int     $0x21
        say     "CHILD goes on"
        say_hex
        movw    $no_name, %dx
        movb    $0x4b, %ah
        int     $0x21
        say_hex
        new_line
        exit
        library
name:   .ascii  "HELLO   "
no_name: .ascii "NOBODY  "
