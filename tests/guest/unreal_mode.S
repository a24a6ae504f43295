/* "Unreal" mode: a 4 GiB limit loaded in protected mode stays in real mode until the limit is loaded anew; a selector load
 * changes base only.  SDM 3A 9.9.2; SeaBIOS and boot loaders depend on it. */
#include "guest.inc"
        movl    $0xfeedf00d, FREE_PAGES
        enter_real_mode
        .irp    round, 1, 2, 3
        cli
        lgdtl   OFF16(gdt_pointer)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        jmp     1f
1:      movw    $SEL_DATA0, %bx
        movw    %bx, %fs
        andb    $0xfe, %al
        movl    %eax, %cr0
        jmp     1f
1:      movl    $FREE_PAGES, %ebx
        movl    %fs:(%ebx), %eax
        cmpl    $0xfeedf00d, %eax
        je      2f
        fail16
2:      incl    %fs:4(%ebx)
        movw    $0x1000, %ax                    /* base 10000h, limit kept */
        movw    %ax, %fs
        cmpl    $0xfeedf00d, %fs:-0x10000(%ebx)
        je      2f
        fail16
2:      cmpl    $\round, %fs:-0xfffc(%ebx)
        je      2f
        fail16
2:
        .endr
        /* The selector of a far pointer at FFFEh is at 0, whatever the limit. */
        movl    $0x10000, %ebx
        movw    $0x2222, %fs:(%ebx)
        movw    $0x1111, %fs:0
        movw    $0x3333, %fs:0xfffe
        movw    $1000, %cx
3:      lgs     %fs:0xfffe, %dx
        movw    %gs, %ax
        cmpw    $0x1111, %ax
        je      2f
        fail16
2:      cmpw    $0x3333, %dx
        je      2f
        fail16
2:      loop    3b
        /* REP with 32-bit addresses, as boot loaders copy kernels */
        cli
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        movw    $SEL_DATA0, %bx
        movw    %bx, %es
        movw    %bx, %ds
        andb    $0xfe, %al
        movl    %eax, %cr0
        xorw    %bx, %bx
        movw    %bx, %es
        movw    %bx, %ds
        cld
        movl    $FREE_PAGES, %esi
        movl    $(FREE_PAGES + 0x20000), %edi
        movl    $0x9000, %ecx
        addr32 rep movsl
        cmpl    $(FREE_PAGES + 0x24000), %esi
        je      2f
        fail16
2:      movl    $(FREE_PAGES + 0x20000), %ebx
        cmpl    $0xfeedf00d, (%ebx)
        je      2f
        fail16
2:      pass16
