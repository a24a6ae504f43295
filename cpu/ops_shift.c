/* Shifts and rotates.  SDM 2B "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD".
 * The host masks the count as the guest's instruction would (1Fh, or 3Fh with 64-bit operands) and leaves the flags alone
 * when it is zero; flags and 16-bit results that the SDM calls undefined are the host's own. */
#include "cpu/flags.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

DEFINE_SHIFT(host_rol, "rol")
DEFINE_SHIFT(host_ror, "ror")
DEFINE_SHIFT(host_rcl, "rcl")
DEFINE_SHIFT(host_rcr, "rcr")
DEFINE_SHIFT(host_shl, "shl")
DEFINE_SHIFT(host_shr, "shr")
DEFINE_SHIFT(host_sar, "sar")

typedef uint64_t shift_fn(unsigned size, uint64_t dst, uint64_t count, uint16_t *packed);

/* A memory destination is written (and must be writable) even when the count is zero. */
static inline __attribute__((always_inline)) bool shift(struct cpu *cpu, const struct insn *in, shift_fn *fn)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t dst, count;

    if (!operand_read(cpu, in, 1, &count) || !operand_read_rmw(cpu, in, 0, &dst))
        return false;
    dst = fn(operand_size(in, 0), dst, count, &packed);
    if (!operand_write(cpu, in, 0, dst))
        return false;
    flags_set(cpu, packed);
    return true;
}

bool op_rol(struct cpu *cpu, const struct insn *in)
{
    return shift(cpu, in, host_rol);
}

bool op_ror(struct cpu *cpu, const struct insn *in)
{
    return shift(cpu, in, host_ror);
}

bool op_rcl(struct cpu *cpu, const struct insn *in)
{
    return shift(cpu, in, host_rcl);
}

bool op_rcr(struct cpu *cpu, const struct insn *in)
{
    return shift(cpu, in, host_rcr);
}

bool op_shl(struct cpu *cpu, const struct insn *in)
{
    return shift(cpu, in, host_shl);
}

bool op_shr(struct cpu *cpu, const struct insn *in)
{
    return shift(cpu, in, host_shr);
}

bool op_sar(struct cpu *cpu, const struct insn *in)
{
    return shift(cpu, in, host_sar);
}

/* Double shifts: "insn %cl, src, dst" in 16, 32 and 64 bits. */
#define DOUBLE_CASE(insn, type)                                                                                         \
    {                                                                                                                   \
        type d_ = (type)dst, s_ = (type)src;                                                                            \
        __asm__(FLAGS_LOAD insn " %%cl, %[s], %[d]" FLAGS_SAVE                                                          \
                : [d] "+r"(d_), "+&a"(f)                                                                                \
                : [s] "r"(s_), "c"((uint8_t)count)                                                                      \
                : "cc");                                                                                                \
        dst = d_;                                                                                                       \
    }
#define DEFINE_DOUBLE(name, insn)                                                                                       \
    static uint64_t name(unsigned size, uint64_t dst, uint64_t src, uint64_t count, uint16_t *packed)                   \
    {                                                                                                                   \
        uint16_t f = *packed;                                                                                           \
                                                                                                                        \
        if (size == 4)                                                                                                  \
            DOUBLE_CASE(insn, uint32_t)                                                                                 \
        else if (size == 2)                                                                                             \
            DOUBLE_CASE(insn, uint16_t)                                                                                 \
        else                                                                                                            \
            DOUBLE_CASE(insn, uint64_t)                                                                                 \
        *packed = f;                                                                                                    \
        return dst;                                                                                                     \
    }
DEFINE_DOUBLE(host_shld, "shld")
DEFINE_DOUBLE(host_shrd, "shrd")

typedef uint64_t double_fn(unsigned size, uint64_t dst, uint64_t src, uint64_t count, uint16_t *packed);

static bool double_shift(struct cpu *cpu, const struct insn *in, double_fn *fn)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t dst, src, count;

    if (!operand_read(cpu, in, 1, &src) || !operand_read(cpu, in, 2, &count) || !operand_read_rmw(cpu, in, 0, &dst))
        return false;
    dst = fn(operand_size(in, 0), dst, src, count, &packed);
    if (!operand_write(cpu, in, 0, dst))
        return false;
    flags_set(cpu, packed);
    return true;
}

bool op_shld(struct cpu *cpu, const struct insn *in)
{
    return double_shift(cpu, in, host_shld);
}

bool op_shrd(struct cpu *cpu, const struct insn *in)
{
    return double_shift(cpu, in, host_shrd);
}
