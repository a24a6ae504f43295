/* INT n of real mode with an IDT at the end of 4 GiB: the vector's address wraps at FFFFFFFFh, between two vectors and within one, and
 * translated code stays in its window (checked).  SDM 3A 3.3.1, SDM 3B 20.1.4. */
#include "guest.inc"
#define STUB 0x40000 /* linear; the last word below 4 GiB, of the ROM, decides about the offset */
        movzwl  0xfffffffe, %eax
        movl    %eax, %ebx
        andl    $15, %ebx
        addl    $STUB, %ebx                     /* CS * 16 + IP for some CS */
        movl    $0xea | OFF16(handler) << 8, (%ebx) /* ljmpw $SEG16, $handler */
        movw    $SEG16, 3(%ebx)
        subl    %eax, %ebx
        shrl    $4, %ebx
        movw    %bx, stub_cs
        enter_real_mode
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $200, OFF16(rounds)
1:      movw    $OFF16(handler), %es:0
        movw    $SEG16, %es:2
        lidtl   OFF16(between)
        int     $0x20                           /* lies at 0 */
        movw    OFF16(stub_cs), %ax
        movw    %ax, %es:0
        lidtl   OFF16(within)
        int     $0x20                           /* IP at FFFFFFFEh, CS at 0 */
        decw    OFF16(rounds)
        jnz     1b
        lidtl   OFF16(normal)
        expect16 OFF16(calls), $400
        pass16

handler:
        incw    OFF16(calls)
        iretw

        .balign 4
between: .word  0x3ff
        .long   0xffffff80
within: .word   0x3ff
        .long   0xffffff7e
normal: .word   0x3ff
        .long   0
calls:  .word   0
rounds: .word   0
stub_cs: .word  0
