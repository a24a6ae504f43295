/* A small DOS-like system in 16-bit code: INT 20h and 21h, a directory of files on a floppy, .COM programs and relocated MZ
 * programs, resident programs.  It runs all programs on its list in real mode, then enters the monitor (monitor.S) and
 * runs them again in virtual-8086 mode.  Everything it prints goes to the first serial port and to the screen. */
#include "dos.inc"

/* The frame of INT 21h. */
#define CALLER_BX 8
#define CALLER_AX 14
#define CALLER_ES 18
#define CALLER_FLAGS 26

        .code16
        .globl  entry
entry:  cli
        movw    %cs, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x8000, %sp
        sti
        cld
        movb    %dl, boot_drive
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $int20, %es:0x20 * 4
        movw    %cs, %es:0x20 * 4 + 2
        movw    $int21, %es:0x21 * 4
        movw    %cs, %es:0x21 * 4 + 2
        movw    $0xe3, %ax                      /* 9600 baud, 8N1 */
        xorw    %dx, %dx
        int     $0x14
        movw    $DIRECTORY, %ax
        callw   read_sector
        movw    $sector, %si
        movw    $directory, %di
        movw    $256, %cx
        pushw   %ds
        popw    %es
        rep movsw
        say     "DOS-like system, real mode\r\n"
        callw   run_list
        callw   monitor_enter
        say     "DOS-like system, v86 mode\r\n"
        callw   run_list
        say     "DOS-like system, end\r\n"
        movb    exit_sum, %bl
        int     $INT_MONITOR

/* All programs of the list. */
run_list:
        movw    $program_list, %si
1:      cmpb    $0, (%si)
        je      2f
        callw   exec
        orb     %al, exit_sum
        testb   %al, %al
        jz      3f
        say     "exit code"
        say_hex
        new_line
3:      addw    $8, %si
        jmp     1b
2:      retw
program_list:
        .ascii  "HELLO   RELOC   TSR     TICKS   KEYS    SMC     VGA     BIOS    UNREAL  XMS     FAULTS  CHILD   SUMS    "
        .byte   0

/* --- files --- */

/* Sector AX to `sector`.  Floppies' DMA cannot cross 64 KiB: so one at a time, to one place. */
read_sector:
        pushaw
        pushw   %es
        xorw    %dx, %dx
        movw    $18, %cx
        divw    %cx
        movb    %dl, %cl
        incb    %cl
        movb    %al, %ch
        shrb    $1, %ch
        movb    %al, %dh
        andb    $1, %dh
        movb    boot_drive, %dl
        pushw   %ds
        popw    %es
        movw    $sector, %bx
        movw    $3, %di                         /* tries */
1:      movw    $0x201, %ax
        int     $0x13
        jnc     2f
        xorb    %ah, %ah
        int     $0x13
        decw    %di
        jnz     1b
        say     "cannot read the disk\r\n"
        movb    $1, %al
        outb    %al, $EXIT_PORT
2:      popw    %es
        popaw
        retw

/* The entry of the name at FS:SI, in DI; CF set: there is none. */
find:   pushw   %cx
        movw    $directory, %di
1:      xorw    %bx, %bx
2:      movb    %fs:(%bx, %si), %al
        cmpb    %al, (%bx, %di)
        jne     3f
        incw    %bx
        cmpw    $8, %bx
        jne     2b
        popw    %cx
        clc
        retw
3:      addw    $16, %di
        cmpw    $directory + 512, %di
        jb      1b
        popw    %cx
        stc
        retw

/* CX bytes of the file with the entry DI from position DX to ES:0 and up; ES moves.  AX = bytes. */
read_file:
        pushw   %si
        pushw   %bx
        movw    12(%di), %ax
        subw    %dx, %ax
        jae     1f
        xorw    %ax, %ax
1:      cmpw    %cx, %ax
        jbe     2f
        movw    %cx, %ax
2:      pushw   %ax                             /* so many */
        movw    %ax, %cx
3:      jcxz    5f
        movw    %dx, %ax
        shrw    $9, %ax
        addw    8(%di), %ax
        callw   read_sector
        movw    %dx, %si
        andw    $511, %si
        movw    $512, %bx
        subw    %si, %bx
        cmpw    %cx, %bx
        jbe     4f
        movw    %cx, %bx
4:      addw    %bx, %dx
        subw    %bx, %cx
        pushw   %cx
        pushw   %di
        movw    %bx, %cx
        addw    $sector, %si
        xorw    %di, %di
        rep movsb
        movw    %es, %ax
        shrw    $4, %bx                         /* whole paragraphs, but at the end */
        addw    %bx, %ax
        movw    %ax, %es
        popw    %di
        popw    %cx
        jmp     3b
5:      popw    %ax
        popw    %bx
        popw    %si
        retw

/* --- programs --- */

/* Run the program FS:SI (FS = DS when it is called from here).  AL = exit code, FFh: not there.  Keeps all else. */
exec:   pushw   %ds
        popw    %fs
exec_fs:
        pushaw
        pushw   %es
        callw   find
        jnc     1f
        popw    %es
        popaw
        movw    $0xff, %ax
        retw
1:      pushw   saved_sp
        pushw   saved_ss
        pushw   program
        movw    free_seg, %ax
        movw    %ax, program
        movw    %ax, %es
        movw    $0x20cd, %es:0                  /* INT 20h */
        movw    $TOP_SEG, %es:2
        movw    $0x0d00, %es:0x80               /* no arguments */
        addw    $0x10, %ax
        movw    %ax, %es
        movw    $0xfff0, %cx
        xorw    %dx, %dx
        callw   read_file
        movw    %sp, saved_sp
        movw    %ss, saved_ss
        movw    program, %ax
        addw    $0x10, %ax
        movw    %ax, %es
        cmpw    $0x5a4d, %es:0
        je      start_mz
        subw    $0x10, %ax
        cli
        movw    %ax, %ss
        movw    $0xfffe, %sp
        sti
        pushw   $0                              /* RET leads to INT 20h */
        movw    %ax, %ds
        movw    %ax, %es
        pushw   %ax
        pushw   $0x100
        lretw

