/* The client's side: TCP, the opening handshake, the server's answer. */
#include "websocket/websocket.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/io.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { CONNECT_MAX_MS = 10 * 1000, REPLY_MAX_MS = 60 * 1000, HEAD_MAX = 16 * 1024 };

struct target {
    char host[256], port[6];
    const char *path; /* with its query */
};

/* "[::1]:80", "name:80", "name". */
static int parse_authority(const char *text, size_t length, struct target *target)
{
    const char *end = text + length;
    const char *bracket = *text == '[' ? memchr(text, ']', length) : NULL;
    const char *host_end = bracket ? bracket + 1 : memchr(text, ':', length);
    host_end = host_end ? host_end : end;
    const char *host = bracket ? text + 1 : text;
    size_t host_length = (size_t)((bracket ? bracket : host_end) - host);
    size_t port_length = host_end < end ? (size_t)(end - host_end) - 1 : 0;
    if (host_length == 0 || *host == '[' || host_length >= sizeof(target->host) ||
        port_length >= sizeof(target->port) || (host_end < end && *host_end != ':')) {
        return -1;
    }
    memcpy(target->host, host, host_length);
    target->host[host_length] = '\0';
    memcpy(target->port, port_length ? host_end + 1 : "80", port_length ? port_length : 2);
    target->port[port_length ? port_length : 2] = '\0';
    return 0;
}

static int parse_url(const char *url, struct target *target, struct error *err)
{
    static const char scheme[] = "ws://";
    if (strncasecmp(url, "wss://", 6) == 0) {
        error_set(err, ERR_HOST_UNSUPPORTED, 0, "'wss' (WebSocket over TLS) is not supported");
        return error_hint(err, "Use a ws:// (http://) URL, for instance through an SSH tunnel.");
    }
    size_t skip = strlen(scheme);
    const char *authority = strncasecmp(url, scheme, skip) == 0 ? url + skip : NULL;
    size_t length = authority ? strcspn(authority, "/?#") : 0;
    if (!authority || parse_authority(authority, length, target)) {
        return error_set(err, ERR_BAD_REQUEST, 0, "'%.200s' is not a ws:// URL", url);
    }
    target->path = authority[length] == '/' ? authority + length : "/";
    return 0;
}

/* --- TCP --- */

/* poll(2) until then. 1, 0 late, -1. */
static int wait_for(int fd, short events, int64_t end_ms)
{
    for (;;) {
        int64_t left_ms = end_ms - clock_monotonic_ms();
        struct pollfd socket = {.fd = fd, .events = events};
        int ready = left_ms > 0 ? poll(&socket, 1, (int)left_ms) : 0;
        if (ready >= 0 || errno != EINTR) {
            return ready;
        }
    }
}

static int connect_address(const struct addrinfo *address)
{
    auto_close int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
        return take_fd(&fd);
    }
    if (errno != EINPROGRESS) {
        return -1;
    }
    int failure = 0;
    socklen_t size = sizeof(failure);
    int ready = wait_for(fd, POLLOUT, clock_monotonic_ms() + CONNECT_MAX_MS);
    if (ready == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0) {
        return take_fd(&fd);
    }
    errno = ready == 0 ? ETIMEDOUT : failure ? failure : errno;
    return -1;
}

static int connect_tcp(const struct target *target, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = getaddrinfo(target->host, target->port, &hints, &found);
    if (failed) {
        return error_set(err, ERR_HOST_UNAVAILABLE, 0, "look up %s: %s", target->host,
                         gai_strerror(failed));
    }
    int fd = -1;
    for (const struct addrinfo *address = found; address && fd < 0; address = address->ai_next) {
        fd = connect_address(address);
    }
    int reason = errno;
    freeaddrinfo(found);
    return fd >= 0 ? fd
                   : error_set(err, ERR_HOST_UNAVAILABLE, reason, "connect to %s port %s",
                               target->host, target->port);
}

/* --- handshake --- */

