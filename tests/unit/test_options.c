/* The command line: words, limits, defaults, and one clear line for each mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "frontend/options.h"
#include "host/log.h"
#include "host/util.h"

#define MAX_ARGS 64

struct result {
    struct options o;
    int status;
    char message[512];
};

/* Parse "ringer" and the words of line, which are separated by blanks. */
static void parse(struct result *r, const char *line)
{
    static char copy[1024]; /* options point into it */
    char *argv[MAX_ARGS + 1] = {"ringer"}, *save = NULL;
    int argc = 1;
    FILE *err;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w && argc < MAX_ARGS; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    memset(r, 0, sizeof(*r));
    err = fmemopen(r->message, sizeof(r->message), "w");
    assert_non_null(err);
    r->status = options_parse(&r->o, argc, argv, err);
    fclose(err);
}

static void assert_refused(const char *line, const char *part)
{
    struct result r;
    char *newline;

    parse(&r, line);
    if (r.status != EXIT_USAGE || !strstr(r.message, part))
        fail_msg("'%s' gave status %d and: %s", line, r.status, r.message);
    newline = strchr(r.message, '\n');
    assert_non_null(newline);
    assert_int_equal(newline[1], 0); /* one line */
}

static void all_words_are_taken(void **state)
{
    struct result r;

    parse(&r, "run --memory 64M --kernel k --initrd i --append a --disk d1 --disk=d2 --cdrom c --floppy f --bios b "
              "--vgabios v --serial file:s --serial none --display none --debugcon file:x --exit-port 0xf4 "
              "--timeout 1.5 --engine interp");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.o.command, COMMAND_RUN);
    assert_int_equal(r.o.memory_bytes, MIB(64));
    assert_string_equal(r.o.kernel, "k");
    assert_int_equal(r.o.initrd_count, 1);
    assert_string_equal(r.o.initrds[0], "i");
    assert_string_equal(r.o.append, "a");
    assert_int_equal(r.o.disk_count, 2);
    assert_string_equal(r.o.disks[1], "d2");
    assert_string_equal(r.o.cdrom, "c");
    assert_string_equal(r.o.floppies[0], "f");
    assert_string_equal(r.o.bios, "b");
    assert_string_equal(r.o.vgabios, "v");
    assert_int_equal(r.o.serial_count, 2);
    assert_int_equal(r.o.display, DISPLAY_NONE);
    assert_string_equal(r.o.debugcon, "file:x");
    assert_int_equal(r.o.exit_port, 0xf4);
    assert_in_range(r.o.timeout_ns, 1500000000, 1500000001);
    assert_int_equal(r.o.engine, ENGINE_INTERP);
    parse(&r, "run --cdrom c --boot cdrom --engine lockstep --no-reboot --snapshot --screenshot s.png --stats "
              "--log irq,exc --control unix:/tmp/s --display text");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.o.boot, BOOT_CDROM);
    assert_int_equal(r.o.engine, ENGINE_LOCKSTEP);
    assert_true(r.o.is_no_reboot && r.o.is_snapshot && r.o.want_stats);
    assert_null(r.o.stats_file);
    assert_string_equal(r.o.screenshot, "s.png");
    assert_int_equal(r.o.log_mask, LOG_IRQ | LOG_EXC);
    assert_string_equal(r.o.control, "/tmp/s");
    assert_int_equal(r.o.display, DISPLAY_TEXT);
    parse(&r, "run --cdrom c --stats=f.json");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.o.stats_file, "f.json");
}

static void commands(void **state)
{
    struct result r;

    parse(&r, "doctor");
    assert_int_equal(r.o.command, COMMAND_DOCTOR);
    parse(&r, "--version");
    assert_int_equal(r.o.command, COMMAND_VERSION);
    parse(&r, "--help");
    assert_int_equal(r.o.command, COMMAND_HELP);
    parse(&r, "run --help");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.o.command, COMMAND_HELP);
    assert_refused("", "what to do");
    assert_refused("walk", "unknown command 'walk'");
    assert_refused("doctor who", "no arguments");
}

static void sizes(void **state)
{
    uint64_t n;

    assert_true(options_parse_size("64M", &n));
    assert_int_equal(n, MIB(64));
    assert_true(options_parse_size("1g", &n));
    assert_int_equal(n, GIB(1));
    assert_true(options_parse_size("2048K", &n));
    assert_int_equal(n, MIB(2));
    assert_true(options_parse_size("16", &n));
    assert_int_equal(n, MIB(16));
    assert_false(options_parse_size("", &n));
    assert_false(options_parse_size("M", &n));
    assert_false(options_parse_size("-1M", &n));
    assert_false(options_parse_size("64MB", &n));
    assert_false(options_parse_size("64X", &n));
    assert_false(options_parse_size("99999999999999999999", &n));
    assert_false(options_parse_size("99999999999999999G", &n));
}

