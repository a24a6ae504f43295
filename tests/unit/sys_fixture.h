/* A CPU with 2 MiB of RAM and one recording I/O port, in real mode or in a small flat protected-mode world.
 * Bodies of the tests: put bytes of code somewhere, step, look at the state. */
#ifndef TESTS_SYS_FIXTURE_H
#define TESTS_SYS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "cpu/segment.h"

/* Where things lie in the protected-mode world. */
enum {
    GDT = 0x1000, IDT = 0x2000, TSS = 0x4000, TSS_B = 0x4100, TSS_16 = 0x4200, LDT = 0x4400, STACK0 = 0x9000,
    STACK3 = 0xa000, CODE = 0x10000, DATA = 0x20000, HANDLERS = 0x30000, PAGE_DIR = 0x100000, PAGE_TABLE = 0x101000,
    DEVICE = 0x180000 /* one page that is no memory */
};
/* Selectors. */
enum {
    S_CODE0 = 0x08, S_DATA0 = 0x10, S_CODE3 = 0x1b, S_DATA3 = 0x23, S_TSS = 0x28, S_LDT = 0x30, S_GATE = 0x38,
    S_CONFORMING = 0x40, S_DOWN = 0x48, S_TSS_B = 0x50, S_ABSENT = 0x58, S_CODE16 = 0x60, S_TSS_16 = 0x68,
    S_XONLY = 0x70, S_SMALL = 0x78, S_TASK_GATE = 0x80, S_STACK16 = 0x88, GDT_BYTES = 0x90
};

struct fixture {
    struct guestmem *guestmem;
    struct space *mem, *ports;
    struct clock *clock;
    struct cpu *cpu;
    uint8_t *ram;
    unsigned triple_faults, device_reads, device_writes;
    uint64_t device_value;
    uint8_t vector; /* what INTA answers */
};

static inline uint64_t fixture_read(void *opaque, uint64_t offset, unsigned size)
{
    struct fixture *f = opaque;

    f->device_reads++;
    return f->device_value;
}

static inline void fixture_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct fixture *f = opaque;

    f->device_writes++;
    f->device_value = value;
}

static inline uint8_t fixture_intr_ack(void *opaque)
{
    return ((struct fixture *)opaque)->vector;
}

static inline void fixture_triple_fault(void *opaque)
{
    ((struct fixture *)opaque)->triple_faults++;
}

static const struct io_ops fixture_io = {
    .name = "recorder", .read = fixture_read, .write = fixture_write, .min_size = 1, .max_size = 4};

static inline uint64_t descriptor(uint32_t base, uint32_t limit, uint16_t attr)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xf0ff) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(base >> 24) << 56;
}

static inline uint64_t gate(uint16_t sel, uint32_t off, uint8_t type, unsigned dpl, unsigned params)
{
    return (off & 0xffff) | (uint64_t)sel << 16 | (uint64_t)params << 32 |
           (uint64_t)(0x80 | dpl << 5 | type) << 40 | (uint64_t)(off >> 16) << 48;
}

