/* PS/2 keyboard and mouse.
 * IBM PS/2 Hardware Interface Technical Reference, "Keyboard (101- and 102-Key)" and "Mouse"; Microsoft, "Keyboard
 * Scan Code Specification"; the wheel and side button extensions are those of Microsoft's IntelliMouse.
 *
 * Answers to commands travel ahead of keys and movements.  A full keyboard queue ends in one overrun code.  The mouse
 * collects movement while the host is busy, so its queue holds what the host reads soon and never grows stale.
 * Shortcuts: no typematic repeat (front ends repeat), all keys of set 3 are make/break whatever F7h-FDh say, and grey
 * keys come without the fake shifts that hide Num Lock from an 84-key BIOS (Print Screen has its own). */
#include "devices/ps2.h"
#include "host/log.h"
#include <string.h>

#define PS2_ACK    0xfa
#define PS2_RESEND 0xfe
#define PS2_BAT_OK 0xaa /* basic assurance test passed */

/* ---- Queue ---- */

static void queue_clear(struct ps2_queue *q)
{
    q->head = q->count = q->reply_head = q->reply_count = 0;
}

static void queue_notify(struct ps2_queue *q)
{
    if (q->ready && (q->count || q->reply_count))
        q->ready(q->opaque);
}

/* All n bytes or, if there is no room, none. */
static bool queue_put(struct ps2_queue *q, const uint8_t *bytes, unsigned n)
{
    if (q->count + n > PS2_QUEUE_SIZE)
        return false;
    for (unsigned i = 0; i < n; i++)
        q->data[(q->head + q->count++) % PS2_QUEUE_SIZE] = bytes[i];
    return true;
}

static void queue_reply(struct ps2_queue *q, uint8_t byte)
{
    if (q->reply_count < PS2_REPLY_SIZE)
        q->reply[(q->reply_head + q->reply_count++) % PS2_REPLY_SIZE] = byte;
}

bool ps2_queue_has_data(const struct ps2_queue *q)
{
    return q->reply_count || q->count;
}

static uint8_t queue_take(struct ps2_queue *q)
{
    if (q->reply_count) {
        q->last = q->reply[q->reply_head % PS2_REPLY_SIZE];
        q->reply_head = (q->reply_head + 1) % PS2_REPLY_SIZE;
        q->reply_count--;
    } else if (q->count) {
        q->last = q->data[q->head % PS2_QUEUE_SIZE];
        q->head = (q->head + 1) % PS2_QUEUE_SIZE;
        q->count--;
    }
    return q->last;
}

/* ---- Keyboard ---- */

#define KBD_SET_LEDS      0xed
#define KBD_ECHO          0xee
#define KBD_SCAN_SET      0xf0
#define KBD_IDENTIFY      0xf2
#define KBD_TYPEMATIC     0xf3
#define KBD_ENABLE        0xf4
#define KBD_DISABLE       0xf5
#define KBD_DEFAULTS      0xf6
#define KBD_ALL_KEYS      0xf7 /* F7h-FAh: all keys typematic, make/break, ... (set 3) */
#define KBD_ALL_KEYS_LAST 0xfa
#define KBD_ONE_KEY       0xfb /* FBh-FDh: the same for keys that follow */
#define KBD_ONE_KEY_LAST  0xfd
#define KBD_RESET         0xff

#define CODE_BREAK       0xf0
#define CODE_EXTENDED    0xe0
#define OVERRUN_SET1     0xff
#define OVERRUN_SET2     0x00
#define TYPEMATIC_DEFAULT 0x2b /* 10.9 per second after 500 ms */

struct key_code {
    uint8_t set2, set3; /* set3 0: the key has no code there */
    bool is_extended;   /* set 2: E0h goes before it */
};

