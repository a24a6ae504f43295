/* System management mode: SMI, the state save map, RSM, and who sees SMRAM.  SDM 3C chapter "System Management Mode".
 *
 * The map is the 32-bit one, revision 00020000h: SMBASE can be relocated, I/O instructions are not restarted.  Offsets count from
 * SMBASE + 8000h.  What the SDM calls reserved holds descriptor caches and CR4 in a layout of our own.
 *
 *     7FFC CR0   7FF8 CR3   7FF4 EFLAGS   7FF0 EIP   7FEC EDI ... 7FD0 EAX   7FCC DR6   7FC8 DR7
 *     7FC4 TR LDTR GS FS DS SS CS ES 7FA8   7F04-7F7B hidden   7F02 auto HALT   7EFC revision   7EF8 SMBASE
 *
 * Kept outside the map, in the CPU: FPU state, MSRs, CR2, DR0-DR3, whether NMIs were blocked.  In SMM A20M# is not looked at. */
#include "cpu/cpu.h"

#include "cpu/mem.h"
#include "cpu/ops.h"
#include "cpu/protect.h"
#include "host/log.h"

#define SMM_REVISION 0x00020000u
#define SMM_ENTRY    0x8000u
#define A20_BIT      (1ull << 20)

/* Offsets in the map. */
#define MAP_CR0     0x7ffc
#define MAP_CR3     0x7ff8
#define MAP_EFLAGS  0x7ff4
#define MAP_EIP     0x7ff0
#define MAP_GPR     0x7fd0 /* EAX, and upwards in the order of enum gpr */
#define MAP_DR6     0x7fcc
#define MAP_DR7     0x7fc8
#define MAP_SEL     0x7fa8 /* ES CS SS DS FS GS LDTR TR */
#define MAP_HALT    0x7f02 /* bit 0: HLT was interrupted, and is to go on */
#define MAP_SMBASE  0x7ef8
#define MAP_REV     0x7efc
#define MAP_HIDDEN  0x7f04 /* 12 bytes for each of the eight: base, limit, attributes */
#define MAP_GDT     0x7f64 /* base, limit */
#define MAP_IDT     0x7f6c
#define MAP_CR4     0x7f74
#define MAP_CPL     0x7f78
#define MAP_FIRST   0x7e00
#define MAP_BYTES   0x200

#define HIDDEN_NULL 0x10000u /* in the attributes: struct segment's is_null */
#define ATTR_DEFINED                                                                                                   \
    (SEG_ATTR_TYPE | SEG_ATTR_S | 3u << SEG_ATTR_DPL_SHIFT | SEG_ATTR_P | 0x1000u | SEG_ATTR_DB | SEG_ATTR_G)
#define EFLAGS_DEFINED 0x003f7fd5u

/* --- who sees what --- */

void smm_update_view(struct cpu *cpu)
{
    bool is_open = (cpu->smram & CPU_SMRAM_ENABLED) && (cpu->is_smm || (cpu->smram & CPU_SMRAM_OPEN));
    struct space *normal = cpu->board.mem, *with_smram = cpu->board.smm_mem ? cpu->board.smm_mem : normal;

    cpu->fetch_mem = is_open ? with_smram : normal;
    cpu->mem = is_open && !(cpu->smram & CPU_SMRAM_DATA_CLOSED) ? with_smram : normal;
    cpu->paging.a20_mask = cpu->is_a20_masked && !cpu->is_smm ? ~A20_BIT : ~0ull;
    tlb_flush_all(cpu);
}

/* --- the map: its 512 bytes, in SMRAM even when that is closed to data accesses --- */

struct map {
    uint8_t bytes[MAP_BYTES];
};

static void put(struct map *m, unsigned off, uint32_t value)
{
    store_le(m->bytes + off - MAP_FIRST, 4, value);
}

static uint32_t get(const struct map *m, unsigned off)
{
    return (uint32_t)load_le(m->bytes + off - MAP_FIRST, 4);
}

static gpa_t map_address(const struct cpu *cpu)
{
    return (uint32_t)(cpu->smbase + SMM_ENTRY + MAP_FIRST);
}

static struct segment *segment_of(struct cpu *cpu, unsigned i)
{
    return i < SEG_COUNT ? &cpu->seg[i] : i == SEG_COUNT ? &cpu->ldtr : &cpu->tr;
}

static void save_segments(struct cpu *cpu, struct map *m)
{
    for (unsigned i = 0; i < SEG_COUNT + 2; i++) {
        const struct segment *s = segment_of(cpu, i);

        put(m, MAP_SEL + 4 * i, s->sel);
        put(m, MAP_HIDDEN + 12 * i, (uint32_t)s->base);
        put(m, MAP_HIDDEN + 12 * i + 4, s->limit);
        put(m, MAP_HIDDEN + 12 * i + 8, s->attr | (s->is_null ? HIDDEN_NULL : 0));
    }
}

static void load_segments(struct cpu *cpu, const struct map *m)
{
    for (unsigned i = 0; i < SEG_COUNT + 2; i++) {
        uint32_t attr = get(m, MAP_HIDDEN + 12 * i + 8);

        uint16_t sel = (uint16_t)get(m, MAP_SEL + 4 * i);

        if (attr & HIDDEN_NULL)
            segment_set_null(segment_of(cpu, i), sel);
        else
            *segment_of(cpu, i) = (struct segment){.base = get(m, MAP_HIDDEN + 12 * i), .limit = get(m, MAP_HIDDEN + 12 * i + 4),
                                                   .sel = sel, .attr = (uint16_t)(attr & ATTR_DEFINED)};
    }
}

