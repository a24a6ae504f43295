/* Data movement and conversion, the flag instructions, and everything that does nothing.  SDM 2. */
#include "cpu/flags.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

bool op_mov(struct cpu *cpu, const struct insn *in)
{
    uint64_t value;

    return operand_read(cpu, in, 1, &value) && operand_write(cpu, in, 0, value);
}

bool op_movzx(struct cpu *cpu, const struct insn *in)
{
    return op_mov(cpu, in); /* operands are read zero-extended */
}

static uint64_t sign_extend(uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        return (uint64_t)(int8_t)value;
    case 2:
        return (uint64_t)(int16_t)value;
    case 4:
        return (uint64_t)(int32_t)value;
    default:
        return value;
    }
}

bool op_movsx(struct cpu *cpu, const struct insn *in)
{
    uint64_t value;

    return operand_read(cpu, in, 1, &value) &&
           operand_write(cpu, in, 0, sign_extend(value, operand_size(in, 1)));
}

bool op_cmovcc(struct cpu *cpu, const struct insn *in)
{
    uint64_t value, old;

    /* the source is read, and faults, whatever the condition */
    if (!operand_read(cpu, in, 1, &value) || !operand_read(cpu, in, 0, &old))
        return false;
    return operand_write(cpu, in, 0, flags_condition(cpu->eflags, in->opcode) ? value : old);
}

bool op_lea(struct cpu *cpu, const struct insn *in)
{
    return operand_write(cpu, in, 0, insn_ea(cpu, in));
}

/* Memory is written before the register: the register may be part of the address, and only memory can fault. */
bool op_xchg(struct cpu *cpu, const struct insn *in)
{
    unsigned mem = operand_is_mem(in, 1) ? 1 : 0, other = !mem;
    uint64_t a, b;

    return operand_read_rmw(cpu, in, mem, &a) && operand_read(cpu, in, other, &b) &&
           operand_write(cpu, in, mem, b) && operand_write(cpu, in, other, a);
}

/* With a 16-bit operand the SDM leaves the result undefined: take what the host makes of it. */
bool op_bswap(struct cpu *cpu, const struct insn *in)
{
    uint64_t value;

    if (!operand_read(cpu, in, 0, &value))
        return false;
    if (operand_size(in, 0) == 8)
        value = __builtin_bswap64(value);
    else if (operand_size(in, 0) == 4)
        value = __builtin_bswap32((uint32_t)value);
    else
        __asm__(".byte 0x66, 0x0f, 0xc8" : "+a"(value)); /* bswap ax */
    return operand_write(cpu, in, 0, value);
}

bool op_movbe(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = operand_size(in, 0) * 8;
    uint64_t value;

    return operand_read(cpu, in, 1, &value) && operand_write(cpu, in, 0, __builtin_bswap64(value) >> (64 - bits));
}

/* CBW, CWDE, CDQE: the lower half of the accumulator into the whole. */
bool op_cbw(struct cpu *cpu, const struct insn *in)
{
    unsigned half = in->opsize / 2;

    reg_write(cpu, in, REG_AX, in->opsize, sign_extend(reg_read(cpu, in, REG_AX, half), half));
    return true;
}

/* CWD, CDQ, CQO: the accumulator's sign into rDX. */
bool op_cwd(struct cpu *cpu, const struct insn *in)
{
    bool is_negative = reg_read(cpu, in, REG_AX, in->opsize) >> (in->opsize * 8 - 1);

    reg_write(cpu, in, REG_DX, in->opsize, is_negative ? UINT64_MAX : 0);
    return true;
}

/* CRC-32C, polynomial 11EDC6F41h, bits reflected.  SDM 2A, CRC32. */
bool op_crc32(struct cpu *cpu, const struct insn *in)
{
    uint64_t crc, data;

    if (!operand_read(cpu, in, 0, &crc) || !operand_read(cpu, in, 1, &data))
        return false;
    crc = (uint32_t)crc;
    for (unsigned byte = 0; byte < operand_size(in, 1); byte++) {
        crc ^= data >> byte * 8 & 0xff;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return operand_write(cpu, in, 0, crc);
}

bool op_nop(struct cpu *cpu, const struct insn *in)
{
    return true;
}

/* Faults as a byte load does. */
bool op_clflush(struct cpu *cpu, const struct insn *in)
{
    uint64_t ignored;

    return operand_read(cpu, in, 0, &ignored);
}

bool op_lahf(struct cpu *cpu, const struct insn *in)
{
    cpu->gpr[REG_AX] = (cpu->gpr[REG_AX] & ~0xff00ull) | ((cpu->eflags & EFLAGS_STATUS & 0xff) | EFLAGS_1) << 8;
    return true;
}

bool op_sahf(struct cpu *cpu, const struct insn *in)
{
    uint32_t mask = EFLAGS_STATUS & 0xff;

    cpu->eflags = (cpu->eflags & ~mask) | (cpu->gpr[REG_AX] >> 8 & mask);
    return true;
}

bool op_clc(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags &= ~EFLAGS_CF;
    return true;
}

bool op_stc(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags |= EFLAGS_CF;
    return true;
}

bool op_cmc(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags ^= EFLAGS_CF;
    return true;
}

bool op_cld(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags &= ~EFLAGS_DF;
    return true;
}

bool op_std(struct cpu *cpu, const struct insn *in)
{
    cpu->eflags |= EFLAGS_DF;
    return true;
}

/* XLAT: AL = [rBX + AL], DS unless overridden. */
bool op_xlat(struct cpu *cpu, const struct insn *in)
{
    enum sreg seg = in->seg_override >= 0 ? (enum sreg)in->seg_override : SEG_DS;
    uint64_t ea = cpu->gpr[REG_BX] + (cpu->gpr[REG_AX] & 0xff), value;

    if (in->addrsize == 2)
        ea = (uint16_t)ea;
    else if (in->addrsize == 4)
        ea = (uint32_t)ea;
    if (!mem_read(cpu, seg, ea, 1, &value))
        return false;
    reg_write(cpu, in, REG_AX, 1, value);
    return true;
}
