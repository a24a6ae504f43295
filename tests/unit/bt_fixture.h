/* What tests of the translator share: sys_fixture.h's processor, in protected mode, and a translator for it. */
#ifndef TESTS_UNIT_BT_FIXTURE_H
#define TESTS_UNIT_BT_FIXTURE_H

#include "sys_fixture.h"
#include "bt/priv.h"

struct bt_fixture {
    struct fixture *f;
    struct bt *bt;
};

static inline int bt_fixture_setup(void **state, bool is_checked)
{
    const struct bt_options options = {.cache_bytes = MIB(1), .is_checked = is_checked};
    struct bt_fixture *t = calloc(1, sizeof(*t));
    const char *why;
    void *f;

    protected_setup(&f);
    t->f = f;
    t->bt = bt_create(t->f->cpu, &options, &why);
    *state = t;
    return t->bt ? 0 : -1;
}

static inline int bt_fixture_teardown(void **state)
{
    struct bt_fixture *t = *state;
    void *f = t->f;

    bt_destroy(t->bt);
    free(t);
    return fixture_teardown(&f);
}

static inline struct block *block_at(const struct bt_fixture *t, uint32_t rip)
{
    uint64_t code = (uint64_t)(t->f->ram + rip - guestmem_view(t->f->guestmem));

    return tcache_find(t->bt, code, t->bt->ctx->kind, rip);
}

#endif
