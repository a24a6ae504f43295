/* One-byte opcode map and its groups: SDM volume 2, tables.
 *
 * Where an instruction may leave a flag alone (shifts by a count that can be 0, REP with count 0), the flag stands in
 * both the read and the written column: its old value may pass through. */
#include "cpu/optable.h"

/* clang-format off */
const struct insn_desc optable_ud = {"ud", {0}, 0, 0, 0, INTERPRET, 0, 0, END, 0, op_ud};
const struct insn_desc optable_movsxd = {"movsxd", {Gv, Ed}, 0, 0, 0, INNOCUOUS, 0, 0, RD, 0, op_movsx};
const struct insn_desc optable_xchg_r8 = {"xchg", {Zv, rAX_}, 0, 0, 0, INNOCUOUS, 0, 0, 0, 0, op_xchg};

/* The six forms of the eight arithmetic instructions.  rw: what the memory destination allows. */
#define ALU_ROWS(opcode, name, read, undef, rw, op)                                                                 \
    [opcode + 0] = {name, {Eb, Gb},   read, F_ARITH, undef, INNOCUOUS, 0, 0, rw | BYTE, 0, op},                     \
    [opcode + 1] = {name, {Ev, Gv},   read, F_ARITH, undef, INNOCUOUS, 0, 0, rw,        0, op},                     \
    [opcode + 2] = {name, {Gb, Eb},   read, F_ARITH, undef, INNOCUOUS, 0, 0, RD | BYTE, 0, op},                     \
    [opcode + 3] = {name, {Gv, Ev},   read, F_ARITH, undef, INNOCUOUS, 0, 0, RD,        0, op},                     \
    [opcode + 4] = {name, {AL_, Ib},  read, F_ARITH, undef, INNOCUOUS, 0, 0, BYTE,      0, op},                     \
    [opcode + 5] = {name, {rAX_, Iz}, read, F_ARITH, undef, INNOCUOUS, 0, 0, 0,         0, op}
#define PUSH_SREG(sreg) {"push", {sreg}, 0, 0, 0, SENSITIVE, SENS_PUSH_SREG, 0, NO64, 0, op_push_sreg}
#define POP_SREG(sreg)  {"pop",  {sreg}, 0, 0, 0, SENSITIVE, SENS_POP_SREG,  0, NO64 | END, 0, op_pop_sreg}
#define JCC(name, flags)      {name,   {Jb}, flags, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_jcc}

