/* A keep-alive HTTP/1.1 client for measuring: one blocking socket, no retries but for a kept
 * connection that the server closed. One thread a connection. */
#ifndef ATOLL_BENCH_HTTP_H
#define ATOLL_BENCH_HTTP_H

#include "base/buffer.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum { HTTP_REPLY_MAX = 4 * 1024 * 1024, HTTP_RECEIVE = 1024 * 1024 };

struct http_target {
    struct sockaddr_in address;
    char host[64];
    char key[256];
};

struct http_connection {
    const struct http_target *target;
    int fd;         /* -1: not connected */
    char *received; /* HTTP_RECEIVE bytes: from start to end not yet used */
    size_t start, end;
};

struct http_reply {
    int status;
    struct buffer body;    /* stays empty when discarded */
    long long body_length; /* bytes that came */
};

struct http_call {
    const char *method;
    const char *path; /* whole, with /api/v1 */
    const char *content_type;
    const void *body;
    size_t body_length;
    bool discard; /* count the reply's body, keep none of it */
};

/* "http://127.0.0.1:8080" → target. 0 or -1. */
int http_target_parse(struct http_target *target, const char *url, const char *key);

int http_open(struct http_connection *connection, const struct http_target *target);
void http_close(struct http_connection *connection);

/* Sends and reads the whole reply. 0, or -1 when the connection failed. reply is emptied first and
 * is freed by the caller (buffer_free). */
int http_send(struct http_connection *connection, const struct http_call *call,
              struct http_reply *reply);

#endif