static void mistakes_are_named(void **state)
{
    assert_refused("run", "nothing to boot");
    assert_refused("run --frobnicate", "unknown option '--frobnicate'");
    assert_refused("run file", "unexpected argument 'file'");
    assert_refused("run --", "unknown option");
    assert_refused("run --cdrom", "--cdrom needs a value");
    assert_refused("run --cdrom=", "--cdrom needs a value");
    assert_refused("run --no-reboot=1 --cdrom c", "takes no value");
    assert_refused("run --cdrom c --memory 0", "outside");
    assert_refused("run --cdrom c --memory 4G", "outside");
    assert_refused("run --cdrom c --memory lots", "not a size");
    assert_refused("run --cdrom c --cdrom d", "given twice");
    assert_refused("run --cdrom c --boot net", "disk, cdrom, floppy");
    assert_refused("run --cdrom c --boot disk", "needs --disk");
    assert_refused("run --cdrom c --engine fast", "bt, interp, lockstep");
    assert_refused("run --cdrom c --cpu z80", "no processor 'z80'");
    assert_refused("run --cdrom c --cpu 486,+mmx2", "no feature 'mmx2'");
    assert_refused("run --cdrom c --cpu 486,mmx", "+FEATURE");
    assert_refused("run --cdrom c --cpu 486,-fpu", "cannot be chosen");
    assert_refused("run --cdrom c --cpu 486 --cpu core2", "given twice");
    assert_refused("run --cdrom c --serial tcp:1", "--serial");
    assert_refused("run --cdrom c --serial file:", "--serial");
    assert_refused("run --cdrom c --serial stdio --serial stdio", "once");
    assert_refused("run --cdrom c --serial stdio --display text", "terminal");
    assert_refused("run --cdrom c --display text --debugcon stdio", "terminal");
    assert_refused("run --cdrom c --exit-port 0x10000", "port");
    assert_refused("run --cdrom c --exit-port x", "port");
    assert_refused("run --cdrom c --timeout 0", "seconds");
    assert_refused("run --cdrom c --timeout nan", "seconds");
    assert_refused("run --cdrom c --timeout 5m", "seconds");
    assert_refused("run --cdrom c --log irq,nix", "nix");
    assert_refused("run --cdrom c --control /tmp/x", "unix:PATH");
    assert_refused("run --cdrom c --initrd i", "--initrd needs --kernel");
    assert_refused("run --cdrom c --append a", "--append needs --kernel");
    assert_refused("run --disk 1 --disk 2 --disk 3 --disk 4 --cdrom c", "four IDE");
    assert_refused("run --disk 1 --disk 2 --disk 3 --disk 4 --disk 5", "at most 4");
    assert_refused("run --kernel k --disk d --boot disk", "exclude");
}

static void defaults_follow_the_terminal(void **state)
{
    struct result r;

    parse(&r, "run --kernel k");
    options_complete(&r.o, true);
    assert_int_equal(r.o.serial_count, 1);
    assert_string_equal(r.o.serials[0], "stdio");
    assert_int_equal(r.o.display, DISPLAY_NONE);

    parse(&r, "run --cdrom c");
    options_complete(&r.o, true);
    assert_int_equal(r.o.serial_count, 0);
    assert_int_equal(r.o.display, DISPLAY_TEXT);

    parse(&r, "run --cdrom c");
    options_complete(&r.o, false);
    assert_int_equal(r.o.serial_count, 1);
    assert_int_equal(r.o.display, DISPLAY_NONE);

    parse(&r, "run --kernel k --serial none");
    options_complete(&r.o, true);
    assert_int_equal(r.o.display, DISPLAY_TEXT);

    parse(&r, "run --cdrom c --debugcon stdio");
    options_complete(&r.o, true);
    assert_int_equal(r.o.serial_count, 0);
    assert_int_equal(r.o.display, DISPLAY_NONE);

    parse(&r, "run --kernel k --display text");
    options_complete(&r.o, true);
    assert_int_equal(r.o.serial_count, 0);
    assert_int_equal(r.o.display, DISPLAY_TEXT);

    parse(&r, "run --cdrom c --display none");
    options_complete(&r.o, true);
    assert_int_equal(r.o.serial_count, 0);
}

static void help_fits_a_screen(void **state)
{
    char text[4096] = "";
    unsigned lines = 0;
    FILE *f = fmemopen(text, sizeof(text), "w");

    options_print_help(f);
    fclose(f);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        assert_in_range(end - line, 1, 80);
        lines++;
    }
    assert_in_range(lines, 10, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_words_are_taken),
        cmocka_unit_test(commands),
        cmocka_unit_test(sizes),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(defaults_follow_the_terminal),
        cmocka_unit_test(help_fits_a_screen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
