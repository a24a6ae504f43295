/* The two views of the code cache: shared anonymous memory, mapped a second time by mremap() with an old size of 0.
 * (Linux perf looks for its map of generated code only in anonymous memory and /dev/zero, which is what this is called.) */
#include "host/codemem.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/* A place for len bytes at a multiple of CODEMEM_HUGE.  MAP_FAILED: none. */
static void *reserve(size_t len, int flags)
{
    uint8_t *p = mmap(NULL, len + CODEMEM_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    size_t before;

    if (p == MAP_FAILED)
        return p;
    before = -(uintptr_t)p & (CODEMEM_HUGE - 1);
    if (before)
        munmap(p, before);
    munmap(p + before + len, CODEMEM_HUGE - before);
    return p + before;
}

int codemem_create(struct codemem *m, size_t size, bool is_low)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *write_view, *exec_view;
    int err;

    *m = (struct codemem){0};
    if (size == 0 || size > SIZE_MAX / 2)
        return -EINVAL;
    size = (size + page - 1) & ~(page - 1);
    write_view = reserve(size, 0);
    if (write_view == MAP_FAILED)
        return -errno;
    exec_view = reserve(size, is_low ? MAP_32BIT : 0);
    if (exec_view == MAP_FAILED)
        goto out_write;
    if (mmap(write_view, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        goto out_exec;
    if (mremap(write_view, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, exec_view) == MAP_FAILED)
        goto out_exec;
    if (mprotect(exec_view, size, PROT_READ | PROT_EXEC) < 0)
        goto out_exec;
    *m = (struct codemem){.write = write_view, .exec = exec_view, .size = size};
    return 0;

out_exec:
    err = errno;
    munmap(exec_view, size);
    errno = err;
out_write:
    err = errno;
    munmap(write_view, size);
    return -err;
}

bool codemem_make_huge(struct codemem *m, size_t off)
{
    if (off % CODEMEM_HUGE || off + CODEMEM_HUGE > m->size)
        return false;
    *(volatile uint8_t *)(m->write + off); /* it must have a page */
    return madvise(m->write + off, CODEMEM_HUGE, MADV_COLLAPSE) == 0 && madvise((void *)(m->exec + off), CODEMEM_HUGE, MADV_COLLAPSE) == 0;
}

void codemem_populate(struct codemem *m, size_t off, size_t len)
{
    if (off >= m->size)
        return;
    if (len > m->size - off)
        len = m->size - off;
    madvise(m->write + off, len, MADV_POPULATE_WRITE);
    madvise((void *)(m->exec + off), len, MADV_POPULATE_READ);
}

void codemem_destroy(struct codemem *m)
{
    if (m->size) {
        munmap(m->write, m->size);
        munmap((void *)m->exec, m->size);
    }
    *m = (struct codemem){0};
}
