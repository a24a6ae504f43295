/* From guest bytes to one block of host code: scan to the end of the basic block, then for each instruction copy, chain or
 * call out, as its class in the opcode table says.  docs/translator.md follows one block through this file. */
#include "bt/xlat.h"

#include "bt/fast.h"

#include <stdlib.h>
#include <string.h>
#include "cpu/cpuid.h"
#include "cpu/opcode_coverage.h"
#include "cpu/ops.h"
#include "host/log.h"

void xlat_recover(struct xlat *x, unsigned fix)
{
    unsigned shadow = x->shadowed && x->shadowed == x->i ? FIX_SHADOW : FIX_NONE;

    /* fix-ups come in the middle of an instruction that is counted already */
    tcache_add_recover(x->bt, x->b, x->rips[x->i],
                       (struct recover){.rest = (uint16_t)(x->icount - (fix != FIX_NONE)), .fix = (uint8_t)(fix | shadow),
                                        .sp_words = (int8_t)(x->sp_delta / 4)});
}

/* Where control goes elsewhere.  Other instructions that change modes or windows do not end a block: the dispatcher resumes it
 * only if the context is still the same. */
static bool is_block_end(const struct insn *in)
{
    static insn_fn *const enders[] = {op_jmp_far_ptr, op_jmp_far_ind, op_call_far_ptr, op_call_far_ind, op_ret_far, op_iret, op_int,
                                      op_int3, op_int1, op_into, op_sysenter, op_sysexit, op_syscall, op_sysret, op_hlt, op_ud,
                                      op_rsm, op_mov_to_cr};

    if (in->desc->iclass == BRANCH)
        return !xlat_flow_continues(in);
    for (unsigned i = 0; i < ARRAY_SIZE(enders); i++)
        if (insn_is(in, enders[i]))
            return true;
    return false;
}

static uint16_t cause_of(struct bt *bt, const struct insn_desc *desc, bool is_site)
{
    unsigned i;

    for (i = 0; i < bt->n_causes; i++)
        if (bt->causes[i].desc == desc && bt->causes[i].is_site == is_site)
            return (uint16_t)i;
    if (i < MAX_CAUSES) {
        bt->causes[i] = (struct callout_cause){.desc = desc, .is_site = is_site};
        bt->n_causes++;
        return (uint16_t)i;
    }
    return MAX_CAUSES - 1;
}

static void emit_site(struct xlat *x, const uint8_t *stub, const struct callout_site *site)
{
    emit_call(x->e, stub);
    emit_bytes(x->e, site, sizeof(*site));
    emit_note(x->e, RELOC_EIP, x->e->p - sizeof(*site) + offsetof(struct callout_site, guest_rip));
}

void xlat_callout(struct xlat *x, const struct insn *in, bool may_resume)
{
    uint32_t index = site_index(x->bt, x->b->code + (x->rips[x->i] - x->b->guest_rip));
    struct callout_site site = {.guest_rip = x->rips[x->i], .insn_len = in->len, .may_resume = may_resume,
                                .cause = cause_of(x->bt, in->desc, index != SITE_NONE), .site = index, .is_counted = x->is_in_place};

    const uint8_t *stub = fast_fits(x->bt, in, x->mode, &site.fast, &site.arg) ? x->bt->stub_fast : x->bt->stub_callout;

    if (site.fast == FAST_MOV_SREG_MEM) {
        struct hmem m;

        if (index == SITE_NONE && xlat_mem(x, in, 2, &m)) {
            emit_load(x->e, H_R8, m, 2);                        /* movzx r8d, word [operand] */
            emit_store(x->e, HOT(fast_operand), H_R8, 8);
        } else {
            stub = x->bt->stub_callout;
        }
    }
    if (site.fast == FAST_NONE && fast_io_fits(x->bt, in, &site)) {
        if (xlat_io_operands(x, in, &site))
            stub = x->bt->stub_io;
        else
            site.fast = FAST_NONE, site.arg = 0;
    }
    emit_site(x, stub, &site);
    x->gated = GATE_NONE; /* C code may have run: the FP state was saved */
    if (in->desc->sens)
        x->bt->cpu->stats.sens_sites[in->desc->sens]++;
}

