/* Branches: chained block to block, calls and returns paired with the host's.
 *
 * A direct jump within the page is patched to the target block's entry.  Across pages the target's mapping may change without
 * the source's, so the jump first compares the frame the window has for the target page.  A translated CALL is a
 * host call on the return stack; its return point compares the guest address popped by RET (in R8) with the one expected. */
#include "bt/xlat.h"

#include <string.h>
#include "cpu/ops.h"

static bool is_same_page(const struct xlat *x, uint32_t rip)
{
    return ((rip + x->cs_base) ^ (x->b->guest_rip + x->cs_base)) >> 12 == 0 && !x->b->second_frame;
}

static void add_exit(struct xlat *x, uint8_t *place, uint32_t target)
{
    if (x->n_exits < XLAT_MAX_EXITS)
        x->exits[x->n_exits++] = (struct xlat_exit){.place = place, .target = target, .gated = x->gated};
}

/* The comparison of the jump whose exit was added last. */
static void add_predict(struct xlat *x, uint8_t *place, uint32_t next)
{
    add_exit(x, place, next);
    x->exits[x->n_exits - 1].is_predict = true;
}

void xlat_exit_direct(struct xlat *x, uint32_t target)
{
    add_exit(x, emit_near(x->e, CC_JMP), target);
}

const uint8_t *xlat_expect_r8(struct emit *e, uint32_t expected, const uint8_t *otherwise, const uint8_t *jump)
{
    emit_lea32(e, H_RCX, HMEM(H_R8, -(int64_t)expected));     /* lea  ecx, [r8-expected]  */
    emit_note(e, RELOC_MINUS_EIP, e->p - 4);
    uint8_t *ok = emit_short(e, CC_JRCXZ);                    /* jrcxz ok                 */

    if (jump && emit_here(e) + 2 - jump <= 128) {
        emit_short_back(e, CC_JMP, jump);
    } else {
        jump = emit_here(e);
        emit_jmp(e, otherwise);
    }
    emit_patch8(e, ok);
    emit_mov_rr64(e, H_RCX, H_R9);                            /* ok: mov rcx, r9          */
    return jump;
}

void xlat_finish_exits(struct xlat *x)
{
    struct bt *bt = x->bt;

    x->b->exits = cache_off(bt, emit_here(&bt->cold));
    x->b->n_exits = (uint8_t)x->n_exits;
    for (unsigned i = 0; i < x->n_exits; i++) {
        const struct xlat_exit *ex = &x->exits[i];
        uint32_t jump_end = (uint32_t)(ex->place - bt->codemem.write), flags = (uint32_t)ex->gated << CHAIN_GATED_SHIFT;
        bool is_predicted = i + 1 < x->n_exits && x->exits[i + 1].is_predict;

        if (!is_predicted && !is_same_page(x, ex->target))
            flags |= CHAIN_CROSSES_PAGE;
        if (ex->is_predict)
            emit_exit(bt, bt->stub_predict, ex->target, jump_end);
        else
            emit_exit(bt, bt->stub_chain, ex->target, jump_end | flags);
    }
}

void emit_exit(struct bt *bt, const uint8_t *stub, uint32_t target_rip, uint32_t jump_end)
{
    struct chain_site site = {.target_rip = target_rip, .jump_end = jump_end};
    uint32_t end = jump_end & CHAIN_OFFSET;
    int32_t rel = (int32_t)(cache_off(bt, emit_here(&bt->cold)) - end);

    memcpy(bt->codemem.write + end - 4, &rel, 4);
    emit_call(&bt->cold, stub);
    emit_bytes(&bt->cold, &site, sizeof(site));
}

/* A guard is emitted when its jump is first taken, at the end of the cache, on the way to the target. */
const uint8_t *xlat_emit_guard(struct bt *bt, const struct ctx *ctx, const struct block *target, uint32_t entry)
{
    struct emit *e = &bt->e;
    const uint8_t *guard = emit_here(e);
    uint32_t page = block_linear(bt, target) >> 12;

    emit_load_code(e, page);                                         /* r8d = frame + 1 now        */
    emit_mov_rr64(e, H_R9, H_RCX);                                   /* mov  r9, rcx               */
    emit_lea32(e, H_RCX, HMEM(H_R8, 0u - window_code(ctx->w, page)));       /* lea  ecx, [r8-(frame+1)]   */
    uint8_t *ok = emit_short(e, CC_JECXZ);                           /* jecxz ok                   */
    emit_mov_rr64(e, H_RCX, H_R9);
    emit_mov_ri32(e, H_R8, target->guest_rip);
    emit_jmp(e, bt->stub_indirect);
    emit_patch8(e, ok);
    emit_mov_rr64(e, H_RCX, H_R9);                                   /* ok: mov rcx, r9            */
    emit_jmp(e, bt->codemem.exec + entry);                           /* jmp  target                */
    return guard;
}

