/* The x87 escapes D8h..DFh: SDM volume 2, tables.
 *
 * Forms the SDM leaves out but processors since the 8087 execute (FSTP1, FCOM2, FXCH4 ...) have the names under which
 * old assemblers knew them.  8087 and 287 leftovers (FNENI, FNDISI, FNSETPM) do nothing. */
#include "cpu/optable.h"

/* clang-format off */
#define RM(modrm) ((modrm) - 0xc0)
#define ROW8(modrm) [RM(modrm) ... RM(modrm) + 7]

/* A memory form: operand, bytes, direction. */
#define X87_MEM(name, operand, bytes, rw) \
    {name, {operand}, 0, 0, 0, INNOCUOUS, 0, bytes, ATTR_X87 | (rw), FEAT_FPU, op_x87}
/* Register forms, operands last. */
#define X87_REG(name, ...) {name, {__VA_ARGS__}, 0, 0, 0, INNOCUOUS, 0, 0, ATTR_X87, FEAT_FPU, op_x87}
#define X87_NOWAIT(name, ...) \
    {name, {__VA_ARGS__}, 0, 0, 0, INNOCUOUS, 0, 0, ATTR_X87 | ATTR_X87_NOWAIT, FEAT_FPU, op_x87}
#define FCMOV(name, flags) {name, {ST0_, STi_}, flags, 0, 0, INNOCUOUS, 0, 0, ATTR_X87, FEAT_CMOV, op_x87}
#define FCOMI(name) {name, {ST0_, STi_}, 0, F_ARITH, 0, INNOCUOUS, 0, 0, ATTR_X87, FEAT_CMOV, op_x87}
/* Environment and state images hold instruction and operand pointers. */
#define X87_IMAGE(name, operand, attr, op)                                                                          \
    {name, {operand}, 0, 0, 0, INTERPRET, 0, 0, ATTR_X87 | ATTR_GUESTSTATE | (attr), FEAT_FPU, op}

const struct insn_desc optable_x87_mem[8][8] = {
    { /* D8: single precision */
        X87_MEM("fadd",  Md, 4, RD),
        X87_MEM("fmul",  Md, 4, RD),
        X87_MEM("fcom",  Md, 4, RD),
        X87_MEM("fcomp", Md, 4, RD),
        X87_MEM("fsub",  Md, 4, RD),
        X87_MEM("fsubr", Md, 4, RD),
        X87_MEM("fdiv",  Md, 4, RD),
        X87_MEM("fdivr", Md, 4, RD),
    },
    { /* D9 */
        X87_MEM("fld",    Md, 4, RD),
        {0},
        X87_MEM("fst",    Md, 4, WR),
        X87_MEM("fstp",   Md, 4, WR),
        X87_IMAGE("fldenv", Menv, RD, op_fldenv),
        X87_MEM("fldcw",  Mw, 2, RD),
        X87_IMAGE("fnstenv", Menv, WR | ATTR_X87_NOWAIT, op_fnstenv),
        X87_MEM("fnstcw", Mw, 2, WR | ATTR_X87_NOWAIT),
    },
    { /* DA: doubleword integer */
        X87_MEM("fiadd",  Md, 4, RD),
        X87_MEM("fimul",  Md, 4, RD),
        X87_MEM("ficom",  Md, 4, RD),
        X87_MEM("ficomp", Md, 4, RD),
        X87_MEM("fisub",  Md, 4, RD),
        X87_MEM("fisubr", Md, 4, RD),
        X87_MEM("fidiv",  Md, 4, RD),
        X87_MEM("fidivr", Md, 4, RD),
    },
    { /* DB */
        X87_MEM("fild",  Md, 4, RD),
        {"fisttp", {Md}, 0, 0, 0, INNOCUOUS, 0, 4, ATTR_X87 | WR, FEAT_SSE3, op_x87},
        X87_MEM("fist",  Md, 4, WR),
        X87_MEM("fistp", Md, 4, WR),
        {0},
        X87_MEM("fld",   Mt, 10, RD),
        {0},
        X87_MEM("fstp",  Mt, 10, WR),
    },
    { /* DC: double precision */
        X87_MEM("fadd",  Mq, 8, RD),
        X87_MEM("fmul",  Mq, 8, RD),
        X87_MEM("fcom",  Mq, 8, RD),
        X87_MEM("fcomp", Mq, 8, RD),
        X87_MEM("fsub",  Mq, 8, RD),
        X87_MEM("fsubr", Mq, 8, RD),
        X87_MEM("fdiv",  Mq, 8, RD),
        X87_MEM("fdivr", Mq, 8, RD),
    },
    { /* DD */
        X87_MEM("fld",   Mq, 8, RD),
        {"fisttp", {Mq}, 0, 0, 0, INNOCUOUS, 0, 8, ATTR_X87 | WR, FEAT_SSE3, op_x87},
        X87_MEM("fst",   Mq, 8, WR),
        X87_MEM("fstp",  Mq, 8, WR),
        X87_IMAGE("frstor", Mfpu, RD, op_frstor),
        {0},
        X87_IMAGE("fnsave", Mfpu, WR | ATTR_X87_NOWAIT, op_fnsave),
        X87_MEM("fnstsw", Mw, 2, WR | ATTR_X87_NOWAIT),
    },
    { /* DE: word integer */
        X87_MEM("fiadd",  Mw, 2, RD),
        X87_MEM("fimul",  Mw, 2, RD),
        X87_MEM("ficom",  Mw, 2, RD),
        X87_MEM("ficomp", Mw, 2, RD),
        X87_MEM("fisub",  Mw, 2, RD),
        X87_MEM("fisubr", Mw, 2, RD),
        X87_MEM("fidiv",  Mw, 2, RD),
        X87_MEM("fidivr", Mw, 2, RD),
    },
    { /* DF */
        X87_MEM("fild",  Mw, 2, RD),
        {"fisttp", {Mw}, 0, 0, 0, INNOCUOUS, 0, 2, ATTR_X87 | WR, FEAT_SSE3, op_x87},
        X87_MEM("fist",  Mw, 2, WR),
        X87_MEM("fistp", Mw, 2, WR),
        X87_MEM("fbld",  Mt, 10, RD),
        X87_MEM("fild",  Mq, 8, RD),
        X87_MEM("fbstp", Mt, 10, WR),
        X87_MEM("fistp", Mq, 8, WR),
    },
};

