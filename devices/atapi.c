/* ATAPI CD-ROM drive: ATA/ATAPI-6 clause 9.10 (PACKET protocol), SFF-8020i and MMC-3 (commands), SPC-2 (sense data).
 *
 * One track of 2048-byte data sectors.  No audio: nothing ever plays.  A command puts its reply, or a chunk of sectors, into
 * the channel's buffer; present_chunk() hands it to the guest by DRQ blocks or by the bus master. */
#include "devices/ide.h"

#include <string.h>
#include "devices/ide_priv.h"
#include "host/log.h"

#define CD_SECTOR     2048u
#define RAW_SECTOR    2352u
#define PACKET_BYTES  12
#define STATUS_IDLE   (ATA_DRDY | ATA_DSC)
#define CD_MAX_BLOCKS 450000u /* a longer image is a DVD */
#define LEADOUT       0xaa
#define MSF_OFFSET    150     /* LBA 0 is 00:02:00 */

enum { REASON_CD = 1, REASON_IO = 2 }; /* interrupt reason, in the count register */
enum { STAGE_PACKET, STAGE_DATA, STAGE_IDENTIFY };
enum {
    SENSE_NONE = 0x0,
    SENSE_NOT_READY = 0x2,
    SENSE_MEDIUM_ERROR = 0x3,
    SENSE_ILLEGAL_REQUEST = 0x5,
    SENSE_UNIT_ATTENTION = 0x6
};
enum { /* additional sense codes */
    ASC_READ_ERROR = 0x11,
    ASC_INVALID_OPCODE = 0x20,
    ASC_LBA_OUT_OF_RANGE = 0x21,
    ASC_INVALID_FIELD = 0x24,
    ASC_MEDIUM_CHANGED = 0x28,
    ASC_POWER_ON = 0x29,
    ASC_SEQUENCE_ERROR = 0x2c,
    ASC_NOT_SAVED = 0x39,
    ASC_NO_MEDIUM = 0x3a,
    ASC_REMOVAL_PREVENTED = 0x53,
    ASC_ILLEGAL_MODE = 0x64
};

static uint32_t load_be(const uint8_t *p, unsigned size)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v = v << 8 | p[i];
    return v;
}

static void store_be(uint8_t *p, unsigned size, uint32_t v)
{
    for (unsigned i = size; i-- > 0; v >>= 8)
        p[i] = v;
}

static bool has_disc(const struct ide_drive *d)
{
    return d->block && !d->s.is_tray_open;
}

static uint32_t disc_blocks(const struct ide_drive *d)
{
    uint64_t n = has_disc(d) ? d->block->size_bytes / CD_SECTOR : 0;

    return n > UINT32_MAX ? UINT32_MAX : n;
}

/* ---- ends of commands ---- */

static void complete(struct ide_drive *d)
{
    d->s.count[0] = REASON_CD | REASON_IO;
    d->s.status = STATUS_IDLE;
    d->s.error = 0;
    ide_raise_irq(d);
}

static void abort_command(struct ide_drive *d)
{
    d->s.status = STATUS_IDLE | ATA_ERR;
    d->s.error = ATA_ERROR_ABRT;
    ide_raise_irq(d);
}

/* CHECK CONDITION: the sense key is in the error register too. */
static void check(struct ide_drive *d, uint8_t key, uint8_t asc, uint8_t ascq)
{
    log_at(LOG_DEV, "atapi: command %#x: sense %x/%02x/%02x", d->s.cdb[0], key, asc, ascq);
    d->s.sense_key = key;
    d->s.asc = asc;
    d->s.ascq = ascq;
    d->s.count[0] = REASON_CD | REASON_IO;
    d->s.status = STATUS_IDLE | ATA_ERR;
    d->s.error = key << 4 | ATA_ERROR_ABRT;
    ide_raise_irq(d);
}

static void check_invalid_field(struct ide_drive *d)
{
    check(d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD, 0);
}

/* ---- data to the guest ---- */

