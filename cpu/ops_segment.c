/* Instructions on segment registers, selectors and descriptor tables.  SDM 2, each instruction's "Operation". */
#include "cpu/ops.h"

#include "cpu/mem.h"
#include "cpu/operand.h"
#include "cpu/protect.h"

static bool require_protected(struct cpu *cpu)
{
    return cpu_is_protected(cpu) || cpu_raise(cpu, VEC_UD);
}

static bool require_ring0(struct cpu *cpu)
{
    return cpu->cpl == 0 || cpu_raise_error(cpu, VEC_GP, 0);
}

/* --- moving selectors --- */

/* A load of SS holds off interrupts and debug traps until the next instruction has run.  SDM 3A 6.8.3. */
static bool load_sreg(struct cpu *cpu, enum sreg seg, uint16_t sel)
{
    if (!segment_load(cpu, seg, sel))
        return false;
    if (seg == SEG_SS)
        cpu->has_shadow = true;
    return true;
}

/* 06h 0Eh 16h 1Eh, 0FA0h, 0FA8h and one more for POP: bits 5:3. */
static enum sreg sreg_of_opcode(const struct insn *in)
{
    unsigned seg = in->opcode >> 3 & 7;

    return seg < SEG_COUNT ? seg : SEG_ES;
}

bool op_push_sreg(struct cpu *cpu, const struct insn *in)
{
    return mem_push(cpu, in->opsize, cpu->seg[sreg_of_opcode(in)].sel);
}

bool op_pop_sreg(struct cpu *cpu, const struct insn *in)
{
    struct stack st = stack_current(cpu);
    uint32_t sel;

    if (!stack_pop(cpu, &st, in->opsize, &sel) || !load_sreg(cpu, sreg_of_opcode(in), (uint16_t)sel))
        return false;
    stack_commit(cpu, &st);
    return true;
}

bool op_mov_from_sreg(struct cpu *cpu, const struct insn *in)
{
    if (in->reg >= SEG_COUNT)
        return cpu_raise(cpu, VEC_UD);
    return operand_write(cpu, in, 0, cpu->seg[in->reg].sel);
}

bool op_mov_to_sreg(struct cpu *cpu, const struct insn *in)
{
    uint64_t sel;

    if (in->reg >= SEG_COUNT || in->reg == SEG_CS)
        return cpu_raise(cpu, VEC_UD);
    return operand_read(cpu, in, 1, &sel) && load_sreg(cpu, in->reg, (uint16_t)sel);
}

/* LES C4, LDS C5, LSS 0FB2, LFS 0FB4, LGS 0FB5.  LSS has no shadow: it loads the stack pointer too. */
bool op_lseg_ptr(struct cpu *cpu, const struct insn *in)
{
    static const uint8_t two_byte[8] = {[2] = SEG_SS, [4] = SEG_FS, [5] = SEG_GS};
    uint64_t ea = insn_ea(cpu, in), mask = in->addrsize == 2 ? 0xffffu : 0xffffffffu, off, sel;
    enum sreg seg = in->map == MAP_0F ? two_byte[in->opcode & 7] : in->opcode == 0xc4 ? SEG_ES : SEG_DS;

    if (!mem_read(cpu, in->seg, ea, in->opsize, &off) || !mem_read(cpu, in->seg, (ea + in->opsize) & mask, 2, &sel) ||
        !segment_load(cpu, seg, (uint16_t)sel))
        return false;
    reg_write(cpu, in, in->reg, in->opsize, off);
    return true;
}

/* --- looking at selectors --- */

static void set_zf(struct cpu *cpu, bool is_set)
{
    cpu->eflags = (cpu->eflags & ~EFLAGS_ZF) | (is_set ? EFLAGS_ZF : 0);
}

bool op_arpl(struct cpu *cpu, const struct insn *in)
{
    uint64_t sel, rpl;

    if (!require_protected(cpu) || !operand_read_rmw(cpu, in, 0, &sel) || !operand_read(cpu, in, 1, &rpl))
        return false;
    rpl &= 3;
    if ((sel & 3) < rpl && !operand_write(cpu, in, 0, (sel & 0xfffc) | rpl))
        return false;
    set_zf(cpu, (sel & 3) < rpl);
    return true;
}

/* System descriptor types LAR and LSL accept. */
#define LAR_TYPES                                                                                                      \
    (1u << SYS_TSS16 | 1u << SYS_LDT | 1u << SYS_TSS16_BUSY | 1u << SYS_CALL16 | 1u << SYS_TASK_GATE |                 \
     1u << SYS_TSS32 | 1u << SYS_TSS32_BUSY | 1u << SYS_CALL32)
#define LSL_TYPES                                                                                                      \
    (1u << SYS_TSS16 | 1u << SYS_LDT | 1u << SYS_TSS16_BUSY | 1u << SYS_TSS32 | 1u << SYS_TSS32_BUSY)

/* Is sel's descriptor there and within reach of CPL and RPL?  False only for a page fault on the way. */
static bool look_up(struct cpu *cpu, uint16_t sel, unsigned system_types, struct segment *s, uint64_t *d, bool *is_visible)
{
    gla_t gla = 0;

    *is_visible = false;
    if (selector_is_null(sel) || !descriptor_address(cpu, sel, &gla))
        return true;
    if (!mem_read_linear(cpu, gla, 8, ACCESS_READ, d))
        return false;
    segment_unpack(s, sel, *d);
    if (!(s->attr & SEG_ATTR_S) && !(system_types >> (s->attr & SEG_ATTR_TYPE) & 1))
        return true;
    *is_visible = segment_is_conforming(s) || (cpu->cpl <= segment_dpl(s) && (sel & 3u) <= segment_dpl(s));
    return true;
}

