/* 82441FX (PMC) host bridge: the part that decides whether C0000h-FFFFFh is ROM or RAM. */
#ifndef DEVICES_I440FX_H
#define DEVICES_I440FX_H

#include "devices/pci.h"

struct i440fx_config {
    struct guestmem *guestmem;
    uint64_t ram_off;     /* memfd offset of guest physical 0: RAM under A0000h-FFFFFh must exist there */
    uint64_t ram_bytes;   /* for the DRAM boundary registers */
    uint64_t rom_off;     /* memfd offset of the ROM image whose end is seen at FFFFFh... */
    uint32_t rom_bytes;   /* ...and its length; the last 128 KiB at most are seen there.  Multiple of 4096 */
    /* The SMRAM register: the RAM under A0000h-BFFFFh shows in SMM if is_enabled; outside SMM too if is_open as well; but not to
     * data accesses if is_data_closed.  Called after every write to the bridge, and in resets.  May be NULL. */
    void (*set_smram)(void *opaque, bool is_enabled, bool is_open, bool is_data_closed);
    void *opaque;
};

struct i440fx {
    struct device dev;
    struct pci_function pci;
    struct pci_bus *bus;
    struct i440fx_config cfg;
    uint64_t hole_off;    /* all-ones page run: what reads of an empty segment find while writes go to RAM */
    uint8_t pam_shown[13]; /* PAM state that is mapped now; PAM_UNMAPPED before the first time */
};

/* Maps C0000h-FFFFFh of the bus's memory space; everything else in it is the board's.  Slot 00.0.  0 or -errno. */
int i440fx_init(struct i440fx *c, struct pci_bus *bus, const struct i440fx_config *cfg);

#endif
