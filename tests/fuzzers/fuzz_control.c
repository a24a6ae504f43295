/* What a client of the control socket may send, and what a terminal may.
 * Input: as it comes from the socket. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "frontend/control.h"
#include "frontend/keys.h"
#include "host/loop.h"
#include "host/mailbox.h"
#include "tests/fuzzers/target.h"

static struct loop *loop;
static struct mailbox *mail;
static struct control *control;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static bool is_machine_running = true;

static bool is_running(void *opaque) { return is_machine_running; }
static void stop(void *opaque) { is_machine_running = false; }
static void cont(void *opaque) { is_machine_running = true; }
static void nothing(void *opaque) {}

static bool send_keys(void *opaque, const uint16_t *keycodes, unsigned count, unsigned hold_ms)
{
    MUST(count <= KEY_QUEUE_SIZE);
    for (unsigned n = 0; n < count; n++)
        MUST(keycodes[n]);
    return hold_ms != 1;
}

static int screendump(void *opaque, const char *path, const char *format, char why[CONTROL_WHY_BYTES])
{
    MUST(path);
    snprintf(why, CONTROL_WHY_BYTES, "no");
    return path[0] ? -EACCES : 0;
}

static char *screen_text(void *opaque) { return is_machine_running ? strdup("text\n") : NULL; }

static const struct control_target target = {.is_running = is_running,
                                             .stop = stop,
                                             .cont = cont,
                                             .power_button = nothing,
                                             .reset = nothing,
                                             .quit = nothing,
                                             .send_keys = send_keys,
                                             .screendump = screendump,
                                             .screen_text = screen_text};

static void end_turn(void *opaque) { loop_quit(loop, 0); }

/* Everything that is ready now, on both threads' behalf. */
static void turn(void)
{
    loop_set_timer(loop, 7, 1, end_turn, NULL);
    loop_run(loop);
    mailbox_run(mail);
}

static void remove_socket(void) { control_destroy(control); }

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/ringer-fuzz-control-%d", (int)getpid());
    loop = loop_create();
    mail = mailbox_create(NULL, NULL);
    MUST(loop && mail && control_create(&control, address.sun_path, loop, mail, &target, NULL) == 0);
    atexit(remove_socket);
    return 0;
}

static void no_stroke(void *opaque, const struct key_stroke *stroke) { MUST(stroke->keycode); }

static void feed_terminal(const uint8_t *data, size_t size)
{
    struct key_decoder d = {.len = 0};

    for (size_t at = 0; at < size; at += 7)
        key_decoder_feed(&d, data + at, size - at < 7 ? size - at : 7, no_stroke, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char answer[4096];
    size_t sent = 0;
    ssize_t n;

    MUST(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    turn();
    while (sent < size) {
        n = send(fd, data + sent, size - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        turn();
        while (recv(fd, answer, sizeof(answer), 0) > 0)
            ;
        if (n < 0 && errno != EAGAIN)
            break; /* it hung up */
    }
    turn();
    turn();
    while (recv(fd, answer, sizeof(answer), 0) > 0)
        ;
    close(fd);
    turn();
    feed_terminal(data, size);
    return 0;
}
