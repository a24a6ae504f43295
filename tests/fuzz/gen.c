/* Makes the cases of insn_fuzz.
 *
 * Code grows while it runs: each instruction is chosen knowing the registers at its place, so that most memory operands
 * hit memory, and is then executed by the interpreter to know the next place. */
#include "tests/fuzz/gen.h"

#include <stdlib.h>
#include <string.h>
#include "tests/fuzz/invariants.h"

#define MAX_STEPS  2000
#define MAX_WANDER 120 /* steps since code was last added; then it is somewhere else or in a loop */

const char *const fuzz_mode_names[FUZZ_MODES] = {"real", "prot16", "flat", "segmented", "v86"};

uint32_t rng_interesting(struct rng *r)
{
    static const uint32_t values[] = {0,      1,      2,      0x7f,       0x80,       0xff,
                                      0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};

    switch (rng_below(r, 4)) {
    case 0:
        return values[rng_below(r, ARRAY_SIZE(values))];
    case 1:
        return rng_below(r, 64);
    default:
        return (uint32_t)rng_next(r);
    }
}

struct gen *gen_create(const struct cpu *features, const char *without, bool is_privileged)
{
    struct gen *g = calloc(1, sizeof(*g));

    if (!g)
        exit(3);
    g->features = features;
    g->without = without;
    g->is_privileged = is_privileged;
    g->forms = calloc(MAX_FORMS, sizeof(*g->forms));
    if (!g->forms)
        exit(3);
    find_forms(g);
    return g;
}

void gen_set_features(struct gen *g, const struct cpu *features)
{
    g->features = features;
}

void gen_destroy(struct gen *g)
{
    free(g->forms);
    free(g);
}

static bool is_untouched(const struct fuzz_machine *m, const struct fuzz_case *c, uint32_t linear)
{
    const uint8_t *mem = guestmem_view(m->mem);

    if (linear < CODE_GPA || linear > CODE_END - FREE_BYTES)
        return false;
    for (unsigned i = 0; i < FREE_BYTES; i++)
        if (c->image[linear + i] != FILLING || mem[linear + i] != FILLING)
            return false;
    return true;
}

static void place_unit(struct gen *g, struct fuzz_machine *m, struct fuzz_case *c, uint32_t linear)
{
    unsigned at = 0;

    if (linear + g->unit_len > CODE_END)
        return;
    memcpy(c->image + linear, g->unit, g->unit_len);
    machine_poke(m, linear, g->unit, g->unit_len);
    for (uint32_t page = linear >> GUEST_PAGE_SHIFT; page <= (linear + g->unit_len - 1) >> GUEST_PAGE_SHIFT; page++)
        c->is_touched[page] = m->differs[page] = 1;
    for (unsigned i = 0; i < g->n_unit && c->n_insns < CASE_MAX_INSNS; i++) {
        c->insns[c->n_insns].gpa = linear + at;
        c->insns[c->n_insns].is_kept = g->is_unit_kept;
        c->insns[c->n_insns++].len = g->lens[i];
        at += g->lens[i];
    }
}

/* A string instruction with a pointer so near the wrap-around of its segment that an element may lie across it. */
static bool string_wraps_around(const struct cpu *cpu, const struct insn *in)
{
    uint32_t span = 4 * (in->rep ? (uint32_t)cpu->gpr[REG_CX] % MAX_COUNT + 1 : 1);

    return (in->desc->attr & ATTR_REP) && in->addrsize == 4 &&
           ((cpu->seg[SEG_ES].limit == 0xffffffff && (uint32_t)cpu->gpr[REG_DI] + span < 2 * span) ||
            (cpu->seg[in->seg].limit == 0xffffffff && (uint32_t)cpu->gpr[REG_SI] + span < 2 * span));
}

/* Offset of the memory operand, that of bit strings included. */
static uint32_t operand_at(const struct cpu *cpu, const struct insn *in)
{
    uint32_t at = effective(cpu, in);

    if (in->map == MAP_0F && (in->opcode & 0xe7) == 0xa3) { /* BT and kin: the bit offset leads on */
        int32_t bits = in->opsize == 2 ? (int16_t)cpu->gpr[in->reg & 7] : (int32_t)cpu->gpr[in->reg & 7];

        at += (uint32_t)(bits >> (in->opsize == 2 ? 4 : 5)) * in->opsize;
    }
    return at;
}

/* Does the memory operand reach over offset FFFFFFFFh of a segment without a limit?  Processors may fault or go on at 0 (SDM 3A
 * 5.3). */
static bool wraps_around(const struct cpu *cpu, const struct insn *in)
{
    unsigned size = insn_mem_size(in);

    if (string_wraps_around(cpu, in))
        return true;
    return (in->is_mem || has_moffs(in)) && size && cpu->seg[in->seg].limit == 0xffffffff &&
           operand_at(cpu, in) > 0xffffffff - (size - 1);
}

