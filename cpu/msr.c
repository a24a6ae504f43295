/* Model-specific registers.  SDM 4, chapter 2.
 *
 * What exists depends on model and features, all else is #GP.  Some have no effect here: memory types (MTRRs, PAT) are
 * stored and never used, performance counters do not count. */
#include <string.h>
#include "cpu/cpu.h"

#include "cpu/cpuid.h"
#include "cpu/mem.h"
#include "cpu/protect.h"
#include "host/log.h"

enum {
    MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_PRED_CMD = 0x49, MSR_PAT = 0x277
};
#define MSR_EFER 0xc0000080u

#define APIC_BASE_RESET   0xfee00900ull /* enabled, BSP */
#define APIC_BASE_EN      0x800ull
#define APIC_BASE_MASK    ((PHYS_MASK & ~0xfffull) | 0x900)
#define PAT_RESET         0x0007040600070406ull
#define MTRRCAP           0x508u /* eight variable ranges, fixed ranges, write-combining */
#define MTRR_DEF_MASK     0xcffu
#define PHYS_MASK         0xfffffffffull
#define FEATURE_LOCKED    1u
#define MISC_ENABLE_RESET 0x1801ull /* fast strings; no BTS, no PEBS */
/* RDCL_NO, IBRS_ALL, SKIP_L1DFL, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO,
 * GDS_NO, RFDS_NO, ITS_NO.  IBRS_ALL spares Linux its retpolines, whose unpaired returns are slow to translate. */
#define ARCH_CAPABILITIES 0x400000000d10e17bull
#define SPEC_CTRL_MASK    7u

void msr_reset(struct cpu *cpu)
{
    cpu->sysenter_cs = cpu->sysenter_esp = cpu->sysenter_eip = 0;
    cpu->apic_base = cpu_has_feature(cpu, FEAT_APIC) ? APIC_BASE_RESET : APIC_BASE_RESET & ~APIC_BASE_EN;
    cpu->pat = PAT_RESET;
    cpu->misc_enable = MISC_ENABLE_RESET;
    cpu->tsc_offset = 0;
    cpu->mtrr_def_type = 0;
    memset(cpu->mtrr_fixed, 0, sizeof(cpu->mtrr_fixed));
    memset(cpu->mtrr_var, 0, sizeof(cpu->mtrr_var));
    memset(cpu->mc_regs, 0, sizeof(cpu->mc_regs));
    memset(cpu->perf_counter, 0, sizeof(cpu->perf_counter));
    memset(cpu->perf_select, 0, sizeof(cpu->perf_select));
    cpu->mcg_status = cpu->spec_ctrl = 0;
    cpu->xcr0 = 1;
}

/* A run of registers, the feature that brings them, and what they are. */
enum msr_kind {
    MSR_HELD,     /* holds what is written, in *place */
    MSR_SPECIAL,  /* see msr_read() and msr_write() */
    MSR_READ_ONLY,
    MSR_FORGOTTEN /* writes are accepted and do nothing */
};

struct msr_range {
    uint32_t first, last;
    uint8_t feature, without; /* enum cpu_feature; without: not on processors that have it */
    uint8_t kind;             /* enum msr_kind */
    uint64_t value;           /* constant, or the bits that may be set */
    size_t place;             /* of the first: offset into struct cpu */
};

