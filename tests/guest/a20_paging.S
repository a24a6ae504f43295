/* A20 masked with paging on: every physical address loses bit 20, those of tables and of code too; linear ones do not.  Switched over
 * and over with translated code on both sides.  SDM 3A 8.7.13.4. */
#include "guest.inc"
#define ODD  0x7f0000                   /* bit 20 set */
#define EVEN 0x6f0000
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define LINEAR 0x900000
        .macro  is_at address, want     /* by a routine that is translated once */
        movl    $\address, %esi
        call    load
        expect  %eax, $\want
        .endm
        movl    $0x0dd, ODD
        movl    $0xe4e, EVEN
        movl    $0xb0b8, ODD + 0x1000           /* mov $0xb0, %al; ... */
        movl    $0xb8, ODD + 0x1000             /* mov $imm, %eax; ret */
        movl    $0x0dd, ODD + 0x1001
        movb    $0xc3, ODD + 0x1005
        movl    $0xb8, EVEN + 0x1000
        movl    $0xe4e, EVEN + 0x1001
        movb    $0xc3, EVEN + 0x1005
        is_at   ODD, 0x0dd
        a20     0xdd
        is_at   ODD, 0xe4e
        is_at   EVEN, 0xe4e
        a20     0xdf
        is_at   ODD, 0x0dd
        paging_on
        movl    $(ODD | RIGHTS), PTE(LINEAR)
        movl    $(ODD + 0x1000 + RIGHTS), PTE(LINEAR + 0x101000) /* an odd linear address */
        invlpg  LINEAR
        invlpg  LINEAR + 0x101000
        movl    $(LINEAR + 0x101000), %ebx
        movl    $50, %ecx
1:      is_at   LINEAR, 0x0dd
        call    *%ebx
        expect  %eax, $0x0dd
        movl    %ecx, LINEAR + 4
        a20     0xdd
        is_at   LINEAR, 0xe4e
        call    *%ebx
        expect  %eax, $0xe4e
        movl    $0x1234, LINEAR + 4             /* to the even one */
        expect  EVEN + 4, $0x1234
        a20     0xdf
        expect  ODD + 4, %ecx
        expect  EVEN + 4, $0x1234
        decl    %ecx
        jnz     1b

        /* a table at an odd address: masked, another one */
        movl    $(0x700000 | RIGHTS), PAGE_DIR + (LINEAR >> 22) * 4
        movl    $(ODD | RIGHTS), 0x700000 + ((LINEAR >> 12) & 1023) * 4
        movl    $0x0dd, ODD
        movl    $((EVEN + 0x2000) | RIGHTS), 0x600000 + ((LINEAR >> 12) & 1023) * 4
        movl    $0x222, EVEN + 0x2000
        movl    %cr3, %eax
        movl    %eax, %cr3
        is_at   LINEAR, 0x0dd
        a20     0xdd
        movl    %cr3, %eax
        movl    %eax, %cr3
        is_at   LINEAR, 0x222
        a20     0xdf
        movl    %cr3, %eax
        movl    %eax, %cr3
        is_at   LINEAR, 0x0dd
        pass
load:   movl    (%esi), %eax
        ret
