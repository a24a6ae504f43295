/* What a program can make a kernel do, after lmbench and Adams and Agesen's nanobenchmarks (ASPLOS 2006).
 *
 *     kernel ITEM COUNT    does ITEM COUNT times and says "DONE count sum"; a status other than 0: something went wrong
 *     kernel nothing       ends at once
 *
 * Static, i386, no threads.  The sum depends on what the kernel did, so that a call that failed is not a fast one. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096u

static const char *self;

static void require(int is_true, const char *what)
{
    if (!is_true) {
        fprintf(stderr, "failed: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void *map_pages(unsigned pages, int prot)
{
    void *p = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    require(p != MAP_FAILED, "mmap");
    return p;
}

/* --- system calls --- */

static uint32_t syscall_int80(uint32_t count)
{
    uint32_t ok = 0, parent = (uint32_t)getppid();

    while (count--) {
        uint32_t eax = SYS_getppid;

        __asm__ volatile("int $0x80" : "+a"(eax) : : "memory");
        ok += eax == parent;
    }
    return ok;
}

/* By whatever the kernel's vDSO takes for the fastest: SYSENTER, or SYSCALL under a 64-bit kernel on AMD. */
static uint32_t syscall_vdso(uint32_t count)
{
    unsigned long entry = getauxval(AT_SYSINFO);
    uint32_t ok = 0, parent = (uint32_t)getppid();

    require(entry != 0, "AT_SYSINFO");
    while (count--) {
        uint32_t eax = SYS_getppid;

        __asm__ volatile("call *%1" : "+a"(eax) : "r"(entry) : "memory", "ecx", "edx");
        ok += eax == parent;
    }
    return ok;
}

static uint32_t read_bytes(uint32_t count)
{
    int fd = open("/dev/zero", O_RDONLY);
    uint32_t ok = 0;
    char c;

    require(fd >= 0, "/dev/zero");
    while (count--)
        ok += read(fd, &c, 1) == 1;
    return ok;
}

/* --- faults and signals --- */

static volatile uint32_t handled;

static void on_divide_error(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)sig, (void)info;
    handled++;
    uc->uc_mcontext.gregs[REG_EIP] += 2; /* behind DIV ECX */
}

static void set_handler(int sig, void (*fn)(int, siginfo_t *, void *))
{
    struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO};

    require(!sigaction(sig, &sa, NULL), "sigaction");
}

static uint32_t divide_error(uint32_t count)
{
    set_handler(SIGFPE, on_divide_error);
    while (count--)
        __asm__ volatile("div %%ecx" : : "a"(1), "d"(0), "c"(0) : "cc");
    return handled;
}

static char *guarded;

static void on_segv(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    require(info->si_addr == guarded, "si_addr");
    handled++;
    mprotect(guarded, PAGE, PROT_READ | PROT_WRITE);
}

/* Write to a protected page, as garbage collectors do. */
static uint32_t protection_fault(uint32_t count)
{
    guarded = map_pages(1, PROT_READ | PROT_WRITE);
    set_handler(SIGSEGV, on_segv);
    while (count--) {
        mprotect(guarded, PAGE, PROT_READ);
        *(volatile char *)guarded = 1;
    }
    return handled;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    handled++;
}

static uint32_t send_signal(uint32_t count)
{
    pid_t pid = getpid();

    set_handler(SIGUSR1, on_signal);
    while (count--)
        kill(pid, SIGUSR1);
    return handled;
}

/* Touch fresh pages, 16 MiB at a time. */
static uint32_t page_fault(uint32_t count)
{
    enum { PAGES = 4096 };
    uint32_t sum = 0;

    while (count) {
        unsigned n = count < PAGES ? count : PAGES;
        char *p = map_pages(PAGES, PROT_READ | PROT_WRITE);

        madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
        for (unsigned i = 0; i < n; i++)
            p[i * PAGE] = 1;
        for (unsigned i = 0; i < n; i++)
            sum += (uint32_t)p[i * PAGE];
        munmap(p, PAGES * PAGE);
        count -= n;
    }
    return sum;
}

/* --- processes --- */

static uint32_t pipe_ping_pong(uint32_t count)
{
    uint32_t sum = 0;
    int there[2], back[2];
    char c = 1;
    pid_t pid;

    require(!pipe(there) && !pipe(back), "pipe");
    pid = fork();
    require(pid >= 0, "fork");
    if (!pid) {
        close(there[1]);
        while (read(there[0], &c, 1) == 1)
            if (write(back[1], &c, 1) != 1)
                _exit(1);
        _exit(0);
    }
    while (count--) {
        if (write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1)
            sum++;
    }
    close(there[1]);
    waitpid(pid, NULL, 0);
    return sum;
}

static uint32_t wait_for(pid_t pid)
{
    int status;

    require(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static uint32_t fork_exit(uint32_t count)
{
    uint32_t ok = 0;

    while (count--) {
        pid_t pid = fork();

        if (!pid)
            _exit(0);
        ok += wait_for(pid);
    }
    return ok;
}

static uint32_t fork_exec(uint32_t count, const char *program, const char *argument)
{
    uint32_t ok = 0;

    while (count--) {
        pid_t pid = fork();

        if (!pid) {
            execl(program, program, argument, (char *)NULL);
            _exit(1);
        }
        ok += wait_for(pid);
    }
    return ok;
}

static uint32_t exec_static(uint32_t count)
{
    return fork_exec(count, self, "nothing");
}

static uint32_t exec_dynamic(uint32_t count)
{
    return fork_exec(count, "/bin/true", NULL);
}

/* --- memory and files --- */

static uint32_t mmap_munmap(uint32_t count)
{
    uint32_t ok = 0;

    while (count--) {
        volatile char *p = map_pages(16, PROT_READ | PROT_WRITE);

        p[0] = 1;
        ok += !munmap((void *)p, 16 * PAGE);
    }
    return ok;
}

static uint32_t protect(uint32_t count)
{
    volatile char *p = map_pages(16, PROT_READ | PROT_WRITE);
    uint32_t sum = 0;

    while (count--) {
        p[5 * PAGE] = 1;
        require(!mprotect((void *)p, 16 * PAGE, PROT_READ), "mprotect");
        sum += (uint32_t)p[5 * PAGE];
        require(!mprotect((void *)p, 16 * PAGE, PROT_READ | PROT_WRITE), "mprotect");
    }
    return sum;
}

static uint32_t file_create_delete(uint32_t count)
{
    uint32_t ok = 0;

    while (count--) {
        int fd = open("bench-file", O_CREAT | O_RDWR | O_EXCL, 0600);

        ok += fd >= 0 && write(fd, "some text", 9) == 9 && !close(fd) && !unlink("bench-file");
    }
    return ok;
}

/* --- code written and executed at once --- */

/* MOV EAX, value; RET */
static uint32_t write_and_call(uint8_t *at, uint32_t value)
{
    at[0] = 0xb8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
    return ((uint32_t(*)(void))at)();
}

/* The same few bytes again and again. */
static uint32_t code_in_place(uint32_t count)
{
    uint8_t *code = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    uint32_t sum = 0;

    while (count--)
        sum += write_and_call(code, count | 1) == (count | 1);
    return sum;
}

/* One function behind the other, as a just-in-time compiler does it, over a megabyte. */
static uint32_t code_appended(uint32_t count)
{
    enum { PAGES = 256 };
    uint8_t *code = map_pages(PAGES, PROT_READ | PROT_WRITE | PROT_EXEC);
    uint32_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += write_and_call(code + i % (PAGES * PAGE / 32) * 32, i) == i;
    return sum;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint32_t (*fn)(uint32_t count);
    } items[] = {
        {"int80", syscall_int80}, {"sysenter", syscall_vdso}, {"read", read_bytes}, {"divide-error", divide_error},
        {"protection-fault", protection_fault}, {"signal", send_signal}, {"page-fault", page_fault},
        {"pipe", pipe_ping_pong}, {"fork", fork_exit}, {"exec-static", exec_static}, {"exec-dynamic", exec_dynamic},
        {"mmap", mmap_munmap}, {"mprotect", protect}, {"file", file_create_delete}, {"code-in-place", code_in_place},
        {"code-appended", code_appended},
    };
    uint32_t count;

    if (argc == 2 && !strcmp(argv[1], "nothing"))
        return 0;
    self = argv[0];
    count = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 0) : 0;
    for (unsigned i = 0; count && i < sizeof(items) / sizeof(items[0]); i++)
        if (!strcmp(argv[1], items[i].name)) {
            uint32_t sum = items[i].fn(count);

            printf("DONE %u %u\n", count, sum);
            return sum != count; /* each item counts what worked */
        }
    fputs("usage: kernel ITEM COUNT\n", stderr);
    return 2;
}
