/* Character backends, and the terminal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "host/chardev.h"

#define PATIENCE_MS 5000

struct fixture {
    char dir[64], path[128], spec[160];
    struct loop *loop;
    struct mailbox *mail;
    pthread_t loop_thread;
    char received[700000];
    size_t received_len, room;
};

static struct fixture fixture_;

static size_t can_receive(void *opaque)
{
    struct fixture *f = opaque;

    return f->room < 16 ? f->room : 16; /* a UART with a FIFO */
}

static void receive(void *opaque, const uint8_t *buf, size_t n)
{
    struct fixture *f = opaque;

    assert_true(n > 0 && n <= can_receive(f) && f->received_len + n < sizeof f->received);
    memcpy(f->received + f->received_len, buf, n);
    f->received_len += n;
    f->room -= n;
}

static const struct chardev_frontend front = {can_receive, receive};

static void *run_loop(void *opaque)
{
    loop_run(opaque);
    return NULL;
}

static int setup(void **state)
{
    struct fixture *f = &fixture_;

    memset(f, 0, sizeof *f);
    f->room = SIZE_MAX;
    strcpy(f->dir, "/tmp/ringer-test-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof f->path, "%.60s/port", f->dir);
    f->loop = loop_create();
    f->mail = mailbox_create(NULL, NULL);
    *state = f;
    return pthread_create(&f->loop_thread, NULL, run_loop, f->loop);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    loop_quit(f->loop, 0);
    pthread_join(f->loop_thread, NULL);
    loop_destroy(f->loop);
    mailbox_destroy(f->mail);
    unlink(f->path);
    return rmdir(f->dir);
}

static struct chardev *open_spec(struct fixture *f, const char *prefix, const char *path)
{
    const char *why = NULL;
    struct chardev *c;

    snprintf(f->spec, sizeof f->spec, "%s%s", prefix, path);
    if (chardev_open(f->spec, f->loop, f->mail, &c, &why) != 0)
        fail_msg("%s %s", f->spec, why);
    chardev_attach(c, &front, f);
    return c;
}

static void expect_refusal(struct fixture *f, const char *prefix, const char *path, int error, const char *reason)
{
    struct chardev *c = (void *)f;
    const char *why = NULL;

    snprintf(f->spec, sizeof f->spec, "%s%s", prefix, path);
    assert_int_equal(chardev_open(f->spec, f->loop, f->mail, &c, &why), error);
    assert_null(c);
    assert_non_null(why);
    if (reason)
        assert_string_equal(why, reason);
}

/* Run mail until len bytes have arrived. */
static void wait_received(struct fixture *f, size_t len)
{
    for (int i = 0; f->received_len < len && i < PATIENCE_MS; i++) {
        mailbox_wait(f->mail, 1000000);
        mailbox_run(f->mail);
    }
    assert_int_equal(f->received_len, len);
}

static void write_all(struct chardev *c, const char *text)
{
    size_t n = strlen(text);

    for (int i = 0; n > 0 && i < PATIENCE_MS; i++) {
        struct timespec ms = {.tv_nsec = 1000000};
        size_t done = chardev_write(c, (const uint8_t *)text, n);

        assert_true(done <= n);
        text += done;
        n -= done;
        if (done == 0)
            nanosleep(&ms, NULL);
    }
    assert_int_equal(n, 0);
}

/* Read from fd until n bytes came. */
static void read_all(int fd, char *buf, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (n > 0) {
        ssize_t done;

        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        done = read(fd, buf, n);
        assert_true(done > 0);
        buf += done;
        n -= (size_t)done;
    }
}

static void nap_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

static void specs_are_checked(void **state)
{
    struct fixture *f = *state;
    struct chardev *c = (void *)f;
    const char *why;

    assert_int_equal(chardev_open("none", f->loop, f->mail, &c, &why), 0);
    assert_null(c);
    assert_int_equal(chardev_write(NULL, (const uint8_t *)"abc", 3), 3);
    chardev_attach(NULL, &front, f);
    chardev_accept_input(NULL);
    chardev_close(NULL);
    expect_refusal(f, "", "stdin", -EINVAL, "is not one of stdio, none, file:PATH, pty, unix:PATH");
    expect_refusal(f, "", "", -EINVAL, NULL);
    expect_refusal(f, "file:", "", -EINVAL, "names no file");
    expect_refusal(f, "unix:", "", -EINVAL, "names no socket");
}

static void memory_keeps_output_and_delivers_as_room_allows(void **state)
{
    struct fixture *f = *state;
    struct chardev *c = chardev_create_memory();
    const uint8_t *out;
    size_t len;

    write_all(c, "hello ");
    write_all(c, "world");
    out = chardev_memory_output(c, &len);
    assert_int_equal(len, 11);
    assert_memory_equal(out, "hello world", 11);
    chardev_memory_input(c, (const uint8_t *)"ab", 2); /* nobody there yet */
    chardev_attach(c, &front, f);
    f->room = 3;
    chardev_memory_input(c, (const uint8_t *)"cdef", 4);
    assert_int_equal(f->received_len, 3);
    f->room = 100;
    chardev_accept_input(c);
    assert_int_equal(f->received_len, 6);
    assert_memory_equal(f->received, "abcdef", 6);
    chardev_close(c);
}

static void file_takes_output(void **state)
{
    struct fixture *f = *state;
    struct chardev *c = open_spec(f, "file:", f->path);
    char buf[64] = {0};
    int fd;

    write_all(c, "guest output\n");
    chardev_accept_input(c);
    chardev_close(c); /* waits for the writer */
    fd = open(f->path, O_RDONLY);
    assert_int_equal(read(fd, buf, sizeof buf), 13);
    assert_string_equal(buf, "guest output\n");
    close(fd);
    expect_refusal(f, "file:", f->dir, -EISDIR, NULL);
    expect_refusal(f, "file:", "/nonexistent/x", -ENOENT, NULL);
    unlink(f->path);
    mkfifo(f->path, 0600);
    expect_refusal(f, "file:", f->path, -ENXIO, "has no reader");
}

static void slow_reader_stops_output_but_not_us(void **state)
{
    struct fixture *f = *state;
    static uint8_t block[65536];
    static char back[65536];
    struct chardev *c;
    size_t total = 0, done, left;
    int fd;

    mkfifo(f->path, 0600);
    fd = open(f->path, O_RDONLY | O_NONBLOCK);
    c = open_spec(f, "file:", f->path);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i % 251);
    do { /* until the pipe and our buffer are full */
        done = chardev_write(c, block + total % 251, 10007);
        total += done;
        nap_ms(done ? 0 : 20);
        if (!done)
            done = chardev_write(c, block + total % 251, 1), total += done;
    } while (done);
    assert_true(total >= 65536);
    for (left = total; left > 0;) { /* all of it, in order */
        size_t n = left < sizeof back ? left : sizeof back;

        read_all(fd, back, n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal((uint8_t)back[i], (total - left + i) % 251);
        left -= n;
    }
    close(fd);
    write_all(c, "thrown away");
    nap_ms(20);
    write_all(c, "and so is this");
    chardev_close(c);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void unix_socket_serves_one_client_after_another(void **state)
{
    struct fixture *f = *state;
    struct chardev *c = open_spec(f, "unix:", f->path);
    char buf[16];
    int first, second;

    write_all(c, "lost: nobody listens");
    first = connect_to(f->path);
    assert_int_equal(write(first, "one", 3), 3);
    wait_received(f, 3);
    assert_memory_equal(f->received, "one", 3);
    write_all(c, "hello");
    read_all(first, buf, 5);
    assert_memory_equal(buf, "hello", 5);
    second = connect_to(f->path); /* waits its turn */
    assert_int_equal(write(second, "two", 3), 3);
    nap_ms(10);
    mailbox_run(f->mail);
    assert_int_equal(f->received_len, 3);
    close(first);
    wait_received(f, 6);
    assert_memory_equal(f->received, "onetwo", 6);
    write_all(c, "again");
    read_all(second, buf, 5);
    assert_memory_equal(buf, "again", 5);
    chardev_close(c);
    assert_int_equal(read(second, buf, 1), 0);
    close(second);
    assert_int_equal(access(f->path, F_OK), -1);
}

static void unix_path_is_checked(void **state)
{
    struct fixture *f = *state;
    struct chardev *c;
    char long_path[150];
    int fd;

    c = open_spec(f, "unix:", f->path);
    expect_refusal(f, "unix:", f->path, -EADDRINUSE, "is in use by another process");
    chardev_close(c);
    fd = open(f->path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    expect_refusal(f, "unix:", f->path, -EEXIST, "exists and is not a socket");
    unlink(f->path);
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    expect_refusal(f, "unix:", long_path, -ENAMETOOLONG, NULL);
    expect_refusal(f, "unix:", "/nonexistent/socket", -ENOENT, NULL);
}

static void stale_socket_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct chardev *c;

    strcpy(address.sun_path, f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* its file stays */
    assert_int_equal(access(f->path, F_OK), 0);
    c = open_spec(f, "unix:", f->path);
    fd = connect_to(f->path);
    close(fd);
    chardev_close(c);
}

static void input_waits_until_the_device_has_room(void **state)
{
    struct fixture *f = *state;
    struct chardev *c = open_spec(f, "unix:", f->path);
    int fd = connect_to(f->path);
    static char sent[600000];
    size_t written = 0;

    f->room = 5;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 31 / 7);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < PATIENCE_MS && written < sizeof sent; i++) {
        ssize_t n = write(fd, sent + written, sizeof sent - written);

        if (n > 0)
            written += (size_t)n;
        if (i == 20) {
            assert_true(written < sizeof sent); /* the sender feels it */
            assert_int_equal(f->received_len, 5);
            f->room = SIZE_MAX;
            chardev_accept_input(c);
        }
        mailbox_wait(f->mail, 1000000);
        mailbox_run(f->mail);
    }
    assert_int_equal(written, sizeof sent);
    wait_received(f, sizeof sent);
    assert_memory_equal(f->received, sent, sizeof sent);
    chardev_close(c);
    close(fd);
}

/* Open a pty port; the name it prints on stderr. */
static struct chardev *open_pty_port(struct fixture *f, char *name, size_t size)
{
    static const char prefix[] = "ringer: serial port on ";
    int fds[2], saved = dup(STDERR_FILENO);
    char line[256] = {0};
    struct chardev *c;

    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    c = open_spec(f, "pty", "");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    assert_true(read(fds[0], line, sizeof line - 1) > 0);
    close(fds[0]);
    assert_memory_equal(line, prefix, sizeof prefix - 1);
    *strchr(line, '\n') = '\0';
    snprintf(name, size, "%.60s", line + sizeof prefix - 1);
    return c;
}

static void pty_passes_bytes_unchanged(void **state)
{
    struct fixture *f = *state;
    char name[64], buf[16];
    struct chardev *c = open_pty_port(f, name, sizeof name);
    int fd;

    write_all(c, "lost: nobody listens");
    for (int round = 1; round <= 2; round++) { /* programs come and go */
        fd = open(name, O_RDWR | O_NOCTTY);
        assert_true(fd >= 0);
        write_all(c, "a\r\nb\n");
        read_all(fd, buf, 5);
        assert_memory_equal(buf, "a\r\nb\n", 5);
        assert_int_equal(write(fd, "\3x\r\1", 4), 4);
        wait_received(f, 4 * (size_t)round);
        assert_memory_equal(f->received + f->received_len - 4, "\3x\r\1", 4);
        close(fd);
        nap_ms(round == 1 ? 20 : 0);
    }
    chardev_close(c);
}

/* Standard input and output are the fixture's for the time of a test. */
struct saved_stdio {
    int in, out;
};

static struct saved_stdio redirect(int in, int out)
{
    struct saved_stdio saved = {dup(STDIN_FILENO), dup(STDOUT_FILENO)};

    fflush(stdout);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    return saved;
}

static void restore(struct saved_stdio saved)
{
    dup2(saved.in, STDIN_FILENO);
    dup2(saved.out, STDOUT_FILENO);
    close(saved.in);
    close(saved.out);
}

static void stdio_in_pipes_is_plain_bytes(void **state)
{
    struct fixture *f = *state;
    int in[2], out[2];
    struct saved_stdio saved;
    struct chardev *c, *second;
    char buf[16];
    int flags;

    assert_int_equal(pipe(in) | pipe(out), 0);
    saved = redirect(in[0], out[1]);
    c = open_spec(f, "stdio", "");
    second = open_spec(f, "stdio", ""); /* takes no input away */
    assert_int_equal(write(in[1], "\1x\1\1", 4), 4);
    wait_received(f, 4);
    assert_memory_equal(f->received, "\1x\1\1", 4);
    write_all(c, "out");
    read_all(out[0], buf, 3);
    write_all(second, "too");
    read_all(out[0], buf + 3, 3);
    assert_memory_equal(buf, "outtoo", 6);
    close(in[1]); /* end of input is nothing special */
    nap_ms(5);
    write_all(c, "more");
    chardev_close(second);
    chardev_close(c);
    flags = fcntl(out[1], F_GETFL) | fcntl(in[0], F_GETFL);
    restore(saved);
    read_all(out[0], buf, 4);
    assert_memory_equal(buf, "more", 4);
    assert_false(flags & O_NONBLOCK);
    close(in[0]);
    close(out[0]);
    close(out[1]);
}

static void stdio_reads_a_file(void **state)
{
    struct fixture *f = *state;
    int fd = open(f->path, O_RDWR | O_CREAT, 0600), null = open("/dev/null", O_RDWR);
    static char text[100000];
    struct saved_stdio saved;
    struct chardev *c;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    lseek(fd, 0, SEEK_SET);
    saved = redirect(fd, null);
    f->room = 0;
    c = open_spec(f, "stdio", "");
    nap_ms(20); /* more than fits waits in the file */
    mailbox_run(f->mail);
    f->room = SIZE_MAX;
    chardev_accept_input(c);
    wait_received(f, sizeof text);
    chardev_close(c);
    restore(saved);
    assert_memory_equal(f->received, text, sizeof text);
    close(fd);
    close(null);
}

static void note_key(void *opaque, char key)
{
    char *keys = opaque;

    keys[strlen(keys)] = key;
}

static void terminal_is_raw_with_an_escape_key(void **state)
{
    struct fixture *f = *state;
    struct termios before, during, after;
    struct saved_stdio saved;
    struct chardev *c;
    char keys[16] = "", buf[16];
    int master, slave;

    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    tcgetattr(slave, &before);
    assert_true(before.c_lflag & ECHO);
    saved = redirect(slave, slave);
    tty_set_escape(note_key, keys);
    c = open_spec(f, "stdio", "");
    tcgetattr(slave, &during);
    assert_int_equal(write(master, "a\3\rb\1hc\1\1d\1", 11), 11);
    wait_received(f, 7); /* a ^C CR b c ^A d */
    assert_int_equal(write(master, "xe", 2), 2);
    wait_received(f, 8);
    write_all(c, "out");
    read_all(master, buf, 3);
    chardev_close(c);
    tty_set_escape(NULL, NULL);
    tcgetattr(slave, &after);
    restore(saved);
    assert_memory_equal(buf, "out", 3);
    assert_memory_equal(f->received, "a\3\rbc\1de", 8);
    assert_string_equal(keys, "hx");
    assert_false(during.c_lflag & (ECHO | ICANON | ISIG));
    assert_true(during.c_oflag & OPOST);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_iflag, before.c_iflag);
    close(master);
    close(slave);
}

static void no_terminal_no_raw_mode(void **state)
{
    int null = open("/dev/null", O_RDWR);
    struct saved_stdio saved = redirect(null, STDOUT_FILENO);
    int err = tty_raw_enter();

    restore(saved);
    close(null);
    assert_int_equal(err, -ENOTTY);
    tty_raw_leave();
}

/* Whether the terminal echoes again within the time. */
static bool is_restored(int slave)
{
    struct termios t;

    for (int i = 0; i < PATIENCE_MS; i++, nap_ms(1)) {
        if (tcgetattr(slave, &t) == 0 && (t.c_lflag & ECHO) && (t.c_lflag & ICANON))
            return true;
    }
    return false;
}

/* A child makes the terminal raw, says so by a pipe, and waits or exits. */
static pid_t start_raw_child(int slave, int ready, bool does_exit)
{
    pid_t pid = fork();

    if (pid)
        return pid;
    signal(SIGABRT, SIG_DFL);
    dup2(slave, STDIN_FILENO);
    if (tty_raw_enter() != 0)
        _exit(1);
    if (write(ready, "r", 1) != 1)
        _exit(1);
    if (does_exit)
        exit(0);
    for (;;)
        pause();
}

static void terminal_is_restored_whatever_ends_us(void **state)
{
    static const int ends[] = {0, SIGKILL, SIGTERM, SIGABRT, SIGHUP};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int master, slave, ready[2];
        struct termios t;
        char byte;
        pid_t pid;

        assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
        assert_int_equal(pipe(ready), 0);
        pid = start_raw_child(slave, ready[1], ends[i] == 0);
        close(ready[1]);
        read_all(ready[0], &byte, 1);
        tcgetattr(slave, &t);
        if (ends[i]) {
            assert_false(t.c_lflag & ECHO);
            kill(pid, ends[i]);
        }
        waitpid(pid, NULL, 0);
        assert_true(is_restored(slave));
        /* and the watcher has let go of everything it inherited: the pipe is at its end */
        assert_int_equal(read(ready[0], &byte, 1), 0);
        close(ready[0]);
        close(master);
        close(slave);
    }
}

static void watcher_leaves_a_mode_set_by_others_alone(void **state)
{
    int master, slave, ready[2];
    struct termios t, now;
    char byte;
    pid_t pid;

    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(pipe(ready), 0);
    pid = start_raw_child(slave, ready[1], false);
    close(ready[1]);
    read_all(ready[0], &byte, 1);
    tcgetattr(slave, &t);
    t.c_iflag |= ICRNL; /* a shell's own kind of raw */
    tcsetattr(slave, TCSANOW, &t);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    nap_ms(30);
    tcgetattr(slave, &now);
    assert_int_equal(now.c_lflag, t.c_lflag);
    assert_int_equal(now.c_iflag, t.c_iflag);
    close(ready[0]);
    close(master);
    close(slave);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(specs_are_checked),
        test(memory_keeps_output_and_delivers_as_room_allows),
        test(file_takes_output),
        test(slow_reader_stops_output_but_not_us),
        test(unix_socket_serves_one_client_after_another),
        test(unix_path_is_checked),
        test(stale_socket_is_replaced),
        test(input_waits_until_the_device_has_room),
        test(pty_passes_bytes_unchanged),
        test(stdio_in_pipes_is_plain_bytes),
        test(stdio_reads_a_file),
        test(terminal_is_raw_with_an_escape_key),
        test(no_terminal_no_raw_mode),
        test(terminal_is_restored_whatever_ends_us),
        test(watcher_leaves_a_mode_set_by_others_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
