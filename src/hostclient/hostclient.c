#include "hostclient/hostclient.h"

#include "base/cleanup.h"
#include "wire/fields.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { IDLE_MAX = 32, REQUEST_MAX_BYTES = 4096 };

struct hostclient {
    struct sockaddr_un address;
    pthread_mutex_t lock; /* idle, idle_count */
    int idle[IDLE_MAX];   /* connections without a request */
    int idle_count;
};

/* One call: its request, and the memory that its reply is read into. */
struct exchange {
    struct fields_writer writer;
    unsigned char request[REQUEST_MAX_BYTES];
    unsigned char *reply; /* HOST_PACKET_MAX bytes */
    size_t reply_length;
};

struct hostclient *hostclient_new(const char *socket_path)
{
    struct hostclient *client = calloc(1, sizeof(*client));
    if (client) {
        client->address.sun_family = AF_UNIX;
        memcpy(client->address.sun_path, socket_path,
               strnlen(socket_path, sizeof(client->address.sun_path) - 1));
        pthread_mutex_init(&client->lock, NULL);
    }
    return client;
}

struct hostclient *hostclient_free(struct hostclient *client)
{
    if (client) {
        while (client->idle_count > 0) {
            close_fd(client->idle[--client->idle_count]);
        }
        pthread_mutex_destroy(&client->lock);
        free(client);
    }
    return NULL;
}

static int unavailable(struct error *err, int errnum)
{
    return error_set(err, ERR_HOST_UNAVAILABLE, errnum, "atoll-host cannot be reached");
}

static int connect_new(const struct hostclient *client)
{
    auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)&client->address, sizeof(client->address)) < 0) {
        return -1;
    }
    return take_fd(&fd);
}

static int take_idle(struct hostclient *client)
{
    pthread_mutex_lock(&client->lock);
    int fd = client->idle_count > 0 ? client->idle[--client->idle_count] : -1;
    pthread_mutex_unlock(&client->lock);
    return fd;
}

static void give_back(struct hostclient *client, int fd)
{
    pthread_mutex_lock(&client->lock);
    if (client->idle_count < IDLE_MAX) {
        client->idle[client->idle_count++] = take_fd(&fd);
    }
    pthread_mutex_unlock(&client->lock);
    close_fd(fd);
}

/* Has atoll-host closed it (because it was restarted)? */
static bool is_stale(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
           (errno != EAGAIN && errno != EWOULDBLOCK);
}

static int send_request(int fd, const struct exchange *exchange)
{
    ssize_t sent;
    do {
        sent = send(fd, exchange->request, exchange->writer.length, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)exchange->writer.length ? 0 : -1;
}

/* A connection on which the request was sent; -1 with err. Old connections that atoll-host has closed
 * are given up; a request that was sent is never sent again. */
static int begin(struct hostclient *client, const struct exchange *exchange, struct error *err)
{
    int fd;
    while ((fd = take_idle(client)) >= 0) {
        if (!is_stale(fd) && send_request(fd, exchange) == 0) {
            return fd;
        }
        close_fd(fd);
    }
    fd = connect_new(client);
    if (fd < 0 || send_request(fd, exchange) < 0) {
        unavailable(err, errno);
        close_fd(fd);
        return -1;
    }
    return fd;
}

static int receive(int fd, struct exchange *exchange, struct error *err)
{
    ssize_t got;
    do {
        got = recv(fd, exchange->reply, HOST_PACKET_MAX, 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return unavailable(err, got < 0 ? errno : ECONNRESET);
    }
    exchange->reply_length = (size_t)got;
    return 0;
}

/* The error that a reply carries, if any. */
static int check_reply(const struct exchange *exchange, struct error *err)
{
    const void *data = exchange->reply;
    size_t length = exchange->reply_length;
    int64_t code = fields_get_int(data, length, HOST_ERROR_CODE, ERR_INTERNAL);
    if (code == 0) {
        return 0;
    }
    char message[sizeof(err->message)], hint[sizeof(err->hint)];
    fields_get_text(data, length, HOST_ERROR_MESSAGE, message, sizeof(message));
    fields_get_text(data, length, HOST_ERROR_HINT, hint, sizeof(hint));
    error_set(err, code > 0 && code < ERROR_CODE_COUNT ? (enum error_code)code : ERR_INTERNAL, 0,
              "%s", message);
    return error_hint(err, "%s", hint);
}

static int exchange_start(struct exchange *exchange, enum host_operation operation,
                          struct error *err)
{
    exchange->reply = malloc(HOST_PACKET_MAX);
    if (!exchange->reply) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "call atoll-host");
    }
    fields_start(&exchange->writer, exchange->request, sizeof(exchange->request));
    fields_put_int(&exchange->writer, HOST_OPERATION, operation);
    return 0;
}

