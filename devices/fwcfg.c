/* Firmware configuration device.  QEMU docs/specs/fw_cfg: selector port 510h (16 bits), data port 511h (8 bits), DMA address
 * register 514h (64 bits, big-endian; writing its last byte starts the transfer).
 *
 * DMA descriptor in guest memory, big-endian:  u32 control | u32 length | u64 address
 * Transfers finish at once and reach memory only: a descriptor or buffer elsewhere sets the error bit. */
#include "devices/fwcfg.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "host/log.h"

#define PORT_BASE 0x510
#define PORT_LEN  12
#define REG_SELECTOR 0
#define REG_DATA 1
#define REG_DMA  4

#define DMA_ERROR  0x01
#define DMA_READ   0x02
#define DMA_SKIP   0x04
#define DMA_SELECT 0x08
#define DMA_WRITE  0x10

#define ID_PORTS 1
#define ID_DMA   2

struct dma_descriptor {
    uint32_t control, length;
    uint64_t address;
};

static const uint8_t dma_signature[8] = {'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G'};

static struct fwcfg_item *fwcfg_fixed_item(struct fwcfg *f, uint16_t key)
{
    uint16_t index = key & 0x7fff;

    if (index >= FWCFG_FILE_FIRST)
        return NULL;
    return key & 0x8000 ? &f->arch[index] : &f->legacy[index];
}

static struct fwcfg_item *fwcfg_selected(struct fwcfg *f)
{
    unsigned file = f->selector - FWCFG_FILE_FIRST;

    if (f->selector >= FWCFG_FILE_FIRST && file < f->num_files)
        return &f->file[file].item;
    return fwcfg_fixed_item(f, f->selector);
}

static void fwcfg_select(struct fwcfg *f, uint16_t key)
{
    f->selector = key;
    f->offset = 0;
}

/* Up to len bytes at the current offset, advancing by them; fewer at the item's end. */
static uint32_t fwcfg_take(struct fwcfg *f, const uint8_t **data, uint32_t len)
{
    const struct fwcfg_item *item = fwcfg_selected(f);
    uint32_t left = item && f->offset < item->len ? item->len - f->offset : 0;

    if (len > left)
        len = left;
    *data = len ? item->data + f->offset : NULL;
    f->offset += len;
    return len;
}

static uint8_t fwcfg_read_byte(struct fwcfg *f)
{
    const uint8_t *data;

    return fwcfg_take(f, &data, 1) ? *data : 0;
}

/* Is [address, address + len) memory all over?  Stops a guest from sending DMA through device registers. */
static bool fwcfg_is_memory(struct fwcfg *f, uint64_t address, uint64_t len)
{
    struct space_run run;

    for (; len; address += run.len, len -= run.len) {
        if (address + len < address)
            return false;
        space_lookup(f->memory, address, &run);
        if (!run.host || !run.len)
            return false;
        if (run.len > len)
            run.len = len;
    }
    return true;
}

static bool fwcfg_dma_read(struct fwcfg *f, uint64_t address, uint32_t len)
{
    static const uint8_t zeros[4096];
    const uint8_t *data;
    uint32_t n;

    if (!fwcfg_is_memory(f, address, len))
        return false;
    n = fwcfg_take(f, &data, len);
    if (n)
        space_write_buf(f->memory, address, data, n);
    for (address += n, len -= n; len; address += n, len -= n) { /* past the end: zeros */
        n = len < sizeof(zeros) ? len : sizeof(zeros);
        space_write_buf(f->memory, address, zeros, n);
    }
    return true;
}

static bool fwcfg_dma_transfer(struct fwcfg *f, const struct dma_descriptor *d)
{
    const uint8_t *data;

    if (d->control & DMA_SELECT)
        fwcfg_select(f, d->control >> 16);
    if (d->control & DMA_READ)
        return fwcfg_dma_read(f, d->address, d->length);
    if (d->control & DMA_WRITE)
        return d->length == 0; /* no item is writable */
    if (d->control & DMA_SKIP)
        fwcfg_take(f, &data, d->length);
    return true;
}

static void fwcfg_dma_start(struct fwcfg *f)
{
    uint64_t at = be64toh(load_le(f->dma_address, 8));
    struct dma_descriptor d;
    uint32_t control;

    memset(f->dma_address, 0, sizeof(f->dma_address));
    if (!fwcfg_is_memory(f, at, sizeof(d))) {
        log_at(LOG_DEV, "fwcfg: descriptor at %#llx is not in memory", (unsigned long long)at);
        return;
    }
    space_read_buf(f->memory, at, &d, sizeof(d));
    d.control = be32toh(d.control);
    d.length = be32toh(d.length);
    d.address = be64toh(d.address);
    control = fwcfg_dma_transfer(f, &d) ? 0 : htobe32(DMA_ERROR);
    log_at(LOG_DEV, "fwcfg: dma %#x key %#x, %u bytes at %#llx%s", d.control, f->selector, d.length,
           (unsigned long long)d.address, control ? ": error" : "");
    space_write_buf(f->memory, at, &control, sizeof(control));
}

static uint64_t fwcfg_read(void *opaque, uint64_t offset, unsigned size)
{
    struct fwcfg *f = opaque;
    uint64_t value = 0;
    unsigned i;

    if (offset == REG_DATA)
        return fwcfg_read_byte(f);
    if (offset < REG_DMA)
        return 0;
    for (i = 0; i < size; i++)
        value |= (uint64_t)dma_signature[(offset - REG_DMA + i) & 7] << (8 * i);
    return value;
}

static void fwcfg_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct fwcfg *f = opaque;
    unsigned i, at;

    if (offset == REG_SELECTOR)
        fwcfg_select(f, value);
    if (offset < REG_DMA)
        return;
    for (i = 0; i < size; i++) {
        at = (offset - REG_DMA + i) & 7;
        f->dma_address[at] = value >> (8 * i);
        if (at == 7)
            fwcfg_dma_start(f);
    }
}

static const struct io_ops fwcfg_io = {
    .name = "fwcfg", .read = fwcfg_read, .write = fwcfg_write, .min_size = 1, .max_size = 4};

static void fwcfg_reset(struct device *dev)
{
    struct fwcfg *f = container_of(dev, struct fwcfg, dev);

    fwcfg_select(f, 0);
    memset(f->dma_address, 0, sizeof(f->dma_address));
}

static const struct field fwcfg_state[] = {
    FIELD(struct fwcfg, selector), FIELD(struct fwcfg, offset), FIELD(struct fwcfg, dma_address), FIELD_END};
static const struct device_ops fwcfg_device_ops = {.name = "fwcfg", .reset = fwcfg_reset, .state = fwcfg_state};

static int item_set(struct fwcfg_item *item, const void *data, uint32_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    if (!copy)
        return -ENOMEM;
    if (len)
        memcpy(copy, data, len);
    free(item->data);
    *item = (struct fwcfg_item){copy, len};
    return 0;
}

int fwcfg_add_bytes(struct fwcfg *f, uint16_t key, const void *data, uint32_t len)
{
    struct fwcfg_item *item = fwcfg_fixed_item(f, key);

    return item ? item_set(item, data, len) : -EINVAL;
}

int fwcfg_add_u16(struct fwcfg *f, uint16_t key, uint16_t value)
{
    return fwcfg_add_bytes(f, key, &value, sizeof(value));
}

int fwcfg_add_u64(struct fwcfg *f, uint16_t key, uint64_t value)
{
    return fwcfg_add_bytes(f, key, &value, sizeof(value));
}

/* FILE_DIR:  u32 count, then per file  u32 size | u16 key | u16 0 | char name[56], all big-endian. */
static int fwcfg_write_directory(struct fwcfg *f)
{
    static const unsigned entry_len = 64;
    uint8_t dir[4 + FWCFG_MAX_FILES * 64] = {0};
    unsigned i;

    store_le(dir, 4, htobe32(f->num_files));
    for (i = 0; i < f->num_files; i++) {
        uint8_t *entry = dir + 4 + i * entry_len;

        store_le(entry, 4, htobe32(f->file[i].item.len));
        store_le(entry + 4, 2, htobe16(FWCFG_FILE_FIRST + i));
        memcpy(entry + 8, f->file[i].name, FWCFG_NAME_BYTES);
    }
    return fwcfg_add_bytes(f, FWCFG_FILE_DIR, dir, 4 + f->num_files * entry_len);
}

