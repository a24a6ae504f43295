#include "tests/unit/board_fixture.h"

#define CARD PCI_DEVFN(3, 0)

struct fixture {
    struct board b;
    struct pci_function card, other;
    unsigned maps, unmaps, written;
    uint32_t base;
    bool pirq[4];
};

static uint64_t card_io_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0x5a;
}

static void card_io_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
}

static const struct io_ops card_io = {.name = "card", .read = card_io_read, .write = card_io_write};

static int map_card(void *opaque, uint32_t base, bool is_enabled)
{
    struct fixture *f = opaque;
    int err = 0;

    if (is_enabled)
        err = space_map_io(f->b.mem, base, 0x1000, &card_io, f);
    else
        space_unmap(f->b.mem, base, 0x1000);
    if (err)
        return err;
    f->base = base;
    is_enabled ? f->maps++ : f->unmaps++;
    return 0;
}

static int map_ports(void *opaque, uint32_t base, bool is_enabled)
{
    return 0;
}

static void set_pirq(void *opaque, unsigned pirq, bool level)
{
    ((struct fixture *)opaque)->pirq[pirq] = level;
}

static void card_written(void *opaque, unsigned offset, unsigned len)
{
    ((struct fixture *)opaque)->written++;
}

static int setup(void **state)
{
    static struct fixture f;
    static const char rom[5000] = "\x55\xaa rom";

    memset(&f, 0, sizeof(f));
    board_init(&f.b);
    pci_set_pirq_handler(&f.b.pci, set_pirq, &f);
    pci_init_function(&f.card, "card", 0x1234, 0x5678, PCI_CLASS_ETHERNET, 7);
    f.card.bar[0] = (struct pci_bar){.size = 0x1000, .map = map_card, .opaque = &f};
    f.card.bar[1] = (struct pci_bar){.size = 0x20, .is_io = true, .map = map_ports, .opaque = &f};
    f.card.config[PCI_INTERRUPT_PIN] = 1;
    f.card.written = card_written;
    f.card.opaque = &f;
    assert_int_equal(pci_set_rom(&f.card, f.b.gm, rom, sizeof(rom)), 0);
    assert_int_equal(pci_add(&f.b.pci, &f.card, CARD), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    board_free(&f->b);
    return 0;
}

static void identity_is_read_in_every_width(void **state)
{
    struct board *b = &((struct fixture *)*state)->b;

    assert_int_equal(cfg_read(b, CARD, 0, 4), 0x56781234);
    assert_int_equal(cfg_read(b, CARD, 2, 2), 0x5678);
    assert_int_equal(cfg_read(b, CARD, 8, 1), 7);
    assert_int_equal(cfg_read(b, CARD, 0xb, 1), 0x02);
    assert_int_equal(cfg_read(b, CARD, 0x2c, 4), 0x11001af4);
}

static void nobody_reads_as_all_ones(void **state)
{
    struct board *b = &((struct fixture *)*state)->b;

    assert_int_equal(cfg_read(b, PCI_DEVFN(9, 0), 0, 4), 0xffffffff);
    space_write(b->ports, 0xcf8, 4, 0x80010000u | CARD << 8); /* bus 1 */
    assert_int_equal(space_read(b->ports, 0xcfc, 4), 0xffffffff);
    space_write(b->ports, 0xcf8, 4, CARD << 8); /* not enabled */
    assert_int_equal(space_read(b->ports, 0xcfc, 4), 0xffffffff);
}

static void address_register_keeps_dwords_only(void **state)
{
    struct board *b = &((struct fixture *)*state)->b;

    space_write(b->ports, 0xcf8, 4, 0xffffffff);
    assert_int_equal(space_read(b->ports, 0xcf8, 4), 0x80fffffc);
    space_write(b->ports, 0xcf8, 1, 0);
    space_write(b->ports, 0xcfa, 2, 0);
    assert_int_equal(space_read(b->ports, 0xcf8, 4), 0x80fffffc);
}

static void identity_is_read_only(void **state)
{
    struct board *b = &((struct fixture *)*state)->b;

    cfg_write(b, CARD, 0, 4, 0);
    assert_int_equal(cfg_read(b, CARD, 0, 4), 0x56781234);
    cfg_write(b, CARD, PCI_INTERRUPT_LINE, 1, 11);
    assert_int_equal(cfg_read(b, CARD, PCI_INTERRUPT_LINE, 1), 11);
    assert_int_equal(cfg_read(b, CARD, PCI_INTERRUPT_PIN, 1), 1);
}

static void bars_tell_their_size(void **state)
{
    struct board *b = &((struct fixture *)*state)->b;

    cfg_write(b, CARD, 0x10, 4, 0xffffffff);
    cfg_write(b, CARD, 0x14, 4, 0xffffffff);
    cfg_write(b, CARD, 0x18, 4, 0xffffffff);
    cfg_write(b, CARD, 0x30, 4, 0xffffffff);
    assert_int_equal(cfg_read(b, CARD, 0x10, 4), 0xfffff000);
    assert_int_equal(cfg_read(b, CARD, 0x14, 4), 0xffffffe1);
    assert_int_equal(cfg_read(b, CARD, 0x18, 4), 0);
    assert_int_equal(cfg_read(b, CARD, 0x30, 4), 0xffffe001);
}

static void bar_is_mapped_while_decoding_is_on(void **state)
{
    struct fixture *f = *state;
    struct board *b = &f->b;

    cfg_write(b, CARD, 0x10, 4, 0xfe000000);
    assert_int_equal(f->maps, 0);
    cfg_write(b, CARD, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_int_equal(f->maps, 1);
    assert_int_equal(space_read(b->mem, 0xfe000123, 1), 0x5a);
    cfg_write(b, CARD, 0x10, 4, 0xfe100000);
    assert_int_equal(f->unmaps, 1);
    assert_int_equal(f->maps, 2);
    assert_int_equal(space_read(b->mem, 0xfe000123, 1), 0xff);
    assert_int_equal(space_read(b->mem, 0xfe100000, 1), 0x5a);
    pci_reset_function(&f->card);
    assert_int_equal(space_read(b->mem, 0xfe100000, 1), 0xff);
    assert_int_equal(cfg_read(b, CARD, 0x10, 4), 0);
}

static void bar_over_ram_waits_until_it_moves(void **state)
{
    struct fixture *f = *state;
    struct board *b = &f->b;

    cfg_write(b, CARD, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    cfg_write(b, CARD, 0x10, 4, MIB(2)); /* RAM is there */
    assert_int_equal(f->maps, 0);
    space_write(b->mem, MIB(2), 1, 0x77);
    cfg_write(b, CARD, 0x10, 4, 0xfe000000);
    assert_int_equal(f->maps, 1);
    assert_int_equal(space_read(b->mem, MIB(2), 1), 0x77);
}

static void sizing_a_live_bar_maps_nothing_at_the_top(void **state)
{
    struct fixture *f = *state;
    struct board *b = &f->b;

    cfg_write(b, CARD, 0x10, 4, 0xfe000000);
    cfg_write(b, CARD, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    cfg_write(b, CARD, 0x10, 4, 0xffffffff);
    assert_int_equal(space_read(b->mem, 0xfffff000, 1), 0xff);
    cfg_write(b, CARD, 0x10, 4, 0xfe000000);
    assert_int_equal(space_read(b->mem, 0xfe000000, 1), 0x5a);
}

static void rom_shows_when_enabled(void **state)
{
    struct board *b = &((struct fixture *)*state)->b;

    cfg_write(b, CARD, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    cfg_write(b, CARD, 0x30, 4, 0xfd000000);
    assert_int_equal(space_read(b->mem, 0xfd000000, 2), 0xffff);
    cfg_write(b, CARD, 0x30, 4, 0xfd000001);
    assert_int_equal(space_read(b->mem, 0xfd000000, 2), 0xaa55);
    space_write(b->mem, 0xfd000000, 1, 0);
    assert_int_equal(space_read(b->mem, 0xfd000000, 2), 0xaa55);
}

static void intx_is_swizzled_by_slot(void **state)
{
    struct fixture *f = *state;

    pci_set_intx(&f->card, true); /* slot 3, INTA# */
    assert_true(f->pirq[3]);
    assert_int_equal(cfg_read(&f->b, CARD, PCI_STATUS, 2) & PCI_STATUS_INTX, PCI_STATUS_INTX);
    cfg_write(&f->b, CARD, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
    assert_false(f->pirq[3]);
    cfg_write(&f->b, CARD, PCI_COMMAND, 2, 0);
    assert_true(f->pirq[3]);
    pci_set_intx(&f->card, false);
    assert_false(f->pirq[3]);
}

static void shared_pirq_is_the_or(void **state)
{
    struct fixture *f = *state;

    pci_init_function(&f->other, "other", 1, 2, PCI_CLASS_ETHERNET, 0);
    f->other.config[PCI_INTERRUPT_PIN] = 1;
    assert_int_equal(pci_add(&f->b.pci, &f->other, PCI_DEVFN(7, 0)), 0); /* 7 and 3 meet at PIRQD */
    pci_set_intx(&f->card, true);
    pci_set_intx(&f->other, true);
    pci_set_intx(&f->card, false);
    assert_true(f->pirq[3]);
    pci_set_intx(&f->other, false);
    assert_false(f->pirq[3]);
}

static void bad_functions_are_refused(void **state)
{
    struct fixture *f = *state;

    pci_init_function(&f->other, "other", 1, 2, PCI_CLASS_ETHERNET, 0);
    assert_int_equal(pci_add(&f->b.pci, &f->other, CARD), -17 /* EEXIST */);
    f->other.bar[2] = (struct pci_bar){.size = 0x1800, .map = map_card};
    assert_int_equal(pci_add(&f->b.pci, &f->other, PCI_DEVFN(8, 0)), -22 /* EINVAL */);
}

static void accesses_at_the_end_stay_inside(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, CARD, 0xfc, 4, 0xffffffff);
    assert_int_equal(cfg_read(&f->b, CARD, 0xfc, 4), 0);
    assert_int_equal(f->written, 1);
    assert_int_equal(pci_config_read(&f->b.pci, CARD, 0xfe, 4), 0xffffffff);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(identity_is_read_in_every_width),
        TEST(nobody_reads_as_all_ones),
        TEST(address_register_keeps_dwords_only),
        TEST(identity_is_read_only),
        TEST(bars_tell_their_size),
        TEST(bar_is_mapped_while_decoding_is_on),
        TEST(bar_over_ram_waits_until_it_moves),
        TEST(sizing_a_live_bar_maps_nothing_at_the_top),
        TEST(rom_shows_when_enabled),
        TEST(intx_is_swizzled_by_slot),
        TEST(shared_pirq_is_the_or),
        TEST(bad_functions_are_refused),
        TEST(accesses_at_the_end_stay_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
