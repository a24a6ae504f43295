/* Instructions and accesses over page borders: faults on the second page only, in order, with nothing done.
 * SDM 3A 4.7, 6.5. */
#include "guest.inc"
#define PAGE_A (FREE_PAGES + 0x0000)
#define PAGE_B (FREE_PAGES + 0x1000)
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
        paging_on
        /* mov $0x44332211, %eax; ret, starting \n bytes before the border, the second page absent, then there */
        .irp    n, 1, 2, 3, 4
        movb    $0xb8, PAGE_B - \n
        movl    $0x44332211, PAGE_B - \n + 1
        movb    $0xc3, PAGE_B - \n + 5
        movl    $0, PTE(PAGE_B)
        invlpg  PAGE_B
        movl    $0, %eax
        try     RING3
        call    PAGE_B - \n
        done
        expect_fault VEC_PF, 4, (PAGE_B - \n)
        expect  trap_cr2, $PAGE_B
        expect  %eax, $0
        movl    $(PAGE_B | RIGHTS), PTE(PAGE_B)
        invlpg  PAGE_B
        try     RING3
        call    PAGE_B - \n
        done
        expect_done
        expect  %eax, $0x44332211
        .endr
        /* an instruction that ends at the border: its successor faults */
        movb    $0x40, PAGE_B - 1               /* inc %eax */
        movl    $0, PTE(PAGE_B)
        invlpg  PAGE_B
        movl    $0, %eax
        try     RING3
        jmp     PAGE_B - 1
        done
        expect_fault VEC_PF, 4, PAGE_B
        expect  %eax, $1
        /* the two pages lie apart physically */
        movl    $((FREE_PAGES + 0x30000) | RIGHTS), PTE(PAGE_B)
        invlpg  PAGE_B
        movb    $0xb8, PAGE_B - 2
        movb    $0x01, PAGE_B - 1
        movl    $0xc3040302, PAGE_B
        call    PAGE_B - 2
        expect  %eax, $0x04030201
        movl    $((FREE_PAGES + 0x31000) | RIGHTS), PTE(PAGE_B)
        invlpg  PAGE_B
        movl    $0xc3070605, PAGE_B
        call    PAGE_B - 2
        expect  %eax, $0x07060501
        expect  (FREE_PAGES + 0x31000), $0xc3070605
        movl    $0xaabbccdd, PAGE_B - 1         /* data, too */
        expect  (FREE_PAGES + 0x31000), $0xc3aabbcc
        movzbl  PAGE_B - 1, %eax
        expect  %eax, $0xdd
        lock addl $0x01000001, PAGE_B - 2
        fninit
        fildl   PAGE_B - 2
        fistpl  PAGE_B + 5
        movl    PAGE_B + 5, %eax
        expect  (PAGE_B - 2), %eax
        /* 15 bytes are legal, 16 are not */
        movl    $0, %eax
        try     RING3
        .rept   5
        .byte   0x3e
        .endr
        .byte   0xc7, 0x05
        .long   PAGE_A, 0x1234
        done
        expect  trap_vector, $VEC_UD
        expect  PAGE_A, $0x1234
        try     RING3
1:      .rept   6
        .byte   0x3e
        .endr
        .byte   0xc7, 0x05
        .long   PAGE_A, 0x9999
        done
        expect_fault VEC_GP, 0, 1b
        expect  PAGE_A, $0x1234
        pass
