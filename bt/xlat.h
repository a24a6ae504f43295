/* State of one block's translation, shared by translate.c and the xlat_*.c files.  See docs/translator.md. */
#ifndef BT_XLAT_H
#define BT_XLAT_H

#include "bt/priv.h"

#define XLAT_MAX_EXITS (2 * BLOCK_MAX_INSNS + 4)

/* A jump to another block, to be completed by a chain stub after the block's code. */
struct xlat_exit {
    uint8_t *place; /* end of the jump's or call's rel32 */
    uint32_t target;
    uint8_t gated;  /* enum gate passed before the jump */
    bool is_predict; /* no jump to there: the comparison of the one before it */
};
_Static_assert(XLAT_MAX_EXITS * CHAIN_EXIT_BYTES <= COLD_ROOM, "exits of a block");

struct xlat {
    struct bt *bt;
    struct emit *e;
    struct block *b;
    uint32_t mode, cs_base, cs_limit;
    const uint8_t *page;  /* guest bytes of the page the block starts in */
    struct insn *insns;
    uint32_t *rips;
    unsigned n, i;        /* instructions, and the one being translated */
    unsigned max;         /* instructions at most */
    unsigned shadowed;    /* the instruction before which no interrupt is taken, since STI or a load of SS is before it; 0: none */
    bool joins;           /* the block ends where another one goes on */
    /* A segment is a run of instructions executed all or none but for faults: it is counted at its start. */
    uint8_t *segment_count;         /* place of the count to patch; NULL: not counting */
    unsigned icount;                /* translated (not called-out) instructions of the segment so far */
    uint32_t segment_recover;       /* first recover entry of the segment */
    /* Flat stacks: guest ESP is R13 + sp_delta.  Pushes and pops in a row change R13 once. */
    int sp_delta;
    bool is_in_place;     /* the instruction is counted as the block's */
    bool is_folding;      /* the instruction leaves its change of ESP pending */
    uint32_t soft;        /* the instruction is this site and looks its pages up in software; SITE_NONE: it uses the window */
    bool writes;          /* so does the access that is translated */
    uint8_t gated;        /* enum gate passed since the block's start or the last call-out or call */
    const uint8_t *return_miss; /* host address of a jump to stub_return_miss; NULL: none yet */
    struct xlat_exit exits[XLAT_MAX_EXITS];
    unsigned n_exits;
};

static inline int host_reg(int guest)
{
    return guest == REG_SP ? R_SP : guest;
}
static inline unsigned seg_class_of(const struct xlat *x, unsigned seg)
{
    return x->mode >> (MODE_SEG_SHIFT + 2 * seg) & 3;
}
/* A limited segment of exactly 64 KiB, as all are in real and virtual-8086 mode. */
static inline bool is_64k(const struct xlat *x, unsigned seg)
{
    return x->mode >> (MODE_64K_SHIFT + seg) & 1;
}
/* EIP after in, the instruction being translated: IP wraps in 16-bit code. */
static inline uint32_t xlat_next_rip(const struct xlat *x, const struct insn *in)
{
    uint32_t next = x->rips[x->i] + in->len;

    return x->mode & MODE_CS32 ? next : next & 0xffff;
}
static inline bool is_stack_flat(const struct xlat *x)
{
    return (x->mode & MODE_SS32) && seg_class_of(x, SEG_SS) == SEGC_FLAT;
}

/* All xlat_ functions emit code for x->insns[x->i]; false: not translatable here, make it a call-out. */

/* xlat_mem.c */
/* The instruction's memory operand as a host operand; may use R8 R9 R10 (flag-neutral).  False: segment class says no. */
bool xlat_mem(struct xlat *x, const struct insn *in, unsigned size, struct hmem *m);
/* A far pointer's offset and selector, which are two operands: a 16-bit address wraps between them. */
bool xlat_far_pointer(struct xlat *x, const struct insn *in, struct hmem *off, struct hmem *sel);
/* Same for the effective address ea in seg; one of 16 bits is a constant, or complete and zero-extended in R8.  Uses R8 R9 R10; an
 * address that was in R8 stays there. */
bool xlat_seg_access(struct xlat *x, unsigned seg, struct hmem ea, unsigned addrsize, unsigned size, struct hmem *m);
/* R11 = the word that MOV Sreg loads. */
bool xlat_load_selector(struct xlat *x, const struct insn *in);
bool xlat_copy(struct xlat *x, const struct insn *in);
bool xlat_names_sp(const struct insn *in); /* ESP as a register operand, not in an address */
bool xlat_xchg(struct xlat *x, const struct insn *in);
bool xlat_lea(struct xlat *x, const struct insn *in);
bool xlat_bit_string(struct xlat *x, const struct insn *in);
bool xlat_moffs(struct xlat *x, const struct insn *in);
bool xlat_xlat(struct xlat *x, const struct insn *in);
/* dst = 0, or what makes an address non-canonical, if size bytes at reg are not inside 64 KiB.  BMI2. */
void xlat_check_64k(struct xlat *x, int dst, int reg, unsigned size);
/* R9 = base of a limited segment, or what makes the address of reg + R9 non-canonical, if size bytes at reg are not inside. */
void xlat_check_limit(struct xlat *x, unsigned seg, int reg, unsigned size);

