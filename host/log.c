/* Log lines, error lines and bug reports.
 *
 * A line is put together in a buffer and leaves in one write(), so that lines of different threads do not mix. */
#include "host/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "host/chardev.h"
#include "host/util.h"

#define LINE_MAX_BYTES 1024
#define BUG_STATUS     70

unsigned log_mask;

/* Beside the mask the only file-scope state: a bug may be found where no object is at hand. */
static void (*bug_dump)(void *opaque);
static void *bug_dump_opaque;

static const struct {
    const char *name;
    unsigned channel;
} channels[] = {
    {"bt", LOG_BT},   {"mmu", LOG_MMU}, {"irq", LOG_IRQ},   {"io", LOG_IO},
    {"exc", LOG_EXC}, {"dev", LOG_DEV}, {"boot", LOG_BOOT}, {"unimp", LOG_UNIMP},
    {"code", LOG_CODE},
};

static unsigned channel_by_name(const char *word, size_t len)
{
    unsigned all = 0;

    for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
        if (strlen(channels[i].name) == len && memcmp(channels[i].name, word, len) == 0)
            return channels[i].channel;
        if (channels[i].channel != LOG_CODE) /* every block's disassembly is more than anybody means by "all" */
            all |= channels[i].channel;
    }
    return len == 3 && memcmp(word, "all", 3) == 0 ? all : 0;
}

int log_parse(const char *list, unsigned *mask, const char **bad)
{
    unsigned result = 0;

    for (const char *word = list;;) {
        size_t len = strcspn(word, ",");
        unsigned channel = channel_by_name(word, len);

        if (!channel) {
            *bad = word;
            return -EINVAL;
        }
        result |= channel;
        if (word[len] == '\0')
            break;
        word += len + 1;
    }
    *mask = result;
    return 0;
}

static void write_all(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody listens */
        p += done;
        n -= (size_t)done;
    }
}

/* "<prefix>: <text>\n"; text that is too long is cut.  errno survives. */
static void write_line(const char *prefix, const char *fmt, va_list args)
{
    char line[LINE_MAX_BYTES];
    int saved_errno = errno;
    size_t used = (size_t)snprintf(line, sizeof line - 1, "%s: ", prefix);
    int n = vsnprintf(line + used, sizeof line - 1 - used, fmt, args);

    if (n > 0)
        used += (size_t)n < sizeof line - 1 - used ? (size_t)n : sizeof line - 2 - used;
    line[used++] = '\n';
    write_all(line, used);
    errno = saved_errno;
}

static const char *channel_name(unsigned channel)
{
    for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
        if (channels[i].channel & channel)
            return channels[i].name;
    }
    return "log";
}

void log_write(unsigned channel, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line(channel_name(channel), fmt, args);
    va_end(args);
}

void log_error(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line("ringer", fmt, args);
    va_end(args);
}

void log_warn(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line("ringer: warning", fmt, args);
    va_end(args);
}

void bug_set_dump(void (*dump)(void *opaque), void *opaque)
{
    bug_dump = dump;
    bug_dump_opaque = opaque;
}

void bug_at(const char *file, int line, const char *fmt, ...)
{
    void (*dump)(void *opaque) = bug_dump;
    va_list args;

    bug_dump = NULL; /* a bug in the dump must not run it again */
    tty_raw_leave();
    log_error("bug at %s:%d", file, line);
    va_start(args, fmt);
    write_line("ringer", fmt, args);
    va_end(args);
    if (dump)
        dump(bug_dump_opaque);
    fflush(stderr);
    _exit(BUG_STATUS); /* not exit(): other threads are still running, and destructors trust state we no longer do */
}
