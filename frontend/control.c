/* The control socket.  See the header for the protocol and the threads. */
#include "frontend/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "frontend/keys.h"
#include "frontend/version.h"
#include "host/log.h"
#include "host/util.h"

#define ALL_CLIENTS 0 /* as a client number: an event */
#define MAX_CLIENTS 32
#define DEFAULT_HOLD_MS 100
#define MAX_HOLD_MS 10000

struct client {
    struct client *next;
    struct control *control;
    uint64_t number; /* names the client to the machine thread, which outlives it there */
    int fd;
    char *in; /* bytes of the line being read */
    size_t in_len, in_size;
    bool is_overlong; /* dropping bytes up to the next newline */
    char *out;
    size_t out_len;
    uint32_t epoll_events;
};

/* One line of text from the machine thread to clients. */
struct outgoing {
    struct outgoing *next;
    uint64_t client;
    size_t len;
    char text[];
};

struct control {
    struct loop *loop;
    struct mailbox *mail;
    const struct control_target *target;
    void *opaque;
    int listen_fd, wake_fd;
    char *path;
    struct client *clients; /* loop thread */
    unsigned client_count;
    uint64_t last_number;
    pthread_mutex_t outbox_lock; /* innermost: guards the two fields below only */
    struct outgoing *outbox, **outbox_end;
};

/* A line on its way to the machine thread. */
struct request {
    struct control *control;
    uint64_t client;
    bool is_overlong;
    size_t len;
    char text[];
};

/* --- outbox: any thread puts, the loop thread takes --- */

static void outbox_put(struct control *c, uint64_t client, json_t *object)
{
    size_t len = json_dumpb(object, NULL, 0, JSON_COMPACT);
    struct outgoing *o = len ? malloc(sizeof(*o) + len + 2) : NULL;
    uint64_t one = 1;

    if (o) {
        json_dumpb(object, o->text, len, JSON_COMPACT);
        memcpy(o->text + len, "\r\n", 2);
        *o = (struct outgoing){.client = client, .len = len + 2};
        pthread_mutex_lock(&c->outbox_lock);
        *c->outbox_end = o;
        c->outbox_end = &o->next;
        pthread_mutex_unlock(&c->outbox_lock);
        if (write(c->wake_fd, &one, sizeof(one)) < 0)
            log_at(LOG_DEV, "control: cannot wake the loop: %s", strerror(errno));
    }
    json_decref(object);
}

static struct outgoing *outbox_take_all(struct control *c)
{
    struct outgoing *list;

    pthread_mutex_lock(&c->outbox_lock);
    list = c->outbox;
    c->outbox = NULL;
    c->outbox_end = &c->outbox;
    pthread_mutex_unlock(&c->outbox_lock);
    return list;
}

void control_event(struct control *c, const char *event, const char *data)
{
    struct timespec now;
    json_t *object;

    if (!c)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    object = json_pack("{s:s, s:{s:I, s:I}}", "event", event, "timestamp", "seconds", (json_int_t)now.tv_sec,
                       "microseconds", (json_int_t)(now.tv_nsec / 1000));
    if (data)
        json_object_set_new(object, "data", json_loads(data, 0, NULL));
    outbox_put(c, ALL_CLIENTS, object);
}

/* --- commands: machine thread --- */

/* The result, or NULL with a sentence in error. */
struct failure {
    const char *class;
    char desc[CONTROL_WHY_BYTES];
};