/* Sectors into the buffer; raw ones get their frame in request_done. */
static void fetch_chunk(struct ide_drive *d)
{
    uint32_t max = IDE_BUF_BYTES / d->s.sector_bytes;
    uint32_t n = d->s.sectors_left < max ? d->s.sectors_left : max;

    if (d->s.next_sector + n > disc_blocks(d)) { /* the disc was changed half-way */
        check(d, SENSE_NOT_READY, ASC_NO_MEDIUM, 0);
        return;
    }
    d->s.chunk_pos = 0;
    d->s.chunk_len = n * d->s.sector_bytes;
    ide_block_read(d, d->s.next_sector * CD_SECTOR, 0, n * CD_SECTOR);
}

static void chunk_over(struct ide_drive *d)
{
    if (d->s.sectors_left)
        fetch_chunk(d);
    else
        complete(d);
}

/* A DRQ block is no longer than the byte count limit, and even unless it is the last. */
static void open_drq_block(struct ide_drive *d)
{
    uint32_t left = d->s.chunk_len - d->s.chunk_pos;
    uint32_t len = left <= d->s.drq_bytes ? left : d->s.drq_bytes & ~1u;

    d->s.count[0] = REASON_IO;
    d->s.lba_mid[0] = len;
    d->s.lba_high[0] = len >> 8;
    ide_pio_begin(d, d->s.chunk_pos, len, true);
    d->s.chunk_pos += len;
    ide_raise_irq(d);
}

static void present_chunk(struct ide_drive *d)
{
    if (d->s.uses_dma)
        ide_dma_begin(d);
    else
        open_drq_block(d);
}

/* What the bus master cannot take now waits in the buffer for its next start. */
static void atapi_dma_ready(struct ide_drive *d)
{
    d->s.chunk_pos +=
        ide_dma_move(d->channel, d->channel->buf + d->s.chunk_pos, d->s.chunk_len - d->s.chunk_pos, true);
    if (d->s.chunk_pos < d->s.chunk_len)
        return;
    d->channel->phase = IDE_PHASE_NONE;
    chunk_over(d);
}

/* Give the first len bytes of the buffer, but no more than the guest allotted. */
static void reply(struct ide_drive *d, uint32_t len, uint32_t allocation_len)
{
    d->s.sectors_left = 0;
    d->s.chunk_pos = 0;
    d->s.chunk_len = len < allocation_len ? len : allocation_len;
    if (d->s.chunk_len)
        present_chunk(d);
    else
        complete(d);
}

static uint8_t *reply_buffer(struct ide_drive *d, uint32_t len)
{
    return memset(d->channel->buf, 0, len);
}

static uint8_t to_bcd(unsigned n)
{
    return n / 10 % 10 << 4 | n % 10;
}

static void store_msf(uint8_t *p, uint32_t lba)
{
    lba += MSF_OFFSET;
    p[0] = lba / (75 * 60);
    p[1] = lba / 75 % 60;
    p[2] = lba % 75;
}

/* Four bytes of address: reserved and MSF, or LBA. */
static void store_address(uint8_t *p, uint32_t lba, bool is_msf)
{
    store_be(p, 4, is_msf ? 0 : lba);
    if (is_msf)
        store_msf(p + 1, lba);
}

/* Spread 2048-byte sectors out to 2352-byte ones, last first: sync, header of mode 1, data, EDC and ECC left zero. */
static void add_raw_frames(struct ide_drive *d)
{
    uint32_t n = d->s.chunk_len / RAW_SECTOR;

    while (n-- > 0) {
        uint8_t *raw = d->channel->buf + n * RAW_SECTOR, msf[3];

        memmove(raw + 16, d->channel->buf + n * CD_SECTOR, CD_SECTOR);
        memset(raw, 0xff, 12);
        raw[0] = raw[11] = 0;
        store_msf(msf, d->s.next_sector + n);
        for (unsigned i = 0; i < 3; i++)
            raw[12 + i] = to_bcd(msf[i]);
        raw[15] = 1;
        memset(raw + 16 + CD_SECTOR, 0, RAW_SECTOR - CD_SECTOR - 16);
    }
}

