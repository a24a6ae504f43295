/* What the files of the generator share: forms of instructions, the base memory, start states, addresses, units of code. */
#ifndef FUZZ_GEN_H
#define FUZZ_GEN_H

#include "tests/fuzz/fuzz.h"

#include "cpu/cpuid.h"
#include "cpu/hostfp.h"
#include "cpu/insn.h"
#include "cpu/ops.h"

#define MAX_FORMS  4096
#define FREE_BYTES 24      /* of untouched code memory that a new unit wants */
#define MAX_COUNT  0x20000 /* of a REP */
#define UNIT_BYTES 64
#define HLT        0xf4
#define FILLING    0xcc /* of code memory: INT3, which ends a case by its handler */

enum category { CAT_ALU, CAT_BRANCH, CAT_STRING, CAT_STACK, CAT_X87, CAT_MMX, CAT_SSE, CAT_AVX, CAT_SYSTEM, CAT_COUNT };

/* A row of the opcode table and the ModRM bytes that lead to it. */
struct form {
    const struct insn_desc *desc;
    uint8_t prefix, map, opcode; /* prefix: mandatory one or 0; VEX: W, L and pp in their places */
    bool has_modrm, is_vex, has_vvvv;
    uint8_t n_modrm, modrm[255]; /* those that select the row */
};

struct gen {
    const struct cpu *features;
    const char *without;
    bool is_privileged;
    struct form *forms;
    unsigned n_forms;
    uint16_t by_cat[CAT_COUNT][MAX_FORMS];
    unsigned n_cat[CAT_COUNT];
    uint8_t base_image[MEMORY_BYTES];
    uint64_t base_seed;
    const struct fuzz_case *image_owner; /* its image is the base image but for pages touched */
    struct rng rng;
    uint32_t alias_delta; /* linear distance from the code's page to another mapping of it, or 0 */

    /* the unit being made: some instructions that go to memory together */
    uint8_t unit[UNIT_BYTES];
    uint8_t lens[16];
    unsigned n_unit, unit_len;
    bool is_unit_kept;
};

/* The place a unit is made for. */
struct place {
    const struct fuzz_case *c;
    const struct cpu *cpu;
    uint32_t linear; /* of the instruction being made */
    unsigned code_size;
};

/* forms.c */
void find_forms(struct gen *g);
unsigned put_opcode(uint8_t *p, uint8_t prefix, unsigned map, unsigned opcode);
/* VEX prefix and opcode, the short prefix if wanted and possible. */
unsigned put_vex(uint8_t *p, uint8_t fields, unsigned map, unsigned opcode, unsigned vvvv, bool is_short);

/* image.c: memory that does not depend on the case, and handlers that return */
void put_gate(uint8_t *image, uint32_t table, unsigned index, unsigned sel, uint32_t off, unsigned attr);
void put_skipping_handlers(struct fuzz_case *c);
void put_returning_handlers(struct fuzz_case *c);
void make_base_image(struct gen *g, uint64_t seed);

/* tables.c */
void put_random_tables(struct gen *g, struct fuzz_case *c, uint32_t page);
unsigned any_selector(struct gen *g, const struct fuzz_case *c, unsigned cpl);

/* start.c: returns the linear address where code starts */
uint32_t make_start_state(struct gen *g, struct fuzz_case *c, uint64_t seed, int mode_filter);

/* aim.c */
/* An offset in a segment that most often may be accessed.  end: where code grows. */
uint32_t pick_offset(struct gen *g, const struct fuzz_case *c, const struct segment *s, uint32_t end, unsigned size);
bool is_good_offset(const struct segment *s, uint32_t off);
uint32_t effective(const struct cpu *cpu, const struct insn *in);
bool has_moffs(const struct insn *in);
/* Make the memory operand, the branch, the immediate of in (encoded in b) one that hits something. */
void aim(struct gen *g, const struct place *p, struct insn *in, uint8_t *b);
void aim_branch(struct gen *g, const struct place *p, const struct insn *in, uint8_t *b);
void aim_immediate(struct gen *g, const struct fuzz_case *c, const struct insn *in, uint8_t *b);
/* Put what must be in registers before: counts, string pointers, jump targets, selectors. */
void prepare(struct gen *g, struct place *p, const struct form *f, const uint8_t *b, const struct insn *in);

/* units.c */
void add_insn(struct gen *g, struct place *p, const uint8_t *bytes, unsigned len);
void add_mov(struct gen *g, struct place *p, unsigned reg, uint32_t value);
void make_unit(struct gen *g, struct place *p);

#endif
