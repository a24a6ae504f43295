/* 8254 programmable interval timer and System Control Port B (61h) of a PC.
 * Intel 8254 data sheet (231164); IBM PC/AT Technical Reference, port 61h.
 *
 * Nothing counts: a channel remembers at which PIT clock it was loaded, and its counter and OUT follow from the
 * time by arithmetic.  Only rising edges of OUT0, which is IRQ 0, need a timer.
 *
 * Shortcuts and decisions:
 * - The wire of OUT0 carries the edges, not the shape: in modes 2 and 3 it falls and rises again where OUT0 rises.
 *   So a request is never withdrawn in the low half of mode 3, however late the processor takes it.
 * - Late ticks: edges that passed while the machine thread did not run are owed to the guest, at most about one
 *   second's worth, and paid back at up to twice the programmed rate.  Systems that count ticks keep their time,
 *   and none sees a storm.
 * - Periodic edges come no closer than MIN_EDGE_TICKS; a count below that gives fewer interrupts than asked for.
 * - Channel 1 was DRAM refresh; port 61h's refresh bit toggles at the conventional rate whatever is in it. */
#include "devices/pit.h"
#include "devices/muldiv.h"

#define CHANNEL_CONTROL 3 /* port 43h */
#define ACCESS_LATCH    0
#define ACCESS_LSB      1
#define ACCESS_MSB      2
#define ACCESS_BOTH     3

#define READ_BACK           3 /* SC1:0 */
#define READ_BACK_NO_COUNT  0x20
#define READ_BACK_NO_STATUS 0x10

#define STATUS_OUT  0x80
#define STATUS_NULL 0x40 /* the count written last is not in the counter yet */

#define PORT61_GATE2     0x01
#define PORT61_SPEAKER   0x02
#define PORT61_WRITABLE  0x0f /* bits 2, 3: parity and channel check NMI disable; nothing raises those */
#define PORT61_REFRESH   0x10
#define PORT61_OUT2      0x20
#define REFRESH_TICKS    18

#define MIN_EDGE_TICKS 12 /* 10 us */

static int64_t pit_now(const struct pit *p)
{
    return (int64_t)muldiv_floor(clock_now_ns(p->clock), PIT_HZ, CLOCK_NS_PER_S);
}

