/* Multiboot-1 kernels and their modules.  The Multiboot Specification 0.6.96, 3.1 (header), 3.2 (machine state),
 * 3.3 (information).  The machine state and the memory fields are set up by bootrom.S in the guest.
 *
 *     9000h   information structure, module list, strings
 *     kernel  where its program headers or header addresses say
 *     behind  modules, page-aligned, in order */
#include "frontend/boot_elf.h"

#include <assert.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "frontend/bootrom.h"
#include "host/log.h"

#define SEARCH_BYTES 8192
#define HEADER_MAGIC 0x1badb002u
#define HEADER_LEN   12 /* magic, flags, checksum: what all have */
#define HEADER_LEN_ADDRESSES 32

#define HEADER_REQUIRED  0x0000ffffu
#define HEADER_KNOWN     0x00000007u /* page-aligned modules, memory information, video mode (a wish: not granted) */
#define HEADER_ADDRESSES 0x00010000u

enum { HDR_FLAGS = 4, HDR_HEADER_ADDR = 12, HDR_LOAD_ADDR = 16, HDR_LOAD_END = 20, HDR_BSS_END = 24, HDR_ENTRY = 28 };

/* Information structure. */
enum { MBI_FLAGS = 0, MBI_CMDLINE = 16, MBI_MODS_COUNT = 20, MBI_MODS_ADDR = 24, MBI_LOADER_NAME = 64, MBI_LEN = 88 };
enum { MBI_HAS_MEMORY = 1, MBI_HAS_CMDLINE = 4, MBI_HAS_MODS = 8, MBI_HAS_MMAP = 0x40, MBI_HAS_LOADER_NAME = 0x200 };
#define MBI_MODULE_LEN 16

#define INFO_MAX (BOOTROM_MMAP - BOOTROM_INFO_BASE)
#define KERNEL_MAX MIB(512)
#define MAX_MODULES 20
#define MAX_KERNEL_PARTS 16
#define LOW_END    0x90000u /* above: the BIOS's extended data area may begin */
#define FIRMWARE_TABLES KIB(512)

_Static_assert(MAX_MODULES + MAX_KERNEL_PARTS < BOOTROM_MAX_SEGMENTS, "and one segment for the information");

/* A piece of guest memory to be filled. */
struct part {
    uint32_t dest, file_len, mem_len;
    const uint8_t *data;
};

struct module {
    uint8_t *data; /* owned */
    uint64_t len;
    char *line; /* "file arguments", owned */
};

struct multiboot {
    const char *path;
    uint8_t *data; /* the kernel's file */
    uint64_t len;
    uint64_t ram_bytes;
    uint32_t header, flags; /* offset and flags of the multiboot header */
    uint32_t entry;
    uint32_t kernel_end;
    struct part part[MAX_KERNEL_PARTS + MAX_MODULES];
    unsigned num_parts;
    struct module module[MAX_MODULES];
    unsigned num_modules, first_module_part;
    uint8_t info[INFO_MAX];
    uint32_t info_len;
};

static int refuse(const struct multiboot *m, int err, char why[WHY_BYTES], const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int refuse(const struct multiboot *m, int err, char why[WHY_BYTES], const char *fmt, ...)
{
    int n = snprintf(why, WHY_BYTES, "kernel %s: ", m->path);
    va_list ap;

    if (n < 0 || n >= WHY_BYTES)
        return err;
    va_start(ap, fmt);
    vsnprintf(why + n, WHY_BYTES - n, fmt, ap);
    va_end(ap);
    return err;
}

/* Offset of the multiboot header in the first len bytes of a file, or -1. */
static int header_find(const uint8_t *data, uint64_t len)
{
    uint64_t end = len < SEARCH_BYTES ? len : SEARCH_BYTES, i;
    uint32_t flags;

    for (i = 0; i + HEADER_LEN <= end; i += 4) {
        flags = load_le(data + i + HDR_FLAGS, 4);
        if (load_le(data + i, 4) != HEADER_MAGIC || HEADER_MAGIC + flags + (uint32_t)load_le(data + i + 8, 4) != 0)
            continue;
        if (!(flags & HEADER_ADDRESSES) || i + HEADER_LEN_ADDRESSES <= end)
            return i;
    }
    return -1;
}

bool boot_is_multiboot(const char *path)
{
    uint8_t head[SEARCH_BYTES];
    char why[WHY_BYTES];
    uint64_t size;
    int fd = loadfile_open("kernel", path, UINT64_MAX, &size, why);
    bool is_multiboot;

    if (fd < 0)
        return false;
    if (size > sizeof(head))
        size = sizeof(head);
    is_multiboot = loadfile_read(fd, "kernel", path, head, size, why) == 0 && header_find(head, size) >= 0;
    close(fd);
    return is_multiboot;
}

/* May [dest, dest + len) be loaded?  Not over the BIOS, the boot ROM's work area or what is no RAM. */
static bool may_load_at(const struct multiboot *m, uint64_t dest, uint64_t len)
{
    uint64_t ram_end = m->ram_bytes > FIRMWARE_TABLES ? m->ram_bytes - FIRMWARE_TABLES : 0;

    if (dest >= MIB(1))
        return dest + len <= ram_end;
    return dest >= BOOTROM_WORK_END && dest + len <= LOW_END;
}

static int add_kernel_part(struct multiboot *m, uint64_t dest, uint64_t offset, uint64_t file_len, uint64_t mem_len,
                           char why[WHY_BYTES])
{
    if (!mem_len)
        return 0;
    if (offset > m->len || file_len > m->len - offset)
        return refuse(m, -ENOEXEC, why, "is truncated (a segment lies beyond its end)");
    if (file_len > mem_len || mem_len > GIB(4) || m->num_parts == MAX_KERNEL_PARTS)
        return refuse(m, -ENOEXEC, why, "has a damaged or too long list of segments");
    if (!may_load_at(m, dest, mem_len))
        return refuse(m, -ENOMEM, why, "wants %#llx bytes at address %#llx, which is no free memory",
                      (unsigned long long)mem_len, (unsigned long long)dest);
    m->part[m->num_parts++] = (struct part){dest, file_len, mem_len, m->data + offset};
    if (dest + mem_len > m->kernel_end)
        m->kernel_end = dest + mem_len;
    return 0;
}

/* The header itself says what goes where. */
static int load_by_addresses(struct multiboot *m, char why[WHY_BYTES])
{
    const uint8_t *h = m->data + m->header;
    uint32_t header_addr = load_le(h + HDR_HEADER_ADDR, 4), load = load_le(h + HDR_LOAD_ADDR, 4);
    uint32_t load_end = load_le(h + HDR_LOAD_END, 4), bss_end = load_le(h + HDR_BSS_END, 4);
    uint64_t offset, file_len, mem_len;

    if (header_addr < load || header_addr - load > m->header)
        return refuse(m, -ENOEXEC, why, "has wrong addresses in its multiboot header");
    offset = m->header - (header_addr - load);
    if (load_end && load_end < load)
        return refuse(m, -ENOEXEC, why, "has wrong addresses in its multiboot header");
    file_len = load_end ? load_end - load : m->len - offset;
    mem_len = bss_end > load && bss_end - load > file_len ? bss_end - load : file_len;
    m->entry = load_le(h + HDR_ENTRY, 4);
    return add_kernel_part(m, load, offset, file_len, mem_len, why);
}

/* Some kernels give a virtual entry address: turn it into the physical one of the segment that holds it. */
static uint32_t physical_entry(const GElf_Phdr *ph, uint32_t entry)
{
    return entry >= ph->p_vaddr && entry - ph->p_vaddr < ph->p_memsz ? entry - ph->p_vaddr + ph->p_paddr : entry;
}

static int load_segments(struct multiboot *m, Elf *elf, char why[WHY_BYTES])
{
    GElf_Ehdr eh;
    GElf_Phdr ph;
    size_t n, i;
    int err;

    if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh) || elf_getphdrnum(elf, &n) != 0)
        return refuse(m, -ENOEXEC, why, "is truncated or a damaged ELF file");
    if (gelf_getclass(elf) != ELFCLASS32 || eh.e_machine != EM_386)
        return refuse(m, -ENOEXEC, why, "is no 32-bit x86 ELF file");
    m->entry = eh.e_entry;
    for (i = 0; i < n; i++) {
        if (!gelf_getphdr(elf, i, &ph))
            return refuse(m, -ENOEXEC, why, "is truncated or a damaged ELF file");
        if (ph.p_type != PT_LOAD)
            continue;
        err = add_kernel_part(m, ph.p_paddr, ph.p_offset, ph.p_filesz, ph.p_memsz, why);
        if (err)
            return err;
        if (m->entry == eh.e_entry)
            m->entry = physical_entry(&ph, eh.e_entry);
    }
    return 0;
}

