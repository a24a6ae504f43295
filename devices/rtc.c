/* MC146818A real-time clock and CMOS memory, ports 70h and 71h.
 * Motorola MC146818A data sheet; 82371AB data sheet 8.7 for the upper 64 bytes and the NMI mask.
 *
 * The clock is not advanced by a timer: registers 0-9 and the century are brought up to date when somebody looks.
 * Timers run only for interrupts that are enabled.  The update cycle (UIP) takes the last 244 + 1984 us of each
 * second; the new time appears, and UF and AF rise, when it ends.
 * Periodic interrupts that passed while the machine thread was late are owed to the guest (at most one second's
 * worth) and paid back at up to twice the rate, as in pit.c.
 * Shortcuts: daylight saving (DSE) and the square wave output are ignored; only the 32.768 kHz divider exists. */
#include "devices/rtc.h"
#include "devices/muldiv.h"
#include "host/log.h"

enum rtc_register {
    RTC_SECONDS = 0x00,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_WEEKDAY, /* 1 = Sunday */
    RTC_DAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_A,
    RTC_B,
    RTC_C,
    RTC_D,
    RTC_CENTURY = 0x32 /* where IBM's BIOS and ACPI's FADT put it */
};

#define A_UIP       0x80
#define A_DV        0x70
#define A_DV_RUN    0x20
#define A_RS        0x0f
#define B_SET       0x80
#define B_PIE       0x40
#define B_AIE       0x20
#define B_UIE       0x10
#define B_SQWE      0x08
#define B_BINARY    0x04
#define B_24H       0x02
#define C_IRQF      0x80
#define C_PF        0x40
#define C_AF        0x20
#define C_UF        0x10
#define D_VRT       0x80 /* the battery is good */
#define HOUR_PM     0x80
#define ALARM_ANY   0xc0 /* both top bits: matches always */
#define INDEX_NMI   0x80

#define DIVIDER_HZ  32768
#define UPDATE_NS   (244000 + 1984000)
#define NS_PER_S    1000000000ll
#define DAY_S       86400

/* Days since 1970-01-01 of a day in the proleptic Gregorian calendar, and back.  Months are counted from March so
 * that the leap day is the last of the year; eras are 400 years of 146097 days. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = (int)(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
    int m = (5 * day_of_year + 2) / 153;

    *day = day_of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static uint8_t rtc_encode(const struct rtc *r, unsigned value)
{
    return (r->cmos[RTC_B] & B_BINARY) ? value : (value / 10 % 10) << 4 | value % 10;
}

static unsigned rtc_decode(const struct rtc *r, uint8_t value)
{
    return (r->cmos[RTC_B] & B_BINARY) ? value : (value >> 4) * 10u + (value & 15);
}

static uint8_t rtc_encode_hour(const struct rtc *r, unsigned hour)
{
    if (r->cmos[RTC_B] & B_24H)
        return rtc_encode(r, hour);
    return rtc_encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned rtc_decode_hour(const struct rtc *r, uint8_t value)
{
    if (r->cmos[RTC_B] & B_24H)
        return rtc_decode(r, value);
    return rtc_decode(r, value & 0x7f) % 12 + (value & HOUR_PM ? 12 : 0);
}

static bool rtc_is_counting(const struct rtc *r)
{
    return !(r->cmos[RTC_B] & B_SET) && (r->cmos[RTC_A] & A_DV) == A_DV_RUN;
}

static int64_t rtc_now_ns(const struct rtc *r)
{
    return (int64_t)clock_now_ns(r->clock) - r->base_ns;
}

static int64_t rtc_now_s(const struct rtc *r)
{
    return r->base_s + floor_div(rtc_now_ns(r), NS_PER_S);
}

/* Seconds since 1970 -> registers. */
static void rtc_store_time(struct rtc *r, int64_t now_s)
{
    int64_t days = floor_div(now_s, DAY_S), year;
    unsigned second = (unsigned)(now_s - days * DAY_S);
    unsigned weekday = (unsigned)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    int month, day;

    date_from_days(days, &year, &month, &day);
    r->cmos[RTC_SECONDS] = rtc_encode(r, second % 60);
    r->cmos[RTC_MINUTES] = rtc_encode(r, second / 60 % 60);
    r->cmos[RTC_HOURS] = rtc_encode_hour(r, second / 3600);
    r->cmos[RTC_WEEKDAY] = rtc_encode(r, (weekday + r->weekday_skew) % 7 + 1);
    r->cmos[RTC_DAY] = rtc_encode(r, (unsigned)day);
    r->cmos[RTC_MONTH] = rtc_encode(r, (unsigned)month);
    r->cmos[RTC_YEAR] = rtc_encode(r, (unsigned)(((year % 100) + 100) % 100));
    r->cmos[RTC_CENTURY] = rtc_encode(r, (unsigned)((floor_div(year, 100) % 100 + 100) % 100));
}

