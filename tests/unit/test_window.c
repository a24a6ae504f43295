/* Windows: what they map, and when they stop mapping it. */
#include "sys_fixture.h"
#include "bt/window.h"

struct win_fixture {
    struct fixture *f;
    struct windows *ws;
    struct soft *soft;
    unsigned gone_pages, gone_all;
    uint32_t last_gone;
};

static void code_gone(void *opaque, struct window *w, uint32_t page)
{
    struct win_fixture *t = opaque;

    if (page == WINDOW_PAGES)
        t->gone_all++;
    else
        t->gone_pages++;
    t->last_gone = page;
}

static int setup(void **state)
{
    struct win_fixture *t = calloc(1, sizeof(*t));
    void *f;

    protected_setup(&f);
    t->f = f;
    enable_paging(t->f);
    t->soft = soft_create(guestmem_size(t->f->guestmem) >> 12, t);
    t->ws = windows_create(t->f->cpu, t->soft, true, true, code_gone, t);
    *state = t;
    return t->ws ? 0 : -1;
}

static int teardown(void **state)
{
    struct win_fixture *t = *state;
    void *f = t->f;

    windows_destroy(t->ws);
    soft_destroy(t->soft);
    free(t);
    return fixture_teardown(&f);
}

static enum window_fault fill(struct win_fixture *t, bool is_user, gla_t gla, bool is_write)
{
    uint64_t frame;

    return window_fill(t->ws, window_current(t->ws, is_user), gla, is_write, &frame);
}

static void a_window_is_4_gib_aligned(void **state)
{
    struct win_fixture *t = *state;

    assert_int_equal((uintptr_t)window_current(t->ws, false)->base & 0xffffffffu, 0);
    assert_ptr_not_equal(window_current(t->ws, false), window_current(t->ws, true));
}

static void reads_and_writes_reach_ram(void **state)
{
    struct win_fixture *t = *state;
    uint8_t *base = window_current(t->ws, false)->base;

    t->f->ram[DATA] = 0x5a;
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(base[DATA], 0x5a);
    assert_int_equal(fill(t, false, DATA, true), WINDOW_RETRY);
    base[DATA + 1] = 0xa5;
    assert_int_equal(t->f->ram[DATA + 1], 0xa5);
}

/* D is set by the first write and not before: a page read first is mapped read-only. */
static void dirty_is_set_by_writes_only(void **state)
{
    struct win_fixture *t = *state;
    uint32_t pte = PAGE_TABLE + (DATA >> 12) * 4;

    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(get32(t->f, pte) & 0x60, 0x20);
    assert_int_equal(fill(t, false, DATA, true), WINDOW_RETRY);
    assert_int_equal(get32(t->f, pte) & 0x60, 0x60);
}

static void user_window_obeys_us_and_rw(void **state)
{
    struct win_fixture *t = *state;

    set_pte(t->f, DATA, 3); /* supervisor */
    assert_int_equal(fill(t, true, DATA, false), WINDOW_GUEST_FAULT);
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    set_pte(t->f, DATA + 0x1000, 5); /* user, read-only */
    assert_int_equal(fill(t, true, DATA + 0x1000, true), WINDOW_GUEST_FAULT);
    assert_int_equal(fill(t, true, DATA + 0x1000, false), WINDOW_RETRY);
    set_pte(t->f, DATA + 0x2000, 0);
    assert_int_equal(fill(t, false, DATA + 0x2000, false), WINDOW_GUEST_FAULT);
}

/* One linear page that has two frames by turns, for ever. */
static void the_reverse_map_stays_small(void **state)
{
    struct win_fixture *t = *state;

    for (unsigned i = 0; i < 5000; i++) {
        set_pte(t->f, DATA, (i & 1 ? DATA + 0x1000 : DATA) | 0x67);
        windows_flush_page(t->ws, DATA);
        assert_int_equal(fill(t, false, DATA, true), WINDOW_RETRY);
    }
    assert_true(windows_stats(t->ws)->rmap_nodes < 100);
}

