/* Flags, control and debug registers, MSRs, ports, fast system calls, and what else only a system uses.
 * SDM 2, each instruction's "Operation"; control registers SDM 3A 2.5. */
#include "cpu/ops.h"

#include "cpu/cpuid.h"
#include "cpu/io.h"
#include "cpu/mem.h"
#include "cpu/operand.h"
#include "cpu/protect.h"
#include "cpu/tlb.h"

static bool require_ring0(struct cpu *cpu)
{
    return cpu->cpl == 0 || cpu_raise_error(cpu, VEC_GP, 0);
}

/* In lock-step, what reaches outside the CPU is not executed. */
static bool may_reach_outside(struct cpu *cpu)
{
    if (!cpu->probe)
        return true;
    cpu->probe->is_stopped = true;
    return false;
}

/* --- flags --- */

#define EFLAGS_POP (EFLAGS_STATUS | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID)

/* Virtual-8086 mode with IOPL < 3: only VME lets the program handle "its" IF, and only by 16-bit forms. */
static bool is_vme_16(const struct cpu *cpu, const struct insn *in)
{
    return (cpu->paging.cr4 & CR4_VME) && in->opsize == 2;
}

bool op_pushf(struct cpu *cpu, const struct insn *in)
{
    uint32_t image = cpu->eflags & ~(EFLAGS_VM | EFLAGS_RF);

    if ((cpu->eflags & EFLAGS_VM) && cpu_iopl(cpu) < 3) {
        if (!is_vme_16(cpu, in))
            return cpu_raise_error(cpu, VEC_GP, 0);
        image = (image & ~EFLAGS_IF) | EFLAGS_IOPL | (image & EFLAGS_VIF ? EFLAGS_IF : 0);
    }
    return mem_push(cpu, in->opsize, image);
}

static bool popf_vme(struct cpu *cpu, uint32_t image)
{
    if ((image & EFLAGS_TF) || ((image & EFLAGS_IF) && (cpu->eflags & EFLAGS_VIP)))
        return cpu_raise_error(cpu, VEC_GP, 0);
    image = (image & 0xffff) | (image & EFLAGS_IF ? EFLAGS_VIF : 0);
    cpu_set_eflags(cpu, (cpu->eflags & ~(0xffffu & EFLAGS_POP) & ~EFLAGS_VIF) |
                            (image & ((0xffffu & EFLAGS_POP) | EFLAGS_VIF)));
    return true;
}

bool op_popf(struct cpu *cpu, const struct insn *in)
{
    bool is_v86 = cpu->eflags & EFLAGS_VM;
    uint32_t image, mask = EFLAGS_POP;
    struct stack st = stack_current(cpu);

    if (is_v86 && cpu_iopl(cpu) < 3 && !is_vme_16(cpu, in))
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!stack_pop(cpu, &st, in->opsize, &image))
        return false;
    if (is_v86 && cpu_iopl(cpu) < 3) {
        if (!popf_vme(cpu, image))
            return false;
    } else {
        if (cpu->cpl <= cpu_iopl(cpu))
            mask |= EFLAGS_IF;
        if (cpu->cpl == 0)
            mask |= EFLAGS_IOPL;
        if (in->opsize == 2)
            mask &= 0xffff;
        cpu_set_eflags(cpu, (cpu->eflags & ~mask) | (image & mask & ~EFLAGS_RF));
    }
    stack_commit(cpu, &st);
    return true;
}

/* IF is out of reach: does a virtual one stand in?  VME in virtual-8086 mode, PVI at CPL 3. */
static bool has_virtual_if(const struct cpu *cpu)
{
    if (cpu->eflags & EFLAGS_VM)
        return cpu->paging.cr4 & CR4_VME;
    return (cpu->paging.cr4 & CR4_PVI) && cpu->cpl == 3;
}

