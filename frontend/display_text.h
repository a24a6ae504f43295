/* The VGA text screen in the terminal, and the terminal's keyboard as the PC's.
 * Threads: drawn on the machine thread by a timer; keys come from the loop thread by mailbox. */
#ifndef FRONTEND_DISPLAY_TEXT_H
#define FRONTEND_DISPLAY_TEXT_H

#include "devices/vga.h"
#include "frontend/keys.h"
#include "host/clock.h"
#include "host/loop.h"
#include "host/mailbox.h"

struct display_text;

/* Takes the terminal.  0 or -errno (-ENOTTY).  Before the machine thread starts. */
int display_text_create(struct display_text **out, const struct vga *vga, struct clock *clock, struct loop *loop,
                        struct mailbox *mail, struct key_queue *keys);
/* Leaves the last screen in the terminal's scrollback.  After the machine thread has ended; d may be NULL. */
void display_text_destroy(struct display_text *d);

#endif
