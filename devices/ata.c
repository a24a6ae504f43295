/* ATA hard disk: ATA/ATAPI-6 (ANSI INCITS 361), clause 8 for the commands, 8.15 for IDENTIFY DEVICE.
 *
 * Data commands move at most IDE_BUF_BYTES per block request.  PIO reads fetch that much and then serve DRQ blocks from the
 * buffer without delay; PIO writes collect that much before it is written out. */
#include "devices/ide.h"

#include <string.h>
#include "devices/ide_priv.h"
#include "host/log.h"

#define SECTOR_BYTES      512u
#define MAX_MULTIPLE      16
#define CHUNK_SECTORS     (IDE_BUF_BYTES / SECTOR_BYTES)
#define MAX_LBA28         0x0fffffffull
#define DEFAULT_HEADS     16
#define DEFAULT_SECTORS   63
#define MAX_CYLINDERS     16383
#define STATUS_IDLE       (ATA_DRDY | ATA_DSC)

enum { REQUEST_DATA, REQUEST_FLUSH };

static uint64_t disk_sectors(const struct ide_drive *d)
{
    return d->block ? d->block->size_bytes / SECTOR_BYTES : 0;
}

static uint32_t cylinders_of(const struct ide_drive *d, unsigned heads, unsigned sectors_per_track)
{
    uint64_t n = disk_sectors(d) / (heads * sectors_per_track);

    return n > MAX_CYLINDERS ? MAX_CYLINDERS : n;
}

/* ---- ends of commands ---- */

static void complete(struct ide_drive *d)
{
    d->s.status = STATUS_IDLE;
    d->s.error = 0;
    ide_raise_irq(d);
}

static void fail(struct ide_drive *d, uint8_t error)
{
    d->s.status = STATUS_IDLE | ATA_ERR;
    d->s.error = error;
    ide_raise_irq(d);
}

static void abort_command(struct ide_drive *d)
{
    fail(d, ATA_ERROR_ABRT);
}

static void complete_without_effect(struct ide_drive *d)
{
    complete(d);
}

/* ---- sector addresses ---- */

static bool is_chs(const struct ide_drive *d)
{
    return !d->s.is_lba48 && !(d->s.device & ATA_DEVICE_LBA);
}

/* Address and count in the task file; false if a CHS address does not exist. */
static bool get_address(const struct ide_drive *d, uint64_t *lba, uint32_t *count)
{
    const struct ide_drive_state *s = &d->s;
    uint32_t low24 = s->lba_low[0] | s->lba_mid[0] << 8 | s->lba_high[0] << 16;

    if (s->is_lba48) {
        *lba = low24 | (uint64_t)s->lba_low[1] << 24 | (uint64_t)s->lba_mid[1] << 32 | (uint64_t)s->lba_high[1] << 40;
        *count = s->count[0] | s->count[1] << 8;
        if (!*count)
            *count = 65536;
        return true;
    }
    *count = s->count[0] ? s->count[0] : 256;
    if (!is_chs(d)) {
        *lba = low24 | (uint64_t)(s->device & 0x0f) << 24;
        return true;
    }
    if (!s->heads || s->lba_low[0] == 0 || s->lba_low[0] > s->sectors_per_track || (s->device & 0x0f) >= s->heads)
        return false;
    *lba = ((uint64_t)(low24 >> 8) * s->heads + (s->device & 0x0f)) * s->sectors_per_track + s->lba_low[0] - 1;
    return true;
}

/* Write an address back in the form the command came in. */
static void put_address(struct ide_drive *d, uint64_t lba)
{
    struct ide_drive_state *s = &d->s;

    if (is_chs(d)) {
        uint64_t track = lba / s->sectors_per_track;
        uint64_t cylinder = track / s->heads;

        s->lba_low[0] = lba % s->sectors_per_track + 1;
        s->lba_mid[0] = cylinder;
        s->lba_high[0] = cylinder >> 8;
        s->device = (s->device & 0xf0) | track % s->heads;
        return;
    }
    s->lba_low[0] = lba;
    s->lba_mid[0] = lba >> 8;
    s->lba_high[0] = lba >> 16;
    if (s->is_lba48) {
        s->lba_low[1] = lba >> 24;
        s->lba_mid[1] = lba >> 32;
        s->lba_high[1] = lba >> 40;
    } else {
        s->device = (s->device & 0xf0) | (lba >> 24 & 0x0f);
    }
}

