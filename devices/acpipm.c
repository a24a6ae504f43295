/* Power management of the 82371AB (PIIX4): the ACPI fixed registers at PMBA, a GPE block, the PM timer, and the
 * advanced power management control ports B2h/B3h.
 * 82371AB data sheet, chapter 7.2 and 4.2.6; ACPI specification 1.0, chapter 4.7.
 *
 * Writing F1h / F0h to B2h, the values that SeaBIOS's FADT names, switches ACPI on / off (SCI_EN) without asking firmware, whose
 * SMI handler does not know them.  Other values assert SMI# as DEVACTB.APMC_EN and GLBCTL.SMI_EN say; GLBCTL.EOS is kept only:
 * each write is an SMI of its own.
 * The timer counts virtual time; TMR_STS follows from it and needs a host timer only while it may interrupt.
 * Sleep types are those of SeaBIOS's DSDT: 0 is S5, 2 is S4 (off as well: the guest has saved itself to disk),
 * anything else returns at once with WAK_STS set. */
#include "devices/acpipm.h"
#include "devices/muldiv.h"
#include "host/log.h"

#define PM_SIZE 64
/* Offsets of 32-bit words. */
#define PM_EVENT   0x00 /* PMSTS, PMEN */
#define PM_CONTROL 0x04 /* PMCNTRL */
#define PM_TIMER   0x08 /* PMTMR */
#define PM_GPE     0x0c /* GPSTS, GPEN */
#define PM_GLOBAL_STS 0x18 /* GLBSTS */
#define PM_GLOBAL_CTL 0x28 /* GLBCTL */

#define STS_TMR    0x0001
#define STS_GBL    0x0020
#define STS_PWRBTN 0x0100
#define STS_RTC    0x0400
#define STS_WAK    0x8000
#define STS_EVENTS (STS_TMR | STS_GBL | STS_PWRBTN | STS_RTC) /* those that PMEN can enable */
#define STS_ALL    (STS_EVENTS | STS_WAK)
#define CNT_SCI_EN 0x0001
#define CNT_BM_RLD 0x0002
#define CNT_SLP_TYP_SHIFT 10
#define CNT_SLP_TYP 0x1c00
#define CNT_SLP_EN  0x2000 /* write-only */
#define CNT_KEPT    (CNT_BM_RLD | CNT_SLP_TYP)

#define GLOBAL_STS_APM    0x20
#define GLOBAL_CTL_SMI_EN 0x01
#define GLOBAL_CTL_KEPT   0x07ffff01u

#define SLP_TYP_S5 0
#define SLP_TYP_S4 2

#define APM_CONTROL 0xb2 /* and APM_STATUS at B3h */
#define APM_ACPI_ENABLE  0xf1
#define APM_ACPI_DISABLE 0xf0

#define TIMER_MASK 0xffffffu
#define TIMER_HALF_SHIFT 23 /* TMR_STS is set when bit 23 toggles */

static uint64_t acpipm_ticks(const struct acpipm *p)
{
    return muldiv_floor(clock_now_ns(p->clock), ACPIPM_TIMER_HZ, CLOCK_NS_PER_S);
}

static uint16_t acpipm_pm1_sts(const struct acpipm *p)
{
    return p->pm1_sts | (acpipm_ticks(p) >> TIMER_HALF_SHIFT != p->seen_half ? STS_TMR : 0);
}

static void acpipm_update_irq(struct acpipm *p)
{
    bool is_pending = (acpipm_pm1_sts(p) & p->pm1_en & STS_EVENTS) || (p->gpe_sts & p->gpe_en);

    wire_set(p->sci, is_pending && (p->pm1_cnt & CNT_SCI_EN));
}

/* Registers changed: the level of SCI, and when the timer may change it next. */
static void acpipm_update(struct acpipm *p)
{
    acpipm_update_irq(p);
    if ((p->pm1_en & STS_TMR) && !(acpipm_pm1_sts(p) & STS_TMR))
        timer_arm(&p->timer,
                  muldiv_ceil((p->seen_half + 1) << TIMER_HALF_SHIFT, CLOCK_NS_PER_S, ACPIPM_TIMER_HZ));
    else
        timer_disarm(&p->timer);
}

static void acpipm_timer(void *opaque)
{
    acpipm_update(opaque);
}

static void acpipm_sleep(struct acpipm *p)
{
    unsigned type = (p->pm1_cnt & CNT_SLP_TYP) >> CNT_SLP_TYP_SHIFT;

    log_at(LOG_DEV, "acpipm: sleep type %u", type);
    if (type != SLP_TYP_S5 && type != SLP_TYP_S4) {
        log_unimp("acpipm: sleep type %u", type);
        p->pm1_sts |= STS_WAK;
    } else if (p->callbacks.power_off) {
        p->callbacks.power_off(p->callbacks.opaque);
    }
}

