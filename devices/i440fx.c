/* 82441FX PCI and memory controller (PMC), host bridge of the 440FX chip set.
 * Intel 82441FX data sheet (290549), 3.2: PAM0-6 (59h-5Fh), DRB0-7 (60h-67h), SMRAM (72h).
 *
 * Each half of a PAM register rules one segment: bit 0 RE (reads go to DRAM), bit 1 WE (writes go to DRAM).
 *
 *     register  59h          5Ah      5Bh      5Ch      5Dh      5Eh      5Fh
 *     high      F0000-FFFFF  C4000    CC000    D4000    DC000    E4000    EC000     (16 KiB each but the first)
 *     low       reserved     C0000    C8000    D0000    D8000    E0000    E8000
 *
 * What is not DRAM goes to PCI: the system ROM's alias in E0000h-FFFFFh, nothing below.  SMRAM (72h) says when the processor
 * sees the RAM under the VGA window; masters on the bus never do. */
#include "devices/i440fx.h"

#include <string.h>
#include "host/log.h"

#define REG_PAM0     0x59
#define REG_DRB0     0x60
#define REG_SMRAM    0x72
#define PAM_RE       1
#define PAM_WE       2
#define PAM_UNMAPPED 0xff
#define NUM_SEGMENTS 13
#define SMRAM_D_OPEN 0x40
#define SMRAM_D_CLS  0x20
#define SMRAM_D_LCK  0x10
#define SMRAM_G_SMRAME 0x08
#define SEGMENT_LEN  0x4000u
#define MAX_ALIAS    0x20000u /* ROM decoded below 1 MiB */
#define DRB_UNIT     MIB(8)

static uint32_t segment_base(unsigned segment)
{
    return segment == 12 ? 0xf0000u : 0xc0000u + segment * SEGMENT_LEN;
}

static uint32_t segment_len(unsigned segment)
{
    return segment == 12 ? 0x10000u : SEGMENT_LEN;
}

static uint8_t segment_rights(const struct i440fx *c, unsigned segment)
{
    if (segment == 12)
        return (c->pci.config[REG_PAM0] >> 4) & (PAM_RE | PAM_WE);
    return (c->pci.config[REG_PAM0 + 1 + segment / 2] >> (segment & 1 ? 4 : 0)) & (PAM_RE | PAM_WE);
}

/* Map [base, base+len) where reads find src_off.  With WE, writes reach the RAM beneath. */
static void map_pci_side(struct i440fx *c, uint32_t base, uint32_t len, uint64_t src_off, bool has_we)
{
    uint64_t write_off = has_we ? c->cfg.ram_off + base : src_off;

    space_map_mem(c->bus->mem, base, len, src_off, write_off, has_we ? SPACE_R | SPACE_W : SPACE_R);
}

/* RE = 0: reads find the ROM alias in its part of the segment, nothing in the rest. */
static void map_segment_rom(struct i440fx *c, uint32_t base, uint32_t len, bool has_we)
{
    uint32_t alias_len = c->cfg.rom_bytes < MAX_ALIAS ? c->cfg.rom_bytes : MAX_ALIAS;
    uint32_t alias = 0x100000u - alias_len;
    uint32_t hole_len = base < alias ? (alias - base < len ? alias - base : len) : 0;

    if (hole_len && has_we)
        map_pci_side(c, base, hole_len, c->hole_off, true);
    if (hole_len < len)
        map_pci_side(c, base + hole_len, len - hole_len,
                     c->cfg.rom_off + c->cfg.rom_bytes - (0x100000u - (base + hole_len)), has_we);
}

static void map_segment(struct i440fx *c, unsigned segment)
{
    uint8_t rights = segment_rights(c, segment);
    uint32_t base = segment_base(segment), len = segment_len(segment);
    uint64_t ram_off = c->cfg.ram_off + base;

    if (c->pam_shown[segment] == rights)
        return;
    c->pam_shown[segment] = rights;
    space_unmap(c->bus->mem, base, len);
    if (!(rights & PAM_RE))
        map_segment_rom(c, base, len, rights & PAM_WE);
    else
        space_map_mem(c->bus->mem, base, len, ram_off, ram_off, rights & PAM_WE ? SPACE_R | SPACE_W : SPACE_R);
    log_at(LOG_MMU, "i440fx: %#x-%#x read %s, write %s", base, base + len - 1, rights & PAM_RE ? "ram" : "rom",
           rights & PAM_WE ? "ram" : "rom");
}

