/* CPUID (SDM 2A): the model's leaves, and the bits of its features.
 *
 * Guests read much into these numbers.  Leaves 15h and 16h give the frequencies of the TSC, the bus (Linux takes the crystal
 * of 15h for what the local APIC's timer counts) and the processor, so that nobody need measure them on a busy host;
 * ARCH_CAPABILITIES tells it that this CPU leaks nothing (nobody else runs on it), or it would switch page tables on
 * each system call. */
#include "cpu/cpuid.h"

#include <string.h>
#include "cpu/avx.h"
#include "cpu/hostfp.h"

#define LEAF_XSAVE       0xdu
#define LEAF_HYPERVISOR  0x40000000u
#define LEAF_EXT         0x80000000u
#define LINEAR_BITS      32u
#define APIC_BASE_EN     (1u << 11) /* IA32_APIC_BASE */
#define EDX_APIC         (1u << 9)
#define ECX_OSXSAVE      (1u << 27)

/* Features added to a model bring their leaves. */
static uint32_t leaf_max(const struct cpu *cpu)
{
    uint32_t basic, extended;

    config_leaf_max(&cpu->config, &basic, &extended);
    if (cpu_has_feature(cpu, FEAT_XSAVE) && basic < LEAF_XSAVE)
        basic = LEAF_XSAVE;
    return basic > cpu->config.model->leaf_max ? basic : cpu->config.model->leaf_max;
}

static uint32_t leaf_ext_max(const struct cpu *cpu)
{
    uint32_t basic, extended;

    config_leaf_max(&cpu->config, &basic, &extended);
    return extended > cpu->config.model->leaf_ext_max ? extended : cpu->config.model->leaf_ext_max;
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

/* Leaf Dh: state components and where they lie in an XSAVE area.  Subleaf 0 EBX follows XCR0. */
static struct cpuid_leaf xsave_leaf(const struct cpu *cpu, uint32_t subleaf)
{
    uint64_t supported = xcr0_supported(cpu);

    if (!cpu_has_feature(cpu, FEAT_XSAVE))
        return (struct cpuid_leaf){0};
    if (subleaf == 0)
        return (struct cpuid_leaf){(uint32_t)supported, xsave_area_size(cpu->xcr0), xsave_area_size(supported), 0};
    if (subleaf == 2 && (supported & XCR0_AVX))
        return (struct cpuid_leaf){.eax = XSAVE_SIZE - FX_YMM, .ebx = FX_YMM};
    return (struct cpuid_leaf){0};
}

/* What is not a feature's bit. */
static struct cpuid_leaf base_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    const struct cpu_model *model = cpu->config.model;

    switch (leaf) {
    case 0:
        return (struct cpuid_leaf){leaf_max(cpu), text4("Genu"), text4("ntel"), text4("ineI")};
    case 1: /* EBX: brand, CLFLUSH line of 8 quadwords, one logical processor, APIC ID 0 */
        return (struct cpuid_leaf){.eax = model->signature,
                                   .ebx = model->brand_index | (cpu_has_feature(cpu, FEAT_CLFSH) ? 8u << 8 | 1u << 16 : 0)};
    case 2: /* TLBs and caches */
        return (struct cpuid_leaf){model->cache_leaf[0], model->cache_leaf[1], model->cache_leaf[2], model->cache_leaf[3]};
    case 4:
        return cache_leaf(subleaf);
    case LEAF_XSAVE:
        return xsave_leaf(cpu, subleaf);
    case 0x15: /* TSC = crystal * EBX / EAX */
        return (struct cpuid_leaf){1, CLOCK_TSC_HZ / CLOCK_BUS_HZ, CLOCK_BUS_HZ, 0};
    case 0x16: /* MHz: base, highest, bus */
        return (struct cpuid_leaf){CLOCK_TSC_HZ / 1000000, CLOCK_TSC_HZ / 1000000, CLOCK_BUS_HZ / 1000000, 0};
    case LEAF_HYPERVISOR:
        return (struct cpuid_leaf){LEAF_HYPERVISOR, text4("Ring"), text4("erRi"), text4("nger")};
    case LEAF_EXT:
        return (struct cpuid_leaf){.eax = leaf_ext_max(cpu)};
    case LEAF_EXT + 2:
    case LEAF_EXT + 3:
    case LEAF_EXT + 4:
        return brand_leaf(leaf - (LEAF_EXT + 2));
    case LEAF_EXT + 6: /* L2: 4096 KiB, 8-way or more, 64-byte lines */
        return (struct cpuid_leaf){.ecx = 4096u << 16 | 8u << 12 | 64u};
    case LEAF_EXT + 8:
        return (struct cpuid_leaf){.eax = LINEAR_BITS << 8 | cpu->paging.phys_bits};
    default:
        return (struct cpuid_leaf){0};
    }
}

static bool is_leaf(const struct cpu *cpu, uint32_t leaf)
{
    if (leaf == LEAF_HYPERVISOR)
        return cpu_has_feature(cpu, FEAT_HYPERVISOR);
    return leaf <= leaf_max(cpu) || (leaf >= LEAF_EXT && leaf <= leaf_ext_max(cpu));
}

struct cpuid_leaf cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_leaf l;
    uint32_t bits[4];

    if (!is_leaf(cpu, leaf)) /* Intel answers with the last basic leaf */
        leaf = leaf_max(cpu);
    l = base_leaf(cpu, leaf, subleaf);
    config_cpuid(&cpu->config, leaf, subleaf, bits);
    if (leaf == 1 && !(cpu->apic_base & APIC_BASE_EN)) /* switched off, it is not there */
        bits[3] &= ~EDX_APIC;
    if (leaf == 1 && (cpu->paging.cr4 & CR4_OSXSAVE))
        bits[2] |= ECX_OSXSAVE;
    return (struct cpuid_leaf){l.eax | bits[0], l.ebx | bits[1], l.ecx | bits[2], l.edx | bits[3]};
}
