/* IDE channel: task-file ports, drive selection, resets, interrupts, the PIO window and the bus master.
 * ATA/ATAPI-6 clauses 6, 7 and 9; SFF-8038i for the bus master. */
#include "devices/ide.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "devices/ide_priv.h"
#include "host/log.h"

enum { /* task file, offsets from the command base */
    REG_DATA,
    REG_FEATURE,
    REG_COUNT,
    REG_LBA_LOW,
    REG_LBA_MID,
    REG_LBA_HIGH,
    REG_DEVICE,
    REG_COMMAND
};
enum { CONTROL_HOB = 0x80, CONTROL_SRST = 0x04, CONTROL_NIEN = 0x02 };
enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4 };
enum { BM_START = 0x01, BM_DIRECTION = 0x08 };
enum { BM_ACTIVE = 0x01, BM_ERROR = 0x02, BM_INTERRUPT = 0x04, BM_CAPABLE = 0x60 };

#define COMMAND_DEVICE_RESET 0x08
#define RESET_NS             20000 /* BSY after SRST; real drives take milliseconds */

static struct ide_drive *selected_drive(struct ide_channel *ch)
{
    return &ch->drive[ch->selected];
}

/* INTRQ is driven by the selected drive only, and not while nIEN is set. */
static void ide_update_irq(struct ide_channel *ch)
{
    bool level = selected_drive(ch)->s.is_irq_pending && !(ch->control & CONTROL_NIEN);

    if (level && !ch->irq->level)
        ch->bm_status |= BM_INTERRUPT; /* SFF-8038i: set by the rising edge */
    wire_set(ch->irq, level);
}

void ide_raise_irq(struct ide_drive *d)
{
    d->s.is_irq_pending = true;
    ide_update_irq(d->channel);
}

/* Is d occupied by something the guest has to wait for? */
static bool is_busy(const struct ide_drive *d)
{
    const struct ide_channel *ch = d->channel;

    return d->s.is_resetting || (ch->is_in_flight && &ch->drive[ch->active] == d);
}

static uint8_t drive_status(const struct ide_drive *d)
{
    if (!d->ops)
        return 0;
    return is_busy(d) ? ATA_BSY : d->s.status;
}

/* ---- resets ---- */

static void drop_transfer(struct ide_channel *ch)
{
    ch->phase = IDE_PHASE_NONE;
    ch->buf_pos = ch->buf_end = 0;
    ch->is_stale = ch->is_in_flight;
}

/* Resets end when nothing is under way any more: neither SRST, nor the delay after it, nor a block request. */
static void finish_resets(struct ide_channel *ch)
{
    if (ch->is_in_flight || (ch->control & CONTROL_SRST) || timer_is_armed(&ch->reset_timer))
        return;
    for (unsigned i = 0; i < 2; i++) {
        struct ide_drive *d = &ch->drive[i];

        if (!d->s.is_resetting)
            continue;
        d->s.is_resetting = false;
        if (d->ops)
            d->ops->reset(d, false);
    }
}

static void reset_timer_expired(void *opaque)
{
    finish_resets(opaque);
}

static void begin_reset(struct ide_drive *d)
{
    d->s.is_resetting = true;
    d->s.is_irq_pending = false;
    ide_update_irq(d->channel);
}

static void write_control(struct ide_channel *ch, uint8_t value)
{
    uint8_t changed = value ^ ch->control;

    ch->control = value;
    if (changed & value & CONTROL_SRST) {
        drop_transfer(ch);
        begin_reset(&ch->drive[0]);
        begin_reset(&ch->drive[1]);
        ch->selected = 0;
        timer_disarm(&ch->reset_timer);
    } else if (changed & CONTROL_SRST) {
        timer_arm(&ch->reset_timer, clock_now_ns(ch->reset_timer.clock) + RESET_NS);
    }
    ide_update_irq(ch);
}

/* ---- block requests ---- */

static void request_done(void *opaque, int error)
{
    struct ide_channel *ch = opaque;
    struct ide_drive *d = &ch->drive[ch->active];

    ch->is_in_flight = false;
    if (ch->is_stale) {
        ch->is_stale = false;
        finish_resets(ch);
        return;
    }
    if (d->ops)
        d->ops->request_done(d, error);
    finish_resets(ch); /* DEVICE RESET of the other drive may have waited for this one */
}

static void begin_request(struct ide_drive *d)
{
    d->channel->active = d - d->channel->drive;
    d->channel->is_in_flight = true;
    d->channel->phase = IDE_PHASE_NONE;
}

void ide_block_read(struct ide_drive *d, uint64_t offset, uint32_t buf_pos, uint32_t len)
{
    begin_request(d);
    block_read(d->block, offset, d->channel->buf + buf_pos, len, request_done, d->channel);
}

void ide_block_write(struct ide_drive *d, uint64_t offset, uint32_t len)
{
    begin_request(d);
    block_write(d->block, offset, d->channel->buf, len, request_done, d->channel);
}

void ide_block_flush(struct ide_drive *d)
{
    begin_request(d);
    block_flush(d->block, request_done, d->channel);
}

/* ---- the data port ---- */

void ide_pio_begin(struct ide_drive *d, uint32_t pos, uint32_t len, bool is_in)
{
    struct ide_channel *ch = d->channel;

    ch->active = d - ch->drive;
    ch->phase = is_in ? IDE_PHASE_PIO_IN : IDE_PHASE_PIO_OUT;
    ch->buf_pos = pos;
    ch->buf_end = pos + len;
    d->s.status = ATA_DRDY | ATA_DSC | ATA_DRQ;
}

/* The bytes of a data-port access that lie in the window; 0 if the phase does not fit. */
static unsigned window_bytes(const struct ide_channel *ch, enum ide_phase phase, unsigned size)
{
    if (ch->phase != phase || ch->active != ch->selected || ch->buf_pos >= ch->buf_end)
        return 0;
    return ch->buf_end - ch->buf_pos < size ? ch->buf_end - ch->buf_pos : size;
}

static void advance_window(struct ide_channel *ch, unsigned bytes)
{
    struct ide_drive *d = &ch->drive[ch->active];

    ch->buf_pos += bytes;
    if (ch->buf_pos < ch->buf_end)
        return;
    ch->phase = IDE_PHASE_NONE;
    d->s.status &= ~ATA_DRQ;
    if (d->ops)
        d->ops->pio_done(d);
}

static uint64_t read_data(struct ide_channel *ch, unsigned size)
{
    unsigned bytes = window_bytes(ch, IDE_PHASE_PIO_IN, size);
    uint64_t value;

    if (!bytes)
        return 0;
    value = load_le(ch->buf + ch->buf_pos, bytes);
    advance_window(ch, bytes);
    return value;
}

static void write_data(struct ide_channel *ch, unsigned size, uint64_t value)
{
    unsigned bytes = window_bytes(ch, IDE_PHASE_PIO_OUT, size);

    if (!bytes)
        return;
    store_le(ch->buf + ch->buf_pos, bytes, value);
    advance_window(ch, bytes);
}

/* ---- the task file ---- */

static uint8_t read_register(struct ide_channel *ch, unsigned reg)
{
    struct ide_drive *d = selected_drive(ch);
    unsigned hob = ch->control & CONTROL_HOB ? 1 : 0;

    if (!d->ops)
        return 0; /* drive 0 answers 0 for an absent drive 1; an empty channel is pulled low */
    switch (reg) {
    case REG_FEATURE:
        return d->s.error;
    case REG_COUNT:
        return d->s.count[hob];
    case REG_LBA_LOW:
        return d->s.lba_low[hob];
    case REG_LBA_MID:
        return d->s.lba_mid[hob];
    case REG_LBA_HIGH:
        return d->s.lba_high[hob];
    case REG_DEVICE:
        return d->s.device | 0xa0;
    default:
        d->s.is_irq_pending = false;
        ide_update_irq(ch);
        return drive_status(d);
    }
}

static void write_command(struct ide_channel *ch, uint8_t command)
{
    struct ide_drive *d = selected_drive(ch);

    if (!d->ops || (ch->control & CONTROL_SRST))
        return;
    if (command == COMMAND_DEVICE_RESET && d->ops == &atapi_drive_ops) {
        if (&ch->drive[ch->active] == d)
            drop_transfer(ch);
        begin_reset(d);
        finish_resets(ch);
        return;
    }
    if (ch->is_in_flight || d->s.is_resetting) {
        log_at(LOG_IO, "ide: command %#x while busy is ignored", command);
        return;
    }
    log_at(LOG_IO, "ide: %s %u command %#x count %#x lba %02x%02x%02x device %#x", d->ops->name, ch->selected, command,
           d->s.count[0], d->s.lba_high[0], d->s.lba_mid[0], d->s.lba_low[0], d->s.device);
    drop_transfer(ch);
    d->s.is_irq_pending = false;
    ide_update_irq(ch);
    d->ops->command(d, command);
}

