/* Segment limits: byte and page granularity, 16- and 32-bit, expand-down, CS and SS, unusable types.  SDM 3A 5.3, 5.6. */
#include "guest.inc"
#define SEL_A (SEL_FREE + 0)
#define SEL_B (SEL_FREE + 8)
#define BUF FREE_PAGES
        .macro  with sel, insn:vararg           /* FS = \sel */
        movl    $\sel, %edi
        try     RING0
        movl    %edi, %fs
1:      \insn
        done
        .endm

        set_desc SEL_A, BUF, 0x0fff, 0x92, 4
        movl    $0x44332211, BUF + 0xffc
        with    SEL_A, movl %fs:0xffc, %eax
        expect_done
        expect  %eax, $0x44332211
        with    SEL_A, movb %fs:0xfff, %al
        expect_done
        with    SEL_A, movl %fs:0xffd, %eax
        expect_fault VEC_GP, 0, 1b
        with    SEL_A, movw %ax, %fs:0xfff
        expect_fault VEC_GP, 0, 1b
        with    SEL_A, movb %fs:0x1000, %al
        expect_fault VEC_GP, 0, 1b
        with    SEL_A, movl %fs:0xfffffffe, %eax
        expect_fault VEC_GP, 0, 1b
        movl    $0xffffffff, %ebx
        with    SEL_A, movb %fs:1(%ebx), %al    /* wraps to 0 */
        expect_done
        with    SEL_A, movb %fs:(%ebx), %al
        expect_fault VEC_GP, 0, 1b
        fninit
        with    SEL_A, fldt %fs:0xff6
        expect_done
        with    SEL_A, fldt %fs:0xff7
        expect_fault VEC_GP, 0, 1b
        with    SEL_A, cmpxchg8b %fs:0xff9
        expect_fault VEC_GP, 0, 1b
        with    SEL_A, btl %ebx, %fs:0          /* bit -1 */
        expect_fault VEC_GP, 0, 1b
        expect  BUF + 0xffc, $0x44332211

        /* page granularity */
        set_desc SEL_A, BUF, 1, 0x92, 0xc
        with    SEL_A, movl %fs:0x1ffc, %eax
        expect_done
        with    SEL_A, movl %fs:0x1ffd, %eax
        expect_fault VEC_GP, 0, 1b

        /* expand-down: above the limit, up to FFFFh or FFFFFFFFh */
        set_desc SEL_A, BUF, 0x0fff, 0x96, 0
        with    SEL_A, movb %fs:0xfff, %al
        expect_fault VEC_GP, 0, 1b
        with    SEL_A, movl %fs:0x1000, %eax
        expect_done
        with    SEL_A, movl %fs:0xfffc, %eax
        expect_done
        with    SEL_A, movl %fs:0xfffd, %eax
        expect_fault VEC_GP, 0, 1b
        with    SEL_A, movb %fs:0x10000, %al
        expect_fault VEC_GP, 0, 1b
        set_desc SEL_A, BUF, 0x0fff, 0x96, 4
        with    SEL_A, movb %fs:0x10000, %al
        expect_done
        with    SEL_A, movb %fs:0, %al
        expect_fault VEC_GP, 0, 1b
        set_desc SEL_A, BUF, 0xfffff, 0x96, 0xc /* nothing left */
        with    SEL_A, movb %fs:0xffffffff, %al
        expect_fault VEC_GP, 0, 1b

        /* read-only data, code as data */
        set_desc SEL_A, 0, 0xfffff, 0x90, 0xc
        with    SEL_A, movl %fs:BUF, %eax
        expect_done
        with    SEL_A, movl %eax, %fs:BUF
        expect_fault VEC_GP, 0, 1b
        with    SEL_A, incl %fs:BUF
        expect_fault VEC_GP, 0, 1b
        with    SEL_CODE0, movl %fs:BUF, %eax
        expect_done
        with    SEL_CODE0, movl %eax, %fs:BUF
        expect_fault VEC_GP, 0, 1b
        try     RING0
1:      movl    %eax, %cs:BUF
        done
        expect_fault VEC_GP, 0, 1b
        set_desc SEL_B, 0, 0xfffff, 0x98, 0xc   /* execute only */
        try     RING0
        ljmp    $SEL_B, $1f
