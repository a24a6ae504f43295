/* Soft accesses: an instruction that faulted again and again because its pages were new or remapped looks them up in software
 * (soft.h) instead of letting the host fault.  A miss calls soft_miss(), which fills the entry and has the instruction begin again;
 * what cannot be filled is the guest's fault, a device or code, and the interpreter's, as after a signal.
 *
 * Each execution costs the site one unit of its budget and each miss gives it some: a site that mostly hits is translated for
 * the window again. */
#include "bt/xlat.h"

#include "bt/soft.h"

/* What lies within 2 GiB of struct cpu. */
static struct hmem near_cpu(const struct xlat *x, const void *p)
{
    return CPU_AT((intptr_t)((uintptr_t)p - (uintptr_t)x->bt->cpu));
}

static struct hmem entry(const struct xlat *x, const uint64_t *array)
{
    struct hmem m = near_cpu(x, array);

    m.index = H_R10;
    m.scale = 3;
    return m;
}

/* --budget, and a jump if it is spent.  RCX is used. */
static uint8_t *spend(struct emit *e, struct hmem budget)
{
    emit_load(e, H_RCX, budget, 4);                                   /* mov  ecx, [budget]       */
    emit_lea32(e, H_RCX, HMEM(H_RCX, -1));                            /* lea  ecx, [rcx-1]        */
    emit_store(e, budget, H_RCX, 4);                                  /* mov  [budget], ecx       */
    return emit_short(e, CC_JECXZ);
}

/* R9 += something no key has, if size bytes at R8 reach into the next page.  R10 is used. */
static void check_crossing(struct emit *e, unsigned size)
{
    emit_mov_ri32(e, H_R10, GUEST_PAGE_MASK);
    emit_pext32(e, H_R10, H_R8, H_R10);                               /* pext r10d, r8d, FFFh     */
    emit_lea32(e, H_R10, HMEM(H_R10, size - 1));                      /* bit 12 if it crosses     */
    emit_rorx64(e, H_R10, H_R10, GUEST_PAGE_SHIFT);
    emit_mov_rr32(e, H_R10, H_R10);                                   /* r10d = 0 or 1            */
    emit_rorx64(e, H_R10, H_R10, 4);                                  /* bit 60                   */
    emit_lea64(e, H_R9, HMEM_X(H_R9, H_R10, 0, 0));
}

bool xlat_soft(struct xlat *x, struct hmem ea, unsigned size, bool is_write, struct hmem *m)
{
    struct soft *s = x->bt->soft;
    struct soft_site site = {.index = x->soft, .is_write = is_write, .size = (uint8_t)size,
                             .is_plain = !(x->insns[x->i].desc->attr & (ATTR_X87 | ATTR_MMX | ATTR_SSE | ATTR_AVX))};
    struct emit *e = x->e;
    uint8_t *spent, *hit;

    if (ea.base != H_R8 || ea.index != H_NONE || ea.disp)
        emit_lea32(e, H_R8, ea);                                      /* lea  r8d, [ea]           */
    emit_store(e, HOT(soft_rcx), H_RCX, 8);                           /* mov  [soft_rcx], rcx     */
    spent = spend(e, near_cpu(x, &s->budget[x->soft]));
    emit_rorx64(e, H_R9, H_R8, GUEST_PAGE_SHIFT);
    emit_mov_rr32(e, H_R9, H_R9);                                     /* r9d = page               */
    emit_load(e, H_RCX, HOT(soft_key), 8);
    emit_lea64(e, H_R9, HMEM_X(H_R9, H_RCX, 0, 0));                   /* lea  r9, [r9+rcx]: key   */
    if (size > 1)
        check_crossing(e, size);
    emit_movzx16(e, H_R10, H_R9);                                     /* movzx r10d, r9w          */
    emit_load(e, H_RCX, entry(x, is_write ? s->write_key : s->read_key), 8);
    emit_lea64(e, H_RCX, HMEM_X(H_RCX, H_R9, 0, 0));                  /* 0 if it is the entry's   */
    hit = emit_short(e, CC_JRCXZ);
    emit_patch8(e, spent);
    emit_call(e, x->bt->stub_soft);
    emit_bytes(e, &site, sizeof(site));
    emit_patch8(e, hit);
    emit_load(e, H_R9, entry(x, s->delta), 8);                           /* hit: mov r9, [delta]     */
    emit_load(e, H_RCX, HOT(soft_rcx), 8);
    *m = HMEM_X(H_R8, H_R9, 0, 0);
    return true;
}
