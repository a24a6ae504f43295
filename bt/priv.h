/* What the files of bt/ share: blocks, contexts, the fields generated code uses, and the calls between them.
 *
 * Register convention of translated code (32-bit guests): EAX ECX EDX EBX EBP ESI EDI in their own host registers, guest ESP in
 * R13, all with zero upper halves; R15 = struct cpu + 128, R14 = window base + 16, R12 = the jump table, or the instruction counter where
 * instructions are counted, R8-R11 scratch; GS base
 * = window base; RSP = the return stack, a host stack of its own on which translated calls and returns pair; the
 * guest's status flags and DF in EFLAGS. */
#ifndef BT_PRIV_H
#define BT_PRIV_H

#include "bt/bt.h"
#include "bt/emit.h"
#include "bt/grow.h"
#include "bt/window.h"
#include "cpu/insn.h"
#include "host/codemem.h"
#include "host/fault.h"

#define R_CPU H_R15
#define R_WINDOW_16 H_R14 /* window base + 16: its low bits are a shift count, see xlat_mem.c */
#define WINDOW_BIAS 16
#define R_TABLE H_R12
#define R_COUNT H_R12 /* with bt->is_counting */
#define R_SP H_R13 /* as a base it needs no SIB byte, as R12 would */

#define JUMP_TABLE_ENTRIES 65536u /* at most: indexed by the low 16 bits of EIP or fewer */
#define JUMP_TABLE_PIECE 64 /* entries cleared together */
#define RETURN_STACK_BYTES (64 * 1024)
#define RETURN_STACK_GUARD 4096 /* below it; no access */
#define BLOCK_MAX_INSNS 32
#define LONG_CODE_BITS 16384u
#define CACHE_PER_HASH 128 /* bytes of the code cache for each slot of the hash table, at least */
#define BY_HOST_STEP 512u
#define TEMPLATE_BITS 17
#define RELOCS_MAX 1024 /* places of one block that depend on where it lies */
#define BLOCK_ROOM 32768 /* host bytes one block may take at most */
#define COLD_CHUNK 16384u
#define COLD_ROOM 1024   /* of them, the exits of one block at most */

/* Why translated code returned to the dispatcher. */
enum exit_reason {
    EXIT_LOOKUP,  /* cpu->rip is a block not found by the jump table */
    EXIT_CHAIN,   /* hot.resume -> struct chain_site: look the target up and patch the jump */
    EXIT_CALLOUT, /* hot.resume -> struct callout_site: interpret one instruction */
    EXIT_GATE,    /* an FP instruction that CR0 or CR4 forbid: hot.resume is in its code */
    EXIT_FAULT,   /* signal: state saved by the handler; interpret the instruction at cpu->rip */
    EXIT_SITE,    /* the instruction at cpu->rip, of fault_block, must be translated in another way */
    EXIT_POLL,    /* something waits for us */
    EXIT_DONE,    /* an instruction was executed that leads elsewhere: see where */
    EXIT_REASONS
};

/* The part of struct cpu reserved for generated code (cpu->bt_words). */
struct bt_hot {
    /* These are within 8-bit displacements. */
    uint64_t jump_table;
    uint64_t code_map;    /* &window->map */
    uint64_t fp_gate, sse_gate, avx_gate; /* called before the first FP instruction of a block */
    uint64_t scratch, flags_before;       /* of one instruction */
    uint64_t system_base;           /* of the window that shows what the processor reads by itself; no canonical address: there is none now */
    uint64_t fast_value;
    uint64_t soft_key;              /* of linear page 0 in the window: soft.h */
    uint64_t soft_rcx, soft_gla;    /* of one instruction */

