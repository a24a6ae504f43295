/* Firmware configuration: ports, directory, DMA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "devices/fwcfg.h"

#define RAM_BYTES MIB(1)
#define DESC 0x1000
#define BUF 0x2000

enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };

struct fixture {
    struct guestmem *mem;
    struct space *memory, *ports;
    struct fwcfg f;
    uint8_t *ram;
};

static int setup(void **state)
{
    struct fixture *t = calloc(1, sizeof(*t));

    t->mem = guestmem_create(MIB(4));
    t->memory = space_create(GIB(4), t->mem);
    t->ports = space_create(0x10000, NULL);
    guestmem_alloc(t->mem, RAM_BYTES);
    t->ram = guestmem_view(t->mem);
    space_map_mem(t->memory, 0, RAM_BYTES, 0, 0, SPACE_R | SPACE_W);
    assert_int_equal(fwcfg_init(&t->f, t->ports, t->memory), 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *t = *state;

    fwcfg_free(&t->f);
    space_destroy(t->ports);
    space_destroy(t->memory);
    guestmem_destroy(t->mem);
    free(t);
    return 0;
}

static void select_key(struct fixture *t, uint16_t key)
{
    space_write(t->ports, 0x510, 2, key);
}

static uint32_t read_bytes(struct fixture *t, unsigned n)
{
    uint32_t v = 0;
    unsigned i;

    for (i = 0; i < n; i++)
        v |= (uint32_t)space_read(t->ports, 0x511, 1) << (8 * i);
    return v;
}

/* Result: what the device left in the control field. */
static uint32_t dma(struct fixture *t, uint32_t control, uint32_t len, uint64_t address)
{
    store_le(t->ram + DESC, 4, htobe32(control));
    store_le(t->ram + DESC + 4, 4, htobe32(len));
    store_le(t->ram + DESC + 8, 8, htobe64(address));
    space_write(t->ports, 0x514, 4, 0);
    space_write(t->ports, 0x518, 4, htobe32(DESC));
    return be32toh(load_le(t->ram + DESC, 4));
}

/* Key of a file as the guest finds it; 0 if it is not in the directory. */
static uint16_t find_key(struct fixture *t, const char *name, uint32_t *size)
{
    uint32_t count, i, j;
    char entry[64];

    select_key(t, FWCFG_FILE_DIR);
    count = be32toh(read_bytes(t, 4));
    for (i = 0; i < count; i++) {
        for (j = 0; j < sizeof(entry); j++)
            entry[j] = read_bytes(t, 1);
        *size = be32toh(load_le(entry, 4));
        if (strcmp(entry + 8, name) == 0)
            return be16toh(load_le(entry + 4, 2));
    }
    return 0;
}

static void signature_and_id_are_there(void **state)
{
    struct fixture *t = *state;

    select_key(t, FWCFG_SIGNATURE);
    assert_int_equal(read_bytes(t, 4), 0x554d4551);
    assert_int_equal(read_bytes(t, 1), 0); /* past the end */
    select_key(t, FWCFG_ID);
    assert_int_equal(read_bytes(t, 4), 3);
    assert_int_equal(space_read(t->ports, 0x514, 4), 0x554d4551); /* "QEMU" */
    assert_int_equal(space_read(t->ports, 0x518, 4), 0x47464320); /* " CFG" */
}

static void unknown_keys_read_as_zero(void **state)
{
    struct fixture *t = *state;
    static const uint16_t keys[] = {0x1f, 0x20, 0x7fff, 0x8010, 0x8020, 0xffff};
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(keys); i++) {
        select_key(t, keys[i]);
        assert_int_equal(read_bytes(t, 4), 0);
        assert_int_equal(dma(t, (uint32_t)keys[i] << 16 | DMA_SELECT | DMA_READ, 16, BUF), 0);
    }
    assert_int_equal(fwcfg_add_bytes(&t->f, 0x20, "x", 1), -EINVAL);
}

static void files_are_sorted_and_replaced(void **state)
{
    struct fixture *t = *state;
    uint32_t size;

    assert_int_equal(fwcfg_add_file(&t->f, "etc/b", "bb", 2), 0);
    assert_int_equal(fwcfg_add_file(&t->f, "etc/a", "a", 1), 0);
    assert_int_equal(fwcfg_add_file(&t->f, "etc/c", "ccc", 3), 0);
    assert_int_equal(find_key(t, "etc/a", &size), 0x20);
    assert_int_equal(find_key(t, "etc/b", &size), 0x21);
    assert_int_equal(fwcfg_add_file(&t->f, "etc/b", "BBBB", 4), 0);
    assert_int_equal(find_key(t, "etc/b", &size), 0x21);
    assert_int_equal(size, 4);
    select_key(t, 0x21);
    assert_int_equal(read_bytes(t, 4), 0x42424242);
    assert_int_equal(find_key(t, "etc/d", &size), 0);
}