/* Register n of both drives hears the write; the value before moves to the HOB copy. */
static void write_pair(struct ide_channel *ch, size_t offset, uint8_t value)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *pair = (uint8_t *)&ch->drive[i].s + offset;

        pair[1] = pair[0];
        pair[0] = value;
    }
}

static void write_register(struct ide_channel *ch, unsigned reg, uint8_t value)
{
    static const size_t pair_offset[] = {
        [REG_FEATURE] = offsetof(struct ide_drive_state, feature),
        [REG_COUNT] = offsetof(struct ide_drive_state, count),
        [REG_LBA_LOW] = offsetof(struct ide_drive_state, lba_low),
        [REG_LBA_MID] = offsetof(struct ide_drive_state, lba_mid),
        [REG_LBA_HIGH] = offsetof(struct ide_drive_state, lba_high),
    };

    ch->control &= ~CONTROL_HOB;
    if (reg == REG_COMMAND) {
        write_command(ch, value);
    } else if (reg == REG_DEVICE) {
        ch->drive[0].s.device = ch->drive[1].s.device = value;
        ch->selected = value & ATA_DEVICE_DEV ? 1 : 0;
        ide_update_irq(ch);
    } else {
        write_pair(ch, pair_offset[reg], value);
    }
}

static uint64_t ide_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ide_channel *ch = opaque;
    uint64_t value = 0;

    if (offset == REG_DATA)
        return read_data(ch, size);
    for (unsigned i = 0; i < size && offset + i <= REG_COMMAND; i++)
        value |= (uint64_t)read_register(ch, offset + i) << (8 * i);
    return value;
}

static void ide_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct ide_channel *ch = opaque;

    if (offset == REG_DATA) {
        write_data(ch, size, value);
        return;
    }
    for (unsigned i = 0; i < size && offset + i <= REG_COMMAND; i++)
        write_register(ch, offset + i, value >> (8 * i));
}

/* Control port: alternate status, which leaves INTRQ alone. */
static uint64_t ide_control_read(void *opaque, uint64_t offset, unsigned size)
{
    return drive_status(selected_drive(opaque));
}

static void ide_control_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    write_control(opaque, value);
}

/* ---- the bus master ---- */

static bool bus_master_runs(const struct ide_channel *ch)
{
    return (ch->bm_command & BM_START) && (ch->bm_status & BM_ACTIVE) && (!ch->pci || pci_is_master(ch->pci));
}

/* Physical region descriptor: dword address, word count (0 = 64 KiB), bit 31 of the second dword: last one.
 * The table does not cross a 64 KiB boundary.  A region may not either; one that does is moved in one piece here. */
static void load_prd(struct ide_channel *ch)
{
    uint8_t prd[8];

    space_read_buf(ch->mem, ch->prd_next, prd, sizeof(prd));
    ch->prd_next = (ch->prd_next & 0xffff0000u) | ((ch->prd_next + 8) & 0xffffu);
    ch->prd_addr = load_le(prd, 4) & ~1u;
    ch->prd_left = load_le(prd + 4, 2) & 0xfffe;
    if (!ch->prd_left)
        ch->prd_left = 0x10000;
    ch->prd_is_last = prd[7] & 0x80;
}

uint32_t ide_dma_move(struct ide_channel *ch, uint8_t *buf, uint32_t len, bool is_to_guest)
{
    uint32_t done = 0;

    while (done < len && bus_master_runs(ch)) { /* a descriptor is 2 bytes or more: len / 2 rounds at most */
        uint32_t n;

        if (!ch->prd_left)
            load_prd(ch);
        n = len - done < ch->prd_left ? len - done : ch->prd_left;
        if (is_to_guest)
            space_write_buf(ch->mem, ch->prd_addr, buf + done, n);
        else
            space_read_buf(ch->mem, ch->prd_addr, buf + done, n);
        done += n;
        ch->prd_addr += n;
        ch->prd_left -= n;
        if (!ch->prd_left && ch->prd_is_last)
            ch->bm_status &= ~BM_ACTIVE;
    }
    return done;
}