static void exchange_free(struct exchange *exchange)
{
    free(exchange->reply);
}

#define auto_exchange __attribute__((cleanup(exchange_free)))

static int ask(struct hostclient *client, struct exchange *exchange, struct error *err)
{
    if (exchange->writer.overflow) {
        return error_set(err, ERR_VALIDATION, 0, "the request is too long");
    }
    int fd = begin(client, exchange, err);
    if (fd < 0) {
        return -1;
    }
    if (receive(fd, exchange, err) < 0) {
        close_fd(fd);
        return -1;
    }
    give_back(client, fd);
    return check_reply(exchange, err);
}

static int64_t get_int(const struct exchange *exchange, enum host_tag tag)
{
    return fields_get_int(exchange->reply, exchange->reply_length, tag, 0);
}

static void get_text(const struct exchange *exchange, enum host_tag tag, char *text, size_t size)
{
    fields_get_text(exchange->reply, exchange->reply_length, tag, text, size);
}

int host_hello(struct hostclient *client, struct host_info *ret_info, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (exchange_start(&exchange, HOST_OP_HELLO, err) < 0 || ask(client, &exchange, err) < 0) {
        return -1;
    }
    struct host_info *info = ret_info;
    get_text(&exchange, HOST_VERSION, info->version, sizeof(info->version));
    get_text(&exchange, HOST_ENGINE, info->engine, sizeof(info->engine));
    get_text(&exchange, HOST_ISOLATION, info->isolation, sizeof(info->isolation));
    get_text(&exchange, HOST_CGROUP_MODE, info->cgroup_mode, sizeof(info->cgroup_mode));
    get_text(&exchange, HOST_NETWORK_PROBLEM, info->network_problem, sizeof(info->network_problem));
    get_text(&exchange, HOST_ENGINE_PROBLEM, info->engine_problem, sizeof(info->engine_problem));
    info->cpu_count = get_int(&exchange, HOST_CPU_COUNT);
    return 0;
}

int host_create(struct hostclient *client, const struct host_create *request,
                struct host_created *ret_created, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    struct fields_writer *writer = &exchange.writer;
    if (exchange_start(&exchange, HOST_OP_CREATE, err) < 0) {
        return -1;
    }
    fields_put_string(writer, HOST_ID, request->id);
    fields_put_string(writer, HOST_TEMPLATE, request->template_image);
    fields_put_string(writer, HOST_HOSTNAME, request->hostname);
    fields_put_int(writer, HOST_CPU_COUNT, request->cpu_count);
    fields_put_int(writer, HOST_MEMORY_BYTES, request->memory_bytes);
    fields_put_int(writer, HOST_DISK_BYTES, request->disk_bytes);
    fields_put_int(writer, HOST_PROCESS_LIMIT, request->process_limit);
    fields_put_int(writer, HOST_NETWORK, request->network);
    fields_put_int(writer, HOST_KEEP_DISK, request->keep_disk);
    if (ask(client, &exchange, err) < 0) {
        return -1;
    }
    get_text(&exchange, HOST_AGENT_SOCKET, ret_created->agent_socket,
             sizeof(ret_created->agent_socket));
    get_text(&exchange, HOST_BOOT_PATH, ret_created->boot_path, sizeof(ret_created->boot_path));
    ret_created->boot_us = get_int(&exchange, HOST_BOOT_US);
    return 0;
}

static int ask_about(struct hostclient *client, enum host_operation operation, const char *id,
                     bool keep_disk, struct exchange *exchange, struct error *err)
{
    if (exchange_start(exchange, operation, err) < 0) {
        return -1;
    }
    fields_put_string(&exchange->writer, HOST_ID, id);
    if (keep_disk) {
        fields_put_int(&exchange->writer, HOST_KEEP_DISK, 1);
    }
    return ask(client, exchange, err);
}

int host_destroy(struct hostclient *client, const char *id, bool keep_disk, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    return ask_about(client, HOST_OP_DESTROY, id, keep_disk, &exchange, err);
}

int host_freeze(struct hostclient *client, const char *id, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    return ask_about(client, HOST_OP_FREEZE, id, false, &exchange, err);
}

int host_thaw(struct hostclient *client, const char *id, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    return ask_about(client, HOST_OP_THAW, id, false, &exchange, err);
}

