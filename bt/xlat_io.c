/* Call-outs of fast_io.c: what the function cannot find out by itself is put where it looks for it. */
#include "bt/xlat.h"

#include "bt/fast.h"

static struct hmem moffs(const struct insn *in)
{
    return HMEM(H_NONE, (int32_t)in->disp);
}

bool xlat_io_operands(struct xlat *x, const struct insn *in, const struct callout_site *site)
{
    bool is_imm = in->opcode == 0xc6 || in->opcode == 0xc7, is_moffs = in->opcode >= 0xa0 && in->opcode <= 0xa3;
    unsigned class = seg_class_of(x, in->seg);
    struct hmem m = moffs(in);

    if (site->fast == FAST_IN || site->fast == FAST_OUT || site->fast == FAST_MOV_CR3)
        return true;
    if ((class != SEGC_FLAT && class != SEGC_BIG) || (in->seg == SEG_CS && site->fast == FAST_DEVICE_STORE) ||
        !(is_moffs ? xlat_seg_access(x, in->seg, m, 4, site->arg & 7, &m) : xlat_mem(x, in, site->arg & 7, &m)))
        return false;
    emit_lea32(x->e, H_R8, m);                                        /* lea  r8d, [operand]      */
    emit_store(x->e, HOT(fast_operand), H_R8, 8);
    if (site->fast != FAST_DEVICE_STORE)
        return true;
    if (is_imm)
        emit_store_imm(x->e, HOT(fast_value), (uint32_t)in->imm, 4);
    else
        emit_store(x->e, HOT(fast_value), host_reg(is_moffs ? REG_AX : in->reg), 8);
    return true;
}