    uint64_t host_rsp, ret_rsp, ret_top;
    uint64_t fast_operand;
    struct bt *bt;
    uint64_t window_base;
    uint64_t icount;
    uint64_t resume;
    uint64_t fp_gate_loaded, sse_gate_loaded, avx_gate_loaded; /* what the gates become once the FP state is in the host's registers */
    uint64_t fp_loaded;                   /* 0, 1: x87 and XMM, 2: the upper halves of YMM too */
    uint64_t soft_fp;                     /* fp_loaded while soft_miss() runs */
    uint64_t mxcsr_default;
    uint64_t check_r8, check_rax, check_flags; /* saved by the stub of bt/check.c */
    uint64_t ctx;                   /* struct ctx; translated code changes it with CS, see xlat_far.c */
    uint64_t far_ip, far_sel, far_to, far_entry; /* of one instruction */
    uint64_t segments;              /* struct segments */
    uint64_t gs_base;               /* value in the GS base register */
    uint64_t minus_epoch;           /* -synced_epoch of windows that are up to date */
};
_Static_assert(sizeof(struct bt_hot) <= sizeof(((struct cpu *)0)->bt_words), "bt_words too small");
/* R15 = struct cpu + CPU_BIAS: its first 256 bytes are within 8-bit displacements. */
#define CPU_BIAS 128
#define CPU_AT(off) HMEM(R_CPU, (intptr_t)(off) - CPU_BIAS)
#define HOT(field) CPU_AT(offsetof(struct cpu, bt_words) + offsetof(struct bt_hot, field))
#define CPU_FIELD(field) CPU_AT(offsetof(struct cpu, field))
#define CPU_GPR(n) CPU_AT(offsetof(struct cpu, gpr) + (n) * 8)
#define CPU_SEG(n, field) CPU_AT(offsetof(struct cpu, seg) + (n) * sizeof(struct segment) + offsetof(struct segment, field))

#define CPU_SEG_CHECK(n, field) \
    CPU_AT(offsetof(struct cpu, seg_check) + (n) * sizeof(struct seg_check) + offsetof(struct seg_check, field))

static inline struct bt_hot *hot_of(struct cpu *cpu)
{
    return (struct bt_hot *)cpu->bt_words;
}

/* Data after "call stub_chain". */
struct chain_site {
    uint32_t target_rip;
    uint32_t jump_end; /* cache offset just after the rel32 to patch, and the bits below */
} __attribute__((packed));
#define CHAIN_CALL_BYTES 5 /* of the call in front of it */
#define CHAIN_EXIT_BYTES (CHAIN_CALL_BYTES + sizeof(struct chain_site))
#define CHAIN_CROSSES_PAGE 0x80000000u /* the target is in another page */
#define CHAIN_GATED_SHIFT 29           /* 2 bits: enum gate passed on the way, the FP state is still in the host's registers */
#define CHAIN_OFFSET 0x1fffffffu
/* An indirect jump that is predicted (xlat_flow.c) has two exits, one behind the other: of the direct jump to where it is predicted to go,
 * and of the comparison with that.  The second one calls stub_predict and stays as it is; its target_rip is the EIP behind the
 * instruction, and the first one's too until it is known. */
#define PREDICT_LEA 7 /* bytes: lea ecx, [r8 - predicted] */
#define PREDICT_JUMP 5 /* its first ones, until that is known: a jump to the exit */
#define PREDICT_MISS (PREDICT_LEA + 2) /* a JRCXZ later: the way through the jump table */
#define CODE_BYTES_MAX ((size_t)CHAIN_OFFSET + 1)

/* Data after "call stub_callout". */
struct callout_site {
    uint32_t guest_rip;
    uint8_t insn_len;
    uint8_t may_resume;
    uint16_t cause; /* of bt->causes */
    uint32_t site;  /* of bt->sites, or SITE_NONE */
    uint8_t fast, arg; /* enum fast_kind, and what it needs to know; without one, of a string instruction with software lookup: SOFT_.. */
    uint8_t arg2;
    uint8_t is_counted; /* among the block's instructions: it may be done in place too */
} __attribute__((packed));

/* Data after "call stub_soft". */
struct soft_site {
    uint32_t index; /* of bt->sites */
    uint8_t is_write, size;
    uint8_t is_plain; /* nothing but #PF can come of the instruction at this point */
} __attribute__((packed));

/* Bits of arg, then site is that of the software lookup: which addresses are used. */
enum { SOFT_STRING = 1, SOFT_SI = 2, SOFT_DI = 4, SOFT_WRITES = 8 };

/* Call-outs counted by instruction; is_site: one that faulted and was translated anew, else one that is never translated. */
#define MAX_CAUSES 512
struct callout_cause {
    const struct insn_desc *desc;
    bool is_site;
    uint64_t count;
};

/* Host PC -> guest state. */
enum fix {
    FIX_NONE,
    FIX_RDI_R11 = 1, /* guest EDI is in R11 */
    FIX_RSI_R10 = 2,
    FIX_REP16 = 4,   /* a REP with 16-bit addresses: ECX is in R8, and all three count in their low halves */
    FIX_FLAGS = 8,   /* flags of before are in hot.flags_before */
    FIX_SEG_SHIFT = 4, /* segment of RSI */
    FIX_SHADOW = 0x80 /* nothing: no interrupt may be taken before this instruction */
};
struct recover {
    uint16_t host_off; /* of the first host instruction of the guest instruction, from the block's first */
    uint16_t rip_off;  /* of the guest instruction, from the block's EIP */
    uint16_t rest; /* translated instructions counted already, but not executed when this one does not complete */
    uint8_t fix;
    int8_t sp_words; /* guest ESP is R13 + 4 * this: pushes and pops that R13 does not show yet */
};

