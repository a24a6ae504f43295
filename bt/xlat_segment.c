/* Segment loads of protected mode in place: MOV and POP to a segment register, LDS and its kin.
 *
 * The selector leads to an entry of segments.h.  The descriptor that lies in the guest's table is read, through the window, as
 * the processor would; if it is the one the entry was made from, the segment register becomes what the entry says.  A segment of another kind
 * (segment_kind()) changes the mode: then control goes on in another context, through its jump table.  Whatever is not known calls
 * segments_resolve_load(), and the instruction begins again.
 *
 * The tables belong to the supervisor: at CPL 3 with paging they are read in the other window of the address space. */
#include "bt/segments.h"
#include "bt/xlat.h"

#include "bt/fast.h"
#include "cpu/ops.h"

#define ENTRY(field) HMEM(H_R10, offsetof(struct seg_entry, field))

bool xlat_sees_tables(const struct xlat *x)
{
    return mode_is_protected(x->mode) && x->bt->segments;
}

static bool is_user(const struct xlat *x)
{
    return (x->mode & MODE_PG) && (x->mode >> MODE_CPL_SHIFT & 3) == 3;
}

/* dst = address of the entry R9 of an array; R9 is an index already. */
static void entry_address(struct emit *e, size_t array)
{
    emit_load(e, H_R10, HOT(segments), 8);                            /* mov  r10, segments      */
    emit_rorx32(e, H_R9, H_R9, 32 - SEG_ENTRY_SHIFT);
    emit_lea64(e, H_R10, HMEM_X(H_R10, H_R9, 0, array));              /* lea  r10, [r10+r9+array] */
}

uint8_t *xlat_segment_entry(struct xlat *x, size_t array)
{
    struct emit *e = x->e;
    uint8_t *known, *unknown;

    emit_store(e, HOT(scratch), H_RCX, 8);                            /* mov  scratch, rcx       */
    emit_mov_ri32(e, H_R9, SEG_INDEX_BITS);
    emit_pext32(e, H_R9, H_R11, H_R9);                                /* pext r9d, r11d, r9d     */
    entry_address(e, array);
    emit_load(e, H_RCX, ENTRY(minus_id), 4);
    emit_lea32(e, H_RCX, HMEM_X(H_RCX, H_R11, 0, (x->mode >> MODE_CPL_SHIFT & 3) << SEG_ID_CPL_SHIFT));
    known = emit_short(e, CC_JECXZ);                                  /* jecxz known             */
    unknown = emit_near(e, CC_JMP);
    emit_patch8(e, known);
    return unknown;
}

uint8_t *xlat_segment_verify(struct xlat *x)
{
    struct hmem base = CPU_FIELD(gdtr.base), limit = CPU_FIELD(gdtr.limit), there = HMEM_X(H_R8, H_R9, 0, 0);
    struct emit *e = x->e;
    uint8_t *same, *differs;

    base.index = limit.index = H_R9;
    there.is_gs = !is_user(x);
    emit_load(e, H_R9, ENTRY(table), 4);
    emit_load(e, H_R8, base, 4);                                      /* mov  r8d, base          */
    emit_load(e, H_R9, limit, 4);                                     /* mov  r9d, limit         */
    emit_load(e, H_RCX, ENTRY(index), 4);
    emit_lea32(e, H_R8, HMEM_X(H_R8, H_RCX, 0, 0));                   /* lea  r8d, [r8+rcx]      */
    emit_load(e, H_RCX, ENTRY(minus_last), 8);
    emit_lea64(e, H_R9, HMEM_X(H_R9, H_RCX, 0, 0));                   /* lea  r9, [r9+rcx]: negative if beyond the limit */
    emit_bswap64(e, H_R9);
    emit_movsx8_64(e, H_R9, H_R9);                                    /* movsx r9, r9b           */
    emit_shrx64(e, H_R9, H_R9, R_WINDOW_16);                          /* 0, or no canonical address */
    if (is_user(x)) {
        emit_load(e, H_RCX, HOT(system_base), 8);
        emit_lea64(e, H_R9, HMEM_X(H_R9, H_RCX, 0, 0));               /* lea  r9, [r9+rcx]       */
    }
    emit_load(e, H_RCX, HOT(scratch), 8);                             /* the guest's, should this fault */
    emit_load(e, H_R8, there, 8);                                     /* mov  r8, gs:[r8+r9]     */
    emit_load(e, H_R9, ENTRY(minus_raw), 8);
    emit_lea64(e, H_RCX, HMEM_X(H_R8, H_R9, 0, 0));                   /* lea  rcx, [r8+r9]       */
    same = emit_short(e, CC_JRCXZ);
    differs = emit_near(e, CC_JMP);
    emit_patch8(e, same);
    return differs;
}

