/* SeaBIOS and its VGA BIOS as Debian's package installs them, or images the user names. */
#include "frontend/firmware.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIOS_MAX    MIB(16)
#define RESET_VECTOR_BYTES 16
#define BIOS_ALIGN  KIB(64)
#define VGABIOS_MAX KIB(128) /* what fits between C0000h and DFFFFh */

/* Images we look for ourselves come from a package: say which. */
static void add_package_hint(int err, const char *path, char why[WHY_BYTES])
{
    size_t len = strlen(why);

    if (err == -ENOENT && (!strcmp(path, FIRMWARE_BIOS) || !strcmp(path, FIRMWARE_VGABIOS)))
        snprintf(why + len, WHY_BYTES - len, "; install the package seabios");
}

static int load_image(const char *what, const char *path, uint64_t max, uint8_t **data, uint64_t *len,
                      char why[WHY_BYTES])
{
    int err = loadfile(what, path, max, data, len, why);

    if (err)
        add_package_hint(err, path, why);
    return err;
}

static int firmware_say(int err, const char *what, const char *path, const char *problem, char why[WHY_BYTES])
{
    snprintf(why, WHY_BYTES, "%s %s: %s", what, path, problem);
    return err;
}

int firmware_load_bios(struct guestmem *mem, struct space *memory, const char *path, struct firmware *out,
                       char why[WHY_BYTES])
{
    uint8_t *data;
    uint64_t len;
    int64_t off;
    int err;

    if (!path)
        path = FIRMWARE_BIOS;
    err = load_image("BIOS", path, BIOS_MAX, &data, &len, why);
    if (err)
        return err;
    if (len < RESET_VECTOR_BYTES) {
        free(data);
        return firmware_say(-EINVAL, "BIOS", path, "is too short to hold a reset vector (16 bytes at its end)", why);
    }
    out->len = (len + BIOS_ALIGN - 1) & ~(BIOS_ALIGN - 1);
    off = guestmem_alloc(mem, out->len);
    if (off >= 0) {
        out->mem_off = off;
        memset(guestmem_view(mem) + off, 0xff, out->len - len); /* an erased flash chip around a short image */
        memcpy(guestmem_view(mem) + off + out->len - len, data, len);
    }
    free(data);
    if (off < 0)
        return firmware_say(off, "BIOS", path, "no room in guest memory", why);
    err = space_map_mem(memory, GIB(4) - out->len, out->len, out->mem_off, out->mem_off, SPACE_R);
    return err ? firmware_say(err, "BIOS", path, "cannot be placed below 4 GiB", why) : 0;
}

int firmware_map_low(struct space *memory, const struct firmware *fw)
{
    uint64_t len = firmware_low_len(fw), off = firmware_low_off(fw);

    return space_map_mem(memory, MIB(1) - len, len, off, off, SPACE_R);
}

int firmware_load_vgabios(const char *path, uint8_t **data, uint32_t *len, char why[WHY_BYTES])
{
    uint64_t file_len;
    int err;

    if (!path)
        path = FIRMWARE_VGABIOS;
    err = load_image("VGA BIOS", path, VGABIOS_MAX, data, &file_len, why);
    if (err)
        return err;
    if (file_len < 512 || (*data)[0] != 0x55 || (*data)[1] != 0xaa || (uint64_t)(*data)[2] * 512 > file_len) {
        free(*data);
        *data = NULL;
        return firmware_say(-EINVAL, "VGA BIOS", path, "is not an option ROM, or is truncated", why);
    }
    *len = file_len;
    return 0;
}

int firmware_check(const char *path, char why[WHY_BYTES])
{
    uint64_t size;
    int fd = loadfile_open("firmware", path, BIOS_MAX, &size, why);

    if (fd < 0) {
        add_package_hint(fd, path, why);
        return fd;
    }
    close(fd);
    return 0;
}
