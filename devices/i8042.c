/* 8042 keyboard controller with PS/2 mouse port.
 * IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller".
 *
 * The output buffer holds one byte; the next one enters when it was read.  A byte over a cable takes GAP_NS from that
 * read: interrupt handlers that read port 60h twice (hooks chained before a BIOS) must see the same byte twice.  The
 * controller's own answers come at once.  Commands are taken at once, so the input buffer is never full. */
#include "devices/i8042.h"
#include "host/log.h"

#define STATUS_OBF 0x01 /* output buffer full */
#define STATUS_SYS 0x04 /* self-test passed */
#define STATUS_A2  0x08 /* the last write was a command */
#define STATUS_INH 0x10 /* keyboard not locked */
#define STATUS_AUX 0x20 /* the output buffer holds a byte of the mouse */

#define CTR_KBD_INT     0x01
#define CTR_AUX_INT     0x02
#define CTR_SYS         0x04
#define CTR_KBD_DISABLE 0x10
#define CTR_AUX_DISABLE 0x20
#define CTR_XLATE       0x40

#define OUTPUT_RESET 0x01 /* low: processor reset */
#define OUTPUT_A20   0x02
#define OUTPUT_IRQ1  0x10
#define OUTPUT_IRQ12 0x20
#define OUTPUT_IDLE  0xcc /* clock and data lines, unused bits */

#define CMD_READ_RAM       0x20 /* 20h-3Fh */
#define CMD_WRITE_RAM      0x60 /* 60h-7Fh */
#define CMD_RAM_MASK       0x1f
#define CMD_TEST_PASSWORD  0xa4
#define CMD_AUX_DISABLE    0xa7
#define CMD_AUX_ENABLE     0xa8
#define CMD_AUX_TEST       0xa9
#define CMD_SELF_TEST      0xaa
#define CMD_KBD_TEST       0xab
#define CMD_KBD_DISABLE    0xad
#define CMD_KBD_ENABLE     0xae
#define CMD_READ_INPUT     0xc0
#define CMD_READ_OUTPUT    0xd0
#define CMD_WRITE_OUTPUT   0xd1
#define CMD_WRITE_KBD_BUF  0xd2
#define CMD_WRITE_AUX_BUF  0xd3
#define CMD_WRITE_AUX      0xd4
#define CMD_A20_OFF        0xdd
#define CMD_A20_ON         0xdf
#define CMD_PULSE          0xf0 /* F0h-FFh: pulse the output port bits that are 0 */

#define SELF_TEST_OK 0x55
#define NO_PASSWORD  0xf1
#define BREAK_PREFIX 0xf0

#define GAP_NS 800000ull /* eleven bits at some 14 kHz */

enum i8042_source { SOURCE_NONE, SOURCE_KEYBOARD, SOURCE_AUX };

static void i8042_update_irq(struct i8042 *c)
{
    wire_set(c->irq1, c->data_source == SOURCE_KEYBOARD && (c->ram[0] & CTR_KBD_INT));
    wire_set(c->irq12, c->data_source == SOURCE_AUX && (c->ram[0] & CTR_AUX_INT));
}

static void i8042_load(struct i8042 *c, uint8_t data, enum i8042_source source, bool is_device_byte)
{
    c->data = data;
    c->data_source = source;
    c->is_device_byte = is_device_byte;
    i8042_update_irq(c);
}

/* One byte from the keyboard; translation swallows break prefixes. */
static bool i8042_load_keyboard(struct i8042 *c)
{
    while (ps2_queue_has_data(&c->keyboard->queue)) {
        uint8_t byte = ps2_keyboard_read(c->keyboard);

        if ((c->ram[0] & CTR_XLATE) && byte == BREAK_PREFIX) {
            c->is_break = true;
            continue;
        }
        if (c->ram[0] & CTR_XLATE)
            byte = ps2_translate(byte) | (c->is_break ? 0x80 : 0);
        c->is_break = false;
        i8042_load(c, byte, SOURCE_KEYBOARD, true);
        return true;
    }
    return false;
}

static bool i8042_is_cable_busy(struct i8042 *c)
{
    if (timer_is_armed(&c->gap) && clock_now_ns(c->clock) >= c->gap.deadline_ns)
        timer_disarm(&c->gap); /* polled before the timer ran */
    return timer_is_armed(&c->gap);
}

/* Move the next byte into the output buffer if it is empty: own answers, keyboard, mouse. */
static void i8042_fill(struct i8042 *c)
{
    if (c->data_source != SOURCE_NONE)
        return;
    if (c->reply_count) {
        unsigned i = c->reply_head % sizeof(c->reply);

        c->reply_head = (i + 1) % sizeof(c->reply);
        c->reply_count--;
        i8042_load(c, c->reply[i], c->reply_source[i], false);
        return;
    }
    if (i8042_is_cable_busy(c))
        return;
    if (!(c->ram[0] & CTR_KBD_DISABLE) && i8042_load_keyboard(c))
        return;
    if (!(c->ram[0] & CTR_AUX_DISABLE) && ps2_queue_has_data(&c->mouse->queue))
        i8042_load(c, ps2_mouse_read(c->mouse), SOURCE_AUX, true);
}

static void i8042_wake(void *opaque)
{
    i8042_fill(opaque);
}

static void i8042_reply(struct i8042 *c, uint8_t data, enum i8042_source source)
{
    if (c->reply_count < sizeof(c->reply)) {
        unsigned i = (c->reply_head + c->reply_count++) % sizeof(c->reply);

        c->reply[i] = data;
        c->reply_source[i] = source;
    }
    i8042_fill(c);
}

static void i8042_set_command_byte(struct i8042 *c, uint8_t value)
{
    c->ram[0] = value;
    i8042_update_irq(c);
    i8042_fill(c); /* a device may have been enabled */
}

static void i8042_write_output(struct i8042 *c, uint8_t value)
{
    c->output_port = value;
    wire_set(c->a20, value & OUTPUT_A20);
    if (!(value & OUTPUT_RESET)) {
        c->output_port |= OUTPUT_RESET;
        wire_pulse(c->reset); /* last: the board may start all over */
    }
}

static uint8_t i8042_read_output(const struct i8042 *c)
{
    return (c->output_port & (OUTPUT_RESET | OUTPUT_A20)) | OUTPUT_IDLE |
           (c->data_source == SOURCE_KEYBOARD ? OUTPUT_IRQ1 : 0) | (c->data_source == SOURCE_AUX ? OUTPUT_IRQ12 : 0);
}

static void i8042_command(struct i8042 *c, uint8_t command)
{
    c->command = 0;
    switch (command) {
    case CMD_READ_RAM ... CMD_READ_RAM + CMD_RAM_MASK:
        i8042_reply(c, c->ram[command & CMD_RAM_MASK], SOURCE_KEYBOARD);
        break;
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + CMD_RAM_MASK:
    case CMD_WRITE_OUTPUT ... CMD_WRITE_AUX:
        c->command = command;
        break;
    case CMD_TEST_PASSWORD:
        i8042_reply(c, NO_PASSWORD, SOURCE_KEYBOARD);
        break;
    case CMD_AUX_DISABLE:
        i8042_set_command_byte(c, c->ram[0] | CTR_AUX_DISABLE);
        break;
    case CMD_AUX_ENABLE:
        i8042_set_command_byte(c, c->ram[0] & ~CTR_AUX_DISABLE);
        break;
    case CMD_SELF_TEST:
        c->ram[0] |= CTR_SYS;
        i8042_reply(c, SELF_TEST_OK, SOURCE_KEYBOARD);
        break;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
        i8042_reply(c, 0x00, SOURCE_KEYBOARD); /* no error */
        break;
    case CMD_KBD_DISABLE:
        i8042_set_command_byte(c, c->ram[0] | CTR_KBD_DISABLE);
        break;
    case CMD_KBD_ENABLE:
        i8042_set_command_byte(c, c->ram[0] & ~CTR_KBD_DISABLE);
        break;
    case CMD_READ_INPUT:
        i8042_reply(c, 0x80, SOURCE_KEYBOARD); /* keyboard not locked */
        break;
    case CMD_READ_OUTPUT:
        i8042_reply(c, i8042_read_output(c), SOURCE_KEYBOARD);
        break;
    case CMD_A20_OFF:
        i8042_write_output(c, c->output_port & ~OUTPUT_A20);
        break;
    case CMD_A20_ON:
        i8042_write_output(c, c->output_port | OUTPUT_A20);
        break;
    case CMD_PULSE ... 0xff:
        if (!(command & OUTPUT_RESET))
            wire_pulse(c->reset); /* last: the board may start all over */
        break;
    default:
        log_unimp("i8042: command %#x", command);
        break;
    }
}

static void i8042_write_data(struct i8042 *c, uint8_t value)
{
    uint8_t command = c->command;

    c->command = 0;
    switch (command) {
    case 0: /* for the keyboard, and switches its clock on */
        c->ram[0] &= ~CTR_KBD_DISABLE;
        ps2_keyboard_write(c->keyboard, value);
        i8042_fill(c);
        break;
    case CMD_WRITE_RAM:
        i8042_set_command_byte(c, value);
        break;
    case CMD_WRITE_OUTPUT:
        i8042_write_output(c, value);
        break;
    case CMD_WRITE_KBD_BUF:
        i8042_reply(c, value, SOURCE_KEYBOARD);
        break;
    case CMD_WRITE_AUX_BUF:
        i8042_reply(c, value, SOURCE_AUX);
        break;
    case CMD_WRITE_AUX:
        c->ram[0] &= ~CTR_AUX_DISABLE;
        ps2_mouse_write(c->mouse, value);
        i8042_fill(c);
        break;
    default:
        c->ram[command & CMD_RAM_MASK] = value;
        break;
    }
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8042 *c = opaque;
    uint8_t value;

    i8042_fill(c);
    value = c->data;
    if (c->data_source == SOURCE_NONE)
        return value; /* the last byte, once more */
    if (c->is_device_byte)
        timer_arm(&c->gap, clock_now_ns(c->clock) + GAP_NS);
    c->data_source = SOURCE_NONE;
    i8042_update_irq(c); /* down, so that the next byte makes an edge */
    i8042_fill(c);
    return value;
}

static void data_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct i8042 *c = opaque;

    c->is_last_command = false;
    i8042_write_data(c, value);
}

static uint64_t command_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8042 *c = opaque;

    i8042_fill(c);
    return STATUS_INH | (c->ram[0] & CTR_SYS ? STATUS_SYS : 0) | (c->is_last_command ? STATUS_A2 : 0) |
           (c->data_source != SOURCE_NONE ? STATUS_OBF : 0) | (c->data_source == SOURCE_AUX ? STATUS_AUX : 0);
}

static void command_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct i8042 *c = opaque;

    c->is_last_command = true;
    i8042_command(c, value);
}

/* Translation is on as after a BIOS, for kernels that are started without one. */
static void i8042_reset(struct device *dev)
{
    struct i8042 *c = container_of(dev, struct i8042, dev);

    for (unsigned i = 0; i < sizeof(c->ram); i++)
        c->ram[i] = 0;
    c->ram[0] = CTR_XLATE | CTR_KBD_INT;
    c->output_port = OUTPUT_RESET | OUTPUT_A20;
    c->command = c->data = c->data_source = 0;
    c->reply_head = c->reply_count = 0;
    c->is_last_command = c->is_device_byte = c->is_break = false;
    timer_disarm(&c->gap);
    wire_set(c->a20, true);
    i8042_update_irq(c);
}

static void i8042_loaded(struct device *dev)
{
    struct i8042 *c = container_of(dev, struct i8042, dev);

    wire_set(c->a20, c->output_port & OUTPUT_A20);
    i8042_update_irq(c);
}

static const struct field i8042_state[] = {
    FIELD(struct i8042, ram), FIELD(struct i8042, output_port), FIELD(struct i8042, command),
    FIELD(struct i8042, is_last_command), FIELD(struct i8042, data), FIELD(struct i8042, data_source),
    FIELD(struct i8042, reply), FIELD(struct i8042, reply_source), FIELD(struct i8042, reply_head),
    FIELD(struct i8042, reply_count), FIELD(struct i8042, is_device_byte), FIELD(struct i8042, is_break),
    FIELD_TIMER(struct i8042, gap), FIELD_END};
static const struct device_ops i8042_ops = {
    .name = "i8042", .reset = i8042_reset, .state = i8042_state, .loaded = i8042_loaded};
static const struct io_ops data_io = {
    .name = "i8042 data", .read = data_read, .write = data_write, .min_size = 1, .max_size = 1};
static const struct io_ops command_io = {
    .name = "i8042 command", .read = command_read, .write = command_write, .min_size = 1, .max_size = 1};

int i8042_init(struct i8042 *c, struct space *ports, struct clock *clock, struct ps2_keyboard *keyboard,
               struct ps2_mouse *mouse, struct wire *irq1, struct wire *irq12, struct wire *a20, struct wire *reset)
{
    int err;

    *c = (struct i8042){.dev.ops = &i8042_ops, .keyboard = keyboard, .mouse = mouse, .clock = clock,
                        .irq1 = irq1, .irq12 = irq12, .a20 = a20, .reset = reset};
    timer_init(&c->gap, clock, i8042_wake, c);
    keyboard->queue.ready = mouse->queue.ready = i8042_wake;
    keyboard->queue.opaque = mouse->queue.opaque = c;
    i8042_reset(&c->dev);
    err = space_map_io(ports, 0x60, 1, &data_io, c);
    if (!err)
        err = space_map_io(ports, 0x64, 1, &command_io, c);
    return err;
}
