/* The instruction decoder: bytes to struct insn.  SDM volume 2, chapter 2 (formats) and appendix A (maps).
 *
 * Runs for every instruction the interpreter has not cached and every one the translator scans.  What an operand kind
 * means for the encoding stands in operand_traits[]; all knowledge about opcodes is in the tables. */
#include <string.h>
#include "cpu/optable.h"

#define INSN_MAX_LEN 15

enum imm_kind {
    IMM_NONE,
    IMM_8,  /* zero-extended */
    IMM_8S, /* sign-extended to the operand size */
    IMM_16,
    IMM_Z,  /* 2 or 4 bytes by operand size; sign-extended if that is 8 */
    IMM_V,  /* 2, 4 or 8 bytes */
    IMM_J8, /* displacements of branches: sign-extended */
    IMM_JZ,
    IMM_FAR,   /* offset, then selector */
    IMM_MOFFS, /* address size; goes to disp */
};

/* Sizes of memory operands other than a number of bytes. */
enum {
    SIZE_V = 200, /* operand size */
    SIZE_Z,       /* operand size, at most 4 */
    SIZE_Y,       /* 4, or 8 with REX.W */
    SIZE_FARPTR,  /* selector and offset of operand size */
    SIZE_BOUNDS,  /* two of operand size */
    SIZE_TABLE,   /* limit and base: 6, in 64-bit mode 10 */
    SIZE_FXSAVE,  /* 512 */
    SIZE_FENV,    /* x87 environment: 14 or 28 by operand size */
    SIZE_FSTATE,  /* environment and registers: 94 or 108 */
};

struct operand_trait {
    uint8_t imm; /* enum imm_kind */
    bool has_modrm;
    bool ignores_mod; /* always the register form, whatever mod says */
    uint8_t mem_size; /* if it can be a memory operand */
};

/* clang-format off */
#define E_OPERAND(size) {.has_modrm = true, .mem_size = (size)}
#define MODRM_REG       {.has_modrm = true}
#define CONTROL_REG     {.has_modrm = true, .ignores_mod = true}
#define IMMEDIATE(kind) {.imm = (kind)}
static const struct operand_trait operand_traits[OPERAND_COUNT] = {
    [Eb] = E_OPERAND(1), [Ew] = E_OPERAND(2), [Ed] = E_OPERAND(4), [Eq] = E_OPERAND(8), [Ev] = E_OPERAND(SIZE_V),
    [Ey] = E_OPERAND(SIZE_Y), [Ew_Rv] = E_OPERAND(2), [Ed_w] = E_OPERAND(2),
    [Mb] = E_OPERAND(1), [Mw] = E_OPERAND(2), [Md] = E_OPERAND(4), [Mq] = E_OPERAND(8), [Mdq] = E_OPERAND(16),
    [Mt] = E_OPERAND(10), [M] = E_OPERAND(0),
    [Mp] = E_OPERAND(SIZE_FARPTR), [Ma] = E_OPERAND(SIZE_BOUNDS), [Ms] = E_OPERAND(SIZE_TABLE),
    [M512] = E_OPERAND(SIZE_FXSAVE), [Menv] = E_OPERAND(SIZE_FENV), [Mfpu] = E_OPERAND(SIZE_FSTATE),
    [Rd] = MODRM_REG, [Rv] = MODRM_REG,
    [Gb] = MODRM_REG, [Gw] = MODRM_REG, [Gd] = MODRM_REG, [Gv] = MODRM_REG, [Gy] = MODRM_REG, [Gz] = MODRM_REG,
    [Sw] = MODRM_REG, [Cd] = CONTROL_REG, [Dd] = CONTROL_REG,
    [Ib] = IMMEDIATE(IMM_8), [Ibs] = IMMEDIATE(IMM_8S), [Iw] = IMMEDIATE(IMM_16), [Iz] = IMMEDIATE(IMM_Z),
    [Iv] = IMMEDIATE(IMM_V), [Jb] = IMMEDIATE(IMM_J8), [Jz] = IMMEDIATE(IMM_JZ), [Ap] = IMMEDIATE(IMM_FAR),
    [Ob] = {.imm = IMM_MOFFS, .mem_size = 1}, [Ov] = {.imm = IMM_MOFFS, .mem_size = SIZE_V},
    [Xb] = {.mem_size = 1}, [Xv] = {.mem_size = SIZE_V}, [Xz] = {.mem_size = SIZE_Z},
    [Yb] = {.mem_size = 1}, [Yv] = {.mem_size = SIZE_V}, [Yz] = {.mem_size = SIZE_Z},
    [Pq] = MODRM_REG, [Pd] = MODRM_REG, [Nq] = MODRM_REG, [Qq] = E_OPERAND(8), [Qd] = E_OPERAND(4),
    [Vdq] = MODRM_REG, [Vx] = MODRM_REG, [Vps] = MODRM_REG, [Vpd] = MODRM_REG, [Vss] = MODRM_REG, [Vsd] = MODRM_REG,
    [Vq] = MODRM_REG, [Udq] = MODRM_REG, [Ups] = MODRM_REG, [Upd] = MODRM_REG, [Uq] = MODRM_REG,
    [Wdq] = E_OPERAND(16), [Wx] = E_OPERAND(16), [Wps] = E_OPERAND(16), [Wpd] = E_OPERAND(16), [Wss] = E_OPERAND(4),
    [Hx] = {0}, [By] = {0}, [Lx] = IMMEDIATE(IMM_8), [Mx] = E_OPERAND(16),
    [Wsd] = E_OPERAND(8), [Wq] = E_OPERAND(8), [Wd] = E_OPERAND(4), [Ww] = E_OPERAND(2), [Wb_] = E_OPERAND(1),
};