static inline void put(struct fixture *f, uint32_t at, const uint8_t *bytes, unsigned n)
{
    space_write_buf(f->mem, at, bytes, n);
}
#define PUT(f, at, ...)                                                                                                \
    put(f, at, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void put32(struct fixture *f, uint32_t at, uint32_t value)
{
    space_write(f->mem, at, 4, value);
}

static inline void put64(struct fixture *f, uint32_t at, uint64_t value)
{
    space_write(f->mem, at, 8, value);
}

static inline uint32_t get32(struct fixture *f, uint32_t at)
{
    return (uint32_t)space_read(f->mem, at, 4);
}

static inline uint16_t get16(struct fixture *f, uint32_t at)
{
    return (uint16_t)space_read(f->mem, at, 2);
}

static inline void steps(struct fixture *f, unsigned n)
{
    while (n--)
        cpu_step(f->cpu);
}

static inline uint32_t handler(unsigned vector)
{
    return HANDLERS + vector * 16;
}

static inline void set_segment(struct cpu *cpu, enum sreg seg, uint16_t sel, unsigned dpl, bool is_code)
{
    cpu->seg[seg] = (struct segment){.limit = 0xffffffff, .sel = sel, .attr = 0xc093 | dpl << 5 | (is_code ? 8 : 0)};
    cpu->is_mode_stale = true;
}

/* Continue at CODE in ring 0 or 3. */
static inline void enter_ring(struct fixture *f, unsigned cpl)
{
    struct cpu *cpu = f->cpu;

    set_segment(cpu, SEG_CS, cpl ? S_CODE3 : S_CODE0, cpl, true);
    for (unsigned s = 0; s < SEG_COUNT; s++)
        if (s != SEG_CS)
            set_segment(cpu, s, cpl ? S_DATA3 : S_DATA0, cpl, false);
    cpu->cpl = cpl;
    cpu->gpr[REG_SP] = cpl ? STACK3 : STACK0;
    cpu->rip = CODE;
    cpu_update_mode(cpu);
}

/* Continue at 1000:0000 in virtual-8086 mode, stack 2000:1000. */
static inline void enter_v86(struct fixture *f, unsigned iopl)
{
    struct cpu *cpu = f->cpu;

    cpu->eflags |= EFLAGS_VM | iopl << EFLAGS_IOPL_SHIFT;
    cpu->cpl = 3;
    for (unsigned s = 0; s < SEG_COUNT; s++)
        segment_load_real(cpu, s, 0x2000);
    segment_load_real(cpu, SEG_CS, 0x1000);
    cpu->gpr[REG_SP] = 0x1000;
    cpu->rip = 0;
    cpu_update_mode(cpu);
}

/* GDT, IDT (32-bit interrupt gates of DPL 0 to handler(n), DPL 3 for n >= 80h), LDT, three TSSs; ring 0. */
static inline void enter_protected(struct fixture *f)
{
    struct cpu *cpu = f->cpu;

    put64(f, GDT + S_CODE0, descriptor(0, 0xfffff, 0xc09b));
    put64(f, GDT + S_DATA0, descriptor(0, 0xfffff, 0xc093));
    put64(f, GDT + (S_CODE3 & ~7), descriptor(0, 0xfffff, 0xc0fb));
    put64(f, GDT + (S_DATA3 & ~7), descriptor(0, 0xfffff, 0xc0f3));
    put64(f, GDT + S_TSS, descriptor(TSS, 0x67, 0x8b));
    put64(f, GDT + S_LDT, descriptor(LDT, 0x1f, 0x82));
    put64(f, GDT + S_GATE, gate(S_CODE0, handler(0xf0), 12, 3, 2));
    put64(f, GDT + S_CONFORMING, descriptor(0, 0xfffff, 0xc09f));
    put64(f, GDT + S_DOWN, descriptor(0, 0x20, 0xc0f7)); /* valid: 21000h and up */
    put64(f, GDT + S_TSS_B, descriptor(TSS_B, 0x67, 0x89));
    put64(f, GDT + S_ABSENT, descriptor(0, 0xfffff, 0xc073));
    put64(f, GDT + S_CODE16, descriptor(CODE, 0xffff, 0x9b));
    put64(f, GDT + S_TSS_16, descriptor(TSS_16, 0x2b, 0x81));
    put64(f, GDT + S_XONLY, descriptor(0, 0xfffff, 0xc099));
    put64(f, GDT + S_SMALL, descriptor(DATA, 0xf, 0x4093));
    put64(f, GDT + S_TASK_GATE, gate(S_TSS_B, 0, 5, 3, 0));
    put64(f, GDT + S_STACK16, descriptor(0, 0xffff, 0x93));
    for (unsigned v = 0; v < 256; v++)
        put64(f, IDT + v * 8, gate(S_CODE0, handler(v), 14, v >= 0x80 ? 3 : 0, 0));
    put32(f, TSS + 4, STACK0);
    put32(f, TSS + 8, S_DATA0);
    space_write(f->mem, TSS + 102, 2, 0x68); /* no I/O bitmap */
    cpu->gdtr = (struct desc_table){GDT, GDT_BYTES - 1};
    cpu->idtr = (struct desc_table){IDT, 0x7ff};
    cpu->tr = (struct segment){.base = TSS, .limit = 0x67, .sel = S_TSS, .attr = 0x8b};
    segment_unpack(&cpu->ldtr, S_LDT, descriptor(LDT, 0x1f, 0x82));
    cpu->paging.cr0 |= CR0_PE;
    enter_ring(f, 0);
}

/* Identity-map the first 2 MiB with user, writable pages of 4 KiB. */
static inline void enable_paging(struct fixture *f)
{
    put32(f, PAGE_DIR, PAGE_TABLE | 7);
    for (unsigned i = 0; i < 512; i++)
        put32(f, PAGE_TABLE + i * 4, i << 12 | 7);
    f->cpu->paging.cr3 = PAGE_DIR;
    f->cpu->paging.cr0 |= CR0_PG | CR0_WP;
    tlb_flush_all(f->cpu);
    cpu_update_mode(f->cpu);
}

static inline void set_pte(struct fixture *f, uint32_t page, uint32_t flags)
{
    put32(f, PAGE_TABLE + (page >> 12) * 4, (page & ~0xfffu) | flags);
}

/* config: NULL for the default processor. */
static inline int fixture_setup_with(void **state, const struct cpu_config *config)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int64_t off;

    f->guestmem = guestmem_create(MIB(4));
    f->mem = space_create(1ull << 36, f->guestmem);
    f->ports = space_create(0x10000, NULL);
    f->clock = clock_create_manual();
    off = guestmem_alloc(f->guestmem, MIB(2));
    f->ram = guestmem_view(f->guestmem) + off;
    space_map_mem(f->mem, 0, DEVICE, (uint64_t)off, (uint64_t)off, SPACE_R | SPACE_W);
    space_map_io(f->mem, DEVICE, 0x1000, &fixture_io, f);
    space_map_mem(f->mem, DEVICE + 0x1000, MIB(2) - DEVICE - 0x1000, (uint64_t)off + DEVICE + 0x1000,
                  (uint64_t)off + DEVICE + 0x1000, SPACE_R | SPACE_W);
    space_map_io(f->ports, 0x80, 4, &fixture_io, f);
    f->cpu = cpu_create(&(struct cpu_board){.mem = f->mem, .ports = f->ports, .clock = f->clock,
                                            .guestmem = f->guestmem, .intr_ack = fixture_intr_ack,
                                            .triple_fault = fixture_triple_fault, .opaque = f, .config = config});
    *state = f;
    return 0;
}

static inline int fixture_setup(void **state)
{
    return fixture_setup_with(state, NULL);
}

/* Real mode at 1000:0000 (CODE), data 2000h, stack 0000:9000. */
static inline int real_setup(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    for (unsigned s = 0; s < SEG_COUNT; s++)
        segment_load_real(f->cpu, s, DATA >> 4);
    segment_load_real(f->cpu, SEG_CS, CODE >> 4);
    segment_load_real(f->cpu, SEG_SS, 0);
    f->cpu->gpr[REG_SP] = STACK0;
    f->cpu->rip = 0;
    cpu_update_mode(f->cpu);
    return 0;
}

static inline int protected_setup(void **state)
{
    fixture_setup(state);
    enter_protected(*state);
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    cpu_destroy(f->cpu);
    space_destroy(f->mem);
    space_destroy(f->ports);
    clock_destroy(f->clock);
    guestmem_destroy(f->guestmem);
    free(f);
    return 0;
}

#define REAL(test) cmocka_unit_test_setup_teardown(test, real_setup, fixture_teardown)
#define PROT(test) cmocka_unit_test_setup_teardown(test, protected_setup, fixture_teardown)

#endif