/* Address spaces that come back after their windows were taken away get more of them. */
static void there_are_windows_for_roots_that_come_back(void **state)
{
    struct win_fixture *t = *state;
    uint64_t root = t->f->cpu->paging.cr3, resets;

    for (unsigned round = 0; round < 4; round++) {
        resets = windows_stats(t->ws)->resets;
        for (unsigned i = 0; i < 110; i++) {
            t->f->cpu->paging.cr3 = 0x100000 + i * 0x1000;
            assert_non_null(window_current(t->ws, true));
        }
    }
    assert_int_equal(windows_stats(t->ws)->resets, resets); /* in the last round: none */
    t->f->cpu->paging.cr3 = root;
}

static void devices_are_not_mapped(void **state)
{
    struct win_fixture *t = *state;

    assert_int_equal(fill(t, false, DEVICE, false), WINDOW_DEVICE);
}

static void pages_with_code_are_read_only(void **state)
{
    struct win_fixture *t = *state;
    uint8_t *flags = guestmem_code_flags(t->f->guestmem);
    uint64_t frame = (uint64_t)(t->f->ram + CODE - guestmem_view(t->f->guestmem)) >> 12;
    uint64_t where;

    flags[frame] = 1;
    assert_int_equal(window_fill(t->ws, window_current(t->ws, false), CODE, true, &where), WINDOW_CODE_WRITE);
    assert_int_equal(where, frame);
    flags[frame] = 0;
    assert_int_equal(fill(t, false, CODE, true), WINDOW_RETRY);
}

/* What a fill maps together: accessed pages of consecutive frames, with the same rights, as writable as the one that is wanted. */
static void neighbours_are_mapped_together(void **state)
{
    struct win_fixture *t = *state;
    uint8_t *flags = guestmem_code_flags(t->f->guestmem);
    uint64_t frame = (uint64_t)(t->f->ram + DATA - guestmem_view(t->f->guestmem)) >> 12;
    struct window *w = window_current(t->ws, true);
    uint32_t page = DATA >> 12;

    for (unsigned i = 0; i < 8; i++)
        set_pte(t->f, DATA + i * 0x1000, i == 6 ? 0x05 : 0x25); /* user, read-only, accessed: all but one */
    flags[frame + 2] = 1; /* code does not matter where nobody may write */
    assert_int_equal(fill(t, true, DATA + 0x3000, false), WINDOW_RETRY);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(window_page(w, page + i) != 0, i < 6);
    assert_int_equal(windows_stats(t->ws)->map_calls, 1);

    for (unsigned i = 0; i < 8; i++)
        set_pte(t->f, DATA + i * 0x1000, i == 1 ? 0x27 : 0x67); /* writable, dirty: all but one */
    windows_new_epoch(t->ws);
    w = window_current(t->ws, true);
    assert_int_equal(fill(t, true, DATA + 0x4000, true), WINDOW_RETRY);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(window_page(w, page + i) != 0, i > 2);
    assert_int_equal(windows_stats(t->ws)->map_calls, 2);
    flags[frame + 2] = 0;
}

static void invlpg_drops_one_page(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);

    t->f->ram[DATA] = 1;
    t->f->ram[DATA + 0x5000] = 2;
    fill(t, false, DATA, false);
    put32(t->f, PAGE_TABLE + (DATA >> 12) * 4, (DATA + 0x5000) | 7);
    assert_int_equal(w->base[DATA], 1); /* stale, as a TLB may be */
    windows_flush_page(t->ws, DATA);
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(w->base[DATA], 2);
}

static void a_new_epoch_drops_what_changed(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);

    t->f->ram[DATA] = 1;
    t->f->ram[DATA + 0x1000] = 3;
    t->f->ram[DATA + 0x5000] = 2;
    fill(t, false, DATA, false);
    fill(t, false, DATA + 0x1000, false);
    put32(t->f, PAGE_TABLE + (DATA >> 12) * 4, (DATA + 0x5000) | 7);
    windows_new_epoch(t->ws);
    assert_ptr_equal(window_current(t->ws, false), w);
    assert_int_equal(windows_stats(t->ws)->drop_pages, 1);
    assert_int_equal(w->base[DATA + 0x1000], 3); /* unchanged: still mapped */
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(w->base[DATA], 2);
}

static void a_changed_directory_drops_its_region(void **state)
{
    struct win_fixture *t = *state;

    fill(t, false, DATA, false);
    fill(t, false, DATA + 0x3000, false);
    put32(t->f, PAGE_DIR, 0);
    windows_new_epoch(t->ws);
    window_current(t->ws, false);
    assert_true(windows_stats(t->ws)->drop_pages >= 2);
    assert_int_equal(fill(t, false, DATA, false), WINDOW_GUEST_FAULT);
}

/* A and D set by walks are no reason to drop. */
static void accessed_and_dirty_do_not_drop(void **state)
{
    struct win_fixture *t = *state;

    fill(t, false, DATA, false);
    put32(t->f, PAGE_TABLE + (DATA >> 12) * 4, DATA | 0x67);
    windows_new_epoch(t->ws);
    window_current(t->ws, false);
    assert_int_equal(windows_stats(t->ws)->drop_pages, 0);
    put32(t->f, PAGE_TABLE + (DATA >> 12) * 4, DATA | 0x27); /* D cleared: the next write must set it again */
    windows_new_epoch(t->ws);
    window_current(t->ws, false);
    assert_int_equal(windows_stats(t->ws)->drop_pages, 1);
}

static void fetch_translations_are_forgotten(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);

    assert_true(window_code_frame(t->ws, w, CODE, true) >= 0);
    assert_int_equal(window_code(w, CODE >> 12), window_code_frame(t->ws, w, CODE, true) + 1);
    put32(t->f, PAGE_TABLE + (CODE >> 12) * 4, (DATA) | 7);
    windows_flush_page(t->ws, CODE);
    assert_int_equal(window_code(w, CODE >> 12), 0);
    assert_int_equal(t->last_gone, CODE >> 12);
}

/* Links look at pages that nobody fetches from: A must not be set for that. */
static void a_page_only_looked_at_is_not_accessed(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);

    put32(t->f, PAGE_TABLE + (CODE >> 12) * 4, CODE | 7);
    assert_int_equal(window_code_frame(t->ws, w, CODE, false), -1);
    assert_int_equal(window_code(w, CODE >> 12), 0);
    assert_int_equal(get32(t->f, PAGE_TABLE + (CODE >> 12) * 4) & 0x20, 0);
    assert_true(window_code_frame(t->ws, w, CODE, true) >= 0);
    assert_int_equal(get32(t->f, PAGE_TABLE + (CODE >> 12) * 4) & 0x20, 0x20);
    windows_flush_page(t->ws, CODE);
    assert_true(window_code_frame(t->ws, w, CODE, false) >= 0);
}

static void roots_have_their_own_windows(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);

    for (unsigned i = 0; i < 300; i++) { /* more than there are windows: the oldest are recycled */
        t->f->cpu->paging.cr3 = 0x100000 + (i + 1) * 0x1000;
        assert_ptr_not_equal(window_current(t->ws, true), NULL);
    }
    assert_true(windows_stats(t->ws)->windows <= 96);
    t->f->cpu->paging.cr3 = PAGE_DIR;
    w = window_current(t->ws, false);
    t->f->ram[DATA] = 9;
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(w->base[DATA], 9);
}

/* --- the software TLB --- */

static uint8_t *found(struct win_fixture *t, gla_t gla, bool is_write)
{
    return soft_find(t->soft, window_current(t->ws, false)->soft_key + (gla >> 12), (uint32_t)gla, is_write);
}

static enum window_fault soft(struct win_fixture *t, gla_t gla, bool is_write)
{
    uint64_t frame;

    return window_soft_fill(t->ws, window_current(t->ws, false), gla, is_write, &frame);
}

static void software_lookup_needs_no_mapping(void **state)
{
    struct win_fixture *t = *state;

    assert_null(found(t, DATA, false));
    assert_int_equal(soft(t, DATA, false), WINDOW_RETRY);
    assert_ptr_equal(found(t, DATA + 5, false), t->f->ram + DATA + 5);
    assert_null(found(t, DATA, true)); /* D is not set yet */
    assert_null(found(t, DATA + 0x1000, false));
    assert_int_equal(soft(t, DATA, true), WINDOW_RETRY);
    assert_ptr_equal(found(t, DATA, true), t->f->ram + DATA);
    assert_int_equal(windows_stats(t->ws)->map_calls, 0);
    assert_int_equal(soft(t, DEVICE, false), WINDOW_DEVICE);
    assert_null(found(t, DEVICE, false));
}

