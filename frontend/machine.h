/* The machine thread: runs the CPU and the devices of one board, pauses, resets and ends them.
 *
 * Life: machine_create() builds the board on the main thread; machine_start() hands it to the machine thread; from then on
 * only machine_post() and machine_request_end() may be called from elsewhere.  When the machine has ended, its thread has
 * flushed the disks and taken the screenshot and calls loop_quit(); machine_join() gives the exit status. */
#ifndef FRONTEND_MACHINE_H
#define FRONTEND_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "frontend/options.h"
#include "host/loop.h"
#include "host/mailbox.h"

struct machine;
struct pc;
struct bt;

/* Host timers of the loop, by id. */
enum { LOOP_TIMER_TIMEOUT, LOOP_TIMER_WATCHDOG };

/* 0, or an exit status after one line on stderr.  o and loop outlive the machine. */
int machine_create(struct machine **out, const struct options *o, struct loop *loop);
/* Start the thread.  0, or an exit status after one line on stderr. */
int machine_start(struct machine *m);
int machine_join(struct machine *m); /* waits for the thread; the exit status */
void machine_destroy(struct machine *m); /* after join, or never started; m may be NULL */

/* --- any thread --- */
void machine_post(struct machine *m, mail_fn *fn, void *opaque); /* run fn on the machine thread */
/* End with this exit status, unless already ending.  Says so and leaves with status 70 if the machine does not obey. */
void machine_request_end(struct machine *m, int status);

/* --- machine thread, or before start --- */
void machine_pause(struct machine *m);
void machine_resume(struct machine *m);
bool machine_is_paused(const struct machine *m);
void machine_reset(struct machine *m);        /* at the next instruction boundary; the user's wish: --no-reboot is for guests */
void machine_power_button(struct machine *m); /* the guest may power off in answer, or not */
struct mailbox *machine_mailbox(struct machine *m);
struct clock *machine_clock(struct machine *m);
struct pc *machine_pc(struct machine *m);
/* Listen to STOP, RESUME, RESET, POWERDOWN, SHUTDOWN; data is JSON text or NULL.  One listener. */
void machine_set_listener(struct machine *m, void (*fn)(void *opaque, const char *event, const char *data), void *opaque);

/* --- after join --- */
struct bt *machine_bt(struct machine *m); /* NULL with --engine interp */
double machine_seconds(const struct machine *m); /* wall-clock time from start to end */

#endif