/* Target of a direct branch; false if it leaves the code segment (#GP by the interpreter). */
static bool direct_target(const struct xlat *x, const struct insn *in, uint32_t *target)
{
    uint32_t t = x->rips[x->i] + in->len + (uint32_t)in->imm;

    if (in->opsize == 2)
        t &= 0xffff;
    *target = t;
    return t <= x->cs_limit;
}

/* Indirect branches may only be followed blindly where every value is within the limit. */
static bool any_target_fits(const struct xlat *x, unsigned size)
{
    return x->cs_limit == 0xffffffffu || (size == 2 && x->cs_limit >= 0xffff);
}

/* Jumps through a fixed place in memory mostly go to one target: PLT entries, method tables.  Switch tables have an index. */
static bool is_predictable(const struct xlat *x, const struct insn *in)
{
    return bt_has(x->bt, BT_PREDICT) && in->is_mem && in->index == INSN_NO_REG && in->opsize == 4 && in->addrsize == 4 &&
           x->cs_limit == 0xffffffffu;
}

/* Jump or call to EIP = R8, by comparing it with where it went the first time, see fast_predict(). */
static void predicted(struct xlat *x, uint32_t next, bool is_call)
{
    struct emit *e = x->e;
    uint8_t *compare, *hit, *over = NULL;

    emit_mov_rr64(e, H_R9, H_RCX);                            /* mov   r9, rcx            */
    compare = emit_near(e, CC_JMP);                           /* jmp   exit, then         */
    emit_u8(e, 0xcc);                                         /*   lea ecx, [r8-target]   */
    emit_u8(e, 0xcc);
    hit = emit_short(e, CC_JRCXZ);                            /* jrcxz hit                */
    emit_table_entry(x->bt, e, H_R10);                        /* R9 is RCX                */
    if (is_call) {
        emit_call_reg(e, H_R10);                              /* call  r10                */
        over = emit_short(e, CC_JMP);                         /* jmp   over               */
    } else {
        emit_jmp_reg(e, H_R10);                               /* jmp   r10                */
    }
    emit_patch8(e, hit);
    emit_mov_rr64(e, H_RCX, H_R9);                            /* hit: mov rcx, r9         */
    emit_u8(e, is_call ? 0xe8 : 0xe9);                        /* jmp or call target       */
    emit_u32(e, 0);
    add_exit(x, e->p, next);
    add_predict(x, compare, next);
    if (over)
        emit_patch8(e, over);
}

/* Return address to the guest stack; R8-R10 used. */
static bool push_return(struct xlat *x, uint32_t ret, unsigned size)
{
    struct hmem slot;

    if (!xlat_stack_slot(x, -(int)size, size, &slot))
        return false;
    emit_store_imm(x->e, slot, ret, size);
    emit_note(x->e, RELOC_EIP, x->e->p - 4);
    xlat_stack_pushed(x, size);
    xlat_stack_sync(x);
    return true;
}

/* After a host call: the callee's RET came back with the guest's return address in R8. */
static void return_point(struct xlat *x, uint32_t ret)
{
    x->return_miss = xlat_expect_r8(x->e, ret, x->bt->stub_return_miss, x->return_miss);
    x->gated = GATE_NONE;
    xlat_segment_end(x);
    if (x->i + 1 == x->n)
        xlat_exit_direct(x, ret);
}

static uint32_t return_address(const struct xlat *x, const struct insn *in)
{
    uint32_t ret = xlat_next_rip(x, in);

    return in->opsize == 2 ? ret & 0xffff : ret;
}

static bool flow_call_rel(struct xlat *x, const struct insn *in)
{
    uint32_t target, ret = return_address(x, in);

    if (!direct_target(x, in, &target) || !push_return(x, ret, in->opsize))
        return false;
    emit_u8(x->e, 0xe8);
    emit_u32(x->e, 0);
    add_exit(x, x->e->p, target);                      /* call target              */
    return_point(x, ret);
    return true;
}

/* The new EIP into reg, from register or memory.  size 2 is zero-extended. */
static bool load_target(struct xlat *x, const struct insn *in, int reg)
{
    struct hmem m;

    if (!any_target_fits(x, in->opsize))
        return false;
    if (in->is_mem) {
        if (!xlat_mem(x, in, in->opsize, &m))
            return false;
        emit_load(x->e, reg, m, in->opsize);
    } else if (in->opsize == 2) {
        emit_movzx16(x->e, reg, host_reg(in->rm));
    } else {
        emit_mov_rr32(x->e, reg, host_reg(in->rm));
    }
    return true;
}

static bool flow_jmp_ind(struct xlat *x, const struct insn *in)
{
    if (!load_target(x, in, H_R8))
        return false;
    if (is_predictable(x, in)) {
        predicted(x, xlat_next_rip(x, in), false);
        return true;
    }
    emit_jump_entry(x->bt, x->e);
    emit_jmp_reg(x->e, H_R10);                                /* jmp   r10                */
    return true;
}