static void acpipm_clear_sts(struct acpipm *p, uint16_t bits)
{
    p->pm1_sts &= ~bits;
    if (bits & STS_TMR)
        p->seen_half = acpipm_ticks(p) >> TIMER_HALF_SHIFT;
}

/* One 32-bit word of the block.  mask: the bits being written. */
static void acpipm_write_word(struct acpipm *p, unsigned word, uint32_t value, uint32_t mask)
{
    switch (word) {
    case PM_EVENT: /* status bits are cleared by writing 1 */
        acpipm_clear_sts(p, value & mask & STS_ALL);
        p->pm1_en = ((p->pm1_en & ~(mask >> 16)) | (value & mask) >> 16) & STS_EVENTS;
        break;
    case PM_CONTROL: /* SCI_EN is firmware's */
        p->pm1_cnt = (p->pm1_cnt & ~(mask & CNT_KEPT)) | (value & mask & CNT_KEPT);
        if (value & mask & CNT_SLP_EN)
            acpipm_sleep(p);
        break;
    case PM_GPE:
        p->gpe_sts &= ~(value & mask);
        p->gpe_en = (p->gpe_en & ~(mask >> 16)) | (value & mask) >> 16;
        break;
    case PM_GLOBAL_STS:
        p->global_sts &= ~(value & mask);
        break;
    case PM_GLOBAL_CTL:
        mask &= GLOBAL_CTL_KEPT;
        p->global_ctl = (p->global_ctl & ~mask) | (value & mask);
        break;
    }
    acpipm_update(p);
}

static uint32_t acpipm_read_word(const struct acpipm *p, unsigned word)
{
    switch (word) {
    case PM_EVENT:
        return acpipm_pm1_sts(p) | (uint32_t)p->pm1_en << 16;
    case PM_CONTROL:
        return p->pm1_cnt;
    case PM_TIMER:
        return acpipm_ticks(p) & TIMER_MASK;
    case PM_GPE:
        return p->gpe_sts | (uint32_t)p->gpe_en << 16;
    case PM_GLOBAL_STS:
        return p->global_sts;
    case PM_GLOBAL_CTL:
        return p->global_ctl;
    }
    return 0;
}

/* Accesses of 1, 2, 4 bytes anywhere: as one or two words. */
static uint64_t block_read(const struct acpipm *p, uint64_t offset, unsigned size)
{
    unsigned word = offset & ~3u, shift = 8 * (offset & 3);
    uint64_t value = acpipm_read_word(p, word);

    if (shift + 8 * size > 32)
        value |= (uint64_t)acpipm_read_word(p, word + 4) << 32;
    return value >> shift;
}

static void block_write(struct acpipm *p, uint64_t offset, unsigned size, uint64_t value)
{
    unsigned word = offset & ~3u, shift = 8 * (offset & 3);
    uint64_t mask = ((1ull << 8 * size) - 1) << shift;

    value <<= shift;
    acpipm_write_word(p, word, (uint32_t)value, (uint32_t)mask);
    if (mask >> 32)
        acpipm_write_word(p, word + 4, (uint32_t)(value >> 32), (uint32_t)(mask >> 32));
}

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    return block_read(opaque, offset, size);
}

static void pm_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    block_write(opaque, offset, size, value);
}

/* The same GPE registers at the address SeaBIOS's FADT gives. */
static uint64_t gpe_read(void *opaque, uint64_t offset, unsigned size)
{
    return block_read(opaque, PM_GPE + offset, size);
}

static void gpe_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    block_write(opaque, PM_GPE + offset, size, value);
}

static uint64_t apm_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct acpipm *p = opaque;

    return offset ? p->apms : p->apmc;
}

static void acpipm_command_smi(struct acpipm *p)
{
    if (!p->is_apmc_enabled)
        return;
    p->global_sts |= GLOBAL_STS_APM;
    if ((p->global_ctl & GLOBAL_CTL_SMI_EN) && p->callbacks.smi)
        p->callbacks.smi(p->callbacks.opaque);
}

static void apm_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct acpipm *p = opaque;

    if (offset) {
        p->apms = value;
        return;
    }
    p->apmc = value;
    if (p->apmc == APM_ACPI_ENABLE)
        p->pm1_cnt |= CNT_SCI_EN;
    else if (p->apmc == APM_ACPI_DISABLE)
        p->pm1_cnt &= ~CNT_SCI_EN;
    else
        acpipm_command_smi(p);
    acpipm_update(p);
}