enum gate { GATE_NONE, GATE_X87, GATE_SSE, GATE_AVX }; /* each includes those before it */

/* What the translations of a kind of code have in common besides their bytes. */
struct kind {
    uint32_t mode, cs_base, cs_limit;
};

/* One line of the cache. */
struct block {
    /* key */
    uint64_t code; /* frame << 12 | offset */
    uint32_t guest_rip;
    uint32_t kind;           /* index of bt->kinds */
    uint32_t direct;         /* cache offset of the entry that all direct jumps come to; what follows is counted from there */
    uint16_t host_len;
    uint16_t gated;          /* entry behind the FP gate; 0: it has none */
    uint16_t resumed;        /* entry that does not poll before the first instruction, or NO_RESUMED: that instruction might see RF */
    uint8_t before;          /* host bytes from the indirect entry to the direct one; 0: it has none */
    uint8_t n_insns : 6;
    uint8_t is_joined : 1;   /* it ends because another block begins there */
    uint16_t guest_len;
    uint8_t n_exits;         /* CHAIN_EXIT_BYTES each */
    uint8_t gate : 2;        /* enum gate needed */
    uint8_t is_dead : 1;
    uint8_t is_relocatable : 1; /* may be copied to another EIP */
    uint8_t is_second : 1;   /* no block: it stands in the list of the second frame for the block before it */
    uint8_t generation : 3;  /* so many dead ones lead here, one by the other */
    uint32_t exits;          /* cache offset of the first exit, in the cold area */
    uint32_t recover_first;  /* of bt->recover; the same ones for all copies of a block */
    uint32_t reloc_first;    /* of bt->relocs, too */
    uint16_t n_recover, n_relocs;
    uint32_t second_frame;   /* + 1, of a block made of one instruction that crosses a page; 0: none */
    uint32_t in_frame_next, in_frame_prev; /* index + 1; doubly linked: libraries that are elsewhere in each process make long lists */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct block) == 64, "a block is a line of the cache");
#define NO_RESUMED UINT16_MAX
#define MAX_GENERATION 7

/* The context that code of another one goes to by loading CS; of the same window.  In real and virtual-8086 mode by selector, and mode and
 * limit are the same; in protected mode by the serial number of an entry of segments.h. */
struct far_entry {
    int64_t minus_key; /* 1: none */
    struct ctx *to;
};
#define FAR_ENTRIES 256u
#define FAR_INDEX(sel) ((((sel) >> 8) + (sel)) & (FAR_ENTRIES - 1))

/* Execution context: all that decides which translation of an address runs, besides its bytes. */
struct ctx {
    struct ctx *hash_next, *next_of_window;
    struct window *w;
    uint32_t mode, cs_base, cs_limit;
    uint32_t kind; /* the same, as blocks say it */
    uint64_t filled[JUMP_TABLE_ENTRIES / 64 / JUMP_TABLE_PIECE]; /* a bit for each piece of jump_table that may hold something */
    uint32_t *jump_table; /* host addresses, every entry initially the miss stub; in front of it stands jump_mask, for translated code */
    uint32_t jump_mask;   /* of EIP: the index */
    uint32_t conflicts;   /* entries that took another one's place since it has this size */
    bool far_is_shared;          /* far is an empty one that all have: until there is an entry, in protected mode */
    struct far_entry *far;      /* [FAR_ENTRIES] */
    struct ctx *ring[2]; /* where SYSENTER and SYSEXIT led last, of another window; NULL: nowhere */
    struct ctx *next[SEG_COUNT][8]; /* protected mode: where loads of data segment registers lead, by segment_kind() */
};

static inline void ctx_set_jump(struct ctx *c, uint32_t guest_rip, const uint8_t *to, const uint8_t *miss)
{
    uint32_t i = guest_rip & c->jump_mask;

    c->conflicts += c->jump_table[i] != (uint32_t)(uintptr_t)miss;
    c->jump_table[i] = (uint32_t)(uintptr_t)to;
    c->filled[i / JUMP_TABLE_PIECE / 64] |= 1ull << (i / JUMP_TABLE_PIECE % 64);
}
static inline const uint8_t *ctx_jump(const struct ctx *c, uint32_t guest_rip)
{
    return (const uint8_t *)(uintptr_t)c->jump_table[guest_rip & c->jump_mask];
}
/* Time to grow? */
static inline bool ctx_is_crowded(const struct ctx *c)
{
    return c->conflicts > c->jump_mask / 4 && c->jump_mask != JUMP_TABLE_ENTRIES - 1;
}

