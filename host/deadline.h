/* A timer that interrupts the thread it belongs to, wherever that is: in translated code too.
 *
 * A signal to the thread itself costs the guest two or three microseconds.  With a timer on the event loop's thread, which then
 * kicked the machine thread, the former took 1.5 % of a processor for 250 ticks a second.
 * Uses SIGALRM (which debuggers pass on without stopping) for the whole process.  System calls of the thread that are not
 * restarted, poll(2) and its kin, may fail with EINTR. */
#ifndef HOST_DEADLINE_H
#define HOST_DEADLINE_H

#include <stdint.h>

struct deadline;

/* fn(opaque) will be called on the calling thread, in a signal handler: it must be async-signal-safe.  Then fault_interrupt().  On the thread's
 * alternate signal stack, if it has one.  0 or -errno. */
int deadline_create(struct deadline **out, void (*fn)(void *opaque), void *opaque);
/* Once, after delay_ns of host time; replaces what was armed before.  Thread: the timer's own. */
void deadline_arm(struct deadline *d, uint64_t delay_ns);
void deadline_disarm(struct deadline *d); /* fn may still be called once, if the time is just now */
void deadline_destroy(struct deadline *d); /* after its thread has ended; NULL allowed */

#endif
