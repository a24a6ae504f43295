/* See emit.h.  Encodings: Intel SDM volume 2, chapter 2. */
#include "bt/emit.h"

#include <assert.h>
#include <string.h>

#define PREFIX_GS 0x65
#define PREFIX_ADDR32 0x67

void emit_note(struct emit *e, enum reloc kind, const uint8_t *place)
{
    if (!e->relocs || e->is_full)
        return;
    if (e->n_relocs >= e->max_relocs || place - e->block_start >= 1 << RELOC_KIND_SHIFT)
        e->n_relocs = e->max_relocs + 1;
    else
        e->relocs[e->n_relocs++] = (uint16_t)((unsigned)kind << RELOC_KIND_SHIFT | (unsigned)(place - e->block_start));
}

void emit_bytes(struct emit *e, const void *bytes, unsigned n)
{
    if (e->is_full || (uint64_t)(e->end - e->p) < n) {
        e->is_full = true;
        return;
    }
    memcpy(e->p, bytes, n);
    e->p += n;
}

void emit_u8(struct emit *e, uint8_t b)
{
    emit_bytes(e, &b, 1);
}

void emit_u32(struct emit *e, uint32_t v)
{
    emit_bytes(e, &v, 4);
}

/* ModRM, SIB and displacement of a memory operand.  Without a base the SIB form is used: mod 0 rm 5 is RIP-relative. */
static unsigned encode_mem(uint8_t *b, unsigned reg, const struct hmem *m)
{
    unsigned n = 0, mod, disp_len;
    bool needs_sib = m->index != H_NONE || m->base == H_NONE || (m->base & 7) == 4;

    if (m->base == H_NONE) {
        mod = 0;
        disp_len = 4;
    } else if (m->disp == 0 && (m->base & 7) != 5) {
        mod = 0;
        disp_len = 0;
    } else if (m->disp == (int8_t)m->disp) {
        mod = 1;
        disp_len = 1;
    } else {
        mod = 2;
        disp_len = 4;
    }
    b[n++] = (uint8_t)(mod << 6 | (reg & 7) << 3 | (needs_sib ? 4 : (m->base & 7)));
    if (needs_sib) {
        unsigned index = m->index == H_NONE ? 4 : (m->index & 7);
        unsigned base = m->base == H_NONE ? 5 : (m->base & 7);

        b[n++] = (uint8_t)(m->scale << 6 | index << 3 | base);
    }
    memcpy(b + n, &m->disp, disp_len);
    return n + disp_len;
}

/* C5h if it can say it, else C4h.  rex: its bits R X B. */
static unsigned encode_vex(uint8_t *b, const struct hinsn *h, unsigned rex)
{
    unsigned last = (unsigned)h->vex_w << 7 | (~h->vvvv & 15u) << 3 | (unsigned)h->vex_l << 2 | h->vex_pp;

    if (h->vex_map == 1 && !h->vex_w && !(rex & 3)) {
        b[0] = 0xc5;
        b[1] = (uint8_t)((rex & 4 ? 0 : 0x80) | last);
        return 2;
    }
    b[0] = 0xc4;
    b[1] = (uint8_t)((~rex & 7) << 5 | h->vex_map);
    b[2] = (uint8_t)last;
    return 3;
}

bool hmem_may_wrap(const struct hmem *m)
{
    return m->index != H_NONE || m->disp < (m->base == H_NONE ? 0 : -HMEM_GUARD_BELOW);
}

