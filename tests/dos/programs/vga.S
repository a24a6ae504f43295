/* The screen by hand: text cells, mode 13h, the planes of mode 12h with latches, and the cursor by CRTC registers. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  movw    $3, %ax
        int     $0x10
        say     "VGA"
        movw    $0xb800, %ax
        movw    %ax, %es
        movw    $160 * 20, %di
        movw    $0x1f41, %ax
        movw    $26, %cx
1:      stosw
        incw    %ax
        loop    1b
        movw    $160 * 20, %si
        callw   checksum52                      /* of 41 1f 42 1f ... */
        say_hex
        movb    $2, %ah                         /* the BIOS puts the cursor; the CRTC knows it */
        xorb    %bh, %bh
        movw    $0x0a14, %dx
        int     $0x10
        movw    $0x3d4, %dx
        movb    $0xe, %al
        outb    %al, %dx
        incw    %dx
        inb     %dx, %al
        movb    %al, %ah
        decw    %dx
        movb    $0xf, %al
        outb    %al, %dx
        incw    %dx
        inb     %dx, %al
        say_hex                                 /* 10 * 80 + 20 */

        movw    $0x13, %ax
        int     $0x10
        movw    $0xa000, %ax
        movw    %ax, %es
        xorw    %di, %di
        movw    $64000, %cx
        xorw    %ax, %ax
2:      stosb
        addb    $3, %al
        loop    2b
        xorw    %si, %si
        xorw    %bx, %bx
        movw    $64000, %cx
3:      movb    %es:(%si), %al
        xorb    %ah, %ah
        addw    %ax, %bx
        incw    %si
        loop    3b
        pushw   %bx

        movw    $0x12, %ax
        int     $0x10
        movw    $0xa000, %ax
        movw    %ax, %es
        movw    $0x3c4, %dx                     /* planes 0 and 2 */
        movw    $0x0502, %ax
        outw    %ax, %dx
        movb    $0xa5, %es:0
        movw    $0x0a02, %ax                    /* 1 and 3 */
        outw    %ax, %dx
        movb    $0x3c, %es:0
        movb    %es:0, %al                      /* to the latches; write mode 1 copies all four planes */
        movw    $0x0f02, %ax
        outw    %ax, %dx
        movw    $0x3ce, %dx
        movw    $0x0105, %ax
        outw    %ax, %dx
        movb    %al, %es:100
        movw    $0x0005, %ax
        outw    %ax, %dx
        movw    $0x0004, %ax                    /* read plane 0, then 3 */
        outw    %ax, %dx
        movb    %es:100, %bh
        movw    $0x0304, %ax
        outw    %ax, %dx
        movb    %es:100, %bl
        pushw   %bx
        movw    $3, %ax
        int     $0x10
        popw    %cx
        popw    %ax
        say_hex
        movw    %cx, %ax
        say_hex                                 /* a53c */
        new_line
        exit
checksum52:
        xorw    %bx, %bx
        movw    $52, %cx
1:      xorw    %ax, %ax
        movb    %es:(%si), %al
        incw    %si
        rolw    $1, %bx
        addw    %ax, %bx
        loop    1b
        movw    %bx, %ax
        retw
        library