/* R8 = what window_code() says of a linear page in the window that code runs in. */
static inline void emit_load_code(struct emit *e, uint32_t page)
{
    emit_load(e, H_R8, HOT(code_map), 8);
    emit_load(e, H_R8, HMEM(H_R8, offsetof(struct pagemap, part) + page / PAGEMAP_PART * 8), 8);
    emit_load(e, H_R8, HMEM(H_R8, offsetof(struct page_part, chunk) + page % PAGEMAP_PART / PAGEMAP_CHUNK * 8), 8);
    emit_load(e, H_R8, HMEM(H_R8, offsetof(struct page_chunk, code) + page % PAGEMAP_CHUNK * 4), 4);
}

struct bt_stats {
    uint64_t blocks, guest_bytes, host_bytes, translate_ns, chains, lookups, lookup_misses, callouts, callouts_ended, polls, gates, interrupted, steps, lengthened;
    uint64_t sig_fill, sig_guest_fault, sig_device, sig_code_write, sig_poll, sig_fpe, sig_stack, sig_other;
    uint64_t dead_blocks, cache_flushes, retranslated_sites, frames_given_up, ctxs, interp_shadow, enters, two_page;
    uint64_t lockstep_blocks, lockstep_insns;
    uint64_t cold_runs, cold_insns, sites_released, fast, fast_lookups, predicted, guards, links, links_cut;
    uint64_t soft_misses, soft_sites, soft_released, relocated, resolved, huge_pages;
};

#define SITE_HASH_BITS 16
struct site { /* an instruction that faulted for a reason a call-out would avoid */
    uint64_t code;
    uint16_t count;
    uint16_t ordinary;  /* executions as a call-out since the last that needed it */
    uint8_t patience;   /* such executions until it is translated in full again, as a shift: grows each time */
    bool is_callout;
    bool is_soft;
    uint32_t soft_since; /* blocks there were then: an older one may hold it still as it was */
    uint16_t fills;     /* faults that filled the window or were the guest's, since it was translated for the window */
    uint8_t soft_patience; /* as patience: so many more must come next time */
};
#define SITE_NONE 0xffffffffu

struct bt {
    struct cpu *cpu;
    struct windows *windows;
    struct soft *soft; /* NULL: technique off, or no room for it */
    struct segments *segments; /* NULL: technique off, or no BMI2 */
    struct codemem codemem;
    size_t populated;    /* bytes of it, from its start, that have memory */
    uint8_t polls_in[CODE_BYTES_MAX / CODEMEM_HUGE]; /* taken in each large page of it: which code is hot */
    uint32_t polled_at;  /* cache offset of the last one */
    struct sample { /* of joined blocks that polls were taken in, by their numbers */
        uint32_t block, count;
    } samples[256];
    uint64_t long_code[LONG_CODE_BITS / 64]; /* hashed: blocks that begin there do not join others */
    struct emit e;    /* positioned at the end of the used cache, and before what is taken for ... */
    struct emit cold; /* ... the part of the cold area that is being filled; from the top of the cache down, COLD_CHUNK each */
    uint32_t code_start; /* offset of the first block, after the stubs */
    struct bt_options opt;
    struct bt_stats stats;
    struct callout_cause causes[MAX_CAUSES]; /* the last one is for all that found no room */
    unsigned n_causes;

    /* stubs, executable addresses */
    int (*enter)(struct cpu *cpu, const void *host_pc);
    const uint8_t *stub_exit, *stub_signal, *stub_miss, *stub_lookup, *stub_chain, *stub_predict, *stub_callout, *stub_fast, *stub_soft, *stub_io,
        *stub_indirect, *stub_indirect_end, *stub_return_miss, *stub_underflow, *gate_ok, *gate_load, *gate_load_avx, *gate_load_upper,
        *gate_block;
    const uint8_t *stub_change[SEG_COUNT]; /* xlat_segment.c */
    const uint8_t *check_failure; /* where the stub of bt/check.c traps; NULL: not checking */

