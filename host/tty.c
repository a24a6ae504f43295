/* Standard input, and the terminal it may be.
 *
 * A terminal in raw mode must not stay so, whatever ends us.  exit() is covered by atexit(), everything the process
 * can still react to by tty_raw_leave() (async-signal-safe), and the rest, SIGKILL included, by a watcher: a child
 * process that waits at the reading end of a pipe whose writing end only we hold.
 *
 *      parent                         watcher
 *      tty_raw_enter: fork  ───────>  read(pipe) …
 *      tty_raw_leave: 'q'   ───────>  exits (the parent has restored the terminal itself)
 *      dies:          EOF   ───────>  restores the terminal, if it is still as the parent left it
 *
 * The watcher is a session of its own with all signals blocked, so neither Ctrl-C nor a kill of our process group
 * reaches it, and holds nothing but the pipe and the terminal: no lock, socket or pipe outlives us through it.
 *
 * A process has one terminal, so this file's state is file-scope. */
#include "host/chardev_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "host/log.h"

#define ESCAPE_KEY   1 /* Ctrl-A */
#define INPUT_EVENTS (EPOLLIN | EPOLLONESHOT)

static struct {
    bool is_raw; /* atomic */
    struct termios saved, raw;
    pid_t watcher; /* 0: none */
    int watcher_pipe;
    bool has_atexit;
} terminal;

static struct {
    struct loop *loop;
    int fd; /* in the loop: standard input, or an eventfd standing in for a file, which epoll does not take */
    void (*fn)(void *opaque, const uint8_t *buf, size_t n);
    void *opaque;
    size_t (*room)(void *opaque);
    void (*escape)(void *opaque, char key);
    void *escape_opaque;
    bool is_terminal;
    bool is_escaped; /* the last key was Ctrl-A */
} input;

static bool is_same_mode(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_lflag == b->c_lflag &&
           a->c_cflag == b->c_cflag && memcmp(a->c_cc, b->c_cc, sizeof a->c_cc) == 0;
}

/* In the child, after fork() of a process that may have threads: async-signal-safe calls only. */
static _Noreturn void watch_parent(int pipe_fd)
{
    struct termios now;
    char byte;
    ssize_t n;

    setsid();
    if (pipe_fd != 1) /* 0 is the terminal, 1 becomes the pipe */
        dup2(pipe_fd, 1);
    if (close_range(2, ~0u, 0) < 0) {
        for (int fd = 2; fd < 1024; fd++)
            close(fd);
    }
    do
        n = read(1, &byte, 1);
    while (n < 0 && errno == EINTR);
    /* the shell may have set its own mode already: leave that alone */
    if (n == 0 && tcgetattr(STDIN_FILENO, &now) == 0 && is_same_mode(&now, &terminal.raw))
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.saved);
    _exit(0);
}

static void start_watcher(void)
{
    sigset_t all, old;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    sigfillset(&all); /* also lets the watcher change the terminal from the background: no SIGTTOU */
    sigprocmask(SIG_SETMASK, &all, &old);
    terminal.watcher = fork();
    if (terminal.watcher == 0)
        watch_parent(fds[0]);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(fds[0]);
    if (terminal.watcher < 0) {
        terminal.watcher = 0;
        close(fds[1]);
        return;
    }
    terminal.watcher_pipe = fds[1];
}

/* Async-signal-safe. */
static void stop_watcher(void)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    if (!terminal.watcher)
        return;
    if (write(terminal.watcher_pipe, "q", 1) < 0) {
        /* it is gone already */
    }
    close(terminal.watcher_pipe);
    for (int i = 0; i < 100 && waitpid(terminal.watcher, NULL, WNOHANG) == 0; i++)
        nanosleep(&ms, NULL);
    terminal.watcher = 0;
}

