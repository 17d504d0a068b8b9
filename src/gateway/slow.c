/* Time limits: whoever makes us wait has so long, others as long as they like. */
#include "gateway/client.h"

enum {
    HEAD_MS = 10 * 1000,
    IDLE_MS = 60 * 1000, /* between requests */
    CONNECT_MS = 10 * 1000,
    ERRAND_MS = 60 * 1000,
    LINGER_MS = 2 * 1000,
    HALF_CLOSED_MS = 60 * 1000, /* of an upgraded connection, without a byte */
    MIN_BYTES_PER_SECOND = 1024,
};

static int64_t client_timeout_ms(const struct loop *loop)
{
    return loop->shared->settings->client_timeout_sec * 1000;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static enum slowness when(bool is_slow, enum slowness slowness)
{
    return is_slow ? slowness : SLOW_NOT;
}

static enum slowness head_slowness(struct loop *loop, struct client *client, int64_t waited_ms,
                                   struct error *err)
{
    if (bytes_length(&client->end.out) > 0) {
        return when(waited_ms > client_timeout_ms(loop), SLOW_CUT);
    }
    if (client->is_new_request) {
        return when(waited_ms > IDLE_MS, SLOW_CLOSE);
    }
    if (waited_ms <= smaller(HEAD_MS, client_timeout_ms(loop))) {
        return SLOW_NOT;
    }
    error_set(err, ERR_CANCELLED, 0, "the request's head did not come in time");
    return bytes_length(&client->end.in) > 0 ? SLOW_ERROR : SLOW_CLOSE;
}

static enum slowness waiting_slowness(const struct client *client, int64_t waited_ms,
                                      struct error *err)
{
    bool connects = client->upstream;
    error_set(err, ERR_UPSTREAM_TIMEOUT, 0,
              connects ? "the server in the sandbox did not take the connection"
                       : "the sandbox could not be reached in time");
    return when(waited_ms > (connects ? CONNECT_MS : ERRAND_MS), SLOW_ERROR);
}

/* --- exchanges ------------------------------------------------------------------------------- */

static enum client_phase phase_of(const struct client *client)
{
    const struct exchange *exchange = client->exchange;
    if (bytes_length(&client->end.out) > 0) {
        return PHASE_CLIENT_READS;
    }
    if (bytes_length(&client->upstream->end.out) > 0) {
        return PHASE_SERVER;
    }
    if (!exchange->request.is_done) {
        return PHASE_CLIENT_SENDS;
    }
    return exchange->has_answer ? PHASE_NOBODY : PHASE_SERVER;
}

static int64_t moved_bytes(const struct client *client, enum client_phase phase)
{
    switch (phase) {
    case PHASE_CLIENT_SENDS:
        return client->end.received_bytes;
    case PHASE_CLIENT_READS:
        return client->end.sent_bytes;
    case PHASE_SERVER:
        return client->upstream->end.sent_bytes + client->upstream->end.received_bytes;
    case PHASE_NOBODY:
        break;
    }
    return 0;
}

static void begin_span(struct loop *loop, struct client *client, enum client_phase phase)
{
    client->phase = phase;
    client->since_ms = loop->now_ms;
    client->moved_bytes = moved_bytes(client, phase);
}

/* It had its span. */
static enum slowness judge(struct loop *loop, const struct client *client, enum client_phase phase,
                           struct error *err)
{
    int64_t moved = moved_bytes(client, phase) - client->moved_bytes;
    int64_t enough = client_timeout_ms(loop) * MIN_BYTES_PER_SECOND / 1000;
    switch (phase) {
    case PHASE_CLIENT_SENDS:
        error_set(err, ERR_CANCELLED, 0, "the request's body did not come in time");
        return when(moved < enough, SLOW_ERROR);
    case PHASE_CLIENT_READS:
        return when(moved < enough, SLOW_CUT);
    case PHASE_SERVER:
        error_set(err, ERR_UPSTREAM_TIMEOUT, 0, "the server in the sandbox did not answer in time");
        return when(moved == 0, SLOW_ERROR);
    case PHASE_NOBODY:
        break;
    }
    return SLOW_NOT;
}

static enum slowness exchange_slowness(struct loop *loop, struct client *client, struct error *err)
{
    enum client_phase phase = phase_of(client);
    int64_t allowed_ms = phase == PHASE_SERVER ? loop->shared->settings->gateway_timeout_sec * 1000
                                               : client_timeout_ms(loop);
    if (phase != client->phase || phase == PHASE_NOBODY) {
        begin_span(loop, client, phase);
        return SLOW_NOT;
    }
    if (loop->now_ms - client->since_ms <= allowed_ms) {
        return SLOW_NOT;
    }
    enum slowness slowness = judge(loop, client, phase, err);
    begin_span(loop, client, phase);
    return slowness;
}

static enum slowness tunnel_slowness(const struct loop *loop, const struct client *client,
                                     int64_t waited_ms)
{
    const struct end *near = &client->end, *far = &client->upstream->end;
    if (bytes_length(&near->out) > 0 || bytes_length(&far->out) > 0) {
        return when(waited_ms > client_timeout_ms(loop), SLOW_CUT);
    }
    return when((near->is_shut || far->is_shut) && waited_ms > HALF_CLOSED_MS, SLOW_CLOSE);
}

static enum slowness closing_slowness(const struct loop *loop, const struct client *client,
                                      int64_t waited_ms)
{
    bool is_pending = bytes_length(&client->end.out) > 0;
    return when(waited_ms > (is_pending ? client_timeout_ms(loop) : LINGER_MS),
                is_pending ? SLOW_CUT : SLOW_CLOSE);
}

enum slowness client_slowness(struct loop *loop, struct client *client, struct error *err)
{
    int64_t waited_ms = loop->now_ms - client->since_ms;
    switch (client->state) {
    case CLIENT_HANDSHAKE:
        return when(waited_ms > HEAD_MS, SLOW_CLOSE);
    case CLIENT_HEAD:
        return head_slowness(loop, client, waited_ms, err);
    case CLIENT_WAITING:
        return waiting_slowness(client, waited_ms, err);
    case CLIENT_EXCHANGE:
        return exchange_slowness(loop, client, err);
    case CLIENT_TUNNEL:
        return tunnel_slowness(loop, client, waited_ms);
    case CLIENT_CLOSING:
        return closing_slowness(loop, client, waited_ms);
    case CLIENT_DEAD:
        break;
    }
    return SLOW_NOT;
}
