/* Log channels and lines. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "host/log.h"

/* Run fn with stderr in a pipe; what it wrote. */
static const char *captured(void (*fn)(void))
{
    static char text[4096];
    int fds[2], saved = dup(STDERR_FILENO);
    ssize_t n;

    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    fn();
    dup2(saved, STDERR_FILENO);
    close(saved);
    n = read(fds[0], text, sizeof text - 1);
    close(fds[0]);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void channels_are_parsed(void **state)
{
    const char *bad = NULL;
    unsigned mask = 0;

    assert_int_equal(log_parse("irq,exc", &mask, &bad), 0);
    assert_int_equal(mask, LOG_IRQ | LOG_EXC);
    assert_int_equal(log_parse("all", &mask, &bad), 0);
    assert_int_equal(mask, 0xff);
    assert_int_equal(log_parse("bt", &mask, &bad), 0);
    assert_int_equal(mask, LOG_BT);
}

static void unknown_channel_is_shown(void **state)
{
    const char *list = "irq,irqs,exc", *bad = NULL;
    unsigned mask = 77;

    assert_int_equal(log_parse(list, &mask, &bad), -EINVAL);
    assert_ptr_equal(bad, list + 4);
    assert_int_equal(mask, 77);
    assert_int_equal(log_parse("", &mask, &bad), -EINVAL);
    assert_int_equal(log_parse("irq,", &mask, &bad), -EINVAL);
}

static void write_two_channels(void)
{
    log_mask = LOG_IRQ;
    log_at(LOG_IRQ, "pic: irq %u", 3);
    log_at(LOG_EXC, "not this");
}

static void only_chosen_channels_are_written(void **state)
{
    assert_string_equal(captured(write_two_channels), "irq: pic: irq 3\n");
}

static void write_long_line(void)
{
    log_error("%3000d", 1);
}

static void long_lines_are_cut(void **state)
{
    const char *text = captured(write_long_line);

    assert_in_range(strlen(text), 100, 2000);
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_memory_equal(text, "ringer: ", 8);
}

static void unimp_twice(void)
{
    log_mask = LOG_UNIMP;
    for (int i = 0; i < 2; i++)
        log_unimp("mode %d", i);
}

static void unimp_is_logged_once_a_site(void **state)
{
    assert_string_equal(captured(unimp_twice), "unimp: mode 0\n");
}

static void dump(void *opaque)
{
    log_error("%s", (const char *)opaque);
}

static void meet_bug(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        bug_set_dump(dump, "the dump");
        BUG("impossible %d", 5);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
}

static void bug_reports_dumps_and_exits_with_70(void **state)
{
    const char *text = captured(meet_bug);

    assert_non_null(strstr(text, "ringer: bug at "));
    assert_non_null(strstr(text, "test_log.c"));
    assert_non_null(strstr(text, "ringer: impossible 5\n"));
    assert_non_null(strstr(text, "ringer: the dump\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_are_parsed),
        cmocka_unit_test(unknown_channel_is_shown),
        cmocka_unit_test(only_chosen_channels_are_written),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(unimp_is_logged_once_a_site),
        cmocka_unit_test(bug_reports_dumps_and_exits_with_70),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
