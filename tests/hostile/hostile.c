/* A guest that does whatever it likes to every device: random ports, PCI configuration, memory-mapped registers, DMA to and
 * from anywhere, MSRs, video modes.  hostile.py patches `parameters` and runs it; the same seed does the same things, as far
 * as time allows.  Any exception or interrupt begins the next action.  Compiled freestanding for 32 bits; a multiboot kernel. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned u32;

#define EXIT_PORT 0xf4
#define TEXT_PORT 0xe9
#define RAM_BYTES (32u << 20) /* as hostile.py says by --memory */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

/* Found in the image by its first word. */
volatile struct {
    u32 magic, seed, kind, actions;
} parameters = {0x5eed5eed, 1, 0, 20000};

static u32 state, done;
static struct {
    u16 offset_low, selector, type, offset_high;
} idt[256];
u8 stack[16384] __attribute__((aligned(16)));

__asm__(".section .text.hot, \"ax\"\n"
        ".balign 4\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".globl entry\n"
        "entry:\n"
        "   cli\n"
        "   lgdt gdt_pointer\n"
        "   ljmp $8, $1f\n"
        "1: movw $16, %ax\n"
        "   movw %ax, %ds\n"
        "   movw %ax, %es\n"
        "   movw %ax, %ss\n"
        "   movl $stack + 16384, %esp\n"
        "   call prepare\n"
        "resume:\n" /* every vector leads here; IRET lets NMIs in again */
        "   movl $16, %eax\n"
        "   movl %eax, %ds\n"
        "   movl %eax, %es\n"
        "   movl %eax, %ss\n"
        "   movl $stack + 16384, %esp\n"
        "   cld\n"
        "   pushl $2\n"
        "   pushl $8\n"
        "   pushl $act\n"
        "   iret\n"
        ".balign 8\n"
        "gdt: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff\n"
        "gdt_pointer: .word 23\n"
        "   .long gdt\n"
        ".text\n");
void resume(void);

static u32 any(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static u32 below(u32 n)
{
    return any() % n;
}

/* Random, but often an edge. */
static u32 value(void)
{
    static const u32 edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};

    return below(4) ? any() : edges[below(ARRAY_SIZE(edges))];
}

static u8 in8(u16 port)
{
    u8 v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "d"(port));
    return v;
}
static void out8(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "d"(port));
}
static void out16(u16 port, u16 v)
{
    __asm__ volatile("outw %0, %1" : : "a"(v), "d"(port));
}
static void out32(u16 port, u32 v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "d"(port));
}
static u32 in32(u16 port)
{
    u32 v;

    __asm__ volatile("inl %1, %0" : "=a"(v) : "d"(port));
    return v;
}

/* --- places --- */

struct range {
    u32 first, length;
};

static u32 in_range(const struct range *r, u32 n)
{
    r += below(n);
    return r->first + below(r->length);
}

/* Anywhere something interesting may live, and where nothing does. */
static u32 address(void)
{
    static const struct range places[] = {
        {0x200000, RAM_BYTES - 0x200000}, {0x200000, RAM_BYTES - 0x200000}, {RAM_BYTES - 16, 32}, {0, 0x10000}, {0x9ff00, 0x200},
        {0xa0000, 0x20000}, {0xc0000, 0x40000}, {RAM_BYTES, 0x100000}, {0xc0000000, 0x3ec00000}, {0xfd000000, 0x1000000},
        {0xfdfffff0, 32}, {0xfec00000, 0x1000}, {0xfee00000, 0x1000}, {0xfffc0000, 0x40000}, {0xfffffff0, 16}, {0, 0xffffffff}};

    return in_range(places, ARRAY_SIZE(places));
}

static u32 registers_address(void)
{
    static const struct range places[] = {{0xa0000, 0x20000}, {0xb8000, 0x8000}, {0xfd000000, 0x1000000}, {0xfec00000, 0x50},
                                          {0xfee00000, 0x400}, {0xc0000, 0x40000}, {0xfedffff0, 32}, {0xfecffff0, 32}};

    return in_range(places, ARRAY_SIZE(places));
}

static u16 port(void)
{
    static const struct range ports[] = {
        {0, 0x100}, {0x1f0, 8}, {0x170, 8}, {0x376, 1}, {0x3b0, 0x30}, {0x3f0, 16}, {0x2f8, 8}, {0x1ce, 2}, {0x510, 12}, {0x600, 64},
        {0xb000, 64}, {0xb100, 16}, {0xafe0, 4}, {0xc000, 0x100}, {0xcf8, 8}, {0x4d0, 2}, {0, 0x10000}};

    return (u16)in_range(ports, ARRAY_SIZE(ports));
}

