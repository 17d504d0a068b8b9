/* What let a client in, kept as long as it uses it, so that it can be asked again whether that is still good. */
#include "gateway/client.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct pass {
    struct directory_pass pass; /* its strings lie in text */
    char text[];
};

struct pass *pass_new(const char *host, const struct directory_answer *answer)
{
    size_t host_size = strlen(host) + 1, token_size = answer->token ? strlen(answer->token) + 1 : 0;
    struct pass *pass = malloc(sizeof(*pass) + host_size + token_size);
    if (!pass) {
        return NULL;
    }
    memcpy(pass->text, host, host_size);
    if (answer->token) {
        memcpy(pass->text + host_size, answer->token, token_size);
    }
    pass->pass = (struct directory_pass){
        .host = pass->text,
        .token = answer->token ? pass->text + host_size : NULL,
        .port = answer->port,
        .valid_until_ms = answer->valid_until_ms,
    };
    memcpy(pass->pass.sandbox_id, answer->sandbox_id, sizeof(pass->pass.sandbox_id));
    return pass;
}

static bool is_good(struct loop *loop, struct directory_pass *pass, bool something_changed,
                    int64_t realtime_ms)
{
    bool expires = pass->valid_until_ms > 0 && pass->valid_until_ms <= realtime_ms;
    return (!something_changed && !expires) || directory_allows(loop->shared->directory, pass);
}

static void turn_out(struct loop *loop, struct client *client)
{
    struct error err = {0};
    if (!client->exchange) {
        client_close(loop, client, true);
        return;
    }
    error_set(&err, ERR_NOT_FOUND, 0, "nothing is served under this name any more, or not to you");
    error_hint(&err, "Ask again: the reply says what has changed.");
    errand_leave(loop, client);
    answer_error(loop, client, &err);
    client_again(loop, client);
}

void passes_sweep(struct loop *loop)
{
    uint64_t changes = directory_changes(loop->shared->directory);
    int64_t realtime_ms = clock_realtime_ms();
    struct client *next;
    for (struct client *client = loop->clients; client; client = next) {
        next = client->next;
        struct pass *pass = client->exchange ? client->exchange->pass : client->pass;
        if (pass && !is_good(loop, &pass->pass, changes != loop->changes_seen, realtime_ms)) {
            turn_out(loop, client);
        }
    }
    loop->changes_seen = changes;
}
