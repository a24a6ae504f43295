/* Far calls, jumps and returns, and INT and IRET in real mode: the code segment changes, and with it the context.
 *
 * In real and virtual-8086 mode that needs no descriptor.  A context remembers by selector which contexts it went to (struct far_entry).  If the one wanted is there, all happens in place: CS,
 * base, and the jump table of the new context, through which the jump goes.  Else the instruction is called out, and ctx_select()
 * notes the way.  Nothing is stored before that decision.
 * In protected mode, to code of the same privilege, the descriptor is looked at as by a segment load (xlat_segment.c), and a context remembers
 * by entries of segments.h where it went.
 * Far transfers and the return stack do not pair: it is emptied, as any change of context does. */
#include "bt/segments.h"
#include "bt/xlat.h"

#include "bt/fast.h"
#include "cpu/ops.h"

#define SHRX_16 R_WINDOW_16 /* its low bits */

struct far {
    struct xlat *x;
    struct emit *e;
    const struct insn *in;
    uint8_t *slow[6]; /* jumps to the call-out */
    unsigned n_slow;
    unsigned size;    /* of what is pushed and popped */
};

static bool may_be_far(const struct xlat *x, const struct insn *in)
{
    return in->opsize == 2 && !(x->mode & (MODE_CS32 | MODE_SS32)) && is_64k(x, SEG_CS) && is_64k(x, SEG_SS) &&
           x->bt->has_bmi2 && bt_has(x->bt, BT_FAR);
}

static void slow_if(struct far *f, unsigned cc)
{
    f->slow[f->n_slow++] = emit_near(f->e, cc);
}

static bool push(struct far *f, int disp, int reg)
{
    struct hmem slot;

    if (!xlat_stack_slot(f->x, disp, f->size, &slot))
        return false;
    emit_store(f->e, slot, reg, f->size);
    return true;
}

static bool push_cs_ip(struct far *f, int disp)
{
    struct hmem slot;

    emit_load(f->e, H_R11, CPU_SEG(SEG_CS, sel), 2);                  /* movzx r11d, word cs     */
    if (!push(f, disp - (int)f->size, H_R11) || !xlat_stack_slot(f->x, disp - 2 * (int)f->size, f->size, &slot))
        return false;
    emit_store_imm(f->e, slot, xlat_next_rip(f->x, f->in), f->size);  /* mov  [sp-..], next      */
    if (f->size == 4)
        emit_note(f->e, RELOC_EIP, f->e->p - 4);
    return true;
}

static bool pop(struct far *f, int disp, int reg)
{
    struct hmem slot;

    if (!xlat_stack_slot(f->x, disp, f->size, &slot))
        return false;
    emit_load(f->e, reg, slot, f->size);                              /* mov  r11d, [sp]         */
    return true;
}

/* R8 = IP, R11 = selector: R10 = the context there, or to the call-out. */
static void find_context(struct far *f)
{
    struct emit *e = f->e;
    uint8_t *known;

    emit_load(e, H_R10, HOT(ctx), 8);                                 /* mov  r10, ctx           */
    emit_rorx32(e, H_R9, H_R11, 8);
    emit_lea32(e, H_R9, HMEM_X(H_R9, H_R11, 0, 0));                   /* r9d = FAR_INDEX(sel)    */
    emit_movzx8(e, H_R9, H_R9);
    emit_load(e, H_R10, HMEM(H_R10, offsetof(struct ctx, far)), 8);   /* mov  r10, [r10+far]     */
    emit_lea32(e, H_R9, HMEM_X(H_R9, H_R9, 0, 0));                    /* lea  r9d, [r9+r9]       */
    emit_lea64(e, H_R10, HMEM_X(H_R10, H_R9, 3, 0));                  /* lea  r10, [r10+r9*8]    */
    emit_mov_rr64(e, H_R9, H_RCX);
    emit_load(e, H_RCX, HMEM(H_R10, offsetof(struct far_entry, minus_key)), 4);
    emit_lea32(e, H_RCX, HMEM_X(H_RCX, H_R11, 0, 0));                 /* lea  ecx, [rcx+r11]     */
    known = emit_short(e, CC_JECXZ);
    emit_mov_rr64(e, H_RCX, H_R9);
    slow_if(f, CC_JMP);
    emit_patch8(e, known);
    emit_mov_rr64(e, H_RCX, H_R9);
    emit_load(e, H_R10, HMEM(H_R10, offsetof(struct far_entry, to)), 8);
}

/* SP += delta, CS = R11, context = R10, jump to R8; flags from hot.flags_before if the instruction loads them. */
static void go(struct far *f, int delta, bool has_flags)
{
    struct hinsn push = {.op = {0xff}, .n_op = 1, .has_modrm = true, .is_mem = true, .reg = 6, .mem = HOT(flags_before)};
    struct emit *e = f->e;

    xlat_count(e, offsetof(struct cpu, stats.sens_executed) + 8 * f->in->desc->sens);
    if (delta) {
        emit_lea32(e, H_R9, HMEM(R_SP, delta));                       /* lea  r9d, [r13+delta]   */
        emit_mov_rr16(e, R_SP, H_R9);                                 /* mov  r13w, r9w          */
    }
    emit_store(e, HOT(ctx), H_R10, 8);
    xlat_set_real_segment(e, SEG_CS);
    emit_use_table(f->x->bt, e, H_R10);
    emit_load(e, H_RSP, HOT(ret_top), 8);                             /* mov  rsp, ret_top       */
    if (has_flags) {
        emit_insn(e, &push);                                          /* push flags_before       */
        emit_u8(e, 0x9d);                                             /* popfq                   */
    }
    emit_jump_entry(f->x->bt, e);
    emit_jmp_reg(e, H_R10);                                           /* jmp  r10                */
    for (unsigned i = 0; i < f->n_slow; i++)
        emit_patch32(e, f->slow[i]);
    xlat_callout(f->x, f->in, false);
}

/* R8, R11 and R10 wait in cpu while the stack is written. */
static void put_target(struct far *f)
{
    emit_store(f->e, HOT(far_ip), H_R8, 4);
    emit_store(f->e, HOT(far_sel), H_R11, 4);
    emit_store(f->e, HOT(scratch), H_R10, 8);
}

static void get_target(struct far *f)
{
    emit_load(f->e, H_R8, HOT(far_ip), 4);
    emit_load(f->e, H_R11, HOT(far_sel), 4);
    emit_load(f->e, H_R10, HOT(scratch), 8);
}

/* --- protected mode --- */

/* R8 = EIP, R11 = selector: R10 = the code segment's entry, R11 = the context there; or to the call-out, with the target in cpu and RCX in
 * hot.scratch. */
static void find_protected(struct far *f)
{
    struct emit *e = f->e;
    uint8_t *place;

    emit_store(e, HOT(far_ip), H_R8, 8);
    emit_store(e, HOT(far_sel), H_R11, 8);
    f->slow[f->n_slow++] = xlat_segment_entry(f->x, offsetof(struct segments, code));
    f->slow[f->n_slow++] = xlat_segment_verify(f->x);
    emit_load(e, H_R8, HOT(far_ip), 8);
    emit_load(e, H_R9, HMEM(H_R10, offsetof(struct seg_entry, check.minus_limit)), 8);
    emit_lea64(e, H_R9, HMEM_X(H_R9, H_R8, 0, 0));                    /* lea  r9, [r9+r8]: negative if inside */
    emit_bswap64(e, H_R9);
    emit_movsx8_64(e, H_R9, H_R9);
    emit_lea32(e, H_RCX, HMEM(H_R9, 1));                              /* lea  ecx, [r9+1]        */
    place = emit_short(e, CC_JECXZ);
    slow_if(f, CC_JMP);
    emit_patch8(e, place);
    emit_load(e, H_R8, HOT(ctx), 8);
    emit_load(e, H_R9, HMEM(H_R10, offsetof(struct seg_entry, far)), 4);
    emit_load(e, H_R8, HMEM(H_R8, offsetof(struct ctx, far)), 8);
    emit_lea64(e, H_R8, HMEM_X(H_R8, H_R9, 0, 0));                    /* lea  r8, [r8+r9]        */
    emit_load(e, H_R9, HMEM(H_R10, offsetof(struct seg_entry, minus_serial)), 8);
    emit_not64(e, H_R9);                                              /* serial - 1              */
    emit_load(e, H_RCX, HMEM(H_R8, offsetof(struct far_entry, minus_key)), 8);
    emit_lea64(e, H_RCX, HMEM_X(H_RCX, H_R9, 0, 1));                  /* lea  rcx, [rcx+r9+1]    */
    place = emit_short(e, CC_JRCXZ);
    slow_if(f, CC_JMP);
    emit_patch8(e, place);
    emit_load(e, H_R11, HMEM(H_R8, offsetof(struct far_entry, to)), 8);
    emit_load(e, H_RCX, HOT(scratch), 8);
}

