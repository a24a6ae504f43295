/* BMI1 and BMI2: VEX-encoded instructions on general registers, done by the host's own.  SDM 2, chapter 2.6 (exception type
 * 13): #UD outside protected mode. */
#include "cpu/flags.h"
#include "cpu/operand.h"
#include "cpu/ops.h"
#include "cpu/protect.h"

typedef uint64_t bmi_fn(unsigned size, uint64_t a, uint64_t b, uint16_t *packed);

/* "insn d, a, b" and "insn d, a" (Intel's order of operands) for both sizes, with flags. */
#define BMI_CASE(text, type)                                                                                           \
    {                                                                                                                  \
        type d_, a_ = (type)a, b_ = (type)b;                                                                           \
        __asm__(FLAGS_LOAD text FLAGS_SAVE : [d] "=&r"(d_), "+&a"(f) : [a] "r"(a_), [b] "r"(b_) : "cc");               \
        a = d_;                                                                                                        \
    }
#define DEFINE_BMI(name, text)                                                                                         \
    static uint64_t host_##name(unsigned size, uint64_t a, uint64_t b, uint16_t *packed)                               \
    {                                                                                                                  \
        uint16_t f = *packed;                                                                                          \
                                                                                                                       \
        if (size == 4)                                                                                                 \
            BMI_CASE(text, uint32_t)                                                                                   \
        else                                                                                                           \
            BMI_CASE(text, uint64_t)                                                                                   \
        *packed = f;                                                                                                   \
        return a;                                                                                                      \
    }

static bool may_start(struct cpu *cpu)
{
    return mode_is_protected(cpu->mode) || cpu_raise(cpu, VEC_UD);
}

static bool three_operands(struct cpu *cpu, const struct insn *in, bmi_fn *fn)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t a, b;

    if (!may_start(cpu) || !operand_read(cpu, in, 1, &a) || !operand_read(cpu, in, 2, &b))
        return false;
    a = fn(in->opsize, a, b, &packed);
    flags_set(cpu, packed);
    return operand_write(cpu, in, 0, a);
}

#define THREE_OPERANDS(name)                                                                                           \
    DEFINE_BMI(name, #name " %[b], %[a], %[d]")                                                                        \
    bool op_##name(struct cpu *cpu, const struct insn *in)                                                             \
    {                                                                                                                  \
        return three_operands(cpu, in, host_##name);                                                                   \
    }
THREE_OPERANDS(andn)
THREE_OPERANDS(bextr)
THREE_OPERANDS(bzhi)
THREE_OPERANDS(pdep)
THREE_OPERANDS(pext)
THREE_OPERANDS(sarx)
THREE_OPERANDS(shlx)
THREE_OPERANDS(shrx)

static bool two_operands(struct cpu *cpu, const struct insn *in, bmi_fn *fn)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t a;

    if (!may_start(cpu) || !operand_read(cpu, in, 1, &a))
        return false;
    a = fn(in->opsize, a, 0, &packed);
    flags_set(cpu, packed);
    return operand_write(cpu, in, 0, a);
}

#define TWO_OPERANDS(name)                                                                                             \
    DEFINE_BMI(name, #name " %[a], %[d]")                                                                              \
    bool op_##name(struct cpu *cpu, const struct insn *in)                                                             \
    {                                                                                                                  \
        return two_operands(cpu, in, host_##name);                                                                     \
    }
TWO_OPERANDS(blsi)
TWO_OPERANDS(blsmsk)
TWO_OPERANDS(blsr)

/* High and low half of EDX times the operand; if both go to one register, it is the high half. */
bool op_mulx(struct cpu *cpu, const struct insn *in)
{
    unsigned __int128 product;
    unsigned bits = in->opsize * 8;
    uint64_t b;

    if (!may_start(cpu) || !operand_read(cpu, in, 2, &b))
        return false;
    product = (unsigned __int128)reg_read(cpu, in, REG_DX, in->opsize) * b;
    return operand_write(cpu, in, 1, (uint64_t)product) && operand_write(cpu, in, 0, (uint64_t)(product >> bits));
}

bool op_rorx(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = in->opsize * 8, count = (unsigned)in->imm & (bits - 1);
    uint64_t a;

    if (!may_start(cpu) || !operand_read(cpu, in, 1, &a))
        return false;
    return operand_write(cpu, in, 0, count ? a >> count | a << (bits - count) : a);
}
