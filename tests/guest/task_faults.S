/* Task switches that fail: before the new task is entered the old one faults, afterwards the new one does, with its EIP; EXT tells
 * exceptions from CALL, JMP and INT n.  The TSS's T bit, and RF in the image.  SDM 3A 7.3, 17.3.1.5; table 7-1. */
#include "guest.inc"
#define SEL_VICTIM (SEL_FREE + 0)
#define SEL_CATCH  (SEL_FREE + 8)       /* four tasks: #TS #NP #SS #GP */
#define SEL_ABSENT (SEL_FREE + 40)      /* data */
#define SEL_ABSENT_CODE (SEL_FREE + 48)
#define SEL_SMALL  (SEL_FREE + 56)      /* code of 16 bytes */
#define T_LINK 0
#define T_CR3 28
#define T_EIP 32
#define T_EFLAGS 36
#define T_ESP 56
#define T_ES 72
#define T_CS 76
#define T_SS 80
#define T_DS 84
#define T_FS 88
#define T_LDT 96
#define T_TRAP 100
#define ENTRY 0x12345
        .macro  tss_desc sel, tss
        movl    $\tss, %eax
        movl    $103, gdt + \sel
        movw    %ax, gdt + \sel + 2
        shrl    $16, %eax
        movb    %al, gdt + \sel + 4
        movb    $0x89, gdt + \sel + 5
        .endm
        .macro  fresh_victim
        tss_desc SEL_VICTIM, victim
        movl    $0, victim + T_LINK
        movl    $ENTRY, victim + T_EIP
        movl    $2, victim + T_EFLAGS
        movl    $SEL_CODE0, victim + T_CS
        .irp    seg, T_ES, T_SS, T_DS, T_FS, T_FS + 4
        movl    $SEL_DATA0, victim + \seg
        .endr
        movl    $0, victim + T_LDT
        movl    $0, victim + T_TRAP
        movl    $victim_stack_top, victim + T_ESP
        .endm
        .macro  catcher sel, tss, entry, vector
        tss_desc \sel, \tss
        movl    $\entry, \tss + T_EIP
        movl    $2, \tss + T_EFLAGS
        movl    $SEL_CODE0, \tss + T_CS
        .irp    seg, T_ES, T_SS, T_DS, T_FS, T_FS + 4
        movl    $SEL_DATA0, \tss + \seg
        .endr
        movl    $catch_stack_top, \tss + T_ESP
        .endm
        .macro  gates_to_tasks
        set_gate VEC_TS, 0, 0xe5, SEL_CATCH
        set_gate VEC_NP, 0, 0xe5, SEL_CATCH+8
        set_gate VEC_SS, 0, 0xe5, SEL_CATCH+16
        set_gate VEC_GP, 0, 0xe5, SEL_CATCH+24
        .endm
        .macro  gates_to_stubs
        .irp    vector, VEC_TS, VEC_NP, VEC_SS, VEC_GP
        set_gate \vector, trap_stubs+\vector*16
        .endr
        .endm

        set_desc SEL_ABSENT, 0, 0xfffff, 0x13, 0xc
        set_desc SEL_ABSENT_CODE, 0, 0xfffff, 0x1b, 0xc
        set_desc SEL_SMALL, 0, 0xf, 0x9b, 4

/* --- refused in the old task: nothing has moved --- */
        .macro  refused vector, error
        .irp    insn, lcall, ljmp
        try     RING0
1:      \insn   $SEL_VICTIM, $0
        done
        expect_fault \vector, \error, 1b
        .endr
        str     %eax
        expect  %eax, $SEL_TSS
        expect_bits (gdt + SEL_TSS + 4), 0x200, 0x200
        expect  victim + T_LINK, $0
        .endm
        fresh_victim
        andb    $0x7f, gdt + SEL_VICTIM + 5
        refused VEC_NP, SEL_VICTIM
        fresh_victim
        movb    $102, gdt + SEL_VICTIM
        refused VEC_TS, SEL_VICTIM
        fresh_victim
        orb     $2, gdt + SEL_VICTIM + 5        /* busy */
        refused VEC_GP, SEL_VICTIM
        /* the same by INT n (EXT 0) and by an exception (EXT 1) */
        set_gate VEC_USER, 0, 0xe5, SEL_VICTIM
        set_gate VEC_UD, 0, 0x85, SEL_VICTIM
        andb    $0x7f, gdt + SEL_VICTIM + 5
        andb    $~2, gdt + SEL_VICTIM + 5
        try     RING0
