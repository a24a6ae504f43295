/* Guest memory and code memory. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "host/codemem.h"
#include "host/guestmem.h"

static void ranges_are_fresh_pages(void **state)
{
    struct guestmem *m = guestmem_create(KIB(20) - 1);

    assert_non_null(m);
    assert_int_equal(guestmem_size(m), 0);
    assert_int_equal(guestmem_alloc(m, 1), 0);
    assert_int_equal(guestmem_alloc(m, 8192), 4096);
    assert_int_equal(guestmem_size(m), 12288);
    assert_int_equal(guestmem_view(m)[12287], 0);
    assert_int_equal(guestmem_alloc(m, 8193), -ENOMEM);
    assert_int_equal(guestmem_alloc(m, UINT64_MAX), -ENOMEM);
    assert_int_equal(guestmem_alloc(m, 8192), 12288);
    assert_int_equal(guestmem_alloc(m, 1), -ENOMEM);
    guestmem_destroy(m);
}

static void view_and_memfd_are_the_same_memory(void **state)
{
    struct guestmem *m = guestmem_create(MIB(1));
    uint8_t *other = mmap(NULL, 4096, PROT_READ, MAP_SHARED, guestmem_fd(m), 8192);

    assert_ptr_not_equal(other, MAP_FAILED);
    guestmem_view(m)[8192 + 5] = 0x5a;
    assert_int_equal(other[5], 0x5a);
    munmap(other, 4096);
    guestmem_destroy(m);
}

static void large_capacity_is_sparse(void **state)
{
    struct guestmem *m = guestmem_create(GIB(64));

    assert_non_null(m);
    guestmem_view(m)[GIB(64) - 1] = 1;
    guestmem_code_flags(m)[GIB(64) / 4096 - 1] = 1;
    guestmem_destroy(m);
}

static void impossible_capacity_is_refused(void **state)
{
    errno = 0;
    assert_null(guestmem_create(0));
    assert_int_equal(errno, EINVAL);
    assert_null(guestmem_create(UINT64_MAX));
    assert_null(guestmem_create((uint64_t)1 << 60)); /* more than there are addresses */
    assert_true(errno != 0);
    guestmem_destroy(NULL);
}

static void add_range(void *opaque, uint64_t off, uint64_t len)
{
    uint64_t *sum = opaque;

    *sum += off * 1000 + len;
}

static void all_watchers_are_told(void **state)
{
    struct guestmem *m = guestmem_create(MIB(1));
    uint64_t sums[5] = {0};

    for (int i = 0; i < 4; i++)
        assert_int_equal(guestmem_add_watch(m, add_range, &sums[i]), 0);
    assert_int_equal(guestmem_add_watch(m, add_range, &sums[4]), -ENOSPC);
    guestmem_written(m, 4097, 3);
    for (int i = 0; i < 4; i++)
        assert_int_equal(sums[i], 4097003);
    assert_int_equal(sums[4], 0);
    guestmem_destroy(m);
}

static void emitted_code_runs(void **state)
{
    static const uint8_t code[] = {0x8d, 0x47, 0x01, 0xc3}; /* lea eax, [rdi+1]; ret */
    struct codemem m;
    int (*fn)(int);

    assert_int_equal(codemem_create(&m, 5000, true), 0);
    assert_true((uintptr_t)m.exec + m.size <= 1ul << 31);
    assert_int_equal(m.size, 8192);
    memcpy(m.write + 4096, code, sizeof code);
    fn = (int (*)(int))(uintptr_t)(m.exec + 4096);
    assert_int_equal(fn(41), 42);
    codemem_destroy(&m);
    assert_null(m.write);
    codemem_destroy(&m);
}

/* The signal a child dies by when it does fn, 0 if it does not. */
static int signal_of(void (*fn)(struct codemem *m), struct codemem *m)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        fn(m);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void write_exec_view(struct codemem *m)
{
    *(volatile uint8_t *)m->exec = 1;
}

static void run_write_view(struct codemem *m)
{
    ((void (*)(void))(uintptr_t)m->write)();
}

static void no_view_is_writable_and_executable(void **state)
{
    struct codemem m;

    assert_int_equal(codemem_create(&m, 4096, false), 0);
    m.write[0] = 0xc3;
    assert_int_equal(signal_of(write_exec_view, &m), SIGSEGV);
    assert_int_equal(signal_of(run_write_view, &m), SIGSEGV);
    codemem_destroy(&m);
}

static void impossible_code_memory_is_refused(void **state)
{
    struct codemem m;

    assert_int_equal(codemem_create(&m, 0, true), -EINVAL);
    assert_int_equal(codemem_create(&m, SIZE_MAX, true), -EINVAL);
    assert_true(codemem_create(&m, (size_t)1 << 60, false) < 0);
    assert_null(m.exec);
    codemem_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_fresh_pages),
        cmocka_unit_test(view_and_memfd_are_the_same_memory),
        cmocka_unit_test(large_capacity_is_sparse),
        cmocka_unit_test(impossible_capacity_is_refused),
        cmocka_unit_test(all_watchers_are_told),
        cmocka_unit_test(emitted_code_runs),
        cmocka_unit_test(no_view_is_writable_and_executable),
        cmocka_unit_test(impossible_code_memory_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
