/* ringer: the program.  The main thread runs the event loop; the machine has its own thread (machine.h). */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cpu/cpu.h"
#include "frontend/control.h"
#include "frontend/cpu_help.h"
#include "frontend/display_text.h"
#include "frontend/doctor.h"
#include "frontend/keys.h"
#include "frontend/machine.h"
#include "frontend/options.h"
#include "frontend/pc.h"
#include "frontend/screenshot.h"
#include "frontend/signals.h"
#include "frontend/stats.h"
#include "frontend/version.h"
#include "host/chardev.h"
#include "host/log.h"
#include "host/loop.h"

struct program {
    const struct options *options;
    struct loop *loop;
    struct machine *machine;
    struct control *control;
    struct display_text *display;
    struct key_queue keys;
    struct signals signals;
    int signal_count;
};

/* --- signals and the escape key: loop thread --- */

static void signal_arrived(void *opaque, int signo)
{
    struct program *p = opaque;

    if (++p->signal_count > 1) { /* the user does not want to wait for the disks */
        tty_raw_leave();
        _exit(EXIT_SIGNAL + signo);
    }
    machine_request_end(p->machine, EXIT_SIGNAL + signo);
}

static void escape_key(void *opaque, char key)
{
    struct program *p = opaque;

    if (key == 'x' || key == 'X')
        machine_request_end(p->machine, EXIT_POWEROFF);
    else if (key == 'h' || key == 'H' || key == '?')
        fputs("\r\nCtrl-A x  leave Ringer\r\nCtrl-A h  this help\r\nCtrl-A Ctrl-A  send Ctrl-A\r\n", stderr);
}

/* --- what the control socket and the text display act upon: machine thread --- */

static bool target_is_running(void *opaque)
{
    struct program *p = opaque;

    return !machine_is_paused(p->machine);
}

static void target_stop(void *opaque)
{
    struct program *p = opaque;

    machine_pause(p->machine);
}

static void target_cont(void *opaque)
{
    struct program *p = opaque;

    machine_resume(p->machine);
}

static void target_power_button(void *opaque)
{
    struct program *p = opaque;

    machine_power_button(p->machine);
}

static void target_reset(void *opaque)
{
    struct program *p = opaque;

    machine_reset(p->machine);
}

static void target_quit(void *opaque)
{
    struct program *p = opaque;

    machine_request_end(p->machine, EXIT_POWEROFF);
}

static bool target_send_keys(void *opaque, const uint16_t *keycodes, unsigned count, unsigned hold_ms)
{
    struct program *p = opaque;

    return key_queue_chord(&p->keys, keycodes, count, hold_ms);
}

static_assert(CONTROL_WHY_BYTES == WHY_BYTES, "the screenshot's sentence goes into the answer");

static int target_screendump(void *opaque, const char *path, const char *format, char why[CONTROL_WHY_BYTES])
{
    struct program *p = opaque;
    const char *suffix = strrchr(path, '.');

    if (format && (!suffix || strcmp(suffix + 1, format))) {
        snprintf(why, CONTROL_WHY_BYTES, "the name '%s' does not end in '.%s'", path, format);
        return -EINVAL;
    }
    return screenshot_write(pc_vga(machine_pc(p->machine)), path, why);
}

static char *target_screen_text(void *opaque)
{
    struct program *p = opaque;
    const size_t size = VGA_TEXT_MAX_COLS * VGA_TEXT_MAX_ROWS * 3 + VGA_TEXT_MAX_ROWS + 1;
    char *text = malloc(size);

    if (text && vga_text(pc_vga(machine_pc(p->machine)), text, size) < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static const struct control_target control_target = {
    .is_running = target_is_running,
    .stop = target_stop,
    .cont = target_cont,
    .power_button = target_power_button,
    .reset = target_reset,
    .quit = target_quit,
    .send_keys = target_send_keys,
    .screendump = target_screendump,
    .screen_text = target_screen_text,
};

static void machine_event(void *opaque, const char *event, const char *data)
{
    struct program *p = opaque;

    control_event(p->control, event, data);
}

static void key_to_board(void *opaque, uint16_t keycode, bool is_down)
{
    struct program *p = opaque;

    pc_key(machine_pc(p->machine), keycode, is_down);
}

/* --- putting it together --- */

static int open_control(struct program *p)
{
    int r;

    if (!p->options->control)
        return 0;
    r = control_create(&p->control, p->options->control, p->loop, machine_mailbox(p->machine), &control_target, p);
    if (!r)
        return 0;
    log_error("cannot listen at '%s': %s", p->options->control, strerror(-r));
    return EXIT_HOST;
}

static int open_display(struct program *p)
{
    int r;

    if (p->options->display != DISPLAY_TEXT)
        return 0;
    r = display_text_create(&p->display, pc_vga(machine_pc(p->machine)), machine_clock(p->machine), p->loop,
                            machine_mailbox(p->machine), &p->keys);
    if (!r)
        return 0;
    log_error("--display text needs a terminal");
    return EXIT_HOST;
}

static int run_machine(struct program *p)
{
    int status;

    tty_set_escape(escape_key, p);
    machine_set_listener(p->machine, machine_event, p);
    key_queue_init(&p->keys, machine_clock(p->machine), key_to_board, p);
    status = open_control(p);
    if (status)
        return status;
    status = open_display(p);
    if (status)
        goto out_control;
    status = machine_start(p->machine);
    if (status)
        goto out_display;
    loop_run(p->loop);
    status = machine_join(p->machine);
    if (p->options->want_stats && p->options->stats_file && status != EXIT_BUG) {
        int r = stats_write_json(p->options->stats_file, machine_bt(p->machine), pc_cpu(machine_pc(p->machine)),
                                 machine_seconds(p->machine));

        if (r < 0)
            log_error("cannot write '%s': %s", p->options->stats_file, strerror(-r));
    }

out_display:
    display_text_destroy(p->display);
    tty_raw_leave();
    if (p->options->want_stats && !p->options->stats_file)
        stats_print(stderr, machine_bt(p->machine), pc_cpu(machine_pc(p->machine)), machine_seconds(p->machine));
out_control:
    control_destroy(p->control);
    key_queue_clear(&p->keys);
    tty_set_escape(NULL, NULL);
    return status;
}

static int run(const struct options *options)
{
    struct program p = {.options = options};
    char why[WHY_BYTES] = "";
    int status, r;

    log_mask = options->log_mask;
    if (options->screenshot && screenshot_check_name(options->screenshot, why) < 0) {
        log_error("%s", why);
        return EXIT_USAGE;
    }
    p.loop = loop_create();
    r = p.loop ? signals_catch(&p.signals, p.loop, signal_arrived, &p) : -ENOMEM;
    if (r < 0) {
        log_error("cannot set up the event loop: %s", strerror(-r));
        return EXIT_HOST;
    }
    status = machine_create(&p.machine, options, p.loop);
    if (!status) {
        status = run_machine(&p);
        machine_destroy(p.machine);
    }
    tty_raw_leave();
    signals_release(&p.signals);
    loop_destroy(p.loop);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    int status = options_parse(&options, argc, argv, stderr);

    if (status)
        return status;
    switch (options.command) {
    case COMMAND_HELP:
        options_print_help(stdout);
        return 0;
    case COMMAND_VERSION:
        puts("ringer " RINGER_VERSION);
        return 0;
    case COMMAND_DOCTOR:
        return doctor(stdout);
    case COMMAND_CPU_HELP:
        cpu_help(stdout);
        return 0;
    case COMMAND_RUN:
        break;
    }
    options_complete(&options, isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
    return run(&options);
}
