/* Three-byte opcode maps 0F 38 and 0F 3A, and the groups of MMX and SSE instructions: SDM volume 2, tables,
 * */
#include "cpu/optable.h"

/* clang-format off */
#define SSSE3_2(name) MMX(name, SSSE3, RD, Pq, Qq), XMM(name, SSSE3, RD, Vx, Wx)
/* Columns of instructions that have only a 66 form. */
#define SSE41(name, ...) {0}, XMM(name, SSE41, RD, __VA_ARGS__)
#define AES(name, ...) {0}, XMM(name, AES, RD, __VA_ARGS__)
/* Reserved with F3: an opcode that exists without it, and not there. */
#define RESERVED {"ud", {0}, 0, 0, 0, INTERPRET, 0, 0, END, 0, op_ud}

const struct insn_desc optable_0f38[256][PFX_COUNT] = {
    [0x00] = {SSSE3_2("pshufb")},
    [0x01] = {SSSE3_2("phaddw")},
    [0x02] = {SSSE3_2("phaddd")},
    [0x03] = {SSSE3_2("phaddsw")},
    [0x04] = {SSSE3_2("pmaddubsw")},
    [0x05] = {SSSE3_2("phsubw")},
    [0x06] = {SSSE3_2("phsubd")},
    [0x07] = {SSSE3_2("phsubsw")},
    [0x08] = {SSSE3_2("psignb")},
    [0x09] = {SSSE3_2("psignw")},
    [0x0a] = {SSSE3_2("psignd")},
    [0x0b] = {SSSE3_2("pmulhrsw")},

    [0x10] = {SSE41("pblendvb", Vdq, Wdq, XMM0_)},
    [0x14] = {SSE41("blendvps", Vps, Wps, XMM0_)},
    [0x15] = {SSE41("blendvpd", Vpd, Wpd, XMM0_)},
    [0x17] = {{0}, XMM_FLAGS("ptest", SSE41, RD, Vx, Wx)},
    [0x1c] = {SSSE3_2("pabsb")},
    [0x1d] = {SSSE3_2("pabsw")},
    [0x1e] = {SSSE3_2("pabsd")},

    [0x20] = {SSE41("pmovsxbw", Vx, Wq)},
    [0x21] = {SSE41("pmovsxbd", Vx, Wd)},
    [0x22] = {SSE41("pmovsxbq", Vx, Ww)},
    [0x23] = {SSE41("pmovsxwd", Vx, Wq)},
    [0x24] = {SSE41("pmovsxwq", Vx, Wd)},
    [0x25] = {SSE41("pmovsxdq", Vx, Wq)},
    [0x28] = {SSE41("pmuldq", Vx, Wx)},
    [0x29] = {SSE41("pcmpeqq", Vx, Wx)},
    [0x2a] = {{0}, XMM("movntdqa", SSE41, RD | MEM, Vx, Mdq)},
    [0x2b] = {SSE41("packusdw", Vx, Wx)},

    [0x30] = {SSE41("pmovzxbw", Vx, Wq)},
    [0x31] = {SSE41("pmovzxbd", Vx, Wd)},
    [0x32] = {SSE41("pmovzxbq", Vx, Ww)},
    [0x33] = {SSE41("pmovzxwd", Vx, Wq)},
    [0x34] = {SSE41("pmovzxwq", Vx, Wd)},
    [0x35] = {SSE41("pmovzxdq", Vx, Wq)},
    [0x37] = {{0}, XMM("pcmpgtq", SSE42, RD, Vx, Wx)},
    [0x38] = {SSE41("pminsb", Vx, Wx)},
    [0x39] = {SSE41("pminsd", Vx, Wx)},
    [0x3a] = {SSE41("pminuw", Vx, Wx)},
    [0x3b] = {SSE41("pminud", Vx, Wx)},
    [0x3c] = {SSE41("pmaxsb", Vx, Wx)},
    [0x3d] = {SSE41("pmaxsd", Vx, Wx)},
    [0x3e] = {SSE41("pmaxuw", Vx, Wx)},
    [0x3f] = {SSE41("pmaxud", Vx, Wx)},

    [0x40] = {SSE41("pmulld", Vx, Wx)},
    [0x41] = {SSE41("phminposuw", Vdq, Wdq)},

    [0xc8] = {XMM("sha1nexte", SHA, RD, Vdq, Wdq)},
    [0xc9] = {XMM("sha1msg1", SHA, RD, Vdq, Wdq)},
    [0xca] = {XMM("sha1msg2", SHA, RD, Vdq, Wdq)},
    [0xcb] = {XMM("sha256rnds2", SHA, RD, Vdq, Wdq, XMM0_)},
    [0xcc] = {XMM("sha256msg1", SHA, RD, Vdq, Wdq)},
    [0xcd] = {XMM("sha256msg2", SHA, RD, Vdq, Wdq)},
    [0xdb] = {AES("aesimc", Vdq, Wdq)},
    [0xdc] = {AES("aesenc", Vdq, Wdq)},
    [0xdd] = {AES("aesenclast", Vdq, Wdq)},
    [0xde] = {AES("aesdec", Vdq, Wdq)},
    [0xdf] = {AES("aesdeclast", Vdq, Wdq)},

    /* 66 is the operand size here, with CRC32 too. */
    [0xf0] = {{"movbe", {Gv, Ev}, 0, 0, 0, INNOCUOUS, 0, 0, RD | MEM, FEAT_MOVBE, op_movbe}, {0}, RESERVED,
              {"crc32", {Gd, Eb}, 0, 0, 0, INNOCUOUS, 0, 1, RD, FEAT_SSE42, op_crc32}},
    [0xf1] = {{"movbe", {Ev, Gv}, 0, 0, 0, INNOCUOUS, 0, 0, WR | MEM, FEAT_MOVBE, op_movbe}, {0}, RESERVED,
              {"crc32", {Gd, Ev}, 0, 0, 0, INNOCUOUS, 0, 0, RD, FEAT_SSE42, op_crc32}},
};

