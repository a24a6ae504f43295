/* Linux boot protocol, real-mode entry.  Linux Documentation/x86/boot.rst (6.1).
 *
 *     10000h  boot sector and setup code (real mode)
 *     up to the command line: heap and stack of the setup code
 *     20000h  command line (1f000h for protocols before 2.02, which address it from 10000h)
 *    100000h  protected-mode kernel
 *        top  initrd, below the RAM that SeaBIOS keeps for its tables */
#include "frontend/boot_linux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "frontend/boot_elf.h"
#include "frontend/bootrom.h"
#include "host/log.h"

#define SETUP_BASE     0x10000u
#define CMDLINE_BASE   0x20000u
#define CMDLINE_OLD    0x1f000u
#define CMDLINE_MAX    0x1000u
#define KERNEL_BASE    0x100000u
#define FIRMWARE_TABLES KIB(512) /* SeaBIOS keeps 256 KiB at the top of RAM */
#define KERNEL_MAX     MIB(512)
#define HEADER_END     0x268u /* what of the header we read: up to init_size and handover_offset */
#define OLD_INITRD_MAX 0x37ffffffu

/* Offsets in the setup header. */
enum {
    HDR_SETUP_SECTS = 0x1f1,
    HDR_SYSSIZE = 0x1f4,
    HDR_VID_MODE = 0x1fa,
    HDR_BOOT_FLAG = 0x1fe,
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_HEAP_END_PTR = 0x224,
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_PREF_ADDRESS = 0x258,
    HDR_INIT_SIZE = 0x260,
    OLD_CMDLINE_MAGIC = 0x20,
    OLD_CMDLINE_OFFSET = 0x22
};
#define HDRS            0x53726448 /* "HdrS" */
#define OLD_CMDLINE     0xa33f
#define LOADED_HIGH     0x01
#define CAN_USE_HEAP    0x80
#define LOADER_UNDEFINED 0xff

struct linux_image {
    const char *path;
    uint8_t *data;
    uint64_t len;
    uint16_t version;
    uint32_t setup_len;   /* boot sector and setup code */
    uint32_t kernel_len;  /* the rest */
    uint32_t cmdline_max; /* without the NUL */
    uint32_t initrd_max;  /* highest address the initrd may occupy */
    uint64_t kernel_end;  /* first address the kernel leaves alone while it starts */
};

static bool has_header(const uint8_t *data, uint64_t len)
{
    return len >= HEADER_END && load_le(data + HDR_BOOT_FLAG, 2) == 0xaa55 && load_le(data + HDR_MAGIC, 4) == HDRS;
}

bool boot_is_linux(const char *path)
{
    uint8_t head[HEADER_END];
    char why[WHY_BYTES];
    uint64_t size;
    int fd = loadfile_open("kernel", path, UINT64_MAX, &size, why);
    bool is_linux;

    if (fd < 0)
        return false;
    is_linux = size >= sizeof(head) && loadfile_read(fd, "kernel", path, head, sizeof(head), why) == 0 &&
               has_header(head, sizeof(head));
    close(fd);
    return is_linux;
}

static uint32_t header_read(const struct linux_image *k, unsigned offset, unsigned size)
{
    return load_le(k->data + offset, size);
}

static void header_write(struct linux_image *k, unsigned offset, unsigned size, uint32_t value)
{
    store_le(k->data + offset, size, value);
}

static int image_refuse(const struct linux_image *k, int err, const char *problem, char why[WHY_BYTES])
{
    snprintf(why, WHY_BYTES, "kernel %s: %s", k->path, problem);
    return err;
}

static int image_parse(struct linux_image *k, char why[WHY_BYTES])
{
    unsigned setup_sects;
    uint64_t syssize;

    if (!has_header(k->data, k->len))
        return image_refuse(k, -ENOEXEC, "is neither a Linux bzImage nor a multiboot kernel", why);
    k->version = header_read(k, HDR_VERSION, 2);
    if (k->version < 0x200 || !(header_read(k, HDR_LOADFLAGS, 1) & LOADED_HIGH))
        return image_refuse(k, -ENOEXEC, "is an old zImage; only bzImage is supported", why);
    setup_sects = header_read(k, HDR_SETUP_SECTS, 1);
    k->setup_len = ((setup_sects ? setup_sects : 4) + 1) * 512;
    syssize = k->version >= 0x204 ? (uint64_t)header_read(k, HDR_SYSSIZE, 4) * 16 : 0; /* 16 bits before that: useless */
    if (k->len <= k->setup_len)
        return image_refuse(k, -ENOEXEC, "is truncated (its setup code is incomplete)", why);
    k->kernel_len = k->len - k->setup_len;
    if (k->kernel_len + 15 < syssize) /* some tools do not pad the file to whole paragraphs */
        return image_refuse(k, -ENOEXEC, "is truncated (its header promises a longer file)", why);
    if (SETUP_BASE + k->setup_len + 0x1000 > CMDLINE_OLD)
        return image_refuse(k, -ENOEXEC, "has too much setup code", why);
    k->cmdline_max = k->version >= 0x206 ? header_read(k, HDR_CMDLINE_SIZE, 4) : 255;
    if (k->cmdline_max > CMDLINE_MAX - 1)
        k->cmdline_max = CMDLINE_MAX - 1;
    k->initrd_max = k->version >= 0x203 ? header_read(k, HDR_INITRD_ADDR_MAX, 4) : OLD_INITRD_MAX;
    return 0;
}

