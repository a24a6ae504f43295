/* What a program may do wrong: each is caught by its own handler, with the right CS:IP on the stack.  Divide error, bound,
 * overflow, undefined opcode, a segment limit, single steps, a breakpoint; and how FFFF:0010 wraps. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  say     "FAULTS"
        hook    0, on_fault, old0
        hook    1, on_step, old1
        hook    3, on_trap, old3
        hook    4, on_trap, old4
        hook    5, on_fault, old5
        hook    6, on_fault, old6
        hook    13, on_fault, old13
        movw    $1f, resume
        xorw    %ax, %ax
        xorw    %dx, %dx
        xorw    %cx, %cx
at_div: divw    %cx
1:      movw    $at_div, %ax
        callw   check                           /* 1 */
        movw    $2f, resume
        movw    $7, %ax
at_bound: boundw %ax, bounds
2:      movw    $at_bound, %ax
        callw   check
        movw    $3f, resume
at_ud:  ud2
3:      movw    $at_ud, %ax
        callw   check
        movw    $4f, resume
        movw    $0xffff, %bx
at_gp:  movw    (%bx), %ax                      /* beyond the limit */
4:      movw    $at_gp, %ax
        callw   check
        int3
5:      movw    $5b, %ax
        callw   check
        movb    $0x7f, %al
        addb    $1, %al
        into
6:      movw    $6b, %ax
        callw   check
        movw    count, %ax
        say_hex                                 /* 6 */
        pushfw                                  /* single steps, until the handler has counted 10 */
        popw    %ax
        orw     $TF, %ax
        pushw   %ax
        popfw
        movw    $100, %cx
7:      loop    7b
        movw    steps, %ax
        say_hex
        unhook  0, old0
        unhook  1, old1
        unhook  3, old3
        unhook  4, old4
        unhook  5, old5
        unhook  6, old6
        unhook  13, old13
        new_line
        exit

check:  cmpw    %ax, where
        jne     8f
        incw    count
8:      movw    $0, where
        retw

on_fault:
        pushw   %bp
        movw    %sp, %bp
        pushw   %ax
        movw    2(%bp), %ax
        movw    %ax, %cs:where
        movw    %cs:resume, %ax
        movw    %ax, 2(%bp)
        popw    %ax
        popw    %bp
        iretw
on_trap:
        pushw   %bp
        movw    %sp, %bp
        pushw   %ax
        movw    2(%bp), %ax
        movw    %ax, %cs:where
        popw    %ax
        popw    %bp
        iretw
on_step:
        incw    %cs:steps
        cmpw    $10, %cs:steps
        jb      9f
        pushw   %bp
        movw    %sp, %bp
        andw    $~TF, 6(%bp)
        popw    %bp
9:      iretw
        library
        .balign 4
old0:   .long   0
old1:   .long   0
old3:   .long   0
old4:   .long   0
old5:   .long   0
old6:   .long   0
old13:  .long   0
bounds: .word   1, 5
where:  .word   0
resume: .word   0
count:  .word   0
steps:  .word   0
