/* A case as source text of a bare-metal guest for tests/guest. */
#ifndef FUZZ_GUEST_OUT_H
#define FUZZ_GUEST_OUT_H

#include <stdio.h>
#include "tests/fuzz/fuzz.h"

struct guest_end {
    uint32_t gpr[8], eflags; /* what is right; ESP is not looked at */
};

/* False: there is none for this case (real mode). */
bool guest_print(FILE *f, const struct fuzz_case *c, const struct guest_end *want, const char *title);

#endif