1:      int     $VEC_USER
        done
        expect_fault VEC_NP, SEL_VICTIM, 1b
        try     RING0
1:      divl    zero                            /* (so that "done" keeps its #UD) */
        done
        expect_fault VEC_DE, 0, 1b
        set_gate VEC_DE, 0, 0x85, SEL_VICTIM
        movl    $0, %ecx
        set_gate VEC_DF, trap_stubs+VEC_DF*16
        set_gate VEC_BR, 0, 0x85, SEL_VICTIM
        try     RING0
1:      boundl  %ecx, bounds
        .set    bound_at, 1b
        set_gate VEC_UD, trap_stubs+VEC_UD*16
        done
        expect_fault VEC_NP, SEL_VICTIM+1, bound_at
        set_gate VEC_UD, trap_stubs+VEC_UD*16
        set_gate VEC_DE, trap_stubs

        /* IRET with NT: the link must name a busy TSS */
        .macro  iret_refused link, error
        movw    $\link, tss
        try     RING0, EFLAGS_NT
1:      iret
        done
        expect_fault VEC_TS, \error, 1b
        str     %eax
        expect  %eax, $SEL_TSS
        .endm
        fresh_victim
        iret_refused SEL_VICTIM, SEL_VICTIM
        iret_refused 0, 0
        iret_refused SEL_DATA0, SEL_DATA0
        iret_refused GDT_LAST+8, GDT_LAST+8
        iret_refused SEL_VICTIM|4, SEL_VICTIM|4
        orb     $2, gdt + SEL_VICTIM + 5
        andb    $0x7f, gdt + SEL_VICTIM + 5
        movw    $SEL_VICTIM, tss
        try     RING0, EFLAGS_NT
1:      iret
        done
        expect_fault VEC_NP, SEL_VICTIM, 1b
        movw    $0, tss

/* --- faults of the new task, caught by tasks of their own --- */
        catcher SEL_CATCH, catch_ts, caught_ts
        catcher (SEL_CATCH+8), catch_np, caught_np
        catcher (SEL_CATCH+16), catch_ss, caught_ss
        catcher (SEL_CATCH+24), catch_gp, caught_gp
        .macro  switch_fails vector, error
        movl    $0, caught
        gates_to_tasks
        lcall   $SEL_VICTIM, $0
        gates_to_stubs
        expect  caught, $\vector
        expect  caught_error, $(\error)
        expect  caught_link, $SEL_VICTIM
        expect  victim + T_LINK, $SEL_TSS
        expect  caught_eip, $ENTRY
        .endm
        fresh_victim
        movl    $SEL_DATA0, victim + T_LDT
        switch_fails VEC_TS, SEL_DATA0
        fresh_victim
        movl    $GDT_LAST+8, victim + T_LDT
        switch_fails VEC_TS, GDT_LAST+8
        fresh_victim
        movl    $0, victim + T_CS
        switch_fails VEC_TS, 0
        fresh_victim
        movl    $SEL_DATA0, victim + T_CS
        switch_fails VEC_TS, SEL_DATA0
        fresh_victim
        movl    $SEL_CODE3, victim + T_CS       /* DPL 3 and RPL 3: a ring 3 task, but SS of ring 0 */
        switch_fails VEC_TS, SEL_DATA0
        fresh_victim
        movl    $SEL_ABSENT_CODE, victim + T_CS
        switch_fails VEC_NP, SEL_ABSENT_CODE
        fresh_victim
        movl    $0, victim + T_SS
        switch_fails VEC_TS, 0
        fresh_victim
        movl    $SEL_CODE0, victim + T_SS
        switch_fails VEC_TS, SEL_CODE0
        fresh_victim
        movl    $SEL_ABSENT, victim + T_SS
        switch_fails VEC_SS, SEL_ABSENT
        .irp    seg, T_ES, T_DS, T_FS, T_FS + 4
        fresh_victim
        movl    $SEL_ABSENT, victim + \seg
        switch_fails VEC_NP, SEL_ABSENT
        fresh_victim
        movl    $SEL_TSS, victim + \seg
        switch_fails VEC_TS, SEL_TSS
        .endr
        fresh_victim
        movl    $SEL_SMALL, victim + T_CS
        switch_fails VEC_GP, 0                  /* EIP beyond the limit */

        /* by INT n the error code says so too: EXT stays 0 */
        fresh_victim
        movl    $SEL_DATA0, victim + T_LDT
        set_gate VEC_USER, 0, 0xe5, SEL_VICTIM
        gates_to_tasks
        int     $VEC_USER
        gates_to_stubs
        expect  caught, $VEC_TS
        expect  caught_error, $SEL_DATA0
        /* by an exception: EXT 1, and the old task's image has RF */
        fresh_victim
        movl    $SEL_DATA0, victim + T_LDT
        set_gate VEC_BR, 0, 0x85, SEL_VICTIM
        gates_to_tasks
        movl    $0, caught
        movl    $0, %ecx
        movl    $1f, skip_to