void xlat_resolve(struct xlat *x, const struct insn *in, unsigned kind, unsigned arg)
{
    struct callout_site site = {.guest_rip = x->rips[x->i], .insn_len = in->len, .may_resume = !is_block_end(in),
                                .cause = cause_of(x->bt, in->desc, false), .site = SITE_NONE, .fast = (uint8_t)kind, .arg = (uint8_t)arg,
                                .is_counted = true};

    emit_site(x, x->bt->stub_fast, &site);
    x->gated = GATE_NONE;
    x->bt->cpu->stats.sens_sites[in->desc->sens]++;
}

void xlat_callout_string(struct xlat *x, const struct insn *in, unsigned soft)
{
    struct callout_site site = {.guest_rip = x->rips[x->i], .insn_len = in->len, .may_resume = true,
                                .cause = cause_of(x->bt, in->desc, true), .site = x->soft, .arg = (uint8_t)(SOFT_STRING | soft),
                                .is_counted = true};
    /* in lock-step the interpreter does them whole */
    bool is_fast = bt_has(x->bt, BT_FAST) && !x->bt->lockstep && (insn_is(in, op_movs) || insn_is(in, op_stos));
    uint8_t *none = in->rep ? emit_short(x->e, CC_JECXZ) : NULL; /* Linux's copies have three, for the first bytes, dwords and the last bytes */

    if (is_fast) {
        site.fast = FAST_STRING;
        site.arg2 = (uint8_t)((in->opcode & 1 ? in->opsize : 1) | (in->rep ? STRING_REP : 0));
    }
    emit_site(x, is_fast ? x->bt->stub_fast : x->bt->stub_callout, &site);
    if (none)
        emit_patch8(x->e, none);
    x->gated = GATE_NONE;
}

/* Loops load through cpu->poll; whoever wants the CPU sets it to NULL, and the load faults. */
static void emit_poll(struct xlat *x)
{
    emit_load(x->e, H_R8, CPU_FIELD(poll), 8);     /* mov r8, [poll]  */
    emit_load(x->e, H_R8, HMEM(H_R8, 0), 4);       /* mov r8d, [r8]   */
}

static enum gate gate_of(const struct insn *in)
{
    if (in->desc->iclass != INNOCUOUS)
        return GATE_NONE;
    if (in->desc->attr & ATTR_AVX)
        return GATE_AVX;
    return in->desc->attr & ATTR_SSE ? GATE_SSE : in->desc->attr & (ATTR_X87 | ATTR_MMX) ? GATE_X87 : GATE_NONE;
}

static void emit_gate(struct xlat *x, enum gate gate)
{
    if (x->gated >= gate)
        return;
    emit_call_mem(x->e, gate == GATE_AVX ? HOT(avx_gate) : gate == GATE_SSE ? HOT(sse_gate) : HOT(fp_gate));
    x->gated = gate;
}

void xlat_segment_begin(struct xlat *x)
{
    x->icount = 0;
    x->segment_recover = x->bt->n_recover;
    x->segment_count = NULL;
    if (x->bt->is_counting) {
        emit_lea64(x->e, R_COUNT, HMEM(R_COUNT, 0x7fffffff)); /* lea r12, [r12+n], patched when n is known */
        x->segment_count = x->e->p - 4;
    }
}

void xlat_segment_end(struct xlat *x)
{
    uint32_t n = x->icount;

    if (!x->segment_count || emit_is_full(x->e))
        return;
    memcpy(x->segment_count, &n, 4);
    for (uint32_t i = x->segment_recover; i < x->bt->n_recover; i++)
        x->bt->recover[i].rest = (uint16_t)(n - x->bt->recover[i].rest); /* was: instructions before it */
    x->segment_count = NULL;
}

static bool has_moffs(const struct insn *in)
{
    return in->map == MAP_1B && in->opcode >= 0xa0 && in->opcode <= 0xa3;
}

static bool is_bit_string(const struct insn *in)
{
    return in->is_mem && in->desc->operands[1] == Gv &&
           (insn_is(in, op_bt) || insn_is(in, op_bts) || insn_is(in, op_btr) || insn_is(in, op_btc));
}

/* Hints do nothing.  CLFLUSH may fault and is called out.  Fences are real: 0F AE, without an operand-size prefix. */
static bool xlat_nop(struct xlat *x, const struct insn *in)
{
    const uint8_t fence[3] = {0x0f, 0xae, in->modrm};

    if (in->is_mem)
        return (in->desc->attr & ATTR_NO16) != 0;
    if (in->map == MAP_0F && in->opcode == 0xae)
        emit_bytes(x->e, fence, sizeof(fence));
    return true;
}

static bool translate_innocuous(struct xlat *x, const struct insn *in)
{
    if (insn_is(in, op_push))
        return xlat_push(x, in);
    if (insn_is(in, op_pop))
        return xlat_pop(x, in);
    if (insn_is(in, op_leave))
        return xlat_leave(x, in);
    if (insn_is(in, op_lea))
        return xlat_lea(x, in);
    if (insn_is(in, op_xlat))
        return xlat_xlat(x, in);
    if (insn_is(in, op_xchg))
        return xlat_xchg(x, in);
    if (has_moffs(in))
        return xlat_moffs(x, in);
    if (is_bit_string(in))
        return xlat_bit_string(x, in);
    if (in->desc->attr & ATTR_REP)
        return xlat_string(x, in);
    if (insn_is(in, op_nop) && in->map != MAP_1B)
        return xlat_nop(x, in);
    if (insn_is(in, op_fwait) && (x->bt->cpu->paging.cr0 & CR0_MP))
        return false; /* CR0.MP && CR0.TS: #NM; the gate tests TS only */
    if (in->vex && !mode_is_protected(x->mode))
        return false; /* #UD */
    emit_gate(x, gate_of(in));
    return xlat_copy(x, in);
}

/* Where the instruction lies: frame and offset. */
static uint64_t code_of(const struct xlat *x)
{
    return x->b->code + (x->rips[x->i] - x->b->guest_rip);
}

/* True: translated; the host code stands.  False: nothing was emitted. */
static bool translate_insn(struct xlat *x, const struct insn *in)
{
    uint64_t code = code_of(x);

    if (!cpu_has_feature(x->bt->cpu, in->desc->feature) || site_is_callout(x->bt, code))
        return false;
    switch (in->desc->iclass) {
    case INNOCUOUS:
        return translate_innocuous(x, in);
    case BRANCH:
        return xlat_flow(x, in);
    case SENSITIVE:
    case PRIVILEGED:
        return xlat_system(x, in);
    default:
        return false;
    }
}

/* Decode the block's instructions; returns how many. */
static unsigned scan(struct xlat *x, struct insn *insns, uint32_t *rips, const uint8_t *bytes, unsigned avail)
{
    uint32_t rip = x->b->guest_rip;
    unsigned n = 0, off = 0, code_size = x->mode & MODE_CS32 ? 4 : 2;

    while (n < x->max && off < avail) {
        struct insn *in = &insns[n];

        if (insn_decode(in, bytes + off, avail - off, code_size) != DECODE_OK)
            break;
        if ((uint64_t)rip + in->len - 1 > x->cs_limit)
            break;
        rips[n++] = rip;
        off += in->len;
        rip += in->len;
        if (is_block_end(in))
            break;
        if (code_size == 2 && rip > 0xffff)
            break;
        if (x->joins && in->desc->iclass == BRANCH && off < avail && tcache_find(x->bt, x->b->code + off, x->b->kind, rip)) {
            x->b->is_joined = true;
            break;
        }
    }
    return n;
}

/* A block that can close a loop must poll.  Every cycle of blocks has a direct jump that does not go up, or EIP wrapping around, or an
 * indirect jump, or a return that its call did not predict (which polls in the stub). */
static bool needs_poll(const struct xlat *x)
{
    for (unsigned i = 0; i < x->n; i++) {
        const struct insn *in = &x->insns[i];
        uint32_t next = x->rips[i] + in->len;

        if (!(x->mode & MODE_CS32))
            next &= 0xffff;
        if (next <= x->b->guest_rip)
            return true;
        if (in->desc->iclass == SENSITIVE && is_block_end(in))
            return true; /* far transfers, INT, IRET */
        if (in->desc->iclass != BRANCH || insn_is(in, op_ret_near))
            continue;
        if (insn_is(in, op_jmp_ind) || insn_is(in, op_call_ind))
            return true;
        next += (uint32_t)in->imm;
        if ((in->opsize == 2 ? next & 0xffff : next) <= x->rips[i])
            return true;
    }
    return false;
}

