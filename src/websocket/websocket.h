/*
 * WebSocket connections (RFC 6455) on a blocking socket, for both ends, over wslay's framing: fragments are
 * joined, pings answered, limits kept, text checked for UTF-8. One thread reads; any thread may send.
 */
#ifndef ATOLL_WEBSOCKET_WEBSOCKET_H
#define ATOLL_WEBSOCKET_WEBSOCKET_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct websocket;

enum { WEBSOCKET_MESSAGE_MAX = 1024 * 1024, WEBSOCKET_ACCEPT_SIZE = 29 };

/* Sec-WebSocket-Accept of a Sec-WebSocket-Key. false: the key is not 16 bytes in base64. */
bool websocket_accept_key(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE]);

/* Is protocol one of a Sec-WebSocket-Protocol header's comma-separated values? */
bool websocket_offers(const char *header, const char *protocol);

/* Speaks on fd, which stays the caller's and must outlive it. early: bytes that were received behind the
 * handshake. is_client: frames are masked. NULL on ENOMEM. */
struct websocket *websocket_new(int fd, bool is_client, const void *early, size_t early_length);
struct websocket *websocket_free(struct websocket *websocket);

enum websocket_message_type { WEBSOCKET_TEXT, WEBSOCKET_BINARY, WEBSOCKET_CLOSE };

struct websocket_message {
    enum websocket_message_type type;
    const char *bytes; /* borrowed until the next receive; text has a NUL behind it */
    size_t length;
    int close_code; /* CLOSE: 1000…; 1005 none was given, 1006 the connection broke */
};

/* Handles what is there; waits at most wait_ms (-1: for ever) for more. 1 a message, 0 time passed. A
 * violation of the protocol answers with its close code and is told as CLOSE; after CLOSE: -1. */
int websocket_receive(struct websocket *websocket, int64_t wait_ms,
                      struct websocket_message *ret_message);

/* 0, or -1 when the connection is closing or broken, or the peer did not read for send_timeout (30 s). */
int websocket_send(struct websocket *websocket, enum websocket_message_type type, const void *bytes,
                   size_t length);
int websocket_ping(struct websocket *websocket);

/* Monotonic milliseconds when bytes of the peer came last (at first: when it was made), for finding dead ones. */
int64_t websocket_heard_ms(const struct websocket *websocket);

/* Sends a close frame (code, a short reason or NULL), once. Receive until CLOSE to end it in order. */
int websocket_close(struct websocket *websocket, int code, const char *reason);

/* A connected client: TCP, handshake with headers ("Name: value" lines, or NULL) and subprotocol (or NULL).
 * url: "ws://host:port/path" ("wss" is refused by name). *ret_fd is the caller's. */
struct websocket *websocket_connect(const char *url, const char *const *headers,
                                    const char *subprotocol, int *ret_fd, struct error *err);

#endif
