/* Page tables that nobody writes to for hundreds of loads of CR3, and then somebody does: by a store, a locked one, a string
 * instruction, an instruction that is called out, a device.  SDM 3A 4.10.4. */
#include "guest.inc"
#define A 0x7f0000
#define B 0x7f3000
#define OTHER_TABLE 0x700000
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define LINEAR 0x900000
        .macro  reload
        movl    %cr3, %eax
        movl    %eax, %cr3
        .endm
        .macro  settle                  /* nothing changes for a long time */
        movl    $200, %ecx
9:      reload
        decl    %ecx
        jnz     9b
        .endm
        .macro  is_at address, want     /* by a routine that is translated once */
        movl    $\address, %esi
        call    load
        expect  %eax, $\want
        .endm
        cld
        movl    $0xaaa, A
        movl    $0xbbb, B
        paging_on
        movl    $(B | RIGHTS), OTHER_TABLE + ((LINEAR >> 12) & 1023) * 4
        movl    $10, turns
again:  movl    $(A | RIGHTS), PTE(LINEAR)
        reload
        is_at   LINEAR, 0xaaa

        settle
        movl    $(B | RIGHTS), PTE(LINEAR)
        reload
        is_at   LINEAR, 0xbbb

        settle
        movl    $(A | RIGHTS), %eax
        xchgl   %eax, PTE(LINEAR)
        reload
        is_at   LINEAR, 0xaaa

        settle
        movl    $(B | RIGHTS), %eax
        movl    $PTE(LINEAR), %edi
        movl    $1, %ecx
        rep stosl
        reload
        is_at   LINEAR, 0xbbb

        settle
        smsw    PTE(LINEAR)             /* CR0's lower half, of whose bits PTE_P is one: 7F0000h, read-only */
        reload
        is_at   LINEAR, 0xaaa

        settle
        movl    $(B | RIGHTS), PTE(LINEAR)
        invlpg  LINEAR
        is_at   LINEAR, 0xbbb

        settle
        movl    $0x0a000000, request            /* fw_cfg's DMA writes "QEMU": page 554D4000h, where there is no memory */
        movl    $0x04000000, request + 4
        movl    $0, request + 8
        movl    $PTE(LINEAR), %eax
        bswap   %eax
        movl    %eax, request + 12
        movl    $request, %eax
        bswap   %eax
        movl    $0x518, %edx
        outl    %eax, %dx
        expect  request, $0
        reload
        is_at   LINEAR, 0xffffffff

        movl    $(A | RIGHTS), PTE(LINEAR)
        reload
        settle                          /* the directory */
        movl    $(OTHER_TABLE | RIGHTS), PAGE_DIR + (LINEAR >> 22) * 4
        reload
        is_at   LINEAR, 0xbbb
        settle
        movl    $(PTE(LINEAR & ~0x3fffff) + RIGHTS), PAGE_DIR + (LINEAR >> 22) * 4
        reload
        is_at   LINEAR, 0xaaa
        decl    turns
        jnz     again
        pass
load:   movl    (%esi), %eax
        ret
        .text   1
        .balign 4
request: .long  0, 0, 0, 0
turns:  .long   0
