#include "tests/unit/board_fixture.h"
#include "devices/i440fx.h"

#define BRIDGE PCI_DEVFN(0, 0)
#define PAM0   0x59

struct fixture {
    struct board b;
    struct i440fx chip;
    bool is_enabled, is_open, is_data_closed;
};

static void set_smram(void *opaque, bool is_enabled, bool is_open, bool is_data_closed)
{
    struct fixture *f = opaque;

    f->is_enabled = is_enabled;
    f->is_open = is_open;
    f->is_data_closed = is_data_closed;
}

/* RAM holds 11h, the 128 KiB ROM 22h. */
static int setup(void **state)
{
    static struct fixture f;
    struct i440fx_config cfg;
    int64_t rom_off;

    memset(&f, 0, sizeof(f));
    board_init(&f.b);
    rom_off = guestmem_alloc(f.b.gm, 0x20000);
    memset(guestmem_view(f.b.gm) + f.b.ram_off, 0x11, RAM_BYTES);
    memset(guestmem_view(f.b.gm) + rom_off, 0x22, 0x20000);
    cfg = (struct i440fx_config){.guestmem = f.b.gm,
                                 .ram_off = f.b.ram_off,
                                 .ram_bytes = RAM_BYTES,
                                 .rom_off = rom_off,
                                 .rom_bytes = 0x20000,
                                 .set_smram = set_smram,
                                 .opaque = &f};
    assert_int_equal(i440fx_init(&f.chip, &f.b.pci, &cfg), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    board_free(&f->b);
    return 0;
}

static uint8_t peek(struct fixture *f, uint32_t gpa)
{
    return space_read(f->b.mem, gpa, 1);
}

static uint8_t ram(struct fixture *f, uint32_t gpa)
{
    return guestmem_view(f->b.gm)[f->b.ram_off + gpa];
}

static void identity_is_what_seabios_looks_for(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(cfg_read(&f->b, BRIDGE, 0, 4), 0x12378086);
    assert_int_equal(cfg_read(&f->b, BRIDGE, 8, 1), 2);
    assert_int_equal(cfg_read(&f->b, BRIDGE, 0x2c, 4), 0x11001af4);
    assert_int_equal(cfg_read(&f->b, BRIDGE, 0xb, 1), 0x06);
}

static void at_reset_the_rom_shows_and_the_rest_is_open(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(peek(f, 0xfffff), 0x22);
    assert_int_equal(peek(f, 0xe0000), 0x22);
    assert_int_equal(peek(f, 0xc0000), 0xff);
    space_write(f->b.mem, 0xf0000, 1, 0x33);
    assert_int_equal(peek(f, 0xf0000), 0x22);
    assert_int_equal(ram(f, 0xf0000), 0x11);
}

static void write_enable_alone_writes_ram_and_reads_rom(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, BRIDGE, PAM0, 1, 0x20);
    space_write(f->b.mem, 0xf1234, 1, 0x33);
    assert_int_equal(peek(f, 0xf1234), 0x22);
    assert_int_equal(ram(f, 0xf1234), 0x33);
    cfg_write(&f->b, BRIDGE, PAM0 + 1, 1, 0x02); /* C0000h: nothing beneath */
    space_write(f->b.mem, 0xc3fff, 1, 0x44);
    assert_int_equal(peek(f, 0xc3fff), 0xff);
    assert_int_equal(ram(f, 0xc3fff), 0x44);
}

static void read_enable_alone_protects_the_shadow(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, BRIDGE, PAM0, 1, 0x10);
    assert_int_equal(peek(f, 0xf0000), 0x11);
    space_write(f->b.mem, 0xf0000, 1, 0x33);
    assert_int_equal(peek(f, 0xf0000), 0x11);
}

static void each_register_rules_its_two_segments(void **state)
{
    struct fixture *f = *state;

    for (unsigned reg = 1; reg <= 6; reg++) {
        uint32_t low = 0xc0000 + (reg - 1) * 0x8000, high = low + 0x4000;

        cfg_write(&f->b, BRIDGE, PAM0 + reg, 1, 0x03);
        assert_int_equal(peek(f, low), 0x11);
        assert_int_equal(peek(f, low + 0x3fff), 0x11);
        assert_int_not_equal(peek(f, high), 0x11);
        cfg_write(&f->b, BRIDGE, PAM0 + reg, 1, 0x30);
        assert_int_not_equal(peek(f, low), 0x11);
        assert_int_equal(peek(f, high + 0x3fff), 0x11);
        cfg_write(&f->b, BRIDGE, PAM0 + reg, 1, 0);
    }
}

static void a_dword_write_sets_several_registers(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, BRIDGE, 0x5c, 4, 0x33333333);
    assert_int_equal(peek(f, 0xd0000), 0x11);
    assert_int_equal(peek(f, 0xecfff), 0x11);
    assert_int_equal(peek(f, 0xfffff), 0x22);
}

static void reset_shows_the_rom_again(void **state)
{
    struct fixture *f = *state;

    cfg_write(&f->b, BRIDGE, PAM0, 1, 0x30);
    assert_int_equal(peek(f, 0xffff0), 0x11);
    f->chip.dev.ops->reset(&f->chip.dev);
    assert_int_equal(peek(f, 0xffff0), 0x22);
    assert_int_equal(cfg_read(&f->b, BRIDGE, PAM0, 1), 0);
}

static void loaded_maps_what_the_registers_say(void **state)
{
    struct fixture *f = *state;

    f->chip.pci.config[PAM0] = 0x30;
    f->chip.dev.ops->loaded(&f->chip.dev);
    assert_int_equal(peek(f, 0xffff0), 0x11);
}

static void smram_is_told_and_can_be_locked(void **state)
{
    struct fixture *f = *state;

    assert_false(f->is_enabled);
    cfg_write(&f->b, BRIDGE, 0x72, 1, 0x4a);
    assert_true(f->is_enabled && f->is_open && !f->is_data_closed);
    assert_int_equal(peek(f, 0xa0000), 0xff); /* the bus's masters never see it */
    cfg_write(&f->b, BRIDGE, 0x72, 1, 0x2a);
    assert_true(f->is_enabled && !f->is_open && f->is_data_closed);
    cfg_write(&f->b, BRIDGE, 0x72, 1, 0x5a); /* D_LCK closes */
    assert_true(f->is_enabled && !f->is_open);
    cfg_write(&f->b, BRIDGE, 0x72, 1, 0x42);
    assert_true(f->is_enabled && !f->is_open);
    f->chip.dev.ops->reset(&f->chip.dev);
    assert_false(f->is_enabled);
    cfg_write(&f->b, BRIDGE, 0x72, 1, 0x4a);
    assert_true(f->is_open);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(identity_is_what_seabios_looks_for),
        TEST(at_reset_the_rom_shows_and_the_rest_is_open),
        TEST(write_enable_alone_writes_ram_and_reads_rom),
        TEST(read_enable_alone_protects_the_shadow),
        TEST(each_register_rules_its_two_segments),
        TEST(a_dword_write_sets_several_registers),
        TEST(reset_shows_the_rom_again),
        TEST(loaded_maps_what_the_registers_say),
        TEST(smram_is_told_and_can_be_locked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
