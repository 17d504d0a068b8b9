/* Request heads and bodies that two parsers could read differently: each is refused and its connection
 * ends, so that what follows is never taken for another request. */
#include "check.h"
#include "http_fixture.h"

#include <stdlib.h>
#include <string.h>

static struct http_fixture fixture;

static void echo(struct request *request)
{
    respond_json(request, 200, json_incref(request_json(request)));
}

static const struct route routes[] = {
    {.method = "POST",
     .pattern = "//echo",
     .body = BODY_JSON,
     .flags = ROUTE_PUBLIC,
     .handler = echo},
    {0},
};

#define HEAD "POST /echo HTTP/1.1\r\nHost: unit\r\n"
#define NEXT HEAD "Connection: close\r\nContent-Length: 2\r\n\r\n{}"

struct attempt {
    const char *name, *bytes;
    size_t length;
};

#define ATTEMPT(name, bytes)                                                                       \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1                                                             \
    }

static const struct attempt refused[] = {
    ATTEMPT("two lengths", HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("length and chunked",
            HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
    ATTEMPT("chunked and length",
            HEAD "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n" NEXT),
    ATTEMPT("unknown encoding", HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT),
    ATTEMPT("list of encodings", HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT),
    ATTEMPT("two encodings",
            HEAD "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
    ATTEMPT("space before the colon", HEAD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" NEXT),
    ATTEMPT("folded encoding", HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" NEXT),
    ATTEMPT("folded length", HEAD "Content-Length: 2\r\n 3\r\n\r\n{}" NEXT),
    ATTEMPT("signed length", HEAD "Content-Length: +2\r\n\r\n{}" NEXT),
    ATTEMPT("negative length", HEAD "Content-Length: -2\r\n\r\n{}" NEXT),
    ATTEMPT("hexadecimal length", HEAD "Content-Length: 0x2\r\n\r\n{}" NEXT),
    ATTEMPT("list of lengths", HEAD "Content-Length: 2, 2\r\n\r\n{}" NEXT),
    ATTEMPT("length over 64 bits", HEAD "Content-Length: 99999999999999999999\r\n\r\n{}" NEXT),
    ATTEMPT("NUL in a value", HEAD "X: a\0b\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("NUL in a name", HEAD "X\0Y: a\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("NUL in the target",
            "POST /echo\0x HTTP/1.1\r\nHost: unit\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("bare CR", HEAD "X: a\rContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("bare LF", HEAD "X: a\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("folded header", HEAD "X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("empty name", HEAD ": x\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("empty name last", HEAD "Content-Length: 2\r\n: x\r\n\r\n{}" NEXT),
    ATTEMPT("head that ends in a bare LF", HEAD "Content-Length: 2\r\n\n{}" NEXT),
    ATTEMPT("line without colon", HEAD "nonsense\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("space in the target",
            "POST /echo x HTTP/1.1\r\nHost: unit\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("no version", "POST /echo\r\nHost: unit\r\n\r\n" NEXT),
    ATTEMPT("another version", "POST /echo HTTP/2.0\r\nHost: unit\r\n\r\n" NEXT),
    ATTEMPT("no host", "POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("two hosts", HEAD "Host: other\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("malformed method",
            "PO<T /echo HTTP/1.1\r\nHost: unit\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("chunk size that is none",
            HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" NEXT),
    ATTEMPT("chunk size over 64 bits",
            HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n" NEXT),
    ATTEMPT("chunk longer than its size",
            HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" NEXT),
    ATTEMPT("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
};

static void doubtful_requests_are_refused(void)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char *text = http_fixture_exchange(&fixture, refused[i].bytes, refused[i].length);
        int status = http_status(text);
        bool held =
            text && (status == 0 || (status >= 400 && status < 600)) && http_reply_count(text) <= 1;
        check_that(held, refused[i].name, __FILE__, __LINE__);
        free(text);
    }
}

static const struct attempt taken[] = {
    ATTEMPT("plain", HEAD "Content-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("chunked", HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" NEXT),
    ATTEMPT("chunk extension and trailer",
            HEAD "Transfer-Encoding: Chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n" NEXT),
    ATTEMPT("no body", HEAD "\r\n" NEXT),
    ATTEMPT("absolute form",
            "POST http://unit/echo HTTP/1.1\r\nHost: unit\r\nContent-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("query", "POST /echo?a=b&c=%20d HTTP/1.1\r\nHost: unit\r\nX:y\r\n"
                     "Content-Length: 2\r\n\r\n{}" NEXT),
    ATTEMPT("empty header", HEAD "X:\r\nContent-Length: 2\r\n\r\n{}" NEXT),
};

static void sound_requests_follow_each_other(void)
{
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        char *text = http_fixture_exchange(&fixture, taken[i].bytes, taken[i].length);
        bool held = http_status(text) == 200 && http_reply_count(text) == 2;
        check_that(held, taken[i].name, __FILE__, __LINE__);
        free(text);
    }
}

static const struct check_case cases[] = {
    {"doubtful requests are refused", doubtful_requests_are_refused},
    {"sound requests follow each other", sound_requests_follow_each_other},
};

int main(int argc, char **argv)
{
    http_fixture_prepare(&fixture);
    if (!http_fixture_start(&fixture, routes)) {
        return 1;
    }
    int result = check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
    http_fixture_stop(&fixture);
    return result;
}
