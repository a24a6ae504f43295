/* Innocuous instructions: the guest's own instruction, re-encoded for 64-bit mode with its memory operand moved into the
 * window.  Everything inserted around it is flag-neutral. */
#include "bt/xlat.h"

#include "cpu/cpuid.h"
#include "cpu/ops.h"

static bool is_gpr_reg_kind(unsigned k)
{
    return k == Gb || k == Gw || k == Gd || k == Gv || k == Gy || k == Gz;
}

static bool is_gpr_rm_kind(unsigned k)
{
    return k == Eb || k == Ew || k == Ed || k == Eq || k == Ev || k == Ey || k == Rd || k == Rv || k == Ew_Rv || k == Ed_w;
}

static bool is_fp_like(const struct insn *in)
{
    return (in->desc->attr & (ATTR_MMX | ATTR_SSE)) != 0;
}

static bool is_constant(struct hmem ea)
{
    return ea.base == H_NONE && ea.index == H_NONE;
}

static void ea_to_r8(struct xlat *x, struct hmem ea)
{
    if (is_constant(ea))
        emit_mov_ri32(x->e, H_R8, (uint32_t)ea.disp);
    else if (ea.base != H_R8 || ea.index != H_NONE || ea.disp)
        emit_lea32(x->e, H_R8, ea);
}

static void access_big(struct xlat *x, unsigned seg, struct hmem ea, struct hmem *m)
{
    emit_load(x->e, H_R9, CPU_SEG(seg, base), 4);                     /* mov  r9d, base           */
    if (ea.index == H_NONE) {
        *m = HMEM_X(H_R9, ea.base, 0, ea.disp);                       /* gs:[r9d+reg+disp]        */
    } else {
        ea_to_r8(x, ea);                                              /* lea  r8d, [ea]           */
        *m = HMEM_X(H_R8, H_R9, 0, 0);                                /* gs:[r8d+r9d]             */
    }
    m->is_gs = m->is_addr32 = true;
}

/* A 64 KiB segment: what is above bit 15 of the last byte's offset is nonzero beyond the limit, and moved to the top of an address makes
 * it non-canonical.  The host faults: nothing branches and no flag changes. */
void xlat_check_64k(struct xlat *x, int dst, int reg, unsigned size)
{
    emit_lea64(x->e, dst, HMEM(reg, size - 1));                       /* lea  r10, [r8+size-1]    */
    emit_shrx64(x->e, dst, dst, R_WINDOW_16);                         /* shrx r10, r10, 16        */
    emit_rorx64(x->e, dst, dst, 17);                                  /* rorx r10, r10, 17        */
}

/* Other limits: the sign of offset + size - 1 - limit - 1 decides what is loaded for the base. */
void xlat_check_limit(struct xlat *x, unsigned seg, int reg, unsigned size)
{
    struct hmem base = CPU_SEG_CHECK(seg, poison);

    emit_load(x->e, H_R9, CPU_SEG_CHECK(seg, minus_limit), 8);        /* mov  r9, -(limit+1)      */
    emit_lea64(x->e, H_R9, HMEM_X(H_R9, reg, 0, size - 1));           /* lea  r9, [r9+reg+size-1] */
    emit_bswap64(x->e, H_R9);                                         /* bswap r9: sign byte low  */
    emit_movsx8_64(x->e, H_R9, H_R9);                                 /* movsx r9, r9b: 0 or -1   */
    base.index = H_R9;
    base.scale = 3;
    emit_load(x->e, H_R9, base, 8);                                   /* mov  r9, [r9*8+poison]   */
}

static void access_limited(struct xlat *x, unsigned seg, struct hmem ea, unsigned addrsize, unsigned size, struct hmem *m)
{
    struct emit *e = x->e;
    bool is_wide = is_64k(x, seg);

    if (is_wide && is_constant(ea) && (uint32_t)ea.disp <= 0x10000 - size) {
        emit_load(e, H_R9, CPU_SEG_CHECK(seg, base), 8);              /* mov  r9, base            */
        *m = HMEM(H_R9, ea.disp);
    } else {
        ea_to_r8(x, ea);
        if (is_wide && addrsize == 2 && size == 1) {                  /* always inside            */
            emit_load(e, H_R9, CPU_SEG_CHECK(seg, base), 8);          /* mov  r9, base            */
            *m = HMEM_X(H_R8, H_R9, 0, 0);
        } else if (is_wide && x->bt->has_bmi2) {
            emit_load(e, H_R9, CPU_SEG_CHECK(seg, base), 8);          /* mov  r9, base            */
            xlat_check_64k(x, H_R10, H_R8, size);
            emit_load(e, H_R10, HMEM_X(R_CPU, H_R10, 0, 0), 1);       /* movzx r10d, byte [r15+r10]: the access need not wait */
            *m = HMEM_X(H_R9, H_R8, 0, 0);
        } else {
            xlat_check_limit(x, seg, H_R8, size);
            *m = HMEM_X(H_R8, H_R9, 0, 0);
        }
    }
    m->is_gs = true;
}

