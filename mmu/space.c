/* An address space as a sorted array of ranges, found by binary search behind a one-entry memory of the last hit.
 *
 * A device callback may remap the very space it was called through (a PCI BAR moves, PAM opens shadow RAM), so nothing
 * here keeps a pointer into the array across a callback: an access works on a copy of the range it found and searches
 * anew for its next piece. */
#include "mmu/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "host/log.h"

#define MAX_LISTENERS 4

enum kind { HOLE, IO, MEM };

struct range {
    uint64_t base, len;
    enum kind kind;
    /* IO */
    const struct io_ops *ops;
    void *opaque;
    uint64_t offset; /* of base within the device: not 0 where an unmap cut a front off */
    /* MEM */
    uint64_t read_off, write_off;
    unsigned rights;
};

struct space {
    struct space *below; /* of an overlay */
    uint64_t size;
    struct guestmem *mem;
    uint8_t *view;        /* of mem, NULL in a port space */
    uint8_t *code_flags;  /* of mem */
    struct range *ranges; /* sorted by base, never overlapping */
    size_t count, capacity;
    size_t last_hit;
    unsigned batch_depth;
    bool has_changed;
    struct {
        void (*fn)(void *opaque);
        void *opaque;
    } listeners[MAX_LISTENERS];
    unsigned listener_count;
};

struct space *space_create(uint64_t size, struct guestmem *mem)
{
    struct space *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->size = size;
    s->mem = mem;
    if (mem) {
        s->view = guestmem_view(mem);
        s->code_flags = guestmem_code_flags(mem);
    }
    return s;
}

struct space *space_create_overlay(struct space *below)
{
    struct space *s = space_create(below->size, below->mem);

    if (s)
        s->below = below;
    return s;
}

void space_destroy(struct space *s)
{
    if (!s)
        return;
    free(s->ranges);
    free(s);
}

int space_add_listener(struct space *s, void (*fn)(void *opaque), void *opaque)
{
    if (s->listener_count == MAX_LISTENERS)
        return -ENOSPC;
    s->listeners[s->listener_count].fn = fn;
    s->listeners[s->listener_count].opaque = opaque;
    s->listener_count++;
    return 0;
}

static void changed(struct space *s)
{
    s->last_hit = 0;
    if (s->batch_depth) {
        s->has_changed = true;
        return;
    }
    s->has_changed = false;
    for (unsigned i = 0; i < s->listener_count; i++)
        s->listeners[i].fn(s->listeners[i].opaque);
}

void space_begin(struct space *s)
{
    s->batch_depth++;
}

void space_commit(struct space *s)
{
    if (s->batch_depth && --s->batch_depth == 0 && s->has_changed)
        changed(s);
}

/* Index of the first range that ends above addr; count if none does. */
static size_t first_above(const struct space *s, uint64_t addr)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct range *r = &s->ranges[mid];

        if (r->base + (r->len - 1) < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int insert_at(struct space *s, size_t i, const struct range *r)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 32;
        struct range *ranges = realloc(s->ranges, capacity * sizeof *ranges);

        if (!ranges)
            return -ENOMEM;
        s->ranges = ranges;
        s->capacity = capacity;
    }
    memmove(&s->ranges[i + 1], &s->ranges[i], (s->count - i) * sizeof *r);
    s->ranges[i] = *r;
    s->count++;
    return 0;
}

static int map_range(struct space *s, const struct range *r)
{
    size_t i;
    int err;

    if (r->len == 0 || r->base >= s->size || r->len > s->size - r->base)
        return -EINVAL;
    i = first_above(s, r->base);
    if (i < s->count && s->ranges[i].base <= r->base + (r->len - 1))
        return -EEXIST;
    err = insert_at(s, i, r);
    if (err)
        return err;
    log_at(LOG_MMU, "space: %#llx-%#llx is %s", (unsigned long long)r->base, (unsigned long long)(r->base + r->len - 1),
           r->kind == MEM ? "memory" : r->ops->name);
    changed(s);
    return 0;
}

