/* Inside app/: what its files share. */
#ifndef ATOLL_APP_INTERNAL_H
#define ATOLL_APP_INTERNAL_H

#include "agentclient/sessions.h"
#include "app/app.h"

#include <pthread.h>

/* struct session.label and name of the app's job. */
#define APP_SESSION_NAME "template"

#define APP_RUN_DIRECTORY "/tmp/miosa-run"
#define APP_LOGS_PATH     APP_RUN_DIRECTORY "/template.log"
#define APP_PID_PATH      APP_RUN_DIRECTORY "/template.pid"
/* Made by the app's script when the install command succeeded. */
#define APP_INSTALLED_PATH APP_RUN_DIRECTORY "/template.installed"

enum {
    APP_LOCKS = 64, /* starts and stops of sandboxes that share one take turns */
    APP_STOP_GRACE_MS = 5000,
    APP_USE_WAIT_MS = 30 * 1000, /* for a sandbox that is starting */
    APP_LOG_TAIL_BYTES = 4096,
};

struct apps {
    const struct settings *settings;
    struct sandboxes *sandboxes;
    struct hostclient *host;
    const struct catalogue *catalogue;
    struct events *events;
    void (*expose)(void *context, const char *tenant_id, const char *sandbox_id, int port);
    void *expose_context;
    pthread_mutex_t locks[APP_LOCKS];
};

/* --- plan.c --- */

/* The plan of an app, as it is stored: {template_id, workdir, port, install, install_command, start_command, env,
 * user, readiness_probe, artifact_paths, install_timeout_sec, start_timeout_sec, restart}; absent values are null.
 * What request says goes before the template's. */
json_t *plan_make(const struct apps *apps, const struct sandbox_use *use, json_t *request,
                  struct error *err);

/* What app_status says of a sandbox without an app: the template's values. */
json_t *plan_of_template(const struct apps *apps, const struct sandbox_use *use);

/* --- probe_check.c --- */

/* Checks a probe and brings it into one form: {type:"http", port, path}, {type:"tcp", port} or {type:"exec",
 * command}. New reference; NULL with err (field readiness_probe). */
json_t *probe_normalise(json_t *probe, struct error *err);

/* --- probe_http.c --- */
int probe_http(struct hostclient *host, const char *sandbox_id, int port, const char *path,
               int64_t timeout_ms, int *ret_status, struct error *err);

/* --- probe.c --- */
int probe_tcp(struct hostclient *host, const char *sandbox_id, int port, int64_t timeout_ms,
              struct error *err);

/* --- launch.c --- */

/* Starts the job of a plan, which it completes with process_id and started_at, and stores it. Stops an app that
 * runs; ERR_CONFLICT when that one is installing. Takes the sandbox's lock. */
int app_launch(struct apps *apps, const struct sandbox_use *use, const char *tenant_id,
               json_t *plan, struct error *err);

/* The mutex under which a sandbox's app is started and stopped. */
pthread_mutex_t *app_lock_of(struct apps *apps, const char *sandbox_id);

/* A stored event of the sandbox: "sandbox.app.started", … with the plan's process id and port. */
void app_tell(struct apps *apps, const char *tenant_id, const char *sandbox_id, const char *type,
              json_t *plan);

/* --- ready.c --- */

enum app_phase {
    APP_INSTALLING,
    APP_STARTED,    /* its start command runs */
    APP_RESTARTING, /* it failed and starts again in a moment */
    APP_ENDED,
    APP_GONE, /* there is no such job: stopped, or the sandbox started anew */
};

/* Where the job of the plan is. *ret_session is filled unless APP_GONE. -1 with err. */
int app_phase_of(const struct sandbox_use *use, json_t *plan, enum app_phase *ret_phase,
                 struct session *ret_session, struct error *err);

/* One attempt at the plan's readiness probe; true without one. */
bool app_answers(struct apps *apps, const struct sandbox_use *use, json_t *plan,
                 int64_t timeout_ms);

/* Waits for what app_start promises, at most until the client went or the service ends. ERR_APP_FAILED:
 * *ret_details as there. */
int app_await(struct apps *apps, const struct sandbox_use *use, json_t *plan, int client_fd,
              int ending_fd, json_t **ret_details, struct error *err);

/* --- log_tail.c --- */

/* The last whole lines of a file of the sandbox as printable UTF-8 without terminal sequences, at most
 * APP_LOG_TAIL_BYTES; "" when there is none. The caller's to free(); NULL without memory. */
char *log_tail(const char *agent_socket, const char *path);

static inline int64_t plan_int(json_t *plan, const char *member)
{
    return json_integer_value(json_object_get(plan, member));
}

static inline const char *plan_text(json_t *plan, const char *member)
{
    return json_string_value(json_object_get(plan, member)); /* NULL when absent or null */
}

static inline void cleanup_plan(json_t **plan)
{
    json_decref(*plan);
}

#define auto_json __attribute__((cleanup(cleanup_plan)))

#endif
