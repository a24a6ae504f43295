/* Guest memory access: rights, page borders, TLB flushes, devices, watches on code, A20, the probe of lock-step. */
#include "tests/unit/sys_fixture.h"

static bool write_ds(struct fixture *f, uint32_t at, unsigned size, uint64_t value)
{
    return mem_write(f->cpu, SEG_DS, at, size, value);
}

static uint64_t read_ds(struct fixture *f, uint32_t at, unsigned size)
{
    uint64_t v = 0;

    assert_true(mem_read(f->cpu, SEG_DS, at, size, &v));
    return v;
}

static void all_sizes_at_all_alignments(void **state)
{
    struct fixture *f = *state;

    enable_paging(f);
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned off = 0xff0; off < 0x1010; off++) {
            uint64_t v = 0x1122334455667788ull >> (64 - size * 8);

            assert_true(write_ds(f, DATA + off, size, v));
            assert_true(read_ds(f, DATA + off, size) == v);
            assert_true(load_le(f->ram + DATA + off, size) == v);
        }
    }
}

static void crossing_write_faults_before_anything_changes(void **state)
{
    struct fixture *f = *state;

    enable_paging(f);
    set_pte(f, DATA + 0x1000, 5);
    assert_false(write_ds(f, DATA + 0xffe, 4, 0xffffffff));
    assert_int_equal(f->cpu->event.vector, VEC_PF);
    assert_int_equal(f->cpu->event.error, PF_P | PF_WR);
    assert_int_equal(f->cpu->cr2, DATA + 0x1000);
    assert_int_equal(get16(f, DATA + 0xffe), 0);
}

static void supervisor_obeys_wp(void **state)
{
    struct fixture *f = *state;

    enable_paging(f);
    set_pte(f, DATA, 5);
    assert_false(write_ds(f, DATA, 4, 1));
    f->cpu->paging.cr0 &= ~(uint64_t)CR0_WP;
    tlb_flush_all(f->cpu);
    assert_true(write_ds(f, DATA, 4, 1));
}

static void user_is_kept_out_of_supervisor_pages(void **state)
{
    struct fixture *f = *state;
    uint64_t v;

    enable_paging(f);
    set_pte(f, DATA, 3);
    assert_int_equal(read_ds(f, DATA, 4), 0); /* now in the supervisor's half of the TLB */
    enter_ring(f, 3);
    assert_false(mem_read(f->cpu, SEG_DS, DATA, 4, &v));
    assert_int_equal(f->cpu->event.error, PF_P | PF_US);
    assert_true(mem_read_linear(f->cpu, DATA, 4, ACCESS_READ, &v)); /* descriptor tables: supervisor rights */
}

static void dirty_bit_is_set_by_the_first_write(void **state)
{
    struct fixture *f = *state;
    uint64_t v;

    enable_paging(f);
    read_ds(f, DATA, 4);
    assert_int_equal(get32(f, PAGE_TABLE + (DATA >> 12) * 4) & 0x60, 0x20);
    assert_true(mem_read_rmw(f->cpu, SEG_DS, DATA, 4, &v));
    assert_int_equal(get32(f, PAGE_TABLE + (DATA >> 12) * 4) & 0x60, 0x60);
}

static void invlpg_and_cr3_forget(void **state)
{
    struct fixture *f = *state;

    enable_paging(f);
    put32(f, DATA + 0x1000, 7);
    read_ds(f, DATA, 4);
    put32(f, PAGE_TABLE + (DATA >> 12) * 4, (DATA + 0x1000) | 7);
    PUT(f, CODE, 0x0f, 0x01, 0x3d, 0, 0, 2, 0); /* invlpg [DATA] */
    steps(f, 1);
    assert_int_equal(f->cpu->rip, CODE + 7);
    assert_int_equal(read_ds(f, DATA, 4), 7);
    put32(f, PAGE_TABLE + (DATA >> 12) * 4, DATA | 7);
    tlb_flush_cr3(f->cpu, true);
    assert_int_equal(read_ds(f, DATA, 4), 0);
    for (unsigned i = 0; i < 5000; i++) /* generations wrap around */
        tlb_flush_cr3(f->cpu, true);
    assert_int_equal(read_ds(f, DATA + 0x1000, 4), 7);
}

static void devices_are_asked_each_time(void **state)
{
    struct fixture *f = *state;
    unsigned run;

    f->device_value = 0x1234;
    assert_int_equal(read_ds(f, DEVICE + 8, 4), 0x1234);
    assert_int_equal(read_ds(f, DEVICE + 8, 4), 0x1234);
    assert_int_equal(f->device_reads, 2);
    assert_true(write_ds(f, DEVICE, 2, 0x55));
    assert_int_equal(f->device_writes, 1);
    assert_null(mem_direct(f->cpu, DEVICE, ACCESS_READ, &run));
    assert_non_null(mem_direct(f->cpu, DATA + 0xff0, ACCESS_WRITE, &run));
    assert_int_equal(run, 0x10);
}

static void count_written(void *opaque, uint64_t off, uint64_t len)
{
    uint64_t *seen = opaque;

    seen[0]++;
    seen[1] = off;
    seen[2] = len;
}

static void writes_to_code_are_announced(void **state)
{
    struct fixture *f = *state;
    uint64_t seen[3] = {0}, base = (uint64_t)(f->ram - guestmem_view(f->guestmem));
    unsigned run;

    guestmem_add_watch(f->guestmem, count_written, seen);
    assert_true(write_ds(f, DATA, 4, 1));
    assert_int_equal(seen[0], 0);
    guestmem_code_flags(f->guestmem)[(base + DATA) >> 12] |= 1;
    assert_true(write_ds(f, DATA + 4, 4, 1));
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], base + DATA + 4);
    assert_int_equal(seen[2], 4);
    assert_null(mem_direct(f->cpu, DATA, ACCESS_WRITE, &run));
    assert_non_null(mem_direct(f->cpu, DATA, ACCESS_READ, &run));
    guestmem_code_flags(f->guestmem)[(base + DATA) >> 12] = 0;
}

