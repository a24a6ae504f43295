/* Page walks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "mmu/paging.h"

#define CR0_WP   (1u << 16)
#define CR0_PG   (1u << 31)
#define CR4_PSE  (1u << 4)
#define CR4_PAE  (1u << 5)
#define CR4_PGE  (1u << 7)
#define CR4_SMEP (1u << 20)
#define CR4_SMAP (1u << 21)
#define EFER_NXE (1u << 11)
#define EFER_LMA (1u << 10)

#define P  1ull
#define W  2ull
#define U  4ull
#define A  0x20ull
#define D  0x40ull
#define PS 0x80ull
#define G  0x100ull
#define XD (1ull << 63)

/* Tables lie at these physical addresses. */
#define ROOT  0x1000u
#define TABLE 0x2000u
#define LEAFS 0x3000u
#define PML4  0x4000u

struct fixture {
    struct guestmem *mem;
    struct space *space;
    struct paging_regs regs;
    struct paging_result r;
    uint32_t error;
    unsigned watch_calls;
};

static struct fixture fixture_;

static void on_written(void *opaque, uint64_t off, uint64_t len)
{
    ((struct fixture *)opaque)->watch_calls++;
}

static int setup(void **state)
{
    struct fixture *f = &fixture_;

    *f = (struct fixture){.mem = guestmem_create(MIB(4))};
    guestmem_alloc(f->mem, MIB(4));
    guestmem_add_watch(f->mem, on_written, f);
    f->space = space_create(GIB(64), f->mem);
    space_map_mem(f->space, 0, MIB(4), 0, 0, SPACE_R | SPACE_W);
    f->regs = (struct paging_regs){.cr0 = CR0_PG, .cr3 = ROOT, .a20_mask = UINT64_MAX, .phys_bits = 36};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    space_destroy(fixture_.space);
    guestmem_destroy(fixture_.mem);
    return 0;
}

static void set32(struct fixture *f, gpa_t table, unsigned index, uint32_t entry)
{
    space_write(f->space, table + index * 4, 4, entry);
}

static void set64(struct fixture *f, gpa_t table, unsigned index, uint64_t entry)
{
    space_write(f->space, table + index * 8, 8, entry);
}

static bool walk(struct fixture *f, gla_t gla, unsigned access)
{
    memset(&f->r, 0xee, sizeof f->r);
    f->error = 0xdead;
    return paging_walk(f->space, &f->regs, gla, access, true, &f->r, &f->error);
}

static void expect_fault(struct fixture *f, gla_t gla, unsigned access, uint32_t error)
{
    assert_false(walk(f, gla, access));
    assert_int_equal(f->error, error);
}

static void expect_gpa(struct fixture *f, gla_t gla, unsigned access, gpa_t gpa)
{
    assert_true(walk(f, gla, access));
    assert_true(f->r.gpa == gpa);
}

/* 32-bit: gla 0x00803xxx -> page 0x123000 with the given rights. */
static void map_small(struct fixture *f, uint32_t pde_rights, uint32_t pte_rights)
{
    set32(f, ROOT, 2, TABLE | pde_rights);
    set32(f, TABLE, 3, 0x123000 | pte_rights);
}

static void without_paging_addresses_pass(void **state)
{
    struct fixture *f = *state;

    f->regs.cr0 = 0;
    f->regs.a20_mask = ~(1ull << 20);
    expect_gpa(f, 0x123456, ACCESS_WRITE | ACCESS_USER, 0x023456);
    assert_int_equal(f->r.levels, 0);
    assert_true(f->r.may_write && f->r.is_user && f->r.is_dirty);
    expect_gpa(f, 0x1ffffffff, ACCESS_READ, 0xffefffff);
}

static void small_page(void **state)
{
    struct fixture *f = *state;

    map_small(f, P | W | U, P | W | U);
    expect_gpa(f, 0x803abc, ACCESS_READ, 0x123abc);
    assert_int_equal(f->r.page_shift, 12);
    assert_int_equal(f->r.levels, 2);
    assert_int_equal(f->r.table_gpa[0], ROOT);
    assert_int_equal(f->r.table_gpa[1], TABLE);
    assert_int_equal(f->r.entry_gpa, TABLE + 12);
    assert_true(f->r.may_write && f->r.is_user);
    assert_false(f->r.is_dirty || f->r.is_global);
    expect_gpa(f, 0x100803abc, ACCESS_READ, 0x123abc); /* linear addresses have 32 bits */
}