/* ESP or SP += delta, CS = the segment of entry R10, context = R11, jump to hot.far_ip. */
static void go_protected(struct far *f, int delta)
{
    struct emit *e = f->e;

    xlat_count(e, offsetof(struct cpu, stats.sens_executed) + 8 * f->in->desc->sens);
    if (delta && (f->x->mode & MODE_SS32)) {
        emit_lea32(e, R_SP, HMEM(R_SP, delta));                       /* lea  r13d, [r13+delta]  */
    } else if (delta) {
        emit_lea32(e, H_R9, HMEM(R_SP, delta));                       /* lea  r9d, [r13+delta]   */
        emit_mov_rr16(e, R_SP, H_R9);                                 /* mov  r13w, r9w          */
    }
    emit_load(e, H_R8, HOT(far_ip), 4);
    xlat_segment_change(f->x, SEG_CS);
    for (unsigned i = 0; i < f->n_slow; i++)
        emit_patch32(e, f->slow[i]);
    emit_load(e, H_RCX, HOT(scratch), 8);
    xlat_resolve(f->x, f->in, FAST_FAR, 0);
}

/* --- the instructions --- */

/* JMP and CALL, to an immediate or to what lies in memory. */
static bool far_transfer(struct far *f, bool is_call)
{
    int delta = is_call ? -2 * (int)f->size : 0;
    struct hmem m, sel;

    if (f->in->is_mem) {
        if (!xlat_far_pointer(f->x, f->in, &m, &sel))
            return false;
        emit_load(f->e, H_R11, sel, 2);                               /* movzx r11d, word [m+..] */
        emit_load(f->e, H_R8, m, f->size);                            /* mov  r8d, [m]           */
    } else {
        emit_mov_ri32(f->e, H_R8, f->size == 2 ? f->in->imm & 0xffff : (uint32_t)f->in->imm);
        emit_mov_ri32(f->e, H_R11, f->in->imm2);
    }
    if (mode_is_protected(f->x->mode)) {
        find_protected(f);
        if (is_call) {
            emit_store(f->e, HOT(far_to), H_R11, 8);
            emit_store(f->e, HOT(far_entry), H_R10, 8);
            if (!push_cs_ip(f, 0))
                return false;
            emit_load(f->e, H_R11, HOT(far_to), 8);
            emit_load(f->e, H_R10, HOT(far_entry), 8);
        }
        go_protected(f, delta);
        return true;
    }
    find_context(f);
    if (is_call) {
        put_target(f);
        if (!push_cs_ip(f, 0))
            return false;
        get_target(f);
    }
    go(f, delta, false);
    return true;
}

static bool far_return(struct far *f)
{
    int delta = 2 * (int)f->size + (f->in->imm_len ? (uint16_t)f->in->imm : 0);

    if (!pop(f, 0, H_R11))
        return false;
    emit_store(f->e, HOT(far_ip), H_R11, 4);
    if (!pop(f, (int)f->size, H_R11))
        return false;
    emit_load(f->e, H_R8, HOT(far_ip), 4);
    if (mode_is_protected(f->x->mode)) {
        if (f->size == 4)
            emit_movzx16(f->e, H_R11, H_R11);
        find_protected(f);
        go_protected(f, delta);
    } else {
        find_context(f);
        go(f, delta, false);
    }
    return true;
}

