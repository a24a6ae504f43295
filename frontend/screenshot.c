/* Screenshots.  PNG through libpng's simplified interface, PPM (netpbm P6) by hand, text from the text mode's cells. */
#include "frontend/screenshot.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* UTF-8 of the largest text screen. */
#define TEXT_BYTES (VGA_TEXT_MAX_ROWS * (3 * VGA_TEXT_MAX_COLS + 1) + 1)

typedef int writer_fn(const struct vga *v, FILE *to, char why[WHY_BYTES]);

static int shot_refuse(int err, char why[WHY_BYTES], const char *reason)
{
    snprintf(why, WHY_BYTES, "%s", reason);
    return err;
}

/* The picture as bytes R, G, B; malloc'ed, NULL: no memory. */
static uint8_t *shot_rgb(const struct vga *v, struct vga_geometry *g)
{
    size_t pixels, i;
    uint32_t *xrgb;
    uint8_t *rgb;

    vga_get_geometry(v, g);
    pixels = (size_t)g->width * g->height;
    xrgb = malloc(pixels * sizeof(*xrgb));
    rgb = malloc(pixels * 3);
    if (xrgb && rgb) {
        vga_render(v, g, xrgb, g->width);
        for (i = 0; i < pixels; i++) {
            rgb[3 * i] = xrgb[i] >> 16;
            rgb[3 * i + 1] = xrgb[i] >> 8;
            rgb[3 * i + 2] = xrgb[i];
        }
        free(xrgb);
        return rgb;
    }
    free(xrgb);
    free(rgb);
    return NULL;
}

static int write_png(const struct vga *v, FILE *to, char why[WHY_BYTES])
{
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
    struct vga_geometry g;
    uint8_t *rgb = shot_rgb(v, &g);
    int ok;

    if (!rgb)
        return shot_refuse(-ENOMEM, why, strerror(ENOMEM));
    image.width = g.width;
    image.height = g.height;
    ok = png_image_write_to_stdio(&image, to, 0, rgb, 0, NULL);
    free(rgb);
    return ok ? 0 : shot_refuse(-EIO, why, image.message);
}

static int write_ppm(const struct vga *v, FILE *to, char why[WHY_BYTES])
{
    struct vga_geometry g;
    uint8_t *rgb = shot_rgb(v, &g);

    if (!rgb)
        return shot_refuse(-ENOMEM, why, strerror(ENOMEM));
    fprintf(to, "P6\n%u %u\n255\n", g.width, g.height);
    fwrite(rgb, 3, (size_t)g.width * g.height, to); /* errors show in ferror() */
    free(rgb);
    return 0;
}

static int write_txt(const struct vga *v, FILE *to, char why[WHY_BYTES])
{
    char *text = malloc(TEXT_BYTES);
    int n;

    if (!text)
        return shot_refuse(-ENOMEM, why, strerror(ENOMEM));
    n = vga_text(v, text, TEXT_BYTES);
    if (n >= 0)
        fwrite(text, 1, n, to);
    free(text);
    return n < 0 ? shot_refuse(n, why, "the screen is in a graphics mode; only .png and .ppm can show it") : 0;
}

static writer_fn *writer_for(const char *path)
{
    const char *dot = strrchr(path, '.');

    if (!dot)
        return NULL;
    if (strcasecmp(dot, ".png") == 0)
        return write_png;
    if (strcasecmp(dot, ".ppm") == 0)
        return write_ppm;
    return strcasecmp(dot, ".txt") == 0 ? write_txt : NULL;
}

int screenshot_check_name(const char *path, char why[WHY_BYTES])
{
    if (writer_for(path))
        return 0;
    snprintf(why, WHY_BYTES, "screenshot %s: the name must end in .png, .ppm or .txt", path);
    return -EINVAL;
}

/* why becomes "screenshot PATH: <what it says>". */
static int shot_failed(int err, const char *path, const char *reason, char why[WHY_BYTES])
{
    snprintf(why, WHY_BYTES, "screenshot %s: %.200s", path, reason);
    return err;
}

int screenshot_write(const struct vga *v, const char *path, char why[WHY_BYTES])
{
    char reason[WHY_BYTES] = "", *temporary;
    int err = screenshot_check_name(path, why);
    FILE *to;

    if (err)
        return err;
    if (asprintf(&temporary, "%s.part", path) < 0)
        return shot_failed(-ENOMEM, path, strerror(ENOMEM), why);
    to = fopen(temporary, "wbe");
    if (!to) {
        err = shot_failed(-errno, path, strerror(errno), why);
        goto out;
    }
    errno = 0;
    err = writer_for(path)(v, to, reason);
    if (!err && (fflush(to) != 0 || ferror(to)))
        err = shot_refuse(errno ? -errno : -EIO, reason, strerror(errno ? errno : EIO));
    fclose(to);
    if (!err && rename(temporary, path) < 0)
        err = shot_refuse(-errno, reason, strerror(errno));
    if (err) {
        unlink(temporary);
        shot_failed(err, path, reason, why);
    }
out:
    free(temporary);
    return err;
}
