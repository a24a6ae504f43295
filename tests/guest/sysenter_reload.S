/* SYSENTER and SYSEXIT at the same places with paging: address spaces, mappings, MSRs, IOPL and AC change between them; ring 3 never sees
 * what is the supervisor's.  SDM 2B, SYSENTER, SYSEXIT; 3A 4.6, 4.10. */
#include "guest.inc"
#define SEL_BASE SEL_FREE
#define SEL_MORE (SEL_FREE + 32)
#define DATA 0x500000                           /* in a page table of which the kernel uses nothing */
#define SECRET (FREE_PAGES + 0x6000)
#define FRAME_TWO (FREE_PAGES + 0x15000)
#define FRAME_THREE (FREE_PAGES + 0x16000)
#define DIR_TWO (FREE_PAGES + 0x40000)
#define TABLE_TWO (DIR_TWO + 0x1000)            /* of 400000h to 7FFFFFh */
        .macro  msr number, value
        movl    $\number, %ecx
        movl    $(\value), %eax
        movl    $0, %edx
        wrmsr
        .endm
        /* in ring 3: the kernel does `what`, then the word at DATA is `want` */
        .macro  call_kernel what, want
        movl    $\what, %eax
        call    user_call
        cmpl    $\want, DATA
        jne     bad
        .endm

        .irp    base, SEL_BASE, SEL_MORE
        set_desc (\base), 0, 0xfffff, 0x9b, 0xc
        set_desc (\base+8), 0, 0xfffff, 0x93, 0xc
        set_desc (\base+16), 0, 0xfffff, 0xfb, 0xc
        set_desc (\base+24), 0, 0xfffff, 0xf3, 0xc
        .endr
        movl    $0x1111, DATA
        movl    $0x2222, FRAME_TWO
        movl    $0x3333, FRAME_THREE
        msr     0x174, SEL_BASE
        msr     0x175, kernel_stack
        msr     0x176, entry
        movl    $20, rounds                             /* without paging first */
1:      try     RING3
        call_kernel 0, 0x1111
        call_kernel 0, 0x1111
        movl    %cs, %edi
        done
        expect_done
        expect  %edi, $(SEL_BASE + 16 + 3)
        decl    rounds
        jnz     1b

        movl    $TABLE_TWO, %edi
        movl    $(0x400000 | PTE_P | PTE_RW | PTE_US), %eax
1:      movl    %eax, (%edi)
        addl    $4, %edi
        addl    $0x1000, %eax
        cmpl    $(TABLE_TWO + 0x1000), %edi
        jne     1b
        movl    $(PAGE_TABLE | PTE_P | PTE_RW | PTE_US), DIR_TWO
        movl    $(TABLE_TWO | PTE_P | PTE_RW | PTE_US), DIR_TWO + 4
        movl    $(FRAME_TWO | PTE_P | PTE_RW | PTE_US), TABLE_TWO + (((DATA) >> 12) & 1023) * 4
        paging_on
        movl    $(SECRET | PTE_P | PTE_RW), PTE(SECRET)
        invlpg  SECRET
        movl    $30, rounds
again:  try     RING3, EFLAGS_CF | EFLAGS_IF
        call_kernel 0, 0x1111
        call_kernel 0, 0x1111
        call_kernel 4, 0x2222                           /* the other address space */
        call_kernel 0, 0x2222
        call_kernel 8, 0x1111                           /* and back */
        call_kernel 12, 0x3333                          /* INVLPG */
        call_kernel 0, 0x3333
        call_kernel 16, 0x1111                          /* a full flush */
        call_kernel 20, 0x1111                          /* other selectors */
        movl    %cs, %esi
        movl    %ss, %edi
        call_kernel 24, 0x1111
        movl    %cs, %ebp
        movl    %ss, %ebx
        done
        expect_done
        expect  %esi, $(SEL_MORE + 16 + 3)
        expect  %edi, $(SEL_MORE + 24 + 3)
        expect  %ebp, $(SEL_BASE + 16 + 3)
        expect  %ebx, $(SEL_BASE + 24 + 3)
        expect  kernel_cs, $SEL_MORE                    /* when it was called last */
        expect  kernel_ss, $(SEL_MORE + 8)
        expect_bits kernel_flags, EFLAGS_IF, 0

        /* the window of ring 3 again */
        try     RING3
        call_kernel 0, 0x1111
1:      movl    SECRET, %eax
        done
        expect_fault VEC_PF, 5, 1b
        expect  trap_cr2, $SECRET

        /* IOPL and AC decide what ring 3 may do */
        try     RING3, IOPL3
        call_kernel 0, 0x1111
        cli
        done
        expect_done
        try     RING3
        call_kernel 0, 0x1111
1:      cli
        done
        expect_fault VEC_GP, 0, 1b
        movl    %cr0, %eax
        orl     $CR0_AM, %eax
        movl    %eax, %cr0
        try     RING3
        call_kernel 0, 0x1111
        movl    DATA + 1, %ecx
        done
        expect_done
        try     RING3, EFLAGS_AC
        call_kernel 0, 0x1111
1:      movl    DATA + 1, %ecx
        done
        expect_fault VEC_AC, 0, 1b
        decl    rounds
        jnz     again

        /* no selector, and one again; another entry point */
        .rept   3
        msr     0x174, 3
        movl    $0, %eax
        try     RING3
        call    user_call
        done
        expect_fault VEC_GP, 0, user_sysenter
        msr     0x174, SEL_BASE
        msr     0x176, other_entry
        try     RING3
        call_kernel 0, 0x1111
        done
        expect_done
        expect  %esi, $0x5a5a
        msr     0x176, entry
        movl    $0, %esi
        try     RING3
        call_kernel 0, 0x1111
        done
        expect_done
        expect  %esi, $0
        .endr
        pass

bad:    hlt
user_call:
        movl    %esp, %ecx
        movl    $1f, %edx
user_sysenter:
        sysenter
        nop
1:      ret

other_entry:
        movl    $0x5a5a, %esi
entry:  pushfl
        popl    kernel_flags
        movw    %cs, kernel_cs
        movw    %ss, kernel_ss
        cmpl    $kernel_stack, %esp
        jne     bad
        incl    SECRET
        jmp     *actions(%eax)
do_nothing:
        sysexit
to_two: movl    $DIR_TWO, %eax
        movl    %eax, %cr3
        sysexit
to_one: movl    $PAGE_DIR, %eax
        movl    %eax, %cr3
        sysexit
remap:  movl    $(FRAME_THREE | PTE_P | PTE_RW | PTE_US), PTE(DATA)
        invlpg  DATA
        sysexit
remap_back:
        movl    $(DATA | PTE_P | PTE_RW | PTE_US), PTE(DATA)
        movl    %cr3, %eax
        movl    %eax, %cr3
        sysexit
other_selectors:
        pushl   %ecx
        pushl   %edx
        msr     0x174, SEL_MORE
        popl    %edx
        popl    %ecx
        sysexit
first_selectors:
        pushl   %ecx
        pushl   %edx
        msr     0x174, SEL_BASE
        popl    %edx
        popl    %ecx
        sysexit

        .text   1
        .balign 8
actions: .long  do_nothing, to_two, to_one, remap, remap_back, other_selectors, first_selectors
rounds: .long   0
kernel_cs: .long 0
kernel_ss: .long 0
kernel_flags: .long 0
        .skip   256
kernel_stack: .long 0
