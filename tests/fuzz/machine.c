/* The machine of insn_fuzz: some RAM, a ROM page, no devices, a clock that stands still. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/cpuid.h"
#include "cpu/hostfp.h"
#include "cpu/insn.h"
#include "cpu/mem.h"
#include "cpu/operand.h"
#include "cpu/ops.h"

#define FUZZ_HOST_LOW 0xe0000000u /* guest addresses from here on may be host addresses in use, natively */
#define PTE_A        0x20u
#define X87_MAX_BYTES 108 /* of FSAVE */
#define YMM_BYTES 32
/* Our bits of a frame's code flag. */
#define FLAG_UNTOUCHED 0x80u /* tell us of the first write */
#define FLAG_TABLE     0x40u /* and of all others */

static uint8_t no_interrupt(void *opaque) { return 0; }

static void ignore_ferr(void *opaque, bool level) {}

static void ignore_shutdown(void *opaque) {}

/* An interpreting machine knows what it wrote by the flags that tell of writes to code. */
static void note_write(void *opaque, uint64_t off, uint64_t len)
{
    struct fuzz_machine *m = opaque;

    if (m->n_writes < FUZZ_MAX_WRITES) {
        m->writes[m->n_writes].gpa = (uint32_t)off;
        m->writes[m->n_writes].len = (uint32_t)len;
    }
    m->n_writes++;
    for (uint64_t page = off >> GUEST_PAGE_SHIFT; page <= (off + len - 1) >> GUEST_PAGE_SHIFT; page++) {
        m->differs[page] = 1;
        guestmem_code_flags(m->mem)[page] &= (uint8_t)~FLAG_UNTOUCHED;
    }
}

struct fuzz_machine *machine_create(bool has_bt, const struct bt_options *options)
{
    struct fuzz_machine *m = calloc(1, sizeof(*m));
    struct cpu_board board = {.intr_ack = no_interrupt, .ferr = ignore_ferr, .triple_fault = ignore_shutdown};
    const char *why = "out of memory";
    int64_t off;

    if (!m)
        goto fail;
    m->mem = guestmem_create(MIB(1));
    if (!m->mem)
        goto fail;
    m->space = space_create(GIB(4), m->mem);
    m->ports = space_create(KIB(64), NULL);
    m->clock = clock_create_manual();
    off = guestmem_alloc(m->mem, MEMORY_BYTES);
    if (!m->space || !m->ports || !m->clock || off != 0)
        goto fail;
    if (space_map_mem(m->space, 0, RAM_BYTES, 0, 0, SPACE_R | SPACE_W) ||
        space_map_mem(m->space, ROM_GPA, GUEST_PAGE_SIZE, ROM_GPA, ROM_GPA, SPACE_R))
        goto fail;
    board.mem = m->space;
    board.ports = m->ports;
    board.clock = m->clock;
    board.guestmem = m->mem;
    m->cpu = cpu_create(&board);
    if (!m->cpu)
        goto fail;
    if (has_bt) {
        static const struct bt_options defaults = {.cache_bytes = MIB(8)};

        m->bt = bt_create(m->cpu, options ? options : &defaults, &why);
        if (!m->bt)
            goto fail;
    } else if (guestmem_add_watch(m->mem, note_write, m)) {
        goto fail;
    }
    memset(m->differs, 1, sizeof(m->differs));
    return m;

fail:
    fprintf(stderr, "insn_fuzz: no machine: %s\n", why);
    exit(3);
}

void machine_destroy(struct fuzz_machine *m)
{
    if (!m)
        return;
    bt_destroy(m->bt);
    cpu_destroy(m->cpu);
    clock_destroy(m->clock);
    space_destroy(m->ports);
    space_destroy(m->space);
    guestmem_destroy(m->mem);
    free(m);
}

void machine_poke(struct fuzz_machine *m, uint32_t gpa, const void *bytes, unsigned len)
{
    memcpy(guestmem_view(m->mem) + gpa, bytes, len);
    if (guestmem_code_flags(m->mem)[gpa >> GUEST_PAGE_SHIFT] ||
        guestmem_code_flags(m->mem)[(gpa + len - 1) >> GUEST_PAGE_SHIFT])
        guestmem_written(m->mem, gpa, len);
}

