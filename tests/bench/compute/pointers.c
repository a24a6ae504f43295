/* Dependent loads: a linked list in random order (4 MiB), and look-ups in a binary tree. */
#include "bench.h"

#define NODES (1u << 18)

struct node {
    struct node *next, *left, *right;
    uint32_t key;
};

static struct node nodes[NODES];

static void shuffle_list(uint32_t *random)
{
    static uint32_t order[NODES];

    for (uint32_t i = 0; i < NODES; i++)
        order[i] = i;
    for (uint32_t i = NODES - 1; i; i--) {
        uint32_t j = next_random(random) % (i + 1), t = order[i];

        order[i] = order[j];
        order[j] = t;
    }
    for (uint32_t i = 0; i < NODES; i++)
        nodes[order[i]].next = &nodes[order[(i + 1) % NODES]];
}

static struct node *tree_insert(struct node *root, struct node *n)
{
    struct node **at = &root;

    while (*at)
        at = n->key < (*at)->key ? &(*at)->left : &(*at)->right;
    *at = n;
    return root;
}

static uint32_t tree_depth_of(const struct node *n, uint32_t key)
{
    uint32_t depth = 0;

    while (n && n->key != key) {
        n = key < n->key ? n->left : n->right;
        depth++;
    }
    return depth;
}

int main(int argc, char **argv)
{
    uint32_t random = 12345;
    uint64_t sum = 0;
    struct node *root = NULL, *n = nodes;

    for (uint32_t i = 0; i < NODES; i++)
        nodes[i].key = next_random(&random);
    shuffle_list(&random);
    for (uint32_t i = 0; i < 20000; i++)
        root = tree_insert(root, &nodes[i]);
    for (unsigned round = 0; round < scale_of(argc, argv); round++) {
        for (uint32_t i = 0; i < 12 * NODES; i++) {
            n = n->next;
            sum += n->key;
        }
        for (uint32_t i = 0; i < 20000 * 40; i++)
            sum = sum * 3 + tree_depth_of(root, nodes[i % 20000].key);
    }
    return report(sum);
}
