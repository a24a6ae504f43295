/* Entry to and exit from translated code: generated once, at the start of the code cache, so that they know the offsets of
 * struct cpu without an assembler's help and are within reach of every block's rel32. */
#include "bt/fast.h"

#include <stddef.h>
#include "cpu/hostfp.h"

static const int callee_saved[] = {H_RBX, H_RBP, H_R12, H_R13, H_R14, H_R15};

static void push(struct emit *e, int r)
{
    if (r & 8)
        emit_u8(e, 0x41);
    emit_u8(e, (uint8_t)(0x50 | (r & 7)));
}

static void pop(struct emit *e, int r)
{
    if (r & 8)
        emit_u8(e, 0x41);
    emit_u8(e, (uint8_t)(0x58 | (r & 7)));
}

static void and_ri32(struct emit *e, int r, uint32_t imm)
{
    struct hinsn h = {.op = {0x81}, .n_op = 1, .has_modrm = true, .reg = 4, .rm = (uint8_t)r, .imm = imm, .imm_len = 4};

    emit_insn(e, &h);
}

static void or_rr32(struct emit *e, int dst, int src)
{
    struct hinsn h = {.op = {0x09}, .n_op = 1, .has_modrm = true, .reg = (uint8_t)src, .rm = (uint8_t)dst};

    emit_insn(e, &h);
}

static int host_of_guest(unsigned g)
{
    return g == REG_SP ? R_SP : (int)g;
}

/* R8D, bits of EFLAGS_NATIVE, to EFLAGS; changes RAX.  POPF takes some 30 cycles; SAHF and an addition that overflows or not do it
 * in a few, unless DF is set. */
static void gen_load_flags(struct bt *bt, struct emit *e)
{
    static const uint8_t quick[] = {0x44, 0x89, 0xc0,             /* mov  eax, r8d  */
                                    0x88, 0xc4,                   /* mov  ah, al    */
                                    0x41, 0x0f, 0xba, 0xe0, 0x0b, /* bt   r8d, 11   */
                                    0x0f, 0x92, 0xc0,             /* setc al        */
                                    0x04, 0x7f,                   /* add  al, 7Fh   */
                                    0x9e};                        /* sahf           */
    static const uint8_t test_df[] = {0x41, 0xf7, 0xc0, 0x00, 0x04, 0x00, 0x00}; /* test r8d, 400h */
    uint8_t *slow = NULL, *done = NULL;

    if (bt->has_sahf) {
        emit_bytes(e, test_df, sizeof(test_df));
        slow = emit_short(e, 5);
        emit_bytes(e, quick, sizeof(quick));
        done = emit_short(e, CC_JMP);
        emit_patch8(e, slow);
    }
    push(e, H_R8);
    emit_u8(e, 0x9d); /* popfq: IF and the other system flags are not ours to change at CPL 3 */
    if (done)
        emit_patch8(e, done);
}

/* R9D = [cpu->poll], which faults when somebody wants the CPU. */
static void gen_poll(struct emit *e)
{
    emit_load(e, H_R9, CPU_FIELD(poll), 8);
    emit_load(e, H_R9, HMEM(H_R9, 0), 4);
}

/* Guest state to where it is while translated code runs, and jump to R11. */
static void gen_load(struct bt *bt, struct emit *e)
{
    emit_load(e, H_RSP, HOT(ret_rsp), 8);
    emit_load(e, R_WINDOW_16, HOT(window_base), 8);
    emit_lea64(e, R_WINDOW_16, HMEM(R_WINDOW_16, WINDOW_BIAS));
    if (bt->is_counting)
        emit_load(e, R_COUNT, HOT(icount), 8);
    else
        emit_load(e, R_TABLE, HOT(jump_table), 8);
    emit_load(e, H_R8, CPU_FIELD(eflags), 4);
    emit_mov_rr32(e, H_R9, H_R8);
    and_ri32(e, H_R9, ~EFLAGS_NATIVE);
    emit_store(e, CPU_FIELD(eflags), H_R9, 4); /* inside, only the system flags live there */
    and_ri32(e, H_R8, EFLAGS_NATIVE);
    gen_load_flags(bt, e);
    emit_load(e, H_R8, CPU_FIELD(rip), 4);
    for (unsigned g = 0; g < 8; g++)
        emit_load(e, host_of_guest(g), CPU_GPR(g), 4);
    if (bt_has(bt, BT_ASYNC))
        gen_poll(e);
    emit_mov_rr64(e, H_R9, H_RCX); /* for an indirect entry */
    emit_jmp_reg(e, H_R11);
}