const struct insn_desc optable_1b[256] = {
    /*        name   operands  read  written  undef  class  counter  memory size  attributes  feature  semantics */
    ALU_ROWS(0x00, "add", 0, 0, LOCKRW, op_add),
    [0x06] = PUSH_SREG(ES_),
    [0x07] = POP_SREG(ES_),
    ALU_ROWS(0x08, "or", 0, F_AF, LOCKRW, op_or),
    [0x0e] = PUSH_SREG(CS_), /* 0Fh: escape */
    ALU_ROWS(0x10, "adc", F_CF, 0, LOCKRW, op_adc),
    [0x16] = PUSH_SREG(SS_),
    [0x17] = POP_SREG(SS_),
    ALU_ROWS(0x18, "sbb", F_CF, 0, LOCKRW, op_sbb),
    [0x1e] = PUSH_SREG(DS_),
    [0x1f] = POP_SREG(DS_),
    ALU_ROWS(0x20, "and", 0, F_AF, LOCKRW, op_and), /* 26h: ES */
    [0x27] = {"daa",  {0}, F_AF | F_CF, F_ARITH, F_OF, INTERPRET, 0, 0, NO64, 0, op_daa},
    ALU_ROWS(0x28, "sub", 0, 0, LOCKRW, op_sub),    /* 2Eh: CS */
    [0x2f] = {"das",  {0}, F_AF | F_CF, F_ARITH, F_OF, INTERPRET, 0, 0, NO64, 0, op_das},
    ALU_ROWS(0x30, "xor", 0, F_AF, LOCKRW, op_xor), /* 36h: SS */
    [0x37] = {"aaa",  {0}, F_AF, F_ARITH, F_ARITH & ~(F_AF | F_CF), INTERPRET, 0, 0, NO64, 0, op_aaa},
    ALU_ROWS(0x38, "cmp", 0, 0, RD, op_cmp),        /* 3Eh: DS */
    [0x3f] = {"aas",  {0}, F_AF, F_ARITH, F_ARITH & ~(F_AF | F_CF), INTERPRET, 0, 0, NO64, 0, op_aas},

    [0x40 ... 0x47] = {"inc", {Zv}, 0, F_OSZAP, 0, INNOCUOUS, 0, 0, NO64, 0, op_inc}, /* 64-bit mode: REX */
    [0x48 ... 0x4f] = {"dec", {Zv}, 0, F_OSZAP, 0, INNOCUOUS, 0, 0, NO64, 0, op_dec},

    [0x50 ... 0x57] = {"push", {Zv}, 0, 0, 0, INNOCUOUS, 0, 0, D64, 0, op_push},
    [0x58 ... 0x5f] = {"pop",  {Zv}, 0, 0, 0, INNOCUOUS, 0, 0, D64, 0, op_pop},

    [0x60] = {"pusha", {0},       0, 0, 0, INTERPRET, 0, 0, NO64, 0, op_pusha},
    [0x61] = {"popa",  {0},       0, 0, 0, INTERPRET, 0, 0, NO64, 0, op_popa},
    [0x62] = {"bound", {Gv, Ma},  0, 0, 0, INTERPRET, 0, 0, RD | MEM | NO64, 0, op_bound},
    [0x63] = {"arpl",  {Ew, Gw},  0, F_ZF, 0, SENSITIVE, SENS_OTHER, 0, RW | NO64 | ATTR_PE_ONLY, 0, op_arpl},
    /* 64h..67h: FS, GS, operand size, address size */
    [0x68] = {"push",  {Iz},          0, 0, 0, INNOCUOUS, 0, 0, D64, 0, op_push},
    [0x69] = {"imul",  {Gv, Ev, Iz},  0, F_ARITH, F_SZAP, INNOCUOUS, 0, 0, RD, 0, op_imul},
    [0x6a] = {"push",  {Ibs},         0, 0, 0, INNOCUOUS, 0, 0, D64, 0, op_push},
    [0x6b] = {"imul",  {Gv, Ev, Ibs}, 0, F_ARITH, F_SZAP, INNOCUOUS, 0, 0, RD, 0, op_imul},
    [0x6c] = {"insb",  {Yb, DX_}, F_DF, 0, 0, PRIVILEGED, SENS_INS,  0, WR | ATTR_REP | BYTE, 0, op_ins},
    [0x6d] = {"ins",   {Yz, DX_}, F_DF, 0, 0, PRIVILEGED, SENS_INS,  0, WR | ATTR_REP, 0, op_ins},
    [0x6e] = {"outsb", {DX_, Xb}, F_DF, 0, 0, PRIVILEGED, SENS_OUTS, 0, RD | ATTR_REP | BYTE, 0, op_outs},
    [0x6f] = {"outs",  {DX_, Xz}, F_DF, 0, 0, PRIVILEGED, SENS_OUTS, 0, RD | ATTR_REP, 0, op_outs},

    [0x70] = JCC("jo",  F_OF),
    [0x71] = JCC("jno", F_OF),
    [0x72] = JCC("jb",  F_CF),
    [0x73] = JCC("jnb", F_CF),
    [0x74] = JCC("jz",  F_ZF),
    [0x75] = JCC("jnz", F_ZF),
    [0x76] = JCC("jbe", F_BE),
    [0x77] = JCC("ja",  F_BE),
    [0x78] = JCC("js",  F_SF),
    [0x79] = JCC("jns", F_SF),
    [0x7a] = JCC("jp",  F_PF),
    [0x7b] = JCC("jnp", F_PF),
    [0x7c] = JCC("jl",  F_LT),
    [0x7d] = JCC("jnl", F_LT),
    [0x7e] = JCC("jle", F_LE),
    [0x7f] = JCC("jg",  F_LE),

    [0x80] = GROUP(GRP_1_80),
    [0x81] = GROUP(GRP_1_81),
    [0x82] = GROUP(GRP_1_82), /* alias of 80h outside 64-bit mode */
    [0x83] = GROUP(GRP_1_83),
    [0x84] = {"test", {Eb, Gb}, 0, F_ARITH, F_AF, INNOCUOUS, 0, 0, RD | BYTE, 0, op_test},
    [0x85] = {"test", {Ev, Gv}, 0, F_ARITH, F_AF, INNOCUOUS, 0, 0, RD, 0, op_test},
    [0x86] = {"xchg", {Eb, Gb}, 0, 0, 0, INNOCUOUS, 0, 0, LOCKRW | BYTE, 0, op_xchg},
    [0x87] = {"xchg", {Ev, Gv}, 0, 0, 0, INNOCUOUS, 0, 0, LOCKRW, 0, op_xchg},
    [0x88] = {"mov",  {Eb, Gb}, 0, 0, 0, INNOCUOUS, 0, 0, WR | BYTE, 0, op_mov},
    [0x89] = {"mov",  {Ev, Gv}, 0, 0, 0, INNOCUOUS, 0, 0, WR, 0, op_mov},
    [0x8a] = {"mov",  {Gb, Eb}, 0, 0, 0, INNOCUOUS, 0, 0, RD | BYTE, 0, op_mov},
    [0x8b] = {"mov",  {Gv, Ev}, 0, 0, 0, INNOCUOUS, 0, 0, RD, 0, op_mov},
    [0x8c] = {"mov",  {Ew_Rv, Sw}, 0, 0, 0, SENSITIVE, SENS_MOV_SREG, 0, WR, 0, op_mov_from_sreg},
    [0x8d] = {"lea",  {Gv, M},  0, 0, 0, INNOCUOUS, 0, 0, MEM | HINT, 0, op_lea},
    [0x8e] = {"mov",  {Sw, Ew}, 0, 0, 0, SENSITIVE, SENS_MOV_SREG, 0, RD | END, 0, op_mov_to_sreg},
    [0x8f] = GROUP(GRP_1A),

    [0x90] = {"nop",  {0}, 0, 0, 0, INNOCUOUS, 0, 0, 0, 0, op_nop}, /* F3: PAUSE */
    [0x91 ... 0x97] = {"xchg", {Zv, rAX_}, 0, 0, 0, INNOCUOUS, 0, 0, 0, 0, op_xchg},
    [0x98] = {"cbw",  {0}, 0, 0, 0, INNOCUOUS, 0, 0, 0, 0, op_cbw}, /* CWDE */
    [0x99] = {"cwd",  {0}, 0, 0, 0, INNOCUOUS, 0, 0, 0, 0, op_cwd}, /* CDQ */
    [0x9a] = {"callf", {Ap}, 0, 0, 0, SENSITIVE, SENS_CALL_FAR, 0, NO64 | END, 0, op_call_far_ptr},
    [0x9b] = {"fwait", {0}, 0, 0, 0, INTERPRET, 0, 0, 0, FEAT_FPU, op_fwait}, /* #NM by MP and TS, not EM */
    [0x9c] = {"pushf", {Fv}, F_ALL, 0, 0, SENSITIVE, SENS_PUSHF, 0, D64, 0, op_pushf},
    [0x9d] = {"popf",  {Fv}, F_ALL & ~EFLAGS_NATIVE, F_ALL, 0, SENSITIVE, SENS_POPF, 0, D64 | END, 0, op_popf},
    [0x9e] = {"sahf",  {0}, 0, F_SZAP | F_CF, 0, INNOCUOUS, 0, 0, 0, 0, op_sahf},
    [0x9f] = {"lahf",  {0}, F_SZAP | F_CF, 0, 0, INNOCUOUS, 0, 0, 0, 0, op_lahf},

    [0xa0] = {"mov",   {AL_, Ob},  0, 0, 0, INNOCUOUS, 0, 0, RD | BYTE, 0, op_mov},
    [0xa1] = {"mov",   {rAX_, Ov}, 0, 0, 0, INNOCUOUS, 0, 0, RD, 0, op_mov},
    [0xa2] = {"mov",   {Ob, AL_},  0, 0, 0, INNOCUOUS, 0, 0, WR | BYTE, 0, op_mov},
    [0xa3] = {"mov",   {Ov, rAX_}, 0, 0, 0, INNOCUOUS, 0, 0, WR, 0, op_mov},
    [0xa4] = {"movsb", {Yb, Xb}, F_DF, 0, 0, INNOCUOUS, 0, 0, RW | ATTR_REP | BYTE, 0, op_movs},
    [0xa5] = {"movs",  {Yv, Xv}, F_DF, 0, 0, INNOCUOUS, 0, 0, RW | ATTR_REP, 0, op_movs},
    [0xa6] = {"cmpsb", {Xb, Yb}, F_DF | F_ARITH, F_ARITH, 0, INNOCUOUS, 0, 0, RD | ATTR_REP | BYTE, 0, op_cmps},
    [0xa7] = {"cmps",  {Xv, Yv}, F_DF | F_ARITH, F_ARITH, 0, INNOCUOUS, 0, 0, RD | ATTR_REP, 0, op_cmps},
    [0xa8] = {"test",  {AL_, Ib},  0, F_ARITH, F_AF, INNOCUOUS, 0, 0, BYTE, 0, op_test},
    [0xa9] = {"test",  {rAX_, Iz}, 0, F_ARITH, F_AF, INNOCUOUS, 0, 0, 0, 0, op_test},
    [0xaa] = {"stosb", {Yb, AL_},  F_DF, 0, 0, INNOCUOUS, 0, 0, WR | ATTR_REP | BYTE, 0, op_stos},
    [0xab] = {"stos",  {Yv, rAX_}, F_DF, 0, 0, INNOCUOUS, 0, 0, WR | ATTR_REP, 0, op_stos},
    [0xac] = {"lodsb", {AL_, Xb},  F_DF, 0, 0, INNOCUOUS, 0, 0, RD | ATTR_REP | BYTE, 0, op_lods},
    [0xad] = {"lods",  {rAX_, Xv}, F_DF, 0, 0, INNOCUOUS, 0, 0, RD | ATTR_REP, 0, op_lods},
    [0xae] = {"scasb", {AL_, Yb},  F_DF | F_ARITH, F_ARITH, 0, INNOCUOUS, 0, 0, RD | ATTR_REP | BYTE, 0, op_scas},
    [0xaf] = {"scas",  {rAX_, Yv}, F_DF | F_ARITH, F_ARITH, 0, INNOCUOUS, 0, 0, RD | ATTR_REP, 0, op_scas},

    [0xb0 ... 0xb7] = {"mov", {Zb, Ib}, 0, 0, 0, INNOCUOUS, 0, 0, BYTE, 0, op_mov},
    [0xb8 ... 0xbf] = {"mov", {Zv, Iv}, 0, 0, 0, INNOCUOUS, 0, 0, 0, 0, op_mov},

    [0xc0] = GROUP(GRP_2_C0),
    [0xc1] = GROUP(GRP_2_C1),
    [0xc2] = {"ret",   {Iw}, 0, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_ret_near},
    [0xc3] = {"ret",   {0},  0, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_ret_near},
    /* C4h, C5h with mod 3: VEX */
    [0xc4] = {"les",   {Gz, Mp}, 0, 0, 0, SENSITIVE, SENS_LSEG_PTR, 0, RD | MEM | NO64 | END, 0, op_lseg_ptr},
    [0xc5] = {"lds",   {Gz, Mp}, 0, 0, 0, SENSITIVE, SENS_LSEG_PTR, 0, RD | MEM | NO64 | END, 0, op_lseg_ptr},
    [0xc6] = GROUP(GRP_11_C6),
    [0xc7] = GROUP(GRP_11_C7),
    [0xc8] = {"enter", {Iw, Ib}, 0, 0, 0, INTERPRET, 0, 0, D64, 0, op_enter},
    [0xc9] = {"leave", {0},  0, 0, 0, INNOCUOUS, 0, 0, D64, 0, op_leave},
    [0xca] = {"retf",  {Iw}, 0, 0, 0, SENSITIVE, SENS_RET_FAR, 0, END, 0, op_ret_far},
    [0xcb] = {"retf",  {0},  0, 0, 0, SENSITIVE, SENS_RET_FAR, 0, END, 0, op_ret_far},
    [0xcc] = {"int3",  {0},  F_ALL, F_INT, 0, SENSITIVE, SENS_INT, 0, END, 0, op_int3},
    [0xcd] = {"int",   {Ib}, F_ALL, F_INT, 0, SENSITIVE, SENS_INT, 0, END, 0, op_int},
    [0xce] = {"into",  {0},  F_ALL, F_INT, 0, INTERPRET, 0, 0, NO64 | END, 0, op_into},
    [0xcf] = {"iret",  {Fv}, F_ALL & ~EFLAGS_NATIVE, F_ALL, 0, SENSITIVE, SENS_IRET, 0, END, 0, op_iret},

    [0xd0] = GROUP(GRP_2_D0),
    [0xd1] = GROUP(GRP_2_D1),
    [0xd2] = GROUP(GRP_2_D2),
    [0xd3] = GROUP(GRP_2_D3),
    [0xd4] = {"aam",   {Ib}, 0, F_ARITH, F_OF | F_AF | F_CF, INTERPRET, 0, 0, NO64, 0, op_aam},
    [0xd5] = {"aad",   {Ib}, 0, F_ARITH, F_OF | F_AF | F_CF, INTERPRET, 0, 0, NO64, 0, op_aad},
    [0xd6] = {"salc",  {0},  F_CF, 0, 0, INTERPRET, 0, 0, NO64, 0, op_salc}, /* AL = CF ? FFh : 0; in no SDM table */
    [0xd7] = {"xlat",  {0},  0, 0, 0, INTERPRET, 0, 1, RD | BYTE, 0, op_xlat}, /* DS:[rBX + AL]: not a ModRM operand */
    [0xd8] = GROUP(GRP_X87 + 0),
    [0xd9] = GROUP(GRP_X87 + 1),
    [0xda] = GROUP(GRP_X87 + 2),
    [0xdb] = GROUP(GRP_X87 + 3),
    [0xdc] = GROUP(GRP_X87 + 4),
    [0xdd] = GROUP(GRP_X87 + 5),
    [0xde] = GROUP(GRP_X87 + 6),
    [0xdf] = GROUP(GRP_X87 + 7),

    [0xe0] = {"loopne", {Jb}, F_ZF, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_loopne},
    [0xe1] = {"loope",  {Jb}, F_ZF, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_loope},
    [0xe2] = {"loop",   {Jb}, 0, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_loop},
    [0xe3] = {"jcxz",   {Jb}, 0, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_jcxz}, /* CX or ECX: address size */
    [0xe4] = {"in",     {AL_, Ib},  0, 0, 0, PRIVILEGED, SENS_IN,  0, BYTE, 0, op_in},
    [0xe5] = {"in",     {eAX_, Ib}, 0, 0, 0, PRIVILEGED, SENS_IN,  0, 0, 0, op_in},
    [0xe6] = {"out",    {Ib, AL_},  0, 0, 0, PRIVILEGED, SENS_OUT, 0, BYTE, 0, op_out},
    [0xe7] = {"out",    {Ib, eAX_}, 0, 0, 0, PRIVILEGED, SENS_OUT, 0, 0, 0, op_out},
    [0xe8] = {"call",   {Jz}, 0, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_call_rel},
    [0xe9] = {"jmp",    {Jz}, 0, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_jmp_rel},
    [0xea] = {"jmpf",   {Ap}, 0, 0, 0, SENSITIVE, SENS_JMP_FAR, 0, NO64 | END, 0, op_jmp_far_ptr},
    [0xeb] = {"jmp",    {Jb}, 0, 0, 0, BRANCH, 0, 0, D64 | END, 0, op_jmp_rel},
    [0xec] = {"in",     {AL_, DX_},  0, 0, 0, PRIVILEGED, SENS_IN,  0, BYTE, 0, op_in},
    [0xed] = {"in",     {eAX_, DX_}, 0, 0, 0, PRIVILEGED, SENS_IN,  0, 0, 0, op_in},
    [0xee] = {"out",    {DX_, AL_},  0, 0, 0, PRIVILEGED, SENS_OUT, 0, BYTE, 0, op_out},
    [0xef] = {"out",    {DX_, eAX_}, 0, 0, 0, PRIVILEGED, SENS_OUT, 0, 0, 0, op_out},

    /* F0h, F2h, F3h: LOCK, REPNE, REP */
    [0xf1] = {"int1", {0}, F_ALL, F_INT, 0, SENSITIVE, SENS_INT, 0, END, 0, op_int1}, /* ICEBP */
    [0xf4] = {"hlt",  {0}, 0, 0, 0, PRIVILEGED, SENS_HLT, 0, END, 0, op_hlt},
    [0xf5] = {"cmc",  {0}, F_CF, F_CF, 0, INNOCUOUS, 0, 0, 0, 0, op_cmc},
    [0xf6] = GROUP(GRP_3_F6),
    [0xf7] = GROUP(GRP_3_F7),
    [0xf8] = {"clc",  {0}, 0, F_CF, 0, INNOCUOUS, 0, 0, 0, 0, op_clc},
    [0xf9] = {"stc",  {0}, 0, F_CF, 0, INNOCUOUS, 0, 0, 0, 0, op_stc},
    [0xfa] = {"cli",  {0}, EFLAGS_IOPL, F_IF | EFLAGS_VIF, 0, PRIVILEGED, SENS_CLI, 0, 0, 0, op_cli},
    [0xfb] = {"sti",  {0}, EFLAGS_IOPL, F_IF | EFLAGS_VIF, 0, PRIVILEGED, SENS_STI, 0, END, 0, op_sti},
    [0xfc] = {"cld",  {0}, 0, F_DF, 0, INNOCUOUS, 0, 0, 0, 0, op_cld},
    [0xfd] = {"std",  {0}, 0, F_DF, 0, INNOCUOUS, 0, 0, 0, 0, op_std},
    [0xfe] = GROUP(GRP_4),
    [0xff] = GROUP(GRP_5),
};

#define GROUP_1(E, I, attr)                                                                                         \
    {                                                                                                               \
        {"add", {E, I}, 0,    F_ARITH, 0,    INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_add},                          \
        {"or",  {E, I}, 0,    F_ARITH, F_AF, INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_or},                           \
        {"adc", {E, I}, F_CF, F_ARITH, 0,    INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_adc},                          \
        {"sbb", {E, I}, F_CF, F_ARITH, 0,    INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_sbb},                          \
        {"and", {E, I}, 0,    F_ARITH, F_AF, INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_and},                          \
        {"sub", {E, I}, 0,    F_ARITH, 0,    INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_sub},                          \
        {"xor", {E, I}, 0,    F_ARITH, F_AF, INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_xor},                          \
        {"cmp", {E, I}, 0,    F_ARITH, 0,    INNOCUOUS, 0, 0, RD | (attr),     0, op_cmp},                          \
    }
static const struct insn_desc grp1_80[8] = GROUP_1(Eb, Ib, BYTE);
static const struct insn_desc grp1_81[8] = GROUP_1(Ev, Iz, 0);
static const struct insn_desc grp1_82[8] = GROUP_1(Eb, Ib, BYTE | NO64);
static const struct insn_desc grp1_83[8] = GROUP_1(Ev, Ibs, 0);

