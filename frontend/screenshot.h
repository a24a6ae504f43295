/* The guest's screen as a file: .png, .ppm, or .txt (UTF-8 text of a text mode).  Thread: machine thread. */
#ifndef FRONTEND_SCREENSHOT_H
#define FRONTEND_SCREENSHOT_H

#include "devices/vga.h"
#include "frontend/loadfile.h"

/* Can a file of this name be written?  0, or -EINVAL with why (unknown suffix).  For checking options early. */
int screenshot_check_name(const char *path, char why[WHY_BYTES]);
/* 0, or -errno with why; nothing half-written is left behind. */
int screenshot_write(const struct vga *v, const char *path, char why[WHY_BYTES]);

#endif
