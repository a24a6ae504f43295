/* Arithmetic and logic: ADD to TEST, INC DEC NEG NOT, multiplication and division.  SDM 2.
 * The work is done by the host instruction of the same name (cpu/flags.h). */
#include "cpu/flags.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

DEFINE_BINARY(host_add, "add")
DEFINE_BINARY(host_or, "or")
DEFINE_BINARY(host_adc, "adc")
DEFINE_BINARY(host_sbb, "sbb")
DEFINE_BINARY(host_and, "and")
DEFINE_BINARY(host_sub, "sub")
DEFINE_BINARY(host_xor, "xor")
DEFINE_UNARY(host_inc, "inc")
DEFINE_UNARY(host_dec, "dec")
DEFINE_UNARY(host_neg, "neg")

typedef uint64_t binary_fn(unsigned size, uint64_t dst, uint64_t src, uint16_t *packed);
typedef uint64_t unary_fn(unsigned size, uint64_t dst, uint16_t *packed);

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* dst = dst fn src */
static ALWAYS_INLINE bool binary(struct cpu *cpu, const struct insn *in, binary_fn *fn)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t dst, src;

    if (!operand_read_rmw(cpu, in, 0, &dst) || !operand_read(cpu, in, 1, &src))
        return false;
    dst = fn(operand_size(in, 0), dst, src, &packed);
    if (!operand_write(cpu, in, 0, dst))
        return false;
    flags_set(cpu, packed);
    return true;
}

/* Flags of dst fn src. */
static ALWAYS_INLINE bool compare(struct cpu *cpu, const struct insn *in, binary_fn *fn)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t dst, src;

    if (!operand_read(cpu, in, 0, &dst) || !operand_read(cpu, in, 1, &src))
        return false;
    fn(operand_size(in, 0), dst, src, &packed);
    flags_set(cpu, packed);
    return true;
}

static ALWAYS_INLINE bool unary(struct cpu *cpu, const struct insn *in, unary_fn *fn)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t dst;

    if (!operand_read_rmw(cpu, in, 0, &dst))
        return false;
    dst = fn(operand_size(in, 0), dst, &packed);
    if (!operand_write(cpu, in, 0, dst))
        return false;
    flags_set(cpu, packed);
    return true;
}

bool op_add(struct cpu *cpu, const struct insn *in)
{
    return binary(cpu, in, host_add);
}

bool op_or(struct cpu *cpu, const struct insn *in)
{
    return binary(cpu, in, host_or);
}

bool op_adc(struct cpu *cpu, const struct insn *in)
{
    return binary(cpu, in, host_adc);
}

bool op_sbb(struct cpu *cpu, const struct insn *in)
{
    return binary(cpu, in, host_sbb);
}

bool op_and(struct cpu *cpu, const struct insn *in)
{
    return binary(cpu, in, host_and);
}

bool op_sub(struct cpu *cpu, const struct insn *in)
{
    return binary(cpu, in, host_sub);
}

bool op_xor(struct cpu *cpu, const struct insn *in)
{
    return binary(cpu, in, host_xor);
}

bool op_cmp(struct cpu *cpu, const struct insn *in)
{
    return compare(cpu, in, host_sub);
}

bool op_test(struct cpu *cpu, const struct insn *in)
{
    return compare(cpu, in, host_and);
}

bool op_inc(struct cpu *cpu, const struct insn *in)
{
    return unary(cpu, in, host_inc);
}

bool op_dec(struct cpu *cpu, const struct insn *in)
{
    return unary(cpu, in, host_dec);
}

bool op_neg(struct cpu *cpu, const struct insn *in)
{
    return unary(cpu, in, host_neg);
}

bool op_not(struct cpu *cpu, const struct insn *in)
{
    uint64_t dst;

    return operand_read_rmw(cpu, in, 0, &dst) && operand_write(cpu, in, 0, ~dst);
}

/* XADD: the sum goes to the destination, the old destination to the source.  If both are the same register the sum
 * stays; a memory destination is written first, while its address registers are whole and a fault can still come. */
bool op_xadd(struct cpu *cpu, const struct insn *in)
{
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t dst, src, sum;

    if (!operand_read_rmw(cpu, in, 0, &dst) || !operand_read(cpu, in, 1, &src))
        return false;
    sum = host_add(operand_size(in, 0), dst, src, &packed);
    if (operand_is_mem(in, 0)) {
        if (!operand_write(cpu, in, 0, sum) || !operand_write(cpu, in, 1, dst))
            return false;
    } else if (!operand_write(cpu, in, 1, dst) || !operand_write(cpu, in, 0, sum)) {
        return false;
    }
    flags_set(cpu, packed);
    return true;
}

