/* void hostfp_enter(struct hostfp_frame *frame): run one stub with guest FP state, registers and flags.
 * Offsets are those of struct hostfp_frame in cpu/hostfp.c.  Only mov and lea stand between the loading of the guest's
 * flags and the stub, and between the stub and their saving.  FXSAVE and FNINIT do not wait, so an x87 exception that
 * the instruction leaves pending stays in the image and never reaches the host. */
        .text
        .globl  hostfp_enter
        .type   hostfp_enter, @function
hostfp_enter:
        push    %rbx
        mov     %rdi, %rbx
        stmxcsr 72(%rbx)
        fnstcw  76(%rbx)
        mov     0(%rbx), %rax           /* from */
        fxrstor64 (%rax)
        cmpl    $0, 68(%rbx)            /* has_ymm */
        je      1f
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vinsertf128 $1, 576 + 16 * \n(%rax), %ymm\n, %ymm\n
        .endr
1:
        mov     64(%rbx), %eax          /* packed flags: AH as SAHF wants it, AL = OF */
        addb    $0x7f, %al
        sahf
        mov     32(%rbx), %rax
        mov     40(%rbx), %rcx
        mov     48(%rbx), %rdx
        mov     56(%rbx), %rsi
        mov     24(%rbx), %rdi          /* mem */
        call    *16(%rbx)               /* stub */
        mov     %rax, 32(%rbx)
        mov     %rcx, 40(%rbx)
        mov     %rdx, 48(%rbx)
        mov     %rsi, 56(%rbx)
        seto    %al
        lahf
        mov     %eax, 64(%rbx)
        mov     8(%rbx), %rax           /* to */
        fxsave64 (%rax)
        cmpl    $0, 68(%rbx)
        je      1f
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vextractf128 $1, %ymm\n, 576 + 16 * \n(%rax)
        .endr
        vzeroupper
1:
        fninit
        fldcw   76(%rbx)
        ldmxcsr 72(%rbx)
        pop     %rbx
        ret
        .size   hostfp_enter, . - hostfp_enter
        .section .note.GNU-stack, "", @progbits
