/* Loads of data segment registers in real and virtual-8086 mode, where they need no descriptor: the base is 16 times the selector.
 *
 * In place only for segments of 64 KiB: a load changes neither limit nor rights, so the mode, and with it the translation, stays. */
#include "bt/xlat.h"

#include "cpu/ops.h"

static bool may_load(const struct xlat *x, unsigned seg)
{
    if (mode_is_protected(x->mode) || seg == SEG_CS || seg >= SEG_COUNT || !is_64k(x, seg))
        return false;
    return seg != SEG_SS || x->i + 1 < x->n; /* MOV and POP have a shadow */
}

void xlat_set_real_segment(struct emit *e, unsigned seg)
{
    emit_store(e, CPU_SEG(seg, sel), H_R11, 2);                       /* mov  sel, r11w         */
    emit_lea32(e, H_R9, HMEM_X(H_NONE, H_R11, 3, 0));                 /* lea  r9d, [r11*8]      */
    emit_lea32(e, H_R9, HMEM_X(H_R9, H_R9, 0, 0));                    /* lea  r9d, [r9+r9]      */
    emit_store(e, CPU_SEG(seg, base), H_R9, 8);                       /* mov  base, r9          */
    emit_store(e, CPU_SEG_CHECK(seg, base), H_R9, 8);                 /* mov  base, r9          */
    emit_not64(e, H_R9);                                              /* not  r9                */
    emit_lea64(e, H_R9, HMEM(H_R9, 1));                               /* lea  r9, [r9+1]        */
    emit_store(e, CPU_SEG_CHECK(seg, minus_base), H_R9, 8);           /* mov  -base, r9         */
}

static bool mov_to_sreg(struct xlat *x, const struct insn *in)
{
    if (!may_load(x, in->reg) || !xlat_load_selector(x, in))
        return false;
    xlat_set_real_segment(x->e, in->reg);
    if (in->reg == SEG_SS)
        x->shadowed = x->i + 1;
    return true;
}

static bool pop_sreg(struct xlat *x, const struct insn *in)
{
    unsigned seg = in->opcode >> 3 & 7;
    struct hmem slot;

    if (in->opsize != 2 || !may_load(x, seg) || !xlat_stack_slot(x, 0, 2, &slot))
        return false;
    emit_load(x->e, H_R11, slot, 2);                                  /* movzx r11d, word [sp]  */
    xlat_stack_move(x, 2);
    xlat_set_real_segment(x->e, seg);
    if (seg == SEG_SS)
        x->shadowed = x->i + 1;
    return true;
}

/* LES LDS LSS LFS LGS */
static bool load_pointer(struct xlat *x, const struct insn *in)
{
    unsigned seg = in->map == MAP_1B ? (in->opcode == 0xc4 ? SEG_ES : SEG_DS) : in->opcode == 0xb2 ? SEG_SS : in->opcode & 7;
    struct hmem m, sel;

    if (!in->is_mem || !may_load(x, seg) || !xlat_far_pointer(x, in, &m, &sel))
        return false;
    emit_load(x->e, H_R11, sel, 2);                                   /* movzx r11d, word [mem+2] */
    emit_load(x->e, H_R8, m, in->opsize);                             /* movzx r8d, word [mem]  */
    if (in->opsize == 2)
        emit_mov_rr16(x->e, host_reg(in->reg), H_R8);                 /* mov  r16, r8w          */
    else
        emit_mov_rr32(x->e, host_reg(in->reg), H_R8);
    xlat_set_real_segment(x->e, seg);
    return true;
}

bool xlat_real(struct xlat *x, const struct insn *in)
{
    if (insn_is(in, op_mov_to_sreg))
        return mov_to_sreg(x, in);
    if (insn_is(in, op_pop_sreg))
        return pop_sreg(x, in);
    if (insn_is(in, op_lseg_ptr))
        return load_pointer(x, in);
    return false;
}
