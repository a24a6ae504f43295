/* Page tables that nobody writes to for hundreds of loads of CR3, and then somebody does: by a store, a locked one, a string
 * instruction, an instruction that is called out, a device.  A table for each, as one that was written to is not left alone so soon
 * again.  SDM 3A 4.10.4. */
#include "guest.inc"
#define A 0x7f0000
#define B 0x7f3000
#define TABLE(n) (0x700000 + (n) * 0x1000)       /* its first entry is the page at ... */
#define LINEAR(n) (0x10000000 + (n) * 0x400000)
#define DIR(n) (PAGE_DIR + (LINEAR(n) >> 22) * 4)
#define TABLES 9
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
        .macro  reload
        movl    %cr3, %eax
        movl    %eax, %cr3
        .endm
        .macro  is_at address, want     /* by a routine that is translated once */
        movl    $\address, %esi
        call    load
        expect  %eax, $\want
        .endm
        .macro  settle n, to, want      /* the page leads there, and nothing changes for a long time */
        movl    $(\to | RIGHTS), TABLE(\n)
        reload
        is_at   LINEAR(\n), \want
        movl    $300, %ecx
        call    reload_often
        .endm
        .macro  rights_are want
        movl    TABLE(7), %eax
        andl    $(PTE_A | PTE_D), %eax
        expect  %eax, $(\want)
        .endm
        cld
        movl    $0xaaa, A
        movl    $0xbbb, B
        paging_on
        movl    $(TABLE(0) | RIGHTS), %eax
        movl    $DIR(0), %edi
        movl    $TABLES, %ecx
1:      stosl
        addl    $0x1000, %eax
        loop    1b
        reload

again:  settle  0, A, 0xaaa
        movl    $(B | RIGHTS), TABLE(0)
        reload
        is_at   LINEAR(0), 0xbbb

        settle  1, A, 0xaaa
        movl    $(B | RIGHTS), %eax
        xchgl   %eax, TABLE(1)
        reload
        is_at   LINEAR(1), 0xbbb

        settle  2, A, 0xaaa
        movl    $(B | RIGHTS), %eax
        movl    $TABLE(2), %edi
        movl    $1, %ecx
        rep stosl
        reload
        is_at   LINEAR(2), 0xbbb

        settle  3, B, 0xbbb
        smsw    TABLE(3)                /* CR0's lower half, of whose bits PTE_P is one: 7F0000h, read-only */
        reload
        is_at   LINEAR(3), 0xaaa

        settle  4, A, 0xaaa
        movl    $(B | RIGHTS), TABLE(4)
        invlpg  LINEAR(4)
        is_at   LINEAR(4), 0xbbb

        settle  5, A, 0xaaa
        dma_signature TABLE(5), request         /* page 554D4000h, where there is no memory */
        reload
        is_at   LINEAR(5), 0xffffffff

        settle  6, A, 0xaaa                     /* the directory */
        movl    $(B | RIGHTS), TABLE(8)
        movl    $(TABLE(8) | RIGHTS), DIR(6)
        reload
        is_at   LINEAR(6), 0xbbb
        movl    $(TABLE(6) | RIGHTS), DIR(6)
        reload

        settle  7, A, 0xaaa                     /* A and D, set while nobody compares, and taken back */
        movl    $1, LINEAR(7) + 8
        rights_are PTE_A | PTE_D
        movl    $300, %ecx
        call    reload_often
        andl    $~(PTE_A | PTE_D), TABLE(7)
        reload
        is_at   LINEAR(7), 0xaaa
        rights_are PTE_A
        movl    $2, LINEAR(7) + 8
        rights_are PTE_A | PTE_D
        decl    turns
        jnz     again
        pass
load:   movl    (%esi), %eax
        ret
reload_often:
        reload
        decl    %ecx
        jnz     reload_often
        ret
        .text   1
        .balign 4
request: .long  0, 0, 0, 0
turns:  .long   2
