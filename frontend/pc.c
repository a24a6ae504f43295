/* The board: an i440FX/PIIX3 PC as SeaBIOS and every x86 system since 1995 know it.
 *
 *     memory   00000000-0009FFFF  RAM              port     000-01F 080-08F 0C0-0DF  DMA
 *              000A0000-000BFFFF  VGA                       020-021 0A0-0A1 4D0-4D1  interrupt controllers
 *              000C0000-000FFFFF  ROM or RAM, PAM           040-043 061              timer, speaker
 *              00100000-BFFFFFFF  RAM, at most              060 064                  keyboard controller
 *              C0000000-FFBFFFFF  PCI                       070-071                  RTC, CMOS
 *              FEC00000 FEE00000  I/O APIC, local APIC      092 0F0                  A20 and INIT, IRQ 13 latch
 *              FFxxxxxx-FFFFFFFF  BIOS                      170 1F0 376 3F6          IDE
 *     IRQ  0 timer   1 keyboard  3 COM2, COM4               2E8 2F8 3E8 3F8          COM4 COM2 COM3 COM1
 *          4 COM1, COM3   6 floppy   8 RTC   9 ACPI         3B4-3DF 1CE-1CF          VGA
 *         12 mouse  13 FPU  14, 15 IDE  10, 11 PCI          3F0-3F5 3F7              floppy
 *                                                           510-51B 0CF8-0CFF        firmware configuration, PCI
 *                                                           0B2-0B3 600-63F AFE0     ACPI, where the BIOS puts it
 *
 * An interrupt line is the OR of its ISA device, the PCI router and the ACPI block: one bit each in irq_sources[].  It goes to
 * the 8259s and to the I/O APIC, to the pin of the same number (IRQ 0: pin 2).  The 8259s' INTR is the local APIC's LINT0. */
#include "frontend/pc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "devices/acpipm.h"
#include "devices/apicbus.h"
#include "devices/debugcon.h"
#include "devices/dma8237.h"
#include "devices/exitport.h"
#include "devices/fdc.h"
#include "devices/fwcfg.h"
#include "devices/i440fx.h"
#include "devices/i8042.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pic.h"
#include "devices/piix3.h"
#include "devices/pit.h"
#include "devices/port92.h"
#include "devices/ps2.h"
#include "devices/rtc.h"
#include "devices/uart.h"
#include "frontend/boot_elf.h"
#include "frontend/boot_linux.h"
#include "frontend/firmware.h"
#include "host/block.h"
#include "host/chardev.h"
#include "host/guestmem.h"
#include "host/log.h"

#define MEMORY_SPACE_BYTES GIB(64) /* 36 address lines */
#define PORT_SPACE_BYTES   0x10000
#define EXTRA_MEMORY_BYTES MIB(64) /* video memory, ROMs, the bridge's hole */
#define RAM_LOW_END        0xa0000
#define RAM_HIGH_BASE      0x100000
#define SMRAM_BASE         0xa0000 /* RAM under the VGA window */
#define SMRAM_BYTES        0x20000
#define FPU_BUSY_PORT      0xf0
#define FLUSH_WAIT_NS      (100 * 1000000ull)
#define FLUSH_WAITS        300 /* half a minute in all */

#define IRQ_COUNT    16
#define IRQ_TIMER    0
#define IRQ_KEYBOARD 1
#define IRQ_FLOPPY   6
#define IRQ_RTC      8
#define IRQ_ACPI     9
#define IRQ_MOUSE    12
#define IRQ_FPU      13
#define IRQ_IDE0     14
#define IRQ_IDE1     15
#define IOAPIC_TIMER 2 /* the pin of IRQ 0, as SeaBIOS's tables say when FWCFG_IRQ0_OVERRIDE is set */

enum irq_source { SOURCE_ISA, SOURCE_PCI, SOURCE_ACPI, SOURCE_COUNT };
enum a20_source { A20_I8042, A20_PORT92 };

/* Slots of the bus. */
#define DEVFN_VGA PCI_DEVFN(2, 0)

#define MAX_DEVICES 32

static const struct {
    uint16_t base;
    uint8_t irq;
} com_ports[OPTIONS_MAX_SERIALS] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

struct pc {
    const struct options *options;
    struct clock *clock;
    struct mailbox *mail;
    struct loop *loop;
    struct pc_events events;

    struct guestmem *guestmem;
    struct space *memory, *ports;
    struct space *smm_memory; /* memory as the processor sees it in SMM */
    struct cpu *cpu;
    uint64_t ram_off;
    struct firmware bios;

