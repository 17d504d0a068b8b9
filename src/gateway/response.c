/* The server's side of an exchange. */
#include "gateway/client.h"

#include <stdio.h>
#include <string.h>

/* --- framing --------------------------------------------------------------------------------- */

static bool has_no_body(const struct exchange *exchange, int status)
{
    return exchange->is_head_method || status < 200 || status == 204 || status == 304;
}

/* How the body comes, and how it goes on. */
static void set_body(struct exchange *exchange, const struct head *head)
{
    struct body *body = &exchange->response;
    *body = (struct body){0};
    if (has_no_body(exchange, head->status) || head->content_length == 0) {
        body->is_done = true;
    } else if (head->is_chunked) {
        body->framing = BODY_CHUNKED;
    } else if (head->content_length > 0) {
        body->framing = BODY_LENGTH;
        body->left = head->content_length;
    } else {
        body->framing = BODY_UNTIL_CLOSE;
        exchange->close_upstream = true;
    }
    bool is_endless = body->framing == BODY_CHUNKED || body->framing == BODY_UNTIL_CLOSE;
    body->is_encoded = is_endless && !exchange->is_http10;
    exchange->close_client |= is_endless && exchange->is_http10;
    exchange->close_upstream |= !head->keep_alive;
}

/* --- heads ----------------------------------------------------------------------------------- */

static int send_head(struct loop *loop, struct client *client, const struct head *head,
                     bool is_interim, bool upgrades)
{
    struct exchange *exchange = client->exchange;
    /* An answer that comes before the request's end: what comes behind it cannot be told from the rest. */
    exchange->close_client |= !is_interim && !exchange->request.is_done;
    struct forward_response response = {
        .head = head,
        .set_cookie = is_interim ? NULL : exchange->set_cookie,
        .is_chunked = exchange->response.is_encoded,
        .has_length = head->content_length >= 0 && !is_interim && head->status != 204,
        .closes = !is_interim && !upgrades && exchange->close_client,
        .says_keep_alive = exchange->is_http10 && !is_interim,
        .upgrades = upgrades,
    };
    size_t length = forward_response(&response, loop->scratch, sizeof(loop->scratch));
    return length > 0 ? end_append(&client->end, &loop->blocks, loop->scratch, length) : -1;
}

static int fail(struct loop *loop, struct client *client, const struct error *err)
{
    count(&loop->counters.upstream_failed, 1);
    answer_error(loop, client, err);
    return -1;
}

/* 101: what follows is no HTTP any more. */
static int switch_protocols(struct loop *loop, struct client *client, const struct head *head)
{
    struct error err = {0};
    if (!client->exchange->asks_upgrade) {
        error_set(&err, ERR_UPSTREAM, 0,
                  "the server in the sandbox switched protocols without being asked");
        return fail(loop, client, &err);
    }
    client->exchange->close_client = false;
    if (send_head(loop, client, head, false, true)) {
        client_close(loop, client, true);
        return -1;
    }
    count(&loop->counters.by_class[1], 1);
    tunnel_begin(loop, client);
    return -1;
}

/* Something like 103: passed on, the real head follows. HTTP/1.0 has no such thing; 100 was said by us. */
static int pass_interim(struct loop *loop, struct client *client, const struct head *head)
{
    const struct exchange *exchange = client->exchange;
    if (exchange->is_http10 || head->status == 100) {
        return 1;
    }
    if (send_head(loop, client, head, true, false)) {
        client_close(loop, client, true);
        return -1;
    }
    return end_flush(&client->end, &loop->blocks) < 0 ? -1 : 1;
}

static int take_head(struct loop *loop, struct client *client, const struct head *head)
{
    struct exchange *exchange = client->exchange;
    if (head->status == 101) {
        return switch_protocols(loop, client, head);
    }
    if (head->status < 200) {
        return pass_interim(loop, client, head);
    }
    set_body(exchange, head);
    if (send_head(loop, client, head, false, false)) {
        client_close(loop, client, true);
        return -1;
    }
    exchange->has_answer = true;
    exchange->status = head->status;
    exchange->keep_alive_sec = head->keep_alive_sec;
    count(&loop->counters.by_class[head->status / 100], 1);
    return 1;
}

/* Looks for a head in what came. 1 taken, 0 not whole yet, -1 the client's state changed. */
static int read_head(struct loop *loop, struct client *client)
{
    struct upstream *upstream = client->upstream;
    struct bytes *in = &upstream->end.in;
    struct error err = {0};
    struct head head;
    size_t at = 0;
    ssize_t length = head_length(bytes_start(in), bytes_length(in), &at);
    if (length == 0 && bytes_length(in) < GATEWAY_HEAD_MAX) {
        return 0;
    }
    if (length == 0) {
        error_set(&err, ERR_UPSTREAM, 0,
                  "the server in the sandbox sent headers of more than %d bytes", GATEWAY_HEAD_MAX);
        return fail(loop, client, &err);
    }
    if (length < 0) {
        error_set(&err, ERR_UPSTREAM, 0,
                  "the server in the sandbox sent a header line that does not end in CR LF");
        return fail(loop, client, &err);
    }
    if (head_parse_response(bytes_start(in), (size_t)length, &head, &err)) {
        return fail(loop, client, &err);
    }
    /* Consumed only after the texts in it were used. */
    struct end *end = &upstream->end;
    bool is_switch = head.status == 101;
    if (is_switch) {
        in->start += (uint32_t)length;
    }
    int result = take_head(loop, client, &head);
    if (!is_switch && result > 0) {
        end_consume(end, (size_t)length);
    }
    return result;
}

/* --- moving ---------------------------------------------------------------------------------- */

static int finish_when_sent(struct loop *loop, struct client *client)
{
    if (!client->exchange->request.is_done && !client->exchange->upload_is_over &&
        !client->exchange->close_upstream && client->upstream && !client->upstream->end.hangup) {
        /* An early answer; the server goes on reading. */
        return 0;
    }
    finish_exchange(loop, client);
    return -1;
}

static int body_failed(struct loop *loop, struct client *client)
{
    struct error err = {0};
    error_set(&err, ERR_UPSTREAM, 0, "the server in the sandbox ended in the middle of its answer");
    return fail(loop, client, &err);
}

int response_pump(struct loop *loop, struct client *client)
{
    struct exchange *exchange = client->exchange;
    struct end *from = &client->upstream->end, *to = &client->end;
    if (bytes_length(&to->out) > 0 && end_flush(to, &loop->blocks) <= 0) {
        return 0;
    }
    int moved = 0;
    if (!exchange->has_answer) {
        if (end_fill(from, &loop->blocks) <= 0 && bytes_length(&from->in) == 0) {
            return 0;
        }
        moved = bytes_length(&from->in) > 0 ? read_head(loop, client) : 0;
        if (moved <= 0 || !exchange->has_answer) {
            return moved;
        }
    }
    int result = body_pump(loop, &exchange->response, from, to);
    if (result < 0) {
        return body_failed(loop, client);
    }
    if (end_flush(to, &loop->blocks) < 0) {
        return 0;
    }
    if (exchange->response.is_done) {
        return finish_when_sent(loop, client);
    }
    bool is_cut = from->failed || (from->eof && exchange->response.framing != BODY_UNTIL_CLOSE);
    if (is_cut && bytes_length(&from->in) == 0) {
        return body_failed(loop, client);
    }
    return moved | result;
}
