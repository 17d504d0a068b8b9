#include "app/internal.h"

#include "app/services.h"
#include "base/clock.h"
#include "base/log.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS_PROBE_MS = 2000 };

/* --- what starts by itself --- */

/* A new sandbox's app: from the template alone, dependencies included. */
static json_t *first_plan(struct apps *apps, const struct sandbox_use *use, struct error *err)
{
    auto_json json_t *request = json_pack("{s:b}", "install", 1);
    return plan_make(apps, use, request, err);
}

/* What to launch, or NULL: nothing (err.code 0), or nothing that could be. */
static json_t *pending_plan(struct apps *apps, const struct sandbox_use *use, json_t *record,
                            struct error *err)
{
    struct session session;
    enum app_phase phase;
    if (json_is_true(json_object_get(record, "stopped"))) {
        return NULL;
    }
    if (!plan_text(record, "start_command")) {
        return first_plan(apps, use, err);
    }
    /* A call that is made again finds what the first one started. */
    if (app_phase_of(use, record, &phase, &session, err) < 0 || phase != APP_GONE) {
        return NULL;
    }
    json_t *plan = json_deep_copy(record);
    json_object_set_new(plan, "install", json_false());
    return plan;
}

static void start_app(struct apps *apps, const struct sandbox_use *use, const char *tenant_id)
{
    struct error err = {0};
    auto_json json_t *record = NULL;
    if (sandbox_get_app(apps->sandboxes, use->id, &record, &err) < 0 || !record) {
        return;
    }
    auto_json json_t *plan = pending_plan(apps, use, record, &err);
    if (!plan && err.code == ERR_NONE) {
        return;
    }
    if (!plan || app_launch(apps, use, tenant_id, plan, &err) < 0) {
        log_warn("app.not_started", "sandbox=%s error=\"%s\"", use->id, err.message);
        app_tell(apps, tenant_id, use->id, "sandbox.app.failed", plan ? plan : record);
        return;
    }
    log_info("app.started", "sandbox=%s", use->id);
}

static void on_start(void *context, const char *tenant_id, const char *id, bool created)
{
    struct apps *apps = context;
    (void)created; /* the record says what is to be done, also when a call is made again */
    struct error err = {0};
    struct principal principal = {0};
    struct sandbox_use use;
    snprintf(principal.tenant_id, sizeof(principal.tenant_id), "%s", tenant_id);
    if (sandbox_use_begin(apps->sandboxes, &principal, id, APP_USE_WAIT_MS, &use, &err) < 0) {
        log_info("app.sandbox_gone", "sandbox=%s error=\"%s\"", id, err.message);
        return;
    }
    services_start_all(apps->settings, apps->sandboxes, &use);
    start_app(apps, &use, tenant_id);
    sandbox_use_end(apps->sandboxes, &use);
}

/* --- open, close --- */

struct apps *apps_open(const struct settings *settings, struct sandboxes *sandboxes,
                       struct hostclient *host, const struct catalogue *catalogue,
                       struct events *events, struct error *err)
{
    struct apps *apps = calloc(1, sizeof(*apps));
    if (!apps || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(apps);
        error_set(err, ERR_INTERNAL, 0, "prepare apps");
        return NULL;
    }
    apps->settings = settings;
    apps->sandboxes = sandboxes;
    apps->host = host;
    apps->catalogue = catalogue;
    apps->events = events;
    for (size_t i = 0; i < APP_LOCKS; i++) {
        pthread_mutex_init(&apps->locks[i], NULL);
    }
    return apps;
}

struct apps *apps_close(struct apps *apps)
{
    if (apps) {
        sandboxes_on_start(apps->sandboxes, NULL, NULL);
        for (size_t i = 0; i < APP_LOCKS; i++) {
            pthread_mutex_destroy(&apps->locks[i]);
        }
        curl_global_cleanup();
        free(apps);
    }
    return NULL;
}

void apps_begin(struct apps *apps,
                void (*expose)(void *context, const char *tenant_id, const char *sandbox_id,
                               int port),
                void *context)
{
    apps->expose_context = context;
    apps->expose = expose;
    sandboxes_on_start(apps->sandboxes, on_start, apps);
}

/* --- status --- */

static const char *status_name(json_t *plan, enum app_phase phase, const struct session *session)
{
    switch (phase) {
    case APP_INSTALLING:
        return "installing";
    case APP_STARTED:
        return "started";
    case APP_RESTARTING:
        return "restarting";
    case APP_ENDED:
        return session->exit.exit_code == 0 ? "exited" : "failed";
    case APP_GONE:
        break;
    }
    return plan_text(plan, "process_id") ? "stopped" : "not_started";
}

static json_t *time_json(int64_t realtime_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    return realtime_ms > 0 ? json_string(clock_iso8601(realtime_ms, text)) : json_null();
}

