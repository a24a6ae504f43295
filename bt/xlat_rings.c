/* SYSENTER and SYSEXIT in place: CS and SS become flat without a look at a descriptor, and the context is another one; with paging, of the
 * other window of the address space.
 *
 * A context remembers the one that the instruction led to last (rings_note()).  With paging that one counts if its window is the peer of
 * the present one and was compared with the guest's tables in this epoch, as windows_peer() asks; else fast.c has a look. */
#include "bt/xlat.h"

#include "cpu/ops.h"

#define SELECTOR_BITS 0xfffc
#define FLAT_ATTR (SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED | SEG_ATTR_DB | SEG_ATTR_G)

/* Flags that SYSEXIT's target, of CPL 3, would depend on. */
#define EXIT_FLAGS (EFLAGS_IOPL | EFLAGS_AC)

struct rings {
    struct xlat *x;
    struct emit *e;
    bool is_exit;
    uint8_t *slow[5]; /* jumps to the call-out */
    unsigned n_slow;
};

void rings_note(const struct cpu *cpu, struct ctx *from, struct ctx *to)
{
    bool is_exit = (to->mode >> MODE_CPL_SHIFT & 3) != 0, changes_window = from->w != to->w;

    if (changes_window == ((from->mode & MODE_PG) != 0) && !(is_exit && (cpu->eflags & EXIT_FLAGS)))
        from->ring[is_exit] = to;
}

/* Go on if RCX is zero. */
static void slow_unless_zero(struct rings *r, unsigned jump)
{
    uint8_t *zero = emit_short(r->e, jump);

    r->slow[r->n_slow++] = emit_near(r->e, CC_JMP);
    emit_patch8(r->e, zero);
}

static void slow_if_zero(struct rings *r, unsigned jump)
{
    uint8_t *zero = emit_short(r->e, jump), *other = emit_short(r->e, CC_JMP);

    emit_patch8(r->e, zero);
    r->slow[r->n_slow++] = emit_near(r->e, CC_JMP);
    emit_patch8(r->e, other);
}

/* R10 = the present context, R8 = the other: R11 = its window. */
static void check_window(struct rings *r)
{
    struct emit *e = r->e;

    emit_load(e, H_R10, HMEM(H_R10, offsetof(struct ctx, w)), 8);
    emit_load(e, H_R11, HMEM(H_R8, offsetof(struct ctx, w)), 8);
    emit_load(e, H_R9, HMEM(H_R10, offsetof(struct window, peer)), 8);
    emit_not64(e, H_R9);
    emit_lea64(e, H_RCX, HMEM_X(H_R11, H_R9, 0, 1));                  /* lea  rcx, [r11+r9+1]: window - peer */
    slow_unless_zero(r, CC_JRCXZ);
    emit_load(e, H_R9, HMEM(H_R11, offsetof(struct window, synced_epoch)), 8);
    emit_load(e, H_RCX, HOT(minus_epoch), 8);
    emit_lea64(e, H_RCX, HMEM_X(H_RCX, H_R9, 0, 0));                  /* lea  rcx, [rcx+r9]      */
    slow_unless_zero(r, CC_JRCXZ);
    emit_load(e, H_R9, HMEM(H_R10, offsetof(struct window, last_use)), 8);
    emit_store(e, HMEM(H_R11, offsetof(struct window, last_use)), H_R9, 8);
}

/* R8 = the context to go to, with paging R11 = its window; RCX waits in hot.scratch. */
static void find(struct rings *r)
{
    struct emit *e = r->e;

    emit_store(e, HOT(scratch), H_RCX, 8);
    if (r->is_exit) {
        emit_load(e, H_RCX, CPU_FIELD(eflags), 4);
        emit_mov_ri32(e, H_R9, EXIT_FLAGS);
        emit_pext32(e, H_RCX, H_RCX, H_R9);
        slow_unless_zero(r, CC_JECXZ);
    }
    emit_load(e, H_RCX, CPU_FIELD(sysenter_cs), 4);
    emit_mov_ri32(e, H_R9, SELECTOR_BITS);
    emit_pext32(e, H_RCX, H_RCX, H_R9);
    slow_if_zero(r, CC_JECXZ);
    emit_load(e, H_R10, HOT(ctx), 8);
    emit_load(e, H_RCX, HMEM(H_R10, offsetof(struct ctx, ring) + (r->is_exit ? sizeof(struct ctx *) : 0)), 8);
    emit_mov_rr64(e, H_R8, H_RCX);
    slow_if_zero(r, CC_JRCXZ);
    if (r->x->mode & MODE_PG)
        check_window(r);
    emit_load(e, H_RCX, HOT(scratch), 8);
}

