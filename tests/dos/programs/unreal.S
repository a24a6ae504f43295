/* Segments of 4 GiB in real mode: loaded in protected mode, kept after it.  In virtual-8086 mode there is no way to that. */
#include "dos.inc"
        .code16
        .globl  entry
entry:  say     "UNREAL"
        smsww   %ax
        testb   $1, %al
        jz      1f
        say     " not in v86 mode\r\n"
        exit
1:      movw    $0x2401, %ax                    /* A20 */
        int     $0x15
        cli
        xorl    %eax, %eax
        movw    %ds, %ax
        shll    $4, %eax
        addl    $gdt, %eax
        movl    %eax, gdt_pointer + 2
        lgdtl   gdt_pointer
        movl    %cr0, %eax
        incw    %ax
        movl    %eax, %cr0
        jmp     2f
2:      movw    $8, %bx
        movw    %bx, %fs
        decw    %ax
        movl    %eax, %cr0
        jmp     3f
3:      sti
        movl    $0x200000, %edi                 /* a table of squares at 2 MiB */
        xorl    %ecx, %ecx
4:      movl    %ecx, %eax
        mull    %eax
        movl    %eax, %fs:(%edi, %ecx, 4)
        incl    %ecx
        cmpl    $3000, %ecx
        jb      4b
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
5:      addl    %fs:0x200000(, %ecx, 4), %ebx
        incl    %ecx
        cmpl    $3000, %ecx
        jb      5b
        movl    %ebx, %eax                      /* 8995500500 & FFFFFFFF = 182dcfd4 */
        shrl    $16, %eax
        say_hex
        movw    %bx, %ax
        say_hex
        movw    $0x1234, %ax                    /* FS loaded again in real mode keeps the limit, not the base */
        movw    %ax, %fs
        movl    $0x200000 - 0x12340 + 40, %edi
        movl    %fs:(%edi), %eax                /* 10 * 10 */
        say_hex
        xorw    %ax, %ax
        movw    %ax, %fs
        new_line
        exit
        .balign 8
gdt:    .quad   0, 0x008f92000000ffff
gdt_pointer: .word 15
        .long   0
        library
