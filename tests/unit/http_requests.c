/* Replies, errors, credentials and bodies as a client sees them. */
#include "check.h"
#include "http_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct http_fixture fixture;
static char authorized[128], reader[128];

static void echo(struct request *request)
{
    respond_json(request, 200, json_incref(request_json(request)));
}

static void show(struct request *request)
{
    const char *q = request_query(request, "q");
    respond_json(request, 200,
                 json_pack("{s:s, s:s}", "path", request_param(request, "path"), "q", q ? q : "-"));
}

static void fail(struct request *request)
{
    struct error err = {0};
    error_set_field(&err, ERR_STARTING, "it", "not now: \xff");
    respond_error_details(request, &err, json_pack("{s:i}", "more", 7));
}

static int sink_data(struct request *request, const void *bytes, size_t length, struct error *err)
{
    (void)request;
    return memchr(bytes, '!', length) ? error_set(err, ERR_DISK_FULL, 0, "an exclamation") : 0;
}

static void sink(struct request *request)
{
    respond_json(request, 200, json_object());
}

static void silent(struct request *request)
{
    (void)request;
}

static ssize_t read_tens(void *context, char *bytes, size_t max)
{
    int *left = context;
    size_t step = max < 10 ? max : 10;
    if ((*left)-- <= 0) {
        return 0;
    }
    memset(bytes, 'x', step);
    return (ssize_t)step;
}

static int *new_int(int value)
{
    int *number = malloc(sizeof(*number));
    *number = value;
    return number;
}

static void stream(struct request *request)
{
    /* The path says how many tens there are, the length that is announced stays. */
    struct respond_source source = {read_tens, free, new_int(atoi(request_param(request, "path")))};
    respond_stream(request, 200, "text/plain", 30, source);
}

static int next_event(void *context, struct sse_event *event)
{
    int *step = context;
    switch ((*step)++) {
    case 0:
        *event = (struct sse_event){"one", "7", json_pack("{s:i}", "n", 1)};
        return 1;
    case 1:
        return 2;
    default:
        return 0;
    }
}

static void events(struct request *request)
{
    respond_sse(request, next_event, free, new_int(0));
}

static const struct route routes[] = {
    {.method = "POST",
     .pattern = "/echo",
     .scope = SCOPE_SANDBOXES_WRITE,
     .body = BODY_JSON,
     .handler = echo},
    {.method = "GET", .pattern = "/show/{path...}", .flags = ROUTE_PUBLIC, .handler = show},
    {.method = "GET", .pattern = "/fail", .flags = ROUTE_PUBLIC, .handler = fail},
    {.method = "GET", .pattern = "/silent", .flags = ROUTE_PUBLIC, .handler = silent},
    {.method = "GET", .pattern = "/stream/{path}", .flags = ROUTE_PUBLIC, .handler = stream},
    {.method = "GET", .pattern = "/events", .flags = ROUTE_PUBLIC, .handler = events},
    {.method = "POST",
     .pattern = "/sink",
     .flags = ROUTE_PUBLIC,
     .body = BODY_STREAM,
     .body_max = 1000000,
     .handler = sink,
     .body_data = sink_data},
    {0},
};

/* The reply to a request has this status and holds this text (NULL: any). */
static void expect(const char *method, const char *path, const char *headers, const char *body,
                   int status, const char *wanted)
{
    char *text = http_fixture_request(&fixture, method, path, headers, body);
    check_int(http_status(text), status, path, __FILE__, __LINE__);
    if (wanted && !check_that(text && strstr(text, wanted), wanted, __FILE__, __LINE__)) {
        printf("# the reply: %s\n", text ? text : "(none)");
    }
    check_that(!text || strstr(text, "x-request-id: req_"), "has an id", __FILE__, __LINE__);
    free(text);
}

