/* All rows of the opcode table, by decoding: which encodings lead to which row. */
#ifndef COVERAGE_ROWS_H
#define COVERAGE_ROWS_H

#include "cpu/insn.h"

#define MAX_ROWS 4096

struct row {
    const struct insn_desc *desc;
    uint8_t prefix, map, opcode; /* prefix: mandatory one, or 0 */
    bool is_vex;
    uint8_t vex;                 /* last byte of a three-byte VEX prefix with vvvv 1111b: W, L, pp */
    bool has_modrm, has_mem, has_reg;
    uint8_t modrm[256]; /* those that select it */
    unsigned n_modrm;
    char text[56];      /* "0F C7 /1 mem cmpxchg8b" */
};

struct rows {
    struct row row[MAX_ROWS];
    unsigned n;
};

void rows_find(struct rows *rows);
/* NULL: undefined. */
struct row *rows_of(struct rows *rows, const struct insn_desc *desc);
/* Prefix and opcode.  vvvv: a register, where VEX has one; 0 suits all rows. */
unsigned rows_put_opcode(const struct row *row, unsigned vvvv, uint8_t *bytes);
/* How many rows of the table no encoding leads to; prints them. */
unsigned rows_unreachable(struct rows *rows);

#endif