/* Registers -> seconds since 1970.  The guest may have stored nonsense: any bytes give some time. */
static int64_t rtc_load_time(struct rtc *r)
{
    int64_t year = rtc_decode(r, r->cmos[RTC_CENTURY]) * 100 + rtc_decode(r, r->cmos[RTC_YEAR]);
    int month = (int)((rtc_decode(r, r->cmos[RTC_MONTH]) + 11) % 12) + 1;
    int64_t days = days_from_date(year, month, (int)rtc_decode(r, r->cmos[RTC_DAY]));
    int64_t weekday = rtc_decode(r, r->cmos[RTC_WEEKDAY]) + 6;

    r->weekday_skew = (((weekday - (days + 4)) % 7) + 7) % 7;
    return days * DAY_S + rtc_decode_hour(r, r->cmos[RTC_HOURS]) * 3600ll + rtc_decode(r, r->cmos[RTC_MINUTES]) * 60ll +
           rtc_decode(r, r->cmos[RTC_SECONDS]);
}

static bool alarm_matches(const struct rtc *r, uint8_t alarm, uint8_t current)
{
    return (alarm & ALARM_ANY) == ALARM_ANY || alarm == current;
}

/* The first alarm after after_s.  INT64_MAX if the registers match no time of day.  Steps over whole hours and
 * minutes that do not match; with a second that exists, that is at most some 1500 steps. */
static int64_t rtc_next_alarm(const struct rtc *r, int64_t after_s)
{
    int64_t day_s = floor_div(after_s, DAY_S) * DAY_S;
    uint8_t alarm = r->cmos[RTC_SECONDS_ALARM];

    if ((alarm & ALARM_ANY) != ALARM_ANY && rtc_encode(r, rtc_decode(r, alarm) % 60) != alarm)
        return INT64_MAX;
    for (int64_t t = after_s + 1; t <= after_s + DAY_S;) {
        unsigned second = (unsigned)((t - day_s) % DAY_S);

        if (!alarm_matches(r, r->cmos[RTC_HOURS_ALARM], rtc_encode_hour(r, second / 3600)))
            t += 3600 - second % 3600;
        else if (!alarm_matches(r, r->cmos[RTC_MINUTES_ALARM], rtc_encode(r, second / 60 % 60)))
            t += 60 - second % 60;
        else if (!alarm_matches(r, r->cmos[RTC_SECONDS_ALARM], rtc_encode(r, second % 60)))
            t++;
        else
            return t;
    }
    return INT64_MAX;
}

/* Length of the periodic interrupt's period in divider clocks, 0: off. */
static uint32_t rtc_period_ticks(const struct rtc *r)
{
    unsigned rate = r->cmos[RTC_A] & A_RS;

    if (!rate || (r->cmos[RTC_A] & A_DV) != A_DV_RUN)
        return 0;
    return rate <= 2 ? 64u << rate : 1u << (rate - 1); /* rates 1 and 2 repeat 8 and 9 */
}

/* Periods since virtual time 0. */
static uint64_t rtc_periods(const struct rtc *r)
{
    uint32_t ticks = rtc_period_ticks(r);

    return ticks ? muldiv_floor(clock_now_ns(r->clock), DIVIDER_HZ, NS_PER_S) / ticks : 0;
}

static void rtc_update_irq(struct rtc *r)
{
    bool is_active = r->cmos[RTC_C] & r->cmos[RTC_B] & (C_PF | C_AF | C_UF);

    r->cmos[RTC_C] = (r->cmos[RTC_C] & ~C_IRQF) | (is_active ? C_IRQF : 0);
    wire_set(r->irq8, is_active);
}

static void rtc_owe_periods(struct rtc *r, uint64_t missed)
{
    uint64_t owed = r->owed_periods + missed, limit = DIVIDER_HZ / rtc_period_ticks(r) + 1;

    r->owed_periods = (uint32_t)(owed < limit ? owed : limit);
}

/* Raise the flags of everything that happened since the last time. */
static void rtc_sync(struct rtc *r)
{
    uint64_t periods = rtc_periods(r);
    int64_t now_s = rtc_now_s(r);

    if (periods > r->seen_period) { /* never while the rate is 0 */
        if (r->cmos[RTC_B] & B_PIE)
            rtc_owe_periods(r, periods - r->seen_period - 1);
        r->seen_period = periods;
        r->cmos[RTC_C] |= C_PF;
    }
    if (rtc_is_counting(r) && now_s > r->seen_s) {
        r->cmos[RTC_C] |= C_UF;
        if (rtc_next_alarm(r, r->seen_s) <= now_s)
            r->cmos[RTC_C] |= C_AF;
        r->seen_s = now_s;
    }
}

