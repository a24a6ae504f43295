/* What the parts of insn_fuzz share: a case (a complete start state of a small machine), the machine, the generator. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include "bt/bt.h"
#include "cpu/cpu.h"
#include "cpu/hostfp.h"

/* The machine's memory, physical.  Linear addresses are the same, but for data pages when paging shuffles them. */
#define RAM_BYTES     0x30000u
#define ROM_GPA       0x30000u /* one read-only page */
#define MEMORY_BYTES  0x31000u
#define MEMORY_PAGES  (MEMORY_BYTES / 0x1000u)
#define REAL_HANDLERS 0x400u /* one HLT for each vector */
#define GDT_GPA       0x1000u
#define LDT_GPA       0x1400u
#define IDT_GPA       0x1800u
#define HANDLERS_GPA  0x2000u /* two HLTs for each vector; then those that gates and tasks lead to */
#define TSS_GPA       0x3000u
#define TSS2_GPA      0x3800u
#define CODE_GPA      0x8000u /* filled with INT3 */
#define CODE_END      0x10000u
#define DATA_GPA      0x10000u
#define DATA_END      0x20000u
#define STACK_GPA     0x20000u
#define STACK_END     0x26000u
#define RING0_STACK   0x28000u /* top */
#define TABLES_GPA    0x28000u /* page tables */

/* Descriptors of the GDT, by index. */
enum {
    D_CODE32 = 1,
    D_DATA32,
    D_UCODE32,
    D_UDATA32,
    D_CODE16,
    D_UCODE16,
    D_DATA16,
    D_STACK16,
    D_USTACK16,
    D_STACK32,
    D_USTACK32,
    D_BIG,
    D_LIMITED,
    D_DOWN,
    D_READONLY,
    D_CONFORMING,
    D_ABSENT,
    D_TSS,
    D_LDT,
    D_CALLGATE,
    D_TSS2,
    D_TASKGATE,
    D_BCODE32,
    D_UBCODE32,
    D_ODD16,
    D_EXECONLY,
    D_CALLGATE16,
    D_BIGDOWN,
    D_COUNT
};

enum fuzz_mode { FUZZ_REAL, FUZZ_PROT16, FUZZ_FLAT, FUZZ_SEGMENTED, FUZZ_V86, FUZZ_MODES };
extern const char *const fuzz_mode_names[FUZZ_MODES];

#define CASE_MAX_INSNS 128
#define CASES_PER_SETTING 16 /* cases in a row have control registers, segments and page tables in common */

struct fuzz_case {
    uint64_t number;
    enum fuzz_mode mode;
    bool has_random_tables; /* random descriptors behind the known ones, random gates, odd limits */
    uint16_t gdt_limit, ldt_limit, idt_limit;
    bool is_skipping; /* faults go on at the next multiple of 32; not natively with a 16-bit stack, where IRET leaves ESP 31:16 */
    bool is_native; /* may run on the host's processor too, see native.h */
    bool is_paged, is_pae, is_user, has_clear_a; /* has_clear_a: A bits start clear and are not compared */
    uint32_t broken_at; /* linear address of the instruction */
    const char *broken; /* invariant of the SDM that did not hold while it was made, or NULL */
    bool is_wild;       /* protected mode may have stale segments: CR0.PE was written, SYSEXIT executed */
    bool reads_code; /* or writes: what it did while code was still being made does not count */
    unsigned code_size;
    uint64_t gpr[8];
    uint32_t rip, eflags;
    uint32_t cr0, cr3, cr4, efer;
    uint64_t pdpte[4];
    struct segment seg[SEG_COUNT];
    uint8_t cpl;
    uint64_t xcr0;
    uint8_t fpu[XSAVE_SIZE];
    unsigned n_insns;
    struct {
        uint32_t gpa;
        uint8_t len;
        bool is_kept; /* changes page tables and flushes: all of it or nothing */
    } insns[CASE_MAX_INSNS];
    uint8_t is_touched[MEMORY_PAGES]; /* pages of image that differ from the seed's base image */
    uint8_t image[MEMORY_BYTES];
};

