/* Task switches: JMP, CALL with IRET back, a task gate for #DF and for an interrupt, T bit aside.  SDM 3A 7. */
#include "guest.inc"
#define SEL_GATE (SEL_FREE + 0)
#define TSS_CR3 28
#define TSS_EIP 32
#define TSS_EFLAGS 36
#define TSS_EAX 40
#define TSS_ESP 56
#define TSS_ES 72
#define TSS_CS 76
#define TSS_SS 80
        .macro  task_at label
        movl    $\label, tss2 + TSS_EIP
        movl    $2, tss2 + TSS_EFLAGS
        movl    $SEL_CODE0, tss2 + TSS_CS
        movl    $SEL_DATA0, tss2 + TSS_ES
        movl    $SEL_DATA0, tss2 + TSS_SS
        movl    $SEL_DATA0, tss2 + TSS_SS + 4
        movl    $SEL_DATA0, tss2 + TSS_SS + 8
        movl    $SEL_DATA0, tss2 + TSS_SS + 12
        movl    $task_stack_top, tss2 + TSS_ESP
        movl    $0, tss2 + 96
        movl    %cr3, %eax
        movl    %eax, tss2 + TSS_CR3
        .endm
        movl    $tss2, %eax
        movl    $103, gdt + SEL_TSS2
        movw    %ax, gdt + SEL_TSS2 + 2
        shrl    $16, %eax
        movb    %al, gdt + SEL_TSS2 + 4
        movb    $0x89, gdt + SEL_TSS2 + 5

        /* JMP there and JMP back: no nesting, busy bits move, CR0.TS set */
        task_at jumped
        clts
        movl    $0x1234, %ebx
        movl    $0x5678, tss2 + TSS_EAX
        ljmp    $SEL_TSS2, $0
        expect  %ebx, $0x1234
        expect  seen, $0x5678
        expect  seen_tr, $SEL_TSS2
        expect_bits seen_flags, EFLAGS_NT, 0
        str     %eax
        expect  %eax, $SEL_TSS
        expect_bits gdt + SEL_TSS + 4, 0x200, 0x200
        expect_bits gdt + SEL_TSS2 + 4, 0x200, 0
        smsw    %eax
        expect_bits %eax, CR0_TS, CR0_TS

        /* CALL and IRET: NT and the back link */
        task_at called
        movl    $0, tss2
        lcall   $SEL_TSS2, $0
        expect_bits seen_flags, EFLAGS_NT, EFLAGS_NT
        expect  tss2, $SEL_TSS
        expect_bits seen_busy, 0x200, 0x200     /* ours stayed busy */
        expect_bits gdt + SEL_TSS2 + 4, 0x200, 0
        pushfl
        popl    %eax
        expect_bits %eax, EFLAGS_NT, 0
        expect  tss2 + TSS_EIP, $called_again   /* where it would go on */
        lcall   $SEL_TSS2, $0
        expect  seen, $0xa9a19

        /* busy TSS: refused */
        try     RING0
1:      ljmp    $SEL_TSS, $0
        done
        expect_fault VEC_GP, SEL_TSS, 1b
        try     RING3                           /* DPL 0 */
1:      lcall   $SEL_TSS2, $0
        done
        expect_fault VEC_GP, SEL_TSS2, 1b

        /* from ring 3 through a task gate, and an interrupt through one */
        movl    $(SEL_TSS2 << 16), gdt + SEL_GATE
        movl    $0xe500, gdt + SEL_GATE + 4
        task_at called
        movl    $0x4321, %ebx
        try     RING3
        lcall   $(SEL_GATE | 3), $0
        movl    %cs, %ecx
        done
        expect_done
        expect  %ebx, $0x4321
        expect  %ecx, $SEL_CODE3
        set_gate 0x44, 0, 0xe5, SEL_TSS2
        task_at called
        try     RING3, EFLAGS_IF
        int     $0x44
        pushfl
        popl    %eax
        done
        expect_done
        expect_bits %eax, EFLAGS_IF | EFLAGS_NT, EFLAGS_IF
        expect_bits seen_flags, EFLAGS_IF, 0

        /* refused before anything is switched: a TSS too short, one that is absent */
        movb    $102, gdt + SEL_TSS2
        .irp    ring, 0, 3
        try     \ring
1:      lcall   $(SEL_GATE | \ring), $0
        done
        expect_fault VEC_TS, SEL_TSS2, 1b
        .endr
        movb    $103, gdt + SEL_TSS2
        movb    $0x09, gdt + SEL_TSS2 + 5
        try     RING3
1:      lcall   $(SEL_GATE | 3), $0
        done
        expect_fault VEC_NP, SEL_TSS2, 1b
        movb    $0x89, gdt + SEL_TSS2 + 5

        /* double fault by task gate: #GP while #GP is delivered; error code 0 on the new stack */
        task_at double_fault
        set_gate VEC_DF, 0, 0x85, SEL_TSS2
        set_gate VEC_GP, 0, 0x8e, SEL_DATA0     /* no code segment: #GP again */
        movl    $0x7fff, %ecx
1:      movl    %ecx, %fs                       /* #GP, and its handler #GP: #DF */
        fail

double_fault:
        popl    seen
        expect  seen, $0
        str     %eax
        expect  %eax, $SEL_TSS2
        expect  tss + TSS_EIP, $1b
        expect  tss2, $SEL_TSS
        pass

jumped: movl    %eax, seen
        str     seen_tr
        pushfl
        popl    seen_flags
        ljmp    $SEL_TSS, $0
        fail
called: pushfl
        popl    seen_flags
        movl    gdt + SEL_TSS + 4, %eax
        movl    %eax, seen_busy
        iret
called_again:
        movl    $0xa9a19, seen
        iret
        fail

        .text   1
        .balign 4
seen:   .long   0
seen_tr: .long  0
seen_flags: .long 0
seen_busy: .long 0
        .text   2
        .balign 4
tss2:   .skip   104
        .skip   512
task_stack_top:
