/* Guest memory as instructions see it: segment checks (SDM 3A 5.3), then the TLB, then RAM or a device.
 * The common case, an aligned access to cached RAM, is inline; everything else takes the slow functions. */
#include "cpu/mem.h"

#include <string.h>
#include "cpu/protect.h"
#include "cpu/tlb.h"

#define LINEAR_MASK 0xffffffffull /* of 32-bit modes */

static inline bool is_likely(bool c)
{
    return __builtin_expect(c, 1);
}

static inline unsigned data_access(const struct cpu *cpu)
{
    return cpu->cpl == 3 ? ACCESS_USER : 0;
}

/* --- segments --- */

bool segment_allows(const struct cpu *cpu, const struct segment *s, uint64_t off, unsigned size, unsigned access)
{
    uint64_t last = off + size - 1;

    if (s->is_null)
        return false;
    if (cpu_is_protected(cpu)) {
        if (access & ACCESS_WRITE ? !segment_is_writable_data(s) : segment_is_code(s) && !(s->attr & SEG_ATTR_RW))
            return false;
    }
    if (segment_is_expand_down(s))
        return off > s->limit && last <= (s->attr & SEG_ATTR_DB ? 0xffffffffu : 0xffffu);
    /* Beyond FFFFFFFFh a processor may fault or go on at 0 (SDM 3A 5.3).  Where the base is not 0 translated code just goes on. */
    return last <= s->limit || (s->limit == 0xffffffffu && s->base);
}

