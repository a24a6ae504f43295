/* Ringer's opinion: struct insn in the words of oracle.h. */
#include "tests/decode/oracle.h"

#include <string.h>
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

static struct operand_view gpr(const struct insn *in, unsigned number, unsigned size)
{
    if (size == 1 && !in->rex && number >= 4)
        number |= HIGH_BYTE;
    return (struct operand_view){PLACE_GPR, (uint8_t)size, number};
}

static struct operand_view plain(enum place place, uint64_t value) { return (struct operand_view){place, 0, value}; }

static struct operand_view vector(const struct insn *in, uint64_t number)
{
    return (struct operand_view){PLACE_VECTOR, in->vex ? in->vex_l ? 32 : 16 : 0, number};
}

static struct operand_view rm_or_memory(const struct insn *in, struct operand_view reg)
{
    return in->is_mem ? plain(PLACE_MEM, 0) : reg;
}

static struct operand_view operand_view(const struct insn *in, unsigned n)
{
    unsigned size = operand_size(in, n);

    switch (in->desc->operands[n]) {
        /* clang-format off */
    case Eb: case Ew: case Ed: case Eq: case Ev: case Ey: case Ew_Rv: case Ed_w:
    case M: case Mb: case Mw: case Md: case Mq: case Mdq: case Mp: case Ma: case Ms: case Mt: case M512: case Menv:
    case Mfpu:
        return rm_or_memory(in, gpr(in, in->rm, size));
    case Rd: case Rv:
        return gpr(in, in->rm, size);
    case Gb: case Gw: case Gd: case Gv: case Gy: case Gz:
        return gpr(in, in->reg, size);
    case Sw:
        return plain(PLACE_SREG, in->reg & 7);
    case Cd:
        return plain(PLACE_CR, in->reg);
    case Dd:
        return plain(PLACE_DR, in->reg);
    case Ib: case Ibs: case Iw: case Iz: case Iv: case Jb: case Jz:
        return (struct operand_view){PLACE_IMM, (uint8_t)size, n && in->desc->operands[0] == Iw ? in->imm2 : in->imm};
    case I1:
        return plain(PLACE_IMM, 1);
    case Ap:
        return plain(PLACE_FAR, (uint64_t)in->imm2 << 32 | (uint32_t)in->imm);
    case Ob: case Ov: case Xb: case Xv: case Xz: case Yb: case Yv: case Yz:
        return plain(PLACE_MEM, 0);
    case AL_: case AX_: case eAX_: case rAX_:
        return gpr(in, REG_AX, size);
    case CL_:
        return gpr(in, REG_CX, size);
    case DX_:
        return gpr(in, REG_DX, size);
    case Zb: case Zv:
        return gpr(in, (in->opcode & 7) | (in->rex & 1) << 3, size);
    case ES_: case CS_: case SS_: case DS_: case FS_: case GS_:
        return plain(PLACE_SREG, in->desc->operands[n] - ES_);
    case ST0_:
        return plain(PLACE_ST, 0);
    case STi_:
        return plain(PLACE_ST, in->rm & 7);
    case Pq: case Pd:
        return plain(PLACE_MMX, in->reg & 7);
    case Nq:
        return plain(PLACE_MMX, in->rm & 7);
    case Qq: case Qd:
        return rm_or_memory(in, plain(PLACE_MMX, in->rm & 7));
    case Vx: case Vps: case Vpd:
        return vector(in, in->reg);
    case Vdq: case Vss: case Vsd: case Vq:
        return plain(PLACE_VECTOR, in->reg);
    case Udq: case Ups: case Upd: case Uq:
        return plain(PLACE_VECTOR, in->rm);
    case Wx: case Wps: case Wpd: case Mx:
        return rm_or_memory(in, plain(PLACE_VECTOR, in->rm)); /* narrower than the vector in some rows */
    case Wdq: case Wss: case Wsd: case Wq: case Wd: case Ww: case Wb_:
        return rm_or_memory(in, plain(PLACE_VECTOR, in->rm));
    case Hx:
        return plain(PLACE_VECTOR, in->vvvv);
    case Lx:
        return vector(in, in->imm >> 4 & 15);
    case By:
        return gpr(in, in->vvvv, size);
    case XMM0_:
        return plain(PLACE_VECTOR, 0);
        /* clang-format on */
    default:
        return plain(PLACE_IMM, ~0ull);
    }
}

