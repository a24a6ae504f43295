/* timed FILE COMMAND...: run the command; FILE gets seconds on the wall and of processor time, of it and all it waited for. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct timespec start, end;
    struct rusage used;
    int status;
    pid_t pid;
    FILE *out;

    if (argc < 3)
        return 125;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pid = fork();
    if (!pid) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
        return 125;
    clock_gettime(CLOCK_MONOTONIC, &end);
    out = fopen(argv[1], "w");
    if (!out)
        return 125;
    fprintf(out, "%.6f %.6f\n", (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9,
            seconds(used.ru_utime) + seconds(used.ru_stime));
    if (fclose(out))
        return 125;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 124;
}
