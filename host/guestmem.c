/* Guest memory: a sparse memfd, mapped once, handed out in ranges from the bottom.
 *
 * The memfd is as long as the capacity from the start, so the permanent view never moves and windows may map any part
 * of it; pages exist only once somebody touches them. */
#include "host/guestmem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_WATCHERS 4

struct guestmem {
    int fd;
    uint8_t *view;
    uint8_t *code_flags; /* one byte per frame */
    uint64_t capacity;
    uint64_t used;
    struct {
        guestmem_watch_fn *fn;
        void *opaque;
    } watchers[MAX_WATCHERS];
    unsigned watcher_count;
};

static uint64_t page_align(uint64_t len)
{
    return (len + GUEST_PAGE_MASK) & ~(uint64_t)GUEST_PAGE_MASK;
}

static void *map(size_t len, int flags, int fd)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);

    return p == MAP_FAILED ? NULL : p;
}

struct guestmem *guestmem_create(uint64_t capacity_bytes)
{
    struct guestmem *m;
    int err;

    if (capacity_bytes == 0 || capacity_bytes > INT64_MAX - GUEST_PAGE_MASK) {
        errno = EINVAL;
        return NULL;
    }
    m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->capacity = page_align(capacity_bytes);
    m->fd = memfd_create("ringer-guest", MFD_CLOEXEC);
    if (m->fd < 0)
        goto out_free;
    if (ftruncate(m->fd, (off_t)m->capacity) < 0)
        goto out_close;
    m->view = map(m->capacity, MAP_SHARED, m->fd);
    if (!m->view)
        goto out_close;
    m->code_flags = map(m->capacity >> GUEST_PAGE_SHIFT, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (!m->code_flags)
        goto out_unmap;
    madvise(m->view, m->capacity, MADV_DONTDUMP);
    return m;

out_unmap:
    err = errno;
    munmap(m->view, m->capacity);
    errno = err;
out_close:
    err = errno;
    close(m->fd);
    errno = err;
out_free:
    err = errno;
    free(m);
    errno = err;
    return NULL;
}

void guestmem_destroy(struct guestmem *m)
{
    if (!m)
        return;
    munmap(m->code_flags, m->capacity >> GUEST_PAGE_SHIFT);
    munmap(m->view, m->capacity);
    close(m->fd);
    free(m);
}

int64_t guestmem_alloc(struct guestmem *m, uint64_t len_bytes)
{
    uint64_t off = m->used;

    if (len_bytes > m->capacity || page_align(len_bytes) > m->capacity - off)
        return -ENOMEM;
    m->used += page_align(len_bytes);
    return (int64_t)off;
}

uint8_t *guestmem_view(const struct guestmem *m)
{
    return m->view;
}

int guestmem_fd(const struct guestmem *m)
{
    return m->fd;
}

uint64_t guestmem_size(const struct guestmem *m)
{
    return m->used;
}

uint8_t *guestmem_code_flags(struct guestmem *m)
{
    return m->code_flags;
}

int guestmem_add_watch(struct guestmem *m, guestmem_watch_fn *fn, void *opaque)
{
    if (m->watcher_count == MAX_WATCHERS)
        return -ENOSPC;
    m->watchers[m->watcher_count].fn = fn;
    m->watchers[m->watcher_count].opaque = opaque;
    m->watcher_count++;
    return 0;
}

void guestmem_written(struct guestmem *m, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; i < m->watcher_count; i++)
        m->watchers[i].fn(m->watchers[i].opaque, off, len);
}