static bool channel_is_periodic(const struct pit_channel *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* Modes 1 and 5 wait for a trigger, the others for a count. */
static bool channel_is_idle(const struct pit_channel *c)
{
    return !c->is_loaded || ((c->mode == 1 || c->mode == 5) && !c->is_triggered);
}

static uint32_t high_half(uint32_t count)
{
    return (count + 1) / 2;
}

static int64_t channel_elapsed(const struct pit_channel *c, int64_t now)
{
    int64_t elapsed = c->held_ticks >= 0 ? c->held_ticks : now - c->start_tick;

    return elapsed < 0 ? 0 : elapsed;
}

/* Take over the count that waited for the end of a period (mode 2) or half period (mode 3). */
static void channel_sync(struct pit_channel *c, int64_t now)
{
    bool is_half;

    if (!c->next_count || !channel_is_periodic(c) || c->held_ticks >= 0 || now < c->switch_tick)
        return;
    is_half = (c->switch_tick - c->start_tick) % c->count != 0;
    c->start_tick = c->switch_tick - (is_half ? high_half(c->next_count) : 0);
    c->count = c->next_count;
    c->next_count = 0;
}

static bool channel_out(const struct pit_channel *c, int64_t now)
{
    int64_t elapsed = channel_elapsed(c, now);

    if (channel_is_idle(c))
        return c->mode != 0;
    switch (c->mode) {
    case 0:
    case 1:
        return elapsed >= c->count;
    case 2:
        return c->held_ticks >= 0 || c->count == 1 || elapsed % c->count != c->count - 1;
    case 3:
        return c->held_ticks >= 0 || elapsed % c->count < high_half(c->count);
    default:
        return elapsed != c->count; /* one clock low */
    }
}

static uint16_t to_bcd(unsigned value)
{
    return value / 1000 % 10 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10;
}

/* The counter as a read shows it. */
static uint16_t channel_counter(const struct pit_channel *c, int64_t now)
{
    uint32_t modulus = c->is_bcd ? 10000 : 65536;
    int64_t elapsed = channel_elapsed(c, now);
    uint32_t value;

    if (channel_is_idle(c))
        return c->idle_count;
    if (c->mode == 2) {
        value = c->count - elapsed % c->count;
    } else if (c->mode == 3) {
        uint32_t position = elapsed % c->count;

        if (position >= high_half(c->count))
            position -= high_half(c->count);
        value = (c->count & ~1u) - 2 * position; /* counts by two, in both halves */
    } else {
        value = (c->count + modulus - elapsed % modulus) % modulus;
    }
    return c->is_bcd ? to_bcd(value % modulus) : value;
}

static uint8_t channel_status(const struct pit_channel *c, int64_t now)
{
    bool is_null = !c->is_loaded || c->next_count || (c->held_ticks < 0 && now < c->start_tick);

    return (channel_out(c, now) ? STATUS_OUT : 0) | (is_null ? STATUS_NULL : 0) | c->access << 4 | c->mode << 1 |
           c->is_bcd;
}

static void channel_start(struct pit_channel *c, int64_t now)
{
    if (c->next_count)
        c->count = c->next_count;
    c->next_count = 0;
    c->start_tick = now + 1; /* the next CLK moves the count into the counter */
    c->held_ticks = -1;
}

static void channel_set_gate(struct pit_channel *c, int64_t now, bool gate)
{
    bool is_rising = gate && !c->gate, is_falling = !gate && c->gate;

    channel_sync(c, now);
    c->gate = gate;
    if (!c->is_loaded)
        return;
    if (c->mode == 1 || c->mode == 5) {
        if (is_rising) {
            c->is_triggered = true;
            channel_start(c, now);
        }
    } else if (is_falling) {
        c->held_ticks = channel_elapsed(c, now);
    } else if (is_rising && channel_is_periodic(c)) {
        channel_start(c, now);
    } else if (is_rising && c->held_ticks >= 0) {
        c->start_tick = now - c->held_ticks;
        c->held_ticks = -1;
    }
}

static uint32_t decode_count(const struct pit_channel *c, uint16_t raw)
{
    if (!c->is_bcd)
        return raw ? raw : 65536;
    if (!raw)
        return 10000;
    return (raw >> 12) * 1000u + (raw >> 8 & 15) * 100u + (raw >> 4 & 15) * 10u + (raw & 15);
}

static void channel_load(struct pit_channel *c, int64_t now, uint16_t raw)
{
    uint32_t count = decode_count(c, raw);
    bool is_first = !c->is_loaded;

    c->is_loaded = true;
    c->next_count = count;
    if (c->mode == 1 || c->mode == 5) {
        if (is_first)
            c->count = count; /* a running one-shot keeps its count until the next trigger */
        return;
    }
    if (channel_is_periodic(c) && !is_first && c->held_ticks < 0 && now >= c->start_tick) {
        int64_t elapsed = now - c->start_tick, position = elapsed % c->count;
        bool is_high_half = c->mode == 3 && position < high_half(c->count);

        c->switch_tick = now - position + (is_high_half ? high_half(c->count) : c->count);
        return;
    }
    channel_start(c, now);
    if (!c->gate)
        c->held_ticks = 0;
}

static void channel_write(struct pit_channel *c, int64_t now, uint8_t value)
{
    channel_sync(c, now);
    if (c->access == ACCESS_LSB) {
        channel_load(c, now, value);
    } else if (c->access == ACCESS_MSB) {
        channel_load(c, now, value << 8);
    } else if (!c->has_lsb) {
        c->has_lsb = true;
        c->written_lsb = value;
        if (c->mode == 0) { /* the first byte stops the count and lowers OUT */
            c->idle_count = channel_counter(c, now);
            c->is_loaded = false;
        }
    } else {
        c->has_lsb = false;
        channel_load(c, now, value << 8 | c->written_lsb);
    }
}

static uint8_t channel_read(struct pit_channel *c, int64_t now)
{
    uint16_t count;
    bool is_msb;

    channel_sync(c, now);
    if (c->is_status_latched) {
        c->is_status_latched = false;
        return c->latched_status;
    }
    count = c->latched_bytes ? c->latched_count : channel_counter(c, now);
    if (c->latched_bytes)
        c->latched_bytes--;
    is_msb = c->access == ACCESS_MSB || c->is_msb_next;
    if (c->access == ACCESS_BOTH)
        c->is_msb_next = !c->is_msb_next;
    return is_msb ? count >> 8 : count;
}

static void channel_latch_count(struct pit_channel *c, int64_t now)
{
    if (c->latched_bytes)
        return; /* an unread latch stays */
    c->latched_count = channel_counter(c, now);
    c->latched_bytes = c->access == ACCESS_BOTH ? 2 : 1;
}

static void channel_latch_status(struct pit_channel *c, int64_t now)
{
    if (c->is_status_latched)
        return;
    c->latched_status = channel_status(c, now);
    c->is_status_latched = true;
}

static void channel_set_mode(struct pit_channel *c, int64_t now, uint8_t control)
{
    uint8_t mode = control >> 1 & 7;

    *c = (struct pit_channel){
        .mode = mode > 5 ? mode - 4 : mode, /* x10 and x11 are modes 2 and 3 */
        .access = control >> 4 & 3,
        .is_bcd = control & 1,
        .gate = c->gate,
        .idle_count = channel_counter(c, now),
        .count = 1,
        .held_ticks = -1,
    };
}

/* First tick after now at which OUT rises while the gate stays high, or -1. */
static int64_t channel_next_edge(const struct pit_channel *c, int64_t now)
{
    int64_t edge;

    if (channel_is_idle(c) || c->held_ticks >= 0)
        return -1;
    if (channel_is_periodic(c)) {
        struct pit_channel after = *c;
        bool is_half;

        edge = c->start_tick + (channel_elapsed(c, now) / c->count + 1) * c->count;
        is_half = c->next_count && (c->switch_tick - c->start_tick) % c->count != 0;
        if (!is_half)
            return edge;
        channel_sync(&after, c->switch_tick);
        return after.start_tick + after.count;
    }
    edge = c->start_tick + c->count + (c->mode == 0 ? 0 : 1); /* mode 4: after the strobe */
    return edge > now ? edge : -1;
}

static void pit_arm_timer(struct pit *p, int64_t now)
{
    const struct pit_channel *c = &p->channel[0];
    int64_t at = p->next_edge;

    if (p->owed_edges) {
        int64_t hurried = now + c->count / 2;

        at = at < 0 || hurried < at ? hurried : at;
    }
    if (at < 0) {
        timer_disarm(&p->timer);
        return;
    }
    if (channel_is_periodic(c) && at < now + MIN_EDGE_TICKS)
        at = now + MIN_EDGE_TICKS;
    timer_arm(&p->timer, muldiv_ceil((uint64_t)at, CLOCK_NS_PER_S, PIT_HZ));
}

/* Channel 0 was programmed: derive the wire and its next edge anew. */
static void pit_update_irq(struct pit *p, int64_t now)
{
    const struct pit_channel *c = &p->channel[0];

    wire_set(p->irq0, c->mode == 0 ? channel_out(c, now) : true);
    p->next_edge = channel_next_edge(c, now);
    pit_arm_timer(p, now);
}

static void pit_timer(void *opaque)
{
    struct pit *p = opaque;
    struct pit_channel *c = &p->channel[0];
    int64_t now = pit_now(p);

    channel_sync(c, now);
    if (p->next_edge >= 0 && now >= p->next_edge) {
        uint64_t edges = p->owed_edges + 1u, limit = PIT_HZ / c->count + 1;

        if (channel_is_periodic(c))
            edges += (uint64_t)(now - p->next_edge) / c->count;
        p->owed_edges = edges < limit ? edges : limit;
        p->next_edge = channel_next_edge(c, now);
    }
    if (p->owed_edges) {
        p->owed_edges--;
        wire_set(p->irq0, false);
        wire_set(p->irq0, true);
    }
    pit_arm_timer(p, now);
}

static void pit_read_back(struct pit *p, int64_t now, uint8_t command)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!(command & (2u << i)))
            continue;
        channel_sync(&p->channel[i], now);
        if (!(command & READ_BACK_NO_COUNT))
            channel_latch_count(&p->channel[i], now);
        if (!(command & READ_BACK_NO_STATUS))
            channel_latch_status(&p->channel[i], now);
    }
}

