/* One decoded instruction, its row in the opcode table, and the decoder.
 * Notation and order of the table: Intel SDM volume 2, appendix A. */
#ifndef CPU_INSN_H
#define CPU_INSN_H

#include <stdbool.h>
#include <stdint.h>
#include "cpu/feature.h"
#include "host/util.h"

struct cpu;
struct insn;

/* Executes in: cpu->next_rip is already the following instruction.  False: an event is pending, nothing changed. */
typedef bool insn_fn(struct cpu *cpu, const struct insn *in);

/* Popek and Goldberg's question, and what bt/ does about it. */
enum insn_class {
    INNOCUOUS,  /* copied, memory operands rewritten */
    BRANCH,     /* chained */
    SENSITIVE,  /* behaves differently, without a fault, when not run in ring 0 */
    PRIVILEGED, /* faults when not run in ring 0 */
    INTERPRET   /* innocuous, but with no 64-bit encoding or too rare to copy: bt/ calls the semantics function */
};

enum operand {
    OPERAND_NONE,
    /* ModRM r/m, register or memory (letter E) and memory only (M) */
    Eb, Ew, Ed, Eq, Ev, Ey, Mb, Mw, Md, Mq, Mdq, Mp, Ma, Ms, M, Mt /* 80-bit */, M512 /* FXSAVE */, Menv /* FPU env 14/28 */, Mfpu /* 94/108 */,
    Rd /* register, r/m field */, Rv, Ew_Rv /* Mw or Rv: SLDT, MOV from sreg */, Ed_w,
    /* ModRM reg */
    Gb, Gw, Gd, Gv, Gy, Gz, Sw, Cd, Dd,
    /* immediates and offsets */
    Ib, Ibs /* sign-extended to operand size */, Iw, Iz, Iv, Jb, Jz, Ap, Ob, Ov, I1 /* the constant 1 */,
    /* registers named by the opcode */
    AL_, AX_, eAX_, rAX_, CL_, DX_, Zb /* opcode bits 2:0, byte */, Zv /* opcode bits 2:0 */,
    ES_, CS_, SS_, DS_, FS_, GS_,
    /* strings and flags */
    Xb, Xv, Xz, Yb, Yv, Yz, Fv,
    /* x87, MMX, SSE.  Q/W are register or memory. */
    ST0_, STi_, Pq, Pd, Qq, Qd, Nq, Vdq, Vx, Vps, Vpd, Vss, Vsd, Vq, Wdq, Wx, Wps, Wpd, Wss, Wsd, Wq, Wd, Ww, Wb_, Udq, Ups, Upd, Uq,
    XMM0_,
    OPERAND_COUNT
};

/* attr bits */
enum {
    ATTR_LOCK = 1 << 0,      /* LOCK allowed with a memory destination */
    ATTR_MEM_R = 1 << 1,     /* the memory operand is read */
    ATTR_MEM_W = 1 << 2,     /* the memory operand is written */
    ATTR_MEM_ONLY = 1 << 3,  /* register form is #UD */
    ATTR_REG_ONLY = 1 << 4,  /* memory form is #UD */
    ATTR_X87 = 1 << 5,       /* #NM by EM/TS */
    ATTR_X87_NOWAIT = 1 << 6,/* does not report pending x87 exceptions */
    ATTR_MMX = 1 << 7,
    ATTR_SSE = 1 << 8,       /* needs CR4.OSFXSR; #NM by TS, #UD by EM */
    ATTR_NO16 = 1 << 9,      /* memory address is never used (LEA, NOP Ev, hints) */
    ATTR_INVALID64 = 1 << 10,/* #UD in 64-bit mode */
    ATTR_DEF64 = 1 << 11,    /* operand size defaults to 64 in 64-bit mode */
    ATTR_REP = 1 << 12,      /* string instruction that REP repeats */
    ATTR_END_BLOCK = 1 << 13,/* changes mode, windows or flow: a block ends here */
    ATTR_PE_ONLY = 1 << 14,  /* #UD in real and virtual-8086 mode */
    ATTR_BYTE = 1 << 15,     /* operand size is 8 whatever the prefixes */
    ATTR_GUESTSTATE = 1 << 16,/* x87/SSE state image with host pointers in it: not copied by bt/ */
    ATTR_NP = 1 << 17        /* 66h, F2h and F3h make it #UD (SDM: "NP"); so they do for all ATTR_MMX and ATTR_SSE rows */
};

