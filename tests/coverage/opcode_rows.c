/* Every row of the opcode table in every mode in which it exists, in both engines; unprivileged rows on the host's processor too.
 *
 *   opcode_rows [--seed S] [--rounds N] [--list] [--row TEXT] [--no-native]
 *
 * For each row, mode (real, 16- and 32-bit protected, virtual-8086), form (register, memory), operand size, address size, LOCK and
 * REP, instances are made whose operands lie in memory, whose stacks hold what far returns want and so on, and run by the
 * interpreter and as translated code; all state must be the same.  A cell of that product is covered when an instance completes
 * without an exception in both.  Where none does, reasons.c says why none can, and which exception must come instead.  What is
 * neither covered nor explained is a hole, and the test fails: so it does when a row is added that nothing here can run.
 *
 * Natively: the same cells at CPL 3, 16- and 32-bit, in the interpreter and by tests/fuzz/native.c.  A row that is never compared is a hole,
 * if reason_not_native() has no word on it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/avx.h"
#include "cpu/cpuid.h"
#include "cpu/hostfp.h"
#include "cpu/ops.h"
#include "tests/coverage/reasons.h"
#include "tests/coverage/rows.h"
#include "tests/coverage/start.h"
#include "tests/fuzz/native.h"

#define NATIVE_DATA_AT 0x15000u /* DATA_AT is a page that native cases lack */
#define TRIES   60 /* instances for a cell, until one completes */
#define LANDING 0x9400u

static const char *const mode_names[ROW_MODES] = {"real", "prot16", "prot32", "v86"};

/* One cell. */
struct cell {
    const struct row *row;
    unsigned mode;
    bool is_mem, has_66, has_67, has_lock;
    uint8_t rep;
    bool is_native; /* CPL 3, the native cases' pages */
};

struct trial {
    struct cell cell;
    struct fuzz_case c;
    struct rng rng;
    uint8_t bytes[24];
    struct insn in;
    uint32_t operand; /* linear address of the memory operand */
    uint32_t data_at; /* where data lie, linear */
};

enum outcome { NO_INSTANCE, COMPLETED, RAISED, DIFFERENT };

struct tally {
    unsigned rows, cells, covered, instances, explained, holes, differences;
    unsigned native_rows, native_cells, not_native_rows;
};

/* --- the start state --- */

static uint32_t offset_in(const struct fuzz_case *c, unsigned s, uint32_t linear) { return linear - (uint32_t)c->seg[s].base; }

static void start_state(struct trial *t)
{
    struct fuzz_case *c = &t->c;

    start_mode(c, t->cell.mode);
    t->data_at = DATA_AT;
    if (t->cell.is_native) {
        start_native(c);
        t->data_at = NATIVE_DATA_AT;
    }
    c->eflags |= (uint32_t)rng_next(&t->rng) & EFLAGS_STATUS;
    for (unsigned r = 0; r < 8; r++)
        c->gpr[r] = (uint32_t)rng_next(&t->rng);
    c->gpr[REG_SP] = offset_in(c, SEG_SS, STACK_AT);
    c->gpr[REG_BP] = offset_in(c, SEG_SS, STACK_AT + 0x40);
    memset(c->fpu, 0, sizeof(c->fpu));
    store_le(c->fpu + FX_FCW, 2, 0x37f);
    store_le(c->fpu + FX_FTW, 1, 0xff);
    store_le(c->fpu + FX_MXCSR, 4, 0x1f80);
    for (unsigned i = 0; i < 8; i++) {
        store_le(c->fpu + FX_ST + 16 * i, 8, rng_next(&t->rng) | 1ull << 63);
        store_le(c->fpu + FX_ST + 16 * i + 8, 2, 0x3ff8 + rng_below(&t->rng, 16));
        store_le(c->fpu + FX_XMM + 16 * i, 8, rng_next(&t->rng));
        store_le(c->fpu + FX_XMM + 16 * i + 8, 8, rng_next(&t->rng));
        store_le(c->fpu + FX_YMM + 16 * i, 8, rng_next(&t->rng));
        store_le(c->fpu + FX_YMM + 16 * i + 8, 8, rng_next(&t->rng));
    }
    c->fpu[XSAVE_BV] = (uint8_t)c->xcr0;
    for (uint32_t at = DATA_GPA; at < DATA_END; at += 8)
        store_le(c->image + at, 8, at >= t->data_at - 0x100 && at < t->data_at + 0x2000 ? rng_next(&t->rng) : 0);
    memset(c->image + STACK_GPA, 0, STACK_END - STACK_GPA);
    memset(c->image + CODE_AT - 0x100, END_OF_CODE, 0x800);
}

