/* Operands of a decoded instruction.  One table says what each operand kind of the opcode map (SDM 2, appendix A.2) is
 * and how large it is; reads and writes dispatch on that. */
#include "cpu/operand.h"

#include "cpu/tlb.h"

/* Where an operand of some kind lives. */
enum place {
    AT_NONE,   /* nowhere readable: addresses of LEA, far pointers, FP operands */
    AT_RM,     /* ModRM r/m: general register or memory */
    AT_REG,    /* ModRM reg: general register */
    AT_RM_REG, /* ModRM r/m, always a general register */
    AT_VVVV,   /* VEX.vvvv: general register */
    AT_OPCODE, /* general register in opcode bits 2:0 */
    AT_AX,
    AT_CX,
    AT_DX,
    AT_IMM,
    AT_MOFFS, /* memory at disp */
    AT_ONE    /* the constant 1 */
};

/* How large: 1, 2, 4, 8, 16 are bytes. */
enum width {
    W_V = 32, /* operand size */
    W_Z,      /* operand size, at most 4 */
    W_Y,      /* 4, or 8 with REX.W */
    W_MODE,   /* 4, or 8 in 64-bit mode: control and debug registers */
    W_PTR,    /* far pointer in memory: operand size + 2 */
    W_PAIR,   /* two of operand size: BOUND */
    W_DESC,   /* descriptor-table register: 6, or 10 in 64-bit mode */
    W_V_OR_2, /* register of operand size, or 2 bytes of memory */
    W_4_OR_2  /* 4-byte register, or 2 bytes of memory */
};

struct kind {
    uint8_t place, width;
};

/* clang-format off */
static const struct kind kinds[OPERAND_COUNT] = {
    [Eb] = {AT_RM, 1},  [Ew] = {AT_RM, 2},  [Ed] = {AT_RM, 4},  [Eq] = {AT_RM, 8},  [Ev] = {AT_RM, W_V}, [Ey] = {AT_RM, W_Y},
    [Mb] = {AT_RM, 1},  [Mw] = {AT_RM, 2},  [Md] = {AT_RM, 4},  [Mq] = {AT_RM, 8},  [Mdq] = {AT_NONE, 16},
    [Mp] = {AT_NONE, W_PTR}, [Ma] = {AT_NONE, W_PAIR}, [Ms] = {AT_NONE, W_DESC}, [Mt] = {AT_NONE, 10},
    [Rd] = {AT_RM_REG, W_MODE}, [Rv] = {AT_RM_REG, W_V}, [Ew_Rv] = {AT_RM, W_V_OR_2}, [Ed_w] = {AT_RM, W_4_OR_2},

    [Gb] = {AT_REG, 1}, [Gw] = {AT_REG, 2}, [Gd] = {AT_REG, 4}, [Gv] = {AT_REG, W_V}, [Gy] = {AT_REG, W_Y},
    [Gz] = {AT_REG, W_Z}, [Sw] = {AT_NONE, 2}, [Cd] = {AT_NONE, W_MODE}, [Dd] = {AT_NONE, W_MODE},

    [Ib] = {AT_IMM, 1}, [Ibs] = {AT_IMM, W_V}, [Iw] = {AT_IMM, 2}, [Iz] = {AT_IMM, W_V}, [Iv] = {AT_IMM, W_V},
    [Jb] = {AT_IMM, W_V}, [Jz] = {AT_IMM, W_V}, [Ap] = {AT_NONE, W_PTR}, [Ob] = {AT_MOFFS, 1}, [Ov] = {AT_MOFFS, W_V},
    [I1] = {AT_ONE, 1},

    [AL_] = {AT_AX, 1}, [AX_] = {AT_AX, 2}, [eAX_] = {AT_AX, W_Z}, [rAX_] = {AT_AX, W_V}, [CL_] = {AT_CX, 1},
    [DX_] = {AT_DX, 2}, [Zb] = {AT_OPCODE, 1}, [Zv] = {AT_OPCODE, W_V},
    [ES_] = {AT_NONE, 2}, [CS_] = {AT_NONE, 2}, [SS_] = {AT_NONE, 2}, [DS_] = {AT_NONE, 2}, [FS_] = {AT_NONE, 2},
    [GS_] = {AT_NONE, 2},

    [Xb] = {AT_NONE, 1}, [Xv] = {AT_NONE, W_V}, [Xz] = {AT_NONE, W_Z},
    [Yb] = {AT_NONE, 1}, [Yv] = {AT_NONE, W_V}, [Yz] = {AT_NONE, W_Z}, [Fv] = {AT_NONE, W_V},
    [By] = {AT_VVVV, W_Y},
};
/* clang-format on */

uint64_t reg_read(const struct cpu *cpu, const struct insn *in, unsigned reg, unsigned size)
{
    reg &= 15;
    switch (size) {
    case 1:
        if (!in->rex && reg >= 4)
            return (cpu->gpr[reg & 3] >> 8) & 0xff;
        return cpu->gpr[reg] & 0xff;
    case 2:
        return cpu->gpr[reg] & 0xffff;
    case 4:
        return (uint32_t)cpu->gpr[reg];
    default:
        return cpu->gpr[reg];
    }
}

