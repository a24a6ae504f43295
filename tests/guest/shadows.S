/* STI, MOV SS and POP SS hold interrupts off for one instruction; STI;HLT does not lose the wake-up; interrupts arrive in a
 * tight loop and in a REP.  SDM 2B STI; 3A 6.8.3. */
#include "guest.inc"
        .macro  irq0_at handler
        set_gate 0x20, \handler
        .endm
/* Raise IRQ 0 and leave it pending: PIT counter 0, mode 0, a short count. */
        .macro  timer_soon count
        movb    $0x30, %al
        outb    %al, $0x43
        movb    $(\count & 0xff), %al
        outb    %al, $0x40
        movb    $(\count >> 8), %al
        outb    %al, $0x40
        .endm
        .macro  wait_pending
771:    movb    $0x0a, %al                      /* OCW3: IRR */
        outb    %al, $0x20
        inb     $0x20, %al
        testb   $1, %al
        jz      771b
        .endm

        movb    $0x11, %al                      /* 8259: vectors from 20h, all masked but IRQ 0 */
        outb    %al, $0x20
        movb    $0x20, %al
        outb    %al, $0x21
        movb    $0x04, %al
        outb    %al, $0x21
        movb    $0x01, %al
        outb    %al, $0x21
        movb    $0xfe, %al
        outb    %al, $0x21
        irq0_at interrupted

        /* STI: the next instruction runs first */
        timer_soon 16
        wait_pending
        sti
        nop
1:      nop
        cli
        expect  where, $1b
        /* STI; CLI: never */
        movl    $0, where
        timer_soon 16
        wait_pending
        sti
        cli
        nop
        expect  where, $0
        /* MOV SS with IF set by POPF before it */
        movl    $SEL_DATA0, %ebx
        sti
        movl    %ebx, %ss                       /* STI's shadow ends behind this, and MOV SS need not extend it */
        movl    %esp, %ecx
        nop
        cli
        expect_bits where, 0xffff0000, 0x10000
        movl    $0, where

        /* STI; HLT wakes up */
        movl    $50, %ecx
2:      timer_soon 40
        sti
        hlt
        cli
        expect_bits where, 0xffff0000, 0x10000
        movl    $0, where
        decl    %ecx
        jnz     2b

        /* a loop of one instruction, one without a backward jump of its own, and a long REP */
        timer_soon 2000
        sti
3:      cmpl    $0, where
        je      3b
        cli
        movl    $0, where
        irq0_at leave_loop
        timer_soon 2000
        sti
4:      jmp     4b
after_loop:
        cli
        irq0_at interrupted
        movl    $0, where
        movl    $0x2000, %edx
        timer_soon 500
        sti
5:      movl    $FREE_PAGES, %edi
        movl    $0x40000, %ecx
        cld
        rep stosl
        cmpl    $0, where
        je      5b
        expect  %ecx, $0
        expect  %edi, $(FREE_PAGES + 0x100000)
        cli
        pass

interrupted:
        pushl   %eax
        movl    4(%esp), %eax
        movl    %eax, where
        movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
        iret
leave_loop:
        movb    $0x20, %al
        outb    %al, $0x20
        movl    $after_loop, (%esp)
        iret
        .text   1
        .balign 4
where:  .long   0