int space_map_io(struct space *s, uint64_t base, uint64_t len, const struct io_ops *ops, void *opaque)
{
    return map_range(s, &(struct range){.base = base, .len = len, .kind = IO, .ops = ops, .opaque = opaque});
}

static bool is_inside_mem(const struct space *s, uint64_t off, uint64_t len)
{
    uint64_t size = guestmem_size(s->mem);

    return (off & GUEST_PAGE_MASK) == 0 && off <= size && len <= size - off;
}

int space_map_mem(struct space *s, uint64_t base, uint64_t len, uint64_t read_off, uint64_t write_off, unsigned rights)
{
    if (!s->mem || ((base | len) & GUEST_PAGE_MASK))
        return -EINVAL;
    if (((rights & SPACE_R) && !is_inside_mem(s, read_off, len)) ||
        ((rights & SPACE_W) && !is_inside_mem(s, write_off, len)))
        return -EINVAL;
    return map_range(s, &(struct range){.base = base,
                                        .len = len,
                                        .kind = MEM,
                                        .read_off = read_off,
                                        .write_off = write_off,
                                        .rights = rights & (SPACE_R | SPACE_W)});
}

static void drop_front(struct range *r, uint64_t len)
{
    r->base += len;
    r->len -= len;
    r->offset += len;
    r->read_off += len;
    r->write_off += len;
}

/* Cut [base, last] out of range i; true if the range is still there (or its two halves are). */
static bool cut(struct space *s, size_t i, uint64_t base, uint64_t last)
{
    struct range *r = &s->ranges[i];
    uint64_t r_last = r->base + (r->len - 1);
    bool keeps_front = r->base < base;
    bool keeps_back = r_last > last;

    if (keeps_front && keeps_back) {
        struct range back = *r;

        drop_front(&back, last + 1 - r->base);
        if (insert_at(s, i + 1, &back))
            BUG("out of memory while splitting an address range");
        r = &s->ranges[i];
    }
    if (keeps_front)
        r->len = base - r->base;
    else if (keeps_back)
        drop_front(r, last + 1 - r->base);
    return keeps_front || keeps_back;
}

void space_unmap(struct space *s, uint64_t base, uint64_t len)
{
    uint64_t last;
    size_t i;
    bool found = false;

    if (len == 0 || base >= s->size)
        return;
    last = len > s->size - base ? s->size - 1 : base + (len - 1);
    i = first_above(s, base);
    while (i < s->count && s->ranges[i].base <= last) {
        found = true;
        if (cut(s, i, base, last)) {
            i++;
        } else {
            memmove(&s->ranges[i], &s->ranges[i + 1], (s->count - i - 1) * sizeof *s->ranges);
            s->count--;
        }
    }
    if (found) {
        log_at(LOG_MMU, "space: %#llx-%#llx is free", (unsigned long long)base, (unsigned long long)last);
        changed(s);
    }
}

static uint64_t find(struct space *s, uint64_t addr, struct range *r);

/* Nobody lives at [addr, end): in an overlay, show what is below there. */
static uint64_t find_in_hole(struct space *s, uint64_t addr, uint64_t end, struct range *r)
{
    uint64_t len = end > addr ? end - addr : UINT64_MAX, n;

    if (!s->below) {
        *r = (struct range){.base = addr, .len = len, .kind = HOLE};
        return len;
    }
    n = find(s->below, addr, r);
    if (n > len) {
        r->len -= n - len;
        n = len;
    }
    return n;
}

/* Copy the range at addr to *r (a hole's bounds are made up); bytes from addr to its end. */
static uint64_t find(struct space *s, uint64_t addr, struct range *r)
{
    size_t i = s->last_hit;

    if (i >= s->count || addr < s->ranges[i].base || addr - s->ranges[i].base >= s->ranges[i].len) {
        i = first_above(s, addr);
        if (i == s->count || s->ranges[i].base > addr) {
            return find_in_hole(s, addr, i < s->count ? s->ranges[i].base : s->size, r);
        }
        s->last_hit = i;
    }
    *r = s->ranges[i];
    return r->len - (addr - r->base);
}

