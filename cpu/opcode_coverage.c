/* See cpu/opcode_coverage.h.  Stores race, but all write the same value. */
#include "cpu/opcode_coverage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cpu/cpu.h"
#include "cpu/insn.h"

uint8_t *opcode_coverage_map(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    void *p = MAP_FAILED;

    if (fd < 0)
        return NULL;
    if (!ftruncate(fd, (off_t)OPCODE_COVERAGE_BYTES))
        p = mmap(NULL, OPCODE_COVERAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_32BIT | MAP_NORESERVE, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static unsigned mode_number(uint32_t mode)
{
    if (!(mode & MODE_PE))
        return COVERED_REAL;
    return mode & MODE_VM ? COVERED_V86 : mode & MODE_CS32 ? COVERED_PROT32 : COVERED_PROT16;
}

uint8_t *opcode_coverage_byte(const struct insn *in, uint32_t mode, bool is_translated)
{
    static uint8_t *map;
    static bool is_tried;
    unsigned prefix = in->rep == 0xf3 ? 2 : in->rep ? 3 : in->has_opsize_prefix ? 1 : 0;
    uint64_t at;

    if (!is_tried) {
        const char *path = getenv("RINGER_OPCODES");

        is_tried = true;
        map = path ? opcode_coverage_map(path) : NULL;
    }
    at = (uint64_t)(in->vex != 0) << 2 | in->map;
    at = at << 2 | (in->vex ? in->vex_pp : prefix);
    at = at << 2 | (in->vex ? in->vex_l << 1 | in->vex_w : 0);
    at = at << 8 | in->opcode;
    at = at << 8 | (in->has_modrm ? in->modrm : 0);
    at = at << 2 | mode_number(mode);
    at = at << 1 | is_translated;
    return map ? map + at : NULL;
}
