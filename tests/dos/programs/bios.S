/* INT 10h, 11h, 12h, 13h, 16h, 1Ah as programs use them. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  say     "BIOS"
        int     $0x12                           /* KiB of low memory */
        say_hex
        int     $0x11
        andw    $1, %ax                         /* a floppy drive */
        say_hex
        movb    $8, %ah                         /* its geometry */
        xorw    %dx, %dx
        xorw    %di, %di
        movw    %di, %es
        int     $0x13
        jc      failed
        movw    %cx, %ax
        say_hex                                 /* 80 tracks, 18 sectors */
        movw    %ds, %ax
        movw    %ax, %es
        movw    $0x201, %ax                     /* the boot sector ends in AA55h */
        movw    $0x1000, %bx
        movw    $1, %cx
        xorw    %dx, %dx
        int     $0x13
        jc      failed
        movw    0x1000 + 510, %ax
        say_hex
        movw    $0x201, %ax                     /* sector 19 does not exist */
        movw    $19, %cx
        xorw    %dx, %dx
        int     $0x13
        jnc     failed
        movw    $0x203, %ax                     /* three at once, over the end of a side */
        movw    $0x0011, %cx
        movw    $0x0000, %dx
        int     $0x13
        movb    $1, %ah                         /* no key waits */
        int     $0x16
        jnz     failed
        movb    $0x0f, %ah                      /* 80 columns, mode 3 */
        int     $0x10
        say_hex
        movb    $2, %ah                         /* the RTC's hours are BCD */
        int     $0x1a
        jc      failed
        movb    %ch, %al
        andb    $0xf, %al
        cmpb    $9, %al
        ja      failed
        new_line
        exit
failed: say     " failed\r\n"
        exit    1
        library
