/* A virtual-8086 monitor, as EMM386 was one: paging, an I/O bitmap, privileged instructions done on #GP, interrupts and
 * exceptions given to the 16-bit side through its own vectors.  Included by system.S; segment base SYSTEM_SEG * 16.
 *
 * IOPL is 0, and the IF of the 16-bit side is the processor's: an interrupt comes only when it may be reflected. */
#define M_CODE 8
#define M_DATA 16
#define M_FLAT 24
#define M_TSS 32
#define m_tss 0xc000    /* in the system's segment; behind it the bitmap of all ports */
#define m_io_bitmap (m_tss + 104)
#define PAGE_DIR 0x80000
#define PAGE_TABLES 0x81000
#define FIRST_IRQ 0x50
#define VM 0x20000

/* The frame of a vector: */
#define F_EAX 28
#define F_VECTOR 32
#define F_ERROR 36
#define F_EIP 40
#define F_CS 44
#define F_EFLAGS 48
#define F_ESP 52
#define F_SS 56

        .code16
monitor_enter:                                  /* near call from real mode; returns in virtual-8086 mode */
        cli
        popw    %ax
        movw    %ax, v86_ip
        movw    %sp, v86_sp
        lgdtl   m_gdt_pointer
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $M_CODE, $1f
        .code32
1:      movl    $M_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $M_FLAT, %eax
        movl    %eax, %fs
        movl    $monitor_stack_top, %esp

        /* 16 MiB linear = physical; the first one, and the 64 KiB above it, which are the first again, for users */
        movl    $PAGE_DIR, %ebx
        movl    $PAGE_TABLES, %edx
        movl    $4, %ecx
1:      leal    7(%edx), %eax
        movl    %eax, %fs:(%ebx)
        addl    $4, %ebx
        addl    $0x1000, %edx
        loop    1b
        xorl    %ecx, %ecx
2:      movl    %ecx, %eax
        shll    $12, %eax
        orl     $3, %eax
        cmpl    $0x110, %ecx
        jae     3f
        orl     $4, %eax
        cmpl    $0x100, %ecx
        jb      3f
        subl    $0x100000, %eax
3:      cmpl    $0xa0, %ecx                     /* video memory comes by page faults */
        jb      4f
        cmpl    $0xc0, %ecx
        jae     4f
        andl    $~1, %eax
4:      movl    %eax, %fs:PAGE_TABLES(, %ecx, 4)
        incl    %ecx
        cmpl    $0x1000, %ecx
        jb      2b
        movl    $PAGE_DIR, %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $0x80010000, %eax
        movl    %eax, %cr0

        xorl    %ecx, %ecx
        movl    $stubs, %edx
5:      movw    %dx, m_idt(, %ecx, 8)
        movw    $M_CODE, m_idt + 2(, %ecx, 8)
        movw    $0x8e00, m_idt + 4(, %ecx, 8)
        movw    $0, m_idt + 6(, %ecx, 8)
        addl    $16, %edx
        incl    %ecx
        cmpl    $(FIRST_IRQ + 16), %ecx
        jb      5b
        movb    $0xee, m_idt + 3 * 8 + 5        /* INT3 and INTO do not ask IOPL */
        movb    $0xee, m_idt + 4 * 8 + 5
        lidt    m_idt_pointer
        movl    $m_tss, %edi
        movl    $(104 + 8192) / 4, %ecx
        xorl    %eax, %eax
        rep stosl
        movb    $0xff, m_io_bitmap + 8192
        movl    $(SYSTEM_SEG * 16 + m_tss), %eax
        movw    %ax, m_gdt + M_TSS + 2
        shrl    $16, %eax
        movb    %al, m_gdt + M_TSS + 4
        movl    $monitor_stack_top, m_tss + 4
        movl    $M_DATA, m_tss + 8
        movw    $104, m_tss + 102
        movb    $0xff, m_io_bitmap + 0x3f8 / 8  /* the serial port, the RTC */
        orb     $3, m_io_bitmap + 0x70 / 8
        movw    $M_TSS, %ax
        ltr     %ax

        movb    $FIRST_IRQ, %cl                 /* both 8259s to vectors of their own */
        movb    $0x11, %al
        outb    %al, $0x20
        outb    %al, $0xa0
        movb    %cl, %al
        outb    %al, $0x21
        addb    $8, %al
        outb    %al, $0xa1
        movb    $4, %al
        outb    %al, $0x21
        movb    $2, %al
        outb    %al, $0xa1
        movb    $1, %al
        outb    %al, $0x21
        outb    %al, $0xa1
        movb    $0xb8, %al                      /* timer, keyboard, cascade, floppy */
        outb    %al, $0x21
        movb    $0x8f, %al
        outb    %al, $0xa1

        pushl   $0                              /* GS, FS, DS, ES, SS */
        pushl   $0
        pushl   $SYSTEM_SEG
        pushl   $SYSTEM_SEG
        pushl   $SYSTEM_SEG
        pushl   v86_sp
        pushl   $(VM | IF | 2)
        pushl   $SYSTEM_SEG
        pushl   v86_ip
        iret

        .balign 16
