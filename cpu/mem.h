/* How semantics functions reach guest memory: segmentation, paging, then RAM or a device.
 *
 * Every function that can fault returns false with the event pending in cpu->event, having changed nothing.
 * Multi-byte accesses that cross a page check both pages before anything is written. */
#ifndef CPU_MEM_H
#define CPU_MEM_H

#include "cpu/cpu.h"

/* Segment checks (limit, type, null; SDM 3A 5.3) give the linear address.  access: ACCESS_READ or ACCESS_WRITE.
 * #GP(0), or #SS(0) for SS. */
NODISCARD bool mem_linear(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned size, unsigned access, gla_t *gla);

/* Segmented accesses at the current CPL; size 1, 2, 4, 8. */
NODISCARD bool mem_read(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned size, uint64_t *value);
NODISCARD bool mem_write(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned size, uint64_t value);
/* Read with the rights of a write checked (and D set): first half of a read-modify-write. */
NODISCARD bool mem_read_rmw(struct cpu *cpu, enum sreg seg, uint64_t off, unsigned size, uint64_t *value);
/* Any length (FXSAVE and the like); all pages are checked before the first byte moves. */
NODISCARD bool mem_read_buf(struct cpu *cpu, enum sreg seg, uint64_t off, void *buf, unsigned len);
NODISCARD bool mem_write_buf(struct cpu *cpu, enum sreg seg, uint64_t off, const void *buf, unsigned len);

/* Must an access of 1, 2, 4, 8 or 16 bytes raise #AC?  access with ACCESS_USER, as below. */
bool mem_is_misaligned(const struct cpu *cpu, gla_t gla, unsigned size, unsigned access);

/* Linear accesses.  access adds ACCESS_USER for CPL 3 rights; descriptor tables, TSS and IDT use supervisor rights. */
NODISCARD bool mem_read_linear(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, uint64_t *value);
NODISCARD bool mem_write_linear(struct cpu *cpu, gla_t gla, unsigned size, unsigned access, uint64_t value);

/* For bulk string operations: the host address of gla if it is plain RAM usable for access (ACCESS_READ/WRITE) at the current
 * CPL, with *run = bytes up to the end of the page; NULL when a device, ROM (write), code page (write) or fault is there
 * (use the slow functions then).  Never faults. */
uint8_t *mem_direct(struct cpu *cpu, gla_t gla, unsigned access, unsigned *run);

/* Bytes for the decoder: up to 15 at linear CS.base + rip, stopping early at a page that cannot be fetched or at the CS limit.
 * Returns how many; when none, the fault is pending. */
unsigned mem_fetch(struct cpu *cpu, uint64_t rip, uint8_t buf[15]);

/* Stack, honouring SS.B. */
NODISCARD bool mem_push(struct cpu *cpu, unsigned size, uint64_t value); /* moves SP */
NODISCARD bool mem_pop(struct cpu *cpu, unsigned size, uint64_t *value); /* moves SP */

void tlb_flush_all(struct cpu *cpu); /* with the mmu hooks: flush_all */
void tlb_flush_cr3(struct cpu *cpu, bool keep_global); /* load_cr3 */
void tlb_flush_page(struct cpu *cpu, gla_t gla); /* flush_page */

#endif