/* What would end or restart the machine too soon. */
static int is_fatal(u16 p)
{
    return (p & ~3) == EXIT_PORT || p == 0x64 || p == 0x92 || (p >= 0xcf6 && p <= 0xcf9) || (p >= 0x600 && p < 0x640) ||
           (p >= 0xb000 && p < 0xb040) || (p & ~3) == 0x90 || p == 0x61;
}

/* --- actions --- */

static void ports(void)
{
    u16 p = port();

    if (is_fatal(p) && below(2000))
        return;
    switch (below(8)) {
    case 0: case 1: out8(p, (u8)value()); break;
    case 2: out16(p, (u16)value()); break;
    case 3: out32(p, value()); break;
    case 4: (void)in8(p); break;
    case 5: (void)in32(p); break;
    case 6: {
        u32 to = address(), n = below(300);
        __asm__ volatile("rep insb" : "+D"(to), "+c"(n) : "d"(p) : "memory");
        break;
    }
    case 7: {
        u32 from = address(), n = below(300);
        __asm__ volatile("rep outsw" : "+S"(from), "+c"(n) : "d"(p) : "memory");
        break;
    }
    }
}

static void pci(void)
{
    static const u8 functions[] = {0x00, 0x08, 0x09, 0x0b, 0x10};
    u32 where = 0x80000000 | (below(8) ? (u32)functions[below(5)] << 8 : below(0x10000) << 8) | (below(0x100) & ~3u);

    out32(0xcf8, where);
    switch (below(4)) {
    case 0: out8((u16)(0xcfc + below(4)), (u8)value()); break;
    case 1: out16((u16)(0xcfc + below(4)), (u16)value()); break;
    case 2: out32((u16)(0xcfc + below(4)), value()); break;
    case 3: (void)in32(0xcfc); break;
    }
    if (!below(3)) { /* and on again, or soon nothing answers */
        out32(0xcf8, 0x80000004 | (u32)functions[below(5)] << 8);
        out16(0xcfc, 7);
    }
}

static void memory(void)
{
    u32 at = below(3) ? registers_address() : address(), to = address(), n = below(5000);

    if (at >= 0x100000 && at < 0x200000) /* where we are */
        return;
    switch (below(12)) {
    case 0: *(volatile u8 *)at = (u8)value(); break;
    case 1: *(volatile u16 *)at = (u16)value(); break;
    case 2: case 3: *(volatile u32 *)at = value(); break;
    case 4: (void)*(volatile u8 *)at; break;
    case 5: case 6: (void)*(volatile u32 *)at; break;
    case 7: __asm__ volatile("lock xaddl %0, (%1)" : : "r"(value()), "r"(at) : "memory"); break;
    case 8: __asm__ volatile("rep stosl" : "+D"(at), "+c"(n) : "a"(value()) : "memory"); break;
    case 9:
        if (to >= 0x200000 || to + n < 0x100000)
            __asm__ volatile("rep movsb" : "+S"(at), "+D"(to), "+c"(n) : : "memory");
        break;
    case 10: __asm__ volatile("fildll (%0); fistpll (%0)" : : "r"(at) : "memory"); break;
    case 11: __asm__ volatile("fsave (%0)" : : "r"(at) : "memory"); break;
    }
}

/* A few descriptors of up to 64 KiB each, anywhere, that point anywhere. */
static u32 descriptors(void)
{
    u32 at = below(4) ? 0x400000 + (below(0x100000) & ~3u) : address(), n = 1 + below(8);

    for (u32 i = 0; i < n && at >= 0x200000 && at < RAM_BYTES - 64; i++) {
        ((volatile u32 *)at)[2 * i] = address();
        ((volatile u32 *)at)[2 * i + 1] = (value() & 0xffff) | (i == n - 1 && below(8) ? 0x80000000 : 0) | (below(8) ? 0 : any());
    }
    return at;
}

