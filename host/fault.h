/* Signals that interrupt translated code: synchronous ones that it raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP), and those that
 * want it to stop.
 *
 * One handler per process; the only thread-local variable of the program says which fault client, if any, runs on this
 * thread.  A fault outside translated code is our own bug: registers are printed and the program ends with status 70.
 * Thread: the client is per thread; fault_install() once, on any thread. */
#ifndef HOST_FAULT_H
#define HOST_FAULT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What the handler may look at and change: the interrupted registers. */
enum fault_kind { FAULT_MEMORY, FAULT_ARITHMETIC, FAULT_STEP, FAULT_INTERRUPT, FAULT_OTHER };

struct fault {
    int signo;
    enum fault_kind kind; /* SIGSEGV; SIGFPE; SIGTRAP after one instruction with EFLAGS.TF; fault_interrupt(); the rest */
    bool is_write;      /* page fault caused by a write */
    bool has_address;   /* address is valid (a page fault, not #GP) */
    uintptr_t address;  /* host address accessed */
    long long *regs;    /* interrupted registers, indexed by enum fault_reg; may be changed */
};

/* Order of the x86-64 Linux ucontext's general registers. */
enum fault_reg {
    FAULT_R8, FAULT_R9, FAULT_R10, FAULT_R11, FAULT_R12, FAULT_R13, FAULT_R14, FAULT_R15, FAULT_RDI, FAULT_RSI, FAULT_RBP,
    FAULT_RBX, FAULT_RDX, FAULT_RAX, FAULT_RCX, FAULT_RSP, FAULT_RIP, FAULT_EFL
};

/* True: handled (resume with the registers as they are now); false: not ours.  Of FAULT_INTERRUPT, which may come anywhere, it does not matter. */
typedef bool fault_fn(void *opaque, struct fault *f);

struct fault_client {
    fault_fn *fn;
    void *opaque;
};

void fault_install(void); /* idempotent */
/* Of this thread, which gets an alternate signal stack with its first client.  NULL: none.  Caller keeps it alive. */
void fault_set_client(struct fault_client *client);
/* In the handler of an asynchronous signal, with its ucontext_t, on the interrupted thread: its client may look at the registers.  That handler
 * must not interrupt those of synchronous signals: they block all asynchronous ones. */
void fault_interrupt(void *context);
/* The same for another thread, by a signal (SIGURG) that does nothing but this.  Any thread; async-signal-safe. */
void fault_poke(pthread_t thread);

#endif