/* Before channel 0 changes: an edge that is due must not be forgotten because its timer did not run yet. */
static void pit_settle(struct pit *p, int64_t now)
{
    if (p->next_edge >= 0 && now >= p->next_edge)
        pit_timer(p);
}

static void pit_control(struct pit *p, int64_t now, uint8_t value)
{
    unsigned select = value >> 6;

    if (select == READ_BACK) {
        pit_read_back(p, now, value);
        return;
    }
    channel_sync(&p->channel[select], now);
    if ((value >> 4 & 3) == ACCESS_LATCH) {
        channel_latch_count(&p->channel[select], now);
        return;
    }
    if (select == 0)
        pit_settle(p, now);
    channel_set_mode(&p->channel[select], now, value);
    if (select == 0) {
        p->owed_edges = 0;
        pit_update_irq(p, now);
    }
}

static uint64_t pit_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pit *p = opaque;

    if (offset == CHANNEL_CONTROL)
        return 0xff; /* write-only: the bus floats */
    return channel_read(&p->channel[offset], pit_now(p));
}

static void pit_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pit *p = opaque;
    int64_t now = pit_now(p);

    if (offset == CHANNEL_CONTROL) {
        pit_control(p, now, value);
        return;
    }
    if (offset == 0)
        pit_settle(p, now);
    channel_write(&p->channel[offset], now, value);
    if (offset == 0)
        pit_update_irq(p, now);
}

