/* The opcode maps of SDM volume 2, appendix A, and how the decoder finds a row in them.  Private to cpu/. */
#ifndef CPU_OPTABLE_H
#define CPU_OPTABLE_H

#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/ops.h"

/* Column of a row that depends on a mandatory prefix.  F2 and F3 win over 66. */
enum opprefix { PFX_NONE, PFX_66, PFX_F3, PFX_F2, PFX_COUNT };

/* clang-format off */
/* Rows that ModRM distinguishes (table A-6), and the x87 escapes (A.5). */
enum opgroup {
    GRP_NONE,
    GRP_1_80, GRP_1_81, GRP_1_82, GRP_1_83, GRP_1A,
    GRP_2_C0, GRP_2_C1, GRP_2_D0, GRP_2_D1, GRP_2_D2, GRP_2_D3,
    GRP_3_F6, GRP_3_F7, GRP_4, GRP_5, GRP_6, GRP_7, GRP_8, GRP_9, GRP_9_REP, GRP_11_C6, GRP_11_C7,
    GRP_12, GRP_12_66, GRP_13, GRP_13_66, GRP_14, GRP_14_66, GRP_15,
    GRP_X87, /* eight of them, D8..DF */
    GRP_COUNT = GRP_X87 + 8
};

/* clang-format on */
struct opgroup_rows {
    const struct insn_desc *mem;    /* [8] by ModRM.reg, mod != 3 */
    const struct insn_desc *reg;    /* [8] by ModRM.reg, mod = 3 */
    const struct insn_desc *reg_rm; /* [64] by ModRM bits 5:0, mod = 3; in place of reg */
};

/* Undefined opcodes have no name.  In the maps with prefix columns an empty column means: as without the prefix,
 * except for rows with ATTR_NP, ATTR_MMX or ATTR_SSE, where it means undefined. */
extern const struct insn_desc optable_1b[256];
extern const struct insn_desc optable_0f[256][PFX_COUNT];
extern const struct insn_desc optable_0f38[256][PFX_COUNT];
extern const struct insn_desc optable_0f3a[256][PFX_COUNT];
extern const struct opgroup_rows optable_groups[GRP_COUNT];
extern const struct insn_desc optable_x87_mem[8][8], optable_x87_reg[8][64];
extern const struct insn_desc optable_grp12[8], optable_grp12_66[8], optable_grp13[8], optable_grp13_66[8],
    optable_grp14[8], optable_grp14_66[8], optable_grp15_mem[8], optable_grp15_reg[8];
/* Undefined; and two one-byte opcodes that mean something else in 64-bit mode: 63h, and 90h with REX.B. */
extern const struct insn_desc optable_ud, optable_movsxd, optable_xchg_r8;

/* A VEX-encoded instruction.  Lists end with a row that allows no L. */
struct vex_row {
    struct insn_desc desc;
    uint8_t pp;    /* enum opprefix */
    uint8_t l, w;  /* values allowed: bit 0 for 0, bit 1 for 1; w bit 2: 1 in 64-bit mode */
    uint8_t digit; /* 1 + ModRM.reg, or 0: any */
};
#define VEX_MAPS 3
extern const struct vex_row *const *const optable_vex[VEX_MAPS]; /* [map - MAP_0F][opcode]; NULL: none */

/* clang-format off */
/* A slot whose row is found in a group: its number stands where a row has its memory size. */
#define ATTR_GROUP (1u << 31)
#define GROUP(number) {.attr = ATTR_GROUP, .mem_size = (number)}
/* clang-format on */

/* Shorthand of the tables: flags … */
#define F_CF    EFLAGS_CF
#define F_PF    EFLAGS_PF
#define F_AF    EFLAGS_AF
#define F_ZF    EFLAGS_ZF
#define F_SF    EFLAGS_SF
#define F_OF    EFLAGS_OF
#define F_DF    EFLAGS_DF
#define F_IF    EFLAGS_IF
#define F_CO    (F_CF | F_OF)
#define F_BE    (F_CF | F_ZF)
#define F_LT    (F_SF | F_OF)
#define F_LE    (F_ZF | F_SF | F_OF)
#define F_SZAP  (F_SF | F_ZF | F_AF | F_PF)
#define F_OSZAP (F_OF | F_SZAP)
#define F_OSAP  (F_OF | F_SF | F_AF | F_PF)
#define F_ARITH EFLAGS_STATUS
#define F_INT   (EFLAGS_TF | EFLAGS_IF | EFLAGS_NT | EFLAGS_VM | EFLAGS_RF | EFLAGS_AC)
#define F_ALL   (EFLAGS_NATIVE | F_INT | EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP | EFLAGS_ID)

/* … and attributes */
enum {
    RD = ATTR_MEM_R,
    WR = ATTR_MEM_W,
    RW = ATTR_MEM_R | ATTR_MEM_W,
    LOCKRW = ATTR_MEM_R | ATTR_MEM_W | ATTR_LOCK,
    MEM = ATTR_MEM_ONLY,
    REG = ATTR_REG_ONLY,
    BYTE = ATTR_BYTE,
    NO64 = ATTR_INVALID64,
    D64 = ATTR_DEF64,
    END = ATTR_END_BLOCK,
    HINT = ATTR_NO16
};

/* clang-format off */
/* Rows of MMX and XMM instructions, operands last; SIMD: an instruction with both kinds of registers. */
#define MMX(name, feature, attr, ...) \
    {name, {__VA_ARGS__}, 0, 0, 0, INNOCUOUS, 0, 0, ATTR_MMX | (attr), FEAT_##feature, op_sse}
#define XMM(name, feature, attr, ...) \
    {name, {__VA_ARGS__}, 0, 0, 0, INNOCUOUS, 0, 0, ATTR_SSE | (attr), FEAT_##feature, op_sse}
#define SIMD(name, feature, attr, ...) \
    {name, {__VA_ARGS__}, 0, 0, 0, INNOCUOUS, 0, 0, ATTR_MMX | ATTR_SSE | (attr), FEAT_##feature, op_sse}
/* The same with all status flags written, and with the size of the memory form. */
#define XMM_FLAGS(name, feature, attr, ...) \
    {name, {__VA_ARGS__}, 0, F_ARITH, 0, INNOCUOUS, 0, 0, ATTR_SSE | (attr), FEAT_##feature, op_sse}
#define XMM_SIZE(name, feature, bytes, attr, ...) \
    {name, {__VA_ARGS__}, 0, 0, 0, INNOCUOUS, 0, bytes, ATTR_SSE | (attr), FEAT_##feature, op_sse}
/* clang-format on */

#endif