static const struct io_ops pm_io = {
    .name = "acpipm", .read = pm_read, .write = pm_write, .min_size = 1, .max_size = 4};
static const struct io_ops gpe_io = {
    .name = "acpipm gpe", .read = gpe_read, .write = gpe_write, .min_size = 1, .max_size = 4};
static const struct io_ops apm_io = {
    .name = "acpipm apm", .read = apm_read, .write = apm_write, .min_size = 1, .max_size = 1};

static void acpipm_remap(struct acpipm *p)
{
    uint16_t wanted = p->is_enabled ? p->base : 0;

    if (wanted == p->mapped_base)
        return;
    if (p->mapped_base)
        space_unmap(p->ports, p->mapped_base, PM_SIZE);
    p->mapped_base = 0;
    if (!wanted)
        return;
    if (space_map_io(p->ports, wanted, PM_SIZE, &pm_io, p))
        log_at(LOG_DEV, "acpipm: ports at %#x are taken", wanted);
    else
        p->mapped_base = wanted;
}

void acpipm_set_base(struct acpipm *p, uint16_t base, bool is_enabled)
{
    p->base = base & ~(PM_SIZE - 1u);
    p->is_enabled = is_enabled;
    acpipm_remap(p);
}

void acpipm_set_apmc_smi(struct acpipm *p, bool is_enabled)
{
    p->is_apmc_enabled = is_enabled;
}

bool acpipm_power_button(struct acpipm *p)
{
    p->pm1_sts |= STS_PWRBTN;
    acpipm_update(p);
    return (p->pm1_cnt & CNT_SCI_EN) && (p->pm1_en & STS_PWRBTN);
}

void acpipm_set_gpe(void *opaque, unsigned gpe, bool level)
{
    struct acpipm *p = opaque;

    if (level)
        p->gpe_sts |= 1u << (gpe & 15);
    acpipm_update(p);
}

void acpipm_set_rtc(void *opaque, unsigned line, bool level)
{
    struct acpipm *p = opaque;

    if (level)
        p->pm1_sts |= STS_RTC;
    acpipm_update(p);
}

/* The PCI function's reset takes the base away. */
static void acpipm_reset(struct device *dev)
{
    struct acpipm *p = container_of(dev, struct acpipm, dev);

    p->pm1_sts = p->pm1_en = p->pm1_cnt = 0;
    p->gpe_sts = p->gpe_en = 0;
    p->apmc = p->apms = 0;
    p->global_sts = 0;
    p->global_ctl = 0;
    p->seen_half = acpipm_ticks(p) >> TIMER_HALF_SHIFT;
    acpipm_update(p);
}

static void acpipm_loaded(struct device *dev)
{
    struct acpipm *p = container_of(dev, struct acpipm, dev);

    acpipm_remap(p);
    acpipm_update(p);
}

static const struct field acpipm_state[] = {
    FIELD(struct acpipm, base), FIELD(struct acpipm, is_enabled), FIELD(struct acpipm, pm1_sts),
    FIELD(struct acpipm, pm1_en), FIELD(struct acpipm, pm1_cnt), FIELD(struct acpipm, seen_half),
    FIELD(struct acpipm, gpe_sts), FIELD(struct acpipm, gpe_en), FIELD(struct acpipm, apmc),
    FIELD(struct acpipm, apms), FIELD(struct acpipm, is_apmc_enabled), FIELD(struct acpipm, global_sts),
    FIELD(struct acpipm, global_ctl), FIELD_TIMER(struct acpipm, timer), FIELD_END};
static const struct device_ops acpipm_ops = {
    .name = "acpipm", .reset = acpipm_reset, .state = acpipm_state, .loaded = acpipm_loaded};

int acpipm_init(struct acpipm *p, struct space *ports, struct clock *clock, struct wire *sci,
                const struct acpipm_callbacks *callbacks)
{
    int err;

    *p = (struct acpipm){.dev.ops = &acpipm_ops, .clock = clock, .ports = ports, .sci = sci, .callbacks = *callbacks};
    timer_init(&p->timer, clock, acpipm_timer, p);
    p->seen_half = acpipm_ticks(p) >> TIMER_HALF_SHIFT;
    err = space_map_io(ports, APM_CONTROL, 2, &apm_io, p);
    if (!err)
        err = space_map_io(ports, ACPIPM_GPE0_BASE, 4, &gpe_io, p);
    return err;
}