static const struct insn_desc grp1a[8] = {
    {"pop", {Ev}, 0, 0, 0, INNOCUOUS, 0, 0, WR | D64, 0, op_pop},
};

/* one: the count is always 1, so the flags are always written and OF is defined.  /6 is an alias of SHL. */
#define KEEPS(one, flags) ((one) ? 0 : (flags))
#define GROUP_2(E, N, one, attr) \
    { \
        {"rol", {E, N}, KEEPS(one, F_CO), F_CO, KEEPS(one, F_OF), INNOCUOUS, 0, 0, RW | attr, 0, op_rol}, \
        {"ror", {E, N}, KEEPS(one, F_CO), F_CO, KEEPS(one, F_OF), INNOCUOUS, 0, 0, RW | attr, 0, op_ror}, \
        {"rcl", {E, N}, KEEPS(one, F_CO) | F_CF, F_CO, KEEPS(one, F_OF), INNOCUOUS, 0, 0, RW | attr, 0, op_rcl}, \
        {"rcr", {E, N}, KEEPS(one, F_CO) | F_CF, F_CO, KEEPS(one, F_OF), INNOCUOUS, 0, 0, RW | attr, 0, op_rcr}, \
        {"shl", {E, N}, KEEPS(one, F_ARITH), F_ARITH, KEEPS(one, F_OF) | F_AF, INNOCUOUS, 0, 0, RW | attr, 0, op_shl}, \
        {"shr", {E, N}, KEEPS(one, F_ARITH), F_ARITH, KEEPS(one, F_OF) | F_AF, INNOCUOUS, 0, 0, RW | attr, 0, op_shr}, \
        {"shl", {E, N}, KEEPS(one, F_ARITH), F_ARITH, KEEPS(one, F_OF) | F_AF, INNOCUOUS, 0, 0, RW | attr, 0, op_shl}, \
        {"sar", {E, N}, KEEPS(one, F_ARITH), F_ARITH, KEEPS(one, F_OF) | F_AF, INNOCUOUS, 0, 0, RW | attr, 0, op_sar}, \
    }
