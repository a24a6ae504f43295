/* --stats: what was executed, and how.  After the machine thread has ended. */
#ifndef FRONTEND_STATS_H
#define FRONTEND_STATS_H

#include <stdio.h>
#include "bt/bt.h"
#include "cpu/cpu.h"

/* bt: NULL with --engine interp. */
void stats_print(FILE *out, const struct bt *bt, const struct cpu *cpu, double seconds);
int stats_write_json(const char *path, const struct bt *bt, const struct cpu *cpu, double seconds); /* 0 or -errno */

#endif
