/* South bridge: 82371SB (PIIX3) functions 0 and 1, and function 3 of an 82371AB (PIIX4).
 * Intel data sheets 290550 (PIIX/PIIX3: 2.2 ISA bridge, 2.3 IDE, 2.5.13 CF9h) and 290562 (PIIX4: chapter 7, power
 * management and SMBus).  The ISA side of the chip (8259s, 8254, 8237s, …) has files of its own.
 *
 * Shortcuts: the IDE decode enables (IDETIM bit 15) are kept but the ports always answer; timings do not matter; the chip
 * select, DMA buffer and SMI registers are memory without effect; the SMBus has no device on it. */
#include "devices/piix3.h"

#include <string.h>
#include "host/log.h"

#define SLOT           1
#define VENDOR_INTEL   0x8086
#define STATUS_DEVSEL  0x02 /* in the high byte of PCI_STATUS: medium timing */

/* ---- 01.0: ISA bridge ---- */

#define REG_PIRQRC      0x60 /* four registers: bit 7 routing off, bits 3:0 IRQ */
#define PIRQRC_OFF      0x80
#define ROUTABLE_IRQS   0xdef8u /* 3-7, 9-12, 14, 15 */
#define NUM_PIRQS       4
#define RESET_HARD      0x02
#define RESET_CPU       0x04

/* The levels of all ISA lines that PIRQs are routed to. */
static void piix3_update_irq(struct piix3 *p)
{
    uint16_t levels = 0;

    for (unsigned i = 0; i < NUM_PIRQS; i++) {
        uint8_t route = p->pci.config[REG_PIRQRC + i];

        if (!(route & PIRQRC_OFF) && (p->pirq_levels >> i & 1))
            levels |= 1u << (route & 0x0f);
    }
    levels &= ROUTABLE_IRQS;
    for (unsigned irq = 0; irq < 16; irq++)
        wire_set(&p->irq[irq], levels >> irq & 1);
}

void piix3_set_pci_irq(void *opaque, unsigned pirq, bool level)
{
    struct piix3 *p = opaque;
    uint8_t bit = 1u << (pirq % NUM_PIRQS);

    p->pirq_levels = level ? p->pirq_levels | bit : p->pirq_levels & ~bit;
    piix3_update_irq(p);
}

static void piix3_written(void *opaque, unsigned offset, unsigned len)
{
    piix3_update_irq(opaque);
}

static uint64_t reset_control_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct piix3 *p = opaque;

    return p->reset_control;
}

/* CF9h: a rising RCPU resets, SRST (bit 1) says whether the machine or the processor. */
static void reset_control_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct piix3 *p = opaque;
    bool is_rising = value & ~p->reset_control & RESET_CPU;

    p->reset_control = value & (RESET_HARD | RESET_CPU);
    if (!is_rising)
        return;
    log_at(LOG_DEV, "piix3: %s reset by port cf9h", value & RESET_HARD ? "hard" : "soft");
    p->reset_control &= ~RESET_CPU;
    wire_pulse(value & RESET_HARD || !p->init ? p->reset : p->init);
}

static const struct io_ops reset_control_io = {
    .name = "reset-control", .read = reset_control_read, .write = reset_control_write, .min_size = 1, .max_size = 1};

static void piix3_reset(struct device *dev)
{
    struct piix3 *p = container_of(dev, struct piix3, dev);

    pci_reset_function(&p->pci);
    p->reset_control = 0;
    p->pirq_levels = 0;
    piix3_update_irq(p);
}

static void piix3_loaded(struct device *dev)
{
    struct piix3 *p = container_of(dev, struct piix3, dev);

    pci_loaded_function(&p->pci);
    piix3_update_irq(p);
}

static const struct field piix3_state[] = {FIELD(struct piix3, pci.config), FIELD(struct piix3, pirq_levels),
                                           FIELD(struct piix3, reset_control), FIELD_END};
static const struct device_ops piix3_ops = {
    .name = "piix3", .reset = piix3_reset, .state = piix3_state, .loaded = piix3_loaded};