static void atapi_request_done(struct ide_drive *d, int error)
{
    uint32_t n = d->s.chunk_len / d->s.sector_bytes;

    if (error) {
        check(d, SENSE_MEDIUM_ERROR, ASC_READ_ERROR, 0);
        return;
    }
    if (d->s.sector_bytes == RAW_SECTOR)
        add_raw_frames(d);
    d->s.next_sector += n;
    d->s.sectors_left -= n;
    present_chunk(d);
}

/* ---- packet commands ---- */

static void test_unit_ready(struct ide_drive *d)
{
    complete(d);
}

static void request_sense(struct ide_drive *d)
{
    uint8_t *p = reply_buffer(d, 18);

    if (d->s.sense_key == SENSE_NONE && d->s.attention_asc) {
        d->s.sense_key = SENSE_UNIT_ATTENTION;
        d->s.asc = d->s.attention_asc;
        d->s.ascq = 0;
        d->s.attention_asc = 0;
    }
    p[0] = 0x70; /* current error, fixed format */
    p[2] = d->s.sense_key;
    p[7] = 10;
    p[12] = d->s.asc;
    p[13] = d->s.ascq;
    d->s.sense_key = d->s.asc = d->s.ascq = 0;
    reply(d, 18, d->s.cdb[4]);
}

static void inquiry(struct ide_drive *d)
{
    uint8_t *p = reply_buffer(d, 36);

    if (d->s.cdb[1] & 3) { /* no vital product data */
        check_invalid_field(d);
        return;
    }
    p[0] = 0x05; /* CD-ROM device */
    p[1] = 0x80; /* removable */
    p[3] = 0x21; /* ATAPI-2, response format 1 */
    p[4] = 31;
    memcpy(p + 8, "RINGER  CD-ROM          1.0 ", 28);
    reply(d, 36, load_be(d->s.cdb + 3, 2));
}

static void read_blocks(struct ide_drive *d, uint32_t lba, uint32_t count, uint16_t sector_bytes)
{
    if (lba > disc_blocks(d) || count > disc_blocks(d) - lba) {
        check(d, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, 0);
        return;
    }
    if (!count) {
        complete(d);
        return;
    }
    d->s.sector_bytes = sector_bytes;
    d->s.next_sector = lba;
    d->s.sectors_left = count;
    fetch_chunk(d);
}

static void read_10(struct ide_drive *d)
{
    read_blocks(d, load_be(d->s.cdb + 2, 4), load_be(d->s.cdb + 7, 2), CD_SECTOR);
}

static void read_12(struct ide_drive *d)
{
    read_blocks(d, load_be(d->s.cdb + 2, 4), load_be(d->s.cdb + 6, 4), CD_SECTOR);
}

/* READ CD: user data alone or the whole raw frame. */
static void read_cd(struct ide_drive *d)
{
    uint32_t lba = load_be(d->s.cdb + 2, 4), count = load_be(d->s.cdb + 6, 3);

    switch (d->s.cdb[9] & 0xf8) {
    case 0x00:
        complete(d);
        break;
    case 0x10:
        read_blocks(d, lba, count, CD_SECTOR);
        break;
    case 0xf8:
        read_blocks(d, lba, count, RAW_SECTOR);
        break;
    default:
        check_invalid_field(d);
    }
}

static void seek(struct ide_drive *d)
{
    if (load_be(d->s.cdb + 2, 4) >= disc_blocks(d))
        check(d, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, 0);
    else
        complete(d);
}

static void read_capacity(struct ide_drive *d)
{
    uint8_t *p = reply_buffer(d, 8);

    store_be(p, 4, disc_blocks(d) ? disc_blocks(d) - 1 : 0);
    store_be(p + 4, 4, CD_SECTOR);
    reply(d, 8, 8);
}

static void toc_track(uint8_t *p, uint8_t track, uint32_t lba, bool is_msf)
{
    p[1] = 0x14; /* ADR 1: position; control 4: data track */
    p[2] = track;
    store_address(p + 4, lba, is_msf);
}

/* Format 0: tracks from the one asked for on. */
static uint32_t toc_tracks(struct ide_drive *d, uint8_t *p, bool is_msf)
{
    uint32_t len = 4;

    if (d->s.cdb[6] > 1 && d->s.cdb[6] != LEADOUT)
        return 0;
    p[2] = p[3] = 1; /* first and last track */
    if (d->s.cdb[6] <= 1) {
        toc_track(p + len, 1, 0, is_msf);
        len += 8;
    }
    toc_track(p + len, LEADOUT, disc_blocks(d), is_msf);
    return len + 8;
}

/* Format 2: the Q subchannel of the lead-in; point A0h first track, A1h last track, A2h lead-out, 01h the track. */
static uint32_t toc_full(struct ide_drive *d, uint8_t *p)
{
    static const uint8_t points[4] = {0xa0, 0xa1, 0xa2, 0x01};

    p[2] = p[3] = 1; /* first and last session */
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *q = p + 4 + 11 * i;

        q[0] = 1;
        q[1] = 0x14;
        q[3] = points[i];
        if (points[i] == 0xa0 || points[i] == 0xa1)
            q[8] = 1;
        else
            store_msf(q + 8, points[i] == 0xa2 ? disc_blocks(d) : 0);
    }
    return 4 + 11 * 4;
}

static void read_toc(struct ide_drive *d)
{
    const uint8_t *cdb = d->s.cdb;
    uint8_t *p = reply_buffer(d, 64);
    bool is_msf = cdb[1] & 2;
    uint8_t format = cdb[2] & 0x0f ? cdb[2] & 0x0f : cdb[9] >> 6; /* SFF-8020i has it in byte 9 */
    uint32_t len = 0;

    if (format == 0) {
        len = toc_tracks(d, p, is_msf);
    } else if (format == 1) {
        p[2] = p[3] = 1;
        toc_track(p + 4, 1, 0, is_msf);
        len = 12;
    } else if (format == 2) {
        len = toc_full(d, p);
    }
    if (!len) {
        check_invalid_field(d);
        return;
    }
    store_be(p, 2, len - 2);
    reply(d, len, load_be(cdb + 7, 2));
}

/* Mode pages, without header.  Bit 7 of the page byte (savable) is off. */
static const uint8_t page_error_recovery[] = {0x01, 6, 0, 5, 0, 0, 0, 0};
static const uint8_t page_cd_parameters[] = {0x0d, 6, 0, 0, 0, 60, 0, 75};
static const uint8_t page_audio[] = {0x0e, 14, 4, 0, 0, 0, 0, 0, 1, 0xff, 2, 0xff, 0, 0, 0, 0};
static const uint8_t page_capabilities[] = {
    0x2a, 18, 0x0b /* reads CD-R, CD-RW, DVD */, 0, 0x70 /* mode 2, multisession */, 0x03 /* READ CD */,
    0x29 /* tray, eject, lock */, 0, 0x10, 0x8a /* 4234 kB/s: 24x */, 0, 2, 0x02, 0x00 /* 512 KiB */, 0x10, 0x8a, 0, 0, 0, 0};

static uint32_t add_mode_page(struct ide_drive *d, uint8_t *p, uint8_t page)
{
    static const struct {
        const uint8_t *bytes;
        uint8_t len;
    } pages[] = {{page_error_recovery, sizeof(page_error_recovery)},
                 {page_cd_parameters, sizeof(page_cd_parameters)},
                 {page_audio, sizeof(page_audio)},
                 {page_capabilities, sizeof(page_capabilities)}};
    bool is_changeable = (d->s.cdb[2] >> 6) == 1; /* mask of what MODE SELECT may change: nothing */
    uint32_t len = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        if (page != 0x3f && page != pages[i].bytes[0])
            continue;
        memcpy(p + len, pages[i].bytes, is_changeable ? 2 : pages[i].len);
        if (pages[i].bytes == page_capabilities && !is_changeable && d->s.is_tray_locked)
            p[len + 6] |= 0x02;
        len += pages[i].len;
    }
    return len;
}

static uint8_t medium_type(const struct ide_drive *d)
{
    if (d->s.is_tray_open)
        return 0x71;
    return d->block ? 0x01 : 0x70; /* 120 mm data disc; door closed, no disc */
}

static void mode_sense(struct ide_drive *d, unsigned header, uint32_t allocation_len)
{
    uint8_t *p = reply_buffer(d, 256);
    uint32_t len;

    if ((d->s.cdb[2] >> 6) == 3) {
        check(d, SENSE_ILLEGAL_REQUEST, ASC_NOT_SAVED, 0);
        return;
    }
    len = add_mode_page(d, p + header, d->s.cdb[2] & 0x3f);
    if (!len) {
        check_invalid_field(d);
        return;
    }
    len += header;
    if (header == 8) {
        store_be(p, 2, len - 2);
        p[2] = medium_type(d);
    } else {
        p[0] = len - 1;
        p[1] = medium_type(d);
    }
    reply(d, len, allocation_len);
}

static void mode_sense_10(struct ide_drive *d)
{
    mode_sense(d, 8, load_be(d->s.cdb + 7, 2));
}

static void mode_sense_6(struct ide_drive *d)
{
    mode_sense(d, 4, d->s.cdb[4]);
}

enum { PROFILE_CD = 0x0008, PROFILE_DVD = 0x0010 };

static uint16_t current_profile(const struct ide_drive *d)
{
    if (!has_disc(d))
        return 0;
    return disc_blocks(d) > CD_MAX_BLOCKS ? PROFILE_DVD : PROFILE_CD;
}

/* One feature descriptor of MMC-3 clause 5: code, version/persistent/current, additional length, data. */
struct feature {
    uint16_t code;
    bool is_persistent;
    uint8_t len;
    uint8_t data[8];
};

static const struct feature features[] = {
    {0x0000, true, 8, {PROFILE_DVD >> 8, PROFILE_DVD & 0xff, 0, 0, PROFILE_CD >> 8, PROFILE_CD & 0xff, 0, 0}},
    {0x0001, true, 4, {0, 0, 0, 2}},                         /* core: ATAPI */
    {0x0003, true, 4, {0x29, 0, 0, 0}},                      /* removable: tray, eject, lock */
    {0x0010, false, 8, {0, 0, 0x08, 0, 0, 0x01, 0x01, 0}},   /* random readable: 2048 bytes, block of 1 */
    {0x001e, false, 4, {0, 0, 0, 0}},                        /* CD read */
};

static uint32_t add_feature(struct ide_drive *d, uint8_t *p, const struct feature *f)
{
    uint16_t profile = current_profile(d);
    bool is_current = f->is_persistent || (f->code == 0x001e ? profile == PROFILE_CD : profile != 0);

    store_be(p, 2, f->code);
    p[2] = (f->is_persistent ? 2 : 0) | is_current;
    p[3] = f->len;
    memcpy(p + 4, f->data, f->len);
    if (f->code == 0x0000) { /* which profile is current */
        p[6] = profile == PROFILE_DVD;
        p[10] = profile == PROFILE_CD;
    }
    return 4 + f->len;
}

/* RT: 0 all features from the one asked for on, 1 the current ones of these, 2 that one only. */
static void get_configuration(struct ide_drive *d)
{
    uint8_t rt = d->s.cdb[1] & 3, *p = reply_buffer(d, 128);
    uint32_t first = load_be(d->s.cdb + 2, 2), len = 8;

    if (rt == 3) {
        check_invalid_field(d);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        uint32_t n;

        if (rt == 2 ? features[i].code != first : features[i].code < first)
            continue;
        n = add_feature(d, p + len, &features[i]);
        if (rt != 1 || (p[len + 2] & 1))
            len += n;
        else
            memset(p + len, 0, n);
    }
    store_be(p, 4, len - 4);
    store_be(p + 6, 2, current_profile(d));
    reply(d, len, load_be(d->s.cdb + 7, 2));
}

/* Polled only; the one class of events is "media". */
static void get_event_status(struct ide_drive *d)
{
    uint8_t *p = reply_buffer(d, 8);
    bool wants_media = d->s.cdb[4] & 0x10;

    if (!(d->s.cdb[1] & 1)) { /* asynchronous operation */
        check_invalid_field(d);
        return;
    }
    p[3] = 0x10; /* classes supported */
    if (!wants_media) {
        store_be(p, 2, 2);
        p[2] = 0x80; /* no event available */
        reply(d, 4, load_be(d->s.cdb + 7, 2));
        return;
    }
    store_be(p, 2, 6);
    p[2] = 4;
    p[4] = d->s.has_media_event ? (has_disc(d) ? 2 : 3) : 0; /* new media, media removal */
    p[5] = (d->s.is_tray_open ? 1 : 0) | (has_disc(d) ? 2 : 0);
    d->s.has_media_event = false;
    reply(d, 8, load_be(d->s.cdb + 7, 2));
}

