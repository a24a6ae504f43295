/* AVX state: which parts of cpu->fpu there are, and when its instructions may run.  SDM 1 chapters 13 and 14. */
#ifndef CPU_AVX_H
#define CPU_AVX_H

#include "cpu/cpu.h"
#include "cpu/insn.h"

/* XCR0: state components; x87 is always set. */
#define XCR0_X87 1u
#define XCR0_SSE 2u
#define XCR0_AVX 4u
#define XCR0_AVX_STATE (XCR0_SSE | XCR0_AVX)

/* #UD outside protected mode or where the system has not enabled AVX, then #NM. */
NODISCARD bool avx_may_start(struct cpu *cpu);

/* The legacy part of cpu->fpu becomes `image`, as FXRSTOR loads it: reserved bits take the values they have on a
 * processor.  64-byte aligned. */
void fp_load_legacy(struct cpu *cpu, uint8_t *image);

/* XSAVE, XSAVEOPT and XRSTOR on an area in host memory, for which all is checked but what it holds.  xrstor_load() is false for #GP, with
 * nothing changed; it looks at the AVX part only if that is in xrstor_wanted(). */
bool xsave_may_start(const struct cpu *cpu); /* neither #UD nor #NM */
uint64_t xsave_requested(const struct cpu *cpu); /* components in EDX:EAX and XCR0 */
bool xsave_is_opt(const struct insn *in);
void xsave_store(struct cpu *cpu, uint8_t *area, bool is_opt);
uint64_t xrstor_wanted(const struct cpu *cpu, const uint8_t *area);
bool xrstor_load(struct cpu *cpu, const uint8_t *area);
#define XSAVE_ALIGN 64

/* What XCR0 may have, and the size of an XSAVE area for components. */
uint64_t xcr0_supported(const struct cpu *cpu);
unsigned xsave_area_size(uint64_t components);

#endif