/* Prefixes of legacy modes; REX is looked at apart. */
enum { P_NONE, P_OPSIZE, P_ADDRSIZE, P_LOCK, P_REP, P_SEG /* + enum sreg */ };
static const uint8_t prefix_kind[256] = {
    [0x26] = P_SEG + SEG_ES, [0x2e] = P_SEG + SEG_CS, [0x36] = P_SEG + SEG_SS, [0x3e] = P_SEG + SEG_DS,
    [0x64] = P_SEG + SEG_FS, [0x65] = P_SEG + SEG_GS,
    [0x66] = P_OPSIZE, [0x67] = P_ADDRSIZE, [0xf0] = P_LOCK, [0xf2] = P_REP, [0xf3] = P_REP,
};
/* clang-format on */

/* 16-bit addressing, SDM volume 2, table 2-1 */
static const int8_t base16[8] = {REG_BX, REG_BX, REG_BP, REG_BP, REG_SI, REG_DI, REG_BP, REG_BX};
static const int8_t index16[8] = {REG_SI, REG_DI, REG_SI, REG_DI, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG};

/* The bytes not yet decoded.  Reading beyond them is noticed once, at the end. */
struct cursor {
    const uint8_t *bytes;
    unsigned pos, end;
};

static inline uint64_t take(struct cursor *c, unsigned size)
{
    uint64_t v = 0;

    if (c->pos + size <= c->end) {
        switch (size) { /* constant sizes: one load each */
        case 1:
            v = c->bytes[c->pos];
            break;
        case 2:
            v = load_le(c->bytes + c->pos, 2);
            break;
        case 4:
            v = load_le(c->bytes + c->pos, 4);
            break;
        case 8:
            v = load_le(c->bytes + c->pos, 8);
            break;
        }
    }
    c->pos += size;
    return v;
}

static inline uint64_t sign_extend(uint64_t v, unsigned size)
{
    unsigned shift = 64 - 8 * size;

    return (uint64_t)((int64_t)(v << shift) >> shift);
}

static inline uint64_t truncate_to(uint64_t v, unsigned size)
{
    return size >= 8 ? v : v & ((UINT64_C(1) << (8 * size)) - 1);
}

