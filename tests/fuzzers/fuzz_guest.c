/* Whole small guests: the input is registers and memory; both engines run it for a while and must neither crash nor hang.  If it ends
 * by itself in few instructions, both must end in the same state.
 * Input: mode and flags 2, EFLAGS 4, general registers 8 times 4; then pieces of memory: address 2 (times 4), length 2, bytes; the first
 * of them is code. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#include "host/fault.h"
#include "tests/coverage/reasons.h"
#include "tests/coverage/start.h"
#include "tests/fuzzers/target.h"

#define INSNS    2000
#define KICK_NS  4000000ull     /* translated code has no count: it is asked to stop */
#define GIVE_UP  10000000000ull /* and must */

static struct fuzz_machine *interp, *translated;
static _Atomic(struct cpu *) running;
static atomic_ullong since_ns;
static pthread_t runner;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *watch(void *opaque)
{
    for (;;) {
        struct cpu *cpu = atomic_load(&running);
        uint64_t since = atomic_load(&since_ns), now = now_ns();

        if (cpu && now > since && now - since > KICK_NS) {
            cpu_kick(cpu);
            fault_poke(runner);
        }
        MUST(!cpu || now <= since || now - since < GIVE_UP);
        usleep(1000);
    }
    return NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct bt_options bt = {.cache_bytes = MIB(8), .without = 1u << BT_TIERS};
    pthread_t thread;

    interp = machine_create(false, NULL);
    translated = machine_create(true, &bt);
    runner = pthread_self();
    MUST(pthread_create(&thread, NULL, watch, NULL) == 0);
    return 0;
}

/* One page table for the low 4 MiB, itself; flags of each page from the input. */
static void add_paging(struct fuzz_case *c, unsigned seed)
{
    memset(c->image + TABLES_GPA, 0, 0x2000);
    store_le(c->image + TABLES_GPA, 4, (TABLES_GPA + 0x1000) | 7);
    for (unsigned page = 0; page < MEMORY_BYTES >> 12; page++)
        store_le(c->image + TABLES_GPA + 0x1000 + 4 * page, 4, page << 12 | (((seed >> page % 13) & 7) == 7 ? 5 : 0x67));
    c->cr3 = TABLES_GPA;
    c->cr0 |= CR0_PG | (seed & 1 ? CR0_WP : 0);
    c->is_paged = true;
    c->has_clear_a = true;
}

static void make_case(struct fuzz_case *c, struct input in)
{
    unsigned flags = (unsigned)input_take(&in, 2), pieces = 0;

    memset(c, 0, sizeof(*c));
    start_image(c->image);
    start_mode(c, flags & 3);
    c->eflags = (c->eflags & EFLAGS_VM) | EFLAGS_1 | ((uint32_t)input_take(&in, 4) & 0x257fd5);
    for (unsigned r = 0; r < 8; r++)
        c->gpr[r] = input_take(&in, 4);
    if (!(flags & 4))
        c->gpr[REG_SP] = STACK_AT - (uint32_t)c->seg[SEG_SS].base;
    store_le(c->fpu, 2, flags & 8 ? 0x340 : 0x37f); /* exceptions unmasked */
    store_le(c->fpu + 4, 1, 0xff);
    store_le(c->fpu + 24, 4, flags & 16 ? 0 : 0x1f80);
    if (flags & 32)
        c->cr0 |= CR0_TS;
    if ((flags & 64) && c->mode != FUZZ_REAL)
        add_paging(c, flags >> 8);
    while (in.left) {
        uint32_t gpa = (uint32_t)input_take(&in, 2) * 4;
        size_t len = input_take(&in, 2);

        if (!pieces++)
            gpa = CODE_AT;
        len = len < in.left ? len : in.left;
        if (len > MEMORY_BYTES - gpa % MEMORY_BYTES)
            len = MEMORY_BYTES - gpa % MEMORY_BYTES;
        memcpy(c->image + gpa % MEMORY_BYTES, in.data, len);
        in.data += len;
        in.left -= len;
    }
}

static bool run(struct fuzz_machine *m, const struct fuzz_case *c)
{
    bool is_ended;

    machine_load(m, c);
    atomic_store(&since_ns, now_ns());
    atomic_store(&running, m->cpu);
    is_ended = machine_run(m, INSNS);
    atomic_store(&running, NULL);
    return is_ended;
}

/* Did the case change its page tables, other than A and D?  What an engine still knows of the old entries is its affair. */
static bool changed_tables(const struct fuzz_machine *m, const struct fuzz_case *c)
{
    const uint8_t *mem = guestmem_view(m->mem);

    for (uint32_t at = TABLES_GPA; c->is_paged && at < TABLES_GPA + 2 * GUEST_PAGE_SIZE; at += 4)
        if ((load_le(mem + at, 4) ^ load_le(c->image + at, 4)) & ~0x60u)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_case c;

    char what[256];
    bool is_ended;

    make_case(&c, (struct input){data, size});
    is_ended = run(interp, &c);
    if (run(translated, &c) && is_ended && !changed_tables(interp, &c) && !changed_tables(translated, &c) && machine_differ(interp, translated, &c, true, what, sizeof(what))) {
        fprintf(stderr, "%s\n", what);
        MUST(!"engines agree");
    }
    return 0;
}