    struct pic pic;
    struct apicbus apicbus;
    struct lapic lapic;
    struct ioapic ioapic;
    struct pit pit;
    struct rtc rtc;
    struct i8042 i8042;
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
    struct port92 port92;
    struct uart uart[OPTIONS_MAX_SERIALS];
    struct debugcon debugcon;
    struct exitport exitport;
    struct dma8237 dma;
    struct fdc fdc;
    struct pci_bus pci;
    struct i440fx i440fx;
    struct piix3 piix3;
    struct piix3_ide ide;
    struct piix4pm piix4pm;
    struct acpipm acpipm;
    struct vga vga;
    struct fwcfg fwcfg;
    struct device *devices[MAX_DEVICES]; /* in the order they are reset */
    unsigned device_count;

    struct wire irq_wires[SOURCE_COUNT][IRQ_COUNT];
    struct wire uart_wires[OPTIONS_MAX_SERIALS];
    uint8_t irq_sources[IRQ_COUNT]; /* bit n: source n drives the line; from bit SOURCE_COUNT on: a UART */
    struct wire pic_intr, intr, nmi, smi_apic, a20_wires[2];
    struct wire reset_i8042, reset_port92, reset_cf9, reset_apic;
    bool is_fpu_irq_latched;

    struct block *blocks[OPTIONS_MAX_IDE + OPTIONS_MAX_FLOPPIES];
    unsigned block_count;
    struct chardev *chardevs[OPTIONS_MAX_SERIALS + 1];
    unsigned chardev_count;
};

/* --- lines between the chips --- */

/* line: ISA interrupt in bits 3:0, source above. */
static void irq_changed(void *opaque, unsigned line, bool level)
{
    struct pc *pc = opaque;
    unsigned irq = line & 0xf, source = line >> 4;

    if (level)
        pc->irq_sources[irq] |= 1u << source;
    else
        pc->irq_sources[irq] &= ~(1u << source);
    pic_set_irq(&pc->pic, irq, pc->irq_sources[irq] != 0);
    ioapic_set_irq(&pc->ioapic, irq == IRQ_TIMER ? IOAPIC_TIMER : irq, pc->irq_sources[irq] != 0);
    if (irq == IRQ_RTC)
        acpipm_set_rtc(&pc->acpipm, 0, level);
}

static void intr_changed(void *opaque, unsigned line, bool level)
{
    struct pc *pc = opaque;

    cpu_set_intr(pc->cpu, level);
}

static void nmi_changed(void *opaque, unsigned line, bool level)
{
    struct pc *pc = opaque;

    if (level)
        cpu_pulse_nmi(pc->cpu);
}

/* Messages of APICs; the chipset's SMIs come by smi_asked(). */
static void smi_changed(void *opaque, unsigned line, bool level)
{
    struct pc *pc = opaque;

    if (level)
        cpu_pulse_smi(pc->cpu);
}

static void a20_changed(void *opaque, unsigned line, bool level)
{
    struct pc *pc = opaque;

    cpu_set_a20(pc->cpu, pc->a20_wires[A20_I8042].level || pc->a20_wires[A20_PORT92].level);
}

/* Every path to RESET# and INIT# restarts the whole machine; firmware finds in CMOS 0Fh what was meant. */
static void reset_asked(void *opaque, unsigned line, bool level)
{
    static const char *const causes[] = {"keyboard controller", "port 92h", "port CF9h", "local APIC"};
    struct pc *pc = opaque;

    if (level)
        pc->events.reset(pc->events.opaque, causes[line]);
}

static void connect_wires(struct pc *pc)
{
    for (unsigned source = 0; source < SOURCE_COUNT; source++)
        for (unsigned irq = 0; irq < IRQ_COUNT; irq++)
            wire_connect(&pc->irq_wires[source][irq], irq_changed, pc, irq | source << 4);
    for (unsigned i = 0; i < OPTIONS_MAX_SERIALS; i++)
        wire_connect(&pc->uart_wires[i], irq_changed, pc, com_ports[i].irq | (SOURCE_COUNT + i) << 4);
    wire_connect(&pc->pic_intr, lapic_set_lint, &pc->lapic, 0);
    wire_connect(&pc->intr, intr_changed, pc, 0);
    wire_connect(&pc->nmi, nmi_changed, pc, 0);
    wire_connect(&pc->smi_apic, smi_changed, pc, 0);
    wire_connect(&pc->a20_wires[A20_I8042], a20_changed, pc, A20_I8042);
    wire_connect(&pc->a20_wires[A20_PORT92], a20_changed, pc, A20_PORT92);
    wire_connect(&pc->reset_i8042, reset_asked, pc, 0);
    wire_connect(&pc->reset_port92, reset_asked, pc, 1);
    wire_connect(&pc->reset_cf9, reset_asked, pc, 2);
    wire_connect(&pc->reset_apic, reset_asked, pc, 3);
}

/* --- the processor's pins --- */

static uint8_t intr_ack(void *opaque)
{
    struct pc *pc = opaque;
    int vector = lapic_intr_ack(&pc->lapic);

    return vector == LAPIC_EXTINT ? pic_intr_ack(&pc->pic) : (uint8_t)vector;
}

static void apic_base_changed(void *opaque, uint64_t value)
{
    struct pc *pc = opaque;

    lapic_set_apic_base(&pc->lapic, value);
}

static void update_fpu_irq(struct pc *pc)
{
    wire_set(&pc->irq_wires[SOURCE_ISA][IRQ_FPU], pc->is_fpu_irq_latched);
}

/* FERR# sets a latch that only port F0h clears. */
static void ferr_changed(void *opaque, bool level)
{
    struct pc *pc = opaque;

    pc->is_fpu_irq_latched |= level;
    update_fpu_irq(pc);
}

/* Any write to F0h takes IRQ 13 back, and asserts IGNNE# if FERR# was active (82371AB data sheet, "Coprocessor error"). */
static void fpu_busy_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pc *pc = opaque;

    cpu_assert_ignne(pc->cpu);
    pc->is_fpu_irq_latched = false;
    update_fpu_irq(pc);
}

static uint64_t fpu_busy_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0xff;
}

static const struct io_ops fpu_busy_io = {
    .name = "fpu-busy", .read = fpu_busy_read, .write = fpu_busy_write, .min_size = 1, .max_size = 1};

static void triple_fault(void *opaque)
{
    struct pc *pc = opaque;

    pc->events.reset(pc->events.opaque, "triple fault");
}

/* --- memory and processor --- */

static int out_of_memory(void)
{
    log_error("no memory");
    return EXIT_HOST;
}

static int create_memory(struct pc *pc)
{
    uint64_t ram_bytes = pc->options->memory_bytes;
    char why[WHY_BYTES] = "";
    int64_t off;

    pc->guestmem = guestmem_create(ram_bytes + EXTRA_MEMORY_BYTES);
    off = pc->guestmem ? guestmem_alloc(pc->guestmem, ram_bytes) : -errno;
    if (off < 0) {
        log_error("the host has no %llu MiB for the guest: %s", (unsigned long long)(ram_bytes >> 20),
                  strerror((int)-off));
        return EXIT_HOST;
    }
    pc->ram_off = (uint64_t)off;
    pc->memory = space_create(MEMORY_SPACE_BYTES, pc->guestmem);
    pc->ports = space_create(PORT_SPACE_BYTES, NULL);
    pc->smm_memory = pc->memory ? space_create_overlay(pc->memory) : NULL;
    if (!pc->smm_memory || !pc->ports)
        return out_of_memory();
    if (space_map_mem(pc->memory, 0, RAM_LOW_END, pc->ram_off, pc->ram_off, SPACE_R | SPACE_W) < 0)
        return out_of_memory();
    if (space_map_mem(pc->smm_memory, SMRAM_BASE, SMRAM_BYTES, pc->ram_off + SMRAM_BASE, pc->ram_off + SMRAM_BASE,
                      SPACE_R | SPACE_W) < 0)
        return out_of_memory();
    if (ram_bytes > RAM_HIGH_BASE &&
        space_map_mem(pc->memory, RAM_HIGH_BASE, ram_bytes - RAM_HIGH_BASE, pc->ram_off + RAM_HIGH_BASE,
                      pc->ram_off + RAM_HIGH_BASE, SPACE_R | SPACE_W) < 0)
        return out_of_memory();
    if (firmware_load_bios(pc->guestmem, pc->memory, pc->options->bios, &pc->bios, why) < 0) {
        log_error("%s", why);
        return EXIT_HOST;
    }
    return 0;
}

static int create_cpu(struct pc *pc)
{
    struct cpu_board board = {
        .mem = pc->memory,
        .smm_mem = pc->smm_memory,
        .ports = pc->ports,
        .clock = pc->clock,
        .guestmem = pc->guestmem,
        .intr_ack = intr_ack,
        .ferr = ferr_changed,
        .triple_fault = triple_fault,
        .apic_base = apic_base_changed,
        .opaque = pc,
        .config = pc->options->cpu.model ? &pc->options->cpu : NULL,
    };

    pc->cpu = cpu_create(&board);
    return pc->cpu ? 0 : out_of_memory();
}

