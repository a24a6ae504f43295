/* Work of the same size over more and more of something.
 *
 *     scale processes N TURNS    N processes in a ring hand a byte around, TURNS times in all
 *     scale code MIB CALLS       MIB of small functions, CALLS calls in all, each function in turn
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void require(int is_true, const char *what)
{
    if (!is_true) {
        perror(what);
        exit(1);
    }
}

/* Hand on what comes; the end of the input ends the process. */
static void member(int in, int out)
{
    char c;

    while (read(in, &c, 1) == 1)
        if (write(out, &c, 1) != 1)
            _exit(1);
    _exit(0);
}

static unsigned processes(unsigned n, unsigned turns)
{
    unsigned done = 0;
    int first[2], in, last;
    char c = 1;

    require(!pipe(first), "pipe");
    in = first[0];
    last = first[1];
    for (unsigned i = 1; i < n; i++) {
        int next[2];
        pid_t pid;

        require(!pipe(next), "pipe");
        pid = fork();
        require(pid >= 0, "fork");
        if (!pid) {
            close(last);
            close(next[0]);
            member(in, next[1]);
        }
        close(in);
        close(next[1]);
        in = next[0];
    }
    while (done < turns) {
        require(write(last, &c, 1) == 1 && read(in, &c, 1) == 1, "ring");
        done += n;
    }
    close(last);
    close(in);
    while (wait(NULL) > 0)
        ;
    return done / n * n == done;
}

#define FUNCTION_BYTES 64

/* A function of 20 instructions, a branch among them: EAX = f(EAX). */
static void make_function(uint8_t *at, uint32_t seed)
{
    static const uint8_t body[FUNCTION_BYTES] = {
        0x05, 0, 0, 0, 0,             /* add  eax, imm32 */
        0x89, 0xc2,                   /* mov  edx, eax   */
        0xc1, 0xea, 0x07,             /* shr  edx, 7     */
        0x31, 0xd0,                   /* xor  eax, edx   */
        0xa8, 0x10,                   /* test al, 10h    */
        0x74, 0x06,                   /* jz   +6         */
        0x8d, 0x04, 0x80,             /* lea  eax, [eax + eax * 4] */
        0xf7, 0xd0,                   /* not  eax        */
        0x40,                         /* inc  eax        */
        0xc1, 0xc0, 0x03,             /* rol  eax, 3     */
        0x89, 0xc1,                   /* mov  ecx, eax   */
        0x0f, 0xb6, 0xc9,             /* movzx ecx, cl   */
        0x01, 0xc8,                   /* add  eax, ecx   */
        0x35, 0x55, 0xaa, 0x55, 0xaa, /* xor  eax, imm32 */
        0xc3};

    memcpy(at, body, sizeof(body));
    memcpy(at + 1, &seed, 4);
}

static unsigned code(unsigned mib, unsigned calls)
{
    size_t bytes = (size_t)mib << 20, functions = bytes / FUNCTION_BYTES;
    uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t value = 1;

    require(at != MAP_FAILED, "mmap");
    for (size_t i = 0; i < functions; i++)
        make_function(at + i * FUNCTION_BYTES, (uint32_t)i * 2654435761u);
    require(!mprotect(at, bytes, PROT_READ | PROT_EXEC), "mprotect");
    for (unsigned i = 0; i < calls; i++)
        __asm__ volatile("call *%1" : "+a"(value) : "r"(at + i % functions * FUNCTION_BYTES) : "ecx", "edx", "cc");
    return value;
}

int main(int argc, char **argv)
{
    unsigned n = argc == 4 ? (unsigned)atoi(argv[2]) : 0, work = argc == 4 ? (unsigned)atoi(argv[3]) : 0;

    if (n && work && !strcmp(argv[1], "processes"))
        printf("DONE %u\n", processes(n, work));
    else if (n && work && !strcmp(argv[1], "code"))
        printf("DONE %08x\n", code(n, work));
    else
        return 2;
    return 0;
}
