/* Guests that never end by themselves; hostile.py patches the number of one of them behind the magic word.  Each is started
 * in flat 32-bit code at CPL 0 with interrupts off, a GDT, and an IDT whose 256 gates lead to `again`. */
#define LAPIC 0xfee00000
#define CODE 8
#define DATA 16
#define TSS 24
#define TSS2 32
#define SP_TOP 0x180000

        .section .text.hot, "ax"
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .globl  entry
entry:  cli
        cld
        lgdt    gdt_pointer
        ljmp    $CODE, $1f
1:      movl    $DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $SP_TOP, %esp
        movl    $again, %eax
        call    fill_idt
        lidt    idt_pointer
        movl    which, %eax
        jmp     *guests(, %eax, 4)
        .long   0x5eed5eed
which:  .long   0

guests:
        .long   do_hlt                  /* HLT with interrupts off */
        .long   do_jump                 /* JMP to itself */
        .long   do_ud                   /* #UD, the handler is UD2 again */
        .long   do_ud_nowhere           /* #UD in unmapped memory */
        .long   do_gp                   /* #GP for a privileged MSR */
        .long   do_de                   /* divide error */
        .long   do_df                   /* double fault by a gate that is not present */
        .long   do_triple               /* triple fault, again after every reset */
        .long   do_pf_idt               /* page fault on the IDT */
        .long   do_pf_stack             /* page fault on the stack of the page-fault handler */
        .long   do_rep                  /* REP STOS, REP MOVS of 4 GiB */
        .long   do_rep_device           /* REP MOVS over device memory */
        .long   do_rep_io               /* REP INS and OUTS */
        .long   do_rep_prefixes         /* REP with count zero */
        .long   do_nmi                  /* NMIs to itself */
        .long   do_ipi                  /* IPIs to itself */
        .long   do_smi                  /* the SMI port */
        .long   do_irq                  /* a level-triggered interrupt nobody takes back */
        .long   do_timer                /* the shortest timer there is */
        .long   do_tf                   /* single steps */
        .long   do_dr                   /* breakpoints on the handler */
        .long   do_shadow               /* MOV SS without end */
        .long   do_sti                  /* STI; CLI with an interrupt waiting */
        .long   do_smc                  /* code that writes itself */
        .long   do_cr3                  /* address spaces */
        .long   do_a20                  /* A20 on and off */
        .long   do_pam                  /* memory map changes */
        .long   do_task                 /* task switches */
        .long   do_v86                  /* #GP out of virtual-8086 mode */
        .long   do_int                  /* INT without IRET, the stack wraps */
        .long   do_call                 /* CALL without RET */
        .long   do_reset                /* keyboard-controller reset, again and again */
        .long   do_x87                  /* pending x87 error, IRQ 13 masked */
        .long   do_nop                  /* through memory without jumps */

do_hlt: cli
        hlt
        jmp     do_hlt

do_jump: jmp    do_jump

do_ud:  ud2
do_gp:  movl    $0x12345, %ecx
        rdmsr
do_de:  xorl    %ecx, %ecx
        divl    %ecx

/* Where every vector leads: the same again. */
again:  movl    $SP_TOP, %esp
        movl    which, %eax
        jmp     *guests(, %eax, 4)

do_ud_nowhere:
        movl    $0xd0000000, %eax
        call    fill_idt
        jmp     *%eax

do_df:  xorl    %eax, %eax
        call    fill_idt
        movl    $0, idt + 13 * 8 + 4            /* #NP while #GP is delivered */
        movw    $0x8e00, idt + 8 * 8 + 4
        movl    $again, %eax
        movw    %ax, idt + 8 * 8
        shrl    $16, %eax
        movw    %ax, idt + 8 * 8 + 6
        movw    $0x7f, %ax
        movw    %ax, %ds

do_triple:
        lidt    null_pointer
        int3

do_pf_idt:
        call    paging
        movl    $idt, %eax
        shrl    $12, %eax
        andl    $~1, page_table(, %eax, 4)
        invlpg  idt
        int3

