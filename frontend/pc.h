/* The board: an i440FX/PIIX3 PC.  Knows every chip, port and IRQ number, and nothing about threads.
 * Thread: main while it is built, then machine thread. */
#ifndef FRONTEND_PC_H
#define FRONTEND_PC_H

#include <stdbool.h>
#include <stdint.h>
#include "cpu/cpu.h"
#include "devices/vga.h"
#include "frontend/options.h"
#include "host/clock.h"
#include "host/loop.h"
#include "host/mailbox.h"

struct pc;

/* What the board wants from the program.  Called in the middle of an instruction: the CPU is to leave its loop soon. */
struct pc_events {
    void (*reset)(void *opaque, const char *cause); /* "triple fault", "keyboard controller", … */
    void (*power_off)(void *opaque);
    void (*exit)(void *opaque, unsigned status); /* exit port */
    void *opaque;
};

/* 0, or an exit status after one line on stderr. */
int pc_create(struct pc **out, const struct options *o, struct clock *clock, struct mailbox *mail, struct loop *loop,
              const struct pc_events *events);
void pc_destroy(struct pc *pc); /* pc may be NULL */
/* Power-on state of processor and chips; memory keeps its contents. */
void pc_reset(struct pc *pc);

struct cpu *pc_cpu(struct pc *pc);
const struct vga *pc_vga(struct pc *pc);
void pc_press_power_button(struct pc *pc);
void pc_key(struct pc *pc, uint16_t keycode, bool is_down); /* devices/keycodes.h */
/* Bring all disk writes to stable storage; waits.  0 or the first -errno. */
int pc_flush_disks(struct pc *pc);

#endif
