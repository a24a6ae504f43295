/* x87, MMX, SSE and AVX instructions.  The arithmetic is done by the host (cpu/hostfp.h); here are the checks that come before
 * it, the movement of operands, and the exceptions.  SDM 1 chapters 8 to 12, 3A 2.5 and chapter 13.
 *
 * Instruction and data pointers (FIP, FDP, FOP, FCS, FDS) are always zero in what the guest sees: the host's would be
 * addresses of ours.  Processors with FDP_EXCPTN_ONLY and without FCS/FDS come close to that. */
#include "cpu/avx.h"
#include "cpu/cpuid.h"
#include "cpu/flags.h"
#include "cpu/hostfp.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

#include <string.h>

#define MXCSR_FLAGS 0x003fu
#define MXCSR_UE 0x0010u
#define MXCSR_FTZ 0x8000u
#define MXCSR_MASKS 0x1f80u
#define MXCSR_MASK_SHIFT 7
#define MXCSR_VALID 0xffffu
#define FCW_DEFINED 0x0f3fu
#define FCW_RESERVED 0x0040u /* reads as 1 */
#define FSW_PE 0x0020u
#define FSW_STICKY 0x007fu
#define FSW_PENDING 0x8080u /* ES, and B which follows it */

/* Whole instructions for the host, with a RET. */
#define CODE_FLDENV 0xc327d9u  /* fldenv [rdi]: 28 bytes */
#define CODE_FNSTENV 0xc337d9u /* fnstenv [rdi] */
#define CODE_FRSTOR 0xc327ddu  /* frstor [rdi]: 108 bytes */
#define CODE_FNSAVE 0xc337ddu  /* fnsave [rdi] */
#define CODE_NOTHING 0xc3u

#define ENV_SIZE 28
#define STATE_SIZE 108

static uint32_t mxcsr(const struct cpu *cpu)
{
    return (uint32_t)load_le(cpu->fpu + FX_MXCSR, 4);
}

static bool has_pending_error(const struct cpu *cpu)
{
    return load_le(cpu->fpu + FX_FSW, 2) & FSW_ES;
}

static void set_ferr(struct cpu *cpu, bool level)
{
    if (cpu->board.ferr && !cpu->probe)
        cpu->board.ferr(cpu->board.opaque, level);
}

/* A waiting instruction met a pending error.  CR0.NE = 0 is the AT's way: FERR# raises IRQ 13, and the processor stands
 * still until an interrupt comes, as in HLT but with EIP at the instruction, which starts again. */
static bool report_error(struct cpu *cpu)
{
    if (cpu->paging.cr0 & CR0_NE)
        return cpu_raise(cpu, VEC_MF);
    set_ferr(cpu, true);
    cpu->is_halted = true;
    cpu->next_rip = cpu->rip;
    return true;
}

/* Are pending errors to be passed over?  The AT's handler of IRQ 13 asserts IGNNE# until the error is gone. */
static bool ignores_errors(const struct cpu *cpu)
{
    return cpu->is_ignne && !(cpu->paging.cr0 & CR0_NE);
}

/* FERR# follows ES down. */
static void update_ferr(struct cpu *cpu, bool was_pending)
{
    if (was_pending && !has_pending_error(cpu)) {
        cpu->is_ignne = false;
        set_ferr(cpu, false);
    }
}

/* --- memory operands --- */

struct buffer {
    uint8_t bytes[STATE_SIZE + 20] __attribute__((aligned(64)));
};

static bool is_simple_size(unsigned size)
{
    return size <= 8 && !(size & (size - 1));
}

