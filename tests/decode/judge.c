/* See judge.h. */
#include "tests/decode/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "tests/decode/oracle.h"

#define SHOWN 40

enum what { THEY_ACCEPT, WE_ACCEPT, LENGTH, NAME, OPERANDS, MEMORY, FLAGS, PRIVILEGE, WHATS };
static const char *const what_names[] = {"we say #UD", "they say #UD", "length", "name", "operands", "memory", "flags", "privilege"};

enum who { Z = 1, C = 2 }; /* which oracle */
enum { M16 = 1, M32 = 2, M64 = 4, ANY = 7 };

enum prefix_bits { P66 = 1, P67 = 2, PF0 = 4, PF2 = 8, PF3 = 16, PSEG = 32, PREX = 64, PMANY = 128 /* more than one, of any kind */, PVEX = 256 };

/* map, opcodes, ModRM bytes (or anything, if the opcode has none), code sizes, prefixes of which one must be there (0: any) */
struct explanation {
    uint8_t who;
    uint16_t what; /* bits: 1 << enum what */
    uint8_t modes, map, first, last, modrm_first, modrm_last;
    uint16_t prefixes;
    const char *why;
};

#include "tests/decode/explained.inc"

struct difference {
    enum who who;
    enum what what;
    unsigned mode, map, opcode, modrm, prefixes;
};

struct bucket {
    struct difference d;
    unsigned long count;
    uint8_t bytes[15];
    char ours[24], theirs[24];
};

struct judge {
    void *zydis[3], *capstone[3];
    unsigned long compared[3]; /* by oracle bit */
    unsigned long undefined;
    unsigned long met[ARRAY_SIZE(explained)];
    struct bucket buckets[4096];
    unsigned n_buckets;
};

/* --- names --- */

/* Ours, and what the others call it.  A name with a dot stands for a family told apart by prefixes or ModRM. */
static const struct {
    const char *ours, *theirs;
} aliases[] = {
#define ALIAS(ours, theirs) {ours, theirs},
#include "tests/decode/aliases.inc"
#undef ALIAS
};

static bool is_same_name(const char *ours, const char *theirs)
{
    const char *last = strrchr(theirs, ' '); /* Capstone: "lock add", "rep movsb" */

    if (last)
        theirs = last + 1;
    if (!strcmp(ours, theirs))
        return true;
    if (!strncmp(ours, "vcmp", 4) && !strncmp(theirs, "vcmp", 4) && strlen(ours) == 6)
        return !strcmp(ours + 4, theirs + strlen(theirs) - 2);
    if (!strncmp(ours, "cmp", 3) && !strncmp(theirs, "cmp", 3) && strlen(ours) == 5) /* CMPPS: Capstone names the predicate */
        return !strcmp(ours + 3, theirs + strlen(theirs) - 2);
    for (unsigned n = 0; n < ARRAY_SIZE(aliases); n++)
        if (!strcmp(ours, aliases[n].ours) && !strcmp(theirs, aliases[n].theirs))
            return true;
    return false;
}

/* --- comparing --- */

static bool is_same_operand(const struct operand_view *a, const struct operand_view *b)
{
    if (a->place != b->place)
        return false;
    if (a->place == PLACE_MEM)
        return true;
    if (a->size && b->size && a->size != b->size)
        return false;
    return a->value == b->value;
}

/* We keep immediates cut to the operand size, others sign-extend them. */
static bool is_same_immediate(const struct operand_view *ours, const struct operand_view *theirs)
{
    unsigned bits = ours->size ? 8u * ours->size : 64;

    return (ours->value ^ theirs->value) << (64 - bits) == 0;
}

static bool are_operands_same(const struct view *a, const struct view *b)
{
    if (a->n_operands != b->n_operands)
        return false;
    for (unsigned n = 0; n < a->n_operands; n++)
        if (a->operands[n].place == PLACE_IMM && b->operands[n].place == PLACE_IMM
                ? !is_same_immediate(&a->operands[n], &b->operands[n])
                : !is_same_operand(&a->operands[n], &b->operands[n]))
            return false;
    return true;
}

