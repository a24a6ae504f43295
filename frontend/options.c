/* The command line as one table of words, each with the function that takes its value. */
#include "frontend/options.h"

#include "bt/bt.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "host/log.h"
#include "host/util.h"

struct parse {
    struct options *o;
    FILE *err;
    const char *word; /* the option being taken, "--memory" */
    bool is_failed;
};

static void __attribute__((format(printf, 2, 3))) complain(struct parse *p, const char *fmt, ...)
{
    va_list ap;

    if (p->is_failed)
        return; /* one line is enough */
    p->is_failed = true;
    fputs("ringer: ", p->err);
    va_start(ap, fmt);
    vfprintf(p->err, fmt, ap);
    va_end(ap);
    fputs(" (see ringer --help)\n", p->err);
}

bool options_parse_size(const char *text, uint64_t *bytes)
{
    static const struct {
        char suffix;
        uint8_t shift;
    } units[] = {{'K', 10}, {'M', 20}, {'G', 30}, {'\0', 20}};
    char *end;
    uint64_t n;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
        if (toupper((unsigned char)*end) != units[i].suffix)
            continue;
        if (*end && end[1])
            return false;
        if (n > (UINT64_MAX >> units[i].shift))
            return false;
        *bytes = n << units[i].shift;
        return true;
    }
    return false;
}

static void take_memory(struct parse *p, const char *value)
{
    uint64_t bytes;

    if (!options_parse_size(value, &bytes))
        complain(p, "--memory: '%s' is not a size such as 64M or 1G", value);
    else if (bytes < OPTIONS_MEMORY_MIN || bytes > OPTIONS_MEMORY_MAX)
        complain(p, "--memory: %s is outside 1M..3072M", value);
    else
        p->o->memory_bytes = bytes & ~(uint64_t)GUEST_PAGE_MASK;
}

/* One value of many into a list with a limit. */
static void take_into_list(struct parse *p, const char *value, const char **list, unsigned *count, unsigned max)
{
    if (*count == max)
        complain(p, "%s: at most %u are possible", p->word, max);
    else
        list[(*count)++] = value;
}

static void take_once(struct parse *p, const char *value, const char **where)
{
    if (*where)
        complain(p, "%s is given twice", p->word);
    *where = value;
}

static void take_kernel(struct parse *p, const char *value)
{
    take_once(p, value, &p->o->kernel);
}

static void take_initrd(struct parse *p, const char *value)
{
    take_into_list(p, value, p->o->initrds, &p->o->initrd_count, OPTIONS_MAX_INITRDS);
}

static void take_append(struct parse *p, const char *value)
{
    take_once(p, value, &p->o->append);
}

static void take_disk(struct parse *p, const char *value)
{
    take_into_list(p, value, p->o->disks, &p->o->disk_count, OPTIONS_MAX_IDE);
}

static void take_cdrom(struct parse *p, const char *value)
{
    take_once(p, value, &p->o->cdrom);
}

static void take_floppy(struct parse *p, const char *value)
{
    take_into_list(p, value, p->o->floppies, &p->o->floppy_count, OPTIONS_MAX_FLOPPIES);
}

static void take_bios(struct parse *p, const char *value)
{
    take_once(p, value, &p->o->bios);
}

static void take_vgabios(struct parse *p, const char *value)
{
    take_once(p, value, &p->o->vgabios);
}

static void take_screenshot(struct parse *p, const char *value)
{
    take_once(p, value, &p->o->screenshot);
}

/* Index of value in words, or -1 after complaining with the words that would do. */
static int take_word(struct parse *p, const char *value, const char *const *words, unsigned count)
{
    char list[128] = "";

    for (unsigned i = 0; i < count; i++)
        if (!strcmp(value, words[i]))
            return (int)i;
    for (unsigned i = 0; i < count; i++) {
        strncat(list, i ? ", " : "", sizeof(list) - strlen(list) - 1);
        strncat(list, words[i], sizeof(list) - strlen(list) - 1);
    }
    complain(p, "%s: '%s' is none of %s", p->word, value, list);
    return -1;
}

static void take_boot(struct parse *p, const char *value)
{
    static const char *const words[] = {"disk", "cdrom", "floppy"};
    int i = take_word(p, value, words, ARRAY_SIZE(words));

    if (i >= 0)
        p->o->boot = BOOT_DISK + (unsigned)i;
}

static void take_display(struct parse *p, const char *value)
{
    static const char *const words[] = {"none", "text"};
    int i = take_word(p, value, words, ARRAY_SIZE(words));

    if (i >= 0)
        p->o->display = DISPLAY_NONE + (unsigned)i;
}