static void ide(void)
{
    static const u8 commands[] = {0xc8, 0xca, 0x20, 0x30, 0xc4, 0xc5, 0xc6, 0xec, 0xa1, 0xa0, 0x25, 0x35, 0xef, 0xe7, 0x91, 0x08, 0xe0};
    u16 base = below(2) ? 0x1f0 : 0x170, master;

    out32(0xcf8, 0x80000920);
    master = (u16)((in32(0xcfc) & 0xfff0) + (base == 0x170 ? 8 : 0));
    if (master < 0x100 || !below(8)) {
        out32(0xcfc, 0xc100);
        out32(0xcf8, 0x80000904);
        out16(0xcfc, 5);
        master = (u16)(0xc100 + (base == 0x170 ? 8 : 0));
    }
    out8(master, 0);
    out32((u16)(master + 4), descriptors());
    out8((u16)(base + 6), (u8)(below(2) ? 0xe0 : value()));
    for (u16 r = 1; r < 6; r++)
        out8((u16)(base + r), (u8)(below(3) ? below(4) : value()));
    out8((u16)(base + 7), below(6) ? commands[below(ARRAY_SIZE(commands))] : (u8)any());
    if (below(2)) /* PIO, or a packet */
        for (u32 i = below(8) ? 6 : below(600); i-- > 0;)
            out16(base, (u16)(below(2) ? value() : 0x28));
    out8(master, (u8)(below(8) ? 1 | (below(2) ? 8 : 0) : value()));
    if (below(2))
        (void)in8((u16)(base + 7));
    if (!below(4))
        out8((u16)(base + 0x206), (u8)value());
    if (!below(4))
        out8((u16)(master + 2), (u8)value());
}

static void dma_channel(u32 channel)
{
    static const u8 pages[] = {0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a};
    u16 base = (u16)(channel < 4 ? channel * 2 : 0xc0 + (channel - 4) * 4), step = channel < 4 ? 1 : 2;
    u16 control = channel < 4 ? 0x08 : 0xd0;

    out8((u16)(control + 4 * step), 0);
    out8(base, (u8)value());
    out8(base, (u8)value());
    out8((u16)(base + step), (u8)value());
    out8((u16)(base + step), (u8)value());
    out8(pages[channel], (u8)(below(3) ? 0x40 + below(32) : value()));
    out8((u16)(control + 3 * step), (u8)((value() & 0xfc) | (channel & 3)));
    out8((u16)(control + 2 * step), (u8)(channel & 3));
}

static void floppy(void)
{
    static const u8 commands[] = {0x06, 0x05, 0x0d, 0x0c, 0x02, 0x0a, 0x07, 0x0f, 0x08, 0x04, 0x03, 0x16, 0x11, 0x13, 0x12, 0x10, 0x18, 0x14};

    dma_channel(below(8) ? 2 : below(8));
    out8(0x3f2, (u8)(below(4) ? 0x1c : value()));
    if (!below(3))
        out8(0x3f4, (u8)value());
    for (u32 n = below(12), i = 0; i < n; i++) {
        u8 first = (u8)(commands[below(ARRAY_SIZE(commands))] | (any() & 0xe0));

        if (!(in8(0x3f4) & 0x40))
            out8(0x3f5, i ? (u8)(below(3) ? below(20) : value()) : first);
        else
            (void)in8(0x3f5);
    }
}

static void msr(void)
{
    static const struct range msrs[] = {{0, 0x100}, {0x174, 3}, {0x179, 0x20}, {0x1a0, 1}, {0x1d9, 4}, {0x200, 0x110}, {0x400, 0x80},
                                        {0x480, 0x20}, {0x800, 0x40}, {0xc0000080, 8}, {0xc0000100, 4}, {0xc0010000, 0x200}, {0, 0xffffffff}};
    u32 n = in_range(msrs, ARRAY_SIZE(msrs)), low = value(), high = below(3) ? 0 : value();

    if (n == 0x1b && below(20)) /* the local APIC shall not always be away */
        return;
    if (below(2))
        __asm__ volatile("wrmsr" : : "c"(n), "a"(low), "d"(high));
    else
        __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(n));
}

static void vga(void)
{
    static const u16 indexed[] = {0x3c4, 0x3ce, 0x3d4, 0x3b4};
    u16 p = indexed[below(4)];

    switch (below(10)) {
    case 0: case 1: case 2: case 3:
        out16(p, (u16)(below(0x20) | value() << 8));
        break;
    case 4:
        (void)in8(0x3da);
        out8(0x3c0, (u8)below(0x40));
        out8(0x3c0, (u8)value());
        break;
    case 5:
        out8(0x3c2, (u8)value());
        break;
    case 6:
        out8((u16)(0x3c6 + below(4)), (u8)value());
        break;
    case 7: case 8:
        out16(0x1ce, (u16)below(12));
        out16(0x1cf, (u16)(below(2) ? below(0x20) * 8 : value()));
        break;
    case 9:
        for (u32 i = below(2000), at = 0xa0000 + below(0x1f000); i-- > 0; at++)
            *(volatile u8 *)at = (u8)any();
        break;
    }
}