const struct insn_desc optable_0f3a[256][PFX_COUNT] = {
    [0x08] = {SSE41("roundps", Vps, Wps, Ib)},
    [0x09] = {SSE41("roundpd", Vpd, Wpd, Ib)},
    [0x0a] = {SSE41("roundss", Vss, Wss, Ib)},
    [0x0b] = {SSE41("roundsd", Vsd, Wsd, Ib)},
    [0x0c] = {SSE41("blendps", Vps, Wps, Ib)},
    [0x0d] = {SSE41("blendpd", Vpd, Wpd, Ib)},
    [0x0e] = {SSE41("pblendw", Vx, Wx, Ib)},
    [0x0f] = {MMX("palignr", SSSE3, RD, Pq, Qq, Ib), XMM("palignr", SSSE3, RD, Vx, Wx, Ib)},
    [0x14] = {{0}, XMM_SIZE("pextrb", SSE41, 1, WR, Ed, Vdq, Ib)},
    [0x15] = {{0}, XMM_SIZE("pextrw", SSE41, 2, WR, Ed, Vdq, Ib)},
    [0x16] = {{0}, XMM("pextrd", SSE41, WR, Ey, Vdq, Ib)},
    [0x17] = {{0}, XMM("extractps", SSE41, WR, Ed, Vdq, Ib)},
    [0x20] = {{0}, XMM_SIZE("pinsrb", SSE41, 1, RD, Vdq, Ed, Ib)},
    [0x21] = {SSE41("insertps", Vdq, Wd, Ib)},
    [0x22] = {SSE41("pinsrd", Vdq, Ey, Ib)},
    [0x40] = {SSE41("dpps", Vps, Wps, Ib)},
    [0x41] = {SSE41("dppd", Vpd, Wpd, Ib)},
    [0x42] = {SSE41("mpsadbw", Vx, Wx, Ib)},
    [0x44] = {{0}, XMM("pclmulqdq", PCLMUL, RD, Vdq, Wdq, Ib)},
    /* Implied: EAX, EDX (lengths, ..E forms), ECX (index) or XMM0 (mask) */
    [0x60] = {{0}, XMM_FLAGS("pcmpestrm", SSE42, RD, Vdq, Wdq, Ib)},
    [0x61] = {{0}, XMM_FLAGS("pcmpestri", SSE42, RD, Vdq, Wdq, Ib)},
    [0x62] = {{0}, XMM_FLAGS("pcmpistrm", SSE42, RD, Vdq, Wdq, Ib)},
    [0x63] = {{0}, XMM_FLAGS("pcmpistri", SSE42, RD, Vdq, Wdq, Ib)},
    [0xcc] = {XMM("sha1rnds4", SHA, RD, Vdq, Wdq, Ib)},
    [0xdf] = {AES("aeskeygenassist", Vdq, Wdq, Ib)},
};

