/* Files and a firmware configuration for tests of the boot loaders. */
#ifndef TESTS_BOOTFILE_H
#define TESTS_BOOTFILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "devices/fwcfg.h"
#include "frontend/bootrom.h"

struct boot_fixture {
    char dir[32];
    char path[64], other[64];
    struct space *ports;
    struct fwcfg f;
    char why[WHY_BYTES];
    const struct bootrom_header *h; /* after boot_result() */
    const uint8_t *blob;
    uint32_t blob_len;
};

static inline int boot_setup(void **state)
{
    struct boot_fixture *t = calloc(1, sizeof(*t));

    strcpy(t->dir, "/tmp/ringer-test-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->path, sizeof(t->path), "%s/kernel", t->dir);
    snprintf(t->other, sizeof(t->other), "%s/other", t->dir);
    t->ports = space_create(0x10000, NULL);
    assert_int_equal(fwcfg_init(&t->f, t->ports, NULL), 0);
    *state = t;
    return 0;
}

static inline int boot_teardown(void **state)
{
    struct boot_fixture *t = *state;

    fwcfg_free(&t->f);
    space_destroy(t->ports);
    unlink(t->path);
    unlink(t->other);
    rmdir(t->dir);
    free(t);
    return 0;
}

static inline void write_file(const char *path, const void *data, size_t len)
{
    FILE *to = fopen(path, "wb");

    assert_non_null(to);
    assert_int_equal(fwrite(data, 1, len, to), len);
    fclose(to);
}

/* The blob the firmware would see, its header checked for consistency. */
static inline void boot_result(struct boot_fixture *t)
{
    const struct fwcfg_item *item = fwcfg_find_file(&t->f, BOOTROM_BLOB);
    uint64_t len = sizeof(*t->h);
    unsigned i;

    assert_non_null(item);
    t->blob = item->data;
    t->blob_len = item->len;
    t->h = (const struct bootrom_header *)item->data;
    assert_int_equal(t->h->magic, BOOTROM_MAGIC);
    for (i = 0; i < t->h->num_segments; i++)
        len += t->h->segment[i].file_len;
    assert_int_equal(len, item->len);
}

/* Contents of the segment that is loaded at dest. */
static inline const uint8_t *boot_segment(struct boot_fixture *t, uint32_t dest, uint32_t *len)
{
    const uint8_t *p = t->blob + sizeof(*t->h);
    unsigned i;

    for (i = 0; i < t->h->num_segments; p += t->h->segment[i++].file_len)
        if (t->h->segment[i].dest == dest) {
            *len = t->h->segment[i].file_len;
            return p;
        }
    *len = 0;
    fail_msg("no segment at %#x", dest);
    return NULL;
}

static inline void assert_why(const struct boot_fixture *t, const char *part)
{
    if (!strstr(t->why, part))
        fail_msg("\"%s\" lacks \"%s\"", t->why, part);
    assert_null(strchr(t->why, '\n'));
}

#endif