static void rtc_arm_second_timer(struct rtc *r)
{
    uint8_t wanted = r->cmos[RTC_B] & ~r->cmos[RTC_C]; /* a flag that stands already brings no edge */
    int64_t at_s = INT64_MAX;

    if (wanted & B_UIE)
        at_s = r->seen_s + 1;
    else if (wanted & B_AIE)
        at_s = rtc_next_alarm(r, r->seen_s);
    if (at_s == INT64_MAX || !rtc_is_counting(r))
        timer_disarm(&r->second_timer);
    else
        timer_arm(&r->second_timer, (uint64_t)(r->base_ns + (at_s - r->base_s) * NS_PER_S));
}

static void rtc_arm_periodic_timer(struct rtc *r)
{
    uint32_t ticks = rtc_period_ticks(r);
    uint64_t at, hurried;

    if (!ticks || !(r->cmos[RTC_B] & B_PIE)) {
        r->owed_periods = 0;
        timer_disarm(&r->periodic_timer);
        return;
    }
    at = muldiv_ceil((r->seen_period + 1) * ticks, NS_PER_S, DIVIDER_HZ);
    hurried = clock_now_ns(r->clock) + muldiv_ceil(ticks, NS_PER_S / 2, DIVIDER_HZ);
    timer_arm(&r->periodic_timer, r->owed_periods && hurried < at ? hurried : at);
}

static void rtc_second_timer(void *opaque)
{
    struct rtc *r = opaque;

    rtc_sync(r);
    rtc_update_irq(r);
    rtc_arm_second_timer(r);
}

static void rtc_periodic_timer(void *opaque)
{
    struct rtc *r = opaque;
    uint64_t seen = r->seen_period;

    rtc_sync(r);
    if (r->seen_period == seen && r->owed_periods) { /* between two periods: one that is owed */
        r->owed_periods--;
        r->cmos[RTC_C] |= C_PF;
    }
    rtc_update_irq(r);
    rtc_arm_periodic_timer(r);
}

/* The guest set the clock, or let it go on.  Fractions of the running second stay as they are. */
static void rtc_set_clock(struct rtc *r)
{
    r->base_s = rtc_load_time(r) - floor_div(rtc_now_ns(r), NS_PER_S);
    r->seen_s = rtc_now_s(r);
}

static bool rtc_is_time(unsigned index)
{
    return index == RTC_CENTURY || (index <= RTC_YEAR && !(index < RTC_WEEKDAY && (index & 1)));
}

static void rtc_write_time(struct rtc *r, unsigned index, uint8_t value)
{
    bool is_counting = rtc_is_counting(r);

    if (is_counting)
        rtc_store_time(r, rtc_now_s(r));
    r->cmos[index] = value;
    if (is_counting)
        rtc_set_clock(r);
}

static void rtc_write_a(struct rtc *r, uint8_t value)
{
    bool was_running = (r->cmos[RTC_A] & A_DV) == A_DV_RUN, was_counting = rtc_is_counting(r);

    if (was_counting)
        rtc_store_time(r, rtc_now_s(r));
    r->cmos[RTC_A] = value & ~A_UIP;
    if (!was_running && (value & A_DV) == A_DV_RUN) {
        /* The divider leaves reset: the first update comes half a second later. */
        r->base_ns = (int64_t)clock_now_ns(r->clock) - NS_PER_S / 2;
        r->base_s = rtc_load_time(r);
        r->seen_s = r->base_s;
    }
    r->seen_period = rtc_periods(r);
    r->owed_periods = 0;
}

static void rtc_write_b(struct rtc *r, uint8_t value)
{
    bool was_counting = rtc_is_counting(r);

    if (was_counting)
        rtc_store_time(r, rtc_now_s(r));
    if (value & B_SET)
        value &= ~B_UIE;
    r->cmos[RTC_B] = value;
    if (rtc_is_counting(r)) {
        if (was_counting)
            rtc_store_time(r, rtc_now_s(r)); /* in the format just chosen */
        else
            rtc_set_clock(r);
    }
}

static void rtc_write_data(struct rtc *r, uint8_t value)
{
    rtc_sync(r);
    if (rtc_is_time(r->index))
        rtc_write_time(r, r->index, value);
    else if (r->index == RTC_A)
        rtc_write_a(r, value);
    else if (r->index == RTC_B)
        rtc_write_b(r, value);
    else if (r->index != RTC_C && r->index != RTC_D)
        r->cmos[r->index] = value;
    else
        return;
    if (r->index <= RTC_B || r->index == RTC_CENTURY) {
        rtc_update_irq(r);
        rtc_arm_second_timer(r);
        rtc_arm_periodic_timer(r);
    }
}

