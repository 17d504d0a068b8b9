/* Deliveries of a webhook: what came of them, and sending one again. */
#include "api/webhook_fields.h"

#include "api/body_fields.h"
#include "api/body_known.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "events/webhook_message.h"

#include <ctype.h>
#include <string.h>

enum { LIST_DEFAULT = 50, LIST_MAX = 200, UUID_LENGTH = 36 };

static json_t *time_json(int64_t realtime_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    return realtime_ms ? json_string(clock_iso8601(realtime_ms, text)) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static json_t *delivery_json(const struct delivery *delivery)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "id", delivery->id, "webhook_id",
        delivery->webhook_id, "event_type", delivery->event_type, "state", delivery->state,
        "attempts", (json_int_t)delivery->attempts, "replay_of", text_or_null(delivery->replay_of),
        "last_status_code",
        delivery->last_status_code ? json_integer(delivery->last_status_code) : json_null(),
        "last_error", text_or_null(delivery->last_error), "next_attempt_at",
        time_json(delivery->finished_ms ? 0 : delivery->next_attempt_ms), "created_at",
        time_json(delivery->created_ms), "finished_at", time_json(delivery->finished_ms));
}

static int find(const struct request *request, struct webhook *ret_webhook, struct error *err)
{
    return store_webhook_find(api_of(request)->store, request_principal(request)->tenant_id,
                              request_param(request, "id"), ret_webhook, err);
}

/* The webhook must be one that is sent to. */
static int find_active(const struct request *request, struct webhook *ret_webhook,
                       struct error *err)
{
    if (find(request, ret_webhook, err)) {
        return -1;
    }
    if (strcmp(ret_webhook->state, "active") != 0) {
        error_set_field(err, ERR_VALIDATION, "state", "the webhook is %s", ret_webhook->state);
        return error_hint(err, "Switch it on with PATCH /webhooks/{id} {\"active\": true}.");
    }
    return 0;
}

void webhook_deliveries_handle(struct request *request)
{
    struct error err = {0};
    struct webhook webhook = {0};
    struct delivery *deliveries = NULL;
    size_t count = 0;
    int64_t limit;
    if (request_query_int(request, "limit", 1, LIST_MAX, LIST_DEFAULT, &limit, &err) ||
        find(request, &webhook, &err) ||
        store_delivery_list(api_of(request)->store, webhook.id, request_query(request, "before"),
                            limit, &deliveries, &count, &err)) {
        webhook_clear(&webhook);
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, delivery_json(&deliveries[i]));
    }
    json_t *next = (int64_t)count == limit ? json_string(deliveries[count - 1].id) : json_null();
    deliveries_free(deliveries, count);
    webhook_clear(&webhook);
    respond_json(request, 200, json_pack("{s:o, s:o}", "data", list, "next_cursor", next));
}

/* Adds the delivery, whose payload it frees, and answers. */
static void enqueue(struct request *request, struct delivery *delivery, const char *replay_id,
                    struct error *err)
{
    if (!err->code && !delivery->payload) {
        error_set(err, ERR_INTERNAL, 0, "no memory for a delivery");
    }
    if (err->code || store_delivery_insert(api_of(request)->store, delivery, replay_id, err) < 0) {
        free(delivery->payload);
        respond_error(request, err);
        return;
    }
    webhooks_changed(api_of(request)->webhooks);
    snprintf(delivery->state, sizeof(delivery->state), "pending");
    free(delivery->payload);
    respond_json(request, 202, json_pack("{s:o}", "data", delivery_json(delivery)));
}

void webhook_test_handle(struct request *request)
{
    static const char *const known[] = {NULL};
    struct error err = {0};
    struct webhook webhook = {0};
    struct delivery delivery = {0};
    if (body_known(request_json(request), known, &err) == 0 &&
        find_active(request, &webhook, &err) == 0) {
        char event_id[ID_SIZE];
        json_t *data =
            json_pack("{s:s, s:s}", "message", "This is a test.", "webhook_id", webhook.id);
        webhook_delivery_make(&webhook, "webhook.test", id_make("evt_", event_id),
                              clock_realtime_ms(), data, &delivery);
        json_decref(data);
    }
    webhook_clear(&webhook);
    enqueue(request, &delivery, NULL, &err);
}

static bool is_uuid(const char *text)
{
    if (strlen(text) != UUID_LENGTH) {
        return false;
    }
    for (int i = 0; i < UUID_LENGTH; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

/* *ret_id: lower-case, so that one UUID is one. */
static int take_replay_id(const struct request *request, char ret_id[UUID_LENGTH + 1],
                          struct error *err)
{
    static const char *const known[] = {"replay_id", NULL};
    json_t *body = request_json(request);
    const char *id;
    if (body_known(body, known, err) || body_string(body, "replay_id", &id, err)) {
        return -1;
    }
    if (!id) {
        return error_set_field(err, ERR_MISSING_PARAM, "replay_id", "replay_id is missing");
    }
    if (!is_uuid(id)) {
        return error_set_field(err, ERR_VALIDATION, "replay_id", "replay_id must be a UUID");
    }
    for (int i = 0; i <= UUID_LENGTH; i++) {
        ret_id[i] = (char)tolower((unsigned char)id[i]);
    }
    return 0;
}

void webhook_replay_handle(struct request *request)
{
    struct error err = {0};
    struct webhook webhook = {0};
    struct delivery delivery = {0}, *original = NULL;
    char replay_id[UUID_LENGTH + 1] = "";
    if (take_replay_id(request, replay_id, &err) == 0 &&
        find_active(request, &webhook, &err) == 0 &&
        store_delivery_find(api_of(request)->store, webhook.id,
                            request_param(request, "delivery_id"), &original, &err) == 0) {
        webhook_delivery_again(original, &delivery);
        deliveries_free(original, 1);
    }
    webhook_clear(&webhook);
    enqueue(request, &delivery, replay_id, &err);
}