static void take_engine(struct parse *p, const char *value)
{
    static const char *const words[] = {"bt", "interp", "lockstep"};
    int i = take_word(p, value, words, ARRAY_SIZE(words));

    if (i >= 0)
        p->o->engine = (unsigned)i;
}

static bool has_path(const char *value, const char *prefix)
{
    size_t n = strlen(prefix);

    return !strncmp(value, prefix, n) && value[n];
}

static void take_serial(struct parse *p, const char *value)
{
    if (strcmp(value, "stdio") && strcmp(value, "none") && strcmp(value, "pty") && !has_path(value, "file:") &&
        !has_path(value, "unix:"))
        complain(p, "--serial: '%s' is none of stdio, none, file:F, pty, unix:F", value);
    take_into_list(p, value, p->o->serials, &p->o->serial_count, OPTIONS_MAX_SERIALS);
}

static void take_debugcon(struct parse *p, const char *value)
{
    if (strcmp(value, "stdio") && !has_path(value, "file:"))
        complain(p, "--debugcon: '%s' is none of stdio, file:F", value);
    take_once(p, value, &p->o->debugcon);
}

static void take_exit_port(struct parse *p, const char *value)
{
    char *end;
    unsigned long port;

    errno = 0;
    port = strtoul(value, &end, 0);
    if (!isdigit((unsigned char)value[0]) || *end || errno || port > 0xffff)
        complain(p, "--exit-port: '%s' is not a port number 0..0xffff", value);
    else
        p->o->exit_port = (int)port;
}

static void take_timeout(struct parse *p, const char *value)
{
    char *end;
    double s = strtod(value, &end);

    if (end == value || *end || !isfinite(s) || s <= 0 || s > 1e9)
        complain(p, "--timeout: '%s' is not a number of seconds above 0", value);
    else
        p->o->timeout_ns = (uint64_t)(s * 1e9) + 1;
}

static void take_stats(struct parse *p, const char *value)
{
    p->o->want_stats = true;
    if (value && !*value)
        complain(p, "--stats=: the file name is missing");
    if (value)
        p->o->stats_file = value;
}

static void take_log(struct parse *p, const char *value)
{
    const char *bad = "";
    unsigned mask = 0;

    if (log_parse(value, &mask, &bad))
        complain(p, "--log: no channel '%s' (bt mmu irq io exc dev boot unimp code all)", bad);
    p->o->log_mask |= mask;
}

static void take_control(struct parse *p, const char *value)
{
    take_once(p, value, &p->o->control);
    if (!has_path(value, "unix:"))
        complain(p, "--control: '%s' is not unix:PATH", value);
    else
        p->o->control = value + strlen("unix:");
}

static void take_no_reboot(struct parse *p, const char *value)
{
    p->o->is_no_reboot = true;
}

static void take_snapshot(struct parse *p, const char *value)
{
    p->o->is_snapshot = true;
}

static void take_check_addresses(struct parse *p, const char *value)
{
    p->o->is_checked = true;
}

static void take_perf_map(struct parse *p, const char *value)
{
    p->o->want_perf_map = true;
}

static void take_symbols(struct parse *p, const char *value)
{
    take_once(p, value, &p->o->symbols);
}

static void take_code_cache(struct parse *p, const char *value)
{
    if (!options_parse_size(value, &p->o->code_cache_bytes) || p->o->code_cache_bytes < MIB(1) ||
        p->o->code_cache_bytes > MIB(512))
        complain(p, "--code-cache %s: not a size from 1M to 512M", value);
}

/* Names separated by commas; "all" is every one. */
static void take_without(struct parse *p, const char *value)
{
    for (const char *end; *value; value = end + (*end == ',')) {
        unsigned found = strncmp(value, "all", 3) == 0 && strcspn(value, ",") == 3 ? (1u << BT_TECHNIQUES) - 1 : 0;

        end = value + strcspn(value, ",");
        for (unsigned i = 0; i < BT_TECHNIQUES; i++)
            if (strlen(bt_technique_names[i]) == (size_t)(end - value) && !strncmp(bt_technique_names[i], value, (size_t)(end - value)))
                found = 1u << i;
        if (!found) {
            complain(p, "--without %.*s: no such technique", (int)(end - value), value);
            return;
        }
        p->o->without |= found;
    }
}

static void take_cpu(struct parse *p, const char *value)
{
    char why[128];

    if (!strcmp(value, "help"))
        p->o->command = COMMAND_CPU_HELP;
    else if (p->o->cpu.model)
        complain(p, "--cpu is given twice");
    else if (!cpu_config_parse(&p->o->cpu, value, why, sizeof(why)))
        complain(p, "--cpu: %s", why);
}

static void take_help(struct parse *p, const char *value)
{
    p->o->command = COMMAND_HELP;
}