static void fail_at(struct ide_drive *d, uint8_t error, uint64_t lba)
{
    put_address(d, lba);
    fail(d, error);
}

/* Take address and count from the task file and check them against the medium.  False: the command has failed. */
static bool take_address(struct ide_drive *d, bool is_lba48, uint64_t *lba, uint32_t *count)
{
    d->s.is_lba48 = is_lba48;
    if (!get_address(d, lba, count)) {
        fail(d, ATA_ERROR_IDNF);
        return false;
    }
    if (*lba >= disk_sectors(d) || *count > disk_sectors(d) - *lba) {
        fail_at(d, ATA_ERROR_IDNF, *lba < disk_sectors(d) ? disk_sectors(d) : *lba);
        return false;
    }
    return true;
}

/* ---- data commands ---- */

static uint32_t next_chunk_bytes(const struct ide_drive *d)
{
    return (d->s.sectors_left < CHUNK_SECTORS ? d->s.sectors_left : CHUNK_SECTORS) * SECTOR_BYTES;
}

static void complete_data(struct ide_drive *d, bool has_irq)
{
    put_address(d, d->s.next_sector - 1);
    d->s.count[0] = 0;
    if (d->s.is_lba48)
        d->s.count[1] = 0;
    d->s.status = STATUS_IDLE;
    d->s.error = 0;
    if (has_irq)
        ide_raise_irq(d);
}

static void fetch_chunk(struct ide_drive *d)
{
    d->s.request = REQUEST_DATA;
    d->s.chunk_pos = 0;
    d->s.chunk_len = next_chunk_bytes(d);
    ide_block_read(d, d->s.next_sector * SECTOR_BYTES, 0, d->s.chunk_len);
}

static void store_chunk(struct ide_drive *d)
{
    d->s.request = REQUEST_DATA;
    ide_block_write(d, d->s.next_sector * SECTOR_BYTES, d->s.chunk_len);
}

/* The chunk has been moved on its last leg. */
static void retire_chunk(struct ide_drive *d)
{
    d->s.next_sector += d->s.chunk_len / SECTOR_BYTES;
    d->s.sectors_left -= d->s.chunk_len / SECTOR_BYTES;
}

static void open_drq_block(struct ide_drive *d, bool is_in)
{
    uint32_t left = d->s.chunk_len - d->s.chunk_pos;
    uint32_t len = left < d->s.drq_bytes ? left : d->s.drq_bytes;

    ide_pio_begin(d, d->s.chunk_pos, len, is_in);
    d->s.chunk_pos += len;
}

static void begin_pio_out_chunk(struct ide_drive *d)
{
    d->s.chunk_pos = 0;
    d->s.chunk_len = next_chunk_bytes(d);
    open_drq_block(d, false);
}

static void ata_pio_done(struct ide_drive *d)
{
    bool is_chunk_over = d->s.chunk_pos >= d->s.chunk_len;

    if (!is_chunk_over) {
        open_drq_block(d, !d->s.is_write);
        ide_raise_irq(d);
    } else if (d->s.is_write) {
        store_chunk(d);
    } else if (d->s.sectors_left) { /* a read: sectors_left counts what was not fetched */
        fetch_chunk(d);
    } else {
        d->s.status = STATUS_IDLE;
    }
}

static void pio_request_done(struct ide_drive *d)
{
    retire_chunk(d);
    if (!d->s.is_write) {
        if (!d->s.sectors_left)
            complete_data(d, false); /* registers now; DRQ follows with the data */
        open_drq_block(d, true);
        ide_raise_irq(d);
    } else if (d->s.sectors_left) {
        begin_pio_out_chunk(d);
        ide_raise_irq(d);
    } else {
        complete_data(d, true);
    }
}

/* The bus master runs: fetch from the disk, or from guest memory.  A chunk that cannot be moved whole (the engine was
 * stopped, or its table was too short) leaves the drive waiting with DRQ, as a real one does; a restart begins it anew. */
static void ata_dma_ready(struct ide_drive *d)
{
    if (!d->s.is_write) {
        fetch_chunk(d);
        return;
    }
    d->s.chunk_len = next_chunk_bytes(d);
    if (ide_dma_move(d->channel, d->channel->buf, d->s.chunk_len, false) == d->s.chunk_len)
        store_chunk(d);
}

static void dma_request_done(struct ide_drive *d)
{
    if (!d->s.is_write && ide_dma_move(d->channel, d->channel->buf, d->s.chunk_len, true) != d->s.chunk_len) {
        d->channel->phase = IDE_PHASE_DMA;
        d->s.status = STATUS_IDLE | ATA_DRQ;
        return;
    }
    retire_chunk(d);
    if (d->s.sectors_left)
        ide_dma_begin(d);
    else
        complete_data(d, true);
}

static void ata_request_done(struct ide_drive *d, int error)
{
    if (error) {
        log_at(LOG_DEV, "ata: block request failed: %d", error);
        if (d->s.request == REQUEST_FLUSH)
            fail(d, ATA_ERROR_ABRT);
        else
            fail_at(d, ATA_ERROR_UNC, d->s.next_sector);
        return;
    }
    if (d->s.request == REQUEST_FLUSH)
        complete(d);
    else if (d->s.uses_dma)
        dma_request_done(d);
    else
        pio_request_done(d);
}

/* What one data command is. */
struct transfer {
    bool is_write, uses_dma, is_lba48, is_multiple;
};

static void start_transfer(struct ide_drive *d, struct transfer t)
{
    uint64_t lba;
    uint32_t count;

    if ((t.is_multiple && !d->s.multiple) || (t.is_write && d->block->is_read_only)) {
        abort_command(d);
        return;
    }
    if (!take_address(d, t.is_lba48, &lba, &count))
        return;
    d->s.next_sector = lba;
    d->s.sectors_left = count;
    d->s.is_write = t.is_write;
    d->s.uses_dma = t.uses_dma;
    d->s.drq_bytes = (t.is_multiple ? d->s.multiple : 1) * SECTOR_BYTES;
    if (t.uses_dma)
        ide_dma_begin(d);
    else if (t.is_write)
        begin_pio_out_chunk(d); /* no interrupt before the first block */
    else
        fetch_chunk(d);
}

static void read_sectors(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){0});
}

static void read_sectors_ext(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_lba48 = true});
}

static void read_multiple(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_multiple = true});
}

static void read_multiple_ext(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_multiple = true, .is_lba48 = true});
}

static void read_dma(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.uses_dma = true});
}

static void read_dma_ext(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.uses_dma = true, .is_lba48 = true});
}

static void write_sectors(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_write = true});
}

static void write_sectors_ext(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_write = true, .is_lba48 = true});
}

static void write_multiple(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_write = true, .is_multiple = true});
}

static void write_multiple_ext(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_write = true, .is_multiple = true, .is_lba48 = true});
}

static void write_dma(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_write = true, .uses_dma = true});
}

static void write_dma_ext(struct ide_drive *d)
{
    start_transfer(d, (struct transfer){.is_write = true, .uses_dma = true, .is_lba48 = true});
}

/* ---- commands without data ---- */

/* READ VERIFY: the range is checked; the medium is not read. */
static void verify(struct ide_drive *d)
{
    uint64_t lba;
    uint32_t count;

    if (take_address(d, false, &lba, &count))
        complete(d);
}

static void verify_ext(struct ide_drive *d)
{
    uint64_t lba;
    uint32_t count;

    if (take_address(d, true, &lba, &count))
        complete(d);
}

static void seek(struct ide_drive *d)
{
    uint64_t lba;
    uint32_t count;

    d->s.is_lba48 = false;
    if (!get_address(d, &lba, &count) || lba >= disk_sectors(d))
        fail(d, ATA_ERROR_IDNF);
    else
        complete(d);
}

static void flush_cache(struct ide_drive *d)
{
    d->s.request = REQUEST_FLUSH;
    ide_block_flush(d);
}

/* Count: sectors per track; device bits 3:0: highest head. */
static void initialize_parameters(struct ide_drive *d)
{
    unsigned heads = (d->s.device & 0x0f) + 1u;

    if (!d->s.count[0]) {
        abort_command(d);
        return;
    }
    d->s.heads = heads;
    d->s.sectors_per_track = d->s.count[0];
    complete(d);
}

