/* Far calls, jumps and returns of protected mode, again and again at the same places, while what the selector means changes: base, limit,
 * type, presence and privilege of the descriptor, its table, a gate in its place.  16- and 32-bit code.  SDM 2A CALL, JMP; 2B RET; 3A 5.8. */
#include "guest.inc"
#define SEL_X SEL_FREE
#define SEL_Y16 (SEL_FREE + 8)  /* SEL_CODE16's code, 10h lower */
#define SEL_GAP 0xe8               /* empty */
#define AREA FREE_PAGES
#define OTHER_GDT (FREE_PAGES + 0x10000)
#define GDT_BYTES (GDT_LAST + 8)
#define STACK_PAGE (FREE_PAGES + 0x8000)
#define OFF_Y(label) (OFF16(label) - 0x10)

        .macro  x_is base, limit=0xfffff, access=0x9b, flags=0xc
        set_desc SEL_X, \base, \limit, \access, \flags
        .endm
        .macro  call_x want
        xorl    %eax, %eax
        movl    %esp, %ebx
        call    site_call
        subl    %esp, %ebx
        expect  %eax, $\want
        expect  %ebx, $0
        .endm
        .macro  call_refused vector, error
        try     RING0
        call    site_call
        done
        expect_fault \vector, (\error), site_call
        expect  trap_cs, $SEL_CODE0
        .endm
        /* MOV EAX, value; RET far */
        .macro  function at, value
        movb    $0xb8, \at
        movl    $\value, \at + 1
        movb    $0xcb, \at + 5
        .endm

        function AREA, 1
        function AREA + 0x100, 3
        function AREA + 0x1000, 2
        function AREA + 0x1100, 4
        x_is    AREA
        set_desc SEL_Y16, (BASE + 0x10), 0xffff, 0x9b, 0
        movl    $0, round
again:  movl    $SEL_X, pointer + 4
        movl    $0, pointer
        movl    $10, %ebp
1:      call_x  1
        x_is    (AREA + 0x1000)
        call_x  2
        movl    $0x100, pointer
        call_x  4
        x_is    AREA
        call_x  3
        movl    $0, pointer
        call_x  1
        decl    %ebp
        jnz     1b

        /* beyond the limit, which is the call's fault; exactly inside */
        x_is    AREA, 0xff, 0x9b, 4
        .rept   4
        call_x  1
        .endr
        movl    $0x100, pointer
        call_refused VEC_GP, 0
        x_is    AREA, 0x105, 0x9b, 4
        call_x  3
        movl    $0, pointer
        x_is    AREA, 0xfffff, 0x1b
        call_refused VEC_NP, SEL_X
        x_is    AREA, 0xfffff, 0x93
        call_refused VEC_GP, SEL_X
        x_is    AREA, 0xfffff, 0xfb
        call_refused VEC_GP, SEL_X
        x_is    AREA
        call_x  1
        movl    $(SEL_X + 1), pointer + 4
        call_refused VEC_GP, SEL_X
        movl    $0, pointer + 4
        call_refused VEC_GP, 0
        movl    $(GDT_LAST + 8), pointer + 4
        call_refused VEC_GP, (GDT_LAST + 8)
        movl    $SEL_X, pointer + 4
        x_is    AREA, 0xfffff, 0x9f                     /* conforming */
        call_x  1
        x_is    AREA, 0xfffff, 0x9a
        call_x  1
        expect_bits gdt + SEL_X + 4, 0x100, 0x100
        andb    $0xfe, gdt + SEL_X + 5
        call_x  1
        expect_bits gdt + SEL_X + 4, 0x100, 0x100

        /* another GDT */
        movl    $SEL_DATA0, %eax
        movl    %eax, %es
        movl    $gdt, %esi
        movl    $OTHER_GDT, %edi
        movl    $GDT_BYTES, %ecx
        cld
        rep movsb
        movb    $0x10, OTHER_GDT + SEL_X + 3            /* base + 1000h */
        lgdt    other_gdt
        call_x  2
        lgdt    gdt_pointer
        call_x  1

        /* a call gate where the code was, and code again */
        movl    gdt + SEL_X, %esi
        movl    gdt + SEL_X + 4, %edi
        movl    $gate_target, %eax
        movw    %ax, gdt + SEL_X
        movw    $SEL_CODE0, gdt + SEL_X + 2
        movw    $0x8c00, gdt + SEL_X + 4
        shrl    $16, %eax
        movw    %ax, gdt + SEL_X + 6
        call_x  77
        movl    %esi, gdt + SEL_X
        movl    %edi, gdt + SEL_X + 4
        call_x  1

        /* returns: to where, and where not */
        movl    $4, %ebp
1:      movl    %esp, %ebx
        pushl   $0x5a5a5a5a
        pushl   $SEL_CODE0
        pushl   $2f
        jmp     site_return
2:      subl    %esp, %ebx
        expect  %ebx, $0
        decl    %ebp
        jnz     1b
        .irp    bad, SEL_DATA0, SEL_GAP, SEL_TSS
        try     RING0
        pushl   $0
        pushl   $\bad
        pushl   $0
        jmp     site_return
        done
        expect_fault VEC_GP, \bad, site_return
        .endr
        x_is    AREA, 0xff, 0x9b, 4
        try     RING0
        pushl   $0
        pushl   $SEL_X
        pushl   $0x100
        jmp     site_return
        done
        expect_fault VEC_GP, 0, site_return
        x_is    AREA

        /* outward, at the same place */
        movl    $0, %ecx
        try     RING0
        movl    $(user_stack_top - 64), %eax
        pushl   $SEL_DATA3
        pushl   %eax
        pushl   $0
        pushl   $SEL_CODE3
        pushl   $2f
        jmp     site_return
