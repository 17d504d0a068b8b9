/* Starting a job: a detached command. */
#ifndef ATOLL_API_JOB_START_H
#define ATOLL_API_JOB_START_H

#include "agentclient/sessions.h"
#include "api/api.h"
#include "api/exec_request.h"

/* Starts what parsed, a detached request, describes, and gives it its input. ERR_JOB_LIMIT, ERR_NAME_TAKEN and
 * as session_start. */
int job_start(struct api *api, const struct sandbox_use *use, struct exec_request *parsed,
              struct session *ret_session, struct error *err);

/* Answers POST …/exec and …/commands with 201 {job_id, id, pid, data: the job}. */
void job_respond_detached(struct request *request, struct exec_request *parsed);

#endif