static void set_multiple(struct ide_drive *d)
{
    uint8_t n = d->s.count[0];

    if (n > MAX_MULTIPLE || (n & (n - 1))) {
        abort_command(d);
        return;
    }
    d->s.multiple = n;
    complete(d);
}

static void set_features(struct ide_drive *d)
{
    bool is_ok = true;

    switch (d->s.feature[0]) {
    case 0x02:
    case 0x82:
        d->s.has_write_cache = d->s.feature[0] == 0x02;
        break;
    case 0x03:
        is_ok = ide_set_transfer_mode(d, d->s.count[0]);
        break;
    case 0x55: /* look-ahead off, on; revert to power-on defaults or not: nothing to do */
    case 0xaa:
    case 0x66:
    case 0xcc:
        break;
    default:
        is_ok = false;
    }
    if (is_ok)
        complete(d);
    else
        abort_command(d);
}

static void go_idle(struct ide_drive *d)
{
    d->s.is_standby = false;
    complete(d);
}

static void go_standby(struct ide_drive *d)
{
    d->s.is_standby = true;
    complete(d);
}

static void check_power_mode(struct ide_drive *d)
{
    d->s.count[0] = d->s.is_standby ? 0x00 : 0xff;
    complete(d);
}

static void read_native_max(struct ide_drive *d)
{
    uint64_t max = disk_sectors(d) - 1;

    d->s.is_lba48 = false;
    d->s.device |= ATA_DEVICE_LBA;
    put_address(d, max > MAX_LBA28 - 1 ? MAX_LBA28 - 1 : max);
    complete(d);
}

static void read_native_max_ext(struct ide_drive *d)
{
    d->s.is_lba48 = true;
    put_address(d, disk_sectors(d) - 1);
    complete(d);
}

static void put_signature(struct ide_drive *d)
{
    d->s.count[0] = d->s.lba_low[0] = 1;
    d->s.lba_mid[0] = d->s.lba_high[0] = 0;
    d->s.count[1] = d->s.lba_low[1] = d->s.lba_mid[1] = d->s.lba_high[1] = 0;
}

static void identify(struct ide_drive *d)
{
    uint8_t *id = d->channel->buf;
    uint64_t sectors = disk_sectors(d);
    uint64_t lba28 = sectors > MAX_LBA28 ? MAX_LBA28 : sectors;
    uint32_t cylinders = cylinders_of(d, DEFAULT_HEADS, DEFAULT_SECTORS);
    uint32_t cur_cylinders = cylinders_of(d, d->s.heads, d->s.sectors_per_track);
    uint32_t cur_sectors = cur_cylinders * d->s.heads * d->s.sectors_per_track;

    memset(id, 0, SECTOR_BYTES);
    ide_put_word(id, 0, 0x0040); /* fixed disk */
    ide_put_word(id, 1, cylinders);
    ide_put_word(id, 3, DEFAULT_HEADS);
    ide_put_word(id, 6, DEFAULT_SECTORS);
    ide_put_string(id, 10, 10, d->serial);
    ide_put_word(id, 20, 3);   /* dual-ported buffer with look-ahead */
    ide_put_word(id, 21, 512); /* of 256 KiB */
    ide_put_word(id, 22, 4);
    ide_put_string(id, 23, 4, "1.0");
    ide_put_string(id, 27, 20, "RINGER HARDDISK");
    ide_put_word(id, 47, 0x8000 | MAX_MULTIPLE);
    ide_put_word(id, 48, 1);      /* 32-bit data port accesses work */
    ide_put_word(id, 49, 0x0b00); /* IORDY, LBA, DMA */
    ide_put_word(id, 50, 0x4000);
    ide_put_word(id, 51, 0x0200);
    ide_put_word(id, 53, 0x0007); /* words 54-58, 64-70 and 88 are valid */
    ide_put_word(id, 54, cur_cylinders);
    ide_put_word(id, 55, d->s.heads);
    ide_put_word(id, 56, d->s.sectors_per_track);
    store_le(id + 2 * 57, 4, cur_sectors);
    ide_put_word(id, 59, d->s.multiple ? 0x0100 | d->s.multiple : 0);
    store_le(id + 2 * 60, 4, lba28);
    ide_put_word(id, 63, 0x0007 | d->s.mwdma_mode << 8);
    ide_put_word(id, 64, 0x0003); /* PIO modes 3 and 4 */
    for (unsigned word = 65; word <= 68; word++)
        ide_put_word(id, word, 120); /* ns a cycle */
    ide_put_word(id, 80, 0x007e);    /* ATA-1 to ATA/ATAPI-6 */
    ide_put_word(id, 82, 0x4028);    /* NOP, write cache, power management */
    ide_put_word(id, 83, 0x7400);    /* FLUSH CACHE (EXT), 48-bit addresses */
    ide_put_word(id, 84, 0x4000);
    ide_put_word(id, 85, d->s.has_write_cache ? 0x4028 : 0x4008);
    ide_put_word(id, 86, 0x3400);
    ide_put_word(id, 87, 0x4000);
    ide_put_word(id, 88, 0x003f | d->s.udma_mode << 8);
    ide_put_word(id, 93, d == d->channel->drive ? 0x600b : 0x6b00); /* 80-conductor cable, diagnostics passed */
    store_le(id + 2 * 100, 8, sectors);

    /* One DRQ block like that of a one-sector read. */
    d->s.is_write = d->s.uses_dma = false;
    d->s.sectors_left = 0;
    d->s.chunk_pos = 0;
    d->s.chunk_len = d->s.drq_bytes = SECTOR_BYTES;
    d->s.error = 0;
    open_drq_block(d, true);
    ide_raise_irq(d);
}