enum value_kind { VALUE_NONE, VALUE_NEEDED, VALUE_AFTER_EQUALS /* only as --word=value, and not needed */ };

static const struct word {
    const char *name;
    enum value_kind kind;
    void (*take)(struct parse *p, const char *value);
} words[] = {
    {"memory", VALUE_NEEDED, take_memory},
    {"cpu", VALUE_NEEDED, take_cpu},
    {"kernel", VALUE_NEEDED, take_kernel},
    {"initrd", VALUE_NEEDED, take_initrd},
    {"append", VALUE_NEEDED, take_append},
    {"disk", VALUE_NEEDED, take_disk},
    {"cdrom", VALUE_NEEDED, take_cdrom},
    {"floppy", VALUE_NEEDED, take_floppy},
    {"boot", VALUE_NEEDED, take_boot},
    {"bios", VALUE_NEEDED, take_bios},
    {"vgabios", VALUE_NEEDED, take_vgabios},
    {"serial", VALUE_NEEDED, take_serial},
    {"display", VALUE_NEEDED, take_display},
    {"debugcon", VALUE_NEEDED, take_debugcon},
    {"exit-port", VALUE_NEEDED, take_exit_port},
    {"timeout", VALUE_NEEDED, take_timeout},
    {"engine", VALUE_NEEDED, take_engine},
    {"no-reboot", VALUE_NONE, take_no_reboot},
    {"snapshot", VALUE_NONE, take_snapshot},
    {"screenshot", VALUE_NEEDED, take_screenshot},
    {"stats", VALUE_AFTER_EQUALS, take_stats},
    {"check-addresses", VALUE_NONE, take_check_addresses},
    {"perf-map", VALUE_NONE, take_perf_map},
    {"symbols", VALUE_NEEDED, take_symbols},
    {"code-cache", VALUE_NEEDED, take_code_cache},
    {"without", VALUE_NEEDED, take_without},
    {"log", VALUE_NEEDED, take_log},
    {"control", VALUE_NEEDED, take_control},
    {"help", VALUE_NONE, take_help},
};

static const struct word *find_word(const char *name, size_t len)
{
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        if (strlen(words[i].name) == len && !memcmp(words[i].name, name, len))
            return &words[i];
    return NULL;
}

/* Take argv[i] and perhaps its value; returns the index of the next word. */
static int take_argument(struct parse *p, int argc, char **argv, int i)
{
    const char *arg = argv[i], *equals = strchr(arg, '='), *value = NULL;
    char word[64];
    const struct word *w;
    size_t len;

    if (arg[0] != '-' || arg[1] != '-') {
        complain(p, "unexpected argument '%s'", arg);
        return argc;
    }
    len = equals ? (size_t)(equals - arg) - 2 : strlen(arg) - 2;
    w = find_word(arg + 2, len);
    if (!w) {
        complain(p, "unknown option '%.*s'", (int)(len + 2), arg);
        return argc;
    }
    snprintf(word, sizeof(word), "--%s", w->name);
    p->word = word;
    if (equals)
        value = equals + 1;
    else if (w->kind == VALUE_NEEDED && i + 1 < argc)
        value = argv[++i];
    if (w->kind == VALUE_NEEDED && (!value || (!*value && w->take != take_append)))
        complain(p, "%s needs a value", word);
    else if (w->kind == VALUE_NONE && value)
        complain(p, "%s takes no value", word);
    else
        w->take(p, value);
    return i + 1;
}

static bool has_stdio_serial(const struct options *o)
{
    for (unsigned i = 0; i < o->serial_count; i++)
        if (!strcmp(o->serials[i], "stdio"))
            return true;
    return false;
}

/* What no single option can see. */
static void check_together(struct parse *p)
{
    const struct options *o = p->o;
    unsigned stdio_count = 0;

    for (unsigned i = 0; i < o->serial_count; i++)
        stdio_count += !strcmp(o->serials[i], "stdio");
    if (stdio_count > 1)
        complain(p, "--serial stdio is possible once");
    if (stdio_count && o->display == DISPLAY_TEXT)
        complain(p, "--serial stdio and --display text both want the terminal");
    if (o->debugcon && !strcmp(o->debugcon, "stdio") && o->display == DISPLAY_TEXT)
        complain(p, "--debugcon stdio and --display text both want the terminal");
    if (!o->kernel && o->initrd_count)
        complain(p, "--initrd needs --kernel");
    if (!o->kernel && o->append)
        complain(p, "--append needs --kernel");
    if (o->kernel && o->boot != BOOT_DEFAULT)
        complain(p, "--kernel and --boot exclude each other");
    if (o->disk_count + (o->cdrom != NULL) > OPTIONS_MAX_IDE)
        complain(p, "there are four IDE positions for --disk and --cdrom");
    if (o->boot == BOOT_DISK && !o->disk_count)
        complain(p, "--boot disk needs --disk");
    if (o->boot == BOOT_CDROM && !o->cdrom)
        complain(p, "--boot cdrom needs --cdrom");
    if (o->boot == BOOT_FLOPPY && !o->floppy_count)
        complain(p, "--boot floppy needs --floppy");
    if (!o->kernel && !o->disk_count && !o->cdrom && !o->floppy_count && !o->bios)
        complain(p, "nothing to boot: give --kernel, --disk, --cdrom, --floppy or --bios");
}