/* CS or SS = R9 + add, of 4 GiB. */
static void set_flat(struct rings *r, unsigned seg, unsigned add, uint32_t attr)
{
    struct emit *e = r->e;

    if (seg_class_of(r->x, seg) == SEGC_FLAT && (seg != SEG_CS || (r->x->mode & MODE_FLAT_CS))) {
        emit_lea32(e, H_R10, HMEM(H_R9, (attr << 16) + add));         /* lea  r10d, [r9+..]      */
        emit_store(e, CPU_SEG(seg, sel), H_R10, 4);                   /* mov  sel and attr, r10d */
        return;
    }
    emit_lea32(e, H_R10, HMEM(H_R9, add));
    emit_store(e, CPU_SEG(seg, sel), H_R10, 2);
    emit_store_imm(e, CPU_SEG(seg, attr), attr, 2);
    emit_store_imm(e, CPU_SEG(seg, base), 0, 8);
    emit_store_imm(e, CPU_SEG(seg, limit), 0xffffffff, 4);
    emit_store_imm(e, CPU_SEG(seg, is_null), 0, 1);
    emit_mov_ri32(e, H_R10, 0xffffffff);
    emit_not64(e, H_R10);
    emit_store(e, CPU_SEG_CHECK(seg, minus_limit), H_R10, 8);         /* -(limit + 1)            */
    emit_store_imm(e, CPU_SEG_CHECK(seg, base), 0, 8);
    emit_store_imm(e, CPU_SEG_CHECK(seg, minus_base), 0, 8);
}
_Static_assert(offsetof(struct segment, attr) == offsetof(struct segment, sel) + 2, "stored together");

static void copy(struct emit *e, struct hmem to, struct hmem from)
{
    emit_load(e, H_R9, from, 8);
    emit_store(e, to, H_R9, 8);
}

/* From one window of an address space to the other, R11. */
static void enter_window(struct emit *e, bool is_user)
{
    static const uint8_t wrgsbase_r10[] = {0xf3, 0x49, 0x0f, 0xae, 0xda};

    if (is_user)
        copy(e, HOT(system_base), HOT(window_base));
    emit_load(e, H_R10, HMEM(H_R11, offsetof(struct window, base)), 8);
    emit_store(e, HOT(window_base), H_R10, 8);
    emit_store(e, HOT(gs_base), H_R10, 8);
    emit_lea64(e, R_WINDOW_16, HMEM(H_R10, WINDOW_BIAS));
    emit_bytes(e, wrgsbase_r10, sizeof(wrgsbase_r10));
    emit_lea64(e, H_R9, HMEM(H_R11, offsetof(struct window, map)));
    emit_store(e, HOT(code_map), H_R9, 8);
    copy(e, HOT(soft_key), HMEM(H_R11, offsetof(struct window, soft_key)));
}

bool xlat_rings(struct xlat *x, const struct insn *in)
{
    struct rings r = {.x = x, .e = x->e, .is_exit = insn_is(in, op_sysexit)};
    unsigned cpl = r.is_exit ? 3 : 0, add = r.is_exit ? 16 + 3 : 0;
    struct emit *e = x->e;

    if ((!r.is_exit && !insn_is(in, op_sysenter)) || !mode_is_protected(x->mode) || !bt_has(x->bt, BT_RINGS) ||
        !x->bt->has_bmi2 || !x->bt->has_fsgsbase || (r.is_exit && (x->mode >> MODE_CPL_SHIFT & 3)))
        return false;
    find(&r);
    xlat_count(e, offsetof(struct cpu, stats.sens_executed) + 8 * in->desc->sens);
    emit_load(e, H_R9, CPU_FIELD(sysenter_cs), 4);
    xlat_and_neutral(e, H_R9, SELECTOR_BITS);
    set_flat(&r, SEG_CS, add, FLAT_ATTR | SEG_ATTR_CODE | cpl << SEG_ATTR_DPL_SHIFT);
    set_flat(&r, SEG_SS, add + 8, FLAT_ATTR | cpl << SEG_ATTR_DPL_SHIFT);
    if (!r.is_exit) {
        emit_load(e, H_R9, CPU_FIELD(eflags), 4);
        xlat_and_neutral(e, H_R9, ~(EFLAGS_IF | EFLAGS_RF));
        emit_store(e, CPU_FIELD(eflags), H_R9, 4);
    }
    emit_store_imm(e, CPU_FIELD(cpl), cpl, 1);
    emit_load(e, H_R9, HMEM(H_R8, offsetof(struct ctx, mode)), 4);
    emit_store(e, CPU_FIELD(mode), H_R9, 4);
    emit_store(e, HOT(ctx), H_R8, 8);
    if (x->mode & MODE_PG)
        enter_window(e, r.is_exit);
    emit_use_table(x->bt, e, H_R8);
    emit_load(e, H_RSP, HOT(ret_top), 8);                             /* mov  rsp, ret_top       */
    if (r.is_exit) {
        emit_mov_rr32(e, R_SP, H_RCX);
        emit_mov_rr32(e, H_R8, H_RDX);
    } else {
        emit_load(e, R_SP, CPU_FIELD(sysenter_esp), 4);
        emit_load(e, H_R8, CPU_FIELD(sysenter_eip), 4);
    }
    emit_jump_entry(x->bt, e);
    emit_jmp_reg(e, H_R10);                                           /* jmp  r10                */
    for (unsigned i = 0; i < r.n_slow; i++)
        emit_patch32(e, r.slow[i]);
    emit_load(e, H_RCX, HOT(scratch), 8);
    xlat_callout(x, in, false);
    return true;
}
