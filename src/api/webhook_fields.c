#include "api/webhook_fields.h"

#include "api/body_fields.h"
#include "api/body_known.h"
#include "base/clock.h"
#include "events/names.h"
#include "events/webhook_target.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    NAME_MAX_BYTES = 100,
    DESCRIPTION_MAX_BYTES = 500,
    EVENTS_MAX = 50,
    HEADERS_MAX = 20,
    HEADER_NAME_MAX_BYTES = 128,
    HEADER_VALUE_MAX_BYTES = 1024,
    METADATA_MAX_BYTES = 16 * 1024,
    SECRET_MIN_BYTES = 16,
    SECRET_MAX_BYTES = 100,
    SECRET_LENGTH = 32,
    PREVIEW_LENGTH = 9, /* "whsec_" and three characters */
};

static const char *const event_types[] = {
    "sandbox.created",          "sandbox.running",          "sandbox.ready",
    "sandbox.pausing",          "sandbox.paused",           "sandbox.resuming",
    "sandbox.resumed",          "sandbox.snapshotting",     "sandbox.snapshotted",
    "sandbox.snapshot.created", "sandbox.snapshot.deleted", "sandbox.updated",
    "sandbox.destroying",       "sandbox.destroyed",        "sandbox.error",
    "sandbox.app.started",      "sandbox.app.failed",       "sandbox.preview.ready",
    "deployment.created",       "deployment.build_started", "deployment.build_succeeded",
    "deployment.build_failed",  "deployment.published",     "deployment.succeeded",
    "deployment.stopped",       "deployment.deleted",       "deployment.domain_attached",
};

enum { TYPE_COUNT = sizeof(event_types) / sizeof(event_types[0]) };

json_t *webhook_catalogue_json(void)
{
    json_t *categories = json_object(), *all = json_array();
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        char category[32];
        snprintf(category, sizeof(category), "%.*s", (int)strcspn(event_types[i], "."),
                 event_types[i]);
        json_t *list = json_object_get(categories, category);
        if (!list) {
            list = json_array();
            json_object_set_new(categories, category, list);
        }
        json_array_append_new(list, json_string(event_types[i]));
        json_array_append_new(all, json_string(event_types[i]));
    }
    return json_pack("{s:o, s:o, s:[], s:{s:s, s:s, s:s}, s:[s, s, s, s]}", "data", categories,
                     "events", all, "workspace_scoped_categories", "signing", "header",
                     "x-miosa-signature", "algorithm", "hmac-sha256", "format", "sha256=<hex>",
                     "delivery_headers", "x-miosa-event", "x-miosa-delivery", "x-miosa-signature",
                     "miosa-signature");
}

/* --- reading --- */

static bool names_an_event(const char *pattern)
{
    for (size_t i = 0; pattern && *pattern && i < TYPE_COUNT; i++) {
        if (!strchr(pattern, ',') && event_type_matches(pattern, event_types[i])) {
            return true;
        }
    }
    return false;
}

static int take_events(json_t *body, struct webhook *webhook, struct error *err)
{
    json_t *list = body_member(body, "events");
    if (!list) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > EVENTS_MAX) {
        return error_set_field(err, ERR_VALIDATION, "events",
                               "events must be an array of at most %d event types", EVENTS_MAX);
    }
    size_t index;
    json_t *entry;
    json_array_foreach(list, index, entry)
    {
        if (!names_an_event(json_string_value(entry))) {
            error_set_field(err, ERR_VALIDATION, "events", "events[%zu] is no type of event",
                            index);
            return error_hint(err, "Use types of GET /webhooks/events, 'sandbox.*' or '*'.");
        }
    }
    json_decref(webhook->events);
    webhook->events = json_array_size(list) > 0 ? json_incref(list) : json_pack("[s]", "*");
    return 0;
}

static bool is_header_name(const char *name)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    size_t length = strlen(name);
    return length > 0 && length <= HEADER_NAME_MAX_BYTES && strspn(name, token) == length;
}

/* Ours, and those that would change how the request is framed or where it goes. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {
        "host",       "content-length", "content-type", "content-encoding", "transfer-encoding",
        "connection", "expect",         "te",           "trailer",          "upgrade",
        "keep-alive", "miosa-signature"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcasecmp(name, reserved[i]) == 0) {
            return true;
        }
    }
    return strncasecmp(name, "x-miosa-", 8) == 0 || strncasecmp(name, "proxy-", 6) == 0;
}

static bool is_header_value(json_t *value)
{
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (!text || length == 0 || length > HEADER_VALUE_MAX_BYTES || text[0] == ' ' ||
        text[length - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~') {
            return false;
        }
    }
    return true;
}

static int take_headers(json_t *body, struct webhook *webhook, struct error *err)
{
    json_t *headers = body_member(body, "headers");
    if (!headers) {
        return 0;
    }
    if (!json_is_object(headers) || json_object_size(headers) > HEADERS_MAX) {
        return error_set_field(err, ERR_VALIDATION, "headers",
                               "headers must be an object of at most %d members", HEADERS_MAX);
    }
    const char *name;
    json_t *value;
    json_object_foreach(headers, name, value)
    {
        if (!is_header_name(name) || is_reserved(name)) {
            return error_set_field(err, ERR_VALIDATION, "headers", "headers must not set '%.64s'",
                                   is_header_name(name) ? name : "such a name");
        }
        if (!is_header_value(value)) {
            return error_set_field(err, ERR_VALIDATION, "headers",
                                   "the header '%.64s' must be 1 to %d printable ASCII characters",
                                   name, HEADER_VALUE_MAX_BYTES);
        }
    }
    json_decref(webhook->headers);
    webhook->headers = json_incref(headers);
    return 0;
}

static int take_metadata(json_t *body, struct webhook *webhook, struct error *err)
{
    json_t *metadata = body_member(body, "metadata");
    if (!metadata) {
        return 0;
    }
    if (!json_is_object(metadata) ||
        json_dumpb(metadata, NULL, 0, JSON_COMPACT) > METADATA_MAX_BYTES) {
        return error_set_field(err, ERR_VALIDATION, "metadata",
                               "metadata must be an object of at most %d bytes of JSON",
                               METADATA_MAX_BYTES);
    }
    json_decref(webhook->metadata);
    webhook->metadata = json_incref(metadata);
    return 0;
}

static int take_text(json_t *body, const char *name, size_t max, char *text, size_t size,
                     struct error *err)
{
    const char *value;
    if (body_string(body, name, &value, err) || !value) {
        return err->code ? -1 : 0;
    }
    if (strlen(value) > max) {
        return error_set_field(err, ERR_VALIDATION, name, "%s is longer than %zu bytes", name, max);
    }
    snprintf(text, size, "%s", value);
    return 0;
}

static int take_secret(json_t *body, struct webhook *webhook, struct error *err)
{
    const char *secret;
    if (body_string(body, "secret", &secret, err) || !secret) {
        return err->code ? -1 : 0;
    }
    size_t length = strlen(secret);
    bool is_plain = true;
    for (size_t i = 0; i < length; i++) {
        is_plain = is_plain && secret[i] > ' ' && secret[i] <= '~';
    }
    if (length < SECRET_MIN_BYTES || length > SECRET_MAX_BYTES || !is_plain) {
        return error_set_field(err, ERR_VALIDATION, "secret",
                               "secret must be %d to %d printable ASCII characters without spaces",
                               SECRET_MIN_BYTES, SECRET_MAX_BYTES);
    }
    snprintf(webhook->secret, sizeof(webhook->secret), "%s", secret);
    return 0;
}

static int take_state(json_t *body, struct webhook *webhook, struct error *err)
{
    const char *state;
    bool active = strcmp(webhook->state, "active") == 0;
    if (body_string(body, "state", &state, err)) {
        return -1;
    }
    if (state && strcmp(state, "active") != 0 && strcmp(state, "inactive") != 0) {
        return error_set_field(err, ERR_VALIDATION, "state", "state must be active or inactive");
    }
    active = state ? strcmp(state, "active") == 0 : active;
    if (body_bool(body, "active", active, &active, err)) {
        return -1;
    }
    if (state || body_member(body, "active")) {
        snprintf(webhook->state, sizeof(webhook->state), "%s", active ? "active" : "inactive");
    }
    return 0;
}

static int check_workspace(const struct request *request, json_t *body, struct error *err)
{
    const char *workspace;
    if (body_string(body, "workspace_id", &workspace, err)) {
        return -1;
    }
    if (workspace && strcmp(workspace, request_principal(request)->workspace_id) != 0) {
        return error_set_field(err, ERR_VALIDATION, "workspace_id",
                               "workspace_id must be the workspace of the key");
    }
    return 0;
}

static int take_url(const struct request *request, json_t *body, struct webhook *webhook,
                    struct error *err)
{
    bool any = strcmp(api_of(request)->settings->webhook_targets, "any") == 0;
    if (take_text(body, "url", sizeof(webhook->url) - 1, webhook->url, sizeof(webhook->url), err)) {
        return -1;
    }
    return webhook->url[0] ? webhook_target_check(webhook->url, any, err)
                           : error_set_field(err, ERR_MISSING_PARAM, "url", "url is missing");
}

int webhook_take_fields(const struct request *request, struct webhook *webhook, struct error *err)
{
    static const char *const known[] = {"url",     "events",      "name",     "description",
                                        "headers", "retry_count", "metadata", "workspace_id",
                                        "active",  "state",       "secret",   NULL};
    json_t *body = request_json(request);
    return body_known(body, known, err) || check_workspace(request, body, err) ||
                   take_url(request, body, webhook, err) || take_events(body, webhook, err) ||
                   take_headers(body, webhook, err) || take_metadata(body, webhook, err) ||
                   take_text(body, "name", NAME_MAX_BYTES, webhook->name, sizeof(webhook->name),
                             err) ||
                   take_text(body, "description", DESCRIPTION_MAX_BYTES, webhook->description,
                             sizeof(webhook->description), err) ||
                   body_int(body, "retry_count", 0, WEBHOOK_RETRIES_MAX, webhook->retry_count,
                            &webhook->retry_count, err) ||
                   take_secret(body, webhook, err) || take_state(body, webhook, err)
               ? -1
               : 0;
}

/* --- showing --- */

