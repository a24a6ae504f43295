/* Addresses, branches and counts that lead somewhere. */
#include "tests/fuzz/gen.h"

/* A linear address worth touching.  end: where code grows. */
static uint32_t pick_linear(struct gen *g, const struct fuzz_case *c, uint32_t end, unsigned size)
{
    struct rng *r = &g->rng;
    unsigned what = rng_below(r, 100);
    uint32_t at;

    if (what < 60)
        at = DATA_GPA + rng_below(r, DATA_END - DATA_GPA);
    else if (what < 78)
        at = DATA_GPA + (rng_below(r, 18) << 12) - rng_below(r, size + 4);
    else if (what < 90)
        at = STACK_GPA + rng_below(r, STACK_END - STACK_GPA);
    else if (what < 95)
        at = end + rng_below(r, 96) - 48 + (rng_below(r, 2) ? g->alias_delta : 0);
    else if (what < 96)
        at = rng_below(r, CODE_GPA);
    else if (what < 98)
        at = c->is_paged ? RAM_BYTES + rng_below(r, 0x2000) : TABLES_GPA + rng_below(r, 0xa000);
    else
        at = rng_interesting(r);
    if (c->is_paged && what < 95 && rng_percent(r, 4))
        at += 0x400000 << rng_below(r, 2);
    return size >= 8 && rng_percent(r, 70) ? at & ~15u : at;
}

/* An offset in a segment that most often may be accessed. */
uint32_t pick_offset(struct gen *g, const struct fuzz_case *c, const struct segment *s, uint32_t end,
                            unsigned size)
{
    struct rng *r = &g->rng;
    bool is_down = (s->attr & (SEG_ATTR_CODE | SEG_ATTR_EC)) == SEG_ATTR_EC && (s->attr & SEG_ATTR_S);
    uint32_t off = pick_linear(g, c, end, size) - (uint32_t)s->base;

    /* Around FFFFFFFFh the host may fault or go on as it likes (SDM 3A 5.3). */
    if ((s->limit != 0xffffffff || !c->is_native) && rng_percent(r, s->limit != 0xffffffff ? 6 : 2))
        return s->limit + (is_down ? 1 : 0) + rng_below(r, 16) - size - 4;
    if (is_down && s->limit >= 0x8000)
        return off;
    if (is_down ? off <= s->limit : off > s->limit) {
        if (is_down)
            return s->limit + 1 + rng_below(r, 0x7f00);
        return rng_below(r, s->limit < 0xfffffff ? s->limit + 1 : 0x10000);
    }
    return off;
}

bool is_good_offset(const struct segment *s, uint32_t off)
{
    uint32_t at = (uint32_t)s->base + off;

    return at >= CODE_GPA && at < STACK_END && off <= s->limit;
}
uint32_t effective(const struct cpu *cpu, const struct insn *in)
{
    uint32_t ea = (uint32_t)in->disp;

    if (in->base >= 0)
        ea += (uint32_t)cpu->gpr[in->base];
    if (in->index >= 0)
        ea += (uint32_t)cpu->gpr[in->index] << in->scale;
    return in->addrsize == 2 ? ea & 0xffff : ea;
}

bool has_moffs(const struct insn *in) { return in->map == MAP_1B && in->opcode >= 0xa0 && in->opcode <= 0xa3; }

/* Make the memory operand hit something, by its displacement. */
void aim(struct gen *g, const struct place *p, struct insn *in, uint8_t *b)
{
    unsigned size = insn_mem_size(in);
    const struct segment *s = &p->cpu->seg[in->seg];
    uint8_t *disp = b + in->len - in->imm_len - in->disp_len;
    uint32_t want;

    if (!in->disp_len || rng_percent(&g->rng, 3))
        return;
    want = pick_offset(g, p->c, s, p->linear, size ? size : 4) - (effective(p->cpu, in) - (uint32_t)in->disp);
    if (in->disp_len > 1 || (int32_t)want == (int8_t)want)
        store_le(disp, in->disp_len > 4 ? 4 : in->disp_len, want);
}

