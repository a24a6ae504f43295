/* Model-specific registers.  SDM 4, chapter 2.
 *
 * Those that firmware and systems touch without expecting a #GP exist, even where this machine gives them no effect:
 * memory types (MTRRs, PAT) are stored and never used, and there are no performance counters. */
#include <string.h>
#include "cpu/cpu.h"

#include "cpu/mem.h"
#include "cpu/protect.h"
#include "host/log.h"

enum {
    MSR_P5_MC_ADDR = 0x0, MSR_P5_MC_TYPE = 0x1, MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_APIC_BASE = 0x1b,
    MSR_EBL_CR_POWERON = 0x2a, MSR_SMI_COUNT = 0x34, MSR_FEATURE_CONTROL = 0x3a, MSR_TSC_ADJUST = 0x3b, MSR_SPEC_CTRL = 0x48, MSR_PRED_CMD = 0x49, MSR_BIOS_UPDT_TRIG = 0x79,
    MSR_BIOS_SIGN_ID = 0x8b, MSR_FSB_FREQ = 0xcd, MSR_PLATFORM_INFO = 0xce, MSR_MTRRCAP = 0xfe,
    MSR_ARCH_CAPABILITIES = 0x10a, MSR_BBL_CR_CTL = 0x119, MSR_BBL_CR_CTL3 = 0x11e, MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_MCG_CAP = 0x179, MSR_MCG_STATUS = 0x17a, MSR_PERF_STATUS = 0x198,
    MSR_PERF_CTL = 0x199, MSR_CLOCK_MODULATION = 0x19a, MSR_THERM_INTERRUPT = 0x19b, MSR_THERM_STATUS = 0x19c,
    MSR_THERM2_CTL = 0x19d, MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9, MSR_LASTBRANCHFROM = 0x1db,
    MSR_LASTINTTO = 0x1de, MSR_MTRR_PHYS = 0x200, MSR_MTRR_PHYS_LAST = 0x20f, MSR_MTRR_FIX64K = 0x250,
    MSR_MTRR_FIX16K = 0x258, MSR_MTRR_FIX16K_A = 0x259, MSR_MTRR_FIX4K = 0x268, MSR_MTRR_FIX4K_LAST = 0x26f,
    MSR_PAT = 0x277, MSR_MTRR_DEF_TYPE = 0x2ff, MSR_MC0_CTL = 0x400, MSR_MC_LAST = 0x41f
};
#define MSR_EFER 0xc0000080u

#define APIC_BASE_RESET   0xfee00900ull /* enabled, BSP */
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
    cpu->apic_base = APIC_BASE_RESET;
    cpu->pat = PAT_RESET;
    cpu->misc_enable = MISC_ENABLE_RESET;
    cpu->tsc_offset = 0;
    cpu->mtrr_def_type = 0;
    memset(cpu->mtrr_fixed, 0, sizeof(cpu->mtrr_fixed));
    memset(cpu->mtrr_var, 0, sizeof(cpu->mtrr_var));
    memset(cpu->mc_regs, 0, sizeof(cpu->mc_regs));
    cpu->mcg_status = cpu->spec_ctrl = 0;
    cpu->xcr0 = 1;
}

