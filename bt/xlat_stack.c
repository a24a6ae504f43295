/* PUSH, POP, LEAVE: the guest's stack pointer is R13, so the host's push and pop cannot be used. */
#include "bt/xlat.h"

#include "cpu/ops.h"

bool xlat_stack_slot(struct xlat *x, int disp, unsigned size, struct hmem *m)
{
    x->writes = disp < 0;
    if (is_stack_flat(x) && x->soft == SITE_NONE) {
        *m = HMEM(R_SP, disp + x->sp_delta);
        m->is_gs = true;
        m->is_addr32 = true;
        return true;
    }
    if (seg_class_of(x, SEG_SS) == SEGC_ODD)
        return false;
    if (x->mode & MODE_SS32)
        return xlat_seg_access(x, SEG_SS, HMEM(R_SP, disp), 4, size, m);
    if (disp)
        emit_lea32(x->e, H_R8, HMEM(R_SP, disp));     /* lea   r8d, [r13+disp]  */
    emit_movzx16(x->e, H_R8, disp ? H_R8 : R_SP);     /* movzx r8d, r8w         */
    return xlat_seg_access(x, SEG_SS, HMEM(H_R8, 0), 2, size, m);
}

void xlat_stack_sync(struct xlat *x)
{
    if (x->sp_delta)
        emit_lea32(x->e, R_SP, HMEM(R_SP, x->sp_delta)); /* lea r13d, [r13+delta] */
    x->sp_delta = 0;
}

bool xlat_stack_folds(const struct xlat *x, const struct insn *in)
{
    bool is_push = insn_is(in, op_push), is_pop = insn_is(in, op_pop);

    if (!is_stack_flat(x) || xlat_names_sp(in))
        return false;
    if (insn_is(in, op_call_rel) || insn_is(in, op_call_ind) || insn_is(in, op_ret_near))
        return in->opsize == 4; /* they end with R13 in step */
    if (in->desc->iclass != INNOCUOUS || (in->desc->attr & ATTR_REP) || insn_is(in, op_leave) || (is_pop && in->is_mem))
        return false;
    return !(is_push || is_pop) || in->opsize == 4;
}

void xlat_stack_move(struct xlat *x, int delta)
{
    if (x->is_folding) {
        x->sp_delta += delta;
    } else if (x->mode & MODE_SS32) {
        emit_lea32(x->e, R_SP, HMEM(R_SP, delta));    /* lea  r13d, [r13+delta] */
    } else {
        emit_lea32(x->e, H_R8, HMEM(R_SP, delta));    /* lea  r8d, [r13+delta]  */
        emit_mov_rr16(x->e, R_SP, H_R8);              /* mov  r13w, r8w         */
    }
}

void xlat_stack_pushed(struct xlat *x, unsigned size)
{
    if (x->mode & MODE_SS32)
        xlat_stack_move(x, -(int)size);
    else
        emit_mov_rr16(x->e, R_SP, H_R8);              /* mov  r13w, r8w         */
}

bool xlat_push(struct xlat *x, const struct insn *in)
{
    struct emit *e = x->e;
    unsigned size = in->opsize;
    struct hmem slot, src;
    unsigned k = in->desc->operands[0];

    if (in->is_mem) {
        if (!xlat_mem(x, in, size, &src))
            return false;
        emit_load(e, H_R11, src, size);                       /* mov  r11d, [mem]       */
        if (!xlat_stack_slot(x, -(int)size, size, &slot))
            return false;
        emit_store(e, slot, H_R11, size);
    } else if (in->imm_len) {
        if (!xlat_stack_slot(x, -(int)size, size, &slot))
            return false;
        emit_store_imm(e, slot, (uint32_t)in->imm, size);     /* mov  [sp-size], imm    */
    } else {
        unsigned reg = in->has_modrm ? in->rm : (k == Zv ? in->opcode & 7u : 16u);

        if (reg > 7 || !xlat_stack_slot(x, -(int)size, size, &slot))
            return false;
        emit_store(e, slot, host_reg((int)reg), size);        /* mov  [sp-size], reg    */
    }
    xlat_stack_pushed(x, size);
    return true;
}

bool xlat_pop(struct xlat *x, const struct insn *in)
{
    struct emit *e = x->e;
    unsigned size = in->opsize;
    struct hmem slot, dst;

    if (in->is_mem) {
        /* The destination's address uses the incremented ESP (SDM 2B, POP); fold the increment into the displacement. */
        struct insn shifted = *in;

        if (in->base == REG_SP) {
            if (!(x->mode & MODE_SS32))
                return false;
            shifted.disp += size;
        }
        if (!xlat_stack_slot(x, 0, size, &slot))
            return false;
        emit_load(e, H_R11, slot, size);                      /* mov  r11d, [sp]        */
        if (!xlat_mem(x, &shifted, size, &dst))
            return false;
        emit_store(e, dst, H_R11, size);                      /* mov  [mem], r11d       */
        xlat_stack_move(x, (int)size);
        return true;
    }
    int reg = in->has_modrm ? in->rm : in->opcode & 7;

    if (!xlat_stack_slot(x, 0, size, &slot))
        return false;
    if (size == 4) {
        if (reg == REG_SP) {
            emit_load(e, R_SP, slot, 4);                      /* mov  r13d, [sp]        */
            return true;
        }
        emit_load(e, reg, slot, 4);
        xlat_stack_move(x, 4);
    } else {
        emit_load(e, H_R11, slot, 2);
        xlat_stack_move(x, 2);
        emit_mov_rr16(e, host_reg(reg), H_R11);
    }
    return true;
}

/* LEAVE: (E)SP = (E)BP, then pop (E)BP. */
bool xlat_leave(struct xlat *x, const struct insn *in)
{
    struct emit *e = x->e;
    struct hmem slot;

    if (in->opsize != 4 || !(x->mode & MODE_SS32) || seg_class_of(x, SEG_SS) == SEGC_ODD)
        return false;
    x->writes = false;
    if (!xlat_seg_access(x, SEG_SS, HMEM(H_RBP, 0), 4, 4, &slot))
        return false;
    emit_load(e, H_R11, slot, 4);                             /* mov  r11d, [ebp]       */
    emit_lea32(e, R_SP, HMEM(H_RBP, 4));                      /* lea  r13d, [rbp+4]     */
    emit_mov_rr32(e, H_RBP, H_R11);                           /* mov  ebp, r11d         */
    return true;
}
