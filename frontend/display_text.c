/* Draws text-mode cells with ANSI sequences (ECMA-48 SGR and CUP), writing only what changed since the last frame.
 * In graphics modes it says so in one line. */
#include "frontend/display_text.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "host/chardev.h"
#include "host/util.h"

#define FRAME_BUSY_NS  (CLOCK_NS_PER_S / 30)
#define FRAME_IDLE_NS  (CLOCK_NS_PER_S / 10) /* when nothing changed lately */
#define BUSY_FRAMES    30
#define KEY_HOLD_MS    12
#define OUT_OF_DATE    0x10000u /* in shown[]: no cell has this value */

struct display_text {
    const struct vga *vga;
    struct clock *clock;
    struct mailbox *mail;
    struct key_queue *keys;
    struct timer timer;
    struct key_decoder decoder;
    unsigned unchanged_frames;
    unsigned cols, rows; /* shown now; 0: nothing yet, or a graphics mode */
    struct vga_geometry graphics;
    unsigned term_cols, term_rows;
    unsigned top; /* first guest row that is shown: a small terminal follows the cursor */
    unsigned cursor_col, cursor_row;
    bool is_cursor_shown;
    struct vga_text_view view;
    uint32_t shown[VGA_TEXT_MAX_COLS * VGA_TEXT_MAX_ROWS];
    char *out;
    size_t len, size;
};

/* --- output --- */

static void put(struct display_text *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct display_text *d, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (d->size - d->len < 64) {
        char *bigger = realloc(d->out, d->size + 65536);

        if (!bigger)
            return;
        d->out = bigger;
        d->size += 65536;
    }
    va_start(ap, fmt);
    n = vsnprintf(d->out + d->len, d->size - d->len, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < d->size - d->len)
        d->len += (size_t)n;
}