#ifdef RINGER_OPCODE_COVERAGE
/* Each instruction stores to its byte before it runs; R8 is free between instructions. */
static void emit_coverage(struct xlat *x, const struct insn *in)
{
    uint8_t *byte = opcode_coverage_byte(in, x->mode, true);

    if (!byte)
        return;
    emit_mov_ri32(x->e, H_R8, (uint32_t)(uintptr_t)byte); /* mov r8d, byte      */
    emit_store_imm(x->e, HMEM(H_R8, 0), 1, 1);            /* mov byte [r8], 1   */
}
#endif

/* May what R13 lacks of ESP stay pending over the instruction?  Else it is made up for before it, but not between a comparison and its
 * jump, which the host runs as one. */
static bool may_stay_pending(const struct xlat *x, const struct insn *in)
{
    return x->is_folding && gate_of(in) <= x->gated &&
           !(in->desc->flags_written && x->i + 1 < x->n && insn_is(in + 1, op_jcc));
}

static void emit_body(struct xlat *x)
{
    bool is_ended = false;

    for (x->i = 0; x->i < x->n; x->i++) {
        const struct insn *in = &x->insns[x->i];
#ifdef RINGER_OPCODE_COVERAGE
        emit_coverage(x, in);
#endif
        x->soft = in->desc->iclass == INNOCUOUS || in->desc->iclass == BRANCH ? site_soft(x->bt, code_of(x)) : SITE_NONE;
        x->is_folding = x->soft == SITE_NONE && bt_has(x->bt, BT_FOLD) && xlat_stack_folds(x, in);
        if (!may_stay_pending(x, in))
            xlat_stack_sync(x);
        unsigned n_exits = x->n_exits, n_relocs = x->e->n_relocs, icount = x->icount, gated = x->gated;
        int sp_delta = x->sp_delta;
        uint8_t *start = x->e->p;
        uint32_t n_recover = x->bt->n_recover;
        uint16_t b_recover = x->b->n_recover;

        xlat_recover(x, FIX_NONE);
        x->icount++;
        x->is_in_place = true;
        if (translate_insn(x, in)) {
            is_ended = (in->desc->iclass == BRANCH && x->i + 1 == x->n) || is_block_end(in);
            if (in->desc->iclass == BRANCH && !is_ended)
                xlat_segment_begin(x);
            continue;
        }
        /* take back what a failed attempt emitted */
        x->n_exits = n_exits;
        x->icount = icount;
        x->gated = (uint8_t)gated;
        x->sp_delta = sp_delta;
        x->is_in_place = false;
        x->soft = SITE_NONE; /* operands of the call-out are looked up by nobody but itself */
        x->e->p = start;
        x->e->n_relocs = n_relocs;
        x->bt->n_recover = n_recover;
        x->b->n_recover = b_recover;
        xlat_stack_sync(x);
        xlat_recover(x, FIX_NONE);
        is_ended = in->desc->iclass == BRANCH || is_block_end(in);
        xlat_callout(x, in, !is_ended);
        if (in->desc->iclass == BRANCH)
            break; /* what follows is another block's */
    }
    if (!is_ended) {
        x->i = x->n - 1;
        xlat_stack_sync(x);
        xlat_segment_end(x);
        xlat_exit_direct(x, xlat_next_rip(x, &x->insns[x->i]));
    } else {
        xlat_segment_end(x);
    }
}

void emit_entries(struct bt *bt, struct block *b, bool has_indirect)
{
    struct emit *e = &bt->e;

    const uint8_t *start = e->p;

    if (has_indirect)
        (void)xlat_expect_r8(e, b->guest_rip, bt->stub_miss, NULL);
    b->before = (uint8_t)(e->p - start);
    b->direct = cache_off(bt, emit_here(e));
}

