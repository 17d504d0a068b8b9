/* Handlers of …/processes and …/jobs that have files of their own. */
#ifndef ATOLL_API_PROCESSES_H
#define ATOLL_API_PROCESSES_H

#include "agentclient/sessions.h"
#include "http/http.h"
#include "sandbox/sandbox.h"

#include <jansson.h>

/* process_stream.c */
void process_stream_handle(struct request *request);

/* process_logs.c */
void process_logs_handle(struct request *request);

/* {count, lines, truncated, lost_bytes, position, logs} of the session's last lines, as ?tail= and ?stream= of
 * the request say. New reference, or NULL with err. */
json_t *process_logs_json(struct request *request, const struct sandbox_use *use,
                          const struct session *session, struct error *err);

/* process_control.c */
void process_stdin_handle(struct request *request);
void process_signal_handle(struct request *request);
void process_stop_handle(struct request *request);
void process_delete_handle(struct request *request);

/* grace_ms of the query or the body: 5 s when it is not given. */
int process_grace(struct request *request, int64_t *ret_grace_ms, struct error *err);

#endif