/* ES = segment of the file, which begins with its header. */
start_mz:
        movw    %es, %ax
        addw    %es:8, %ax                      /* paragraphs of header: AX = first segment of the image */
        movw    %es:6, %cx
        movw    %es:0x18, %si
1:      jcxz    2f
        movw    %es:(%si), %di
        movw    %es:2(%si), %bx
        addw    %ax, %bx
        movw    %bx, %fs
        addw    %ax, %fs:(%di)
        addw    $4, %si
        decw    %cx
        jmp     1b
2:      movw    %es:0xe, %bx
        addw    %ax, %bx
        movw    %es:0x10, %dx
        movw    %es:0x16, %cx
        addw    %ax, %cx
        movw    %es:0x14, %si
        movw    program, %di
        cli
        movw    %bx, %ss
        movw    %dx, %sp
        sti
        movw    %di, %ds
        movw    %di, %es
        pushw   %cx
        pushw   %si
        lretw

int20:  movw    $0x4c00, %ax
int21:  sti
        cld
        cmpb    $0x4c, %ah
        je      terminate
        cmpb    $0x31, %ah
        je      stay
        pushw   %ds
        pushw   %es
        pushw   %fs
        pushaw
        movw    %sp, %bp
        pushw   %ds
        popw    %fs                             /* the caller's */
        movw    %cs, %di
        movw    %di, %ds
        movw    $functions, %di
1:      cmpb    %ah, (%di)
        je      2f
        addw    $3, %di
        cmpw    $functions_end, %di
        jb      1b
        orw     $CF, CALLER_FLAGS(%bp)
        jmp     3f
2:      andw    $~CF, CALLER_FLAGS(%bp)
        callw   *1(%di)
3:      popaw
        popw    %fs
        popw    %es
        popw    %ds
        iretw
functions:
        .macro  function number, label
        .byte   \number
        .word   \label
        .endm
        function 0x02, put_char
        function 0x08, get_key
        function 0x09, put_string
        function 0x25, set_vector
        function 0x30, version
        function 0x35, get_vector
        function 0x3d, open
        function 0x3f, read
        function 0x4b, run
functions_end:

terminate:
        movw    %cs, %bx
        movw    %bx, %ds
terminated:
        cli
        movw    saved_ss, %ss
        movw    saved_sp, %sp
        sti
        popw    program
        popw    saved_ss
        popw    saved_sp
        popw    %es
        movb    %al, exit_code
        popaw
        movb    exit_code, %al
        xorb    %ah, %ah
        retw

stay:   movw    %cs, %bx                        /* DX paragraphs, rounded up */
        movw    %bx, %ds
        addw    $0x1f, %dx
        andw    $~0x1f, %dx
        addw    %dx, free_seg
        jmp     terminated

put_char:
        movb    %dl, %al
        callw   put
        retw

put_string:
        movw    %dx, %si
1:      movb    %fs:(%si), %al
        incw    %si
        cmpb    $'$', %al
        je      2f
        callw   put
        jmp     1b
2:      retw

put:    pushaw
        pushw   %ax
        movb    $1, %ah
        xorw    %dx, %dx
        int     $0x14
        popw    %ax
        movb    $0xe, %ah
        movw    $7, %bx
        int     $0x10
        popaw
        retw

get_key:
        xorb    %ah, %ah
        int     $0x16
        movw    %ax, CALLER_AX(%bp)
        retw

set_vector:
        pushw   $0
        popw    %es
        xorb    %ah, %ah
        movw    %ax, %di
        shlw    $2, %di
        cli
        movw    %dx, %es:(%di)
        movw    %fs, %es:2(%di)
        sti
        retw

get_vector:
        pushw   $0
        popw    %es
        xorb    %ah, %ah
        movw    %ax, %di
        shlw    $2, %di
        movw    %es:(%di), %ax
        movw    %ax, CALLER_BX(%bp)
        movw    %es:2(%di), %ax
        movw    %ax, CALLER_ES(%bp)
        retw

version:
        movw    $0x0005, CALLER_AX(%bp)
        retw

/* One file at a time. */
open:   movw    %dx, %si
        callw   find
        jc      1f
        movw    %di, open_entry
        movw    $0, open_position
        retw
1:      orw     $CF, CALLER_FLAGS(%bp)
        retw

/* CX bytes to DS:DX, DX a multiple of 16. */
read:   movw    %dx, %ax
        shrw    $4, %ax
        movw    %fs, %dx
        addw    %dx, %ax
        movw    %ax, %es
        movw    open_entry, %di
        movw    open_position, %dx
        callw   read_file
        addw    %ax, open_position
        movw    %ax, CALLER_AX(%bp)
        retw

/* The program DS:DX, in the memory behind the caller's first 4 KiB. */
run:    movw    %dx, %si
        pushw   %bp
        addw    $0x100, free_seg
        callw   exec_fs
        subw    $0x100, free_seg
        popw    %bp
        movw    %ax, CALLER_AX(%bp)
        retw

        library

boot_drive: .byte 0
exit_code: .byte 0
exit_sum: .byte 0
        .balign 4
saved_sp: .word 0
saved_ss: .word 0
program: .word  0       /* its PSP */
free_seg: .word FREE_SEG
open_entry: .word 0
open_position: .word 0

#include "monitor.S"

        .balign 512
sector: .skip   512
directory: .skip 512
