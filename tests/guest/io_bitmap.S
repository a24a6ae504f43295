/* The I/O permission bit map: ports of every width, over byte borders, at the map's end, in ring 3 and virtual-8086 mode; CPL <= IOPL
 * does not ask it, virtual-8086 mode always does.  SDM 1 19.5.2. */
#include "guest.inc"
#define PORT 0x84                               /* spare DMA page registers: 84h, 85h, 86h, 88h */
#define ALLOW(port) andb $~(1 << ((port) & 7)), tss_io_map + (port) / 8
#define DENY(port) orb $(1 << ((port) & 7)), tss_io_map + (port) / 8
        .macro  allowed insn:vararg
        try     RING3
        \insn
        done
        expect_done
        try_v86 IOPL3
        \insn
        done_v86
        expect_done
        .endm
        .macro  denied insn:vararg
        try     RING3, IOPL2
1:      \insn
        done
        expect_fault VEC_GP, 0, 1b
        try_v86 IOPL3
1:      \insn
        done_v86
        expect_fault VEC_GP, 0, 1b
        try     RING3, IOPL3                    /* IOPL 3: not asked */
        \insn
        done
        expect_done
        .endm
        denied  inb $PORT, %al
        denied  outb %al, $PORT
        ALLOW(PORT)
        allowed inb $PORT, %al
        allowed outb %al, $PORT
        denied  inw $PORT, %ax
        ALLOW(PORT + 1)
        allowed inw $PORT, %ax
        denied  inl $PORT, %eax
        ALLOW(PORT + 2)
        ALLOW(PORT + 3)
        allowed inl $PORT, %eax
        movw    $PORT, %dx
        allowed inb %dx, %al
        allowed outl %eax, %dx
        movw    $(PORT + 2), %dx                /* 86h-89h: two bytes of the map */
        denied  inl %dx, %eax
        ALLOW(PORT + 4)
        denied  inl %dx, %eax
        ALLOW(PORT + 5)
        allowed inl %dx, %eax
        DENY(PORT + 3)
        denied  inl %dx, %eax
        allowed inb %dx, %al

        /* string instructions: refused before memory is touched; a count of 0 asks nobody */
        movw    $(PORT + 3), %dx
        movl    $0, %edi
        movl    $0, %esi
        denied  insb
        denied  outsb
        movl    $0, %ecx
        try     RING3
        rep insb
        done
        expect_done
        movw    $PORT, %dx
        movl    $0x500, %edi
        try     RING3
        insb
        done
        expect_done
        expect  %edi, $0x501

        /* the map ends with the TSS: two bytes are read for any port */
        ALLOW(PORT + 3)
        .irp    limit, 0, 1
        movw    $(104 + PORT / 8 + \limit), gdt + SEL_TSS
        andb    $~2, gdt + SEL_TSS + 5
        movw    $SEL_TSS, %ax
        ltr     %ax
        movw    $PORT, %dx
        try     RING3
1:      inb     %dx, %al
        done
        .if     \limit
        expect_done
        .else
        expect_fault VEC_GP, 0, 1b
        .endif
        .endr
        movw    $PORT + 6, %dx                  /* the next byte of the map: beyond */
        try     RING3
1:      inb     %dx, %al
        done
        expect_fault VEC_GP, 0, 1b

        /* a base beyond the limit: no map, no ports */
        movw    $0xffff, tss + 102
        movw    $PORT, %dx
        try     RING3
1:      inb     %dx, %al
        done
        expect_fault VEC_GP, 0, 1b
        try     RING2, IOPL2
        inb     %dx, %al
        done
        expect_done
        pass
