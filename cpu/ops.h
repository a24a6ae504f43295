/* Semantics functions: what each instruction does.  One function serves all operand forms of a mnemonic: it reads and
 * writes operands through cpu/operand.h.  Named op_<mnemonic>; rows of the opcode table point here.
 * Contract: see insn_fn in cpu/insn.h. */
#ifndef CPU_OPS_H
#define CPU_OPS_H

#include "cpu/insn.h"

#define OPS_ALU(X)                                                                                 \
    X(add) X(or) X(adc) X(sbb) X(and) X(sub) X(xor) X(cmp) X(inc) X(dec) X(neg) X(not) X(test)     \
    X(mul) X(imul1) X(imul) X(div) X(idiv)                                                         \
    X(mov) X(movzx) X(movsx) X(lea) X(xchg) X(xadd) X(cmpxchg) X(cmpxchg8b) X(bswap) X(movbe)      \
    X(cbw) /* 98h: CBW CWDE */ X(cwd) /* 99h: CWD CDQ */ X(crc32)                                  \
    X(rol) X(ror) X(rcl) X(rcr) X(shl) X(shr) X(sar) X(shld) X(shrd)                               \
    X(bt) X(bts) X(btr) X(btc) X(bsf) X(bsr) X(popcnt) X(lzcnt) X(tzcnt)                           \
    X(setcc) X(cmovcc) /* condition: opcode bits 3:0 */                                            \
    X(aaa) X(aas) X(daa) X(das) X(aam) X(aad) X(salc) X(xlat)                                      \
    X(nop) /* also hints, prefetches, fences */ X(clflush)                                             \
    X(lahf) X(sahf) X(clc) X(stc) X(cmc) X(cld) X(std)
#define OPS_BMI(X)                                                                                 \
    X(andn) X(bextr) X(blsr) X(blsmsk) X(blsi) X(bzhi) X(mulx) X(pdep) X(pext) X(rorx)             \
    X(sarx) X(shlx) X(shrx)
#define OPS_STRING(X) X(movs) X(cmps) X(scas) X(stos) X(lods) X(ins) X(outs)
#define OPS_STACK(X) X(push) X(pop) X(pusha) X(popa) X(enter) X(leave)
#define OPS_FLOW(X)                                                                                \
    X(jcc) X(jmp_rel) X(jmp_ind) X(call_rel) X(call_ind) X(ret_near) X(loop) X(loope) X(loopne)    \
    X(jcxz) X(bound) X(into) X(int) X(int3) X(int1) X(iret) X(ud)                                  \
    X(jmp_far_ptr) /* EAh */ X(jmp_far_ind) /* FF /5 */ X(call_far_ptr) X(call_far_ind) X(ret_far)
#define OPS_SYSTEM(X)                                                                              \
    X(pushf) X(popf) X(push_sreg) X(pop_sreg) X(mov_from_sreg) X(mov_to_sreg) X(lseg_ptr)          \
    X(arpl) X(lar) X(lsl) X(verr) X(verw) X(sldt) X(str) X(lldt) X(ltr) X(sgdt) X(sidt) X(lgdt)    \
    X(lidt) X(smsw) X(lmsw) X(clts) X(invd) X(wbinvd) X(invlpg) X(mov_from_cr) X(mov_to_cr)        \
    X(mov_from_dr) X(mov_to_dr) X(rdmsr) X(wrmsr) X(rdtsc) X(rdtscp) X(rdpmc) X(cpuid) X(hlt)      \
    X(cli) X(sti) X(in) X(out) X(sysenter) X(sysexit) X(syscall) X(sysret) X(rsm) X(monitor)       \
    X(mwait) X(rdrand) X(rdseed) X(xgetbv) X(xsetbv)
#define OPS_FP(X)                                                                                  \
    X(x87) /* D8h..DFh but for those below */ X(fwait) X(fnstenv) X(fldenv) X(fnsave) X(frstor)    \
    X(sse) /* MMX, SSE..: run on the host with the guest's state */ X(fxsave) X(fxrstor)           \
    X(maskmov) X(vmaskmov) X(gather) X(xsave) X(xrstor)

#define DECLARE_OP(name) bool op_##name(struct cpu *cpu, const struct insn *in);
OPS_ALU(DECLARE_OP)
OPS_BMI(DECLARE_OP)
OPS_STRING(DECLARE_OP)
OPS_STACK(DECLARE_OP)
OPS_FLOW(DECLARE_OP)
OPS_SYSTEM(DECLARE_OP)
OPS_FP(DECLARE_OP)
#undef DECLARE_OP

#endif