int piix3_init(struct piix3 *p, struct pci_bus *bus, struct wire *irq, struct wire *reset, struct wire *init)
{
    int err;

    *p = (struct piix3){.dev.ops = &piix3_ops, .irq = irq, .reset = reset, .init = init};
    pci_init_function(&p->pci, "piix3", VENDOR_INTEL, 0x7000, PCI_CLASS_ISA_BRIDGE, 0);
    p->pci.opaque = p;
    p->pci.written = piix3_written;
    p->pci.config[PCI_HEADER_TYPE] = 0x80; /* more functions follow */
    p->pci.config[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER; /* hardwired */
    memset(&p->pci.wmask[PCI_COMMAND], 0, 2);
    p->pci.config[PCI_STATUS + 1] = STATUS_DEVSEL;
    p->pci.config[0x4c] = 0x4d; /* ISA I/O recovery */
    p->pci.config[0x4e] = 0x03; /* XBCS: RTC and keyboard decoded */
    memset(&p->pci.wmask[0x4c], 0xff, 4);
    memset(&p->pci.config[REG_PIRQRC], PIRQRC_OFF, NUM_PIRQS);
    memset(&p->pci.wmask[REG_PIRQRC], PIRQRC_OFF | 0x0f, NUM_PIRQS);
    p->pci.config[0x69] = 0x02; /* top of memory */
    p->pci.wmask[0x69] = 0xfe;
    memset(&p->pci.wmask[0x6a], 0xff, 2);  /* miscellaneous status */
    p->pci.config[0x70] = p->pci.config[0x71] = 0x80; /* motherboard device IRQ routing: off */
    memset(&p->pci.wmask[0x70], 0xef, 2);
    p->pci.config[0x76] = p->pci.config[0x77] = 0x0c;
    memset(&p->pci.wmask[0x76], 0x8f, 2);
    p->pci.config[0x78] = 0x02; /* programmable chip select */
    memset(&p->pci.wmask[0x78], 0xff, 2);
    p->pci.wmask[0x80] = 0x7f; /* APIC base address */
    p->pci.wmask[0x82] = 0x0f; /* deterministic latency */
    p->pci.config[0xa0] = 0x08;
    memset(&p->pci.wmask[0xa0], 0xff, 0x10); /* SMI control, enables, timers */
    err = pci_add(bus, &p->pci, PCI_DEVFN(SLOT, 0));
    if (err < 0)
        return err;
    pci_set_pirq_handler(bus, piix3_set_pci_irq, p);
    pci_set_cf9_handler(bus, &reset_control_io, p);
    return 0;
}

/* ---- 01.1: IDE ---- */

#define REG_IDETIM      0x40 /* two words and SIDETIM */
#define IDETIM_DECODE   0x80 /* high byte: the channel's ports are decoded */
#define BM_BAR          4
#define BM_CHANNEL_LEN  8

/* BMIBA: two blocks of eight ports. */
static int map_bus_master(void *opaque, uint32_t base, bool is_enabled)
{
    struct piix3_ide *p = opaque;
    struct space *ports = p->bus->ports;
    int err;

    if (!is_enabled) {
        space_unmap(ports, base, 2 * BM_CHANNEL_LEN);
        return 0;
    }
    err = space_map_io(ports, base, BM_CHANNEL_LEN, &ide_bus_master_io, &p->channel[0]);
    if (err < 0)
        return err;
    err = space_map_io(ports, base + BM_CHANNEL_LEN, BM_CHANNEL_LEN, &ide_bus_master_io, &p->channel[1]);
    if (err < 0)
        space_unmap(ports, base, BM_CHANNEL_LEN);
    return err;
}

static void piix3_ide_reset(struct device *dev)
{
    pci_reset_function(&container_of(dev, struct piix3_ide, dev)->pci);
}

static void piix3_ide_loaded(struct device *dev)
{
    pci_loaded_function(&container_of(dev, struct piix3_ide, dev)->pci);
}

static const struct field piix3_ide_state[] = {FIELD(struct piix3_ide, pci.config), FIELD_END};
static const struct device_ops piix3_ide_ops = {
    .name = "piix3-ide", .reset = piix3_ide_reset, .state = piix3_ide_state, .loaded = piix3_ide_loaded};

int piix3_ide_init(struct piix3_ide *p, struct pci_bus *bus, struct clock *clock, struct wire *irq14, struct wire *irq15)
{
    struct ide_config cfg = {.mem = bus->mem, .ports = bus->ports, .clock = clock, .pci = &p->pci};
    int err;

    p->dev.ops = &piix3_ide_ops;
    p->bus = bus;
    pci_init_function(&p->pci, "piix3-ide", VENDOR_INTEL, 0x7010, PCI_CLASS_IDE, 0);
    p->pci.config[PCI_STATUS] = 0x80; /* fast back-to-back */
    p->pci.config[PCI_STATUS + 1] = STATUS_DEVSEL;
    p->pci.bar[BM_BAR] =
        (struct pci_bar){.size = 2 * BM_CHANNEL_LEN, .is_io = true, .map = map_bus_master, .opaque = p};
    p->pci.config[REG_IDETIM + 1] = p->pci.config[REG_IDETIM + 3] = IDETIM_DECODE;
    memset(&p->pci.wmask[REG_IDETIM], 0xff, 5);
    err = pci_add(bus, &p->pci, PCI_DEVFN(SLOT, 1));
    if (err < 0)
        return err;
    cfg.irq = irq14;
    cfg.command_base = 0x1f0;
    cfg.control_port = 0x3f6;
    err = ide_init(&p->channel[0], &cfg);
    if (err < 0)
        return err;
    cfg.irq = irq15;
    cfg.command_base = 0x170;
    cfg.control_port = 0x376;
    return ide_init(&p->channel[1], &cfg);
}

/* ---- 01.3: power management ---- */

#define REG_PMBASE        0x40
#define REG_DEVACTB       0x58
#define DEVACTB_APMC_EN   0x02 /* in the top byte: SMI on writes to B2h; set says to firmware that SMM is set up */
#define REG_DEVRESE       0x5f /* what ACPI tables look at to tell which ISA devices exist */
#define REG_DEVRESG       0x63
#define REG_DEVRESI       0x67
#define REG_PMREGMISC     0x80
#define PMREGMISC_PMIOSE  0x01
#define REG_SMBBASE       0x90
#define REG_SMBHSTCFG     0xd2
#define SMBHSTCFG_ENABLE  0x01
#define REG_SMBREV        0xd6
#define SMBUS_LEN         16

enum { SMB_HSTSTS = 0, SMB_HSTCNT = 2, SMB_HSTCMD, SMB_HSTADD, SMB_DAT0, SMB_DAT1, SMB_BLKDAT };
enum { HSTSTS_DEV_ERR = 0x04, HSTSTS_CLEARABLE = 0x1e };
enum { HSTCNT_START = 0x40, HSTCNT_KEPT = 0x1f };

static uint64_t smbus_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct piix4pm *p = opaque;

    switch (offset) {
    case SMB_HSTSTS:
        return p->smb_status;
    case SMB_HSTCNT:
        return p->smb_control;
    case SMB_HSTCMD:
        return p->smb_command;
    case SMB_HSTADD:
        return p->smb_address;
    case SMB_DAT0:
        return p->smb_data0;
    case SMB_DAT1:
        return p->smb_data1;
    case SMB_BLKDAT:
        return p->smb_block;
    default:
        return 0; /* the slave side */
    }
}