/* All prefixes, in any order and number; a REX that is not the last of them does not count. */
static void decode_prefixes(struct insn *in, struct cursor *c)
{
    while (c->pos < c->end) {
        uint8_t byte = c->bytes[c->pos];
        uint8_t kind = prefix_kind[byte];

        if (in->code_size == 8 && (byte & 0xf0) == 0x40) {
            in->rex = byte;
            c->pos++;
            continue;
        }
        if (kind == P_NONE)
            return;
        in->rex = 0;
        c->pos++;
        if (kind == P_OPSIZE)
            in->has_opsize_prefix = true;
        else if (kind == P_ADDRSIZE)
            in->has_addrsize_prefix = true;
        else if (kind == P_LOCK)
            in->has_lock = true;
        else if (kind == P_REP)
            in->rep = byte;
        else if (in->code_size != 8 || kind >= P_SEG + SEG_FS) /* ES CS SS DS: ignored in 64-bit mode */
            in->seg_override = kind - P_SEG;
    }
}

static const struct insn_desc *group_row(unsigned group, uint8_t modrm)
{
    const struct opgroup_rows *g = &optable_groups[group];

    if (modrm < 0xc0)
        return &g->mem[(modrm >> 3) & 7];
    return g->reg_rm ? &g->reg_rm[modrm & 0x3f] : &g->reg[(modrm >> 3) & 7];
}

static bool slot_is_empty(const struct insn_desc *slot) { return !slot->name && !(slot->attr & ATTR_GROUP); }

static bool uses_vvvv(const struct insn_desc *d)
{
    return memchr(d->operands, Hx, sizeof(d->operands)) || memchr(d->operands, By, sizeof(d->operands));
}

static const struct insn_desc *vex_row(struct insn *in, const struct cursor *c)
{
    const struct vex_row *row = in->map ? optable_vex[in->map - MAP_0F][in->opcode] : NULL;
    uint8_t modrm = c->pos < c->end ? c->bytes[c->pos] : 0;
    unsigned w = in->vex_w ? (in->code_size == 8 ? 6 : 2) : 1;

    for (; row && row->l; row++) {
        if (row->pp == in->vex_pp && (row->l & 1 << in->vex_l) && (row->w & w) &&
            (!row->digit || row->digit == 1 + (modrm >> 3 & 7)) &&
            !(row->desc.attr & (modrm < 0xc0 ? ATTR_REG_ONLY : ATTR_MEM_ONLY)))
            break;
    }
    if (!row || !row->l || (in->vvvv && !uses_vvvv(&row->desc))) {
        in->has_modrm = row != NULL; /* it was looked at */
        return &optable_ud;
    }
    if (in->code_size != 8)
        in->vvvv &= 7;
    return &row->desc;
}

/* Sets desc to the row for map and opcode, with prefixes and, in groups, the ModRM byte: peeked at, has_modrm set.
 * Returns whether the prefixes are reserved there: an undefined opcode, with the operands of the one without them. */
static bool find_row(struct insn *in, const struct cursor *c)
{
    const struct insn_desc *slot;
    bool is_fallback = false; /* prefixed, but there is no column for that */

    if (in->vex) {
        in->desc = vex_row(in, c);
        return in->has_opsize_prefix || in->rep || in->has_lock || in->has_rex;
    }
    if (in->map == MAP_1B) {
        slot = &optable_1b[in->opcode];
        if (in->code_size == 8 && in->opcode == 0x63)
            slot = &optable_movsxd;
        if (in->opcode == 0x90 && (in->rex & 1))
            slot = &optable_xchg_r8;
    } else {
        const struct insn_desc *columns = in->map == MAP_0F     ? optable_0f[in->opcode]
                                          : in->map == MAP_0F38 ? optable_0f38[in->opcode]
                                                                : optable_0f3a[in->opcode];
        enum opprefix pfx = in->rep == 0xf3         ? PFX_F3
                            : in->rep == 0xf2       ? PFX_F2
                            : in->has_opsize_prefix ? PFX_66
                                                    : PFX_NONE;

        slot = &columns[pfx];
        if (pfx != PFX_NONE && slot_is_empty(slot)) {
            slot = &columns[PFX_NONE];
            is_fallback = true;
        }
    }
    if (slot->attr & ATTR_GROUP) {
        in->has_modrm = true;
        slot = group_row(slot->mem_size, c->pos < c->end ? c->bytes[c->pos] : 0);
    }
    in->desc = slot;
    return is_fallback && (slot->attr & (ATTR_NP | ATTR_MMX | ATTR_SSE));
}

