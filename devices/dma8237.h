/* The two 8237A DMA controllers of a PC/AT with their page registers. */
#ifndef DEVICES_DMA8237_H
#define DEVICES_DMA8237_H

#include <stdbool.h>
#include <stdint.h>
#include "devices/device.h"
#include "mmu/space.h"

struct dma8237_channel {
    uint16_t base_address, base_count;
    uint16_t address, count; /* current; count FFFFh after the last transfer */
    uint8_t mode;
};

struct dma8237_chip {
    struct dma8237_channel channel[4];
    uint8_t command, mask, request, terminal_count; /* one bit a channel but in command */
    bool is_high_byte;                              /* the byte pointer flip-flop */
};

struct dma8237 {
    struct device dev;
    struct space *mem;
    struct dma8237_chip chip[2]; /* [0]: channels 0-3, bytes; [1]: channels 4-7, words */
    uint8_t page[16];            /* ports 80h-8Fh as written */
};

/* Ports 00h-0Fh, 80h-8Fh, C0h-DFh.  0 or -errno. */
int dma8237_init(struct dma8237 *d, struct space *mem, struct space *ports);

/* A device asserts DREQ for a channel and moves up to len bytes: to guest memory from buf if is_to_memory ("write" in the
 * 8237's words), else from guest memory to buf.  Returns the bytes moved: fewer than len, even 0, if the channel is
 * masked, set up the other way, or reaches terminal count, which *is_tc then tells (may be NULL).  A channel in verify mode
 * counts without moving.  Word channels move an even number. */
unsigned dma_transfer(struct dma8237 *d, unsigned channel, void *buf, unsigned len, bool is_to_memory, bool *is_tc);

#endif