static void fw_cfg(void)
{
    volatile u32 *request = (volatile u32 *)(below(4) ? 0x600000 + below(0x1000) : address());
    u32 at = (u32)request;

    if (at >= 0x200000 && at < RAM_BYTES - 16) { /* big-endian: control, length, address */
        request[0] = __builtin_bswap32((below(0x10000) << 16) | below(32));
        request[1] = __builtin_bswap32(below(3) ? below(70000) : value());
        request[2] = below(16) ? 0 : value();
        request[3] = __builtin_bswap32(address());
    }
    if (below(2))
        out16(0x510, (u16)(below(3) ? below(0x40) : value()));
    (void)in8(0x511);
    out32(0x514, below(16) ? 0 : value());
    out32(0x518, __builtin_bswap32(at));
}

static void chips(void)
{
    switch (below(6)) {
    case 0:
        dma_channel(below(8));
        break;
    case 1: /* 8259s, initialised or ordered about */
        for (u32 i = below(6), p = below(2) ? 0x20 : 0xa0; i-- > 0;)
            out8((u16)(p + below(2)), (u8)value());
        break;
    case 2: /* 8254 */
        out8(0x43, (u8)value());
        out8((u16)(0x40 + below(3)), (u8)value());
        out8((u16)(0x40 + below(3)), (u8)value());
        break;
    case 3: /* RTC */
        out8(0x70, (u8)below(0x80));
        if (below(2))
            out8(0x71, (u8)value());
        else
            (void)in8(0x71);
        break;
    case 4: { /* keyboard controller; no reset, and A20 stays */
        u8 command = (u8)(0x20 + below(0xd0));

        if (command == 0xdd)
            break;
        out8(0x64, command);
        out8(0x60, (u8)(value() | 3));
        (void)in8(0x60);
        break;
    }
    case 5: /* UART */
        out8((u16)(0x3f8 + below(8)), (u8)value());
        (void)in8((u16)(0x3f8 + below(8)));
        break;
    }
}

/* Interrupts of every kind from the APICs to ourselves. */
static void apic(void)
{
    static const u16 registers[] = {0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x310, 0x300, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0};

    if (below(3)) {
        u32 r = registers[below(ARRAY_SIZE(registers))], v = below(3) ? any() & 0x7ffff : value();

        if (r == 0x300 && (v & 0x700) == 0x500 && below(100)) /* INIT */
            return;
        *(volatile u32 *)(0xfee00000 + r) = v;
    } else {
        *(volatile u32 *)0xfec00000 = below(0x40);
        *(volatile u32 *)0xfec00010 = below(3) ? any() & 0x1ffff : value();
    }
    *(volatile u32 *)0xfee000b0 = 0;
    if (below(2))
        __asm__ volatile("sti; nop; nop; cli");
}

static void control_registers(void)
{
    u32 v = any();

    switch (below(5)) {
    case 0:
        __asm__ volatile("movl %%cr0, %%eax; andl $0x80000001, %%eax; andl $0x6005003e, %0; orl %%eax, %0; movl %0, %%cr0" : "+r"(v) : : "eax");
        break;
    case 1:
        v &= below(4) ? 0x7df : 0xffffffff;
        __asm__ volatile("movl %0, %%cr4" : : "r"(v));
        break;
    case 2:
        __asm__ volatile("movl %0, %%cr3" : : "r"(v));
        break;
    case 3:
        __asm__ volatile("movl %0, %%dr0; movl %0, %%dr1; movl %1, %%dr7" : : "r"(address()), "r"(v & 0xfff0ff0f));
        break;
    case 4:
        __asm__ volatile("fnclex; fninit; clts; movl %0, %%dr7; pushl %1; popfl; pushl $2; popfl" : : "r"(0), "r"(v & 0x40cd5));
        break;
    }
}

static void (*const kinds[])(void) = {ports, pci, memory, ide, floppy, msr, vga, fw_cfg, chips, apic, control_registers};

/* Never returns: an exception or interrupt enters again through resume. */
__attribute__((noreturn, used)) void act(void)
{
    u32 kind = parameters.kind;

    for (;;) {
        if (++done > parameters.actions)
            out8(EXIT_PORT, 0);
        if (done % 100 == 0)
            out8(TEXT_PORT, '.');
        kinds[kind && below(8) ? (kind - 1) % ARRAY_SIZE(kinds) : below(ARRAY_SIZE(kinds))]();
    }
}

__attribute__((used)) void prepare(void)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (u32)idt};

    for (u32 i = 0; i < 256; i++) {
        idt[i].offset_low = (u16)(u32)resume;
        idt[i].selector = 8;
        idt[i].type = 0x8e00;
        idt[i].offset_high = (u16)((u32)resume >> 16);
    }
    __asm__ volatile("lidt %0; fninit" : : "m"(pointer)); /* an x87 error without CR0.NE would stop us for ever */
    state = parameters.seed * 2654435761u | 1;
    for (u32 i = 0; i < 8; i++)
        (void)any();
}
