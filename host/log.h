/* Log channels, warnings and bug reports.  The log mask is the program's only global. */
#ifndef HOST_LOG_H
#define HOST_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_channel {
    LOG_BT = 1u << 0,   /* translation, chaining, invalidation */
    LOG_MMU = 1u << 1,  /* page walks, windows, space changes */
    LOG_IRQ = 1u << 2,  /* interrupt controllers and lines */
    LOG_IO = 1u << 3,   /* port and memory-mapped accesses nobody answers, and device registers */
    LOG_EXC = 1u << 4,  /* exceptions, interrupts, task switches */
    LOG_DEV = 1u << 5,  /* device state changes */
    LOG_BOOT = 1u << 6, /* loaders, firmware configuration */
    LOG_CODE = 1u << 8, /* every translated block, guest and host code */
    LOG_UNIMP = 1u << 7 /* guest asked for what we lack; once per site */
};

/* Channels being written, ORed log_channel bits.  Set before threads start. */
extern unsigned log_mask;

/* Parse "irq,exc" (or "all") into a mask.  0, or -EINVAL with *bad pointing at the unknown word. */
int log_parse(const char *list, unsigned *mask, const char **bad);

/* Write one line to stderr, prefixed by the channel name.  Any thread.  No newline in fmt. */
void log_write(unsigned channel, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_at(channel, ...)                                                                       \
    do {                                                                                           \
        if (__builtin_expect(log_mask & (channel), 0))                                             \
            log_write(channel, __VA_ARGS__);                                                       \
    } while (0)

/* The guest used something Ringer lacks: logged once per call site, when LOG_UNIMP is on. */
#define log_unimp(...)                                                                             \
    do {                                                                                           \
        static bool logged_;                                                                       \
        if (!logged_ && (log_mask & LOG_UNIMP)) {                                                  \
            logged_ = true;                                                                        \
            log_write(LOG_UNIMP, __VA_ARGS__);                                                     \
        }                                                                                          \
    } while (0)

/* "ringer: <text>" on stderr, one line.  Any thread. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* We are wrong: print where and why, run the registered dump (CPU, block), exit with status 70.
 * dump may be NULL; it runs on the failing thread. */
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void bug_set_dump(void (*dump)(void *opaque), void *opaque);
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)

#endif
