/* Webhooks in the store, and their deliveries: a row for each event that each of them is to be told. */
#ifndef ATOLL_STORE_STORE_WEBHOOKS_H
#define ATOLL_STORE_STORE_WEBHOOKS_H

#include "base/error.h"
#include "base/ids.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum { WEBHOOK_URL_SIZE = 2049, WEBHOOK_SECRET_SIZE = 128, DELIVERY_ERROR_SIZE = 256 };

/* state: "active"; "inactive": switched off, or the receiver said 410; "failed": too many failures. */
struct webhook {
    char id[ID_SIZE], tenant_id[ID_SIZE], workspace_id[ID_SIZE];
    char name[128], description[512], url[WEBHOOK_URL_SIZE], secret[WEBHOOK_SECRET_SIZE], state[16];
    json_t *events;   /* array of types, which may end in '*' */
    json_t *headers;  /* object of strings */
    json_t *metadata; /* object */
    int64_t retry_count;
    int64_t failure_count; /* deliveries that failed for good since the last that did not */
    int64_t last_triggered_ms, last_status_code; /* 0: never */
    int64_t seq;                                 /* events up to this one have become deliveries */
    int64_t created_ms, updated_ms;
};

void webhook_clear(struct webhook *webhook);
void webhooks_free(struct webhook *webhooks, size_t count);

/* Adds it, to be told what happens from now on. ERR_WEBHOOK_LIMIT: the tenant has max already. */
int store_webhook_insert(struct store *store, struct webhook *webhook, int64_t max,
                         struct error *err);

/* ERR_NOT_FOUND; clear it. */
int store_webhook_find(struct store *store, const char *tenant_id, const char *id,
                       struct webhook *ret_webhook, struct error *err);

/* The tenant's, oldest first; tenant_id NULL: everybody's active ones. webhooks_free. */
int store_webhook_list(struct store *store, const char *tenant_id, struct webhook **ret_webhooks,
                       size_t *ret_count, struct error *err);

/* Writes all that a user may change. skip_missed: what happened until now is not told (it was off). */
int store_webhook_update(struct store *store, const struct webhook *webhook, bool skip_missed,
                         struct error *err);

/* With its deliveries. */
int store_webhook_delete(struct store *store, const char *tenant_id, const char *id,
                         struct error *err);

/* state: "pending", "delivered" or "failed". */
struct delivery {
    char id[ID_SIZE], webhook_id[ID_SIZE], tenant_id[ID_SIZE], replay_of[ID_SIZE];
    char event_type[64], state[16], last_error[DELIVERY_ERROR_SIZE];
    char *payload; /* what is sent, to the byte */
    int64_t attempts, next_attempt_ms, last_status_code, created_ms, finished_ms;
};

void deliveries_free(struct delivery *deliveries, size_t count);

/* In one transaction: the deliveries, and that the webhook's events from from_seq to to_seq are done. *ret_done
 * false: the webhook is not where the caller thinks, nothing was written. */
int store_deliveries_make(struct store *store, const char *webhook_id, int64_t from_seq,
                          int64_t to_seq, const struct delivery *deliveries, size_t count,
                          bool *ret_done, struct error *err);

/* Adds one that no event made. replay_id or NULL; ERR_REPLAY_USED. */
int store_delivery_insert(struct store *store, const struct delivery *delivery,
                          const char *replay_id, struct error *err);

/* Newest first, those before the delivery of that id (NULL: from the newest). deliveries_free. */
int store_delivery_list(struct store *store, const char *webhook_id, const char *before,
                        int64_t limit, struct delivery **ret_deliveries, size_t *ret_count,
                        struct error *err);

/* ERR_NOT_FOUND; deliveries_free(…, 1). */
int store_delivery_find(struct store *store, const char *webhook_id, const char *id,
                        struct delivery **ret_delivery, struct error *err);

/* Pending ones whose time has come, the longest waiting first. */
int store_deliveries_due(struct store *store, const char *webhook_id, int64_t now_ms, int64_t limit,
                         struct delivery **ret_deliveries, size_t *ret_count, struct error *err);

/* Writes what an attempt came to: the delivery's state, attempts, next time, status and error; and the webhook's
 * failure_count, and its state when webhook_state is not NULL. One transaction. */
int store_delivery_record(struct store *store, const struct delivery *delivery,
                          int64_t failure_count, const char *webhook_state, struct error *err);

#endif
