/* String instructions: MOVS CMPS SCAS STOS LODS INS OUTS, with and without REP.  SDM 2B "REP/REPE/REPZ/REPNE/REPNZ".
 *
 * One call does many iterations: as far as the page goes at once where both ends are plain memory (struct bulk), else one by
 * one.  Registers are exact after every step, so a fault in the middle just returns.  A long run stops at exit_request, or
 * after MAX_ITERATIONS, with RIP at the instruction: it goes on when it is executed again. */
#include "cpu/flags.h"
#include "cpu/io.h"
#include "cpu/operand.h"
#include "cpu/ops.h"
#include "cpu/protect.h"

#include <string.h>

#define MAX_ITERATIONS 65536u

DEFINE_BINARY(host_sub, "sub")

/* One string instruction under way. */
struct string {
    struct cpu *cpu;
    const struct insn *in;
    unsigned size;   /* of an element */
    uint64_t mask;   /* of the address size */
    int64_t step;    /* +size, or -size with DF */
    enum sreg src;   /* segment of [rSI] */
    uint16_t packed; /* flags of the last comparison */
    bool has_flags;
};

static uint64_t masked(const struct string *s, enum gpr reg)
{
    return s->cpu->gpr[reg] & s->mask;
}

/* rSI, rDI, rCX += delta at the address size. */
static void advance(const struct string *s, enum gpr reg, int64_t delta)
{
    uint64_t *r = &s->cpu->gpr[reg], value = (*r + (uint64_t)delta) & s->mask;

    *r = s->mask == 0xffff ? (*r & ~s->mask) | value : value;
}

static void compare(struct string *s, uint64_t a, uint64_t b)
{
    s->packed = 0;
    s->has_flags = true;
    host_sub(s->size, a, b, &s->packed);
}

/* --- one iteration; false: fault --- */

typedef bool one_fn(struct string *s);

static bool movs_one(struct string *s)
{
    uint64_t value;

    if (!mem_read(s->cpu, s->src, masked(s, REG_SI), s->size, &value) ||
        !mem_write(s->cpu, SEG_ES, masked(s, REG_DI), s->size, value))
        return false;
    advance(s, REG_SI, s->step);
    advance(s, REG_DI, s->step);
    return true;
}

static bool cmps_one(struct string *s)
{
    uint64_t a, b;

    if (!mem_read(s->cpu, s->src, masked(s, REG_SI), s->size, &a) ||
        !mem_read(s->cpu, SEG_ES, masked(s, REG_DI), s->size, &b))
        return false;
    compare(s, a, b);
    advance(s, REG_SI, s->step);
    advance(s, REG_DI, s->step);
    return true;
}

static bool scas_one(struct string *s)
{
    uint64_t value;

    if (!mem_read(s->cpu, SEG_ES, masked(s, REG_DI), s->size, &value))
        return false;
    compare(s, reg_read(s->cpu, s->in, REG_AX, s->size), value);
    advance(s, REG_DI, s->step);
    return true;
}

static bool stos_one(struct string *s)
{
    if (!mem_write(s->cpu, SEG_ES, masked(s, REG_DI), s->size, s->cpu->gpr[REG_AX]))
        return false;
    advance(s, REG_DI, s->step);
    return true;
}

static bool lods_one(struct string *s)
{
    uint64_t value;

    if (!mem_read(s->cpu, s->src, masked(s, REG_SI), s->size, &value))
        return false;
    reg_write(s->cpu, s->in, REG_AX, s->size, value);
    advance(s, REG_SI, s->step);
    return true;
}

/* The port must not be read before it is certain that the value can be stored. */
static bool ins_one(struct string *s)
{
    uint16_t port = (uint16_t)s->cpu->gpr[REG_DX];
    uint64_t di = masked(s, REG_DI);

    if (!operand_probe_write(s->cpu, SEG_ES, di, s->size) ||
        !mem_write(s->cpu, SEG_ES, di, s->size, space_read(s->cpu->board.ports, port, s->size)))
        return false;
    io_note_breakpoints(s->cpu, port, s->size);
    advance(s, REG_DI, s->step);
    return true;
}

static bool outs_one(struct string *s)
{
    uint64_t value;

    if (!mem_read(s->cpu, s->src, masked(s, REG_SI), s->size, &value))
        return false;
    space_write(s->cpu->board.ports, (uint16_t)s->cpu->gpr[REG_DX], s->size, value);
    io_note_breakpoints(s->cpu, (uint16_t)s->cpu->gpr[REG_DX], s->size);
    advance(s, REG_SI, s->step);
    return true;
}

/* --- many iterations at once --- */

/* Elements at host, host + step, host + 2 * step ... */
struct run {
    uint8_t *host;
    uint64_t count;
};

/* The longest run of at most count elements at seg:[reg] that lies in one page of plain memory, inside the segment and
 * without address wrap-around.  count 0: go on one by one, which also finds out what is wrong. */
