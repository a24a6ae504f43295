/* See rows.h. */
#include "tests/coverage/rows.h"

#include <stdio.h>
#include <string.h>
#include "cpu/optable.h"

unsigned rows_put_opcode(const struct row *row, unsigned vvvv, uint8_t *bytes)
{
    unsigned n = 0;

    if (row->is_vex) {
        bytes[n++] = 0xc4;
        bytes[n++] = (uint8_t)(0xe0 | row->map);
        bytes[n++] = (uint8_t)(row->vex ^ vvvv << 3);
        bytes[n++] = row->opcode;
        return n;
    }
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
    if (row->is_vex)
        snprintf(row->text, sizeof(row->text), "VEX.%u.%sW%u %s%02X%s %s", row->vex & 4 ? 256 : 128,
                 (const char *const[]){"", "66.", "F3.", "F2."}[row->vex & 3], row->vex >> 7, maps[row->map], row->opcode, digit,
                 row->desc->name);
    else
        snprintf(row->text, sizeof(row->text), "%s%s%02X%s %s", prefix, maps[row->map], row->opcode, digit, row->desc->name);
}

static void add(struct rows *rows, const struct insn *in, const struct row *probe)
{
    struct row *row = rows_of(rows, in->desc);

    if (!row) {
        if (rows->n == MAX_ROWS)
            return;
        row = &rows->row[rows->n++];
        *row = *probe;
        row->desc = in->desc;
        row->has_modrm = in->has_modrm;
    }
    if (row->prefix != probe->prefix || row->vex != probe->vex || row->opcode != in->opcode || !in->has_modrm) {
        name_row(row, in);
        return;
    }
    row->modrm[row->n_modrm++] = in->modrm;
    row->has_mem |= in->is_mem;
    row->has_reg |= !in->is_mem;
    name_row(row, in);
}

static void find(struct rows *rows, const struct row *probe)
{
    for (unsigned modrm = 0; modrm < 256; modrm++) {
        uint8_t bytes[32] = {0};
        struct insn in;
        unsigned n = rows_put_opcode(probe, 0, bytes);

        bytes[n] = (uint8_t)modrm;
        bytes[n + 1] = 0x50; /* of a gather: another index register than those of ModRM.reg 0 and vvvv */
        if (insn_decode(&in, bytes, 15, 4) == DECODE_OK && is_undefined(&in) && probe->is_vex) {
            (void)rows_put_opcode(probe, 7, bytes); /* gathers want three different registers */
            if (insn_decode(&in, bytes, 15, 4) != DECODE_OK)
                continue;
        }
        if (is_undefined(&in) || in.map != probe->map || in.opcode != probe->opcode)
            continue;
        add(rows, &in, probe);
        if (!in.has_modrm)
            break;
    }
}

void rows_find(struct rows *rows)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};

    rows->n = 0;
    for (unsigned p = 0; p < ARRAY_SIZE(prefixes); p++)
        for (unsigned map = MAP_1B; map <= MAP_0F3A; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                find(rows, &(struct row){.prefix = prefixes[p], .map = (uint8_t)map, .opcode = (uint8_t)opcode});
    for (unsigned fields = 0; fields < 16; fields++)
        for (unsigned map = MAP_0F; map <= MAP_0F3A; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                find(rows, &(struct row){.is_vex = true, .vex = (uint8_t)(0x78 | (fields & 7) | (fields & 8) << 4), .map = (uint8_t)map,
                                         .opcode = (uint8_t)opcode});
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

unsigned rows_unreachable(struct rows *rows)
{
    unsigned missing = check(rows, optable_1b, 256) + check(rows, optable_0f[0], 256 * PFX_COUNT) +
                       check(rows, optable_0f38[0], 256 * PFX_COUNT) + check(rows, optable_0f3a[0], 256 * PFX_COUNT);

    for (unsigned map = 0; map < VEX_MAPS; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (const struct vex_row *row = optable_vex[map][opcode]; row && row->l; row++)
                missing += check(rows, &row->desc, 1);
    for (unsigned g = 0; g < GRP_COUNT; g++) {
        missing += check(rows, optable_groups[g].mem, 8);
        if (optable_groups[g].reg != optable_groups[g].mem)
            missing += check(rows, optable_groups[g].reg, 8);
        missing += check(rows, optable_groups[g].reg_rm, 64);
    }
    return missing;
}
