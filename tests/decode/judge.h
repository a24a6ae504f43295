/* Ringer's decoder against Zydis and Capstone: what differs and is not explained (explained.inc). */
#ifndef DECODE_JUDGE_H
#define DECODE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

struct judge;

struct judge *judge_create(void);
void judge_destroy(struct judge *j);
/* Let all decode them.  m: 0, 1, 2 for 16-, 32-, 64-bit code. */
void judge_bytes(struct judge *j, unsigned m, const uint8_t bytes[15], bool with_capstone);
/* Kinds of differences so far. */
unsigned judge_differences(const struct judge *j);
/* Print what was found.  True: nothing, and every explanation was needed. */
bool judge_report(const struct judge *j, bool is_listing);

#endif
