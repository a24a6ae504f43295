/* The control socket with a recording machine: a loop thread, a machine thread, and clients in the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "devices/keycodes.h"
#include "frontend/control.h"

struct fixture {
    char path[64];
    struct loop *loop;
    struct mailbox *mail;
    struct control *control;
    pthread_t loop_thread, machine_thread;
    atomic_bool is_over;
    bool is_running, is_graphics;
    char calls[256]; /* what the machine was asked for */
};

static void note(struct fixture *f, const char *what)
{
    strncat(f->calls, what, sizeof(f->calls) - strlen(f->calls) - 1);
}

static bool is_running(void *opaque)
{
    return ((struct fixture *)opaque)->is_running;
}

static void stop(void *opaque)
{
    struct fixture *f = opaque;

    f->is_running = false;
    control_event(f->control, "STOP", NULL);
}

static void cont(void *opaque)
{
    struct fixture *f = opaque;

    f->is_running = true;
    control_event(f->control, "RESUME", NULL);
}

static void power_button(void *opaque)
{
    note(opaque, "power ");
}

static void reset(void *opaque)
{
    note(opaque, "reset ");
}

static void quit(void *opaque)
{
    struct fixture *f = opaque;

    note(f, "quit ");
    control_event(f->control, "SHUTDOWN", "{\"guest\": false}");
}

static bool send_keys(void *opaque, const uint16_t *keycodes, unsigned count, unsigned hold_ms)
{
    char text[32];

    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%u ", keycodes[i]);
        note(opaque, text);
    }
    snprintf(text, sizeof(text), "%ums ", hold_ms);
    note(opaque, text);
    return hold_ms != 7777;
}

static int screendump(void *opaque, const char *path, const char *format, char why[CONTROL_WHY_BYTES])
{
    if (!strcmp(path, "/bad")) {
        snprintf(why, CONTROL_WHY_BYTES, "'/bad' is bad");
        return -EACCES;
    }
    note(opaque, path);
    return 0;
}

static char *screen_text(void *opaque)
{
    return ((struct fixture *)opaque)->is_graphics ? NULL : strdup("one\n\ntwo\n");
}

static const struct control_target target = {
    .is_running = is_running,
    .stop = stop,
    .cont = cont,
    .power_button = power_button,
    .reset = reset,
    .quit = quit,
    .send_keys = send_keys,
    .screendump = screendump,
    .screen_text = screen_text,
};

static void *loop_main(void *opaque)
{
    loop_run(((struct fixture *)opaque)->loop);
    return NULL;
}

static void *machine_main(void *opaque)
{
    struct fixture *f = opaque;

    while (!atomic_load(&f->is_over)) {
        mailbox_run(f->mail);
        mailbox_wait(f->mail, 20000000);
    }
    mailbox_run(f->mail);
    return NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->is_running = true;
    snprintf(f->path, sizeof(f->path), "/tmp/ringer-test-control-%d", (int)getpid());
    f->loop = loop_create();
    f->mail = mailbox_create(NULL, NULL);
    if (control_create(&f->control, f->path, f->loop, f->mail, &target, f) < 0)
        return -1;
    pthread_create(&f->loop_thread, NULL, loop_main, f);
    pthread_create(&f->machine_thread, NULL, machine_main, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->is_over, true);
    pthread_join(f->machine_thread, NULL);
    loop_quit(f->loop, 0);
    pthread_join(f->loop_thread, NULL);
    control_destroy(f->control);
    mailbox_destroy(f->mail);
    loop_destroy(f->loop);
    if (access(f->path, F_OK) == 0)
        return -1;
    free(f);
    return 0;
}

/* --- a client --- */