static json_t *refuse(struct failure *f, const char *class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static json_t *refuse(struct failure *f, const char *class, const char *fmt, ...)
{
    va_list ap;

    f->class = class;
    va_start(ap, fmt);
    vsnprintf(f->desc, sizeof(f->desc), fmt, ap);
    va_end(ap);
    return NULL;
}

static json_t *do_nothing(struct control *c, json_t *args, struct failure *f)
{
    return json_object();
}

static json_t *do_query_status(struct control *c, json_t *args, struct failure *f)
{
    bool is_running = c->target->is_running(c->opaque);

    return json_pack("{s:b, s:b, s:s}", "running", is_running, "singlestep", 0, "status",
                     is_running ? "running" : "paused");
}

static json_t *do_stop(struct control *c, json_t *args, struct failure *f)
{
    c->target->stop(c->opaque);
    return json_object();
}

static json_t *do_cont(struct control *c, json_t *args, struct failure *f)
{
    c->target->cont(c->opaque);
    return json_object();
}

static json_t *do_power_button(struct control *c, json_t *args, struct failure *f)
{
    c->target->power_button(c->opaque);
    return json_object();
}

static json_t *do_reset(struct control *c, json_t *args, struct failure *f)
{
    c->target->reset(c->opaque);
    return json_object();
}

static json_t *do_quit(struct control *c, json_t *args, struct failure *f)
{
    c->target->quit(c->opaque);
    return json_object();
}

/* A key is "ret", {"type": "qcode", "data": "ret"} or {"type": "number", "data": scan code}. */
static int keycode_of(json_t *key, struct failure *f)
{
    json_t *data = json_is_object(key) ? json_object_get(key, "data") : key;
    int code;

    if (json_is_integer(data)) {
        code = keys_from_number(json_integer_value(data));
        if (code < 0)
            refuse(f, "GenericError", "no key has the number %lld", (long long)json_integer_value(data));
        return code;
    }
    if (!json_is_string(data)) {
        refuse(f, "GenericError", "a key must be a name or an object with type and data");
        return -1;
    }
    code = keys_from_name(json_string_value(data));
    if (code < 0)
        refuse(f, "GenericError", "no key is named '%s'", json_string_value(data));
    return code;
}

static json_t *do_send_key(struct control *c, json_t *args, struct failure *f)
{
    json_t *keys = json_object_get(args, "keys"), *hold = json_object_get(args, "hold-time"), *key;
    uint16_t codes[CONTROL_MAX_KEYS];
    json_int_t hold_ms = hold ? json_integer_value(hold) : DEFAULT_HOLD_MS;
    size_t i;

    if (!json_is_array(keys) || !json_array_size(keys) || json_array_size(keys) > CONTROL_MAX_KEYS)
        return refuse(f, "GenericError", "'keys' must be an array of 1 to %u keys", CONTROL_MAX_KEYS);
    if ((hold && !json_is_integer(hold)) || hold_ms < 0 || hold_ms > MAX_HOLD_MS)
        return refuse(f, "GenericError", "'hold-time' must be 0 to %u milliseconds", MAX_HOLD_MS);
    json_array_foreach(keys, i, key)
    {
        int code = keycode_of(key, f);

        if (code < 0)
            return NULL;
        codes[i] = (uint16_t)code;
    }
    if (!c->target->send_keys(c->opaque, codes, (unsigned)json_array_size(keys), (unsigned)hold_ms))
        return refuse(f, "GenericError", "too many keys are waiting to be typed");
    return json_object();
}

static json_t *do_screendump(struct control *c, json_t *args, struct failure *f)
{
    const char *path = json_string_value(json_object_get(args, "filename"));
    const char *format = json_string_value(json_object_get(args, "format"));
    char why[CONTROL_WHY_BYTES] = "";
    int r;

    if (!path || !*path)
        return refuse(f, "GenericError", "'filename' is missing");
    r = c->target->screendump(c->opaque, path, format, why);
    if (r < 0)
        return refuse(f, "GenericError", "%s", *why ? why : strerror(-r));
    return json_object();
}

static json_t *do_screen_text(struct control *c, json_t *args, struct failure *f)
{
    char *text = c->target->screen_text(c->opaque), *line, *rest = text;
    json_t *lines;

    if (!text)
        return refuse(f, "GenericError", "the screen is not in a text mode");
    lines = json_array();
    while ((line = strsep(&rest, "\n")))
        if (*line || rest)
            json_array_append_new(lines, json_string(line));
    free(text);
    return json_pack("{s:o}", "lines", lines);
}

static json_t *do_query_commands(struct control *c, json_t *args, struct failure *f);

static const struct command {
    const char *name;
    json_t *(*run)(struct control *c, json_t *args, struct failure *f);
} commands[] = {
    {"qmp_capabilities", do_nothing},
    {"query-commands", do_query_commands},
    {"query-status", do_query_status},
    {"stop", do_stop},
    {"cont", do_cont},
    {"send-key", do_send_key},
    {"screendump", do_screendump},
    {"screen-text", do_screen_text},
    {"system_powerdown", do_power_button},
    {"system_reset", do_reset},
    {"quit", do_quit},
};

static json_t *do_query_commands(struct control *c, json_t *args, struct failure *f)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        json_array_append_new(list, json_pack("{s:s}", "name", commands[i].name));
    return list;
}

static json_t *execute(struct control *c, json_t *object, struct failure *f)
{
    const char *name = json_string_value(json_object_get(object, "execute"));
    json_t *args = json_object_get(object, "arguments");

    if (!name)
        return refuse(f, "GenericError", "'execute' is missing or not a string");
    if (args && !json_is_object(args))
        return refuse(f, "GenericError", "'arguments' must be an object");
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        if (!strcmp(name, commands[i].name))
            return commands[i].run(c, args, f);
    return refuse(f, "CommandNotFound", "there is no command '%s'", name);
}