1:      boundl  %ecx, bounds
        .set    bound_insn, 1b
        gates_to_stubs
        expect  caught, $VEC_TS
        expect  caught_error, $(SEL_DATA0 + 1)
        expect_bits outer_flags, EFLAGS_RF, EFLAGS_RF
        expect  outer_eip, $bound_insn
        set_gate VEC_BR, trap_stubs+VEC_BR*16

/* --- the T bit --- */
        set_gate VEC_DB, debug_trap
        fresh_victim
        movl    $trap_task, victim + T_EIP
        movl    $1, victim + T_TRAP
        movl    $0, %eax
        movl    %eax, %dr6
        lcall   $SEL_VICTIM, $0
        expect  traps, $1
        expect  trap_where, $trap_task          /* before its first instruction */
        expect_bits trap_dr6, 0xe00f, 0x8000
        expect  trap_in, $SEL_VICTIM
        /* the way back: the old task's T bit, by IRET */
        movl    $1, tss + T_TRAP
        movw    $104, tss + 102
        movl    $trap_task, victim + T_EIP
        movl    $0, victim + T_TRAP
        movl    $0, traps
        lcall   $SEL_VICTIM, $0
1:      expect  traps, $1
        expect  trap_where, $1b
        expect  trap_in, $SEL_TSS
        pass

trap_task:
        iret
debug_trap:
        incl    traps
        pushl   (%esp)
        popl    trap_where
        pushl   %eax
        movl    %dr6, %eax
        movl    %eax, trap_dr6
        str     %eax
        movl    %eax, trap_in
        popl    %eax
        iret

        .macro  caught_entry name, vector, tss
caught_\name:
        movl    $\vector, caught
        popl    caught_error
        movzwl  \tss + T_LINK, %eax
        movl    %eax, caught_link
        movl    victim + T_EIP, %eax
        movl    %eax, caught_eip
        movl    tss + T_EFLAGS, %eax
        movl    %eax, outer_flags
        movl    tss + T_EIP, %eax
        movl    %eax, outer_eip
        cmpl    $bound_insn, %eax
        jne     1f
        addl    $6, tss + T_EIP                 /* behind BOUND */
1:      andb    $~2, gdt + SEL_TSS + 5          /* back, whatever was nested */
        ljmp    $SEL_TSS, $0
        jmp     caught_\name                    /* the next time it goes on here */
        .endm
        caught_entry ts, VEC_TS, catch_ts
        caught_entry np, VEC_NP, catch_np
        caught_entry ss, VEC_SS, catch_ss
        caught_entry gp, VEC_GP, catch_gp

        .text   1
        .balign 4
zero:   .long   0
bounds: .long   1, 2
caught: .long   0
caught_error: .long 0
caught_link: .long 0
caught_eip: .long 0
outer_flags: .long 0
outer_eip: .long 0
skip_to: .long  0
traps:  .long   0
trap_where: .long 0
trap_dr6: .long 0
trap_in: .long  0
victim: .fill   104, 1, 0
catch_ts: .fill 104, 1, 0
catch_np: .fill 104, 1, 0
catch_ss: .fill 104, 1, 0
catch_gp: .fill 104, 1, 0
        .text   2
        .skip   512
victim_stack_top:
        .skip   512
catch_stack_top:
