/* The HTTP API's resources: one file each, joined in one table of routes. */
#ifndef ATOLL_API_API_H
#define ATOLL_API_API_H

#include "app/app.h"
#include "base/settings.h"
#include "events/events.h"
#include "events/webhooks.h"
#include "gateway/directory.h"
#include "gateway/gateway.h"
#include "hostclient/hostclient.h"
#include "http/http.h"
#include "sandbox/sandbox.h"
#include "store/store.h"
#include "template/catalogue.h"

/* What handlers work with: request_application(). All borrowed. */
struct api {
    const struct settings *settings;
    struct store *store;
    struct hostclient *host;
    const struct catalogue *catalogue;
    struct events *events;
    struct webhooks *webhooks;
    struct sandboxes *sandboxes;
    struct apps *apps;
    struct directory *directory;
    struct gateway *gateway;
    struct http_server *server; /* for /metrics */
    int64_t started_ms;         /* realtime */
};

/* Rows for the table, each array ended by {0}; api_routes joins them. */
extern const struct route api_sandbox_routes[];
extern const struct route api_snapshot_routes[];
extern const struct route api_exec_routes[];
extern const struct route api_process_routes[];
extern const struct route api_sandbox_service_routes[];
extern const struct route api_app_routes[];
extern const struct route api_terminal_routes[]; /* and tunnels */
extern const struct route api_file_routes[];
extern const struct route api_watch_routes[]; /* and ports */
extern const struct route api_template_routes[];
extern const struct route api_warm_pool_routes[];
extern const struct route api_preview_routes[];
extern const struct route api_preview_token_routes[];
extern const struct route api_preview_domain_routes[];
extern const struct route api_deployment_routes[];
extern const struct route api_domain_routes[];
extern const struct route api_event_routes[];
extern const struct route api_log_routes[];
extern const struct route api_ticket_routes[];
extern const struct route api_webhook_routes[];
extern const struct route api_key_routes[];
extern const struct route api_engine_routes[];
extern const struct route api_service_routes[]; /* health, metrics, openapi */

/* The whole table, ended by {0}; static memory. */
const struct route *api_routes(void);

/* For apps_begin, with the struct api as context: a public preview of the app's port, unless there is one. */
void api_expose_app(void *context, const char *tenant_id, const char *sandbox_id, int port);

static inline struct api *api_of(const struct request *request)
{
    return request_application(request);
}

#endif