/* Nobody acknowledges his address on this bus. */
static void smbus_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct piix4pm *p = opaque;

    switch (offset) {
    case SMB_HSTSTS:
        p->smb_status &= ~(value & HSTSTS_CLEARABLE);
        break;
    case SMB_HSTCNT:
        p->smb_control = value & HSTCNT_KEPT;
        if (value & HSTCNT_START)
            p->smb_status |= HSTSTS_DEV_ERR;
        break;
    case SMB_HSTCMD:
        p->smb_command = value;
        break;
    case SMB_HSTADD:
        p->smb_address = value;
        break;
    case SMB_DAT0:
        p->smb_data0 = value;
        break;
    case SMB_DAT1:
        p->smb_data1 = value;
        break;
    case SMB_BLKDAT:
        p->smb_block = value;
        break;
    default:
        break;
    }
}

static const struct io_ops smbus_io = {
    .name = "smbus", .read = smbus_read, .write = smbus_write, .min_size = 1, .max_size = 1};

static void update_smbus(struct piix4pm *p)
{
    const uint8_t *config = p->pci.config;
    bool is_enabled = (config[PCI_COMMAND] & PCI_COMMAND_IO) && (config[REG_SMBHSTCFG] & SMBHSTCFG_ENABLE);
    uint16_t base = is_enabled ? load_le(config + REG_SMBBASE, 2) & 0xfff0 : 0;

    if (base == p->smb_mapped)
        return;
    if (p->smb_mapped)
        space_unmap(p->bus->ports, p->smb_mapped, SMBUS_LEN);
    p->smb_mapped = 0;
    if (base && space_map_io(p->bus->ports, base, SMBUS_LEN, &smbus_io, p) == 0)
        p->smb_mapped = base;
}

