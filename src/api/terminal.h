/* Terminals of a sandbox: the parts that the files of the resource share. */
#ifndef ATOLL_API_TERMINAL_H
#define ATOLL_API_TERMINAL_H

#include "api/api.h"

#include <stdbool.h>

/* The name of the key that signs stream tokens (store_secret). */
#define TERMINAL_SECRET "stream_token"

/* Can this be a terminal's session id? */
bool terminal_id_valid(const char *session_id);

/* {session_id, sandbox_id, ws_url, stream_auth, stream_auth_expires_at, expires_at}: how to reach the
 * terminal (terminal_access.c). NULL with err. */
json_t *terminal_access(const struct request *request, const char *sandbox_id,
                        const char *session_id, struct error *err);

/* Both return -1. failed: what an error of the agent means to a terminal's client. */
int terminal_not_found(struct error *err);
int terminal_failed(struct sandboxes *sandboxes, const struct sandbox_use *use, struct error *err);

/* Hangs up and ends all of it; its record goes, too. */
int terminal_end(const char *agent_socket, const char *session_id, struct error *err);

/* GET …/terminal/stream (terminal_stream.c). */
extern const char terminal_subprotocol[];
int terminal_stream_authenticate(const struct request *request, struct principal *ret_principal,
                                 struct error *err);
void terminal_stream_handle(struct request *request);

/* GET …/tunnel/{port} (tunnel.c). */
extern const char tunnel_subprotocol[];
void tunnel_handle(struct request *request);

#endif
