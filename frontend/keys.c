/* Key names as QEMU's QKeyCode has them, the characters of a US keyboard, and xterm's and Linux's escape sequences
 * ("XTerm Control Sequences", "PC-Style Function Keys"; console_codes(4)). */
#include "frontend/keys.h"

#include <string.h>
#include "host/util.h"

#define EVENT_GAP_MS 4 /* between two events of a chord: the keyboard's queue holds 16 bytes */
#define CHORD_GAP_MS 12

#define SCAN_E0 0x80 /* set-1 code comes after E0h */

/* name, our keycode, set-1 scan code */
static const struct key_name {
    const char *name;
    uint8_t keycode, scan;
} key_names[] = {
    // clang-format off
    {"esc", KEY_ESC, 0x01}, {"f1", KEY_F1, 0x3b}, {"f2", KEY_F2, 0x3c}, {"f3", KEY_F3, 0x3d},
    {"f4", KEY_F4, 0x3e}, {"f5", KEY_F5, 0x3f}, {"f6", KEY_F6, 0x40}, {"f7", KEY_F7, 0x41},
    {"f8", KEY_F8, 0x42}, {"f9", KEY_F9, 0x43}, {"f10", KEY_F10, 0x44}, {"f11", KEY_F11, 0x57},
    {"f12", KEY_F12, 0x58},
    {"grave_accent", KEY_GRAVE, 0x29}, {"1", KEY_1, 0x02}, {"2", KEY_2, 0x03}, {"3", KEY_3, 0x04},
    {"4", KEY_4, 0x05}, {"5", KEY_5, 0x06}, {"6", KEY_6, 0x07}, {"7", KEY_7, 0x08}, {"8", KEY_8, 0x09},
    {"9", KEY_9, 0x0a}, {"0", KEY_0, 0x0b}, {"minus", KEY_MINUS, 0x0c}, {"equal", KEY_EQUAL, 0x0d},
    {"backspace", KEY_BACKSPACE, 0x0e},
    {"tab", KEY_TAB, 0x0f}, {"q", KEY_Q, 0x10}, {"w", KEY_W, 0x11}, {"e", KEY_E, 0x12}, {"r", KEY_R, 0x13},
    {"t", KEY_T, 0x14}, {"y", KEY_Y, 0x15}, {"u", KEY_U, 0x16}, {"i", KEY_I, 0x17}, {"o", KEY_O, 0x18},
    {"p", KEY_P, 0x19}, {"bracket_left", KEY_LEFT_BRACKET, 0x1a}, {"bracket_right", KEY_RIGHT_BRACKET, 0x1b},
    {"ret", KEY_ENTER, 0x1c}, {"backslash", KEY_BACKSLASH, 0x2b},
    {"caps_lock", KEY_CAPS_LOCK, 0x3a}, {"a", KEY_A, 0x1e}, {"s", KEY_S, 0x1f}, {"d", KEY_D, 0x20},
    {"f", KEY_F, 0x21}, {"g", KEY_G, 0x22}, {"h", KEY_H, 0x23}, {"j", KEY_J, 0x24}, {"k", KEY_K, 0x25},
    {"l", KEY_L, 0x26}, {"semicolon", KEY_SEMICOLON, 0x27}, {"apostrophe", KEY_APOSTROPHE, 0x28},
    {"shift", KEY_LEFT_SHIFT, 0x2a}, {"less", KEY_102ND, 0x56}, {"z", KEY_Z, 0x2c}, {"x", KEY_X, 0x2d},
    {"c", KEY_C, 0x2e}, {"v", KEY_V, 0x2f}, {"b", KEY_B, 0x30}, {"n", KEY_N, 0x31}, {"m", KEY_M, 0x32},
    {"comma", KEY_COMMA, 0x33}, {"dot", KEY_DOT, 0x34}, {"slash", KEY_SLASH, 0x35},
    {"shift_r", KEY_RIGHT_SHIFT, 0x36},
    {"ctrl", KEY_LEFT_CTRL, 0x1d}, {"meta_l", KEY_LEFT_META, SCAN_E0 | 0x5b}, {"alt", KEY_LEFT_ALT, 0x38},
    {"spc", KEY_SPACE, 0x39}, {"alt_r", KEY_RIGHT_ALT, SCAN_E0 | 0x38},
    {"altgr", KEY_RIGHT_ALT, SCAN_E0 | 0x38}, {"meta_r", KEY_RIGHT_META, SCAN_E0 | 0x5c},
    {"menu", KEY_MENU, SCAN_E0 | 0x5d}, {"compose", KEY_MENU, SCAN_E0 | 0x5d},
    {"ctrl_r", KEY_RIGHT_CTRL, SCAN_E0 | 0x1d},
    {"print", KEY_PRINT_SCREEN, SCAN_E0 | 0x37}, {"sysrq", KEY_PRINT_SCREEN, 0x54},
    {"scroll_lock", KEY_SCROLL_LOCK, 0x46}, {"pause", KEY_PAUSE, SCAN_E0 | 0x46},
    {"insert", KEY_INSERT, SCAN_E0 | 0x52}, {"home", KEY_HOME, SCAN_E0 | 0x47},
    {"pgup", KEY_PAGE_UP, SCAN_E0 | 0x49}, {"delete", KEY_DELETE, SCAN_E0 | 0x53},
    {"end", KEY_END, SCAN_E0 | 0x4f}, {"pgdn", KEY_PAGE_DOWN, SCAN_E0 | 0x51}, {"up", KEY_UP, SCAN_E0 | 0x48},
    {"left", KEY_LEFT, SCAN_E0 | 0x4b}, {"down", KEY_DOWN, SCAN_E0 | 0x50},
    {"right", KEY_RIGHT, SCAN_E0 | 0x4d},
    {"num_lock", KEY_NUM_LOCK, 0x45}, {"kp_divide", KEY_KP_SLASH, SCAN_E0 | 0x35},
    {"kp_multiply", KEY_KP_STAR, 0x37}, {"asterisk", KEY_KP_STAR, 0x37}, {"kp_subtract", KEY_KP_MINUS, 0x4a},
    {"kp_add", KEY_KP_PLUS, 0x4e}, {"kp_enter", KEY_KP_ENTER, SCAN_E0 | 0x1c},
    {"kp_decimal", KEY_KP_DOT, 0x53},
    {"kp_0", KEY_KP_0, 0x52}, {"kp_1", KEY_KP_1, 0x4f}, {"kp_2", KEY_KP_2, 0x50}, {"kp_3", KEY_KP_3, 0x51},
    {"kp_4", KEY_KP_4, 0x4b}, {"kp_5", KEY_KP_5, 0x4c}, {"kp_6", KEY_KP_6, 0x4d}, {"kp_7", KEY_KP_7, 0x47},
    {"kp_8", KEY_KP_8, 0x48}, {"kp_9", KEY_KP_9, 0x49},
    {"kp_comma", KEY_KP_COMMA, 0x7e}, {"kp_equals", KEY_KP_EQUAL, 0x59}, {"ro", KEY_RO, 0x73},
    {"yen", KEY_YEN, 0x7d}, {"henkan", KEY_HENKAN, 0x79}, {"muhenkan", KEY_MUHENKAN, 0x7b},
    {"katakanahiragana", KEY_KATAKANA_HIRAGANA, 0x70}, {"hiragana", KEY_KATAKANA_HIRAGANA, 0x70},
    {"audiomute", KEY_MUTE, SCAN_E0 | 0x20}, {"volumedown", KEY_VOLUME_DOWN, SCAN_E0 | 0x2e},
    {"volumeup", KEY_VOLUME_UP, SCAN_E0 | 0x30}, {"audioplay", KEY_PLAY, SCAN_E0 | 0x22},
    {"audiostop", KEY_STOP, SCAN_E0 | 0x24}, {"audionext", KEY_NEXT, SCAN_E0 | 0x19},
    {"audioprev", KEY_PREVIOUS, SCAN_E0 | 0x10}, {"power", KEY_POWER, SCAN_E0 | 0x5e},
    {"sleep", KEY_SLEEP, SCAN_E0 | 0x5f}, {"wake", KEY_WAKE, SCAN_E0 | 0x63},
    // clang-format on
};

int keys_from_name(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(key_names); i++)
        if (!strcmp(name, key_names[i].name))
            return key_names[i].keycode;
    return -1;
}

int keys_from_number(long long number)
{
    for (unsigned i = 0; i < ARRAY_SIZE(key_names); i++)
        if (number == key_names[i].scan)
            return key_names[i].keycode;
    return -1;
}

/* Unshifted and shifted characters of the keys that make some. */
static const struct key_chars {
    uint8_t keycode;
    char plain, shifted;
} key_chars[] = {
    // clang-format off
    {KEY_GRAVE, '`', '~'}, {KEY_1, '1', '!'}, {KEY_2, '2', '@'}, {KEY_3, '3', '#'}, {KEY_4, '4', '$'},
    {KEY_5, '5', '%'}, {KEY_6, '6', '^'}, {KEY_7, '7', '&'}, {KEY_8, '8', '*'}, {KEY_9, '9', '('},
    {KEY_0, '0', ')'}, {KEY_MINUS, '-', '_'}, {KEY_EQUAL, '=', '+'}, {KEY_Q, 'q', 'Q'}, {KEY_W, 'w', 'W'},
    {KEY_E, 'e', 'E'}, {KEY_R, 'r', 'R'}, {KEY_T, 't', 'T'}, {KEY_Y, 'y', 'Y'}, {KEY_U, 'u', 'U'},
    {KEY_I, 'i', 'I'}, {KEY_O, 'o', 'O'}, {KEY_P, 'p', 'P'}, {KEY_A, 'a', 'A'}, {KEY_S, 's', 'S'},
    {KEY_D, 'd', 'D'}, {KEY_F, 'f', 'F'}, {KEY_G, 'g', 'G'}, {KEY_H, 'h', 'H'}, {KEY_J, 'j', 'J'},
    {KEY_K, 'k', 'K'}, {KEY_L, 'l', 'L'}, {KEY_Z, 'z', 'Z'}, {KEY_X, 'x', 'X'}, {KEY_C, 'c', 'C'},
    {KEY_V, 'v', 'V'}, {KEY_B, 'b', 'B'}, {KEY_N, 'n', 'N'}, {KEY_M, 'm', 'M'}, {KEY_LEFT_BRACKET, '[', '{'},
    {KEY_RIGHT_BRACKET, ']', '}'}, {KEY_BACKSLASH, '\\', '|'}, {KEY_SEMICOLON, ';', ':'},
    {KEY_APOSTROPHE, '\'', '"'}, {KEY_COMMA, ',', '<'}, {KEY_DOT, '.', '>'}, {KEY_SLASH, '/', '?'},
    {KEY_SPACE, ' ', ' '},
    // clang-format on
};