static void software_lookup_forgets_as_a_window_does(void **state)
{
    struct win_fixture *t = *state;

    soft(t, DATA, true);
    set_pte(t->f, DATA, (DATA + 0x1000) | 0x67);
    assert_ptr_equal(found(t, DATA, true), t->f->ram + DATA); /* stale, as a TLB may be */
    windows_flush_page(t->ws, DATA);
    assert_null(found(t, DATA, false));
    soft(t, DATA, true);
    assert_ptr_equal(found(t, DATA, true), t->f->ram + DATA + 0x1000);
    set_pte(t->f, DATA, DATA | 0x27);
    windows_new_epoch(t->ws);
    assert_null(found(t, DATA, false));
    soft(t, DATA, true);
    windows_flush_all(t->ws);
    assert_null(found(t, DATA, false));
}

static void software_lookup_never_writes_to_code(void **state)
{
    struct win_fixture *t = *state;
    uint64_t frame = (uint64_t)(t->f->ram + DATA - guestmem_view(t->f->guestmem)) >> 12;

    for (unsigned n = 1; n <= 5; n++) { /* so many pages of one frame */
        for (unsigned i = 0; i < n; i++) {
            put32(t->f, PAGE_TABLE + (DATA / 0x1000 + i) * 4, DATA | 0x67);
            windows_flush_page(t->ws, DATA + i * 0x1000);
            assert_int_equal(soft(t, DATA + i * 0x1000, true), WINDOW_RETRY);
        }
        windows_protect_frame(t->ws, frame);
        for (unsigned i = 0; i < n; i++) {
            assert_null(found(t, DATA + i * 0x1000, true));
            assert_ptr_equal(found(t, DATA + i * 0x1000, false), t->f->ram + DATA);
        }
    }
}

static void device_pages_are_remembered_and_forgotten(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);
    gpa_t gpa;

    assert_false(window_device(t->ws, w, DATA, false, &gpa));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(window_device(t->ws, w, DEVICE + 8, true, &gpa));
        assert_int_equal(gpa, DEVICE + 8);
    }
}

/* --- address spaces that share a supervisor window --- */

#define OTHER_DIR (DATA + 0x8000)
#define OTHER_TABLE (DATA + 0x9000)
#define COMMON_TABLE (DATA + 0xa000)
#define COMMON 0x400000

static void two_spaces(struct win_fixture *t)
{
    for (unsigned i = 0; i < 1024; i++)
        put32(t->f, OTHER_TABLE + i * 4, (i << 12) | 0x67);
    put32(t->f, OTHER_TABLE + (DATA >> 12) * 4, (DATA + 0x5000) | 0x67);
    put32(t->f, COMMON_TABLE, (DATA + 0x6000) | 0x67);
    put32(t->f, PAGE_DIR + 4, COMMON_TABLE | 0x67);
    put32(t->f, OTHER_DIR, OTHER_TABLE | 0x67);
    put32(t->f, OTHER_DIR + 4, COMMON_TABLE | 0x67);
    t->f->ram[DATA] = 1;
    t->f->ram[DATA + 0x5000] = 2;
    t->f->ram[DATA + 0x6000] = 3;
}

static struct window *change_to(struct win_fixture *t, uint32_t dir)
{
    t->f->cpu->paging.cr3 = dir;
    windows_new_epoch(t->ws);
    return window_current(t->ws, false);
}

static void a_shared_window_keeps_what_is_common(void **state)
{
    struct win_fixture *t = *state;
    struct window *w;

    two_spaces(t);
    w = change_to(t, PAGE_DIR);
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(fill(t, false, COMMON, true), WINDOW_RETRY);
    assert_int_equal(soft(t, DATA, true), WINDOW_RETRY);
    assert_int_equal(soft(t, COMMON, true), WINDOW_RETRY);
    assert_ptr_equal(change_to(t, OTHER_DIR), w);
    assert_int_equal(window_page(w, DATA >> 12), 0);
    assert_null(found(t, DATA, false));
    assert_int_equal(w->base[COMMON], 3);
    assert_non_null(found(t, COMMON, true));
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(w->base[DATA], 2);

    put32(t->f, COMMON_TABLE, DATA | 0x67); /* while the other one is in use */
    assert_ptr_equal(change_to(t, PAGE_DIR), w);
    assert_int_equal(window_page(w, COMMON >> 12), 0);
    assert_null(found(t, COMMON, false));
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(w->base[DATA], 1);
}

