/* An HTTP server with routes of the tests' own, and raw requests to it. */
#ifndef ATOLL_TESTS_HTTP_FIXTURE_H
#define ATOLL_TESTS_HTTP_FIXTURE_H

#include "base/settings.h"
#include "http/http.h"

#include <stdbool.h>

struct http_fixture {
    struct settings settings;
    struct store *store;
    struct http_server *server;
    char directory[64];
    char key[KEY_TEXT_SIZE];        /* has every scope */
    char reader_key[KEY_TEXT_SIZE]; /* may only read */
    int port;
};

/* Fills settings with small limits, no rate limit; change them before http_fixture_start. */
void http_fixture_prepare(struct http_fixture *fixture);
bool http_fixture_start(struct http_fixture *fixture, const struct route *routes);
void http_fixture_stop(struct http_fixture *fixture);

/* A connection to it. */
int http_fixture_connect(const struct http_fixture *fixture);

/* Sends bytes on a new connection and reads until the server ends it. The text is the caller's to
 * free(); NULL when it did not end within ten seconds. */
char *http_fixture_exchange(const struct http_fixture *fixture, const char *bytes, size_t length);

/* Reads until the peer ends. As above. */
char *http_fixture_drain(int fd);

/* A request with "Connection: close": method and path, more header lines (each with CR LF, or ""), body
 * or NULL (then there is no Content-Length). */
char *http_fixture_request(const struct http_fixture *fixture, const char *method, const char *path,
                           const char *headers, const char *body);

/* Status of the first reply in text, 0 when there is none. */
int http_status(const char *text);

/* How many replies begin in text. */
int http_reply_count(const char *text);

#endif
