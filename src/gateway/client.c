#include "gateway/client.h"

#include "base/cleanup.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

/* --- birth and death ------------------------------------------------------------------------- */

static void link_client(struct loop *loop, struct client *client)
{
    client->next = loop->clients;
    if (client->next) {
        client->next->previous = client;
    }
    loop->clients = client;
    atomic_fetch_add(&loop->shared->connections, 1);
    count(&loop->counters.connections, 1);
}

static void unlink_client(struct loop *loop, struct client *client)
{
    if (client->next) {
        client->next->previous = client->previous;
    }
    if (client->previous) {
        client->previous->next = client->next;
    } else {
        loop->clients = client->next;
    }
    atomic_fetch_sub(&loop->shared->connections, 1);
    count(&loop->counters.connections, -1);
}

/* The client as far as it goes without the loop; NULL: out of memory, fd is closed. */
static struct client *new_client(struct loop *loop, int fd, bool with_tls)
{
    struct client *client = calloc(1, sizeof(*client));
    if (!client) {
        close_fd(fd);
        return NULL;
    }
    client->end = (struct end){.kind = END_CLIENT, .fd = fd, .readable = true, .writable = true};
    client->state = with_tls ? CLIENT_HANDSHAKE : CLIENT_HEAD;
    client->since_ms = loop->now_ms;
    if (with_tls) {
        client->end.tls = tls_accept(loop->shared->tls, fd);
    }
    if (with_tls && !client->end.tls) {
        end_close(&client->end, &loop->blocks, true);
        free(client);
        return NULL;
    }
    return client;
}