int tty_raw_enter(void)
{
    if (__atomic_load_n(&terminal.is_raw, __ATOMIC_ACQUIRE))
        return 0;
    if (tcgetattr(STDIN_FILENO, &terminal.saved) < 0)
        return -ENOTTY;
    terminal.raw = terminal.saved;
    terminal.raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    terminal.raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    terminal.raw.c_cflag = (terminal.raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    terminal.raw.c_cc[VMIN] = 1;
    terminal.raw.c_cc[VTIME] = 0;
    /* c_oflag stays: our own messages end in a bare newline */
    if (!terminal.has_atexit) {
        terminal.has_atexit = true;
        atexit(tty_raw_leave);
    }
    if (tcsetattr(STDIN_FILENO, TCSANOW, &terminal.raw) < 0)
        return -errno;
    tcgetattr(STDIN_FILENO, &terminal.raw); /* as the driver took it */
    start_watcher();
    __atomic_store_n(&terminal.is_raw, true, __ATOMIC_RELEASE);
    return 0;
}

void tty_raw_leave(void)
{
    int saved_errno = errno;

    if (__atomic_exchange_n(&terminal.is_raw, false, __ATOMIC_ACQ_REL)) {
        /* The guest may have left colours, line-drawing characters or a hidden cursor behind. */
        static const char reset[] = "\033[0m\017\033[?25h\r\n";

        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.saved);
        if (isatty(STDOUT_FILENO) && write(STDOUT_FILENO, reset, sizeof(reset) - 1) < 0) {
            /* nothing to be done about a terminal that is gone */
        }
        stop_watcher();
    }
    errno = saved_errno;
}

void tty_set_escape(void (*fn)(void *opaque, char key), void *opaque)
{
    input.escape = fn;
    input.escape_opaque = opaque;
}

/* Pass buf on, without the escape key and what follows it. */
static void filter_escapes(const uint8_t *buf, size_t n)
{
    uint8_t plain[1024];
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        bool was_escaped = input.is_escaped;

        input.is_escaped = !was_escaped && buf[i] == ESCAPE_KEY;
        if (input.is_escaped)
            continue;
        if (!was_escaped || buf[i] == ESCAPE_KEY) {
            plain[used++] = buf[i]; /* n is at most sizeof plain */
            continue;
        }
        if (used)
            input.fn(input.opaque, plain, used);
        used = 0;
        input.escape(input.escape_opaque, (char)buf[i]);
    }
    if (used)
        input.fn(input.opaque, plain, used);
}

static void stop_input(void)
{
    if (input.fd < 0 || !input.loop)
        return;
    loop_remove_fd(input.loop, input.fd);
    if (input.fd != STDIN_FILENO)
        close(input.fd);
    input.fd = -1;
}

static void on_readable(void *opaque, int fd, uint32_t events)
{
    uint8_t buf[1024];
    size_t room = input.is_terminal || !input.room ? sizeof buf : input.room(input.opaque);
    ssize_t n;

    if (room == 0)
        return; /* tty_resume_input() follows */
    n = read(STDIN_FILENO, buf, room < sizeof buf ? room : sizeof buf);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        return; /* the end: not armed again */
    if (n > 0 && input.is_terminal && input.escape)
        filter_escapes(buf, (size_t)n);
    else if (n > 0)
        input.fn(input.opaque, buf, (size_t)n);
    tty_resume_input();
}

void tty_resume_input(void)
{
    if (input.fd >= 0 && input.loop)
        loop_modify_fd(input.loop, input.fd, INPUT_EVENTS);
}

bool tty_has_input(void)
{
    return input.fn != NULL;
}

void tty_set_input(struct loop *loop, void (*fn)(void *opaque, const uint8_t *buf, size_t n), void *opaque)
{
    tty_set_paced_input(loop, fn, NULL, opaque);
}

void tty_set_paced_input(struct loop *loop, void (*fn)(void *opaque, const uint8_t *buf, size_t n),
                         size_t (*room)(void *opaque), void *opaque)
{
    int err;

    stop_input();
    input.loop = loop;
    input.fn = fn;
    input.opaque = opaque;
    input.room = room;
    input.is_escaped = false;
    input.is_terminal = isatty(STDIN_FILENO);
    input.fd = -1;
    if (!fn)
        return;
    input.fd = STDIN_FILENO;
    err = loop_add_fd(loop, input.fd, INPUT_EVENTS, on_readable, NULL);
    if (err == -EPERM) { /* a regular file or /dev/null: always readable */
        input.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        err = input.fd < 0 ? -errno : loop_add_fd(loop, input.fd, INPUT_EVENTS, on_readable, NULL);
    }
    if (err)
        input.fd = -1; /* no standard input at all */
}
