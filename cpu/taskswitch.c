/* Hardware task switches through 16- and 32-bit TSSs.  SDM 3A chapter 7, in the order of 7.3.
 *
 * Until the new task's state is loaded a fault leaves the old task untouched; afterwards faults belong to the new task:
 * its EIP is in cpu->rip, and segments not yet loaded are null with their selectors in place. */
#include "cpu/segment.h"

#include "cpu/mem.h"
#include "cpu/protect.h"
#include "host/log.h"

enum { TSS16_BYTES = 44, TSS32_BYTES = 104 };

/* Where things lie in a TSS; SDM 3A figures 7-2 and 7-10. */
struct tss_layout {
    uint8_t bytes, size; /* needed; of a register slot */
    uint8_t eip, eflags, gpr, sreg, sregs, ldt;
};
static const struct tss_layout tss16 = {TSS16_BYTES, 2, 0x0e, 0x10, 0x12, 0x22, 4, 0x2a};
static const struct tss_layout tss32 = {TSS32_BYTES, 4, 0x20, 0x24, 0x28, 0x48, 6, 0x60};
#define TSS32_CR3   0x1c
#define TSS32_TRAP  0x64 /* bit 0: #DB when the task is entered */
#define TSS_BUSY    2u   /* bit of the descriptor's type */
#define DR7_LOCAL   0x155u
#define EFLAGS_TASK 0x003f7fd5u /* every flag there is */

static const struct tss_layout *layout_of(unsigned type)
{
    return type & 8 ? &tss32 : &tss16;
}

/* Is the old task to be returned to?  Then it stays busy, and the new one links to it. */
static bool is_nesting(enum task_switch_reason reason)
{
    return reason == TASK_CALL || reason == TASK_EVENT || reason == TASK_INT;
}

struct new_task {
    struct segment tr;
    const struct tss_layout *layout;
    uint8_t image[TSS32_BYTES];
};

static uint32_t slot(const struct new_task *t, unsigned off)
{
    return (uint32_t)load_le(t->image + off, t->layout->size);
}

