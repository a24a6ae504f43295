/* Chained jumps of translated code, and what becomes of them when a block is translated anew. */
#include "bt_fixture.h"

#define TURNS 10

static int setup(void **state)
{
    return bt_fixture_setup(state, false);
}

/* again: inc ebx; jmp over.  over: dec ecx; jnz again; hlt. */
static void write_loop(struct fixture *f, uint32_t over)
{
    uint8_t *p = f->ram + CODE;

    p[0] = 0x43;
    p[1] = 0xe9;
    put32(f, CODE + 2, over - (CODE + 6));
    p = f->ram + over;
    p[0] = 0x49;
    p[1] = 0x0f;
    p[2] = 0x85;
    put32(f, over + 3, CODE - (over + 7));
    p[7] = 0xf4;
}

static void run_loop(struct bt_fixture *t)
{
    struct cpu *cpu = t->f->cpu;

    cpu->is_halted = false;
    cpu->rip = CODE;
    cpu->gpr[REG_CX] = TURNS;
    cpu->gpr[REG_BX] = 0;
    bt_run(t->bt);
    assert_true(cpu->is_halted);
    assert_int_equal(cpu->gpr[REG_BX], TURNS);
}

/* Where a jump leads whose rel32 ends at this cache offset. */
static uint32_t jump_target(const struct bt *bt, uint32_t end)
{
    int32_t rel;

    memcpy(&rel, bt->codemem.write + end - 4, 4);
    return end + (uint32_t)rel;
}

/* The loop's second block jumps to its first one, by at most as many dead ones as may lead from one to the other. */
static void assert_chained(const struct bt_fixture *t, uint32_t over)
{
    const struct block *from = block_at(t, over), *to = block_at(t, CODE);
    const struct chain_site *site = exit_site(t->bt, block_exit(from, 0));
    uint32_t at = jump_target(t->bt, site->jump_end & CHAIN_OFFSET);
    unsigned n;

    assert_int_equal(site->target_rip, CODE);
    for (n = 0; at != to->direct; n++) {
        assert_true(n < MAX_GENERATION);
        assert_int_equal(t->bt->codemem.write[at], 0xe9);
        at = jump_target(t->bt, at + 5);
    }
}

static void change_often(struct bt_fixture *t, uint32_t over)
{
    write_loop(t->f, over);
    run_loop(t);
    assert_chained(t, over);
    for (unsigned i = 0; i < 5 * MAX_GENERATION; i++) {
        tcache_kill(t->bt, block_at(t, CODE));
        run_loop(t);
        assert_chained(t, over);
    }
}

static void jumps_follow_a_block_that_changes_often(void **state) { change_often(*state, CODE + 0x20); }

static void links_follow_a_block_that_changes_often(void **state) { change_often(*state, CODE + GUEST_PAGE_SIZE); }

/* One process after the other runs a program: each lets go of its pages when it ends. */
static void links_come_back_where_nobody_else_needs_them(void **state)
{
    enum { OVER = CODE + GUEST_PAGE_SIZE };
    struct bt_fixture *t = *state;

    write_loop(t->f, OVER);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t links = t->bt->stats.links;

        run_loop(t);
        assert_true(t->bt->stats.links > links);
        assert_int_equal(t->bt->stats.guards, 0);
        links_cut_page(t->bt, t->bt->ctx->w, OVER >> GUEST_PAGE_SHIFT);
    }
}

/* again: jmp [slot].  next: dec ecx; jnz again; hlt.  to, where the slot leads: inc ebx; jmp next. */
static void predictions_outlive_what_follows_them(void **state)
{
    enum { NEXT = CODE + 6, TO = CODE + 0x20, SLOT = CODE + GUEST_PAGE_SIZE };
    static const uint8_t loop[] = {0x49, 0x75, (uint8_t)-(6 + 3), 0xf4}, inc[] = {0x43, 0xeb, (uint8_t)(NEXT - (TO + 3))};
    struct bt_fixture *t = *state;
    uint8_t *p = t->f->ram + CODE;

    fault_install(); /* cmocka has handlers of its own */
    p[0] = 0xff;
    p[1] = 0x25;
    put32(t->f, CODE + 2, SLOT);
    put32(t->f, SLOT, TO);
    memcpy(p + 6, loop, sizeof(loop));
    memcpy(p + 0x20, inc, sizeof(inc));
    for (unsigned i = 0; i < 5 * MAX_GENERATION; i++) {
        run_loop(t);
        assert_int_equal(t->bt->stats.predicted, 1);
        tcache_kill(t->bt, block_at(t, NEXT));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jumps_follow_a_block_that_changes_often, setup, bt_fixture_teardown),
        cmocka_unit_test_setup_teardown(links_follow_a_block_that_changes_often, setup, bt_fixture_teardown),
        cmocka_unit_test_setup_teardown(links_come_back_where_nobody_else_needs_them, setup, bt_fixture_teardown),
        cmocka_unit_test_setup_teardown(predictions_outlive_what_follows_them, setup, bt_fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
