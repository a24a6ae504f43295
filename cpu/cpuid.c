/* CPUID (SDM 2A): a uniprocessor P6-class Intel, family 6 model 15 stepping 11, with what the host's SIMD units offer.
 *
 * Guests read much into these numbers.  Leaves 15h and 16h give the frequencies of the TSC, the bus (Linux takes the crystal
 * of 15h for what the local APIC's timer counts) and the processor, so that nobody need measure them on a busy host;
 * ARCH_CAPABILITIES tells it that this CPU leaks nothing (nobody else runs on it), or it would switch page tables on
 * each system call. */
#include "cpu/cpuid.h"

#include <cpuid.h>
#include <string.h>

#define SIGNATURE        0x000006fbu
#define LEAF_MAX         0x16u
#define LEAF_HYPERVISOR  0x40000000u
#define LEAF_EXT         0x80000000u
#define LEAF_EXT_MAX     0x80000008u
#define PHYS_BITS        36u
#define LINEAR_BITS      32u
#define APIC_BASE_EN     (1u << 11) /* IA32_APIC_BASE */
#define ARAT             (1u << 2)  /* 6 EAX: the APIC timer never stops */
#define TSC_INVARIANT    (1u << 8) /* 80000007h EDX */

/* Leaf 1 ECX */
enum {
    ECX_SSE3 = 1u << 0, ECX_PCLMUL = 1u << 1, ECX_SSSE3 = 1u << 9, ECX_SSE41 = 1u << 19, ECX_SSE42 = 1u << 20,
    ECX_MOVBE = 1u << 22, ECX_POPCNT = 1u << 23, ECX_AES = 1u << 25
};
#define ECX_HYPERVISOR (1u << 31)
#define ECX_NATIVE                                                                                                     \
    (ECX_SSE3 | ECX_PCLMUL | ECX_SSSE3 | ECX_SSE41 | ECX_SSE42 | ECX_MOVBE | ECX_POPCNT | ECX_AES)

/* Leaf 1 EDX */
enum {
    EDX_FPU = 1u << 0, EDX_VME = 1u << 1, EDX_DE = 1u << 2, EDX_PSE = 1u << 3, EDX_TSC = 1u << 4, EDX_MSR = 1u << 5,
    EDX_PAE = 1u << 6, EDX_MCE = 1u << 7, EDX_CX8 = 1u << 8, EDX_APIC = 1u << 9, EDX_SEP = 1u << 11, EDX_MTRR = 1u << 12,
    EDX_PGE = 1u << 13, EDX_MCA = 1u << 14, EDX_CMOV = 1u << 15, EDX_PAT = 1u << 16, EDX_PSE36 = 1u << 17,
    EDX_CLFSH = 1u << 19, EDX_MMX = 1u << 23, EDX_FXSR = 1u << 24, EDX_SSE = 1u << 25, EDX_SSE2 = 1u << 26
};
#define EBX_7_TSC_ADJUST        (1u << 1) /* with it and an invariant TSC, Linux does not watch the clock with another */
#define EDX_7_SPEC_CTRL         (1u << 26)
#define EDX_7_ARCH_CAPABILITIES (1u << 29)
#define EDX_8_NX                (1u << 20)

void cpuid_init(struct cpu *cpu)
{
    unsigned eax, ebx, ecx = 0, edx;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        ecx = 0;
    cpu->cpuid.features_1_ecx = (ecx & ECX_NATIVE) | ECX_HYPERVISOR;
    cpu->cpuid.features_1_edx = EDX_FPU | EDX_VME | EDX_DE | EDX_PSE | EDX_TSC | EDX_MSR | EDX_PAE | EDX_MCE | EDX_CX8 |
                                EDX_APIC | EDX_SEP | EDX_MTRR | EDX_PGE | EDX_MCA | EDX_CMOV | EDX_PAT | EDX_PSE36 |
                                EDX_CLFSH | EDX_MMX | EDX_FXSR | EDX_SSE | EDX_SSE2;
    cpu->cpuid.features_7_ebx = EBX_7_TSC_ADJUST;
    cpu->cpuid.features_7_edx = EDX_7_SPEC_CTRL | EDX_7_ARCH_CAPABILITIES;
    cpu->cpuid.features_8_ecx = 0;
    cpu->cpuid.features_8_edx = EDX_8_NX;
}

static uint32_t text4(const char *s)
{
    return (uint32_t)load_le(s, 4);
}

/* Leaf 4: L1 data, L1 instruction, L2; all with 64-byte lines. */
static struct cpuid_leaf cache_leaf(uint32_t subleaf)
{
    static const struct {
        uint8_t type, level;
        uint16_t ways, sets;
    } caches[] = {{1, 1, 8, 64}, {2, 1, 8, 64}, {3, 2, 16, 4096}};

    if (subleaf >= ARRAY_SIZE(caches))
        return (struct cpuid_leaf){0};
    return (struct cpuid_leaf){
        .eax = caches[subleaf].type | caches[subleaf].level << 5 | 1u << 8 /* self-initializing */,
        .ebx = 63u | (caches[subleaf].ways - 1u) << 22,
        .ecx = caches[subleaf].sets - 1u,
    };
}

