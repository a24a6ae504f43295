/* 82077AA floppy disk controller, and the drives and disks behind it.
 * Intel 82077AA data sheet (290166): 2.1 registers, 5.0 commands, 6.0 status registers; table 5-12 for the result's C, H, R.
 *
 * Sectors have 512 bytes and move one block request at a time.  A disk is read only at its own data rate, so that drivers
 * which try formats find the right one.  Seeks, READ ID and the reset take DELAY_NS.  Motors are not looked at.
 * Commands for a drive without a disk fail at once with "missing address mark", where a real chip would wait for ever. */
#include "devices/fdc.h"

#include <errno.h>
#include <string.h>
#include "host/log.h"

#define DELAY_NS       100000
#define DMA_CHANNEL    2
#define NUM_UNITS      4
#define MAX_CYLINDER   83
#define VERSION_82077  0x90
#define STATUS_INVALID 0x80

enum { REG_DOR = 2, REG_TDR = 3, REG_MSR_DSR = 4, REG_FIFO = 5 };
enum { DOR_NOT_RESET = 0x04, DOR_DMA_GATE = 0x08 };
enum { DSR_RESET = 0x80, DSR_RATE = 0x03 };
enum { MSR_RQM = 0x80, MSR_DIO = 0x40, MSR_NON_DMA = 0x20, MSR_BUSY = 0x10 };
enum { ST0_ABNORMAL = 0x40, ST0_SEEK_END = 0x20, ST0_EQUIPMENT = 0x10, ST0_POLLED = 0xc0 };
enum { ST1_END_OF_CYLINDER = 0x80, ST1_DATA_ERROR = 0x20, ST1_OVERRUN = 0x10, ST1_NO_DATA = 0x04, ST1_NOT_WRITABLE = 0x02,
       ST1_MISSING_AM = 0x01 };
enum { ST2_WRONG_CYLINDER = 0x10, ST2_SCAN_EQUAL = 0x08, ST2_SCAN_NOT_MET = 0x04, ST2_DATA_ERROR = 0x20 };
enum { ST3_WRITE_PROTECTED = 0x40, ST3_TRACK0 = 0x10, ST3_ALWAYS = 0x28 };
enum { CONFIGURE_IMPLIED_SEEK = 0x40, CONFIGURE_NO_FIFO = 0x20, CONFIGURE_NO_POLL = 0x10 };
enum { SPECIFY_NON_DMA = 0x01 };
enum { COMMAND_MT = 0x80, COMMAND_LOCK = 0x80, COMMAND_MASK = 0x1f };

enum {
    PHASE_COMMAND, /* the next byte is (part of) a command */
    PHASE_BUSY,    /* executing by itself */
    PHASE_PIO_IN,  /* the guest reads the buffer byte by byte */
    PHASE_PIO_OUT,
    PHASE_RESULT
};
enum { EXEC_READ, EXEC_WRITE, EXEC_FORMAT, EXEC_SCAN_EQUAL, EXEC_SCAN_LOW, EXEC_SCAN_HIGH };

static const struct fdc_geometry geometries[] = { /* by size */
    {163840, 40, 1, 8, 2, FDC_360K},
    {184320, 40, 1, 9, 2, FDC_360K},
    {327680, 40, 2, 8, 2, FDC_360K},
    {368640, 40, 2, 9, 2, FDC_360K},
    {737280, 80, 2, 9, 2, FDC_720K},
    {1228800, 80, 2, 15, 0, FDC_1200K},
    {1474560, 80, 2, 18, 0, FDC_1440K},
    {1720320, 80, 2, 21, 0, FDC_1440K}, /* DMF */
    {2949120, 80, 2, 36, 3, FDC_2880K},
};

const struct fdc_geometry *fdc_find_geometry(uint64_t bytes)
{
    for (unsigned i = 0; bytes && i < ARRAY_SIZE(geometries); i++)
        if (bytes <= geometries[i].bytes)
            return &geometries[i];
    return NULL;
}

static void fdc_update_irq(struct fdc *f)
{
    wire_set(f->irq, f->is_irq_pending && (f->dor & DOR_DMA_GATE));
}

static void set_irq(struct fdc *f, bool is_pending)
{
    f->is_irq_pending = is_pending;
    fdc_update_irq(f);
}

static void start_delay(struct fdc *f)
{
    timer_arm(&f->timer, clock_now_ns(f->timer.clock) + DELAY_NS);
}

