/* Operands of a decoded instruction: read and written by number, whatever form they have.
 * Writes to a 32-bit register clear its upper half; 8- and 16-bit writes keep the rest (SDM 1 3.4.1.1). */
#ifndef CPU_OPERAND_H
#define CPU_OPERAND_H

#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/mem.h"

/* size 1: legacy high-byte registers (AH CH DH BH are 4..7) unless in->rex. */
uint64_t reg_read(const struct cpu *cpu, const struct insn *in, unsigned reg, unsigned size);
void reg_write(struct cpu *cpu, const struct insn *in, unsigned reg, unsigned size, uint64_t value);

/* Effective address of the memory operand, truncated to the address size (no segment base). */
uint64_t insn_ea(const struct cpu *cpu, const struct insn *in);

unsigned operand_size(const struct insn *in, unsigned n); /* bytes */
NODISCARD bool operand_read(struct cpu *cpu, const struct insn *in, unsigned n, uint64_t *value); /* zero-extended */
NODISCARD bool operand_read_rmw(struct cpu *cpu, const struct insn *in, unsigned n, uint64_t *value);
NODISCARD bool operand_write(struct cpu *cpu, const struct insn *in, unsigned n, uint64_t value);
/* Would writing [off, off+len) fault?  Raises what the write would raise; touches nothing but accessed and dirty bits. */
NODISCARD bool operand_probe_write(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned len);

static inline bool operand_is_mem(const struct insn *in, unsigned n)
{
    uint8_t k = in->desc->operands[n];

    return k == Ob || k == Ov || (in->is_mem && k != OPERAND_NONE && k <= Ed_w && k != Rd && k != Rv);
}

#endif
