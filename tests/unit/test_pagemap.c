/* Sparse maps of linear pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "bt/pagemap.h"

struct map_fixture {
    struct pagemap_pool pool;
    struct pagemap a, b;
};

static int setup(void **state)
{
    struct map_fixture *t = malloc(sizeof(*t));

    pagemap_pool_init(&t->pool);
    pagemap_init(&t->a);
    pagemap_init(&t->b);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct map_fixture *t = *state;

    pagemap_pool_destroy(&t->pool);
    free(t);
    return 0;
}

static void set(struct map_fixture *t, struct pagemap *m, uint32_t page, uint32_t value)
{
    struct page_chunk *c = pagemap_touch(m, &t->pool, page);

    c->code[page % PAGEMAP_CHUNK] = value;
    c->page[page % PAGEMAP_CHUNK] = value + 1;
    c->noted[page % PAGEMAP_CHUNK] = value + 2;
}

static void assert_all_zero(const struct pagemap *m)
{
    for (uint32_t p = 0; p < PAGEMAP_PAGES; p++)
        assert_int_equal(pagemap_code(m, p) | pagemap_page(m, p) | pagemap_noted(m, p), 0);
    assert_int_equal(pagemap_next(m, 0, PAGEMAP_PAGES), PAGEMAP_PAGES);
}

static void pages_keep_what_is_written(void **state)
{
    static const uint32_t pages[] = {0, 1, 63, 64, 4095, 4096, 0x8048, 0xbffff, 0xfffff};
    struct map_fixture *t = *state;

    assert_all_zero(&t->a);
    for (uint32_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
        set(t, &t->a, pages[i], 100 * (i + 1));
    for (uint32_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        assert_int_equal(pagemap_code(&t->a, pages[i]), 100 * (i + 1));
        assert_int_equal(pagemap_page(&t->a, pages[i]), 100 * (i + 1) + 1);
        assert_int_equal(pagemap_noted(&t->a, pages[i]), 100 * (i + 1) + 2);
    }
    assert_int_equal(pagemap_code(&t->a, 2), 0);
    assert_all_zero(&t->b);
}

static void absent_chunks_are_skipped(void **state)
{
    struct map_fixture *t = *state;

    set(t, &t->a, 70, 1);
    set(t, &t->a, 0x80000, 1);
    assert_int_equal(pagemap_next(&t->a, 0, PAGEMAP_PAGES), 64);
    assert_int_equal(pagemap_next(&t->a, 0, 64), 64);
    assert_int_equal(pagemap_next(&t->a, 0, 30), 30);
    assert_int_equal(pagemap_next(&t->a, 75, 80), 75);
    assert_int_equal(pagemap_next(&t->a, 128, PAGEMAP_PAGES), 0x80000);
    assert_int_equal(pagemap_next(&t->a, 0x80040, PAGEMAP_PAGES), PAGEMAP_PAGES);
}

static void a_forgotten_chunk_is_zero_and_used_again(void **state)
{
    struct map_fixture *t = *state;
    struct page_chunk *c = pagemap_touch(&t->a, &t->pool, 70);

    set(t, &t->a, 70, 5);
    pagemap_forget(&t->a, &t->pool, 70);
    assert_all_zero(&t->a);
    assert_ptr_equal(pagemap_touch(&t->b, &t->pool, 0x12345), c);
    assert_int_equal(pagemap_code(&t->b, 0x12346), 0);
    assert_int_equal(c->code[70 % PAGEMAP_CHUNK] | c->page[0] | c->noted[0], 0);
}

/* Maps that come and go do not need more memory each time. */
static void a_cleared_map_gives_all_back(void **state)
{
    struct map_fixture *t = *state;
    struct pagemap_slab *parts = NULL, *chunks = NULL;

    for (unsigned round = 0; round < 5; round++) {
        for (uint32_t p = 0; p < PAGEMAP_PAGES; p += 8 * PAGEMAP_CHUNK)
            set(t, &t->a, p + round, round + 1);
        pagemap_clear(&t->a, &t->pool);
        assert_all_zero(&t->a);
        if (round) {
            assert_ptr_equal(t->pool.parts.slabs, parts);
            assert_ptr_equal(t->pool.chunks.slabs, chunks);
        }
        parts = t->pool.parts.slabs;
        chunks = t->pool.chunks.slabs;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_keep_what_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(absent_chunks_are_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_forgotten_chunk_is_zero_and_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cleared_map_gives_all_back, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
