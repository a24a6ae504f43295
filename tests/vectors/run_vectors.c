/* Runs single instructions whose outcome was measured on a real 80286 (README.md) and compares every register, flag and
 * byte of memory:
 *
 *     run_vectors interp|bt [-v] [form [number]]
 *
 * Memory is filled with HLT, and HLT stands where the vector ends, as it did when the vectors were recorded: the engine
 * stops there by itself, with IP behind the HLT, and a wild branch ends at once.  What a 286 does otherwise than the
 * processors Ringer models is in the table below: it says what they do instead, and the vector must then agree with that. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "bt/bt.h"
#include "cpu/cpu.h"
#include "host/clock.h"
#include "host/fault.h"
#include "host/guestmem.h"

#define RAM_BYTES  0x120000u /* FFFFh:FFFFh is 10FFEFh; whole pages */
#define OPCODE_HLT 0xf4
#define MAX_FORMS  512
#define MAX_INSNS  4 /* the instruction, the HLT, and room to see what went wrong */
#define IVT_LIMIT  0x3ff

/* A 286 in real mode holds bits 12-15 at 0; later processors keep IOPL and NT (SDM 3B, "Using EFLAGS Flags to
 * Distinguish Between 32-Bit IA-32 Processors"). */
#define FLAGS_286_REAL 0x0fff
#define FLAGS_LATER    (EFLAGS_IOPL | EFLAGS_NT)

enum reg_index { R_AX, R_BX, R_CX, R_DX, R_CS, R_SS, R_DS, R_ES, R_SP, R_BP, R_SI, R_DI, R_IP, R_FLAGS, R_COUNT };
static const char *const reg_names[R_COUNT] = {"ax", "bx", "cx", "dx", "cs", "ss", "ds", "es", "sp", "bp", "si", "di", "ip", "flags"};
static const uint8_t gpr_of[R_COUNT] = {[R_AX] = REG_AX, [R_BX] = REG_BX, [R_CX] = REG_CX, [R_DX] = REG_DX,
                                        [R_SP] = REG_SP, [R_BP] = REG_BP, [R_SI] = REG_SI, [R_DI] = REG_DI};
static const int8_t seg_of[R_COUNT] = {[R_AX] = -1, [R_BX] = -1, [R_CX] = -1, [R_DX] = -1, [R_SP] = -1, [R_BP] = -1,
                                       [R_SI] = -1, [R_DI] = -1, [R_IP] = -1, [R_FLAGS] = -1,
                                       [R_CS] = SEG_CS, [R_SS] = SEG_SS, [R_DS] = SEG_DS, [R_ES] = SEG_ES};

struct vec {
    unsigned form, number;
    uint16_t initial[R_COUNT], final[R_COUNT];
    uint16_t flags_mask;
    uint32_t exception_flags; /* physical address, or NOWHERE */
    uint32_t end;
    unsigned n_before, n_after;
    const uint8_t *before, *after; /* little-endian u32: byte << 24 | address */
};
#define NOWHERE 0xffffffffu

/* Memory beside the vector's own. */
struct extra {
    unsigned n; /* initial */
    uint32_t address[4];
    uint8_t byte[4];
    uint8_t after[8]; /* room for cells */
};

struct bench {
    struct guestmem *gm;
    struct space *mem, *ports;
    struct clock *clock;
    struct cpu *cpu;
    struct bt *bt; /* NULL: interpreter */
    uint8_t *ram, *want;
    bool is_shut_down;
    char diff[1024]; /* what differs, as text */
    unsigned diff_len;
    uint16_t got[R_COUNT];
    uint32_t stray[64]; /* addresses of differing bytes */
    unsigned n_stray;
};

/* --- the file --- */

static uint8_t *read_gz(const char *path, size_t *len)
{
    size_t cap = 1u << 21, n = 0;
    uint8_t *buf = malloc(cap);
    gzFile f = gzopen(path, "rb");
    int got;

    if (!f || !buf) {
        fprintf(stderr, "run_vectors: cannot read %s\n", path);
        exit(2);
    }
    while ((got = gzread(f, buf + n, (unsigned)(cap - n))) > 0) {
        n += (size_t)got;
        if (n == cap && !(buf = realloc(buf, cap *= 2)))
            exit(2);
    }
    gzclose(f);
    *len = n;
    return buf;
}

static void read_names(const char *path, char names[MAX_FORMS][8])
{
    FILE *f = fopen(path, "r");
    unsigned form;
    char name[8];

    if (!f) {
        fprintf(stderr, "run_vectors: cannot read %s\n", path);
        exit(2);
    }
    while (fscanf(f, "%u %7s %*u", &form, name) == 2)
        if (form < MAX_FORMS)
            memcpy(names[form], name, sizeof(name));
    fclose(f);
}

static const uint8_t *take_regs(uint16_t *regs, const uint8_t *p)
{
    for (unsigned i = 0; i < R_COUNT; i++, p += 2)
        regs[i] = (uint16_t)load_le(p, 2);
    return p;
}

static const uint8_t *take_cells(unsigned *n, const uint8_t **cells, const uint8_t *p)
{
    *n = (unsigned)load_le(p, 2);
    *cells = p + 2;
    return p + 2 + 4 * (size_t)*n;
}

static void parse(struct vec *v, const uint8_t *p)
{
    v->form = (unsigned)load_le(p + 2, 2);
    v->number = (unsigned)load_le(p + 4, 2);
    p = take_regs(v->initial, p + 6);
    p = take_regs(v->final, p);
    v->flags_mask = (uint16_t)load_le(p, 2);
    v->exception_flags = (uint32_t)load_le(p + 2, 4);
    v->end = (uint32_t)load_le(p + 6, 4);
    p = take_cells(&v->n_before, &v->before, p + 10);
    take_cells(&v->n_after, &v->after, p);
}

static uint32_t cell_address(const uint8_t *cells, unsigned i)
{
    return (uint32_t)load_le(cells + 4 * i, 3) % RAM_BYTES;
}

static uint8_t cell_byte(const uint8_t *cells, unsigned i)
{
    return cells[4 * i + 3];
}

/* --- one vector --- */

/* Into guest memory as a device would, so that translations of what was there die. */
static void poke(struct bench *b, uint32_t address, uint8_t byte)
{
    space_write_buf(b->mem, address, &byte, 1);
}

static void set_up(struct bench *b, const struct vec *v, const struct extra *x)
{
    struct cpu *cpu = b->cpu;

    cpu_reset(cpu, true);
    for (unsigned i = 0; i < R_COUNT; i++) {
        if (seg_of[i] >= 0) {
            cpu->seg[seg_of[i]].sel = v->initial[i];
            cpu->seg[seg_of[i]].base = (uint64_t)v->initial[i] << 4;
        } else if (i != R_IP && i != R_FLAGS) {
            cpu->gpr[gpr_of[i]] = v->initial[i];
        }
    }
    cpu->rip = v->initial[R_IP];
    cpu->eflags = (v->initial[R_FLAGS] & FLAGS_286_REAL) | EFLAGS_1;
    cpu->idtr = (struct desc_table){.limit = IVT_LIMIT};
    cpu->is_mode_stale = true;
    for (unsigned i = 0; i < v->n_before; i++)
        poke(b, cell_address(v->before, i), cell_byte(v->before, i));
    for (unsigned i = 0; i < x->n; i++) {
        poke(b, x->address[i], x->byte[i]);
        b->want[x->address[i]] = x->byte[i];
    }
    poke(b, v->end, OPCODE_HLT);
    /* What memory must be afterwards. */
    for (unsigned i = 0; i < v->n_before; i++)
        b->want[cell_address(v->before, i)] = cell_byte(v->before, i);
    b->want[v->end] = OPCODE_HLT;
    for (unsigned i = 0; i < v->n_after; i++)
        b->want[cell_address(v->after, i)] = cell_byte(v->after, i);
}

static void execute(struct bench *b)
{
    b->is_shut_down = false;
    if (b->bt)
        bt_run(b->bt);
    else
        cpu_interpret(b->cpu, MAX_INSNS);
    b->is_shut_down = b->cpu->is_shutdown;
}

static void __attribute__((format(printf, 2, 3))) note(struct bench *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(b->diff + b->diff_len, sizeof(b->diff) - b->diff_len, fmt, ap);
    va_end(ap);
    if (n > 0)
        b->diff_len = b->diff_len + (unsigned)n < sizeof(b->diff) ? b->diff_len + (unsigned)n : sizeof(b->diff) - 1;
}

static void compare_regs(struct bench *b, const struct vec *v)
{
    const struct cpu *cpu = b->cpu;

    for (unsigned i = 0; i < R_COUNT; i++) {
        uint16_t mask = i == R_FLAGS ? v->flags_mask : 0xffff;

        if (i == R_IP)
            b->got[i] = (uint16_t)cpu->rip;
        else if (i == R_FLAGS)
            b->got[i] = (uint16_t)cpu->eflags;
        else
            b->got[i] = seg_of[i] >= 0 ? cpu->seg[seg_of[i]].sel : (uint16_t)cpu->gpr[gpr_of[i]];
        if ((b->got[i] ^ v->final[i]) & mask)
            note(b, " %s %04x, not %04x (mask %04x);", reg_names[i], b->got[i], v->final[i], mask);
        if (seg_of[i] >= 0 && cpu->seg[seg_of[i]].base != (uint64_t)b->got[i] << 4)
            note(b, " base of %s %lx;", reg_names[i], (unsigned long)cpu->seg[seg_of[i]].base);
        else if (seg_of[i] < 0 && i != R_IP && i != R_FLAGS && cpu->gpr[gpr_of[i]] >> 16)
            note(b, " upper half of e%s changed;", reg_names[i]);
    }
}

/* Undefined flags are undefined in the flags an exception pushes, too.  (The address in the file is rounded down to even;
 * so use the frame: IP, CS, FLAGS.) */
static uint8_t memory_mask(const struct vec *v, uint32_t address)
{
    uint32_t base = (uint32_t)v->final[R_SS] << 4;
    uint16_t offset = (uint16_t)(v->final[R_SP] + 4);

    if (v->exception_flags == NOWHERE)
        return 0xff;
    if (address == base + offset)
        return (uint8_t)v->flags_mask;
    if (address == base + (uint16_t)(offset + 1))
        return (uint8_t)(v->flags_mask >> 8);
    return 0xff;
}

static void compare_memory(struct bench *b, const struct vec *v)
{
    b->n_stray = 0;
    for (uint32_t page = 0; page < RAM_BYTES; page += 4096) {
        if (memcmp(b->ram + page, b->want + page, 4096) == 0)
            continue;
        for (uint32_t a = page; a < page + 4096; a++) {
            if (b->ram[a] == b->want[a] || b->n_stray == ARRAY_SIZE(b->stray))
                continue;
            if ((b->ram[a] ^ b->want[a]) & memory_mask(v, a))
                note(b, " [%05x] %02x, not %02x;", a, b->ram[a], b->want[a]);
            b->stray[b->n_stray++] = a;
        }
    }
}

static void restore(struct bench *b, uint32_t address)
{
    poke(b, address, OPCODE_HLT);
    b->want[address] = OPCODE_HLT;
}

static void tear_down(struct bench *b, const struct vec *v, const struct extra *x)
{
    for (unsigned i = 0; i < b->n_stray; i++)
        restore(b, b->stray[i]);
    for (unsigned i = 0; i < v->n_before; i++)
        restore(b, cell_address(v->before, i));
    for (unsigned i = 0; i < v->n_after; i++)
        restore(b, cell_address(v->after, i));
    for (unsigned i = 0; i < x->n; i++)
        restore(b, x->address[i]);
    restore(b, v->end);
}

/* True if as measured; else b->diff tells. */
static bool run(struct bench *b, const struct vec *v, const struct extra *x)
{
    b->diff_len = 0;
    b->diff[0] = 0;
    set_up(b, v, x);
    execute(b);
    if (b->is_shut_down)
        note(b, " shut down;");
    else if (!b->cpu->is_halted)
        note(b, " did not reach the end;");
    compare_regs(b, v);
    compare_memory(b, v);
    return b->diff_len == 0;
}

/* --- where a 286 differs --- */

/* Each function turns what a 286 did into what later processors do, or returns false if it does not apply.  The vector
 * is then run again and must agree in everything. */
struct difference {
    const char *name;
    bool (*rewrite)(struct vec *v, const char *form, struct extra *x);
};

static uint8_t memory_before(const struct vec *v, uint32_t address)
{
    for (unsigned i = 0; i < v->n_before; i++)
        if (cell_address(v->before, i) == address)
            return cell_byte(v->before, i);
    return OPCODE_HLT;
}

static uint16_t stack_word(const struct vec *v, unsigned offset)
{
    uint32_t base = (uint32_t)v->initial[R_SS] << 4;
    uint16_t sp = (uint16_t)(v->initial[R_SP] + offset);

    return (uint16_t)(memory_before(v, base + sp) | memory_before(v, base + sp + 1) << 8);
}

static bool popped_iopl_nt(struct vec *v, const char *form, struct extra *x)
{
    bool is_popf = strcmp(form, "9D") == 0, is_iret = strcmp(form, "CF") == 0;

    if (!is_popf && !is_iret)
        return false;
    v->final[R_FLAGS] |= stack_word(v, is_iret ? 4 : 0) & FLAGS_LATER;
    return true;
}

static bool stack_fault(struct vec *v, const char *form, struct extra *x)
{
    if (v->exception_flags == NOWHERE)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        x->address[i] = VEC_SS * 4 + i;
        x->byte[i] = memory_before(v, VEC_GP * 4 + i);
    }
    x->n = 4;
    return true;
}

static bool string_restart(struct vec *v, const char *form, struct extra *x)
{
    if (v->exception_flags == NOWHERE || form[0] != 'A' || form[1] < '4')
        return false;
    v->final[R_CX] = v->initial[R_CX];
    v->final[R_SI] = v->initial[R_SI];
    v->final[R_DI] = v->initial[R_DI];
    return true;
}

/* 8C /4 with a 16-bit displacement: MOV [disp16], FS, which is 0 here. */
static bool fs_exists(struct vec *v, const char *form, struct extra *x)
{
    static const uint8_t mov_disp16_fs[] = {0x8c, 0x26};
    uint32_t linear = ((uint32_t)v->initial[R_CS] << 4) + v->initial[R_IP];
    uint32_t offset = memory_before(v, linear + 2) | (uint32_t)memory_before(v, linear + 3) << 8;
    uint32_t target = ((uint32_t)v->initial[R_DS] << 4) + offset;

    for (unsigned i = 0; i < sizeof(mov_disp16_fs); i++)
        if (memory_before(v, linear + i) != mov_disp16_fs[i])
            return false;
    memcpy(v->final, v->initial, sizeof(v->final));
    v->final[R_IP] = (uint16_t)(v->initial[R_IP] + 5); /* behind the HLT */
    v->final[R_FLAGS] = (v->initial[R_FLAGS] & FLAGS_286_REAL) | EFLAGS_1;
    v->exception_flags = NOWHERE;
    v->end = linear + 4;
    store_le(x->after, 4, target);
    store_le(x->after + 4, 4, target + 1);
    v->after = x->after;
    v->n_after = 2;
    return true;
}

/* README.md says more. */
static const struct difference differences[] = {
    {"POPF, IRET: IOPL and NT can be set in real mode", popped_iopl_nt},
    {"beyond the limit of SS: #SS (12) instead of #GP (13)", stack_fault},
    {"faulting string instruction: CX, SI, DI as before it", string_restart},
    {"MOV from FS: no #UD", fs_exists},
};

/* Index of the difference that explains the outcome, or -1. */
static int explain(struct bench *b, const struct vec *original, const char *form)
{
    for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
        struct vec v = *original;
        struct extra x = {.n = 0};
        bool is_same;

        if (!differences[i].rewrite(&v, form, &x))
            continue;
        is_same = run(b, &v, &x);
        tear_down(b, &v, &x);
        if (is_same)
            return (int)i;
    }
    return -1;
}

/* --- the whole --- */