/* Only the bytes that differ, so that translations of the others stay. */
static void load_page(struct fuzz_machine *m, uint32_t gpa, const uint8_t *want)
{
    const uint8_t *have = guestmem_view(m->mem) + gpa;
    unsigned from = 0, to = GUEST_PAGE_SIZE;

    if (!memcmp(have, want, GUEST_PAGE_SIZE))
        return;
    while (have[from] == want[from])
        from++;
    while (have[to - 1] == want[to - 1])
        to--;
    machine_poke(m, gpa + from, want + from, to - from);
}

void machine_load(struct fuzz_machine *m, const struct fuzz_case *c)
{
    struct cpu *cpu = m->cpu;

    for (unsigned page = 0; page < MEMORY_PAGES; page++) {
        if (m->differs[page] | c->is_touched[page])
            load_page(m, page << GUEST_PAGE_SHIFT, c->image + (page << GUEST_PAGE_SHIFT));
        m->differs[page] = c->is_touched[page];
        if (!m->bt) {
            bool is_table = c->has_random_tables || page == GDT_GPA >> GUEST_PAGE_SHIFT;
            uint8_t *flags = &guestmem_code_flags(m->mem)[page];

            *flags = (uint8_t)((*flags & ~FLAG_TABLE) | FLAG_UNTOUCHED | (is_table ? FLAG_TABLE : 0));
        }
    }
    m->n_events = 0;
    cpu_reset(cpu, true);
    memcpy(cpu->gpr, c->gpr, sizeof(c->gpr));
    cpu->rip = c->rip;
    cpu->eflags = c->eflags;
    memcpy(cpu->seg, c->seg, sizeof(c->seg));
    cpu->cpl = c->cpl;
    cpu->paging.cr0 = c->cr0;
    cpu->paging.cr3 = c->cr3;
    cpu->paging.cr4 = c->cr4;
    cpu->paging.efer = c->efer;
    memcpy(cpu->paging.pdpte, c->pdpte, sizeof(c->pdpte));
    cpu->xcr0 = c->xcr0;
    memcpy(cpu->fpu, c->fpu, sizeof(c->fpu));
    if (c->mode == FUZZ_REAL) {
        cpu->idtr = (struct desc_table){0, 0x3ff};
    } else {
        cpu->idtr = (struct desc_table){IDT_GPA, c->idt_limit};
        cpu->ldtr = (struct segment){.base = LDT_GPA, .limit = c->ldt_limit, .sel = D_LDT * 8, .attr = SEG_ATTR_P | 2};
        cpu->tr = (struct segment){.base = TSS_GPA, .limit = 0x1ff, .sel = D_TSS * 8, .attr = SEG_ATTR_P | 11};
    }
    cpu->gdtr = (struct desc_table){GDT_GPA, c->gdt_limit};
    cpu->sysenter_cs = D_CODE32 * 8;
    cpu->sysenter_esp = RING0_STACK - 0x80;
    cpu->sysenter_eip = HANDLERS_GPA + 0x320;
    tlb_flush_all(cpu);
    cpu->is_mode_stale = true;
    cpu_update_mode(cpu);
    cpu_clear_kick(cpu);
}

/* Where the host's processor (an AMD) and the virtual one differ, and may: reserved uses of prefixes and forms.
 * docs/testing.md has the same table. */
static bool is_host_quirk(const struct cpu *cpu, const struct insn *in)
{
    if (in->map == MAP_1B && in->rep && (in->opcode == 0xe0 || in->opcode == 0xe1))
        return true; /* REP LOOPE, LOOPNE: the prefix decides instead of the opcode */
    if ((insn_is(in, op_tzcnt) && !cpu_has_feature(cpu, FEAT_BMI1)) || (insn_is(in, op_lzcnt) && !cpu_has_feature(cpu, FEAT_LZCNT)))
        return true; /* BSF and BSR for the virtual processor */
    if (in->map == MAP_0F && in->opcode == 0x0d && !in->is_mem)
        return true; /* PREFETCHW with a register: #UD there, NOP here */
    if (in->map == MAP_0F && in->opcode == 0xf7)
        return true; /* MASKMOVQ, MASKMOVDQU: TOP and tags change although it faults; an empty mask faults */
    if (in->map == MAP_0F && in->opcode == 0xae && in->is_mem && in->reg == 2)
        return true; /* LDMXCSR: an AMD has bit 17 */
    if ((in->desc->attr & ATTR_MMX) && (in->desc->attr & ATTR_SSE) && in->is_mem && (load_le(cpu->fpu + FX_FSW, 2) & FSW_ES))
        return true; /* CVTPI2PS, CVTPI2PD: a page fault comes before a pending #MF */
    if ((in->desc->attr & ATTR_X87) && in->is_mem && in->addrsize == 2 && insn_ea(cpu, in) > 0x10000 - X87_MAX_BYTES)
        return true; /* the second part of 80-bit operands and state images wraps at 64 KiB; a fault by the SDM */
    if (insn_is(in, op_vmaskmov) && in->addrsize == 2 && insn_ea(cpu, in) > 0x10000 - YMM_BYTES)
        return true; /* so does each element of VMASKMOV; they follow the first by the SDM */
    return false;
}

