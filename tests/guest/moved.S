/* The same pages of code at many linear addresses, as libraries are in the processes of a system: calls, jumps, faults and what else
 * knows its own address tell the one it runs at, also the lowest ones and those around 4 GiB; and when the code changes, it has
 * changed at all of them. */
#include "guest.inc"
#define RIGHTS (PTE_P | PTE_RW | PTE_US)
#define FRAMES (FREE_PAGES + 0x40000)   /* of the code, two pages */
#define ABSENT (FREE_PAGES + 0x50000)
#define TABLE2 (FREE_PAGES + 0x51000)   /* page table of the last 4 MiB */
#define PLACES 6
#define OFF(label) ((label) - lib)

        paging_on
        movl    $lib, %esi
        movl    $FRAMES, %edi
        movl    $(lib_end - lib), %ecx
        rep movsb
        movl    $0, PTE(ABSENT)
        invlpg  ABSENT
        movl    $(TABLE2 | RIGHTS), PAGE_DIR + 0xffc

        movl    $3, rounds
round:  movl    $0, place
next:   movl    place, %eax
        movl    places(, %eax, 4), %edi
        movl    %edi, %eax                                      /* map both pages there */
        movl    $(FRAMES | RIGHTS), %ebx
        call    map
        leal    0x1000(%edi), %eax                              /* which is 0 behind the last one */
        movl    $((FRAMES + 0x1000) | RIGHTS), %ebx
        call    map
        movl    %cr3, %eax
        movl    %eax, %cr3
        call    use
        incl    place
        cmpl    $PLACES, place
        jne     next
        addl    $0x100, change                                  /* another constant in the code */
        movl    change, %eax
        movl    %eax, FRAMES + OFF(lib_constant) + 1
        decl    rounds
        jnz     round
        pass

/* EBX is the entry of page EAX. */
map:    shrl    $12, %eax
        cmpl    $0xffc00, %eax
        jae     1f
        movl    %ebx, PAGE_TABLE(, %eax, 4)
        ret
1:      andl    $0x3ff, %eax
        movl    %ebx, TABLE2(, %eax, 4)
        ret

/* Each function a few times at EDI. */
use:    movl    $6, %ebp
2:      leal    OFF(lib_where)(%edi), %edx
        call    *%edx
        leal    OFF(lib_here)(%edi), %ecx
        expect  %eax, %ecx
        leal    OFF(lib_constant)(%edi), %edx
        call    *%edx
        expect  %eax, change
        leal    OFF(lib_loop)(%edi), %edx
        call    *%edx
        expect  %eax, $(10 * 11 / 2 * 3)
        leal    OFF(lib_system)(%edi), %edx
        call    *%edx
        expect  %eax, $(SEL_TSS + 1)
        leal    OFF(lib_far_page)(%edi), %edx
        call    *%edx
        leal    OFF(lib_there)(%edi), %ecx
        expect  %eax, %ecx
        leal    OFF(lib_fault)(%edi), %edx
        movl    $ABSENT, %ebx
        try     RING3
        call    *%edx
        done
        leal    OFF(lib_load)(%edi), %ecx
        expect_fault VEC_PF, 4
        expect  trap_eip, %ecx
        expect  trap_cr2, $ABSENT
        leal    OFF(lib_privileged)(%edi), %edx
        try     RING3
        call    *%edx
        done
        expect_fault VEC_GP
        expect  trap_eip, %edx
        leal    OFF(lib_trap)(%edi), %edx
        try     RING3
        call    *%edx
        done
        leal    1(%edx), %ecx
        expect_fault VEC_BP
        expect  trap_eip, %ecx
        decl    %ebp
        jnz     2b
        ret

        .p2align 2
places: .long   FREE_PAGES + 0x80000, FREE_PAGES + 0x90000, FREE_PAGES + 0xa1000, 0xffffe000, 0xfffff000, FREE_PAGES + 0x80000
place:  .long   0
rounds: .long   0
change: .long   0x11

        .p2align 12
lib:    .skip   16                                              /* no instruction at address 0 */
lib_where:
        call    lib_here
lib_here:
        popl    %eax
        ret
lib_constant:
        movl    $0x11, %eax
        ret
lib_loop:                                                       /* 3 * (1 + ... + 10), by calls, jumps and an indirect call */
        pushl   %esi
        pushl   %ebx
        xorl    %esi, %esi
        movl    $10, %ecx
3:      addl    %ecx, %esi
        call    4f
        decl    %ecx
        jnz     3b
        movl    %esi, %eax
        popl    %ebx
        popl    %esi
        ret
4:      call    5f
5:      popl    %ebx
        addl    $(lib_add - 5b), %ebx
        call    *%ebx
        jmp     lib_add
lib_add:
        testl   %ecx, %ecx
        jz      6f
        addl    %ecx, %esi
6:      ret
lib_system:                                                     /* call-outs in the middle */
        str     %eax
        cmpl    $SEL_TSS, %eax
        jne     7f
        incl    %eax
7:      ret
lib_fault:
        xorl    %eax, %eax
        pushl   %eax
lib_load:
        movl    (%ebx), %eax
        popl    %eax
        ret
lib_privileged:
        cli
        ret
lib_trap:
        int3
        ret
lib_far_page:                                                   /* what is in the other page */
        call    lib_there - 5
        nop
        ret
        .org    lib + 0x1020
        call    lib_there
lib_there:
        popl    %eax
        ret
lib_end:
