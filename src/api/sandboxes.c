/* Sandboxes: make, look up, change, pause, resume, stop, end. */
#include "api/api.h"
#include "api/body_fields.h"
#include "api/create_services.h"
#include "api/sandbox_routes.h"
#include "sandbox/snapshot.h"

#include "base/cleanup.h"

#include <string.h>

enum { TIMEOUT_MAX_SEC = 86400, WAIT_DEFAULT_MS = 30 * 1000, WAIT_MAX_SEC = 120 };

/* ?wait=true or ?wait=SECONDS, which the body's wait says as well. */
static int take_wait(const struct request *request, struct sandbox_spec *spec, struct error *err)
{
    const char *text = request_query(request, "wait");
    int64_t seconds;
    bool wait;
    if (!text) {
        return 0;
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || !*text) {
        request_query_bool(request, "wait", false, &wait, err);
        spec->wait_ms = wait ? WAIT_DEFAULT_MS : -1;
        return 0;
    }
    if (request_query_int(request, "wait", 0, WAIT_MAX_SEC, 0, &seconds, err)) {
        return -1;
    }
    spec->wait_ms = seconds * 1000;
    return 0;
}

/* Of body, on the files of origin unless it is NULL. */
static int create_on(struct request *request, json_t *body, const struct sandbox_origin *origin,
                     struct sandbox_spec *ret_spec, json_t **ret_sandbox, struct error *err)
{
    struct api *api = api_of(request);
    if (sandbox_spec_parse(api->settings, api->catalogue, body, ret_spec, err) ||
        take_wait(request, ret_spec, err)) {
        return -1;
    }
    json_t *services = NULL;
    if (create_services_parse(body, &services, err)) {
        return -1;
    }
    ret_spec->services = services;
    ret_spec->origin = origin;
    request_claim(request, &ret_spec->idempotency_route, &ret_spec->idempotency_key);
    int result =
        sandbox_create(api->sandboxes, request_principal(request), ret_spec, ret_sandbox, err);
    ret_spec->services = NULL;
    ret_spec->origin = NULL;
    json_decref(services);
    return result;
}

int sandbox_create_of(struct request *request, const struct sandbox_origin *origin,
                      struct sandbox_spec *ret_spec, json_t **ret_sandbox, struct error *err)
{
    int result = create_on(request, origin->request, origin, ret_spec, ret_sandbox, err);
    ret_spec->request = NULL; /* it ends with the origin */
    return result;
}

int sandbox_create_from(struct request *request, json_t *body, struct sandbox_spec *ret_spec,
                        json_t **ret_sandbox, struct error *err)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    const char *snapshot_id;
    struct sandbox_origin origin;
    if (body_string(body, "snapshot_id", &snapshot_id, err)) {
        return -1;
    }
    if (!snapshot_id || !*snapshot_id) {
        return create_on(request, body, NULL, ret_spec, ret_sandbox, err);
    }
    if (sandbox_origin_open(sandboxes, request_principal(request), NULL, snapshot_id, body, &origin,
                            err)) {
        return -1;
    }
    int result = sandbox_create_of(request, &origin, ret_spec, ret_sandbox, err);
    sandbox_origin_close(sandboxes, &origin, result == 0);
    return result;
}

/* What a client needs to go on, for those that create thousands. */
static json_t *compact_of(json_t *sandbox)
{
    static const char *const members[] = {"id",          "slug",        "name",      "state",
                                          "ready",       "template_id", "boot_path", "boot_ms",
                                          "preview_url", "created_at"};
    json_t *compact = json_object();
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        json_object_set(compact, members[i], json_object_get(sandbox, members[i]));
    }
    json_decref(sandbox);
    return compact;
}

static void create_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_spec spec = {0};
    json_t *sandbox = NULL;
    json_t *body = request_json(request);
    if (sandbox_create_from(request, body, &spec, &sandbox, &err)) {
        respond_error(request, &err);
        return;
    }
    if (spec.wait_ms >= 0) {
        /* Creation ends with a running sandbox, so there is never anything left to wait for. */
        respond_header(request, "X-Miosa-Wait", "ready");
    }
    const char *format = json_string_value(json_object_get(body, "response_format"));
    bool compact = format && strcmp(format, "compact") == 0;
    respond_json(request, 201, compact ? compact_of(sandbox) : sandbox);
}

typedef int sandbox_verb(struct sandboxes *sandboxes, const struct principal *principal,
                         const char *id, json_t **ret_json, struct error *err);

/* Answers with what the verb made of the sandbox that the path names. */
static void handle_verb(struct request *request, const char *reference, sandbox_verb *act)
{
    struct error err = {0};
    json_t *reply = NULL;
    if (act(api_of(request)->sandboxes, request_principal(request), reference, &reply, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, reply);
}

static void get_handle(struct request *request)
{
    handle_verb(request, request_param(request, "id"), sandbox_get);
}

static void by_name_handle(struct request *request)
{
    handle_verb(request, request_param(request, "name"), sandbox_by_name);
}

static void destroy_handle(struct request *request)
{
    handle_verb(request, request_param(request, "id"), sandbox_destroy);
}

static void pause_handle(struct request *request)
{
    handle_verb(request, request_param(request, "id"), sandbox_pause);
}

static void stop_handle(struct request *request)
{
    handle_verb(request, request_param(request, "id"), sandbox_stop);
}

static void usage_handle(struct request *request)
{
    handle_verb(request, request_param(request, "id"), sandbox_usage);
}

/* The documented members of a resume that would change the sandbox's variables. */
static int check_resume(json_t *body, struct error *err)
{
    static const char *const unsupported[] = {"env", "environment", "environment_id"};
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        json_t *value = body_member(body, unsupported[i]);
        if (value && !(json_is_object(value) && json_object_size(value) == 0)) {
            error_set_field(err, ERR_VALIDATION, unsupported[i],
                            "this version does not support '%s' in a resume", unsupported[i]);
            return error_hint(err, "Give variables when creating, or with each command.");
        }
    }
    return 0;
}