static void decode_sizes(struct insn *in)
{
    uint32_t attr = in->desc->attr;
    bool is_rex_w = in->rex & 8;

    if (in->code_size == 8)
        in->addrsize = in->has_addrsize_prefix ? 4 : 8;
    else
        in->addrsize = (in->code_size == 4) != in->has_addrsize_prefix ? 4 : 2;

    if (attr & ATTR_BYTE)
        in->opsize = 1;
    else if (is_rex_w)
        in->opsize = 8;
    else if (in->vex || (attr & (ATTR_MMX | ATTR_SSE)))
        in->opsize = 4; /* 66 is part of the opcode */
    else if (in->code_size == 8 && (attr & ATTR_DEF64))
        in->opsize = in->has_opsize_prefix && in->desc->iclass != BRANCH ? 2 : 8;
    else
        in->opsize = (in->code_size != 2) != in->has_opsize_prefix ? 4 : 2;
}

static void decode_mem16(struct insn *in, struct cursor *c)
{
    in->base = base16[in->rm & 7];
    in->index = index16[in->rm & 7];
    in->disp_len = in->mod; /* 0, 1, 2 */
    if (in->mod == 0 && (in->rm & 7) == 6) {
        in->base = INSN_NO_REG;
        in->disp_len = 2;
    }
    if (in->disp_len)
        in->disp = sign_extend(take(c, in->disp_len), in->disp_len);
}

/* 32- and 64-bit addressing, SDM volume 2, tables 2-2 and 2-3 */
static void decode_mem32(struct insn *in, struct cursor *c)
{
    in->disp_len = in->mod == 1 ? 1 : in->mod == 2 ? 4 : 0;
    in->base = in->rm;
    if ((in->rm & 7) == 4) {
        in->has_sib = true;
        in->sib = take(c, 1);
        in->scale = in->sib >> 6;
        in->index = ((in->sib >> 3) & 7) | (in->rex & 2) << 2;
        in->vindex = (uint8_t)in->index;
        if (in->index == REG_SP || (in->desc->attr & ATTR_VSIB))
            in->index = INSN_NO_REG;
        in->base = (in->sib & 7) | (in->rex & 1) << 3;
        if ((in->sib & 7) == 5 && in->mod == 0) {
            in->base = INSN_NO_REG;
            in->disp_len = 4;
        }
    } else if ((in->rm & 7) == 5 && in->mod == 0) {
        in->base = INSN_NO_REG;
        in->is_rip_relative = in->code_size == 8;
        in->disp_len = 4;
    }
    if (in->disp_len)
        in->disp = sign_extend(take(c, in->disp_len), in->disp_len);
}

static void decode_modrm(struct insn *in, struct cursor *c, bool ignores_mod)
{
    in->has_modrm = true;
    in->modrm = take(c, 1);
    in->mod = ignores_mod ? 3 : in->modrm >> 6;
    in->reg = ((in->modrm >> 3) & 7) | (in->rex & 4) << 1;
    in->rm = (in->modrm & 7) | (in->rex & 1) << 3;
    if (in->mod == 3)
        return;
    in->is_mem = true;
    if (in->addrsize == 2)
        decode_mem16(in, c);
    else
        decode_mem32(in, c);
    if (in->seg_override == INSN_NO_REG && (in->base == REG_BP || in->base == REG_SP))
        in->seg = SEG_SS;
}

