/* Starting the app's job: one at a time in a sandbox. */
#include "app/internal.h"

#include "app/environment.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What the job runs: the install command ($1, or empty) for at most $3 seconds, then the start command ($2) in its
 * place. $4 tells atolld, and the job when it is restarted, that the installation is over. Their output, npm's
 * included, is the app's log.
 */
static const char script[] =
    "if [ -n \"$1\" ] && [ ! -e \"$4\" ]; then\n"
    "  printf '$ %s\\n' \"$1\"\n"
    "  if command -v timeout >/dev/null; then timeout -k 5 \"$3\" /bin/bash -c \"$1\" </dev/null\n"
    "  else /bin/bash -c \"$1\" </dev/null; fi\n"
    "  code=$?\n"
    "  [ $code -ne 124 ] || printf 'the install command did not end within %s s\\n' \"$3\"\n"
    "  [ $code -eq 0 ] || exit $code\n"
    "  printf '$ %s\\n' \"$2\"\n"
    "fi\n"
    ": >\"$4\" || exit\n"
    "exec /bin/bash -c \"$2\"\n";

pthread_mutex_t *app_lock_of(struct apps *apps, const char *sandbox_id)
{
    unsigned hash = 5381;
    for (const char *at = sandbox_id; *at; at++) {
        hash = hash * 33 + (unsigned char)*at;
    }
    return &apps->locks[hash % APP_LOCKS];
}

void app_tell(struct apps *apps, const char *tenant_id, const char *sandbox_id, const char *type,
              json_t *plan)
{
    struct error err = {0};
    json_t *data = json_pack(
        "{s:O?, s:O?, s:O?}", "process_id", json_object_get(plan, "process_id"), "port",
        json_object_get(plan, "port"), "template_id", json_object_get(plan, "template_id"));
    if (!apps->events) {
        json_decref(data);
    } else if (events_append(apps->events, tenant_id, sandbox_id, type, data, &err) < 0) {
        log_warn("app.event_lost", "sandbox=%s type=%s error=\"%s\"", sandbox_id, type,
                 err.message);
    }
}

/* Makes room for the new job: an app that runs ends, one that installs is left alone. */
static int end_earlier(const struct sandbox_use *use, json_t *earlier, struct error *err)
{
    struct session session;
    enum app_phase phase;
    if (!earlier) {
        return 0;
    }
    if (app_phase_of(use, earlier, &phase, &session, err) < 0) {
        return -1;
    }
    if (phase == APP_INSTALLING) {
        error_set(err, ERR_CONFLICT, 0, "the app is being installed by an earlier start");
        return error_hint(err, "Wait until GET …/template says another status than installing, or "
                               "end it with POST …/template/stop.");
    }
    if ((phase == APP_STARTED || phase == APP_RESTARTING) &&
        session_stop(use->agent_socket, session.id, APP_STOP_GRACE_MS, true, &session, err) < 0 &&
        err->code != ERR_PROCESS_NOT_FOUND) {
        return -1;
    }
    return 0;
}

/* PORT, and what the request named, which goes before it. Vite answers only to names of one domain that it was told. */
static json_t *variables_of(const struct apps *apps, const struct sandbox_use *use, json_t *plan)
{
    char port[16], names[300], own[PREVIEW_DOMAIN_SIZE];
    bool has_own = sandboxes_preview_domain(apps->sandboxes, use->tenant_id, own);
    snprintf(port, sizeof(port), "%lld", (long long)plan_int(plan, "port"));
    snprintf(names, sizeof(names), ".%s", has_own ? own : apps->settings->domain);
    json_t *variables = json_pack("{s:s}", "__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS", names);
    if (plan_int(plan, "port") > 0) {
        json_object_set_new(variables, "PORT", json_string(port));
    }
    json_t *env = json_object_get(plan, "env");
    if (json_is_object(env)) {
        json_object_update(variables, env);
    }
    return variables;
}

