/* Waits by HLT for five ticks of the timer, as the resident program counts them, and compares with the BIOS's own count. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  int     $INT_TSR
        movw    %ax, %si
        xorb    %ah, %ah                        /* the BIOS's ticks */
        int     $0x1a
        movw    %dx, %di
1:      hlt
        int     $INT_TSR
        subw    %si, %ax
        cmpw    $5, %ax
        jb      1b
        xorb    %ah, %ah
        int     $0x1a
        subw    %di, %dx
        subw    $5, %dx
        cmpw    $2, %dx
        ja      2f                              /* one more or less, by when it was looked at */
        say     "TICKS agree\r\n"
        exit
2:      say     "TICKS differ\r\n"
        exit    1
        library