1:      movl    %cs:BUF, %eax
        done
        expect_fault VEC_GP, 0, 1b

        /* stack: #SS.  A base that is not 0, a small limit */
        movl    $0, BUF + 0xffc
        set_desc SEL_A, BUF, 0x0fff, 0x92, 4
        movl    $SEL_A, %edi
        movl    $0x1000, %esi
        set_desc SEL_A, BUF, 0x0fff, 0xf2, 4
        movl    $(SEL_A | 3), %edi
        try     RING3
        movl    %edi, %ss
        movl    %esi, %esp
        pushl   $0x12344321
        movl    (%esp), %eax
        movl    0x800(%esp), %ebx
        done
        expect  trap_vector, $VEC_SS
        expect  %eax, $0x12344321
        expect  BUF + 0xffc, $0x12344321
        try     RING3
        movl    %edi, %ss
        movl    %esi, %esp
1:      popl    %eax
        done
        expect_fault VEC_SS, 0, 1b
        expect  trap_esp, $0x1000
        movl    $2, %esi
        try     RING3
        movl    %edi, %ss
        movl    %esi, %esp
1:      pushl   %eax
        done
        expect_fault VEC_SS, 0, 1b
        expect  trap_esp, $2
        try     RING3                           /* an override makes it #SS or not: EBP means SS, DS: does not */
        movl    %edi, %ss
        movl    $0x2000, %ebp
1:      movl    (%ebp), %eax
        done
        expect_fault VEC_SS, 0, 1b
        try     RING3
        movl    %edi, %ss
        movl    $0x2000, %ebp
        movl    %ds:(%ebp), %eax
        done
        expect_done

        /* code: running over the limit, and jumping there */
        movl    $0x90909090, BUF + 0xffc
        set_desc SEL_B, BUF, 0xfff, 0xfa, 4
        try     RING3
        ljmp    $(SEL_B | 3), $0xffc
        done
        expect  trap_vector, $VEC_GP
        expect  trap_eip, $0x1000
        movl    $0x12b89090, BUF + 0xffc        /* mov $..., %eax cut off by the limit */
        try     RING3
        ljmp    $(SEL_B | 3), $0xffc
        done
        expect  trap_vector, $VEC_GP
        expect  trap_eip, $0xffe
        try     RING3
1:      ljmp    $(SEL_B | 3), $0x1000
        done
        expect_fault VEC_GP, 0, 1b
        /* code with a base that works: jump, call, return within it */
        movb    $0xe8, BUF                      /* call 10h; jmp *%edx far back by int */
        movl    $0x0b, BUF + 1
        movw    $0x40cd, BUF + 5                /* int $VEC_USER */
        movb    $0xb8, BUF + 0x10
        movl    $0x99, BUF + 0x11
        movb    $0xc3, BUF + 0x15
        try     RING3
        ljmp    $(SEL_B | 3), $0
        done
        expect  trap_vector, $VEC_USER
        expect  trap_eip, $7
        expect  %eax, $0x99

        /* over offset FFFFFFFFh of a segment without a limit: on at 0 where the base is not 0, else a fault; SDM 3A 5.3 leaves it open */
        .irp    ring, 0, 3
        set_desc SEL_A, BUF + 0x100, 0xfffff, 0xf2, 0xc
        movl    $0x44332211, BUF + 0xfe
        movl    $0xfffffffe, %ebx
        movl    $(SEL_A | \ring), %edi
        try     \ring
        movl    %edi, %fs
        movl    %fs:(%ebx), %eax
        movl    $0x88776655, %fs:1(%ebx)
        movl    %ebx, %esi
        pushl   %es
        pushl   %fs
        popl    %es
        movl    %ebx, %edi
        movl    $2, %ecx
        xchgl   %eax, %edx
        movl    $0x01020304, %eax
        movl    %es:(%edi), %ebp
        std
        scasl
        cld
        popl    %es
        done
        expect_done
        expect  %edx, $0x44332211
        expect  %ebp, $0x77665511
        expect  %edi, $0xfffffffa
        expect  BUF + 0xfe, $0x77665511
        try     \ring
1:      movl    (%ebx), %eax
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        try     RING3
        movl    $2, %esp
1:      pushl   %eax
        done
        expect_fault VEC_SS, 0, 1b
        movl    $(SEL_A | 3), %edi              /* a stack there */
        try     RING3
        movl    %edi, %ss
        movl    $2, %esp
        pushl   $0x12345678
        popl    %eax
        done
        expect_done
        expect  %eax, $0x12345678
        expect  BUF + 0xfe, $0x12345678
        pass