static void bad_names_and_too_many_files_are_refused(void **state)
{
    struct fixture *t = *state;
    char name[80];
    unsigned i;

    memset(name, 'x', sizeof(name));
    name[56] = '\0';
    assert_int_equal(fwcfg_add_file(&t->f, name, "", 0), -EINVAL);
    name[55] = '\0';
    assert_int_equal(fwcfg_add_file(&t->f, name, "", 0), 0);
    assert_int_equal(fwcfg_add_file(&t->f, "", "", 0), -EINVAL);
    for (i = 1; i < FWCFG_MAX_FILES; i++) {
        name[0] = 'A' + i % 26, name[1] = 'A' + i / 26;
        assert_int_equal(fwcfg_add_file(&t->f, name, "", 0), 0);
    }
    assert_int_equal(fwcfg_add_file(&t->f, "one more", "", 0), -ENOSPC);
}

static void dma_reads_select_skip_and_pad(void **state)
{
    struct fixture *t = *state;

    fwcfg_add_file(&t->f, "f", "0123456789", 10);
    memset(t->ram + BUF, 0xee, 32);
    assert_int_equal(dma(t, 0x20 << 16 | DMA_SELECT | DMA_READ, 4, BUF), 0);
    assert_memory_equal(t->ram + BUF, "0123\xee", 5);
    assert_int_equal(dma(t, DMA_SKIP, 2, 0), 0);
    assert_int_equal(dma(t, DMA_READ, 8, BUF), 0); /* four are left */
    assert_memory_equal(t->ram + BUF, "6789\0\0\0\0\xee", 9);
    assert_int_equal(dma(t, DMA_SKIP, 0xffffffff, 0), 0);
    assert_int_equal(dma(t, 0x20 << 16 | DMA_SELECT, 0, 0), 0);
    assert_int_equal(read_bytes(t, 1), '0'); /* both interfaces share selector and offset */
}

static void dma_errors_are_reported(void **state)
{
    struct fixture *t = *state;

    fwcfg_add_file(&t->f, "f", "0123456789", 10);
    assert_int_equal(dma(t, 0x20 << 16 | DMA_SELECT | DMA_WRITE, 1, BUF), DMA_ERROR);
    assert_int_equal(dma(t, 0x20 << 16 | DMA_SELECT | DMA_READ, 4, RAM_BYTES), DMA_ERROR);
    assert_int_equal(dma(t, 0x20 << 16 | DMA_SELECT | DMA_READ, 0x20, RAM_BYTES - 0x10), DMA_ERROR);
    assert_int_equal(dma(t, 0x20 << 16 | DMA_SELECT | DMA_READ, 0xffffffff, 0x10000), DMA_ERROR);
    assert_int_equal(dma(t, 0x20 << 16 | DMA_SELECT | DMA_READ, 0x20, UINT64_MAX - 4), DMA_ERROR);
    space_write(t->ports, 0x518, 4, htobe32(RAM_BYTES - 8)); /* a descriptor half outside: ignored */
}

static void e820_entries_accumulate(void **state)
{
    struct fixture *t = *state;
    const struct fwcfg_item *item;

    assert_null(fwcfg_find_file(&t->f, "etc/e820"));
    assert_int_equal(fwcfg_add_e820(&t->f, 0, MIB(64), FWCFG_E820_RAM), 0);
    assert_int_equal(fwcfg_add_e820(&t->f, GIB(4), MIB(32), FWCFG_E820_RESERVED), 0);
    item = fwcfg_find_file(&t->f, "etc/e820");
    assert_int_equal(item->len, 40);
    assert_int_equal(load_le(item->data + 20, 8), GIB(4));
    assert_int_equal(load_le(item->data + 28, 8), MIB(32));
    assert_int_equal(load_le(item->data + 36, 4), 2);
}

static void reset_forgets_the_selection(void **state)
{
    struct fixture *t = *state;

    select_key(t, FWCFG_ID);
    read_bytes(t, 1);
    space_write(t->ports, 0x514, 4, 0x11223344);
    t->f.dev.ops->reset(&t->f.dev);
    assert_int_equal(read_bytes(t, 4), 0x554d4551);
    space_write(t->ports, 0x518, 4, 0); /* upper half is 0 again */
    assert_int_equal(load_le(t->f.dma_address, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signature_and_id_are_there, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_keys_read_as_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(files_are_sorted_and_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_names_and_too_many_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_reads_select_skip_and_pad, setup, teardown),
        cmocka_unit_test_setup_teardown(dma_errors_are_reported, setup, teardown),
        cmocka_unit_test_setup_teardown(e820_entries_accumulate, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_forgets_the_selection, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