/* xlat_soft.c: the access at ea (32 bits, linear) by software lookup, as a host operand.  Uses R8 R9 R10. */
bool xlat_soft(struct xlat *x, struct hmem ea, unsigned size, bool is_write, struct hmem *m);

/* xlat_string.c */
bool xlat_string(struct xlat *x, const struct insn *in);

/* xlat_stack.c */
bool xlat_push(struct xlat *x, const struct insn *in);
bool xlat_pop(struct xlat *x, const struct insn *in);
bool xlat_leave(struct xlat *x, const struct insn *in);
/* Can the instruction be translated while ESP is R13 + sp_delta, and may it leave it so? */
bool xlat_stack_folds(const struct xlat *x, const struct insn *in);
void xlat_stack_sync(struct xlat *x); /* R13 = ESP; flag-neutral */
/* Host operand of the stack slot at SP + disp, size bytes (disp < 0: a push). */
bool xlat_stack_slot(struct xlat *x, int disp, unsigned size, struct hmem *m);
void xlat_stack_move(struct xlat *x, int delta); /* SP += delta, flag-neutral, R8 may change */
void xlat_stack_pushed(struct xlat *x, unsigned size); /* SP -= size, with R8 as xlat_stack_slot(-size) left it */

/* xlat_flow.c */
bool xlat_flow(struct xlat *x, const struct insn *in); /* any BRANCH row */
/* Does the block go on after this branch: where a Jcc falls through, where a call returns? */
bool xlat_flow_continues(const struct insn *in);
void xlat_exit_direct(struct xlat *x, uint32_t target);
void xlat_finish_exits(struct xlat *x);
/* If R8 is not expected, to `otherwise`, with RCX in R9; who comes here has left it there.  Flag-neutral, since flags may be live at
 * whatever place is wanted instead.  jump: host address of a jump to there, used if it is near, or NULL; returns the one used. */
const uint8_t *xlat_expect_r8(struct emit *e, uint32_t expected, const uint8_t *otherwise, const uint8_t *jump);

/* xlat_system.c: SENSITIVE and PRIVILEGED rows that need not leave */
bool xlat_system(struct xlat *x, const struct insn *in);
void xlat_and_neutral(struct emit *e, int dst, uint32_t imm); /* dst &= imm; R10 is used.  BMI2. */
void xlat_count(struct emit *e, size_t counter); /* ++ a 64-bit counter at this offset in struct cpu; R9 is used */
/* These change flags. */
enum { ALU_OR = 1, ALU_AND = 4, ALU_TEST = 8 };
void xlat_alu_ri32(struct emit *e, unsigned op, int r, uint32_t imm);
void xlat_alu_rr32(struct emit *e, uint8_t opcode, int dst, int src);
void xlat_cmp_zero(struct emit *e, size_t field); /* a byte at this offset in struct cpu */
void xlat_take_if(struct emit *e); /* IF of R8 = IF of R11; R9 is used */

/* xlat_real.c: SENSITIVE rows that are simple in real and virtual-8086 mode */
bool xlat_real(struct xlat *x, const struct insn *in);
void xlat_set_real_segment(struct emit *e, unsigned seg); /* segment register = R11, a zero-extended selector; R9 is used */

/* xlat_rings.c: SYSENTER and SYSEXIT, their call-outs included */
bool xlat_rings(struct xlat *x, const struct insn *in);

/* xlat_segment.c: segment loads of protected mode, their call-outs included */
bool xlat_segment(struct xlat *x, const struct insn *in);
bool xlat_sees_tables(const struct xlat *x); /* are descriptors read in place? */
/* R11 = selector: R10 = the entry it leads to in this array of struct segments; RCX waits in hot.scratch from here on, R8 and R9 are used.
 * Returns a near jump: the selector is not known. */
uint8_t *xlat_segment_entry(struct xlat *x, size_t array);
/* Read the descriptor.  Returns a near jump: it is not the entry's.  RCX, R8 and R9 are used. */
uint8_t *xlat_segment_verify(struct xlat *x);
/* The segment register = that of the entry R10, and on to EIP = R8 in the context R11, which is one with this segment. */
void xlat_segment_change(struct xlat *x, unsigned seg);

/* xlat_io.c: emits what a call-out of fast_io.c must know.  False: it has no fast form here. */
bool xlat_io_operands(struct xlat *x, const struct insn *in, const struct callout_site *site);

/* xlat_far.c: true also for its own call-outs */
bool xlat_far(struct xlat *x, const struct insn *in);

/* translate.c */
void xlat_callout(struct xlat *x, const struct insn *in, bool may_resume);
/* Call segments_resolve_.., which has the instruction begin again, or leave it to the interpreter. */
void xlat_resolve(struct xlat *x, const struct insn *in, unsigned kind, unsigned arg);
void xlat_callout_string(struct xlat *x, const struct insn *in, unsigned soft); /* SOFT_.. of priv.h */
void xlat_recover(struct xlat *x, unsigned fix); /* from here on, a fault is at the current instruction */
void xlat_segment_begin(struct xlat *x);
void xlat_segment_end(struct xlat *x);

#endif