/* The new TSS's descriptor, checked, and its contents. */
static bool read_new_task(struct cpu *cpu, uint16_t sel, enum task_switch_reason reason, struct new_task *t)
{
    uint8_t vector = reason == TASK_IRET ? VEC_TS : VEC_GP;
    unsigned ext = reason == TASK_EVENT, type, wanted = reason == TASK_IRET ? TSS_BUSY : 0;
    uint64_t d;

    if (selector_is_null(sel) || (sel & 4))
        return raise_selector(cpu, vector, sel, ext);
    if (!descriptor_read(cpu, sel, vector, ext, &d))
        return false;
    segment_unpack(&t->tr, sel, d);
    type = t->tr.attr & SEG_ATTR_TYPE;
    if ((t->tr.attr & SEG_ATTR_S) || (type & 5) != 1 || (type & TSS_BUSY) != wanted)
        return raise_selector(cpu, vector, sel, ext);
    if (!(t->tr.attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_NP, sel, ext);
    t->layout = layout_of(type);
    if (t->tr.limit < t->layout->bytes - 1u)
        return raise_selector(cpu, VEC_TS, sel, ext);
    for (unsigned off = 0; off < t->layout->bytes; off += 4) {
        uint64_t v;

        if (!mem_read_linear(cpu, t->tr.base + off, 4, ACCESS_READ, &v))
            return false;
        store_le(t->image + off, 4, v);
    }
    return true;
}

/* The write rights that the switch needs, tested before anything changes. */
static bool check_writable(struct cpu *cpu, gla_t gla, unsigned bytes)
{
    uint64_t v;

    return mem_read_linear(cpu, gla, 1, ACCESS_WRITE, &v) && mem_read_linear(cpu, gla + bytes - 1, 1, ACCESS_WRITE, &v);
}

static bool save_old_task(struct cpu *cpu, enum task_switch_reason reason)
{
    const struct tss_layout *l = layout_of(cpu->tr.attr);
    uint32_t eflags = cpu->eflags & (reason == TASK_IRET ? ~EFLAGS_NT : ~0u);
    uint64_t base = cpu->tr.base;
    gla_t descriptor = 0;
    uint64_t byte;

    if (cpu->tr.is_null || cpu->tr.limit < l->bytes - 1u || !descriptor_address(cpu, cpu->tr.sel, &descriptor))
        return raise_selector(cpu, VEC_TS, cpu->tr.sel, reason == TASK_EVENT);
    if (!check_writable(cpu, base + l->eip, l->ldt - l->eip) || !check_writable(cpu, descriptor + 5, 1))
        return false;

    if (!mem_write_linear(cpu, base + l->eip, l->size, ACCESS_WRITE, cpu->next_rip) ||
        !mem_write_linear(cpu, base + l->eflags, l->size, ACCESS_WRITE, eflags))
        return false;
    for (unsigned i = 0; i < 8; i++)
        if (!mem_write_linear(cpu, base + l->gpr + i * l->size, l->size, ACCESS_WRITE, cpu->gpr[i]))
            return false;
    for (unsigned i = 0; i < l->sregs; i++)
        if (!mem_write_linear(cpu, base + l->sreg + i * l->size, 2, ACCESS_WRITE, cpu->seg[i].sel))
            return false;
    if (reason == TASK_JMP || reason == TASK_IRET)
        return mem_read_linear(cpu, descriptor + 5, 1, ACCESS_READ, &byte) &&
               mem_write_linear(cpu, descriptor + 5, 1, ACCESS_WRITE, byte & ~(uint64_t)TSS_BUSY);
    return true;
}

/* Link, busy bit, TR. */
static bool enter_new_task(struct cpu *cpu, enum task_switch_reason reason, struct new_task *t)
{
    gla_t descriptor = 0;
    uint64_t byte;

    if (is_nesting(reason)) {
        if (!mem_write_linear(cpu, t->tr.base, 2, ACCESS_WRITE, cpu->tr.sel))
            return false;
    }
    if (reason != TASK_IRET) {
        if (!descriptor_address(cpu, t->tr.sel, &descriptor) ||
            !mem_read_linear(cpu, descriptor + 5, 1, ACCESS_READ, &byte) ||
            !mem_write_linear(cpu, descriptor + 5, 1, ACCESS_WRITE, byte | TSS_BUSY))
            return false;
    }
    t->tr.attr |= TSS_BUSY;
    cpu->tr = t->tr;
    return true;
}

static void load_registers(struct cpu *cpu, enum task_switch_reason reason, const struct new_task *t)
{
    const struct tss_layout *l = t->layout;
    uint32_t eflags = slot(t, l->eflags) & EFLAGS_TASK;
    /* The upper halves after a switch to a 16-bit task are undefined; the 386 left ones. */
    uint32_t upper = l->size == 2 ? 0xffff0000u : 0;

    if (is_nesting(reason))
        eflags |= EFLAGS_NT;
    for (unsigned i = 0; i < 8; i++)
        cpu->gpr[i] = slot(t, l->gpr + i * l->size) | upper;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        segment_set_null(&cpu->seg[i], i < l->sregs ? (uint16_t)load_le(t->image + l->sreg + i * l->size, 2) : 0);
    segment_set_null(&cpu->ldtr, (uint16_t)load_le(t->image + l->ldt, 2));
    cpu->rip = cpu->next_rip = slot(t, l->eip);
    cpu_set_eflags(cpu, eflags);
    cpu->cpl = eflags & EFLAGS_VM ? 3 : cpu->seg[SEG_CS].sel & 3;
    cpu->paging.cr0 |= CR0_TS;
    cpu->dr[7] &= ~(uint64_t)DR7_LOCAL;
    cpu->is_mode_stale = true;
}

/* --- from here on faults are the new task's --- */

static bool load_ldt(struct cpu *cpu, unsigned ext)
{
    uint16_t sel = cpu->ldtr.sel;
    struct segment s;
    uint64_t d;

    if (selector_is_null(sel))
        return true;
    if (sel & 4)
        return raise_selector(cpu, VEC_TS, sel, ext);
    if (!descriptor_read(cpu, sel, VEC_TS, ext, &d))
        return false;
    segment_unpack(&s, sel, d);
    if ((s.attr & (SEG_ATTR_S | SEG_ATTR_TYPE | SEG_ATTR_P)) != (SYS_LDT | SEG_ATTR_P))
        return raise_selector(cpu, VEC_TS, sel, ext);
    cpu->ldtr = s;
    return true;
}

static bool load_cs(struct cpu *cpu, unsigned ext)
{
    uint16_t sel = cpu->seg[SEG_CS].sel;
    struct segment s;
    uint64_t d;

    if (selector_is_null(sel))
        return raise_selector(cpu, VEC_TS, sel, ext);
    if (!descriptor_read(cpu, sel, VEC_TS, ext, &d))
        return false;
    segment_unpack(&s, sel, d);
    if (!segment_is_code(&s) ||
        (segment_is_conforming(&s) ? segment_dpl(&s) > cpu->cpl : segment_dpl(&s) != cpu->cpl))
        return raise_selector(cpu, VEC_TS, sel, ext);
    if (!(s.attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_NP, sel, ext);
    if (!descriptor_set_accessed(cpu, &s))
        return false;
    cpu->seg[SEG_CS] = s;
    return true;
}

static bool load_data(struct cpu *cpu, enum sreg seg, unsigned ext)
{
    uint16_t sel = cpu->seg[seg].sel;
    struct segment s;
    uint64_t d;

    if (selector_is_null(sel))
        return true;
    if (!descriptor_read(cpu, sel, VEC_TS, ext, &d))
        return false;
    segment_unpack(&s, sel, d);
    if (!(s.attr & SEG_ATTR_S) || (segment_is_code(&s) && !(s.attr & SEG_ATTR_RW)))
        return raise_selector(cpu, VEC_TS, sel, ext);
    if (!segment_is_conforming(&s) && ((sel & 3u) > segment_dpl(&s) || cpu->cpl > segment_dpl(&s)))
        return raise_selector(cpu, VEC_TS, sel, ext);
    if (!(s.attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_NP, sel, ext);
    if (!descriptor_set_accessed(cpu, &s))
        return false;
    cpu->seg[seg] = s;
    return true;
}

static bool load_segments(struct cpu *cpu, unsigned ext)
{
    static const uint8_t data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};
    struct segment ss;

    if (cpu->eflags & EFLAGS_VM) {
        for (unsigned i = 0; i < SEG_COUNT; i++)
            segment_load_real(cpu, i, cpu->seg[i].sel);
        return true;
    }
    if (!load_cs(cpu, ext) || !segment_check_ss(cpu, cpu->seg[SEG_SS].sel, cpu->cpl, VEC_TS, ext, &ss))
        return false;
    cpu->seg[SEG_SS] = ss;
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++)
        if (!load_data(cpu, data[i], ext))
            return false;
    return true;
}

bool task_switch(struct cpu *cpu, uint16_t sel, enum task_switch_reason reason, bool has_error, uint32_t error)
{
    unsigned ext = reason == TASK_EVENT;
    struct new_task t;
    struct stack st;

    if (cpu->probe) { /* a look-ahead could not take it back */
        cpu->probe->is_stopped = true;
        return false;
    }
    if (!read_new_task(cpu, sel, reason, &t))
        return false;
    if (is_nesting(reason) && !check_writable(cpu, t.tr.base, 2))
        return false;
    if (!save_old_task(cpu, reason) || !enter_new_task(cpu, reason, &t))
        return false;
    cpu->stats.task_switches++;
    log_at(LOG_EXC, "cpu: task switch to %04x", sel);

    load_registers(cpu, reason, &t);
    /* A bad CR3 (PAE: reserved bits in a PDPTE) is a #GP in the new task. */
    if (t.layout == &tss32 && (cpu->paging.cr0 & CR0_PG) && !cpu_write_cr3(cpu, slot(&t, TSS32_CR3)))
        return false;
    if (!load_ldt(cpu, ext) || !load_segments(cpu, ext))
        return false;
    if (cpu->rip > cpu->seg[SEG_CS].limit)
        return cpu_raise_error(cpu, VEC_GP, ext);
    if (has_error) {
        st = stack_current(cpu);
        st.error = ext;
        if (!stack_push(cpu, &st, t.layout->size, error))
            return false;
        stack_commit(cpu, &st);
    }
    if (t.layout == &tss32 && (t.image[TSS32_TRAP] & 1))
        return cpu_raise_debug(cpu, DR6_BT, true);
    return true;
}