/* --- chips --- */

static void add_device(struct pc *pc, struct device *dev)
{
    if (pc->device_count == MAX_DEVICES)
        BUG("more than %u devices on the board", MAX_DEVICES);
    pc->devices[pc->device_count++] = dev;
}

static int create_apics(struct pc *pc)
{
    int err = lapic_init(&pc->lapic, pc->memory, pc->clock, &pc->apicbus, &pc->intr, &pc->nmi, &pc->reset_apic, &pc->smi_apic);

    err = err ? err : ioapic_init(&pc->ioapic, pc->memory, &pc->apicbus);
    add_device(pc, &pc->lapic.dev);
    add_device(pc, &pc->ioapic.dev);
    return err;
}

static int create_isa_devices(struct pc *pc)
{
    struct wire *irq = pc->irq_wires[SOURCE_ISA];
    struct space *ports = pc->ports;
    int err = 0;

    err = err ? err : pic_init(&pc->pic, ports, &pc->pic_intr);
    err = err ? err : pit_init(&pc->pit, ports, pc->clock, &irq[0]);
    err = err ? err : rtc_init(&pc->rtc, ports, pc->clock, &irq[IRQ_RTC], NULL);
    ps2_keyboard_init(&pc->keyboard);
    ps2_mouse_init(&pc->mouse);
    err = err ? err : i8042_init(&pc->i8042, ports, pc->clock, &pc->keyboard, &pc->mouse, &irq[IRQ_KEYBOARD],
                                 &irq[IRQ_MOUSE], &pc->a20_wires[A20_I8042], &pc->reset_i8042);
    err = err ? err : port92_init(&pc->port92, ports, &pc->a20_wires[A20_PORT92], &pc->reset_port92);
    err = err ? err : dma8237_init(&pc->dma, pc->memory, ports);
    err = err ? err : fdc_init(&pc->fdc, ports, pc->clock, &irq[IRQ_FLOPPY], &pc->dma);
    err = err ? err : space_map_io(ports, FPU_BUSY_PORT, 1, &fpu_busy_io, pc);
    add_device(pc, &pc->pic.dev);
    add_device(pc, &pc->pit.dev);
    add_device(pc, &pc->rtc.dev);
    add_device(pc, &pc->keyboard.dev);
    add_device(pc, &pc->mouse.dev);
    add_device(pc, &pc->i8042.dev);
    add_device(pc, &pc->port92.dev);
    add_device(pc, &pc->dma.dev);
    add_device(pc, &pc->fdc.dev);
    return err;
}

static void acpi_base_changed(void *opaque, uint16_t base, bool is_enabled)
{
    struct pc *pc = opaque;

    acpipm_set_base(&pc->acpipm, base, is_enabled);
}

static void apmc_smi_changed(void *opaque, bool is_enabled)
{
    struct pc *pc = opaque;

    acpipm_set_apmc_smi(&pc->acpipm, is_enabled);
}

static void smi_asked(void *opaque)
{
    struct pc *pc = opaque;

    cpu_pulse_smi(pc->cpu);
}

static void power_off_asked(void *opaque)
{
    struct pc *pc = opaque;

    pc->events.power_off(pc->events.opaque);
}

static void smram_changed(void *opaque, bool is_enabled, bool is_open, bool is_data_closed)
{
    struct pc *pc = opaque;

    cpu_set_smram(pc->cpu, (is_enabled ? CPU_SMRAM_ENABLED : 0u) | (is_open ? CPU_SMRAM_OPEN : 0u) |
                               (is_data_closed ? CPU_SMRAM_DATA_CLOSED : 0u));
}

