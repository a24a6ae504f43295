/* 286 descriptors on a 386: 16-bit TSS, 16-bit interrupt and call gates, frames of words, from 16-bit code in rings 0 and 3.
 * SDM 3A 8.6 and 7.6 (16-bit TSS), 6.12 (gates), 5.8.3. */
#include "guest.inc"
#define SEL_TSS16 (SEL_FREE + 0)
#define SEL_CODE16_3 (SEL_FREE + 8 + 3)
#define SEL_DATA16_3 (SEL_FREE + 16 + 3)
#define SEL_GATE16 (SEL_FREE + 24)
#define SP3 OFF16(user_stack_top)
        set_desc SEL_CODE16_3, BASE, 0xffff, 0xfb, 0
        set_desc SEL_DATA16_3, BASE, 0xffff, 0xf3, 0
        movl    $tss16, %eax
        movl    $43, gdt + SEL_TSS16
        movw    %ax, gdt + SEL_TSS16 + 2
        shrl    $16, %eax
        movb    %al, gdt + SEL_TSS16 + 4
        movb    $0x81, gdt + SEL_TSS16 + 5

        /* 32-bit task to 16-bit task and back: the low words travel, FS and GS become null */
        movl    $0x12345678, %ebx
        movl    $SEL_DATA0, %eax
        movl    %eax, %fs
        ljmp    $SEL_TSS16, $0
        expect  %ebx, $0x12345678
        expect  seen_ax, $0xa0a1
        expect  seen_di, $0xd0d1
        expect  seen_tr, $SEL_TSS16
        expect  seen_fs, $0
        expect  seen_type, $0x83                /* busy */
        expect_bits gdt + SEL_TSS16 + 4, 0xff00, 0x8100
        movl    %fs, %eax
        expect  %eax, $SEL_DATA0
        expect_bits tss16 + 0x12, 0xffff, SEL_TSS16     /* what it left: AX */
        /* nested: link, NT, and IRET of 16 bits out of it */
        lcall   $SEL_TSS16, $0
        expect_bits tss16, 0xffff, SEL_TSS
        expect_bits seen_ax, 0xffff, EFLAGS_NT | 2
        str     %eax
        expect  %eax, $SEL_TSS
        /* one byte short */
        movb    $42, gdt + SEL_TSS16
        try     RING0
1:      ljmp    $SEL_TSS16, $0
        done
        expect_fault VEC_TS, SEL_TSS16, 1b
        movb    $43, gdt + SEL_TSS16

        /* 16-bit gates.  From 16-bit ring 3: SS SP FLAGS CS IP, words, on the ring 0 stack */
        set_gate 0x41, OFF16(int16_3), 0xe6, SEL_CODE16
        set_gate 0x42, back, 0xee
        set_gate 0x43, OFF16(int16_0), 0xe7, SEL_CODE16
        movl    $(SEL_CODE16 << 16 | OFF16(gate16)), gdt + SEL_GATE16
        movl    $0xe402, gdt + SEL_GATE16 + 4   /* two parameters */
        movl    %esp, saved_esp
        pushl   $SEL_DATA16_3
        pushl   $SP3
        pushl   $SEL_CODE16_3
        pushl   $OFF16(ring3)
        lret
back:   movl    $SEL_DATA0, %eax
        movl    %eax, %ss
        movl    %eax, %ds
        movl    %eax, %es
        movl    %ss:saved_esp, %esp
        expect  %esi, $0x1111
        expect  %edi, $0x2222
        /* the same ring: FLAGS CS IP; a trap gate leaves IF */
        ljmp    $SEL_CODE16, $OFF16(ring0)
back0:  cli
        expect_bits seen_flags, EFLAGS_IF, EFLAGS_IF
        expect_bits seen_ax, 0xffff, 6
        pass

        .code16
        .macro  word_at offset, want
        cmpw    $(\want), \offset(%esp)
        jne     bad16
        .endm
ring3:  movl    $0, %esi
        movl    $0, %edi
        int     $0x41
1:      .set    after_int, 1b
        cmpw    $SP3, %sp
        jne     bad16
        pushw   $0x1111
        pushw   $0x2222
        lcallw  $SEL_GATE16, $0xffff            /* the offset does not count */
1:      .set    after_call, 1b
        cmpw    $SP3, %sp
        jne     bad16
        int     $0x42
int16_3:
        word_at 0, OFF16(after_int)
        word_at 2, SEL_CODE16_3
        word_at 6, SP3
        word_at 8, SEL_DATA16_3
        cmpl    $(trap_stack_top - 10), %esp    /* a 32-bit stack nevertheless */
        jne     bad16
        iretw
gate16:
        word_at 0, OFF16(after_call)
        word_at 2, SEL_CODE16_3
        word_at 4, 0x2222
        word_at 6, 0x1111
        word_at 8, (SP3 - 4)
        word_at 10, SEL_DATA16_3
        movzwl  6(%esp), %esi
        movzwl  4(%esp), %edi
        lretw   $4
ring0:  sti
        movl    %esp, %ebp
        int     $0x43
        cmpl    %esp, %ebp
        jne     bad16
        ljmpl   $SEL_CODE0, $back0
int16_0:
        pushfl
        popl    %eax
        addr32 movl    %eax, seen_flags
        movl    %ebp, %eax
        subl    %esp, %eax
        addr32 movw    %ax, seen_ax
        iretw
bad16:  movw    $SEL_DATA0, %ax
        movw    %ax, %ss
        movl    $trap_stack_top, %esp
        movl    $guest_fail, %eax
        calll   1f
1:      popl    %eax
        pushl   %eax
        ljmpl   $SEL_CODE0, $guest_fail

        /* the 16-bit task: DS has base 0 */
task16: movzwl  %ax, %eax
        addr32 movl    %eax, seen_ax
        movzwl  %di, %eax
        addr32 movl    %eax, seen_di
        movl    $0, %eax
        str     %ax
        addr32 movl    %eax, seen_tr
        movw    %fs, %ax
        addr32 movl    %eax, seen_fs
        addr32 movzbl  gdt + SEL_TSS16 + 5, %eax
        addr32 movl    %eax, seen_type
        movw    $SEL_TSS16, %ax
        ljmpw   $SEL_TSS, $0
        pushfw
        popw    %ax
        addr32 movw    %ax, seen_ax
        iretw
        .code32

        .text   1
        .balign 4
saved_esp: .long 0
seen_ax: .long  0
seen_di: .long  0
seen_tr: .long  0
seen_fs: .long  -1
seen_type: .long 0
seen_flags: .long 0
tss16:  .word   0, 0, 0, 0, 0, 0, 0
        .word   OFF16(task16), 2
        .word   0xa0a1, 0xc0c1, 0xd2d3, 0xb0b1, OFF16(task16_stack), 0, 0x5051, 0xd0d1
        .word   SEL_DATA0, SEL_CODE16, SEL_DATA16, SEL_DATA0, 0
        .text   2
        .skip   256
task16_stack:
