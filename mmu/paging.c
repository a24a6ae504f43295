/* Page walks, SDM 3A chapter 4.
 *
 *   mode      entry  tables (index bits of the linear address)
 *   32-bit      4    PD 31:22 (4 MiB page if CR4.PSE and PS), PT 21:12
 *   PAE         8    PDPTE registers 31:30, PD 29:21 (2 MiB), PT 20:12
 *   4-level     8    PML4 47:39, PDPT 38:30 (1 GiB), PD 29:21 (2 MiB), PT 20:12
 *
 * A walk first collects the entries, faulting on the first that is not present or has a reserved bit set, then checks
 * the rights, and touches memory (A and D) only when the access is allowed: a faulting access leaves no A bits behind,
 * which the SDM permits (4.8). */
#include "mmu/paging.h"

#define CR0_WP   (1ull << 16)
#define CR0_PG   (1ull << 31)
#define CR4_PSE  (1ull << 4)
#define CR4_PAE  (1ull << 5)
#define CR4_PGE  (1ull << 7)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)

#define PTE_P  (1ull << 0)
#define PTE_RW (1ull << 1)
#define PTE_US (1ull << 2)
#define PTE_A  (1ull << 5)
#define PTE_D  (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_G   (1ull << 8)
#define PTE_PAT (1ull << 7)  /* of a 4 KiB page */
#define PDE_PAT (1ull << 12) /* of a larger one */
#define PTE_XD (1ull << 63)

#define ADDR_51_12 0x000ffffffffff000ull

/* What a walk gathers on its way down. */
struct walk {
    struct space *mem;
    const struct paging_regs *regs;
    gla_t gla;
    unsigned entry_size;
    struct {
        gpa_t gpa;
        uint64_t entry;
    } levels[4];
    unsigned level_count;
    bool may_write, is_user, is_xd; /* of all levels together */
    gpa_t page_base;
    unsigned page_shift;
};

enum step { STEP_OK, STEP_NOT_PRESENT, STEP_RESERVED };

/* Bits high:low set. */
static uint64_t bits(unsigned high, unsigned low)
{
    return high < low ? 0 : (UINT64_MAX >> (63 - high)) & (UINT64_MAX << low);
}

static bool is_nx_on(const struct paging_regs *regs)
{
    return (regs->cr4 & CR4_PAE) && (regs->efer & EFER_NXE);
}

static unsigned phys_bits(const struct paging_regs *regs)
{
    return regs->phys_bits < 32 ? 32 : regs->phys_bits > 52 ? 52 : regs->phys_bits;
}

/* Reserved where there is no PAT. */
static uint64_t pat_bit(const struct paging_regs *regs)
{
    return regs->lacks_pat ? PTE_PAT : 0;
}

static uint64_t large_pat_bit(const struct paging_regs *regs)
{
    return regs->lacks_pat ? PDE_PAT : 0;
}

/* Read the entry at index of the table at table_gpa, add its rights to the walk's. */
static uint64_t take_entry(struct walk *w, gpa_t table_gpa, unsigned index)
{
    gpa_t gpa = (table_gpa + index * w->entry_size) & w->regs->a20_mask;
    uint64_t entry = space_read(w->mem, gpa, w->entry_size);

    w->levels[w->level_count].gpa = gpa;
    w->levels[w->level_count].entry = entry;
    w->level_count++;
    w->may_write &= (entry & PTE_RW) != 0;
    w->is_user &= (entry & PTE_US) != 0;
    w->is_xd |= is_nx_on(w->regs) && (entry & PTE_XD);
    return entry;
}

static enum step check_entry(uint64_t entry, uint64_t reserved)
{
    if (!(entry & PTE_P))
        return STEP_NOT_PRESENT;
    return entry & reserved ? STEP_RESERVED : STEP_OK;
}

/* SDM 3A 4.3, tables 4-4 to 4-6. */
static enum step walk_32bit(struct walk *w)
{
    uint64_t pde = take_entry(w, w->regs->cr3 & 0xfffff000, w->gla >> 22 & 0x3ff);
    bool is_large = (w->regs->cr4 & CR4_PSE) && (pde & PTE_PS);
    unsigned m = w->regs->lacks_pse36 ? 32 : phys_bits(w->regs) > 40 ? 40 : phys_bits(w->regs);
    enum step step = check_entry(pde, is_large ? bits(21, m - 19) | large_pat_bit(w->regs) : 0);
    uint64_t pte;