static int status_of_plan(struct apps *apps, const struct sandbox_use *use, json_t *plan,
                          json_t **ret_json, struct error *err)
{
    struct session session = {0};
    enum app_phase phase;
    if (app_phase_of(use, plan, &phase, &session, err) < 0) {
        sandbox_explain(apps->sandboxes, use, err);
        return -1;
    }
    bool ready = phase == APP_STARTED && app_answers(apps, use, plan, STATUS_PROBE_MS);
    bool has_exit = phase == APP_ENDED || phase == APP_RESTARTING;
    json_t *json =
        json_pack("{s:s, s:b, s:s, s:s, s:o, s:o, s:I, s:b}", "status",
                  status_name(plan, phase, &session), "ready", ready, "logs_path", APP_LOGS_PATH,
                  "pid_path", APP_PID_PATH, "started_at", time_json(plan_int(plan, "started_ms")),
                  "exit_code", has_exit ? json_integer(session.exit.exit_code) : json_null(),
                  "restarts", (json_int_t)(phase == APP_GONE ? 0 : session.restarts), "restart",
                  json_is_true(json_object_get(plan, "restart")));
    static const char *const shown[] = {"template_id",   "workdir",    "install_command",
                                        "start_command", "process_id", "readiness_probe",
                                        "artifact_paths"};
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        json_t *value = json_object_get(plan, shown[i]);
        json_object_set_new(json, shown[i], value ? json_incref(value) : json_null());
    }
    json_t *port = json_object_get(plan, "port");
    json_object_set_new(json, "preview_port", port ? json_incref(port) : json_null());
    *ret_json = json;
    return 0;
}

int app_status(struct apps *apps, const struct sandbox_use *use, json_t **ret_json,
               struct error *err)
{
    auto_json json_t *plan = NULL;
    if (sandbox_get_app(apps->sandboxes, use->id, &plan, err) < 0) {
        return -1;
    }
    if (!plan_text(plan, "start_command")) {
        json_decref(plan);
        plan = plan_of_template(apps, use);
    }
    return status_of_plan(apps, use, plan, ret_json, err);
}

/* --- start and stop --- */

static int start_with(struct apps *apps, const struct sandbox_use *use, const char *tenant_id,
                      json_t *request, int client_fd, int ending_fd, json_t **ret_json,
                      struct error *err)
{
    json_t *wait = json_object_get(request, "wait");
    if (wait && !json_is_boolean(wait) && !json_is_null(wait)) {
        return error_set_field(err, ERR_VALIDATION, "wait", "wait must be true or false");
    }
    auto_json json_t *plan = plan_make(apps, use, request, err);
    if (!plan || app_launch(apps, use, tenant_id, plan, err) < 0) {
        return -1;
    }
    if (!json_is_false(wait)) {
        json_t *details = NULL;
        if (app_await(apps, use, plan, client_fd, ending_fd, &details, err) < 0) {
            if (err->code == ERR_APP_FAILED) {
                app_tell(apps, tenant_id, use->id, "sandbox.app.failed", plan);
            }
            *ret_json = details;
            return -1;
        }
    }
    return status_of_plan(apps, use, plan, ret_json, err);
}

int app_start(struct apps *apps, const struct principal *principal, const char *sandbox_id,
              json_t *request, int client_fd, int ending_fd, json_t **ret_json, struct error *err)
{
    struct sandbox_use use;
    *ret_json = NULL;
    if (sandbox_use_begin(apps->sandboxes, principal, sandbox_id, APP_USE_WAIT_MS, &use, err) < 0) {
        return -1;
    }
    int result =
        start_with(apps, &use, principal->tenant_id, request, client_fd, ending_fd, ret_json, err);
    sandbox_use_end(apps->sandboxes, &use);
    return result;
}

/* Under the lock, so that no start comes between looking and ending. */
static int stop_plan(struct apps *apps, const struct sandbox_use *use, json_t *plan,
                     struct error *err)
{
    const char *id = plan_text(plan, "process_id");
    struct session session;
    struct error problem = {0};
    json_object_set_new(plan, "stopped", json_true());
    if (sandbox_set_app(apps->sandboxes, use->id, plan, err) < 0) {
        return -1;
    }
    if (session_stop(use->agent_socket, id, APP_STOP_GRACE_MS, false, &session, &problem) < 0 &&
        problem.code != ERR_PROCESS_NOT_FOUND) {
        *err = problem;
        sandbox_explain(apps->sandboxes, use, err);
        return -1;
    }
    return 0;
}

int app_stop(struct apps *apps, const struct principal *principal, const char *sandbox_id,
             json_t **ret_json, struct error *err)
{
    struct sandbox_use use;
    if (sandbox_use_begin(apps->sandboxes, principal, sandbox_id, APP_USE_WAIT_MS, &use, err) < 0) {
        return -1;
    }
    pthread_mutex_t *lock = app_lock_of(apps, sandbox_id);
    pthread_mutex_lock(lock);
    auto_json json_t *record = NULL;
    int result = sandbox_get_app(apps->sandboxes, sandbox_id, &record, err);
    auto_json json_t *plan = json_deep_copy(record); /* the record itself is shared */
    if (result == 0 && plan_text(plan, "process_id")) {
        result = stop_plan(apps, &use, plan, err);
    }
    pthread_mutex_unlock(lock);
    if (result == 0) {
        result = app_status(apps, &use, ret_json, err);
    }
    sandbox_use_end(apps->sandboxes, &use);
    return result;
}
