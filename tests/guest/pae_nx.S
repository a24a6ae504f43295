/* PAE: the four top entries are kept in the CPU, their and all entries' reserved bits, no-execute pages with EFER.NXE and without,
 * 2 MiB pages, rights that combine over the levels.  SDM 3A 4.4, 4.6, 4.7. */
#include "guest.inc"
#define PDPT  0x500000
#define PD    0x501000                  /* of the first GiB */
#define PT    0x502000                  /* of linear 0 to 1FFFFFh */
#define PT2   0x503000                  /* of 200000h to 3FFFFFh */
#define PTE8(linear) (PT2 + (((linear) >> 12) & 511) * 8)
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define PAGE (FREE_PAGES)
#define CODE (FREE_PAGES + 0x2000)
#define NX 0x80000000                   /* in the upper half */
#define PF_P 1
#define PF_W 2
#define PF_U 4
#define PF_RSVD 8
#define PF_ID 16
        .macro  flush
        movl    %cr3, %eax
        movl    %eax, %cr3
        .endm
        .macro  entry at, low, high=0
        movl    $(\low), \at
        movl    $(\high), \at + 4
        flush
        .endm
        .macro  nxe bit
        movl    $0xc0000080, %ecx
        rdmsr
        andl    $~0x800, %eax
        orl     $\bit, %eax
        wrmsr
        .endm
        .macro  faults error, cr2, insn:vararg
        try     RING3
1:      \insn
        done
        expect  trap_vector, $VEC_PF
        expect  trap_error, $(\error)
        expect  trap_cr2, $\cr2
        .endm

        cld
        movl    $PDPT, %edi
        xorl    %eax, %eax
        movl    $0x1000, %ecx
        rep stosl
        movl    $(PD | PTE_P), PDPT
        movl    $(PT | RIGHTS), PD
        movl    $(PT2 | RIGHTS), PD + 8
        movl    $(0x400000 | RIGHTS | PDE_PS), PD + 16
        movl    $(0x200000 | RIGHTS | PDE_PS), PD + 24
        movl    $PT, %edi
        movl    $RIGHTS, %eax
        movl    $1024, %ecx                     /* both tables */
2:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $0x1000, %eax
        loop    2b
        set_cr4 CR4_PAE
        movl    $PDPT, %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $CR0_PG, %eax
        movl    %eax, %cr0

        /* 4 KiB and 2 MiB pages show the same memory */
        movl    $0x600df00d, PAGE
        expect  (PAGE - 0x200000 + 0x600000), $0x600df00d
        expect_bits PD + 24, PTE_A | PTE_D, PTE_A
        movb    $0xc3, CODE
        try     RING3
        call    CODE
        done
        expect_done

        /* without NXE bit 63 is reserved; with it, it forbids fetches only */
        nxe     0
        entry   PTE8(CODE), CODE | RIGHTS, NX
        faults  PF_P | PF_U | PF_RSVD, CODE, movb CODE, %al
        faults  PF_P | PF_U | PF_RSVD, CODE, call CODE
        nxe     0x800
        flush
        try     RING3
        movb    CODE, %al
        movb    %al, CODE
        done
        expect_done
        faults  PF_P | PF_U | PF_ID, CODE, call CODE
        expect  trap_eip, $CODE
        try     RING0                           /* the kernel too */
1:      call    CODE
        done
        expect_fault VEC_PF, PF_P|PF_ID, CODE
        entry   PTE8(CODE), CODE | RIGHTS
        try     RING3
        call    CODE
        done
        expect_done
        /* in the directory: for all its pages, small or large */
        entry   PD + 24, 0x200000 | RIGHTS | PDE_PS, NX
        faults  PF_P | PF_U | PF_ID, (CODE+0x400000), call CODE + 0x400000
        entry   PD + 24, 0x200000 | RIGHTS | PDE_PS
        entry   PD + 8, PT2 | RIGHTS, NX
        faults  PF_P | PF_U | PF_ID, CODE, call CODE
        entry   PD + 8, PT2 | RIGHTS
        /* an absent page: fetches say so with I/D set only where NX is on */
        entry   PTE8(CODE), 0
        faults  PF_U | PF_ID, CODE, call CODE
        nxe     0
        flush
        faults  PF_U, CODE, call CODE
        entry   PTE8(CODE), CODE | RIGHTS

        /* reserved bits: above the 36 physical ones, and 20:13 of a large page; not looked at where P is clear */
        .irp    high, 0x10, 0x40000000, 0x00100000
        entry   PTE8(PAGE), PAGE | RIGHTS, \high
        faults  PF_P | PF_U | PF_RSVD, PAGE, movb PAGE, %al
        faults  PF_P | PF_U | PF_RSVD | PF_W, PAGE, movb %al, PAGE
        .endr
        entry   PTE8(PAGE), PAGE | PTE_US, 0x10
        faults  PF_U, PAGE, movb PAGE, %al
        entry   PTE8(PAGE), PAGE | RIGHTS
        .irp    low, 0x2000, 0x100000
        entry   PD + 24, 0x200000 | RIGHTS | PDE_PS | \low
        faults  PF_P | PF_U | PF_RSVD, 0x600000, movb 0x600000, %al
        .endr
        entry   PD + 24, 0x200000 | RIGHTS | PDE_PS | 0x1000    /* PAT: fine */
        movl    PAGE + 0x400000, %eax
        expect  %eax, $0x600df00d
        entry   PD + 8, PT2 | RIGHTS, 0x20
        faults  PF_P | PF_U | PF_RSVD, PAGE, movb PAGE, %al
        entry   PD + 8, PT2 | RIGHTS

        /* rights: the AND of both levels */
        entry   PD + 8, PT2 | PTE_P | PTE_US
        faults  PF_P | PF_U | PF_W, PAGE, movb %al, PAGE
        entry   PD + 8, PT2 | PTE_P | PTE_RW
        faults  PF_P | PF_U, PAGE, movb PAGE, %al
        entry   PD + 8, PT2 | RIGHTS

        /* the top entries: read when CR3 is loaded, and not before; bad ones refuse the load */
        movl    $0, PDPT
        invlpg  PAGE
        movl    PAGE, %eax
        expect  %eax, $0x600df00d
        .irp    low, 0x2, 0x4, 0x20, 0x40, 0x1e0
        movl    $(PD | PTE_P | \low), PDPT
        try     RING0
        movl    %cr3, %eax
1:      movl    %eax, %cr3
        done
        expect_fault VEC_GP, 0, 1b
        .endr
        movl    $(PD | PTE_P), PDPT
        movl    $0x10, PDPT + 12                /* above 36 bits, but not present: fine */
        flush
        orl     $1, PDPT + 8
        try     RING0
        movl    %cr3, %eax
1:      movl    %eax, %cr3
        done
        expect_fault VEC_GP, 0, 1b
        movl    $0, PDPT + 8
        flush
        faults  PF_U, 0x40000000, movb 0x40000000, %al
        pass
