/* Running x87, MMX and SSE instructions of the guest on the host, with the guest's FP state.
 *
 * The guest's state lives in cpu->fpu (FXSAVE64 layout, the upper halves of YMM registers behind it).  An instruction is re-encoded with its memory operand at [rdi] and
 * its general register as rsi, put into an executable stub, and called between FXRSTOR and FXSAVE.  Nothing that runs here
 * may fault: the callers (cpu/ops_fp.c) check everything first, and move memory operands through a buffer.
 * Thread: the CPU's. */
#ifndef CPU_HOSTFP_H
#define CPU_HOSTFP_H

#include "cpu/cpu.h"
#include "cpu/insn.h"

struct hostfp; /* the stubs of one CPU */

int hostfp_init(struct cpu *cpu); /* 0 or -errno: the host lets us have no executable memory */
void hostfp_free(struct cpu *cpu);

/* cpu->fpu as after power-on (SDM 3A table 9-1); INIT leaves it alone. */
void fpu_reset(struct cpu *cpu);

/* Offsets in the image (SDM 1 10.5.1). */
enum {
    FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_FOP = 6, FX_FIP = 8, FX_FDP = 16, FX_MXCSR = 24, FX_MXCSR_MASK = 28, FX_ST = 32,
    FX_XMM = 160, FX_SIZE = 512,
    XSAVE_BV = 512, /* header: XSTATE_BV, XCOMP_BV, zeros */
    FX_YMM = 576,   /* upper halves of the YMM registers */
    XSAVE_SIZE = 832
};

#define FSW_ES 0x0080u /* an unmasked exception is pending */

/* General registers and flags of one run.  explicit_gpr: the register operand, if any, else 0.  Known to hostfp_enter.S. */
struct hostfp_regs {
    uint64_t ax, cx, dx, explicit_gpr;
    uint32_t packed; /* flags, as in cpu/flags.h */
    uint32_t has_ymm; /* the instruction is VEX-encoded: images are of XSAVE_SIZE */
};

/* Machine code for the host: an instruction of at most 7 bytes and a RET, first byte lowest. */
typedef uint64_t hostfp_code_t;

/* in for the host.  *gpr: number of the guest's general register operand, or -1. */
hostfp_code_t hostfp_encode(const struct insn *in, int *gpr);

/* Run code: state from image `from`, and afterwards to image `to` (the same, or another; 16-byte aligned, FX_SIZE bytes or more) with
 * instruction and data pointers cleared.  mem: where the memory operand lies, 16-byte aligned. */
void hostfp_run(struct cpu *cpu, hostfp_code_t code, const uint8_t *from, uint8_t *to, struct hostfp_regs *regs, void *mem);

/* The same with the exceptions of from's MXCSR unmasked: does the host raise one (SIGFPE)?  Then the state at that moment is in
 * `to`, and regs and mem are unchanged.  Slow: for when one is expected. */
bool hostfp_traps(struct cpu *cpu, hostfp_code_t code, const uint8_t *from, uint8_t *to, struct hostfp_regs *regs, void *mem);

#endif