/* Units 2 and 3 have no drive. */
static struct fdc_drive *unit_drive(struct fdc *f, unsigned unit)
{
    return unit < ARRAY_SIZE(f->drive) && f->drive[unit].type != FDC_NO_DRIVE ? &f->drive[unit] : NULL;
}

/* ---- phases ---- */

static void go_command(struct fdc *f)
{
    f->phase = PHASE_COMMAND;
    f->fifo_pos = f->fifo_len = 0;
}

static void go_result(struct fdc *f, const uint8_t *bytes, unsigned len)
{
    memcpy(f->fifo, bytes, len);
    f->fifo_pos = 0;
    f->fifo_len = len;
    f->phase = PHASE_RESULT;
}

static void result_1(struct fdc *f, uint8_t byte)
{
    go_result(f, &byte, 1);
}

/* ---- data commands ---- */

static uint8_t status0(const struct fdc *f)
{
    return f->head << 2 | f->unit;
}

static void end_command(struct fdc *f, uint8_t st0, uint8_t st1, uint8_t st2)
{
    uint8_t result[7] = {st0 | status0(f), st1, st2, f->id_cylinder, f->id_head, f->id_sector, f->size_code};

    log_at(LOG_DEV, "fdc: st0 %#x st1 %#x st2 %#x, c %u h %u r %u", result[0], st1, st2, f->id_cylinder, f->id_head,
           f->id_sector);
    go_result(f, result, sizeof(result));
    set_irq(f, true);
}

static void fail_command(struct fdc *f, uint8_t st1, uint8_t st2)
{
    end_command(f, ST0_ABNORMAL, st1, st2);
}

/* Can the head read this disk at all?  0, or what ST1 says. */
static uint8_t medium_error(struct fdc *f)
{
    const struct fdc_drive *d = unit_drive(f, f->unit);

    if (!d || !d->block || (f->dsr & DSR_RATE) != d->geometry.rate || f->head >= d->geometry.heads ||
        d->cylinder >= d->geometry.cylinders)
        return ST1_MISSING_AM;
    return 0;
}

/* Is the sector of the task on the track under the head?  False: the command has failed. */
static bool find_sector(struct fdc *f)
{
    uint8_t st1 = medium_error(f);
    const struct fdc_drive *d;

    if (st1) {
        fail_command(f, st1, 0);
        return false;
    }
    d = &f->drive[f->unit];
    if (f->id_cylinder != d->cylinder) {
        fail_command(f, ST1_NO_DATA, ST2_WRONG_CYLINDER);
        return false;
    }
    if (f->id_head != f->head || f->id_sector < 1 || f->id_sector > d->geometry.sectors || f->size_code != 2) {
        fail_command(f, ST1_NO_DATA, 0);
        return false;
    }
    return true;
}

static uint64_t sector_offset(const struct fdc *f)
{
    const struct fdc_drive *d = &f->drive[f->unit];

    return (((uint64_t)d->cylinder * d->geometry.heads + f->head) * d->geometry.sectors + f->id_sector - 1) *
           FDC_SECTOR_BYTES;
}

static void request_done(void *opaque, int error);

static void begin_request(struct fdc *f)
{
    f->phase = PHASE_BUSY;
    f->is_in_flight = true;
}

/* An image may be shorter than its format: the rest reads as zero. */
static void fetch_sector(struct fdc *f)
{
    struct block *b;
    uint64_t offset;

    if (!find_sector(f))
        return;
    b = f->drive[f->unit].block;
    offset = sector_offset(f);
    memset(f->buf, 0, sizeof(f->buf));
    f->buf_pos = 0;
    f->buf_len = FDC_SECTOR_BYTES;
    begin_request(f);
    if (offset < b->size_bytes) {
        uint64_t left = b->size_bytes - offset;

        block_read(b, offset, f->buf, left < FDC_SECTOR_BYTES ? left : FDC_SECTOR_BYTES, request_done, f);
    } else {
        block_flush(b, request_done, f); /* nothing to read, but completion comes from the backend all the same */
    }
}

