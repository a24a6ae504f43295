/* String instructions with 16-bit addresses: alone and repeated, both directions, overlapping, up to the end of 64 KiB and beyond, stopped by
 * a comparison or by the limit, onto code; upper halves of registers stay.  SDM 2B "REP". */
#include "guest.inc"
#define FAR_A 0x2000
#define FAR_B 0x3000
        .macro  at si, di, cx
        movl    $(0x51510000 + \si), %esi
        movl    $(0xd1d10000 + \di), %edi
        movl    $(0xc1c10000 + \cx), %ecx
        .endm
        .macro  expect_at si, di, cx
        expect32 %esi, 0x51510000 + \si
        expect32 %edi, 0xd1d10000 + \di
        expect32 %ecx, 0xc1c10000 + \cx
        .endm
        .macro  expect32 got, want
        pushfw
        cmpl    $(\want), \got
        je      779f
        fail16
779:    popfw
        .endm
        .macro  faults16 vector, insn:vararg
        pushw   %es
        pushw   $0
        popw    %es
        movw    $OFF16(772f), %es:(\vector * 4)
        movw    $SEG16, %es:(\vector * 4 + 2)
        popw    %es
        \insn
        fail16
772:    addw    $6, %sp
        .endm

        enter_real_mode
        movw    $FAR_A, %ax
        movw    %ax, %fs
        movw    $FAR_B, %ax
        movw    %ax, %es
        cld
        /* FAR_A: word i at 2 * i is i * 3 */
        xorw    %bx, %bx
        xorw    %ax, %ax
1:      movw    %ax, %fs:(%bx)
        addw    $3, %ax
        addw    $2, %bx
        jnz     1b

        /* alone */
        at      0x10, 0xfffe, 7
        movsw   %fs:(%si), %es:(%di)
        expect_at 0x12, 0, 7
        expect16 %es:0xfffe, $24
        at      0xffff, 0xffff, 7
        movsb   %fs:(%si), %es:(%di)
        expect_at 0, 0, 7
        std
        at      2, 0, 7
        movl    $0x12345678, %eax
        lodsw   %fs:(%si)
        expect32 %eax, 0x12340003
        expect_at 0, 0, 7
        lodsb   %fs:(%si)
        expect_at 0xffff, 0, 7
        stosb
        expect_at 0xffff, 0xffff, 7
        cld
        at      6, 0xfff8, 7
        movl    $0x99887766, %eax
        stosl
        expect32 %es:0xfff8, 0x99887766
        scasl
        jne     2f
        fail16
2:      expect_at 6, 0, 7

        /* repeated, whole segments; in the loop it is translated, not interpreted */
        movw    $3, %bp
3:      movw    $0, %es:0xfffe
        at      0, 0, 0x7fff
        rep movsw %fs:(%si), %es:(%di)
        expect_at 0xfffe, 0xfffe, 0
        at      0, 0, 0x8000
        repe cmpsw %es:(%di), %fs:(%si)
        expect_at 0, 0, 0
        je      4f
        expect16 %fs:0xfffe, $0x7ffd
        jmp     5f
4:      fail16
5:      at      0x1234, 0x1234, 0x100
        movw    $77, %es:0x1240
        repe cmpsw %es:(%di), %fs:(%si)
        expect_at 0x1242, 0x1242, 0xf9
        movw    $0x1b60, %es:0x1240             /* 1240h / 2 * 3 */
        /* on over the end: the offset wraps for bytes */
        at      0xfff0, 0xfff0, 0x20
        movb    $0x5a, %es:0
        rep movsb %fs:(%si), %es:(%di)
        expect_at 0x10, 0x10, 0
        expect16 %es:0, $0
        at      0xfff0, 0xfff8, 0x20
        repne cmpsb %es:(%di), %fs:(%si)
        expect32 %ecx, 0xc1c1001e
        at      0, 0xfff0, 0x40
        movb    $0x33, %al
        repne scasb
        expect_at 0, 0x23, 0xd
        /* a string's length */
        movb    $0xaa, %es:0x8000
        at      0, 0x100, 0xffff
        movb    $0xaa, %al
        repne scasb
        je      6f
        fail16
6:      cmpw    $0x8001, %di
        jbe     7f
        fail16
7:      movw    $0xc000, %es:0x8000             /* 8000h / 2 * 3 */
        /* nothing to do */
        at      5, 6, 0
        stc
        rep movsb %fs:(%si), %es:(%di)
        expect_at 5, 6, 0
        repe scasw
        jc      8f
        fail16
8:      expect_at 5, 6, 0
        /* downwards, and overlapping: a pattern is repeated */
        std
        at      0xfffe, 0xfffe, 0x8000
        rep movsw %fs:(%si), %es:(%di)
        expect_at 0xfffe, 0xfffe, 0
        expect16 %es:0x4000, $0x6000
        cld
        movw    %es:0x5000, %ax
        at      0x5000, 0x5002, 8
        rep movsw %es:(%si), %es:(%di)
        expect_at 0x5010, 0x5012, 0
        expect16 %es:0x5010, %ax
        expect16 %es:0x5008, %ax
        at      0x5000, 0x5000, 9
        movw    $0x7777, %ax
        rep stosw
        expect16 %es:0x5010, $0x7777
        expect16 %es:0x5012, $0x781b            /* 5012h / 2 * 3 */
        decw    %bp
        jnz     3b

        /* beyond the limit: the elements before it are done */
        at      0xfff9, 0x1001, 8
        faults16 VEC_GP, rep movsw %fs:(%si), %es:(%di)
        expect_at 0xffff, 0x1007, 5
        at      0x100, 0xfffb, 8
        movl    $-1, %eax
        faults16 VEC_GP, rep stosw
        expect_at 0x100, 0xffff, 6
        at      0x101, 0xffff, 8
        movl    %es:0, %ebx
        faults16 VEC_GP, repne scasw
        expect_at 0x101, 0xffff, 8
        faults16 VEC_GP, movsw
        at      0xffff, 0, 8
        faults16 VEC_GP, lodsw %fs:(%si)
        expect_at 0xffff, 0, 8

        /* onto code: what was just run is replaced */
        movw    %cs, %ax
        movw    %ax, %es
        movw    %ax, %ds
        movw    $2, %bp
9:      movw    $1, %ax
replaced:
        movw    $2, %bx
        at      OFF16(replacement), OFF16(replaced), 3
        rep movsb
        incw    %ax
        decw    %bp
        jnz     replaced
        expect16 %bx, $5
        pass16

replacement:
        movw    $5, %bx