stubs:
        .set    vector, 0
        .rept   FIRST_IRQ + 16
        .if     vector != 8 && (vector < 10 || vector > 14) && vector != 17
        pushl   $0
        .endif
        pushl   $vector
        jmp     trap
        .balign 16
        .set    vector, vector + 1
        .endr

trap:   pushal
        movl    $M_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    $M_FLAT, %eax
        movl    %eax, %fs
        cld
        movl    %esp, %ebp
        testl   $VM, F_EFLAGS(%ebp)
        jz      monitor_died
        movl    F_VECTOR(%ebp), %ebx
        cmpl    $13, %ebx
        je      general_protection
        cmpl    $14, %ebx
        je      page_fault
        cmpl    $FIRST_IRQ, %ebx
        jb      reflect
        incl    irqs
        subl    $FIRST_IRQ - 8, %ebx            /* IRQ 0: INT 8; IRQ 8: INT 70h */
        cmpl    $16, %ebx
        jb      reflect
        addl    $0x60, %ebx

/* Interrupt EBX for the 16-bit side. */
reflect:
        incl    reflections
        movl    F_EFLAGS(%ebp), %eax
        call    push16
        movl    F_CS(%ebp), %eax
        call    push16
        movl    F_EIP(%ebp), %eax
        call    push16
        movzwl  %fs:(, %ebx, 4), %eax
        movl    %eax, F_EIP(%ebp)
        movzwl  %fs:2(, %ebx, 4), %eax
        movl    %eax, F_CS(%ebp)
        andl    $~(IF | TF), F_EFLAGS(%ebp)
back:   popal
        addl    $8, %esp
        iret

push16: subw    $2, F_ESP(%ebp)
        movzwl  F_SS(%ebp), %esi
        shll    $4, %esi
        movzwl  F_ESP(%ebp), %edi
        movw    %ax, %fs:(%esi, %edi)
        ret

pop16:  movzwl  F_SS(%ebp), %esi
        shll    $4, %esi
        movzwl  F_ESP(%ebp), %edi
        movzwl  %fs:(%esi, %edi), %eax
        addw    $2, F_ESP(%ebp)
        ret

page_fault:
        incl    page_faults
        movl    %cr2, %eax
        shrl    $12, %eax
        cmpl    $0xa0, %eax
        jb      monitor_died
        cmpl    $0xc0, %eax
        jae     monitor_died
        orl     $1, %fs:PAGE_TABLES(, %eax, 4)
        jmp     back

/* A privileged instruction, or a segment limit exceeded. */
general_protection:
        movzwl  F_CS(%ebp), %esi
        shll    $4, %esi
        movzwl  F_EIP(%ebp), %ecx
        xorl    %edx, %edx                      /* 1: 32-bit operand */
        cmpb    $0x66, %fs:(%esi, %ecx)
        jne     1f
        incl    %edx
        incl    %ecx
1:      movzbl  %fs:(%esi, %ecx), %eax
        incl    %ecx
        movl    $opcodes, %edi
2:      cmpb    (%edi), %al
        je      3f
        addl    $5, %edi
        cmpl    $opcodes_end, %edi
        jb      2b
        movl    $13, %ebx                       /* a fault of the 16-bit side */
        jmp     reflect
3:      incl    emulated
        jmp     *1(%edi)
        .macro  opcode byte, label
        .byte   \byte
        .long   \label
        .endm
opcodes:
        opcode  0xfa, do_cli
        opcode  0xfb, do_sti
        opcode  0x9c, do_pushf
        opcode  0x9d, do_popf
        opcode  0xcf, do_iret
        opcode  0xcd, do_int
        opcode  0xf4, do_next
        opcode  0xe4, do_in_imm
        opcode  0xe6, do_out_imm
        opcode  0xec, do_in
        opcode  0xee, do_out
opcodes_end:

do_cli: andl    $~IF, F_EFLAGS(%ebp)
        jmp     do_next
do_sti: orl     $IF, F_EFLAGS(%ebp)
do_next:                                        /* also HLT: it waits by looking again and again */
        movw    %cx, F_EIP(%ebp)
        jmp     back

do_pushf:
        testl   %edx, %edx
        jz      1f
        movl    F_EFLAGS(%ebp), %eax
        shrl    $16, %eax
        andl    $0x24, %eax                     /* AC, ID; VM and RF are not shown */
        call    push16
