/* The loaders of direct boot on any file: bzImage, multiboot ELF, multiboot by addresses, with an initrd or modules; and BIOS images.
 * Input: what to load, RAM in MiB (2 bytes), command line up to a newline, modules' text up to a newline, the file. */
#include "devices/fwcfg.h"
#include "frontend/boot_elf.h"
#include "frontend/boot_linux.h"
#include "frontend/bootrom.h"
#include "frontend/firmware.h"
#include "host/guestmem.h"
#include "mmu/space.h"
#include "tests/fuzzers/target.h"

/* What the boot ROM will rely on. */
static void check_blob(struct fwcfg *f, uint64_t ram_bytes)
{
    const struct fwcfg_item *item = fwcfg_find_file(f, BOOTROM_BLOB);
    const struct bootrom_header *h;
    uint64_t len = sizeof(*h);

    MUST(item && item->len >= sizeof(*h));
    h = (const struct bootrom_header *)item->data;
    MUST(h->magic == BOOTROM_MAGIC);
    MUST(h->num_segments <= sizeof(h->segment) / sizeof(h->segment[0]));
    for (unsigned n = 0; n < h->num_segments; n++) {
        len += h->segment[n].file_len;
        MUST((uint64_t)h->segment[n].dest + h->segment[n].file_len <= ram_bytes);
    }
    MUST(len == item->len);
}

static void load_kernel(struct input *in, unsigned kind)
{
    struct space *ports = space_create(0x10000, NULL);
    uint64_t ram_bytes = (1 + input_take(in, 2) % 3072) << 20;
    char cmdline[256], modules[256], why[WHY_BYTES] = "";
    struct fwcfg f;
    const char *path;
    int error;

    input_take_text(in, cmdline, sizeof(cmdline));
    input_take_text(in, modules, sizeof(modules));
    path = input_file(0, in->data, in->left);
    if (kind & 4) { /* the file is its own initrd or module */
        size_t len = strlen(modules);

        snprintf(modules + len, sizeof(modules) - len, "%s%s", len ? "," : "", path);
    }
    MUST(ports && fwcfg_init(&f, ports, NULL) == 0);
    (void)boot_is_linux(path);
    (void)boot_is_multiboot(path);
    if ((kind & 3) == 0)
        error = boot_elf_prepare(&f, path, kind & 4 ? modules : NULL, cmdline, ram_bytes, why);
    else if ((kind & 3) == 1)
        error = boot_linux_prepare(&f, path, kind & 4 ? path : NULL, cmdline, ram_bytes, why);
    else
        error = boot_kernel_prepare(&f, path, kind & 4 ? path : NULL, cmdline, ram_bytes, why);
    MUST(error <= 0 && memchr(why, 0, sizeof(why)));
    MUST(!error || why[0]); /* an error has a reason */
    if (!error)
        check_blob(&f, ram_bytes);
    fwcfg_free(&f);
    space_destroy(ports);
}

static void load_firmware(struct input *in)
{
    struct guestmem *mem = guestmem_create(32u << 20);
    struct space *memory = space_create(1ull << 32, mem);
    const char *path = input_file(0, in->data, in->left);
    char why[WHY_BYTES] = "";
    struct firmware fw;
    uint8_t *vgabios = NULL;
    uint32_t len = 0;

    MUST(mem && memory);
    if (firmware_load_bios(mem, memory, path, &fw, why) == 0)
        (void)firmware_map_low(memory, &fw);
    if (firmware_load_vgabios(path, &vgabios, &len, why) == 0)
        MUST(vgabios && len);
    free(vgabios);
    space_destroy(memory);
    guestmem_destroy(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    unsigned kind = (unsigned)input_take(&in, 1) & 7;

    if ((kind & 3) == 3)
        load_firmware(&in);
    else
        load_kernel(&in, kind);
    return 0;
}
