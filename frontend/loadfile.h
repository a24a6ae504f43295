/* Reading a whole file that the user named, or saying in one sentence why not.  Thread: main, while the machine is built. */
#ifndef FRONTEND_LOADFILE_H
#define FRONTEND_LOADFILE_H

#include <stddef.h>
#include <stdint.h>
#include "host/util.h"

#define WHY_BYTES 512 /* size of every why[] buffer */

/* An open, non-empty regular file and its size.  what ("kernel") starts the sentence.  A descriptor, or -errno with why. */
int loadfile_open(const char *what, const char *path, uint64_t max_bytes, uint64_t *size, char why[WHY_BYTES]);
/* Exactly len bytes from the start of fd.  0, or -errno with why. */
int loadfile_read(int fd, const char *what, const char *path, void *buf, uint64_t len, char why[WHY_BYTES]);
/* All of it: *data is malloc'ed.  0, or -errno with why. */
int loadfile(const char *what, const char *path, uint64_t max_bytes, uint8_t **data, uint64_t *len, char why[WHY_BYTES]);

#endif
