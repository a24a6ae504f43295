/* May the running code touch an I/O port?  SDM 1 18.5. */
#ifndef CPU_IO_H
#define CPU_IO_H

#include "cpu/cpu.h"

/* IOPL, else the TSS's I/O permission bitmap.  size 1, 2, 4.  False: #GP(0), or the #PF of reading the bitmap, is pending. */
NODISCARD bool io_allowed(struct cpu *cpu, uint16_t port, unsigned size);

/* An access to the port was made: are there breakpoints on it?  They trap behind the instruction. */
void io_note_breakpoints(struct cpu *cpu, uint16_t port, unsigned size);

#endif
