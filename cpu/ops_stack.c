/* PUSH POP PUSHA POPA ENTER LEAVE.  SDM 2.  The stack pointer is SP or ESP by SS.B, whatever the operand size; it, and
 * every other register, changes only after the last access that can fault. */
#include "cpu/operand.h"
#include "cpu/ops.h"

static uint64_t stack_mask(const struct cpu *cpu)
{
    return cpu->mode & MODE_SS32 ? 0xffffffffu : 0xffffu;
}

static void stack_set(struct cpu *cpu, uint64_t sp)
{
    uint64_t mask = stack_mask(cpu);

    cpu->gpr[REG_SP] = (cpu->gpr[REG_SP] & ~mask) | (sp & mask);
}

/* PUSH SP pushes the old value (since the 286). */
bool op_push(struct cpu *cpu, const struct insn *in)
{
    uint64_t value;

    return operand_read(cpu, in, 0, &value) && mem_push(cpu, in->opsize, value);
}

/* A memory destination addressed by SP sees it already incremented; POP SP ends with the value popped. */
bool op_pop(struct cpu *cpu, const struct insn *in)
{
    uint64_t old_sp = cpu->gpr[REG_SP], value;

    if (!mem_pop(cpu, in->opsize, &value))
        return false;
    if (operand_write(cpu, in, 0, value))
        return true;
    cpu->gpr[REG_SP] = old_sp;
    return false;
}

bool op_pusha(struct cpu *cpu, const struct insn *in)
{
    uint64_t sp = cpu->gpr[REG_SP], mask = stack_mask(cpu);
    unsigned size = in->opsize;

    for (unsigned i = 1; i <= 8; i++)
        if (!operand_probe_write(cpu, SEG_SS, (sp - i * size) & mask, size))
            return false;
    for (unsigned i = 1; i <= 8; i++)
        if (!mem_write(cpu, SEG_SS, (sp - i * size) & mask, size, cpu->gpr[REG_AX + i - 1]))
            return false;
    stack_set(cpu, sp - 8 * size);
    return true;
}

bool op_popa(struct cpu *cpu, const struct insn *in)
{
    uint64_t sp = cpu->gpr[REG_SP], mask = stack_mask(cpu), value[8];
    unsigned size = in->opsize;

    for (unsigned i = 0; i < 8; i++)
        if (!mem_read(cpu, SEG_SS, (sp + i * size) & mask, size, &value[7 - i]))
            return false;
    stack_set(cpu, sp + 8 * size);
    for (unsigned reg = 0; reg < 8; reg++)
        if (reg != REG_SP)
            reg_write(cpu, in, reg, size, value[reg]);
    return true;
}

/* ENTER size, level:        level 0        level n > 0
 *                           old rBP        old rBP           <- frame
 *                           size bytes     n - 1 outer frame pointers, read at [rBP - i * opsize]
 *                                          frame
 *                                          size bytes
 * The final stack pointer must be writable, though nothing is written there. */
bool op_enter(struct cpu *cpu, const struct insn *in)
{
    uint64_t mask = stack_mask(cpu), old_sp = cpu->gpr[REG_SP], frame, bp = cpu->gpr[REG_BP], link;
    unsigned size = in->opsize, level = in->imm2 & 31;

    if (!mem_push(cpu, size, bp))
        return false;
    frame = cpu->gpr[REG_SP];
    for (unsigned i = 1; i < level; i++)
        if (!mem_read(cpu, SEG_SS, (bp - i * size) & mask, size, &link) || !mem_push(cpu, size, link))
            goto fault;
    if (level && !mem_push(cpu, size, frame))
        goto fault;
    if (!operand_probe_write(cpu, SEG_SS, (cpu->gpr[REG_SP] - (uint16_t)in->imm) & mask, size))
        goto fault;
    stack_set(cpu, cpu->gpr[REG_SP] - (uint16_t)in->imm);
    reg_write(cpu, in, REG_BP, size, frame);
    return true;
fault:
    cpu->gpr[REG_SP] = old_sp;
    return false;
}

bool op_leave(struct cpu *cpu, const struct insn *in)
{
    uint64_t bp = cpu->gpr[REG_BP] & stack_mask(cpu), value;

    if (!mem_read(cpu, SEG_SS, bp, in->opsize, &value))
        return false;
    stack_set(cpu, bp + in->opsize);
    reg_write(cpu, in, REG_BP, in->opsize, value);
    return true;
}
