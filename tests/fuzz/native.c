/* See native.h. */
#include "tests/fuzz/native.h"

#include <asm/ldt.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#define REG_R8 UCONTEXT_R8 /* <ucontext.h>, below <signal.h>, has names like enum gpr */
#define REG_R15 UCONTEXT_R15
#include <signal.h>
#undef REG_R8
#undef REG_R15
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "cpu/avx.h"
#include "cpu/hostfp.h"
#include "tests/fuzz/guest_out.h"
#include "tests/fuzz/native_layout.h"

#define HWCAP2_FSGSBASE 2
#define USER_CS         0x33
#define USER_CS32       0x23
#define USER_SS         0x2b
#define FIRST_PAGE      (CODE_GPA >> GUEST_PAGE_SHIFT)  /* of those the guest may use */
#define END_PAGE        (STACK_END >> GUEST_PAGE_SHIFT)
#define PAGE_ABSENT     0x14
#define PAGE_READONLY   0x1b
#define COMPARED_FLAGS  (EFLAGS_STATUS | EFLAGS_DF | EFLAGS_AC | EFLAGS_ID)
#define PF_WRITE        2u

struct native_data {
    uint64_t host_rsp, fs_base, gs_base;
    uint32_t gpr[8], eflags;
    uint16_t sel[SEG_COUNT];
    uint32_t eip;
    uint16_t cs, pad;
    uint32_t trampoline;
    uint16_t trampoline_cs, pad2;
    uint32_t is_running, is_skipping;
    uint64_t old_handler;
    uint64_t has_avx; /* fpu is an XSAVE image of x87, SSE and AVX, else an FXSAVE image */
    uint8_t fpu[XSAVE_SIZE] __attribute__((aligned(64)));
    /* at the end, out of the guest's way */
    struct fuzz_event events[FUZZ_MAX_EVENTS];
    unsigned n_events;
};
_Static_assert(offsetof(struct native_data, gpr) == ND_GPR && offsetof(struct native_data, sel) == ND_SEL &&
                   offsetof(struct native_data, eip) == ND_EIP && offsetof(struct native_data, trampoline) == ND_TRAMPOLINE &&
                   offsetof(struct native_data, is_running) == ND_IS_RUNNING &&
                   offsetof(struct native_data, old_handler) == ND_OLD_HANDLER && offsetof(struct native_data, has_avx) == ND_HAS_AVX &&
                   offsetof(struct native_data, fpu) == ND_FPU && sizeof(struct native_data) < ND_STACK_END - 64,
               "native_layout.h");

struct native {
    struct native_data *data;
    uint8_t *memory; /* a view of the guest's, always writable */
    uint8_t differs[MEMORY_PAGES];
    struct user_desc ldt[SEG_COUNT];
};

void native_enter(void);
void native_exit(void);
void native_signal(int signo, siginfo_t *info, void *context);
void native_on_signal(int signo, siginfo_t *info, void *context);
extern const uint8_t native_trampoline[], native_trampoline_end[];

uint32_t native_page_entry(unsigned page)
{
    uint32_t rights = page == PAGE_ABSENT                        ? 0
                      : page == PAGE_READONLY                    ? 5
                      : page >= FIRST_PAGE && page < END_PAGE ? 7
                                                                 : 3;

    return page < MEMORY_PAGES && rights ? page << GUEST_PAGE_SHIFT | 0x60 | rights : 0;
}

/* --- signals: what the guest's handlers would do --- */

/* The handlers of put_skipping_handlers(). */
static bool is_skipped(unsigned vector)
{
    switch (vector) {
    case VEC_DE:
    case VEC_BR:
    case VEC_UD:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP:
    case VEC_PF:
    case VEC_AC:
    case VEC_XM:
        return true;
    default:
        return false;
    }
}

static void end_run(struct native_data *d, ucontext_t *uc)
{
    static const int reg[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
    greg_t *g = uc->uc_mcontext.gregs;

    for (unsigned i = 0; i < 8; i++)
        d->gpr[i] = (uint32_t)g[reg[i]];
    d->eflags = (uint32_t)g[REG_EFL];
    d->eip = (uint32_t)g[REG_RIP];
    d->is_running = 0;
    g[REG_RIP] = (greg_t)(uintptr_t)native_exit;
    g[REG_RSP] = (greg_t)d->host_rsp;
    g[REG_EFL] = EFLAGS_1 | EFLAGS_IF;
    g[REG_CSGSFS] = (greg_t)((uint64_t)USER_SS << 48 | USER_CS);
}

void native_on_signal(int signo, siginfo_t *info, void *context)
{
    struct native_data *d = (struct native_data *)(uintptr_t)NATIVE_DATA;
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    unsigned vector = signo == SIGSYS ? 0xff : (unsigned)g[REG_TRAPNO];
    uint32_t eip = (uint32_t)g[REG_RIP];

    if (d->n_events < FUZZ_MAX_EVENTS)
        d->events[d->n_events++] = (struct fuzz_event){.vector = (uint8_t)vector,
                                                       .eip = eip,
                                                       .error = (uint32_t)g[REG_ERR],
                                                       .cr2 = (uint32_t)g[REG_CR2] - NATIVE_MEMORY};
    if (d->is_skipping && is_skipped(vector) && eip <= 0xffff && d->n_events < FUZZ_MAX_EVENTS)
        g[REG_RIP] = (eip | 31) + 1;
    else
        end_run(d, uc);
}

/* --- set-up --- */

static bool forbid_32_bit_system_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

bool native_take_signals(struct native *n)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    struct sigaction sa, old;

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = native_signal;
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        if (sigaction(signals[i], &sa, &old))
            return false;
        if (i == 0)
            n->data->old_handler = (uint64_t)(uintptr_t)old.sa_sigaction;
    }
    return true;
}

/* Pages at fixed places, with the rights that the page table gives. */
static bool map_memory(struct native *n)
{
    int fd = memfd_create("fuzz", 0);
    const int flags = MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE;

    if (fd < 0 || ftruncate(fd, MEMORY_BYTES))
        return false;
    n->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    for (unsigned page = 0; page < MEMORY_PAGES; page++) {
        uint32_t e = native_page_entry(page);
        int rights = (e & 7) == 7 ? PROT_READ | PROT_WRITE | PROT_EXEC : (e & 7) == 5 ? PROT_READ | PROT_EXEC : PROT_NONE;
        void *at = (void *)(NATIVE_MEMORY + ((uintptr_t)page << GUEST_PAGE_SHIFT));

        if (mmap(at, GUEST_PAGE_SIZE, rights, flags, fd, (off_t)page << GUEST_PAGE_SHIFT) != at)
            return false;
    }
    close(fd);
    return n->memory != MAP_FAILED;
}

static bool map_trampoline(struct native *n)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *code = mmap((void *)(uintptr_t)NATIVE_CODE, 2 * GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);

    if (code != (void *)(uintptr_t)NATIVE_CODE)
        return false;
    memcpy(code, native_trampoline, (size_t)(native_trampoline_end - native_trampoline));
    n->data = (struct native_data *)(uintptr_t)NATIVE_DATA;
    n->data->trampoline = NATIVE_CODE;
    n->data->trampoline_cs = USER_CS32;
    __builtin_cpu_init();
    n->data->has_avx = __builtin_cpu_supports("avx") != 0;
    return !mprotect(code, GUEST_PAGE_SIZE, PROT_READ | PROT_EXEC);
}

struct native *native_create(const char **why)
{
    struct native *n = calloc(1, sizeof(*n));

    *why = "the host has no FSGSBASE";
    if (!n || !(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
        goto fail;
    *why = "addresses below 4 GiB are taken";
    if (!map_trampoline(n) || !map_memory(n))
        goto fail;
    *why = "no signals";
    if (!native_take_signals(n))
        goto fail;
    *why = "no seccomp filter";
    if (!forbid_32_bit_system_calls())
        goto fail;
    memset(n->differs, 1, sizeof(n->differs));
    memset(n->ldt, 0xff, sizeof(n->ldt));
    return n;

fail:
    free(n);
    return NULL;
}

/* --- running --- */

static uint16_t load_segment(struct native *n, unsigned i, const struct segment *s, bool is_v86)
{
    bool is_code = i == SEG_CS;
    unsigned type = is_v86 ? (is_code ? 10u : 2u) : s->attr & SEG_ATTR_TYPE;
    struct user_desc d;

    if (s->is_null)
        return 0;
    memset(&d, 0, sizeof(d)); /* padding too */
    d.entry_number = i;
    d.base_addr = (uint32_t)(s->base + NATIVE_MEMORY);
    d.limit_in_pages = (s->attr & SEG_ATTR_G) != 0;
    d.limit = d.limit_in_pages ? s->limit >> GUEST_PAGE_SHIFT : s->limit;
    d.seg_32bit = (s->attr & SEG_ATTR_DB) != 0;
    d.contents = type >> 2;
    d.read_exec_only = !(type & 2);
    d.useable = 1;
    if (memcmp(&d, &n->ldt[i], sizeof(d)) != 0) {
        if (syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)))
            return 0xffff;
        n->ldt[i] = d;
    }
    return (uint16_t)(i << 3 | 7);
}

static bool load(struct native *n, const struct fuzz_case *c)
{
    struct native_data *d = n->data;

    for (unsigned page = FIRST_PAGE; page < END_PAGE; page++) {
        uint32_t at = page << GUEST_PAGE_SHIFT;

        if ((n->differs[page] | c->is_touched[page]) && memcmp(n->memory + at, c->image + at, GUEST_PAGE_SIZE) != 0)
            memcpy(n->memory + at, c->image + at, GUEST_PAGE_SIZE);
        n->differs[page] = c->is_touched[page];
    }
    for (unsigned i = 0; i < 8; i++)
        d->gpr[i] = (uint32_t)c->gpr[i];
    d->eflags = (c->eflags & COMPARED_FLAGS) | EFLAGS_1 | EFLAGS_IF;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        d->sel[i] = load_segment(n, i, &c->seg[i], c->mode == FUZZ_V86);
        if (d->sel[i] == 0xffff)
            return false;
    }
    d->eip = c->rip;
    d->cs = d->sel[SEG_CS];
    memcpy(d->fpu, c->fpu, sizeof(d->fpu));
    memset(d->fpu + 8, 0, 16); /* FIP and FDP */
    memset(d->fpu + XSAVE_BV, 0, 64);
    store_le(d->fpu + XSAVE_BV, 8, XCR0_X87 | XCR0_SSE | XCR0_AVX);
    d->n_events = 0;
    d->is_skipping = c->is_skipping;
    return true;
}

/* --- comparing --- */

static bool say(char *what, unsigned size, const char *name, uint64_t interpreter, uint64_t host)
{
    snprintf(what, size, "%s: interpreter %#llx, host processor %#llx", name, (unsigned long long)interpreter,
             (unsigned long long)host);
    return true;
}

static bool is_memory_fault(unsigned vector)
{
    return vector == VEC_SS || vector == VEC_GP || vector == VEC_PF || vector == VEC_AC;
}

static bool events_differ(const struct native_data *d, const struct fuzz_machine *m, char *what, unsigned size)
{
    char name[64];

    for (unsigned i = 0; i < m->n_events && i < d->n_events; i++) {
        const struct fuzz_event *want = &m->events[i], *got = &d->events[i];
        bool has_error = want->vector >= VEC_TS && want->vector <= VEC_GP;

        snprintf(name, sizeof(name), "exception %u (at eip %#x)", i, want->eip);
        if (want->has_any_order && is_memory_fault(want->vector) && is_memory_fault(got->vector) && want->eip == got->eip)
            continue;
        if (want->vector != got->vector)
            return say(what, size, name, want->vector, got->vector);
        if (want->eip != got->eip)
            return say(what, size, strcat(name, ", eip"), want->eip, got->eip);
        if (has_error && want->error != got->error)
            return say(what, size, strcat(name, ", error code"), want->error, got->error);
        if (want->vector == VEC_PF && (want->error ^ got->error) & PF_WRITE)
            return say(what, size, strcat(name, ", error code"), want->error, got->error);
        if (want->vector == VEC_PF && want->cr2 != got->cr2)
            return say(what, size, strcat(name, ", CR2"), want->cr2, got->cr2);
    }
    return m->n_events != d->n_events && say(what, size, "number of exceptions", m->n_events, d->n_events);
}

static bool fpu_differs(const uint8_t *want, const uint8_t *got, bool has_avx, char *what, unsigned size)
{
    if (load_le(want + FX_FCW, 2) != load_le(got + FX_FCW, 2))
        return say(what, size, "fcw", load_le(want + FX_FCW, 2), load_le(got + FX_FCW, 2));
    if (load_le(want + FX_FSW, 2) != load_le(got + FX_FSW, 2))
        return say(what, size, "fsw", load_le(want + FX_FSW, 2), load_le(got + FX_FSW, 2));
    if (want[FX_FTW] != got[FX_FTW])
        return say(what, size, "ftw", want[FX_FTW], got[FX_FTW]);
    if (load_le(want + FX_MXCSR, 4) != load_le(got + FX_MXCSR, 4))
        return say(what, size, "mxcsr", load_le(want + FX_MXCSR, 4), load_le(got + FX_MXCSR, 4));
    for (unsigned i = 0; i < 8; i++) {
        unsigned st = FX_ST + 16 * i, xmm = FX_XMM + 16 * i, ymm = FX_YMM + 16 * i;

        if (memcmp(want + st, got + st, 10) != 0)
            return say(what, size, "st", load_le(want + st, 8), load_le(got + st, 8));
        if (memcmp(want + xmm, got + xmm, 16) != 0)
            return say(what, size, "xmm", load_le(want + xmm, 8), load_le(got + xmm, 8));
        if (has_avx && memcmp(want + ymm, got + ymm, 16) != 0)
            return say(what, size, "upper half of ymm", load_le(want + ymm, 8), load_le(got + ymm, 8));
    }
    return false;
}

static bool memory_differs(struct native *n, const struct fuzz_case *c, const struct fuzz_machine *m, char *what, unsigned size)
{
    const uint8_t *view = guestmem_view(m->mem);
    bool is_all = c->number % CASES_PER_SETTING == 0;

    for (unsigned page = FIRST_PAGE; page < END_PAGE; page++) {
        uint32_t at = page << GUEST_PAGE_SHIFT;

        n->differs[page] |= m->differs[page];
        if ((!is_all && !m->differs[page]) || page == PAGE_ABSENT || !memcmp(view + at, n->memory + at, GUEST_PAGE_SIZE))
            continue;
        while (view[at] == n->memory[at])
            at++;
        snprintf(what, size, "memory at %#x: interpreter %02x, host processor %02x", at, view[at], n->memory[at]);
        n->differs[page] = 1;
        return true;
    }
    return false;
}

static bool is_different(struct native *n, const struct fuzz_case *c, const struct fuzz_machine *m, char *what, unsigned size)
{
    static const char *const gpr[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const struct native_data *d = n->data;
    const struct fuzz_event *last = &m->events[m->n_events - 1];

    if (events_differ(d, m, what, size))
        return true;
    for (unsigned i = 0; i < 8; i++) {
        uint32_t want = i == REG_SP ? last->esp : (uint32_t)m->cpu->gpr[i];

        if (want != d->gpr[i])
            return say(what, size, gpr[i], want, d->gpr[i]);
    }
    if ((last->eflags ^ d->eflags) & COMPARED_FLAGS)
        return say(what, size, "eflags", last->eflags & COMPARED_FLAGS, d->eflags & COMPARED_FLAGS);
    return fpu_differs(m->cpu->fpu, d->fpu, d->has_avx, what, size) || memory_differs(n, c, m, what, size);
}

bool native_run(struct native *n, const struct fuzz_case *c, const struct fuzz_machine *reference, char *what, unsigned size)
{
    if (!load(n, c)) {
        snprintf(what, size, "modify_ldt: %s", strerror(errno));
        return false;
    }
    native_enter();
    if (!is_different(n, c, reference, what, size))
        return true;
    memset(n->differs, 1, sizeof(n->differs)); /* who knows what it wrote */
    return false;
}

void native_end(const struct native *n, struct guest_end *end)
{
    memcpy(end->gpr, n->data->gpr, sizeof(end->gpr));
    end->eflags = n->data->eflags;
}

void native_print(const struct native *n)
{
    printf("host processor: eip %x eflags %x", n->data->eip, n->data->eflags);
    for (unsigned i = 0; i < 8; i++)
        printf(" %x", n->data->gpr[i]);
    printf("\n");
    for (unsigned i = 0; i < n->data->n_events; i++)
        printf("  exception %u at eip %#x error %#x cr2 %#x\n", n->data->events[i].vector, n->data->events[i].eip,
               n->data->events[i].error, n->data->events[i].cr2);
}
