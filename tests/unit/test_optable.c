/* Invariants of the opcode table: what bt/ and the interpreter take for granted about every row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "cpu/optable.h"

typedef void row_fn(const struct insn_desc *d, void *opaque);

static void visit(const struct insn_desc *rows, unsigned count, row_fn *fn, void *opaque)
{
    for (unsigned n = 0; rows && n < count; n++)
        if (rows[n].name)
            fn(&rows[n], opaque);
}

static void for_each_row(row_fn *fn, void *opaque)
{
    visit(optable_1b, 256, fn, opaque);
    visit(optable_0f[0], 256 * PFX_COUNT, fn, opaque);
    visit(optable_0f38[0], 256 * PFX_COUNT, fn, opaque);
    visit(optable_0f3a[0], 256 * PFX_COUNT, fn, opaque);
    visit(&optable_ud, 1, fn, opaque);
    visit(&optable_movsxd, 1, fn, opaque);
    visit(&optable_xchg_r8, 1, fn, opaque);
    for (unsigned map = 0; map < VEX_MAPS; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (const struct vex_row *row = optable_vex[map][opcode]; row && row->l; row++)
                fn(&row->desc, opaque);
    for (unsigned g = 0; g < GRP_COUNT; g++) {
        visit(optable_groups[g].mem, 8, fn, opaque);
        visit(optable_groups[g].reg, 8, fn, opaque);
        visit(optable_groups[g].reg_rm, 64, fn, opaque);
    }
}

struct check {
    bool (*is_right)(const struct insn_desc *d);
    unsigned rows, failures;
};

static void check_row(const struct insn_desc *d, void *opaque)
{
    struct check *c = opaque;

    c->rows++;
    if (c->is_right(d))
        return;
    c->failures++;
    print_error("row \"%s\" (operand kinds %u %u %u)\n", d->name, d->operands[0], d->operands[1], d->operands[2]);
}

/* One check for all rows; says which row fails. */
static void check_rows(bool (*is_right)(const struct insn_desc *d))
{
    struct check c = {.is_right = is_right};

    for_each_row(check_row, &c);
    assert_true(c.rows > 1000);
    assert_int_equal(c.failures, 0);
}

static bool has_operand(const struct insn_desc *d, unsigned kind)
{
    return memchr(d->operands, kind, sizeof(d->operands)) != NULL;
}

/* --- form --- */

static bool is_well_formed(const struct insn_desc *d)
{
    bool is_over = false;

    for (unsigned n = 0; n < ARRAY_SIZE(d->operands); n++) {
        if (d->operands[n] >= OPERAND_COUNT || (is_over && d->operands[n]))
            return false;
        is_over |= d->operands[n] == OPERAND_NONE;
    }
    return d->exec && d->iclass <= INTERPRET && d->sens < SENS_COUNT && d->feature < FEAT_COUNT &&
           !(d->attr & ATTR_GROUP) && !((d->attr & ATTR_MEM_ONLY) && (d->attr & ATTR_REG_ONLY)) &&
           !(d->flags_undef & ~d->flags_written) && !((d->flags_read | d->flags_written) & ~(uint32_t)F_ALL);
}

static void rows_are_well_formed(void **state) { check_rows(is_well_formed); }

static void check_slots(const struct insn_desc *slots, unsigned count, unsigned *groups)
{
    for (unsigned n = 0; n < count; n++) {
        const struct opgroup_rows *g = &optable_groups[slots[n].mem_size % GRP_COUNT];

        if (!(slots[n].attr & ATTR_GROUP))
            continue;
        assert_null(slots[n].name);
        assert_in_range(slots[n].mem_size, 1, GRP_COUNT - 1);
        assert_non_null(g->mem);
        assert_true((g->reg != NULL) != (g->reg_rm != NULL));
        groups[slots[n].mem_size]++;
    }
}

static void every_group_has_a_slot(void **state)
{
    unsigned groups[GRP_COUNT] = {0};

    check_slots(optable_1b, 256, groups);
    check_slots(optable_0f[0], 256 * PFX_COUNT, groups);
    for (unsigned g = GRP_NONE + 1; g < GRP_COUNT; g++)
        assert_int_equal(groups[g], g == GRP_9_REP ? 2 : 1);
}

#define OP(name) op_##name,
static insn_fn *const all_ops[] = {OPS_ALU(OP) OPS_BMI(OP) OPS_STRING(OP) OPS_STACK(OP) OPS_FLOW(OP) OPS_SYSTEM(OP) OPS_FP(OP)};
#undef OP

