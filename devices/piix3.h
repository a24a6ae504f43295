/* South bridge: PIIX3 ISA bridge (01.0) and IDE (01.1), and the power management function of a PIIX4 (01.3). */
#ifndef DEVICES_PIIX3_H
#define DEVICES_PIIX3_H

#include "devices/ide.h"
#include "devices/pci.h"
#include "devices/wire.h"

/* 01.0: PCI interrupts to ISA interrupts, reset control at CF9h. */
struct piix3 {
    struct device dev;
    struct pci_function pci;
    struct wire *irq;     /* 16 wires, one for each ISA line; 3-7, 9-12, 14 and 15 are used */
    struct wire *reset;   /* pulsed: the whole machine */
    struct wire *init;    /* pulsed: the processor alone; NULL: reset is pulsed instead */
    uint8_t pirq_levels;  /* bit n: PIRQ n is active */
    uint8_t reset_control;
};

/* irq: an array of 16 wires owned by the board, which ORs them with the ISA devices' lines where they are shared.
 * reset and init are pulsed in the middle of the guest's OUT: the receiver notes it and acts when the CPU is out.
 * Connects itself to the bus (PIRQs and CF9h).  0 or -errno. */
int piix3_init(struct piix3 *p, struct pci_bus *bus, struct wire *irq, struct wire *reset, struct wire *init);
/* PIRQA..D as 0..3; opaque is the piix3. */
void piix3_set_pci_irq(void *opaque, unsigned pirq, bool level);

/* 01.1: both IDE channels (1F0h/3F6h and 170h/376h) and the bus master BAR. */
struct piix3_ide {
    struct device dev; /* configuration space only: the channels are devices of their own */
    struct pci_function pci;
    struct pci_bus *bus;
    struct ide_channel channel[2];
};

/* irq14 and irq15 are the channels' INTRQ.  Then plug drives in by ide_attach_disk/cdrom(&p->channel[n], …).
 * Reset, save and load &p->dev and both &p->channel[n].dev.  0 or -errno. */
int piix3_ide_init(struct piix3_ide *p, struct pci_bus *bus, struct clock *clock, struct wire *irq14, struct wire *irq15);

/* 01.3: where the ACPI registers and the SMBus host are. */
struct piix4pm_config {
    /* PMBASE or its enable changed.  Called in resets too.  NULL: nobody. */
    void (*set_base)(void *opaque, uint16_t base, bool is_enabled);
    void (*set_apmc_smi)(void *opaque, bool is_enabled); /* the same for DEVACTB.APMC_EN */
    void *opaque;
    unsigned num_serial; /* UARTs that ACPI tables should tell of: 0, 1 (3F8h), 2 (and 2F8h) */
    bool has_parallel;
};

struct piix4pm {
    struct device dev;
    struct pci_function pci;
    struct pci_bus *bus;
    struct piix4pm_config cfg;
    uint8_t smb_status, smb_control, smb_command, smb_address, smb_data0, smb_data1, smb_block;
    uint16_t smb_mapped; /* base of the SMBus ports; 0: not mapped */
};

int piix4pm_init(struct piix4pm *p, struct pci_bus *bus, const struct piix4pm_config *cfg); /* 0 or -errno */

#endif
