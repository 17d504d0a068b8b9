/* Webhooks: a tenant's own, to be told what happens to its sandboxes and deployments. */
#include "api/webhook_fields.h"

#include <stdio.h>
#include <string.h>

static void webhook_cleanup(struct webhook *webhook)
{
    webhook_clear(webhook);
    explicit_bzero(webhook->secret, sizeof(webhook->secret));
}

#define auto_webhook __attribute__((cleanup(webhook_cleanup)))

static void answer(struct request *request, int status, const struct webhook *webhook,
                   bool with_secret)
{
    respond_json(request, status, json_pack("{s:o}", "data", webhook_json(webhook, with_secret)));
}

static int find(const struct request *request, struct webhook *ret_webhook, struct error *err)
{
    return store_webhook_find(api_of(request)->store, request_principal(request)->tenant_id,
                              request_param(request, "id"), ret_webhook, err);
}

static void describe_new(const struct principal *owner, struct webhook *webhook)
{
    *webhook = (struct webhook){.events = json_pack("[s]", "*"),
                                .headers = json_object(),
                                .metadata = json_object(),
                                .state = "active",
                                .retry_count = WEBHOOK_RETRIES_DEFAULT};
    id_make("whk_", webhook->id);
    memcpy(webhook->tenant_id, owner->tenant_id, sizeof(webhook->tenant_id));
    memcpy(webhook->workspace_id, owner->workspace_id, sizeof(webhook->workspace_id));
    webhook_make_secret(webhook);
}

static void create_handle(struct request *request)
{
    struct error err = {0};
    auto_webhook struct webhook webhook;
    describe_new(request_principal(request), &webhook);
    if (webhook_take_fields(request, &webhook, &err) ||
        store_webhook_insert(api_of(request)->store, &webhook, WEBHOOKS_MAX, &err)) {
        respond_error(request, &err);
        return;
    }
    webhooks_changed(api_of(request)->webhooks);
    answer(request, 201, &webhook, true);
}

static void list_handle(struct request *request)
{
    struct error err = {0};
    struct webhook *webhooks;
    size_t count;
    if (store_webhook_list(api_of(request)->store, request_principal(request)->tenant_id, &webhooks,
                           &count, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, webhook_json(&webhooks[i], false));
    }
    webhooks_free(webhooks, count);
    respond_json(request, 200, json_pack("{s:o}", "data", list));
}

static void get_handle(struct request *request)
{
    struct error err = {0};
    auto_webhook struct webhook webhook = {0};
    if (find(request, &webhook, &err)) {
        respond_error(request, &err);
        return;
    }
    answer(request, 200, &webhook, false);
}

static void update_handle(struct request *request)
{
    struct error err = {0};
    auto_webhook struct webhook webhook = {0};
    if (find(request, &webhook, &err)) {
        respond_error(request, &err);
        return;
    }
    bool was_active = strcmp(webhook.state, "active") == 0;
    if (webhook_take_fields(request, &webhook, &err)) {
        respond_error(request, &err);
        return;
    }
    bool revived = !was_active && strcmp(webhook.state, "active") == 0;
    webhook.failure_count = revived ? 0 : webhook.failure_count;
    if (store_webhook_update(api_of(request)->store, &webhook, revived, &err)) {
        respond_error(request, &err);
        return;
    }
    webhooks_changed(api_of(request)->webhooks);
    answer(request, 200, &webhook, false);
}

static void rotate_handle(struct request *request)
{
    struct error err = {0};
    auto_webhook struct webhook webhook = {0};
    if (find(request, &webhook, &err)) {
        respond_error(request, &err);
        return;
    }
    webhook_make_secret(&webhook);
    if (store_webhook_update(api_of(request)->store, &webhook, false, &err)) {
        respond_error(request, &err);
        return;
    }
    webhooks_changed(api_of(request)->webhooks);
    answer(request, 200, &webhook, true);
}

static void delete_handle(struct request *request)
{
    struct error err = {0};
    const char *id = request_param(request, "id");
    if (store_webhook_delete(api_of(request)->store, request_principal(request)->tenant_id, id,
                             &err)) {
        respond_error(request, &err);
        return;
    }
    webhooks_changed(api_of(request)->webhooks);
    respond_json(request, 200, json_pack("{s:{s:s, s:b}}", "data", "id", id, "deleted", 1));
}

static void catalogue_handle(struct request *request)
{
    respond_json(request, 200, webhook_catalogue_json());
}

#define ROUTE(verb, path, needed_scope, kind, run)                                                 \
    {                                                                                              \
        .method = verb, .pattern = path, .scope = needed_scope, .body = kind, .handler = run       \
    }

const struct route api_webhook_routes[] = {
    ROUTE("GET", "/webhooks", SCOPE_EVENTS_READ, BODY_NONE, list_handle),
    ROUTE("POST", "/webhooks", SCOPE_EVENTS_WRITE, BODY_JSON, create_handle),
    ROUTE("GET", "/webhooks/events", SCOPE_EVENTS_READ, BODY_NONE, catalogue_handle),
    ROUTE("GET", "/webhooks/{id}", SCOPE_EVENTS_READ, BODY_NONE, get_handle),
    ROUTE("PATCH", "/webhooks/{id}", SCOPE_EVENTS_WRITE, BODY_JSON, update_handle),
    ROUTE("DELETE", "/webhooks/{id}", SCOPE_EVENTS_WRITE, BODY_NONE, delete_handle),
    ROUTE("POST", "/webhooks/{id}/rotate-secret", SCOPE_EVENTS_WRITE, BODY_JSON, rotate_handle),
    ROUTE("POST", "/webhooks/{id}/test", SCOPE_EVENTS_WRITE, BODY_JSON, webhook_test_handle),
    ROUTE("GET", "/webhooks/{id}/deliveries", SCOPE_EVENTS_READ, BODY_NONE,
          webhook_deliveries_handle),
    ROUTE("POST", "/webhooks/{id}/deliveries/{delivery_id}/replay", SCOPE_EVENTS_WRITE, BODY_JSON,
          webhook_replay_handle),
    {0},
};
