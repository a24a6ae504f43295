/* XSAVE, XSAVEOPT, XRSTOR, XGETBV, XSETBV: the standard form, with x87, SSE and AVX state.  SDM 1 chapter 13.
 *
 *     0 legacy region, as FXSAVE's   512 header: XSTATE_BV, XCOMP_BV, zeros   576 upper halves of the YMM registers
 *
 * A component in its initial configuration has its bit in XSTATE_BV clear (the "init optimization"); of XSAVEOPT's
 * freedom not to write what has not changed no use is made.  Outside 64-bit mode there are eight registers. */
#include "cpu/avx.h"

#include <string.h>
#include "cpu/cpuid.h"
#include "cpu/hostfp.h"
#include "cpu/operand.h"
#include "cpu/ops.h"
#include "cpu/tlb.h"

#define HEADER_END FX_YMM
#define XMM_BYTES (8 * 16)
#define MXCSR_VALID 0xffffu
#define OPCODE_OPT (6 << 3) /* ModRM.reg of XSAVEOPT */

uint64_t xcr0_supported(const struct cpu *cpu)
{
    return XCR0_X87 | XCR0_SSE | (cpu_has_feature(cpu, FEAT_AVX) ? XCR0_AVX : 0);
}

unsigned xsave_area_size(uint64_t components)
{
    return components & XCR0_AVX ? XSAVE_SIZE : HEADER_END;
}

static bool may_start(struct cpu *cpu)
{
    return (cpu->paging.cr4 & CR4_OSXSAVE) || cpu_raise(cpu, VEC_UD);
}

bool op_xgetbv(struct cpu *cpu, const struct insn *in)
{
    if (!may_start(cpu))
        return false;
    if ((uint32_t)cpu->gpr[REG_CX] != 0)
        return cpu_raise_error(cpu, VEC_GP, 0);
    cpu->gpr[REG_AX] = (uint32_t)cpu->xcr0;
    cpu->gpr[REG_DX] = cpu->xcr0 >> 32;
    return true;
}

bool op_xsetbv(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = (uint32_t)cpu->gpr[REG_AX] | cpu->gpr[REG_DX] << 32;

    if (!may_start(cpu))
        return false;
    if (cpu->cpl != 0 || (uint32_t)cpu->gpr[REG_CX] != 0 || !(value & XCR0_X87) || (value & ~xcr0_supported(cpu)) ||
        ((value & XCR0_AVX) && !(value & XCR0_SSE)))
        return cpu_raise_error(cpu, VEC_GP, 0);
    cpu->xcr0 = value;
    return true;
}

bool xsave_may_start(const struct cpu *cpu)
{
    return (cpu->paging.cr4 & CR4_OSXSAVE) && !(cpu->paging.cr0 & CR0_TS);
}

/* #UD, #NM, alignment; the linear address is that of the whole area. */
static bool area_may_start(struct cpu *cpu, const struct insn *in, unsigned access)
{
    gla_t gla;

    if (!may_start(cpu))
        return false;
    if (cpu->paging.cr0 & CR0_TS)
        return cpu_raise(cpu, VEC_NM);
    if (!mem_linear(cpu, in->seg, insn_ea(cpu, in), HEADER_END, access, &gla))
        return false;
    return !(gla & (XSAVE_ALIGN - 1)) || cpu_raise_error(cpu, VEC_GP, 0);
}

uint64_t xsave_requested(const struct cpu *cpu)
{
    return ((uint32_t)cpu->gpr[REG_AX] | cpu->gpr[REG_DX] << 32) & cpu->xcr0;
}

static bool is_zero(const uint8_t *bytes, unsigned len)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, len - 1);
}

static void init_x87(uint8_t *image)
{
    memset(image, 0, FX_MXCSR);
    memset(image + FX_ST, 0, FX_XMM - FX_ST);
    store_le(image + FX_FCW, 2, 0x037f);
}

/* Components that are not in their initial configuration. */
static uint64_t in_use(const struct cpu *cpu)
{
    uint8_t init[FX_XMM] = {0};
    uint64_t bv = 0;

    init_x87(init);
    if (memcmp(cpu->fpu, init, FX_MXCSR) != 0 || !is_zero(cpu->fpu + FX_ST, FX_XMM - FX_ST))
        bv |= XCR0_X87;
    if (!is_zero(cpu->fpu + FX_XMM, XMM_BYTES)) /* MXCSR does not count */
        bv |= XCR0_SSE;
    if (!is_zero(cpu->fpu + FX_YMM, XMM_BYTES))
        bv |= XCR0_AVX;
    return bv;
}

/* What lies where, MXCSR being neither's. */
#define PART_MXCSR (1u << 8)
static const struct part {
    uint32_t component;
    uint16_t off, len;
} parts[] = {{XCR0_X87, 0, FX_MXCSR}, {PART_MXCSR, FX_MXCSR, 8}, {XCR0_X87, FX_ST, FX_XMM - FX_ST},
             {XCR0_SSE, FX_XMM, XMM_BYTES}, {XCR0_AVX, FX_YMM, XMM_BYTES}};