1:      movl    F_EFLAGS(%ebp), %eax
        call    push16
        jmp     do_next

/* To the 16 low flags: all but IOPL and what is always 1 or 0. */
set_flags:
        andl    $0x4fd5, %eax
        andl    $~0x4fd5, F_EFLAGS(%ebp)
        orl     %eax, F_EFLAGS(%ebp)
        ret

do_popf:
        call    pop16
        call    set_flags
        testl   %edx, %edx
        jz      do_next
        call    pop16
        jmp     do_next

do_iret:
        call    pop16
        movl    %eax, %ecx
        testl   %edx, %edx
        jz      1f
        call    pop16
1:      call    pop16
        movw    %ax, F_CS(%ebp)
        testl   %edx, %edx
        jz      2f
        call    pop16
2:      call    pop16
        call    set_flags
        testl   %edx, %edx
        jz      do_next
        call    pop16
        jmp     do_next

do_int: movzbl  %fs:(%esi, %ecx), %ebx
        incl    %ecx
        movw    %cx, F_EIP(%ebp)
        cmpb    $INT_MONITOR, %bl
        je      the_end
        cmpb    $0x15, %bl
        jne     reflect
        cmpb    $0x87, F_EAX + 1(%ebp)
        jne     reflect

/* INT 15h, function 87h: CX words between the segments at ES:SI + 10h and 18h.  The BIOS would leave this mode for it. */
        incl    block_moves
        movzwl  F_SS + 4(%ebp), %ebx            /* ES */
        shll    $4, %ebx
        movzwl  4(%ebp), %eax                   /* SI */
        addl    %eax, %ebx
        movzwl  24(%ebp), %ecx                  /* CX */
        movl    %fs:0x12(%ebx), %esi
        movl    %fs:0x1a(%ebx), %edi
        andl    $0xffffff, %esi
        andl    $0xffffff, %edi
        pushl   %ds
        pushl   %es
        movl    $M_FLAT, %eax
        movl    %eax, %ds
        movl    %eax, %es
        rep movsw
        popl    %es
        popl    %ds
        movb    $0, F_EAX + 1(%ebp)
        andl    $~CF, F_EFLAGS(%ebp)
        jmp     back

do_in_imm:
        movzbl  %fs:(%esi, %ecx), %edx
        incl    %ecx
        jmp     1f
do_in:  movzwl  20(%ebp), %edx
1:      incl    port_accesses
        inb     %dx, %al
        movb    %al, F_EAX(%ebp)
        jmp     do_next

do_out_imm:
        movzbl  %fs:(%esi, %ecx), %edx
        incl    %ecx
        jmp     1f
do_out: movzwl  20(%ebp), %edx
1:      incl    port_accesses
        movb    F_EAX(%ebp), %al
        outb    %al, %dx
        jmp     do_next

/* Every duty must have been needed.  BL = exit code of the 16-bit side. */
the_end:
        movzbl  16(%ebp), %ebx
        shll    $1, %ebx
        movl    $irqs, %esi
1:      cmpl    $2, (%esi)
        jb      monitor_died
        addl    $4, %esi
        cmpl    $irqs + 6 * 4, %esi
        jb      1b
        movb    %bl, %al
        outb    %al, $EXIT_PORT

monitor_died:
        movl    $text_died, %esi
1:      movb    (%esi), %al
        incl    %esi
        testb   %al, %al
        jz      2f
        movw    $0x3f8, %dx
        outb    %al, %dx
        jmp     1b
2:      movb    $3, %al
        outb    %al, $EXIT_PORT
        cli
        hlt

text_died: .asciz "the monitor met what it does not know\r\n"
        .balign 8
m_gdt:  .quad   0
        .quad   0x00cf9a000000ffff | (SYSTEM_SEG << 20)
        .quad   0x00cf92000000ffff | (SYSTEM_SEG << 20)
        .quad   0x00cf92000000ffff
        .quad   0x0000890000000000 | (104 + 8192)
m_gdt_pointer: .word 39
        .long   SYSTEM_SEG * 16 + m_gdt
m_idt_pointer: .word (FIRST_IRQ + 16) * 8 - 1
        .long   SYSTEM_SEG * 16 + m_idt
        .balign 4
v86_ip: .long   0
v86_sp: .long   0
irqs:   .long   0
reflections: .long 0
page_faults: .long 0
emulated: .long 0
block_moves: .long 0
port_accesses: .long 0
        .balign 8
m_idt:  .skip   (FIRST_IRQ + 16) * 8
        .skip   1024
monitor_stack_top:
        .code16