static int create_bridges(struct pc *pc)
{
    struct wire *irq = pc->irq_wires[SOURCE_ISA];
    struct acpipm_callbacks callbacks = {.power_off = power_off_asked, .smi = smi_asked, .opaque = pc};
    struct i440fx_config bridge = {
        .guestmem = pc->guestmem,
        .ram_off = pc->ram_off,
        .ram_bytes = pc->options->memory_bytes,
        .rom_off = pc->bios.mem_off,
        .rom_bytes = (uint32_t)pc->bios.len,
        .set_smram = smram_changed,
        .opaque = pc,
    };
    struct piix4pm_config pm = {
        .set_base = acpi_base_changed,
        .set_apmc_smi = apmc_smi_changed,
        .opaque = pc,
        .num_serial = pc->options->serial_count < 2 ? pc->options->serial_count : 2,
    };
    int err = pci_init(&pc->pci, pc->memory, pc->ports);

    err = err ? err : i440fx_init(&pc->i440fx, &pc->pci, &bridge);
    err = err ? err : piix3_init(&pc->piix3, &pc->pci, pc->irq_wires[SOURCE_PCI], &pc->reset_cf9, NULL);
    err = err ? err : piix3_ide_init(&pc->ide, &pc->pci, pc->clock, &irq[IRQ_IDE0], &irq[IRQ_IDE1]);
    err = err ? err : acpipm_init(&pc->acpipm, pc->ports, pc->clock, &pc->irq_wires[SOURCE_ACPI][IRQ_ACPI], &callbacks);
    err = err ? err : piix4pm_init(&pc->piix4pm, &pc->pci, &pm);
    add_device(pc, &pc->pci.dev);
    add_device(pc, &pc->i440fx.dev);
    add_device(pc, &pc->piix3.dev);
    add_device(pc, &pc->ide.dev);
    add_device(pc, &pc->ide.channel[0].dev);
    add_device(pc, &pc->ide.channel[1].dev);
    add_device(pc, &pc->acpipm.dev);
    add_device(pc, &pc->piix4pm.dev);
    return err;
}

/* 0 or an exit status. */
static int create_vga(struct pc *pc)
{
    char why[WHY_BYTES] = "";
    uint8_t *rom = NULL;
    uint32_t rom_len = 0;
    int err;

    if (firmware_load_vgabios(pc->options->vgabios, &rom, &rom_len, why) < 0) {
        log_error("%s", why);
        return EXIT_HOST;
    }
    err = vga_init(&pc->vga, pc->guestmem, pc->memory, pc->ports, pc->clock);
    err = err ? err : vga_add_pci(&pc->vga, &pc->pci, DEVFN_VGA, rom, rom_len);
    free(rom);
    if (err < 0) {
        log_error("the VGA cannot be built: %s", strerror(-err));
        return EXIT_HOST;
    }
    add_device(pc, &pc->vga.dev);
    return 0;
}

/* --- disks --- */

/* A regular file that cannot be an image of this kind, whatever is in it; NULL: it can. */
static const char *misfit(const char *path, uint64_t unit_bytes, uint64_t min_bytes)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return NULL; /* the block layer says what is wrong */
    if ((uint64_t)st.st_size < min_bytes)
        return "is too short for such an image";
    return st.st_size % (off_t)unit_bytes ? "is no raw image: its size is not a whole number of sectors" : NULL;
}

#define SECTOR_BYTES    512
#define CD_SECTOR_BYTES 2048
#define CD_MIN_BYTES    (17 * CD_SECTOR_BYTES) /* up to the first volume descriptor */

static struct block *open_block(struct pc *pc, const char *word, const char *path, unsigned flags)
{
    bool is_cd = !strcmp(word, "--cdrom");
    const char *why = misfit(path, is_cd ? CD_SECTOR_BYTES : SECTOR_BYTES, is_cd ? CD_MIN_BYTES : SECTOR_BYTES);
    struct block *block = NULL;
    int err = why ? -EINVAL : block_open_raw(path, flags, pc->mail, &block, &why);

    if (err < 0) {
        log_error("%s: '%s' %s%s", word, path, why,
                  (err == -EACCES || err == -EROFS) && !flags ? " (--snapshot needs no right to write)" : "");
        return NULL;
    }
    pc->blocks[pc->block_count++] = block;
    return block;
}

static unsigned disk_flags(const struct pc *pc)
{
    return pc->options->is_snapshot ? BLOCK_SNAPSHOT : 0;
}

#define CDROM_POSITION 2 /* master of the second channel */

static int open_cdrom(struct pc *pc)
{
    struct block *block;

    if (!pc->options->cdrom)
        return 0;
    block = open_block(pc, "--cdrom", pc->options->cdrom, BLOCK_READ_ONLY);
    if (!block)
        return EXIT_HOST;
    ide_attach_cdrom(&pc->ide.channel[CDROM_POSITION / 2], CDROM_POSITION % 2, block, "RINGER-CD");
    return 0;
}

/* How SeaBIOS is to translate the geometry of a disk: CMOS 39h, two bits a disk (0 none, 1 LBA). */
static void tell_translation(struct pc *pc, unsigned position, uint64_t bytes)
{
    bool needs_lba = bytes / 512 > 1024ull * 16 * 63;

    if (needs_lba)
        rtc_set_cmos(&pc->rtc, 0x39, (uint8_t)(rtc_get_cmos(&pc->rtc, 0x39) | 1u << (2 * position)));
}