struct insn_desc {
    const char *name; /* SDM mnemonic, lower case; NULL: undefined opcode */
    uint8_t operands[4];
    uint32_t flags_read, flags_written, flags_undef; /* EFLAGS bits; undef is part of written */
    uint8_t iclass;  /* enum insn_class */
    uint8_t sens;    /* enum sensitive_id for counters, else 0 */
    uint16_t mem_size; /* bytes of the memory operand, 0: by operand size */
    uint32_t attr;
    uint8_t feature; /* enum cpu_feature: without it the row is #UD */
    insn_fn *exec;
};

enum insn_map { MAP_1B, MAP_0F, MAP_0F38, MAP_0F3A };

#define INSN_NO_REG (-1)

struct insn {
    const struct insn_desc *desc; /* never NULL after a successful decode; undefined opcodes have op_ud */
    uint8_t bytes[15];
    uint8_t len;
    uint8_t code_size;  /* 2, 4 or 8: default of the mode decoded for */
    uint8_t opsize;     /* 2, 4, 8 (1 with ATTR_BYTE) */
    uint8_t addrsize;   /* 2, 4, 8 */
    uint8_t map;        /* enum insn_map */
    uint8_t opcode;
    uint8_t rep;        /* 0, F2h or F3h as repeat or mandatory prefix: the last one of them */
    uint8_t rex;        /* 0 or 40h..4Fh */
    bool has_lock, has_opsize_prefix, has_addrsize_prefix, has_modrm, has_sib, is_mem; /* is_mem: mod != 3 with modrm */
    int8_t seg_override; /* enum sreg, or INSN_NO_REG */
    uint8_t seg;         /* segment of the memory operand, defaults and override applied (enum sreg) */
    uint8_t modrm, mod, reg, rm, sib; /* reg, rm with REX bits added */
    int8_t base, index;  /* registers of the memory operand (enum gpr) or INSN_NO_REG; 16-bit forms too (BX+SI: base BX, index SI) */
    uint8_t scale;       /* 0..3 */
    bool is_rip_relative; /* 64-bit mode: disp counts from the next instruction; base and index are INSN_NO_REG */
    int64_t disp;        /* sign-extended displacement of the memory operand; moffs (Ob/Ov) too */
    uint8_t disp_len, imm_len; /* bytes in the encoding */
    uint64_t imm;        /* sign-extended where the operand says so; Jb/Jz: sign-extended displacement; Ap: offset */
    uint16_t imm2;       /* Ap: selector; ENTER: nesting level */
};

enum decode_result {
    DECODE_OK,
    DECODE_MORE, /* avail ended inside the instruction: fetch faults or page end decide */
    DECODE_LONG  /* over 15 bytes: #GP(0) */
};

/* Decode one instruction from bytes[0..avail).  code_size 2, 4 or 8.  An undefined opcode decodes OK with exec = op_ud (length
 * as far as the SDM defines it).  Pure function. */
enum decode_result insn_decode(struct insn *in, const uint8_t *bytes, unsigned avail, unsigned code_size);

/* Bytes the memory operand covers (0 if none or never accessed). */
unsigned insn_mem_size(const struct insn *in);

static inline bool insn_is(const struct insn *in, insn_fn *fn)
{
    return in->desc->exec == fn;
}

/* Text of guest or host code through Capstone (cpu/disasm.c): "lock xadd dword ptr [eax], ecx".  code_size as above.
 * Returns the length consumed, or 0 with "(bad)". */
unsigned disasm(char *buf, unsigned size, const uint8_t *bytes, unsigned avail, uint64_t address, unsigned code_size);

#endif