static void open_tray(struct ide_drive *d, bool is_open)
{
    if (d->s.is_tray_open == is_open)
        return;
    d->s.is_tray_open = is_open;
    d->s.has_media_event = true;
    if (!is_open && d->block)
        d->s.attention_asc = ASC_MEDIUM_CHANGED;
}

static void start_stop_unit(struct ide_drive *d)
{
    bool has_loej = d->s.cdb[4] & 2, is_start = d->s.cdb[4] & 1;

    if ((d->s.cdb[4] & 0xf0) || !has_loej) { /* power condition; spin up or down */
        complete(d);
        return;
    }
    if (!is_start && d->s.is_tray_locked) {
        check(d, SENSE_ILLEGAL_REQUEST, ASC_REMOVAL_PREVENTED, 2);
        return;
    }
    open_tray(d, !is_start);
    complete(d);
}

static void prevent_allow(struct ide_drive *d)
{
    d->s.is_tray_locked = d->s.cdb[4] & 1;
    complete(d);
}

static void read_disc_information(struct ide_drive *d)
{
    uint8_t *p = reply_buffer(d, 34);

    store_be(p, 2, 32);
    p[2] = 0x0e;                /* complete disc, last session complete */
    p[3] = p[4] = p[5] = p[6] = 1; /* first track, sessions, first and last track of the last session */
    p[7] = 0x20;                /* unrestricted use */
    reply(d, 34, load_be(d->s.cdb + 7, 2));
}

static void read_track_information(struct ide_drive *d)
{
    uint8_t *p = reply_buffer(d, 36);
    uint32_t which = load_be(d->s.cdb + 2, 4);
    uint8_t kind = d->s.cdb[1] & 3; /* 0: which is an LBA, 1: a track, 2: a session */

    if (kind == 3 || (kind == 0 && which >= disc_blocks(d)) || (kind != 0 && which != 1)) {
        check_invalid_field(d);
        return;
    }
    store_be(p, 2, 34);
    p[2] = p[3] = 1; /* track, session */
    p[5] = 0x04;     /* data track */
    p[6] = 0x01;     /* mode 1 */
    store_be(p + 24, 4, disc_blocks(d));
    reply(d, 36, load_be(d->s.cdb + 7, 2));
}

static void mechanism_status(struct ide_drive *d)
{
    uint8_t *p = reply_buffer(d, 8);

    p[1] = d->s.is_tray_open ? 0x10 : 0;
    p[5] = 1; /* slots */
    reply(d, 8, load_be(d->s.cdb + 8, 2));
}

/* Nothing plays: status 15h "no current audio status"; the position is the start of track 1. */
static void read_subchannel(struct ide_drive *d)
{
    uint8_t *p = reply_buffer(d, 16);
    uint32_t allocation_len = load_be(d->s.cdb + 7, 2);

    p[1] = 0x15;
    if (!(d->s.cdb[2] & 0x40)) {
        reply(d, 4, allocation_len);
        return;
    }
    if (d->s.cdb[3] != 1) {
        check_invalid_field(d);
        return;
    }
    store_be(p + 2, 2, 12);
    p[4] = 1;
    p[5] = 0x14;
    p[6] = p[7] = 1;
    store_address(p + 8, 0, d->s.cdb[1] & 2);
    store_address(p + 12, 0, false);
    reply(d, 16, allocation_len);
}

static void pause_resume(struct ide_drive *d)
{
    check(d, SENSE_ILLEGAL_REQUEST, ASC_SEQUENCE_ERROR, 0);
}

static void complete_without_effect(struct ide_drive *d)
{
    complete(d);
}

enum { NEEDS_DISC = 1, ALLOWS_ATTENTION = 2 }; /* the latter leaves a unit attention pending */

