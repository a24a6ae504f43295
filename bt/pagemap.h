/* What is known of each of the 2^20 pages of a linear address space: three numbers, mostly 0, as few pages are in use.
 *
 * They lie in *chunks* of 64 pages, which two levels of pointers lead to: a map has 256 *parts* of 16 MiB, a part 64 chunks.  Where all is 0 there
 * need be no chunk: pointers lead to one part and one chunk of zeros, which all maps share and nobody can write.  So reading is the
 * same three loads for every page; generated code does it, too (emit_load_code()).
 *
 * Memory of parts and chunks comes from a pool and goes back there.  Thread: machine thread, its fault handler included. */
#ifndef BT_PAGEMAP_H
#define BT_PAGEMAP_H

#include <stddef.h>
#include <stdint.h>

#define PAGEMAP_PAGES (1u << 20)
#define PAGEMAP_CHUNK 64u         /* pages */
#define PAGEMAP_PART (64u * PAGEMAP_CHUNK)

struct page_chunk {
    uint32_t code[PAGEMAP_CHUNK];  /* frame + 1 if verified fetchable, else 0 */
    uint32_t page[PAGEMAP_CHUNK];  /* 0: not mapped; else (frame + 1) << 1 | writable */
    uint32_t noted[PAGEMAP_CHUNK]; /* frame + 1 if the reverse map has a node for it there */
};

struct page_part {
    struct page_chunk *chunk[PAGEMAP_PART / PAGEMAP_CHUNK];
};

struct pagemap {
    struct page_part *part[PAGEMAP_PAGES / PAGEMAP_PART];
};

/* Memory of one size. */
struct pagemap_pieces {
    size_t size;
    void *free;           /* list by their first words */
    uint8_t *next, *end;  /* of the slab, not handed out yet */
    struct pagemap_slab *slabs;
};
struct pagemap_pool {
    struct pagemap_pieces parts, chunks;
};

void pagemap_pool_init(struct pagemap_pool *pool);
void pagemap_pool_destroy(struct pagemap_pool *pool); /* maps of it are used no more */

void pagemap_init(struct pagemap *m); /* all 0 */
void pagemap_clear(struct pagemap *m, struct pagemap_pool *pool); /* the same, of one in use */

/* The chunk of page, to be written to; made if there is none.  Ends the program if there is no memory. */
struct page_chunk *pagemap_touch(struct pagemap *m, struct pagemap_pool *pool, uint32_t page);
/* The chunk of page, which is there, is all 0 from now on. */
void pagemap_forget(struct pagemap *m, struct pagemap_pool *pool, uint32_t page);
/* The first page from `page` on that has a chunk; end if none below has. */
uint32_t pagemap_next(const struct pagemap *m, uint32_t page, uint32_t end);

/* The chunk of page, or the one of zeros: to be written to only if something there is not 0. */
static inline struct page_chunk *pagemap_chunk(const struct pagemap *m, uint32_t page)
{
    return m->part[page / PAGEMAP_PART]->chunk[page / PAGEMAP_CHUNK % (PAGEMAP_PART / PAGEMAP_CHUNK)];
}

static inline uint32_t pagemap_code(const struct pagemap *m, uint32_t page)
{
    return pagemap_chunk(m, page)->code[page % PAGEMAP_CHUNK];
}

static inline uint32_t pagemap_page(const struct pagemap *m, uint32_t page)
{
    return pagemap_chunk(m, page)->page[page % PAGEMAP_CHUNK];
}

static inline uint32_t pagemap_noted(const struct pagemap *m, uint32_t page)
{
    return pagemap_chunk(m, page)->noted[page % PAGEMAP_CHUNK];
}

#endif
