/* Rows that cannot complete in a mode, and why. */
#ifndef COVERAGE_REASONS_H
#define COVERAGE_REASONS_H

#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "tests/coverage/rows.h"

/* As in cpu/opcode_coverage.h. */
enum { ROW_REAL, ROW_PROT16, ROW_PROT32, ROW_V86, ROW_MODES };

/* Why no instance of a row can complete in a mode (at CPL 0, in virtual-8086 mode at CPL 3), and the exception that comes instead.
 * NULL: there is no reason. */
const char *reason_not_to_complete(const struct cpu *cpu, const struct row *row, unsigned mode, int *vector);

/* Why no instance of a row is compared natively (case_may_run_natively() of tests/fuzz/machine.c decides for instances), or NULL. */
const char *reason_not_native(const struct cpu *cpu, const struct row *row);

#endif
