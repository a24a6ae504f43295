/* The table of --stats, and the same numbers as JSON. */
#include "frontend/stats.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "host/util.h"

#define MAX_COUNTERS 256
#define MAX_CALLOUTS 24 /* shown */

static const char *const sens_names[SENS_COUNT] = {
    [SENS_SGDT] = "SGDT", [SENS_SIDT] = "SIDT", [SENS_SLDT] = "SLDT", [SENS_STR] = "STR", [SENS_SMSW] = "SMSW",
    [SENS_PUSHF] = "PUSHF", [SENS_POPF] = "POPF", [SENS_LAR] = "LAR", [SENS_LSL] = "LSL", [SENS_VERR] = "VERR",
    [SENS_VERW] = "VERW", [SENS_MOV_SREG] = "MOV Sreg", [SENS_PUSH_SREG] = "PUSH Sreg", [SENS_POP_SREG] = "POP Sreg",
    [SENS_CALL_FAR] = "CALL far", [SENS_JMP_FAR] = "JMP far", [SENS_RET_FAR] = "RET far", [SENS_INT] = "INT n",
    [SENS_IRET] = "IRET", [SENS_CLI] = "CLI", [SENS_STI] = "STI", [SENS_HLT] = "HLT", [SENS_IN] = "IN",
    [SENS_OUT] = "OUT", [SENS_INS] = "INS", [SENS_OUTS] = "OUTS", [SENS_LGDT] = "LGDT", [SENS_LIDT] = "LIDT",
    [SENS_LLDT] = "LLDT", [SENS_LTR] = "LTR", [SENS_LMSW] = "LMSW", [SENS_CLTS] = "CLTS", [SENS_MOV_CR] = "MOV CRn",
    [SENS_MOV_DR] = "MOV DRn", [SENS_INVLPG] = "INVLPG", [SENS_INVD] = "INVD, WBINVD", [SENS_RDMSR] = "RDMSR",
    [SENS_WRMSR] = "WRMSR", [SENS_RDTSC] = "RDTSC", [SENS_RDPMC] = "RDPMC", [SENS_CPUID] = "CPUID",
    [SENS_SYSENTER] = "SYSENTER", [SENS_SYSEXIT] = "SYSEXIT", [SENS_LSEG_PTR] = "LDS LES LSS LFS LGS",
    [SENS_OTHER] = "other",
};

struct summary {
    uint64_t insns, insns_bt, insns_interp;
    unsigned counter_count;
    struct bt_counter counters[MAX_COUNTERS];
    unsigned callout_count;
    struct bt_callout callouts[MAX_CALLOUTS];
};

static void summarize(struct summary *s, const struct bt *bt, const struct cpu *cpu)
{
    s->insns_bt = cpu->stats.insns_bt;
    s->insns_interp = cpu->stats.insns_interp;
    s->insns = s->insns_bt + s->insns_interp;
    s->counter_count = bt ? bt_counters(bt, s->counters, MAX_COUNTERS) : 0;
    if (s->counter_count > MAX_COUNTERS)
        s->counter_count = MAX_COUNTERS;
    s->callout_count = bt ? bt_callouts(bt, s->callouts, MAX_CALLOUTS) : 0;
}

