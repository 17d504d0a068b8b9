/* A request's way to a sandbox's agent and to one of its jobs. */
#ifndef ATOLL_API_JOB_USE_H
#define ATOLL_API_JOB_USE_H

#include "agentclient/sessions.h"
#include "api/api.h"

/* The job by its id, or by its process id: a running one before an ended one. Terminals are no jobs.
 * ERR_PROCESS_NOT_FOUND. */
int job_find(const struct sandbox_use *use, const char *reference, struct session *ret_session,
             struct error *err);

/* Says what became of the sandbox when the agent cannot be reached. Returns -1. */
int job_failed(struct api *api, const struct sandbox_use *use, struct error *err);

/* Begins a use of the request's sandbox {id} and finds its job {process_id}. 0: sandbox_use_end is due. */
int job_use_begin(struct request *request, struct sandbox_use *ret_use, struct session *ret_session,
                  struct error *err);

/* *ret_jobs is the caller's to free(); terminals are left out. */
int job_list(struct request *request, const struct sandbox_use *use, struct session **ret_jobs,
             size_t *ret_count, struct error *err);

#endif
