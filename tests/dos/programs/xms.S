/* Memory above 1 MiB by INT 15h, functions 88h and 87h: 4 KiB there, and back to another place. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  say     "XMS"
        movb    $0x88, %ah
        int     $0x15
        cmpw    $1024, %ax
        jb      failed
        movw    $source, %di
        movw    $2048, %cx
        movw    $1, %ax
1:      stosw
        addw    $0x123, %ax
        loop    1b
        movw    $source, %ax
        callw   linear
        movl    %eax, from
        movl    $0x345678, to
        callw   move
        movl    $0x345678, from
        movw    $target, %ax
        callw   linear
        movl    %eax, to
        callw   move
        movw    $source, %si
        movw    $target, %di
        movw    $2048, %cx
        repe cmpsw
        jne     failed
        movw    target + 4094, %ax              /* 1 + 2047 * 123h & FFFF = 17de */
        say_hex
        new_line
        exit
failed: say     " failed\r\n"
        exit    1

/* AX = offset; EAX = linear address */
linear: pushl   %ebx
        xorl    %ebx, %ebx
        movw    %ds, %bx
        shll    $4, %ebx
        movzwl  %ax, %eax
        addl    %ebx, %eax
        popl    %ebx
        retw

/* 4 KiB from `from` to `to` */
move:   movl    from, %eax
        orl     $0x93000000, %eax
        movl    %eax, table + 0x12
        movl    to, %eax
        orl     $0x93000000, %eax
        movl    %eax, table + 0x1a
        movw    $table, %si
        movw    $2048, %cx
        movb    $0x87, %ah
        int     $0x15
        jc      failed
        retw
        library
        .balign 8
from:   .long   0
to:     .long   0
table:  .quad   0, 0, 0xffff, 0xffff, 0, 0
        .balign 16
source: .skip   4096
target: .skip   4096