void space_lookup(struct space *s, uint64_t addr, struct space_run *run)
{
    struct range r;

    *run = (struct space_run){.len = find(s, addr, &r)};
    if (r.kind != MEM || !(r.rights & SPACE_R))
        return;
    run->mem_off = r.read_off + (addr - r.base);
    run->host = s->view + run->mem_off;
    run->is_writable = (r.rights & SPACE_W) && r.read_off == r.write_off;
}

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : ((uint64_t)1 << (size * 8)) - 1;
}

static unsigned ops_min(const struct io_ops *ops)
{
    return ops->min_size ? ops->min_size : 1;
}

static unsigned ops_max(const struct io_ops *ops)
{
    return ops->max_size ? ops->max_size : 4;
}

/* Largest naturally aligned access at offset that is at most len (1..8) and at most what the device takes. */
static unsigned chunk_size(const struct io_ops *ops, uint64_t offset, uint64_t len)
{
    unsigned size = 8;

    while (size > 1 && (size > len || size > ops_max(ops) || (offset & (size - 1))))
        size /= 2;
    return size;
}

/* One access of at most max_size; below min_size the device's whole unit is read and the bytes picked out. */
static uint64_t io_read_chunk(const struct range *r, uint64_t offset, unsigned size)
{
    unsigned min = ops_min(r->ops);
    unsigned inside = offset & (min - 1);

    if (size >= min)
        return r->ops->read(r->opaque, offset, size) & ones(size);
    return r->ops->read(r->opaque, offset - inside, min) >> (inside * 8) & ones(size);
}

/* Narrow writes to a wide register read it first, so that the other bytes keep their value. */
static void io_write_chunk(const struct range *r, uint64_t offset, unsigned size, uint64_t value)
{
    unsigned min = ops_min(r->ops);
    unsigned inside = offset & (min - 1);

    if (size < min) {
        uint64_t unit = r->ops->read(r->opaque, offset - inside, min) & ones(min);

        value = (unit & ~(ones(size) << (inside * 8))) | (value & ones(size)) << (inside * 8);
        offset -= inside;
        size = min;
    }
    r->ops->write(r->opaque, offset, size, value & ones(size));
}

static uint64_t io_read(const struct range *r, uint64_t addr, unsigned size)
{
    uint64_t offset = addr - r->base + r->offset, value = 0;

    for (unsigned done = 0; done < size;) {
        unsigned n = chunk_size(r->ops, offset + done, size - done);

        value |= io_read_chunk(r, offset + done, n) << (done * 8);
        done += n;
    }
    return value;
}

static void io_write(const struct range *r, uint64_t addr, unsigned size, uint64_t value)
{
    uint64_t offset = addr - r->base + r->offset;

    for (unsigned done = 0; done < size;) {
        unsigned n = chunk_size(r->ops, offset + done, size - done);

        io_write_chunk(r, offset + done, n, value >> (done * 8));
        done += n;
    }
}

/* Tell watches of every flagged frame in [off, off+len). */
static void tell_watches(struct space *s, uint64_t off, uint64_t len)
{
    while (len) {
        uint64_t n = GUEST_PAGE_SIZE - (off & GUEST_PAGE_MASK);

        if (n > len)
            n = len;
        if (s->code_flags[off >> GUEST_PAGE_SHIFT])
            guestmem_written(s->mem, off, n);
        off += n;
        len -= n;
    }
}

static void mem_read(const struct space *s, const struct range *r, uint64_t addr, void *buf, uint64_t len)
{
    if (r->rights & SPACE_R)
        memcpy(buf, s->view + r->read_off + (addr - r->base), len);
    else
        memset(buf, 0xff, len);
}