static void errors_have_one_shape(void)
{
    expect("GET", "/api/v1/fail", "", NULL, 409, "\"code\":\"SANDBOX_STARTING\"");
    expect("GET", "/api/v1/fail", "", NULL, 409, "Retry-After: 2\r\n");
    expect("GET", "/api/v1/fail", "", NULL, 409,
           "\"details\":{\"more\":7,\"field\":\"it\",\"hint\"");
    expect("GET", "/api/v1/fail", "", NULL, 409, "\"retryable\":true");
    expect("GET", "/nowhere", "", NULL, 404, "\"code\":\"ROUTE_NOT_FOUND\"");
    expect("PUT", "/api/v1/echo", "", NULL, 405, "Allow: POST, OPTIONS\r\n");
    expect("OPTIONS", "/api/v1/echo", "", NULL, 204, "Allow: POST, OPTIONS\r\n");
    expect("GET", "/api/v1/silent", "", NULL, 500, "\"code\":\"INTERNAL_ERROR\"");
}

static void credentials_are_checked(void)
{
    char wrong[160];
    snprintf(wrong, sizeof(wrong), "Authorization: Bearer %sx\r\n", fixture.key);
    expect("POST", "/api/v1/echo", "", "{}", 401, "WWW-Authenticate: Bearer");
    expect("POST", "/api/v1/echo", "Authorization: Basic eA==\r\n", "{}", 401, NULL);
    expect("POST", "/api/v1/echo", "Authorization: Bearer\r\n", "{}", 401, NULL);
    expect("POST", "/api/v1/echo", wrong, "{}", 401, "invalid_token");
    expect("POST", "/api/v1/echo", reader, "{}", 403, "insufficient_scope");
    expect("POST", "/api/v1/echo", authorized, "{}", 200, NULL);
    char foreign[256];
    snprintf(foreign, sizeof(foreign), "%sX-MIOSA-Tenant: tnt_other\r\n", authorized);
    expect("POST", "/api/v1/echo", foreign, "{}", 403, "X-MIOSA-Tenant");
}

static void json_is_taken_strictly(void)
{
    static const char *const bad[] = {
        "{\"a\":1,\"a\":2}", "[]", "\"text\"", "{} {}", "{\"a\":\"\xff\"}", "{\"a\":\"\\u0000\"}",
        "{\"a\":1e999}",     "{",  "{'a':1}",  "nul",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect("POST", "/api/v1/echo", authorized, bad[i], 400, "\"code\":\"INVALID_JSON\"");
    }
    char deep[5000];
    snprintf(deep, sizeof(deep), "{\"a\":%.*s", 4000, "");
    memset(deep + 5, '[', sizeof(deep) - 6);
    deep[sizeof(deep) - 1] = '\0';
    expect("POST", "/api/v1/echo", authorized, deep, 400, "nested deeper");
    expect("POST", "/api/v1/echo", authorized, "{\"a\":\"[[[[\\\"[[\"}", 200, NULL);
    expect("POST", "/api/v1/echo", authorized, "", 200, "{}");
    expect("POST", "/api/v1/echo", authorized, " \r\n\t", 200, "{}");
    expect("POST", "/api/v1/echo", authorized, NULL, 200, "{}");
}

static void queries_are_decoded_once(void)
{
    expect("GET", "/api/v1/show/a%2Fb?q=%41+%2B%2541", "", NULL, 200,
           "{\"path\":\"a/b\",\"q\":\"A +%41\"}");
    expect("GET", "/api/v1/show/a?q", "", NULL, 200, "\"q\":\"\"");
    expect("GET", "/api/v1/show/a", "", NULL, 200, "\"q\":\"-\"");
    expect("GET", "/api/v1/show/a?q=%zz", "", NULL, 400, "\"field\":\"query\"");
    expect("GET", "/api/v1/show/a?q=%00", "", NULL, 400, "\"field\":\"query\"");
    expect("GET", "/api/v1/show/%00", "", NULL, 400, "\"field\":\"path\"");
}

static char *repeat(char c, size_t length)
{
    char *text = malloc(length + 1);
    memset(text, c, length);
    text[length] = '\0';
    return text;
}

static void sizes_are_limited(void)
{
    char *large = repeat(' ', 2000000);
    expect("POST", "/api/v1/echo", authorized, large, 413, "\"limit_bytes\":65536");
    expect("POST", "/api/v1/sink", "", large, 413, "\"limit_bytes\":1000000");
    expect("GET", "/api/v1/show/a", "", large, 413, NULL);
    large[20000] = '\0';
    char *headers = repeat('h', 30000);
    memcpy(headers, "X: ", 3);
    memcpy(headers + 29998, "\r\n", 2);
    expect("GET", "/api/v1/show/a", headers, NULL, 431, "HEADERS_TOO_LARGE");
    memset(large, 'a', 20000);
    memcpy(large, "/api/v1/show/", 13);
    expect("GET", large, "", NULL, 414, "URI_TOO_LONG");
    free(headers);
    free(large);
}

