/* Virtual-8086 mode as a DOS extender or EMM386 uses it: INT and I/O trapped and reflected through the real-mode vector
 * table, flags and segments of the guest kept; many times.  SDM 3A 20.2, 20.3. */
#include "guest.inc"
        set_gate VEC_GP, monitor
        movw    $OFF16(handler16), 0x60 * 4
        movw    $SEG16, 0x60 * 4 + 2
        movl    $0, %ecx
        movl    $0, %ebx
        movl    $0, %edx
        try_v86 EFLAGS_IF
        movw    $1000, %cx
1:      int     $0x60
        loop    1b
        movw    $0x7777, %ax
        movw    %ax, %ds
        int     $0x60
        movw    %ds, %dx
        int3
        done_v86
        expect  trap_vector, $VEC_BP
        expect  %ebx, $1001
        expect  %edx, $0x7777
        expect  reflected, $1001
        expect  returned, $1001
        expect_bits trap_eflags, EFLAGS_VM | EFLAGS_IF, EFLAGS_VM | EFLAGS_IF
        pass

        .code16
handler16:
        incw    %bx
        iretw
        .code32

/* #GP from virtual-8086 mode.  Error, EIP, CS, EFLAGS, ESP, SS */
monitor:
        addl    $4, %esp
        pushal
        movl    $SEL_DATA0, %eax
        movl    %eax, %ds
        movl    36(%esp), %esi
        shll    $4, %esi
        addl    32(%esp), %esi
        cmpb    $0xcf, (%esi)
        je      1f
        cmpb    $0xcd, (%esi)
        je      2f
        fail
1:      incl    returned                        /* IRET */
        movl    48(%esp), %edi
        shll    $4, %edi
        movl    44(%esp), %edx
        movzwl  (%edi, %edx), %eax
        movl    %eax, 32(%esp)
        movzwl  2(%edi, %edx), %eax
        movl    %eax, 36(%esp)
        movw    4(%edi, %edx), %ax
        movw    %ax, 40(%esp)
        andl    $~IOPL3, 40(%esp)
        addl    $6, 44(%esp)
        popal
        iret
2:      incl    reflected                       /* INT n */
        movzbl  1(%esi), %ebx
        movl    48(%esp), %edi
        shll    $4, %edi
        subl    $6, 44(%esp)
        movl    44(%esp), %edx
        movl    32(%esp), %eax
        addl    $2, %eax
        movw    %ax, (%edi, %edx)
        movl    36(%esp), %eax
        movw    %ax, 2(%edi, %edx)
        movl    40(%esp), %eax
        movw    %ax, 4(%edi, %edx)
        movzwl  (, %ebx, 4), %eax
        movl    %eax, 32(%esp)
        movzwl  2(, %ebx, 4), %eax
        movl    %eax, 36(%esp)
        popal
        iret
        .text   1
        .balign 4
reflected: .long 0
returned: .long 0
