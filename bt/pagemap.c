/* See pagemap.h. */
#include "bt/pagemap.h"

#include <stdlib.h>
#include <string.h>
#include "host/log.h"
#include "host/util.h"

#define SLAB_BYTES 65536u
#define LINE 64u /* of the cache; pieces are whole ones */

struct pagemap_slab {
    struct pagemap_slab *next;
};

static const struct page_chunk no_chunk;
#define EIGHT(x) x, x, x, x, x, x, x, x
static const struct page_part no_part = {{EIGHT(EIGHT((struct page_chunk *)&no_chunk))}};
_Static_assert(sizeof(struct page_chunk) % LINE == 0 && sizeof(struct page_part) % LINE == 0, "else they share lines");

/* --- memory --- */

static void *take(struct pagemap_pieces *p)
{
    void *piece = p->free;

    if (piece) {
        memcpy(&p->free, piece, sizeof(p->free));
    } else {
        if ((size_t)(p->end - p->next) < p->size) {
            struct pagemap_slab *slab = aligned_alloc(LINE, SLAB_BYTES);

            if (!slab)
                BUG("out of memory for the pages of windows");
            slab->next = p->slabs;
            p->slabs = slab;
            p->next = (uint8_t *)slab + LINE;
            p->end = (uint8_t *)slab + SLAB_BYTES;
        }
        piece = p->next;
        p->next += p->size;
    }
    return piece;
}

static void give(struct pagemap_pieces *p, void *piece)
{
    memcpy(piece, &p->free, sizeof(p->free));
    p->free = piece;
}

void pagemap_pool_init(struct pagemap_pool *pool)
{
    *pool = (struct pagemap_pool){.parts.size = sizeof(struct page_part), .chunks.size = sizeof(struct page_chunk)};
}

static void free_slabs(struct pagemap_pieces *p)
{
    for (struct pagemap_slab *slab = p->slabs, *next; slab; slab = next) {
        next = slab->next;
        free(slab);
    }
}

void pagemap_pool_destroy(struct pagemap_pool *pool)
{
    free_slabs(&pool->parts);
    free_slabs(&pool->chunks);
}

/* --- maps --- */

static struct page_chunk **chunk_slot(struct page_part *part, uint32_t page)
{
    return &part->chunk[page / PAGEMAP_CHUNK % ARRAY_SIZE(part->chunk)];
}

struct page_chunk *pagemap_touch(struct pagemap *m, struct pagemap_pool *pool, uint32_t page)
{
    struct page_part **part = &m->part[page / PAGEMAP_PART];
    struct page_chunk **chunk;

    if (*part == &no_part)
        *part = memcpy(take(&pool->parts), &no_part, sizeof(no_part));
    chunk = chunk_slot(*part, page);
    if (*chunk == &no_chunk)
        *chunk = memset(take(&pool->chunks), 0, sizeof(**chunk));
    return *chunk;
}

void pagemap_forget(struct pagemap *m, struct pagemap_pool *pool, uint32_t page)
{
    struct page_chunk **chunk = chunk_slot(m->part[page / PAGEMAP_PART], page);

    give(&pool->chunks, *chunk);
    *chunk = (struct page_chunk *)&no_chunk;
}

uint32_t pagemap_next(const struct pagemap *m, uint32_t page, uint32_t end)
{
    while (page < end) {
        struct page_part *part = m->part[page / PAGEMAP_PART];

        if (part == &no_part)
            page = (page | (PAGEMAP_PART - 1)) + 1;
        else if (*chunk_slot(part, page) == &no_chunk)
            page = (page | (PAGEMAP_CHUNK - 1)) + 1;
        else
            return page;
    }
    return end;
}

void pagemap_init(struct pagemap *m)
{
    for (unsigned i = 0; i < ARRAY_SIZE(m->part); i++)
        m->part[i] = (struct page_part *)&no_part;
}

void pagemap_clear(struct pagemap *m, struct pagemap_pool *pool)
{
    for (unsigned i = 0; i < ARRAY_SIZE(m->part); i++) {
        struct page_part *part = m->part[i];

        if (part == &no_part)
            continue;
        for (unsigned k = 0; k < ARRAY_SIZE(part->chunk); k++)
            if (part->chunk[k] != &no_chunk)
                give(&pool->chunks, part->chunk[k]);
        give(&pool->parts, part);
        m->part[i] = (struct page_part *)&no_part;
    }
}