const struct insn_desc optable_x87_reg[8][64] = {
    { /* D8 */
        ROW8(0xc0) = X87_REG("fadd",  ST0_, STi_),
        ROW8(0xc8) = X87_REG("fmul",  ST0_, STi_),
        ROW8(0xd0) = X87_REG("fcom",  ST0_, STi_),
        ROW8(0xd8) = X87_REG("fcomp", ST0_, STi_),
        ROW8(0xe0) = X87_REG("fsub",  ST0_, STi_),
        ROW8(0xe8) = X87_REG("fsubr", ST0_, STi_),
        ROW8(0xf0) = X87_REG("fdiv",  ST0_, STi_),
        ROW8(0xf8) = X87_REG("fdivr", ST0_, STi_),
    },
    { /* D9 */
        ROW8(0xc0) = X87_REG("fld",   STi_),
        ROW8(0xc8) = X87_REG("fxch",  STi_),
        [RM(0xd0)] = X87_REG("fnop",  0),
        ROW8(0xd8) = X87_REG("fstp1", STi_), /* alias of DD D8+i */
        [RM(0xe0)] = X87_REG("fchs", 0),
        [RM(0xe1)] = X87_REG("fabs", 0),
        [RM(0xe4)] = X87_REG("ftst", 0),
        [RM(0xe5)] = X87_REG("fxam", 0),
        [RM(0xe8)] = X87_REG("fld1", 0),
        [RM(0xe9)] = X87_REG("fldl2t", 0),
        [RM(0xea)] = X87_REG("fldl2e", 0),
        [RM(0xeb)] = X87_REG("fldpi", 0),
        [RM(0xec)] = X87_REG("fldlg2", 0),
        [RM(0xed)] = X87_REG("fldln2", 0),
        [RM(0xee)] = X87_REG("fldz", 0),
        [RM(0xf0)] = X87_REG("f2xm1", 0),
        [RM(0xf1)] = X87_REG("fyl2x", 0),
        [RM(0xf2)] = X87_REG("fptan", 0),
        [RM(0xf3)] = X87_REG("fpatan", 0),
        [RM(0xf4)] = X87_REG("fxtract", 0),
        [RM(0xf5)] = X87_REG("fprem1", 0),
        [RM(0xf6)] = X87_REG("fdecstp", 0),
        [RM(0xf7)] = X87_REG("fincstp", 0),
        [RM(0xf8)] = X87_REG("fprem", 0),
        [RM(0xf9)] = X87_REG("fyl2xp1", 0),
        [RM(0xfa)] = X87_REG("fsqrt", 0),
        [RM(0xfb)] = X87_REG("fsincos", 0),
        [RM(0xfc)] = X87_REG("frndint", 0),
        [RM(0xfd)] = X87_REG("fscale", 0),
        [RM(0xfe)] = X87_REG("fsin", 0),
        [RM(0xff)] = X87_REG("fcos", 0),
    },
    { /* DA */
        ROW8(0xc0) = FCMOV("fcmovb",  F_CF),
        ROW8(0xc8) = FCMOV("fcmove",  F_ZF),
        ROW8(0xd0) = FCMOV("fcmovbe", F_BE),
        ROW8(0xd8) = FCMOV("fcmovu",  F_PF),
        [RM(0xe9)] = X87_REG("fucompp", 0),
    },
    { /* DB */
        ROW8(0xc0) = FCMOV("fcmovnb",  F_CF),
        ROW8(0xc8) = FCMOV("fcmovne",  F_ZF),
        ROW8(0xd0) = FCMOV("fcmovnbe", F_BE),
        ROW8(0xd8) = FCMOV("fcmovnu",  F_PF),
        [RM(0xe0)] = X87_NOWAIT("fneni", 0),   /* 8087 */
        [RM(0xe1)] = X87_NOWAIT("fndisi", 0),  /* 8087 */
        [RM(0xe2)] = X87_NOWAIT("fnclex", 0),
        [RM(0xe3)] = X87_NOWAIT("fninit", 0),
        [RM(0xe4)] = X87_NOWAIT("fnsetpm", 0), /* 287 */
        ROW8(0xe8) = FCOMI("fucomi"),
        ROW8(0xf0) = FCOMI("fcomi"),
    },
    { /* DC.  SUB and SUBR, DIV and DIVR change places against D8. */
        ROW8(0xc0) = X87_REG("fadd",  STi_, ST0_),
        ROW8(0xc8) = X87_REG("fmul",  STi_, ST0_),
        ROW8(0xd0) = X87_REG("fcom2",  ST0_, STi_), /* alias of D8 D0+i */
        ROW8(0xd8) = X87_REG("fcomp3", ST0_, STi_), /* alias of D8 D8+i */
        ROW8(0xe0) = X87_REG("fsubr", STi_, ST0_),
        ROW8(0xe8) = X87_REG("fsub",  STi_, ST0_),
        ROW8(0xf0) = X87_REG("fdivr", STi_, ST0_),
        ROW8(0xf8) = X87_REG("fdiv",  STi_, ST0_),
    },
    { /* DD */
        ROW8(0xc0) = X87_REG("ffree",  STi_),
        ROW8(0xc8) = X87_REG("fxch4",  STi_), /* alias of D9 C8+i */
        ROW8(0xd0) = X87_REG("fst",    STi_),
        ROW8(0xd8) = X87_REG("fstp",   STi_),
        ROW8(0xe0) = X87_REG("fucom",  ST0_, STi_),
        ROW8(0xe8) = X87_REG("fucomp", ST0_, STi_),
    },
    { /* DE */
        ROW8(0xc0) = X87_REG("faddp",  STi_, ST0_),
        ROW8(0xc8) = X87_REG("fmulp",  STi_, ST0_),
        ROW8(0xd0) = X87_REG("fcomp5", ST0_, STi_), /* alias of D8 D8+i */
        [RM(0xd9)] = X87_REG("fcompp", 0),
        ROW8(0xe0) = X87_REG("fsubrp", STi_, ST0_),
        ROW8(0xe8) = X87_REG("fsubp",  STi_, ST0_),
        ROW8(0xf0) = X87_REG("fdivrp", STi_, ST0_),
        ROW8(0xf8) = X87_REG("fdivp",  STi_, ST0_),
    },
    { /* DF */
        ROW8(0xc0) = X87_REG("ffreep", STi_), /* FFREE and pop */
        ROW8(0xc8) = X87_REG("fxch7",  STi_), /* alias of D9 C8+i */
        ROW8(0xd0) = X87_REG("fstp8",  STi_), /* aliases of DD D8+i */
        ROW8(0xd8) = X87_REG("fstp9",  STi_),
        [RM(0xe0)] = X87_NOWAIT("fnstsw", AX_),
        ROW8(0xe8) = FCOMI("fucomip"),
        ROW8(0xf0) = FCOMI("fcomip"),
    },
};
/* clang-format on */
