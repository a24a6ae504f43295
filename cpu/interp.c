/* The interpreter: a loop over decoded instructions.  It is an engine of its own and the oracle of the other one.
 *
 * Decoded instructions are cached by where their bytes lie in the guest memory (memfd offset) and by code size, so one
 * entry serves all addresses a frame is mapped at.  An entry dies when its bytes are written: stores by this CPU and by
 * devices announce themselves through the frame's code flag.  Translated code stores without asking, so beside a
 * translator (mmu_hooks installed) entries compare their bytes instead and set no flags; and few entries are used, as
 * little is interpreted twice: more of them would only be misses of the host's caches. */
#include "cpu/cpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/cpuid.h"
#include "cpu/insn.h"
#include "cpu/mem.h"
#include "cpu/opcode_coverage.h"
#include "cpu/ops.h"
#include "cpu/protect.h"
#include "cpu/segment.h"
#include "cpu/tlb.h"

#define SLOT_BITS       16
#define SLOT_COUNT      (1u << SLOT_BITS)
#define FEW_SLOTS       1024u
#define INSN_MAX        15u
#define LONG_WRITE      64u /* forget the frame rather than look for entries byte by byte */
#define WRITES_TO_DATA  200 /* after so many writes a frame with code is taken for data again */

struct slot {
    uint64_t key; /* memfd offset * 2 + is 32-bit code */
    uint32_t generation;
    struct insn insn;
};

struct frame {
    uint32_t generation; /* entries with another one are dead; starts at 1 */
    uint32_t writes;     /* since code was last decoded from it */
};

struct interp {
    struct slot *slots;
    struct frame *frames;
    uint64_t frame_count;
    uint8_t *code_flags;
    struct insn uncached; /* the running instruction, when it crosses a page or lies in no memory */
};

static const struct insn_desc undefined = {.name = "(bad)", .iclass = INTERPRET, .exec = op_ud};

static inline struct slot *slot_of(struct interp *it, uint64_t off)
{
    return &it->slots[(off ^ off >> SLOT_BITS) & (SLOT_COUNT - 1)];
}

static void forget_frame(struct interp *it, uint64_t frame)
{
    it->frames[frame].generation++;
    it->frames[frame].writes = 0;
    it->code_flags[frame] &= (uint8_t)~FRAME_DECODED;
}

/* Entries whose bytes may include one of [off, off+len), all in one frame. */
static void forget_range(struct interp *it, uint64_t off, uint64_t len)
{
    uint64_t page = off & ~(uint64_t)GUEST_PAGE_MASK;
    uint64_t at = off - page < INSN_MAX - 1 ? page : off - (INSN_MAX - 1);

    for (; at < off + len; at++) {
        struct slot *s = slot_of(it, at);

        if (s->key >> 1 == at)
            s->generation = 0;
    }
}

static void memory_written(void *opaque, uint64_t off, uint64_t len)
{
    struct interp *it = opaque;
    uint64_t end = off + len;

    while (off < end) {
        uint64_t frame = off >> GUEST_PAGE_SHIFT, room = GUEST_PAGE_SIZE - (off & GUEST_PAGE_MASK);
        uint64_t n = end - off < room ? end - off : room;

        if (frame < it->frame_count && (it->code_flags[frame] & FRAME_DECODED)) {
            if (n > LONG_WRITE || ++it->frames[frame].writes > WRITES_TO_DATA)
                forget_frame(it, frame);
            else
                forget_range(it, off, n);
        }
        off += n;
    }
}

int interp_init(struct cpu *cpu)
{
    struct interp *it = calloc(1, sizeof(*it));

    if (!it)
        return -ENOMEM;
    it->slots = calloc(SLOT_COUNT, sizeof(*it->slots));
    if (!it->slots) {
        free(it);
        return -ENOMEM;
    }
    it->code_flags = guestmem_code_flags(cpu->board.guestmem);
    cpu->interp = it;
    return guestmem_add_watch(cpu->board.guestmem, memory_written, it);
}

void interp_free(struct cpu *cpu)
{
    free(cpu->interp->frames);
    free(cpu->interp->slots);
    free(cpu->interp);
    cpu->interp = NULL;
}

/* --- fetch and decode --- */

/* Make room for the frame's generation.  Memory may be allocated after the CPU was made. */
static bool know_frame(struct cpu *cpu, uint64_t frame)
{
    struct interp *it = cpu->interp;
    uint64_t count = guestmem_size(cpu->board.guestmem) >> GUEST_PAGE_SHIFT;
    struct frame *frames;

    if (frame < it->frame_count)
        return true;
    if (frame >= count)
        return false;
    frames = realloc(it->frames, count * sizeof(*frames));
    if (!frames)
        return false;
    for (uint64_t i = it->frame_count; i < count; i++)
        frames[i] = (struct frame){.generation = 1};
    it->frames = frames;
    it->frame_count = count;
    return true;
}

static void finish_decode(struct cpu *cpu, struct insn *in)
{
    if (!cpu_has_feature(cpu, in->desc->feature))
        in->desc = &undefined;
}