static int load_by_elf(struct multiboot *m, char why[WHY_BYTES])
{
    Elf *elf;
    int err;

    if (m->len < EI_NIDENT || memcmp(m->data, ELFMAG, SELFMAG) != 0)
        return refuse(m, -ENOEXEC, why, "is no ELF file, and its multiboot header has no addresses");
    elf_version(EV_CURRENT);
    elf = elf_memory((char *)m->data, m->len);
    if (!elf)
        return refuse(m, -ENOEXEC, why, "is a damaged ELF file");
    err = load_segments(m, elf, why);
    elf_end(elf);
    return err;
}

static int load_kernel(struct multiboot *m, char why[WHY_BYTES])
{
    int header = header_find(m->data, m->len), err;
    unsigned i;

    if (header < 0)
        return refuse(m, -ENOEXEC, why, "is no multiboot kernel");
    m->header = header;
    m->flags = load_le(m->data + header + HDR_FLAGS, 4);
    if (m->flags & HEADER_REQUIRED & ~HEADER_KNOWN)
        return refuse(m, -ENOEXEC, why, "needs multiboot features that do not exist here (flags %#x)", m->flags);
    err = m->flags & HEADER_ADDRESSES ? load_by_addresses(m, why) : load_by_elf(m, why);
    if (err)
        return err;
    for (i = 0; i < m->num_parts; i++)
        if (m->entry >= m->part[i].dest && m->entry - m->part[i].dest < m->part[i].file_len)
            return 0;
    return refuse(m, -ENOEXEC, why, "has its entry point %#x outside of what is loaded", m->entry);
}

/* One "file arguments". */
static int load_module(struct multiboot *m, const char *line, size_t line_len, char why[WHY_BYTES])
{
    struct module *mod;
    char *path;
    int err;

    if (m->num_modules == MAX_MODULES)
        return refuse(m, -E2BIG, why, "more than %d modules", MAX_MODULES);
    mod = &m->module[m->num_modules++];
    mod->line = strndup(line, line_len);
    path = mod->line ? strndup(mod->line, strcspn(mod->line, " ")) : NULL;
    if (!path)
        return refuse(m, -ENOMEM, why, "%s", strerror(ENOMEM));
    err = loadfile("module", path, GIB(1), &mod->data, &mod->len, why);
    free(path);
    return err;
}

static int load_modules(struct multiboot *m, const char *list, char why[WHY_BYTES])
{
    size_t len;
    int err = 0;

    for (; !err && *list; list += len + (list[len] == ',')) {
        while (*list == ' ')
            list++;
        len = strcspn(list, ",");
        if (len)
            err = load_module(m, list, len, why);
    }
    return err;
}

static int place_modules(struct multiboot *m, char why[WHY_BYTES])
{
    uint64_t at = m->kernel_end < MIB(1) ? MIB(1) : m->kernel_end;
    unsigned i;

    m->first_module_part = m->num_parts;
    for (i = 0; i < m->num_modules; i++) {
        struct module *mod = &m->module[i];

        at = (at + GUEST_PAGE_MASK) & ~(uint64_t)GUEST_PAGE_MASK;
        if (!may_load_at(m, at, mod->len))
            return refuse(m, -ENOMEM, why, "its modules do not fit into %llu MiB of memory",
                          (unsigned long long)(m->ram_bytes >> 20));
        m->part[m->num_parts++] = (struct part){at, mod->len, mod->len, mod->data};
        at += mod->len;
    }
    return 0;
}

/* Append to the information area; returns the guest address, 0 if it is full. */
static uint32_t info_add(struct multiboot *m, const void *data, size_t len)
{
    uint32_t at = (m->info_len + 3) & ~3u;

    if (len > INFO_MAX - at)
        return 0;
    if (data)
        memcpy(m->info + at, data, len);
    m->info_len = at + len;
    return BOOTROM_INFO_BASE + at;
}

static void info_write(struct multiboot *m, uint32_t address, uint32_t value)
{
    store_le(m->info + (address - BOOTROM_INFO_BASE), 4, value);
}