do_pf_stack:
        call    paging
        andl    $~1, page_table + (0x17f000 >> 12) * 4
        invlpg  0x17f000
        movl    $0x17f800, %esp
1:      pushl   %eax
        jmp     1b

do_rep: movl    $0x400000, %edi
        movl    $-1, %ecx
        rep stosl
        movl    $0x400000, %esi
        movl    $0x500000, %edi
        movl    $-1, %ecx
        rep movsb
        jmp     do_rep

do_rep_device:
        movl    $0xa0000, %esi
        movl    $0xfec00000, %edi
        movl    $-1, %ecx
        rep movsb
        jmp     do_rep_device

do_rep_io:
        movl    $0x400000, %edi
        movl    $0x1f0, %edx
        movl    $-1, %ecx
        rep insw
        movl    $0x400000, %esi
        movl    $0x80, %edx
        movl    $-1, %ecx
        rep outsb
        jmp     do_rep_io

do_rep_prefixes:
        xorl    %ecx, %ecx
1:      rep stosl
        rep movsb
        rep insb
        jmp     1b

do_nmi: movl    $0x4400, LAPIC + 0x300          /* NMI to itself */
        jmp     do_nmi

do_ipi: movl    $0x1ff, LAPIC + 0xf0
        movl    $0x44055, LAPIC + 0x300
        sti
        nop
        cli
        movl    $0, LAPIC + 0xb0
        jmp     do_ipi

do_smi: movb    $0, %al
        outb    %al, $0xb2
        incb    %al
        outb    %al, $0xb2
        jmp     do_smi

do_irq: movl    $0x1ff, LAPIC + 0xf0
        movl    $0x10, 0xfec00000               /* pin 0, 1, 2: level-triggered, low active */
        movl    $0xa030, 0xfec00010
        movl    $0x12, 0xfec00000
        movl    $0xa031, 0xfec00010
        movl    $0x14, 0xfec00000
        movl    $0xa032, 0xfec00010
        sti
        nop
        cli
        movl    $0, LAPIC + 0xb0
        jmp     do_irq

do_timer:
        movl    $0x1ff, LAPIC + 0xf0
        movl    $0xb, LAPIC + 0x3e0
        movl    $0x20040, LAPIC + 0x320         /* periodic */
        movl    $1, LAPIC + 0x380
        movl    $0, LAPIC + 0xb0
        movb    $0x34, %al                      /* and the 8254 */
        outb    %al, $0x43
        movb    $2, %al
        outb    %al, $0x40
        movb    $0, %al
        outb    %al, $0x40
        sti
        hlt
        jmp     do_timer

do_tf:  pushl   $0x102
        popfl
        nop
        jmp     do_tf

do_dr:  movl    $again, %eax
        movl    %eax, %dr0
        movl    $1, %eax
        movl    %eax, %dr7
        jmp     again

do_shadow:
        movl    %ss, %eax
1:      movl    %eax, %ss
        jmp     1b

do_sti: movl    $0x1ff, LAPIC + 0xf0
        movl    $0x44055, LAPIC + 0x300
1:      sti
        cli
        jmp     1b

do_smc: movl    $1f, %edi
1:      movl    $0x12345678, %eax               /* the immediate changes */
        incl    1(%edi)
        movb    $0x90, 2f
2:      nop
        jmp     do_smc

do_cr3: call    paging
1:      movl    %cr3, %eax
        movl    %eax, %cr3
        incl    0x400000
        movl    %cr4, %eax
        xorl    $0x80, %eax
        movl    %eax, %cr4
        jmp     1b

do_a20: inb     $0x92, %al
        xorb    $2, %al
        andb    $~1, %al
        outb    %al, $0x92
        jmp     do_a20

do_pam: movl    $0x80000058, %eax
        movl    $0xcf8, %edx
        outl    %eax, %dx
        movl    $0xcfc, %edx
        inl     %dx, %eax
        xorl    $0x33333333, %eax
        outl    %eax, %dx
        incl    0xd0000
        jmp     do_pam

