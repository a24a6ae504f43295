/* The third way to run a case: its own bytes, on the host's processor, as 32- or 16-bit code in this process.
 *
 * Cases with is_native run at CPL 3 with a fixed page table.  The guest's linear address 0 is NATIVE_MEMORY, its segments are
 * descriptors of the process's LDT with the same bases (moved), limits and types.  Faults come as signals; the handler does
 * what the guest's handlers do: go on at the next multiple of 32, or end.  A seccomp filter takes the system calls of
 * 32-bit code away, in case it goes astray.
 * One in each process; its thread has an alternate signal stack. */
#ifndef FUZZ_NATIVE_H
#define FUZZ_NATIVE_H

#include "tests/fuzz/fuzz.h"

struct native;

/* NULL with *why: the host cannot (no modify_ldt, no FSGSBASE).  Call after fault_install(); after another fault_install() call
 * native_take_signals(). */
struct native *native_create(const char **why);
bool native_take_signals(struct native *n);
/* Run c; false: its end, exceptions, registers or memory differ from the interpreter's in reference, see what. */
bool native_run(struct native *n, const struct fuzz_case *c, const struct fuzz_machine *reference, char *what, unsigned size);
struct guest_end;
void native_end(const struct native *n, struct guest_end *end);
void native_print(const struct native *n); /* the end of the last run */
/* Page-table entry that a native case must have for a linear page. */
uint32_t native_page_entry(unsigned page);

#endif
