/* What the gateway answers itself: errors as JSON for programs and as a page for people, challenges, redirects. */
#include "gateway/answer_page.h"
#include "gateway/client.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/ids.h"
#include "base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ANSWER_MAX = 64 * 1024 };

struct answer {
    int status;
    const char *content_type;
    const char *body;
    size_t body_length;
    const char *extra; /* header lines with CR LF, or "" */
    bool is_head_method;
    bool keeps_alive;     /* may another request follow? */
    bool lingers;         /* the request's body may be coming yet */
    bool says_keep_alive; /* to an HTTP/1.0 client */
};

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {302, "Found"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {414, "URI Too Long"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Error";
}

/* The status that browsers and other proxies know for it: the API's 409s are about an API call. */
static int status_of(const struct error *err)
{
    switch (err->code) {
    case ERR_PORT_NOT_LISTENING:
        return 502;
    case ERR_NOT_RUNNING:
    case ERR_STARTING:
    case ERR_CONFLICT:
        return 503;
    case ERR_CANCELLED:
        return 408;
    default:
        return error_http_status(err->code);
    }
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", in C's words whatever the locale. */
static void http_date(char text[40])
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    snprintf(text, 40, "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Sends it and goes on to the next request, or to the connection's end. */
static void say(struct loop *loop, struct client *client, const struct answer *answer)
{
    char date[40];
    auto_buffer struct buffer out = BUFFER_INIT(ANSWER_MAX);
    http_date(date);
    const char *connection = answer->keeps_alive
                                 ? (answer->says_keep_alive ? "Connection: keep-alive\r\n" : "")
                                 : "Connection: close\r\n";
    int failed =
        buffer_printf(&out,
                      "HTTP/1.1 %d %s\r\nDate: %s\r\nCache-Control: no-store\r\n"
                      "Content-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n",
                      answer->status, reason_of(answer->status), date, answer->content_type,
                      answer->body_length, answer->extra, connection);
    if (!answer->is_head_method) {
        failed = buffer_append(&out, answer->body, answer->body_length) || failed;
    }
    struct iovec piece = {out.data, out.length};
    if (failed || client_send(loop, client, &piece, 1)) {
        client_close(loop, client, true);
        return;
    }
    count(&loop->counters.by_class[answer->status / 100], 1);
    if (answer->keeps_alive && !loop->is_draining) {
        client->state = CLIENT_HEAD;
        client->is_new_request = true;
        client->since_ms = loop->now_ms;
    } else {
        client_finish(loop, client, answer->lingers);
    }
}

static char *error_json(const struct error *err, const char *request_id)
{
    json_t *details = json_object();
    const char *hint = err->hint[0] ? err->hint : error_default_hint(err->code);
    json_object_set_new(details, "hint", json_string(hint));
    json_t *body = json_pack("{s:{s:s, s:s, s:o, s:b, s:s}}", "error", "code",
                             error_api_code(err->code), "message", err->message, "details", details,
                             "retryable", error_retryable(err->code), "request_id", request_id);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* Says the error in the form that the client reads. */
static void say_error(struct loop *loop, struct client *client, const struct error *err,
                      bool as_page, struct answer answer)
{
    char request_id[ID_SIZE], extra[160] = "";
    id_make("req_", request_id);
    answer.status = status_of(err);
    auto_free char *body =
        as_page ? answer_page(answer.status, err, request_id) : error_json(err, request_id);
    answer.content_type = as_page ? "text/html; charset=utf-8" : "application/json";
    answer.body = body ? body : "";
    answer.body_length = strlen(answer.body);
    snprintf(extra, sizeof(extra), "X-Request-Id: %s\r\n%s%s", request_id,
             error_retryable(err->code) ? "Retry-After: 2\r\n" : "",
             as_page ? "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
                     : "");
    answer.extra = extra;
    log_debug("gateway.error", "request=%s status=%d code=%s error=%s", request_id, answer.status,
              error_api_code(err->code), err->message);
    say(loop, client, &answer);
}

/* --- before there is an exchange ------------------------------------------------------------- */

static bool asks_for_page(const struct head *head)
{
    const struct head_field *accept = head ? head_find(head, FIELD_ACCEPT) : NULL;
    return accept && memmem(accept->value.data, accept->value.length, "text/html", 9);
}

/* head: NULL when it could not be read. */
static struct answer answer_to(const struct head *head)
{
    bool has_body = !head || head->is_chunked || head->content_length > 0;
    return (struct answer){
        .is_head_method = head && text_is(head->method, "HEAD"),
        .keeps_alive = !has_body && head->keep_alive,
        .lingers = has_body,
        .says_keep_alive = head && head->minor == 0,
        .extra = "",
    };
}

void answer_error_to(struct loop *loop, struct client *client, const struct head *head,
                     const struct error *err)
{
    say_error(loop, client, err, asks_for_page(head), answer_to(head));
}

void answer_text(struct loop *loop, struct client *client, const struct head *head,
                 const char *text)
{
    struct answer answer = answer_to(head);
    answer.status = 200;
    answer.content_type = "text/plain; charset=utf-8";
    answer.body = text;
    answer.body_length = strlen(text);
    say(loop, client, &answer);
}

void answer_redirect(struct loop *loop, struct client *client, const struct head *head,
                     struct text target, const char *set_cookie)
{
    auto_free char *extra = NULL;
    struct answer answer = answer_to(head);
    /* "//host" and "/\host" would lead to another site. */
    bool leads_away = target.length > 1 && (target.data[1] == '/' || target.data[1] == '\\');
    if (asprintf(&extra, "Location: %s%.*s\r\nReferrer-Policy: no-referrer\r\n%s",
                 leads_away ? "/." : "", (int)target.length, target.data,
                 set_cookie ? set_cookie : "") < 0) {
        extra = NULL;
        client_close(loop, client, true);
        return;
    }
    answer.status = 302;
    answer.content_type = "text/plain; charset=utf-8";
    answer.body = "";
    answer.extra = extra;
    say(loop, client, &answer);
}

/* --- within an exchange ---------------------------------------------------------------------- */

void answer_error(struct loop *loop, struct client *client, const struct error *err)
{
    struct exchange *exchange = client->exchange;
    if (client->upstream) {
        upstream_close(loop, client->upstream);
    }
    if (exchange->has_answer) {
        /* Too late for words: the client sees that the response was cut. */
        client_close(loop, client, true);
        return;
    }
    struct answer answer = {
        .is_head_method = exchange->is_head_method,
        .keeps_alive = exchange->request.is_done && !exchange->close_client,
        .lingers = !exchange->request.is_done,
        .says_keep_alive = exchange->is_http10,
        .extra = "",
    };
    bool as_page = exchange->wants_html;
    drop_exchange(client);
    say_error(loop, client, err, as_page, answer);
}
