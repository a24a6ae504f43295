/* See invariants.h.  Each check names its place in SDM volume 3A. */
#include "tests/fuzz/invariants.h"

#include <string.h>
#include "cpu/ops.h"
#include "cpu/protect.h"

#define PTE_P      1u
#define PTE_A      0x20u
#define PTE_D      0x40u
#define PDE_PS     0x80u
#define FLAGS_ZERO 0xffc08028u /* EFLAGS bits that are always 0 */

static uint64_t sum_of_exceptions(const struct cpu *cpu)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < 32; i++)
        n += cpu->stats.exceptions[i];
    return n;
}

static uint32_t effective_address(const struct cpu *cpu, const struct insn *in)
{
    uint32_t ea = (uint32_t)in->disp;

    if (in->base >= 0)
        ea += (uint32_t)cpu->gpr[in->base];
    if (in->index >= 0)
        ea += (uint32_t)cpu->gpr[in->index] << in->scale;
    return in->addrsize == 2 ? ea & 0xffff : ea;
}

void before_take(struct before *b, struct cpu *cpu, const struct insn *in)
{
    b->in = in;
    memcpy(b->seg, cpu->seg, sizeof(b->seg));
    b->cr2 = cpu->cr2;
    b->exceptions = sum_of_exceptions(cpu);
    b->task_switches = cpu->stats.task_switches;
    b->interrupts = cpu->stats.soft_interrupts;
    b->eflags = (uint32_t)cpu->eflags;
    b->cr0 = (uint32_t)cpu->paging.cr0;
    b->rip = (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip);
    b->tr = cpu->tr.sel;
    b->cpl = cpu->cpl;
    /* Plain loads and stores only: others access more, less or nothing. */
    b->has_operand = in && in->is_mem && insn_is(in, op_mov) && (in->desc->attr & (ATTR_MEM_R | ATTR_MEM_W));
    if (b->has_operand)
        b->operand = (uint32_t)cpu->seg[in->seg].base + effective_address(cpu, in);
}

/* --- segments: 5.5 to 5.8, 3.4.5 --- */

static const char *check_v86(const struct cpu *cpu)
{
    if (cpu->cpl != 3)
        return "VM is set and CPL is not 3";
    for (unsigned i = 0; i < SEG_COUNT; i++)
        if (cpu->seg[i].base != (uint32_t)cpu->seg[i].sel << 4 || cpu->seg[i].limit != 0xffff)
            return "a virtual-8086 segment is not selector * 16 with limit FFFFh";
    return NULL;
}

static const char *check_code(const struct cpu *cpu)
{
    const struct segment *cs = &cpu->seg[SEG_CS];

    if (!segment_is_code(cs) || !(cs->attr & SEG_ATTR_P) || cs->is_null)
        return "CS is not a present code segment";
    if ((cs->sel & 3) != cpu->cpl)
        return "RPL of CS is not CPL";
    if (cs->attr & SEG_ATTR_EC ? segment_dpl(cs) > cpu->cpl : segment_dpl(cs) != cpu->cpl)
        return "DPL of CS does not allow CPL";
    return NULL;
}

static const char *check_stack(const struct cpu *cpu)
{
    const struct segment *ss = &cpu->seg[SEG_SS];

    if (ss->is_null || segment_is_code(ss) || !(ss->attr & SEG_ATTR_RW) || !(ss->attr & SEG_ATTR_P))
        return "SS is not a present writable data segment";
    if (segment_dpl(ss) != cpu->cpl || (ss->sel & 3) != cpu->cpl)
        return "DPL or RPL of SS is not CPL";
    return NULL;
}

static const char *check_data(const struct cpu *cpu)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct segment *s = &cpu->seg[i];

        if (i == SEG_CS || i == SEG_SS || s->is_null)
            continue;
        if (!(s->attr & SEG_ATTR_S) || !(s->attr & SEG_ATTR_P))
            return "a data segment register holds a system or absent segment";
        if (segment_is_code(s) && !(s->attr & SEG_ATTR_RW))
            return "a data segment register holds execute-only code";
        if (!(segment_is_code(s) && (s->attr & SEG_ATTR_EC)) && segment_dpl(s) < cpu->cpl)
            return "a data segment register holds a segment of more privilege than CPL";
    }
    return NULL;
}