/* What mem_fetch() finds, whatever it is: page crossings, devices, faults. */
static __attribute__((noinline)) const struct insn *decode_uncached(struct cpu *cpu)
{
    const struct segment *cs = &cpu->seg[SEG_CS];
    struct insn *in = &cpu->interp->uncached;
    struct tlb_target t;
    uint8_t bytes[INSN_MAX];
    unsigned n = mem_fetch(cpu, cpu->rip, bytes);

    if (!n)
        return NULL;
    switch (insn_decode(in, bytes, n, cpu->mode & MODE_CS32 ? 4 : 2)) {
    case DECODE_OK:
        finish_decode(cpu, in);
        return in;
    case DECODE_MORE: /* the bytes end at the segment limit, or at a page that faults */
        if (cpu->rip + n <= cs->limit && !tlb_translate(cpu, (cs->base + cpu->rip + n) & 0xffffffff,
                                                        (cpu->cpl == 3 ? ACCESS_USER : 0) | ACCESS_FETCH, &t))
            return NULL;
        break;
    case DECODE_LONG:
        break;
    }
    (void)!cpu_raise_error(cpu, VEC_GP, 0);
    return NULL;
}

static const struct insn *decode_into(struct cpu *cpu, struct slot *s, uint64_t key, const uint8_t *host, unsigned room)
{
    struct interp *it = cpu->interp;
    uint64_t frame = key >> (GUEST_PAGE_SHIFT + 1);
    unsigned avail = room < INSN_MAX ? room : INSN_MAX;

    if (!know_frame(cpu, frame))
        return decode_uncached(cpu);
    s->generation = 0;
    if (insn_decode(&s->insn, host, avail, key & 1 ? 4 : 2) != DECODE_OK)
        return decode_uncached(cpu);
    finish_decode(cpu, &s->insn);
    s->key = key;
    s->generation = it->frames[frame].generation;
    if (!cpu->mmu_hooks.flush_all) {
        it->code_flags[frame] |= FRAME_DECODED;
        it->frames[frame].writes = 0;
    }
    return &s->insn;
}

/* The instruction at CS:rip; NULL with the fault pending. */
static inline const struct insn *fetch(struct cpu *cpu)
{
    struct interp *it = cpu->interp;
    struct tlb *tlb = cpu->tlb;
    const struct segment *cs = &cpu->seg[SEG_CS];
    gla_t gla = (cs->base + cpu->rip) & 0xffffffff;
    struct tlb_entry *e = tlb_slot(tlb, gla, cpu->cpl == 3);
    const struct insn *in;
    struct slot *s;
    uint64_t off, key;

    if (__builtin_expect(e->fetch_tag != tlb_tag(gla, tlb->generation), 0)) {
        unsigned access = (cpu->cpl == 3 ? ACCESS_USER : 0) | ACCESS_FETCH;
        struct tlb_target t;

        if (cpu->rip > cs->limit) {
            (void)!cpu_raise_error(cpu, VEC_GP, 0);
            return NULL;
        }
        if (!tlb_translate(cpu, gla, access, &t))
            return NULL;
        if (!t.host)
            return decode_uncached(cpu);
    }
    off = e->mem_off + (gla & GUEST_PAGE_MASK);
    key = off << 1 | (cpu->mode & MODE_CS32 ? 1 : 0);
    s = cpu->mmu_hooks.flush_all ? &it->slots[off & (FEW_SLOTS - 1)] : slot_of(it, off);
    if (__builtin_expect(s->key == key && s->generation && s->generation == it->frames[off >> GUEST_PAGE_SHIFT].generation,
                         1) &&
        (!cpu->mmu_hooks.flush_all || !memcmp(e->host + (gla & GUEST_PAGE_MASK), s->insn.bytes, s->insn.len)))
        in = &s->insn;
    else
        in = decode_into(cpu, s, key, e->host + (gla & GUEST_PAGE_MASK), GUEST_PAGE_SIZE - (gla & GUEST_PAGE_MASK));
    if (in && !(cpu->mode & MODE_FLAT_CS) && cpu->rip + in->len - 1 > cs->limit) {
        (void)!cpu_raise_error(cpu, VEC_GP, 0);
        return NULL;
    }
    return in;
}

/* --- one instruction --- */

/* What seldom follows an instruction: shadows end, RF ends, the mode changed, debug traps.  had_shadow, had_rf and mode
 * are from before it. */
static __attribute__((noinline)) void settle(struct cpu *cpu, const struct insn *in, uint32_t mode, bool had_shadow,
                                             bool had_rf)
{
    uint32_t dr6 = cpu->tlb->debug_hits;

    cpu->tlb->debug_hits = 0;
    /* Of two instructions in a row that hold off interrupts only the first is sure to. */
    if (had_shadow)
        cpu->has_shadow = false;
    if (had_rf && !insn_is(in, op_iret) && !insn_is(in, op_rsm))
        cpu->eflags &= ~EFLAGS_RF;
    if (cpu->is_mode_stale)
        cpu_update_mode(cpu);
    /* Loading SS holds traps off for one instruction: data breakpoints wait, a single step is lost. */
    if (cpu->has_shadow && !insn_is(in, op_sti)) {
        cpu->tlb->debug_hits = (uint8_t)dr6;
        return;
    }
    /* The trap belongs to instructions that began with TF set. */
    if (mode & MODE_TF)
        dr6 |= DR6_BS;
    if (dr6) {
        (void)!cpu_raise_debug(cpu, dr6, true);
        event_deliver(cpu);
    }
}

