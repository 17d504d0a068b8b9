/* Requests that become WebSockets. Their connection's thread runs the session. */
#ifndef ATOLL_HTTP_UPGRADE_H
#define ATOLL_HTTP_UPGRADE_H

#include "http/http.h"
#include "websocket/websocket.h"

/* Is the request the opening handshake of a WebSocket (RFC 6455, version 13)? -1: ERR_UPGRADE_REQUIRED. */
int upgrade_check(struct request *request, struct error *err);

/* Answers 101 to a request that upgrade_check approved; choosing subprotocol when the client offers it. Then
 * run has the connection, in the same thread, until it returns; what it left open is cut. It polls fd (never
 * closes it) and request_ending_fd: told, it is to end within a second or two. run is not called when the
 * client went before. The request with its state lives until after run. */
void respond_websocket(struct request *request, const char *subprotocol,
                       void (*run)(struct request *request, struct websocket *websocket, int fd));

/* Accepts the handshake (upgrade_check) and closes with code and a short reason, for what a WebSocket client would
 * not see otherwise. The client has two seconds to answer. */
void respond_websocket_close(struct request *request, const char *subprotocol, int code,
                             const char *reason);

enum upgrade_refusal { UPGRADE_CLOSE_AUTH = 4001, UPGRADE_CLOSE_FORBIDDEN = 4003 };

/* Tells a refused credential (401, 403) by close code to who would speak to route.subprotocol. false: it is no such
 * request or error, and not answered. */
bool upgrade_refuse(struct request *request, const struct error *err);

#endif