static void mark_op(const struct insn_desc *d, void *opaque)
{
    bool *is_used = opaque;

    for (unsigned n = 0; n < ARRAY_SIZE(all_ops); n++)
        is_used[n] |= all_ops[n] == d->exec;
}

static void every_semantics_function_has_a_row(void **state)
{
    bool is_used[ARRAY_SIZE(all_ops)] = {0};

    for_each_row(mark_op, is_used);
    for (unsigned n = 0; n < ARRAY_SIZE(all_ops); n++)
        assert_true(is_used[n]);
}

/* --- memory --- */

static bool may_be_memory(unsigned kind)
{
    switch (kind) {
        /* clang-format off */
    case Eb: case Ew: case Ed: case Eq: case Ev: case Ey: case Ew_Rv: case Ed_w:
    case M: case Mb: case Mw: case Md: case Mq: case Mdq: case Mp: case Ma: case Ms: case Mt: case M512:
    case Menv: case Mfpu:
    case Ob: case Ov: case Xb: case Xv: case Xz: case Yb: case Yv: case Yz:
    case Qq: case Qd: case Wdq: case Wx: case Wps: case Wpd: case Wss: case Wsd: case Wq: case Wd: case Ww: case Wb_: case Mx:
        /* clang-format on */
        return true;
    default:
        return false;
    }
}

static bool has_right_direction(const struct insn_desc *d)
{
    bool is_accessed = d->attr & (ATTR_MEM_R | ATTR_MEM_W);
    bool has_memory = false;

    for (unsigned n = 0; n < ARRAY_SIZE(d->operands); n++)
        has_memory |= may_be_memory(d->operands[n]);
    if (d->exec == op_xlat || d->exec == op_maskmov) /* memory that is no operand */
        return is_accessed && d->mem_size;
    if ((d->attr & ATTR_NO16) || d->exec == op_invlpg)
        return has_memory && !is_accessed;
    return has_memory == is_accessed;
}

static void memory_operands_have_a_direction(void **state) { check_rows(has_right_direction); }

/* The destination stands first: what is written is operand 0. */
static bool writes_its_destination(const struct insn_desc *d)
{
    bool is_dest_memory = may_be_memory(d->operands[0]);

    if (d->exec == op_movs || d->exec == op_xlat || d->exec == op_maskmov)
        return true;
    if ((d->attr & ATTR_MEM_W) && !is_dest_memory)
        return false;
    /* Memory that is only read although it stands first: sources without a destination, and compares. */
    if (is_dest_memory && !(d->attr & ATTR_MEM_W) && d->operands[1])
        return d->exec == op_cmp || d->exec == op_test || d->exec == op_bt || d->exec == op_cmps ||
               (d->attr & ATTR_NO16);
    return true;
}

static void written_memory_is_the_first_operand(void **state) { check_rows(writes_its_destination); }

/* SDM 2A, "LOCK": ADD ADC AND BTC BTR BTS CMPXCHG CMPXCHG8B DEC INC NEG NOT OR SBB SUB XOR XADD XCHG */
static bool is_lock_right(const struct insn_desc *d)
{
    static insn_fn *const lockable[] = {op_add,     op_adc,       op_and, op_btc, op_btr,  op_bts,
                                        op_cmpxchg, op_cmpxchg8b, op_dec, op_inc, op_neg,  op_not,
                                        op_or,      op_sbb,       op_sub, op_xor, op_xadd, op_xchg};
    bool is_lockable = false;

    for (unsigned n = 0; n < ARRAY_SIZE(lockable); n++)
        is_lockable |= d->exec == lockable[n];
    is_lockable &= may_be_memory(d->operands[0]); /* not "add Gv, Ev" */
    if ((d->attr & ATTR_LOCK) && (d->attr & RW) != RW)
        return false;
    return is_lockable == (bool)(d->attr & ATTR_LOCK);
}

static void exactly_the_lockable_forms_may_be_locked(void **state) { check_rows(is_lock_right); }

static bool has_right_byte_size(const struct insn_desc *d)
{
    static const uint8_t byte_kinds[] = {Eb, Gb, Zb, AL_, Xb, Yb, Ob};
    bool has_byte = d->exec == op_xlat;

    for (unsigned n = 0; n < sizeof(byte_kinds); n++)
        has_byte |= has_operand(d, byte_kinds[n]);
    if (d->exec == op_movzx || d->exec == op_movsx || d->exec == op_crc32) /* the source is smaller */
        has_byte = false;
    return has_byte == (bool)(d->attr & ATTR_BYTE);
}