/* Upper halves of the guest's eight YMM registers: vinsertf128 / vextractf128 ymm, ymm/mem, [cpu->fpu + FX_YMM + 16 n], 1. */
static void move_upper_halves(struct emit *e, bool is_load)
{
    for (unsigned r = 0; r < 8; r++) {
        struct hinsn h = {.op = {is_load ? 0x18 : 0x19}, .n_op = 1, .has_modrm = true, .is_mem = true, .reg = (uint8_t)r,
                          .mem = CPU_AT(offsetof(struct cpu, fpu) + FX_YMM + 16 * r), .imm = 1, .imm_len = 1,
                          .vex_map = MAP_0F3A, .vex_pp = 1, .vex_l = 1, .vvvv = is_load ? (uint8_t)r : 0};

        emit_insn(e, &h);
    }
}

/* And back.  R8 and R10 are kept. */
static void gen_save(const struct bt *bt, struct emit *e)
{
    for (unsigned g = 0; g < 8; g++)
        emit_store(e, CPU_GPR(g), host_of_guest(g), 8);
    emit_u8(e, 0x9c); /* pushfq */
    pop(e, H_R11);
    emit_store(e, HOT(ret_rsp), H_RSP, 8);
    and_ri32(e, H_R11, EFLAGS_NATIVE);
    emit_load(e, H_R9, CPU_FIELD(eflags), 4);
    and_ri32(e, H_R9, ~EFLAGS_NATIVE);
    or_rr32(e, H_R11, H_R9);
    emit_store(e, CPU_FIELD(eflags), H_R11, 4);
    if (bt->is_counting)
        emit_store(e, HOT(icount), R_COUNT, 8);
}

/* int enter(struct cpu *rdi, const void *rsi): R8 = guest EIP, so that a block's indirect entry can verify it. */
static void gen_enter(struct bt *bt, struct emit *e)
{
    bt->enter = (int (*)(struct cpu *, const void *))(uintptr_t)emit_here(e);
    for (unsigned i = 0; i < 6; i++)
        push(e, callee_saved[i]);
    emit_lea64(e, R_CPU, HMEM(H_RDI, CPU_BIAS));
    emit_mov_rr64(e, H_R11, H_RSI);
    emit_store(e, HOT(host_rsp), H_RSP, 8);
    gen_load(bt, e);
}

/* The guest's FP state out of the host's registers, if it is there; C code gets a clean FPU.  RCX and flags are used. */
static void gen_save_fp(struct bt *bt, struct emit *e)
{
    static const uint8_t fninit[] = {0xdb, 0xe3}, vzeroupper[] = {0xc5, 0xf8, 0x77};
    uint8_t *skip, *skip_upper;

    emit_u8(e, 0xfc); /* cld */
    emit_load(e, H_RCX, HOT(fp_loaded), 4);
    struct hinsn test = {.op = {0x85}, .n_op = 1, .has_modrm = true, .reg = H_RCX, .rm = H_RCX};
    emit_insn(e, &test); /* flags are free here */
    skip = emit_near(e, 4); /* jz */
    if (bt->has_avx) {
        emit_lea32(e, H_RCX, HMEM(H_RCX, -1));
        skip_upper = emit_short(e, CC_JECXZ);
        move_upper_halves(e, false);
        emit_bytes(e, vzeroupper, sizeof(vzeroupper)); /* for C code's SSE instructions */
        emit_patch8(e, skip_upper);
    }
    struct hinsn fxsave = {.rex_w = true, .op = {0x0f, 0xae}, .n_op = 2, .has_modrm = true, .is_mem = true, .reg = 0,
                           .mem = CPU_FIELD(fpu)};
    emit_insn(e, &fxsave);
    /* FIP and FDP are host addresses: the guest must never see them.  C code gets a clean FPU. */
    emit_store_imm(e, CPU_AT(offsetof(struct cpu, fpu) + 6), 0, 2);
    emit_store_imm(e, CPU_AT(offsetof(struct cpu, fpu) + 8), 0, 8);
    emit_store_imm(e, CPU_AT(offsetof(struct cpu, fpu) + 16), 0, 8);
    emit_bytes(e, fninit, 2);
    struct hinsn ldmxcsr = {.op = {0x0f, 0xae}, .n_op = 2, .has_modrm = true, .is_mem = true, .reg = 2,
                            .mem = HOT(mxcsr_default)};
    emit_insn(e, &ldmxcsr);
    emit_store_imm(e, HOT(fp_loaded), 0, 8);
    emit_patch32(e, skip);
}

