/* The decoder against Zydis and Capstone over the opcode spaces: one byte, 0F, 0F 38 and 0F 3A, and VEX, with every ModRM byte, behind
 * prefixes, in 16-, 32- and 64-bit code.
 *
 *   decode_oracle [--all] [--list]
 *
 * Of Zydis everything is compared: length, validity, mnemonic, operands with sizes, address, direction of memory access,
 * flags, privilege.  Of Capstone length, validity and mnemonic.  Where another decoder is right to differ or is wrong, a line of
 * explained.inc says why; a line that nothing meets any more is an error too.  --all: every combination of prefixes, three kinds of
 * following bytes, Capstone everywhere, more random bytes; a quarter of an hour.  --list: what the lines have met. */
#include <string.h>
#include "cpu/insn.h"
#include "tests/decode/judge.h"

/* --- the sweep --- */

struct prefixes {
    uint8_t n, bytes[6];
};

static void sweep_opcode(struct judge *j, bool is_all, unsigned m, const struct prefixes *p, unsigned map, unsigned opcode, bool with_capstone)
{
    /* What follows ModRM: a plain displacement; a SIB without base; one with the stack pointer and a scaled index */
    static const uint8_t tails[3][8] = {{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x12},
                                        {0xa5, 0x92, 0x83, 0xf4, 0xd5, 0xc6, 0xb7, 0x88},
                                        {0xcc, 0xff, 0x7f, 0x80, 0x01, 0x00, 0xfe, 0x90}};
    unsigned start = p->n;
    uint8_t bytes[32];

    memcpy(bytes, p->bytes, p->n);
    if (map != MAP_1B)
        bytes[start++] = 0x0f;
    if (map >= MAP_0F38)
        bytes[start++] = map == MAP_0F38 ? 0x38 : 0x3a;
    bytes[start++] = (uint8_t)opcode;
    for (unsigned modrm = 0; modrm < 256; modrm++) {
        bytes[start] = (uint8_t)modrm;
        for (unsigned t = 0; t < 3; t++) {
            if (!is_all && t != (modrm + opcode) % 3)
                continue;
            memcpy(bytes + start + 1, tails[t], 8);
            memcpy(bytes + start + 9, tails[t], 8);
            judge_bytes(j, m, bytes, with_capstone);
        }
    }
}

