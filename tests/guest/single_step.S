/* TF: a trap after every instruction that began with it set, also after a taken jump, each REP iteration, POPF that clears
 * it (one more), not after MOV SS nor for the handler; INT clears it; DR6.BS.  SDM 3B 17.3.1.4, 3A 6.8.3. */
#include "guest.inc"
        .macro  stepped want
        expect  steps, $\want
        movl    $0, steps
        .endm
        set_gate VEC_DB, count_step
        .irp    ring, 0, 3
        movl    $0, steps
        try     \ring, EFLAGS_TF
        nop
        nop
        jmp     1f
        nop
1:      incl    %eax
        done
        expect_done
        stepped 4

        try     \ring                           /* set by POPF: from the next instruction on */
        pushl   $(EFLAGS_TF | 2)
        popfl
        nop
        nop
        pushl   $2
        popfl                                   /* the last one that traps */
        nop
        done
        expect_done
        stepped 4

        movl    $buffer, %edi
        movl    $5, %ecx
        try     \ring, EFLAGS_TF
        rep stosb
        done
        expect_done
        stepped 5
        expect  %ecx, $0

        movl    try_data+4*\ring, %ecx          /* MOV SS holds the trap off */
        try     \ring, EFLAGS_TF
        movl    %ecx, %ss
        nop
        nop
        done
        expect_done
        stepped 2

        movl    $10, %ecx
        try     \ring, EFLAGS_TF
1:      loop    1b
        done
        expect_done
        stepped 10

        try     \ring, EFLAGS_TF                /* PUSHF shows it, the handler of INT runs without */
        pushfl
        popl    %eax
        done
        expect_bits %eax, EFLAGS_TF, EFLAGS_TF
        stepped 2
        set_gate VEC_USER, no_steps, 0xee
        try     \ring, EFLAGS_TF
        nop
        int     $VEC_USER
        nop
        done
        expect_done
        expect  %ebx, $1
        stepped 2
        .endr
        movl    %dr6, %eax
        expect_bits %eax, 0x4000, 0x4000
        pass

no_steps:
        movl    steps, %ebx
        iret
count_step:
        incl    %ss:steps
        iret
        .text   1
        .balign 4
steps:  .long   0
buffer: .skip   16
