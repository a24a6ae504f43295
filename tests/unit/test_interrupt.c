/* Translated code is stopped by a signal, between two guest instructions and where an interrupt may be taken. */
#include "bt_fixture.h"

#include <pthread.h>
#include "host/fault.h"

#define TIMES 500 /* interruptions looked at */
#define STACK 0x9000

struct interrupter {
    struct cpu *cpu;
    pthread_t thread; /* to be interrupted */
    atomic_bool is_over;
};

static void *interrupt(void *opaque)
{
    struct interrupter *i = opaque;

    for (unsigned random = 1; !atomic_load(&i->is_over); random = random * 1103515245 + 12345) {
        for (volatile unsigned n = random >> 20; n; n--)
            ;
        cpu_kick(i->cpu);
        fault_poke(i->thread);
    }
    return NULL;
}

static struct interrupter interrupter; /* outlives a test that fails */

static pthread_t start_interrupting(struct cpu *cpu)
{
    pthread_t thread;

    fault_install(); /* cmocka has handlers of its own */
    interrupter = (struct interrupter){.cpu = cpu, .thread = pthread_self()};
    assert_int_equal(pthread_create(&thread, NULL, interrupt, &interrupter), 0);
    return thread;
}

static void stop_interrupting(pthread_t thread)
{
    atomic_store(&interrupter.is_over, true);
    pthread_join(thread, NULL);
}

/* Goes on where it was, until it is interrupted or halts. */
static void run(struct bt_fixture *t)
{
    cpu_clear_kick(t->f->cpu);
    bt_run(t->bt);
}

/* Runs code, which does not end, from EIP `from` of its start, and calls check(t, EIP) at each place it is interrupted at.  places: so many different
 * ones are waited for. */
static void interrupt_from(struct bt_fixture *t, uint32_t from, const char *code, size_t len, unsigned places, void (*check)(struct bt_fixture *t, uint32_t at))
{
    struct cpu *cpu = t->f->cpu;
    uint64_t seen = 0;
    pthread_t thread;

    memcpy(t->f->ram + CODE, code, len);
    cpu->rip = CODE + from;
    thread = start_interrupting(cpu);
    for (uint64_t n = t->bt->stats.interrupted; t->bt->stats.interrupted - n < TIMES || (unsigned)__builtin_popcountll(seen) < places;) {
        run(t);
        assert_in_range(cpu->rip, CODE, CODE + len - 1);
        seen |= 1ull << (cpu->rip - CODE);
        check(t, (uint32_t)cpu->rip - CODE);
    }
    stop_interrupting(thread);
}

static void interrupt_often(struct bt_fixture *t, const char *code, size_t len, unsigned places, void (*check)(struct bt_fixture *t, uint32_t at))
{
    interrupt_from(t, 0, code, len, places, check);
}

static void anywhere(struct bt_fixture *t, uint32_t at) {}

static void a_loop_that_does_nothing_is_left(void **state)
{
    interrupt_often(*state, "\xeb\xfe", 2, 1, anywhere);
}

static void sees_the_stack_as_it_is(struct bt_fixture *t, uint32_t at)
{
    static const int pushed[] = {0, 4, 8, 4, 0, 0};

    assert_int_equal(t->f->cpu->gpr[REG_SP], STACK - pushed[at]);
}

/* push eax; push ebx; pop ecx; pop edx; inc esi; jmp */
static void folded_pushes_are_made_up_for(void **state)
{
    struct bt_fixture *t = *state;

    t->f->cpu->gpr[REG_SP] = STACK;
    interrupt_often(t, "\x50\x53\x59\x5a\x46\xeb\xf9", 7, 4, sees_the_stack_as_it_is);
}

static void not_in_the_shadow(struct bt_fixture *t, uint32_t at)
{
    assert_true(at != 2 || t->f->cpu->has_shadow); /* the interpreter may stop there, and says so */
}

/* cli; sti; inc eax; jmp */
static void not_between_sti_and_the_next_instruction(void **state)
{
    interrupt_often(*state, "\xfa\xfb\x40\xeb\xfb", 5, 3, not_in_the_shadow);
}

/* mov ss, bx; mov eax, ebx; jmp */
static void not_between_a_load_of_ss_and_the_next_instruction(void **state)
{
    struct bt_fixture *t = *state;

    t->f->cpu->gpr[REG_BX] = S_DATA0;
    interrupt_often(t, "\x8e\xd3\x89\xd8\xeb\xfa", 6, 2, not_in_the_shadow);
}

/* again: inc eax; jz again; in: inc ebx; jmp again.  Entered at `in`, which the first block then joins. */
static void a_block_where_time_goes_does_not_join_another(void **state)
{
    struct bt_fixture *t = *state;
    const struct block *b;

    interrupt_from(t, 3, "\x40\x74\xfd\x43\xeb\xfa", 6, 3, anywhere);
    b = block_at(t, CODE);
    assert_non_null(b);
    assert_int_equal(b->n_insns, 4);
    assert_true(t->bt->stats.lengthened >= 1);
}

/* rep movsb; hlt */
static void repeated_instructions_are_left_between_iterations(void **state)
{
    enum { BYTES = 0x40000, TO = 0x120000 };
    struct bt_fixture *t = *state;
    struct cpu *cpu = t->f->cpu;
    unsigned begun = 0;
    pthread_t thread;

    memcpy(t->f->ram + CODE, "\xf3\xa4\xf4", 3);
    for (unsigned n = 0; n < BYTES; n++)
        t->f->ram[DATA + n] = (uint8_t)(n * 7 + (n >> 8));
    thread = start_interrupting(cpu);
    while (begun < 10) {
        memset(t->f->ram + TO, 0, BYTES);
        cpu->is_halted = false;
        cpu->rip = CODE;
        cpu->gpr[REG_SI] = DATA;
        cpu->gpr[REG_DI] = TO;
        cpu->gpr[REG_CX] = BYTES;
        while (!cpu->is_halted) {
            run(t);
            assert_int_equal(cpu->gpr[REG_SI] - DATA + cpu->gpr[REG_CX], BYTES);
            assert_int_equal(cpu->gpr[REG_DI] - TO + cpu->gpr[REG_CX], BYTES);
            if (cpu->is_mid_rep)
                assert_true(cpu->rip == CODE && cpu->gpr[REG_CX] != 0 && cpu->gpr[REG_CX] != BYTES);
            begun += cpu->is_mid_rep;
        }
        assert_memory_equal(t->f->ram + TO, t->f->ram + DATA, BYTES);
    }
    stop_interrupting(thread);
}

static int setup(void **state) { return bt_fixture_setup(state, false); }

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, bt_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_loop_that_does_nothing_is_left),
        TEST(folded_pushes_are_made_up_for),
        TEST(not_between_sti_and_the_next_instruction),
        TEST(not_between_a_load_of_ss_and_the_next_instruction),
        TEST(a_block_where_time_goes_does_not_join_another),
        TEST(repeated_instructions_are_left_between_iterations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
