/* Calls, returns and indirect jumps of every shape: recursion deeper than any return predictor, returns that do not match
 * calls, switched stacks, computed jumps, RET n, LOOP and JECXZ by address size, 16-bit operand size.  SDM 1 6. */
#include "guest.inc"
#define STACK_B (FREE_PAGES + 0x80000)
        /* recursion, 30000 deep, twice */
        movl    %esp, %edi
        movl    $(FREE_PAGES + 0x7fffc), %esp
        .rept   2
        movl    $30000, %ecx
        movl    $0, %eax
        call    deep
        expect  %eax, $30000
        .endr
        movl    %edi, %esp
        /* two mutually recursive functions by pointer */
        movl    $1000, %ecx
        movl    $0, %eax
        movl    $ping, %ebx
        movl    $pong, %edx
        call    *%ebx
        expect  %eax, $1000

        /* a return to somewhere else than the call, many times */
        movl    $1000, %ecx
        movl    $0, %eax
1:      call    2f
        fail
2:      movl    $3f, (%esp)
        ret
3:      incl    %eax
        loop    1b
        expect  %eax, $1000
        /* call only to get EIP */
        movl    $1000, %ecx
1:      call    2f
2:      popl    %eax
        loop    1b
        expect  %eax, $2b
        /* push, ret */
        movl    $0, %eax
        .irp    target, 1, 2, 3
        pushl   $\target\()1f
        ret
        fail
\target\()1: incl %eax
        .endr
        expect  %eax, $3
        /* longjmp: stacks of frames dropped */
        movl    $500, %ecx
4:      movl    %esp, %esi
        call    drop1
        fail
5:      loop    4b
        /* two stacks, switching in functions: coroutines */
        movl    $(STACK_B - 4), other_esp
        movl    $coroutine, STACK_B - 4
        movl    $0, %ebx
        movl    $1000, %ecx
6:      call    yield
        loop    6b
        expect  %ebx, $1000
        /* RET n, CALL and JMP through memory and tables */
        pushl   $5
        pushl   $6
        call    add2
        expect  %eax, $11
        movl    $0, %eax
        movl    $3000, %ecx
7:      movl    %ecx, %edx
        andl    $3, %edx
        jmp     *table(, %edx, 4)
case0:  addl    $1, %eax
        jmp     8f
case1:  addl    $10, %eax
        jmp     8f
case2:  addl    $100, %eax
        jmp     8f
case3:  addl    $1000, %eax
8:      loop    7b
        expect  %eax, $(750 * 1111)
        call    *pointer
        expect  %eax, $0x7e57
        movl    %esp, %ebx
        pushl   $leaf
        call    *(%esp)
        addl    $4, %esp
        movl    %esp, %edx
        expect  %edx, %ebx
        movl    $0x1234, %eax
        pushl   $leaf
        call    *(%esp)                         /* address read before the push */
        popl    %edx
        expect  %eax, $0x7e57
        /* LOOP with ECX = 0 is 2^32, so only the 16-bit form; LOOPE, LOOPNE; flags untouched */
        movl    $0x10000, %ecx
        movl    $0, %eax
1:      incl    %eax
        addr16 loop 1b
        expect  %eax, $0x10000
        expect  %ecx, $0x10000
        movl    $10, %ecx
        movl    $0, %eax
1:      incl    %eax
        cmpl    $4, %eax
        loopne  1b
        expect  %ecx, $6
        stc
        movl    $5, %ecx
1:      loop    1b
        jc      2f
        fail
2:      addr16 jecxz 2f
        fail
2:      movl    $0x10000, %ecx
        jcxz    2f
        fail
2:      jecxz   3f
        jmp     4f
3:      fail
4:      /* 16-bit operand size: EIP cut to 16 bits; leads to #PF or #GP elsewhere, here to a stub below 64 KiB */
        movl    $0x90cd9090, 0x5000
        movw    $0x40cd, 0x5002                 /* int $VEC_USER */
        try     RING3
        pushw   $0x5000
        retw
        done
        expect  trap_vector, $VEC_USER
        expect  trap_eip, $0x5004
        movl    $0xabcd5000, %edx
        try     RING3
        jmp     *%dx
        done
        expect  trap_vector, $VEC_USER
        expect  trap_eip, $0x5004
        try     RING3
        movl    %esp, %ecx
        callw   *%dx
        done
        expect  trap_vector, $VEC_USER
        subl    trap_esp, %ecx
        expect  %ecx, $2
        pass

deep:   decl    %ecx
        jz      1f
        call    deep
1:      incl    %eax
        ret
ping:   incl    %eax
        decl    %ecx
        jz      1f
        call    *%edx
1:      ret
pong:   incl    %eax
        decl    %ecx
        jz      1f
        call    *%ebx
1:      ret
drop1:  call    drop2
        fail
drop2:  call    drop3
        fail
drop3:  movl    %esi, %esp
        jmp     5b
yield:  movl    %esp, %eax
        movl    other_esp, %esp
        movl    %eax, other_esp
        ret
coroutine:
        incl    %ebx
        call    yield
        jmp     coroutine
add2:   movl    4(%esp), %eax
        addl    8(%esp), %eax
        ret     $8
leaf:   movl    $0x7e57, %eax
        ret
        .text   1
        .balign 4
table:  .long   case0, case1, case2, case3
pointer: .long  leaf
other_esp: .long 0