static void decode_imm(struct insn *in, struct cursor *c, enum imm_kind kind)
{
    unsigned z = in->opsize == 2 ? 2 : 4;
    unsigned start = c->pos;
    uint64_t v;

    switch (kind) {
    case IMM_8:
        v = take(c, 1);
        break;
    case IMM_8S:
        v = truncate_to(sign_extend(take(c, 1), 1), in->opsize);
        break;
    case IMM_16:
        v = take(c, 2);
        break;
    case IMM_Z:
        v = truncate_to(sign_extend(take(c, z), z), in->opsize);
        break;
    case IMM_V:
        v = take(c, in->opsize);
        break;
    case IMM_J8:
        v = sign_extend(take(c, 1), 1);
        break;
    case IMM_JZ:
        v = sign_extend(take(c, z), z);
        break;
    case IMM_FAR:
        v = take(c, z);
        in->imm2 = take(c, 2);
        break;
    case IMM_MOFFS:
        in->disp = take(c, in->addrsize);
        in->disp_len = in->addrsize;
        return;
    default:
        return;
    }
    if (in->desc->operands[3] == Lx && in->code_size != 8)
        v &= 0x7f; /* eight registers */
    if (in->imm_len)
        in->imm2 = v; /* ENTER Iw, Ib */
    else
        in->imm = v;
    in->imm_len += c->pos - start;
}

/* Does the row forbid this form? */
static bool is_undefined(const struct insn *in)
{
    const struct insn_desc *d = in->desc;

    if (!d->name || ((d->attr & ATTR_INVALID64) && in->code_size == 8))
        return true;
    if (in->has_modrm && (d->attr & (in->is_mem ? ATTR_REG_ONLY : ATTR_MEM_ONLY)))
        return true;
    if (in->has_lock && !((d->attr & ATTR_LOCK) && in->is_mem))
        return true;
    if ((d->attr & ATTR_VSIB) && (!in->has_sib || in->reg == in->vindex || in->reg == in->vvvv || in->vindex == in->vvvv))
        return true;
    if (d->sens == SENS_MOV_SREG) /* 6 and 7 do not exist, CS cannot be loaded */
        return (in->modrm & 0x38) >= SEG_COUNT << 3 || (in->opcode == 0x8e && (in->modrm & 0x38) == SEG_CS << 3);
    return false;
}

static void decode_operands(struct insn *in, struct cursor *c)
{
    const uint8_t *kinds = in->desc->operands;
    bool has_modrm = false, ignores_mod = false;
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(in->desc->operands) && kinds[n] != OPERAND_NONE; n++) {
        has_modrm |= operand_traits[kinds[n]].has_modrm;
        ignores_mod |= operand_traits[kinds[n]].ignores_mod;
    }
    if (in->has_modrm || has_modrm) /* set before: the row comes from a group */
        decode_modrm(in, c, ignores_mod);
    for (n = 0; n < ARRAY_SIZE(in->desc->operands) && kinds[n] != OPERAND_NONE; n++)
        if (operand_traits[kinds[n]].imm != IMM_NONE)
            decode_imm(in, c, operand_traits[kinds[n]].imm);
}

/* C4h and C5h are VEX prefixes where LES and LDS, with a ModRM byte there, would have a register operand.
 *     C4h  R X B mmmmm   W vvvv L pp      C5h  R vvvv L pp      (R X B vvvv inverted) */
static bool is_vex(const struct insn *in, const struct cursor *c)
{
    return (in->opcode == 0xc4 || in->opcode == 0xc5) &&
           (in->code_size == 8 || (c->pos < c->end && c->bytes[c->pos] >= 0xc0));
}

/* Outside 64-bit mode there are eight registers: R and X are 1 (or it is no VEX), B and the top of vvvv do not count
 * (but vvvv must be 1111b where it is not used, as processors have it). */
