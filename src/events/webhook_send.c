#include "events/webhooks_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "events/webhook_message.h"
#include "events/webhook_target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    CONNECT_TIMEOUT_MS = 5000,
    BACKOFF_MAX_MS = 3600 * 1000,
    HEADER_SIZE = 2048, /* of one line */
    GONE = 410,
};

/* --- what libcurl calls --- */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct attempt *attempt = context;
    bool any = strcmp(attempt->webhooks->settings->webhook_targets, "any") == 0;
    if (!any && !address_is_public(&address->addr)) {
        attempt->was_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The reply's body is of no interest; a receiver that sends much of it is cut. */
static size_t count_body(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    struct attempt *attempt = context;
    attempt->received += size * count;
    return attempt->received > WEBHOOK_BODY_MAX ? 0 : size * count;
}

/* --- beginning --- */

/* value "": libcurl's own header of that name stays away. */
static int add_header(struct attempt *attempt, const char *name, const char *value)
{
    char line[HEADER_SIZE];
    snprintf(line, sizeof(line), "%s:%s%s", name, *value ? " " : "", value);
    struct curl_slist *longer = curl_slist_append(attempt->headers, line);
    attempt->headers = longer ? longer : attempt->headers;
    return longer ? 0 : -1;
}

static int add_headers(struct attempt *attempt, const struct webhook *webhook)
{
    const struct delivery *delivery = attempt->delivery;
    char signature[SIGNATURE_SIZE], timed[2 * SIGNATURE_SIZE];
    webhook_signature(webhook->secret, delivery->payload, strlen(delivery->payload), signature);
    int failed = webhook_signature_timed(webhook->secret, clock_realtime_ms() / 1000,
                                         delivery->payload, timed, sizeof(timed)) ||
                 add_header(attempt, "Content-Type", "application/json") ||
                 add_header(attempt, "X-Miosa-Event", delivery->event_type) ||
                 add_header(attempt, "X-Miosa-Delivery", delivery->id) ||
                 add_header(attempt, "X-Miosa-Signature", signature) ||
                 add_header(attempt, "Miosa-Signature", timed) || add_header(attempt, "Expect", "");
    const char *name;
    json_t *value;
    json_object_foreach(webhook->headers, name, value)
    {
        failed = failed || add_header(attempt, name, json_string_value(value));
    }
    return failed ? -1 : 0;
}

static int set_options(struct attempt *attempt, const struct webhook *webhook)
{
    CURL *easy = attempt->easy;
    const char *payload = attempt->delivery->payload;
    return curl_easy_setopt(easy, CURLOPT_URL, webhook->url) ||
                   curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
                   curl_easy_setopt(easy, CURLOPT_PROXY, "") ||
                   curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) ||
                   curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) ||
                   curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) ||
                   curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)WEBHOOK_TIMEOUT_MS) ||
                   curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) ||
                   curl_easy_setopt(easy, CURLOPT_USERAGENT, "atoll-webhook/" ATOLL_VERSION) ||
                   curl_easy_setopt(easy, CURLOPT_HTTPHEADER, attempt->headers) ||
                   curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(payload)) ||
                   curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload) ||
                   curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) ||
                   curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, attempt) ||
                   curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_body) ||
                   curl_easy_setopt(easy, CURLOPT_WRITEDATA, attempt) ||
                   curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, attempt->problem) ||
                   curl_easy_setopt(easy, CURLOPT_PRIVATE, attempt)
               ? -1
               : 0;
}

static void attempt_free(struct attempt *attempt)
{
    if (attempt->easy) {
        curl_multi_remove_handle(attempt->webhooks->multi, attempt->easy);
        curl_easy_cleanup(attempt->easy);
    }
    curl_slist_free_all(attempt->headers);
    deliveries_free(attempt->delivery, 1);
    free(attempt);
}

int attempt_begin(struct webhooks *webhooks, const struct webhook *webhook,
                  struct delivery *delivery, struct error *err)
{
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    if (!attempt) {
        deliveries_free(delivery, 1);
        return error_set(err, ERR_INTERNAL, ENOMEM, "send a webhook");
    }
    attempt->webhooks = webhooks;
    attempt->delivery = delivery;
    attempt->retry_count = webhook->retry_count;
    attempt->easy = curl_easy_init();
    if (!attempt->easy || !delivery->payload || add_headers(attempt, webhook) ||
        set_options(attempt, webhook) ||
        curl_multi_add_handle(webhooks->multi, attempt->easy) != CURLM_OK) {
        attempt_free(attempt);
        return error_set(err, ERR_INTERNAL, 0, "libcurl cannot send a webhook");
    }
    attempt->next = webhooks->attempts;
    webhooks->attempts = attempt;
    webhooks->in_flight++;
    webhooks->attempts_total++;
    FAULT_POINT("webhook.sending");
    return 0;
}