do_task:
        movl    $tss, %eax
        movw    %ax, gdt + TSS + 2
        movl    $tss2, %ecx
        movw    %cx, gdt + TSS2 + 2
        shrl    $16, %eax
        movb    %al, gdt + TSS + 4
        movb    %al, gdt + TSS2 + 4
        movb    $0x89, gdt + TSS + 5
        movb    $0x89, gdt + TSS2 + 5
        movl    $1f, tss2 + 32
        movl    $0x2, tss2 + 36
        movl    $SP_TOP - 4096, tss2 + 56
        movl    $DATA, tss2 + 72
        movl    $CODE, tss2 + 76
        movl    $DATA, tss2 + 80
        movl    $DATA, tss2 + 84
        movw    $TSS, %ax
        ltr     %ax
2:      lcall   $TSS2, $0
        jmp     2b
1:      iret
        jmp     1b

do_v86: movl    $tss, %eax
        movw    %ax, gdt + TSS + 2
        shrl    $16, %eax
        movb    %al, gdt + TSS + 4
        movb    $0x89, gdt + TSS + 5
        movl    $SP_TOP, tss + 4
        movl    $DATA, tss + 8
        movw    $TSS, %ax
        ltr     %ax
        movb    $0xf4, 0x8000                   /* HLT */
        pushl   $0
        pushl   $0
        pushl   $0
        pushl   $0
        pushl   $0x800
        pushl   $0x1000
        pushl   $0x20202
        pushl   $0x800
        pushl   $0
        iret

do_int: movl    $again_int, %eax
        call    fill_idt
again_int:
        int     $0x40

do_call:
        call    do_call

do_reset:
        movb    $0xfe, %al
        outb    %al, $0x64
        jmp     do_reset

do_x87: fninit
        movl    %cr0, %eax
        andl    $~0x2c, %eax                    /* NE, EM, TS */
        movl    %eax, %cr0
        pushl   $0x33b                          /* only ZE unmasked */
        fldcw   (%esp)
        fldz
        fld1
        fdiv    %st(1), %st
        fwait
        jmp     do_x87

do_nop: movl    $0x300000, %edi
        movl    $0x90909090, %eax
        movl    $0x100000, %ecx
        rep stosl
        movb    $0xe9, (%edi)
        movl    $0x300000, %eax
        subl    %edi, %eax
        subl    $5, %eax
        movl    %eax, 1(%edi)
        movl    $0x300000, %eax
        jmp     *%eax

/* All gates to EAX; it stays. */
fill_idt:
        pushal
        xorl    %ebx, %ebx
        movl    %eax, %edx
        shrl    $16, %edx
1:      movw    %ax, idt(, %ebx, 8)
        movw    $CODE, idt + 2(, %ebx, 8)
        movw    $0x8e00, idt + 4(, %ebx, 8)
        movw    %dx, idt + 6(, %ebx, 8)
        incl    %ebx
        cmpl    $256, %ebx
        jb      1b
        popal
        ret

/* Linear = physical for 4 MiB. */
paging: xorl    %ecx, %ecx
1:      movl    %ecx, %eax
        shll    $12, %eax
        orl     $3, %eax
        movl    %eax, page_table(, %ecx, 4)
        incl    %ecx
        cmpl    $1024, %ecx
        jb      1b
        movl    $page_table + 3, page_dir
        movl    $page_table + 3, page_dir + 4   /* and once more: 400000h is 0 */
        movl    $page_dir, %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $0x80010000, %eax
        movl    %eax, %cr0
        ret

        .balign 8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x0000890000000067, 0x0000890000000067
gdt_pointer: .word 39
        .long   gdt
idt_pointer: .word 2047
        .long   idt
null_pointer: .word 0
        .long   0
        .balign 4
tss:    .skip   104
tss2:   .skip   104
        .balign 4096
idt:    .skip   4096
page_dir: .skip 4096
page_table: .skip 4096