static void store_sector(struct fdc *f)
{
    struct block *b = f->drive[f->unit].block;
    uint64_t offset = sector_offset(f);

    if (offset + FDC_SECTOR_BYTES > b->size_bytes) {
        fail_command(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
        return;
    }
    begin_request(f);
    block_write(b, offset, f->buf, FDC_SECTOR_BYTES, request_done, f);
}

static bool uses_dma(const struct fdc *f)
{
    return f->dma && !(f->specify[1] & SPECIFY_NON_DMA);
}

static void open_pio(struct fdc *f, uint8_t phase)
{
    f->phase = phase;
    set_irq(f, true);
}

/* After the last sector of a track the address goes on where table 5-12 says. */
static void step_address(struct fdc *f)
{
    if (f->id_sector != f->eot) {
        f->id_sector++;
        return;
    }
    f->id_sector = 1;
    if (f->is_multi_track && f->head == 0) {
        f->id_head ^= 1;
        f->head = 1;
        return;
    }
    f->id_cylinder++;
    if (f->is_multi_track)
        f->id_head ^= 1;
}

/* Was the sector just done the last the command can reach? */
static bool is_last_sector(const struct fdc *f)
{
    return f->id_sector == f->eot && !(f->is_multi_track && f->head == 0);
}

static void collect_sector(struct fdc *f);

static bool is_scan(const struct fdc *f)
{
    return f->exec >= EXEC_SCAN_EQUAL;
}

/* One sector is done: stop at terminal count or at the end of the cylinder, else take the next. */
static void sector_over(struct fdc *f)
{
    bool is_last = is_last_sector(f);

    if (is_scan(f) && (f->is_scan_met || is_last)) {
        end_command(f, 0, 0, f->is_scan_met ? ST2_SCAN_EQUAL : ST2_SCAN_NOT_MET);
        return;
    }
    if (f->is_tc) {
        uint8_t head = f->head;

        step_address(f);
        f->head = head; /* ST0 tells the head that was last at work */
        end_command(f, 0, 0, 0);
        return;
    }
    if (is_last) {
        fail_command(f, ST1_END_OF_CYLINDER, 0);
        return;
    }
    step_address(f);
    if (f->exec == EXEC_WRITE)
        collect_sector(f);
    else
        fetch_sector(f);
}

static void format_step(struct fdc *f);

/* Guest to buffer by DMA.  False: the command has failed for want of data. */
static bool fill_by_dma(struct fdc *f)
{
    unsigned n = dma_transfer(f->dma, DMA_CHANNEL, f->buf, f->buf_len, false, &f->is_tc);

    if (n == f->buf_len || f->is_tc) {
        memset(f->buf + n, 0, f->buf_len - n);
        return true;
    }
    fail_command(f, ST1_OVERRUN, 0);
    return false;
}

static void buffer_filled(struct fdc *f)
{
    if (f->exec == EXEC_FORMAT)
        format_step(f);
    else
        store_sector(f);
}

/* Get len bytes of the guest's into the buffer. */
static void collect(struct fdc *f, unsigned len)
{
    f->buf_pos = 0;
    f->buf_len = len;
    f->phase = PHASE_BUSY;
    if (!uses_dma(f))
        open_pio(f, PHASE_PIO_OUT);
    else if (fill_by_dma(f))
        buffer_filled(f);
}

static void collect_sector(struct fdc *f)
{
    if (!find_sector(f))
        return;
    if (f->drive[f->unit].block->is_read_only)
        fail_command(f, ST1_NOT_WRITABLE, 0);
    else
        collect(f, FDC_SECTOR_BYTES);
}

/* Compare the sector with as many bytes of guest memory; FFh on either side matches anything. */
static bool scan_sector(struct fdc *f)
{
    uint8_t want[FDC_SECTOR_BYTES];
    unsigned n = dma_transfer(f->dma, DMA_CHANNEL, want, sizeof(want), false, &f->is_tc);

    for (unsigned i = 0; i < n; i++) {
        if (f->buf[i] == want[i] || f->buf[i] == 0xff || want[i] == 0xff)
            continue;
        return f->exec == (f->buf[i] < want[i] ? EXEC_SCAN_LOW : EXEC_SCAN_HIGH);
    }
    return true;
}

static void sector_fetched(struct fdc *f)
{
    if (is_scan(f)) {
        f->is_scan_met = uses_dma(f) && scan_sector(f);
        sector_over(f);
    } else if (!uses_dma(f)) {
        open_pio(f, PHASE_PIO_IN);
    } else if (dma_transfer(f->dma, DMA_CHANNEL, f->buf, FDC_SECTOR_BYTES, true, &f->is_tc) < FDC_SECTOR_BYTES &&
               !f->is_tc) {
        fail_command(f, ST1_OVERRUN, 0);
    } else {
        sector_over(f);
    }
}

/* FORMAT TRACK: four bytes C, H, R, N from the guest, then one sector of the fill byte, as many times as asked for. */
static void collect_id(struct fdc *f)
{
    if (f->format_left == 0) {
        end_command(f, 0, 0, 0);
        return;
    }
    f->format_left--;
    collect(f, 4);
}

static void format_step(struct fdc *f)
{
    f->id_cylinder = f->buf[0];
    f->id_head = f->buf[1];
    f->id_sector = f->buf[2];
    f->size_code = f->buf[3];
    if (!find_sector(f))
        return;
    memset(f->buf, f->format_fill, sizeof(f->buf));
    store_sector(f);
}

static void finish_reset(struct fdc *f);

static void request_done(void *opaque, int error)
{
    struct fdc *f = opaque;

    f->is_in_flight = false;
    if (f->is_stale) {
        f->is_stale = false;
        finish_reset(f);
    } else if (error) {
        log_at(LOG_DEV, "fdc: block request failed: %d", error);
        fail_command(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
    } else if (f->exec == EXEC_FORMAT) {
        collect_id(f);
    } else if (f->exec == EXEC_WRITE) {
        sector_over(f);
    } else {
        sector_fetched(f);
    }
}

/* ---- seeks ---- */

/* The head moves; a step tells the drive to look for a disk again, which ends the disk-change signal. */
static void move_head(struct fdc_drive *d, unsigned cylinder, bool is_recalibrate)
{
    if (cylinder > MAX_CYLINDER)
        cylinder = MAX_CYLINDER;
    if ((d->cylinder != cylinder || is_recalibrate) && d->block)
        d->is_disk_changed = false;
    d->cylinder = cylinder;
}

static void start_seek(struct fdc *f, unsigned unit, unsigned head, uint8_t track, bool is_recalibrate)
{
    struct fdc_drive *d = unit_drive(f, unit);

    f->track[unit] = track;
    f->sense_st0[unit] = ST0_SEEK_END | head << 2 | unit;
    if (d)
        move_head(d, track, is_recalibrate);
    else if (is_recalibrate)
        f->sense_st0[unit] |= ST0_ABNORMAL | ST0_EQUIPMENT; /* no track 0 signal */
    f->seeking |= 1u << unit;
    go_command(f);
    start_delay(f);
}

static void end_seeks(struct fdc *f)
{
    if (!f->seeking)
        return;
    f->sense_due |= f->seeking;
    f->seeking = 0;
    set_irq(f, true);
}

/* ---- commands; f->fifo holds their bytes ---- */

static void take_unit(struct fdc *f)
{
    f->unit = f->fifo[1] & 3;
    f->head = f->fifo[1] >> 2 & 1;
}

static void take_address(struct fdc *f)
{
    struct fdc_drive *d;

    take_unit(f);
    f->is_multi_track = f->fifo[0] & COMMAND_MT;
    f->id_cylinder = f->fifo[2];
    f->id_head = f->fifo[3];
    f->id_sector = f->fifo[4];
    f->size_code = f->fifo[5];
    f->eot = f->fifo[6];
    f->is_tc = f->is_scan_met = false;
    f->phase = PHASE_BUSY;
    d = unit_drive(f, f->unit);
    if (d && (f->configure & CONFIGURE_IMPLIED_SEEK)) {
        move_head(d, f->id_cylinder, false);
        f->track[f->unit] = f->id_cylinder;
    }
}

static void read_data(struct fdc *f)
{
    take_address(f);
    f->exec = EXEC_READ;
    fetch_sector(f);
}

/* Sectors in physical order, from the index hole on. */
static void read_track(struct fdc *f)
{
    take_address(f);
    f->is_multi_track = false;
    f->id_sector = 1;
    f->exec = EXEC_READ;
    fetch_sector(f);
}

static void write_data(struct fdc *f)
{
    take_address(f);
    f->exec = EXEC_WRITE;
    collect_sector(f);
}

static void scan(struct fdc *f, uint8_t exec)
{
    take_address(f);
    f->exec = exec;
    fetch_sector(f);
}

static void scan_equal(struct fdc *f)
{
    scan(f, EXEC_SCAN_EQUAL);
}

static void scan_low(struct fdc *f)
{
    scan(f, EXEC_SCAN_LOW);
}

static void scan_high(struct fdc *f)
{
    scan(f, EXEC_SCAN_HIGH);
}

/* The sectors up to EOT must exist; they are not read. */
static void verify(struct fdc *f)
{
    take_address(f);
    while (find_sector(f)) { /* ends: EOT, or a sector number beyond the track's last */
        if (is_last_sector(f)) {
            step_address(f);
            end_command(f, 0, 0, 0);
            return;
        }
        step_address(f);
    }
}

static void format_track(struct fdc *f)
{
    const struct fdc_drive *d;
    uint8_t st1;

    take_unit(f);
    f->size_code = f->fifo[2];
    f->format_left = f->fifo[3];
    f->format_fill = f->fifo[5];
    f->id_cylinder = f->id_head = f->id_sector = 0;
    f->is_tc = false;
    f->exec = EXEC_FORMAT;
    st1 = medium_error(f);
    d = unit_drive(f, f->unit);
    if (!st1 && d->block->is_read_only)
        st1 = ST1_NOT_WRITABLE;
    if (st1)
        fail_command(f, st1, 0);
    else
        collect_id(f);
}

static void read_id(struct fdc *f)
{
    take_unit(f);
    f->phase = PHASE_BUSY;
    f->is_id_due = true;
    start_delay(f);
}

/* The next sector header comes by. */
static void end_read_id(struct fdc *f)
{
    uint8_t st1 = medium_error(f);

    f->is_id_due = false;
    f->size_code = 2;
    f->id_sector = 1;
    f->id_head = f->head;
    f->id_cylinder = st1 ? 0 : f->drive[f->unit].cylinder;
    if (st1)
        fail_command(f, st1, 0);
    else
        end_command(f, 0, 0, 0);
}

static void recalibrate(struct fdc *f)
{
    start_seek(f, f->fifo[1] & 3, 0, 0, true);
}

static void seek(struct fdc *f)
{
    unsigned unit = f->fifo[1] & 3, head = f->fifo[1] >> 2 & 1;
    int track = f->fifo[2];

    if (f->fifo[0] & 0x80) /* RELATIVE SEEK; bit 6: inwards */
        track = f->fifo[0] & 0x40 ? f->track[unit] + track : f->track[unit] - track;
    if (track < 0)
        track = 0;
    start_seek(f, unit, head, track > 0xff ? 0xff : track, false);
}

static void sense_interrupt(struct fdc *f)
{
    uint8_t result[2];
    unsigned unit;

    if (f->polls_due) { /* after a reset: each drive changed its ready state */
        unit = NUM_UNITS - f->polls_due--;
        result[0] = ST0_POLLED | unit;
    } else if (f->sense_due) {
        unit = __builtin_ctz(f->sense_due);
        f->sense_due &= ~(1u << unit);
        result[0] = f->sense_st0[unit];
    } else {
        result_1(f, STATUS_INVALID);
        return;
    }
    result[1] = f->track[unit];
    set_irq(f, f->sense_due != 0);
    go_result(f, result, sizeof(result));
}

static void sense_drive(struct fdc *f)
{
    const struct fdc_drive *d;
    uint8_t st3;

    take_unit(f);
    d = unit_drive(f, f->unit);
    st3 = ST3_ALWAYS | status0(f);
    if (d && d->cylinder == 0)
        st3 |= ST3_TRACK0;
    if (d && d->block && d->block->is_read_only)
        st3 |= ST3_WRITE_PROTECTED;
    result_1(f, st3);
}

static void specify(struct fdc *f)
{
    memcpy(f->specify, f->fifo + 1, 2);
    go_command(f);
}

static void configure(struct fdc *f)
{
    f->configure = f->fifo[2];
    f->precomp_track = f->fifo[3];
    go_command(f);
}

static void perpendicular(struct fdc *f)
{
    uint8_t value = f->fifo[1];

    /* OW (bit 7) lets the drive bits 5:2 be written; bits 1:0 are GAP and WGATE. */
    f->perpendicular = value & 0x80 ? value & 0x3f : (f->perpendicular & 0x3c) | (value & 0x03);
    go_command(f);
}

static void lock(struct fdc *f)
{
    f->is_locked = f->fifo[0] & COMMAND_LOCK;
    result_1(f, f->is_locked << 4);
}

static void dump_registers(struct fdc *f)
{
    uint8_t result[10];

    memcpy(result, f->track, 4);
    memcpy(result + 4, f->specify, 2);
    result[6] = f->eot;
    result[7] = f->is_locked << 7 | (f->perpendicular & 0x3f);
    result[8] = f->configure;
    result[9] = f->precomp_track;
    go_result(f, result, sizeof(result));
}

static void version(struct fdc *f)
{
    result_1(f, VERSION_82077);
}

/* By bits 4:0 of the first byte; allowed: which of MT/LOCK (80h), MFM (40h), SK (20h) may be set. */
static const struct fdc_command {
    uint8_t len, allowed;
    void (*run)(struct fdc *f);
} commands[COMMAND_MASK + 1] = {
    [0x02] = {9, 0x60, read_track},
    [0x03] = {3, 0x00, specify},
    [0x04] = {2, 0x00, sense_drive},
    [0x05] = {9, 0xc0, write_data},
    [0x06] = {9, 0xe0, read_data},
    [0x07] = {2, 0x00, recalibrate},
    [0x08] = {1, 0x00, sense_interrupt},
    [0x09] = {9, 0xc0, write_data}, /* deleted data: the mark is not kept */
    [0x0a] = {2, 0x40, read_id},
    [0x0c] = {9, 0xe0, read_data},
    [0x0d] = {6, 0x40, format_track},
    [0x0e] = {1, 0x00, dump_registers},
    [0x0f] = {3, 0xc0, seek},
    [0x10] = {1, 0x00, version},
    [0x11] = {9, 0xe0, scan_equal},
    [0x12] = {2, 0x00, perpendicular},
    [0x13] = {4, 0x00, configure},
    [0x14] = {1, 0x80, lock},
    [0x16] = {9, 0xe0, verify},
    [0x19] = {9, 0xe0, scan_low},
    [0x1d] = {9, 0xe0, scan_high},
};

static const struct fdc_command *find_command(uint8_t byte)
{
    const struct fdc_command *c = &commands[byte & COMMAND_MASK];

    return c->run && !(byte & ~COMMAND_MASK & ~c->allowed) ? c : NULL;
}

static void write_command_byte(struct fdc *f, uint8_t value)
{
    const struct fdc_command *c = find_command(f->fifo_pos ? f->fifo[0] : value);

    if (!c) {
        log_at(LOG_DEV, "fdc: invalid command %#x", value);
        result_1(f, STATUS_INVALID);
        return;
    }
    f->fifo[f->fifo_pos++] = value;
    if (f->fifo_pos < c->len)
        return;
    f->fifo_pos = 0;
    log_at(LOG_IO, "fdc: command %#x %#x, c %u h %u r %u n %u eot %u", f->fifo[0], f->fifo[1], f->fifo[2], f->fifo[3],
           f->fifo[4], f->fifo[5], f->fifo[6]);
    c->run(f);
}

/* ---- registers ---- */

static bool is_held_in_reset(const struct fdc *f)
{
    return !(f->dor & DOR_NOT_RESET);
}

static uint8_t read_fifo(struct fdc *f)
{
    uint8_t value = 0;

    if (f->phase == PHASE_PIO_IN) {
        value = f->buf[f->buf_pos++];
        if (f->buf_pos < f->buf_len)
            return value;
        set_irq(f, false);
        f->phase = PHASE_BUSY;
        sector_over(f);
    } else if (f->phase == PHASE_RESULT) {
        value = f->fifo[f->fifo_pos++];
        if (!f->sense_due)
            set_irq(f, false);
        if (f->fifo_pos >= f->fifo_len)
            go_command(f);
    }
    return value;
}

static void write_fifo(struct fdc *f, uint8_t value)
{
    if (is_held_in_reset(f) || f->is_resetting)
        return;
    if (f->phase == PHASE_COMMAND) {
        write_command_byte(f, value);
    } else if (f->phase == PHASE_PIO_OUT) {
        f->buf[f->buf_pos++] = value;
        if (f->buf_pos < f->buf_len)
            return;
        set_irq(f, false);
        f->phase = PHASE_BUSY;
        buffer_filled(f);
    }
}

static uint8_t main_status(const struct fdc *f)
{
    if (is_held_in_reset(f) || f->is_resetting)
        return 0;
    switch (f->phase) {
    case PHASE_COMMAND:
        return MSR_RQM | f->seeking | (f->fifo_pos ? MSR_BUSY : 0);
    case PHASE_PIO_IN:
        return MSR_RQM | MSR_DIO | MSR_NON_DMA | MSR_BUSY;
    case PHASE_PIO_OUT:
        return MSR_RQM | MSR_NON_DMA | MSR_BUSY;
    case PHASE_RESULT:
        return MSR_RQM | MSR_DIO | MSR_BUSY;
    default:
        return MSR_BUSY;
    }
}

/* DIR: the selected drive says that its disk was changed, or that there is none. */
static uint8_t digital_input(struct fdc *f)
{
    const struct fdc_drive *d = unit_drive(f, f->dor & 3);

    return !d || !d->block || d->is_disk_changed ? 0x80 : 0;
}

/* What both kinds of reset do.  The parameters of CONFIGURE survive if LOCK says so. */
static void begin_reset(struct fdc *f)
{
    go_command(f);
    f->is_stale = f->is_in_flight;
    f->is_resetting = true;
    f->is_id_due = false;
    f->seeking = f->sense_due = f->polls_due = 0;
    memset(f->track, 0, sizeof(f->track));
    f->perpendicular &= 0x3c;
    if (!f->is_locked) {
        f->configure = CONFIGURE_NO_FIFO;
        f->precomp_track = 0;
    }
    timer_disarm(&f->timer);
    set_irq(f, false);
}

/* The chip comes out of reset once the signal is gone, the delay is over and no block request is under way. */
static void finish_reset(struct fdc *f)
{
    if (!f->is_resetting || f->is_in_flight || is_held_in_reset(f) || timer_is_armed(&f->timer))
        return;
    f->is_resetting = false;
    if (f->configure & CONFIGURE_NO_POLL)
        return;
    f->polls_due = NUM_UNITS;
    set_irq(f, true);
}

static void timer_expired(void *opaque)
{
    struct fdc *f = opaque;

    if (f->is_resetting) {
        finish_reset(f);
        return;
    }
    end_seeks(f);
    if (f->is_id_due)
        end_read_id(f);
}

static void write_dor(struct fdc *f, uint8_t value)
{
    uint8_t rising = value & ~f->dor;

    f->dor = value;
    if (!(value & DOR_NOT_RESET)) {
        begin_reset(f);
    } else if (rising & DOR_NOT_RESET) {
        start_delay(f);
    }
    fdc_update_irq(f);
}

static void write_dsr(struct fdc *f, uint8_t value)
{
    f->dsr = value & ~DSR_RESET;
    if (!(value & DSR_RESET) || is_held_in_reset(f))
        return;
    begin_reset(f);
    start_delay(f);
}

static uint64_t fdc_read(void *opaque, uint64_t offset, unsigned size)
{
    struct fdc *f = opaque;

    switch (offset) {
    case REG_DOR:
        return f->dor;
    case REG_TDR:
        return f->tdr;
    case REG_MSR_DSR:
        return main_status(f);
    case REG_FIFO:
        return read_fifo(f);
    default:
        return 0xff; /* status registers A and B are for the PS/2 */
    }
}

static void fdc_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct fdc *f = opaque;

    switch (offset) {
    case REG_DOR:
        write_dor(f, value);
        break;
    case REG_TDR:
        f->tdr = value & 3;
        break;
    case REG_MSR_DSR:
        write_dsr(f, value);
        break;
    case REG_FIFO:
        write_fifo(f, value);
        break;
    default:
        break;
    }
}

static uint64_t fdc_dir_read(void *opaque, uint64_t offset, unsigned size)
{
    return digital_input(opaque);
}

/* CCR: the data rate again. */
static void fdc_ccr_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct fdc *f = opaque;

    f->dsr = (f->dsr & ~DSR_RATE) | (value & DSR_RATE);
}

