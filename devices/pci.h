/* PCI bus 0: configuration mechanism #1, type-0 functions, base address registers, INTx.
 * PCI Local Bus Specification 3.0, 3.2.2.3.2 (mechanism #1), 6.1 (header), 6.2.5 (base addresses).
 *
 * How a card joins the bus.  Its chip embeds a struct pci_function, fills in the identity and describes its BARs, then adds
 * itself in its init:
 *
 *     pci_init_function(&v->pci, "vga", 0x1234, 0x1111, PCI_CLASS_VGA, 2);
 *     v->pci.bar[0] = (struct pci_bar){.size = MIB(16), .is_prefetchable = true, .map = vga_map_lfb, .opaque = v};
 *     err = pci_set_rom(&v->pci, guestmem, image, len);          (option ROM, if it has one)
 *     v->pci.config[PCI_INTERRUPT_PIN] = 1;                      (INTA#, if it interrupts)
 *     err = pci_add(bus, &v->pci, PCI_DEVFN(2, 0));
 *
 * The reset function of the chip calls pci_reset_function(); its state table has FIELD(struct vga, pci.config) and
 * FIELD(struct vga, pci.intx_level), and its loaded function calls pci_loaded_function().
 *
 * A BAR's map callback is called with is_enabled = true when the guest gave the range a place and switched decoding on,
 * and with the same base and is_enabled = false before it moves or goes.  It (un)maps by space_map_io/space_map_mem and
 * returns what they return; a place that is taken (-EEXIST) is tried again after the next configuration change.
 *
 * Slots: 00.0 host bridge, 01.0 ISA bridge, 01.1 IDE, 01.3 power management, 02.0 VGA, 03.0 and up: NICs and others.
 * Thread: machine thread. */
#ifndef DEVICES_PCI_H
#define DEVICES_PCI_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "mmu/space.h"

#define PCI_DEVFN(slot, fn) (((slot) << 3) | (fn))

/* Offsets in the type-0 header. */
enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* programming interface, subclass, class */
    PCI_LATENCY_TIMER = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_ROM_BAR = 0x30,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d
};
enum {
    PCI_COMMAND_IO = 0x001,
    PCI_COMMAND_MEMORY = 0x002,
    PCI_COMMAND_MASTER = 0x004,
    PCI_COMMAND_INTX_DISABLE = 0x400,
    PCI_STATUS_INTX = 0x008
};
/* 24 bits: class, subclass, programming interface. */
enum {
    PCI_CLASS_IDE = 0x010180, /* bus master, compatibility mode */
    PCI_CLASS_ETHERNET = 0x020000,
    PCI_CLASS_VGA = 0x030000,
    PCI_CLASS_HOST_BRIDGE = 0x060000,
    PCI_CLASS_ISA_BRIDGE = 0x060100,
    PCI_CLASS_OTHER_BRIDGE = 0x068000
};

#define PCI_NUM_BARS 6
#define PCI_ROM      6 /* index of the expansion ROM in bar[] */

typedef int pci_map_fn(void *opaque, uint32_t base, bool is_enabled); /* 0 or -errno */

struct pci_bar {
    uint32_t size; /* power of two, at least 4 (I/O) or 4096 (memory); 0: no such BAR */
    bool is_io, is_prefetchable;
    pci_map_fn *map;
    void *opaque;
    uint32_t base; /* private to pci.c: where it is mapped, while is_mapped */
    bool is_mapped;
};

struct pci_bus;

struct pci_function {
    const char *name;
    uint8_t config[256];
    uint8_t wmask[256];   /* bits the guest can write */
    uint8_t w1cmask[256]; /* bits the guest clears by writing 1 */
    struct pci_bar bar[PCI_NUM_BARS + 1];
    /* After the guest changed config[offset..offset+len).  NULL: not interested. */
    void (*written)(void *opaque, unsigned offset, unsigned len);
    void *opaque;
    /* The rest is private to pci.c. */
    struct pci_bus *bus;
    uint8_t devfn;
    bool intx_level;           /* what the chip drives */
    uint8_t reset_config[256]; /* as it was at pci_add() */
    int64_t rom_off;           /* in guest memory */
};

struct pci_bus {
    struct device dev;
    struct space *mem, *ports;
    uint32_t address; /* CONFIG_ADDRESS, port CF8h */
    struct pci_function *function[256];
    /* INTx after the swizzle: PIRQA..D of the PIIX3 as 0..3. */
    void (*set_pirq)(void *opaque, unsigned pirq, bool level);
    void *pirq_opaque;
    /* Byte accesses to port CF9h, which lies inside CONFIG_ADDRESS and belongs to the ISA bridge. */
    const struct io_ops *cf9;
    void *cf9_opaque;
};

/* Takes ports CF8h-CFFh.  0 or -errno. */
int pci_init(struct pci_bus *bus, struct space *mem, struct space *ports);
void pci_set_pirq_handler(struct pci_bus *bus, void (*set_pirq)(void *opaque, unsigned pirq, bool level), void *opaque);
void pci_set_cf9_handler(struct pci_bus *bus, const struct io_ops *ops, void *opaque);

/* Zero f, write identity and the usual masks: command bits, interrupt line, latency timer.  Subsystem is 1af4:1100. */
void pci_init_function(struct pci_function *f, const char *name, uint16_t vendor, uint16_t device, uint32_t class_code,
                       uint8_t revision);
/* Copy an option ROM to fresh guest memory and describe it as the expansion ROM BAR.  Before pci_add().  0 or -errno. */
int pci_set_rom(struct pci_function *f, struct guestmem *m, const void *image, uint32_t len);
/* f outlives bus.  0, -EEXIST: the slot is taken, -EINVAL: a BAR's size is wrong. */
int pci_add(struct pci_bus *bus, struct pci_function *f, unsigned devfn);
/* Back to the configuration it had at pci_add(): nothing mapped, INTx low. */
void pci_reset_function(struct pci_function *f);
/* After config[] was loaded: map what it says and drive INTx. */
void pci_loaded_function(struct pci_function *f);

/* INTx of a function: level of the pin that config[PCI_INTERRUPT_PIN] names (nothing happens if 0). */
void pci_set_intx(struct pci_function *f, bool level);
/* May the function read and write guest memory? */
static inline bool pci_is_master(const struct pci_function *f)
{
    return f->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}
/* Configuration space by devfn, as the ports do it (all-ones where nobody is).  offset + size <= 256. */
uint32_t pci_config_read(struct pci_bus *bus, unsigned devfn, unsigned offset, unsigned size);
void pci_config_write(struct pci_bus *bus, unsigned devfn, unsigned offset, unsigned size, uint32_t value);

#endif
