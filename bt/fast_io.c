/* IN, OUT, INVLPG, MOV to CR3, and MOV between a register and device memory, without the dispatcher and the interpreter.  Unlike
 * fast.c's instructions these call devices or map pages, which may use any register: the stub has saved the guest's FP state too, if it
 * was in the host's; the next FP instruction loads it again.  Everything else is declined before it has changed anything. */
#include "bt/fast.h"

#include "cpu/cpuid.h"
#include "cpu/mem.h"
#include "cpu/ops.h"
#include "cpu/protect.h"
#include "mmu/paging.h"

#define DEVICE_REG_SHIFT 4

/* At cpu->rip in another address space. */
static const uint8_t *go_elsewhere(struct bt *bt)
{
    struct cpu *cpu = bt->cpu;

    if (atomic_load_explicit(&cpu->exit_request, memory_order_relaxed) || bt_needs_interpreter(cpu) || cpu_has_work(cpu))
        return FAST_DONE;
    ctx_enter(bt, ctx_current(bt));
    windows_sync_peer(bt->windows, bt->ctx->w); /* SYSEXIT will come there soon, in place */
    return ctx_jump(bt->ctx, (uint32_t)cpu->rip);
}

/* Behind the instruction: in the block, if nothing happened that the dispatcher must see. */
static const uint8_t *go_on(struct bt *bt, const struct callout_site *site, uint64_t dead)
{
    struct cpu *cpu = bt->cpu;
    const uint8_t *pc = (const uint8_t *)site;

    cpu->stats.insns_interp++;
    hot_of(cpu)->icount += bt->lockstep != NULL; /* of the block; call-outs are not in its count */
    cpu->stats.sens_executed[bt->causes[site->cause].desc->sens]++;
    bt->stats.fast++;
    cpu->rip = site->guest_rip + site->insn_len;
    if (!(cpu->mode & MODE_CS32))
        cpu->rip &= 0xffff;
    if (site->may_resume && dead == bt->stats.dead_blocks + bt->stats.cache_flushes && bt_may_go_on(bt))
        return (const uint8_t *)(site + 1);
    if (bt->is_counting && bt->stats.cache_flushes == 0)
        hot_of(cpu)->icount -= tcache_recover(bt, tcache_by_host(bt, pc), pc)->rest;
    return site->fast == FAST_MOV_CR3 ? go_elsewhere(bt) : FAST_DONE;
}

static bool may_use_ports(const struct cpu *cpu)
{
    return !(cpu->mode & MODE_PE) || (!(cpu->mode & MODE_VM) && (cpu->mode & MODE_IOPL_OK));
}

static void set_low(uint64_t *reg, uint64_t value, unsigned size)
{
    *reg = size == 4 ? (uint32_t)value : size == 2 ? (*reg & 0xffff0000) | (uint16_t)value : (*reg & 0xffffff00) | (uint8_t)value;
}

static bool port(struct bt *bt, const struct callout_site *site)
{
    struct cpu *cpu = bt->cpu;
    unsigned size = site->arg & 7;
    uint16_t number = site->arg & IO_IMMEDIATE ? site->arg2 : (uint16_t)cpu->gpr[REG_DX];

    if (!may_use_ports(cpu))
        return false;
    if (site->fast == FAST_IN)
        set_low(&cpu->gpr[REG_AX], space_read(cpu->board.ports, number, size), size);
    else
        space_write(cpu->board.ports, number, size, cpu->gpr[REG_AX] & (UINT64_MAX >> (64 - size * 8)));
    return true;
}

/* The operand's address is in hot.fast_operand, a value to store in hot.fast_value. */
static bool device(struct bt *bt, const struct callout_site *site)
{
    const struct bt_hot *hot = hot_of(bt->cpu);
    uint32_t gla = (uint32_t)hot->fast_operand;
    unsigned size = site->arg & 7;
    gpa_t gpa;

    if ((gla & GUEST_PAGE_MASK) > GUEST_PAGE_SIZE - size || !window_device(bt->windows, bt->ctx->w, gla, site->fast == FAST_DEVICE_STORE, &gpa))
        return false;
    if (site->site != SITE_NONE)
        bt->sites[site->site].ordinary = 0;
    if (site->fast == FAST_DEVICE_LOAD)
        set_low(&bt->cpu->gpr[site->arg >> DEVICE_REG_SHIFT], space_read(bt->cpu->mem, gpa, size), size);
    else
        space_write(bt->cpu->mem, gpa, size, hot->fast_value & (UINT64_MAX >> (64 - size * 8)));
    return true;
}

