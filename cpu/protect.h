/* Building blocks of protected-mode transfers: descriptors, new stacks, flags.  Private to cpu/. */
#ifndef CPU_PROTECT_H
#define CPU_PROTECT_H

#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "cpu/segment.h"

/* System descriptor types (S = 0), SDM 3A 3.5. */
enum {
    SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5, SYS_INT16 = 6, SYS_TRAP16 = 7,
    SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL32 = 12, SYS_INT32 = 14, SYS_TRAP32 = 15
};

static inline bool cpu_is_protected(const struct cpu *cpu)
{
    return (cpu->paging.cr0 & CR0_PE) && !(cpu->eflags & EFLAGS_VM);
}

static inline unsigned cpu_iopl(const struct cpu *cpu)
{
    return cpu->eflags >> EFLAGS_IOPL_SHIFT & 3;
}

/* All of EFLAGS; knows which bits the mode depends on. */
static inline void cpu_set_eflags(struct cpu *cpu, uint32_t value)
{
    value = (value & cpu->eflags_mask) | EFLAGS_1;
    if ((value ^ cpu->eflags) & (EFLAGS_TF | EFLAGS_VM | EFLAGS_IOPL))
        cpu->is_mode_stale = true;
    cpu->eflags = value;
}

static inline unsigned segment_dpl(const struct segment *s)
{
    return s->attr >> SEG_ATTR_DPL_SHIFT & 3;
}
static inline bool segment_is_code(const struct segment *s)
{
    return (s->attr & (SEG_ATTR_S | SEG_ATTR_CODE)) == (SEG_ATTR_S | SEG_ATTR_CODE);
}
static inline bool segment_is_conforming(const struct segment *s)
{
    return segment_is_code(s) && (s->attr & SEG_ATTR_EC);
}
static inline bool segment_is_writable_data(const struct segment *s)
{
    return (s->attr & (SEG_ATTR_S | SEG_ATTR_CODE | SEG_ATTR_RW)) == (SEG_ATTR_S | SEG_ATTR_RW);
}
static inline bool segment_is_expand_down(const struct segment *s)
{
    return (s->attr & (SEG_ATTR_S | SEG_ATTR_CODE | SEG_ATTR_EC)) == (SEG_ATTR_S | SEG_ATTR_EC);
}
static inline bool selector_is_null(uint16_t sel)
{
    return !(sel & 0xfffc);
}
static inline void segment_set_null(struct segment *s, uint16_t sel)
{
    *s = (struct segment){.sel = sel, .is_null = 1};
}

/* Type, limit and null checks for [off, off+size) in s, as the SDM has them for the current mode.  Raises nothing. */
bool segment_allows(const struct cpu *cpu, const struct segment *s, uint64_t off, unsigned size, unsigned access);

/* Linear address of the 8 bytes sel names; false beyond the table's limit or without an LDT. */
bool descriptor_address(const struct cpu *cpu, uint16_t sel, gla_t *gla);
/* Read them.  Beyond the limit: vector with sel's index and ext as error code. */
NODISCARD bool descriptor_read(struct cpu *cpu, uint16_t sel, uint8_t vector, unsigned ext, uint64_t *descriptor);
/* Set the accessed bit in memory (and in s) of a code or data descriptor if it is clear. */
NODISCARD bool descriptor_set_accessed(struct cpu *cpu, struct segment *s);
/* vector(sel index, ext) */
NODISCARD bool raise_selector(struct cpu *cpu, uint8_t vector, uint16_t sel, unsigned ext);

/* Load CS from a checked, unpacked descriptor; sets CPL. */
void segment_commit_cs(struct cpu *cpu, const struct segment *cs, unsigned cpl);

/* Read and check the SS a privilege change loads (from a TSS: vector #TS; from a stack frame: #GP).  cpl: the new one. */
NODISCARD bool segment_check_ss(struct cpu *cpu, uint16_t sel, unsigned cpl, uint8_t vector, unsigned ext, struct segment *ss);
/* SS:ESP for privilege level cpl in the current TSS. */
NODISCARD bool tss_stack(struct cpu *cpu, unsigned cpl, unsigned ext, uint16_t *ss, uint32_t *esp);
/* A return to less privilege makes data segments above it null.  SDM 2, RET, "Operation". */
void segment_drop_privileged(struct cpu *cpu);

/* A stack not yet (or no longer) in SS:ESP. */
struct stack {
    struct segment ss;
    uint32_t sp;
    unsigned user;  /* ACCESS_USER if its privilege level is 3 */
    uint16_t error; /* of #SS */
};
struct stack stack_current(const struct cpu *cpu);
NODISCARD bool stack_push(struct cpu *cpu, struct stack *st, unsigned size, uint32_t value);
NODISCARD bool stack_pop(struct cpu *cpu, struct stack *st, unsigned size, uint32_t *value);
/* ESP as it is after the pushes or pops: with a 16-bit stack only SP changes. */
uint32_t stack_esp(const struct stack *st, uint32_t old_esp);
void stack_commit(struct cpu *cpu, const struct stack *st);

/* #DB with these DR6 bits. */
NODISCARD bool cpu_raise_debug(struct cpu *cpu, uint32_t dr6, bool is_trap);
#define DR6_BS 0x4000u
#define DR6_BT 0x8000u
#define DR6_BD 0x2000u
#define DR6_FIXED 0xffff0ff0u
#define DR7_FIXED 0x00000400u
#define DR7_GD 0x2000u

/* DR6.B0-B3 of enabled breakpoints of the given kind (0 fetch, 1 write, 2 I/O, 3 read or write) in [address, address+size). */
unsigned debug_matches(const struct cpu *cpu, uint64_t address, unsigned size, bool is_write, bool is_fetch, bool is_io);

/* CR writes shared by MOV CR, LMSW, task switches. */
NODISCARD bool cpu_write_cr0(struct cpu *cpu, uint64_t value);
NODISCARD bool cpu_write_cr3(struct cpu *cpu, uint64_t value);
NODISCARD bool cpu_write_cr4(struct cpu *cpu, uint64_t value);

/* MSRs (cpu/msr.c).  False: no such register or a bad value (#GP(0)); nothing raised. */
bool msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool msr_write(struct cpu *cpu, uint32_t msr, uint64_t value);
void msr_reset(struct cpu *cpu);

/* System management mode (cpu/smm.c). */
void smm_update_view(struct cpu *cpu); /* is_smm, smram or the A20 pin changed */
void smm_enter(struct cpu *cpu);       /* take an SMI */

void cpu_shut_down(struct cpu *cpu, const char *why);

int interp_init(struct cpu *cpu); /* 0, -ENOMEM */
void interp_free(struct cpu *cpu);

#endif