static void not_present(void **state)
{
    struct fixture *f = *state;

    expect_fault(f, 0x803000, ACCESS_READ, 0);
    expect_fault(f, 0x803000, ACCESS_WRITE, PF_WR);
    expect_fault(f, 0x803000, ACCESS_READ | ACCESS_USER, PF_US);
    set32(f, ROOT, 2, TABLE | P | W | U);
    expect_fault(f, 0x803000, ACCESS_WRITE | ACCESS_USER, PF_WR | PF_US);
    assert_int_equal(space_read(f->space, ROOT + 8, 4), TABLE | P | W | U); /* a fault leaves no A */
}

static void rights_of_both_levels_combine(void **state)
{
    struct fixture *f = *state;
    const unsigned user_read = ACCESS_READ | ACCESS_USER, user_write = ACCESS_WRITE | ACCESS_USER;

    for (unsigned i = 0; i < 16; i++) {
        unsigned pde = i & 3, pte = i >> 2;
        bool is_user = (pde & pte) & 1, may_write = (pde & pte) & 2;

        map_small(f, P | (pde & 1 ? U : 0) | (pde & 2 ? W : 0), P | (pte & 1 ? U : 0) | (pte & 2 ? W : 0));
        assert_int_equal(walk(f, 0x803000, user_read), is_user);
        if (is_user)
            assert_int_equal(f->r.may_write, may_write);
        else
            assert_int_equal(f->error, PF_P | PF_US);
        assert_int_equal(walk(f, 0x803000, user_write), is_user && may_write);
        if (!(is_user && may_write))
            assert_int_equal(f->error, PF_P | PF_US | PF_WR);
        f->regs.cr0 = CR0_PG;
        assert_true(walk(f, 0x803000, ACCESS_WRITE)); /* a supervisor without WP writes everywhere */
        assert_true(f->r.may_write);
        assert_int_equal(f->r.is_user, is_user);
        f->regs.cr0 = CR0_PG | CR0_WP;
        assert_true(walk(f, 0x803000, ACCESS_READ));
        assert_int_equal(f->r.may_write, may_write);
        assert_int_equal(walk(f, 0x803000, ACCESS_WRITE), may_write);
        if (!may_write)
            assert_int_equal(f->error, PF_P | PF_WR);
    }
}

static void accessed_and_dirty_are_set(void **state)
{
    struct fixture *f = *state;

    map_small(f, P | W, P | W);
    assert_true(paging_walk(f->space, &f->regs, 0x803000, ACCESS_WRITE, false, &f->r, &f->error));
    assert_int_equal(space_read(f->space, ROOT + 8, 4), TABLE | P | W);
    assert_false(f->r.is_dirty);
    walk(f, 0x803000, ACCESS_READ);
    assert_int_equal(space_read(f->space, ROOT + 8, 4), TABLE | P | W | A);
    assert_int_equal(space_read(f->space, TABLE + 12, 4), 0x123000 | P | W | A);
    assert_false(f->r.is_dirty);
    walk(f, 0x803000, ACCESS_WRITE);
    assert_int_equal(space_read(f->space, ROOT + 8, 4), TABLE | P | W | A);
    assert_int_equal(space_read(f->space, TABLE + 12, 4), 0x123000 | P | W | A | D);
    assert_true(f->r.is_dirty);
    walk(f, 0x803000, ACCESS_READ);
    assert_true(f->r.is_dirty);
}

static void code_watches_hear_of_accessed_bits(void **state)
{
    struct fixture *f = *state;

    map_small(f, P | W, P | W);
    guestmem_code_flags(f->mem)[TABLE >> 12] = 1;
    walk(f, 0x803000, ACCESS_READ);
    assert_int_equal(f->watch_calls, 1);
    walk(f, 0x803000, ACCESS_READ); /* nothing to set */
    assert_int_equal(f->watch_calls, 1);
}

