/* C7 /1 is undefined also where a MOV to a device stood before, whose call-out knows the device.  SDM 2D, opcode table, group 11. */
#include "guest.inc"
#define EOI 0xfee000b0          /* of the local APIC */

        movl    $3, %edx
again:  movl    $EOI, %esi
        movl    $30, %ecx
1:      call    store
        loop    1b
        movb    $0x0e, store + 1        /* /1 */
        try     RING0
        call    store
        done
        expect_fault VEC_UD, 0, store
        movb    $0x06, store + 1
        decl    %edx
        jnz     again
        pass
store:  .byte   0xc7, 0x06              /* movl $0, (%esi) */
        .long   0
        ret
