/* A debug mode: each access of translated code to guest memory is checked before it is made.
 *
 * The address must lie in the current window or its guards, or be one of the non-canonical addresses that limit checks make so that
 * the host faults; GS base, R14 and cpu agree about which window that is.  Otherwise: a report on stderr, exit status 70. */
#ifndef BT_CHECK_H
#define BT_CHECK_H

#include "bt/priv.h"

void check_generate(struct bt *bt);                    /* the stub; from now on the emitter calls check_access() */
void check_access(struct emit *e, const struct hmem *m); /* before an access to m; flag-neutral, all registers kept */
bool check_is_failure(const struct bt *bt, const uint8_t *host_pc);
_Noreturn void check_report(const struct bt *bt, const struct fault *f);

#endif