/* Both ways and for any operand size; ES.base is given. */
static bool repeat_reaches_tables(const struct cpu *cpu, const struct insn *in, uint32_t base)
{
    uint32_t mask = in->addrsize == 2 ? 0xffff : 0xffffffff, count = (uint32_t)cpu->gpr[REG_CX] & mask;
    uint32_t span = 4 * (count < MAX_COUNT ? count : MAX_COUNT), at = (base + ((uint32_t)cpu->gpr[REG_DI] & mask)) & 0x3fffff;

    return at + span + 4 > TABLES_GPA && at < RAM_BYTES + 4 + span;
}

/* Is it the store of a make_remapping(), which flushes? */
static bool is_remapping(const struct fuzz_case *c, const struct insn *in, uint32_t linear)
{
    if (in->map != MAP_1B || in->opcode != 0xc7)
        return false;
    for (unsigned i = 0; i < c->n_insns; i++)
        if (c->insns[i].gpa == linear)
            return c->insns[i].is_kept;
    return false;
}

/* May it write to page tables, which make_remapping() alone does with a flush?  What the engines still know of the old
 * entries then differs, as it may. */
static bool writes_tables(const struct fuzz_case *c, const struct cpu *cpu, const struct insn *in)
{
    uint32_t linear = (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip), at;

    bool is_handler = linear >= HANDLERS_GPA && linear < TSS_GPA;

    if (!c->is_paged || !(in->desc->attr & ATTR_MEM_W) || is_handler || is_remapping(c, in, linear))
        return false;
    if (in->desc->attr & ATTR_REP) {
        at = (uint32_t)cpu->seg[SEG_ES].base;
        if (in->rep)
            return repeat_reaches_tables(cpu, in, at);
        at += (uint32_t)cpu->gpr[REG_DI] & (in->addrsize == 2 ? 0xffff : 0xffffffff);
    } else if (in->is_mem || has_moffs(in)) {
        at = (uint32_t)cpu->seg[in->seg].base + operand_at(cpu, in);
    } else if (insn_is(in, op_maskmov)) {
        at = (uint32_t)cpu->seg[in->seg].base + ((uint32_t)cpu->gpr[REG_DI] & (in->addrsize == 2 ? 0xffff : 0xffffffff));
    } else {
        return false;
    }
    at &= 0x3fffff;
    return at > TABLES_GPA - 0x400 && at < RAM_BYTES;
}

/* Is code being executed that walks of the page tables change: the tables themselves?  Or are there tables that nobody made, in memory
 * that is written to all the time: the case itself has turned paging on, or loaded CR3 with something? */
static bool has_wild_tables(const struct fuzz_case *c, const struct cpu *cpu)
{
    uint32_t linear = (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip) & 0x3fffff, cr3 = (uint32_t)cpu->paging.cr3;

    if (!(cpu->paging.cr0 & CR0_PG))
        return false;
    return !c->is_paged || cr3 < TABLES_GPA || cr3 >= RAM_BYTES || (linear >= TABLES_GPA && linear < RAM_BYTES);
}

/* Would a push write to page tables? */
static bool has_stack_in_tables(const struct fuzz_case *c, const struct cpu *cpu)
{
    uint32_t mask = cpu->seg[SEG_SS].attr & SEG_ATTR_DB ? 0xffffffff : 0xffff;
    uint32_t sp = ((uint32_t)cpu->seg[SEG_SS].base + ((uint32_t)cpu->gpr[REG_SP] & mask)) & 0x3fffff;

    return c->is_paged && sp > TABLES_GPA && sp < RAM_BYTES + 0x400;
}

/* May it read or write code memory, seen as data? */
static bool touches_code(const struct fuzz_case *c, const struct cpu *cpu, const struct insn *in)
{
    uint32_t at = (uint32_t)cpu->seg[in->seg].base;

    if (in->desc->attr & ATTR_REP)
        return true;
    if (!in->is_mem && !has_moffs(in))
        return false;
    at = (at + effective(cpu, in)) & (c->is_paged ? 0x3fffff : 0xffffffff);
    return at > CODE_GPA - 0x210 && (at < CODE_END || (c->is_paged && at < DATA_END)); /* there may be an alias */
}

/* A repeated move between two linear addresses of overlapping memory: processors look for overlaps at linear addresses. */
static bool moves_between_aliases(const struct fuzz_case *c, const struct cpu *cpu, const struct insn *in)
{
    uint32_t mask = in->addrsize == 2 ? 0xffff : 0xffffffff;
    uint32_t from = (uint32_t)cpu->seg[in->seg].base + ((uint32_t)cpu->gpr[REG_SI] & mask);
    uint32_t to = (uint32_t)cpu->seg[SEG_ES].base + ((uint32_t)cpu->gpr[REG_DI] & mask), apart = (from - to) & GUEST_PAGE_MASK;

    return c->is_paged && insn_is(in, op_movs) && in->rep && from - to + 0x1000 > 0x2000 && (apart < 0x80 || apart > 0xf80);
}

/* Does a repeated store overwrite its own instruction?  When that is noticed is the engine's affair: an interrupt may come
 * after any iteration, or none. */
