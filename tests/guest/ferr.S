/* An x87 error with CR0.NE = 0 comes as IRQ 13 before the next waiting instruction; port F0h drops it and lets
 * waiting instructions pass (IGNNE#).  With IRQ 13 masked the processor stands still.  SDM 1 8.7.2, D.1. */
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

        /* IRQ 13 masked: the processor stands still until another interrupt, and again after it */
        movb    $0xff, %al
        outb    %al, $0xa1
        movb    $0xfe, %al                      /* the timer */
        outb    %al, $0x21
        set_gate 0x20, tick
        movl    $0, count
        movb    $0x34, %al
        outb    %al, $0x43
        movb    $0, %al
        outb    %al, $0x40
        movb    $8, %al
        outb    %al, $0x40
        fninit
        fldcw   word
        fld1
        fldz
        fdivrp  %st, %st(1)
        sti
1:      fld1
        cli
        expect  count, $3
        expect  where, $1b

        /* IGNNE#, by a write to F0h: waiting instructions pass, until the error is gone */
        movb    $0xff, %al
        outb    %al, $0x21
        outb    %al, $0xf0                      /* the latch of before */
        fninit
        fldcw   word
        fld1
        fldz
        fdivrp  %st, %st(1)
        sti
        movb    $0xdf, %al
        outb    %al, $0xa1
        movb    $0xfb, %al
        outb    %al, $0x21
        set_gate 0x2d, ignore13
        fwait
        fnstsw  %ax
        expect_bits %eax, 0x8084, 0x8084
        fld1
        fstpl   number
        fldcw   word
        expect  number + 4, $0x3ff00000
        expect  count, $4
        fnclex
        fwait
        fnstsw  %ax
        expect_bits %eax, 0x8084, 0
        cli
        pass
tick:   pushl   %eax
        movl    4(%esp), %eax
        movl    %eax, where
        incl    count
        cmpl    $3, count
        jb      1f
        fnclex
        movb    $0xff, %al                      /* no fourth, however slow the host */
        outb    %al, $0x21
1:      movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
        iret
ignore13:
        pushl   %eax
        xorb    %al, %al
        outb    %al, $0xf0
        incl    count
        movb    $0x20, %al
        outb    %al, $0xa0
        outb    %al, $0x20
        popl    %eax
        iret
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
where:  .long   0
number: .long   0, 0
word:   .word   0
