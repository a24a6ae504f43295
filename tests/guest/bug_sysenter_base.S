/* SYSENTER and SYSEXIT make SS flat, for string instructions with another kind of ES too: their pointers were made with SS's new base, and
 * registers of them with the old one. */
#include "guest.inc"
#define SEL_BASE SEL_FREE
#define SEL_SS0 (SEL_FREE + 32)
#define SEL_SS3 (SEL_FREE + 40)
#define SEL_ES (SEL_FREE + 48)
#define BUF FREE_PAGES
        .macro  msr number, value
        movl    $\number, %ecx
        movl    $\value, %eax
        movl    $0, %edx
        wrmsr
        .endm
        set_desc SEL_BASE, 0, 0xfffff, 0x9b, 0xc
        set_desc (SEL_BASE + 8), 0, 0xfffff, 0x93, 0xc
        set_desc (SEL_BASE + 16), 0, 0xfffff, 0xfb, 0xc
        set_desc (SEL_BASE + 24), 0, 0xfffff, 0xf3, 0xc
        set_desc SEL_SS0, 0x1000, 0xfffff, 0x93, 0xc
        set_desc SEL_SS3, 0x2000, 0xfffff, 0xf3, 0xc
        set_desc SEL_ES, BUF, 0xfff0, 0xf3, 4
        msr     0x174, SEL_BASE
        msr     0x175, trap_stack_top
        msr     0x176, entry
        movb    $0x77, BUF
        movl    $20, rounds
1:      try     RING3
        movl    $(SEL_ES | 3), %eax
        movl    %eax, %es
        movl    $(SEL_SS3 | 3), %eax
        movl    %eax, %ss
        sysenter
2:      movl    $BUF, %esi
        xorl    %edi, %edi
        cmpsb   %es:(%edi), %ss:(%esi)
        movl    %esi, %ebp
        sete    %al
        done
        expect_done
        expect  %ebx, $(BUF + 1)
        expect  %ebp, $(BUF + 1)
        expect_bits %eax, 0xff, 1
        decl    rounds
        jnz     1b
        pass
entry:  movl    $BUF, %esi
        xorl    %edi, %edi
        cmpsb   %es:(%edi), %ss:(%esi)
        movl    %esi, %ebx
        movl    $SEL_SS0, %eax
        movl    %eax, %ss
        movl    $2b, %edx
        movl    $user_stack_top, %ecx
        sysexit
        .balign 4
rounds: .long   0