static void save_map(struct cpu *cpu, struct map *m)
{
    put(m, MAP_CR0, (uint32_t)cpu->paging.cr0);
    put(m, MAP_CR3, (uint32_t)cpu->paging.cr3);
    put(m, MAP_CR4, (uint32_t)cpu->paging.cr4);
    put(m, MAP_EFLAGS, cpu->eflags);
    put(m, MAP_EIP, (uint32_t)cpu->rip);
    for (unsigned i = 0; i < 8; i++)
        put(m, MAP_GPR + 4 * i, (uint32_t)cpu->gpr[i]);
    put(m, MAP_DR6, (uint32_t)cpu->dr[6]);
    put(m, MAP_DR7, (uint32_t)cpu->dr[7]);
    save_segments(cpu, m);
    put(m, MAP_GDT, (uint32_t)cpu->gdtr.base);
    put(m, MAP_GDT + 4, cpu->gdtr.limit);
    put(m, MAP_IDT, (uint32_t)cpu->idtr.base);
    put(m, MAP_IDT + 4, cpu->idtr.limit);
    put(m, MAP_CPL, cpu->cpl);
    store_le(m->bytes + MAP_HALT - MAP_FIRST, 2, cpu->is_halted);
    put(m, MAP_REV, SMM_REVISION);
    put(m, MAP_SMBASE, cpu->smbase);
}

/* --- SMI --- */

/* Real mode with 4 GiB limits; SDM 3C, "Initial SMM Execution Environment". */
static void set_smm_segments(struct cpu *cpu)
{
    const struct segment data = {
        .limit = 0xffffffff, .attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED | SEG_ATTR_G};

    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = data;
    cpu->seg[SEG_CS].base = cpu->smbase;
    cpu->seg[SEG_CS].sel = (uint16_t)(cpu->smbase >> 4);
    cpu->cpl = 0;
}

void smm_enter(struct cpu *cpu)
{
    struct map m = {{0}};

    log_at(LOG_EXC, "cpu: SMI at %04x:%08x", cpu->seg[SEG_CS].sel, (unsigned)cpu->rip);
    cpu->smi_pending = false;
    save_map(cpu, &m);
    cpu->is_smm = true;
    cpu->is_halted = false;
    cpu->was_nmi_blocked = cpu->is_nmi_blocked;
    cpu->is_nmi_blocked = true;
    cpu->paging.cr0 &= ~(uint64_t)(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    cpu->paging.cr4 = 0;
    cpu->dr[7] = DR7_FIXED;
    cpu->eflags = EFLAGS_1;
    smm_update_view(cpu);
    space_write_buf(cpu->fetch_mem, map_address(cpu), m.bytes, sizeof(m.bytes));
    set_smm_segments(cpu);
    cpu->rip = cpu->next_rip = SMM_ENTRY;
    cpu_update_mode(cpu);
}

/* --- RSM --- */

/* Values that no processor can have lead to shutdown; SDM 3C, "Exiting From SMM". */
static bool load_control_registers(struct cpu *cpu, const struct map *m)
{
    cpu->paging.cr0 &= ~(uint64_t)(CR0_PG | CR0_PE);
    cpu->paging.cr3 = get(m, MAP_CR3);
    return cpu_write_cr4(cpu, get(m, MAP_CR4)) && cpu_write_cr0(cpu, get(m, MAP_CR0));
}

static bool resume(struct cpu *cpu)
{
    uint16_t halt;
    struct map m;

    space_read_buf(cpu->fetch_mem, map_address(cpu), m.bytes, sizeof(m.bytes));
    halt = (uint16_t)load_le(m.bytes + MAP_HALT - MAP_FIRST, 2);
    cpu->smbase = get(&m, MAP_SMBASE);
    cpu->is_smm = false;
    cpu->is_nmi_blocked = cpu->was_nmi_blocked;
    smm_update_view(cpu);
    if (!load_control_registers(cpu, &m)) {
        cpu_shut_down(cpu, "RSM with bad control registers");
        return true;
    }
    for (unsigned i = 0; i < 8; i++)
        cpu->gpr[i] = get(&m, MAP_GPR + 4 * i);
    load_segments(cpu, &m);
    cpu->gdtr = (struct desc_table){get(&m, MAP_GDT), get(&m, MAP_GDT + 4)};
    cpu->idtr = (struct desc_table){get(&m, MAP_IDT), get(&m, MAP_IDT + 4)};
    cpu->dr[6] = get(&m, MAP_DR6) | DR6_FIXED;
    cpu->dr[7] = get(&m, MAP_DR7) | DR7_FIXED;
    cpu_set_eflags(cpu, get(&m, MAP_EFLAGS) & EFLAGS_DEFINED);
    cpu->cpl = cpu->eflags & EFLAGS_VM ? 3 : cpu->paging.cr0 & CR0_PE ? get(&m, MAP_CPL) & 3 : 0;
    cpu->next_rip = get(&m, MAP_EIP);
    cpu->is_halted = halt & 1;
    cpu->is_mode_stale = true;
    return true;
}

bool op_rsm(struct cpu *cpu, const struct insn *in)
{
    if (!cpu->is_smm)
        return cpu_raise(cpu, VEC_UD);
    return resume(cpu);
}
