/* Direct boot of a Linux bzImage (and what follows its protocol: iPXE's lkrn, memtest86+).
 * Linux Documentation/x86/boot.rst, protocol 2.00 and later, 16-bit entry.
 * Thread: main, while the machine is built. */
#ifndef FRONTEND_BOOT_LINUX_H
#define FRONTEND_BOOT_LINUX_H

#include <stdbool.h>
#include "devices/fwcfg.h"
#include "frontend/loadfile.h"

/* Does the file have a Linux boot header? */
bool boot_is_linux(const char *path);
/* Load kernel, initrd (NULL: none) and command line (NULL: empty) and make the firmware start them.  ram_bytes: RAM below
 * 4 GiB.  0, or -errno with why. */
int boot_linux_prepare(struct fwcfg *f, const char *kernel, const char *initrd, const char *cmdline, uint64_t ram_bytes,
                       char why[WHY_BYTES]);

/* Any kernel: Linux or multiboot, by its contents; a file that is neither is refused. */
int boot_kernel_prepare(struct fwcfg *f, const char *kernel, const char *initrd, const char *cmdline,
                        uint64_t ram_bytes, char why[WHY_BYTES]);

#endif