static int client_connect(struct fixture *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(addr.sun_path, f->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static json_t *client_read(int fd)
{
    char line[65536];
    size_t n = 0;
    json_t *object;

    while (n + 1 < sizeof(line)) {
        assert_int_equal(recv(fd, line + n, 1, 0), 1);
        if (line[n++] == '\n')
            break;
    }
    object = json_loadb(line, n, 0, NULL);
    assert_non_null(object);
    return object;
}

static void client_write(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        assert_true(n > 0);
        text += n;
        len -= (size_t)n;
    }
}

static int client_open(struct fixture *f)
{
    int fd = client_connect(f);
    json_t *greeting = client_read(fd);

    assert_non_null(json_object_get(json_object_get(greeting, "QMP"), "version"));
    assert_true(json_is_array(json_object_get(json_object_get(greeting, "QMP"), "capabilities")));
    json_decref(greeting);
    return fd;
}

/* Send a line and compare the next object with expected, also JSON. */
static void assert_answer(int fd, const char *line, const char *expected)
{
    json_t *got, *want = json_loads(expected, 0, NULL);

    client_write(fd, line);
    client_write(fd, "\n");
    got = client_read(fd);
    if (!json_equal(got, want))
        fail_msg("%s gave %s", line, json_dumps(got, 0));
    json_decref(got);
    json_decref(want);
}

static void assert_error(int fd, const char *line, const char *class, const char *part)
{
    json_t *got, *error;

    client_write(fd, line);
    client_write(fd, "\n");
    got = client_read(fd);
    error = json_object_get(got, "error");
    assert_string_equal(json_string_value(json_object_get(error, "class")), class);
    if (!strstr(json_string_value(json_object_get(error, "desc")), part))
        fail_msg("%s gave %s", line, json_dumps(got, 0));
    json_decref(got);
}

static void assert_event(int fd, const char *name)
{
    json_t *got = client_read(fd);

    assert_string_equal(json_string_value(json_object_get(got, "event")), name);
    assert_true(json_integer_value(json_object_get(json_object_get(got, "timestamp"), "seconds")) > 1600000000);
    json_decref(got);
}

/* --- tests --- */

static void commands_are_answered(void **state)
{
    struct fixture *f = *state;
    int fd = client_open(f);
    char expected[256];

    assert_answer(fd, "{\"execute\": \"qmp_capabilities\"}", "{\"return\": {}}");
    assert_answer(fd, "{\"execute\": \"query-status\", \"id\": {\"a\": [1]}}",
                  "{\"return\": {\"running\": true, \"singlestep\": false, \"status\": \"running\"}, \"id\": {\"a\": [1]}}");
    assert_answer(fd, "{\"execute\": \"system_powerdown\", \"id\": 5}\r", "{\"return\": {}, \"id\": 5}");
    assert_answer(fd, "{\"execute\": \"system_reset\"}", "{\"return\": {}}");
    assert_answer(fd, "{\"execute\": \"screen-text\"}", "{\"return\": {\"lines\": [\"one\", \"\", \"two\"]}}");
    assert_answer(fd,
                  "{\"execute\": \"send-key\", \"arguments\": {\"keys\": [{\"type\": \"qcode\", \"data\": \"ctrl\"}, "
                  "\"c\", {\"type\": \"number\", \"data\": 28}]}}",
                  "{\"return\": {}}");
    assert_answer(fd, "{\"execute\": \"send-key\", \"arguments\": {\"keys\": [\"a\"], \"hold-time\": 5}}",
                  "{\"return\": {}}");
    assert_answer(fd, "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"/x.png\"}}", "{\"return\": {}}");
    snprintf(expected, sizeof(expected), "power reset %u %u %u 100ms %u 5ms /x.png", KEY_LEFT_CTRL, KEY_C, KEY_ENTER,
             KEY_A);
    assert_string_equal(f->calls, expected);
    close(fd);
}

static void mistakes_leave_the_connection_open(void **state)
{
    struct fixture *f = *state;
    int fd = client_open(f);

    assert_error(fd, "hello", "GenericError", "not JSON");
    assert_error(fd, "{\"execute\": ", "GenericError", "not JSON");
    assert_error(fd, "[]", "GenericError", "object");
    assert_error(fd, "{}", "GenericError", "execute");
    assert_error(fd, "{\"execute\": 3}", "GenericError", "execute");
    assert_error(fd, "{\"execute\": \"fly\"}", "CommandNotFound", "fly");
    assert_error(fd, "{\"execute\": \"stop\", \"arguments\": 1}", "GenericError", "arguments");
    assert_error(fd, "{\"execute\": \"send-key\"}", "GenericError", "keys");
    assert_error(fd, "{\"execute\": \"send-key\", \"arguments\": {\"keys\": []}}", "GenericError", "keys");
    assert_error(fd, "{\"execute\": \"send-key\", \"arguments\": {\"keys\": [\"nokey\"]}}", "GenericError", "nokey");
    assert_error(fd, "{\"execute\": \"send-key\", \"arguments\": {\"keys\": [[]]}}", "GenericError", "key");
    assert_error(fd, "{\"execute\": \"send-key\", \"arguments\": {\"keys\": [\"a\"], \"hold-time\": -1}}",
                 "GenericError", "hold-time");
    assert_error(fd, "{\"execute\": \"send-key\", \"arguments\": {\"keys\": [\"a\"], \"hold-time\": 7777}}",
                 "GenericError", "too many");
    assert_error(fd, "{\"execute\": \"screendump\"}", "GenericError", "filename");
    assert_error(fd, "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"/bad\"}}", "GenericError", "is bad");
    f->is_graphics = true;
    assert_error(fd, "{\"execute\": \"screen-text\"}", "GenericError", "text mode");
    assert_answer(fd, "{\"execute\": \"qmp_capabilities\"}", "{\"return\": {}}");
    close(fd);
}

static void overlong_line_is_refused_and_skipped(void **state)
{
    size_t len = CONTROL_MAX_LINE + 100000;
    char *line = malloc(len + 1);
    int fd = client_open(*state);

    memset(line, 'x', len);
    line[len] = 0;
    assert_error(fd, line, "GenericError", "longer");
    assert_answer(fd, "{\"execute\": \"qmp_capabilities\"}", "{\"return\": {}}");
    free(line);
    close(fd);
}

static void events_reach_every_client(void **state)
{
    int a = client_open(*state), b = client_open(*state);

    client_write(a, "{\"execute\": \"stop\"}\n");
    assert_event(b, "STOP");
    assert_event(a, "STOP");
    json_decref(client_read(a));
    assert_answer(b, "{\"execute\": \"query-status\"}",
                  "{\"return\": {\"running\": false, \"singlestep\": false, \"status\": \"paused\"}}");
    client_write(b, "{\"execute\": \"cont\"}\n");
    assert_event(a, "RESUME");
    close(a);
    close(b);
}

static void many_commands_at_once_are_answered_in_order(void **state)
{
    int fd = client_open(*state);
    char text[64];

    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "{\"execute\": \"%s\", \"id\": %d}\n", i % 3 ? "query-status" : "nix", i);
        client_write(fd, text);
    }
    for (int i = 0; i < 200; i++) {
        json_t *got = client_read(fd);

        assert_int_equal(json_integer_value(json_object_get(got, "id")), i);
        assert_true(json_object_get(got, i % 3 ? "return" : "error") != NULL);
        json_decref(got);
    }
    close(fd);
}