static void byte_forms_have_byte_size(void **state) { check_rows(has_right_byte_size); }

static bool has_right_x87_size(const struct insn_desc *d)
{
    static const struct {
        uint8_t kind;
        unsigned bytes;
    } sizes[] = {{Mw, 2}, {Md, 4}, {Mq, 8}, {Mt, 10}};

    if (d->exec != op_x87)
        return true;
    for (unsigned n = 0; n < ARRAY_SIZE(sizes); n++)
        if (d->operands[0] == sizes[n].kind)
            return d->mem_size == sizes[n].bytes && (d->attr & (ATTR_MEM_R | ATTR_MEM_W));
    return d->mem_size == 0 && !(d->attr & (ATTR_MEM_R | ATTR_MEM_W));
}

static void x87_memory_forms_have_exact_sizes(void **state) { check_rows(has_right_x87_size); }

/* --- class --- */

static bool has_right_class(const struct insn_desc *d)
{
    bool is_sensitive = d->iclass == SENSITIVE || d->iclass == PRIVILEGED;

    if (is_sensitive != (d->sens != SENS_NONE))
        return false;
    if (d->sens >= SENS_SGDT && d->sens <= SENS_INT && d->iclass != SENSITIVE)
        return false;
    if (d->exec == op_ud || (d->attr & ATTR_GUESTSTATE))
        return d->iclass == INTERPRET;
    if (d->exec == op_sse && d->operands[0] == Md && (d->attr & ATTR_MEM_R)) /* LDMXCSR: reserved bits are the model's */
        return d->iclass == INTERPRET;
    if (d->exec == op_sse || d->exec == op_x87)
        return d->iclass == INNOCUOUS;
    return true;
}

static void classes_and_counters_agree(void **state) { check_rows(has_right_class); }

static const struct {
    insn_fn *op;
    enum sensitive_id sens;
} counters[] = {
    {op_sgdt, SENS_SGDT},
    {op_sidt, SENS_SIDT},
    {op_sldt, SENS_SLDT},
    {op_str, SENS_STR},
    {op_smsw, SENS_SMSW},
    {op_pushf, SENS_PUSHF},
    {op_popf, SENS_POPF},
    {op_lar, SENS_LAR},
    {op_lsl, SENS_LSL},
    {op_verr, SENS_VERR},
    {op_verw, SENS_VERW},
    {op_mov_from_sreg, SENS_MOV_SREG},
    {op_mov_to_sreg, SENS_MOV_SREG},
    {op_push_sreg, SENS_PUSH_SREG},
    {op_pop_sreg, SENS_POP_SREG},
    {op_call_far_ptr, SENS_CALL_FAR},
    {op_call_far_ind, SENS_CALL_FAR},
    {op_jmp_far_ptr, SENS_JMP_FAR},
    {op_jmp_far_ind, SENS_JMP_FAR},
    {op_ret_far, SENS_RET_FAR},
    {op_int, SENS_INT},
    {op_int3, SENS_INT},
    {op_int1, SENS_INT},
    /* and the others */
    {op_iret, SENS_IRET},
    {op_cli, SENS_CLI},
    {op_sti, SENS_STI},
    {op_hlt, SENS_HLT},
    {op_in, SENS_IN},
    {op_out, SENS_OUT},
    {op_ins, SENS_INS},
    {op_outs, SENS_OUTS},
    {op_lgdt, SENS_LGDT},
    {op_lidt, SENS_LIDT},
    {op_lldt, SENS_LLDT},
    {op_ltr, SENS_LTR},
    {op_lmsw, SENS_LMSW},
    {op_clts, SENS_CLTS},
    {op_mov_from_cr, SENS_MOV_CR},
    {op_mov_to_cr, SENS_MOV_CR},
    {op_mov_from_dr, SENS_MOV_DR},
    {op_mov_to_dr, SENS_MOV_DR},
    {op_invlpg, SENS_INVLPG},
    {op_invd, SENS_INVD},
    {op_wbinvd, SENS_INVD},
    {op_rdmsr, SENS_RDMSR},
    {op_wrmsr, SENS_WRMSR},
    {op_rdtsc, SENS_RDTSC},
    {op_rdtscp, SENS_RDTSC},
    {op_rdpmc, SENS_RDPMC},
    {op_cpuid, SENS_CPUID},
    {op_sysenter, SENS_SYSENTER},
    {op_sysexit, SENS_SYSEXIT},
    {op_lseg_ptr, SENS_LSEG_PTR},
};