static void piix4pm_update(struct piix4pm *p)
{
    const uint8_t *config = p->pci.config;

    update_smbus(p);
    if (p->cfg.set_base)
        p->cfg.set_base(p->cfg.opaque, load_le(config + REG_PMBASE, 2) & 0xffc0,
                        config[REG_PMREGMISC] & PMREGMISC_PMIOSE);
    if (p->cfg.set_apmc_smi)
        p->cfg.set_apmc_smi(p->cfg.opaque, config[REG_DEVACTB + 3] & DEVACTB_APMC_EN);
}

/* The callback may remap ports: only for the registers it depends on. */
static void piix4pm_written(void *opaque, unsigned offset, unsigned len)
{
    static const uint8_t registers[] = {PCI_COMMAND,    REG_PMBASE,      REG_PMBASE + 1, REG_PMREGMISC,
                                        REG_SMBBASE, REG_SMBBASE + 1, REG_SMBHSTCFG,  REG_DEVACTB + 3};

    for (unsigned i = 0; i < sizeof(registers); i++) {
        if (registers[i] >= offset && registers[i] < offset + len) {
            piix4pm_update(opaque);
            return;
        }
    }
}

static void piix4pm_reset(struct device *dev)
{
    struct piix4pm *p = container_of(dev, struct piix4pm, dev);

    pci_reset_function(&p->pci);
    p->smb_status = p->smb_control = p->smb_command = p->smb_address = 0;
    p->smb_data0 = p->smb_data1 = p->smb_block = 0;
    piix4pm_update(p);
}

static void piix4pm_loaded(struct device *dev)
{
    struct piix4pm *p = container_of(dev, struct piix4pm, dev);

    pci_loaded_function(&p->pci);
    piix4pm_update(p);
}

static const struct field piix4pm_state[] = {
    FIELD(struct piix4pm, pci.config),  FIELD(struct piix4pm, smb_status),  FIELD(struct piix4pm, smb_control),
    FIELD(struct piix4pm, smb_command), FIELD(struct piix4pm, smb_address), FIELD(struct piix4pm, smb_data0),
    FIELD(struct piix4pm, smb_data1),   FIELD(struct piix4pm, smb_block),   FIELD_END};
static const struct device_ops piix4pm_ops = {
    .name = "piix4pm", .reset = piix4pm_reset, .state = piix4pm_state, .loaded = piix4pm_loaded};

/* Bits that the firmware's ACPI tables read: E bit 7 parallel port, G 60h always, I bit 3 COM1, bit 7 COM2. */
static void describe_isa_devices(struct piix4pm *p)
{
    p->pci.config[REG_DEVRESE] = p->cfg.has_parallel ? 0x90 : 0x10;
    p->pci.config[REG_DEVRESG] = 0x60;
    p->pci.config[REG_DEVRESI] = (p->cfg.num_serial > 0 ? 0x08 : 0) | (p->cfg.num_serial > 1 ? 0x90 : 0);
}

int piix4pm_init(struct piix4pm *p, struct pci_bus *bus, const struct piix4pm_config *cfg)
{
    *p = (struct piix4pm){.dev.ops = &piix4pm_ops, .bus = bus, .cfg = *cfg};
    pci_init_function(&p->pci, "piix4pm", VENDOR_INTEL, 0x7113, PCI_CLASS_OTHER_BRIDGE, 3);
    p->pci.opaque = p;
    p->pci.written = piix4pm_written;
    p->pci.config[PCI_STATUS] = 0x80;
    p->pci.config[PCI_STATUS + 1] = STATUS_DEVSEL;
    p->pci.config[PCI_INTERRUPT_LINE] = 9;
    p->pci.config[PCI_INTERRUPT_PIN] = 1; /* reads as INTA#, but SCI is wired to IRQ 9 */
    p->pci.config[REG_PMBASE] = 0x01;     /* I/O space, hardwired */
    store_le(&p->pci.wmask[REG_PMBASE], 2, 0xffc0);
    memset(&p->pci.wmask[0x44], 0xff, 0x1b); /* CNTA, CNTB, GPICTL, DEVRES, DEVACT: without effect */
    memset(&p->pci.wmask[REG_DEVACTB], 0xff, 4);
    describe_isa_devices(p);
    p->pci.wmask[REG_PMREGMISC] = PMREGMISC_PMIOSE;
    p->pci.config[REG_SMBBASE] = 0x01;
    store_le(&p->pci.wmask[REG_SMBBASE], 2, 0xfff0);
    p->pci.wmask[REG_SMBHSTCFG] = 0x0f;
    p->pci.config[REG_SMBREV] = 0;
    return pci_add(bus, &p->pci, PCI_DEVFN(SLOT, 3));
}
