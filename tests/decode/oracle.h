/* What a decoder says about some bytes, in words that Ringer's, Zydis's and Capstone's opinions can be brought to. */
#ifndef DECODE_ORACLE_H
#define DECODE_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_OPERANDS 5

enum place {
    PLACE_GPR, /* number; of byte registers 4..7 with HIGH_BYTE are AH CH DH BH */
    PLACE_SREG,
    PLACE_CR,
    PLACE_DR,
    PLACE_ST,
    PLACE_MMX,
    PLACE_VECTOR, /* XMM or YMM; size 16 or 32, or 0: not compared */
    PLACE_MEM,
    PLACE_IMM,
    PLACE_FAR /* selector << 32 | offset */
};
#define HIGH_BYTE 32

struct operand_view {
    uint8_t place;  /* enum place */
    uint8_t size;   /* bytes; 0: not known or not compared */
    uint64_t value; /* number of the register, immediate */
};

struct view {
    bool is_defined;
    bool is_beyond; /* defined by an extension that no CPU model here has */
    uint8_t len;
    const char *name;
    unsigned n_operands;
    struct operand_view operands[MAX_OPERANDS];
    /* the memory operand, if there is one with ModRM or moffs */
    bool has_mem, is_read, is_written, is_accessed;
    int8_t seg, base, index; /* -1: none */
    uint8_t scale;
    int64_t disp;
    unsigned mem_size;
    uint32_t flags_read, flags_written; /* CF PF AF ZF SF OF DF */
    bool is_privileged;
};

/* Where the opcode is, as Ringer sees it. */
struct opcode_place {
    bool is_vex;
    uint8_t n_prefixes, map, opcode, modrm; /* modrm: the byte behind the opcode, if it has none */
};

struct oracle {
    const char *name;
    bool knows_operands; /* else only length, validity and name */
    void *(*open)(unsigned code_size);
    void (*close)(void *handle);
    void (*decode)(void *handle, const uint8_t bytes[15], struct view *v);
    void (*format)(void *handle, const uint8_t bytes[15], char *text, unsigned size);
};

extern const struct oracle capstone_oracle;
#ifdef HAVE_ZYDIS
extern const struct oracle zydis_oracle;
#endif

void ringer_view(const uint8_t bytes[15], unsigned code_size, struct view *v, struct opcode_place *at);

#endif
