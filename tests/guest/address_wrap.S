/* Sums of base and displacement that wrap at 4 GiB, up and down, in segments without a limit; again and again, as what is rare and what is
 * frequent goes different ways.  SDM 1 3.3.7: effective addresses are 32 bits. */
#include "guest.inc"
#define WORD   0x600            /* in RAM, free */
#define VALUE  0x12345678
#define TOP    0xfffffffc       /* the last dword: firmware */

        movl    TOP, %esi
        movl    $200, %ecx
1:      movl    $VALUE, WORD
        movl    $-4, %eax
        movl    WORD + 4(%eax), %edx                    /* over the top */
        expect  %edx, $VALUE
        addl    $1, WORD + 4(%eax)
        expect  WORD, $(VALUE + 1)
        movl    $(0x80000000 + WORD + 1), %eax
        expect  0x7fffffff(%eax), $(VALUE + 1)
        xorl    %ebx, %ebx
        movl    -4(%ebx), %edx                          /* below 0 */
        expect  %edx, %esi
        movl    $0x10000, %ebx
        movl    -0x10004(%ebx), %edx
        expect  %edx, %esi
        movl    $0x80000000, %eax
        subl    $1, -0x80000000 + WORD(%eax)            /* a displacement as large as they are */
        expect  WORD, $VALUE
        xorl    %ebx, %ebx
        leal    -4(%ebx), %edx
        expect  (%edx), %esi                            /* a base without a displacement */
        movl    $0x40000000, %eax
        movl    WORD(,%eax,4), %edx                     /* an index that wraps */
        expect  %edx, $VALUE
        movl    %esp, %ebp
        movl    $-WORD, %esp
        movl    2 * WORD(%esp), %edx
        movl    %ebp, %esp
        expect  %edx, $VALUE
        movl    $TOP, %esp                              /* POP at the top, and what follows at 0 */
        popl    %edx
        movl    %esp, %ebx
        movl    %ebp, %esp
        expect  %edx, %esi
        expect  %ebx, $0
        decl    %ecx
        jnz     1b
        pass