void emit_insn(struct emit *e, const struct hinsn *h)
{
    uint8_t b[40];
    unsigned n = 0;
    uint8_t rex = h->rex_w ? 0x48 : 0;

    if (e->check && h->is_mem && h->mem.is_gs)
        e->before_access(e, &h->mem);

    for (unsigned i = 0; i < h->n_legacy; i++)
        b[n++] = h->legacy[i];
    if (h->is_mem) {
        if (h->mem.is_gs)
            b[n++] = PREFIX_GS;
        if (h->mem.is_addr32 && hmem_may_wrap(&h->mem))
            b[n++] = PREFIX_ADDR32;
        if (h->mem.base != H_NONE && h->mem.base & 8)
            rex |= 0x41;
        if (h->mem.index != H_NONE && h->mem.index & 8)
            rex |= 0x42;
    } else if (h->rm & 8) {
        rex |= 0x41;
    }
    if (h->has_modrm && h->reg & 8)
        rex |= 0x44;
    if (h->force_rex)
        rex |= 0x40;
    if (h->vex_map)
        n += encode_vex(b + n, h, rex);
    else if (rex)
        b[n++] = rex;
    memcpy(b + n, h->op, h->n_op);
    n += h->n_op;
    if (h->has_modrm) {
        if (h->is_mem)
            n += encode_mem(b + n, h->reg, &h->mem);
        else
            b[n++] = (uint8_t)(0xc0 | (h->reg & 7) << 3 | (h->rm & 7));
    }
    memcpy(b + n, &h->imm, h->imm_len);
    n += h->imm_len;
    emit_bytes(e, b, n);
}

static void insn_rr(struct emit *e, bool w, unsigned op0, unsigned op1, int reg, int rm, bool force_rex)
{
    struct hinsn h = {.rex_w = w, .has_modrm = true, .reg = (uint8_t)reg, .rm = (uint8_t)rm, .force_rex = force_rex};

    if (op0)
        h.op[h.n_op++] = (uint8_t)op0;
    h.op[h.n_op++] = (uint8_t)op1;
    emit_insn(e, &h);
}

static void insn_rm(struct emit *e, bool w, unsigned op0, unsigned op1, int reg, struct hmem m)
{
    struct hinsn h = {.rex_w = w, .has_modrm = true, .is_mem = true, .reg = (uint8_t)reg, .mem = m};

    if (op0)
        h.op[h.n_op++] = (uint8_t)op0;
    h.op[h.n_op++] = (uint8_t)op1;
    emit_insn(e, &h);
}

void emit_mov_rr64(struct emit *e, int dst, int src)
{
    insn_rr(e, true, 0, 0x89, src, dst, false); /* mov dst, src */
}

void emit_mov_rr32(struct emit *e, int dst, int src)
{
    insn_rr(e, false, 0, 0x89, src, dst, false); /* mov dst32, src32 */
}

void emit_mov_rr8(struct emit *e, int dst, int src)
{
    insn_rr(e, false, 0, 0x88, src, dst, true); /* mov dst8, src8 */
}

void emit_mov_rr16(struct emit *e, int dst, int src)
{
    struct hinsn h = {.legacy = {0x66}, .n_legacy = 1, .op = {0x89}, .n_op = 1, .has_modrm = true,
                      .reg = (uint8_t)src, .rm = (uint8_t)dst};

    emit_insn(e, &h); /* mov dst16, src16 */
}

void emit_mov_ri32(struct emit *e, int dst, uint32_t imm)
{
    struct hinsn h = {.op = {(uint8_t)(0xb8 | (dst & 7))}, .n_op = 1, .rm = (uint8_t)dst, .imm = imm, .imm_len = 4};

    emit_insn(e, &h); /* mov dst32, imm32 */
}

void emit_load(struct emit *e, int dst, struct hmem m, unsigned size)
{
    switch (size) {
    case 1:
        insn_rm(e, false, 0x0f, 0xb6, dst, m); /* movzx dst32, byte [m] */
        break;
    case 2:
        insn_rm(e, false, 0x0f, 0xb7, dst, m); /* movzx dst32, word [m] */
        break;
    default:
        insn_rm(e, size == 8, 0, 0x8b, dst, m); /* mov dst, [m] */
    }
}

