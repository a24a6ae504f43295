/* Two 8237A DMA controllers, cascaded through channel 4, and the PC/AT's page registers.
 * Intel 8237A data sheet (231466); PIIX3 data sheet 2.5.1 for the ports.
 *
 * Devices call dma_transfer() when they would assert DREQ: single, demand and block mode look the same then.  Addresses
 * wrap within their 64 KiB (channels 5-7: 128 KiB) page.  Memory-to-memory and software requests are not modelled. */
#include "devices/dma8237.h"

#include <string.h>
#include "host/log.h"

#define COMMAND_DISABLE  0x04
#define MODE_AUTOINIT    0x10
#define MODE_DECREMENT   0x20
#define MODE_TYPE(mode)  ((mode) >> 2 & 3)
#define MODE_SELECT(mode) ((mode) >> 6)
enum { TYPE_VERIFY, TYPE_WRITE /* to memory */, TYPE_READ, TYPE_ILLEGAL };
enum { SELECT_CASCADE = 3 };
enum { REG_STATUS = 8, REG_REQUEST, REG_MASK_BIT, REG_MODE, REG_FLIP_FLOP, REG_MASTER_CLEAR, REG_CLEAR_MASK, REG_MASK };
#define ALL_MASKED 0x0f

/* Port 80h + n of each channel's page. */
static const uint8_t page_index[8] = {0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa};

static void clear_chip(struct dma8237_chip *c)
{
    c->command = c->request = c->terminal_count = 0;
    c->mask = ALL_MASKED;
    c->is_high_byte = false;
}

/* The next byte of a 16-bit register through the 8-bit port: low first. */
static uint8_t next_byte(struct dma8237_chip *c, uint16_t word)
{
    uint8_t byte = c->is_high_byte ? word >> 8 : word;

    c->is_high_byte = !c->is_high_byte;
    return byte;
}

static uint8_t chip_read(struct dma8237_chip *c, unsigned reg)
{
    uint8_t value;

    if (reg < 8) {
        const struct dma8237_channel *ch = &c->channel[reg >> 1];

        return next_byte(c, reg & 1 ? ch->count : ch->address);
    }
    switch (reg) {
    case REG_STATUS:
        value = c->terminal_count | c->request << 4;
        c->terminal_count = 0;
        return value;
    case REG_MASK:
        return c->mask | 0xf0;
    default:
        return 0; /* temporary register: memory-to-memory only */
    }
}

static void set_bit(uint8_t *reg, uint8_t value)
{
    uint8_t bit = 1u << (value & 3);

    *reg = value & 4 ? *reg | bit : *reg & ~bit;
}

static void write_word_half(struct dma8237_chip *c, unsigned reg, uint8_t value)
{
    struct dma8237_channel *ch = &c->channel[reg >> 1];
    uint16_t *base = reg & 1 ? &ch->base_count : &ch->base_address;

    *base = c->is_high_byte ? (*base & 0x00ff) | value << 8 : (*base & 0xff00) | value;
    *(reg & 1 ? &ch->count : &ch->address) = *base;
    c->is_high_byte = !c->is_high_byte;
}

static void chip_write(struct dma8237_chip *c, unsigned reg, uint8_t value)
{
    if (reg < 8) {
        write_word_half(c, reg, value);
        return;
    }
    switch (reg) {
    case REG_STATUS:
        c->command = value;
        break;
    case REG_REQUEST:
        set_bit(&c->request, value);
        break;
    case REG_MASK_BIT:
        set_bit(&c->mask, value);
        break;
    case REG_MODE:
        c->channel[value & 3].mode = value;
        break;
    case REG_FLIP_FLOP:
        c->is_high_byte = false;
        break;
    case REG_MASTER_CLEAR:
        clear_chip(c);
        break;
    case REG_CLEAR_MASK:
        c->mask = 0;
        break;
    default:
        c->mask = value & ALL_MASKED;
    }
}

static uint64_t dma1_read(void *opaque, uint64_t offset, unsigned size)
{
    struct dma8237 *d = opaque;

    return chip_read(&d->chip[0], offset & 15);
}

static void dma1_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct dma8237 *d = opaque;

    chip_write(&d->chip[0], offset & 15, value);
}

/* The second controller's registers lie at even ports. */
static uint64_t dma2_read(void *opaque, uint64_t offset, unsigned size)
{
    struct dma8237 *d = opaque;

    return offset & 1 ? UINT64_MAX : chip_read(&d->chip[1], offset >> 1 & 15);
}

static void dma2_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct dma8237 *d = opaque;

    if (!(offset & 1))
        chip_write(&d->chip[1], offset >> 1 & 15, value);
}

static uint64_t page_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct dma8237 *d = opaque;

    return d->page[offset & 15];
}

