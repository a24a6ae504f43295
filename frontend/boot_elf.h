/* Direct boot of multiboot-1 kernels: ELF by program headers, others by the addresses in their multiboot header.
 * The Multiboot Specification, version 0.6.96.  Thread: main, while the machine is built. */
#ifndef FRONTEND_BOOT_ELF_H
#define FRONTEND_BOOT_ELF_H

#include <stdbool.h>
#include "devices/fwcfg.h"
#include "frontend/loadfile.h"

/* Does the file have a multiboot header in its first 8 KiB? */
bool boot_is_multiboot(const char *path);
/* Load kernel and modules and make the firmware start the kernel.  modules (NULL: none) is "file arguments,file arguments".
 * ram_bytes: RAM below 4 GiB.  0, or -errno with why. */
int boot_elf_prepare(struct fwcfg *f, const char *kernel, const char *modules, const char *cmdline, uint64_t ram_bytes,
                     char why[WHY_BYTES]);

#endif