static const struct insn_desc grp2_c0[8] = GROUP_2(Eb, Ib, 0, BYTE);
static const struct insn_desc grp2_c1[8] = GROUP_2(Ev, Ib, 0, 0);
static const struct insn_desc grp2_d0[8] = GROUP_2(Eb, I1, 1, BYTE);
static const struct insn_desc grp2_d1[8] = GROUP_2(Ev, I1, 1, 0);
static const struct insn_desc grp2_d2[8] = GROUP_2(Eb, CL_, 0, BYTE);
static const struct insn_desc grp2_d3[8] = GROUP_2(Ev, CL_, 0, 0);

/* MUL to IDIV: AL, rAX, rDX are implied.  /1 is an alias of TEST. */
#define GROUP_3(E, I, attr)                                                                                         \
    {                                                                                                               \
        {"test", {E, I}, 0, F_ARITH, F_AF,    INNOCUOUS, 0, 0, RD | (attr),     0, op_test},                        \
        {"test", {E, I}, 0, F_ARITH, F_AF,    INNOCUOUS, 0, 0, RD | (attr),     0, op_test},                        \
        {"not",  {E},    0, 0,       0,       INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_not},                         \
        {"neg",  {E},    0, F_ARITH, 0,       INNOCUOUS, 0, 0, LOCKRW | (attr), 0, op_neg},                         \
        {"mul",  {E},    0, F_ARITH, F_SZAP,  INNOCUOUS, 0, 0, RD | (attr),     0, op_mul},                         \
        {"imul", {E},    0, F_ARITH, F_SZAP,  INNOCUOUS, 0, 0, RD | (attr),     0, op_imul1},                       \
        {"div",  {E},    0, F_ARITH, F_ARITH, INNOCUOUS, 0, 0, RD | (attr),     0, op_div},                         \
        {"idiv", {E},    0, F_ARITH, F_ARITH, INNOCUOUS, 0, 0, RD | (attr),     0, op_idiv},                        \
    }
