/* An HTTP request to a server inside a sandbox: libcurl over a socket of the sandbox's network. */
#include "app/internal.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>

struct attempt {
    struct hostclient *host;
    const char *sandbox_id;
    struct error *err; /* why there was no socket */
};

/* Puts address, as atoll-host names it, where libcurl will connect to; the port stays. */
static bool redirect(struct curl_sockaddr *target, const char *address)
{
    if (target->family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &target->addr, sizeof(in));
        bool valid = inet_pton(AF_INET, address, &in.sin_addr) == 1;
        memcpy(&target->addr, &in, sizeof(in));
        return valid;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, &target->addr, sizeof(in6));
    bool valid = inet_pton(AF_INET6, address, &in6.sin6_addr) == 1;
    memcpy(&target->addr, &in6, sizeof(in6));
    return valid;
}

static curl_socket_t open_inside(void *context, curlsocktype purpose, struct curl_sockaddr *target)
{
    struct attempt *attempt = context;
    int fd;
    char address[46];
    bool known = purpose == CURLSOCKTYPE_IPCXN &&
                 (target->family == AF_INET ||
                  (target->family == AF_INET6 && target->addrlen >= sizeof(struct sockaddr_in6)));
    if (!known || host_sockets(attempt->host, attempt->sandbox_id, target->family, 1, &fd, address,
                               attempt->err) < 0) {
        return CURL_SOCKET_BAD;
    }
    if (!redirect(target, address)) {
        close_fd(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

/* The head is all that matters: the body's first bytes end the transfer. */
static size_t end_at_body(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)size;
    (void)count;
    (void)context;
    return 0;
}

static int to_error(CURLcode code, const struct attempt *attempt, int port, struct error *err)
{
    if (attempt->err->code != ERR_NONE) {
        *err = *attempt->err;
        return -1;
    }
    if (code == CURLE_COULDNT_CONNECT) {
        return error_set(err, ERR_PORT_NOT_LISTENING, 0, "nothing listens on port %d", port);
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return error_set(err, ERR_UPSTREAM_TIMEOUT, 0, "the server on port %d does not answer",
                         port);
    }
    return error_set(err, ERR_UPSTREAM, 0, "the server on port %d: %s", port,
                     curl_easy_strerror(code));
}

static void set_options(CURL *curl, const char *url, int64_t timeout_ms, struct attempt *attempt)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "atoll-probe");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_inside);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, end_at_body);
}

/* *ret_status 0: no answer, err says why. */
static int ask(struct attempt *attempt, const char *host_name, int port, const char *path,
               int64_t timeout_ms, int *ret_status, struct error *err)
{
    char url[4096];
    CURL *curl = curl_easy_init();
    if (!curl) {
        return error_set(err, ERR_INTERNAL, 0, "no memory for an HTTP probe");
    }
    snprintf(url, sizeof(url), "http://%s:%d%s", host_name, port, path);
    set_options(curl, url, timeout_ms, attempt);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    bool answered =
        status > 0 && (code == CURLE_OK || code == CURLE_WRITE_ERROR || code == CURLE_PARTIAL_FILE);
    if (!answered) {
        return to_error(code, attempt, port, err);
    }
    *ret_status = (int)status;
    return 0;
}

int probe_http(struct hostclient *host, const char *sandbox_id, int port, const char *path,
               int64_t timeout_ms, int *ret_status, struct error *err)
{
    struct error no_socket = {0}, second = {0};
    struct attempt attempt = {.host = host, .sandbox_id = sandbox_id, .err = &no_socket};
    if (ask(&attempt, "127.0.0.1", port, path, timeout_ms, ret_status, err) == 0) {
        return 0;
    }
    if (err->code != ERR_PORT_NOT_LISTENING ||
        ask(&attempt, "[::1]", port, path, timeout_ms, ret_status, &second) < 0) {
        return -1; /* what IPv4 said: more servers listen there */
    }
    return 0;
}
