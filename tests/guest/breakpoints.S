/* Debug registers: code, write and access breakpoints, RF, DR6, ICEBP, DR7.GD, and INT3 beside them.  SDM 3B 17.2, 17.3. */
#include "guest.inc"
        .macro  watch address, dr7
        movl    $(\address), %eax
        movl    %eax, %dr0
        movl    $0, %eax
        movl    %eax, %dr6
        movl    $(\dr7), %eax
        movl    %eax, %dr7
        .endm
        .macro  hit bits
        movl    %dr6, %eax
        expect_bits %eax, 0xe00f, \bits
        movl    $0, %eax
        movl    %eax, %dr7
        .endm
        .irp    ring, 0, 3
        watch   1f, 0x2                         /* execution: a fault, before the instruction */
        movl    $5, %ecx
        try     \ring
        decl    %ecx
1:      decl    %ecx
        done
        expect_fault VEC_DB, 0, 1b
        expect  %ecx, $4
        hit     1
        watch   1f, 0x2                         /* RF passes it once */
        try     RING0
        pushl   $(EFLAGS_RF | 2)
        pushl   $SEL_CODE0
        pushl   $1f
        iret
1:      nop
        done
        expect_done
        hit     0
        watch   FREE_PAGES + 4, 0xd0002         /* write, 4 bytes: a trap, behind the instruction */
        try     \ring
        movl    FREE_PAGES + 4, %eax
        movb    %al, FREE_PAGES + 3
        movb    %al, FREE_PAGES + 7
1:      nop
        done
        expect_fault VEC_DB, 0, 1b
        hit     1
        watch   FREE_PAGES + 4, 0xf0002         /* read or write */
        try     \ring
        addl    FREE_PAGES + 2, %eax
1:      nop
        done
        expect_fault VEC_DB, 0, 1b
        hit     1
        .endr
        movl    $0x2000, %eax                   /* GD: the next access to a debug register */
        movl    %eax, %dr7
        try     RING0
1:      movl    %dr0, %ebx
        done
        expect_fault VEC_DB, 0, 1b
        hit     0x2000
        try     RING3
        .byte   0xf1                            /* ICEBP */
1:      nop
        done
        expect_fault VEC_DB, 0, 1b
        pass
