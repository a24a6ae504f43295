/* One benchmark without a system around it: ITEM is which, COUNT how often.  Says "BENCH-BEGIN" on the debug console, waits a
 * moment, works, says "BENCH-DONE SUM" and halts.  Everything beneath is ../../guest/guest.inc. */
#include "guest.inc"

#define FRESH_PAGE 0x400000     /* linear and physical; its PTE is what the paging items change */
#define OTHER_DIR  0x205000     /* a second page directory, for CR3 switches */
#define TOUCHED    0x500000

        movl    $text_begin, %esi
        call    print_text
        call    pause
        call    ITEM
        jmp     finish

/* A third of a second in HLT, in which the host looks at its clocks. */
pause:  set_gate 8, 2f                          /* IRQ 0, where the BIOS has left it */
        movl    $6, %ebx
        movb    $0xfe, %al
        outb    %al, $0x21
        sti
1:      hlt
        testl   %ebx, %ebx
        jnz     1b
        cli
        movb    $0xff, %al
        outb    %al, $0x21
        ret
2:      subl    $1, %ebx
        adcl    $0, %ebx
        movb    $0x20, %al
        outb    %al, $0x20
        iret

        .macro  repeat
        movl    $COUNT, %ebp
771:
        .endm

        .macro  until_done
        decl    %ebp
        jnz     771b
        .endm

finish: /* EAX: the sum */
        movl    $SEL_DATA0, %ecx                /* IRET to ring 3 has nulled them */
        movl    %ecx, %ds
        movl    %ecx, %es
        pushl   %eax
        movl    $text_done, %esi
        call    print_text
        popl    %eax
        call    print_hex
        movb    $'\n', %al
        outb    %al, $TEXT_PORT
        cli
1:      hlt
        jmp     1b

/* A gate to HANDLER with DPL 3. */
        .macro  user_gate vector, handler
        set_gate \vector, \handler, 0xee
        .endm

/* --- ring 0, 32 bits --- */

item_in: /* the mask of the interrupt controller */
        xorl    %ebx, %ebx
        repeat
        inb     $0x21, %al
        movzbl  %al, %eax
        addl    %eax, %ebx
        until_done
        movl    %ebx, %eax
        ret

item_mmio: /* the ID register of the local APIC: FEE00020h */
        movl    0xfee00020, %ecx
        xorl    %ebx, %ebx
        repeat
        movl    0xfee00020, %eax
        cmpl    %ecx, %eax
        jne     guest_fail
        incl    %ebx
        until_done
        movl    %ebx, %eax
        ret

item_call_ret:
        xorl    %eax, %eax
        repeat
        call    1f
        call    1f
        call    1f
        call    1f
        until_done
        ret
1:      incl    %eax
        ret

item_cr3_write: /* the same root, and one access */
        paging_on
        xorl    %ebx, %ebx
        repeat
        movl    %cr3, %eax
        movl    %eax, %cr3
        addl    TOUCHED, %ebx
        incl    %ebx
        until_done
        movl    %ebx, %eax
        ret

item_cr3_switch: /* between two roots, eight pages used in each */
        paging_on
        movl    $PAGE_DIR, %esi
        movl    $OTHER_DIR, %edi
        movl    $1024, %ecx
        cld
        rep movsl
        movl    $PAGE_DIR, %esi
        movl    $OTHER_DIR, %edi
        xorl    %ebx, %ebx
        repeat
        movl    %edi, %cr3
        xchgl   %esi, %edi
        .set    page, 0
        .rept   8
        addl    TOUCHED + page * 0x1000, %ebx
        .set    page, page + 1
        .endr
        incl    %ebx
        until_done
        movl    %ebx, %eax
        ret

item_page_fault: /* not present; the handler makes it so */
        paging_on
        set_gate VEC_PF, 2f
        xorl    %ebx, %ebx
        repeat
        movl    $0, PTE(FRESH_PAGE)
        invlpg  FRESH_PAGE
        movl    %ebp, FRESH_PAGE
        until_done
        movl    %ebx, %eax
        ret
2:      movl    $(FRESH_PAGE | PTE_P | PTE_RW), PTE(FRESH_PAGE)
        incl    %ebx
        addl    $4, %esp
        iret

