/* Debug registers, the rest: breakpoints on ports with CR4.DE, DR4 and DR5, repeated string instructions, MOV SS, several at once,
 * task switches, RF in the flags that handlers see.  SDM 3B 17.2, 17.3. */
#include "guest.inc"
        .set    PORT, 0x84
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
        cld

        /* R/W = 10: nothing without CR4.DE, ports with it; a trap */
        watch   PORT, 0x20002
        try     RING0
        inb     $PORT, %al
        done
        expect_done
        hit     0
        set_cr4 CR4_DE
        .irp    insn, "inb $PORT, %al", "outb %al, $PORT", "inl $PORT, %eax", "inw $PORT - 1, %ax"
        watch   PORT, 0x20002
        try     RING0
        \insn
1:      nop
        done
        expect_fault VEC_DB, 0, 1b
        hit     1
        .endr
        .irp    insn, "inb $PORT - 1, %al", "inb $PORT + 1, %al", "movb %al, PORT"
        watch   PORT, 0x20002
        try     RING0
        \insn
        done
        expect_done
        hit     0
        .endr
        movw    $PORT, %dx
        movl    $FREE_PAGES, %edi
        movl    $FREE_PAGES, %esi
        .irp    insn, insb, outsb, outsw
        watch   PORT, 0x20002
        try     RING0
        \insn
1:      nop
        done
        expect_fault VEC_DB, 0, 1b
        hit     1
        .endr
        watch   PORT, 0x20002                   /* after each iteration, RF set but for the last one */
        movl    $2, %ecx
        movl    $FREE_PAGES, %edi
        try     RING0
1:      rep insb
2:      nop
        done
        expect_fault VEC_DB, 0, 1b
        expect_bits trap_eflags, EFLAGS_RF, EFLAGS_RF
        expect  %ecx, $1
        try     RING0
        rep insb
2:      nop
        done
        expect_fault VEC_DB, 0, 2b
        expect_bits trap_eflags, EFLAGS_RF, 0
        expect  %ecx, $0
        hit     1

        /* DR4 and DR5: DR6 and DR7 without DE, #UD with */
        try     RING0
1:      movl    %dr4, %eax
        done
        expect_fault VEC_UD, 0, 1b
        try     RING0
1:      movl    %eax, %dr5
        done
        expect_fault VEC_UD, 0, 1b
        movl    %cr4, %eax
        andl    $~CR4_DE, %eax
        movl    %eax, %cr4
        movl    $0x500, %eax
        movl    %eax, %dr5
        movl    %dr7, %eax
        expect_bits %eax, 0x100, 0x100
        movl    $0, %eax
        movl    %eax, %dr7
        .irp    insn, "movl %dr0, %eax", "movl %eax, %dr7"
        try     RING3
1:      \insn
        done
        expect_fault VEC_GP, 0, 1b
        .endr

        /* a write breakpoint in a REP: after the iteration that wrote, RF set */
        watch   FREE_PAGES + 8, 0xd0002
        movl    $FREE_PAGES, %edi
        movl    $10, %ecx
        try     RING3
1:      rep stosl
        done
        expect_fault VEC_DB, 0, 1b
        expect  %ecx, $7
        expect  %edi, $(FREE_PAGES + 12)
        expect_bits trap_eflags, EFLAGS_RF, EFLAGS_RF
        hit     1

        /* two at once, one of them for both bytes of a word; a disabled one matches nothing */
        movl    $(FREE_PAGES + 1), %eax
        movl    %eax, %dr1
        movl    $FREE_PAGES, %eax
        movl    %eax, %dr3
        watch   FREE_PAGES, 0x3 | 0xc | 0x30000 | 0x300000
        try     RING3
        movw    FREE_PAGES, %ax
1:      nop
        done
        expect_fault VEC_DB, 0, 1b
        hit     3

        /* MOV SS from a watched word: the trap waits for the next instruction; if that is INT n, for its handler's first */
        movl    $SEL_DATA3, FREE_PAGES + 16
        watch   FREE_PAGES + 16, 0xf0002
        try     RING3
        movw    FREE_PAGES + 16, %ss
        nop
1:      nop
        done
        expect_fault VEC_DB, 0, 1b
        hit     1
        set_gate VEC_USER, handler, 0xee
        watch   FREE_PAGES + 16, 0xf0002
        try     RING3
        movw    FREE_PAGES + 16, %ss
        int     $VEC_USER
        done
        expect_fault VEC_DB, 0, handler
        expect  trap_cs, $SEL_CODE0
        hit     1

        /* faults push RF = 1, the code breakpoint itself not; INT n and its kin 0, whatever RF was */
        .macro  rf_pushed want, insn:vararg
        try     RING3, EFLAGS_RF
1:      \insn
        done
        expect_bits trap_eflags, EFLAGS_RF, \want
        .endm
        set_gate VEC_USER, trap_stubs+VEC_USER*16, 0xee
        rf_pushed EFLAGS_RF, ud2
        rf_pushed EFLAGS_RF, hlt
        rf_pushed EFLAGS_RF, movl 0xffffffff, %eax
        rf_pushed 0, int $0x40
        rf_pushed 0, int3
        rf_pushed 0, .byte 0xf1
        watch   1f, 0x2
        try     RING3
1:      nop
        done
        expect_fault VEC_DB, 0, 1b
        expect_bits trap_eflags, EFLAGS_RF, 0
        hit     1
        pass
handler: nop
        iret