static void view_operands(struct view *v, const struct insn *in)
{
    for (unsigned n = 0; n < ARRAY_SIZE(in->desc->operands) && in->desc->operands[n]; n++) {
        if (in->desc->operands[n] == Fv || (in->desc->attr & ATTR_REP)) /* implied */
            continue;
        v->operands[v->n_operands] = operand_view(in, n);
        v->n_operands++;
    }
}

static void view_memory(struct view *v, const struct insn *in)
{
    uint8_t first = in->desc->operands[0], second = in->desc->operands[1];
    bool is_moffs = first == Ob || first == Ov || second == Ob || second == Ov;
    bool is_destination = first >= Yb && first <= Yz, is_source = first >= Xb && first <= Xz;

    v->has_mem = in->is_mem || is_moffs || (in->desc->attr & ATTR_REP);
    if (!v->has_mem)
        return;
    v->is_accessed = !(in->desc->attr & ATTR_NO16) && !insn_is(in, op_invlpg);
    v->is_read = in->desc->attr & ATTR_MEM_R;
    v->is_written = in->desc->attr & ATTR_MEM_W;
    v->mem_size = insn_mem_size(in);
    v->seg = (int8_t)in->seg;
    v->base = in->base;
    v->index = in->desc->attr & ATTR_VSIB ? (int8_t)in->vindex : in->index;
    v->scale = v->index < 0 ? 0 : in->scale;
    v->disp = in->disp;
    if (in->desc->attr & ATTR_REP) { /* the first memory operand */
        bool is_yb = is_destination || (!is_source && second >= Yb && second <= Yz);

        v->base = is_yb ? REG_DI : REG_SI;
        v->seg = is_yb ? SEG_ES : (int8_t)in->seg;
        if (insn_is(in, op_movs))
            v->is_read = false; /* that is the second */
    }
}

static bool is_prefix(uint8_t byte, unsigned code_size)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

    return memchr(prefixes, byte, sizeof(prefixes)) || (code_size == 8 && (byte & 0xf0) == 0x40);
}

static void find_opcode(const uint8_t bytes[15], const struct insn *in, struct opcode_place *at)
{
    unsigned n = 0;

    while (n < 15 && is_prefix(bytes[n], in->code_size))
        n++;
    *at = (struct opcode_place){.n_prefixes = (uint8_t)n, .map = in->map, .opcode = in->opcode};
    at->is_vex = in->vex;
    n += in->vex ? in->vex + 1u : in->map == MAP_1B ? 1 : in->map == MAP_0F ? 2 : 3;
    at->modrm = n < 15 ? bytes[n] : 0;
}

void ringer_view(const uint8_t bytes[15], unsigned code_size, struct view *v, struct opcode_place *at)
{
    struct insn in;
    enum decode_result result = insn_decode(&in, bytes, 15, code_size);

    *v = (struct view){.name = "(bad)", .seg = -1, .base = -1, .index = -1};
    find_opcode(bytes, &in, at);
    if (result != DECODE_OK || !strcmp(in.desc->name, "ud"))
        return;
    v->is_defined = true;
    v->len = in.len;
    v->name = in.desc->name;
    v->is_privileged = in.desc->iclass == PRIVILEGED;
    v->flags_read = in.desc->flags_read;
    v->flags_written = in.desc->flags_written;
    view_operands(v, &in);
    view_memory(v, &in);
}