    const uint8_t *stepped_at; /* interrupt.c: where the last step ended; NULL: there was none */
    const uint8_t *resumed_at; /* the last entry taken with RF */
    uint8_t *return_stack;
    int table_fd; /* memfd template of large jump tables */

    /* Host code and the tables of its blocks (blocks, recover, relocs) fill so many bytes together; then the cache is full.  Each of
     * the tables has room for that much, and memory for what is used. */
    uint64_t cache_bytes;
    uint32_t *hash;         /* of blocks: tcache.c */
    uint32_t hash_mask;
    struct block *blocks;   /* in the order of host offsets */
    uint32_t n_blocks;
    uint32_t first_number;  /* block_number() of the first one */
    uint32_t *by_host; /* index of the block at each BY_HOST_STEP bytes of the cache, or of the next one */
    uint32_t n_by_host;
    struct recover *recover;
    uint32_t n_recover;
    uint16_t *relocs;       /* see reloc.c */
    uint32_t n_relocs;
    uint16_t new_relocs[RELOCS_MAX]; /* of the block that is being translated */
    uint32_t *templates;    /* 1 + index of a block, by code and mode; 0: none */
    uint32_t site_changed[1 << SITE_HASH_BITS]; /* blocks there were when a site changed last, by a hash of its 64 bytes of memory */
    struct kind *kinds;
    uint32_t n_kinds, cap_kinds;
    uint32_t *frame_blocks;      /* per frame: index of a block + 1 */
    uint8_t *frame_kills;        /* per frame: how often its code was given up lately because it was written to */
    uint64_t kills_since_ns;
    uint64_t n_frames;

    struct links *links;

    struct ctx *ctx_hash[256];
    struct ctx **window_ctxs; /* by the index of a window: all of it */
    uint32_t n_window_ctxs, cap_window_ctxs;
    unsigned n_ctx;
    struct ctx *ctx;        /* current, or NULL when stale */
    bool has_fsgsbase, has_bmi2, has_sahf, has_avx;
    bool is_counting;       /* instructions, in R_COUNT */

    struct site sites[1 << SITE_HASH_BITS];
    uint64_t *frame_sites;       /* per frame: a bit for each 64 bytes of it that may have one */
    uint64_t *seen;              /* bits: places where control has been lately, by their hash */
    struct block *stale;    /* to be killed when translated code has stopped */
    uint64_t dead_at_exit;  /* blocks, and flushes, when it stopped last */
    const struct block *fault_block; /* of the last EXIT_FAULT, and its instruction */
    uint64_t fault_code, fault_frame;
    enum window_fault fault_kind;
    bool is_fp_fault; /* the last exit was by SIGFPE */
    bool wants_far;         /* the current context needs room for far entries; segments_resolve_far() may not allocate it */
    uint32_t missing;       /* linear address that fast_callout() did not find mapped ... */
    struct window *missing_in; /* ... in this window; NULL: none */
    bool is_running;        /* translated code is on the CPU: faults are the guest's */
    struct fault_client fault_client;
    struct lockstep *lockstep;
    FILE *perf_map; /* NULL: none wanted */
#ifdef RINGER_INSTRUMENTED
    uint8_t fast_fp[832] __attribute__((aligned(64))); /* XSAVE area: the guest's FP state during a fast call */
#endif
};

/* Blocks were translated before this one, since the translator was made. */
static inline uint32_t block_number(const struct bt *bt, const struct block *b)
{
    return bt->first_number + (uint32_t)(b - bt->blocks);
}
static inline const struct kind *block_kind(const struct bt *bt, const struct block *b)
{
    return &bt->kinds[b->kind];
}
static inline uint32_t block_linear(const struct bt *bt, const struct block *b)
{
    return block_kind(bt, b)->cs_base + b->guest_rip;
}
/* Cache offsets. */
static inline uint32_t block_end(const struct block *b)
{
    return b->direct + b->host_len;
}
static inline uint32_t block_start(const struct block *b)
{
    return b->direct - b->before;
}

/* Cache offset of exit i, a call of stub_chain or stub_predict. */
static inline uint32_t block_exit(const struct block *b, unsigned i)
{
    return b->exits + i * CHAIN_EXIT_BYTES;
}
/* What follows the call. */
static inline struct chain_site *exit_site(const struct bt *bt, uint32_t exit)
{
    return (struct chain_site *)(bt->codemem.write + exit + CHAIN_CALL_BYTES);
}
/* Is exit i the comparison of a predicted jump, whose own exit is the one before it? */
static inline bool block_predicts(const struct bt *bt, const struct block *b, unsigned i)
{
    const uint8_t *call = bt->codemem.exec + block_exit(b, i);

    return i < b->n_exits && call + CHAIN_CALL_BYTES + (int32_t)load_le(call + 1, 4) == bt->stub_predict;
}