static void large_page_needs_pse(void **state)
{
    struct fixture *f = *state;

    set32(f, ROOT, 2, 0x00c00000 | P | W | U | PS | G);
    f->regs.cr4 = CR4_PSE;
    expect_gpa(f, 0x923456, ACCESS_WRITE, 0x00d23456);
    assert_int_equal(f->r.page_shift, 22);
    assert_int_equal(f->r.levels, 1);
    assert_int_equal(f->r.entry_gpa, ROOT + 8);
    assert_false(f->r.is_global);
    assert_int_equal(space_read(f->space, ROOT + 8, 4), 0x00c00000 | P | W | U | PS | G | A | D);
    f->regs.cr4 = CR4_PSE | CR4_PGE;
    walk(f, 0x923456, ACCESS_READ);
    assert_true(f->r.is_global);
    f->regs.cr4 = 0; /* PS ignored: a table at 0xc00000, where nobody lives: all ones */
    expect_gpa(f, 0x923456, ACCESS_READ, 0xfffff456);
}

static void pse36_has_address_bits_and_reserved_bits(void **state)
{
    struct fixture *f = *state;

    f->regs.cr4 = CR4_PSE;
    set32(f, ROOT, 2, 0x00400000 | 0xfu << 13 | P | PS);
    expect_gpa(f, 0x800010, ACCESS_READ, 0xf00400010);
    set32(f, ROOT, 2, 0x00400000 | 1u << 17 | P | PS); /* address bit 36, with MAXPHYADDR 36 */
    expect_fault(f, 0x800010, ACCESS_READ, PF_P | PF_RSVD);
    f->regs.phys_bits = 40;
    expect_gpa(f, 0x800010, ACCESS_READ, 0x1000400010);
    set32(f, ROOT, 2, 0x00400000 | 1u << 21 | P | PS);
    expect_fault(f, 0x800010, ACCESS_WRITE | ACCESS_USER, PF_P | PF_RSVD | PF_WR | PF_US);
    f->regs.phys_bits = 32;
    set32(f, ROOT, 2, 0x00400000 | 1u << 13 | P | PS);
    expect_fault(f, 0x800010, ACCESS_READ, PF_P | PF_RSVD);
    set32(f, ROOT, 2, 0x00400000 | 1u << 12 | P | PS); /* PAT */
    expect_gpa(f, 0x800010, ACCESS_READ, 0x00400010);
}

/* SDM 3A 4.3 and 4.4: what PSE-36 and PAT brought is reserved without them. */
static void older_processors_reserve_more(void **state)
{
    struct fixture *f = *state;

    f->regs.lacks_pse36 = f->regs.lacks_pat = true;
    map_small(f, P | W, P | W | PS); /* bit 7 of a 4 KiB entry; without CR4.PSE nothing is reserved */
    expect_gpa(f, 0x803000, ACCESS_READ, 0x123000);
    f->regs.cr4 = CR4_PSE;
    expect_fault(f, 0x803000, ACCESS_READ, PF_P | PF_RSVD);
    set32(f, ROOT, 2, 0x00400000 | P | PS);
    expect_gpa(f, 0x800010, ACCESS_READ, 0x00400010);
    for (unsigned bit = 12; bit <= 21; bit++) {
        set32(f, ROOT, 2, 0x00400000 | 1u << bit | P | PS);
        expect_fault(f, 0x800010, ACCESS_READ, PF_P | PF_RSVD);
    }
    f->regs.lacks_pat = false;
    set32(f, ROOT, 2, 0x00400000 | 1u << 12 | P | PS);
    expect_gpa(f, 0x800010, ACCESS_READ, 0x00400010);
}

static void fetch_bit_only_with_nx_or_smep(void **state)
{
    struct fixture *f = *state;

    expect_fault(f, 0x803000, ACCESS_FETCH, 0);
    f->regs.efer = EFER_NXE; /* means nothing without PAE */
    expect_fault(f, 0x803000, ACCESS_FETCH, 0);
    f->regs.cr4 = CR4_SMEP;
    expect_fault(f, 0x803000, ACCESS_FETCH | ACCESS_USER, PF_ID | PF_US);
    expect_fault(f, 0x803000, ACCESS_READ, 0);
}