static bool flow_call_ind(struct xlat *x, const struct insn *in)
{
    uint32_t ret = return_address(x, in);
    struct emit *e = x->e;

    int reg = is_stack_flat(x) && x->soft == SITE_NONE ? H_R8 : H_R11; /* else the push needs R8 */

    if (!load_target(x, in, reg) || !push_return(x, ret, in->opsize))
        return false;
    if (reg != H_R8)
        emit_mov_rr32(e, H_R8, reg);
    if (is_predictable(x, in)) {
        predicted(x, ret, true);
    } else {
        emit_jump_entry(x->bt, e);
        emit_call_reg(e, H_R10);                              /* call  r10                */
    }
    return_point(x, ret);
    return true;
}

static bool flow_ret(struct xlat *x, const struct insn *in)
{
    unsigned size = in->opsize;
    struct hmem slot;

    if (!any_target_fits(x, size) || !xlat_stack_slot(x, 0, size, &slot))
        return false;
    int reg = is_stack_flat(x) ? H_R8 : H_R11;

    emit_load(x->e, reg, slot, size);                         /* mov  r8d, [sp]           */
    xlat_stack_move(x, (int)size + (in->imm_len ? (int)(uint16_t)in->imm : 0));
    xlat_stack_sync(x);
    if (reg != H_R8)
        emit_mov_rr32(x->e, H_R8, reg);
    emit_mov_rr64(x->e, H_R9, H_RCX);                         /* mov  r9, rcx             */
    emit_ret(x->e);                                           /* ret: to a return point   */
    return true;
}

static bool flow_jcc(struct xlat *x, const struct insn *in)
{
    uint32_t target;

    if (!direct_target(x, in, &target))
        return false;
    add_exit(x, emit_near(x->e, in->opcode & 15), target);
    xlat_segment_end(x);
    if (x->i + 1 == x->n)
        xlat_exit_direct(x, xlat_next_rip(x, in));
    return true;
}

/* LOOP, LOOPE, LOOPNE, J(E)CXZ.  With a 16-bit count register there is no host form. */
static bool flow_loop(struct xlat *x, const struct insn *in)
{
    uint32_t target, next = xlat_next_rip(x, in);
    struct emit *e = x->e;
    uint8_t *taken, *not_taken = NULL;

    if (!direct_target(x, in, &target))
        return false;
    if (in->addrsize == 4) {
        taken = emit_short(e, insn_is(in, op_jcxz) ? CC_JECXZ
                              : insn_is(in, op_loop) ? CC_LOOP
                              : insn_is(in, op_loope) ? CC_LOOPE : CC_LOOPNE);
        xlat_exit_direct(x, next);
        emit_patch8(e, taken);
        xlat_exit_direct(x, target);
        return true;
    }
    if (!insn_is(in, op_jcxz)) {
        emit_lea32(e, H_R8, HMEM(H_RCX, -1));                 /* lea   r8d, [rcx-1]       */
        emit_mov_rr16(e, H_RCX, H_R8);                        /* mov   cx, r8w            */
        if (!insn_is(in, op_loop))
            not_taken = emit_short(e, insn_is(in, op_loope) ? 5 : 4); /* jnz / jz          */
    }
    emit_mov_rr64(e, H_R9, H_RCX);                            /* mov   r9, rcx            */
    emit_movzx16(e, H_RCX, H_RCX);                            /* movzx ecx, cx            */
    taken = emit_short(e, CC_JECXZ);                          /* CX = 0                   */
    emit_mov_rr64(e, H_RCX, H_R9);
    xlat_exit_direct(x, insn_is(in, op_jcxz) ? next : target);
    emit_patch8(e, taken);
    emit_mov_rr64(e, H_RCX, H_R9);
    if (not_taken)
        emit_patch8(e, not_taken);
    xlat_exit_direct(x, insn_is(in, op_jcxz) ? target : next);
    return true;
}

bool xlat_flow_continues(const struct insn *in)
{
    return insn_is(in, op_jcc) || insn_is(in, op_call_rel) || insn_is(in, op_call_ind);
}

bool xlat_flow(struct xlat *x, const struct insn *in)
{
    uint32_t target;

    if (insn_is(in, op_jcc))
        return flow_jcc(x, in);
    if (insn_is(in, op_jmp_rel)) {
        if (!direct_target(x, in, &target))
            return false;
        xlat_exit_direct(x, target);
        return true;
    }
    if (insn_is(in, op_call_rel))
        return flow_call_rel(x, in);
    if (insn_is(in, op_ret_near))
        return flow_ret(x, in);
    if (insn_is(in, op_jmp_ind))
        return flow_jmp_ind(x, in);
    if (insn_is(in, op_call_ind))
        return flow_call_ind(x, in);
    if (insn_is(in, op_loop) || insn_is(in, op_loope) || insn_is(in, op_loopne) || insn_is(in, op_jcxz))
        return flow_loop(x, in);
    return false;
}
