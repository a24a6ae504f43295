/* The host CPU as oracle: every unprivileged instruction that cpu/ops_*.c implement runs natively and through decoder and
 * semantics function from the same random state, and must leave the same registers, flags, FP state and memory.
 *
 * The native run is in compatibility mode (a far call to Linux's 32-bit user code segment), so the bytes are the same
 * and even AAA or PUSHA can run.  Code, state and data lie below 4 GiB; the guest is flat, without paging, and has RAM
 * at the same linear addresses.  Memory operands use EDI and ESI.  What the guest CPU refuses (#DE, #XM) is not run
 * natively.  SEED and ROUNDS in the environment make it search longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define REG_R8 UCONTEXT_R8 /* <ucontext.h>, below <signal.h>, has names like enum gpr */
#define REG_R15 UCONTEXT_R15
#include <signal.h>
#include <sys/wait.h>
#undef REG_R8
#undef REG_R15
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cpu/avx.h"
#include "cpu/cpu.h"
#include "cpu/cpuid.h"
#include "cpu/hostfp.h"
#include "cpu/mem.h"
#include "cpu/ops.h"
#include "cpu/optable.h"

#define ARENA_SIZE 0x4000
#define CODE_OFFSET 0x0000
#define STATE_OFFSET 0x1000
#define STACK_OFFSET 0x2000 /* host stack while in 32-bit code, growing down */
#define DATA_OFFSET 0x3000
#define DATA_SIZE 0x1000
#define CS_COMPAT 0x23 /* Linux's __USER32_CS */
#define DS_USER 0x2b
#define GUEST_RIP 0x1000

/* Written and read by the generated code at fixed addresses. */
struct native {
    uint32_t gpr[8];
    uint32_t eflags;
    uint32_t save_esp;
    uint64_t host_rsp;
    struct {
        uint32_t off;
        uint16_t sel;
    } __attribute__((packed)) entry;
    uint8_t fx[XSAVE_SIZE] __attribute__((aligned(64))); /* FXSAVE image; upper halves of YMM at FX_YMM */
};

struct fixture {
    uint8_t *arena, *code;
    struct native *st;
    uint8_t *data;
    uint32_t data_gla;
    void (*call_native)(void);
    uint8_t *at; /* of the generator */

    struct guestmem *mem;
    struct space *space, *ports;
    struct clock *clock;
    struct cpu *cpu;
    uint8_t *guest_data;

    uint64_t random;
    unsigned rounds, cases, forms;
};

/* --- random values --- */

static uint64_t next_random(struct fixture *f)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return f->random;
}

static unsigned below(struct fixture *f, unsigned n)
{
    return (unsigned)(next_random(f) >> 20) % n;
}

static uint32_t interesting(struct fixture *f)
{
    static const uint32_t values[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};

    switch (below(f, 4)) {
    case 0:
        return values[below(f, ARRAY_SIZE(values))];
    case 1:
        return below(f, 256);
    default:
        return (uint32_t)(next_random(f) >> 16);
    }
}

static uint64_t interesting_double(struct fixture *f)
{
    static const uint64_t values[] = {0, 1ull << 63, 0x3ff0000000000000, 0x7ff0000000000000, 0xfff8000000000000,
                                      0x7ff0000000000001, 1, 0x000fffffffffffff, 0xc000000000000000};

    return below(f, 2) ? values[below(f, ARRAY_SIZE(values))] : (next_random(f) & ~(0x7full << 56)) | 0x3full << 56;
}

/* --- generated code --- */

static void emit(struct fixture *f, const char *bytes, unsigned n)
{
    memcpy(f->at, bytes, n);
    f->at += n;
}

static void emit_address(struct fixture *f, const char *bytes, unsigned n, const void *address)
{
    emit(f, bytes, n);
    store_le(f->at, 4, (uint64_t)(uintptr_t)address);
    f->at += 4;
}

/* The 64-bit side: save registers, go to a stack below 4 GiB, far call; return the same way. */
static void emit_trampoline(struct fixture *f)
{
    f->at = f->code;
    emit(f, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x9c", 11);               /* push rbx rbp r12-r15; pushf */
    emit_address(f, "\x48\x89\x24\x25", 4, &f->st->host_rsp);                 /* mov [host_rsp], rsp */
    emit_address(f, "\xbc", 1, f->arena + DATA_OFFSET - 64);                  /* mov esp, stack */
    emit_address(f, "\xff\x1c\x25", 3, &f->st->entry);                        /* call far [entry] */
    emit_address(f, "\x48\x8b\x24\x25", 4, &f->st->host_rsp);                 /* mov rsp, [host_rsp] */
    emit(f, "\x9d\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12);
    f->call_native = (void (*)(void))(uintptr_t)f->code;
    f->st->entry.off = (uint32_t)(uintptr_t)(f->code + 0x100);
    f->st->entry.sel = CS_COMPAT;
}

/* Upper halves: vinsertf128 ymm, ymm, [..], 1 or vextractf128 [..], ymm, 1. */
static void emit_ymm(struct fixture *f, bool is_load)
{
    for (unsigned i = 0; i < 8 && __builtin_cpu_supports("avx"); i++) {
        const char move[] = {'\xc4', '\xe3', (char)(is_load ? 0x7d ^ i << 3 : 0x7d), is_load ? 0x18 : 0x19, (char)(0x05 | i << 3)};

        emit_address(f, move, sizeof(move), f->st->fx + FX_YMM + 16 * i);
        emit(f, "\x01", 1);
    }
}

/* The 32-bit side: state in, the instruction, state out. */
static void emit_body(struct fixture *f, const uint8_t *insn, unsigned len)
{
    static const char load[8][2] = {"\x8b\x05", "\x8b\x0d", "\x8b\x15", "\x8b\x1d", "\x8b\x25", "\x8b\x2d", "\x8b\x35", "\x8b\x3d"};
    static const char store[8][2] = {"\x89\x05", "\x89\x0d", "\x89\x15", "\x89\x1d", "\x89\x25", "\x89\x2d", "\x89\x35", "\x89\x3d"};

    f->at = f->code + 0x100;
    emit_address(f, "\x89\x25", 2, &f->st->save_esp);     /* mov [save_esp], esp */
    emit_address(f, "\x0f\xae\x0d", 3, f->st->fx);        /* fxrstor [fx] */
    emit_ymm(f, true);
    emit_address(f, "\xbc", 1, &f->st->eflags);           /* mov esp, &eflags */
    emit(f, "\x9d", 1);                                   /* popf */
    for (unsigned i = 0; i < 8; i++)
        emit_address(f, load[i], 2, &f->st->gpr[i]);
    emit(f, (const char *)insn, len);
    for (unsigned i = 0; i < 8; i++)
        emit_address(f, store[i], 2, &f->st->gpr[i]);
    emit_address(f, "\xbc", 1, &f->st->eflags + 1);       /* mov esp, &eflags + 4 */
    emit(f, "\x9c\xfc", 2);                               /* pushf; cld */
    emit_address(f, "\x0f\xae\x05", 3, f->st->fx);        /* fxsave [fx] */
    emit_ymm(f, false);
    emit(f, "\xdb\xe3", 2);                               /* fninit */
    emit_address(f, "\x8b\x25", 2, &f->st->save_esp);     /* mov esp, [save_esp] */
    emit(f, "\xcb", 1);                                   /* retf */
}

static void run_native(struct fixture *f)
{
    uint32_t host_mxcsr;

    __asm__ volatile("stmxcsr %0" : "=m"(host_mxcsr));
    f->call_native();
    __asm__ volatile("ldmxcsr %0" : : "m"(host_mxcsr));
}

/* --- the guest CPU --- */

static void make_flat(struct cpu *cpu)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i].base = 0;
        cpu->seg[i].limit = 0xffffffff;
        cpu->seg[i].sel = 8;
        cpu->seg[i].attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED | SEG_ATTR_DB | SEG_ATTR_G;
        cpu->seg[i].is_null = 0;
    }
    cpu->seg[SEG_CS].attr |= SEG_ATTR_CODE;
    cpu->paging.cr0 = CR0_PE | CR0_ET | CR0_NE;
    cpu->paging.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (cpu_has_feature(cpu, FEAT_XSAVE) ? CR4_OSXSAVE : 0);
    cpu->xcr0 = xcr0_supported(cpu);
    tlb_flush_all(cpu);
    cpu_update_mode(cpu);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct cpu_board board = {0};
    int64_t off;

    f->random = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) * 2 + 1 : 0x123456789abcdefull;
    f->rounds = getenv("ROUNDS") ? (unsigned)atoi(getenv("ROUNDS")) : 6;
    f->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (f->arena == MAP_FAILED)
        return -1;
    f->code = f->arena + CODE_OFFSET;
    f->st = (struct native *)(f->arena + STATE_OFFSET);
    f->data = f->arena + DATA_OFFSET;
    f->data_gla = (uint32_t)(uintptr_t)f->data;
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(DS_USER));
    emit_trampoline(f);

    f->mem = guestmem_create(MIB(1));
    f->space = space_create(GIB(4), f->mem);
    f->ports = space_create(KIB(64), NULL);
    f->clock = clock_create_manual();
    off = guestmem_alloc(f->mem, DATA_SIZE);
    if (off < 0 || space_map_mem(f->space, f->data_gla, DATA_SIZE, (uint64_t)off, (uint64_t)off, SPACE_R | SPACE_W))
        return -1;
    f->guest_data = guestmem_view(f->mem) + off;
    board.mem = f->space;
    board.ports = f->ports;
    board.clock = f->clock;
    board.guestmem = f->mem;
    f->cpu = cpu_create(&board);
    make_flat(f->cpu);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    cpu_destroy(f->cpu);
    clock_destroy(f->clock);
    space_destroy(f->ports);
    space_destroy(f->space);
    guestmem_destroy(f->mem);
    munmap(f->arena, ARENA_SIZE);
    free(f);
    return 0;
}

/* Is there a 32-bit code segment, and may we go there?  Asked of a child. */
static bool host_has_compat_mode(struct fixture *f)
{
    static const uint8_t nop = 0x90;
    int status;
    pid_t child;

    f->st->eflags = 0x202;
    store_le(f->st->fx + FX_FCW, 2, 0x37f);
    store_le(f->st->fx + FX_MXCSR, 4, 0x1f80);
    emit_body(f, &nop, 1);
    child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        run_native(f);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- random states --- */

static void randomize_fx(struct fixture *f)
{
    uint8_t *fx = f->st->fx;
    uint32_t fcw, fsw;

    fcw = 0x40 | below(f, 16) << 8 | (below(f, 4) ? 0x3f : below(f, 64));
    fsw = (uint32_t)next_random(f) & 0x7f00 & ~0u; /* TOP and condition codes */
    fsw |= (uint32_t)below(f, 128) & fcw & 0x7f;   /* flags of masked exceptions only: nothing pending */
    memset(fx, 0, sizeof(f->st->fx));
    store_le(fx + FX_FCW, 2, fcw);
    store_le(fx + FX_FSW, 2, fsw);
    store_le(fx + FX_FTW, 1, below(f, 3) ? 0xff : below(f, 256));
    store_le(fx + FX_MXCSR, 4, (below(f, 4) ? 0x1f80 : below(f, 64) << 7) | below(f, 8) << 13 | (below(f, 2) ? 0x40 : 0) | below(f, 64));
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa = next_random(f), exponent = below(f, 4) ? 0x3ff0 + below(f, 32) : next_random(f);

        if (below(f, 4) == 0) {
            static const uint64_t mantissas[] = {0, 1, 1ull << 63, 3ull << 62, 0xa000000000000000};

            mantissa = mantissas[below(f, 5)];
            exponent = below(f, 2) ? 0x7fff : below(f, 2) ? 0 : 0x3fff;
        } else {
            mantissa |= 1ull << 63;
        }
        store_le(fx + FX_ST + 16 * i, 8, mantissa);
        store_le(fx + FX_ST + 16 * i + 8, 2, exponent ^ (below(f, 2) ? 0x8000 : 0));
        for (unsigned k = 0; k < 4; k++) {
            uint64_t v = below(f, 2) ? interesting_double(f) : (uint64_t)interesting(f) << 32 | interesting(f);

            if (below(f, 3) == 0) /* ordinary single-precision numbers */
                v = (v & 0x8fffffff8fffffff) | 0x3000000030000000;
            if (k < 2 || __builtin_cpu_supports("avx"))
                store_le(fx + (k < 2 ? FX_XMM : FX_YMM) + 16 * i + 8 * (k & 1), 8, v);
        }
    }
}

/* mask: 1 makes neighbouring elements equal often enough for CMPS and SCAS. */
static void randomize_data(struct fixture *f, uint64_t mask)
{
    for (unsigned i = 0; i < DATA_SIZE; i += 8)
        store_le(f->data + i, 8, below(f, 4) ? next_random(f) & mask : interesting_double(f) & mask);
    memcpy(f->guest_data, f->data, DATA_SIZE);
}

static uint32_t pointer(struct fixture *f)
{
    return f->data_gla + DATA_SIZE / 2 + 16 * below(f, 16);
}

static bool is_one_of(const struct insn *in, insn_fn *const *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (in->desc->exec == list[i])
            return true;
    return false;
}
#define IS_ONE_OF(in, ...) is_one_of(in, (insn_fn *const[]){__VA_ARGS__}, ARRAY_SIZE(((insn_fn *const[]){__VA_ARGS__})))

static bool is_bit_string(const struct insn *in)
{
    return IS_ONE_OF(in, op_bt, op_bts, op_btr, op_btc) && in->is_mem;
}

static void randomize_registers(struct fixture *f, const struct insn *in)
{
    uint32_t *gpr = f->st->gpr;

    for (unsigned i = 0; i < 8; i++)
        gpr[i] = interesting(f);
    if (in->desc->attr & ATTR_VSIB) /* small indices */
        for (unsigned i = 0; i < 4; i++)
            store_le(f->st->fx + (i < 2 ? FX_XMM : FX_YMM) + 16 * in->vindex + 8 * (i & 1), 8,
                     in->opcode & 1 ? below(f, 64) : (uint64_t)below(f, 64) << 32 | below(f, 64));
    if (in->is_mem || in->desc->operands[0] == Yb || IS_ONE_OF(in, op_maskmov)) {
        gpr[REG_SI] = pointer(f);
        gpr[REG_DI] = pointer(f);
        if (in->has_sib)
            gpr[REG_CX] = below(f, 8);
    }
    if (IS_ONE_OF(in, op_movs, op_cmps, op_scas, op_stos, op_lods)) {
        gpr[REG_SI] = pointer(f);
        gpr[REG_DI] = gpr[REG_SI] + below(f, 128) - 64;
        gpr[REG_CX] = below(f, 4) ? below(f, 40) : 0;
        gpr[REG_AX] &= 0x01010101;
    } else if (IS_ONE_OF(in, op_xlat)) {
        gpr[REG_BX] = pointer(f);
    } else if (IS_ONE_OF(in, op_push, op_pop, op_pusha, op_popa, op_enter, op_leave)) {
        gpr[REG_SP] = pointer(f);
        gpr[REG_BP] = pointer(f) + below(f, 8);
    } else if (is_bit_string(in)) {
        for (unsigned i = 0; i < 8; i++)
            if ((int)i != in->base && (int)i != in->index)
                gpr[i] = below(f, 8192) - 4096;
    } else if (IS_ONE_OF(in, op_div, op_idiv) && below(f, 2)) {
        gpr[REG_DX] = below(f, 2) ? 0 : gpr[REG_AX] >> 31 ? UINT32_MAX : 0;
    } else if (IS_ONE_OF(in, op_cmpxchg) && below(f, 2)) {
        gpr[REG_AX] = in->is_mem ? (uint32_t)load_le(f->data + (gpr[in->rm] - f->data_gla) % (DATA_SIZE - 4), 4) : gpr[in->rm];
    }
    f->st->eflags = ((uint32_t)next_random(f) & EFLAGS_STATUS) | EFLAGS_1 | EFLAGS_IF;
    if (in->desc->attr & ATTR_REP)
        f->st->eflags |= (uint32_t)next_random(f) & EFLAGS_DF;
}

/* --- one case --- */

static void load_guest(struct fixture *f)
{
    for (unsigned i = 0; i < 8; i++)
        f->cpu->gpr[i] = f->st->gpr[i];
    f->cpu->eflags = f->st->eflags;
    memcpy(f->cpu->fpu, f->st->fx, XSAVE_SIZE);
    f->cpu->event.is_pending = false;
}

/* False: the instruction faults. */
static bool run_guest(struct fixture *f, const struct insn *in)
{
    struct cpu *cpu = f->cpu;

    do {
        cpu->rip = GUEST_RIP;
        cpu->next_rip = GUEST_RIP + in->len;
        if (!in->desc->exec(cpu, in))
            return false;
    } while (cpu->next_rip == cpu->rip);
    return true;
}

struct snapshot {
    uint32_t gpr[8], eflags;
    uint8_t fx[XSAVE_SIZE];
};

static void print_case(struct fixture *f, const struct insn *in, const struct snapshot *before)
{
    static const char names[8][4] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    char text[64];

    disasm(text, sizeof(text), in->bytes, in->len, GUEST_RIP, 4);
    print_error("%s\n        before   native   ringer\n", text);
    for (unsigned i = 0; i < 8; i++)
        print_error("%s     %08x %08x %08x\n", names[i], before->gpr[i], f->st->gpr[i], (unsigned)f->cpu->gpr[i]);
    print_error("eflags  %08x %08x %08x\n", before->eflags, f->st->eflags, f->cpu->eflags);
    for (unsigned i = 0; i < FX_YMM + 128; i++)
        if ((i < FX_XMM + 128 || i >= FX_YMM) && f->st->fx[i] != f->cpu->fpu[i] && (i < FX_FOP || i >= FX_MXCSR) && i / 4 != FX_MXCSR_MASK / 4)
            print_error("fx %3u  %02x %02x %02x\n", i, before->fx[i], f->st->fx[i], f->cpu->fpu[i]);
    for (unsigned i = 0; i < DATA_SIZE; i++)
        if (f->data[i] != f->guest_data[i])
            print_error("data %08x native %02x ringer %02x\n", f->data_gla + i, f->data[i], f->guest_data[i]);
}

static bool is_fx_equal(const uint8_t *a, const uint8_t *b)
{
    if (memcmp(a, b, FX_FOP) || memcmp(a + FX_MXCSR, b + FX_MXCSR, 4) || memcmp(a + FX_XMM, b + FX_XMM, 128) ||
        memcmp(a + FX_YMM, b + FX_YMM, 128))
        return false;
    for (unsigned i = 0; i < 8; i++)
        if (memcmp(a + FX_ST + 16 * i, b + FX_ST + 16 * i, 10))
            return false;
    return true;
}

static bool is_equal(struct fixture *f)
{
    uint32_t flags = EFLAGS_STATUS | EFLAGS_DF;

    for (unsigned i = 0; i < 8; i++)
        if (f->cpu->gpr[i] != f->st->gpr[i])
            return false;
    return (f->cpu->eflags & flags) == (f->st->eflags & flags) && is_fx_equal(f->st->fx, f->cpu->fpu) &&
           !memcmp(f->data, f->guest_data, DATA_SIZE);
}

static void run_case(struct fixture *f, const struct insn *in)
{
    struct snapshot before;

    randomize_data(f, in->desc->attr & ATTR_REP ? 0x0101010101010101 : UINT64_MAX);
    randomize_fx(f);
    randomize_registers(f, in);
    memcpy(before.gpr, f->st->gpr, sizeof(before.gpr));
    before.eflags = f->st->eflags;
    memcpy(before.fx, f->st->fx, sizeof(before.fx));
    load_guest(f);
    if (!run_guest(f, in))
        return;
    emit_body(f, in->bytes, in->len);
    run_native(f);
    f->cases++;
    if (!is_equal(f)) {
        print_case(f, in, &before);
        fail();
    }
}

/* --- forms --- */

/* Decode prefix, opcode, ModRM and what must follow, with random immediates. */
static bool make_insn(struct fixture *f, struct insn *in, const uint8_t *head, unsigned n, unsigned modrm)
{
    uint8_t bytes[15];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)next_random(f);
    memcpy(bytes, head, n);
    bytes[n] = (uint8_t)modrm;
    if (modrm >> 6 != 3 && (modrm & 7) == 4)
        bytes[n + 1] = (uint8_t)(below(f, 4) << 6 | REG_CX << 3 | REG_DI);
    if (insn_decode(in, bytes, sizeof(bytes), 4) != DECODE_OK)
        return false;
    if (IS_ONE_OF(in, op_enter)) { /* small frames */
        bytes[n + 1] = 0;
        bytes[n + 2] &= 0x83;
        return insn_decode(in, bytes, sizeof(bytes), 4) == DECODE_OK;
    }
    if (in->desc->operands[0] == Ob || in->desc->operands[0] == Ov || in->desc->operands[1] == Ob || in->desc->operands[1] == Ov) {
        store_le(bytes + n, 4, pointer(f));
        return insn_decode(in, bytes, sizeof(bytes), 4) == DECODE_OK;
    }
    /* without the features F3 BC and F3 BD are BSF and BSR, on a host that has them they are not */
    if (IS_ONE_OF(in, op_tzcnt, op_lzcnt) && !cpu_has_feature(f->cpu, IS_ONE_OF(in, op_tzcnt) ? FEAT_BMI1 : FEAT_LZCNT))
        return false;
    return cpu_has_feature(f->cpu, in->desc->feature);
}

/* All ModRM.reg values (or one, without ModRM), as register and memory forms. */
static void run_forms(struct fixture *f, const uint8_t *head, unsigned n, bool (*is_wanted)(const struct insn *in))
{
    struct insn in;

    for (unsigned form = 0; form < 32; form++) {
        /* register, [edi], [esi+disp8], [edi+ecx*n] */
        static const uint8_t memory[4] = {0, 0x07, 0x46, 0x04};

        for (unsigned round = 0; round < f->rounds; round++) {
            unsigned reg = form / 4 << 3, kind = form % 4;
            unsigned modrm = kind ? memory[kind] | reg : 0xc0 | reg | below(f, 8);

            if (!make_insn(f, &in, head, n, modrm) || !is_wanted(&in))
                break;
            if (!in.has_modrm && kind)
                break;
            if (is_bit_string(&in) && in.reg == in.base && in.desc->operands[1] == Gv)
                break; /* too far away */
            if (round == 0)
                f->forms++;
            run_case(f, &in);
        }
    }
}

/* The opcode, after each list of prefixes. */
static void run_opcode(struct fixture *f, enum insn_map map, unsigned opcode, const char *prefixes, bool (*is_wanted)(const struct insn *))
{
    uint8_t head[8];
    unsigned n = 0;

    for (const char *p = prefixes; *p; p++)
        head[n++] = (uint8_t)*p;
    if (map != MAP_1B)
        head[n++] = 0x0f;
    if (map == MAP_0F38 || map == MAP_0F3A)
        head[n++] = map == MAP_0F38 ? 0x38 : 0x3a;
    head[n++] = (uint8_t)opcode;
    run_forms(f, head, n, is_wanted);
}

static bool is_prefix_or_escape(enum insn_map map, unsigned opcode)
{
    switch (opcode) {
    case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3:
    case 0x0f:
        return map == MAP_1B;
    case 0x38: case 0x3a:
        return map == MAP_0F;
    default:
        return false;
    }
}

static void run_map(struct fixture *f, enum insn_map map, bool (*is_wanted)(const struct insn *))
{
    static const char *const prefixes[] = {"", "\x66", "\xf3", "\xf2", "\x66\xf3", "\x66\xf2"};

    for (unsigned opcode = 0; opcode < 256; opcode++)
        for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++)
            if (!is_prefix_or_escape(map, opcode))
                run_opcode(f, map, opcode, prefixes[i], is_wanted);
}

/* --- VEX --- */

/* C4h with every field that matters, and random ones that do not: B, and the top of vvvv. */
static unsigned put_vex(struct fixture *f, uint8_t *head, unsigned map, unsigned fields, unsigned opcode, unsigned vvvv)
{
    head[0] = 0xc4;
    head[1] = (uint8_t)(0xc0 | below(f, 2) << 5 | map);
    head[2] = (uint8_t)((fields & 0x87) | (vvvv ? below(f, 2) << 6 : 0x40) | (~vvvv & 7) << 3);
    head[3] = (uint8_t)opcode;
    return 4;
}

static void run_vex_map(struct fixture *f, enum insn_map map, bool (*is_wanted)(const struct insn *))
{
    for (unsigned opcode = 0; opcode < 256; opcode++)
        for (unsigned fields = 0; fields < 16; fields++) /* W L pp */
            for (unsigned k = 0; k < 2; k++) {
                uint8_t head[4];
                unsigned vvvv = k ? 1 + below(f, 7) : 0, n = put_vex(f, head, map, (fields & 7) | (fields & 8) << 4, opcode, vvvv);

                run_forms(f, head, n, is_wanted);
            }
}

static bool is_integer(const struct insn *in)
{
#define ADDRESS(name) op_##name,
    static insn_fn *const mine[] = {OPS_ALU(ADDRESS)};
#undef ADDRESS
    bool is_counted = IS_ONE_OF(in, op_popcnt, op_lzcnt, op_tzcnt, op_crc32);

    /* hints do nothing, and some are #UD on some hosts */
    return is_one_of(in, mine, ARRAY_SIZE(mine)) && (is_counted || !in->rep) && !IS_ONE_OF(in, op_nop);
}

static bool is_string(const struct insn *in)
{
    return IS_ONE_OF(in, op_movs, op_cmps, op_scas, op_stos, op_lods);
}

static bool is_stack(const struct insn *in)
{
    return IS_ONE_OF(in, op_push, op_pop, op_pusha, op_popa, op_enter, op_leave) && !in->rep;
}

static bool is_x87(const struct insn *in)
{
    return IS_ONE_OF(in, op_x87) && !in->rep;
}

static bool is_simd(const struct insn *in)
{
    return IS_ONE_OF(in, op_sse, op_maskmov);
}

static bool is_avx(const struct insn *in)
{
    return in->vex && (in->desc->attr & ATTR_AVX);
}

static bool is_bmi(const struct insn *in)
{
#define ADDRESS(name) op_##name,
    static insn_fn *const mine[] = {OPS_BMI(ADDRESS)};
#undef ADDRESS

    return is_one_of(in, mine, ARRAY_SIZE(mine));
}

static struct fixture *start(void **state)
{
    struct fixture *f = *state;

    if (!host_has_compat_mode(f))
        skip();
    f->cases = f->forms = 0;
    return f;
}

static void integer_instructions_match_the_host(void **state)
{
    struct fixture *f = start(state);

    run_map(f, MAP_1B, is_integer);
    run_map(f, MAP_0F, is_integer);
    run_map(f, MAP_0F38, is_integer);
    assert_true(f->forms > 1000 && f->cases > 4 * f->forms);
}

static void string_instructions_match_the_host(void **state)
{
    struct fixture *f = start(state);

    f->rounds *= 8;
    run_map(f, MAP_1B, is_string);
    f->rounds /= 8;
    assert_true(f->forms >= 40 && f->cases > 1000);
}

static void stack_instructions_match_the_host(void **state)
{
    struct fixture *f = start(state);

    run_map(f, MAP_1B, is_stack);
    assert_true(f->forms > 30 && f->cases > 100);
}

