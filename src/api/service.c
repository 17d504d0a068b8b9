/* The service itself: health, metrics, the API's description. */
#include "api/api.h"
#include "api/engines.h"
#include "api/openapi.h"
#include "api/prometheus.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { METRICS_PAGE_MAX = 64 * 1024 };

static json_t *host_json(const struct host_info *info)
{
    return json_pack("{s:s, s:s, s:I, s:o, s:o}", "version", info->version, "cgroup_mode",
                     info->cgroup_mode, "cpu_count", (json_int_t)info->cpu_count, "network_problem",
                     info->network_problem[0] ? json_string(info->network_problem) : json_null(),
                     "engines", engines_json(info));
}

static void health_handle(struct request *request)
{
    struct error err = {0};
    struct host_info info = {0};
    int failed = host_hello(api_of(request)->host, &info, &err);
    if (!failed && !sandboxes_host_connected(api_of(request)->sandboxes)) {
        failed = error_set(&err, ERR_HOST_UNAVAILABLE, 0,
                           "atoll-host was found, and what it runs is being looked through");
    }
    if (failed) {
        respond_error_details(
            request, &err,
            json_pack("{s:s, s:s}", "status", "unavailable", "version", ATOLL_VERSION));
        return;
    }
    bool usable = engines_serve_default(&info, api_of(request)->settings->engine);
    respond_json(request, 200,
                 json_pack("{s:s, s:s, s:o}", "status", usable ? "ok" : "degraded", "version",
                           ATOLL_VERSION, "host", host_json(&info)));
}

/* Second number of /proc/self/statm, in bytes; 0 when it cannot be read. */
static int64_t resident_bytes(void)
{
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, "/proc/self/statm", 256, &text) < 0) {
        return 0;
    }
    const char *space = strchr(text, ' ');
    return space ? strtoll(space, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}

static void metrics_handle(struct request *request)
{
    struct api *api = api_of(request);
    auto_buffer struct buffer page = BUFFER_INIT(METRICS_PAGE_MAX);
    struct prometheus_facts facts = {.started_ms = api->started_ms,
                                     .resident_bytes = resident_bytes()};
    struct error ignored;
    auto_free struct host_pool *pools = NULL;
    host_hello(api->host, &facts.host, &ignored); /* no engines while it cannot be reached */
    host_pool_status(api->host, &pools, &facts.warm_pool_count, &ignored);
    facts.warm_pools = pools;
    /* Not api->server: the first request may come before that is set. */
    http_server_counters(request_server(request), &facts.http);
    sandboxes_counts(api->sandboxes, &facts.sandboxes);
    snapshots_counts(api->sandboxes, &facts.snapshots, &ignored);
    gateway_counters(api->gateway, &facts.gateway);
    events_count(api->events, &facts.events);
    webhooks_count(api->webhooks, &facts.webhooks);
    if (prometheus_write(&page, &facts)) {
        struct error err = {0};
        error_set(&err, ERR_INTERNAL, 0, "write the metrics");
        respond_error(request, &err);
        return;
    }
    respond_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", page.data, page.length);
}

static void openapi_handle(struct request *request)
{
    respond_header(request, "Cache-Control", "public, max-age=300");
    respond_bytes(request, 200, "application/json", openapi_document, openapi_document_length);
}

#define PUBLIC(route_pattern, route_handler)                                                       \
    {                                                                                              \
        .method = "GET", .pattern = route_pattern, .body = BODY_NONE, .flags = ROUTE_PUBLIC,       \
        .handler = route_handler                                                                   \
    }

const struct route api_service_routes[] = {
    PUBLIC("//health", health_handle),
    /* Counts only, nothing of any tenant: public, as scrapers expect it. */
    PUBLIC("//metrics", metrics_handle),
    PUBLIC("/health", health_handle),
    PUBLIC("/openapi.json", openapi_handle),
    {0},
};
