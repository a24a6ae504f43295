#include "tests/unit/board_fixture.h"
#include "devices/dma8237.h"

struct fixture {
    struct board b;
    struct dma8237 dma;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    board_init(&f.b);
    assert_int_equal(dma8237_init(&f.dma, f.b.mem, f.b.ports), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    board_free(&f->b);
    return 0;
}

/* Channel 2, as a floppy driver sets it up. */
static void program_channel2(struct fixture *f, uint32_t gpa, uint16_t count, uint8_t mode)
{
    out8(f->b.ports, 0x0a, 0x06);
    out8(f->b.ports, 0x0c, 0);
    out8(f->b.ports, 0x0b, mode | 2);
    out8(f->b.ports, 0x04, gpa);
    out8(f->b.ports, 0x04, gpa >> 8);
    out8(f->b.ports, 0x81, gpa >> 16);
    out8(f->b.ports, 0x05, count);
    out8(f->b.ports, 0x05, count >> 8);
    out8(f->b.ports, 0x0a, 0x02);
}

static void write_to_memory_ends_at_terminal_count(void **state)
{
    struct fixture *f = *state;
    uint8_t data[600], back[600] = {0};
    bool is_tc;

    fill_pattern(data, sizeof(data), 1);
    program_channel2(f, 0x12345, 511, 0x44);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 100, true, &is_tc), 100);
    assert_false(is_tc);
    assert_int_equal(dma_transfer(&f->dma, 2, data + 100, 500, true, &is_tc), 412);
    assert_true(is_tc);
    space_read_buf(f->b.mem, 0x12345, back, 513);
    assert_memory_equal(back, data, 512);
    assert_int_equal(back[512], 0);
    assert_int_equal(in8(f->b.ports, 0x08), 0x04);
    assert_int_equal(in8(f->b.ports, 0x08), 0);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 1, true, &is_tc), 0); /* masked itself */
}

static void counters_read_back_by_the_flip_flop(void **state)
{
    struct fixture *f = *state;
    uint8_t data[16] = {0};

    program_channel2(f, 0x11000, 99, 0x44);
    dma_transfer(&f->dma, 2, data, 16, true, NULL);
    out8(f->b.ports, 0x0c, 0);
    assert_int_equal(in8(f->b.ports, 0x04), 0x10);
    assert_int_equal(in8(f->b.ports, 0x04), 0x10);
    assert_int_equal(in8(f->b.ports, 0x05), 83);
    assert_int_equal(in8(f->b.ports, 0x05), 0);
}

static void read_from_memory_and_wrong_direction(void **state)
{
    struct fixture *f = *state;
    uint8_t data[4] = {0};

    space_write(f->b.mem, 0x20000, 4, 0xddccbbaa);
    program_channel2(f, 0x20000, 3, 0x48);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 4, true, NULL), 0);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 4, false, NULL), 4);
    assert_int_equal(load_le(data, 4), 0xddccbbaa);
}

static void address_wraps_in_its_page(void **state)
{
    struct fixture *f = *state;
    uint8_t data[4] = {1, 2, 3, 4};

    program_channel2(f, 0x2fffe, 3, 0x44);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 4, true, NULL), 4);
    assert_int_equal(space_read(f->b.mem, 0x2fffe, 2), 0x0201);
    assert_int_equal(space_read(f->b.mem, 0x20000, 2), 0x0403);
    assert_int_equal(space_read(f->b.mem, 0x30000, 2), 0);
}

static void decrement_goes_down(void **state)
{
    struct fixture *f = *state;
    uint8_t data[3] = {1, 2, 3};

    program_channel2(f, 0x20002, 2, 0x64);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 3, true, NULL), 3);
    assert_int_equal(space_read(f->b.mem, 0x20000, 4), 0x00010203);
}

static void autoinit_starts_over(void **state)
{
    struct fixture *f = *state;
    uint8_t data[4] = {1, 2, 3, 4};
    bool is_tc;

    program_channel2(f, 0x20000, 3, 0x54);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 4, true, &is_tc), 4);
    assert_true(is_tc);
    data[0] = 9;
    assert_int_equal(dma_transfer(&f->dma, 2, data, 1, true, &is_tc), 1);
    assert_int_equal(space_read(f->b.mem, 0x20000, 4), 0x04030209);
}

static void verify_counts_and_moves_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t data[4] = {1, 2, 3, 4};

    program_channel2(f, 0x20000, 3, 0x40);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 4, true, NULL), 4);
    assert_int_equal(space_read(f->b.mem, 0x20000, 4), 0);
}

static void word_channels_count_words(void **state)
{
    struct fixture *f = *state;
    uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    bool is_tc;

    out8(f->b.ports, 0xd8, 0);
    out8(f->b.ports, 0xd6, 0x45); /* channel 5 */
    out8(f->b.ports, 0xc4, 0x00);
    out8(f->b.ports, 0xc4, 0x80);
    out8(f->b.ports, 0x8b, 0x03); /* 20000h + 2 * 8000h */
    out8(f->b.ports, 0xc6, 2);
    out8(f->b.ports, 0xc6, 0);
    out8(f->b.ports, 0xd4, 0x01);
    assert_int_equal(dma_transfer(&f->dma, 5, data, 8, true, &is_tc), 6);
    assert_true(is_tc);
    assert_int_equal(space_read(f->b.mem, 0x30000, 8), 0x0000060504030201);
}

static void masked_disabled_cascade_and_nonsense_move_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t data[4] = {0};

    program_channel2(f, 0x20000, 3, 0xc4);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 4, true, NULL), 0);
    program_channel2(f, 0x20000, 3, 0x44);
    out8(f->b.ports, 0x08, 0x04);
    assert_int_equal(dma_transfer(&f->dma, 2, data, 4, true, NULL), 0);
    out8(f->b.ports, 0x0d, 0); /* master clear masks all */
    assert_int_equal(dma_transfer(&f->dma, 2, data, 4, true, NULL), 0);
    assert_int_equal(dma_transfer(&f->dma, 4, data, 4, true, NULL), 0);
    assert_int_equal(dma_transfer(&f->dma, 77, data, 4, true, NULL), 0);
}

static void page_registers_are_memory(void **state)
{
    struct fixture *f = *state;

    out8(f->b.ports, 0x80, 0x5a);
    out8(f->b.ports, 0x87, 0xa5);
    assert_int_equal(in8(f->b.ports, 0x80), 0x5a);
    assert_int_equal(in8(f->b.ports, 0x87), 0xa5);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(write_to_memory_ends_at_terminal_count),
        TEST(counters_read_back_by_the_flip_flop),
        TEST(read_from_memory_and_wrong_direction),
        TEST(address_wraps_in_its_page),
        TEST(decrement_goes_down),
        TEST(autoinit_starts_over),
        TEST(verify_counts_and_moves_nothing),
        TEST(word_channels_count_words),
        TEST(masked_disabled_cascade_and_nonsense_move_nothing),
        TEST(page_registers_are_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
