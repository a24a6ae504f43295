/* The state of one virtual CPU, and what may be asked of it.
 *
 * Generated code in bt/ addresses fields of struct cpu by offset, so this struct is not opaque.
 * Thread: the machine thread, except cpu_kick().  Source of all names: Intel SDM volumes 2 and 3. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "cpu/feature.h"
#include "host/clock.h"
#include "host/util.h"
#include "mmu/paging.h"
#include "mmu/space.h"

enum gpr { REG_AX, REG_CX, REG_DX, REG_BX, REG_SP, REG_BP, REG_SI, REG_DI, REG_R8, REG_R15 = 15 };
enum sreg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };

/* EFLAGS, SDM 1 3.4.3 */
#define EFLAGS_CF 0x00000001u
#define EFLAGS_1 0x00000002u
#define EFLAGS_PF 0x00000004u
#define EFLAGS_AF 0x00000010u
#define EFLAGS_ZF 0x00000040u
#define EFLAGS_SF 0x00000080u
#define EFLAGS_TF 0x00000100u
#define EFLAGS_IF 0x00000200u
#define EFLAGS_DF 0x00000400u
#define EFLAGS_OF 0x00000800u
#define EFLAGS_IOPL 0x00003000u
#define EFLAGS_IOPL_SHIFT 12
#define EFLAGS_NT 0x00004000u
#define EFLAGS_RF 0x00010000u
#define EFLAGS_VM 0x00020000u
#define EFLAGS_AC 0x00040000u
#define EFLAGS_VIF 0x00080000u
#define EFLAGS_VIP 0x00100000u
#define EFLAGS_ID 0x00200000u
#define EFLAGS_STATUS (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)
/* The flags that live in the host's EFLAGS while translated code runs. */
#define EFLAGS_NATIVE (EFLAGS_STATUS | EFLAGS_DF)

/* Control registers, SDM 3A 2.5 */
#define CR0_PE 0x00000001u
#define CR0_MP 0x00000002u
#define CR0_EM 0x00000004u
#define CR0_TS 0x00000008u
#define CR0_ET 0x00000010u
#define CR0_NE 0x00000020u
#define CR0_WP 0x00010000u
#define CR0_AM 0x00040000u
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u
#define CR4_VME 0x0001u
#define CR4_PVI 0x0002u
#define CR4_TSD 0x0004u
#define CR4_DE 0x0008u
#define CR4_PSE 0x0010u
#define CR4_PAE 0x0020u
#define CR4_MCE 0x0040u
#define CR4_PGE 0x0080u
#define CR4_PCE 0x0100u
#define CR4_OSFXSR 0x0200u
#define CR4_OSXMMEXCPT 0x0400u
#define CR4_UMIP 0x0800u
#define CR4_OSXSAVE 0x40000u
#define EFER_SCE 0x001u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define EFER_NXE 0x800u

enum vector {
    VEC_DE, VEC_DB, VEC_NMI, VEC_BP, VEC_OF, VEC_BR, VEC_UD, VEC_NM, VEC_DF, VEC_09, VEC_TS, VEC_NP, VEC_SS, VEC_GP,
    VEC_PF, VEC_15, VEC_MF, VEC_AC, VEC_MC, VEC_XM
};

/* Segment register with its cached descriptor.  attr is descriptor bits 55:40 with the limit bits zero:
 * 3:0 type, 4 S, 6:5 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G. */
struct segment {
    uint64_t base;
    uint32_t limit; /* last byte's offset (or the expand-down bound), granularity applied */
    uint16_t sel;
    uint16_t attr;
    uint8_t is_null; /* loaded with a null selector in protected mode: every use is #GP(0) */
};
#define SEG_ATTR_TYPE 0x000fu
#define SEG_ATTR_ACCESSED 0x0001u
#define SEG_ATTR_RW 0x0002u   /* data: writable; code: readable */
#define SEG_ATTR_EC 0x0004u   /* data: expand-down; code: conforming */
#define SEG_ATTR_CODE 0x0008u
#define SEG_ATTR_S 0x0010u
#define SEG_ATTR_DPL_SHIFT 5
#define SEG_ATTR_P 0x0080u
#define SEG_ATTR_L 0x2000u
#define SEG_ATTR_DB 0x4000u
#define SEG_ATTR_G 0x8000u

struct desc_table {
    uint64_t base;
    uint32_t limit;
};

/* An exception, software or external interrupt on its way into the guest. */
struct event {
    bool is_pending;
    uint8_t vector;
    enum { EVENT_FAULT, EVENT_TRAP, EVENT_SOFT_INT, EVENT_EXT_INT, EVENT_NMI } kind; /* FAULT: rip of the instruction is pushed */
    bool has_error;
    uint32_t error;
};

/* What a translation depends on, besides the bytes: recomputed by cpu_update_mode(). */
enum cpu_mode_bits {
    MODE_CS32 = 1 << 0,
    MODE_SS32 = 1 << 1,
    MODE_PE = 1 << 2,
    MODE_VM = 1 << 3,
    MODE_PG = 1 << 4,
    MODE_CPL_SHIFT = 5, /* 2 bits */
    MODE_TF = 1 << 7,
    MODE_IOPL_OK = 1 << 8, /* CPL <= IOPL: CLI and STI allowed */
    MODE_FLAT_CS = 1 << 9, /* base 0, limit FFFFFFFFh, for fetching */
    MODE_CS64 = 1 << 10,   /* reserved for long mode */
    MODE_DEBUG = 1 << 11,  /* a DR7 breakpoint is enabled: run in the interpreter */
    MODE_SEG_SHIFT = 12,   /* 2 bits for each enum sreg: enum seg_class */
    MODE_64K_SHIFT = 24    /* 1 bit for each: SEGC_LIMITED, and the limit is FFFFh */
};
/* Protected mode proper: neither real nor virtual-8086 mode, whose segments need no descriptors. */
static inline bool mode_is_protected(uint32_t mode)
{
    return (mode & (MODE_PE | MODE_VM)) == MODE_PE;
}
enum seg_class {
    SEGC_FLAT,    /* base 0, limit FFFFFFFFh, readable and writable */
    SEGC_BIG,     /* any base, limit FFFFFFFFh, readable and writable */
    SEGC_LIMITED, /* any base, expand-up, readable and writable, limit to be checked; ends below 4 GiB */
    SEGC_ODD      /* anything else: leave it to the interpreter (CS: readable flat code counts as FLAT for reads) */
};

/* What generated code needs to address a SEGC_LIMITED segment; follows the segment register.  It loads poison[-1], the base, or
 * poison[0], which makes any address non-canonical, by the sign of offset + size - 1 + minus_limit. */
struct seg_check {
    int64_t minus_limit; /* -(limit + 1) */
    uint64_t base, poison;
    uint64_t minus_base; /* low 32 bits count */
};
#define SEG_POISON (1ull << 62)

struct insn;
struct interp; /* decode cache, private to cpu/ */
struct tlb;    /* private to cpu/ */

/* What the board gives a CPU. */
struct cpu_board {
    struct space *mem;
    struct space *smm_mem; /* mem with SMRAM shown; NULL: the machine has none */
    struct space *ports;
    struct clock *clock;
    struct guestmem *guestmem;
    uint8_t (*intr_ack)(void *opaque);                       /* INTA cycle: vector from local APIC or PICs */
    void (*ferr)(void *opaque, bool level);                  /* FERR#: x87 error with CR0.NE = 0 (IRQ 13) */
    void (*triple_fault)(void *opaque);                      /* shutdown cycle; the CPU has stopped */
    void (*apic_base)(void *opaque, uint64_t value);         /* IA32_APIC_BASE was written; not called in resets */
    void *opaque;
    const struct cpu_config *config;                         /* the model; copied.  NULL: "host" */
};

/* Why translations, windows or cached walks are stale: told to bt/ when it is there (all NULL without).
 * flush_all: CR0/CR4/EFER paging bits, A20 or the space changed; flush_asid: CR3 was loaded; flush_page: INVLPG. */
struct cpu_mmu_hooks {
    void (*flush_all)(void *opaque);
    void (*load_cr3)(void *opaque);
    void (*flush_page)(void *opaque, gla_t gla);
    void *opaque;
};

/* Popek and Goldberg's sensitive instructions, for counting.  Order of the table --stats prints. */
enum sensitive_id {
    SENS_NONE,
    /* the 17 that are sensitive and unprivileged (Robin and Irvine 2000) */
    SENS_SGDT, SENS_SIDT, SENS_SLDT, SENS_STR, SENS_SMSW, SENS_PUSHF, SENS_POPF, SENS_LAR, SENS_LSL, SENS_VERR, SENS_VERW,
    SENS_MOV_SREG, SENS_PUSH_SREG, SENS_POP_SREG, SENS_CALL_FAR, SENS_JMP_FAR, SENS_RET_FAR, SENS_INT,
    /* privileged, and the rest that a virtual machine monitor must see */
    SENS_IRET, SENS_CLI, SENS_STI, SENS_HLT, SENS_IN, SENS_OUT, SENS_INS, SENS_OUTS, SENS_LGDT, SENS_LIDT, SENS_LLDT, SENS_LTR,
    SENS_LMSW, SENS_CLTS, SENS_MOV_CR, SENS_MOV_DR, SENS_INVLPG, SENS_INVD, SENS_RDMSR, SENS_WRMSR, SENS_RDTSC, SENS_RDPMC,
    SENS_CPUID, SENS_SYSENTER, SENS_SYSEXIT, SENS_LSEG_PTR /* LDS LES LSS LFS LGS */, SENS_OTHER,
    SENS_COUNT
};

/* Lock-step: the interpreter runs ahead and is rolled back, so it must have no effect it cannot take back. */
struct cpu_probe {
    void (*before_write)(void *opaque, uint8_t *host, unsigned len); /* guest RAM is about to change */
    void *opaque;
    bool is_stopped; /* the instruction faults, wants a device or writes to a page with code: not executed, no event pending */
};

struct cpu {
    /* Hot: reached by generated code with 8-bit displacements. */
    uint64_t gpr[16];      /* guest general registers; upper halves zero outside long mode */
    uint64_t rip;          /* of the instruction being executed or about to be */
    uint32_t eflags;       /* all bits; EFLAGS_NATIVE ones are stale while translated code runs */
    uint32_t mode;         /* enum cpu_mode_bits */
    void *_Atomic poll;    /* translated code loads through it as it is entered: &poll_word, or NULL to fault it out */
    uint64_t poll_word;
    uint64_t bt_words[40]; /* scratch of generated code: struct bt_hot of bt/hot.h */
    struct segment seg[SEG_COUNT];
    struct seg_check seg_check[SEG_COUNT]; /* recomputed with mode */
    struct desc_table gdtr, idtr;
    struct segment ldtr, tr; /* generated code finds base and limit of LDTR and GDTR at the same places of each */
    uint8_t cpl;
    bool is_mode_stale;    /* something mode depends on changed; cpu_update_mode() clears it */

    uint64_t cr2, cr8;
    struct paging_regs paging; /* cr0, cr3, cr4, efer, PDPTEs, A20: one copy, used by walks too */
    uint64_t dr[8];

    uint64_t next_rip;     /* while an instruction executes: of the following one; branches change it */
    struct event event;
    bool is_halted;        /* HLT, waiting for an interrupt */
    bool is_shutdown;      /* triple fault */
    bool has_shadow;       /* STI, MOV SS, POP SS: no interrupt (and for SS no debug trap) before the next instruction ends */
    bool is_mid_rep;       /* a repeated string instruction stopped between two iterations */
    bool nmi_pending, is_nmi_blocked;
    bool intr;             /* level of the INTR pin */
    bool init_pending;     /* INIT# or a CPU reset was asked for: engine calls cpu_reset() between instructions */
    bool smi_pending;
    bool is_smm, was_nmi_blocked; /* the latter is restored by RSM */
    bool is_a20_masked;    /* the A20M# pin */
    bool is_ignne;         /* the IGNNE# pin */
    uint8_t smram;         /* enum cpu_smram, as the host bridge says */
    uint32_t smbase;
    struct space *mem, *fetch_mem; /* what data accesses and fetches see: board.mem or board.smm_mem */
    atomic_bool exit_request; /* leave the engine's loop: something waits in the mailbox or a timer is due */

    /* MSRs */
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t apic_base, pat, misc_enable, tsc_offset, mtrr_def_type, mtrr_fixed[11], mtrr_var[16], tsc_aux;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t mcg_status, mc_regs[32], spec_ctrl, perf_counter[2], perf_select[2];
    uint64_t xcr0;

    struct cpu_config config; /* model and features: what executes and what CPUID says; does not change */
    uint32_t eflags_mask;     /* the flags that exist */
    uint64_t cr4_mask;

    struct cpu_board board;
    struct cpu_mmu_hooks mmu_hooks;
    struct tlb *tlb;
    struct interp *interp;
    struct hostfp *hostfp;   /* FP stubs, private to cpu/ */
    struct cpu_probe *probe; /* NULL outside lock-step */

    /* Counters for --stats. */
    struct {
        uint64_t insns_interp;     /* instructions executed by the interpreter */
        uint64_t insns_bt;         /* by translated code */
        uint64_t sens_executed[SENS_COUNT];
        uint64_t sens_sites[SENS_COUNT]; /* translated */
        uint64_t exceptions[32];
        uint64_t ext_interrupts, soft_interrupts, task_switches;
        uint64_t indirect_accesses; /* to devices, ROM and pages with code, as far as the interpreter made them */
    } stats;

    /* x87, MMX, SSE (and later AVX) state in FXSAVE64/XSAVE layout, when not in the host's registers. */
    uint8_t fpu[4096] __attribute__((aligned(64)));
};

/* --- life --- */
struct cpu *cpu_create(const struct cpu_board *board); /* page-aligned; NULL: no memory */
void cpu_destroy(struct cpu *cpu);
void cpu_reset(struct cpu *cpu, bool is_power_on); /* RESET (power-on) or INIT; SDM 3A 9.1.1 */

/* --- pins; machine thread --- */
void cpu_set_intr(struct cpu *cpu, bool level);
void cpu_set_a20(struct cpu *cpu, bool is_enabled);
void cpu_pulse_nmi(struct cpu *cpu);
void cpu_assert_ignne(struct cpu *cpu); /* nothing happens unless an x87 error is pending; released when it is gone */
void cpu_pulse_smi(struct cpu *cpu);
/* Host bridge: who sees SMRAM.  Windows of translated code never do: while the CPU does, the interpreter runs. */
enum cpu_smram { CPU_SMRAM_ENABLED = 1, CPU_SMRAM_OPEN = 2 /* outside SMM too */, CPU_SMRAM_DATA_CLOSED = 4 };
void cpu_set_smram(struct cpu *cpu, unsigned smram);
static inline bool cpu_sees_smram(const struct cpu *cpu)
{
    return cpu->is_smm || cpu->mem != cpu->board.mem;
}
void cpu_pulse_init(struct cpu *cpu);
/* Make the engine return soon.  Any thread, async-signal-safe.  Translated code, while it runs, does not look: another thread than the engine's
 * calls fault_poke() after it, and a signal handler fault_interrupt() (host/fault.h). */
static inline void cpu_kick(struct cpu *cpu)
{
    atomic_store(&cpu->exit_request, true);
    atomic_store(&cpu->poll, NULL);
}

/* The engine may run again.  Its own thread, before it looks at what was asked for: a kick that comes after this counts. */
static inline void cpu_clear_kick(struct cpu *cpu)
{
    atomic_store(&cpu->exit_request, false);
    atomic_store(&cpu->poll, &cpu->poll_word);
}

/* --- execution --- */
/* Execute exactly one instruction at CS:RIP with all its faults and traps delivered (so RIP may end at a handler).  A REP
 * string instruction may do many iterations but stops at exit_request with RIP unmoved.  Does not take interrupts. */
void cpu_step(struct cpu *cpu);
/* Interpret until exit_request, halt, shutdown or max_insns; takes interrupts.  Returns instructions executed. */
uint64_t cpu_interpret(struct cpu *cpu, uint64_t max_insns);
/* Would an SMI, INIT, NMI or interrupt be taken now (between instructions)? */
static inline bool cpu_has_work(const struct cpu *cpu)
{
    return ((cpu->init_pending | cpu->smi_pending) && !cpu->is_smm && !cpu->has_shadow) || (cpu->nmi_pending && !cpu->is_nmi_blocked && !cpu->has_shadow) ||
           (cpu->intr && (cpu->eflags & EFLAGS_IF) && !cpu->has_shadow);
}
/* Take the highest of them: enter SMM, do INIT, deliver NMI or INTR (with INTA).  Clears is_halted. */
void cpu_take_work(struct cpu *cpu);

/* A look-ahead's steps, with cpu->probe set, no shadow, trap or breakpoint about.  The instruction at CS:RIP, valid until the next
 * fetch, or NULL if it cannot be fetched; then execute it, or set is_stopped. */
const struct insn *cpu_probe_fetch(struct cpu *cpu);
void cpu_probe_execute(struct cpu *cpu, const struct insn *in);

void cpu_update_mode(struct cpu *cpu); /* recompute mode */
/* The same where nothing changed but CPL, EFLAGS and these segment registers (bits 1 << SEG_..) since it was up to date. */
void cpu_update_mode_for(struct cpu *cpu, unsigned segments);
/* The same where nothing changed but one data segment register. */
void cpu_update_mode_of_data(struct cpu *cpu, unsigned seg);
uint64_t cpu_tsc(const struct cpu *cpu);
/* Test interface for tools and traces: read guest linear memory without faults or side effects; bytes read. */
unsigned cpu_peek(struct cpu *cpu, gla_t gla, void *buf, unsigned len);
/* Registers in a few lines, NUL-terminated. */
void cpu_format(const struct cpu *cpu, char *buf, unsigned size);

/* --- raising events (cpu/exception.c); all return false, so that "return cpu_raise(...)" reads well --- */
NODISCARD bool cpu_raise(struct cpu *cpu, uint8_t vector);                       /* fault without error code */
NODISCARD bool cpu_raise_error(struct cpu *cpu, uint8_t vector, uint32_t error); /* fault with error code */
NODISCARD bool cpu_raise_pf(struct cpu *cpu, gla_t gla, uint32_t error);         /* sets CR2 */

#endif
