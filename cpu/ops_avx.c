/* AVX instructions that access memory element by element: masked moves and gathers.  The others run natively, in
 * cpu/ops_fp.c.  SDM 2C, VMASKMOV, VPMASKMOV, VGATHER, VPGATHER; exceptions SDM 2, types 6 and 12; none of them raises #AC. */
#include "cpu/avx.h"

#include <string.h>
#include "cpu/hostfp.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

#define VECTOR_BYTES 32

bool avx_may_start(struct cpu *cpu)
{
    if (!mode_is_protected(cpu->mode) || !(cpu->paging.cr4 & CR4_OSXSAVE) ||
        (cpu->xcr0 & XCR0_AVX_STATE) != XCR0_AVX_STATE)
        return cpu_raise(cpu, VEC_UD);
    return !(cpu->paging.cr0 & CR0_TS) || cpu_raise(cpu, VEC_NM);
}

static void vector_read(const struct cpu *cpu, unsigned reg, uint8_t v[VECTOR_BYTES])
{
    memcpy(v, cpu->fpu + FX_XMM + 16 * reg, 16);
    memcpy(v + 16, cpu->fpu + FX_YMM + 16 * reg, 16);
}

static void vector_write(struct cpu *cpu, unsigned reg, const uint8_t v[VECTOR_BYTES])
{
    memcpy(cpu->fpu + FX_XMM + 16 * reg, v, 16);
    memcpy(cpu->fpu + FX_YMM + 16 * reg, v + 16, 16);
}

static bool is_selected(const uint8_t *mask, unsigned element, unsigned size)
{
    return mask[element * size + size - 1] & 0x80;
}

/* Elements that the mask leaves out are not accessed: they cannot fault. */
static bool masked_load(struct cpu *cpu, const struct insn *in, const uint8_t *mask, unsigned size)
{
    unsigned count = (in->vex_l ? 32 : 16) / size;
    uint64_t ea = insn_ea(cpu, in), value;
    uint8_t v[VECTOR_BYTES] = {0};

    for (unsigned i = 0; i < count; i++) {
        if (!is_selected(mask, i, size))
            continue;
        if (!mem_read(cpu, in->seg, ea + i * size, size, &value))
            return false;
        store_le(v + i * size, size, value);
    }
    vector_write(cpu, in->reg, v);
    return true;
}

static bool masked_store(struct cpu *cpu, const struct insn *in, const uint8_t *mask, unsigned size)
{
    unsigned count = (in->vex_l ? 32 : 16) / size;
    uint64_t ea = insn_ea(cpu, in);
    uint8_t v[VECTOR_BYTES];

    vector_read(cpu, in->reg, v);
    for (unsigned i = 0; i < count; i++)
        if (is_selected(mask, i, size) && !operand_probe_write(cpu, in->seg, ea + i * size, size))
            return false;
    for (unsigned i = 0; i < count; i++)
        if (is_selected(mask, i, size) && !mem_write(cpu, in->seg, ea + i * size, size, load_le(v + i * size, size)))
            return false;
    return true;
}

static bool masked_move(struct cpu *cpu, const struct insn *in)
{
    bool is_integer = in->opcode >= 0x80; /* 8Ch, 8Eh: W is the size; 2Ch to 2Fh: the opcode's bit 0 is */
    unsigned size = (is_integer ? in->vex_w : in->opcode & 1) ? 8 : 4;
    uint8_t mask[VECTOR_BYTES];

    if (!avx_may_start(cpu))
        return false;
    vector_read(cpu, in->vvvv, mask);
    return in->desc->attr & ATTR_MEM_W ? masked_store(cpu, in, mask, size) : masked_load(cpu, in, mask, size);
}

/* Without EFLAGS.AC. */
static bool unaligned(struct cpu *cpu, const struct insn *in, insn_fn *fn)
{
    uint32_t ac = cpu->eflags & EFLAGS_AC;
    bool is_done;

    cpu->eflags &= ~EFLAGS_AC;
    is_done = fn(cpu, in);
    cpu->eflags |= ac;
    return is_done;
}

bool op_vmaskmov(struct cpu *cpu, const struct insn *in)
{
    return unaligned(cpu, in, masked_move);
}

static uint64_t element_ea(const struct cpu *cpu, const struct insn *in, uint64_t index)
{
    uint64_t ea = insn_ea(cpu, in) + (index << in->scale);

    return in->addrsize == 4 ? (uint32_t)ea : ea;
}

/* Elements are loaded in order; one that faults leaves those before it done and their mask cleared, so that the instruction
 * goes on there when it runs again.  This is the one place where a fault changes registers. */
static bool gather(struct cpu *cpu, const struct insn *in)
{
    unsigned size = in->vex_w ? 8 : 4, index_size = in->opcode & 1 ? 8 : 4;
    unsigned count = (in->vex_l ? 32 : 16) / (size > index_size ? size : index_size);
    uint8_t dest[VECTOR_BYTES], mask[VECTOR_BYTES], index[VECTOR_BYTES];
    bool is_done = true;

    if (!avx_may_start(cpu))
        return false;
    vector_read(cpu, in->reg, dest);
    vector_read(cpu, in->vvvv, mask);
    vector_read(cpu, in->vindex, index);
    for (unsigned i = 0; i < VECTOR_BYTES / size; i++)
        memset(mask + i * size, i < count && is_selected(mask, i, size) ? 0xff : 0, size);
    for (unsigned i = 0; i < count && is_done; i++) {
        uint64_t at = load_le(index + i * index_size, index_size), value;

        if (!is_selected(mask, i, size))
            continue;
        is_done = mem_read(cpu, in->seg, element_ea(cpu, in, index_size == 4 ? (uint64_t)(int32_t)at : at), size, &value);
        if (is_done) {
            store_le(dest + i * size, size, value);
            memset(mask + i * size, 0, size);
        }
    }
    if (is_done)
        memset(dest + count * size, 0, VECTOR_BYTES - count * size);
    vector_write(cpu, in->vvvv, mask);
    vector_write(cpu, in->reg, dest);
    return is_done;
}

bool op_gather(struct cpu *cpu, const struct insn *in)
{
    return unaligned(cpu, in, gather);
}
