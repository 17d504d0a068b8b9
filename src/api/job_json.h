/* A job as the API tells of it. */
#ifndef ATOLL_API_JOB_JSON_H
#define ATOLL_API_JOB_JSON_H

#include "agentclient/sessions.h"

#include <jansson.h>

/* "running", "restarting" (a service between two starts), and how it ended: "stopped", "exited", "killed" (by a
 * signal), "timed_out". */
const char *job_status(const struct session *session);

/* Id, status, command, times, exit; exit_code -1 when it timed out. New reference. */
json_t *job_json(const struct session *session, const char *sandbox_id);

/* Of bytes that may be no UTF-8; null for "". New reference. */
json_t *job_text(const char *text);

/* ISO 8601, null for 0. New reference. */
json_t *job_time(int64_t realtime_ms);

#endif