/* R10 = the host address to go to for guest EIP R8.  index: R9 or R10; R11 is used where instructions are counted. */
static inline void emit_table_entry(const struct bt *bt, struct emit *e, int index)
{
    int table = bt->is_counting ? H_R11 : R_TABLE;

    if (bt->is_counting)
        emit_load(e, table, HOT(jump_table), 8);             /* mov   r11, table          */
    if (bt->has_bmi2)
        emit_pext32_mem(e, index, H_R8, HMEM(table, -4));    /* pext  r9d, r8d, [r12-4]   */
    else
        emit_movzx16(e, index, H_R8);                        /* movzx r9d, r8w            */
    emit_load(e, H_R10, HMEM_X(table, index, 2, 0), 4);      /* mov   r10d, [r12+r9*4]    */
}
/* And R9 = RCX, as indirect entries and return points want it. */
static inline void emit_jump_entry(const struct bt *bt, struct emit *e)
{
    emit_table_entry(bt, e, H_R9);
    emit_mov_rr64(e, H_R9, H_RCX);                           /* mov   r9, rcx             */
}
/* The jump table of context `ctx`, a register, is the current one; R10 is used. */
static inline void emit_use_table(const struct bt *bt, struct emit *e, int ctx)
{
    int table = bt->is_counting ? H_R10 : R_TABLE;

    emit_load(e, table, HMEM(ctx, offsetof(struct ctx, jump_table)), 8);
    emit_store(e, HOT(jump_table), table, 8);
}

static inline bool bt_has(const struct bt *bt, enum bt_technique t)
{
    return !(bt->opt.without >> t & 1);
}

/* Must instructions be interpreted, whatever they are and whatever RF is?  Traps, breakpoints, shadows, SMRAM, which no window shows,
 * and #AC, which the host does not raise for us. */
static inline bool bt_must_interpret(const struct cpu *cpu)
{
    /* Read alone: compilers join it with EFLAGS, its neighbour, and a load of both waits until the stores before it are through. */
    uint32_t mode = *(const volatile uint32_t *)&cpu->mode;

    return cpu->has_shadow || cpu_sees_smram(cpu) || cpu->is_ignne ||
           (mode & (MODE_TF | MODE_DEBUG | MODE_CS64)) != 0 ||
           ((cpu->eflags & EFLAGS_AC) && (cpu->paging.cr0 & CR0_AM) && cpu->cpl == 3);
}

/* Translated code runs with RF clear: it ends with the next instruction. */
static inline bool bt_needs_interpreter(const struct cpu *cpu)
{
    return bt_must_interpret(cpu) || (cpu->eflags & EFLAGS_RF);
}

/* stubs.c */
void stubs_generate(struct bt *bt);

/* tcache.c */
/* Is there room for one more block?  Then bt->cold has some, too. */
bool tcache_has_room(struct bt *bt);
void tcache_note_poll(struct bt *bt); /* one was taken at bt->polled_at: a sample of where time goes */
bool tcache_is_long(const struct bt *bt, uint64_t code); /* Shall a block that begins there go on where another begins? */
uint64_t tcache_table_bytes(const struct bt *bt); /* of the code cache, what is not host code */
struct block *tcache_find(struct bt *bt, uint64_t code, uint32_t kind, uint32_t guest_rip); /* NULL: none */
struct block *tcache_new(struct bt *bt); /* zeroed; the next call returns the same one if it was not inserted */
void tcache_insert(struct bt *bt, struct block *b); /* tcache_new()'s, filled in; there was room */
struct block *tcache_by_host(const struct bt *bt, const uint8_t *host_pc); /* NULL: not in a block */
static inline uint32_t recover_rip(const struct block *b, const struct recover *r)
{
    return b->guest_rip + r->rip_off;
}
const struct recover *tcache_recover(const struct bt *bt, const struct block *b, const uint8_t *host_pc);
void tcache_kill(struct bt *bt, struct block *b); /* it shall be translated in another way; does nothing to a dead one */
/* The jump of block b, which may be NULL, to another block whose rel32 ends at jump_end leads to `to` from now on (cache offsets).  Not that
 * of a dead block: its entries may lie over it. */