static uint64_t counter_value(const struct summary *s, const char *name)
{
    for (unsigned i = 0; i < s->counter_count; i++)
        if (!strcmp(s->counters[i].name, name))
            return s->counters[i].value;
    return 0;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static double per_million(uint64_t n, uint64_t insns)
{
    return insns ? 1e6 * (double)n / (double)insns : 0;
}

/* --- text --- */

static void print_sensitive(FILE *out, const struct cpu *cpu, const char *title, unsigned first, unsigned last)
{
    fprintf(out, "%-28s %12s %16s\n", title, "sites", "executed");
    for (unsigned i = first; i <= last; i++)
        fprintf(out, "  %-26s %12llu %16llu\n", sens_names[i], (unsigned long long)cpu->stats.sens_sites[i],
                (unsigned long long)cpu->stats.sens_executed[i]);
}

void stats_print(FILE *out, const struct bt *bt, const struct cpu *cpu, double seconds)
{
    struct summary *s = calloc(1, sizeof(*s));

    if (!s)
        return;
    summarize(s, bt, cpu);
    fprintf(out, "\nguest instructions           %16llu  in %.1f s, %.1f million/s\n", (unsigned long long)s->insns,
            seconds, seconds > 0 ? (double)s->insns / seconds / 1e6 : 0);
    fprintf(out, "  translated                 %16llu  %8.4f %%\n", (unsigned long long)s->insns_bt,
            percent(s->insns_bt, s->insns));
    fprintf(out, "  interpreted                %16llu  %8.4f %%\n", (unsigned long long)s->insns_interp,
            percent(s->insns_interp, s->insns));
    fprintf(out, "interrupts                   %16llu\n", (unsigned long long)cpu->stats.ext_interrupts);
    fprintf(out, "software interrupts          %16llu\n", (unsigned long long)cpu->stats.soft_interrupts);
    fprintf(out, "task switches                %16llu\n", (unsigned long long)cpu->stats.task_switches);
    for (unsigned i = 0; i < 32; i++)
        if (cpu->stats.exceptions[i])
            fprintf(out, "exceptions, vector %-2u        %16llu\n", i, (unsigned long long)cpu->stats.exceptions[i]);
    if (bt) {
        fprintf(out, "signals per million instructions %12.2f\n", per_million(counter_value(s, "signals"), s->insns));
        fputs("translator\n", out);
        for (unsigned i = 0; i < s->counter_count; i++)
            fprintf(out, "  %-26s %16llu\n", s->counters[i].name, (unsigned long long)s->counters[i].value);
        fprintf(out, "%-28s %16s %12s\n", "call-outs by instruction", "executed", "per million");
        for (unsigned i = 0; i < s->callout_count; i++)
            fprintf(out, "  %-16s %-9s %16llu %12.2f\n", s->callouts[i].name, s->callouts[i].is_site ? "(access)" : "",
                    (unsigned long long)s->callouts[i].count, per_million(s->callouts[i].count, s->insns));
    }
    print_sensitive(out, cpu, "sensitive, unprivileged", SENS_SGDT, SENS_INT);
    print_sensitive(out, cpu, "privileged, and others", SENS_IRET, SENS_COUNT - 1);
    free(s);
}

/* --- JSON --- */

static json_t *count(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *sensitive_object(const struct cpu *cpu, unsigned first, unsigned last)
{
    json_t *object = json_object();

    for (unsigned i = first; i <= last; i++)
        json_object_set_new(object, sens_names[i],
                            json_pack("{s:o, s:o}", "sites", count(cpu->stats.sens_sites[i]), "executed",
                                      count(cpu->stats.sens_executed[i])));
    return object;
}

static json_t *exceptions_object(const struct cpu *cpu)
{
    json_t *object = json_object();
    char vector[8];

    for (unsigned i = 0; i < 32; i++) {
        snprintf(vector, sizeof(vector), "%u", i);
        if (cpu->stats.exceptions[i])
            json_object_set_new(object, vector, count(cpu->stats.exceptions[i]));
    }
    return object;
}

static json_t *callouts_array(const struct summary *s)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < s->callout_count; i++)
        json_array_append_new(array, json_pack("{s:s, s:b, s:o}", "instruction", s->callouts[i].name, "access",
                                               s->callouts[i].is_site, "executed", count(s->callouts[i].count)));
    return array;
}

static json_t *stats_object(const struct summary *s, const struct cpu *cpu, double seconds)
{
    json_t *translator = json_object(), *object;

    for (unsigned i = 0; i < s->counter_count; i++)
        json_object_set_new(translator, s->counters[i].name, count(s->counters[i].value));
    object = json_pack("{s:f, s:{s:o, s:o, s:o, s:f}, s:f, s:o, s:o, s:o, s:o}", "seconds", seconds, "instructions",
                       "total", count(s->insns), "translated", count(s->insns_bt), "interpreted",
                       count(s->insns_interp), "translated_percent", percent(s->insns_bt, s->insns),
                       "signals_per_million", per_million(counter_value(s, "signals"), s->insns), "interrupts",
                       count(cpu->stats.ext_interrupts), "software_interrupts", count(cpu->stats.soft_interrupts),
                       "task_switches", count(cpu->stats.task_switches), "exceptions", exceptions_object(cpu));
    json_object_set_new(object, "translator", translator);
    json_object_set_new(object, "call_outs", callouts_array(s));
    json_object_set_new(object, "sensitive_unprivileged", sensitive_object(cpu, SENS_SGDT, SENS_INT));
    json_object_set_new(object, "privileged", sensitive_object(cpu, SENS_IRET, SENS_COUNT - 1));
    return object;
}

int stats_write_json(const char *path, const struct bt *bt, const struct cpu *cpu, double seconds)
{
    struct summary *s = calloc(1, sizeof(*s));
    json_t *object;
    FILE *file;
    int r = 0;

    if (!s)
        return -ENOMEM;
    summarize(s, bt, cpu);
    object = stats_object(s, cpu, seconds);
    free(s);
    file = fopen(path, "we");
    if (!file) {
        r = -errno;
    } else {
        if (json_dumpf(object, file, JSON_INDENT(2)) < 0 || fputc('\n', file) == EOF)
            r = -EIO;
        if (fclose(file) && !r)
            r = -errno;
    }
    json_decref(object);
    return r;
}
