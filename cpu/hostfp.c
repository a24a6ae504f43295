/* Stubs that run guest FP instructions natively: see cpu/hostfp.h.
 *
 * A stub is the instruction and a RET, eight bytes in all, so the code memory itself is the hash table: a slot holds the
 * code it would be found by, zero means free.  A guest that runs through more encodings than there are slots overwrites
 * old ones.  W^X: slots are written through codemem's writable view and run through the other. */
#define REG_R8 UCONTEXT_R8 /* <ucontext.h> has names like enum gpr */
#define REG_R15 UCONTEXT_R15
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>
#undef REG_R8
#undef REG_R15
#include "cpu/hostfp.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "host/codemem.h"

#define SLOT_COUNT 4096u
#define SLOT_SIZE 8u
#define PROBES 8u
#define RET 0xc3

/* Operand registers of re-encoded instructions. */
#define HOST_GPR 6 /* rsi */
#define HOST_MEM 7 /* [rdi] */

struct hostfp {
    struct codemem code;
};

/* What hostfp_enter.S sees. */
struct hostfp_frame {
    const uint8_t *from;
    uint8_t *to;
    const uint8_t *stub;
    void *mem;
    struct hostfp_regs regs;
    uint32_t host_mxcsr;
    uint16_t host_fcw;
};
_Static_assert(offsetof(struct hostfp_frame, to) == 8 && offsetof(struct hostfp_frame, stub) == 16 &&
                   offsetof(struct hostfp_frame, mem) == 24 && offsetof(struct hostfp_frame, regs.ax) == 32 &&
                   offsetof(struct hostfp_frame, regs.explicit_gpr) == 56 &&
                   offsetof(struct hostfp_frame, regs.packed) == 64 && offsetof(struct hostfp_frame, regs.has_ymm) == 68 &&
                   offsetof(struct hostfp_frame, host_mxcsr) == 72 && offsetof(struct hostfp_frame, host_fcw) == 76,
               "hostfp_enter.S knows these offsets");

void hostfp_enter(struct hostfp_frame *frame);

int hostfp_init(struct cpu *cpu)
{
    struct hostfp *h = calloc(1, sizeof(*h));
    int error;

    if (!h)
        return -ENOMEM;
    error = codemem_create(&h->code, SLOT_COUNT * SLOT_SIZE, false);
    if (error) {
        free(h);
        return error;
    }
    cpu->hostfp = h;
    return 0;
}

void hostfp_free(struct cpu *cpu)
{
    if (!cpu->hostfp)
        return;
    codemem_destroy(&cpu->hostfp->code);
    free(cpu->hostfp);
    cpu->hostfp = NULL;
}

void fpu_reset(struct cpu *cpu)
{
    memset(cpu->fpu, 0, sizeof(cpu->fpu));
    store_le(cpu->fpu + FX_FCW, 2, 0x0040);
    store_le(cpu->fpu + FX_FTW, 1, 0xff); /* all registers hold +0.0 */
    store_le(cpu->fpu + FX_MXCSR, 4, 0x1f80);
    store_le(cpu->fpu + FX_MXCSR_MASK, 4, 0xffff);
}

static bool is_gpr_in_reg(uint8_t kind)
{
    return kind >= Gb && kind <= Gz;
}

static bool is_gpr_in_rm(uint8_t kind)
{
    return (kind >= Eb && kind <= Ey) || kind == Rd || kind == Rv || kind == Ew_Rv || kind == Ed_w;
}

struct encoder {
    uint64_t code;
    unsigned len;
};

static void put(struct encoder *e, unsigned byte)
{
    e->code |= (uint64_t)(byte & 0xff) << e->len * 8;
    e->len++;
}

/* C4h: R X B mmmmm, W vvvv L pp.  W is a size only where the guest's instruction could have it. */
static void put_vex(struct encoder *e, const struct insn *in, unsigned reg, unsigned rm)
{
    put(e, 0xc4);
    put(e, (reg & 8 ? 0 : 0x80) | 0x40 | (rm & 8 ? 0 : 0x20) | in->map);
    put(e, insn_vex_w(in) << 7 | (~in->vvvv & 15u) << 3 | in->vex_l << 2 | in->vex_pp);
    put(e, in->opcode);
}

