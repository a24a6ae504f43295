/* A CPU with 4 MiB of RAM at address 0 for tests of cpu/ops_*.c: flat 32-bit protected mode, CPL 0, paging on with one page
 * table that maps everything to itself.  Instructions are given as bytes and run without fetching. */
#ifndef TESTS_UNIT_OPS_FIXTURE_H
#define TESTS_UNIT_OPS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/mem.h"
#include "cpu/ops.h"

#define RAM_SIZE MIB(4)
#define PAGE_DIRECTORY 0x1000u
#define PAGE_TABLE 0x2000u
#define RIP 0x5000u

struct fixture {
    struct guestmem *mem;
    struct space *space, *ports;
    struct clock *clock;
    struct cpu *cpu;
    uint8_t *ram;
    struct insn in;
    /* ports 300h..303h: reads count up from port_value, writes set it */
    unsigned port_reads, port_writes;
    uint32_t port_value;
    int ferr_level; /* -1: never told */
};

static inline uint64_t fixture_port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct fixture *f = opaque;

    f->port_reads++;
    return f->port_value++;
}

static inline void fixture_port_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct fixture *f = opaque;

    f->port_writes++;
    f->port_value = (uint32_t)value;
}

static const struct io_ops fixture_port = {.name = "port", .read = fixture_port_read, .write = fixture_port_write};

static inline void fixture_ferr(void *opaque, bool level)
{
    struct fixture *f = opaque;

    f->ferr_level = level;
}

static inline void fixture_set_pte(struct fixture *f, uint32_t gla, uint32_t bits)
{
    store_le(f->ram + PAGE_TABLE + 4 * (gla >> 12), 4, (gla & ~0xfffu) | bits);
    tlb_flush_all(f->cpu);
}

static inline void fixture_flat(struct cpu *cpu)
{
    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = (struct segment){
            .sel = 8,
            .limit = 0xffffffff,
            .attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED | SEG_ATTR_DB | SEG_ATTR_G};
    cpu->seg[SEG_CS].attr |= SEG_ATTR_CODE;
    cpu->paging.cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_ET | CR0_NE;
    cpu->paging.cr3 = PAGE_DIRECTORY;
    cpu->paging.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu->eflags = EFLAGS_1;
    tlb_flush_all(cpu);
    cpu_update_mode(cpu);
}

static inline int fixture_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct cpu_board board = {0};
    int64_t off;

    f->mem = guestmem_create(RAM_SIZE);
    f->space = space_create(GIB(4), f->mem);
    f->ports = space_create(KIB(64), NULL);
    f->clock = clock_create_manual();
    f->ferr_level = -1;
    off = guestmem_alloc(f->mem, RAM_SIZE);
    if (off < 0 || space_map_mem(f->space, 0, RAM_SIZE, (uint64_t)off, (uint64_t)off, SPACE_R | SPACE_W) ||
        space_map_io(f->ports, 0x300, 4, &fixture_port, f))
        return -1;
    f->ram = guestmem_view(f->mem) + off;
    board.mem = f->space;
    board.ports = f->ports;
    board.clock = f->clock;
    board.guestmem = f->mem;
    board.ferr = fixture_ferr;
    board.opaque = f;
    f->cpu = cpu_create(&board);
    if (!f->cpu)
        return -1;
    store_le(f->ram + PAGE_DIRECTORY, 4, PAGE_TABLE | 7);
    fixture_flat(f->cpu);
    for (uint32_t gla = 0; gla < RAM_SIZE; gla += GUEST_PAGE_SIZE)
        fixture_set_pte(f, gla, 7);
    *state = f;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *f = *state;

    cpu_destroy(f->cpu);
    clock_destroy(f->clock);
    space_destroy(f->ports);
    space_destroy(f->space);
    guestmem_destroy(f->mem);
    free(f);
    return 0;
}

/* Execute the instruction once, as code of code_size.  False: an event is pending. */
static inline bool fixture_exec_sized(struct fixture *f, unsigned code_size, const char *bytes, unsigned n)
{
    uint8_t padded[15] = {0};

    memcpy(padded, bytes, n);
    assert_int_equal(insn_decode(&f->in, padded, sizeof(padded), code_size), DECODE_OK);
    assert_int_equal(f->in.len, n);
    f->cpu->event.is_pending = false;
    f->cpu->rip = RIP;
    f->cpu->next_rip = RIP + n;
    return f->in.desc->exec(f->cpu, &f->in);
}
#define EXEC(f, bytes) fixture_exec_sized(f, 4, bytes, sizeof(bytes) - 1)
#define EXEC16(f, bytes) fixture_exec_sized(f, 2, bytes, sizeof(bytes) - 1)

static inline void assert_fault(struct fixture *f, unsigned vector)
{
    assert_true(f->cpu->event.is_pending);
    assert_int_equal(f->cpu->event.vector, vector);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

#endif
