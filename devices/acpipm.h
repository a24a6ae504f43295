/* Power management block of the PIIX4: ACPI events, power-off, the PM timer, and the SMI command port. */
#ifndef DEVICES_ACPIPM_H
#define DEVICES_ACPIPM_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "devices/wire.h"
#include "host/clock.h"
#include "mmu/space.h"

#define ACPIPM_TIMER_HZ 3579545u
#define ACPIPM_GPE0_BASE 0xafe0u /* where SeaBIOS's tables for this machine say it is */

struct acpipm_callbacks {
    void (*power_off)(void *opaque); /* the guest switched the machine off (S5, or S4) */
    void (*smi)(void *opaque);       /* SMI#, once for each event; may be NULL */
    void *opaque;
};

struct acpipm {
    struct device dev;
    struct clock *clock;
    struct space *ports;
    struct wire *sci;
    struct acpipm_callbacks callbacks;
    uint16_t base, mapped_base; /* mapped_base 0: not mapped */
    bool is_enabled;
    uint16_t pm1_sts, pm1_en, pm1_cnt; /* TMR_STS is derived: see seen_half */
    uint64_t seen_half;     /* half periods of the timer when TMR_STS was last cleared */
    uint16_t gpe_sts, gpe_en;
    uint8_t apmc, apms;     /* ports B2h, B3h */
    bool is_apmc_enabled;
    uint16_t global_sts;
    uint32_t global_ctl;
    struct timer timer;     /* next toggle of the timer's bit 23, while it may interrupt */
};

/* Ports B2h, B3h and GPE0 at AFE0h; the register block itself appears by acpipm_set_base().
 * sci: IRQ 9, level.  0 or -errno of space_map_io(). */
int acpipm_init(struct acpipm *p, struct space *ports, struct clock *clock, struct wire *sci,
                const struct acpipm_callbacks *callbacks);

/* PMBA (bits 15:6 count) and PMREGMISC.PMIOSE of the PCI function.  base 0 is "not mapped". */
void acpipm_set_base(struct acpipm *p, uint16_t base, bool is_enabled);

/* DEVACTB.APMC_EN of the PCI function: writes to B2h ask for an SMI. */
void acpipm_set_apmc_smi(struct acpipm *p, bool is_enabled);

/* The user pressed the power button.  False if the guest does not listen (ACPI or the event is off). */
bool acpipm_power_button(struct acpipm *p);

/* Wire targets.  gpe: general-purpose event 0..15, rising edge.  rtc: the RTC's interrupt, as RTC_STS. */
void acpipm_set_gpe(void *opaque, unsigned gpe, bool level);
void acpipm_set_rtc(void *opaque, unsigned line, bool level);

#endif
