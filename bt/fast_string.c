/* MOVS and STOS at sites with software lookup, as kernels copy from and to the pages of many processes: page by page as far as both are
 * known, by the host's own string instructions.  Called like fast.c's functions: nothing here may touch FP or vector registers. */
#include "bt/fast.h"

#include "cpu/ops.h"

/* How many elements lie in the page from gla on, wholly. */
static uint32_t fitting(uint32_t gla, unsigned size)
{
    return (GUEST_PAGE_SIZE - (gla & GUEST_PAGE_MASK)) / size;
}

/* n elements, one after the other: source and destination may overlap, or be the same memory at two addresses. */
static void copy(uint8_t *to, const uint8_t *from, uint64_t n, unsigned size)
{
    if (size == 4)
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    else if (size == 2)
        __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    else
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void fill(uint8_t *to, uint64_t value, uint64_t n, unsigned size)
{
    if (size == 4)
        __asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    else if (size == 2)
        __asm__ volatile("rep stosw" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    else
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

const uint8_t *fast_string(struct bt *bt, const struct callout_site *site)
{
    struct cpu *cpu = bt->cpu;
    struct window *w = bt->ctx->w;
    uint64_t *gpr = cpu->gpr;
    unsigned size = site->arg2 & 7;
    bool is_rep = site->arg2 & STRING_REP, has_source = site->arg & SOFT_SI;
    uint32_t count = is_rep ? (uint32_t)gpr[REG_CX] : 1;

    if ((cpu->eflags & EFLAGS_DF) || !bt->soft->budget[site->site])
        return FAST_DECLINED;
    while (count) {
        uint32_t si = (uint32_t)gpr[REG_SI], di = (uint32_t)gpr[REG_DI], n = fitting(di, size);
        const uint8_t *from = has_source ? reach(bt, w, si, size, false) : NULL;
        uint8_t *to = reach(bt, w, di, size, true);

        if (!to || (has_source && !from) || atomic_load_explicit(&cpu->exit_request, memory_order_relaxed))
            return FAST_DECLINED;
        if (has_source && fitting(si, size) < n)
            n = fitting(si, size);
        if (count < n)
            n = count;
        if (has_source)
            copy(to, from, n, size);
        else
            fill(to, gpr[REG_AX], n, size);
        if (has_source)
            gpr[REG_SI] = si + n * size;
        gpr[REG_DI] = di + n * size;
        count -= n;
        if (is_rep)
            gpr[REG_CX] = count;
    }
    bt->soft->budget[site->site]--;
    return (const uint8_t *)(site + 1);
}
