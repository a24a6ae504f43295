/* Real mode in loops, so that it is translated: segment loads, far calls, jumps and returns between code segments, with near calls
 * in between and the same IP in two of them; INT and IRET with flags; stack and registers exact.  SDM 2 CALL, RET, INT, IRET. */
#include "guest.inc"
#define SEG_TWO (SEG16 + 0x10)  /* the same code, 100h lower */
#define OFF_TWO(label) (OFF16(label) - 0x100)
        enter_real_mode
        movw    %sp, OFF16(saved_sp)
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $OFF16(interrupt), %es:0x60 * 4
        movw    $SEG16, %es:0x60 * 4 + 2
        movw    $OFF_TWO(interrupt_two), %es:0x61 * 4
        movw    $SEG_TWO, %es:0x61 * 4 + 2
        movw    $200, OFF16(rounds)
round:  movw    $0, OFF16(trail)
        lcallw  $SEG_TWO, $OFF_TWO(far_add)             /* by immediate and by pointer */
        lcallw  *OFF16(pointer)
        expect16 OFF16(trail), $2
        movw    %sp, %ax
        expect16 %ax, OFF16(saved_sp)
        movw    %cs, %ax
        expect16 %ax, $SEG16
        /* RET n */
        pushw   $7
        pushw   $8
        lcallw  $SEG_TWO, $OFF_TWO(far_drop)
        expect16 %ax, $15
        movw    %sp, %ax
        expect16 %ax, OFF16(saved_sp)
        /* near calls around far ones: the host's return stack must not lead to the wrong segment */
        movw    $0, OFF16(trail)
        callw   near_one
        expect16 OFF16(trail), $22
        /* a near return to the caller's IP, but in the other segment */
        ljmpw   $SEG_TWO, $OFF_TWO(in_two)
back:   movw    %cs, %ax
        expect16 %ax, $SEG16
        /* LES, LDS, LSS; POP and MOV of segment registers */
        lesw    OFF16(data), %bx
        expect16 %bx, $0x1234
        movw    %es, %ax
        expect16 %ax, $0x2345
        movw    $0xbabe, %es:0x10
        ldsw    OFF16(data) + 4, %si
        movw    %ds, %ax
        movw    0x10, %cx
        movw    %cs, %dx
        movw    %dx, %ds
        expect16 %si, $0x5678
        expect16 %ax, $0x2345
        expect16 %cx, $0xbabe
        pushw   %ds
        popw    %fs
        movw    %fs:OFF16(data), %ax
        expect16 %ax, $0x1234
        lgsl    OFF16(data) + 8, %ebx
        cmpl    $0xdeadbeef, %ebx
        je      1f
        fail16
1:      movw    %ss, %cx
        movw    %sp, %dx
        movw    $0x3000, OFF16(new_stack)
        movw    $0x4000, OFF16(new_stack) + 2
        lssw    OFF16(new_stack), %sp
        pushw   $0x7777
        movw    %cx, %ss
        movw    %dx, %sp
        movw    $0x4000, %ax
        movw    %ax, %es
        expect16 %es:0x2ffe, $0x7777
        /* INT and IRET */
        movw    $0, OFF16(trail)
        sti
        stc
        std
        int     $0x60
        jnc     failed
        int     $0x61
        cld
        expect16 OFF16(trail), $3
        expect16 %ax, $0x0603                           /* IF, DF, 1, CF were pushed */
        expect16 %bx, $0                                /* and IF clear in there */
        cli
        movw    %sp, %ax
        expect16 %ax, OFF16(saved_sp)
        /* IRET with flags of its own */
        pushw   $0x0ed6
        pushw   %cs
        pushw   $OFF16(2f)
        iretw
        fail16
2:      pushfw
        popw    %ax
        cld
        cli
        expect16 %ax, $0x0ed6
        decw    OFF16(rounds)
        jnz     round
        /* an IVT too short for INT: #GP pushes, INT itself does not */
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $OFF16(3f), %es:13 * 4
        movw    $SEG16, %es:13 * 4 + 2
        movw    $0x100, OFF16(rounds)
        lidtl   OFF16(short_ivt)
short_loop:
        pushw   $0x5555
        pushw   $0x6666
        pushw   $0x7777
        addw    $6, %sp
4:      int     $0x60
        fail16
3:      movw    %sp, %bp
        expect16 (%bp), $OFF16(4b)
        movw    OFF16(saved_sp), %sp
        decw    OFF16(rounds)
        jnz     short_loop
        pass16
failed: fail16

far_add:
        incw    OFF16(trail)
        lretw
far_drop:
        pushw   %bp
        movw    %sp, %bp
        movw    6(%bp), %ax
        addw    8(%bp), %ax
        popw    %bp
        lretw   $4
near_one:
        callw   near_two
        addw    $10, OFF16(trail)
        ret
near_two:
        lcallw  $SEG_TWO, $OFF_TWO(far_calls_near)
        lcallw  $SEG16, $OFF16(far_add)
        ret
far_calls_near:
        callw   near_ten
        lretw
near_ten:
        addw    $11, OFF16(trail)
        ret
/* Reached with CS = SEG_TWO: "call 3f" pushes OFF_TWO(4f); what returns there runs in this segment. */
in_two: movw    %cs, %ax
        expect16 %ax, $SEG_TWO
        callw   3f
4:      movw    %cs, %ax
        cmpw    $SEG_TWO, %ax
        jne     failed
        ljmpw   $SEG16, $OFF16(back)
3:      ljmpw   $SEG16, $OFF16(5f)                      /* a return in the other segment, to the IP of 4: there it is 6 */
5:      movw    %sp, %bp
        expect16 (%bp), $OFF_TWO(4b)
        movw    $OFF16(6f), (%bp)
        ret
6:      movw    %cs, %ax
        expect16 %ax, $SEG16
        pushw   $SEG_TWO
        pushw   $OFF_TWO(4b)
        lretw

interrupt:
        cld
        pushw   %bp
        movw    %sp, %bp
        incw    OFF16(trail)
        movw    6(%bp), %ax
        popw    %bp
        iretw
interrupt_two:
        pushfw
        popw    %bx
        andw    $0x200, %bx
        pushw   %bp
        movw    %sp, %bp
        addw    $2, OFF16(trail)
        movw    6(%bp), %ax
        popw    %bp
        andw    $0x0603, %ax
        lcallw  $SEG16, $OFF16(far_nothing)
        iretw
far_nothing:
        lretw

        .text   1
        .balign 4
pointer: .word  OFF_TWO(far_add), SEG_TWO
data:   .word   0x1234, 0x2345, 0x5678, 0x2345
        .long   0xdeadbeef
        .word   0x2345
new_stack: .long 0
saved_sp: .word 0
short_ivt: .word 0x60 * 4 - 1
        .long   0
trail:  .word   0
rounds: .word   0
