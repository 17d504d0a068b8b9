#include "http_fixture.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10 * 1000, REPLY_MAX = 64 * 1024 * 1024 };

void http_fixture_prepare(struct http_fixture *fixture)
{
    *fixture = (struct http_fixture){
        .settings = {.listen = "127.0.0.1:0",
                     .rate_limit = 0,
                     .connections = 64,
                     .client_timeout_sec = 30,
                     .body_max_kb = 64},
        .directory = "/tmp/atoll-unit-http-XXXXXX",
    };
    log_init("unit", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
}

static int make_keys(struct http_fixture *fixture, struct error *err)
{
    struct principal owner;
    struct api_key key;
    if (store_tenant_ensure(fixture->store, "unit", &owner, err)) {
        return -1;
    }
    return store_key_create(fixture->store, &owner, "all", SCOPE_ALL, 0, &key, fixture->key, err) ||
                   store_key_create(fixture->store, &owner, "read", SCOPE_SANDBOXES_READ, 0, &key,
                                    fixture->reader_key, err)
               ? -1
               : 0;
}

bool http_fixture_start(struct http_fixture *fixture, const struct route *routes)
{
    struct error err = {0};
    char path[128];
    if (!mkdtemp(fixture->directory)) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/store.db", fixture->directory);
    fixture->store = store_open(path, &err);
    if (!fixture->store || make_keys(fixture, &err)) {
        printf("# %s\n", err.message);
        return false;
    }
    fixture->server = http_server_start(&fixture->settings, fixture->store, routes, fixture, &err);
    if (!fixture->server) {
        printf("# %s\n", err.message);
        return false;
    }
    fixture->port = http_server_port(fixture->server);
    return true;
}

void http_fixture_stop(struct http_fixture *fixture)
{
    static const char *const files[] = {"store.db", "store.db-wal", "store.db-shm"};
    http_server_stop(fixture->server, PATIENCE_MS);
    store_close(fixture->store);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", fixture->directory, files[i]);
        unlink(path);
    }
    rmdir(fixture->directory);
}

int http_fixture_connect(const struct http_fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return -1;
    }
    return take_fd(&fd);
}

char *http_fixture_drain(int fd)
{
    struct buffer text = BUFFER_INIT(REPLY_MAX);
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        char *room = buffer_reserve(&text, 64 * 1024);
        if (!room || poll(&ready, 1, PATIENCE_MS) != 1) {
            buffer_free(&text);
            return NULL;
        }
        ssize_t got = recv(fd, room, 64 * 1024, 0);
        if (got <= 0) {
            room[0] = '\0';
            return text.data;
        }
        text.length += (size_t)got;
    }
}

char *http_fixture_exchange(const struct http_fixture *fixture, const char *bytes, size_t length)
{
    auto_close int fd = http_fixture_connect(fixture);
    if (fd < 0) {
        return NULL;
    }
    if (write_all(fd, bytes, length) && errno != EPIPE && errno != ECONNRESET) {
        return NULL;
    }
    return http_fixture_drain(fd);
}

char *http_fixture_request(const struct http_fixture *fixture, const char *method, const char *path,
                           const char *headers, const char *body)
{
    auto_buffer struct buffer text = BUFFER_INIT(REPLY_MAX);
    int failed = buffer_printf(&text, "%s %s HTTP/1.1\r\nHost: unit\r\nConnection: close\r\n%s",
                               method, path, headers);
    if (body) {
        failed |= buffer_printf(&text, "Content-Length: %zu\r\n\r\n", strlen(body));
        failed |= buffer_append(&text, body, strlen(body));
    } else {
        failed |= buffer_printf(&text, "\r\n");
    }
    return failed ? NULL : http_fixture_exchange(fixture, text.data, text.length);
}

int http_status(const char *text)
{
    return text && strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

int http_reply_count(const char *text)
{
    int count = 0;
    while (text && (text = strstr(text, "HTTP/1.1 "))) {
        count++;
        text++;
    }
    return count;
}