/* Read the operand, and make sure that it can be written if the instruction will. */
static bool operand_in(struct cpu *cpu, const struct insn *in, uint64_t ea, unsigned size, struct buffer *buf)
{
    uint64_t value;
    gla_t gla;

    if (size == 16 || size == 32 || size == 10) { /* of 16 and 32 bytes, those that must be aligned have raised #GP before */
        unsigned access = (in->desc->attr & ATTR_MEM_W ? ACCESS_WRITE : ACCESS_READ) | (cpu->cpl == 3 ? ACCESS_USER : 0);

        if (!mem_linear(cpu, in->seg, ea, size, access & ~ACCESS_USER, &gla))
            return false;
        if (mem_is_misaligned(cpu, gla, size == 10 ? 8 : 16, access)) /* SDM 3A, table 6-7; of 32 bytes what AMD family 19h does */
            return cpu_raise_error(cpu, VEC_AC, 0);
    }
    if (in->desc->attr & ATTR_MEM_R) {
        if (!is_simple_size(size)) {
            if (!mem_read_buf(cpu, in->seg, ea, buf->bytes, size))
                return false;
        } else {
            if (!mem_read(cpu, in->seg, ea, size, &value))
                return false;
            store_le(buf->bytes, 8, value);
        }
    }
    return !(in->desc->attr & ATTR_MEM_W) || operand_probe_write(cpu, in->seg, ea, size);
}

static bool operand_out(struct cpu *cpu, const struct insn *in, uint64_t ea, unsigned size, const struct buffer *buf)
{
    if (is_simple_size(size))
        return mem_write(cpu, in->seg, ea, size, load_le(buf->bytes, 8));
    return mem_write_buf(cpu, in->seg, ea, buf->bytes, size);
}

/* --- running --- */

static struct hostfp_regs regs_in(const struct cpu *cpu, const struct insn *in, int gpr)
{
    return (struct hostfp_regs){
        .ax = cpu->gpr[REG_AX],
        .cx = cpu->gpr[REG_CX],
        .dx = cpu->gpr[REG_DX],
        .explicit_gpr = gpr >= 0 ? cpu->gpr[gpr & 15] : 0,
        .packed = flags_pack(cpu->eflags),
        .has_ymm = (in->desc->attr & ATTR_AVX) != 0,
    };
}

/* Registers that the instruction did not write come back as they went in. */
static void regs_out(struct cpu *cpu, int gpr, const struct hostfp_regs *regs)
{
    cpu->gpr[REG_AX] = regs->ax;
    cpu->gpr[REG_CX] = regs->cx;
    cpu->gpr[REG_DX] = regs->dx;
    if (gpr >= 0)
        cpu->gpr[gpr & 15] = regs->explicit_gpr;
    flags_set(cpu, (uint16_t)regs->packed);
}

/* Run an instruction that passes over a pending error, which the host would stop at: with all exceptions masked meanwhile.
 * loads_control: it replaces the control word.  Returns the exception flags that are its own. */
static uint64_t run_over_error(struct cpu *cpu, hostfp_code_t code, bool loads_control, struct hostfp_regs *regs, void *mem)
{
    uint64_t fcw = load_le(cpu->fpu + FX_FCW, 2), fsw = load_le(cpu->fpu + FX_FSW, 2), old = fsw & FSW_STICKY;

    store_le(cpu->fpu + FX_FCW, 2, fcw | MXCSR_FLAGS);
    store_le(cpu->fpu + FX_FSW, 2, fsw & ~(uint64_t)(FSW_PENDING | FSW_STICKY));
    hostfp_run(cpu, code, cpu->fpu, cpu->fpu, regs, mem);
    if (!loads_control)
        store_le(cpu->fpu + FX_FCW, 2, fcw);
    fcw = load_le(cpu->fpu + FX_FCW, 2);
    fsw = load_le(cpu->fpu + FX_FSW, 2) & ~(uint64_t)FSW_PENDING;
    store_le(cpu->fpu + FX_FSW, 2, fsw | old | ((fsw | old) & ~fcw & MXCSR_FLAGS ? FSW_PENDING : 0));
    return fsw & MXCSR_FLAGS;
}

static bool is_fldcw(const struct insn *in)
{
    return in->opcode == 0xd9 && in->is_mem && (in->reg & 7) == 5;
}

/* --- x87 --- */

/* Did a store not happen?  Unmasked exceptions other than #P leave memory alone (SDM 1 8.5). */
static bool is_store_suppressed(const struct cpu *cpu, uint64_t raised)
{
    return raised & ~load_le(cpu->fpu + FX_FCW, 2) & (MXCSR_FLAGS & ~FSW_PE);
}

