/* What CPUID shows executes, and nothing else: an instruction, control bit or MSR of each feature.  Run with many --cpu.
 * SDM 2A, CPUID; 3A 2.5. */
#include "guest.inc"
#define BUFFER FREE_PAGES
#define EFLAGS_ID 0x200000
#define CR4_VME 0x1
#define CR4_PAE 0x20
#define CR4_MCE 0x40
#define CR4_OSXSAVE 0x40000

        .set    ALWAYS, 0                       /* words of features, at "words" */
        .set    LEAF_1_ECX, 1
        .set    LEAF_1_EDX, 2
        .set    LEAF_7_EBX, 3
        .set    LEAF_D_EAX, 4                   /* subleaf 1 */
        .set    LEAF_8_ECX, 5
        .set    LEAF_8_EDX, 6
        .set    FAMILY, 7                       /* bit n: family n or later */

/* \insn runs, or ends with anything but #UD, if the bit is set; else #UD. */
        .macro  insn word, bit, insn:vararg
        movl    $BUFFER, %esi
        xorl    %eax, %eax
        movl    %eax, %edx
        movl    %eax, %ecx
        try     RING0
        \insn
        done
        movl    $(1 << \bit), %ebx
        movl    $\word, %ebp
        movl    $771b, %edi
        call    check_insn
        .endm

/* The bit of CR4 can be set, or is reserved. */
        .macro  cr4_bit word, bit, value
        movl    $\value, %ecx
        movl    $(1 << \bit), %ebx
        andl    words + 4 * \word, %ebx
        call    check_cr4
        .endm

/* RDMSR: #GP without the feature, and where there are no MSRs #UD. */
        .macro  msr word, bit, number
        movl    $\number, %ecx
        movl    $(1 << \bit), %ebx
        andl    words + 4 * \word, %ebx
        call    check_msr
        .endm

        .macro  cpuid_word leaf, subleaf, reg, word
        movl    $\leaf, %eax
        movl    $\subleaf, %ecx
        call    leaf_or_zero
        movl    %\reg, words + 4 * \word
        .endm

        jmp     start

/* EAX, ECX: leaf; zeros if the processor has no such leaf. */
leaf_or_zero:
        pushl   %eax
        pushl   %ecx
        andl    $0x80000000, %eax
        cpuid
        popl    %ecx
        popl    %edx
        xchgl   %eax, %edx                      /* EAX: leaf, EDX: the highest; without extended ones: less than 80000000h */
        cmpl    %edx, %eax
        ja      1f
        cpuid
        ret
1:      xorl    %eax, %eax
        movl    %eax, %ebx
        movl    %eax, %ecx
        movl    %eax, %edx
        ret

/* EBX: mask, EBP: word, EDI: where the snippet starts. */
check_insn:
        pushfl
        testl   words(, %ebp, 4), %ebx
        jz      1f
        cmpl    $VEC_UD, trap_vector
        jne     2f
        expect  trap_eip, trap_end
2:      popfl
        ret
1:      expect  trap_vector, $VEC_UD
        expect  trap_eip, %edi
        popfl
        ret

check_cr4:
        testl   $(1 << 5), words + 4 * LEAF_1_EDX /* MSRs: a Pentium */
        jnz     1f
        testl   $2, words + 4 * LEAF_1_EDX      /* a 486 has CR4 for VME only */
        jnz     1f
        try     RING0
        movl    %cr4, %eax
        done
        expect  trap_vector, $VEC_UD
        expect  trap_eip, $771b
        ret
1:      movl    %cr4, %edx
        orl     %edx, %ecx
        try     RING0
        movl    %ecx, %cr4
        done
        testl   %ebx, %ebx
        jz      2f
        expect_done
        movl    %cr4, %eax
        expect  %eax, %ecx
        movl    %edx, %cr4
        ret
2:      expect_fault VEC_GP, 0
        movl    %cr4, %eax
        expect  %eax, %edx
        ret

check_msr:
        try     RING0
        rdmsr
        done
        testl   $(1 << 5), words + 4 * LEAF_1_EDX
        jnz     1f
        expect  trap_vector, $VEC_UD
        expect  trap_eip, $771b
        ret
1:      testl   %ebx, %ebx
        jz      2f
        expect_done
        ret
2:      expect_fault VEC_GP, 0
        ret

start:
        movl    $-1, words + 4 * ALWAYS
        movl    $(1 << 4), words + 4 * FAMILY
        pushfl
        xorl    $EFLAGS_ID, (%esp)
        movl    (%esp), %eax
        popfl
        pushfl
        xorl    %eax, (%esp)
        testl   $EFLAGS_ID, (%esp)
        popl    %eax
        jz      1f
        insn    FAMILY, 31, cpuid
        jmp     features_known
