/* A CPU's life, its pins, and its registers as text.  State after reset: SDM 3A 9.1.1, table 9-1. */
#include "cpu/cpu.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/cpuid.h"
#include "cpu/hostfp.h"
#include "cpu/mem.h"
#include "cpu/protect.h"
#include "cpu/tlb.h"
#include "host/log.h"

#define SMBASE_RESET 0x30000

/* Flags and control bits come with features.  SDM 1 3.4.3, 3A 2.5. */
static void apply_config(struct cpu *cpu)
{
    static const struct {
        enum cpu_feature feature;
        uint32_t cr4;
    } cr4_bits[] = {
        {FEAT_VME, CR4_VME | CR4_PVI}, {FEAT_TSC, CR4_TSD},     {FEAT_DE, CR4_DE},         {FEAT_PSE, CR4_PSE}, {FEAT_PAE, CR4_PAE},
        {FEAT_MCE, CR4_MCE},           {FEAT_PGE, CR4_PGE},     {FEAT_586, CR4_PCE},       {FEAT_FXSR, CR4_OSFXSR},
        {FEAT_SSE, CR4_OSXMMEXCPT},    {FEAT_XSAVE, CR4_OSXSAVE},
    };

    cpu->cr4_mask = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(cr4_bits); i++)
        if (cpu_has_feature(cpu, cr4_bits[i].feature))
            cpu->cr4_mask |= cr4_bits[i].cr4;
    cpu->eflags_mask = EFLAGS_STATUS | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC;
    if (cpu_has_feature(cpu, FEAT_VME))
        cpu->eflags_mask |= EFLAGS_VIF | EFLAGS_VIP;
    if (cpu_has_feature(cpu, FEAT_CPUID))
        cpu->eflags_mask |= EFLAGS_ID;
    cpu->paging.lacks_pse36 = !cpu_has_feature(cpu, FEAT_PSE36);
    cpu->paging.lacks_pat = !cpu_has_feature(cpu, FEAT_PAT);
    cpu->paging.phys_bits = cpu_has_feature(cpu, FEAT_PAE) || cpu_has_feature(cpu, FEAT_PSE36) ? 36 : 32;
}

struct cpu *cpu_create(const struct cpu_board *board)
{
    size_t bytes = (sizeof(struct cpu) + GUEST_PAGE_MASK) & ~(size_t)GUEST_PAGE_MASK;
    struct cpu *cpu = aligned_alloc(GUEST_PAGE_SIZE, bytes);
    char why[128];

    if (!cpu)
        return NULL;
    memset(cpu, 0, bytes);
    cpu->board = *board;
    if (board->config)
        cpu->config = *board->config;
    else if (!cpu_config_parse(&cpu->config, NULL, why, sizeof(why)))
        BUG("%s", why);
    apply_config(cpu);
    if (tlb_init(cpu))
        goto out_cpu;
    if (interp_init(cpu))
        goto out_tlb;
    if (hostfp_init(cpu))
        goto out_interp;
    atomic_store(&cpu->poll, &cpu->poll_word);
    cpu_reset(cpu, true);
    return cpu;

out_interp:
    interp_free(cpu);
out_tlb:
    tlb_free(cpu);
out_cpu:
    free(cpu);
    return NULL;
}

void cpu_destroy(struct cpu *cpu)
{
    if (!cpu)
        return;
    hostfp_free(cpu);
    interp_free(cpu);
    tlb_free(cpu);
    free(cpu);
}

static void reset_segments(struct cpu *cpu)
{
    const struct segment data = {.limit = 0xffff, .attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED};

    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = data;
    cpu->seg[SEG_CS].sel = 0xf000;
    cpu->seg[SEG_CS].base = 0xffff0000;
    cpu->seg[SEG_CS].attr |= SEG_ATTR_CODE;
    cpu->ldtr = (struct segment){.limit = 0xffff, .attr = SEG_ATTR_P | SYS_LDT};
    cpu->tr = (struct segment){.limit = 0xffff, .attr = SEG_ATTR_P | SYS_TSS32_BUSY};
    cpu->gdtr = (struct desc_table){.limit = 0xffff};
    cpu->idtr = (struct desc_table){.limit = 0xffff};
}

void cpu_reset(struct cpu *cpu, bool is_power_on)
{
    uint64_t cache_bits = is_power_on ? CR0_CD | CR0_NW : cpu->paging.cr0 & (CR0_CD | CR0_NW);

    memset(cpu->gpr, 0, sizeof(cpu->gpr));
    cpu->gpr[REG_DX] = cpuid_query(cpu, 1, 0).eax;
    cpu->eflags = EFLAGS_1;
    cpu->rip = cpu->next_rip = 0xfff0;
    reset_segments(cpu);
    cpu->cpl = 0;

    cpu->cr2 = cpu->cr8 = 0;
    cpu->paging.cr0 = CR0_ET | cache_bits;
    cpu->paging.cr3 = cpu->paging.cr4 = 0;
    memset(cpu->paging.pdpte, 0, sizeof(cpu->paging.pdpte));
    memset(cpu->dr, 0, sizeof(cpu->dr));
    cpu->dr[6] = DR6_FIXED;
    cpu->dr[7] = DR7_FIXED;

    cpu->event.is_pending = false;
    cpu->tlb->debug_hits = 0; /* of a frame that was pushed, perhaps in vain */
    cpu->is_halted = cpu->is_shutdown = cpu->has_shadow = cpu->is_mid_rep = false;
    cpu->is_nmi_blocked = cpu->nmi_pending = cpu->init_pending = false;
    cpu->is_smm = cpu->is_ignne = false;
    if (is_power_on) {
        cpu->smi_pending = false;
        cpu->smbase = SMBASE_RESET;
        cpu->paging.efer = 0;
        msr_reset(cpu);
        fpu_reset(cpu);
    }
    smm_update_view(cpu);
    cpu_update_mode(cpu);
}

void cpu_set_intr(struct cpu *cpu, bool level)
{
    cpu->intr = level;
}

void cpu_set_a20(struct cpu *cpu, bool is_enabled)
{
    if (is_enabled != cpu->is_a20_masked)
        return;
    cpu->is_a20_masked = !is_enabled;
    smm_update_view(cpu);
}

void cpu_pulse_nmi(struct cpu *cpu)
{
    cpu->nmi_pending = true;
}

void cpu_assert_ignne(struct cpu *cpu)
{
    cpu->is_ignne = load_le(cpu->fpu + FX_FSW, 2) & FSW_ES;
}

void cpu_pulse_smi(struct cpu *cpu)
{
    cpu->smi_pending = true;
}

void cpu_set_smram(struct cpu *cpu, unsigned smram)
{
    if (smram == cpu->smram)
        return;
    cpu->smram = (uint8_t)smram;
    smm_update_view(cpu);
}

void cpu_pulse_init(struct cpu *cpu)
{
    cpu->init_pending = true;
}

uint64_t cpu_tsc(const struct cpu *cpu)
{
    uint64_t now_ns = clock_now_ns(cpu->board.clock);

    _Static_assert(CLOCK_TSC_HZ == CLOCK_NS_PER_S, "the TSC counts nanoseconds");
    return now_ns + cpu->tsc_offset;
}

void cpu_format(const struct cpu *cpu, char *buf, unsigned size)
{
    static const char names[SEG_COUNT][3] = {"es", "cs", "ss", "ds", "fs", "gs"};
    const uint64_t *r = cpu->gpr;
    unsigned n;

    if (!size)
        return;
    n = (unsigned)snprintf(buf, size,
                           "eax=%08x ebx=%08x ecx=%08x edx=%08x esi=%08x edi=%08x ebp=%08x esp=%08x\n"
                           "eip=%08x eflags=%08x cpl=%u cr0=%08x cr2=%08x cr3=%08x cr4=%08x%s%s\n",
                           (unsigned)r[REG_AX], (unsigned)r[REG_BX], (unsigned)r[REG_CX], (unsigned)r[REG_DX],
                           (unsigned)r[REG_SI], (unsigned)r[REG_DI], (unsigned)r[REG_BP], (unsigned)r[REG_SP],
                           (unsigned)cpu->rip, cpu->eflags, cpu->cpl, (unsigned)cpu->paging.cr0, (unsigned)cpu->cr2,
                           (unsigned)cpu->paging.cr3, (unsigned)cpu->paging.cr4, cpu->is_halted ? " halted" : "",
                           cpu->is_shutdown ? " shutdown" : "");
    for (unsigned i = 0; i < SEG_COUNT && n < size; i++) {
        const struct segment *s = &cpu->seg[i];

        n += (unsigned)snprintf(buf + n, size - n, "%s=%04x base=%08x limit=%08x attr=%04x%s\n", names[i], s->sel,
                                (unsigned)s->base, s->limit, s->attr, s->is_null ? " null" : "");
    }
    if (n < size)
        snprintf(buf + n, size - n, "gdtr=%08x/%04x idtr=%08x/%04x ldtr=%04x tr=%04x dr6=%08x dr7=%08x\n",
                 (unsigned)cpu->gdtr.base, cpu->gdtr.limit, (unsigned)cpu->idtr.base, cpu->idtr.limit, cpu->ldtr.sel,
                 cpu->tr.sel, (unsigned)cpu->dr[6], (unsigned)cpu->dr[7]);
}
