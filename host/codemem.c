/* The two views of the code cache. */
#include "host/codemem.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u /* Linux 6.3: may be executed even if vm.memfd_noexec is 1 */
#endif

static int open_memfd(void)
{
    int fd = memfd_create("ringer-code", MFD_CLOEXEC | MFD_EXEC);

    if (fd < 0 && errno == EINVAL) /* before 6.3 */
        fd = memfd_create("ringer-code", MFD_CLOEXEC);
    return fd;
}

int codemem_create(struct codemem *m, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *write_view, *exec_view;
    int fd, err;

    *m = (struct codemem){0};
    if (size == 0 || size > SIZE_MAX / 2)
        return -EINVAL;
    size = (size + page - 1) & ~(page - 1);
    fd = open_memfd();
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) < 0)
        goto out_close;
    write_view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (write_view == MAP_FAILED)
        goto out_close;
    exec_view = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (exec_view == MAP_FAILED)
        goto out_unmap;
    close(fd); /* the mappings keep it alive; nobody can make a third */
    *m = (struct codemem){.write = write_view, .exec = exec_view, .size = size};
    return 0;

out_unmap:
    err = errno;
    munmap(write_view, size);
    errno = err;
out_close:
    err = errno;
    close(fd);
    return -err;
}

void codemem_destroy(struct codemem *m)
{
    if (m->size) {
        munmap(m->write, m->size);
        munmap((void *)m->exec, m->size);
    }
    *m = (struct codemem){0};
}
