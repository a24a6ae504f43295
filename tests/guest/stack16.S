/* A stack segment with B = 0: SP wraps at 64 KiB, the upper half of ESP stays; PUSHA, CALL, ENTER, LEAVE, IRET on it.
 * SDM 1 6.2.3, 3A 3.4.5; SDM 2A ENTER. */
#include "guest.inc"
#define SEL_STACK (SEL_FREE + 0)
#define BUF FREE_PAGES
        set_desc SEL_STACK, BUF, 0xffff, 0xf2, 0
        .macro  on16 esp, insn:vararg
        movl    $(SEL_STACK | 3), %edi
        movl    $\esp, %esi
        try     RING3
        movl    %edi, %ss
        movl    %esi, %esp
1:      \insn
        done
        .endm
        movl    $0x55667788, %eax
        on16    0x12340000, pushl %eax
        expect_done
        expect  trap_esp, $0x1234fffc
        expect  BUF + 0xfffc, $0x55667788
        on16    0x1234fffc, popl %ebx
        expect_done
        expect  trap_esp, $0x12340000
        expect  %ebx, $0x55667788
        on16    0x12340002, pushl %eax          /* half beyond the limit */
        expect_fault VEC_SS, 0, 1b
        expect  trap_esp, $0x12340002
        on16    0x12340003, pushw %ax
        expect_done
        expect  trap_esp, $0x12340001
        on16    0x12340001, pushl %eax
        expect  trap_vector, $VEC_SS
        expect  trap_esp, $0x12340001
        on16    0xabcd0010, pushal
        expect_done
        expect  trap_esp, $0xabcdfff0
        expect  (BUF + 0xfffc), $0xabcd0010     /* EAX, ECX, EDX, EBX, then ESP as it was */
        on16    0xabcd8000, call 772f
        expect_done
        expect  trap_esp, $0xabcd7ffc
        expect  (BUF + 0x7ffc), trap_end
        movl    $0x77778000, %ebp
        movl    $0x9999, BUF + 0x8000
        on16    0xabcd1000, leave               /* SP from BP, upper halves kept */
        expect_done
        expect  trap_esp, $0xabcd8004
        expect  %ebp, $0x9999
        movl    $0x66660100, %ebp
        on16    0x11112000, enter $0x10, $0     /* EBP = ESP: operand size, not stack size */
        expect_done
        expect  trap_esp, $0x11111fec
        expect  %ebp, $0x11111ffc
        expect  BUF + 0x1ffc, $0x66660100
        movl    $0x33334444, %eax
        on16    0x0000fffe, movl %eax, 2(%esp)  /* the address is 32 bits wide all the same: 10000h is beyond */
        expect_fault VEC_SS, 0, 1b
        on16    0x00000100, pushw $0x7777
        expect  trap_esp, $0xfe
        pass