void emit_store(struct emit *e, struct hmem m, int src, unsigned size)
{
    struct hinsn h = {.rex_w = size == 8, .op = {size == 1 ? 0x88 : 0x89}, .n_op = 1, .has_modrm = true, .is_mem = true,
                      .reg = (uint8_t)src, .mem = m, .force_rex = size == 1};

    if (size == 2)
        h.legacy[h.n_legacy++] = 0x66;
    emit_insn(e, &h); /* mov [m], src */
}

void emit_store_imm(struct emit *e, struct hmem m, uint32_t imm, unsigned size)
{
    struct hinsn h = {.rex_w = size == 8, .op = {size == 1 ? 0xc6 : 0xc7}, .n_op = 1, .has_modrm = true, .is_mem = true,
                      .mem = m, .imm = imm, .imm_len = (uint8_t)(size > 4 ? 4 : size)};

    if (size == 2)
        h.legacy[h.n_legacy++] = 0x66;
    emit_insn(e, &h); /* mov [m], imm */
}

void emit_lea64(struct emit *e, int dst, struct hmem m)
{
    m.is_gs = m.is_addr32 = false;
    insn_rm(e, true, 0, 0x8d, dst, m);
}

void emit_lea32(struct emit *e, int dst, struct hmem m)
{
    m.is_gs = m.is_addr32 = false;
    insn_rm(e, false, 0, 0x8d, dst, m);
}

void emit_movzx16(struct emit *e, int dst, int src)
{
    insn_rr(e, false, 0x0f, 0xb7, dst, src, false);
}

void emit_movzx8(struct emit *e, int dst, int src)
{
    insn_rr(e, false, 0x0f, 0xb6, dst, src, true);
}

void emit_movsx8_64(struct emit *e, int dst, int src)
{
    insn_rr(e, true, 0x0f, 0xbe, dst, src, false);
}

void emit_movsx16(struct emit *e, int dst, int src)
{
    insn_rr(e, false, 0x0f, 0xbf, dst, src, false);
}

/* VEX.LZ.pp.0F38 op /r between registers; pp with bit 7: W1. */
static void vex_rvm(struct emit *e, unsigned pp, uint8_t op, int reg, int vvvv, int rm)
{
    struct hinsn h = {.op = {op}, .n_op = 1, .has_modrm = true, .reg = (uint8_t)reg, .rm = (uint8_t)rm, .vex_map = 2,
                      .vex_pp = pp & 3, .vex_w = pp >> 7, .vvvv = (uint8_t)vvvv};

    emit_insn(e, &h);
}

void emit_pext32(struct emit *e, int dst, int src, int mask)
{
    vex_rvm(e, 2, 0xf5, dst, src, mask);
}

void emit_pext32_mem(struct emit *e, int dst, int src, struct hmem mask)
{
    struct hinsn h = {.op = {0xf5}, .n_op = 1, .has_modrm = true, .is_mem = true, .reg = (uint8_t)dst, .mem = mask, .vex_map = 2,
                      .vex_pp = 2, .vvvv = (uint8_t)src};

    emit_insn(e, &h);
}

void emit_pdep32(struct emit *e, int dst, int src, int mask)
{
    vex_rvm(e, 3, 0xf5, dst, src, mask);
}

void emit_sarx32(struct emit *e, int dst, int src, int count)
{
    vex_rvm(e, 2, 0xf7, dst, count, src);
}

void emit_shrx64(struct emit *e, int dst, int src, int count)
{
    vex_rvm(e, 0x83, 0xf7, dst, count, src);
}

/* VEX.LZ.F2.0F3A F0 /r ib */
static void rorx(struct emit *e, bool w, int dst, int src, unsigned count)
{
    emit_u8(e, 0xc4);
    emit_u8(e, (uint8_t)((dst & 8 ? 0 : 0x80) | 0x40 | (src & 8 ? 0 : 0x20) | 0x03));
    emit_u8(e, w ? 0xfb : 0x7b);
    emit_u8(e, 0xf0);
    emit_u8(e, (uint8_t)(0xc0 | (dst & 7) << 3 | (src & 7)));
    emit_u8(e, (uint8_t)count);
}

