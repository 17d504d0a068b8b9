/* What a request says of a webhook, and how the API shows one. */
#ifndef ATOLL_API_WEBHOOK_FIELDS_H
#define ATOLL_API_WEBHOOK_FIELDS_H

#include "api/api.h"
#include "store/store_webhooks.h"

/* Applies the body's members to *webhook, which is a new one (with its defaults) or is changed. JSON members of
 * *webhook are replaced. -1 with err naming the field. */
int webhook_take_fields(const struct request *request, struct webhook *webhook, struct error *err);

/* The API's object: with the secret when it is to be seen (once), otherwise with a preview of it. */
json_t *webhook_json(const struct webhook *webhook, bool with_secret);

/* A new secret. */
void webhook_make_secret(struct webhook *webhook);

/* What webhooks can be told, for GET /webhooks/events. */
json_t *webhook_catalogue_json(void);

/* --- webhook_deliveries.c --- */
void webhook_deliveries_handle(struct request *request);
void webhook_replay_handle(struct request *request);
void webhook_test_handle(struct request *request);

#endif