/* ---- the chip ---- */

static void fdc_reset(struct device *dev)
{
    struct fdc *f = container_of(dev, struct fdc, dev);

    f->is_locked = false;
    f->dor = f->tdr = 0; /* held in reset until the guest says otherwise */
    f->dsr = 2;
    f->perpendicular = 0;
    memset(f->specify, 0, sizeof(f->specify));
    begin_reset(f);
    for (unsigned i = 0; i < ARRAY_SIZE(f->drive); i++) {
        f->drive[i].cylinder = 0;
        f->drive[i].is_disk_changed = true;
    }
}

static void fdc_loaded(struct device *dev)
{
    struct fdc *f = container_of(dev, struct fdc, dev);

    bool is_pio = f->phase == PHASE_PIO_IN || f->phase == PHASE_PIO_OUT;

    f->unit &= 3;
    f->head &= 1;
    if ((is_pio && (f->buf_len > sizeof(f->buf) || f->buf_pos >= f->buf_len)) || f->fifo_len > sizeof(f->fifo) ||
        f->fifo_pos >= sizeof(f->fifo))
        go_command(f);
    fdc_update_irq(f);
}

static const struct field fdc_state[] = {
    FIELD(struct fdc, dor),
    FIELD(struct fdc, dsr),
    FIELD(struct fdc, tdr),
    FIELD(struct fdc, phase),
    FIELD(struct fdc, fifo),
    FIELD(struct fdc, fifo_len),
    FIELD(struct fdc, fifo_pos),
    FIELD(struct fdc, is_irq_pending),
    FIELD(struct fdc, is_resetting),
    FIELD(struct fdc, is_id_due),
    FIELD(struct fdc, polls_due),
    FIELD(struct fdc, seeking),
    FIELD(struct fdc, sense_due),
    FIELD(struct fdc, sense_st0),
    FIELD(struct fdc, track),
    FIELD(struct fdc, specify),
    FIELD(struct fdc, configure),
    FIELD(struct fdc, precomp_track),
    FIELD(struct fdc, perpendicular),
    FIELD(struct fdc, is_locked),
    FIELD(struct fdc, exec),
    FIELD(struct fdc, unit),
    FIELD(struct fdc, head),
    FIELD(struct fdc, id_cylinder),
    FIELD(struct fdc, id_head),
    FIELD(struct fdc, id_sector),
    FIELD(struct fdc, size_code),
    FIELD(struct fdc, eot),
    FIELD(struct fdc, format_left),
    FIELD(struct fdc, format_fill),
    FIELD(struct fdc, is_multi_track),
    FIELD(struct fdc, is_tc),
    FIELD(struct fdc, is_scan_met),
    FIELD(struct fdc, buf_pos),
    FIELD(struct fdc, buf_len),
    FIELD(struct fdc, buf),
    {"cylinder0", offsetof(struct fdc, drive[0].cylinder), 1, FIELD_KIND_BYTES},
    {"cylinder1", offsetof(struct fdc, drive[1].cylinder), 1, FIELD_KIND_BYTES},
    {"changed0", offsetof(struct fdc, drive[0].is_disk_changed), 1, FIELD_KIND_BYTES},
    {"changed1", offsetof(struct fdc, drive[1].is_disk_changed), 1, FIELD_KIND_BYTES},
    FIELD_TIMER(struct fdc, timer),
    FIELD_END,
};
static const struct device_ops fdc_ops = {
    .name = "fdc", .reset = fdc_reset, .state = fdc_state, .loaded = fdc_loaded};
