/* Units of code: single instructions of any form, and short sequences that belong together. */
#include "tests/fuzz/gen.h"

#include <string.h>

static const uint8_t weights[CAT_COUNT] = {46, 12, 6, 9, 7, 4, 6, 5, 5},
                     privileged_weights[CAT_COUNT] = {35, 8, 4, 15, 2, 1, 1, 1, 33};

void add_insn(struct gen *g, struct place *p, const uint8_t *bytes, unsigned len)
{
    if (g->unit_len + len > UNIT_BYTES || g->n_unit == ARRAY_SIZE(g->lens))
        return;
    memcpy(g->unit + g->unit_len, bytes, len);
    g->lens[g->n_unit++] = (uint8_t)len;
    g->unit_len += len;
    p->linear += len;
}

/* mov r32, imm32 */
void add_mov(struct gen *g, struct place *p, unsigned reg, uint32_t value)
{
    uint8_t b[6];
    unsigned n = 0;

    if (p->code_size == 2)
        b[n++] = 0x66;
    b[n++] = (uint8_t)(0xb8 | reg);
    store_le(b + n, 4, value);
    add_insn(g, p, b, n + 4);
}

static unsigned put_prefixes(struct gen *g, const struct form *f, uint8_t *b)
{
    static const uint8_t segs[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    struct rng *r = &g->rng;
    bool is_simd = (f->desc->attr & (ATTR_MMX | ATTR_SSE | ATTR_NP)) || f->is_vex;
    unsigned n = 0;

    if (rng_percent(r, f->has_modrm || (f->desc->attr & ATTR_REP) ? 14 : 2))
        b[n++] = segs[rng_below(r, ARRAY_SIZE(segs))];
    if (rng_percent(r, 8))
        b[n++] = 0x67;
    if (rng_percent(r, is_simd ? 1 : 15))
        b[n++] = 0x66;
    if (rng_percent(r, f->desc->attr & ATTR_LOCK ? 15 : 1))
        b[n++] = 0xf0;
    if (rng_percent(r, f->desc->attr & ATTR_REP ? 60 : is_simd ? 0 : 1))
        b[n++] = 0xf2 | rng_below(r, 2);
    if (n > 1 && rng_percent(r, 30)) {
        uint8_t t = b[0];

        b[0] = b[n - 1];
        b[n - 1] = t;
    }
    return n;
}
/* One instruction of form f at p->linear into b; *in is it decoded. */
static bool encode(struct gen *g, const struct place *p, const struct form *f, uint8_t *b, struct insn *in)
{
    struct rng *r = &g->rng;
    unsigned n = put_prefixes(g, f, b), modrm_at;
    uint8_t modrm = 0;

    if (f->is_vex)
        n += put_vex(b + n, f->prefix, f->map, f->opcode, f->has_vvvv ? rng_below(r, 8) : 0, rng_percent(r, 60));
    else
        n += put_opcode(b + n, f->prefix, f->map, f->opcode);
    modrm_at = n;
    if (f->has_modrm) {
        modrm = f->modrm[rng_below(r, f->n_modrm)];
        if (rng_percent(r, 35) && f->n_modrm > 150) /* memory forms as often as others */
            modrm = f->modrm[rng_below(r, f->n_modrm * 3 / 4)];
        b[n++] = modrm;
    }
    for (unsigned i = n; i < 24; i++)
        b[i] = (uint8_t)rng_next(r);
    if (insn_decode(in, b, 15, p->code_size) != DECODE_OK)
        return false;
    if (in->is_mem && !is_good_offset(&p->cpu->seg[in->seg], effective(p->cpu, in)) && modrm < 0x80 &&
        rng_percent(r, 80)) {
        b[modrm_at] = (uint8_t)((modrm & 0x3f) | 0x80);
        if (insn_decode(in, b, 15, p->code_size) != DECODE_OK)
            return false;
    }
    return true;
}

static void make_insn(struct gen *g, struct place *p)
{
    struct rng *r = &g->rng;
    unsigned pick = rng_below(r, 100), cat = 0;
    const uint8_t *w = p->c->has_random_tables ? privileged_weights : weights;
    const struct form *f;
    uint8_t b[32];
    struct insn in;

    while (pick >= w[cat])
        pick -= w[cat++];
    if (cat == CAT_SYSTEM && p->cpu->cpl && !p->c->has_random_tables && (p->c->is_native || rng_percent(r, 75)))
        cat = CAT_ALU; /* most would only fault */
    if (cat == CAT_AVX && !mode_is_protected(p->cpu->mode) && rng_percent(r, 95))
        cat = CAT_SSE; /* #UD */
    f = &g->forms[g->by_cat[cat][rng_below(r, g->n_cat[cat])]];
    if (f->desc->exec == op_hlt && rng_percent(r, 90))
        return;
    if (!encode(g, p, f, b, &in))
        return;
    if (p->c->is_native && !case_may_run_natively(p->c, p->cpu, &in) && rng_percent(r, 98))
        return;
    prepare(g, p, f, b, &in);
    if (in.is_mem || has_moffs(&in))
        aim(g, p, &in, b);
    if (in.desc->operands[0] == Jb || in.desc->operands[0] == Jz || in.desc->operands[1] == Jb)
        aim_branch(g, p, &in, b);
    else if (in.imm_len && rng_percent(r, 60))
        aim_immediate(g, p->c, &in, b);
    if (insn_decode(&in, b, 15, p->code_size) == DECODE_OK)
        add_insn(g, p, b, in.len);
}

/* A store that changes an instruction to come: inc eax; mov ecx, imm, a few instructions ahead. */
static void make_self_modification(struct gen *g, struct place *p)
{
    struct rng *r = &g->rng;
    const struct segment *ds = &p->cpu->seg[SEG_DS];
    unsigned fillers = rng_below(r, 4), n = 0;
    bool is_opcode = rng_percent(r, 50), is_alias = g->alias_delta && rng_percent(r, 50);
    uint8_t b[16], filler = (uint8_t)(0x40 | rng_below(r, 4));
    uint32_t target;

    if (p->code_size == 2)
        b[n++] = 0x66; /* operand size, and below address size */
    if (p->code_size == 2)
        b[n++] = 0x67;
    b[n++] = is_opcode ? 0xc6 : 0xc7;
    b[n++] = 0x05;
    target = p->linear + n + 4 + (is_opcode ? 1 : 4) + fillers;
    if (!is_opcode)
        target += p->code_size == 2 ? 2 : 1; /* the immediate of mov r32, imm32 */
    store_le(b + n, 4, target + (is_alias ? g->alias_delta : 0) - (uint32_t)ds->base);
    n += 4;
    store_le(b + n, is_opcode ? 1 : 4, is_opcode ? 0x48 | rng_below(r, 4) : rng_interesting(r));
    add_insn(g, p, b, n + (is_opcode ? 1 : 4));
    for (unsigned i = 0; i < fillers; i++)
        add_insn(g, p, &filler, 1);
    if (is_opcode)
        add_insn(g, p, &filler, 1);
    else
        add_mov(g, p, rng_below(r, 4), 0x12345678);
}

/* A data page's table entry gets another frame or other rights; INVLPG or a CR3 load makes it known. */
static void make_remapping(struct gen *g, struct place *p)
{
    struct rng *r = &g->rng;
    unsigned page = (DATA_GPA >> 12) + rng_below(r, 16), frame = (DATA_GPA >> 12) + rng_below(r, 16), n = 0;
    static const uint8_t rights[] = {0x67, 0x67, 0x07, 0x05, 0x65, 0x00, 0x27};
    uint8_t b[16];

    g->is_unit_kept = true;
    if (p->code_size == 2)
        b[n++] = 0x66;
    if (p->code_size == 2)
        b[n++] = 0x67;
    b[n++] = 0xc7; /* mov dword [entry], imm32 */
    b[n++] = 0x05;
    store_le(b + n, 4, TABLES_GPA + 0x1000 + page * (p->c->is_pae ? 8 : 4) - (uint32_t)p->cpu->seg[SEG_DS].base);
    store_le(b + n + 4, 4, frame << 12 | rights[rng_below(r, ARRAY_SIZE(rights))] | (p->c->has_clear_a ? 0 : 0x20));
    add_insn(g, p, b, n + 8);
    if (rng_percent(r, 50)) {
        static const uint8_t reload[] = {0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8}; /* mov eax, cr3; mov cr3, eax */

        add_insn(g, p, reload, 3);
        add_insn(g, p, reload + 3, 3);
        add_mov(g, p, REG_AX, DATA_GPA + rng_below(r, DATA_END - DATA_GPA)); /* not the tables' address */
        return;
    }
    n = 0;
    if (p->code_size == 2)
        b[n++] = 0x67;
    b[n++] = 0x0f; /* invlpg [page] */
    b[n++] = 0x01;
    b[n++] = 0x3d;
    store_le(b + n, 4, (page << 12) + rng_below(r, 0x1000) - (uint32_t)p->cpu->seg[SEG_DS].base);
    add_insn(g, p, b, n + 4);
}

/* A byte with an operand-size prefix where one is needed for 32 bits. */
static void add_op32(struct gen *g, struct place *p, uint8_t opcode)
{
    const uint8_t b[2] = {0x66, opcode};

    add_insn(g, p, p->code_size == 2 ? b : b + 1, p->code_size == 2 ? 2 : 1);
}

static void add_push(struct gen *g, struct place *p, uint32_t value)
{
    uint8_t b[6] = {0x66, 0x68};
    unsigned at = p->code_size == 2 ? 0 : 1;

    store_le(b + 2, 4, value);
    add_insn(g, p, b + at, 6 - at);
}

/* mov eax, cr0; xor eax, bit; mov cr0, eax; or cr4 */
static void make_control_change(struct gen *g, struct place *p)
{
    static const uint32_t cr0_bits[] = {CR0_WP, CR0_WP, CR0_TS, CR0_EM, CR0_MP, CR0_AM, CR0_NE, CR0_PE, CR0_PG};
    static const uint32_t cr4_bits[] = {CR4_OSFXSR,     CR4_TSD, CR4_PGE, CR4_PSE,
                                        CR4_OSXMMEXCPT, CR4_DE,  CR4_PAE, CR4_PVI, CR4_OSXSAVE};
    struct rng *r = &g->rng;
    bool is_cr4 = rng_percent(r, 35);
    uint32_t bit = is_cr4 ? cr4_bits[rng_below(r, ARRAY_SIZE(cr4_bits))] : cr0_bits[rng_below(r, ARRAY_SIZE(cr0_bits))];
    const uint8_t get[] = {0x0f, 0x20, is_cr4 ? 0xe0 : 0xc0}, put[] = {0x0f, 0x22, is_cr4 ? 0xe0 : 0xc0};
    uint8_t b[6] = {0x66, 0x35};
    unsigned at = p->code_size == 2 ? 0 : 1;

    store_le(b + 2, 4, bit);
    add_insn(g, p, get, 3);
    add_insn(g, p, b + at, 6 - at);
    add_insn(g, p, put, 3);
}

/* A far jump, call or IRET to just behind, perhaps in code of another size or less privilege. */
static void make_far_transfer(struct gen *g, struct place *p)
{
    static const uint8_t codes[] = {D_CODE32, D_UCODE32, D_CODE16, D_UCODE16, D_BCODE32, D_UBCODE32, D_CONFORMING};
    struct rng *r = &g->rng;
    unsigned index = codes[rng_below(r, ARRAY_SIZE(codes))];
    bool is_user = index == D_UCODE32 || index == D_UCODE16 || index == D_UBCODE32,
         is_protected = p->cpu->mode & MODE_PE;
    uint32_t base = index == D_CODE32 || index == D_UCODE32 || index == D_CONFORMING ? 0 : CODE_GPA, target;
    unsigned sel = index * 8 | (is_user ? 3 : 0), ss = (is_user ? D_UDATA32 : D_DATA32) * 8 | (is_user ? 3 : 0);

    if (!is_protected || (p->cpu->eflags & EFLAGS_VM)) {
        base = rng_percent(r, 50) ? CODE_GPA : 0;
        sel = base >> 4;
    }
    if (p->c->has_random_tables && rng_percent(r, 60)) {
        sel = any_selector(g, p->c, p->cpu->cpl);
        if (rng_percent(r, 50))
            ss = any_selector(g, p->c, sel & 3);
    }
    target = p->linear + 48 + rng_below(r, 16) - base;
    if (rng_percent(r, 50)) {
        add_push(g, p, ss);
        add_push(g, p, (uint32_t)p->cpu->gpr[REG_SP]);
        add_push(g, p,
                 ((uint32_t)p->cpu->eflags & (rng_percent(r, 90) ? ~EFLAGS_NT : ~0u)) ^
                     (rng_below(r, 8) ? 0 : EFLAGS_IF));
        add_push(g, p, sel);
        add_push(g, p, target);
        add_op32(g, p, 0xcf);
    } else {
        uint8_t b[8] = {0x66, rng_percent(r, 60) ? 0xea : 0x9a};
        unsigned at = p->code_size == 2 ? 0 : 1;

        store_le(b + 2, 4, target);
        memcpy(b + 6, (uint8_t[]){(uint8_t)sel, (uint8_t)(sel >> 8)}, 2);
        add_insn(g, p, b + at, 8 - at);
    }
}

/* int 80h or 81h, which may return */
static void make_int(struct gen *g, struct place *p)
{
    bool is_any = p->c->has_random_tables && rng_percent(&g->rng, 70);
    const uint8_t b[2] = {0xcd, (uint8_t)(is_any ? 0x20 + rng_below(&g->rng, 0x60) : 0x80 + rng_below(&g->rng, 2))};

    add_insn(g, p, b, 2);
}

/* push imm; ret */
static void make_push_ret(struct gen *g, struct place *p)
{
    uint8_t b[6] = {0x68}, ret = 0xc3;
    unsigned size = p->code_size;

    store_le(b + 1, size, p->linear + 1 + size + 1 + rng_below(&g->rng, 16) - (uint32_t)p->cpu->seg[SEG_CS].base);
    add_insn(g, p, b, 1 + size);
    add_insn(g, p, &ret, 1);
}

void make_unit(struct gen *g, struct place *p)
{
    unsigned pick = rng_below(&g->rng, 1000);
    bool is_kernel = !p->cpu->cpl;

    g->unit_len = g->n_unit = 0;
    g->is_unit_kept = false;
    if (p->c->has_random_tables && pick < 300) /* more of what uses the tables */
        pick = pick < 150 ? 65 : pick < 250 ? 50 : pick;
    if (pick < 20)
        make_self_modification(g, p);
    else if (pick < 50)
        make_push_ret(g, p);
    else if (p->c->is_native)
        make_insn(g, p);
    else if (pick < 65)
        make_int(g, p);
    else if (pick < 80)
        make_far_transfer(g, p);
    else if (pick < 95 && is_kernel)
        make_control_change(g, p);
    else if (pick < 160 && is_kernel && p->c->is_paged && !g->alias_delta)
        make_remapping(g, p);
    else
        make_insn(g, p);
}
