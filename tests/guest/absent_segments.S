/* Descriptors with P = 0: #NP with the selector, #SS for SS; after the checks of type and privilege, and with nothing changed.
 * SDM 3A 6.15 (#NP, #SS), 5.5-5.8. */
#include "guest.inc"
#define SEL_DATA   (SEL_FREE + 0)
#define SEL_CODE   (SEL_FREE + 8)
#define SEL_GATE   (SEL_FREE + 16)
#define SEL_STACK1 (SEL_FREE + 24 + 1)
        .macro  absent vector, sel, insn:vararg
        try     RING0
1:      \insn
        done
        expect_fault \vector, \sel, 1b
        .endm
        set_desc SEL_DATA, 0, 0xfffff, 0x13, 0xc
        set_desc SEL_CODE, 0, 0xfffff, 0x1b, 0xc
        movl    $SEL_DATA, %ecx
        .irp    seg, ds, es, fs, gs
        absent  VEC_NP, SEL_DATA, movl %ecx, %\seg
        expect  trap_\seg, $SEL_DATA0
        .endr
        absent  VEC_SS, SEL_DATA, movl %ecx, %ss
        expect  trap_ss, $SEL_DATA0
        movl    $SEL_DATA, pointer + 4
        absent  VEC_NP, SEL_DATA, lfs pointer, %eax
        absent  VEC_SS, SEL_DATA, lss pointer, %eax
        expect  %eax, $0
        try     RING0
        pushl   $SEL_DATA
        movl    %esp, %ebx
1:      popl    %es
        done
        expect_fault VEC_NP, SEL_DATA, 1b
        expect  trap_esp, %ebx
        try     RING3                           /* privilege comes first */
1:      movl    %ecx, %ds
        done
        expect_fault VEC_GP, SEL_DATA, 1b
        absent  VEC_NP, SEL_CODE, ljmp $SEL_CODE, $0
        absent  VEC_NP, SEL_CODE, lcall $SEL_CODE, $0
        try     RING0
        pushl   $SEL_CODE
        pushl   $0
        movl    %esp, %ebx
1:      lret
        done
        expect_fault VEC_NP, SEL_CODE, 1b
        expect  trap_esp, %ebx
        try     RING0
        pushl   $2
        pushl   $SEL_CODE
        pushl   $0
1:      iret
        done
        expect_fault VEC_NP, SEL_CODE, 1b
        /* gates: the gate itself, then what it leads to */
        movl    $(SEL_CODE << 16), gdt + SEL_GATE
        movl    $0x6c00, gdt + SEL_GATE + 4
        absent  VEC_NP, SEL_GATE, lcall $SEL_GATE, $0
        movl    $0xec00, gdt + SEL_GATE + 4
        try     RING3
1:      lcall   $SEL_GATE, $0
        done
        expect_fault VEC_NP, SEL_CODE, 1b
        movl    $0x6500, gdt + SEL_GATE + 4     /* a task gate */
        absent  VEC_NP, SEL_GATE, ljmp $SEL_GATE, $0
        set_gate VEC_USER, 0, 0x6e
        try     RING3
1:      int     $VEC_USER
        done
        expect_fault VEC_NP, VEC_USER*8+2, 1b
        set_gate VEC_USER, 0, 0xee, SEL_CODE
        try     RING3
1:      int     $VEC_USER
        done
        expect_fault VEC_NP, SEL_CODE, 1b
        /* the stack that a gate switches to: type and privilege are #TS, absence #SS */
        set_gate VEC_USER, trap_stubs, 0xee, SEL_CODE1
        set_desc SEL_STACK1, 0, 0xfffff, 0x33, 0xc
        movl    $SEL_STACK1, tss_esp0 + 12
        try     RING3
1:      int     $VEC_USER
        done
        expect_fault VEC_SS, SEL_STACK1-1, 1b
        movl    $SEL_DATA, tss_esp0 + 12
        try     RING3
1:      int     $VEC_USER
        done
        expect_fault VEC_TS, SEL_DATA, 1b
        pass
pointer: .long  0, 0
