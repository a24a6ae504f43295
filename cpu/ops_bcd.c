/* Decimal adjustment: AAA AAS DAA DAS AAM AAD, and SALC.  SDM 2A.
 *
 * These have no 64-bit encodings, so the host cannot run them here.  Each one comes down to one addition or subtraction of
 * a correction; the flags that the SDM calls undefined are those of that operation (measured on AMD Zen in compatibility
 * mode over all inputs: AAA and AAS work on AX as a word, AAD adds bytes, AAM clears OF, AF and CF). */
#include "cpu/flags.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

DEFINE_BINARY(host_add, "add")
DEFINE_BINARY(host_sub, "sub")
DEFINE_BINARY(host_or, "or")

typedef uint64_t binary_fn(unsigned size, uint64_t dst, uint64_t src, uint16_t *packed);

static void set_carries(struct cpu *cpu, bool is_cf, bool is_af)
{
    cpu->eflags &= ~(EFLAGS_CF | EFLAGS_AF);
    cpu->eflags |= (is_cf ? EFLAGS_CF : 0) | (is_af ? EFLAGS_AF : 0);
}

/* AAA, AAS: if the low digit overflowed, AX +- 106h; then the digit alone in AL. */
static bool ascii_adjust(struct cpu *cpu, const struct insn *in, binary_fn *fn)
{
    bool is_carry = (cpu->gpr[REG_AX] & 0xf) > 9 || (cpu->eflags & EFLAGS_AF);
    uint16_t packed = 0;
    uint64_t ax = fn(2, cpu->gpr[REG_AX], is_carry ? 0x106 : 0, &packed);

    reg_write(cpu, in, REG_AX, 2, ax & 0xff0f);
    flags_set(cpu, packed);
    set_carries(cpu, is_carry, is_carry);
    return true;
}

bool op_aaa(struct cpu *cpu, const struct insn *in)
{
    return ascii_adjust(cpu, in, host_add);
}

bool op_aas(struct cpu *cpu, const struct insn *in)
{
    return ascii_adjust(cpu, in, host_sub);
}

/* DAA, DAS: AL +- 6 for the low digit, 60h for the high one. */
static bool decimal_adjust(struct cpu *cpu, const struct insn *in, binary_fn *fn)
{
    uint8_t al = cpu->gpr[REG_AX];
    bool is_low = (al & 0xf) > 9 || (cpu->eflags & EFLAGS_AF);
    bool is_high = al > 0x99 || (cpu->eflags & EFLAGS_CF);
    uint16_t packed = 0;
    bool is_carry = is_high;

    if (fn == host_sub && is_low && al < 6)
        is_carry = true; /* DAS: the borrow of the first step counts */
    reg_write(cpu, in, REG_AX, 1, fn(1, al, (is_low ? 6 : 0) + (is_high ? 0x60 : 0), &packed));
    flags_set(cpu, packed);
    set_carries(cpu, is_carry, is_low);
    return true;
}

bool op_daa(struct cpu *cpu, const struct insn *in)
{
    return decimal_adjust(cpu, in, host_add);
}

bool op_das(struct cpu *cpu, const struct insn *in)
{
    return decimal_adjust(cpu, in, host_sub);
}

bool op_aam(struct cpu *cpu, const struct insn *in)
{
    uint8_t al = cpu->gpr[REG_AX], base = (uint8_t)in->imm;
    uint16_t packed = 0;

    if (!base)
        return cpu_raise(cpu, VEC_DE);
    reg_write(cpu, in, REG_AX, 2, (al / base) << 8 | al % base);
    host_or(1, al % base, 0, &packed);
    flags_set(cpu, packed);
    set_carries(cpu, false, false);
    return true;
}

bool op_aad(struct cpu *cpu, const struct insn *in)
{
    uint8_t al = cpu->gpr[REG_AX], ah = cpu->gpr[REG_AX] >> 8;
    uint16_t packed = 0;

    reg_write(cpu, in, REG_AX, 2, host_add(1, al, (uint8_t)(ah * (uint8_t)in->imm), &packed));
    flags_set(cpu, packed);
    return true;
}

bool op_salc(struct cpu *cpu, const struct insn *in)
{
    reg_write(cpu, in, REG_AX, 1, cpu->eflags & EFLAGS_CF ? 0xff : 0);
    return true;
}
