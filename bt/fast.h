/* Call-outs that need not save the guest's FP state or go through the dispatcher.  Private to bt/; machine thread. */
#ifndef BT_FAST_H
#define BT_FAST_H

#include "bt/priv.h"

enum fast_kind { FAST_NONE, FAST_MOV_SREG, FAST_MOV_SREG_MEM /* selector in hot.fast_operand */, FAST_POP_SREG, FAST_RDTSC, FAST_SYSENTER, FAST_SYSEXIT, FAST_IRET, FAST_INT,
                 FAST_DIV /* of a site that raised #DE; arg: register, DIV_16, DIV_SIGNED */,
                 FAST_IN, FAST_OUT /* arg: size, IO_IMMEDIATE; arg2: port */, FAST_DEVICE_LOAD, FAST_DEVICE_STORE /* arg: size, register << 4 */,
                 FAST_INVLPG, FAST_MOV_CR3 /* arg: register */, FAST_XSAVE, FAST_XSAVEOPT, FAST_XRSTOR,
                 FAST_SEGMENT /* arg: segment register */, FAST_FAR /* both: segments.h; they execute nothing */,
                 FAST_STRING /* with software lookup; arg: SOFT_STRING ..., arg2: size, STRING_REP */ };
enum { STRING_REP = 8 };
enum { IO_IMMEDIATE = 8 };
enum { DIV_16 = 8, DIV_SIGNED = 16 };

/* What fast_callout() returns instead of a host address: exit reasons. */
#define FAST_DECLINED ((const uint8_t *)(uintptr_t)EXIT_CALLOUT) /* nothing was done */
#define FAST_LOOKUP ((const uint8_t *)(uintptr_t)EXIT_LOOKUP)    /* not known here: let the dispatcher look */
#define FAST_DONE ((const uint8_t *)(uintptr_t)EXIT_DONE)        /* executed; the dispatcher must look where to go on */

/* A descriptor of code or data, present and accessed. */
bool fast_descriptor(struct bt *bt, uint16_t sel, uint64_t *d);

/* Does the instruction have a fast form in this mode?  *kind and *arg go into its site. */
bool fast_fits(const struct bt *bt, const struct insn *in, uint32_t mode, uint8_t *kind, uint8_t *arg);

/* Called by generated code with struct cpu up to date but for FP state.  Executes the site's instruction; returns where to go on
 * (host address in the code cache; cpu->rip is the guest's), or one of the above. */
const uint8_t *fast_callout(struct bt *bt, const struct callout_site *site);

/* Part of it, in fast_string.c: MOVS, STOS.  Declining, it may have executed some iterations of a REP. */
const uint8_t *fast_string(struct bt *bt, const struct callout_site *site);

/* The same for fast_io.c, called with the FP state saved. */
bool fast_io_fits(const struct bt *bt, const struct insn *in, struct callout_site *site);
const uint8_t *fast_io(struct bt *bt, const struct callout_site *site);

/* Part of that, in fast_state.c: XSAVE, XSAVEOPT, XRSTOR of the area at hot.fast_operand.  False: nothing was done. */
bool fast_state_fits(const struct insn *in, struct callout_site *site);
bool fast_state(struct bt *bt, const struct callout_site *site);

/* #PF of the instruction at guest_rip, which has had no effect yet, with this CR2; the FP state does not matter. */
const uint8_t *fast_page_fault(struct bt *bt, uint32_t guest_rip, uint32_t cr2, uint32_t error);

/* The same for an indirect jump to guest_rip that missed in the jump table. */
const uint8_t *fast_miss(struct bt *bt, uint32_t guest_rip);

/* The first time a predicted jump (CHAIN_..) is executed: cpu->rip, where it goes, is the prediction.  Returns where in the block to go on. */
const uint8_t *fast_predict(struct bt *bt, const struct chain_site *site);

/* len bytes of one page, if the window maps them or the software TLB knows them.  NULL: the interpreter will take the instruction, and
 * then the page is made ready for the next time. */
static inline uint8_t *reach(struct bt *bt, struct window *w, uint32_t gla, unsigned len, bool is_write)
{
    uint32_t page = window_page(w, gla >> GUEST_PAGE_SHIFT);
    uint8_t *host = NULL;

    if ((gla & GUEST_PAGE_MASK) > GUEST_PAGE_SIZE - len)
        return NULL;
    if (page && (!is_write || (page & 1)))
        return w->base + gla;
    if (bt->soft)
        host = soft_find(bt->soft, w->soft_key + (gla >> GUEST_PAGE_SHIFT), gla, is_write);
    if (!host) {
        bt->missing = gla;
        bt->missing_in = w;
    }
    return host;
}

#endif