static void mem_write(struct space *s, const struct range *r, uint64_t addr, const void *buf, uint64_t len)
{
    uint64_t off = r->write_off + (addr - r->base);

    if (!(r->rights & SPACE_W)) {
        log_at(LOG_IO, "space: write of %llu bytes to read-only memory at %#llx", (unsigned long long)len,
               (unsigned long long)addr);
        return;
    }
    memcpy(s->view + off, buf, len);
    tell_watches(s, off, len);
}

static void log_hole(const struct space *s, const char *what, uint64_t addr, uint64_t len)
{
    log_at(LOG_IO, "space: %s of %llu bytes at %s %#llx, where nobody lives", what, (unsigned long long)len,
           s->mem ? "address" : "port", (unsigned long long)addr);
}

/* len is at most what r holds from addr on, and at most 8 for a device: it may have moved afterwards. */
static void read_piece(struct space *s, const struct range *r, uint64_t addr, uint8_t *buf, uint64_t len)
{
    if (r->kind == MEM) {
        mem_read(s, r, addr, buf, len);
    } else if (r->kind == HOLE) {
        log_hole(s, "read", addr, len);
        memset(buf, 0xff, len);
    } else {
        store_le(buf, (unsigned)len, io_read(r, addr, (unsigned)len));
    }
}

static void write_piece(struct space *s, const struct range *r, uint64_t addr, const uint8_t *buf, uint64_t len)
{
    if (r->kind == MEM)
        mem_write(s, r, addr, buf, len);
    else if (r->kind == HOLE)
        log_hole(s, "write", addr, len);
    else
        io_write(r, addr, (unsigned)len, load_le(buf, (unsigned)len));
}

/* Length of the next piece of an access at addr, and its range. */
static uint64_t next_piece(struct space *s, uint64_t addr, uint64_t len, struct range *r)
{
    uint64_t n = find(s, addr, r);

    if (n > len)
        n = len;
    return r->kind == IO && n > 8 ? 8 : n;
}

void space_read_buf(struct space *s, uint64_t addr, void *buf, uint64_t len)
{
    uint8_t *p = buf;
    struct range r;

    while (len) {
        uint64_t n = next_piece(s, addr, len, &r);

        read_piece(s, &r, addr, p, n);
        addr += n;
        p += n;
        len -= n;
    }
}

void space_write_buf(struct space *s, uint64_t addr, const void *buf, uint64_t len)
{
    const uint8_t *p = buf;
    struct range r;

    while (len) {
        uint64_t n = next_piece(s, addr, len, &r);

        write_piece(s, &r, addr, p, n);
        addr += n;
        p += n;
        len -= n;
    }
}

uint64_t space_read(struct space *s, uint64_t addr, unsigned size)
{
    uint8_t bytes[8];
    struct range r;

    size = size > 8 ? 8 : size;
    if (find(s, addr, &r) >= size)
        read_piece(s, &r, addr, bytes, size);
    else
        space_read_buf(s, addr, bytes, size);
    return load_le(bytes, size);
}

void space_write(struct space *s, uint64_t addr, unsigned size, uint64_t value)
{
    uint8_t bytes[8];
    struct range r;

    size = size > 8 ? 8 : size;
    store_le(bytes, 8, value);
    if (find(s, addr, &r) >= size)
        write_piece(s, &r, addr, bytes, size);
    else
        space_write_buf(s, addr, bytes, size);
}

void space_set_bits(struct space *s, uint64_t addr, unsigned size, uint64_t bits)
{
    struct space_run run;

    space_lookup(s, addr, &run);
    if (run.host && run.is_writable && run.len >= size && ((uintptr_t)run.host & (size - 1)) == 0) {
        if (size == 4)
            __atomic_fetch_or((uint32_t *)(void *)run.host, (uint32_t)bits, __ATOMIC_SEQ_CST);
        else
            __atomic_fetch_or((uint64_t *)(void *)run.host, bits, __ATOMIC_SEQ_CST);
        tell_watches(s, run.mem_off, size);
        return;
    }
    space_write(s, addr, size, space_read(s, addr, size) | bits);
}
