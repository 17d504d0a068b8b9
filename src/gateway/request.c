/* From a request's head to a connection with the server that it is for. */
#include "gateway/client.h"
#include "gateway/credentials.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PATH_KEPT = 512, WAKES_MAX = 3 };

/* A request on its way to its server. */
struct intake {
    struct head head;
    size_t head_bytes;
    char host[GATEWAY_HOST_MAX + 1];
    char method[GATEWAY_METHOD_MAX + 1];
    char path[PATH_KEPT];
    char header_token[CREDENTIAL_SIZE], query_token[CREDENTIAL_SIZE];
    char cookie_tokens[COOKIE_TOKENS_MAX][CREDENTIAL_SIZE];
    size_t cookie_count;
    bool asks_upgrade;
    struct text target; /* without tokens, in clean */
    char clean[GATEWAY_TARGET_MAX];
};

static void copy(struct text from, char *to, size_t size)
{
    size_t length = from.length < size - 1 ? from.length : size - 1;
    memcpy(to, from.data, length);
    to[length] = '\0';
}

static void read_credentials(struct intake *intake)
{
    const struct head *head = &intake->head;
    size_t length;
    credentials_of_target(head->target, intake->clean, &length, intake->query_token);
    intake->target = (struct text){intake->clean, length};
    intake->header_token[0] = '\0';
    intake->cookie_count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct head_field *field = &head->fields[i];
        if (field->role == FIELD_TOKEN) {
            copy(field->value, intake->header_token, sizeof(intake->header_token));
        } else if (field->role == FIELD_COOKIE) {
            intake->cookie_count =
                credentials_of_cookie(field->value, intake->cookie_tokens, intake->cookie_count);
        }
    }
}

/* An upgrade to h2c is not passed on: it would be a connection on which requests are hidden from us. */
static bool asks_upgrade(const struct head *head)
{
    return head->upgrade.length > 0 && head->minor == 1 && !head->is_chunked &&
           head->content_length <= 0 && !text_is(head->upgrade, "h2c") &&
           !text_is(head->upgrade, "h2");
}

static void read_intake(struct intake *intake)
{
    const struct head *head = &intake->head;
    host_normalize(head->host, intake->host);
    copy(head->method, intake->method, sizeof(intake->method));
    read_credentials(intake);
    const char *query = memchr(head->target.data, '?', head->target.length);
    size_t path_length = query ? (size_t)(query - head->target.data) : head->target.length;
    copy((struct text){head->target.data, path_length}, intake->path, sizeof(intake->path));
    intake->asks_upgrade = asks_upgrade(head);
}

/* Asks the directory, with each of our cookies when there are several: an application may have planted one. */
static void find(struct loop *loop, const struct intake *intake, struct directory_answer *answer)
{
    struct directory_query query = {
        .host = intake->host,
        .method = intake->method,
        .path = intake->path,
        .header_token = intake->header_token[0] ? intake->header_token : NULL,
        .query_token = intake->query_token[0] ? intake->query_token : NULL,
        .is_upgrade = intake->asks_upgrade,
    };
    size_t tried = 0;
    do {
        query.cookie_token = tried < intake->cookie_count ? intake->cookie_tokens[tried] : NULL;
        directory_find(loop->shared->directory, &query, answer);
        tried++;
    } while (answer->verdict == DIRECTORY_REFUSE &&
             (answer->error.code == ERR_PREVIEW_TOKEN || answer->error.code == ERR_PREVIEW_SCOPE) &&
             tried < intake->cookie_count);
}

/* --- exchanges ------------------------------------------------------------------------------- */

void drop_exchange(struct client *client)
{
    struct exchange *exchange = client->exchange;
    vigil_leave(client);
    if (exchange) {
        free(exchange->head);
        free(exchange->set_cookie);
        free(exchange->pass);
        free(exchange);
        client->exchange = NULL;
    }
}

