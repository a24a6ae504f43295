/* The forms of insn_fuzz's instructions, found in the opcode table itself: every row that decodes is found by decoding all
 * opcodes with all ModRM bytes once. */
#include "tests/fuzz/gen.h"

#include <string.h>
#include "cpu/optable.h"

#define NO_MODRM (-1)

static enum category category_of(const struct insn_desc *d)
{
    static insn_fn *const stack[] = {op_push, op_pop, op_pusha, op_popa, op_enter, op_leave, op_pushf, op_popf};

    for (size_t i = 0; i < ARRAY_SIZE(stack); i++)
        if (d->exec == stack[i])
            return CAT_STACK;
    if (d->iclass == SENSITIVE || d->iclass == PRIVILEGED)
        return CAT_SYSTEM;
    if (d->iclass == BRANCH)
        return CAT_BRANCH;
    if (d->attr & ATTR_REP)
        return CAT_STRING;
    if (d->attr & ATTR_AVX)
        return CAT_AVX;
    if (d->attr & ATTR_SSE)
        return CAT_SSE;
    if (d->attr & ATTR_MMX)
        return CAT_MMX;
    if (d->attr & ATTR_X87)
        return CAT_X87;
    return CAT_ALU;
}

unsigned put_opcode(uint8_t *p, uint8_t prefix, unsigned map, unsigned opcode)
{
    unsigned n = 0;

    if (prefix)
        p[n++] = prefix;
    if (map != MAP_1B)
        p[n++] = 0x0f;
    if (map == MAP_0F38 || map == MAP_0F3A)
        p[n++] = map == MAP_0F38 ? 0x38 : 0x3a;
    p[n++] = (uint8_t)opcode;
    return n;
}

unsigned put_vex(uint8_t *p, uint8_t fields, unsigned map, unsigned opcode, unsigned vvvv, bool is_short)
{
    unsigned n = 0;

    fields |= (~vvvv & 15) << 3;
    if (is_short && map == MAP_0F && !(fields & 0x80)) {
        p[n++] = 0xc5;
        p[n++] = fields | 0x80;
    } else {
        p[n++] = 0xc4;
        p[n++] = (uint8_t)(0xe0 | map);
        p[n++] = fields;
    }
    p[n++] = (uint8_t)opcode;
    return n;
}

static void add_form(struct gen *g, const struct insn *in, uint8_t prefix, unsigned first, int modrm)
{
    struct form *f;

    for (unsigned i = first; i < g->n_forms; i++) {
        if (g->forms[i].desc == in->desc && modrm != NO_MODRM && g->forms[i].n_modrm < 255) {
            g->forms[i].modrm[g->forms[i].n_modrm++] = (uint8_t)modrm;
            return;
        }
    }
    if (g->n_forms == MAX_FORMS)
        return;
    f = &g->forms[g->n_forms++];
    *f = (struct form){
        .desc = in->desc, .prefix = prefix, .map = in->map, .opcode = in->opcode, .has_modrm = modrm != NO_MODRM};
    if (f->has_modrm)
        f->modrm[f->n_modrm++] = (uint8_t)modrm;
}

/* Is name in the comma-separated list? */
static bool is_unwanted(const struct gen *g, const char *name)
{
    size_t len = strlen(name);

    for (const char *s = g->without; s && *s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
        if (!strncmp(s, name, len) && (s[len] == ',' || !s[len]))
            return true;
    return false;
}

/* Does the generator want what was decoded? */
static bool is_wanted(const struct gen *g, const struct insn *in)
{
    return in->desc->name && !insn_is(in, op_ud) && !is_unwanted(g, in->desc->name) &&
           cpu_has_feature(g->features, in->desc->feature);
}

static void find_forms_of(struct gen *g, unsigned map, unsigned opcode)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    const struct insn_desc *plain[256] = {0};

    for (size_t k = 0; k < ARRAY_SIZE(prefixes); k++) {
        unsigned first = g->n_forms;

        for (unsigned modrm = 0; modrm < 256; modrm++) {
            uint8_t bytes[15] = {0};
            struct insn in;
            unsigned n = put_opcode(bytes, prefixes[k], map, opcode);

            bytes[n] = (uint8_t)modrm;
            if (insn_decode(&in, bytes, sizeof(bytes), 4) != DECODE_OK || in.vex || in.map != map || in.opcode != opcode ||
                insn_is(&in, op_rdrand) || insn_is(&in, op_rdseed) || !is_wanted(g, &in))
                continue;
            if (k == 0)
                plain[modrm] = in.desc;
            else if (plain[modrm] == in.desc)
                continue; /* not a mandatory prefix */
            add_form(g, &in, prefixes[k], first, in.has_modrm ? (int)modrm : NO_MODRM);
            if (!in.has_modrm)
                break;
        }
    }
}

static void find_vex_forms_of(struct gen *g, unsigned map, unsigned opcode, uint8_t fields)
{
    unsigned first = g->n_forms;

    for (unsigned modrm = 0; modrm < 256; modrm++) {
        bool is_found = false;
        struct insn in;

        for (unsigned vvvv = 7; !is_found && vvvv <= 7; vvvv -= 7) {
            uint8_t bytes[15] = {0};
            unsigned before = g->n_forms, n = put_vex(bytes, fields, map, opcode, vvvv, false);

            bytes[n] = (uint8_t)modrm;
            is_found = insn_decode(&in, bytes, sizeof(bytes), 4) == DECODE_OK && is_wanted(g, &in);
            if (is_found)
                add_form(g, &in, fields, first, in.has_modrm ? (int)modrm : NO_MODRM);
            if (g->n_forms > before) {
                g->forms[before].is_vex = true;
                g->forms[before].has_vvvv = vvvv != 0;
            }
        }
        if (is_found && !in.has_modrm)
            break;
    }
}

void find_forms(struct gen *g)
{
    for (unsigned map = MAP_1B; map <= MAP_0F3A; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            find_forms_of(g, map, opcode);
    for (unsigned map = MAP_0F; map <= MAP_0F3A; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (unsigned k = 0; k < 16 && optable_vex[map - MAP_0F][opcode]; k++)
                find_vex_forms_of(g, map, opcode, (uint8_t)((k & 7) | (k & 8) << 4));
    for (unsigned i = 0; i < g->n_forms; i++) {
        enum category cat = category_of(g->forms[i].desc);

        g->by_cat[cat][g->n_cat[cat]++] = (uint16_t)i;
    }
}