/* What an instruction may do differently when it faults. */
struct step_kind {
    bool has_any_order; /* an AMD stores 80-bit operands in two parts; its MMX and SSE units raise #GP for a stack segment's limit; its CALL pushes before it checks the target; its CMPS reads either operand first */
    uint8_t soft_vector; /* of INT3 and INTO, which count as software interrupts */
    bool may_do_part; /* an AMD's PUSHA, POPA and ENTER store and load as far as they come; flags of REP CMPS */
};

bool case_may_run_natively(const struct fuzz_case *c, const struct cpu *cpu, const struct insn *in)
{
    if (insn_is(in, op_int3))
        return true;
    if (insn_is(in, op_int1))
        return false; /* a host that is a virtual machine itself may loop there */
    if (!cpu_has_feature(cpu, in->desc->feature) || (insn_is(in, op_ud) && !(in->map == MAP_0F && in->opcode == 0x0b)))
        return false; /* the host may have something there */
    if (in->desc->feature == FEAT_XSAVE)
        return false; /* the host's XCR0 */
    if (in->vex && c->mode == FUZZ_V86)
        return false; /* #UD there; natively it is 16-bit protected mode */
    if (in->desc->iclass == SENSITIVE || in->desc->iclass == PRIVILEGED || (in->desc->attr & ATTR_GUESTSTATE) ||
        is_host_quirk(cpu, in) || insn_is(in, op_rdrand) || insn_is(in, op_rdseed))
        return false;
    /* Code segments are writable in virtual-8086 mode only. */
    return !(c->mode == FUZZ_V86 && in->seg == SEG_CS && (in->desc->attr & ATTR_MEM_W));
}

static bool is_native_insn(const struct fuzz_case *c, struct cpu *cpu, struct step_kind *kind)
{
    uint8_t bytes[15];
    struct insn in;
    unsigned n = cpu_peek(cpu, (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip), bytes, sizeof(bytes));

    if (!(cpu->mode & MODE_CS32) && cpu->rip > 0xfff0)
        return false; /* IP wraps in the virtual processor; on the host EIP goes on to 10000h */
    if (insn_decode(&in, bytes, n, cpu->mode & MODE_CS32 ? 4 : 2) != DECODE_OK)
        return true; /* a fault of the fetch */
    kind->has_any_order = (in.desc->attr & (ATTR_MMX | ATTR_SSE | ATTR_AVX | ATTR_X87)) || insn_is(&in, op_call_ind) || insn_is(&in, op_call_rel) ||
                          insn_is(&in, op_cmps);
    kind->soft_vector = insn_is(&in, op_int3) ? VEC_BP : VEC_OF;
    kind->may_do_part = insn_is(&in, op_pusha) || insn_is(&in, op_popa) || insn_is(&in, op_enter) ||
                        (in.rep && (insn_is(&in, op_cmps) || insn_is(&in, op_scas)));
    return case_may_run_natively(c, cpu, &in);
}

/* The event whose frame is on the ring-0 stack of TSS_GPA. */
static void note_event(struct fuzz_machine *m, struct fuzz_case *c, unsigned vector, struct step_kind kind)
{
    const uint8_t *frame = guestmem_view(m->mem) + RING0_STACK - 0x40 - (c->mode == FUZZ_V86 ? 36 : 20);
    struct fuzz_event *e = &m->events[m->n_events];
    uint32_t eip = (uint32_t)load_le(frame, 4), next = (eip | 31) + 1;

    if (kind.may_do_part || m->n_events++ == FUZZ_MAX_EVENTS - 1 || next > c->seg[SEG_CS].limit || m->cpu->cpl != 0) {
        c->is_native = false;
        m->n_events = 0;
        return;
    }
    *e = (struct fuzz_event){.vector = (uint8_t)vector,
                             .has_any_order = kind.has_any_order,
                             .eip = eip,
                             .error = (uint32_t)load_le(frame - 4, 4),
                             .cr2 = m->cpu->cr2,
                             .eflags = (uint32_t)load_le(frame + 8, 4),
                             .esp = (uint32_t)load_le(frame + 12, 4)};
    if (vector == VEC_PF && e->cr2 >= FUZZ_HOST_LOW)
        c->is_native = false; /* natively, something of ours may be there */
}

void machine_step(struct fuzz_machine *m, struct fuzz_case *c)
{
    struct cpu *cpu = m->cpu;
    uint64_t before[32];
    struct step_kind kind = {0};

    m->n_writes = 0;
    if (!c->is_native || cpu->cpl != 3) {
        cpu_step(cpu);
        return;
    }
    if (!is_native_insn(c, cpu, &kind)) {
        c->is_native = false;
        cpu_step(cpu);
        return;
    }
    memcpy(before, cpu->stats.exceptions, sizeof(before));
    cpu_step(cpu);
    for (unsigned v = 0; v < 32; v++) {
        if (cpu->stats.exceptions[v] != before[v]) {
            note_event(m, c, v, kind);
            return;
        }
    }
    if (cpu->cpl == 0)
        note_event(m, c, kind.soft_vector, kind);
}

bool machine_run(struct fuzz_machine *m, uint64_t max_insns)
{
    if (m->bt)
        bt_run(m->bt);
    else
        cpu_interpret(m->cpu, max_insns);
    return m->cpu->is_halted || m->cpu->is_shutdown;
}

/* --- comparing --- */

struct state_word {
    const char *name;
    uint64_t value;
};

/* All registers as words with names; returns how many. */
static unsigned list_state(const struct cpu *cpu, struct state_word *w)
{
    static const char *const gpr[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const char *const sel[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    static const char *const base[] = {"es base", "cs base", "ss base", "ds base", "fs base", "gs base"};
    static const char *const rest[] = {"es rest", "cs rest", "ss rest", "ds rest", "fs rest", "gs rest"};
    static const char *const st[] = {"st0", "st1", "st2", "st3", "st4", "st5", "st6", "st7"};
    static const char *const ymm[] = {"ymm0 high", "ymm1 high", "ymm2 high", "ymm3 high",
                                      "ymm4 high", "ymm5 high", "ymm6 high", "ymm7 high"};
    static const char *const xmm[] = {"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"};
    unsigned n = 0;

    w[n++] = (struct state_word){"eip", cpu->rip};
    w[n++] = (struct state_word){"eflags", cpu->eflags & ~EFLAGS_RF};
    for (unsigned i = 0; i < 8; i++)
        w[n++] = (struct state_word){gpr[i], cpu->gpr[i]};
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct segment *s = &cpu->seg[i];

        w[n++] = (struct state_word){sel[i], s->sel};
        w[n++] = (struct state_word){base[i], s->base};
        w[n++] = (struct state_word){rest[i], (uint64_t)s->limit << 32 | (uint32_t)s->attr << 8 | s->is_null};
    }
    w[n++] = (struct state_word){"cpl", cpu->cpl};
    w[n++] = (struct state_word){"is halted", cpu->is_halted};
    w[n++] = (struct state_word){"is shut down", cpu->is_shutdown};
    w[n++] = (struct state_word){"cr0", cpu->paging.cr0};
    w[n++] = (struct state_word){"cr2", cpu->cr2};
    w[n++] = (struct state_word){"cr3", cpu->paging.cr3};
    w[n++] = (struct state_word){"cr4", cpu->paging.cr4};
    w[n++] = (struct state_word){"efer", cpu->paging.efer};
    w[n++] = (struct state_word){"dr6", cpu->dr[6]};
    w[n++] = (struct state_word){"dr7", cpu->dr[7]};
    w[n++] = (struct state_word){"gdtr base", cpu->gdtr.base};
    w[n++] = (struct state_word){"gdtr limit", cpu->gdtr.limit};
    w[n++] = (struct state_word){"idtr base", cpu->idtr.base};
    w[n++] = (struct state_word){"idtr limit", cpu->idtr.limit};
    w[n++] = (struct state_word){"ldtr", cpu->ldtr.sel};
    w[n++] = (struct state_word){"tr", cpu->tr.sel};
    w[n++] = (struct state_word){"sysenter", cpu->sysenter_cs ^ cpu->sysenter_eip << 16 ^ cpu->sysenter_esp << 32};
    w[n++] = (struct state_word){"xcr0", cpu->xcr0};
    w[n++] = (struct state_word){"fcw", load_le(cpu->fpu + FX_FCW, 2)};
    w[n++] = (struct state_word){"fsw", load_le(cpu->fpu + FX_FSW, 2)};
    w[n++] = (struct state_word){"ftw", cpu->fpu[FX_FTW]};
    w[n++] = (struct state_word){"mxcsr", load_le(cpu->fpu + FX_MXCSR, 4)};
    for (unsigned i = 0; i < 8; i++) {
        w[n++] = (struct state_word){st[i], load_le(cpu->fpu + FX_ST + 16 * i, 8)};
        w[n++] = (struct state_word){st[i], load_le(cpu->fpu + FX_ST + 16 * i + 8, 2)};
        w[n++] = (struct state_word){xmm[i], load_le(cpu->fpu + FX_XMM + 16 * i, 8)};
        w[n++] = (struct state_word){xmm[i], load_le(cpu->fpu + FX_XMM + 16 * i + 8, 8)};
        w[n++] = (struct state_word){ymm[i], load_le(cpu->fpu + FX_YMM + 16 * i, 8)};
        w[n++] = (struct state_word){ymm[i], load_le(cpu->fpu + FX_YMM + 16 * i + 8, 8)};
    }
    return n;
}

/* The A bit of a page-table entry may be set early: the SDM allows it, and windows are filled around a fault. */
static bool is_byte_equal(const struct fuzz_case *c, uint32_t gpa, uint8_t a, uint8_t b)
{
    if (c->has_clear_a && gpa >= TABLES_GPA && gpa < RAM_BYTES && gpa % (c->is_pae ? 8 : 4) == 0)
        return ((a ^ b) & ~PTE_A) == 0;
    return a == b;
}

bool machine_differ(const struct fuzz_machine *want, struct fuzz_machine *got, const struct fuzz_case *c, bool is_all,
                    char *what, unsigned size)
{
    const uint8_t *a = guestmem_view(want->mem), *b = guestmem_view(got->mem);
    struct state_word w[128], g[128];
    unsigned n = list_state(want->cpu, w);

    for (unsigned i = 0; i < MEMORY_PAGES; i++)
        got->differs[i] |= want->differs[i];
    list_state(got->cpu, g);
    for (unsigned i = 0; i < n; i++) {
        if (w[i].value == g[i].value)
            continue;
        snprintf(what, size, "%s: interpreter %#llx, translator %#llx", w[i].name, (unsigned long long)w[i].value,
                 (unsigned long long)g[i].value);
        return true;
    }
    for (uint32_t page = 0; page < MEMORY_BYTES; page += GUEST_PAGE_SIZE) {
        if (!is_all && !want->differs[page >> GUEST_PAGE_SHIFT])
            continue;
        if (!memcmp(a + page, b + page, GUEST_PAGE_SIZE))
            continue;
        for (uint32_t i = page; i < page + GUEST_PAGE_SIZE; i++) {
            if (is_byte_equal(c, i, a[i], b[i]))
                continue;
            snprintf(what, size,
                     "memory at physical %#x: interpreter %02x %02x %02x %02x, translator %02x %02x %02x %02x", i, a[i],
                     a[i + 1], a[i + 2], a[i + 3], b[i], b[i + 1], b[i + 2], b[i + 3]);
            return true;
        }
    }
    return false;
}

void machine_print(const struct fuzz_machine *m, const char *name)
{
    struct state_word w[128];
    unsigned n = list_state(m->cpu, w);

    printf("%s:\n", name);
    for (unsigned i = 0; i < n; i++)
        printf("  %s %llx%s", w[i].name, (unsigned long long)w[i].value, i % 8 == 7 || i == n - 1 ? "\n" : "");
}