/* The slot of that name, made if need be; keys of later files move. */
static struct fwcfg_file *fwcfg_file_slot(struct fwcfg *f, const char *name)
{
    unsigned i = 0;

    while (i < f->num_files && strcmp(f->file[i].name, name) < 0)
        i++;
    if (i < f->num_files && strcmp(f->file[i].name, name) == 0)
        return &f->file[i];
    if (f->num_files == FWCFG_MAX_FILES)
        return NULL;
    memmove(&f->file[i + 1], &f->file[i], (f->num_files - i) * sizeof(f->file[0]));
    f->num_files++;
    f->file[i] = (struct fwcfg_file){0};
    memcpy(f->file[i].name, name, strlen(name));
    return &f->file[i];
}

int fwcfg_give_file(struct fwcfg *f, const char *name, void *data, uint32_t len)
{
    struct fwcfg_file *file;

    if (!*name || strlen(name) >= FWCFG_NAME_BYTES) {
        free(data);
        return -EINVAL;
    }
    file = fwcfg_file_slot(f, name);
    if (!file) {
        free(data);
        return -ENOSPC;
    }
    free(file->item.data);
    file->item = (struct fwcfg_item){data, len};
    return fwcfg_write_directory(f);
}

int fwcfg_add_file(struct fwcfg *f, const char *name, const void *data, uint32_t len)
{
    struct fwcfg_item copy = {0};
    int err = item_set(&copy, data, len);

    return err ? err : fwcfg_give_file(f, name, copy.data, len);
}

int fwcfg_add_e820(struct fwcfg *f, uint64_t base, uint64_t len, uint32_t type)
{
    static const char name[] = "etc/e820";
    static const uint32_t entry_len = 20; /* u64 base | u64 len | u32 type */
    const struct fwcfg_item *old = fwcfg_find_file(f, name);
    uint32_t old_len = old ? old->len : 0;
    uint8_t *table = malloc(old_len + entry_len);

    if (!table)
        return -ENOMEM;
    if (old_len)
        memcpy(table, old->data, old_len);
    store_le(table + old_len, 8, base);
    store_le(table + old_len + 8, 8, len);
    store_le(table + old_len + 16, 4, type);
    return fwcfg_give_file(f, name, table, old_len + entry_len);
}

const struct fwcfg_item *fwcfg_find_file(const struct fwcfg *f, const char *name)
{
    unsigned i;

    for (i = 0; i < f->num_files; i++)
        if (strcmp(f->file[i].name, name) == 0)
            return &f->file[i].item;
    return NULL;
}

int fwcfg_init(struct fwcfg *f, struct space *ports, struct space *memory)
{
    static const uint32_t id = ID_PORTS | ID_DMA;
    int err;

    *f = (struct fwcfg){.dev.ops = &fwcfg_device_ops, .memory = memory};
    err = fwcfg_add_bytes(f, FWCFG_SIGNATURE, "QEMU", 4);
    if (!err)
        err = fwcfg_add_bytes(f, FWCFG_ID, &id, sizeof(id));
    if (!err)
        err = fwcfg_write_directory(f);
    if (!err)
        err = space_map_io(ports, PORT_BASE, PORT_LEN, &fwcfg_io, f);
    if (err)
        fwcfg_free(f);
    return err;
}

void fwcfg_free(struct fwcfg *f)
{
    unsigned i;

    for (i = 0; i < FWCFG_FILE_FIRST; i++) {
        free(f->legacy[i].data);
        free(f->arch[i].data);
    }
    for (i = 0; i < f->num_files; i++)
        free(f->file[i].item.data);
    *f = (struct fwcfg){.dev.ops = f->dev.ops, .memory = f->memory};
}