/* Set 1 is set 2 through ps2_translate(), as IBM designed it. */
static const struct key_code key_codes[KEY_COUNT] = {
    /* clang-format off */
    [KEY_ESC] = {0x76, 0x08, 0},
    [KEY_F1] = {0x05, 0x07, 0},          [KEY_F2] = {0x06, 0x0f, 0},          [KEY_F3] = {0x04, 0x17, 0},
    [KEY_F4] = {0x0c, 0x1f, 0},          [KEY_F5] = {0x03, 0x27, 0},          [KEY_F6] = {0x0b, 0x2f, 0},
    [KEY_F7] = {0x83, 0x37, 0},          [KEY_F8] = {0x0a, 0x3f, 0},          [KEY_F9] = {0x01, 0x47, 0},
    [KEY_F10] = {0x09, 0x4f, 0},         [KEY_F11] = {0x78, 0x56, 0},         [KEY_F12] = {0x07, 0x5e, 0},
    [KEY_GRAVE] = {0x0e, 0x0e, 0},
    [KEY_1] = {0x16, 0x16, 0},           [KEY_2] = {0x1e, 0x1e, 0},           [KEY_3] = {0x26, 0x26, 0},
    [KEY_4] = {0x25, 0x25, 0},           [KEY_5] = {0x2e, 0x2e, 0},           [KEY_6] = {0x36, 0x36, 0},
    [KEY_7] = {0x3d, 0x3d, 0},           [KEY_8] = {0x3e, 0x3e, 0},           [KEY_9] = {0x46, 0x46, 0},
    [KEY_0] = {0x45, 0x45, 0},           [KEY_MINUS] = {0x4e, 0x4e, 0},       [KEY_EQUAL] = {0x55, 0x55, 0},
    [KEY_BACKSPACE] = {0x66, 0x66, 0},   [KEY_TAB] = {0x0d, 0x0d, 0},
    [KEY_Q] = {0x15, 0x15, 0},           [KEY_W] = {0x1d, 0x1d, 0},           [KEY_E] = {0x24, 0x24, 0},
    [KEY_R] = {0x2d, 0x2d, 0},           [KEY_T] = {0x2c, 0x2c, 0},           [KEY_Y] = {0x35, 0x35, 0},
    [KEY_U] = {0x3c, 0x3c, 0},           [KEY_I] = {0x43, 0x43, 0},           [KEY_O] = {0x44, 0x44, 0},
    [KEY_P] = {0x4d, 0x4d, 0},           [KEY_LEFT_BRACKET] = {0x54, 0x54, 0}, [KEY_RIGHT_BRACKET] = {0x5b, 0x5b, 0},
    [KEY_BACKSLASH] = {0x5d, 0x5c, 0},   [KEY_CAPS_LOCK] = {0x58, 0x14, 0},
    [KEY_A] = {0x1c, 0x1c, 0},           [KEY_S] = {0x1b, 0x1b, 0},           [KEY_D] = {0x23, 0x23, 0},
    [KEY_F] = {0x2b, 0x2b, 0},           [KEY_G] = {0x34, 0x34, 0},           [KEY_H] = {0x33, 0x33, 0},
    [KEY_J] = {0x3b, 0x3b, 0},           [KEY_K] = {0x42, 0x42, 0},           [KEY_L] = {0x4b, 0x4b, 0},
    [KEY_SEMICOLON] = {0x4c, 0x4c, 0},   [KEY_APOSTROPHE] = {0x52, 0x52, 0},  [KEY_ENTER] = {0x5a, 0x5a, 0},
    [KEY_LEFT_SHIFT] = {0x12, 0x12, 0},  [KEY_102ND] = {0x61, 0x13, 0},
    [KEY_Z] = {0x1a, 0x1a, 0},           [KEY_X] = {0x22, 0x22, 0},           [KEY_C] = {0x21, 0x21, 0},
    [KEY_V] = {0x2a, 0x2a, 0},           [KEY_B] = {0x32, 0x32, 0},           [KEY_N] = {0x31, 0x31, 0},
    [KEY_M] = {0x3a, 0x3a, 0},           [KEY_COMMA] = {0x41, 0x41, 0},       [KEY_DOT] = {0x49, 0x49, 0},
    [KEY_SLASH] = {0x4a, 0x4a, 0},       [KEY_RIGHT_SHIFT] = {0x59, 0x59, 0},
    [KEY_LEFT_CTRL] = {0x14, 0x11, 0},   [KEY_LEFT_META] = {0x1f, 0x8b, 1},   [KEY_LEFT_ALT] = {0x11, 0x19, 0},
    [KEY_SPACE] = {0x29, 0x29, 0},       [KEY_RIGHT_ALT] = {0x11, 0x39, 1},   [KEY_RIGHT_META] = {0x27, 0x8c, 1},
    [KEY_MENU] = {0x2f, 0x8d, 1},        [KEY_RIGHT_CTRL] = {0x14, 0x58, 1},
    [KEY_PRINT_SCREEN] = {0x7c, 0x57, 1}, [KEY_SCROLL_LOCK] = {0x7e, 0x5f, 0}, [KEY_PAUSE] = {0x77, 0x62, 0},
    [KEY_INSERT] = {0x70, 0x67, 1},      [KEY_HOME] = {0x6c, 0x6e, 1},        [KEY_PAGE_UP] = {0x7d, 0x6f, 1},
    [KEY_DELETE] = {0x71, 0x64, 1},      [KEY_END] = {0x69, 0x65, 1},         [KEY_PAGE_DOWN] = {0x7a, 0x6d, 1},
    [KEY_UP] = {0x75, 0x63, 1},          [KEY_LEFT] = {0x6b, 0x61, 1},        [KEY_DOWN] = {0x72, 0x60, 1},
    [KEY_RIGHT] = {0x74, 0x6a, 1},       [KEY_NUM_LOCK] = {0x77, 0x76, 0},
    [KEY_KP_SLASH] = {0x4a, 0x77, 1},    [KEY_KP_STAR] = {0x7c, 0x7e, 0},     [KEY_KP_MINUS] = {0x7b, 0x84, 0},
    [KEY_KP_PLUS] = {0x79, 0x7c, 0},     [KEY_KP_ENTER] = {0x5a, 0x79, 1},    [KEY_KP_DOT] = {0x71, 0x71, 0},
    [KEY_KP_0] = {0x70, 0x70, 0},        [KEY_KP_1] = {0x69, 0x69, 0},        [KEY_KP_2] = {0x72, 0x72, 0},
    [KEY_KP_3] = {0x7a, 0x7a, 0},        [KEY_KP_4] = {0x6b, 0x6b, 0},        [KEY_KP_5] = {0x73, 0x73, 0},
    [KEY_KP_6] = {0x74, 0x74, 0},        [KEY_KP_7] = {0x6c, 0x6c, 0},        [KEY_KP_8] = {0x75, 0x75, 0},
    [KEY_KP_9] = {0x7d, 0x7d, 0},        [KEY_KP_COMMA] = {0x6d, 0, 0},       [KEY_KP_EQUAL] = {0x0f, 0, 0},
    [KEY_RO] = {0x51, 0x51, 0},          [KEY_YEN] = {0x6a, 0x5d, 0},         [KEY_HENKAN] = {0x64, 0x86, 0},
    [KEY_MUHENKAN] = {0x67, 0x85, 0},    [KEY_KATAKANA_HIRAGANA] = {0x13, 0x87, 0},
    [KEY_MUTE] = {0x23, 0, 1},           [KEY_VOLUME_DOWN] = {0x21, 0, 1},    [KEY_VOLUME_UP] = {0x32, 0, 1},
    [KEY_PLAY] = {0x34, 0, 1},           [KEY_STOP] = {0x3b, 0, 1},           [KEY_NEXT] = {0x4d, 0, 1},
    [KEY_PREVIOUS] = {0x15, 0, 1},       [KEY_POWER] = {0x37, 0, 1},          [KEY_SLEEP] = {0x3f, 0, 1},
    [KEY_WAKE] = {0x5e, 0, 1},
    /* clang-format on */
};

uint8_t ps2_translate(uint8_t set2)
{
    /* clang-format off */
    static const uint8_t set1[0x88] = {
        0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
        0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
        0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
        0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
        0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
        0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
        0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
        0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
        0x80, 0x81, 0x82, 0x41, 0x54, 0x85, 0x86, 0x87,
    };
    /* clang-format on */

    return set2 < sizeof(set1) ? set1[set2] : set2;
}

static bool is_down(const struct ps2_keyboard *k, unsigned keycode)
{
    return k->keys_down[keycode / 8] >> keycode % 8 & 1;
}

static bool has_shift_or_ctrl(const struct ps2_keyboard *k)
{
    return is_down(k, KEY_LEFT_SHIFT) || is_down(k, KEY_RIGHT_SHIFT) || is_down(k, KEY_LEFT_CTRL) ||
           is_down(k, KEY_RIGHT_CTRL);
}

struct code_bytes {
    uint8_t bytes[8];
    uint8_t len;
};

static void code_append(struct code_bytes *out, const uint8_t *bytes, unsigned n)
{
    memcpy(out->bytes + out->len, bytes, n);
    out->len += n;
}
#define APPEND(out, ...) code_append(out, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Keys whose codes depend on other keys held.  False: an ordinary key. */
static bool encode_odd_key(const struct ps2_keyboard *k, unsigned keycode, bool down, struct code_bytes *out)
{
    if (keycode == KEY_PAUSE) { /* everything on the way down, nothing on the way up */
        if (down && (is_down(k, KEY_LEFT_CTRL) || is_down(k, KEY_RIGHT_CTRL)))
            APPEND(out, 0xe0, 0x7e, 0xe0, 0xf0, 0x7e);
        else if (down)
            APPEND(out, 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
        return true;
    }
    if (keycode != KEY_PRINT_SCREEN)
        return false;
    if (is_down(k, KEY_LEFT_ALT) || is_down(k, KEY_RIGHT_ALT)) { /* SysRq */
        if (down)
            APPEND(out, 0x84);
        else
            APPEND(out, 0xf0, 0x84);
        return true;
    }
    if (has_shift_or_ctrl(k))
        return false;
    if (down)
        APPEND(out, 0xe0, 0x12, 0xe0, 0x7c);
    else
        APPEND(out, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12);
    return true;
}

static void encode_set2(const struct ps2_keyboard *k, unsigned keycode, bool down, struct code_bytes *out)
{
    const struct key_code *code = &key_codes[keycode];

    if (encode_odd_key(k, keycode, down, out))
        return;
    if (code->is_extended)
        APPEND(out, CODE_EXTENDED);
    if (!down)
        APPEND(out, CODE_BREAK);
    APPEND(out, code->set2);
}

static void encode_set1(const struct ps2_keyboard *k, unsigned keycode, bool down, struct code_bytes *out)
{
    struct code_bytes set2 = {.len = 0};
    uint8_t break_bit = 0;

    encode_set2(k, keycode, down, &set2);
    for (unsigned i = 0; i < set2.len; i++) {
        if (set2.bytes[i] == CODE_BREAK) {
            break_bit = 0x80;
            continue;
        }
        APPEND(out, ps2_translate(set2.bytes[i]) | break_bit);
        break_bit = set2.bytes[i] == CODE_EXTENDED ? break_bit : 0;
    }
}

static void encode_set3(unsigned keycode, bool down, struct code_bytes *out)
{
    if (!key_codes[keycode].set3)
        return;
    if (!down)
        APPEND(out, CODE_BREAK);
    APPEND(out, key_codes[keycode].set3);
}

static void keyboard_overrun(struct ps2_keyboard *k)
{
    uint8_t code = k->scan_set == 1 ? OVERRUN_SET1 : OVERRUN_SET2;

    if (k->is_overrun)
        return;
    k->is_overrun = true;
    if (!queue_put(&k->queue, &code, 1)) /* full to the brim: it takes the place of the last code */
        k->queue.data[(k->queue.head + PS2_QUEUE_SIZE - 1) % PS2_QUEUE_SIZE] = code;
}

void ps2_keyboard_key(struct ps2_keyboard *k, unsigned keycode, bool down)
{
    struct code_bytes code = {.len = 0};

    if (keycode == KEY_NONE || keycode >= KEY_COUNT)
        return;
    if (down)
        k->keys_down[keycode / 8] |= 1u << keycode % 8;
    else
        k->keys_down[keycode / 8] &= ~(1u << keycode % 8);
    if (!k->is_scanning)
        return;
    if (k->scan_set == 1)
        encode_set1(k, keycode, down, &code);
    else if (k->scan_set == 2)
        encode_set2(k, keycode, down, &code);
    else
        encode_set3(keycode, down, &code);
    if (!queue_put(&k->queue, code.bytes, code.len))
        keyboard_overrun(k);
    queue_notify(&k->queue);
}

static void keyboard_set_defaults(struct ps2_keyboard *k, bool is_scanning)
{
    queue_clear(&k->queue);
    k->is_overrun = false;
    k->command = 0;
    k->scan_set = 2;
    k->typematic = TYPEMATIC_DEFAULT;
    k->is_scanning = is_scanning;
}

static void keyboard_argument(struct ps2_keyboard *k, uint8_t value)
{
    uint8_t reply = PS2_ACK;

    switch (k->command) {
    case KBD_SET_LEDS:
        k->leds = value & 7;
        break;
    case KBD_TYPEMATIC:
        k->typematic = value & 0x7f;
        break;
    case KBD_SCAN_SET:
        if (value >= 1 && value <= 3)
            k->scan_set = value;
        else if (value != 0)
            reply = PS2_RESEND;
        break;
    default: /* FBh-FDh take keys until the next command */
        queue_reply(&k->queue, PS2_ACK);
        return;
    }
    queue_reply(&k->queue, reply);
    if (k->command == KBD_SCAN_SET && value == 0)
        queue_reply(&k->queue, k->scan_set);
    k->command = 0;
}

static void keyboard_command(struct ps2_keyboard *k, uint8_t value)
{
    k->command = 0;
    switch (value) {
    case KBD_SET_LEDS:
    case KBD_TYPEMATIC:
    case KBD_SCAN_SET:
    case KBD_ONE_KEY ... KBD_ONE_KEY_LAST:
        k->command = value;
        queue_reply(&k->queue, PS2_ACK);
        break;
    case KBD_ECHO:
        queue_reply(&k->queue, KBD_ECHO);
        break;
    case KBD_IDENTIFY:
        queue_reply(&k->queue, PS2_ACK);
        queue_reply(&k->queue, 0xab); /* AB 83: MF2 keyboard */
        queue_reply(&k->queue, 0x83);
        break;
    case KBD_ENABLE:
        queue_clear(&k->queue);
        k->is_overrun = false;
        k->is_scanning = true;
        queue_reply(&k->queue, PS2_ACK);
        break;
    case KBD_DISABLE:
    case KBD_DEFAULTS:
        keyboard_set_defaults(k, value == KBD_DEFAULTS);
        queue_reply(&k->queue, PS2_ACK);
        break;
    case KBD_ALL_KEYS ... KBD_ALL_KEYS_LAST:
        queue_reply(&k->queue, PS2_ACK);
        break;
    case PS2_RESEND:
        queue_reply(&k->queue, k->queue.last);
        break;
    case KBD_RESET:
        keyboard_set_defaults(k, true);
        k->leds = 0;
        queue_reply(&k->queue, PS2_ACK);
        queue_reply(&k->queue, PS2_BAT_OK);
        break;
    default:
        queue_reply(&k->queue, PS2_RESEND);
        break;
    }
}

void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t value)
{
    log_at(LOG_DEV, "ps2 keyboard: command %#x", value);
    if (k->command && value < KBD_SET_LEDS)
        keyboard_argument(k, value);
    else
        keyboard_command(k, value);
    queue_notify(&k->queue);
}

uint8_t ps2_keyboard_read(struct ps2_keyboard *k)
{
    uint8_t value = queue_take(&k->queue);

    if (!k->queue.count)
        k->is_overrun = false;
    return value;
}

static void keyboard_reset(struct device *dev)
{
    struct ps2_keyboard *k = container_of(dev, struct ps2_keyboard, dev);

    keyboard_set_defaults(k, true);
    k->leds = 0;
}

#define QUEUE_FIELDS(type)                                                                                             \
    FIELD(type, queue.data), FIELD(type, queue.reply), FIELD(type, queue.head), FIELD(type, queue.count),              \
        FIELD(type, queue.reply_head), FIELD(type, queue.reply_count), FIELD(type, queue.last)

static const struct field keyboard_state[] = {
    QUEUE_FIELDS(struct ps2_keyboard), FIELD(struct ps2_keyboard, command), FIELD(struct ps2_keyboard, scan_set),
    FIELD(struct ps2_keyboard, leds), FIELD(struct ps2_keyboard, typematic), FIELD(struct ps2_keyboard, is_scanning),
    FIELD(struct ps2_keyboard, is_overrun), FIELD(struct ps2_keyboard, keys_down), FIELD_END};
static const struct device_ops keyboard_ops = {
    .name = "ps2 keyboard", .reset = keyboard_reset, .state = keyboard_state};

void ps2_keyboard_init(struct ps2_keyboard *k)
{
    *k = (struct ps2_keyboard){.dev.ops = &keyboard_ops};
    keyboard_reset(&k->dev);
}

/* ---- Mouse ---- */

#define MOUSE_SCALING_1_1 0xe6
#define MOUSE_SCALING_2_1 0xe7
#define MOUSE_RESOLUTION  0xe8
#define MOUSE_STATUS      0xe9
#define MOUSE_STREAM      0xea
#define MOUSE_READ        0xeb
#define MOUSE_UNWRAP      0xec
#define MOUSE_WRAP        0xee
#define MOUSE_REMOTE      0xf0
#define MOUSE_IDENTIFY    0xf2
#define MOUSE_RATE        0xf3
#define MOUSE_ENABLE      0xf4
#define MOUSE_DISABLE     0xf5
#define MOUSE_DEFAULTS    0xf6
#define MOUSE_RESET       0xff

#define ID_STANDARD 0
#define ID_WHEEL    3
#define ID_BUTTONS5 4

#define MOVE_MAX    255   /* nine bits with sign in a packet */
#define PENDING_MAX 32767

static int clamp(int value, int min, int max)
{
    return value < min ? min : value > max ? max : value;
}

/* Take as much of a pending movement as a packet can carry. */
static int take_movement(int32_t *pending, int min, int max)
{
    int part = clamp(*pending, min, max);

    *pending -= part;
    return part;
}

/* The 2:1 scaling of stream mode. */
static int scale_2_1(int value)
{
    static const uint8_t small[6] = {0, 1, 1, 3, 6, 9};
    int size = value < 0 ? -value : value;

    size = size < 6 ? small[size] : clamp(2 * size, 0, MOVE_MAX);
    return value < 0 ? -size : size;
}

/* A packet with what the host does not know yet.
 *   byte 0   Yo Xo Ys Xs 1 M R L    byte 1, 2   low eight bits of X (right) and Y (up)
 *   byte 3   ID 3: wheel, -128..127; ID 4: 0 0 B5 B4 and the wheel in four bits */
static unsigned mouse_packet(struct ps2_mouse *m, bool is_scaled, uint8_t packet[4])
{
    int dx = take_movement(&m->dx, -MOVE_MAX, MOVE_MAX);
    int dy = -take_movement(&m->dy, -MOVE_MAX, MOVE_MAX);

    if (is_scaled) {
        dx = scale_2_1(dx);
        dy = scale_2_1(dy);
    }
    m->sent_buttons = m->buttons;
    packet[0] = 0x08 | (m->buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0);
    packet[1] = (uint8_t)dx;
    packet[2] = (uint8_t)dy;
    if (m->id == ID_STANDARD) {
        m->dz = 0;
        return 3;
    }
    if (m->id == ID_WHEEL)
        packet[3] = (uint8_t)take_movement(&m->dz, -128, 127);
    else
        packet[3] = (take_movement(&m->dz, -8, 7) & 0x0f) | (m->buttons & 0x18) << 1;
    return 4;
}

