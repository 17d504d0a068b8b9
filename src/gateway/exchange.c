/* One request and its response, both on their way at once. */
#include "gateway/client.h"

#include "base/log.h"

#include <string.h>
#include <sys/socket.h>

/* Before others have their turn. */
enum { ROUNDS_MAX = 16 };

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* The client waits for this before it sends its body. */
static void invite_body(struct loop *loop, struct client *client)
{
    struct exchange *exchange = client->exchange;
    if (exchange->expects_continue && !exchange->request.is_done && !exchange->has_answer &&
        bytes_length(&client->end.in) == 0) {
        struct iovec piece = {(char *)continue_line, sizeof(continue_line) - 1};
        client_send(loop, client, &piece, 1);
    }
    exchange->expects_continue = false;
}

/* The server went away before it said a word: once more on a new connection, if that can do no harm. */
static bool retry(struct loop *loop, struct client *client)
{
    struct exchange *exchange = client->exchange;
    const struct upstream *upstream = client->upstream;
    if (!upstream->is_reused || !exchange->is_replayable || exchange->has_answer ||
        upstream->end.received_bytes > 0) {
        return false;
    }
    upstream_close(loop, client->upstream);
    exchange->head_is_sent = false;
    exchange->upload_is_over = false;
    upstream_get(loop, client, true);
    return true;
}

static void send_head(struct loop *loop, struct client *client)
{
    struct exchange *exchange = client->exchange;
    struct upstream *upstream = client->upstream;
    upstream->end.received_bytes = 0;
    exchange->head_is_sent = true;
    end_append(&upstream->end, &loop->blocks, exchange->head, exchange->head_length);
    invite_body(loop, client);
}

static void refuse_body(struct loop *loop, struct client *client)
{
    struct error err = {0};
    count(&loop->counters.rejected_heads, 1);
    error_set(&err, ERR_LENGTH, 0, "the request's chunked body is malformed");
    answer_error(loop, client, &err);
}

/* Reads on though nobody wants it, so that the client gets to read the response. */
static int discard(struct loop *loop, struct client *client)
{
    end_consume(&client->end, bytes_length(&client->end.in));
    return end_fill(&client->end, &loop->blocks) > 0;
}

/* 1 moved, 0 nothing to do now, -1 the client's state changed. */
static int request_pump(struct loop *loop, struct client *client)
{
    struct exchange *exchange = client->exchange;
    struct end *to = &client->upstream->end;
    int moved = 0;
    if (!exchange->head_is_sent) {
        send_head(loop, client);
        moved = 1;
    }
    if (exchange->upload_is_over) {
        return exchange->request.is_done ? 0 : discard(loop, client);
    }
    /* A head that is to be sent goes together with the body's beginning. */
    if (moved || end_flush(to, &loop->blocks) > 0) {
        int result = body_pump(loop, &exchange->request, &client->end, to);
        if (result < 0) {
            refuse_body(loop, client);
            return -1;
        }
        moved |= result;
    }
    if (end_flush(to, &loop->blocks) < 0) {
        /* What it said before may be there to read. */
        exchange->upload_is_over = true;
        exchange->close_upstream = true;
        to->failed = false;
        to->readable = true;
        to->out.start = to->out.end = 0;
        moved = 1;
    }
    return moved;
}

/* The client is gone: whatever its server does is for nobody. */
static bool client_is_gone(const struct client *client)
{
    const struct exchange *exchange = client->exchange;
    const struct end *end = &client->end;
    return end->failed || end->eof || (end->hangup && exchange->request.is_done);
}

void finish_exchange(struct loop *loop, struct client *client)
{
    struct exchange *exchange = client->exchange;
    bool is_whole = exchange->request.is_done && !exchange->upload_is_over;
    bool closes = exchange->close_client || !is_whole || loop->is_draining;
    log_debug("gateway.request", "sandbox=%s port=%d status=%d", exchange->sandbox_id,
              exchange->port, exchange->status);
    upstream_put(loop, client, is_whole && !exchange->close_upstream);
    drop_exchange(client);
    if (closes) {
        client_finish(loop, client, !is_whole);
        return;
    }
    client->state = CLIENT_HEAD;
    client->is_new_request = true;
    client->since_ms = loop->now_ms;
}

void run_exchange(struct loop *loop, struct client *client)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int sent = request_pump(loop, client);
        if (sent < 0 || client->state != CLIENT_EXCHANGE) {
            return;
        }
        int received = response_pump(loop, client);
        if (received < 0 || client->state != CLIENT_EXCHANGE) {
            return;
        }
        const struct upstream *upstream = client->upstream;
        if (!client->exchange->has_answer && (upstream->end.eof || upstream->end.failed)) {
            struct error err = {0};
            if (!retry(loop, client)) {
                count(&loop->counters.upstream_failed, 1);
                error_set(&err, ERR_UPSTREAM, 0,
                          "the server in the sandbox closed the connection without an answer");
                answer_error(loop, client, &err);
            }
            return;
        }
        if (client_is_gone(client)) {
            client_close(loop, client, true);
            return;
        }
        if (!sent && !received) {
            return;
        }
        client_touch(loop, client, client->exchange->sandbox_id);
    }
    client_again(loop, client);
}