static const char *scheme_of(const struct loop *loop, const struct client *client)
{
    const char *said = loop->shared->settings->preview_scheme;
    if (said[0]) {
        return said;
    }
    return client->end.tls ? "https" : "http";
}

static void address_text(const struct in6_addr *address, char text[INET6_ADDRSTRLEN])
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        inet_ntop(AF_INET, &address->s6_addr[12], text, INET6_ADDRSTRLEN);
    } else {
        inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
    }
}

/* The head as the server gets it. */
static char *write_head(struct loop *loop, const struct client *client, const struct intake *intake,
                        size_t *ret_length)
{
    char address[INET6_ADDRSTRLEN];
    address_text(&client->address, address);
    struct forward_request request = {
        .head = &intake->head,
        .target = intake->target,
        .client_address = address,
        .scheme = scheme_of(loop, client),
        .upgrades = intake->asks_upgrade,
    };
    *ret_length = forward_request(&request, loop->scratch, sizeof(loop->scratch));
    char *head = *ret_length > 0 ? malloc(*ret_length) : NULL;
    if (head) {
        memcpy(head, loop->scratch, *ret_length);
    }
    return head;
}

static const char *token_used(const struct intake *intake)
{
    return intake->header_token[0] ? intake->header_token : intake->query_token;
}