static void decode_vex(struct insn *in, struct cursor *c)
{
    unsigned first = (unsigned)take(c, 1), last = first, rxb = ~first >> 7 << 2 & 4;

    in->has_rex = in->rex != 0;
    in->vex = in->opcode == 0xc4 ? 3 : 2;
    in->map = MAP_0F;
    if (in->vex == 3) {
        last = (unsigned)take(c, 1);
        rxb = ~first >> 5 & 7;
        in->map = (first & 31) <= VEX_MAPS ? first & 31 : 0;
        in->vex_w = last >> 7;
    }
    in->vex_pp = last & 3;
    in->vex_l = last >> 2 & 1;
    in->vvvv = ~last >> 3 & 15;
    if (in->code_size == 8)
        in->rex = (uint8_t)(0x40 | in->vex_w << 3 | rxb);
    in->opcode = (uint8_t)take(c, 1);
}

/* Opcode bytes: map and opcode.  False if they are not all there. */
static bool decode_opcode(struct insn *in, struct cursor *c)
{
    in->opcode = take(c, 1);
    if (is_vex(in, c)) {
        decode_vex(in, c);
    } else if (in->opcode == 0x0f) {
        in->map = MAP_0F;
        in->opcode = take(c, 1);
        if (in->opcode == 0x38 || in->opcode == 0x3a) {
            in->map = in->opcode == 0x38 ? MAP_0F38 : MAP_0F3A;
            in->opcode = take(c, 1);
        }
    }
    return c->pos <= c->end;
}

enum decode_result insn_decode(struct insn *in, const uint8_t *bytes, unsigned avail, unsigned code_size)
{
    struct cursor c = {.bytes = bytes, .end = avail < INSN_MAX_LEN ? avail : INSN_MAX_LEN};
    enum decode_result too_short = avail < INSN_MAX_LEN ? DECODE_MORE : DECODE_LONG;
    bool is_reserved;

    *in = (struct insn){.code_size = code_size, .seg_override = INSN_NO_REG, .base = INSN_NO_REG, .index = INSN_NO_REG};
    in->desc = &optable_ud;
    decode_prefixes(in, &c);
    if (!decode_opcode(in, &c))
        return too_short;
    in->seg = in->seg_override == INSN_NO_REG ? SEG_DS : in->seg_override;
    is_reserved = find_row(in, &c);
    decode_sizes(in);
    decode_operands(in, &c);
    if (c.pos > c.end)
        return too_short;
    in->len = c.pos;
    memcpy(in->bytes, bytes, in->len);
    if (is_reserved || is_undefined(in))
        in->desc = &optable_ud;
    return DECODE_OK;
}

unsigned insn_vex_w(const struct insn *in)
{
    const struct vex_row *row = container_of(in->desc, struct vex_row, desc);

    return in->code_size == 8 || row->w == 1 || row->w == 2 ? in->vex_w : 0;
}

unsigned insn_mem_size(const struct insn *in)
{
    const struct insn_desc *d = in->desc;
    unsigned v = in->opsize, n, size = 0;

    if (!(d->attr & (ATTR_MEM_R | ATTR_MEM_W)) || (in->has_modrm && !in->is_mem && d->exec != op_maskmov))
        return 0;
    if (d->mem_size)
        return d->mem_size;
    for (n = 0; n < ARRAY_SIZE(d->operands) && !size; n++) {
        size = operand_traits[d->operands[n]].mem_size;
        if (size && in->vex_l && (d->operands[n] == Wx || d->operands[n] == Mx))
            return 32;
    }
    switch (size) {
    case SIZE_V:
        return v;
    case SIZE_Z:
        return v == 8 ? 4 : v;
    case SIZE_Y:
        return in->rex & 8 ? 8 : 4;
    case SIZE_FARPTR:
        return v + 2;
    case SIZE_BOUNDS:
        return 2 * v;
    case SIZE_TABLE:
        return in->code_size == 8 ? 10 : 6;
    case SIZE_FXSAVE:
        return 512;
    case SIZE_FENV:
        return v == 2 ? 14 : 28;
    case SIZE_FSTATE:
        return v == 2 ? 94 : 108;
    default:
        return size;
    }
}