int host_usage(struct hostclient *client, const char *id, struct host_usage *ret_usage,
               struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (ask_about(client, HOST_OP_USAGE, id, false, &exchange, err) < 0) {
        return -1;
    }
    *ret_usage = (struct host_usage){
        .cpu_us = get_int(&exchange, HOST_CPU_US),
        .memory_bytes = get_int(&exchange, HOST_MEMORY_BYTES),
        .memory_peak_bytes = get_int(&exchange, HOST_MEMORY_PEAK_BYTES),
        .process_count = get_int(&exchange, HOST_PROCESS_COUNT),
        .oom_kills = get_int(&exchange, HOST_OOM_KILLS),
        .disk_used_bytes = get_int(&exchange, HOST_DISK_USED_BYTES),
        .net_rx_bytes = get_int(&exchange, HOST_NET_RX_BYTES),
        .net_tx_bytes = get_int(&exchange, HOST_NET_TX_BYTES),
    };
    return 0;
}

static void read_sandbox(struct bytes_view fields, struct host_sandbox *sandbox)
{
    *sandbox = (struct host_sandbox){0};
    fields_get_text(fields.data, fields.length, HOST_ID, sandbox->id, sizeof(sandbox->id));
    fields_get_text(fields.data, fields.length, HOST_AGENT_SOCKET, sandbox->agent_socket,
                    sizeof(sandbox->agent_socket));
    sandbox->state = (enum host_state)fields_get_int(fields.data, fields.length, HOST_STATE, 0);
    sandbox->oom_kills = fields_get_int(fields.data, fields.length, HOST_OOM_KILLS, 0);
}

/* Appends the sandboxes of one reply. 0, or -1 when memory ends. */
static int append_page(const struct exchange *exchange, struct host_sandbox **list, size_t *count)
{
    struct fields_reader reader = {exchange->reply, exchange->reply_length, 0};
    struct field field;
    while (fields_next(&reader, &field) == 1) {
        if (field.tag != HOST_SANDBOX) {
            continue;
        }
        void *larger = reallocarray(*list, *count + 1, sizeof(**list));
        if (!larger) {
            return -1;
        }
        *list = larger;
        read_sandbox(field.value, &(*list)[(*count)++]);
    }
    return 0;
}

/* One page behind *after. Returns 1 when there is more, 0 at the end, -1. */
static int list_page(struct hostclient *client, struct host_sandbox **list, size_t *count,
                     struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    size_t before = *count;
    if (exchange_start(&exchange, HOST_OP_LIST, err) < 0) {
        return -1;
    }
    if (before > 0) {
        fields_put_string(&exchange.writer, HOST_AFTER, (*list)[before - 1].id);
    }
    if (ask(client, &exchange, err) < 0) {
        return -1;
    }
    if (append_page(&exchange, list, count) < 0) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list sandboxes");
    }
    return get_int(&exchange, HOST_MORE) == 1 && *count > before;
}

int host_list(struct hostclient *client, struct host_sandbox **ret_sandboxes, size_t *ret_count,
              struct error *err)
{
    auto_free struct host_sandbox *list = NULL;
    size_t count = 0;
    int more;
    while ((more = list_page(client, &list, &count, err)) == 1) {
    }
    if (more < 0) {
        return -1;
    }
    *ret_sandboxes = take_pointer(&list);
    *ret_count = count;
    return 0;
}

int host_watch(struct hostclient *client, int *ret_fd, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (exchange_start(&exchange, HOST_OP_WATCH, err) < 0) {
        return -1;
    }
    auto_close int fd = connect_new(client);
    if (fd < 0 || send_request(fd, &exchange) < 0) {
        return unavailable(err, errno);
    }
    if (receive(fd, &exchange, err) < 0 || check_reply(&exchange, err) < 0) {
        return -1;
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

int host_watch_next(int fd, struct host_ended *ret_ended)
{
    unsigned char packet[4096];
    ssize_t got;
    do {
        got = recv(fd, packet, sizeof(packet), 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return -1;
    }
    size_t length = (size_t)got;
    *ret_ended = (struct host_ended){0};
    fields_get_text(packet, length, HOST_ID, ret_ended->id, sizeof(ret_ended->id));
    fields_get_text(packet, length, HOST_REASON, ret_ended->reason, sizeof(ret_ended->reason));
    ret_ended->oom_kills = fields_get_int(packet, length, HOST_OOM_KILLS, 0);
    return 1;
}
