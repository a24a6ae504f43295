/* The sensitive unprivileged instructions in real mode: the machine's own registers and flags, no rings; those on descriptors are
 * #UD.  SDM 3B 20.1, SDM 2 of each ("Real-Address Mode Exceptions"). */
#include "guest.inc"
#define ALL (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_DF | EFLAGS_OF)
        movl    %cr0, %eax
        orl     $(CR0_MP | CR0_TS), %eax
        movl    %eax, %cr0
        enter_real_mode
        .macro  vector16 n, handler
        pushw   %es
        pushw   $0
        popw    %es
        movw    $OFF16(\handler), %es:(\n * 4)
        movw    $SEG16, %es:(\n * 4 + 2)
        popw    %es
        .endm
        .macro  undefined insn:vararg
        vector16 6, 772f
        movw    %sp, %si
771:    \insn
        fail16
772:    popw    %ax
        expect16 %ax, $OFF16(771b)
        addw    $4, %sp
        movw    %sp, %di
        expect16 %di, %si
        .endm

        /* SGDT SIDT: 24 bits of base with 16-bit operands, 32 with 32 */
        movl    $-1, OFF16(image)
        movl    $-1, OFF16(image + 4)
        sgdtw   OFF16(image)
        movw    OFF16(gdt_pointer), %ax
        expect16 OFF16(image), %ax
        movw    OFF16(gdt_pointer + 2), %ax
        expect16 OFF16(image + 2), %ax
        expect16 OFF16(image + 4), $((gdt - guest_base + BASE) >> 16)
        expect16 OFF16(image + 6), $0xffff
        movl    $-1, OFF16(image)
        .byte   0x66                            /* sidtl */
        sidtw   OFF16(image)
        expect16 OFF16(image), $0x3ff
        expect16 OFF16(image + 2), $0
        expect16 OFF16(image + 4), $0

        /* SMSW */
        smsww   OFF16(image)
        movl    %cr0, %eax
        expect16 OFF16(image), %ax
        andw    $(CR0_TS | CR0_MP | CR0_PE), %ax
        expect16 %ax, $(CR0_TS | CR0_MP)
        smswl   %ebx
        movl    %cr0, %eax
        expect16 %bx, %ax

        /* PUSHF POPF: IF, IOPL and NT are the program's */
        pushw   $(ALL | EFLAGS_IF | IOPL3 | EFLAGS_NT)
        popfw
        pushfw
        popw    %ax
        expect16 %ax, $(ALL | EFLAGS_IF | IOPL3 | EFLAGS_NT | 2)
        pushl   $(IOPL1 | EFLAGS_AC | EFLAGS_VM | EFLAGS_RF | EFLAGS_VIF | EFLAGS_VIP)
        popfl
        pushfl
        popl    %eax
        expect16 %ax, $(IOPL1 | 2)
        shrl    $16, %eax                       /* VM, RF, VIF, VIP: out of reach */
        expect16 %ax, $(EFLAGS_AC >> 16)
        pushl   $2
        popfl

        /* SLDT STR LAR LSL VERR VERW */
        undefined .byte 0x0f, 0x00, 0xc0
        undefined .byte 0x0f, 0x00, 0xc8
        undefined larw %cx, %ax
        undefined lslw %cx, %ax
        undefined verr %cx
        undefined verw %cx

        /* segment registers: any value, base 16 times it */
        movw    %cs, %ax
        expect16 %ax, $SEG16
        pushw   %cs
        popw    %es
        movw    %es, %ax
        expect16 %ax, $SEG16
        movw    $(SEG16 + 1), %cx
        movw    %cx, %fs
        movw    $0x5aa5, OFF16(image)
        expect16 %fs:(OFF16(image) - 16), $0x5aa5
        pushl   $(SEG16 + 2)
        popl    %gs
        expect16 %gs:(OFF16(image) - 32), $0x5aa5
        movl    $-1, %eax
        movl    %gs, %eax                       /* zero-extended */
        shrl    $16, %eax
        expect16 %ax, $0

        /* far JMP, CALL, RET, and INT: no descriptors, no gates */
        ljmpw   $(SEG16 - 1), $(OFF16(1f) + 16)
1:      movw    %cs, %ax
        expect16 %ax, $(SEG16 - 1)
        movw    %sp, %si
        lcallw  $SEG16, $OFF16(far_routine)
1:      movw    %cs, %ax
        expect16 %ax, $(SEG16 - 1)
        expect16 %bx, $(OFF16(1b) + 16)
        movw    %sp, %di
        expect16 %di, %si
        ljmpw   $SEG16, $OFF16(1f)
1:      vector16 0x60, int_routine
        sti
        int     $0x60
1:      cli
        expect16 %bx, $OFF16(1b)
        expect16 %cx, $SEG16
        andw    $(EFLAGS_IF | IOPL3 | EFLAGS_TF), %dx
        expect16 %dx, $EFLAGS_IF
        movw    %sp, %di
        expect16 %di, %si
        pass16

far_routine:
        movw    %sp, %bp
        movw    (%bp), %bx
        lretw
int_routine:
        movw    %sp, %bp
        movw    (%bp), %bx
        movw    2(%bp), %cx
        movw    4(%bp), %dx
        iretw
        .code32
        .text   1
        .balign 8
image:  .quad   0
