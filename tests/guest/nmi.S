/* NMIs: one at a time until IRET, whichever IRET it is, even one that faults; held off by MOV SS; IF does not matter.  The local APIC
 * sends them.  SDM 3A 6.7.1. */
#include "guest.inc"
#define ICR 0xfee00300
        .macro  send_nmi
        movl    $0x4400, ICR
        .endm
        movl    $0, ICR + 0x10
        set_gate 2, counted
        set_gate 0x50, returns

        /* at the next instruction boundary, with IF = 0 */
        send_nmi
1:      nop
        expect  count, $1
        expect  where, $1b

        /* within the handler: waits for its IRET, one only */
        set_gate 2, again
        movl    $0, count
        send_nmi
1:      nop
        expect  count, $2
        expect  inside, $1                      /* while it ran, the others waited */
        expect  where, $1b

        /* any IRET opens the gate: that of another handler on the way */
        set_gate 2, nested
        movl    $0, count
        send_nmi
1:      nop
        expect  count, $2
        expect  inside, $2
        expect  where, $1b

        /* also an IRET that faults */
        set_gate 2, faulting
        movl    $0, count
        set_gate VEC_GP, skip_iret
        send_nmi
1:      nop
        expect  count, $2
        expect  inside, $2
        set_gate VEC_GP, trap_stubs+VEC_GP*16

        /* MOV SS holds it off for one instruction */
        set_gate 2, counted
        movl    $0, count
        movl    $0x4400, %eax
        movl    %ss, %ebx
        movl    %ebx, %ss
        movl    %eax, ICR                       /* in the shadow already */
1:      nop
        expect  where, $1b

        /* from ring 3 and virtual-8086 mode */
        .irp    ring, 0, 1, 2, 3
        movl    $0, count
        try     \ring, EFLAGS_IF
        send_nmi
        nop
        done
        expect_done
        expect  count, $1
        .endr
        pass

counted:
        incl    %ss:count
        pushl   %eax
        movl    4(%esp), %eax
        movl    %eax, %ss:where
        popl    %eax
        iret
again:  incl    count
        cmpl    $1, count
        jne     1f
        send_nmi
        send_nmi                                /* merges with it */
        nop
        pushl   count
        popl    inside
1:      pushl   (%esp)
        popl    where
        iret
nested: incl    count
        cmpl    $1, count
        jne     1f
        send_nmi
        nop
        int     $0x50
        pushl   count
        popl    inside
1:      pushl   (%esp)
        popl    where
        iret
returns:
        iret
faulting:
        incl    count
        cmpl    $1, count
        jne     2f
        send_nmi
        nop
        pushl   $2
        pushl   $0xfff8                         /* no such segment */
        pushl   $1f
        iret
1:      addl    $12, %esp
2:      iret
skip_iret:                                      /* error, EIP, CS, EFLAGS of the IRET; the NMI has come first */
        pushl   count
        popl    inside
        addl    $4, %esp
        movl    $1b, (%esp)
        iret

        .text   1
        .balign 4
count:  .long   0
inside: .long   0
where:  .long   0