void ide_dma_begin(struct ide_drive *d)
{
    struct ide_channel *ch = d->channel;

    ch->active = d - ch->drive;
    ch->phase = IDE_PHASE_DMA;
    d->s.status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    if (bus_master_runs(ch))
        d->ops->dma_ready(d);
}

static void write_bm_command(struct ide_channel *ch, uint8_t value)
{
    uint8_t started = value & ~ch->bm_command & BM_START;
    struct ide_drive *d = &ch->drive[ch->active];

    ch->bm_command = value & (BM_START | BM_DIRECTION);
    if (!(value & BM_START)) {
        ch->bm_status &= ~BM_ACTIVE;
        return;
    }
    if (!started)
        return;
    ch->bm_status |= BM_ACTIVE;
    ch->prd_next = ch->bm_table;
    ch->prd_left = 0;
    ch->prd_is_last = false;
    if (ch->phase == IDE_PHASE_DMA && d->ops && bus_master_runs(ch))
        d->ops->dma_ready(d);
}

static uint64_t bus_master_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct ide_channel *ch = opaque;
    uint8_t regs[16] = {[BM_COMMAND] = ch->bm_command, [BM_STATUS] = ch->bm_status};

    store_le(regs + BM_TABLE, 4, ch->bm_table);
    return load_le(regs + (offset & 7), size);
}

static void bus_master_write_byte(struct ide_channel *ch, unsigned offset, uint8_t value)
{
    if (offset == BM_COMMAND) {
        write_bm_command(ch, value);
    } else if (offset == BM_STATUS) {
        ch->bm_status = (ch->bm_status & BM_ACTIVE) | (value & BM_CAPABLE) |
                        (ch->bm_status & ~value & (BM_ERROR | BM_INTERRUPT));
    } else if (offset >= BM_TABLE && offset < BM_TABLE + 4) {
        unsigned shift = 8 * (offset - BM_TABLE);

        ch->bm_table = ((ch->bm_table & ~(0xffu << shift)) | ((uint32_t)value << shift)) & ~3u;
    }
}

static void bus_master_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        bus_master_write_byte(opaque, (offset & 7) + i, value >> (8 * i));
}

const struct io_ops ide_bus_master_io = {
    .name = "ide-bus-master", .read = bus_master_read, .write = bus_master_write, .min_size = 1, .max_size = 4};

/* ---- commands both kinds of drive have ---- */

/* EXECUTE DEVICE DIAGNOSTIC runs on both drives; drive 0 answers for both. */
void ide_diagnose(struct ide_drive *d)
{
    struct ide_channel *ch = d->channel;

    for (unsigned i = 0; i < 2; i++) {
        struct ide_drive *each = &ch->drive[i];

        if (each->ops)
            each->ops->reset(each, false);
    }
    ch->selected = 0;
    ide_raise_irq(ch->drive[0].ops ? &ch->drive[0] : d);
}

/* Count bits 7:3 are the kind of mode, 2:0 its number.  False: no such mode. */
bool ide_set_transfer_mode(struct ide_drive *d, uint8_t mode)
{
    uint8_t number = mode & 7;

    switch (mode >> 3) {
    case 0: /* PIO default */
        return number <= 1;
    case 1: /* PIO flow control */
        return number <= 4;
    case 4:
        if (number > 2)
            return false;
        d->s.mwdma_mode = 1 << number;
        d->s.udma_mode = 0;
        return true;
    case 8:
        if (number > 5)
            return false;
        d->s.udma_mode = 1 << number;
        d->s.mwdma_mode = 0;
        return true;
    default:
        return false;
    }
}

/* ---- the chip ---- */

static void ide_reset(struct device *dev)
{
    struct ide_channel *ch = container_of(dev, struct ide_channel, dev);

    drop_transfer(ch);
    timer_disarm(&ch->reset_timer);
    ch->selected = ch->control = 0;
    ch->bm_command = ch->bm_status = 0;
    ch->bm_table = ch->prd_next = ch->prd_addr = ch->prd_left = 0;
    ch->prd_is_last = false;
    for (unsigned i = 0; i < 2; i++) {
        struct ide_drive *d = &ch->drive[i];

        d->s = (struct ide_drive_state){.is_resetting = ch->is_in_flight};
        if (d->ops)
            d->ops->reset(d, true);
    }
    ide_update_irq(ch);
}