void client_accept(struct loop *loop, int fd, bool with_tls, const struct in6_addr *address)
{
    int on = 1;
    if (atomic_load(&loop->shared->connections) >= loop->shared->connections_max ||
        !peers_take(loop->shared->peers, address)) {
        count(&loop->counters.refused, 1);
        close_fd(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct client *client = new_client(loop, fd, with_tls);
    if (!client) {
        peers_give(loop->shared->peers, address);
        return;
    }
    client->address = *address;
    link_client(loop, client);
    if (loop_add(loop, &client->end)) {
        client_close(loop, client, true);
    } else {
        client_run(loop, client);
    }
}

static void count_bytes(struct loop *loop, struct client *client)
{
    const struct end *end = &client->end;
    count(&loop->counters.bytes_in, end->received_bytes - client->counted_in);
    count(&loop->counters.bytes_out, end->sent_bytes - client->counted_out);
    client->counted_in = end->received_bytes;
    client->counted_out = end->sent_bytes;
}

void client_close(struct loop *loop, struct client *client, bool with_reset)
{
    if (client->state == CLIENT_DEAD) {
        return;
    }
    errand_leave(loop, client);
    if (client->upstream) {
        upstream_close(loop, client->upstream);
    }
    if (client->state == CLIENT_TUNNEL) {
        count(&loop->counters.upgraded, -1);
    }
    client->state = CLIENT_DEAD;
    drop_exchange(client);
    free(take_pointer(&client->failure));
    free(take_pointer(&client->pass));
    count_bytes(loop, client);
    end_close(&client->end, &loop->blocks, with_reset);
    peers_give(loop->shared->peers, &client->address);
    unlink_client(loop, client);
    client->next = loop->dead_clients;
    loop->dead_clients = client;
}

void client_finish(struct loop *loop, struct client *client, bool lingers)
{
    client->state = CLIENT_CLOSING;
    client->lingers = lingers;
    client->since_ms = loop->now_ms;
}

/* --- steps ----------------------------------------------------------------------------------- */

int client_send(struct loop *loop, struct client *client, const struct iovec *pieces, int count)
{
    return end_send(&client->end, &loop->blocks, pieces, count);
}

void client_again(struct loop *loop, struct client *client)
{
    if (!client->is_again && client->state != CLIENT_DEAD) {
        client->is_again = true;
        client->again_next = loop->again;
        loop->again = client;
    }
}

void client_touch(struct loop *loop, struct client *client, const char *sandbox_id)
{
    if (loop->now_ms - client->touched_ms >= 1000) {
        client->touched_ms = loop->now_ms;
        directory_touch(loop->shared->directory, sandbox_id);
    }
}

static bool shake_hands(struct loop *loop, struct client *client)
{
    bool wants_write = false;
    int result = tls_handshake(client->end.tls, &wants_write);
    if (result < 0) {
        client->end.failed = true;
        client_close(loop, client, true);
    } else if (result > 0) {
        client->state = CLIENT_HEAD;
    }
    return result > 0;
}

static bool refuse_head(struct loop *loop, struct client *client, bool is_too_large)
{
    struct error err = {0};
    if (is_too_large) {
        error_set(&err, ERR_HEADERS_TOO_LARGE, 0, "the request's head has more than %d bytes",
                  GATEWAY_HEAD_MAX);
    } else {
        error_set(&err, ERR_LENGTH, 0, "a line of the request's head does not end in CR LF");
    }
    count(&loop->counters.rejected_heads, 1);
    answer_error_to(loop, client, NULL, &err);
    return true;
}

/* Reads until there is a head, or nothing to read. */
static bool read_head(struct loop *loop, struct client *client)
{
    struct end *end = &client->end;
    if (end_flush(end, &loop->blocks) <= 0 ||
        (loop->is_draining && client->is_new_request && bytes_length(&end->in) == 0)) {
        if (end->failed || loop->is_draining) {
            client_close(loop, client, false);
        }
        return false;
    }
    if (client->is_new_request && bytes_length(&end->in) > 0) {
        client->is_new_request = false;
        client->since_ms = loop->now_ms;
    }
    ssize_t length = 0;
    if (bytes_length(&end->in) > 0) {
        length = head_length(bytes_start(&end->in), bytes_length(&end->in), &client->head_at);
    }
    if (length > GATEWAY_HEAD_MAX || (length == 0 && bytes_length(&end->in) > GATEWAY_HEAD_MAX)) {
        return refuse_head(loop, client, true);
    }
    if (length < 0) {
        return refuse_head(loop, client, false);
    }
    if (length > 0) {
        request_begin(loop, client, (size_t)length);
        return true;
    }
    int filled = end_fill(end, &loop->blocks);
    if (filled < 0) {
        client_close(loop, client, false);
    }
    return filled > 0;
}

/* Sends the rest; what comes in meanwhile is of no interest. */
static void close_down(struct loop *loop, struct client *client)
{
    struct end *end = &client->end;
    int flushed = end_flush(end, &loop->blocks);
    if (flushed < 0 || (flushed > 0 && !client->lingers)) {
        client_close(loop, client, flushed < 0);
        return;
    }
    if (flushed > 0) {
        end_shutdown(end);
    }
    end_consume(end, bytes_length(&end->in));
    for (int i = 0; i < 16; i++) {
        int filled = end_fill(end, &loop->blocks);
        end_consume(end, bytes_length(&end->in));
        if (filled < 0) {
            client_close(loop, client, end->failed);
            return;
        }
        if (filled == 0) {
            return;
        }
    }
    client_again(loop, client);
}

/* False: nothing more can be done now. */
static bool step(struct loop *loop, struct client *client)
{
    switch (client->state) {
    case CLIENT_HANDSHAKE:
        return shake_hands(loop, client);
    case CLIENT_HEAD:
        return read_head(loop, client);
    case CLIENT_WAITING:
        if (client->end.hangup || client->end.failed) {
            client_close(loop, client, true);
        }
        return false;
    case CLIENT_EXCHANGE:
        run_exchange(loop, client);
        return client->state != CLIENT_EXCHANGE && client->state != CLIENT_DEAD;
    case CLIENT_TUNNEL:
        tunnel_run(loop, client);
        return false;
    case CLIENT_CLOSING:
        close_down(loop, client);
        return false;
    case CLIENT_DEAD:
        break;
    }
    return false;
}

void client_run(struct loop *loop, struct client *client)
{
    while (step(loop, client)) {
    }
    if (client->state != CLIENT_DEAD) {
        end_trim(&client->end, &loop->blocks);
    }
    if (client->upstream) {
        end_trim(&client->upstream->end, &loop->blocks);
    }
}

void client_tick(struct loop *loop, struct client *client)
{
    struct error err = {0};
    count_bytes(loop, client);
    switch (client_slowness(loop, client, &err)) {
    case SLOW_NOT:
        return;
    case SLOW_CLOSE:
        client_close(loop, client, false);
        return;
    case SLOW_CUT:
        client_close(loop, client, true);
        return;
    case SLOW_ERROR:
        errand_leave(loop, client);
        if (client->exchange) {
            answer_error(loop, client, &err);
        } else {
            end_consume(&client->end, bytes_length(&client->end.in));
            answer_error_to(loop, client, NULL, &err);
        }
        client_again(loop, client);
    }
}
