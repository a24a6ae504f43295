/* Multiboot kernels: ELF and address-field loading, modules, the information structure. */
#include "tests/unit/bootfile.h"
#include <elf.h>
#include "frontend/boot_elf.h"
#include "frontend/boot_linux.h"

#define RAM MIB(64)
#define TEXT_OFFSET 0x1000
#define HEADER_OFFSET 0x40 /* in the text */
#define TEXT_LEN 0x200
#define IMAGE_LEN (TEXT_OFFSET + TEXT_LEN)
#define INFO BOOTROM_INFO_BASE

static _Alignas(8) uint8_t image[IMAGE_LEN];

static void make_header(uint8_t *at, uint32_t flags)
{
    store_le(at, 4, 0x1badb002);
    store_le(at + 4, 4, flags);
    store_le(at + 8, 4, -(0x1badb002 + flags));
}

static Elf32_Ehdr *ehdr(void)
{
    return (Elf32_Ehdr *)image;
}

static Elf32_Phdr *phdr(void)
{
    return (Elf32_Phdr *)(image + sizeof(Elf32_Ehdr));
}

/* One segment of code at 1 MiB, linked at C0100000h, with a bss. */
static void make_elf(uint32_t flags)
{
    static const Elf32_Ehdr eh = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC, .e_machine = EM_386, .e_version = EV_CURRENT, .e_entry = 0xc0100080,
        .e_phoff = sizeof(Elf32_Ehdr), .e_ehsize = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1};
    static const Elf32_Phdr ph = {
        .p_type = PT_LOAD, .p_offset = TEXT_OFFSET, .p_vaddr = 0xc0100000, .p_paddr = 0x100000,
        .p_filesz = TEXT_LEN, .p_memsz = 0x5000, .p_flags = PF_R | PF_X};

    memset(image, 0xab, sizeof(image));
    memcpy(image, &eh, sizeof(eh));
    memcpy(image + sizeof(eh), &ph, sizeof(ph));
    make_header(image + TEXT_OFFSET + HEADER_OFFSET, flags);
}

static int prepare(struct boot_fixture *t, const char *modules, const char *cmdline)
{
    write_file(t->path, image, sizeof(image));
    return boot_kernel_prepare(&t->f, t->path, modules, cmdline, RAM, t->why);
}

static uint32_t info_u32(struct boot_fixture *t, uint32_t address)
{
    uint32_t len;
    const uint8_t *info = boot_segment(t, INFO, &len);

    assert_in_range(address, INFO, INFO + len - 4);
    return load_le(info + address - INFO, 4);
}

static const char *info_string(struct boot_fixture *t, uint32_t address)
{
    uint32_t len;
    const uint8_t *info = boot_segment(t, INFO, &len);

    assert_in_range(address, INFO, INFO + len - 1);
    assert_non_null(memchr(info + address - INFO, 0, INFO + len - address));
    return (const char *)info + address - INFO;
}

static void elf_goes_to_its_physical_address(void **state)
{
    struct boot_fixture *t = *state;
    const uint8_t *p;
    uint32_t len;
    char line[100];

    make_elf(3);
    assert_int_equal(prepare(t, NULL, "console=com0"), 0);
    boot_result(t);
    assert_int_equal(t->h->kind, BOOTROM_MULTIBOOT);
    assert_int_equal(t->h->entry, 0x100080);
    assert_int_equal(t->h->param, INFO);
    p = boot_segment(t, 0x100000, &len);
    assert_int_equal(len, TEXT_LEN);
    assert_memory_equal(p, image + TEXT_OFFSET, TEXT_LEN);
    assert_int_equal(t->h->segment[t->h->num_segments - 1].mem_len, 0x5000);
    assert_int_equal(info_u32(t, INFO), 0x245); /* memory, command line, map, loader */
    snprintf(line, sizeof(line), "%s console=com0", t->path);
    assert_string_equal(info_string(t, info_u32(t, INFO + 16)), line);
    assert_string_equal(info_string(t, info_u32(t, INFO + 64)), "Ringer");
}

static void physical_entries_stay(void **state)
{
    struct boot_fixture *t = *state;

    make_elf(0);
    ehdr()->e_entry = 0x100010;
    assert_int_equal(prepare(t, NULL, NULL), 0);
    boot_result(t);
    assert_int_equal(t->h->entry, 0x100010);
}

static void address_fields_win_over_elf(void **state)
{
    struct boot_fixture *t = *state;
    uint8_t *h = image + TEXT_OFFSET + HEADER_OFFSET;
    const uint8_t *p;
    uint32_t len;

    make_elf(0x10003);
    store_le(h + 12, 4, 0x200000 + HEADER_OFFSET);
    store_le(h + 16, 4, 0x200000);
    store_le(h + 20, 4, 0x200100);
    store_le(h + 24, 4, 0x208000);
    store_le(h + 28, 4, 0x200004);
    assert_int_equal(prepare(t, NULL, NULL), 0);
    boot_result(t);
    p = boot_segment(t, 0x200000, &len);
    assert_int_equal(len, 0x100);
    assert_memory_equal(p, image + TEXT_OFFSET, len);
    assert_int_equal(t->h->entry, 0x200004);
    assert_int_equal(t->h->segment[1].mem_len, 0x8000);
    store_le(h + 20, 4, 0); /* load end 0: the whole rest of the file */
    store_le(h + 24, 4, 0);
    assert_int_equal(prepare(t, NULL, NULL), 0);
    boot_result(t);
    boot_segment(t, 0x200000, &len);
    assert_int_equal(len, TEXT_LEN);
    store_le(h + 16, 4, 0x300000); /* load address above the header's */
    assert_int_equal(prepare(t, NULL, NULL), -ENOEXEC);
}

