/* See symbols.h.  A symbol reaches as far as its size says, or, without one, to the next symbol of any kind; so symbols of data are kept,
 * nameless, as ends. */
#include "frontend/symbols.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS_FILE_MAX MIB(1024)
#define LAST_REACH 4096u

struct symbol {
    uint32_t address, size; /* size 0: to the next */
    const char *name;       /* NULL: not code */
};

struct symbols {
    uint8_t *file; /* what System.map's names point into */
    char **names;  /* ELF: copies */
    struct symbol *list;
    size_t n, cap;
};

static bool add(struct symbols *s, uint64_t address, uint64_t size, const char *name)
{
    struct symbol *list = s->list;

    if (address > UINT32_MAX)
        return true; /* not of a 32-bit guest */
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1024;
        list = reallocarray(list, s->cap, sizeof(*list));
        if (!list)
            return false;
        s->list = list;
    }
    list[s->n++] = (struct symbol){.address = (uint32_t)address, .size = size > UINT32_MAX ? 0 : (uint32_t)size, .name = name};
    return true;
}

/* By address; of those at one address the last is found: a named one, the first by alphabet. */
static int compare(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    if (!x->name || !y->name)
        return (x->name != NULL) - (y->name != NULL);
    return -strcmp(x->name, y->name);
}

/* --- System.map: "c1000000 T _text" --- */

static bool parse_map(struct symbols *s, char *text)
{
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *end, *name;
        uint64_t address = strtoull(line, &end, 16);

        if (end == line || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3])
            continue;
        name = end + 3;
        name[strcspn(name, " \t\r")] = 0;
        if (!add(s, address, 0, strchr("tTwW", end[1]) ? name : NULL))
            return false;
    }
    return true;
}

/* --- ELF --- */

static bool is_code(Elf *elf, const GElf_Sym *sym)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);
    GElf_Shdr shdr;
    Elf_Scn *scn;

    if (type == STT_FUNC)
        return true;
    if (type != STT_NOTYPE || sym->st_shndx == SHN_UNDEF || sym->st_shndx >= SHN_LORESERVE)
        return false;
    scn = elf_getscn(elf, sym->st_shndx);
    return scn && gelf_getshdr(scn, &shdr) && (shdr.sh_flags & SHF_EXECINSTR);
}

static bool add_table(struct symbols *s, Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr)
{
    Elf_Data *data = elf_getdata(scn, NULL);
    size_t n = data && shdr->sh_entsize ? shdr->sh_size / shdr->sh_entsize : 0;
    GElf_Sym sym;

    for (size_t i = 0; i < n && i <= INT32_MAX && gelf_getsym(data, (int)i, &sym); i++) {
        const char *name = elf_strptr(elf, shdr->sh_link, sym.st_name);

        if (!name || !*name || sym.st_shndx == SHN_UNDEF || GELF_ST_TYPE(sym.st_info) > STT_FUNC)
            continue;
        if (!add(s, sym.st_value, sym.st_size, is_code(elf, &sym) ? name : NULL))
            return false;
    }
    return true;
}

static bool parse_elf(struct symbols *s, Elf *elf)
{
    GElf_Shdr shdr;

    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;)
        if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_SYMTAB && !add_table(s, elf, scn, &shdr))
            return false;
    return true;
}

/* libelf's strings die with its descriptor. */
static bool copy_names(struct symbols *s)
{
    s->names = calloc(s->n + 1, sizeof(*s->names));
    if (!s->names)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        if (!s->list[i].name)
            continue;
        s->names[i] = strdup(s->list[i].name);
        if (!s->names[i])
            return false;
        s->list[i].name = s->names[i];
    }
    return true;
}

static bool load_elf(struct symbols *s, uint64_t len)
{
    Elf *elf;
    bool is_done;

    if (elf_version(EV_CURRENT) == EV_NONE || !(elf = elf_memory((char *)s->file, len)))
        return false;
    is_done = parse_elf(s, elf);
    if (is_done)
        qsort(s->list, s->n, sizeof(*s->list), compare);
    is_done = is_done && copy_names(s);
    elf_end(elf);
    return is_done;
}

static bool load_map(struct symbols *s, uint64_t len)
{
    uint8_t *text = realloc(s->file, len + 1);

    if (!text)
        return false;
    s->file = text;
    text[len] = 0;
    if (!parse_map(s, (char *)text))
        return false;
    if (s->n)
        qsort(s->list, s->n, sizeof(*s->list), compare);
    return true;
}

int symbols_load(const char *path, struct symbols **out, char why[WHY_BYTES])
{
    struct symbols *s = calloc(1, sizeof(*s));
    uint64_t len;
    int err;

    *out = NULL;
    if (!s)
        return -ENOMEM;
    err = loadfile("symbols", path, SYMBOLS_FILE_MAX, &s->file, &len, why);
    if (err) {
        free(s);
        return err;
    }
    if (!(len > SELFMAG && !memcmp(s->file, ELFMAG, SELFMAG) ? load_elf(s, len) : load_map(s, len))) {
        snprintf(why, WHY_BYTES, "symbols %s: cannot be read", path);
        symbols_destroy(s);
        return -EINVAL;
    }
    if (!s->n) {
        symbols_destroy(s);
        s = NULL;
    }
    *out = s;
    return 0;
}

void symbols_destroy(struct symbols *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->names && i < s->n; i++)
        free(s->names[i]);
    free(s->names);
    free(s->list);
    free(s->file);
    free(s);
}

const char *symbols_find(const struct symbols *s, uint32_t linear, uint32_t *offset)
{
    size_t lo = 0, hi = s->n;
    const struct symbol *at;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (s->list[mid].address <= linear)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (!lo)
        return NULL;
    at = &s->list[lo - 1];
    *offset = linear - at->address;
    /* Where nothing follows, a symbol without a size might reach anywhere. */
    if (at->size ? *offset >= at->size : lo == s->n && *offset >= LAST_REACH)
        return NULL;
    return at->name;
}