/* The decompressor works at the preferred address, whether or not the kernel was loaded there. */
static void image_find_end(struct linux_image *k)
{
    uint64_t end;

    k->kernel_end = KERNEL_BASE + (uint64_t)k->kernel_len;
    if (k->version < 0x20a)
        return;
    end = load_le(k->data + HDR_PREF_ADDRESS, 8);
    end = end < KERNEL_BASE || end > GIB(4) ? KERNEL_BASE : end;
    end += header_read(k, HDR_INIT_SIZE, 4);
    if (end > k->kernel_end)
        k->kernel_end = end;
}

static int check_ram(const struct linux_image *k, uint64_t ram_bytes, char why[WHY_BYTES])
{
    if (KERNEL_BASE + (uint64_t)k->kernel_len + FIRMWARE_TABLES <= ram_bytes)
        return 0;
    snprintf(why, WHY_BYTES, "kernel %s: needs more than %llu MiB of memory", k->path,
             (unsigned long long)(ram_bytes >> 20));
    return -ENOMEM;
}

/* As high as RAM and the kernel allow. */
static int place_initrd(const struct linux_image *k, const char *initrd, uint64_t len, uint64_t ram_bytes,
                        uint32_t *dest, char why[WHY_BYTES])
{
    uint64_t top = ram_bytes - FIRMWARE_TABLES;

    if (top > (uint64_t)k->initrd_max + 1)
        top = (uint64_t)k->initrd_max + 1;
    *dest = top > len ? (top - len) & ~4095ull : 0;
    if (*dest >= k->kernel_end)
        return 0;
    snprintf(why, WHY_BYTES, "initrd %s: its %llu MiB do not fit beside the kernel into %llu MiB of memory", initrd,
             (unsigned long long)((len + MIB(1) - 1) >> 20), (unsigned long long)(ram_bytes >> 20));
    return -ENOMEM;
}

