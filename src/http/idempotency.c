/*
 * Idempotency-Key: the first request with a key claims it, and its successful reply is stored and replayed.
 * A duplicate that comes meanwhile waits for it. An error stores nothing: nothing was made, so a retry
 * with the same key is worked on anew.
 */
#include "http/request.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <openssl/sha.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS = 30 * 1000 };

static int check_key(const char *key, struct error *err)
{
    size_t length = strlen(key);
    bool is_printable = true;
    for (const char *p = key; *p; p++) {
        is_printable &= *p > 0x20 && *p < 0x7f;
    }
    if (length == 0 || length > IDEMPOTENCY_KEY_MAX || !is_printable) {
        return error_set_field(err, ERR_VALIDATION, "Idempotency-Key",
                               "Idempotency-Key must be 1 to %d printable ASCII characters",
                               IDEMPOTENCY_KEY_MAX);
    }
    return 0;
}

static void hash_body(const struct request *request, char text[65])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    const char *body = request->body.data ? request->body.data : "";
    SHA256((const unsigned char *)body, request->body.length, digest);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
}

static void name_route(struct request *request)
{
    const struct route_match *match = &request->match;
    snprintf(request->claim_route, sizeof(request->claim_route), "%s %s %s", request->method,
             match->route->pattern, match->capture_count > 0 ? match->captures[0].value : "");
}

/* Waits until some claim ended. -1 when deadline_ms has passed. */
static int wait_for_change(struct http_server *server, int64_t deadline_ms)
{
    struct timespec deadline = {deadline_ms / 1000, (deadline_ms % 1000) * 1000000};
    return pthread_cond_timedwait(&server->claim_ended, &server->claim_mutex, &deadline) ? -1 : 0;
}

static int replay(struct request *request, int status, const char *body)
{
    respond_header(request, "Idempotent-Replay", "true");
    respond_bytes(request, status, "application/json", body, strlen(body));
    return 1;
}

int idempotency_begin(struct request *request, struct error *err)
{
    const char *key = request_header(request, "Idempotency-Key");
    if (!key || !(request->match.route->flags & ROUTE_IDEMPOTENT_KEY)) {
        return 0;
    }
    char hash[65];
    struct http_server *server = request->server;
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    if (check_key(key, err)) {
        return -1;
    }
    hash_body(request, hash);
    name_route(request);

    for (int waited = 0;; waited = 1) {
        enum idempotency_state state;
        int status = 0;
        auto_free char *body = NULL;
        /* Asked under the mutex that enders take, so that no end falls between asking and waiting. */
        pthread_mutex_lock(&server->claim_mutex);
        int failed =
            store_idempotency_begin(server->store, request->principal.tenant_id,
                                    request->claim_route, key, hash, &state, &status, &body, err);
        if (!failed && state == IDEMPOTENCY_RUNNING) {
            failed = wait_for_change(server, deadline_ms);
            pthread_mutex_unlock(&server->claim_mutex);
            if (failed) {
                return error_set(err, ERR_IDEMPOTENCY_BUSY, 0,
                                 "the first request with this Idempotency-Key still runs");
            }
            continue;
        }
        pthread_mutex_unlock(&server->claim_mutex);
        if (failed) {
            return -1;
        }
        if (state == IDEMPOTENCY_DONE) {
            log_debug("http.replayed", "waited=%d", waited);
            return replay(request, status, body);
        }
        request->claim_key = key;
        return 0;
    }
}

void idempotency_end(struct request *request, int status, const char *text)
{
    struct http_server *server = request->server;
    const char *tenant = request->principal.tenant_id;
    const char *key = request->claim_key;
    struct error err = {0};
    if (!key) {
        return;
    }
    request->claim_key = NULL;
    bool keep = text && status >= 200 && status < 300 && strlen(text) <= IDEMPOTENCY_REPLY_MAX;
    pthread_mutex_lock(&server->claim_mutex);
    int failed =
        keep ? store_idempotency_finish(server->store, tenant, request->claim_route, key, status,
                                        text, &err)
             : store_idempotency_abandon(server->store, tenant, request->claim_route, key, &err);
    pthread_cond_broadcast(&server->claim_ended);
    pthread_mutex_unlock(&server->claim_mutex);
    if (failed) {
        log_error("http.idempotency", "the claim was not ended: %s", err.message);
    }
}