/* #NM, then a pending error.  False: finished, *result is what to return. */
static bool x87_may_start(struct cpu *cpu, const struct insn *in, bool *result)
{
    if (cpu->paging.cr0 & (CR0_EM | CR0_TS)) {
        *result = cpu_raise(cpu, VEC_NM);
        return false;
    }
    if (!(in->desc->attr & ATTR_X87_NOWAIT) && has_pending_error(cpu) && !ignores_errors(cpu)) {
        *result = report_error(cpu);
        return false;
    }
    return true;
}

bool op_x87(struct cpu *cpu, const struct insn *in)
{
    bool was_pending = has_pending_error(cpu), is_waiting = !(in->desc->attr & ATTR_X87_NOWAIT), result;
    unsigned size = insn_mem_size(in);
    uint64_t ea = insn_ea(cpu, in);
    struct hostfp_regs regs;
    struct buffer buf = {0};
    hostfp_code_t code;
    uint64_t raised;
    int gpr;

    if (!x87_may_start(cpu, in, &result))
        return result;
    if (in->is_mem && !operand_in(cpu, in, ea, size, &buf))
        return false;
    code = hostfp_encode(in, &gpr);
    regs = regs_in(cpu, in, gpr);
    if (was_pending && is_waiting) {
        raised = run_over_error(cpu, code, is_fldcw(in), &regs, buf.bytes);
    } else {
        hostfp_run(cpu, code, cpu->fpu, cpu->fpu, &regs, buf.bytes);
        raised = load_le(cpu->fpu + FX_FSW, 2);
    }
    regs_out(cpu, gpr, &regs);
    update_ferr(cpu, was_pending);
    if (in->is_mem && (in->desc->attr & ATTR_MEM_W) && !(is_waiting && is_store_suppressed(cpu, raised)))
        return operand_out(cpu, in, ea, size, &buf);
    return true;
}