void tcache_set_jump(struct bt *bt, const struct block *b, uint32_t jump_end, uint32_t to);
/* The block that the jump lies in. */
static inline struct block *tcache_by_jump(const struct bt *bt, uint32_t jump_end)
{
    return tcache_by_host(bt, bt->codemem.exec + jump_end - 1);
}
/* The chain site in front of jump_end is a dead block's entry: it becomes a jump to its successor. */
void tcache_forward(struct bt *bt, uint32_t jump_end, struct block *to);
void tcache_flush(struct bt *bt);
void tcache_invalidate(struct bt *bt, uint64_t off, uint64_t len); /* guest memory bytes changed */
void tcache_add_recover(struct bt *bt, struct block *b, uint32_t guest_rip, struct recover r); /* from here on; the offsets are filled in */
struct ctx *ctx_current(struct bt *bt);
struct ctx *ctx_find(struct bt *bt, const struct window *w, uint32_t mode, uint32_t cs_base, uint32_t cs_limit); /* NULL: none yet */
void ctx_enter(struct bt *bt, struct ctx *c); /* make it the current one */
void ctx_note(struct ctx *from, struct ctx *to); /* code of from went to to, perhaps by loading a segment register */
void ctx_make_far(struct ctx *c); /* room for far entries */
void ctx_code_gone(void *bt, struct window *w, uint32_t page);
void ctx_drop_all(struct bt *bt);

/* jumptable.c */
int jump_table_template(const uint8_t *miss); /* a memfd for bt->table_fd; negative: -errno */
void jump_table_create(const struct bt *bt, struct ctx *c);
void jump_table_free(struct ctx *c);
void jump_table_grow(const struct bt *bt, struct ctx *c); /* an empty one takes its place */
/* Those of n addresses from first on; others near them may go too. */
void jump_table_clear(struct ctx *c, uint32_t first, uint32_t n, const uint8_t *miss);

void bt_reset_return_stack(struct bt *bt);
bool site_is_callout(const struct bt *bt, uint64_t code);
bool site_note_fault(struct bt *bt, uint64_t code, unsigned faults); /* true: enough of them, from now on a call-out */
static inline uint64_t site_bit(uint64_t code) /* of bt->frame_sites */
{
    return 1ull << (code >> 6 & 63);
}
static inline uint32_t site_line(uint64_t code) /* index in bt->site_changed; the next 64 bytes have the next one */
{
    return (uint32_t)((code >> GUEST_PAGE_SHIFT) * 0x9e3779b1u + (code >> 6 & 63)) & ((1u << SITE_HASH_BITS) - 1);
}
uint32_t site_index(const struct bt *bt, uint64_t code); /* SITE_NONE: not a call-out */
/* A fault that a software lookup would avoid.  True: enough of them, from now on it is one. */
bool site_note_fill(struct bt *bt, const struct block *b, uint64_t code);
uint32_t site_soft(const struct bt *bt, uint64_t code); /* index of a site with software lookup, or SITE_NONE */
/* Executions with software lookup that cost as much as a fault and a mapping, about; a string instruction is interpreted. */
#define SOFT_CREDIT 512
#define SOFT_CREDIT_STRING 24
void site_note_miss(struct bt *bt, uint32_t index, unsigned credit);
void site_release_soft(struct bt *bt, uint32_t index, uint64_t code); /* translate it for the window again */
/* The call-out was executed; was_needed: it met a device or a page with code.  True: it shall be a plain access again. */
bool site_note_execution(struct bt *bt, uint32_t index, bool was_needed);

/* links.c */
struct links *links_create(void); /* NULL: no memory */
void links_destroy(struct links *ls);
/* A jump from block `from` shall lead to `to` in another page.  True: it may without a guard, until it is cut.  jump_end: cache offset
 * behind its rel32; stub: where it goes when it is cut. */
bool links_add(struct bt *bt, const struct window *w, const struct block *from, const struct block *to, uint32_t jump_end, uint32_t stub);
/* w just began to fetch a page: the pages it is linked to must be what the links say in this window, too. */
void links_check(struct bt *bt, struct window *w, uint32_t page);
/* w ceases to fetch the page from where it did. */
void links_cut_page(struct bt *bt, const struct window *w, uint32_t page);
/* The links to where this block begins go to their stubs again. */
void links_unchain(struct bt *bt, const struct block *to);
void links_forget(struct links *ls); /* the code cache is emptied */

/* bt.c: RF is set and nothing asks for the interpreter.  Where b may be entered, now with RF clear: what happens to its first instruction
 * does not depend on it, a fault of it sets it again, and no interrupt is taken before it.  NULL: the interpreter takes that instruction. */
