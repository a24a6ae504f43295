/* Features and models: the table's order, --cpu's words, what CPUID says of each model.
 *
 *   test_feature --tables      prints the tables of docs/processor.md
 *   test_feature --check FILE  are they there?  Rows of "host" may differ */
#include "tests/unit/sys_fixture.h"
#include <stdio.h>
#include "cpu/cpuid.h"
#include "cpu/protect.h"

static bool parse(struct cpu_config *config, const char *spec)
{
    char why[128] = "";
    bool is_ok = cpu_config_parse(config, spec, why, sizeof(why));

    assert_int_equal(is_ok, !why[0]);
    return is_ok;
}

static bool has(const struct cpu_config *config, enum cpu_feature feature)
{
    return features_has(&config->features, feature);
}

static void features_come_with_what_they_need(void **state)
{
    for (unsigned i = FEAT_NONE + 1; i < FEAT_COUNT; i++) {
        struct cpu_features one = {0}, all = {0};

        features_add(&one, i);
        assert_true(features_has(&one, i));
        for (unsigned k = FEAT_NONE + 1; k < FEAT_COUNT; k++)
            features_add(&all, k);
        for (unsigned k = FEAT_NONE + 1; k < FEAT_COUNT; k++) {
            struct cpu_features less = all;

            features_remove(&less, k);
            if (k != i)
                assert_int_equal(features_has(&less, i), !features_has(&one, k)); /* gone with what it needs only */
        }
    }
}

static void plus_and_minus(void **state)
{
    struct cpu_config c;

    assert_true(parse(&c, "486,+sse2"));
    assert_true(has(&c, FEAT_SSE2) && has(&c, FEAT_SSE) && has(&c, FEAT_FXSR) && has(&c, FEAT_MMX));
    assert_false(has(&c, FEAT_CMOV));
    assert_true(parse(&c, "core2,-sse"));
    assert_false(has(&c, FEAT_SSE) || has(&c, FEAT_SSE2) || has(&c, FEAT_SSE3) || has(&c, FEAT_SSSE3));
    assert_true(has(&c, FEAT_FXSR) && has(&c, FEAT_MMX) && has(&c, FEAT_NX));
    assert_true(parse(&c, "core2,-sse,+sse2,-apic"));
    assert_true(has(&c, FEAT_SSE2));
    assert_false(has(&c, FEAT_SSE3) || has(&c, FEAT_APIC));
    assert_true(parse(&c, "486,-cpuid"));
    assert_false(has(&c, FEAT_VME));
    assert_true(has(&c, FEAT_FPU));
    assert_true(parse(&c, "pentium,+pse36,-pse"));
    assert_false(has(&c, FEAT_PSE36));
}

static void mistakes_are_told(void **state)
{
    static const char *const wrong[] = {"",      "foo",     "486,",     "486,sse",   "486,+",     "486,,+sse",  "486,+foo",
                                        "+sse",  "48",      "4866",     "486,-fpu",  "486,+686",  "486,+syscall", "host,+adx",
                                        "486 ",  "486,+sse ", "HOST",   "486,--sse", "486,+none"};
    struct cpu_config c;
    char why[128];

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_false(cpu_config_parse(&c, wrong[i], why, sizeof(why)));
        assert_null(strchr(why, '\n'));
        assert_in_range(strlen(why), 10, 80);
    }
}

static void names_are_found_as_written(void **state)
{
    struct cpu_config c;
    char spec[64];

    for (unsigned i = FEAT_NONE + 1; i < FEAT_COUNT; i++) {
        if (!feature_is_choosable(i) || !feature_is_supported(i))
            continue;
        snprintf(spec, sizeof(spec), "486,+%s", feature_name(i));
        assert_true(parse(&c, spec));
        assert_true(has(&c, i));
        snprintf(spec, sizeof(spec), "host,-%s", feature_name(i));
        assert_true(parse(&c, spec));
        assert_false(has(&c, i));
    }
    assert_true(parse(&c, "486,+sse4.1"));
    assert_true(has(&c, FEAT_SSE41));
}

/* A machine with that processor. */
static void start(void **state, const char *spec, struct cpu_config *config)
{
    assert_true(parse(config, spec));
    fixture_setup_with(state, config);
}

