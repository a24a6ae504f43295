#include "tests/unit/board_fixture.h"
#include "devices/piix3.h"

#define ISA PCI_DEVFN(1, 0)
#define IDE PCI_DEVFN(1, 1)
#define PM  PCI_DEVFN(1, 3)

struct fixture {
    struct board b;
    struct piix3 isa;
    struct piix3_ide ide;
    struct piix4pm pm;
    struct pci_function card;
    struct wire irq[16], irq14, irq15;
    struct recorder reset, init;
    uint16_t pm_base;
    bool is_apmc_enabled, is_pm_enabled;
};

static void set_apmc_smi(void *opaque, bool is_enabled)
{
    ((struct fixture *)opaque)->is_apmc_enabled = is_enabled;
}

static void set_base(void *opaque, uint16_t base, bool is_enabled)
{
    struct fixture *f = opaque;

    f->pm_base = base;
    f->is_pm_enabled = is_enabled;
}

static int setup(void **state)
{
    static struct fixture f;
    struct piix4pm_config cfg = {.set_base = set_base, .set_apmc_smi = set_apmc_smi, .opaque = &f, .num_serial = 1};

    memset(&f, 0, sizeof(f));
    board_init(&f.b);
    recorder_init(&f.reset);
    recorder_init(&f.init);
    assert_int_equal(piix3_init(&f.isa, &f.b.pci, f.irq, &f.reset.wire, &f.init.wire), 0);
    assert_int_equal(piix3_ide_init(&f.ide, &f.b.pci, f.b.clock, &f.irq14, &f.irq15), 0);
    assert_int_equal(piix4pm_init(&f.pm, &f.b.pci, &cfg), 0);
    pci_init_function(&f.card, "card", 1, 2, PCI_CLASS_ETHERNET, 0);
    f.card.config[PCI_INTERRUPT_PIN] = 1;
    assert_int_equal(pci_add(&f.b.pci, &f.card, PCI_DEVFN(3, 0)), 0); /* PIRQD */
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    board_free(&f->b);
    return 0;
}

static void functions_have_their_identities(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(cfg_read(&f->b, ISA, 0, 4), 0x70008086);
    assert_int_equal(cfg_read(&f->b, ISA, 0xe, 1), 0x80);
    assert_int_equal(cfg_read(&f->b, IDE, 0, 4), 0x70108086);
    assert_int_equal(cfg_read(&f->b, IDE, 8, 4), 0x01018000);
    assert_int_equal(cfg_read(&f->b, PM, 0, 4), 0x71138086);
}

static void pirq_goes_where_it_is_routed(void **state)
{
    struct fixture *f = *state;

    pci_set_intx(&f->card, true);
    for (unsigned i = 0; i < 16; i++)
        assert_false(f->irq[i].level);
    cfg_write(&f->b, ISA, 0x63, 1, 11);
    assert_true(f->irq[11].level);
    cfg_write(&f->b, ISA, 0x63, 1, 10);
    assert_false(f->irq[11].level);
    assert_true(f->irq[10].level);
    pci_set_intx(&f->card, false);
    assert_false(f->irq[10].level);
}

static void reserved_lines_are_never_driven(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, ISA, 0x63, 1, 2);
    pci_set_intx(&f->card, true);
    assert_false(f->irq[2].level);
    cfg_write(&f->b, ISA, 0x63, 1, 13);
    assert_false(f->irq[13].level);
}

static void cf9_resets_on_the_rising_edge(void **state)
{
    struct fixture *f = *state;

    out8(f->b.ports, 0xcf9, 0x02);
    assert_int_equal(f->reset.rises, 0);
    assert_int_equal(in8(f->b.ports, 0xcf9), 0x02);
    out8(f->b.ports, 0xcf9, 0x06);
    assert_int_equal(f->reset.rises, 1);
    assert_int_equal(f->init.rises, 0);
    out8(f->b.ports, 0xcf9, 0x04);
    assert_int_equal(f->init.rises, 1);
}

static void config_address_does_not_reset(void **state)
{
    struct fixture *f = *state;

    space_write(f->b.ports, 0xcf8, 4, 0xffffffff);
    assert_int_equal(f->reset.rises + f->init.rises, 0);
}

static void pm_base_reaches_the_acpi_block(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, PM, 0x40, 4, 0x0601);
    assert_int_equal(f->pm_base, 0x600);
    assert_false(f->is_pm_enabled);
    cfg_write(&f->b, PM, 0x80, 1, 1);
    assert_true(f->is_pm_enabled);
    assert_int_equal(cfg_read(&f->b, PM, 0x40, 4), 0x0601);
    f->pm.dev.ops->reset(&f->pm.dev);
    assert_int_equal(f->pm_base, 0);
    assert_false(f->is_pm_enabled);
}

static void apmc_enable_reaches_the_acpi_block(void **state)
{
    struct fixture *f = *state;

    assert_false(f->is_apmc_enabled);
    cfg_write(&f->b, PM, 0x58, 4, 1u << 25);
    assert_true(f->is_apmc_enabled);
    f->pm.dev.ops->reset(&f->pm.dev);
    assert_false(f->is_apmc_enabled);
}

static void smbus_has_no_devices(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, PM, 0x90, 4, 0x0701);
    cfg_write(&f->b, PM, 0xd2, 1, 9);
    assert_int_equal(in8(f->b.ports, 0x700), 0xff);
    cfg_write(&f->b, PM, PCI_COMMAND, 2, PCI_COMMAND_IO);
    assert_int_equal(in8(f->b.ports, 0x700), 0);
    out8(f->b.ports, 0x704, 0xa1);
    assert_int_equal(in8(f->b.ports, 0x704), 0xa1);
    out8(f->b.ports, 0x702, 0x48);
    assert_int_equal(in8(f->b.ports, 0x700), 0x04);
    out8(f->b.ports, 0x700, 0x04);
    assert_int_equal(in8(f->b.ports, 0x700), 0);
}

static void bus_master_bar_moves_both_channels(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, IDE, 0x20, 4, 0xffffffff);
    assert_int_equal(cfg_read(&f->b, IDE, 0x20, 4), 0xfffffff1);
    cfg_write(&f->b, IDE, 0x20, 4, 0xc000);
    cfg_write(&f->b, IDE, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    space_write(f->b.ports, 0xc004, 4, 0x12345678);
    space_write(f->b.ports, 0xc00c, 4, 0x9abcdef0);
    assert_int_equal(space_read(f->b.ports, 0xc004, 4), 0x12345678);
    assert_int_equal(space_read(f->b.ports, 0xc00c, 4), 0x9abcdef0);
    out8(f->b.ports, 0xc00a, 0x60);
    assert_int_equal(in8(f->b.ports, 0xc00a), 0x60);
    assert_int_equal(in8(f->b.ports, 0xc002), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(functions_have_their_identities),
        TEST(pirq_goes_where_it_is_routed),
        TEST(reserved_lines_are_never_driven),
        TEST(cf9_resets_on_the_rising_edge),
        TEST(config_address_does_not_reset),
        TEST(pm_base_reaches_the_acpi_block),
        TEST(apmc_enable_reaches_the_acpi_block),
        TEST(smbus_has_no_devices),
        TEST(bus_master_bar_moves_both_channels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