1:      cpuid_word 1, 0, ecx, LEAF_1_ECX
        cpuid_word 1, 0, edx, LEAF_1_EDX
        cpuid_word 7, 0, ebx, LEAF_7_EBX
        cpuid_word 0xd, 1, eax, LEAF_D_EAX
        cpuid_word 0x80000001, 0, ecx, LEAF_8_ECX
        cpuid_word 0x80000001, 0, edx, LEAF_8_EDX
        movl    $1, %eax
        cpuid
        movl    %eax, %ecx
        shrl    $8, %ecx
        andl    $15, %ecx
        movl    $1, %eax
        shll    %cl, %eax
        leal    -1(%eax, %eax), %eax
        movl    %eax, words + 4 * FAMILY

features_known:
        /* control bits, from a CR4 of zero */
        cr4_bit LEAF_1_EDX, 1, CR4_VME
        cr4_bit LEAF_1_EDX, 2, CR4_DE
        cr4_bit LEAF_1_EDX, 3, CR4_PSE
        cr4_bit LEAF_1_EDX, 4, 0x4              /* TSD */
        cr4_bit LEAF_1_EDX, 6, CR4_PAE
        cr4_bit LEAF_1_EDX, 7, CR4_MCE
        cr4_bit LEAF_1_EDX, 13, CR4_PGE
        cr4_bit LEAF_1_EDX, 24, CR4_OSFXSR
        cr4_bit LEAF_1_EDX, 25, CR4_OSXMMEXCPT
        cr4_bit LEAF_1_ECX, 26, CR4_OSXSAVE
        cr4_bit FAMILY, 31, 0x800               /* UMIP */
        cr4_bit FAMILY, 31, 0x2000              /* VMXE */

        /* let all instructions run that can */
        testl   $(1 << 24), words + 4 * LEAF_1_EDX
        jz      1f
        movl    %cr4, %eax
        orl     $(CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
        testl   $(1 << 25), words + 4 * LEAF_1_EDX
        jnz     2f
        andl    $~CR4_OSXMMEXCPT, %eax
2:      movl    %eax, %cr4
        testl   $(1 << 26), words + 4 * LEAF_1_ECX
        jz      1f
        orl     $CR4_OSXSAVE, %eax
        movl    %eax, %cr4
        movl    $7, %eax
        testl   $(1 << 28), words + 4 * LEAF_1_ECX
        jnz     2f
        movl    $3, %eax
2:      xorl    %edx, %edx
        movl    %edx, %ecx
        xsetbv
1:
        insn    ALWAYS, 0, bswapl %eax
        insn    ALWAYS, 0, cmpxchgl %ecx, (%esi)
        insn    ALWAYS, 0, xaddl %ecx, (%esi)
        insn    ALWAYS, 0, invlpg (%esi)
        insn    ALWAYS, 0, wbinvd
        insn    ALWAYS, 0, fninit
        insn    ALWAYS, 0, pause
        insn    FAMILY, 6, nopl (%esi)
        insn    FAMILY, 6, prefetchnta (%esi)
        insn    FAMILY, 6, .byte 0xf3, 0x0f, 0x1e, 0xfb /* ENDBR32 */
        insn    FAMILY, 5, rdpmc
        insn    LEAF_1_EDX, 4, rdtsc
        insn    LEAF_1_EDX, 5, rdmsr
        insn    LEAF_1_EDX, 5, wrmsr
        insn    LEAF_1_EDX, 8, cmpxchg8b (%esi)
        insn    LEAF_1_EDX, 11, sysenter
        insn    LEAF_1_EDX, 11, sysexit
        insn    LEAF_1_EDX, 15, cmovel %ecx, %eax
        insn    LEAF_1_EDX, 15, fcmove %st(1), %st
        insn    LEAF_1_EDX, 15, fcomi %st(1), %st
        insn    LEAF_1_EDX, 19, clflush (%esi)
        insn    LEAF_1_EDX, 23, emms
        insn    LEAF_1_EDX, 23, movq (%esi), %mm0
        insn    LEAF_1_EDX, 23, psllw $3, %mm1
        insn    LEAF_1_EDX, 24, fxsave (%esi)
        insn    LEAF_1_EDX, 25, addps %xmm0, %xmm1
        insn    LEAF_1_EDX, 25, stmxcsr (%esi)
        insn    LEAF_1_EDX, 25, pavgb %mm0, %mm1
        insn    LEAF_1_EDX, 25, sfence
        insn    LEAF_1_EDX, 26, addpd %xmm0, %xmm1
        insn    LEAF_1_EDX, 26, movntil %eax, (%esi)
        insn    LEAF_1_EDX, 26, paddq %mm0, %mm1
        insn    LEAF_1_EDX, 26, movdqa %xmm0, %xmm1
        insn    LEAF_1_EDX, 26, mfence
        insn    LEAF_1_ECX, 0, haddps %xmm0, %xmm1
        insn    LEAF_1_ECX, 0, fisttps (%esi)
        insn    LEAF_1_ECX, 1, pclmulqdq $0, %xmm0, %xmm1
        insn    LEAF_1_ECX, 3, monitor
        insn    LEAF_1_ECX, 9, pshufb %xmm0, %xmm1
        insn    LEAF_1_ECX, 9, pabsw %mm0, %mm1
        insn    LEAF_1_ECX, 12, vfmadd132ps %xmm0, %xmm1, %xmm2
        insn    LEAF_1_ECX, 19, ptest %xmm0, %xmm1
        insn    LEAF_1_ECX, 19, pinsrb $1, %eax, %xmm1
        insn    LEAF_1_ECX, 20, crc32l %ecx, %eax
        insn    LEAF_1_ECX, 20, pcmpistri $0, %xmm0, %xmm1
        insn    LEAF_1_ECX, 22, movbel (%esi), %eax
        insn    LEAF_1_ECX, 22, movbew %ax, (%esi)
        insn    LEAF_1_ECX, 23, popcntl %ecx, %eax
        insn    LEAF_1_ECX, 25, aesenc %xmm0, %xmm1
        insn    LEAF_1_ECX, 25, aeskeygenassist $1, %xmm0, %xmm1
        insn    LEAF_1_ECX, 26, xgetbv
        insn    LEAF_1_ECX, 26, xsave (%esi)
        insn    LEAF_1_ECX, 28, vaddps %ymm0, %ymm1, %ymm2
        insn    LEAF_1_ECX, 28, vzeroupper
        insn    LEAF_1_ECX, 29, vcvtph2ps %xmm0, %xmm1
        insn    LEAF_1_ECX, 30, rdrand %eax
        insn    LEAF_7_EBX, 3, andnl %eax, %ecx, %edx
        insn    LEAF_7_EBX, 3, blsrl %eax, %ecx
        insn    LEAF_7_EBX, 5, vpaddd %ymm0, %ymm1, %ymm2
        insn    LEAF_7_EBX, 8, pdepl %eax, %ecx, %edx
        insn    LEAF_7_EBX, 8, rorxl $3, %eax, %ecx
        insn    LEAF_7_EBX, 18, rdseed %eax
        insn    LEAF_7_EBX, 19, adcxl %eax, %ecx
        insn    LEAF_7_EBX, 29, sha1nexte %xmm0, %xmm1
        insn    LEAF_D_EAX, 0, xsaveopt (%esi)
        insn    LEAF_8_EDX, 27, rdtscp
        insn    FAMILY, 31, .byte 0x0f, 0x05    /* SYSCALL: not in 32-bit code of Intel's */
        insn    FAMILY, 31, .byte 0x0f, 0x01, 0xc1 /* VMCALL */
        insn    FAMILY, 31, .byte 0x0f, 0x37    /* GETSEC */
        insn    FAMILY, 31, .byte 0x0f, 0x24, 0xc0 /* MOV from a test register */

        /* BSR and BSF with F3 where there is no LZCNT and TZCNT */
        movl    $1, %ecx
        lzcntl  %ecx, %eax
        movl    $0, %edx
        testl   $(1 << 5), words + 4 * LEAF_8_ECX
        jz      1f
        movl    $31, %edx
1:      expect  %eax, %edx
        xorl    %ecx, %ecx
        movl    $7, %eax
        tzcntl  %ecx, %eax
        movl    $7, %edx
        testl   $(1 << 3), words + 4 * LEAF_7_EBX
        jz      1f
        movl    $32, %edx
1:      expect  %eax, %edx

        msr     LEAF_1_EDX, 4, 0x10             /* TSC */
        msr     LEAF_1_EDX, 7, 0x0              /* P5_MC_ADDR */
        msr     LEAF_1_EDX, 11, 0x174           /* SYSENTER_CS */
        msr     LEAF_1_EDX, 12, 0xfe            /* MTRRCAP */
        msr     LEAF_1_EDX, 12, 0x200
        msr     LEAF_1_EDX, 12, 0x26f
        msr     LEAF_1_EDX, 14, 0x179           /* MCG_CAP */
        msr     LEAF_1_EDX, 14, 0x400           /* MC0_CTL */
        msr     LEAF_1_EDX, 16, 0x277           /* PAT */
        msr     FAMILY, 6, 0x1b                 /* APIC_BASE */
        msr     LEAF_7_EBX, 1, 0x3b             /* TSC_ADJUST */
        msr     LEAF_8_EDX, 20, 0xc0000080      /* EFER */
        msr     FAMILY, 31, 0x12345
        msr     FAMILY, 31, 0xc0000081          /* STAR */
        pass

        .balign 4
words:  .fill   8, 4, 0