static void put_unicode(struct display_text *d, uint16_t c)
{
    if (c < 0x20 || c == 0x7f)
        c = ' ';
    if (c < 0x80)
        put(d, "%c", c);
    else if (c < 0x800)
        put(d, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
    else
        put(d, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
}

static bool is_terminal_ready(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&p, 1, 0) > 0 && (p.revents & POLLOUT);
}

static void flush(struct display_text *d)
{
    size_t done = 0;

    while (done < d->len) {
        ssize_t n = write(STDOUT_FILENO, d->out + done, d->len - done);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
            int ready = poll(&p, 1, 1000);

            if (ready == 0 || (ready < 0 && errno != EINTR))
                break;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    d->len = 0;
}

/* --- drawing --- */

/* The VGA's colour bits are blue 1, green 2, red 4; ANSI's red 1, green 2, blue 4. */
static unsigned ansi_colour(unsigned vga)
{
    return (vga & 1) << 2 | (vga & 2) | (vga & 4) >> 2;
}

static void put_attribute(struct display_text *d, uint8_t attribute)
{
    unsigned fg = attribute & 0xf, bg = attribute >> 4;
    bool is_blinking = d->view.is_blink_enabled && (bg & 8);

    if (d->view.is_blink_enabled)
        bg &= 7;
    put(d, "\033[0;%u;%u%sm", (fg & 8 ? 90 : 30) + ansi_colour(fg), (bg & 8 ? 100 : 40) + ansi_colour(bg),
        is_blinking ? ";5" : "");
}

static void read_terminal_size(struct display_text *d)
{
    struct winsize size = {0};

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    d->term_cols = size.ws_col ? size.ws_col : VGA_TEXT_MAX_COLS;
    d->term_rows = size.ws_row ? size.ws_row : VGA_TEXT_MAX_ROWS;
}

/* True if row and column of the guest are in the terminal; *line is where. */
static bool is_on_terminal(const struct display_text *d, unsigned row, unsigned col, unsigned *line)
{
    *line = row - d->top + 1;
    return row >= d->top && row < d->top + d->term_rows && col < d->term_cols;
}

static bool draw_cells(struct display_text *d)
{
    unsigned count = d->view.cols * d->view.rows, at_cell = UINT32_MAX, line;
    int attribute = -1;

    for (unsigned i = 0; i < count; i++) {
        uint16_t cell = d->view.cells[i];
        unsigned row = i / d->view.cols, col = i % d->view.cols;

        if (d->shown[i] == cell || !is_on_terminal(d, row, col, &line))
            continue;
        if (at_cell != i || col == 0)
            put(d, "\033[%u;%uH", line, col + 1);
        if (attribute != cell >> 8) {
            attribute = cell >> 8;
            put_attribute(d, (uint8_t)attribute);
        }
        put_unicode(d, vga_cp437_to_unicode(cell & 0xff));
        d->shown[i] = cell;
        at_cell = i + 1;
    }
    if (attribute >= 0)
        put(d, "\033[0m");
    return attribute >= 0;
}

static bool draw_cursor(struct display_text *d, bool has_moved)
{
    const struct vga_text_view *v = &d->view;
    unsigned line;
    bool is_visible = v->is_cursor_visible && is_on_terminal(d, v->cursor_row, v->cursor_col, &line);

    if (!has_moved && is_visible == d->is_cursor_shown && v->cursor_col == d->cursor_col &&
        v->cursor_row == d->cursor_row)
        return false;
    if (is_visible)
        put(d, "\033[%u;%uH\033[?25h", line, v->cursor_col + 1);
    else
        put(d, "\033[?25l");
    d->is_cursor_shown = is_visible;
    d->cursor_col = v->cursor_col;
    d->cursor_row = v->cursor_row;
    return true;
}

/* Where a terminal with fewer rows than the guest starts. */
static unsigned choose_top(const struct display_text *d)
{
    const struct vga_text_view *v = &d->view;

    if (v->rows <= d->term_rows || !v->is_cursor_visible || v->cursor_row < d->term_rows)
        return 0;
    return v->cursor_row - d->term_rows + 1;
}

static bool draw_text(struct display_text *d)
{
    unsigned term_cols = d->term_cols, term_rows = d->term_rows, top = d->top;
    bool has_changed;

    read_terminal_size(d);
    d->top = choose_top(d);
    if (d->view.cols != d->cols || d->view.rows != d->rows || term_cols != d->term_cols ||
        term_rows != d->term_rows || top != d->top) {
        d->cols = d->view.cols;
        d->rows = d->view.rows;
        for (unsigned i = 0; i < ARRAY_SIZE(d->shown); i++)
            d->shown[i] = OUT_OF_DATE;
        put(d, "\033[0m\033[2J");
    }
    has_changed = draw_cells(d);
    return draw_cursor(d, has_changed) || has_changed;
}

static bool draw_graphics_notice(struct display_text *d)
{
    struct vga_geometry g;

    vga_get_geometry(d->vga, &g);
    if (!d->cols && g.width == d->graphics.width && g.height == d->graphics.height)
        return false;
    d->graphics = g;
    d->cols = d->rows = 0;
    put(d, "\033[0m\033[2J\033[H[graphics mode %ux%u: not shown in a terminal]", g.width, g.height);
    return true;
}

static bool draw(struct display_text *d)
{
    if (vga_text_cells(d->vga, &d->view)) {
        d->graphics.width = 0;
        return draw_text(d);
    }
    return draw_graphics_notice(d);
}

static void frame_due(void *opaque)
{
    struct display_text *d = opaque;

    if (is_terminal_ready()) {
        d->unchanged_frames = draw(d) ? 0 : d->unchanged_frames + 1;
        flush(d);
    }
    timer_arm(&d->timer,
              clock_now_ns(d->clock) + (d->unchanged_frames < BUSY_FRAMES ? FRAME_BUSY_NS : FRAME_IDLE_NS));
}

/* --- keys --- */

struct typed {
    struct display_text *display;
    size_t len;
    uint8_t bytes[];
};

static void stroke_typed(void *opaque, const struct key_stroke *stroke)
{
    struct display_text *d = opaque;

    d->unchanged_frames = 0;
    (void)key_queue_stroke(d->keys, stroke, KEY_HOLD_MS); /* too much was pasted: the rest is lost */
}

static void bytes_typed(void *opaque)
{
    struct typed *t = opaque;

    key_decoder_feed(&t->display->decoder, t->bytes, t->len, stroke_typed, t->display);
    free(t);
}

static void terminal_input(void *opaque, const uint8_t *buf, size_t n)
{
    struct display_text *d = opaque;
    struct typed *t = malloc(sizeof(*t) + n);

    if (!t)
        return;
    t->display = d;
    t->len = n;
    memcpy(t->bytes, buf, n);
    mailbox_post(d->mail, bytes_typed, t);
}

/* --- life --- */

int display_text_create(struct display_text **out, const struct vga *vga, struct clock *clock, struct loop *loop,
                        struct mailbox *mail, struct key_queue *keys)
{
    struct display_text *d = calloc(1, sizeof(*d));
    int r;

    if (!d)
        return -ENOMEM;
    d->vga = vga;
    d->clock = clock;
    d->mail = mail;
    d->keys = keys;
    r = tty_raw_enter();
    if (r < 0) {
        free(d);
        return r;
    }
    tty_set_input(loop, terminal_input, d);
    timer_init(&d->timer, clock, frame_due, d);
    timer_arm(&d->timer, clock_now_ns(clock));
    *out = d;
    return 0;
}

void display_text_destroy(struct display_text *d)
{
    if (!d)
        return;
    timer_disarm(&d->timer);
    draw(d);
    put(d, "\033[0m\033[?25h\033[%u;1H\r\n", d->rows < d->term_rows ? d->rows + 1 : d->term_rows);
    flush(d);
    tty_raw_leave();
    free(d->out);
    free(d);
}
