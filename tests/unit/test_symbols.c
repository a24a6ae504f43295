/* Names of guest code: System.map and ELF symbol tables, whole and broken. */
#include "tests/unit/bootfile.h"
#include <elf.h>
#include "frontend/symbols.h"

static struct symbols *load(const void *bytes, size_t len)
{
    char path[] = "/tmp/ringer-symbols-XXXXXX", why[WHY_BYTES];
    struct symbols *s = NULL;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
    assert_int_equal(symbols_load(path, &s, why), 0);
    unlink(path);
    return s;
}

static void assert_symbol(const struct symbols *s, uint32_t linear, const char *name, uint32_t offset)
{
    uint32_t got = 0;
    const char *found = symbols_find(s, linear, &got);

    if (!name) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, name);
    assert_int_equal(got, offset);
}

static void system_map(void **state)
{
    static const char map[] = "00000000 D __per_cpu_start\n"
                              "c1000030 t helper\t[module]\n"
                              "c1000000 T startup_32\n"
                              "nonsense\n"
                              "c1000\n"
                              "c1000040 W weak_one\r\n"
                              "c1001000 R data_here\n"
                              "ffffffff81000000 T of_64_bits\n"
                              "c1002000 T last";
    struct symbols *s = load(map, sizeof(map) - 1);

    assert_non_null(s);
    assert_symbol(s, 0x8048000, NULL, 0);
    assert_symbol(s, 0xc0ffffff, NULL, 0);
    assert_symbol(s, 0xc1000000, "startup_32", 0);
    assert_symbol(s, 0xc100002f, "startup_32", 0x2f);
    assert_symbol(s, 0xc1000031, "helper", 1);
    assert_symbol(s, 0xc1000fff, "weak_one", 0xfbf);
    assert_symbol(s, 0xc1001800, NULL, 0);
    assert_symbol(s, 0xc1002010, "last", 0x10);
    assert_symbol(s, 0xc1003000, NULL, 0);
    assert_symbol(s, 0xffffffff, NULL, 0);
    symbols_destroy(s);
}

enum { SHDRS = 4 };
static struct {
    Elf32_Ehdr eh;
    Elf32_Shdr sh[SHDRS]; /* null, .text, .symtab, .strtab */
    Elf32_Sym sym[5];
    char names[32];
} elf;

static void make_elf(void)
{
    memset(&elf, 0, sizeof(elf));
    memcpy(elf.eh.e_ident, "\177ELF\1\1\1", 7);
    elf.eh.e_type = ET_EXEC;
    elf.eh.e_machine = EM_386;
    elf.eh.e_version = EV_CURRENT;
    elf.eh.e_ehsize = sizeof(elf.eh);
    elf.eh.e_shoff = (uint32_t)((char *)elf.sh - (char *)&elf);
    elf.eh.e_shentsize = sizeof(elf.sh[0]);
    elf.eh.e_shnum = SHDRS;
    elf.sh[1] = (Elf32_Shdr){.sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addr = 0x100000, .sh_size = 0x1000};
    elf.sh[2] = (Elf32_Shdr){.sh_type = SHT_SYMTAB, .sh_offset = (uint32_t)((char *)elf.sym - (char *)&elf), .sh_size = sizeof(elf.sym),
                             .sh_entsize = sizeof(elf.sym[0]), .sh_link = 3};
    elf.sh[3] = (Elf32_Shdr){.sh_type = SHT_STRTAB, .sh_offset = (uint32_t)((char *)elf.names - (char *)&elf), .sh_size = sizeof(elf.names)};
    memcpy(elf.names, "\0main\0entry\0table", 18);
    elf.sym[1] = (Elf32_Sym){.st_name = 1, .st_value = 0x100100, .st_size = 0x20, .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1};
    elf.sym[2] = (Elf32_Sym){.st_name = 6, .st_value = 0x100000, .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_NOTYPE), .st_shndx = 1};
    elf.sym[3] = (Elf32_Sym){.st_name = 12, .st_value = 0x100200, .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_OBJECT), .st_shndx = 1};
    elf.sym[4] = (Elf32_Sym){.st_name = 1, .st_value = 0, .st_shndx = SHN_UNDEF};
}

static void elf_symbols(void **state)
{
    struct symbols *s;

    make_elf();
    s = load(&elf, sizeof(elf));
    assert_non_null(s);
    assert_symbol(s, 0x10, NULL, 0);
    assert_symbol(s, 0x100004, "entry", 4);
    assert_symbol(s, 0x100100, "main", 0);
    assert_symbol(s, 0x10011f, "main", 0x1f);
    assert_symbol(s, 0x100120, NULL, 0);
    assert_symbol(s, 0x100210, NULL, 0);
    symbols_destroy(s);
}

static void broken_files(void **state)
{
    make_elf();
    elf.sh[3].sh_offset = 0x7fffffff;
    symbols_destroy(load(&elf, sizeof(elf)));
    make_elf();
    elf.sh[2].sh_size = 0xfffffff0;
    symbols_destroy(load(&elf, sizeof(elf)));
    make_elf();
    elf.eh.e_shoff = sizeof(elf) - 4;
    symbols_destroy(load(&elf, sizeof(elf)));
    assert_null(load("\177ELF", 4));
    assert_null(load("no symbols here\n", 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(system_map), cmocka_unit_test(elf_symbols), cmocka_unit_test(broken_files)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