bool xlat_seg_access(struct xlat *x, unsigned seg, struct hmem ea, unsigned addrsize, unsigned size, struct hmem *m)
{
    switch (seg_class_of(x, seg)) {
    case SEGC_FLAT:
        if (x->soft != SITE_NONE)
            return xlat_soft(x, ea, size, x->writes, m);
        *m = ea;
        m->is_gs = true;
        m->is_addr32 = true;
        return true;
    case SEGC_BIG:
        access_big(x, seg, ea, m);
        return true;
    case SEGC_LIMITED:
        access_limited(x, seg, ea, addrsize, size, m);
        return true;
    default:
        return false;
    }
}

/* Effective address of a 16-bit form: a constant, or in R8D, zero-extended. */
static struct hmem ea16(struct xlat *x, const struct insn *in)
{
    struct emit *e = x->e;
    int32_t disp = (int32_t)in->disp;

    if (in->base == INSN_NO_REG && in->index == INSN_NO_REG)
        return HMEM(H_NONE, (uint16_t)disp);
    int first = in->base != INSN_NO_REG ? in->base : in->index;

    if (in->base != INSN_NO_REG && in->index != INSN_NO_REG) {
        emit_lea32(e, H_R8, HMEM_X(host_reg(in->base), host_reg(in->index), 0, disp));
        emit_movzx16(e, H_R8, H_R8);
    } else if (disp) {
        emit_lea32(e, H_R8, HMEM(host_reg(first), disp));
        emit_movzx16(e, H_R8, H_R8);
    } else {
        emit_movzx16(e, H_R8, host_reg(first));
    }
    return HMEM(H_R8, 0);
}

static struct hmem ea32(const struct xlat *x, const struct insn *in)
{
    struct hmem m = {.base = H_NONE, .index = H_NONE, .disp = (int32_t)in->disp};

    if (in->base != INSN_NO_REG)
        m.base = (int8_t)host_reg(in->base);
    if (in->base == REG_SP)
        m.disp += x->sp_delta;
    if (in->index != INSN_NO_REG) {
        m.index = in->index;
        m.scale = in->scale;
    }
    return m;
}

/* Does the host access parts of the operand by themselves, at offsets that wrap at the size of an address? */
static bool has_parts(const struct insn *in, unsigned size)
{
    return insn_is(in, op_vmaskmov) || ((in->desc->attr & ATTR_X87) && size > 8);
}

bool xlat_mem(struct xlat *x, const struct insn *in, unsigned size, struct hmem *m)
{
    if (size == 0 || size > 64)
        return false;
    if (seg_class_of(x, in->seg) == SEGC_ODD)
        return false;
    if (in->seg == SEG_CS && (in->desc->attr & ATTR_MEM_W))
        return false; /* code segments are never writable in protected mode */
    x->writes = (in->desc->attr & ATTR_MEM_W) != 0;
    if (!xlat_seg_access(x, in->seg, in->addrsize == 2 ? ea16(x, in) : ea32(x, in), in->addrsize, size, m))
        return false;
    if (m->is_addr32 && has_parts(in, size)) { /* beyond the window's end, and not at its start */
        m->is_addr32 = m->is_gs = false;
        ea_to_r8(x, *m);                                              /* lea  r8d, [m]            */
        *m = HMEM(H_R8, 0);
        m->is_gs = true;
    }
    return true;
}

bool xlat_load_selector(struct xlat *x, const struct insn *in)
{
    struct hmem m;

    if (!in->is_mem) {
        emit_movzx16(x->e, H_R11, host_reg(in->rm));                  /* movzx r11d, r16         */
        return true;
    }
    if (!xlat_mem(x, in, 2, &m))
        return false;
    emit_load(x->e, H_R11, m, 2);                                     /* movzx r11d, word [mem]  */
    return true;
}

