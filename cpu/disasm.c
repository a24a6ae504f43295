/* Instructions as text, through Capstone.  For logs, reports and tests only: the library is loaded when the first text is wanted, as its
 * tables take 3 MiB of memory in every process that has it. */
#include <capstone/capstone.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include "cpu/insn.h"

#define LIBRARY_(major) "libcapstone.so." #major
#define LIBRARY(major) LIBRARY_(major)

static struct {
    __typeof__(cs_open) *open;
    __typeof__(cs_close) *close;
    __typeof__(cs_disasm) *disasm;
    __typeof__(cs_free) *free;
} cs;

static void load(void)
{
    void *lib = dlopen(LIBRARY(CS_API_MAJOR), RTLD_NOW | RTLD_LOCAL);

    if (!lib)
        return;
    *(void **)&cs.close = dlsym(lib, "cs_close");
    *(void **)&cs.disasm = dlsym(lib, "cs_disasm");
    *(void **)&cs.free = dlsym(lib, "cs_free");
    if (cs.close && cs.disasm && cs.free)
        *(void **)&cs.open = dlsym(lib, "cs_open");
}

unsigned disasm(char *buf, unsigned size, const uint8_t *bytes, unsigned avail, uint64_t address, unsigned code_size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    cs_mode mode = code_size == 2 ? CS_MODE_16 : code_size == 4 ? CS_MODE_32 : CS_MODE_64;
    cs_insn *insn = NULL;
    unsigned len = 0;
    csh handle;

    pthread_once(&once, load);
    snprintf(buf, size, cs.open ? "(bad)" : "(no " LIBRARY(CS_API_MAJOR) ")");
    /* Opened anew each time: rare, and a kept handle would be state outlasting its thread. */
    if (!cs.open || cs.open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK)
        return 0;
    if (cs.disasm(handle, bytes, avail, address, 1, &insn) == 1) {
        len = insn->size;
        snprintf(buf, size, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
        cs.free(insn, 1);
    }
    cs.close(&handle);
    return len;
}
