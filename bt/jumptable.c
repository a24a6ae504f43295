/* Clearing parts of jump tables; a file of its own as it may use vector registers: nobody calls it while the guest's FP state is in them. */
#include "bt/priv.h"

static void clear_piece(uint32_t *p, uint32_t miss)
{
    for (unsigned k = 0; k < JUMP_TABLE_PIECE; k++)
        p[k] = miss;
}

void jump_table_clear(struct ctx *c, uint32_t first, uint32_t n, const uint8_t *miss)
{
    for (uint32_t i = first / JUMP_TABLE_PIECE; i <= (first + n - 1) / JUMP_TABLE_PIECE; i++) {
        uint32_t piece = i % (JUMP_TABLE_ENTRIES / JUMP_TABLE_PIECE);

        if (c->filled[piece / 64] >> (piece % 64) & 1) /* others stay shared with the template */
            clear_piece(&c->jump_table[piece * JUMP_TABLE_PIECE], (uint32_t)(uintptr_t)miss);
        c->filled[piece / 64] &= ~(1ull << (piece % 64));
    }
}