static bool info_add_modules(struct multiboot *m)
{
    uint32_t list = info_add(m, NULL, (size_t)m->num_modules * MBI_MODULE_LEN), line;
    unsigned i;

    if (!list)
        return false;
    for (i = 0; i < m->num_modules; i++) {
        const struct part *p = &m->part[m->first_module_part + i];

        line = info_add(m, m->module[i].line, strlen(m->module[i].line) + 1);
        if (!line)
            return false;
        info_write(m, list + i * MBI_MODULE_LEN, p->dest);
        info_write(m, list + i * MBI_MODULE_LEN + 4, p->dest + p->file_len);
        info_write(m, list + i * MBI_MODULE_LEN + 8, line);
    }
    info_write(m, BOOTROM_INFO_BASE + MBI_MODS_COUNT, m->num_modules);
    info_write(m, BOOTROM_INFO_BASE + MBI_MODS_ADDR, list);
    return true;
}

/* Boot loaders give the kernel's name as the first word. */
static int info_build(struct multiboot *m, const char *cmdline, char why[WHY_BYTES])
{
    static const char loader[] = "Ringer";
    uint32_t flags = MBI_HAS_MEMORY | MBI_HAS_MMAP | MBI_HAS_LOADER_NAME | MBI_HAS_CMDLINE, line, name;
    char *full;
    bool fits;

    if (asprintf(&full, "%s%s%s", m->path, cmdline && *cmdline ? " " : "", cmdline ? cmdline : "") < 0)
        return refuse(m, -ENOMEM, why, "%s", strerror(ENOMEM));
    info_add(m, NULL, MBI_LEN);
    name = info_add(m, loader, sizeof(loader));
    line = info_add(m, full, strlen(full) + 1);
    free(full);
    fits = name && line && info_add_modules(m);
    if (!fits)
        return refuse(m, -E2BIG, why, "command line and module arguments are longer than %d bytes", INFO_MAX - MBI_LEN);
    if (m->num_modules)
        flags |= MBI_HAS_MODS;
    info_write(m, BOOTROM_INFO_BASE + MBI_FLAGS, flags);
    info_write(m, BOOTROM_INFO_BASE + MBI_CMDLINE, line);
    info_write(m, BOOTROM_INFO_BASE + MBI_LOADER_NAME, name);
    return 0;
}

static int install(struct fwcfg *f, struct multiboot *m, char why[WHY_BYTES])
{
    uint64_t total = m->info_len;
    struct bootrom_header *h;
    struct bootblob b;
    unsigned i;
    int err;

    for (i = 0; i < m->num_parts; i++)
        total += m->part[i].file_len;
    err = bootblob_create(&b, total);
    if (err)
        return refuse(m, err, why, "no host memory to load it");
    h = bootblob_header(&b);
    h->kind = BOOTROM_MULTIBOOT;
    h->entry = m->entry;
    h->param = BOOTROM_INFO_BASE;
    memcpy(bootblob_add(&b, BOOTROM_INFO_BASE, m->info_len, m->info_len), m->info, m->info_len);
    for (i = 0; i < m->num_parts; i++) {
        const struct part *p = &m->part[i];
        uint8_t *to = bootblob_add(&b, p->dest, p->file_len, p->mem_len);

        if (p->file_len)
            memcpy(to, p->data, p->file_len);
    }
    err = bootrom_install(f, &b);
    return err ? refuse(m, err, why, "cannot be handed to the firmware") : 0;
}

int boot_elf_prepare(struct fwcfg *f, const char *kernel, const char *modules, const char *cmdline, uint64_t ram_bytes,
                     char why[WHY_BYTES])
{
    struct multiboot *m = calloc(1, sizeof(*m));
    unsigned i;
    int err;

    if (!m) {
        snprintf(why, WHY_BYTES, "kernel %s: %s", kernel, strerror(ENOMEM));
        return -ENOMEM;
    }
    m->path = kernel;
    m->ram_bytes = ram_bytes;
    err = loadfile("kernel", kernel, KERNEL_MAX, &m->data, &m->len, why);
    if (!err)
        err = load_kernel(m, why);
    if (!err && modules)
        err = load_modules(m, modules, why);
    if (!err)
        err = place_modules(m, why);
    if (!err)
        err = info_build(m, cmdline, why);
    if (!err)
        err = install(f, m, why);
    if (!err)
        log_at(LOG_BOOT, "multiboot %s: entry %#x, %u segments, %u modules", kernel, m->entry, m->first_module_part,
               m->num_modules);
    for (i = 0; i < m->num_modules; i++) {
        free(m->module[i].data);
        free(m->module[i].line);
    }
    free(m->data);
    free(m);
    return err;
}
