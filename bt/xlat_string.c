/* MOVS CMPS STOS LODS SCAS run as themselves, on 64-bit pointers into the window.
 *
 * Flat, 32-bit addresses: a window is 4 GiB-aligned, so truncation gives the guest's registers back, also when a fault stops a REP in the
 * middle.  Other segments and 16-bit addresses: the registers as they were wait in R10, R11 (and R8, ECX), and what the pointer moved is
 * merged into them.  With software lookup (xlat_soft.c) the interpreter runs them, a page at a time.  A REP with 16-bit addresses must stay inside 64 KiB, upwards; else it is called out. */
#include "bt/xlat.h"

#include "bt/check.h"
#include "cpu/ops.h"

struct string {
    struct xlat *x;
    struct emit *e;
    const struct insn *in;
    unsigned size;
    bool uses_si, uses_di, compares;
};

static bool is_plain(const struct string *s)
{
    return s->in->addrsize == 4 && (!s->uses_si || seg_class_of(s->x, s->in->seg) == SEGC_FLAT) &&
           (!s->uses_di || seg_class_of(s->x, SEG_ES) == SEGC_FLAT);
}

static void emit_itself(const struct string *s)
{
    if ((s->in->opcode & 1) && s->in->opsize == 2)
        emit_u8(s->e, 0x66);
    if (s->in->rep)
        emit_u8(s->e, s->in->rep);
    emit_u8(s->e, s->in->opcode);
}

/* A fault in the middle of REP CMPS or SCAS leaves the flags of before (SDM 2B, REP); some hosts leave the last comparison's. */
static void save_flags(const struct string *s)
{
    struct hinsn pop = {.op = {0x8f}, .n_op = 1, .has_modrm = true, .is_mem = true, .mem = HOT(flags_before)};

    emit_u8(s->e, 0x9c);                                                   /* pushfq                */
    emit_insn(s->e, &pop);                                                 /* pop flags_before      */
}

static void string_flat(const struct string *s)
{
    struct emit *e = s->e;

    if (s->uses_si && e->check)
        check_access(e, &HMEM(H_RSI, 0));
    if (s->uses_di && e->check)
        check_access(e, &HMEM(H_RDI, 0));
    if (s->uses_si)
        emit_lea64(e, H_RSI, HMEM_X(R_WINDOW_16, H_RSI, 0, -WINDOW_BIAS)); /* lea rsi, [r14+rsi-16] */
    if (s->uses_di)
        emit_lea64(e, H_RDI, HMEM_X(R_WINDOW_16, H_RDI, 0, -WINDOW_BIAS)); /* lea rdi, [r14+rdi-16] */
    if (s->compares && s->in->rep) {
        save_flags(s);
        xlat_recover(s->x, FIX_FLAGS);
    }
    emit_itself(s);
    if (s->uses_si)
        emit_mov_rr32(e, H_RSI, H_RSI);                                    /* mov esi, esi          */
    if (s->uses_di)
        emit_mov_rr32(e, H_RDI, H_RDI);                                    /* mov edi, edi          */
}

/* reg = host pointer of seg:[reg], or no canonical address.  R8, when single, and R9 are used. */
static void to_pointer(const struct string *s, int reg, unsigned seg)
{
    struct emit *e = s->e;
    unsigned class = seg_class_of(s->x, seg);
    bool is_wide = is_64k(s->x, seg), is_16 = s->in->addrsize == 2;
    /* One element is checked here; many, before. */
    bool is_inside = is_wide && is_16 && (s->size == 1 || s->in->rep);

    if (is_16)
        emit_movzx16(e, reg, reg);                                         /* movzx esi, si         */
    if (class == SEGC_BIG) {
        emit_load(e, H_R9, CPU_SEG(seg, base), 4);                         /* mov r9d, base         */
        emit_lea32(e, reg, HMEM_X(reg, H_R9, 0, 0));                       /* lea esi, [rsi+r9]     */
    } else if (class == SEGC_LIMITED) {
        if (!is_inside && is_wide && s->x->bt->has_bmi2) {
            xlat_check_64k(s->x, H_R8, reg, s->size);                      /* r8 = 0, or poison     */
            emit_load(e, H_R9, CPU_SEG_CHECK(seg, base), 8);               /* mov r9, base          */
            emit_lea64(e, reg, HMEM_X(reg, H_R8, 0, 0));                   /* lea rsi, [rsi+r8]     */
        } else if (is_inside) {
            emit_load(e, H_R9, CPU_SEG_CHECK(seg, base), 8);               /* mov r9, base          */
        } else {
            xlat_check_limit(s->x, seg, reg, s->size);                     /* r9 = base, or poison  */
        }
        if (e->check) {
            emit_lea64(e, reg, HMEM_X(reg, H_R9, 0, 0));
            check_access(e, &HMEM(reg, 0));
            emit_lea64(e, reg, HMEM_X(reg, R_WINDOW_16, 0, -WINDOW_BIAS));
            return;
        }
        emit_lea64(e, H_R9, HMEM_X(H_R9, R_WINDOW_16, 0, -WINDOW_BIAS));   /* lea r9, [r9+r14-16]   */
        emit_lea64(e, reg, HMEM_X(reg, H_R9, 0, 0));                       /* lea rsi, [rsi+r9]     */
        return;
    }
    if (e->check)
        check_access(e, &HMEM(reg, 0));
    emit_lea64(e, reg, HMEM_X(reg, R_WINDOW_16, 0, -WINDOW_BIAS));         /* lea rsi, [rsi+r14-16] */
}