/* Did the instruction itself, after it had read the descriptor at gla, write over it?  A stack may lie in the tables: then the frame of an
 * exception, or what CALL pushes, does that.  Setting "accessed" or "busy" does not count. */
static bool is_overwritten(const struct fuzz_machine *m, uint32_t gla)
{
    struct paging_result r;
    uint32_t error;

    if (m->n_writes > FUZZ_MAX_WRITES)
        return true;
    for (uint32_t i = 0; i < 8; i++) { /* it may lie in two pages */
        if (!paging_walk(m->cpu->mem, &m->cpu->paging, gla + i, ACCESS_READ, false, &r, &error))
            return true;
        for (unsigned w = 0; w < m->n_writes; w++)
            if (r.gpa - m->writes[w].gpa < m->writes[w].len && !(i == 5 && m->writes[w].len == 1))
                return true;
    }
    return false;
}

/* The cached part of a register that has just been loaded is what memory says, and memory says "accessed". */
static const char *check_loaded(const struct fuzz_machine *m, const struct before *b)
{
    struct cpu *cpu = m->cpu;

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct segment *s = &cpu->seg[i];
        uint32_t at = (uint32_t)(s->sel & 4 ? cpu->ldtr.base : cpu->gdtr.base) + (s->sel & ~7u), limit;
        uint8_t bytes[8];
        uint64_t d;

        if (!memcmp(s, &b->seg[i], sizeof(*s)) || s->is_null || cpu_peek(cpu, at, bytes, 8) != 8 || is_overwritten(m, at))
            continue;
        d = load_le(bytes, 8);
        limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));
        if (d >> 55 & 1)
            limit = limit << 12 | 0xfff;
        if (!(d >> 40 & SEG_ATTR_ACCESSED))
            return "a segment was loaded and its descriptor is not accessed";
        if (s->base != ((d >> 16 & 0xffffff) | (d >> 56) << 24) || s->limit != limit)
            return "a segment was loaded with another base or limit than its descriptor's";
    }
    return NULL;
}

/* 7.2.4, 7.3.  A task whose back link is its own selector may return to itself by IRET: that clears busy of the old task's descriptor and leaves
 * the new one's alone, so it ends not busy. */
static const char *check_task_register(const struct fuzz_machine *m, const struct before *b)
{
    struct cpu *cpu = m->cpu;
    uint32_t at = (uint32_t)cpu->gdtr.base + (cpu->tr.sel & ~7u);
    unsigned type = cpu->tr.attr & 15;
    uint8_t bytes[8];

    if (cpu->tr.sel == b->tr && cpu->stats.task_switches == b->task_switches)
        return NULL;
    if (type != SYS_TSS16_BUSY && type != SYS_TSS32_BUSY)
        return "TR was loaded and is not busy";
    if (((cpu->tr.sel ^ b->tr) & ~7u) == 0)
        return NULL;
    if (cpu_peek(cpu, at, bytes, 8) == 8 && (bytes[5] & 15) != SYS_TSS16_BUSY && (bytes[5] & 15) != SYS_TSS32_BUSY &&
        !is_overwritten(m, at))
        return "TR was loaded and its descriptor is not busy";
    return NULL;
}

/* --- control: 2.3, 2.5 --- */

static const char *check_control(struct cpu *cpu, const struct before *b, bool has_exception)
{
    uint64_t cr0 = cpu->paging.cr0;
    bool is_mov_cr = b->in && b->in->map == MAP_0F && b->in->opcode == 0x22;

    if ((cr0 & CR0_PG) && !(cr0 & CR0_PE))
        return "PG without PE";
    if ((cr0 & CR0_NW) && !(cr0 & CR0_CD))
        return "NW without CD";
    if (!(cr0 & CR0_ET))
        return "ET is 0";
    if ((cpu->eflags & FLAGS_ZERO) || !(cpu->eflags & EFLAGS_1))
        return "a reserved bit of EFLAGS";
    if ((cpu->eflags & EFLAGS_VM) && !(cr0 & CR0_PE))
        return "VM without PE";
    if (cpu->cr2 != b->cr2 && !has_exception && !is_mov_cr)
        return "CR2 changed without #PF";
    if (b->in && insn_is(b->in, op_popf) && !has_exception && cpu->stats.soft_interrupts == b->interrupts) {
        uint32_t changed = (uint32_t)cpu->eflags ^ b->eflags;

        if (b->cpl > 0 && (changed & EFLAGS_IOPL))
            return "POPF changed IOPL outside ring 0";
        if (b->cpl > (b->eflags >> EFLAGS_IOPL_SHIFT & 3) && (changed & EFLAGS_IF))
            return "POPF changed IF with CPL > IOPL";
        if (changed & EFLAGS_VM)
            return "POPF changed VM";
    }
    return NULL;
}

/* --- paging: 4.8 --- */

static const char *check_walk(struct cpu *cpu, uint32_t gla, bool is_write)
{
    bool is_pae = cpu->paging.cr4 & CR4_PAE, is_pse = is_pae || (cpu->paging.cr4 & CR4_PSE);
    unsigned size = is_pae ? 8 : 4, index_bits = is_pae ? 9 : 10;
    uint64_t table = cpu->paging.cr3 & ~(uint64_t)0xfff, e;

    if (is_pae)
        table = cpu->paging.pdpte[gla >> 30] & 0xffffff000;
    for (unsigned level = 2; level > 0; level--) {
        unsigned shift = 12 + (level - 1) * index_bits;
        uint64_t at = table + (uint64_t)(gla >> shift & ((1u << index_bits) - 1)) * size;

        if (at >= 0x30000)
            return NULL; /* tables outside of RAM: nothing is kept there */
        e = load_le(guestmem_view(cpu->board.guestmem) + at, size);
        if (!(e & PTE_P))
            return NULL; /* a stale entry, which may be used */
        if (!(e & PTE_A))
            return "an entry that was used is not accessed";
        if (level == 1 || (is_pse && (e & PDE_PS)))
            return is_write && !(e & PTE_D) ? "a page that was written to is not dirty" : NULL;
        table = e & (is_pae ? 0xffffffffff000 : 0xfffff000);
    }
    return NULL;
}

const char *invariant_broken(const struct fuzz_machine *m, const struct before *b, bool is_tame)
{
    struct cpu *cpu = m->cpu;
    bool has_exception = sum_of_exceptions(cpu) != b->exceptions, is_protected = cpu->paging.cr0 & CR0_PE;
    bool is_paged = (cpu->paging.cr0 & b->cr0 & CR0_PG) != 0;
    const char *s = check_control(cpu, b, has_exception);

    if (s || cpu->is_shutdown)
        return s;
    if (is_paged && b->in && !has_exception && cpu->stats.task_switches == b->task_switches &&
        !(b->in->desc->iclass == PRIVILEGED)) {
        s = check_walk(cpu, b->rip, false);
        if (!s && b->has_operand)
            s = check_walk(cpu, b->operand, b->in->desc->attr & ATTR_MEM_W);
    }
    if (s || !is_protected)
        return s;
    if (cpu->eflags & EFLAGS_VM)
        return check_v86(cpu);
    if (!is_tame)
        return NULL;
    if (!s)
        s = check_code(cpu);
    if (!s)
        s = check_stack(cpu);
    if (!s)
        s = check_data(cpu);
    if (!s && !(b->eflags & EFLAGS_VM) && !(b->in && insn_is(b->in, op_sysenter)))
        s = check_loaded(m, b);
    return s ? s : check_task_register(m, b);
}