bool keys_from_char(uint8_t c, struct key_stroke *stroke)
{
    static const struct {
        uint8_t c, keycode;
    } named[] = {{'\r', KEY_ENTER}, {'\n', KEY_ENTER}, {'\t', KEY_TAB}, {0x7f, KEY_BACKSPACE}, {'\b', KEY_BACKSPACE},
                 {0x1b, KEY_ESC}};

    *stroke = (struct key_stroke){0};
    for (unsigned i = 0; i < ARRAY_SIZE(named); i++) {
        if (named[i].c == c) {
            stroke->keycode = named[i].keycode;
            return true;
        }
    }
    if (c < 0x20) { /* Ctrl and a letter or one of @ [ \ ] ^ _ */
        stroke->has_ctrl = true;
        c += c >= 1 && c <= 26 ? 0x60 : 0x40;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(key_chars); i++) {
        if (c == (uint8_t)key_chars[i].plain || c == (uint8_t)key_chars[i].shifted) {
            stroke->keycode = key_chars[i].keycode;
            stroke->has_shift = c != (uint8_t)key_chars[i].plain;
            return true;
        }
    }
    return false;
}

/* --- terminals --- */

/* ESC [ number ~ */
static uint8_t key_of_tilde(unsigned number)
{
    static const uint8_t keys[] = {
        [1] = KEY_HOME,   [2] = KEY_INSERT,    [3] = KEY_DELETE, [4] = KEY_END,  [5] = KEY_PAGE_UP, [6] = KEY_PAGE_DOWN,
        [7] = KEY_HOME,   [8] = KEY_END,       [11] = KEY_F1,    [12] = KEY_F2,  [13] = KEY_F3,     [14] = KEY_F4,
        [15] = KEY_F5,    [17] = KEY_F6,       [18] = KEY_F7,    [19] = KEY_F8,  [20] = KEY_F9,     [21] = KEY_F10,
        [23] = KEY_F11,   [24] = KEY_F12,
    };

    return number < ARRAY_SIZE(keys) ? keys[number] : KEY_NONE;
}

/* ESC [ letter, ESC O letter */
static uint8_t key_of_letter(uint8_t letter)
{
    static const struct {
        char letter;
        uint8_t keycode;
    } keys[] = {{'A', KEY_UP}, {'B', KEY_DOWN}, {'C', KEY_RIGHT}, {'D', KEY_LEFT}, {'F', KEY_END}, {'H', KEY_HOME},
                {'P', KEY_F1}, {'Q', KEY_F2},   {'R', KEY_F3},    {'S', KEY_F4},   {'Z', KEY_TAB}};

    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if ((uint8_t)keys[i].letter == letter)
            return keys[i].keycode;
    return KEY_NONE;
}