static void x87_instructions_match_the_host(void **state)
{
    struct fixture *f = start(state);

    f->rounds *= 4;
    for (unsigned opcode = 0xd8; opcode <= 0xdf; opcode++)
        run_opcode(f, MAP_1B, opcode, "", is_x87);
    f->rounds /= 4;
    assert_true(f->forms > 200 && f->cases > 5000);
}

static void simd_instructions_match_the_host(void **state)
{
    struct fixture *f = start(state);

    run_map(f, MAP_0F, is_simd);
    run_map(f, MAP_0F38, is_simd);
    run_map(f, MAP_0F3A, is_simd);
    assert_true(f->forms > 500 && f->cases > 3000);
}

static void avx_instructions_match_the_host(void **state)
{
    struct fixture *f = start(state);

    f->rounds = (f->rounds + 5) / 6;
    for (unsigned map = MAP_0F; map <= MAP_0F3A; map++)
        run_vex_map(f, map, is_avx);
    f->rounds *= 6;
    if (!cpu_has_feature(f->cpu, FEAT_AVX2))
        skip();
    assert_true(f->forms > 4000 && f->cases > 4000);
}

/* VEX-encoded instructions of hosts that no model offers, or that hosts decode differently. */
static bool is_newer_vex(unsigned map, unsigned opcode, unsigned pp, unsigned l)
{
    switch (map) {
    case MAP_0F: /* AVX-512 mask registers */
        return (opcode >= 0x41 && opcode <= 0x4b) || (opcode >= 0x90 && opcode <= 0x93) || opcode == 0x98 || opcode == 0x99;
    case MAP_0F38: /* AVX-VNNI, -IFMA, -NE-CONVERT, -VNNI-INT8 and 16, GFNI, VAES, SHA512, SM3, SM4, AMX, CMPccXADD */
        return (opcode >= 0x48 && opcode <= 0x53) || opcode == 0x5c || opcode == 0x5e || opcode == 0x72 || opcode == 0xb0 || opcode == 0xb1 ||
               opcode == 0xb4 || opcode == 0xb5 || opcode == 0xcb || opcode == 0xcc || opcode == 0xcd || opcode == 0xcf ||
               opcode == 0xd2 || opcode == 0xd3 || opcode == 0xda || (opcode >= 0xdc && opcode <= 0xdf && l) || (opcode >= 0xe0 && opcode <= 0xef);
    default: /* VPERMQ and VPERMPD, which AMD takes with W0 too; mask registers, GFNI, VPCLMULQDQ, SM3 */
        return opcode <= 0x01 || (opcode >= 0x30 && opcode <= 0x33) || opcode == 0xce || opcode == 0xcf || opcode == 0xde || (opcode == 0x44 && l);
    }
}

static sigjmp_buf native_fault;

static void on_native_fault(int signo) { siglongjmp(native_fault, signo); }

static void catch_faults(bool is_on)
{
    static uint8_t stack[65536];
    struct sigaction action = {.sa_handler = is_on ? on_native_fault : SIG_DFL, .sa_flags = SA_ONSTACK | SA_NODEFER};

    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
}

/* What the host makes of an instruction: 0 or a signal, which must be caught. */
static int try_native(struct fixture *f, const uint8_t *bytes, unsigned len)
{
    uint32_t host_mxcsr;
    int signo;

    __asm__ volatile("stmxcsr %0" : "=m"(host_mxcsr));
    signo = sigsetjmp(native_fault, 0);
    if (!signo) {
        emit_body(f, bytes, len);
        f->call_native();
    }
    __asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(host_mxcsr));
    return signo;
}

static void compare_decoding(struct fixture *f, const uint8_t *bytes, unsigned *undefined, unsigned *failures)
{
    struct insn in;
    bool is_known;

    assert_int_equal(insn_decode(&in, bytes, 15, 4), DECODE_OK);
    is_known = !insn_is(&in, op_ud);
    if (is_known && !cpu_has_feature(f->cpu, in.desc->feature))
        return;
    for (unsigned i = 0; i < 8; i++)
        f->st->gpr[i] = pointer(f);
    f->st->eflags = EFLAGS_1 | EFLAGS_IF;
    *undefined += !is_known;
    if (is_known != (try_native(f, bytes, is_known ? in.len : 10) != SIGILL)) {
        print_error("c4 %02x %02x %02x %02x: %s here\n", bytes[1], bytes[2], bytes[3], bytes[4], is_known ? "defined" : "undefined");
        ++*failures;
    }
}

