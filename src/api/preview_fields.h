/* What requests about previews, tokens and deployments have in common. */
#ifndef ATOLL_API_PREVIEW_FIELDS_H
#define ATOLL_API_PREVIEW_FIELDS_H

#include "api/api.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The member "port": 0 when it is absent; ERR_INVALID_PORT outside of 1 to 65535. */
int port_member(json_t *body, int *ret_port, struct error *err);

/* A duration in seconds by the first of names (ended by NULL) that is present, 1 to max. */
int seconds_member(json_t *body, const char *const *names, int64_t max, int64_t fallback,
                   int64_t *ret_seconds, struct error *err);

/* The member "scope": "read" (also when absent) or "interact"; ERR_INVALID_SCOPE. */
int interact_member(json_t *body, bool *ret_may_interact, struct error *err);

/* A text of 1 to max bytes without control characters; NULL when absent. */
int name_member(json_t *body, const char *member, size_t max, const char **ret_name,
                struct error *err);

/* ISO 8601, null for 0. */
json_t *time_member(int64_t realtime_ms);

/* The view of the sandbox {id} of the path, if it is the caller's and alive; ERR_NOT_FOUND. */
int view_of_request(struct request *request, struct sandbox_view *ret_view, struct error *err);

/* ERR_NOT_RUNNING or ERR_STARTING unless the caller's sandbox {id} runs; wakes it when it may (auto_resume). Counts as
 * activity. */
int running_view_of_request(struct request *request, struct sandbox_view *ret_view,
                            struct error *err);

/* The URL of a port of the sandbox; with name "preview_token" and a token behind it. name may be NULL. */
json_t *preview_url_member(const struct api *api, const struct sandbox_view *view, int port,
                           const char *name, const char *token);

#endif
