/* An x87 error with CR0.NE = 0 comes as IRQ 13 before the next waiting instruction; port F0h drops it.  SDM 1 8.7.2, D.1. */
#include "guest.inc"
        .macro  pic port, base, wiring, mask
        movb    $0x11, %al
        outb    %al, $\port
        .irp    byte, \base, \wiring, 1, \mask
        movb    $\byte, %al
        outb    %al, $(\port + 1)
        .endr
        .endm
        pic     0x20, 0x20, 4, 0xfb
        pic     0xa0, 0x28, 2, 0xdf
        set_gate 0x2d, error13
        movl    %cr0, %eax
        andl    $~(CR0_NE | CR0_EM | CR0_TS), %eax
        movl    %eax, %cr0
        movl    $100, %esi
1:      fninit
        movw    $0x37b, word
        fldcw   word
        movl    $0, count
        sti
        fld1
        fldz
        fdivrp  %st, %st(1)
        nop
        fld1                                    /* waits for the handler */
        expect  count, $1
        fstp    %st(0)
        cli
        decl    %esi
        jnz     1b
        pass
error13:
        pushl   %eax
        xorb    %al, %al
        outb    %al, $0xf0
        fnclex
        incl    count
        movb    $0x20, %al
        outb    %al, $0xa0
        outb    %al, $0x20
        popl    %eax
        iret
        .text   1
        .balign 4
count:  .long   0
word:   .word   0
