/* Integer loads and multiplications in loops: matrices, a sieve, shortest paths. */
#include "bench.h"

#define N 160

static uint32_t a[N][N], b[N][N], c[N][N];

static void multiply(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            uint32_t sum = 0;

            for (int k = 0; k < N; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

static void shortest_paths(void)
{
    for (int k = 0; k < N; k++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                uint32_t d = (c[i][k] >> 8) + (c[k][j] >> 8);

                if (d < c[i][j])
                    c[i][j] = d;
            }
}

static uint32_t count_primes(void)
{
    static uint8_t is_composite[1 << 20];
    uint32_t count = 0;

    memset(is_composite, 0, sizeof(is_composite));
    for (uint32_t i = 2; i < sizeof(is_composite); i++) {
        if (is_composite[i])
            continue;
        count++;
        for (uint32_t j = 2 * i; j < sizeof(is_composite); j += i)
            is_composite[j] = 1;
    }
    return count;
}

int main(int argc, char **argv)
{
    uint32_t random = 4711;
    uint64_t sum = 0;

    for (int i = 0; i < N * N; i++) {
        a[i / N][i % N] = next_random(&random);
        b[i / N][i % N] = next_random(&random);
    }
    for (unsigned round = 0; round < 6 * scale_of(argc, argv); round++) {
        multiply();
        shortest_paths();
        sum = sum * 31 + count_primes();
        for (int i = 0; i < N * N; i++)
            sum += c[i / N][i % N] * (uint32_t)i;
        a[round % N][0] ^= (uint32_t)sum;
    }
    return report(sum);
}