static void copy(struct emit *e, unsigned seg, size_t from, size_t to, unsigned len)
{
    const size_t base = offsetof(struct cpu, seg) + seg * sizeof(struct segment) + to;

    for (unsigned i = 0; i < len; i += 8) {
        emit_load(e, H_R9, HMEM(H_R10, from + i), 8);                 /* mov  r9, [r10+..]       */
        emit_store(e, CPU_AT(base + i), H_R9, 8);                /* mov  [..], r9           */
    }
}

static void copy_check(struct emit *e, unsigned seg, size_t field)
{
    emit_load(e, H_R9, HMEM(H_R10, offsetof(struct seg_entry, check) + field), 8);
    emit_store(e, CPU_AT(offsetof(struct cpu, seg_check) + seg * sizeof(struct seg_check) + field), H_R9, 8);
}

static void copy_segment(struct emit *e, unsigned seg)
{
    copy(e, seg, offsetof(struct seg_entry, seg), 0, sizeof(struct segment));
    copy_check(e, seg, offsetof(struct seg_check, minus_limit));
    copy_check(e, seg, offsetof(struct seg_check, base));
    copy_check(e, seg, offsetof(struct seg_check, minus_base));
}

/* The same where the segment is of the kind that was there: flat ones differ in selector and rights only. */
static void copy_same(struct xlat *x, unsigned seg)
{
    const size_t at = offsetof(struct segment, limit); /* limit, selector, rights */

    if (seg_class_of(x, seg) == SEGC_FLAT)
        copy(x->e, seg, offsetof(struct seg_entry, seg) + at, at, 8);
    else
        copy_segment(x->e, seg);
}

/* What the instruction does besides. */
struct load {
    unsigned seg;
    unsigned pop_bytes;
    int reg;          /* of LDS and kin, whose offset waits in hot.fast_value; -1: none */
    unsigned opsize;
};

static void finish(struct xlat *x, const struct insn *in, const struct load *l)
{
    emit_load(x->e, H_RCX, HOT(scratch), 8);
    if (l->pop_bytes)
        xlat_stack_move(x, (int)l->pop_bytes);
    if (l->reg >= 0) {
        emit_load(x->e, H_R8, HOT(fast_value), 8);
        if (l->opsize == 2)
            emit_mov_rr16(x->e, host_reg(l->reg), H_R8);              /* mov  r16, r8w           */
        else
            emit_mov_rr32(x->e, host_reg(l->reg), H_R8);
    }
    xlat_count(x->e, offsetof(struct cpu, stats.sens_executed) + 8 * in->desc->sens);
}

/* The segment register = that of the entry R10, context = R11. */
static void change(const struct bt *bt, struct emit *e, unsigned seg)
{
    emit_store(e, HOT(ctx), H_R11, 8);
    emit_load(e, H_R9, HMEM(H_R11, offsetof(struct ctx, mode)), 4);
    emit_store(e, CPU_FIELD(mode), H_R9, 4);
    copy_segment(e, seg);
    emit_use_table(bt, e, H_R11);
}

void segments_generate(struct bt *bt, struct emit *e)
{
    for (unsigned seg = 0; seg < SEG_COUNT; seg++) {
        bt->stub_change[seg] = emit_here(e);
        change(bt, e, seg);
        emit_ret(e);
    }
}

void xlat_segment_change(struct xlat *x, unsigned seg)
{
    struct emit *e = x->e;

    if (seg == SEG_CS)
        change(x->bt, e, seg);
    else
        emit_call(e, x->bt->stub_change[seg]); /* code has more of these than of far transfers */
    emit_load(e, H_RSP, HOT(ret_top), 8);                             /* mov  rsp, ret_top       */
    emit_jump_entry(x->bt, e);
    emit_jmp_reg(e, H_R10);                                           /* jmp  r10: each site's own, for the host's prediction */
}

/* The segment's kind is another: R10 = entry.  Jumps up to the place if there is no such context yet. */
static void change_context(struct xlat *x, const struct insn *in, const struct load *l, const uint8_t *unknown)
{
    struct hmem next = HMEM_X(H_R8, H_R9, 3, offsetof(struct ctx, next) + l->seg * sizeof(((struct ctx *)0)->next[0]));
    struct emit *e = x->e;

    emit_load(e, H_R9, ENTRY(kind), 4);
    emit_load(e, H_R8, HOT(ctx), 8);
    emit_load(e, H_RCX, next, 8);                                     /* mov  rcx, [r8+r9*8+next] */
    emit_short_back(e, CC_JRCXZ, unknown);
    emit_mov_rr64(e, H_R11, H_RCX);
    finish(x, in, l);
    emit_mov_ri32(e, H_R8, xlat_next_rip(x, in));
    emit_note(e, RELOC_EIP, e->p - 4);
    xlat_segment_change(x, l->seg);
}