void reg_write(struct cpu *cpu, const struct insn *in, unsigned reg, unsigned size, uint64_t value)
{
    uint64_t *r = &cpu->gpr[reg & 15];

    switch (size) {
    case 1:
        if (!in->rex && (reg & 15) >= 4) {
            r = &cpu->gpr[reg & 3];
            *r = (*r & ~0xff00ull) | (value & 0xff) << 8;
        } else {
            *r = (*r & ~0xffull) | (value & 0xff);
        }
        break;
    case 2:
        *r = (*r & ~0xffffull) | (value & 0xffff);
        break;
    case 4:
        *r = (uint32_t)value;
        break;
    default:
        *r = value;
        break;
    }
}

uint64_t insn_ea(const struct cpu *cpu, const struct insn *in)
{
    uint64_t ea = (uint64_t)in->disp;

    if (in->base >= 0)
        ea += cpu->gpr[in->base & 15];
    else if (in->is_rip_relative)
        ea += cpu->next_rip; /* RIP-relative */
    if (in->index >= 0)
        ea += cpu->gpr[in->index & 15] << in->scale;
    switch (in->addrsize) {
    case 2:
        return (uint16_t)ea;
    case 4:
        return (uint32_t)ea;
    default:
        return ea;
    }
}

/* The rare widths. */
static unsigned odd_size(const struct insn *in, unsigned width)
{
    switch (width) {
    case W_Z:
        return in->opsize == 8 ? 4 : in->opsize;
    case W_Y:
        return in->opsize == 8 ? 8 : 4;
    case W_MODE:
        return in->code_size == 8 ? 8 : 4;
    case W_PTR:
        return in->opsize + 2;
    case W_PAIR:
        return in->opsize * 2;
    case W_DESC:
        return in->code_size == 8 ? 10 : 6;
    case W_V_OR_2:
        return in->is_mem ? 2 : in->opsize;
    default: /* W_4_OR_2 */
        return in->is_mem ? 2 : 4;
    }
}

static inline unsigned kind_size(const struct insn *in, struct kind k)
{
    if (k.width == W_V)
        return in->opsize;
    return k.width < W_V ? k.width : odd_size(in, k.width);
}

unsigned operand_size(const struct insn *in, unsigned n)
{
    return kind_size(in, kinds[in->desc->operands[n & 3]]);
}

static uint64_t truncate(uint64_t value, unsigned size)
{
    return size >= 8 ? value : value & ((1ull << size * 8) - 1);
}

/* Which general register an operand is, or -1 if it is none. */
static inline int operand_register(const struct insn *in, unsigned place)
{
    switch (place) {
    case AT_RM:
    case AT_RM_REG:
        return in->rm;
    case AT_REG:
        return in->reg;
    case AT_VVVV:
        return in->vvvv;
    case AT_OPCODE:
        return (in->opcode & 7) | (in->rex & 1) << 3;
    case AT_AX:
        return REG_AX;
    case AT_CX:
        return REG_CX;
    case AT_DX:
        return REG_DX;
    default:
        return -1;
    }
}

bool operand_read(struct cpu *cpu, const struct insn *in, unsigned n, uint64_t *value)
{
    struct kind kind = kinds[in->desc->operands[n & 3]];
    unsigned place = kind.place, size = kind_size(in, kind);
    int reg;

    if ((place == AT_RM && in->is_mem) || place == AT_MOFFS)
        return mem_read(cpu, in->seg, insn_ea(cpu, in), size, value);
    reg = operand_register(in, place);
    if (reg >= 0)
        *value = reg_read(cpu, in, reg, size);
    else if (place == AT_IMM)
        *value = truncate(in->imm, size);
    else
        *value = place == AT_ONE;
    return true;
}

bool operand_read_rmw(struct cpu *cpu, const struct insn *in, unsigned n, uint64_t *value)
{
    struct kind kind = kinds[in->desc->operands[n & 3]];

    if ((kind.place == AT_RM && in->is_mem) || kind.place == AT_MOFFS)
        return mem_read_rmw(cpu, in->seg, insn_ea(cpu, in), kind_size(in, kind), value);
    return operand_read(cpu, in, n, value);
}

bool operand_write(struct cpu *cpu, const struct insn *in, unsigned n, uint64_t value)
{
    struct kind kind = kinds[in->desc->operands[n & 3]];
    unsigned place = kind.place, size = kind_size(in, kind);
    int reg;

    if ((place == AT_RM && in->is_mem) || place == AT_MOFFS)
        return mem_write(cpu, in->seg, insn_ea(cpu, in), size, value);
    reg = operand_register(in, place);
    if (reg >= 0)
        reg_write(cpu, in, reg, size, value);
    return true;
}

bool operand_probe_write(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned len)
{
    unsigned access = ACCESS_WRITE | (cpu->cpl == 3 ? ACCESS_USER : 0), n;
    struct tlb_target t;
    gla_t gla;

    if (!mem_linear(cpu, seg, off, len, ACCESS_WRITE, &gla))
        return false;
    if (len <= 8 && !(len & (len - 1)) && mem_is_misaligned(cpu, gla, len, access))
        return cpu_raise_error(cpu, VEC_AC, 0);
    for (unsigned done = 0; done < len; done += n) {
        gla_t at = (uint32_t)(gla + done);

        n = GUEST_PAGE_SIZE - (at & GUEST_PAGE_MASK);
        if (!tlb_translate(cpu, at, access, &t))
            return false;
    }
    return true;
}
