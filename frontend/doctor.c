/* Checks of the host, as a table.  What is needed makes the status; what is only good to have is told. */
#include "frontend/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "cpu/feature.h"
#include "frontend/firmware.h"
#include "frontend/options.h"
#include "host/util.h"

#define MAX_MAP_COUNT_WANTED 65530ul /* Linux's default */
#define MEMORY_WANTED_MIB    512ul
#define HWCAP2_FSGSBASE_BIT  2ul /* linux/arch/x86/include/uapi/asm/hwcap2.h: bit 1 */

enum verdict { VERDICT_OK, VERDICT_POOR /* works, less well */, VERDICT_MISSING };

struct finding {
    enum verdict verdict;
    char text[WHY_BYTES + 64];
};

static void find(struct finding *f, enum verdict verdict, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void find(struct finding *f, enum verdict verdict, const char *fmt, ...)
{
    va_list ap;

    f->verdict = verdict;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof(f->text), fmt, ap);
    va_end(ap);
}

/* The number in a /proc file, or that of the line starting with key. */
static bool read_number(const char *path, const char *key, unsigned long *value)
{
    FILE *file = fopen(path, "re");
    char line[256];
    bool is_found = false;

    if (!file)
        return false;
    while (!is_found && fgets(line, sizeof(line), file))
        if (!strncmp(line, key, strlen(key)))
            is_found = sscanf(line + strlen(key), "%lu", value) == 1;
    fclose(file);
    return is_found;
}

static void check_firmware(struct finding *f, const char *path)
{
    char why[WHY_BYTES] = "";

    if (firmware_check(path, why) < 0)
        find(f, VERDICT_MISSING, "%s (install the package seabios, or use --bios and --vgabios)", why);
    else
        find(f, VERDICT_OK, "%s", path);
}

static void check_bios(struct finding *f)
{
    check_firmware(f, FIRMWARE_BIOS);
}

static void check_vgabios(struct finding *f)
{
    check_firmware(f, FIRMWARE_VGABIOS);
}

/* Guest memory and the code cache: a memfd, seen writable once and executable once. */
static void check_memfd(struct finding *f)
{
    int fd = memfd_create("ringer-doctor", MFD_CLOEXEC);
    void *w = MAP_FAILED, *x = MAP_FAILED;
    size_t page = GUEST_PAGE_SIZE;

    if (fd < 0 || ftruncate(fd, (off_t)page) < 0) {
        find(f, VERDICT_MISSING, "memfd_create: %s", strerror(errno));
    } else {
        w = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        x = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
        if (w == MAP_FAILED || x == MAP_FAILED)
            find(f, VERDICT_MISSING, "executable memory is refused: %s (SELinux, vm.memfd_noexec?)", strerror(errno));
        else
            find(f, VERDICT_OK, "memfd, writable and executable views");
    }
    if (w != MAP_FAILED)
        munmap(w, page);
    if (x != MAP_FAILED)
        munmap(x, page);
    if (fd >= 0)
        close(fd);
}

/* Windows of guest addresses: 4 GiB of reserved address space each. */
static void check_address_space(struct finding *f)
{
    size_t len = (size_t)GIB(16);
    void *p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        find(f, VERDICT_MISSING, "cannot reserve 16 GiB of addresses: %s (ulimit -v?)", strerror(errno));
        return;
    }
    munmap(p, len);
    find(f, VERDICT_OK, "16 GiB of addresses can be reserved");
}

static void check_max_map_count(struct finding *f)
{
    unsigned long n;

    if (!read_number("/proc/sys/vm/max_map_count", "", &n))
        find(f, VERDICT_POOR, "vm.max_map_count cannot be read");
    else if (n < MAX_MAP_COUNT_WANTED)
        find(f, VERDICT_POOR, "vm.max_map_count is %lu: guests run slower below %lu (sysctl vm.max_map_count=%lu)", n,
             MAX_MAP_COUNT_WANTED, MAX_MAP_COUNT_WANTED);
    else
        find(f, VERDICT_OK, "vm.max_map_count is %lu", n);
}

static void check_fsgsbase(struct finding *f)
{
    if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT)
        find(f, VERDICT_OK, "FSGSBASE: windows are switched without a system call");
    else
        find(f, VERDICT_MISSING, "FSGSBASE is off: Linux 5.9 or later and an Intel CPU from 2012 or AMD from 2015 are needed");
}

static void check_instructions(struct finding *f)
{
    if (!__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("bmi"))
        find(f, VERDICT_MISSING, "the CPU lacks BMI1 or BMI2: only --engine interp runs");
    else
        find(f, VERDICT_OK, "BMI1 and BMI2");
}

static void check_features(struct finding *f)
{
    char lacking[WHY_BYTES] = "";

    for (unsigned i = FEAT_NONE + 1; i < FEAT_COUNT; i++) {
        size_t len = strlen(lacking);

        if (feature_is_choosable(i) && !feature_is_supported(i))
            snprintf(lacking + len, sizeof(lacking) - len, " %s", feature_name(i));
    }
    if (lacking[0])
        find(f, VERDICT_POOR, "--cpu cannot offer%s", lacking);
    else
        find(f, VERDICT_OK, "all features that --cpu knows");
}

static void check_memory(struct finding *f)
{
    unsigned long kib;

    if (!read_number("/proc/meminfo", "MemAvailable:", &kib))
        find(f, VERDICT_POOR, "the free memory cannot be read");
    else if (kib / 1024 < MEMORY_WANTED_MIB)
        find(f, VERDICT_POOR, "only %lu MiB of memory are free", kib / 1024);
    else
        find(f, VERDICT_OK, "%lu MiB of memory are free", kib / 1024);
}

static void check_terminal(struct finding *f)
{
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        find(f, VERDICT_OK, "a terminal: --display text and --serial stdio can be used");
    else
        find(f, VERDICT_OK, "no terminal here: --display text is not possible");
}

int doctor(FILE *out)
{
    static const struct {
        const char *name;
        void (*check)(struct finding *f);
    } checks[] = {
        {"BIOS", check_bios},
        {"VGA BIOS", check_vgabios},
        {"memfd", check_memfd},
        {"addresses", check_address_space},
        {"mappings", check_max_map_count},
        {"FSGSBASE", check_fsgsbase},
        {"instructions", check_instructions},
        {"features", check_features},
        {"memory", check_memory},
        {"terminal", check_terminal},
    };
    static const char *const verdicts[] = {"ok", "poor", "MISSING"};
    int status = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(checks); i++) {
        struct finding f = {0};

        checks[i].check(&f);
        fprintf(out, "%-12s  %-7s  %s\n", checks[i].name, verdicts[f.verdict], f.text);
        if (f.verdict == VERDICT_MISSING)
            status = EXIT_HOST;
    }
    return status;
}
