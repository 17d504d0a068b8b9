#include "api/job_use.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static const char id_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

static int not_found(struct error *err)
{
    return error_set(err, ERR_PROCESS_NOT_FOUND, 0, "process not found");
}

static int find_by_pid(const struct sandbox_use *use, const char *reference,
                       struct session *ret_session, struct error *err)
{
    auto_free struct session *all = NULL;
    size_t count;
    bool found = false;
    int64_t pid = strtoll(reference, NULL, 10);
    if (session_list(use->agent_socket, AGENT_SESSION_JOB, &all, &count, err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (all[i].pid == pid && (!found || ret_session->state == AGENT_SESSION_ENDED)) {
            *ret_session = all[i];
            found = true;
        }
    }
    return found ? 0 : not_found(err);
}

int job_find(const struct sandbox_use *use, const char *reference, struct session *ret_session,
             struct error *err)
{
    size_t length = strlen(reference);
    if (length == 0 || length >= AGENT_SESSION_ID_SIZE ||
        strspn(reference, id_characters) != length) {
        return not_found(err);
    }
    if (strspn(reference, "0123456789") == length) {
        return find_by_pid(use, reference, ret_session, err);
    }
    if (session_get(use->agent_socket, reference, ret_session, err)) {
        return -1;
    }
    return ret_session->kind == AGENT_SESSION_JOB ? 0 : not_found(err);
}

int job_failed(struct api *api, const struct sandbox_use *use, struct error *err)
{
    if (err->code == ERR_AGENT_UNAVAILABLE) {
        sandbox_explain(api->sandboxes, use, err);
    }
    return -1;
}

int job_use_begin(struct request *request, struct sandbox_use *ret_use, struct session *ret_session,
                  struct error *err)
{
    struct api *api = api_of(request);
    if (sandbox_use_begin(api->sandboxes, request_principal(request), request_param(request, "id"),
                          0, ret_use, err)) {
        return -1;
    }
    if (job_find(ret_use, request_param(request, "process_id"), ret_session, err)) {
        job_failed(api, ret_use, err);
        sandbox_use_end(api->sandboxes, ret_use);
        return -1;
    }
    return 0;
}

int job_list(struct request *request, const struct sandbox_use *use, struct session **ret_jobs,
             size_t *ret_count, struct error *err)
{
    if (session_list(use->agent_socket, AGENT_SESSION_JOB, ret_jobs, ret_count, err)) {
        return job_failed(api_of(request), use, err);
    }
    return 0;
}
