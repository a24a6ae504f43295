/* Bytes: CRC-32 by table, a small LZ compressor and its expansion, counting words. */
#include "bench.h"

#define SIZE (1u << 20)

static uint32_t crc_table[256];

static void crc_prepare(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        crc_table[i] = c;
    }
}

static uint32_t crc(const uint8_t *p, uint32_t len)
{
    uint32_t c = ~0u;

    while (len--)
        c = crc_table[(c ^ *p++) & 0xff] ^ c >> 8;
    return ~c;
}

/* 0 byte | length (3..255) distance-low distance-high */
static uint32_t compress(const uint8_t *in, uint32_t len, uint8_t *out)
{
    static uint32_t last[1 << 14];
    uint32_t o = 0;

    memset(last, 0, sizeof(last));
    for (uint32_t i = 0; i < len;) {
        uint32_t n = 0, h = 0, at = 0;

        if (i + 4 < len) {
            h = (in[i] * 506832829u ^ in[i + 1] * 40503u ^ in[i + 2] * 2654435761u) >> 18;
            at = last[h];
            last[h] = i;
            if (at < i && i - at < 65536)
                while (n < 255 && i + n < len && in[at + n] == in[i + n])
                    n++;
        }
        if (n >= 3) {
            out[o++] = (uint8_t)n;
            out[o++] = (uint8_t)(i - at);
            out[o++] = (uint8_t)((i - at) >> 8);
            i += n;
        } else {
            out[o++] = 0;
            out[o++] = in[i++];
        }
    }
    return o;
}

static uint32_t expand(const uint8_t *in, uint32_t len, uint8_t *out)
{
    uint32_t o = 0;

    for (uint32_t i = 0; i < len;) {
        if (!in[i]) {
            out[o++] = in[i + 1];
            i += 2;
            continue;
        }
        for (uint32_t n = in[i], back = in[i + 1] | in[i + 2] << 8; n; n--, o++)
            out[o] = out[o - back];
        i += 3;
    }
    return o;
}

static uint32_t count_words(const uint8_t *p, uint32_t len)
{
    uint32_t words = 0, is_inside = 0;

    for (uint32_t i = 0; i < len; i++) {
        uint32_t is_letter = (p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z';

        words += is_letter && !is_inside;
        is_inside = is_letter;
    }
    return words;
}

int main(int argc, char **argv)
{
    static const char *const words[] = {"the ", "guest ", "runs ", "as ", "translated ", "code, ", "block ", "by ", "block. "};
    static uint8_t text[SIZE], packed[2 * SIZE], again[SIZE];
    uint32_t random = 99, len = 0;
    uint64_t sum = 0;

    while (len + 16 < SIZE) {
        const char *w = words[next_random(&random) % 9];

        memcpy(text + len, w, strlen(w));
        len += strlen(w);
        if (next_random(&random) % 8 == 0)
            text[len++] = (uint8_t)next_random(&random);
    }
    crc_prepare();
    for (unsigned round = 0; round < 5 * scale_of(argc, argv); round++) {
        uint32_t n;

        text[round] ^= 1;
        n = compress(text, len, packed);
        if (expand(packed, n, again) != len || memcmp(text, again, len))
            return 1;
        sum = sum * 31 + crc(packed, n) + crc(again, len) + count_words(text, len);
    }
    return report(sum);
}
