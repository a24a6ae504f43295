/* The commonest sensitive instructions, done in place: reading segment selectors and control registers, PUSHF, POPF, CLI, STI.
 *
 * What the guest sees comes from struct cpu, never from the host.  While translated code runs, cpu->eflags holds the system flags
 * with zeros for those that live in the host's EFLAGS.  Flags stay alive throughout: a mask is a PEXT and a PDEP (BMI2). */
#include "bt/xlat.h"

#include "cpu/ops.h"

void xlat_and_neutral(struct emit *e, int dst, uint32_t imm)
{
    emit_mov_ri32(e, H_R10, imm);              /* mov  r10d, imm        */
    emit_pext32(e, dst, dst, H_R10);           /* pext dst, dst, r10d   */
    emit_pdep32(e, dst, dst, H_R10);           /* pdep dst, dst, r10d   */
}

void xlat_count(struct emit *e, size_t counter)
{
    struct hmem m = CPU_AT(counter);

    emit_load(e, H_R9, m, 8);
    emit_lea64(e, H_R9, HMEM(H_R9, 1));
    emit_store(e, m, H_R9, 8);
}

static bool mov_from_sreg(struct xlat *x, const struct insn *in)
{
    unsigned sreg = in->reg & 7;

    if (in->is_mem || sreg >= SEG_COUNT)
        return false;
    if (in->opsize == 2) {
        emit_load(x->e, H_R8, CPU_SEG(sreg, sel), 2);                 /* movzx r8d, word [sel]  */
        emit_mov_rr16(x->e, host_reg(in->rm), H_R8);                  /* mov   r16, r8w         */
    } else {
        emit_load(x->e, host_reg(in->rm), CPU_SEG(sreg, sel), 2);     /* movzx r32, word [sel]  */
    }
    return true;
}

static bool push_sreg(struct xlat *x, const struct insn *in)
{
    static const uint8_t kinds[] = {ES_, CS_, SS_, DS_, FS_, GS_};
    struct hmem slot;

    for (unsigned s = 0; s < SEG_COUNT; s++) {
        if (in->desc->operands[0] != kinds[s])
            continue;
        if (!xlat_stack_slot(x, -(int)in->opsize, in->opsize, &slot))
            return false;
        emit_load(x->e, H_R11, CPU_SEG(s, sel), 2);
        emit_store(x->e, slot, H_R11, in->opsize);
        xlat_stack_pushed(x, in->opsize);
        return true;
    }
    return false;
}

static bool pushf(struct xlat *x, const struct insn *in)
{
    struct emit *e = x->e;
    struct hmem slot;

    if (in->opsize != 4 || !is_stack_flat(x) || (x->mode & MODE_VM) || !x->bt->has_bmi2)
        return false;
    emit_u8(e, 0x9c);                                                 /* pushfq                 */
    emit_u8(e, 0x41);
    emit_u8(e, 0x58);                                                 /* pop   r8               */
    xlat_and_neutral(e, H_R8, EFLAGS_NATIVE);
    emit_load(e, H_R9, CPU_FIELD(eflags), 4);                         /* mov   r9d, eflags      */
    emit_lea32(e, H_R11, HMEM_X(H_R8, H_R9, 0, 0));                   /* lea   r11d, [r8+r9]    */
    if (!xlat_stack_slot(x, -4, 4, &slot))
        return false;
    emit_store(e, slot, H_R11, 4);
    xlat_stack_move(x, -4);
    return true;
}

void xlat_alu_ri32(struct emit *e, unsigned op, int r, uint32_t imm)
{
    struct hinsn h = {.op = {op == 8 ? 0xf7 : 0x81}, .n_op = 1, .has_modrm = true, .reg = (uint8_t)(op & 7), .rm = (uint8_t)r,
                      .imm = imm, .imm_len = 4};

    emit_insn(e, &h);
}

void xlat_alu_rr32(struct emit *e, uint8_t opcode, int dst, int src)
{
    struct hinsn h = {.op = {opcode}, .n_op = 1, .has_modrm = true, .reg = (uint8_t)src, .rm = (uint8_t)dst};

    emit_insn(e, &h);
}

void xlat_cmp_zero(struct emit *e, size_t field)
{
    struct hinsn h = {.op = {0x80}, .n_op = 1, .has_modrm = true, .is_mem = true, .reg = 7, .mem = CPU_AT(field), .imm_len = 1};

    emit_insn(e, &h);
}

void xlat_take_if(struct emit *e)
{
    xlat_alu_ri32(e, ALU_AND, H_R8, ~EFLAGS_IF);
    emit_mov_rr32(e, H_R9, H_R11);
    xlat_alu_ri32(e, ALU_AND, H_R9, EFLAGS_IF);
    xlat_alu_rr32(e, 0x09, H_R8, H_R9);                               /* or   r8d, r9d          */
}

/* POPF in place when no system flag but IF changes and no interrupt waits for IF.  Its flags are dead once the stack was read
 * without a fault: after that the slow path cannot fault either. */