/* CMPXCHG writes its destination in every case (SDM 2A): without write rights it faults even if nothing changes. */
bool op_cmpxchg(struct cpu *cpu, const struct insn *in)
{
    unsigned size = operand_size(in, 0);
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t dst, src, accumulator = reg_read(cpu, in, REG_AX, size);
    bool is_equal;

    if (!operand_read_rmw(cpu, in, 0, &dst) || !operand_read(cpu, in, 1, &src))
        return false;
    host_sub(size, accumulator, dst, &packed);
    is_equal = dst == accumulator;
    if (!operand_write(cpu, in, 0, is_equal ? src : dst))
        return false;
    if (!is_equal)
        reg_write(cpu, in, REG_AX, size, dst);
    flags_set(cpu, packed);
    return true;
}

bool op_cmpxchg8b(struct cpu *cpu, const struct insn *in)
{
    uint64_t ea = insn_ea(cpu, in), dst, expected, desired;

    if (!mem_read_rmw(cpu, in->seg, ea, 8, &dst))
        return false;
    expected = cpu->gpr[REG_DX] << 32 | (uint32_t)cpu->gpr[REG_AX];
    desired = cpu->gpr[REG_CX] << 32 | (uint32_t)cpu->gpr[REG_BX];
    if (!mem_write(cpu, in->seg, ea, 8, dst == expected ? desired : dst))
        return false;
    if (dst == expected) {
        cpu->eflags |= EFLAGS_ZF;
    } else {
        cpu->eflags &= ~EFLAGS_ZF;
        cpu->gpr[REG_AX] = (uint32_t)dst;
        cpu->gpr[REG_DX] = dst >> 32;
    }
    return true;
}

/* One-operand MUL, IMUL, DIV, IDIV on rDX:rAX of the host.  The byte forms use AX alone, which the templates fit by
 * giving them the low byte in one register and keeping RDX out of it. */
#define FLAGS_WIDE_CASE(insn, type)                                                                                     \
    {                                                                                                                   \
        uint64_t a_ = *ax, d_ = *dx;                                                                                    \
        type s_ = (type)src;                                                                                            \
        __asm__(FLAGS_LOAD "mov %[a], %%rax\n\t" insn " %[s]\n\tmov %%rax, %[a]" FLAGS_SAVE                             \
                : [a] "+&r"(a_), "+&d"(d_), "+&a"(f)                                                                    \
                : [s] "r"(s_)                                                                                           \
                : "cc");                                                                                                \
        *ax = a_;                                                                                                       \
        *dx = d_;                                                                                                       \
    }
#define DEFINE_WIDE(name, insn)                                                                                         \
    static void name(unsigned size, uint64_t *ax, uint64_t *dx, uint64_t src, uint16_t *packed)                         \
    {                                                                                                                   \
        uint16_t f = *packed;                                                                                           \
                                                                                                                        \
        if (size == 4)                                                                                                  \
            FLAGS_WIDE_CASE(insn, uint32_t)                                                                             \
        else if (size == 1)                                                                                             \
            FLAGS_WIDE_CASE(insn, uint8_t)                                                                              \
        else if (size == 2)                                                                                             \
            FLAGS_WIDE_CASE(insn, uint16_t)                                                                             \
        else                                                                                                            \
            FLAGS_WIDE_CASE(insn, uint64_t)                                                                             \
        *packed = f;                                                                                                    \
    }

DEFINE_WIDE(host_mul, "mul")
DEFINE_WIDE(host_imul, "imul")
DEFINE_WIDE(host_div, "div")
DEFINE_WIDE(host_idiv, "idiv")
DEFINE_WORD(host_imul2, "imul")

typedef void wide_fn(unsigned size, uint64_t *ax, uint64_t *dx, uint64_t src, uint16_t *packed);

/* rDX:rAX = fn(rDX:rAX, src), which cannot fault any more. */
static void wide(struct cpu *cpu, const struct insn *in, unsigned size, uint64_t src, wide_fn *fn)
{
    uint64_t ax = cpu->gpr[REG_AX], dx = cpu->gpr[REG_DX];
    uint16_t packed = flags_pack(cpu->eflags);

    fn(size, &ax, &dx, src, &packed);
    reg_write(cpu, in, REG_AX, size == 1 ? 2 : size, ax);
    if (size != 1)
        reg_write(cpu, in, REG_DX, size, dx);
    flags_set(cpu, packed);
}

