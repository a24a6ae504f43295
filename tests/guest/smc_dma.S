/* Code overwritten by a device: fw_cfg's DMA puts its signature, "QEMU", over four NOPs that have been executed; it reads as
 * push %ecx; inc %ebp; dec %ebp; push %ebp.  SDM 3A 8.1.3; 11.6. */
#include "guest.inc"
#define CODE (FREE_PAGES + 0x3000)
        cld
        movl    $30, %ecx
1:      pushl   %ecx
        movl    $CODE, %edi
        movl    $template, %esi
        movl    $(template_end - template), %ecx
        rep movsb
        call    run
        expect  %ebx, $0
        dma_signature CODE, request
        expect  CODE, $0x554d4551
        call    run
        expect  %ebx, $8                        /* two pushes */
        popl    %ecx
        decl    %ecx
        jnz     1b
        pass

/* EBX = by how much the code at CODE moves ESP */
run:    movl    %esp, %edx
        movl    $1f, %esi
        movl    $CODE, %eax
        jmp     *%eax
1:      ret
template:
        nop
        nop
        nop
        nop
        movl    %edx, %ebx
        subl    %esp, %ebx
        movl    %edx, %esp
        jmp     *%esi
template_end:
        .text   1
        .balign 4
request: .long  0, 0, 0, 0