static void run_request(void *opaque)
{
    struct request *r = opaque;
    struct control *c = r->control;
    struct failure f = {.class = "GenericError"};
    json_error_t where;
    json_t *object = NULL, *result = NULL, *answer, *id;

    if (r->is_overlong)
        refuse(&f, "GenericError", "the line is longer than %u bytes", CONTROL_MAX_LINE);
    else if (!(object = json_loadb(r->text, r->len, 0, &where)))
        refuse(&f, "GenericError", "not JSON: %s", where.text);
    else if (!json_is_object(object))
        refuse(&f, "GenericError", "a command must be an object");
    else
        result = execute(c, object, &f);
    if (result)
        answer = json_pack("{s:o}", "return", result);
    else
        answer = json_pack("{s:{s:s, s:s}}", "error", "class", f.class, "desc", f.desc);
    if (!answer) /* f.desc held something that is not UTF-8 */
        answer = json_pack("{s:{s:s, s:s}}", "error", "class", f.class, "desc", "bad command");
    id = json_object_get(object, "id");
    if (id)
        json_object_set(answer, "id", id);
    outbox_put(c, r->client, answer);
    json_decref(object);
    free(r);
}

/* --- clients: loop thread --- */

static void client_drop(struct client *cl)
{
    struct control *c = cl->control;
    struct client **p = &c->clients;

    while (*p != cl)
        p = &(*p)->next;
    *p = cl->next;
    c->client_count--;
    loop_remove_fd(c->loop, cl->fd);
    close(cl->fd);
    free(cl->in);
    free(cl->out);
    free(cl);
}

static void client_want_events(struct client *cl, uint32_t events)
{
    if (cl->epoll_events != events)
        loop_modify_fd(cl->control->loop, cl->fd, events);
    cl->epoll_events = events;
}

/* Write what waits.  False: the client is gone (and freed). */
static bool client_flush(struct client *cl)
{
    while (cl->out_len) {
        ssize_t n = send(cl->fd, cl->out, cl->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            client_drop(cl);
            return false;
        }
        cl->out_len -= (size_t)n;
        memmove(cl->out, cl->out + n, cl->out_len);
    }
    client_want_events(cl, cl->out_len ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return true;
}

static bool client_send(struct client *cl, const char *text, size_t len)
{
    char *bigger = cl->out_len + len <= CONTROL_MAX_OUTPUT ? realloc(cl->out, cl->out_len + len) : NULL;

    if (!bigger) {
        client_drop(cl);
        return false;
    }
    cl->out = bigger;
    memcpy(cl->out + cl->out_len, text, len);
    cl->out_len += len;
    return client_flush(cl);
}

static void client_line(struct client *cl)
{
    struct request *r;
    size_t blanks = strspn(cl->in ? cl->in : "", " \t\r");

    if (blanks == cl->in_len && !cl->is_overlong)
        return;
    r = malloc(sizeof(*r) + cl->in_len);
    if (!r)
        return;
    *r = (struct request){
        .control = cl->control, .client = cl->number, .is_overlong = cl->is_overlong, .len = cl->in_len};
    if (cl->in_len)
        memcpy(r->text, cl->in, cl->in_len);
    mailbox_post(cl->control->mail, run_request, r);
}

static void client_byte(struct client *cl, char byte)
{
    if (byte == '\n') {
        client_line(cl);
        cl->in_len = 0;
        cl->is_overlong = false;
    } else if (cl->in_len >= CONTROL_MAX_LINE) {
        cl->is_overlong = true;
        cl->in_len = 0;
    } else if (!cl->is_overlong) {
        if (cl->in_len + 1 >= cl->in_size) {
            size_t size = cl->in_size ? 2 * cl->in_size : 256;
            char *bigger = realloc(cl->in, size);

            if (!bigger) {
                cl->is_overlong = true;
                return;
            }
            cl->in = bigger;
            cl->in_size = size;
        }
        cl->in[cl->in_len++] = byte;
        cl->in[cl->in_len] = 0;
    }
}

static void client_ready(void *opaque, int fd, uint32_t events)
{
    struct client *cl = opaque;
    char buf[4096];
    ssize_t n;

    if ((events & EPOLLOUT) && !client_flush(cl))
        return;
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_drop(cl);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        client_byte(cl, buf[i]);
}

static void send_greeting(struct client *cl)
{
    json_t *greeting = json_pack("{s:{s:{s:{s:i, s:i, s:i}, s:s}, s:[]}}", "QMP", "version", "ringer", "major",
                                 RINGER_VERSION_MAJOR, "minor", RINGER_VERSION_MINOR, "micro", RINGER_VERSION_MICRO,
                                 "package", "ringer " RINGER_VERSION, "capabilities");

    outbox_put(cl->control, cl->number, greeting);
}

static void accept_client(void *opaque, int fd, uint32_t events)
{
    struct control *c = opaque;
    struct client *cl;
    int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client_fd < 0)
        return;
    cl = c->client_count < MAX_CLIENTS ? calloc(1, sizeof(*cl)) : NULL;
    if (!cl) {
        close(client_fd);
        return;
    }
    cl->control = c;
    cl->fd = client_fd;
    cl->number = ++c->last_number;
    cl->epoll_events = EPOLLIN;
    if (loop_add_fd(c->loop, client_fd, EPOLLIN, client_ready, cl) < 0) {
        close(client_fd);
        free(cl);
        return;
    }
    cl->next = c->clients;
    c->clients = cl;
    c->client_count++;
    send_greeting(cl);
}