/* dst = offset of the host pointer in reg; above bit 15 rubbish may remain. */
static void to_offset(const struct string *s, int dst, int reg, unsigned seg, int disp)
{
    emit_load(s->e, dst, CPU_SEG_CHECK(seg, minus_base), 4);               /* mov r9d, -base        */
    emit_lea32(s->e, dst, HMEM_X(dst, reg, 0, disp));                      /* lea r9d, [r9+rsi]     */
}

/* The guest's register, from the host pointer in reg and what reg was before. */
static void from_pointer(const struct string *s, int reg, unsigned seg, int before)
{
    if (s->in->addrsize == 4) {
        to_offset(s, H_R9, reg, seg, 0);
        emit_mov_rr32(s->e, reg, H_R9);
        return;
    }
    to_offset(s, H_R9, reg, seg, 0);
    emit_mov_rr64(s->e, reg, before);                                      /* mov rsi, r10          */
    emit_mov_rr16(s->e, reg, H_R9);                                        /* mov si, r9w           */
}

static void pointers(const struct string *s, unsigned fix)
{
    struct emit *e = s->e;

    if (s->uses_si)
        emit_mov_rr64(e, H_R10, H_RSI);                                    /* mov r10, rsi          */
    if (s->uses_di)
        emit_mov_rr64(e, H_R11, H_RDI);                                    /* mov r11, rdi          */
    if (s->uses_si)
        to_pointer(s, H_RSI, s->in->seg);
    if (s->uses_di)
        to_pointer(s, H_RDI, SEG_ES);
    xlat_recover(s->x, fix | (s->uses_si ? FIX_RSI_R10 | s->in->seg << FIX_SEG_SHIFT : 0) | (s->uses_di ? FIX_RDI_R11 : 0));
}

static void offsets(const struct string *s)
{
    if (s->uses_si)
        from_pointer(s, H_RSI, s->in->seg, H_R10);
    if (s->uses_di)
        from_pointer(s, H_RDI, SEG_ES, H_R11);
}

static void string_single(const struct string *s)
{
    pointers(s, FIX_NONE);
    emit_itself(s);
    offsets(s);
}

/* r8 += 0 if CX elements from reg on end inside 64 KiB. */
static void add_overrun(const struct string *s, int reg)
{
    struct emit *e = s->e;
    unsigned scale = s->size == 4 ? 2 : s->size == 2 ? 1 : 0;

    emit_movzx16(e, H_R9, H_RCX);                                          /* movzx r9d, cx         */
    emit_movzx16(e, H_R10, reg);                                           /* movzx r10d, si        */
    emit_lea32(e, H_R10, HMEM_X(H_R10, H_R9, scale, -1));                  /* lea r10d, [r10+r9*2-1] */
    emit_shrx64(e, H_R10, H_R10, R_WINDOW_16);                             /* shrx r10, r10, 16     */
    emit_lea64(e, H_R8, HMEM_X(H_R8, H_R10, 0, 0));                        /* lea r8, [r8+r10]      */
}

/* r8 = 0 if DF is clear. */
static void load_df(const struct string *s)
{
    struct emit *e = s->e;

    emit_u8(e, 0x9c);                                                      /* pushfq                */
    emit_u8(e, 0x41);
    emit_u8(e, 0x58);                                                      /* pop r8                */
    if (s->compares)
        emit_store(e, HOT(flags_before), H_R8, 8);                         /* mov flags_before, r8  */
    emit_mov_ri32(e, H_R9, EFLAGS_DF);
    emit_pext32(e, H_R8, H_R8, H_R9);                                      /* pext r8d, r8d, r9d    */
}

static void callout(const struct string *s)
{
    xlat_callout(s->x, s->in, true);
}

/* CX of the result into the saved ECX. */
static void count_back(const struct string *s)
{
    emit_mov_rr64(s->e, H_R9, H_RCX);                                      /* mov r9, rcx           */
    emit_mov_rr64(s->e, H_RCX, H_R8);                                      /* mov rcx, r8           */
    emit_mov_rr16(s->e, H_RCX, H_R9);                                      /* mov cx, r9w           */
}

