/* A fuzz target: one input from outside.  Linked with libFuzzer, or with replay.c for any compiler. */
#ifndef FUZZERS_TARGET_H
#define FUZZERS_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold for any input. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                              \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* What is left of the input.  Bytes beyond its end are zero. */
struct input {
    const uint8_t *data;
    size_t left;
};

static inline uint64_t input_take(struct input *in, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned n = 0; n < bytes && in->left; n++, in->left--)
        v |= (uint64_t)*in->data++ << 8 * n;
    return v;
}

/* Up to max bytes of text, cut at the first NUL or newline, which is taken too.  Terminated. */
static inline void input_take_text(struct input *in, char *text, size_t max)
{
    size_t n = 0;

    while (in->left && n + 1 < max) {
        char c = (char)*in->data++;

        in->left--;
        if (!c || c == '\n')
            break;
        text[n++] = c;
    }
    text[n] = 0;
}

/* A file in memory with such contents, and its name.  Kept open until the next call. */
const char *input_file(unsigned slot, const void *data, size_t size);

#endif
