#include "http/upgrade.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

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

int upgrade_check(struct request *request, struct error *err)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    const char *version = request_header(request, "Sec-WebSocket-Version");
    const char *key = request_header(request, "Sec-WebSocket-Key");
    if (strcmp(request->method, "GET") == 0 && request->is_http_1_1 &&
        has_word(request_header(request, "Upgrade"), "websocket") &&
        has_word(request_header(request, "Connection"), "upgrade") && version &&
        strcmp(version, "13") == 0 && key && websocket_accept_key(key, accept)) {
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