/* clang-format off */
#define HELD(first, last, feature, mask, place) HELD_BEFORE(first, last, feature, COUNT, mask, place)
#define HELD_BEFORE(first, last, feature, without, mask, place) \
    {first, last, FEAT_##feature, FEAT_##without, MSR_HELD, mask, offsetof(struct cpu, place)}
#define MTRR_PAIR(n) HELD(0x200 + 2 * (n), 0x200 + 2 * (n), MTRR, (PHYS_MASK & ~0xfffull) | 0xff, mtrr_var[2 * (n)]), \
                     HELD(0x201 + 2 * (n), 0x201 + 2 * (n), MTRR, PHYS_MASK & ~0x7ffull, mtrr_var[2 * (n) + 1])
#define SPECIAL(msr, feature) {msr, msr, FEAT_##feature, FEAT_COUNT, MSR_SPECIAL, 0, 0}
#define CONSTANT(msr, feature, value) {msr, msr, FEAT_##feature, FEAT_COUNT, MSR_READ_ONLY, value, 0}
#define FORGOTTEN(first, last, feature, without, value) {first, last, FEAT_##feature, FEAT_##without, MSR_FORGOTTEN, value, 0}
#define ALL_BITS (~0ull)
static const struct msr_range msrs[] = {
    FORGOTTEN(0x0, 0x1, MCE, COUNT, 0),               /* P5_MC_ADDR, P5_MC_TYPE */
    FORGOTTEN(0x2, 0xe, 586, 686, 0),                /* P5: test registers */
    SPECIAL(MSR_TSC, TSC),
    FORGOTTEN(0x11, 0x13, 586, 686, 0),              /* P5: CESR, CTR0, CTR1 */
    CONSTANT(0x17, 686, 0),                          /* IA32_PLATFORM_ID */
    SPECIAL(MSR_APIC_BASE, 686),
    FORGOTTEN(0x2a, 0x2a, 686, COUNT, 0),             /* EBL_CR_POWERON */
    CONSTANT(0x34, CORE, 0),                         /* SMI_COUNT */
    CONSTANT(0x3a, CORE, FEATURE_LOCKED),            /* IA32_FEATURE_CONTROL */
    HELD(0x3b, 0x3b, TSC_ADJUST, ALL_BITS, tsc_offset), /* writes to the TSC move it by as much */
    HELD(0x48, 0x48, SPEC_CTRL, SPEC_CTRL_MASK, spec_ctrl),
    SPECIAL(MSR_PRED_CMD, SPEC_CTRL),
    FORGOTTEN(0x79, 0x79, 686, COUNT, 0),             /* IA32_BIOS_UPDT_TRIG */
    FORGOTTEN(0x8b, 0x8b, 686, COUNT, 0xbaull << 32), /* IA32_BIOS_SIGN_ID: microcode revision */
    HELD_BEFORE(0xc1, 0xc2, 686, CORE, ALL_BITS, perf_counter),   /* PerfCtr0, 1: they never count */
    CONSTANT(0xcd, CORE, 0),                         /* FSB_FREQ */
    CONSTANT(0xce, CORE, 0),                         /* PLATFORM_INFO */
    CONSTANT(0xfe, MTRR, MTRRCAP),
    CONSTANT(0x10a, ARCH_CAPS, ARCH_CAPABILITIES),
    FORGOTTEN(0x119, 0x119, 686, COUNT, 0),           /* BBL_CR_CTL */
    FORGOTTEN(0x11e, 0x11e, 686, COUNT, 0),           /* BBL_CR_CTL3 */
    HELD(0x174, 0x174, SEP, 0xffffffff, sysenter_cs),
    HELD(0x175, 0x175, SEP, 0xffffffff, sysenter_esp),
    HELD(0x176, 0x176, SEP, 0xffffffff, sysenter_eip),
    CONSTANT(0x179, MCA, 0),                         /* MCG_CAP */
    HELD(0x17a, 0x17a, MCA, ALL_BITS, mcg_status),
    HELD_BEFORE(0x186, 0x187, 686, CORE, 0xffffffff, perf_select), /* EvntSel0, 1 */
    CONSTANT(0x198, CORE, 0),                        /* IA32_PERF_STATUS */
    FORGOTTEN(0x199, 0x19d, CORE, COUNT, 0),          /* PERF_CTL, CLOCK_MODULATION, THERM_INTERRUPT, _STATUS, THERM2_CTL */
    HELD(0x1a0, 0x1a0, CORE, ALL_BITS, misc_enable),
    FORGOTTEN(0x1d9, 0x1d9, 686, COUNT, 0),           /* DEBUGCTL */
    FORGOTTEN(0x1db, 0x1de, 686, COUNT, 0),           /* last branch, last interrupt */
    MTRR_PAIR(0), MTRR_PAIR(1), MTRR_PAIR(2), MTRR_PAIR(3), MTRR_PAIR(4), MTRR_PAIR(5), MTRR_PAIR(6), MTRR_PAIR(7),
    HELD(0x250, 0x250, MTRR, ALL_BITS, mtrr_fixed[0]),
    HELD(0x258, 0x259, MTRR, ALL_BITS, mtrr_fixed[1]),
    HELD(0x268, 0x26f, MTRR, ALL_BITS, mtrr_fixed[3]),
    SPECIAL(MSR_PAT, PAT),
    HELD(0x2ff, 0x2ff, MTRR, MTRR_DEF_MASK, mtrr_def_type),
    HELD(0x400, 0x41f, MCA, ALL_BITS, mc_regs),
    SPECIAL(MSR_EFER, NX),
};
/* clang-format on */
static const struct msr_range *find_msr(const struct cpu *cpu, uint32_t msr)
{
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        const struct msr_range *r = &msrs[i];

        if (msr >= r->first && msr <= r->last && cpu_has_feature(cpu, r->feature) && !cpu_has_feature(cpu, r->without))
            return r;
    }
    return NULL;
}