bool xlat_far_pointer(struct xlat *x, const struct insn *in, struct hmem *off, struct hmem *sel)
{
    if (in->addrsize == 2 && !is_64k(x, in->seg))
        return false; /* beyond 64 KiB no limit stops what should wrap */
    if (!xlat_mem(x, in, in->opsize + 2u, off))
        return false;
    *sel = *off;
    sel->disp += in->opsize;
    return true;
}

/* F3 BC and F3 BD: without the feature the prefix means nothing. */
static bool is_bit_count(const struct xlat *x, const struct insn *in)
{
    return (insn_is(in, op_lzcnt) && cpu_has_feature(x->bt->cpu, FEAT_LZCNT)) ||
           (insn_is(in, op_tzcnt) && cpu_has_feature(x->bt->cpu, FEAT_BMI1));
}

/* The guest has one processor, and devices do not touch guest memory while an instruction of it executes: LOCK would only cost time. */
static bool needs_lock(const struct xlat *x, const struct insn *in)
{
    return in->has_lock && !bt_has(x->bt, BT_UNLOCK);
}

static void set_prefixes(const struct xlat *x, const struct insn *in, struct hinsn *h)
{
    bool is_mandatory = is_fp_like(in) || insn_is(in, op_popcnt) || is_bit_count(x, in) || insn_is(in, op_crc32) || (insn_is(in, op_nop) && in->map == MAP_1B);

    if (is_fp_like(in)) {
        if (in->has_opsize_prefix)
            h->legacy[h->n_legacy++] = 0x66;
    } else if (in->opsize == 2 && !(in->desc->attr & (ATTR_BYTE | ATTR_X87 | ATTR_NP))) {
        h->legacy[h->n_legacy++] = 0x66;
    }
    if (in->rep && is_mandatory)
        h->legacy[h->n_legacy++] = in->rep;
    if (needs_lock(x, in))
        h->legacy[h->n_legacy++] = 0xf0;
}

static void set_vex(const struct insn *in, struct hinsn *h)
{
    h->op[h->n_op++] = in->opcode;
    h->vex_map = in->map;
    h->vex_pp = in->vex_pp;
    h->vex_l = in->vex_l;
    h->vex_w = (uint8_t)insn_vex_w(in);
    h->vvvv = in->vvvv;
}

static void set_opcode(const struct insn *in, struct hinsn *h)
{
    if (in->map != MAP_1B)
        h->op[h->n_op++] = 0x0f;
    if (in->map == MAP_0F38)
        h->op[h->n_op++] = 0x38;
    if (in->map == MAP_0F3A)
        h->op[h->n_op++] = 0x3a;
    h->op[h->n_op++] = in->opcode;
}

/* 40h-4Fh do not exist in 64-bit mode: FF /0 and /1. */
static bool copy_inc_dec(struct xlat *x, const struct insn *in)
{
    struct hinsn h = {.op = {0xff}, .n_op = 1, .has_modrm = true, .reg = in->opcode >= 0x48,
                      .rm = (uint8_t)host_reg(in->opcode & 7)};

    if (in->opsize == 2)
        h.legacy[h.n_legacy++] = 0x66;
    emit_insn(x->e, &h);
    return true;
}

bool xlat_names_sp(const struct insn *in)
{
    const uint8_t *k = in->desc->operands;

    for (unsigned i = 0; i < 4 && k[i]; i++)
        if ((is_gpr_reg_kind(k[i]) && k[i] != Gb && in->reg == REG_SP) ||
            (is_gpr_rm_kind(k[i]) && k[i] != Eb && in->has_modrm && !in->is_mem && in->rm == REG_SP) ||
            (k[i] == By && in->vvvv == REG_SP) || (k[i] == Zv && (in->opcode & 7) == REG_SP))
            return true;
    return false;
}

