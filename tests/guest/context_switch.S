/* Two processes take turns, as systems do it: XSAVE, MOV to CR3, XRSTOR, each at one place for hundreds of times.  Their code, data, FP
 * state and return addresses are never the other's; what cannot be done at once faults as ever.  SDM 1 chapter 13, 3A 4.10. */
#include "guest.inc"
#define CR4_OSXSAVE 0x40000
#define XSTATE_BV 512
#define OWN_CODE (FREE_PAGES)                   /* each process has its own there */
#define OWN_DATA (FREE_PAGES + 0x1000)
#define HIGH_DATA (0x40000000+OWN_DATA)
#define CODE_TWO (FREE_PAGES + 0x10000)
#define DATA_TWO (FREE_PAGES + 0x11000)
#define AREA_ONE (FREE_PAGES + 0x20000 - 576 + 64) /* areas over two pages */
#define AREA_TWO (FREE_PAGES + 0x30000 - 64)
#define PAGE     (FREE_PAGES + 0x40000)
#define DIR_TWO (FREE_PAGES + 0x50000)
#define TABLE_TWO (FREE_PAGES + 0x51000)        /* of 0 to 3FFFFFh */
#define PD       (FREE_PAGES + 0x60000)
#define PDPT_ONE (FREE_PAGES + 0x61000)
#define PDPT_TWO (FREE_PAGES + 0x61020)
#define PDPT_BAD (FREE_PAGES + 0x61040)
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define ROUNDS 400
        .macro  flush
        movl    %cr3, %eax
        movl    %eax, %cr3
        .endm

        set_cr4 CR4_OSFXSR
        movl    $1, %eax
        cpuid
        btl     $26, %ecx
        jnc     nothing
        movl    %ecx, features
        set_cr4 CR4_OSXSAVE
        xorl    %ecx, %ecx
        movl    $3, %eax
        btl     $28, features
        jnc     1f
        movl    $7, %eax
1:      xorl    %edx, %edx
        xsetbv
        movb    $0xb8, OWN_CODE                 /* mov eax, .. ; ret */
        movl    $0x1111, OWN_CODE + 1
        movb    $0xc3, OWN_CODE + 5
        movb    $0xb8, CODE_TWO
        movl    $0x2222, CODE_TWO + 1
        movb    $0xc3, CODE_TWO + 5
        paging_on
        cld
        movl    $TABLE_TWO, %edi
        movl    $RIGHTS, %eax
1:      stosl
        addl    $0x1000, %eax
        cmpl    $(TABLE_TWO + 0x1000), %edi
        jne     1b
        movl    $(TABLE_TWO | RIGHTS), DIR_TWO
        .irp    i, 1, 2, 3
        movl    $(PAGE_TABLE + \i * 0x1000 + RIGHTS), DIR_TWO + \i * 4
        .endr
        movl    $(CODE_TWO | RIGHTS), TABLE_TWO + (OWN_CODE >> 12) * 4
        movl    $(DATA_TWO | RIGHTS), TABLE_TWO + (OWN_DATA >> 12) * 4

        /* each process: MXCSR, an x87 register, and two XMM registers of its own that count */
        .irp    where, AREA_ONE, AREA_TWO
        fninit
        fldz
        xorps   %xmm1, %xmm1
        xorps   %xmm6, %xmm6
        movl    $-1, %eax
        movl    $-1, %edx
        xsave   \where
        .endr
        movl    $0x1fa0, AREA_TWO + 24

        movl    $ROUNDS, %ebp
again:  movl    $AREA_ONE, %edi
        movl    $PAGE_DIR, %ebx
        call    run_in
        expect  OWN_DATA, %ebp
        expect  %ecx, $0x1111
        expect  mxcsr, $0x1f80
        movl    $AREA_TWO, %edi
        movl    $DIR_TWO, %ebx
        call    run_in
        expect  %ecx, $0x2222
        expect  mxcsr, $0x1fa0
        movl    %ebp, %eax
        decl    %eax
        movl    %eax, DATA_TWO                  /* by its address in both */
        expect  OWN_DATA, %eax
        decl    %ebp
        jnz     again
        movl    $PAGE_DIR, %eax
        movl    %eax, %cr3
        expect  OWN_DATA, $1
        .irp    where, AREA_ONE, AREA_TWO
        movl    $-1, %eax
        movl    $-1, %edx
        xrstor  \where
        fistpl  word
        expect  word, $ROUNDS
        movd    %xmm1, %eax
        expect  %eax, $-ROUNDS
        .endr

        /* what the same instructions meet at last */
        movl    $40, %ebp