static const struct insn_desc grp3_f6[8] = GROUP_3(Eb, Ib, BYTE);
static const struct insn_desc grp3_f7[8] = GROUP_3(Ev, Iz, 0);

static const struct insn_desc grp4[8] = {
    {"inc", {Eb}, 0, F_OSZAP, 0, INNOCUOUS, 0, 0, LOCKRW | BYTE, 0, op_inc},
    {"dec", {Eb}, 0, F_OSZAP, 0, INNOCUOUS, 0, 0, LOCKRW | BYTE, 0, op_dec},
};

static const struct insn_desc grp5[8] = {
    {"inc",   {Ev}, 0, F_OSZAP, 0, INNOCUOUS, 0, 0, LOCKRW, 0, op_inc},
    {"dec",   {Ev}, 0, F_OSZAP, 0, INNOCUOUS, 0, 0, LOCKRW, 0, op_dec},
    {"call",  {Ev}, 0, 0, 0, BRANCH, 0, 0, RD | D64 | END, 0, op_call_ind},
    {"callf", {Mp}, 0, 0, 0, SENSITIVE, SENS_CALL_FAR, 0, RD | MEM | END, 0, op_call_far_ind},
    {"jmp",   {Ev}, 0, 0, 0, BRANCH, 0, 0, RD | D64 | END, 0, op_jmp_ind},
    {"jmpf",  {Mp}, 0, 0, 0, SENSITIVE, SENS_JMP_FAR, 0, RD | MEM | END, 0, op_jmp_far_ind},
    {"push",  {Ev}, 0, 0, 0, INNOCUOUS, 0, 0, RD | D64, 0, op_push},
};