static uint64_t *msr_place(struct cpu *cpu, const struct msr_range *r, uint32_t msr)
{
    return (uint64_t *)((char *)cpu + r->place) + (msr - r->first);
}

static bool read_special(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_TSC:
        *value = cpu_tsc(cpu);
        return true;
    case MSR_APIC_BASE:
        *value = cpu->apic_base;
        return true;
    case MSR_PAT:
        *value = cpu->pat;
        return true;
    case MSR_EFER:
        *value = cpu->paging.efer;
        return true;
    default: /* PRED_CMD is written only */
        return false;
    }
}

bool msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    const struct msr_range *r = find_msr(cpu, msr);

    if (!r || (r->kind == MSR_SPECIAL && !read_special(cpu, msr, value))) {
        log_at(LOG_UNIMP, "cpu: rdmsr %#x: #GP", msr);
        return false;
    }
    if (r->kind == MSR_HELD)
        *value = *msr_place(cpu, r, msr);
    else if (r->kind != MSR_SPECIAL)
        *value = r->value;
    return true;
}

/* Each of the eight entries: UC 0, WC 1, WT 4, WP 5, WB 6, UC- 7. */
static bool is_pat_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 64; i += 8) {
        unsigned type = pat >> i & 0xff;

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static bool write_efer(struct cpu *cpu, uint64_t value)
{
    if (value & ~(uint64_t)EFER_NXE)
        return false;
    if (value != cpu->paging.efer) {
        cpu->paging.efer = value;
        tlb_flush_all(cpu);
    }
    return true;
}

/* In lock-step the board must not notice: the instruction is not executed. */
static bool write_apic_base(struct cpu *cpu, uint64_t value)
{
    if ((value & ~APIC_BASE_MASK) || ((value & APIC_BASE_EN) && !cpu_has_feature(cpu, FEAT_APIC)))
        return false;
    if (cpu->probe) {
        cpu->probe->is_stopped = true;
        return true;
    }
    cpu->apic_base = value;
    if (cpu->board.apic_base)
        cpu->board.apic_base(cpu->board.opaque, value);
    return true;
}

static bool write_special(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_TSC:
        cpu->tsc_offset += value - cpu_tsc(cpu);
        return true;
    case MSR_APIC_BASE:
        return write_apic_base(cpu, value);
    case MSR_PAT:
        if (!is_pat_valid(value))
            return false;
        cpu->pat = value;
        return true;
    case MSR_EFER:
        return write_efer(cpu, value);
    default: /* PRED_CMD */
        return !(value & ~1ull);
    }
}

bool msr_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    const struct msr_range *r = find_msr(cpu, msr);

    if (!r || r->kind == MSR_READ_ONLY) {
        log_at(LOG_UNIMP, "cpu: wrmsr %#x, %#llx: #GP", msr, (unsigned long long)value);
        return false;
    }
    if (r->kind == MSR_SPECIAL)
        return write_special(cpu, msr, value);
    if (r->kind == MSR_HELD) {
        if (value & ~r->value)
            return false;
        *msr_place(cpu, r, msr) = value;
    }
    return true;
}