static void modules_follow_the_kernel(void **state)
{
    struct boot_fixture *t = *state;
    char list[256], expected[128];
    uint32_t mods, first, len;

    make_elf(3);
    write_file(t->other, "module contents", 15);
    snprintf(list, sizeof(list), "%s one two,%s", t->other, t->other);
    assert_int_equal(prepare(t, list, ""), 0);
    boot_result(t);
    assert_true(info_u32(t, INFO) & 8);
    assert_int_equal(info_u32(t, INFO + 20), 2);
    mods = info_u32(t, INFO + 24);
    first = info_u32(t, mods);
    assert_int_equal(first, 0x105000); /* after the bss */
    assert_int_equal(info_u32(t, mods + 4), first + 15);
    assert_memory_equal(boot_segment(t, first, &len), "module contents", 15);
    snprintf(expected, sizeof(expected), "%s one two", t->other);
    assert_string_equal(info_string(t, info_u32(t, mods + 8)), expected);
    assert_int_equal(info_u32(t, mods + 16), first + 0x1000);
    assert_string_equal(info_string(t, info_u32(t, mods + 24)), t->other);
}

static void bad_modules_are_refused(void **state)
{
    struct boot_fixture *t = *state;
    char list[2048] = "";
    unsigned i;

    make_elf(3);
    assert_int_equal(prepare(t, "/nonexistent/m arg", NULL), -ENOENT);
    assert_why(t, "module /nonexistent/m:");
    write_file(t->other, "x", 1);
    for (i = 0; i < 21; i++)
        strcat(strcat(list, t->other), ",");
    assert_int_equal(prepare(t, list, NULL), -E2BIG);
    assert_why(t, "modules");
    strcpy(strrchr(list, '/'), "/other");
    assert_int_equal(prepare(t, list, NULL), -E2BIG);
    write_file(t->path, image, sizeof(image));
    assert_int_equal(boot_elf_prepare(&t->f, t->path, t->other, NULL, MIB(1) + KIB(512) + 0x5000, t->why), -ENOMEM);
    assert_why(t, "modules do not fit");
}

static void long_command_lines_are_refused(void **state)
{
    struct boot_fixture *t = *state;
    char *line = malloc(40000);

    make_elf(3);
    memset(line, 'x', 40000);
    line[20000] = '\0';
    assert_int_equal(prepare(t, NULL, line), 0);
    line[20000] = 'x', line[39999] = '\0';
    assert_int_equal(prepare(t, NULL, line), -E2BIG);
    free(line);
}

static void expect_refusal(struct boot_fixture *t, int err, const char *part)
{
    assert_int_equal(prepare(t, NULL, NULL), err);
    assert_why(t, part);
    assert_why(t, t->path);
}

static void bad_kernels_are_refused_in_one_sentence(void **state)
{
    struct boot_fixture *t = *state;

    make_elf(3);
    phdr()->p_offset = IMAGE_LEN - 4;
    expect_refusal(t, -ENOEXEC, "truncated");
    make_elf(3);
    phdr()->p_filesz = 0xfffffff0;
    expect_refusal(t, -ENOEXEC, "truncated");
    make_elf(3);
    phdr()->p_memsz = 1;
    expect_refusal(t, -ENOEXEC, "damaged");
    make_elf(3);
    phdr()->p_paddr = 0x7000; /* the boot ROM works there */
    expect_refusal(t, -ENOMEM, "no free memory");
    make_elf(3);
    phdr()->p_paddr = 0xfffff000;
    expect_refusal(t, -ENOMEM, "no free memory");
    make_elf(3);
    ehdr()->e_entry = 0x300000;
    expect_refusal(t, -ENOEXEC, "entry point");
    make_elf(3);
    ehdr()->e_machine = EM_ARM;
    expect_refusal(t, -ENOEXEC, "32-bit x86");
    make_elf(3);
    ehdr()->e_phnum = 0xffff;
    expect_refusal(t, -ENOEXEC, "");
    make_elf(8);
    expect_refusal(t, -ENOEXEC, "features");
    make_elf(3);
    image[0] = 0;
    expect_refusal(t, -ENOEXEC, "no ELF");
    make_elf(3);
    image[TEXT_OFFSET + HEADER_OFFSET + 8]++; /* checksum */
    expect_refusal(t, -ENOEXEC, "neither");
    assert_false(boot_is_multiboot(t->path));
    assert_null(fwcfg_find_file(&t->f, BOOTROM_BLOB));
}

static void damaged_files_never_hurt(void **state)
{
    struct boot_fixture *t = *state;
    unsigned i, j;

    srandom(3);
    for (i = 0; i < 300; i++) {
        make_elf(i & 1 ? 0x10003 : 3);
        for (j = 0; j < 4; j++)
            image[4 + random() % 0x58] = random();
        for (j = 0; j < 4; j++)
            image[TEXT_OFFSET + HEADER_OFFSET + 12 + random() % 20] = random();
        prepare(t, NULL, "x");
        write_file(t->path, image, random() % sizeof(image) + 1);
        boot_kernel_prepare(&t->f, t->path, NULL, NULL, RAM, t->why);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, boot_setup, boot_teardown)
    const struct CMUnitTest tests[] = {
        T(elf_goes_to_its_physical_address),
        T(physical_entries_stay),
        T(address_fields_win_over_elf),
        T(modules_follow_the_kernel),
        T(bad_modules_are_refused),
        T(long_command_lines_are_refused),
        T(bad_kernels_are_refused_in_one_sentence),
        T(damaged_files_never_hurt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
