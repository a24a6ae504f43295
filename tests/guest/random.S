/* RDRAND and RDSEED: CF says whether there is a number, the other status flags are clear, 16-bit forms keep the upper half.
 * SDM 2B. */
#include "guest.inc"
        .macro  check_random insn
        movl    $16, %ecx
        xorl    %ebx, %ebx                      /* bits that were ever set */
        movl    $-1, %edx                       /* and always */
1:      try     RING3, EFLAGS_OF | EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF
        \insn   %eax
        pushfl
        popl    %edi
        done
        expect_done
        expect_bits %edi, EFLAGS_OF | EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF, 0
        testl   $EFLAGS_CF, %edi
        jz      2f                              /* none now */
        orl     %eax, %ebx
        andl    %eax, %edx
        loop    1b
        cmpl    $16, %ecx
        je      2f
        cmpl    %ebx, %edx                      /* equal: the same number all the time */
        jne     2f
        fail
2:      movl    $0x12345678, %eax
        \insn   %ax
        shrl    $16, %eax
        expect  %eax, $0x1234
        movl    %esp, %ebp
        \insn   %esp                            /* a register like others */
        movl    %ebp, %esp
        .endm

        movl    $1, %eax
        cpuid
        testl   $1 << 30, %ecx
        jz      1f
        check_random rdrand
1:      xorl    %eax, %eax
        cpuid
        cmpl    $7, %eax
        jb      1f
        movl    $7, %eax
        xorl    %ecx, %ecx
        cpuid
        testl   $1 << 18, %ebx
        jz      1f
        check_random rdseed
1:      pass