void webhook_make_secret(struct webhook *webhook)
{
    char random[SECRET_LENGTH + 1];
    snprintf(webhook->secret, sizeof(webhook->secret), "whsec_%s",
             secret_make(random, sizeof(random)));
}

static json_t *time_json(int64_t realtime_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    return realtime_ms ? json_string(clock_iso8601(realtime_ms, text)) : json_null();
}

json_t *webhook_json(const struct webhook *webhook, bool with_secret)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:s, s:b, s:O, s:I, s:I, s:O, s:o, s:o, s:o, s:o}",
        "id", webhook->id, "tenant_id", webhook->tenant_id, "workspace_id", webhook->workspace_id,
        "name", webhook->name, "description", webhook->description, "url", webhook->url, "events",
        webhook->events, "state", webhook->state, "active", strcmp(webhook->state, "active") == 0,
        "headers", webhook->headers, "retry_count", (json_int_t)webhook->retry_count,
        "failure_count", (json_int_t)webhook->failure_count, "metadata", webhook->metadata,
        "last_triggered_at", time_json(webhook->last_triggered_ms), "last_status_code",
        webhook->last_status_code ? json_integer(webhook->last_status_code) : json_null(),
        "created_at", time_json(webhook->created_ms), "updated_at", time_json(webhook->updated_ms));
    char preview[WEBHOOK_SECRET_SIZE];
    size_t length = strlen(webhook->secret);
    snprintf(preview, sizeof(preview), "%.*s...%s", PREVIEW_LENGTH, webhook->secret,
             webhook->secret + length - 3);
    json_object_set_new(object, with_secret ? "secret" : "secret_preview",
                        json_string(with_secret ? webhook->secret : preview));
    return object;
}