static void sweep(struct judge *j, bool is_all, unsigned m, const struct prefixes *p, bool with_capstone)
{
    for (unsigned map = MAP_1B; map <= MAP_0F3A; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            sweep_opcode(j, is_all, m, p, map, opcode, with_capstone);
}

/* All VEX-encoded opcodes with every pp, L and W, vvvv unused or not; is_all: all ModRM bytes. */
static void sweep_vex(struct judge *j, bool is_all, unsigned m, bool with_capstone)
{
    uint8_t bytes[15] = {0xc4};

    for (unsigned map = MAP_0F; map <= MAP_0F3A; map++)
        for (unsigned fields = 0; fields < 16; fields++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned modrm = opcode % 5; modrm < 256; modrm += is_all ? 1 : 5)
                    for (unsigned vvvv = 5; vvvv <= 15; vvvv += 10) {
                        bytes[1] = (uint8_t)(0xe0 | map); /* pp, L; W */
                        bytes[2] = (uint8_t)((fields & 7) | (fields & 8) << 4 | vvvv << 3);
                        bytes[3] = (uint8_t)opcode;
                        bytes[4] = (uint8_t)modrm;
                        for (unsigned n = 5; n < 15; n++)
                            bytes[n] = (uint8_t)(0x9c + 0x31 * n + modrm);
                        judge_bytes(j, m, bytes, with_capstone);
                    }
}

/* Each prefix, and the combinations that mean something. */
static void short_sweep(struct judge *j)
{
    static const struct prefixes sets[] = {
        {0}, {1, {0x66}}, {1, {0xf3}}, {1, {0xf2}}, {1, {0xf0}}, {1, {0x67}}, {2, {0x66, 0x67}}, {2, {0xf3, 0x65}}, /* with Capstone */
        {2, {0x66, 0xf3}}, {2, {0xf2, 0x66}}, {2, {0xf2, 0xf3}}, {2, {0xf0, 0x66}}, {2, {0xf3, 0xf0}},
        {1, {0x2e}}, {2, {0x36, 0x67}}, {1, {0x64}}, {2, {0x26, 0x3e}}, {2, {0x65, 0x66}},
    };
    static const struct prefixes rex_sets[] = {{1, {0x48}}, {2, {0x67, 0x4d}}, {2, {0xf2, 0x48}}, {1, {0x45}}, {2, {0x66, 0x4a}}, {2, {0xf3, 0x48}}, {2, {0x48, 0x66}}, {1, {0x40}}};

    for (unsigned m = 0; m < 3; m++)
        for (unsigned n = 0; n < ARRAY_SIZE(sets); n++)
            sweep(j, false, m, &sets[n], n < 8);
    for (unsigned m = 0; m < 3; m++)
        sweep_vex(j, false, m, m == 1);
    for (unsigned n = 0; n < ARRAY_SIZE(rex_sets); n++)
        sweep(j, false, 2, &rex_sets[n], n < 2);
}

/* All combinations of 66, 67, LOCK, one of F2, F3, F2 F3 and F3 F2, and no or one segment; REX last, in 64-bit code. */
static void full_sweep(struct judge *j)
{
    static const uint8_t segments[] = {0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    static const uint8_t rexes[] = {0, 0x45, 0x4a};

    for (unsigned m = 0; m < 3; m++)
        sweep_vex(j, true, m, true);
    for (unsigned m = 0; m < 3; m++)
        for (unsigned bits = 0; bits < 8; bits++)
            for (unsigned rep = 0; rep < 5; rep++)
                for (unsigned s = 0; s < ARRAY_SIZE(segments); s++)
                    for (unsigned r = 0; r < (m == 2 ? ARRAY_SIZE(rexes) : 1); r++) {
                        struct prefixes p = {0};

                        if (m == 2 && s && s < 5 && r) /* ignored there */
                            continue;
                        if (segments[s])
                            p.bytes[p.n++] = segments[s];
                        for (unsigned b = 0; b < 3; b++)
                            if (bits >> b & 1)
                                p.bytes[p.n++] = (const uint8_t[]){0x66, 0x67, 0xf0}[b];
                        if (rep)
                            p.bytes[p.n++] = rep & 1 ? 0xf3 : 0xf2;
                        if (rep >= 3)
                            p.bytes[p.n++] = rep & 1 ? 0xf2 : 0xf3;
                        if (r)
                            p.bytes[p.n++] = rexes[r];
                        sweep(j, true, m, &p, true);
                    }
}

/* Any bytes: long runs of prefixes, instructions that are too long. */
static void random_sweep(struct judge *j, unsigned count)
{
    uint64_t seed = 0x9e3779b97f4a7c15, words[4];

    for (unsigned n = 0; n < count; n++) {
        uint8_t *bytes = (uint8_t *)words;

        for (unsigned w = 0; w < 4; w++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            words[w] = seed;
        }
        if (n % 64 == 0) { /* XOP and EVEX are rare otherwise */
            bytes[0] = n & 64 ? 0x8f : 0x62;
            bytes[1] |= 0xc8;
        }
        judge_bytes(j, n % 3, bytes, true);
    }
}

int main(int argc, char **argv)
{
    struct judge *j = judge_create();
    bool is_all = false, is_listing = false, is_good;

    for (int n = 1; n < argc; n++) {
        is_all |= !strcmp(argv[n], "--all");
        is_listing |= !strcmp(argv[n], "--list");
    }
    if (is_all)
        full_sweep(j);
    else
        short_sweep(j);
    random_sweep(j, is_all ? 20000000 : 500000);
    is_good = judge_report(j, is_listing);
    judge_destroy(j);
    return !is_good;
}