/* A block made of one instruction that crosses a page: its second page may be mapped elsewhere by now. */
static void emit_second_page_guard(struct xlat *x)
{
    struct emit *e = x->e;
    uint32_t page = (x->b->guest_rip + x->cs_base + GUEST_PAGE_SIZE) >> 12 & (WINDOW_PAGES - 1);

    emit_load_code(e, page);
    emit_mov_rr64(e, H_R9, H_RCX);
    emit_lea32(e, H_RCX, HMEM(H_R8, -(int64_t)x->b->second_frame));
    uint8_t *ok = emit_short(e, CC_JECXZ);
    emit_mov_rr64(e, H_RCX, H_R9);
    emit_store_imm(e, CPU_FIELD(rip), x->b->guest_rip, 4);
    emit_jmp(e, x->bt->stub_lookup);
    emit_patch8(e, ok);
    emit_mov_rr64(e, H_RCX, H_R9);
}

/* Does RF make no difference to an instruction, where there are no breakpoints?  Those that save EFLAGS or change flow by descriptors
 * are none of these. */
static bool may_resume_at(const struct insn *in)
{
    return in->desc->iclass == INNOCUOUS || in->desc->iclass == BRANCH;
}

/* A dead block's gated entry is overwritten: what with must be its own. */
static void pad_entry(struct xlat *x, const uint8_t *gated_write)
{
    while (!emit_is_full(x->e) && x->e->p - gated_write < (ptrdiff_t)CHAIN_EXIT_BYTES)
        emit_u8(x->e, 0xcc);
}

/* A block of 32-bit code in one page; whether all places of a copy would be right depends on its EIP, too. */
static bool may_be_copied(const struct xlat *x)
{
    return (x->mode & MODE_CS32) && x->cs_limit == 0xffffffffu && !x->b->second_frame;
}

static bool is_relocatable(const struct xlat *x)
{
    if (!may_be_copied(x) || x->e->n_relocs > x->e->max_relocs)
        return false;
    for (unsigned i = 0; i < x->n; i++)
        if (x->insns[i].opsize == 2 && (x->insns[i].desc->iclass == BRANCH || is_block_end(&x->insns[i])))
            return false; /* its target, or the address it pushes, is cut to 16 bits */
    return true;
}

static void keep_relocs(struct xlat *x)
{
    struct bt *bt = x->bt;

    x->b->reloc_first = bt->n_relocs;
    x->b->is_relocatable = is_relocatable(x);
    if (x->b->is_relocatable && x->e->n_relocs) {
        x->b->n_relocs = (uint16_t)x->e->n_relocs;
        memcpy(bt->relocs + bt->n_relocs, bt->new_relocs, x->e->n_relocs * sizeof(*bt->relocs));
        bt->n_relocs += x->e->n_relocs;
    }
    x->e->relocs = NULL;
}