static void bench_init(struct bench *b, bool is_bt)
{
    struct cpu_board board;
    const char *why = "";
    int64_t off;

    *b = (struct bench){.gm = guestmem_create(2 * MIB(1))};
    off = b->gm ? guestmem_alloc(b->gm, RAM_BYTES) : -1;
    b->mem = space_create(1ull << 32, b->gm);
    b->ports = space_create(0x10000, NULL);
    b->clock = clock_create_manual();
    b->want = malloc(RAM_BYTES);
    if (off < 0 || !b->mem || !b->ports || !b->clock || !b->want ||
        space_map_mem(b->mem, 0, RAM_BYTES, (uint64_t)off, (uint64_t)off, SPACE_R | SPACE_W)) {
        fprintf(stderr, "run_vectors: out of memory\n");
        exit(2);
    }
    b->ram = guestmem_view(b->gm) + off;
    memset(b->ram, OPCODE_HLT, RAM_BYTES);
    memset(b->want, OPCODE_HLT, RAM_BYTES);
    board = (struct cpu_board){.mem = b->mem, .ports = b->ports, .clock = b->clock, .guestmem = b->gm};
    b->cpu = cpu_create(&board);
    if (b->cpu && is_bt) {
        fault_install();
        b->bt = bt_create(b->cpu, &(struct bt_options){.without = 1u << BT_TIERS}, &why);
    }
    if (!b->cpu || (is_bt && !b->bt)) {
        fprintf(stderr, "run_vectors: no engine: %s\n", why);
        exit(2);
    }
}

static void bench_free(struct bench *b)
{
    bt_destroy(b->bt);
    cpu_destroy(b->cpu);
    clock_destroy(b->clock);
    space_destroy(b->mem);
    space_destroy(b->ports);
    guestmem_destroy(b->gm);
    free(b->want);
}

static void print_vector(const struct bench *b, const struct vec *v, const char *form)
{
    printf("%s %u:%s\n", form, v->number, b->diff);
    for (unsigned i = 0; i < R_COUNT; i++)
        printf(" %s %04x", reg_names[i], v->initial[i]);
    printf("\n ");
    for (unsigned i = 0; i < v->n_before; i++)
        printf(" %05x:%02x", cell_address(v->before, i), cell_byte(v->before, i));
    printf("\n");
}

int main(int argc, char **argv)
{
    static char names[MAX_FORMS][8];
    unsigned excused[ARRAY_SIZE(differences)] = {0}, n = 0, n_failed = 0;
    const char *only_form = NULL;
    long only_number = -1;
    struct bench b;
    bool is_verbose = false;
    uint8_t *file;
    size_t len;

    if (argc < 2 || (strcmp(argv[1], "interp") != 0 && strcmp(argv[1], "bt") != 0)) {
        fprintf(stderr, "usage: run_vectors interp|bt [-v] [form [number]]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            is_verbose = true;
        else if (!only_form)
            only_form = argv[i];
        else
            only_number = strtol(argv[i], NULL, 10);
    }
    file = read_gz(VECTORS_DIR "/sst286-public.bin.gz", &len);
    read_names(VECTORS_DIR "/sst286-public.names", names);
    bench_init(&b, strcmp(argv[1], "bt") == 0);
    for (const uint8_t *p = file; p + 2 <= file + len && load_le(p, 2); p += load_le(p, 2)) {
        const struct extra nothing = {.n = 0};
        struct vec v;
        const char *form;
        bool is_same;
        int why = -1;

        parse(&v, p);
        form = v.form < MAX_FORMS ? names[v.form] : "?";
        if ((only_form && strcmp(form, only_form) != 0) || (only_number >= 0 && v.number != (unsigned)only_number))
            continue;
        n++;
        is_same = run(&b, &v, &nothing);
        tear_down(&b, &v, &nothing);
        if (is_same)
            continue;
        if (is_verbose)
            print_vector(&b, &v, form);
        why = explain(&b, &v, form);
        if (why >= 0) {
            excused[why]++;
            continue;
        }
        n_failed++;
        if (!is_verbose) { /* b.diff speaks of the last attempt */
            (void)run(&b, &v, &nothing);
            tear_down(&b, &v, &nothing);
            print_vector(&b, &v, form);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
        if (excused[i])
            printf("%5u differ: %s\n", excused[i], differences[i].name);
    printf("%5u vectors, %u failed\n", n, n_failed);
    bench_free(&b);
    free(file);
    return n_failed || !n;
}