static bool meets_breakpoint(struct cpu *cpu)
{
    unsigned hits;

    if (cpu->eflags & EFLAGS_RF)
        return false;
    hits = debug_matches(cpu, (cpu->seg[SEG_CS].base + cpu->rip) & 0xffffffff, 1, false, true, false);
    return hits && !cpu_raise_debug(cpu, hits, false);
}

/* The instruction did not complete.  A look-ahead stops before its fault is delivered, but goes on through software interrupts.  A data
 * breakpoint that MOV SS held off comes behind a software interrupt, in its handler. */
static __attribute__((noinline)) void abandon(struct cpu *cpu)
{
    uint32_t dr6 = cpu->event.is_pending && cpu->event.kind == EVENT_SOFT_INT ? cpu->tlb->debug_hits : 0;

    cpu->tlb->debug_hits = 0;
    if (cpu->probe) {
        if (cpu->event.is_pending && cpu->event.kind == EVENT_SOFT_INT && event_deliver_ahead(cpu))
            return;
        cpu->probe->is_stopped = true;
        cpu->event.is_pending = false;
        cpu->next_rip = cpu->rip;
        return;
    }
    event_deliver(cpu);
    if (dr6 && !cpu->is_shutdown) {
        cpu->next_rip = cpu->rip;
        (void)!cpu_raise_debug(cpu, dr6, true);
        event_deliver(cpu);
    }
}

#ifdef RINGER_OPCODE_COVERAGE
/* The translator notes for itself what it hands to the interpreter. */
static void note_coverage(const struct cpu *cpu, const struct insn *in, uint32_t mode)
{
    uint8_t *byte = cpu->mmu_hooks.flush_all ? NULL : opcode_coverage_byte(in, mode, false);

    if (byte)
        *byte = 1;
}
#endif

static inline void execute(struct cpu *cpu, const struct insn *in)
{
    bool had_shadow = cpu->has_shadow;
    uint32_t mode = cpu->mode, had_rf = cpu->eflags & EFLAGS_RF;

    cpu->next_rip = (cpu->rip + in->len) & (mode & MODE_CS32 ? 0xffffffffu : 0xffffu);
    cpu->stats.insns_interp++;
    if (in->desc->sens)
        cpu->stats.sens_executed[in->desc->sens]++;
    if (__builtin_expect(!in->desc->exec(cpu, in), 0)) {
#ifdef RINGER_OPCODE_COVERAGE
        if (cpu->event.is_pending && cpu->event.kind == EVENT_SOFT_INT) /* what it is there for */
            note_coverage(cpu, in, mode);
#endif
        abandon(cpu);
        return;
    }
#ifdef RINGER_OPCODE_COVERAGE
    note_coverage(cpu, in, mode);
#endif
    cpu->rip = cpu->next_rip;
    if (__builtin_expect(cpu->is_mode_stale || had_shadow || had_rf || (mode & (MODE_TF | MODE_DEBUG)), 0))
        settle(cpu, in, mode, had_shadow, had_rf);
}

static inline void execute_one(struct cpu *cpu)
{
    const struct insn *in;

    if (__builtin_expect(cpu->mode & MODE_DEBUG, 0) && meets_breakpoint(cpu)) {
        event_deliver(cpu);
        return;
    }
    in = fetch(cpu);
    if (__builtin_expect(in != NULL, 1))
        execute(cpu, in);
    else
        abandon(cpu);
}

const struct insn *cpu_probe_fetch(struct cpu *cpu)
{
    const struct insn *in = fetch(cpu);

    if (!in)
        cpu->event.is_pending = false;
    return in;
}

void cpu_probe_execute(struct cpu *cpu, const struct insn *in)
{
    execute(cpu, in);
}

void cpu_step(struct cpu *cpu)
{
    if (cpu->is_shutdown)
        return;
    if (cpu->is_mode_stale)
        cpu_update_mode(cpu);
    execute_one(cpu);
}

uint64_t cpu_interpret(struct cpu *cpu, uint64_t max_insns)
{
    uint64_t n = 0;

    if (cpu->is_mode_stale)
        cpu_update_mode(cpu);
    while (n < max_insns && !atomic_load_explicit(&cpu->exit_request, memory_order_relaxed)) {
        if (__builtin_expect(cpu_has_work(cpu), 0))
            cpu_take_work(cpu);
        cpu->is_mid_rep = false;
        if (__builtin_expect(cpu->is_halted || cpu->is_shutdown, 0))
            break;
        execute_one(cpu);
        n++;
    }
    return n;
}