static struct cpuid_leaf brand_leaf(unsigned part)
{
    static const char brand[48] = "Ringer virtual CPU";
    const char *s = brand + part * 16;

    return (struct cpuid_leaf){text4(s), text4(s + 4), text4(s + 8), text4(s + 12)};
}

struct cpuid_leaf cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    /* Beyond the last basic leaf Intel answers with the last one; ours is all that there is. */
    if (leaf > LEAF_MAX && leaf < LEAF_HYPERVISOR)
        leaf = LEAF_MAX;
    switch (leaf) {
    case 0:
        return (struct cpuid_leaf){LEAF_MAX, text4("Genu"), text4("ntel"), text4("ineI")};
    case 1: /* EBX: CLFLUSH line of 8 quadwords, one logical processor, APIC ID 0 */
        return (struct cpuid_leaf){SIGNATURE, 8u << 8 | 1u << 16, cpu->cpuid.features_1_ecx,
                                   cpu->cpuid.features_1_edx & ~(cpu->apic_base & APIC_BASE_EN ? 0 : EDX_APIC)};
    case 2: /* TLBs, 32K + 32K L1, 4M L2, as a Core 2 of that model */
        return (struct cpuid_leaf){0x05b0b101, 0x005657f0, 0, 0x2cb43049};
    case 4:
        return cache_leaf(subleaf);
    case 7:
        return subleaf ? (struct cpuid_leaf){0}
                       : (struct cpuid_leaf){.ebx = cpu->cpuid.features_7_ebx, .edx = cpu->cpuid.features_7_edx};
    case 6:
        return (struct cpuid_leaf){.eax = ARAT};
    case 0x15: /* TSC = crystal * EBX / EAX */
        return (struct cpuid_leaf){1, CLOCK_TSC_HZ / CLOCK_BUS_HZ, CLOCK_BUS_HZ, 0};
    case 0x16: /* MHz: base, highest, bus */
        return (struct cpuid_leaf){CLOCK_TSC_HZ / 1000000, CLOCK_TSC_HZ / 1000000, CLOCK_BUS_HZ / 1000000, 0};
    case LEAF_HYPERVISOR:
        return (struct cpuid_leaf){LEAF_HYPERVISOR, text4("Ring"), text4("erRi"), text4("nger")};
    case LEAF_EXT:
        return (struct cpuid_leaf){.eax = LEAF_EXT_MAX};
    case LEAF_EXT + 1:
        return (struct cpuid_leaf){.ecx = cpu->cpuid.features_8_ecx, .edx = cpu->cpuid.features_8_edx};
    case LEAF_EXT + 2:
    case LEAF_EXT + 3:
    case LEAF_EXT + 4:
        return brand_leaf(leaf - (LEAF_EXT + 2));
    case LEAF_EXT + 6: /* L2: 4096 KiB, 8-way or more, 64-byte lines */
        return (struct cpuid_leaf){.ecx = 4096u << 16 | 8u << 12 | 64u};
    case LEAF_EXT + 7:
        return (struct cpuid_leaf){.edx = TSC_INVARIANT};
    case LEAF_EXT + 8:
        return (struct cpuid_leaf){.eax = LINEAR_BITS << 8 | PHYS_BITS};
    default:
        return (struct cpuid_leaf){0};
    }
}

bool cpu_has_feature(const struct cpu *cpu, enum insn_feature feature)
{
    /* Zero: not offered. */
    static const uint32_t edx_bit[FEAT_COUNT] = {
        [FEAT_FPU] = EDX_FPU, [FEAT_TSC] = EDX_TSC, [FEAT_MSR] = EDX_MSR, [FEAT_CX8] = EDX_CX8, [FEAT_SEP] = EDX_SEP,
        [FEAT_CMOV] = EDX_CMOV, [FEAT_CLFSH] = EDX_CLFSH, [FEAT_MMX] = EDX_MMX, [FEAT_FXSR] = EDX_FXSR,
        [FEAT_SSE] = EDX_SSE, [FEAT_SSE2] = EDX_SSE2,
    };
    static const uint32_t ecx_bit[FEAT_COUNT] = {
        [FEAT_SSE3] = ECX_SSE3, [FEAT_SSSE3] = ECX_SSSE3, [FEAT_SSE41] = ECX_SSE41, [FEAT_SSE42] = ECX_SSE42,
        [FEAT_POPCNT] = ECX_POPCNT, [FEAT_MOVBE] = ECX_MOVBE, [FEAT_AES] = ECX_AES, [FEAT_PCLMUL] = ECX_PCLMUL,
    };

    if (feature == FEAT_NONE || feature == FEAT_486 || feature == FEAT_586)
        return true;
    if (feature >= FEAT_COUNT)
        return false;
    return (cpu->cpuid.features_1_edx & edx_bit[feature]) || (cpu->cpuid.features_1_ecx & ecx_bit[feature]);
}