static void alignment_check_at_cpl_3(void **state)
{
    struct fixture *f = *state;
    uint64_t v;

    f->cpu->paging.cr0 |= CR0_AM;
    f->cpu->eflags |= EFLAGS_AC;
    assert_true(mem_read(f->cpu, SEG_DS, DATA + 1, 4, &v));
    enter_ring(f, 3);
    assert_true(mem_read(f->cpu, SEG_DS, DATA + 1, 1, &v));
    assert_false(mem_read(f->cpu, SEG_DS, DATA + 1, 4, &v));
    assert_int_equal(f->cpu->event.vector, VEC_AC);
    assert_false(write_ds(f, DATA + 2, 4, 0));
}

static void a20_folds_the_second_megabyte(void **state)
{
    struct fixture *f = *state;

    put32(f, 0x500, 0x11);
    put32(f, 0x100500, 0x22);
    assert_int_equal(read_ds(f, 0x100500, 4), 0x22);
    cpu_set_a20(f->cpu, false);
    assert_int_equal(read_ds(f, 0x100500, 4), 0x11);
    cpu_set_a20(f->cpu, true);
    assert_int_equal(read_ds(f, 0x100500, 4), 0x22);
}

static void remapped_space_drops_cached_pages(void **state)
{
    struct fixture *f = *state;

    assert_true(write_ds(f, DATA, 4, 5));
    space_unmap(f->mem, DATA, 0x1000);
    assert_int_equal(read_ds(f, DATA, 4), 0xffffffff);
}

static void buffers_check_all_pages_first(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[0x1800];

    enable_paging(f);
    memset(buf, 0x5a, sizeof(buf));
    set_pte(f, DATA + 0x2000, 0);
    assert_false(mem_write_buf(f->cpu, SEG_DS, DATA + 0xf00, buf, sizeof(buf)));
    assert_int_equal(f->cpu->cr2, DATA + 0x2000);
    assert_int_equal(f->ram[DATA + 0xf00], 0);
    set_pte(f, DATA + 0x2000, 7);
    assert_true(mem_write_buf(f->cpu, SEG_DS, DATA + 0xf00, buf, sizeof(buf)));
    assert_int_equal(f->ram[DATA + 0x26ff], 0x5a);
    assert_int_equal(f->ram[DATA + 0x2700], 0);
}

static void note_write(void *opaque, uint8_t *host, unsigned len)
{
    uint64_t *log = opaque;

    log[0]++;
    log[1] = load_le(host, len);
}

static void probe_sees_writes_and_stops_at_devices(void **state)
{
    struct fixture *f = *state;
    uint64_t log[2] = {0};
    struct cpu_probe probe = {.before_write = note_write, .opaque = log};

    put32(f, DATA, 77);
    read_ds(f, DATA, 4);
    f->cpu->probe = &probe;
    assert_true(write_ds(f, DATA, 4, 1));
    assert_int_equal(log[0], 1);
    assert_int_equal(log[1], 77); /* the old value */
    PUT(f, CODE, 0xa1, 0, 0, 0x18, 0); /* mov eax, [DEVICE] */
    f->cpu->is_mode_stale = true;
    steps(f, 1);
    assert_true(probe.is_stopped);
    assert_int_equal(f->cpu->rip, CODE);
    assert_int_equal(f->device_reads, 0);
    f->cpu->probe = NULL;
    steps(f, 1);
    assert_int_equal(f->device_reads, 1);
}

static void peek_has_no_side_effects(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[0x20];

    enable_paging(f);
    put32(f, DATA + 0xff0, 0xabcd);
    set_pte(f, DATA + 0x1000, 0);
    assert_int_equal(cpu_peek(f->cpu, DATA + 0xff0, buf, sizeof(buf)), 0x10);
    assert_int_equal(load_le(buf, 4), 0xabcd);
    assert_int_equal(get32(f, PAGE_TABLE + (DATA >> 12) * 4) & 0x20, 0);
    assert_false(f->cpu->event.is_pending);
}

static void flat_segment_ends_at_4_gib(void **state)
{
    struct fixture *f = *state;

    assert_false(write_ds(f, 0xfffffffe, 4, 0));
    assert_int_equal(f->cpu->event.vector, VEC_GP);
    f->cpu->seg[SEG_DS].base = DATA; /* linear addresses wrap */
    cpu_update_mode(f->cpu);
    assert_true(write_ds(f, 0x100u - DATA, 4, 99));
    assert_int_equal(get32(f, 0x100), 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROT(all_sizes_at_all_alignments),
        PROT(crossing_write_faults_before_anything_changes),
        PROT(supervisor_obeys_wp),
        PROT(user_is_kept_out_of_supervisor_pages),
        PROT(dirty_bit_is_set_by_the_first_write),
        PROT(invlpg_and_cr3_forget),
        PROT(devices_are_asked_each_time),
        PROT(writes_to_code_are_announced),
        PROT(alignment_check_at_cpl_3),
        PROT(a20_folds_the_second_megabyte),
        PROT(remapped_space_drops_cached_pages),
        PROT(buffers_check_all_pages_first),
        PROT(probe_sees_writes_and_stops_at_devices),
        PROT(peek_has_no_side_effects),
        PROT(flat_segment_ends_at_4_gib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
