/* 16550A UART with working FIFOs.  National Semiconductor PC16550D data sheet.
 *
 * Characters take no time on the wire: the divisor is kept and not used, and a byte leaves as soon as the backend
 * takes it.  So LSR normally says "empty" at once, and consoles that poll it never wait.  When the backend takes
 * no more, bytes wait in the FIFO and are offered again every TX_RETRY_NS.
 * INTRPT reaches the bus only while MCR.OUT2 is set, as PC serial cards have it; loopback switches OUT2 off. */
#include "devices/uart.h"
#include "host/log.h"

enum uart_register { UART_DATA, UART_IER, UART_IIR, UART_LCR, UART_MCR, UART_LSR, UART_MSR, UART_SCR };

#define IER_RDA   0x01 /* received data available, and character timeout */
#define IER_THRE  0x02
#define IER_RLS   0x04 /* receiver line status */
#define IER_MS    0x08 /* modem status */
#define IIR_NONE  0x01
#define IIR_MS    0x00
#define IIR_THRE  0x02
#define IIR_RDA   0x04
#define IIR_RLS   0x06
#define IIR_CTI   0x0c /* character timeout */
#define IIR_FIFOS 0xc0
#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define FCR_KEPT     0xc9
#define LCR_DLAB  0x80
#define MCR_DTR   0x01
#define MCR_RTS   0x02
#define MCR_OUT1  0x04
#define MCR_OUT2  0x08
#define MCR_LOOP  0x10
#define LSR_DR    0x01
#define LSR_OE    0x02
#define LSR_ERRORS 0x1e /* OE PE FE BI */
#define LSR_THRE  0x20
#define LSR_TEMT  0x40
#define MSR_DCTS  0x01
#define MSR_DDSR  0x02
#define MSR_TERI  0x04
#define MSR_DDCD  0x08
#define MSR_CTS   0x10
#define MSR_DSR   0x20
#define MSR_RI    0x40
#define MSR_DCD   0x80
#define MSR_DELTAS 0x0f

#define TX_RETRY_NS   1000000ull
#define RX_TIMEOUT_NS 350000ull /* four characters at 115200 baud */

static void fifo_clear(struct uart_fifo *f)
{
    f->head = f->count = 0;
}

static void fifo_put(struct uart_fifo *f, uint8_t byte)
{
    f->data[(f->head + f->count) % UART_FIFO_SIZE] = byte;
    f->count++;
}

static uint8_t fifo_take(struct uart_fifo *f)
{
    uint8_t byte = f->data[f->head % UART_FIFO_SIZE];

    f->head = (f->head + 1) % UART_FIFO_SIZE;
    f->count--;
    return byte;
}

static unsigned uart_depth(const struct uart *u)
{
    return (u->fcr & FCR_ENABLE) ? UART_FIFO_SIZE : 1;
}

static unsigned uart_rx_trigger(const struct uart *u)
{
    static const uint8_t levels[4] = {1, 4, 8, 14};

    return (u->fcr & FCR_ENABLE) ? levels[u->fcr >> 6] : 1;
}

/* The most urgent enabled interrupt, as in IIR bits 3:0. */
static uint8_t uart_interrupt(const struct uart *u)
{
    if ((u->ier & IER_RLS) && (u->lsr & LSR_ERRORS))
        return IIR_RLS;
    if ((u->ier & IER_RDA) && u->rx.count >= uart_rx_trigger(u))
        return IIR_RDA;
    if ((u->ier & IER_RDA) && u->is_timeout)
        return IIR_CTI;
    if ((u->ier & IER_THRE) && u->is_thre_pending)
        return IIR_THRE;
    if ((u->ier & IER_MS) && (u->msr & MSR_DELTAS))
        return IIR_MS;
    return IIR_NONE;
}