/* Common exit: R10 = reason.  From a signal the registers are saved already (stub_signal). */
static void gen_exit(struct bt *bt, struct emit *e)
{
    bt->stub_exit = emit_here(e);
    gen_save(bt, e);
    bt->stub_signal = emit_here(e);
    gen_save_fp(bt, e);
    emit_load(e, H_RSP, HOT(host_rsp), 8);
    emit_mov_rr32(e, H_RAX, H_R10);
    for (int i = 5; i >= 0; i--)
        pop(e, callee_saved[i]);
    emit_ret(e);
}

static const uint8_t *gen_reason(struct bt *bt, struct emit *e, enum exit_reason reason)
{
    const uint8_t *p = emit_here(e);

    emit_mov_ri32(e, H_R10, reason);
    emit_jmp(e, bt->stub_exit);
    return p;
}

/* Entered by call: the return address, on the return stack, is the address of the site's data. */
static const uint8_t *gen_site(struct bt *bt, struct emit *e, enum exit_reason reason)
{
    const uint8_t *p = emit_here(e);

    pop(e, H_R8);
    emit_store(e, HOT(resume), H_R8, 8);
    emit_mov_ri32(e, H_R10, reason);
    emit_jmp(e, bt->stub_exit);
    return p;
}

/* Sanitizers and coverage call functions of their runtime that use vector registers, whatever the file was compiled for. */
#ifdef RINGER_INSTRUMENTED
static void keep_fp(struct bt *bt, struct emit *e, bool is_load)
{
    const uint64_t area = (uint64_t)(uintptr_t)bt->fast_fp;
    struct hinsn move = {.rex_w = true, .op = {0x0f, 0xae}, .n_op = 2, .has_modrm = true, .is_mem = true, .mem = HMEM(H_RCX, 0)};

    if (bt->has_avx)
        move.reg = is_load ? 5 : 4; /* XRSTOR, XSAVE */
    else
        move.reg = is_load ? 1 : 0; /* FXRSTOR, FXSAVE */
    emit_u8(e, 0x48);                                               /* mov rcx, area                */
    emit_u8(e, 0xb9);
    emit_bytes(e, &area, sizeof(area));
    emit_mov_ri32(e, H_RAX, 7);                                     /* x87, XMM, YMM                */
    emit_mov_ri32(e, H_RDX, 0);
    emit_insn(e, &move);
}
#else
static void keep_fp(struct bt *bt, struct emit *e, bool is_load) {}
#endif

/* r11 = target(bt, RSI), with DF clear. */
static void gen_call_c(struct emit *e, const void *target)
{
    const uint64_t address = (uint64_t)(uintptr_t)target;

    emit_u8(e, 0xfc);                                               /* cld                          */
    emit_load(e, H_RSP, HOT(host_rsp), 8);
    emit_lea64(e, H_RSP, HMEM(H_RSP, -8));                          /* aligned for C                */
    emit_load(e, H_RDI, HOT(bt), 8);
    emit_u8(e, 0x48);                                               /* mov rax, target              */
    emit_u8(e, 0xb8);
    emit_bytes(e, &address, sizeof(address));
    emit_u8(e, 0xff);                                               /* call rax                     */
    emit_u8(e, 0xd0);
    emit_mov_rr64(e, H_R11, H_RAX);
}