item_pte_modify: /* to one page and back, and a look at both */
        paging_on
        movl    $1, TOUCHED
        movl    $2, TOUCHED + 0x1000
        xorl    %ebx, %ebx
        repeat
        movl    $(TOUCHED | PTE_P | PTE_RW), PTE(FRESH_PAGE)
        invlpg  FRESH_PAGE
        addl    FRESH_PAGE, %ebx
        movl    $((TOUCHED + 0x1000) | PTE_P | PTE_RW), PTE(FRESH_PAGE)
        invlpg  FRESH_PAGE
        addl    FRESH_PAGE, %ebx
        until_done
        movl    %ebx, %eax
        ret

item_divide_error:
        set_gate VEC_DE, 2f
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        repeat
        movl    $1, %eax
        xorl    %edx, %edx
        divl    %ecx
        until_done
        movl    %ebx, %eax
        ret
2:      addl    $2, (%esp)
        incl    %ebx
        iret

item_pushf_popf: /* as spinlocks save and restore IF; nothing interrupts */
        xorl    %eax, %eax
        repeat
        pushfl
        cli
        incl    %eax
        popfl
        until_done
        ret

item_mov_sreg: /* what every system call does: user segments saved, kernel segments loaded, and back */
        xorl    %ebx, %ebx
        movl    $SEL_DATA0, %ecx
        movl    $SEL_DATA3, %edx
        repeat
        pushl   %es
        movl    %ecx, %es
        movl    %es:try_ring, %eax
        movl    %edx, %es
        popl    %es
        incl    %ebx
        until_done
        movl    %ebx, %eax
        ret

/* --- between the rings --- */

        .macro  enter_ring3 where
        pushl   $SEL_DATA3
        pushl   $user_stack_top
        pushl   $2
        pushl   $SEL_CODE3
        pushl   $\where
        iret
        .endm

item_int_gate: /* INT and IRET */
        user_gate VEC_USER, 2f
        user_gate VEC_USER + 1, finish_gate
        xorl    %ebx, %ebx
        enter_ring3 1f
1:      repeat
        int     $VEC_USER
        until_done
        movl    %ebx, %eax
        int     $(VEC_USER + 1)
2:      incl    %ebx
        iret
finish_gate:
        jmp     finish

item_sysenter:
        user_gate VEC_USER + 1, finish_gate
        xorl    %edx, %edx
        movl    $0x174, %ecx
        movl    $SEL_CODE0, %eax
        wrmsr
        movl    $0x175, %ecx
        movl    $trap_stack_top, %eax
        wrmsr
        movl    $0x176, %ecx
        movl    $2f, %eax
        wrmsr
        set_desc 0x18, 0, 0xfffff, 0xfb, 0xc    /* SYSEXIT's CS and SS are IA32_SYSENTER_CS + 16 and + 24 */
        set_desc 0x20, 0, 0xfffff, 0xf3, 0xc
        xorl    %ebx, %ebx
        pushl   $0x23
        pushl   $user_stack_top
        pushl   $2
        pushl   $0x1b
        pushl   $1f
        iret
1:      repeat
        movl    $3f, %edx
        movl    %esp, %ecx
        sysenter
3:      until_done
        movl    %ebx, %eax
        int     $(VEC_USER + 1)
2:      incl    %ebx
        sysexit

/* --- 16 bits, the same code in real and in protected mode --- */

item_real:
        enter_real_mode
        movw    $SEG16, %bx
        movw    %bx, OFF16(far_pointer16) + 2
        jmp     main16

        .code32
item_pm16:
        ljmp    $SEL_CODE16, $OFF16(1f)
        .code16
1:      movw    $SEL_DATA16, %bx
        movw    %bx, %ds
        movw    %bx, %es
        movw    %bx, %ss
        movw    $OFF16(stack_top), %sp
        movw    $SEL_CODE16, OFF16(far_pointer16) + 2
main16: /* BX: a selector for data */
        movl    $COUNT, OFF16(left16)
        movl    $0, OFF16(sum16)
