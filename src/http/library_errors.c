/*
 * Errors that libmicrohttpd finds itself: a malformed length or chunk, a head that does not fit. It tells
 * its logger before it sends an HTML page, and on the connection's own thread; so that is where our answer
 * is sent, in the shape of all others, and the connection is closed for writing before the page can follow.
 * A request line that is not understood comes before there is anything to know the connection by: its page
 * is sent.
 */
#include "http/request.h"

#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

/* A thread serves one connection. */
static _Thread_local struct connection *current_connection;
static _Thread_local struct request *current_request;

void library_errors_follow(struct connection *connection, struct request *request)
{
    current_connection = connection;
    current_request = request;
}

static enum error_code code_of(unsigned status)
{
    switch (status) {
    case MHD_HTTP_BAD_REQUEST:
    case MHD_HTTP_INTERNAL_SERVER_ERROR: /* a chunk's head that outgrows the buffer */
        return ERR_LENGTH;
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return ERR_TOO_LARGE;
    case MHD_HTTP_URI_TOO_LONG:
        return ERR_URI_TOO_LONG;
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return ERR_HEADERS_TOO_LARGE;
    default:
        return ERR_NONE;
    }
}

static void answer(const struct error *err)
{
    struct connection *connection = current_connection;
    struct request bare = {.connection = connection};
    struct request *request = current_request ? current_request : &bare;
    if (request == &bare) {
        id_make("req_", bare.id);
    }
    respond_mid_body(request, err);
    shutdown(connection->fd, SHUT_WR);
    if (request == &bare) { /* with a request, its end lingers */
        connection_linger(connection);
    }
}

void library_errors_log(void *context, const char *format, va_list args)
{
    (void)context;
    static const char telling[] = "Error processing request (HTTP response code is %u";
    char text[256];
    va_list copy;
    va_copy(copy, args);
    vsnprintf(text, sizeof(text), format, copy);
    va_end(copy);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http.library", "%s", text);

    if (current_connection && strncmp(format, telling, strlen(telling)) == 0) {
        enum error_code code = code_of(va_arg(args, unsigned));
        struct error err = {0};
        if (code != ERR_NONE && !(current_request && current_request->status)) {
            error_set(&err, code, 0, "the request's head or body is not well-formed HTTP");
            answer(&err);
        }
    }
}