/* R11 = selector, zero-extended.  Null ones need no descriptor. */
static void load(struct xlat *x, const struct insn *in, const struct load *l)
{
    bool may_be_null = l->seg != SEG_SS, may_change = l->seg != SEG_SS;
    uint8_t *unknown, *differs, *other, *is_null = NULL, *place, *done[2];
    const uint8_t *verified, *slow;
    struct emit *e = x->e;

    xlat_segment_end(x); /* what follows may be executed elsewhere */
    unknown = xlat_segment_entry(x, l->seg == SEG_SS ? offsetof(struct segments, stack) : offsetof(struct segments, data));
    differs = xlat_segment_verify(x);
    verified = emit_here(e);
    emit_load(e, H_RCX, ENTRY(minus_kind), 4);
    emit_lea32(e, H_RCX, HMEM(H_RCX, segment_kind(x->mode, l->seg))); /* lea  ecx, [rcx+kind]    */
    place = emit_short(e, CC_JECXZ);
    other = emit_near(e, CC_JMP);
    emit_patch8(e, place);
    copy_same(x, l->seg);
    finish(x, in, l);
    done[0] = emit_near(e, CC_JMP);

    emit_patch32(e, unknown);
    if (may_be_null) {
        emit_mov_ri32(e, H_RCX, 0xfffc);
        emit_pext32(e, H_RCX, H_R11, H_RCX);                          /* pext ecx, r11d, ecx     */
        is_null = emit_short(e, CC_JECXZ);
    }
    emit_patch32(e, differs);
    slow = emit_here(e);
    if (!may_change)
        emit_patch32(e, other);
    emit_load(e, H_RCX, HOT(scratch), 8);
    emit_store(e, HOT(fast_operand), H_R11, 8);
    xlat_resolve(x, in, FAST_SEGMENT, l->seg);
    done[1] = emit_near(e, CC_JMP);
    if (may_be_null) {
        emit_patch8(e, is_null);
        emit_mov_rr32(e, H_R9, H_R11);
        entry_address(e, offsetof(struct segments, null));
        emit_near_back(e, verified);
    }
    if (may_change) {
        emit_patch32(e, other);
        change_context(x, in, l, slow);
    }
    emit_patch32(e, done[0]);
    emit_patch32(e, done[1]);
    xlat_segment_begin(x);
}

/* MOV and POP to SS: no interrupt, and no debug trap, may come between them and the next instruction, which must not fault either. */
static bool may_load(const struct xlat *x, unsigned seg, bool has_shadow)
{
    const struct insn *next = &x->insns[x->i + 1];

    if (seg == SEG_CS || seg >= SEG_COUNT)
        return false;
    return seg != SEG_SS || !has_shadow || (x->i + 1 < x->n && (insn_is(next, op_mov) || insn_is(next, op_lea)) && (!next->is_mem || insn_is(next, op_lea)));
}

static bool mov_to_sreg(struct xlat *x, const struct insn *in)
{
    if (!may_load(x, in->reg, true) || !xlat_load_selector(x, in))
        return false;
    load(x, in, &(struct load){.seg = in->reg, .reg = -1});
    if (in->reg == SEG_SS)
        x->shadowed = x->i + 1;
    return true;
}

static bool pop_sreg(struct xlat *x, const struct insn *in)
{
    unsigned seg = in->opcode >> 3 & 7;
    struct hmem slot;

    if (!may_load(x, seg, true) || !xlat_stack_slot(x, 0, in->opsize, &slot))
        return false;
    emit_load(x->e, H_R11, slot, in->opsize);                         /* mov  r11d, [sp]         */
    if (in->opsize == 4)
        emit_movzx16(x->e, H_R11, H_R11);
    load(x, in, &(struct load){.seg = seg, .pop_bytes = in->opsize, .reg = -1});
    if (seg == SEG_SS)
        x->shadowed = x->i + 1;
    return true;
}

/* LES LDS LSS LFS LGS */
static bool load_pointer(struct xlat *x, const struct insn *in)
{
    unsigned seg = in->map == MAP_1B ? (in->opcode == 0xc4 ? SEG_ES : SEG_DS) : in->opcode == 0xb2 ? SEG_SS : in->opcode & 7;
    struct hmem m, sel;

    if (!in->is_mem || !may_load(x, seg, false) || !xlat_far_pointer(x, in, &m, &sel))
        return false;
    emit_load(x->e, H_R11, sel, 2);                                   /* movzx r11d, word [mem+..] */
    emit_load(x->e, H_R8, m, in->opsize);                             /* mov  r8d, [mem]         */
    emit_store(x->e, HOT(fast_value), H_R8, 8);
    load(x, in, &(struct load){.seg = seg, .reg = in->reg, .opsize = in->opsize});
    return true;
}

bool xlat_segment(struct xlat *x, const struct insn *in)
{
    if (!xlat_sees_tables(x))
        return false;
    if (insn_is(in, op_mov_to_sreg))
        return mov_to_sreg(x, in);
    if (insn_is(in, op_pop_sreg))
        return pop_sreg(x, in);
    if (insn_is(in, op_lseg_ptr))
        return load_pointer(x, in);
    return false;
}
