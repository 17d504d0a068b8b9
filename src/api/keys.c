/* API keys: a tenant makes, lists and revokes its own. */
#include "api/api.h"
#include "api/body_fields.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <string.h>

enum { NAME_MAX_BYTES = 100, EXPIRES_MAX_DAYS = 3650 };

static json_t *scopes_json(unsigned scopes)
{
    json_t *list = json_array();
    while (scopes) {
        unsigned lowest = scopes & -scopes;
        json_array_append_new(list, json_string(scope_name(lowest)));
        scopes &= ~lowest;
    }
    return list;
}

static int scope_of(json_t *name, unsigned *ret_scope, struct error *err)
{
    *ret_scope =
        json_is_string(name) ? scope_find(json_string_value(name), json_string_length(name)) : 0;
    if (*ret_scope == 0) {
        error_set_field(err, ERR_VALIDATION, "scopes", "scopes has an unknown entry");
        return error_hint(err, "Use %s.", scope_name_list);
    }
    return 0;
}

/* Without a list: all that the minter has, except making further keys. */
static int take_scopes(const struct request *request, unsigned *ret_scopes, struct error *err)
{
    unsigned own = request_principal(request)->scopes;
    json_t *list = body_member(request_json(request), "scopes");
    *ret_scopes = own & ~(unsigned)SCOPE_KEYS;
    if (!list) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return error_set_field(err, ERR_VALIDATION, "scopes",
                               "scopes must name at least one scope");
    }
    *ret_scopes = 0;
    size_t index;
    json_t *name;
    json_array_foreach(list, index, name)
    {
        unsigned scope = 0;
        if (scope_of(name, &scope, err)) {
            return -1;
        }
        *ret_scopes |= scope;
    }
    if (*ret_scopes & ~own) {
        return error_set_field(err, ERR_SCOPE, "scopes",
                               "a key can only give scopes that it has itself");
    }
    return 0;
}

/* Members that would narrow the key in ways that this version cannot: refused rather than ignored. */
static int check_unsupported(json_t *body, struct error *err)
{
    static const char *const unsupported[] = {"allowed_ips", "workspace_id", "rate_limit_rpm"};
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        if (body_member(body, unsupported[i])) {
            return error_set_field(err, ERR_VALIDATION, unsupported[i],
                                   "this version does not support '%s'", unsupported[i]);
        }
    }
    return 0;
}

static int take_expiry(json_t *body, int64_t *ret_expires_at_ms, struct error *err)
{
    int64_t days;
    if (body_int(body, "expires_in_days", 1, EXPIRES_MAX_DAYS, 0, &days, err)) {
        return -1;
    }
    *ret_expires_at_ms = days ? clock_realtime_ms() + days * 24 * 3600 * 1000 : 0;
    return 0;
}

static int take_name(json_t *body, const char **ret_name, struct error *err)
{
    if (body_string(body, "name", ret_name, err)) {
        return -1;
    }
    if (!*ret_name || !**ret_name) {
        return error_set_field(err, ERR_MISSING_PARAM, "name", "name is missing");
    }
    if (strlen(*ret_name) > NAME_MAX_BYTES) {
        return error_set_field(err, ERR_VALIDATION, "name", "name is longer than %d bytes",
                               NAME_MAX_BYTES);
    }
    return 0;
}

static json_t *time_json(int64_t realtime_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    return realtime_ms ? json_string(clock_iso8601(realtime_ms, text)) : json_null();
}

static const char *status_of(const struct api_key *key)
{
    if (key->revoked_at_ms) {
        return "revoked";
    }
    bool expired = key->expires_at_ms && key->expires_at_ms <= clock_realtime_ms();
    return expired ? "expired" : "active";
}

static json_t *key_json(const struct api_key *key)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "id", key->id,
                     "name", key->name, "key_type", "user", "key_purpose", "api", "key_prefix",
                     key->prefix, "last_four", key->last_four, "status", status_of(key),
                     "workspace_id", key->workspace_id, "scopes", scopes_json(key->scopes),
                     "expires_at", time_json(key->expires_at_ms), "created_at",
                     time_json(key->created_at_ms));
}

static void create_handle(struct request *request)
{
    struct error err = {0};
    json_t *body = request_json(request);
    const char *name;
    unsigned scopes;
    int64_t expires_at_ms;
    struct api_key key;
    char text[KEY_TEXT_SIZE];
    if (take_name(body, &name, &err) || check_unsupported(body, &err) ||
        take_scopes(request, &scopes, &err) || take_expiry(body, &expires_at_ms, &err) ||
        store_key_create(api_of(request)->store, request_principal(request), name, scopes,
                         expires_at_ms, &key, text, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *data = key_json(&key);
    json_object_set_new(data, "key", json_string(text));
    explicit_bzero(text, sizeof(text));
    respond_json(request, 201, json_pack("{s:o}", "data", data));
}

static void list_handle(struct request *request)
{
    struct error err = {0};
    auto_free struct api_key *keys = NULL;
    size_t count;
    if (store_key_list(api_of(request)->store, request_principal(request)->tenant_id, &keys, &count,
                       &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, key_json(&keys[i]));
    }
    respond_json(request, 200, json_pack("{s:o}", "data", list));
}

static void revoke_handle(struct request *request)
{
    struct error err = {0};
    const char *id = request_param(request, "id");
    if (store_key_revoke(api_of(request)->store, request_principal(request)->tenant_id, id, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:{s:s, s:s}}", "data", "id", id, "status", "revoked"));
}

static void presets_handle(struct request *request)
{
    static const struct {
        const char *name, *description;
        unsigned scopes;
    } presets[] = {
        {"read-only", "See sandboxes and read their files", SCOPE_SANDBOXES_READ},
        {"agent", "Make and use sandboxes, show their ports and follow their events",
         SCOPE_SANDBOXES_READ | SCOPE_SANDBOXES_WRITE | SCOPE_SANDBOXES_EXEC | SCOPE_PREVIEWS |
             SCOPE_EVENTS_READ},
        {"ci", "Make and use sandboxes and publish them",
         SCOPE_SANDBOXES_READ | SCOPE_SANDBOXES_WRITE | SCOPE_SANDBOXES_EXEC | SCOPE_PREVIEWS |
             SCOPE_DEPLOYMENTS | SCOPE_EVENTS_READ},
        {"cli", "Everything, keys included", SCOPE_ALL},
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", presets[i].name,
                                              "description", presets[i].description, "scopes",
                                              scopes_json(presets[i].scopes)));
    }
    respond_json(request, 200, json_pack("{s:o}", "data", list));
}

const struct route api_key_routes[] = {
    {.method = "POST",
     .pattern = "/api-keys",
     .scope = SCOPE_KEYS,
     .body = BODY_JSON,
     .handler = create_handle},
    {.method = "GET",
     .pattern = "/api-keys",
     .scope = SCOPE_KEYS,
     .body = BODY_NONE,
     .handler = list_handle},
    {.method = "GET", .pattern = "/api-keys/presets", .body = BODY_NONE, .handler = presets_handle},
    {.method = "DELETE",
     .pattern = "/api-keys/{id}",
     .scope = SCOPE_KEYS,
     .body = BODY_NONE,
     .handler = revoke_handle},
    {0},
};
