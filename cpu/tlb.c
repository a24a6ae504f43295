/* The software TLB: fills from page walks, flushes on the SDM's occasions (SDM 3A 4.10.4).
 * Entries hold raw host pointers into the guest memory's permanent view; the space listener drops them when the map changes. */
#include "cpu/tlb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/mem.h"

#define GENERATION_MAX 0xffeu

static void flush_entries(struct cpu *cpu)
{
    struct tlb *tlb = cpu->tlb;

    if (tlb->generation == GENERATION_MAX) {
        memset(tlb->entry, 0, sizeof(tlb->entry));
        tlb->generation = 0;
    }
    tlb->generation++;
    if (tlb->fast_generation != TLB_NEVER)
        tlb->fast_generation = tlb->generation;
}

static void space_changed(void *opaque)
{
    flush_entries(opaque);
}

int tlb_init(struct cpu *cpu)
{
    struct tlb *tlb = calloc(1, sizeof(*tlb));

    if (!tlb)
        return -ENOMEM;
    tlb->generation = tlb->fast_generation = 1;
    tlb->view = guestmem_view(cpu->board.guestmem);
    tlb->code_flags = guestmem_code_flags(cpu->board.guestmem);
    cpu->tlb = tlb;
    return space_add_listener(cpu->board.mem, space_changed, cpu);
}

void tlb_free(struct cpu *cpu)
{
    free(cpu->tlb);
    cpu->tlb = NULL;
}

void tlb_flush_all(struct cpu *cpu)
{
    flush_entries(cpu);
    if (cpu->mmu_hooks.flush_all)
        cpu->mmu_hooks.flush_all(cpu->mmu_hooks.opaque);
}

/* Global entries go too, wanted or not: a processor may forget any translation at any time. */
void tlb_flush_cr3(struct cpu *cpu, bool keep_global)
{
    flush_entries(cpu);
    if (cpu->mmu_hooks.load_cr3)
        cpu->mmu_hooks.load_cr3(cpu->mmu_hooks.opaque);
}

void tlb_flush_page(struct cpu *cpu, gla_t gla)
{
    for (unsigned user = 0; user < 2; user++) {
        struct tlb_entry *e = tlb_slot(cpu->tlb, gla, user);

        e->read_tag = e->write_tag = e->fetch_tag = 0;
    }
    if (cpu->mmu_hooks.flush_page)
        cpu->mmu_hooks.flush_page(cpu->mmu_hooks.opaque, gla);
}

static void fill(struct tlb *tlb, gla_t gla, unsigned access, const struct paging_result *r, const struct space_run *run)
{
    struct tlb_entry *e = tlb_slot(tlb, gla, access & ACCESS_USER);
    uint64_t mem_off = run->mem_off;
    gla_t tag = tlb_tag(gla, tlb->generation);

    /* Another page, or another frame for this one (a stale entry that was never flushed). */
    if ((e->read_tag != tag && e->write_tag != tag && e->fetch_tag != tag) || e->mem_off != mem_off) {
        e->read_tag = e->write_tag = e->fetch_tag = 0;
        e->host = run->host;
        e->mem_off = mem_off;
        e->code_flag = &tlb->code_flags[mem_off >> GUEST_PAGE_SHIFT];
    }
    if (access & ACCESS_FETCH)
        e->fetch_tag = tag;
    else
        e->read_tag = tag; /* whoever may write may read */
    if (r->may_write && r->is_dirty && run->is_writable)
        e->write_tag = tag;
}

bool tlb_probe(struct cpu *cpu, gla_t gla, unsigned access, struct tlb_target *t, uint32_t *error)
{
    struct tlb *tlb = cpu->tlb;
    const struct tlb_entry *e = tlb_slot(tlb, gla, access & ACCESS_USER);
    gla_t tag = tlb_tag(gla, tlb->generation);
    unsigned off = gla & GUEST_PAGE_MASK;
    struct paging_result r;
    struct space_run run;

    if ((access & ACCESS_WRITE ? e->write_tag : access & ACCESS_FETCH ? e->fetch_tag : e->read_tag) == tag) {
        *t = (struct tlb_target){.host = e->host + off, .mem_off = e->mem_off + off, .code_flag = e->code_flag};
        return true;
    }
    if (!paging_walk(cpu->mem, &cpu->paging, gla, access, true, &r, error))
        return false;
    *t = (struct tlb_target){.gpa = r.gpa};
    space_lookup(access & ACCESS_FETCH ? cpu->fetch_mem : cpu->mem, r.gpa & ~(gpa_t)GUEST_PAGE_MASK, &run);
    if (!run.host || run.len < GUEST_PAGE_SIZE)
        return true;
    fill(tlb, gla, access, &r, &run);
    if ((access & ACCESS_WRITE) && !run.is_writable)
        return true;
    t->host = run.host + off;
    t->mem_off = run.mem_off + off;
    t->code_flag = &tlb->code_flags[run.mem_off >> GUEST_PAGE_SHIFT];
    return true;
}

bool tlb_translate(struct cpu *cpu, gla_t gla, unsigned access, struct tlb_target *t)
{
    uint32_t error;

    if (!tlb_probe(cpu, gla, access, t, &error))
        return cpu_raise_pf(cpu, gla, error);
    return true;
}
