/* Which encodings have been executed, in which mode, by which engine: a file of one byte for each, shared by all processes that
 * write to it.  Only in builds with -DRINGER_OPCODE_COVERAGE=ON; see tests/coverage/opcodes. */
#ifndef CPU_OPCODE_COVERAGE_H
#define CPU_OPCODE_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

struct insn;

/* A place in the file, from high to low:
 *     VEX 1 | map 2 | prefix or pp 2 (none, 66, F3, F2) | L 1 | W 1 | opcode 8 | ModRM 8 | mode 2 | engine 1 */
#define OPCODE_COVERAGE_BITS  26
#define OPCODE_COVERAGE_LOW   3 /* bits below ModRM */
#define OPCODE_COVERAGE_BYTES (UINT64_C(1) << OPCODE_COVERAGE_BITS)
enum { COVERED_REAL, COVERED_PROT16, COVERED_PROT32, COVERED_V86 };

/* The byte for an instruction, below 2 GiB.  mode: enum cpu_mode_bits.  NULL: RINGER_OPCODES names no file. */
uint8_t *opcode_coverage_byte(const struct insn *in, uint32_t mode, bool is_translated);
/* The file, or NULL. */
uint8_t *opcode_coverage_map(const char *path);

#endif
