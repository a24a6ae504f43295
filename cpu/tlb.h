/* The software TLB: linear page -> host page, for the C side of the CPU (generated code uses windows instead).
 * Private to cpu/.
 *
 * Direct-mapped, one array for each privilege class.  A tag is the linear page ORed with the TLB's generation (1..FFEh),
 * so that a flush is one increment.  Only plain memory is cached: device pages are walked each time.
 * write_tag is set only when a write needs no more work than storing and testing the frame's code flag. */
#ifndef CPU_TLB_H
#define CPU_TLB_H

#include "cpu/cpu.h"

#define TLB_BITS 10
#define TLB_SIZE (1u << TLB_BITS)
#define TLB_NEVER 0xfffu /* a generation no tag has */

struct tlb_entry {
    gla_t read_tag, write_tag, fetch_tag;
    uint8_t *host;      /* permanent view of the page */
    uint64_t mem_off;   /* its offset in the memfd */
    uint8_t *code_flag; /* nonzero: somebody wants to hear of writes */
};

struct tlb {
    gla_t generation;
    gla_t fast_generation; /* the same, or TLB_NEVER while data breakpoints send all accesses through the slow path */
    uint8_t debug_hits;    /* DR6.B0-B3 of data breakpoints met by the running instruction */
    uint8_t *view, *code_flags;
    struct tlb_entry entry[2][TLB_SIZE]; /* supervisor, user */
};

/* Where one page of an access goes. */
struct tlb_target {
    uint8_t *host; /* of the byte asked for; NULL: use space_read/space_write at gpa */
    gpa_t gpa;
    uint64_t mem_off;
    uint8_t *code_flag;
};

int tlb_init(struct cpu *cpu); /* 0, -ENOMEM */
void tlb_free(struct cpu *cpu);

/* Translate the page of gla, filling the TLB.  access: enum paging_access.  False: *error is the #PF error code, nothing raised. */
bool tlb_probe(struct cpu *cpu, gla_t gla, unsigned access, struct tlb_target *t, uint32_t *error);
/* The same, raising #PF. */
NODISCARD bool tlb_translate(struct cpu *cpu, gla_t gla, unsigned access, struct tlb_target *t);

static inline struct tlb_entry *tlb_slot(struct tlb *tlb, gla_t gla, bool is_user)
{
    return &tlb->entry[is_user][gla >> GUEST_PAGE_SHIFT & (TLB_SIZE - 1)];
}

static inline gla_t tlb_tag(gla_t gla, gla_t generation)
{
    return (gla & ~(gla_t)GUEST_PAGE_MASK) | generation;
}

#endif