static uint8_t rtc_read_a(const struct rtc *r)
{
    int64_t ns = rtc_now_ns(r);
    bool is_updating = rtc_is_counting(r) && ns - floor_div(ns, NS_PER_S) * NS_PER_S >= NS_PER_S - UPDATE_NS;

    return r->cmos[RTC_A] | (is_updating ? A_UIP : 0);
}

static uint8_t rtc_read_c(struct rtc *r)
{
    uint8_t value;

    rtc_sync(r);
    rtc_update_irq(r);
    value = r->cmos[RTC_C];
    r->cmos[RTC_C] = 0;
    rtc_update_irq(r);
    rtc_arm_second_timer(r);
    rtc_arm_periodic_timer(r);
    return value;
}

static uint8_t rtc_read_data(struct rtc *r)
{
    if (rtc_is_time(r->index) && rtc_is_counting(r))
        rtc_store_time(r, rtc_now_s(r));
    if (r->index == RTC_A)
        return rtc_read_a(r);
    if (r->index == RTC_C)
        return rtc_read_c(r);
    return r->cmos[r->index];
}

static uint64_t rtc_read(void *opaque, uint64_t offset, unsigned size)
{
    struct rtc *r = opaque;

    return offset == 0 ? 0xff /* write-only */ : rtc_read_data(r);
}

static void rtc_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct rtc *r = opaque;

    if (offset == 1) {
        rtc_write_data(r, value);
        return;
    }
    r->index = value & 0x7f;
    r->is_nmi_masked = value & INDEX_NMI;
    wire_set(r->nmi_mask, r->is_nmi_masked);
}

void rtc_set_cmos(struct rtc *r, unsigned index, uint8_t value)
{
    if (index > RTC_D && index < sizeof(r->cmos) && index != RTC_CENTURY)
        r->cmos[index] = value;
}

uint8_t rtc_get_cmos(const struct rtc *r, unsigned index)
{
    return index < sizeof(r->cmos) ? r->cmos[index] : 0xff;
}

/* RESET# clears interrupt enables and flags; battery-backed memory and the time stay. */
static void rtc_reset(struct device *dev)
{
    struct rtc *r = container_of(dev, struct rtc, dev);

    rtc_sync(r);
    r->cmos[RTC_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    r->cmos[RTC_C] = 0;
    r->index = 0;
    r->is_nmi_masked = false;
    wire_set(r->nmi_mask, false);
    rtc_update_irq(r);
    rtc_arm_second_timer(r);
    rtc_arm_periodic_timer(r);
}

static void rtc_loaded(struct device *dev)
{
    struct rtc *r = container_of(dev, struct rtc, dev);

    wire_set(r->nmi_mask, r->is_nmi_masked);
    rtc_update_irq(r);
}

static const struct field rtc_state[] = {
    FIELD(struct rtc, cmos), FIELD(struct rtc, index), FIELD(struct rtc, is_nmi_masked),
    FIELD(struct rtc, weekday_skew), FIELD(struct rtc, base_s), FIELD(struct rtc, base_ns),
    FIELD(struct rtc, seen_s), FIELD(struct rtc, seen_period), FIELD(struct rtc, owed_periods),
    FIELD_TIMER(struct rtc, second_timer), FIELD_TIMER(struct rtc, periodic_timer), FIELD_END};
static const struct device_ops rtc_ops = {
    .name = "rtc", .reset = rtc_reset, .state = rtc_state, .loaded = rtc_loaded};
static const struct io_ops rtc_io = {
    .name = "rtc", .read = rtc_read, .write = rtc_write, .min_size = 1, .max_size = 1};

int rtc_init(struct rtc *r, struct space *ports, struct clock *clock, struct wire *irq8, struct wire *nmi_mask)
{
    *r = (struct rtc){.dev.ops = &rtc_ops, .clock = clock, .irq8 = irq8, .nmi_mask = nmi_mask};
    timer_init(&r->second_timer, clock, rtc_second_timer, r);
    timer_init(&r->periodic_timer, clock, rtc_periodic_timer, r);
    r->base_s = clock_wall_base_s(clock);
    r->cmos[RTC_A] = A_DV_RUN | 6; /* 1024 Hz */
    r->cmos[RTC_B] = B_24H;
    r->cmos[RTC_D] = D_VRT;
    r->seen_s = rtc_now_s(r);
    r->seen_period = rtc_periods(r);
    rtc_store_time(r, r->seen_s);
    return space_map_io(ports, 0x70, 2, &rtc_io, r);
}
