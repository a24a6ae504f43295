/* Features and models: the tables, and "--cpu" parsed.  SDM 2A, CPUID; signatures and cache descriptors from the
 * specification updates of the processors. */
#include "cpu/feature.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

struct feature {
    const char *name;
    uint8_t word, bit, support; /* enum cpuid_word, enum feature_support */
    uint8_t needs[2];           /* enum cpu_feature */
};

#define FEATURE_ROW(id, name, word, bit, support, need1, need2)                                                        \
    [FEAT_##id] = {name, word, bit, support, {FEAT_##need1, FEAT_##need2}},
static const struct feature features[FEAT_COUNT] = {[FEAT_NONE] = {.name = "none"}, CPU_FEATURES(FEATURE_ROW)};

enum { EAX, EBX, ECX, EDX };
static const struct {
    uint32_t leaf;
    uint8_t subleaf, reg; /* subleaf: of those that have such */
} places[WORD_COUNT] = {
    [WORD_1_ECX] = {0x1, 0, ECX},
    [WORD_1_EDX] = {0x1, 0, EDX},
    [WORD_6_EAX] = {0x6, 0, EAX},
    [WORD_7_EBX] = {0x7, 0, EBX},
    [WORD_7_EDX] = {0x7, 0, EDX},
    [WORD_D1_EAX] = {0xd, 1, EAX},
    [WORD_8_1_ECX] = {0x80000001, 0, ECX},
    [WORD_8_1_EDX] = {0x80000001, 0, EDX},
    [WORD_8_7_EDX] = {0x80000007, 0, EDX},
};

static bool has_subleaves(uint32_t leaf)
{
    return leaf == 0x7 || leaf == 0xd;
}

/* The FPU is older than CPUID. */
static bool needs_cpuid(enum cpu_feature feature)
{
    return features[feature].word != WORD_NONE && feature != FEAT_FPU;
}

/* --- sets --- */

void features_add(struct cpu_features *f, enum cpu_feature feature)
{
    if (feature == FEAT_NONE)
        return;
    f->bits[feature / 64] |= 1ull << feature % 64;
    if (needs_cpuid(feature))
        features_add(f, FEAT_CPUID);
    for (unsigned i = 0; i < 2; i++)
        features_add(f, features[feature].needs[i]);
}

static bool has_needs(const struct cpu_features *f, enum cpu_feature feature)
{
    for (unsigned i = 0; i < 2; i++)
        if (features[feature].needs[i] != FEAT_NONE && !features_has(f, features[feature].needs[i]))
            return false;
    return !needs_cpuid(feature) || features_has(f, FEAT_CPUID);
}

void features_remove(struct cpu_features *f, enum cpu_feature feature)
{
    f->bits[feature / 64] &= ~(1ull << feature % 64);
    for (unsigned i = feature + 1u; i < FEAT_COUNT; i++) /* they stand behind what they need */
        if (!has_needs(f, i))
            f->bits[i / 64] &= ~(1ull << i % 64);
}

/* --- this host --- */

static bool host_has(enum cpu_feature feature)
{
    unsigned word = features[feature].word, r[4];

    if (!__get_cpuid_count(places[word].leaf, places[word].subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
        return false;
    if (feature == FEAT_XSAVE) /* the system uses it and saves the AVX state */
        return __builtin_cpu_supports("avx");
    return r[places[word].reg] >> features[feature].bit & 1;
}

bool feature_is_supported(enum cpu_feature feature)
{
    for (unsigned i = 0; i < 2; i++)
        if (features[feature].needs[i] != FEAT_NONE && !feature_is_supported(features[feature].needs[i]))
            return false;
    return features[feature].support == SUPPORT_HOST ? host_has(feature) : features[feature].support != SUPPORT_NEVER;
}

bool feature_is_choosable(enum cpu_feature feature)
{
    return features[feature].support == SUPPORT_ALWAYS || features[feature].support == SUPPORT_HOST;
}

const char *feature_name(enum cpu_feature feature)
{
    return features[feature].name;
}

/* --- models --- */

#define LIST(...) (const enum cpu_feature[]) {__VA_ARGS__, FEAT_NONE}
const struct cpu_model cpu_models[CPU_MODEL_COUNT] = {
    {"486", "Intel486 DX4, with CPUID", 0x480, 0x1, 0, {0}, 0, NULL, LIST(FEAT_486, FEAT_CPUID, FEAT_FPU, FEAT_VME)},
    {"pentium", "Pentium with MMX (P55C)", 0x543, 0x1, 0, {0}, 0, &cpu_models[0],
     LIST(FEAT_586, FEAT_DE, FEAT_PSE, FEAT_TSC, FEAT_MSR, FEAT_MCE, FEAT_CX8, FEAT_APIC, FEAT_MMX)},
    {"pentium2", "Pentium II (Deschutes)", 0x652, 0x2, 0, {0x03020101, 0, 0, 0x0c040843}, 0, &cpu_models[1],
     LIST(FEAT_686, FEAT_PAE, FEAT_SEP, FEAT_MTRR, FEAT_PGE, FEAT_MCA, FEAT_CMOV, FEAT_PAT, FEAT_PSE36, FEAT_FXSR)},
    {"pentium3", "Pentium III (Coppermine)", 0x686, 0x2, 0, {0x03020101, 0, 0, 0x0c040882}, 2, &cpu_models[2],
     LIST(FEAT_SSE)},
    {"core2", "Core 2 (Merom), in 32 bits", 0x6fb, 0xa, 0x80000008, {0x05b0b101, 0x005657f0, 0, 0x2cb43049}, 0,
     &cpu_models[3], LIST(FEAT_CORE, FEAT_CLFSH, FEAT_SSE2, FEAT_SSE3, FEAT_SSSE3, FEAT_NX)},
    {"host", "all that Ringer and this host can do", 0x6fb, 0x16, 0x80000008, {0x05b0b101, 0x005657f0, 0, 0x2cb43049}, 0,
     NULL, NULL},
};

static void add_model(struct cpu_features *f, const struct cpu_model *model)
{
    if (model->base)
        add_model(f, model->base);
    if (!model->features) {
        for (unsigned i = 1; i < FEAT_COUNT; i++)
            if (feature_is_supported(i))
                features_add(f, i);
        return;
    }
    for (const enum cpu_feature *p = model->features; *p != FEAT_NONE; p++)
        features_add(f, *p);
}

/* Equal, with '.', '-' and '_' alike: sse4.1 is sse4_1. */
static bool is_word(const char *word, size_t len, const char *name)
{
    if (strlen(name) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool is_separator = word[i] == '.' || word[i] == '-' || word[i] == '_';

        if (is_separator ? name[i] != '_' : word[i] != name[i])
            return false;
    }
    return true;
}

static enum cpu_feature find_feature(const char *word, size_t len)
{
    for (unsigned i = 1; i < FEAT_COUNT; i++)
        if (is_word(word, len, features[i].name))
            return i;
    return FEAT_NONE;
}

static bool apply_word(struct cpu_config *config, const char *word, size_t len, char *why, size_t size)
{
    enum cpu_feature feature = len ? find_feature(word + 1, len - 1) : FEAT_NONE;

    if (len < 2 || (*word != '+' && *word != '-')) {
        snprintf(why, size, "'%.*s' is not +FEATURE or -FEATURE", (int)len, word);
        return false;
    }
    if (feature == FEAT_NONE) {
        snprintf(why, size, "no feature '%.*s'; 'help' lists them", (int)len - 1, word + 1);
        return false;
    }
    if (features[feature].support == SUPPORT_FIXED) {
        snprintf(why, size, "'%s' is part of the model and cannot be chosen", features[feature].name);
        return false;
    }
    if (*word == '-')
        features_remove(&config->features, feature);
    else
        features_add(&config->features, feature);
    return true;
}

/* Features of the model or added ones that cannot be. */
static bool is_possible(const struct cpu_config *config, char *why, size_t size)
{
    for (unsigned i = 1; i < FEAT_COUNT; i++) {
        if (!features_has(&config->features, i) || feature_is_supported(i))
            continue;
        snprintf(why, size, features[i].support == SUPPORT_NEVER ? "'%s' is not implemented" : "this host has no '%s'",
                 features[i].name);
        return false;
    }
    return true;
}

bool cpu_config_parse(struct cpu_config *config, const char *spec, char *why, size_t size)
{
    const char *word = spec ? spec : "host";
    size_t len = strcspn(word, ",");

    memset(config, 0, sizeof(*config));
    for (unsigned i = 0; i < CPU_MODEL_COUNT; i++)
        if (is_word(word, len, cpu_models[i].name))
            config->model = &cpu_models[i];
    if (!config->model) {
        snprintf(why, size, "no processor '%.*s'; 'help' lists them", (int)len, word);
        return false;
    }
    config->features.bits[0] = 1u << FEAT_NONE;
    add_model(&config->features, config->model);
    while (word[len]) {
        word += len + 1;
        len = strcspn(word, ",");
        if (!apply_word(config, word, len, why, size))
            return false;
    }
    for (unsigned i = FEAT_NONE + 1; i < FEAT_COUNT; i++)
        if (features_has(&config->features, i))
            config->words[features[i].word] |= 1u << features[i].bit;
    return is_possible(config, why, size);
}

/* --- CPUID --- */

void config_cpuid(const struct cpu_config *config, uint32_t leaf, uint32_t subleaf, uint32_t registers[4])
{
    memset(registers, 0, 4 * sizeof(*registers));
    for (unsigned w = WORD_NONE + 1; w < WORD_COUNT; w++)
        if (places[w].leaf == leaf && (!has_subleaves(leaf) || places[w].subleaf == subleaf))
            registers[places[w].reg] |= config->words[w];
}

void config_leaf_max(const struct cpu_config *config, uint32_t *basic, uint32_t *extended)
{
    *basic = *extended = 0;
    for (unsigned w = WORD_NONE + 1; w < WORD_COUNT; w++) {
        uint32_t *max = places[w].leaf >= 0x80000000 ? extended : basic;

        if (config->words[w] && places[w].leaf > *max)
            *max = places[w].leaf;
    }
}
