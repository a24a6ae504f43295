/* REP MOVS, STOS, CMPS and SCAS: lengths from a few bytes to a page, all alignments. */
#include "bench.h"

static uint8_t from[65536], to[65536];

static void rep_movsb(void *dest, const void *src, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(dest), "+S"(src), "+c"(n) : : "memory");
}

static void rep_movsl(void *dest, const void *src, size_t n)
{
    __asm__ volatile("rep movsl" : "+D"(dest), "+S"(src), "+c"(n) : : "memory");
}

static void rep_stosb(void *dest, uint8_t value, size_t n)
{
    __asm__ volatile("rep stosb" : "+D"(dest), "+c"(n) : "a"(value) : "memory");
}

static void rep_stosl(void *dest, uint32_t value, size_t n)
{
    __asm__ volatile("rep stosl" : "+D"(dest), "+c"(n) : "a"(value) : "memory");
}

/* How many bytes were left when the first difference was found. */
static size_t rep_cmpsb(const void *a, const void *b, size_t n)
{
    __asm__ volatile("repe cmpsb" : "+D"(a), "+S"(b), "+c"(n) : : "memory", "cc");
    return n;
}

static size_t rep_scasb(const void *s, uint8_t value, size_t n)
{
    __asm__ volatile("repne scasb" : "+D"(s), "+c"(n) : "a"(value) : "memory", "cc");
    return n;
}

int main(int argc, char **argv)
{
    uint32_t random = 12345;
    uint64_t sum = 0;

    for (unsigned i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)next_random(&random) | 1;
    for (unsigned i = 0; i < scale_of(argc, argv) * 20000; i++) {
        uint32_t r = next_random(&random);
        unsigned n = i % 4 ? r % 64 : r % 4096, a = (r >> 12) % 32768, b = (r >> 20) % 32768;

        rep_movsb(to + a, from + b, n);
        sum = sum * 31 + rep_cmpsb(to + a, from + b, n + 8);
        rep_stosb(to + b, (uint8_t)r, n);
        rep_movsl(to + b, from + a, n / 4);
        rep_stosl(to + a, r, n / 4);
        to[b + n] = 0;
        sum = sum * 31 + rep_scasb(to + b, 0, n + 1) + to[(a + b) % 32768];
    }
    return report(sum);
}
