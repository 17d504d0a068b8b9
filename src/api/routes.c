/* The one table of routes. */
#include "api/api.h"

#include <pthread.h>
#include <stdlib.h>

enum { ROUTES_MAX = 256 };

static struct route table[ROUTES_MAX + 1];
static pthread_once_t joined = PTHREAD_ONCE_INIT;

static void join(void)
{
    const struct route *const parts[] = {
        api_sandbox_routes, api_exec_routes,           api_file_routes,
        api_watch_routes,   api_process_routes,        api_sandbox_service_routes,
        api_app_routes,     api_terminal_routes,       api_template_routes,
        api_preview_routes, api_preview_token_routes,  api_deployment_routes,
        api_domain_routes,  api_event_routes,          api_log_routes,
        api_ticket_routes,  api_webhook_routes,        api_key_routes,
        api_service_routes, api_preview_domain_routes, api_snapshot_routes,
        api_engine_routes,  api_warm_pool_routes};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (const struct route *route = parts[i]; route->method; route++) {
            if (count == ROUTES_MAX) {
                abort(); /* a constant table: it fits, or it never did */
            }
            table[count++] = *route;
        }
    }
}

const struct route *api_routes(void)
{
    pthread_once(&joined, join);
    return table;
}
