/* A request about the services of a sandbox: what services*.c share. */
#ifndef ATOLL_API_SERVICE_CALL_H
#define ATOLL_API_SERVICE_CALL_H

#include "agentclient/sessions.h"
#include "api/api.h"

#include <jansson.h>
#include <stdbool.h>

struct service_call {
    struct api *api;
    struct sandbox_use use;
    json_t *services; /* definitions by name, a copy */
    const char *name; /* the one it is about, or NULL */
    json_t *spec;     /* its definition, borrowed */
    bool ran;         /* session is its job, the latest one */
    struct session session;
};

/* Begins a use of the request's sandbox and reads the definitions. service_call_end is due in any case. */
int service_call_begin(struct request *request, struct service_call *call, struct error *err);

/* As service_call_begin, and finds the service {name} and its job. ERR_PROCESS_NOT_FOUND. */
int service_call_begin_named(struct request *request, struct service_call *call, struct error *err);

/* Looks for the job of call->name. */
int service_call_find_job(struct service_call *call, struct error *err);

void service_call_end(struct service_call *call);

#define auto_service_call __attribute__((cleanup(service_call_end)))

/* A service as the API tells of it; session: its latest job, or NULL. New reference. */
json_t *service_json(const char *name, json_t *spec, const struct session *session,
                     const char *sandbox_id);

void respond_service(struct request *request, int status, const struct service_call *call);

/* Handlers of services_change.c. */
void service_create_handle(struct request *request);
void service_start_handle(struct request *request);
void service_stop_handle(struct request *request);
void service_restart_handle(struct request *request);
void service_delete_handle(struct request *request);

#endif