bool op_lar(struct cpu *cpu, const struct insn *in)
{
    struct segment s;
    uint64_t sel, d;
    bool is_visible;

    if (!require_protected(cpu) || !operand_read(cpu, in, 1, &sel) ||
        !look_up(cpu, (uint16_t)sel, LAR_TYPES, &s, &d, &is_visible))
        return false;
    if (is_visible)
        reg_write(cpu, in, in->reg, in->opsize, d >> 32 & (in->opsize == 2 ? 0xff00u : 0xf0ff00u));
    set_zf(cpu, is_visible);
    return true;
}

bool op_lsl(struct cpu *cpu, const struct insn *in)
{
    struct segment s;
    uint64_t sel, d;
    bool is_visible;

    if (!require_protected(cpu) || !operand_read(cpu, in, 1, &sel) ||
        !look_up(cpu, (uint16_t)sel, LSL_TYPES, &s, &d, &is_visible))
        return false;
    if (is_visible)
        reg_write(cpu, in, in->reg, in->opsize, s.limit);
    set_zf(cpu, is_visible);
    return true;
}

static bool verify(struct cpu *cpu, const struct insn *in, bool is_write)
{
    struct segment s;
    uint64_t sel, d;
    bool is_visible;

    if (!require_protected(cpu) || !operand_read(cpu, in, 0, &sel) ||
        !look_up(cpu, (uint16_t)sel, 0, &s, &d, &is_visible))
        return false;
    if (is_visible)
        is_visible = is_write ? segment_is_writable_data(&s) : !segment_is_code(&s) || (s.attr & SEG_ATTR_RW);
    set_zf(cpu, is_visible);
    return true;
}

bool op_verr(struct cpu *cpu, const struct insn *in)
{
    return verify(cpu, in, false);
}

bool op_verw(struct cpu *cpu, const struct insn *in)
{
    return verify(cpu, in, true);
}

/* --- LDTR and TR --- */

bool op_sldt(struct cpu *cpu, const struct insn *in)
{
    return require_protected(cpu) && operand_write(cpu, in, 0, cpu->ldtr.sel);
}

bool op_str(struct cpu *cpu, const struct insn *in)
{
    return require_protected(cpu) && operand_write(cpu, in, 0, cpu->tr.sel);
}

/* A system descriptor in the GDT, of the type wanted (busy TSSs are refused), present. */
static bool read_system(struct cpu *cpu, uint16_t sel, bool is_tss, struct segment *s)
{
    unsigned type;
    uint64_t d;

    if (sel & 4)
        return raise_selector(cpu, VEC_GP, sel, 0);
    if (!descriptor_read(cpu, sel, VEC_GP, 0, &d))
        return false;
    segment_unpack(s, sel, d);
    type = s->attr & (SEG_ATTR_S | SEG_ATTR_TYPE);
    if (is_tss ? type != SYS_TSS16 && type != SYS_TSS32 : type != SYS_LDT)
        return raise_selector(cpu, VEC_GP, sel, 0);
    if (!(s->attr & SEG_ATTR_P))
        return raise_selector(cpu, VEC_NP, sel, 0);
    return true;
}

bool op_lldt(struct cpu *cpu, const struct insn *in)
{
    struct segment s;
    uint64_t sel;

    if (!require_protected(cpu) || !require_ring0(cpu) || !operand_read(cpu, in, 0, &sel))
        return false;
    if (selector_is_null((uint16_t)sel)) {
        segment_set_null(&cpu->ldtr, (uint16_t)sel);
        return true;
    }
    if (!read_system(cpu, (uint16_t)sel, false, &s))
        return false;
    cpu->ldtr = s;
    return true;
}

bool op_ltr(struct cpu *cpu, const struct insn *in)
{
    struct segment s;
    uint64_t sel;
    gla_t gla = 0;

    if (!require_protected(cpu) || !require_ring0(cpu) || !operand_read(cpu, in, 0, &sel))
        return false;
    if (selector_is_null((uint16_t)sel))
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!read_system(cpu, (uint16_t)sel, true, &s))
        return false;
    s.attr |= 2; /* busy */
    if (!descriptor_address(cpu, (uint16_t)sel, &gla) ||
        !mem_write_linear(cpu, gla + 5, 1, ACCESS_WRITE, s.attr & 0xff))
        return false;
    cpu->tr = s;
    return true;
}

/* --- GDTR and IDTR: limit, then base --- */

static bool store_table(struct cpu *cpu, const struct insn *in, const struct desc_table *t)
{
    uint8_t image[6];

    store_le(image, 2, t->limit);
    store_le(image + 2, 4, t->base);
    return mem_write_buf(cpu, in->seg, insn_ea(cpu, in), image, sizeof(image));
}

static bool load_table(struct cpu *cpu, const struct insn *in, struct desc_table *t)
{
    uint8_t image[6];

    if (!require_ring0(cpu) || !mem_read_buf(cpu, in->seg, insn_ea(cpu, in), image, sizeof(image)))
        return false;
    t->limit = (uint32_t)load_le(image, 2);
    t->base = load_le(image + 2, 4) & (in->opsize == 2 ? 0xffffffu : 0xffffffffu);
    return true;
}

bool op_sgdt(struct cpu *cpu, const struct insn *in)
{
    return store_table(cpu, in, &cpu->gdtr);
}

bool op_sidt(struct cpu *cpu, const struct insn *in)
{
    return store_table(cpu, in, &cpu->idtr);
}

bool op_lgdt(struct cpu *cpu, const struct insn *in)
{
    return load_table(cpu, in, &cpu->gdtr);
}

bool op_lidt(struct cpu *cpu, const struct insn *in)
{
    return load_table(cpu, in, &cpu->idtr);
}