bool xlat_copy(struct xlat *x, const struct insn *in)
{
    struct hinsn h = {.has_modrm = in->has_modrm};
    bool has_high_byte = false, needs_rex = false;
    const uint8_t *k = in->desc->operands;
    uint8_t opcode;

    if (in->map == MAP_1B && in->opcode >= 0x40 && in->opcode <= 0x4f)
        return copy_inc_dec(x, in);
    if ((in->desc->attr & ATTR_MMX) && (in->desc->attr & ATTR_SSE) && in->is_mem && !in->has_opsize_prefix)
        emit_u8(x->e, 0x9b); /* fwait: a pending x87 error is CVTPI2PS's too; some hosts do not look at it */
    if (in->vex) {
        set_vex(in, &h);
    } else {
        set_prefixes(x, in, &h);
        set_opcode(in, &h);
    }
    opcode = h.op[h.n_op - 1];
    if (in->map == MAP_1B && opcode == 0x82)
        h.op[h.n_op - 1] = 0x80; /* the alias does not exist in 64-bit mode */
    h.reg = in->reg;
    h.rm = in->rm;
    for (unsigned i = 0; i < 4 && k[i]; i++) {
        if (is_gpr_reg_kind(k[i])) {
            if (k[i] == Gb) {
                has_high_byte |= in->reg >= 4;
            } else if (in->reg == REG_SP) {
                h.reg = R_SP;
                needs_rex = true;
            }
        } else if (is_gpr_rm_kind(k[i]) && in->has_modrm && !in->is_mem) {
            if (k[i] == Eb) {
                has_high_byte |= in->rm >= 4;
            } else if (in->rm == REG_SP) {
                h.rm = R_SP;
                needs_rex = true;
            }
        } else if (k[i] == By) {
            h.vvvv = (uint8_t)host_reg(in->vvvv);
        } else if (k[i] == Zb) {
            has_high_byte |= (opcode & 7) >= 4;
        } else if (k[i] == Zv && (opcode & 7) == REG_SP) {
            h.rm = R_SP;
            h.op[h.n_op - 1] = (uint8_t)((opcode & ~7) | (R_SP & 7));
            needs_rex = true;
        }
    }
    if (!in->has_modrm && h.rm != R_SP)
        h.rm = 0;
    if (in->is_mem) {
        struct hmem m;

        if (!xlat_mem(x, in, insn_mem_size(in), &m))
            return false;
        if (has_high_byte && ((m.base != H_NONE && m.base & 8) || (m.index != H_NONE && m.index & 8))) {
            /* AH CH DH BH cannot be encoded with REX: address through EDI, which such an instruction does not use. */
            emit_mov_rr64(x->e, H_R11, H_RDI);              /* mov  r11, rdi        */
            xlat_recover(x, FIX_RDI_R11);
            if (m.is_addr32)
                emit_lea32(x->e, H_RDI, m);                 /* lea  edi, [address]  */
            else
                emit_lea64(x->e, H_RDI, m);                 /* lea  rdi, [address]  */
            h.is_mem = true;
            h.mem = HMEM(H_RDI, 0);
            h.mem.is_gs = m.is_gs;
            h.imm = in->imm;
            h.imm_len = in->imm_len;
            emit_insn(x->e, &h);
            emit_mov_rr64(x->e, H_RDI, H_R11);              /* mov  rdi, r11        */
            return true;
        }
        h.is_mem = true;
        h.mem = m;
    }
    if (has_high_byte && needs_rex)
        return false;
    h.imm = in->imm;
    h.imm_len = in->imm_len;
    emit_insn(x->e, &h);
    return true;
}

bool xlat_xchg(struct xlat *x, const struct insn *in)
{
    unsigned size = insn_mem_size(in);
    int reg = host_reg(in->reg);
    struct hmem m;

    if (!bt_has(x->bt, BT_UNLOCK) || !in->is_mem || (size == 1 && in->reg >= 4))
        return xlat_copy(x, in);
    if (!xlat_mem(x, in, size, &m))
        return false;
    emit_load(x->e, H_R11, m, size);                        /* mov  r11, [m]        */
    emit_store(x->e, m, reg, size);                         /* mov  [m], reg        */
    if (size == 1)
        emit_mov_rr8(x->e, reg, H_R11);                     /* mov  reg, r11b       */
    else if (size == 2)
        emit_mov_rr16(x->e, reg, H_R11);
    else
        emit_mov_rr32(x->e, reg, H_R11);
    return true;
}

bool xlat_lea(struct xlat *x, const struct insn *in)
{
    int dst = host_reg(in->reg);

    if (!in->is_mem)
        return false;
    if (in->addrsize == 2) {
        ea_to_r8(x, ea16(x, in));
        if (in->opsize == 2)
            emit_mov_rr16(x->e, dst, H_R8);
        else
            emit_mov_rr32(x->e, dst, H_R8);
        return true;
    }
    if (in->opsize == 2) {
        emit_lea32(x->e, H_R8, ea32(x, in));
        emit_mov_rr16(x->e, dst, H_R8);
    } else {
        emit_lea32(x->e, dst, ea32(x, in));
    }
    return true;
}