static uint64_t parts_to_write(struct cpu *cpu, uint64_t rfbm, uint64_t used, bool is_opt)
{
    store_le(cpu->fpu + FX_MXCSR_MASK, 4, MXCSR_VALID);
    return (is_opt ? rfbm & used : rfbm) | (rfbm & XCR0_AVX_STATE ? PART_MXCSR : 0);
}

bool xsave_is_opt(const struct insn *in)
{
    return (in->modrm & 0x38) == OPCODE_OPT;
}

bool op_xsave(struct cpu *cpu, const struct insn *in)
{
    uint64_t rfbm = xsave_requested(cpu), ea = insn_ea(cpu, in), used = in_use(cpu), bv, written;

    if (!area_may_start(cpu, in, ACCESS_WRITE) || !mem_read(cpu, in->seg, ea + XSAVE_BV, 8, &bv) ||
        !operand_probe_write(cpu, in->seg, ea, xsave_area_size(rfbm)))
        return false;
    written = parts_to_write(cpu, rfbm, used, xsave_is_opt(in));
    for (const struct part *p = parts; p < parts + ARRAY_SIZE(parts); p++)
        if ((written & p->component) && !mem_write_buf(cpu, in->seg, ea + p->off, cpu->fpu + p->off, p->len))
            return false;
    return mem_write(cpu, in->seg, ea + XSAVE_BV, 8, (bv & ~rfbm) | (used & rfbm));
}

void xsave_store(struct cpu *cpu, uint8_t *area, bool is_opt)
{
    uint64_t rfbm = xsave_requested(cpu), used = in_use(cpu), written = parts_to_write(cpu, rfbm, used, is_opt);

    for (const struct part *p = parts; p < parts + ARRAY_SIZE(parts); p++)
        if (written & p->component)
            memcpy(area + p->off, cpu->fpu + p->off, p->len);
    store_le(area + XSAVE_BV, 8, (load_le(area + XSAVE_BV, 8) & ~rfbm) | (used & rfbm));
}

/* Reserved: components not enabled, the compacted form, MXCSR. */
static bool is_area_valid(const struct cpu *cpu, const uint8_t *area, uint64_t rfbm)
{
    return !(load_le(area + XSAVE_BV, 8) & ~cpu->xcr0) && is_zero(area + XSAVE_BV + 8, 16) &&
           (!(rfbm & XCR0_AVX_STATE) || !(load_le(area + FX_MXCSR, 4) & ~(uint64_t)MXCSR_VALID));
}

uint64_t xrstor_wanted(const struct cpu *cpu, const uint8_t *area)
{
    return load_le(area + XSAVE_BV, 8) & xsave_requested(cpu);
}

bool xrstor_load(struct cpu *cpu, const uint8_t *area)
{
    uint64_t rfbm = xsave_requested(cpu), present = load_le(area + XSAVE_BV, 8);
    uint8_t image[FX_SIZE] __attribute__((aligned(64)));

    if (!is_area_valid(cpu, area, rfbm))
        return false;
    memcpy(image, cpu->fpu, FX_SIZE);
    if (rfbm & XCR0_X87) {
        if (present & XCR0_X87) {
            memcpy(image, area, FX_MXCSR);
            memcpy(image + FX_ST, area + FX_ST, FX_XMM - FX_ST);
        } else {
            init_x87(image);
        }
    }
    if (rfbm & XCR0_AVX_STATE)
        memcpy(image + FX_MXCSR, area + FX_MXCSR, 4);
    if (rfbm & present & XCR0_SSE)
        memcpy(image + FX_XMM, area + FX_XMM, XMM_BYTES);
    else if (rfbm & XCR0_SSE)
        memset(image + FX_XMM, 0, XMM_BYTES);
    if (rfbm & present & XCR0_AVX)
        memcpy(cpu->fpu + FX_YMM, area + FX_YMM, XMM_BYTES);
    else if (rfbm & XCR0_AVX)
        memset(cpu->fpu + FX_YMM, 0, XMM_BYTES);
    fp_load_legacy(cpu, image);
    return true;
}

bool op_xrstor(struct cpu *cpu, const struct insn *in)
{
    uint8_t area[XSAVE_SIZE] __attribute__((aligned(64)));
    uint64_t ea = insn_ea(cpu, in);

    if (!area_may_start(cpu, in, ACCESS_READ) || !mem_read_buf(cpu, in->seg, ea, area, HEADER_END))
        return false;
    if ((xrstor_wanted(cpu, area) & XCR0_AVX) && is_area_valid(cpu, area, xsave_requested(cpu)) &&
        !mem_read_buf(cpu, in->seg, ea + FX_YMM, area + FX_YMM, XSAVE_SIZE - FX_YMM))
        return false;
    return xrstor_load(cpu, area) || cpu_raise_error(cpu, VEC_GP, 0);
}
