/* See fault.h. */
#include "host/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include "host/util.h"

#define ALT_STACK_BYTES (256 * 1024)
#define PF_ERR_WRITE 2
#define TRAPNO_PF 14

_Static_assert((int)FAULT_R8 == REG_R8 && (int)FAULT_RDI == REG_RDI && (int)FAULT_RSP == REG_RSP &&
                   (int)FAULT_RIP == REG_RIP && (int)FAULT_EFL == REG_EFL,
               "fault_reg order");

static __thread struct fault_client *current_client;
static __thread void *alt_stack;

static void report_and_die(const struct fault *f, const ucontext_t *uc)
{
    char line[256];
    int n = snprintf(line, sizeof(line), "ringer: bug: signal %d at host pc %#llx, address %#lx\n", f->signo,
                     (unsigned long long)uc->uc_mcontext.gregs[REG_RIP], (unsigned long)f->address);

    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        _exit(70);
    /* Let a debugger or a core dump see the place; without one the status is ours. */
    if (getenv("RINGER_CORE")) {
        signal(f->signo, SIG_DFL);
        return;
    }
    exit(70);
}

static enum fault_kind kind_of(int signo, int code)
{
    if (signo == SIGSEGV)
        return FAULT_MEMORY;
    if (signo == SIGFPE)
        return FAULT_ARITHMETIC;
    return signo == SIGTRAP && code == TRAP_TRACE ? FAULT_STEP : FAULT_OTHER;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct fault_client *client = current_client;
    struct fault f = {
        .signo = signo,
        .kind = kind_of(signo, info->si_code),
        .is_write = (uc->uc_mcontext.gregs[REG_ERR] & PF_ERR_WRITE) != 0,
        .has_address = (signo == SIGSEGV || signo == SIGBUS) && uc->uc_mcontext.gregs[REG_TRAPNO] == TRAPNO_PF,
        .address = (uintptr_t)info->si_addr,
        .regs = uc->uc_mcontext.gregs,
    };

    if (client && client->fn(client->opaque, &f))
        return;
    current_client = NULL;
    report_and_die(&f, uc);
}

void fault_interrupt(void *context)
{
    struct fault_client *client = current_client;
    struct fault f = {.kind = FAULT_INTERRUPT, .regs = ((ucontext_t *)context)->uc_mcontext.gregs};

    if (client)
        client->fn(client->opaque, &f);
}

static void on_poke(int signo, siginfo_t *info, void *context)
{
    int saved_errno = errno;

    (void)signo;
    (void)info;
    fault_interrupt(context);
    errno = saved_errno;
}

void fault_poke(pthread_t thread)
{
    pthread_kill(thread, SIGURG);
}

/* The handler must not run on the interrupted stack: translated code's is small, and may be what faulted. */
static void make_alt_stack(void)
{
    void *p = mmap(NULL, ALT_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t ss = {.ss_sp = p, .ss_size = ALT_STACK_BYTES};

    if (p != MAP_FAILED && sigaltstack(&ss, NULL) == 0)
        alt_stack = p;
}

void fault_install(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    /* A fault inside the handler shall reach the bug report instead of a silent kill. */
    sigfillset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigdelset(&sa.sa_mask, signals[i]);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &sa, NULL);
    sa.sa_sigaction = on_poke;
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigaction(SIGURG, &sa, NULL);
}

void fault_set_client(struct fault_client *client)
{
    if (client && !alt_stack)
        make_alt_stack();
    current_client = client;
}