bool op_cli(struct cpu *cpu, const struct insn *in)
{
    if (cpu->cpl <= cpu_iopl(cpu))
        cpu->eflags &= ~EFLAGS_IF;
    else if (has_virtual_if(cpu))
        cpu->eflags &= ~EFLAGS_VIF;
    else
        return cpu_raise_error(cpu, VEC_GP, 0);
    return true;
}

bool op_sti(struct cpu *cpu, const struct insn *in)
{
    if (cpu->cpl <= cpu_iopl(cpu)) {
        if (!(cpu->eflags & EFLAGS_IF))
            cpu->has_shadow = true;
        cpu->eflags |= EFLAGS_IF;
    } else if (has_virtual_if(cpu) && !(cpu->eflags & EFLAGS_VIP)) {
        cpu->eflags |= EFLAGS_VIF;
    } else {
        return cpu_raise_error(cpu, VEC_GP, 0);
    }
    return true;
}

/* --- control registers --- */

#define CR0_DEFINED                                                                                                    \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define CR4_PAGING (CR4_PSE | CR4_PAE | CR4_PGE)
#define CR0_PAGING (CR0_PG | CR0_WP | CR0_PE)

/* PAE keeps its four top entries inside the CPU.  #GP(0) if one has reserved bits set. */
static bool load_pdptes(struct cpu *cpu, uint64_t cr3)
{
    uint64_t pdpte[4];

    if (!paging_load_pdptes(cpu->mem, cr3, cpu->paging.a20_mask, cpu->paging.phys_bits, pdpte))
        return cpu_raise_error(cpu, VEC_GP, 0);
    for (unsigned i = 0; i < 4; i++)
        cpu->paging.pdpte[i] = pdpte[i];
    return true;
}

