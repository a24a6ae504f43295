/* The emitter's encodings, read back through Capstone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "bt/emit.h"
#include "cpu/insn.h"

struct fixture {
    uint8_t buf[256];
    struct emit e;
};

static void start(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->e = (struct emit){.p = f->buf, .end = f->buf + sizeof(f->buf), .write_base = f->buf, .exec_base = f->buf};
}

static void expect(struct fixture *f, const char *text)
{
    char got[512] = "";
    unsigned off = 0, len = (unsigned)(f->e.p - f->buf);

    assert_false(emit_is_full(&f->e));
    while (off < len) {
        char one[128];
        unsigned n = disasm(one, sizeof(one), f->buf + off, len - off, off, 8);

        assert_int_not_equal(n, 0);
        if (off)
            strcat(got, "; ");
        strcat(got, one);
        off += n;
    }
    assert_string_equal(got, text);
    start(f);
}

/* Two bytes where they can say it: not with X, B, W or another map than 0F. */
static void vex(void **state)
{
    struct hinsn add = {.vex_map = MAP_0F, .op = {0x58}, .n_op = 1, .has_modrm = true, .reg = 1, .rm = 2, .vvvv = 7};
    struct hinsn shift = {.vex_map = MAP_0F38, .vex_pp = 2, .op = {0xf7}, .n_op = 1, .has_modrm = true, .reg = H_R12, .rm = 1, .vvvv = H_R12};
    struct hinsn fma = {.vex_map = MAP_0F38, .vex_pp = 1, .vex_l = 1, .vex_w = 1, .op = {0xb8}, .n_op = 1, .has_modrm = true,
                        .reg = 3, .is_mem = true, .vvvv = 4};
    struct fixture f;

    start(&f);
    emit_insn(&f.e, &add);
    assert_int_equal(f.e.p - f.buf, 4);
    expect(&f, "vaddps xmm1, xmm7, xmm2");
    add.is_mem = true;
    add.mem = HMEM(H_R8, 0);
    add.mem.is_gs = true;
    emit_insn(&f.e, &add);
    assert_int_equal(f.e.p - f.buf, 6);
    expect(&f, "vaddps xmm1, xmm7, xmmword ptr gs:[r8]");
    emit_insn(&f.e, &shift);
    expect(&f, "sarx r12d, ecx, r12d");
    fma.mem = HMEM_X(H_R12, H_RSI, 2, 0x40);
    fma.mem.is_gs = fma.mem.is_addr32 = true;
    emit_insn(&f.e, &fma);
    expect(&f, "vfmadd231pd ymm3, ymm4, ymmword ptr gs:[r12d + esi*4 + 0x40]");
}

static void moves(void **state)
{
    struct fixture f;

    start(&f);
    emit_mov_rr64(&f.e, H_R9, H_RCX);
    expect(&f, "mov r9, rcx");
    emit_mov_rr32(&f.e, H_RSI, H_RSI);
    expect(&f, "mov esi, esi");
    emit_mov_rr16(&f.e, H_R12, H_R8);
    expect(&f, "mov r12w, r8w");
    emit_mov_ri32(&f.e, H_R10, 0x1234);
    expect(&f, "mov r10d, 0x1234");
    emit_movzx16(&f.e, H_R9, H_R8);
    expect(&f, "movzx r9d, r8w");
    emit_movzx8(&f.e, H_R8, H_RSI);
    expect(&f, "movzx r8d, sil");
    emit_movsx16(&f.e, H_R9, H_RSI);
    expect(&f, "movsx r9d, si");
    emit_pext32(&f.e, H_R11, H_R9, H_R10);
    expect(&f, "pext r11d, r9d, r10d");
    emit_pdep32(&f.e, H_RAX, H_R9, H_RDX);
    expect(&f, "pdep eax, r9d, edx");
    emit_sarx32(&f.e, H_R9, H_RBX, H_R10);
    expect(&f, "sarx r9d, ebx, r10d");
    emit_not64(&f.e, H_R10);
    expect(&f, "not r10");
    emit_bswap64(&f.e, H_R9);
    expect(&f, "bswap r9");
}

static void memory_operands(void **state)
{
    struct fixture f;
    struct hmem gs = {.base = H_RBX, .index = H_RCX, .scale = 2, .is_gs = true, .is_addr32 = true, .disp = 8};

    start(&f);
    emit_load(&f.e, H_RAX, gs, 4);
    expect(&f, "mov eax, dword ptr gs:[ebx + ecx*4 + 8]");
    emit_load(&f.e, H_RAX, HMEM(H_R12, 0), 4);
    expect(&f, "mov eax, dword ptr [r12]");
    emit_load(&f.e, H_RAX, HMEM(H_R13, 0), 8);
    expect(&f, "mov rax, qword ptr [r13]");
    emit_load(&f.e, H_R8, HMEM(H_NONE, 0x1000), 2);
    expect(&f, "movzx r8d, word ptr [0x1000]");
    emit_store(&f.e, HMEM(H_RBP, -4), H_RSI, 1);
    expect(&f, "mov byte ptr [rbp - 4], sil");
    emit_store(&f.e, HMEM(H_RSI, 0x100), H_R11, 2);
    expect(&f, "mov word ptr [rsi + 0x100], r11w");
    emit_store_imm(&f.e, HMEM(H_R15, 8), 0x55, 4);
    expect(&f, "mov dword ptr [r15 + 8], 0x55");
    emit_lea32(&f.e, H_RCX, HMEM_X(H_R8, H_R9, 0, 0));
    expect(&f, "lea ecx, [r8 + r9]");
    emit_call_mem(&f.e, HMEM_X(H_R10, H_R9, 3, 0));
    expect(&f, "call qword ptr [r10 + r9*8]");
}

static void jumps_land(void **state)
{
    struct fixture f;

    start(&f);
    uint8_t *s = emit_short(&f.e, CC_JECXZ);
    uint8_t *n = emit_near(&f.e, 4);
    emit_patch8(&f.e, s);
    emit_mov_rr64(&f.e, H_RAX, H_RAX);
    emit_patch32(&f.e, n);
    expect(&f, "jecxz 9; je 0xc; mov rax, rax");
    emit_call(&f.e, f.buf);
    expect(&f, "call 0");
}

static void full_is_sticky(void **state)
{
    struct fixture f;

    start(&f);
    for (int i = 0; i < 100; i++)
        emit_mov_ri32(&f.e, H_RAX, ~0u);
    assert_true(emit_is_full(&f.e));
    assert_true(f.e.p <= f.e.end);
    emit_u8(&f.e, 0x90);
    assert_true(emit_is_full(&f.e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves),
        cmocka_unit_test(vex),
        cmocka_unit_test(memory_operands),
        cmocka_unit_test(jumps_land),
        cmocka_unit_test(full_is_sticky),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