static void uart_update_irq(struct uart *u)
{
    bool is_connected = (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

    wire_set(u->irq, is_connected && uart_interrupt(u) != IIR_NONE);
}

/* The receive FIFO changed: the character timeout starts anew. */
static void uart_restart_timeout(struct uart *u)
{
    u->is_timeout = false;
    if ((u->fcr & FCR_ENABLE) && u->rx.count && u->rx.count < uart_rx_trigger(u))
        timer_arm(&u->rx_timer, clock_now_ns(u->clock) + RX_TIMEOUT_NS);
    else
        timer_disarm(&u->rx_timer);
}

static void uart_rx_timer(void *opaque)
{
    struct uart *u = opaque;

    u->is_timeout = u->rx.count > 0;
    uart_update_irq(u);
}

static void uart_receive_byte(struct uart *u, uint8_t byte)
{
    if (u->rx.count >= uart_depth(u)) {
        u->lsr |= LSR_OE;
        if (u->fcr & FCR_ENABLE)
            return; /* the shift register is overwritten, not the FIFO */
        fifo_clear(&u->rx);
    }
    fifo_put(&u->rx, byte);
}

static size_t uart_can_receive(void *opaque)
{
    const struct uart *u = opaque;
    unsigned depth = uart_depth(u);

    return !(u->mcr & MCR_LOOP) && u->rx.count < depth ? depth - u->rx.count : 0;
}

static void uart_receive(void *opaque, const uint8_t *buf, size_t n)
{
    struct uart *u = opaque;

    for (size_t i = 0; i < n; i++)
        uart_receive_byte(u, buf[i]);
    uart_restart_timeout(u);
    uart_update_irq(u);
}

/* Offer the transmit FIFO to the backend. */
static void uart_transmit(struct uart *u)
{
    bool had_bytes = u->tx.count;

    while (u->tx.count) {
        unsigned head = u->tx.head % UART_FIFO_SIZE;
        unsigned run = u->tx.count < UART_FIFO_SIZE - head ? u->tx.count : UART_FIFO_SIZE - head;
        size_t taken = chardev_write(u->chr, &u->tx.data[head], run);

        if (!taken)
            break;
        if (taken > run)
            taken = run;
        u->tx.head = (head + taken) % UART_FIFO_SIZE;
        u->tx.count -= taken;
    }
    if (u->tx.count) {
        timer_arm(&u->tx_timer, clock_now_ns(u->clock) + TX_RETRY_NS);
        return;
    }
    if (had_bytes)
        u->is_thre_pending = true;
    uart_update_irq(u);
}

static void uart_tx_timer(void *opaque)
{
    uart_transmit(opaque);
}

static void uart_write_data(struct uart *u, uint8_t byte)
{
    u->is_thre_pending = false;
    uart_update_irq(u); /* down first, so that "empty again" is an edge */
    if (u->mcr & MCR_LOOP) {
        uart_receive_byte(u, byte);
        uart_restart_timeout(u);
        u->is_thre_pending = true;
        uart_update_irq(u);
        return;
    }
    if (u->tx.count >= uart_depth(u)) /* the guest did not look at THRE */
        return;
    fifo_put(&u->tx, byte);
    if (!timer_is_armed(&u->tx_timer))
        uart_transmit(u);
}

static uint8_t uart_read_data(struct uart *u)
{
    uint8_t byte;

    if (!u->rx.count)
        return 0;
    byte = fifo_take(&u->rx);
    uart_restart_timeout(u);
    uart_update_irq(u);
    if (!u->rx.count) /* refill in one go */
        chardev_accept_input(u->chr);
    return byte;
}

static void uart_write_ier(struct uart *u, uint8_t value)
{
    uint8_t rising = value & ~u->ier;

    u->ier = value & 0x0f;
    if ((rising & IER_THRE) && !u->tx.count)
        u->is_thre_pending = true;
    uart_update_irq(u);
}

static uint8_t uart_read_iir(struct uart *u)
{
    uint8_t id = uart_interrupt(u);

    if (id == IIR_THRE) {
        u->is_thre_pending = false;
        uart_update_irq(u);
    }
    return id | ((u->fcr & FCR_ENABLE) ? IIR_FIFOS : 0);
}

static void uart_write_fcr(struct uart *u, uint8_t value)
{
    bool is_toggled = (value ^ u->fcr) & FCR_ENABLE;

    if (is_toggled || (value & FCR_CLEAR_RX))
        fifo_clear(&u->rx);
    if ((is_toggled || (value & FCR_CLEAR_TX)) && u->tx.count) {
        fifo_clear(&u->tx);
        timer_disarm(&u->tx_timer);
        u->is_thre_pending = true;
    }
    u->fcr = (value & FCR_ENABLE) ? value & FCR_KEPT : 0;
    uart_restart_timeout(u);
    uart_update_irq(u);
    chardev_accept_input(u->chr);
}

/* Modem inputs: a peer that is always ready, or our own outputs in loopback. */
static uint8_t uart_modem_inputs(const struct uart *u)
{
    if (!(u->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return ((u->mcr & MCR_RTS) ? MSR_CTS : 0) | ((u->mcr & MCR_DTR) ? MSR_DSR : 0) |
           ((u->mcr & MCR_OUT1) ? MSR_RI : 0) | ((u->mcr & MCR_OUT2) ? MSR_DCD : 0);
}

static void uart_update_modem(struct uart *u)
{
    uint8_t inputs = uart_modem_inputs(u), changed = inputs ^ u->msr;

    if (changed & MSR_CTS)
        u->msr |= MSR_DCTS;
    if (changed & MSR_DSR)
        u->msr |= MSR_DDSR;
    if ((changed & MSR_RI) && !(inputs & MSR_RI))
        u->msr |= MSR_TERI; /* trailing edge */
    if (changed & MSR_DCD)
        u->msr |= MSR_DDCD;
    u->msr = (u->msr & MSR_DELTAS) | inputs;
    uart_update_irq(u);
}

static uint8_t uart_read_lsr(struct uart *u)
{
    uint8_t value = u->lsr | (u->rx.count ? LSR_DR : 0) | (u->tx.count ? 0 : LSR_THRE | LSR_TEMT);

    if (u->lsr & LSR_ERRORS) {
        u->lsr &= ~LSR_ERRORS;
        uart_update_irq(u);
    }
    return value;
}

static uint8_t uart_read_msr(struct uart *u)
{
    uint8_t value = u->msr;

    if (value & MSR_DELTAS) {
        u->msr &= ~MSR_DELTAS;
        uart_update_irq(u);
    }
    return value;
}

static uint64_t uart_read(void *opaque, uint64_t offset, unsigned size)
{
    struct uart *u = opaque;

    switch ((enum uart_register)offset) {
    case UART_DATA:
        return (u->lcr & LCR_DLAB) ? u->dll : uart_read_data(u);
    case UART_IER:
        return (u->lcr & LCR_DLAB) ? u->dlm : u->ier;
    case UART_IIR:
        return uart_read_iir(u);
    case UART_LCR:
        return u->lcr;
    case UART_MCR:
        return u->mcr;
    case UART_LSR:
        return uart_read_lsr(u);
    case UART_MSR:
        return uart_read_msr(u);
    case UART_SCR:
        return u->scr;
    }
    return 0xff;
}

static void uart_write_mcr(struct uart *u, uint8_t value)
{
    bool is_leaving_loop = (u->mcr & MCR_LOOP) && !(value & MCR_LOOP);

    u->mcr = value & 0x1f;
    uart_update_modem(u);
    if (is_leaving_loop)
        chardev_accept_input(u->chr);
}

static void uart_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct uart *u = opaque;

    switch ((enum uart_register)offset) {
    case UART_DATA:
        if (u->lcr & LCR_DLAB)
            u->dll = value;
        else
            uart_write_data(u, value);
        break;
    case UART_IER:
        if (u->lcr & LCR_DLAB)
            u->dlm = value;
        else
            uart_write_ier(u, value);
        break;
    case UART_IIR: /* FCR on writing */
        uart_write_fcr(u, value);
        break;
    case UART_LCR:
        u->lcr = value;
        break;
    case UART_MCR:
        uart_write_mcr(u, value);
        break;
    case UART_SCR:
        u->scr = value;
        break;
    case UART_LSR: /* factory test, and read-only */
    case UART_MSR:
        break;
    }
}

static void uart_reset(struct device *dev)
{
    struct uart *u = container_of(dev, struct uart, dev);

    u->ier = u->fcr = u->lcr = u->mcr = u->lsr = 0;
    u->dll = 12; /* 9600 baud */
    u->dlm = 0;
    u->is_thre_pending = u->is_timeout = false;
    u->msr = uart_modem_inputs(u);
    fifo_clear(&u->rx);
    fifo_clear(&u->tx);
    timer_disarm(&u->rx_timer);
    timer_disarm(&u->tx_timer);
    uart_update_irq(u);
}

static void uart_loaded(struct device *dev)
{
    uart_update_irq(container_of(dev, struct uart, dev));
}

static const struct field uart_state[] = {
    FIELD(struct uart, ier), FIELD(struct uart, fcr), FIELD(struct uart, lcr), FIELD(struct uart, mcr),
    FIELD(struct uart, lsr), FIELD(struct uart, msr), FIELD(struct uart, scr), FIELD(struct uart, dll),
    FIELD(struct uart, dlm), FIELD(struct uart, is_thre_pending), FIELD(struct uart, is_timeout),
    FIELD(struct uart, rx.data), FIELD(struct uart, rx.head), FIELD(struct uart, rx.count),
    FIELD(struct uart, tx.data), FIELD(struct uart, tx.head), FIELD(struct uart, tx.count),
    FIELD_TIMER(struct uart, rx_timer), FIELD_TIMER(struct uart, tx_timer), FIELD_END};
static const struct device_ops uart_ops = {
    .name = "uart", .reset = uart_reset, .state = uart_state, .loaded = uart_loaded};
static const struct io_ops uart_io = {
    .name = "uart", .read = uart_read, .write = uart_write, .min_size = 1, .max_size = 1};
static const struct chardev_frontend uart_front = {.can_receive = uart_can_receive, .receive = uart_receive};

int uart_init(struct uart *u, struct space *ports, uint16_t base, struct wire *irq, struct chardev *chr,
              struct clock *clock)
{
    *u = (struct uart){.dev.ops = &uart_ops, .irq = irq, .chr = chr, .clock = clock};
    timer_init(&u->rx_timer, clock, uart_rx_timer, u);
    timer_init(&u->tx_timer, clock, uart_tx_timer, u);
    uart_reset(&u->dev);
    chardev_attach(chr, &uart_front, u);
    return space_map_io(ports, base, 8, &uart_io, u);
}
