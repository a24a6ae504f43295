/* Real mode: INT and far CALL whose frame lies half in a page that holds code.  The first push is done when the second one finds out;
 * the interpreter then takes the instruction.  The frame is whole, and lock-step does not mind the half. */
#include "guest.inc"
#define STACK_SEG 0x3000
        enter_real_mode
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $OFF16(interrupt), %es:0x60 * 4
        movw    $SEG16, %es:0x60 * 4 + 2
        movw    $STACK_SEG, %ax
        movw    %ax, %ss
        movw    %ax, %es
        movw    $0x1002, %sp
        movw    $0xc3, %es:0                    /* RET near, in the page of the lower half */
        movb    $0xcb, %es:1                    /* RET far */
        movw    $100, OFF16(rounds)
1:      pushw   $0
        pushw   $OFF16(2f)
        lcallw  $STACK_SEG, $1
2:      addw    $4, %sp
        stc
        pushw   %ax                             /* where the flags will be */
        popw    %ax
        int     $0x60
after:  jnc     failed
        expect16 %bx, $OFF16(after)
        expect16 %cx, $SEG16
        pushw   %ax
        popw    %ax
        lcallw  $SEG16, $OFF16(far)
        expect16 %cx, $SEG16
        movw    %sp, %ax
        expect16 %ax, $0x1002
        decw    OFF16(rounds)
        jnz     1b
        pass16
failed: fail16

interrupt:
        movw    %sp, %bp
        movw    (%bp), %bx
        movw    2(%bp), %cx
        iretw
far:    movw    %sp, %bp
        movw    2(%bp), %cx
        lretw
rounds: .word   0
