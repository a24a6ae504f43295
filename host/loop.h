/* The event loop of the main thread: file descriptors and host timers (epoll, timerfd).
 * Thread: loop_add/remove/modify on any thread; callbacks run on the thread in loop_run(). */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

#include <stdint.h>

struct loop;
typedef void loop_fd_fn(void *opaque, int fd, uint32_t epoll_events);

struct loop *loop_create(void);
void loop_destroy(struct loop *l);
int loop_add_fd(struct loop *l, int fd, uint32_t epoll_events, loop_fd_fn *fn, void *opaque); /* 0 or -errno */
int loop_modify_fd(struct loop *l, int fd, uint32_t epoll_events);
/* When it returns, fn is not running (unless it is fn that calls) and will not be called again. */
void loop_remove_fd(struct loop *l, int fd);
/* Call fn once after delay_ns of host time (0: cancel).  One timer per id (0..7). */
typedef void loop_timer_fn(void *opaque);
void loop_set_timer(struct loop *l, unsigned id, uint64_t delay_ns, loop_timer_fn *fn, void *opaque);
int loop_run(struct loop *l); /* returns the value given to loop_quit() */
void loop_quit(struct loop *l, int value);

#endif