static void page_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct dma8237 *d = opaque;

    d->page[offset & 15] = value;
}

/* ---- transfers ---- */

/* Bytes from the channel's address on that one piece may have: up to the wrap, or one unit if it counts down. */
static unsigned piece_bytes(const struct dma8237_channel *ch, unsigned shift, unsigned left)
{
    unsigned to_wrap = (0x10000u - ch->address) << shift;

    if (ch->mode & MODE_DECREMENT)
        return 1u << shift;
    return left < to_wrap ? left : to_wrap;
}

static void move_piece(struct dma8237 *d, unsigned channel, const struct dma8237_channel *ch, uint8_t *buf, unsigned len)
{
    unsigned shift = channel >> 2;
    uint32_t page = d->page[page_index[channel]];
    uint32_t gpa = (shift ? (page & 0xfe) << 16 : page << 16) + ((uint32_t)ch->address << shift);

    if (MODE_TYPE(ch->mode) == TYPE_WRITE)
        space_write_buf(d->mem, gpa, buf, len);
    else if (MODE_TYPE(ch->mode) == TYPE_READ)
        space_read_buf(d->mem, gpa, buf, len);
}

static void reach_terminal_count(struct dma8237_chip *c, unsigned index)
{
    struct dma8237_channel *ch = &c->channel[index];

    c->terminal_count |= 1u << index;
    c->request &= ~(1u << index);
    if (ch->mode & MODE_AUTOINIT) {
        ch->address = ch->base_address;
        ch->count = ch->base_count;
    } else {
        c->mask |= 1u << index;
    }
}

/* Will the controller answer DREQ, and move in that direction? */
static bool is_channel_ready(const struct dma8237_chip *c, unsigned index, bool is_to_memory)
{
    uint8_t mode = c->channel[index].mode, type = MODE_TYPE(mode);

    if ((c->command & COMMAND_DISABLE) || (c->mask >> index & 1) || MODE_SELECT(mode) == SELECT_CASCADE)
        return false;
    return type == TYPE_VERIFY || type == (is_to_memory ? TYPE_WRITE : TYPE_READ);
}

unsigned dma_transfer(struct dma8237 *d, unsigned channel, void *buf, unsigned len, bool is_to_memory, bool *is_tc)
{
    struct dma8237_chip *c = &d->chip[channel >> 2 & 1];
    unsigned index = channel & 3, shift = channel >> 2 & 1, total, done = 0;
    struct dma8237_channel *ch = &c->channel[index];
    bool has_ended = false;

    if (is_tc)
        *is_tc = false;
    if (channel > 7 || channel == 4 || !is_channel_ready(c, index, is_to_memory))
        return 0;
    total = (ch->count + 1u) << shift;
    has_ended = total <= len;
    if (total > len)
        total = len >> shift << shift;
    while (done < total) {
        unsigned n = piece_bytes(ch, shift, total - done);

        move_piece(d, channel, ch, (uint8_t *)buf + done, n);
        ch->address += ch->mode & MODE_DECREMENT ? -1 : (int)(n >> shift);
        ch->count -= n >> shift;
        done += n;
    }
    if (has_ended)
        reach_terminal_count(c, index);
    if (is_tc)
        *is_tc = has_ended;
    return done;
}

/* ---- the chips ---- */

static void dma8237_reset(struct device *dev)
{
    struct dma8237 *d = container_of(dev, struct dma8237, dev);

    memset(d->chip, 0, sizeof(d->chip));
    memset(d->page, 0, sizeof(d->page));
    clear_chip(&d->chip[0]);
    clear_chip(&d->chip[1]);
}

static const struct field dma8237_state[] = {FIELD(struct dma8237, chip), FIELD(struct dma8237, page), FIELD_END};
static const struct device_ops dma8237_ops = {.name = "dma8237", .reset = dma8237_reset, .state = dma8237_state};
static const struct io_ops dma1_io = {
    .name = "dma1", .read = dma1_read, .write = dma1_write, .min_size = 1, .max_size = 1};
static const struct io_ops dma2_io = {
    .name = "dma2", .read = dma2_read, .write = dma2_write, .min_size = 1, .max_size = 1};
static const struct io_ops page_io = {
    .name = "dma-page", .read = page_read, .write = page_write, .min_size = 1, .max_size = 1};

int dma8237_init(struct dma8237 *d, struct space *mem, struct space *ports)
{
    int err;

    *d = (struct dma8237){.dev.ops = &dma8237_ops, .mem = mem};
    dma8237_reset(&d->dev);
    err = space_map_io(ports, 0x00, 0x10, &dma1_io, d);
    if (err < 0)
        return err;
    err = space_map_io(ports, 0xc0, 0x20, &dma2_io, d);
    if (err < 0)
        return err;
    return space_map_io(ports, 0x80, 0x10, &page_io, d);
}
