/* Direct jumps from page to page without a guard.
 *
 * A block is shared by all windows that see the same bytes at the same linear address; the page it jumps to might be another one in
 * some of them.  So a jump across pages is guarded (xlat_emit_guard), or it is a *link*: between (page, frame) pairs, physically one
 * jump for all windows, with this rule:
 *
 *     a window that fetches the source page from the source frame fetches the target page from the target frame
 *
 * It is checked when a link is made, over all windows; when a window begins to fetch a page (links_check: it follows the links from
 * there, and cuts those that do not hold); and when a window ceases to fetch one (links_cut_page: links to it are cut).  A
 * cut jump goes to its chain stub again.  Where windows disagree, or after some cuts that another window did not
 * need, a pair of pages keeps its guards.
 *
 * Thread: machine thread; its fault handler too, which may cut a jump of the code it interrupted. */
#include "bt/priv.h"

#include <stdlib.h>
#include <string.h>
#include "host/log.h"

#define NODE_HASH_BITS 12
#define CUTS_MAX 4 /* then a pair of pages keeps guards */

struct jump {
    uint32_t jump_end, stub; /* cache offsets */
};

/* All links from one page to another. */
struct edge {
    struct node *from, *to;
    struct edge *next_out, *next_in;
    struct jump *jumps;
    uint32_t n_jumps, cap_jumps;
    uint8_t cuts;
    bool is_guarded;
};

struct node {
    struct node *hash_next;
    uint32_t page, frame; /* frame + 1 */
    struct edge *out, *in;
    uint64_t visit;
};

struct links {
    struct node *hash[1 << NODE_HASH_BITS];
    struct node **todo; /* of links_check() */
    uint32_t n_todo, cap_todo;
    uint64_t visit;
};

struct links *links_create(void)
{
    return calloc(1, sizeof(struct links));
}

static struct node **hash_slot(struct links *ls, uint32_t page, uint32_t frame)
{
    return &ls->hash[((page ^ frame * 0x9e3779b9u) * 0x85ebca6bu) >> (32 - NODE_HASH_BITS)];
}

static struct node *node_find(struct links *ls, uint32_t page, uint32_t frame)
{
    struct node *n = *hash_slot(ls, page, frame);

    while (n && (n->page != page || n->frame != frame))
        n = n->hash_next;
    return n;
}

static struct node *node_get(struct links *ls, uint32_t page, uint32_t frame)
{
    struct node *n = node_find(ls, page, frame), **slot = hash_slot(ls, page, frame);

    if (n)
        return n;
    n = calloc(1, sizeof(*n));
    if (!n)
        BUG("out of memory for links");
    *n = (struct node){.hash_next = *slot, .page = page, .frame = frame};
    return *slot = n;
}

static struct edge *edge_get(struct links *ls, struct node *from, struct node *to)
{
    struct edge *e;

    for (e = from->out; e; e = e->next_out)
        if (e->to == to)
            return e;
    e = calloc(1, sizeof(*e));
    if (!e)
        BUG("out of memory for links");
    *e = (struct edge){.from = from, .to = to, .next_out = from->out, .next_in = to->in};
    from->out = to->in = e;
    return e;
}

/* Its jumps go to their stubs again. */
static void edge_cut(struct bt *bt, struct edge *e)
{
    for (uint32_t i = 0; i < e->n_jumps; i++)
        tcache_set_jump(bt, tcache_by_jump(bt, e->jumps[i].jump_end), e->jumps[i].jump_end, e->jumps[i].stub);
    bt->stats.links_cut += e->n_jumps;
    e->n_jumps = 0;
}

static uint32_t page_of(const struct bt *bt, const struct block *b)
{
    return block_linear(bt, b) >> GUEST_PAGE_SHIFT;
}

static uint32_t frame_of(const struct block *b)
{
    return (uint32_t)(b->code >> GUEST_PAGE_SHIFT) + 1;
}

