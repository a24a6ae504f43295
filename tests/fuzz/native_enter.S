/* In and out of 32-bit code with the guest's registers and segments.  Compatibility mode: SDM 3A 5.8.1, 8.8.  No thread-local
 * storage can be used while the guest's FS is loaded. */
#include "tests/fuzz/native_layout.h"

#define D(offset) (NATIVE_DATA + (offset))

        .text
        .code64
        .globl  native_enter, native_exit, native_signal, native_trampoline, native_trampoline_end
        .type   native_enter, @function

/* void native_enter(void): comes back by native_exit */
native_enter:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, D(ND_HOST_RSP)
        rdfsbase %rax
        mov     %rax, D(ND_FS_BASE)
        rdgsbase %rax
        mov     %rax, D(ND_GS_BASE)
        cmpl    $0, D(ND_HAS_AVX)
        je      1f
        mov     $7, %eax
        xor     %edx, %edx
        xrstor64 D(ND_FPU)
        jmp     2f
1:      fxrstor64 D(ND_FPU)
2:      movl    $1, D(ND_IS_RUNNING)
        ljmpl   *D(ND_TRAMPOLINE)

/* Where the signal handler leads when the guest's run is over. */
native_exit:
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     D(ND_FS_BASE), %rax
        wrfsbase %rax
        mov     D(ND_GS_BASE), %rax
        wrgsbase %rax
        cmpl    $0, D(ND_HAS_AVX)
        je      1f
        mov     $7, %eax
        xor     %edx, %edx
        xsave64 D(ND_FPU)
        vzeroupper
        jmp     2f
1:      fxsave64 D(ND_FPU)
2:      fninit
        pushq   $0x1f80
        ldmxcsr (%rsp)
        pop     %rax
        cld
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

/* The handler of all synchronous signals: native_on_signal(), or who was there before if no guest runs natively. */
native_signal:
        cmpl    $0, D(ND_IS_RUNNING)
        jne     1f
        jmp     *D(ND_OLD_HANDLER)
1:      mov     D(ND_FS_BASE), %rax
        wrfsbase %rax
        mov     D(ND_GS_BASE), %rax
        wrgsbase %rax
        pushfq
        andl    $~0x40000, (%rsp)       /* the guest's AC: our accesses need not be aligned */
        popfq
        sub     $8, %rsp
        call    native_on_signal
        add     $8, %rsp
        cmpl    $0, D(ND_IS_RUNNING)
        je      2f
        movw    D(ND_SEL + 8), %fs
        movw    D(ND_SEL + 10), %gs
2:      ret

        .code32
native_trampoline:
        mov     $0x2b, %eax
        mov     %eax, %ss
        mov     $D(ND_STACK_END), %esp
        pushl   %cs:D(ND_EFLAGS)
        popfl
        movw    %cs:D(ND_SEL + 0), %es
        movw    %cs:D(ND_SEL + 8), %fs
        movw    %cs:D(ND_SEL + 10), %gs
        mov     %cs:D(ND_GPR + 4), %ecx
        mov     %cs:D(ND_GPR + 8), %edx
        mov     %cs:D(ND_GPR + 12), %ebx
        mov     %cs:D(ND_GPR + 20), %ebp
        mov     %cs:D(ND_GPR + 24), %esi
        mov     %cs:D(ND_GPR + 28), %edi
        mov     %cs:D(ND_GPR + 0), %eax
        movw    %cs:D(ND_SEL + 6), %ds
        movw    %cs:D(ND_SEL + 4), %ss
        mov     %cs:D(ND_GPR + 16), %esp
        ljmp    *%cs:D(ND_EIP)
native_trampoline_end:

        .section .note.GNU-stack, "", @progbits
