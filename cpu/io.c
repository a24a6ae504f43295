/* I/O permission: IOPL and the bitmap in the 32-bit TSS.  SDM 1 18.5.2. */
#include "cpu/io.h"

#include "cpu/mem.h"
#include "cpu/protect.h"
#include "cpu/tlb.h"

#define TSS32_LAST_BYTE 103
#define TSS32_IO_MAP    102 /* word: offset of the bitmap from the TSS's base */

bool io_allowed(struct cpu *cpu, uint16_t port, unsigned size)
{
    uint64_t map, bits;

    if (!(cpu->mode & MODE_PE) || (!(cpu->mode & MODE_VM) && (cpu->mode & MODE_IOPL_OK)))
        return true;
    /* Only a 32-bit TSS, available (9) or busy (Bh), has a bitmap. */
    if (cpu->tr.is_null || (cpu->tr.attr & 0xd) != 9 || cpu->tr.limit < TSS32_LAST_BYTE)
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!mem_read_linear(cpu, cpu->tr.base + TSS32_IO_MAP, 2, ACCESS_READ, &map))
        return false;
    /* Two bytes are always read, so the bitmap must end with a byte of ones. */
    map += port / 8;
    if (map + 1 > cpu->tr.limit)
        return cpu_raise_error(cpu, VEC_GP, 0);
    if (!mem_read_linear(cpu, cpu->tr.base + map, 2, ACCESS_READ, &bits))
        return false;
    if (bits >> (port & 7) & ((1u << size) - 1))
        return cpu_raise_error(cpu, VEC_GP, 0);
    return true;
}

void io_note_breakpoints(struct cpu *cpu, uint16_t port, unsigned size)
{
    if (cpu->mode & MODE_DEBUG)
        cpu->tlb->debug_hits |= debug_matches(cpu, port, size, false, false, true);
}
