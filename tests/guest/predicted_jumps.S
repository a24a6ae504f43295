/* Jumps and calls through memory that mostly, but not always, go to where they went first: their slot changes, what they come to
 * changes or is another page, and the code that jumps lies at two addresses.  Registers and flags stay. */
#include "guest.inc"
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define FRAMES (FREE_PAGES + 0x40000)   /* of the library, two pages: code and its slots */
#define FRAME_C (FREE_PAGES + 0x50000)
#define FRAME_D (FREE_PAGES + 0x51000)
#define PLACE_A (FREE_PAGES + 0x80000)
#define PLACE_B (FREE_PAGES + 0x93000)
#define PAGE   (FREE_PAGES + 0xa0000)   /* shows FRAME_C or FRAME_D */
#define TURNS 20
#define OFF(label) ((label) - lib)
#define FLAGS (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_DF | EFLAGS_OF)

/* The function of the library, which is at EBX, returns \want in EDI, and leaves all else; with all flags set, and with none. */
        .macro  run function, want
        leal    OFF(\function)(%ebx), %eax
        movl    %eax, entry
        movl    $\want, wanted
        call    run_entry
        .endm
        .macro  slot which, label
        leal    OFF(\label)(%ebx), %eax
        movl    %eax, OFF(\which)(%ebx)
        .endm
        .macro  show frame
        movl    $(\frame | RIGHTS), PTE(PAGE)
        invlpg  PAGE
        .endm
        .macro  function frame, result
        movb    $0xbf, \frame                   /* movl $\result, %edi; ret */
        movl    $\result, \frame + 1
        movb    $0xc3, \frame + 5
        .endm

        set_cr4 CR4_OSFXSR
        paging_on
        movl    $lib, %esi
        movl    $FRAMES, %edi
        movl    $(lib_end - lib), %ecx
        rep movsb
        .irp    place, PLACE_A, PLACE_B
        movl    $(FRAMES | RIGHTS), PTE(\place)
        movl    $((FRAMES + 0x1000) | RIGHTS), PTE(\place + 0x1000)
        .endr
        function FRAME_C, 0xc
        function FRAME_D, 0xd
        show    FRAME_C
        movl    %cr3, %eax
        movl    %eax, %cr3
        movl    $TURNS, turns

again:  movl    $PLACE_A, %ebx
        call    jumps
        movl    $PLACE_B, %ebx
        call    calls
        call    jumps
        movl    $PLACE_A, %ebx
        call    calls
        decl    turns
        jnz     again
        pass

jumps:  slot    slot1, lib_unbound
        run     lib_plt, 0x99
        run     lib_plt, 0x99
        slot    slot1, lib_one
        run     lib_plt, 1
        run     lib_plt, 1
        run     lib_sse, 1
        slot    slot1, lib_two
        run     lib_plt, 2
        run     lib_sse, 2
        slot    slot1, lib_xmm
        run     lib_sse, 0x11223344
        slot    slot1, lib_one
        run     lib_plt, 1
        run     lib_sse, 1
        movl    $PAGE, OFF(slot2)(%ebx)         /* what it comes to is mapped otherwise, and changes */
        run     lib_far_plt, 0xc
        run     lib_far_plt, 0xc
        show    FRAME_D
        run     lib_far_plt, 0xd
        movl    $0xcc, FRAME_C + 1
        show    FRAME_C
        run     lib_far_plt, 0xcc
        run     lib_far_plt, 0xcc
        movl    $0xc, FRAME_C + 1
        run     lib_far_plt, 0xc
        run     lib_far_plt, 0xc
        slot    slot2, lib_one
        run     lib_far_plt, 1
        movl    $lib_absolute, entry            /* through a slot that is no register's */
        .irp    n, 1, 2, 1
        leal    OFF(lib_two)(%ebx), %eax
        .if     \n == 1
        leal    OFF(lib_one)(%ebx), %eax
        .endif
        movl    %eax, absolute
        movl    $\n, wanted
        call    run_entry
        .endr
        ret

calls:  slot    slot1, lib_one
        slot    slot2, lib_two
        run     lib_call, 0x101
        run     lib_call, 0x101
        run     lib_calls, 0x101
        slot    slot1, lib_two
        run     lib_call, 0x102
        run     lib_calls, 0x102
        movl    $PAGE, OFF(slot1)(%ebx)
        run     lib_call, 0x10c
        run     lib_calls, 0x10c
        movl    $0xc0, FRAME_C + 1
        run     lib_call, 0x1c0
        movl    $0xc, FRAME_C + 1
        run     lib_call, 0x10c
        slot    slot1, lib_deep
        run     lib_call, 0x182                 /* lib_deep calls by slot2 */
        slot    slot2, lib_one
        run     lib_call, 0x181
        slot    slot1, lib_after
        run     lib_call, 0x200                 /* the call comes to what follows it */
        ret

run_entry:
        .irp    flags, FLAGS, 0
        movl    $0x11223344, %eax
        movl    $0x55667788, %ecx
        movl    $0x99aabbcc, %edx
        movl    $0xddeeff00, %esi
        movl    $0, %edi
        pushl   $(\flags + 2)
        popfl
        call    *entry
        pushfl
        popl    got
        cld
        expect  %eax, $0x11223344
        expect  %ecx, $0x55667788
        expect  %edx, $0x99aabbcc
        expect  %esi, $0xddeeff00
        expect  %edi, wanted
        expect_bits got, FLAGS, \flags
        .endr
        ret

lib_absolute:
        jmp     *absolute

        .p2align 12                             /* no code here */
turns:  .long   0
entry:  .long   0
wanted: .long   0
got:    .long   0
absolute:
        .long   0

        .p2align 12
lib:    .skip   16
lib_plt:
        jmp     *OFF(slot1)(%ebx)
lib_unbound:
        movl    $0x99, %edi
        ret
lib_far_plt:
        jmp     *OFF(slot2)(%ebx)
lib_sse:
        movd    %eax, %xmm0
        jmp     *OFF(slot1)(%ebx)
lib_one:
        movl    $1, %edi
        ret
lib_two:
        movl    $2, %edi
        ret
lib_xmm:
        movd    %xmm0, %edi
        ret
lib_call:
        call    *OFF(slot1)(%ebx)
lib_after:
        leal    0x100(%edi), %edi
        ret
lib_calls:                                      /* EDI = slot1's result + 40h times slot2's twice */
        pushl   %ecx
        call    *OFF(slot2)(%ebx)
        movl    %edi, %ecx
        call    *OFF(slot2)(%ebx)
        leal    (%edi, %ecx, 1), %ecx
        call    *OFF(slot1)(%ebx)
        pushl   %edx
        leal    (, %ecx, 8), %edx
        leal    (%edi, %edx, 8), %edi
        popl    %edx
        popl    %ecx
        ret
lib_deep:
        call    *OFF(slot2)(%ebx)
        leal    0x80(%edi), %edi
        ret
        .org    lib + 0x1000
slot1:  .long   0
slot2:  .long   0
lib_end:
