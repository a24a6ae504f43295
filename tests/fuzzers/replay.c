/* Runs a fuzz target without libFuzzer: on files, and on variants of them that a fixed generator makes.
 *
 *   fuzz_<target> [--variants N] FILE|DIRECTORY ... */
#include <dirent.h>
#include <sys/stat.h>
#include "tests/fuzzers/target.h"

#define INPUT_BYTES 65536

int __attribute__((weak)) LLVMFuzzerInitialize(int *argc, char ***argv) { return 0; }

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A few bytes changed, or a piece copied over another, or the end cut off. */
static size_t vary(uint8_t *data, size_t size)
{
    unsigned changes = 1 + next_random() % 6;

    while (changes-- && size) {
        size_t at = next_random() % size;

        switch (next_random() % 5) {
        case 0:
            data[at] ^= (uint8_t)(1u << next_random() % 8);
            break;
        case 1:
            data[at] = (uint8_t)next_random();
            break;
        case 2:
            data[at] = next_random() % 2 ? 0xff : 0;
            break;
        case 3:
            memmove(data + at, data + next_random() % size, 1 + next_random() % (size - at < 16 ? size - at : 16) - 1);
            break;
        default:
            if (next_random() % 8 == 0)
                size = at;
        }
    }
    return size;
}

static unsigned long run(const char *path, unsigned variants)
{
    static uint8_t original[INPUT_BYTES], data[INPUT_BYTES];
    FILE *from = fopen(path, "rb");
    size_t size;

    if (!from) {
        perror(path);
        exit(3);
    }
    size = fread(original, 1, sizeof(original), from);
    fclose(from);
    LLVMFuzzerTestOneInput(original, size);
    for (unsigned n = 0; n < variants; n++) {
        uint8_t *exact;
        size_t len;

        memcpy(data, original, size);
        len = vary(data, size);
        exact = malloc(len + !len); /* so that a sanitizer sees reads beyond the end */
        if (!exact)
            exit(3);
        memcpy(exact, data, len);
        LLVMFuzzerTestOneInput(exact, len);
        free(exact);
    }
    return 1 + variants;
}

static unsigned long run_directory(const char *dir, unsigned variants)
{
    struct dirent **names;
    int count = scandir(dir, &names, NULL, alphasort);
    unsigned long runs = 0;

    if (count < 0) {
        perror(dir);
        exit(3);
    }
    for (int n = 0; n < count; n++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", dir, names[n]->d_name);
        if (names[n]->d_name[0] != '.')
            runs += run(path, variants);
        free(names[n]);
    }
    free(names);
    return runs;
}

int main(int argc, char **argv)
{
    unsigned variants = 0;
    unsigned long runs = 0;
    struct stat st;

    LLVMFuzzerInitialize(&argc, &argv);
    for (int n = 1; n < argc; n++) {
        if (!strcmp(argv[n], "--variants") && n + 1 < argc)
            variants = (unsigned)strtoul(argv[++n], NULL, 0);
        else if (stat(argv[n], &st) == 0 && S_ISDIR(st.st_mode))
            runs += run_directory(argv[n], variants);
        else
            runs += run(argv[n], variants);
    }
    printf("%lu inputs\n", runs);
    return runs ? 0 : 2;
}
