/* The translating engine: runs a struct cpu's code as host code.
 * Thread: machine thread.  One struct bt per CPU. */
#ifndef BT_BT_H
#define BT_BT_H

#include <stdio.h>
#include "cpu/cpu.h"

struct bt;

/* Techniques that can be left out, so that their worth can be measured: names in bt_technique_names. */
enum bt_technique {
    BT_TIERS,        /* interpret code that runs for the first time */
    BT_FAST,         /* INT, IRET, RDTSC and others without leaving for the dispatcher; BT_SEGMENTS needs it */
    BT_DECAY,        /* translate a call-out site in full again once its accesses are ordinary memory */
    BT_FOLD,         /* runs of pushes and pops change ESP once */
    BT_LINKS,        /* jumps between pages without a guard while all windows agree */
    BT_FAR,          /* far calls, jumps, returns, INT and IRET of real and virtual-8086 mode in place */
    BT_SOFT,         /* look pages up in software at sites whose pages come and go */
    BT_SEGMENTS,     /* segment loads and far transfers of protected mode in place */
    BT_RINGS,        /* SYSENTER and SYSEXIT in place */
    BT_SHARE,        /* one supervisor window for address spaces that are used seldom */
    BT_RELOC,        /* copy the translation of code that lies elsewhere in another address space */
    BT_JOIN,         /* end a block behind a branch where another one begins */
    BT_ENTRIES,      /* entries for indirect jumps only for blocks that they come to */
    BT_UNLOCK,       /* no LOCK for the one processor there is */
    BT_QUIET,        /* page tables that do not change are write-protected, not compared */
    BT_FORWARD,      /* a dead block's entry becomes a jump to its successor */
    BT_PREDICT,      /* indirect jumps through memory go straight to where they went first */
    BT_ASYNC,        /* no polls in loops: a signal interrupts translated code */
    BT_LONG,         /* blocks where time goes do not end where another one begins */
    BT_TECHNIQUES
};
extern const char *const bt_technique_names[BT_TECHNIQUES];

struct bt_options {
    uint64_t cache_bytes; /* of the code cache: host code and the tables of its blocks; 0: default */
    bool is_lockstep;     /* run every block on the interpreter too and compare; mismatch: report, exit status 70 */
    bool want_counts;     /* count instructions in translated code (--stats) */
    bool want_tiers;      /* interpret code that runs for the first time; not in lock-step */
    unsigned without;     /* bits 1 << enum bt_technique: left out */
    bool is_checked;      /* check each access of translated code to guest memory (bt/check.h); slow */
    bool want_perf_map;   /* write /tmp/perf-<pid>.map for Linux perf */
    /* The symbol a linear address belongs to and the offset from its start, or NULL; may be NULL itself. */
    const char *(*symbol)(const void *opaque, uint32_t linear, uint32_t *offset);
    const void *symbol_opaque;
};

/* Installs cpu->mmu_hooks and a guestmem watch.  NULL with *why if the host cannot do it (no memory, no BMI…). */
struct bt *bt_create(struct cpu *cpu, const struct bt_options *opt, const char **why);
void bt_destroy(struct bt *bt);
/* Run until cpu->exit_request, halt or shutdown; takes interrupts. */
void bt_run(struct bt *bt);

struct bt_counter {
    const char *name; /* "blocks", "chains", "signals", … */
    uint64_t value;
};
/* Snapshot of all counters; returns how many, fills up to max. */
unsigned bt_counters(const struct bt *bt, struct bt_counter *out, unsigned max);

/* Instructions left to the interpreter in the middle of translated code, by opcode-table row, most frequent first. */
struct bt_callout {
    const char *name; /* SDM mnemonic; several rows may share one */
    bool is_site;     /* an access that faulted before (device, page with code), not an instruction that is never translated */
    uint64_t count;
};
unsigned bt_callouts(const struct bt *bt, struct bt_callout *out, unsigned max);

#endif