static void a_space_that_comes_often_has_its_own(void **state)
{
    struct win_fixture *t = *state;
    struct window *a, *b;

    two_spaces(t);
    for (unsigned i = 0; i < 40; i++) {
        a = change_to(t, PAGE_DIR);
        assert_int_equal(fill(t, false, DATA, false) == WINDOW_RETRY || window_page(a, DATA >> 12), 1);
        assert_int_equal(a->base[DATA], 1);
        b = change_to(t, OTHER_DIR);
        assert_int_equal(fill(t, false, DATA, false) == WINDOW_RETRY || window_page(b, DATA >> 12), 1);
        assert_int_equal(b->base[DATA], 2);
    }
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(change_to(t, PAGE_DIR), a);
    assert_int_equal(a->base[DATA], 1); /* still mapped */
}

/* Rings of many: nobody gets his own, and there are few windows. */
static void many_spaces_share_one(void **state)
{
    struct win_fixture *t = *state;

    two_spaces(t);
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t dir = 0x40000 + i % 100 * 0x1000;

        put32(t->f, dir, PAGE_TABLE | 0x67);
        put32(t->f, dir + 4, COMMON_TABLE | 0x67);
        change_to(t, dir);
        (void)fill(t, false, COMMON, false);
    }
    assert_int_equal(windows_stats(t->ws)->windows, 1);
    assert_int_equal(windows_stats(t->ws)->map_calls, 1);
}

/* Pages that go together are unmapped together, and what lies between them and stays is not touched. */
static void pages_are_dropped_in_runs(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);

    for (unsigned i = 0; i < 16; i++) {
        t->f->ram[DATA + i * 0x1000] = (uint8_t)(i + 1);
        assert_int_equal(fill(t, false, DATA + i * 0x1000, false), WINDOW_RETRY);
    }
    for (unsigned i = 0; i < 16; i++)
        if (i != 5 && i != 9)
            put32(t->f, PAGE_TABLE + ((DATA >> 12) + i) * 4, 0);
    windows_new_epoch(t->ws);
    window_current(t->ws, false);
    assert_int_equal(windows_stats(t->ws)->drop_pages, 14);
    assert_int_equal(windows_stats(t->ws)->drops, 3);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(window_page(w, (DATA >> 12) + i) != 0, i == 5 || i == 9);
    assert_int_equal(w->base[DATA + 0x5000], 6); /* still mapped: this does not fault */
    assert_int_equal(w->base[DATA + 0x9000], 10);

    for (unsigned i = 0; i < 16; i += 5) /* the others, unmapped already, lie between them */
        put32(t->f, PAGE_TABLE + ((DATA >> 12) + i) * 4, (DATA + i * 0x1000) | 0x67);
    windows_new_epoch(t->ws);
    window_current(t->ws, false);
    for (unsigned i = 0; i < 16; i += 5)
        assert_int_equal(fill(t, false, DATA + i * 0x1000, false), WINDOW_RETRY);
    for (unsigned i = 0; i < 16; i += 5)
        put32(t->f, PAGE_TABLE + ((DATA >> 12) + i) * 4, 0);
    put32(t->f, PAGE_TABLE + ((DATA >> 12) + 9) * 4, 0);
    windows_new_epoch(t->ws);
    window_current(t->ws, false);
    assert_int_equal(windows_stats(t->ws)->drops, 4);
}

/* Loads of CR3 without end, for tables that do not change. */
static void reload(struct win_fixture *t, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        windows_new_epoch(t->ws);
        window_current(t->ws, false);
    }
}

static uint8_t *table_flags(struct win_fixture *t)
{
    return &guestmem_code_flags(t->f->guestmem)[(uint64_t)(t->f->ram + PAGE_TABLE - guestmem_view(t->f->guestmem)) >> 12];
}

