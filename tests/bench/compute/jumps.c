/* Indirect jumps and calls: a byte-code machine with a switch, and a sort through a function pointer. */
#include "bench.h"

enum op { OP_ADD, OP_SUB, OP_MUL, OP_XOR, OP_SHIFT, OP_DUP, OP_SWAP, OP_LIT, OP_AND, OP_NOT, OP_LOOP, OP_END };

static uint32_t run(const uint8_t *code, uint32_t count)
{
    uint32_t stack[16] = {1, 2, 3}, sp = 2, pc = 0;

    for (;;) {
        switch ((enum op)code[pc++]) {
        case OP_ADD: stack[sp & 15] += stack[(sp - 1) & 15]; break;
        case OP_SUB: stack[sp & 15] -= stack[(sp - 1) & 15]; break;
        case OP_MUL: stack[sp & 15] *= stack[(sp - 1) & 15] | 1; break;
        case OP_XOR: stack[sp & 15] ^= stack[(sp - 1) & 15]; break;
        case OP_SHIFT: stack[sp & 15] = stack[sp & 15] << 7 | stack[sp & 15] >> 25; break;
        case OP_DUP: sp++; stack[sp & 15] = stack[(sp - 1) & 15]; break;
        case OP_SWAP: sp--; stack[sp & 15] += 5; break;
        case OP_LIT: sp++; stack[sp & 15] = code[pc++]; break;
        case OP_AND: stack[sp & 15] &= stack[(sp - 1) & 15] | 0xff00ff; break;
        case OP_NOT: stack[sp & 15] = ~stack[sp & 15]; break;
        case OP_LOOP: if (count--) pc = 0; break;
        case OP_END: return stack[sp & 15] + stack[(sp - 1) & 15];
        }
    }
}

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static uint32_t sorted_sum(uint32_t *random)
{
    static uint32_t values[1 << 17];
    uint32_t sum = 0;

    for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++)
        values[i] = next_random(random);
    qsort(values, sizeof(values) / sizeof(*values), sizeof(*values), by_value);
    for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++)
        sum = sum * 31 + values[i];
    return sum;
}

int main(int argc, char **argv)
{
    uint8_t code[64];
    uint32_t random = 777;
    uint64_t sum = 0;

    for (unsigned i = 0; i < 62; i++) {
        code[i] = next_random(&random) % OP_LOOP;
        if (code[i] == OP_LIT && i == 61)
            code[i] = OP_NOT;
    }
    code[62] = OP_LOOP;
    code[63] = OP_END;
    for (unsigned round = 0; round < scale_of(argc, argv); round++) {
        sum = sum * 7 + run(code, 500000);
        sum = sum * 7 + sorted_sum(&random);
    }
    return report(sum);
}
