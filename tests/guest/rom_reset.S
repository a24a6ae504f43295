/* A 64 KiB ROM started at the reset vector (ringer run --bios): register state after power-on, the alias below 1 MiB, writes
 * ignored.  SDM 3A 9.1.1, table 9-1; 9.1.4.  Fails with the number of the step as exit value. */
#define EXIT_PORT 0xf4
        .macro  expect step, condition
        movb    $\step, %al
        j\condition 1f
        outb    %al, $EXIT_PORT
        hlt
1:
        .endm
        .code16
        .text
        cmpw    $0x6000, %bp                    /* CR0 = 60000010h */
        expect  1, e
        cmpw    $0x0010, %di
        expect  2, e
        cmpw    $0xf000, %si                    /* CS there */
        expect  3, e
        pushfw                                  /* SS:SP = 0:0, RAM at 0FFFEh */
        popw    %cx
        andw    $~0x44, %cx                     /* less ZF and PF of the comparison */
        cmpw    $2, %cx
        expect  4, e
        movw    %ds, %ax
        movw    %es, %bx
        orw     %bx, %ax
        movw    %ss, %bx
        orw     %bx, %ax
        expect  5, z
        testl   %edx, %edx                      /* family, model, stepping */
        expect  6, nz
        movw    %cs, %cx
        cmpw    $0xf000, %cx
        expect  9, e
        movb    %cs:marker, %bl                 /* ROM: written, and unchanged */
        movw    %cs, %ax
        movw    %ax, %ds
        movb    $0, marker
        cmpb    $0x5a, marker
        expect  10, e
        cmpb    %bl, marker
        expect  11, e
        xorb    %al, %al                        /* pass */
        outb    %al, $EXIT_PORT
1:      hlt
        jmp     1b
marker: .byte   0x5a

        .org    0xffd0
vector: movl    %cr0, %ebp
        movw    %bp, %di
        shrl    $16, %ebp
        movw    %cs, %si
        ljmpw   $0xf000, $0                     /* the base is F0000h from here on */
        .org    0xfff0
        jmp     vector
        .org    0x10000
