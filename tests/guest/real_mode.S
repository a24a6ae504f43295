/* Real mode: 64 KiB limits (#GP, #SS, vectors 13 and 12), SP wrap, A20 on, INT and IRET, LOOP and JCXZ by address size, high
 * bytes, string instructions with overrides, SGDT and SMSW, no SLDT.  SDM 3B 20.1. */
#include "guest.inc"
        enter_real_mode
        .macro  vector16 n, handler
        pushw   %es
        pushw   $0
        popw    %es
        movw    $OFF16(\handler), %es:(\n * 4)
        movw    $SEG16, %es:(\n * 4 + 2)
        popw    %es
        .endm
/* \insn must fault with vector \n. */
        .macro  faults16 n, insn:vararg
        vector16 \n, 772f
        movw    %sp, OFF16(saved_sp)
771:    \insn
        fail16
772:    movw    %ss, %ax
        movw    %ax, %ds
        movw    OFF16(saved_sp), %bp
        expect16 -6(%bp), $OFF16(771b)
        expect16 -4(%bp), $SEG16
        leaw    -6(%bp), %bx
        cmpw    %bx, %sp
        movw    %bp, %sp
        je      773f
        fail16
773:
        .endm
        movw    $0xffff, %bx
        faults16 13, movw (%bx), %ax
        movw    $0xffff, %bx
        faults16 13, movw %ax, (%bx)
        movw    $0xfffd, %bx
        faults16 13, movl (%bx), %eax
        movl    $0x10000, %ebx
        faults16 13, movb (%ebx), %al
        movl    $0xffffffff, %esi
        faults16 13, lodsb (%esi)
        movw    $0xffff, %bp
        vector16 12, 1f
        movw    %sp, OFF16(saved_sp)
        movw    (%bp), %ax
        fail16
1:      movw    OFF16(saved_sp), %sp
        movw    $0xffff, %bx
        movb    (%bx), %al                      /* a byte fits */
        faults16 6, ud2
        .byte   0x90
        faults16 6, .byte 0x0f, 0x00, 0xc0      /* SLDT */
        faults16 6, .byte 0x8e, 0xc8            /* MOV CS */
        movb    $0, %cl
        faults16 0, divb %cl

        /* INT: flags and return address; IF and TF cleared */
        vector16 0x60, handler
        sti
        stc
        int     $0x60
        expect16 %ax, $0x0202
        cli
        pushfw
        popw    %ax
        andw    $0xfeff, %ax

        /* SP wraps, bytes and words */
        movw    %sp, OFF16(saved_sp)
        movw    %ss, %dx
        movw    $0x3000, %ax
        movw    %ax, %ss
        movw    $0, %sp
        pushw   $0x1234
        expect16 %ss:0xfffe, $0x1234
        movl    $0xaaaa0002, %esp
        pushw   $0x4321
        movl    %esp, %ebx
        popw    %ax
        movw    %dx, %ss
        movw    OFF16(saved_sp), %sp
        expect16 %ax, $0x4321
        shrl    $16, %ebx
        expect16 %bx, $0xaaaa

        /* LOOP and JCXZ count in CX or ECX */
        movl    $0x10003, %ecx
        movw    $0, %ax
1:      incw    %ax
        loopw   1b
        expect16 %ax, $3
        movl    $0x10002, %ecx
        movl    $0, %eax
1:      incl    %eax
        addr32 loop 1b
        cmpl    $0x10002, %eax
        je      1f
        fail16
1:      movl    $0x10000, %ecx
        jcxz    1f
        fail16
1:      jecxz   2f
        jmp     3f
2:      fail16
3:      movl    $0, %ecx
        jecxz   4f
        fail16
4:
        /* strings: SI wraps at 64 KiB, the override changes the source only */
        movw    $0x3000, %ax
        movw    %ax, %fs
        movw    $0x4000, %ax
        movw    %ax, %es
        movb    $0x11, %fs:0xffff
        movb    $0x22, %fs:0
        movl    $0x5555ffff, %esi
        movl    $0x66660010, %edi
        movl    $0x77770002, %ecx
        cld
        rep movsb %fs:(%si), %es:(%di)
        expect16 %es:0x10, $0x2211
        expect16 %si, $1
        expect16 %di, $0x12
        expect16 %cx, $0
        shrl    $16, %esi
        expect16 %si, $0x5555
        shrl    $16, %ecx
        expect16 %cx, $0x7777
        std
        movl    $0xabcdef01, %eax
        movw    $0x0ffc, %di
        stosl
        cld
        expect16 %es:0x0ffe, $0xabcd
        expect16 %di, $0x0ff8
        movw    $0x0ffc, %di
        movw    $5, %cx
        movw    $0x0f00, %si
        xorl    %eax, %eax
        repne scasb
        expect16 %cx, $0

        /* high bytes with 32-bit addresses */
        movl    $0, %ebx
        movw    %sp, %bp
        movl    $0x00001234, %eax
        pushl   $0x55667788
        movzwl  %sp, %esp
        movb    (%esp), %ah
        movb    3(%esp), %bh
        xchgb   %ah, 1(%esp)
        movb    %bh, 2(%esp)
        popl    %edx
        expect16 %ax, $0x7734
        expect16 %bx, $0x5500
        expect16 %dx, $0x8888
        shrl    $16, %edx
        expect16 %dx, $0x5555

        /* far pointers, and A20 on: FFFF:0010 is 100000h */
        movw    $0xffff, %ax
        movw    %ax, %es
        movw    $0x4242, %es:0x10
        xorw    %ax, %ax
        movw    %ax, %fs
        movw    $0x2424, %fs:0
        expect16 %es:0x10, $0x4242
        movb    $0xdd, %bl                      /* A20 off in both places: it wraps to 0 */
        call    kbc_output
        inb     $0x92, %al
        andb    $0xfc, %al
        outb    %al, $0x92
        movw    $0x0177, %fs:0
        movw    %es:0x10, %bx
        movw    $0x1313, %es:0x10
        movw    %fs:0, %cx
        pushw   %bx
        movb    $0xdf, %bl                      /* one of them is enough */
        call    kbc_output
        popw    %bx
        movw    %es:0x10, %dx
        expect16 %bx, $0x0177
        expect16 %cx, $0x1313
        expect16 %dx, $0x4242
        pass16

handler:
        pushfw
        popw    %ax
        pushw   %bp
        movw    %sp, %bp
        testw   $0x200, %ax                     /* IF clear here */
        jnz     1f
        movw    6(%bp), %ax
        andw    $0x202, %ax                     /* and set there */
1:      popw    %bp
        iretw

/* BL to the keyboard controller's output port. */
kbc_output:
        inb     $0x64, %al
        testb   $2, %al
        jnz     kbc_output
        movb    $0xd1, %al
        outb    %al, $0x64
1:      inb     $0x64, %al
        testb   $2, %al
        jnz     1b
        movb    %bl, %al
        outb    %al, $0x60
1:      inb     $0x64, %al
        testb   $2, %al
        jnz     1b
        ret

        .text   1
saved_sp: .word 0
