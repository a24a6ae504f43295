/* Boot sector: loads the system, SYSTEM_SECTORS sectors from the second on, to 1000:0000 and goes there.  DL = drive. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
        movw    $SYSTEM_SEG, %ax
        movw    %ax, %es
        movw    $1, %si                         /* sector */
1:      movw    %si, %ax
        movb    $18, %cl
        divb    %cl                             /* AH = sector - 1, AL = track */
        movb    %ah, %cl
        incb    %cl
        movb    %al, %ch
        shrb    $1, %ch
        movb    %al, %dh
        andb    $1, %dh
        movw    %si, %bx
        decw    %bx
        shlw    $9, %bx
        movw    $0x201, %ax
        int     $0x13
        jc      2f
        incw    %si
        cmpw    $SYSTEM_SECTORS, %si
        jbe     1b
        ljmp    $SYSTEM_SEG, $0
2:      movw    $0xe21, %ax                     /* ! */
        int     $0x10
        hlt
        jmp     2b
        .org    510
        .word   0xaa55