/* WAIT: EM does not matter, TS only with MP. */
bool op_fwait(struct cpu *cpu, const struct insn *in)
{
    if ((cpu->paging.cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        return cpu_raise(cpu, VEC_NM);
    return has_pending_error(cpu) && !ignores_errors(cpu) ? report_error(cpu) : true;
}

/* Environments (SDM 1 8.1.10).  The host makes and takes the 32-bit protected-mode format:
 *     0 FCW   4 FSW   8 FTW   12 FIP   16 FOP:FCS   20 FDP   24 FDS       (28 bytes, upper words of the first three FFFFh)
 * 16-bit formats have the same seven fields as words.  The pointers being zero, the real-mode formats differ only in that
 * nothing marks the last word as unused. */
static unsigned env_to_guest(const struct cpu *cpu, const uint8_t host[ENV_SIZE], unsigned opsize, uint8_t *out)
{
    bool is_protected = (cpu->paging.cr0 & CR0_PE) && !(cpu->eflags & EFLAGS_VM);

    if (opsize == 2) {
        for (unsigned i = 0; i < 7; i++)
            store_le(out + 2 * i, 2, i < 3 ? load_le(host + 4 * i, 2) : 0);
        return 14;
    }
    memcpy(out, host, 12);
    memset(out + 12, 0, 16);
    if (is_protected)
        store_le(out + 26, 2, 0xffff);
    return ENV_SIZE;
}

static unsigned env_from_guest(const uint8_t *in, unsigned opsize, uint8_t host[ENV_SIZE])
{
    memset(host, 0, ENV_SIZE);
    for (unsigned i = 0; i < 3; i++)
        store_le(host + 4 * i, 2, load_le(in + (opsize == 2 ? 2 : 4) * i, 2));
    return opsize == 2 ? 14 : ENV_SIZE;
}

/* Run a state instruction that needs no registers. */
static void run_plain(struct cpu *cpu, hostfp_code_t code, uint8_t *to, void *mem)
{
    struct hostfp_regs regs = {0};

    hostfp_run(cpu, code, cpu->fpu, to, &regs, mem);
}

/* FNSTENV and FNSAVE change the state after they stored it: masked exceptions, or as after FNINIT. */
static bool store_state(struct cpu *cpu, const struct insn *in, hostfp_code_t code, unsigned registers)
{
    uint8_t after[FX_SIZE] __attribute__((aligned(64)));
    bool was_pending = has_pending_error(cpu), result;
    uint8_t guest[STATE_SIZE];
    struct buffer host = {0};
    unsigned n;

    if (!x87_may_start(cpu, in, &result))
        return result;
    run_plain(cpu, code, after, host.bytes);
    n = env_to_guest(cpu, host.bytes, in->opsize, guest);
    memcpy(guest + n, host.bytes + ENV_SIZE, registers);
    if (!mem_write_buf(cpu, in->seg, insn_ea(cpu, in), guest, n + registers))
        return false;
    memcpy(cpu->fpu, after, FX_ST + 8 * 16);
    update_ferr(cpu, was_pending);
    return true;
}

static bool load_state(struct cpu *cpu, const struct insn *in, hostfp_code_t code, unsigned registers)
{
    bool was_pending = has_pending_error(cpu), result;
    unsigned n = in->opsize == 2 ? 14 : ENV_SIZE;
    uint8_t guest[STATE_SIZE];
    struct buffer host = {0};

    if (!x87_may_start(cpu, in, &result))
        return result;
    if (!mem_read_buf(cpu, in->seg, insn_ea(cpu, in), guest, n + registers))
        return false;
    env_from_guest(guest, in->opsize, host.bytes);
    memcpy(host.bytes + ENV_SIZE, guest + n, registers);
    if (was_pending) { /* the host would stop at it; all of it is replaced */
        store_le(cpu->fpu + FX_FCW, 2, MXCSR_FLAGS);
        store_le(cpu->fpu + FX_FSW, 2, 0);
    }
    run_plain(cpu, code, cpu->fpu, host.bytes);
    update_ferr(cpu, was_pending);
    return true;
}

bool op_fnstenv(struct cpu *cpu, const struct insn *in)
{
    return store_state(cpu, in, CODE_FNSTENV, 0);
}

bool op_fldenv(struct cpu *cpu, const struct insn *in)
{
    return load_state(cpu, in, CODE_FLDENV, 0);
}

bool op_fnsave(struct cpu *cpu, const struct insn *in)
{
    return store_state(cpu, in, CODE_FNSAVE, STATE_SIZE - ENV_SIZE);
}

bool op_frstor(struct cpu *cpu, const struct insn *in)
{
    return load_state(cpu, in, CODE_FRSTOR, STATE_SIZE - ENV_SIZE);
}

/* --- FXSAVE, FXRSTOR --- */

/* What an image holds outside 64-bit mode: control, eight x87 and eight XMM registers.  The rest is not written. */
static unsigned image_size(const struct insn *in)
{
    return FX_XMM + (in->code_size == 8 ? 16 : 8) * 16;
}

/* #NM, then the alignment of the 512 bytes. */
static bool image_linear(struct cpu *cpu, const struct insn *in, unsigned access)
{
    gla_t gla;

    if (cpu->paging.cr0 & (CR0_EM | CR0_TS))
        return cpu_raise(cpu, VEC_NM);
    if (!mem_linear(cpu, in->seg, insn_ea(cpu, in), FX_SIZE, access, &gla))
        return false;
    return gla & 15 ? cpu_raise_error(cpu, VEC_GP, 0) : true;
}

bool op_fxsave(struct cpu *cpu, const struct insn *in)
{
    unsigned size = image_size(in);
    uint8_t image[FX_SIZE];

    if (!image_linear(cpu, in, ACCESS_WRITE))
        return false;
    memcpy(image, cpu->fpu, size);
    store_le(image + FX_MXCSR_MASK, 4, MXCSR_VALID);
    if (!cpu_has_feature(cpu, FEAT_SSE)) /* reserved, with its mask */
        memset(image + FX_MXCSR, 0, 8);
    return mem_write_buf(cpu, in->seg, insn_ea(cpu, in), image, size);
}

/* Does FXRSTOR leave the x87 part as it is?  No reserved bits, no pending error. */
static bool is_x87_settled(const uint8_t *image)
{
    uint64_t fcw = load_le(image + FX_FCW, 2), fsw = load_le(image + FX_FSW, 2), upper = 0;

    for (unsigned i = 0; i < 8; i++)
        upper |= load_le(image + FX_ST + 16 * i + 8, 8) >> 16;
    return !upper && (fcw & ~(uint64_t)FCW_DEFINED) == FCW_RESERVED && !(fsw & FSW_PENDING) && !(fsw & ~fcw & MXCSR_FLAGS) &&
           image[FX_FTW + 1] == 0;
}

void fp_load_legacy(struct cpu *cpu, uint8_t *image)
{
    bool was_pending = has_pending_error(cpu);

    memcpy(cpu->fpu, image, FX_SIZE);
    if (is_x87_settled(image))
        memset(cpu->fpu + FX_FOP, 0, FX_MXCSR - FX_FOP);
    else
        run_plain(cpu, CODE_NOTHING, cpu->fpu, NULL);
    update_ferr(cpu, was_pending);
}

bool op_fxrstor(struct cpu *cpu, const struct insn *in)
{
    uint8_t image[FX_SIZE] __attribute__((aligned(64)));

    if (!image_linear(cpu, in, ACCESS_READ) || !mem_read_buf(cpu, in->seg, insn_ea(cpu, in), image, FX_SIZE))
        return false;
    if (!cpu_has_feature(cpu, FEAT_SSE))
        store_le(image + FX_MXCSR, 4, mxcsr(cpu));
    if (load_le(image + FX_MXCSR, 4) & ~(uint64_t)MXCSR_VALID)
        return cpu_raise_error(cpu, VEC_GP, 0);
    memcpy(image + image_size(in), cpu->fpu + image_size(in), FX_SIZE - image_size(in));
    fp_load_legacy(cpu, image);
    return true;
}

/* --- MMX and SSE --- */

/* MMX instructions, and conversions from or to an MMX register.  CVTPI2PD of memory leaves the x87 state alone and takes none of its
 * errors; CVTPI2PS of memory takes them all the same (SDM 2A, of each). */
static bool takes_x87_errors(const struct insn *in)
{
    if (!(in->desc->attr & ATTR_MMX))
        return false;
    return !((in->desc->attr & ATTR_SSE) && in->map == MAP_0F && in->opcode == 0x2a && in->is_mem && in->has_opsize_prefix);
}

/* #UD, #NM and pending x87 errors, SDM 3A table 12-1 and 13.2.  False: finished, *result is what to return. */
static bool simd_may_start(struct cpu *cpu, const struct insn *in, bool *result)
{
    uint32_t attr = in->desc->attr;

    if (attr & ATTR_AVX) { /* CR0.EM and CR4.OSFXSR do not matter */
        *result = avx_may_start(cpu);
        return *result;
    }
    if ((cpu->paging.cr0 & CR0_EM) || ((attr & ATTR_SSE) && !(cpu->paging.cr4 & CR4_OSFXSR))) {
        *result = cpu_raise(cpu, VEC_UD);
        return false;
    }
    if (cpu->paging.cr0 & CR0_TS) {
        *result = cpu_raise(cpu, VEC_NM);
        return false;
    }
    if (takes_x87_errors(in) && has_pending_error(cpu)) { /* IGNNE# or not: MMX code with an error at large is no use */
        *result = report_error(cpu);
        return false;
    }
    return true;
}

/* MOVUPS MOVUPD, MOVDQU, LDDQU, PCMPxSTRx. */
static bool may_be_misaligned(const struct insn *in)
{
    switch (in->map) {
    case MAP_0F:
        return in->opcode == 0x10 || in->opcode == 0x11 || in->opcode == 0xf0 ||
               ((in->opcode == 0x6f || in->opcode == 0x7f) && in->rep == 0xf3);
    case MAP_0F3A:
        return in->opcode >= 0x60 && in->opcode <= 0x63;
    default:
        return false;
    }
}

static bool check_alignment(struct cpu *cpu, const struct insn *in, uint64_t ea, unsigned size)
{
    gla_t gla;

    if (in->desc->attr & ATTR_AVX ? !(in->desc->attr & ATTR_ALIGNED) : size != 16 || may_be_misaligned(in))
        return true;
    if (!mem_linear(cpu, in->seg, ea, size, in->desc->attr & ATTR_MEM_W ? ACCESS_WRITE : ACCESS_READ, &gla))
        return false;
    return gla & (size - 1) ? cpu_raise_error(cpu, VEC_GP, 0) : true;
}

/* Run with all SIMD exceptions masked and no flags set, but MXCSR bits `extra`; returns the flags that came up. */
static uint32_t run_masked(struct cpu *cpu, hostfp_code_t code, uint32_t extra, uint8_t *image, struct hostfp_regs *regs,
                           struct buffer *buf)
{
    memcpy(image, cpu->fpu, XSAVE_SIZE);
    store_le(image + FX_MXCSR, 4, ((mxcsr(cpu) | MXCSR_MASKS) & ~MXCSR_FLAGS) | extra);
    hostfp_run(cpu, code, image, image, regs, buf->bytes);
    return (uint32_t)load_le(image + FX_MXCSR, 4) & MXCSR_FLAGS;
}

/* TOP and tags as in image, the registers where they are: the FXSAVE layout counts them from TOP. */
static void take_top(struct cpu *cpu, const uint8_t *image)
{
    unsigned old_top = (unsigned)load_le(cpu->fpu + FX_FSW, 2) >> 11 & 7, top = (unsigned)load_le(image + FX_FSW, 2) >> 11 & 7;
    uint8_t st[8 * 16];

    memcpy(st, cpu->fpu + FX_ST, sizeof(st));
    for (unsigned i = 0; i < 8; i++)
        memcpy(cpu->fpu + FX_ST + 16 * i, st + 16 * ((i + top - old_top) & 7), 16);
    memcpy(cpu->fpu + FX_FSW, image + FX_FSW, 2);
    cpu->fpu[FX_FTW] = image[FX_FTW];
}

/* VCVTPS2PH ignores FTZ. */
static bool is_to_half(const struct insn *in)
{
    return in->vex && in->map == MAP_0F3A && in->opcode == 0x1d;
}

static bool has_subnormal_half(const struct insn *in, const uint8_t *halves)
{
    for (unsigned i = 0; i < (in->vex_l ? 8 : 4); i++) {
        unsigned half = (unsigned)load_le(halves + 2 * i, 2);

        if (!(half & 0x7c00) && (half & 0x03ff))
            return true;
    }
    return false;
}

/* SIMD exceptions with some unmasked (SDM 1 11.5).  A masked run finds out whether one comes up: masked underflow is tiny and inexact,
 * unmasked underflow just tiny (SDM 1 4.9.1.5), and with FTZ every tiny result sets the flag, so a second run tells.  If so
 * the host raises it for us, and we have exactly its flags: those found before the result is computed, those of the first step
 * of a dot product, inexactness with an unbounded exponent.  #XM leaves everything but MXCSR unchanged, and the x87 tags and TOP,
 * which conversions with an MMX operand have reset by then (seen on AMD family 17h and later). */
static bool run_unmasked(struct cpu *cpu, const struct insn *in, hostfp_code_t code, struct hostfp_regs *regs, struct buffer *buf)
{
    uint8_t image[XSAVE_SIZE] __attribute__((aligned(64))), trial[XSAVE_SIZE] __attribute__((aligned(64)));
    uint32_t guest = mxcsr(cpu), unmasked = ~guest >> MXCSR_MASK_SHIFT & MXCSR_FLAGS, raised = 0;
    struct hostfp_regs trial_regs = *regs, trap_regs = *regs;
    struct buffer trial_buf = *buf, trap_buf = *buf;

    if (unmasked & MXCSR_UE)
        raised = run_masked(cpu, code, MXCSR_FTZ, trial, &trial_regs, &trial_buf) & MXCSR_UE;
    raised |= run_masked(cpu, code, 0, image, regs, buf);
    if (is_to_half(in) && has_subnormal_half(in, in->is_mem ? buf->bytes : image + FX_XMM + 16 * in->rm))
        raised |= unmasked & MXCSR_UE;
    if ((raised & unmasked) && hostfp_traps(cpu, code, cpu->fpu, trial, &trap_regs, trap_buf.bytes)) {
        store_le(cpu->fpu + FX_MXCSR, 4, load_le(trial + FX_MXCSR, 4));
        take_top(cpu, trial);
        return cpu_raise(cpu, cpu->paging.cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
    }
    memcpy(cpu->fpu, image, XSAVE_SIZE);
    store_le(cpu->fpu + FX_MXCSR, 4, guest | raised);
    return true;
}

/* LDMXCSR and STMXCSR: the register is not the host's, reserved bits are #GP(0). */
static bool move_mxcsr(struct cpu *cpu, const struct insn *in)
{
    uint64_t value;

    if (in->desc->attr & ATTR_MEM_W)
        return operand_write(cpu, in, 0, mxcsr(cpu));
    if (!operand_read(cpu, in, 0, &value))
        return false;
    if (value & ~(uint64_t)MXCSR_VALID)
        return cpu_raise_error(cpu, VEC_GP, 0);
    store_le(cpu->fpu + FX_MXCSR, 4, value);
    return true;
}

bool op_sse(struct cpu *cpu, const struct insn *in)
{
    unsigned size = in->is_mem ? insn_mem_size(in) : 0;
    uint64_t ea = insn_ea(cpu, in);
    struct hostfp_regs regs;
    struct buffer buf = {0};
    hostfp_code_t code;
    bool result;
    int gpr;

    if (!simd_may_start(cpu, in, &result))
        return result;
    if (in->map == MAP_0F && in->opcode == 0xae)
        return move_mxcsr(cpu, in);
    if (size && (!check_alignment(cpu, in, ea, size) || !operand_in(cpu, in, ea, size, &buf)))
        return false;
    code = hostfp_encode(in, &gpr);
    regs = regs_in(cpu, in, gpr);
    if ((mxcsr(cpu) & MXCSR_MASKS) == MXCSR_MASKS)
        hostfp_run(cpu, code, cpu->fpu, cpu->fpu, &regs, buf.bytes);
    else if (!run_unmasked(cpu, in, code, &regs, &buf))
        return false;
    regs_out(cpu, gpr, &regs);
    return size && (in->desc->attr & ATTR_MEM_W) ? operand_out(cpu, in, ea, size, &buf) : true;
}

/* MASKMOVQ, MASKMOVDQU: selected bytes to DS:[rDI].  Which bytes, the host tells: run over a buffer of zeros and one of
 * ones, the bytes that come out alike were written.  No byte selected: no access. */
bool op_maskmov(struct cpu *cpu, const struct insn *in)
{
    uint64_t ea = in->addrsize == 2 ? (uint16_t)cpu->gpr[REG_DI]
                                    : in->addrsize == 4 ? (uint32_t)cpu->gpr[REG_DI] : cpu->gpr[REG_DI];
    enum sreg seg = in->seg_override >= 0 ? (enum sreg)in->seg_override : SEG_DS;
    unsigned size = in->desc->attr & (ATTR_SSE | ATTR_AVX) ? 16 : 8;
    uint8_t image[FX_SIZE] __attribute__((aligned(64)));
    struct buffer zeros = {0}, ones;
    struct hostfp_regs regs = {0};
    hostfp_code_t code;
    bool result;
    int gpr;

    if (!simd_may_start(cpu, in, &result))
        return result;
    memset(&ones, 0xff, sizeof(ones));
    code = hostfp_encode(in, &gpr);
    hostfp_run(cpu, code, cpu->fpu, image, &regs, zeros.bytes);
    hostfp_run(cpu, code, cpu->fpu, image, &regs, ones.bytes);
    for (unsigned i = 0; i < size; i++)
        if (zeros.bytes[i] == ones.bytes[i] && !operand_probe_write(cpu, seg, ea + i, 1))
            return false;
    for (unsigned i = 0; i < size; i++)
        if (zeros.bytes[i] == ones.bytes[i] && !mem_write(cpu, seg, ea + i, 1, zeros.bytes[i]))
            return false;
    memcpy(cpu->fpu, image, FX_SIZE);
    return true;
}
