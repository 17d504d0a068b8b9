/* Clients whose sandbox was started a moment ago and brings back a server that does not listen yet. Of those that wait for
 * the same port one tries again and again, so that many cost no more than one; when it gets through, the others
 * follow, a few at a time: development servers queue no more than five connections. */
#include "gateway/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 100, RELEASE_MS = 20, RELEASED_AT_ONCE = 4 };

struct vigil {
    struct vigil *next;
    char sandbox_id[ID_SIZE];
    uint64_t run;
    int port;
    int64_t until_ms, next_ms;
    struct client *first, **last; /* in the order in which they came, without the scout */
    struct client *scout;         /* is trying; NULL: nobody */
    bool listens;                 /* as far as is known */
};

static bool fits(const struct vigil *vigil, const struct exchange *exchange)
{
    return vigil->port == exchange->port && vigil->run == exchange->run &&
           strcmp(vigil->sandbox_id, exchange->sandbox_id) == 0;
}

static struct vigil *find_vigil(struct loop *loop, const struct exchange *exchange)
{
    struct vigil *vigil = loop->vigils;
    while (vigil && !fits(vigil, exchange)) {
        vigil = vigil->next;
    }
    return vigil;
}

static struct vigil *begin_vigil(struct loop *loop, const struct exchange *exchange)
{
    struct vigil *vigil = calloc(1, sizeof(*vigil));
    if (vigil) {
        memcpy(vigil->sandbox_id, exchange->sandbox_id, sizeof(vigil->sandbox_id));
        vigil->run = exchange->run;
        vigil->port = exchange->port;
        vigil->until_ms = exchange->await_until_ms;
        vigil->next_ms = loop->now_ms + RETRY_MS;
        vigil->last = &vigil->first;
        vigil->next = loop->vigils;
        loop->vigils = vigil;
    }
    return vigil;
}

bool vigil_join(struct loop *loop, struct client *client)
{
    const struct exchange *exchange = client->exchange;
    if (loop->now_ms >= exchange->await_until_ms) {
        return false;
    }
    struct vigil *vigil = find_vigil(loop, exchange);
    if (!vigil && !(vigil = begin_vigil(loop, exchange))) {
        return false;
    }
    if (vigil->scout == client) {
        vigil->scout = NULL;
        vigil->next_ms = loop->now_ms + RETRY_MS;
    }
    vigil->listens = false;
    client->state = CLIENT_WAITING;
    client->since_ms = loop->now_ms;
    client->vigil = vigil;
    client->wait_next = NULL;
    *vigil->last = client;
    vigil->last = &client->wait_next;
    return true;
}

static struct client *take_first(struct vigil *vigil)
{
    struct client *client = vigil->first;
    if (client) {
        vigil->first = client->wait_next;
        if (!vigil->first) {
            vigil->last = &vigil->first;
        }
        client->wait_next = NULL;
    }
    return client;
}

void vigil_leave(struct client *client)
{
    struct vigil *vigil = client->vigil;
    client->vigil = NULL;
    if (!vigil) {
        return;
    }
    if (vigil->scout == client) {
        vigil->scout = NULL;
        return;
    }
    struct client **slot = &vigil->first;
    while (*slot != client) {
        slot = &(*slot)->wait_next;
    }
    *slot = client->wait_next;
    if (!*slot) {
        vigil->last = slot;
    }
}

void vigil_succeed(struct loop *loop, struct client *client)
{
    struct vigil *vigil = client->vigil;
    if (vigil) {
        vigil_leave(client);
        vigil->listens = true;
        vigil->next_ms = loop->now_ms;
    }
}

static void release_some(struct loop *loop, struct vigil *vigil)
{
    struct client *client;
    for (int i = 0; i < RELEASED_AT_ONCE && (client = take_first(vigil)); i++) {
        client->vigil = NULL;
        upstream_get(loop, client, false);
        client_again(loop, client);
    }
    vigil->next_ms = loop->now_ms + RELEASE_MS;
}

/* The time is up, or the sandbox's run is over. */
static void give_up(struct loop *loop, struct vigil *vigil, bool is_alive)
{
    struct client *client;
    struct error err = {0};
    error_set(&err, ERR_NOT_RUNNING, 0,
              "the sandbox was paused or ended before its server listened");
    while ((client = take_first(vigil))) {
        client->vigil = NULL;
        if (is_alive) {
            upstream_refuse(loop, client, ECONNREFUSED);
        } else {
            answer_error(loop, client, &err);
            client_again(loop, client);
        }
    }
}

static void go_on(struct loop *loop, struct vigil *vigil)
{
    bool is_alive = directory_alive(loop->shared->directory, vigil->sandbox_id, vigil->run);
    vigil->next_ms = loop->now_ms + RETRY_MS;
    if (is_alive && vigil->listens) {
        release_some(loop, vigil);
    } else if (!is_alive || loop->now_ms >= vigil->until_ms) {
        give_up(loop, vigil, is_alive);
    } else if (!vigil->scout && vigil->first) {
        struct client *scout = vigil->scout = take_first(vigil);
        directory_touch(loop->shared->directory, vigil->sandbox_id);
        upstream_get(loop, scout, false);
        client_again(loop, scout);
    }
}

void vigils_run(struct loop *loop)
{
    for (struct vigil *vigil = loop->vigils; vigil; vigil = vigil->next) {
        if (loop->now_ms >= vigil->next_ms) {
            go_on(loop, vigil);
        }
    }
    struct vigil **slot = &loop->vigils;
    while (*slot) {
        struct vigil *vigil = *slot;
        if (vigil->first || vigil->scout) {
            slot = &vigil->next;
        } else {
            *slot = vigil->next;
            free(vigil);
        }
    }
}

int64_t vigils_next_ms(const struct loop *loop)
{
    int64_t next_ms = INT64_MAX;
    for (const struct vigil *vigil = loop->vigils; vigil; vigil = vigil->next) {
        next_ms = vigil->next_ms < next_ms ? vigil->next_ms : next_ms;
    }
    return next_ms;
}

void vigils_free(struct loop *loop)
{
    while (loop->vigils) {
        struct vigil *vigil = loop->vigils;
        loop->vigils = vigil->next;
        free(vigil);
    }
}