static int open_disks(struct pc *pc)
{
    unsigned position = 0;
    char serial[21];

    for (unsigned i = 0; i < pc->options->disk_count; i++, position++) {
        struct block *block = open_block(pc, "--disk", pc->options->disks[i], disk_flags(pc));

        if (!block)
            return EXIT_HOST;
        if (position == CDROM_POSITION && pc->options->cdrom)
            position++;
        snprintf(serial, sizeof(serial), "RINGER-%u", position);
        ide_attach_disk(&pc->ide.channel[position / 2], position % 2, block, serial);
        tell_translation(pc, position, block->size_bytes);
        if (position < 2) /* CMOS 12h: type F, "see 19h", high nibble for the first */
            rtc_set_cmos(&pc->rtc, 0x12, rtc_get_cmos(&pc->rtc, 0x12) | (position ? 0x0f : 0xf0));
    }
    return 0;
}

static int open_floppies(struct pc *pc)
{
    for (unsigned i = 0; i < pc->options->floppy_count; i++) {
        struct block *block = open_block(pc, "--floppy", pc->options->floppies[i], disk_flags(pc));

        if (!block)
            return EXIT_HOST;
        if (fdc_attach(&pc->fdc, i, block) < 0) {
            log_error("--floppy: '%s' has %llu bytes, the size of no floppy disk (1474560, for example)",
                      pc->options->floppies[i], (unsigned long long)block->size_bytes);
            return EXIT_HOST;
        }
    }
    return 0;
}

/* --- character devices --- */

static int open_chardev(struct pc *pc, const char *word, const char *spec, struct chardev **chr)
{
    const char *why = "cannot be opened";
    int err = chardev_open(spec, pc->loop, pc->mail, chr, &why);

    if (err < 0) {
        log_error("%s: '%s' %s", word, spec, why);
        return EXIT_HOST;
    }
    if (*chr)
        pc->chardevs[pc->chardev_count++] = *chr;
    return 0;
}

static int create_serials(struct pc *pc)
{
    for (unsigned i = 0; i < pc->options->serial_count; i++) {
        struct chardev *chr = NULL;
        int status = open_chardev(pc, "--serial", pc->options->serials[i], &chr);

        if (status)
            return status;
        if (uart_init(&pc->uart[i], pc->ports, com_ports[i].base, &pc->uart_wires[i], chr, pc->clock) < 0)
            return out_of_memory();
        add_device(pc, &pc->uart[i].dev);
    }
    return 0;
}

static int create_debugcon(struct pc *pc)
{
    struct chardev *chr = NULL;
    int status;

    if (!pc->options->debugcon)
        return 0;
    status = open_chardev(pc, "--debugcon", pc->options->debugcon, &chr);
    if (status)
        return status;
    add_device(pc, &pc->debugcon.dev);
    return debugcon_init(&pc->debugcon, pc->ports, chr) < 0 ? out_of_memory() : 0;
}

/* Last of all: every port that a chip has is taken then. */
static int create_exitport(struct pc *pc)
{
    int err;

    if (pc->options->exit_port < 0)
        return 0;
    err = exitport_init(&pc->exitport, pc->ports, (uint16_t)pc->options->exit_port, pc->events.exit,
                        pc->events.opaque);
    if (err < 0) {
        log_error("--exit-port: port %#x %s", (unsigned)pc->options->exit_port,
                  err == -EEXIST ? "belongs to a device" : "has no room for four ports");
        return EXIT_USAGE;
    }
    add_device(pc, &pc->exitport.dev);
    return 0;
}

/* --- what firmware reads --- */

static void fill_cmos_memory(struct pc *pc)
{
    uint64_t kib = pc->options->memory_bytes >> 10;
    uint64_t above_1m = kib - 1024 < 65535 ? kib - 1024 : 65535;         /* KiB */
    uint64_t above_16m = kib > 16384 ? (kib - 16384) / 64 : 0;           /* 64 KiB */

    if (above_16m > 65535)
        above_16m = 65535;
    rtc_set_cmos(&pc->rtc, 0x15, 640 & 0xff);
    rtc_set_cmos(&pc->rtc, 0x16, 640 >> 8);
    rtc_set_cmos(&pc->rtc, 0x17, (uint8_t)above_1m);
    rtc_set_cmos(&pc->rtc, 0x18, (uint8_t)(above_1m >> 8));
    rtc_set_cmos(&pc->rtc, 0x30, (uint8_t)above_1m);
    rtc_set_cmos(&pc->rtc, 0x31, (uint8_t)(above_1m >> 8));
    rtc_set_cmos(&pc->rtc, 0x34, (uint8_t)above_16m);
    rtc_set_cmos(&pc->rtc, 0x35, (uint8_t)(above_16m >> 8));
    for (unsigned i = 0x5b; i <= 0x5d; i++) /* above 4 GiB */
        rtc_set_cmos(&pc->rtc, i, 0);
}

