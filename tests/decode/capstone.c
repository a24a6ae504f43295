/* Capstone's opinion: length, validity and name. */
#include "tests/decode/oracle.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

struct handle {
    csh capstone;
    cs_insn *text;
};

static void *capstone_open(unsigned code_size)
{
    struct handle *h = calloc(1, sizeof(*h));

    if (!h || cs_open(CS_ARCH_X86, code_size == 2 ? CS_MODE_16 : code_size == 4 ? CS_MODE_32 : CS_MODE_64, &h->capstone))
        abort();
    h->text = cs_malloc(h->capstone);
    return h;
}

static void capstone_close(void *handle)
{
    struct handle *h = handle;

    cs_free(h->text, 1);
    cs_close(&h->capstone);
    free(h);
}

static bool disassemble(struct handle *h, const uint8_t *bytes)
{
    size_t left = 15;
    uint64_t address = 0x1000;

    return cs_disasm_iter(h->capstone, &bytes, &left, &address, h->text);
}

static void capstone_decode(void *handle, const uint8_t bytes[15], struct view *v)
{
    struct handle *h = handle;

    *v = (struct view){.name = "(bad)"};
    if (!disassemble(h, bytes))
        return;
    v->is_defined = true;
    v->len = (uint8_t)h->text->size;
    v->name = h->text->mnemonic;
}

static void capstone_format(void *handle, const uint8_t bytes[15], char *text, unsigned size)
{
    struct handle *h = handle;

    snprintf(text, size, "(bad)");
    if (disassemble(h, bytes))
        snprintf(text, size, "%s %s", h->text->mnemonic, h->text->op_str);
}

const struct oracle capstone_oracle = {"Capstone", false, capstone_open, capstone_close, capstone_decode, capstone_format};
