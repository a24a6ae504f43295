/* Page walks: guest linear to guest physical, as SDM 3A chapter 4 has them: no paging, 32-bit with PSE, PAE, 4-level.
 * Knows nothing of the CPU: it is given the register values that matter. */
#ifndef MMU_PAGING_H
#define MMU_PAGING_H

#include "mmu/space.h"

/* The control-register state a walk depends on. */
struct paging_regs {
    uint64_t cr0, cr3, cr4, efer;
    uint64_t pdpte[4];     /* PAE: loaded with CR3, as the processor does (SDM 3A 4.4.1) */
    uint64_t a20_mask;     /* ANDed to every physical address */
    uint8_t phys_bits;     /* MAXPHYADDR, for reserved bits */
    bool lacks_pse36, lacks_pat; /* bits of theirs are reserved */
    bool is_smap_override; /* EFLAGS.AC, for SMAP */
};

enum paging_access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_FETCH = 2, ACCESS_USER = 4 }; /* ORed */

/* #PF error code bits, SDM 3A 4.7. */
enum { PF_P = 1, PF_WR = 2, PF_US = 4, PF_RSVD = 8, PF_ID = 16 };

struct paging_result {
    gpa_t gpa;           /* of the byte asked for */
    unsigned page_shift; /* 12, 21, 22, 30: size of the guest page */
    bool may_write;      /* a write with the same privilege would be allowed (D aside) */
    bool is_dirty;       /* D is set (after this access) */
    bool is_accessed;    /* so is A in all entries */
    bool is_user;        /* U/S allows CPL 3 at all levels */
    bool is_global;
    /* where the leaf entry lies, and every table on the way (for shadow bookkeeping) */
    gpa_t table_gpa[4]; /* page containing the entry used at each level, leaf last */
    gpa_t entry_gpa;    /* leaf entry */
    unsigned levels;    /* tables used; 0 when paging is off */
};

/* Walk for one access; sets A (and D for a write) in memory if set_ad.
 * True: *r is filled.  False: *error holds the #PF error code. */
bool paging_walk(struct space *mem, const struct paging_regs *regs, gla_t gla, unsigned access, bool set_ad,
                 struct paging_result *r, uint32_t *error);

/* Load the four PDPTEs from cr3 (PAE).  False if a present one has reserved bits set: the MOV to CR raises #GP(0). */
bool paging_load_pdptes(struct space *mem, uint64_t cr3, uint64_t a20_mask, uint8_t phys_bits, uint64_t pdpte[4]);

#endif
