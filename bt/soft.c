/* See soft.h. */
#include "bt/soft.h"

#include <stdlib.h>
#include <sys/mman.h>

#define STEP (64ull << 20)
#define STEPS 28 /* to either side: less than 2 GiB */

static void *map_near(const void *from, size_t len)
{
    uintptr_t base = (uintptr_t)from & ~(uintptr_t)0xffff;

    for (unsigned i = 0; i < 2 * STEPS; i++) {
        uintptr_t at = i & 1 ? base - (i / 2 + 1) * STEP : base + (i / 2 + 1) * STEP;
        void *p = mmap((void *)at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

        if (p == (void *)at)
            return p;
        if (p != MAP_FAILED)
            munmap(p, len); /* a kernel that does not know the flag */
    }
    return NULL;
}

struct soft *soft_create(uint64_t n_frames, const void *from)
{
    struct soft *s = map_near(from, sizeof(*s));

    if (!s)
        return NULL;
    s->n_frames = n_frames;
    s->writers = calloc(n_frames + 1, sizeof(*s->writers));
    if (!s->writers) {
        soft_destroy(s);
        return NULL;
    }
    return s;
}

void soft_destroy(struct soft *s)
{
    if (!s)
        return;
    free(s->writers);
    munmap(s, sizeof(*s));
}

static bool writes(const struct soft *s, uint32_t entry, uint32_t frame)
{
    return entry && s->write_key[entry - 1] && s->frame[entry - 1] == frame;
}

static void note_writer(struct soft *s, uint32_t frame, uint32_t i)
{
    uint32_t *entry = s->writers[frame].entry;

    if (entry[0] == SOFT_ALL || entry[0] == i + 1 || entry[1] == i + 1)
        return;
    if (!writes(s, entry[0], frame))
        entry[0] = i + 1;
    else if (!writes(s, entry[1], frame))
        entry[1] = i + 1;
    else
        entry[0] = SOFT_ALL;
}

void soft_fill(struct soft *s, uint64_t key, uint8_t *host_page, uint32_t gla, uint32_t frame, bool is_writable)
{
    unsigned i = key & (SOFT_ENTRIES - 1);

    s->read_key[i] = -key;
    s->write_key[i] = is_writable ? -key : 0;
    s->delta[i] = (uint64_t)(uintptr_t)host_page - (gla & ~0xfffu);
    s->frame[i] = frame;
    if (is_writable)
        note_writer(s, frame, i);
}

/* What is there of n keys from key on, at the same indices. */
static void drop_run(uint64_t *keys, uint64_t key, unsigned n)
{
    uint64_t *k = keys + (key & (SOFT_ENTRIES - 1));

    for (unsigned i = 0; i < n; i++)
        k[i] = k[i] + key + i == 0 ? 0 : k[i];
}

void soft_drop(struct soft *s, uint64_t key, unsigned n)
{
    unsigned run;

    for (; n; n -= run, key += run) {
        unsigned room = SOFT_ENTRIES - (unsigned)(key & (SOFT_ENTRIES - 1));

        run = n < room ? n : room;
        drop_run(s->read_key, key, run);
        drop_run(s->write_key, key, run);
        drop_run(s->device_key, key, run);
    }
}

void soft_protect(struct soft *s, uint32_t frame)
{
    struct soft_writers w = s->writers[frame];

    s->writers[frame] = (struct soft_writers){{0}};
    if (w.entry[0] == SOFT_ALL) {
        for (unsigned i = 0; i < SOFT_ENTRIES; i++)
            if (s->frame[i] == frame)
                s->write_key[i] = 0;
        return;
    }
    for (unsigned k = 0; k < 2; k++)
        if (w.entry[k] && s->frame[w.entry[k] - 1] == frame)
            s->write_key[w.entry[k] - 1] = 0;
}
