/* Status flags (SDM 1 3.4.3.1).
 *
 * Guest and host are the same architecture, so nobody here computes a flag: an operation runs as the host instruction of
 * the same name, between FLAGS_LOAD and FLAGS_SAVE where old flags matter.  Flags that the SDM calls undefined come out
 * as this processor makes them, which is also what translated code leaves in EFLAGS.
 *
 * Flags travel in AX as LAHF and SETO leave them: AH = SF ZF 0 AF 0 PF 1 CF, AL = OF.  That needs neither PUSHF nor the
 * stack, so the red zone is safe, and DF, TF and AC of the host stay out of it. */
#ifndef CPU_FLAGS_H
#define CPU_FLAGS_H

#include "cpu/cpu.h"

/* Assembly around one host instruction; AX is "packed flags".  Both clobber AX, and only LOAD changes flags. */
#define FLAGS_LOAD "addb $0x7f, %%al\n\tsahf\n\t" /* 1 + 7Fh overflows, 0 + 7Fh does not */
#define FLAGS_SAVE "\n\tseto %%al\n\tlahf"

static inline uint16_t flags_pack(uint32_t eflags)
{
    return (eflags & 0xff) << 8 | (eflags >> 11 & 1);
}

static inline uint32_t flags_unpack(uint16_t packed)
{
    return (packed >> 8 & (EFLAGS_STATUS & 0xff)) | (uint32_t)(packed & 1) << 11;
}

static inline void flags_set(struct cpu *cpu, uint16_t packed)
{
    cpu->eflags = (cpu->eflags & ~EFLAGS_STATUS) | flags_unpack(packed);
}

/* Condition code cc of Jcc, SETcc, CMOVcc (SDM 1, appendix B). */
static inline bool flags_condition(uint32_t eflags, unsigned cc)
{
    bool is_sf = eflags & EFLAGS_SF, is_of = eflags & EFLAGS_OF, is;

    switch (cc >> 1 & 7) {
    case 0:
        is = is_of;
        break;
    case 1:
        is = eflags & EFLAGS_CF;
        break;
    case 2:
        is = eflags & EFLAGS_ZF;
        break;
    case 3:
        is = eflags & (EFLAGS_CF | EFLAGS_ZF);
        break;
    case 4:
        is = is_sf;
        break;
    case 5:
        is = eflags & EFLAGS_PF;
        break;
    case 6:
        is = is_sf != is_of;
        break;
    default:
        is = (eflags & EFLAGS_ZF) || is_sf != is_of;
        break;
    }
    return is != (cc & 1);
}

/* A host instruction "insn src, dst" for each operand size, as
 *     uint64_t name(unsigned size, uint64_t dst, uint64_t src, uint16_t *packed)
 * which returns dst and updates the packed flags. */
#define FLAGS_BINARY_CASE(insn, type)                                                                                   \
    {                                                                                                                   \
        type d_ = (type)dst, s_ = (type)src;                                                                            \
        __asm__(FLAGS_LOAD insn " %[s], %[d]" FLAGS_SAVE : [d] "+r"(d_), "+&a"(f) : [s] "r"(s_) : "cc");                \
        dst = d_;                                                                                                       \
    }
#define DEFINE_BINARY(name, insn)                                                                                       \
    static inline uint64_t name(unsigned size, uint64_t dst, uint64_t src, uint16_t *packed)                            \
    {                                                                                                                   \
        uint16_t f = *packed;                                                                                           \
                                                                                                                        \
        if (size == 4)                                                                                                  \
            FLAGS_BINARY_CASE(insn, uint32_t)                                                                           \
        else if (size == 1)                                                                                             \
            FLAGS_BINARY_CASE(insn, uint8_t)                                                                            \
        else if (size == 2)                                                                                             \
            FLAGS_BINARY_CASE(insn, uint16_t)                                                                           \
        else                                                                                                            \
            FLAGS_BINARY_CASE(insn, uint64_t)                                                                           \
        *packed = f;                                                                                                    \
        return dst;                                                                                                     \
    }

/* The same for instructions without a byte form. */
#define DEFINE_WORD(name, insn)                                                                                         \
    static inline uint64_t name(unsigned size, uint64_t dst, uint64_t src, uint16_t *packed)                            \
    {                                                                                                                   \
        uint16_t f = *packed;                                                                                           \
                                                                                                                        \
        if (size == 4)                                                                                                  \
            FLAGS_BINARY_CASE(insn, uint32_t)                                                                           \
        else if (size == 2)                                                                                             \
            FLAGS_BINARY_CASE(insn, uint16_t)                                                                           \
        else                                                                                                            \
            FLAGS_BINARY_CASE(insn, uint64_t)                                                                           \
        *packed = f;                                                                                                    \
        return dst;                                                                                                     \
    }

/* The same for "insn dst". */
#define FLAGS_UNARY_CASE(insn, type)                                                                                    \
    {                                                                                                                   \
        type d_ = (type)dst;                                                                                            \
        __asm__(FLAGS_LOAD insn " %[d]" FLAGS_SAVE : [d] "+r"(d_), "+&a"(f) : : "cc");                                  \
        dst = d_;                                                                                                       \
    }
#define DEFINE_UNARY(name, insn)                                                                                        \
    static inline uint64_t name(unsigned size, uint64_t dst, uint16_t *packed)                                          \
    {                                                                                                                   \
        uint16_t f = *packed;                                                                                           \
                                                                                                                        \
        if (size == 4)                                                                                                  \
            FLAGS_UNARY_CASE(insn, uint32_t)                                                                            \
        else if (size == 1)                                                                                             \
            FLAGS_UNARY_CASE(insn, uint8_t)                                                                             \
        else if (size == 2)                                                                                             \
            FLAGS_UNARY_CASE(insn, uint16_t)                                                                            \
        else                                                                                                            \
            FLAGS_UNARY_CASE(insn, uint64_t)                                                                            \
        *packed = f;                                                                                                    \
        return dst;                                                                                                     \
    }

/* The same for "insn %cl, dst": shifts and rotates. */
#define FLAGS_SHIFT_CASE(insn, type)                                                                                    \
    {                                                                                                                   \
        type d_ = (type)dst;                                                                                            \
        __asm__(FLAGS_LOAD insn " %%cl, %[d]" FLAGS_SAVE : [d] "+r"(d_), "+&a"(f) : "c"((uint8_t)count) : "cc");        \
        dst = d_;                                                                                                       \
    }
#define DEFINE_SHIFT(name, insn)                                                                                        \
    static inline uint64_t name(unsigned size, uint64_t dst, uint64_t count, uint16_t *packed)                          \
    {                                                                                                                   \
        uint16_t f = *packed;                                                                                           \
                                                                                                                        \
        if (size == 4)                                                                                                  \
            FLAGS_SHIFT_CASE(insn, uint32_t)                                                                            \
        else if (size == 1)                                                                                             \
            FLAGS_SHIFT_CASE(insn, uint8_t)                                                                             \
        else if (size == 2)                                                                                             \
            FLAGS_SHIFT_CASE(insn, uint16_t)                                                                            \
        else                                                                                                            \
            FLAGS_SHIFT_CASE(insn, uint64_t)                                                                            \
        *packed = f;                                                                                                    \
        return dst;                                                                                                     \
    }

#endif