static const struct packet_command {
    void (*run)(struct ide_drive *d);
    uint8_t flags;
} packet_commands[256] = {
    [0x00] = {test_unit_ready, NEEDS_DISC},
    [0x03] = {request_sense, ALLOWS_ATTENTION},
    [0x12] = {inquiry, ALLOWS_ATTENTION},
    [0x1a] = {mode_sense_6, 0},
    [0x1b] = {start_stop_unit, 0},
    [0x1e] = {prevent_allow, 0},
    [0x25] = {read_capacity, NEEDS_DISC},
    [0x28] = {read_10, NEEDS_DISC},
    [0x2b] = {seek, NEEDS_DISC},
    [0x42] = {read_subchannel, NEEDS_DISC},
    [0x43] = {read_toc, NEEDS_DISC},
    [0x46] = {get_configuration, ALLOWS_ATTENTION},
    [0x4a] = {get_event_status, ALLOWS_ATTENTION},
    [0x4b] = {pause_resume, NEEDS_DISC},
    [0x4e] = {complete_without_effect, NEEDS_DISC}, /* STOP PLAY/SCAN */
    [0x51] = {read_disc_information, NEEDS_DISC},
    [0x52] = {read_track_information, NEEDS_DISC},
    [0x5a] = {mode_sense_10, 0},
    [0xa8] = {read_12, NEEDS_DISC},
    [0xbb] = {complete_without_effect, 0}, /* SET CD SPEED */
    [0xbd] = {mechanism_status, 0},
    [0xbe] = {read_cd, NEEDS_DISC},
};

static void run_packet(struct ide_drive *d)
{
    const struct packet_command *c = &packet_commands[d->s.cdb[0]];

    log_at(LOG_IO, "atapi: packet %02x %02x %02x%02x%02x%02x %02x%02x%02x", d->s.cdb[0], d->s.cdb[1], d->s.cdb[2],
           d->s.cdb[3], d->s.cdb[4], d->s.cdb[5], d->s.cdb[6], d->s.cdb[7], d->s.cdb[8]);
    if (d->s.cdb[0] != 0x03)
        d->s.sense_key = d->s.asc = d->s.ascq = 0;
    if (d->s.attention_asc && !(c->flags & ALLOWS_ATTENTION)) {
        uint8_t asc = d->s.attention_asc;

        d->s.attention_asc = 0;
        check(d, SENSE_UNIT_ATTENTION, asc, 0);
    } else if (!c->run) {
        check(d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_OPCODE, 0);
    } else if ((c->flags & NEEDS_DISC) && !has_disc(d)) {
        check(d, SENSE_NOT_READY, ASC_NO_MEDIUM, d->s.is_tray_open ? 2 : 1);
    } else {
        c->run(d);
    }
}

static void atapi_pio_done(struct ide_drive *d)
{
    if (d->s.request == STAGE_PACKET) {
        memcpy(d->s.cdb, d->channel->buf, PACKET_BYTES);
        d->s.request = STAGE_DATA;
        run_packet(d);
    } else if (d->s.request == STAGE_IDENTIFY) {
        d->s.status = STATUS_IDLE;
    } else if (d->s.chunk_pos < d->s.chunk_len) {
        open_drq_block(d);
    } else {
        chunk_over(d);
    }
}

/* ---- ATA commands ---- */

/* PACKET: feature bit 0 asks for DMA, bit 1 for overlap; LBA mid and high hold the byte count limit. */
static void packet(struct ide_drive *d)
{
    uint32_t limit = d->s.lba_mid[0] | d->s.lba_high[0] << 8;

    if (d->s.feature[0] & 2) {
        abort_command(d);
        return;
    }
    if (limit == 0 || limit == 0xffff) /* 0 is left to the device by ATA-6 */
        limit = 0xfffe;
    d->s.drq_bytes = limit < 2 ? 2 : limit;
    d->s.uses_dma = d->s.feature[0] & 1;
    d->s.request = STAGE_PACKET;
    d->s.error = 0;
    d->s.count[0] = REASON_CD;
    ide_pio_begin(d, 0, PACKET_BYTES, false); /* no interrupt: the guest polls for DRQ */
}