static void deliver_outbox(struct control *c)
{
    struct outgoing *o = outbox_take_all(c), *next_o;
    struct client *cl, *next;

    for (; o; o = next_o) {
        next_o = o->next;
        for (cl = c->clients; cl; cl = next) {
            next = cl->next;
            if (o->client == ALL_CLIENTS || o->client == cl->number)
                client_send(cl, o->text, o->len);
        }
        free(o);
    }
}

static void outbox_ready(void *opaque, int fd, uint32_t events)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) == sizeof(count))
        deliver_outbox(opaque);
}

/* --- life --- */

/* A socket nobody listens at any more is left over from a killed process. */
static bool is_stale_socket(const struct sockaddr_un *addr)
{
    struct stat st;
    bool is_stale = false;
    int fd;

    if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
        is_stale = errno == ECONNREFUSED;
    close(fd);
    return is_stale;
}

static int listen_at(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(path) >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    r = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    if (r < 0 && errno == EADDRINUSE && is_stale_socket(&addr)) {
        unlink(path);
        r = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    }
    if (r < 0 || listen(fd, 8) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int control_create(struct control **out, const char *path, struct loop *loop, struct mailbox *mail,
                   const struct control_target *target, void *opaque)
{
    struct control *c = calloc(1, sizeof(*c));
    int r = -ENOMEM;

    if (!c)
        return r;
    *c = (struct control){.loop = loop, .mail = mail, .target = target, .opaque = opaque};
    c->outbox_end = &c->outbox;
    pthread_mutex_init(&c->outbox_lock, NULL);
    c->path = strdup(path);
    if (!c->path)
        goto out_free;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0) {
        r = -errno;
        goto out_path;
    }
    r = c->listen_fd = listen_at(path);
    if (r < 0)
        goto out_wake;
    r = loop_add_fd(loop, c->wake_fd, EPOLLIN, outbox_ready, c);
    if (r < 0)
        goto out_listen;
    r = loop_add_fd(loop, c->listen_fd, EPOLLIN, accept_client, c);
    if (r < 0)
        goto out_remove;
    *out = c;
    return 0;

out_remove:
    loop_remove_fd(loop, c->wake_fd);
out_listen:
    unlink(path);
    close(c->listen_fd);
out_wake:
    close(c->wake_fd);
out_path:
    free(c->path);
out_free:
    pthread_mutex_destroy(&c->outbox_lock);
    free(c);
    return r;
}

/* Give a slow reader a second to take its last answers. */
static void client_flush_at_end(struct client *cl)
{
    struct pollfd p = {.fd = cl->fd, .events = POLLOUT};

    while (cl->out_len && poll(&p, 1, 1000) > 0) {
        ssize_t n = send(cl->fd, cl->out, cl->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n <= 0)
            return;
        cl->out_len -= (size_t)n;
        memmove(cl->out, cl->out + n, cl->out_len);
    }
}

void control_destroy(struct control *c)
{
    if (!c)
        return;
    deliver_outbox(c);
    for (struct client *cl = c->clients; cl; cl = cl->next)
        client_flush_at_end(cl);
    while (c->clients)
        client_drop(c->clients);
    loop_remove_fd(c->loop, c->listen_fd);
    loop_remove_fd(c->loop, c->wake_fd);
    close(c->listen_fd);
    close(c->wake_fd);
    unlink(c->path);
    free(c->path);
    pthread_mutex_destroy(&c->outbox_lock);
    free(c);
}
