/* XSAVE, XSAVEOPT and XRSTOR, which a system executes at each switch between processes: where the pages of the area are known and nothing
 * can fault.  Called like fast_io.c's other instructions, with the guest's FP state saved; what XRSTOR loads is in cpu->fpu, and gets
 * into the host's registers with the next FP instruction. */
#include "bt/fast.h"

#include <string.h>
#include "cpu/avx.h"
#include "cpu/hostfp.h"
#include "cpu/ops.h"

#define HEADER_END FX_YMM

/* An area of guest memory, which may lie in two pages. */
struct area {
    uint8_t *part[2];
    unsigned len[2];
};

static bool find_area(struct bt *bt, struct area *a, uint32_t gla, unsigned len, bool is_write)
{
    unsigned room = GUEST_PAGE_SIZE - (gla & GUEST_PAGE_MASK);

    a->len[0] = len < room ? len : room;
    a->len[1] = len - a->len[0];
    a->part[0] = reach(bt, bt->ctx->w, gla, a->len[0], is_write);
    a->part[1] = a->part[0] && a->len[1] ? reach(bt, bt->ctx->w, gla + a->len[0], a->len[1], is_write) : NULL;
    return a->part[0] && (a->part[1] || !a->len[1]);
}

static void area_read(const struct area *a, uint8_t *to)
{
    memcpy(to, a->part[0], a->len[0]);
    if (a->len[1])
        memcpy(to + a->len[0], a->part[1], a->len[1]);
}

static void area_write(const struct area *a, const uint8_t *from)
{
    memcpy(a->part[0], from, a->len[0]);
    if (a->len[1])
        memcpy(a->part[1], from + a->len[0], a->len[1]);
}

static bool save(struct bt *bt, uint32_t gla, bool is_opt)
{
    uint8_t copy[XSAVE_SIZE] __attribute__((aligned(XSAVE_ALIGN)));
    struct area a;

    if (!find_area(bt, &a, gla, xsave_area_size(xsave_requested(bt->cpu)), true))
        return false;
    if (!a.len[1]) {
        xsave_store(bt->cpu, a.part[0], is_opt);
        return true;
    }
    area_read(&a, copy);
    xsave_store(bt->cpu, copy, is_opt);
    area_write(&a, copy);
    return true;
}

static bool restore(struct bt *bt, uint32_t gla)
{
    uint8_t copy[XSAVE_SIZE] __attribute__((aligned(XSAVE_ALIGN)));
    struct area a;

    if (!find_area(bt, &a, gla, HEADER_END, false))
        return false;
    area_read(&a, copy);
    if (xrstor_wanted(bt->cpu, copy) & XCR0_AVX) {
        if (!find_area(bt, &a, gla + HEADER_END, XSAVE_SIZE - HEADER_END, false))
            return false;
        area_read(&a, copy + HEADER_END);
    }
    return xrstor_load(bt->cpu, copy);
}

bool fast_state(struct bt *bt, const struct callout_site *site)
{
    uint32_t gla = (uint32_t)hot_of(bt->cpu)->fast_operand;

    if (!xsave_may_start(bt->cpu) || (gla & (XSAVE_ALIGN - 1)) || gla > UINT32_MAX - XSAVE_SIZE)
        return false;
    return site->fast == FAST_XRSTOR ? restore(bt, gla) : save(bt, gla, site->fast == FAST_XSAVEOPT);
}

bool fast_state_fits(const struct insn *in, struct callout_site *site)
{
    bool is_save = insn_is(in, op_xsave);

    if ((!is_save && !insn_is(in, op_xrstor)) || in->addrsize != 4 || in->has_lock || in->seg == SEG_CS)
        return false;
    site->fast = !is_save ? FAST_XRSTOR : xsave_is_opt(in) ? FAST_XSAVEOPT : FAST_XSAVE;
    site->arg = 1; /* its operand is not accessed by translated code */
    return true;
}
