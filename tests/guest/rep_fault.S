/* REP string instructions that fault in the middle leave ESI, EDI and ECX at the iteration that faulted, forward and
 * backward, all sizes, and go on after the page is there.  SDM 2B, REP; 3A 6.5. */
#include "guest.inc"
#define PAGE_A (FREE_PAGES + 0x0000)
#define PAGE_B (FREE_PAGES + 0x1000)
#define SOURCE (FREE_PAGES + 0x10000)
        .macro  missing linear
        movl    $0, PTE(\linear)
        invlpg  \linear
        .endm
        .macro  there linear
        movl    $((\linear) | PTE_P | PTE_RW | PTE_US), PTE(\linear)
        invlpg  \linear
        .endm
        .macro  strings esi, edi, ecx, insn:vararg
        movl    $(\esi), %esi
        movl    $(\edi), %edi
        movl    $(\ecx), %ecx
        movl    $0x44332211, %eax
        try     RING3
1:      \insn
        done
        .endm
        .macro  stopped error, cr2, esi, edi, ecx
        expect_fault VEC_PF, \error, 1b
        expect  trap_cr2, $(\cr2)
        expect  %esi, $(\esi)
        expect  %edi, $(\edi)
        expect  %ecx, $(\ecx)
        .endm
        movl    $SOURCE, %edi
        movl    $0x4000, %ecx
1:      movl    %ecx, (%edi)
        addl    $4, %edi
        loop    1b
        paging_on

        missing PAGE_B
        strings SOURCE, PAGE_B-10, 100, rep movsb
        stopped 6, PAGE_B, SOURCE+10, PAGE_B, 90
        strings SOURCE, PAGE_B-10, 100, rep movsw
        stopped 6, PAGE_B, SOURCE+10, PAGE_B, 95
        strings SOURCE, PAGE_B-10, 100, rep movsl     /* the third crosses */
        stopped 6, PAGE_B, SOURCE+8, PAGE_B-2, 98
        strings PAGE_B-7, SOURCE, 100, rep movsb
        stopped 4, PAGE_B, PAGE_B, SOURCE+7, 93
        strings 0, PAGE_B-0x800, 0x1000, rep stosb
        stopped 6, PAGE_B, 0, PAGE_B, 0x800
        strings 0, PAGE_B-0x1000, 0x1000, rep stosl
        stopped 6, PAGE_B, 0, PAGE_B, 0xc00
        strings PAGE_B-8, 0, 100, rep lodsl
        stopped 4, PAGE_B, PAGE_B, 0, 98
        strings 0, PAGE_B-64, 100, repe scasl   /* STOSL left what it looks for */
        expect  trap_vector, $VEC_PF
        expect  %edi, $PAGE_B
        expect  %ecx, $84

        /* go on from there */
        strings SOURCE, PAGE_B-16, 1024, rep movsl
        stopped 6, PAGE_B, SOURCE+16, PAGE_B, 1020
        there   PAGE_B
        try     RING3
        rep movsl
        done
        expect_done
        expect  %ecx, $0
        expect  %esi, $(SOURCE+4096)
        movl    $(PAGE_B - 16), %edi
        movl    $SOURCE, %esi
        movl    $1024, %ecx
        repe cmpsl
        expect  %ecx, $0

        /* downwards */
        missing PAGE_A
        movl    $(PAGE_B + 20), %edi
        movl    $(SOURCE + 400), %esi
        movl    $50, %ecx
        try     RING3, EFLAGS_DF
1:      rep movsl
        done
        stopped 6, PAGE_A+0xffc, SOURCE+400-24, PAGE_A+0xffc, 44
        there   PAGE_A

        /* CMPS, SCAS: the flags of the last iteration, ECX behind it */
        movl    $0x5a, %eax
        movl    $PAGE_A, %edi
        movl    $0, PAGE_A
        movl    $0, PAGE_A + 4
        movb    $0x5a, PAGE_A + 5
        movl    $100, %ecx
        repne scasb
        pushfl
        popl    %eax
        expect  %edi, $(PAGE_A+6)
        expect  %ecx, $94
        expect_bits %eax, EFLAGS_ZF | EFLAGS_CF, EFLAGS_ZF
        movl    $0, %ecx                        /* ECX = 0: flags stay */
        stc
        repe cmpsb
        jc      2f
        fail
2:
        /* overlapping copies go byte by byte */
        movb    $0x77, PAGE_A
        movl    $PAGE_A, %esi
        movl    $(PAGE_A + 1), %edi
        movl    $0x1800, %ecx
        rep movsb
        expect  PAGE_A+0x17fc, $0x77777777
        expect_bits PAGE_A + 0x1800, 0xff, 0x77

        /* 16-bit address size: SI, DI and CX only, wrapping; an override for the source */
        movl    $0x11110000, %esi
        movl    $0x22220000, %edi
        movl    $0x33330000, %ecx
        addr16 rep movsb
        expect  %esi, $0x11110000
        expect  %edi, $0x22220000
        expect  %ecx, $0x33330000
        set_desc SEL_FREE, SOURCE, 0xffff, 0x92, 4
        movl    $SEL_FREE, %eax
        movl    %eax, %gs
        set_desc (SEL_FREE + 8), PAGE_A, 0xffff, 0x92, 4
        movl    $(SEL_FREE + 8), %eax
        movl    %eax, %es
        movl    $0x55550000, %esi
        movl    $0x66660100, %edi
        movl    $0x77770008, %ecx
        addr16 rep movsl %gs:(%si), %es:(%di)
        expect  %esi, $0x55550020
        expect  %edi, $0x66660120
        expect  %ecx, $0x77770000
        expect  PAGE_A+0x100, SOURCE
        expect  PAGE_A+0x11c, SOURCE+0x1c
        movl    $SEL_DATA0, %eax
        movl    %eax, %es
        /* a limit in the middle */
        set_desc (SEL_FREE + 8), PAGE_A, 0x1f, 0xf2, 4
        movl    $(SEL_FREE + 8 + 3), %ebx
        movl    $0, %edi
        movl    $100, %ecx
        try     RING3
        movl    %ebx, %es
1:      rep stosl
        done
        expect_fault VEC_GP, 0, 1b
        expect  %edi, $0x20
        expect  %ecx, $92
        pass