static bool popf(struct xlat *x, const struct insn *in)
{
    struct emit *e = x->e;
    uint32_t may_change = EFLAGS_NATIVE | EFLAGS_IF;
    struct hmem slot;
    uint8_t *slow1, *slow2 = NULL, *no_if, *done;

    if (in->opsize != 4 || !is_stack_flat(x) || (x->mode & MODE_VM) || !xlat_stack_slot(x, 0, 4, &slot))
        return false;
    emit_load(e, H_R11, slot, 4);                                     /* mov  r11d, [esp]       */
    emit_load(e, H_R8, CPU_FIELD(eflags), 4);                         /* mov  r8d, eflags       */
    emit_mov_rr32(e, H_R9, H_R8);
    xlat_alu_rr32(e, 0x31, H_R9, H_R11);                              /* xor  r9d, r11d         */
    xlat_alu_ri32(e, ALU_TEST, H_R9, ~may_change);                    /* test r9d, ~(..)        */
    slow1 = emit_near(e, 5);                                          /* jnz  slow              */
    if (x->mode & MODE_IOPL_OK) {
        xlat_alu_ri32(e, ALU_TEST, H_R11, EFLAGS_IF);                 /* test r11d, IF          */
        no_if = emit_short(e, 4);                                     /* jz   no_if             */
        xlat_cmp_zero(e, offsetof(struct cpu, intr));                 /* cmp  byte [intr], 0    */
        slow2 = emit_near(e, 5);                                      /* jne  slow              */
        emit_patch8(e, no_if);
        xlat_take_if(e);
        emit_store(e, CPU_FIELD(eflags), H_R8, 4);
    }
    xlat_alu_ri32(e, ALU_AND, H_R11, EFLAGS_NATIVE);
    emit_u8(e, 0x41);
    emit_u8(e, 0x53);                                                 /* push r11               */
    emit_u8(e, 0x9d);                                                 /* popfq                  */
    xlat_stack_move(x, 4);
    done = emit_short(e, CC_JMP);
    emit_patch32(e, slow1);
    if (slow2)
        emit_patch32(e, slow2);
    xlat_callout(x, in, true);
    emit_patch8(e, done);
    return true;
}

static bool cli(struct xlat *x)
{
    struct emit *e = x->e;

    if (!(x->mode & MODE_IOPL_OK) || !x->bt->has_bmi2)
        return false;
    emit_load(e, H_R8, CPU_FIELD(eflags), 4);                         /* mov  r8d, eflags       */
    xlat_and_neutral(e, H_R8, ~EFLAGS_IF);
    emit_store(e, CPU_FIELD(eflags), H_R8, 4);                        /* mov  eflags, r8d       */
    return true;
}

/* STI in place when no interrupt waits.  Its shadow is the next instruction's, which is in this block. */
static bool sti(struct xlat *x, const struct insn *in)
{
    struct emit *e = x->e;
    uint8_t *quiet, *done;

    if (!(x->mode & MODE_IOPL_OK) || !x->bt->has_bmi2 || x->i + 1 >= x->n)
        return false;
    emit_mov_rr64(e, H_R9, H_RCX);                                    /* mov  r9, rcx           */
    emit_load(e, H_RCX, CPU_FIELD(intr), 1);                          /* movzx ecx, intr        */
    quiet = emit_short(e, CC_JECXZ);
    emit_mov_rr64(e, H_RCX, H_R9);
    xlat_callout(x, in, true);
    done = emit_short(e, CC_JMP);
    emit_patch8(e, quiet);
    emit_mov_rr64(e, H_RCX, H_R9);
    emit_load(e, H_R8, CPU_FIELD(eflags), 4);
    xlat_and_neutral(e, H_R8, ~EFLAGS_IF);
    emit_lea32(e, H_R8, HMEM(H_R8, EFLAGS_IF));                       /* lea  r8d, [r8+IF]      */
    emit_store(e, CPU_FIELD(eflags), H_R8, 4);
    emit_patch8(e, done);
    x->shadowed = x->i + 1;
    return true;
}

/* In ring 0; page-fault handlers read CR2. */
static bool mov_from_cr(struct xlat *x, const struct insn *in)
{
    size_t field;

    if ((x->mode & MODE_VM) || (x->mode >> MODE_CPL_SHIFT & 3))
        return false;
    if (in->reg == 0)
        field = offsetof(struct cpu, paging.cr0);
    else if (in->reg == 2)
        field = offsetof(struct cpu, cr2);
    else if (in->reg == 3)
        field = offsetof(struct cpu, paging.cr3);
    else
        return false;
    emit_load(x->e, host_reg(in->rm), CPU_AT(field), 4);         /* mov r32, [cr]          */
    return true;
}

bool xlat_system(struct xlat *x, const struct insn *in)
{
    bool is_done = false;

    if (xlat_far(x, in) || xlat_segment(x, in) || xlat_rings(x, in))
        return true;
    if (insn_is(in, op_mov_from_sreg))
        is_done = mov_from_sreg(x, in);
    else if (insn_is(in, op_push_sreg))
        is_done = push_sreg(x, in);
    else if (insn_is(in, op_pushf))
        is_done = pushf(x, in);
    else if (insn_is(in, op_popf))
        is_done = popf(x, in);
    else if (insn_is(in, op_cli))
        is_done = cli(x);
    else if (insn_is(in, op_mov_from_cr))
        is_done = mov_from_cr(x, in);
    else if (insn_is(in, op_sti))
        is_done = sti(x, in);
    else
        is_done = xlat_real(x, in);
    if (is_done) {
        xlat_count(x->e, offsetof(struct cpu, stats.sens_executed) + 8 * in->desc->sens);
        x->bt->cpu->stats.sens_sites[in->desc->sens]++;
    }
    return is_done;
}
