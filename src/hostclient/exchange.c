#include "hostclient/exchange.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { IDLE_MAX = 32 };

struct hostclient {
    struct sockaddr_un address;
    pthread_mutex_t lock; /* idle, idle_count */
    int idle[IDLE_MAX];   /* connections without a request */
    int idle_count;
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

/* The kernel gives at most as many descriptors as there is room for, and closes the others. */
static void collect_descriptors(struct exchange *exchange, struct msghdr *message)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
            if (exchange->fd_count < exchange->fds_max) {
                exchange->fds[exchange->fd_count++] = fd;
            } else {
                close_fd(fd);
                exchange->fds_excess = true;
            }
        }
    }
}

static int receive(int fd, struct exchange *exchange, struct error *err)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(HOST_SOCKETS_MAX * sizeof(int))];
    } control;
    struct iovec data = {exchange->reply, HOST_PACKET_MAX};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (exchange->fds) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    ssize_t got;
    do {
        got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got >= 0 && exchange->fds) {
        collect_descriptors(exchange, &message);
    }
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

int host_exchange_start(struct exchange *exchange, enum host_operation operation, struct error *err)
{
    exchange->reply = malloc(HOST_PACKET_MAX);
    if (!exchange->reply) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "call atoll-host");
    }
    fields_start(&exchange->writer, exchange->request, sizeof(exchange->request));
    fields_put_int(&exchange->writer, HOST_OPERATION, operation);
    return 0;
}

void host_exchange_free(struct exchange *exchange)
{
    free(exchange->reply);
}

int host_exchange_ask(struct hostclient *client, struct exchange *exchange, struct error *err)
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

int host_exchange_open(const struct hostclient *client, struct exchange *exchange, int *ret_fd,
                       struct error *err)
{
    auto_close int fd = connect_new(client);
    if (fd < 0 || send_request(fd, exchange) < 0) {
        return unavailable(err, errno);
    }
    if (receive(fd, exchange, err) < 0 || check_reply(exchange, err) < 0) {
        return -1;
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

int64_t host_exchange_int(const struct exchange *exchange, enum host_tag tag)
{
    return fields_get_int(exchange->reply, exchange->reply_length, tag, 0);
}

void host_exchange_text(const struct exchange *exchange, enum host_tag tag, char *text, size_t size)
{
    fields_get_text(exchange->reply, exchange->reply_length, tag, text, size);
}