static bool has_right_counter(const struct insn_desc *d)
{
    for (unsigned n = 0; n < ARRAY_SIZE(counters); n++)
        if (d->exec == counters[n].op)
            return d->sens == counters[n].sens;
    return d->sens == SENS_NONE || d->sens == SENS_OTHER;
}

static void sensitive_instructions_have_their_counters(void **state) { check_rows(has_right_counter); }

static bool ends_block_if_it_must(const struct insn_desc *d)
{
    static insn_fn *const enders[] = {op_call_far_ptr, op_call_far_ind, op_jmp_far_ptr, op_jmp_far_ind, op_ret_far,
                                      op_iret,         op_int,          op_int1,        op_int3,        op_into,
                                      op_ud,           op_mov_to_cr,    op_mov_to_dr,   op_lmsw,        op_clts,
                                      op_popf,         op_sti,          op_mov_to_sreg, op_pop_sreg,    op_lseg_ptr,
                                      op_hlt,          op_mwait,        op_sysenter,    op_sysexit,     op_syscall,
                                      op_sysret,       op_rsm,          op_wrmsr,       op_xsetbv,      op_invlpg};
    bool must = d->iclass == BRANCH;

    for (unsigned n = 0; n < ARRAY_SIZE(enders); n++)
        must |= d->exec == enders[n];
    return must == (bool)(d->attr & ATTR_END_BLOCK);
}

static void blocks_end_where_flow_or_mode_changes(void **state) { check_rows(ends_block_if_it_must); }

static bool has_right_unit(const struct insn_desc *d)
{
    bool is_simd = d->attr & (ATTR_MMX | ATTR_SSE | ATTR_AVX);

    if (is_simd != (d->exec == op_sse || d->exec == op_maskmov || d->exec == op_vmaskmov || d->exec == op_gather))
        return false;
    if (d->exec == op_x87 && !(d->attr & ATTR_X87))
        return false;
    return !(d->attr & ATTR_X87_NOWAIT) || (d->attr & ATTR_X87);
}

static void fpu_rows_say_which_unit(void **state) { check_rows(has_right_unit); }

/* --- flags --- */

static bool reads_what_may_pass_through(const struct insn_desc *d)
{
    bool is_conditional = (has_operand(d, CL_) || (has_operand(d, Ib) && (d->exec == op_rol || d->exec == op_shl))) ||
                          d->exec == op_shld || d->exec == op_shrd || d->exec == op_cmps || d->exec == op_scas;

    return !is_conditional || !(d->flags_written & ~d->flags_read);
}

static void flags_that_may_stay_count_as_read(void **state) { check_rows(reads_what_may_pass_through); }

static bool has_right_string_attributes(const struct insn_desc *d)
{
    bool is_string = d->exec == op_movs || d->exec == op_cmps || d->exec == op_scas || d->exec == op_stos ||
                     d->exec == op_lods || d->exec == op_ins || d->exec == op_outs;

    return is_string == (bool)(d->attr & ATTR_REP) && (!is_string || (d->flags_read & EFLAGS_DF));
}

static void string_instructions_repeat(void **state) { check_rows(has_right_string_attributes); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_well_formed),
        cmocka_unit_test(every_group_has_a_slot),
        cmocka_unit_test(every_semantics_function_has_a_row),
        cmocka_unit_test(memory_operands_have_a_direction),
        cmocka_unit_test(written_memory_is_the_first_operand),
        cmocka_unit_test(exactly_the_lockable_forms_may_be_locked),
        cmocka_unit_test(byte_forms_have_byte_size),
        cmocka_unit_test(x87_memory_forms_have_exact_sizes),
        cmocka_unit_test(classes_and_counters_agree),
        cmocka_unit_test(sensitive_instructions_have_their_counters),
        cmocka_unit_test(blocks_end_where_flow_or_mode_changes),
        cmocka_unit_test(fpu_rows_say_which_unit),
        cmocka_unit_test(flags_that_may_stay_count_as_read),
        cmocka_unit_test(string_instructions_repeat),
    };

    return cmocka_run_group_tests_name("optable", tests, NULL, NULL);
}
