/* Inside the sender of webhooks: used by its thread only, but for what says otherwise. */
#ifndef ATOLL_EVENTS_WEBHOOKS_INTERNAL_H
#define ATOLL_EVENTS_WEBHOOKS_INTERNAL_H

#include "events/webhooks.h"
#include "store/store_webhooks.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { IN_FLIGHT_MAX = 64, IN_FLIGHT_PER_TENANT = 4 };

/* A delivery that is being sent. */
struct attempt {
    struct attempt *next;
    struct webhooks *webhooks;
    struct delivery *delivery; /* deliveries_free(…, 1) */
    int64_t retry_count;
    CURL *easy;
    struct curl_slist *headers;
    size_t received;
    bool was_refused; /* the address was not public */
    char problem[CURL_ERROR_SIZE];
};

struct webhooks {
    const struct settings *settings;
    struct store *store;
    struct events *events;
    CURLM *multi;
    int wake_fd; /* eventfd: any thread writes */
    pthread_t thread;
    bool is_started;
    atomic_bool is_changed, is_ending;
    struct webhook *all; /* the active ones */
    size_t count;
    struct attempt *attempts;
    atomic_int_fast64_t delivered_total, failed_total, attempts_total, in_flight;
};

/* --- webhook_send.c --- */

/* Begins to send; takes the delivery. -1: it could not even begin, and stays pending. */
int attempt_begin(struct webhooks *webhooks, const struct webhook *webhook,
                  struct delivery *delivery, struct error *err);

/* Writes what it came to, and forgets it. */
void attempt_finish(struct attempt *attempt, CURLcode result);

/* Forgets it. */
void attempt_drop(struct attempt *attempt);

#endif
