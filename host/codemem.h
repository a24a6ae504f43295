/* Memory for emitted code, under W^X: one piece of shared memory seen twice, writable here, executable there.
 *
 * The emitter writes by `write`; the same bytes run at `exec`.  No mapping is ever writable and executable.
 * x86 keeps instruction fetch coherent with stores through another linear address once a serializing instruction or a
 * jump follows (SDM 3A 8.1.3 and 11.6), so nothing has to be flushed.
 * Thread: the owner's. */
#ifndef HOST_CODEMEM_H
#define HOST_CODEMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codemem {
    uint8_t *write;      /* readable, writable, not executable */
    const uint8_t *exec; /* readable, executable, not writable */
    size_t size;         /* bytes, a multiple of the host page */
};

/* size is rounded up to pages; is_low: exec is below 2 GiB.  0, -EINVAL if it is 0, or -errno: -EACCES or -EPERM where the host forbids generated
 * code (SELinux and the like). */
int codemem_create(struct codemem *m, size_t size, bool is_low);
#define CODEMEM_HUGE ((size_t)2 << 20)
/* Bytes [off, off + CODEMEM_HUGE), off a multiple of it, in one large page: one entry of the host's TLBs instead of 512.  False: they have not;
 * the host cannot or has none free. */
bool codemem_make_huge(struct codemem *m, size_t off);
/* Give bytes [off, off + len) memory, in both views, at once and not at a page fault for each page and view.  A hint. */
void codemem_populate(struct codemem *m, size_t off, size_t len);
void codemem_destroy(struct codemem *m); /* one that was never created, or failed to be, is fine if zeroed */

#endif
