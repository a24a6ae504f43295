/* Far JMP, CALL and RET: conforming and non-conforming code, call gates with and without a stack switch and parameters,
 * RET to an outer ring.  SDM 3A 5.8; SDM 2A CALL, JMP; 2B RET. */
#include "guest.inc"
#define SEL_CONFORMING (SEL_FREE + 0)
#define SEL_GATE       (SEL_FREE + 8)
#define SEL_GATE_PARAM (SEL_FREE + 16)
#define SEL_ABSENT     (SEL_FREE + 24)
#define SEL_GATE_DPL0  (SEL_FREE + 32)

        .macro  call_gate sel, code, handler, params, access
        movl    $\handler, %eax
        movw    %ax, gdt + \sel
        movw    $\code, gdt + \sel + 2
        movb    $\params, gdt + \sel + 4
        movb    $\access, gdt + \sel + 5
        shrl    $16, %eax
        movw    %ax, gdt + \sel + 6
        .endm

        set_desc SEL_CONFORMING, 0, 0xfffff, 0x9e, 0xc
        set_desc SEL_ABSENT, 0, 0xfffff, 0x7a, 0xc
        call_gate SEL_GATE, SEL_CODE0, gate_target, 0, 0xec
        call_gate SEL_GATE_PARAM, SEL_CODE0, gate_target_param, 2, 0xec
        call_gate SEL_GATE_DPL0, SEL_CODE0, gate_target, 0, 0x8c

        each_iopl
        .irp    ring, 0, 1, 2, 3
        /* conforming code runs with the caller's CPL */
        movl    $0, %eax
        try     \ring
        ljmp    $SEL_CONFORMING, $1f
1:      movl    %cs, %eax
        done
        expect_done
        expect  %eax, $(SEL_CONFORMING | \ring)

        try     \ring
        lcall   $SEL_CONFORMING, $far_leaf
        movl    %cs, %edx
        done
        expect_done
        expect  %eax, $(SEL_CONFORMING | \ring)
        expect  %edx, try_code+4*\ring

        /* through a call gate to ring 0 and back */
        movl    $0x1234, %ebx
        try     \ring, EFLAGS_CF
        movl    %esp, %edi
        lcall   $SEL_GATE, $0xdeadbeef
        subl    %esp, %edi
        movl    %cs, %edx
        movl    %ss, %esi
        done
        expect_done
        expect  %eax, $SEL_CODE0
        expect  %ecx, $SEL_DATA0
        expect  %edx, try_code+4*\ring
        expect  %esi, try_data+4*\ring
        expect  %edi, $0

        /* two parameters are copied to the inner stack, and RET takes them from both */
        try     \ring
        movl    %esp, %edi
        pushl   $0x11111111
        pushl   $0x22222222
        lcall   $SEL_GATE_PARAM, $0
        subl    %esp, %edi
        done
        expect_done
        expect  %eax, $0x22222222
        expect  %ecx, $0x11111111
        expect  %edi, $0

        /* targets that are refused */
        try     \ring
1:      ljmp    $0, $0
        done
        expect_fault VEC_GP, 0, 1b
        try     \ring
1:      lcall   $SEL_DATA3, $0
        done
        expect_fault VEC_GP, (SEL_DATA3&~3), 1b
        try     \ring
1:      ljmp    $(GDT_LAST + 8), $0
        done
        expect_fault VEC_GP, (GDT_LAST+8), 1b
        try     \ring
        pushl   $0
        pushl   $0
        movl    %esp, %ecx
1:      lret
        done
        expect_fault VEC_GP, 0, 1b
        expect  trap_esp, %ecx
        .endr
        end_each_iopl

        try     RING3
1:      ljmp    $(SEL_ABSENT | 3), $0
        done
        expect_fault VEC_NP, SEL_ABSENT, 1b
        .irp    ring, 1, 2, 3
        try     \ring                           /* inner code, directly */
1:      ljmp    $SEL_CODE0, $far_leaf
        done
        expect_fault VEC_GP, SEL_CODE0, 1b
        try     \ring
1:      lcall   $SEL_CODE0, $far_leaf
        done
        expect_fault VEC_GP, SEL_CODE0, 1b
        try     \ring
1:      lcall   $SEL_GATE_DPL0, $0
        done
        expect_fault VEC_GP, SEL_GATE_DPL0, 1b
        try     \ring                           /* JMP through a gate cannot change the ring */
1:      ljmp    $SEL_GATE, $0
        done
        expect_fault VEC_GP, SEL_CODE0, 1b
        try     \ring                           /* RET inward */
        pushl   $SEL_CODE0
        pushl   $far_leaf
1:      lret
        done
        expect_fault VEC_GP, SEL_CODE0, 1b
        .endr
        try     RING0                           /* outer code cannot be jumped to */
1:      ljmp    $SEL_CODE3, $0
        done
        expect_fault VEC_GP, (SEL_CODE3&~3), 1b

        /* RET to an outer ring with a parameter count; inner data segments become null */
        .irp    ring, 1, 2, 3
        try     RING0
        movl    %esp, %ebx
        pushl   try_data+4*\ring
        pushl   $user_stack_top - 16
        pushl   $0x55555555
        pushl   try_code+4*\ring
        pushl   $1f
        lret    $4
1:      movl    %esp, %eax
        movl    %cs, %ecx
        movl    %ss, %edx
        movl    %ds, %esi
        done
        expect_done
        expect  %eax, $(user_stack_top - 12)
        expect  %ecx, try_code+4*\ring
        expect  %edx, try_data+4*\ring
        expect  %esi, $0
        .endr

        /* a near operand of 16 bits: CALL rel16 and RET truncate EIP */
        try_v86 0
        lcallw  $(SEG16 + 1), $(OFF16(far_leaf16) - 16)
        movw    %cs, %dx
        ljmpw   $(SEG16 - 1), $(OFF16(1f) + 16)
1:      movw    %cs, %bx
        done_v86
        expect_done
        movzwl  %ax, %eax
        expect  %eax, $(SEG16 + 1)
        movzwl  %dx, %edx
        expect  %edx, $SEG16
        movzwl  %bx, %ebx
        expect  %ebx, $(SEG16 - 1)
        pass

far_leaf:
        movl    %cs, %eax
        lret
gate_target:
        movl    %cs, %eax
        movl    %ss, %ecx
        lret
gate_target_param: /* EIP, CS, parameters */
        movl    8(%esp), %eax
        movl    12(%esp), %ecx
        lret    $8
        .code16
far_leaf16:
        movw    %cs, %ax
        lretw
        .code32
