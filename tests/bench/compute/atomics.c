/* Locked instructions: counters, a spin lock, compare-and-swap loops of 32 and 64 bits. */
#include "bench.h"

static uint32_t counters[64];
static uint32_t lock;
static uint64_t wide;

int main(int argc, char **argv)
{
    uint32_t random = 99;
    uint64_t sum = 0;

    for (unsigned i = 0; i < scale_of(argc, argv) * 1000000; i++) {
        uint32_t r = next_random(&random), *c = &counters[r % 64], old = *c;
        uint64_t old_wide = wide;

        __atomic_fetch_add(c, r, __ATOMIC_SEQ_CST);
        while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
            ;
        sum += old;
        __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
        old = *c;
        while (!__atomic_compare_exchange_n(c, &old, old ^ r, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            ;
        if (!(r & 0x300)) /* CMPXCHG8B */
            __atomic_compare_exchange_n(&wide, &old_wide, old_wide + r, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
        __atomic_or_fetch(&counters[(r >> 8) % 64], 1u << (r >> 27), __ATOMIC_SEQ_CST);
    }
    for (unsigned i = 0; i < 64; i++)
        sum = sum * 31 + counters[i];
    return report(sum + wide);
}