/* INT n.  The IVT is read first; one too short makes its address non-canonical. */
static bool far_int(struct far *f)
{
    uint32_t vector = (f->in->imm & 0xff) * 4;
    struct emit *e = f->e;
    struct hmem ip, sel;

    if ((f->x->mode & MODE_VM))
        return false;
    emit_load(e, H_R9, CPU_FIELD(idtr.limit), 4);
    emit_load(e, H_R10, CPU_FIELD(idtr.base), 4);
    emit_lea64(e, H_R9, HMEM(H_R9, -(int)(vector + 3)));              /* negative: too short     */
    emit_shrx64(e, H_R9, H_R9, SHRX_16);
    emit_lea32(e, H_R8, HMEM(H_R10, (int)vector));                    /* lea  r8d, [r10+vector]: wraps at 4 GiB */
    emit_lea32(e, H_R10, HMEM(H_R10, (int)vector + 2));
    ip = HMEM_X(H_R8, H_R9, 0, 0);
    sel = HMEM_X(H_R10, H_R9, 0, 0);
    ip.is_gs = sel.is_gs = true;
    emit_load(e, H_R8, ip, 2);                                        /* movzx r8d, gs:[r8+r9]   */
    emit_load(e, H_R11, sel, 2);                                      /* movzx r11d, gs:[r10+r9] */
    find_context(f);
    put_target(f);
    emit_u8(e, 0x9c);                                                 /* pushfq                  */
    emit_u8(e, 0x41);
    emit_u8(e, 0x58);                                                 /* pop  r8                 */
    xlat_and_neutral(e, H_R8, EFLAGS_NATIVE);
    emit_load(e, H_R9, CPU_FIELD(eflags), 4);
    emit_lea32(e, H_R11, HMEM_X(H_R8, H_R9, 0, 0));                   /* lea  r11d, [r8+r9]      */
    if (!push(f, -2, H_R11) || !push_cs_ip(f, -2))
        return false;
    emit_load(e, H_R9, CPU_FIELD(eflags), 4);
    xlat_and_neutral(e, H_R9, ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF)); /* uses R10 */
    emit_store(e, CPU_FIELD(eflags), H_R9, 4);
    xlat_count(e, offsetof(struct cpu, stats.soft_interrupts));
    get_target(f);
    go(f, -6, false);
    return true;
}

/* Flags are spent. */
static void slow_unless_zero(struct far *f, size_t field)
{
    xlat_cmp_zero(f->e, field);
    slow_if(f, 5);                                                    /* jne  slow               */
}

/* IRET, like POPF, in place if no flags but IF and the native ones change, and no interrupt waits for IF, no NMI for its end.  Once the stack
 * was read the old flags are dead, also for the call-out: it cannot fault any more. */
static bool far_iret(struct far *f)
{
    struct emit *e = f->e;
    uint8_t *no_if;

    if ((f->x->mode & MODE_VM) || !pop(f, 0, H_R11))
        return false;
    emit_store(e, HOT(far_ip), H_R11, 4);
    if (!pop(f, 2, H_R11))
        return false;
    emit_store(e, HOT(far_sel), H_R11, 4);
    if (!pop(f, 4, H_R11))
        return false;
    emit_load(e, H_R8, CPU_FIELD(eflags), 4);                         /* mov  r8d, eflags        */
    emit_mov_rr32(e, H_R9, H_R8);
    xlat_alu_rr32(e, 0x31, H_R9, H_R11);                              /* xor  r9d, r11d          */
    xlat_alu_ri32(e, ALU_TEST, H_R9, EFLAGS_IOPL | EFLAGS_NT | EFLAGS_TF);
    slow_if(f, 5);                                                    /* jnz  slow               */
    slow_unless_zero(f, offsetof(struct cpu, is_nmi_blocked));
    xlat_alu_ri32(e, ALU_TEST, H_R11, EFLAGS_IF);
    no_if = emit_short(e, 4);                                         /* jz   no_if              */
    slow_unless_zero(f, offsetof(struct cpu, intr));
    emit_patch8(e, no_if);
    xlat_take_if(e);
    emit_store(e, HOT(scratch), H_R8, 4);
    xlat_alu_ri32(e, ALU_AND, H_R11, EFLAGS_NATIVE);
    emit_store(e, HOT(flags_before), H_R11, 8);
    emit_load(e, H_R8, HOT(far_ip), 4);
    emit_load(e, H_R11, HOT(far_sel), 4);
    find_context(f);
    emit_load(e, H_R9, HOT(scratch), 4);
    emit_store(e, CPU_FIELD(eflags), H_R9, 4);
    go(f, 6, true);
    return true;
}

bool xlat_far(struct xlat *x, const struct insn *in)
{
    struct far f = {.x = x, .e = x->e, .in = in, .size = in->opsize};
    bool is_protected = mode_is_protected(x->mode);

    if (is_protected ? !xlat_sees_tables(x) || in->opsize == 8 : !may_be_far(x, in))
        return false;
    if (insn_is(in, op_jmp_far_ptr) || insn_is(in, op_jmp_far_ind))
        return far_transfer(&f, false);
    if (insn_is(in, op_call_far_ptr) || insn_is(in, op_call_far_ind))
        return far_transfer(&f, true);
    if (insn_is(in, op_ret_far))
        return far_return(&f);
    if (is_protected)
        return false;
    if (insn_is(in, op_int))
        return far_int(&f);
    if (insn_is(in, op_iret))
        return far_iret(&f);
    return false;
}
