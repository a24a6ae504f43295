/* Instructions as text, through Capstone.  For logs, reports and tests only. */
#include <capstone/capstone.h>
#include <stdio.h>
#include "cpu/insn.h"

unsigned disasm(char *buf, unsigned size, const uint8_t *bytes, unsigned avail, uint64_t address, unsigned code_size)
{
    cs_mode mode = code_size == 2 ? CS_MODE_16 : code_size == 4 ? CS_MODE_32 : CS_MODE_64;
    cs_insn *insn = NULL;
    unsigned len = 0;
    csh handle;

    snprintf(buf, size, "(bad)");
    /* Opened anew each time: rare, and a kept handle would be state outlasting its thread. */
    if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK)
        return 0;
    if (cs_disasm(handle, bytes, avail, address, 1, &insn) == 1) {
        len = insn->size;
        snprintf(buf, size, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
        cs_free(insn, 1);
    }
    cs_close(&handle);
    return len;
}
