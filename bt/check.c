/* See check.h.  A check is "mov [cpu], r8; lea r8, [address]; call stub"; the stub puts R8 and the flags back. */
#include "bt/check.h"

#include <stdio.h>
#include <stdlib.h>

#define CC_E 4
#define CC_NE 5
#define CC_BE 6

void check_access(struct emit *e, const struct hmem *m)
{
    struct hmem linear = *m;

    linear.is_gs = linear.is_addr32 = false;
    emit_store(e, HOT(check_r8), H_R8, 8);
    if (m->is_addr32 && hmem_may_wrap(m))
        emit_lea32(e, H_R8, linear);
    else
        emit_lea64(e, H_R8, linear);
    emit_call(e, e->check);
}

static void cmp_rr64(struct emit *e, int a, int b)
{
    struct hinsn h = {.rex_w = true, .op = {0x39}, .n_op = 1, .has_modrm = true, .reg = (uint8_t)b, .rm = (uint8_t)a};

    emit_insn(e, &h);
}

void check_generate(struct bt *bt)
{
    static const uint8_t save_flags[] = {0x9f, 0x0f, 0x90, 0xc0};     /* lahf; seto al                    */
    static const uint8_t not_inside[] = {0x48, 0xc1, 0xe8, 0x21};     /* shr rax, 33: the guards are inside */
    /* sar rax, 47; inc rax; cmp rax, 1: "below or equal" for canonical addresses */
    static const uint8_t is_canonical[] = {0x48, 0xc1, 0xf8, 0x2f, 0x48, 0xff, 0xc0, 0x48, 0x83, 0xf8, 0x01};
    static const uint8_t rdgsbase_rax[] = {0xf3, 0x48, 0x0f, 0xae, 0xc8};
    static const uint8_t restore_flags[] = {0x04, 0x7f, 0x9e};        /* add al, 7fh (OF again); sahf     */
    static const uint8_t ud2[] = {0x0f, 0x0b};
    struct emit *e = &bt->e;
    const uint8_t *stub = emit_here(e);
    uint8_t *inside, *fail[3];
    unsigned n = 0;

    emit_store(e, HOT(check_rax), H_RAX, 8);
    emit_bytes(e, save_flags, sizeof(save_flags));
    emit_store(e, HOT(check_flags), H_RAX, 8);
    emit_lea64(e, H_RAX, HMEM(H_R8, HMEM_GUARD_BELOW));
    emit_bytes(e, not_inside, sizeof(not_inside));
    inside = emit_short(e, CC_E);
    emit_mov_rr64(e, H_RAX, H_R8);
    emit_bytes(e, is_canonical, sizeof(is_canonical));
    fail[n++] = emit_short(e, CC_BE);
    emit_patch8(e, inside);
    emit_load(e, H_RAX, HOT(window_base), 8);
    emit_lea64(e, H_RAX, HMEM(H_RAX, WINDOW_BIAS));
    cmp_rr64(e, H_RAX, R_WINDOW_16);
    fail[n++] = emit_short(e, CC_NE);
    if (bt->has_fsgsbase) {
        emit_bytes(e, rdgsbase_rax, sizeof(rdgsbase_rax));
        emit_lea64(e, H_RAX, HMEM(H_RAX, WINDOW_BIAS));
        cmp_rr64(e, H_RAX, R_WINDOW_16);
        fail[n++] = emit_short(e, CC_NE);
    }
    emit_load(e, H_RAX, HOT(check_flags), 8);
    emit_bytes(e, restore_flags, sizeof(restore_flags));
    emit_load(e, H_RAX, HOT(check_rax), 8);
    emit_load(e, H_R8, HOT(check_r8), 8);
    emit_ret(e);
    while (n > 0)
        emit_patch8(e, fail[--n]);
    bt->check_failure = emit_here(e);
    emit_bytes(e, ud2, sizeof(ud2));
    e->check = stub;
    e->before_access = check_access;
}

bool check_is_failure(const struct bt *bt, const uint8_t *host_pc)
{
    return bt->check_failure && host_pc == bt->check_failure;
}

_Noreturn void check_report(const struct bt *bt, const struct fault *f)
{
    const uint8_t *from = *(const uint8_t *const *)(uintptr_t)f->regs[FAULT_RSP];
    const struct block *b = tcache_by_host(bt, from);

    fprintf(stderr, "ringer: bug: translated code would access window%+lld, outside it (window %#llx, r14 %#llx), at host pc %p\n",
            f->regs[FAULT_R8], (unsigned long long)hot_of(bt->cpu)->window_base, (unsigned long long)f->regs[FAULT_R14],
            (const void *)from);
    if (b) {
        fprintf(stderr, "guest eip %#x\n", recover_rip(b, tcache_recover(bt, b, from)));
        block_dump(bt, b, stderr);
    }
    exit(70);
}