2:      movl    $area, %edi
        movl    $7, %eax
        xorl    %edx, %edx
        call    save
        call    restore
        movl    %cr0, %eax
        orl     $CR0_TS, %eax
        movl    %eax, %cr0
        .irp    insn, save, restore
        movl    $7, %eax
        try     RING0
        call    \insn
        done
        expect_fault VEC_NM, 0, \insn
        .endr
        clts
        movl    $area + 16, %edi
        .irp    insn, save, restore
        try     RING0
        call    \insn
        done
        expect_fault VEC_GP, 0, \insn
        .endr
        movl    $area, %edi
        movl    $0x80000000, area + XSTATE_BV
        try     RING0
        call    restore
        done
        expect_fault VEC_GP, 0, restore
        movl    $0, area + XSTATE_BV
        call    restore
        movl    $PAGE, %edi                     /* read-only */
        call    save
        movl    $(PAGE | PTE_P | PTE_US), PTE(PAGE)
        flush
        movl    %cr0, %eax
        orl     $CR0_WP, %eax
        movl    %eax, %cr0
        movl    $7, %eax
        call    restore
        try     RING0
        call    save
        done
        expect_fault VEC_PF, 3, save
        expect  trap_cr2, $(PAGE)
        movl    $0, PTE(PAGE)
        invlpg  PAGE
        try     RING0
        call    restore
        done
        expect_fault VEC_PF, 0, restore
        movl    $(PAGE | RIGHTS), PTE(PAGE)
        movl    $(PAGE - 128), %edi             /* the second page only */
        call    save
        movl    $0, PTE(PAGE)
        invlpg  PAGE
        movl    $0x12345678, PAGE - 128
        try     RING0
        call    save
        done
        expect  trap_vector, $VEC_PF
        expect_bits trap_cr2, 0xfffff000, (PAGE)
        expect  PAGE-128, $0x12345678
        movl    $(PAGE | RIGHTS), PTE(PAGE)
        flush
        decl    %ebp
        jnz     2b

        /* FP state in use, and IN and OUT and MOV to CR3 in the same block */
        movl    $ROUNDS, %ebp
        pcmpeqd %xmm1, %xmm1
        pxor    %xmm2, %xmm2
        fldz
        movl    %cr3, %ebx
3:      psubd   %xmm1, %xmm2
        inb     $0x61, %al
        psubd   %xmm1, %xmm2
        fld1
        faddp   %st, %st(1)
        movl    %ebx, %cr3
        psubd   %xmm1, %xmm2
        inb     $0x61, %al
        fld1
        faddp   %st, %st(1)
        decl    %ebp
        jnz     3b
        movd    %xmm2, %eax
        expect  %eax, $3*ROUNDS
        fistpl  word
        expect  word, $2*ROUNDS

        /* who may not, and what PAE refuses */
        movl    $40, %ebp
4:      movl    $PAGE_DIR, %ebx
        call    load_cr3
        try     RING3
        call    load_cr3
        done
        expect_fault VEC_GP, 0, load_cr3
        decl    %ebp
        jnz     4b

        /* PAE: memory of 0 to 16 MiB in pages of 2 MiB; entries with reserved bits are refused */
        movl    %cr0, %eax
        andl    $~CR0_PG, %eax
        movl    %eax, %cr0
        set_cr4 CR4_PAE
        movl    $PD, %edi
        movl    $(RIGHTS | PDE_PS), %eax
        movl    $8, %ecx
5:      movl    %eax, (%edi)
        movl    $0, 4(%edi)
        addl    $8, %edi
        addl    $0x200000, %eax
        loop    5b
        movl    $(PD | PTE_P), PDPT_ONE
        movl    $(PD | PTE_P), PDPT_TWO
        movl    $(PD | PTE_P), PDPT_TWO + 8     /* and at 1 GiB again */
        movl    $(PD | PTE_P), PDPT_BAD
        movl    $(PD | PTE_P | PTE_RW), PDPT_BAD + 8
        movl    $PDPT_ONE, %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $CR0_PG, %eax
        movl    %eax, %cr0
        movl    $40, %ebp
6:      movl    $PDPT_TWO, %ebx
        call    load_cr3
        movl    %ebp, HIGH_DATA
        movl    $PDPT_BAD, %ebx
        try     RING0
        call    load_cr3
        done
        expect_fault VEC_GP, 0, load_cr3
        movl    %cr3, %eax
        expect  %eax, $PDPT_TWO
        expect  HIGH_DATA, %ebp
        movl    $PDPT_ONE, %ebx
        call    load_cr3
        expect  OWN_DATA, %ebp
        try     RING0
        movl    HIGH_DATA, %eax
        done
        expect_fault VEC_PF, 0
        decl    %ebp
        jnz     6b
        pass

/* EDI area, EBX directory: there EBP goes to OWN_DATA, and ECX is what its code says. */
run_in: movl    %ebx, %cr3
        nop
        movl    $-1, %eax
        movl    $-1, %edx
        xrstor  (%edi)
        movl    %ebp, OWN_DATA
        pcmpeqd %xmm0, %xmm0
        paddd   %xmm0, %xmm1
        fld1
        faddp   %st, %st(1)
        stmxcsr mxcsr
        call    OWN_CODE
        movl    %eax, %ecx
        movl    $-1, %eax
        testl   $1, %ebp
        jz      1f
        xsave   (%edi)
        ret
1:      xsaveopt (%edi)
        ret

save:   xsave   (%edi)
        ret
restore:
        xrstor  (%edi)
        ret
load_cr3:
        movl    %ebx, %cr3
        ret
nothing: pass

        .text   1
        .balign 64
area:   .skip   832
features: .long 0
mxcsr:  .long   0
word:   .long   0