static void tell_smram(const struct i440fx *c)
{
    uint8_t smram = c->pci.config[REG_SMRAM];

    if (c->cfg.set_smram)
        c->cfg.set_smram(c->cfg.opaque, smram & SMRAM_G_SMRAME, smram & SMRAM_D_OPEN, smram & SMRAM_D_CLS);
}

static void i440fx_update(struct i440fx *c)
{
    space_begin(c->bus->mem);
    for (unsigned i = 0; i < NUM_SEGMENTS; i++)
        map_segment(c, i);
    space_commit(c->bus->mem);
    tell_smram(c);
}

static void i440fx_written(void *opaque, unsigned offset, unsigned len)
{
    struct i440fx *c = opaque;
    uint8_t *smram = &c->pci.config[REG_SMRAM];

    if (*smram & SMRAM_D_LCK) { /* locked: closed for good, until reset */
        *smram &= ~SMRAM_D_OPEN;
        c->pci.wmask[REG_SMRAM] = 0;
    }
    i440fx_update(c);
}

static void i440fx_unlock_smram(struct i440fx *c)
{
    bool is_locked = c->pci.config[REG_SMRAM] & SMRAM_D_LCK;

    c->pci.wmask[REG_SMRAM] = is_locked ? 0 : SMRAM_D_OPEN | SMRAM_D_CLS | SMRAM_D_LCK | SMRAM_G_SMRAME;
}

static void i440fx_reset(struct device *dev)
{
    struct i440fx *c = container_of(dev, struct i440fx, dev);

    pci_reset_function(&c->pci);
    i440fx_unlock_smram(c);
    i440fx_update(c);
}

static void i440fx_loaded(struct device *dev)
{
    struct i440fx *c = container_of(dev, struct i440fx, dev);

    pci_loaded_function(&c->pci);
    i440fx_unlock_smram(c);
    i440fx_update(c);
}

/* DRAM row boundaries in units of 8 MiB, as if one double-sided module after another were plugged in; saturated. */
static void fill_drb(struct i440fx *c)
{
    uint64_t units = (c->cfg.ram_bytes + DRB_UNIT - 1) / DRB_UNIT;

    for (unsigned row = 0; row < 8; row++) {
        uint64_t end = (row + 1) * ((units + 7) / 8);

        if (end > units)
            end = units;
        c->pci.config[REG_DRB0 + row] = end > 0xff ? 0xff : end;
        c->pci.wmask[REG_DRB0 + row] = 0xff;
    }
}

static const struct field i440fx_state[] = {FIELD(struct i440fx, pci.config), FIELD_END};
static const struct device_ops i440fx_ops = {
    .name = "i440fx", .reset = i440fx_reset, .state = i440fx_state, .loaded = i440fx_loaded};

int i440fx_init(struct i440fx *c, struct pci_bus *bus, const struct i440fx_config *cfg)
{
    int64_t hole_off;
    int err;

    *c = (struct i440fx){.dev.ops = &i440fx_ops, .bus = bus, .cfg = *cfg};
    hole_off = guestmem_alloc(cfg->guestmem, segment_len(12));
    if (hole_off < 0)
        return hole_off;
    c->hole_off = hole_off;
    memset(guestmem_view(cfg->guestmem) + hole_off, 0xff, segment_len(12));
    memset(c->pam_shown, PAM_UNMAPPED, sizeof(c->pam_shown));

    pci_init_function(&c->pci, "i440fx", 0x8086, 0x1237, PCI_CLASS_HOST_BRIDGE, 2);
    c->pci.opaque = c;
    c->pci.written = i440fx_written;
    c->pci.config[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER; /* hardwired: it always answers */
    c->pci.wmask[PCI_COMMAND] = 0;
    c->pci.config[PCI_STATUS + 1] = 0x02; /* medium DEVSEL# timing */
    c->pci.config[REG_SMRAM] = 0x02;
    memset(&c->pci.wmask[REG_PAM0], 0x33, 7);
    c->pci.wmask[REG_PAM0] = 0x30;
    memset(&c->pci.wmask[0x50], 0xff, 4); /* PMCCFG, DETURBO: stored, without effect */
    fill_drb(c);
    err = pci_add(bus, &c->pci, PCI_DEVFN(0, 0));
    if (err < 0)
        return err;
    i440fx_unlock_smram(c);
    i440fx_update(c);
    return 0;
}