/* --- the instruction --- */

static bool decode(struct trial *t)
{
    return insn_decode(&t->in, t->bytes, 15, t->c.code_size) == DECODE_OK && t->in.desc == t->cell.row->desc &&
           t->in.is_mem == t->cell.is_mem;
}

static bool uses_vvvv(const struct insn_desc *d)
{
    return memchr(d->operands, Hx, sizeof(d->operands)) || memchr(d->operands, By, sizeof(d->operands));
}

static bool write_bytes(struct trial *t)
{
    const struct cell *cell = &t->cell;
    const struct row *row = cell->row;
    unsigned n = 0;

    memset(t->bytes, 0, sizeof(t->bytes));
    if (cell->has_67)
        t->bytes[n++] = 0x67;
    if (cell->has_lock)
        t->bytes[n++] = 0xf0;
    if (cell->rep)
        t->bytes[n++] = cell->rep;
    if (cell->has_66)
        t->bytes[n++] = 0x66;
    n += rows_put_opcode(row, uses_vvvv(row->desc) ? rng_below(&t->rng, 8) : 0, t->bytes + n);
    if (row->n_modrm) {
        uint8_t modrm;

        do
            modrm = row->modrm[rng_below(&t->rng, row->n_modrm)];
        while (row->has_mem && row->has_reg && (modrm < 0xc0) != cell->is_mem);
        t->bytes[n++] = modrm;
    }
    for (unsigned i = n; i < 16; i++) /* SIB, displacement, immediates */
        t->bytes[i] = (uint8_t)rng_next(&t->rng);
    if (row->n_modrm)
        t->bytes[n + 1] &= 0xf0; /* an 8-bit displacement behind SIB: keep alignment */
    return decode(t);
}

static uint32_t effective(const struct trial *t)
{
    const struct insn *in = &t->in;
    uint64_t ea = (uint64_t)in->disp;

    if (in->base >= 0)
        ea += t->c.gpr[in->base];
    if (in->index >= 0)
        ea += t->c.gpr[in->index] << in->scale;
    return in->addrsize == 2 ? (uint16_t)ea : (uint32_t)ea;
}

static unsigned imm_offset(const struct trial *t) { return t->in.len - t->in.imm_len; }

static void set_disp(struct trial *t, uint32_t disp)
{
    store_le(t->bytes + t->in.len - t->in.imm_len - t->in.disp_len, t->in.disp_len, disp);
    (void)decode(t);
}

/* Make the memory operand lie at a place for data (or on the stack).  False: this form cannot be made to. */
static bool aim(struct trial *t)
{
    struct insn *in = &t->in;
    uint32_t want = t->data_at + 64 * rng_below(&t->rng, 16);
    bool is_moffs = in->map == MAP_1B && in->opcode >= 0xa0 && in->opcode <= 0xa3;

    if (!in->is_mem && !is_moffs)
        return true;
    if (in->seg == SEG_SS && t->cell.mode != ROW_PROT32)
        want = STACK_AT + 0x400;
    want = offset_in(&t->c, in->seg, want);
    if (in->base == REG_SP) {
        if (in->index >= 0)
            t->c.gpr[in->index] = 0x40;
        want = (uint32_t)t->c.gpr[REG_SP] + 0x400;
    }
    if (in->disp_len >= 2)
        set_disp(t, want - (effective(t) - (uint32_t)in->disp));
    else if (in->base >= 0 && in->base != in->index && in->base != REG_SP)
        t->c.gpr[in->base] = (uint32_t)(t->c.gpr[in->base] + want - effective(t));
    t->operand = (uint32_t)t->c.seg[in->seg].base + effective(t);
    return effective(t) == (in->addrsize == 2 ? (uint16_t)want : want) || in->base == REG_SP;
}

static bool is_aimed(const struct trial *t)
{
    return !t->in.is_mem || t->operand == (uint32_t)t->c.seg[t->in.seg].base + effective(t);
}

/* --- what some instructions want --- */

static uint8_t *memory_operand(struct trial *t) { return t->c.image + t->operand; }

static void set_rm(struct trial *t, uint64_t value, unsigned size)
{
    if (t->in.is_mem)
        store_le(memory_operand(t), size, value);
    else if (size == 1 && t->in.rm >= 4)
        t->c.gpr[t->in.rm & 3] = (t->c.gpr[t->in.rm & 3] & ~0xff00ull) | value << 8;
    else
        t->c.gpr[t->in.rm] = value;
}

