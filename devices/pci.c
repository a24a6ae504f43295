/* PCI bus 0: configuration mechanism #1, type-0 functions, base address registers, INTx.
 * PCI Local Bus Specification 3.0, 3.2.2.3.2, 6.1, 6.2.4 (interrupt pin), 6.2.5 (base addresses).
 *
 * Writes to configuration space go byte by byte through the function's masks; then whatever depends on the bytes written
 * is derived anew.  No bus master or parity errors are modelled. */
#include "devices/pci.h"

#include <errno.h>
#include <string.h>
#include "host/log.h"

#define ADDRESS_ENABLE     0x80000000u
#define ADDRESS_WRITABLE   0x80fffffcu
#define BAR_IO             0x01
#define BAR_PREFETCHABLE   0x08
#define ROM_ENABLE         0x01
#define PORT_SPACE_LIMIT   0x10000u
#define NUM_PIRQS          4

static unsigned bar_offset(unsigned index)
{
    return index == PCI_ROM ? PCI_ROM_BAR : PCI_BAR0 + 4 * index;
}

/* Where the BAR asks to be decoded now; false if it is switched off, or holds what sizing leaves there.  Base 0 counts
 * as "not assigned yet", and so does a range that ends with the last byte of the space (all-ones while being sized). */
static bool bar_decodes_at(const struct pci_function *f, unsigned index, uint32_t *base)
{
    const struct pci_bar *bar = &f->bar[index];
    uint32_t value = load_le(f->config + bar_offset(index), 4);
    uint64_t limit = bar->is_io ? PORT_SPACE_LIMIT : 1ull << 32;

    if (!(f->config[PCI_COMMAND] & (bar->is_io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
        return false;
    if (index == PCI_ROM && !(value & ROM_ENABLE))
        return false;
    *base = value & ~(bar->size - 1);
    return *base != 0 && (uint64_t)*base + bar->size < limit;
}

static void unmap_stale_bars(struct pci_function *f)
{
    for (unsigned i = 0; i <= PCI_NUM_BARS; i++) {
        struct pci_bar *bar = &f->bar[i];
        uint32_t base;

        if (!bar->is_mapped || (bar_decodes_at(f, i, &base) && base == bar->base))
            continue;
        bar->map(bar->opaque, bar->base, false);
        bar->is_mapped = false;
    }
}

static void map_missing_bars(struct pci_function *f)
{
    for (unsigned i = 0; i <= PCI_NUM_BARS; i++) {
        struct pci_bar *bar = &f->bar[i];
        uint32_t base;

        if (!bar->size || bar->is_mapped || !bar_decodes_at(f, i, &base))
            continue;
        if (bar->map(bar->opaque, base, true) < 0) {
            log_at(LOG_IO, "pci: %s bar %u cannot be at %#x", f->name, i, base);
            continue;
        }
        bar->base = base;
        bar->is_mapped = true;
        log_at(LOG_DEV, "pci: %s bar %u at %#x", f->name, i, base);
    }
}

/* All functions take part: one that moves away may make room for another. */
static void update_mappings(struct pci_bus *bus)
{
    space_begin(bus->mem);
    space_begin(bus->ports);
    for (unsigned i = 0; i < ARRAY_SIZE(bus->function); i++)
        if (bus->function[i])
            unmap_stale_bars(bus->function[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(bus->function); i++)
        if (bus->function[i])
            map_missing_bars(bus->function[i]);
    space_commit(bus->ports);
    space_commit(bus->mem);
}

/* INTA#..INTD# of slot n reach PIRQ (n + pin - 1) mod 4. */
static unsigned function_pirq(const struct pci_function *f)
{
    return ((f->devfn >> 3) + f->config[PCI_INTERRUPT_PIN] - 1u) % NUM_PIRQS;
}

static bool drives_intx(const struct pci_function *f)
{
    return f->intx_level && f->config[PCI_INTERRUPT_PIN] &&
           !(load_le(f->config + PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
}

static void update_intx(struct pci_function *f)
{
    struct pci_bus *bus = f->bus;
    unsigned pirq = function_pirq(f);
    bool level = false;

    if (f->intx_level)
        f->config[PCI_STATUS] |= PCI_STATUS_INTX;
    else
        f->config[PCI_STATUS] &= ~PCI_STATUS_INTX;
    for (unsigned i = 0; i < ARRAY_SIZE(bus->function); i++) {
        const struct pci_function *other = bus->function[i];

        if (other && drives_intx(other) && function_pirq(other) == pirq)
            level = true;
    }
    if (bus->set_pirq)
        bus->set_pirq(bus->pirq_opaque, pirq, level);
}

void pci_set_intx(struct pci_function *f, bool level)
{
    if (f->intx_level == level || !f->bus)
        return;
    f->intx_level = level;
    update_intx(f);
}

uint32_t pci_config_read(struct pci_bus *bus, unsigned devfn, unsigned offset, unsigned size)
{
    const struct pci_function *f = bus->function[devfn & 0xff];

    if (!f || size > 4 || offset + size > sizeof(f->config))
        return UINT32_MAX;
    return load_le(f->config + offset, size);
}

static bool ranges_meet(unsigned a, unsigned a_len, unsigned b, unsigned b_len)
{
    return a < b + b_len && b < a + a_len;
}

void pci_config_write(struct pci_bus *bus, unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
    struct pci_function *f = bus->function[devfn & 0xff];

    if (!f || size > 4 || offset + size > sizeof(f->config))
        return;
    log_at(LOG_IO, "pci: %s config %#x/%u = %#x", f->name, offset, size, value);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = offset + i;
        uint8_t byte = value >> (8 * i);

        f->config[at] = (f->config[at] & ~f->wmask[at]) | (byte & f->wmask[at]);
        f->config[at] &= ~(byte & f->w1cmask[at]);
    }
    if (ranges_meet(offset, size, PCI_COMMAND, 2) || ranges_meet(offset, size, PCI_BAR0, 4 * PCI_NUM_BARS) ||
        ranges_meet(offset, size, PCI_ROM_BAR, 4))
        update_mappings(bus);
    if (ranges_meet(offset, size, PCI_COMMAND, 2))
        update_intx(f);
    if (f->written)
        f->written(f->opaque, offset, size);
}

/* CONFIG_ADDRESS answers to doublewords only; a byte at CF9h is the ISA bridge's reset control register. */
static uint64_t pci_address_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pci_bus *bus = opaque;

    if (size == 4 && offset == 0)
        return bus->address;
    if (size == 1 && offset == 1 && bus->cf9)
        return bus->cf9->read(bus->cf9_opaque, 0, 1);
    return UINT64_MAX;
}

static void pci_address_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_bus *bus = opaque;

    if (size == 4 && offset == 0)
        bus->address = value & ADDRESS_WRITABLE;
    else if (size == 1 && offset == 1 && bus->cf9)
        bus->cf9->write(bus->cf9_opaque, 0, 1, value);
}

/* Is CONFIG_DATA a window on this bus?  Devices answer on bus 0 only. */
static bool is_config_cycle(const struct pci_bus *bus)
{
    return (bus->address & ADDRESS_ENABLE) && (bus->address & 0xff0000) == 0;
}

static uint64_t pci_data_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pci_bus *bus = opaque;

    if (!is_config_cycle(bus))
        return UINT64_MAX;
    return pci_config_read(bus, (bus->address >> 8) & 0xff, (bus->address & 0xfc) + offset, size);
}

static void pci_data_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_bus *bus = opaque;

    if (is_config_cycle(bus))
        pci_config_write(bus, (bus->address >> 8) & 0xff, (bus->address & 0xfc) + offset, size, value);
}

static void pci_reset(struct device *dev)
{
    struct pci_bus *bus = container_of(dev, struct pci_bus, dev);

    bus->address = 0;
}

static const struct field pci_state[] = {FIELD(struct pci_bus, address), FIELD_END};
static const struct device_ops pci_ops = {.name = "pci", .reset = pci_reset, .state = pci_state};
static const struct io_ops pci_address_io = {
    .name = "pci-address", .read = pci_address_read, .write = pci_address_write, .min_size = 1, .max_size = 4};
static const struct io_ops pci_data_io = {
    .name = "pci-data", .read = pci_data_read, .write = pci_data_write, .min_size = 1, .max_size = 4};

int pci_init(struct pci_bus *bus, struct space *mem, struct space *ports)
{
    int err;

    *bus = (struct pci_bus){.dev.ops = &pci_ops, .mem = mem, .ports = ports};
    err = space_map_io(ports, 0xcf8, 4, &pci_address_io, bus);
    if (err < 0)
        return err;
    return space_map_io(ports, 0xcfc, 4, &pci_data_io, bus);
}

void pci_set_pirq_handler(struct pci_bus *bus, void (*set_pirq)(void *opaque, unsigned pirq, bool level), void *opaque)
{
    bus->set_pirq = set_pirq;
    bus->pirq_opaque = opaque;
}

void pci_set_cf9_handler(struct pci_bus *bus, const struct io_ops *ops, void *opaque)
{
    bus->cf9 = ops;
    bus->cf9_opaque = opaque;
}

void pci_init_function(struct pci_function *f, const char *name, uint16_t vendor, uint16_t device, uint32_t class_code,
                       uint8_t revision)
{
    *f = (struct pci_function){.name = name};
    store_le(f->config + PCI_VENDOR_ID, 2, vendor);
    store_le(f->config + PCI_DEVICE_ID, 2, device);
    store_le(f->config + PCI_CLASS, 3, class_code);
    f->config[PCI_REVISION] = revision;
    store_le(f->config + PCI_SUBSYSTEM_VENDOR_ID, 2, 0x1af4);
    store_le(f->config + PCI_SUBSYSTEM_ID, 2, 0x1100);
    store_le(f->wmask + PCI_COMMAND, 2,
             PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    store_le(f->w1cmask + PCI_STATUS, 2, 0xf900); /* error bits: never set, cleared by writing 1 */
    f->wmask[PCI_LATENCY_TIMER] = 0xf8;
    f->wmask[PCI_INTERRUPT_LINE] = 0xff;
}

static int pci_map_rom(void *opaque, uint32_t base, bool is_enabled)
{
    struct pci_function *f = opaque;
    uint32_t size = f->bar[PCI_ROM].size;

    if (is_enabled)
        return space_map_mem(f->bus->mem, base, size, f->rom_off, f->rom_off, SPACE_R);
    space_unmap(f->bus->mem, base, size);
    return 0;
}

int pci_set_rom(struct pci_function *f, struct guestmem *m, const void *image, uint32_t len)
{
    uint32_t size = GUEST_PAGE_SIZE;

    if (len == 0 || len > MIB(16))
        return -EINVAL;
    while (size < len)
        size <<= 1;
    f->rom_off = guestmem_alloc(m, size);
    if (f->rom_off < 0)
        return f->rom_off;
    memcpy(guestmem_view(m) + f->rom_off, image, len);
    f->bar[PCI_ROM] = (struct pci_bar){.size = size, .map = pci_map_rom, .opaque = f};
    return 0;
}

/* Hardwired low bits and size mask of one BAR. */
static int describe_bar(struct pci_function *f, unsigned index)
{
    const struct pci_bar *bar = &f->bar[index];
    uint32_t min = bar->is_io ? 4 : GUEST_PAGE_SIZE, max = bar->is_io ? 0x8000u : 0x80000000u;
    uint32_t mask = ~(bar->size - 1), fixed = 0;

    if (!bar->size)
        return 0;
    if (bar->size < min || bar->size > max || (bar->size & (bar->size - 1)) || !bar->map)
        return -EINVAL;
    if (index == PCI_ROM)
        mask |= ROM_ENABLE;
    else if (bar->is_io)
        fixed = BAR_IO;
    else if (bar->is_prefetchable)
        fixed = BAR_PREFETCHABLE;
    store_le(f->wmask + bar_offset(index), 4, mask);
    store_le(f->config + bar_offset(index), 4, fixed);
    return 0;
}

int pci_add(struct pci_bus *bus, struct pci_function *f, unsigned devfn)
{
    if (devfn >= ARRAY_SIZE(bus->function))
        return -EINVAL;
    if (bus->function[devfn])
        return -EEXIST;
    for (unsigned i = 0; i <= PCI_NUM_BARS; i++) {
        int err = describe_bar(f, i);

        if (err < 0)
            return err;
    }
    f->bus = bus;
    f->devfn = devfn;
    memcpy(f->reset_config, f->config, sizeof(f->config));
    bus->function[devfn] = f;
    return 0;
}

void pci_reset_function(struct pci_function *f)
{
    memcpy(f->config, f->reset_config, sizeof(f->config));
    f->intx_level = false;
    update_mappings(f->bus);
    update_intx(f);
}

void pci_loaded_function(struct pci_function *f)
{
    update_mappings(f->bus);
    update_intx(f);
}
