/* An upgraded connection: bytes, both ways, until both sides have said goodbye. */
#include "gateway/client.h"

#include "base/cleanup.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

enum { ROUNDS_MAX = 16, KEEPALIVE_IDLE_SEC = 60, KEEPALIVE_INTERVAL_SEC = 20 };

/* Nobody may speak for hours; a client whose machine went away is found out nevertheless. */
static void keep_alive(int fd)
{
    int on = 1, idle = KEEPALIVE_IDLE_SEC, interval = KEEPALIVE_INTERVAL_SEC;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
}

void tunnel_begin(struct loop *loop, struct client *client)
{
    keep_alive(client->end.fd);
    count(&loop->counters.upgraded, 1);
    client->pass = take_pointer(&client->exchange->pass);
    drop_exchange(client);
    client->state = CLIENT_TUNNEL;
    client->since_ms = loop->now_ms;
    client_again(loop, client);
}

/* 1 moved, 0 nothing to do now, -1 failed. */
static int pass(struct loop *loop, struct end *from, struct end *to)
{
    if (end_flush(to, &loop->blocks) <= 0) {
        return to->failed ? -1 : 0;
    }
    if (bytes_length(&from->in) == 0 && end_fill(from, &loop->blocks) <= 0) {
        if (from->eof) {
            end_shutdown(to);
        }
        return from->failed ? -1 : 0;
    }
    struct iovec piece = {bytes_start(&from->in), bytes_length(&from->in)};
    int failed = end_send(to, &loop->blocks, &piece, 1);
    end_consume(from, piece.iov_len);
    return failed ? -1 : 1;
}

void tunnel_run(struct loop *loop, struct client *client)
{
    struct end *near = &client->end, *far = &client->upstream->end;
    bool has_moved = false;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int up = pass(loop, near, far);
        int down = up < 0 ? -1 : pass(loop, far, near);
        if (down < 0 || (near->is_shut && far->is_shut)) {
            client_close(loop, client, down < 0);
            return;
        }
        if (!up && !down) {
            break;
        }
        has_moved = true;
        if (round == ROUNDS_MAX - 1) {
            client_again(loop, client);
        }
    }
    if (has_moved) {
        client->since_ms = loop->now_ms;
        client_touch(loop, client, client->upstream->sandbox_id);
    }
}