static void set_imm(struct trial *t, unsigned at, uint64_t value, unsigned size)
{
    store_le(t->bytes + imm_offset(t) + at, size, value);
    (void)decode(t);
}

static void set_stack(struct trial *t, unsigned slot, uint64_t value)
{
    store_le(t->c.image + STACK_AT + slot * t->in.opsize, t->in.opsize, value);
}

static uint16_t data_selector(const struct trial *t) { return t->c.seg[SEG_DS].sel; }

static void set_far_memory(struct trial *t, uint32_t offset, uint16_t sel)
{
    uint8_t *p = memory_operand(t);

    store_le(p, t->in.opsize, offset);
    store_le(p + t->in.opsize, 2, sel);
}

static uint16_t selector_for(const struct trial *t, unsigned sreg)
{
    return sreg == SEG_SS ? t->c.seg[SEG_SS].sel : data_selector(t);
}

static unsigned sreg_operand(const struct insn *in)
{
    return in->desc->operands[0] == Sw ? in->reg & 7 : in->desc->operands[0] - ES_;
}

static void prepare_flow(struct trial *t)
{
    uint32_t landing = offset_in(&t->c, SEG_CS, LANDING);
    uint16_t cs = t->c.seg[SEG_CS].sel;
    insn_fn *op = t->in.desc->exec;

    if (op == op_jmp_rel || op == op_call_rel || op == op_jcc || op == op_loop || op == op_loope || op == op_loopne || op == op_jcxz)
        set_imm(t, 0, 0x40, t->in.imm_len);
    else if (op == op_jmp_ind || op == op_call_ind)
        set_rm(t, landing, t->in.opsize);
    else if (op == op_jmp_far_ptr || op == op_call_far_ptr) {
        set_imm(t, 0, landing, t->in.opsize);
        set_imm(t, t->in.opsize, cs, 2);
    } else if (op == op_jmp_far_ind || op == op_call_far_ind)
        set_far_memory(t, landing, cs);
    else if (op == op_ret_near)
        set_stack(t, 0, landing);
    else if (op == op_ret_far || op == op_iret) {
        set_stack(t, 0, landing);
        set_stack(t, 1, cs);
        set_stack(t, 2, t->c.eflags);
    } else if (op == op_sysexit) {
        t->c.gpr[REG_DX] = LANDING;
        t->c.gpr[REG_CX] = STACK_AT;
    }
}

static void prepare_segments(struct trial *t)
{
    insn_fn *op = t->in.desc->exec;

    if (op == op_mov_to_sreg)
        set_rm(t, selector_for(t, sreg_operand(&t->in)), 2);
    else if (op == op_pop_sreg)
        set_stack(t, 0, selector_for(t, sreg_operand(&t->in)));
    else if (op == op_lseg_ptr)
        set_far_memory(t, offset_in(&t->c, SEG_SS, STACK_AT), t->in.opcode == 0xb2 ? t->c.seg[SEG_SS].sel : data_selector(t));
    else if (op == op_lldt)
        set_rm(t, D_LDT * 8, 2);
    else if (op == op_ltr)
        set_rm(t, D_TSS2 * 8, 2);
    else if (op == op_lgdt || op == op_lidt) {
        bool is_real_idt = op == op_lidt && t->cell.mode == ROW_REAL;

        store_le(memory_operand(t), 2, op == op_lgdt ? D_COUNT * 8 - 1 : is_real_idt ? 0x3ff : 0x7ff);
        store_le(memory_operand(t) + 2, 4, op == op_lgdt ? GDT_GPA : is_real_idt ? 0 : IDT_GPA);
    }
}

static void prepare_system(struct trial *t)
{
    insn_fn *op = t->in.desc->exec;
    unsigned reg = t->in.reg & 7;

    if (op == op_lmsw)
        set_rm(t, t->c.cr0 & 0xffff, 2);
    else if (op == op_mov_to_cr)
        t->c.gpr[t->in.rm] = reg == 0 ? t->c.cr0 : reg == 4 ? t->c.cr4 : 0;
    else if (op == op_mov_to_dr)
        t->c.gpr[t->in.rm] = reg == 7 ? 0x400 : reg == 6 ? 0xffff0ff0 : t->data_at;
    else if (op == op_rdmsr || op == op_wrmsr) {
        t->c.gpr[REG_CX] = 0x174;
        t->c.gpr[REG_AX] = D_CODE32 * 8;
        t->c.gpr[REG_DX] = 0;
    } else if (op == op_xgetbv || op == op_xsetbv) {
        t->c.gpr[REG_CX] = 0;
        t->c.gpr[REG_AX] = t->c.xcr0;
        t->c.gpr[REG_DX] = 0;
    } else if (op == op_rdpmc)
        t->c.gpr[REG_CX] = 0;
    else if (op == op_in || op == op_out || op == op_ins || op == op_outs)
        t->c.gpr[REG_DX] = 0x40;
    else if (op == op_popf)
        set_stack(t, 0, t->c.eflags);
}