2:      movl    %cs, %ecx
        done
        expect_done
        expect  %ecx, $SEL_CODE3

        /* in ring 3, and from there the descriptor of ring 0 */
        .irp    ring, 1, 2, 3
        x_is    AREA, 0xfffff, (0x9b+(\ring<<5))
        movl    $(SEL_X + \ring), pointer + 4
        movl    $3, %edx
1:      try     \ring
        call    site_call
        movl    %cs, %edi
        done
        expect_done
        expect  %eax, $1
        expect  %edi, try_code + 4*\ring
        x_is    (AREA + 0x1000), 0xfffff, (0x9b+(\ring<<5))
        try     \ring
        call    site_call
        done
        expect_done
        expect  %eax, $2
        x_is    AREA, 0xfffff, (0x9b+(\ring<<5))
        decl    %edx
        jnz     1b
        x_is    AREA
        try     \ring
        call    site_call
        done
        expect_fault VEC_GP, SEL_X, site_call
        .endr
        movl    $SEL_X, pointer + 4
        call_x  1

        /* jumps */
        movl    $5, %ebp
1:      ljmp    $SEL_CODE0, $2f
        nop
2:      movl    $SEL_CODE0, jump_pointer + 4
        movl    $3f, jump_pointer
        ljmp    *jump_pointer
        nop
3:      decl    %ebp
        jnz     1b

        /* 16-bit code */
        movl    $0, sum
        movl    $0, trail
        ljmp    $SEL_CODE16, $OFF16(in16)
        .code16
in16:   movw    $SEL_DATA16, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movl    $(0xabcd0000 + OFF16(stack_top)), %esp
        movw    $50, %bp
1:      movw    %sp, %si
        lcallw  $SEL_Y16, $OFF_Y(far_16)
        callw   near_16
        lcallw  *OFF16(pointer16)
        pushw   $7
        pushw   $8
        lcallw  $SEL_Y16, $OFF_Y(far_drop)
        cmpw    %sp, %si
        jne     bad16
        movl    %esp, %eax
        shrl    $16, %eax
        cmpw    $0xabcd, %ax
        jne     bad16
        movw    %cs, %ax
        cmpw    $SEL_CODE16, %ax
        jne     bad16
        /* the same through a 32-bit operand */
        lcalll  $SEL_Y16, $OFF_Y(far_16l)
        cmpw    %sp, %si
        jne     bad16
        decw    %bp
        jnz     1b
        ljmpw   $SEL_Y16, $OFF_Y(last16)
bad16:  movw    $1, OFF16(sum)
        jmp     last
far_16: incw    OFF16(trail)
        callw   near_16
        lretw
far_16l:
        incw    OFF16(trail)
        lretl
far_drop:
        movw    %sp, %di
        addw    $1, OFF16(trail)
        lretw   $4
near_16:
        addw    $1, OFF16(trail)
        lcallw  $SEL_CODE16, $OFF16(leaf_16)
        ret
leaf_16:
        addw    $1, OFF16(trail)
        lretw
last16: movw    %cs, %ax
        cmpw    $SEL_Y16, %ax
        jne     bad16
last:   ljmpl   $SEL_CODE0, $1f
        .code32
1:      movl    $SEL_DATA0, %eax
        movl    %eax, %ds
        movl    %eax, %ss
        movl    $stack_top, %esp
        expect  sum, $0
        expect  trail, $(50 * 10)

        cmpl    $0, round
        jne     paged
        movl    $1, round
        paging_on
        jmp     again

        /* the stack's page is absent or not writable, the descriptor's absent */
paged:
        .irp    bits, PTE_RW, PTE_P
        movl    $(STACK_PAGE | PTE_P | PTE_RW), PTE(STACK_PAGE)
        invlpg  STACK_PAGE
        call_x  1
        movl    $(STACK_PAGE | \bits), PTE(STACK_PAGE)
        invlpg  STACK_PAGE
        movl    %cr0, %eax
        orl     $CR0_WP, %eax
        movl    %eax, %cr0
        try     RING1
        movl    $(SEL_X + 1), pointer + 4
        movl    $(STACK_PAGE + 0x1000), %esp
1:      lcall   *pointer
        done
        expect_fault VEC_GP, SEL_X, 1b
        x_is    AREA, 0xfffff, 0xbb
        movl    $(SEL_X + 1), pointer + 4
        movl    $3, %edx
2:      try     RING1
        movl    $(STACK_PAGE + 0x1000), %esp
1:      lcall   *pointer
        done
        .if     \bits == PTE_P
        expect_fault VEC_PF, 3, 1b
        .else
        expect_fault VEC_PF, 2, 1b
        .endif
        expect  trap_cr2, $(STACK_PAGE + 0xffc)
        expect  trap_esp, $(STACK_PAGE + 0x1000)
        decl    %edx
        jnz     2b
        x_is    AREA
        movl    $SEL_X, pointer + 4
        .endr
        movl    $PTE_RW, PTE(STACK_PAGE)
        invlpg  STACK_PAGE
        try     RING1
        movl    $(STACK_PAGE + 0xffc), %esp
1:      lret
        done
        expect_fault VEC_PF, 0, 1b
        expect  trap_esp, $(STACK_PAGE + 0xffc)
        pass

site_call:
        lcall   *pointer
        ret
site_return:
        lret    $4
gate_target:
        movl    $77, %eax
        lret

        .text   1
        .balign 8
round:  .long   0
pointer: .long  0, 0
jump_pointer: .long 0, 0
sum:    .long   0
trail:  .long   0
pointer16: .word OFF_Y(far_16), SEL_Y16
other_gdt: .word GDT_BYTES - 1
        .long   OTHER_GDT