1:      pushw   %bx
        call    BODY16
        popw    %bx
        movl    OFF16(sum16), %ecx
        roll    $5, %ecx
        addl    %eax, %ecx
        movl    %ecx, OFF16(sum16)
        decl    OFF16(left16)
        jnz     1b
        movw    $OFF16(text_done), %si
        call    print16
        movl    OFF16(sum16), %eax
        movw    $8, %cx
2:      roll    $4, %eax
        movw    %ax, %bx
        andw    $15, %bx
        pushw   %ax
        movb    OFF16(hex_digits)(%bx), %al
        outb    %al, $TEXT_PORT
        popw    %ax
        loop    2b
        movb    $' ', %al
        outb    %al, $TEXT_PORT
        movb    $'\n', %al
        outb    %al, $TEXT_PORT
        cli
3:      hlt
        jmp     3b
print16:
        cld
1:      lodsb
        testb   %al, %al
        jz      2f
        outb    %al, $TEXT_PORT
        jmp     1b
2:      ret

/* Each returns a sum in EAX and may use all but SP and the segments. */
body_bytes: /* a checksum over 2000 bytes */
        xorl    %eax, %eax
        movw    $OFF16(guest_base), %si
        movw    $2000, %cx
        cld
1:      lodsb
        addb    %al, %ah
        rolw    $3, %ax
        xorb    2(%si), %al
        loop    1b
        ret

body_sort: /* 100 words, bubbled */
        movw    $200, %cx
        movw    $12345, %ax
        movw    $OFF16(array16), %di
1:      movw    %ax, (%di)
        imulw   $25173, %ax, %ax
        addw    $13849, %ax
        addw    $2, %di
        subw    $2, %cx
        jnz     1b
        movw    $99, %dx
2:      movw    $OFF16(array16), %si
        movw    %dx, %cx
3:      movw    (%si), %ax
        cmpw    2(%si), %ax
        jbe     4f
        xchgw   2(%si), %ax
        movw    %ax, (%si)
4:      addw    $2, %si
        loop    3b
        decw    %dx
        jnz     2b
        movzwl  OFF16(array16) + 100, %eax
        ret

body_calls: /* the 12th Fibonacci number, arguments on the stack */
        pushw   $12
        call    fib16
        addw    $2, %sp
        movzwl  %ax, %eax
        ret
fib16:  pushw   %bp
        movw    %sp, %bp
        movw    4(%bp), %ax
        cmpw    $2, %ax
        jb      1f
        decw    %ax
        pushw   %ax
        call    fib16
        addw    $2, %sp
        pushw   %ax
        movw    4(%bp), %ax
        subw    $2, %ax
        pushw   %ax
        call    fib16
        addw    $2, %sp
        popw    %bx
        addw    %bx, %ax
1:      popw    %bp
        ret

body_strings:
        cld
        movw    $OFF16(guest_base), %si
        movw    $OFF16(array16), %di
        movw    $500, %cx
        rep movsw
        movw    $OFF16(array16), %di
        movb    $0x5a, %al
        movw    $100, %cx
        rep stosb
        movw    $OFF16(array16), %di
        xorb    %al, %al
        movw    $1000, %cx
        repne scasb
        movzwl  %cx, %eax
        ret

body_segments: /* loads of ES, LES and far calls */
        movw    $50, %cx
        xorl    %eax, %eax
1:      movw    %bx, %es
        addw    %es:OFF16(guest_base), %ax
        pushw   %es
        popw    %es
        lcallw  *OFF16(far_pointer16)
        loop    1b
        ret
far16:  incw    %ax
        lretw

body_int: /* INT 60h, as programs call DOS and the BIOS; real mode only */
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $OFF16(1f), %es:0x60 * 4
        movw    $SEG16, %es:0x60 * 4 + 2
        movw    $50, %cx
        xorl    %eax, %eax
2:      int     $0x60
        loop    2b
        ret
1:      incw    %ax
        iretw
        .code32

        .balign 4
text_begin: .asciz "BENCH-BEGIN\n"
text_done: .asciz "BENCH-DONE "
        .text   2
        .balign 4096                            /* what is written lies in no page with code */
left16: .long   0
sum16:  .long   0
far_pointer16:
        .word   OFF16(far16), 0
array16:
        .skip   1024
