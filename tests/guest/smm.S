/* System management mode: an SMI by port B2h enters a handler in SMRAM, which nobody else sees; the state save map, RSM, NMI and
 * A20 on the way.  The firmware has put SMBASE to A0000h and enabled SMIs.  SDM 3C, "System Management Mode". */
#include "guest.inc"
#define SMRAM_REG 0x80000070            /* and byte 2: register 72h of the host bridge */
#define G_SMRAME 0x0a
#define D_OPEN   0x40
#define D_CLS    0x20
#define D_LCK    0x10
#define HANDLER  0xa8000
#define BOX      0x40000                /* where the handler leaves what it saw */
#define BOX_COUNT (BOX + 0)
#define BOX_CR0  (BOX + 4)
#define BOX_FLAGS (BOX + 8)
#define BOX_CS   (BOX + 12)
#define BOX_DS   (BOX + 16)
#define BOX_REV  (BOX + 20)
#define BOX_EIP  (BOX + 24)
#define BOX_EAX  (BOX + 28)
#define BOX_MAP_CR0 (BOX + 32)
#define BOX_DR7  (BOX + 36)
#define BOX_NMIS (BOX + 40)
#define BOX_ODD  (BOX + 44)
#define BOX_VGA  (BOX + 48)
#define BOX_SMBASE (BOX + 52)
#define CMD_LOOK   1
#define CMD_CHANGE 2                    /* EAX and EIP in the map */
#define CMD_NMI    3
#define CMD_COUNT  4
#define CMD_MOVE   5                    /* SMBASE to 50000h */
#define MAGIC 0x5a17c0de
#define ODD_MEGABYTE 0x3f0ff0

        .macro  smram bits
        movl    $SMRAM_REG, %eax
        movw    $0xcf8, %dx
        outl    %eax, %dx
        movb    $(\bits), %al
        movw    $0xcfe, %dx
        outb    %al, %dx
        .endm
        .macro  smi command
        movb    $\command, %al
        outb    %al, $0xb2
        .endm

        /* RSM belongs to SMM */
        .irp    ring, 0, 3
        try     \ring
1:      rsm
        done
        expect_fault VEC_UD, 0, 1b
        .endr

        /* install the handler while SMRAM is open; the translator must not show what was there before */
        movl    HANDLER, %ebx
        smram   G_SMRAME | D_OPEN
        cld
        movl    $handler, %esi
        movl    $HANDLER, %edi
        movl    $(handler_end - handler), %ecx
        rep movsb
        expect  HANDLER, handler
        smram   G_SMRAME
        movl    HANDLER, %eax
        cmpl    %eax, handler
        je      hidden_failed
        movl    $0x12345678, HANDLER            /* the VGA's */

        movl    $0, BOX_COUNT
        movl    $0, BOX_NMIS
        movl    $0x700, %eax
        movl    %eax, %dr7
        movl    $0xabcd00, %eax
        smi     CMD_LOOK
after_smi:
        expect  %eax, $0xabcd01
        expect  BOX_COUNT, $1
        expect_bits BOX_CR0, CR0_PE | CR0_PG | CR0_EM | CR0_TS, 0
        expect  BOX_FLAGS, $2
        expect  BOX_CS, $0xa000
        expect  BOX_DS, $0
        expect  BOX_REV, $0x20000
        expect  BOX_SMBASE, $0xa0000
        expect  BOX_EIP, $after_smi
        expect  BOX_EAX, $0xabcd01
        expect_bits BOX_MAP_CR0, CR0_PE, CR0_PE
        expect  BOX_DR7, $0x400
        movl    %dr7, %eax
        expect  %eax, $0x700
        movl    %ds, %eax
        expect  %eax, $SEL_DATA0

        /* the map is what RSM restores; from other rings and from virtual-8086 mode too */
        .irp    ring, 0, 1, 2, 3
        movl    $0, %ecx
        try     \ring, IOPL3 | EFLAGS_IF | EFLAGS_CF
        smi     CMD_CHANGE
        movl    $99, %ecx                       /* skipped, 5 bytes */
        pushfl
        popl    %ebx
        done
        expect_done
        expect  %eax, $MAGIC
        expect  %ecx, $0
        expect  %ebx, $(IOPL3 | EFLAGS_IF | EFLAGS_CF | 2)
        .endr
        movb    $0, tss_io_map + 0xb2 / 8
        movl    $0, %ecx
        try_v86 IOPL3 | EFLAGS_DF
        smi     CMD_CHANGE
        .byte   0x66, 0xb9, 1, 0, 0             /* 5 bytes of a MOV ECX, skipped.. */
        movw    %cs, %cx
        done_v86
        expect_done
        expect  %eax, $MAGIC
        expect  %ecx, $SEG16
        expect_bits trap_eflags, EFLAGS_VM | EFLAGS_DF, EFLAGS_VM | EFLAGS_DF
        movb    $0xff, tss_io_map + 0xb2 / 8

        /* an NMI in SMM waits for RSM */
        set_gate 2, count_nmi
        smi     CMD_NMI
        nop
        expect  BOX_NMIS, $1
        expect  BOX_COUNT, $(1 + 5 + 1)         /* the handler ended first: it found BOX_NMIS 0 */

        /* an SMI by the local APIC, to itself */
        movl    $0, BOX_COUNT
        smi     CMD_COUNT
        movl    $0, 0xfee00310
        movl    $0x4200, 0xfee00300
        nop
        expect  BOX_COUNT, $2

        /* with paging, and A20 masked: SMM has neither */
        movl    $0x0dd, ODD_MEGABYTE
        movl    $0xe4e, ODD_MEGABYTE - 0x100000
        paging_on
        a20     0xdd
        expect  ODD_MEGABYTE, $0xe4e
        smi     CMD_LOOK
        expect  BOX_ODD, $0x0dd
        expect  ODD_MEGABYTE, $0xe4e
        expect_bits BOX_MAP_CR0, CR0_PG, CR0_PG
        a20     0xdf
        expect  ODD_MEGABYTE, $0x0dd
        movl    %cr0, %eax
        expect_bits %eax, CR0_PG, CR0_PG

        /* D_CLS: fetches find SMRAM, data accesses the VGA */
        smi     CMD_LOOK
        expect  BOX_VGA, handler
        smram   G_SMRAME | D_CLS
        movl    $0, BOX_VGA
        smi     CMD_COUNT
        movl    BOX_VGA, %eax
        cmpl    handler, %eax
        je      hidden_failed
        smram   G_SMRAME

        /* many of them amid translated code */
        movl    $0, BOX_COUNT
        movl    $1000, %ecx
        xorl    %ebx, %ebx
