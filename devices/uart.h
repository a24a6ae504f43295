/* 16550A serial port. */
#ifndef DEVICES_UART_H
#define DEVICES_UART_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "devices/wire.h"
#include "host/chardev.h"
#include "host/clock.h"
#include "mmu/space.h"

#define UART_FIFO_SIZE 16u

struct uart_fifo {
    uint8_t data[UART_FIFO_SIZE];
    uint8_t head, count;
};

struct uart {
    struct device dev;
    struct wire *irq;
    struct chardev *chr;
    struct clock *clock;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr; /* lsr: error bits only, the others are derived */
    uint8_t dll, dlm;
    bool is_thre_pending;   /* THRE interrupt not yet seen in IIR */
    bool is_timeout;        /* bytes below the trigger level have waited for four character times */
    struct uart_fifo rx, tx;
    struct timer rx_timer;  /* character timeout */
    struct timer tx_timer;  /* the backend took no more: try again */
};

/* Eight ports from base.  chr may be NULL: output is discarded, no input.  0 or -errno of space_map_io(). */
int uart_init(struct uart *u, struct space *ports, uint16_t base, struct wire *irq, struct chardev *chr,
              struct clock *clock);

#endif
