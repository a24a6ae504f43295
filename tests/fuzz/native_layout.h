/* Addresses below 4 GiB that native execution uses; for C and assembly.  See native.h. */
#ifndef FUZZ_NATIVE_LAYOUT_H
#define FUZZ_NATIVE_LAYOUT_H

#define NATIVE_CODE   0x10000000 /* a copy of native_trampoline */
#define NATIVE_DATA   0x10001000 /* struct native_data */
#define NATIVE_MEMORY 0x20000000 /* guest linear address 0 */

/* Offsets in struct native_data. */
#define ND_HOST_RSP    0
#define ND_FS_BASE     8
#define ND_GS_BASE     16
#define ND_GPR         24 /* EAX ECX EDX EBX ESP EBP ESI EDI */
#define ND_EFLAGS      56
#define ND_SEL         60 /* ES CS SS DS FS GS */
#define ND_EIP         72
#define ND_CS          76
#define ND_TRAMPOLINE  80 /* far pointer */
#define ND_IS_RUNNING  88
#define ND_OLD_HANDLER 96
#define ND_HAS_AVX     104
#define ND_FPU         128
#define ND_STACK_END   0xf00 /* it grows down to the end of struct native_data */

#endif
