/* Calls of very many functions through a register, more than a small jump table holds, so that it grows while they run; then one of
 * them changes. */
#include "guest.inc"
#define COUNT 6000
#define STEP 16 /* bytes of a function */
#define FUNCTIONS FREE_PAGES
#define SUM (COUNT * (COUNT - 1) / 2)

        .macro  sum stride
        xorl    %eax, %eax
        xorl    %ecx, %ecx
        movl    $COUNT, %ebp
1:      movl    %ecx, %edx
        shll    $4, %edx
        addl    $FUNCTIONS, %edx
        call    *%edx
        addl    $\stride, %ecx
        cmpl    $COUNT, %ecx
        jb      2f
        subl    $COUNT, %ecx
2:      decl    %ebp
        jnz     1b
        .endm

        xorl    %ecx, %ecx
        movl    $FUNCTIONS, %edi
4:      movw    $0x808d, (%edi)         /* leal n(%eax), %eax */
        movl    %ecx, 2(%edi)
        movb    $0xc3, 6(%edi)          /* ret */
        addl    $STEP, %edi
        incl    %ecx
        cmpl    $COUNT, %ecx
        jb      4b
        movl    $3, %ebx
3:      sum     1
        expect  %eax, $SUM
        sum     4097                    /* no factor of COUNT: it comes to all of them */
        expect  %eax, $SUM
        decl    %ebx
        jnz     3b
        addl    $1000, FUNCTIONS + 77 * STEP + 2        /* the displacement of its LEA */
        sum     1
        expect  %eax, $(SUM + 1000)
        paging_on
        sum     4097
        expect  %eax, $(SUM + 1000)
        pass
