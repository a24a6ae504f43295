/* SYSENTER and SYSEXIT: flat segments whatever the descriptors say, IF and VM cleared, #GP without a selector and outside
 * ring 0.  SDM 2B, SYSENTER, SYSEXIT. */
#include "guest.inc"
#define MSR_SYSENTER_CS 0x174
#define SEL_BASE SEL_FREE
        .macro  msr number, value
        movl    $\number, %ecx
        movl    $\value, %eax
        movl    $0, %edx
        wrmsr
        .endm
        /* kernel code, kernel data, user code, user data in a row */
        set_desc SEL_BASE, 0, 0xfffff, 0x9b, 0xc
        set_desc (SEL_BASE + 8), 0, 0xfffff, 0x93, 0xc
        set_desc (SEL_BASE + 16), 0, 0xfffff, 0xfb, 0xc
        set_desc (SEL_BASE + 24), 0, 0xfffff, 0xf3, 0xc
        msr     MSR_SYSENTER_CS, 0
        try     RING3
1:      sysenter
        done
        expect_fault VEC_GP, 0, 1b
        msr     MSR_SYSENTER_CS, SEL_BASE
        msr     0x175, trap_stack_top
        msr     0x176, entry
        rdmsr
        expect  %eax, $entry
        movl    $100, %esi
2:      try     RING3, EFLAGS_IF | EFLAGS_CF
        movl    %esp, %ecx
        movl    $3f, %edx
        sysenter
        nop
3:      movl    %cs, %edi
        movl    %ss, %ebp
        done
        expect_done
        expect  %eax, $SEL_BASE
        expect  %ebx, $(SEL_BASE + 8)
        expect  %edi, $(SEL_BASE + 16 + 3)
        expect  %ebp, $(SEL_BASE + 24 + 3)
        expect  trap_esp, $user_stack_top
        expect_bits seen_flags, EFLAGS_IF | EFLAGS_CF, EFLAGS_CF
        decl    %esi
        jnz     2b
        .irp    ring, 1, 2, 3
        try     \ring
1:      sysexit
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        pass
entry:  pushfl
        popl    %ss:seen_flags
        movl    %cs, %eax
        movl    %ss, %ebx
        sysexit
        .text   1
        .balign 4
seen_flags: .long 0
