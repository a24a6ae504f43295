/* The command line.  Input: words, separated by newlines or NULs. */
#include "frontend/options.h"
#include "tests/fuzzers/target.h"

#define MAX_WORDS 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char words[MAX_WORDS][256];
    char *argv[MAX_WORDS + 2] = {"ringer"}, message[1024] = "";
    struct input in = {data, size};
    FILE *err = fmemopen(message, sizeof(message), "w");
    struct options o;
    int argc = 1, status;

    MUST(err);
    for (unsigned n = 0; n < MAX_WORDS && in.left; n++) {
        input_take_text(&in, words[n], sizeof(words[n]));
        argv[argc++] = words[n];
    }
    argv[argc] = NULL;
    status = options_parse(&o, argc, argv, err);
    fclose(err);
    MUST(status == 0 || status == EXIT_USAGE);
    MUST(status == 0 || message[0]);
    if (status == 0) {
        MUST(o.disk_count <= OPTIONS_MAX_IDE && o.floppy_count <= OPTIONS_MAX_FLOPPIES && o.serial_count <= OPTIONS_MAX_SERIALS &&
             o.initrd_count <= OPTIONS_MAX_INITRDS);
        MUST(o.memory_bytes >= OPTIONS_MEMORY_MIN && o.memory_bytes <= OPTIONS_MEMORY_MAX);
        options_complete(&o, size & 1);
    }
    return 0;
}