1:      smi     CMD_COUNT
        addl    %ecx, %ebx
        loop    1b
        expect  BOX_COUNT, $1000
        expect  %ebx, $500500

        /* SMBASE moves: the same handler, in ordinary memory */
        cld
        movl    $handler, %esi
        movl    $0x58000, %edi
        movl    $(handler_end - handler), %ecx
        rep movsb
        smi     CMD_MOVE
        smi     CMD_LOOK
        expect  BOX_CS, $0x5000
        expect  BOX_SMBASE, $0x50000
        expect  0x5fef8, $0x50000

        /* locked: SMRAM cannot be opened any more */
        smram   G_SMRAME | D_LCK
        smram   G_SMRAME | D_OPEN
        movl    HANDLER, %eax
        cmpl    %eax, handler
        je      hidden_failed
        pass
hidden_failed:
        fail

count_nmi:
        incl    BOX_NMIS
        iret

/* At SMBASE + 8000h, any SMBASE: CS-relative for itself and the map, DS with base 0 for the rest.  GPRs are the interrupted ones. */
        .code16
handler:
        movl    %cr0, %eax
        addr32 movl %eax, BOX_CR0
        movw    %ds, %ax
        movzwl  %ax, %eax
        addr32 movl %eax, BOX_DS
        movw    %cs, %ax
        movzwl  %ax, %eax
        addr32 movl %eax, BOX_CS
        shll    $4, %eax
        leal    0x7000(%eax), %esp              /* SS has base 0 */
        pushfl
        popl    %eax
        andl    $~(EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF), %eax
        addr32 movl %eax, BOX_FLAGS
        movl    %dr7, %eax
        addr32 movl %eax, BOX_DR7
        movl    %cs:0xfefc, %eax
        addr32 movl %eax, BOX_REV
        movl    %cs:0xfef8, %eax
        addr32 movl %eax, BOX_SMBASE
        movl    %cs:0xfff0, %eax
        addr32 movl %eax, BOX_EIP
        movl    %cs:0xffd0, %eax
        addr32 movl %eax, BOX_EAX
        movl    %cs:0xfffc, %eax
        addr32 movl %eax, BOX_MAP_CR0
        addr32 movl ODD_MEGABYTE, %eax
        addr32 movl %eax, BOX_ODD
        addr32 movl HANDLER, %eax
        addr32 movl %eax, BOX_VGA
        addr32 incl BOX_COUNT
        inb     $0xb2, %al
        cmpb    $CMD_CHANGE, %al
        jne     1f
        movl    $MAGIC, %cs:0xffd0
        addl    $5, %cs:0xfff0
1:      cmpb    $CMD_NMI, %al
        jne     2f
        xorl    %eax, %eax
        addr32 movl %eax, 0xfee00310
        movl    $0x4400, %eax
        addr32 movl %eax, 0xfee00300
        nop
        addr32 movl BOX_NMIS, %eax
        addr32 subl %eax, BOX_COUNT
2:      cmpb    $CMD_MOVE, %al
        jne     3f
        movl    $0x50000, %cs:0xfef8
3:      rsm
handler_end:
        .code32