/* A jump if R11 is an exit reason. */
static uint8_t *gen_is_reason(struct emit *e)
{
    struct hinsn cmp = {.rex_w = true, .op = {0x83}, .n_op = 1, .has_modrm = true, .reg = 7, .rm = H_R11, .imm = EXIT_REASONS, .imm_len = 1};
    emit_insn(e, &cmp);                                             /* cmp r11, EXIT_REASONS        */
    return emit_near(e, 2);                                         /* jb  leave                    */
}

/* To host address R11; those who jump to leave go out with the reason in it. */
static void gen_go_on(struct bt *bt, struct emit *e, uint8_t *leave)
{
    gen_load(bt, e);
    emit_patch32(e, leave);
    emit_mov_rr32(e, H_R10, H_R11);
    emit_jmp(e, bt->stub_signal);
}

/* target(bt, R8) while the guest's FP state stays in the host's registers; then on to where it says, or out with the reason it gives. */
static void gen_fast_call(struct bt *bt, struct emit *e, const void *target)
{
    uint8_t *leave;

    gen_save(bt, e);
    keep_fp(bt, e, false);
    emit_mov_rr64(e, H_RSI, H_R8);
    gen_call_c(e, target);
    keep_fp(bt, e, true);
    leave = gen_is_reason(e);
    gen_go_on(bt, e, leave);
}

/* Entered by call, like gen_site(). */
static void gen_fast(struct bt *bt, struct emit *e)
{
    bt->stub_fast = emit_here(e);
    pop(e, H_R8);
    emit_store(e, HOT(resume), H_R8, 8);
    gen_fast_call(bt, e, fast_callout);
}

/* R8 = guest EIP wanted, R9 = RCX. */
static void gen_miss(struct bt *bt, struct emit *e)
{
    bt->stub_miss = emit_here(e);
    emit_mov_rr64(e, H_RCX, H_R9);
    emit_store(e, CPU_FIELD(rip), H_R8, 8);
    gen_fast_call(bt, e, fast_miss);
}

/* Entered by call, with R8 = guest EIP wanted. */
static void gen_predict(struct bt *bt, struct emit *e)
{
    bt->stub_predict = emit_here(e);
    pop(e, H_R10);
    emit_store(e, CPU_FIELD(rip), H_R8, 8);
    emit_mov_rr64(e, H_R8, H_R10);
    gen_fast_call(bt, e, fast_predict);
}

/* target(bt, resume) with the guest's FP state saved, if it was in the host's registers; it is there again when code goes on. */
static void gen_saving_call(struct bt *bt, struct emit *e, const void *target)
{
    struct hinsn fxrstor = {.rex_w = true, .op = {0x0f, 0xae}, .n_op = 2, .has_modrm = true, .is_mem = true, .reg = 1, .mem = CPU_FIELD(fpu)};
    uint8_t *leave, *none, *no_upper;

    gen_save(bt, e);
    emit_load(e, H_RCX, HOT(fp_loaded), 8);
    emit_store(e, HOT(soft_fp), H_RCX, 8);
    gen_save_fp(bt, e);
    emit_load(e, H_RSI, HOT(resume), 8);
    gen_call_c(e, target);
    leave = gen_is_reason(e);
    emit_load(e, H_RCX, HOT(soft_fp), 8);
    none = emit_short(e, CC_JECXZ);
    emit_store(e, HOT(fp_loaded), H_RCX, 8);
    emit_insn(e, &fxrstor);
    if (bt->has_avx) {
        emit_lea32(e, H_RCX, HMEM(H_RCX, -1));
        no_upper = emit_short(e, CC_JECXZ);
        move_upper_halves(e, true);
        emit_patch8(e, no_upper);
    }
    emit_patch8(e, none);
    gen_go_on(bt, e, leave);
}

