/* Option ROM "ringer-boot": loads and starts the kernel that fw_cfg file "opt/ringer/boot" describes (bootrom.h).
 * Plug and Play BIOS Specification 1.0A, 3.1 (expansion ROM header, boot entry vector).
 *
 * 16-bit code; runs in real mode at any segment, which is read-only then.  Everything it writes lies here:
 *
 *     0:7000-7bff  stack
 *     0:7c00       DMA descriptor
 *     0:7c40       directory entry being looked at
 *     0:8000       the blob's header, 512 bytes
 *     0:8400       32-bit code and descriptor table for the jump to a multiboot kernel
 *     0:f000       memory map for it (32 entries of 24 bytes)
 *
 * Addresses are written as differences from bootrom_image, so the object needs no relocations. */
#define STACK_TOP   0x7c00
#define DMA_DESC    0x7c00
#define DIR_ENTRY   0x7c40
#define HEADER      0x8000
#define HEADER_LEN  512
#define TRAMPOLINE  0x8400
#define MMAP        0xf000
#define MMAP_MAX    32
#define MMAP_ENTRY  24 /* multiboot's size field and the 20 bytes of INT 15h, AX=E820h */

#define HDR_MAGIC    0
#define HDR_KIND     4
#define HDR_ENTRY    8
#define HDR_PARAM    12
#define HDR_SEGMENTS 16
#define HDR_SEGMENT  32
#define SEG_DEST     0
#define SEG_FILE_LEN 4
#define SEG_MEM_LEN  8
#define SEG_SIZE     12

#define KIND_LINUX 1
#define MAGIC 0x31544252

#define FWCFG_DMA_LOW  0x518
#define FWCFG_FILE_DIR 0x19
#define DMA_ERROR  0x01
#define DMA_READ   0x02
#define DMA_SELECT 0x08

/* Fields of the multiboot information structure. */
#define MBI_MEM_LOWER   4
#define MBI_MEM_UPPER   8
#define MBI_MMAP_LENGTH 44
#define MBI_MMAP_ADDR   48

        .section .rodata.bootrom, "a", @progbits
        .globl bootrom_image, bootrom_image_end
        .balign 16
        .code16
bootrom_image:
        .byte 0x55, 0xaa
        .byte (bootrom_image_end - bootrom_image) / 512
        jmp init
        .org bootrom_image + 0x1a
        .word pnp_header - bootrom_image
        .balign 16
pnp_header:
        .ascii "$PnP"
        .byte 1, 2                              /* revision; length in 16 bytes */
        .word 0                                 /* no further header */
        .byte 0, 0                              /* reserved; checksum: set by bootrom.c */
        .long 0                                 /* device identifier */
        .word maker - bootrom_image
        .word product - bootrom_image
        .byte 0x06, 0x00, 0x00                  /* device type: other system peripheral */
        .byte 0x14                              /* read-cacheable, may boot */
        .word 0, 0                              /* boot and disconnect vectors: not a disk */
        .word boot_entry - bootrom_image
        .word 0, 0
maker:  .asciz "Ringer"
product: .asciz "direct kernel boot"

init:   movw    $0x20, %ax                      /* an initial program load device is attached */
        lretw

/* The firmware boots from us. */
boot_entry:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $STACK_TOP, %sp
        movw    %ax, %ds
        movw    %ax, %es
        sti
        inb     $0x92, %al                      /* A20 on, should the firmware have left it off */
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92

        call    find_blob                       /* CX = key */
        movw    %cx, %bx
        movl    $HEADER, %edi
        movl    $HEADER_LEN, %ecx
        movb    $DMA_READ | DMA_SELECT, %al
        call    dma
        cmpl    $MAGIC, HEADER + HDR_MAGIC
        jne     fail
        call    load_segments
        cmpl    $KIND_LINUX, HEADER + HDR_KIND
        jne     start_multiboot

/* Linux: real mode, CS = segment + 20h, the other segments = segment, interrupts off. */
        cli
        movw    HEADER + HDR_ENTRY, %ax
        movzwl  HEADER + HDR_PARAM, %ebx
        movw    %ax, %ss
        movl    %ebx, %esp
        movw    %ax, %dx
        addw    $0x20, %dx
        pushw   %dx
        pushw   $0
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %esi, %esi
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        lretw

/* One transfer to linear EDI of ECX bytes; AL = control bits, BX = key if DMA_SELECT is among them.  Keeps all but EAX. */
dma:    movzbl  %al, %eax
        pushl   %ebx
        shll    $16, %ebx
        orl     %ebx, %eax
        popl    %ebx
        bswapl  %eax
        movl    %eax, DMA_DESC
        movl    %ecx, %eax
        bswapl  %eax
        movl    %eax, DMA_DESC + 4
        movl    $0, DMA_DESC + 8
        movl    %edi, %eax
        bswapl  %eax
        movl    %eax, DMA_DESC + 12
        pushw   %dx
        movw    $FWCFG_DMA_LOW, %dx
        movl    $DMA_DESC, %eax
        bswapl  %eax
        outl    %eax, %dx                       /* the upper half is 0 after reset and every transfer */
        popw    %dx
1:      movl    DMA_DESC, %eax
        bswapl  %eax
        testl   $DMA_ERROR, %eax
        jnz     fail
        testl   %eax, %eax
        jnz     1b
        ret