/* What processors of these kinds said, less what is not modelled.  Intel's identification note 485, specification updates. */
static void models_answer_cpuid(void **state)
{
    static const struct {
        const char *spec;
        uint32_t leaf, eax, ebx, ecx, edx;
    } leaves[] = {
        {"486", 0, 1, 0x756e6547, 0x6c65746e, 0x49656e69},
        {"486", 1, 0x480, 0, 0, 0x00000003},
        {"486", 2, 0x480, 0, 0, 0x00000003}, /* beyond the last: the last */
        {"486", 0x40000000, 0x480, 0, 0, 0x00000003},
        {"486", 0x80000000, 0x480, 0, 0, 0x00000003},
        {"pentium", 0, 1, 0x756e6547, 0x6c65746e, 0x49656e69},
        {"pentium", 1, 0x543, 0, 0, 0x008003bf},
        {"pentium,-mmx,-apic", 1, 0x543, 0, 0, 0x000001bf},
        {"pentium2", 0, 2, 0x756e6547, 0x6c65746e, 0x49656e69},
        {"pentium2", 1, 0x652, 0, 0, 0x0183fbff},
        {"pentium2", 2, 0x03020101, 0, 0, 0x0c040843},
        {"pentium2", 0x80000001, 0x03020101, 0, 0, 0x0c040843},
        {"pentium3", 1, 0x686, 2, 0, 0x0383fbff},
        {"pentium3", 2, 0x03020101, 0, 0, 0x0c040882},
        {"pentium3,+nx", 0x80000000, 0x80000001, 0, 0, 0},
        {"pentium3,+nx", 0x80000001, 0, 0, 0, 1u << 20},
        {"pentium3,+tsc_adjust", 0, 7, 0x756e6547, 0x6c65746e, 0x49656e69},
        {"pentium3,+tsc_adjust", 7, 0, 2, 0, 0},
        {"core2", 0, 0xa, 0x756e6547, 0x6c65746e, 0x49656e69},
        {"core2", 1, 0x6fb, 0x10800, 0x00000201, 0x078bfbff},
        {"core2", 2, 0x05b0b101, 0x005657f0, 0, 0x2cb43049},
        {"core2", 4, 0x121, 0x01c0003f, 63, 0},
        {"core2", 7, 0, 0, 0, 0},
        {"core2", 0x80000001, 0, 0, 0, 1u << 20},
        {"core2", 0x80000008, 0x2024, 0, 0, 0},
        {"host", 0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69},
        {"host", 7, 0, 0, 0, 0}, /* subleaf 1, see below */
        {"host", 0x15, 1, 10, 100000000, 0},
        {"host", 0x40000000, 0x40000000, 0x676e6952, 0x69527265, 0x7265676e},
        {"host", 0x80000007, 0, 0, 0, 0x100},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
        struct cpu_config config;
        struct cpuid_leaf l;
        struct fixture *f;

        start(state, leaves[i].spec, &config);
        f = *state;
        l = cpuid_query(f->cpu, leaves[i].leaf, !strcmp(leaves[i].spec, "host") && leaves[i].leaf == 7);
        assert_int_equal(l.eax, leaves[i].eax);
        assert_int_equal(l.ebx, leaves[i].ebx);
        assert_int_equal(l.ecx, leaves[i].ecx);
        assert_int_equal(l.edx, leaves[i].edx);
        assert_int_equal(f->cpu->gpr[REG_DX], config.model->signature); /* after reset */
        fixture_teardown(state);
    }
}

/* CPUID.SEP without SYSENTER was a Pentium Pro's, family 6 below 633h: no model may look like that. */
static void sysenter_is_believed(void **state)
{
    for (unsigned i = 0; i < CPU_MODEL_COUNT; i++) {
        struct cpu_config c;

        assert_true(parse(&c, cpu_models[i].name));
        if (has(&c, FEAT_SEP))
            assert_true(c.model->signature >= 0x633);
    }
}

static void paging_of_older_processors(void **state)
{
    struct cpu_config config;
    struct fixture *f;

    start(state, "pentium", &config);
    f = *state;
    assert_true(f->cpu->paging.lacks_pse36 && f->cpu->paging.lacks_pat);
    assert_int_equal(f->cpu->paging.phys_bits, 32);
    fixture_teardown(state);
    start(state, "pentium3", &config);
    f = *state;
    assert_false(f->cpu->paging.lacks_pse36 || f->cpu->paging.lacks_pat);
    assert_int_equal(f->cpu->paging.phys_bits, 36);
    fixture_teardown(state);
}

/* --- the tables of docs/processor.md --- */