static void prepare_data(struct trial *t)
{
    insn_fn *op = t->in.desc->exec;
    unsigned size = t->in.opsize;

    if (op == op_div || op == op_idiv) {
        t->c.gpr[REG_AX] = 1000;
        t->c.gpr[REG_DX] = 0;
        set_rm(t, size == 1 ? 101 : 7, size);
    } else if (op == op_bound) {
        store_le(memory_operand(t), size, 0);
        store_le(memory_operand(t) + size, size, 100);
        t->c.gpr[t->in.reg] = 5;
    } else if (op == op_enter) {
        set_imm(t, 0, 0x20, 2);
        set_imm(t, 2, rng_below(&t->rng, 3), 1);
    } else if (op == op_xlat) {
        t->c.gpr[REG_BX] = offset_in(&t->c, SEG_DS, t->data_at);
    } else if (op == op_into) {
        t->c.eflags &= ~EFLAGS_OF;
    } else if (op == op_fldenv || op == op_frstor || op == op_fxrstor) {
        memset(memory_operand(t), 0, 512);
        if (op == op_fxrstor)
            store_le(memory_operand(t) + FX_MXCSR, 4, 0x1f80);
    } else if (op == op_xrstor) {
        memset(memory_operand(t), 0, XSAVE_SIZE);
        store_le(memory_operand(t) + FX_MXCSR, 4, 0x1f80);
    } else if (!strcmp(t->in.desc->name, "ldmxcsr") || !strcmp(t->in.desc->name, "vldmxcsr")) {
        store_le(memory_operand(t), 4, 0x1f80);
    }
    if (t->in.desc->attr & ATTR_VSIB) { /* all elements in one place */
        memset(t->c.fpu + FX_XMM + 16 * t->in.vindex, 0, 16);
        memset(t->c.fpu + FX_YMM + 16 * t->in.vindex, 0, 16);
    }
    if ((t->in.desc->attr & ATTR_REP) || op == op_maskmov) {
        t->c.gpr[REG_SI] = offset_in(&t->c, SEG_DS, t->data_at + 0x100);
        t->c.gpr[REG_DI] = offset_in(&t->c, SEG_DS, t->data_at + 0x800);
        t->c.gpr[REG_CX] = 3;
    }
}

static bool make_instance(struct trial *t)
{
    start_state(t);
    if (!write_bytes(t) || !aim(t))
        return false;
    prepare_flow(t);
    prepare_segments(t);
    prepare_system(t);
    prepare_data(t);
    if (t->in.desc != t->cell.row->desc || !is_aimed(t)) /* a register it wants is part of the address */
        return false;
    memcpy(t->c.image + CODE_AT, t->bytes, t->in.len);
    t->c.n_insns = 1;
    t->c.insns[0].gpa = CODE_AT;
    t->c.insns[0].len = t->in.len;
    return true;
}

/* --- running --- */

struct engines {
    struct fuzz_machine *interp, *bt;
    struct native *native; /* NULL: not here */
};

/* The exception that came, or -1. */
static int exception_of(const struct cpu *cpu)
{
    for (int v = 0; v < 32; v++)
        if (cpu->stats.exceptions[v])
            return v;
    return -1;
}

static void print_instance(const struct trial *t, const char *what)
{
    char text[80];

    disasm(text, sizeof(text), t->bytes, t->in.len, t->c.rip, t->c.code_size);
    printf("%s %s: %s:", mode_names[t->cell.mode], t->cell.row->text, text);
    for (unsigned n = 0; n < t->in.len; n++)
        printf(" %02x", t->bytes[n]);
    printf(": %s\n", what);
}

static bool has_translated(const struct fuzz_machine *m, uint64_t *before)
{
    struct bt_counter counters[64];
    unsigned n = bt_counters(m->bt, counters, ARRAY_SIZE(counters));

    for (unsigned i = 0; i < n; i++)
        if (!strcmp(counters[i].name, "entries from the dispatcher")) {
            bool is_more = counters[i].value > *before;

            *before = counters[i].value;
            return is_more;
        }
    return false;
}