static struct run run_at(const struct string *s, enum sreg seg, enum gpr reg, unsigned access, uint64_t count)
{
    const struct segment *segment = &s->cpu->seg[seg];
    uint64_t off = masked(s, reg), room, bytes;
    gla_t gla = (uint32_t)(segment->base + off);
    unsigned to_end;
    struct run r = {0};

    r.host = mem_direct(s->cpu, gla, access, &to_end);
    if (!r.host || to_end < s->size || s->mask - off < s->size - 1)
        return r;
    if (s->step > 0) {
        room = s->mask - off < to_end ? s->mask - off + 1 : to_end;
        room = room < to_end ? room : to_end;
        room /= s->size;
    } else {
        room = off < (gla & GUEST_PAGE_MASK) ? off : gla & GUEST_PAGE_MASK;
        room = room / s->size + 1;
    }
    count = count < room ? count : room;
    bytes = count * s->size;
    if (segment_allows(s->cpu, segment, s->step > 0 ? off : off + s->size - bytes, (unsigned)bytes, access))
        r.count = count;
    return r;
}

/* Element by element, as the processor does: an overlap with the destination ahead repeats a pattern. */
static void copy_elements(uint8_t *dst, const uint8_t *src, uint64_t count, unsigned size, int64_t step)
{
    for (; count; count--, dst += step, src += step)
        store_le(dst, size, load_sized(src, size));
}

static void copy_run(uint8_t *dst, const uint8_t *src, uint64_t count, unsigned size, int64_t step)
{
    uint64_t bytes = count * size;
    bool is_apart = dst + bytes <= src || src + bytes <= dst;

    if (step > 0 ? is_apart || dst <= src : is_apart || dst >= src) {
        int64_t back = step > 0 ? 0 : (int64_t)(bytes - size);

        memmove(dst - back, src - back, bytes);
    } else {
        copy_elements(dst, src, count, size, step);
    }
}

/* Bulk functions do up to count iterations and return how many; 0: do one by one. */
typedef uint64_t bulk_fn(struct string *s, uint64_t count);

static uint64_t movs_bulk(struct string *s, uint64_t count)
{
    struct run src = run_at(s, s->src, REG_SI, ACCESS_READ, count);
    struct run dst = run_at(s, SEG_ES, REG_DI, ACCESS_WRITE, src.count);

    if (!src.count || !dst.count)
        return 0;
    copy_run(dst.host, src.host, dst.count, s->size, s->step);
    advance(s, REG_SI, s->step * (int64_t)dst.count);
    advance(s, REG_DI, s->step * (int64_t)dst.count);
    return dst.count;
}

static void fill(uint8_t *dst, uint64_t value, unsigned size, uint64_t bytes)
{
    uint64_t pattern = load_sized((const uint8_t *)&value, size), i;

    for (unsigned filled = size; filled < 8; filled *= 2)
        pattern |= pattern << filled * 8;
    for (i = 0; i + 8 <= bytes; i += 8)
        memcpy(dst + i, &pattern, 8);
    memcpy(dst + i, &pattern, bytes - i);
}

static uint64_t stos_bulk(struct string *s, uint64_t count)
{
    struct run dst = run_at(s, SEG_ES, REG_DI, ACCESS_WRITE, count);
    uint64_t bytes = dst.count * s->size;

    if (!dst.count)
        return 0;
    if (s->step < 0)
        dst.host -= bytes - s->size;
    fill(dst.host, s->cpu->gpr[REG_AX], s->size, bytes);
    advance(s, REG_DI, s->step * (int64_t)dst.count);
    return dst.count;
}

/* Comparisons end after the first element that is not as REPE or REPNE wants it. */
static uint64_t cmps_bulk(struct string *s, uint64_t count)
{
    struct run a = run_at(s, s->src, REG_SI, ACCESS_READ, count);
    struct run b = run_at(s, SEG_ES, REG_DI, ACCESS_READ, a.count);
    bool want_equal = s->in->rep == 0xf3;
    uint64_t i = 0, x, y;

    if (!a.count || !b.count)
        return 0;
    do {
        x = load_sized(a.host + s->step * (int64_t)i, s->size);
        y = load_sized(b.host + s->step * (int64_t)i, s->size);
    } while (++i < b.count && (x == y) == want_equal);
    compare(s, x, y);
    advance(s, REG_SI, s->step * (int64_t)i);
    advance(s, REG_DI, s->step * (int64_t)i);
    return i;
}