/* SeaBIOS's codes: 1 floppy, 2 disk, 3 CD-ROM; first and second in 3Dh, third in the high nibble of 38h. */
static void fill_cmos_boot_order(struct pc *pc)
{
    uint8_t order[3] = {2, 3, 1};
    static const uint8_t code[] = {[BOOT_DEFAULT] = 0, [BOOT_DISK] = 2, [BOOT_CDROM] = 3, [BOOT_FLOPPY] = 1};
    uint8_t first = code[pc->options->boot];

    for (unsigned i = 1; i < 3 && first && order[0] != first; i++) {
        if (order[i] == first) {
            memmove(order + 1, order, i);
            order[0] = first;
        }
    }
    rtc_set_cmos(&pc->rtc, 0x3d, (uint8_t)(order[0] | order[1] << 4));
    rtc_set_cmos(&pc->rtc, 0x38, (uint8_t)(order[2] << 4));
}

static void fill_cmos(struct pc *pc)
{
    uint8_t floppies = fdc_cmos_types(&pc->fdc);
    uint8_t equipment = 0x06; /* FPU, pointing device; bits 7:6 floppies minus one, bit 0: any */

    if (floppies)
        equipment |= 0x01;
    if ((floppies & 0x0f) && (floppies & 0xf0))
        equipment |= 0x40;
    rtc_set_cmos(&pc->rtc, 0x10, floppies);
    rtc_set_cmos(&pc->rtc, 0x14, equipment);
    rtc_set_cmos(&pc->rtc, 0x5f, 0); /* processors minus one */
    fill_cmos_memory(pc);
    fill_cmos_boot_order(pc);
}

static int fill_fwcfg(struct pc *pc)
{
    static const uint8_t has_irq0_override = 1;
    uint64_t ram_bytes = pc->options->memory_bytes;
    int err = fwcfg_add_u16(&pc->fwcfg, FWCFG_NB_CPUS, 1);

    err = err ? err : fwcfg_add_u16(&pc->fwcfg, FWCFG_MAX_CPUS, 1);
    err = err ? err : fwcfg_add_u16(&pc->fwcfg, FWCFG_BOOT_MENU, 0);
    err = err ? err : fwcfg_add_bytes(&pc->fwcfg, FWCFG_IRQ0_OVERRIDE, &has_irq0_override, 1);
    err = err ? err : fwcfg_add_u64(&pc->fwcfg, FWCFG_RAM_SIZE, ram_bytes);
    err = err ? err : fwcfg_add_e820(&pc->fwcfg, 0, ram_bytes, FWCFG_E820_RAM);
    return err;
}

/* The modules of a multiboot kernel go through one string; Linux has one initrd. */
static int join_initrds(const struct options *o, char **joined)
{
    size_t len = 1;

    *joined = NULL;
    if (!o->initrd_count)
        return 0;
    for (unsigned i = 0; i < o->initrd_count; i++)
        len += strlen(o->initrds[i]) + 1;
    *joined = calloc(1, len);
    if (!*joined)
        return -ENOMEM;
    for (unsigned i = 0; i < o->initrd_count; i++) {
        if (i)
            strcat(*joined, ",");
        strcat(*joined, o->initrds[i]);
    }
    return 0;
}

static int prepare_kernel(struct pc *pc)
{
    const struct options *o = pc->options;
    char why[WHY_BYTES] = "", *initrds;
    int err;

    if (!o->kernel)
        return 0;
    if (o->initrd_count > 1 && boot_is_linux(o->kernel)) {
        log_error("a Linux kernel takes one --initrd");
        return EXIT_USAGE;
    }
    if (join_initrds(o, &initrds) < 0)
        return out_of_memory();
    err = boot_kernel_prepare(&pc->fwcfg, o->kernel, initrds, o->append, o->memory_bytes, why);
    free(initrds);
    if (err < 0) {
        log_error("%s", why);
        return EXIT_HOST;
    }
    return 0;
}

/* --- life --- */