/* "vga=" is the boot loader's to obey: the video mode goes into the header. */
static void set_video_mode(struct linux_image *k, const char *cmdline)
{
    static const struct { const char *word; uint16_t mode; } words[] = {
        {"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
    const char *p = cmdline, *value = NULL;
    uint16_t mode;
    unsigned i;

    for (p = strstr(p, "vga="); p; p = strstr(p + 4, "vga="))
        if (p == cmdline || p[-1] == ' ')
            value = p + 4;
    if (!value)
        return;
    mode = strtoul(value, NULL, 0);
    for (i = 0; i < ARRAY_SIZE(words); i++)
        if (strncasecmp(value, words[i].word, strlen(words[i].word)) == 0)
            mode = words[i].mode;
    header_write(k, HDR_VID_MODE, 2, mode);
}

static uint32_t cmdline_address(const struct linux_image *k)
{
    return k->version >= 0x202 ? CMDLINE_BASE : CMDLINE_OLD;
}

static void patch_header(struct linux_image *k, const char *cmdline, uint32_t initrd, uint32_t initrd_len)
{
    uint32_t cmdline_at = cmdline_address(k);

    header_write(k, HDR_TYPE_OF_LOADER, 1, LOADER_UNDEFINED);
    header_write(k, HDR_RAMDISK_IMAGE, 4, initrd_len ? initrd : 0);
    header_write(k, HDR_RAMDISK_SIZE, 4, initrd_len);
    if (k->version >= 0x201) {
        header_write(k, HDR_LOADFLAGS, 1, header_read(k, HDR_LOADFLAGS, 1) | CAN_USE_HEAP);
        header_write(k, HDR_HEAP_END_PTR, 2, cmdline_at - SETUP_BASE - 0x200);
    }
    if (k->version >= 0x202) {
        header_write(k, HDR_CMD_LINE_PTR, 4, cmdline_at);
    } else {
        header_write(k, OLD_CMDLINE_MAGIC, 2, OLD_CMDLINE);
        header_write(k, OLD_CMDLINE_OFFSET, 2, cmdline_at - SETUP_BASE);
    }
    set_video_mode(k, cmdline);
}

static int check_cmdline(const struct linux_image *k, const char *cmdline, char why[WHY_BYTES])
{
    size_t len = strlen(cmdline);

    if (len <= k->cmdline_max)
        return 0;
    snprintf(why, WHY_BYTES, "the kernel's command line is %zu characters long; %s takes %u", len, k->path,
             k->cmdline_max);
    return -E2BIG;
}

/* Blob: setup code, command line, kernel, initrd. */
static int install(struct fwcfg *f, struct linux_image *k, const char *cmdline, int initrd_fd, const char *initrd,
                   uint32_t initrd_at, uint32_t initrd_len, char why[WHY_BYTES])
{
    uint32_t cmdline_len = strlen(cmdline) + 1;
    struct bootrom_header *h;
    struct bootblob b;
    int err = bootblob_create(&b, k->len + cmdline_len + (uint64_t)initrd_len);

    if (err)
        return image_refuse(k, err, "no host memory to load it", why);
    h = bootblob_header(&b);
    h->kind = BOOTROM_LINUX;
    h->entry = SETUP_BASE >> 4;
    h->param = cmdline_address(k) - SETUP_BASE - 0x10;
    memcpy(bootblob_add(&b, SETUP_BASE, k->setup_len, k->setup_len), k->data, k->setup_len);
    memcpy(bootblob_add(&b, cmdline_address(k), cmdline_len, cmdline_len), cmdline, cmdline_len);
    memcpy(bootblob_add(&b, KERNEL_BASE, k->kernel_len, k->kernel_len), k->data + k->setup_len, k->kernel_len);
    if (initrd_fd >= 0) {
        uint8_t *to = bootblob_add(&b, initrd_at, initrd_len, initrd_len);

        err = loadfile_read(initrd_fd, "initrd", initrd, to, initrd_len, why);
    }
    if (err) {
        bootblob_destroy(&b);
        return err;
    }
    err = bootrom_install(f, &b);
    return err ? image_refuse(k, err, "cannot be handed to the firmware", why) : 0;
}

int boot_linux_prepare(struct fwcfg *f, const char *kernel, const char *initrd, const char *cmdline, uint64_t ram_bytes,
                       char why[WHY_BYTES])
{
    struct linux_image k = {.path = kernel};
    uint64_t initrd_len = 0;
    uint32_t initrd_at = 0;
    int err, initrd_fd = -1;

    if (!cmdline)
        cmdline = "";
    err = loadfile("kernel", kernel, KERNEL_MAX, &k.data, &k.len, why);
    if (err)
        return err;
    err = image_parse(&k, why);
    if (!err)
        err = check_ram(&k, ram_bytes, why);
    if (!err)
        err = check_cmdline(&k, cmdline, why);
    if (err)
        goto out_kernel;
    image_find_end(&k);
    if (initrd) {
        initrd_fd = err = loadfile_open("initrd", initrd, GIB(2), &initrd_len, why);
        if (err < 0)
            goto out_kernel;
        err = place_initrd(&k, initrd, initrd_len, ram_bytes, &initrd_at, why);
        if (err)
            goto out_initrd;
    }
    patch_header(&k, cmdline, initrd_at, initrd_len);
    log_at(LOG_BOOT, "linux %s: protocol %x.%02x, setup %u bytes, kernel %u bytes, initrd %llu bytes at %#x", kernel,
           k.version >> 8, k.version & 0xff, k.setup_len, k.kernel_len, (unsigned long long)initrd_len, initrd_at);
    err = install(f, &k, cmdline, initrd_fd, initrd, initrd_at, initrd_len, why);
out_initrd:
    if (initrd_fd >= 0)
        close(initrd_fd);
out_kernel:
    free(k.data);
    return err;
}

int boot_kernel_prepare(struct fwcfg *f, const char *kernel, const char *initrd, const char *cmdline,
                        uint64_t ram_bytes, char why[WHY_BYTES])
{
    if (!boot_is_linux(kernel) && boot_is_multiboot(kernel))
        return boot_elf_prepare(f, kernel, initrd, cmdline, ram_bytes, why);
    return boot_linux_prepare(f, kernel, initrd, cmdline, ram_bytes, why);
}
