/* What this CPU says it can do.  SDM 2A, CPUID. */
#ifndef CPU_CPUID_H
#define CPU_CPUID_H

#include "cpu/cpu.h"
#include "cpu/insn.h"

struct cpuid_leaf {
    uint32_t eax, ebx, ecx, edx;
};

struct cpuid_leaf cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf);
/* May instructions of this feature execute?  Otherwise they are #UD. */
static inline bool cpu_has_feature(const struct cpu *cpu, enum cpu_feature feature)
{
    return features_has(&cpu->config.features, feature);
}

#endif
