/* Calls and returns: naive recursion with several arguments. */
#include "bench.h"

static __attribute__((noinline)) unsigned fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static __attribute__((noinline)) unsigned ackermann(unsigned m, unsigned n)
{
    if (!m)
        return n + 1;
    return n ? ackermann(m - 1, ackermann(m, n - 1)) : ackermann(m - 1, 1);
}

/* Moves of the towers of Hanoi. */
static __attribute__((noinline)) unsigned hanoi(unsigned n, unsigned from, unsigned to, unsigned by)
{
    return n ? hanoi(n - 1, from, by, to) + 1 + hanoi(n - 1, by, to, from) : 0;
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < scale_of(argc, argv); i++)
        sum = sum * 31 + fib(34) + ackermann(2, 900) + hanoi(22, 0, 1, 2);
    return report(sum);
}