static void a_stream_that_fails_is_answered_at_once(void)
{
    char *body = repeat('x', 900000);
    expect("POST", "/api/v1/sink", "", body, 200, NULL);
    body[1000] = '!';
    expect("POST", "/api/v1/sink", "", body, 507, "\"code\":\"DISK_FULL\"");
    body[1000] = 'x';
    body[899990] = '!';
    expect("POST", "/api/v1/sink", "", body, 507, "\"code\":\"DISK_FULL\"");
    free(body);
}

static void a_chunked_body_over_the_limit_is_refused(void)
{
    static const char head[] = "POST /api/v1/sink HTTP/1.1\r\nHost: unit\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n200000\r\n";
    char *bytes = repeat('x', sizeof(head) - 1 + 0x200000);
    memcpy(bytes, head, sizeof(head) - 1);
    char *text = http_fixture_exchange(&fixture, bytes, strlen(bytes));
    CHECK_INT(http_status(text), 413);
    free(text);
    free(bytes);
}

static void continue_is_said_only_to_those_who_may(void)
{
    static const char head[] = "POST /api/v1/sink HTTP/1.1\r\nHost: unit\r\nConnection: close\r\n"
                               "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n";
    char *text = http_fixture_exchange(&fixture, head, strlen(head));
    CHECK_INT(http_status(text), 413);
    free(text);
    expect("POST", "/api/v1/sink", "Expect: 100-continue\r\n", "x", 100, "HTTP/1.1 200 OK");
}

static void streams_have_their_length_or_are_cut(void)
{
    char *text = http_fixture_request(&fixture, "GET", "/api/v1/stream/3", "", NULL);
    CHECK(text && strstr(text, "Content-Length: 30\r\n"));
    CHECK(text && strstr(text, "\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    free(text);
    text = http_fixture_request(&fixture, "GET", "/api/v1/stream/1", "", NULL);
    CHECK(text && strstr(text, "\r\n\r\nxxxxxxxxxx"));
    CHECK(text && !strstr(text, "xxxxxxxxxxx"));
    free(text);
    text = http_fixture_request(&fixture, "HEAD", "/api/v1/stream/3", "", NULL);
    CHECK(text && strstr(text, "Content-Length: 30\r\n") && !strstr(text, "xxx"));
    free(text);
}

static void events_are_sent_as_text(void)
{
    char *text = http_fixture_request(&fixture, "GET", "/api/v1/events", "", NULL);
    CHECK(text && strstr(text, "Content-Type: text/event-stream\r\n"));
    CHECK(text && strstr(text, "event: one\nid: 7\ndata: {\"n\":1,\"type\":\"one\"}\n\n"));
    CHECK(text && strstr(text, ": keepalive\n\n"));
    free(text);
}

static const struct check_case cases[] = {
    {"errors have one shape", errors_have_one_shape},
    {"credentials are checked", credentials_are_checked},
    {"JSON is taken strictly", json_is_taken_strictly},
    {"queries are decoded once", queries_are_decoded_once},
    {"sizes are limited", sizes_are_limited},
    {"a stream that fails is answered at once", a_stream_that_fails_is_answered_at_once},
    {"a chunked body over the limit is refused", a_chunked_body_over_the_limit_is_refused},
    {"continue is said only to those who may", continue_is_said_only_to_those_who_may},
    {"streams have their length or are cut", streams_have_their_length_or_are_cut},
    {"events are sent as text", events_are_sent_as_text},
};

int main(int argc, char **argv)
{
    http_fixture_prepare(&fixture);
    if (!http_fixture_start(&fixture, routes)) {
        return 1;
    }
    snprintf(authorized, sizeof(authorized), "Authorization: bearer %s\r\n", fixture.key);
    snprintf(reader, sizeof(reader), "Authorization: Bearer %s\r\n", fixture.reader_key);
    int result = check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
    http_fixture_stop(&fixture);
    return result;
}
