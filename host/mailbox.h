/* Work posted to the machine thread.
 *
 * One thread, the machine thread, runs the CPU and every device.  Other threads (event loop, disk worker)
 * never touch them: they post a function, and kick the CPU out of translated code.  That is the machine's
 * only locking rule.  Thread: mailbox_post() on any thread; mailbox_run() and mailbox_wait() on the machine thread. */
#ifndef HOST_MAILBOX_H
#define HOST_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct mailbox;
typedef void mail_fn(void *opaque);

/* kick(opaque) is called, on the posting thread, after something was posted; it must make the machine thread
 * come to mailbox_run() soon, and may be NULL. */
struct mailbox *mailbox_create(void (*kick)(void *opaque), void *opaque);
void mailbox_destroy(struct mailbox *m);
void mailbox_post(struct mailbox *m, mail_fn *fn, void *opaque);
/* Run all that was posted, in order; true if anything ran. */
bool mailbox_run(struct mailbox *m);
/* Forget everything posted with this opaque and not yet run: its owner is going away.  Machine thread. */
void mailbox_drop(struct mailbox *m, const void *opaque);
/* Sleep until something is posted or timeout_ns (UINT64_MAX: no limit) of host time have passed.  Does not run it. */
void mailbox_wait(struct mailbox *m, uint64_t timeout_ns);

#endif
