/* Zydis's opinion.  Its modes for extensions that reuse NOPs and ignored prefixes are off: no CPU model here has them. */
#include "tests/decode/oracle.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/cpu.h"

struct handle {
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    unsigned code_size;
};

static void *zydis_open(unsigned code_size)
{
    static const ZydisDecoderMode off[] = {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET, ZYDIS_DECODER_MODE_WBNOINVD,
                                           ZYDIS_DECODER_MODE_CLDEMOTE};
    struct handle *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    h->code_size = code_size;
    ZydisDecoderInit(&h->decoder,
                     code_size == 2   ? ZYDIS_MACHINE_MODE_LEGACY_16
                     : code_size == 4 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                      : ZYDIS_MACHINE_MODE_LONG_64,
                     code_size == 2   ? ZYDIS_STACK_WIDTH_16
                     : code_size == 4 ? ZYDIS_STACK_WIDTH_32
                                      : ZYDIS_STACK_WIDTH_64);
    for (unsigned n = 0; n < ARRAY_SIZE(off); n++)
        ZydisDecoderEnableMode(&h->decoder, off[n], ZYAN_FALSE);
    ZydisFormatterInit(&h->formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    return h;
}

static void zydis_close(void *handle) { free(handle); }

/* Extensions of the opcode table.  Everything else must be undefined. */
static bool is_offered(ZydisISAExt ext)
{
    switch (ext) {
    case ZYDIS_ISA_EXT_BASE:
    case ZYDIS_ISA_EXT_LONGMODE:
    case ZYDIS_ISA_EXT_AES:
    case ZYDIS_ISA_EXT_AMD3DNOW_PREFETCH:
    case ZYDIS_ISA_EXT_PREFETCHWT1: /* 0F 0D /2: a hint like the others */
    case ZYDIS_ISA_EXT_CLFSH:
    case ZYDIS_ISA_EXT_LZCNT:
    case ZYDIS_ISA_EXT_AVX:
    case ZYDIS_ISA_EXT_AVX2:
    case ZYDIS_ISA_EXT_AVX2GATHER:
    case ZYDIS_ISA_EXT_AVXAES:
    case ZYDIS_ISA_EXT_BMI1:
    case ZYDIS_ISA_EXT_BMI2:
    case ZYDIS_ISA_EXT_F16C:
    case ZYDIS_ISA_EXT_FMA:
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_MONITOR:
    case ZYDIS_ISA_EXT_MOVBE:
    case ZYDIS_ISA_EXT_PAUSE:
    case ZYDIS_ISA_EXT_PCLMULQDQ:
    case ZYDIS_ISA_EXT_RDRAND:
    case ZYDIS_ISA_EXT_RDSEED:
    case ZYDIS_ISA_EXT_RDTSCP:
    case ZYDIS_ISA_EXT_SHA:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_X87:
    case ZYDIS_ISA_EXT_XSAVE:
    case ZYDIS_ISA_EXT_XSAVEOPT:
        return true;
    default:
        return false;
    }
}

static int gpr_number(ZydisRegister reg)
{
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
        if (reg >= ZYDIS_REGISTER_SPL)
            return (int)(reg - ZYDIS_REGISTER_SPL) + 4;
        return reg >= ZYDIS_REGISTER_AH ? (int)(reg - ZYDIS_REGISTER_AL) | HIGH_BYTE : (int)(reg - ZYDIS_REGISTER_AL);
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        return ZydisRegisterGetId(reg);
    default:
        return -1;
    }
}

static int sreg_number(ZydisRegister reg)
{
    return ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_SEGMENT ? (int)(reg - ZYDIS_REGISTER_ES) : -1;
}

static struct operand_view register_view(const ZydisDecodedOperand *o)
{
    ZydisRegister reg = o->reg.value;
    struct operand_view v = {.size = (uint8_t)(o->size / 8), .value = (uint8_t)ZydisRegisterGetId(reg)};

    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_SEGMENT:
        return (struct operand_view){PLACE_SREG, 0, (uint64_t)sreg_number(reg)};
    case ZYDIS_REGCLASS_CONTROL:
        return (struct operand_view){PLACE_CR, 0, (uint64_t)(reg - ZYDIS_REGISTER_CR0)};
    case ZYDIS_REGCLASS_DEBUG:
        return (struct operand_view){PLACE_DR, 0, (uint64_t)(reg - ZYDIS_REGISTER_DR0)};
    case ZYDIS_REGCLASS_X87:
        return (struct operand_view){PLACE_ST, 0, v.value};
    case ZYDIS_REGCLASS_MMX:
        return (struct operand_view){PLACE_MMX, 0, v.value};
    case ZYDIS_REGCLASS_XMM:
        return (struct operand_view){PLACE_VECTOR, 16, v.value};
    case ZYDIS_REGCLASS_YMM:
        return (struct operand_view){PLACE_VECTOR, 32, v.value};
    default:
        v.value = (uint64_t)(int64_t)gpr_number(reg);
        return v;
    }
}