/* --- random numbers: splitmix64, so that any seed is a good one --- */

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline unsigned rng_below(struct rng *r, unsigned n) { return (unsigned)((rng_next(r) >> 32) * n >> 32); }

static inline bool rng_percent(struct rng *r, unsigned percent) { return rng_below(r, 100) < percent; }

uint32_t rng_interesting(struct rng *r);

/* --- a machine of memory and a CPU, with or without a translator (machine.c) --- */

/* An exception of a native case, with what was interrupted. */
struct fuzz_event {
    uint8_t vector;
    uint32_t eip, error, cr2;
    uint32_t eflags, esp; /* interpreter only */
    bool has_any_order;   /* the host may find another of the memory faults first; interpreter only */
};
#define FUZZ_MAX_EVENTS 64
#define FUZZ_MAX_WRITES 64

struct fuzz_machine {
    struct guestmem *mem;
    struct space *space, *ports;
    struct clock *clock;
    struct cpu *cpu;
    struct bt *bt; /* NULL: interpreted */
    struct fuzz_event events[FUZZ_MAX_EVENTS]; /* of an interpreted native case */
    unsigned n_events;
    uint8_t differs[MEMORY_PAGES]; /* pages that may differ from the base image of the seed in use */
    struct {
        uint32_t gpa, len;
    } writes[FUZZ_MAX_WRITES]; /* of the last step of an interpreted machine, to pages that hold descriptors */
    unsigned n_writes;         /* may be more */
};

/* options: of the translator, NULL: translate everything at once, small cache. */
struct fuzz_machine *machine_create(bool has_bt, const struct bt_options *options);
void machine_destroy(struct fuzz_machine *m);
/* Put the machine into the case's start state; memory that is right already is not touched.  It must have run no case of
 * another seed. */
void machine_load(struct fuzz_machine *m, const struct fuzz_case *c);
/* Bring some bytes of memory up to date while the machine stands still. */
void machine_poke(struct fuzz_machine *m, uint32_t gpa, const void *bytes, unsigned len);
/* Run until the guest halts or shuts down.  False: it did neither within max_insns (interpreter) or before a kick. */
bool machine_run(struct fuzz_machine *m, uint64_t max_insns);
struct insn;
/* Has the host's processor, in user mode, no other idea of the instruction than the virtual one has in ring 3? */
bool case_may_run_natively(const struct fuzz_case *c, const struct cpu *cpu, const struct insn *in);
/* Interpret one instruction of a case; of native cases, note exceptions in m->events and, in c->is_native, whether the host may
 * run it. */
void machine_step(struct fuzz_machine *m, struct fuzz_case *c);
/* First difference of the machines' states in words, or false if there is none.  Of memory, the pages that want's run (or
 * the case) changed are compared; is_all: all pages. */
bool machine_differ(const struct fuzz_machine *want, struct fuzz_machine *got, const struct fuzz_case *c, bool is_all,
                    char *what, unsigned size);
void machine_print(const struct fuzz_machine *m, const char *name);

/* --- start states and code (gen.c) --- */

struct gen;

/* without: names of instructions not to be used, separated by commas, or NULL; outlives gen.  is_privileged: all cases that can
 * have random descriptor tables have them. */
struct gen *gen_create(const struct cpu *features, const char *without, bool is_privileged);
void gen_set_features(struct gen *g, const struct cpu *features); /* another one of the same model */
void gen_destroy(struct gen *g);
/* Make case `number` of `seed`, running it on m (interpreted) while it grows.  mode_filter: a mode, or -1.
 * False: it went nowhere; take the next. */
bool gen_case(struct gen *g, struct fuzz_machine *m, struct fuzz_case *c, uint64_t seed, uint64_t number,
              int mode_filter);

/* Interpret one instruction of a case.  False: processors may do it differently, and the case is no use. */
bool gen_step(struct fuzz_machine *m, struct fuzz_case *c);

#endif