/* 0 or an exit status; what was built is left for pc_destroy(). */
static int build(struct pc *pc)
{
    int status = create_memory(pc), err;

    status = status ? status : create_cpu(pc);
    if (status)
        return status;
    err = create_apics(pc);
    err = err ? err : create_isa_devices(pc);
    err = err ? err : create_bridges(pc);
    err = err ? err : fwcfg_init(&pc->fwcfg, pc->ports, pc->memory);
    if (err < 0) {
        log_error("the board cannot be built: %s", strerror(-err));
        return EXIT_HOST;
    }
    add_device(pc, &pc->fwcfg.dev);
    status = create_vga(pc);
    status = status ? status : open_cdrom(pc);
    status = status ? status : open_disks(pc);
    status = status ? status : open_floppies(pc);
    if (status)
        return status;
    fill_cmos(pc);
    if (fill_fwcfg(pc) < 0)
        return out_of_memory();
    status = prepare_kernel(pc);
    /* Last: the terminal changes its mode here. */
    status = status ? status : create_serials(pc);
    status = status ? status : create_debugcon(pc);
    status = status ? status : create_exitport(pc);
    return status;
}

int pc_create(struct pc **out, const struct options *o, struct clock *clock, struct mailbox *mail, struct loop *loop,
              const struct pc_events *events)
{
    struct pc *pc = calloc(1, sizeof(*pc));
    int status;

    if (!pc)
        return out_of_memory();
    pc->options = o;
    pc->clock = clock;
    pc->mail = mail;
    pc->loop = loop;
    pc->events = *events;
    connect_wires(pc);
    status = build(pc);
    if (status) {
        pc_destroy(pc);
        return status;
    }
    *out = pc;
    return 0;
}

void pc_destroy(struct pc *pc)
{
    if (!pc)
        return;
    for (unsigned i = 0; i < pc->chardev_count; i++)
        chardev_close(pc->chardevs[i]);
    for (unsigned i = 0; i < pc->block_count; i++)
        block_close(pc->blocks[i]);
    fwcfg_free(&pc->fwcfg);
    if (pc->cpu)
        cpu_destroy(pc->cpu);
    if (pc->smm_memory)
        space_destroy(pc->smm_memory);
    if (pc->memory)
        space_destroy(pc->memory);
    if (pc->ports)
        space_destroy(pc->ports);
    if (pc->guestmem)
        guestmem_destroy(pc->guestmem);
    free(pc);
}

void pc_reset(struct pc *pc)
{
    space_begin(pc->memory);
    for (unsigned i = 0; i < pc->device_count; i++)
        pc->devices[i]->ops->reset(pc->devices[i]);
    space_commit(pc->memory);
    pc->is_fpu_irq_latched = false;
    update_fpu_irq(pc);
    cpu_reset(pc->cpu, true);
    lapic_set_apic_base(&pc->lapic, pc->cpu->apic_base);
    a20_changed(pc, 0, true);
}

/* --- use --- */

struct cpu *pc_cpu(struct pc *pc)
{
    return pc->cpu;
}

const struct vga *pc_vga(struct pc *pc)
{
    return &pc->vga;
}

void pc_press_power_button(struct pc *pc)
{
    if (!acpipm_power_button(&pc->acpipm))
        log_at(LOG_DEV, "pc: the guest does not listen to the power button");
}

void pc_key(struct pc *pc, uint16_t keycode, bool is_down)
{
    ps2_keyboard_key(&pc->keyboard, keycode, is_down);
}

struct flush {
    unsigned left;
    int error;
};

static void flushed(void *opaque, int error)
{
    struct flush *f = opaque;

    f->left--;
    if (error && !f->error)
        f->error = error;
}

static bool has_writes_under_way(const struct pc *pc)
{
    return !ide_is_idle(&pc->ide.channel[0]) || !ide_is_idle(&pc->ide.channel[1]) || !fdc_is_idle(&pc->fdc);
}

int pc_flush_disks(struct pc *pc)
{
    struct flush *f = calloc(1, sizeof(*f)); /* callbacks may come after we gave up */
    unsigned waits = 0;
    int error;

    if (!f)
        return -ENOMEM;
    for (; has_writes_under_way(pc) && waits < FLUSH_WAITS; waits++) {
        mailbox_wait(pc->mail, FLUSH_WAIT_NS);
        mailbox_run(pc->mail);
    }
    for (unsigned i = 0; i < pc->block_count; i++) {
        if (pc->blocks[i]->is_read_only)
            continue;
        f->left++;
        block_flush(pc->blocks[i], flushed, f);
    }
    for (; f->left && waits < FLUSH_WAITS; waits++) {
        mailbox_wait(pc->mail, FLUSH_WAIT_NS);
        mailbox_run(pc->mail);
    }
    if (f->left)
        return -ETIMEDOUT;
    error = f->error;
    free(f);
    return error;
}
