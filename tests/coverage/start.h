/* A plain start state for one instruction or a few, in each mode: segments where programs have theirs, handlers that halt, all ports
 * allowed, no paging. */
#ifndef COVERAGE_START_H
#define COVERAGE_START_H

#include "tests/fuzz/fuzz.h"

/* Linear addresses. */
#define CODE_AT     0x9000u
#define DATA_AT     0x14000u
#define STACK_AT    0x21000u
#define END_OF_CODE 0xcc /* INT3 fills all code; its handler halts */

/* Tables, handlers, empty code.  machine_load() sets the table registers; selectors are those of fuzz.h; descriptors are accessed. */
void start_image(uint8_t image[MEMORY_BYTES]);
/* Mode (ROW_REAL ...), control registers, segments and EIP of a case.  c->xcr0 is set: what XSAVE saves, 0 without XSAVE. */
void start_mode(struct fuzz_case *c, unsigned mode);

/* Then: CPL 3, and what else native cases must have (tests/fuzz/native.h).  In protected mode. */
void start_native(struct fuzz_case *c);

#endif
