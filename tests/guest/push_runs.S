/* Runs of pushes and pops that stop in the middle: ESP, memory and EIP are those of the instruction that faulted.  Between them,
 * operands at ESP, ESP itself, calls and jumps.  SDM 3A 6.5 (faults are restartable), 2B PUSH, POP. */
#include "guest.inc"
#define LOW  (FREE_PAGES + 0x1000)     /* not present */
#define PAGE (FREE_PAGES + 0x2000)     /* a stack of one page */
#define HIGH (FREE_PAGES + 0x3000)     /* not present */
#define PF_W_U 6
#define PF_U 4

        .macro  stack_at esp
        movl    $(\esp), %esi
        try     RING3
        movl    %esi, %esp
        .endm

        paging_on
        movl    $0, PTE(LOW)
        movl    $0, PTE(HIGH)
        invlpg  LOW
        invlpg  HIGH
        movl    $40, %ebp
again:
        movl    $0x11111111, %eax
        movl    $0x22222222, %ebx

        /* the third push does not fit */
        stack_at PAGE+8
        pushl %eax
        pushl   $0x33333333
1:      pushl   %ebx
        pushl   %eax
        done
        expect_fault VEC_PF, PF_W_U, 1b
        expect  trap_cr2, $(PAGE - 4)
        expect  trap_esp, $PAGE
        expect  PAGE, $0x33333333
        expect  PAGE + 4, $0x11111111

        /* the third pop has nothing left; the second one is in its register */
        movl    $0x44444444, HIGH - 8
        movl    $0x55555555, HIGH - 4
        stack_at HIGH-8
        popl %ecx
        popl    %edx
1:      popl    %ebx
        popl    %eax
        done
        expect_fault VEC_PF, PF_U, 1b
        expect  trap_cr2, $HIGH
        expect  trap_esp, $HIGH
        expect  %ecx, $0x44444444
        expect  %edx, $0x55555555
        expect  %ebx, $0x22222222

        /* operands at ESP in the middle, one of which faults; a register that is ESP */
        stack_at PAGE+0x40
        pushl %eax
        pushl   %esp
        pushl   4(%esp)
        movl    8(%esp), %ecx
        addl    $1, (%esp)
        popl    %edx
        movl    %esp, %edi
        popl    %ebx
        pushl   (%esp)
1:      movl    0xfd0(%esp), %ecx
        done
        expect_fault VEC_PF, PF_U, 1b
        expect  trap_esp, $(PAGE + 0x38)
        expect  %ecx, $0x11111111
        expect  %edx, $0x11111112
        expect  %edi, $(PAGE + 0x38)
        expect  %ebx, $(PAGE + 0x3c)
        expect  PAGE + 0x38, $0x11111111
        movl    $0x22222222, %ebx

        /* a call, a comparison with its jump, and a return with pops before them */
        stack_at PAGE+0x80
        pushl %eax
        pushl   %ebx
        call    2f
        popl    %ecx
        cmpl    $0x22222222, %ecx
        jne     1f
        popl    %edx
        pushl   %ecx
        call    *3f
        movl    %esp, %edi
1:      ud2
2:      pushl   %eax
        cmpl    %eax, (%esp)
        popl    %edx
        jne     1b
        ret
3:      .long   4f
4:      pushl   %ebx
        popl    %ecx
        ret     $4
        done
        expect_fault VEC_UD, 0, 1b
        expect  %edi, $(PAGE + 0x80)
        expect  %edx, $0x11111111

        /* a divide error and a general protection fault in the middle */
        stack_at PAGE+0x80
        pushl %eax
        pushl   $0
1:      divl    (%esp)
        done
        expect_fault VEC_DE, 0, 1b
        expect  trap_esp, $(PAGE + 0x78)
        stack_at PAGE+0x80
        pushl %eax
        pushl   %ebx
        popl    %ecx
1:      cli
        done
        expect_fault VEC_GP, 0, 1b
        expect  trap_esp, $(PAGE + 0x7c)
        decl    %ebp
        jnz     again
        pass
