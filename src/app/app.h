/*
 * Apps: the server that a sandbox exists for. A template's install and start commands, a readiness probe, the
 * services that belong to it, and bringing them back when the sandbox starts again on its kept files.
 *
 * An app is one job of the agent, named "template", whose script installs and then becomes the start command. So a
 * start goes on without this process, and what is known of an app is asked of its job: only the plan is stored
 * (sandbox_set_app).
 */
#ifndef ATOLL_APP_APP_H
#define ATOLL_APP_APP_H

#include "base/error.h"
#include "base/settings.h"
#include "events/events.h"
#include "hostclient/hostclient.h"
#include "sandbox/sandbox.h"
#include "template/catalogue.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct apps;

/* All borrowed; events may be NULL. */
struct apps *apps_open(const struct settings *settings, struct sandboxes *sandboxes,
                       struct hostclient *host, const struct catalogue *catalogue,
                       struct events *events, struct error *err);

/* Before sandboxes_close and before what expose needs goes: waits for starts that are under way. Accepts NULL;
 * returns NULL. */
struct apps *apps_close(struct apps *apps);

/* From now on apps and services of sandboxes that start are started (sandboxes_on_start). expose is called whenever
 * an app with a port is started, by whoever starts it and before anybody waits for it. Before requests come. */
void apps_begin(struct apps *apps,
                void (*expose)(void *context, const char *tenant_id, const char *sandbox_id,
                               int port),
                void *context);

/*
 * POST …/template/start. Checks the request ({install, install_command, start_command, port, workdir, env, user,
 * install_timeout_sec, start_timeout_sec, readiness_probe, restart, wait}; the template's values where it says
 * nothing) and starts the app as a job with log and pid file; one that runs already is stopped first. Unless wait is false it
 * waits until the readiness probe succeeds, the command ends or start_timeout_sec passed. With restart the
 * job is run again after a failure, later and later, as services are; one that fails while somebody waits here is
 * ended. ERR_APP_FAILED when a command failed: *ret_json is then {stage, exit_code, logs_path, log_tail}, the error's details. ERR_CONFLICT
 * while another start installs. ERR_CANCELLED when the peer of client_fd went, ERR_SHUTTING_DOWN when ending_fd
 * became readable: the start goes on. *ret_json otherwise: as app_status.
 */
int app_start(struct apps *apps, const struct principal *principal, const char *sandbox_id,
              json_t *request, int client_fd, int ending_fd, json_t **ret_json, struct error *err);

/* What the app is doing now: {status, ready, template_id, workdir, preview_port, install_command, start_command,
 * logs_path, pid_path, artifact_paths, process_id, exit_code, started_at, readiness_probe, restart, restarts}.
 * status: not_started, installing, started, restarting (failed, starts again in a moment), exited (by itself, code
 * 0), failed, stopped. ready: its server answers. The API adds preview_url. */
int app_status(struct apps *apps, const struct sandbox_use *use, json_t **ret_json,
               struct error *err);

/* Ends the app's whole process tree; it does not come back with the sandbox. *ret_json: as app_status. */
int app_stop(struct apps *apps, const struct principal *principal, const char *sandbox_id,
             json_t **ret_json, struct error *err);

/* The files below the app's artifact paths, without what tools put there (node_modules, .git, …):
 * [{path, size, modified_at, type}], at most APP_ARTIFACTS_MAX; *ret_truncated: there are more. */
enum { APP_ARTIFACTS_MAX = 1000 };
int app_artifacts(const struct sandbox_use *use, json_t *paths, json_t **ret_files,
                  bool *ret_truncated, struct error *err);

/* Does a server answer? One attempt at the probe ({"type":"http", url | port, path}, {"type":"tcp", port},
 * {"type":"exec", command}); *ret_status: HTTP status or 0, *ret_latency_ms. Used by readiness, previews' status
 * and deployments' health. 0: it answered, whatever the status. ERR_PORT_NOT_LISTENING, ERR_UPSTREAM,
 * ERR_UPSTREAM_TIMEOUT; ERR_APP_FAILED: the command did not exit with 0; ERR_VALIDATION: no such probe. */
int app_probe(struct apps *apps, const struct sandbox_use *use, json_t *probe, int64_t timeout_ms,
              int *ret_status, int64_t *ret_latency_ms, struct error *err);

/* Can a TCP connection be made to the port inside? */
bool app_port_listens(struct apps *apps, const char *sandbox_id, int port);

#endif
