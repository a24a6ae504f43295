/* What the SDM says of the processor's state after any instruction, as checks. */
#ifndef FUZZ_INVARIANTS_H
#define FUZZ_INVARIANTS_H

#include "cpu/insn.h"
#include "tests/fuzz/fuzz.h"

/* The state before an instruction that the checks need. */
struct before {
    const struct insn *in; /* NULL: not known */
    struct segment seg[SEG_COUNT];
    uint64_t cr2, exceptions, task_switches, interrupts;
    uint32_t eflags, cr0, rip, operand; /* operand: linear address of a memory operand that will be accessed, if has_operand */
    uint16_t tr;
    uint8_t cpl;
    bool has_operand;
};

void before_take(struct before *b, struct cpu *cpu, const struct insn *in);
/* The sentence that is not true now, or NULL.  is_tame: protected mode was entered by loading segments, not by CR0 alone, and
 * SYSEXIT (which leaves data segments alone) was not executed. */
const char *invariant_broken(const struct fuzz_machine *m, const struct before *b, bool is_tame);

#endif
