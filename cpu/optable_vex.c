/* VEX-encoded instructions: AVX, AVX2, FMA, F16C, BMI1, BMI2.  SDM volume 2, "VEX" rows of appendix A and of each
 * instruction's page.
 *
 * An opcode has a list of rows; the first whose pp, L, W, ModRM.reg and form fit is the instruction, else it is undefined.
 * Vx Wx Wps Wpd Mx are 16 or 32 bytes as L says.  vvvv must be 1111b where no operand uses it. */
#include "cpu/optable.h"

enum { L0 = 1, L1 = 2, LIG = 3 };
enum { W0 = 1, W1 = 2, WIG = 3, W64 = 5 /* W1 in 64-bit mode only */ };

/* clang-format off */
#define ROWS(...) (const struct vex_row[]){__VA_ARGS__, {.l = 0}}
/* The general row; `size`: bytes of a memory operand whose kind does not say it. */
#define VEX(pp_, l_, w_, name, feature, attr, size, ...)                                                            \
    {.desc = {name, {__VA_ARGS__}, 0, 0, 0, INNOCUOUS, 0, size, ATTR_AVX | (attr), FEAT_##feature, op_sse},          \
     .pp = PFX_##pp_, .l = l_, .w = w_}
#define VEX_OP(pp_, l_, w_, name, feature, attr, size, class, op, ...)                                              \
    {.desc = {name, {__VA_ARGS__}, 0, 0, 0, class, 0, size, ATTR_AVX | (attr), FEAT_##feature, op},                  \
     .pp = PFX_##pp_, .l = l_, .w = w_}
#define VEX_FLAGS(pp_, l_, w_, name, feature, attr, size, ...)                                                      \
    {.desc = {name, {__VA_ARGS__}, 0, F_ARITH, 0, INNOCUOUS, 0, size, ATTR_AVX | (attr), FEAT_##feature, op_sse},    \
     .pp = PFX_##pp_, .l = l_, .w = w_}
/* Packed single and double; scalar single and double; all four. */
#define PS_PD(name, ...) VEX(NONE, LIG, WIG, name "ps", AVX, RD, 0, __VA_ARGS__), VEX(66, LIG, WIG, name "pd", AVX, RD, 0, __VA_ARGS__)
#define SS_SD(name) VEX(F3, LIG, WIG, name "ss", AVX, RD, 0, Vss, Hx, Wss), VEX(F2, LIG, WIG, name "sd", AVX, RD, 0, Vsd, Hx, Wsd)
#define ARITH(name) PS_PD(name, Vx, Hx, Wx), SS_SD(name)
/* Integer: 128 bits are AVX, 256 are AVX2. */
#define INT(name, ...) VEX(66, L0, WIG, name, AVX, RD, 0, __VA_ARGS__), VEX(66, L1, WIG, name, AVX2, RD, 0, __VA_ARGS__)
#define INT3(name) INT(name, Vx, Hx, Wx)
#define AVX_66(l, w, name, ...) VEX(66, l, w, name, AVX, RD, 0, __VA_ARGS__)
#define AVX2_66(l, w, name, ...) VEX(66, l, w, name, AVX2, RD, 0, __VA_ARGS__)
#define SHIFT(n, name)                                                                                              \
    {.desc = {name, {Hx, Udq, Ib}, 0, 0, 0, INNOCUOUS, 0, 0, ATTR_AVX | REG, FEAT_AVX, op_sse},                      \
     .pp = PFX_66, .l = L0, .w = WIG, .digit = 1 + (n)},                                                        \
    {.desc = {name, {Hx, Udq, Ib}, 0, 0, 0, INNOCUOUS, 0, 0, ATTR_AVX | REG, FEAT_AVX2, op_sse},                     \
     .pp = PFX_66, .l = L1, .w = WIG, .digit = 1 + (n)}
/* Sign and zero extension: memory of 1/2, 1/4 or 1/8 of the vector. */
#define EXTEND(name, bytes)                                                                                         \
    VEX(66, L0, WIG, name, AVX, RD, bytes, Vx, Wx), VEX(66, L1, WIG, name, AVX2, RD, 2 * (bytes), Vx, Wx)
#define BROADCAST(name, bytes) VEX(66, LIG, W0, name, AVX2, RD, bytes, Vx, Wx)
#define MASKMOV(name, w, feature, op, attr, ...) VEX_OP(66, LIG, w, name, feature, (attr) | MEM, 0, INNOCUOUS, op, __VA_ARGS__)
#define GATHER(name_w0, size_w0, name_w1, size_w1)                                                                  \
    ROWS(VEX_OP(66, LIG, W0, name_w0, AVX2, RD | MEM | ATTR_VSIB, size_w0, INTERPRET, op_gather, Vx, Mx, Hx),        \
         VEX_OP(66, LIG, W1, name_w1, AVX2, RD | MEM | ATTR_VSIB, size_w1, INTERPRET, op_gather, Vx, Mx, Hx))
#define FMA_PACKED(name) ROWS(VEX(66, LIG, W0, name "ps", FMA, RD, 0, Vx, Hx, Wx), VEX(66, LIG, W1, name "pd", FMA, RD, 0, Vx, Hx, Wx))
#define FMA_SCALAR(name) ROWS(VEX(66, LIG, W0, name "ss", FMA, RD, 0, Vss, Hx, Wss), VEX(66, LIG, W1, name "sd", FMA, RD, 0, Vsd, Hx, Wsd))
#define FMA_ROWS(base, order)                                                                                       \
    [(base) + 6] = FMA_PACKED("vfmaddsub" order), [(base) + 7] = FMA_PACKED("vfmsubadd" order),                     \
    [(base) + 8] = FMA_PACKED("vfmadd" order), [(base) + 9] = FMA_SCALAR("vfmadd" order),                           \
    [(base) + 10] = FMA_PACKED("vfmsub" order), [(base) + 11] = FMA_SCALAR("vfmsub" order),                         \
    [(base) + 12] = FMA_PACKED("vfnmadd" order), [(base) + 13] = FMA_SCALAR("vfnmadd" order),                       \
    [(base) + 14] = FMA_PACKED("vfnmsub" order), [(base) + 15] = FMA_SCALAR("vfnmsub" order)
/* General registers: no vector state, W is a size in 64-bit mode only. */
#define GPR(pp_, digit_, name, feature, written, undef, op, ...)                                                    \
    {.desc = {name, {__VA_ARGS__}, 0, written, undef, INNOCUOUS, 0, 0, RD, FEAT_##feature, op},                      \
     .pp = PFX_##pp_, .l = L0, .w = WIG, .digit = digit_}
#define F_AP (F_AF | F_PF)

static const struct vex_row *const map_0f[256] = {
    [0x10] = ROWS(PS_PD("vmovu", Vx, Wx),
                  VEX(F3, LIG, WIG, "vmovss", AVX, RD | MEM, 4, Vss, Md), VEX(F3, LIG, WIG, "vmovss", AVX, REG, 0, Vss, Hx, Udq),
                  VEX(F2, LIG, WIG, "vmovsd", AVX, RD | MEM, 8, Vsd, Mq), VEX(F2, LIG, WIG, "vmovsd", AVX, REG, 0, Vsd, Hx, Udq)),
    [0x11] = ROWS(VEX(NONE, LIG, WIG, "vmovups", AVX, WR, 0, Wx, Vx), VEX(66, LIG, WIG, "vmovupd", AVX, WR, 0, Wx, Vx),
                  VEX(F3, LIG, WIG, "vmovss", AVX, WR | MEM, 4, Md, Vss), VEX(F3, LIG, WIG, "vmovss", AVX, REG, 0, Udq, Hx, Vss),
                  VEX(F2, LIG, WIG, "vmovsd", AVX, WR | MEM, 8, Mq, Vsd), VEX(F2, LIG, WIG, "vmovsd", AVX, REG, 0, Udq, Hx, Vsd)),
    [0x12] = ROWS(VEX(NONE, L0, WIG, "vmovlps", AVX, RD | MEM, 8, Vq, Hx, Mq), VEX(NONE, L0, WIG, "vmovhlps", AVX, REG, 0, Vq, Hx, Udq),
                  VEX(66, L0, WIG, "vmovlpd", AVX, RD | MEM, 8, Vq, Hx, Mq),
                  VEX(F3, LIG, WIG, "vmovsldup", AVX, RD, 0, Vx, Wx),
                  VEX(F2, L0, WIG, "vmovddup", AVX, RD, 8, Vx, Wx), VEX(F2, L1, WIG, "vmovddup", AVX, RD, 0, Vx, Wx)),
    [0x13] = ROWS(VEX(NONE, L0, WIG, "vmovlps", AVX, WR | MEM, 8, Mq, Vq), VEX(66, L0, WIG, "vmovlpd", AVX, WR | MEM, 8, Mq, Vq)),
    [0x14] = ROWS(PS_PD("vunpckl", Vx, Hx, Wx)),
    [0x15] = ROWS(PS_PD("vunpckh", Vx, Hx, Wx)),
    [0x16] = ROWS(VEX(NONE, L0, WIG, "vmovhps", AVX, RD | MEM, 8, Vq, Hx, Mq), VEX(NONE, L0, WIG, "vmovlhps", AVX, REG, 0, Vq, Hx, Udq),
                  VEX(66, L0, WIG, "vmovhpd", AVX, RD | MEM, 8, Vq, Hx, Mq),
                  VEX(F3, LIG, WIG, "vmovshdup", AVX, RD, 0, Vx, Wx)),
    [0x17] = ROWS(VEX(NONE, L0, WIG, "vmovhps", AVX, WR | MEM, 8, Mq, Vq), VEX(66, L0, WIG, "vmovhpd", AVX, WR | MEM, 8, Mq, Vq)),
    [0x28] = ROWS(VEX(NONE, LIG, WIG, "vmovaps", AVX, RD | ATTR_ALIGNED, 0, Vx, Wx), VEX(66, LIG, WIG, "vmovapd", AVX, RD | ATTR_ALIGNED, 0, Vx, Wx)),
    [0x29] = ROWS(VEX(NONE, LIG, WIG, "vmovaps", AVX, WR | ATTR_ALIGNED, 0, Wx, Vx), VEX(66, LIG, WIG, "vmovapd", AVX, WR | ATTR_ALIGNED, 0, Wx, Vx)),
    [0x2a] = ROWS(VEX(F3, LIG, WIG, "vcvtsi2ss", AVX, RD, 0, Vss, Hx, Ey), VEX(F2, LIG, WIG, "vcvtsi2sd", AVX, RD, 0, Vsd, Hx, Ey)),
    [0x2b] = ROWS(VEX(NONE, LIG, WIG, "vmovntps", AVX, WR | MEM | ATTR_ALIGNED, 0, Mx, Vx), VEX(66, LIG, WIG, "vmovntpd", AVX, WR | MEM | ATTR_ALIGNED, 0, Mx, Vx)),
    [0x2c] = ROWS(VEX(F3, LIG, WIG, "vcvttss2si", AVX, RD, 0, Gy, Wss), VEX(F2, LIG, WIG, "vcvttsd2si", AVX, RD, 0, Gy, Wsd)),
    [0x2d] = ROWS(VEX(F3, LIG, WIG, "vcvtss2si", AVX, RD, 0, Gy, Wss), VEX(F2, LIG, WIG, "vcvtsd2si", AVX, RD, 0, Gy, Wsd)),
    [0x2e] = ROWS(VEX_FLAGS(NONE, LIG, WIG, "vucomiss", AVX, RD, 0, Vss, Wss), VEX_FLAGS(66, LIG, WIG, "vucomisd", AVX, RD, 0, Vsd, Wsd)),
    [0x2f] = ROWS(VEX_FLAGS(NONE, LIG, WIG, "vcomiss", AVX, RD, 0, Vss, Wss), VEX_FLAGS(66, LIG, WIG, "vcomisd", AVX, RD, 0, Vsd, Wsd)),

    [0x50] = ROWS(VEX(NONE, LIG, WIG, "vmovmskps", AVX, REG, 0, Gd, Ups), VEX(66, LIG, WIG, "vmovmskpd", AVX, REG, 0, Gd, Upd)),
    [0x51] = ROWS(PS_PD("vsqrt", Vx, Wx), SS_SD("vsqrt")),
    [0x52] = ROWS(VEX(NONE, LIG, WIG, "vrsqrtps", AVX, RD, 0, Vx, Wx), VEX(F3, LIG, WIG, "vrsqrtss", AVX, RD, 0, Vss, Hx, Wss)),
    [0x53] = ROWS(VEX(NONE, LIG, WIG, "vrcpps", AVX, RD, 0, Vx, Wx), VEX(F3, LIG, WIG, "vrcpss", AVX, RD, 0, Vss, Hx, Wss)),
    [0x54] = ROWS(PS_PD("vand", Vx, Hx, Wx)),
    [0x55] = ROWS(PS_PD("vandn", Vx, Hx, Wx)),
    [0x56] = ROWS(PS_PD("vor", Vx, Hx, Wx)),
    [0x57] = ROWS(PS_PD("vxor", Vx, Hx, Wx)),
    [0x58] = ROWS(ARITH("vadd")),
    [0x59] = ROWS(ARITH("vmul")),
    [0x5a] = ROWS(VEX(NONE, L0, WIG, "vcvtps2pd", AVX, RD, 8, Vx, Wx), VEX(NONE, L1, WIG, "vcvtps2pd", AVX, RD, 16, Vx, Wx),
                  VEX(66, LIG, WIG, "vcvtpd2ps", AVX, RD, 0, Vx, Wx),
                  VEX(F3, LIG, WIG, "vcvtss2sd", AVX, RD, 0, Vsd, Hx, Wss), VEX(F2, LIG, WIG, "vcvtsd2ss", AVX, RD, 0, Vss, Hx, Wsd)),
    [0x5b] = ROWS(VEX(NONE, LIG, WIG, "vcvtdq2ps", AVX, RD, 0, Vx, Wx), VEX(66, LIG, WIG, "vcvtps2dq", AVX, RD, 0, Vx, Wx),
                  VEX(F3, LIG, WIG, "vcvttps2dq", AVX, RD, 0, Vx, Wx)),
    [0x5c] = ROWS(ARITH("vsub")),
    [0x5d] = ROWS(ARITH("vmin")),
    [0x5e] = ROWS(ARITH("vdiv")),
    [0x5f] = ROWS(ARITH("vmax")),

    [0x60] = ROWS(INT3("vpunpcklbw")), [0x61] = ROWS(INT3("vpunpcklwd")), [0x62] = ROWS(INT3("vpunpckldq")), [0x63] = ROWS(INT3("vpacksswb")),
    [0x64] = ROWS(INT3("vpcmpgtb")), [0x65] = ROWS(INT3("vpcmpgtw")), [0x66] = ROWS(INT3("vpcmpgtd")), [0x67] = ROWS(INT3("vpackuswb")),
    [0x68] = ROWS(INT3("vpunpckhbw")), [0x69] = ROWS(INT3("vpunpckhwd")), [0x6a] = ROWS(INT3("vpunpckhdq")), [0x6b] = ROWS(INT3("vpackssdw")),
    [0x6c] = ROWS(INT3("vpunpcklqdq")), [0x6d] = ROWS(INT3("vpunpckhqdq")),
    [0x6e] = ROWS(AVX_66(L0, WIG, "vmovd", Vdq, Ey)),
    [0x6f] = ROWS(VEX(66, LIG, WIG, "vmovdqa", AVX, RD | ATTR_ALIGNED, 0, Vx, Wx), VEX(F3, LIG, WIG, "vmovdqu", AVX, RD, 0, Vx, Wx)),
    [0x70] = ROWS(INT("vpshufd", Vx, Wx, Ib),
                  VEX(F3, L0, WIG, "vpshufhw", AVX, RD, 0, Vx, Wx, Ib), VEX(F3, L1, WIG, "vpshufhw", AVX2, RD, 0, Vx, Wx, Ib),
                  VEX(F2, L0, WIG, "vpshuflw", AVX, RD, 0, Vx, Wx, Ib), VEX(F2, L1, WIG, "vpshuflw", AVX2, RD, 0, Vx, Wx, Ib)),
    [0x71] = ROWS(SHIFT(2, "vpsrlw"), SHIFT(4, "vpsraw"), SHIFT(6, "vpsllw")),
    [0x72] = ROWS(SHIFT(2, "vpsrld"), SHIFT(4, "vpsrad"), SHIFT(6, "vpslld")),
    [0x73] = ROWS(SHIFT(2, "vpsrlq"), SHIFT(3, "vpsrldq"), SHIFT(6, "vpsllq"), SHIFT(7, "vpslldq")),
    [0x74] = ROWS(INT3("vpcmpeqb")), [0x75] = ROWS(INT3("vpcmpeqw")), [0x76] = ROWS(INT3("vpcmpeqd")),
    [0x77] = ROWS(VEX(NONE, L0, WIG, "vzeroupper", AVX, 0, 0, 0), VEX(NONE, L1, WIG, "vzeroall", AVX, 0, 0, 0)),
    [0x7c] = ROWS(VEX(66, LIG, WIG, "vhaddpd", AVX, RD, 0, Vx, Hx, Wx), VEX(F2, LIG, WIG, "vhaddps", AVX, RD, 0, Vx, Hx, Wx)),
    [0x7d] = ROWS(VEX(66, LIG, WIG, "vhsubpd", AVX, RD, 0, Vx, Hx, Wx), VEX(F2, LIG, WIG, "vhsubps", AVX, RD, 0, Vx, Hx, Wx)),
    [0x7e] = ROWS(VEX(66, L0, WIG, "vmovd", AVX, WR, 0, Ey, Vdq), VEX(F3, L0, WIG, "vmovq", AVX, RD, 0, Vdq, Wq)),
    [0x7f] = ROWS(VEX(66, LIG, WIG, "vmovdqa", AVX, WR | ATTR_ALIGNED, 0, Wx, Vx), VEX(F3, LIG, WIG, "vmovdqu", AVX, WR, 0, Wx, Vx)),

    [0xae] = ROWS({.desc = {"vldmxcsr", {Md}, 0, 0, 0, INTERPRET, 0, 0, ATTR_AVX | RD | MEM, FEAT_AVX, op_sse}, .pp = PFX_NONE, .l = L0, .w = WIG, .digit = 3},
                  {.desc = {"vstmxcsr", {Md}, 0, 0, 0, INNOCUOUS, 0, 0, ATTR_AVX | WR | MEM, FEAT_AVX, op_sse}, .pp = PFX_NONE, .l = L0, .w = WIG, .digit = 4}),

    [0xc2] = ROWS(PS_PD("vcmp", Vx, Hx, Wx, Ib), VEX(F3, LIG, WIG, "vcmpss", AVX, RD, 0, Vss, Hx, Wss, Ib),
                  VEX(F2, LIG, WIG, "vcmpsd", AVX, RD, 0, Vsd, Hx, Wsd, Ib)),
    [0xc4] = ROWS(VEX(66, L0, WIG, "vpinsrw", AVX, RD, 2, Vdq, Hx, Ed, Ib)),
    [0xc5] = ROWS(VEX(66, L0, WIG, "vpextrw", AVX, REG, 0, Gd, Udq, Ib)),
    [0xc6] = ROWS(PS_PD("vshuf", Vx, Hx, Wx, Ib)),

    [0xd0] = ROWS(VEX(66, LIG, WIG, "vaddsubpd", AVX, RD, 0, Vx, Hx, Wx), VEX(F2, LIG, WIG, "vaddsubps", AVX, RD, 0, Vx, Hx, Wx)),
    [0xd1] = ROWS(INT("vpsrlw", Vx, Hx, Wdq)), [0xd2] = ROWS(INT("vpsrld", Vx, Hx, Wdq)), [0xd3] = ROWS(INT("vpsrlq", Vx, Hx, Wdq)),
    [0xd4] = ROWS(INT3("vpaddq")), [0xd5] = ROWS(INT3("vpmullw")),
    [0xd6] = ROWS(VEX(66, L0, WIG, "vmovq", AVX, WR, 0, Wq, Vdq)),
    [0xd7] = ROWS(VEX(66, L0, WIG, "vpmovmskb", AVX, REG, 0, Gd, Udq), VEX(66, L1, WIG, "vpmovmskb", AVX2, REG, 0, Gd, Udq)),
    [0xd8] = ROWS(INT3("vpsubusb")), [0xd9] = ROWS(INT3("vpsubusw")), [0xda] = ROWS(INT3("vpminub")), [0xdb] = ROWS(INT3("vpand")),
    [0xdc] = ROWS(INT3("vpaddusb")), [0xdd] = ROWS(INT3("vpaddusw")), [0xde] = ROWS(INT3("vpmaxub")), [0xdf] = ROWS(INT3("vpandn")),
    [0xe0] = ROWS(INT3("vpavgb")), [0xe1] = ROWS(INT("vpsraw", Vx, Hx, Wdq)), [0xe2] = ROWS(INT("vpsrad", Vx, Hx, Wdq)),
    [0xe3] = ROWS(INT3("vpavgw")), [0xe4] = ROWS(INT3("vpmulhuw")), [0xe5] = ROWS(INT3("vpmulhw")),
    [0xe6] = ROWS(VEX(66, LIG, WIG, "vcvttpd2dq", AVX, RD, 0, Vx, Wx), VEX(F2, LIG, WIG, "vcvtpd2dq", AVX, RD, 0, Vx, Wx),
                  VEX(F3, L0, WIG, "vcvtdq2pd", AVX, RD, 8, Vx, Wx), VEX(F3, L1, WIG, "vcvtdq2pd", AVX, RD, 16, Vx, Wx)),
    [0xe7] = ROWS(VEX(66, LIG, WIG, "vmovntdq", AVX, WR | MEM | ATTR_ALIGNED, 0, Mx, Vx)),
    [0xe8] = ROWS(INT3("vpsubsb")), [0xe9] = ROWS(INT3("vpsubsw")), [0xea] = ROWS(INT3("vpminsw")), [0xeb] = ROWS(INT3("vpor")),
    [0xec] = ROWS(INT3("vpaddsb")), [0xed] = ROWS(INT3("vpaddsw")), [0xee] = ROWS(INT3("vpmaxsw")), [0xef] = ROWS(INT3("vpxor")),
    [0xf0] = ROWS(VEX(F2, LIG, WIG, "vlddqu", AVX, RD | MEM, 0, Vx, Mx)),
    [0xf1] = ROWS(INT("vpsllw", Vx, Hx, Wdq)), [0xf2] = ROWS(INT("vpslld", Vx, Hx, Wdq)), [0xf3] = ROWS(INT("vpsllq", Vx, Hx, Wdq)),
    [0xf4] = ROWS(INT3("vpmuludq")), [0xf5] = ROWS(INT3("vpmaddwd")), [0xf6] = ROWS(INT3("vpsadbw")),
    [0xf7] = ROWS(VEX_OP(66, L0, WIG, "vmaskmovdqu", AVX, WR | REG, 16, INTERPRET, op_maskmov, Vdq, Udq)),
    [0xf8] = ROWS(INT3("vpsubb")), [0xf9] = ROWS(INT3("vpsubw")), [0xfa] = ROWS(INT3("vpsubd")), [0xfb] = ROWS(INT3("vpsubq")),
    [0xfc] = ROWS(INT3("vpaddb")), [0xfd] = ROWS(INT3("vpaddw")), [0xfe] = ROWS(INT3("vpaddd")),
};

static const struct vex_row *const map_0f38[256] = {
    [0x00] = ROWS(INT3("vpshufb")), [0x01] = ROWS(INT3("vphaddw")), [0x02] = ROWS(INT3("vphaddd")), [0x03] = ROWS(INT3("vphaddsw")),
    [0x04] = ROWS(INT3("vpmaddubsw")), [0x05] = ROWS(INT3("vphsubw")), [0x06] = ROWS(INT3("vphsubd")), [0x07] = ROWS(INT3("vphsubsw")),
    [0x08] = ROWS(INT3("vpsignb")), [0x09] = ROWS(INT3("vpsignw")), [0x0a] = ROWS(INT3("vpsignd")), [0x0b] = ROWS(INT3("vpmulhrsw")),
    [0x0c] = ROWS(AVX_66(LIG, W0, "vpermilps", Vx, Hx, Wx)), [0x0d] = ROWS(AVX_66(LIG, W0, "vpermilpd", Vx, Hx, Wx)),
    [0x0e] = ROWS(VEX_FLAGS(66, LIG, W0, "vtestps", AVX, RD, 0, Vx, Wx)), [0x0f] = ROWS(VEX_FLAGS(66, LIG, W0, "vtestpd", AVX, RD, 0, Vx, Wx)),

    [0x13] = ROWS(VEX(66, L0, W0, "vcvtph2ps", F16C, RD, 8, Vx, Wx), VEX(66, L1, W0, "vcvtph2ps", F16C, RD, 16, Vx, Wx)),
    [0x16] = ROWS(AVX2_66(L1, W0, "vpermps", Vx, Hx, Wx)),
    [0x17] = ROWS(VEX_FLAGS(66, LIG, WIG, "vptest", AVX, RD, 0, Vx, Wx)),
    [0x18] = ROWS(VEX(66, LIG, W0, "vbroadcastss", AVX, RD | MEM, 4, Vx, Md), VEX(66, LIG, W0, "vbroadcastss", AVX2, REG, 0, Vx, Udq)),
    [0x19] = ROWS(VEX(66, L1, W0, "vbroadcastsd", AVX, RD | MEM, 8, Vx, Mq), VEX(66, L1, W0, "vbroadcastsd", AVX2, REG, 0, Vx, Udq)),
    [0x1a] = ROWS(VEX(66, L1, W0, "vbroadcastf128", AVX, RD | MEM, 0, Vx, Mdq)),
    [0x1c] = ROWS(INT("vpabsb", Vx, Wx)), [0x1d] = ROWS(INT("vpabsw", Vx, Wx)), [0x1e] = ROWS(INT("vpabsd", Vx, Wx)),

    [0x20] = ROWS(EXTEND("vpmovsxbw", 8)), [0x21] = ROWS(EXTEND("vpmovsxbd", 4)), [0x22] = ROWS(EXTEND("vpmovsxbq", 2)),
    [0x23] = ROWS(EXTEND("vpmovsxwd", 8)), [0x24] = ROWS(EXTEND("vpmovsxwq", 4)), [0x25] = ROWS(EXTEND("vpmovsxdq", 8)),
    [0x28] = ROWS(INT3("vpmuldq")), [0x29] = ROWS(INT3("vpcmpeqq")),
    [0x2a] = ROWS(VEX(66, L0, WIG, "vmovntdqa", AVX, RD | MEM | ATTR_ALIGNED, 0, Vx, Mx), VEX(66, L1, WIG, "vmovntdqa", AVX2, RD | MEM | ATTR_ALIGNED, 0, Vx, Mx)),
    [0x2b] = ROWS(INT3("vpackusdw")),
    [0x2c] = ROWS(MASKMOV("vmaskmovps", W0, AVX, op_vmaskmov, RD, Vx, Hx, Mx)), [0x2d] = ROWS(MASKMOV("vmaskmovpd", W0, AVX, op_vmaskmov, RD, Vx, Hx, Mx)),
    [0x2e] = ROWS(MASKMOV("vmaskmovps", W0, AVX, op_vmaskmov, WR, Mx, Hx, Vx)), [0x2f] = ROWS(MASKMOV("vmaskmovpd", W0, AVX, op_vmaskmov, WR, Mx, Hx, Vx)),

    [0x30] = ROWS(EXTEND("vpmovzxbw", 8)), [0x31] = ROWS(EXTEND("vpmovzxbd", 4)), [0x32] = ROWS(EXTEND("vpmovzxbq", 2)),
    [0x33] = ROWS(EXTEND("vpmovzxwd", 8)), [0x34] = ROWS(EXTEND("vpmovzxwq", 4)), [0x35] = ROWS(EXTEND("vpmovzxdq", 8)),
    [0x36] = ROWS(AVX2_66(L1, W0, "vpermd", Vx, Hx, Wx)), [0x37] = ROWS(INT3("vpcmpgtq")),
    [0x38] = ROWS(INT3("vpminsb")), [0x39] = ROWS(INT3("vpminsd")), [0x3a] = ROWS(INT3("vpminuw")), [0x3b] = ROWS(INT3("vpminud")),
    [0x3c] = ROWS(INT3("vpmaxsb")), [0x3d] = ROWS(INT3("vpmaxsd")), [0x3e] = ROWS(INT3("vpmaxuw")), [0x3f] = ROWS(INT3("vpmaxud")),

    [0x40] = ROWS(INT3("vpmulld")), [0x41] = ROWS(AVX_66(L0, WIG, "vphminposuw", Vdq, Wdq)),
    [0x45] = ROWS(AVX2_66(LIG, W0, "vpsrlvd", Vx, Hx, Wx), AVX2_66(LIG, W1, "vpsrlvq", Vx, Hx, Wx)),
    [0x46] = ROWS(AVX2_66(LIG, W0, "vpsravd", Vx, Hx, Wx)),
    [0x47] = ROWS(AVX2_66(LIG, W0, "vpsllvd", Vx, Hx, Wx), AVX2_66(LIG, W1, "vpsllvq", Vx, Hx, Wx)),
    [0x58] = ROWS(BROADCAST("vpbroadcastd", 4)), [0x59] = ROWS(BROADCAST("vpbroadcastq", 8)),
    [0x5a] = ROWS(VEX(66, L1, W0, "vbroadcasti128", AVX2, RD | MEM, 0, Vx, Mdq)),
    [0x78] = ROWS(BROADCAST("vpbroadcastb", 1)), [0x79] = ROWS(BROADCAST("vpbroadcastw", 2)),
    [0x8c] = ROWS(MASKMOV("vpmaskmovd", W0, AVX2, op_vmaskmov, RD, Vx, Hx, Mx), MASKMOV("vpmaskmovq", W1, AVX2, op_vmaskmov, RD, Vx, Hx, Mx)),
    [0x8e] = ROWS(MASKMOV("vpmaskmovd", W0, AVX2, op_vmaskmov, WR, Mx, Hx, Vx), MASKMOV("vpmaskmovq", W1, AVX2, op_vmaskmov, WR, Mx, Hx, Vx)),
    [0x90] = GATHER("vpgatherdd", 4, "vpgatherdq", 8), [0x91] = GATHER("vpgatherqd", 4, "vpgatherqq", 8),
    [0x92] = GATHER("vgatherdps", 4, "vgatherdpd", 8), [0x93] = GATHER("vgatherqps", 4, "vgatherqpd", 8),
    FMA_ROWS(0x90, "132"),
    FMA_ROWS(0xa0, "213"),
    FMA_ROWS(0xb0, "231"),

    [0xdb] = ROWS(VEX(66, L0, WIG, "vaesimc", AES, RD, 0, Vdq, Wdq)),
    [0xdc] = ROWS(VEX(66, L0, WIG, "vaesenc", AES, RD, 0, Vdq, Hx, Wdq)), [0xdd] = ROWS(VEX(66, L0, WIG, "vaesenclast", AES, RD, 0, Vdq, Hx, Wdq)),
    [0xde] = ROWS(VEX(66, L0, WIG, "vaesdec", AES, RD, 0, Vdq, Hx, Wdq)), [0xdf] = ROWS(VEX(66, L0, WIG, "vaesdeclast", AES, RD, 0, Vdq, Hx, Wdq)),

    [0xf2] = ROWS(GPR(NONE, 0, "andn", BMI1, F_ARITH, F_AP, op_andn, Gy, By, Ey)),
    [0xf3] = ROWS(GPR(NONE, 2, "blsr", BMI1, F_ARITH, F_AP, op_blsr, By, Ey), GPR(NONE, 3, "blsmsk", BMI1, F_ARITH, F_AP, op_blsmsk, By, Ey),
                  GPR(NONE, 4, "blsi", BMI1, F_ARITH, F_AP, op_blsi, By, Ey)),
    [0xf5] = ROWS(GPR(NONE, 0, "bzhi", BMI2, F_ARITH, F_AP, op_bzhi, Gy, Ey, By), GPR(F3, 0, "pext", BMI2, 0, 0, op_pext, Gy, By, Ey),
                  GPR(F2, 0, "pdep", BMI2, 0, 0, op_pdep, Gy, By, Ey)),
    [0xf6] = ROWS(GPR(F2, 0, "mulx", BMI2, 0, 0, op_mulx, Gy, By, Ey)),
    [0xf7] = ROWS(GPR(NONE, 0, "bextr", BMI1, F_ARITH, F_SF | F_AP, op_bextr, Gy, Ey, By), GPR(66, 0, "shlx", BMI2, 0, 0, op_shlx, Gy, Ey, By),
                  GPR(F3, 0, "sarx", BMI2, 0, 0, op_sarx, Gy, Ey, By), GPR(F2, 0, "shrx", BMI2, 0, 0, op_shrx, Gy, Ey, By)),
};

static const struct vex_row *const map_0f3a[256] = {
    [0x00] = ROWS(AVX2_66(L1, W1, "vpermq", Vx, Wx, Ib)), [0x01] = ROWS(AVX2_66(L1, W1, "vpermpd", Vx, Wx, Ib)),
    [0x02] = ROWS(AVX2_66(LIG, W0, "vpblendd", Vx, Hx, Wx, Ib)),
    [0x04] = ROWS(AVX_66(LIG, W0, "vpermilps", Vx, Wx, Ib)), [0x05] = ROWS(AVX_66(LIG, W0, "vpermilpd", Vx, Wx, Ib)),
    [0x06] = ROWS(AVX_66(L1, W0, "vperm2f128", Vx, Hx, Wx, Ib)),
    [0x08] = ROWS(AVX_66(LIG, WIG, "vroundps", Vx, Wx, Ib)), [0x09] = ROWS(AVX_66(LIG, WIG, "vroundpd", Vx, Wx, Ib)),
    [0x0a] = ROWS(AVX_66(LIG, WIG, "vroundss", Vss, Hx, Wss, Ib)), [0x0b] = ROWS(AVX_66(LIG, WIG, "vroundsd", Vsd, Hx, Wsd, Ib)),
    [0x0c] = ROWS(AVX_66(LIG, WIG, "vblendps", Vx, Hx, Wx, Ib)), [0x0d] = ROWS(AVX_66(LIG, WIG, "vblendpd", Vx, Hx, Wx, Ib)),
    [0x0e] = ROWS(INT("vpblendw", Vx, Hx, Wx, Ib)), [0x0f] = ROWS(INT("vpalignr", Vx, Hx, Wx, Ib)),
    [0x14] = ROWS(VEX(66, L0, WIG, "vpextrb", AVX, WR, 1, Ed, Vdq, Ib)), [0x15] = ROWS(VEX(66, L0, WIG, "vpextrw", AVX, WR, 2, Ed, Vdq, Ib)),
    [0x16] = ROWS(VEX(66, L0, W64, "vpextrd", AVX, WR, 0, Ey, Vdq, Ib)), [0x17] = ROWS(VEX(66, L0, WIG, "vextractps", AVX, WR, 0, Ed, Vdq, Ib)),
    [0x18] = ROWS(AVX_66(L1, W0, "vinsertf128", Vx, Hx, Wdq, Ib)), [0x19] = ROWS(VEX(66, L1, W0, "vextractf128", AVX, WR, 0, Wdq, Vx, Ib)),
    [0x1d] = ROWS(VEX(66, L0, W0, "vcvtps2ph", F16C, WR, 8, Wx, Vx, Ib), VEX(66, L1, W0, "vcvtps2ph", F16C, WR, 16, Wx, Vx, Ib)),
    [0x20] = ROWS(VEX(66, L0, WIG, "vpinsrb", AVX, RD, 1, Vdq, Hx, Ed, Ib)), [0x21] = ROWS(AVX_66(L0, WIG, "vinsertps", Vdq, Hx, Wd, Ib)),
    [0x22] = ROWS(AVX_66(L0, W64, "vpinsrd", Vdq, Hx, Ey, Ib)),
    [0x38] = ROWS(AVX2_66(L1, W0, "vinserti128", Vx, Hx, Wdq, Ib)), [0x39] = ROWS(VEX(66, L1, W0, "vextracti128", AVX2, WR, 0, Wdq, Vx, Ib)),
    [0x40] = ROWS(AVX_66(LIG, WIG, "vdpps", Vx, Hx, Wx, Ib)), [0x41] = ROWS(AVX_66(L0, WIG, "vdppd", Vx, Hx, Wx, Ib)),
    [0x42] = ROWS(INT("vmpsadbw", Vx, Hx, Wx, Ib)),
    [0x44] = ROWS(VEX(66, L0, WIG, "vpclmulqdq", PCLMUL, RD, 0, Vdq, Hx, Wdq, Ib)),
    [0x46] = ROWS(AVX2_66(L1, W0, "vperm2i128", Vx, Hx, Wx, Ib)),
    [0x4a] = ROWS(AVX_66(LIG, W0, "vblendvps", Vx, Hx, Wx, Lx)), [0x4b] = ROWS(AVX_66(LIG, W0, "vblendvpd", Vx, Hx, Wx, Lx)),
    [0x4c] = ROWS(VEX(66, L0, W0, "vpblendvb", AVX, RD, 0, Vx, Hx, Wx, Lx), VEX(66, L1, W0, "vpblendvb", AVX2, RD, 0, Vx, Hx, Wx, Lx)),
    [0x60] = ROWS(VEX_FLAGS(66, L0, WIG, "vpcmpestrm", AVX, RD, 0, Vdq, Wdq, Ib)), [0x61] = ROWS(VEX_FLAGS(66, L0, WIG, "vpcmpestri", AVX, RD, 0, Vdq, Wdq, Ib)),
    [0x62] = ROWS(VEX_FLAGS(66, L0, WIG, "vpcmpistrm", AVX, RD, 0, Vdq, Wdq, Ib)), [0x63] = ROWS(VEX_FLAGS(66, L0, WIG, "vpcmpistri", AVX, RD, 0, Vdq, Wdq, Ib)),
    [0xdf] = ROWS(VEX(66, L0, WIG, "vaeskeygenassist", AES, RD, 0, Vdq, Wdq, Ib)),
    [0xf0] = ROWS(GPR(F2, 0, "rorx", BMI2, 0, 0, op_rorx, Gy, Ey, Ib)),
};
/* clang-format on */

const struct vex_row *const *const optable_vex[VEX_MAPS] = {map_0f, map_0f38, map_0f3a};
