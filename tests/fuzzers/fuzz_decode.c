/* The decoder on any bytes: against Zydis and Capstone, and against itself with fewer bytes; and Capstone as the disassembler.
 * Input: the first byte chooses the code size, the others are code, decoded at every offset. */
#include "cpu/insn.h"
#include "tests/decode/judge.h"
#include "tests/fuzzers/target.h"

static struct judge *judge;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    judge = judge_create();
    return 0;
}

/* What an instruction is does not depend on what follows it, and it needs all of its bytes. */
static void check_prefixes(const uint8_t *bytes, unsigned avail, unsigned code_size)
{
    struct insn whole, part;
    enum decode_result result = insn_decode(&whole, bytes, avail, code_size);

    MUST(whole.desc);
    if (result != DECODE_OK) {
        MUST(result == (avail < 15 ? DECODE_MORE : DECODE_LONG));
        return;
    }
    MUST(whole.len >= 1 && whole.len <= 15 && whole.len <= avail);
    MUST(insn_mem_size(&whole) <= 576);
    MUST(insn_decode(&part, bytes, whole.len, code_size) == DECODE_OK && part.desc == whole.desc && part.len == whole.len);
    MUST(insn_decode(&part, bytes, whole.len - 1u, code_size) == DECODE_MORE);
}

static void check_text(const uint8_t *bytes, unsigned avail, unsigned code_size)
{
    char text[24]; /* too small for most */

    memset(text, 0x55, sizeof(text));
    MUST(disasm(text, sizeof(text) - 1, bytes, avail, 0xfffffff0, code_size) <= avail);
    MUST(memchr(text, 0, sizeof(text) - 1));
    MUST(text[sizeof(text) - 1] == 0x55);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned m = size ? data[0] % 3 : 0, before = judge_differences(judge);
    uint8_t bytes[15];

    for (size_t at = 1; at < size; at++) {
        unsigned avail = size - at < 15 ? (unsigned)(size - at) : 15;

        check_prefixes(data + at, avail, 2u << m);
        memset(bytes, 0x90, sizeof(bytes));
        memcpy(bytes, data + at, avail);
        judge_bytes(judge, m, bytes, m < 2); /* Capstone knows no REX that is not the last prefix */
    }
    if (size > 1)
        check_text(data + 1, (unsigned)(size - 1), 2u << m);
    if (judge_differences(judge) != before) {
        (void)judge_report(judge, false);
        fflush(stdout);
        MUST(!"decoders agree");
    }
    return 0;
}