static bool is_memory_same(const struct view *a, const struct view *b)
{
    if (a->has_mem != b->has_mem)
        return false;
    if (!a->has_mem)
        return true;
    if (a->is_accessed != b->is_accessed || a->base != b->base || a->index != b->index || a->scale != b->scale)
        return false;
    if ((uint32_t)a->disp != (uint32_t)b->disp && (uint16_t)a->disp != (uint16_t)b->disp)
        return false;
    if (!a->is_accessed)
        return true;
    return a->is_read == b->is_read && a->is_written == b->is_written && a->mem_size == b->mem_size && a->seg == b->seg;
}

/* What may pass through is in both of our columns, see cpu/optable.c. */
static bool are_flags_same(const struct view *ours, const struct view *theirs)
{
    uint32_t read = ours->flags_read & EFLAGS_NATIVE, written = ours->flags_written & EFLAGS_NATIVE;
    uint32_t their_read = theirs->flags_read & EFLAGS_NATIVE, their_written = theirs->flags_written & EFLAGS_NATIVE;

    return written == their_written && !(their_read & ~read) && !(read & ~written & ~their_read);
}

static bool is_explained(struct judge *h, const struct difference *d)
{
    for (unsigned n = 0; n < ARRAY_SIZE(explained); n++) {
        const struct explanation *e = &explained[n];

        if ((e->who & d->who) && (e->what & 1u << d->what) && (e->modes & d->mode) && e->map == d->map &&
            d->opcode >= e->first && d->opcode <= e->last && d->modrm >= e->modrm_first && d->modrm <= e->modrm_last &&
            !(e->prefixes & PVEX) == !(d->prefixes & PVEX) && (!(e->prefixes & ~PVEX) || (e->prefixes & d->prefixes & ~PVEX))) {
            h->met[n]++;
            return true;
        }
    }
    return false;
}

static void note(struct judge *h, struct difference d, enum what what, const uint8_t *bytes, const struct view *ours,
                 const struct view *theirs)
{
    d.what = what;
    if (is_explained(h, &d))
        return;
    for (unsigned n = 0; n < h->n_buckets; n++) {
        struct bucket *b = &h->buckets[n];

        if (b->d.who == d.who && b->d.what == what && b->d.map == d.map && b->d.mode == d.mode &&
            !strncmp(b->ours, ours->name, sizeof(b->ours) - 1) && !strncmp(b->theirs, theirs->name, sizeof(b->theirs) - 1)) {
            b->count++;
            return;
        }
    }
    if (h->n_buckets < ARRAY_SIZE(h->buckets)) {
        struct bucket *b = &h->buckets[h->n_buckets++];

        *b = (struct bucket){.d = d, .count = 1};
        memcpy(b->bytes, bytes, 15);
        snprintf(b->ours, sizeof(b->ours), "%s", ours->name);
        snprintf(b->theirs, sizeof(b->theirs), "%s", theirs->name);
    }
}

static void compare(struct judge *h, struct difference d, const struct oracle *o, const uint8_t *bytes,
                    const struct view *ours, const struct view *theirs)
{
    h->compared[d.who]++;
    if (theirs->is_defined && theirs->is_beyond && !ours->is_defined)
        return;
    if (ours->is_defined != theirs->is_defined) {
        note(h, d, ours->is_defined ? WE_ACCEPT : THEY_ACCEPT, bytes, ours, theirs);
        return;
    }
    if (!ours->is_defined)
        return;
    if (ours->len != theirs->len)
        note(h, d, LENGTH, bytes, ours, theirs);
    if (!is_same_name(ours->name, theirs->name))
        note(h, d, NAME, bytes, ours, theirs);
    if (!o->knows_operands)
        return;
    if (!are_operands_same(ours, theirs))
        note(h, d, OPERANDS, bytes, ours, theirs);
    if (!is_memory_same(ours, theirs))
        note(h, d, MEMORY, bytes, ours, theirs);
    if (!are_flags_same(ours, theirs))
        note(h, d, FLAGS, bytes, ours, theirs);
    if (ours->is_privileged != theirs->is_privileged)
        note(h, d, PRIVILEGE, bytes, ours, theirs);
}