static bool invlpg(struct bt *bt)
{
    if (bt->cpu->cpl)
        return false;
    tlb_flush_page(bt->cpu, (uint32_t)hot_of(bt->cpu)->fast_operand);
    return true;
}

static bool mov_to_cr3(struct bt *bt, const struct callout_site *site)
{
    struct cpu *cpu = bt->cpu;
    const struct paging_regs *p = &cpu->paging;
    uint64_t value = (uint32_t)cpu->gpr[site->arg], pdpte[4];

    if (cpu->cpl || ((p->cr0 & CR0_PG) && (p->cr4 & CR4_PAE) && !paging_load_pdptes(cpu->mem, value, p->a20_mask, p->phys_bits, pdpte)))
        return false;
    return cpu_write_cr3(cpu, value);
}

static bool execute(struct bt *bt, const struct callout_site *site)
{
    switch (site->fast) {
    case FAST_MOV_CR3:
        return mov_to_cr3(bt, site);
    case FAST_XSAVE:
    case FAST_XSAVEOPT:
    case FAST_XRSTOR:
        return fast_state(bt, site);
    case FAST_IN:
    case FAST_OUT:
        return port(bt, site);
    case FAST_INVLPG:
        return invlpg(bt);
    default:
        return device(bt, site);
    }
}

const uint8_t *fast_io(struct bt *bt, const struct callout_site *site)
{
    uint64_t dead = bt->stats.dead_blocks + bt->stats.cache_flushes;

    bt->ctx = (struct ctx *)(uintptr_t)hot_of(bt->cpu)->ctx;
    if (hot_of(bt->cpu)->soft_fp) { /* it stays where it was saved */
        hot_of(bt->cpu)->soft_fp = 0;
        bt_set_gates(bt);
    }
    if (!execute(bt, site))
        return FAST_DECLINED;
    return go_on(bt, site, dead);
}

/* --- which instructions --- */

static bool is_mov(const struct insn *in)
{
    return insn_is(in, op_mov) && in->map == MAP_1B && in->is_mem && ((in->opcode >= 0x88 && in->opcode <= 0x8b) || in->opcode == 0xc6 || in->opcode == 0xc7);
}

static bool is_moffs(const struct insn *in)
{
    return in->map == MAP_1B && in->opcode >= 0xa0 && in->opcode <= 0xa3;
}

bool fast_io_fits(const struct bt *bt, const struct insn *in, struct callout_site *site)
{
    unsigned size = in->desc->attr & ATTR_BYTE ? 1 : in->opsize, reg = is_moffs(in) ? REG_AX : in->reg;

    if (!bt_has(bt, BT_FAST) || !cpu_has_feature(bt->cpu, in->desc->feature))
        return false;
    if (fast_state_fits(in, site))
        return true;
    if (bt->lockstep || !bt->soft || (size != 1 && size != 2 && size != 4))
        return false;
    if (insn_is(in, op_mov_to_cr) && in->reg == 3) {
        site->fast = FAST_MOV_CR3;
        site->arg = in->rm & 15;
        return true;
    }
    if (insn_is(in, op_in) || insn_is(in, op_out)) {
        bool is_imm = in->opcode < 0xe8;

        size = !(in->opcode & 1) ? 1 : in->opsize;
        site->fast = insn_is(in, op_in) ? FAST_IN : FAST_OUT;
        site->arg = (uint8_t)(size | (is_imm ? IO_IMMEDIATE : 0));
        site->arg2 = (uint8_t)in->imm;
        return true;
    }
    if (insn_is(in, op_invlpg) && in->is_mem && in->addrsize == 4) {
        site->fast = FAST_INVLPG;
        site->arg = 1; /* the size of its operand, which is not accessed */
        return true;
    }
    if (site->site == SITE_NONE || in->addrsize != 4 || in->has_lock || !(is_mov(in) || is_moffs(in)))
        return false;
    size = in->opcode & 1 ? in->opsize : 1;
    if (size == 1 && reg >= 4 && in->opcode < 0xc6)
        return false; /* AH CH DH BH */
    bool is_load = is_moffs(in) ? in->opcode < 0xa2 : in->opcode == 0x8a || in->opcode == 0x8b;

    site->fast = is_load ? FAST_DEVICE_LOAD : FAST_DEVICE_STORE;
    site->arg = (uint8_t)(size | reg << DEVICE_REG_SHIFT);
    return true;
}
