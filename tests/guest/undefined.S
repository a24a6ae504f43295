/* Opcodes in no table: what is #UD, what is too long, and the aliases that all processors execute.
 * SDM 2A 2.1.1 (LOCK), 2.3.11 (length), appendix A; SDM 3A 6.15, #UD and #GP. */
#include "guest.inc"
#define BUFFER FREE_PAGES

/* #UD at the instruction, in rings 0 and 3 and in virtual-8086 mode; nothing else changes. */
        .macro  undefined bytes:vararg
        .irp    ring, RING0, RING3
        try     \ring
        .byte   \bytes
        done
        expect_fault VEC_UD, 0, 771b
        .endr
        try_v86
        .byte   \bytes
        done_v86
        expect_fault VEC_UD, 0, 771b
        .endm

/* Runs to its end in both rings. */
        .macro  defined bytes:vararg
        .irp    ring, RING0, RING3
        movl    $BUFFER, %esi
        try     \ring
        .byte   \bytes
        done
        expect_done
        .endr
        .endm

/* #GP(0) at the instruction. */
        .macro  too_long bytes:vararg
        .irp    ring, RING0, RING3
        try     \ring
        .byte   \bytes
        done
        expect_fault VEC_GP, 0, 771b
        .endr
        .endm

        paging_on

        undefined 0x0f, 0x0b                    /* UD2 */
        undefined 0x0f, 0xb9, 0xc0              /* UD1: with ModRM, not accessed */
        undefined 0x0f, 0xff, 0x00              /* UD0 */
        undefined 0x0f, 0x04
        undefined 0x0f, 0x0a
        undefined 0x0f, 0x0c
        undefined 0x0f, 0x0e                    /* 3DNow! */
        undefined 0x0f, 0x0f, 0xc0, 0x9e
        undefined 0x0f, 0x24, 0xc0              /* test registers of a 386 */
        undefined 0x0f, 0x26, 0xc0
        undefined 0x0f, 0x36
        undefined 0x0f, 0x39
        undefined 0x0f, 0x3b
        undefined 0x0f, 0x3f
        undefined 0x0f, 0xa6, 0xc0
        undefined 0x0f, 0xa7, 0xc0
        undefined 0xfe, 0xd0                    /* group 4 /2 */
        undefined 0xfe, 0x38                    /* /7 */
        undefined 0xff, 0xf8                    /* group 5 /7 */
        undefined 0xff, 0xd8                    /* far calls and jumps want memory */
        undefined 0xff, 0xe8
        undefined 0x8f, 0xc8                    /* group 1A /1 */
        undefined 0xc6, 0xc8, 0x00              /* group 11 /1 */
        undefined 0xc7, 0xc8, 0x00, 0x00, 0x00, 0x00
        undefined 0x0f, 0x00, 0xf0              /* group 6 /6 */
        undefined 0x0f, 0x01, 0xe8              /* group 7 /5 */
        undefined 0x0f, 0x01, 0xc0              /* SGDT and others want memory */
        undefined 0x0f, 0x01, 0xd8
        undefined 0x0f, 0xba, 0xc0, 0x01        /* group 8 /0 */
        undefined 0x0f, 0xba, 0xd8, 0x01        /* /3 */
        undefined 0x0f, 0xc7, 0xc8              /* CMPXCHG8B wants memory */
        undefined 0x0f, 0xc7, 0x00              /* group 9 /0 */
        undefined 0x0f, 0x71, 0xc0, 0x01        /* group 12 /0 */
        undefined 0x0f, 0x71, 0x10, 0x01        /* wants registers */
        undefined 0x0f, 0xae, 0xd0              /* LDMXCSR wants memory */
        undefined 0x8d, 0xc0                    /* LEA */
        undefined 0xc4, 0xc0                    /* LES.  In protected mode VEX, incomplete */
        undefined 0xc5, 0xc0                    /* LDS */
        undefined 0x0f, 0xb2, 0xc0              /* LSS */
        undefined 0x62, 0xc0                    /* BOUND */
        undefined 0x8e, 0xc8                    /* MOV CS */
        undefined 0x8e, 0xf0                    /* segment registers 6 and 7 */
        undefined 0x8e, 0x38
        undefined 0x8c, 0xf8
        undefined 0x0f, 0x20, 0xc8              /* CR1 */
        undefined 0x0f, 0x20, 0xe8              /* CR5 */
        undefined 0x0f, 0x22, 0xf8              /* CR7 */
        undefined 0xd9, 0xd1                    /* FNOP is D9 D0 only */
        undefined 0xd9, 0xe2
        undefined 0xd9, 0xef
        undefined 0xda, 0xf8
        undefined 0xdb, 0xe5
        undefined 0xdd, 0xf0
        undefined 0xde, 0xd8
        undefined 0xdf, 0xe1
        undefined 0xf3, 0x0f, 0x6b, 0xc0        /* PACKSSDW takes neither F3 nor F2 */
        undefined 0xf2, 0x0f, 0xae, 0x10

        /* LOCK wants a memory destination and one of the instructions it is for */
        undefined 0xf0, 0x01, 0xc0              /* add %eax, %eax */
        undefined 0xf0, 0x87, 0xc0              /* xchg */
        undefined 0xf0, 0x40                    /* inc %eax */
        undefined 0xf0, 0x90
        undefined 0xf0, 0x03, 0x06              /* add (%esi), %eax */
        undefined 0xf0, 0x89, 0x06              /* mov */
        undefined 0xf0, 0x39, 0x06              /* cmp */
        undefined 0xf0, 0x80, 0x3e, 0x00        /* cmpb $0, (%esi) */
        undefined 0xf0, 0x85, 0x06              /* test */
        undefined 0xf0, 0xd1, 0x26              /* shl */
        undefined 0xf0, 0x0f, 0xa3, 0x06        /* bt */
        undefined 0xf0, 0x0f, 0xba, 0x26, 0x01
        undefined 0xf0, 0x0f, 0xc8              /* bswap */
        undefined 0xf0, 0xf7, 0x26              /* mul */
        undefined 0xf0, 0xff, 0x36              /* push */
        undefined 0xf0, 0xa5                    /* movs */
        undefined 0xf0, 0xf3, 0xa4
        undefined 0xf0, 0xeb, 0x00
        undefined 0xf0, 0xcd, 0x40
        undefined 0xf0, 0x0f, 0x6f, 0x06
        undefined 0xf0, 0xfa                    /* before #GP of CLI, HLT, IN */
        undefined 0xf0, 0xf4
        undefined 0xf0, 0xec
        undefined 0xf0, 0x0f, 0x20, 0xc0
        undefined 0xf0, 0xdd, 0x06
        defined 0xf0, 0x01, 0x06
        defined 0xf0, 0x80, 0x36, 0x01
        defined 0xf0, 0x82, 0x36, 0x01
        defined 0xf0, 0xff, 0x06
        defined 0xf0, 0xf7, 0x16
        defined 0xf0, 0xf6, 0x1e
        defined 0xf0, 0x86, 0x06
        defined 0xf0, 0x0f, 0xab, 0x06
        defined 0xf0, 0x0f, 0xba, 0x2e, 0x03
        defined 0xf0, 0x0f, 0xb1, 0x06
        defined 0xf0, 0x0f, 0xc0, 0x06
        defined 0xf0, 0x0f, 0xc7, 0x0e

        /* fifteen bytes are an instruction, sixteen are not, whatever it would be */
        defined 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
        too_long 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
        defined 0x3e, 0x3e, 0x3e, 0x3e, 0x81, 0x84, 0x26, 0, 0, 0, 0, 0x44, 0x33, 0x22, 0x11
        too_long 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x81, 0x84, 0x26, 0, 0, 0, 0, 0x44, 0x33, 0x22, 0x11
        too_long 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0x0f, 0x0b /* before #UD */
        too_long 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0xf4

        /* a page fault only for bytes that are needed to know: UD2 ends the page, UD1's ModRM is in the next */
        movl    $0, PTE(BUFFER + 0x1000)
        invlpg  BUFFER + 0x1000
        movw    $0x0b0f, BUFFER + 0xffe
        movl    $(BUFFER+0xffe), %eax
        try     RING3
        jmp     *%eax
        done
        expect_fault VEC_UD, 0, (BUFFER+0xffe)
        movw    $0xb90f, BUFFER + 0xffe
        try     RING3
        jmp     *%eax
        done
        expect_fault VEC_PF, 4, (BUFFER+0xffe)
        expect  trap_cr2, $(BUFFER+0x1000)
        /* sixteen bytes, of which the last is not there: too long all the same */
        movl    $(BUFFER+0xff1), %edi
        movl    $15, %ecx
        movb    $0x66, %al
        rep stosb
        movl    $(BUFFER+0xff1), %eax
        try     RING3
        jmp     *%eax
        done
        expect_fault VEC_GP, 0, (BUFFER+0xff1)
        /* fifteen, of which the last is not there */
        movb    $0x90, BUFFER + 0xff1
        incl    %eax
        try     RING3
        jmp     *%eax
        done
        expect_fault VEC_PF, 4, (BUFFER+0xff2)

        /* 82h is 80h */
        movl    $0x11223344, %ebx
        try     RING3
        .byte   0x82, 0xc3, 0xc0                /* add $0xc0, %bl */
        pushfl
        popl    %edx
        done
        expect_done
        expect  %ebx, $0x11223304
        expect_bits %edx, EFLAGS_CF, EFLAGS_CF
        .byte   0x82, 0xfb, 0x04                /* cmp $4, %bl */
        jne     1f
        /* D6h: AL = CF ? FFh : 0, flags stay */
        movl    $0x11223344, %eax
        try     RING3, EFLAGS_CF | EFLAGS_ZF | EFLAGS_SF
        .byte   0xd6
        pushfl
        popl    %edx
        done
        expect_done
        expect  %eax, $0x112233ff
        expect_bits %edx, EFLAGS_CF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF, EFLAGS_CF | EFLAGS_ZF | EFLAGS_SF
        clc
        .byte   0xd6
        expect  %eax, $0x11223300
        /* shifts by /6 are SHL */
        movl    $0xc0000081, %eax
        .byte   0xd1, 0xf0
        jnc     1f
        expect  %eax, $0x80000102
        .byte   0xc0, 0xf0, 4                   /* AL */
        expect  %eax, $0x80000120
        movb    $3, %cl
        .byte   0xd3, 0xf0
        expect  %eax, $0x00000900
        movl    %eax, BUFFER
        .byte   0xc1, 0x35                      /* shll $4, BUFFER */
        .long   BUFFER
        .byte   4
        expect  BUFFER, $0x9000
        /* TEST /1 */
        movl    $0x80000001, %eax
        .byte   0xf7, 0xc8, 0x00, 0x00, 0x00, 0x80
        jns     1f
        .byte   0xf6, 0xc8, 0xfe
        jnz     1f
        expect  %eax, $0x80000001
        /* F1h: #DB behind it; the gate's DPL does not matter, nor does IOPL in virtual-8086 mode; DR6 stays */
        movl    %dr6, %ebx
        try     RING3
        .byte   0xf1
771:    nop
        done
        expect_fault VEC_DB, 0, 771b
        try_v86
        .byte   0xf1
771:    nop
        done_v86
        expect_fault VEC_DB, 0, 771b
        movl    %dr6, %eax
        expect  %eax, %ebx
        /* x87 aliases: FCOM2, FCOMP3, FXCH4, FCOMP5, FFREEP, FXCH7, FSTP8, FSTP1 */
        fninit
        fld1
        fldz
        .byte   0xdd, 0xc9                      /* fxch */
        .byte   0xdc, 0xd1                      /* fcom: 1 > 0 */
        fnstsw  %ax
        expect_bits %eax, 0x7d00, 0x3000        /* C3 C2 C0 = 0, two on the stack */
        .byte   0xdf, 0xc0                      /* ffreep */
        fnstsw  %ax
        expect_bits %eax, 0x3800, 0x3800
        .byte   0xde, 0xd0                      /* fcomp with itself: equal */
        fnstsw  %ax
        expect_bits %eax, 0x7d00, 0x4000
        pass
1:      fail