static bool parse_command(struct parse *p, int argc, char **argv)
{
    static const struct {
        const char *word;
        enum command command;
    } commands[] = {
        {"run", COMMAND_RUN},         {"doctor", COMMAND_DOCTOR}, {"--version", COMMAND_VERSION},
        {"version", COMMAND_VERSION}, {"--help", COMMAND_HELP},   {"-h", COMMAND_HELP},
        {"help", COMMAND_HELP},
    };

    if (argc < 2) {
        complain(p, "say what to do, for example: ringer run --cdrom FILE");
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(argv[1], commands[i].word)) {
            p->o->command = commands[i].command;
            return true;
        }
    }
    complain(p, "unknown command '%s'", argv[1]);
    return false;
}

int options_parse(struct options *o, int argc, char **argv, FILE *err)
{
    struct parse p = {.o = o, .err = err};

    *o = (struct options){.memory_bytes = MIB(128), .exit_port = -1};
    if (parse_command(&p, argc, argv)) {
        for (int i = 2; i < argc && !p.is_failed && o->command == COMMAND_RUN;)
            i = take_argument(&p, argc, argv, i);
        if (o->command == COMMAND_DOCTOR && argc > 2)
            complain(&p, "doctor takes no arguments");
        if (o->command == COMMAND_RUN)
            check_together(&p);
    }
    return p.is_failed ? EXIT_USAGE : 0;
}

void options_complete(struct options *o, bool is_terminal)
{
    bool has_stdio_debugcon = o->debugcon && !strcmp(o->debugcon, "stdio");

    /* A kernel given directly talks to its serial console; so does whatever runs in a pipe. */
    if (!o->serial_count && o->display == DISPLAY_DEFAULT && (o->kernel || !is_terminal))
        o->serials[o->serial_count++] = "stdio";
    if (o->display == DISPLAY_DEFAULT)
        o->display = is_terminal && !has_stdio_debugcon && !has_stdio_serial(o) ? DISPLAY_TEXT : DISPLAY_NONE;
}

void options_print_help(FILE *out)
{
    fputs("usage: ringer run [options] | ringer doctor | ringer --version | ringer --help\n"
          "  --memory SIZE           64M, 1G; a plain number counts MiB (128M)\n"
          "  --cpu MODEL[,+F][,-F]   486, pentium[2|3], core2, host; help lists all [host]\n"
          "  --kernel F              bzImage or multiboot ELF; with --initrd F --append STR\n"
          "  --disk F                raw disk image, repeatable; --snapshot drops writes\n"
          "  --cdrom F  --floppy F   ISO image, floppy image\n"
          "  --boot WHAT             disk, cdrom or floppy (the first there is)\n"
          "  --bios F  --vgabios F   firmware other than the seabios package's\n"
          "  --serial WHERE          stdio, none, file:F, pty, unix:F; repeat for COM2...\n"
          "  --display none|text     text: the VGA text screen in this terminal\n"
          "  --debugcon stdio|file:F port E9h\n"
          "  --exit-port PORT        writing v there ends Ringer with status (v<<1)|1\n"
          "  --timeout SECONDS       end with status 124 after this time\n"
          "  --engine E              bt (translator), interp, lockstep (both, compared)\n"
          "  --no-reboot             end with status 4 instead of resetting\n"
          "  --screenshot F          screen at exit: F.png as picture, F.txt as text\n"
          "  --stats[=F]             counters at exit: table, or JSON in F\n"
          "  --check-addresses       check each address translated code accesses; slow\n"
          "  --perf-map  --symbols F names for Linux perf; from an ELF or System.map\n"
          "  --code-cache SIZE       for code and its tables, 1M-512M [128M]\n"
          "  --log CHANNELS          bt,mmu,irq,io,exc,dev,boot,unimp,code or all\n"
          "  --control unix:PATH     JSON control socket\n"
          "Ctrl-A x leaves, Ctrl-A h shows the keys.  Status: 0 power-off, 2 usage, 3 host\n"
          "refused, 4 reset with --no-reboot, 70 bug, 124 time limit, 128+n signal n.\n",
          out);
}
