/* The command line: words, limits and defaults.
 * Thread: main thread, before anything else runs.  Strings point into argv or are static. */
#ifndef FRONTEND_OPTIONS_H
#define FRONTEND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "cpu/feature.h"

/* Exit status of the program. */
enum exit_status {
    EXIT_POWEROFF = 0,
    EXIT_USAGE = 2,  /* the command line makes no sense */
    EXIT_HOST = 3,   /* the host refused: file, memory, missing firmware */
    EXIT_RESET = 4,  /* triple fault or reset with --no-reboot */
    EXIT_BUG = 70,   /* a bug in Ringer */
    EXIT_TIMEOUT = 124,
    EXIT_SIGNAL = 128 /* plus the signal's number */
};

enum command { COMMAND_RUN, COMMAND_DOCTOR, COMMAND_VERSION, COMMAND_HELP, COMMAND_CPU_HELP };
enum engine { ENGINE_BT, ENGINE_INTERP, ENGINE_LOCKSTEP };
enum display { DISPLAY_DEFAULT, DISPLAY_NONE, DISPLAY_TEXT };
enum boot_from { BOOT_DEFAULT, BOOT_DISK, BOOT_CDROM, BOOT_FLOPPY };

#define OPTIONS_MAX_IDE 4 /* disks and the CD-ROM share four IDE positions */
#define OPTIONS_MAX_FLOPPIES 2
#define OPTIONS_MAX_SERIALS 4
#define OPTIONS_MAX_INITRDS 16
#define OPTIONS_MEMORY_MIN (1ull << 20)
#define OPTIONS_MEMORY_MAX (3072ull << 20) /* RAM ends where the PCI hole begins */

struct options {
    enum command command;
    uint64_t memory_bytes;
    struct cpu_config cpu; /* --cpu; a null model: the default */
    const char *kernel, *append;
    const char *initrds[OPTIONS_MAX_INITRDS]; /* Linux takes one; multiboot takes each as a module */
    unsigned initrd_count;
    const char *disks[OPTIONS_MAX_IDE];
    unsigned disk_count;
    const char *cdrom;
    const char *floppies[OPTIONS_MAX_FLOPPIES];
    unsigned floppy_count;
    enum boot_from boot;
    const char *bios, *vgabios; /* NULL: the distribution's SeaBIOS */
    const char *serials[OPTIONS_MAX_SERIALS]; /* chardev specifications, COM1 first */
    unsigned serial_count;
    enum display display;
    const char *debugcon; /* chardev specification or NULL */
    int exit_port;        /* -1: none */
    uint64_t timeout_ns;  /* 0: none */
    enum engine engine;
    bool is_no_reboot, is_snapshot;
    const char *screenshot;
    bool want_stats;
    bool is_checked; /* check the addresses of translated code */
    bool want_perf_map;
    const char *symbols; /* ELF or System.map, for names in the perf map and the code log; NULL: the kernel's own */
    uint64_t code_cache_bytes; /* 0: default */
    unsigned without;          /* bits 1 << enum bt_technique */
    const char *stats_file; /* JSON goes here; NULL: table on stderr */
    unsigned log_mask;
    const char *control; /* socket path or NULL */
};

/* 0, or EXIT_USAGE after one line on err.  Defaults that depend on the terminal are left open: options_complete(). */
int options_parse(struct options *o, int argc, char **argv, FILE *err);

/* Settle what was not given: the serial port and the display depend on whether there is a terminal. */
void options_complete(struct options *o, bool is_terminal);

/* "64M", "1G", "65536K"; a plain number counts MiB.  False: not a size. */
bool options_parse_size(const char *text, uint64_t *bytes);

void options_print_help(FILE *out);

#endif