static void a_table_that_does_not_change_is_not_compared_for_ever(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);
    uint64_t before;
    uint32_t at = PAGE_TABLE + (DATA >> 12) * 4;

    t->f->ram[DATA + 0x5000] = 2;
    assert_int_equal(fill(t, false, PAGE_TABLE, true), WINDOW_RETRY);
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    reload(t, 1000);
    before = windows_stats(t->ws)->tables.syncs;
    reload(t, 10);
    assert_int_equal(windows_stats(t->ws)->tables.syncs, before);
    assert_int_not_equal(*table_flags(t), 0);
    assert_int_equal(window_page(w, PAGE_TABLE >> 12) & 1, 0); /* read-only by now */

    /* a store of the guest: it faults, and is let through */
    assert_int_equal(fill(t, false, PAGE_TABLE, true), WINDOW_RETRY);
    assert_int_equal(window_page(w, PAGE_TABLE >> 12) & 1, 1);
    assert_int_equal(*table_flags(t), 0);
    *(uint32_t *)(w->base + at) = (DATA + 0x5000) | 7;
    reload(t, 1);
    assert_int_equal(window_page(w, DATA >> 12), 0);
    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    assert_int_equal(w->base[DATA], 2);
}

static void whoever_writes_to_a_quiet_table_says_so(void **state)
{
    struct win_fixture *t = *state;
    struct window *w = window_current(t->ws, false);
    uint64_t off = (uint64_t)(t->f->ram + PAGE_TABLE + (DATA >> 12) * 4 - guestmem_view(t->f->guestmem));

    assert_int_equal(fill(t, false, DATA, false), WINDOW_RETRY);
    reload(t, 1000);
    assert_int_not_equal(*table_flags(t), 0);
    put32(t->f, PAGE_TABLE + (DATA >> 12) * 4, (DATA + 0x5000) | 7); /* DMA, or the interpreter */
    windows_written(t->ws, off, 4);
    assert_int_equal(*table_flags(t), 0);
    reload(t, 1);
    assert_int_equal(window_page(w, DATA >> 12), 0);
    reload(t, 1000);
    assert_int_not_equal(*table_flags(t), 0); /* quiet again */
    windows_flush_all(t->ws);
    assert_int_equal(*table_flags(t), 0); /* nobody uses the table any more */
}

/* The software TLB's right to write to a table ends when that is protected. */
static void software_lookup_wakes_a_quiet_table(void **state)
{
    struct win_fixture *t = *state;
    uint64_t frame;

    assert_int_equal(window_soft_fill(t->ws, window_current(t->ws, false), PAGE_TABLE, true, &frame), WINDOW_RETRY);
    reload(t, 1000);
    assert_int_not_equal(*table_flags(t), 0);
    uint64_t key = window_current(t->ws, false)->soft_key + (PAGE_TABLE >> 12);

    assert_int_equal(t->soft->write_key[key & (SOFT_ENTRIES - 1)], 0);
    assert_int_equal(window_soft_fill(t->ws, window_current(t->ws, false), PAGE_TABLE, true, &frame), WINDOW_RETRY);
    assert_int_equal(*table_flags(t), 0);
    assert_int_equal(t->soft->write_key[key & (SOFT_ENTRIES - 1)], -key);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_window_is_4_gib_aligned),   T(reads_and_writes_reach_ram),           T(dirty_is_set_by_writes_only),
        T(the_reverse_map_stays_small), T(there_are_windows_for_roots_that_come_back),
        T(user_window_obeys_us_and_rw), T(devices_are_not_mapped),               T(pages_with_code_are_read_only),
        T(neighbours_are_mapped_together),
        T(invlpg_drops_one_page),       T(a_new_epoch_drops_what_changed),       T(a_changed_directory_drops_its_region),
        T(accessed_and_dirty_do_not_drop), T(fetch_translations_are_forgotten), T(a_page_only_looked_at_is_not_accessed),
        T(roots_have_their_own_windows),
        T(software_lookup_needs_no_mapping), T(software_lookup_forgets_as_a_window_does), T(software_lookup_never_writes_to_code),
        T(device_pages_are_remembered_and_forgotten), T(a_shared_window_keeps_what_is_common),
        T(a_space_that_comes_often_has_its_own), T(many_spaces_share_one),
        T(pages_are_dropped_in_runs), T(a_table_that_does_not_change_is_not_compared_for_ever), T(whoever_writes_to_a_quiet_table_says_so),
        T(software_lookup_wakes_a_quiet_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
