/* MC146818 real-time clock with 128 bytes of CMOS memory. */
#ifndef DEVICES_RTC_H
#define DEVICES_RTC_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "devices/wire.h"
#include "host/clock.h"
#include "mmu/space.h"

struct rtc {
    struct device dev;
    struct clock *clock;
    struct wire *irq8, *nmi_mask;
    uint8_t cmos[128];    /* registers A-D and the time registers (as last brought up to date) included */
    uint8_t index;        /* port 70h, bits 6:0 */
    bool is_nmi_masked;   /* port 70h, bit 7 */
    uint8_t weekday_skew; /* guest's day of week minus the calendar's, modulo 7 */
    int64_t base_s;       /* local clock in seconds since 1970 at base_ns; base_ns may precede virtual time 0 */
    int64_t base_ns;
    int64_t seen_s;       /* second up to which update and alarm flags are accounted */
    uint64_t seen_period; /* periodic interrupts accounted */
    uint32_t owed_periods; /* periodic interrupts that passed while the machine thread was late */
    struct timer second_timer, periodic_timer;
};

/* Ports 70h, 71h.  irq8: IRQ#.  nmi_mask: high while NMI is disabled; may be NULL.
 * The clock starts at clock_wall_base_s() plus virtual time and keeps running through resets.
 * 0 or -errno of space_map_io(). */
int rtc_init(struct rtc *r, struct space *ports, struct clock *clock, struct wire *irq8, struct wire *nmi_mask);

/* CMOS bytes that the board decides: memory size, drive types...  index 0Eh..7Fh, others are ignored. */
void rtc_set_cmos(struct rtc *r, unsigned index, uint8_t value);
uint8_t rtc_get_cmos(const struct rtc *r, unsigned index);

#endif
