/* See rows.h. */
#include "tests/coverage/rows.h"

#include <stdio.h>
#include <string.h>
#include "cpu/optable.h"

unsigned rows_put_opcode(const struct row *row, uint8_t *bytes)
{
    unsigned n = 0;

    if (row->prefix)
        bytes[n++] = row->prefix;
    if (row->map != MAP_1B)
        bytes[n++] = 0x0f;
    if (row->map >= MAP_0F38)
        bytes[n++] = row->map == MAP_0F38 ? 0x38 : 0x3a;
    bytes[n++] = row->opcode;
    return n;
}

struct row *rows_of(struct rows *rows, const struct insn_desc *desc)
{
    for (unsigned n = 0; n < rows->n; n++)
        if (rows->row[n].desc == desc)
            return &rows->row[n];
    return NULL;
}

static bool is_undefined(const struct insn *in) { return !strcmp(in->desc->name, "ud"); }

static void name_row(struct row *row, const struct insn *in)
{
    static const char *const maps[] = {"", "0F ", "0F 38 ", "0F 3A "};
    char digit[8] = "", prefix[4] = "";

    if (row->prefix)
        snprintf(prefix, sizeof(prefix), "%02X ", row->prefix);
    if (in->has_modrm && row->n_modrm < 200)
        snprintf(digit, sizeof(digit), row->has_mem ? " /%u" : " %02X", row->has_mem ? in->reg & 7 : in->modrm);
    snprintf(row->text, sizeof(row->text), "%s%s%02X%s %s", prefix, maps[row->map], row->opcode, digit, row->desc->name);
}

static void add(struct rows *rows, const struct insn *in, uint8_t prefix)
{
    struct row *row = rows_of(rows, in->desc);

    if (!row) {
        if (rows->n == MAX_ROWS)
            return;
        row = &rows->row[rows->n++];
        *row = (struct row){.desc = in->desc, .prefix = prefix, .map = in->map, .opcode = in->opcode, .has_modrm = in->has_modrm};
    }
    if (row->prefix != prefix || row->opcode != in->opcode || !in->has_modrm) {
        name_row(row, in);
        return;
    }
    row->modrm[row->n_modrm++] = in->modrm;
    row->has_mem |= in->is_mem;
    row->has_reg |= !in->is_mem;
    name_row(row, in);
}

void rows_find(struct rows *rows)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};

    rows->n = 0;
    for (unsigned p = 0; p < ARRAY_SIZE(prefixes); p++)
        for (unsigned map = MAP_1B; map <= MAP_0F3A; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned modrm = 0; modrm < 256; modrm++) {
                    struct row probe = {.prefix = prefixes[p], .map = (uint8_t)map, .opcode = (uint8_t)opcode};
                    uint8_t bytes[32] = {0};
                    struct insn in;

                    bytes[rows_put_opcode(&probe, bytes)] = (uint8_t)modrm;
                    if (insn_decode(&in, bytes, 15, 4) != DECODE_OK || is_undefined(&in) || in.map != map || in.opcode != opcode)
                        continue;
                    add(rows, &in, prefixes[p]);
                    if (!in.has_modrm)
                        break;
                }
}

/* --- the table itself --- */

static unsigned check(struct rows *rows, const struct insn_desc *d, unsigned count)
{
    unsigned missing = 0;

    for (unsigned n = 0; d && n < count; n++) {
        if (!d[n].name || !strcmp(d[n].name, "ud") || rows_of(rows, &d[n]))
            continue;
        printf("no encoding leads to a row \"%s\"\n", d[n].name);
        missing++;
    }
    return missing;
}

/* movs with forms for memory or registers only leave the other half of a SAME() group without a way to it; that half is the same
 * array, so it is found through the first. */
unsigned rows_unreachable(struct rows *rows)
{
    unsigned missing = check(rows, optable_1b, 256) + check(rows, optable_0f[0], 256 * PFX_COUNT) +
                       check(rows, optable_0f38[0], 256 * PFX_COUNT) + check(rows, optable_0f3a[0], 256 * PFX_COUNT);

    for (unsigned g = 0; g < GRP_COUNT; g++) {
        missing += check(rows, optable_groups[g].mem, 8);
        if (optable_groups[g].reg != optable_groups[g].mem)
            missing += check(rows, optable_groups[g].reg, 8);
        missing += check(rows, optable_groups[g].reg_rm, 64);
    }
    return missing;
}