/* BT BTS BTR BTC with a memory operand and the bit offset in a register reach any place within 2^31 bits of the operand, and the
 * host would not stop at the end of the window.  So the offset's upper part goes into the address, before the segment's checks. */
bool xlat_bit_string(struct xlat *x, const struct insn *in)
{
    struct emit *e = x->e;
    unsigned shift = in->opsize == 4 ? 5 : 4;
    struct hinsn h = {.op = {0x0f, in->opcode}, .n_op = 2, .has_modrm = true, .is_mem = true, .reg = H_R11};

    if (!x->bt->has_bmi2 || seg_class_of(x, in->seg) == SEGC_ODD || (in->seg == SEG_CS && (in->desc->attr & ATTR_MEM_W)))
        return false;
    ea_to_r8(x, in->addrsize == 2 ? ea16(x, in) : ea32(x, in));
    if (in->opsize == 2)
        emit_movsx16(e, H_R9, host_reg(in->reg));                 /* movsx r9d, off16              */
    else
        emit_mov_rr32(e, H_R9, host_reg(in->reg));                /* mov   r9d, off                */
    emit_mov_ri32(e, H_R10, (1u << shift) - 1);
    emit_pext32(e, H_R11, H_R9, H_R10);                           /* pext  r11d, r9d, 31: the bit  */
    emit_mov_ri32(e, H_R10, shift);
    emit_sarx32(e, H_R9, H_R9, H_R10);                            /* sarx  r9d, r9d, 5             */
    emit_lea32(e, H_R8, HMEM_X(H_R8, H_R9, shift - 3, 0));        /* lea   r8d, [r8+r9*4]          */
    if (in->addrsize == 2)
        emit_movzx16(e, H_R8, H_R8);
    x->writes = (in->desc->attr & ATTR_MEM_W) != 0;
    if (!xlat_seg_access(x, in->seg, HMEM(H_R8, 0), in->addrsize, in->opsize, &h.mem))
        return false;
    if (in->opsize == 2)
        h.legacy[h.n_legacy++] = 0x66;
    if (needs_lock(x, in))
        h.legacy[h.n_legacy++] = 0xf0;
    emit_insn(e, &h);                                             /* bts   gs:[r8], r11d           */
    return true;
}

/* A0h-A3h: as the ModRM forms 8Ah 8Bh 88h 89h, with an absolute address. */
bool xlat_moffs(struct xlat *x, const struct insn *in)
{
    static const uint8_t op[4] = {0x8a, 0x8b, 0x88, 0x89};
    unsigned size = in->opcode & 1 ? in->opsize : 1;
    struct hinsn h = {.op = {op[in->opcode & 3]}, .n_op = 1, .has_modrm = true, .is_mem = true, .reg = H_RAX};
    uint64_t off = in->addrsize == 2 ? (uint16_t)in->disp : (uint32_t)in->disp;

    if (seg_class_of(x, in->seg) == SEGC_ODD || (in->seg == SEG_CS && (in->opcode & 2)))
        return false;
    if (size == 2)
        h.legacy[h.n_legacy++] = 0x66;
    x->writes = (in->opcode & 2) != 0;
    if (!xlat_seg_access(x, in->seg, HMEM(H_NONE, (int32_t)off), in->addrsize, size, &h.mem))
        return false;
    emit_insn(x->e, &h);
    return true;
}

/* XLAT: AL = [seg:(E)BX + AL]. */
bool xlat_xlat(struct xlat *x, const struct insn *in)
{
    struct hinsn h = {.op = {0x8a}, .n_op = 1, .has_modrm = true, .is_mem = true, .reg = H_RAX};

    if (seg_class_of(x, in->seg) == SEGC_ODD)
        return false;
    emit_movzx8(x->e, H_R8, H_RAX);                                   /* movzx r8d, al         */
    emit_lea32(x->e, H_R8, HMEM_X(H_R8, H_RBX, 0, 0));                /* lea   r8d, [r8+rbx]   */
    if (in->addrsize == 2)
        emit_movzx16(x->e, H_R8, H_R8);
    x->writes = false;
    if (!xlat_seg_access(x, in->seg, HMEM(H_R8, 0), in->addrsize, 1, &h.mem))
        return false;
    emit_insn(x->e, &h);                                              /* mov   al, [..]        */
    return true;
}