static bool mouse_has_news(const struct ps2_mouse *m)
{
    uint8_t visible = m->id == ID_BUTTONS5 ? 0x1f : 7;

    return m->dx || m->dy || (m->dz && m->id != ID_STANDARD) || ((m->buttons ^ m->sent_buttons) & visible);
}

static void mouse_report(struct ps2_mouse *m)
{
    uint8_t packet[4];

    if (!m->is_reporting || m->is_remote || m->is_wrapping || !mouse_has_news(m))
        return;
    if (m->queue.count + 4u <= PS2_QUEUE_SIZE)
        queue_put(&m->queue, packet, mouse_packet(m, m->is_scaling_2_1, packet));
}

void ps2_mouse_event(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons)
{
    m->dx = clamp(m->dx + clamp(dx, -PENDING_MAX, PENDING_MAX), -PENDING_MAX, PENDING_MAX);
    m->dy = clamp(m->dy + clamp(dy, -PENDING_MAX, PENDING_MAX), -PENDING_MAX, PENDING_MAX);
    m->dz = clamp(m->dz + clamp(dz, -PENDING_MAX, PENDING_MAX), -PENDING_MAX, PENDING_MAX);
    m->buttons = buttons & 0x1f;
    /* Movement waits for an empty queue and adds up there; a click must not be lost between two reads. */
    if (!m->queue.count || m->buttons != m->sent_buttons)
        mouse_report(m);
    queue_notify(&m->queue);
}

static void mouse_set_defaults(struct ps2_mouse *m)
{
    m->command = 0;
    m->rate = 100;
    m->resolution = 2; /* 4 counts per mm */
    m->is_reporting = m->is_remote = m->is_wrapping = m->is_scaling_2_1 = false;
    m->dx = m->dy = m->dz = 0;
}

/* The magic sequences of sample rates that switch extensions on. */
static void mouse_knock(struct ps2_mouse *m, uint8_t rate)
{
    m->knock[0] = m->knock[1];
    m->knock[1] = m->knock[2];
    m->knock[2] = rate;
    if (m->knock[0] == 200 && m->knock[1] == 100 && rate == 80)
        m->id = ID_WHEEL;
    else if (m->knock[0] == 200 && m->knock[1] == 200 && rate == 80)
        m->id = ID_BUTTONS5;
}

static void mouse_argument(struct ps2_mouse *m, uint8_t value)
{
    if (m->command == MOUSE_RATE) {
        m->rate = value;
        mouse_knock(m, value);
    } else {
        m->resolution = value & 3;
    }
    m->command = 0;
    queue_reply(&m->queue, PS2_ACK);
}

static void mouse_reply_status(struct ps2_mouse *m)
{
    uint8_t left = m->buttons & 1, right = m->buttons >> 1 & 1, middle = m->buttons >> 2 & 1;

    queue_reply(&m->queue, (m->is_remote ? 0x40 : 0) | (m->is_reporting ? 0x20 : 0) | (m->is_scaling_2_1 ? 0x10 : 0) |
                               left << 2 | middle << 1 | right);
    queue_reply(&m->queue, m->resolution);
    queue_reply(&m->queue, m->rate);
}

static void mouse_reply_packet(struct ps2_mouse *m)
{
    uint8_t packet[4];
    unsigned n = mouse_packet(m, false, packet);

    for (unsigned i = 0; i < n; i++)
        queue_reply(&m->queue, packet[i]);
}