/* Walk the directory.  CX = key of the blob. */
find_blob:
        movl    $DIR_ENTRY, %edi
        movw    $FWCFG_FILE_DIR, %bx
        movl    $4, %ecx
        movb    $DMA_READ | DMA_SELECT, %al
        call    dma
        movl    DIR_ENTRY, %edx
        bswapl  %edx                            /* files left */
1:      testl   %edx, %edx
        jz      fail
        decl    %edx
        movl    $64, %ecx
        movb    $DMA_READ, %al
        call    dma
        movw    $blob_name - bootrom_image, %si
        movw    $DIR_ENTRY + 8, %bp
2:      movb    %cs:(%si), %al
        cmpb    %ds:(%bp), %al
        jne     1b
        incw    %si
        incw    %bp
        testb   %al, %al
        jnz     2b
        movw    DIR_ENTRY + 4, %cx
        xchgb   %cl, %ch
        ret

load_segments:
        movl    HEADER + HDR_SEGMENTS, %edx
        movw    $HEADER + HDR_SEGMENT, %si
1:      testl   %edx, %edx
        jz      2f
        movl    SEG_DEST(%si), %edi
        movl    SEG_FILE_LEN(%si), %ecx
        xorw    %bx, %bx
        movb    $DMA_READ, %al
        call    dma
        addw    $SEG_SIZE, %si
        decl    %edx
        jmp     1b
2:      ret

/* Multiboot: fill in the memory fields, then protected mode, EAX = magic, EBX = information. */
start_multiboot:
        call    memory_map
        movl    HEADER + HDR_PARAM, %ebx        /* below 64 KiB */
        movl    $MMAP, MBI_MMAP_ADDR(%bx)
        movw    %di, %ax
        subw    $MMAP, %ax
        movzwl  %ax, %eax
        movl    %eax, MBI_MMAP_LENGTH(%bx)
        int     $0x12
        movzwl  %ax, %eax
        movl    %eax, MBI_MEM_LOWER(%bx)
        call    upper_memory
        movl    %eax, MBI_MEM_UPPER(%bx)

        cli
        movw    $trampoline - bootrom_image, %si
        movw    $TRAMPOLINE, %di
        movw    $trampoline_end - trampoline, %cx
1:      movb    %cs:(%si), %al
        movb    %al, (%di)
        incw    %si
        incw    %di
        loop    1b
        lgdtl   TRAMPOLINE + gdtr - trampoline
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $0x08, $TRAMPOLINE + protected - trampoline

/* INT 15h, AX=E820h into MMAP.  DI = its end. */
memory_map:
        movw    $MMAP, %di
        xorl    %ebx, %ebx
1:      movl    $20, (%di)
        addw    $4, %di
        movl    $0xe820, %eax
        movl    $0x534d4150, %edx
        movl    $20, %ecx
        int     $0x15
        jc      2f
        cmpl    $0x534d4150, %eax
        jne     2f
        addw    $20, %di
        cmpw    $MMAP + MMAP_MAX * MMAP_ENTRY, %di
        jae     3f
        testl   %ebx, %ebx
        jnz     1b
3:      ret
2:      subw    $4, %di
        ret

/* EAX = KiB of the RAM that starts at 1 MiB.  DI = end of the map. */
upper_memory:
        movw    $MMAP, %si
1:      cmpw    %di, %si
        jae     2f
        cmpl    $0x100000, 4(%si)
        jne     3f
        cmpl    $0, 8(%si)
        jne     3f
        cmpl    $1, 20(%si)
        jne     3f
        movl    12(%si), %eax
        shrl    $10, %eax
        ret
3:      addw    $MMAP_ENTRY, %si
        jmp     1b
2:      xorl    %eax, %eax
        ret

fail:   movw    $message - bootrom_image, %si
1:      movb    %cs:(%si), %al
        incw    %si
        testb   %al, %al
        jz      2f
        movb    $0x0e, %ah
        movw    $7, %bx
        int     $0x10
        jmp     1b
2:      int     $0x18                           /* the next boot device */
3:      hlt
        jmp     3b

message: .asciz "ringer-boot: the kernel cannot be read through fw_cfg\r\n"
blob_name: .asciz "opt/ringer/boot"

/* Runs at TRAMPOLINE. */
        .balign 8
trampoline:
        .quad 0
        .quad 0x00cf9b000000ffff                /* 08h: code, flat */
        .quad 0x00cf93000000ffff                /* 10h: data, flat */
gdtr:   .word 23
        .long TRAMPOLINE
        .code32
protected:
        movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    $STACK_TOP, %esp
        movl    HEADER + HDR_SEGMENTS, %edx
        movl    $HEADER + HDR_SEGMENT, %esi
        xorl    %eax, %eax
1:      testl   %edx, %edx
        jz      2f
        movl    SEG_DEST(%esi), %edi
        movl    SEG_MEM_LEN(%esi), %ecx
        movl    SEG_FILE_LEN(%esi), %ebx
        addl    %ebx, %edi
        subl    %ebx, %ecx                      /* bytes to zero */
        movl    %ecx, %ebx
        shrl    $2, %ecx
        rep stosl
        movl    %ebx, %ecx
        andl    $3, %ecx
        rep stosb
        addl    $SEG_SIZE, %esi
        decl    %edx
        jmp     1b
2:      movl    HEADER + HDR_ENTRY, %ecx
        movl    HEADER + HDR_PARAM, %ebx
        movl    $0x2badb002, %eax
        jmp     *%ecx
trampoline_end:
        .code16

        .balign 512
bootrom_image_end:

        .section .note.GNU-stack, "", @progbits