bool mem_linear(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned size, unsigned access, gla_t *gla)
{
    const struct segment *s = &cpu->seg[seg];
    unsigned class = cpu->mode >> (MODE_SEG_SHIFT + 2 * seg) & 3;

    /* CS counts as flat for reads only. */
    if (is_likely(class == SEGC_FLAT && seg != SEG_CS)) {
        *gla = off;
        if (is_likely(off + size - 1 <= LINEAR_MASK))
            return true;
    } else if (segment_allows(cpu, s, off, size, access)) {
        *gla = (s->base + off) & LINEAR_MASK;
        return true;
    }
    (void)!cpu_raise_error(cpu, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
    return false;
}

/* --- linear accesses --- */

static void note_data_breakpoints(struct cpu *cpu, gla_t gla, unsigned size, bool is_write)
{
    if (cpu->mode & MODE_DEBUG)
        cpu->tlb->debug_hits |= debug_matches(cpu, gla, size, is_write, false, false);
}

/* #AC is for data accesses at CPL 3 only.  SDM 3A 6.15, "Interrupt 17". */
bool mem_is_misaligned(const struct cpu *cpu, gla_t gla, unsigned size, unsigned access)
{
    return (gla & (size - 1)) && (access & ACCESS_USER) && (cpu->paging.cr0 & CR0_AM) && (cpu->eflags & EFLAGS_AC);
}

/* In lock-step a device, or a page with code to be written, stops the instruction before it has had any effect. */
static bool is_stopped_by_probe(struct cpu *cpu, const struct tlb_target *t, bool is_write)
{
    if (t->host && !(is_write && (*t->code_flag & ~FRAME_TABLE)))
        return false;
    cpu->probe->is_stopped = true;
    return true;
}

static void announce_write(struct cpu *cpu, const struct tlb_target *t, unsigned n)
{
    if (cpu->probe && cpu->probe->before_write)
        cpu->probe->before_write(cpu->probe->opaque, t->host, n);
}

/* n bytes (not crossing a page; a power of two unless the access does) from t. */
static uint64_t target_load(struct cpu *cpu, const struct tlb_target *t, unsigned n)
{
    uint64_t value = 0;

    if (!t->host)
        cpu->stats.indirect_accesses++;
    if (t->host)
        memcpy(&value, t->host, n);
    else if (n & (n - 1))
        space_read_buf(cpu->mem, t->gpa, &value, n);
    else
        value = space_read(cpu->mem, t->gpa, n);
    return value;
}

static void target_store(struct cpu *cpu, const struct tlb_target *t, unsigned n, const uint8_t *bytes)
{
    if (!t->host || *t->code_flag)
        cpu->stats.indirect_accesses++;
    if (t->host) {
        announce_write(cpu, t, n);
        memcpy(t->host, bytes, n);
        if (*t->code_flag)
            guestmem_written(cpu->board.guestmem, t->mem_off, n);
    } else if (n <= 8 && !(n & (n - 1))) {
        space_write(cpu->mem, t->gpa, n, load_le(bytes, n));
    } else {
        space_write_buf(cpu->mem, t->gpa, bytes, n);
    }
}

/* Bytes of an access that lie in its first page. */
static unsigned first_part(gla_t gla, unsigned size)
{
    unsigned room = GUEST_PAGE_SIZE - (gla & GUEST_PAGE_MASK);

    return size < room ? size : room;
}

static bool translate_both(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, struct tlb_target t[2])
{
    unsigned n = first_part(gla, size);

    return tlb_translate(cpu, gla, access, &t[0]) &&
           (n == size || tlb_translate(cpu, (gla + n) & LINEAR_MASK, access, &t[1]));
}

static __attribute__((noinline)) bool read_slow(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, uint64_t *value)
{
    unsigned n = first_part(gla, size);
    struct tlb_target t[2];

    if (mem_is_misaligned(cpu, gla, size, access))
        return cpu_raise_error(cpu, VEC_AC, 0);
    if (!translate_both(cpu, gla, size, access, t))
        return false;
    if (cpu->probe && (is_stopped_by_probe(cpu, &t[0], access & ACCESS_WRITE) ||
                       (n < size && is_stopped_by_probe(cpu, &t[1], access & ACCESS_WRITE))))
        return false;
    /* With the rights of a write, a page that cannot be stored to directly (ROM) has no host pointer: the space reads it. */
    *value = target_load(cpu, &t[0], n);
    if (n < size)
        *value |= target_load(cpu, &t[1], size - n) << (n * 8);
    note_data_breakpoints(cpu, gla, size, access & ACCESS_WRITE);
    return true;
}

static __attribute__((noinline)) bool write_slow(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, uint64_t value)
{
    unsigned n = first_part(gla, size);
    struct tlb_target t[2];
    uint8_t bytes[8];

    if (mem_is_misaligned(cpu, gla, size, access))
        return cpu_raise_error(cpu, VEC_AC, 0);
    if (!translate_both(cpu, gla, size, access | ACCESS_WRITE, t))
        return false;
    if (cpu->probe && (is_stopped_by_probe(cpu, &t[0], true) || (n < size && is_stopped_by_probe(cpu, &t[1], true))))
        return false;
    store_le(bytes, 8, value);
    target_store(cpu, &t[0], n, bytes);
    if (n < size)
        target_store(cpu, &t[1], size - n, bytes + n);
    note_data_breakpoints(cpu, gla, size, true);
    return true;
}

static inline bool read_linear(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, uint64_t *value)
{
    const struct tlb_entry *e = tlb_slot(cpu->tlb, gla, access & ACCESS_USER);

    if (is_likely(e->read_tag == tlb_tag(gla, cpu->tlb->fast_generation) && !(gla & (size - 1)))) {
        *value = load_sized(e->host + (gla & GUEST_PAGE_MASK), size);
        return true;
    }
    return read_slow(cpu, gla, size, access, value);
}

static inline bool write_linear(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, uint64_t value)
{
    const struct tlb_entry *e = tlb_slot(cpu->tlb, gla, access & ACCESS_USER);

    if (is_likely(e->write_tag == tlb_tag(gla, cpu->tlb->fast_generation) && !(gla & (size - 1)) && !cpu->probe)) {
        store_sized(e->host + (gla & GUEST_PAGE_MASK), size, value);
        if (__builtin_expect(*e->code_flag, 0)) {
            cpu->stats.indirect_accesses++;
            guestmem_written(cpu->board.guestmem, e->mem_off + (gla & GUEST_PAGE_MASK), size);
        }
        return true;
    }
    return write_slow(cpu, gla, size, access, value);
}

bool mem_read_linear(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, uint64_t *value)
{
    if (access & ACCESS_WRITE)
        return read_slow(cpu, gla & LINEAR_MASK, size, access, value);
    return read_linear(cpu, gla & LINEAR_MASK, size, access, value);
}

bool mem_write_linear(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, uint64_t value)
{
    return write_linear(cpu, gla & LINEAR_MASK, size, access, value);
}

/* --- segmented accesses --- */

bool mem_read(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned size, uint64_t *value)
{
    gla_t gla;

    return mem_linear(cpu, seg, off, size, ACCESS_READ, &gla) && read_linear(cpu, gla, size, data_access(cpu), value);
}

bool mem_write(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned size, uint64_t value)
{
    gla_t gla;

    return mem_linear(cpu, seg, off, size, ACCESS_WRITE, &gla) && write_linear(cpu, gla, size, data_access(cpu), value);
}

bool mem_read_rmw(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned size, uint64_t *value)
{
    const struct tlb_entry *e;
    gla_t gla;

    if (!mem_linear(cpu, seg, off, size, ACCESS_WRITE, &gla))
        return false;
    e = tlb_slot(cpu->tlb, gla, cpu->cpl == 3);
    if (is_likely(e->write_tag == tlb_tag(gla, cpu->tlb->fast_generation) && !(gla & (size - 1)))) {
        *value = load_sized(e->host + (gla & GUEST_PAGE_MASK), size);
        return true;
    }
    return read_slow(cpu, gla, size, data_access(cpu) | ACCESS_WRITE, value);
}

/* Check every page of [gla, gla+len) for access, so that the transfer that follows cannot fault. */
static bool check_pages(struct cpu *cpu, gla_t gla, unsigned len, unsigned access)
{
    struct tlb_target t;

    for (unsigned done = 0; done < len; done += first_part(gla + done, len - done)) {
        if (!tlb_translate(cpu, (gla + done) & LINEAR_MASK, access, &t))
            return false;
        if (cpu->probe && is_stopped_by_probe(cpu, &t, access & ACCESS_WRITE))
            return false;
    }
    return true;
}

bool mem_read_buf(struct cpu *cpu, enum sreg seg, uint64_t off, void *buf, unsigned len)
{
    unsigned access = data_access(cpu);
    struct tlb_target t;
    unsigned n;
    gla_t gla;

    if (!len)
        return true;
    if (!mem_linear(cpu, seg, off, len, ACCESS_READ, &gla) || !check_pages(cpu, gla, len, access))
        return false;
    for (unsigned done = 0; done < len; done += n) {
        n = first_part(gla + done, len - done);
        if (!tlb_translate(cpu, (gla + done) & LINEAR_MASK, access, &t))
            return false;
        if (t.host)
            memcpy((uint8_t *)buf + done, t.host, n);
        else
            space_read_buf(cpu->mem, t.gpa, (uint8_t *)buf + done, n);
        cpu->stats.indirect_accesses += !t.host;
    }
    note_data_breakpoints(cpu, gla, len, false);
    return true;
}

bool mem_write_buf(struct cpu *cpu, enum sreg seg, uint64_t off, const void *buf, unsigned len)
{
    unsigned access = data_access(cpu) | ACCESS_WRITE;
    struct tlb_target t;
    unsigned n;
    gla_t gla;

    if (!len)
        return true;
    if (!mem_linear(cpu, seg, off, len, ACCESS_WRITE, &gla) || !check_pages(cpu, gla, len, access))
        return false;
    for (unsigned done = 0; done < len; done += n) {
        n = first_part(gla + done, len - done);
        if (!tlb_translate(cpu, (gla + done) & LINEAR_MASK, access, &t))
            return false;
        target_store(cpu, &t, n, (const uint8_t *)buf + done);
    }
    note_data_breakpoints(cpu, gla, len, true);
    return true;
}

uint8_t *mem_direct(struct cpu *cpu, gla_t gla, unsigned access, unsigned *run)
{
    struct tlb_target t;
    uint32_t error;

    if (cpu->mode & MODE_DEBUG)
        return NULL;
    if (!tlb_probe(cpu, gla & LINEAR_MASK, (access & ACCESS_WRITE) | data_access(cpu), &t, &error) || !t.host)
        return NULL;
    if ((access & ACCESS_WRITE) && *t.code_flag)
        return NULL;
    *run = GUEST_PAGE_SIZE - (gla & GUEST_PAGE_MASK);
    if ((access & ACCESS_WRITE) && cpu->probe && cpu->probe->before_write) /* in either direction */
        cpu->probe->before_write(cpu->probe->opaque, t.host - (gla & GUEST_PAGE_MASK), GUEST_PAGE_SIZE);
    return t.host;
}

/* --- fetching --- */

unsigned mem_fetch(struct cpu *cpu, uint64_t rip, uint8_t buf[15])
{
    const struct segment *cs = &cpu->seg[SEG_CS];
    unsigned want = 15, done = 0, n;
    struct tlb_target t;
    uint32_t error;
    gla_t gla;

    if (rip > cs->limit) {
        (void)!cpu_raise_error(cpu, VEC_GP, 0);
        return 0;
    }
    if (cs->limit - rip < want)
        want = cs->limit - rip + 1;
    gla = (cs->base + rip) & LINEAR_MASK;
    for (; done < want; done += n, gla = (gla + n) & LINEAR_MASK) {
        n = first_part(gla, want - done);
        if (!tlb_probe(cpu, gla, data_access(cpu) | ACCESS_FETCH, &t, &error)) {
            if (!done)
                (void)!cpu_raise_pf(cpu, gla, error);
            break;
        }
        if (t.host)
            memcpy(buf + done, t.host, n);
        else
            space_read_buf(cpu->fetch_mem, t.gpa, buf + done, n);
    }
    return done;
}

unsigned cpu_peek(struct cpu *cpu, gla_t gla, void *buf, unsigned len)
{
    struct paging_result r;
    struct space_run run;
    uint32_t error;
    unsigned done, n;

    for (done = 0; done < len; done += n) {
        gla_t at = (gla + done) & LINEAR_MASK;

        n = first_part(at, len - done);
        if (!paging_walk(cpu->mem, &cpu->paging, at, ACCESS_READ, false, &r, &error))
            break;
        space_lookup(cpu->mem, r.gpa, &run);
        if (!run.host)
            break;
        if (n > run.len)
            n = (unsigned)run.len;
        memcpy((uint8_t *)buf + done, run.host, n);
    }
    return done;
}

/* --- stack --- */

static uint32_t stack_mask(const struct segment *ss)
{
    return ss->attr & SEG_ATTR_DB ? 0xffffffffu : 0xffffu;
}

bool mem_push(struct cpu *cpu, unsigned size, uint64_t value)
{
    uint32_t mask = cpu->mode & MODE_SS32 ? 0xffffffffu : 0xffffu;
    uint32_t esp = (uint32_t)cpu->gpr[REG_SP], sp = (esp - size) & mask;

    if (!mem_write(cpu, SEG_SS, sp, size, value))
        return false;
    cpu->gpr[REG_SP] = (esp & ~mask) | sp;
    return true;
}

bool mem_pop(struct cpu *cpu, unsigned size, uint64_t *value)
{
    uint32_t mask = cpu->mode & MODE_SS32 ? 0xffffffffu : 0xffffu;
    uint32_t esp = (uint32_t)cpu->gpr[REG_SP];

    if (!mem_read(cpu, SEG_SS, esp & mask, size, value))
        return false;
    cpu->gpr[REG_SP] = (esp & ~mask) | ((esp + size) & mask);
    return true;
}

struct stack stack_current(const struct cpu *cpu)
{
    return (struct stack){.ss = cpu->seg[SEG_SS], .sp = (uint32_t)cpu->gpr[REG_SP], .user = data_access(cpu)};
}

bool stack_push(struct cpu *cpu, struct stack *st, unsigned size, uint32_t value)
{
    uint32_t sp = (st->sp - size) & stack_mask(&st->ss);

    if (!segment_allows(cpu, &st->ss, sp, size, ACCESS_WRITE))
        return cpu_raise_error(cpu, VEC_SS, st->error);
    if (!mem_write_linear(cpu, st->ss.base + sp, size, st->user, value))
        return false;
    st->sp = sp;
    return true;
}

bool stack_pop(struct cpu *cpu, struct stack *st, unsigned size, uint32_t *value)
{
    uint32_t mask = stack_mask(&st->ss);
    uint64_t v;

    if (!segment_allows(cpu, &st->ss, st->sp & mask, size, ACCESS_READ))
        return cpu_raise_error(cpu, VEC_SS, st->error);
    if (!mem_read_linear(cpu, st->ss.base + (st->sp & mask), size, st->user, &v))
        return false;
    *value = (uint32_t)v;
    st->sp = (st->sp + size) & mask;
    return true;
}

uint32_t stack_esp(const struct stack *st, uint32_t old_esp)
{
    uint32_t mask = stack_mask(&st->ss);

    return (old_esp & ~mask) | (st->sp & mask);
}

void stack_commit(struct cpu *cpu, const struct stack *st)
{
    cpu->gpr[REG_SP] = stack_esp(st, (uint32_t)cpu->gpr[REG_SP]);
}
