/* Names of guest code, for --perf-map and --log code: from an ELF file's symbol table, or a System.map as Linux kernels come with.
 * Thread: any, once loaded. */
#ifndef FRONTEND_SYMBOLS_H
#define FRONTEND_SYMBOLS_H

#include <stdint.h>
#include "frontend/loadfile.h"

struct symbols;

/* 0, or -errno with why.  *out is NULL if the file is an ELF file without symbols, or neither kind. */
int symbols_load(const char *path, struct symbols **out, char why[WHY_BYTES]);
void symbols_destroy(struct symbols *s);
/* The code symbol that a linear address belongs to, and how far it lies behind its start; NULL: none. */
const char *symbols_find(const struct symbols *s, uint32_t linear, uint32_t *offset);

#endif