void aim_branch(struct gen *g, const struct place *p, const struct insn *in, uint8_t *b)
{
    struct rng *r = &g->rng;
    const struct fuzz_case *c = p->c;
    int32_t rel = (int32_t)rng_below(r, 24);

    if (rng_percent(r, 25) && c->n_insns)
        rel = (int32_t)(c->insns[rng_below(r, c->n_insns)].gpa - (p->linear + in->len));
    else if (rng_percent(r, 8))
        rel = -(int32_t)rng_below(r, 32);
    else if (rng_percent(r, 10) && in->imm_len > 1)
        rel = (int32_t)rng_below(r, 0x3000) - 0x1800;
    else if (rng_percent(r, 2))
        return;
    store_le(b + in->len - in->imm_len, in->imm_len, (uint32_t)rel);
}

void aim_immediate(struct gen *g, const struct fuzz_case *c, const struct insn *in, uint8_t *b)
{
    struct rng *r = &g->rng;
    uint32_t v = rng_interesting(r);

    if (insn_is(in, op_call_far_ptr) || insn_is(in, op_jmp_far_ptr)) {
        store_le(b + in->len - 2, 2, any_selector(g, c, rng_below(r, 4)));
        store_le(b + in->len - in->imm_len, in->imm_len - 2, CODE_GPA + rng_below(r, 0x7000));
        return;
    }
    if (insn_is(in, op_enter)) {
        store_le(b + in->len - 3, 2, rng_below(r, 64));
        b[in->len - 1] = (uint8_t)(rng_percent(r, 70) ? rng_below(r, 3) : rng_below(r, 256));
        return;
    }
    if (in->imm_len <= 4)
        store_le(b + in->len - in->imm_len, in->imm_len, v);
}

/* What must be in registers before: counts, string pointers, jump targets, selectors. */
void prepare(struct gen *g, struct place *p, const struct form *f, const uint8_t *b, const struct insn *in)
{
    struct rng *r = &g->rng;
    const struct cpu *cpu = p->cpu;

    if (in->desc->attr & ATTR_REP) {
        uint32_t mask = in->addrsize == 2 ? 0xffff : 0xffffffff;

        if (in->rep && (cpu->gpr[REG_CX] & mask) > 300)
            add_mov(g, p, REG_CX, rng_percent(r, 85) ? rng_below(r, 40) : rng_below(r, 5000));
        if (!is_good_offset(&cpu->seg[in->seg], (uint32_t)cpu->gpr[REG_SI] & mask) || rng_percent(r, 20))
            add_mov(g, p, REG_SI, pick_offset(g, p->c, &cpu->seg[in->seg], p->linear, 4));
        if (!is_good_offset(&cpu->seg[SEG_ES], (uint32_t)cpu->gpr[REG_DI] & mask) || rng_percent(r, 20))
            add_mov(g, p, REG_DI, pick_offset(g, p->c, &cpu->seg[SEG_ES], p->linear, 4));
        return;
    }
    if ((insn_is(in, op_jmp_ind) || insn_is(in, op_call_ind)) && !in->is_mem) {
        add_mov(g, p, in->rm & 7, p->linear + 8 + rng_below(r, 24) - (uint32_t)cpu->seg[SEG_CS].base);
        return;
    }
    if (insn_is(in, op_mov_to_sreg) && !in->is_mem && rng_percent(r, 85)) {
        add_mov(g, p, in->rm & 7, any_selector(g, p->c, p->cpu->cpl));
        return;
    }
    if (!in->is_mem && (insn_is(in, op_lar) || insn_is(in, op_lsl) || insn_is(in, op_verr) || insn_is(in, op_verw) ||
                        insn_is(in, op_ltr) || insn_is(in, op_lldt)))
        add_mov(g, p, in->rm & 7, any_selector(g, p->c, p->cpu->cpl));
    if (insn_is(in, op_xlat))
        add_mov(g, p, REG_BX, pick_offset(g, p->c, &cpu->seg[in->seg], p->linear, 1));
    if ((in->desc->exec == op_div || in->desc->exec == op_idiv) && rng_percent(r, 70))
        add_mov(g, p, REG_DX, 0);
}