static void print_leaves(FILE *out, const struct cpu *cpu)
{
    static const uint32_t bases[] = {0, 0x40000000, 0x80000000};

    for (unsigned b = 0; b < ARRAY_SIZE(bases); b++) {
        struct cpuid_leaf first = cpuid_query(cpu, bases[b], 0);

        if (b && first.eax < bases[b])
            continue;
        for (uint32_t leaf = bases[b]; leaf <= first.eax; leaf++) {
            for (uint32_t sub = 0; sub < (leaf == 4 || leaf == 0xd ? 3 : 1); sub++) {
                struct cpuid_leaf l = cpuid_query(cpu, leaf, sub);

                if (l.eax | l.ebx | l.ecx | l.edx)
                    fprintf(out, "| %s | %x%s | %08x | %08x | %08x | %08x |\n", cpu->config.model->name, leaf,
                           leaf == 4 || leaf == 0xd ? (const char *[]) {".0", ".1", ".2"}[sub] : "", l.eax, l.ebx, l.ecx, l.edx);
            }
        }
    }
}

/* '.': #GP, r: read-only, w: held, f: writes are forgotten (or change with time) */
static char msr_letter(struct cpu *cpu, uint32_t msr)
{
    uint64_t before, after = 0;

    if (!msr_read(cpu, msr, &before))
        return msr_write(cpu, msr, 0) ? 'f' : '.';
    if (!msr_write(cpu, msr, before))
        return 'r';
    if (!msr_write(cpu, msr, before ^ 1) && !msr_write(cpu, msr, before ^ 0x1000))
        return 'w';
    (void)!msr_read(cpu, msr, &after);
    return after == before ? 'f' : 'w';
}

static void print_msrs(FILE *out, struct cpu *const *cpus)
{
    char last[CPU_MODEL_COUNT + 1] = "", row[CPU_MODEL_COUNT + 1] = "";
    uint32_t start = 0;

    for (uint64_t msr = 0; msr <= 0xc0001000; msr = msr == 0x2000 ? 0xc0000000 : msr + 1) {
        for (unsigned i = 0; i < CPU_MODEL_COUNT; i++)
            row[i] = msr_letter(cpus[i], (uint32_t)msr);
        if (!strcmp(row, last))
            continue;
        if (last[0] && strcmp(last, "......"))
            fprintf(out, "| %x-%x | %.6s |\n", start, (uint32_t)msr - 1, last);
        start = (uint32_t)msr;
        memcpy(last, row, sizeof(last));
    }
}

static void print_tables(FILE *out)
{
    struct cpu *cpus[CPU_MODEL_COUNT];

    for (unsigned i = 0; i < CPU_MODEL_COUNT; i++) {
        struct cpu_config config;
        void *state;

        start(&state, cpu_models[i].name, &config);
        cpus[i] = ((struct fixture *)state)->cpu;
        cpus[i]->board.apic_base = NULL;
        print_leaves(out, cpus[i]);
    }
    for (unsigned i = 0; i < CPU_MODEL_COUNT; i++)
        fprintf(out, "| %s | CR4 %08x | EFLAGS %08x | address bits %u |\n", cpu_models[i].name, (unsigned)cpus[i]->cr4_mask,
               cpus[i]->eflags_mask, cpus[i]->paging.phys_bits);
    print_msrs(out, cpus);
}

/* Every row of the tables, but those of the host, stands in the page. */
static int check_page(const char *path)
{
    static char page[256 * 1024], tables[64 * 1024];
    FILE *file = fopen(path, "r"), *out = fmemopen(tables, sizeof(tables), "w");
    int status = 0;

    if (!file || !out || !fread(page, 1, sizeof(page) - 1, file)) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    print_tables(out);
    fclose(out);
    fclose(file);
    for (char *row = strtok(tables, "\n"); row; row = strtok(NULL, "\n")) {
        if (strncmp(row, "| host", 6) && !strstr(page, row)) {
            printf("%s lacks: %s\n", path, row);
            status = 1;
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_come_with_what_they_need),
        cmocka_unit_test(plus_and_minus),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(names_are_found_as_written),
        cmocka_unit_test(models_answer_cpuid),
        cmocka_unit_test(sysenter_is_believed),
        cmocka_unit_test(paging_of_older_processors),
    };

    if (argc > 1 && !strcmp(argv[1], "--tables")) {
        print_tables(stdout);
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "--check"))
        return check_page(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