static void ide_loaded(struct device *dev)
{
    struct ide_channel *ch = container_of(dev, struct ide_channel, dev);

    ch->selected &= 1;
    ch->active &= 1;
    if (ch->buf_end > IDE_BUF_BYTES || ch->buf_pos > ch->buf_end)
        drop_transfer(ch);
    ide_update_irq(ch);
}

static const struct field ide_state[] = {
    {"drive0", offsetof(struct ide_channel, drive[0].s), sizeof(struct ide_drive_state), FIELD_KIND_BYTES},
    {"drive1", offsetof(struct ide_channel, drive[1].s), sizeof(struct ide_drive_state), FIELD_KIND_BYTES},
    FIELD_TIMER(struct ide_channel, reset_timer),
    FIELD(struct ide_channel, selected),
    FIELD(struct ide_channel, control),
    FIELD(struct ide_channel, active),
    FIELD(struct ide_channel, phase),
    FIELD(struct ide_channel, bm_command),
    FIELD(struct ide_channel, bm_status),
    FIELD(struct ide_channel, bm_table),
    FIELD(struct ide_channel, prd_next),
    FIELD(struct ide_channel, prd_addr),
    FIELD(struct ide_channel, prd_left),
    FIELD(struct ide_channel, prd_is_last),
    FIELD(struct ide_channel, buf_pos),
    FIELD(struct ide_channel, buf_end),
    FIELD(struct ide_channel, buf),
    FIELD_END,
};
static const struct device_ops ide_ops = {
    .name = "ide", .reset = ide_reset, .state = ide_state, .loaded = ide_loaded};
static const struct io_ops ide_io = {.name = "ide", .read = ide_read, .write = ide_write, .min_size = 1, .max_size = 4};
static const struct io_ops ide_control_io = {
    .name = "ide-control", .read = ide_control_read, .write = ide_control_write, .min_size = 1, .max_size = 1};

int ide_init(struct ide_channel *ch, const struct ide_config *cfg)
{
    int err;

    memset(ch, 0, sizeof(*ch));
    ch->dev.ops = &ide_ops;
    ch->mem = cfg->mem;
    ch->irq = cfg->irq;
    ch->pci = cfg->pci;
    ch->drive[0].channel = ch->drive[1].channel = ch;
    timer_init(&ch->reset_timer, cfg->clock, reset_timer_expired, ch);
    err = space_map_io(cfg->ports, cfg->command_base, 8, &ide_io, ch);
    if (err < 0)
        return err;
    return space_map_io(cfg->ports, cfg->control_port, 1, &ide_control_io, ch);
}

static void attach(struct ide_channel *ch, unsigned drive, struct block *block, const char *serial,
                   const struct ide_drive_ops *ops)
{
    struct ide_drive *d = &ch->drive[drive & 1];

    d->ops = ops;
    d->block = block;
    snprintf(d->serial, sizeof(d->serial), "%s", serial);
    d->s = (struct ide_drive_state){0};
    ops->reset(d, true);
}

void ide_attach_disk(struct ide_channel *ch, unsigned drive, struct block *block, const char *serial)
{
    attach(ch, drive, block, serial, &ata_drive_ops);
}

void ide_attach_cdrom(struct ide_channel *ch, unsigned drive, struct block *block, const char *serial)
{
    attach(ch, drive, block, serial, &atapi_drive_ops);
}

int ide_change_disc(struct ide_channel *ch, unsigned drive, struct block *block)
{
    struct ide_drive *d = &ch->drive[drive & 1];

    if (d->ops != &atapi_drive_ops)
        return -ENODEV;
    if (ch->is_in_flight)
        return -EBUSY;
    d->block = block;
    d->s.is_tray_open = false;
    d->s.attention_asc = 0x28; /* NOT READY TO READY CHANGE, MEDIUM MAY HAVE CHANGED */
    d->s.has_media_event = true;
    return 0;
}

bool ide_is_idle(const struct ide_channel *ch)
{
    return !ch->is_in_flight;
}

void ide_put_word(uint8_t *id, unsigned word, uint16_t value)
{
    store_le(id + 2 * word, 2, value);
}

/* ASCII in IDENTIFY data: blank-padded, the first character of a pair in the high byte. */
void ide_put_string(uint8_t *id, unsigned word, unsigned words, const char *text)
{
    size_t len = strlen(text);

    for (unsigned i = 0; i < 2 * words; i++)
        id[2 * word + (i ^ 1)] = i < len ? text[i] : ' ';
}