static uint64_t scas_bulk(struct string *s, uint64_t count)
{
    struct run b = run_at(s, SEG_ES, REG_DI, ACCESS_READ, count);
    uint64_t i = 0, x = reg_read(s->cpu, s->in, REG_AX, s->size), y;
    bool want_equal = s->in->rep == 0xf3;

    if (!b.count)
        return 0;
    do {
        y = load_sized(b.host + s->step * (int64_t)i, s->size);
    } while (++i < b.count && (x == y) == want_equal);
    compare(s, x, y);
    advance(s, REG_DI, s->step * (int64_t)i);
    return i;
}

/* --- REP --- */

/* Traps between iterations: single step, and data breakpoints.  #AC is looked for by the slow functions only. */
static bool wants_single_iterations(const struct cpu *cpu)
{
    return (cpu->eflags & EFLAGS_TF) || (cpu->mode & MODE_DEBUG);
}

static bool may_bulk(const struct cpu *cpu)
{
    return !(cpu->cpl == 3 && (cpu->paging.cr0 & CR0_AM) && (cpu->eflags & EFLAGS_AC));
}

static bool is_ended_by_flags(const struct string *s)
{
    return s->has_flags && !(flags_unpack(s->packed) & EFLAGS_ZF) == (s->in->rep == 0xf3);
}

/* SDM: a fault leaves the flags as they were before the instruction, so they are stored only at the end, or for a trap.  An interrupt leaves them,
 * too: a fault of what is left then finds the right ones. */
static bool repeat(struct string *s, one_fn *one, bulk_fn *bulk)
{
    struct cpu *cpu = s->cpu;
    uint64_t limit = wants_single_iterations(cpu) ? 1 : MAX_ITERATIONS, done = 0, n, count;
    bool is_bulk = bulk && limit > 1 && may_bulk(cpu);

    cpu->is_mid_rep = false;
    while ((count = masked(s, REG_CX)) != 0) {
        if (done >= limit || (done && atomic_load_explicit(&cpu->exit_request, memory_order_relaxed))) {
            cpu->next_rip = cpu->rip;
            cpu->is_mid_rep = true;
            if (limit > 1)
                return true;
            break;
        }
        n = is_bulk ? bulk(s, count < limit ? count : limit) : 0;
        if (!n) {
            if (!one(s))
                return false;
            n = 1;
        }
        advance(s, REG_CX, -(int64_t)n);
        done += n;
        if (is_ended_by_flags(s))
            break;
    }
    if (s->has_flags)
        flags_set(cpu, s->packed);
    return true;
}

static struct string string_start(struct cpu *cpu, const struct insn *in, unsigned size)
{
    return (struct string){
        .cpu = cpu,
        .in = in,
        .size = size,
        .mask = in->addrsize == 2 ? 0xffff : in->addrsize == 4 ? 0xffffffffu : UINT64_MAX,
        .step = cpu->eflags & EFLAGS_DF ? -(int64_t)size : (int64_t)size,
        .src = in->seg_override >= 0 ? (enum sreg)in->seg_override : SEG_DS,
    };
}

static bool string_run(struct cpu *cpu, const struct insn *in, one_fn *one, bulk_fn *bulk)
{
    struct string s = string_start(cpu, in, in->opsize);

    if (in->rep)
        return repeat(&s, one, bulk);
    if (!one(&s))
        return false;
    if (s.has_flags)
        flags_set(cpu, s.packed);
    return true;
}

bool op_movs(struct cpu *cpu, const struct insn *in)
{
    return string_run(cpu, in, movs_one, movs_bulk);
}

bool op_cmps(struct cpu *cpu, const struct insn *in)
{
    return string_run(cpu, in, cmps_one, cmps_bulk);
}

bool op_scas(struct cpu *cpu, const struct insn *in)
{
    return string_run(cpu, in, scas_one, scas_bulk);
}

bool op_stos(struct cpu *cpu, const struct insn *in)
{
    return string_run(cpu, in, stos_one, stos_bulk);
}

bool op_lods(struct cpu *cpu, const struct insn *in)
{
    return string_run(cpu, in, lods_one, NULL);
}

/* The permission check comes first, and stands for all iterations: nothing in between can change it.  With a count of
 * zero nothing is accessed, and nothing faults. */
static bool string_io(struct cpu *cpu, const struct insn *in, one_fn *one)
{
    unsigned size = in->opsize == 8 ? 4 : in->opsize;
    struct string s = string_start(cpu, in, size);

    if (in->rep && !masked(&s, REG_CX))
        return true;
    if (!io_allowed(cpu, (uint16_t)cpu->gpr[REG_DX], size))
        return false;
    if (cpu->probe) { /* lock-step: what reaches outside the CPU is not executed */
        cpu->probe->is_stopped = true;
        return false;
    }
    return in->rep ? repeat(&s, one, NULL) : one(&s);
}

bool op_ins(struct cpu *cpu, const struct insn *in)
{
    return string_io(cpu, in, ins_one);
}

bool op_outs(struct cpu *cpu, const struct insn *in)
{
    return string_io(cpu, in, outs_one);
}
