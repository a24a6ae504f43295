/* Jump tables: their memory, and clearing parts of them.  A file of its own as it may use vector registers: nobody calls it while the
 * guest's FP state is in them. */
#include "bt/priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "host/log.h"

#define FEW_ENTRIES 1024u
#define GROWTH 4u
#define HEADER_BYTES 64u   /* in front of a small table */
#define MAPPED_ENTRIES 16384u /* tables from this size on are mapped, with a page in front: what is never filled stays shared */
#define BYTES_MAPPED(entries) (GUEST_PAGE_SIZE + (size_t)(entries) * sizeof(uint32_t))

int jump_table_template(const uint8_t *miss)
{
    uint32_t entries[GUEST_PAGE_SIZE / sizeof(uint32_t)];
    int fd = memfd_create("ringer-jump-table", MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
        entries[i] = (uint32_t)(uintptr_t)miss;
    for (size_t done = 0; done < BYTES_MAPPED(JUMP_TABLE_ENTRIES); done += sizeof(entries)) {
        if (write(fd, entries, sizeof(entries)) != sizeof(entries)) {
            close(fd);
            return -EIO;
        }
    }
    return fd;
}

static void fill(uint32_t *p, unsigned n, uint32_t miss)
{
    for (unsigned k = 0; k < n; k++)
        p[k] = miss;
}

static void allocate(const struct bt *bt, struct ctx *c, unsigned entries)
{
    uint8_t *p;

    if (entries >= MAPPED_ENTRIES) {
        p = mmap(NULL, BYTES_MAPPED(entries), PROT_READ | PROT_WRITE, MAP_PRIVATE, bt->table_fd, 0);
        if (p == MAP_FAILED)
            BUG("cannot map a jump table");
        c->jump_table = (uint32_t *)(p + GUEST_PAGE_SIZE);
    } else {
        p = aligned_alloc(HEADER_BYTES, HEADER_BYTES + entries * sizeof(uint32_t));
        if (!p)
            BUG("out of memory for jump tables");
        c->jump_table = (uint32_t *)(p + HEADER_BYTES);
        fill(c->jump_table, entries, (uint32_t)(uintptr_t)bt->stub_miss);
    }
    c->jump_mask = entries - 1;
    c->jump_table[-1] = c->jump_mask;
    for (unsigned i = 0; i < ARRAY_SIZE(c->filled); i++)
        c->filled[i] = 0;
}

void jump_table_create(const struct bt *bt, struct ctx *c)
{
    allocate(bt, c, bt->has_bmi2 ? FEW_ENTRIES : JUMP_TABLE_ENTRIES);
}

void jump_table_free(struct ctx *c)
{
    if (c->jump_mask + 1 >= MAPPED_ENTRIES)
        munmap((uint8_t *)c->jump_table - GUEST_PAGE_SIZE, BYTES_MAPPED(c->jump_mask + 1));
    else
        free((uint8_t *)c->jump_table - HEADER_BYTES);
}

void jump_table_grow(const struct bt *bt, struct ctx *c)
{
    unsigned entries = (c->jump_mask + 1) * GROWTH;

    jump_table_free(c);
    allocate(bt, c, entries);
    c->conflicts = 0;
}

void jump_table_clear(struct ctx *c, uint32_t first, uint32_t n, const uint8_t *miss)
{
    uint32_t n_pieces = (c->jump_mask + 1) / JUMP_TABLE_PIECE, piece = (first & c->jump_mask) / JUMP_TABLE_PIECE;

    if (n / JUMP_TABLE_PIECE + 1 < n_pieces)
        n_pieces = n / JUMP_TABLE_PIECE + 1;
    for (; n_pieces; n_pieces--, piece = (piece + 1) % ((c->jump_mask + 1) / JUMP_TABLE_PIECE)) {
        if (c->filled[piece / 64] >> (piece % 64) & 1) /* others stay shared with the template */
            fill(&c->jump_table[piece * JUMP_TABLE_PIECE], JUMP_TABLE_PIECE, (uint32_t)(uintptr_t)miss);
        c->filled[piece / 64] &= ~(1ull << (piece % 64));
    }
}