static void a_client_that_leaves_disturbs_nobody(void **state)
{
    int a = client_open(*state), b = client_open(*state);

    client_write(a, "{\"execute\": \"query-status\"}\n{\"execute\"");
    close(a);
    assert_answer(b, "{\"execute\": \"qmp_capabilities\"}", "{\"return\": {}}");
    close(b);
}

static void quit_is_answered(void **state)
{
    int fd = client_open(*state);

    client_write(fd, "{\"execute\": \"quit\"}\n");
    assert_event(fd, "SHUTDOWN");
    json_decref(client_read(fd));
    assert_string_equal(((struct fixture *)*state)->calls, "quit ");
    close(fd);
}

static void stale_socket_is_replaced_but_no_file(void **state)
{
    struct loop *loop = loop_create();
    struct mailbox *mail = mailbox_create(NULL, NULL);
    struct control *c, *other;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    FILE *file;
    int fd;

    snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/ringer-test-stale-%d", (int)getpid());
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd); /* the name stays, as after a kill */
    assert_int_equal(control_create(&c, addr.sun_path, loop, mail, &target, NULL), 0);
    assert_int_equal(control_create(&other, addr.sun_path, loop, mail, &target, NULL), -EADDRINUSE);
    control_destroy(c);
    file = fopen(addr.sun_path, "w");
    fclose(file);
    assert_int_equal(control_create(&c, addr.sun_path, loop, mail, &target, NULL), -EADDRINUSE);
    assert_int_equal(access(addr.sun_path, F_OK), 0);
    unlink(addr.sun_path);
    assert_int_equal(control_create(&c, "/nonexistent/socket", loop, mail, &target, NULL), -ENOENT);
    mailbox_destroy(mail);
    loop_destroy(loop);
}

#define WITH_FIXTURE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(commands_are_answered),
        WITH_FIXTURE(mistakes_leave_the_connection_open),
        WITH_FIXTURE(overlong_line_is_refused_and_skipped),
        WITH_FIXTURE(events_reach_every_client),
        WITH_FIXTURE(many_commands_at_once_are_answered_in_order),
        WITH_FIXTURE(a_client_that_leaves_disturbs_nobody),
        WITH_FIXTURE(quit_is_answered),
        cmocka_unit_test(stale_socket_is_replaced_but_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