/* REP CMPS and SCAS mostly stop long before CX elements: look afterwards whether they left the 64 KiB, and then do it again by a
 * call-out.  Reading too far is harmless without paging. */
static uint8_t *again_if_left(const struct string *s)
{
    struct emit *e = s->e;
    struct hinsn push = {.op = {0xff}, .n_op = 1, .has_modrm = true, .is_mem = true, .reg = 6, .mem = HOT(flags_before)};
    uint8_t *ok, *done;

    emit_store(e, HOT(scratch), H_RCX, 8);                                 /* mov scratch, rcx      */
    to_offset(s, H_RCX, H_RDI, SEG_ES, -1);
    emit_shrx64(e, H_RCX, H_RCX, R_WINDOW_16);                             /* shrx rcx, rcx, 16     */
    if (s->uses_si) {
        to_offset(s, H_R9, H_RSI, s->in->seg, -1);
        emit_shrx64(e, H_R9, H_R9, R_WINDOW_16);
        emit_lea64(e, H_RCX, HMEM_X(H_RCX, H_R9, 0, 0));                   /* lea rcx, [rcx+r9]     */
    }
    ok = emit_short(e, CC_JECXZ);
    if (s->uses_si)
        emit_mov_rr64(e, H_RSI, H_R10);
    emit_mov_rr64(e, H_RDI, H_R11);
    emit_mov_rr64(e, H_RCX, H_R8);
    emit_insn(e, &push);                                                   /* push flags_before     */
    emit_u8(e, 0x9d);                                                      /* popfq                 */
    xlat_recover(s->x, FIX_FLAGS);
    callout(s);
    done = emit_near(e, CC_JMP);
    emit_patch8(e, ok);
    emit_load(e, H_RCX, HOT(scratch), 8);                                  /* mov rcx, scratch      */
    return done;
}

static void string_repeated_16(const struct string *s)
{
    struct emit *e = s->e;
    bool is_early = s->compares && !(s->x->mode & MODE_PG);
    uint8_t *inside, *outside, *done = NULL;

    load_df(s);
    if (s->uses_si && !is_early)
        add_overrun(s, H_RSI);
    if (s->uses_di && !is_early)
        add_overrun(s, H_RDI);
    emit_mov_rr64(e, H_R11, H_RCX);                                        /* mov r11, rcx          */
    emit_mov_rr64(e, H_RCX, H_R8);                                         /* mov rcx, r8           */
    inside = emit_short(e, CC_JECXZ);
    emit_mov_rr64(e, H_RCX, H_R11);
    callout(s);
    outside = emit_near(e, CC_JMP);
    emit_patch8(e, inside);
    emit_mov_rr64(e, H_R8, H_R11);                                         /* mov r8, rcx as it was */
    emit_movzx16(e, H_RCX, H_R11);                                         /* movzx ecx, r11w       */
    pointers(s, s->compares ? FIX_REP16 | FIX_FLAGS : FIX_REP16);
    emit_itself(s);
    if (is_early)
        done = again_if_left(s);
    offsets(s);
    count_back(s);
    if (done)
        emit_patch32(e, done);
    emit_patch32(e, outside);
}

bool xlat_string(struct xlat *x, const struct insn *in)
{
    struct string s = {
        .x = x,
        .e = x->e,
        .in = in,
        .size = in->opcode & 1 ? in->opsize : 1,
        .uses_si = insn_is(in, op_movs) || insn_is(in, op_cmps) || insn_is(in, op_lods),
        .uses_di = !insn_is(in, op_lods),
        .compares = insn_is(in, op_cmps) || insn_is(in, op_scas),
    };
    bool is_64k_each = (!s.uses_si || seg_class_of(x, in->seg) != SEGC_LIMITED || is_64k(x, in->seg)) &&
                       (!s.uses_di || seg_class_of(x, SEG_ES) != SEGC_LIMITED || is_64k(x, SEG_ES));

    if (insn_is(in, op_ins) || insn_is(in, op_outs) || in->addrsize == 8 || in->opsize == 8)
        return false;
    if ((s.uses_si && seg_class_of(x, in->seg) == SEGC_ODD) || (s.uses_di && seg_class_of(x, SEG_ES) == SEGC_ODD))
        return false;
    if (is_plain(&s) && x->soft != SITE_NONE)
        xlat_callout_string(x, in, (s.uses_si ? SOFT_SI : 0u) | (s.uses_di ? SOFT_DI : 0u) | (s.uses_di && !s.compares ? SOFT_WRITES : 0u));
    else if (is_plain(&s))
        string_flat(&s);
    else if (!in->rep)
        string_single(&s);
    else if (in->addrsize == 2 && is_64k_each && x->bt->has_bmi2)
        string_repeated_16(&s);
    else
        return false;
    return true;
}
