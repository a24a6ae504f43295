/* Showing translated code to people: guest and host disassembly of a block, and the map Linux perf reads. */
#include "bt/priv.h"

#include <unistd.h>

/* The block's bytes, also when it spans two pages. */
unsigned block_bytes(const struct bt *bt, const struct block *b, uint32_t rip, uint8_t *buf)
{
    unsigned off = rip - b->guest_rip, avail = b->guest_len - off, n = avail < 15 ? avail : 15;
    const uint8_t *view = guestmem_view(bt->cpu->board.guestmem);

    if (rip - b->guest_rip >= b->guest_len)
        return 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t at = b->code + off + i;

        if (b->second_frame && at >> 12 != b->code >> 12)
            at = (uint64_t)(b->second_frame - 1) << 12 | (at & GUEST_PAGE_MASK);
        buf[i] = view[at];
    }
    return n;
}

static unsigned dump_one(FILE *f, const uint8_t *bytes, unsigned avail, uint32_t address, unsigned code_size)
{
    char text[128];
    unsigned len = disasm(text, sizeof(text), bytes, avail, address, code_size);

    if (!len)
        len = 1;
    fprintf(f, "  %8x  ", address);
    for (unsigned i = 0; i < 11; i++) {
        if (i < len)
            fprintf(f, "%02x", bytes[i]);
        else
            fputs("  ", f);
    }
    fprintf(f, " %s\n", text);
    return len;
}

/* " <name+0x10>" of the code at linear, or nothing. */
static void symbol_of(const struct bt *bt, uint32_t linear, char *text, size_t size)
{
    uint32_t offset = 0;
    const char *name = bt->opt.symbol ? bt->opt.symbol(bt->opt.symbol_opaque, linear, &offset) : NULL;

    text[0] = 0;
    if (name && offset)
        snprintf(text, size, "%s+%#x", name, offset);
    else if (name)
        snprintf(text, size, "%s", name);
}

static void dump_host(const struct bt *bt, uint32_t off, uint32_t end, FILE *f)
{
    while (off < end) {
        const uint8_t *p = bt->codemem.exec + off;

        off += dump_one(f, p, end - off, off, 8);
        /* data follows the calls of these two stubs */
        if (p[0] == 0xe8) {
            const uint8_t *target = p + 5 + (int32_t)load_le(p + 1, 4);
            bool is_chain = target == bt->stub_chain || target == bt->stub_predict;
            unsigned data = is_chain ? sizeof(struct chain_site)
                            : target == bt->stub_callout || target == bt->stub_fast || target == bt->stub_io ? sizeof(struct callout_site)
                            : target == bt->stub_soft ? sizeof(struct soft_site)
                                                      : 0;

            if (target == bt->stub_soft) {
                fprintf(f, "  %8x  .. %u bytes: soft site\n", off, data);
                off += data;
            } else if (data) {
                fprintf(f, "  %8x  .. %u bytes: %s, guest eip %#x\n", off, data,
                        target == bt->stub_chain ? "chain site" : is_chain ? "site to predict" : "call-out site",
                        (unsigned)load_le(p + 5, 4));
                off += data;
            }
        }
    }
}

void block_dump(const struct bt *bt, const struct block *b, FILE *f)
{
    uint8_t bytes[16];
    char symbol[256];
    unsigned n;

    symbol_of(bt, block_linear(bt, b), symbol, sizeof(symbol));
    fprintf(f, "block %#x%s%s%s, %u instructions, mode %#x, cs base %#x; guest code:\n", b->guest_rip, symbol[0] ? " <" : "", symbol,
            symbol[0] ? ">" : "", b->n_insns, block_kind(bt, b)->mode, block_kind(bt, b)->cs_base);
    for (uint32_t rip = b->guest_rip; (n = block_bytes(bt, b, rip, bytes)) != 0;)
        rip += dump_one(f, bytes, n, rip, block_kind(bt, b)->mode & MODE_CS32 ? 4 : 2);
    fprintf(f, "host code (offsets in the code cache; %#x is where direct jumps enter):\n", b->direct);
    dump_host(bt, block_start(b), block_end(b), f);
    fputs("exits:\n", f);
    dump_host(bt, b->exits, b->exits + b->n_exits * (uint32_t)CHAIN_EXIT_BYTES, f);
}
/* One line per block, as tools/perf/Documentation/jit-interface.txt of Linux describes. */
void perf_map_add(struct bt *bt, const struct block *b)
{
    uint32_t linear = block_linear(bt, b);
    char symbol[256];

    if (!bt->perf_map)
        return;
    symbol_of(bt, linear, symbol, sizeof(symbol));
    if (!symbol[0])
        snprintf(symbol, sizeof(symbol), "guest_%08x_%s", linear, (block_kind(bt, b)->mode >> MODE_CPL_SHIFT & 3) == 3 ? "user" : "kernel");
    fprintf(bt->perf_map, "%lx %x %s\n", (unsigned long)(uintptr_t)(bt->codemem.exec + b->direct), b->host_len,
            symbol);
}

void perf_map_open(struct bt *bt)
{
    char path[64];

    snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
    bt->perf_map = fopen(path, "w");
}