static bool gives_random(const struct insn_desc *d) { return d->exec == op_rdrand || d->exec == op_rdseed; }

static enum outcome run(struct engines *e, const struct trial *t, int *vector)
{
    uint64_t entered = 0;
    char what[256];

    memset(e->interp->cpu->stats.exceptions, 0, sizeof(e->interp->cpu->stats.exceptions));
    machine_load(e->interp, &t->c);
    if (!machine_run(e->interp, 100)) {
        print_instance(t, "does not end");
        return DIFFERENT;
    }
    *vector = exception_of(e->interp->cpu);
    machine_load(e->bt, &t->c);
    (void)has_translated(e->bt, &entered);
    (void)machine_run(e->bt, 0);
    if (!has_translated(e->bt, &entered)) {
        print_instance(t, "did not run as translated code");
        return DIFFERENT;
    }
    if (!gives_random(t->in.desc) && machine_differ(e->interp, e->bt, &t->c, true, what, sizeof(what))) {
        print_instance(t, what);
        return DIFFERENT;
    }
    return *vector < 0 ? COMPLETED : RAISED;
}

/* Interpreter and host.  NO_INSTANCE: not for the host. */
static enum outcome run_natively(struct engines *e, struct trial *t)
{
    struct cpu *cpu = e->interp->cpu;
    char what[256];

    memset(cpu->stats.exceptions, 0, sizeof(cpu->stats.exceptions));
    machine_load(e->interp, &t->c);
    for (unsigned n = 0; n < 100 && !cpu->is_halted && !cpu->is_shutdown; n++)
        machine_step(e->interp, &t->c);
    if (!t->c.is_native || !e->interp->n_events)
        return NO_INSTANCE;
    if (!native_run(e->native, &t->c, e->interp, what, sizeof(what))) {
        print_instance(t, what);
        return DIFFERENT;
    }
    return exception_of(cpu) < 0 ? COMPLETED : RAISED;
}

/* --- the product --- */

static void print_cell(const struct cell *c, const char *what)
{
    printf("%-7s %-28s %s%s%s%s%s: %s\n", mode_names[c->mode], c->row->text, c->row->n_modrm ? c->is_mem ? "mem" : "reg" : "",
           c->has_66 ? " 66" : "", c->has_67 ? " 67" : "", c->has_lock ? " lock" : "", c->rep == 0xf3 ? " rep" : c->rep ? " repne" : "", what);
}

static void run_cell(struct engines *e, struct trial *t, const struct cell *cell, unsigned rounds, struct tally *tally, bool is_listing)
{
    int vector = -1, expected;
    unsigned done = 0, instances = 0;
    const char *why = reason_not_to_complete(e->interp->cpu, cell->row, cell->mode, &expected);
    char text[64];

    t->cell = *cell;
    for (unsigned n = 0; n < TRIES * rounds && done < rounds; n++) {
        enum outcome o;

        if (!make_instance(t))
            continue;
        instances++;
        o = run(e, t, &vector);
        if (o == DIFFERENT) {
            tally->differences++;
            return;
        }
        done += o == COMPLETED || (why && vector == expected);
    }
    if (!instances) /* the prefix selects another row, or the form does not exist */
        return;
    tally->cells++;
    tally->instances += instances;
    if (done && !why) {
        tally->covered++;
    } else if (done && vector == expected) {
        tally->explained++;
    } else {
        tally->holes++;
        snprintf(text, sizeof(text), "HOLE: %s %d", why ? "expected another exception than" : "exception", vector);
        print_cell(cell, text);
        return;
    }
    if (is_listing)
        print_cell(cell, why ? why : "covered");
}

static bool uses_addresses(const struct insn_desc *d, bool is_mem)
{
    return is_mem || (d->attr & ATTR_REP) || d->exec == op_maskmov || d->exec == op_xlat || d->exec == op_loop || d->exec == op_loope ||
           d->exec == op_loopne || d->exec == op_jcxz || d->operands[0] == Ob || d->operands[0] == Ov || d->operands[1] == Ob ||
           d->operands[1] == Ov;
}

