/*
 * Apps: the server that a sandbox exists for. A template's install and start commands, a readiness probe, the
 * services that belong to it, and bringing them back when the sandbox starts again on its kept files.
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

/* Also registers itself with sandboxes (sandboxes_on_start), so that apps and services of a sandbox that
 * starts are started. */
struct apps *apps_open(const struct settings *settings, struct sandboxes *sandboxes, struct hostclient *host,
                       const struct catalogue *catalogue, struct events *events, struct error *err);
struct apps *apps_close(struct apps *apps);

/* POST …/template/start. request: the validated body. Runs the install command (unless install is false or there
 * is none), starts the start command as job "template" with log and pid file, and waits until the readiness probe
 * succeeds or start_timeout_sec passed. ERR_APP_FAILED with the last lines of the log in the message when a
 * command fails. *ret_json: {status,template_id,workdir,preview_port,logs_path,pid_path,artifact_paths,ready,
 * process_id} without envelope; the API adds preview_url. */
int app_start(struct apps *apps, const struct principal *principal, const char *sandbox_id, json_t *request,
              int client_fd, json_t **ret_json, struct error *err);

/* Does a server answer? One attempt at the probe ({"type":"http"|"tcp"|"exec", url|port|command}); *ret_status:
 * HTTP status or 0, *ret_latency_ms. Used by readiness, previews' status and deployments' health. */
int app_probe(struct apps *apps, const struct sandbox_use *use, json_t *probe, int64_t timeout_ms,
              int *ret_status, int64_t *ret_latency_ms, struct error *err);

/* Can a TCP connection be made to the port inside? */
bool app_port_listens(struct apps *apps, const char *sandbox_id, int port);

#endif
