#include "http.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

int http_target_parse(struct http_target *target, const char *url, const char *key)
{
    static const char scheme[] = "http://";
    char address[64];
    int port;
    *target = (struct http_target){.address.sin_family = AF_INET};
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 ||
        sscanf(url + sizeof scheme - 1, "%63[0-9.]:%d", address, &port) != 2 ||
        inet_pton(AF_INET, address, &target->address.sin_addr) != 1) {
        return -1;
    }
    target->address.sin_port = htons((uint16_t)port);
    snprintf(target->host, sizeof target->host, "%s:%d", address, port);
    snprintf(target->key, sizeof target->key, "%s", key);
    return 0;
}

static int reconnect(struct http_connection *connection)
{
    const struct http_target *target = connection->target;
    connection->fd = close_fd(connection->fd);
    connection->start = connection->end = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&target->address, sizeof target->address)) {
        close_fd(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->fd = fd;
    return 0;
}

int http_open(struct http_connection *connection, const struct http_target *target)
{
    *connection = (struct http_connection){.target = target, .fd = -1};
    connection->received = malloc(HTTP_RECEIVE);
    return connection->received ? reconnect(connection) : -1;
}

void http_close(struct http_connection *connection)
{
    connection->fd = close_fd(connection->fd);
    free(connection->received);
    connection->received = NULL;
}

static int send_call(struct http_connection *connection, const struct http_call *call)
{
    char head[2048];
    int used =
        snprintf(head, sizeof head,
                 "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                 "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                 call->method, call->path, connection->target->host, connection->target->key,
                 call->content_type ? call->content_type : "application/json", call->body_length);
    size_t length = (size_t)used;
    if (length >= sizeof head) {
        return -1;
    }
    /* A small body shares the head's segment. */
    if (call->body_length > 0 && length + call->body_length <= sizeof head) {
        memcpy(head + length, call->body, call->body_length);
        return write_all(connection->fd, head, length + call->body_length);
    }
    return write_all(connection->fd, head, length) ||
                   write_all(connection->fd, call->body, call->body_length)
               ? -1
               : 0;
}

/* Receives more behind what is there. 1, 0 at the end, -1. */
static int receive_more(struct http_connection *connection)
{
    if (connection->start == connection->end) {
        connection->start = connection->end = 0;
    } else if (connection->end == HTTP_RECEIVE) {
        size_t length = connection->end - connection->start;
        memmove(connection->received, connection->received + connection->start, length);
        connection->start = 0;
        connection->end = length;
    }
    if (connection->end == HTTP_RECEIVE) {
        return -1;
    }
    ssize_t length = recv(connection->fd, connection->received + connection->end,
                          HTTP_RECEIVE - connection->end, 0);
    if (length <= 0) {
        return length == 0 ? 0 : -1;
    }
    connection->end += (size_t)length;
    return 1;
}

/* A line without its line end, NUL-terminated, borrowed until the next receive. NULL at the end. */
static char *read_line(struct http_connection *connection)
{
    for (;;) {
        char *start = connection->received + connection->start;
        char *newline = memchr(start, '\n', connection->end - connection->start);
        if (newline) {
            connection->start += (size_t)(newline - start) + 1;
            newline[newline > start && newline[-1] == '\r' ? -1 : 0] = 0;
            return start;
        }
        if (receive_more(connection) != 1) {
            return NULL;
        }
    }
}

static int take_body(struct http_connection *connection, long long length, bool discard,
                     struct http_reply *reply)
{
    while (length > 0) {
        size_t ready = connection->end - connection->start;
        if (ready == 0) {
            if (receive_more(connection) != 1) {
                return -1;
            }
            continue;
        }
        size_t part = (long long)ready < length ? ready : (size_t)length;
        if (!discard &&
            buffer_append(&reply->body, connection->received + connection->start, part)) {
            return -1;
        }
        connection->start += part;
        reply->body_length += (long long)part;
        length -= (long long)part;
    }
    return 0;
}

static int take_chunks(struct http_connection *connection, bool discard, struct http_reply *reply)
{
    for (;;) {
        const char *line = read_line(connection);
        if (!line) {
            return -1;
        }
        long long length = strtoll(line, NULL, 16);
        if (take_body(connection, length, discard, reply) || !read_line(connection)) {
            return -1;
        }
        if (length == 0) {
            return 0;
        }
    }
}

static int read_reply(struct http_connection *connection, bool discard, struct http_reply *reply)
{
    long long length = 0;
    bool chunked = false;
    bool last = false;
    char *line = read_line(connection);
    if (!line || sscanf(line, "HTTP/1.%*d %d", &reply->status) != 1) {
        return -1;
    }
    while ((line = read_line(connection)) && *line) {
        if (strncasecmp(line, "content-length:", 15) == 0) {
            length = strtoll(line + 15, NULL, 10);
        } else if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0) {
            chunked = true;
        } else if (strncasecmp(line, "connection: close", 17) == 0) {
            last = true;
        }
    }
    if (!line) {
        return -1;
    }
    int result = chunked ? take_chunks(connection, discard, reply)
                         : take_body(connection, length, discard, reply);
    if (last || result) {
        connection->fd = close_fd(connection->fd);
    }
    return result;
}

int http_send(struct http_connection *connection, const struct http_call *call,
              struct http_reply *reply)
{
    buffer_free(&reply->body);
    *reply = (struct http_reply){.body = BUFFER_INIT(HTTP_REPLY_MAX)};
    bool kept = connection->fd >= 0;
    if (!kept && reconnect(connection)) {
        return -1;
    }
    if (send_call(connection, call) == 0 && read_reply(connection, call->discard, reply) == 0) {
        return 0;
    }
    connection->fd = close_fd(connection->fd);
    return -1;
}