static void run_native_cell(struct engines *e, struct trial *t, const struct cell *cell, unsigned rounds, struct tally *tally, bool is_listing)
{
    unsigned done = 0;

    t->cell = *cell;
    for (unsigned n = 0; n < TRIES * rounds && done < rounds; n++) {
        enum outcome o = make_instance(t) ? run_natively(e, t) : NO_INSTANCE;

        if (o == DIFFERENT) {
            tally->differences++;
            return;
        }
        done += o == COMPLETED;
    }
    tally->native_cells += done > 0;
    if (done && is_listing)
        print_cell(cell, "natively too");
}

static void run_row(struct engines *e, struct trial *t, const struct row *row, unsigned rounds, struct tally *tally, bool is_listing)
{
    const struct insn_desc *d = row->desc;
    unsigned cells = tally->cells, native_cells = tally->native_cells;
    const char *why = reason_not_native(e->interp->cpu, row);

    for (unsigned mode = 0; mode < ROW_MODES; mode++)
        for (unsigned form = 0; form < 2; form++)
            for (unsigned bits = 0; bits < 4; bits++)
                for (unsigned rep = 0; rep < ((d->attr & ATTR_REP) ? 3 : 1); rep++)
                    for (unsigned lock = 0; lock < ((d->attr & ATTR_LOCK) && form ? 2 : 1); lock++) {
                        struct cell c = {row, mode, form, bits & 1, bits & 2, lock, (const uint8_t[]){0, 0xf3, 0xf2}[rep], false};

                        if (form ? !row->has_mem : row->has_mem && !row->has_reg)
                            continue;
                        if (c.has_67 && !uses_addresses(d, form))
                            continue;
                        run_cell(e, t, &c, rounds, tally, is_listing);
                        c.is_native = true;
                        if (e->native && !why && (mode == ROW_PROT16 || mode == ROW_PROT32))
                            run_native_cell(e, t, &c, rounds, tally, is_listing);
                    }
    tally->rows++;
    if (tally->cells == cells) {
        printf("HOLE: no instance of %s in any mode\n", row->text);
        tally->holes++;
    }
    tally->native_rows += tally->native_cells != native_cells;
    tally->not_native_rows += why != NULL;
    if (e->native && !why && tally->native_cells == native_cells) {
        printf("HOLE: %s never completed natively\n", row->text);
        tally->holes++;
    }
}

int main(int argc, char **argv)
{
    static const struct option words[] = {{"seed", required_argument, NULL, 's'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"list", no_argument, NULL, 'l'},
                                          {"row", required_argument, NULL, 'o'},
                                          {"no-native", no_argument, NULL, 'n'},
                                          {0}};
    static struct rows rows;
    static struct trial t;
    struct bt_options bt = {.cache_bytes = MIB(8), .without = 1u << BT_TIERS};
    struct engines e = {machine_create(false, NULL), machine_create(true, &bt), NULL};
    struct tally tally = {0};
    const char *only = NULL, *why = "not wanted";
    bool is_listing = false, is_native_wanted = true;
    unsigned rounds = 1, unreachable;
    int o;

    t.rng.state = 1;
    while ((o = getopt_long(argc, argv, "", words, NULL)) != -1) {
        if (o == 's')
            t.rng.state = strtoull(optarg, NULL, 0);
        else if (o == 'r')
            rounds = (unsigned)strtoul(optarg, NULL, 0);
        else if (o == 'l')
            is_listing = true;
        else if (o == 'o')
            only = optarg;
        else if (o == 'n')
            is_native_wanted = false;
        else
            return 2;
    }
    if (is_native_wanted)
        e.native = native_create(&why);
    rows_find(&rows);
    unreachable = rows_unreachable(&rows);
    start_image(t.c.image);
    t.c.xcr0 = cpu_has_feature(e.interp->cpu, FEAT_XSAVE) ? xcr0_supported(e.interp->cpu) : 0;
    for (unsigned n = 0; n < rows.n; n++)
        if (!only || strstr(rows.row[n].text, only))
            run_row(&e, &t, &rows.row[n], rounds, &tally, is_listing);
    printf("%u rows, %u unreachable; %u cells: %u covered, %u explained, %u holes; %u instances, %u differences\n", tally.rows,
           unreachable, tally.cells, tally.covered, tally.explained, tally.holes, tally.instances, tally.differences);
    if (e.native)
        printf("natively too: %u rows, %u cells; %u rows are not for that\n", tally.native_rows, tally.native_cells, tally.not_native_rows);
    else
        printf("nothing was run natively: %s\n", why);
    machine_destroy(e.interp);
    machine_destroy(e.bt);
    return unreachable || tally.holes || tally.differences || !tally.cells;
}
