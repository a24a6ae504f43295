/* The boot blob, and handing it with the option ROM of bootrom.S to the firmware. */
#include "frontend/bootrom.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROM_NAME       "genroms/ringer-boot.rom"
#define PNP_POINTER    0x1a
#define PNP_LEN        0x20
#define PNP_CHECKSUM   9
#define ROM_MAX        4096
#define ROM_CHECKSUM   6 /* an unused byte of the header */

_Static_assert(sizeof(struct bootrom_header) == 512, "bootrom.S reads 512 bytes");

/* bootrom.S */
extern const uint8_t bootrom_image[], bootrom_image_end[];

/* Make the len bytes at p add up to 0 by the byte at p[at]. */
static void set_checksum(uint8_t *p, unsigned len, unsigned at)
{
    uint8_t sum = 0;
    unsigned i;

    p[at] = 0;
    for (i = 0; i < len; i++)
        sum += p[i];
    p[at] = -sum;
}

static int bootrom_add(struct fwcfg *f)
{
    uint8_t rom[ROM_MAX];
    size_t len = bootrom_image_end - bootrom_image;
    unsigned pnp;

    assert(len <= ROM_MAX);
    memcpy(rom, bootrom_image, len);
    pnp = load_le(rom + PNP_POINTER, 2);
    assert(pnp + PNP_LEN <= len);
    set_checksum(rom + pnp, PNP_LEN, PNP_CHECKSUM);
    set_checksum(rom, len, ROM_CHECKSUM);
    return fwcfg_add_file(f, ROM_NAME, rom, len);
}

int bootblob_create(struct bootblob *b, uint64_t capacity)
{
    struct bootrom_header *h;

    b->capacity = capacity + sizeof(*h);
    b->len = sizeof(*h);
    b->data = b->capacity <= UINT32_MAX ? calloc(1, b->capacity) : NULL;
    if (!b->data)
        return -ENOMEM;
    h = bootblob_header(b);
    h->magic = BOOTROM_MAGIC;
    return 0;
}

void bootblob_destroy(struct bootblob *b)
{
    free(b->data);
    b->data = NULL;
}

struct bootrom_header *bootblob_header(struct bootblob *b)
{
    return (struct bootrom_header *)b->data;
}

uint8_t *bootblob_add(struct bootblob *b, uint32_t dest, uint32_t file_len, uint32_t mem_len)
{
    struct bootrom_header *h = bootblob_header(b);
    uint8_t *p = b->data + b->len;

    assert(h->num_segments < BOOTROM_MAX_SEGMENTS && file_len <= b->capacity - b->len && file_len <= mem_len);
    h->segment[h->num_segments++] = (struct bootrom_segment){dest, file_len, mem_len};
    b->len += file_len;
    return p;
}

int bootrom_install(struct fwcfg *f, struct bootblob *b)
{
    /* Nothing else is tried if the kernel cannot be started. */
    static const char order[] = "/rom@" ROM_NAME "\nHALT";
    int err = fwcfg_give_file(f, BOOTROM_BLOB, b->data, b->len);

    b->data = NULL;
    if (!err)
        err = bootrom_add(f);
    return err ? err : fwcfg_add_file(f, "bootorder", order, sizeof(order));
}
