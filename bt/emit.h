/* The host code emitter: x86-64 machine code, one instruction a call.
 *
 * Code is written through the writable view of the code cache and runs in the executable one; a host address
 * in this interface is always executable-view.  Running out of room is sticky: emit_* return nothing, whoever builds a block
 * asks emit_is_full() once.  "Flag-neutral" below: leaves EFLAGS alone, as inserted code must. */
#ifndef BT_EMIT_H
#define BT_EMIT_H

#include <stdbool.h>
#include <stdint.h>

enum host_reg {
    H_RAX, H_RCX, H_RDX, H_RBX, H_RSP, H_RBP, H_RSI, H_RDI, H_R8, H_R9, H_R10, H_R11, H_R12, H_R13, H_R14, H_R15,
    H_NONE = -1
};

struct hmem;
struct emit {
    uint8_t *p;             /* next byte, writable view */
    uint8_t *end;
    uint8_t *write_base;
    const uint8_t *exec_base;
    const uint8_t *check; /* debug: stub that checks a guest address (bt/check.c), or NULL; and what emits a call to it */
    void (*before_access)(struct emit *e, const struct hmem *m);
    bool is_full;
    /* Places of the block that starts at block_start which change when it is copied elsewhere; NULL: not wanted. */
    uint16_t *relocs;
    unsigned n_relocs, max_relocs; /* n = max + 1: too many, or too far from the start */
    const uint8_t *block_start;
};

/* 32-bit fields of host code that depend on where it lies or where the guest's code does. */
enum reloc {
    RELOC_HOST,      /* rel32 of a stub */
    RELOC_EIP,       /* guest EIP */
    RELOC_MINUS_EIP, /* its negative */
};
#define RELOC_KIND_SHIFT 14 /* above the place, in bytes from the block's start */

/* A memory operand: [base + index << scale + disp], optionally relative to GS (the guest window) and with a 32-bit effective
 * address.  That needs a prefix only where the sum may leave the window and its guards: bases are zero-extended, displacements
 * sign-extended, and what wraps at 4 GiB otherwise faults in a guard. */
struct hmem {
    int8_t base, index;
    uint8_t scale;
    bool is_gs, is_addr32;
    int32_t disp;
};
#define HMEM(b, d) ((struct hmem){.base = (b), .index = H_NONE, .disp = (int32_t)(d)})
#define HMEM_X(b, i, s, d) ((struct hmem){.base = (b), .index = (i), .scale = (s), .disp = (int32_t)(d)})

#define HMEM_GUARD_BELOW 65536 /* bytes; above the window it is at least 2 GiB */
bool hmem_may_wrap(const struct hmem *m);

/* Everything an instruction encoding can need.  op: up to 3 opcode bytes after prefixes, e.g. 0x0fb6 is {0x0f,0xb6}. */
struct hinsn {
    uint8_t legacy[4];     /* 66 F2 F3 F0 in the order to emit */
    uint8_t n_legacy;
    bool rex_w, force_rex;
    uint8_t op[3], n_op;
    bool has_modrm, is_mem;
    uint8_t reg;           /* 0..15 or opcode extension */
    uint8_t rm;            /* register number when !is_mem; also for opcode+r forms without modrm (REX.B) */
    struct hmem mem;
    uint64_t imm;
    uint8_t imm_len;
    /* VEX in place of legacy[], escape bytes and REX: op is the opcode alone.  vex_map 0: no VEX. */
    uint8_t vex_map, vex_pp, vex_l, vex_w, vvvv;
};

static inline const uint8_t *emit_here(const struct emit *e) /* executable address of the next byte */
{
    return e->exec_base + (e->p - e->write_base);
}
static inline bool emit_is_full(const struct emit *e)
{
    return e->is_full;
}

void emit_note(struct emit *e, enum reloc kind, const uint8_t *place);
void emit_bytes(struct emit *e, const void *bytes, unsigned n);
void emit_u8(struct emit *e, uint8_t b);
void emit_u32(struct emit *e, uint32_t v);
void emit_insn(struct emit *e, const struct hinsn *h);

/* Flag-neutral building blocks.  _32 zero-extends; loads and stores are of size 1, 2, 4 or 8. */
void emit_mov_rr64(struct emit *e, int dst, int src);
void emit_mov_rr32(struct emit *e, int dst, int src);
void emit_mov_ri32(struct emit *e, int dst, uint32_t imm);
void emit_load(struct emit *e, int dst, struct hmem m, unsigned size); /* zero-extends */
void emit_store(struct emit *e, struct hmem m, int src, unsigned size);
void emit_store_imm(struct emit *e, struct hmem m, uint32_t imm, unsigned size);
void emit_lea64(struct emit *e, int dst, struct hmem m);
void emit_lea32(struct emit *e, int dst, struct hmem m);
void emit_movzx16(struct emit *e, int dst, int src); /* movzx r32, r16 */
void emit_movzx8(struct emit *e, int dst, int src);  /* movzx r32, r8 (low byte, REX forms) */
void emit_movsx8_64(struct emit *e, int dst, int src); /* movsx r64, r8 */
void emit_movsx16(struct emit *e, int dst, int src); /* movsx r32, r16 */
/* BMI2: dst = bits of src chosen by mask, packed (pext) or spread (pdep); dst = src >> count; rotation. */
void emit_pext32(struct emit *e, int dst, int src, int mask);
void emit_pext32_mem(struct emit *e, int dst, int src, struct hmem mask);
void emit_pdep32(struct emit *e, int dst, int src, int mask);
void emit_sarx32(struct emit *e, int dst, int src, int count);
void emit_shrx64(struct emit *e, int dst, int src, int count);
void emit_rorx32(struct emit *e, int dst, int src, unsigned count);
void emit_rorx64(struct emit *e, int dst, int src, unsigned count);
void emit_mov_rr8(struct emit *e, int dst, int src);  /* low 8 bits only */
void emit_mov_rr16(struct emit *e, int dst, int src); /* low 16 bits only */
void emit_not64(struct emit *e, int r);
void emit_bswap64(struct emit *e, int r);

/* Control flow.  Targets are executable addresses. */
void emit_jmp(struct emit *e, const void *target);
void emit_call(struct emit *e, const void *target);
void emit_call_mem(struct emit *e, struct hmem m);
void emit_jmp_reg(struct emit *e, int r);
void emit_call_reg(struct emit *e, int r);
void emit_ret(struct emit *e);
void emit_jcc(struct emit *e, unsigned cc, const void *target); /* near, rel32 */

/* Forward short jumps: returns the place to give to emit_patch8() at the target.  cc: 0..15, or one of these. */
enum { CC_JMP = 0x10, CC_JECXZ = 0x11, CC_JRCXZ = 0x15, CC_LOOPNE = 0x12, CC_LOOPE = 0x13, CC_LOOP = 0x14 };
uint8_t *emit_short(struct emit *e, unsigned cc);
void emit_patch8(struct emit *e, uint8_t *place);
/* Jumps up, to what the block holds: a copy of it has them, too. */
void emit_short_back(struct emit *e, unsigned cc, const uint8_t *target);
void emit_near_back(struct emit *e, const uint8_t *target);
/* Forward near jump. */
uint8_t *emit_near(struct emit *e, unsigned cc); /* cc or CC_JMP */
void emit_patch32(struct emit *e, uint8_t *place);

#endif
