/* Segment registers and far control transfers.  SDM 3A chapters 3, 5, 6, 7 and 20 (virtual-8086).
 * All faulting functions: false with the event pending, architectural state unchanged. */
#ifndef CPU_SEGMENT_H
#define CPU_SEGMENT_H

#include "cpu/cpu.h"

/* MOV/POP to a data segment register or SS, LDS and friends: all checks of SDM 2, MOV, "Operation"; sets accessed bit. */
NODISCARD bool segment_load(struct cpu *cpu, enum sreg seg, uint16_t sel);
/* Real or virtual-8086 mode: base = sel << 4 (v86 also limit and rights); real mode keeps cached limit and rights. */
void segment_load_real(struct cpu *cpu, enum sreg seg, uint16_t sel);
/* Fill *s from the 8 descriptor bytes. */
void segment_unpack(struct segment *s, uint16_t sel, uint64_t descriptor);

/* ret_rip: pushed by calls.  size: operand size 2 or 4. */
NODISCARD bool far_jump(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned size);
NODISCARD bool far_call(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned size, uint64_t ret_rip);
NODISCARD bool far_return(struct cpu *cpu, unsigned size, uint16_t release_bytes);
NODISCARD bool far_iret(struct cpu *cpu, unsigned size);

enum task_switch_reason { TASK_JMP, TASK_CALL, TASK_IRET, TASK_EVENT /* exception, interrupt */, TASK_INT /* INT n */ };
/* Switch to the TSS named by sel; next_rip is what the outgoing TSS saves.  error: pushed on the new stack if has_error. */
NODISCARD bool task_switch(struct cpu *cpu, uint16_t sel, enum task_switch_reason reason, bool has_error, uint32_t error);

/* Deliver cpu->event through the IVT or IDT, escalating to #DF and shutdown as SDM 3A 6.15 says.  Afterwards no event is
 * pending, and rip is at the handler (or is_shutdown is set and board.triple_fault was called). */
void event_deliver(struct cpu *cpu);
/* The pending software interrupt, in a look-ahead.  False: its delivery would fault or switch tasks; nothing is pending then either. */
bool event_deliver_ahead(struct cpu *cpu);

#endif
