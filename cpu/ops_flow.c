/* Jumps, calls, returns, loops, software interrupts.  SDM 2, each instruction's "Operation".
 * Targets are checked against CS.limit before anything changes. */
#include "cpu/ops.h"

#include "cpu/flags.h"
#include "cpu/mem.h"
#include "cpu/operand.h"
#include "cpu/protect.h"

/* EIP as the operand size leaves it; #GP(0) beyond the code segment. */
static bool check_target(struct cpu *cpu, const struct insn *in, uint64_t *target)
{
    *target &= in->opsize == 2 ? 0xffffu : 0xffffffffu;
    if (*target > cpu->seg[SEG_CS].limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    return true;
}

static bool jump_near(struct cpu *cpu, const struct insn *in, uint64_t target)
{
    if (!check_target(cpu, in, &target))
        return false;
    cpu->next_rip = target;
    return true;
}

static bool call_near(struct cpu *cpu, const struct insn *in, uint64_t target)
{
    if (!check_target(cpu, in, &target) || !mem_push(cpu, in->opsize, cpu->next_rip))
        return false;
    cpu->next_rip = target;
    return true;
}

bool op_jcc(struct cpu *cpu, const struct insn *in)
{
    return !flags_condition(cpu->eflags, in->opcode & 15) || jump_near(cpu, in, cpu->next_rip + in->imm);
}

bool op_jmp_rel(struct cpu *cpu, const struct insn *in)
{
    return jump_near(cpu, in, cpu->next_rip + in->imm);
}

bool op_jmp_ind(struct cpu *cpu, const struct insn *in)
{
    uint64_t target;

    return operand_read(cpu, in, 0, &target) && jump_near(cpu, in, target);
}

bool op_call_rel(struct cpu *cpu, const struct insn *in)
{
    return call_near(cpu, in, cpu->next_rip + in->imm);
}

bool op_call_ind(struct cpu *cpu, const struct insn *in)
{
    uint64_t target;

    return operand_read(cpu, in, 0, &target) && call_near(cpu, in, target);
}

bool op_ret_near(struct cpu *cpu, const struct insn *in)
{
    uint64_t target, esp = cpu->gpr[REG_SP];
    uint32_t mask = cpu->mode & MODE_SS32 ? 0xffffffffu : 0xffffu;

    if (!mem_pop(cpu, in->opsize, &target))
        return false;
    if (!check_target(cpu, in, &target)) {
        cpu->gpr[REG_SP] = esp;
        return false;
    }
    if (in->opcode == 0xc2) {
        esp = cpu->gpr[REG_SP];
        cpu->gpr[REG_SP] = (esp & ~(uint64_t)mask) | ((esp + (in->imm & 0xffff)) & mask);
    }
    cpu->next_rip = target;
    return true;
}

/* --- loops: the address size chooses CX or ECX --- */

static bool loop_while(struct cpu *cpu, const struct insn *in, bool is_condition)
{
    uint64_t mask = in->addrsize == 2 ? 0xffffu : 0xffffffffu;
    uint64_t count = (cpu->gpr[REG_CX] - 1) & mask;

    if (count && is_condition && !jump_near(cpu, in, cpu->next_rip + in->imm))
        return false;
    cpu->gpr[REG_CX] = (cpu->gpr[REG_CX] & ~mask) | count;
    return true;
}

bool op_loop(struct cpu *cpu, const struct insn *in)
{
    return loop_while(cpu, in, true);
}

bool op_loope(struct cpu *cpu, const struct insn *in)
{
    return loop_while(cpu, in, cpu->eflags & EFLAGS_ZF);
}

bool op_loopne(struct cpu *cpu, const struct insn *in)
{
    return loop_while(cpu, in, !(cpu->eflags & EFLAGS_ZF));
}

bool op_jcxz(struct cpu *cpu, const struct insn *in)
{
    uint64_t count = cpu->gpr[REG_CX] & (in->addrsize == 2 ? 0xffffu : 0xffffffffu);

    return count || jump_near(cpu, in, cpu->next_rip + in->imm);
}

/* --- far transfers --- */

/* m16:16 or m16:32: offset first. */
static bool read_far_pointer(struct cpu *cpu, const struct insn *in, uint16_t *sel, uint64_t *off)
{
    uint64_t ea = insn_ea(cpu, in), mask = in->addrsize == 2 ? 0xffffu : 0xffffffffu, v;

    if (!mem_read(cpu, in->seg, ea, in->opsize, off) || !mem_read(cpu, in->seg, (ea + in->opsize) & mask, 2, &v))
        return false;
    *sel = (uint16_t)v;
    return true;
}

bool op_jmp_far_ptr(struct cpu *cpu, const struct insn *in)
{
    uint64_t off = in->opsize == 2 ? in->imm & 0xffff : in->imm & 0xffffffff;

    return far_jump(cpu, in->imm2, off, in->opsize);
}

bool op_jmp_far_ind(struct cpu *cpu, const struct insn *in)
{
    uint16_t sel;
    uint64_t off;

    return read_far_pointer(cpu, in, &sel, &off) && far_jump(cpu, sel, off, in->opsize);
}

bool op_call_far_ptr(struct cpu *cpu, const struct insn *in)
{
    uint64_t off = in->opsize == 2 ? in->imm & 0xffff : in->imm & 0xffffffff;

    return far_call(cpu, in->imm2, off, in->opsize, cpu->next_rip);
}

bool op_call_far_ind(struct cpu *cpu, const struct insn *in)
{
    uint16_t sel;
    uint64_t off;

    return read_far_pointer(cpu, in, &sel, &off) && far_call(cpu, sel, off, in->opsize, cpu->next_rip);
}

bool op_ret_far(struct cpu *cpu, const struct insn *in)
{
    return far_return(cpu, in->opsize, in->opcode == 0xca ? (uint16_t)in->imm : 0);
}

bool op_iret(struct cpu *cpu, const struct insn *in)
{
    return far_iret(cpu, in->opsize);
}

/* --- software interrupts and exceptions --- */

static bool raise_software(struct cpu *cpu, uint8_t vector)
{
    cpu->event = (struct event){.is_pending = true, .vector = vector, .kind = EVENT_SOFT_INT};
    return false;
}

/* VME: a bit map below the I/O map tells which INT n stay inside the 8086 program.  SDM 3B 20.3.3, table 20-2. */
static bool is_redirected(struct cpu *cpu, uint8_t vector, bool *is_kept)
{
    uint64_t map, bits;

    *is_kept = false;
    if (!mem_read_linear(cpu, cpu->tr.base + 102, 2, ACCESS_READ, &map) ||
        !mem_read_linear(cpu, cpu->tr.base + map - 32 + vector / 8, 1, ACCESS_READ, &bits))
        return false;
    *is_kept = !(bits >> (vector & 7) & 1);
    return true;
}

/* The 8086 way inside virtual-8086 mode.  With IOPL < 3 the program's IF is VIF, and it sees IOPL 3. */
static bool interrupt_8086(struct cpu *cpu, uint8_t vector)
{
    bool is_virtual = cpu_iopl(cpu) < 3;
    struct stack st = stack_current(cpu);
    uint32_t image = cpu->eflags & 0xffff;
    uint64_t target;

    if (is_virtual)
        image = (image & ~EFLAGS_IF) | EFLAGS_IOPL | (cpu->eflags & EFLAGS_VIF ? EFLAGS_IF : 0);
    if (!mem_read_linear(cpu, vector * 4u, 4, ACCESS_READ | ACCESS_USER, &target) || !stack_push(cpu, &st, 2, image) ||
        !stack_push(cpu, &st, 2, cpu->seg[SEG_CS].sel) || !stack_push(cpu, &st, 2, cpu->next_rip & 0xffff))
        return false;
    stack_commit(cpu, &st);
    segment_load_real(cpu, SEG_CS, (uint16_t)(target >> 16));
    cpu->next_rip = target & 0xffff;
    cpu_set_eflags(cpu, cpu->eflags & ~(EFLAGS_TF | EFLAGS_NT | (is_virtual ? EFLAGS_VIF : EFLAGS_IF)));
    cpu->stats.soft_interrupts++;
    return true;
}

bool op_int(struct cpu *cpu, const struct insn *in)
{
    uint8_t vector = in->imm & 0xff;
    bool is_kept;

    if (cpu->eflags & EFLAGS_VM) {
        if (cpu->paging.cr4 & CR4_VME) {
            if (!is_redirected(cpu, vector, &is_kept))
                return false;
            if (is_kept)
                return interrupt_8086(cpu, vector);
        }
        if (cpu_iopl(cpu) < 3)
            return cpu_raise_error(cpu, VEC_GP, 0);
    }
    return raise_software(cpu, vector);
}

bool op_int3(struct cpu *cpu, const struct insn *in)
{
    return raise_software(cpu, VEC_BP);
}

bool op_into(struct cpu *cpu, const struct insn *in)
{
    return !(cpu->eflags & EFLAGS_OF) || raise_software(cpu, VEC_OF);
}

/* ICEBP: like a hardware #DB, so no DPL check, and DR6 stays. */
bool op_int1(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags &= ~EFLAGS_RF;
    cpu->event = (struct event){.is_pending = true, .vector = VEC_DB, .kind = EVENT_TRAP};
    return false;
}

bool op_ud(struct cpu *cpu, const struct insn *in)
{
    return cpu_raise(cpu, VEC_UD);
}

bool op_bound(struct cpu *cpu, const struct insn *in)
{
    uint64_t ea = insn_ea(cpu, in), mask = in->addrsize == 2 ? 0xffffu : 0xffffffffu, lower, upper;
    int32_t index = (int32_t)reg_read(cpu, in, in->reg, in->opsize), low, high;

    if (!mem_read(cpu, in->seg, ea, in->opsize, &lower) ||
        !mem_read(cpu, in->seg, (ea + in->opsize) & mask, in->opsize, &upper))
        return false;
    low = (int32_t)lower;
    high = (int32_t)upper;
    if (in->opsize == 2) {
        index = (int16_t)index;
        low = (int16_t)lower;
        high = (int16_t)upper;
    }
    if (index < low || index > high)
        return cpu_raise(cpu, VEC_BR);
    return true;
}
