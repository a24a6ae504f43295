/* What a processor can do, feature by feature, and the models that --cpu knows.
 *
 * One bitmap, chosen before power-on, decides what CPUID says, which rows of the opcode table execute (the others are
 * #UD), which bits of CR4, EFLAGS and EFER exist, and which MSRs.  Names are those of Linux's /proc/cpuinfo. */
#ifndef CPU_FEATURE_H
#define CPU_FEATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "host/util.h"

/* Where CPUID shows a feature.  WORD_NONE: nowhere; such features belong to models and cannot be chosen. */
enum cpuid_word {
    WORD_NONE, WORD_1_ECX, WORD_1_EDX, WORD_6_EAX, WORD_7_EBX, WORD_7_EDX, WORD_D1_EAX /* subleaf 1 */, WORD_8_1_ECX /* 80000001h */,
    WORD_8_1_EDX, WORD_8_7_EDX, WORD_COUNT
};

/* Who can offer it: FIXED belongs to the model, ALWAYS is done in software or by every x86-64, HOST runs natively and needs
 * the host's, NEVER is only named, so that its rows are #UD. */
enum feature_support { SUPPORT_FIXED, SUPPORT_ALWAYS, SUPPORT_HOST, SUPPORT_NEVER };

/* clang-format off */
/* X(identifier, name, word, bit, support, two features that it needs).  A feature stands behind those that it needs;
 * all that CPUID shows need FEAT_CPUID. */
#define CPU_FEATURES(X) \
    X(486,       "486",       WORD_NONE,   0,  SUPPORT_FIXED,  NONE,   NONE) /* CMPXCHG, XADD, BSWAP, INVLPG ... */ \
    X(586,       "586",       WORD_NONE,   0,  SUPPORT_FIXED,  486,    NONE) /* P5 instructions without a CPUID bit */ \
    X(686,       "686",       WORD_NONE,   0,  SUPPORT_FIXED,  586,    NONE) /* P6: hint NOPs, RDPMC */ \
    X(CORE,      "core",      WORD_NONE,   0,  SUPPORT_FIXED,  686,    NONE) /* MSRs of the Core generation */ \
    X(CPUID,     "cpuid",     WORD_NONE,   0,  SUPPORT_ALWAYS, 486,    NONE) /* the instruction, and EFLAGS.ID */ \
    X(FPU,       "fpu",       WORD_1_EDX,  0,  SUPPORT_FIXED,  NONE,   NONE) \
    X(VME,       "vme",       WORD_1_EDX,  1,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(DE,        "de",        WORD_1_EDX,  2,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(PSE,       "pse",       WORD_1_EDX,  3,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(TSC,       "tsc",       WORD_1_EDX,  4,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(MSR,       "msr",       WORD_1_EDX,  5,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(PAE,       "pae",       WORD_1_EDX,  6,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(MCE,       "mce",       WORD_1_EDX,  7,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(CX8,       "cx8",       WORD_1_EDX,  8,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(APIC,      "apic",      WORD_1_EDX,  9,  SUPPORT_ALWAYS, NONE,   NONE) \
    X(SEP,       "sep",       WORD_1_EDX,  11, SUPPORT_ALWAYS, MSR,    NONE) \
    X(MTRR,      "mtrr",      WORD_1_EDX,  12, SUPPORT_ALWAYS, MSR,    NONE) \
    X(PGE,       "pge",       WORD_1_EDX,  13, SUPPORT_ALWAYS, NONE,   NONE) \
    X(MCA,       "mca",       WORD_1_EDX,  14, SUPPORT_ALWAYS, MCE,    MSR)  \
    X(CMOV,      "cmov",      WORD_1_EDX,  15, SUPPORT_ALWAYS, NONE,   NONE) \
    X(PAT,       "pat",       WORD_1_EDX,  16, SUPPORT_ALWAYS, MSR,    NONE) \
    X(PSE36,     "pse36",     WORD_1_EDX,  17, SUPPORT_ALWAYS, PSE,    NONE) \
    X(CLFSH,     "clflush",   WORD_1_EDX,  19, SUPPORT_ALWAYS, NONE,   NONE) \
    X(MMX,       "mmx",       WORD_1_EDX,  23, SUPPORT_ALWAYS, NONE,   NONE) \
    X(FXSR,      "fxsr",      WORD_1_EDX,  24, SUPPORT_ALWAYS, NONE,   NONE) \
    X(SSE,       "sse",       WORD_1_EDX,  25, SUPPORT_ALWAYS, FXSR,   MMX)  \
    X(SSE2,      "sse2",      WORD_1_EDX,  26, SUPPORT_ALWAYS, SSE,    NONE) \
    X(SSE3,      "sse3",      WORD_1_ECX,  0,  SUPPORT_HOST,   SSE2,   NONE) \
    X(PCLMUL,    "pclmulqdq", WORD_1_ECX,  1,  SUPPORT_HOST,   SSE2,   NONE) \
    X(MONITOR,   "monitor",   WORD_1_ECX,  3,  SUPPORT_NEVER,  NONE,   NONE) \
    X(SSSE3,     "ssse3",     WORD_1_ECX,  9,  SUPPORT_HOST,   SSE3,   NONE) \
    X(SSE41,     "sse4_1",    WORD_1_ECX,  19, SUPPORT_HOST,   SSSE3,  NONE) \
    X(SSE42,     "sse4_2",    WORD_1_ECX,  20, SUPPORT_HOST,   SSE41,  NONE) \
    X(MOVBE,     "movbe",     WORD_1_ECX,  22, SUPPORT_HOST,   NONE,   NONE) \
    X(POPCNT,    "popcnt",    WORD_1_ECX,  23, SUPPORT_HOST,   NONE,   NONE) \
    X(AES,       "aes",       WORD_1_ECX,  25, SUPPORT_HOST,   SSE2,   NONE) \
    X(XSAVE,     "xsave",     WORD_1_ECX,  26, SUPPORT_HOST,   FXSR,   NONE) \
    X(AVX,       "avx",       WORD_1_ECX,  28, SUPPORT_HOST,   XSAVE,  SSE42) \
    X(FMA,       "fma",       WORD_1_ECX,  12, SUPPORT_HOST,   AVX,    NONE) \
    X(F16C,      "f16c",      WORD_1_ECX,  29, SUPPORT_HOST,   AVX,    NONE) \
    X(RDRAND,    "rdrand",    WORD_1_ECX,  30, SUPPORT_HOST,   NONE,   NONE) \
    X(HYPERVISOR,"hypervisor",WORD_1_ECX,  31, SUPPORT_ALWAYS, NONE,   NONE) \
    X(ARAT,      "arat",      WORD_6_EAX,  2,  SUPPORT_ALWAYS, APIC,   NONE) \
    X(TSC_ADJUST,"tsc_adjust",WORD_7_EBX,  1,  SUPPORT_ALWAYS, TSC,    MSR)  \
    X(BMI1,      "bmi1",      WORD_7_EBX,  3,  SUPPORT_HOST,   NONE,   NONE) \
    X(AVX2,      "avx2",      WORD_7_EBX,  5,  SUPPORT_HOST,   AVX,    NONE) \
    X(BMI2,      "bmi2",      WORD_7_EBX,  8,  SUPPORT_HOST,   BMI1,   NONE) \
    X(RDSEED,    "rdseed",    WORD_7_EBX,  18, SUPPORT_HOST,   NONE,   NONE) \
    X(ADX,       "adx",       WORD_7_EBX,  19, SUPPORT_NEVER,  NONE,   NONE) \
    X(SHA,       "sha_ni",    WORD_7_EBX,  29, SUPPORT_NEVER,  SSE2,   NONE) \
    X(SPEC_CTRL, "spec_ctrl", WORD_7_EDX,  26, SUPPORT_ALWAYS, MSR,    NONE) \
    X(ARCH_CAPS, "arch_capabilities", WORD_7_EDX, 29, SUPPORT_ALWAYS, MSR, NONE) \
    X(XSAVEOPT,  "xsaveopt",  WORD_D1_EAX, 0,  SUPPORT_HOST,   XSAVE,  NONE) \
    X(LZCNT,     "abm",       WORD_8_1_ECX,  5,  SUPPORT_HOST,   NONE,   NONE) \
    X(SYSCALL,   "syscall",   WORD_8_1_EDX,  11, SUPPORT_NEVER,  NONE,   NONE) \
    X(NX,        "nx",        WORD_8_1_EDX,  20, SUPPORT_ALWAYS, PAE,    MSR)  \
    X(RDTSCP,    "rdtscp",    WORD_8_1_EDX,  27, SUPPORT_NEVER,  TSC,    NONE) \
    X(TSC_INVARIANT, "nonstop_tsc", WORD_8_7_EDX, 8, SUPPORT_ALWAYS, TSC, NONE)

/* FEAT_NONE: every processor has it. */
#define FEATURE_ID(id, name, word, bit, support, need1, need2) FEAT_##id,
enum cpu_feature { FEAT_NONE, CPU_FEATURES(FEATURE_ID) FEAT_COUNT };
#undef FEATURE_ID
/* clang-format on */

struct cpu_features {
    uint64_t bits[FEAT_COUNT / 64 + 1]; /* FEAT_COUNT itself: never set */
};

static inline bool features_has(const struct cpu_features *f, enum cpu_feature feature)
{
    return f->bits[feature / 64] >> feature % 64 & 1;
}

/* Set a feature with all it needs, or clear it with all that need it. */
void features_add(struct cpu_features *f, enum cpu_feature feature);
void features_remove(struct cpu_features *f, enum cpu_feature feature);

const char *feature_name(enum cpu_feature feature);
/* Can it be offered here: implemented, and if it runs natively, known to the host? */
bool feature_is_supported(enum cpu_feature feature);
/* May +name and -name choose it? */
bool feature_is_choosable(enum cpu_feature feature);

/* A processor as it was sold. */
struct cpu_model {
    const char *name, *title;
    uint32_t signature;               /* CPUID.1:EAX, and EDX after reset */
    uint32_t leaf_max, leaf_ext_max;  /* highest leaves; extended 0: there are none */
    uint32_t cache_leaf[4];           /* leaf 2 */
    uint8_t brand_index;              /* CPUID.1:EBX 7:0 */
    const struct cpu_model *base;     /* its predecessor; NULL with no features: all that are supported */
    const enum cpu_feature *features; /* what it adds to it; ends with FEAT_NONE */
};

/* A model with its features: what cpu_create() wants. */
struct cpu_config {
    const struct cpu_model *model;
    struct cpu_features features;
    uint32_t words[WORD_COUNT]; /* the same as CPUID shows it */
};

enum { CPU_MODEL_COUNT = 6 };
extern const struct cpu_model cpu_models[CPU_MODEL_COUNT];

/* "MODEL[,+feature][,-feature]..." to a configuration; NULL means "host".  False: why says in a line what is wrong:
 * an unknown word, a feature that cannot be chosen, or one that this host does not have. */
NODISCARD bool cpu_config_parse(struct cpu_config *config, const char *spec, char *why, size_t size);

/* Registers of a CPUID leaf, EAX EBX ECX EDX, with the bits of the features that belong there; other bits zero. */
void config_cpuid(const struct cpu_config *config, uint32_t leaf, uint32_t subleaf, uint32_t registers[4]);
/* The highest basic and the highest extended leaf with a feature's bit; 0: none. */
void config_leaf_max(const struct cpu_config *config, uint32_t *basic, uint32_t *extended);

#endif
