/* Clearing parts of jump tables; a file of its own as it may use vector registers: nobody calls it while the guest's FP state is in them. */
#include "bt/priv.h"

enum { PIECE = 64 }; /* entries looked at together: untouched pages of the table stay shared with the template */

static void clear_piece(const uint8_t **p, const uint8_t *miss)
{
    uintptr_t differ = 0;

    for (unsigned k = 0; k < PIECE; k++)
        differ |= (uintptr_t)p[k] ^ (uintptr_t)miss;
    for (unsigned k = 0; differ && k < PIECE; k++)
        p[k] = miss;
}

void jump_table_clear(const uint8_t **table, uint32_t first, uint32_t n, const uint8_t *miss)
{
    for (uint32_t i = first / PIECE; i <= (first + n - 1) / PIECE; i++)
        clear_piece(&table[i * PIECE % JUMP_TABLE_ENTRIES], miss);
}