static bool overwrites_itself(const struct cpu *cpu, const struct insn *in)
{
    uint32_t mask = in->addrsize == 2 ? 0xffff : 0xffffffff, count = (uint32_t)cpu->gpr[REG_CX] & mask;
    uint32_t ip = (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip), span = 4 * (count < MAX_COUNT ? count : MAX_COUNT) + 16;
    uint32_t at = (uint32_t)cpu->seg[SEG_ES].base + ((uint32_t)cpu->gpr[REG_DI] & mask);

    if (!(in->desc->attr & ATTR_REP) || !in->rep || !(insn_is(in, op_stos) || insn_is(in, op_movs) || insn_is(in, op_ins)))
        return false;
    return ip - at <= span || at - ip <= span;
}

/* May a push or pop have an operand that wraps at FFFFFFFFh? */
static bool stack_wraps_around(const struct cpu *cpu)
{
    const struct segment *ss = &cpu->seg[SEG_SS];
    uint32_t sp = (uint32_t)cpu->gpr[REG_SP];

    return (ss->attr & SEG_ATTR_DB) && ss->limit == 0xffffffff && sp % 4 != 0 && sp + 0x20 < 0x40; /* 20h: PUSHA */
}

/* None is generated, but code that modifies itself makes some. */
static bool is_random(const struct insn *in)
{
    return insn_is(in, op_rdrand) || insn_is(in, op_rdseed);
}

/* What bt/ and cpu/ may do differently is left out; see fuzz.h. */
bool gen_step(struct fuzz_machine *m, struct fuzz_case *c)
{
    struct cpu *cpu = m->cpu;
    struct before before;
    uint8_t bytes[15];
    struct insn in;
    unsigned n = cpu_peek(cpu, (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip), bytes, sizeof(bytes));
    bool is_known = insn_decode(&in, bytes, n, cpu->mode & MODE_CS32 ? 4 : 2) == DECODE_OK;

    if (has_wild_tables(c, cpu) || has_stack_in_tables(c, cpu)) /* not known either: the fault of a fetch pushes too */
        return false;
    if (is_known && (is_random(&in) || writes_tables(c, cpu, &in) || overwrites_itself(cpu, &in) || moves_between_aliases(c, cpu, &in)))
        return false;
    if (is_known && (in.desc->attr & ATTR_REP) && in.rep && in.addrsize == 4 && cpu->gpr[REG_CX] > MAX_COUNT)
        return false;
    if (is_known && touches_code(c, cpu, &in))
        c->reads_code = true;
    if (is_known && (wraps_around(cpu, &in) || stack_wraps_around(cpu))) /* the host may do it differently */
        c->is_native = false;
    before_take(&before, cpu, is_known ? &in : NULL);
    if (is_known && (insn_is(&in, op_sysexit) || (insn_is(&in, op_mov_to_cr) && in.reg == 0) || insn_is(&in, op_lmsw)))
        c->is_wild = true;
    machine_step(m, c);
    if (!c->broken) {
        c->broken = invariant_broken(m, &before, !c->is_wild);
        c->broken_at = before.rip;
    }
    return true;
}

bool gen_case(struct gen *g, struct fuzz_machine *m, struct fuzz_case *c, uint64_t seed, uint64_t number,
              int mode_filter)
{
    struct cpu *cpu = m->cpu;
    unsigned want, steps = 0, wander = 0;

    if (g->base_seed != seed || !g->base_image[HANDLERS_GPA])
        make_base_image(g, seed);
    memset(c, 0, offsetof(struct fuzz_case, is_touched));
    for (unsigned page = 0; page < MEMORY_PAGES; page++) {
        if (c->is_touched[page] || g->image_owner != c)
            memcpy(c->image + (page << GUEST_PAGE_SHIFT), g->base_image + (page << GUEST_PAGE_SHIFT), GUEST_PAGE_SIZE);
        c->is_touched[page] = 0;
    }
    g->image_owner = c;
    c->number = number;
    make_start_state(g, c, seed, mode_filter);
    want = rng_percent(&g->rng, 20) ? 1 + rng_below(&g->rng, 12) : 16 + rng_below(&g->rng, 80);
    machine_load(m, c);
    memset(cpu->stats.exceptions, 0, sizeof(cpu->stats.exceptions));
    while (steps++ < MAX_STEPS && wander++ < MAX_WANDER && !cpu->is_halted && !cpu->is_shutdown && !cpu->exit_request) {
        uint32_t linear = (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip);

        if (c->n_insns < want && is_untouched(m, c, linear) && cpu->rip <= cpu->seg[SEG_CS].limit) {
            struct place p = {.c = c, .cpu = cpu, .linear = linear, .code_size = cpu->mode & MODE_CS32 ? 4 : 2};

            make_unit(g, &p);
            place_unit(g, m, c, linear);
            wander = 0;
            if (!g->unit_len)
                continue;
        }
        if (!gen_step(m, c))
            return false;
    }
    return c->n_insns > 0 && (cpu->is_halted || cpu->is_shutdown) && !cpu->exit_request;
}

