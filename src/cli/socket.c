#include "cli/socket.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

struct websocket *client_websocket(const struct client *client, const char *path,
                                   const char *subprotocol, int *ret_fd, struct error *err)
{
    char header[sizeof(client->key) + 32], url[CLIENT_URL_MAX + 256];
    const char *const headers[] = {header, NULL};
    const char *host = strstr(client->url, "://");
    bool is_tls = strncasecmp(client->url, "https", 5) == 0;
    snprintf(header, sizeof header, "Authorization: Bearer %s", client->key);
    snprintf(url, sizeof url, "%s://%s/api/v1%s", is_tls ? "wss" : "ws",
             host ? host + 3 : client->url, path);
    struct websocket *websocket = websocket_connect(url, headers, subprotocol, ret_fd, err);
    if (!websocket && err->code == ERR_HOST_UNAVAILABLE) {
        err->errnum = ECONNREFUSED;
    }
    return websocket;
}

int socket_close_error(const struct websocket_message *close, struct error *err)
{
    enum error_code code = ERR_INTERNAL;
    if (close->close_code == 4001) {
        code = ERR_INVALID_TOKEN;
    } else if (close->close_code == 4003) {
        code = ERR_SCOPE;
    } else if (close->close_code == 4004) {
        code = ERR_NOT_FOUND;
    } else if (close->close_code == 4009) {
        code = ERR_NOT_RUNNING;
    } else if (close->close_code == 4005 || close->close_code == 4006) {
        code = ERR_UPSTREAM;
    }
    if (close->length > 0) {
        return error_set(err, code, 0, "%.*s", (int)close->length, close->bytes);
    }
    return error_set(err, code, 0, "the server closed the connection with code %d",
                     close->close_code);
}
