#include "http/upgrade.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { CLOSE_WAIT_MS = 2 * 1000 }; /* for the client's close frame */

/* Is word one of the header's comma-separated values, whatever its case? */
static bool has_word(const char *header, const char *word)
{
    size_t wanted = strlen(word);
    while (header && *header) {
        header += strspn(header, " \t,");
        size_t length = strcspn(header, " \t,");
        if (length == wanted && strncasecmp(header, word, wanted) == 0) {
            return true;
        }
        header += length;
    }
    return false;
}

static bool is_handshake(const struct request *request)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    const char *version = request_header(request, "Sec-WebSocket-Version");
    const char *key = request_header(request, "Sec-WebSocket-Key");
    return strcmp(request->method, "GET") == 0 && request->is_http_1_1 &&
           has_word(request_header(request, "Upgrade"), "websocket") &&
           has_word(request_header(request, "Connection"), "upgrade") && version &&
           strcmp(version, "13") == 0 && key && websocket_accept_key(key, accept);
}

int upgrade_check(struct request *request, struct error *err)
{
    if (is_handshake(request)) {
        return 0;
    }
    respond_header(request, "Upgrade", "websocket");
    respond_header(request, "Sec-WebSocket-Version", "13");
    return error_set(err, ERR_UPGRADE_REQUIRED, 0,
                     "this route is a WebSocket (RFC 6455, version 13): the opening handshake's "
                     "headers are missing or malformed");
}

/* libmicrohttpd's upgrade handler. Runs in the connection's thread, once the 101 was sent. */
static void run_session(void *context, struct MHD_Connection *mhd, void *slot, const char *early,
                        size_t early_length, MHD_socket fd,
                        struct MHD_UpgradeResponseHandle *handle)
{
    (void)context, (void)mhd;
    struct request *request = slot;
    connection_set_phase(request->connection, CONNECTION_BUSY);
    struct websocket *websocket = websocket_new(fd, false, early, early_length);
    if (websocket) {
        request->run_websocket(request, websocket, fd);
        websocket_free(websocket);
    } else {
        log_error("http.no_memory", "status=101");
    }
    shutdown(fd, SHUT_RDWR);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

void respond_websocket(struct request *request, const char *subprotocol,
                       void (*run)(struct request *request, struct websocket *websocket, int fd))
{
    char accept[WEBSOCKET_ACCEPT_SIZE] = "";
    const char *offered = request_header(request, "Sec-WebSocket-Protocol");
    websocket_accept_key(request_header(request, "Sec-WebSocket-Key"), accept);
    respond_header(request, "Upgrade", "websocket");
    respond_header(request, "Sec-WebSocket-Accept", accept);
    if (offered && websocket_offers(offered, subprotocol)) {
        respond_header(request, "Sec-WebSocket-Protocol", subprotocol);
    }
    request->run_websocket = run;
    request->answered_us = clock_monotonic_us();
    respond_queue(request, MHD_HTTP_SWITCHING_PROTOCOLS,
                  MHD_create_response_for_upgrade(run_session, NULL));
}

/* --- refusals --- */

struct refusal {
    int code;
    char reason[124];
};

/* Whatever the client sends meanwhile, the time for it does not begin anew. */
static void run_refusal(struct request *request, struct websocket *websocket, int fd)
{
    (void)fd;
    const struct refusal *refusal = request_state(request);
    struct websocket_message message = {.type = WEBSOCKET_TEXT};
    int64_t end_ms = clock_monotonic_ms() + CLOSE_WAIT_MS, left_ms = CLOSE_WAIT_MS;
    if (websocket_close(websocket, refusal->code, refusal->reason)) {
        return;
    }
    while (left_ms > 0 && websocket_receive(websocket, left_ms, &message) >= 0 &&
           message.type != WEBSOCKET_CLOSE) {
        left_ms = end_ms - clock_monotonic_ms();
    }
}

void respond_websocket_close(struct request *request, const char *subprotocol, int code,
                             const char *reason)
{
    struct refusal *refusal = calloc(1, sizeof(*refusal));
    if (!refusal) {
        struct error err = {0};
        error_set(&err, ERR_INTERNAL, ENOMEM, "refuse a WebSocket");
        respond_error(request, &err);
        return;
    }
    refusal->code = code;
    snprintf(refusal->reason, sizeof(refusal->reason), "%s", reason);
    log_info("socket.refused", "code=%d reason=%s", code, reason);
    request_set_state(request, refusal, free);
    respond_websocket(request, subprotocol, run_refusal);
}

bool upgrade_refuse(struct request *request, const struct error *err)
{
    const struct route *route = request->match.route;
    int status = error_http_status(err->code);
    if (!route || !route->subprotocol || (status != 401 && status != 403) ||
        !is_handshake(request)) {
        return false;
    }
    log_warn("http.error", "status=%d code=%s field=%s error=%s", status, error_api_code(err->code),
             err->field, err->message);
    respond_websocket_close(request, route->subprotocol,
                            status == 401 ? UPGRADE_CLOSE_AUTH : UPGRADE_CLOSE_FORBIDDEN,
                            err->message);
    return true;
}
