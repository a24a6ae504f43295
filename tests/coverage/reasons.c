/* See reasons.h. */
#include "tests/coverage/reasons.h"

#include <string.h>
#include "cpu/cpuid.h"
#include "cpu/ops.h"

static bool is_ring0(insn_fn *op)
{
    static insn_fn *const ring0[] = {op_lgdt,        op_lidt,      op_lmsw,   op_clts, op_hlt,    op_mov_from_cr, op_mov_to_cr,
                                     op_mov_from_dr, op_mov_to_dr, op_invlpg, op_invd, op_wbinvd, op_rdmsr,       op_wrmsr,
                                     op_sysexit,     op_xsetbv};

    for (unsigned n = 0; n < ARRAY_SIZE(ring0); n++)
        if (op == ring0[n])
            return true;
    return false;
}

const char *reason_not_to_complete(const struct cpu *cpu, const struct row *row, unsigned mode, int *vector)
{
    const struct insn_desc *d = row->desc;

    *vector = VEC_UD;
    if (!cpu_has_feature(cpu, d->feature))
        return "the CPU model does not offer it: #UD";
    if (d->exec == op_ud)
        return "it is there to raise #UD";
    if (row->is_vex && (mode == ROW_REAL || mode == ROW_V86))
        return "VEX is #UD outside protected mode";
    if ((d->attr & ATTR_PE_ONLY) && (mode == ROW_REAL || mode == ROW_V86))
        return "#UD outside protected mode";
    if (d->exec == op_rsm)
        return "#UD outside SMM";
    *vector = VEC_DB;
    if (d->exec == op_int1)
        return "it is there to raise #DB";
    *vector = VEC_GP;
    if ((d->exec == op_sysenter || d->exec == op_sysexit) && mode == ROW_REAL)
        return "SYSENTER, SYSEXIT in real mode: #GP";
    if (mode == ROW_V86 && is_ring0(d->exec))
        return "privileged, and virtual-8086 mode is ring 3: #GP";
    return NULL;
}

const char *reason_not_native(const struct cpu *cpu, const struct row *row)
{
    const struct insn_desc *d = row->desc;

    if (!cpu_has_feature(cpu, d->feature))
        return "the CPU model does not offer it";
    if (d->exec == op_ud || d->exec == op_int1)
        return "it is there to raise an exception";
    if (d->iclass == SENSITIVE || d->iclass == PRIVILEGED || (d->attr & ATTR_GUESTSTATE))
        return "it would show or change the host's system";
    if (d->exec == op_rdrand || d->exec == op_rdseed)
        return "random";
    if (d->feature == FEAT_XSAVE)
        return "XCR0 is the host's";
    if (row->map == MAP_0F && row->opcode == 0xf7)
        return "MASKMOVQ, MASKMOVDQU: a quirk of the host";
    if (row->map == MAP_0F && row->opcode == 0xae && strstr(d->name, "ldmxcsr"))
        return "LDMXCSR: a quirk of the host";
    return NULL;
}