const uint8_t *bt_resume_with_rf(struct bt *bt, const struct block *b);
/* bt.c, in the fault handler: out of translated code, with the guest's state before the instruction that it is stopped at. */
bool bt_leave(struct bt *bt, struct fault *f, enum exit_reason reason);
/* interrupt.c, in the fault handler: exit_request may be set, and translated code may be running. */
void bt_interrupted(struct bt *bt, struct fault *f);
/* MOVS, CMPS, STOS, LODS or SCAS of the host, behind its prefixes. */
static inline bool host_is_string_op(const uint8_t *pc)
{
    return (*pc >= 0xa4 && *pc <= 0xa7) || (*pc >= 0xaa && *pc <= 0xaf);
}
/* bt.c: the FP state is in cpu->fpu: the next FP instruction loads it, or is refused. */
void bt_set_gates(struct bt *bt);
/* bt.c: after an instruction of the interpreter or a device, may control go on in the current context? */
bool bt_may_go_on(struct bt *bt);
/* bt.c, called by stub_soft with all of the guest's state saved: fill the entry for hot.soft_gla.  Returns where to go on, or an exit reason. */
const uint8_t *soft_miss(struct bt *bt);

/* xlat_segment.c: stub_change */
void segments_generate(struct bt *bt, struct emit *e);

/* xlat_rings.c: SYSENTER or SYSEXIT went from one context to the other. */
void rings_note(const struct cpu *cpu, struct ctx *from, struct ctx *to);

/* reloc.c: the same code at another EIP. */
/* A block of ctx's mode for this code, at any EIP, that a translation of today would equal; NULL: none. */
const struct block *template_find(const struct bt *bt, uint64_t code, const struct ctx *ctx);
void template_prefetch(const struct bt *bt, uint64_t code, const struct ctx *ctx); /* template_find() will be called soon */
void template_note(struct bt *bt, uint32_t index); /* of a new block */
/* A copy of block t for guest_rip.  NULL: it must be translated. */
struct block *relocate_block(struct bt *bt, const struct block *t, uint32_t guest_rip, bool has_entry);
/* True: fresh, translated for the same EIP, is what relocate_block() would have made of it. */
bool relocated_equals(const struct bt *bt, const struct block *b, const struct block *fresh);

/* translate.c: the block's direct entry is here, behind one that checks R8 = EIP for those who come by a jump table, or alone. */
void emit_entries(struct bt *bt, struct block *b, bool has_indirect);
/* xlat_flow.c: an exit for the jump whose rel32 ends at jump_end (and flags), at bt->cold; stub: stub_chain or stub_predict. */
void emit_exit(struct bt *bt, const uint8_t *stub, uint32_t target_rip, uint32_t jump_end);

/* translate.c: a copy of t if that is one of template_find() and can be copied.  has_entry: it shall have an indirect entry; some have
 * one anyhow.  NULL if the first instruction cannot be fetched or decoded (let the interpreter fault). */
struct block *translate_block(struct bt *bt, struct ctx *ctx, uint32_t guest_rip, uint64_t code, int64_t second_frame, const struct block *t,
                              bool has_entry);
/* xlat_flow.c: code that jumps to target if its page is still mapped to the same frame, else through the jump table. */
const uint8_t *xlat_emit_guard(struct bt *bt, const struct ctx *ctx, const struct block *target, uint32_t entry);

/* dump.c */
unsigned block_bytes(const struct bt *bt, const struct block *b, uint32_t rip, uint8_t *buf); /* up to 15 guest bytes at rip; 0: outside */
void block_dump(const struct bt *bt, const struct block *b, FILE *f);
void perf_map_open(struct bt *bt);
void perf_map_add(struct bt *bt, const struct block *b);

/* lockstep.c */
struct lockstep *lockstep_create(struct bt *bt);
void lockstep_destroy(struct lockstep *ls);
/* Before entering b: run the interpreter over it and take its effects back. */
void lockstep_before(struct lockstep *ls, const struct block *b);
/* After: compare; n = instructions translated code completed.  Ends the program with a report on a difference. */
void lockstep_after(struct lockstep *ls, const struct block *b, unsigned n);

static inline uint32_t cache_off(const struct bt *bt, const uint8_t *exec)
{
    return (uint32_t)(exec - bt->codemem.exec);
}
static inline bool is_in_cache(const struct bt *bt, const uint8_t *host_pc)
{
    return (uintptr_t)host_pc - (uintptr_t)bt->codemem.exec < bt->codemem.size;
}

#endif
