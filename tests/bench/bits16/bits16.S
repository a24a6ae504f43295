/* 16-bit loops to be timed from outside: each kernel runs in real mode, in virtual-8086 mode and in 16-bit protected mode, between the
 * lines "begin MODE KERNEL" and "end" on the debug console (E9h).  bits16.py builds and runs this on Ringer and on QEMU.
 * Code and near data lie at 10000h; 20000h and 30000h are the far segments, whose values in the present mode are in seg_a and seg_b. */
#include "guest.inc"
#define FAR_A 0x20000
#define FAR_B 0x30000
#define SEL_A SEL_FREE
#define SEL_B (SEL_FREE + 8)
#define SEL_CODE_FAR (SEL_FREE + 16)
#define CODE_FAR 0x10010 /* another code segment with the same code */

        .macro  begin16 mode, kernel
        movw    $OFF16(text_\mode), %si
        callw   say16
        movw    $OFF16(text_\kernel), %si
        callw   say16
        .endm
        .macro  end16
        movw    $OFF16(text_end), %si
        callw   say16
        .endm
        .macro  time16 mode, kernel
        begin16 \mode, \kernel
        callw   \kernel
        movw    %cs:OFF16(seg_near), %ds
        end16
        .endm

        set_desc SEL_A, FAR_A, 0xffff, 0x93, 0
        set_desc SEL_B, FAR_B, 0xffff, 0x93, 0
        set_desc SEL_CODE_FAR, CODE_FAR, 0xffff, 0x9b, 0

        /* --- 16-bit protected mode --- */
        movw    $SEL_DATA16, seg_near
        movw    $SEL_A, seg_a
        movw    $SEL_B, seg_b
        movw    $SEL_CODE_FAR, far_function + 2
        ljmp    $SEL_CODE16, $OFF16(protected16)
        .code16
protected16:
        movw    $SEL_DATA16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        .irp    kernel, fill, copy, movs, short, scan, calls, sieve, sort, chase, crc16, crc32, far
        time16  prot16, \kernel
        .endr
        ljmpl   $SEL_CODE0, $flat
        .code32
flat:   movl    $SEL_DATA0, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss

        /* --- virtual-8086 mode, without paging --- */
        movw    $SEG16, seg_near
        movw    $(FAR_A >> 4), seg_a
        movw    $(FAR_B >> 4), seg_b
        movw    $(CODE_FAR >> 4), far_function + 2
        .irp    kernel, fill, copy, movs, short, scan, calls, sieve, sort, chase, crc16, crc32, far
        movl    $text_v86, %esi
        call    print_text
        movl    $text_\kernel, %esi
        call    print_text
        try_v86
        callw   \kernel
        done_v86
        expect_done
        movl    $text_end, %esi
        call    print_text
        .endr

        /* --- real mode --- */
        enter_real_mode
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $OFF16(interrupt), %es:0x60 * 4
        movw    $SEG16, %es:0x60 * 4 + 2
        .irp    kernel, fill, copy, movs, short, scan, calls, sieve, sort, chase, crc16, crc32, far, int
        time16  real, \kernel
        .endr
        pass16

say16:  movb    (%si), %al
        outb    %al, $TEXT_PORT
        incw    %si
        cmpb    $0, (%si)
        jne     say16
        ret

/* --- kernels: DS = SS = near segment on entry; any register may change --- */

fill:   movw    seg_a - guest_base, %es         /* bytes by a loop */
        movw    $3000, %bp
1:      xorw    %di, %di
        movw    $0x8000, %cx
2:      movb    %cl, %es:(%di)
        incw    %di
        loop    2b
        decw    %bp
        jnz     1b
        ret

copy:   movw    OFF16(seg_a), %es               /* words by LODS and STOS */
        movw    OFF16(seg_b), %ds
        cld
        movw    $1600, %bp
1:      xorw    %si, %si
        xorw    %di, %di
        movw    $0x8000, %cx
2:      lodsw
        stosw
        loop    2b
        decw    %bp
        jnz     1b
        ret

movs:   movw    OFF16(seg_a), %es               /* 60,000 bytes by REP */
        movw    OFF16(seg_b), %ds
        cld
        movw    $5000, %bp
1:      xorw    %di, %di
        movw    $30000, %cx
        rep stosw
        xorw    %si, %si
        xorw    %di, %di
        movw    $30000, %cx
        rep movsw
        decw    %bp
        jnz     1b
        ret

short:  movw    OFF16(seg_a), %es               /* 24 bytes by REP, as structures are copied */
        movw    OFF16(seg_b), %ds
        cld
        movl    $2000000, %ebp
1:      movw    $0x1230, %si
        movw    $0x4561, %di
        movw    $12, %cx
        rep movsw
        decl    %ebp
        jnz     1b
        ret

scan:   movw    OFF16(seg_a), %es               /* length of, and comparison with, a string of 60 bytes */
        cld
        movw    $0x2000, %di
        movw    $60, %cx
        movb    $'x', %al
        rep stosb
        movb    $0, %es:(%di)
        movw    OFF16(seg_b), %ds
        movw    $0x3000, %si
        movw    $60, %cx
1:      movb    $'x', (%si)
        incw    %si
        loop    1b
        movl    $500000, %ebp
2:      movw    $0x2000, %di
        movw    $0xffff, %cx
        movb    $0, %al
        repne scasb
        notw    %cx
        decw    %cx
        movw    $0x2000, %di
        movw    $0x3000, %si
        repe cmpsb
        decl    %ebp
        jnz     2b
        ret

calls:  movw    $34, %ax                        /* fib(34), recursively */
fib:    cmpw    $2, %ax
        jb      1f
        pushw   %bx
        movw    %ax, %bx
        decw    %ax
        callw   fib
        xchgw   %ax, %bx
        subw    $2, %ax
        callw   fib
        addw    %bx, %ax
        popw    %bx