/* The register's place, for those that simply hold what is written; *mask: the bits that may be set. */
static uint64_t *plain_register(struct cpu *cpu, uint32_t msr, uint64_t *mask)
{
    *mask = ~0ull;
    if (msr >= MSR_MTRR_PHYS && msr <= MSR_MTRR_PHYS_LAST) {
        *mask = msr & 1 ? PHYS_MASK & ~0x7ffull : (PHYS_MASK & ~0xfffull) | 0xff;
        return &cpu->mtrr_var[msr - MSR_MTRR_PHYS];
    }
    if (msr >= MSR_MTRR_FIX4K && msr <= MSR_MTRR_FIX4K_LAST)
        return &cpu->mtrr_fixed[3 + (msr - MSR_MTRR_FIX4K)];
    if (msr >= MSR_MC0_CTL && msr <= MSR_MC_LAST)
        return &cpu->mc_regs[msr - MSR_MC0_CTL];
    switch (msr) {
    case MSR_MTRR_FIX64K:
        return &cpu->mtrr_fixed[0];
    case MSR_MTRR_FIX16K:
    case MSR_MTRR_FIX16K_A:
        return &cpu->mtrr_fixed[1 + (msr - MSR_MTRR_FIX16K)];
    case MSR_SYSENTER_CS:
        *mask = 0xffffffff;
        return &cpu->sysenter_cs;
    case MSR_SYSENTER_ESP:
        *mask = 0xffffffff;
        return &cpu->sysenter_esp;
    case MSR_SYSENTER_EIP:
        *mask = 0xffffffff;
        return &cpu->sysenter_eip;
    case MSR_MISC_ENABLE:
        return &cpu->misc_enable;
    case MSR_MTRR_DEF_TYPE:
        *mask = MTRR_DEF_MASK;
        return &cpu->mtrr_def_type;
    case MSR_MCG_STATUS:
        return &cpu->mcg_status;
    case MSR_TSC_ADJUST: /* writes to the TSC move it by as much */
        return &cpu->tsc_offset;
    case MSR_SPEC_CTRL:
        *mask = SPEC_CTRL_MASK;
        return &cpu->spec_ctrl;
    default:
        return NULL;
    }
}

/* Present, reading as a constant; *is_writable: writes are accepted and forgotten. */
static bool constant_register(uint32_t msr, uint64_t *value, bool *is_writable)
{
    *value = 0;
    *is_writable = false;
    switch (msr) {
    case MSR_MTRRCAP:
        *value = MTRRCAP;
        return true;
    case MSR_ARCH_CAPABILITIES:
        *value = ARCH_CAPABILITIES;
        return true;
    case MSR_FEATURE_CONTROL:
        *value = FEATURE_LOCKED;
        return true;
    case MSR_BIOS_SIGN_ID: /* microcode revision, in the upper half */
        *value = 0xbaull << 32;
        *is_writable = true;
        return true;
    case MSR_PLATFORM_ID:
    case MSR_SMI_COUNT:
    case MSR_MCG_CAP:
    case MSR_FSB_FREQ:
    case MSR_PLATFORM_INFO:
    case MSR_PERF_STATUS:
        return true;
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE:
    case MSR_EBL_CR_POWERON:
    case MSR_BIOS_UPDT_TRIG:
    case MSR_BBL_CR_CTL:
    case MSR_BBL_CR_CTL3:
    case MSR_PERF_CTL:
    case MSR_CLOCK_MODULATION:
    case MSR_THERM_INTERRUPT:
    case MSR_THERM_STATUS:
    case MSR_THERM2_CTL:
    case MSR_DEBUGCTL:
        *is_writable = true;
        return true;
    default:
        return msr >= MSR_LASTBRANCHFROM && msr <= MSR_LASTINTTO;
    }
}

bool msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    uint64_t mask, *reg = plain_register(cpu, msr, &mask);
    bool is_writable;

    if (reg)
        *value = *reg;
    else if (msr == MSR_TSC)
        *value = cpu_tsc(cpu);
    else if (msr == MSR_APIC_BASE)
        *value = cpu->apic_base;
    else if (msr == MSR_PAT)
        *value = cpu->pat;
    else if (msr == MSR_EFER)
        *value = cpu->paging.efer;
    else if (!constant_register(msr, value, &is_writable)) {
        log_at(LOG_UNIMP, "cpu: rdmsr %#x: #GP", msr);
        return false;
    }
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
    if (value & ~APIC_BASE_MASK)
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

bool msr_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    uint64_t mask, constant, *reg = plain_register(cpu, msr, &mask);
    bool is_writable;

    if (reg) {
        if (value & ~mask)
            return false;
        *reg = value;
        return true;
    }
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
    case MSR_PRED_CMD:
        return !(value & ~1ull);
    default:
        if (constant_register(msr, &constant, &is_writable) && is_writable)
            return true;
        log_at(LOG_UNIMP, "cpu: wrmsr %#x, %#llx: #GP", msr, (unsigned long long)value);
        return false;
    }
}