/* Groups 12 to 14: shifts by an immediate, registers only. */
#define MMX_SHIFT(name) MMX(name, MMX, REG, Nq, Ib)
#define XMM_SHIFT(name) XMM(name, SSE2, REG, Udq, Ib)
const struct insn_desc optable_grp12[8] = {
    [2] = MMX_SHIFT("psrlw"), [4] = MMX_SHIFT("psraw"), [6] = MMX_SHIFT("psllw")};
const struct insn_desc optable_grp12_66[8] = {
    [2] = XMM_SHIFT("psrlw"), [4] = XMM_SHIFT("psraw"), [6] = XMM_SHIFT("psllw")};
const struct insn_desc optable_grp13[8] = {
    [2] = MMX_SHIFT("psrld"), [4] = MMX_SHIFT("psrad"), [6] = MMX_SHIFT("pslld")};
const struct insn_desc optable_grp13_66[8] = {
    [2] = XMM_SHIFT("psrld"), [4] = XMM_SHIFT("psrad"), [6] = XMM_SHIFT("pslld")};
const struct insn_desc optable_grp14[8] = {
    [2] = MMX_SHIFT("psrlq"), [6] = MMX_SHIFT("psllq")};
const struct insn_desc optable_grp14_66[8] = {
    [2] = XMM_SHIFT("psrlq"), [3] = XMM_SHIFT("psrldq"), [6] = XMM_SHIFT("psllq"), [7] = XMM_SHIFT("pslldq")};

/* Group 15.  State images: #NM like x87, but no pending exceptions are reported.  XSAVE's size depends on XCR0 and
 * EDX:EAX; the legacy region and the header are what it always covers. */
#define IMAGE(name, operand, bytes, rw, feature, op)                                                                \
    {name, {operand}, 0, 0, 0, INTERPRET, 0, bytes,                                                                 \
     (rw) | MEM | ATTR_NP | ATTR_X87 | ATTR_X87_NOWAIT | ATTR_GUESTSTATE, feature, op}
#define FENCE(name, feature) {name, {0}, 0, 0, 0, INNOCUOUS, 0, 0, REG | ATTR_NP, feature, op_nop}
const struct insn_desc optable_grp15_mem[8] = {
    IMAGE("fxsave",  M512, 512, WR, FEAT_FXSR, op_fxsave),
    IMAGE("fxrstor", M512, 512, RD, FEAT_FXSR, op_fxrstor),
    {"ldmxcsr", {Md}, 0, 0, 0, INTERPRET, 0, 0, ATTR_SSE | RD | MEM, FEAT_SSE, op_sse}, /* reserved bits are not the host's */
    XMM("stmxcsr", SSE, WR | MEM, Md),
    IMAGE("xsave",    M, 576, RW, FEAT_XSAVE, op_xsave),
    IMAGE("xrstor",   M, 576, RD, FEAT_XSAVE, op_xrstor),
    IMAGE("xsaveopt", M, 576, RW, FEAT_XSAVEOPT, op_xsave),
    /* Shortcut: faults of the address are ignored. */
    {"clflush", {Mb}, 0, 0, 0, INTERPRET, 0, 0, RD | MEM | ATTR_NP, FEAT_CLFSH, op_clflush},
};
const struct insn_desc optable_grp15_reg[8] = { /* F3 /0../3: RDFSBASE .., 64-bit mode only */
    [5] = FENCE("lfence", FEAT_SSE2),
    [6] = FENCE("mfence", FEAT_SSE2),
    [7] = FENCE("sfence", FEAT_SSE),
};
/* clang-format on */