static unsigned prefix_bits(const uint8_t *bytes, unsigned n)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < n; i++)
        switch (bytes[i]) {
        case 0x66:
            bits |= P66;
            break;
        case 0x67:
            bits |= P67;
            break;
        case 0xf0:
            bits |= PF0;
            break;
        case 0xf2:
            bits |= PF2;
            break;
        case 0xf3:
            bits |= PF3;
            break;
        default:
            bits |= (bytes[i] & 0xf0) == 0x40 ? PREX : PSEG;
        }
    return bits | (n > 1 ? PMANY : 0);
}

void judge_bytes(struct judge *h, unsigned m, const uint8_t bytes[15], bool with_capstone)
{
    struct difference d = {.mode = 1u << m};
    struct opcode_place at;
    struct view ours, theirs;

    ringer_view(bytes, 2u << m, &ours, &at);
    h->undefined += !ours.is_defined;
    d.map = at.map;
    d.opcode = at.opcode;
    d.modrm = at.modrm;
    d.prefixes = prefix_bits(bytes, at.n_prefixes) | (at.is_vex ? PVEX : 0);
#ifdef HAVE_ZYDIS
    d.who = Z;
    zydis_oracle.decode(h->zydis[m], bytes, &theirs);
    compare(h, d, &zydis_oracle, bytes, &ours, &theirs);
#endif
    if (with_capstone) {
        d.who = C;
        capstone_oracle.decode(h->capstone[m], bytes, &theirs);
        compare(h, d, &capstone_oracle, bytes, &ours, &theirs);
    }
}

/* --- telling --- */

static void print_bucket(const struct judge *h, const struct bucket *b)
{
    unsigned m = b->d.mode == M16 ? 0 : b->d.mode == M32 ? 1 : 2;
    char text[96] = "";

    printf("%8lu  %-12s %u-bit", b->count, what_names[b->d.what], 16u << m);
    for (unsigned n = 0; n < 12; n++)
        printf(" %02x", b->bytes[n]);
#ifdef HAVE_ZYDIS
    if (b->d.who == Z)
        zydis_oracle.format(h->zydis[m], b->bytes, text, sizeof(text));
#endif
    if (b->d.who == C)
        capstone_oracle.format(h->capstone[m], b->bytes, text, sizeof(text));
    printf("  %s; %s: %s\n", b->ours, b->d.who == Z ? "Zydis" : "Capstone", text);
}

static unsigned print_stale(const struct judge *h)
{
    unsigned stale = 0;

    for (unsigned n = 0; n < ARRAY_SIZE(explained); n++) {
#ifndef HAVE_ZYDIS
        if (explained[n].who == Z)
            continue;
#endif
        if (!h->met[n]) {
            printf("nothing meets this line any more: map %u opcode %02x: %s\n", explained[n].map, explained[n].first, explained[n].why);
            stale++;
        }
    }
    return stale;
}

/* --- life --- */

struct judge *judge_create(void)
{
    struct judge *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    for (unsigned m = 0; m < 3; m++) {
#ifdef HAVE_ZYDIS
        h->zydis[m] = zydis_oracle.open(2u << m);
#endif
        h->capstone[m] = capstone_oracle.open(2u << m);
    }
    return h;
}

void judge_destroy(struct judge *h)
{
    for (unsigned m = 0; m < 3; m++) {
#ifdef HAVE_ZYDIS
        zydis_oracle.close(h->zydis[m]);
#endif
        capstone_oracle.close(h->capstone[m]);
    }
    free(h);
}

unsigned judge_differences(const struct judge *h) { return h->n_buckets; }

bool judge_report(const struct judge *h, bool is_listing)
{
    unsigned stale;

    for (unsigned n = 0; is_listing && n < ARRAY_SIZE(explained); n++)
        printf("%9lu  %s %02x-%02x: %s\n", h->met[n], explained[n].who == Z ? "Zydis" : "Capstone", explained[n].first,
               explained[n].last, explained[n].why);
    for (unsigned n = 0; n < h->n_buckets && (n < SHOWN || is_listing); n++)
        print_bucket(h, &h->buckets[n]);
    stale = print_stale(h);
#ifndef HAVE_ZYDIS
    printf("built without Zydis (package libzydis-dev)\n");
#endif
    printf("%lu compared with Zydis, %lu with Capstone; %lu undefined; %u kinds of differences, %u stale explanations\n",
           h->compared[Z], h->compared[C], h->undefined, h->n_buckets, stale);
    return !h->n_buckets && !stale && h->compared[C] > 1000000;
}