bool links_add(struct bt *bt, const struct window *w, const struct block *from, const struct block *to, uint32_t jump_end, uint32_t stub)
{
    uint32_t page = page_of(bt, from), frame = frame_of(from);
    struct edge *e;

    /* A block of one instruction in two pages: the second one may be jumped from, too. */
    if (from->second_frame || window_code(w, page) != frame || window_code(w, page_of(bt, to)) != frame_of(to))
        return false;
    e = edge_get(bt->links, node_get(bt->links, page, frame), node_get(bt->links, page_of(bt, to), frame_of(to)));
    if (e->is_guarded)
        return false;
    if (!windows_agree(bt->windows, page, frame, e->to->page, e->to->frame)) {
        edge_cut(bt, e);
        e->is_guarded = true;
        return false;
    }
    e->jumps = bt_grow(e->jumps, e->n_jumps, &e->cap_jumps, sizeof(*e->jumps));
    e->jumps[e->n_jumps++] = (struct jump){jump_end, stub};
    bt->stats.links++;
    return true;
}

static void todo_push(struct links *ls, struct node *n)
{
    if (!n || n->visit == ls->visit)
        return;
    n->visit = ls->visit;
    ls->todo = bt_grow(ls->todo, ls->n_todo, &ls->cap_todo, sizeof(*ls->todo));
    ls->todo[ls->n_todo++] = n;
}

void links_check(struct bt *bt, struct window *w, uint32_t page)
{
    struct links *ls = bt->links;

    ls->visit++;
    ls->n_todo = 0;
    todo_push(ls, node_find(ls, page, window_code(w, page)));
    while (ls->n_todo) {
        const struct node *n = ls->todo[--ls->n_todo];

        for (struct edge *e = n->out; e; e = e->next_out) {
            if (!e->n_jumps || window_code(w, e->to->page) == e->to->frame)
                continue;
            if (!window_code(w, e->to->page))
                (void)window_code_frame(bt->windows, w, (gla_t)e->to->page << GUEST_PAGE_SHIFT, false);
            if (window_code(w, e->to->page) == e->to->frame) {
                todo_push(ls, e->to);
                continue;
            }
            edge_cut(bt, e);
            e->is_guarded = window_code(w, e->to->page) || ++e->cuts >= CUTS_MAX;
            if (window_code(w, e->to->page)) /* what it is instead has links of its own */
                todo_push(ls, node_find(ls, e->to->page, window_code(w, e->to->page)));
        }
    }
}

void links_cut_page(struct bt *bt, const struct window *w, uint32_t page)
{
    uint32_t frame = window_code(w, page);
    struct node *n = node_find(bt->links, page, frame);
    int is_shared = -1;

    for (struct edge *e = n ? n->in : NULL; e; e = e->next_in) {
        if (!e->n_jumps || window_code(w, e->from->page) != e->from->frame)
            continue;
        if (is_shared < 0)
            is_shared = windows_fetch(bt->windows, page, frame, w);
        edge_cut(bt, e);
        e->is_guarded = is_shared && ++e->cuts >= CUTS_MAX;
    }
}

void links_unchain(struct bt *bt, const struct block *to)
{
    struct node *n = node_find(bt->links, page_of(bt, to), frame_of(to));

    for (struct edge *e = n ? n->in : NULL; e; e = e->next_in) {
        for (uint32_t i = e->n_jumps; i-- > 0;) {
            const struct jump *j = &e->jumps[i];

            if (exit_site(bt, j->stub)->target_rip != to->guest_rip)
                continue;
            tcache_set_jump(bt, tcache_by_jump(bt, j->jump_end), j->jump_end, j->stub);
            e->jumps[i] = e->jumps[--e->n_jumps];
        }
    }
}

void links_forget(struct links *ls)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ls->hash); i++) {
        for (struct node *n = ls->hash[i], *next; n; n = next) {
            for (struct edge *e = n->out, *next_out; e; e = next_out) {
                next_out = e->next_out;
                free(e->jumps);
                free(e);
            }
            next = n->hash_next;
            free(n);
        }
        ls->hash[i] = NULL;
    }
}

void links_destroy(struct links *ls)
{
    if (!ls)
        return;
    links_forget(ls);
    free(ls->todo);
    free(ls);
}