static void smep_and_smap(void **state)
{
    struct fixture *f = *state;

    map_small(f, P | W | U, P | W | U);
    f->regs.cr4 = CR4_SMEP | CR4_SMAP;
    expect_fault(f, 0x803000, ACCESS_FETCH, PF_P | PF_ID);
    expect_fault(f, 0x803000, ACCESS_READ, PF_P);
    expect_fault(f, 0x803000, ACCESS_WRITE, PF_P | PF_WR);
    assert_true(walk(f, 0x803000, ACCESS_FETCH | ACCESS_USER));
    assert_true(walk(f, 0x803000, ACCESS_WRITE | ACCESS_USER));
    f->regs.is_smap_override = true;
    assert_true(walk(f, 0x803000, ACCESS_WRITE));
    expect_fault(f, 0x803000, ACCESS_FETCH, PF_P | PF_ID);
    map_small(f, P | W | U, P | W); /* a supervisor page */
    f->regs.is_smap_override = false;
    assert_true(walk(f, 0x803000, ACCESS_FETCH));
    assert_true(walk(f, 0x803000, ACCESS_WRITE));
}

/* PAE: gla 0xc06xxx -> page 0x234000. */
static void map_pae(struct fixture *f, uint64_t pde_rights, uint64_t pte_rights)
{
    f->regs.cr4 |= CR4_PAE;
    f->regs.pdpte[0] = TABLE | P;
    set64(f, TABLE, 6, LEAFS | pde_rights);
    set64(f, LEAFS, 6, 0x234000 | pte_rights);
}

static void pae_small_page(void **state)
{
    struct fixture *f = *state;

    map_pae(f, P | W | U, P | W | U);
    expect_gpa(f, 0xc06abc, ACCESS_WRITE | ACCESS_USER, 0x234abc);
    assert_int_equal(f->r.levels, 2);
    assert_int_equal(f->r.table_gpa[0], TABLE);
    assert_int_equal(f->r.table_gpa[1], LEAFS);
    assert_int_equal(f->r.entry_gpa, LEAFS + 48);
    assert_int_equal(space_read(f->space, LEAFS + 48, 8), 0x234000 | P | W | U | A | D);
    expect_fault(f, 0x40c06abc, ACCESS_READ, 0); /* PDPTE 1 is not present */
    set64(f, LEAFS, 6, 0xf00234000 | P);
    expect_gpa(f, 0xc06abc, ACCESS_READ, 0xf00234abc);
}

static void pae_large_page_does_not_need_pse(void **state)
{
    struct fixture *f = *state;

    map_pae(f, 0, 0);
    set64(f, TABLE, 6, 0x600000 | P | W | PS | 1u << 12);
    expect_gpa(f, 0xc12345, ACCESS_WRITE, 0x612345);
    assert_int_equal(f->r.page_shift, 21);
    set64(f, TABLE, 6, 0x600000 | P | W | PS | 1u << 13);
    expect_fault(f, 0xc12345, ACCESS_READ, PF_P | PF_RSVD);
}

static void pae_no_execute(void **state)
{
    struct fixture *f = *state;

    map_pae(f, P | U, P | U | XD);
    expect_fault(f, 0xc06000, ACCESS_READ | ACCESS_USER, PF_P | PF_RSVD | PF_US); /* reserved without NXE */
    f->regs.efer = EFER_NXE;
    expect_gpa(f, 0xc06000, ACCESS_READ | ACCESS_USER, 0x234000);
    expect_fault(f, 0xc06000, ACCESS_FETCH | ACCESS_USER, PF_P | PF_ID | PF_US);
    expect_fault(f, 0xc06000, ACCESS_FETCH, PF_P | PF_ID);
    map_pae(f, P | U | XD, P | U);
    expect_fault(f, 0xc06000, ACCESS_FETCH, PF_P | PF_ID);
    map_pae(f, P | U, P | U);
    expect_gpa(f, 0xc06000, ACCESS_FETCH, 0x234000);
}

static void pae_reserved_bits(void **state)
{
    struct fixture *f = *state;

    map_pae(f, P, P | 1ull << 36);
    expect_fault(f, 0xc06000, ACCESS_READ, PF_P | PF_RSVD);
    map_pae(f, P, P | 1ull << 62);
    expect_fault(f, 0xc06000, ACCESS_READ, PF_P | PF_RSVD);
    map_pae(f, P | 1ull << 36, 0); /* found before the missing PTE */
    expect_fault(f, 0xc06000, ACCESS_WRITE, PF_P | PF_RSVD | PF_WR);
    map_pae(f, 1ull << 36, 0); /* not present: other bits do not matter */
    expect_fault(f, 0xc06000, ACCESS_READ, 0);
    f->regs.phys_bits = 52;
    map_pae(f, P, P | 1ull << 51);
    expect_gpa(f, 0xc06000, ACCESS_READ, 0x8000000234000);
}

static void pdptes_are_loaded_and_checked(void **state)
{
    struct fixture *f = *state;
    uint64_t pdpte[4] = {7, 7, 7, 7};

    for (unsigned i = 0; i < 4; i++)
        set64(f, ROOT + 0x20, i, (i + 5) << 12 | P | 8 | 16 | 0xe00);
    assert_true(paging_load_pdptes(f->space, ROOT + 0x20 + 0x18, UINT64_MAX, 36, pdpte)); /* PWT, PCD in CR3 */
    assert_int_equal(pdpte[3], 8 << 12 | P | 8 | 16 | 0xe00);
    set64(f, ROOT + 0x20, 3, P | W);
    assert_false(paging_load_pdptes(f->space, ROOT + 0x20, UINT64_MAX, 36, pdpte));
    assert_int_equal(pdpte[3], 8 << 12 | P | 8 | 16 | 0xe00); /* kept */
    set64(f, ROOT + 0x20, 3, W | XD);                         /* not present: not checked */
    assert_true(paging_load_pdptes(f->space, ROOT + 0x20, UINT64_MAX, 36, pdpte));
    set64(f, ROOT + 0x20, 0, P | 1ull << 36);
    assert_false(paging_load_pdptes(f->space, ROOT + 0x20, UINT64_MAX, 36, pdpte));
    assert_true(paging_load_pdptes(f->space, ROOT + 0x20, UINT64_MAX, 40, pdpte));
    set64(f, ROOT + 0x20, 0, P | XD);
    assert_false(paging_load_pdptes(f->space, ROOT + 0x20, UINT64_MAX, 40, pdpte));
    assert_true(paging_load_pdptes(f->space, ROOT + 0x20 + MIB(1), ~(uint64_t)MIB(1), 52, pdpte) == false);
}

/* 4-level: gla 0xffff800040c06xxx (PML4 256, PDPT 1, PD 6, PT 6) -> page 0x234000. */
#define HIGH_GLA 0xffff800040c06000ull

static void map_4level(struct fixture *f, uint64_t pml4e, uint64_t pdpte, uint64_t pde, uint64_t pte)
{
    f->regs.cr4 |= CR4_PAE;
    f->regs.efer |= EFER_LMA;
    f->regs.cr3 = PML4;
    set64(f, PML4, 256, ROOT | pml4e);
    set64(f, ROOT, 1, TABLE | pdpte);
    set64(f, TABLE, 6, LEAFS | pde);
    set64(f, LEAFS, 6, 0x234000 | pte);
}

static void four_levels(void **state)
{
    struct fixture *f = *state;
    const uint64_t all = P | W | U;

    map_4level(f, all, all, all, all | 1ull << 52); /* bits 62:52 are the system's */
    expect_gpa(f, HIGH_GLA + 5, ACCESS_WRITE | ACCESS_USER, 0x234005);
    assert_int_equal(f->r.levels, 4);
    assert_int_equal(f->r.table_gpa[0], PML4);
    assert_int_equal(f->r.table_gpa[3], LEAFS);
    assert_int_equal(space_read(f->space, PML4 + 256 * 8, 8), ROOT | all | A);
    assert_int_equal(space_read(f->space, LEAFS + 48, 8) & 0xfff, all | A | D);
    map_4level(f, P | W, all, all, all);
    expect_fault(f, HIGH_GLA, ACCESS_READ | ACCESS_USER, PF_P | PF_US);
    map_4level(f, all, P | U, all, all);
    expect_fault(f, HIGH_GLA, ACCESS_WRITE | ACCESS_USER, PF_P | PF_US | PF_WR);
    map_4level(f, all | PS, all, all, all);
    expect_fault(f, HIGH_GLA, ACCESS_READ, PF_P | PF_RSVD);
    map_4level(f, all, all, all, all | 1ull << 36);
    expect_fault(f, HIGH_GLA, ACCESS_READ, PF_P | PF_RSVD);
    map_4level(f, all | XD, all, all, all);
    expect_fault(f, HIGH_GLA, ACCESS_READ, PF_P | PF_RSVD);
    f->regs.efer |= EFER_NXE;
    expect_gpa(f, HIGH_GLA, ACCESS_READ, 0x234000);
    expect_fault(f, HIGH_GLA, ACCESS_FETCH, PF_P | PF_ID);
}

static void four_levels_large_pages(void **state)
{
    struct fixture *f = *state;

    map_4level(f, P | W, P | W, P | W, 0);
    set64(f, TABLE, 6, 0x600000 | P | W | PS | G);
    f->regs.cr4 |= CR4_PGE;
    expect_gpa(f, HIGH_GLA + 1, ACCESS_WRITE, 0x606001);
    assert_int_equal(f->r.page_shift, 21);
    assert_true(f->r.is_global);
    set64(f, ROOT, 1, 0x80000000 | P | W | PS);
    expect_gpa(f, HIGH_GLA + 1, ACCESS_WRITE, 0x80c06001);
    assert_int_equal(f->r.page_shift, 30);
    assert_int_equal(f->r.levels, 2);
    set64(f, ROOT, 1, 0x80000000 | P | W | PS | 1u << 29);
    expect_fault(f, HIGH_GLA, ACCESS_READ, PF_P | PF_RSVD);
}

static void a20_masks_tables_and_pages(void **state)
{
    struct fixture *f = *state;

    f->regs.a20_mask = ~(uint64_t)MIB(1);
    f->regs.cr3 = ROOT + MIB(1);
    set32(f, ROOT, 2, (TABLE + MIB(1)) | P | W | U);
    set32(f, TABLE, 3, 0x323000 | P | W | U);
    expect_gpa(f, 0x803004, ACCESS_WRITE, 0x223004);
    assert_int_equal(f->r.table_gpa[1], TABLE);
    f->regs.cr4 = CR4_PSE;
    set32(f, ROOT, 2, 0x00800000 | P | PS);
    expect_gpa(f, 0x912345, ACCESS_READ, 0x00812345);
    assert_int_equal(f->r.page_shift, 12); /* no longer one contiguous piece */
}

static void tables_in_rom_and_holes_do_no_harm(void **state)
{
    struct fixture *f = *state;

    map_small(f, P | W, P | W);
    space_unmap(f->space, TABLE, 4096);
    space_map_mem(f->space, TABLE, 4096, TABLE, TABLE, SPACE_R);
    expect_gpa(f, 0x803000, ACCESS_WRITE, 0x123000);
    assert_int_equal(space_read(f->space, TABLE + 12, 4), 0x123000 | P | W); /* ROM: no A, no D */
    f->regs.cr3 = 0xfff00000;                                                /* a hole: every entry all ones */
    expect_gpa(f, 0x803123, ACCESS_READ, 0xfffff123);
    f->regs.cr4 = CR4_PSE;
    expect_fault(f, 0x803123, ACCESS_READ, PF_P | PF_RSVD);
    f->regs.cr4 = CR4_PAE;
    f->regs.pdpte[0] = 0xfff00000 | P;
    expect_fault(f, 0x803123, ACCESS_READ, PF_P | PF_RSVD);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(without_paging_addresses_pass),
        test(small_page),
        test(not_present),
        test(rights_of_both_levels_combine),
        test(accessed_and_dirty_are_set),
        test(code_watches_hear_of_accessed_bits),
        test(large_page_needs_pse),
        test(pse36_has_address_bits_and_reserved_bits),
        test(older_processors_reserve_more),
        test(fetch_bit_only_with_nx_or_smep),
        test(smep_and_smap),
        test(pae_small_page),
        test(pae_large_page_does_not_need_pse),
        test(pae_no_execute),
        test(pae_reserved_bits),
        test(pdptes_are_loaded_and_checked),
        test(four_levels),
        test(four_levels_large_pages),
        test(a20_masks_tables_and_pages),
        test(tables_in_rom_and_holes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