static const struct insn_desc grp6[8] = {
    {"sldt", {Ew_Rv}, 0, 0, 0, SENSITIVE,  SENS_SLDT, 0, WR | ATTR_PE_ONLY, 0, op_sldt},
    {"str",  {Ew_Rv}, 0, 0, 0, SENSITIVE,  SENS_STR,  0, WR | ATTR_PE_ONLY, 0, op_str},
    {"lldt", {Ew}, 0, 0, 0,    PRIVILEGED, SENS_LLDT, 0, RD | ATTR_PE_ONLY, 0, op_lldt},
    {"ltr",  {Ew}, 0, 0, 0,    PRIVILEGED, SENS_LTR,  0, RD | ATTR_PE_ONLY, 0, op_ltr},
    {"verr", {Ew}, 0, F_ZF, 0, SENSITIVE,  SENS_VERR, 0, RD | ATTR_PE_ONLY, 0, op_verr},
    {"verw", {Ew}, 0, F_ZF, 0, SENSITIVE,  SENS_VERW, 0, RD | ATTR_PE_ONLY, 0, op_verw},
};

static const struct insn_desc grp7_mem[8] = {
    {"sgdt",   {Ms},    0, 0, 0, SENSITIVE,  SENS_SGDT,   0, WR | MEM, 0, op_sgdt},
    {"sidt",   {Ms},    0, 0, 0, SENSITIVE,  SENS_SIDT,   0, WR | MEM, 0, op_sidt},
    {"lgdt",   {Ms},    0, 0, 0, PRIVILEGED, SENS_LGDT,   0, RD | MEM, 0, op_lgdt},
    {"lidt",   {Ms},    0, 0, 0, PRIVILEGED, SENS_LIDT,   0, RD | MEM, 0, op_lidt},
    {"smsw",   {Ew_Rv}, 0, 0, 0, SENSITIVE,  SENS_SMSW,   0, WR, 0, op_smsw},
    {0},
    {"lmsw",   {Ew},    0, 0, 0, PRIVILEGED, SENS_LMSW,   0, RD | END, 0, op_lmsw},
    /* The address is translated, never accessed. */
    {"invlpg", {M},     0, 0, 0, PRIVILEGED, SENS_INVLPG, 0, MEM | END, FEAT_486, op_invlpg},
};
#define RM(modrm) ((modrm) - 0xc0)
static const struct insn_desc grp7_reg[64] = { /* C1h..C4h: VMX; D8h..DFh: SVM; F8h: SWAPGS, 64-bit mode only */
    [RM(0xc8)] = {"monitor", {0}, 0, 0, 0, PRIVILEGED, SENS_OTHER, 0, ATTR_NP, FEAT_MONITOR, op_monitor},
    [RM(0xc9)] = {"mwait",   {0}, 0, 0, 0, PRIVILEGED, SENS_OTHER, 0, ATTR_NP | END, FEAT_MONITOR, op_mwait},
    [RM(0xd0)] = {"xgetbv",  {0}, 0, 0, 0, SENSITIVE,  SENS_OTHER, 0, ATTR_NP, FEAT_XSAVE, op_xgetbv},
    [RM(0xd1)] = {"xsetbv",  {0}, 0, 0, 0, PRIVILEGED, SENS_OTHER, 0, ATTR_NP | END, FEAT_XSAVE, op_xsetbv},
    [RM(0xe0) ... RM(0xe7)] = {"smsw", {Ew_Rv}, 0, 0, 0, SENSITIVE,  SENS_SMSW, 0, WR, 0, op_smsw},
    [RM(0xf0) ... RM(0xf7)] = {"lmsw", {Ew},    0, 0, 0, PRIVILEGED, SENS_LMSW, 0, RD | END, 0, op_lmsw},
    [RM(0xf9)] = {"rdtscp",  {0}, 0, 0, 0, SENSITIVE,  SENS_RDTSC, 0, 0, FEAT_RDTSCP, op_rdtscp},
};