static uint64_t port61_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pit *p = opaque;
    int64_t now = pit_now(p);

    channel_sync(&p->channel[2], now);
    return p->port61 | (now / REFRESH_TICKS % 2 ? PORT61_REFRESH : 0) |
           (channel_out(&p->channel[2], now) ? PORT61_OUT2 : 0);
}

static void port61_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pit *p = opaque;

    p->port61 = value & PORT61_WRITABLE;
    channel_set_gate(&p->channel[2], pit_now(p), value & PORT61_GATE2);
}

unsigned pit_speaker_hz(struct pit *p)
{
    struct pit_channel *c = &p->channel[2];
    unsigned both = PORT61_GATE2 | PORT61_SPEAKER;

    channel_sync(c, pit_now(p));
    if ((p->port61 & both) != both || !channel_is_periodic(c) || !c->is_loaded)
        return 0;
    return PIT_HZ / c->count;
}

/* The chip has no reset pin; an unprogrammed PIT is quiet here. */
static void pit_reset(struct device *dev)
{
    struct pit *p = container_of(dev, struct pit, dev);

    for (unsigned i = 0; i < 3; i++)
        p->channel[i] = (struct pit_channel){
            .mode = 3, .access = ACCESS_BOTH, .gate = i != 2, .count = 1, .held_ticks = -1};
    p->port61 = 0;
    p->owed_edges = 0;
    p->next_edge = -1;
    timer_disarm(&p->timer);
    wire_set(p->irq0, false);
}

static void pit_loaded(struct device *dev)
{
    struct pit *p = container_of(dev, struct pit, dev);
    int64_t now = pit_now(p);

    wire_set(p->irq0, p->channel[0].mode == 0 ? channel_out(&p->channel[0], now) : true);
    pit_arm_timer(p, now); /* next_edge as saved: edges that passed since are counted */
}

#define CHANNEL_FIELDS(n)                                                                                              \
    FIELD(struct pit, channel[n].mode), FIELD(struct pit, channel[n].access), FIELD(struct pit, channel[n].is_bcd),    \
        FIELD(struct pit, channel[n].gate), FIELD(struct pit, channel[n].is_loaded),                                   \
        FIELD(struct pit, channel[n].is_triggered), FIELD(struct pit, channel[n].has_lsb),                             \
        FIELD(struct pit, channel[n].written_lsb), FIELD(struct pit, channel[n].is_msb_next),                          \
        FIELD(struct pit, channel[n].latched_bytes), FIELD(struct pit, channel[n].latched_count),                      \
        FIELD(struct pit, channel[n].is_status_latched), FIELD(struct pit, channel[n].latched_status),                 \
        FIELD(struct pit, channel[n].idle_count), FIELD(struct pit, channel[n].count),                                 \
        FIELD(struct pit, channel[n].next_count), FIELD(struct pit, channel[n].switch_tick),                           \
        FIELD(struct pit, channel[n].start_tick), FIELD(struct pit, channel[n].held_ticks)

static const struct field pit_state[] = {
    CHANNEL_FIELDS(0), CHANNEL_FIELDS(1), CHANNEL_FIELDS(2), FIELD(struct pit, port61), FIELD(struct pit, owed_edges),
    FIELD(struct pit, next_edge), FIELD_TIMER(struct pit, timer), FIELD_END};
static const struct device_ops pit_ops = {
    .name = "pit", .reset = pit_reset, .state = pit_state, .loaded = pit_loaded};
static const struct io_ops pit_io = {
    .name = "pit", .read = pit_read, .write = pit_write, .min_size = 1, .max_size = 1};
static const struct io_ops port61_io = {
    .name = "port61", .read = port61_read, .write = port61_write, .min_size = 1, .max_size = 1};

int pit_init(struct pit *p, struct space *ports, struct clock *clock, struct wire *irq0)
{
    int err;

    *p = (struct pit){.dev.ops = &pit_ops, .clock = clock, .irq0 = irq0};
    timer_init(&p->timer, clock, pit_timer, p);
    pit_reset(&p->dev);
    err = space_map_io(ports, 0x40, 4, &pit_io, p);
    if (!err)
        err = space_map_io(ports, 0x61, 1, &port61_io, p);
    return err;
}