1:      ret

sieve:  movw    $1000, OFF16(rounds)             /* as an old C compiler writes it: everything lives in the frame */
        pushw   %bp
        movw    %sp, %bp
        subw    $8, %sp                         /* i, k, prime, count */
1:      movw    $0, -8(%bp)
        movw    $0, -2(%bp)
2:      movw    -2(%bp), %bx
        movb    $1, OFF16(flags_array)(%bx)
        incw    -2(%bp)
        cmpw    $8190, -2(%bp)
        jle     2b
        movw    $0, -2(%bp)
3:      movw    -2(%bp), %bx
        cmpb    $0, OFF16(flags_array)(%bx)
        je      6f
        movw    -2(%bp), %ax
        addw    -2(%bp), %ax
        addw    $3, %ax
        movw    %ax, -6(%bp)
        addw    -2(%bp), %ax
        movw    %ax, -4(%bp)
        jmp     5f
4:      movw    -4(%bp), %bx
        movb    $0, OFF16(flags_array)(%bx)
        movw    -6(%bp), %ax
        addw    %ax, -4(%bp)
5:      cmpw    $8190, -4(%bp)
        jle     4b
        incw    -8(%bp)
6:      incw    -2(%bp)
        cmpw    $8190, -2(%bp)
        jle     3b
        decw    OFF16(rounds)
        jnz     1b
        movw    %bp, %sp
        popw    %bp
        ret

sort:   movw    OFF16(seg_a), %ds               /* bubble sort of 4,000 bytes */
        movw    $8, %bp
0:      movw    $4000, %cx
        xorw    %si, %si
1:      movb    %cl, (%si)
        incw    %si
        loop    1b
        movw    $3999, %dx
2:      xorw    %si, %si
        movw    %dx, %cx
3:      movb    (%si), %al
        movb    1(%si), %ah
        cmpb    %ah, %al
        jbe     4f
        movb    %ah, (%si)
        movb    %al, 1(%si)
4:      incw    %si
        decw    %cx
        jnz     3b
        decw    %dx
        jnz     2b
        decw    %bp
        jnz     0b
        ret

chase:  movw    OFF16(seg_a), %es               /* far pointers in a ring: each node loads a segment register */
        xorw    %di, %di
        movw    OFF16(seg_b), %ax
        movw    %ax, %fs
        movw    OFF16(seg_a), %dx
        movw    $2000, %cx
1:      movw    %di, %bx
        addw    $6, %bx
        movw    %di, %es:(%di)                  /* A[i] -> B[i] -> A[i + 1] */
        movw    %ax, %es:2(%di)
        movw    %bx, %fs:(%di)
        movw    %dx, %fs:2(%di)
        addw    $6, %di
        loop    1b
        subw    $6, %di
        movw    $0, %fs:(%di)
        xorw    %bx, %bx
        movl    $20000000, %ebp
2:      lesw    %es:(%bx), %bx
        decl    %ebp
        jnz     2b
        ret

crc16:  xorw    %bx, %bx                        /* by a table of words */
1:      movw    %bx, %ax
        movw    $8, %cx
2:      shrw    $1, %ax
        jnc     3f
        xorw    $0xa001, %ax
3:      loop    2b
        movw    %bx, %di
        addw    %di, %di
        movw    %ax, OFF16(table)(%di)
        incb    %bl
        jnz     1b
        movw    OFF16(seg_a), %es
        movw    $0xffff, %dx
        movw    $500, %bp
4:      xorw    %si, %si
5:      movb    %es:(%si), %bl
        xorb    %dl, %bl
        xorb    %bh, %bh
        addw    %bx, %bx
        movb    %dh, %dl
        xorb    %dh, %dh
        xorw    OFF16(table)(%bx), %dx
        incw    %si
        jnz     5b
        decw    %bp
        jnz     4b
        ret

crc32:  xorl    %ebx, %ebx                      /* by a table of doublewords, with 32-bit registers and addresses */
1:      movl    %ebx, %eax
        movw    $8, %cx
2:      shrl    $1, %eax
        jnc     3f
        xorl    $0xedb88320, %eax
3:      loop    2b
        movl    %eax, OFF16(table)(, %ebx, 4)
        incb    %bl
        jnz     1b
        movw    OFF16(seg_a), %es
        movl    $-1, %edx
        movw    $500, %bp
4:      xorl    %esi, %esi
5:      movzbl  %es:(%esi), %ebx
        xorb    %dl, %bl
        shrl    $8, %edx
        xorl    OFF16(table)(, %ebx, 4), %edx
        incw    %si
        jnz     5b
        decw    %bp
        jnz     4b
        ret

far:    movl    $2000000, %ebp                  /* CALL and RET to another code segment */
1:      lcallw  *OFF16(far_function)
        decl    %ebp
        jnz     1b
        ret
far_target:
        incw    %ax
        lretw

int:    movl    $1000000, %ebp
1:      int     $0x60
        decl    %ebp
        jnz     1b
        ret
interrupt:
        incw    %ax
        iretw

        .code32
        .text   1
text_prot16: .asciz "begin prot16 "
text_v86: .asciz "begin v86 "
text_real: .asciz "begin real "
text_end: .asciz "end\n"
        .irp    kernel, fill, copy, movs, short, scan, calls, sieve, sort, chase, crc16, crc32, far, int
text_\kernel: .asciz "\kernel\n"
        .endr
        .balign 4
seg_near: .word 0
seg_a:  .word   0
seg_b:  .word   0
rounds: .word   0
far_function: .word OFF16(far_target) - (CODE_FAR - BASE), 0
        .text   2
table:  .skip   1024
flags_array: .skip 8192