/* Not inserted yet.  like: a block that it shall have the length of, or NULL. */
static struct block *translate(struct bt *bt, const struct ctx *ctx, uint32_t guest_rip, uint64_t code, int64_t second_frame,
                               const struct block *like, bool has_entry)
{
    const uint8_t *view = guestmem_view(bt->cpu->board.guestmem);
    unsigned off = (unsigned)(code & GUEST_PAGE_MASK), avail = GUEST_PAGE_SIZE - off;
    struct insn insns[BLOCK_MAX_INSNS];
    uint32_t rips[BLOCK_MAX_INSNS];
    uint8_t crossing[32];
    struct xlat x = {.bt = bt, .e = &bt->e, .mode = ctx->mode, .cs_base = ctx->cs_base, .cs_limit = ctx->cs_limit,
                     .insns = insns, .rips = rips, .soft = SITE_NONE, .max = like ? like->n_insns : BLOCK_MAX_INSNS,
                     .joins = !like && bt_has(bt, BT_JOIN) && !tcache_is_long(bt, code)};
    uint8_t *gated_write;

    x.b = tcache_new(bt);
    x.b->guest_rip = guest_rip;
    x.b->kind = ctx->kind;
    x.b->code = code;
    x.page = view + (code & ~(uint64_t)GUEST_PAGE_MASK);
    if (second_frame >= 0) {
        unsigned first = avail < 15 ? avail : 15;

        x.b->second_frame = (uint32_t)second_frame + 1;
        memcpy(crossing, view + code, first);
        memcpy(crossing + first, view + ((uint64_t)second_frame << 12), 15);
        x.n = scan(&x, insns, rips, crossing, 15);
        if (x.n > 1)
            x.n = 1;
    } else {
        x.n = scan(&x, insns, rips, view + code, avail);
    }
    if (x.n == 0)
        return NULL;
    x.b->n_insns = x.n & 63;
    x.b->guest_len = (uint16_t)(rips[x.n - 1] + insns[x.n - 1].len - guest_rip);
    x.b->recover_first = bt->n_recover;
    emit_entries(bt, x.b, has_entry || !may_be_copied(&x));
    x.e->relocs = bt->new_relocs;
    x.e->n_relocs = 0;
    x.e->max_relocs = RELOCS_MAX;
    x.e->block_start = x.e->p;
    tcache_add_recover(bt, x.b, guest_rip, (struct recover){0});
    for (unsigned i = 0; i < x.n; i++)
        if (gate_of(&insns[i]) > x.b->gate)
            x.b->gate = gate_of(&insns[i]) & 3;
    emit_gate(&x, x.b->gate);
    x.b->gated = (uint16_t)(cache_off(bt, emit_here(x.e)) - x.b->direct);
    gated_write = x.e->p;
    if (x.b->second_frame)
        emit_second_page_guard(&x);
    bool has_poll = !bt_has(bt, BT_ASYNC) && needs_poll(&x);
    if (has_poll)
        emit_poll(&x);
    x.b->resumed = NO_RESUMED;
    if (!x.b->second_frame && may_resume_at(&insns[0]) && !(has_poll && x.b->gate != GATE_NONE))
        x.b->resumed = has_poll ? (uint16_t)(cache_off(bt, emit_here(x.e)) - x.b->direct) : 0;
    xlat_segment_begin(&x);
    emit_body(&x);
    pad_entry(&x, gated_write);
    xlat_finish_exits(&x);
    if (emit_is_full(x.e))
        BUG("block at %#x does not fit %u bytes", guest_rip, BLOCK_ROOM);
    x.b->host_len = (uint16_t)(cache_off(bt, emit_here(x.e)) - x.b->direct);
    keep_relocs(&x);
    return x.b;
}

/* Translate it anew, compare, and take that back. */
static void check_relocated(struct bt *bt, const struct ctx *ctx, const struct block *b)
{
    struct emit e = bt->e, cold = bt->cold;
    bool has_room = tcache_has_room(bt); /* for the second one */
    uint32_t n_recover = bt->n_recover, n_relocs = bt->n_relocs;
    struct block *fresh = has_room ? translate(bt, ctx, b->guest_rip, b->code, -1, b, b->before != 0) : NULL;

    if (!has_room)
        return;

    if (!fresh || !relocated_equals(bt, b, fresh)) {
        block_dump(bt, b, stderr);
        BUG("block %#x, moved, is not what a translation would be", b->guest_rip);
    }
    bt->e = e;
    bt->cold = cold;
    bt->n_recover = n_recover;
    bt->n_relocs = n_relocs;
}

struct block *translate_block(struct bt *bt, struct ctx *ctx, uint32_t guest_rip, uint64_t code, int64_t second_frame, const struct block *t,
                              bool has_entry)
{
    struct block *b = t && second_frame < 0 ? relocate_block(bt, t, guest_rip, has_entry) : NULL;

    bool is_copy = b != NULL;

    if (!b)
        b = translate(bt, ctx, guest_rip, code, second_frame, NULL, has_entry);
    if (!b)
        return NULL;
    bt->stats.relocated += is_copy;
    bt->stats.guest_bytes += b->guest_len;
    bt->stats.host_bytes += block_end(b) - block_start(b) + b->n_exits * CHAIN_EXIT_BYTES;
    tcache_insert(bt, b);
    if (is_copy && bt->opt.is_checked)
        check_relocated(bt, ctx, b);
    log_at(LOG_BT, "block %#x+%u mode %#x: %u insns, %u host bytes", guest_rip, b->guest_len, ctx->mode, b->n_insns, b->host_len);
    if (log_mask & LOG_CODE)
        block_dump(bt, b, stderr);
    perf_map_add(bt, b);
    return b;
}
