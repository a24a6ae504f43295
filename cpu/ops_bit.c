/* Single bits and bit counts: BT BTS BTR BTC BSF BSR POPCNT LZCNT TZCNT, and SETcc.  SDM 2. */
#include "cpu/cpuid.h"
#include "cpu/flags.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

DEFINE_WORD(host_bt, "bt")
DEFINE_WORD(host_bts, "bts")
DEFINE_WORD(host_btr, "btr")
DEFINE_WORD(host_btc, "btc")
DEFINE_WORD(host_bsf, "bsf")
DEFINE_WORD(host_bsr, "bsr")
DEFINE_WORD(host_popcnt, "popcnt")
DEFINE_WORD(host_lzcnt, "lzcnt")
DEFINE_WORD(host_tzcnt, "tzcnt")

typedef uint64_t word_fn(unsigned size, uint64_t dst, uint64_t src, uint16_t *packed);

/* Bit strings in memory: a bit offset in a register is signed and reaches beyond the addressed operand; an immediate one
 * is taken modulo the operand size (SDM 2A 3.1.1.9, "Bit(BitBase, BitOffset)"). */
static uint64_t bit_string_ea(const struct cpu *cpu, const struct insn *in, unsigned size, uint64_t bit)
{
    uint64_t ea = insn_ea(cpu, in);
    int64_t offset = size == 2 ? (int16_t)bit : size == 4 ? (int32_t)bit : (int64_t)bit;

    if (in->desc->operands[1] == Ib || in->desc->operands[1] == Ibs)
        return ea;
    ea += (uint64_t)((offset >> (size == 2 ? 4 : size == 4 ? 5 : 6)) * (int64_t)size);
    return in->addrsize == 2 ? (uint16_t)ea : in->addrsize == 4 ? (uint32_t)ea : ea;
}

static bool bit_test(struct cpu *cpu, const struct insn *in, word_fn *fn)
{
    unsigned size = operand_size(in, 0);
    uint16_t packed = flags_pack(cpu->eflags);
    bool is_test_only = fn == host_bt;
    uint64_t dst, bit, ea = 0;

    if (!operand_read(cpu, in, 1, &bit))
        return false;
    if (in->is_mem) {
        ea = bit_string_ea(cpu, in, size, bit);
        if (!(is_test_only ? mem_read(cpu, in->seg, ea, size, &dst) : mem_read_rmw(cpu, in->seg, ea, size, &dst)))
            return false;
    } else {
        dst = reg_read(cpu, in, in->rm, size);
    }
    dst = fn(size, dst, bit & (size * 8 - 1), &packed);
    if (!is_test_only) {
        if (!in->is_mem)
            reg_write(cpu, in, in->rm, size, dst);
        else if (!mem_write(cpu, in->seg, ea, size, dst))
            return false;
    }
    flags_set(cpu, packed);
    return true;
}

bool op_bt(struct cpu *cpu, const struct insn *in)
{
    return bit_test(cpu, in, host_bt);
}

bool op_bts(struct cpu *cpu, const struct insn *in)
{
    return bit_test(cpu, in, host_bts);
}

bool op_btr(struct cpu *cpu, const struct insn *in)
{
    return bit_test(cpu, in, host_btr);
}

bool op_btc(struct cpu *cpu, const struct insn *in)
{
    return bit_test(cpu, in, host_btc);
}

static bool bit_count(struct cpu *cpu, const struct insn *in, word_fn *fn)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t dst, src;

    if (!operand_read(cpu, in, 1, &src) || !operand_read(cpu, in, 0, &dst))
        return false;
    dst = fn(operand_size(in, 0), dst, src, &packed);
    if (!operand_write(cpu, in, 0, dst))
        return false;
    flags_set(cpu, packed);
    return true;
}

/* A zero source leaves the destination unchanged: the SDM says undefined, every processor does this. */
bool op_bsf(struct cpu *cpu, const struct insn *in)
{
    return bit_count(cpu, in, host_bsf);
}

bool op_bsr(struct cpu *cpu, const struct insn *in)
{
    return bit_count(cpu, in, host_bsr);
}

bool op_popcnt(struct cpu *cpu, const struct insn *in)
{
    return bit_count(cpu, in, host_popcnt);
}

/* Processors without LZCNT and TZCNT ignore the F3 prefix. */
bool op_lzcnt(struct cpu *cpu, const struct insn *in)
{
    return bit_count(cpu, in, cpu_has_feature(cpu, FEAT_LZCNT) ? host_lzcnt : host_bsr);
}

bool op_tzcnt(struct cpu *cpu, const struct insn *in)
{
    return bit_count(cpu, in, cpu_has_feature(cpu, FEAT_BMI1) ? host_tzcnt : host_bsf);
}

bool op_setcc(struct cpu *cpu, const struct insn *in)
{
    return operand_write(cpu, in, 0, flags_condition(cpu->eflags, in->opcode));
}