static void mouse_command(struct ps2_mouse *m, uint8_t value)
{
    m->command = 0;
    queue_clear(&m->queue); /* a command ends whatever was on its way */
    queue_reply(&m->queue, PS2_ACK);
    switch (value) {
    case MOUSE_SCALING_1_1:
    case MOUSE_SCALING_2_1:
        m->is_scaling_2_1 = value == MOUSE_SCALING_2_1;
        break;
    case MOUSE_RESOLUTION:
    case MOUSE_RATE:
        m->command = value;
        break;
    case MOUSE_STATUS:
        mouse_reply_status(m);
        break;
    case MOUSE_STREAM:
    case MOUSE_REMOTE:
        m->is_remote = value == MOUSE_REMOTE;
        break;
    case MOUSE_READ:
        mouse_reply_packet(m);
        break;
    case MOUSE_WRAP:
    case MOUSE_UNWRAP:
        m->is_wrapping = value == MOUSE_WRAP;
        break;
    case MOUSE_IDENTIFY:
        queue_reply(&m->queue, m->id);
        break;
    case MOUSE_ENABLE:
    case MOUSE_DISABLE:
        m->is_reporting = value == MOUSE_ENABLE;
        m->dx = m->dy = m->dz = 0;
        break;
    case MOUSE_DEFAULTS:
        mouse_set_defaults(m);
        break;
    case MOUSE_RESET:
        mouse_set_defaults(m);
        m->id = ID_STANDARD;
        memset(m->knock, 0, sizeof(m->knock));
        queue_reply(&m->queue, PS2_BAT_OK);
        queue_reply(&m->queue, m->id);
        break;
    default:
        queue_clear(&m->queue);
        queue_reply(&m->queue, PS2_RESEND);
        break;
    }
}

void ps2_mouse_write(struct ps2_mouse *m, uint8_t value)
{
    log_at(LOG_DEV, "ps2 mouse: command %#x", value);
    if (m->is_wrapping && value != MOUSE_RESET && value != MOUSE_UNWRAP)
        queue_reply(&m->queue, value);
    else if (value == PS2_RESEND)
        queue_reply(&m->queue, m->queue.last);
    else if (m->command && value < MOUSE_SCALING_1_1)
        mouse_argument(m, value);
    else
        mouse_command(m, value);
    queue_notify(&m->queue);
}

uint8_t ps2_mouse_read(struct ps2_mouse *m)
{
    uint8_t value = queue_take(&m->queue);

    if (!m->queue.count)
        mouse_report(m);
    return value;
}

static void mouse_reset(struct device *dev)
{
    struct ps2_mouse *m = container_of(dev, struct ps2_mouse, dev);

    queue_clear(&m->queue);
    mouse_set_defaults(m);
    m->id = ID_STANDARD;
    memset(m->knock, 0, sizeof(m->knock));
}

static const struct field mouse_state[] = {
    QUEUE_FIELDS(struct ps2_mouse), FIELD(struct ps2_mouse, command), FIELD(struct ps2_mouse, id),
    FIELD(struct ps2_mouse, knock), FIELD(struct ps2_mouse, rate), FIELD(struct ps2_mouse, resolution),
    FIELD(struct ps2_mouse, is_reporting), FIELD(struct ps2_mouse, is_remote), FIELD(struct ps2_mouse, is_wrapping),
    FIELD(struct ps2_mouse, is_scaling_2_1), FIELD(struct ps2_mouse, buttons), FIELD(struct ps2_mouse, sent_buttons),
    FIELD(struct ps2_mouse, dx), FIELD(struct ps2_mouse, dy), FIELD(struct ps2_mouse, dz), FIELD_END};
static const struct device_ops mouse_ops = {.name = "ps2 mouse", .reset = mouse_reset, .state = mouse_state};

void ps2_mouse_init(struct ps2_mouse *m)
{
    *m = (struct ps2_mouse){.dev.ops = &mouse_ops};
    mouse_reset(&m->dev);
}