/* Every map, opcode, pp, L, W, ModRM.reg in register and memory form, with vvvv = 1111b or not. */
static void vex_opcodes_are_those_of_the_host(void **state)
{
    struct fixture *f = start(state);
    static const uint8_t forms[] = {0xc1, 0x07, 0x0c};
    unsigned undefined = 0, failures = 0;

    if (!cpu_has_feature(f->cpu, FEAT_AVX2) || !cpu_has_feature(f->cpu, FEAT_BMI2))
        skip();
    catch_faults(true);
    randomize_fx(f);
    store_le(f->st->fx + FX_MXCSR, 4, 0x1f80);
    for (unsigned map = MAP_0F; map <= MAP_0F3A; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (unsigned k = 0; k < 32 * ARRAY_SIZE(forms) * 8; k++) {
                unsigned fields = (k & 7) | (k & 8) << 4, modrm = forms[k / 32 % 3] | k / 96 << 3;
                uint8_t bytes[15] = {0};

                bool is_group = opcode == 0x71 || opcode == 0x72 || opcode == 0x73 || opcode == 0xf3 || opcode == 0xae;

                if (is_newer_vex(map, opcode, fields & 3, fields >> 2 & 1) || (k / 96 && modrm >= 0xc0 && !is_group) ||
                    (k >= 8 && !optable_vex[map - MAP_0F][opcode]))
                    continue;
                put_vex(f, bytes, map, fields, opcode, k & 16 ? 5 : 0);
                bytes[4] = (uint8_t)modrm;
                if ((modrm & 7) == 4)
                    bytes[5] = 0x27 | REG_DX << 3; /* index EDX or XMM2, base EDI */
                compare_decoding(f, bytes, &undefined, &failures);
            }
    catch_faults(false);
    assert_true(undefined > 5000);
    assert_int_equal(failures, 0);
}

/* An exact subnormal is an underflow if that is unmasked. */
static void conversion_to_half_underflows(void **state)
{
    static const uint8_t insn[] = {0xc4, 0xe3, 0x7d, 0x1d, 0xc1, 0x04}; /* vcvtps2ph xmm1, ymm0, by MXCSR */
    struct fixture *f = start(state);
    struct insn in;

    assert_int_equal(insn_decode(&in, insn, sizeof(insn), 4), DECODE_OK);
    if (!cpu_has_feature(f->cpu, in.desc->feature))
        skip();
    catch_faults(true);
    for (unsigned element = 0; element < 8; element++)
        for (uint32_t value = 0x38000000; value <= 0x38800000; value += 0x00400000) {
            memset(f->st, 0, sizeof(f->st->gpr));
            memset(f->st->fx, 0, sizeof(f->st->fx));
            f->st->eflags = EFLAGS_1 | EFLAGS_IF;
            store_le(f->st->fx + FX_FCW, 2, 0x37f);
            store_le(f->st->fx + FX_MXCSR, 4, 0x1780);
            store_le(f->st->fx + (element < 4 ? FX_XMM : FX_YMM) + element % 4 * 4, 4, value);
            load_guest(f);
            assert_int_equal(run_guest(f, &in), try_native(f, insn, sizeof(insn)) != SIGFPE);
            assert_int_equal(f->cpu->event.is_pending, value != 0x38800000);
        }
    catch_faults(false);
}

static void bmi_instructions_match_the_host(void **state)
{
    struct fixture *f = start(state);

    for (unsigned map = MAP_0F38; map <= MAP_0F3A; map++)
        run_vex_map(f, map, is_bmi);
    if (!cpu_has_feature(f->cpu, FEAT_BMI2))
        skip();
    assert_true(f->forms > 200 && f->cases > 1000);
}

/* The oracle's own test: a wrong result must be noticed. */
static void difference_is_noticed(void **state)
{
    struct fixture *f = start(state);

    memset(f->data, 0, DATA_SIZE);
    memset(f->guest_data, 0, DATA_SIZE);
    memset(f->st->gpr, 0, sizeof(f->st->gpr));
    f->st->eflags = EFLAGS_1;
    randomize_fx(f);
    load_guest(f);
    assert_true(is_equal(f));
    f->guest_data[DATA_SIZE - 1] ^= 1;
    assert_false(is_equal(f));
    f->guest_data[DATA_SIZE - 1] ^= 1;
    f->cpu->eflags ^= EFLAGS_AF;
    assert_false(is_equal(f));
    f->cpu->eflags ^= EFLAGS_AF;
    f->cpu->fpu[FX_XMM + 127] ^= 1;
    assert_false(is_equal(f));
    f->cpu->fpu[FX_XMM + 127] ^= 1;
    f->cpu->fpu[FX_YMM + 127] ^= 1;
    assert_false(is_equal(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(difference_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(integer_instructions_match_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(string_instructions_match_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stack_instructions_match_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(x87_instructions_match_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(simd_instructions_match_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vex_opcodes_are_those_of_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(avx_instructions_match_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conversion_to_half_underflows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bmi_instructions_match_the_host, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
