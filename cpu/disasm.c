/* Instructions as text, through Capstone.  For logs, reports and tests only. */
#include <capstone/capstone.h>
#include <stdio.h>
#include "cpu/insn.h"

/* One handle per mode and thread, opened on first use; 0 if Capstone refuses. */
static csh handle_for(unsigned code_size)
{
    static _Thread_local csh handles[3];
    static const cs_mode modes[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    unsigned n = code_size == 2 ? 0 : code_size == 4 ? 1 : 2;

    if (!handles[n] && cs_open(CS_ARCH_X86, modes[n], &handles[n]) != CS_ERR_OK)
        handles[n] = 0;
    return handles[n];
}

unsigned disasm(char *buf, unsigned size, const uint8_t *bytes, unsigned avail, uint64_t address, unsigned code_size)
{
    csh handle = handle_for(code_size);
    cs_insn *insn = NULL;
    unsigned len = 0;

    if (handle && cs_disasm(handle, bytes, avail, address, 1, &insn) == 1) {
        len = insn->size;
        snprintf(buf, size, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
        cs_free(insn, 1);
    } else {
        snprintf(buf, size, "(bad)");
    }
    return len;
}