typedef void command_fn(struct ide_drive *d);

static command_fn *const commands[256] = {
    [0x10 ... 0x1f] = complete_without_effect, /* RECALIBRATE */
    [0x20] = read_sectors,
    [0x21] = read_sectors,
    [0x24] = read_sectors_ext,
    [0x25] = read_dma_ext,
    [0x27] = read_native_max_ext,
    [0x29] = read_multiple_ext,
    [0x30] = write_sectors,
    [0x31] = write_sectors,
    [0x34] = write_sectors_ext,
    [0x35] = write_dma_ext,
    [0x39] = write_multiple_ext,
    [0x40] = verify,
    [0x41] = verify,
    [0x42] = verify_ext,
    [0x70 ... 0x7f] = seek,
    [0x90] = ide_diagnose,
    [0x91] = initialize_parameters,
    [0x94] = go_standby, /* 94h-99h: ATA-1 codes of E0h-E6h */
    [0x95] = go_idle,
    [0x96] = go_standby,
    [0x97] = go_idle,
    [0x98] = check_power_mode,
    [0x99] = go_standby,
    [0xc4] = read_multiple,
    [0xc5] = write_multiple,
    [0xc6] = set_multiple,
    [0xc8] = read_dma,
    [0xc9] = read_dma,
    [0xca] = write_dma,
    [0xcb] = write_dma,
    [0xe0] = go_standby,
    [0xe1] = go_idle,
    [0xe2] = go_standby,
    [0xe3] = go_idle,
    [0xe5] = check_power_mode,
    [0xe6] = go_standby, /* SLEEP: wakes up by any command here */
    [0xe7] = flush_cache,
    [0xea] = flush_cache,
    [0xec] = identify,
    [0xef] = set_features,
    [0xf8] = read_native_max,
};

/* NOP (00h), PACKET, SMART, SECURITY... abort. */
static void ata_command(struct ide_drive *d, uint8_t command)
{
    if (!commands[command])
        log_at(LOG_DEV, "ata: command %#x aborted", command);
    if (commands[command])
        commands[command](d);
    else
        abort_command(d);
}

static void ata_reset(struct ide_drive *d, bool is_power_on)
{
    put_signature(d);
    d->s.device = 0;
    d->s.error = 1; /* diagnostics passed */
    d->s.status = STATUS_IDLE;
    d->s.is_irq_pending = false;
    d->s.is_standby = false;
    if (!is_power_on)
        return;
    d->s.heads = DEFAULT_HEADS;
    d->s.sectors_per_track = DEFAULT_SECTORS;
    d->s.multiple = 0;
    d->s.mwdma_mode = 1 << 2;
    d->s.udma_mode = 0;
    d->s.has_write_cache = true;
}

const struct ide_drive_ops ata_drive_ops = {
    .name = "disk",
    .reset = ata_reset,
    .command = ata_command,
    .request_done = ata_request_done,
    .pio_done = ata_pio_done,
    .dma_ready = ata_dma_ready,
};