/* Prefixes that choose the instruction, escape bytes, opcode. */
static void put_opcode(struct encoder *e, const struct insn *in, unsigned rex)
{
    if (in->map != MAP_1B) {
        if (in->rep)
            put(e, in->rep); /* F2 and F3 win over 66 */
        else if (in->has_opsize_prefix)
            put(e, 0x66);
        if (rex)
            put(e, 0x40 | rex);
        put(e, 0x0f);
        if (in->map == MAP_0F38)
            put(e, 0x38);
        else if (in->map == MAP_0F3A)
            put(e, 0x3a);
    }
    put(e, in->opcode);
}

hostfp_code_t hostfp_encode(const struct insn *in, int *gpr)
{
    unsigned reg = in->reg, rm = in->rm, mod = 3;
    struct encoder e = {0};

    *gpr = -1;
    for (unsigned i = 0; i < ARRAY_SIZE(in->desc->operands); i++) {
        uint8_t kind = in->desc->operands[i];

        if (is_gpr_in_reg(kind)) {
            *gpr = (int)reg;
            reg = HOST_GPR;
        } else if (is_gpr_in_rm(kind) && !in->is_mem && in->map != MAP_1B) {
            *gpr = (int)rm;
            rm = HOST_GPR;
        }
    }
    if (in->is_mem) {
        mod = 0;
        rm = HOST_MEM;
    }
    if (in->vex)
        put_vex(&e, in, reg, rm);
    else
        put_opcode(&e, in, (in->rex & 8) | (reg & 8) >> 1 | (rm & 8) >> 3);
    if (in->has_modrm)
        put(&e, mod << 6 | (reg & 7) << 3 | (rm & 7));
    if (in->imm_len)
        put(&e, (unsigned)in->imm);
    put(&e, RET);
    return e.code;
}

/* After code was changed through another mapping (SDM 3A 8.1.3). */
static void serialize(void)
{
    unsigned a, b, c, d;

    __cpuid(0, a, b, c, d);
    (void)a, (void)b, (void)c, (void)d;
}

static const uint8_t *find_stub(struct hostfp *h, uint64_t code)
{
    unsigned slot = (unsigned)((code * 0x9e3779b97f4a7c15ull) >> 52), first = slot;
    uint64_t there;

    _Static_assert(SLOT_COUNT == 1u << 12, "the hash has 12 bits");
    for (unsigned i = 0; i < PROBES; i++, slot = (slot + 1) % SLOT_COUNT) {
        there = load_le(h->code.write + slot * SLOT_SIZE, 8);
        if (there == code)
            return h->code.exec + slot * SLOT_SIZE;
        if (!there)
            break;
    }
    if (there)
        slot = first;
    store_le(h->code.write + slot * SLOT_SIZE, 8, code);
    serialize();
    return h->code.exec + slot * SLOT_SIZE;
}

void hostfp_run(struct cpu *cpu, hostfp_code_t code, const uint8_t *from, uint8_t *to, struct hostfp_regs *regs, void *mem)
{
    struct hostfp_frame frame = {.from = from, .to = to, .mem = mem, .regs = *regs};

    frame.stub = find_stub(cpu->hostfp, code);
    hostfp_enter(&frame);
    *regs = frame.regs;
    memset(to + FX_FOP, 0, FX_MXCSR - FX_FOP);
}

/* --- exceptions of the host --- */

static _Thread_local struct {
    sigjmp_buf env;
    uint8_t *image;
} trap;

static void on_sigfpe(int signo, siginfo_t *info, void *context)
{
    memcpy(trap.image, ((ucontext_t *)context)->uc_mcontext.fpregs, FX_SIZE);
    siglongjmp(trap.env, 1);
}

bool hostfp_traps(struct cpu *cpu, hostfp_code_t code, const uint8_t *from, uint8_t *to, struct hostfp_regs *regs, void *mem)
{
    const struct sigaction action = {.sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction old;
    bool has_trapped;

    trap.image = to;
    sigaction(SIGFPE, &action, &old);
    has_trapped = sigsetjmp(trap.env, 0) != 0;
    if (!has_trapped)
        hostfp_run(cpu, code, from, to, regs, mem);
    sigaction(SIGFPE, &old, NULL);
    return has_trapped;
}