static const struct insn_desc grp8[8] = {
    [4] = {"bt",  {Ev, Ib}, 0, F_CF | F_OSAP, F_OSAP, INNOCUOUS, 0, 0, RD, 0, op_bt},
    [5] = {"bts", {Ev, Ib}, 0, F_CF | F_OSAP, F_OSAP, INNOCUOUS, 0, 0, LOCKRW, 0, op_bts},
    [6] = {"btr", {Ev, Ib}, 0, F_CF | F_OSAP, F_OSAP, INNOCUOUS, 0, 0, LOCKRW, 0, op_btr},
    [7] = {"btc", {Ev, Ib}, 0, F_CF | F_OSAP, F_OSAP, INNOCUOUS, 0, 0, LOCKRW, 0, op_btc},
};

#define CMPXCHG8B {"cmpxchg8b", {Mq}, 0, F_ZF, 0, INNOCUOUS, 0, 0, LOCKRW | MEM, FEAT_CX8, op_cmpxchg8b}
static const struct insn_desc grp9[8] = { /* /3../5: XRSTORS XSAVEC XSAVES, /6, /7 mem: VMX */
    [1] = CMPXCHG8B,
    [6] = {"rdrand", {Rv}, 0, F_ARITH, 0, INTERPRET, 0, 0, REG, FEAT_RDRAND, op_rdrand},
    [7] = {"rdseed", {Rv}, 0, F_ARITH, 0, INTERPRET, 0, 0, REG, FEAT_RDSEED, op_rdseed},
};
static const struct insn_desc grp9_rep[8] = { /* with F2 or F3, which RDRAND does not take ("NFx") */
    [1] = CMPXCHG8B,
};

static const struct insn_desc grp11_c6[8] = {{"mov", {Eb, Ib}, 0, 0, 0, INNOCUOUS, 0, 0, WR | BYTE, 0, op_mov}};
static const struct insn_desc grp11_c7[8] = {{"mov", {Ev, Iz}, 0, 0, 0, INNOCUOUS, 0, 0, WR, 0, op_mov}};

#define SAME(rows) {.mem = (rows), .reg = (rows)}
#define X87(n) [GRP_X87 + (n)] = {.mem = optable_x87_mem[n], .reg_rm = optable_x87_reg[n]}
const struct opgroup_rows optable_groups[GRP_COUNT] = {
    [GRP_1_80] = SAME(grp1_80), [GRP_1_81] = SAME(grp1_81), [GRP_1_82] = SAME(grp1_82), [GRP_1_83] = SAME(grp1_83),
    [GRP_1A] = SAME(grp1a),
    [GRP_2_C0] = SAME(grp2_c0), [GRP_2_C1] = SAME(grp2_c1), [GRP_2_D0] = SAME(grp2_d0), [GRP_2_D1] = SAME(grp2_d1),
    [GRP_2_D2] = SAME(grp2_d2), [GRP_2_D3] = SAME(grp2_d3),
    [GRP_3_F6] = SAME(grp3_f6), [GRP_3_F7] = SAME(grp3_f7),
    [GRP_4] = SAME(grp4), [GRP_5] = SAME(grp5), [GRP_6] = SAME(grp6),
    [GRP_7] = {.mem = grp7_mem, .reg_rm = grp7_reg},
    [GRP_8] = SAME(grp8), [GRP_9] = SAME(grp9), [GRP_9_REP] = SAME(grp9_rep),
    [GRP_11_C6] = SAME(grp11_c6), [GRP_11_C7] = SAME(grp11_c7),
    [GRP_12] = SAME(optable_grp12), [GRP_12_66] = SAME(optable_grp12_66),
    [GRP_13] = SAME(optable_grp13), [GRP_13_66] = SAME(optable_grp13_66),
    [GRP_14] = SAME(optable_grp14), [GRP_14_66] = SAME(optable_grp14_66),
    [GRP_15] = {.mem = optable_grp15_mem, .reg = optable_grp15_reg},
    X87(0), X87(1), X87(2), X87(3), X87(4), X87(5), X87(6), X87(7),
};
/* clang-format on */
