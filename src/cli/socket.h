/* WebSockets to the server that the client talks to. */
#ifndef ATOLL_CLI_SOCKET_H
#define ATOLL_CLI_SOCKET_H

#include "cli/client.h"
#include "websocket/websocket.h"

/* path: below /api/v1. *ret_fd is the caller's. Not reached: ERR_HOST_UNAVAILABLE with errnum ECONNREFUSED. */
struct websocket *client_websocket(const struct client *client, const char *path,
                                   const char *subprotocol, int *ret_fd, struct error *err);

/* The error that a close frame tells: its reason, and a code for the program's exit. Returns -1. */
int socket_close_error(const struct websocket_message *close, struct error *err);

#endif