/* The explicit operand of group 3 stands first in the table, or after an implied accumulator. */
static unsigned wide_operand(const struct insn *in)
{
    uint8_t first = in->desc->operands[0];

    return first == Eb || first == Ev ? 0 : 1;
}

bool op_mul(struct cpu *cpu, const struct insn *in)
{
    unsigned n = wide_operand(in);
    uint64_t src;

    if (!operand_read(cpu, in, n, &src))
        return false;
    wide(cpu, in, operand_size(in, n), src, host_mul);
    return true;
}

bool op_imul1(struct cpu *cpu, const struct insn *in)
{
    unsigned n = wide_operand(in);
    uint64_t src;

    if (!operand_read(cpu, in, n, &src))
        return false;
    wide(cpu, in, operand_size(in, n), src, host_imul);
    return true;
}

/* IMUL r, r/m and IMUL r, r/m, imm. */
bool op_imul(struct cpu *cpu, const struct insn *in)
{
    unsigned first = in->desc->operands[2] == OPERAND_NONE ? 0 : 2;
    uint16_t packed = flags_pack(cpu->eflags);
    uint64_t a, b;

    if (!operand_read(cpu, in, first, &a) || !operand_read(cpu, in, 1, &b))
        return false;
    a = host_imul2(operand_size(in, 0), a, b, &packed);
    if (!operand_write(cpu, in, 0, a))
        return false;
    flags_set(cpu, packed);
    return true;
}

/* The dividend of a division by an operand of size bytes: AX, DX:AX, EDX:EAX, RDX:RAX. */
static unsigned __int128 dividend(const struct cpu *cpu, unsigned size)
{
    switch (size) {
    case 1:
        return cpu->gpr[REG_AX] & 0xffff;
    case 2:
        return (cpu->gpr[REG_DX] & 0xffff) << 16 | (cpu->gpr[REG_AX] & 0xffff);
    case 4:
        return cpu->gpr[REG_DX] << 32 | (uint32_t)cpu->gpr[REG_AX];
    default:
        return (unsigned __int128)cpu->gpr[REG_DX] << 64 | cpu->gpr[REG_AX];
    }
}

/* The host must never see a division that traps, so overflow is looked for first: the quotient fits exactly if the high
 * half is smaller than the divisor. */
bool op_div(struct cpu *cpu, const struct insn *in)
{
    unsigned n = wide_operand(in), size = operand_size(in, n);
    uint64_t src;

    if (!operand_read(cpu, in, n, &src))
        return false;
    if ((uint64_t)(dividend(cpu, size) >> size * 8) >= src)
        return cpu_raise(cpu, VEC_DE);
    wide(cpu, in, size, src, host_div);
    return true;
}

/* The quotient, truncated toward zero, must lie in [-2^(bits-1), 2^(bits-1)-1].  In magnitudes: |dividend| < |src| * limit,
 * where the limit is 2^(bits-1) for a positive and 2^(bits-1) + 1 for a negative quotient. */
static bool idiv_fits(const struct cpu *cpu, unsigned size, uint64_t src)
{
    unsigned bits = size * 8;
    unsigned __int128 num = dividend(cpu, size), sign_bit = (unsigned __int128)1 << (2 * bits - 1);
    uint64_t src_sign = 1ull << (bits - 1);
    bool is_negative = (num & sign_bit) != 0;
    unsigned __int128 mask = sign_bit | (sign_bit - 1);

    if (is_negative)
        num = -num & mask;
    if (src & src_sign) {
        src = -src & (src_sign | (src_sign - 1));
        is_negative = !is_negative;
    }
    return num < (unsigned __int128)src * ((unsigned __int128)src_sign + is_negative);
}

bool op_idiv(struct cpu *cpu, const struct insn *in)
{
    unsigned n = wide_operand(in), size = operand_size(in, n);
    uint64_t src;

    if (!operand_read(cpu, in, n, &src))
        return false;
    if (!idiv_fits(cpu, size, src))
        return cpu_raise(cpu, VEC_DE);
    wide(cpu, in, size, src, host_idiv);
    return true;
}