/* Entered by call, with R8 = guest linear address and ECX in soft_rcx. */
static void gen_soft(struct bt *bt, struct emit *e)
{
    bt->stub_soft = emit_here(e);
    pop(e, H_R9);
    emit_store(e, HOT(resume), H_R9, 8);
    emit_store(e, HOT(soft_gla), H_R8, 8);
    emit_load(e, H_RCX, HOT(soft_rcx), 8);
    gen_saving_call(bt, e, soft_miss);
}

/* Entered by call, like gen_site(). */
static void gen_io(struct bt *bt, struct emit *e)
{
    bt->stub_io = emit_here(e);
    pop(e, H_R8);
    emit_store(e, HOT(resume), H_R8, 8);
    gen_saving_call(bt, e, fast_io);
}

static void gen_gates(struct bt *bt, struct emit *e)
{
    bt->gate_ok = emit_here(e);
    emit_ret(e);
    bt->gate_load = emit_here(e);
    struct hinsn fxrstor = {.rex_w = true, .op = {0x0f, 0xae}, .n_op = 2, .has_modrm = true, .is_mem = true, .reg = 1,
                            .mem = CPU_FIELD(fpu)};
    emit_insn(e, &fxrstor);
    emit_store_imm(e, HOT(fp_loaded), 1, 8);
    emit_load(e, H_R8, HOT(fp_gate_loaded), 8);
    emit_store(e, HOT(fp_gate), H_R8, 8);
    emit_load(e, H_R8, HOT(sse_gate_loaded), 8);
    emit_store(e, HOT(sse_gate), H_R8, 8);
    emit_load(e, H_R8, HOT(avx_gate_loaded), 8);
    emit_store(e, HOT(avx_gate), H_R8, 8);
    emit_ret(e);
    if (bt->has_avx) {
        bt->gate_load_avx = emit_here(e); /* open only where the others are; goes on into the next */
        emit_insn(e, &fxrstor);
        bt->gate_load_upper = emit_here(e);
        move_upper_halves(e, true);
        emit_store_imm(e, HOT(fp_loaded), 2, 8);
        emit_load(e, H_R8, HOT(fp_gate_loaded), 8);
        emit_store(e, HOT(fp_gate), H_R8, 8);
        emit_store(e, HOT(sse_gate), H_R8, 8);
        emit_store(e, HOT(avx_gate), H_R8, 8);
        emit_ret(e);
    }
    bt->gate_block = gen_site(bt, e, EXIT_GATE);
}

void stubs_generate(struct bt *bt)
{
    struct emit *e = &bt->e;
    uint8_t *over;

    gen_enter(bt, e);
    gen_exit(bt, e);
    bt->stub_lookup = gen_reason(bt, e, EXIT_LOOKUP);
    gen_miss(bt, e);
    gen_predict(bt, e);
    bt->stub_chain = gen_site(bt, e, EXIT_CHAIN);
    bt->stub_callout = gen_site(bt, e, EXIT_CALLOUT);
    gen_fast(bt, e);
    gen_soft(bt, e);
    gen_io(bt, e);
    bt->stub_return_miss = emit_here(e); /* as stub_indirect, but R9 = RCX */
    emit_mov_rr64(e, H_RCX, H_R9);
    over = emit_short(e, CC_JMP);
    bt->stub_underflow = emit_here(e); /* the return stack is empty: stay at its top */
    emit_load(e, H_RSP, HOT(ret_top), 8);
    emit_patch8(e, over);
    bt->stub_indirect = emit_here(e); /* R8 = guest EIP wanted; polls, since returns that mispredict may form loops */
    if (!bt_has(bt, BT_ASYNC))
        gen_poll(e);
    emit_jump_entry(bt, e);
    emit_jmp_reg(e, H_R10);
    bt->stub_indirect_end = emit_here(e);
    gen_gates(bt, e);
    segments_generate(bt, e);
}