/* --- the end --- */

void attempt_drop(struct attempt *attempt)
{
    struct webhooks *webhooks = attempt->webhooks;
    struct attempt **at = &webhooks->attempts;
    while (*at != attempt) {
        at = &(*at)->next;
    }
    *at = attempt->next;
    webhooks->in_flight--;
    attempt_free(attempt);
}

int64_t webhook_backoff_ms(int64_t attempts, int64_t retry_after_ms)
{
    int64_t wait_ms = 1000;
    for (int64_t i = 1; i < attempts && wait_ms < BACKOFF_MAX_MS; i++) {
        wait_ms *= 4;
    }
    wait_ms = wait_ms > retry_after_ms ? wait_ms : retry_after_ms;
    return wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS;
}

/* So that those that failed together do not come back together. */
static int64_t jitter_ms(int64_t wait_ms)
{
    unsigned value;
    random_bytes(&value, sizeof(value));
    return wait_ms / 5 > 0 ? (int64_t)value % (wait_ms / 5) : 0;
}

static void describe(struct attempt *attempt, CURLcode result)
{
    struct delivery *delivery = attempt->delivery;
    if (delivery->last_status_code) {
        snprintf(delivery->last_error, sizeof(delivery->last_error), "HTTP status %lld",
                 (long long)delivery->last_status_code);
    } else if (attempt->was_refused) {
        snprintf(delivery->last_error, sizeof(delivery->last_error),
                 "the host's address is not public");
    } else {
        snprintf(delivery->last_error, sizeof(delivery->last_error), "%s",
                 attempt->problem[0] ? attempt->problem : curl_easy_strerror(result));
    }
}

static int64_t retry_after_ms(const struct attempt *attempt)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(attempt->easy, CURLINFO_RETRY_AFTER, &seconds);
    return seconds > 0 && seconds < BACKOFF_MAX_MS ? (int64_t)seconds * 1000 : 0;
}

/* Sets the delivery's state and the next time. True: it was taken. */
static bool judge(struct attempt *attempt, CURLcode result)
{
    struct delivery *delivery = attempt->delivery;
    int64_t now_ms = clock_realtime_ms();
    long status = 0;
    curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &status);
    bool answered = result == CURLE_OK || attempt->received > WEBHOOK_BODY_MAX;
    bool taken = answered && status >= 200 && status <= 299;
    delivery->attempts++;
    delivery->last_status_code = answered ? status : 0;
    delivery->last_error[0] = '\0';
    if (!taken) {
        describe(attempt, result);
    }
    bool is_final = taken || status == GONE || delivery->attempts > attempt->retry_count;
    int64_t wait_ms = webhook_backoff_ms(delivery->attempts, retry_after_ms(attempt));
    delivery->next_attempt_ms = is_final ? 0 : now_ms + wait_ms + jitter_ms(wait_ms);
    delivery->finished_ms = is_final ? now_ms : 0;
    snprintf(delivery->state, sizeof(delivery->state), "%s",
             taken      ? "delivered"
             : is_final ? "failed"
                        : "pending");
    return taken;
}

static struct webhook *find(struct webhooks *webhooks, const char *id)
{
    for (size_t i = 0; i < webhooks->count; i++) {
        if (strcmp(webhooks->all[i].id, id) == 0) {
            return &webhooks->all[i];
        }
    }
    return NULL;
}

void attempt_finish(struct attempt *attempt, CURLcode result)
{
    struct webhooks *webhooks = attempt->webhooks;
    struct delivery *delivery = attempt->delivery;
    struct webhook *webhook = find(webhooks, delivery->webhook_id);
    bool taken = judge(attempt, result);
    bool is_final = delivery->finished_ms > 0;
    int64_t failures = webhook ? webhook->failure_count : 0;
    failures = taken ? 0 : failures + is_final;
    const char *state = delivery->last_status_code == GONE ? "inactive"
                        : failures >= WEBHOOK_FAILURES_MAX ? "failed"
                                                           : NULL;
    struct error err = {0};
    FAULT_POINT("webhook.answered");
    if (store_delivery_record(webhooks->store, delivery, failures, state, &err) < 0) {
        log_error("webhook.record", "delivery=%s error=%s", delivery->id, err.message);
    }
    if (webhook) {
        webhook->failure_count = failures;
    }
    webhooks->is_changed |= state != NULL;
    webhooks->delivered_total += taken;
    webhooks->failed_total += is_final && !taken;
    log_debug("webhook.attempt", "webhook=%s delivery=%s event=%s state=%s status=%lld error=%s",
              delivery->webhook_id, delivery->id, delivery->event_type, delivery->state,
              (long long)delivery->last_status_code, delivery->last_error);
    attempt_drop(attempt);
}
