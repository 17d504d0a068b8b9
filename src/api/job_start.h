/* Starting a job: a detached command. */
#ifndef ATOLL_API_JOB_START_H
#define ATOLL_API_JOB_START_H

#include "agentclient/sessions.h"
#include "api/api.h"
#include "api/exec_request.h"
#include "base/ids.h"

/* The id of the job that a request with an Idempotency-Key makes, however often it is made: so that one which a crash
 * of this process cut short is found again. false: it has no key, and id is not touched. */
bool job_id_of_claim(const struct request *request, char id[ID_SIZE]);

/* Starts what parsed, a detached request, describes, and gives it its input; under that id, unless NULL: one that is
 * there already is what it gives. ERR_JOB_LIMIT, ERR_NAME_TAKEN and as session_start. */
int job_start(struct api *api, const struct sandbox_use *use, struct exec_request *parsed,
              const char *id, struct session *ret_session, struct error *err);

/* Answers POST …/exec and …/commands with 201 {job_id, id, pid, data: the job}. */
void job_respond_detached(struct request *request, struct exec_request *parsed);

#endif