/* Embedding a preview in another site's frame needs SameSite=None, which needs TLS. */
static char *write_cookie(const struct loop *loop, const struct client *client,
                          const struct intake *intake, const struct directory_answer *answer)
{
    char *line = NULL;
    const char *token = token_used(intake);
    bool is_secure = strcmp(scheme_of(loop, client), "https") == 0;
    if (strspn(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") !=
        strlen(token)) {
        return NULL;
    }
    int length =
        asprintf(&line, "Set-Cookie: " GATEWAY_COOKIE "=%s; Path=/; Max-Age=%lld; HttpOnly; %s\r\n",
                 token, (long long)answer->cookie_max_age_sec,
                 is_secure ? "Secure; SameSite=None; Partitioned" : "SameSite=Lax");
    return length > 0 ? line : NULL;
}

static bool wants_html(const struct head *head)
{
    const struct head_field *accept = head_find(head, FIELD_ACCEPT);
    return accept && accept->value.length >= 9 &&
           memmem(accept->value.data, accept->value.length, "text/html", 9);
}

/* A person opened the link: the token moves from the URL to a cookie before the application's scripts, log and
 * Referer see it. Not in frames, whose cookies a browser may not keep. */
static bool is_page_opening(const struct intake *intake)
{
    const struct head *head = &intake->head;
    struct text destination = head_value(head, "sec-fetch-dest");
    return strcmp(intake->method, "GET") == 0 && intake->query_token[0] &&
           !intake->header_token[0] && !intake->asks_upgrade && head->content_length <= 0 &&
           !head->is_chunked &&
           (destination.data ? text_is(destination, "document") : wants_html(head));
}

static void set_body(struct body *body, const struct head *head)
{
    body->is_done = !head->is_chunked && head->content_length <= 0;
    body->is_encoded = head->is_chunked;
    body->left = head->content_length;
    if (!body->is_done) {
        body->framing = head->is_chunked ? BODY_CHUNKED : BODY_LENGTH;
    }
}

static bool is_idempotent(const struct intake *intake)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(intake->method, methods[i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct exchange *new_exchange(struct loop *loop, struct client *client,
                                     const struct intake *intake,
                                     const struct directory_answer *answer)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    if (!exchange) {
        return NULL;
    }
    const struct head *head = &intake->head;
    client->exchange = exchange;
    exchange->head = write_head(loop, client, intake, &exchange->head_length);
    set_body(&exchange->request, head);
    memcpy(exchange->sandbox_id, answer->sandbox_id, sizeof(exchange->sandbox_id));
    exchange->run = answer->run;
    exchange->port = answer->port;
    exchange->await_until_ms = answer->await_until_ms;
    exchange->pass = pass_new(intake->host, answer);
    exchange->is_head_method = strcmp(intake->method, "HEAD") == 0;
    exchange->is_replayable =
        exchange->request.is_done && is_idempotent(intake) && !intake->asks_upgrade;
    exchange->is_http10 = head->minor == 0;
    exchange->asks_upgrade = intake->asks_upgrade;
    exchange->wants_html = wants_html(head);
    exchange->expects_continue = head->expects_continue && head->minor == 1;
    exchange->close_client = !head->keep_alive || loop->is_draining;
    exchange->keep_alive_sec = -1;
    if (answer->set_cookie) {
        exchange->set_cookie = write_cookie(loop, client, intake, answer);
    }
    return exchange->head && exchange->pass ? exchange : NULL;
}

/* --- verdicts -------------------------------------------------------------------------------- */

static void forward(struct loop *loop, struct client *client, struct intake *intake,
                    const struct directory_answer *answer)
{
    struct error err = {0};
    if (answer->set_cookie && is_page_opening(intake)) {
        auto_free char *cookie = write_cookie(loop, client, intake, answer);
        end_consume(&client->end, intake->head_bytes);
        answer_redirect(loop, client, &intake->head, intake->target, cookie);
        return;
    }
    client_touch(loop, client, answer->sandbox_id);
    if (!new_exchange(loop, client, intake, answer)) {
        drop_exchange(client);
        error_set(&err, ERR_INTERNAL, ENOMEM, "forward the request");
        end_consume(&client->end, intake->head_bytes);
        answer_error_to(loop, client, &intake->head, &err);
        return;
    }
    end_consume(&client->end, intake->head_bytes);
    upstream_get(loop, client, false);
}

static void wake(struct loop *loop, struct client *client, const struct intake *intake,
                 const struct directory_answer *answer)
{
    if (++client->wakes <= WAKES_MAX) {
        /* The head stays where it is and is read again when the sandbox runs. */
        errand_join(loop, client, JOB_WAKE, answer->sandbox_id, 0, answer);
        return;
    }
    struct error err = {0};
    error_set(&err, ERR_STARTING, 0, "the sandbox is being started");
    end_consume(&client->end, intake->head_bytes);
    answer_error_to(loop, client, &intake->head, &err);
}

static void refuse(struct loop *loop, struct client *client, const struct intake *intake,
                   const struct error *err)
{
    struct error copy_of_err = *err;
    end_consume(&client->end, intake->head_bytes);
    answer_error_to(loop, client, &intake->head, &copy_of_err);
}

static void lead(struct loop *loop, struct client *client, struct intake *intake)
{
    struct directory_answer answer;
    find(loop, intake, &answer);
    switch (answer.verdict) {
    case DIRECTORY_FORWARD:
        forward(loop, client, intake, &answer);
        return;
    case DIRECTORY_WAKE:
        wake(loop, client, intake, &answer);
        return;
    case DIRECTORY_TEXT:
        end_consume(&client->end, intake->head_bytes);
        answer_text(loop, client, &intake->head, answer.text);
        return;
    case DIRECTORY_REFUSE:
        refuse(loop, client, intake, &answer.error);
        return;
    }
}

void request_begin(struct loop *loop, struct client *client, size_t head_bytes)
{
    struct error err = {0};
    struct intake intake;
    intake.head_bytes = head_bytes;
    client->head_at = 0;
    client->since_ms = loop->now_ms;
    if (head_parse_request(bytes_start(&client->end.in), head_bytes, &intake.head, &err)) {
        count(&loop->counters.rejected_heads, 1);
        answer_error_to(loop, client, NULL, &err);
        return;
    }
    if (client->wakes == 0) {
        count(&loop->counters.requests, 1);
    }
    read_intake(&intake);
    auto_free struct error *failure = take_pointer(&client->failure);
    if (failure) {
        refuse(loop, client, &intake, failure);
    } else {
        lead(loop, client, &intake);
    }
    bool still_wakes = client->errand && !client->exchange;
    client->wakes = still_wakes ? client->wakes : 0;
}