/* A general register, or of a gather a vector. */
static int index_number(ZydisRegister reg)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(reg);

    return class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_YMM ? ZydisRegisterGetId(reg) : gpr_number(reg);
}

static void view_memory(struct view *v, const ZydisDecodedOperand *o)
{
    v->has_mem = true;
    v->is_accessed = o->mem.type == ZYDIS_MEMOP_TYPE_MEM || o->mem.type == ZYDIS_MEMOP_TYPE_VSIB;
    v->is_read = v->is_accessed && (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ);
    v->is_written = v->is_accessed && (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
    v->mem_size = o->size / 8;
    v->seg = (int8_t)sreg_number(o->mem.segment);
    v->base = o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP ? -1 : (int8_t)gpr_number(o->mem.base);
    v->index = (int8_t)index_number(o->mem.index);
    v->scale = o->mem.index == ZYDIS_REGISTER_NONE ? 0 : (uint8_t)__builtin_ctz(o->mem.scale | 8);
    v->disp = o->mem.disp.has_displacement ? o->mem.disp.value : 0;
}

/* String instructions: the first memory operand, which is an implied one. */
static void view_string(struct view *v, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops)
{
    for (unsigned n = 0; n < in->operand_count && !v->has_mem; n++)
        if (ops[n].type == ZYDIS_OPERAND_TYPE_MEMORY)
            view_memory(v, &ops[n]);
}

static void view_operands(struct view *v, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops)
{
    if (in->meta.category == ZYDIS_CATEGORY_STRINGOP || in->meta.category == ZYDIS_CATEGORY_IOSTRINGOP) {
        view_string(v, in, ops);
        return;
    }
    for (unsigned n = 0; n < in->operand_count_visible && n < MAX_OPERANDS; n++) {
        const ZydisDecodedOperand *o = &ops[n];
        struct operand_view *out = &v->operands[v->n_operands++];

        switch (o->type) {
        case ZYDIS_OPERAND_TYPE_REGISTER:
            *out = register_view(o);
            break;
        case ZYDIS_OPERAND_TYPE_MEMORY:
            *out = (struct operand_view){.place = PLACE_MEM};
            if (!v->has_mem)
                view_memory(v, o);
            break;
        case ZYDIS_OPERAND_TYPE_POINTER:
            *out = (struct operand_view){.place = PLACE_FAR, .value = (uint64_t)o->ptr.segment << 32 | o->ptr.offset};
            break;
        default:
            *out = (struct operand_view){.place = PLACE_IMM, .value = o->imm.value.u};
        }
    }
}

static void zydis_decode(void *handle, const uint8_t bytes[15], struct view *v)
{
    struct handle *h = handle;
    ZydisDecoderContext context;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

    *v = (struct view){.name = "(bad)", .seg = -1, .base = -1, .index = -1};
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&h->decoder, &context, bytes, 15, &in)) ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&h->decoder, &context, &in, ops, in.operand_count)))
        return;
    v->is_defined = true;
    v->is_beyond = !is_offered(in.meta.isa_ext) || (in.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && in.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX);
    v->len = in.length;
    v->name = ZydisMnemonicGetString(in.mnemonic);
    v->is_privileged = in.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED;
    view_operands(v, &in, ops);
    if (in.cpu_flags) {
        v->flags_read = in.cpu_flags->tested;
        v->flags_written =
            in.cpu_flags->modified | in.cpu_flags->set_0 | in.cpu_flags->set_1 | in.cpu_flags->undefined;
    }
}

static void zydis_format(void *handle, const uint8_t bytes[15], char *text, unsigned size)
{
    struct handle *h = handle;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

    snprintf(text, size, "(bad)");
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&h->decoder, bytes, 15, &in, ops)))
        ZydisFormatterFormatInstruction(&h->formatter, &in, ops, in.operand_count_visible, text, size, 0x1000, ZYAN_NULL);
}

const struct oracle zydis_oracle = {"Zydis", true, zydis_open, zydis_close, zydis_decode, zydis_format};