static const struct io_ops fdc_io = {.name = "fdc", .read = fdc_read, .write = fdc_write, .min_size = 1, .max_size = 1};
static const struct io_ops fdc_dir_io = {
    .name = "fdc-dir", .read = fdc_dir_read, .write = fdc_ccr_write, .min_size = 1, .max_size = 1};

int fdc_init(struct fdc *f, struct space *ports, struct clock *clock, struct wire *irq6, struct dma8237 *dma)
{
    int err;

    *f = (struct fdc){.dev.ops = &fdc_ops, .irq = irq6, .dma = dma};
    timer_init(&f->timer, clock, timer_expired, f);
    fdc_reset(&f->dev);
    err = space_map_io(ports, 0x3f0, 6, &fdc_io, f);
    if (err < 0)
        return err;
    return space_map_io(ports, 0x3f7, 1, &fdc_dir_io, f);
}

static int insert_disk(struct fdc_drive *d, struct block *block)
{
    const struct fdc_geometry *g = block ? fdc_find_geometry(block->size_bytes) : NULL;

    if (block && !g)
        return -EINVAL;
    d->block = block;
    d->geometry = g ? *g : (struct fdc_geometry){0};
    d->is_disk_changed = true;
    return 0;
}

int fdc_attach(struct fdc *f, unsigned drive, struct block *block)
{
    struct fdc_drive *d = &f->drive[drive & 1];
    int err = insert_disk(d, block);

    d->type = err < 0 ? FDC_NO_DRIVE : block ? d->geometry.type : FDC_1440K;
    return err;
}

int fdc_change_disk(struct fdc *f, unsigned drive, struct block *block)
{
    if (f->is_in_flight)
        return -EBUSY;
    return insert_disk(&f->drive[drive & 1], block);
}

uint8_t fdc_cmos_types(const struct fdc *f)
{
    return f->drive[0].type << 4 | f->drive[1].type;
}

bool fdc_is_idle(const struct fdc *f)
{
    return !f->is_in_flight;
}
