/* A WebSocket that leads to something inside a sandbox: what terminals and tunnels share of its life. It is used
 * by the connection's thread alone, which waits in one place for the client, the inside and all that may end
 * the link. */
#ifndef ATOLL_API_SOCKET_LINK_H
#define ATOLL_API_SOCKET_LINK_H

#include "api/api.h"
#include "websocket/websocket.h"
#include "wire/fields.h"

#include <poll.h>

/* Close codes of the contract, beside those of RFC 6455; refused credentials have theirs in http/upgrade.h. */
enum socket_close {
    SOCKET_CLOSE_NORMAL = 1000,
    SOCKET_CLOSE_FAILED = 1011,
    SOCKET_CLOSE_RESTART = 1012,
    SOCKET_CLOSE_BUSY = 1013,
    SOCKET_CLOSE_BAD_PORT = 4000,
    SOCKET_CLOSE_NOT_FOUND = 4004,
    SOCKET_CLOSE_REFUSED = 4005,
    SOCKET_CLOSE_TIMEOUT = 4006,
    SOCKET_CLOSE_NOT_RUNNING = 4009,
    SOCKET_CLOSE_LIMIT = 4013,
};

/* What fits into one write to a socket that poll(2) calls writable without waiting long. */
enum { SOCKET_PART_BYTES = 16 * 1024 };

struct socket_link {
    struct api *api;             /* borrowed */
    struct websocket *websocket; /* borrowed */
    int fd, ending_fd;
    char sandbox_id[ID_SIZE];
    uint64_t run;  /* of the sandbox, when the link was made */
    bool readable; /* after a wait: */
    bool writable;
    bool more;          /* the last receive gave something: there may be more without a wait */
    int64_t checked_ms; /* monotonic: when the sandbox was looked at */
    int64_t pinged_ms;
    int64_t stalled_ms; /* since when the client has not read what is for it; 0: it reads */
    int stalled_bytes;  /* that it had not read then */
    int64_t touched_ms;
};

void socket_link_init(struct socket_link *link, struct request *request,
                      struct websocket *websocket, int fd, const struct sandbox_view *view);

/* Waits, at most a second, until the client has something (when reads), takes something (when writes), or
 * *peer is ready. 0, or -1 when the link is over: the client is dead or does not read, the sandbox has stopped
 * or gone, or the service ends; the client has been told as far as it can be. */
int socket_link_wait(struct socket_link *link, bool reads, bool writes, struct pollfd *peer);

/* The next message, without waiting. 1, 0 nothing, -1 as websocket_receive. */
int socket_link_receive(struct socket_link *link, struct websocket_message *ret_message);

/* Sends a first part of what is left; cuts it off *bytes. -1: the client is gone. */
int socket_link_send(struct socket_link *link, struct bytes_view *bytes);

/* The client did something that keeps the sandbox awake. */
void socket_link_touch(struct socket_link *link);

/* Closes in order: waits shortly for the client's answer. */
void socket_link_end(struct socket_link *link, int code, const char *reason);

/* As socket_link_end, with why the inside is gone: the sandbox's state, else err. */
void socket_link_end_failed(struct socket_link *link, const struct error *err);

/* The close code that an error means. */
int socket_close_code(const struct error *err);

#endif
