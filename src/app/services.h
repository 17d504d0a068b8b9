/*
 * Services: named jobs that the agent starts again when they fail, and that come back when their sandbox starts
 * again on its kept files. What is known of one beside its running job is its definition, kept with the sandbox
 * (sandbox_set_service): {"command": string or array, "cwd", "env", "user", "stopped": bool}.
 */
#ifndef ATOLL_APP_SERVICES_H
#define ATOLL_APP_SERVICES_H

#include "agentclient/sessions.h"
#include "base/error.h"
#include "base/settings.h"
#include "sandbox/sandbox.h"

#include <jansson.h>
#include <stdbool.h>

/* struct session.label of a service's job, which tells it from a job that has a name. */
#define SERVICE_LABEL "service"

enum { SERVICE_WORDS_MAX = 256 }; /* of a command that is an array */

/* Checks {name*, command* | cmd | argv, args, cwd | working_dir, env, user, sudo} and makes its definition.
 * *ret_name is borrowed from body. ERR_VALIDATION, ERR_MISSING_PARAM naming the member; unknown ones are
 * refused. */
int service_define(json_t *body, const char **ret_name, json_t **ret_spec, struct error *err);

/* What people are shown: the command as it was typed, or its words with blanks between them. */
void service_show_command(json_t *spec, char text[AGENT_PATH_MAX]);

/* Starts the job of a definition. ERR_NAME_TAKEN: it runs; ERR_JOB_LIMIT; and as session_start. */
int service_start(const struct settings *settings, const struct sandbox_use *use, const char *name,
                  json_t *spec, struct session *ret_session, struct error *err);

/* Notes in its definition whether it is to come back. A name without a definition is left alone. */
int service_set_stopped(struct sandboxes *sandboxes, const char *sandbox_id, const char *name,
                        bool stopped, struct error *err);

/* Starts every service of the sandbox that is not stopped and does not run; failures are logged. For
 * sandboxes_on_start. */
void services_start_all(const struct settings *settings, struct sandboxes *sandboxes,
                        const struct sandbox_use *use);

/* Finds the job of a service, the running one or else the latest. false: it never ran, or is forgotten.
 * sessions: as session_list gave them. */
bool service_find(const struct session *sessions, size_t count, const char *name,
                  struct session *ret_session);

#endif
