/* What a file of executed opcodes (cpu/opcode_coverage.h) covers of the opcode table, row by row.
 *
 *   opcode_report FILE [--all]      holes only, or every row
 *
 * A row is covered in a mode by an engine when some encoding of it has run there.  "-": it has not, and cannot (reasons.c).
 * Exit status 1 if a row has not run where it can. */
#include <stdio.h>
#include <string.h>
#include "cpu/opcode_coverage.h"
#include "tests/coverage/reasons.h"
#include "tests/coverage/rows.h"
#include "tests/fuzz/fuzz.h"

static bool seen[MAX_ROWS][ROW_MODES][2];

/* The row that an encoding leads to. */
static struct row *row_at(struct rows *rows, unsigned place, struct insn *in)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    unsigned pp = place >> 18 & 3, l = place >> 17 & 1, w = place >> 16 & 1;
    struct row probe = {.map = place >> 20 & 3, .opcode = (uint8_t)(place >> 8), .is_vex = place >> 22,
                        .vex = (uint8_t)(0x78 | w << 7 | l << 2 | pp)};

    if (!probe.is_vex)
        probe.prefix = prefixes[pp];
    for (unsigned vvvv = 0; vvvv < 8; vvvv += 7) { /* gathers want three different registers */
        uint8_t bytes[32] = {0};
        unsigned n = rows_put_opcode(&probe, vvvv, bytes);
        struct row *row;

        bytes[n] = (uint8_t)place;
        bytes[n + 1] = 0x50;
        row = insn_decode(in, bytes, 15, 4) == DECODE_OK ? rows_of(rows, in->desc) : NULL;
        if (row)
            return row;
    }
    return NULL;
}

static void collect(struct rows *rows, const uint8_t *map)
{
    static const uint8_t none[1 << OPCODE_COVERAGE_LOW];

    for (unsigned place = 0; place < 1u << (OPCODE_COVERAGE_BITS - OPCODE_COVERAGE_LOW); place++) {
        const uint8_t *bytes = map + ((uint64_t)place << OPCODE_COVERAGE_LOW);
        struct insn in;
        struct row *row = memcmp(bytes, none, sizeof(none)) ? row_at(rows, place, &in) : NULL;

        for (unsigned low = 0; row && low < sizeof(none); low++)
            seen[row - rows->row][low >> 1][low & 1] |= bytes[low];
    }
}

struct tally {
    unsigned run, explained, holes;
};

static void report_row(const struct cpu *cpu, const struct row *row, const bool was_seen[ROW_MODES][2], bool wants_all, struct tally *t)
{
    const char *marks[ROW_MODES][2];
    unsigned holes = 0;
    int vector;

    for (unsigned mode = 0; mode < ROW_MODES; mode++) {
        bool is_explained = reason_not_to_complete(cpu, row, mode, &vector) != NULL;

        for (unsigned e = 0; e < 2; e++) {
            marks[mode][e] = was_seen[mode][e] ? "yes" : is_explained ? "-" : "NO";
            t->run += was_seen[mode][e];
            t->explained += !was_seen[mode][e] && is_explained;
            holes += !was_seen[mode][e] && !is_explained;
        }
    }
    t->holes += holes;
    if (!holes && !wants_all)
        return;
    printf("%-32s", row->text);
    for (unsigned mode = 0; mode < ROW_MODES; mode++)
        printf(" %3s/%-7s", marks[mode][0], marks[mode][1]);
    printf("\n");
}

int main(int argc, char **argv)
{
    static struct rows rows;
    const uint8_t *map = argc > 1 ? opcode_coverage_map(argv[1]) : NULL;
    struct fuzz_machine *m = machine_create(false, NULL); /* for its CPU model */
    struct tally t = {0};

    if (!map) {
        fprintf(stderr, "usage: opcode_report FILE [--all]\n");
        return 2;
    }
    rows_find(&rows);
    collect(&rows, map);
    printf("%-32s %-11s %-11s %-11s %-11s (interpreter/translator)\n", "row", "real", "prot16", "prot32", "v86");
    for (unsigned n = 0; n < rows.n; n++)
        report_row(m->cpu, &rows.row[n], seen[n], argc > 2 && !strcmp(argv[2], "--all"), &t);
    printf("%u rows in %u modes and 2 engines: %u run, %u cannot complete there, %u holes\n", rows.n, ROW_MODES, t.run, t.explained,
           t.holes);
    machine_destroy(m);
    return t.holes != 0;
}