static void resume_handle(struct request *request)
{
    struct error err = {0};
    if (check_resume(request_json(request), &err)) {
        respond_error(request, &err);
        return;
    }
    handle_verb(request, request_param(request, "id"), sandbox_resume);
}

static void extend_handle(struct request *request)
{
    struct error err = {0};
    int64_t timeout_sec;
    json_t *sandbox = NULL;
    if (body_int(request_json(request), "timeout_sec", 1, TIMEOUT_MAX_SEC, 0, &timeout_sec, &err) ||
        sandbox_extend(api_of(request)->sandboxes, request_principal(request),
                       request_param(request, "id"), timeout_sec, &sandbox, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, sandbox);
}

static void update_with(struct request *request, json_t *changes)
{
    struct error err = {0};
    json_t *sandbox = NULL;
    if (sandbox_update(api_of(request)->sandboxes, request_principal(request),
                       request_param(request, "id"), changes, &sandbox, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, sandbox);
}

static void update_handle(struct request *request)
{
    update_with(request, request_json(request));
}

static void tags_handle(struct request *request)
{
    struct error err = {0};
    json_t *tags = body_member(request_json(request), "tags");
    if (!tags) {
        error_set_field(&err, ERR_MISSING_PARAM, "tags", "tags is missing");
        respond_error(request, &err);
        return;
    }
    json_t *changes = json_pack("{s:O}", "tags", tags);
    update_with(request, changes);
    json_decref(changes);
}

static void readiness_handle(struct request *request)
{
    struct error err = {0};
    json_t *sandbox = NULL;
    if (sandbox_get(api_of(request)->sandboxes, request_principal(request),
                    request_param(request, "id"), &sandbox, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *state = json_object_get(sandbox, "state");
    respond_json(request, 200,
                 json_pack("{s:{s:O, s:O, s:O, s:O}}", "data", "ready",
                           json_object_get(sandbox, "ready"), "state", state, "status", state,
                           "ready_at", json_object_get(sandbox, "ready_at")));
    json_decref(sandbox);
}

/* What it may use, from the sandbox, and what it uses now, from its usage. */
static json_t *metrics_of(json_t *sandbox, json_t *usage)
{
    static const char *const amounts[] = {"cpu_count", "memory_mb", "disk_mb", "process_limit"};
    json_t *current = json_object();
    json_t *measured = json_object_get(usage, "data");
    const char *key;
    json_t *value;
    json_object_foreach(measured, key, value)
    {
        if (json_is_number(value)) {
            json_object_set(current, key, value);
        }
    }
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        json_object_set(current, amounts[i], json_object_get(sandbox, amounts[i]));
    }
    return json_pack("{s:{s:s, s:O, s:O, s:o}}", "data", "resource_type", "sandbox", "resource_id",
                     json_object_get(sandbox, "id"), "state", json_object_get(sandbox, "state"),
                     "current", current);
}

static void metrics_handle(struct request *request)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    const struct principal *principal = request_principal(request);
    const char *id = request_param(request, "id");
    struct error err = {0};
    json_t *sandbox = NULL, *usage = NULL;
    if (sandbox_get(sandboxes, principal, id, &sandbox, &err) ||
        sandbox_usage(sandboxes, principal, id, &usage, &err)) {
        respond_error(request, &err);
    } else {
        respond_json(request, 200, metrics_of(sandbox, usage));
    }
    json_decref(sandbox);
    json_decref(usage);
}

#define ONE "/sandboxes/{id}"

#define READ(route_pattern, route_handler)                                                         \
    {                                                                                              \
        .method = "GET", .pattern = route_pattern, .scope = SCOPE_SANDBOXES_READ,                  \
        .body = BODY_NONE, .handler = route_handler                                                \
    }

#define CHANGE(route_method, route_pattern, route_handler, route_flags)                            \
    {                                                                                              \
        .method = route_method, .pattern = route_pattern, .scope = SCOPE_SANDBOXES_WRITE,          \
        .body = BODY_JSON, .flags = route_flags, .handler = route_handler                          \
    }

const struct route api_sandbox_routes[] = {
    CHANGE("POST", "/sandboxes", create_handle, ROUTE_IDEMPOTENT_KEY),
    {.method = "POST",
     .pattern = "/sandboxes/run",
     .scope = SCOPE_SANDBOXES_WRITE | SCOPE_SANDBOXES_EXEC,
     .body = BODY_JSON,
     .flags = ROUTE_IDEMPOTENT_KEY,
     .handler = sandbox_run_handle},
    READ("/sandboxes", sandbox_list_handle),
    READ("/sandboxes/by-name/{name}", by_name_handle),
    READ(ONE, get_handle),
    CHANGE("PATCH", ONE, update_handle, 0),
    CHANGE("PATCH", ONE "/tags", tags_handle, 0),
    {.method = "DELETE",
     .pattern = ONE,
     .scope = SCOPE_SANDBOXES_WRITE,
     .body = BODY_NONE,
     .handler = destroy_handle},
    CHANGE("POST", ONE "/pause", pause_handle, 0),
    CHANGE("POST", ONE "/resume", resume_handle, ROUTE_IDEMPOTENT_KEY),
    CHANGE("POST", ONE "/stop", stop_handle, 0),
    CHANGE("POST", ONE "/extend", extend_handle, 0),
    READ(ONE "/usage", usage_handle),
    READ(ONE "/metrics", metrics_handle),
    READ(ONE "/readiness", readiness_handle),
    {0},
};