    if (step != STEP_OK)
        return step;
    if (is_large) {
        /* PSE-36: entry bits 20:13 are address bits 39:32 */
        w->page_base = (pde & 0xffc00000) | (pde >> 13 & 0xff) << 32;
        w->page_shift = 22;
        return STEP_OK;
    }
    pte = take_entry(w, pde & 0xfffff000, w->gla >> 12 & 0x3ff);
    w->page_base = pte & 0xfffff000;
    w->page_shift = 12;
    return check_entry(pte, w->regs->cr4 & CR4_PSE ? pat_bit(w->regs) : 0);
}

/* From the page directory down, alike in PAE and 4-level paging.  reserved: of every entry. */
static enum step walk_pd(struct walk *w, gpa_t pd_gpa, uint64_t reserved)
{
    uint64_t pde = take_entry(w, pd_gpa, w->gla >> 21 & 0x1ff);
    enum step step = check_entry(pde, reserved | (pde & PTE_PS ? bits(20, 13) | large_pat_bit(w->regs) : 0));
    uint64_t pte;

    if (step != STEP_OK)
        return step;
    if (pde & PTE_PS) {
        w->page_base = pde & ADDR_51_12 & ~bits(20, 12);
        w->page_shift = 21;
        return STEP_OK;
    }
    pte = take_entry(w, pde & ADDR_51_12, w->gla >> 12 & 0x1ff);
    w->page_base = pte & ADDR_51_12;
    w->page_shift = 12;
    return check_entry(pte, reserved | pat_bit(w->regs));
}

/* SDM 3A 4.4: the PDPTEs are registers, have no rights, and were checked when loaded. */
static enum step walk_pae(struct walk *w)
{
    uint64_t pdpte = w->regs->pdpte[w->gla >> 30 & 3];

    if (!(pdpte & PTE_P))
        return STEP_NOT_PRESENT;
    return walk_pd(w, pdpte & ADDR_51_12, bits(62, phys_bits(w->regs)) | (is_nx_on(w->regs) ? 0 : PTE_XD));
}

/* SDM 3A 4.5.  Bits 62:52 of an entry are the operating system's. */
static enum step walk_4level(struct walk *w)
{
    uint64_t reserved = bits(51, phys_bits(w->regs)) | (is_nx_on(w->regs) ? 0 : PTE_XD);
    uint64_t pml4e = take_entry(w, w->regs->cr3 & ADDR_51_12, w->gla >> 39 & 0x1ff);
    enum step step = check_entry(pml4e, reserved | PTE_PS);
    uint64_t pdpte;

    if (step != STEP_OK)
        return step;
    pdpte = take_entry(w, pml4e & ADDR_51_12, w->gla >> 30 & 0x1ff);
    step = check_entry(pdpte, reserved | (pdpte & PTE_PS ? bits(29, 13) : 0));
    if (step != STEP_OK)
        return step;
    if (pdpte & PTE_PS) {
        w->page_base = pdpte & ADDR_51_12 & ~bits(29, 12);
        w->page_shift = 30;
        return STEP_OK;
    }
    return walk_pd(w, pdpte & ADDR_51_12, reserved);
}

/* SDM 3A 4.6.1: what the collected rights allow. */
static bool is_allowed(const struct walk *w, unsigned access)
{
    const struct paging_regs *regs = w->regs;

    if ((access & ACCESS_FETCH) && w->is_xd)
        return false;
    if (access & ACCESS_USER)
        return w->is_user && (w->may_write || !(access & ACCESS_WRITE));
    if (w->is_user && (access & ACCESS_FETCH) && (regs->cr4 & CR4_SMEP))
        return false;
    if (w->is_user && !(access & ACCESS_FETCH) && (regs->cr4 & CR4_SMAP) && !regs->is_smap_override)
        return false;
    return w->may_write || !(access & ACCESS_WRITE) || !(regs->cr0 & CR0_WP);
}

/* SDM 3A 4.7. */
static uint32_t error_code(const struct paging_regs *regs, unsigned access, uint32_t cause)
{
    uint32_t error = cause;

    if (access & ACCESS_WRITE)
        error |= PF_WR;
    if (access & ACCESS_USER)
        error |= PF_US;
    if ((access & ACCESS_FETCH) && ((regs->cr4 & CR4_SMEP) || is_nx_on(regs)))
        error |= PF_ID;
    return error;
}

/* SDM 3A 4.8: A in every entry used, D in the leaf for a write. */
static void set_accessed_dirty(struct walk *w, bool is_write)
{
    for (unsigned i = 0; i < w->level_count; i++) {
        uint64_t want = PTE_A | (is_write && i == w->level_count - 1 ? PTE_D : 0);

        if (want & ~w->levels[i].entry) {
            space_set_bits(w->mem, w->levels[i].gpa, w->entry_size, want);
            w->levels[i].entry |= want;
        }
    }
}

static void fill_result(const struct walk *w, unsigned access, struct paging_result *r)
{
    uint64_t leaf = w->levels[w->level_count - 1].entry;
    uint64_t a20_mask = w->regs->a20_mask;
    uint64_t all = PTE_A;
    uint64_t in_page = w->gla & (((uint64_t)1 << w->page_shift) - 1);

    for (unsigned i = 0; i < w->level_count; i++)
        all &= w->levels[i].entry;
    *r = (struct paging_result){
        .gpa = (w->page_base | in_page) & a20_mask,
        .page_shift = w->page_shift,
        .may_write = is_allowed(w, (access & ACCESS_USER) | ACCESS_WRITE),
        .is_dirty = (leaf & PTE_D) != 0,
        .is_accessed = all != 0,
        .is_user = w->is_user,
        .is_global = (w->regs->cr4 & CR4_PGE) && (leaf & PTE_G),
        .entry_gpa = w->levels[w->level_count - 1].gpa,
        .levels = w->level_count,
    };
    if (~a20_mask & (((uint64_t)1 << w->page_shift) - 1))
        r->page_shift = GUEST_PAGE_SHIFT; /* a masked A20 folds the large page: 4 KiB of it are one piece for sure */
    for (unsigned i = 0; i < w->level_count; i++)
        r->table_gpa[i] = w->levels[i].gpa & ~(gpa_t)GUEST_PAGE_MASK;
}

static void walk_nothing(const struct paging_regs *regs, gla_t gla, struct paging_result *r)
{
    *r = (struct paging_result){.gpa = gla & 0xffffffff & regs->a20_mask,
                                .page_shift = GUEST_PAGE_SHIFT,
                                .may_write = true,
                                .is_dirty = true,
                                .is_user = true};
}

bool paging_walk(struct space *mem, const struct paging_regs *regs, gla_t gla, unsigned access, bool set_ad,
                 struct paging_result *r, uint32_t *error)
{
    struct walk w = {.mem = mem, .regs = regs, .gla = gla, .entry_size = 8, .may_write = true, .is_user = true};
    enum step step;

    if (!(regs->cr0 & CR0_PG)) {
        walk_nothing(regs, gla, r);
        return true;
    }
    if (!(regs->cr4 & CR4_PAE)) {
        w.entry_size = 4;
        step = walk_32bit(&w);
    } else if (regs->efer & EFER_LMA) {
        step = walk_4level(&w);
    } else {
        step = walk_pae(&w);
    }
    if (step != STEP_OK || !is_allowed(&w, access)) {
        uint32_t cause = step == STEP_OK ? PF_P : step == STEP_RESERVED ? PF_P | PF_RSVD : 0;

        *error = error_code(regs, access, cause);
        return false;
    }
    if (set_ad)
        set_accessed_dirty(&w, access & ACCESS_WRITE);
    fill_result(&w, access, r);
    return true;
}

bool paging_load_pdptes(struct space *mem, uint64_t cr3, uint64_t a20_mask, uint8_t phys_bits_, uint64_t pdpte[4])
{
    uint64_t reserved = bits(63, phys_bits_ < 32 ? 32 : phys_bits_ > 52 ? 52 : phys_bits_) | bits(8, 5) | bits(2, 1);
    uint64_t loaded[4];

    for (unsigned i = 0; i < 4; i++) {
        loaded[i] = space_read(mem, ((cr3 & 0xffffffe0) + i * 8) & a20_mask, 8);
        if ((loaded[i] & PTE_P) && (loaded[i] & reserved))
            return false;
    }
    for (unsigned i = 0; i < 4; i++)
        pdpte[i] = loaded[i];
    return true;
}