void emit_rorx32(struct emit *e, int dst, int src, unsigned count)
{
    rorx(e, false, dst, src, count);
}

void emit_rorx64(struct emit *e, int dst, int src, unsigned count)
{
    rorx(e, true, dst, src, count);
}

void emit_not64(struct emit *e, int r)
{
    insn_rr(e, true, 0, 0xf7, 2, r, false);
}

void emit_bswap64(struct emit *e, int r)
{
    struct hinsn h = {.rex_w = true, .op = {0x0f, (uint8_t)(0xc8 | (r & 7))}, .n_op = 2, .rm = (uint8_t)r};

    emit_insn(e, &h);
}

static void put_rel32(struct emit *e, const void *target)
{
    int64_t rel = (const uint8_t *)target - (emit_here(e) + 4);

    assert(rel == (int32_t)rel); /* the cache is smaller than 2 GiB and holds all stubs */
    emit_u32(e, (uint32_t)rel);
    emit_note(e, RELOC_HOST, e->p - 4);
}

void emit_jmp(struct emit *e, const void *target)
{
    emit_u8(e, 0xe9);
    put_rel32(e, target);
}

void emit_call(struct emit *e, const void *target)
{
    emit_u8(e, 0xe8);
    put_rel32(e, target);
}

void emit_jcc(struct emit *e, unsigned cc, const void *target)
{
    emit_u8(e, 0x0f);
    emit_u8(e, (uint8_t)(0x80 | cc));
    put_rel32(e, target);
}

void emit_call_mem(struct emit *e, struct hmem m)
{
    insn_rm(e, false, 0, 0xff, 2, m);
}

void emit_jmp_reg(struct emit *e, int r)
{
    insn_rr(e, false, 0, 0xff, 4, r, false);
}

void emit_call_reg(struct emit *e, int r)
{
    insn_rr(e, false, 0, 0xff, 2, r, false);
}

void emit_ret(struct emit *e)
{
    emit_u8(e, 0xc3);
}

uint8_t *emit_short(struct emit *e, unsigned cc)
{
    switch (cc) {
    case CC_JMP:
        emit_u8(e, 0xeb);
        break;
    case CC_JECXZ:
        emit_u8(e, PREFIX_ADDR32);
        emit_u8(e, 0xe3);
        break;
    case CC_JRCXZ:
        emit_u8(e, 0xe3);
        break;
    case CC_LOOPNE:
    case CC_LOOPE:
    case CC_LOOP:
        emit_u8(e, PREFIX_ADDR32);
        emit_u8(e, (uint8_t)(0xe0 + cc - CC_LOOPNE));
        break;
    default:
        emit_u8(e, (uint8_t)(0x70 | cc));
    }
    emit_u8(e, 0);
    return e->p;
}

void emit_patch8(struct emit *e, uint8_t *place)
{
    if (e->is_full)
        return;
    assert(e->p - place < 128);
    place[-1] = (uint8_t)(e->p - place);
}

void emit_short_back(struct emit *e, unsigned cc, const uint8_t *target)
{
    (void)emit_short(e, cc);
    if (e->is_full)
        return;
    assert(emit_here(e) - target <= 128);
    e->p[-1] = (uint8_t)(target - emit_here(e));
}

void emit_near_back(struct emit *e, const uint8_t *target)
{
    emit_u8(e, 0xe9);
    emit_u32(e, (uint32_t)(target - (emit_here(e) + 4)));
}

uint8_t *emit_near(struct emit *e, unsigned cc)
{
    if (cc == CC_JMP) {
        emit_u8(e, 0xe9);
    } else {
        emit_u8(e, 0x0f);
        emit_u8(e, (uint8_t)(0x80 | cc));
    }
    emit_u32(e, 0);
    return e->p;
}

void emit_patch32(struct emit *e, uint8_t *place)
{
    int32_t rel = (int32_t)(e->p - place);

    if (!e->is_full)
        memcpy(place - 4, &rel, 4);
}