static void identify_packet(struct ide_drive *d)
{
    uint8_t *id = reply_buffer(d, 512);

    ide_put_word(id, 0, 0x85c0); /* ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets */
    ide_put_string(id, 10, 10, d->serial);
    ide_put_string(id, 23, 4, "1.0");
    ide_put_string(id, 27, 20, "RINGER CD-ROM");
    ide_put_word(id, 49, 0x0b00); /* IORDY, LBA, DMA */
    ide_put_word(id, 51, 0x0200);
    ide_put_word(id, 53, 0x0006); /* words 64-70 and 88 are valid */
    ide_put_word(id, 63, 0x0007 | d->s.mwdma_mode << 8);
    ide_put_word(id, 64, 0x0003);
    for (unsigned word = 65; word <= 68; word++)
        ide_put_word(id, word, 120);
    ide_put_word(id, 80, 0x007e); /* ATA-1 to ATA/ATAPI-6 */
    ide_put_word(id, 82, 0x4210); /* NOP, DEVICE RESET, PACKET */
    ide_put_word(id, 83, 0x4000);
    ide_put_word(id, 84, 0x4000);
    ide_put_word(id, 85, 0x4210);
    ide_put_word(id, 87, 0x4000);
    ide_put_word(id, 88, 0x003f | d->s.udma_mode << 8);
    ide_put_word(id, 93, d == d->channel->drive ? 0x600b : 0x6b00);
    d->s.request = STAGE_IDENTIFY;
    d->s.error = 0;
    ide_pio_begin(d, 0, 512, true);
    ide_raise_irq(d);
}

static void put_signature(struct ide_drive *d)
{
    d->s.count[0] = d->s.lba_low[0] = 1;
    d->s.lba_mid[0] = 0x14;
    d->s.lba_high[0] = 0xeb;
}

/* IDENTIFY DEVICE and READ SECTORS tell that this is no disk (ATA-6 8.15, 8.34). */
static void abort_with_signature(struct ide_drive *d)
{
    put_signature(d);
    abort_command(d);
}

static void set_features(struct ide_drive *d)
{
    if (d->s.feature[0] == 0x03 ? ide_set_transfer_mode(d, d->s.count[0])
                                : d->s.feature[0] == 0x66 || d->s.feature[0] == 0xcc)
        complete(d);
    else
        abort_command(d);
}

static void check_power_mode(struct ide_drive *d)
{
    complete(d);
    d->s.count[0] = 0xff; /* active */
}

/* DEVICE RESET (08h) is the channel's. */
static void atapi_command(struct ide_drive *d, uint8_t command)
{
    static void (*const commands[256])(struct ide_drive *d) = {
        [0x20] = abort_with_signature,
        [0x90] = ide_diagnose,
        [0xa0] = packet,
        [0xa1] = identify_packet,
        [0xe0] = complete_without_effect, /* STANDBY IMMEDIATE */
        [0xe1] = complete_without_effect, /* IDLE IMMEDIATE */
        [0xe5] = check_power_mode,
        [0xe6] = complete_without_effect, /* SLEEP */
        [0xe7] = complete_without_effect, /* FLUSH CACHE */
        [0xec] = abort_with_signature,
        [0xef] = set_features,
    };

    if (commands[command])
        commands[command](d);
    else
        abort_command(d);
}

static void atapi_reset(struct ide_drive *d, bool is_power_on)
{
    put_signature(d);
    d->s.device = 0;
    d->s.error = 1;
    d->s.status = 0; /* DRDY only after the first command */
    d->s.is_irq_pending = false;
    d->s.sector_bytes = CD_SECTOR;
    if (!is_power_on)
        return;
    d->s.mwdma_mode = 1 << 2;
    d->s.udma_mode = 0;
    d->s.attention_asc = ASC_POWER_ON;
}

const struct ide_drive_ops atapi_drive_ops = {
    .name = "cdrom",
    .reset = atapi_reset,
    .command = atapi_command,
    .request_done = atapi_request_done,
    .pio_done = atapi_pio_done,
    .dma_ready = atapi_dma_ready,
};