static int send_request(int fd, const struct target *target, const char *key,
                        const char *const *headers, const char *subprotocol, struct error *err)
{
    auto_buffer struct buffer head = BUFFER_INIT(HEAD_MAX);
    bool is_v6 = strchr(target->host, ':');
    int failed = buffer_printf(&head,
                               "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: %s\r\n",
                               target->path, is_v6 ? "[" : "", target->host, is_v6 ? "]" : "",
                               target->port, key);
    if (subprotocol) {
        failed |= buffer_printf(&head, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    }
    for (; headers && *headers; headers++) {
        failed |= buffer_printf(&head, "%s\r\n", *headers);
    }
    failed |= buffer_append(&head, "\r\n", 2);
    if (failed) {
        return error_set(err, ERR_HEADERS_TOO_LARGE, 0, "the WebSocket handshake is too long");
    }
    /* It fits into the new socket's empty buffer. */
    return send(fd, head.data, head.length, MSG_NOSIGNAL) == (ssize_t)head.length
               ? 0
               : error_set(err, ERR_HOST_UNAVAILABLE, errno, "send the WebSocket handshake");
}

/* Reads until the head's end is in *reply. Returns the head's length. */
static ssize_t read_head(int fd, struct buffer *reply, struct error *err)
{
    int64_t end_ms = clock_monotonic_ms() + REPLY_MAX_MS;
    for (;;) {
        const char *end = reply->length ? strstr(reply->data, "\r\n\r\n") : NULL;
        if (end) {
            return end + 4 - reply->data;
        }
        char part[4096];
        int ready = wait_for(fd, POLLIN, end_ms);
        ssize_t got = ready == 1 ? recv(fd, part, sizeof(part), 0) : -1;
        if (got > 0 && buffer_append(reply, part, (size_t)got) == 0) {
            continue;
        }
        return error_set(err, ERR_HOST_UNAVAILABLE, ready == 0 ? ETIMEDOUT : 0,
                         "the server gave no answer to the WebSocket handshake");
    }
}

/* The value of a header in head (which begins with the status line), or NULL. */
static char *find_header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1;
            value += strspn(value, " \t");
            return strndup(value, strcspn(value, "\r\n"));
        }
    }
    return NULL;
}

/* The status's error, as far as it says something by itself. */
static enum error_code code_of(int status)
{
    switch (status) {
    case 401:
        return ERR_INVALID_TOKEN;
    case 403:
        return ERR_SCOPE;
    case 404:
        return ERR_NOT_FOUND;
    case 429:
        return ERR_RATE_LIMITED;
    default:
        return status >= 500 ? ERR_HOST_UNAVAILABLE : ERR_BAD_REQUEST;
    }
}

static int check_reply(const char *head, const char *key, const char *subprotocol,
                       struct error *err)
{
    char wanted[WEBSOCKET_ACCEPT_SIZE];
    int status = strncmp(head, "HTTP/1.1 ", 9) == 0 ? (int)strtol(head + 9, NULL, 10) : 0;
    if (status != 101) {
        return error_set(err, code_of(status), 0, "the server refused the WebSocket with status %d",
                         status);
    }
    auto_free char *accept = find_header(head, "Sec-WebSocket-Accept");
    auto_free char *chosen = find_header(head, "Sec-WebSocket-Protocol");
    if (!accept || !websocket_accept_key(key, wanted) || strcmp(accept, wanted) != 0) {
        return error_set(err, ERR_HOST_UNAVAILABLE, 0, "the server does not speak WebSocket");
    }
    if (subprotocol && (!chosen || strcmp(chosen, subprotocol) != 0)) {
        return error_set(err, ERR_HOST_UNAVAILABLE, 0, "the server does not speak %s", subprotocol);
    }
    return 0;
}

struct websocket *websocket_connect(const char *url, const char *const *headers,
                                    const char *subprotocol, int *ret_fd, struct error *err)
{
    struct target target;
    if (parse_url(url, &target, err)) {
        return NULL;
    }
    unsigned char nonce[16];
    char key[25];
    random_bytes(nonce, sizeof(nonce));
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce));
    auto_close int fd = connect_tcp(&target, err);
    if (fd < 0 || send_request(fd, &target, key, headers, subprotocol, err)) {
        return NULL;
    }
    auto_buffer struct buffer reply = BUFFER_INIT(HEAD_MAX + 4096);
    ssize_t head_length = read_head(fd, &reply, err);
    if (head_length < 0) {
        return NULL;
    }
    reply.data[head_length - 1] = '\0'; /* what follows is the first frames */
    if (check_reply(reply.data, key, subprotocol, err)) {
        return NULL;
    }
    struct websocket *websocket =
        websocket_new(fd, true, reply.data + head_length, reply.length - (size_t)head_length);
    if (!websocket) {
        error_set(err, ERR_INTERNAL, ENOMEM, "make a WebSocket");
        return NULL;
    }
    *ret_fd = take_fd(&fd);
    return websocket;
}
