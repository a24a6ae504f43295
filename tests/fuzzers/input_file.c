/* Input as a file that can be opened by name. */
#include <sys/mman.h>
#include <unistd.h>
#include "tests/fuzzers/target.h"

#define SLOTS 2

const char *input_file(unsigned slot, const void *data, size_t size)
{
    static int fds[SLOTS] = {-1, -1};
    static char names[SLOTS][32];

    if (fds[slot] < 0)
        fds[slot] = memfd_create("input", MFD_CLOEXEC);
    MUST(fds[slot] >= 0);
    MUST(ftruncate(fds[slot], 0) == 0);
    MUST(pwrite(fds[slot], data, size, 0) == (ssize_t)size);
    snprintf(names[slot], sizeof(names[slot]), "/proc/self/fd/%d", fds[slot]);
    return names[slot];
}