static int start_job(struct apps *apps, const struct sandbox_use *use, json_t *plan,
                     struct error *err)
{
    static const char mark[] = APP_INSTALLED_PATH;
    bool install = json_is_true(json_object_get(plan, "install"));
    char seconds[24];
    snprintf(seconds, sizeof(seconds), "%lld", (long long)plan_int(plan, "install_timeout_sec"));
    const char *arguments[] = {"/bin/bash",
                               "-c",
                               script,
                               APP_SESSION_NAME,
                               install ? plan_text(plan, "install_command") : "",
                               plan_text(plan, "start_command"),
                               seconds,
                               mark,
                               NULL};
    auto_json json_t *variables = variables_of(apps, use, plan);
    char **environment = environment_make(use, variables, err);
    if (!environment) {
        return -1;
    }
    struct session_start start = {
        .id = plan_text(plan, "process_id"),
        .kind = AGENT_SESSION_JOB,
        .name = APP_SESSION_NAME,
        .label = APP_SESSION_NAME,
        .command = plan_text(plan, "start_command"),
        .arguments = arguments,
        .environment = (const char *const *)environment,
        .cwd = plan_text(plan, "workdir"),
        .user = plan_text(plan, "user"),
        .log_path = APP_LOGS_PATH,
        .pid_path = APP_PID_PATH,
        .running_max = apps->settings->max_jobs,
        .restart = json_is_true(json_object_get(plan, "restart")),
    };
    struct session started;
    int result = session_start(use->agent_socket, &start, &started, err);
    environment_free(environment);
    if (result < 0 && err->code == ERR_NAME_TAKEN) {
        error_set(err, ERR_CONFLICT, 0, "a process or service of the name '%s' runs",
                  APP_SESSION_NAME);
        return error_hint(err, "That is the name of the app's own process: end the other one.");
    }
    return result;
}

static bool is_of_the_path(enum error_code code)
{
    return code == ERR_FILE_NOT_FOUND || code == ERR_FILE_EXISTS || code == ERR_NOT_DIRECTORY ||
           code == ERR_IS_DIRECTORY || code == ERR_FORBIDDEN_PATH;
}

/* A directory for whichever user the app runs as, without the mark of an earlier start. */
static int prepare_directory(const struct sandbox_use *use, struct error *err)
{
    const char *socket = use->agent_socket;
    if (agent_mkdir(socket, APP_RUN_DIRECTORY, 01777, true, err) < 0 ||
        agent_chmod(socket, APP_RUN_DIRECTORY, 01777, err) < 0 ||
        (agent_remove(socket, APP_INSTALLED_PATH, false, err) < 0 &&
         err->code != ERR_FILE_NOT_FOUND)) {
        if (is_of_the_path(err->code)) {
            err->code = ERR_COMMAND_START;
            error_prefix(err, "prepare %s", APP_RUN_DIRECTORY);
            return error_hint(err, "Remove what is in its place inside the sandbox.");
        }
        return -1;
    }
    *err = (struct error){0};
    return 0;
}

static int launch_locked(struct apps *apps, const struct sandbox_use *use, json_t *plan,
                         struct error *err)
{
    auto_json json_t *earlier = NULL;
    char id[ID_SIZE];
    if (sandbox_get_app(apps->sandboxes, use->id, &earlier, err) < 0 ||
        end_earlier(use, earlier, err) < 0 || prepare_directory(use, err) < 0) {
        return -1;
    }
    json_object_set_new(plan, "process_id", json_string(id_make("job_", id)));
    json_object_set_new(plan, "started_ms", json_integer(clock_realtime_ms()));
    if (sandbox_set_app(apps->sandboxes, use->id, plan, err) < 0) {
        return -1;
    }
    FAULT_POINT("app.start.recorded");
    if (start_job(apps, use, plan, err) < 0) {
        struct error ignored = {0};
        sandbox_set_app(apps->sandboxes, use->id, earlier, &ignored);
        return -1;
    }
    FAULT_POINT("app.start.started");
    return 0;
}

int app_launch(struct apps *apps, const struct sandbox_use *use, const char *tenant_id,
               json_t *plan, struct error *err)
{
    pthread_mutex_t *lock = app_lock_of(apps, use->id);
    pthread_mutex_lock(lock);
    int result = launch_locked(apps, use, plan, err);
    pthread_mutex_unlock(lock);
    if (result < 0) {
        sandbox_explain(apps->sandboxes, use, err);
        return -1;
    }
    app_tell(apps, tenant_id, use->id, "sandbox.app.started", plan);
    int port = (int)plan_int(plan, "port");
    if (port > 0 && apps->expose) {
        apps->expose(apps->expose_context, tenant_id, use->id, port);
    }
    return 0;
}
