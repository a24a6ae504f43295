/* An MZ program of three segments, with far calls and far pointers that need relocation: CRC-16 (CCITT) of 4096 bytes. */
#include "dos.inc"
#define HEADER 512
#define CODE2 0x20      /* paragraphs into the image */
#define DATA 0x40
#define STACK 0x180
        .code16
        .globl  entry
        .set    image, file + HEADER
file:   .ascii  "MZ"
        .word   (end - file) % 512, (end - file + 511) / 512
        .word   3                               /* relocations */
        .word   HEADER / 16, 0, 0xffff
        .word   STACK, 0x400                    /* SS:SP */
        .word   0
        .word   entry - image, 0                /* IP, CS */
        .word   relocations - file, 0
relocations:
        .word   relocate1 - image, 0
        .word   relocate2 - image, 0
        .word   pointer + 2 - data, DATA
        .org    HEADER
entry:  .byte   0xb8                            /* mov $DATA, %ax */
relocate1: .word DATA
        movw    %ax, %ds
        movw    %ax, %es
        movw    $buffer - data, %di             /* bytes 0, 7, 14, ... */
        movw    $4096, %cx
        xorw    %ax, %ax
1:      stosb
        addb    $7, %al
        loop    1b
        .byte   0x9a                            /* lcall */
        .word   crc - code2
relocate2: .word CODE2
        movw    %ax, %bx
        movb    $9, %ah
        movw    $text - data, %dx
        int     $0x21
        movw    $4, %cx
2:      rolw    $4, %bx
        movb    %bl, %al
        andb    $15, %al
        cmpb    $10, %al                        /* the classical way to a digit */
        sbbb    $0x69, %al
        das
        movb    %al, %dl
        movb    $2, %ah
        int     $0x21
        loop    2b
        movb    $9, %ah
        movw    $text_end - data, %dx
        int     $0x21
        exit
        .org    HEADER + CODE2 * 16
code2:
crc:    pushw   %ds
        pushw   %bp
        movw    %sp, %bp
        ldsw    pointer - data, %si
        movw    $4096, %cx
        movw    $0xffff, %ax
1:      xorb    (%si), %ah
        incw    %si
        movw    $8, %dx
2:      shlw    $1, %ax
        jnc     3f
        xorw    $0x1021, %ax
3:      decw    %dx
        jnz     2b
        loop    1b
        leavew
        popw    %ds
        lretw
        .org    HEADER + DATA * 16
data:
pointer: .word  buffer - data, DATA
text:   .ascii  "RELOC $"
text_end: .ascii "\r\n$"
        .balign 16
buffer: .skip   4096
        .org    HEADER + STACK * 16 + 16
end:
