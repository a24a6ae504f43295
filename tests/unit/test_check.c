/* Checked addresses: what translated code may access, and that the rest ends with a report. */
#include "bt_fixture.h"
#include <sys/mman.h>
#define REG_R8 UCONTEXT_R8 /* <ucontext.h>, below <sys/wait.h>, has names like enum gpr */
#define REG_R15 UCONTEXT_R15
#include <sys/wait.h>
#undef REG_R8
#undef REG_R15
#include <unistd.h>
#include "bt/check.h"

static int setup(void **state)
{
    return bt_fixture_setup(state, true);
}

/* Run "hlt" as a guest, so that a window is current; then host code that makes an access at gs:[host register + disp].  Returns
 * how the process ended. */
static int access_in_child(struct bt_fixture *t, int reg, int disp)
{
    struct emit *e = &t->bt->e;
    struct fault_client *client = &t->bt->fault_client;
    struct hmem m = HMEM(reg, disp);
    const uint8_t *code;
    int status;
    pid_t child = fork();

    if (child == 0) {
        fault_install(); /* cmocka has handlers of its own */
        t->f->ram[CODE] = 0xf4;
        t->f->cpu->rip = CODE;
        bt_run(t->bt);
        m.is_gs = true;
        code = emit_here(e);
        emit_load(e, H_R11, m, 4);
        emit_jmp(e, t->bt->stub_lookup);
        t->f->cpu->gpr[REG_BX] = CODE;
        fault_set_client(client);
        t->bt->is_running = true;
        _exit(t->bt->enter(t->f->cpu, code) == EXIT_LOOKUP ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void inside_the_window_is_allowed(void **state) { assert_int_equal(access_in_child(*state, H_RBX, 0), 0); }

static void below_the_window_is_reported(void **state)
{
    assert_int_equal(access_in_child(*state, H_RBX, -CODE - 4), 70);
}

static void host_pointers_are_reported(void **state) { assert_int_equal(access_in_child(*state, R_CPU, 0), 70); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(inside_the_window_is_allowed, setup, bt_fixture_teardown),
        cmocka_unit_test_setup_teardown(below_the_window_is_reported, setup, bt_fixture_teardown),
        cmocka_unit_test_setup_teardown(host_pointers_are_reported, setup, bt_fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