/* d->seq holds a whole sequence: ESC [ numbers final, ESC [ [ letter (Linux F1-F5), or ESC O letter. */
static void decode_sequence(struct key_decoder *d, key_stroke_fn *fn, void *opaque)
{
    uint8_t final = d->seq[d->len - 1];
    struct key_stroke stroke = {0};
    unsigned number[2] = {0, 0}, n = 0;

    for (unsigned i = 2; i < d->len - 1; i++) {
        if (d->seq[i] == ';')
            n = 1;
        else if (d->seq[i] >= '0' && d->seq[i] <= '9' && number[n] < 100)
            number[n] = number[n] * 10 + d->seq[i] - '0';
    }
    if (d->len == 4 && d->seq[2] == '[')
        stroke.keycode = final >= 'A' && final <= 'E' ? KEY_F1 + (final - 'A') : KEY_NONE;
    else
        stroke.keycode = final == '~' ? key_of_tilde(number[0]) : key_of_letter(final);
    if (number[1] > 1) { /* xterm: 1 + Shift 1, Alt 2, Ctrl 4 */
        stroke.has_shift = (number[1] - 1) & 1;
        stroke.has_alt = (number[1] - 1) & 2;
        stroke.has_ctrl = (number[1] - 1) & 4;
    }
    stroke.has_shift |= final == 'Z';
    if (stroke.keycode != KEY_NONE)
        fn(opaque, &stroke);
}

static void feed_char(uint8_t c, bool has_alt, key_stroke_fn *fn, void *opaque)
{
    struct key_stroke stroke;

    if (!keys_from_char(c, &stroke))
        return;
    stroke.has_alt = has_alt;
    fn(opaque, &stroke);
}

/* One more byte of a sequence that began with ESC. */
static void feed_sequence(struct key_decoder *d, uint8_t c, key_stroke_fn *fn, void *opaque)
{
    if (d->len == 1 && c != '[' && c != 'O') {
        d->len = 0;
        feed_char(c, true, fn, opaque);
        return;
    }
    d->seq[d->len++] = c;
    if (d->len == 2 || (d->len == 3 && d->seq[1] == '[' && c == '['))
        return;
    if ((c >= 0x40 && c <= 0x7e) || c < 0x20) {
        decode_sequence(d, fn, opaque);
        d->len = 0;
    } else if (d->len == sizeof(d->seq)) {
        d->len = 0;
    }
}

void key_decoder_feed(struct key_decoder *d, const uint8_t *buf, size_t n, key_stroke_fn *fn, void *opaque)
{
    for (size_t i = 0; i < n; i++) {
        if (d->len)
            feed_sequence(d, buf[i], fn, opaque);
        else if (buf[i] == 0x1b && i + 1 < n && buf[i + 1] != 0x1b)
            d->seq[d->len++] = 0x1b;
        else
            feed_char(buf[i], false, fn, opaque);
    }
}

/* --- the queue --- */

static void arm_for_head(struct key_queue *q)
{
    if (q->count)
        timer_arm(&q->timer, clock_now_ns(q->clock) + (uint64_t)q->event[q->head].delay_ms * 1000000);
}

static void event_due(void *opaque)
{
    struct key_queue *q = opaque;
    unsigned head = q->head;

    if (!q->count)
        return;
    q->head = (q->head + 1) % KEY_QUEUE_SIZE;
    q->count--;
    q->sink(q->opaque, q->event[head].keycode, q->event[head].is_down);
    arm_for_head(q);
}

void key_queue_init(struct key_queue *q, struct clock *clock, void (*sink)(void *opaque, uint16_t keycode, bool is_down),
                    void *opaque)
{
    q->clock = clock;
    q->sink = sink;
    q->opaque = opaque;
    q->head = q->count = 0;
    timer_init(&q->timer, clock, event_due, q);
}

static void append(struct key_queue *q, unsigned delay_ms, uint16_t keycode, bool is_down)
{
    unsigned at = (q->head + q->count++) % KEY_QUEUE_SIZE;

    q->event[at].delay_ms = delay_ms;
    q->event[at].keycode = keycode;
    q->event[at].is_down = is_down;
}

bool key_queue_chord(struct key_queue *q, const uint16_t *keycodes, unsigned count, unsigned hold_ms)
{
    bool was_empty = !q->count;

    if (2 * count > KEY_QUEUE_SIZE - q->count)
        return false;
    for (unsigned i = 0; i < count; i++)
        append(q, i ? EVENT_GAP_MS : was_empty ? 0 : CHORD_GAP_MS, keycodes[i], true);
    for (unsigned i = count; i-- > 0;)
        append(q, i + 1 == count ? hold_ms : EVENT_GAP_MS, keycodes[i], false);
    if (was_empty)
        arm_for_head(q);
    return true;
}

bool key_queue_stroke(struct key_queue *q, const struct key_stroke *stroke, unsigned hold_ms)
{
    uint16_t codes[4];
    unsigned n = 0;

    if (stroke->has_ctrl)
        codes[n++] = KEY_LEFT_CTRL;
    if (stroke->has_alt)
        codes[n++] = KEY_LEFT_ALT;
    if (stroke->has_shift)
        codes[n++] = KEY_LEFT_SHIFT;
    codes[n++] = stroke->keycode;
    return key_queue_chord(q, codes, n, hold_ms);
}

void key_queue_clear(struct key_queue *q)
{
    q->count = 0;
    timer_disarm(&q->timer);
}