bool cpu_write_cr0(struct cpu *cpu, uint64_t value)
{
    uint64_t changed;

    value = (value & CR0_DEFINED) | CR0_ET;
    changed = value ^ cpu->paging.cr0;
    if (((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return cpu_raise_error(cpu, VEC_GP, 0);
    if ((value & CR0_PG) && (cpu->paging.cr4 & CR4_PAE) && (changed & (CR0_PG | CR0_CD | CR0_NW)) &&
        !load_pdptes(cpu, cpu->paging.cr3))
        return false;
    cpu->paging.cr0 = value;
    if (changed & (CR0_PE | CR0_PG))
        cpu->is_mode_stale = true;
    if (changed & CR0_PAGING)
        tlb_flush_all(cpu);
    return true;
}

bool cpu_write_cr3(struct cpu *cpu, uint64_t value)
{
    value &= 0xffffffff;
    if ((cpu->paging.cr0 & CR0_PG) && (cpu->paging.cr4 & CR4_PAE) && !load_pdptes(cpu, value))
        return false;
    cpu->paging.cr3 = value;
    tlb_flush_cr3(cpu, cpu->paging.cr4 & CR4_PGE);
    return true;
}

bool cpu_write_cr4(struct cpu *cpu, uint64_t value)
{
    uint64_t changed = value ^ cpu->paging.cr4;

    if (value & ~cpu->cr4_mask)
        return cpu_raise_error(cpu, VEC_GP, 0);
    if ((cpu->paging.cr0 & CR0_PG) && (value & CR4_PAE) && (changed & CR4_PAGING) &&
        !load_pdptes(cpu, cpu->paging.cr3))
        return false;
    cpu->paging.cr4 = value;
    if (changed & CR4_PAGING)
        tlb_flush_all(cpu);
    return true;
}

bool op_mov_from_cr(struct cpu *cpu, const struct insn *in)
{
    uint64_t value;

    switch (in->reg) {
    case 0:
        value = cpu->paging.cr0;
        break;
    case 2:
        value = cpu->cr2;
        break;
    case 3:
        value = cpu->paging.cr3;
        break;
    case 4:
        if (!cpu->cr4_mask) /* a 486 without any of it */
            return cpu_raise(cpu, VEC_UD);
        value = cpu->paging.cr4;
        break;
    default:
        return cpu_raise(cpu, VEC_UD);
    }
    if (!require_ring0(cpu))
        return false;
    cpu->gpr[in->rm & 15] = (uint32_t)value;
    return true;
}

bool op_mov_to_cr(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = (uint32_t)cpu->gpr[in->rm & 15];

    if (in->reg == 1 || in->reg > 4 || (in->reg == 4 && !cpu->cr4_mask))
        return cpu_raise(cpu, VEC_UD);
    if (!require_ring0(cpu))
        return false;
    switch (in->reg) {
    case 0:
        return cpu_write_cr0(cpu, value);
    case 3:
        return cpu_write_cr3(cpu, value);
    case 4:
        return cpu_write_cr4(cpu, value);
    default:
        cpu->cr2 = value;
        return true;
    }
}

bool op_smsw(struct cpu *cpu, const struct insn *in)
{
    return operand_write(cpu, in, 0, cpu->paging.cr0);
}

/* Bits 3:0 only, and PE can be set but not cleared. */
bool op_lmsw(struct cpu *cpu, const struct insn *in)
{
    uint64_t value, cr0 = cpu->paging.cr0;

    if (!require_ring0(cpu) || !operand_read(cpu, in, 0, &value))
        return false;
    return cpu_write_cr0(cpu, (cr0 & ~0xeull) | (value & 0xf));
}

bool op_clts(struct cpu *cpu, const struct insn *in)
{
    if (!require_ring0(cpu))
        return false;
    cpu->paging.cr0 &= ~(uint64_t)CR0_TS;
    return true;
}

bool op_invd(struct cpu *cpu, const struct insn *in)
{
    return require_ring0(cpu);
}

bool op_wbinvd(struct cpu *cpu, const struct insn *in)
{
    return require_ring0(cpu);
}

bool op_invlpg(struct cpu *cpu, const struct insn *in)
{
    if (!require_ring0(cpu))
        return false;
    tlb_flush_page(cpu, (cpu->seg[in->seg].base + insn_ea(cpu, in)) & 0xffffffff);
    return true;
}

/* --- debug registers, SDM 3B 17.2 --- */

unsigned debug_matches(const struct cpu *cpu, uint64_t address, unsigned size, bool is_write, bool is_fetch, bool is_io)
{
    static const uint8_t lengths[4] = {1, 2, 8, 4};
    enum { ON_FETCH, ON_WRITE, ON_IO, ON_ACCESS };
    uint64_t dr7 = cpu->dr[7];
    unsigned hits = 0;

    for (unsigned i = 0; i < 4; i++) {
        unsigned kind = dr7 >> (16 + i * 4) & 3, len = lengths[dr7 >> (18 + i * 4) & 3];
        uint64_t start = cpu->dr[i] & ~(uint64_t)(len - 1);
        bool is_kind;

        if (!(dr7 >> (i * 2) & 3))
            continue;
        if (is_fetch)
            is_kind = kind == ON_FETCH;
        else if (is_io)
            is_kind = kind == ON_IO && (cpu->paging.cr4 & CR4_DE);
        else
            is_kind = kind == ON_ACCESS || (kind == ON_WRITE && is_write);
        if (is_kind && start < address + size && address < start + len)
            hits |= 1u << i;
    }
    return hits;
}

/* DR4 and DR5 are DR6 and DR7, unless CR4.DE makes them undefined; with DR7.GD any access is #DB. */
static bool check_debug_access(struct cpu *cpu, const struct insn *in, unsigned *number)
{
    *number = in->reg & 7;
    if (in->reg > 7 || ((*number == 4 || *number == 5) && (cpu->paging.cr4 & CR4_DE)))
        return cpu_raise(cpu, VEC_UD);
    if (*number == 4 || *number == 5)
        *number += 2;
    if (!require_ring0(cpu))
        return false;
    if (cpu->dr[7] & DR7_GD)
        return cpu_raise_debug(cpu, DR6_BD, false);
    return true;
}

bool op_mov_from_dr(struct cpu *cpu, const struct insn *in)
{
    unsigned number;

    if (!check_debug_access(cpu, in, &number))
        return false;
    cpu->gpr[in->rm & 15] = (uint32_t)cpu->dr[number];
    return true;
}

bool op_mov_to_dr(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = (uint32_t)cpu->gpr[in->rm & 15];
    unsigned number;

    if (!check_debug_access(cpu, in, &number))
        return false;
    if (number == 6)
        value = (value & 0xe00f) | DR6_FIXED;
    if (number == 7) {
        value = (value & 0xffff2fffu) | DR7_FIXED;
        cpu->is_mode_stale = true;
    }
    cpu->dr[number] = value;
    return true;
}

/* --- MSRs, counters, identification --- */

#define PERF_COUNTER_MASK 0xffffffffffull

static void set_edx_eax(struct cpu *cpu, uint64_t value)
{
    cpu->gpr[REG_AX] = (uint32_t)value;
    cpu->gpr[REG_DX] = value >> 32;
}

bool op_rdmsr(struct cpu *cpu, const struct insn *in)
{
    uint64_t value;

    if (cpu->cpl != 0 || !msr_read(cpu, (uint32_t)cpu->gpr[REG_CX], &value))
        return cpu_raise_error(cpu, VEC_GP, 0);
    set_edx_eax(cpu, value);
    return true;
}

bool op_wrmsr(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = (uint32_t)cpu->gpr[REG_AX] | cpu->gpr[REG_DX] << 32;

    if (cpu->cpl != 0 || !msr_write(cpu, (uint32_t)cpu->gpr[REG_CX], value))
        return cpu_raise_error(cpu, VEC_GP, 0);
    return true;
}

bool op_rdtsc(struct cpu *cpu, const struct insn *in)
{
    if ((cpu->paging.cr4 & CR4_TSD) && cpu->cpl != 0)
        return cpu_raise_error(cpu, VEC_GP, 0);
    set_edx_eax(cpu, cpu_tsc(cpu));
    return true;
}

bool op_rdtscp(struct cpu *cpu, const struct insn *in)
{
    if (!op_rdtsc(cpu, in))
        return false;
    cpu->gpr[REG_CX] = (uint32_t)cpu->tsc_aux;
    return true;
}

/* The two counters of P5 and P6, which never count. */
bool op_rdpmc(struct cpu *cpu, const struct insn *in)
{
    if ((!(cpu->paging.cr4 & CR4_PCE) && cpu->cpl != 0) || (uint32_t)cpu->gpr[REG_CX] > 1)
        return cpu_raise_error(cpu, VEC_GP, 0);
    set_edx_eax(cpu, cpu->perf_counter[cpu->gpr[REG_CX] & 1] & PERF_COUNTER_MASK);
    return true;
}

bool op_cpuid(struct cpu *cpu, const struct insn *in)
{
    struct cpuid_leaf l = cpuid_query(cpu, (uint32_t)cpu->gpr[REG_AX], (uint32_t)cpu->gpr[REG_CX]);

    cpu->gpr[REG_AX] = l.eax;
    cpu->gpr[REG_BX] = l.ebx;
    cpu->gpr[REG_CX] = l.ecx;
    cpu->gpr[REG_DX] = l.edx;
    return true;
}

/* Random numbers are the host's.  CF = 0 and the value 0: it had none. */
#define DEFINE_RANDOM(name)                                                                                            \
    bool op_##name(struct cpu *cpu, const struct insn *in)                                                             \
    {                                                                                                                  \
        uint64_t value;                                                                                                \
        bool has_value;                                                                                                \
                                                                                                                       \
        __asm__ volatile(#name " %0" : "=r"(value), "=@ccc"(has_value));                                               \
        if (!operand_write(cpu, in, 0, value))                                                                         \
            return false;                                                                                              \
        cpu->eflags = (cpu->eflags & ~EFLAGS_STATUS) | (has_value ? EFLAGS_CF : 0);                                    \
        return true;                                                                                                   \
    }
DEFINE_RANDOM(rdrand)
DEFINE_RANDOM(rdseed)

bool op_hlt(struct cpu *cpu, const struct insn *in)
{
    if (!require_ring0(cpu))
        return false;
    cpu->is_halted = true;
    return true;
}

/* --- ports: E4h..E7h by immediate, ECh..EFh by DX; even opcodes are the byte forms --- */

static uint16_t port_of(const struct cpu *cpu, const struct insn *in)
{
    return in->opcode & 8 ? (uint16_t)cpu->gpr[REG_DX] : (uint16_t)(in->imm & 0xff);
}

static unsigned port_size(const struct insn *in)
{
    return !(in->opcode & 1) ? 1 : in->opsize == 2 ? 2 : 4;
}

bool op_in(struct cpu *cpu, const struct insn *in)
{
    uint16_t port = port_of(cpu, in);
    unsigned size = port_size(in);

    if (!io_allowed(cpu, port, size) || !may_reach_outside(cpu))
        return false;
    reg_write(cpu, in, REG_AX, size, space_read(cpu->board.ports, port, size));
    io_note_breakpoints(cpu, port, size);
    return true;
}

bool op_out(struct cpu *cpu, const struct insn *in)
{
    uint16_t port = port_of(cpu, in);
    unsigned size = port_size(in);

    if (!io_allowed(cpu, port, size) || !may_reach_outside(cpu))
        return false;
    space_write(cpu->board.ports, port, size, reg_read(cpu, in, REG_AX, size));
    io_note_breakpoints(cpu, port, size);
    return true;
}

/* --- fast system calls, SDM 3A 5.8.7 --- */

/* Flat segments with fixed rights: the GDT is not read. */
static void load_flat(struct cpu *cpu, uint16_t cs, uint16_t ss, unsigned cpl)
{
    const uint16_t common = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED | SEG_ATTR_DB | SEG_ATTR_G |
                            (uint16_t)(cpl << SEG_ATTR_DPL_SHIFT);
    const struct segment code = {.limit = 0xffffffff, .sel = cs, .attr = common | SEG_ATTR_CODE};
    const struct segment data = {.limit = 0xffffffff, .sel = ss, .attr = common};

    segment_commit_cs(cpu, &code, cpl);
    cpu->seg[SEG_SS] = data;
}

bool op_sysenter(struct cpu *cpu, const struct insn *in)
{
    uint16_t cs = cpu->sysenter_cs & 0xfffc;

    if (!(cpu->paging.cr0 & CR0_PE) || !cs)
        return cpu_raise_error(cpu, VEC_GP, 0);
    cpu_set_eflags(cpu, cpu->eflags & ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF));
    load_flat(cpu, cs, (uint16_t)(cs + 8), 0);
    cpu->gpr[REG_SP] = (uint32_t)cpu->sysenter_esp;
    cpu->next_rip = (uint32_t)cpu->sysenter_eip;
    return true;
}

bool op_sysexit(struct cpu *cpu, const struct insn *in)
{
    uint16_t cs = cpu->sysenter_cs & 0xfffc;

    if (!(cpu->paging.cr0 & CR0_PE) || !cs || cpu->cpl != 0)
        return cpu_raise_error(cpu, VEC_GP, 0);
    load_flat(cpu, (uint16_t)((cs + 16) | 3), (uint16_t)((cs + 24) | 3), 3);
    cpu->gpr[REG_SP] = (uint32_t)cpu->gpr[REG_CX];
    cpu->next_rip = (uint32_t)cpu->gpr[REG_DX];
    return true;
}

/* --- not offered: #UD --- */

#define UNDEFINED(name)                                                                                                \
    bool op_##name(struct cpu *cpu, const struct insn *in)                                                             \
    {                                                                                                                  \
        return cpu_raise(cpu, VEC_UD);                                                                                 \
    }
UNDEFINED(syscall)
UNDEFINED(sysret)
UNDEFINED(monitor)
UNDEFINED(mwait)
